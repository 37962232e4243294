//! The first start of a box: a code that only its display shows.

use super::Pin;
use serde::{Deserialize, Serialize};

/// The one-time setup code as the display shows it; empty: none. Never in the API: it is skipped where it is written.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SetupCode(pub String);

impl std::fmt::Debug for SetupCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "[...]" })
    }
}

/// What makes the first supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetUp {
    /// The code as it was typed; never logged.
    pub code: Pin,
    /// Name of the supervisor.
    pub name: String,
    /// Their PIN; never logged.
    pub pin: Pin,
}
