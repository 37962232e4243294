//! Seconds on paper: operations and bytes are counted from the very launches, rates are the maker's.
//!
//! Estimate of one launch = operations / (share of the peak that such kernels reach) + bytes / (share of the memory's
//! rate), nothing hidden behind the other; plus a fixed time a launch. Operations count padding. Bytes count each
//! input once and, from the second level's cache, every halo again.

use super::pack::Weights;
use super::schedule::{Layout, Schedule};
use super::{Fault, Program};
use crate::network::architecture::Architecture;

/// A GPU's rates.
struct Rates {
    name: &'static str,
    /// fp16 products with fp32 sums, operations a second.
    flops: f64,
    /// Bytes a second.
    memory: f64,
}

/// Jetson Orin Nano 8 GB in its 25 W mode: 8 SMs, 32 tensor cores, 1.02 GHz. NVIDIA's "67 TOPS" is INT8 with
/// sparsity; dense fp16 is a quarter of it, 16.7e12. Ampere outside the data centre halves that for fp32 sums; whether
/// Orin does is not in a data sheet, so half is assumed. Memory: 102 GB/s (data sheet).
const ORIN_NANO: Rates = Rates {
    name: "Jetson Orin Nano 8 GB, 25 W",
    flops: 16.7e12 / 2.0,
    memory: 102e9,
};
/// Share of the peak that a plain `mma.sync` kernel with 16 to 64 columns reaches: 0.3 to 0.5 in published kernels.
const OF_FLOPS: f64 = 0.35;
/// Share of the memory's rate that streaming kernels reach.
const OF_MEMORY: f64 = 0.8;
/// Between two launches, seconds.
const LAUNCH: f64 = 10e-6;

/// What a forward costs on paper.
#[derive(Clone, Debug)]
pub struct Estimate {
    /// For which GPU.
    pub device: &'static str,
    /// Launches of kernels.
    pub launches: usize,
    /// 1e9 operations that the network needs, the second turn of the last level included.
    pub useful_gflop: f64,
    /// 1e9 operations that the tensor cores do.
    pub gflop: f64,
    /// 1e9 bytes, everything read and written once a launch.
    pub gbyte: f64,
    /// 1e9 bytes that the blocks ask the second level's cache for, filters apart.
    pub requested_gbyte: f64,
    /// MiB of activations, sums, input and answer.
    pub arena_mib: f64,
    /// MiB of weights.
    pub weights_mib: f64,
    /// Seconds.
    pub seconds: f64,
}

/// Counts a forward of `architecture` over `size` (z, y, x), every axis at least 16.
///
/// # Errors
/// [`Fault::TooLarge`]; [`Fault::Architecture`].
pub fn estimate(architecture: Architecture, size: [usize; 3]) -> Result<Estimate, Fault> {
    let config = architecture.unet();
    let config = config.ok_or(Fault::Architecture(architecture))?;
    let program = Program::new(&config, size);
    super::schedule::check(&program)?;
    let layout = Layout::new(&program);
    let zeros = |_: &str, shape: &[usize]| Ok(vec![0.0; shape.iter().product()]);
    let weights = Weights::new::<Fault>(&program.layers, zeros)?;
    let launches = Schedule::new(&program, &layout, &weights, [0, 0], false).launches;
    let rates = ORIN_NANO;
    let mut all = Estimate {
        device: rates.name,
        launches: launches.len(),
        useful_gflop: 0.0,
        gflop: 0.0,
        gbyte: 0.0,
        requested_gbyte: 0.0,
        arena_mib: layout.bytes as f64 / f64::from(1 << 20),
        weights_mib: weights.bytes.len() as f64 / f64::from(1 << 20),
        seconds: 0.0,
    };
    for work in launches.iter().map(|l| l.work) {
        all.useful_gflop += work.useful_flop / 1e9;
        all.gflop += work.flop / 1e9;
        all.gbyte += work.bytes / 1e9;
        all.requested_gbyte += work.requested / 1e9;
        all.seconds +=
            work.flop / (OF_FLOPS * rates.flops) + work.bytes / (OF_MEMORY * rates.memory) + LAUNCH;
    }
    Ok(all)
}
