//! The two Winograd schemes: how many samples make how many outputs, and the transforms between.
//!
//! | scheme | in plane | along depth | multiplications an output | used by |
//! |---|---|---|---|---|
//! | [`Three`] | F(4x4, 3x3), points 0, 1, -1, 1/2, -2 | F(2, 3) | 4.5 of 27 | 3x3x3 convolutions |
//! | [`Two`] | F(3x3, 2x2), points 0, 1, -1 | F(3, 2) | 2.37 of 8 | the 2x2x2 taps of strided and transposed k4 |
//!
//! The points 1/2 and -2 instead of 2 and -2 halve the worst error of F(4x4, 3x3) and cost a few additions. Both
//! depth forms take four samples through the same transform: d0 - d2, d1 + d2, d2 - d1, d3 - d1.
//! General recipe: A^T holds the powers of the points, G the powers divided by the products of differences, and B^T
//! solves A^T (G g * B^T d) = correlation. `filters.rs` holds G, the tests at the foot check the identity.

use super::simd::Simd;

/// One scheme. Arrays are as long as the larger scheme needs; what a scheme does not use is left alone.
pub(super) trait Scheme: Copy + 'static {
    /// Samples along one in-plane axis of a tile.
    const IN: usize;
    /// Outputs along one in-plane axis of a tile.
    const OUT: usize;
    /// Output slices of the four input slices of a depth step.
    const SLICES: usize;
    /// B^T d.
    unsafe fn input<S: Simd>(d: [S::V; 6]) -> [S::V; 6];
    /// A^T m.
    unsafe fn output<S: Simd>(m: [S::V; 6]) -> [S::V; 4];
}

/// Three taps an axis.
#[derive(Clone, Copy)]
pub(super) struct Three;

impl Scheme for Three {
    const IN: usize = 6;
    const OUT: usize = 4;
    const SLICES: usize = 2;

    #[inline(always)]
    unsafe fn input<S: Simd>(d: [S::V; 6]) -> [S::V; 6] {
        // SAFETY: the caller's processor has the instructions.
        unsafe {
            let (more, half, two) = (S::splat(1.5), S::splat(-0.5), S::splat(2.0));
            let less = S::splat(-2.0);
            let s = S::sub(d[4], d[2]);
            let r = S::sub(d[3], d[1]);
            [
                S::fma(more, r, S::fma(less, d[2], S::add(d[0], d[4]))),
                S::fma(more, S::add(d[2], d[3]), S::add(s, r)),
                S::fma(more, S::sub(d[3], d[2]), S::sub(s, r)),
                S::fma(two, r, s),
                S::fma(half, r, s),
                S::fma(more, s, S::fma(less, d[3], S::add(d[1], d[5]))),
            ]
        }
    }

    #[inline(always)]
    unsafe fn output<S: Simd>(m: [S::V; 6]) -> [S::V; 4] {
        // SAFETY: the caller's processor has the instructions.
        unsafe {
            let plus = S::add(m[1], m[2]);
            let minus = S::sub(m[1], m[2]);
            let (a, b) = (m[3], m[4]);
            [
                S::add(S::add(m[0], plus), S::add(a, b)),
                S::fma(S::splat(0.5), a, S::fma(S::splat(-2.0), b, minus)),
                S::fma(S::splat(0.25), a, S::fma(S::splat(4.0), b, plus)),
                S::fma(
                    S::splat(0.125),
                    a,
                    S::fma(S::splat(-8.0), b, S::add(minus, m[5])),
                ),
            ]
        }
    }
}

/// Two taps an axis.
#[derive(Clone, Copy)]
pub(super) struct Two;

impl Scheme for Two {
    const IN: usize = 4;
    const OUT: usize = 3;
    const SLICES: usize = 3;

    #[inline(always)]
    unsafe fn input<S: Simd>(d: [S::V; 6]) -> [S::V; 6] {
        // SAFETY: the caller's processor has the instructions.
        unsafe {
            [
                S::sub(d[0], d[2]),
                S::add(d[1], d[2]),
                S::sub(d[2], d[1]),
                S::sub(d[3], d[1]),
                d[4],
                d[5],
            ]
        }
    }

    #[inline(always)]
    unsafe fn output<S: Simd>(m: [S::V; 6]) -> [S::V; 4] {
        // SAFETY: the caller's processor has the instructions.
        unsafe {
            let plus = S::add(m[1], m[2]);
            [
                S::add(m[0], plus),
                S::sub(m[1], m[2]),
                S::add(plus, m[3]),
                m[4],
            ]
        }
    }
}
