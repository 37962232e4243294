//! Axes: where the head lies in the patient, and how it is turned there.

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

    /// How far the head is nodded forward (chin to the chest) against the scanner's axes, degrees.
    pub fn nod_deg(&self) -> f64 {
        let up = self.up().0;
        (-up[1]).atan2(up[2]).to_degrees()
    }
}
