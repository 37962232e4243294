//! Sampling: native voxels to frame cells by box average, cells to voxels by trilinear interpolation. Both are
//! separable, and the change of axis order happens inside the pass, not in a copy.
//!
//! `source[a]` is the native axis of frame axis a; the map between them is diagonal up to that permutation.

use super::spec::Take;
use crate::space::{Ijk, Map, Net};
use crate::volume::Volume;
use rayon::prelude::*;

/// What one cell takes from the native voxels of one axis: `first` and the weights from there on.
struct Cover {
    first: usize,
    weights: Vec<f32>,
}

/// Fraction of each cell that is set, (w, h, d) order, w fastest.
pub(super) fn fractions(
    mask: &Volume<bool>,
    to_net: &Map<Ijk, Net>,
    source: [usize; 3],
    cells: [usize; 3],
    take: Take,
) -> Vec<f32> {
    let native = mask.shape();
    let place = places(source);
    let covers = [0, 1, 2].map(|n| {
        let (step, shift) = along(to_net, place[n], n);
        covers(step, shift, cells[place[n]], native[n], take)
    });
    let [ci, cj, ck] = [0, 1, 2].map(|n| cells[place[n]]);
    // Every native slice shrinks to a plane of cells, i then j.
    let planes: Vec<Option<Vec<f32>>> = mask
        .data()
        .par_chunks(native[0] * native[1])
        .map(|slice| shrink(slice, native[0], &covers[0], &covers[1]))
        .collect();
    // The planes are added up along k, and land in the frame's own order.
    let layers: Vec<Vec<f32>> = covers[2]
        .par_iter()
        .map(|cover| {
            let mut layer = vec![0.0f32; ci * cj];
            for (n, &weight) in cover.weights.iter().enumerate() {
                if let Some(plane) = &planes[cover.first + n] {
                    for (sum, value) in layer.iter_mut().zip(plane) {
                        *sum += weight * value;
                    }
                }
            }
            layer
        })
        .collect();
    let stride = [1, cells[0], cells[0] * cells[1]];
    let step = place.map(|a| stride[a]);
    let mut out = vec![0.0f32; ci * cj * ck];
    for (k, layer) in layers.iter().enumerate() {
        for (j, row) in layer.chunks(ci).enumerate() {
            for (i, &value) in row.iter().enumerate() {
                // Weights add up to 1 within rounding; a fraction never leaves 0..1.
                out[i * step[0] + j * step[1] + k * step[2]] = value.clamp(0.0, 1.0);
            }
        }
    }
    out
}

/// One native slice as a plane of cells; `None` when nothing in it is set.
fn shrink(slice: &[bool], ni: usize, along_i: &[Cover], along_j: &[Cover]) -> Option<Vec<f32>> {
    let rows: Vec<Option<Vec<f32>>> = slice
        .chunks(ni)
        .map(|row| row.iter().any(|&v| v).then(|| shrink_row(row, along_i)))
        .collect();
    if rows.iter().all(Option::is_none) {
        return None;
    }
    let mut plane = vec![0.0f32; along_i.len() * along_j.len()];
    for (sums, cover) in plane.chunks_mut(along_i.len()).zip(along_j) {
        for (n, &weight) in cover.weights.iter().enumerate() {
            if let Some(row) = &rows[cover.first + n] {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += weight * value;
                }
            }
        }
    }
    Some(plane)
}

fn shrink_row(row: &[bool], covers: &[Cover]) -> Vec<f32> {
    covers
        .iter()
        .map(|cover| {
            row[cover.first..cover.first + cover.weights.len()]
                .iter()
                .zip(&cover.weights)
                .map(|(&set, &weight)| if set { weight } else { 0.0 })
                .sum()
        })
        .collect()
}

/// The cells of one axis: cell = step * voxel + shift.
fn covers(step: f64, shift: f64, cells: usize, voxels: usize, take: Take) -> Vec<Cover> {
    // Half a cell in voxels; below half a voxel the slices are thicker than the cells.
    let half = 0.5 / step.abs();
    (0..cells)
        .map(|cell| {
            let middle = (cell as f64 - shift) / step;
            if take == Take::Centre {
                centre(middle, voxels)
            } else if half < 0.5 {
                linear(middle, voxels)
            } else {
                boxed(middle - half, middle + half, voxels)
            }
        })
        .collect()
}

/// Covered lengths of the voxels between two native positions, as parts of the whole length. Voxel n covers
/// [n - 0.5, n + 0.5].
fn boxed(low: f64, high: f64, voxels: usize) -> Cover {
    let first = (low + 0.5).floor().max(0.0) as usize;
    let end = ((high + 0.5).ceil().max(0.0) as usize).min(voxels);
    let weights = (first..end).map(|n| {
        let (from, to) = (n as f64 - 0.5, n as f64 + 0.5);
        ((high.min(to) - low.max(from)).max(0.0) / (high - low)) as f32
    });
    let weights: Vec<f32> = weights.collect();
    Cover {
        first: if weights.is_empty() { 0 } else { first },
        weights,
    }
}

/// The voxel that holds a native position, nothing beyond the grid.
fn centre(at: f64, voxels: usize) -> Cover {
    let voxel = (at + 0.5).floor();
    let inside = voxel >= 0.0 && voxel < voxels as f64;
    Cover {
        first: if inside { voxel as usize } else { 0 },
        weights: if inside { vec![1.0] } else { Vec::new() },
    }
}

/// Linear between the two nearest voxel centres, nothing beyond the grid.
fn linear(at: f64, voxels: usize) -> Cover {
    let low = at.floor();
    let part = at - low;
    let inside = |n: f64| n >= 0.0 && n < voxels as f64;
    let (mut first, mut weights) = (0, Vec::new());
    for (n, weight) in [(low, 1.0 - part), (low + 1.0, part)] {
        if inside(n) && weight > 0.0 {
            if weights.is_empty() {
                first = n as usize;
            }
            weights.push(weight as f32);
        }
    }
    Cover { first, weights }
}

/// The cell field at every native voxel, i fastest: trilinear, 0 beyond the frame.
pub(super) fn interpolated(
    field: &Volume<f32>,
    to_net: &Map<Ijk, Net>,
    source: [usize; 3],
    native: [usize; 3],
) -> Vec<f32> {
    let place = places(source);
    let cells = field.shape();
    let stride = [1, cells[0], cells[0] * cells[1]];
    let step = place.map(|a| stride[a]);
    let [ci, cj, _] = [0, 1, 2].map(|n| cells[place[n]]);
    let taps = [0, 1, 2].map(|n| {
        let (step, shift) = along(to_net, place[n], n);
        (0..native[n])
            .map(|at| tap(step * at as f64 + shift, cells[place[n]]))
            .collect::<Vec<Option<Tap>>>()
    });
    let mut out = vec![0.0f32; native.iter().product()];
    out.par_chunks_mut(native[0] * native[1])
        .zip(&taps[2])
        .for_each(|(slice, tap)| {
            let Some(tap) = tap else { return };
            // One cell of zeros on each side: beyond the frame is nothing.
            let wide = ci + 2;
            let mut plane = vec![0.0f32; wide * (cj + 2)];
            for j in 0..cj {
                for i in 0..ci {
                    let base = i * step[0] + j * step[1];
                    let value = |k: usize| match k.checked_sub(1) {
                        Some(k) if k < cells[place[2]] => field.data()[base + k * step[2]],
                        _ => 0.0,
                    };
                    plane[(j + 1) * wide + i + 1] = tap.between(value(tap.low), value(tap.low + 1));
                }
            }
            if plane.iter().all(|&v| v == 0.0) {
                return;
            }
            let mut line = vec![0.0f32; wide];
            for (row, tap) in slice.chunks_mut(native[0]).zip(&taps[1]) {
                let Some(tap) = tap else { continue };
                let (low, high) = (&plane[tap.low * wide..], &plane[(tap.low + 1) * wide..]);
                for ((value, &l), &h) in line.iter_mut().zip(low).zip(high) {
                    *value = tap.between(l, h);
                }
                for (value, tap) in row.iter_mut().zip(&taps[0]) {
                    if let Some(tap) = tap {
                        *value = tap.between(line[tap.low], line[tap.low + 1]);
                    }
                }
            }
        });
    out
}

/// The lower of two neighbouring cells, counted from the cell before the first, and the share of the upper.
struct Tap {
    low: usize,
    part: f32,
}

impl Tap {
    fn between(&self, low: f32, high: f32) -> f32 {
        low * (1.0 - self.part) + high * self.part
    }
}

/// `None` where the cell position is not within one cell of the frame.
fn tap(at: f64, cells: usize) -> Option<Tap> {
    (at > -1.0 && at < cells as f64).then(|| Tap {
        low: (at.floor() + 1.0) as usize,
        part: (at - at.floor()) as f32,
    })
}

/// Frame axis of each native axis.
fn places(source: [usize; 3]) -> [usize; 3] {
    let mut place = [0; 3];
    for (a, &n) in source.iter().enumerate() {
        place[n] = a;
    }
    place
}

/// cell = step * voxel + shift along one pair of axes.
fn along(to_net: &Map<Ijk, Net>, frame_axis: usize, native_axis: usize) -> (f64, f64) {
    (to_net.0[frame_axis][native_axis], to_net.0[frame_axis][3])
}
