//! AVX2 with FMA (8 lanes) and AVX-512 (16 lanes).

use super::join::Rows;
use super::product::{Product, by_rows};
use super::simd::{Job, Simd};
use std::arch::x86_64::*;

/// 16 registers: 6 rows x 2 vectors of sums, 2 of weights, 1 of input.
#[derive(Clone, Copy)]
pub(super) struct Avx2;

impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;
    const ROWS: usize = 6;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m256 {
        // SAFETY: the caller's processor has AVX2.
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(at: *const f32) -> __m256 {
        // SAFETY: the caller's processor has AVX2, and 8 numbers lie behind the pointer.
        unsafe { _mm256_loadu_ps(at) }
    }
    #[inline(always)]
    unsafe fn store(at: *mut f32, v: __m256) {
        // SAFETY: as above.
        unsafe { _mm256_storeu_ps(at, v) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller's processor has AVX2.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller's processor has AVX2.
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller's processor has AVX2.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: the caller's processor has FMA.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller's processor has AVX2.
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sum(v: __m256) -> f32 {
        // SAFETY: the caller's processor has AVX2.
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }
    #[inline(always)]
    unsafe fn call<J: Job>(job: J) -> J::Out {
        #[target_feature(enable = "avx2,fma")]
        unsafe fn with<J: Job>(job: J) -> J::Out {
            // SAFETY: this function carries the instructions; the pointers are the caller's promise.
            unsafe { job.run::<Avx2>() }
        }
        // SAFETY: the caller's processor has AVX2 and FMA.
        unsafe { with(job) }
    }
    unsafe fn product(job: &Product<'_>) {
        by_rows!(product, Self, job, 2, [1 2 3 4 5 6]);
    }
    unsafe fn join(job: &Rows<'_>) {
        by_rows!(join, Self, job, 2, [1 2 3 4 5 6]);
    }
}

/// 32 registers: 14 rows x 2 vectors of sums, 2 of weights, 1 of input; 14 x 1 where there is a single block.
#[derive(Clone, Copy)]
pub(super) struct Avx512;

impl Simd for Avx512 {
    type V = __m512;
    const LANES: usize = 16;
    const ROWS: usize = 14;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        // SAFETY: the caller's processor has AVX-512.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(at: *const f32) -> __m512 {
        // SAFETY: the caller's processor has AVX-512, and 16 numbers lie behind the pointer.
        unsafe { _mm512_loadu_ps(at) }
    }
    #[inline(always)]
    unsafe fn store(at: *mut f32, v: __m512) {
        // SAFETY: as above.
        unsafe { _mm512_storeu_ps(at, v) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller's processor has AVX-512.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller's processor has AVX-512.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller's processor has AVX-512.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: the caller's processor has AVX-512.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller's processor has AVX-512.
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sum(v: __m512) -> f32 {
        // SAFETY: the caller's processor has AVX-512, and with it AVX2.
        unsafe {
            let upper = _mm512_extractf32x8_ps::<1>(v);
            Avx2::sum(_mm256_add_ps(_mm512_castps512_ps256(v), upper))
        }
    }
    #[inline(always)]
    unsafe fn call<J: Job>(job: J) -> J::Out {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
        unsafe fn with<J: Job>(job: J) -> J::Out {
            // SAFETY: this function carries the instructions; the pointers are the caller's promise.
            unsafe { job.run::<Avx512>() }
        }
        // SAFETY: the caller's processor has AVX-512.
        unsafe { with(job) }
    }
    unsafe fn product(job: &Product<'_>) {
        if job.blocks == 2 {
            by_rows!(product, Self, job, 2, [1 2 3 4 5 6 7 8 9 10 11 12 13 14]);
        } else {
            by_rows!(product, Self, job, 1, [1 2 3 4 5 6 7 8 9 10 11 12 13 14]);
        }
    }
    unsafe fn join(job: &Rows<'_>) {
        if job.blocks == 2 {
            by_rows!(join, Self, job, 2, [1 2 3 4 5 6 7 8 9 10 11 12 13 14]);
        } else {
            by_rows!(join, Self, job, 1, [1 2 3 4 5 6 7 8 9 10 11 12 13 14]);
        }
    }
}
