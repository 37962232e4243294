//! Watch: what a look says of the job.
//!
//! Holds: only our own file, in one run, is our print. A pause, a resume or a cancel at Klipper's own page is taken for what a
//!        person there wants, and recorded; another print there ends the job, and is not touched.

use super::super::conductor::faults;
use super::super::journal::Record;
use super::super::transport::{Class, POSITION_MM};
use super::begin::START_MS;
use super::job::Run;
use super::reading::{Print, PrintState};
use super::{Finding, Millis, Moonraker, Request, Stage, words};

/// Looks in a row in which the head is where no line of the file has it.
const ASTRAY_MAX: u32 = 2;
/// Klipper says a place with three decimals.
const ASTRAY_MM: f64 = 2.0 * POSITION_MM;
/// Targets that are alike, C.
const TARGET_C: f64 = 0.5;

impl Moonraker {
    /// Klipper is ready, and there is a job.
    pub(super) fn watch(&mut self, now: Millis) {
        if self.fault.as_ref().is_some_and(|f| f.name == words::AWAY) {
            self.fault = None;
        }
        let Some(job) = self.job.as_mut().filter(|job| job.has_begun()) else {
            if let Some(other) = self.foreign().map(str::to_owned) {
                self.end_job(now, Some(words::foreign_began(&other)));
            }
            return;
        };
        let Some(print) = self.look.print.clone() else {
            return;
        };
        if print.name != job.name {
            return self.not_ours(now, &print);
        }
        if job.run(&self.look, &print) == Run::Another {
            return self.stop_safe(now, words::another_run());
        }
        let size = job.plan.as_ref().map(|plan| plan.bytes.len() as u64);
        if print.state.is_active() && self.look.file.map(|file| file.size) != size {
            return self.stop_safe(now, words::other_size());
        }
        match print.state {
            PrintState::Printing => self.prints(now),
            PrintState::Paused => self.is_held(now),
            PrintState::Complete => self.completes(now),
            PrintState::Cancelled => {
                let why = if job.stage == Stage::Cancelling {
                    faults::cancelled()
                } else {
                    faults::stopped_at_printer()
                };
                self.end_job(now, Some(why));
            }
            PrintState::Error => self.stop_safe(now, faults::trouble(&print.message)),
            // Loaded, and not begun.
            PrintState::Standby if job.stage == Stage::Starting => self.watch_start(now),
            PrintState::Standby => self.stop_safe(now, words::taken_back()),
        }
    }

    /// Klipper's print is not our file.
    fn not_ours(&mut self, now: Millis, print: &Print) {
        let Some(job) = &self.job else {
            return;
        };
        match job.stage {
            Stage::Starting if !print.state.is_active() => self.watch_start(now),
            Stage::Cancelling if !print.state.is_active() => {
                self.end_job(now, Some(faults::cancelled()));
            }
            _ if print.state.is_active() => {
                // Its heaters are not ours any more: `off` finds somebody else's print.
                self.end_job(now, Some(words::foreign_began(&print.name)));
            }
            _ => self.end_job(now, Some(words::taken_back())),
        }
    }

    fn watch_start(&mut self, now: Millis) {
        let Some(job) = &self.job else {
            return;
        };
        let refused = job.start_trouble.clone();
        let waits = self.is_ordered(|what| matches!(what, Request::Start(_)));
        // One that got no answer may still be carried out.
        let patience_ms = if waits || refused.is_none() {
            START_MS
        } else {
            START_MS / 6
        };
        if now >= job.since + patience_ms {
            let why = refused.unwrap_or_else(|| "it took the order and does not print".into());
            self.end_job(now, Some(words::not_started(&why)));
        }
    }

    fn prints(&mut self, now: Millis) {
        let Some(job) = &mut self.job else {
            return;
        };
        match job.stage {
            Stage::Starting => job.enter(now, Stage::Running),
            Stage::Running => {}
            Stage::Pausing => self.hold_on(now),
            Stage::Cancelling => return self.cancel_again(now),
            Stage::Resuming => self.goes_on(now),
            // Somebody let it go on there.
            Stage::Parking | Stage::Paused | Stage::Reheating | Stage::Unparking => {
                self.journal(Record::Resumed { at_printer: true });
                let cooled = self
                    .job
                    .as_ref()
                    .is_some_and(|job| job.cooled != [false; 2]);
                if cooled {
                    return self.stop_safe(now, words::resumed_cold());
                }
                self.goes_on(now);
            }
            // Its last line was carried out before.
            _ => return self.stop_safe(now, words::another_run()),
        }
        self.progress(now);
    }

    fn progress(&mut self, now: Millis) {
        let targets_c = self.targets_c();
        let before = self.job.as_ref().map_or(0, |job| job.done);
        let Some(job) = &mut self.job else {
            return;
        };
        let mark = job.reached(now, &self.look, targets_c);
        let stuck = now >= job.done_ms.max(job.since) + job.patience_ms();
        if let Some(mark) = mark {
            self.journal(mark);
        }
        if stuck {
            return self.stop_safe(now, words::stuck());
        }
        self.hear_lines(before);
        if !self.hear_height() {
            return self.stop_safe(now, words::other_height());
        }
        self.tune_on(now);
        if self.is_astray() {
            return self.stop_safe(now, words::astray());
        }
        if let Some(why) = self.is_cold() {
            self.stop_safe(now, why);
        }
    }

    /// The head is where neither the last line nor the one in work has it, twice: somebody else moved it.
    fn is_astray(&mut self) -> bool {
        let at = self.look.at_mm;
        let Some(job) = &mut self.job else {
            return false;
        };
        let moves = matches!(
            job.class_in_work(),
            Some(Class::Move(_) | Class::Setting | Class::Drain | Class::Dwell(_))
        );
        let (Some(plan), Some(at), true) = (&job.plan, at, moves && job.stage == Stage::Running)
        else {
            job.astray = 0;
            return false;
        };
        let fits = |lines: usize| {
            let place = plan.place(lines);
            (0..3).all(|a| place[a].is_nan() || (place[a] - at[a]).abs() <= ASTRAY_MM)
        };
        job.astray = if fits(job.done) || fits(job.done + 1) {
            0
        } else {
            job.astray + 1
        };
        job.astray >= ASTRAY_MAX
    }

    /// A heater that the file has on is off, or wanted as warm neither as behind the last line nor as behind the one in work,
    /// twice: somebody else set it. A macro that homes or levels may have a heat of its own meanwhile.
    fn is_cold(&mut self) -> Option<Finding> {
        let targets_c = self.targets_c();
        let job = self.job.as_mut()?;
        let plan = job.plan.as_ref()?;
        let (before, after) = (plan.heat(job.done), plan.heat(job.done + 1));
        let on = (0..2).filter(|&h| before[h] > 0.0 && after[h] > 0.0);
        let differs = |h: &usize| {
            let by = |wanted_c: f64| (targets_c[*h] - wanted_c).abs() > TARGET_C;
            by(before[*h]) && by(after[*h])
        };
        let other = on.clone().any(|h| differs(&h));
        let macros = matches!(job.class_in_work(), Some(Class::Home | Class::Probe));
        job.off = if other && !macros && job.stage == Stage::Running {
            job.off + 1
        } else {
            0
        };
        let is_off = on.clone().any(|h| targets_c[h] <= 0.0);
        (job.off >= ASTRAY_MAX).then(|| {
            if is_off {
                faults::targets_lost()
            } else {
                words::other_heat()
            }
        })
    }

    /// Targets of nozzle and bed, C.
    pub(super) fn targets_c(&self) -> [f64; 2] {
        ["extruder", "heater_bed"].map(|name| self.look.heater(name).map_or(0.0, |h| h.target_c))
    }
}
