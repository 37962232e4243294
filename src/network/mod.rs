//! Network: a defective skull in the network's frame becomes the probability of missing bone.
//!
//! In:    `Volume<f32>` of shape [W, H, D] (superior fastest, then left, then posterior unless the card has other axes:
//!        its memory is the tensor `[D, H, W]`), bone fraction 0..1, background exactly 0.
//! Out:   `Volume<f32>` on the same grid, probability 0..1 that a cell is missing bone, or with `target = "skull"` that
//!        there should be bone.
//! Holds: same input, same weights, same CPU instruction set or GPU model: the same bits, whatever the thread count.
//! Never: runs weights whose hash, names or shapes are not those of card and architecture; looks at a file other
//!        than the card and the one it names.
//! Cost:  `benches/RESULTS.md`; V3 at 240x200x240 about 2.5 s of one core and 0.5 GiB.
//!
//! | file | about |
//! |---|---|
//! | `architecture.rs` | the networks by name, and the sizes they take |
//! | `card.rs` | what a set of weights is: architecture, frame, hash, scores |
//! | `folder.rs` | where model folders are looked for |
//! | `weights.rs` | safetensors: read once, proved, handed to candle |
//! | `inventory.rs` | the tensors that an architecture needs |
//! | `convolution.rs`, `norm.rs`, `resize.rs` | the layers that candle does not have |
//! | `reference.rs` | the reference path, small and obviously right: |
//! | `unet.rs` | V3 and its relatives from those layers |
//! | `cranext.rs`, `next_block.rs`, `wu.rs` | CraNeXt and Wu's autoencoder, which only this path runs |
//! | `device.rs`, `compute.rs` | where it runs; which way the CPU computes: the engine on an instruction set, or the reference |
//! | `answers.rs` | who answers: a GPU where there is one, and the CPU when that fails |
//! | `bare.rs` | weights without a card, over any size: for measuring |
//! | `engine/` | the same networks, fast, on a CPU |
//! | `gpu/` | the same networks on a CUDA device |
//! | `candle_gpu.rs` | the others there, by candle's kernels, with the feature `candle-cuda` |
//! | `seeded.rs` | weights from a hash, for parity and for tests of the whole line |

mod answers;
mod architecture;
mod bare;
#[cfg(feature = "candle-cuda")]
mod candle_gpu;
mod card;
mod compute;
mod convolution;
mod cranext;
mod device;
mod engine;
mod folder;
mod gpu;
mod inventory;
mod next_block;
mod norm;
mod reference;
mod resize;
pub mod seeded;
mod unet;
mod weights;
mod wu;

#[cfg(test)]
mod tests;

pub use answers::Notice;
pub use architecture::Architecture;
pub use bare::Bare;
pub use card::{Axes, Card, CardError, Content, Fit, Resample, Target};
pub use compute::Compute;
pub use device::Device;
pub use engine::{EngineError, Isa};
pub use folder::{NoModel, find, places};
pub use gpu::{Estimate, Fault, estimate};
pub use weights::WeightsError;

use crate::volume::Volume;
use answers::Answers;
use candle_core::Tensor;
use inventory::inventory;
use std::path::Path;

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
    /// A word that names no device.
    #[error("`{0}` is no device. Use `auto`, `cpu` or `cuda:N`.")]
    Device(String),
    /// The GPU that was asked for can not be used.
    #[error("the device `{device}` can not be used: {fault}. Use `auto` or `cpu`.")]
    Gpu {
        /// As it was asked for.
        device: String,
        /// Why.
        #[source]
        fault: Fault,
    },
    /// `CALVARIA_ISA`, or instructions that were asked for, that this processor does not have.
    #[error(
        "`{0}` can not be computed with on this processor: it has {here}. Unset CALVARIA_ISA, or name one of these.", here = Compute::here()
    )]
    Compute(String),
    /// The engine asked for a network that it does not have.
    #[error(
        "`{0}` runs on the reference path alone, not on `{1}`. Unset CALVARIA_ISA, or set it to `reference`."
    )]
    NoEngine(Architecture, Isa),
    /// A size that the network does not take.
    #[error("`{architecture}` can not run over {cells:?} cells: {why}.")]
    Size {
        /// The network.
        architecture: Architecture,
        /// Cells along depth, height, width.
        cells: [usize; 3],
        /// Why not.
        why: &'static str,
    },
    /// As many numbers as the size says were wanted.
    #[error("{have} numbers were given where {cells:?} cells were wanted")]
    Length {
        /// Numbers given.
        have: usize,
        /// Cells along depth, height, width.
        cells: [usize; 3],
    },
    /// The engine: no memory, or a size that no network takes.
    #[error(transparent)]
    Engine(#[from] EngineError),
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

/// A card with the weights it names, ready to answer.
#[derive(Debug)]
pub struct Network {
    card: Card,
    answers: Answers,
}

impl From<Fault> for NetworkError {
    fn from(fault: Fault) -> Self {
        Self::Gpu {
            device: "cuda".into(),
            fault,
        }
    }
}

impl Network {
    /// Loads the one card in `dir` and the weights it names. On a CPU the engine answers, on the fastest instructions of
    /// this processor or those that `CALVARIA_ISA` names.
    ///
    /// # Errors
    /// [`NetworkError`] when the card is missing or wrong, or when the weights are missing, not those of the card
    /// (sha256), not those of the architecture (first wrong tensor by name), or not finite; when `CALVARIA_ISA` names
    /// what this processor does not have, or `device` a GPU that can not be used.
    pub fn load(dir: &Path, device: Device) -> Result<Self, NetworkError> {
        Self::of(dir, device, Compute::from_environment)
    }

    /// The same with a path of one's own choice.
    ///
    /// # Errors
    /// Those of [`load`](Self::load).
    pub fn load_with(dir: &Path, device: Device, compute: Compute) -> Result<Self, NetworkError> {
        Self::of(dir, device, |_| Ok(compute))
    }

    fn of(
        dir: &Path,
        device: Device,
        compute: impl Fn(Architecture) -> Result<Compute, NetworkError>,
    ) -> Result<Self, NetworkError> {
        let mut card = Card::read(dir)?;
        loop {
            let compute = compute(card.architecture)?;
            let error = match weights::load(dir, &card, &inventory(card.architecture)?) {
                Ok(weights) => {
                    let (architecture, size) = (card.architecture, Some(card.grid));
                    let answers = Answers::new(architecture, compute, &weights)?;
                    let answers = answers.on(device, architecture, &weights, size, gpu::open)?;
                    return Ok(Self { card, answers });
                }
                Err(error) => error,
            };
            // A folder that was swapped by rename between its card and its weights: the card is another one now.
            let again = Card::read(dir)?;
            if again == card {
                return Err(error.into());
            }
            card = again;
        }
    }

    /// Kind of device that answers now: `cpu (avx2)`, `cuda:0 (NVIDIA …)`. A GPU that fails gives way to the CPU.
    pub fn device(&self) -> String {
        self.answers.device()
    }

    /// What a person should know about the device: that there is no GPU, or that it does not work.
    pub fn notice(&self) -> Option<Notice> {
        self.answers.notice()
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
        self.predict_part(frame, progress)
    }

    /// The same over a box of the card's grid, at a fraction of the cost: every layer and every weight takes part. The
    /// norms are those of the box, so the answer is near that of [`predict`](Self::predict), not equal to it: for a look
    /// at whether the network answers, not for a design.
    ///
    /// # Errors
    /// [`NetworkError`] when the network can not run over so few cells, a value is no bone fraction, or the answer is not
    /// finite.
    pub fn predict_part(
        &self,
        frame: &Volume<f32>,
        progress: &mut dyn FnMut(f64),
    ) -> Result<Volume<f32>, NetworkError> {
        let [w, h, d] = frame.shape();
        // `contains` is false for NaN.
        let wrong = |value: &f32| !(0.0..=1.0).contains(value);
        if let Some(at) = frame.data().iter().position(wrong) {
            return Err(NetworkError::Value {
                at,
                value: frame.data()[at],
            });
        }
        let data = self.answers.forward(frame.data(), [d, h, w], progress)?;
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
