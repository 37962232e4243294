//! Acts: what people ask for.

use super::super::conductor::faults;
use super::super::driver::{Driver, Taken};
use super::off::Off;
use super::{
    Action, Finding, Job, Millis, Moonraker, Reach, Request, Stage, Status, refused, words,
};
use crate::status::Tune;
use std::path::PathBuf;

/// A link that is told to end stops a printer then that is not off yet. Its process lives for 25 s.
const END_STOP_MS: Millis = 18_000;

impl Moonraker {
    fn take_job(
        &mut self,
        now: Millis,
        job: String,
        (path, sha256): (PathBuf, String),
        released: Option<PathBuf>,
    ) -> Taken {
        if let Some(running) = &self.job {
            let text = format!("{} is on the printer.", running.code);
            return Err(refused("busy", &text, "Wait until it ends, or cancel it."));
        }
        if self.halted {
            return Err(refused(
                "halted",
                "The printer is halted.",
                "Look at it, then let it recover.",
            ));
        }
        if released.is_some() {
            return Err(refused(
                "no_re_entry",
                "A print on Klipper can not go on after a cut: Klipper forgets how high its head stands.",
                "Clear the bed and print it from the start.",
            ));
        }
        if self.reach == Reach::Stranger {
            return Err(refused(
                "other_printer",
                "Another printer answers than before.",
                "Look at both; let it recover if this one is meant.",
            ));
        }
        if let Some(why) = &self.unfit {
            return Err(refused(&why.name, &why.text, "Mend that, then try again."));
        }
        if let Some(other) = self.foreign() {
            let text = format!("Somebody prints {other} at Klipper's own page.");
            return Err(refused("busy", &text, "Wait until that has ended."));
        }
        let waits = self.off.as_ref().is_some_and(Off::is_of_print);
        if self.reach != Reach::Ready || self.looked_ms.is_none() || waits || self.ending.is_some()
        {
            return Err(refused(
                "not_ready",
                "The printer is not ready.",
                "Look at its power and its network, and try again in a few seconds.",
            ));
        }
        (self.fault, self.last, self.off) = (None, None, None);
        self.job = Some(Job::new(job, sha256.clone(), now, self.identity.clone()));
        self.actions.push(Action::Load { path, sha256 });
        Ok(())
    }

    fn hold_job(&mut self, now: Millis) -> Taken {
        let Some(job) = &mut self.job else {
            return Err(not_printing());
        };
        match job.stage {
            Stage::Running => {
                job.hold_answered = false;
                job.enter(now, Stage::Pausing);
                self.order(now, Request::Pause);
                Ok(())
            }
            Stage::Pausing | Stage::Parking | Stage::Paused => Ok(()),
            _ => Err(not_printing()),
        }
    }

    /// The link has to end soon: what is not proved to be off by then is stopped. A cancel may wait behind a heater.
    pub(super) fn watch_end(&mut self, now: Millis) {
        let due = self.ending.is_some_and(|since| now >= since + END_STOP_MS);
        let ours = self.off.as_ref().is_some_and(Off::is_ours);
        let theirs = self.foreign().is_some() || self.reach == Reach::Stranger;
        if due && ours && !theirs && !self.halted {
            self.emergency_stop_because(now, faults::not_heard(&faults::link_ended()));
        }
    }

    fn give_up(&mut self, now: Millis) -> Taken {
        let Some(job) = &mut self.job else {
            return Err(refused(
                "no_job",
                "There is no job on the printer.",
                "Look at the state.",
            ));
        };
        if !job.has_begun() {
            self.end_job(now, Some(faults::cancelled()));
        } else if self.reach != Reach::Ready {
            // It prints on until it hears of it.
            self.end_job(now, Some(words::cancelled_away()));
        } else if job.stage != Stage::Cancelling {
            job.enter(now, Stage::Cancelling);
            self.order(now, Request::Cancel);
        }
        Ok(())
    }
}

fn not_printing() -> crate::status::Refused {
    refused(
        "not_printing",
        "Nothing is being printed that could be held.",
        "Look at the state.",
    )
}

impl Driver for Moonraker {
    fn status(&self, now: Millis) -> Status {
        self.status_of(now)
    }
    fn tick(&mut self, now: Millis) {
        self.pass(now);
    }
    fn wake_ms(&self, now: Millis) -> Millis {
        self.wake(now)
    }
    fn kept(&mut self, _now: Millis) {
        // No line waits for the disk: Klipper has the whole file.
    }
    fn print(
        &mut self,
        now: Millis,
        job: String,
        file: (PathBuf, String),
        released: Option<PathBuf>,
    ) -> Taken {
        let taken = self.take_job(now, job, file, released);
        self.settle(now);
        taken
    }
    fn pause(&mut self, now: Millis) -> Taken {
        let taken = self.hold_job(now);
        self.settle(now);
        taken
    }
    fn resume(&mut self, now: Millis) -> Taken {
        let paused = self
            .job
            .as_ref()
            .is_some_and(|job| job.stage == Stage::Paused);
        if !paused {
            return Err(refused(
                "not_paused",
                "Nothing is held.",
                "Look at the state.",
            ));
        }
        if self.reach != Reach::Ready {
            return Err(refused(
                "not_ready",
                "The printer does not answer.",
                "Look at its power and its network.",
            ));
        }
        self.unhold(now);
        self.settle(now);
        Ok(())
    }
    fn cancel(&mut self, now: Millis) -> Taken {
        let taken = self.give_up(now);
        self.settle(now);
        taken
    }
    fn tune(&mut self, now: Millis, tune: Tune) -> Taken {
        let taken = self.tune_job(now, tune);
        self.settle(now);
        taken
    }
    fn answer(&mut self, _now: Millis, _choice: usize) -> Taken {
        Err(refused(
            "nothing_asked",
            "The printer asks nothing here.",
            "Look at Klipper's own page.",
        ))
    }
    fn recover(&mut self, now: Millis) -> Taken {
        let taken = self.recover_now(now);
        self.settle(now);
        taken
    }
    fn emergency_stop(&mut self, now: Millis) {
        self.emergency_stop_because(now, faults::emergency());
        self.settle(now);
    }
    fn still_halted(&mut self, fault: Finding) {
        // It was on its way when the link ended. Whether the printer heard it nobody knows.
        self.stop_lost = fault.name == faults::stop_sent().name;
        self.halted = true;
        self.halt = Some(fault.clone());
        self.fault = Some(if self.stop_lost {
            faults::stop_unanswered()
        } else {
            fault
        });
    }
    fn terminate(&mut self, now: Millis) {
        if self.ending.is_none() {
            self.ending = Some(now);
            self.end_job(now, Some(faults::link_ended()));
            if !self.halted {
                self.off.get_or_insert_with(|| Off::found(None));
            }
        }
        self.settle(now);
    }
    fn is_finished(&self) -> bool {
        if self.ending.is_none() {
            return false;
        }
        if self.halted {
            // A stop is to reach it.
            return self.stop.is_none();
        }
        // Somebody else's print is not waited for, and nobody who has nothing of ours.
        let theirs = self.foreign().is_some() || self.reach == Reach::Stranger;
        let arrives = |open: &super::Open| matches!(open.what, Request::Upload { .. });
        let nobody = self.reach != Reach::Ready && !self.off.as_ref().is_some_and(Off::is_ours);
        theirs || nobody || (self.off.is_none() && self.orders.iter().all(arrives))
    }
}
