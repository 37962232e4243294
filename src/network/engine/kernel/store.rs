//! From products to voxels: transform back, take the norm's sums, and store, only count, or finish the network.

use super::scheme::Scheme;
use super::simd::{Simd, leaky};

/// What becomes of a layer's outputs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Finish {
    /// Stored raw.
    Store,
    /// Only the sums are wanted: the first pass over the last level, whose activation would be the largest of all.
    Count,
    /// The second pass: normalised, activated, and joined to the one output channel.
    Head {
        /// A line of `a` and a line of `b`.
        scale: *const f32,
        /// A line.
        weights: *const f32,
        bias: f32,
        /// One number a voxel.
        logits: *mut f32,
    },
}

/// Where 16 output channels go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    /// First voxel of the block; not used unless lines are stored.
    pub(super) to: *mut f32,
    /// Voxels along z, y, x.
    pub(super) size: [isize; 3],
    /// Rows of a slice and voxels of a row in memory; more than `size` where a larger volume is written.
    pub(super) rows: isize,
    pub(super) across: isize,
    /// Position p of a layer's axis is voxel `step * p + off`; what falls outside is dropped.
    pub(super) step: isize,
    pub(super) off: [isize; 3],
}

// SAFETY: the driver borrows what the pointers point at, and no two units write the same voxel.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}
// SAFETY: as above.
unsafe impl Send for Finish {}
// SAFETY: as above.
unsafe impl Sync for Finish {}

impl Target {
    #[inline(always)]
    pub(super) fn voxel(&self, axis: usize, position: usize) -> isize {
        self.step * position as isize + self.off[axis]
    }

    /// Transforms one tile back and finishes it. The first output is position (z, y, x) with z inside; `from` holds
    /// IN * IN lines, `pitch` numbers apart; the sums and squares of the voxels are added to two lines at `sums`.
    ///
    /// # Safety
    /// The processor has the instructions; the pointers reach that far; no other thread writes these voxels.
    #[inline(always)]
    pub(super) unsafe fn tile<S: Simd, W: Scheme>(
        &self,
        finish: &Finish,
        [z, y, x]: [isize; 3],
        from: *const f32,
        pitch: usize,
        sums: *mut f32,
    ) {
        let last = self.step * (W::OUT as isize - 1);
        let whole = y >= 0 && x >= 0 && y + last < self.size[1] && x + last < self.size[2];
        // SAFETY: the caller's; voxels are written only where `inside` says that they are.
        unsafe {
            let zero = S::splat(0.0);
            let mut heads = [[zero; 4]; 4];
            for half in 0..S::HALVES {
                let lane = half * S::LANES;
                let out = transform::<S, W>(from.add(lane), pitch);
                if let Finish::Head { scale, weights, .. } = *finish {
                    let (a, b) = (S::load(scale.add(lane)), S::load(scale.add(16 + lane)));
                    let w = S::load(weights.add(lane));
                    for i in 0..W::OUT {
                        for j in 0..W::OUT {
                            let v = leaky::<S>(S::fma(out[i][j], a, b));
                            heads[i][j] = S::fma(v, w, heads[i][j]);
                        }
                    }
                    continue;
                }
                let (mut sum, mut square) = (zero, zero);
                for i in 0..W::OUT {
                    let (mut row, mut row_square) = (zero, zero);
                    for j in 0..W::OUT {
                        let (vy, vx) = self.inside(y, x, i, j);
                        if whole || (vy >= 0 && vx >= 0) {
                            let v = out[i][j];
                            row = S::add(row, v);
                            row_square = S::fma(v, v, row_square);
                            if let Finish::Store = finish {
                                let voxel = (z * self.rows + vy) * self.across + vx;
                                S::store(self.to.offset(voxel * 16).add(lane), v);
                            }
                        }
                    }
                    sum = S::add(sum, row);
                    square = S::add(square, row_square);
                }
                let (to, to_square) = (sums.add(lane), sums.add(16 + lane));
                S::store(to, S::add(S::load(to), sum));
                S::store(to_square, S::add(S::load(to_square), square));
            }
            if let Finish::Head { logits, bias, .. } = *finish {
                for i in 0..W::OUT {
                    for j in 0..W::OUT {
                        let (vy, vx) = self.inside(y, x, i, j);
                        if whole || (vy >= 0 && vx >= 0) {
                            let voxel = (z * self.rows + vy) * self.across + vx;
                            *logits.offset(voxel) = S::sum(heads[i][j]) + bias;
                        }
                    }
                }
            }
        }
    }

    /// The voxel of output (i, j) of a tile; -1 where it is outside.
    #[inline(always)]
    fn inside(&self, y: isize, x: isize, i: usize, j: usize) -> (isize, isize) {
        let clip = |v: isize, n: isize| if (0..n).contains(&v) { v } else { -1 };
        (
            clip(y + self.step * i as isize, self.size[1]),
            clip(x + self.step * j as isize, self.size[2]),
        )
    }
}

/// A^T m A of one tile.
///
/// # Safety
/// `from` holds IN * IN vectors, `pitch` numbers apart.
#[inline(always)]
unsafe fn transform<S: Simd, W: Scheme>(from: *const f32, pitch: usize) -> [[S::V; 4]; 4] {
    // SAFETY: the caller's.
    unsafe {
        let zero = S::splat(0.0);
        let mut columns = [[zero; 4]; 6];
        for j in 0..W::IN {
            let mut m = [zero; 6];
            for i in 0..W::IN {
                m[i] = S::load(from.add((i * W::IN + j) * pitch));
            }
            columns[j] = W::output::<S>(m);
        }
        let mut out = [[zero; 4]; 4];
        for i in 0..W::OUT {
            let mut m = [zero; 6];
            for j in 0..W::IN {
                m[j] = columns[j][i];
            }
            out[i] = W::output::<S>(m);
        }
        out
    }
}
