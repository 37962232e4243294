//! Network: a defective skull in the network's frame becomes the probability of missing bone.
//!
//! In:    `Volume<f32>` of shape [W, H, D] (superior fastest, then left, then posterior: its memory is the tensor
//!        `[D, H, W]`), bone fraction 0..1, background exactly 0.
//! Out:   `Volume<f32>` on the same grid, probability 0..1 that a cell is missing bone.
//! Holds: same input, same weights, same CPU instruction set: the same bits, whatever the thread count.
//! Never: runs weights whose hash, names or shapes are not those of card and architecture; looks at a file other
//!        than the card and the one it names.
//! Cost:  V3 at 120x100x120: 61 GFLOP, 2.8 s on one thread of a 2-core machine in the dev profile, 0.5 GiB; measured
//!        by `speed_at_two_millimetres` in `tests.rs`.
//!
//! | file | about |
//! |---|---|
//! | `card.rs` | what a set of weights is: architecture, frame, hash, scores |
//! | `folder.rs` | where model folders are looked for |
//! | `weights.rs` | safetensors: read once, proved, handed to candle |
//! | `convolution.rs`, `norm.rs` | the layers that candle does not have |
//! | `unet.rs` | V3 and its relatives from those layers |
//! | `seeded.rs` | weights from a hash, for parity and for tests of the whole line |

mod card;
mod convolution;
mod folder;
mod norm;
pub mod seeded;
mod unet;
mod weights;

#[cfg(test)]
mod tests;

pub use card::{Architecture, Card, CardError, Content, Resample};
pub use folder::{NoModel, find, places};
pub use weights::WeightsError;

use crate::volume::Volume;
use candle_core::Tensor;
use std::path::Path;
use std::str::FromStr;

/// Why a network could not be loaded or asked. The text is shown as it stands.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// No folder with a card.
    #[error(transparent)]
    NoModel(#[from] NoModel),
    /// The card.
    #[error(transparent)]
    Card(#[from] CardError),
    /// The weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The device asked for is not there.
    #[error("the device `{0}` is not available in this build. Use `auto` or `cpu`.")]
    Device(String),
    /// The volume is not on the card's grid.
    #[error(
        "the network wants {}x{}x{} cells (superior, left, posterior), the volume has {}x{}x{}. Fit the frame with the card's grid.",
        want[0], want[1], want[2], have[0], have[1], have[2]
    )]
    Shape {
        /// [W, H, D] of the card.
        want: [usize; 3],
        /// [W, H, D] of the volume.
        have: [usize; 3],
    },
    /// A value that is no bone fraction: NaN, infinite, negative or above 1.
    #[error(
        "cell {at} of the network's input holds {value}; only bone fractions 0 to 1 may enter. The preprocessing is at fault."
    )]
    Value {
        /// Offset in the volume's memory.
        at: usize,
        /// What was there.
        value: f32,
    },
    /// The answer is not a number somewhere: weights that overflow.
    #[error(
        "the network's answer is not a number in {count} cells. These weights can not be used."
    )]
    Answer {
        /// Cells that are not finite.
        count: usize,
    },
    /// An operation failed inside the tensor library: out of memory, or a bug of ours.
    #[error("the network could not be computed: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// What the network runs on. The GPU engine joins here; today there is the CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The CPU, on rayon's threads.
    #[default]
    Cpu,
}

impl FromStr for Device {
    type Err = NetworkError;

    /// `auto`, `cpu` or `cuda:N`; the last is refused by name while there is no GPU engine.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        match text {
            "auto" | "cpu" => Ok(Self::Cpu),
            other => Err(NetworkError::Device(other.into())),
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
        }
    }
}

/// A card with the weights it names, ready to answer.
#[derive(Debug)]
pub struct Network {
    card: Card,
    unet: unet::UNet,
}

impl Network {
    /// Loads the one card in `dir` and the weights it names.
    ///
    /// # Errors
    /// [`NetworkError`] when the card is missing or wrong, or when the weights are missing, not those of the card
    /// (sha256), not those of the architecture (first wrong tensor by name), or not finite.
    pub fn load(dir: &Path, device: Device) -> Result<Self, NetworkError> {
        let Device::Cpu = device;
        let card = Card::read(dir)?;
        let config = card.architecture.config();
        let weights = weights::load(dir, &card, &unet::inventory(&config)?)?;
        let unet = unet::unet(&config, weights)?;
        Ok(Self { card, unet })
    }

    /// What these weights are.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// Probability of missing bone in every cell of `frame`. `progress` hears fractions of the work done, growing
    /// to 1.
    ///
    /// # Errors
    /// [`NetworkError`] when the grid is not the card's, a value is no bone fraction, or the answer is not finite.
    pub fn predict(
        &self,
        frame: &Volume<f32>,
        progress: &mut dyn FnMut(f64),
    ) -> Result<Volume<f32>, NetworkError> {
        let [w, h, d] = frame.shape();
        let [gd, gh, gw] = self.card.grid;
        if [w, h, d] != [gw, gh, gd] {
            return Err(NetworkError::Shape {
                want: [gw, gh, gd],
                have: [w, h, d],
            });
        }
        // `contains` is false for NaN.
        let wrong = |value: &f32| !(0.0..=1.0).contains(value);
        if let Some(at) = frame.data().iter().position(wrong) {
            return Err(NetworkError::Value {
                at,
                value: frame.data()[at],
            });
        }
        let x = Tensor::from_slice(frame.data(), (1, d, h, w), &candle_core::Device::Cpu)?;
        let logit = self
            .unet
            .forward(&x, &mut |level, _| progress(level.work_done()))?;
        let data = probability(&logit)?;
        let count = data.iter().filter(|p| !p.is_finite()).count();
        if count > 0 {
            return Err(NetworkError::Answer { count });
        }
        Ok(frame.with(data))
    }
}

/// Sigmoid of the logits, cell by cell.
fn probability(logit: &Tensor) -> candle_core::Result<Vec<f32>> {
    candle_nn::ops::sigmoid(logit)?
        .flatten_all()?
        .to_vec1::<f32>()
}
