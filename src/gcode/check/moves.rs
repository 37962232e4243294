//! What the validator asks of every move: place, speed, flow, filament.

use super::Checker;
use crate::gcode::{Feeds, Move, Printer};

/// Rounding of F, positions and E in files: a limit is broken beyond this share.
const SLACK: f64 = 1.002;

/// Lowest Z of an extrusion, nm: below it the nozzle scrapes.
const EXTRUDE_Z_MIN_NM: i64 = 50_000;

/// Furthest a retraction may pull, and most a standing nozzle may push before as much was drawn, mm of filament.
/// The melt zone of a desktop hotend is about 10 mm long; pulling further jams it.
const STANDING_E_MAX_MM: f64 = 12.0;

/// Volume by which a short move may exceed its share, mm3: five decimals of E are 2.4e-5 mm3, a tenth of a mm of
/// travel is 0.01 mm3.
const VOLUME_SLACK_MM3: f64 = 0.0005;

/// From this multiple of the thickest line on, extrusion is no thick line but a jump of E.
const JUMP: f64 = 20.0;

/// Area of the filament's cross-section, mm2.
pub(super) fn filament_mm2(printer: &Printer) -> f64 {
    std::f64::consts::PI * printer.filament_mm * printer.filament_mm / 4.0
}

/// Cross-section of the thickest line, mm2: twice the nozzle wide and 0.8 of it high. Beyond it the plastic has no
/// place under a nozzle and rises around it.
pub(super) fn section_max_mm2(printer: &Printer) -> f64 {
    2.0 * printer.nozzle_mm * 0.8 * printer.nozzle_mm
}

fn axes(feeds: &Feeds) -> [f64; 4] {
    [feeds.x, feeds.y, feeds.z, feeds.e]
}

impl Checker<'_> {
    pub(super) fn moved(&mut self, one: &Move) {
        self.checked.moves += 1;
        self.place(one);
        self.known_place(one);
        self.ploughs(one);
        self.speed(one);
        self.passes(one);
        let pushed_nm = one.to_nm[3] - one.from_nm[3];
        if pushed_nm != 0 {
            self.warm();
            self.filament(one, pushed_nm);
        }
    }

    fn place(&mut self, one: &Move) {
        let homed = self.machine.homed();
        for axis in 0..3 {
            let known = homed[axis] && !self.released[axis];
            if one.from_nm[axis] != one.to_nm[axis] && !known {
                let name = ['X', 'Y', 'Z'][axis];
                let why = if homed[axis] {
                    "after its motor was switched off"
                } else {
                    "before it was homed"
                };
                self.violate(
                    "home_first",
                    format!("{name} moves {why}"),
                    "Put G28 into the printer's start code; without it the head does not know where it is.",
                );
                return;
            }
        }
        let size_mm = [
            self.printer.bed_mm[0],
            self.printer.bed_mm[1],
            self.printer.height_mm,
        ];
        for axis in 0..3 {
            let (name, at) = (['X', 'Y', 'Z'][axis], one.to_mm()[axis]);
            if axis == 2 && one.to_nm[2] < 0 {
                self.violate(
                    "below_bed",
                    format!("Z goes to {at:.3} mm, below the bed"),
                    "Slice the part again; the nozzle would be driven into the bed.",
                );
            } else if one.to_nm[axis] < 0 || one.to_nm[axis] > (size_mm[axis] * 1e6) as i64 {
                self.violate(
                    "outside_volume",
                    format!(
                        "{name} goes to {at:.3} mm, allowed is 0 to {}",
                        size_mm[axis]
                    ),
                    "Place the part within the printer's volume, or choose the right printer.",
                );
            }
        }
        let across = one.from_nm[0] != one.to_nm[0] || one.from_nm[1] != one.to_nm[1];
        let down = one.to_nm[2] < one.from_nm[2];
        let lowest = one.from_nm[2].min(one.to_nm[2]);
        // Straight up is the way out of a place that was judged when the head went there.
        if across || down {
            self.clears(lowest, "moves");
        }
    }

    /// Refuses a head that goes lower than what is printed.
    pub(super) fn clears(&mut self, lowest_nm: i64, verb: &str) {
        let reach_nm = (0.8e6 * self.printer.nozzle_mm) as i64;
        if lowest_nm + reach_nm < self.printed_nm {
            self.violate(
                "into_part",
                format!(
                    "the head {verb} at Z {:.3} mm where plastic stands up to {:.3} mm",
                    lowest_nm as f64 * 1e-6,
                    self.printed_nm as f64 * 1e-6
                ),
                "Slice the part again; the nozzle would strike what is printed.",
            );
        }
    }

    fn speed(&mut self, one: &Move) {
        let delta = one.delta_mm();
        let length = one.length_mm();
        let path = if length > 0.0 { length } else { delta[3].abs() };
        let limits = axes(&self.printer.limits.feed_mm_s);
        for axis in 0..4 {
            let speed = one.feed_mm_s * delta[axis].abs() / path;
            if axis < 2 {
                self.checked.speed_mm_s = self.checked.speed_mm_s.max(speed);
            }
            if speed > limits[axis] * SLACK {
                self.violate(
                    "too_fast",
                    format!(
                        "{} moves at {speed:.1} mm/s, allowed is {:.1}",
                        ['X', 'Y', 'Z', 'E'][axis],
                        limits[axis]
                    ),
                    "Slice with this printer's profile.",
                );
            }
        }
    }

    fn warm(&mut self) {
        let least = self.printer.limits.extrude_min_c;
        if self.assured_c < least && !std::mem::replace(&mut self.cold_told, true) {
            self.violate(
                "cold_extrusion",
                format!(
                    "filament moves while only {} C are assured, needed are {least}",
                    self.assured_c
                ),
                "Wait for the hotend with M109 first; the firmware would drop the extrusion in silence.",
            );
        }
    }

    fn filament(&mut self, one: &Move, pushed_nm: i64) {
        let fresh_nm = (one.to_nm[3] - self.peak_nm).max(0);
        let pushed_mm = pushed_nm as f64 * 1e-6;
        self.peak_nm = self.peak_nm.max(one.to_nm[3]);
        self.checked.filament_mm = self.peak_nm as f64 * 1e-6;
        let depth_mm = (self.peak_nm - one.to_nm[3]) as f64 * 1e-6;
        if depth_mm > STANDING_E_MAX_MM {
            self.violate(
                "e_jump",
                format!(
                    "{depth_mm:.2} mm of filament are pulled back, allowed are {STANDING_E_MAX_MM}"
                ),
                "Slice the part again; a G92 E0 is missing or a number is wrong.",
            );
        }
        let length = one.length_mm();
        let volume = fresh_nm as f64 * 1e-6 * filament_mm2(self.printer);
        if length == 0.0 {
            self.grinds(one, pushed_mm);
            self.heaped_mm += fresh_nm as f64 * 1e-6;
            if self.heaped_mm > STANDING_E_MAX_MM {
                let heaped_mm = std::mem::take(&mut self.heaped_mm);
                self.violate(
                    "e_jump",
                    format!(
                        "a standing nozzle pushes {heaped_mm:.2} mm before it draws on, allowed are at most {STANDING_E_MAX_MM}"
                    ),
                    "Slice the part again; a G92 E0 is missing or a number is wrong.",
                );
            }
            if fresh_nm > 0 {
                self.flow(one.feed_mm_s * filament_mm2(self.printer));
                self.held_filament(fresh_nm as f64 * 1e-6);
            }
            return;
        }
        if pushed_mm <= 0.0 {
            return;
        }
        let section = volume / length;
        let most = section_max_mm2(self.printer);
        if volume > most * length * SLACK + VOLUME_SLACK_MM3 {
            let limit = if section > JUMP * most {
                "e_jump"
            } else {
                "over_extrusion"
            };
            self.violate(
                limit,
                format!("{pushed_mm:.4} mm of filament on {length:.3} mm are {section:.3} mm2, allowed are {most:.3}"),
                "Slice the part again; a G92 E0 is missing or a number is wrong.",
            );
        } else if fresh_nm > 0 {
            self.heaped_mm = (self.heaped_mm - fresh_nm as f64 * 1e-6).max(0.0);
            if length > 0.1 {
                self.checked.section_mm2 = self.checked.section_mm2.max(section);
            }
            self.flow(one.feed_mm_s * pushed_mm * filament_mm2(self.printer) / length);
            self.extruded(one);
            self.laid(one, volume);
            self.held_filament(fresh_nm as f64 * 1e-6);
        }
    }

    fn flow(&mut self, flow: f64) {
        self.checked.flow_mm3_s = self.checked.flow_mm3_s.max(flow);
        let most = self.printer.limits.flow_max_mm3_s;
        if flow > most * SLACK * 1.01 {
            self.violate(
                "flow_max_mm3_s",
                format!("the nozzle has to melt {flow:.2} mm3/s, it can {most:.2}"),
                "Print slower or thinner, or correct the printer profile.",
            );
        }
    }

    /// Remembers where plastic lies, and refuses it on the bed itself.
    fn extruded(&mut self, one: &Move) {
        let lowest = one.from_nm[2].min(one.to_nm[2]);
        if (0..EXTRUDE_Z_MIN_NM).contains(&lowest) {
            self.violate(
                "below_bed",
                format!(
                    "extrusion at Z {:.3} mm leaves no room under the nozzle",
                    lowest as f64 * 1e-6
                ),
                "Slice the part again with a first layer of at least 0.05 mm.",
            );
        }
        self.printed_nm = self.printed_nm.max(one.from_nm[2]).max(one.to_nm[2]);
        for (at, axis) in [one.from_mm(), one.to_mm()]
            .iter()
            .flat_map(|p| [(p, 0), (p, 1), (p, 2)])
        {
            self.checked.low_mm[axis] = self.checked.low_mm[axis].min(at[axis]);
            self.checked.high_mm[axis] = self.checked.high_mm[axis].max(at[axis]);
        }
    }
}
