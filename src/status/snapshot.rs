//! Everything a screen may show, at one instant.

use super::{Finding, JobState, Progress, Side};
use serde::{Deserialize, Serialize};

/// The station, its printer and its jobs at one instant. Page, LCD and API are drawn from it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Grows with every change.
    pub revision: u64,
    /// The station itself.
    pub station: StationView,
    /// The printer behind the link.
    pub printer: PrinterView,
    /// Jobs, newest first.
    pub jobs: Vec<JobView>,
}

/// The station itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StationView {
    /// Version of the program.
    pub version: String,
    /// `true` until the first rescan and the link's first answer.
    pub starting: bool,
    /// Things that are wrong with the station (disk full, models missing, …), with what to do.
    pub attention: Vec<Finding>,
    /// Name, quality and licence of the weights in use, one line.
    pub weights: String,
    /// Address of the page, for the LCD.
    pub address: String,
    /// Wall clock at the snapshot, RFC 3339.
    pub now: String,
}

/// What the link does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrinterState {
    /// The link process does not answer.
    #[default]
    LinkDown,
    /// The link is there, the printer is not.
    Disconnected,
    /// Nothing to do.
    Idle,
    /// A job runs.
    Printing,
    /// A job is held.
    Paused,
    /// Halted by a fault or by the emergency stop.
    Halted,
}

/// Temperature of a heater, degrees Celsius.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heater {
    /// Measured.
    pub now_c: f64,
    /// Wanted; 0 is off.
    pub target_c: f64,
}

/// The printer behind the link.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PrinterView {
    /// What it does.
    pub state: PrinterState,
    /// `true`: no metal moves. Every screen says so.
    pub is_virtual: bool,
    /// Firmware's name or the port, for people.
    pub name: String,
    /// Hotend; `None` (`null`): not known now, which is not cold.
    #[serde(default)]
    pub hotend: Option<Heater>,
    /// Bed, likewise.
    #[serde(default)]
    pub bed: Option<Heater>,
    /// Case on the printer.
    #[serde(default)]
    pub job: Option<String>,
    /// 0 to 1 of the print, by planned time.
    pub fraction: f64,
    /// Seconds left by plan.
    pub left_s: f64,
    /// Seconds since the print began.
    pub spent_s: f64,
    /// Layer in work, from 1, and how many there are.
    pub layer: u32,
    /// Layers of the job.
    pub layers: u32,
    /// What is wrong, with what to do.
    #[serde(default)]
    pub fault: Option<Finding>,
}

/// One job as people see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobView {
    /// Case code, e.g. `K7-2043`.
    pub code: String,
    /// Where it stands.
    pub state: JobState,
    /// Why it stands there (refused, failed, stopped).
    #[serde(default)]
    pub reason: String,
    /// What to do about it.
    #[serde(default, rename = "do")]
    pub next: String,
    /// How far it is.
    #[serde(default)]
    pub progress: Option<Progress>,
    /// Findings so far.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// SHA-256 of the checked G-code, once designed.
    #[serde(default)]
    pub gcode_sha256: Option<String>,
    /// Side of the defect, once designed.
    #[serde(default)]
    pub side: Option<Side>,
    /// Where the hole is, in words.
    #[serde(default)]
    pub place: String,
    /// Print time by plan, seconds.
    #[serde(default)]
    pub print_s: Option<f64>,
    /// Filament, grams.
    #[serde(default)]
    pub filament_g: Option<f64>,
    /// Name, quality and licence of the weights that designed it, one line.
    #[serde(default)]
    pub weights: String,
    /// Who released the last print.
    #[serde(default)]
    pub released_by: String,
    /// When it was received, RFC 3339.
    pub received: String,
    /// When it last changed, RFC 3339.
    pub changed: String,
    /// Files that can be fetched, by name.
    #[serde(default)]
    pub files: Vec<String>,
}
