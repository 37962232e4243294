//! Faults: what a bad wire and a bad day do, by rate and by schedule, from a seed.

use serde::Deserialize;
use std::path::Path;

/// A fault file, TOML; every key optional. "Up" is from host to printer. Rates are per byte, 0 to 1.
///
/// ```toml
/// corrupt_up = 1e-4
/// drop_ok = 0.005
/// [[at]]
/// line = 400
/// what = "reset"
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Bytes lost on the way to the printer.
    pub drop_up: f64,
    /// Bytes lost on the way to the host.
    pub drop_down: f64,
    /// Bytes with one bit flipped on the way to the printer.
    pub corrupt_up: f64,
    /// Only bytes of this set are corrupted upwards, e.g. `"N"`; empty: all.
    pub corrupt_up_only: String,
    /// Bytes with one bit flipped on the way to the host.
    pub corrupt_down: f64,
    /// Bytes that arrive twice at the printer.
    pub double_up: f64,
    /// Bytes that arrive twice at the host.
    pub double_down: f64,
    /// A line end put in on the way to the printer.
    pub insert_lf: f64,
    /// Any byte put in on the way to the printer.
    pub noise_up: f64,
    /// Any byte put in on the way to the host.
    pub noise_down: f64,
    /// Bursts on the way to the printer: 3 to 50 bytes that are lost or changed.
    pub burst_up: f64,
    /// Bursts on the way to the host.
    pub burst_down: f64,
    /// Share of lines lost whole on the way to the printer.
    pub lose_line_up: f64,
    /// Share of lines lost whole on the way to the host.
    pub lose_line_down: f64,
    /// Share of lines that arrive twice at the printer.
    pub double_line_up: f64,
    /// Share of lines that arrive twice at the host.
    pub double_line_down: f64,
    /// Share of lines that are overtaken by the next one, or come a second late, on the way to the printer.
    pub swap_line_up: f64,
    /// The same on the way to the host.
    pub swap_line_down: f64,
    /// Share of lines of every kind that come late at the host, by `late_s`.
    pub late_line_down: f64,
    /// Share of `ok` lines lost whole.
    pub drop_ok: f64,
    /// Share of `ok` lines that come late.
    pub late_ok: f64,
    /// How late, virtual s.
    pub late_s: f64,
    /// Bits per second both ways; 0 is as fast as it comes.
    pub baud: u32,
    /// Delay each way, virtual s.
    pub latency_s: f64,
    /// Things that happen once.
    pub at: Vec<Happening>,
}

/// Something that happens once, at a line or at a time.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Happening {
    /// After so many numbered lines were accepted since power-on.
    #[serde(default)]
    pub line: Option<u64>,
    /// At this virtual time, s.
    #[serde(default)]
    pub s: Option<f64>,
    /// What.
    pub what: What,
    /// How long, virtual s: stall, disconnect, busy. How many times: slow_planner. How often, s: reports.
    #[serde(default)]
    pub amount: f64,
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The board restarts.
    Reset,
    /// `kill()`.
    Halt,
    /// The hotend's heater fails.
    Thermal,
    /// Deaf and mute; what arrives meanwhile is lost.
    Stall,
    /// The port goes away and comes back.
    Disconnect,
    /// Moves take longer.
    SlowPlanner,
    /// The board restarts and nothing of what it says is heard.
    SilentReset,
    /// The board restarts and what it says arrives in shreds.
    GarbledReset,
    /// `busy` lines of another cause than a line of ours.
    Busy,
    /// Temperature reports that somebody else has asked for.
    Reports,
    /// The hotend stays below its target from now on.
    NeverReached,
    /// Stop was chosen at the printer's own display.
    Cancel,
}

impl What {
    /// For counting.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Halt => "halt",
            Self::Thermal => "dead heater",
            Self::Stall => "stall",
            Self::Disconnect => "disconnect",
            Self::SlowPlanner => "slow planner",
            Self::SilentReset => "silent reset",
            Self::GarbledReset => "garbled reset",
            Self::Busy => "busy of another cause",
            Self::Reports => "reports of another cause",
            Self::NeverReached => "target never reached",
            Self::Cancel => "stop at the display",
        }
    }
}

/// Why a fault file can not be used.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// Not readable.
    #[error("the fault file can not be read: {0}")]
    Read(#[from] std::io::Error),
    /// Not a fault file.
    #[error("the fault file is not valid: {0}")]
    Parse(#[from] toml::de::Error),
}

impl Faults {
    /// Reads a fault file.
    ///
    /// # Errors
    /// [`FaultError`].
    pub fn load(path: &Path) -> Result<Self, FaultError> {
        Ok(toml::from_str(&std::fs::read_to_string(path)?)?)
    }

    /// A bad line as the acceptance asks for it: bytes dropped, corrupted and doubled both ways, `ok`s lost.
    pub fn bad_line(rate: f64) -> Self {
        Self {
            drop_up: rate,
            drop_down: rate,
            corrupt_up: rate,
            corrupt_down: rate,
            double_up: rate,
            double_down: rate,
            drop_ok: 0.005,
            ..Self::default()
        }
    }
}
