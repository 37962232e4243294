//! Network: a defective skull in the network's frame becomes the probability of missing bone.
//!
//! In:    `Volume<f32>` of shape [W, H, D] (superior fastest, then left, then posterior unless the card has other axes:
//!        its memory is the tensor `[D, H, W]`), bone fraction 0..1, background exactly 0.
//! Out:   `Volume<f32>` on the same grid, probability 0..1 that a cell is missing bone, or with `target = "skull"` that
//!        there should be bone.
//! Holds: same input, same weights, same CPU instruction set: the same bits, whatever the thread count.
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
//! | `compute.rs` | which path answers: the engine on an instruction set, or the reference |
//! | `bare.rs` | weights without a card, over any size: for measuring |
//! | `engine/` | the same networks, fast: what answers unless something else is asked for |
//! | `seeded.rs` | weights from a hash, for parity and for tests of the whole line |

mod architecture;
mod bare;
mod card;
mod compute;
mod convolution;
mod cranext;
mod engine;
mod folder;
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

pub use architecture::Architecture;
pub use bare::Bare;
pub use card::{Axes, Card, CardError, Content, Fit, Resample, Target};
pub use compute::Compute;
pub use engine::{EngineError, Isa};
pub use folder::{NoModel, find, places};
pub use weights::WeightsError;

use crate::volume::Volume;
use candle_core::Tensor;
use candle_nn::VarBuilder;
use engine::Engine;
use inventory::inventory;
use reference::{Reference, reference};
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
    answers: Answers,
}

/// Who answers.
#[derive(Debug)]
enum Answers {
    Engine(Engine),
    Reference(Architecture, Reference),
}

impl Answers {
    fn new(
        architecture: Architecture,
        compute: Compute,
        weights: VarBuilder<'_>,
    ) -> Result<Self, NetworkError> {
        Ok(match (compute.checked()?, architecture.unet()) {
            (Compute::Reference, _) => {
                Self::Reference(architecture, reference(architecture, weights)?)
            }
            (Compute::Engine(isa), Some(config)) => {
                Self::Engine(engine_of(&config, isa, &weights)?)
            }
            (Compute::Engine(isa), None) => return Err(NetworkError::NoEngine(architecture, isa)),
        })
    }

    /// Probabilities of `x`, `[D, H, W]`. `done` hears fractions of the work, growing to 1.
    fn forward(
        &self,
        x: &[f32],
        [d, h, w]: [usize; 3],
        done: &mut dyn FnMut(f64),
    ) -> Result<Vec<f32>, NetworkError> {
        Ok(match self {
            Self::Engine(engine) => {
                engine.forward(x, [d, h, w], &mut |level| done(level.work_done()))?
            }
            Self::Reference(architecture, network) => {
                let (architecture, cells) = (*architecture, [d, h, w]);
                if let Some(why) = architecture.unfit(cells) {
                    return Err(NetworkError::Size {
                        architecture,
                        cells,
                        why,
                    });
                }
                if cells.iter().product::<usize>() != x.len() {
                    let have = x.len();
                    return Err(NetworkError::Length { have, cells });
                }
                let x = Tensor::from_slice(x, (1, d, h, w), &candle_core::Device::Cpu)?;
                probability(&network.forward(&x, done)?)?
            }
        })
    }
}

impl Network {
    /// Loads the one card in `dir` and the weights it names. The engine answers, on the fastest instructions of this
    /// processor or those that `CALVARIA_ISA` names.
    ///
    /// # Errors
    /// [`NetworkError`] when the card is missing or wrong, or when the weights are missing, not those of the card
    /// (sha256), not those of the architecture (first wrong tensor by name), or not finite; when `CALVARIA_ISA` names
    /// what this processor does not have.
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
        let Device::Cpu = device;
        let mut card = Card::read(dir)?;
        loop {
            let compute = compute(card.architecture)?;
            let error = match weights::load(dir, &card, &inventory(card.architecture)?) {
                Ok(weights) => {
                    let answers = Answers::new(card.architecture, compute, weights)?;
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

    /// What it is computed with.
    pub fn compute(&self) -> Compute {
        match &self.answers {
            Answers::Engine(engine) => Compute::Engine(engine.isa()),
            Answers::Reference(..) => Compute::Reference,
        }
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
        let data = self.answers.forward(frame.data(), [d, h, w], progress)?;
        let count = data.iter().filter(|p| !p.is_finite()).count();
        if count > 0 {
            return Err(NetworkError::Answer { count });
        }
        Ok(frame.with(data))
    }
}

/// The engine with the weights that were proved.
fn engine_of(
    config: &unet::Config,
    isa: Isa,
    weights: &VarBuilder<'_>,
) -> Result<Engine, NetworkError> {
    Engine::new(config, isa, |name, shape| {
        let tensor = weights.get(shape, name)?.flatten_all()?;
        Ok(tensor.to_vec1::<f32>()?)
    })
}

/// Sigmoid of the logits, cell by cell.
fn probability(logit: &Tensor) -> candle_core::Result<Vec<f32>> {
    candle_nn::ops::sigmoid(logit)?
        .flatten_all()?
        .to_vec1::<f32>()
}
