//! Position: after a Resend `M114` asks where the firmware stands, before anything moves.
//!
//! A line cut by the flush of its ring may have been carried out as an unnumbered command; this is the only moment at
//! which every such move shows. The question is the one unnumbered line besides the stops: number n is
//! taken by the line that is wanted, and a lost or doubled `M114` moves nothing.

use super::super::line::checksum;
use super::{LineFault, Millis, Mode, Output, Reply, Transport};
use crate::gcode::dialect::Facts;

/// Questions for the position before the printer is taken for silent.
const CHECKS_MAX: u32 = 8;
/// The question waits behind moves, but not for ever.
const CHECK_MAX_MS: Millis = 600_000;
/// How far an answer to `M114` may lie from the plan, mm: it prints two decimals, so half of the last one, and a little.
pub const POSITION_MM: f64 = 0.0075;

/// Firmware sums E in single precision: so much of it may be lost on the way.
const E_DRIFT: f64 = 2e-5;

/// Is `said` the planned place, as a firmware with these facts says it? An axis that the plan does not know is anywhere.
pub fn is_at(facts: &Facts, said: &[f64; 4], plan: &[f64; 4]) -> bool {
    (0..4).all(|axis| {
        let drift_mm = if axis == 3 {
            plan[3].abs() * E_DRIFT + facts.position.e_step_mm
        } else {
            0.0
        };
        plan[axis].is_nan() || (said[axis] - plan[axis]).abs() <= POSITION_MM + drift_mm
    })
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Check {
    since: Millis,
    asked: Millis,
    tries: u32,
    /// Extended by signs of life: the question waits behind moves.
    life: Millis,
    plan: [f64; 4],
    /// A differing answer; replies have no checksum, so it is believed when it comes twice.
    differs: Option<[f64; 4]>,
}

impl Check {
    pub(super) fn ends_ms(&self) -> Millis {
        (self.asked + 500 * Millis::from(self.tries.min(6))).max(self.life + 3_000)
    }
}

impl Transport {
    /// Asks for the position, which should be `plan`; then lines flow again.
    pub(super) fn check_position(&mut self, now: Millis, plan: [f64; 4]) {
        self.mode = Mode::Checking(Check {
            since: now,
            asked: now,
            tries: 0,
            life: 0,
            plan,
            differs: None,
        });
        self.ask_position(now);
    }

    fn ask_position(&mut self, now: Millis) {
        if let Mode::Checking(check) = &mut self.mode {
            check.asked = now;
            check.tries += 1;
            self.figures.sent += 1;
            // The LF ends what a flush may have left half read. One bit makes M110 of it, which sets the number that was read
            // last: where a checksum is looked at, that is one which is taken already.
            let question = if self.rules.facts.numbering.bare_checksum_checked {
                let taken = self.rules.frame(self.flown, "M105").unwrap_or_default();
                format!("\n{taken}M114*{}\n", checksum(b"M114"))
            } else {
                "\nM114\n".to_owned()
            };
            self.out.push(Output::Write(question.into_bytes()));
        }
    }

    pub(super) fn in_checking(&mut self, now: Millis, reply: &Reply) {
        let ahead = match (&self.mode, reply) {
            (Mode::Checking(check), Reply::Position(said)) => self.is_ahead(said, &check.plan),
            _ => false,
        };
        let facts = self.rules.facts;
        let Mode::Checking(check) = &mut self.mode else {
            return;
        };
        match reply {
            Reply::Position(said) => {
                if is_at(facts, said, &check.plan) && !ahead {
                    self.recheck = false;
                    if self.contradiction.is_some() {
                        return self.ask_what_is_wanted(now);
                    }
                    self.mode = Mode::Steady;
                    // The `ok` of the question is still due.
                    self.phantoms += 1;
                    self.watch.restart(now);
                } else if check
                    .differs
                    .is_some_and(|first| is_at(facts, said, &first))
                {
                    let (said, plan) = (*said, check.plan);
                    if self.recheck {
                        return self.fail(LineFault::Position { said, plan });
                    }
                    self.ask_last_line(now);
                } else {
                    check.differs = Some(*said);
                    self.ask_position(now);
                }
            }
            Reply::Busy => check.life = now,
            // How long a person may take is the owner's question.
            Reply::PausedForUser => (check.life, check.since) = (now, now),
            // Late echoes of the resync, or the firmware flushed the question with a half line.
            Reply::Resend(_) | Reply::LinkError { .. } => self.note_odd(reply),
            _ => {}
        }
    }

    /// Behind homing the plan does not know where the head stands until the first move says so. That it stands where a line
    /// that is still to be made puts it means that this line was made: cut from its number by a false line end.
    fn is_ahead(&self, said: &[f64; 4], plan: &[f64; 4]) -> bool {
        let there = |after: &[f64; 4], axis: usize| {
            plan[axis].is_nan() && (said[axis] - after[axis]).abs() <= POSITION_MM
        };
        let mut to_come = self.to_come();
        to_come.any(|sent| (0..3).any(|axis| there(&sent.after, axis)))
    }

    /// Lines with a number that are still to be made, or made again.
    pub(super) fn to_come(&self) -> impl Iterator<Item = &super::Sent> {
        self.ring.iter().filter(|sent| sent.number > self.flown)
    }

    /// The position differs. Either a cut line was carried out, or the Resend was a late echo and the firmware is
    /// further than it said. A fence under the next new number moves nothing and makes it say its last line.
    fn ask_last_line(&mut self, now: Millis) {
        self.recheck = true;
        self.ask_what_is_wanted(now);
    }

    pub(super) fn tick_checking(&mut self, now: Millis) {
        let Mode::Checking(check) = &self.mode else {
            return;
        };
        if now < check.ends_ms() {
            return;
        }
        if now >= check.since + CHECK_MAX_MS {
            return self.fail(LineFault::Stuck {
                stuck_s: now.saturating_sub(check.since) as f64 / 1e3,
            });
        }
        if check.tries >= CHECKS_MAX {
            return self.fail(LineFault::Silent {
                silent_s: now.saturating_sub(self.heard_ms) as f64 / 1e3,
            });
        }
        self.ask_position(now);
    }
}
