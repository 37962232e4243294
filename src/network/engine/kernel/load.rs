//! From stored activations to transformed tiles: normalise, activate, pad with zeros, transform, all on load.
//!
//! A stored tensor is the raw output of a convolution; what the next layer sees is `leaky(a x + b)` inside it and
//! exactly 0 outside. A [`Port`] is 16 input channels as a layer sees them: a block of one of its sources, seen
//! through the layer's stride.

use super::memory::Line;
use super::scheme::Scheme;
use super::simd::{Simd, leaky};

/// How a port's numbers lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A line a voxel.
    Lines,
    /// One number a voxel, the first lane; the others are 0.
    Single,
    /// One number a voxel; the eight lanes are the 2x2x2 voxels from the sample's place on, z slowest.
    Eight,
}

/// Up to 16 channels of one source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Port {
    pub(super) kind: Kind,
    pub(super) from: *const f32,
    /// Voxels along z, y, x.
    pub(super) size: [isize; 3],
    /// Numbers from a voxel to its neighbour along z, y, x.
    pub(super) pitch: [isize; 3],
    /// Sample s of a layer's axis is voxel `step * s + off`.
    pub(super) step: isize,
    pub(super) off: [isize; 3],
    /// A line of `a` and a line of `b`; null where the source is stored as it is used.
    pub(super) scale: *const f32,
    /// Channels that are really there.
    pub(super) channels: usize,
}

// SAFETY: the pointers are only read, and the driver that makes ports borrows what they point at.
unsafe impl Send for Port {}
// SAFETY: as above.
unsafe impl Sync for Port {}

impl Port {
    #[inline(always)]
    pub(super) fn voxel(&self, axis: usize, sample: usize) -> isize {
        self.step * sample as isize + self.off[axis]
    }

    #[inline(always)]
    fn inside(&self, z: isize, y: isize, x: isize) -> bool {
        (0..self.size[0]).contains(&z)
            && (0..self.size[1]).contains(&y)
            && (0..self.size[2]).contains(&x)
    }

    /// # Safety
    /// The voxel is inside.
    #[inline(always)]
    pub(super) unsafe fn at(&self, z: isize, y: isize, x: isize) -> *const f32 {
        // SAFETY: the caller's.
        unsafe {
            self.from
                .offset(z * self.pitch[0] + y * self.pitch[1] + x * self.pitch[2])
        }
    }

    /// One voxel as a line, normalised and activated; zero outside.
    ///
    /// # Safety
    /// The processor has the instructions; the port's source is alive.
    #[inline(always)]
    pub(super) unsafe fn line<S: Simd>(&self, z: isize, y: isize, x: isize, to: *mut f32) {
        // SAFETY: every voxel is checked before it is read; `to` has room for a line.
        unsafe {
            let mut lanes = Line::ZERO;
            match self.kind {
                Kind::Lines if self.inside(z, y, x) => {
                    let from = self.at(z, y, x);
                    for half in 0..S::HALVES {
                        let lane = half * S::LANES;
                        S::store(to.add(lane), self.take::<S>(from, half));
                    }
                    return;
                }
                Kind::Single if self.inside(z, y, x) => lanes.0[0] = *self.at(z, y, x),
                Kind::Eight => {
                    for (i, lane) in lanes.0.iter_mut().take(8).enumerate() {
                        let (dz, dy, dx) = (i as isize / 4, i as isize / 2 % 2, i as isize % 2);
                        if self.inside(z + dz, y + dy, x + dx) {
                            *lane = *self.at(z + dz, y + dy, x + dx);
                        }
                    }
                }
                _ => {}
            }
            to.cast::<Line>().write(lanes);
        }
    }

    /// # Safety
    /// A line lies at `from`.
    #[inline(always)]
    unsafe fn take<S: Simd>(&self, from: *const f32, half: usize) -> S::V {
        let lane = half * S::LANES;
        // SAFETY: `scale` is null or two lines.
        unsafe {
            let v = S::load(from.add(lane));
            if self.scale.is_null() {
                return v;
            }
            leaky::<S>(S::fma(
                v,
                S::load(self.scale.add(lane)),
                S::load(self.scale.add(16 + lane)),
            ))
        }
    }

    /// The transformed tile whose first sample is voxel (z, y, x): IN * IN lines, `pitch` numbers apart.
    ///
    /// # Safety
    /// The processor has the instructions; the source is alive; `to` has room.
    #[inline(always)]
    pub(super) unsafe fn tile<S: Simd, W: Scheme>(
        &self,
        z: isize,
        y: isize,
        x: isize,
        to: *mut f32,
        pitch: usize,
    ) {
        let last = self.step * (W::IN as isize - 1);
        let whole = self.kind == Kind::Lines
            && y >= 0
            && x >= 0
            && y + last < self.size[1]
            && x + last < self.size[2];
        // SAFETY: `whole` tiles lie inside the plane, and the driver checked z; others go through `line`.
        unsafe {
            if whole {
                let from = self.at(z, y, x);
                let (row, pixel) = (self.step * self.pitch[1], self.step * self.pitch[2]);
                if self.scale.is_null() {
                    transform::<S, W, false>(from, row, pixel, self.scale, to, pitch);
                } else {
                    transform::<S, W, true>(from, row, pixel, self.scale, to, pitch);
                }
                return;
            }
            let mut patch = [Line::ZERO; 36];
            let mut at = patch.as_mut_ptr().cast::<f32>();
            if self.kind == Kind::Eight && self.cube_inside(z, y, x, last + 1) {
                for i in 0..W::IN as isize {
                    for j in 0..W::IN as isize {
                        let from = self.at(z, y + self.step * i, x + self.step * j);
                        for pair in 0..4 {
                            let (dz, dy) = (pair as isize / 2, pair as isize % 2);
                            let from = from.offset(dz * self.pitch[0] + dy * self.pitch[1]);
                            let two = from.cast::<[f32; 2]>().read_unaligned();
                            at.add(2 * pair).cast::<[f32; 2]>().write(two);
                        }
                        at = at.add(16);
                    }
                }
                return transform_patch::<S, W>(&patch, to, pitch);
            }
            for i in 0..W::IN as isize {
                for j in 0..W::IN as isize {
                    self.line::<S>(z, y + self.step * i, x + self.step * j, at);
                    at = at.add(16);
                }
            }
            transform_patch::<S, W>(&patch, to, pitch);
        }
    }

    /// Whether the voxels from (z, y, x) on, two slices deep and `last` further in plane, are all inside.
    #[inline(always)]
    fn cube_inside(&self, z: isize, y: isize, x: isize, last: isize) -> bool {
        self.inside(z, y, x) && self.inside(z + 1, y + last, x + last)
    }
}

/// A tile whose samples were gathered one behind the other.
///
/// # Safety
/// The processor has the instructions; `to` has room.
#[inline(always)]
unsafe fn transform_patch<S: Simd, W: Scheme>(patch: &[Line; 36], to: *mut f32, pitch: usize) {
    let from = patch.as_ptr().cast::<f32>();
    let row = W::IN as isize * 16;
    // SAFETY: the patch holds IN * IN lines.
    unsafe { transform::<S, W, false>(from, row, 16, std::ptr::null(), to, pitch) }
}

/// B^T d B of one tile.
///
/// # Safety
/// All samples can be read, all lines of `to` written.
#[inline(always)]
unsafe fn transform<S: Simd, W: Scheme, const NORM: bool>(
    from: *const f32,
    row: isize,
    pixel: isize,
    scale: *const f32,
    to: *mut f32,
    pitch: usize,
) {
    // SAFETY: the caller's.
    unsafe {
        for half in 0..S::HALVES {
            let lane = half * S::LANES;
            let zero = S::splat(0.0);
            let (mut a, mut b) = (zero, zero);
            if NORM {
                a = S::load(scale.add(lane));
                b = S::load(scale.add(16 + lane));
            }
            let mut columns = [[zero; 6]; 6];
            for j in 0..W::IN {
                let mut d = [zero; 6];
                for i in 0..W::IN {
                    let at = from.offset(i as isize * row + j as isize * pixel).add(lane);
                    d[i] = S::load(at);
                    if NORM {
                        d[i] = leaky::<S>(S::fma(d[i], a, b));
                    }
                }
                columns[j] = W::input::<S>(d);
            }
            for i in 0..W::IN {
                let mut d = [zero; 6];
                for j in 0..W::IN {
                    d[j] = columns[j][i];
                }
                let v = W::input::<S>(d);
                for j in 0..W::IN {
                    S::store(to.add((i * W::IN + j) * pitch + lane), v[j]);
                }
            }
        }
    }
}
