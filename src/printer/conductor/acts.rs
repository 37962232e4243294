//! Acts: what people ask for.

use super::job::{Job, Stage};
use super::{
    Action, Conductor, GONE_MAX_MS, Millis, Port, Record, Taken, faults, introduction, park,
    refused,
};
use std::path::PathBuf;

impl Conductor {
    /// Print a file.
    ///
    /// # Errors
    /// When there is a job, or the printer can not take one.
    pub fn print(&mut self, now: Millis, job: String, path: PathBuf, sha256: String) -> Taken {
        self.print_from(now, job, (path, sha256), None)
    }

    /// The same; `released`: the file is a re-entry into that one.
    ///
    /// # Errors
    /// As [`Conductor::print`].
    pub fn print_from(
        &mut self,
        now: Millis,
        job: String,
        (path, sha256): (PathBuf, String),
        released: Option<PathBuf>,
    ) -> Taken {
        if let Some(running) = &self.job {
            return Err(refused(
                "busy",
                &format!("{} is on the printer.", running.code),
                "Wait until it ends, or cancel it.",
            ));
        }
        if self.port == Port::Halted {
            return Err(refused(
                "halted",
                "The printer is halted.",
                "Look at it, then let it recover.",
            ));
        }
        if let (Port::Stranger, Some(why)) = (&self.port, &self.unfit) {
            return Err(refused(
                &why.name,
                &why.text,
                "Choose the profile of this printer.",
            ));
        }
        if self.port == Port::Stranger {
            return Err(refused(
                "other_printer",
                "Another printer answers at the port than before.",
                "Look at both; let it recover if this one is meant.",
            ));
        }
        // Own orders that are on their way, e.g. to switch off, go before the file's lines. A printer that was ready
        // a moment ago is being asked anew: the print waits for it, for as long as one in mid-print would.
        let waits = self.is_coming_back(now);
        if !(self.port == Port::Ready || waits) || self.ending {
            return Err(refused(
                "not_ready",
                "The printer is not ready.",
                "Look at cable and power, and try again in a few seconds.",
            ));
        }
        (self.fault, self.last, self.unsafe_since) = (None, None, None);
        let printer = self.identity.as_ref().map(introduction::name_of);
        self.job = Some(Job::new(job, sha256.clone(), now, printer));
        self.away_since = waits.then_some(now);
        self.waits_anew(now);
        self.trail.begin();
        self.actions.push(Action::Load {
            path,
            sha256,
            released,
        });
        self.settle(now);
        Ok(())
    }

    /// The port is open, nobody has to look at it, and it was ready so lately that whoever orders a print still saw it so.
    fn is_coming_back(&self, now: Millis) -> bool {
        let greeted = matches!(
            self.port,
            Port::Booting { .. } | Port::Asking | Port::Greeting
        );
        greeted && (self.ready_ms).is_some_and(|ready| now < ready + GONE_MAX_MS)
    }

    /// Hold at a safe point.
    ///
    /// # Errors
    /// When nothing runs.
    pub fn pause(&mut self, now: Millis) -> Taken {
        match &mut self.job {
            Some(job) if job.stage == Stage::Streaming => {
                if job.pause_from.is_none() {
                    job.pause_from = Some(job.next);
                    job.pause_ms = now;
                    job.by_printer = false;
                }
                self.settle(now);
                Ok(())
            }
            Some(job) if matches!(job.stage, Stage::Pausing | Stage::Paused) => Ok(()),
            _ => Err(refused(
                "not_printing",
                "Nothing is being printed that could be held.",
                "Look at the state.",
            )),
        }
    }

    /// Go on.
    ///
    /// # Errors
    /// When nothing is held.
    pub fn resume(&mut self, now: Millis) -> Taken {
        self.go_on(now, false)
    }

    /// Goes on, by a person here or at the printer's own panel.
    pub(super) fn go_on(&mut self, now: Millis, at_printer: bool) -> Taken {
        let not_paused = refused("not_paused", "Nothing is held.", "Look at the state.");
        let Some(job) = &mut self.job else {
            return Err(not_paused);
        };
        if job.stage == Stage::Streaming && job.pause_from.take().is_some() {
            self.actions
                .push(Action::Journal(Record::Resumed { at_printer }));
            self.settle(now);
            return Ok(());
        }
        if job.stage != Stage::Paused {
            return Err(not_paused);
        }
        job.stage = Stage::Resuming;
        let held = job.held.take().unwrap_or_default();
        let cooled = std::mem::take(&mut job.cooled);
        let hot = self.is_hot()
            || (cooled[0] && held.targets_c[0] >= self.setup.printer.limits.extrude_min_c);
        let mut script = park::reheat(&held, cooled);
        script.extend(park::unpark(&held, hot, &self.setup.printer));
        let script = self.spoken(script);
        self.script.extend(script);
        self.fault = None;
        self.write_ahead(now, Record::Resumed { at_printer });
        self.settle(now);
        Ok(())
    }

    /// Give the job up.
    ///
    /// # Errors
    /// When there is none.
    pub fn cancel(&mut self, now: Millis) -> Taken {
        let Some(job) = &mut self.job else {
            return Err(refused(
                "no_job",
                "There is no job on the printer.",
                "Look at the state.",
            ));
        };
        match job.stage {
            Stage::Cancelling => {}
            Stage::Checking => self.end_job(now, Some(faults::cancelled())),
            Stage::Streaming
            | Stage::Pausing
            | Stage::Paused
            | Stage::Resuming
            | Stage::Finishing => {
                job.stage = Stage::Cancelling;
                self.parks(now);
                let (at, hot) = (self.tracker.at(), self.is_hot());
                self.make_safe(now, park::give_up(&at, hot, &self.setup.printer));
                self.unsafe_since = Some((now, faults::cancelled()));
                if self.waits.is_some() {
                    // What it waits for is said anew, with what the person can do.
                    self.waits_for_person(now);
                }
            }
        }
        self.settle(now);
        Ok(())
    }

    /// The process is told to end: park, heaters off, then [`Conductor::is_finished`].
    pub fn terminate(&mut self, now: Millis) {
        if self.ending {
            return;
        }
        self.ending = true;
        if self.port == Port::Ready {
            let at = self.tracker.at();
            let printing = self.job.is_some();
            self.parks(now);
            self.end_job(now, Some(faults::link_ended()));
            let script = if printing {
                park::make_safe(&at, &self.setup.printer)
            } else {
                park::heat_off(&self.setup.printer)
            };
            self.script = self.spoken(script).collect();
            self.untune();
            self.must_cool(now, now);
        } else {
            self.end_job(now, Some(faults::link_ended()));
        }
        self.settle(now);
    }

    /// After [`Conductor::terminate`]: nothing is left to do.
    pub fn is_finished(&self) -> bool {
        let idle = self.script.is_empty()
            && self.transport.is_drained()
            && self.cooling.is_none()
            && !self.trail.is_asking();
        self.ending && (self.port != Port::Ready || idle)
    }

    pub(super) fn is_hot(&self) -> bool {
        let extrude_min_c = self.setup.printer.limits.extrude_min_c;
        self.hotend.is_some_and(|h| h.now_c >= extrude_min_c)
            && self.tracker.targets_c[0] >= extrude_min_c
    }
}
