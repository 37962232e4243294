//! Rows: lines of voxels along any axis, in parallel and without unsafe code.
//!
//! A separable filter runs along i, then j, then k. Along i a line is one slice of memory. Along j and k it
//! is strided, so this module hands out whole rows instead: all rows of one slice k (the line runs across
//! them along j), or the same row j of every slice (the line runs along k). The rows of one group are disjoint
//! borrows, which is what makes threads safe here.

use rayon::prelude::*;

/// Calls `work` once for each group of i-rows that together hold all lines along `axis` (1 = j, 2 = k): row `n`
/// of a group holds the lines' `n`-th voxels. Groups run in parallel; the result does not depend on how many
/// threads there are as long as `work` does not.
///
/// # Panics
/// When `axis` is neither 1 nor 2, or `data` does not fill `shape`: bugs of the caller.
pub(crate) fn across<T: Send>(
    data: &mut [T],
    shape: [usize; 3],
    axis: usize,
    work: impl Fn(&mut [&mut [T]]) + Sync,
) {
    let [ni, nj, nk] = shape;
    assert_eq!(data.len(), ni * nj * nk, "values for another grid");
    assert!(axis == 1 || axis == 2, "rows run along j or k");
    if data.is_empty() {
        return;
    }
    let groups = if axis == 1 { nk } else { nj };
    let mut rows: Vec<Vec<&mut [T]>> = (0..groups).map(|_| Vec::new()).collect();
    for (n, row) in data.chunks_mut(ni).enumerate() {
        let group = if axis == 1 { n / nj } else { n % nj };
        rows[group].push(row);
    }
    rows.into_par_iter().for_each(|mut group| work(&mut group));
}
