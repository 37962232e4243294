//! Three-dimensional convolutions in plain candle operations, which has none of its own.
//!
//! Tensors here are `[C, D, H, W]`: one sample, no batch axis. A convolution is one matrix product: for every tap of
//! the kernel a shifted view of the padded input, all views stacked into columns `[taps * C, n]`, and the kernel as
//! a matrix `[out, taps * C]`. Strides split the padded input into its phases first, a transposed convolution is
//! eight small convolutions, one for each output parity (recipe 3 of the reference's inference page). This keeps
//! the sums of one output in one product, copies whole rows, and lets the matrix library use the machine.
//!
//! Columns are made for slabs of output planes, so that memory stays bounded; the slab's size does not depend on
//! the thread count, so the bits do not either.

use candle_core::{Module, Result, Tensor};
use candle_nn::VarBuilder;
use rayon::prelude::*;

/// Columns of one slab hold about this many numbers (32 MiB).
const SLAB: usize = 8 << 20;

/// Kernel, stride, zero padding and distance of the taps, the same on every axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Conv3dConfig {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
    /// 1 but where the stride is 1.
    pub(super) dilation: usize,
}

impl Conv3dConfig {
    /// 3x3x3 that keeps the size.
    pub(super) const SAME: Self = Self {
        kernel: 3,
        stride: 1,
        padding: 1,
        dilation: 1,
    };
    /// 4x4x4 that halves the size, odd sizes rounded down.
    pub(super) const HALF: Self = Self {
        kernel: 4,
        stride: 2,
        padding: 1,
        dilation: 1,
    };
    /// 1x1x1.
    pub(super) const POINT: Self = Self {
        kernel: 1,
        stride: 1,
        padding: 0,
        dilation: 1,
    };

    /// 3x3x3 with taps `dilation` voxels apart that keeps the size.
    pub(super) fn dilated(dilation: usize) -> Self {
        Self {
            padding: dilation,
            dilation,
            ..Self::SAME
        }
    }

    fn size(&self, n: usize) -> usize {
        (n + 2 * self.padding - self.dilation * (self.kernel - 1) - 1) / self.stride + 1
    }
}

/// A convolution with bias; PyTorch's `Conv3d`, weight `[out, in, kD, kH, kW]`.
#[derive(Clone, Debug)]
pub(super) struct Conv3d {
    /// `[out, taps * in]`, the channel fastest.
    matrix: Tensor,
    /// `[out, 1]`.
    bias: Tensor,
    config: Conv3dConfig,
}

/// A convolution from `weight` and `bias` of `vb`.
pub(super) fn conv3d(i: usize, o: usize, config: Conv3dConfig, vb: VarBuilder) -> Result<Conv3d> {
    let k = config.kernel;
    let weight = vb.get((o, i, k, k, k), "weight")?;
    let matrix = weight
        .permute((0, 2, 3, 4, 1))?
        .reshape((o, k * k * k * i))?;
    let bias = vb.get(o, "bias")?.reshape((o, 1))?;
    Ok(Conv3d {
        matrix,
        bias,
        config,
    })
}

impl Module for Conv3d {
    /// `[in, D, H, W]` to `[out, D', H', W']`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let Conv3dConfig {
            kernel,
            stride,
            padding,
            dilation,
        } = self.config;
        let (_, d, h, w) = x.dims4()?;
        let out = [d, h, w].map(|n| self.config.size(n));
        // Every phase of the padded input holds as many planes as the last tap of that phase reaches.
        let reach = dilation * (kernel - 1) / stride;
        let phases = phases(x, padding, stride, out.map(|n| n + reach))?;
        let mut views = Vec::with_capacity(kernel.pow(3));
        for [a, b, c] in cube(kernel) {
            let phase = (a % stride * stride + b % stride) * stride + c % stride;
            let start = [a, b, c].map(|tap| tap * dilation / stride);
            views.push(window(&phases[phase], start, out)?);
        }
        product(&self.matrix, &views, &self.bias)
    }
}

/// A transposed convolution k4 s2 p1 with bias that doubles the size; PyTorch's `ConvTranspose3d`, weight
/// `[in, out, 4, 4, 4]`.
#[derive(Clone, Debug)]
pub(super) struct ConvTranspose3d {
    /// One matrix `[out, 8 * in]` for each parity of the output voxel, in the order of `cube(2)`.
    matrices: Vec<Tensor>,
    /// `[out, 1]`.
    bias: Tensor,
}

/// A transposed convolution from `weight` and `bias` of `vb`.
pub(super) fn conv_transpose3d(i: usize, o: usize, vb: VarBuilder) -> Result<ConvTranspose3d> {
    let weight = vb
        .get((i, o, 4, 4, 4), "weight")?
        .permute((1, 2, 3, 4, 0))?;
    // Along one axis out[2j] = w3 x[j-1] + w1 x[j] and out[2j+1] = w2 x[j] + w0 x[j+1].
    const TAPS: [[usize; 2]; 2] = [[3, 1], [2, 0]];
    let mut matrices = Vec::with_capacity(8);
    for [pd, ph, pw] in cube(2) {
        let mut columns = Vec::with_capacity(8);
        for [a, b, c] in cube(2) {
            let (d, h, w) = (TAPS[pd][a], TAPS[ph][b], TAPS[pw][c]);
            columns.push(
                weight
                    .narrow(1, d, 1)?
                    .narrow(2, h, 1)?
                    .narrow(3, w, 1)?
                    .reshape((o, i))?,
            );
        }
        matrices.push(Tensor::cat(&columns, 1)?);
    }
    let bias = vb.get(o, "bias")?.reshape((o, 1))?;
    Ok(ConvTranspose3d { matrices, bias })
}

impl Module for ConvTranspose3d {
    /// `[in, D, H, W]` to `[out, 2D, 2H, 2W]`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (_, d, h, w) = x.dims4()?;
        let padded = pad(x, 1, [d + 2, h + 2, w + 2])?;
        let mut parities = Vec::with_capacity(8);
        for (matrix, [pd, ph, pw]) in self.matrices.iter().zip(cube(2)) {
            let mut views = Vec::with_capacity(8);
            for [a, b, c] in cube(2) {
                views.push(window(&padded, [pd + a, ph + b, pw + c], [d, h, w])?);
            }
            parities.push(product(matrix, &views, &self.bias)?);
        }
        // Interleave: first along W (pairs of neighbours), then whole rows, then whole planes.
        let pairs = |half: Vec<Tensor>, axis: usize| -> Result<Vec<Tensor>> {
            half.par_chunks(2)
                .map(|two| Tensor::stack(two, axis + 1))
                .collect()
        };
        let rows = pairs(parities, 3)?; // 4 x [C, D, H, W, 2]
        let planes = pairs(rows, 2)?; // 2 x [C, D, H, 2, W, 2]
        let all = Tensor::stack(&planes, 2)?; // [C, D, 2, H, 2, W, 2]
        let o = self.bias.dim(0)?;
        all.reshape((o, 2 * d, 2 * h, 2 * w))
    }
}

/// All (a, b, c) below n, the last fastest.
fn cube(n: usize) -> impl Iterator<Item = [usize; 3]> {
    (0..n * n * n).map(move |t| [t / (n * n), t / n % n, t % n])
}

/// `x` with `before` zero planes in front of each axis, and zero planes or a cut behind, up to `size`.
fn pad(x: &Tensor, before: usize, size: [usize; 3]) -> Result<Tensor> {
    let mut x = x.clone();
    for (axis, n) in (1..).zip(size) {
        let have = x.dim(axis)?;
        let keep = have.min(n - before);
        x = x
            .narrow(axis, 0, keep)?
            .pad_with_zeros(axis, before, n - before - keep)?;
    }
    x.contiguous()
}

/// The padded input split into its `stride`^3 phases, each of `size` voxels: phase (a, b, c) holds every
/// `stride`-th voxel from (a, b, c) on.
fn phases(x: &Tensor, padding: usize, stride: usize, size: [usize; 3]) -> Result<Vec<Tensor>> {
    if stride == 1 && padding == 0 {
        return Ok(vec![x.clone()]);
    }
    let padded = pad(x, padding, size.map(|n| n * stride))?;
    if stride == 1 {
        return Ok(vec![padded]);
    }
    let (c, [d, h, w], s) = (x.dim(0)?, size, stride);
    let split = padded
        .reshape(vec![c, d, s, h, s, w, s])?
        .permute(vec![2, 4, 6, 0, 1, 3, 5])?;
    let split = split.contiguous()?.reshape(vec![s * s * s, c, d, h, w])?;
    (0..s * s * s).map(|phase| split.get(phase)).collect()
}

/// The view of `size` voxels from `start` on.
fn window(x: &Tensor, start: [usize; 3], size: [usize; 3]) -> Result<Tensor> {
    x.narrow(1, start[0], size[0])?
        .narrow(2, start[1], size[1])?
        .narrow(3, start[2], size[2])
}

/// `matrix [out, K]` times the stacked views (`K` channels in all) plus bias, slab by slab.
fn product(matrix: &Tensor, views: &[Tensor], bias: &Tensor) -> Result<Tensor> {
    let (o, k) = matrix.dims2()?;
    let (_, d, h, w) = views[0].dims4()?;
    let planes = (SLAB / (k * h * w)).clamp(1, d);
    let starts: Vec<usize> = (0..d).step_by(planes).collect();
    let slab = |&start: &usize| -> Result<Tensor> {
        let n = planes.min(d - start);
        let parts = views
            .iter()
            .map(|view| view.narrow(1, start, n))
            .collect::<Result<Vec<_>>>()?;
        let columns = Tensor::cat(&parts, 0)?.reshape((k, n * h * w))?;
        matrix
            .matmul(&columns)?
            .broadcast_add(bias)?
            .reshape((o, n, h, w))
    };
    let slabs = starts.par_iter().map(slab).collect::<Result<Vec<_>>>()?;
    Tensor::cat(&slabs, 1)?.contiguous()
}

#[cfg(test)]
mod tests {
    use super::super::seeded;
    use super::*;
    use candle_core::{DType, Device};
    use std::collections::HashMap;

    /// Seeded values in [-1, 1).
    fn tensor(key: &str, shape: &[usize]) -> Tensor {
        let n = shape.iter().product();
        Tensor::from_vec(seeded::units(key, n), shape, &Device::Cpu).unwrap()
    }

    fn weights(shape: &[usize], o: usize) -> VarBuilder<'static> {
        let both = [
            ("weight", tensor("weight", shape)),
            ("bias", tensor("bias", &[o])),
        ];
        let both: HashMap<String, Tensor> = both.map(|(k, t)| (k.to_string(), t)).into();
        VarBuilder::from_tensors(both, DType::F32, &Device::Cpu)
    }

    fn values(t: &Tensor) -> Vec<f32> {
        t.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// out[o, q] = bias + sum over taps and channels, straight from the definition, in f64.
    fn direct(x: &Tensor, i: usize, o: usize, config: Conv3dConfig) -> Vec<f64> {
        let (_, d, h, w) = x.dims4().unwrap();
        let Conv3dConfig {
            kernel: k,
            stride,
            padding,
            dilation,
        } = config;
        let (x, weight, bias) = (
            values(x),
            values(&tensor("weight", &[o, i, k, k, k])),
            values(&tensor("bias", &[o])),
        );
        let mut out = Vec::new();
        for (co, &shift) in bias.iter().enumerate() {
            for z in 0..config.size(d) {
                for y in 0..config.size(h) {
                    for q in 0..config.size(w) {
                        let mut sum = f64::from(shift);
                        for ci in 0..i {
                            for [a, b, c] in cube(k) {
                                let at = [z * stride, y * stride, q * stride];
                                let at = [
                                    at[0] + a * dilation,
                                    at[1] + b * dilation,
                                    at[2] + c * dilation,
                                ]
                                .map(|p| p.wrapping_sub(padding));
                                if at[0] < d && at[1] < h && at[2] < w {
                                    let tap = (((co * i + ci) * k + a) * k + b) * k + c;
                                    let voxel = ((ci * d + at[0]) * h + at[1]) * w + at[2];
                                    sum += f64::from(x[voxel]) * f64::from(weight[tap]);
                                }
                            }
                        }
                        out.push(sum);
                    }
                }
            }
        }
        out
    }

    fn close(have: &Tensor, want: &[f64]) {
        let have = values(have);
        assert_eq!(have.len(), want.len());
        for (at, (a, b)) in have.iter().zip(want).enumerate() {
            assert!((f64::from(*a) - b).abs() < 2e-5, "{at}: {a} {b}");
        }
    }

    #[test]
    fn convolutions_equal_their_definition_at_odd_and_even_sizes() {
        let halving = Conv3dConfig {
            kernel: 2,
            padding: 0,
            ..Conv3dConfig::HALF
        };
        let stem = Conv3dConfig {
            kernel: 7,
            padding: 3,
            ..Conv3dConfig::SAME
        };
        for config in [
            Conv3dConfig::SAME,
            Conv3dConfig::HALF,
            Conv3dConfig::POINT,
            Conv3dConfig::dilated(2),
            Conv3dConfig::dilated(8),
            halving,
            stem,
        ] {
            for [d, h, w] in [[5, 6, 7], [8, 7, 4]] {
                let k = config.kernel;
                let layer = conv3d(3, 2, config, weights(&[2, 3, k, k, k], 2)).unwrap();
                let x = tensor("x", &[3, d, h, w]);
                let y = layer.forward(&x).unwrap();
                assert_eq!(
                    y.dims(),
                    [2, config.size(d), config.size(h), config.size(w)]
                );
                close(&y, &direct(&x, 3, 2, config));
            }
        }
    }

    #[test]
    fn a_transposed_convolution_equals_its_definition() {
        let (i, o, [d, h, w]) = (3, 2, [3, 4, 5]);
        let layer = conv_transpose3d(i, o, weights(&[i, o, 4, 4, 4], o)).unwrap();
        let x = tensor("x", &[i, d, h, w]);
        let (xs, weight, bias) = (
            values(&x),
            values(&tensor("weight", &[i, o, 4, 4, 4])),
            values(&tensor("bias", &[o])),
        );
        // Every input voxel throws its 64 taps: out[2j - 1 + k] += x[j] w[k].
        let (dd, hh, ww) = (2 * d, 2 * h, 2 * w);
        let mut want: Vec<f64> = (0..o * dd * hh * ww)
            .map(|q| f64::from(bias[q / (dd * hh * ww)]))
            .collect();
        for ci in 0..i {
            for (at, [z, y, q]) in (0..d * h * w).map(|t| (t, [t / (h * w), t / w % h, t % w])) {
                for co in 0..o {
                    for [a, b, c] in cube(4) {
                        let to = [2 * z + a, 2 * y + b, 2 * q + c].map(|p| p.wrapping_sub(1));
                        if to[0] < dd && to[1] < hh && to[2] < ww {
                            let tap = (((ci * o + co) * 4 + a) * 4 + b) * 4 + c;
                            want[((co * dd + to[0]) * hh + to[1]) * ww + to[2]] +=
                                f64::from(xs[ci * d * h * w + at]) * f64::from(weight[tap]);
                        }
                    }
                }
            }
        }
        let y = layer.forward(&x).unwrap();
        assert_eq!(y.dims(), [o, dd, hh, ww]);
        close(&y, &want);
    }
}
