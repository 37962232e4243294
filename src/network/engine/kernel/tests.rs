//! Every layer against its definition in f64, on every instruction set of this machine. Scratch and outputs are
//! poisoned with NaN first: a tile that was never written, or a garbage row that reaches an output, shows.

use super::super::super::seeded;
use super::super::isa::Isa;
use super::super::pack::{self, Packed};
use super::super::program::LayerName;
use super::*;

/// A source as the layers see it, in f64, and as it is stored.
struct Field {
    size: [usize; 3],
    channels: usize,
    stored: Vec<Line>,
    single: Vec<f32>,
    scale: Vec<Line>,
    seen: Vec<f64>,
}

impl Field {
    /// Seeded numbers; normalised by seeded scales where `norm`.
    fn new(key: &str, channels: usize, size: [usize; 3], norm: bool) -> Self {
        let voxels = size.iter().product::<usize>();
        let raw = seeded::units(key, channels * voxels);
        let blocks = channels.div_ceil(16);
        let mut stored = vec![Line::ZERO; blocks * voxels];
        let mut scale = vec![Line::ZERO; 2 * blocks];
        let mut seen = vec![0.0; channels * voxels];
        for c in 0..channels {
            let (a, b) = (0.5 + c as f32 / channels as f32, 0.3 - 0.1 * (c % 5) as f32);
            scale[c / 16 * 2].0[c % 16] = a;
            scale[c / 16 * 2 + 1].0[c % 16] = b;
            for v in 0..voxels {
                let x = raw[c * voxels + v];
                stored[c / 16 * voxels + v].0[c % 16] = x;
                let y = f64::from(x) * f64::from(a) + f64::from(b);
                let y = if y < 0.0 { 0.01 * y } else { y };
                seen[c * voxels + v] = if norm { y } else { f64::from(x) };
            }
        }
        if !norm {
            scale.clear();
        }
        Self {
            size,
            channels,
            stored,
            single: raw,
            scale,
            seen,
        }
    }

    fn source(&self, single: bool) -> Source<'_> {
        Source {
            data: if single {
                Data::Single(&self.single)
            } else {
                Data::Lines(&self.stored)
            },
            channels: self.channels,
            size: self.size,
            scale: (!self.scale.is_empty()).then_some(&self.scale),
        }
    }

    /// What a layer sees at a voxel; 0 outside.
    fn at(&self, c: usize, [z, y, x]: [isize; 3]) -> f64 {
        let [d, h, w] = self.size.map(|n| n as isize);
        if (0..d).contains(&z) && (0..h).contains(&y) && (0..w).contains(&x) {
            self.seen[((c as isize * d + z) * h + y) as usize * self.size[2] + x as usize]
        } else {
            0.0
        }
    }
}

/// One layer under test.
struct Case {
    view: View,
    fields: Vec<Field>,
    single: bool,
    to: usize,
    size: [usize; 3],
}

impl Case {
    /// `parts`: channels and sizes of the sources.
    fn new(view: View, parts: &[(usize, [usize; 3])], single: bool, norm: bool, to: usize) -> Self {
        let fields: Vec<Field> = parts
            .iter()
            .enumerate()
            .map(|(i, &(channels, size))| Field::new(&format!("x{i}"), channels, size, norm))
            .collect();
        let first = fields.last().unwrap().size;
        let size = match view {
            View::Same | View::Point => first,
            View::Half => first.map(|n| n / 2),
            View::Double => first.map(|n| 2 * n),
        };
        Self {
            view,
            fields,
            single,
            to,
            size,
        }
    }

    fn name(&self) -> LayerName {
        LayerName {
            conv: "layer".into(),
            norm: (self.view != View::Point).then(|| "norm".into()),
            view: self.view,
            from: self.fields.iter().map(|f| f.channels).collect(),
            single: self.single,
            to: self.to,
        }
    }

    fn weight(&self) -> Vec<f32> {
        let shape = pack::weight_shape(&self.name());
        seeded::units("weight", shape.iter().product())
    }

    /// `[channel][z][y][x]` from the definition, without bias.
    fn truth(&self) -> Vec<f64> {
        let weight = self.weight();
        let [d, h, w] = self.size;
        let from: usize = self.fields.iter().map(|f| f.channels).sum();
        let (kernel, stride, padding) = match self.view {
            View::Same => (3, 1, 1),
            View::Point => (1, 1, 0),
            View::Half | View::Double => (4, 2, 1),
        };
        let channels: Vec<(&Field, usize)> = self
            .fields
            .iter()
            .flat_map(|f| (0..f.channels).map(move |c| (f, c)))
            .collect();
        let mut out = Vec::with_capacity(self.to * d * h * w);
        for to in 0..self.to {
            for v in 0..d * h * w {
                let voxel = [v / (h * w), v / w % h, v % w];
                let mut sum = 0.0;
                for tap in 0..kernel * kernel * kernel {
                    let taps = [tap / (kernel * kernel), tap / kernel % kernel, tap % kernel];
                    let mut at = [0isize; 3];
                    let mut hit = true;
                    for a in 0..3 {
                        let (o, t) = (voxel[a] as isize, taps[a] as isize);
                        at[a] = if self.view == View::Double {
                            // out[2 j - 1 + tap] takes x[j]
                            hit &= (o + 1 - t) % 2 == 0;
                            (o + 1 - t) / 2
                        } else {
                            o * stride - padding + t
                        };
                        if self.view == View::Double && o + 1 - t < 0 {
                            hit = false;
                        }
                    }
                    if !hit {
                        continue;
                    }
                    for (k, (field, c)) in channels.iter().enumerate() {
                        let index = if self.view == View::Double {
                            (k * self.to + to) * 64 + tap
                        } else {
                            (to * from + k) * kernel.pow(3) + tap
                        };
                        sum += field.at(*c, at) * f64::from(weight[index]);
                    }
                }
                out.push(sum);
            }
        }
        out
    }

    fn pack(&self, isa: Isa) -> Packed {
        let bias = seeded::units("bias", self.to);
        let norm = (self.view != View::Point).then(|| [vec![1.0; self.to], vec![0.0; self.to]]);
        let group = if isa == Isa::Avx512 { 2 } else { 1 };
        pack::pack(&self.name(), &self.weight(), &bias, norm, group).unwrap()
    }

    fn sources(&self) -> Vec<Source<'_>> {
        self.fields.iter().map(|f| f.source(self.single)).collect()
    }

    /// The convolution on `isa`: `[channel][z][y][x]`, and its sums.
    fn run(&self, isa: Isa) -> (Vec<f32>, Vec<f64>) {
        let name = self.name();
        let packed = self.pack(isa);
        let form = if self.view == View::Same {
            Form::Three
        } else {
            Form::Two
        };
        let positions = match self.view {
            View::Double => self.fields[0].size.map(|n| n + 1),
            _ => self.size,
        };
        let ports = port_count(&name.from, self.single, self.view);
        let shape = Shape::new(form, isa, positions, ports, packed.n);
        let mut filters = vec![Line([f32::NAN; 16]); shape.filter_lines()];
        transform(isa, &shape, &packed.filters, &mut filters);
        let voxels = self.size.iter().product::<usize>();
        let mut lines = vec![Line([f32::NAN; 16]); self.to.div_ceil(16) * voxels];
        let pool = Pool::new(shape.scratch_lines()).unwrap();
        let output = (Output::Lines(&mut lines), self.size);
        let sums = conv(
            isa,
            &shape,
            &self.sources(),
            self.view,
            &filters,
            output,
            &pool,
        )
        .unwrap();
        (unpack(&lines, self.to, voxels), sums)
    }
}

fn unpack(lines: &[Line], channels: usize, voxels: usize) -> Vec<f32> {
    (0..channels * voxels)
        .map(|i| lines[i / voxels / 16 * voxels + i % voxels].0[i / voxels % 16])
        .collect()
}

/// Largest difference, in standard deviations of the truth.
fn worst(have: &[f32], want: &[f64]) -> f64 {
    assert_eq!(have.len(), want.len());
    let power = want.iter().map(|v| v * v).sum::<f64>() / want.len() as f64;
    let off = have
        .iter()
        .zip(want)
        .map(|(a, b)| (f64::from(*a) - b).abs());
    // NaN must not be swallowed.
    off.fold(0.0, |m: f64, d| if d <= m { m } else { d }) / power.sqrt()
}

fn here() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| {
        if !isa.is_here() {
            println!("{isa} is not on this machine: not tested here");
        }
        isa.is_here()
    })
}

/// Outputs within `bar` deviations of the definition, sums those of the outputs.
fn check(case: &Case, bar: f64) {
    let want = case.truth();
    for isa in here() {
        let (have, sums) = case.run(isa);
        let off = worst(&have, &want);
        println!("{:?} {:?} on {isa}: {off:.1e}", case.view, case.name().from);
        assert!(off < bar, "{:?} on {isa}: {off}", case.view);
        let voxels = case.size.iter().product::<usize>();
        for (c, channel) in have.chunks_exact(voxels).enumerate() {
            let at = c / 16 * 32 + c % 16;
            let sum: f64 = channel.iter().map(|&v| f64::from(v)).sum();
            let square: f64 = channel.iter().map(|&v| f64::from(v).powi(2)).sum();
            assert!((sums[at + 16] / square - 1.0).abs() < 1e-6, "{isa} {c}");
            assert!(
                (sums[at] - sum).abs() < 1e-5 * (square * voxels as f64).sqrt(),
                "{isa} {c}"
            );
        }
    }
}

#[test]
fn three_taps_equal_their_definition_at_every_size_of_the_last_tile() {
    for size in [[4, 8, 12], [5, 6, 7], [2, 1, 1], [1, 3, 2], [7, 13, 9]] {
        check(&Case::new(View::Same, &[(16, size)], false, true, 16), 1e-4);
    }
    check(
        &Case::new(View::Same, &[(48, [5, 9, 10])], false, true, 32),
        1e-4,
    );
    check(
        &Case::new(View::Same, &[(16, [5, 9, 10])], false, false, 48),
        1e-4,
    );
}

#[test]
fn sources_side_by_side_are_read_in_order_and_a_smaller_one_has_zeros_behind() {
    let parts = [(32, [4, 4, 6]), (8, [5, 5, 7])];
    check(&Case::new(View::Same, &parts, false, true, 16), 1e-4);
}

#[test]
fn a_single_channel_is_read_from_the_input_itself() {
    check(
        &Case::new(View::Same, &[(1, [6, 7, 9])], true, false, 16),
        1e-4,
    );
    for size in [[8, 8, 8], [9, 7, 10], [17, 16, 23]] {
        check(&Case::new(View::Half, &[(1, size)], true, false, 8), 2e-5);
    }
}

#[test]
fn strides_equal_their_definition_at_odd_and_even_sizes() {
    for size in [[8, 12, 6], [9, 7, 5], [3, 2, 2], [13, 14, 15]] {
        check(&Case::new(View::Half, &[(16, size)], false, true, 32), 2e-5);
        check(&Case::new(View::Half, &[(8, size)], false, true, 16), 2e-5);
    }
}

#[test]
fn transposed_convolutions_equal_their_definition() {
    for size in [[3, 4, 5], [1, 1, 2], [5, 6, 3], [2, 7, 8]] {
        check(
            &Case::new(View::Double, &[(16, size)], false, true, 16),
            2e-5,
        );
        check(
            &Case::new(View::Double, &[(32, size)], false, true, 32),
            2e-5,
        );
    }
}

#[test]
fn a_join_is_the_norm_of_c2_plus_the_skip() {
    for (parts, single, to) in [
        (vec![(32, [3, 4, 5]), (8, [4, 5, 6])], false, 32),
        (vec![(16, [2, 3, 61])], false, 16),
        (vec![(1, [3, 4, 5])], true, 16),
    ] {
        let case = Case::new(View::Point, &parts, single, !single, to);
        let skip = case.truth();
        let body = Field::new("c2", to, case.size, true);
        let bias = seeded::units("bias", to);
        let voxels = case.size.iter().product::<usize>();
        let want: Vec<f64> = (0..to * voxels)
            .map(|i| body.seen[i] + skip[i] + f64::from(bias[i / voxels]))
            .collect();
        for isa in here() {
            let packed = case.pack(isa);
            let group = if isa == Isa::Avx512 && packed.n.is_multiple_of(2) {
                2
            } else {
                1
            };
            let mut inout = body.stored.clone();
            let (_, blocks) = port_count(&case.name().from, single, View::Point);
            let pool = Pool::new(join_scratch_lines(blocks, case.size)).unwrap();
            let weights = (&*packed.filters, &*packed.bias, group);
            join(
                isa,
                &case.sources(),
                weights,
                &body.scale,
                (&mut inout, case.size),
                &pool,
            )
            .unwrap();
            let off = worst(&unpack(&inout, to, voxels), &want);
            assert!(off < 1e-5, "{isa}: {off}");
        }
    }
}

#[test]
fn the_last_level_counts_and_answers_what_a_stored_one_would() {
    let case = Case::new(View::Double, &[(16, [3, 4, 5])], false, true, 16);
    let weights = Line(std::array::from_fn(|i| i as f32 / 8.0 - 1.0));
    // One plane more than the output on each axis, as behind an odd input.
    let all = case.size.map(|n| n + 1);
    for isa in here() {
        let (stored, want_sums) = case.run(isa);
        let packed = case.pack(isa);
        let shape = Shape::new(Form::Two, isa, [4, 5, 6], (16, 1), 8);
        let mut filters = vec![Line::ZERO; shape.filter_lines()];
        transform(isa, &shape, &packed.filters, &mut filters);
        let pool = Pool::new(shape.scratch_lines()).unwrap();
        let sources = case.sources();
        let run = |output| {
            conv(
                isa,
                &shape,
                &sources,
                View::Double,
                &filters,
                (output, case.size),
                &pool,
            )
            .unwrap()
        };
        assert_eq!(run(Output::Count), want_sums);
        let scale = [Line([0.5; 16]), Line([-0.25; 16])];
        let mut logits = vec![7.0; all.iter().product()];
        run(Output::Head {
            scale: &scale,
            weights: &weights,
            bias: 0.125,
            logits: &mut logits,
            size: all,
        });
        let voxels = case.size.iter().product::<usize>();
        for (i, logit) in logits.iter().enumerate() {
            let [z, y, x] = [i / (all[1] * all[2]), i / all[2] % all[1], i % all[2]];
            if z >= case.size[0] || y >= case.size[1] || x >= case.size[2] {
                assert_eq!(*logit, 7.0);
                continue;
            }
            let voxel = (z * case.size[1] + y) * case.size[2] + x;
            let mut want = 0.125;
            for c in 0..16 {
                let v = f64::from(stored[c * voxels + voxel]) * 0.5 - 0.25;
                want += f64::from(weights.0[c]) * if v < 0.0 { 0.01 * v } else { v };
            }
            assert!(
                (f64::from(*logit) - want).abs() < 2e-5,
                "{isa} {logit} {want}"
            );
        }
    }
}
