//! The block of CraNeXt: depthwise 7x7x7, channel norm, four times as many channels, exact GELU, response norm, back.
//!
//! Tensors are `[C, D, H, W]`. What is four times as large never exists whole: it is made slab by slab, once for the
//! response norm's statistics and once for the answer. A slab's size depends on the tensor alone, so the bits do not
//! depend on the threads.

use candle_core::{Module, Result, Tensor};
use candle_nn::VarBuilder;
use rayon::prelude::*;

const EPS: f64 = 1e-6;
/// A slab of the widened tensor holds about this many numbers (32 MiB).
const SLAB: usize = 8 << 20;
/// Edge of the depthwise kernel, and its reach.
const K: usize = 7;
const REACH: usize = K / 2;

/// LayerNorm over the channels of each voxel, biased variance.
#[derive(Clone, Debug)]
pub(super) struct ChannelNorm {
    /// `[C, 1]` each.
    weight: Tensor,
    bias: Tensor,
    /// `[1, C]`, all 1/C: a mean over channels is a matrix product.
    mean: Tensor,
}

/// A norm over `channels` from `weight` and `bias` of `vb`.
pub(super) fn channel_norm(channels: usize, vb: VarBuilder) -> Result<ChannelNorm> {
    let weight = vb.get(channels, "weight")?.reshape((channels, 1))?;
    let bias = vb.get(channels, "bias")?.reshape((channels, 1))?;
    let mean = Tensor::full(1.0 / channels as f32, (1, channels), weight.device())?;
    Ok(ChannelNorm { weight, bias, mean })
}

impl Module for ChannelNorm {
    /// Any shape that begins with the channels.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let flat = x.flatten_from(1)?.contiguous()?;
        let centred = flat.broadcast_sub(&self.mean.matmul(&flat)?)?;
        let variance = self.mean.matmul(&centred.sqr()?)?;
        let scale = variance.affine(1.0, EPS)?.sqrt()?.recip()?;
        centred
            .broadcast_mul(&scale)?
            .broadcast_mul(&self.weight)?
            .broadcast_add(&self.bias)?
            .reshape(x.shape())
    }
}

/// Every channel with a 7x7x7 kernel of its own, zeros beyond the border.
#[derive(Clone, Debug)]
struct Depthwise {
    /// `[C * 343]`.
    taps: Vec<f32>,
    bias: Vec<f32>,
}

fn depthwise(channels: usize, vb: VarBuilder) -> Result<Depthwise> {
    Ok(Depthwise {
        taps: vb
            .get((channels, 1, K, K, K), "weight")?
            .flatten_all()?
            .to_vec1()?,
        bias: vb.get(channels, "bias")?.to_vec1()?,
    })
}

impl Module for Depthwise {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (channels, d, h, w) = x.dims4()?;
        let channel = |c: usize| -> Result<Tensor> {
            let mut padded = x.narrow(0, c, 1)?;
            for axis in 1..4 {
                padded = padded.pad_with_zeros(axis, REACH, REACH)?;
            }
            let padded: Vec<f32> = padded.flatten_all()?.to_vec1()?;
            let taps = &self.taps[c * K.pow(3)..][..K.pow(3)];
            let mut out = vec![self.bias[c]; d * h * w];
            for (at, row) in out.chunks_exact_mut(w).enumerate() {
                let (z, y) = (at / h, at % h);
                for (n, taps) in taps.chunks_exact(K).enumerate() {
                    let from = (z + n / K) * (h + K - 1) + y + n % K;
                    along(row, &padded[from * (w + K - 1)..][..w + K - 1], taps);
                }
            }
            Tensor::from_vec(out, (1, d, h, w), x.device())
        };
        let channels = (0..channels)
            .into_par_iter()
            .map(channel)
            .collect::<Result<Vec<_>>>()?;
        Tensor::cat(&channels, 0)
    }
}

/// Adds seven taps along a row that is six longer than what it is added to.
fn along(to: &mut [f32], from: &[f32], taps: &[f32]) {
    let [a, b, c, d, e, f, g] = [0, 1, 2, 3, 4, 5, 6].map(|n| taps[n]);
    for (sum, v) in to.iter_mut().zip(from.windows(K)) {
        *sum += a * v[0] + b * v[1] + c * v[2] + d * v[3] + e * v[4] + f * v[5] + g * v[6];
    }
}

/// A block with its weights.
#[derive(Clone, Debug)]
pub(super) struct Block {
    depthwise: Depthwise,
    norm: ChannelNorm,
    /// `[4C, C]` and `[4C, 1]`.
    widen: [Tensor; 2],
    /// Response norm, `[4C]` each.
    gamma: Vec<f32>,
    beta: Tensor,
    /// `[C, 4C]` and `[C, 1]`.
    compress: [Tensor; 2],
}

/// A block of `channels` with the weights of `vb`.
pub(super) fn block(channels: usize, vb: VarBuilder) -> Result<Block> {
    let wide = 4 * channels;
    let linear = |i: usize, o: usize, vb: VarBuilder| -> Result<[Tensor; 2]> {
        Ok([
            vb.get((o, i), "weight")?,
            vb.get(o, "bias")?.reshape((o, 1))?,
        ])
    };
    let response = |name| {
        vb.get((1, 1, 1, wide), &format!("grn.{name}"))?
            .flatten_all()
    };
    Ok(Block {
        depthwise: depthwise(channels, vb.pp("depthwise"))?,
        norm: channel_norm(channels, vb.pp("norm"))?,
        widen: linear(channels, wide, vb.pp("pointwise"))?,
        gamma: response("gamma")?.to_vec1()?,
        beta: response("beta")?.reshape((wide, 1, 1, 1))?,
        compress: linear(wide, channels, vb.pp("compress"))?,
    })
}

impl Block {
    /// Planes of the widened tensor behind the GELU, `[4C, n, H, W]`.
    fn widened(&self, y: &Tensor, start: usize, n: usize) -> Result<Tensor> {
        let y = self.norm.forward(&y.narrow(1, start, n)?)?;
        let (c, _, h, w) = y.dims4()?;
        let [weight, bias] = &self.widen;
        weight
            .matmul(&y.reshape((c, n * h * w))?)?
            .broadcast_add(bias)?
            .gelu_erf()?
            .reshape((4 * c, n, h, w))
    }

    /// What the response norm multiplies with, `[4C, 1, 1, W]`, from sums of squares `[4C, W]`.
    ///
    /// The quirk: ConvNeXt V2 takes the norm over all positions, CraNeXt over D and H alone, as in two dimensions.
    /// So every index of W has statistics of its own. Public weights were trained with it.
    fn response(&self, sums: &[f64], w: usize) -> Result<Tensor> {
        let wide = self.gamma.len();
        let mut scale = vec![0.0f32; wide * w];
        for at in 0..w {
            let norm = |c: usize| sums[c * w + at].sqrt();
            let mean = (0..wide).map(norm).sum::<f64>() / wide as f64;
            for c in 0..wide {
                let strength = norm(c) / (mean + EPS);
                scale[c * w + at] = (1.0 + f64::from(self.gamma[c]) * strength) as f32;
            }
        }
        Tensor::from_vec(scale, (wide, 1, 1, w), self.beta.device())
    }
}

impl Module for Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (c, d, h, w) = x.dims4()?;
        let y = self.depthwise.forward(x)?;
        let planes = (SLAB / (4 * c * h * w)).clamp(1, d);
        let slabs: Vec<(usize, usize)> = (0..d)
            .step_by(planes)
            .map(|start| (start, planes.min(d - start)))
            .collect();

        let squares = |&(start, n): &(usize, usize)| -> Result<Vec<f64>> {
            let wide: Vec<f32> = self.widened(&y, start, n)?.flatten_all()?.to_vec1()?;
            let mut sums = vec![0.0; 4 * c * w];
            for (channel, sums) in wide.chunks_exact(n * h * w).zip(sums.chunks_exact_mut(w)) {
                for row in channel.chunks_exact(w) {
                    for (sum, &v) in sums.iter_mut().zip(row) {
                        *sum += f64::from(v) * f64::from(v);
                    }
                }
            }
            Ok(sums)
        };
        let parts = slabs.par_iter().map(squares).collect::<Result<Vec<_>>>()?;
        // Added in the slabs' order, whoever was ready first.
        let sums = parts.into_iter().reduce(|mut all, part| {
            (all.iter_mut().zip(part)).for_each(|(sum, v)| *sum += v);
            all
        });
        let scale = self.response(&sums.unwrap_or_default(), w)?;

        let answer = |&(start, n): &(usize, usize)| -> Result<Tensor> {
            let wide = self
                .widened(&y, start, n)?
                .broadcast_mul(&scale)?
                .broadcast_add(&self.beta)?;
            let [weight, bias] = &self.compress;
            let narrow = weight
                .matmul(&wide.reshape((4 * c, n * h * w))?)?
                .broadcast_add(bias)?
                .reshape((c, n, h, w))?;
            narrow + x.narrow(1, start, n)?
        };
        let parts = slabs.par_iter().map(answer).collect::<Result<Vec<_>>>()?;
        drop(y);
        Tensor::cat(&parts, 1)
    }
}
