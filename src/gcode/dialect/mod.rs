//! Dialect: what each family of firmware really does, in one table for the link, the slicer and the validator.
//!
//! In:    a profile's `dialect`, or the line with which a printer answered `M115`.
//! Out:   [`Facts`] as data; the few questions that are more than a look-up as short functions.
//! Holds: every fact stands with the firmware's file and version it was read from. Where versions differ, the row holds
//!        what is safe for all of them, and says so.
//! Never: talks, waits or decides; what to do about a fact is the reader's matter.
//!
//! | file | what |
//! |---|---|
//! | `facts` | what a row consists of |
//! | `rows` | the six rows |
//! | `identity` | which printer answered `M115` |
//! | `procedures` | what a firmware does by itself: probing, levelling, asking for the right machine |
//! | `meaning` | what a command does to heaters and to the extruder's mode; what an error text means |

use serde::{Deserialize, Serialize};
use std::fmt;

mod facts;
mod identity;
mod meaning;
mod procedures;
mod rows;
#[cfg(test)]
mod tests;

pub use facts::{
    AfterStop, AtConnect, Emergency, EmergencyParser, ErrorClass, Facts, Heating, Numbering,
    OkForm, OkTime, Overlong, Position, RelativeE, Repeated, Resend, TemperatureAnswer, Times,
    Uuid, WaitRule,
};
pub use identity::Identity;
pub use meaning::{ExtruderMode, HeatOrder, HeaterName};
pub use procedures::{Known, Procedure};

/// A family of firmware, by the name that a profile gives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Marlin 2.0 and 2.1.
    #[default]
    Marlin,
    /// Prusa-Firmware, 8 bit: MK2.5, MK3.
    Prusa,
    /// Prusa-Firmware-Buddy, 32 bit: MINI, MK3.5, MK4, XL, CORE One.
    Buddy,
    /// Klipper, through its pseudo-terminal.
    Klipper,
    /// RepRapFirmware 3 on a Duet, through USB in Marlin mode.
    RepRapFirmware,
    /// Repetier-Firmware 1.0.
    Repetier,
}

impl Dialect {
    /// All of them, in the table's order.
    pub const ALL: [Self; 6] = [
        Self::Marlin,
        Self::Prusa,
        Self::Buddy,
        Self::Klipper,
        Self::RepRapFirmware,
        Self::Repetier,
    ];

    /// The row of the table.
    pub fn facts(self) -> &'static Facts {
        match self {
            Self::Marlin => &rows::MARLIN,
            Self::Prusa => &rows::PRUSA,
            Self::Buddy => &rows::BUDDY,
            Self::Klipper => &rows::KLIPPER,
            Self::RepRapFirmware => &rows::REPRAPFIRMWARE,
            Self::Repetier => &rows::REPETIER,
        }
    }

    /// The name in a profile.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// The dialect of that name in a profile.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|d| d.name() == name)
    }
}

impl fmt::Display for Dialect {
    /// For people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.facts().title)
    }
}
