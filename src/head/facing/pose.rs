//! Pose: how a skull may lie in the atlas: one of 24 orders of axes, and a turn, a shift and a size on top of it.

use super::Found;
use crate::space::Vector;

/// A skull turned by more than this against its file's axes is one whose axes are wrong: heads lie with nods up to 30
/// degrees and some are nodded by 25 more, a wrong order of axes turns by 90 or 180.
const TURN_MOST_DEG: f64 = 57.0;
/// Rough places to start from for every order; of these the best, that many, are climbed from.
pub(super) const ROUGH_STRIDE: usize = 12;
pub(super) const STARTS: usize = 3;
/// Of the starts that are otherwise than the file says the best are climbed from; of what was climbed the best are
/// finished, of either kind.
pub(super) const CLIMBED: usize = 16;
pub(super) const FINISHED: usize = 3;
/// Rounds of steps at most.
pub(super) const ROUNDS: usize = 6;
/// How far the numbers of a pose may go.
pub(super) const REACH: [f64; 7] = [0.8, 0.4, 0.6, 150.0, 150.0, 150.0, 0.3];

/// Steps of a climb, and every how many cells are asked.
pub(super) struct Round {
    pub(super) step: [f64; 7],
    pub(super) stride: usize,
}

pub(super) const COARSE: [Round; 2] = [
    Round {
        step: [0.2, 0.2, 0.2, 12.0, 12.0, 12.0, 0.05],
        stride: 8,
    },
    Round {
        step: [0.1, 0.1, 0.1, 6.0, 6.0, 6.0, 0.03],
        stride: 4,
    },
];
pub(super) const FINE: [Round; 2] = [
    Round {
        step: [0.1, 0.1, 0.1, 6.0, 6.0, 6.0, 0.03],
        stride: 2,
    },
    Round {
        step: [0.05, 0.05, 0.05, 3.0, 3.0, 3.0, 0.015],
        stride: 1,
    },
];

/// Places to start a climb from: shifts, nods, and the sizes of an adult and of a child.
pub(super) fn start_poses() -> impl Iterator<Item = Pose> {
    const UP_MM: [f64; 7] = [-60.0, -40.0, -20.0, 0.0, 20.0, 40.0, 60.0];
    const BACK_MM: [f64; 3] = [-30.0, 0.0, 30.0];
    const LEFT_MM: [f64; 2] = [-15.0, 15.0];
    const NOD: [f64; 3] = [-0.4, 0.0, 0.4];
    const SIZE: [f64; 2] = [0.0, 0.17];
    UP_MM.into_iter().flat_map(|up| {
        BACK_MM.into_iter().flat_map(move |back| {
            LEFT_MM.into_iter().flat_map(move |left| {
                NOD.into_iter().flat_map(move |nod| {
                    SIZE.into_iter().map(move |size| Pose {
                        numbers: [nod, 0.0, 0.0, left, back, up, size],
                    })
                })
            })
        })
    })
}

/// Turn (radians about left, back, up), shift (mm to the left, back, up), logarithm of the size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pose {
    pub(super) numbers: [f64; 7],
}

impl Pose {
    /// What heads vary by, from which on a pose costs.
    const SPREAD: [f64; 7] = [0.35, 0.2, 0.25, f64::MAX, f64::MAX, f64::MAX, 0.08];
    const COST: f64 = 0.002;

    pub(super) fn cost(&self) -> f64 {
        let squares = (0..7).map(|n| (self.numbers[n] / Self::SPREAD[n]).powi(2));
        Self::COST * squares.sum::<f64>()
    }

    /// Nod, then roll, then yaw.
    pub(super) fn turn(&self) -> [[f64; 3]; 3] {
        let [[na, nb], [ra, rb], [ya, yb]] = [0, 1, 2].map(|n| {
            let (sin, cos) = self.numbers[n].sin_cos();
            [sin, cos]
        });
        let nod = [[1.0, 0.0, 0.0], [0.0, nb, -na], [0.0, na, nb]];
        let roll = [[rb, 0.0, ra], [0.0, 1.0, 0.0], [-ra, 0.0, rb]];
        let yaw = [[yb, -ya, 0.0], [ya, yb, 0.0], [0.0, 0.0, 1.0]];
        product(&product(&nod, &roll), &yaw)
    }

    pub(super) fn is_far_from(&self, other: &Self) -> bool {
        let off = |n: usize| (self.numbers[n] - other.numbers[n]).abs();
        (3..6).any(|n| off(n) > 25.0) || off(0) > 0.3
    }
}

/// An order of axes that was tried, and how well it fits.
#[derive(Clone, Copy)]
pub(super) struct Tried {
    pub(super) order: [[f64; 3]; 3],
    pub(super) pose: Pose,
    pub(super) score: f64,
}

impl Tried {
    /// Rows: where the head's left, back and up lie in the file's axes.
    fn rows(&self) -> [[f64; 3]; 3] {
        product(&self.pose.turn(), &self.order)
    }

    pub(super) fn is_as_said(&self) -> bool {
        let rows = self.rows();
        let trace = rows[0][0] + rows[1][1] + rows[2][2];
        let angle = ((trace - 1.0) / 2.0).clamp(-1.0, 1.0).acos();
        angle.to_degrees() <= TURN_MOST_DEG
    }

    pub(super) fn found(&self, better: f64) -> Found {
        let [_, back, up] = self.rows();
        Found {
            front: Vector::new(back.map(|x| -x)),
            up: Vector::new(up),
            better,
        }
    }
}

/// The `most` best, best first; equal ones stay in their order.
pub(super) fn best_of(mut tried: Vec<Tried>, most: usize) -> Vec<Tried> {
    tried.sort_by(|a, b| b.score.total_cmp(&a.score));
    tried.truncate(most);
    tried
}

/// The 24 rotations that take axes to axes.
pub(super) fn orders() -> Vec<[[f64; 3]; 3]> {
    let mut all = Vec::with_capacity(24);
    for (order, even) in [
        ([0, 1, 2], true),
        ([1, 2, 0], true),
        ([2, 0, 1], true),
        ([0, 2, 1], false),
        ([2, 1, 0], false),
        ([1, 0, 2], false),
    ] {
        for signs in 0..8u32 {
            // Of each mirrored pair the one that is a rotation.
            if (signs.count_ones() % 2 == 0) == even {
                let mut rows = [[0.0; 3]; 3];
                for a in 0..3 {
                    rows[a][order[a]] = if signs >> a & 1 == 1 { -1.0 } else { 1.0 };
                }
                all.push(rows);
            }
        }
    }
    all
}

pub(super) fn product(a: &[[f64; 3]; 3], b: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    [0, 1, 2].map(|r| [0, 1, 2].map(|c| (0..3).map(|k| a[r][k] * b[k][c]).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Lps;

    #[test]
    fn the_orders_are_all_rotations_of_axes_onto_axes() {
        let all = orders();
        assert_eq!(all.len(), 24);
        for (n, rows) in all.iter().enumerate() {
            let [a, b, c] = rows.map(Vector::<Lps>::new);
            assert!((a.dot(b.cross(c)) - 1.0).abs() < 1e-12, "{rows:?}");
            assert!(all[..n].iter().all(|other| other != rows), "{rows:?}");
        }
    }
}
