//! Mirror: the baseline that every network has to beat, and that needs none.
//!
//! In:    the defective skull's mask, and where the defect is.
//! Out:   the [`Plane`] that best registers the vault to its own reflection; the [`baseline`]: what the reflection
//!        has and the skull has not, opened by 1 mm, the body nearest the defect.
//! Holds: missing bone pulls nothing: what has no partner is not asked. A head turned by up to 24 degrees about
//!        its long or its front-to-back axis is found. The same bits for any number of threads.
//! Never: looks at the truth beyond its centroid. A hole on the midline has no other side: the answer is then a
//!        poor one, and its score says so.
//! Why the skin of the vault alone: neck, jaw and the cut through the face lie askew to the calvaria; asked for all
//! bone, the plane of a real head was 3 mm off over the vault. `skin` says what is asked, `register` how the plane is
//! found, `answer` how the body is cut free.

use crate::space::{Lps, Map, Point, Vector};
use crate::volume::Volume;

mod answer;
mod register;
mod skin;
#[cfg(test)]
mod tests;

pub use answer::baseline;

/// A plane in the patient's space: points with `normal . x = offset_mm`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plane {
    /// Unit normal, towards the patient's left.
    pub normal: Vector<Lps>,
    /// Distance from the origin along the normal, mm.
    pub offset_mm: f64,
}

impl Plane {
    /// The reflection in this plane.
    pub fn reflection(&self) -> Map<Lps, Lps> {
        let n = self.normal.0;
        Map::new([0, 1, 2].map(|r| {
            let mut row = [0, 1, 2].map(|c| f64::from(u8::from(r == c)) - 2.0 * n[r] * n[c]);
            // Minus zero would print as such.
            row.iter_mut().for_each(|x| *x += 0.0);
            [row[0], row[1], row[2], 2.0 * self.offset_mm * n[r]]
        }))
    }

    /// A plane through `pivot` moved by `shift_mm` along its normal, turned by yaw (about the long axis) and roll
    /// (about the front-to-back axis) from the sagittal one, radians.
    fn turned(pivot: Point<Lps>, [yaw, roll, shift_mm]: [f64; 3]) -> Self {
        let raw = Vector::new([1.0, yaw.tan(), roll.tan()]);
        let normal = raw.times(1.0 / raw.length());
        let offset_mm = normal.dot(pivot.minus(Point::new([0.0; 3]))) + shift_mm;
        Self { normal, offset_mm }
    }
}

/// The plane that best registers the skull's vault to its reflection; `None` when no vault is seen.
pub fn plane(skull: &Volume<bool>) -> Option<Plane> {
    register::best(&skin::Skin::of(skull)?)
}
