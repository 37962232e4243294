//! Register: the plane under which the head fits its own reflection best, and how well it is known.
//!
//! Two measures are joined. The vault's skin asks only where both sides have bone: what a hole took has no say. All
//! bone of the upper head keeps the plane where little of the vault is left, and a plane from turning what does not
//! fit off the map. A small penalty on turning decides between planes that fit alike.
//!
//! Several starts over yaw, roll and shift on a part of the points; the best distinct ones are refined on all points,
//! first with a wide limit, then with a narrow one, and the best of them wins. The limit (a truncated square) is what
//! keeps a bump, a leftover of the head holder or a sunken flap from turning the plane.

use super::body::Body;
use super::plane::{Doubt, Plane};
use super::skin::Skin;
use crate::space::{Lps, Point};
use rayon::prelude::*;

/// Turns that are tried, degrees.
const TURNS_DEG: [f64; 9] = [-24.0, -18.0, -12.0, -6.0, 0.0, 6.0, 12.0, 18.0, 24.0];
/// Shifts that are tried, mm: a hole of half a side draws the mean of what is left 16 mm off.
const SHIFTS_MM: [f64; 11] = [
    -20.0, -16.0, -12.0, -8.0, -4.0, 0.0, 4.0, 8.0, 12.0, 16.0, 20.0,
];
/// Every how many points are asked at the starts.
const COARSE: usize = 6;
/// How many starts are refined.
const REFINED: usize = 4;
/// Limits of the mismatch, mm: while searching, and at the end. 4 mm is about twice what the halves of a healthy
/// vault differ by.
const LIMITS_MM: [f64; 2] = [12.0, 4.0];
/// Bone lies everywhere: its mismatch is cut off here already while searching.
const BONE_LIMIT_MM: f64 = 6.0;
/// What a point of the skin without a partner counts, mm2: as much as one whose partner fits as well as the halves of
/// a healthy vault do. Then neither gaining nor losing partners moves the plane.
const UNPAIRED_MM2: f64 = 2.0;
/// Weight of all bone beside the vault's skin. Of 24 holes of half a vault in 8 `val` skulls a weight of 0.5 has 20
/// within 2 degrees and 1.5 mm of the whole skull's plane, 1 has 21; 2 is alike.
const BONE: f64 = 1.5;
/// A turn of this out of the scanner's axes, degrees, costs what the second is, mm2: heads lie in their scanners within
/// some degrees, and a vault has about 50 independent places.
const TURN: (f64, f64) = (10.0, 0.03);
/// Independent places of a head, by which the mismatch that is left becomes a doubt about the plane.
const INDEPENDENT: f64 = 50.0;
/// Steps of the numeric curvature, degrees and mm.
const DELTA: (f64, f64) = (1.0, 0.7);
/// What is known without any mismatch, degrees and mm.
const MOST: (f64, f64) = (10.0, 10.0);
/// Turns and shift are taken as correlated by no more than this: beyond, the curvature's noise decides.
const CORRELATED: f64 = 0.9;
/// What no registration knows better: a head is not its own mirror image, degrees and mm.
const LEAST: (f64, f64) = (0.3, 0.2);

/// Yaw and roll in radians, shift in mm.
type Turn = [f64; 3];

/// What is laid over its reflection.
pub(super) struct Scene<'a> {
    pub(super) skin: &'a Skin,
    pub(super) body: &'a Body,
    pivot: Point<Lps>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(skin: &'a Skin, body: &'a Body) -> Self {
        let pivot = skin.pivot();
        Self { skin, body, pivot }
    }

    fn cost(&self, turn: Turn, limit_mm: f64, stride: usize) -> f64 {
        let plane = Plane::turned(self.pivot, turn);
        let turned = (turn[0].powi(2) + turn[1].powi(2)) / TURN.0.to_radians().powi(2);
        let bone_limit_mm = limit_mm.min(BONE_LIMIT_MM);
        let bone = (self.body).mismatch(self.skin, &plane, bone_limit_mm, stride, UNPAIRED_MM2);
        self.skin.mismatch(&plane, limit_mm, stride, UNPAIRED_MM2) + BONE * bone + TURN.1 * turned
    }

    /// The best plane, with what is known about it; `None` when under none enough of the skin meets bone.
    pub(super) fn best(&self) -> Option<(Plane, Doubt)> {
        let (cost, turn) = (self.starts().into_par_iter())
            .map(|start| {
                let wide = self.refine(start, LIMITS_MM[0], 2);
                let turn = self.refine(wide, LIMITS_MM[1], 1);
                (self.cost(turn, LIMITS_MM[1], 1), turn)
            })
            .collect::<Vec<_>>()
            .into_iter()
            .filter(|(cost, _)| cost.is_finite())
            .min_by(|a, b| a.0.total_cmp(&b.0))?;
        Some((Plane::turned(self.pivot, turn), self.doubt(turn, cost)))
    }

    /// The best of all starts that are no neighbours of one another.
    fn starts(&self) -> Vec<Turn> {
        let mut tried: Vec<(f64, [usize; 3])> =
            (0..TURNS_DEG.len() * TURNS_DEG.len() * SHIFTS_MM.len())
                .into_par_iter()
                .map(|n| {
                    let turns = TURNS_DEG.len();
                    let at = [n % turns, n / turns % turns, n / (turns * turns)];
                    (self.cost(start(at), LIMITS_MM[0], COARSE), at)
                })
                .collect();
        tried.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut chosen: Vec<[usize; 3]> = Vec::new();
        for (_, at) in tried {
            let beside = |other: &[usize; 3]| (0..3).all(|a| at[a].abs_diff(other[a]) <= 1);
            if chosen.len() < REFINED && !chosen.iter().any(beside) {
                chosen.push(at);
            }
        }
        chosen.into_iter().map(start).collect()
    }

    /// Pattern search: one parameter at a time, steps halved until they are under 0.03 degrees and mm.
    fn refine(&self, start: Turn, limit_mm: f64, stride: usize) -> Turn {
        let value = |turn: Turn| self.cost(turn, limit_mm, stride);
        let (mut turn, mut least) = (start, value(start));
        let mut step = 3.0f64;
        while step > 0.03 {
            let mut moved = false;
            for axis in 0..3 {
                let by = if axis == 2 { step } else { step.to_radians() };
                for by in [-by, by] {
                    let mut next = turn;
                    next[axis] += by;
                    let new = value(next);
                    if new < least {
                        (turn, least, moved) = (next, new, true);
                    }
                }
            }
            if !moved {
                step *= 0.5;
            }
        }
        turn
    }

    /// The mismatch as a likelihood: `INDEPENDENT` residuals of its size. Its curvature gives the covariance of turns
    /// and shift.
    fn doubt(&self, turn: Turn, cost: f64) -> Doubt {
        let by = [DELTA.0.to_radians(), DELTA.0.to_radians(), DELTA.1];
        let at = |steps: [f64; 3]| {
            let moved = [0, 1, 2].map(|n| turn[n] + steps[n] * by[n]);
            self.cost(moved, LIMITS_MM[1], 1)
        };
        let unit = |n: usize, s: f64| {
            let mut steps = [0.0; 3];
            steps[n] = s;
            steps
        };
        let mut curve = [[0.0; 3]; 3];
        for n in 0..3 {
            curve[n][n] = at(unit(n, 1.0)) + at(unit(n, -1.0)) - 2.0 * cost;
            for m in 0..n {
                let both = |s: f64, t: f64| {
                    let mut steps = unit(n, s);
                    steps[m] = t;
                    at(steps)
                };
                let mixed = both(1.0, 1.0) + both(-1.0, -1.0) - both(1.0, -1.0) - both(-1.0, 1.0);
                curve[n][m] = mixed / 4.0;
                curve[m][n] = mixed / 4.0;
            }
        }
        // In steps of DELTA, so that the three are of one size. What the mismatch does not hold, a head's place in its
        // scanner does; a curve that is flat but for noise says no more than that.
        let unit_cost = 2.0 * cost / INDEPENDENT;
        let most = [MOST.0 / DELTA.0, MOST.0 / DELTA.0, MOST.1 / DELTA.1];
        for n in 0..3 {
            curve[n][n] = curve[n][n].max(0.0) + unit_cost / (most[n] * most[n]);
        }
        for (n, m) in [(0, 1), (0, 2), (1, 2)] {
            let limit = CORRELATED * (curve[n][n] * curve[m][m]).sqrt();
            curve[n][m] = curve[n][m].clamp(-limit, limit);
            curve[m][n] = curve[n][m];
        }
        let inverse = diagonal_of_inverse(curve);
        let [yaw, roll, shift] = [0, 1, 2].map(|n| (unit_cost * inverse[n]).min(most[n] * most[n]));
        let degrees = (yaw + roll).sqrt() * DELTA.0;
        let mm = shift.sqrt() * DELTA.1;
        Doubt {
            sd_deg: degrees.hypot(LEAST.0),
            sd_mm: mm.hypot(LEAST.1),
        }
    }
}

/// Diagonal of the inverse of a symmetric matrix; infinite where it is not positive.
fn diagonal_of_inverse(m: [[f64; 3]; 3]) -> [f64; 3] {
    let minor = |n: usize| {
        let (a, b) = ((n + 1) % 3, (n + 2) % 3);
        m[a][a] * m[b][b] - m[a][b] * m[b][a]
    };
    let determinant = m[0][0] * minor(0) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
    [0, 1, 2].map(|n| {
        if determinant > 0.0 && minor(n) > 0.0 && m[n][n] > 0.0 {
            minor(n) / determinant
        } else {
            f64::INFINITY
        }
    })
}

fn start([yaw, roll, shift]: [usize; 3]) -> Turn {
    [
        TURNS_DEG[yaw].to_radians(),
        TURNS_DEG[roll].to_radians(),
        SHIFTS_MM[shift],
    ]
}
