//! Wu's autoencoder (Wu, Yang, Chang 2022, table 1): twelve 3x3x3 convolutions, ReLU, three poolings, skips that are
//! sums. 8,269 parameters; answers the complete upper cranium. Where the skips join is not printed in the paper: the
//! order here is the only one in which all channel counts match.

use super::convolution::{Conv3d, Conv3dConfig, conv3d};
use super::resize::nearest;
use candle_core::{Module, Result, Tensor};
use candle_nn::VarBuilder;

/// The network with its weights.
#[derive(Clone, Debug)]
pub(super) struct Wu {
    c0: Conv3d,
    e1: Conv3d,
    e2: Conv3d,
    e3: Conv3d,
    /// Dilated 2, 4, 8, 16 voxels; each is added to what it was given.
    m: Vec<Conv3d>,
    u1: Conv3d,
    u2: Conv3d,
    u3: Conv3d,
    out: Conv3d,
}

/// The network with the weights of `vb`.
pub(super) fn wu(vb: VarBuilder) -> Result<Wu> {
    let same = |i, o, name: &str| conv3d(i, o, Conv3dConfig::SAME, vb.pp(name));
    let dilated = |(at, dilation): (usize, usize)| {
        conv3d(4, 4, Conv3dConfig::dilated(dilation), vb.pp("m").pp(at))
    };
    Ok(Wu {
        c0: same(1, 8, "c0")?,
        e1: same(8, 8, "e1")?,
        e2: same(8, 4, "e2")?,
        e3: same(4, 4, "e3")?,
        m: [2, 4, 8, 16]
            .into_iter()
            .enumerate()
            .map(dilated)
            .collect::<Result<_>>()?,
        u1: same(4, 4, "u1")?,
        u2: same(4, 8, "u2")?,
        u3: same(8, 8, "u3")?,
        out: same(8, 1, "out")?,
    })
}

impl Module for Wu {
    /// `[1, D, H, W]` to logits of the same shape; every axis a multiple of 8.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let relu = |layer: &Conv3d, x: &Tensor| layer.forward(x)?.relu();
        let s1 = relu(&self.e1, &relu(&self.c0, x)?)?;
        let s2 = relu(&self.e2, &pooled(&s1)?)?;
        let s3 = relu(&self.e3, &pooled(&s2)?)?;
        let mut x = pooled(&s3)?;
        for layer in &self.m {
            x = (&x + relu(layer, &x)?)?;
        }
        for (layer, skip) in [(&self.u1, s3), (&self.u2, s2), (&self.u3, s1)] {
            let (_, d, h, w) = skip.dims4()?;
            x = relu(layer, &(nearest(&x, [d, h, w])? + skip)?)?;
        }
        self.out.forward(&x)
    }
}

/// The largest of each 2x2x2 voxels; every axis even.
fn pooled(x: &Tensor) -> Result<Tensor> {
    let mut x = x.clone();
    for axis in 1..4 {
        let mut split = x.dims().to_vec();
        split[axis] /= 2;
        split.insert(axis + 1, 2);
        let pairs = x.reshape(split)?;
        let half = |n| pairs.narrow(axis + 1, n, 1)?.squeeze(axis + 1);
        x = half(0)?.maximum(&half(1)?)?;
    }
    Ok(x)
}
