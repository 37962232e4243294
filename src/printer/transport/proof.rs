//! Proof: at the end of a print the firmware says itself how many lines it has taken.
//!
//! A line with a number that is too high is refused, whatever it says: `.. Last Line: n`, `Resend: n+1`. It moves
//! nothing, and unlike any `ok` its answer can neither be lost unseen nor belong to another line.

use super::super::reply::Reply;
use super::{LineFault, Millis, Mode, Output, Transport};

/// The number asked with lies so far beyond the next: Marlin 2.1 swallows only its last two.
const BEYOND: u64 = 7;
/// Questions before the printer is taken for silent.
const ASKED_MAX: u32 = 12;
/// The second half of an answer comes within this time, besides two round trips.
const HALF_MS: Millis = 100;
/// How long one waits for its answer, besides two round trips.
const ANSWER_MS: Millis = 700;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Count {
    asked: Millis,
    tries: u32,
    /// Another number, and at which question it was said: replies have no checksum, so it is believed the second time.
    differs: Option<(u64, u32)>,
    /// The first half of the answer agreed; since when.
    agreed: Option<Millis>,
}

impl Count {
    pub(super) fn ends_ms(&self, round_trip_ms: Millis) -> Millis {
        let ends = self.asked + ANSWER_MS + 2 * round_trip_ms;
        self.agreed
            .map_or(ends, |t| t + HALF_MS + 2 * round_trip_ms)
    }
}

impl Transport {
    /// Asks how many lines were taken; [`Output::Counted`] follows, or a fault. To be called when
    /// [`Transport::is_drained`]. A firmware that does not count has nothing to say: its answer is taken for given.
    pub fn ask_count(&mut self, now: Millis) {
        if !self.rules.facts.numbering.order_checked {
            return self.out.push(Output::Counted);
        }
        self.mode = Mode::Counting(Count {
            asked: now,
            tries: 0,
            differs: None,
            agreed: None,
        });
        self.ask_again(now);
    }

    fn ask_again(&mut self, now: Millis) {
        let Mode::Counting(count) = &mut self.mode else {
            return;
        };
        count.asked = now;
        count.tries += 1;
        // "N<n> M105*cs" always fits.
        if let Ok(frame) = self.rules.frame(self.next + BEYOND, "M105") {
            self.figures.sent += 1;
            self.out
                .push(Output::Write(format!("\n{frame}").into_bytes()));
        }
    }

    pub(super) fn in_counting(&mut self, now: Millis, reply: &Reply) {
        let next = self.next;
        let Mode::Counting(count) = &mut self.mode else {
            return;
        };
        let said = match reply {
            Reply::Resend(number) => *number,
            Reply::LinkError { last: Some(last) } => last + 1,
            _ => return,
        };
        if said == next {
            if count.differs.is_some_and(|(_, at)| at == count.tries) {
                // The other half of this answer, or an older one, said otherwise: one of them is damaged. It is asked again.
                return;
            }
            if matches!(reply, Reply::Resend(_)) {
                self.agreed();
            } else {
                // The Resend is still on its way.
                count.agreed = Some(now);
            }
            return;
        }
        // What its first half said is not certain any more.
        count.agreed = None;
        match count.differs {
            Some((before, at)) if before == said && at < count.tries => self.fail(if said == 1 {
                LineFault::Reset
            } else {
                LineFault::Count {
                    taken: said - 1,
                    sent: next - 1,
                }
            }),
            Some((before, at)) if before == said && at == count.tries => {}
            _ => {
                count.differs = Some((said, count.tries));
                // Asked again once the rest of this answer is over.
                count.asked = now.saturating_sub(ANSWER_MS - 100);
            }
        }
    }

    fn agreed(&mut self) {
        self.mode = Mode::Steady;
        (self.acked, self.proved) = (self.flown, self.flown);
        // Its `ok` may come or not.
        self.doubt();
        self.out.push(Output::Counted);
    }

    pub(super) fn tick_counting(&mut self, now: Millis) {
        let Mode::Counting(count) = &self.mode else {
            return;
        };
        if now < count.ends_ms(self.figures.round_trip_ms) {
            return;
        }
        if count.agreed.is_some() {
            return self.agreed();
        }
        if count.tries >= ASKED_MAX {
            return self.fail(LineFault::Silent {
                silent_s: now.saturating_sub(self.heard_ms) as f64 / 1e3,
            });
        }
        self.ask_again(now);
    }
}
