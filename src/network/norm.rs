//! GroupNorm with one group a channel, then LeakyReLU: the pair that follows every convolution but skip and head.

use candle_core::{DType, Module, Result, Tensor};
use candle_nn::VarBuilder;
use rayon::prelude::*;

const EPS: f64 = 1e-5;
const SLOPE: f64 = 0.01;
/// Numbers that are widened to f64 at a time.
const CHUNK: usize = 1 << 18;

/// Scale and shift of one channel each.
#[derive(Clone, Debug)]
pub(super) struct NormAct {
    weight: Vec<f64>,
    bias: Vec<f64>,
}

/// Norm and activation over `channels` channels, from `weight` and `bias` of `vb`.
pub(super) fn norm_act(channels: usize, vb: VarBuilder) -> Result<NormAct> {
    let take = |name| {
        vb.get(channels, name)?
            .to_dtype(DType::F64)?
            .to_vec1::<f64>()
    };
    Ok(NormAct {
        weight: take("weight")?,
        bias: take("bias")?,
    })
}

impl Module for NormAct {
    /// `[C, D, H, W]` to the same shape.
    ///
    /// candle's own `GroupNorm` sums in f32 and loses digits over millions of voxels, and all of them where the
    /// mean is large against the deviation: statistics are taken in f64 here, and the mean is subtracted before
    /// anything is scaled.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let channel = |c: usize| -> Result<Tensor> {
            let x = x.narrow(0, c, 1)?.contiguous()?;
            let (mean, variance) = moments(&x.flatten_all()?)?;
            let scale = self.weight[c] / (variance + EPS).sqrt();
            // What is subtracted is an f32; the rest of the mean goes into the shift.
            let near = f64::from(mean as f32);
            let y = x
                .affine(1.0, -near)?
                .affine(scale, self.bias[c] - (mean - near) * scale)?;
            y.maximum(&(&y * SLOPE)?)
        };
        let channels = (0..x.dim(0)?)
            .into_par_iter()
            .map(channel)
            .collect::<Result<Vec<_>>>()?;
        Tensor::cat(&channels, 0)
    }
}

/// Mean and biased variance of a flat tensor, two passes in f64.
fn moments(x: &Tensor) -> Result<(f64, f64)> {
    let n = x.elem_count();
    let sum = |f: &dyn Fn(Tensor) -> Result<Tensor>| -> Result<f64> {
        let mut total = 0.0;
        for start in (0..n).step_by(CHUNK) {
            let part = x
                .narrow(0, start, CHUNK.min(n - start))?
                .to_dtype(DType::F64)?;
            total += f(part)?.sum_all()?.to_scalar::<f64>()?;
        }
        Ok(total)
    };
    let mean = sum(&Ok)? / n as f64;
    let variance = sum(&|part| part.affine(1.0, -mean)?.sqr())? / n as f64;
    Ok((mean, variance))
}

#[cfg(test)]
mod tests {
    use super::super::seeded;
    use super::*;
    use candle_core::Device;

    #[test]
    fn a_mean_far_from_zero_costs_no_digits() {
        // The reference's trap: 100 +- 0.01, where sums in f32 are wrong in the third digit.
        let data: Vec<f32> = seeded::units("x", 2 * 1080)
            .iter()
            .map(|u| 100.0 + 0.01 * u)
            .collect();
        let x = Tensor::from_slice(&data, (2, 10, 12, 9), &Device::Cpu).unwrap();
        let layer = NormAct {
            weight: vec![1.0, 0.5],
            bias: vec![0.0, 0.25],
        };
        let have: Vec<f32> = layer
            .forward(&x)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap();
        for c in 0..2 {
            let v: Vec<f64> = data[c * 1080..][..1080]
                .iter()
                .map(|&v| f64::from(v))
                .collect();
            let mean = v.iter().sum::<f64>() / 1080.0;
            let var = v.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 1080.0;
            for (i, v) in v.iter().enumerate() {
                let y = (v - mean) / (var + EPS).sqrt() * layer.weight[c] + layer.bias[c];
                let want = if y < 0.0 { y * SLOPE } else { y };
                assert!(
                    (f64::from(have[c * 1080 + i]) - want).abs() < 2e-6,
                    "{c} {i}"
                );
            }
        }
    }
}
