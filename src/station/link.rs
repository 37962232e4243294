//! What the station says to the printer link and hears from it, in the station's own words. `cli` carries it over
//! the link's socket; tests put a link of their own behind it.
//!
//! Holds: reports come in the order in which the link said them, answers to orders among them; after
//!        [`Report::Up`] the first status is the link's present one.

use crate::status::{PrinterView, Reason, Refused, Reply, Tune};
use std::path::PathBuf;

/// What the link is told to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Print this file, if it has this hash.
    Print {
        /// Case code.
        code: String,
        /// The G-code.
        gcode: PathBuf,
        /// SHA-256 that was released, lower-case hex.
        sha256: String,
        /// It is a re-entry, and goes on with this file.
        released: Option<PathBuf>,
    },
    /// Hold at a safe point.
    Pause,
    /// Go on.
    Resume,
    /// Give the print up: park, heaters off.
    Cancel,
    /// Change speed, flow, fan or height of the print that runs.
    Tune(Tune),
    /// Answer what the printer asks at its own panel: the choice by its place, from 0.
    Answer(usize),
    /// After a halt and a look: reset the board. Nothing is resumed.
    Recover,
}

/// What the link says.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// The link answers.
    Up,
    /// The link does not answer.
    Down,
    /// How things are.
    Status(LinkStatus),
    /// The answer to an order.
    Answer(Order, Result<LinkStatus, Refused>),
}

/// How printer and print are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkStatus {
    /// As people are shown it.
    pub view: PrinterView,
    /// The print on the printer, or the last one.
    pub job: Option<LinkJob>,
}

/// The print on the printer, or the last one.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkJob {
    /// Case code.
    pub code: String,
    /// Hash of the file.
    pub sha256: String,
    /// Where it stands.
    pub phase: Phase,
}

/// Where a print stands on the link.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// In work; the text says how ("checking the file", "pausing", …), empty when it simply prints.
    Working(&'static str),
    /// Held.
    Paused,
    /// Every line executed.
    Printed,
    /// Ended early.
    Stopped(Reason),
}

/// The way to the link. Both calls may come from any thread.
pub trait Link: Send + Sync {
    /// Sends an order. Does not wait: the answer comes as [`Report::Answer`].
    fn order(&self, order: Order);
    /// Stops the printer now, past everything that waits. Comes back within two seconds: a second for each of two ways.
    fn emergency_stop(&self) -> Reply;
}
