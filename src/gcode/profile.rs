//! Profiles: what a machine can do and what a material wants, from TOML files under `printer-profiles/`.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

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
    /// Start code; `{hotend_c}`, `{hotend_first_c}`, `{bed_c}`, `{bed_first_c}` are filled in from the material.
    pub start: Vec<String>,
    /// End code.
    pub end: Vec<String>,
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
    /// Hotend from the second layer on, C.
    pub hotend_c: f64,
    /// Hotend in the first layer, C.
    pub hotend_first_c: f64,
    /// Bed from the second layer on, C.
    pub bed_c: f64,
    /// Bed in the first layer, C.
    pub bed_first_c: f64,
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
    /// "no", or the name, number and date of a certificate. Anything but a certificate is a fit model.
    pub implantable: String,
}

/// Why a profile can not be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// No file of that name in any of the places looked at.
    #[error("there is no {kind} profile '{name}'. Known: {known}.")]
    Unknown {
        /// "printer" or "material".
        kind: &'static str,
        /// Name asked for.
        name: String,
        /// Names found.
        known: String,
    },
    /// The file can not be read.
    #[error("the profile '{name}' can not be read: {source}")]
    Read {
        /// Profile's name.
        name: String,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a profile.
    #[error("the profile '{name}' is not valid: {text}")]
    Parse {
        /// Profile's name.
        name: String,
        /// What the parser says, with line and column.
        text: String,
    },
    /// A number is out of the range that makes sense.
    #[error("the profile '{name}': {key} is {value}, allowed is {range}")]
    Range {
        /// Profile's name.
        name: String,
        /// Key.
        key: &'static str,
        /// Value found.
        value: f64,
        /// What is allowed.
        range: &'static str,
    },
}

/// Folders in which profiles (`NAME.toml`, materials in `materials/NAME.toml`) are looked for, first hit wins.
pub(super) fn folders() -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Some(path) = std::env::var_os("CALVARIA_PROFILES") {
        found.push(PathBuf::from(path));
    }
    found.push(PathBuf::from("printer-profiles"));
    if let Ok(binary) = std::env::current_exe()
        && let Some(folder) = binary.parent()
    {
        found.push(folder.join("../share/calvaria/printer-profiles"));
    }
    found.push(PathBuf::from("/usr/share/calvaria/printer-profiles"));
    found
}

fn load<T: serde::de::DeserializeOwned>(
    kind: &'static str,
    sub: &str,
    name: &str,
) -> Result<T, ProfileError> {
    let plain = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let path = folders()
        .into_iter()
        .map(|f| f.join(sub).join(format!("{name}.toml")))
        .find(|p| plain && p.is_file());
    let Some(path) = path else {
        return Err(ProfileError::Unknown {
            kind,
            name: name.into(),
            known: known(sub).join(", "),
        });
    };
    let text = std::fs::read_to_string(&path).map_err(|source| ProfileError::Read {
        name: name.into(),
        source,
    })?;
    toml::from_str(&text).map_err(|e| ProfileError::Parse {
        name: name.into(),
        text: e.to_string(),
    })
}

fn known(sub: &str) -> Vec<String> {
    let mut names: Vec<String> = folders()
        .iter()
        .filter_map(|f| std::fs::read_dir(f.join(sub)).ok())
        .flatten()
        .filter_map(|entry| {
            let path: &Path = &entry.ok()?.path();
            (path.extension()? == "toml")
                .then(|| path.file_stem()?.to_str().map(str::to_owned))
                .flatten()
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

impl Printer {
    /// The printer profile `name`.
    ///
    /// # Errors
    /// [`ProfileError`] when it is not there, not readable, not a profile, or a number makes no sense.
    pub fn load(name: &str) -> Result<Self, ProfileError> {
        let printer: Self = load("printer", "", name)?;
        let range = |key, value: f64, ok: bool, range| {
            if ok {
                Ok(())
            } else {
                Err(ProfileError::Range {
                    name: name.into(),
                    key,
                    value,
                    range,
                })
            }
        };
        range(
            "nozzle_mm",
            printer.nozzle_mm,
            (0.1..=1.2).contains(&printer.nozzle_mm),
            "0.1 to 1.2",
        )?;
        range(
            "layer_mm",
            printer.layer_mm,
            (0.04..=0.8).contains(&printer.layer_mm),
            "0.04 to 0.8",
        )?;
        range(
            "height_mm",
            printer.height_mm,
            (20.0..=1000.0).contains(&printer.height_mm),
            "20 to 1000",
        )?;
        range(
            "bed_mm",
            printer.bed_mm[0],
            printer.bed_mm.iter().all(|b| (20.0..=1000.0).contains(b)),
            "20 to 1000",
        )?;
        range(
            "link.window",
            printer.link.window as f64,
            (1..=15).contains(&printer.link.window),
            "1 to 15",
        )?;
        Ok(printer)
    }
}

impl Material {
    /// The material profile `name`.
    ///
    /// # Errors
    /// [`ProfileError`] when it is not there, not readable or not a profile.
    pub fn load(name: &str) -> Result<Self, ProfileError> {
        load("material", "materials", name)
    }
}
