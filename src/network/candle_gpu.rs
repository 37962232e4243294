//! Candle on a GPU: the reference path on CUDA, for the architectures that our GPU engine does not have. Only with the
//! feature `candle-cuda`: it needs nvcc to build, and such a program does not start without the CUDA libraries.
//!
//! CraNeXt's depthwise convolution has no kernel of candle's and goes through the CPU. **Never run on hardware.**

use super::architecture::Architecture;
use super::gpu::{self, Fault};
use super::probability;
use super::reference::{Reference, reference};
use candle_core::{Device, Result, Tensor};
use candle_nn::VarBuilder;

/// Cells of the case that has to come out as on the CPU: a size that every such architecture takes.
pub(super) const CASE: [usize; 3] = [64; 3];

/// A network on a CUDA device of candle's.
#[derive(Debug)]
pub(super) struct CandleGpu {
    /// `None` only while it is dropped.
    on: Option<(Reference, Device)>,
    architecture: Architecture,
    ordinal: usize,
    /// One thread: candle gives each thread a stream of its own and does not order them, and our layers use rayon's.
    thread: rayon::ThreadPool,
}

impl CandleGpu {
    /// Brings the weights to GPU number `ordinal`.
    ///
    /// # Errors
    /// What our own GPU engine says when it is opened; [`Fault::Other`] with candle's words.
    pub(super) fn open(
        ordinal: usize,
        architecture: Architecture,
        weights: &VarBuilder<'_>,
    ) -> std::result::Result<Self, Fault> {
        // Says in our words what is not there: driver, device, compute capability.
        drop(gpu::open(ordinal)?);
        let thread = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let thread = thread.map_err(|e| said("was opened", &candle_core::Error::wrap(e)))?;
        let open = || -> Result<_> {
            let device = Device::new_cuda(ordinal)?;
            let network = reference(architecture, weights.clone().set_device(device.clone()))?;
            Ok((network, device))
        };
        let on = thread.install(open).map_err(|e| said("was opened", &e))?;
        Ok(Self {
            on: Some(on),
            architecture,
            ordinal,
            thread,
        })
    }

    /// Its name for people.
    pub(super) fn name(&self) -> String {
        format!("cuda:{} (candle)", self.ordinal)
    }

    /// The network it has.
    pub(super) fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// Holds its logits of the stored case against the CPU's.
    ///
    /// # Errors
    /// [`Fault::Wrong`], or candle's words.
    pub(super) fn check(&self, want: &[f32]) -> std::result::Result<(), Fault> {
        let case = gpu::stored_case(CASE);
        let flat = |logits: Tensor| logits.flatten_all()?.to_vec1();
        let have = self.run(&case, CASE, &mut |_| (), flat);
        gpu::compare(&have.map_err(|e| said("was checked", &e))?, want)
    }

    /// Probabilities of `x`, `[D, H, W]`.
    ///
    /// # Errors
    /// Candle's words: no memory, a kernel that failed; an answer that is not a number.
    pub(super) fn forward(
        &self,
        x: &[f32],
        size: [usize; 3],
        done: &mut dyn FnMut(f64),
    ) -> std::result::Result<Vec<f32>, Fault> {
        let mut heard = Vec::new();
        let answer = self.run(x, size, &mut |part| heard.push(part), |l| probability(&l));
        heard.into_iter().for_each(done);
        let answer = answer.map_err(|e| said("computed", &e))?;
        if answer.iter().all(|p| p.is_finite()) {
            return Ok(answer);
        }
        let name = "values that are not numbers".into();
        Err(Fault::Other {
            doing: "computed",
            name,
        })
    }

    /// A forward on the one thread.
    fn run(
        &self,
        x: &[f32],
        [d, h, w]: [usize; 3],
        done: &mut (dyn FnMut(f64) + Send),
        read: impl FnOnce(Tensor) -> Result<Vec<f32>> + Send,
    ) -> Result<Vec<f32>> {
        self.thread.install(|| {
            let Some((network, device)) = &self.on else {
                candle_core::bail!("the GPU was given up");
            };
            let x = Tensor::from_slice(x, (1, d, h, w), device)?;
            read(network.forward(&x, &mut |part| done(part))?)
        })
    }
}

impl Drop for CandleGpu {
    /// On the thread whose stream owns the memory.
    fn drop(&mut self) {
        let on = self.on.take();
        self.thread.install(|| drop(on));
    }
}

fn said(doing: &'static str, error: &candle_core::Error) -> Fault {
    // The first line: candle may add a trace.
    let text = error.to_string();
    let name = text.lines().next().unwrap_or_default().to_owned();
    Fault::Other { doing, name }
}
