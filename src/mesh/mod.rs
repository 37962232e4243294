//! Mesh: triangles in a named space.
//!
//! Holds: indices point at vertices; outward normals follow the right-hand rule.

use crate::space::{Map, Point, Vector};

pub mod check;
mod crossing;
pub mod cubes;
pub mod fault;
pub mod file;
pub mod obj;
pub(crate) mod rays;
pub mod stl;
pub mod tags;
#[cfg(test)]
pub(crate) mod testing;
pub mod threemf;
mod twice;
mod voxelise;
mod weld;

pub use crossing::crossings;
pub use voxelise::voxelise;

/// A triangle mesh with shared vertices, in millimetres of space `S`. Triangles are counter-clockwise seen from
/// outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Mesh<S> {
    /// Corner positions.
    pub vertices: Vec<Point<S>>,
    /// Corners of each triangle.
    pub triangles: Vec<[u32; 3]>,
}

impl<S> Mesh<S> {
    /// The three corners of a triangle.
    pub fn corners(&self, triangle: [u32; 3]) -> [Point<S>; 3] {
        triangle.map(|v| self.vertices[v as usize])
    }

    /// Signed volume in mm3: positive when triangles face outwards. Divergence theorem, sum a.(b x c) / 6,
    /// about the first vertex so that far-off patients lose no digits.
    pub fn volume_mm3(&self) -> f64 {
        let Some(&origin) = self.vertices.first() else {
            return 0.0;
        };
        let sum: f64 = self
            .triangles
            .iter()
            .map(|&t| {
                let [a, b, c] = self.corners(t).map(|p| p.minus(origin));
                a.dot(b.cross(c))
            })
            .sum();
        sum / 6.0
    }

    /// Smallest and largest coordinates; `None` for a mesh without vertices.
    pub fn bounds(&self) -> Option<(Point<S>, Point<S>)> {
        let first = self.vertices.first()?.0;
        let (lo, hi) = self.vertices.iter().fold((first, first), |(lo, hi), p| {
            (
                [0, 1, 2].map(|a| lo[a].min(p.0[a])),
                [0, 1, 2].map(|a| hi[a].max(p.0[a])),
            )
        });
        Some((Point::new(lo), Point::new(hi)))
    }

    /// Drops the vertices that no triangle uses.
    pub(crate) fn compact(&mut self) {
        let mut number: Vec<Option<u32>> = vec![None; self.vertices.len()];
        let mut kept = Vec::new();
        for corner in self.triangles.iter_mut().flatten() {
            let old = *corner as usize;
            *corner = *number[old].get_or_insert_with(|| {
                kept.push(self.vertices[old]);
                (kept.len() - 1) as u32
            });
        }
        self.vertices = kept;
    }

    /// Twice the area's vector of a triangle: its direction is the outward normal.
    pub fn area_vector(&self, triangle: [u32; 3]) -> Vector<S> {
        let [a, b, c] = self.corners(triangle);
        b.minus(a).cross(c.minus(a))
    }

    /// The mesh in another space. A mirroring map also turns the triangles, so that they still face outwards.
    pub fn mapped<B>(&self, map: &Map<S, B>) -> Mesh<B> {
        let mirrors = map.determinant() < 0.0;
        Mesh {
            vertices: self.vertices.iter().map(|&p| map.apply(p)).collect(),
            triangles: self
                .triangles
                .iter()
                .map(|&[a, b, c]| if mirrors { [a, c, b] } else { [a, b, c] })
                .collect(),
        }
    }
}
