//! Status: plain types that people are shown. The page, the LCD, the API and the record all speak of the same
//! [`Snapshot`], [`Finding`]s and [`Request`]s.
//!
//! Never: owns state, reads a clock, does I/O. Never carries a patient's name or ID.

use serde::{Deserialize, Serialize};

mod designer;
pub mod duration;
mod finding;
mod job;
mod snapshot;

pub use designer::{DesignOutcome, DesignSummary, DesignerLine, Reason};
pub use finding::{Bound, Finding, Severity};
pub use job::{JobState, Progress, Stage};
pub use snapshot::{Heater, JobView, PrinterState, PrinterView, Snapshot, StationView};

/// What a person asks of the station; the answer is a [`Reply`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "act")]
pub enum Request {
    /// Print the design with this hash, on the word of a named operator.
    Release {
        /// Case code.
        code: String,
        /// Who releases.
        operator: String,
        /// Their PIN; never logged, never stored.
        pin: Pin,
        /// SHA-256 of the G-code that was shown, lower-case hex.
        sha256: String,
        /// The spool that is loaded, as written on it.
        spool: String,
        /// The side as the order has it.
        side: Side,
        /// The operator saw that the bed is clear.
        bed_clear: bool,
    },
    /// Hold the running print.
    Pause(Act),
    /// Go on with a held print.
    Resume(Act),
    /// Give a job up, or stop its print in order (parked, heaters off).
    Cancel(Act),
    /// Try a failed or refused job anew.
    Retry(Act),
    /// Back to awaiting release after a stopped print.
    PrintAgain(Act),
    /// Show who the patient is: asks for the PIN and is written into the record, changes nothing else.
    SignIn(Act),
    /// After a halt, by a person who looked at the printer: reset it. Nothing is resumed. The code is not read.
    Recover(Act),
    /// Stop the printer now. Needs nothing.
    EmergencyStop,
}

/// Who asks for what on which job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Act {
    /// Case code.
    #[serde(default)]
    pub code: String,
    /// Who asks.
    pub operator: String,
    /// Their PIN; never logged, never stored.
    pub pin: Pin,
}

/// A PIN on its way in. Its `Debug` shows nothing, so that no log can.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pin(pub String);

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pin(****)")
    }
}

/// Side of the defect, in the patient's own left and right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Patient's left (LPS x grows).
    Left,
    /// Patient's right.
    Right,
    /// On both sides, or crossing the midline.
    Both,
}

/// The answer to a [`Request`].
pub type Reply = Result<(), Refused>;

/// Why a request was not carried out: for people and scripts alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text} {next}")]
pub struct Refused {
    /// Stable word for scripts, e.g. `wrong_pin`.
    pub code: String,
    /// What happened, in plain language.
    pub text: String,
    /// What to do next.
    #[serde(rename = "do")]
    pub next: String,
}

impl Refused {
    /// From its three parts.
    pub fn new(code: &str, text: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            text: text.into(),
            next: next.into(),
        }
    }
}
