//! Steady: answers while lines flow. An `ok` gives credit, a fence's own answer is certain.

use super::super::reply::Reply;
use super::position::is_at;
use super::{Class, FENCE_LINES, Fence, LineFault, Millis, Output, Transport};
use crate::gcode::dialect::Resend;

/// Positions in a row that differ from the plan.
const ELSEWHERE_MAX: u32 = 2;

impl Transport {
    pub(super) fn in_steady(&mut self, now: Millis, reply: &Reply) {
        match reply {
            Reply::Resend(_) => self.end_of_refusal(true),
            Reply::Ok { .. } | Reply::OkTemperatures(_) | Reply::Position(_) => {
                self.end_of_refusal(false);
            }
            _ => {}
        }
        match reply {
            Reply::Ok {
                line: Some(number), ..
            } => {
                self.note_stray(*number);
                if (self.acked + 1..=self.flown).contains(number) {
                    self.numbered_ok(now, *number);
                }
            }
            // Behind what is refused or skipped, where each other one names its line.
            Reply::Ok { line: None, .. } if self.rules.names_numbers() => {}
            Reply::Ok { line: None, .. } => self.plain_ok(now),
            Reply::OkTemperatures(_) => {
                // Nobody asked: an `ok` whose line end was lost, and a report behind it.
                if !self.fence_came(now, Fence::Temperatures) {
                    self.plain_ok(now);
                }
            }
            Reply::Position(at) => {
                if self.stands_elsewhere(now, at) {
                    return;
                }
                // One that nobody waits for is an old answer, late or doubled.
                let last = self.next;
                if self.fence_came(now, Fence::Position) {
                    if self.next == last && self.acked + 1 == last {
                        self.stood = Some(*at);
                    }
                    // Its `ok` is still due.
                    self.phantoms = 1;
                    self.out.push(Output::Position(*at));
                }
            }
            Reply::Resend(_) | Reply::LinkError { .. } => self.asked_again(now, reply),
            Reply::Unknown(text) => {
                // Klipper says only the first word.
                let ours = |sent: &super::Sent| {
                    sent.text == *text || sent.text.split(' ').next() == Some(text)
                };
                // It did nothing.
                self.stray = false;
                if !self.in_flight().any(ours) {
                    // A damaged `N`: its `ok` is for a line that never counted.
                    self.phantoms += 1;
                    self.doubt_steadily();
                }
            }
            Reply::Busy | Reply::PausedForUser | Reply::Heating(_) | Reply::Temperatures(_) => {
                self.sign_of_life(now, reply)
            }
            Reply::Firmware(..)
            | Reply::Capability(..)
            | Reply::Boot
            | Reply::ColdExtrusion
            | Reply::Fatal(_)
            | Reply::Trouble(_)
            | Reply::Harmless(_)
            | Reply::ErrorHead(_)
            | Reply::Action(_)
            | Reply::Noise(_) => {}
        }
    }

    /// An `ok` that names a line. One that is sent on receipt is no answer to a fence: that comes later, and only then is the
    /// fence done.
    fn numbered_ok(&mut self, now: Millis, number: u64) {
        if !self.rules.answers_on_receipt() {
            return self.credit(now, number);
        }
        if let Some(sent) = self.sent_mut(number) {
            sent.taken = true;
        }
        let fences = |sent: &&super::Sent| sent.fence.is_some();
        let first = self.in_flight().find(fences).map(|sent| sent.number);
        let to = first.map_or(number, |fence| number.min(fence - 1));
        if to > self.acked {
            self.credit(now, to);
        }
    }

    /// An `ok` of a line that is not on its way: one without a number says the number that was read before.
    pub(super) fn note_stray(&mut self, number: u64) {
        let flies = (self.acked + 1..=self.flown).contains(&number);
        self.stray |= self.rules.names_numbers() && !flies;
    }

    /// A plain `ok` belongs to the oldest line that is answered by one; fences before it must have been answered too.
    fn plain_ok(&mut self, now: Millis) {
        if self.phantoms > 0 {
            self.phantoms -= 1;
            return;
        }
        if self.watch.is_probing() && self.rules.facts.resend == Resend::DroppedInSilence {
            // It may be all that is left of the answer to the question behind the line.
            return;
        }
        let plain = |sent: &&super::Sent| {
            sent.fence != Some(Fence::Temperatures) && sent.number < self.heard_to
        };
        let oldest = self.in_flight().find(plain).map(|s| s.number);
        match oldest {
            Some(number) => self.credit(now, number),
            // All that is left of the answer to a fence.
            None => self.fence_was_answered(),
        }
    }

    /// Where lines are not counted, or half a line may be carried out, that shows in the position alone: each one that is
    /// asked for is compared with the plan, and believed to differ the second time.
    fn stands_elsewhere(&mut self, now: Millis, said: &[f64; 4]) -> bool {
        let named = self.rules.names_numbers();
        let asked = |sent: &&super::Sent| {
            sent.fence == Some(Fence::Position)
                && sent.number < self.heard_to
                && (sent.taken || !named)
        };
        let plan = self.in_flight().rfind(asked).map(|sent| sent.after);
        let Some(mut plan) = plan.filter(|_| self.rules.compares_places()) else {
            return false;
        };
        if let Some(stood) = self.stood.filter(|_| named) {
            // Where the plan knows no place yet, the head stays where it was.
            for (plan, stood) in plan.iter_mut().zip(stood).take(3) {
                if plan.is_nan() {
                    *plan = stood;
                }
            }
        }
        if is_at(self.rules.facts, said, &plan) {
            self.elsewhere = 0;
            return false;
        }
        self.elsewhere += 1;
        if self.elsewhere >= ELSEWHERE_MAX {
            let said = *said;
            self.fail(LineFault::Position { said, plan });
            return true;
        }
        // Its `ok` is no answer to a line before it.
        self.phantoms += 1;
        self.doubt_steadily();
        self.send_fence(now);
        true
    }

    /// A fence of this kind on its way is proved, and everything before it; `false` when there is none. Of several it is the
    /// oldest, since each will have its answer; or the one that was written when no earlier answer could come any more.
    fn fence_came(&mut self, now: Millis, kind: Fence) -> bool {
        // Where each line's `ok` names it, that came first: another answer is one to a question without a number.
        let named = self.rules.names_numbers();
        let fits = |sent: &&super::Sent| {
            sent.fence == Some(kind) && sent.number < self.heard_to && (sent.taken || !named)
        };
        let alone = self.in_flight().rfind(|sent| fits(sent) && sent.alone);
        let due = alone.or_else(|| {
            if named {
                // It reads a line when the one before was carried out: the last `ok` says which question is answered.
                self.in_flight().rfind(fits)
            } else {
                self.in_flight().find(fits)
            }
        });
        let Some(number) = due.map(|sent| sent.number) else {
            return false;
        };
        self.fence_was_answered();
        // Its own answer is certain; of a line before it that had none nobody knows whether it was made or lost.
        let unanswered = self
            .in_flight()
            .filter(|s| s.number < number && s.fence.is_none());
        let lines = unanswered.count() as u64;
        if lines > 0 && !self.rules.are_numbered() {
            // Whether they were made or lost, nothing waits behind them any more: orders to switch off are heard.
            self.acked = number;
            if self.wait.is_some_and(|wait| wait < number) {
                self.wait = None;
            }
            self.fail(LineFault::Unanswered { lines });
            return true;
        }
        self.doubtful = false;
        self.phantoms = 0;
        self.recheck = false;
        self.contradiction = None;
        self.questions = 0;
        self.refusals.line_works();
        self.window = self.window.max(2.min(self.rules.window));
        self.watch.answered();
        if self.wait.is_some_and(|wait| wait < number) {
            self.wait = None;
        }
        self.proved = number;
        self.credit(now, number);
        true
    }

    fn fence_was_answered(&mut self) {
        self.fence_answered_to = self.heard_to.min(self.next);
    }

    pub(super) fn credit(&mut self, now: Millis, number: u64) {
        let slow = |class| !matches!(class, Class::Move(_) | Class::Setting);
        let slow = self
            .in_flight()
            .any(|s| s.number <= number && slow(s.class));
        self.acked = number;
        self.watch.restart(now);
        if slow && self.proved < number {
            // Credit may err, and the time that the next answer may take hangs on it: make it certain.
            self.since_fence = FENCE_LINES;
        }
        if !self.doubtful && !self.refusals.is_slow() && self.window < self.window_max() {
            // 1 -> 2 by the fence, 2 -> 3 once a line went through.
            self.window += 1;
        }
        if let Some(sent) = self.sent(number) {
            let tag = sent.tag;
            self.out.push(Output::Accepted(tag));
        }
    }
}
