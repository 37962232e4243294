//! Resync: the firmware asks for a line again (4.9 rules 3, 5 and 8, pitfalls 3, 4, 5 and 7).
//!
//! Sending stops until the wire is quiet: one bad line brings as many Resends as lines were on their way, each with
//! an `ok` that belongs to nothing. Then, before anything moves, `position` asks where the firmware stands.

use super::{LineFault, Millis, Mode, Output, Reply, Transport};

/// Quiet means so long without an answer, or twice the round trip.
const QUIET_MS: Millis = 50;
/// Longest wait for quiet.
const QUIET_MAX_MS: Millis = 500;
/// After three refusals of one line.
const QUIET_SLOW_MS: Millis = 250;
/// Refusals of one line after which the print ends.
const REFUSALS_MAX: u32 = 10;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Quiet {
    /// Line that is wanted.
    from: u64,
    started: Millis,
    last: Millis,
    slow: bool,
}

impl Quiet {
    pub(super) fn ends_ms(&self, round_trip_ms: Millis) -> Millis {
        let quiet = QUIET_MS.max(2 * round_trip_ms);
        let quiet = if self.slow {
            quiet.max(QUIET_SLOW_MS)
        } else {
            quiet
        };
        (self.last + quiet).min(self.started + QUIET_MAX_MS)
    }
}

/// Refusals of one and the same line.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    number: u64,
    times: u32,
    slow: u32,
}

impl Refusals {
    fn count(&mut self, number: u64) -> u32 {
        self.times = if self.number == number {
            self.times + 1
        } else {
            1
        };
        self.number = number;
        if self.times >= 3 {
            self.slow = 3;
        }
        self.times
    }
    /// A fence came through: three of them end the slow pace.
    pub(super) fn line_works(&mut self) {
        self.slow = self.slow.saturating_sub(1);
    }
    /// One line at a time.
    pub(super) fn is_slow(&self) -> bool {
        self.slow > 0
    }
}

impl Transport {
    /// A Resend, or the error before it, while lines flow.
    pub(super) fn asked_again(&mut self, now: Millis, reply: &Reply) {
        let Some(from) = self.wanted(reply) else {
            return;
        };
        if from == self.next && self.flown + 1 == self.next {
            // The last line was a duplicate: everything is there.
            self.acked = self.flown;
            self.doubt_steadily();
            let tag = self.last_tag;
            self.out.push(Output::Accepted(tag));
            return;
        }
        self.figures.resends += 1;
        self.out.push(Output::Resent);
        self.mode = Mode::Quiet(Quiet {
            from,
            started: now,
            last: now,
            slow: self.refusals.is_slow(),
        });
    }

    /// The line that the firmware wants, if it can be believed; replies carry no checksum.
    fn wanted(&mut self, reply: &Reply) -> Option<u64> {
        let number = match reply {
            Reply::LinkError { last } => {
                self.error_last = *last;
                let number = last.map(|last| last + 1)?;
                // Alone it counts only where it is certain to be sound; the Resend that follows says it again.
                if number <= self.acked || number > self.next {
                    return None;
                }
                number
            }
            Reply::Resend(number) => *number,
            _ => return None,
        };
        let confirmed = self.error_last.is_some_and(|last| last + 1 == number);
        if number > self.acked && number <= self.next {
            return Some(number);
        }
        if !confirmed {
            // Damaged on its way: a fence makes the firmware say it again.
            self.doubt_steadily();
            return None;
        }
        let in_ring = self.sent(number).is_some();
        if in_ring {
            return Some(number);
        }
        if number == 1 {
            self.fail(LineFault::Reset);
        } else {
            let sent = self.next - 1;
            self.fail(LineFault::OutOfStep {
                asked: number,
                sent,
            });
        }
        None
    }

    pub(super) fn in_quiet(&mut self, now: Millis, reply: &Reply) {
        match reply {
            Reply::Resend(_) | Reply::LinkError { .. } => {
                let wanted = self.wanted(reply);
                let confirmed = self.error_last.map(|last| last + 1);
                if let Mode::Quiet(quiet) = &mut self.mode {
                    quiet.last = now;
                    if let Some(from) = wanted
                        && confirmed == Some(from)
                    {
                        quiet.from = from;
                    }
                }
            }
            Reply::Ok { .. } | Reply::OkTemperatures(_) | Reply::Unknown(_) => {
                if let Mode::Quiet(quiet) = &mut self.mode {
                    quiet.last = now;
                }
            }
            _ => {}
        }
    }

    pub(super) fn tick_quiet(&mut self, now: Millis) {
        let Mode::Quiet(quiet) = &self.mode else {
            return;
        };
        if now < quiet.ends_ms(self.figures.round_trip_ms) {
            return;
        }
        let from = quiet.from;
        let times = self.refusals.count(from);
        if times >= REFUSALS_MAX {
            let text = self.sent(from).map_or(String::new(), |s| s.text.clone());
            return self.fail(LineFault::Refused {
                number: from,
                text,
                times,
            });
        }
        // Everything before `from` was accepted, nothing from there on.
        let before = self.sent(from - 1).map(|sent| (sent.tag, sent.after));
        if from - 1 > self.acked
            && let Some((tag, _)) = before
        {
            self.out.push(Output::Accepted(tag));
        }
        self.acked = from - 1;
        self.flown = from - 1;
        self.doubt();
        let plan = before.map_or([f64::NAN; 4], |(_, after)| after);
        if plan.iter().all(|v| v.is_nan()) {
            self.mode = Mode::Steady;
            self.watch.restart(now);
            return;
        }
        self.check_position(now, plan);
    }

    /// Writes the next line of a repeat, window or not; `false` when the ring no longer has it.
    pub(super) fn repeat_next(&mut self) -> bool {
        let number = self.flown + 1;
        let Some(sent) = self.sent(number) else {
            return false;
        };
        let bytes = sent.frame.clone().into_bytes();
        self.out.push(Output::Write(bytes));
        self.figures.sent += 1;
        self.flown = number;
        true
    }
}
