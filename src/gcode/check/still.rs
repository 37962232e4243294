//! What the validator asks of time and of what happens between moves: homing, released motors, waits.

use super::Checker;
use crate::gcode::dialect::Procedure;
use crate::gcode::{Command, Move};

/// Longest that the head may wait between two moves, s. The heaters are on meanwhile.
const WAIT_MAX_S: f64 = 3600.0;

/// Longest that a file may take, s: a week, several times the largest print a desktop printer makes.
const TIME_MAX_S: f64 = 7.0 * 24.0 * 3600.0;

/// Slowest feed rate, mm/s: Marlin's planner goes no slower (MINIMUM_PLANNER_SPEED).
const FEED_MIN_MM_S: f64 = 0.05;

/// Longest that the hot nozzle may wait on the part, s: it burns a hole.
const ON_PART_MAX_S: f64 = 60.0;

/// A nozzle waits on the part when it is nearer to the plastic below it, nm.
const ON_PART_NM: i64 = 2_000_000;

/// Each mm of a way takes so much off what was waited: hours of waits with tiny moves between them are one wait.
const FORGIVEN_S_MM: f64 = 600.0;

/// Most pulls of the filament at one spot: the gear grinds through it.
const PULLS_MAX: u32 = 20;

/// Pulls nearer together than this are at one spot, mm.
const SPOT_MM: f64 = 0.7;

/// At the end the head is off the part, or so far above it, nm.
const PARKED_NM: i64 = 10_000_000;

/// Pulls of the filament since the head left a spot.
#[derive(Debug, Default)]
pub(super) struct Grinds {
    at_mm: [f64; 3],
    count: u32,
}

impl Checker<'_> {
    /// Counts pulls of a standing head.
    pub(super) fn grinds(&mut self, one: &Move, pushed_mm: f64) {
        if pushed_mm >= 0.0 {
            return;
        }
        let [x, y, z, _] = one.to_mm();
        let far = (0..3)
            .map(|a| ([x, y, z][a] - self.grinds.at_mm[a]).powi(2))
            .sum::<f64>()
            .sqrt();
        if far > SPOT_MM {
            self.grinds = Grinds {
                at_mm: [x, y, z],
                count: 0,
            };
        }
        self.grinds.count += 1;
        if self.grinds.count == PULLS_MAX + 1 {
            self.violate(
                "grinds",
                format!("the filament is pulled back more than {PULLS_MAX} times at one spot"),
                "Slice the part again; the gear would grind through the filament.",
            );
        }
    }

    /// The head has left the part when the file ends: it oozes, and heat goes on for minutes.
    pub(super) fn parked(&mut self) {
        let [x, y, z, _] = self.machine.at_nm().map(|nm| nm as f64 * 1e-6);
        let top = self.bed.top_nm([x, y]);
        let Some(top) = top.filter(|top| self.drawn && (z * 1e6) as i64 - top < PARKED_NM) else {
            return;
        };
        self.violate(
            "not_parked",
            format!(
                "the head ends at X {x:.1}, Y {y:.1}, Z {z:.2} mm, on plastic {:.2} mm high",
                top as f64 * 1e-6
            ),
            "Put a move off the part into the printer's end code.",
        );
    }

    /// Homing drives the named axes to their ends: Z to 0, X and Y across at the present height.
    pub(super) fn homes(&mut self, axes: [bool; 3], z_nm: i64) {
        let sinks = axes[2] || self.released[2];
        self.clears(if sinks { 0 } else { z_nm }, "homes");
        for axis in (0..3).filter(|&a| axes[a]) {
            self.released[axis] = false;
        }
    }

    /// The firmware probes the bed by itself: with nothing on the bed, and with axes that know where they are.
    pub(super) fn probes(&mut self, command: &Command, was_homed: [bool; 3]) {
        let known = self.machine.dialect().procedure(command);
        let homes = known.is_some_and(|known| known.does == Procedure::Probes { homes: true });
        let lost = (0..3).any(|a| !was_homed[a] || self.released[a]);
        if lost && !homes {
            self.violate(
                "home_first",
                format!("{command} probes the bed before all axes are homed"),
                "Put G28 before it in the printer's start code.",
            );
        }
        if self.drawn || self.entry.is_some() {
            self.violate(
                "into_part",
                format!("{command} probes the bed where plastic lies"),
                "Probe in the printer's start code, before anything is printed.",
            );
        }
        self.released = [false; 3];
        self.at_home = [true; 3];
    }

    /// M18 and M84 switch motors off; the axes can be pushed then, so that they count as lost. M17 only switches
    /// motors on and brings no position back.
    pub(super) fn release(&mut self, command: &Command) {
        if !matches!((command.letter, command.number), ('M', 18 | 84)) {
            return;
        }
        for (axis, letter) in ['X', 'Y', 'Z'].into_iter().enumerate() {
            self.released[axis] |= command.words.is_empty() || command.has(letter);
        }
    }

    /// A wait of a G4.
    pub(super) fn waits(&mut self, seconds: f64) {
        self.waits_on_part(seconds);
        self.waited_s += seconds;
        if self.waited_s > WAIT_MAX_S {
            self.violate(
                "too_long",
                format!(
                    "the head waits {:.0} s between two moves, allowed are at most {WAIT_MAX_S}",
                    self.waited_s
                ),
                "Take the waits (G4) out; the heaters would be on all the time.",
            );
            self.waited_s = 0.0;
        }
        self.spend(seconds);
    }

    /// The time of a move at the feed rate it asks for: the least it can take.
    pub(super) fn passes(&mut self, one: &Move) {
        let length = one.length_mm();
        self.waited_s = (self.waited_s - FORGIVEN_S_MM * length).max(0.0);
        self.on_part_s = (self.on_part_s - FORGIVEN_S_MM * length).max(0.0);
        if one.feed_mm_s < FEED_MIN_MM_S {
            self.violate(
                "too_slow",
                format!(
                    "the feed rate is {} mm/s, needed are at least {FEED_MIN_MM_S}",
                    one.feed_mm_s
                ),
                "Slice the part again; a number is wrong.",
            );
            return;
        }
        let path = if length > 0.0 {
            length
        } else {
            one.filament_mm().abs()
        };
        self.spend(path / one.feed_mm_s);
    }

    fn waits_on_part(&mut self, seconds: f64) {
        let [x, y, ..] = self.machine.at_nm().map(|nm| nm as f64 * 1e-6);
        let near = self
            .bed
            .top_nm([x, y])
            .is_some_and(|top| self.machine.at_nm()[2] - top < ON_PART_NM);
        if !near || self.hotend_target_c <= 0.0 {
            return;
        }
        self.on_part_s += seconds;
        if self.on_part_s > ON_PART_MAX_S {
            self.violate(
                "waits_on_part",
                format!(
                    "the hot nozzle waits {:.0} s on the part, allowed are {ON_PART_MAX_S}",
                    self.on_part_s
                ),
                "Slice the part again; it waits beside the part.",
            );
            self.on_part_s = 0.0;
        }
    }

    fn spend(&mut self, seconds: f64) {
        self.spent_s += seconds;
        self.all_s += seconds;
        self.held_time(self.all_s);
        if self.spent_s > TIME_MAX_S {
            // Told once for each such time, not for every command after it.
            self.spent_s = 0.0;
            self.violate(
                "too_long",
                format!("the file takes more than {:.0} days", TIME_MAX_S / 86_400.0),
                "Slice the part again; a feed rate is wrong or there are too many waits.",
            );
        }
    }
}
