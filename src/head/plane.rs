//! Plane: the head's plane of symmetry in the patient.

use crate::space::{Lps, Map, Point, Vector};

/// A plane in the patient's space: points with `normal . x = offset_mm`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plane {
    /// Unit normal, towards the patient's left.
    pub normal: Vector<Lps>,
    /// Distance from the origin along the normal, mm.
    pub offset_mm: f64,
}

/// How well a plane is known: one standard deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Doubt {
    /// Of its normal's direction, degrees.
    pub sd_deg: f64,
    /// Of its place at the middle of the vault's skin, mm.
    pub sd_mm: f64,
}

impl Doubt {
    /// How far a reflected place of the vault may lie off, mm: a shift and a turn are doubled by reflection. The vault
    /// lies 75 mm from the middle.
    pub fn reflected_mm(&self) -> f64 {
        const ARM_MM: f64 = 75.0;
        2.0 * self.sd_mm.hypot(ARM_MM * self.sd_deg.to_radians())
    }
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
    pub(super) fn turned(pivot: Point<Lps>, [yaw, roll, shift_mm]: [f64; 3]) -> Self {
        let raw = Vector::new([1.0, yaw.tan(), roll.tan()]);
        let normal = raw.times(1.0 / raw.length());
        let offset_mm = normal.dot(pivot.minus(Point::new([0.0; 3]))) + shift_mm;
        Self { normal, offset_mm }
    }

    /// The point of the plane nearest to `at`.
    pub(super) fn foot(&self, at: Point<Lps>) -> Point<Lps> {
        let beyond = self.normal.dot(at.minus(Point::new([0.0; 3]))) - self.offset_mm;
        at.plus(self.normal.times(-beyond))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reflection_undoes_itself() {
        let plane = Plane::turned(Point::new([3.0, 4.0, 5.0]), [0.1, -0.2, 1.5]);
        let twice = plane.reflection().then(&plane.reflection());
        let p = Point::new([10.0, -20.0, 30.0]);
        assert!(twice.apply(p).minus(p).length() < 1e-9);
        assert!((plane.reflection().determinant() + 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_foot_lies_in_the_plane() {
        let plane = Plane::turned(Point::new([3.0, 4.0, 5.0]), [0.1, -0.2, 1.5]);
        let at = Point::new([40.0, -7.0, 12.0]);
        let foot = plane.foot(at);
        assert!(plane.reflection().apply(foot).minus(foot).length() < 1e-9);
        assert!(at.minus(foot).cross(plane.normal).length() < 1e-9);
    }
}
