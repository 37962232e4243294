//! The U-Nets: V3 and its relatives, four strided levels down and up.
//!
//! ```text
//! x (1)   e1 = down1 8     e2 = down2 32    e3 = pre3, down3 64    e4 = pre4, down4 128
//!         d4 = mid, up4 128    d3 = dec3, up3 64    d2 = dec2, up2 32    d1 = dec1, up1 16    logit = head 1
//! ```
//! Names of the weights are those of the PyTorch tree. Tensors are `[C, D, H, W]`.

use super::convolution::{Conv3d, Conv3dConfig, ConvTranspose3d, conv_transpose3d, conv3d};
use super::norm::{NormAct, norm_act};
use candle_core::{Module, Result, Tensor};
use candle_nn::VarBuilder;

/// What tells the four networks apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    /// Width of level 1.
    pub(super) stem: usize,
    /// Widths of the residual blocks ahead of the first stride.
    pub(super) pre1: Vec<usize>,
    /// Widths of the residual blocks ahead of the second stride.
    pub(super) pre2: Vec<usize>,
}

impl Config {
    pub(super) fn v3() -> Self {
        Self {
            stem: 8,
            pre1: vec![],
            pre2: vec![],
        }
    }
    pub(super) fn native() -> Self {
        Self {
            stem: 16,
            pre1: vec![],
            pre2: vec![32],
        }
    }
    pub(super) fn v1() -> Self {
        Self {
            stem: 16,
            pre1: vec![16, 16],
            pre2: vec![32, 32, 32],
        }
    }
    pub(super) fn v2() -> Self {
        Self {
            stem: 16,
            pre1: vec![16],
            pre2: vec![32, 32],
        }
    }
}

/// A place in the network where a tensor can be looked at, in the order of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    E1,
    E2,
    E3,
    E4,
    Mid,
    D4,
    D3,
    D2,
    D1,
    Logit,
}

impl Level {
    /// Share of V3's multiply-adds that is done when this level is there; the relatives differ at the first two.
    pub(super) fn work_done(self) -> f64 {
        // GMAC up to and including the level at 240x200x240, of 249.15.
        let gmac = match self {
            Self::E1 => 0.7,
            Self::E2 => 3.7,
            Self::E3 => 80.4,
            Self::E4 => 118.6,
            Self::Mid => 135.6,
            Self::D4 => 141.3,
            Self::D3 => 157.4,
            Self::D2 => 189.6,
            Self::D1 => 248.97,
            Self::Logit => 249.15,
        };
        gmac / 249.15
    }
}

/// Convolution, norm, activation.
#[derive(Clone, Debug)]
struct Unit<C> {
    conv: C,
    norm_act: NormAct,
}

impl<C: Module> Module for Unit<C> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.norm_act.forward(&self.conv.forward(x)?)
    }
}

/// 3x3x3 at tree position `at` of a body.
fn same(i: usize, o: usize, at: usize, vb: &VarBuilder) -> Result<Unit<Conv3d>> {
    Ok(Unit {
        conv: conv3d(i, o, Conv3dConfig::SAME, vb.pp(at))?,
        norm_act: norm_act(o, vb.pp(at + 1))?,
    })
}

fn down(i: usize, o: usize, vb: VarBuilder) -> Result<Unit<Conv3d>> {
    Ok(Unit {
        conv: conv3d(i, o, Conv3dConfig::HALF, vb.pp(0))?,
        norm_act: norm_act(o, vb.pp(1))?,
    })
}

fn up(i: usize, o: usize, vb: VarBuilder) -> Result<Unit<ConvTranspose3d>> {
    Ok(Unit {
        conv: conv_transpose3d(i, o, vb.pp(0))?,
        norm_act: norm_act(o, vb.pp(1))?,
    })
}

/// `body(x) + skip(x)`. The second activation is inside the body, there is none after the sum, and the skip is a
/// 1x1x1 convolution even where the widths agree.
#[derive(Clone, Debug)]
struct Residual {
    first: Unit<Conv3d>,
    second: Unit<Conv3d>,
    skip: Conv3d,
}

fn residual(i: usize, o: usize, vb: VarBuilder) -> Result<Residual> {
    let body = vb.pp("body");
    Ok(Residual {
        first: same(i, o, 0, &body)?,
        second: same(o, o, 3, &body)?,
        skip: conv3d(i, o, Conv3dConfig::POINT, vb.pp("skip"))?,
    })
}

impl Module for Residual {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.second.forward(&self.first.forward(x)?)? + self.skip.forward(x)?
    }
}

/// Residual blocks of `widths`, one after the other.
fn blocks(mut i: usize, widths: &[usize], vb: VarBuilder) -> Result<Vec<Residual>> {
    let mut made = Vec::with_capacity(widths.len());
    for (at, &o) in widths.iter().enumerate() {
        made.push(residual(i, o, vb.pp(at))?);
        i = o;
    }
    Ok(made)
}

fn run(blocks: &[Residual], x: &Tensor) -> Result<Tensor> {
    blocks
        .iter()
        .try_fold(x.clone(), |x, block| block.forward(&x))
}

/// Zero planes until `x` is as large as `like`: floor(d/2) in front, the rest behind. It comes after norm and
/// activation, so that padded planes are exact zeros.
fn grow(mut x: Tensor, like: &Tensor) -> Result<Tensor> {
    for axis in 1..4 {
        let short = like.dim(axis)? - x.dim(axis)?;
        x = x.pad_with_zeros(axis, short / 2, short - short / 2)?;
    }
    x.contiguous()
}

/// A network with its weights.
#[derive(Clone, Debug)]
pub(super) struct UNet {
    pre1: Vec<Residual>,
    down1: Unit<Conv3d>,
    pre2: Vec<Residual>,
    down2: Unit<Conv3d>,
    pre3: Vec<Residual>,
    down3: Unit<Conv3d>,
    pre4: Vec<Residual>,
    down4: Unit<Conv3d>,
    mid: Vec<Residual>,
    up4: Unit<ConvTranspose3d>,
    dec3: Residual,
    up3: Unit<ConvTranspose3d>,
    dec2: Residual,
    up2: Unit<ConvTranspose3d>,
    dec1: Residual,
    up1: Unit<ConvTranspose3d>,
    head: Conv3d,
}

/// The network of `config` with the weights of `vb`.
pub(super) fn unet(config: &Config, vb: VarBuilder) -> Result<UNet> {
    let Config { stem, pre1, pre2 } = config;
    let wide = |widths: &[usize], or| widths.last().copied().unwrap_or(or);
    Ok(UNet {
        pre1: blocks(1, pre1, vb.pp("pre1"))?,
        down1: down(wide(pre1, 1), *stem, vb.pp("down1"))?,
        pre2: blocks(*stem, pre2, vb.pp("pre2"))?,
        down2: down(wide(pre2, *stem), 32, vb.pp("down2"))?,
        pre3: blocks(32, &[64, 64], vb.pp("pre3"))?,
        down3: down(64, 64, vb.pp("down3"))?,
        pre4: blocks(64, &[128, 128], vb.pp("pre4"))?,
        down4: down(128, 128, vb.pp("down4"))?,
        mid: blocks(128, &[256, 256], vb.pp("mid"))?,
        up4: up(256, 128, vb.pp("up4"))?,
        dec3: residual(128 + 64, 64, vb.pp("dec3"))?,
        up3: up(64, 64, vb.pp("up3"))?,
        dec2: residual(64 + 32, 32, vb.pp("dec2"))?,
        up2: up(32, 32, vb.pp("up2"))?,
        dec1: residual(32 + stem, 16, vb.pp("dec1"))?,
        up1: up(16, 16, vb.pp("up1"))?,
        head: conv3d(16, 1, Conv3dConfig::POINT, vb.pp("head"))?,
    })
}

impl UNet {
    /// `[1, D, H, W]` to logits of the same shape. Every axis at least 16, and more than one voxel left at the
    /// deepest level. `tap` sees every level when it is there.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        tap: &mut dyn FnMut(Level, &Tensor),
    ) -> Result<Tensor> {
        let mut see = |level, t: Result<Tensor>| -> Result<Tensor> {
            let t = t?;
            tap(level, &t);
            Ok(t)
        };
        // Skips join behind what came up.
        let join = |up: Tensor, skip: &Tensor| Tensor::cat(&[&up, skip], 0);
        let e1 = see(Level::E1, self.down1.forward(&run(&self.pre1, x)?))?;
        let e2 = see(Level::E2, self.down2.forward(&run(&self.pre2, &e1)?))?;
        let e3 = see(Level::E3, self.down3.forward(&run(&self.pre3, &e2)?))?;
        let e4 = see(Level::E4, self.down4.forward(&run(&self.pre4, &e3)?))?;
        let mid = see(Level::Mid, run(&self.mid, &e4))?;
        let d4 = see(Level::D4, grow(self.up4.forward(&mid)?, &e3))?;
        let d3 = self.up3.forward(&self.dec3.forward(&join(d4, &e3)?)?)?;
        let d3 = see(Level::D3, grow(d3, &e2))?;
        let d2 = self.up2.forward(&self.dec2.forward(&join(d3, &e2)?)?)?;
        let d2 = see(Level::D2, grow(d2, &e1))?;
        let d1 = self.up1.forward(&self.dec1.forward(&join(d2, &e1)?)?)?;
        let d1 = see(Level::D1, grow(d1, x))?;
        see(Level::Logit, self.head.forward(&d1))
    }
}
