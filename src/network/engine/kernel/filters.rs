//! Filters into Winograd form, in f64, rounded once.
//!
//! They are made just before the layer that needs them: all of them together would be 250 MiB, the ones of one layer
//! are 67 MiB at most and lie in memory that is free at that moment. It costs 2 % of a forward.

use super::memory::Line;
use super::shared::Shared;
use super::simd::{Job, Simd};

/// G of F(4, 3) with the points 0, 1, -1, 1/2, -2 and infinity.
const PLANE_THREE: [[f64; 3]; 6] = [
    [1.0, 0.0, 0.0],
    [1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0],
    [-1.0 / 3.0, 1.0 / 3.0, -1.0 / 3.0],
    [-16.0 / 15.0, -8.0 / 15.0, -4.0 / 15.0],
    [1.0 / 15.0, -2.0 / 15.0, 4.0 / 15.0],
    [0.0, 0.0, 1.0],
];
/// G of F(2, 3) with the points 0, 1, -1 and infinity.
const DEPTH_THREE: [[f64; 3]; 4] = [
    [1.0, 0.0, 0.0],
    [0.5, 0.5, 0.5],
    [0.5, -0.5, 0.5],
    [0.0, 0.0, 1.0],
];
/// G of F(3, 2) with the points 0, 1, -1 and infinity.
const TWO: [[f64; 3]; 4] = [
    [1.0, 0.0, 0.0],
    [0.5, 0.5, 0.0],
    [0.5, -0.5, 0.0],
    [0.0, 1.0, 0.0],
];

/// Filters of one output block: `taps^3` lines for each of `k` input channels become `points` * 4 lines each.
pub(super) struct Transform<'a> {
    /// 3 or 2 taps an axis.
    pub(super) taps: usize,
    /// `[k][taps][taps][taps]` lines, the lane is the output channel.
    pub(super) from: &'a [Line],
    /// `[point][group][4][k][blocks]` lines.
    pub(super) to: Shared<'a>,
    /// Input channels.
    pub(super) k: usize,
    /// This block of 16 output channels, of `n` in all, taken in groups of `blocks`.
    pub(super) block: usize,
    pub(super) n: usize,
    pub(super) blocks: usize,
}

type Wide = [f64; 16];

/// sum of g[t] * taps[t]
#[inline(always)]
fn combine(g: &[f64; 3], taps: [&Wide; 3]) -> Wide {
    let mut out = [0.0; 16];
    for i in 0..16 {
        out[i] = g[0] * taps[0][i] + g[1] * taps[1][i] + g[2] * taps[2][i];
    }
    out
}

impl Job for Transform<'_> {
    type Out = ();

    /// # Safety
    /// `to` holds points * n * 4 * k lines, and nobody else touches this block's.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller's.
        unsafe {
            if self.taps == 3 {
                self.all::<6>(&PLANE_THREE, &DEPTH_THREE);
            } else {
                self.all::<4>(&TWO, &TWO);
            }
        }
    }
}

impl Transform<'_> {
    #[inline(always)]
    unsafe fn all<const P: usize>(&self, plane: &[[f64; 3]; P], depth: &[[f64; 3]; 4]) {
        let t = self.taps;
        let (group, lane) = (self.block / self.blocks, self.block % self.blocks);
        let groups = self.n / self.blocks;
        let zero: Wide = [0.0; 16];
        for k in 0..self.k {
            let lines = &self.from[k * t * t * t..][..t * t * t];
            // A third tap that is not there is zero.
            let mut g = [[[zero; 3]; 3]; 3];
            for (i, line) in lines.iter().enumerate() {
                for c in 0..16 {
                    g[i / (t * t)][i / t % t][i % t][c] = f64::from(line.0[c]);
                }
            }
            // Rows, columns, depth.
            let mut rows = [[[zero; 3]; P]; 3];
            for z in 0..t {
                for x in 0..t {
                    for i in 0..P {
                        rows[z][i][x] = combine(&plane[i], [&g[z][0][x], &g[z][1][x], &g[z][2][x]]);
                    }
                }
            }
            for i in 0..P {
                for j in 0..P {
                    let mut along = [zero; 3];
                    for z in 0..t {
                        let row = &rows[z][i];
                        along[z] = combine(&plane[j], [&row[0], &row[1], &row[2]]);
                    }
                    let point = i * P + j;
                    for (e, weights) in depth.iter().enumerate() {
                        let wide = combine(weights, [&along[0], &along[1], &along[2]]);
                        let mut line = Line::ZERO;
                        for c in 0..16 {
                            line.0[c] = wide[c] as f32;
                        }
                        let at = ((point * groups + group) * 4 + e) * self.k + k;
                        // SAFETY: at * blocks + lane < points * n * 4 * k; no other job has this `lane` of `group`.
                        unsafe { self.to.line(at * self.blocks + lane).write(line) }
                    }
                }
            }
        }
    }
}
