//! The end of a residual block: `leaky(a c2 + b) + skip(x)`, written over c2. The skip is a 1x1x1 convolution of
//! the block's input, which is normalised on load as everywhere.

use super::load::Port;
use super::memory::Line;
use super::product::{Segment, times};
use super::shared::Shared;
use super::simd::{Job, Simd, leaky};
use std::ops::Range;

/// What the units of one join share.
pub(super) struct Join<'a> {
    pub(super) ports: &'a [Port],
    /// Channels of all ports.
    pub(super) k: usize,
    /// `[group][k][blocks]`
    pub(super) filters: &'a [Line],
    /// One an output block.
    pub(super) bias: &'a [Line],
    /// Output blocks that are multiplied at once.
    pub(super) group: usize,
    /// `[block][z][y][x]`, c2 before and the sum after.
    pub(super) inout: Shared<'a>,
    /// `a` and `b` of c2, a line each, one pair an output block.
    pub(super) scale: &'a [Line],
    /// Voxels along z, y, x.
    pub(super) size: [usize; 3],
    /// Rows of voxels that are taken at once.
    pub(super) rows: usize,
}

/// Some slices of a join.
pub(super) struct JoinUnit<'a> {
    pub(super) join: &'a Join<'a>,
    pub(super) slices: Range<usize>,
    pub(super) scratch: &'a mut [Line],
}

impl Join<'_> {
    /// Lines of scratch of a unit.
    pub(super) fn scratch_lines(ports: usize, rows: usize, across: usize) -> usize {
        ports * rows * across
    }
}

impl Job for JoinUnit<'_> {
    type Out = ();

    /// # Safety
    /// The ports point at what they say, and no other unit touches these slices of `inout`.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let join = self.join;
        let [depth, height, across] = join.size;
        assert!(
            self.scratch.len() >= Join::scratch_lines(join.ports.len(), join.rows, across)
                && join.inout.len() >= join.bias.len() * depth * height * across
        );
        let staged = self.scratch.as_mut_ptr().cast::<f32>();
        for z in self.slices {
            for top in (0..height).step_by(join.rows) {
                let rows = join.rows.min(height - top);
                let voxels = rows * across;
                let mut segments = [Segment { at: 0, len: 0 }; 64];
                for (block, port) in join.ports.iter().enumerate() {
                    segments[block] = Segment {
                        at: block * voxels * 16,
                        len: port.channels,
                    };
                    for y in 0..rows {
                        for x in 0..across {
                            let at = (block * voxels + y * across + x) * 16;
                            // SAFETY: inside the scratch, as asserted.
                            unsafe {
                                port.line::<S>(
                                    z as isize,
                                    (top + y) as isize,
                                    x as isize,
                                    staged.add(at),
                                );
                            }
                        }
                    }
                }
                let blocks = voxels.div_ceil(S::ROWS);
                let (high, higher) = (voxels / blocks, voxels % blocks);
                for group in 0..join.bias.len() / join.group {
                    let mut voxel = 0;
                    for block in 0..blocks {
                        let rows = high + usize::from(block < higher);
                        let place = (group * join.group * depth + z) * height + top;
                        // SAFETY: these voxels are this unit's; pointers reach `rows` lines of `group` blocks.
                        unsafe {
                            S::join(&Rows {
                                rows,
                                blocks: join.group,
                                input: staged.add(voxel * 16).cast_const(),
                                segments: &segments[..join.ports.len()],
                                filters: join
                                    .filters
                                    .as_ptr()
                                    .add(group * join.k * join.group)
                                    .cast(),
                                bias: join.bias.as_ptr().add(group * join.group).cast(),
                                scale: join.scale.as_ptr().add(2 * group * join.group).cast(),
                                inout: join.inout.line(place * across + voxel).cast(),
                                block_pitch: depth * height * across * 16,
                            });
                        }
                        voxel += rows;
                    }
                }
            }
        }
    }
}

/// A few voxels of one group of output blocks; lines of neighbours are 16 numbers apart.
pub(super) struct Rows<'a> {
    pub(super) rows: usize,
    pub(super) blocks: usize,
    input: *const f32,
    segments: &'a [Segment],
    filters: *const f32,
    bias: *const f32,
    scale: *const f32,
    inout: *mut f32,
    block_pitch: usize,
}

struct Tile<'a, const ROWS: usize, const VECTORS: usize>(&'a Rows<'a>);

impl<const ROWS: usize, const VECTORS: usize> Job for Tile<'_, ROWS, VECTORS> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let p = self.0;
        // SAFETY: by the promise of `tile`.
        unsafe {
            let mut start = [[S::splat(0.0); VECTORS]; ROWS];
            for r in 0..ROWS {
                for v in 0..VECTORS {
                    start[r][v] = S::load(p.bias.add(v * S::LANES));
                }
            }
            let sums = times::<S, ROWS, VECTORS>(start, p.segments, p.input, p.filters);
            for v in 0..VECTORS {
                let (block, lane) = (v * S::LANES / 16, v * S::LANES % 16);
                let a = S::load(p.scale.add(block * 32 + lane));
                let b = S::load(p.scale.add(block * 32 + 16 + lane));
                for r in 0..ROWS {
                    let at = p.inout.add(block * p.block_pitch + r * 16 + lane);
                    let body = leaky::<S>(S::fma(S::load(at), a, b));
                    S::store(at, S::add(body, sums[r][v]));
                }
            }
        }
    }
}

/// Runs the kernel compiled for one number of rows.
///
/// # Safety
/// The processor has the instructions of `S`; the pointers of `job` reach as far as its fields say.
#[inline(always)]
pub(super) unsafe fn tile<S: Simd, const ROWS: usize, const VECTORS: usize>(job: &Rows<'_>) {
    // SAFETY: the caller's.
    unsafe { S::call(Tile::<ROWS, VECTORS>(job)) }
}
