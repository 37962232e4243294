//! Affine maps between two named spaces.

use super::{Point, Vector};
use std::fmt;
use std::marker::PhantomData;

/// An affine map out of space `A` into space `B`: three rows of (matrix | shift).
pub struct Map<A, B>(pub [[f64; 4]; 3], PhantomData<(A, B)>);

impl<A, B> Map<A, B> {
    /// From its three rows `[m0, m1, m2, shift]`.
    pub const fn new(rows: [[f64; 4]; 3]) -> Self {
        Self(rows, PhantomData)
    }

    /// From three column vectors (images of A's unit axes) and the image of A's origin.
    pub fn from_columns(columns: [Vector<B>; 3], origin: Point<B>) -> Self {
        let row = |r: usize| {
            [
                columns[0].0[r],
                columns[1].0[r],
                columns[2].0[r],
                origin.0[r],
            ]
        };
        Self::new([row(0), row(1), row(2)])
    }

    /// Where `point` lies in `B`.
    pub fn apply(&self, point: Point<A>) -> Point<B> {
        let [x, y, z] = point.0;
        Point::new(self.0.map(|[a, b, c, t]| a * x + b * y + c * z + t))
    }

    /// A displacement: turned and scaled, not shifted.
    pub fn turn(&self, vector: Vector<A>) -> Vector<B> {
        let [x, y, z] = vector.0;
        Vector::new(self.0.map(|[a, b, c, _]| a * x + b * y + c * z))
    }

    /// Column `axis`: the step in `B` of one unit along that axis of `A`.
    pub fn column(&self, axis: usize) -> Vector<B> {
        Vector::new([self.0[0][axis], self.0[1][axis], self.0[2][axis]])
    }

    /// The image of A's origin.
    pub fn origin(&self) -> Point<B> {
        Point::new([self.0[0][3], self.0[1][3], self.0[2][3]])
    }

    /// First `self`, then `next`.
    pub fn then<C>(&self, next: &Map<B, C>) -> Map<A, C> {
        let columns = [0, 1, 2].map(|axis| next.turn(self.column(axis)));
        Map::from_columns(columns, next.apply(self.origin()))
    }

    /// Determinant of the matrix: volume in `B` of one unit of `A`, negative when the map mirrors.
    pub fn determinant(&self) -> f64 {
        let [c0, c1, c2] = [0, 1, 2].map(|axis| self.column(axis));
        c0.dot(c1.cross(c2))
    }

    /// The way back; `None` when the matrix is singular (|determinant| < 1e-12) or not finite.
    pub fn inverse(&self) -> Option<Map<B, A>> {
        let det = self.determinant();
        if !det.is_finite() || det.abs() < 1e-12 {
            return None;
        }
        let [c0, c1, c2] = [0, 1, 2].map(|axis| self.column(axis));
        let rows = [c1.cross(c2), c2.cross(c0), c0.cross(c1)].map(|r| r.times(1.0 / det));
        let shift = self.origin();
        Some(Map::new(rows.map(|r| {
            let t = -(r.0[0] * shift.0[0] + r.0[1] * shift.0[1] + r.0[2] * shift.0[2]);
            [r.0[0], r.0[1], r.0[2], t]
        })))
    }
}

impl<A, B> Clone for Map<A, B> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<A, B> Copy for Map<A, B> {}
impl<A, B> PartialEq for Map<A, B> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<A, B> fmt::Debug for Map<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Map").field(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{Ijk, Lps};

    fn oblique() -> Map<Ijk, Lps> {
        Map::new([
            [0.4, 0.1, 0.0, -12.0],
            [-0.1, 0.5, 0.2, 30.0],
            [0.0, -0.2, 1.1, 700.0],
        ])
    }

    #[test]
    fn the_inverse_undoes_the_map() {
        let (there, back) = (oblique(), oblique().inverse().unwrap());
        let point = Point::<Ijk>::new([13.0, 200.5, -7.25]);
        let again = back.apply(there.apply(point));
        assert!(again.minus(point).length() < 1e-9, "{again:?}");
    }

    #[test]
    fn then_is_one_map_after_the_other() {
        let shift = Map::<Lps, Lps>::new([
            [1.0, 0.0, 0.0, 5.0],
            [0.0, -1.0, 0.0, 0.0],
            [0.0, 0.0, 2.0, 1.0],
        ]);
        let point = Point::<Ijk>::new([1.0, 2.0, 3.0]);
        assert_eq!(
            oblique().then(&shift).apply(point),
            shift.apply(oblique().apply(point))
        );
    }

    #[test]
    fn a_singular_map_has_no_inverse() {
        let flat = Map::<Ijk, Lps>::new([
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, 0.0],
        ]);
        assert!(flat.inverse().is_none());
    }
}
