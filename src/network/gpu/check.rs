//! The stored case: before a GPU may answer, it has to answer this one as the CPU does, with the very weights in use.
//!
//! Logits are compared, not probabilities: those of trained weights are mostly 0 or 1, and so would be those of a
//! broken kernel.

use super::{Engine, Fault};

/// Voxels along z, y, x: the smallest level has 3x2x3 of them.
pub(in crate::network) const SIZE: [usize; 3] = [48, 40, 48];

/// Root mean square of the differences that may be there, in hundredths of the logits' standard deviation. Rounding to
/// fp16 was seen to make 0.6 of them in V3 and 1.9 in V1; one voxel out of place makes more than 10.
const MOST_PERCENT: u32 = 5;

/// The case: a hollow head with a hole, that of the parity fixtures; 1 is bone.
pub(in crate::network) fn head([d, h, w]: [usize; 3]) -> Vec<f32> {
    let [i, j, k] = [d, h, w].map(|n| (0..n as i64).map(move |i| 2 * i - (n as i64 - 1)));
    let (d, h, w) = (d as i64, h as i64, w as i64);
    let inside = |at: [i64; 3], half: [i64; 3]| {
        let square = |a: usize| (at[a] as f64 / half[a] as f64).powi(2);
        square(0) + square(1) + square(2) <= 1.0
    };
    let mut volume = Vec::new();
    for z in i {
        for y in j.clone() {
            for x in k.clone() {
                let bone = inside([z, y, x], [d - 4, h - 4, w - 4])
                    && !inside([z, y, x], [d - 12, h - 12, w - 12])
                    && x > -(w / 2);
                let off = [z - d / 4, y - h / 2, x - w / 2];
                let hole = off.iter().map(|v| v * v).sum::<i64>() <= (d / 3).pow(2);
                volume.push(f32::from(u8::from(bone && !hole)));
            }
        }
    }
    volume
}

/// Asks `engine` for the logits of the case and holds them against `want`.
///
/// # Errors
/// A fault of the GPU, or [`Fault::Wrong`].
pub(in crate::network) fn check(engine: &mut Engine, want: &[f32]) -> Result<(), Fault> {
    compare(&engine.run(&head(SIZE), SIZE, true, &mut |_| ())?, want)
}

/// Holds logits of a case against those of the CPU.
///
/// # Errors
/// [`Fault::Wrong`].
pub(in crate::network) fn compare(have: &[f32], want: &[f32]) -> Result<(), Fault> {
    let percent = difference(have, want);
    if percent <= f64::from(MOST_PERCENT) {
        return Ok(());
    }
    Err(Fault::Wrong {
        percent: percent.ceil() as u32,
        most: MOST_PERCENT,
    })
}

/// Root mean square of the differences in hundredths of the spread of `want`. What is not a number counts as infinite.
pub(super) fn difference(have: &[f32], want: &[f32]) -> f64 {
    let n = want.len() as f64;
    let mean = want.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let spread = want
        .iter()
        .map(|&v| (f64::from(v) - mean).powi(2))
        .sum::<f64>()
        / n;
    let pairs = have.iter().zip(want);
    let error = pairs.map(|(&a, &b)| f64::from(a - b).powi(2)).sum::<f64>() / n;
    let percent = 100.0 * (error / spread.max(f64::MIN_POSITIVE)).sqrt();
    if percent.is_nan() {
        f64::INFINITY
    } else {
        percent
    }
}
