//! Weights as PyTorch stores them, packed for the kernels: 16 output channels a line, input channels in the order in
//! which a layer sees them.

use super::kernel::{Line, Lines, OutOfMemory, View, port_count};
use super::program::LayerName;

/// One layer's weights. They take the room of the originals; the transformed filters are made when they are needed.
#[derive(Debug)]
pub(super) struct Packed {
    /// `[block][k][tap]`, k the input channels as the layer sees them (phases of a stride count as channels); for a skip `[group][k][block of the group]`.
    pub(super) filters: Lines,
    /// Output blocks as the layer makes them: phases of a transposed convolution count as blocks.
    pub(super) n: usize,
    /// A line an output block; zero where a norm follows, which takes any bias out again.
    pub(super) bias: Lines,
    /// Scale and shift of the norm that follows.
    pub(super) norm: Option<[Vec<f32>; 2]>,
}

/// Shape of a layer's `weight` in PyTorch.
pub(in crate::network) fn weight_shape(layer: &LayerName) -> [usize; 5] {
    let (from, to) = (layer.from.iter().sum(), layer.to);
    match layer.view {
        View::Same => [to, from, 3, 3, 3],
        View::Half => [to, from, 4, 4, 4],
        View::Double => [from, to, 4, 4, 4],
        View::Point => [to, from, 1, 1, 1],
    }
}

/// The bit of `phase` along z, y or x.
fn bit(phase: usize, axis: usize) -> usize {
    phase >> (2 - axis) & 1
}

/// Packs `weight` (of [`weight_shape`]) and `bias`. A layer without norm is a skip, its output blocks in groups of
/// `group`.
pub(super) fn pack(
    layer: &LayerName,
    weight: &[f32],
    bias: &[f32],
    norm: Option<[Vec<f32>; 2]>,
    group: usize,
) -> Result<Packed, OutOfMemory> {
    let (k, _) = port_count(&layer.from, layer.single, layer.view);
    let from = layer.from.iter().sum::<usize>();
    let blocks = layer.to.div_ceil(16);
    let (n, taps) = match layer.view {
        View::Same => (blocks, 27),
        View::Half => (blocks, 8),
        View::Double => (8 * blocks, 8),
        View::Point => (blocks, 1),
    };
    let group = if n.is_multiple_of(group) { group } else { 1 };
    let mut filters = Lines::zeroed(n * k * taps)?;
    for block in 0..n {
        for row in 0..k {
            for tap in 0..taps {
                let at = if layer.view == View::Point {
                    (block / group * k + row) * group + block % group
                } else {
                    (block * k + row) * taps + tap
                };
                let line: &mut Line = &mut filters[at];
                for lane in 0..16 {
                    let to = block % blocks * 16 + lane;
                    if to < layer.to {
                        line.0[lane] = weight[place(layer, from, block / blocks, to, row, tap)];
                    }
                }
            }
        }
    }
    let mut lines = Lines::zeroed(blocks)?;
    if norm.is_none() {
        for (to, &value) in bias.iter().enumerate() {
            lines[to / 16].0[to % 16] = value;
        }
    }
    Ok(Packed {
        filters,
        n,
        bias: lines,
        norm,
    })
}

/// Where PyTorch keeps the weight of output channel `to` (in output phase `phase`), input row `row`, tap `tap`.
fn place(layer: &LayerName, from: usize, phase: usize, to: usize, row: usize, tap: usize) -> usize {
    match layer.view {
        View::Same => (to * from + row) * 27 + tap,
        View::Point => to * from + row,
        View::Half => {
            // Output j reads voxel 2 j - 1 + kernel; with phase p and tap a that is kernel = 2 a + p.
            let (phase, channel) = (row / from, row % from);
            let kernel = |axis| 2 * bit(tap, axis) + bit(phase, axis);
            ((to * from + channel) * 4 + kernel(0)) * 16 + kernel(1) * 4 + kernel(2)
        }
        View::Double => {
            // Position j sees x[j-1] and x[j] (taps 0 and 1) and makes voxels 2 j - 1 (phase 0: w2 and w0) and
            // 2 j (phase 1: w3 and w1).
            let kernel = |axis| 2 + bit(phase, axis) - 2 * bit(tap, axis);
            ((row * layer.to + to) * 4 + kernel(0)) * 16 + kernel(1) * 4 + kernel(2)
        }
    }
}
