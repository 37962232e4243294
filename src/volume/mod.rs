//! Volume: values on a regular grid that knows where it lies in the patient.
//!
//! Holds: `data.len()` equals the product of `shape`, always.
//! Never: opens a file. Doors for DICOM, NIfTI and NRRD are in `intake`.

use crate::space::{Ijk, Lps, Map, Point};
use rayon::prelude::*;

pub mod axes;
pub mod components;
pub mod crop;
pub mod distance;
pub mod gaussian;
pub mod morphology;
mod rows;
#[cfg(test)]
pub(crate) mod testing;

/// One Hounsfield unit value. Air is -1000, water 0, dense bone above 1000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hu(pub i16);

/// Values on a grid of `shape` voxels (ni, nj, nk), i fastest in memory, with the affine map from voxel index
/// to patient LPS millimetres.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume<T> {
    shape: [usize; 3],
    data: Vec<T>,
    to_lps: Map<Ijk, Lps>,
}

/// Why a volume could not be made.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum VolumeError {
    /// The number of values is not the product of the shape.
    #[error("{values} values do not fill a grid of {}x{}x{}", shape[0], shape[1], shape[2])]
    Size {
        /// Values given.
        values: usize,
        /// Grid asked for.
        shape: [usize; 3],
    },
    /// The affine can not be inverted, or is not finite.
    #[error("the grid's affine is singular: its axes do not span space")]
    Singular,
}

impl<T> Volume<T> {
    /// A volume from its values, i fastest.
    ///
    /// # Errors
    /// [`VolumeError`] when sizes differ or the affine is singular.
    pub fn new(
        shape: [usize; 3],
        data: Vec<T>,
        to_lps: Map<Ijk, Lps>,
    ) -> Result<Self, VolumeError> {
        if shape.iter().product::<usize>() != data.len() {
            return Err(VolumeError::Size {
                values: data.len(),
                shape,
            });
        }
        if to_lps.inverse().is_none() {
            return Err(VolumeError::Singular);
        }
        Ok(Self {
            shape,
            data,
            to_lps,
        })
    }

    /// The same grid with other values.
    ///
    /// # Panics
    /// When `data` has another length: that is a bug of the caller, not bad input.
    pub fn with<U>(&self, data: Vec<U>) -> Volume<U> {
        assert_eq!(data.len(), self.data.len(), "values for another grid");
        Volume {
            shape: self.shape,
            data,
            to_lps: self.to_lps,
        }
    }

    /// The same grid, each value mapped.
    pub fn map<U>(&self, f: impl Fn(&T) -> U) -> Volume<U> {
        self.with(self.data.iter().map(f).collect())
    }

    /// Voxels along i, j, k.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }
    /// All values, i fastest.
    pub fn data(&self) -> &[T] {
        &self.data
    }
    /// All values, to change.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }
    /// The values alone.
    pub fn into_data(self) -> Vec<T> {
        self.data
    }
    /// Voxel index to patient millimetres.
    pub fn to_lps(&self) -> Map<Ijk, Lps> {
        self.to_lps
    }
    /// Patient millimetres to (fractional) voxel index. The affine was checked when the volume was made.
    pub fn to_ijk(&self) -> Map<Lps, Ijk> {
        self.to_lps.inverse().expect("checked by Volume::new")
    }
    /// Voxel size in mm along i, j, k.
    pub fn spacing_mm(&self) -> [f64; 3] {
        [0, 1, 2].map(|axis| self.to_lps.column(axis).length())
    }
    /// Volume of one voxel in mm3.
    pub fn voxel_mm3(&self) -> f64 {
        self.to_lps.determinant().abs()
    }
    /// Offset in `data` of voxel (i, j, k); not checked against the shape.
    pub fn offset(&self, [i, j, k]: [usize; 3]) -> usize {
        (k * self.shape[1] + j) * self.shape[0] + i
    }
    /// Voxel index of an offset in `data`.
    pub fn index(&self, offset: usize) -> [usize; 3] {
        let [ni, nj, _] = self.shape;
        [offset % ni, offset / ni % nj, offset / (ni * nj)]
    }
    /// The value at a voxel, `None` outside the grid.
    pub fn get(&self, [i, j, k]: [i64; 3]) -> Option<&T> {
        let inside = |v: i64, n: usize| usize::try_from(v).ok().filter(|&v| v < n);
        let (i, j, k) = (
            inside(i, self.shape[0])?,
            inside(j, self.shape[1])?,
            inside(k, self.shape[2])?,
        );
        self.data.get(self.offset([i, j, k]))
    }
    /// Patient position of a voxel's centre.
    pub fn centre(&self, [i, j, k]: [usize; 3]) -> Point<Lps> {
        self.to_lps
            .apply(Point::new([i as f64, j as f64, k as f64]))
    }
}

impl Volume<bool> {
    /// Voxels that are set.
    pub fn count(&self) -> usize {
        self.data.iter().filter(|&&v| v).count()
    }
    /// Volume of the set voxels in mm3.
    pub fn mm3(&self) -> f64 {
        self.count() as f64 * self.voxel_mm3()
    }
    /// Patient position of the centre of mass of the set voxels; `None` when none is set.
    pub fn centroid(&self) -> Option<Point<Lps>> {
        let [ni, nj, _] = self.shape;
        if self.data.is_empty() {
            return None;
        }
        // Whole numbers: the same sums in whatever order the slices are done.
        let slices = self.data.par_chunks(ni * nj).enumerate();
        let [i, j, k, n] = slices
            .map(|(k, slice)| {
                let mut sums = [0u64; 4];
                for (j, row) in slice.chunks(ni).enumerate() {
                    if !row.contains(&true) {
                        continue;
                    }
                    for (i, _) in row.iter().enumerate().filter(|&(_, &v)| v) {
                        let new = [i, j, k, 1];
                        sums = [0, 1, 2, 3].map(|a| sums[a] + new[a] as u64);
                    }
                }
                sums
            })
            .reduce(|| [0; 4], |x, y| [0, 1, 2, 3].map(|a| x[a] + y[a]));
        let sum = [i, j, k].map(|s| s as f64);
        (n > 0).then(|| self.to_lps.apply(Point::new(sum.map(|s| s / n as f64))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(shape: [usize; 3]) -> Volume<bool> {
        let map = Map::new([
            [2.0, 0.0, 0.0, -5.0],
            [0.0, 0.5, 0.0, 1.0],
            [0.0, 0.0, 3.0, 7.0],
        ]);
        Volume::new(shape, vec![false; shape.iter().product()], map).unwrap()
    }

    #[test]
    fn offset_and_index_are_inverse() {
        let volume = grid([3, 4, 5]);
        for offset in 0..60 {
            assert_eq!(volume.offset(volume.index(offset)), offset);
        }
    }

    #[test]
    fn the_centroid_is_in_patient_millimetres() {
        let mut volume = grid([3, 4, 5]);
        let at = volume.offset([1, 2, 3]);
        volume.data_mut()[at] = true;
        assert_eq!(volume.centroid().unwrap(), Point::new([-3.0, 2.0, 16.0]));
        assert!((volume.mm3() - 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_wrong_number_of_values_is_refused() {
        let map = Map::new([
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
        ]);
        assert!(matches!(
            Volume::new([2, 2, 2], vec![0u8; 7], map),
            Err(VolumeError::Size { .. })
        ));
    }
}
