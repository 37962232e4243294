//! Nod: pitch and middle of the head within its plane of symmetry, from the mean vault laid over the skin.
//!
//! Six numbers: nod, two shifts in the plane, and width, length and height of the vault, held by what heads vary by.
//! Least squares along the rays, with Cauchy's weights: a hole has no points, and what is seen through it, a face or
//! a holder weighs little. The skin is cast anew in the axes that were found, because what a ray of the scanner's
//! frame takes for the lowest part of the vault is the nape of a nodded head, and the brow of a raised one.

use super::axes::{Axes, UPRIGHT};
use super::plane::Plane;
use super::skin::Skin;
use super::vault::{floor_deg, radius_mm};
use crate::space::{Lps, Point, Vector};
use crate::volume::Volume;
use crate::volume::crop::IndexBox;
use rayon::prelude::*;

/// Nods from which the fit starts, degrees.
const STARTS_DEG: [f64; 4] = [-36.0, -12.0, 12.0, 36.0];
/// The skin's middle lies 85 mm under the highest bone, the mean vault's 74.
pub(super) const RAISED_MM: f64 = 10.0;
/// Every how many of the skin's points are asked.
const STRIDE: usize = 3;
/// Residuals beyond this lose their weight, mm: at first, and at the end. Vaults differ from the scaled mean by about
/// 2 mm.
const LIMITS_MM: [f64; 2] = [8.0, 2.5];
/// Steps at each limit; the fit is done long before.
const STEPS: usize = 15;
/// From its floor up the vault counts more and more, over this, degrees.
const RAMP_DEG: f64 = 6.0;
/// Lowest direction of the skin in the head's own axes, from the vertex.
const LOWEST_DEG: f64 = 105.0;
/// How often the skin is cast anew.
const CASTS: usize = 2;
/// What the numbers vary by (radians, mm, logarithms), and that a fit of a vault has about as many independent points
/// as this: together they hold what the skin does not.
const SPREAD: Turn = [0.21, 8.0, 8.0, 0.05, 0.05, 0.05];
const INDEPENDENT: f64 = 50.0;
const RESIDUAL_MM: f64 = 2.0;
/// Steps of the numeric derivatives.
const DELTA: Turn = [1e-3, 0.1, 0.1, 1e-3, 1e-3, 1e-3];

/// Nod (radians), shift to the back and up (mm), logarithms of width, length and height against the mean vault's.
type Turn = [f64; 6];

/// The axes in the plane. Where too little of the skull is a vault, as upright as they lie in it.
pub(super) fn found(skull: &Volume<bool>, bounds: &IndexBox, skin: &Skin, plane: Plane) -> Axes {
    let start = Within::of(plane, skin.middle());
    let points: Vec<Point<Lps>> = skin.points().iter().step_by(STRIDE).copied().collect();
    let fits: Vec<(f64, Turn)> = (STARTS_DEG.par_iter())
        .filter_map(|nod| start.fit(&points, [nod.to_radians(), 0.0, 0.0, 0.0, 0.0, 0.0]))
        .collect();
    let best = fits.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
    let mut turn = best.map_or([0.0; 6], |(_, turn)| turn);
    for _ in 0..CASTS {
        let axes = start.axes(&turn);
        let own = [axes.left(), axes.back(), axes.up()];
        let again = Skin::seen(skull, bounds, axes.middle(), own, LOWEST_DEG).and_then(|skin| {
            let points: Vec<Point<Lps>> = skin.points().iter().step_by(STRIDE).copied().collect();
            start.fit(&points, turn)
        });
        let Some((_, next)) = again else { break };
        turn = next;
    }
    start.axes(&turn)
}

/// The plane of symmetry with directions as upright as they lie in it.
struct Within {
    middle: Point<Lps>,
    axes: [Vector<Lps>; 3],
}

impl Within {
    fn of(plane: Plane, middle: Point<Lps>) -> Self {
        let left = plane.normal;
        let posterior = UPRIGHT[1];
        let flat = posterior.plus(left.times(-left.dot(posterior)));
        // The normal is within 50 degrees of the left: the back never lies along it.
        let back = flat.unit().unwrap_or(posterior);
        let up = left.cross(back);
        Self {
            middle: plane.foot(middle).plus(up.times(RAISED_MM)),
            axes: [left, back, up],
        }
    }

    fn axes(&self, turn: &Turn) -> Axes {
        let [left, back, up] = self.axes;
        let (sin, cos) = turn[0].sin_cos();
        let middle = self
            .middle
            .plus(back.times(turn[1]))
            .plus(up.times(turn[2]));
        let nodded = [
            left,
            back.times(cos).plus(up.times(sin)),
            up.times(cos).plus(back.times(-sin)),
        ];
        Axes::new(middle, nodded)
    }

    /// How far each point lies outside the mean vault under a turn (mm of the mean vault), and its weight, 0 to 1.
    fn residuals(&self, points: &[Point<Lps>], turn: &Turn) -> Vec<(f64, f64)> {
        let axes = self.axes(turn);
        let scale = [3, 4, 5].map(|n| (-turn[n]).exp());
        let one = |&at: &Point<Lps>| {
            let own = axes.locate(at).0;
            let own = [0, 1, 2].map(|a| own[a] * scale[a]);
            let [x, y, z] = own;
            let elevation = z.atan2(x.hypot(y)).to_degrees();
            let weight = ((elevation - floor_deg(own)) / RAMP_DEG).clamp(0.0, 1.0);
            let length = (x * x + y * y + z * z).sqrt();
            (length - radius_mm(own), weight)
        };
        points.iter().map(one).collect()
    }

    /// The turn that fits best from a start on, and how well (mm2); `None` when the points do not hold it.
    fn fit(&self, points: &[Point<Lps>], start: Turn) -> Option<(f64, Turn)> {
        let mut turn = start;
        for limit in LIMITS_MM {
            for _ in 0..STEPS {
                let step = self.step(points, &turn, limit)?;
                for n in 0..turn.len() {
                    // A step of more than the spread is out of the straight part.
                    turn[n] += step[n].clamp(-SPREAD[n], SPREAD[n]);
                }
                if (0..turn.len()).all(|n| step[n].abs() < 0.1 * DELTA[n]) {
                    break;
                }
            }
        }
        let limit2 = LIMITS_MM[1] * LIMITS_MM[1];
        let (mut sum, mut all) = (0.0, 0.0);
        for (mm, weight) in self.residuals(points, &turn) {
            sum += weight * limit2 * (1.0 + mm * mm / limit2).ln();
            all += weight;
        }
        let held: f64 = (0..turn.len()).map(|n| (turn[n] / SPREAD[n]).powi(2)).sum();
        let cost = sum / all + held * RESIDUAL_MM * RESIDUAL_MM / INDEPENDENT;
        cost.is_finite().then_some((cost, turn))
    }

    /// One step of Gauss and Newton with the weights of the present residuals.
    fn step(&self, points: &[Point<Lps>], turn: &Turn, limit: f64) -> Option<Turn> {
        let here = self.residuals(points, turn);
        let moved = [0, 1, 2, 3, 4, 5].map(|n| {
            let mut next = *turn;
            next[n] += DELTA[n];
            self.residuals(points, &next)
        });
        let mut normal = [[0.0f64; 7]; 6];
        let mut all = 0.0;
        for (point, &(mm, counts)) in here.iter().enumerate() {
            let weight = counts / (1.0 + (mm / limit).powi(2));
            all += counts;
            let slope = [0, 1, 2, 3, 4, 5].map(|n| (moved[n][point].0 - mm) / DELTA[n]);
            for r in 0..6 {
                for c in 0..6 {
                    normal[r][c] += weight * slope[r] * slope[c];
                }
                normal[r][6] -= weight * slope[r] * mm;
            }
        }
        for n in 0..6 {
            let hold = all * RESIDUAL_MM * RESIDUAL_MM / INDEPENDENT / (SPREAD[n] * SPREAD[n]);
            normal[n][n] += hold;
            normal[n][6] -= hold * turn[n];
        }
        solved(normal)
    }
}

/// Six equations of a positive matrix, by elimination; `None` when it is none.
fn solved(mut m: [[f64; 7]; 6]) -> Option<Turn> {
    for c in 0..6 {
        if m[c][c].is_nan() || m[c][c] < 1e-12 {
            return None;
        }
        for r in c + 1..6 {
            let factor = m[r][c] / m[c][c];
            for k in c..7 {
                m[r][k] -= factor * m[c][k];
            }
        }
    }
    let mut x = [0.0; 6];
    for r in (0..6).rev() {
        let rest: f64 = (r + 1..6).map(|k| m[r][k] * x[k]).sum();
        x[r] = (m[r][6] - rest) / m[r][r];
    }
    Some(x)
}
