//! Resync: the firmware asks for a line again.
//!
//! Sending stops until the wire is quiet: one bad line brings as many Resends as lines were on their way, each with
//! an `ok` that belongs to nothing. Then, before anything moves, `position` asks where the firmware stands.

use super::{Class, LineFault, Millis, Mode, Output, Reply, Transport};

/// Quiet means so long without an answer, or twice the round trip.
const QUIET_MS: Millis = 50;
/// Longest wait for quiet.
const QUIET_MAX_MS: Millis = 500;
/// After three refusals of one line.
const QUIET_SLOW_MS: Millis = 250;
/// The second half of a refusal comes within this time, besides two round trips.
const HALF_MS: Millis = 100;
/// Questions what the firmware wants before the line is given up.
const QUESTIONS_MAX: u32 = 12;
/// Refusals of one line after which the print ends.
const REFUSALS_MAX: u32 = 10;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Quiet {
    /// Line that is wanted; `None`: that is to be asked.
    from: Option<u64>,
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

/// The firmware asked for a line that it can not want: one that is proved to be taken, or was never sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contradiction {
    number: u64,
    /// How many questions had been asked when it said so.
    at: u32,
    /// Questions asked.
    asked: u32,
}

/// Which line the firmware wants.
enum Wanted {
    /// The word says nothing about it.
    Unsaid,
    /// This one, which may be so.
    Line(u64),
    /// This one, which can not be so: damaged on its way, or the board was reset.
    Odd(u64),
}

impl Transport {
    /// A Resend, or the error before it, while lines flow.
    pub(super) fn asked_again(&mut self, now: Millis, reply: &Reply) {
        match self.wanted(reply) {
            Wanted::Unsaid => {}
            Wanted::Odd(number) => self.contradicted(now, number),
            Wanted::Line(from) if from == self.next && self.flown + 1 == self.next => {
                // The last line was a duplicate: everything is there. The Resend of this error is still to come; what is
                // written before it would be taken for what it asks for.
                if matches!(reply, Reply::LinkError { .. }) {
                    let until = now + HALF_MS + 2 * self.figures.round_trip_ms;
                    self.half_refused = Some(until);
                    return;
                }
                self.wants(from);
                let taken = self.answered_of_taken(self.flown);
                (self.acked, self.proved) = (taken, taken);
                self.doubt_steadily();
                let tag = self.last_tag;
                self.out.push(Output::Accepted(tag));
            }
            Wanted::Line(from) => {
                self.contradiction = None;
                self.be_quiet(now, Some(from));
            }
        }
    }

    /// The second half of a refusal came, or will not come any more: without it a fence asks.
    pub(super) fn end_of_refusal(&mut self, whole: bool) {
        if self.half_refused.take().is_some() && !whole {
            self.doubt_steadily();
        }
    }

    fn be_quiet(&mut self, now: Millis, from: Option<u64>) {
        if from.is_some() {
            self.figures.resends += 1;
            self.out.push(Output::Resent);
        }
        self.half_refused = None;
        self.mode = Mode::Quiet(Quiet {
            from,
            started: now,
            last: now,
            slow: self.refusals.is_slow(),
        });
    }

    /// The line that the firmware wants; replies carry no checksum.
    fn wanted(&mut self, reply: &Reply) -> Wanted {
        if !self.rules.are_numbered() {
            return Wanted::Unsaid;
        }
        let number = match reply {
            Reply::LinkError { last } => {
                self.error_last = *last;
                match last {
                    Some(last) => last + 1,
                    None => return Wanted::Unsaid,
                }
            }
            Reply::Resend(number) => *number,
            _ => return Wanted::Unsaid,
        };
        if number > self.proved && number <= self.next {
            Wanted::Line(number)
        } else {
            Wanted::Odd(number)
        }
    }

    /// Said once it may be damage: a fence makes the firmware say it again. Said to two questions it is so.
    fn contradicted(&mut self, now: Millis, number: u64) {
        let asked = self.contradiction.as_ref().map_or(0, |c| c.asked);
        match &self.contradiction {
            Some(c) if c.number == number && c.at < asked => {
                return self.contradiction_holds(now, number);
            }
            // The rest of the same answer.
            Some(c) if c.at == asked => return,
            // One question more would make a firmware deaf that waits. A reset shows when nothing more comes of its wait.
            _ if !self.has_place_of(self.awake_max() + 1) => return,
            _ => {}
        }
        self.contradiction = Some(Contradiction {
            number,
            at: asked,
            asked,
        });
        self.doubt_steadily();
        self.be_quiet(now, None);
    }

    /// Line 1 is wanted by a board that was reset: nothing is repeated. Another line that is still in the ring was
    /// proved by an answer that was not what it seemed.
    fn contradiction_holds(&mut self, now: Millis, number: u64) {
        if number == 1 {
            return self.fail(LineFault::Reset);
        }
        if number >= self.next || self.sent(number).is_none() {
            let sent = self.next - 1;
            return self.fail(LineFault::OutOfStep {
                asked: number,
                sent,
            });
        }
        self.contradiction = None;
        self.acked = self.acked.min(number - 1);
        self.proved = number - 1;
        self.be_quiet(now, Some(number));
    }

    /// Notes an odd word where it can not be asked about yet.
    pub(super) fn note_odd(&mut self, reply: &Reply) {
        if let Wanted::Odd(number) = self.wanted(reply) {
            self.contradiction.get_or_insert(Contradiction {
                number,
                at: 0,
                asked: 0,
            });
        }
    }

    pub(super) fn in_quiet(&mut self, now: Millis, reply: &Reply) {
        match reply {
            Reply::Resend(_) | Reply::LinkError { .. } => {
                let wanted = self.wanted(reply);
                let confirmed = self.error_last.map(|last| last + 1);
                if let Wanted::Odd(_) = wanted {
                    self.note_odd(reply);
                }
                if let Mode::Quiet(quiet) = &mut self.mode {
                    quiet.last = now;
                    if let Wanted::Line(from) = wanted
                        && (confirmed == Some(from) || quiet.from.is_none())
                    {
                        quiet.from = Some(from);
                    }
                }
            }
            Reply::Ok { .. } | Reply::OkTemperatures(_) | Reply::Unknown(_) => {
                if let Reply::Ok {
                    line: Some(number), ..
                } = reply
                {
                    self.note_stray(*number);
                }
                if let Mode::Quiet(quiet) = &mut self.mode {
                    quiet.last = now;
                }
            }
            _ => {}
        }
    }

    /// Asks with a fence under the next number, which moves nothing: `ok T:`, or what the firmware wants.
    pub(super) fn ask_what_is_wanted(&mut self, now: Millis) {
        self.questions += 1;
        if let Some(contradiction) = &mut self.contradiction {
            contradiction.asked += 1;
            if self.questions > QUESTIONS_MAX {
                let (asked, sent) = (contradiction.number, self.next - 1);
                return self.fail(LineFault::OutOfStep { asked, sent });
            }
        }
        self.mode = Mode::Steady;
        self.flown = self.next - 1;
        self.watch.restart(now);
        self.send_fence(now);
    }

    pub(super) fn tick_quiet(&mut self, now: Millis) {
        let Mode::Quiet(quiet) = &self.mode else {
            return;
        };
        if now < quiet.ends_ms(self.figures.round_trip_ms) {
            return;
        }
        let Some(from) = quiet.from.filter(|_| self.contradiction.is_none()) else {
            return self.ask_what_is_wanted(now);
        };
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
        self.wants(from);
        if self.may_have_pushed(from) {
            let text = self.sent(from).map_or(String::new(), |s| s.text.clone());
            return self.fail(LineFault::Halved { number: from, text });
        }
        let taken = self.answered_of_taken(from - 1);
        (self.acked, self.proved, self.flown) = (taken, taken, from - 1);
        self.doubt();
        if self.wait.is_some_and(|number| number < from) {
            // It has taken a line that waits, and may still wait. Nothing that moves has been sent since, so that there is
            // no place to be compared; and the question would take one of the few places in its queue.
            self.mode = Mode::Steady;
            self.watch.restart(now);
            return;
        }
        let plan = before.map_or([f64::NAN; 4], |(_, after)| after);
        // Where neither the plan nor a line still to come knows a place, there is none to be compared.
        let knows = |after: &[f64; 4]| after.iter().any(|v| !v.is_nan());
        let moves = |sent: &super::Sent| matches!(sent.class, Class::Move(_));
        let places = before.is_some() && self.to_come().any(|s| moves(s) && knows(&s.after));
        if !knows(&plan) && !places {
            self.mode = Mode::Steady;
            self.watch.restart(now);
            return;
        }
        self.check_position(now, plan);
    }

    /// One without a number was carried out: an `ok` named a line that had its own, or this one, which is wanted again. It may
    /// be what the wire left of it. A place tells that of everything but a push that does not count.
    fn may_have_pushed(&self, from: u64) -> bool {
        let Some(sent) = self.sent(from).filter(|sent| self.stray || sent.taken) else {
            return false;
        };
        let before = self.sent(from - 1).map_or([f64::NAN; 4], |sent| sent.after);
        let same = (0..4).all(|axis| {
            let (a, b) = (before[axis], sent.after[axis]);
            (a - b).abs() < 1e-9 || a.is_nan() && b.is_nan()
        });
        same && matches!(sent.class, Class::Move(_)) && sent.text.contains('E')
    }

    /// Writes the next line of a repeat, window or not; `false` when the ring no longer has it.
    pub(super) fn repeat_next(&mut self, now: Millis) -> bool {
        let number = self.flown + 1;
        let fence = self.sent(number).and_then(|sent| sent.fence);
        let alone = fence.is_some_and(|fence| self.is_alone(now, fence));
        let Some(sent) = self.sent_mut(number) else {
            return false;
        };
        (sent.at, sent.alone, sent.taken) = (now, alone, false);
        let waits = sent.class.waits();
        let bytes = sent.frame.clone().into_bytes();
        self.out.push(Output::Write(bytes));
        self.figures.sent += 1;
        if number == self.acked + 1 {
            self.stray = false;
        }
        self.flown = number;
        if waits {
            // What was taken for the end of its wait was none. What a damaged copy of it left lies in front of it, not behind.
            (self.wait, self.pieces) = (Some(number), 0);
        }
        true
    }
}
