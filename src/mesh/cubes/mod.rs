//! Cubes: the surface of a field, by our own marching cubes.
//!
//! In:    `Volume<f32>` and a level; inside is `value < iso` (a signed distance is negative inside).
//! Out:   `Mesh<Lps>`, outward normals, closed and manifold for every input: white noise, binary values,
//!        samples equal to the level, not-a-number (which counts as outside).
//! Holds: one vertex a cut grid edge, never welded by distance; the cut is kept 0.1 % of an edge away from its
//!        ends, so that no triangle collapses. What is inside at the grid's edge is closed half a voxel
//!        further out. The same vertices in the same order on every machine.
//! Cost:  one pass over the cells; two layers of vertex numbers.
//! Why not a published crate: `table.rs` has the rule they lack (four triangles at an edge where two cells
//!        choose the same diagonal of their shared face).

use super::Mesh;
use crate::space::{Ijk, Lps, Point};
use crate::volume::Volume;

mod table;

/// The surface `field = iso` as a closed mesh in patient millimetres.
pub fn extract(field: &Volume<f32>, iso: f32) -> Mesh<Lps> {
    let mut march = March::new(field, iso);
    for k in 0..=field.shape()[2] {
        march.slab(k);
    }
    let to_lps = field.to_lps();
    Mesh {
        vertices: march.vertices,
        triangles: march.triangles,
    }
    .mapped(&to_lps)
}

const NONE: u32 = u32::MAX;

/// One layer of samples with a border of not-a-number (outside) all round.
struct Layer {
    values: Vec<f32>,
    /// Vertex numbers of the edges that start at each sample along i and j.
    cuts: [Vec<u32>; 2],
}

struct March<'a> {
    field: &'a Volume<f32>,
    iso: f32,
    /// Samples along i with the border: ni + 2.
    stride: usize,
    /// Layers k and k + 1 of the slab in work.
    layers: [Layer; 2],
    /// Vertex numbers of the edges between the two layers.
    rising: Vec<u32>,
    vertices: Vec<Point<Ijk>>,
    triangles: Vec<[u32; 3]>,
}

impl<'a> March<'a> {
    fn new(field: &'a Volume<f32>, iso: f32) -> Self {
        let [ni, nj, _] = field.shape();
        let size = (ni + 2) * (nj + 2);
        let layer = || Layer {
            values: vec![f32::NAN; size],
            cuts: [vec![NONE; size], vec![NONE; size]],
        };
        Self {
            field,
            iso,
            stride: ni + 2,
            layers: [layer(), layer()],
            rising: vec![NONE; size],
            vertices: Vec::new(),
            triangles: Vec::new(),
        }
    }

    /// The cells between sample layers k - 1 and k; layers -1 and nk are border.
    fn slab(&mut self, k: usize) {
        let [ni, nj, nk] = self.field.shape();
        self.layers.swap(0, 1);
        let upper = &mut self.layers[1];
        for cuts in &mut upper.cuts {
            cuts.fill(NONE);
        }
        self.rising.fill(NONE);
        if k < nk {
            for j in 0..nj {
                let from = self.field.offset([0, j, k]);
                let to = (j + 1) * self.stride + 1;
                upper.values[to..to + ni].copy_from_slice(&self.field.data()[from..from + ni]);
            }
        } else {
            upper.values.fill(f32::NAN);
        }
        for j in 0..=nj {
            for i in 0..=ni {
                let at = j * self.stride + i;
                let inside = self.case(at);
                if inside != 0 && inside != 255 {
                    self.cell(at, [i, j, k], inside);
                }
            }
        }
    }

    /// Which corners of the cell at sample `at` are inside.
    fn case(&self, at: usize) -> u8 {
        let mut inside = 0;
        for (n, layer) in self.layers.iter().enumerate() {
            let quad = [at, at + 1, at + self.stride, at + self.stride + 1];
            for (m, corner) in quad.into_iter().enumerate() {
                inside |= u8::from(layer.values[corner] < self.iso) << (4 * n + m);
            }
        }
        inside
    }

    /// `index` counts samples with the border: sample (0, 0, 0) of the field is (1, 1, 1).
    fn cell(&mut self, at: usize, index: [usize; 3], inside: u8) {
        let case = &table::CASES[usize::from(inside)];
        let mut number = [NONE; 16];
        for (n, edges) in case.centres.iter().enumerate() {
            let mut middle = [0.0; 3];
            for &id in edges {
                let vertex = self.cut(at, index, id);
                for (m, x) in middle.iter_mut().zip(self.vertices[vertex as usize].0) {
                    *m += x / edges.len() as f64;
                }
            }
            number[12 + n] = push(&mut self.vertices, middle);
        }
        for triangle in &case.triangles {
            let corners = triangle.map(|id| {
                let known = number[usize::from(id)];
                if known == NONE {
                    self.cut(at, index, id)
                } else {
                    known
                }
            });
            self.triangles.push(corners);
        }
    }

    /// The vertex on a cut edge of the cell, made when it is first asked for.
    fn cut(&mut self, at: usize, index: [usize; 3], id: u8) -> u32 {
        let (low, axis) = table::edge(id);
        let step = [0, 1, 2].map(|a| usize::from(low >> a & 1));
        let sample = at + step[0] + step[1] * self.stride;
        let slot = match axis {
            0 | 1 => &mut self.layers[step[2]].cuts[axis][sample],
            _ => &mut self.rising[sample],
        };
        if *slot != NONE {
            return *slot;
        }
        let far = [1, self.stride, 0][axis] + sample;
        let far_layer = if axis == 2 { 1 } else { step[2] };
        let part = crossing(
            self.layers[step[2]].values[sample],
            self.layers[far_layer].values[far],
            self.iso,
        );
        // Back to the field's own index: the border and the lower layer each take one off.
        let mut place = [0, 1, 2].map(|a| (index[a] + step[a]) as f64 - 1.0);
        place[axis] += part;
        let number = push(&mut self.vertices, place);
        let slot = match axis {
            0 | 1 => &mut self.layers[step[2]].cuts[axis][sample],
            _ => &mut self.rising[sample],
        };
        *slot = number;
        number
    }
}

fn push(vertices: &mut Vec<Point<Ijk>>, place: [f64; 3]) -> u32 {
    let number = u32::try_from(vertices.len()).expect("4 billion vertices fit in no memory");
    vertices.push(Point::new(place));
    number
}

/// Where along an edge the level is met: linear, kept off the ends; half-way where a value says nothing.
fn crossing(low: f32, high: f32, iso: f32) -> f64 {
    let (low, high, iso) = (f64::from(low), f64::from(high), f64::from(iso));
    let part = (iso - low) / (high - low);
    if part.is_nan() {
        0.5
    } else {
        part.clamp(0.001, 0.999)
    }
}

#[cfg(test)]
mod tests;
