//! Motion: coordinates as `gcode_move.py` keeps them, and the words of a line as `gcode.py` reads them.

use std::collections::BTreeMap;

/// A line of G-code: its command, and its parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Words {
    pub(super) command: String,
    pub(super) params: BTreeMap<String, String>,
}

impl Words {
    /// A traditional command has letters with numbers, an extended one has `NAME=VALUE`.
    pub(super) fn read(line: &str) -> Self {
        let line = line.split(';').next().unwrap_or_default().trim();
        let upper = line.to_ascii_uppercase();
        let mut chars = upper.chars();
        let traditional = chars.next().is_some_and(|c| c.is_ascii_uppercase())
            && chars.next().is_some_and(|c| c.is_ascii_digit());
        let mut words = Self::default();
        if traditional {
            let starts: Vec<usize> = (upper.char_indices())
                .filter(|(_, c)| c.is_ascii_uppercase())
                .map(|(at, _)| at)
                .collect();
            for (k, at) in starts.iter().enumerate() {
                let end = starts.get(k + 1).copied().unwrap_or(upper.len());
                let (name, value) = (&upper[*at..=*at], upper[at + 1..end].trim());
                if k == 0 {
                    words.command = format!("{name}{value}");
                } else {
                    words.params.insert(name.into(), value.into());
                }
            }
        } else {
            let mut parts = line.split_whitespace();
            words.command = parts.next().unwrap_or_default().to_ascii_uppercase();
            for part in parts {
                if let Some((name, value)) = part.split_once('=') {
                    let value = value.trim_matches('"').to_owned();
                    words.params.insert(name.to_ascii_uppercase(), value);
                }
            }
        }
        words
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.params.get(name)?.parse().ok()
    }
}

/// `GCodeMove`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Motion {
    pub(super) absolute_coord: bool,
    pub(super) absolute_extrude: bool,
    pub(super) base: [f64; 4],
    pub(super) last: [f64; 4],
    pub(super) homing: [f64; 4],
    /// mm/s.
    pub(super) speed: f64,
    pub(super) speed_factor: f64,
    pub(super) extrude_factor: f64,
}

impl Default for Motion {
    fn default() -> Self {
        Self {
            absolute_coord: true,
            absolute_extrude: true,
            base: [0.0; 4],
            last: [0.0; 4],
            homing: [0.0; 4],
            speed: 25.0,
            speed_factor: 1.0 / 60.0,
            extrude_factor: 1.0,
        }
    }
}

pub(super) const AXES: [&str; 4] = ["X", "Y", "Z", "E"];

impl Motion {
    pub(super) fn gcode_position(&self) -> [f64; 4] {
        let mut at: [f64; 4] = std::array::from_fn(|a| self.last[a] - self.base[a]);
        at[3] /= self.extrude_factor;
        at
    }

    /// `G1`: where it leads.
    pub(super) fn g1(&mut self, words: &Words) -> Result<(), String> {
        for (axis, name) in AXES.iter().enumerate() {
            let Some(text) = words.params.get(*name) else {
                continue;
            };
            let mut value: f64 = text
                .parse()
                .map_err(|_| format!("Unable to parse move '{text}'"))?;
            let mut absolute = self.absolute_coord;
            if axis == 3 {
                value *= self.extrude_factor;
                absolute &= self.absolute_extrude;
            }
            if absolute {
                self.last[axis] = value + self.base[axis];
            } else {
                self.last[axis] += value;
            }
        }
        if let Some(feed) = words.number("F") {
            if feed <= 0.0 {
                return Err("Invalid speed".into());
            }
            self.speed = feed * self.speed_factor;
        }
        Ok(())
    }

    pub(super) fn g92(&mut self, words: &Words) {
        let offsets = AXES.map(|name| words.number(name));
        for (axis, offset) in offsets.iter().enumerate() {
            if let Some(offset) = offset {
                let factor = if axis == 3 { self.extrude_factor } else { 1.0 };
                self.base[axis] = self.last[axis] - offset * factor;
            }
        }
        if offsets == [None; 4] {
            self.base = self.last;
        }
    }

    pub(super) fn m220(&mut self, percent: f64) {
        let value = percent / (60.0 * 100.0);
        self.speed = self.speed / self.speed_factor * value;
        self.speed_factor = value;
    }

    pub(super) fn m221(&mut self, percent: f64) {
        let factor = percent / 100.0;
        let e = (self.last[3] - self.base[3]) / self.extrude_factor;
        self.base[3] = self.last[3] - e * factor;
        self.extrude_factor = factor;
    }

    /// `SET_GCODE_OFFSET`; how far the head has to move where `MOVE=1`.
    pub(super) fn offset(&mut self, words: &Words) -> [f64; 4] {
        let mut moves = [0.0; 4];
        for (axis, name) in AXES.iter().enumerate() {
            let adjust = words.number(&format!("{name}_ADJUST"));
            let wanted = (words.number(name)).or(adjust.map(|by| by + self.homing[axis]));
            if let Some(wanted) = wanted {
                moves[axis] = wanted - self.homing[axis];
                self.base[axis] += moves[axis];
                self.homing[axis] = wanted;
            }
        }
        moves
    }

    /// `RESTORE_GCODE_STATE` with `MOVE=1`: where it leads.
    pub(super) fn restore(&mut self, saved: &Self) {
        let e_diff = self.last[3] - saved.last[3];
        let e = self.last[3];
        *self = saved.clone();
        self.base[3] += e_diff;
        self.last[3] = e;
    }
}
