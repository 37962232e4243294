//! Kernels: the only files of the network with `unsafe`. What leaves this folder is safe: the functions `conv`, `join`,
//! `transform` take slices, check that they are long enough, and run units on rayon's threads.
//!
//! | file | about |
//! |---|---|
//! | `memory.rs` | lines of 16 numbers, asked for once, refused as a value |
//! | `simd.rs`, `x86.rs`, `neon.rs` | the vector operations, and how a kernel is compiled for each instruction set |
//! | `scheme.rs`, `filters.rs` | the two Winograd schemes: samples, outputs, filters |
//! | `load.rs` | stored activations to transformed tiles: norm, activation, zero padding |
//! | `product.rs` | the inner loop: a few rows times a panel of filters |
//! | `store.rs` | products to voxels: sums for the norm, storing, the fused last level |
//! | `conv.rs` | one unit of a convolution |
//! | `join.rs` | the end of a residual block |
//! | `shared.rs` | a buffer that several threads write, each its own part |
//!
//! Why unsafe: vector instructions that are chosen at run time are unsafe to call, and a unit writes voxels that are
//! strewn over a buffer which other units write as well; no safe slice expresses that.
#![allow(
    unsafe_code,
    reason = "vector instructions chosen at run time, and disjoint writes into one buffer; see the module's text"
)]
#![allow(
    clippy::missing_safety_doc,
    reason = "inside this folder every unsafe function of `Simd` has the safety section of its trait"
)]

mod conv;
mod filters;
mod join;
mod load;
mod memory;
#[cfg(target_arch = "aarch64")]
mod neon;
mod product;
mod scheme;
mod shared;
mod simd;
mod store;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests;

pub(super) use memory::{Line, Lines, OutOfMemory, room};

use super::isa::Isa;
use super::shape::{Form, Shape};
use conv::{ConvUnit, Layer};
use load::{Kind, Port};
use rayon::prelude::*;
use scheme::{Three, Two};
use shared::Shared;
use simd::{Job, Scalar, Simd};
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};
use store::{Finish, Target};

/// Runs `job` with the instructions of `isa`.
///
/// # Safety
/// What the job says about its pointers.
///
/// # Panics
/// When the processor does not have the instructions: an [`Isa`] is chosen once, by detection or by an override that
/// was checked, so this is a bug and not an input.
unsafe fn on<J: Job>(isa: Isa, job: J) -> J::Out {
    assert!(isa.is_here(), "{isa} is not there");
    match isa {
        // SAFETY: the instructions are there, the pointers are the caller's.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { x86::Avx2::call(job) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { x86::Avx512::call(job) },
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => unsafe { neon::Neon::call(job) },
        // SAFETY: as above.
        _ => unsafe { Scalar::call(job) },
    }
}

/// Scratch for units: a buffer for every thread that works, used again and again.
#[derive(Debug)]
pub(super) struct Pool {
    free: Mutex<Vec<Lines>>,
    lines: usize,
}

impl Pool {
    /// A buffer of `lines` for each of rayon's threads.
    pub(super) fn new(lines: usize) -> Result<Self, OutOfMemory> {
        let buffers = (0..rayon::current_num_threads()).map(|_| Lines::zeroed(lines));
        Ok(Self {
            free: Mutex::new(buffers.collect::<Result<_, _>>()?),
            lines,
        })
    }

    fn with(&self, work: impl FnOnce(&mut [Line])) -> Result<(), OutOfMemory> {
        let free = || self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = free().pop();
        let mut scratch = match taken {
            Some(scratch) => scratch,
            // More threads than there were at first.
            None => Lines::zeroed(self.lines)?,
        };
        #[cfg(test)]
        scratch.fill(Line([f32::NAN; 16]));
        work(&mut scratch);
        free().push(scratch);
        Ok(())
    }
}

/// One input of a layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) data: Data<'a>,
    pub(super) channels: usize,
    /// Voxels along z, y, x.
    pub(super) size: [usize; 3],
    /// For each block a line of `a` and one of `b`: the layer sees leaky(a x + b). `None`: it sees x.
    pub(super) scale: Option<&'a [Line]>,
}

/// How a source is stored.
#[derive(Clone, Copy, Debug)]
pub(super) enum Data<'a> {
    /// `[block][z][y][x]`, 16 channels a line.
    Lines(&'a [Line]),
    /// `[z][y][x]`, one channel.
    Single(&'a [f32]),
}

/// How a layer looks at its sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::network) enum View {
    /// 3x3x3 that keeps the size; all sources side by side.
    Same,
    /// 4x4x4 that halves the size: eight phases of 2x2x2 taps.
    Half,
    /// 4x4x4 transposed that doubles it: 2x2x2 taps for each of eight phases of the output.
    Double,
    /// 1x1x1.
    Point,
}

/// What the layers see of `sources`, 16 channels at a time, in the order of the packed weights.
fn ports(sources: &[Source<'_>], view: View) -> Vec<Port> {
    let phases = if view == View::Half { 8 } else { 1 };
    let mut ports = Vec::new();
    for source in sources {
        let [d, h, w] = source.size.map(|n| n as isize);
        let voxels = source.size.iter().product::<usize>();
        let blocks = source.channels.div_ceil(16);
        let (kind, from, pitch) = match source.data {
            Data::Lines(lines) => {
                assert!(lines.len() >= voxels * blocks, "a source is too short");
                (Kind::Lines, lines.as_ptr().cast(), 16)
            }
            Data::Single(numbers) => {
                assert!(numbers.len() >= voxels && blocks == 1 && source.scale.is_none());
                (Kind::Single, numbers.as_ptr(), 1)
            }
        };
        if let Some(scale) = source.scale {
            assert!(scale.len() >= 2 * blocks, "a scale is too short");
        }
        for phase in 0..phases {
            let phase = [phase / 4, phase / 2 % 2, phase % 2];
            let (step, off) = match view {
                View::Same | View::Double => (1, [-1; 3]),
                View::Half => (2, phase.map(|p| p - 1)),
                View::Point => (1, [0; 3]),
            };
            for block in 0..blocks {
                ports.push(Port {
                    kind,
                    // SAFETY: the block lies inside the slice, as asserted.
                    from: unsafe {
                        from.add(block * voxels * 16 * usize::from(kind == Kind::Lines))
                    },
                    size: [d, h, w],
                    pitch: [h * w * pitch, w * pitch, pitch],
                    step,
                    off,
                    scale: match source.scale {
                        Some(scale) => scale[2 * block..].as_ptr().cast(),
                        None => std::ptr::null(),
                    },
                    channels: (source.channels - 16 * block).min(16),
                });
            }
            if kind == Kind::Single && view == View::Half {
                // All phases of a single channel fit into one line.
                let port = ports.len() - 1;
                ports[port].kind = Kind::Eight;
                ports[port].channels = 8;
                break;
            }
        }
    }
    ports
}

/// Number and channels of the ports that [`ports`] would make of sources with these channels.
pub(super) fn port_count(channels: &[usize], single: bool, view: View) -> (usize, usize) {
    let all = channels.iter().sum::<usize>();
    let blocks = channels.iter().map(|c| c.div_ceil(16)).sum::<usize>();
    match view {
        View::Half if single => (8, 1),
        View::Half => (8 * all, 8 * blocks),
        _ => (all, blocks),
    }
}

/// What becomes of a convolution's output.
#[derive(Debug)]
pub(super) enum Output<'a> {
    /// Raw, `[block][z][y][x]`.
    Lines(&'a mut [Line]),
    /// Only the sums.
    Count,
    /// One number a voxel: bias + weights . leaky(a x + b).
    Head {
        /// A line of `a`, a line of `b`.
        scale: &'a [Line],
        weights: &'a Line,
        bias: f32,
        logits: &'a mut [f32],
        /// Voxels of `logits`, at least those of the output; the rest is left alone.
        size: [usize; 3],
    },
}

/// A convolution over `shape`. Returns sum and sum of squares of every output channel, `[block][sums 16, squares
/// 16]`, over the whole volume (and over all phases of a `Double`).
///
/// `size` is the output's. The filters are those that [`transform`] made.
pub(super) fn conv(
    isa: Isa,
    shape: &Shape,
    sources: &[Source<'_>],
    view: View,
    filters: &[Line],
    (mut output, size): (Output<'_>, [usize; 3]),
    pool: &Pool,
) -> Result<Vec<f64>, OutOfMemory> {
    let ports = ports(sources, view);
    assert_eq!(ports.len(), shape.k_blocks, "ports");
    assert_eq!(
        ports.iter().map(|p| p.channels).sum::<usize>(),
        shape.k,
        "channels"
    );
    assert!(
        filters.len() >= shape.filter_lines(),
        "filters are too short"
    );
    let phases = if view == View::Double { 8 } else { 1 };
    let blocks = shape.n / phases;
    let (targets, finish) = targets(&mut output, size, phases, blocks);
    let layer = Layer {
        shape,
        ports: &ports,
        filters,
        targets: &targets,
        finish,
    };
    let mut table = vec![0.0; shape.units.len() * shape.n * 32];
    shape
        .units
        .par_iter()
        .zip(table.par_chunks_mut(shape.n * 32))
        .with_max_len(1)
        .try_for_each(|(unit, sums)| {
            pool.with(|scratch| {
                // SAFETY: ports and targets were made from slices that are borrowed until here, of checked lengths;
                // units cover every tile and output block once, so no voxel is written twice.
                unsafe {
                    match shape.form {
                        Form::Three => on(isa, unit_of::<Three>(&layer, unit, scratch, sums)),
                        Form::Two => on(isa, unit_of::<Two>(&layer, unit, scratch, sums)),
                    }
                }
            })
        })?;
    // Units in their order, then phases in theirs: the same bits whatever the thread count.
    let mut sums = vec![0.0; blocks * 32];
    for unit in table.chunks_exact(shape.n * 32) {
        for phase in unit.chunks_exact(blocks * 32) {
            for (sum, part) in sums.iter_mut().zip(phase) {
                *sum += part;
            }
        }
    }
    Ok(sums)
}

fn unit_of<'a, W>(
    layer: &'a Layer<'a>,
    unit: &'a super::shape::Unit,
    scratch: &'a mut [Line],
    sums: &'a mut [f64],
) -> ConvUnit<'a, W> {
    ConvUnit {
        layer,
        unit,
        scratch,
        sums,
        scheme: PhantomData,
    }
}

/// A target for every output block; those of a `Double` come phase by phase.
fn targets(
    output: &mut Output<'_>,
    size: [usize; 3],
    phases: usize,
    blocks: usize,
) -> (Vec<Target>, Finish) {
    let voxels = size.iter().product::<usize>();
    let mut pitches = size;
    let (base, finish) = match output {
        Output::Lines(lines) => {
            assert!(lines.len() >= voxels * blocks, "the output is too short");
            (lines.as_mut_ptr().cast::<f32>(), Finish::Store)
        }
        Output::Count => (std::ptr::null_mut(), Finish::Count),
        Output::Head {
            scale,
            weights,
            bias,
            logits,
            size: all,
        } => {
            assert!(
                blocks == 1 && scale.len() >= 2,
                "the head joins 16 channels"
            );
            assert!(logits.len() >= all.iter().product() && (0..3).all(|i| size[i] <= all[i]));
            pitches = *all;
            let finish = Finish::Head {
                scale: scale.as_ptr().cast(),
                weights: weights.0.as_ptr(),
                bias: *bias,
                logits: logits.as_mut_ptr(),
            };
            (std::ptr::null_mut(), finish)
        }
    };
    let mut targets = Vec::with_capacity(phases * blocks);
    for phase in 0..phases as isize {
        for block in 0..blocks {
            let (step, off) = if phases == 8 {
                (2, [phase / 4 - 1, phase / 2 % 2 - 1, phase % 2 - 1])
            } else {
                (1, [0; 3])
            };
            targets.push(Target {
                to: base.wrapping_add(block * voxels * 16),
                size: size.map(|n| n as isize),
                rows: pitches[1] as isize,
                across: pitches[2] as isize,
                step,
                off,
            });
        }
    }
    (targets, finish)
}

/// `leaky(a c2 + b) + skip(sources)` over `inout`, which holds c2 `[block][z][y][x]`.
///
/// `filters` are `[group][k][blocks of the group]`, `bias` a line a block, `scale` the pair of lines of each block.
pub(super) fn join(
    isa: Isa,
    sources: &[Source<'_>],
    (filters, bias, group): (&[Line], &[Line], usize),
    scale: &[Line],
    (inout, size): (&mut [Line], [usize; 3]),
    pool: &Pool,
) -> Result<(), OutOfMemory> {
    let ports = ports(sources, View::Point);
    let k = ports.iter().map(|p| p.channels).sum::<usize>();
    let n = bias.len();
    assert!(filters.len() >= k * n && n.is_multiple_of(group) && scale.len() >= 2 * n);
    assert!(inout.len() >= n * size.iter().product::<usize>());
    let join = join::Join {
        ports: &ports,
        k,
        filters,
        bias,
        group,
        inout: Shared::new(inout),
        scale,
        size,
        rows: join_rows(size),
    };
    (0..size[0])
        .into_par_iter()
        .with_max_len(1)
        .try_for_each(|z| {
            pool.with(|scratch| {
                let unit = join::JoinUnit {
                    join: &join,
                    slices: z..z + 1,
                    scratch,
                };
                // SAFETY: lengths were checked; every slice is one unit's.
                unsafe { on(isa, unit) }
            })
        })
}

/// Rows of voxels that a join takes at once: enough voxels for its filters' way from the cache.
fn join_rows([_, height, across]: [usize; 3]) -> usize {
    56usize.div_ceil(across).min(height)
}

/// Lines of scratch that a join needs.
pub(super) fn join_scratch_lines(ports: usize, size: [usize; 3]) -> usize {
    join::Join::scratch_lines(ports, join_rows(size), size[2])
}

/// Packed filters `[block][k][taps^3]` (a lane an output channel) into the form that `shape` multiplies with.
pub(super) fn transform(isa: Isa, shape: &Shape, from: &[Line], to: &mut [Line]) {
    let taps = shape.form.taps();
    let block_lines = shape.k * taps.pow(3);
    assert!(from.len() >= shape.n * block_lines && to.len() >= shape.filter_lines());
    let to = Shared::new(to);
    (0..shape.n)
        .into_par_iter()
        .with_max_len(1)
        .for_each(|block| {
            let job = filters::Transform {
                taps,
                from: &from[block * block_lines..][..block_lines],
                to,
                k: shape.k,
                block,
                n: shape.n,
                blocks: shape.group,
            };
            // SAFETY: `to` is long enough, and each block has lines of its own.
            unsafe { on(isa, job) }
        });
}
