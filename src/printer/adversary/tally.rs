//! Tally: the sum over many days, kept in a file when it is asked for.

use super::Day;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Bad days whose seeds are kept.
const BAD_MAX: usize = 5_000;

/// The sum.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    /// The first seed.
    first: u64,
    /// The next seed.
    pub(super) next: u64,
    /// Days by firmware and outcome.
    pub(super) outcomes: BTreeMap<String, u64>,
    /// How often each kind of fault came.
    pub(super) fired: BTreeMap<String, u64>,
    /// Seeds of what must never be, with what was seen.
    pub(super) bad: Vec<String>,
    /// Seeds of the same on days on which a damaged line passed the firmware's own check.
    #[serde(default)]
    pub(super) passed: Vec<String>,
    /// Virtual hours.
    pub(super) hours: f64,
}

impl Tally {
    /// Begins at that seed.
    pub(super) fn from(next: u64) -> Self {
        Self {
            first: next,
            next,
            ..Self::default()
        }
    }

    /// As it was left in the file that `TALLY` names, if it began at that seed; else empty.
    pub(super) fn resumed(first: u64) -> Self {
        let text = file().and_then(|path| std::fs::read_to_string(path).ok());
        let kept: Option<Self> = text.and_then(|t| serde_json::from_str(&t).ok());
        kept.filter(|tally| tally.first == first)
            .unwrap_or_else(|| Self::from(first))
    }

    pub(super) fn add(&mut self, seed: u64, day: &Day) {
        let name = format!("{:?}: {}", day.dialect, day.outcome.name());
        *self.outcomes.entry(name).or_default() += 1;
        for (kind, times) in &day.fired {
            *self.fired.entry((*kind).to_owned()).or_default() += times;
        }
        self.hours += day.seconds / 3600.0;
        if day.outcome.is_bad() && self.bad.len() < BAD_MAX {
            self.bad
                .push(format!("seed {seed} {:?} {:?}", day.dialect, day.outcome));
        }
        if day.outcome.is_excused() && self.passed.len() < BAD_MAX {
            self.passed
                .push(format!("seed {seed} {:?} {:?}", day.dialect, day.outcome));
        }
        self.next = seed + 1;
    }

    pub(super) fn save(&self) {
        if let Some(path) = file() {
            std::fs::write(path, serde_json::to_vec_pretty(self).unwrap()).unwrap();
        }
    }

    pub(super) fn print(&self) {
        println!(
            "days {} to {}, {:.0} virtual hours",
            self.first, self.next, self.hours
        );
        for (name, days) in &self.outcomes {
            println!("{days:>9}  {name}");
        }
        println!("faults that came:");
        for (name, times) in &self.fired {
            println!("{times:>9}  {name}");
        }
        println!("a damaged line had passed the firmware's check:");
        for passed in self.passed.iter().take(40) {
            println!("{passed}");
        }
        println!("bad:");
        for bad in self.bad.iter().take(40) {
            println!("{bad}");
        }
    }
}

fn file() -> Option<PathBuf> {
    std::env::var_os("TALLY").map(PathBuf::from)
}
