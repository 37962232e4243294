//! The few vector operations that the kernels are written in, and how a kernel is compiled once per instruction set.
//!
//! A kernel is a [`Job`]: a struct of arguments with one generic `run`. `run` and every helper it uses are
//! `#[inline(always)]` and take `S: Simd`; `S::call` wraps `run` in a function that carries the instruction set's
//! `#[target_feature]`, so that the whole body is compiled with it. A helper that is not inlined would be compiled
//! without the feature: right, but ten times slower.

/// Work that can be compiled for every instruction set.
pub(super) trait Job {
    /// What it returns.
    type Out;
    /// # Safety
    /// The processor has the instructions of `S`, and whatever the job says about its pointers holds.
    unsafe fn run<S: Simd>(self) -> Self::Out;
}

/// Vectors of `LANES` numbers; `HALVES` of them are one [`Line`](super::memory::Line).
///
/// # Safety of all functions
/// The processor has the instructions. Loads and stores need `LANES` numbers behind the pointer, of any alignment.
pub(super) trait Simd: Copy + 'static {
    type V: Copy;
    /// Numbers in a vector: 4, 8 or 16.
    const LANES: usize;
    /// Vectors in a line.
    const HALVES: usize = 16 / Self::LANES;
    /// Rows of the product kernel; with the widest output group and a vector of weights they fill the registers.
    const ROWS: usize;

    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(at: *const f32) -> Self::V;
    unsafe fn store(at: *mut f32, v: Self::V);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// a * b + c
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger one; `b` where either is NaN.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// Sum of the lanes.
    unsafe fn sum(v: Self::V) -> f32;
    /// Runs `job` compiled with these instructions.
    unsafe fn call<J: Job>(job: J) -> J::Out;
    /// Runs the product kernel of the right number of rows.
    unsafe fn product(job: &super::product::Product<'_>);
    /// The same for the kernel of a join.
    unsafe fn join(job: &super::join::Rows<'_>);
}

/// LeakyReLU with slope 0.01. NaN stays NaN.
#[inline(always)]
pub(super) unsafe fn leaky<S: Simd>(v: S::V) -> S::V {
    // SAFETY: the caller's processor has the instructions.
    unsafe { S::max(v, S::mul(v, S::splat(0.01))) }
}

/// Sixteen lanes without any vector instruction: the reference of the others, and what is left on other machines.
#[derive(Clone, Copy)]
pub(super) struct Scalar;

#[inline(always)]
fn each(f: impl Fn(usize) -> f32) -> [f32; 16] {
    std::array::from_fn(f)
}

impl Simd for Scalar {
    type V = [f32; 16];
    const LANES: usize = 16;
    const ROWS: usize = 2;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        [x; 16]
    }
    #[inline(always)]
    unsafe fn load(at: *const f32) -> Self::V {
        // SAFETY: 16 numbers lie behind the pointer.
        unsafe { at.cast::<[f32; 16]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(at: *mut f32, v: Self::V) {
        // SAFETY: there is room for 16 numbers behind the pointer.
        unsafe { at.cast::<[f32; 16]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Two roundings: a fused one would be a library call without the instruction.
        each(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        each(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn sum(v: Self::V) -> f32 {
        let by_four: [f32; 4] = std::array::from_fn(|i| (v[i] + v[i + 8]) + (v[i + 4] + v[i + 12]));
        (by_four[0] + by_four[2]) + (by_four[1] + by_four[3])
    }
    unsafe fn call<J: Job>(job: J) -> J::Out {
        // SAFETY: no instructions beyond the target's are used; the pointers are the caller's promise.
        unsafe { job.run::<Self>() }
    }
    unsafe fn product(job: &super::product::Product<'_>) {
        super::product::by_rows!(product, Self, job, 1, [1 2]);
    }
    unsafe fn join(job: &super::join::Rows<'_>) {
        super::product::by_rows!(join, Self, job, 1, [1 2]);
    }
}
