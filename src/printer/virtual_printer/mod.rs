//! Virtual printer: firmware without metal. Marlin is measured against the real one; Prusa-Firmware, Buddy, Klipper,
//! RepRapFirmware and Repetier are written from their sources, and nothing of it is tuned to the link.
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
mod dialect;
mod faults;
mod firmware;
mod halt;
mod handlers;
mod heat;
mod heater;
mod planner;
mod pty;
mod receiver;
mod record;
mod speech;
#[cfg(test)]
mod tests;
mod weather;
mod wire;
mod words;

pub use board::Board;
pub use dialect::Dialect;
pub use faults::{FaultError, Faults, Happening, What};
pub use firmware::{Firmware, Options};
pub use pty::{Serve, ServeError, serve};
pub use record::{Log, Record};
pub use wire::{Fired, Wire};
