//! Crossing: triangles of a mesh that pass through each other.
//!
//! A slicer takes such a mesh for several bodies; the field meshes of this house do not have any, smoothed and
//! foreign ones may. Cost: about linear for evenly sized triangles (a hash of boxes).

use super::Mesh;
use crate::space::{Point, Vector};
use rayon::prelude::*;

/// Pairs of triangles that cross: an edge of one passes through the inside of the other. Triangles that only
/// touch, or lie in one plane, do not count; neighbours count when one folds through the other.
pub fn crossings<S: Sync>(mesh: &Mesh<S>) -> usize {
    let boxes: Vec<[[f64; 3]; 2]> = mesh.triangles.iter().map(|&t| bounds(mesh, t)).collect();
    let finite = |b: &[[f64; 3]; 2]| b.iter().flatten().all(|x| x.is_finite());
    let sides: Vec<f64> = (boxes.iter().filter(|b| finite(b)))
        .map(|[low, high]| (0..3).map(|a| high[a] - low[a]).fold(0.0, f64::max))
        .collect();
    if sides.is_empty() {
        return 0;
    }
    // Twice the mean: most boxes lie in one to eight cells. One long triangle among small ones must not fill
    // memory with cells: at most 64 along its side.
    let mean = sides.iter().sum::<f64>() / sides.len() as f64;
    let longest = sides.iter().copied().fold(1e-6, f64::max);
    let size = (2.0 * mean).max(longest / 64.0);
    let cell = |x: f64| (x / size).floor() as i32;
    let mut entries: Vec<([i32; 3], u32)> = Vec::new();
    for (n, [low, high]) in boxes.iter().enumerate().filter(|(_, b)| finite(b)) {
        let (from, to) = (low.map(cell), high.map(cell));
        for k in from[2]..=to[2] {
            for j in from[1]..=to[1] {
                entries.extend((from[0]..=to[0]).map(|i| ([i, j, k], n as u32)));
            }
        }
    }
    entries.par_sort_unstable();
    let groups: Vec<&[([i32; 3], u32)]> = entries.chunk_by(|a, b| a.0 == b.0).collect();
    (groups.par_iter())
        .map(|group| {
            let mut found = 0;
            for (n, &(here, a)) in group.iter().enumerate() {
                for &(_, b) in &group[n + 1..] {
                    let (one, two) = (boxes[a as usize], boxes[b as usize]);
                    let apart = (0..3).any(|x| one[0][x] > two[1][x] || two[0][x] > one[1][x]);
                    // A pair that shares several cells is looked at in the lowest only.
                    let lowest = [0, 1, 2].map(|x| cell(one[0][x].max(two[0][x])));
                    if !apart && lowest == here {
                        found += usize::from(cross(mesh, a as usize, b as usize));
                    }
                }
            }
            found
        })
        .sum()
}

fn bounds<S>(mesh: &Mesh<S>, triangle: [u32; 3]) -> [[f64; 3]; 2] {
    let [a, b, c] = mesh.corners(triangle).map(|p| p.0);
    [
        [0, 1, 2].map(|x| a[x].min(b[x]).min(c[x])),
        [0, 1, 2].map(|x| a[x].max(b[x]).max(c[x])),
    ]
}

fn cross<S>(mesh: &Mesh<S>, a: usize, b: usize) -> bool {
    let (a, b) = (mesh.triangles[a], mesh.triangles[b]);
    pierces(mesh, a, b) || pierces(mesh, b, a)
}

/// Whether an edge of `a` that has no corner in `b` passes through `b`.
fn pierces<S>(mesh: &Mesh<S>, a: [u32; 3], b: [u32; 3]) -> bool {
    let [p, q, r] = mesh.corners(b);
    [(a[0], a[1]), (a[1], a[2]), (a[2], a[0])]
        .iter()
        .filter(|(from, to)| !b.contains(from) && !b.contains(to))
        .any(|&(from, to)| {
            let (from, to) = (mesh.vertices[from as usize], mesh.vertices[to as usize]);
            // Both ends on different sides of the plane, and the edge on one side of all three borders.
            side(p, q, r, from) * side(p, q, r, to) < 0.0 && {
                let turns = [
                    side(from, to, p, q),
                    side(from, to, q, r),
                    side(from, to, r, p),
                ];
                turns.iter().all(|&t| t > 0.0) || turns.iter().all(|&t| t < 0.0)
            }
        })
}

/// Six times the signed volume of the tetrahedron.
fn side<S>(a: Point<S>, b: Point<S>, c: Point<S>, d: Point<S>) -> f64 {
    let [u, v, w]: [Vector<S>; 3] = [b.minus(a), c.minus(a), d.minus(a)];
    u.dot(v.cross(w))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::cubes;
    use crate::mesh::testing::{cuboid, joined};
    use crate::volume::testing::boxed;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn boxes_apart_do_not_cross_and_overlapping_ones_do() {
        let one = cuboid([0.0; 3], [10.0; 3]);
        assert_eq!(crossings(&one), 0);
        assert_eq!(crossings(&joined(&one, &cuboid([11.0; 3], [20.0; 3]))), 0);
        assert_eq!(crossings(&joined(&one, &cuboid([2.0; 3], [8.0; 3]))), 0);
        assert!(crossings(&joined(&one, &cuboid([5.0, 4.0, 3.0], [20.0; 3]))) > 0);
    }

    #[test]
    fn a_vertex_pulled_through_the_other_side_is_found() {
        let mut mesh = cuboid([0.0; 3], [10.0; 3]);
        mesh.vertices[7] = Point::new([4.0, 5.0, -3.0]);
        assert!(crossings(&mesh) > 0);
    }

    #[test]
    fn every_pair_is_looked_at_whatever_the_cells() {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(8);
        let mut soup = Mesh::<crate::space::Lps> {
            vertices: Vec::new(),
            triangles: Vec::new(),
        };
        for n in 0..120u32 {
            let size = if n % 10 == 0 { 40.0 } else { 4.0 };
            let at = [0; 3].map(|_| random.random::<f64>() * 30.0 - 15.0);
            for _ in 0..3 {
                let corner = at.map(|x| x + size * (random.random::<f64>() - 0.5));
                soup.vertices.push(Point::new(corner));
            }
            soup.triangles.push([3 * n, 3 * n + 1, 3 * n + 2]);
        }
        let all = (0..120)
            .flat_map(|a| (a + 1..120).map(move |b| (a, b)))
            .filter(|&(a, b)| cross(&soup, a, b))
            .count();
        assert!(all > 10);
        assert_eq!(crossings(&soup), all);
    }

    #[test]
    fn the_mesh_of_a_field_does_not_cross_itself() {
        let grid = boxed([24; 3], [0.7, 0.7, 1.3], [0..0, 0..0, 0..0]);
        let values = (0..grid.data().len()).map(|o| {
            let [x, y, z] = grid.index(o).map(|v| v as f32 * 0.4);
            x.sin() * y.cos() + y.sin() * z.cos() + z.sin() * x.cos()
        });
        let mesh = cubes::extract(&grid.with(values.collect()), 0.1);
        assert!(mesh.triangles.len() > 1000);
        assert_eq!(crossings(&mesh), 0);
    }
}
