//! The logistic function over millions of logits, in plain arithmetic that compilers turn into vectors.

use rayon::prelude::*;

/// Numbers that one thread takes at a time.
const CHUNK: usize = 1 << 16;

/// Every number becomes 1 / (1 + exp(-x)), within 2e-7. NaN stays NaN.
pub(super) fn sigmoid(values: &mut [f32]) {
    values.par_chunks_mut(CHUNK).for_each(|chunk| {
        for value in chunk {
            *value = one(*value);
        }
    });
}

/// exp by powers of two: x = n ln 2 + r with |r| <= ln 2 / 2, a polynomial for exp(r), n into the exponent.
fn one(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // Few bits, so that n times it is exact.
    const LN_2_HIGH: f32 = 355.0 / 512.0;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let t = (-x).clamp(-87.0, 87.0);
    let shifted = t * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (t - n * LN_2_HIGH) - n * LN_2_LOW;
    let p = 1.0 / 120.0 + r * (1.0 / 720.0);
    let p = 1.0 / 6.0 + r * (1.0 / 24.0 + r * p);
    let exp = 1.0 + r * (1.0 + r * (0.5 + r * p));
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    1.0 / (1.0 + exp * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sigmoid_is_right_everywhere_and_keeps_nan() {
        let mut worst = 0.0f64;
        for i in -400_000..=400_000 {
            let x = i as f32 * 2.5e-4;
            let want = 1.0 / (1.0 + (-f64::from(x)).exp());
            worst = worst.max((f64::from(one(x)) - want).abs());
        }
        assert!(worst < 2e-7, "{worst}");
        assert_eq!(one(0.0), 0.5);
        assert_eq!((one(1e30), one(f32::INFINITY)), (1.0, 1.0));
        assert!(one(-1e30) < 1e-37 && one(f32::NEG_INFINITY) >= 0.0);
        assert!(one(f32::NAN).is_nan());
    }
}
