//! A network without a card: any weights of an architecture, over any size. For measuring and comparing; a case goes
//! through [`Network`](super::Network), which knows what its weights are.

use super::architecture::Architecture;
use super::inventory::inventory;
use super::{Answers, Compute, NetworkError, weights};
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
    /// [`NetworkError`] when the file is not such weights or `compute` is not there.
    pub fn load(
        file: &Path,
        architecture: Architecture,
        compute: Compute,
    ) -> Result<Self, NetworkError> {
        let weights = weights::load_any(file, &inventory(architecture)?)?;
        let answers = Answers::new(architecture, compute, weights)?;
        Ok(Self { answers })
    }

    /// Probabilities of `x`, `[D, H, W]` with W fastest.
    ///
    /// # Errors
    /// [`NetworkError`] when memory is missing or no network takes this size.
    pub fn forward(&self, x: &[f32], size: [usize; 3]) -> Result<Vec<f32>, NetworkError> {
        self.answers.forward(x, size, &mut |_| ())
    }

    /// Bytes that [`forward`](Self::forward) asks for over `size` on rayon's threads; `None` for the reference path,
    /// which does not plan.
    pub fn memory(&self, size: [usize; 3]) -> Option<usize> {
        match &self.answers {
            Answers::Engine(engine) => Some(engine.memory(size, rayon::current_num_threads())),
            Answers::Reference(..) => None,
        }
    }
}
