//! Head: where X, Y, Z and E go, line by line; a second reader of G-code that shares nothing with the program's own.
//!
//! It knows what a printer's file may hold and no more: G0, G1, G28, G90 to G92, M82, M83, in millimetres. Numbers
//! are whole units of 1e-5 mm, so that two lists are compared without rounding.

/// Position after a move: X, Y, Z of the bed and all filament pushed, 1e-5 mm.
pub(crate) type Place = [i64; 4];

/// The head's state.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head {
    at: Place,
    /// Bed minus file coordinates, set by G92.
    origin: Place,
    relative: [bool; 4],
}

impl Head {
    /// Takes a line; the new place if it moved the head.
    pub(crate) fn line(&mut self, line: &str) -> Option<Place> {
        let line = line.split(';').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let command = words.next()?;
        let axes = words.filter_map(|word| {
            let axis = "XYZE".find(word.chars().next()?)?;
            Some((axis, decimal(&word[1..])?))
        });
        match command {
            "G0" | "G1" => {
                let before = self.at;
                for (axis, value) in axes {
                    self.at[axis] = if self.relative[axis] {
                        self.at[axis] + value
                    } else {
                        self.origin[axis] + value
                    };
                }
                return (self.at != before).then_some(self.at);
            }
            "G28" => {
                self.at = [0, 0, 0, self.at[3]];
                self.origin = [0, 0, 0, self.origin[3]];
            }
            "G92" => axes.for_each(|(axis, value)| self.origin[axis] = self.at[axis] - value),
            "G90" => self.relative = [false; 4],
            "G91" => self.relative = [true; 4],
            "M82" => self.relative[3] = false,
            "M83" => self.relative[3] = true,
            _ => {}
        }
        None
    }
}

/// Every place of a file or of a list of lines, in order.
pub(crate) fn places<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<Place> {
    let mut head = Head::default();
    lines.into_iter().filter_map(|l| head.line(l)).collect()
}

/// A decimal number in units of 1e-5; `None` when it is none, or has more digits than that.
fn decimal(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 5 {
        return None;
    }
    let value: i64 = format!("{whole}{fraction:0<5}").parse().ok()?;
    Some(if negative { -value } else { value })
}

#[test]
fn the_second_reader_reads() {
    let text = "G28\nG92 E0\nG1 X1.5 Y-.25 F600 ; to the start\nG91\nG1 Z0.2\nG90\nM83\nG1 X1.5\nG1 E0.00001\nG92 E7\nM82\nG1 E6";
    let mm = 100_000;
    assert_eq!(
        places(text.lines()),
        [
            [3 * mm / 2, -mm / 4, 0, 0],
            [3 * mm / 2, -mm / 4, mm / 5, 0],
            [3 * mm / 2, -mm / 4, mm / 5, 1],
            [3 * mm / 2, -mm / 4, mm / 5, 1 - mm],
        ]
    );
}
