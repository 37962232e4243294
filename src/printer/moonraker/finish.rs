//! Finish: how a job ends.
//!
//! Holds: `complete` is Klipper's word for "every line was carried out", not for "every move was made": it plans ahead. So
//!        `M400` comes first, and then two looks in a row must agree with the plan: our file, in one run, read to its last
//!        byte, the head at rest where the plan ends, and the filament that was pushed within its bounds.

use super::super::conductor::faults;
use super::super::journal::Record;
use super::super::transport::is_at;
use super::super::wire::{Event, JobStatus, Phase};
use super::off::Off;
use super::{Action, Answer, Finding, Millis, Moonraker, Open, Request, Stage, Trouble, words};

/// Looks that decide.
const AGREE: u32 = 2;
/// What is not proved by then is not proved.
const PROVE_MS: Millis = 180_000;

impl Moonraker {
    /// Klipper says `complete` of our file.
    pub(super) fn completes(&mut self, now: Millis) {
        let Some(job) = &mut self.job else {
            return;
        };
        match job.stage {
            Stage::Cancelling => self.end_job(now, Some(faults::cancelled())),
            Stage::Proving => self.prove(now),
            _ if job.cooled != [false; 2] => self.stop_safe(now, words::resumed_cold()),
            _ => {
                let before = job.done;
                job.enter(now, Stage::Proving);
                let targets_c = self.targets_c();
                let mark =
                    (self.job.as_mut()).and_then(|job| job.reached(now, &self.look, targets_c));
                if let Some(mark) = mark {
                    self.journal(mark);
                }
                self.hear_lines(before);
                self.order(now, Request::Script("M400".into()));
            }
        }
    }

    /// `M400` was answered.
    pub(super) fn drained(&mut self, now: Millis, open: &Open, answer: &Result<Answer, Trouble>) {
        if let (Request::Script(_), Ok(_), Some(job)) = (&open.what, answer, &mut self.job)
            && open.since >= job.since
        {
            job.drained = Some(now);
        }
    }

    fn prove(&mut self, now: Millis) {
        let asks = self.is_ordered(|what| matches!(what, Request::Script(_)));
        let facts = self.setup.printer.dialect.facts();
        let Some(job) = &mut self.job else {
            return;
        };
        if now >= job.since + PROVE_MS {
            return self.stop_safe(now, words::not_proved());
        }
        if job.drained.is_none() {
            if !asks {
                self.order(now, Request::Script("M400".into()));
            }
            return;
        }
        if self.looked_ms < job.drained || self.look.moves {
            return;
        }
        let (Some(plan), Some(print)) = (&job.plan, &self.look.print) else {
            return;
        };
        let size = plan.bytes.len() as u64;
        let is_whole = (self.look.file).is_some_and(|f| f.position == size && f.size == size);
        let is_there = self
            .look
            .at_mm
            .is_some_and(|at| is_at(facts, &at, &plan.end()));
        let is_filled = plan.fits_filament(print.filament_mm, job.flow_tuned);
        if is_whole && is_there && is_filled {
            (job.agreed, job.differed) = (job.agreed + 1, 0);
        } else {
            (job.agreed, job.differed) = (0, job.differed + 1);
        }
        let why = if !is_whole {
            words::not_whole()
        } else if is_there {
            words::other_filament(print.filament_mm, plan.filament_mm())
        } else {
            words::other_end()
        };
        if job.differed >= AGREE {
            self.stop_safe(now, why);
        } else if job.agreed >= AGREE {
            self.end_job(now, None);
        }
    }

    /// A fault of a print on a printer that hears: it is given up there, and the heaters go off.
    pub(super) fn stop_safe(&mut self, now: Millis, finding: Finding) {
        self.end_job(now, Some(finding));
    }

    /// The job is over: `None` printed, otherwise stopped. What follows at the printer is [`Off`].
    pub(super) fn end_job(&mut self, now: Millis, fault: Option<Finding>) {
        let Some(job) = self.job.take() else {
            return;
        };
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
        self.journal(Record::Ended { job: last.clone() });
        self.actions.push(Action::Event(Event::Ended {
            job: job.code.clone(),
            sha256: job.sha256.clone(),
            phase,
            fault: fault.clone(),
        }));
        self.last = Some(last);
        // Orders for the print that are still on their way say nothing more.
        self.orders.retain(|open| {
            matches!(
                open.what,
                Request::Delete(_) | Request::Upload { .. } | Request::Stop
            )
        });
        if !job.name.is_empty() {
            self.is_waste(job.name.clone());
            self.off = Some(Off::after(now, &job, fault));
        }
    }
}
