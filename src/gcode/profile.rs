//! Profiles: what a machine can do and what a material wants.
//!
//! Never: read or judged here; that is `shelf` and `ranges`.

use super::certificate::Certificate;
use super::dialect::Dialect;
use serde::{Deserialize, Serialize};

/// One value each for X, Y, Z and E.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feeds {
    /// X axis.
    pub x: f64,
    /// Y axis.
    pub y: f64,
    /// Z axis.
    pub z: f64,
    /// Extruder, mm of filament.
    pub e: f64,
}

/// What the firmware limits moves to. The time model uses the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Highest speed of each axis, mm/s.
    pub feed_mm_s: Feeds,
    /// Highest acceleration of each axis, mm/s2.
    pub accel_mm_s2: Feeds,
    /// Acceleration while extruding, mm/s2 (M204 P).
    pub print_accel_mm_s2: f64,
    /// Acceleration of travels, mm/s2 (M204 T).
    pub travel_accel_mm_s2: f64,
    /// Acceleration of retractions, mm/s2 (M204 R).
    pub retract_accel_mm_s2: f64,
    /// Classic jerk, mm/s; used when `junction_deviation_mm` is 0.
    pub jerk_mm_s: Feeds,
    /// Marlin's junction deviation, mm; 0 selects classic jerk.
    pub junction_deviation_mm: f64,
    /// Highest hotend temperature that may be asked for, C.
    pub hotend_max_c: f64,
    /// Highest bed temperature that may be asked for, C.
    pub bed_max_c: f64,
    /// Highest temperature of a heated chamber, C; 0: there is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub chamber_max_c: f64,
    /// Below this the firmware refuses to extrude, C.
    pub extrude_min_c: f64,
    /// Highest volumetric flow of the hotend, mm3/s.
    pub flow_max_mm3_s: f64,
}

/// How the link talks to the board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Bits per second.
    pub baud: u32,
    /// Unacknowledged lines; never above the firmware's BUFSIZE - 1.
    pub window: usize,
    /// Firmware's MAX_CMD_SIZE: a framed line must be shorter.
    pub line_max_bytes: usize,
    /// Seconds the board may need to boot after the port was opened.
    pub boot_s: f64,
    /// A print that is held keeps its nozzle hot so long, min.
    #[serde(default = "hold_nozzle_min")]
    pub hold_nozzle_min: f64,
    /// And its bed, min. A printer that can not hear by then is stopped.
    #[serde(default = "hold_bed_min")]
    pub hold_bed_min: f64,
}

/// Filament begins to burn in the nozzle after about that time.
fn hold_nozzle_min() -> f64 {
    10.0
}

/// A person on the same floor is there by then.
fn hold_bed_min() -> f64 {
    60.0
}

/// How far a person may change a print while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tuning {
    /// Least and most speed, percent of the file's.
    pub speed_percent: [f64; 2],
    /// Least and most filament, percent of the file's.
    pub flow_percent: [f64; 2],
    /// Least and most of the part fan, percent of what the file orders.
    pub fan_percent: [f64; 2],
    /// So far the nozzle may be lifted or lowered, mm; 0: not at all.
    pub z_mm: f64,
}

impl Default for Tuning {
    /// Speed and flow together stay below 1.32 times the flow that the file was checked for.
    fn default() -> Self {
        Self {
            speed_percent: [50.0, 120.0],
            flow_percent: [90.0, 110.0],
            fan_percent: [0.0, 150.0],
            z_mm: 0.2,
        }
    }
}

impl Tuning {
    /// A profile that says nothing of tuning says the same as before there was any: its hash stays.
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A printer: its space, limits, link, and its start and end code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Printer {
    /// Name as used on the command line: the file's stem.
    pub name: String,
    /// For people.
    pub title: String,
    /// `true`: no metal moves.
    #[serde(default, rename = "virtual")]
    pub is_virtual: bool,
    /// The firmware's family.
    #[serde(default)]
    pub dialect: Dialect,
    /// Bed along X and Y, mm; the front left corner is 0.
    pub bed_mm: [f64; 2],
    /// Highest Z, mm.
    pub height_mm: f64,
    /// Nozzle diameter, mm.
    pub nozzle_mm: f64,
    /// Filament diameter, mm.
    pub filament_mm: f64,
    /// Layer height, mm.
    pub layer_mm: f64,
    /// First layer's height, mm.
    pub first_layer_mm: f64,
    /// Machine limits.
    pub limits: Limits,
    /// Link settings.
    pub link: Link,
    /// How far a person may change a print while it runs.
    #[serde(default, skip_serializing_if = "Tuning::is_default")]
    pub tuning: Tuning,
    /// Pictures of the part in the head of a file, pixels along X and Y, for printers whose screens show them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thumbnails: Vec<[u32; 2]>,
    /// Start code; `{hotend_c}`, `{hotend_first_c}`, `{bed_c}`, `{bed_first_c}`, `{chamber_c}` are filled in from the
    /// material (`super::texts`).
    pub start: Vec<String>,
    /// Before each layer; `{layer}` (from 1) and `{z_mm}` besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layer: Vec<String>,
    /// End code.
    pub end: Vec<String>,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// From below the lower to above the higher of two temperatures; never below 0.
fn about([a, b]: [f64; 2], by: f64) -> [f64; 2] {
    [(a.min(b) - by).max(0.0), a.max(b) + by]
}

/// A material: temperatures, flow, cooling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Material {
    /// Name as used on the command line: the file's stem.
    pub name: String,
    /// For people.
    pub title: String,
    /// g/cm3.
    pub density_g_cm3: f64,
    /// Modulus of elasticity as printed, GPa: how far a lightened part gives way is stated for it.
    #[serde(default = "Material::modulus_gpa")]
    pub modulus_gpa: f64,
    /// Hotend from the second layer on, C.
    pub hotend_c: f64,
    /// Hotend in the first layer, C.
    pub hotend_first_c: f64,
    /// Bed from the second layer on, C.
    pub bed_c: f64,
    /// Bed in the first layer, C.
    pub bed_first_c: f64,
    /// Heated chamber that it needs, C; 0: none.
    #[serde(default)]
    pub chamber_c: f64,
    /// How the filament is dried before it is printed; for people, at the release.
    #[serde(default)]
    pub drying: Option<String>,
    /// What is done with the part afterwards; for people, at the release.
    #[serde(default)]
    pub annealing: Option<String>,
    /// What it bears in the nozzle, C; about the temperatures above where the profile does not say.
    #[serde(default)]
    pub hotend_range_c: Option<[f64; 2]>,
    /// What it wants of the bed, C; about the temperatures above where the profile does not say.
    #[serde(default)]
    pub bed_range_c: Option<[f64; 2]>,
    /// Highest volumetric flow, mm3/s.
    pub flow_max_mm3_s: f64,
    /// Part fan from the second layer on, 0 to 1.
    pub fan: f64,
    /// Shortest time of a layer, s.
    pub layer_min_s: f64,
    /// Retraction length, mm of filament.
    pub retract_mm: f64,
    /// Retraction speed, mm/s.
    pub retract_mm_s: f64,
    /// "no", or a certificate: `HOLDER, NUMBER, YYYY-MM-DD`. Anything else is a fit model.
    pub implantable: String,
}

/// A profile that does not say what a material bears is taken to mean so much about its own temperatures, K.
const HOTEND_ABOUT_K: f64 = 15.0;
const BED_ABOUT_K: f64 = 10.0;

impl Material {
    /// Of a profile that does not say it: PLA's.
    pub(crate) fn modulus_gpa() -> f64 {
        3.0
    }

    /// Least and most of the hotend while plastic is laid, C.
    pub fn hotend_band_c(&self) -> [f64; 2] {
        let own = [self.hotend_c, self.hotend_first_c];
        self.hotend_range_c
            .unwrap_or_else(|| about(own, HOTEND_ABOUT_K))
    }

    /// Least and most of the bed while plastic is laid, C.
    pub fn bed_band_c(&self) -> [f64; 2] {
        let own = [self.bed_c, self.bed_first_c];
        self.bed_range_c.unwrap_or_else(|| about(own, BED_ABOUT_K))
    }

    /// The certificate that the profile names; without one a print is a fit model, not for implantation.
    pub fn certificate(&self) -> Option<Certificate> {
        Certificate::parse(&self.implantable)
    }
}
