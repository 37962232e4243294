//! Emission: strokes become Marlin G-code.
//!
//! Holds: E is absolute and starts anew at each layer, so that a line that is sent twice does no harm and Marlin's
//!        single-precision position stays exact; what rounding leaves over is carried on. Positions have 3
//!        decimals (whole um), E has 5. No date, no host, nothing that differs from run to run.
//! Never: decides what is drawn.

use super::order::Stroke;
use super::path::Role;
use super::plane::{Spot, Um, distance_um, simplify_open};
use super::settings::{Line, Recipe};
use crate::gcode::{AtLayer, Material, Place, Printer, TextError, opening};
use std::fmt::Write;

/// Travels longer than this are made with the filament pulled back, um.
const RETRACT_FROM_UM: f64 = 1_500.0;
/// Lift of such travels.
const LIFT: Um = Um(200);
/// Lift at the end.
const LIFT_END: Um = Um(5_000);
/// How far beside the parts the nozzle waits for cooling.
const ASIDE: Um = Um(15_000);
/// Waits shorter than this are not worth a trip, s.
const WAIT_MIN_S: f64 = 1.0;
/// Share of the flow limit that is used: speed is rounded down, E is not.
const FLOW_SHARE: f64 = 0.98;

/// What was drawn, by plastic.
#[derive(Clone, Debug)]
pub(super) struct Drawn {
    pub(super) part_mm3: f64,
    pub(super) support_mm3: f64,
    pub(super) brim_mm3: f64,
    /// Number, height of the nozzle and filament of each layer that has any, mm.
    pub(super) layers: Vec<(usize, f64, f64)>,
    /// Narrowest and widest line, mm.
    pub(super) line_mm: [f64; 2],
}

impl Default for Drawn {
    fn default() -> Self {
        Self {
            part_mm3: 0.0,
            support_mm3: 0.0,
            brim_mm3: 0.0,
            layers: Vec::new(),
            line_mm: [f64::INFINITY, 0.0],
        }
    }
}

/// Writes one file.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    printer: &'a Printer,
    material: &'a Material,
    recipe: &'a Recipe,
    out: String,
    at: Option<Spot>,
    /// The foremost place of all plastic.
    front: Option<Spot>,
    z: Um,
    /// Filament since the last G92, mm; what is written is this, rounded.
    e_mm: f64,
    pulled: bool,
    feed_mm_min: u32,
    said: (Option<Role>, Um),
    pub(super) drawn: Drawn,
}

/// A whole number of micrometres as millimetres, without needless zeros.
fn mm(um: i32) -> String {
    let text = format!(
        "{}{}.{:03}",
        if um < 0 { "-" } else { "" },
        um.unsigned_abs() / 1000,
        um.unsigned_abs() % 1000
    );
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl<'a> Writer<'a> {
    /// Begins a file with the start code.
    ///
    /// # Errors
    /// [`TextError`] of the profile's start code.
    pub(super) fn new(
        printer: &'a Printer,
        material: &'a Material,
        recipe: &'a Recipe,
    ) -> Result<Self, TextError> {
        let mut writer = Self {
            printer,
            material,
            recipe,
            out: opening(printer),
            at: None,
            front: None,
            z: Um(0),
            e_mm: 0.0,
            pulled: false,
            feed_mm_min: 0,
            said: (None, Um(0)),
            drawn: Drawn::default(),
        };
        writer.text(Place::Start, None)?;
        writer.line(format_args!("G90\nM82\nG92 E0\nM107"));
        Ok(writer)
    }

    /// A text of the profile.
    fn text(&mut self, place: Place, layer: Option<AtLayer>) -> Result<(), TextError> {
        let lines = self.printer.filled(place, self.material, layer)?;
        if !lines.is_empty() {
            // It may move and set a feed rate.
            (self.at, self.feed_mm_min) = (None, 0);
        }
        for line in lines {
            self.line(format_args!("{line}"));
        }
        Ok(())
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String can not fail.
        let _ = self.out.write_fmt(text);
        self.out.push('\n');
    }

    /// ` F...` when the feed rate changes, rounded down to whole mm/min.
    fn feed(&mut self, mm_s: f64) -> String {
        let feed = (mm_s * 60.0).floor().max(1.0) as u32;
        if feed == std::mem::replace(&mut self.feed_mm_min, feed) {
            String::new()
        } else {
            format!(" F{feed}")
        }
    }

    fn e(&self) -> String {
        let text = format!("{:.5}", self.e_mm);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    fn rise(&mut self, to: Um) {
        let speed = self.printer.limits.feed_mm_s.z.min(10.0);
        let feed = self.feed(speed);
        self.z = to;
        self.line(format_args!("G1 Z{}{feed}", mm(to.0)));
    }

    fn pull(&mut self) {
        if !std::mem::replace(&mut self.pulled, true) {
            self.e_mm -= self.material.retract_mm;
            let feed = self.feed(
                self.material
                    .retract_mm_s
                    .min(self.printer.limits.feed_mm_s.e),
            );
            let e = self.e();
            self.line(format_args!("G1 E{e}{feed}"));
        }
    }

    fn push(&mut self) {
        if std::mem::replace(&mut self.pulled, false) {
            self.e_mm += self.material.retract_mm;
            let feed = self.feed(
                self.material
                    .retract_mm_s
                    .min(self.printer.limits.feed_mm_s.e),
            );
            let e = self.e();
            self.line(format_args!("G1 E{e}{feed}"));
        }
    }

    fn travel(&mut self, to: Spot) {
        let far = self.at.map_or(f64::INFINITY, |at| distance_um(at, to));
        if far == 0.0 {
            return;
        }
        let height = self.z;
        let lifts = far > RETRACT_FROM_UM;
        if lifts {
            self.pull();
            self.rise(Um(height.0 + LIFT.0));
        }
        let limits = &self.printer.limits.feed_mm_s;
        let feed = self.feed(self.recipe.settings.travel_mm_s.min(limits.x).min(limits.y));
        self.line(format_args!("G0 X{} Y{}{feed}", mm(to.x), mm(to.y)));
        self.at = Some(to);
        if lifts {
            self.rise(height);
        }
    }

    /// Writes one layer.
    ///
    /// # Errors
    /// [`TextError`] of the profile's layer code.
    pub(super) fn layer(&mut self, layer: usize, strokes: &[Stroke]) -> Result<(), TextError> {
        let (top, height) = (self.recipe.top(layer), self.recipe.height(layer));
        self.pull();
        self.line(format_args!(
            ";LAYER_CHANGE\n;Z:{}\n;HEIGHT:{}",
            mm(top.0),
            mm(height.0)
        ));
        self.text(Place::Layer, Some((layer + 1, top.mm())))?;
        self.rise(top);
        // Carries what rounding to 5 decimals left over.
        let written = (self.e_mm * 1e5).round() / 1e5;
        self.e_mm -= written;
        self.line(format_args!("G92 E0"));
        self.said = (None, Um(0));
        if layer == 1 {
            self.second_layer();
        }
        let (slow, wait_s) = self.cooling(layer, strokes);
        for stroke in strokes {
            self.stroke(layer, stroke, slow);
        }
        let spots = strokes.iter().flat_map(|s| &s.spots).copied();
        self.front = spots.chain(self.front).min_by_key(|s| (s.y, s.x));
        if wait_s >= WAIT_MIN_S {
            self.wait_aside(wait_s);
        }
        Ok(())
    }

    /// Temperatures and fan from the second layer on.
    fn second_layer(&mut self) {
        let (hotend, bed) = (self.material.hotend_c, self.material.bed_c);
        let fan = (self.material.fan.clamp(0.0, 1.0) * 255.0).round() as u32;
        self.line(format_args!("M104 S{hotend}\nM140 S{bed}"));
        if fan > 0 {
            self.line(format_args!("M106 S{fan}"));
        }
    }

    /// Usual speed of a stroke, mm/s, within the flow limit.
    fn speed(&self, layer: usize, stroke: &Stroke) -> f64 {
        let settings = &self.recipe.settings;
        let usual = match stroke.role {
            Role::External => settings.external_mm_s,
            Role::Perimeter | Role::Thin | Role::Brim => settings.perimeter_mm_s,
            Role::Support | Role::Interface => settings.support_mm_s,
            Role::Solid | Role::Sparse => settings.infill_mm_s,
        };
        let usual = if layer == 0 {
            usual.min(settings.first_layer_mm_s)
        } else {
            usual
        };
        let section = self.section_mm2(layer, stroke.width);
        usual.min(FLOW_SHARE * self.recipe.flow_max_mm3_s / section)
    }

    fn section_mm2(&self, layer: usize, width: Um) -> f64 {
        Line {
            width,
            height: self.recipe.height(layer),
        }
        .section_mm2()
    }

    /// Factor on all drawing speeds, and seconds to wait besides, for the layer's least time.
    fn cooling(&self, layer: usize, strokes: &[Stroke]) -> (f64, f64) {
        let settings = &self.recipe.settings;
        let mut at = self.at;
        let (mut drawing, mut moving, mut slowest) = (0.0, 0.0, 0.0);
        for stroke in strokes {
            if let (Some(a), Some(&b)) = (at, stroke.spots.first()) {
                moving += distance_um(a, b) / 1000.0 / settings.travel_mm_s;
            }
            at = stroke.spots.last().copied();
            let length = stroke.length_mm();
            drawing += length / self.speed(layer, stroke);
            slowest += length / settings.slowest_mm_s.min(self.speed(layer, stroke));
        }
        let missing = self.material.layer_min_s - moving;
        if drawing >= missing || drawing == 0.0 {
            return (1.0, 0.0);
        }
        (drawing / missing, (missing - slowest).max(0.0))
    }

    fn stroke(&mut self, layer: usize, stroke: &Stroke, slow: f64) {
        let Some(&start) = stroke.spots.first() else {
            return;
        };
        self.travel(start);
        if self.said.0 != Some(stroke.role) {
            self.line(format_args!(";TYPE:{}", stroke.role.word()));
        }
        if self.said.1 != stroke.width {
            self.line(format_args!(";WIDTH:{}", mm(stroke.width.0)));
        }
        self.said = (Some(stroke.role), stroke.width);
        self.push();
        let usual = self.speed(layer, stroke);
        let speed = (usual * slow).max(self.recipe.settings.slowest_mm_s.min(usual));
        let section = self.section_mm2(layer, stroke.width);
        let filament_mm2 = std::f64::consts::FRAC_PI_4 * self.printer.filament_mm.powi(2);
        for pair in simplify_open(&stroke.spots, self.recipe.resolution()).windows(2) {
            let length = distance_um(pair[0], pair[1]) / 1000.0;
            if length == 0.0 {
                continue;
            }
            let volume = section * length;
            self.count(stroke.role, volume);
            self.drew(layer, stroke.width, volume / filament_mm2);
            self.e_mm += volume / filament_mm2;
            let feed = self.feed(speed);
            let e = self.e();
            self.line(format_args!(
                "G1 X{} Y{} E{e}{feed}",
                mm(pair[1].x),
                mm(pair[1].y)
            ));
        }
        self.at = stroke.spots.last().copied();
    }

    fn drew(&mut self, layer: usize, width: Um, filament_mm: f64) {
        let [least, most] = self.drawn.line_mm;
        self.drawn.line_mm = [least.min(width.mm()), most.max(width.mm())];
        match self.drawn.layers.last_mut() {
            Some((number, _, sum)) if *number == layer => *sum += filament_mm,
            _ => {
                let top_mm = self.recipe.top(layer).mm();
                self.drawn.layers.push((layer, top_mm, filament_mm));
            }
        }
    }

    fn count(&mut self, role: Role, volume_mm3: f64) {
        match role {
            Role::Brim => self.drawn.brim_mm3 += volume_mm3,
            Role::Support | Role::Interface => self.drawn.support_mm3 += volume_mm3,
            Role::External | Role::Perimeter | Role::Thin | Role::Solid | Role::Sparse => {
                self.drawn.part_mm3 += volume_mm3;
            }
        }
    }

    /// Waits in front of all that is printed, so that the hot nozzle does not stand on it.
    fn wait_aside(&mut self, seconds: f64) {
        let Some(front) = self.front else { return };
        self.travel(Spot::new(front.x, (front.y - ASIDE.0).max(0)));
        self.pull();
        self.line(format_args!("G4 S{}", seconds.ceil()));
    }

    /// Ends the file with the end code; the body without header and seal.
    ///
    /// # Errors
    /// [`TextError`] of the profile's end code.
    pub(super) fn finish(mut self) -> Result<(String, Drawn), TextError> {
        self.pull();
        let top = Um::from_mm(self.printer.height_mm);
        self.rise(Um((self.z.0 + LIFT_END.0).min(top.0)));
        self.text(Place::End, None)?;
        Ok((self.out, self.drawn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn micrometres_are_written_exactly_and_short() {
        for (um, text) in [
            (0, "0"),
            (10_500, "10.5"),
            (-3, "-0.003"),
            (123_456, "123.456"),
            (7_000, "7"),
        ] {
            assert_eq!(mm(um), text);
        }
    }
}
