//! Self-test: does everything that this program needs on this machine answer?
//!
//! In:    [`Hands`]: closures for what other rooms of this floor know; the configured names.
//! Out:   a [`Report`] of named [`Check`]s, and the verdict on the slot.
//! Holds: models (and, on a machine that is fast enough for it, the whole line), profiles, store and page decide. What is only reported counts against the slot where the slot before
//!        passed it ([`Report::against`]) and the fault is the slot's own.
//! Cost:  7 s of CPU in the dev profile, most of it the whole line; where that is left out, a tenth.

mod checks;

use crate::network::Device;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How much a check counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Without it the slot is not sound.
    Decides,
    /// Worth knowing; it counts where the slot before passed it.
    Reported,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// Not as it should be.
    Failed,
    /// Nothing to look at here: no store yet, no display configured.
    Skipped,
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// What was installed.
    Slot,
    /// What stands around the box, or fills it: a cable, a full disk, a clock.
    Surroundings,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Stable name, e.g. `models`.
    pub name: String,
    /// How much it counts.
    pub weight: Weight,
    /// How it ended.
    pub outcome: Outcome,
    /// Whose fault it is; of a failure alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// What was found, one sentence.
    pub what: String,
    /// Where: a folder, a file, an address, a port.
    #[serde(rename = "where")]
    pub place: String,
    /// What to do; empty when nothing is.
    #[serde(rename = "do")]
    pub next: String,
}

/// What a look found, before it has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How it ended.
    pub outcome: Outcome,
    /// Whose fault, of a failure.
    pub fault: Option<Fault>,
    /// What, one sentence.
    pub what: String,
    /// Where.
    pub place: String,
    /// What to do.
    pub next: String,
}

impl Seen {
    /// As it should be.
    pub fn ok(what: impl Into<String>, place: impl Into<String>) -> Self {
        Self::new(Outcome::Ok, None, what, place, "")
    }
    /// Nothing to look at.
    pub fn skipped(what: impl Into<String>, place: impl Into<String>) -> Self {
        Self::new(Outcome::Skipped, None, what, place, "")
    }
    /// Not as it should be.
    pub fn failed(
        fault: Fault,
        what: impl Into<String>,
        place: impl Into<String>,
        next: &str,
    ) -> Self {
        Self::new(Outcome::Failed, Some(fault), what, place, next)
    }

    fn new(
        outcome: Outcome,
        fault: Option<Fault>,
        what: impl Into<String>,
        place: impl Into<String>,
        next: &str,
    ) -> Self {
        let (what, place) = (what.into(), place.into());
        Self {
            outcome,
            fault,
            what,
            place,
            next: next.into(),
        }
    }

    fn named(self, name: &str, weight: Weight) -> Check {
        Check {
            name: name.into(),
            weight,
            outcome: self.outcome,
            fault: self.fault,
            what: self.what,
            place: self.place,
            next: self.next,
        }
    }
}

/// What the checks are made of.
pub struct Hands<'a> {
    /// The data folder.
    pub data: PathBuf,
    /// Folder of the model; `None`: the usual places.
    pub model: Option<PathBuf>,
    /// Where the network runs.
    pub device: Device,
    /// The configured printer profile.
    pub printer: String,
    /// The configured material.
    pub material: String,
    /// A station runs on the data folder, so its link should too.
    pub station_runs: bool,
    /// Free space below which no scan is taken, MiB.
    pub free_mib_min: u64,
    /// Now, seconds since 1970.
    pub now_s: i64,
    /// Does the store open, and is it whole?
    pub store: Box<dyn Fn() -> Seen + 'a>,
    /// Does the chain of the record hold?
    pub record: Box<dyn Fn() -> Seen + 'a>,
    /// Does the page answer?
    pub page: Box<dyn Fn() -> Seen + 'a>,
    /// Can the display be opened?
    pub display: Box<dyn Fn() -> Seen + 'a>,
}

/// What a self-test found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of the program that tested itself.
    pub version: String,
    /// The slot is sound: every check that decides passed or had nothing to look at, and nothing stands against it.
    pub ok: bool,
    /// What the slot before passed and this one fails by its own fault, by name; empty without `--before`.
    #[serde(default)]
    pub against: Vec<String>,
    /// Every check, those that decide first.
    pub checks: Vec<Check>,
}

/// Looks at everything, one after the other.
pub fn run(hands: &Hands<'_>) -> Report {
    use Weight::{Decides, Reported};
    let (models, took) = checks::models(hands);
    // Without models there is no line.
    let line = match models.outcome {
        Outcome::Ok => checks::line(hands, took),
        _ => Seen::skipped("There is no line without models.", ""),
    };
    let checks = vec![
        models.named("models", Decides),
        line.named("line", Decides),
        checks::profiles(hands).named("profiles", Decides),
        (hands.store)().named("store", Decides),
        (hands.page)().named("page", Decides),
        (hands.record)().named("record", Reported),
        checks::printer(hands).named("printer", Reported),
        (hands.display)().named("display", Reported),
        checks::disk(hands).named("disk", Reported),
        checks::clock(hands.now_s).named("clock", Reported),
    ];
    let ok = checks
        .iter()
        .all(|c| c.weight == Weight::Reported || c.outcome != Outcome::Failed);
    Report {
        version: env!("CARGO_PKG_VERSION").into(),
        ok,
        against: Vec::new(),
        checks,
    }
}

impl Report {
    /// The same, held against what the slot before found of itself just before it was replaced.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        let passed = |name: &str| {
            let mut all = before.checks.iter();
            all.any(|c| c.name == name && c.outcome == Outcome::Ok)
        };
        let own = |c: &&Check| c.outcome == Outcome::Failed && c.fault == Some(Fault::Slot);
        let reported = self.checks.iter().filter(|c| c.weight == Weight::Reported);
        self.against = reported
            .filter(own)
            .filter(|c| passed(&c.name))
            .map(|c| c.name.clone())
            .collect();
        self.ok &= self.against.is_empty();
        self
    }

    /// The checks that stand against the slot, in one line; empty when it is sound.
    pub fn why_not(&self) -> String {
        let stands = |c: &&Check| {
            c.outcome == Outcome::Failed
                && (c.weight == Weight::Decides || self.against.contains(&c.name))
        };
        let lines = self.checks.iter().filter(stands);
        let lines: Vec<String> = lines.map(|c| format!("{}: {}", c.name, c.what)).collect();
        lines.join(" ")
    }
}

#[cfg(test)]
mod tests;
