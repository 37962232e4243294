//! A network without a card: any weights of an architecture, over any size. For measuring and comparing; a case goes
//! through [`Network`](super::Network), which knows what its weights are.

use super::answers::Answers;
use super::architecture::Architecture;
use super::inventory::inventory;
use super::{Compute, Device, NetworkError, Notice, gpu, weights};
use std::path::Path;

/// Weights of an architecture, ready to run.
#[derive(Debug)]
pub struct Bare {
    answers: Answers,
}

impl Bare {
    /// Loads `file` (safetensors) as weights of `architecture`; names, shapes and values are proved, no hash is.
    ///
    /// # Errors
    /// [`NetworkError`] when the file is not such weights, `compute` is not there, or `device` is a GPU that can not
    /// be used.
    pub fn load(
        file: &Path,
        architecture: Architecture,
        device: Device,
        compute: Compute,
    ) -> Result<Self, NetworkError> {
        let weights = weights::load_any(file, &inventory(architecture)?)?;
        let answers = Answers::new(architecture, compute, &weights)?;
        let answers = answers.on(device, architecture, &weights, None, gpu::open)?;
        Ok(Self { answers })
    }

    /// Probabilities of `x`, `[D, H, W]` with W fastest.
    ///
    /// # Errors
    /// [`NetworkError`] when memory is missing or no network takes this size.
    pub fn forward(&self, x: &[f32], size: [usize; 3]) -> Result<Vec<f32>, NetworkError> {
        self.answers.forward(x, size, &mut |_| ())
    }

    /// Kind of device that answers now.
    pub fn device(&self) -> String {
        self.answers.device()
    }

    /// What a person should know about the device.
    pub fn notice(&self) -> Option<Notice> {
        self.answers.notice()
    }

    /// Seconds of the last forward on a GPU, copies apart, and all its bytes there; `None` on a CPU.
    pub fn on_gpu(&self) -> Option<(f64, usize)> {
        self.answers.on_gpu()
    }

    /// Bytes that [`forward`](Self::forward) asks for over `size` on rayon's threads of a CPU; `None` for the reference path,
    /// which does not plan.
    pub fn memory(&self, size: [usize; 3]) -> Option<usize> {
        self.answers.memory(size)
    }
}
