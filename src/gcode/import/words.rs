//! Words: PrusaSlicer's texts in ours, and what of its settings has no counterpart.

use super::Source;
use crate::gcode::texts::Place;
use std::collections::BTreeMap;

/// Its names of what a material's profile fills in.
const NAMES: [(&str, &str); 5] = [
    ("first_layer_bed_temperature", "bed_first_c"),
    ("bed_temperature", "bed_c"),
    ("first_layer_temperature", "hotend_first_c"),
    ("temperature", "hotend_c"),
    ("chamber_temperature", "chamber_c"),
];

/// Settings that ask for something which is not done here: key, the value that asks for nothing, and what it is.
const FEATURES: [(&str, &str, &str); 7] = [
    (
        "single_extruder_multi_material",
        "0",
        "more than one filament",
    ),
    (
        "use_firmware_retraction",
        "0",
        "retraction by the firmware (G10, G11)",
    ),
    ("use_volumetric_e", "0", "E in mm3"),
    ("toolchange_gcode", "", "text at a change of tools"),
    ("color_change_gcode", "", "text at a change of colours"),
    ("between_objects_gcode", "", "text between objects"),
    ("z_offset", "0", "an offset of Z: set it in the firmware"),
];

/// One text of the configuration, line by line; what can not be said here is left out and named.
pub(super) fn translated(
    source: &Source,
    keys: &[&str],
    place: Place,
    left: &mut Vec<String>,
) -> Vec<String> {
    let mut lines = Vec::new();
    for key in keys {
        let Some(text) = source.text(key) else {
            continue;
        };
        let text = text
            .trim_matches('"')
            .replace("\\n", "\n")
            .replace("\\\"", "\"");
        for line in text.lines() {
            let code = line.split(';').next().unwrap_or_default().trim();
            if code.is_empty() {
                continue;
            }
            match line_of(code, place) {
                Some(line) => lines.push(line),
                None => left.push(format!(
                    "{}: `{code}`: its placeholder has no counterpart",
                    place.key()
                )),
            }
        }
    }
    lines
}

/// A line with our placeholders; `None` where one of its own is not known.
fn line_of(code: &str, place: Place) -> Option<String> {
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find(['[', '{']) {
        let close = if rest[at..].starts_with('[') {
            ']'
        } else {
            '}'
        };
        let end = at + rest[at..].find(close)?;
        // `{temperature[0]}` ends at its last brace, not at the bracket inside.
        let inner = rest[at + 1..end].trim();
        out.push_str(&rest[..at]);
        out.push_str(&format!("{{{}}}", named(inner, place)?));
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    Some(out)
}

fn named(inner: &str, place: Place) -> Option<&'static str> {
    let plain = inner
        .trim_end_matches("[initial_extruder]")
        .trim_end_matches("[current_extruder]")
        .trim_end_matches("[0]")
        .trim_end_matches("_0");
    let found = NAMES
        .iter()
        .find(|(theirs, _)| *theirs == plain)
        .map(|(_, ours)| *ours);
    found.or(match (plain, place) {
        ("layer_z", Place::Layer) => Some("z_mm"),
        _ => None,
    })
}

/// What a configuration asks for that is not done here.
pub(super) fn features(values: &BTreeMap<String, String>) -> Vec<String> {
    FEATURES
        .iter()
        .filter_map(|(key, none, what)| {
            let value = values.get(*key)?.trim().trim_matches('"');
            let asks = value != *none && !value.is_empty() && value.parse::<f64>() != Ok(0.0);
            asks.then(|| format!("{key} = {value}: {what}"))
        })
        .collect()
}
