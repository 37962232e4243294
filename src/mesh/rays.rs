//! Rays: what lies a short way in front of or behind a face.
//!
//! Cost: one entry of a table for each cell that a triangle touches, a few triangles a ray for evenly sized ones.

use super::Mesh;
use crate::space::{Point, Vector};
use std::collections::HashMap;
use std::ops::Range;

/// Smallest cell, mm: rays are about as short.
const CELL_MIN_MM: f64 = 0.5;

/// A place on a mesh, and what it stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample<S> {
    pub(crate) place: Point<S>,
    /// Of its face, outwards.
    pub(crate) normal: Vector<S>,
    /// Its share of the surface, mm2.
    pub(crate) area_mm2: f64,
}

/// Where a ray meets a face.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hit {
    pub(crate) far_mm: f64,
    /// Cosine of the angle between the ray and the face's outward normal: positive where the ray leaves the solid.
    pub(crate) cosine: f64,
}

/// A mesh, ready to be asked for its nearest face.
#[derive(Debug)]
pub(crate) struct Rays<'a, S> {
    mesh: &'a Mesh<S>,
    size_mm: f64,
    entries: Vec<u32>,
    cells: HashMap<[i32; 3], Range<usize>>,
}

impl<'a, S> Rays<'a, S> {
    pub(crate) fn new(mesh: &'a Mesh<S>) -> Self {
        let boxes: Vec<[[f64; 3]; 2]> = (mesh.triangles.iter())
            .map(|&t| {
                let [a, b, c] = mesh.corners(t).map(|p| p.0);
                [
                    [0, 1, 2].map(|x| a[x].min(b[x]).min(c[x])),
                    [0, 1, 2].map(|x| a[x].max(b[x]).max(c[x])),
                ]
            })
            .collect();
        let sides =
            (boxes.iter()).map(|[low, high]| (0..3).map(|a| high[a] - low[a]).fold(0.0, f64::max));
        let (sum, longest) = sides.fold((0.0, 0.0), |(sum, most): (f64, f64), side| {
            (sum + side, most.max(side))
        });
        // As many cells as fit: one long triangle among small ones must not fill memory.
        let mean = sum / boxes.len().max(1) as f64;
        let size_mm = (2.0 * mean).max(longest / 64.0).max(CELL_MIN_MM);
        let mut all: Vec<([i32; 3], u32)> = Vec::new();
        for (n, [low, high]) in boxes.iter().enumerate() {
            all.extend(cells(*low, *high, size_mm).map(|cell| (cell, n as u32)));
        }
        all.sort_unstable();
        let mut ranges = HashMap::new();
        let mut from = 0;
        for group in all.chunk_by(|a, b| a.0 == b.0) {
            ranges.insert(group[0].0, from..from + group.len());
            from += group.len();
        }
        Self {
            mesh,
            size_mm,
            entries: all.into_iter().map(|(_, n)| n).collect(),
            cells: ranges,
        }
    }

    /// The nearest face that a ray of `reach_mm` meets and for which `wanted` holds.
    pub(crate) fn first(
        &self,
        from: Point<S>,
        along: Vector<S>,
        reach_mm: f64,
        wanted: impl Fn(&Hit) -> bool,
    ) -> Option<Hit> {
        let to = from.plus(along.times(reach_mm));
        let low = [0, 1, 2].map(|a| from.0[a].min(to.0[a]));
        let high = [0, 1, 2].map(|a| from.0[a].max(to.0[a]));
        cells(low, high, self.size_mm)
            .filter_map(|cell| self.cells.get(&cell))
            .flat_map(|range| &self.entries[range.clone()])
            .filter_map(|&n| self.hit(n as usize, from, along))
            .filter(|hit| hit.far_mm <= reach_mm && wanted(hit))
            .min_by(|a, b| a.far_mm.total_cmp(&b.far_mm))
    }

    /// Ray against triangle, after Möller and Trumbore.
    fn hit(&self, triangle: usize, from: Point<S>, along: Vector<S>) -> Option<Hit> {
        let [a, b, c] = self.mesh.corners(self.mesh.triangles[triangle]);
        let (u, v, to) = (b.minus(a), c.minus(a), from.minus(a));
        let p = along.cross(v);
        let det = u.dot(p);
        let q = to.cross(u);
        let (s, t, far_mm) = (to.dot(p) / det, along.dot(q) / det, v.dot(q) / det);
        // Also false for a triangle along the ray, where they are no numbers.
        let inside = s >= 0.0 && t >= 0.0 && s + t <= 1.0 && far_mm >= 0.0;
        let normal = u.cross(v).unit().filter(|_| inside)?;
        Some(Hit {
            far_mm,
            cosine: normal.dot(along),
        })
    }
}

/// The cells that a box touches.
fn cells(low: [f64; 3], high: [f64; 3], size_mm: f64) -> impl Iterator<Item = [i32; 3]> {
    let cell = move |x: f64| (x / size_mm).floor() as i32;
    let (from, to) = (low.map(cell), high.map(cell));
    (from[2]..=to[2]).flat_map(move |k| {
        (from[1]..=to[1]).flat_map(move |j| (from[0]..=to[0]).map(move |i| [i, j, k]))
    })
}

/// Places spread over a mesh, `apart_mm` from each other at most, at least one on each face.
pub(crate) fn samples<S>(mesh: &Mesh<S>, apart_mm: f64) -> Vec<Sample<S>> {
    let mut found = Vec::new();
    for &triangle in &mesh.triangles {
        let twice = mesh.area_vector(triangle);
        let Some(normal) = twice.unit() else { continue };
        let area_mm2 = twice.length() / 2.0;
        let [a, b, c] = longest_first(mesh.corners(triangle));
        let (base, side) = (b.minus(a), c.minus(a));
        let rows = (2.0 * area_mm2 / base.length() / apart_mm).ceil().max(1.0);
        for row in 0..rows as u32 {
            let (low, high) = (f64::from(row) / rows, f64::from(row + 1) / rows);
            let share = (1.0 - low).powi(2) - (1.0 - high).powi(2);
            // A single row through the middle of its area.
            let v = if rows > 1.0 {
                (low + high) / 2.0
            } else {
                1.0 / 3.0
            };
            let count = ((1.0 - v) * base.length() / apart_mm).ceil().max(1.0);
            for n in 0..count as u32 {
                let u = (1.0 - v) * (f64::from(n) + 0.5) / count;
                found.push(Sample {
                    place: a.plus(base.times(u)).plus(side.times(v)),
                    normal,
                    area_mm2: area_mm2 * share / count,
                });
            }
        }
    }
    found
}

/// The corners in their order, beginning with the longest side.
fn longest_first<S>([a, b, c]: [Point<S>; 3]) -> [Point<S>; 3] {
    let [ab, bc, ca] = [b.minus(a), c.minus(b), a.minus(c)].map(Vector::length);
    if ab >= bc && ab >= ca {
        [a, b, c]
    } else if bc >= ca {
        [b, c, a]
    } else {
        [c, a, b]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::testing::cuboid;
    use proptest::prelude::*;

    #[test]
    fn samples_share_the_whole_surface_and_lie_on_it() {
        let mesh = cuboid([0.0; 3], [40.0, 0.3, 7.0]);
        let found = samples(&mesh, 1.0);
        let area: f64 = found.iter().map(|s| s.area_mm2).sum();
        assert!((area - 2.0 * (40.0 * 0.3 + 40.0 * 7.0 + 0.3 * 7.0)).abs() < 1e-9);
        assert!(found.len() < 1000 && found.iter().all(|s| s.area_mm2 < 1.1));
        let rays = Rays::new(&mesh);
        for s in found {
            let back = s.place.plus(s.normal.times(0.1));
            let hit = rays
                .first(back, s.normal.times(-1.0), 0.2, |h| h.cosine < 0.0)
                .unwrap();
            assert!((hit.far_mm - 0.1).abs() < 1e-9);
        }
    }

    proptest! {
        /// A grid of cells finds what looking at every triangle finds.
        #[test]
        fn every_face_in_reach_is_found(
            at in prop::array::uniform3(-1.0f64..11.0),
            to in prop::array::uniform3(-1.0f64..1.0),
            size in 0.2f64..10.0,
            reach in 0.1f64..20.0,
        ) {
            let mesh = cuboid([0.0; 3], [10.0, size, 10.0]);
            let rays = Rays::new(&mesh);
            let Some(along) = Vector::<crate::space::Lps>::new(to).unit() else { return Ok(()) };
            let from = Point::new(at);
            let all = (0..mesh.triangles.len())
                .filter_map(|n| rays.hit(n, from, along))
                .map(|h| h.far_mm)
                .filter(|far| *far <= reach)
                .fold(f64::INFINITY, f64::min);
            let found = rays.first(from, along, reach, |_| true).map_or(f64::INFINITY, |h| h.far_mm);
            prop_assert_eq!(found, all);
        }
    }
}
