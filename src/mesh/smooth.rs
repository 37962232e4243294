//! Smooth: takes the stairs out of a mesh without shrinking it.

use super::Mesh;
use crate::space::Point;

/// Step of the shrinking pass (Taubin 1995).
const LAMBDA: f64 = 0.5;
/// Step of the growing pass that undoes the shrinking of smooth shapes.
const MU: f64 = -0.53;

/// Taubin smoothing, `passes` pairs of a shrinking and a growing step with equal weights of the neighbours.
/// Vertices marked in `fixed` stay where they are; an empty slice fixes none.
pub fn taubin<S>(mesh: &mut Mesh<S>, passes: usize, fixed: &[bool]) {
    let neighbours = Neighbours::of(mesh);
    for _ in 0..passes {
        for step in [LAMBDA, MU] {
            neighbours.relax(mesh, step, fixed);
        }
    }
}

/// Neighbours of each vertex, one list behind the other.
struct Neighbours {
    start: Vec<usize>,
    list: Vec<u32>,
}

impl Neighbours {
    fn of<S>(mesh: &Mesh<S>) -> Self {
        let mut pairs: Vec<(u32, u32)> = (mesh.triangles.iter())
            .flat_map(|&[a, b, c]| [(a, b), (b, a), (b, c), (c, b), (c, a), (a, c)])
            .collect();
        pairs.sort_unstable();
        pairs.dedup();
        let mut start = vec![0; mesh.vertices.len() + 1];
        for &(v, _) in &pairs {
            start[v as usize + 1] += 1;
        }
        for v in 0..mesh.vertices.len() {
            start[v + 1] += start[v];
        }
        Self {
            start,
            list: pairs.into_iter().map(|(_, n)| n).collect(),
        }
    }

    fn relax<S>(&self, mesh: &mut Mesh<S>, step: f64, fixed: &[bool]) {
        let before = mesh.vertices.clone();
        for (v, place) in mesh.vertices.iter_mut().enumerate() {
            let around = &self.list[self.start[v]..self.start[v + 1]];
            if around.is_empty() || fixed.get(v) == Some(&true) {
                continue;
            }
            let mut mean = [0.0; 3];
            for &n in around {
                for (m, x) in mean.iter_mut().zip(before[n as usize].0) {
                    *m += x / around.len() as f64;
                }
            }
            let here = before[v].0;
            *place = Point::new([0, 1, 2].map(|a| here[a] + step * (mean[a] - here[a])));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::cubes;
    use crate::volume::testing::boxed;

    #[test]
    fn a_ball_of_voxels_gets_smooth_and_keeps_its_volume() {
        let grid = boxed([24; 3], [1.0; 3], [0..0, 0..0, 0..0]);
        let radius = |p: [f64; 3]| p.iter().map(|x| (x - 11.5).powi(2)).sum::<f64>().sqrt();
        let ball = grid.with(
            (0..grid.data().len())
                .map(|o| {
                    if radius(grid.centre(grid.index(o)).0) < 9.0 {
                        -1.0
                    } else {
                        1.0
                    }
                })
                .collect(),
        );
        let mut mesh = cubes::extract(&ball, 0.0);
        let spread = |mesh: &Mesh<_>| {
            let r: Vec<f64> = mesh
                .vertices
                .iter()
                .map(|p: &Point<_>| radius(p.0))
                .collect();
            let mean = r.iter().sum::<f64>() / r.len() as f64;
            (r.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / r.len() as f64).sqrt()
        };
        let (rough, volume) = (spread(&mesh), mesh.volume_mm3());
        let kept = mesh.vertices[0];
        let mut fixed = vec![false; mesh.vertices.len()];
        fixed[0] = true;
        taubin(&mut mesh, 10, &fixed);
        assert!(spread(&mesh) < 0.6 * rough, "{rough} {}", spread(&mesh));
        assert!((mesh.volume_mm3() / volume - 1.0).abs() < 0.01);
        assert_eq!(mesh.vertices[0], kept);
    }
}
