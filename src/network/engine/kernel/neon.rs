//! NEON of aarch64, 4 lanes.

use super::join::Rows;
use super::product::{Product, by_rows};
use super::simd::{Job, Simd};
use std::arch::aarch64::*;

/// 32 registers: 6 rows x 4 vectors of sums, 4 of weights, 1 of input.
#[derive(Clone, Copy)]
pub(super) struct Neon;

impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;
    const ROWS: usize = 6;

    #[inline(always)]
    unsafe fn splat(x: f32) -> float32x4_t {
        // SAFETY: the caller's processor has NEON.
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    unsafe fn load(at: *const f32) -> float32x4_t {
        // SAFETY: the caller's processor has NEON, and 4 numbers lie behind the pointer.
        unsafe { vld1q_f32(at) }
    }
    #[inline(always)]
    unsafe fn store(at: *mut f32, v: float32x4_t) {
        // SAFETY: as above.
        unsafe { vst1q_f32(at, v) }
    }
    #[inline(always)]
    unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the caller's processor has NEON.
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the caller's processor has NEON.
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the caller's processor has NEON.
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: the caller's processor has NEON.
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // `vmaxq` gives NaN where either is NaN, which is what the callers need.
        // SAFETY: the caller's processor has NEON.
        unsafe { vmaxq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn sum(v: float32x4_t) -> f32 {
        // SAFETY: the caller's processor has NEON.
        unsafe { vaddvq_f32(v) }
    }
    #[inline(always)]
    unsafe fn call<J: Job>(job: J) -> J::Out {
        #[target_feature(enable = "neon")]
        unsafe fn with<J: Job>(job: J) -> J::Out {
            // SAFETY: this function carries the instructions; the pointers are the caller's promise.
            unsafe { job.run::<Neon>() }
        }
        // SAFETY: the caller's processor has NEON.
        unsafe { with(job) }
    }
    unsafe fn product(job: &Product<'_>) {
        by_rows!(product, Self, job, 4, [1 2 3 4 5 6]);
    }
    unsafe fn join(job: &Rows<'_>) {
        by_rows!(join, Self, job, 4, [1 2 3 4 5 6]);
    }
}
