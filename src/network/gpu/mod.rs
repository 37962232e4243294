//! GPU: the U-Nets on a CUDA device, in fp16 on tensor cores, from the same program as the CPU engine.
//!
//! In:    one channel `[D, H, W]`, finite numbers; weights by PyTorch's names; a device number.
//! Out:   one probability a voxel, or a [`Fault`].
//! Holds: one binary with and without a GPU: the driver is loaded at run time where there is one, and the kernels are in
//!        the program as PTX. Same input, same weights, same GPU model: the same bits; nothing is summed atomically.
//!        All memory of a forward is planned and asked for before it starts; V3 at 240x200x240 needs 0.22 GiB.
//! Never: needs the CUDA toolkit to build or to run; answers before a stored case came out as on the CPU.
//! Cost:  not known yet: **the kernels never ran on hardware**. `estimate.rs` says what to expect.
//!
//! How: activations are fp16 in `[z][y][x][channel]`, sums are fp32. Outputs are stored raw; norm, activation and zero
//! padding happen when the next layer loads, the norm's sums when the last one stored. A second source stands for a
//! concatenation. The last level is computed twice, once for its norm's sums and once straight into the answer.
//!
//! | file | about |
//! |---|---|
//! | `kernels/` | the kernels, the script that makes the PTX from them, and the PTX; a host compiler runs them in tests |
//! | `args.rs` | what a kernel is told |
//! | `pack.rs` | weights in the order of the lanes |
//! | `schedule.rs` | memory plan and the list of launches |
//! | `device.rs` | what is asked of a GPU |
//! | `cuda.rs` | CUDA's driver; the only file with `unsafe` |
//! | `fault.rs` | what can go wrong, in words |
//! | `check.rs` | the stored case |
//! | `estimate.rs` | seconds on paper |

mod args;
mod check;
mod cuda;
mod device;
mod estimate;
mod fault;
mod pack;
mod schedule;

#[cfg(test)]
mod emulate;
#[cfg(test)]
pub(super) mod fake;
#[cfg(test)]
mod tests;

pub use estimate::{Estimate, estimate};
pub use fault::Fault;

#[cfg(feature = "candle-cuda")]
pub(super) use check::compare;
pub(super) use check::{SIZE as CASE, check, head as stored_case};
pub(super) use cuda::open;
pub(super) use device::Gpu;

use super::engine::program::Program;
use super::unet::{Config, Level};
use pack::Weights;
use schedule::{Layout, Schedule};
use std::time::Instant;

/// A network with its weights on a GPU.
#[derive(Debug)]
pub(super) struct Engine {
    config: Config,
    gpu: Box<dyn Gpu>,
    /// Places of the weights; their bytes are on the GPU alone.
    weights: Weights,
    block: u64,
    weight_bytes: usize,
    /// Address and size of the memory for activations.
    arena: Option<(u64, usize)>,
    seconds: f64,
}

impl Engine {
    /// Packs the weights of `config` and brings them to `gpu`; `get` hands out a tensor by its name and shape.
    ///
    /// # Errors
    /// Those of `get`; a fault of the GPU.
    pub(super) fn new<E: From<Fault>>(
        config: &Config,
        mut gpu: Box<dyn Gpu>,
        get: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
    ) -> Result<Self, E> {
        // Any size will do: layers do not depend on it.
        let layers = Program::new(config, [32; 3]).layers;
        let mut weights = Weights::new(&layers, get)?;
        let bytes = std::mem::take(&mut weights.bytes);
        let block = gpu.allocate(bytes.len())?;
        gpu.upload(block, &bytes)?;
        Ok(Self {
            config: config.clone(),
            gpu,
            weights,
            block,
            weight_bytes: bytes.len(),
            arena: None,
            seconds: f64::NAN,
        })
    }

    /// Kind and number of the GPU.
    pub(super) fn name(&self) -> String {
        self.gpu.name()
    }

    /// Seconds of the last forward, copies apart; NaN before the first.
    pub(super) fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Bytes on the GPU.
    pub(super) fn memory(&self) -> usize {
        self.weight_bytes + self.arena.map_or(0, |(_, bytes)| bytes)
    }

    /// Asks for all memory of a forward over `size`, so that it is missed before a case needs it.
    ///
    /// # Errors
    /// [`Fault::OutOfMemory`].
    pub(super) fn reserve(&mut self, size: [usize; 3]) -> Result<(), Fault> {
        let program = Program::new(&self.config, size);
        schedule::check(&program)?;
        self.arena(Layout::new(&program).bytes).map(|_| ())
    }

    fn arena(&mut self, bytes: usize) -> Result<u64, Fault> {
        if let Some((address, _)) = self.arena.filter(|(_, have)| *have >= bytes) {
            return Ok(address);
        }
        if let Some((address, _)) = self.arena.take() {
            self.gpu.free(address);
        }
        let address = self.gpu.allocate(bytes)?;
        self.arena = Some((address, bytes));
        Ok(address)
    }

    /// Probabilities of `x` `[D, H, W]`, of a size that [`engine::check`](super::engine::check) takes. `done` hears of
    /// every level when it was asked for, which is a little before it is there.
    ///
    /// # Errors
    /// A fault of the GPU; [`Fault::NotFinite`] where fp16 does not hold the activations. After one the engine is of
    /// no use.
    pub(super) fn forward(
        &mut self,
        x: &[f32],
        size: [usize; 3],
        done: &mut dyn FnMut(Level),
    ) -> Result<Vec<f32>, Fault> {
        self.run(x, size, false, done)
    }

    fn run(
        &mut self,
        x: &[f32],
        size: [usize; 3],
        logits: bool,
        done: &mut dyn FnMut(Level),
    ) -> Result<Vec<f32>, Fault> {
        let program = Program::new(&self.config, size);
        schedule::check(&program)?;
        let layout = Layout::new(&program);
        let arena = self.arena(layout.bytes)?;
        let schedule = Schedule::new(
            &program,
            &layout,
            &self.weights,
            [arena, self.block],
            logits,
        );
        let mut bytes: Vec<u8> = x.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.gpu.upload(schedule.input, &bytes)?;
        self.gpu.finish()?;
        let start = Instant::now();
        for launch in &schedule.launches {
            self.gpu.launch(launch)?;
            if let Some(level) = launch.level {
                done(level);
            }
        }
        self.gpu.finish()?;
        self.seconds = start.elapsed().as_secs_f64();
        self.gpu.download(schedule.answer, &mut bytes)?;
        let four = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        let answer: Vec<f32> = bytes.chunks_exact(4).map(four).collect();
        match answer.iter().filter(|p| !p.is_finite()).count() {
            0 => Ok(answer),
            count => Err(Fault::NotFinite { count }),
        }
    }
}
