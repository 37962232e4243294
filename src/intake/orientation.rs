//! Orientation: what a person says of the axes of a file that does not say it. Never guessed, never in the station.

use crate::space::{Ijk, Lps, Map, Point, Vector};
use std::fmt;
use std::str::FromStr;

/// Where the first, second and third axis of a file grow to, in the patient: `LPS` is to the left, the back and the
/// top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orientation([char; 3]);

/// A code that names no orientation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no orientation: three letters say where the file's first, second and third axis grow to, one of L (left) and R (right), one of P (back) and A (front), one of S (top) and I (feet), as in LPS or RAS"
)]
pub struct NoCode(String);

/// Letters, and the axis and sign in LPS that they stand for.
const LETTERS: [(char, usize, f64); 6] = [
    ('L', 0, 1.0),
    ('R', 0, -1.0),
    ('P', 1, 1.0),
    ('A', 1, -1.0),
    ('S', 2, 1.0),
    ('I', 2, -1.0),
];

fn meant(letter: char) -> Option<(usize, f64)> {
    let found = LETTERS.iter().find(|(l, _, _)| *l == letter);
    found.map(|&(_, axis, sign)| (axis, sign))
}

impl FromStr for Orientation {
    type Err = NoCode;

    fn from_str(code: &str) -> Result<Self, NoCode> {
        let no = || NoCode(code.chars().take(16).filter(|c| !c.is_control()).collect());
        let letters: Vec<char> = code
            .chars()
            .take(4)
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let letters: [char; 3] = letters.try_into().map_err(|_| no())?;
        let mut named = [false; 3];
        for letter in letters {
            let (axis, _) = meant(letter).ok_or_else(no)?;
            named[axis] = true;
        }
        // Each of the patient's axes once.
        if named == [true; 3] {
            Ok(Self(letters))
        } else {
            Err(no())
        }
    }
}

impl fmt::Display for Orientation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|letter| write!(f, "{letter}"))
    }
}

impl Orientation {
    /// Voxel index to patient LPS mm, the first voxel at 0: such a file says nothing of a place. `None` when a size is
    /// none.
    pub(super) fn to_lps(self, spacing_mm: [f64; 3]) -> Option<Map<Ijk, Lps>> {
        let sound = |mm: f64| mm.is_finite() && mm > 0.0;
        if !spacing_mm.into_iter().all(sound) {
            return None;
        }
        let mut columns = [Vector::new([0.0; 3]); 3];
        for (a, column) in columns.iter_mut().enumerate() {
            let (axis, sign) = meant(self.0[a])?;
            column.0[axis] = sign * spacing_mm[a];
        }
        Some(Map::from_columns(columns, Point::new([0.0; 3])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn there_are_48_orientations_and_each_reads_as_it_is_written() {
        let letters = LETTERS.map(|(letter, _, _)| letter);
        let mut maps = Vec::new();
        for a in letters {
            for b in letters {
                for c in letters {
                    let code: String = [a, b, c].iter().collect();
                    let Ok(read) = code.parse::<Orientation>() else {
                        continue;
                    };
                    assert_eq!(read.to_string(), code);
                    assert_eq!(code.to_lowercase().parse(), Ok(read));
                    maps.push(read.to_lps([1.0, 2.0, 3.0]).unwrap());
                }
            }
        }
        assert_eq!(maps.len(), 48);
        assert!((1..48).all(|n| maps[..n].iter().all(|other| *other != maps[n])));
    }

    #[test]
    fn axes_grow_to_where_the_letters_say() {
        let read: Orientation = "PIR".parse().unwrap();
        let map = read.to_lps([0.5, 1.0, 2.0]).unwrap();
        let columns = [0, 1, 2].map(|a| map.column(a).0);
        assert_eq!(
            columns,
            [[0.0, 0.5, 0.0], [0.0, 0.0, -1.0], [-2.0, 0.0, 0.0]]
        );
        assert_eq!(read.to_lps([0.5, f64::NAN, 2.0]), None);
        assert_eq!(read.to_lps([0.5, 0.0, 2.0]), None);
    }

    proptest! {
        #[test]
        fn other_texts_are_refused(text in ".{0,8}") {
            if let Ok(read) = text.parse::<Orientation>() {
                prop_assert_eq!(read.to_string(), text.to_ascii_uppercase());
            }
        }
    }
}
