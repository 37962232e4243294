//! Stop: the emergency stop until Klipper says that it is shut down, Klipper's own halt, and the way back.
//!
//! Holds: each stop is a request on a connection of its own, and waits for none; nothing is said to be off before Klipper has
//!        said so; a halt stays until a person has looked, also when somebody restarts Klipper at its own page.

use super::super::conductor::faults;
use super::super::driver::Taken;
use super::super::journal::Record;
use super::{Action, Finding, Millis, Moonraker, Reach, Request, refused};

/// It is sent again after so long, until it is confirmed, and then at a slower pace.
const STOP_MS: [Millis; 8] = [300, 700, 1_200, 2_000, 3_000, 4_500, 6_000, 8_000];
const STOP_ON_MS: Millis = 10_000;
/// Behind an emergency the mains go off after so long.
const MAINS_OFF_MS: Millis = 2_500;

/// When the emergency stop is repeated.
pub(super) fn next_stop_ms((since, times): (Millis, usize)) -> Millis {
    let last = STOP_MS.len() - 1;
    since + STOP_MS[times.min(last)] + STOP_ON_MS * times.saturating_sub(last) as Millis
}

impl Moonraker {
    pub(super) fn emergency_stop_because(&mut self, now: Millis, why: Finding) {
        let confirmed = self.confirmed_stop();
        // Whatever is asked may stand behind something: looks begin anew, and look for the stop alone.
        self.orders.clear();
        self.question = None;
        self.order(now, Request::Stop);
        self.stop = Some((now, 0));
        self.stop_why = Some(why.clone());
        self.mains_off = Some(now + MAINS_OFF_MS);
        self.halted = true;
        self.recovers = None;
        self.look.heaters.clear();
        self.next_ms = now;
        if self.job.is_none()
            && let Some(last) = &mut self.last
            && last.fault.as_ref().is_some_and(|f| f.name == why.name)
        {
            last.fault = Some(why.clone());
        }
        self.end_job(now, Some(why));
        self.off = None;
        self.fault = Some(confirmed.unwrap_or_else(faults::stop_sent));
    }

    fn confirmed_stop(&self) -> Option<Finding> {
        let fault = self.fault.as_ref().filter(|_| self.halted)?;
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
        if times + 2 > STOP_MS.len() && self.confirmed_stop().is_none() {
            self.fault = Some(faults::stop_unanswered());
        }
        self.order(now, Request::Stop);
    }

    /// Once for each emergency.
    pub(super) fn switch_off(&mut self, now: Millis) {
        if self.mains_off.is_some_and(|at| now >= at) {
            self.mains_off = None;
            self.actions.push(Action::SwitchOff);
        }
    }

    /// Klipper says that it is shut down.
    pub(super) fn fatal(&mut self, now: Millis, message: &str) {
        let open = [faults::stop_sent().name, faults::stop_unanswered().name];
        let asked = self.stop.take().is_some()
            || (self.fault.as_ref()).is_some_and(|f| self.halted && open.contains(&f.name));
        let first = !std::mem::replace(&mut self.halted, true);
        self.stop_lost = false;
        self.look.heaters.clear();
        if first {
            self.mains_off = Some(now + MAINS_OFF_MS);
            self.orders.clear();
        }
        if asked {
            self.fault = Some(faults::stop_confirmed(self.stop_why.take()));
        } else if first {
            let finding = faults::halted(message);
            self.end_job(now, Some(finding.clone()));
            self.fault = Some(finding);
        }
        self.off = None;
    }

    pub(super) fn recover_now(&mut self, now: Millis) -> Taken {
        if self.reach == Reach::Stranger {
            // A person says that this printer is meant.
            (self.identity, self.fault) = (None, None);
            (self.halted, self.stop, self.stop_why, self.stop_lost) = (false, None, None, false);
            self.mains_off = None;
            self.reach = Reach::Asking;
            self.off = Some(super::off::Off::found(None));
            self.ask_anew(now);
            return Ok(());
        }
        if !self.halted {
            return Err(refused(
                "not_halted",
                "The printer is not halted.",
                "Look at the state.",
            ));
        }
        (self.stop, self.stop_why, self.stop_lost) = (None, None, false);
        (self.mains_off, self.fault) = (None, None);
        self.halted = false;
        self.recovers = Some(now);
        self.reach = Reach::Asking;
        self.orders.clear();
        self.off = Some(super::off::Off::found(self.last.as_ref()));
        self.order(now, Request::Restart);
        self.ask_anew(now);
        Ok(())
    }

    /// What was asked before says nothing of now.
    fn ask_anew(&mut self, now: Millis) {
        (self.question, self.info) = (None, None);
        self.next_ms = now + self.look_ms();
    }

    /// A halt outlives the link: the next one begins with what the journal has of it.
    pub(super) fn keep_halt(&mut self) {
        let halt = self.fault.clone().filter(|_| self.halted);
        if halt == self.halt {
            return;
        }
        let record = halt
            .clone()
            .map_or(Record::Recovered, |fault| Record::Halted { fault });
        self.journal(record);
        self.halt = halt;
    }
}
