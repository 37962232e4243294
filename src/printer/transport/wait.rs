//! Wait: a firmware that waits for heat or for a person, from the line that says so to the answer that it is over.
//!
//! Two things are known of such a line, and they are not the same: that it was *taken* (a `Resend` of the next one says so,
//! too), and that its wait is *over*. While it lasts each further line takes a place in the firmware's queue, and one whose
//! queue is full reads on no more: it is deaf for `M108` and `M112`. So one question lies behind the line, and its answer ends
//! the wait. A `Resend` for the question is served meanwhile; only the comparison of places has to wait, and needs none: nothing
//! that moves follows.

use super::{Class, Transport};
use crate::gcode::dialect::EmergencyParser;

/// Places that a firmware with much room behind its queue has for us.
const PLACES: u64 = 8;

impl Transport {
    /// The class of a line that was taken, or answered, and is not proved to be over.
    pub(super) fn waits(&self) -> Option<Class> {
        let taken = self.proved.min(self.acked);
        let number = self.wait.filter(|number| *number <= taken)?;
        self.sent(number).map(|sent| sent.class)
    }

    /// May one more line lie with the firmware? Behind a line that waits only so many that it goes on reading, and sees an
    /// `M108` and an `M112`.
    pub(super) fn has_place(&self) -> bool {
        self.has_place_of(self.awake_max())
    }

    pub(super) fn has_place_of(&self, places: u64) -> bool {
        // One that has its `ok` lies there no longer.
        let waiting = |number: u64| (self.flown + 1).saturating_sub(number.max(self.acked));
        // A line end that the wire put into a line makes a command of its second half, which waits like any other.
        let lie = |number: u64| waiting(number) + self.pieces;
        (self.wait).is_none_or(|number| waiting(number) < places && lie(number) <= self.awake_max())
    }

    /// So many questions without a number may still be put to a printer that waits, so that it goes on reading; `None`: it
    /// does not wait, as far as is known. True behind a lost line, too.
    pub fn places_in_wait(&self) -> Option<u64> {
        let wait = self.wait?;
        let waiting = (self.flown + 1).saturating_sub(wait.max(self.acked));
        Some((self.awake_max() + 1).saturating_sub(waiting + self.pieces))
    }

    /// A line without a number was written behind a line that waits: if the wire damages it, it stays in the queue.
    pub fn lies_with_a_wait(&mut self) {
        if self.wait.is_some() {
            self.pieces += 1;
        }
    }

    pub(super) fn heats(&self) -> bool {
        let unproved = self.sent_since(self.proved.min(self.acked));
        let mut classes = unproved.map(|s| s.class).chain(self.waits());
        classes.any(|class| class == Class::Heat)
    }

    /// A line waits for a temperature, and nothing slow is in front of it. Credit may err and run ahead, so that what is
    /// not proved counts as well; and where it is right, a G28 that was answered is not in front any more.
    pub fn is_waiting_for_heat(&self) -> bool {
        if self.waits() == Some(Class::Heat) {
            return true;
        }
        let due = self.in_flight().next();
        let mut unproved = self.sent_since(self.proved.min(self.acked));
        let slow = unproved.find(|s| !matches!(s.class, Class::Move(_) | Class::Setting));
        let heats = |line: Option<&super::Sent>| line.is_some_and(|s| s.class == Class::Heat);
        // An `ok` on receipt says nothing of the wait.
        let open = self.flown > self.acked || self.rules.answers_on_receipt();
        open && (heats(due) || heats(slow))
    }

    /// Lines that may lie with a firmware that waits for heat, so that it goes on reading and sees an `M108` and an
    /// `M112` behind them.
    pub(super) fn awake_max(&self) -> u64 {
        let facts = self.rules.facts;
        if self.emergency_parser || facts.emergency.parser == EmergencyParser::AtLineStart {
            return PLACES;
        }
        // At least one question behind it: its answer is what says that the wait is over.
        (facts.window_max as u64).saturating_sub(1).max(2)
    }

    /// The firmware wants line `from`. Where it reads one when the last was carried out, no wait before that lasts any more.
    pub(super) fn wants(&mut self, from: u64) {
        if self.rules.facts.one_place && self.wait.is_some_and(|wait| wait < from) {
            self.wait = None;
        }
    }

    /// Of lines up to `taken` that the firmware has taken: those that need no answer any more. What lies behind a line that
    /// waits will have one, and it says that the wait is over.
    pub(super) fn answered_of_taken(&self, taken: u64) -> u64 {
        self.wait.map_or(taken, |wait| taken.min(wait))
    }
}
