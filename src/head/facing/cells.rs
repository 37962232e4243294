//! Cells: a skull as shares of bone in coarse cells.

use super::CELL_MM;
use crate::space::{Ijk, Lps, Point};
use crate::volume::Volume;
use crate::volume::crop::{IndexBox, bounds, grown};
use rayon::prelude::*;

/// A cell's share of bone from which it is a trace, some, much; as in `make.py`.
const LEVELS: [f64; 3] = [0.03, 0.15, 0.40];
/// Cells this far around the bone are asked, mm.
const AROUND_MM: f64 = 20.0;
/// Fewer cells with bone are no skull; more than the second are no head.
const CELLS: std::ops::Range<usize> = 100..200_000;

/// Cells of a skull: places relative to the bone's middle, mm, and how much bone they hold, in an order in which every
/// stretch is spread over all of it.
pub(super) struct Cells {
    pub(super) all: Vec<([f32; 3], u8)>,
}

impl Cells {
    /// `None` when there is too little bone, or a box of metres around it.
    pub(super) fn of(skull: &Volume<bool>) -> Option<Self> {
        let spacing = skull.spacing_mm();
        let side = spacing.map(|mm| (CELL_MM / mm).round().max(1.0) as usize);
        let inner = grown(skull, &bounds(skull)?, AROUND_MM);
        // A last cell of less than half is left out.
        let shape = [0, 1, 2].map(|a| (inner[a].len() + side[a] / 2) / side[a]);
        let count = shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s))?;
        if count == 0 || count > CELLS.end {
            return None;
        }
        let bone = bone_in_cells(skull, &inner, side, shape);
        let mut cells = Vec::with_capacity(count);
        let (mut sum, mut all) = ([0.0; 3], 0.0);
        for (n, &voxels) in bone.iter().enumerate() {
            let cell = [
                n % shape[0],
                n / shape[0] % shape[1],
                n / (shape[0] * shape[1]),
            ];
            let first = [0, 1, 2].map(|a| inner[a].start + cell[a] * side[a]);
            let end = [0, 1, 2].map(|a| (first[a] + side[a]).min(inner[a].end));
            let whole: usize = (0..3).map(|a| end[a] - first[a]).product();
            let middle: Point<Ijk> =
                Point::new([0, 1, 2].map(|a| (first[a] + end[a] - 1) as f64 / 2.0));
            let at = skull.to_lps().apply(middle);
            let share = f64::from(voxels) / whole as f64;
            for a in 0..3 {
                sum[a] += at.0[a] * share;
            }
            all += share;
            let level = LEVELS.iter().filter(|&&from| share >= from).count();
            cells.push((at, level as u8));
        }
        if cells.iter().filter(|c| c.1 > 0).count() < CELLS.start {
            return None;
        }
        let near = |at: Point<Lps>| [0, 1, 2].map(|a| (at.0[a] - sum[a] / all) as f32);
        let all = (spread(count).into_iter()).map(|n| (near(cells[n].0), cells[n].1));
        Some(Self { all: all.collect() })
    }
}

/// Voxels of bone in each cell of `side` voxels; the last one of a row, column or layer takes what is left over.
fn bone_in_cells(
    skull: &Volume<bool>,
    inner: &IndexBox,
    side: [usize; 3],
    shape: [usize; 3],
) -> Vec<u32> {
    let layer = |layer: usize| {
        let mut sums = vec![0u32; shape[0] * shape[1]];
        let from = inner[2].start + layer * side[2];
        for k in from..(from + side[2]).min(inner[2].end) {
            for j in inner[1].clone() {
                let line = (j - inner[1].start) / side[1];
                let offset = skull.offset([inner[0].start, j, k]);
                let row = &skull.data()[offset..offset + inner[0].len()];
                if line >= shape[1] || !row.contains(&true) {
                    continue;
                }
                let sums = &mut sums[line * shape[0]..(line + 1) * shape[0]];
                for (sum, part) in sums.iter_mut().zip(row.chunks(side[0])) {
                    *sum += part.iter().map(|&v| u32::from(v)).sum::<u32>();
                }
            }
        }
        sums
    };
    (0..shape[2]).into_par_iter().flat_map(layer).collect()
}

/// All numbers below `count`, in an order in which every stretch is spread evenly.
fn spread(count: usize) -> Vec<usize> {
    let gcd = |mut a: usize, mut b: usize| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    // The golden ratio's multiples are the most evenly spread.
    let golden = (count as f64 * 0.618_034) as usize;
    let step = (golden.max(1)..count)
        .find(|&step| gcd(step, count) == 1)
        .unwrap_or(1);
    (0..count).map(|n| n * step % count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::testing::random_mask;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_spread_is_an_order_of_all(count in 1usize..3000) {
            let mut all = spread(count);
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(0..count));
        }

        /// Whatever the grid, no voxel is counted twice and none is lost but in a last cell of less than half.
        #[test]
        fn bone_is_counted_once(
            shape in [1usize..30, 1usize..30, 1usize..30],
            side in [1usize..9, 1usize..9, 1usize..9],
            seed in 0u64..1000,
        ) {
            let mask = random_mask(shape, [1.0; 3], 0.4, seed);
            let inner = shape.map(|n| 0..n);
            let cells = [0, 1, 2].map(|a| shape[a].div_ceil(side[a]));
            let counted = bone_in_cells(&mask, &inner, side, cells);
            prop_assert_eq!(counted.iter().sum::<u32>() as usize, mask.count());
            let fewer = cells.map(|n| n.saturating_sub(1).max(1));
            let kept = [0, 1, 2].map(|a| 0..(fewer[a] * side[a]).min(shape[a]));
            let counted = bone_in_cells(&mask, &inner, side, fewer);
            let part = crate::volume::crop::crop(&mask, &kept);
            prop_assert_eq!(counted.iter().sum::<u32>() as usize, part.count());
        }
    }
}
