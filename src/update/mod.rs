//! Update: is what is installed here sound, what else is installed, and how a new image gets into the other slot.
//!
//! In:    what the rooms below can be asked (models, profiles, the link's socket), and as closures what the station, the
//!        page and the display know; RAUC by its command line.
//! Out:   a [`self_test::Report`]; the state of slots and installations as people are shown it.
//! Holds: a slot is judged by what is its own fault. An unplugged printer, a full disk and a clock that nobody set roll
//!        nothing back.
//! Never: writes to the slot that runs; restarts anything.

pub mod install;
pub mod rauc;
pub mod self_test;
pub mod state;
pub mod verity;
pub mod version;
