//! `calvaria`: a head CT with a hole in the skull goes in; a part that fits the hole comes off the printer.
//!
//! The house, from the ground up. Arrows point down only: a room names rooms below it and never one above or
//! beside it (`tests/it/house.rs` fails when one does).
//!
//! | floor | rooms |
//! |---|---|
//! | ground | [`space`] typed coordinates, [`status`] what people are shown |
//! | tools | [`volume`], [`mesh`], [`head`], [`gcode`] |
//! | work | [`phantom`], [`intake`], [`skull`], [`network`], [`implant`], [`slicer`], [`printer`], [`evaluate`] |
//! | a case | [`design`] carries values from one working room to the next |
//! | station | [`station`], [`web`], [`display`], [`update`], [`node`] |
//! | entry | [`cli`] one file a command |
//!
//! `ARCHITECTURE.md` follows one study and one line of G-code through them.

pub mod cli;
pub mod design;
pub mod display;
pub mod evaluate;
pub mod gcode;
pub mod head;
pub mod implant;
pub mod intake;
pub mod mesh;
pub mod network;
pub mod node;
pub mod phantom;
pub mod printer;
pub mod skull;
pub mod slicer;
pub mod space;
pub mod station;
pub mod status;
pub mod update;
pub mod volume;
pub mod web;
