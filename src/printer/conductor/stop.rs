//! Stop: the emergency stop until the firmware has confirmed it, the firmware's own halt, and the way back.
//!
//! Holds: nothing is said to be off before the firmware has said that it halted.

use super::{Action, Conductor, Finding, Millis, Port, Record, Taken, faults, refused};
use crate::gcode::dialect::AtConnect;

/// M112 is sent again after so long, until the answer comes: a half line in front of it makes the firmware empty
/// its ring, and the M112 with it.
const STOP_MS: [Millis; 8] = [50, 150, 300, 600, 900, 1_200, 1_600, 2_000];
/// After those it is sent on at this pace: a printer that was deaf for a while stops as soon as it hears.
const STOP_ON_MS: Millis = 10_000;

/// Every so many-th of those the board is reset, too, where opening the port can do that.
const STOP_RESET: usize = 6;

/// Behind an emergency the mains go off after so long: the stop itself has reached the board by then, and its answer us.
const MAINS_OFF_MS: Millis = 2_500;

/// When the emergency stop is repeated, or found unanswered.
pub(super) fn next_stop_ms((since, times): (Millis, usize)) -> Millis {
    let last = STOP_MS.len() - 1;
    let beyond = STOP_ON_MS * times.saturating_sub(last) as Millis;
    since + STOP_MS[times.min(last)] + beyond
}

impl Conductor {
    /// M112, ahead of everything, in every state; repeated until the firmware says that it halted.
    pub fn emergency_stop(&mut self, now: Millis) {
        self.emergency_stop_because(now, faults::emergency());
    }

    /// The same for a reason of the link's own.
    pub(super) fn emergency_stop_because(&mut self, now: Millis, why: Finding) {
        let confirmed = self.confirmed_stop();
        self.actions.push(Action::FlushOutput);
        self.actions.push(Action::Write(b"\nM112\n".to_vec()));
        let there = !matches!(self.port, Port::Absent);
        self.stop = Some((now, 0));
        self.mains_off = Some(now + MAINS_OFF_MS);
        self.transport.silence();
        self.script.clear();
        self.forget_heaters();
        if there {
            self.port = Port::Halted;
        }
        self.stop_why = Some(why.clone());
        self.unsafe_since = None;
        (self.waits, self.prompt) = (None, None);
        if self.job.is_none()
            && let Some(last) = &mut self.last
            && last.fault.as_ref().is_some_and(|f| f.name == why.name)
        {
            last.fault = Some(why.clone());
        }
        self.end_job(now, Some(why));
        // Nothing is said to be off before the firmware has said so.
        let open = if there {
            faults::stop_sent()
        } else {
            faults::stop_unanswered()
        };
        self.fault = Some(confirmed.unwrap_or(open));
        self.settle(now);
    }

    /// A halt that the journal has: the link before this one ended in it, and no person has looked since.
    pub fn still_halted(&mut self, fault: Finding) {
        let sent = faults::stop_sent().name;
        // It was on its way when the link ended. Whether the printer heard it nobody knows.
        self.stop_lost = fault.name == sent;
        self.port = Port::Halted;
        self.halt = Some(fault.clone());
        self.fault = Some(if self.stop_lost {
            faults::stop_unanswered()
        } else {
            fault
        });
    }

    /// A halted printer is told nothing, unless the stop itself may have been lost with the link before.
    pub(super) fn stop_again(&mut self, now: Millis) {
        if std::mem::take(&mut self.stop_lost) {
            self.actions.push(Action::Write(b"\nM112\n".to_vec()));
            self.stop = Some((now, 0));
            self.settle(now);
        }
    }

    /// A stop is on its way or was made, and no person has looked since.
    pub(super) fn is_stopped(&self) -> bool {
        self.port == Port::Halted || self.stop.is_some() || self.has_open_stop()
    }

    /// Nobody knows whether the printer heard the stop.
    fn has_open_stop(&self) -> bool {
        let open = [faults::stop_sent().name, faults::stop_unanswered().name];
        self.fault.as_ref().is_some_and(|f| open.contains(&f.name))
    }

    /// A halt outlives the link: the next one begins with what the journal has of it.
    pub(super) fn keep_halt(&mut self) {
        let halted =
            self.port == Port::Halted || (self.port != Port::Ready && self.has_open_stop());
        let halt = self.fault.clone().filter(|_| halted);
        if halt == self.halt {
            return;
        }
        let record = halt
            .clone()
            .map_or(Record::Recovered, |fault| Record::Halted { fault });
        self.actions.push(Action::Journal(record));
        self.halt = halt;
    }

    /// What the firmware confirmed before, while nothing has brought it back: a halted firmware answers no further
    /// M112, so that a second press, which is sent all the same, does not make it unconfirmed.
    fn confirmed_stop(&self) -> Option<Finding> {
        let fault = self.fault.as_ref().filter(|_| self.port == Port::Halted)?;
        (fault.name == faults::emergency().name).then(|| fault.clone())
    }

    pub(super) fn repeat_stop(&mut self, now: Millis) {
        let Some((since, times)) = self.stop else {
            return;
        };
        if now < next_stop_ms((since, times)) {
            return;
        }
        self.stop = Some((since, times + 1));
        let halted_before = self.confirmed_stop().is_some();
        // So often it was found unanswered.
        let open = (times + 2).saturating_sub(STOP_MS.len());
        if open == 1 && !halted_before {
            self.fault = Some(faults::stop_unanswered());
        }
        if open > 0 && (self.port != Port::Halted || halted_before) {
            // Nobody was there, or it had halted before: nothing more is said.
            self.stop = None;
            return;
        }
        if open % STOP_RESET == 1 && self.facts().at_connect != AtConnect::Stays {
            // Deaf with a full queue: where opening the port resets the board, that is left.
            self.actions.push(Action::ResetBoard);
        }
        self.actions.push(Action::Write(b"\nM112\n".to_vec()));
    }

    /// Once for each emergency: a person who switches it on again does so behind a recover.
    pub(super) fn switch_off(&mut self, now: Millis) {
        if self.mains_off.is_some_and(|at| now >= at) {
            self.mains_off = None;
            self.actions.push(Action::SwitchOff);
        }
    }

    /// After a halt: reset the board and greet it anew. After a stop that no printer was there for: it was looked at.
    ///
    /// # Errors
    /// When nothing is halted.
    pub fn recover(&mut self, now: Millis) -> Taken {
        if self.port == Port::Stranger {
            // A person says that this printer is meant.
            (self.identity, self.unfit, self.fault) = (None, None, None);
            self.begin_asking(now);
            self.settle(now);
            return Ok(());
        }
        let unanswered = faults::stop_unanswered().name;
        if self.port == Port::Absent && self.fault.as_ref().is_some_and(|f| f.name == unanswered) {
            // A person looked at what nobody answered for.
            (self.stop, self.fault) = (None, None);
            self.settle(now);
            return Ok(());
        }
        if self.port != Port::Halted {
            return Err(refused(
                "not_halted",
                "The printer is not halted.",
                "Look at the state.",
            ));
        }
        (self.stop, self.fault, self.stop_lost) = (None, None, false);
        self.mains_off = None;
        (self.waits, self.prompt) = (None, None);
        self.port = Port::Absent;
        self.recovers = true;
        self.actions.push(Action::ResetBoard);
        self.settle(now);
        Ok(())
    }

    /// The firmware's own stop.
    pub(super) fn fatal(&mut self, now: Millis, text: &str) {
        let unanswered = faults::stop_unanswered().name;
        // A confirmation may come late, after a printer that stood still.
        let late =
            self.port == Port::Halted && self.fault.as_ref().is_some_and(|f| f.name == unanswered);
        let asked = self.stop.take().is_some() || late;
        self.transport.silence();
        self.script.clear();
        self.forget_heaters();
        // The first words say why; what follows ("kill() called") says less.
        let first = self.port != Port::Halted;
        if first {
            self.mains_off = Some(now + MAINS_OFF_MS);
        }
        self.port = Port::Halted;
        (self.waits, self.prompt, self.unsafe_since) = (None, None, None);
        if asked {
            self.fault = Some(faults::stop_confirmed(self.stop_why.take()));
        } else if first {
            let finding = faults::halted(&self.with_reason(now, text));
            self.end_job(now, Some(finding.clone()));
            self.fault = Some(finding);
        }
    }
}
