//! Steady: answers while lines flow. An `ok` gives credit, a fence's `ok T:` is certain.

use super::super::reply::Reply;
use super::{Millis, Output, Transport};

impl Transport {
    pub(super) fn in_steady(&mut self, now: Millis, reply: &Reply) {
        match reply {
            Reply::Ok { line: Some(number) } => {
                if (self.acked + 1..=self.flown).contains(number) {
                    self.credit(now, *number);
                }
            }
            Reply::Ok { line: None } => self.plain_ok(now),
            Reply::OkTemperatures(_) => self.fence_came(now),
            Reply::Resend(_) | Reply::LinkError { .. } => self.asked_again(now, reply),
            Reply::Unknown(text) => {
                if !self.in_flight().any(|sent| sent.text == *text) {
                    // A damaged `N`: its `ok` is for a line that never counted (pitfall 6).
                    self.phantoms += 1;
                    self.doubt_steadily();
                }
            }
            Reply::Busy | Reply::Temperatures(_) | Reply::PausedForUser => self.sign_of_life(now),
            Reply::Position(at) => self.out.push(Output::Position(*at)),
            Reply::Firmware(_)
            | Reply::Capability(..)
            | Reply::Boot
            | Reply::ColdExtrusion
            | Reply::Fatal(_)
            | Reply::Action(_)
            | Reply::Noise(_) => {}
        }
    }

    /// A plain `ok` belongs to the oldest line that is no fence; fences before it must have been answered too.
    fn plain_ok(&mut self, now: Millis) {
        if self.phantoms > 0 {
            self.phantoms -= 1;
            return;
        }
        let oldest = self.in_flight().find(|sent| !sent.fence).map(|s| s.number);
        if let Some(number) = oldest {
            self.credit(now, number);
        }
    }

    /// The newest fence on its way is proved, and everything before it.
    fn fence_came(&mut self, now: Millis) {
        let newest = self.in_flight().rfind(|sent| sent.fence);
        let Some(number) = newest.map(|sent| sent.number) else {
            return;
        };
        self.doubtful = false;
        self.phantoms = 0;
        self.recheck = false;
        self.refusals.line_works();
        self.window = self.window.max(2.min(self.rules.window));
        self.watch.answered();
        self.credit(now, number);
    }

    pub(super) fn credit(&mut self, now: Millis, number: u64) {
        self.acked = number;
        self.watch.restart(now);
        if !self.doubtful && !self.refusals.is_slow() && self.window < self.rules.window {
            // 1 -> 2 by the fence, 2 -> 3 once a line went through.
            self.window += 1;
        }
        if let Some(sent) = self.sent(number) {
            let tag = sent.tag;
            self.out.push(Output::Accepted(tag));
        }
    }
}
