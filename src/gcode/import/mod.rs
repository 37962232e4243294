//! Import: a printer and a material profile out of a PrusaSlicer configuration.
//!
//! In:    the text of a configuration (`config.ini`), of a bundle with sections, or of a G-code file with its config block.
//! Out:   [`Imported`]: both profiles, what was assumed because the file does not say it, and what could not be carried over.
//! Holds: the profiles that come out are within the ranges, and the validator takes the printer's own texts; a line that it
//!        refuses is left out and named.
//! Never: guesses what a placeholder with conditions would become.

use super::dialect::Dialect;
use super::profile::{Feeds, Limits, Link, Material, Printer, Tuning};
use super::texts::{Place, TextError};
use super::{ProfileError, ranges};
use std::collections::BTreeMap;

mod ini;
mod words;
pub use ini::ConfigError;

/// What came out of a configuration.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The machine.
    pub printer: Printer,
    /// What it printed with.
    pub material: Material,
    /// `key = value`: what the configuration does not say, and what was taken instead.
    pub assumed: Vec<String>,
    /// What stands there and is not carried over, with the reason.
    pub left: Vec<String>,
}

/// Why nothing came out.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The text is no configuration, or a section is not there.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A value that makes no sense.
    #[error("{key} = {value}: {want}. Correct it in the configuration.")]
    Value {
        /// Key of the configuration.
        key: String,
        /// What stands there.
        value: String,
        /// What was expected.
        want: &'static str,
    },
    /// The printer's firmware is none of the six families.
    #[error(
        "gcode_flavor = {0}: no firmware that is known here. Known: marlin, marlin2, klipper, reprapfirmware, repetier."
    )]
    Flavor(String),
    /// A number is out of range.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The texts can not be used even without the lines that are refused.
    #[error(transparent)]
    Text(Box<TextError>),
}

impl From<TextError> for ImportError {
    fn from(error: TextError) -> Self {
        Self::Text(Box::new(error))
    }
}

/// Values of the configuration, and what was assumed.
struct Source {
    values: BTreeMap<String, String>,
    assumed: Vec<String>,
}

impl Source {
    fn text(&self, key: &str) -> Option<&str> {
        self.values
            .get(key)
            .map(|v| v.trim())
            .filter(|v| !v.is_empty() && *v != "nil")
    }

    /// The first of a list of numbers: other extruders and the silent mode follow it.
    fn number(&self, key: &str) -> Result<Option<f64>, ImportError> {
        let Some(text) = self.text(key) else {
            return Ok(None);
        };
        let first = text.split([',', ';']).next().unwrap_or_default().trim();
        first.parse().map(Some).map_err(|_| ImportError::Value {
            key: key.into(),
            value: text.into(),
            want: "a number was expected",
        })
    }

    /// A number, or what is assumed where the configuration does not say it. Some keys are 0 where nothing is asked.
    fn or(&mut self, keys: &[&str], assumed: f64) -> Result<f64, ImportError> {
        for key in keys {
            if let Some(value) = self.number(key)?.filter(|v| *v > 0.0) {
                return Ok(value);
            }
        }
        self.assumed.push(format!("{} = {assumed}", keys[0]));
        Ok(assumed)
    }

    fn feeds(&mut self, stem: &str, assumed: [f64; 4]) -> Result<Feeds, ImportError> {
        let mut of = |axis: &str, assumed| self.or(&[&format!("{stem}_{axis}")], assumed);
        Ok(Feeds {
            x: of("x", assumed[0])?,
            y: of("y", assumed[1])?,
            z: of("z", assumed[2])?,
            e: of("e", assumed[3])?,
        })
    }
}

/// Makes profiles named `name` out of a configuration. In a bundle, `printer` and `filament` name the sections; each may be
/// left out where there is one.
///
/// # Errors
/// [`ImportError`].
pub fn import(
    text: &str,
    name: &str,
    printer: Option<&str>,
    filament: Option<&str>,
) -> Result<Imported, ImportError> {
    let values = ini::read(text, printer, filament)?;
    let mut source = Source {
        values,
        assumed: Vec::new(),
    };
    let mut left = Vec::new();
    let material = material(&mut source)?;
    let mut printer = machine(&mut source, name, &material, &mut left)?;
    ranges::printer(&printer).map_err(|outside| outside.of(name))?;
    ranges::material(&material).map_err(|outside| outside.of(&material.name))?;
    prune(&mut printer, &material, &mut left)?;
    left.extend(words::features(&source.values));
    Ok(Imported {
        printer,
        material,
        assumed: source.assumed,
        left,
    })
}

fn dialect(source: &Source) -> Result<Dialect, ImportError> {
    let flavor = source.text("gcode_flavor").unwrap_or("marlin");
    let model = source
        .text("printer_model")
        .unwrap_or_default()
        .to_ascii_uppercase();
    let is_8_bit_prusa = model.starts_with("MK3S")
        || model.starts_with("MK3") && !model.starts_with("MK3.")
        || model.starts_with("MK2");
    let is_buddy = ["MK4", "MK3.5", "MK3.9", "MINI", "XL", "COREONE"]
        .iter()
        .any(|m| model.starts_with(m));
    Ok(match flavor {
        "marlin" | "marlin2" if is_buddy => Dialect::Buddy,
        "marlin" | "marlin2" if is_8_bit_prusa => Dialect::Prusa,
        "marlin" | "marlin2" => Dialect::Marlin,
        "klipper" => Dialect::Klipper,
        "reprapfirmware" => Dialect::RepRapFirmware,
        "repetier" => Dialect::Repetier,
        other => return Err(ImportError::Flavor(other.into())),
    })
}

/// Corners of the bed: a rectangle from 0.
fn bed_mm(source: &mut Source) -> Result<[f64; 2], ImportError> {
    let Some(shape) = source.text("bed_shape") else {
        source.assumed.push("bed_shape = 200x200".into());
        return Ok([200.0, 200.0]);
    };
    let corner = |text: &str| {
        let (x, y) = text.trim().split_once('x')?;
        Some([x.parse().ok()?, y.parse().ok()?])
    };
    let corners: Option<Vec<[f64; 2]>> = shape.split(',').map(corner).collect();
    let wrong = |want| ImportError::Value {
        key: "bed_shape".into(),
        value: shape.into(),
        want,
    };
    let corners = corners.ok_or(wrong("corners as 0x0,250x0,250x210,0x210 were expected"))?;
    let ends = |axis: usize| {
        corners
            .iter()
            .map(|c| c[axis])
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
                (l.min(v), h.max(v))
            })
    };
    let [(x0, x1), (y0, y1)] = [ends(0), ends(1)];
    if corners.len() != 4 || x0.abs() > 0.01 || y0.abs() > 0.01 {
        return Err(wrong(
            "a rectangle whose front left corner is 0x0 is needed; round beds and beds with 0 in the middle are not known here",
        ));
    }
    Ok([x1, y1])
}

fn machine(
    source: &mut Source,
    name: &str,
    material: &Material,
    left: &mut Vec<String>,
) -> Result<Printer, ImportError> {
    let dialect = dialect(source)?;
    let facts = dialect.facts();
    let nozzle_mm = source.or(&["nozzle_diameter"], 0.4)?;
    let layer_mm = source.or(&["layer_height"], nozzle_mm / 2.0)?;
    // It may be a share of the layer's height.
    let first = source
        .text("first_layer_height")
        .and_then(|text| text.strip_suffix('%')?.parse::<f64>().ok());
    let first_layer_mm = match first {
        Some(percent) => layer_mm * percent / 100.0,
        None => source.or(&["first_layer_height"], layer_mm)?,
    };
    let print_accel_mm_s2 = source.or(&["machine_max_acceleration_extruding"], 1000.0)?;
    let hotend_c = material.hotend_c.max(material.hotend_first_c);
    let bed_c = material.bed_c.max(material.bed_first_c);
    // No configuration says how hot a machine may become.
    let (hotend_max_c, bed_max_c) = (hotend_c.max(260.0), bed_c.max(100.0));
    source
        .assumed
        .push(format!("limits.hotend_max_c = {hotend_max_c}"));
    source
        .assumed
        .push(format!("limits.bed_max_c = {bed_max_c}"));
    if material.chamber_c > 0.0 {
        source
            .assumed
            .push(format!("limits.chamber_max_c = {}", material.chamber_c));
    }
    let mut text = |keys: &[&str], place| words::translated(source, keys, place, left);
    let (start, layer, end) = (
        text(&["start_gcode"], Place::Start),
        text(&["before_layer_gcode", "layer_gcode"], Place::Layer),
        text(&["end_gcode"], Place::End),
    );
    Ok(Printer {
        name: name.into(),
        title: source
            .text("printer_settings_id")
            .or(source.text("printer_model"))
            .unwrap_or(name)
            .into(),
        is_virtual: false,
        dialect,
        bed_mm: bed_mm(source)?,
        height_mm: source.or(&["max_print_height"], 200.0)?,
        nozzle_mm,
        filament_mm: source.or(&["filament_diameter"], 1.75)?,
        layer_mm,
        first_layer_mm,
        limits: Limits {
            feed_mm_s: source.feeds("machine_max_feedrate", [150.0, 150.0, 10.0, 25.0])?,
            accel_mm_s2: source
                .feeds("machine_max_acceleration", [1000.0, 1000.0, 100.0, 5000.0])?,
            print_accel_mm_s2,
            travel_accel_mm_s2: source
                .or(&["machine_max_acceleration_travel"], print_accel_mm_s2)?,
            retract_accel_mm_s2: source.or(&["machine_max_acceleration_retracting"], 1000.0)?,
            jerk_mm_s: source.feeds("machine_max_jerk", [8.0, 8.0, 0.4, 2.5])?,
            junction_deviation_mm: source
                .number("machine_max_junction_deviation")?
                .unwrap_or(0.0),
            hotend_max_c,
            bed_max_c,
            chamber_max_c: material.chamber_c,
            extrude_min_c: 170.0,
            flow_max_mm3_s: material.flow_max_mm3_s.max(8.0),
        },
        link: Link {
            baud: 115_200,
            window: facts.window_max.min(3),
            line_max_bytes: facts.line_max_bytes.min(96),
            boot_s: 5.0,
            hold_nozzle_min: 10.0,
            hold_bed_min: 60.0,
        },
        tuning: Tuning::default(),
        thumbnails: Vec::new(),
        start,
        layer,
        end,
    })
}

fn material(source: &mut Source) -> Result<Material, ImportError> {
    let kind = source
        .text("filament_type")
        .unwrap_or("PLA")
        .split([',', ';'])
        .next()
        .unwrap_or("PLA")
        .to_owned();
    let hotend_c = source.or(&["temperature"], 210.0)?;
    let hotend_first_c = source.or(&["first_layer_temperature", "temperature"], hotend_c)?;
    let bed_c = source.number("bed_temperature")?.unwrap_or(60.0);
    let bed_first_c = source
        .number("first_layer_bed_temperature")?
        .unwrap_or(bed_c);
    let fan = source.number("max_fan_speed")?.unwrap_or(100.0) / 100.0;
    let cools = source.text("cooling").is_none_or(|v| v.starts_with('1'));
    Ok(Material {
        name: kind
            .to_ascii_lowercase()
            .replace(|c: char| !c.is_ascii_alphanumeric(), "-"),
        title: format!("{kind} (fit model, no implant)"),
        density_g_cm3: source.or(&["filament_density"], 1.24)?,
        hotend_c,
        hotend_first_c,
        bed_c,
        bed_first_c,
        chamber_c: source.number("chamber_temperature")?.unwrap_or(0.0),
        drying: None,
        annealing: None,
        hotend_range_c: None,
        bed_range_c: None,
        flow_max_mm3_s: source.or(&["filament_max_volumetric_speed"], 8.0)?,
        fan: if cools { fan.clamp(0.0, 1.0) } else { 0.0 },
        layer_min_s: source.or(&["slowdown_below_layer_time"], 10.0)?,
        retract_mm: source
            .number("filament_retract_length")?
            .or(source.number("retract_length")?)
            .unwrap_or(0.8),
        retract_mm_s: source.or(&["filament_retract_speed", "retract_speed"], 35.0)?,
        modulus_gpa: Material::modulus_gpa(),
        implantable: "no".into(),
    })
}

/// Leaves out lines that the validator refuses, and names them.
fn prune(
    printer: &mut Printer,
    material: &Material,
    left: &mut Vec<String>,
) -> Result<(), ImportError> {
    let lines = printer.start.len() + printer.layer.len() + printer.end.len();
    for _ in 0..lines {
        let (key, line, reason) = match printer.takes(material) {
            Ok(()) => return Ok(()),
            Err(TextError::Refused {
                key, line, reason, ..
            }) => (key, line, reason),
            Err(TextError::Placeholder {
                key, line, name, ..
            }) => (key, line, format!("nothing fills {{{name}}}")),
            Err(other) => return Err(other.into()),
        };
        let text = match key {
            "start" => &mut printer.start,
            "layer" => &mut printer.layer,
            _ => &mut printer.end,
        };
        let gone = text.remove(line - 1);
        left.push(format!("{key}: `{gone}`: {reason}"));
    }
    Ok(printer.takes(material)?)
}

#[cfg(test)]
mod tests;
