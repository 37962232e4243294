//! Stages: which line goes next, how a job moves on, what the firmware asks for, and how a job ends.

use super::super::transport::is_at;
use super::job::Stage;
use super::{Action, Class, Conductor, Event, Finding, JobStatus, Millis, Phase, Port, Record};
use super::{faults, park, tracker::Tracker};
use crate::status::Heater;

/// A pause waits for a travel for so many lines, then holds where it is.
const PAUSE_LINES: usize = 400;
/// And no longer than this: a person who pressed Pause sees it move on.
const PAUSE_MS: Millis = 5_000;
/// Questions for the end position.
const ASKED_MAX: u32 = 8;
/// Reports in a row with heaters off that nobody switched off.
const TARGETS_OFF_MAX: u32 = 3;

impl Conductor {
    /// Sends one line if there is one and it may go; `true` when it did.
    pub(super) fn send_next(&mut self, now: Millis) -> bool {
        if self.port != Port::Ready || !self.transport.has_room() || self.waits_for_disk(now) {
            return false;
        }
        let tag = self.job.as_ref().map_or(0, |job| job.next as u64);
        if let Some(class) = self.script.front().map(|(_, class)| *class)
            && !self.may_wait_behind(now, class)
        {
            return false;
        }
        if let Some((text, class)) = self.script.pop_front() {
            return self.put(now, &text, class, tag);
        }
        let Some(job) = &mut self.job else {
            return false;
        };
        if job.stage != Stage::Streaming || now < self.lines_from {
            return false;
        }
        if !job.guarded {
            // Only now: while the lines wait for a board that may boot twice, its time limit must not run.
            job.guarded = true;
            self.guard();
            return true;
        }
        if self.dialect.facts().has_m73
            && let Some(line) = job.progress_line()
        {
            self.own(&line, Class::Setting);
            return true;
        }
        let line = job.program.lines.get(job.next);
        if let Some(from) = job.pause_from {
            let here = line.is_none_or(|line| line.travel)
                || job.next >= from + PAUSE_LINES
                || now >= job.pause_ms + PAUSE_MS;
            if here {
                self.hold(now);
                return true;
            }
        }
        let line = line.map(|line| (line.text.clone(), line.class, line.layer));
        if line.as_ref().is_some_and(|line| self.trail.bars(line.2)) {
            return false;
        }
        let text = line.as_ref().map(|line| &*line.0);
        if text.is_none_or(|text| text.starts_with('M')) && self.must_prove_warm(now, text) {
            return false;
        }
        let Some(job) = &mut self.job else {
            return false;
        };
        let Some((text, class, _)) = line else {
            job.stage = Stage::Finishing;
            let undo = job.tuned.undo();
            self.script.extend(undo);
            self.own("M400", Class::Drain);
            return true;
        };
        if !self.may_wait_behind(now, class) {
            return false;
        }
        let Some(job) = &mut self.job else {
            return false;
        };
        job.next += 1;
        let tag = job.next as u64;
        let follows = job.tuned.hears(&text);
        let went = self.put(now, &text, class, tag);
        if let Some(line) = follows {
            self.own(&line, Class::Setting);
        }
        went
    }

    /// A line that waits for heat or for a person goes only when all before it is proved: then what is on its way is
    /// known while the printer is deaf for everything else.
    fn may_wait_behind(&mut self, now: Millis, class: Class) -> bool {
        let goes = !matches!(class, Class::Heat | Class::Person) || self.transport.is_certain();
        if !goes {
            self.transport.make_certain(now);
        }
        goes
    }

    fn put(&mut self, now: Millis, text: &str, class: Class, tag: u64) -> bool {
        self.tracker.apply(text);
        let after = self.tracker.said(self.facts());
        if let Err(error) = self.transport.send(now, text, class, tag, after) {
            // Program::prepare has framed every line already: this is a fault of our own code.
            self.stop_safe(
                now,
                Finding::refuse(
                    "unsendable_line",
                    format!("The print was stopped: {error}. Tell the makers."),
                ),
            );
            return false;
        }
        true
    }

    fn hold(&mut self, now: Millis) {
        self.parks(now);
        let (at, hot) = (self.tracker.at(), self.is_hot());
        let held = self.tracker.clone();
        let Some(job) = &mut self.job else {
            return;
        };
        job.pause_from = None;
        job.stage = Stage::Pausing;
        job.held = Some(held);
        let script = self.spoken(park::park(&at, hot, &self.setup.printer));
        self.script.extend(script);
    }

    /// Stages that end when everything sent is accepted.
    pub(super) fn advance(&mut self, now: Millis) {
        if self.port != Port::Ready || !self.script.is_empty() {
            return;
        }
        self.watch_targets(now);
        if !self.transport.is_drained() {
            return;
        }
        let at = self.tracker.at();
        let Some(job) = &mut self.job else {
            if !self.ask_heaters(now) {
                self.ask_head(now);
            }
            return;
        };
        if !matches!(job.stage, Stage::Streaming | Stage::Paused) && !self.transport.is_done(now) {
            return;
        }
        match job.stage {
            Stage::Pausing => {
                let line = job.next;
                let at_mm = [at[0], at[1], at[2]];
                self.actions
                    .push(Action::Journal(Record::Held { line, at_mm }));
                job.stage = Stage::Paused;
                job.held_ms = now;
                let resume = std::mem::take(&mut job.resume_asked);
                self.actions.push(Action::Journal(Record::Paused));
                if resume {
                    // It is held: this is not refused.
                    let _ = self.go_on(now, true);
                }
            }
            Stage::Resuming => {
                job.stage = Stage::Streaming;
                self.work(now);
            }
            Stage::Cancelling => self.end_job(now, Some(faults::cancelled())),
            Stage::Finishing => self.finish(now),
            Stage::Checking => self.ask_entry(now),
            Stage::Streaming | Stage::Paused => {}
        }
    }

    /// Everything is done: does the firmware stand where the plan ends? Asked again when the answer was lost, and
    /// believed to differ only when it says so twice.
    fn finish(&mut self, now: Millis) {
        let plan = self.tracker.said(self.facts());
        let facts = self.facts();
        let Some(job) = &mut self.job else {
            return;
        };
        if job.counting {
            return;
        }
        // A position that came before it was asked for answered another question.
        let said = job.position.take().filter(|_| job.asked > 0);
        if let Some(said) = said {
            if is_at(facts, &said, &plan) {
                job.agreed += 1;
            } else {
                job.differed += 1;
            }
            if job.differed >= 2 {
                return self.stop_safe(now, faults::end_position());
            }
            // Twice: an old answer may come late or doubled, while the last moves are still made.
            if job.agreed >= 2 {
                job.counting = true;
                return self.transport.ask_count(now);
            }
        } else if job.asked >= ASKED_MAX {
            return self.stop_safe(now, faults::end_position());
        }
        job.asked += 1;
        self.own("M114", Class::Setting);
        self.work(now);
    }

    /// The firmware has taken as many lines as were sent, and stands where the plan ends.
    pub(super) fn counted(&mut self, now: Millis) {
        if self.job.as_ref().is_some_and(|job| job.counting) {
            self.end_job(now, None);
        }
    }

    /// Heaters that went off without our doing: the board was reset or stopped itself.
    fn watch_targets(&mut self, now: Millis) {
        let wanted = self.tracker.targets_c;
        let off = |wanted: f64, heater: Option<Heater>| {
            wanted > 0.0 && heater.is_some_and(|h| h.target_c <= 0.0)
        };
        let lost = off(wanted[0], self.hotend) || off(wanted[1], self.bed);
        let drained = self.transport.is_drained();
        let Some(job) = &mut self.job else {
            return;
        };
        // Only a report that is younger than the order counts; with an empty line it is.
        if !(lost && drained && job.stage == Stage::Paused) {
            job.targets_off = 0;
            return;
        }
        job.targets_off += 1;
        if job.targets_off >= TARGETS_OFF_MAX {
            self.stop_safe(now, faults::targets_lost());
        }
    }

    pub(super) fn count_resend(&mut self, now: Millis) {
        let figures = self.transport.figures();
        let bad = figures.sent > 1_000 && figures.resends * 10 > figures.sent;
        if let Some(job) = &mut self.job
            && bad
            && job.stage == Stage::Streaming
            && job.pause_from.is_none()
        {
            job.pause_from = Some(job.next);
            job.pause_ms = now;
            self.fault = Some(faults::bad_line());
        }
    }

    /// A boot banner: everything the board knew is gone: position, heat, line number.
    pub(super) fn booted(&mut self, now: Millis) {
        self.transport.silence();
        self.script.clear();
        self.forget_heaters();
        self.unsafe_since = None;
        // A print that has not begun waits for the board, but not for ever.
        self.away_since = self.job.is_some().then_some(now);
        self.waits = None;
        self.prompt = None;
        if self.stop.take().is_some() {
            // Some firmwares restart upon the emergency stop: that is their confirmation.
            self.fault = Some(faults::stop_confirmed(self.stop_why.take()));
        }
        self.tracker = Tracker::default();
        self.lines_from = now + 2 * self.boot_ms();
        if self.port != Port::Halted {
            self.port = Port::Booting {
                until: now + super::BOOT_QUIET_MS,
            };
        }
        // A board may boot twice after the port was opened: a file of which no line was sent just begins later.
        if self.job.as_ref().is_some_and(super::Job::has_begun) {
            self.end_job(now, Some(faults::was_reset()));
        }
    }

    /// A fault with a line that works: no further line of the file, heaters off.
    pub(super) fn stop_safe(&mut self, now: Millis, finding: Finding) {
        if self.job.is_none() {
            return;
        }
        let at = self.tracker.at();
        self.parks(now);
        self.end_job(now, Some(finding));
        self.make_safe(now, park::make_safe(&at, &self.setup.printer));
    }

    /// The job is over: `None` printed, otherwise stopped.
    pub(super) fn end_job(&mut self, now: Millis, fault: Option<Finding>) {
        let Some(mut job) = self.job.take() else {
            return;
        };
        self.away_since = None;
        self.script.clear();
        self.untuned = job.tuned.undo();
        let phase = if fault.is_none() {
            Phase::Printed
        } else {
            Phase::Stopped
        };
        let last = JobStatus {
            phase,
            fault: fault.clone(),
            ..job.status(now)
        };
        self.fault = fault
            .clone()
            .filter(|f| f.severity > crate::status::Severity::Info);
        self.actions
            .push(Action::Journal(Record::Ended { job: last.clone() }));
        self.actions.push(Action::Event(Event::Ended {
            job: job.code,
            sha256: job.sha256,
            phase,
            fault,
        }));
        self.last = Some(last);
        if job.stage != Stage::Checking {
            self.must_cool(now, now);
        }
        self.trail
            .ended(phase == Phase::Stopped && job.next > 0, job.next);
        if phase == Phase::Printed && self.facts().has_m85 {
            self.own("M85 S0", Class::Setting);
        }
    }
}
