//! Axes: index axes permuted and flipped so that they lie closest to given patient axes. Never interpolates.
//!
//! "Closest": for the 3x3 matrix of direction cosines, the permutation with the largest product of absolute
//! entries; then axes that point the wrong way are flipped. What turn remains (tilt, a turned head) is left in.
//! Holds: `undo(apply(v)) == v`, values, shape and affine; and a voxel keeps its patient position.

use super::Volume;
use crate::space::{Ijk, Lps, Map, Point, Vector};

/// +x in LPS: towards the patient's left.
pub const LEFT: Vector<Lps> = Vector::new([1.0, 0.0, 0.0]);
/// +y in LPS: towards the back.
pub const POSTERIOR: Vector<Lps> = Vector::new([0.0, 1.0, 0.0]);
/// +z in LPS: towards the head's top.
pub const SUPERIOR: Vector<Lps> = Vector::new([0.0, 0.0, 1.0]);

/// Which native axis each canonical axis is, and whether it runs backwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Canonical {
    /// Canonical axis `a` is native axis `source[a]`.
    pub source: [usize; 3],
    /// Canonical axis `a` runs against its native axis.
    pub flipped: [bool; 3],
    /// Native shape.
    native: [usize; 3],
    /// Native affine.
    to_lps: Map<Ijk, Lps>,
}

impl Canonical {
    /// The order in which index axis 0, 1, 2 grow towards left, posterior, superior.
    pub fn lps<T>(volume: &Volume<T>) -> Self {
        Self::closest(volume, [LEFT, POSTERIOR, SUPERIOR])
    }

    /// The order in which index axis `a` lies closest to `wanted[a]` (orthogonal unit vectors).
    pub fn closest<T>(volume: &Volume<T>, wanted: [Vector<Lps>; 3]) -> Self {
        let to_lps = volume.to_lps();
        let direction = [0, 1, 2].map(|axis| {
            let column = to_lps.column(axis);
            // The affine is not singular: every column has a length.
            column.times(1.0 / column.length())
        });
        let cosine = |want: usize, axis: usize| wanted[want].dot(direction[axis]);
        const ORDERS: [[usize; 3]; 6] = [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ];
        let mut best = (f64::NEG_INFINITY, ORDERS[0]);
        for order in ORDERS {
            let product: f64 = (0..3).map(|a| cosine(a, order[a]).abs()).product();
            // Strictly better: the first order wins a tie, always.
            if product > best.0 {
                best = (product, order);
            }
        }
        let source = best.1;
        Self {
            source,
            flipped: [0, 1, 2].map(|a| cosine(a, source[a]) < 0.0),
            native: volume.shape(),
            to_lps,
        }
    }

    /// Shape in canonical order.
    pub fn shape(&self) -> [usize; 3] {
        self.source.map(|axis| self.native[axis])
    }

    /// Canonical voxel index to native voxel index.
    pub fn to_native(&self) -> Map<Ijk, Ijk> {
        let mut columns = [Vector::new([0.0; 3]); 3];
        let mut origin = [0.0; 3];
        for (a, column) in columns.iter_mut().enumerate() {
            let axis = self.source[a];
            column.0[axis] = if self.flipped[a] { -1.0 } else { 1.0 };
            if self.flipped[a] {
                origin[axis] = self.native[axis] as f64 - 1.0;
            }
        }
        Map::from_columns(columns, Point::new(origin))
    }

    /// Canonical voxel index to patient millimetres.
    pub fn to_lps(&self) -> Map<Ijk, Lps> {
        self.to_native().then(&self.to_lps)
    }

    /// The volume in canonical order.
    ///
    /// # Panics
    /// When the volume has another shape than the one this order was made from: a bug of the caller.
    pub fn apply<T: Copy>(&self, volume: &Volume<T>) -> Volume<T> {
        assert_eq!(volume.shape(), self.native, "an order of another grid");
        let stride = [1, self.native[0], self.native[0] * self.native[1]];
        let data = self.walk(self.source.map(|axis| stride[axis]), |offset| {
            volume.data()[offset]
        });
        Volume {
            shape: self.shape(),
            data,
            to_lps: self.to_lps(),
        }
    }

    /// Values in canonical order, `value` asked by native offset; `stride[a]` is canonical axis a's.
    fn walk<T>(&self, stride: [usize; 3], value: impl Fn(usize) -> T) -> Vec<T> {
        let shape = self.shape();
        let at = |a: usize, index: usize| {
            let index = if self.flipped[a] {
                shape[a] - 1 - index
            } else {
                index
            };
            index * stride[a]
        };
        let mut data = Vec::with_capacity(shape.iter().product());
        for k in 0..shape[2] {
            for j in 0..shape[1] {
                let base = at(1, j) + at(2, k);
                data.extend((0..shape[0]).map(|i| value(base + at(0, i))));
            }
        }
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::testing::random_mask;

    /// All 48 orders of one head: the marked voxel stays at its anatomical place and comes back.
    #[test]
    fn every_permutation_and_flip_is_undone() {
        let shape = [5, 6, 7];
        for source in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            for flips in 0..8u8 {
                let mut columns = [Vector::<Lps>::new([0.0; 3]); 3];
                for axis in 0..3 {
                    let sign = if flips >> axis & 1 == 1 { -1.0 } else { 1.0 };
                    columns[axis].0[source[axis]] = sign * (0.5 + axis as f64);
                    // A tilt that stays in.
                    columns[axis].0[source[(axis + 1) % 3]] = 0.07;
                }
                let map = Map::from_columns(columns, Point::new([10.0, -20.0, 300.0]));
                let mask = random_mask(shape, [1.0; 3], 0.3, 9);
                let native = Volume::new(shape, mask.into_data(), map).unwrap();
                let order = Canonical::lps(&native);
                let turned = order.apply(&native);
                for a in 0..3 {
                    let column = turned.to_lps().column(a).0;
                    assert!(column[a] > 0.0 && column[a] > column[(a + 1) % 3].abs());
                }
                let (there, back) = (turned.centroid().unwrap(), native.centroid().unwrap());
                assert!(there.minus(back).length() < 1e-9);
                for offset in (0..native.data().len()).step_by(11) {
                    let index = turned.index(offset);
                    let at = order.to_native().apply(Point::new(index.map(|v| v as f64)));
                    let native_index = at.0.map(|x| x as i64);
                    assert_eq!(native.get(native_index), turned.data().get(offset));
                }
            }
        }
    }
}
