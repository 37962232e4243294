//! What the validator asks of time and of what happens between moves: homing, released motors, waits.

use super::Checker;
use crate::gcode::{Command, Move};

/// Longest that the head may wait between two moves, s. The heaters are on meanwhile.
const WAIT_MAX_S: f64 = 3600.0;

/// Longest that a file may take, s: a week, several times the largest print a desktop printer makes.
const TIME_MAX_S: f64 = 7.0 * 24.0 * 3600.0;

/// Slowest feed rate, mm/s: Marlin's planner goes no slower (MINIMUM_PLANNER_SPEED).
const FEED_MIN_MM_S: f64 = 0.05;

impl Checker<'_> {
    /// Homing drives the named axes to their ends: Z to 0, X and Y across at the present height.
    pub(super) fn homes(&mut self, axes: [bool; 3], z_nm: i64) {
        let sinks = axes[2] || self.released[2];
        self.clears(if sinks { 0 } else { z_nm }, "homes");
        for axis in (0..3).filter(|&a| axes[a]) {
            self.released[axis] = false;
        }
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
        if length > 0.0 {
            self.waited_s = 0.0;
        }
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

    fn spend(&mut self, seconds: f64) {
        self.spent_s += seconds;
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
