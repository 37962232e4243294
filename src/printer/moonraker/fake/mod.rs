//! Fake: a Klipper and a Moonraker without metal, for tests of the other side and for a bench.
//!
//! In:    requests as they come over HTTP, the time (s), what people do at the printer's own page, faults.
//! Out:   answers; every move that was made.
//! Holds: written from Klipper's and Moonraker's own sources, and not from the client, so that a mistake in one of the two
//!        shows. Do not change it because the client fails on it: read the source again.
//! Never: does I/O, reads a clock.
//!
//! | file | after |
//! |---|---|
//! | [`klipper`] | `klippy/webhooks.py`, `toolhead.py`, `gcode.py`, `extras/idle_timeout.py` |
//! | `card` | `klippy/extras/virtual_sdcard.py`, `print_stats.py`, `pause_resume.py` |
//! | `motion` | `klippy/extras/gcode_move.py`, `klippy/gcode.py` |
//! | [`moonraker`] | `moonraker/components/application.py`, `klippy_apis.py`, `file_manager.py`, `authorization.py` |
//!
//! Left out: acceleration (a move takes its length over its speed), all but one extruder and a bed, macros but for one that
//! parks in a pause and one that calibrates the height when it homes.

mod card;
pub mod klipper;
pub mod moonraker;
mod motion;
#[cfg(test)]
mod tests;

pub use klipper::{Klipper, Made};
pub use moonraker::{Moonraker, Reply, StoreFault};
