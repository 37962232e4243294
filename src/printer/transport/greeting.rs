//! Greeting: numbers begin at 1, and fences prove that both ends agree, before the first line is sent.

use super::super::line::checksum;
use super::super::reply::Reply;
use super::{LineFault, Millis, Mode, Output, Transport};

/// Round trips measured when connecting.
const ROUND_TRIPS: usize = 3;
/// How long a greeting waits for its answer, ms: whoever answers `M115` answers this.
pub(super) const PATIENCE_MS: Millis = 1_000;
/// Greetings tried before giving up.
const GREETINGS_MAX: u32 = 15;

impl Transport {
    pub(super) fn greet(&mut self, now: Millis, tries: u32) {
        if tries > GREETINGS_MAX {
            return self.fail(LineFault::Silent {
                silent_s: now.saturating_sub(self.heard_ms) as f64 / 1e3,
            });
        }
        self.ring.clear();
        (self.next, self.acked, self.proved, self.flown) = (1, 0, 0, 0);
        self.doubt();
        (self.wait, self.stood) = (None, None);
        self.fence_answered_to = 0;
        self.mode = Mode::Greeting { since: now, tries };
        // The first LF ends a half line of whoever spoke before. `N0 M110 N0*125`: a bad copy is refused.
        let sum = checksum(b"N0 M110 N0");
        self.figures.sent += 1;
        self.out
            .push(Output::Write(format!("\nN0 M110 N0*{sum}\n").into_bytes()));
    }

    pub(super) fn in_greeting(&mut self, now: Millis, reply: &Reply, tries: u32) {
        // Other words wait for the greeting's own time limit: they may be late answers to somebody before us.
        if let Reply::Ok { .. } = reply {
            self.mode = Mode::Proving { since: now, tries };
            self.send_fence(now);
        }
    }

    pub(super) fn in_proving(&mut self, now: Millis, reply: &Reply, tries: u32) {
        match reply {
            Reply::OkTemperatures(_) | Reply::Position(_) if self.flown < self.heard_to => {
                self.round_trips.push(now.saturating_sub(self.fence_ms));
                (self.acked, self.proved) = (self.flown, self.flown);
                if self.round_trips.len() < ROUND_TRIPS {
                    self.mode = Mode::Proving { since: now, tries };
                    return self.send_fence(now);
                }
                self.round_trips.sort_unstable();
                self.figures.round_trip_ms = self.round_trips[self.round_trips.len() / 2];
                self.mode = Mode::Steady;
                self.doubtful = false;
                self.window = self.rules.window;
                self.watch.restart(now);
                self.out.push(Output::Connected);
            }
            // Two ways out of step: the greeting was not taken, or a fence was damaged. Begin anew after a pause.
            Reply::LinkError { .. } | Reply::Resend(_) => self.round_trips.clear(),
            _ => {}
        }
    }
}
