//! How a layer is cut: into tiles, steps and units of work.
//!
//! A unit is a strip of tile rows over a range of depth steps for a range of output blocks. Units depend on the
//! layer alone, never on the number of threads; each has its own sums, added in the order of the units afterwards:
//! the same bits whatever the thread count.

use super::isa::Isa;
use std::ops::Range;

/// Which transform a layer goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// 3x3x3 taps: 6x6 samples give 4x4 outputs, 4 slices give 2.
    Three,
    /// 2x2x2 taps: 4x4 samples give 3x3 outputs, 4 slices give 3.
    Two,
}

impl Form {
    pub(super) fn taps(self) -> usize {
        match self {
            Self::Three => 3,
            Self::Two => 2,
        }
    }
    /// Outputs of a tile along an in-plane axis.
    pub(super) fn out(self) -> usize {
        match self {
            Self::Three => 4,
            Self::Two => 3,
        }
    }
    /// In-plane points of a tile.
    pub(super) fn points(self) -> usize {
        match self {
            Self::Three => 36,
            Self::Two => 16,
        }
    }
    /// Output slices of a depth step.
    pub(super) fn slices(self) -> usize {
        match self {
            Self::Three => 2,
            Self::Two => 3,
        }
    }
}

/// Work for one thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Tile rows.
    pub(super) rows: Range<usize>,
    /// Depth steps.
    pub(super) steps: Range<usize>,
    /// Output blocks.
    pub(super) blocks: Range<usize>,
}

/// One layer, cut.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) form: Form,
    /// Blocks of 16 input channels.
    pub(super) k_blocks: usize,
    /// Input channels.
    pub(super) k: usize,
    /// Blocks of 16 output channels.
    pub(super) n: usize,
    /// Output blocks that the product kernel takes at once.
    pub(super) group: usize,
    /// Tiles in a row.
    pub(super) across: usize,
    /// Largest number of tile rows in a unit.
    pub(super) rows: usize,
    /// Depth steps that are multiplied together.
    pub(super) batch: usize,
    /// Output blocks that are multiplied before they are transformed back.
    pub(super) chunk: usize,
    pub(super) units: Vec<Unit>,
}

/// Products of fewer rows than this waste the filters' way from the cache.
const ROWS: usize = 28;
/// Filters larger than this do not stay in a second-level cache: more rows for each of their passes.
const LARGE_FILTERS: usize = 8 << 20;
/// Bytes of products that are kept before they are transformed back.
const PRODUCTS: usize = 640 << 10;
/// Bytes of transformed input that a thread keeps; more only where a single depth step needs it.
const RING: usize = 6 << 20;
/// Units that a layer is cut into at least, where it is large enough.
const UNITS: usize = 24;

impl Shape {
    /// A layer of `k` input channels in `k_blocks` blocks and `n` output blocks over `positions` outputs
    /// (depth, rows, columns).
    pub(super) fn new(
        form: Form,
        isa: Isa,
        positions: [usize; 3],
        (k, k_blocks): (usize, usize),
        n: usize,
    ) -> Self {
        let [depth, height, across] = [
            positions[0].div_ceil(form.slices()),
            positions[1].div_ceil(form.out()),
            positions[2].div_ceil(form.out()),
        ];
        let filters = form.points() * 4 * k * n * 64;
        let wanted = if filters > LARGE_FILTERS {
            2 * ROWS
        } else {
            ROWS
        };
        let rows = wanted.div_ceil(across).min(height);
        let strips = height.div_ceil(rows);
        let rows = height.div_ceil(strips);
        let slice = form.points() * k_blocks * rows * across * 64;
        let most = (RING / slice).saturating_sub(4 - form.slices()) / form.slices();
        let batch = wanted.div_ceil(rows * across).min(depth).min(most.max(1));
        let group = if isa == Isa::Avx512 && n.is_multiple_of(2) {
            2
        } else {
            1
        };
        // Blocks whose products fit, in whole groups that divide n.
        let product = form.points() * form.slices() * batch * rows * across * 64;
        let mut chunk = n;
        while chunk.is_multiple_of(2 * group) && chunk * product > PRODUCTS {
            chunk /= 2;
        }
        // Depth first, then output blocks: a cut in depth repeats a slice or two of input transforms, a cut in
        // blocks repeats all of them.
        let pieces = (UNITS.div_ceil(strips))
            .min((depth / batch).div_ceil(4))
            .max(1);
        let length = depth.div_ceil(pieces).next_multiple_of(batch);
        let pieces = depth.div_ceil(length);
        let shares = if strips * pieces >= 8 {
            1
        } else {
            4.min(n / chunk)
        };
        let share = (n / chunk).div_ceil(shares) * chunk;

        let mut units = Vec::new();
        for top in (0..height).step_by(rows) {
            for start in (0..depth).step_by(length) {
                for first in (0..n).step_by(share) {
                    units.push(Unit {
                        rows: top..(top + rows).min(height),
                        steps: start..(start + length).min(depth),
                        blocks: first..(first + share).min(n),
                    });
                }
            }
        }
        Self {
            form,
            k_blocks,
            k,
            n,
            group,
            across,
            rows,
            batch,
            chunk,
            units,
        }
    }

    /// Lines of the transformed filters.
    pub(super) fn filter_lines(&self) -> usize {
        self.form.points() * 4 * self.k * self.n
    }

    /// Slices of transformed input that are alive at once.
    pub(super) fn slots(&self) -> usize {
        self.form.slices() * self.batch + 4 - self.form.slices()
    }

    /// Lines from one point to the next in the transformed input; odd, so that points do not share cache sets.
    pub(super) fn input_pitch(&self) -> usize {
        (self.k_blocks * self.rows * self.across) | 1
    }

    /// The same in the products.
    pub(super) fn product_pitch(&self) -> usize {
        (self.chunk * self.rows * self.across) | 1
    }

    /// Lines of transformed input, of its depth combinations, and of products.
    pub(super) fn parts(&self) -> [usize; 3] {
        let points = self.form.points();
        [
            self.slots() * points * self.input_pitch(),
            self.batch * 4 * self.k_blocks * self.rows * self.across,
            self.batch * self.form.slices() * points * self.product_pitch(),
        ]
    }

    /// Lines of scratch that one unit needs; two more for sums.
    pub(super) fn scratch_lines(&self) -> usize {
        self.parts().iter().sum::<usize>() + 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_cover_every_tile_step_and_block_once() {
        for form in [Form::Three, Form::Two] {
            for positions in [
                [240, 200, 240],
                [15, 12, 15],
                [31, 26, 31],
                [2, 1, 1],
                [7, 9, 5],
            ] {
                for (k_blocks, n) in [(1, 1), (3, 1), (4, 4), (16, 16), (32, 4), (16, 64)] {
                    let shape =
                        Shape::new(form, Isa::Avx512, positions, (16 * k_blocks, k_blocks), n);
                    let height = positions[1].div_ceil(form.out());
                    let depth = positions[0].div_ceil(form.slices());
                    let mut seen = vec![0; height * depth * n];
                    for unit in &shape.units {
                        assert!(unit.rows.len() <= shape.rows);
                        assert_eq!(unit.blocks.len() % shape.chunk, 0);
                        for row in unit.rows.clone() {
                            for step in unit.steps.clone() {
                                for block in unit.blocks.clone() {
                                    seen[(row * depth + step) * n + block] += 1;
                                }
                            }
                        }
                    }
                    assert!(seen.iter().all(|&n| n == 1), "{shape:?}");
                    assert_eq!(shape.chunk % shape.group, 0);
                }
            }
        }
    }
}
