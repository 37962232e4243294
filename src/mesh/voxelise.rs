//! Voxelise: which voxel centres lie inside a mesh.
//!
//! One ray along i through each row of voxels; where it crosses the mesh the winding number steps, and it is
//! inside where the number is not 0. Crossings are decided in whole numbers with ties broken as if every ray
//! stood a hair aside (Edelsbrunner and Muecke 1990), so a ray through an edge or a vertex counts once.

use super::Mesh;
use crate::space::{Ijk, Lps};
use crate::volume::Volume;

/// Steps of one voxel on the whole-number grid of the decisions: finer than any printer, and exact in `i64` for
/// meshes within 4096 voxels of the grid's corner.
const STEPS: f64 = 65536.0;
/// Furthest coordinate in voxels that is still exact.
const REACH: f64 = 4096.0;

/// The mask of voxel centres inside `mesh`, on `grid`'s grid. The mesh has to be closed. Vertices further than
/// 4096 voxels from the grid's first voxel are drawn in to there.
pub fn voxelise<T>(mesh: &Mesh<Lps>, grid: &Volume<T>) -> Volume<bool> {
    let inside = mesh.mapped(&grid.to_ijk());
    let [ni, nj, nk] = grid.shape();
    let mut crossings = Vec::new();
    for &triangle in &inside.triangles {
        cross(&inside, triangle, [nj, nk], &mut crossings);
    }
    crossings.sort_unstable_by(|a, b| a.row.cmp(&b.row).then(a.at.total_cmp(&b.at)));
    let mut data = vec![false; grid.data().len()];
    for row in crossings.chunk_by(|a, b| a.row == b.row) {
        let mut winding = 0;
        for (n, crossing) in row.iter().enumerate() {
            winding += crossing.step;
            let Some(next) = row.get(n + 1).filter(|_| winding != 0) else {
                continue;
            };
            // Centres with at < i <= next: a centre on the surface belongs to one side only.
            let voxel = |x: f64| (x.floor() + 1.0).clamp(0.0, ni as f64) as usize;
            let (from, to) = (voxel(crossing.at), voxel(next.at));
            data[row[0].row * ni..][from..to].fill(true);
        }
    }
    grid.with(data)
}

struct Crossing {
    /// j + nj k.
    row: usize,
    /// Index along i, fractional.
    at: f64,
    /// +1 where the ray enters, -1 where it leaves.
    step: i32,
}

/// All rows that one triangle crosses.
fn cross(mesh: &Mesh<Ijk>, triangle: [u32; 3], [nj, nk]: [usize; 2], into: &mut Vec<Crossing>) {
    let corners = mesh.corners(triangle).map(|p| p.0);
    let flat = corners.map(|[_, j, k]| [whole(j), whole(k)]);
    let rows = |axis: usize, n: usize| {
        let values = flat.map(|p| p[axis] as f64 / STEPS);
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let from = low.floor().clamp(0.0, n as f64) as usize;
        from..(high.floor() + 1.0).clamp(from as f64, n as f64) as usize
    };
    for k in rows(1, nk) {
        for j in rows(0, nj) {
            let here = [whole(j as f64), whole(k as f64)];
            let left = [0, 1, 2].map(|n| is_left(flat[n], flat[(n + 1) % 3], here));
            if left[0] != left[1] || left[1] != left[2] {
                continue;
            }
            into.push(Crossing {
                row: j + nj * k,
                at: depth(corners, [j as f64, k as f64]),
                // Counter-clockwise in (j, k) faces +i: the ray leaves there.
                step: if left[0] { -1 } else { 1 },
            });
        }
    }
}

fn whole(x: f64) -> i64 {
    // Not-a-number becomes 0: check is where such meshes are refused.
    (x.clamp(-REACH, REACH) * STEPS).round() as i64
}

/// Whether `p`, moved by (e, e^2) with e > 0 without end small, lies left of the line from `a` to `b`.
fn is_left(a: [i64; 2], b: [i64; 2], p: [i64; 2]) -> bool {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let side = dx * (p[1] - a[1]) - dy * (p[0] - a[0]);
    if side != 0 {
        side > 0
    } else if dy != 0 {
        dy < 0
    } else {
        dx > 0
    }
}

/// Where the triangle's plane meets the row at (j, k), along i.
fn depth(corners: [[f64; 3]; 3], [j, k]: [f64; 2]) -> f64 {
    let [a, b, c] = corners;
    let area = |p: [f64; 2], q: [f64; 2]| (p[0] - j) * (q[1] - k) - (p[1] - k) * (q[0] - j);
    let flat = corners.map(|[_, j, k]| [j, k]);
    let (u, v, w) = (
        area(flat[1], flat[2]),
        area(flat[2], flat[0]),
        area(flat[0], flat[1]),
    );
    let sum = u + v + w;
    let at = (u * a[0] + v * b[0] + w * c[0]) / sum;
    // A triangle seen edge-on: any of its points will do.
    let (low, high) = (a[0].min(b[0]).min(c[0]), a[0].max(b[0]).max(c[0]));
    if at.is_finite() {
        at.clamp(low, high)
    } else {
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::cubes;
    use crate::mesh::testing::{cuboid, joined};
    use crate::space::Map;
    use crate::volume::testing::{boxed, random_mask};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        /// The mesh of a mask is that mask again: rays meet vertices and edges exactly, the worst case.
        #[test]
        fn a_mask_meshed_and_voxelised_is_itself(
            shape in prop::array::uniform3(1usize..9),
            spacing in prop::array::uniform3(0.3f64..2.0),
            density in 0.1f64..0.9, seed: u64,
        ) {
            let mask = random_mask(shape, spacing, density, seed);
            let mesh = cubes::extract(&mask.map(|&v| if v { -1.0 } else { 1.0 }), 0.0);
            prop_assert_eq!(&voxelise(&mesh, &mask), &mask);
        }

        /// Vertices on voxel centres: every ray through the box's faces and edges is a tie.
        #[test]
        fn boxes_on_voxel_centres_have_their_volume(
            low in prop::array::uniform3(0u8..6), size in prop::array::uniform3(1u8..6),
        ) {
            let grid = boxed([14; 3], [1.0; 3], [0..0, 0..0, 0..0]);
            let (a, b) = (low.map(f64::from), [0, 1, 2].map(|n| f64::from(low[n] + size[n])));
            let mask = voxelise(&cuboid(a, b), &grid);
            // Half-open on every axis: neighbours share no voxel and leave no gap.
            prop_assert_eq!(mask.count(), size.iter().map(|&s| usize::from(s)).product::<usize>());
        }
    }

    #[test]
    fn a_mirroring_oblique_grid_gives_the_same_volume() {
        let ball = boxed([40; 3], [1.0; 3], [0..0, 0..0, 0..0]);
        let field = ball.with(
            (0..ball.data().len())
                .map(|o| {
                    let r2: f64 = ball
                        .index(o)
                        .iter()
                        .map(|&x| (x as f64 - 19.3).powi(2))
                        .sum();
                    r2.sqrt() as f32 - 15.0
                })
                .collect(),
        );
        let mesh = cubes::extract(&field, 0.0);
        let map = Map::new([
            [-0.6, 0.1, 0.0, 45.0],
            [0.1, 0.6, 0.05, -6.0],
            [0.0, -0.05, 0.7, -4.0],
        ]);
        let grid = Volume::new([90, 85, 75], vec![(); 90 * 85 * 75], map).unwrap();
        let mask = voxelise(&mesh, &grid);
        assert!((mask.mm3() / mesh.volume_mm3() - 1.0).abs() < 0.005);
    }

    #[test]
    fn overlapping_bodies_are_one_and_the_grid_cuts() {
        let both = joined(&cuboid([-5.5; 3], [3.5; 3]), &cuboid([1.5; 3], [20.5; 3]));
        let grid = boxed([8; 3], [1.0; 3], [0..0, 0..0, 0..0]);
        let mask = voxelise(&both, &grid);
        assert_eq!(mask.count(), 4 * 4 * 4 + 6 * 6 * 6 - 2 * 2 * 2);
    }
}
