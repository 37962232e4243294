//! API: what the machine asks of Moonraker and of Klipper behind it, and what comes back.
//!
//! Written after Moonraker's `docs/external_api` and Klipper's `klippy/webhooks.py`. The texts on the wire stand in
//! [`super::http`].

use super::reading::{Look, Settings};
use std::sync::Arc;
use std::time::Duration;

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// Its answer carries the same.
    pub id: u64,
    /// What is wanted.
    pub what: Request,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Who Klipper is, and in which state.
    Info,
    /// What it is made of: its commands, heaters, boards, objects.
    Settings,
    /// How everything stands now. The heaters by their names.
    Look(Vec<String>),
    /// Store a file.
    Upload {
        /// Its name there.
        name: String,
        /// What is in it.
        bytes: Arc<[u8]>,
        /// SHA-256 of that, lower-case hex.
        sha256: String,
    },
    /// Read a stored file back, whole.
    ReadBack(String),
    /// Print a stored file.
    Start(String),
    /// `PAUSE`, as the printer's configuration has it.
    Pause,
    /// `RESUME`.
    Resume,
    /// `CANCEL_PRINT`.
    Cancel,
    /// Lines of G-code, one after another.
    Script(String),
    /// The emergency stop.
    Stop,
    /// Reset the boards and Klipper.
    Restart,
    /// Remove a stored file.
    Delete(String),
}

impl Request {
    /// How long its answer may take. A script waits for what Klipper does at that moment, e.g. for a heater.
    pub fn limit(&self) -> Duration {
        Duration::from_secs(match self {
            Self::Stop => 3,
            Self::Info | Self::Look(_) => 4,
            Self::Settings | Self::Delete(_) => 10,
            Self::Start(_) | Self::Pause | Self::Resume | Self::Cancel | Self::Script(_) => 60,
            Self::Restart => 30,
            Self::Upload { .. } | Self::ReadBack(_) => 600,
        })
    }

    /// A question, which changes nothing.
    pub fn is_question(&self) -> bool {
        matches!(self, Self::Info | Self::Settings | Self::Look(_))
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To [`Request::Info`].
    Info(Info),
    /// To [`Request::Settings`].
    Settings(Box<Settings>),
    /// To [`Request::Look`].
    Look(Box<Look>),
    /// To [`Request::ReadBack`].
    Stored {
        /// SHA-256 of what is stored there, lower-case hex.
        sha256: String,
        /// Its size, bytes.
        size: u64,
    },
    /// To all others: it was done.
    Done,
}

/// Why nothing came back, or not that.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Trouble {
    /// It was not asked, or it is not known whether it was.
    #[error("{0}")]
    Unreachable(String),
    /// No answer within the limit. It may still be done.
    #[error("no answer in time")]
    Late,
    /// Moonraker or Klipper says no.
    #[error("{text} ({status})")]
    Refused {
        /// HTTP status.
        status: u16,
        /// In its own words.
        text: String,
    },
    /// The answer is no such answer.
    #[error("an answer that can not be read: {0}")]
    Unreadable(String),
}

impl Trouble {
    /// The key is missing or wrong.
    pub fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused { status: 401, .. })
    }

    /// Nothing that was asked has been decided: it may be asked again when that does no harm.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Late | Self::Unreadable(_) => true,
            Self::Refused { status, .. } => *status >= 500,
        }
    }
}

/// Who Klipper is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Info {
    /// In which state.
    pub state: Klippy,
    /// And why.
    pub message: String,
    /// Name of its computer.
    pub hostname: String,
    /// Its configuration's path there.
    pub config_file: String,
    /// Its version.
    pub version: String,
}

/// States of Klipper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Klippy {
    /// It takes orders.
    Ready,
    /// It begins.
    #[default]
    Startup,
    /// It can not begin: its configuration, or a board that does not answer.
    Error,
    /// It was stopped, by a person or by itself: heaters and motors are off until it is restarted.
    Shutdown,
}
