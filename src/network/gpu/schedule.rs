//! The whole forward as a list of launches with every address in it: nothing is decided while it runs.
//!
//! The same program drives the CPU engine. Memory: scales of all norms first, then one region in which every value, a
//! layer's sums, the input and the answer have a place for as long as they are needed.

use super::Fault;
use super::args::{Conv, Norm, Source};
use super::pack::{ALIGN, Weights, chunks, taps};
use crate::network::engine::View;
use crate::network::engine::plan::{Stay, place};
use crate::network::engine::program::{Act, INPUT, Program, Step};
use crate::network::unet::Level;

/// One launch of a kernel with 128 threads a block.
#[derive(Clone, Debug)]
pub(in crate::network) struct Launch {
    pub(super) kernel: String,
    pub(super) grid: [usize; 3],
    pub(super) args: Vec<u64>,
    /// What is there afterwards.
    pub(super) level: Option<Level>,
    pub(super) work: Work,
}

/// What a launch costs.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::network) struct Work {
    /// Operations of the tensor cores, those on padding included; 2 a multiply-add.
    pub(super) flop: f64,
    /// The same that the layer needs.
    pub(super) useful_flop: f64,
    /// Bytes of inputs, filters and outputs, each once.
    pub(super) bytes: f64,
    /// Bytes of inputs as the blocks ask for them, halos and repetitions included.
    pub(super) requested: f64,
}

/// A forward, ready to run.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    pub(super) launches: Vec<Launch>,
    /// Address of the network's input, floats.
    pub(super) input: u64,
    /// Address of the answer, floats.
    pub(super) answer: u64,
}

/// Places in the arena, in bytes.
#[derive(Debug)]
pub(super) struct Layout {
    /// One a value; the input's is where it is uploaded to.
    values: Vec<usize>,
    /// Sums of each step.
    sums: Vec<usize>,
    answer: usize,
    /// Where each value's norm is; the last level's is at the end.
    scales: Vec<usize>,
    pub(super) bytes: usize,
}

/// Voxels of a block along z, y, x.
const BRICK: [usize; 3] = [4, 4, 8];
/// Fewer blocks than this leave a large GPU idle: rather fewer channels in each.
const BLOCKS: usize = 128;

/// What is launched for a step that convolves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    kernel: &'static str,
    pub(super) positions: [usize; 3],
    phases: usize,
    /// Columns of a block.
    width: usize,
    bricks: usize,
}

impl Cut {
    pub(super) fn new(
        kernel: &'static str,
        view: View,
        positions: [usize; 3],
        pairs: usize,
        phases: usize,
    ) -> Self {
        let bricks: usize = (0..3).map(|a| positions[a].div_ceil(BRICK[a])).product();
        let fits = |width: &usize| (16 * pairs).is_multiple_of(*width);
        let many = |width: &usize| bricks * phases * 16 * pairs / width >= BLOCKS;
        let mut widths = [64, 32, 16].into_iter().filter(fits);
        let width = widths.find(many).unwrap_or(16);
        let width = if view == View::Double && phases == 1 {
            16
        } else {
            width
        };
        Self {
            kernel,
            positions,
            phases,
            width,
            bricks,
        }
    }

    /// The same with `width` columns a block.
    #[cfg(test)]
    pub(super) fn wide(self, width: usize) -> Self {
        Self { width, ..self }
    }

    pub(super) fn grid(&self, pairs: usize) -> [usize; 3] {
        [self.bricks, 16 * pairs / self.width, self.phases]
    }

    pub(super) fn name(&self) -> String {
        format!("{}_{}", self.kernel, self.width)
    }

    /// Blocks that write sums.
    pub(super) fn rows(&self) -> usize {
        self.bricks * self.phases
    }
}

fn cut(program: &Program, step: &Step) -> Cut {
    let layer = &program.layers[step.layer];
    let pairs = layer.to.div_ceil(16);
    let out = program.values[step.target].size;
    let source = program.values[step.sources[0]].size;
    match (step.act, layer.view) {
        (Act::Last, _) => Cut::new("count", View::Double, source, pairs, 1),
        (_, View::Same) => Cut::new("same", View::Same, out, pairs, 1),
        (_, View::Half) => Cut::new("half", View::Half, out, pairs, 1),
        (_, View::Double) => Cut::new("double", View::Double, source, pairs, 8),
        (_, View::Point) => Cut::new("join", View::Point, out, pairs, 1),
    }
}

/// Refuses a program whose numbers do not fit the kernels' 32 bits.
pub(super) fn check(program: &Program) -> Result<(), Fault> {
    for value in &program.values {
        let voxels = value.size.iter().try_fold(1usize, |n, &s| n.checked_mul(s));
        match voxels.and_then(|v| v.checked_mul(value.channels.div_ceil(8))) {
            Some(eights) if eights <= i32::MAX as usize => {}
            _ => return Err(Fault::TooLarge(voxels.unwrap_or(usize::MAX))),
        }
    }
    Ok(())
}

impl Layout {
    /// Places for everything that `program` needs beside its weights.
    pub(super) fn new(program: &Program) -> Self {
        let mut scales = Vec::new();
        let mut fixed = 0;
        for channels in program.values.iter().map(|v| v.channels).chain([16]) {
            scales.push(fixed);
            fixed += (2 * channels * 4).next_multiple_of(ALIGN);
        }
        let steps = &program.steps;
        let mut stays = Vec::new();
        let units = |bytes: usize| bytes.div_ceil(ALIGN);
        for (v, value) in program.values.iter().enumerate() {
            let read = steps
                .iter()
                .rposition(|s| s.sources.contains(&v) || (s.act != Act::Last && s.target == v));
            let written = match v {
                INPUT => Some(0),
                _ => steps
                    .iter()
                    .position(|s| s.act == Act::Conv && s.target == v),
            };
            let size = if v == INPUT { 4 } else { 2 * value.channels };
            stays.push(match (written, read) {
                (Some(from), Some(to)) => Stay::new(units(size * value.voxels()), from..to + 1),
                _ => Stay::new(0, 0..0),
            });
        }
        for (at, step) in steps.iter().enumerate() {
            let layer = &program.layers[step.layer];
            let rows = cut(program, step).rows();
            let sums = match step.act {
                Act::Join => 0,
                _ => rows * 16 * layer.to.div_ceil(16) * 2 * 4,
            };
            stays.push(Stay::new(units(sums), at..at + 1));
        }
        let answer = units(4 * program.values[INPUT].voxels());
        stays.push(Stay::new(answer, steps.len() - 1..steps.len()));
        let bytes = fixed + ALIGN * place(&mut stays);
        let mut places = stays.iter().map(|s| fixed + ALIGN * s.place().start);
        let values = places.by_ref().take(program.values.len()).collect();
        let sums: Vec<usize> = places.by_ref().take(steps.len()).collect();
        Self {
            values,
            sums,
            answer: places.next().unwrap_or(fixed),
            scales,
            bytes,
        }
    }
}

impl Schedule {
    /// The launches of `program` with an arena at address `arena` and weights at address `block`.
    pub(super) fn new(
        program: &Program,
        layout: &Layout,
        weights: &Weights,
        [arena, block]: [u64; 2],
        logits: bool,
    ) -> Self {
        let in_arena = |at: usize| arena + at as u64;
        let in_block = |at: usize| block + at as u64;
        // Values that are stored raw, to be normalised by their readers.
        let mut raw = vec![false; program.values.len()];
        let mut launches = Vec::new();
        for (at, step) in program.steps.iter().enumerate() {
            let layer = &program.layers[step.layer];
            let places = weights.layers[step.layer];
            let first = cut(program, step);
            let source = |v: usize| Source {
                data: in_arena(layout.values[v]),
                scale: if raw[v] {
                    in_arena(layout.scales[v])
                } else {
                    0
                },
                channels: program.values[v].channels,
                size: program.values[v].size,
            };
            let mut sources = [None; 2];
            for (slot, &v) in sources.iter_mut().zip(&step.sources) {
                *slot = Some(source(v));
            }
            let target = &program.values[step.target];
            let mut conv = Conv {
                sources,
                weights: in_block(places.filters),
                target: in_arena(layout.values[step.target]),
                sums: in_arena(layout.sums[at]),
                scale: in_arena(layout.scales[step.target]),
                bias: in_block(places.bias),
                single: layer.single,
                positions: first.positions,
                out: target.size,
                channels: layer.to,
                pairs: places.pairs,
                logits,
            };
            let mut launch = |cut: &Cut, conv: &Conv, level| {
                launches.push(Launch {
                    kernel: cut.name(),
                    grid: cut.grid(places.pairs),
                    args: conv.words(),
                    level,
                    work: work(program, step, cut),
                });
            };
            match step.act {
                Act::Join => {
                    launch(&first, &conv, step.level);
                    raw[step.target] = false;
                }
                Act::Conv => {
                    launch(&first, &conv, None);
                    let voxels = target.voxels();
                    let norm =
                        Self::norm(&conv, &first, places.norm.map(|n| n.map(in_block)), voxels);
                    launches.extend(norm.map(|n| Launch {
                        level: step.level,
                        ..n
                    }));
                    raw[step.target] = true;
                }
                Act::Last => {
                    // Sums first; then everything again, straight into the answer.
                    let sources = program.values[step.sources[0]].size;
                    conv.scale = in_arena(layout.scales[program.values.len()]);
                    launch(&first, &conv, None);
                    let voxels = sources.map(|n| 2 * n).iter().product();
                    let norm =
                        Self::norm(&conv, &first, places.norm.map(|n| n.map(in_block)), voxels);
                    launches.extend(norm);
                    let out = program.values[INPUT].size;
                    let head = Cut::new(
                        "head",
                        View::Double,
                        out.map(|n| n.div_ceil(2)),
                        places.pairs,
                        1,
                    );
                    let conv = Conv {
                        target: in_arena(layout.answer),
                        bias: in_block(weights.layers[step.layer + 1].bias),
                        positions: head.positions,
                        out,
                        ..conv
                    };
                    launches.push(Launch {
                        kernel: head.name(),
                        grid: head.grid(places.pairs),
                        args: conv.words(),
                        level: step.level,
                        work: work(program, step, &head),
                    });
                }
            }
        }
        Self {
            launches,
            input: in_arena(layout.values[INPUT]),
            answer: in_arena(layout.answer),
        }
    }

    fn norm(conv: &Conv, cut: &Cut, places: Option<[u64; 2]>, voxels: usize) -> Option<Launch> {
        let [weight, bias] = places?;
        let args = Norm {
            sums: conv.sums,
            weight,
            bias,
            scale: conv.scale,
            rows: cut.rows(),
            pitch: 16 * conv.pairs,
            channels: conv.channels,
            voxels,
        };
        let bytes = (cut.rows() * 16 * conv.pairs * 8) as f64;
        Some(Launch {
            kernel: "norm".into(),
            grid: [conv.channels, 1, 1],
            args: args.words(),
            level: None,
            work: Work {
                bytes,
                requested: bytes,
                ..Work::default()
            },
        })
    }
}

fn work(program: &Program, step: &Step, cut: &Cut) -> Work {
    let layer = &program.layers[step.layer];
    let (chunks, taps) = (chunks(layer).len(), taps(layer.view));
    let pairs = layer.to.div_ceil(16);
    // All eight phases of a transposed convolution are made, in one block or in eight.
    let phases = if layer.view == View::Double { 8 } else { 1 };
    let products = cut.bricks * 128 * phases * 16 * pairs * 16 * chunks * taps;
    let from: usize = layer.from.iter().sum();
    let positions: usize = cut.positions.iter().product();
    let strides = if layer.view == View::Half { 8 } else { 1 };
    let useful = positions * phases * strides * from * layer.to * taps;
    let element = if layer.single { 4 } else { 2 };
    let stored = |v: usize| program.values[v].voxels() * program.values[v].channels;
    let read: usize = step.sources.iter().map(|&v| element * stored(v)).sum();
    let written = match (step.act, cut.kernel) {
        (Act::Last, "head") => 4 * program.values[INPUT].voxels(),
        (Act::Last, _) => 0,
        (Act::Join, _) => 2 * 2 * stored(step.target),
        (Act::Conv, _) => 2 * stored(step.target),
    };
    let filters = 2 * phases * 256 * pairs * chunks * taps;
    let halo = match (layer.view, step.act) {
        (View::Same, _) | (View::Double, Act::Last) => 6 * 6 * 10,
        (View::Half | View::Double, _) => 5 * 5 * 9,
        (View::Point, _) => 128,
    };
    let grid = cut.grid(pairs);
    let asked = grid[0] * grid[1] * grid[2] * chunks * halo * 16 * element;
    Work {
        flop: 2.0 * products as f64,
        useful_flop: 2.0 * useful as f64,
        bytes: (read + written + filters) as f64,
        requested: (asked + written) as f64,
    }
}
