//! Each kernel against a plain loop over PyTorch's definition of its layer, in f64, on odd sizes. Every tensor has
//! memory of its own, and what follows it can not be touched.

use super::super::Fault;
use super::super::args::{Conv, Norm, Source};
use super::super::device::Gpu;
use super::super::emulate::Emulated;
use super::super::pack::Weights;
use super::super::schedule::{Cut, Launch, Work};
use crate::network::engine::View;
use crate::network::engine::program::LayerName;
use crate::network::seeded::units;
use half::f16;

/// A tensor `[z][y][x][channel]` as a kernel sees it, and where it is.
struct Tensor {
    channels: usize,
    size: [usize; 3],
    /// After norm and activation, rounded to fp16.
    seen: Vec<f64>,
    source: Source,
}

fn halves(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|&v| f16::from_f32(v).to_le_bytes())
        .collect()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn round(v: f64) -> f64 {
    f64::from(f16::from_f64(v).to_f32())
}

fn leaky(v: f64) -> f64 {
    v.max(f64::from(0.01f32) * v)
}

impl Tensor {
    /// Stored raw with a norm, or as it is used.
    fn new(gpu: &mut Emulated, key: &str, channels: usize, size: [usize; 3], normed: bool) -> Self {
        let raw = units(key, channels * size.iter().product::<usize>());
        let mut scale: Vec<f32> = units(&format!("{key} a"), channels)
            .iter()
            .map(|v| 1.5 + v)
            .collect();
        scale.extend(units(&format!("{key} b"), channels));
        let seen = raw.iter().enumerate().map(|(i, &v)| {
            let (c, v) = (i % channels, f64::from(f16::from_f32(v).to_f32()));
            let norm = f64::from(scale[c]) * v + f64::from(scale[channels + c]);
            if normed { round(leaky(norm)) } else { v }
        });
        Self {
            channels,
            size,
            seen: seen.collect(),
            source: Source {
                data: gpu.with(&halves(&raw)),
                scale: if normed { gpu.with(&floats(&scale)) } else { 0 },
                channels,
                size,
            },
        }
    }

    /// The network's input.
    fn input(gpu: &mut Emulated, size: [usize; 3]) -> Self {
        let raw = units("input", size.iter().product());
        Self {
            channels: 1,
            size,
            seen: raw.iter().map(|&v| round(v.into())).collect(),
            source: Source {
                data: gpu.with(&floats(&raw)),
                channels: 1,
                size,
                scale: 0,
            },
        }
    }

    fn at(&self, place: [isize; 3], channel: usize) -> f64 {
        let inside = (0..3).all(|a| (0..self.size[a] as isize).contains(&place[a]));
        if !inside {
            return 0.0;
        }
        let [z, y, x] = place.map(|p| p as usize);
        self.seen[((z * self.size[1] + y) * self.size[2] + x) * self.channels + channel]
    }
}

/// A layer with its packed weights.
struct Layer {
    name: LayerName,
    /// Rounded to fp16, as PyTorch orders them.
    weight: Vec<f64>,
    packed: Weights,
    block: u64,
}

impl Layer {
    fn new(gpu: &mut Emulated, view: View, from: Vec<usize>, single: bool, to: usize) -> Self {
        let name = LayerName {
            conv: "layer".into(),
            norm: (view != View::Point).then(|| "norm".into()),
            view,
            from,
            single,
            to,
        };
        let mut weight = Vec::new();
        let packed = Weights::new::<Fault>(std::slice::from_ref(&name), |key, shape| {
            let values = units(key, shape.iter().product());
            if key == "layer.weight" {
                weight = values.iter().map(|&v| round(v.into())).collect();
            }
            Ok(values)
        });
        let packed = packed.unwrap();
        let block = gpu.with(&packed.bytes);
        Self {
            name,
            weight,
            packed,
            block,
        }
    }

    /// PyTorch's definition, one output.
    fn output(&self, sources: &[Tensor], place: [usize; 3], to: usize) -> f64 {
        let (side, froms) = match self.name.view {
            View::Same => (3, self.name.from.iter().sum::<usize>()),
            View::Half | View::Double => (4, self.name.from.iter().sum()),
            View::Point => (1, self.name.from.iter().sum()),
        };
        let mut sum = 0.0;
        for tap in 0..side * side * side {
            let kernel = [tap / (side * side), tap / side % side, tap % side];
            let mut from = [0isize; 3];
            let mut there = true;
            for a in 0..3 {
                let (o, k) = (place[a] as isize, kernel[a] as isize);
                from[a] = match self.name.view {
                    View::Same => o + k - 1,
                    View::Half => 2 * o + k - 1,
                    View::Point => o,
                    // Input i reaches output 2 i + k - 1.
                    View::Double => {
                        there &= (o + 1 - k) % 2 == 0;
                        (o + 1 - k).div_euclid(2)
                    }
                };
            }
            if !there {
                continue;
            }
            let mut offset = 0;
            for source in sources {
                for c in 0..source.channels {
                    let pair = match self.name.view {
                        View::Double => (offset + c) * self.name.to + to,
                        _ => to * froms + offset + c,
                    };
                    sum += source.at(from, c) * self.weight[pair * side * side * side + tap];
                }
                offset += source.channels;
            }
        }
        sum
    }

    fn outputs(&self, sources: &[Tensor], size: [usize; 3]) -> Vec<f64> {
        let mut all = Vec::new();
        for voxel in 0..size.iter().product::<usize>() {
            let place = [
                voxel / (size[1] * size[2]),
                voxel / size[2] % size[1],
                voxel % size[2],
            ];
            all.extend((0..self.name.to).map(|to| self.output(sources, place, to)));
        }
        all
    }

    fn args(&self, sources: &[Tensor], cut: &Cut, out: [usize; 3]) -> Conv {
        let places = self.packed.layers[0];
        let mut slots = [None; 2];
        for (slot, source) in slots.iter_mut().zip(sources) {
            *slot = Some(source.source);
        }
        Conv {
            sources: slots,
            weights: self.block + places.filters as u64,
            bias: self.block + places.bias as u64,
            single: self.name.single,
            positions: cut.positions,
            out,
            channels: self.name.to,
            pairs: places.pairs,
            ..Conv::default()
        }
    }
}

fn launch(gpu: &mut Emulated, kernel: String, grid: [usize; 3], args: Vec<u64>) {
    let work = Work::default();
    let launch = Launch {
        kernel,
        grid,
        args,
        level: None,
        work,
    };
    gpu.launch(&launch).unwrap();
}

fn fetch_halves(gpu: &mut Emulated, address: u64, count: usize) -> Vec<f64> {
    let mut bytes = vec![0; 2 * count];
    gpu.download(address, &mut bytes).unwrap();
    let half = |b: &[u8]| f64::from(f16::from_le_bytes([b[0], b[1]]).to_f32());
    bytes.chunks_exact(2).map(half).collect()
}

fn fetch_floats(gpu: &mut Emulated, address: u64, count: usize) -> Vec<f32> {
    let mut bytes = vec![0; 4 * count];
    gpu.download(address, &mut bytes).unwrap();
    let four = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    bytes.chunks_exact(4).map(four).collect()
}

/// Nothing further than `bar` of the largest value from what it should be.
fn within(what: &str, have: &[f64], want: &[f64], bar: f64) {
    assert_eq!(have.len(), want.len());
    let largest = want.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    for (i, (a, b)) in have.iter().zip(want).enumerate() {
        let sane = (a - b).abs() <= bar * largest;
        assert!(sane, "{what}: {i} is {a}, should be {b}, largest {largest}");
    }
}

/// Runs the norm over `sums` and holds it against the moments of `want` `[voxel][channel]`.
fn norm(gpu: &mut Emulated, layer: &Layer, sums: u64, rows: usize, want: &[f64]) -> u64 {
    let to = layer.name.to;
    let places = layer.packed.layers[0];
    let [weight, bias] = places.norm.unwrap().map(|at| layer.block + at as u64);
    let scale = gpu.allocate(8 * to).unwrap();
    let voxels = want.len() / to;
    let args = Norm {
        sums,
        weight,
        bias,
        scale,
        rows,
        pitch: 16 * places.pairs,
        channels: to,
        voxels,
    };
    launch(gpu, "norm".into(), [to, 1, 1], args.words());
    let have = fetch_floats(gpu, scale, 2 * to);
    for c in 0..to {
        let values = || want.iter().skip(c).step_by(to);
        let mean = values().sum::<f64>() / voxels as f64;
        let variance = values().map(|v| (v - mean).powi(2)).sum::<f64>() / voxels as f64;
        let a = f64::from(units("norm.weight", to)[c]) / (variance + 1e-5).sqrt();
        let b = f64::from(units("norm.bias", to)[c]) - mean * a;
        assert!(
            (f64::from(have[c]) - a).abs() < 1e-4 * a.abs().max(1e-3),
            "a of {c}: {} {a}",
            have[c]
        );
        assert!(
            (f64::from(have[to + c]) - b).abs() < 2e-3,
            "b of {c}: {} {b}",
            have[to + c]
        );
    }
    scale
}

/// A convolution with its norm in every width that divides its columns, threads in both orders.
fn conv(
    kernel: &'static str,
    view: View,
    sources: &[(usize, [usize; 3], bool)],
    to: usize,
    out: [usize; 3],
) {
    for order in [0, 1] {
        let Some(mut gpu) = Emulated::start(order) else {
            return;
        };
        let gpu = &mut gpu;
        let single = sources[0].0 == 1;
        let tensors: Vec<Tensor> = match single {
            true => vec![Tensor::input(gpu, sources[0].1)],
            false => (sources.iter().enumerate())
                .map(|(i, &(channels, size, normed))| {
                    Tensor::new(gpu, &format!("source {i}"), channels, size, normed)
                })
                .collect(),
        };
        let from = tensors.iter().map(|t| t.channels).collect();
        let layer = Layer::new(gpu, view, from, single, to);
        let want = layer.outputs(&tensors, out);
        let pairs = layer.packed.layers[0].pairs;
        let (positions, phases) = match view {
            View::Double => (tensors[0].size, 8),
            _ => (out, 1),
        };
        for width in [16, 32, 64]
            .into_iter()
            .filter(|w| (16 * pairs).is_multiple_of(*w))
        {
            let cut = Cut::new(kernel, view, positions, pairs, phases).wide(width);
            let sums = gpu.allocate(cut.rows() * pairs * 16 * 8).unwrap();
            let target = gpu.allocate(2 * want.len()).unwrap();
            let args = Conv {
                target,
                sums,
                ..layer.args(&tensors, &cut, out)
            };
            launch(gpu, cut.name(), cut.grid(pairs), args.words());
            let have = fetch_halves(gpu, target, want.len());
            within(&format!("{kernel}_{width} to {to}"), &have, &want, 1e-3);
            norm(gpu, &layer, sums, cut.rows(), &want);
        }
    }
}

#[test]
fn three_by_three_by_three_over_one_and_two_sources() {
    conv("same", View::Same, &[(32, [5, 6, 9], true)], 64, [5, 6, 9]);
    // The first source lacks a plane, which is zero after its norm; the second is stored as it is used.
    conv(
        "same",
        View::Same,
        &[(16, [4, 6, 9], true), (8, [5, 7, 9], false)],
        16,
        [5, 7, 9],
    );
    conv(
        "same",
        View::Same,
        &[(1, [4, 5, 11], false)],
        16,
        [4, 5, 11],
    );
}

#[test]
fn strides_over_odd_sizes_and_over_the_input() {
    conv(
        "half",
        View::Half,
        &[(24, [11, 9, 19], true)],
        64,
        [5, 4, 9],
    );
    conv(
        "half",
        View::Half,
        &[(8, [10, 12, 18], false)],
        32,
        [5, 6, 9],
    );
    conv("half", View::Half, &[(1, [11, 9, 19], false)], 8, [5, 4, 9]);
}

#[test]
fn transposed_convolutions() {
    conv(
        "double",
        View::Double,
        &[(32, [3, 5, 9], false)],
        64,
        [6, 10, 18],
    );
    conv(
        "double",
        View::Double,
        &[(16, [5, 2, 4], true)],
        16,
        [10, 4, 8],
    );
}

#[test]
fn the_end_of_a_residual_block_in_place() {
    for (order, to) in [(0, 16), (1, 64)] {
        let Some(mut gpu) = Emulated::start(order) else {
            return;
        };
        let gpu = &mut gpu;
        let size = [5, 6, 9];
        let sources = vec![
            Tensor::new(gpu, "x", 24, [5, 5, 9], true),
            Tensor::new(gpu, "y", 8, size, false),
        ];
        let layer = Layer::new(gpu, View::Point, vec![24, 8], false, to);
        let input = vec![Tensor::input(gpu, size)];
        let first = Layer::new(gpu, View::Point, vec![1], true, to);
        let bias = units("layer.bias", to);
        for (width, single) in [(16, false), (32, false), (64, false), (16, true)] {
            if to % width != 0 {
                continue;
            }
            let (layer, sources) = if single {
                (&first, &input)
            } else {
                (&layer, &sources)
            };
            let body = Tensor::new(gpu, "body", to, size, true);
            let skip = layer.outputs(sources, size);
            let want: Vec<f64> = (skip.iter().enumerate())
                .map(|(i, v)| v + f64::from(bias[i % to]) + body.seen[i])
                .collect();
            let cut = Cut::new("join", View::Point, size, to / 16, 1).wide(width);
            let args = Conv {
                target: body.source.data,
                scale: body.source.scale,
                ..layer.args(sources, &cut, size)
            };
            launch(gpu, cut.name(), cut.grid(to / 16), args.words());
            let have = fetch_halves(gpu, args.target, want.len());
            within(&format!("join_{width}"), &have, &want, 1e-3);
        }
    }
}

#[test]
fn the_last_level_counts_and_then_answers_also_where_it_has_no_voxel() {
    for order in [0, 1] {
        let Some(mut gpu) = Emulated::start(order) else {
            return;
        };
        let gpu = &mut gpu;
        let (from, out) = ([3, 5, 6], [7, 10, 13]);
        for channels in [16, 32] {
            let sources = [Tensor::new(gpu, "x", channels, from, channels == 32)];
            let layer = Layer::new(gpu, View::Double, vec![channels], false, 16);
            let raw = layer.outputs(&sources, from.map(|n| 2 * n));
            let cut = Cut::new("count", View::Double, from, 1, 1);
            let sums = gpu.allocate(cut.rows() * 16 * 8).unwrap();
            let args = Conv {
                sums,
                ..layer.args(&sources, &cut, out)
            };
            launch(gpu, cut.name(), cut.grid(1), args.words());
            let scale = norm(gpu, &layer, sums, cut.rows(), &raw);
            let scales = fetch_floats(gpu, scale, 32);

            let head = units("head", 17);
            let voxels: usize = out.iter().product();
            let answer = gpu.allocate(4 * voxels).unwrap();
            let cut = Cut::new(
                "head",
                View::Double,
                out.map(|n: usize| n.div_ceil(2)),
                1,
                1,
            );
            let args = Conv {
                target: answer,
                scale,
                bias: gpu.with(&floats(&head)),
                logits: channels == 16,
                ..layer.args(&sources, &cut, out)
            };
            launch(gpu, cut.name(), cut.grid(1), args.words());
            let have = fetch_floats(gpu, answer, voxels);
            for (voxel, have) in have.into_iter().enumerate() {
                let place = [
                    voxel / (out[1] * out[2]),
                    voxel / out[2] % out[1],
                    voxel % out[2],
                ];
                let mut logit = f64::from(head[16]);
                if (0..3).all(|a| place[a] < 2 * from[a]) {
                    let at = (place[0] * 2 * from[1] + place[1]) * 2 * from[2] + place[2];
                    for c in 0..16 {
                        let v = f64::from(scales[c]) * raw[16 * at + c] + f64::from(scales[16 + c]);
                        logit += f64::from(head[c]) * leaky(v);
                    }
                }
                let want = if channels == 16 {
                    logit
                } else {
                    1.0 / (1.0 + (-logit).exp())
                };
                assert!(
                    (f64::from(have) - want).abs() < 1e-4,
                    "{place:?}: {have} {want}"
                );
            }
        }
    }
}
