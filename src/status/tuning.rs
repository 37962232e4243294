//! Tuning: what a person changes of a print while it runs.

use serde::{Deserialize, Serialize};

/// What is asked for; what is not named stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tune {
    /// Speed of all moves, percent of the file's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed_percent: Option<f64>,
    /// Filament, percent of the file's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_percent: Option<f64>,
    /// Part fan, percent of what the file orders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fan_percent: Option<f64>,
    /// Height of the nozzle over where the file has it, mm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub z_mm: Option<f64>,
}

/// What is in force on the printer, and how far it may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// Speed, percent of the file's.
    pub speed_percent: f64,
    /// Filament, percent of the file's.
    pub flow_percent: f64,
    /// Part fan, percent of what the file orders.
    pub fan_percent: f64,
    /// Height of the nozzle over where the file has it, mm.
    pub z_mm: f64,
    /// Least and most of each.
    pub bounds: TuningBounds,
}

/// Least and most of what may be tuned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TuningBounds {
    /// Speed, percent.
    pub speed_percent: [f64; 2],
    /// Filament, percent.
    pub flow_percent: [f64; 2],
    /// Part fan, percent.
    pub fan_percent: [f64; 2],
    /// Height, mm; both 0 where the firmware can not do that in a print.
    pub z_mm: [f64; 2],
}
