//! What the validator holds against the facts that the slicer sealed with the file.

use super::Checker;
use crate::gcode::facts::{Facts, LayerFact};
use crate::gcode::{Move, Printer};

const NEXT: &str = "Slice the part again; the file does not do what was planned for this part.";

/// Heights that differ by less are the same, mm.
const SAME_Z_MM: f64 = 0.002;
/// Filament of a layer may differ by this share, and by this much for rounding, mm.
const FILAMENT_SHARE: f64 = 0.002;
const FILAMENT_SLACK_MM: f64 = 0.02;
/// Widths of lines may differ by this share: their numbers are rounded.
const WIDTH_SHARE: f64 = 0.04;
/// Lines shorter than this are not measured, mm: their numbers are rounded too coarsely.
const MEASURED_MM: f64 = 0.5;
/// The moves alone take at most the planned time, which knows of accelerations; so much more is a fault.
const TIME_SHARE: f64 = 1.1;
const TIME_SLACK_S: f64 = 60.0;
/// A solid part takes at least this share of its volume: wedges too thin for a line are left out.
const SOLID_LEAST: f64 = 0.85;

/// The facts and how far they were followed.
#[derive(Debug)]
pub(super) struct Held {
    facts: Facts,
    /// The layer that is drawn; `None` before the first.
    at: Option<usize>,
    /// The first layer's mark was read.
    begun: bool,
    /// Filament of this layer, mm, and the line that drew last.
    filament_mm: f64,
    last_line: usize,
    /// Filament of all layers, mm.
    all_mm: f64,
    /// Cold is told once for each order.
    cold_told: bool,
    late_told: bool,
}

impl Held {
    fn layer(&self) -> Option<&LayerFact> {
        self.facts.layers.get(self.at?)
    }

    fn height_mm(&self) -> f64 {
        let below = self.at.and_then(|at| at.checked_sub(1));
        let below_mm = below.map_or(0.0, |n| self.facts.layers[n].z_mm);
        self.layer().map_or(0.0, |l| l.z_mm - below_mm)
    }
}

impl Checker<'_> {
    /// Takes a line's text before its command: facts in the head, the first layer's mark.
    pub(super) fn fact_line(&mut self, text: &str, commands: bool) {
        if self.checked.commands == 0 && !commands {
            if !self.seal.is_ours() {
                return;
            }
            if Facts::take(&mut self.facts, text).is_none() {
                let what = "a line of the slicer's facts makes no sense".into();
                self.violate("facts", what, NEXT);
            }
            return;
        }
        if let Some(facts) = self.facts.take() {
            self.held = Some(Held {
                facts,
                at: None,
                begun: false,
                filament_mm: 0.0,
                last_line: 0,
                all_mm: 0.0,
                cold_told: false,
                late_told: false,
            });
        }
        if let Some(held) = &mut self.held
            && text.starts_with(";LAYER_CHANGE")
        {
            held.begun = true;
        }
    }

    /// Plastic of the print itself: which layer it belongs to, and whether the line is one of the plan's.
    pub(super) fn held_line(&mut self, one: &Move, section_mm2: f64) {
        let number = self.checked.lines;
        let Some(held) = self.held.as_mut().filter(|held| held.begun) else {
            return;
        };
        held.last_line = number;
        let z_mm = one.to_mm()[2];
        let level = one.from_nm[2] == one.to_nm[2];
        let is = |layer: Option<&LayerFact>| {
            level && layer.is_some_and(|l| (l.z_mm - z_mm).abs() < SAME_Z_MM)
        };
        if !is(held.layer()) {
            let next = held.at.map_or(0, |at| at + 1);
            if !is(held.facts.layers.get(next)) {
                let place = match held.facts.layers.get(next) {
                    Some(layer) => format!("layer {} lies at Z {:.3} mm", next + 1, layer.z_mm),
                    None => format!("the part ends with layer {next}"),
                };
                let text = format!("plastic is laid at Z {z_mm:.3} mm where {place}");
                // From here on the layers are told by what is drawn, or every line would be told.
                held.at =
                    (held.facts.layers.iter()).position(|l| (l.z_mm - z_mm).abs() < SAME_Z_MM);
                held.begun = held.at.is_some();
                held.filament_mm = f64::NAN;
                self.violate("layer_z", text, NEXT);
                return;
            }
            self.close_layer();
            if let Some(held) = &mut self.held {
                held.at = Some(next);
                held.filament_mm = 0.0;
            }
        }
        let Some(held) = &self.held else { return };
        let high_mm = held.height_mm();
        let width_mm = section_mm2 / high_mm + high_mm * (1.0 - std::f64::consts::FRAC_PI_4);
        let [least, most] = held.facts.line_mm;
        let fits = (least * (1.0 - WIDTH_SHARE)..=most * (1.0 + WIDTH_SHARE)).contains(&width_mm);
        if one.length_mm() > MEASURED_MM && !fits {
            let text = format!("a line is {width_mm:.3} mm wide, planned are {least} to {most}");
            self.violate("line_width", text, NEXT);
        }
        self.held_warm();
    }

    /// Filament that was pushed for the first time.
    pub(super) fn held_filament(&mut self, fresh_mm: f64) {
        if let Some(held) = self.held.as_mut().filter(|held| held.at.is_some()) {
            held.filament_mm += fresh_mm;
            held.all_mm += fresh_mm;
        }
    }

    /// A layer's filament against the plan's.
    fn close_layer(&mut self) {
        let Some(held) = &self.held else { return };
        let Some(layer) = held.layer() else { return };
        let (planned, found, line) = (layer.filament_mm, held.filament_mm, held.last_line);
        if (found - planned).abs() > FILAMENT_SHARE * planned + FILAMENT_SLACK_MM {
            let text = format!(
                "the layer at Z {:.3} mm gets {found:.3} mm of filament, planned are {planned:.3}",
                layer.z_mm
            );
            self.violate_at(line, "layer_filament", text, NEXT);
        }
    }

    /// Targets above what the material bears are wrong everywhere; they are told where they are ordered.
    pub(super) fn held_heat(&mut self) {
        let Some(held) = &mut self.held else { return };
        held.cold_told = false;
        let both = [
            ("hotend", self.hotend_target_c, held.facts.hotend_c[1]),
            ("bed", self.bed_target_c, held.facts.bed_c[1]),
        ];
        for (name, target, most) in both {
            if target > most {
                let text = format!("the {name} goes to {target} C, this material bears {most}");
                self.violate("material_c", text, NEXT);
            }
        }
    }

    /// Below what the material wants nothing of the print may be drawn.
    fn held_warm(&mut self) {
        let Some(held) = &mut self.held else { return };
        let both = [
            (
                "hotend",
                self.hotend_target_c.min(self.assured_c),
                held.facts.hotend_c[0],
            ),
            ("bed", self.bed_target_c, held.facts.bed_c[0]),
        ];
        let Some((name, target, least)) = both.into_iter().find(|(_, is, least)| is < least) else {
            return;
        };
        if !std::mem::replace(&mut held.cold_told, true) {
            let text = format!(
                "plastic is laid with the {name} at {target} C, this material wants {least}"
            );
            self.violate("material_c", text, NEXT);
        }
    }

    /// The time that moves and waits take at least.
    pub(super) fn held_time(&mut self, spent_s: f64) {
        let Some(held) = &mut self.held else { return };
        let most = TIME_SHARE * held.facts.time_s + TIME_SLACK_S;
        if spent_s > most && !std::mem::replace(&mut held.late_told, true) {
            let planned = held.facts.time_s;
            let text = format!(
                "up to here the file takes {spent_s:.0} s, all of it was planned to take {planned:.0}"
            );
            self.violate("planned_time", text, NEXT);
        }
    }

    /// The last layer was reached, and a solid part is solid.
    pub(super) fn held_end(&mut self, printer: &Printer) {
        self.close_layer();
        let Some(held) = &self.held else { return };
        let (reached, count) = (held.at.map_or(0, |at| at + 1), held.facts.layers.len());
        let drawn_mm3 = held.all_mm * super::moves::filament_mm2(printer);
        let mut below_mm = 0.0;
        let mut part_mm3 = 0.0;
        for layer in &held.facts.layers {
            part_mm3 += layer.section_mm2 * (layer.z_mm - below_mm);
            below_mm = layer.z_mm;
        }
        let hollow = held.facts.solid && drawn_mm3 < SOLID_LEAST * part_mm3;
        if reached != count {
            let text = format!("the print ends with layer {reached}, the part has {count}");
            self.violate("layer_z", text, NEXT);
        } else if hollow {
            let text = format!(
                "{drawn_mm3:.0} mm3 of plastic are laid for a solid part of {part_mm3:.0} mm3"
            );
            self.violate("part_volume", text, NEXT);
        }
    }
}
