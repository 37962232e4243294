//! Spec: what frame a model's card asks for.

use super::frame::FrameError;
use crate::space::{Lps, Vector};
use crate::volume::axes::{LEFT, POSTERIOR, SUPERIOR};
use serde::{Deserialize, Serialize};

/// Where the tensor's axes D, H, W grow to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Axes {
    /// Posterior, left, superior: the U-Nets.
    #[default]
    Pls,
    /// Right, anterior, superior: CraNeXt.
    Ras,
}

impl Axes {
    /// Directions of the frame's axes w, h, d.
    pub(super) fn directions(self) -> [Vector<Lps>; 3] {
        match self {
            Self::Pls => [SUPERIOR, LEFT, POSTERIOR],
            Self::Ras => [SUPERIOR, POSTERIOR.times(-1.0), LEFT.times(-1.0)],
        }
    }

    /// Numbers along w, h, d as front-back, left-right, up-down.
    pub(super) fn named(self, [w, h, d]: [f64; 3]) -> [f64; 3] {
        match self {
            Self::Pls => [d, h, w],
            Self::Ras => [h, d, w],
        }
    }
}

/// How the frame lies around the skull's box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fit {
    /// Cells of one edge, the box's middle in the frame's middle.
    #[default]
    Middle,
    /// The same, but hung from the vertex: the frame may end above the skull's lower end.
    Top,
    /// The box and a margin stretched over the frame, every axis by itself.
    Box,
}

/// What a cell takes from the mask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Take {
    /// The share of the cell that is bone.
    #[default]
    Share,
    /// The mask at the cell's centre.
    Centre,
}

/// Size and cells of a frame, as the model's card has them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrameSpec {
    /// Extent in mm along the tensor's axes D, H, W; nominal for [`Fit::Box`].
    pub size_mm: [f64; 3],
    /// Edge of a cell in mm; nominal for [`Fit::Box`].
    pub voxel_mm: f64,
    /// Where the axes grow to.
    pub axes: Axes,
    /// How it lies around the skull.
    pub fit: Fit,
    /// What a cell takes from the mask.
    pub take: Take,
}

impl Default for FrameSpec {
    fn default() -> Self {
        Self {
            size_mm: [240.0, 200.0, 240.0],
            voxel_mm: 2.0,
            axes: Axes::Pls,
            fit: Fit::Middle,
            take: Take::Share,
        }
    }
}

impl FrameSpec {
    /// Extent in mm along the frame's axes w, h, d.
    ///
    /// # Errors
    /// [`FrameError::Spec`] when size or cell make no sense.
    pub(super) fn sizes_mm(&self) -> Result<[f64; 3], FrameError> {
        let Self {
            size_mm, voxel_mm, ..
        } = *self;
        let sound = |x: f64| x.is_finite() && x > 0.0;
        if !sound(voxel_mm) || !size_mm.iter().all(|&s| sound(s) && s / voxel_mm < 1024.0) {
            return Err(FrameError::Spec { size_mm, voxel_mm });
        }
        // The card's order turned round.
        Ok([size_mm[2], size_mm[1], size_mm[0]])
    }
}
