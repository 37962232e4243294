//! Engine: the U-Nets on a CPU, several times faster than a tensor library and in a quarter of its memory.
//!
//! In:    one channel `[D, H, W]`, every axis at least 16, finite numbers; weights by PyTorch's names.
//! Out:   one probability a voxel.
//! Holds: same input, same weights, same instruction set: the same bits, whatever the thread count. All memory but
//!        kilobytes is asked for before the first layer; what is not there is an error, not an abort.
//! Never: depends on the processor it was built on; reads a file, the environment or a clock.
//! Cost:  V3 at 240x200x240: 130 GFLOP instead of 498, 0.45 GiB; `benches/RESULTS.md` has the seconds.
//!
//! How: tensors are blocks of 16 channels, a cache line a voxel (`kernel/memory.rs`). Every convolution is one of
//! two Winograd forms nested in three dimensions (`kernel/scheme.rs`): 3x3x3, or the 2x2x2 taps that a k4 s2
//! convolution and a transposed one have in each of their eight phases. Outputs are stored raw; norm, activation and
//! zero padding happen when the next layer loads (`kernel/load.rs`), the norm's sums when the last one stored
//! (`kernel/store.rs`). Skips join in place. The last level is computed twice, once for its norm's sums and once
//! straight into the one output channel, because its activation would be larger than everything else together.
//!
//! | file | about |
//! |---|---|
//! | `isa.rs` | which vector instructions; found at run time, can be forced |
//! | `program.rs` | the layers of a network in their order, and its values |
//! | `plan.rs` | one arena, a place for every value while it is needed |
//! | `shape.rs` | a layer cut into tiles and units of work |
//! | `pack.rs` | weights in the order of the kernels |
//! | `sigmoid.rs` | the last function |
//! | `kernel/` | everything that is `unsafe` |

mod isa;
mod kernel;
pub(super) mod pack;
pub(super) mod plan;
pub(super) mod program;
mod shape;
mod sigmoid;

#[cfg(test)]
mod tests;

pub use isa::Isa;
pub(super) use kernel::View;

use super::unet::{Config, Level};
use kernel::{Data, Line, Lines, Output, Pool, Source};
use pack::Packed;
use plan::Plan;
use program::{Act, INPUT, Program, Step};
use rayon::prelude::*;
use shape::{Form, Shape};
use std::collections::HashMap;

/// Why the engine could not answer.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Memory that was not there.
    #[error(
        "the network needs {mib} MiB that are not there. Give the process more memory or take a model of larger voxels."
    )]
    OutOfMemory {
        /// What was asked for.
        mib: usize,
    },
    /// The input is not as long as its size says, or an axis is too short for four halvings.
    #[error(
        "the network can not run on {}x{}x{} voxels given as {count} numbers: every axis needs at least 16, and one more than 31.",
        size[0], size[1], size[2]
    )]
    Size {
        /// Voxels along depth, height, width.
        size: [usize; 3],
        /// Numbers that were given.
        count: usize,
    },
}

impl From<kernel::OutOfMemory> for EngineError {
    fn from(error: kernel::OutOfMemory) -> Self {
        Self::OutOfMemory {
            mib: error.bytes >> 20,
        }
    }
}

/// The least extent of an axis: four halvings leave one voxel.
const LEAST: usize = 16;
/// Epsilon of every norm.
const EPS: f64 = 1e-5;

/// A network with packed weights.
#[derive(Debug)]
pub(super) struct Engine {
    config: Config,
    isa: Isa,
    layers: Vec<Packed>,
}

/// Everything that is known about a forward before it starts.
struct Prepared {
    program: Program,
    /// One a step; none for joins.
    shapes: Vec<Option<Shape>>,
    plan: Plan,
    /// Lines of scratch a thread.
    scratch: usize,
}

impl Engine {
    /// Packs the weights of `config`; `get` hands out a tensor by its name and shape.
    ///
    /// # Errors
    /// Those of `get`, or no memory.
    pub(super) fn new<E: From<EngineError>>(
        config: &Config,
        isa: Isa,
        mut get: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
    ) -> Result<Self, E> {
        let group = if isa == Isa::Avx512 { 2 } else { 1 };
        let mut layers = Vec::new();
        for layer in Program::new(config, [2 * LEAST; 3]).layers {
            let weight = get(
                &format!("{}.weight", layer.conv),
                &pack::weight_shape(&layer),
            )?;
            let bias = get(&format!("{}.bias", layer.conv), &[layer.to])?;
            let norm = match &layer.norm {
                Some(name) => Some([
                    get(&format!("{name}.weight"), &[layer.to])?,
                    get(&format!("{name}.bias"), &[layer.to])?,
                ]),
                None => None,
            };
            let packed = pack::pack(&layer, &weight, &bias, norm, group);
            layers.push(packed.map_err(EngineError::from)?);
        }
        Ok(Self {
            config: config.clone(),
            isa,
            layers,
        })
    }

    /// The instructions it runs on.
    pub(super) fn isa(&self) -> Isa {
        self.isa
    }

    /// Bytes that a forward over `size` asks for, its answer included, on `threads` threads.
    pub(super) fn memory(&self, size: [usize; 3], threads: usize) -> usize {
        let prepared = self.prepare(size);
        (prepared.plan.lines + threads * prepared.scratch) * 64 + size.iter().product::<usize>() * 4
    }

    fn prepare(&self, size: [usize; 3]) -> Prepared {
        let program = Program::new(&self.config, size);
        let mut shapes = Vec::new();
        let mut filters = Vec::new();
        let mut scratch = 0;
        for step in &program.steps {
            let layer = &program.layers[step.layer];
            let (k, k_blocks) = kernel::port_count(&layer.from, layer.single, layer.view);
            if step.act == Act::Join {
                let size = program.values[step.target].size;
                scratch = scratch.max(kernel::join_scratch_lines(k_blocks, size));
                shapes.push(None);
                filters.push(0);
                continue;
            }
            let form = if layer.view == View::Same {
                Form::Three
            } else {
                Form::Two
            };
            let positions = match layer.view {
                // One more than there are inputs: the first and the last make one output each.
                View::Double => program.values[step.sources[0]].size.map(|n| n + 1),
                _ => program.values[step.target].size,
            };
            let n = self.layers[step.layer].n;
            let shape = Shape::new(form, self.isa, positions, (k, k_blocks), n);
            scratch = scratch.max(shape.scratch_lines());
            filters.push(shape.filter_lines());
            shapes.push(Some(shape));
        }
        let plan = Plan::new(&program, &filters);
        Prepared {
            program,
            shapes,
            plan,
            scratch,
        }
    }

    /// Probabilities of `x` `[D, H, W]`. `done` hears of every level when it is there.
    ///
    /// # Errors
    /// [`EngineError`] when the size is too small or not that of `x`, or memory is missing.
    pub(super) fn forward(
        &self,
        x: &[f32],
        size: [usize; 3],
        done: &mut dyn FnMut(Level),
    ) -> Result<Vec<f32>, EngineError> {
        let mut answer = self.logits(x, size, done)?;
        sigmoid::sigmoid(&mut answer);
        Ok(answer)
    }

    /// The same before the sigmoid.
    ///
    /// # Errors
    /// Those of [`forward`](Self::forward).
    pub(super) fn logits(
        &self,
        x: &[f32],
        size: [usize; 3],
        done: &mut dyn FnMut(Level),
    ) -> Result<Vec<f32>, EngineError> {
        check(size, x.len())?;
        let prepared = self.prepare(size);
        let mut answer = kernel::room(x.len())?;
        let mut run = Run {
            fixed: Fixed {
                engine: self,
                prepared: &prepared,
                x,
                pool: Pool::new(prepared.scratch)?,
            },
            arena: Lines::zeroed(prepared.plan.lines)?,
            scales: HashMap::new(),
        };
        #[cfg(test)]
        run.arena.fill(Line([f32::NAN; 16]));
        for at in 0..prepared.program.steps.len() {
            run.step(at, &mut answer)?;
            if let Some(level) = prepared.program.steps[at].level {
                done(level);
            }
        }
        drop(run);
        Ok(answer)
    }
}

/// Refuses sizes that no network takes, and `count` numbers that are not one a voxel.
pub(super) fn check(size: [usize; 3], count: usize) -> Result<(), EngineError> {
    let voxels = size.iter().try_fold(1usize, |n, &side| n.checked_mul(side));
    let deepest: usize = size
        .iter()
        .map(|n| n / LEAST)
        .fold(1, usize::saturating_mul);
    if voxels != Some(count) || deepest < 2 {
        return Err(EngineError::Size { size, count });
    }
    Ok(())
}

/// What does not change during one forward.
struct Fixed<'a> {
    engine: &'a Engine,
    prepared: &'a Prepared,
    x: &'a [f32],
    pool: Pool,
}

/// One forward on its way.
struct Run<'a> {
    fixed: Fixed<'a>,
    arena: Lines,
    /// How a stored value is normalised when it is read: a line of `a` and one of `b` for each block.
    scales: HashMap<usize, Vec<Line>>,
}

impl Run<'_> {
    fn step(&mut self, at: usize, answer: &mut Vec<f32>) -> Result<(), EngineError> {
        let fixed = &self.fixed;
        let Prepared { program, plan, .. } = fixed.prepared;
        let step = &program.steps[at];
        let target = match step.act {
            Act::Last => 0..0,
            _ => plan.values[step.target].clone(),
        };
        let mut places = vec![target, plan.filters[at].clone()];
        places.extend(step.sources.iter().map(|&v| plan.values[v].clone()));
        let mut parts = plan::split(&mut self.arena, &places).into_iter();
        let (Some(target), Some(filters)) = (parts.next(), parts.next()) else {
            unreachable!("two places were asked for");
        };
        let sources: Vec<Source<'_>> = step
            .sources
            .iter()
            .zip(parts)
            .map(|(&v, lines)| Source {
                data: if v == INPUT {
                    Data::Single(fixed.x)
                } else {
                    Data::Lines(lines)
                },
                channels: program.values[v].channels,
                size: program.values[v].size,
                scale: self.scales.get(&v).map(Vec::as_slice),
            })
            .collect();
        let layer = &fixed.engine.layers[step.layer];
        let isa = fixed.engine.isa;
        match (step.act, &fixed.prepared.shapes[at]) {
            (Act::Join, _) => {
                let size = program.values[step.target].size;
                let scale = self.scales.get(&step.target).map_or(&[][..], Vec::as_slice);
                let group = if isa == Isa::Avx512 && layer.n.is_multiple_of(2) {
                    2
                } else {
                    1
                };
                let weights = (&*layer.filters, &*layer.bias, group);
                kernel::join(isa, &sources, weights, scale, (target, size), &fixed.pool)?;
                // The sum is stored as it is used.
                self.scales.remove(&step.target);
            }
            (Act::Conv, Some(shape)) => {
                kernel::transform(isa, shape, &layer.filters, filters);
                let value = &program.values[step.target];
                let view = program.layers[step.layer].view;
                let output = (Output::Lines(target), value.size);
                let sums = kernel::conv(isa, shape, &sources, view, filters, output, &fixed.pool)?;
                self.scales
                    .insert(step.target, scale(layer, &sums, value.voxels()));
            }
            (Act::Last, Some(shape)) => {
                kernel::transform(isa, shape, &layer.filters, filters);
                fixed.last(step, shape, &sources, filters, answer)?;
            }
            (Act::Conv | Act::Last, None) => unreachable!("every convolution has a shape"),
        }
        Ok(())
    }
}

impl Fixed<'_> {
    /// Both passes of the last level.
    fn last(
        &self,
        step: &Step,
        shape: &Shape,
        sources: &[Source<'_>],
        filters: &[Line],
        answer: &mut Vec<f32>,
    ) -> Result<(), EngineError> {
        let (isa, pool) = (self.engine.isa, &self.pool);
        let (layer, head) = (
            &self.engine.layers[step.layer],
            &self.engine.layers[step.layer + 1],
        );
        let size = sources[0].size.map(|n| 2 * n);
        let count = (Output::Count, size);
        let sums = kernel::conv(isa, shape, sources, View::Double, filters, count, pool)?;
        let scale = scale(layer, &sums, size.iter().product());
        let bias = head.bias[0].0[0];
        // Where an odd input leaves a plane without a voxel, the head sees zeros.
        // By all threads: these pages are touched for the first time, which costs as much as a layer.
        answer.par_extend(rayon::iter::repeat_n(bias, self.x.len()));
        // A head's filters are `[k]` lines of one channel: its 16 weights are the first lanes.
        let mut weights = Line::ZERO;
        for (lane, line) in weights.0.iter_mut().zip(head.filters.iter()) {
            *lane = line.0[0];
        }
        let output = Output::Head {
            scale: &scale,
            weights: &weights,
            bias,
            logits: answer,
            size: self.prepared.program.values[INPUT].size,
        };
        kernel::conv(
            isa,
            shape,
            sources,
            View::Double,
            filters,
            (output, size),
            pool,
        )?;
        Ok(())
    }
}

/// A norm over whole volumes of `voxels`, as `a x + b`: from sums and sums of squares in f64.
fn scale(layer: &Packed, sums: &[f64], voxels: usize) -> Vec<Line> {
    let mut lines = vec![Line::ZERO; sums.len() / 16];
    let Some([weight, bias]) = &layer.norm else {
        return lines;
    };
    for (c, (&weight, &bias)) in weight.iter().zip(bias).enumerate() {
        let at = c / 16 * 32 + c % 16;
        let mean = sums[at] / voxels as f64;
        // Rounding may bring a constant channel's variance below zero; NaN stays NaN.
        let variance = sums[at + 16] / voxels as f64 - mean * mean;
        let variance = if variance < 0.0 { 0.0 } else { variance };
        let a = f64::from(weight) / (variance + EPS).sqrt();
        lines[c / 16 * 2].0[c % 16] = a as f32;
        lines[c / 16 * 2 + 1].0[c % 16] = (f64::from(bias) - mean * a) as f32;
    }
    lines
}
