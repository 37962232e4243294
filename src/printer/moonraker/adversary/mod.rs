//! Adversary: the machine in fake time against a Klipper whose network, disk, neighbours and people are drawn. A seed is one
//! print of at most 60 lines, and replays exactly.
//!
//! What must hold on every day: a print that is called printed made exactly the file's moves, in one run; every print ends;
//! after every end our file does not go on and the heaters are off, wherever the printer is reached and nobody else prints.
//!
//! `cargo test --lib moonraker::adversary` runs some hundred days. More: `CALVARIA_DAYS=0..100000 cargo test --lib
//! moonraker::adversary::tests::campaign -- --ignored --nocapture`; one, told: `SEED=4711 … tests::one`.

mod net;
mod siege;
mod tests;

/// How a day ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// Printed, exactly.
    Printed,
    /// The same, while somebody moved the head between two looks: nothing on this side can know of it.
    Unseen,
    /// Stopped, by the fault's name.
    Stopped(String),
    /// Never taken, by the refusal's code.
    Refused(String),
    /// Printed, and not as planned.
    Wrong(String),
    /// No end.
    Endless(String),
    /// It goes on, or is hot, behind its end.
    Left(String),
}

impl Outcome {
    /// What must never be.
    fn is_bad(&self) -> bool {
        matches!(self, Self::Wrong(_) | Self::Endless(_) | Self::Left(_))
    }

    fn name(&self) -> String {
        match self {
            Self::Printed => "printed".into(),
            Self::Unseen => "printed, though the head was moved between two looks".into(),
            Self::Stopped(fault) => format!("stopped {fault}"),
            Self::Refused(code) => format!("refused {code}"),
            Self::Wrong(_) => "WRONG".into(),
            Self::Endless(_) => "ENDLESS".into(),
            Self::Left(_) => "LEFT".into(),
        }
    }
}

/// Numbers that are drawn (splitmix64).
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// Below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
    /// With this chance, in ten thousand.
    fn comes(&mut self, of_10_000: u64) -> bool {
        self.below(10_000) < of_10_000
    }
}
