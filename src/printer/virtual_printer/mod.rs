//! Virtual printer: a Marlin without metal, measured against the real one (printing.md 4.2 to 4.6, 6).
//!
//! In:    bytes from a host, virtual time in seconds, a [`Faults`] description with a seed.
//! Out:   bytes for the host; [`Record`]s of what reached the firmware and what was executed.
//! Holds: same bytes at the same virtual times and the same seed give the same answers and records.
//! Never: reads a clock or opens a port: [`serve`] (the pty) and the tests do.
//!
//! ```text
//! host ─► Wire (faults up) ─► receiver: ring, lines, numbers ─► queue of 4 ─► handlers ─► planner of 16 ─► Record
//!    ◄── Wire (faults down) ◄──────────── ok, Resend, busy, T: ◄──────────────────┴── heaters, protection
//! ```

mod board;
mod faults;
mod firmware;
mod handlers;
mod heater;
mod planner;
mod pty;
mod receiver;
mod record;
#[cfg(test)]
mod tests;

pub use board::Board;
pub use faults::{FaultError, Faults, Happening, What, Wire};
pub use firmware::{Dialect, Firmware, Options};
pub use pty::{Serve, ServeError, serve};
pub use record::{Log, Record};
