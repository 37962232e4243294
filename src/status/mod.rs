//! Status: plain types that people are shown. The page, the LCD, the API and the record all speak of the same
//! [`Snapshot`], [`Finding`]s and [`Request`]s.
//!
//! Never: owns state, reads a clock, does I/O. Never carries a patient's name or ID.

use serde::{Deserialize, Serialize};

mod built;
mod designer;
pub mod duration;
mod finding;
mod job;
mod ready;
mod reentry;
mod request;
mod setup;
mod snapshot;
mod tuning;
mod update;

pub use built::built_s;
pub use designer::{DesignOutcome, DesignSummary, DesignerLine, Reason};
pub use finding::{Bound, Finding, Severity};
pub use job::{JobState, Progress, Stage};
pub use ready::NotReady;
pub use reentry::{Nozzle, REENTRY_PICTURE, Reentry};
pub use request::{
    ACT_ID_MAX, Act, ActId, DEADLINE, DEADLINE_MAX, Person, Pin, ReenterAct, Refused, ReleaseAct,
    Reply, Request, Role, Terms,
};
pub use setup::{SetUp, SetupCode};
pub use snapshot::{
    HOT_C, Heater, History, JobView, PrinterState, PrinterView, Prompt, PutAway, Snapshot,
    StationView,
};
pub use tuning::{Tune, Tuning, TuningBounds};
pub use update::{Installation, SlotView, Step, UpdateView};

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
