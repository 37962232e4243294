//! Gaussian: smooths a field by millimetres, separable. Beyond the grid the edge's value goes on.

use super::{Volume, rows};
use rayon::prelude::*;

/// The field convolved with a Gaussian of standard deviation `sigma_mm` along every axis (cut off at 4 sigma,
/// weights add up to 1). An axis on which sigma is under a tenth of a voxel is left as it is.
pub fn gaussian(field: &Volume<f32>, sigma_mm: f64) -> Volume<f32> {
    let mut out = field.clone();
    let shape = field.shape();
    if out.data().is_empty() {
        return out;
    }
    for axis in 0..3 {
        let sigma = sigma_mm / field.spacing_mm()[axis];
        if sigma < 0.1 || shape[axis] == 1 {
            continue;
        }
        let kernel = kernel(sigma);
        if axis == 0 {
            out.data_mut().par_chunks_mut(shape[0]).for_each(|line| {
                let before = line.to_vec();
                for (i, value) in line.iter_mut().enumerate() {
                    *value = weighted(&kernel, i, before.len(), |n| before[n]);
                }
            });
        } else {
            rows::across(out.data_mut(), shape, axis, |rows| {
                let before: Vec<Vec<f32>> = rows.iter().map(|r| r.to_vec()).collect();
                for (n, row) in rows.iter_mut().enumerate() {
                    blend(&kernel, n, &before, row);
                }
            });
        }
    }
    out
}

/// Weights of the middle and of each step away from it.
fn kernel(sigma: f64) -> Vec<f32> {
    let reach = (4.0 * sigma).ceil() as usize;
    let raw: Vec<f64> = (0..=reach)
        .map(|n| (-0.5 * (n as f64 / sigma).powi(2)).exp())
        .collect();
    let sum = 2.0 * raw.iter().sum::<f64>() - raw[0];
    raw.iter().map(|w| (w / sum) as f32).collect()
}

fn weighted(kernel: &[f32], at: usize, length: usize, value: impl Fn(usize) -> f32) -> f32 {
    let mut sum = kernel[0] * value(at);
    for (n, weight) in kernel.iter().enumerate().skip(1) {
        sum += weight * (value(at.saturating_sub(n)) + value((at + n).min(length - 1)));
    }
    sum
}

/// One row as a weighted sum of whole rows: memory is walked in order.
fn blend(kernel: &[f32], at: usize, before: &[Vec<f32>], row: &mut [f32]) {
    for (value, old) in row.iter_mut().zip(&before[at]) {
        *value = kernel[0] * old;
    }
    for (n, weight) in kernel.iter().enumerate().skip(1) {
        let low = &before[at.saturating_sub(n)];
        let high = &before[(at + n).min(before.len() - 1)];
        for ((value, l), h) in row.iter_mut().zip(low).zip(high) {
            *value += weight * (l + h);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::testing::boxed;

    #[test]
    fn a_step_becomes_the_normal_distribution() {
        let half = boxed([64, 5, 5], [0.5, 1.0, 2.0], [32..64, 0..5, 0..5]);
        let smooth = gaussian(&half.map(|&v| if v { 1.0 } else { 0.0 }), 2.0);
        // One sigma (4 voxels) past the edge, which lies at index 31.5: Phi(1) = 0.8413.
        let low = f64::from(smooth.data()[smooth.offset([35, 2, 2])]);
        let high = f64::from(smooth.data()[smooth.offset([36, 2, 2])]);
        assert!(((low + high) / 2.0 - 0.8413).abs() < 0.003, "{low} {high}");
        assert!((f64::from(smooth.data()[smooth.offset([63, 0, 0])]) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn it_is_the_same_along_every_axis() {
        let mut along = Vec::new();
        for axis in 0..3 {
            let mut ranges = [0..21, 0..21, 0..21];
            ranges[axis] = 10..11;
            let plate = boxed([21; 3], [1.0; 3], ranges);
            let smooth = gaussian(&plate.map(|&v| if v { 1.0 } else { 0.0 }), 1.5);
            let mut at = [10; 3];
            at[axis] = 12;
            along.push(smooth.data()[smooth.offset(at)]);
        }
        assert!((along[0] - along[1]).abs() < 1e-6 && (along[0] - along[2]).abs() < 1e-6);
        assert!((along[0] - 0.1093).abs() < 5e-4, "{along:?}");
    }
}
