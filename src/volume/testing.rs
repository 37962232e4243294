//! Grids for tests of this room and the ones above it.

use super::Volume;
use crate::space::Map;
use rand::{RngExt, SeedableRng};
use std::ops::Range;

/// An upright grid at the origin with the given spacing.
pub(crate) fn boxed(shape: [usize; 3], spacing: [f64; 3], set: [Range<usize>; 3]) -> Volume<bool> {
    let [a, b, c] = spacing;
    let map = Map::new([[a, 0.0, 0.0, 0.0], [0.0, b, 0.0, 0.0], [0.0, 0.0, c, 0.0]]);
    let mut volume = Volume::new(shape, vec![false; shape.iter().product()], map).unwrap();
    for offset in 0..volume.data().len() {
        let index = volume.index(offset);
        volume.data_mut()[offset] = (0..3).all(|a| set[a].contains(&index[a]));
    }
    volume
}

/// Voxels set independently with probability `density`.
pub(crate) fn random_mask(
    shape: [usize; 3],
    spacing: [f64; 3],
    density: f64,
    seed: u64,
) -> Volume<bool> {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let empty = boxed(shape, spacing, [0..0, 0..0, 0..0]);
    let values = (0..empty.data().len()).map(|_| random.random::<f64>() < density);
    empty.with(values.collect())
}
