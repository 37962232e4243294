//! What the validator asks of plastic and of the nozzle near it: that there is something under a line, and room for it,
//! and that nothing is driven through.

use super::Checker;
use crate::gcode::Move;

/// A line has no place beyond so many nozzle widths, in the room between its nozzle and what lies below.
const WIDEST_NOZZLES: f64 = 2.4;

/// Steps of Z below this are no layers but ways upwards: a spiral, a rounding, nm.
const LAYER_MIN_NM: i64 = 35_000;

/// Rounding of layers' heights, nm.
const ROUNDING_NM: i64 = 5_000;

/// Slowest that a line may be drawn, mm/s: slower, the nozzle melts what it passes. A file whose feed rates were written
/// in mm/s instead of mm/min is 60 times slower.
const DRAWN_MIN_MM_S: f64 = 0.9;

/// Nearer to the bed a hot nozzle scrapes, nm.
const SCRAPE_NM: i64 = 50_000;

impl Checker<'_> {
    /// A relative move needs a place that the file knows: where homing ends is the printer's matter. Up is free.
    pub(super) fn known_place(&mut self, one: &Move) {
        let relative = self.machine.relative();
        for axis in 0..3 {
            let by = one.to_nm[axis] - one.from_nm[axis];
            let was_home = self.at_home[axis];
            // An absolute move says where it ends.
            self.at_home[axis] &= by == 0 || relative[axis];
            if by == 0 || !was_home || !relative[axis] || (axis == 2 && by > 0) {
                continue;
            }
            self.at_home[axis] = false;
            let name = ['X', 'Y', 'Z'][axis];
            self.violate(
                "place_unknown",
                format!("{name} moves by an amount from where homing left it, which the file does not know"),
                "Move to an absolute place first (G90), then relative.",
            );
        }
    }

    /// A nozzle through plastic, or over the bed with no room under it.
    pub(super) fn ploughs(&mut self, one: &Move) {
        let across = one.from_nm[0] != one.to_nm[0] || one.from_nm[1] != one.to_nm[1];
        let low_nm = one.from_nm[2].min(one.to_nm[2]);
        let down = one.to_nm[2] < one.from_nm[2];
        if across && (0..SCRAPE_NM).contains(&low_nm) && self.hotend_target_c > 0.0 {
            self.violate(
                "below_bed",
                format!(
                    "the hot nozzle moves across at Z {:.3} mm",
                    low_nm as f64 * 1e-6
                ),
                "Lift the nozzle before it moves; it would scrape the bed.",
            );
        }
        if !across && !down {
            return;
        }
        if let Some(top_nm) = self.bed.strikes(one) {
            self.violate(
                "into_part",
                format!(
                    "the nozzle passes at Z {:.3} mm through plastic that is {:.3} mm high there",
                    low_nm as f64 * 1e-6,
                    top_nm as f64 * 1e-6
                ),
                "Slice the part again; the nozzle would plough through what is printed.",
            );
        }
    }

    /// A line of plastic: what is under it, how much room there is, how slowly it is drawn.
    pub(super) fn laid(&mut self, one: &Move, volume_mm3: f64) {
        let level = one.from_nm[2] == one.to_nm[2];
        self.layer(one, level);
        let highest_nm = (0.8e6 * self.printer.nozzle_mm) as i64;
        let room_nm = (one.to_nm[2] - self.below_nm).min(highest_nm);
        let section_mm2 = volume_mm3 / one.length_mm();
        let most_mm2 = WIDEST_NOZZLES * self.printer.nozzle_mm * room_nm as f64 * 1e-6;
        if level && one.length_mm() > 0.5 && section_mm2 > most_mm2 {
            self.violate(
                "over_extrusion",
                format!(
                    "a line of {section_mm2:.3} mm2 has no room in a layer of {:.3} mm, allowed are {most_mm2:.3}",
                    room_nm as f64 * 1e-6
                ),
                "Slice the part again; too much is pushed, or the layer is too low.",
            );
        }
        if level && self.bed.draw(one, volume_mm3) {
            self.violate(
                "over_extrusion",
                format!(
                    "plastic is laid at Z {:.3} mm where the layer is full",
                    one.to_mm()[2]
                ),
                "Slice the part again; something is drawn twice, or too much is pushed.",
            );
        }
        if one.length_mm() > 0.5 && one.feed_mm_s < DRAWN_MIN_MM_S {
            self.violate(
                "too_slow",
                format!(
                    "a line is drawn at {:.2} mm/s, needed are at least {DRAWN_MIN_MM_S}",
                    one.feed_mm_s
                ),
                "Slice the part again; the feed rates are wrong.",
            );
        }
        self.held_line(one, section_mm2);
        self.drawn = true;
        if let Some(line) = self.homed_line.take() {
            self.violate_at(
                line,
                "homes_in_print",
                "the head is homed while the part is printed".into(),
                "Slice the part again; homing crosses the bed blindly and shifts what follows.",
            );
        }
    }

    /// Which layer is drawn; it must lie on what is there.
    fn layer(&mut self, one: &Move, level: bool) {
        let z_nm = one.to_nm[2];
        let highest_nm = (0.8e6 * self.printer.nozzle_mm) as i64;
        if z_nm > self.before_nm + highest_nm + ROUNDING_NM {
            self.violate(
                "in_air",
                format!(
                    "plastic is laid at Z {:.3} mm where all below ends at {:.3} mm",
                    z_nm as f64 * 1e-6,
                    self.before_nm as f64 * 1e-6
                ),
                "Slice the part again; a layer is missing or too high.",
            );
        }
        self.before_nm = self.before_nm.max(z_nm);
        if level && z_nm > self.layer_nm + LAYER_MIN_NM {
            self.below_nm = self.layer_nm;
            self.layer_nm = z_nm;
        } else if z_nm < self.layer_nm {
            // Down to another part, or from the purge line to the first layer.
            self.below_nm = 0;
            self.layer_nm = z_nm;
        }
    }
}
