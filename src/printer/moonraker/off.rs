//! Off: after a print, and when a printer was found, its heaters count as off only when Klipper says so itself.
//!
//! In:    looks while there is no job.
//! Out:   the print is given up there, the heaters go off, what was tuned goes back, our file is removed.
//! Holds: two looks in a row, each asked after the last order was answered, must say that every target is 0. Until then it is
//!        said that the printer may be hot. What does not help in 5 min is followed by the emergency stop.
//! Never: touches a print that somebody else began.

use super::super::conductor::faults;
use super::super::journal::LINK_RESTARTED;
use super::super::wire::JobStatus;
use super::begin::stem;
use super::job::Job;
use super::reading::PrintState;
use super::{Answer, Finding, Millis, Moonraker, Reach, Request, Stage, Trouble, words};
use std::borrow::Cow;

/// Looks that decide.
const AGREE: u32 = 2;
/// Not proved after so long, it is said.
const SAY_MS: Millis = 10_000;
/// And so long after the printer was seen with it, it is stopped.
const UNSAFE_MS: Millis = 300_000;
/// An order that did not help is given again after so long.
const AGAIN_MS: Millis = 5_000;
/// A stored file that could not be removed is tried again after so long.
const REMOVE_AGAIN_MS: Millis = 10_000;
/// Nozzle above the part at the end of a print that was given up, mm.
const LIFT_MM: f64 = 5.0;
const MARGIN_MM: f64 = 5.0;
/// Higher than this above its last place, somebody else has lifted it, mm.
const LIFTED_MM: f64 = 1.0;

/// The printer is to be off.
#[derive(Debug)]
pub(super) struct Off {
    /// Since when, by the machine's clock.
    since: Millis,
    /// Since when it is seen not to be, and when it was looked at last.
    seen: Option<Millis>,
    looked: Millis,
    /// Name of our file, or what it begins with.
    name: Option<String>,
    stem: String,
    why: Option<Finding>,
    /// Where the head was left on the part.
    left_at: Option<[f64; 3]>,
    /// Height that was there before the print, mm.
    offset_mm: Option<f64>,
    /// Klipper's own time limit was set for a hold.
    idle: bool,
    agreed: u32,
    /// When something of each kind was ordered last.
    ordered: [Option<Millis>; 3],
    /// The order to give a print up got no answer in time: it may wait behind the line in work.
    late: bool,
    /// Place in the file of a print that is to be given up, and how often it changed since nobody waits for that order.
    read: (u64, u32),
}

/// The end of the link cut that print off.
fn is_cut(last: &JobStatus) -> bool {
    (last.fault.as_ref()).is_some_and(|fault| fault.name == LINK_RESTARTED)
}

/// Kinds of orders.
const GIVE_UP: usize = 0;
const SWITCH_OFF: usize = 1;
const TIDY: usize = 2;

impl Off {
    /// A printer that was found; `last`: the last job, whose print may still go on there.
    pub(super) fn found(last: Option<&JobStatus>) -> Self {
        Self {
            since: 0,
            seen: None,
            looked: 0,
            name: None,
            stem: last.map(|job| stem(&job.sha256)).unwrap_or_default(),
            why: last.and_then(|job| job.fault.clone()),
            left_at: None,
            offset_mm: None,
            idle: last.is_some_and(is_cut),
            agreed: 0,
            ordered: [None; 3],
            late: false,
            read: (0, 0),
        }
    }

    pub(super) fn after(now: Millis, job: &Job, why: Option<Finding>) -> Self {
        let begun = job.has_begun();
        let given_up = begun && !matches!(job.stage, Stage::Proving) && why.is_some();
        let place = job.plan.as_ref().map(|plan| plan.place(job.done));
        let place = place.filter(|at| at.iter().all(|v| v.is_finite()));
        Self {
            since: now,
            name: Some(job.name.clone()),
            stem: stem(&job.sha256),
            // Where it was held at the printer, somebody's hands may be there.
            left_at: place.filter(|_| given_up && !job.parked && !job.hands),
            offset_mm: job.own_height_mm(),
            idle: job.idle,
            why,
            ..Self::found(None)
        }
    }

    /// Is that our file?
    pub(super) fn is_of(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
            || (!self.stem.is_empty() && name.starts_with(&self.stem))
    }

    /// After a print, which is to be over before the next begins.
    pub(super) fn is_of_print(&self) -> bool {
        self.name.is_some()
    }

    /// Something of ours may be on: not what somebody does there by hand.
    pub(super) fn is_ours(&self) -> bool {
        let is_cut = (self.why.as_ref()).is_some_and(|why| why.name == LINK_RESTARTED);
        self.is_of_print() || is_cut
    }

    fn is_due(&self, kind: usize, now: Millis) -> bool {
        self.ordered[kind].is_none_or(|at| now >= at + AGAIN_MS)
    }
}

impl Moonraker {
    /// A look without a job; `asked`: when it was asked.
    pub(super) fn watch_off(&mut self, now: Millis, asked: Millis) {
        let active = self.look.active().map(|print| print.name.clone());
        if self.off.is_none()
            && let Some(name) = active.as_ref().filter(|name| self.is_ours(name))
        {
            // An order that was long on its way, or somebody printed it once more at Klipper's page: no print of a released
            // part goes on without its job.
            self.off = Some(Off {
                since: now,
                name: Some(name.clone()),
                ..Off::found(self.last.as_ref())
            });
        }
        let Some(off) = &mut self.off else {
            return;
        };
        if now >= off.looked + words::AWAY_MS {
            // While it was away it could hear nothing.
            off.seen = None;
        }
        off.looked = now;
        off.seen.get_or_insert(now);
        let orders = self
            .orders
            .iter()
            .any(|open| !matches!(open.what, Request::Delete(_) | Request::Upload { .. }));
        let due = |off: &Off, kind: usize| !orders && off.is_due(kind, now);
        match &active {
            Some(name) if !off.is_of(name) => {
                // The heat is theirs until they are done. What we left on goes off then.
                (off.seen, off.agreed) = (None, 0);
                return;
            }
            Some(name) => {
                off.name = Some(name.clone());
                off.agreed = 0;
                let position = self.look.file.map_or(0, |file| file.position);
                if orders {
                    off.read.1 = 0;
                } else if off.read.0 != position {
                    off.read.1 += 1;
                }
                off.read.0 = position;
                // One that waits behind a line in work is carried out between two lines: another one would come on top.
                let is_held = self
                    .look
                    .active()
                    .is_some_and(|p| p.state == PrintState::Paused);
                let is_lost = !off.late || is_held || off.read.1 >= 2;
                if due(off, GIVE_UP) && is_lost {
                    off.ordered[GIVE_UP] = Some(now);
                    off.late = false;
                    let lines = ["CANCEL_PRINT", "TURN_OFF_HEATERS", "M107"];
                    self.script(now, &lines.map(str::to_owned));
                }
                return;
            }
            None => {}
        }
        if self.look.is_hot() {
            off.agreed = 0;
            if due(off, SWITCH_OFF) {
                off.ordered[SWITCH_OFF] = Some(now);
                self.script(now, &["TURN_OFF_HEATERS".into(), "M107".into()]);
            }
            return;
        }
        let needed = self.settings.heaters.len().max(1);
        if orders
            || self.look.heaters.len() < needed
            || off.ordered.iter().flatten().any(|at| asked < *at)
        {
            return;
        }
        let may = due(off, TIDY);
        let lines = self.last_lines();
        if !lines.is_empty() {
            if let Some(off) = &mut self.off {
                off.agreed = 0;
                if may {
                    (off.left_at, off.idle) = (None, false);
                    off.ordered[TIDY] = Some(now);
                    self.script(now, &lines);
                }
            }
            return;
        }
        if let Some(off) = &mut self.off {
            off.agreed += 1;
            if off.agreed >= AGREE {
                self.is_off();
            }
        }
    }

    /// What is still to be ordered of a printer that is cold: up and away from the part, once; factors, height and time limit as
    /// they were.
    fn last_lines(&self) -> Vec<String> {
        let Some(off) = &self.off else {
            return Vec::new();
        };
        let differs = |is: f64, wanted: f64| (is - wanted).abs() > 0.001;
        let mut lines = Vec::new();
        if off.idle {
            lines.push(self.idle_line(false));
        }
        lines.extend(self.lift_lines());
        if off.name.is_some()
            && let Some(factors) = self.look.factors
            && factors.iter().any(|f| differs(*f, 1.0))
        {
            lines.extend(["M220 S100".into(), "M221 S100".into()]);
        }
        if let (Some(wanted), Some(is)) = (off.offset_mm, self.look.offset_mm)
            && differs(is, wanted)
        {
            lines.push(format!("SET_GCODE_OFFSET Z={wanted:.3}"));
        }
        lines
    }

    fn lift_lines(&self) -> Vec<String> {
        let homed = ["x", "y", "z"]
            .iter()
            .all(|axis| self.look.homed.contains(axis));
        let left = self.off.as_ref().and_then(|off| off.left_at);
        let (Some(left), Some(at), true) = (left, self.look.at_mm, homed) else {
            return Vec::new();
        };
        let printer = &self.setup.printer;
        let lift = LIFT_MM.min(printer.height_mm - at[2]).max(0.0);
        if at[2] > left[2] + LIFTED_MM || lift <= 0.0 {
            return Vec::new();
        }
        vec![
            "G90".into(),
            format!("G1 Z{:.3} F480", at[2] + lift),
            format!("G1 X{MARGIN_MM} Y{} F6000", printer.bed_mm[1] - MARGIN_MM),
        ]
    }

    /// Proved.
    fn is_off(&mut self) {
        let Some(off) = self.off.take() else {
            return;
        };
        if let Some(name) = off.name {
            self.is_waste(name);
        }
        let of_job = self.last.as_mut().and_then(|job| job.fault.as_mut());
        for fault in of_job.into_iter().chain(self.fault.as_mut()) {
            if fault.name == LINK_RESTARTED {
                *fault = faults::restarted_and_off();
            }
        }
    }

    /// An order of ours got no answer in time.
    pub(super) fn is_late(&mut self) {
        if let Some(off) = &mut self.off {
            off.late = true;
        }
        if let Some(job) = &mut self.job {
            job.late = true;
        }
    }

    /// A file of this link's, or of its last job.
    fn is_ours(&self, name: &str) -> bool {
        let of_last = |last: &JobStatus| name.starts_with(&stem(&last.sha256));
        self.last.as_ref().is_some_and(of_last) || self.waste.iter().any(|(other, _)| other == name)
    }

    /// A stored file is not needed any more.
    pub(super) fn is_waste(&mut self, name: String) {
        if self.waste.iter().all(|(other, _)| *other != name) {
            self.waste.push((name, 0));
        }
    }

    /// Removes what is stored there and not needed, one file at a time, until the printer says that it is gone.
    pub(super) fn clear_up(&mut self, now: Millis) {
        let is_open = |open: &super::Open| matches!(open.what, Request::Delete(_));
        if self.orders.iter().any(is_open) || self.off.as_ref().is_some_and(Off::is_of_print) {
            return;
        }
        let active = self.look.active().map(|print| print.name.clone());
        let orders = &self.orders;
        let arrives = |name: &str| {
            let is_it =
                |what: &Request| matches!(what, Request::Upload { name: n, .. } if n == name);
            orders.iter().any(|open| is_it(&open.what))
        };
        let next = self
            .waste
            .iter_mut()
            .find(|(name, due)| now >= *due && active.as_ref() != Some(name) && !arrives(name));
        if let Some((name, due)) = next {
            *due = now + REMOVE_AGAIN_MS;
            let name = name.clone();
            self.order(now, Request::Delete(name));
        }
    }

    /// Removed, or not there.
    pub(super) fn removed(&mut self, name: &str, answer: &Result<Answer, Trouble>) {
        let gone = match answer {
            Ok(_) => true,
            Err(Trouble::Refused { status, .. }) => matches!(status, 400 | 404),
            Err(_) => false,
        };
        if gone {
            self.waste.retain(|(other, _)| other != name);
        }
    }

    /// Orders that do not help are followed by the emergency stop.
    pub(super) fn watch_orders(&mut self, now: Millis) {
        if self.reach != Reach::Ready || self.halted {
            return;
        }
        let cancelling = (self.job.as_ref()).filter(|job| job.stage == Stage::Cancelling);
        let since = match (&self.off, cancelling) {
            // What somebody does by hand at Klipper's page, e.g. a calibration of a heater, is theirs.
            (Some(off), _) => off.seen.filter(|_| off.is_ours()),
            (None, Some(job)) => Some(job.since),
            (None, None) => None,
        };
        if since.is_none_or(|since| now < since + UNSAFE_MS) {
            return;
        }
        let why = self.off.as_ref().and_then(|off| off.why.clone());
        let why = why.unwrap_or_else(words::does_not_cool);
        self.emergency_stop_because(now, faults::not_heard(&why));
    }

    /// What people are told as long as it is not proved.
    pub(super) fn with_heat<'a>(
        &self,
        now: Millis,
        fault: Option<&'a Finding>,
    ) -> Option<Cow<'a, Finding>> {
        let open = self.off.as_ref().filter(|off| now >= off.since + SAY_MS);
        let hot = |off: &Off| {
            let long = off.seen.is_some_and(|seen| now >= seen + UNSAFE_MS);
            off.is_of_print() || long
        };
        if open.is_some_and(hot) && !self.halted {
            return Some(Cow::Owned(faults::may_be_hot(fault.cloned())));
        }
        fault.map(Cow::Borrowed)
    }
}
