//! Axes: where the head lies in the patient, and how it is turned there.

use super::plane::Plane;
use super::region;
use crate::space::{Head, Lps, Map, Point, Vector};
use crate::status::Side;
use crate::volume::Volume;
use crate::volume::axes::{LEFT, POSTERIOR, SUPERIOR};

/// Left, back and up as the scanner has them.
pub(super) const UPRIGHT: [Vector<Lps>; 3] = [LEFT, POSTERIOR, SUPERIOR];

/// The skull's own axes.
///
/// The middle lies in the plane of symmetry, in the middle of the mean vault (`vault`), about 75 mm under the vertex.
/// A nod of 0 is the mean pose of the skulls behind that vault, not the Frankfurt horizontal; `region` says how far
/// apart the two are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axes {
    to_own: Map<Lps, Head>,
    to_lps: Map<Head, Lps>,
}

impl Axes {
    /// The patient's own directions, for a skull that shows no vault.
    pub fn upright(middle: Point<Lps>) -> Self {
        Self::new(middle, UPRIGHT)
    }

    /// From the middle and the directions to the left, the back and the vertex (orthogonal,
    /// of length 1).
    pub(super) fn new(middle: Point<Lps>, axes: [Vector<Lps>; 3]) -> Self {
        let to_lps: Map<Head, Lps> = Map::from_columns(axes.map(|a| Vector::new(a.0)), middle);
        let from = middle.minus(Point::new([0.0; 3]));
        let rows = axes.map(|a| [a.0[0], a.0[1], a.0[2], -a.dot(from)]);
        Self {
            to_own: Map::new(rows),
            to_lps,
        }
    }

    /// Where a patient position lies in the head.
    pub fn locate(&self, at: Point<Lps>) -> Point<Head> {
        self.to_own.apply(at)
    }

    /// Where a position in the head lies in the patient.
    pub fn point(&self, at: Point<Head>) -> Point<Lps> {
        self.to_lps.apply(at)
    }

    /// The head's middle.
    pub fn middle(&self) -> Point<Lps> {
        self.to_lps.origin()
    }

    /// Towards the patient's left.
    pub fn left(&self) -> Vector<Lps> {
        self.to_lps.column(0)
    }

    /// Towards the back.
    pub fn back(&self) -> Vector<Lps> {
        self.to_lps.column(1)
    }

    /// Towards the vertex.
    pub fn up(&self) -> Vector<Lps> {
        self.to_lps.column(2)
    }

    /// The side on which a body lies, by its voxels.
    pub fn side(&self, body: &Volume<bool>) -> Side {
        let set = body.data().iter().enumerate().filter(|&(_, &v)| v);
        region::side(set.map(|(offset, _)| self.locate(body.centre(body.index(offset)))))
    }

    /// The reflection in the plane through the middle, of the left to the right.
    pub fn reflection(&self) -> Map<Lps, Lps> {
        let normal = self.left();
        let offset_mm = normal.dot(self.middle().minus(Point::new([0.0; 3])));
        Plane { normal, offset_mm }.reflection()
    }

    /// How far the head is nodded forward (chin to the chest) against the scanner's axes, degrees.
    pub fn nod_deg(&self) -> f64 {
        let up = self.up().0;
        (-up[1]).atan2(up[2]).to_degrees()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reflection_swaps_the_sides_of_a_turned_head_and_leaves_its_middle() {
        let left = Vector::new([1.0, 0.2, -0.1]).unit().unwrap();
        let back = left
            .cross(Vector::new([0.1, 0.0, 1.0]))
            .times(-1.0)
            .unit()
            .unwrap();
        let axes = Axes::new(
            Point::new([7.0, -30.0, 412.0]),
            [left, back, left.cross(back)],
        );
        let reflection = axes.reflection();
        assert!(
            reflection
                .apply(axes.middle())
                .minus(axes.middle())
                .length()
                < 1e-9
        );
        let [x, y, z] = axes
            .locate(reflection.apply(axes.point(Point::new([40.0, 9.0, -5.0]))))
            .0;
        assert!((x + 40.0).abs() < 1e-9 && (y - 9.0).abs() < 1e-9 && (z + 5.0).abs() < 1e-9);
    }
}
