//! Adversary: the link's pure machine in fake time against firmware and wire that are drawn from the model of faults
//! (`virtual_printer/weather.rs`). A seed is one print of at most 60 lines on one of the firmwares, and replays exactly.
//!
//! What must hold on every day: a print that is called printed made exactly the planned moves; every print ends; after
//! every stop the heaters go off wherever the firmware still hears.
//!
//! Counted apart, with their seeds: bad days that a damaged line explains which had passed the firmware's own check (its 8-bit
//! sum, or none where it asks for none). Nothing on the host's side can know of such a line. What it explains is in `passed`;
//! a print without end is explained by nothing.
//!
//! A print of 60 lines ends before the ring of lines that may be asked for again is full, and before numbers are long. So there
//! are long prints, too, on milder days (`long`): also with a board whose clock runs 60 times as fast as the link's, as the
//! prints over real processes have it.
//!
//! `cargo test --lib adversary` runs some hundred days. More: `CALVARIA_DAYS=0..100000 cargo test --lib
//! adversary_campaign -- --ignored --nocapture` (on one firmware alone with `CALVARIA_DIALECT=repetier`), and `CALVARIA_DAYS=0..200 … adversary_long_campaign`; with `TALLY=file.json` the sum is kept there and goes on where it ended.

use super::virtual_printer::{Dialect, Faults, Fired};

mod hand;
mod passed;
mod siege;
mod tally;
mod tests;

use siege::{Ground, Siege};

/// Most lines of a print.
const LINES_MAX: u64 = 60;

/// How a day ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// Printed, exactly.
    Printed,
    /// Printed, exactly; but it was said while moves were still to be made.
    Early,
    /// Stopped, by the fault's name.
    Stopped(String),
    /// The link refused to begin, by the refusal's code.
    Refused(String),
    /// Never connected: nothing was printed.
    NoPrint,
    /// One of the three that follow, by a damaged line that had passed the firmware's own check.
    Passed(Box<Outcome>),
    /// Printed, not as planned.
    Wrong(String),
    /// No end.
    Endless(String),
    /// Stopped, and a heater is on although the firmware hears.
    Hot(String),
}

impl Outcome {
    /// What must never be.
    pub(super) fn is_bad(&self) -> bool {
        matches!(self, Self::Wrong(_) | Self::Endless(_) | Self::Hot(_))
    }
    /// What must never be, unless by a line that passed the firmware's check.
    pub(super) fn is_excused(&self) -> bool {
        matches!(self, Self::Passed(_))
    }
    /// For counting.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Printed => "printed".into(),
            Self::Early => "printed, said while moves were still to be made".into(),
            Self::Stopped(fault) => format!("stopped {fault}"),
            Self::Refused(code) => format!("refused {code}"),
            Self::NoPrint => "never connected".into(),
            Self::Passed(what) => format!(
                "{}, by a damaged line that passed the firmware's check",
                what.name()
            ),
            Self::Wrong(_) => "WRONG".into(),
            Self::Endless(_) => "ENDLESS".into(),
            Self::Hot(_) => "HOT".into(),
        }
    }
}

/// A day and what came of it.
#[derive(Debug)]
pub(super) struct Day {
    pub(super) dialect: Dialect,
    pub(super) outcome: Outcome,
    pub(super) fired: Fired,
    /// Virtual s.
    pub(super) seconds: f64,
}

/// Runs one seeded day.
pub(super) fn day(seed: u64) -> Day {
    play(short(seed), false)
}

/// The same, with every line and every change of state on the standard output.
pub(super) fn told(seed: u64) -> Day {
    play(short(seed), true)
}

/// The firmware that `CALVARIA_DIALECT` names, for campaigns; without it the seed's.
fn asked_dialect() -> Option<Dialect> {
    let name = std::env::var("CALVARIA_DIALECT").ok()?;
    Some(Dialect::named(&name).expect("CALVARIA_DIALECT is the name of a virtual printer"))
}

fn short(seed: u64) -> Ground {
    let dialect = asked_dialect().unwrap_or(Dialect::ALL[(seed % 8) as usize]);
    let lines = 25 + (seed / 8 * 7) % (LINES_MAX - 24);
    Ground {
        seed,
        dialect,
        lines,
        faults: Faults::drawn(seed, dialect, lines + 12),
        times: 1.0,
    }
}

/// A print of so many lines, on a firmware that is asked for lines again: the others give a bad wire up before long.
pub(super) fn long(seed: u64, lines: u64) -> Day {
    const FIRMWARES: [Dialect; 6] = [
        Dialect::Marlin21,
        Dialect::Marlin20,
        Dialect::Prusa311,
        Dialect::Prusa314,
        Dialect::Buddy,
        Dialect::Repetier,
    ];
    let ground = Ground {
        seed,
        dialect: asked_dialect().unwrap_or(FIRMWARES[(seed % 6) as usize]),
        lines,
        faults: Faults::drawn_mild(seed, lines),
        times: [1.0, 60.0][(seed / 6 % 2) as usize],
    };
    play(ground, false)
}

fn play(ground: Ground, told: bool) -> Day {
    let dialect = ground.dialect;
    let mut siege = Siege::new(ground);
    siege.told = told;
    let outcome = siege.judge();
    let outcome = if siege.explains(&outcome) {
        Outcome::Passed(Box::new(outcome))
    } else {
        outcome
    };
    let (fired, seconds) = siege.over();
    Day {
        dialect,
        outcome,
        fired,
        seconds,
    }
}
