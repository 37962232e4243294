//! Tracker: where the head stands after everything that was sent, as far as it can be known.

use crate::gcode::dialect::Facts;
use crate::gcode::{Effect, Machine, parse};

/// Follows every command sent, the file's and our own.
#[derive(Clone, Debug, Default)]
pub(in crate::printer) struct Tracker {
    machine: Machine,
    known: [bool; 4],
    /// E as a firmware says it that counts no relative push, mm: it is 0 behind each.
    uncounted_e: Option<f64>,
    /// Hotend and bed targets sent, C.
    pub(in crate::printer) targets_c: [f64; 2],
}

impl Tracker {
    /// Carries a command out; X, Y, Z, E in the file's coordinates afterwards, NaN where not known. After homing the
    /// firmware stands at its home position, which the profile does not say: an axis is known after its first
    /// absolute move.
    pub(in crate::printer) fn apply(&mut self, text: &str) -> [f64; 4] {
        let Ok(Some(command)) = parse(text) else {
            return self.at();
        };
        let relative = self.machine.relative();
        match self.machine.apply(0, &command) {
            Err(_) => self.known = [false; 4],
            Ok(Effect::Probe) => self.known[..3].fill(false),
            Ok(Effect::Home(axes)) => {
                for axis in (0..3).filter(|&a| axes[a]) {
                    self.known[axis] = false;
                }
            }
            Ok(_) => {
                let sets = command.is('G', 92) || command.is('G', 0) || command.is('G', 1);
                for (axis, letter) in ['X', 'Y', 'Z', 'E'].into_iter().enumerate() {
                    if sets && command.has(letter) && (command.number == 92 || !relative[axis]) {
                        self.known[axis] = true;
                    }
                }
                if sets && command.has('E') {
                    let said = command.number == 92 || !relative[3];
                    self.uncounted_e = Some(if said { self.at()[3] } else { 0.0 });
                }
            }
        }
        if command.letter == 'M'
            && let Some(target) = command.value('S')
        {
            match command.number {
                104 | 109 => self.targets_c[0] = target.value(),
                140 | 190 => self.targets_c[1] = target.value(),
                _ => {}
            }
        }
        self.at()
    }

    /// X, Y, Z, E in the file's coordinates, mm; NaN where not known.
    pub(in crate::printer) fn at(&self) -> [f64; 4] {
        let at = self.machine.file_nm();
        std::array::from_fn(|axis| {
            if self.known[axis] {
                at[axis] as f64 * 1e-6
            } else {
                f64::NAN
            }
        })
    }

    /// The same, as a firmware with these facts says it.
    pub(super) fn said(&self, facts: &Facts) -> [f64; 4] {
        let mut at = self.at();
        if !facts.position.relative_e_counts {
            at[3] = self.uncounted_e.unwrap_or(f64::NAN);
        }
        at
    }

    /// Which of X, Y, Z, E are relative.
    pub(super) fn relative(&self) -> [bool; 4] {
        self.machine.relative()
    }

    /// Feed rate in force, mm/min.
    pub(super) fn feed_mm_min(&self) -> f64 {
        self.machine.feed_mm_s() * 60.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gcode::Dialect;

    #[test]
    fn an_axis_is_known_after_its_first_absolute_move() {
        let mut tracker = Tracker::default();
        assert!(tracker.apply("G28").iter().all(|v| v.is_nan()));
        tracker.apply("M83");
        assert!(tracker.apply("G1 X10 E1")[3].is_nan());
        tracker.apply("G92 E0");
        let at = tracker.apply("G1 Y5 E1.5");
        assert_eq!((at[0], at[1], at[3]), (10.0, 5.0, 1.5));
        assert!(at[2].is_nan());
        assert!(tracker.apply("G28 X")[0].is_nan());
    }

    #[test]
    fn where_a_relative_push_does_not_count_e_is_0_behind_it() {
        let mut tracker = Tracker::default();
        let mut said = |line: &str| {
            tracker.apply(line);
            let of = |dialect: Dialect| tracker.said(dialect.facts())[3];
            (of(Dialect::Marlin), of(Dialect::Repetier))
        };
        assert_eq!(said("G92 E0"), (0.0, 0.0));
        assert_eq!(said("G1 X10 E2"), (2.0, 2.0));
        said("M83");
        assert_eq!(said("G1 X5 E1.5"), (3.5, 0.0));
        assert_eq!(said("G1 X6"), (3.5, 0.0));
        assert_eq!(said("G92 E7"), (7.0, 7.0));
        said("M82");
        assert_eq!(said("G1 E8"), (8.0, 8.0));
    }
}
