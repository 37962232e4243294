//! Reference: any architecture in plain candle operations, small and obviously right. What the engine is tested
//! against, and the only path of CraNeXt and of Wu's autoencoder.

use super::architecture::Architecture;
use super::cranext::{CraNeXt, cranext};
use super::unet::{UNet, unet};
use super::wu::{Wu, wu};
use candle_core::{Module, Result, Tensor};
use candle_nn::VarBuilder;

/// A network with its weights.
#[derive(Clone, Debug)]
pub(super) enum Reference {
    UNet(Box<UNet>),
    CraNeXt(Box<CraNeXt>),
    Wu(Box<Wu>),
}

/// The network of `architecture` with the weights of `vb`.
pub(super) fn reference(architecture: Architecture, vb: VarBuilder) -> Result<Reference> {
    Ok(match (architecture, architecture.unet()) {
        (_, Some(config)) => Reference::UNet(Box::new(unet(&config, vb)?)),
        (Architecture::Wu, None) => Reference::Wu(Box::new(wu(vb)?)),
        (_, None) => Reference::CraNeXt(Box::new(cranext(vb)?)),
    })
}

impl Reference {
    /// `[1, D, H, W]` to logits of the same shape. `done` hears fractions of the work, growing to 1.
    pub(super) fn forward(&self, x: &Tensor, done: &mut dyn FnMut(f64)) -> Result<Tensor> {
        match self {
            Self::UNet(unet) => unet.forward(x, &mut |level, _| done(level.work_done())),
            Self::CraNeXt(cranext) => cranext.forward(x, done),
            Self::Wu(wu) => {
                let logit = wu.forward(x)?;
                done(1.0);
                Ok(logit)
            }
        }
    }
}
