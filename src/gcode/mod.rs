//! G-code: the grammar, the machine's limits, the time model and the validator.
//!
//! In:    bytes of a G-code file and a [`Printer`] profile.
//! Out:   parsed commands, planned moves with durations, or the first line that breaks a limit.
//! Never: makes toolpaths (that is `slicer`) or talks to a port (that is `printer`).

mod profile;
pub use profile::{Feeds, Limits, Link, Material, Printer, ProfileError};
