//! G-code: the grammar, the machine's limits, the time model and the validator.
//!
//! In:    bytes of a G-code file and a [`Printer`] profile.
//! Out:   parsed commands, planned moves with durations, or the first line that breaks a limit.
//! Never: makes toolpaths (that is `slicer`) or talks to a port (that is `printer`).
//!
//! [`parse`] reads a line, [`Machine`] carries commands out, [`moves`] does both for a whole text. [`check`] proves
//! a file, [`Facts`] are what it holds a file of ours against, [`seal`] ends one, [`Planner`] says how long each move takes. [`dialect`] is the table of what each family of
//! firmware really does.

mod certificate;
mod check;
pub mod dialect;
mod facts;
mod grammar;
mod import;
mod motion;
mod number;
mod profile;
mod ranges;
mod reentry;
mod seal;
mod shelf;
mod texts;
mod time;
pub use certificate::Certificate;
pub use check::{
    Checked, Checker, LINE_BYTES_MAX, LINES_MAX, VIOLATIONS_MAX, Violation, check,
    check_from_layer, check_reader,
};
pub use dialect::Dialect;
pub use facts::{Facts, LayerFact};
pub use grammar::{
    Command, GrammarError, WORDS_MAX, Word, commands, parse, strip, text_of, unsendable,
};
pub use import::{ConfigError, ImportError, Imported, import};
pub use motion::{AXES, Effect, Machine, MotionError, Move, moves};
pub use number::{DIGITS_MAX, Number, NumberError};
pub use profile::{Feeds, Limits, Link, Material, Printer, Tuning};
pub use reentry::{Header, Plan, ReEntryError, reentry, same_from_layer};
pub use seal::{MAKER, seal};
pub use shelf::ProfileError;
pub use texts::{AtLayer, Place, TextError, opening};
pub use time::{Planner, Timed, durations};
