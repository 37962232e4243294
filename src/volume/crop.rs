//! Crop: a box of a volume as a volume of its own, and back. No interpolation; patient positions stay.

use super::Volume;
use crate::space::{Ijk, Map, Point};
use rayon::prelude::*;
use std::ops::Range;

/// A half-open index box, one range an axis.
pub type IndexBox = [Range<usize>; 3];

/// The smallest box that holds all set voxels; `None` when none is set.
pub fn bounds(set: &Volume<bool>) -> Option<IndexBox> {
    let [ni, nj, _] = set.shape();
    if set.data().is_empty() {
        return None;
    }
    set.data()
        .par_chunks(ni * nj)
        .enumerate()
        .filter_map(|(k, slab)| {
            let mut found: Option<IndexBox> = None;
            for (j, row) in slab.chunks(ni).enumerate() {
                let Some(from) = row.iter().position(|&v| v) else {
                    continue;
                };
                let to = row.iter().rposition(|&v| v).map_or(ni, |i| i + 1);
                let new = [from..to, j..j + 1, k..k + 1];
                found = Some(found.map_or(new.clone(), |old| hull(&old, &new)));
            }
            found
        })
        .reduce_with(|a, b| hull(&a, &b))
}

/// The smallest box that holds both.
pub fn hull(a: &IndexBox, b: &IndexBox) -> IndexBox {
    [0, 1, 2].map(|n| a[n].start.min(b[n].start)..a[n].end.max(b[n].end))
}

/// The box grown by `mm` on every side (rounded up to whole voxels), cut at the grid's edges.
pub fn grown<T>(volume: &Volume<T>, inner: &IndexBox, mm: f64) -> IndexBox {
    let spacing = volume.spacing_mm();
    [0, 1, 2].map(|axis| {
        let by = (mm / spacing[axis]).ceil().max(0.0) as usize;
        let start = inner[axis].start.saturating_sub(by);
        let end = inner[axis].end.saturating_add(by).min(volume.shape()[axis]);
        start..end
    })
}

/// The box as a volume of its own. Its affine is moved so that every voxel keeps its patient position.
///
/// # Panics
/// When the box leaves the grid: a bug of the caller.
pub fn crop<T: Copy + Send + Sync>(volume: &Volume<T>, inner: &IndexBox) -> Volume<T> {
    let shape = [0, 1, 2].map(|a| inner[a].len());
    assert!(
        (0..3).all(|a| inner[a].end <= volume.shape()[a]),
        "box {inner:?} leaves the grid {:?}",
        volume.shape()
    );
    let mut data = Vec::with_capacity(shape.iter().product());
    for k in inner[2].clone() {
        for j in inner[1].clone() {
            let row = volume.offset([inner[0].start, j, k]);
            data.extend_from_slice(&volume.data()[row..row + shape[0]]);
        }
    }
    let corner = Point::<Ijk>::new([0, 1, 2].map(|a| inner[a].start as f64));
    let to_lps = volume.to_lps();
    let moved = Map::from_columns([0, 1, 2].map(|a| to_lps.column(a)), to_lps.apply(corner));
    Volume {
        shape,
        data,
        to_lps: moved,
    }
}

/// Writes `part` into `whole` with its first voxel at `corner`.
///
/// # Panics
/// When the part leaves the grid: a bug of the caller.
pub fn paste<T: Copy>(whole: &mut Volume<T>, part: &Volume<T>, corner: [usize; 3]) {
    let [pi, pj, pk] = part.shape();
    let fits = [0, 1, 2].map(|a| corner[a] + part.shape()[a] <= whole.shape()[a]);
    assert_eq!(fits, [true; 3], "the part leaves the grid");
    for k in 0..pk {
        for j in 0..pj {
            let from = part.offset([0, j, k]);
            let to = whole.offset([corner[0], corner[1] + j, corner[2] + k]);
            whole.data[to..to + pi].copy_from_slice(&part.data[from..from + pi]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::testing::boxed;

    #[test]
    fn crop_and_paste_keep_places() {
        let set = boxed([7, 6, 5], [0.5, 1.0, 2.0], [2..4, 1..5, 3..5]);
        let inner = bounds(&set).unwrap();
        assert_eq!(inner, [2..4, 1..5, 3..5]);
        let part = crop(&set, &inner);
        assert_eq!(part.count(), 2 * 4 * 2);
        assert_eq!(part.centre([0, 0, 0]), set.centre([2, 1, 3]));
        let mut again = set.map(|_| false);
        paste(&mut again, &part, [2, 1, 3]);
        assert_eq!(again, set);
    }

    #[test]
    fn a_grown_box_stops_at_the_edge() {
        let set = boxed([7, 6, 5], [0.5, 1.0, 2.0], [2..4, 1..5, 3..5]);
        let inner = bounds(&set).unwrap();
        assert_eq!(grown(&set, &inner, 0.9), [0..6, 0..6, 2..5]);
    }

    #[test]
    fn an_empty_mask_has_no_box() {
        let set = boxed([3, 3, 3], [1.0; 3], [0..0, 0..0, 0..0]);
        assert_eq!(bounds(&set), None);
    }
}
