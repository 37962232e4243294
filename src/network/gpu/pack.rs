//! Weights as PyTorch stores them, packed into one block of memory for the kernels: fp16 in the order in which the lanes
//! of a warp hold the second factor of a tensor-core product, so that each lane loads its own 16 bytes.

use super::Fault;
use crate::network::engine::View;
use crate::network::engine::pack::weight_shape;
use crate::network::engine::program::LayerName;
use half::f16;

/// Places of one layer in the block, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Layer {
    pub(super) filters: usize,
    /// Columns of 16 output channels.
    pub(super) pairs: usize,
    /// Scale and shift of the norm that follows, in floats.
    pub(super) norm: Option<[usize; 2]>,
    /// The bias in floats, where no norm takes it out again. A head's is behind its 16 weights.
    pub(super) bias: usize,
}

/// All weights of a network.
#[derive(Debug, Default)]
pub(super) struct Weights {
    pub(super) layers: Vec<Layer>,
    pub(super) bytes: Vec<u8>,
}

/// Every part begins at a multiple of this many bytes.
pub(super) const ALIGN: usize = 256;

impl Weights {
    /// Packs `layers`; `get` hands out a tensor by its name and shape.
    ///
    /// # Errors
    /// Those of `get`; [`Fault::Weights`] for a value that fp16 does not have.
    pub(super) fn new<E: From<Fault>>(
        layers: &[LayerName],
        mut get: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
    ) -> Result<Self, E> {
        let mut all = Self::default();
        for layer in layers {
            let name = format!("{}.weight", layer.conv);
            let weight = get(&name, &weight_shape(layer))?;
            let bias = get(&format!("{}.bias", layer.conv), &[layer.to])?;
            let mut places = Layer {
                pairs: layer.to.div_ceil(16),
                ..Layer::default()
            };
            if layer.to == 1 {
                // The head stays in floats: it is a part of the last kernel.
                places.bias = all.floats(weight.iter().chain(&bias));
                all.layers.push(places);
                continue;
            }
            let halves = filters(layer, &weight);
            if halves.iter().any(|h| !h.is_finite()) {
                return Err(Fault::Weights(name).into());
            }
            places.filters = all.begin();
            all.bytes
                .extend(halves.iter().flat_map(|h| h.to_le_bytes()));
            match &layer.norm {
                Some(norm) => {
                    let mut part = |end: &str| -> Result<usize, E> {
                        let values = get(&format!("{norm}.{end}"), &[layer.to])?;
                        Ok(all.floats(values.iter()))
                    };
                    places.norm = Some([part("weight")?, part("bias")?]);
                }
                None => places.bias = all.floats(bias.iter()),
            }
            all.layers.push(places);
        }
        Ok(all)
    }

    fn begin(&mut self) -> usize {
        self.bytes
            .resize(self.bytes.len().next_multiple_of(ALIGN), 0);
        self.bytes.len()
    }

    fn floats<'a>(&mut self, values: impl Iterator<Item = &'a f32>) -> usize {
        let at = self.begin();
        self.bytes.extend(values.flat_map(|v| v.to_le_bytes()));
        at
    }
}

/// 16 input channels as a layer sees them: for each, the channel among all sources and the phase of a stride.
type Chunk = [Option<(usize, usize)>; 16];

/// The chunks of `layer` in the order in which the kernel walks them.
pub(super) fn chunks(layer: &LayerName) -> Vec<Chunk> {
    let phases = if layer.view == View::Half { 8 } else { 1 };
    if layer.single {
        // All phases of the one channel side by side.
        return vec![std::array::from_fn(|k| (k < phases).then_some((0, k)))];
    }
    let mut chunks = Vec::new();
    let mut offset = 0;
    for &channels in &layer.from {
        for phase in 0..phases {
            for first in (0..channels).step_by(16) {
                chunks.push(std::array::from_fn(|k| {
                    (first + k < channels).then_some((offset + first + k, phase))
                }));
            }
        }
        offset += channels;
    }
    chunks
}

/// Taps of a layer in one phase of its output.
pub(super) fn taps(view: View) -> usize {
    match view {
        View::Same => 27,
        View::Half | View::Double => 8,
        View::Point => 1,
    }
}

/// `[output phase][chunk][tap][pair][lane][8]`, and zeros for one more tap, which the kernel loads ahead.
fn filters(layer: &LayerName, weight: &[f32]) -> Vec<f16> {
    let pairs = layer.to.div_ceil(16);
    let phases = if layer.view == View::Double { 8 } else { 1 };
    let (chunks, taps) = (chunks(layer), taps(layer.view));
    let tap_length = pairs * 32 * 8;
    let mut all = vec![f16::ZERO; (phases * chunks.len() * taps + 1) * tap_length];
    let mut place = all.iter_mut();
    for phase in 0..phases {
        for chunk in &chunks {
            for tap in 0..taps {
                for element in place.by_ref().take(tap_length).enumerate() {
                    let (at, value) = element;
                    let (pair, lane, i) = (at / 256, at / 8 % 32, at % 8);
                    // Element i of a lane: two tiles of 16x8, each with rows 2 (lane % 4) and the next, and those 8 on.
                    let row = 2 * (lane % 4) + i % 2 + 8 * (i / 2 % 2);
                    let to = 16 * pair + 8 * (i / 4) + lane / 4;
                    if let (Some((from, in_phase)), true) = (chunk[row], to < layer.to) {
                        let phase = if layer.view == View::Half {
                            in_phase
                        } else {
                            phase
                        };
                        *value = f16::from_f32(weight[index(layer, to, from, phase, tap)]);
                    }
                }
            }
        }
    }
    all
}

/// Where PyTorch keeps the weight from channel `from` to channel `to` at `tap`; `phase` is the input's of a strided
/// layer, the output's of a transposed one.
fn index(layer: &LayerName, to: usize, from: usize, phase: usize, tap: usize) -> usize {
    let froms: usize = layer.from.iter().sum();
    let bit = |bits: usize, axis: usize| bits >> (2 - axis) & 1;
    let four = |kernel: [usize; 3]| kernel[0] * 16 + kernel[1] * 4 + kernel[2];
    match layer.view {
        View::Same => (to * froms + from) * 27 + tap,
        View::Point => to * froms + from,
        // Output j reads voxel 2 j - 1 + kernel; the kernel's even taps see one phase, its odd ones the other.
        View::Half => {
            let kernel = [0, 1, 2].map(|axis| 2 * bit(tap, axis) + bit(phase, axis));
            (to * froms + from) * 64 + four(kernel)
        }
        // Output 2 j + p reads voxels j - 1 + p and the next: taps 3 and 1 for p = 0, 2 and 0 for p = 1.
        View::Double => {
            let kernel = [0, 1, 2].map(|axis| 3 - bit(phase, axis) - 2 * bit(tap, axis));
            (from * layer.to + to) * 64 + four(kernel)
        }
    }
}
