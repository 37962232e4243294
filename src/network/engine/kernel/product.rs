//! The product kernel: a few rows of transformed input times a panel of transformed filters.
//!
//! It is called once per block of rows, in-plane point and group of output channels, with the four depth points of
//! the nested Winograd form beside one another, and gives the two or three slices they combine to:
//!
//! ```text
//! m[e] = E[e] * U[e]            e = 0..4, each a matrix product with K = input channels
//! y0 = m0 + m1 + m2
//! y1 = m1 - m2                  (three slices: y2 = m1 + m2 + m3; two: y1 += m3)
//! ```
//! The sums stay in registers; m1 + m2 and m1 - m2 are parked on the stack and picked up as the start of the next
//! product, so that combining costs nothing extra.

use super::simd::{Job, Simd};

/// `len` consecutive input channels of a row, `at` numbers behind the row block's start.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Segment {
    pub(in super::super) at: usize,
    pub(in super::super) len: usize,
}

/// Arguments of one call. Rows lie 16 numbers apart in input and output.
pub(super) struct Product<'a> {
    /// Rows, at most `S::ROWS`.
    pub(super) rows: usize,
    /// Output blocks of 16 channels.
    pub(super) blocks: usize,
    /// First row of the first depth point.
    pub(super) input: *const f32,
    /// Numbers from one depth point to the next.
    pub(super) input_pitch: usize,
    /// Where the input channels of a row are.
    pub(super) segments: &'a [Segment],
    /// `[4][K][blocks * 16]`.
    pub(super) filters: *const f32,
    /// Numbers from one depth point's filters to the next: K * blocks * 16.
    pub(super) filters_pitch: usize,
    /// First row of each output slice; the third is null where there are two.
    pub(super) output: [*mut f32; 3],
    /// Numbers from one output block to the next.
    pub(super) block_pitch: usize,
}

/// Compiled for `ROWS` rows and `VECTORS` vectors of output channels.
struct Tile<'a, const ROWS: usize, const VECTORS: usize>(&'a Product<'a>);

pub(super) type Sums<S, const ROWS: usize, const VECTORS: usize> =
    [[<S as Simd>::V; VECTORS]; ROWS];

/// `start + input * filters`.
#[inline(always)]
pub(super) unsafe fn times<S: Simd, const ROWS: usize, const VECTORS: usize>(
    mut sums: Sums<S, ROWS, VECTORS>,
    segments: &[Segment],
    input: *const f32,
    mut filters: *const f32,
) -> Sums<S, ROWS, VECTORS> {
    // SAFETY: by the promise of `tile`, every segment of every row and K rows of filters can be read.
    unsafe {
        for segment in segments {
            let input = input.add(segment.at);
            for k in 0..segment.len {
                let mut weights = [S::splat(0.0); VECTORS];
                for v in 0..VECTORS {
                    weights[v] = S::load(filters.add(v * S::LANES));
                }
                for r in 0..ROWS {
                    let x = S::splat(*input.add(r * 16 + k));
                    for v in 0..VECTORS {
                        sums[r][v] = S::fma(x, weights[v], sums[r][v]);
                    }
                }
                filters = filters.add(VECTORS * S::LANES);
            }
        }
    }
    sums
}

impl<const ROWS: usize, const VECTORS: usize> Tile<'_, ROWS, VECTORS> {
    /// `start` plus the product of depth point `e`.
    #[inline(always)]
    unsafe fn point<S: Simd>(
        &self,
        e: usize,
        start: Sums<S, ROWS, VECTORS>,
    ) -> Sums<S, ROWS, VECTORS> {
        let p = self.0;
        // SAFETY: by the promise of `tile` four depth points lie behind both pointers.
        unsafe {
            times::<S, ROWS, VECTORS>(
                start,
                p.segments,
                p.input.add(e * p.input_pitch),
                p.filters.add(e * p.filters_pitch),
            )
        }
    }

    #[inline(always)]
    unsafe fn save<S: Simd>(&self, slice: usize, sums: &Sums<S, ROWS, VECTORS>) {
        let to = self.0.output[slice];
        for r in 0..ROWS {
            for v in 0..VECTORS {
                let lane = v * S::LANES;
                let at = lane / 16 * self.0.block_pitch + r * 16 + lane % 16;
                // SAFETY: by the promise of `tile` the row and its blocks can be written.
                unsafe { S::store(to.add(at), sums[r][v]) }
            }
        }
    }
}

impl<const ROWS: usize, const VECTORS: usize> Job for Tile<'_, ROWS, VECTORS> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: by the promise of `tile`.
        unsafe {
            let zero = [[S::splat(0.0); VECTORS]; ROWS];
            let first = self.point::<S>(1, zero);
            let second = self.point::<S>(2, zero);
            let (mut plus, mut minus) = (first, first);
            for r in 0..ROWS {
                for v in 0..VECTORS {
                    plus[r][v] = S::add(first[r][v], second[r][v]);
                    minus[r][v] = S::sub(first[r][v], second[r][v]);
                }
            }
            self.save::<S>(0, &self.point::<S>(0, plus));
            if self.0.output[2].is_null() {
                self.save::<S>(1, &self.point::<S>(3, minus));
            } else {
                self.save::<S>(1, &minus);
                self.save::<S>(2, &self.point::<S>(3, plus));
            }
        }
    }
}

/// Runs the kernel compiled for one number of rows.
///
/// # Safety
/// The processor has the instructions of `S`; the pointers of `job` reach as far as its fields say.
#[inline(always)]
pub(super) unsafe fn tile<S: Simd, const ROWS: usize, const VECTORS: usize>(job: &Product<'_>) {
    debug_assert_eq!(VECTORS * S::LANES, job.blocks * 16);
    // SAFETY: the caller's.
    unsafe { S::call(Tile::<ROWS, VECTORS>(job)) }
}

/// `job.rows` picks the compiled kernel of `kernel::tile`.
macro_rules! by_rows {
    ($kernel:ident, $isa:ty, $job:expr, $vectors:literal, [$($rows:literal)*]) => {
        match $job.rows {
            // SAFETY: the caller's promise, handed on.
            $($rows => unsafe { super::$kernel::tile::<$isa, $rows, $vectors>($job) },)*
            rows => unreachable!("{rows} rows: the driver cuts at Simd::ROWS"),
        }
    };
}
pub(super) use by_rows;
