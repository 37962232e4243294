//! Cool: after a print, and whenever a printer was found, its heaters count as off only when it says so itself.
//!
//! In:    reports of temperature while no print runs, the time.
//! Out:   a question, and the order to switch off again where the answers say otherwise.
//! Holds: the `ok` of an order is no proof: where lines get lost in silence it may belong to another one. Two answers in
//!        a row are, each to a question of its own that was asked when the orders had been taken. Until then it is said
//!        that the printer may be hot. What does not help in time is followed by the emergency stop (`hold`).
//! Never: asks a halted printer anything; touches the heaters of a print.

use super::super::reply::{Reading, Temperatures};
use super::{Conductor, Finding, Millis, Port, faults, park};
use std::borrow::Cow;

/// Answers in a row that decide: they carry no checksum.
const AGREE: u32 = 2;
/// Answers without any target after which the orders count as taken: that firmware does not tell more.
const UNSAID_MAX: u32 = 5;
/// A question that was not answered is asked again after so long, ms.
const ASK_MS: Millis = 1_000;
/// Between an answer and the next question: the wire may double a line, ms.
const APART_MS: Millis = 100;
/// Not proved after so long, it is said, ms.
const SAY_MS: Millis = 10_000;

/// The heaters are to be off.
#[derive(Debug)]
pub(super) struct Cooling {
    since: Millis,
    /// A question is on its way.
    asked: bool,
    /// When the next one is due.
    next: Millis,
    off: u32,
    on: u32,
    unsaid: u32,
}

impl Cooling {
    pub(super) fn since(&self) -> Millis {
        self.since
    }
}

/// What a report says of the heaters.
enum Said {
    On,
    Off,
    /// One of them is missing: cut or damaged.
    Part,
    /// No target at all.
    Nothing,
}

impl Conductor {
    /// From now on the printer is asked until it says that its heaters are off; `since`: when that began.
    pub(super) fn must_cool(&mut self, now: Millis, since: Millis) {
        self.cooling = Some(Cooling {
            since,
            asked: false,
            next: now,
            off: 0,
            on: 0,
            unsaid: 0,
        });
    }

    /// When the next question of temperature is due.
    pub(super) fn question_ms(&self, now: Millis) -> Option<Millis> {
        let next = match &self.job {
            Some(job) => Some(job.warm.next),
            None => self.cooling.as_ref().map(|c| c.next),
        };
        next.filter(|next| *next > now)
    }

    /// Asks, with an empty line; `true` when it did.
    pub(super) fn ask_heaters(&mut self, now: Millis) -> bool {
        let Some(cooling) = self.cooling.as_mut().filter(|c| now >= c.next) else {
            return false;
        };
        cooling.asked = true;
        cooling.next = now + ASK_MS;
        self.own("M105", super::Class::Setting);
        self.work(now);
        true
    }

    /// A report while no print runs.
    pub(super) fn heaters_said(&mut self, now: Millis, report: &Temperatures) {
        let said = self.said_of_heaters(report);
        let Some(cooling) = &mut self.cooling else {
            return;
        };
        if self.job.is_some() || self.port != Port::Ready || !cooling.asked {
            return;
        }
        match said {
            Said::Part => return,
            Said::Nothing => cooling.unsaid += 1,
            Said::Off => (cooling.off, cooling.on) = (cooling.off + 1, 0),
            Said::On => (cooling.on, cooling.off) = (cooling.on + 1, 0),
        }
        (cooling.asked, cooling.next) = (false, now + APART_MS);
        if cooling.off >= AGREE || cooling.unsaid >= UNSAID_MAX {
            self.cooling = None;
            self.unsafe_since = None;
            self.heaters_are_off();
        } else if cooling.on >= AGREE {
            cooling.on = 0;
            self.script.extend(park::heat_off(&self.setup.printer));
        }
    }

    fn said_of_heaters(&self, report: &Temperatures) -> Said {
        let target = |reading: Option<Reading>| reading.and_then(|r| r.target_c);
        match (target(report.hotend), target(report.bed)) {
            (None, None) if self.hotend.is_none() && self.bed.is_none() => Said::Nothing,
            (Some(hotend_c), Some(bed_c)) if hotend_c <= 0.0 && bed_c <= 0.0 => Said::Off,
            (Some(hotend_c), None) if hotend_c <= 0.0 && self.bed.is_none() => Said::Off,
            (hotend_c, bed_c) if [hotend_c, bed_c].iter().flatten().any(|c| *c > 0.0) => Said::On,
            _ => Said::Part,
        }
    }

    /// The printer has said that its heaters are off: now it may be said of an interrupted print.
    fn heaters_are_off(&mut self) {
        let interrupted = |f: &Finding| f.name == crate::printer::journal::LINK_RESTARTED;
        let of_job = self.last.as_mut().and_then(|job| job.fault.as_mut());
        for fault in of_job.into_iter().chain(self.fault.as_mut()) {
            if interrupted(fault) {
                *fault = faults::restarted_and_off();
            }
        }
    }

    /// What people are told as long as it is not proved.
    pub(super) fn with_heat<'a>(
        &self,
        now: Millis,
        fault: Option<&'a Finding>,
    ) -> Option<Cow<'a, Finding>> {
        let late = |c: &Cooling| now >= c.since + SAY_MS;
        let open = self.job.is_none() && self.port != Port::Halted;
        if open && self.cooling.as_ref().is_some_and(late) {
            return Some(Cow::Owned(faults::may_be_hot(fault.cloned())));
        }
        fault.map(Cow::Borrowed)
    }
}
