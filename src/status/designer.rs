//! What the designer process says on its standard output: one JSON object a line.
//!
//! The station reads these lines and nothing else from a designer. An unknown or over-long line ends the case,
//! not the station.

use super::{Finding, Progress, Reentry, Side};
use serde::{Deserialize, Serialize};

/// One line of the designer's standard output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DesignerLine {
    /// How far it is.
    Progress(Progress),
    /// A named fact, as soon as it is known.
    Finding(Finding),
    /// The last line: how the case ended.
    Outcome(DesignOutcome),
}

/// How a case ended. A designer that exits without having said so has died.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DesignOutcome {
    /// Designed and proved.
    Designed(DesignSummary),
    /// The input is not something this station may print.
    Refused(Reason),
    /// Something broke that a person may mend.
    Failed(Reason),
}

/// What a person needs to know to release a design.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DesignSummary {
    /// SHA-256 of the checked G-code, lower-case hex.
    pub gcode_sha256: String,
    /// Side of the defect.
    pub side: Side,
    /// Where the hole is, in words, e.g. "patient's LEFT, frontal".
    #[serde(default)]
    pub place: String,
    /// Print time by plan, seconds.
    pub print_s: f64,
    /// Filament, grams.
    pub filament_g: f64,
    /// Layers of the print.
    #[serde(default)]
    pub layers: u32,
    /// Name, quality and licence of the weights, one line.
    #[serde(default)]
    pub weights: String,
    /// Material it was sliced for, e.g. `pla`; records of earlier versions do not say.
    #[serde(default)]
    pub material: String,
    /// Printer profile that it was sliced for; empty in a design of an earlier version.
    #[serde(default)]
    pub profile: String,
    /// SHA-256 of what that profile said, lower-case hex.
    #[serde(default)]
    pub profile_sha256: String,
    /// A person chose to go on with a print that was cut off: then this is what is released, not the whole part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<Reentry>,
}

impl DesignSummary {
    /// SHA-256 of what is or was released: the whole part's program, or that of the re-entry that was chosen.
    pub fn to_print(&self) -> &str {
        let entry = self.entry.as_ref();
        entry.map_or(&self.gcode_sha256, |entry| &entry.sha256)
    }
}

/// Why something ended as it did, and what to do about it; both in plain language, without names or paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// What happened.
    pub text: String,
    /// What to do next.
    #[serde(rename = "do")]
    pub next: String,
}

impl Reason {
    /// From its two parts.
    pub fn new(text: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            next: next.into(),
        }
    }
}
