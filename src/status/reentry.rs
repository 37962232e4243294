//! Re-entry as people are shown it: where a print that was cut off may go on, or why it may not.

use serde::{Deserialize, Serialize};

/// Name of the picture in the case's folder: the layer that is made again, and the ruler.
pub const REENTRY_PICTURE: &str = "reentry.png";

/// Where a print that was cut off may go on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reentry {
    /// Why it may not, in plain language; empty: it may.
    #[serde(default)]
    pub refused: String,
    /// The layer that is made again from its start.
    pub layer: u32,
    /// Layers of the part.
    pub layers: u32,
    /// What a ruler must show, mm: the part's height below that layer.
    pub height_mm: f64,
    /// Heights of the nozzle that are possible, mm. With two a person has to say which: it touches the part, or a sheet of
    /// paper goes between.
    pub nozzle_mm: Vec<f64>,
    /// How much of the layer is made a second time at most, mm of path.
    pub twice_mm: f64,
    /// Print time of what is left by plan, s.
    pub print_s: f64,
    /// Minutes that are left until the bed has been cold for too long.
    #[serde(default)]
    pub minutes_left: f64,
    /// SHA-256 of the program that is released; empty until somebody chose it.
    #[serde(default)]
    pub sha256: String,
    /// What a person measured, mm; 0 until then.
    #[serde(default)]
    pub measured_mm: f64,
}

/// How the nozzle stands over a part whose print was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nozzle {
    /// It touches the part.
    Touches,
    /// A sheet of paper goes between.
    Free,
}
