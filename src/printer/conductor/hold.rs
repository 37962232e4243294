//! Hold: a printer that waits, with its heat bounded.
//!
//! Two kinds. *Our* hold is parked and hears: after `hold_nozzle_min` the nozzle goes off, after `hold_bed_min` the
//! bed, and going on heats up and primes. At *its own* panel the printer waits inside a command and hears nothing but
//! `M108` and `M112`: who is waited for is said, and after `hold_bed_min` the emergency stop ends it.

use super::job::Stage;
use super::{Action, Class, Conductor, Finding, Millis, Port, faults, park};

/// `paused for user` comes every 2 s; so long after the last one, a line that was taken ends the wait.
const WAITS_MS: Millis = 5_000;
/// An order to switch off that was not taken for so long is given as an emergency stop.
const UNSAFE_MS: Millis = 300_000;
/// The same where it stands behind a wait that nothing but the emergency stop can end.
const STANDS_MS: Millis = 10_000;

/// Waits for a person at its own panel.
#[derive(Debug)]
pub(super) struct Waits {
    since: Millis,
    last: Millis,
}

fn minutes(min: f64) -> Millis {
    (min * 60e3) as Millis
}

impl Conductor {
    /// `paused for user`, again and again.
    pub(super) fn waits_for_person(&mut self, now: Millis) {
        let waits = self.waits.get_or_insert(Waits {
            since: now,
            last: now,
        });
        waits.last = now;
        let left = minutes(self.setup.printer.link.hold_bed_min)
            .saturating_sub(now.saturating_sub(waits.since));
        let left_min = (left as f64 / 60e3).ceil();
        let cancelling = (self.job.as_ref()).is_some_and(|j| j.stage == Stage::Cancelling);
        self.fault = Some(if cancelling {
            faults::cancel_waits(left_min)
        } else {
            faults::waits_for_person(left_min, self.may_be_hot(), self.job.is_some())
        });
    }

    /// The printer works again.
    pub(super) fn goes_on(&mut self) {
        if self.waits.take().is_some() {
            self.forget_wait();
        }
    }

    fn forget_wait(&mut self) {
        let of_wait = |f: &Finding| ["waits_for_person", "cancel_waits"].contains(&f.name.as_str());
        if self.fault.as_ref().is_some_and(of_wait) {
            self.fault = None;
        }
    }

    /// A print begins while the printer waits: what it waited before bounds no print, the person who ordered it is there.
    pub(super) fn waits_anew(&mut self, now: Millis) {
        if let Some(waits) = &mut self.waits {
            waits.since = now;
        }
    }

    /// A line was taken.
    pub(super) fn progress(&mut self, now: Millis) {
        if self.waits.as_ref().is_some_and(|w| now > w.last + WAITS_MS) {
            self.goes_on();
        }
    }

    fn may_be_hot(&self) -> bool {
        self.tracker.targets_c.iter().any(|c| *c > 0.0)
            || [self.hotend, self.bed]
                .iter()
                .flatten()
                .any(|heater| heater.target_c > 0.0)
    }

    /// Bounds the heat of both kinds.
    pub(super) fn watch_hold(&mut self, now: Millis) {
        let link = &self.setup.printer.link;
        let (nozzle_min, bed_min) = (link.hold_nozzle_min, link.hold_bed_min);
        if let Some(waits) = &self.waits
            && now >= waits.since + minutes(bed_min)
            && (self.may_be_hot() || self.job.is_some())
            && !matches!(self.port, Port::Absent | Port::Halted | Port::Stranger)
        {
            // A cold one is stopped, too: an order would stand behind its wait.
            let why = faults::hold_too_long(bed_min, self.may_be_hot());
            return self.emergency_stop_because(now, why);
        }
        let Some(job) = &mut self.job else {
            return;
        };
        if job.stage != Stage::Paused || self.port != Port::Ready {
            return;
        }
        let held = now.saturating_sub(job.held_ms);
        let due = |min: f64, heater: usize| held >= minutes(min) && !job.cooled[heater];
        let (nozzle, bed) = (due(nozzle_min, 0), due(bed_min, 1));
        if nozzle {
            job.cooled[0] = true;
            self.fault = Some(faults::hold_cools(nozzle_min, false));
            self.own("M104 S0", Class::Setting);
        }
        if bed && let Some(job) = &mut self.job {
            job.cooled[1] = true;
            self.fault = Some(faults::hold_cools(bed_min, true));
            self.own("M140 S0", Class::Setting);
            if let Some(order) = park::chamber_off(&self.setup.printer) {
                self.own(order, Class::Setting);
            }
            if self.facts().has_m85 {
                self.own("M85 S0", Class::Setting);
            }
        }
    }

    /// Orders after a stop: when they are not taken in time, the emergency stop is.
    pub(super) fn make_safe(&mut self, now: Millis, script: Vec<(String, Class)>) {
        self.script = self.spoken(script).collect();
        self.untune();
        if let Some(why) = self.fault.clone() {
            self.unsafe_since = Some((now, why));
        }
        let waits = self.waits.is_some() || self.transport.is_waiting_for_heat();
        if self.facts().has_m108 && waits && !self.has_last_place() {
            // Ends a wait of the firmware, where it hears that: else the orders stand behind it.
            self.actions.push(Action::Write(b"\nM108\n".to_vec()));
            self.transport.lies_with_a_wait();
        }
    }

    /// One more line fills the queue of a printer that waits. An `M108` takes a place like any other, and one that the wire
    /// damaged ends no wait: the last place is the emergency stop's.
    fn has_last_place(&self) -> bool {
        self.transport.places_in_wait() == Some(0)
    }

    pub(super) fn watch_orders(&mut self, now: Millis) {
        let Some((since, why)) = &self.unsafe_since else {
            return;
        };
        if self.port == Port::Halted {
            self.unsafe_since = None;
            return;
        }
        // A person at the panel is waited for as long as a hold lasts.
        let there = match self.port {
            Port::Ready | Port::Greeting => true,
            // Busy with something else, or mute: it may hear the stop.
            Port::Asking => true,
            Port::Absent | Port::Booting { .. } | Port::Stranger | Port::Halted => false,
        };
        let stands = self.has_last_place() && self.transport.is_waiting_for_heat();
        let patience_ms = if stands { STANDS_MS } else { UNSAFE_MS };
        if there && self.waits.is_none() && now >= since + patience_ms {
            let why = faults::not_heard(why);
            self.emergency_stop_because(now, why);
        }
    }
}
