//! Where a job stands.

use serde::{Deserialize, Serialize};

/// State of a job, as DESIGN has it. `station::step` alone decides what follows what.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// The files are here, nobody has looked at them.
    #[default]
    Received,
    /// Intake reads them.
    Reading,
    /// Network, implant, slicer, validator.
    Designing,
    /// Designed and proved; waits for a named person.
    AwaitingRelease,
    /// On the printer.
    Printing,
    /// Held on the printer.
    Paused,
    /// The part is there.
    Printed,
    /// The input is not something this station may print.
    Refused,
    /// Something broke.
    Failed,
    /// A named person looked at the design and said no.
    Rejected,
    /// A person gave it up.
    Cancelled,
    /// The print ended early; a person decides.
    Stopped,
}

impl JobState {
    /// Every state, in the order of the line.
    pub const ALL: [Self; 12] = [
        Self::Received,
        Self::Reading,
        Self::Designing,
        Self::AwaitingRelease,
        Self::Printing,
        Self::Paused,
        Self::Printed,
        Self::Refused,
        Self::Failed,
        Self::Rejected,
        Self::Cancelled,
        Self::Stopped,
    ];

    /// `true` when nothing more happens unless a person wants it.
    pub fn is_over(self) -> bool {
        match self {
            Self::Printed
            | Self::Refused
            | Self::Failed
            | Self::Rejected
            | Self::Cancelled
            | Self::Stopped => true,
            Self::Received
            | Self::Reading
            | Self::Designing
            | Self::AwaitingRelease
            | Self::Printing
            | Self::Paused => false,
        }
    }

    /// The word used in the API, the store and the files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Reading => "reading",
            Self::Designing => "designing",
            Self::AwaitingRelease => "awaiting_release",
            Self::Printing => "printing",
            Self::Paused => "paused",
            Self::Printed => "printed",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Stopped => "stopped",
        }
    }
}

/// Stage of the line within a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Files to a CT volume.
    Intake,
    /// HU to the skull and its frame.
    Skull,
    /// Frame to probability.
    Network,
    /// Probability to missing bone and solid.
    Implant,
    /// Solid to toolpaths.
    Slice,
    /// G-code against the machine's limits.
    Check,
    /// Toolpaths to plastic.
    Print,
}

impl Stage {
    /// The word used in progress lines and timings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Skull => "skull",
            Self::Network => "network",
            Self::Implant => "implant",
            Self::Slice => "slice",
            Self::Check => "check",
            Self::Print => "print",
        }
    }
}

/// How far a case is: one line of the designer's pipe, one event of the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Which stage.
    pub stage: Stage,
    /// 0 to 1 within the stage.
    pub fraction: f64,
    /// What is being done, in plain language.
    pub text: String,
}
