//! CraNeXt (Kesornsri et al. 2024): a U-Net of ConvNeXt V2 blocks, five halvings, made to answer the complete skull.
//! Parameter names are those of the public checkpoints.
//!
//! At the published 176x224x144 cells one tensor of 32 channels is 0.7 GiB. So the first block works slab by slab
//! (`next_block.rs`), and the last stage goes from the second level to one channel slab by slab: about 2.6 GiB at the
//! peak instead of 10.

use super::convolution::{Conv3d, Conv3dConfig, conv3d};
use super::next_block::{Block, ChannelNorm, block, channel_norm};
use super::resize::nearest_planes;
use candle_core::{Module, Result, Tensor};
use candle_nn::VarBuilder;
use std::ops::Range;

/// Channels on the way down; the way up mirrors them. The input's own level has as many as the first.
const WIDTHS: [usize; 5] = [32, 64, 128, 256, 512];
/// Blocks at each of them.
const DEPTHS: [usize; 5] = [1, 1, 1, 3, 1];
/// Output planes of the last stage at a time.
const PLANES: usize = 16;

/// Two halves of the size: 2x2x2, odd sizes rounded down.
const HALF: Conv3dConfig = Conv3dConfig {
    kernel: 2,
    stride: 2,
    padding: 0,
    dilation: 1,
};
/// The first layer: 7x7x7 that keeps the size.
const STEM: Conv3dConfig = Conv3dConfig {
    kernel: 7,
    stride: 1,
    padding: 3,
    dilation: 1,
};

/// Nearest resize, channel norm, 3x3x3 convolution. Norm and resize commute, so the small tensor is normalised.
#[derive(Clone, Debug)]
struct Grow {
    norm: ChannelNorm,
    compress: Conv3d,
}

fn grow(i: usize, o: usize, vb: VarBuilder) -> Result<Grow> {
    Ok(Grow {
        norm: channel_norm(i, vb.pp("norm"))?,
        compress: conv3d(i, o, Conv3dConfig::SAME, vb.pp("compress"))?,
    })
}

impl Grow {
    /// Planes `planes` of `normed` grown to `size`.
    fn planes(&self, normed: &Tensor, size: [usize; 3], planes: Range<usize>) -> Result<Tensor> {
        // One more plane on each side, where there is one: the convolution pads with zeros only at the ends.
        let reach = planes.start.saturating_sub(1)..(planes.end + 1).min(size[0]);
        let grown = nearest_planes(normed, size, reach.clone())?;
        self.compress
            .forward(&grown)?
            .narrow(1, planes.start - reach.start, planes.len())
    }
}

/// One level of the way down. The first convolves and then normalises, the others the other way round.
#[derive(Clone, Debug)]
struct Down {
    before: Option<ChannelNorm>,
    half: Conv3d,
    after: Option<ChannelNorm>,
    norm: ChannelNorm,
    blocks: Vec<Block>,
}

/// One level of the way up.
#[derive(Clone, Debug)]
struct Up {
    grow: Grow,
    merge: Conv3d,
    blocks: Vec<Block>,
    norm: ChannelNorm,
}

/// The network with its weights.
#[derive(Clone, Debug)]
pub(super) struct CraNeXt {
    stem: Conv3d,
    first: Block,
    down: Vec<Down>,
    up: Vec<Up>,
    grow: Grow,
    merge: Conv3d,
    /// `[1, 32]`: the head has no bias.
    head: Tensor,
}

fn blocks(depth: usize, width: usize, vb: VarBuilder) -> Result<Vec<Block>> {
    (0..depth).map(|at| block(width, vb.pp(at))).collect()
}

/// The network with the weights of `vb`.
pub(super) fn cranext(vb: VarBuilder) -> Result<CraNeXt> {
    let stem = conv3d(1, WIDTHS[0], STEM, vb.pp("init_stage.0"))?;
    let first = block(WIDTHS[0], vb.pp("init_stage.1"))?;
    let mut down = Vec::new();
    for (at, (&width, &depth)) in WIDTHS.iter().zip(&DEPTHS).enumerate() {
        let layers = vb.pp("downsample_layers").pp(at);
        let from = WIDTHS[at.saturating_sub(1)];
        let (before, half, after) = if at == 0 {
            let half = conv3d(from, width, HALF, layers.pp(0))?;
            (None, half, Some(channel_norm(width, layers.pp(1))?))
        } else {
            let norm = channel_norm(from, layers.pp(0))?;
            (Some(norm), conv3d(from, width, HALF, layers.pp(1))?, None)
        };
        down.push(Down {
            before,
            half,
            after,
            norm: channel_norm(width, vb.pp("down_norms").pp(at))?,
            blocks: blocks(depth, width, vb.pp("down_stages").pp(at))?,
        });
    }
    let mut up = Vec::new();
    for (at, pair) in WIDTHS.windows(2).rev().enumerate() {
        let (to, from) = (pair[0], pair[1]);
        up.push(Up {
            grow: grow(from, to, vb.pp("upsample_layers").pp(at))?,
            merge: conv3d(
                2 * to,
                to,
                Conv3dConfig::POINT,
                vb.pp("concat").pp(at).pp("conv"),
            )?,
            blocks: blocks(1, to, vb.pp("up_stages").pp(at))?,
            norm: channel_norm(to, vb.pp("up_norms").pp(at))?,
        });
    }
    let c = WIDTHS[0];
    Ok(CraNeXt {
        stem,
        first,
        down,
        up,
        grow: grow(c, c, vb.pp("upscale_out"))?,
        merge: conv3d(2 * c, c, Conv3dConfig::POINT, vb.pp("final_concat.conv"))?,
        head: vb
            .get((1, c, 1, 1, 1), "final_convolution.weight")?
            .reshape((1, c))?,
    })
}

impl Module for Down {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = match &self.before {
            Some(norm) => self.half.forward(&norm.forward(x)?)?,
            None => self.half.forward(x)?,
        };
        if let Some(norm) = &self.after {
            x = norm.forward(&x)?;
        }
        run(&self.blocks, self.norm.forward(&x)?)
    }
}

fn run(blocks: &[Block], x: Tensor) -> Result<Tensor> {
    blocks.iter().try_fold(x, |x, block| block.forward(&x))
}

fn size(x: &Tensor) -> Result<[usize; 3]> {
    let (_, d, h, w) = x.dims4()?;
    Ok([d, h, w])
}

impl CraNeXt {
    /// `[1, D, H, W]` to logits of the same shape; every axis at least 32. `done` hears fractions of the work, by
    /// multiply-adds at the published size.
    pub(super) fn forward(&self, x: &Tensor, done: &mut dyn FnMut(f64)) -> Result<Tensor> {
        let mut skips = vec![self.first.forward(&self.stem.forward(x)?)?];
        done(0.37);
        for (at, down) in self.down.iter().enumerate() {
            let x = down.forward(&skips[at])?;
            skips.push(x);
        }
        done(0.48);
        // The last of them is where the way up begins, the first joins only at the end.
        let full = skips.remove(0);
        let mut skips = skips.into_iter().rev();
        let mut x = skips
            .next()
            .ok_or_else(|| candle_core::Error::Msg("no levels".into()))?;
        for (up, skip) in self.up.iter().zip(skips) {
            let normed = up.grow.norm.forward(&x)?;
            let size = size(&skip)?;
            let grown = up.grow.planes(&normed, size, 0..size[0])?;
            let merged = up.merge.forward(&Tensor::cat(&[&grown, &skip], 0)?)?;
            x = up.norm.forward(&run(&up.blocks, merged)?)?;
        }
        done(0.64);
        self.last(&x, &full, done)
    }

    /// From the second level and the skip at full size to one channel, some planes at a time.
    fn last(&self, x: &Tensor, skip: &Tensor, done: &mut dyn FnMut(f64)) -> Result<Tensor> {
        let normed = self.grow.norm.forward(x)?;
        let [d, h, w] = size(skip)?;
        let mut logits = Vec::new();
        for start in (0..d).step_by(PLANES) {
            let n = PLANES.min(d - start);
            let grown = self.grow.planes(&normed, [d, h, w], start..start + n)?;
            let both = Tensor::cat(&[&grown, &skip.narrow(1, start, n)?], 0)?;
            let merged = self.merge.forward(&both)?;
            let columns = merged.reshape((WIDTHS[0], n * h * w))?;
            logits.push(self.head.matmul(&columns)?.reshape((1, n, h, w))?);
            done(0.64 + 0.36 * (start + n) as f64 / d as f64);
        }
        Tensor::cat(&logits, 1)
    }
}
