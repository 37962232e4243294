//! Cone: the wall of a hole as it was cut, recovered from the bone that was taken out, not from grey values.
//!
//! The holes in the shared scans and in phantoms were cut radially from one centre inside a smooth outline. So the
//! centre (3 numbers) and the outline's radius over the angle (a Fourier series of order 10) are fitted until they
//! part removed voxels from bone that stayed: a logistic regression, thousands of voxels for 24 numbers. On all heads
//! here less than 0.5 % of the voxels end up on the wrong side, by less than 0.1 mm.

use calvaria::mesh::Mesh;
use calvaria::space::{Lps, Point, Vector};
use calvaria::volume::components::{self, Connectivity};
use calvaria::volume::crop::{bounds, crop, grown};
use calvaria::volume::{Hu, Volume, distance};

/// Order of the outline's series.
const ORDER: usize = 10;
const UNKNOWNS: usize = 3 + 1 + 2 * ORDER;
/// Voxels this near to the other side are fitted, mm.
const NEAR_MM: f32 = 6.0;
/// At most so many voxels.
const MOST: usize = 8000;

/// A cone with a wavy outline.
pub(super) struct Cone {
    /// Middle of the hole; unknowns 0..3 lead from here to the centre.
    middle: Point<Lps>,
    /// Outwards, before anything was fitted.
    rough: Vector<Lps>,
    unknowns: [f64; UNKNOWNS],
    /// Share of voxels on the wrong side.
    pub(super) wrong: f64,
}

/// Quantiles of the gap between a part's wall and the cone, mm.
#[derive(Debug)]
pub(super) struct Gap {
    pub(super) p5: f64,
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) least: f64,
}

/// One cone a hole, the largest first; holes under 1.5 ml are left out.
pub(super) fn cones(ct: &Volume<Hu>, removed: &Volume<bool>) -> Vec<Cone> {
    let labels = components::label(removed, Connectivity::Face);
    let large = labels
        .sizes
        .iter()
        .take_while(|&&n| n as f64 * removed.voxel_mm3() > 1500.0);
    (1..=large.count() as u32)
        .map(|n| Cone::fit(ct, &labels.mask(n)))
        .collect()
}

impl Cone {
    fn fit(ct: &Volume<Hu>, hole: &Volume<bool>) -> Self {
        let near = grown(hole, &bounds(hole).unwrap(), 14.0);
        let (ct, hole) = (crop(ct, &near), crop(hole, &near));
        let stays = |o: usize| ct.data()[o] >= Hu(150) && !hole.data()[o];
        let away = distance::squared_mm2(&hole);
        let bone = hole.with(
            (0..hole.data().len())
                .map(|o| stays(o) && away.data()[o] < 64.0)
                .collect(),
        );
        let inward = distance::squared_mm2(&bone);
        let mut voxels: Vec<(Point<Lps>, f64)> = Vec::new();
        let mut shell = Vec::new();
        for o in 0..hole.data().len() {
            let at = hole.centre(hole.index(o));
            let limit = NEAR_MM * NEAR_MM;
            if hole.data()[o] && inward.data()[o] < limit {
                voxels.push((at, 1.0));
            } else if bone.data()[o] && away.data()[o] < limit {
                voxels.push((at, -1.0));
            }
            if hole.data()[o] || ct.data()[o] >= Hu(300) {
                shell.push(at);
            }
        }
        let voxels: Vec<_> = voxels
            .iter()
            .step_by(voxels.len().div_ceil(MOST))
            .copied()
            .collect();
        let middle = hole.centroid().unwrap();
        let to_centre = sphere(&shell, middle);
        let mut cone = Self {
            middle,
            rough: to_centre.times(-1.0 / to_centre.length()),
            unknowns: [0.0; UNKNOWNS],
            wrong: 1.0,
        };
        cone.unknowns[..3].copy_from_slice(&to_centre.0);
        cone.unknowns[3] = (hole.mm3() / 6.0 / std::f64::consts::PI).sqrt();
        for width in [1.0, 0.3, 0.15] {
            cone.descend(&voxels, width);
        }
        let wrong = voxels
            .iter()
            .filter(|(p, side)| cone.inside_mm(*p) * side < 0.0)
            .count();
        cone.wrong = wrong as f64 / voxels.len() as f64;
        cone
    }

    /// Distance to the wall, positive in the hole, mm.
    pub(super) fn inside_mm(&self, at: Point<Lps>) -> f64 {
        self.value(&self.unknowns, at)
    }

    fn value(&self, x: &[f64; UNKNOWNS], at: Point<Lps>) -> f64 {
        let to_centre = Vector::<Lps>::new([x[0], x[1], x[2]]);
        let radius = to_centre.length();
        let axis = to_centre.times(-1.0 / radius);
        let flat = (0..3)
            .min_by(|&a, &b| self.rough.0[a].abs().total_cmp(&self.rough.0[b].abs()))
            .unwrap();
        let mut along = [0.0; 3];
        along[flat] = 1.0;
        let e = axis.cross(Vector::new(along)).unit().unwrap();
        let f = axis.cross(e);
        let d = at.minus(self.middle.plus(to_centre));
        let (a, b, c) = (d.dot(e), d.dot(f), d.dot(axis));
        let (angle, turn) = (a.hypot(b).atan2(c), b.atan2(a));
        let (mut outline, mut slope) = (x[3], 0.0);
        for n in 1..=ORDER {
            let (s, c) = (n as f64 * turn).sin_cos();
            let (p, q) = (x[2 + 2 * n], x[3 + 2 * n]);
            outline += p * c + q * s;
            slope += n as f64 * (q * c - p * s);
        }
        let steep = 1.0 + (slope / (radius * angle.sin().max(0.05))).powi(2);
        (outline - angle * radius) / radius * d.length() / steep.sqrt()
    }

    /// Newton's method on the logistic loss with a margin of `width` mm.
    fn descend(&mut self, voxels: &[(Point<Lps>, f64)], width: f64) {
        let loss = |x: &[f64; UNKNOWNS]| -> f64 {
            let all: f64 = voxels
                .iter()
                .map(|&(p, side)| softplus(-side * self.value(x, p) / width))
                .sum();
            all / voxels.len() as f64 + 1e-5 * x[4..].iter().map(|c| c * c).sum::<f64>()
        };
        let mut x = self.unknowns;
        let mut here = loss(&x);
        let mut damping = 1e-3;
        for _ in 0..60 {
            let mut system = vec![vec![0.0; UNKNOWNS + 1]; UNKNOWNS];
            for &(p, side) in voxels {
                let value = self.value(&x, p);
                let share = 1.0 / (1.0 + (side * value / width).exp());
                let slope: [f64; UNKNOWNS] = std::array::from_fn(|n| {
                    let mut moved = x;
                    moved[n] += 1e-4;
                    (self.value(&moved, p) - value) / 1e-4
                });
                let (curve, pull) = (
                    share * (1.0 - share) / (width * width),
                    side * share / width,
                );
                if curve < 1e-9 && pull.abs() < 1e-9 {
                    continue;
                }
                for a in 0..UNKNOWNS {
                    for b in 0..UNKNOWNS {
                        system[a][b] += curve * slope[a] * slope[b] / voxels.len() as f64;
                    }
                    system[a][UNKNOWNS] += pull * slope[a] / voxels.len() as f64;
                }
            }
            for n in 4..UNKNOWNS {
                system[n][n] += 2e-5;
                system[n][UNKNOWNS] -= 2e-5 * x[n];
            }
            let mut better = false;
            for _ in 0..8 {
                let mut damped = system.clone();
                (0..UNKNOWNS).for_each(|n| damped[n][n] += damping);
                let step = solved(damped);
                let moved: [f64; UNKNOWNS] = std::array::from_fn(|n| x[n] + step[n]);
                let there = loss(&moved);
                if there < here {
                    better = here - there > 1e-7 * here;
                    (x, here, damping) = (moved, there, damping * 0.3);
                    break;
                }
                damping *= 4.0;
            }
            if !better {
                break;
            }
        }
        self.unknowns = x;
    }

    /// Gap of a part's walls by area: triangles that face sideways and lie within 6 mm of this cone.
    pub(super) fn gap(&self, mesh: &Mesh<Lps>) -> Gap {
        let x = &self.unknowns;
        let centre = self.middle.plus(Vector::new([x[0], x[1], x[2]]));
        let (mut walls, mut least) = (Vec::new(), f64::INFINITY);
        for &triangle in &mesh.triangles {
            let [a, b, c] = mesh.corners(triangle);
            let area = mesh.area_vector(triangle);
            let middle = Point::<Lps>::new([0, 1, 2].map(|n| (a.0[n] + b.0[n] + c.0[n]) / 3.0));
            if middle.minus(self.middle).length() > 90.0 {
                continue;
            }
            least = [a, b, c]
                .into_iter()
                .map(|p| self.inside_mm(p))
                .fold(least, f64::min);
            let (Some(normal), Some(out)) = (area.unit(), middle.minus(centre).unit()) else {
                continue;
            };
            let mm = self.inside_mm(middle);
            if normal.dot(out).abs() <= 0.5 && mm < 6.0 {
                walls.push((mm, area.length()));
            }
        }
        walls.sort_by(|a, b| a.0.total_cmp(&b.0));
        let all: f64 = walls.iter().map(|w| w.1).sum();
        let quantile = |share: f64| {
            let mut sum = 0.0;
            walls
                .iter()
                .find(|w| {
                    sum += w.1;
                    sum >= share * all
                })
                .unwrap()
                .0
        };
        Gap {
            p5: quantile(0.05),
            p50: quantile(0.5),
            p95: quantile(0.95),
            least,
        }
    }
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// From `middle` to the centre of the sphere that fits the points best.
fn sphere(points: &[Point<Lps>], middle: Point<Lps>) -> Vector<Lps> {
    let mut system = vec![vec![0.0; 5]; 4];
    for p in points {
        let d = p.minus(middle);
        let row = [2.0 * d.0[0], 2.0 * d.0[1], 2.0 * d.0[2], 1.0, d.dot(d)];
        for a in 0..4 {
            for b in 0..5 {
                system[a][b] += row[a] * row[b];
            }
        }
    }
    let x = solved(system);
    Vector::new([x[0], x[1], x[2]])
}

/// Linear equations by elimination with row exchange; the last column is the right side.
fn solved(mut m: Vec<Vec<f64>>) -> Vec<f64> {
    let n = m.len();
    for c in 0..n {
        let pivot = (c..n)
            .max_by(|&a, &b| m[a][c].abs().total_cmp(&m[b][c].abs()))
            .unwrap();
        m.swap(c, pivot);
        for r in c + 1..n {
            let factor = m[r][c] / m[c][c];
            for k in c..=n {
                let above = m[c][k];
                m[r][k] -= factor * above;
            }
        }
    }
    let mut x = vec![0.0; n];
    for r in (0..n).rev() {
        let rest: f64 = (r + 1..n).map(|k| m[r][k] * x[k]).sum();
        x[r] = (m[r][n] - rest) / m[r][r];
    }
    x
}
