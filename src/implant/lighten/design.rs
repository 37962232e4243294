//! Design: where the part can do without material.
//!
//! Minimal mass under the condition that no pressed place gives way more than so many times what it does in the solid
//! part. Densities are variables of bricks or of whole columns; what a density is worth in stiffness is the law of the cell
//! that is printed ([`Law`]), so a grey density is one that can be made. Optimality criteria (Bendsoe and Sigmund 2003,
//! 1.2) with a linear filter of densities; the worst place counts most (a p-norm over the places).

use super::brick::Brick;
use super::columns::{Columns, Place};
use super::solve::{Solved, solve};
use super::system::{Field, LOADS, System};
use rayon::prelude::*;

/// Stiffness of a cell by its share of material: `E / E0 = share ^ power`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Law {
    pub(super) power: f64,
    /// No cell is thinner.
    pub(super) least: f64,
}

impl Law {
    pub(super) fn modulus(self, share: f64) -> f64 {
        share.powf(self.power)
    }

    pub(super) fn slope(self, share: f64) -> f64 {
        self.power * share.powf(self.power - 1.0)
    }
}

/// What may be made less dense together: one brick, or all of a column.
pub(super) type Variable = Vec<usize>;

/// What is asked.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) columns: &'a Columns,
    pub(super) bricks: &'a [Brick],
    pub(super) held: &'a [bool],
    /// Forces of the places.
    pub(super) forces: &'a [f64],
    /// How many places there are.
    pub(super) places: usize,
    pub(super) variables: &'a [Variable],
    pub(super) law: Law,
    /// No place's force does more work, N mm for a modulus of 1 MPa.
    pub(super) limit: f64,
    /// Lighter than this share of the solid part's mass it need not be.
    pub(super) lighter: f64,
}

/// Densities, and what they cost.
pub(super) struct Designed {
    /// Share of material by brick, 1 where nothing may be taken.
    pub(super) shares: Vec<f64>,
    /// Displacements, N and mm for a modulus of 1 MPa.
    pub(super) light: Field,
    /// Rounds that it took.
    pub(super) rounds: usize,
    /// Largest share of a load that is left unbalanced.
    pub(super) left: f64,
}

/// Rounds at most.
const ROUNDS: usize = 40;
/// A density changes so much a round at most.
const MOVE: f64 = 0.15;
/// Mass changes so much a round at most, as a share of the solid part's.
const MASS_MOVE: f64 = 0.03;
/// Densities are the mean of those within this distance, mm: nothing is finer than it prints.
const FILTER_MM: f64 = 4.0;
/// How much the worst place counts more than the next.
const NORM: f64 = 8.0;
/// Loads are balanced so far while densities change, and at the end.
const ROUGH: f64 = 3e-3;
const SURE: f64 = 1e-5;
/// How much of the room that is left the mass takes in a round: a part that is nearly at its limit gives way about seven
/// times as fast as it grows lighter.
const GAIN: f64 = 0.15;
/// It is done when the worst place is so near its limit and the mass does not fall any more.
const CLOSE: f64 = 0.01;

/// Each variable's neighbours with their weights, which sum to 1.
fn filter(task: &Task) -> Vec<Vec<(u32, f64)>> {
    let (columns, high) = (task.columns, task.columns.layers);
    let middle = |v: &Variable| {
        let place: Place = columns.place(v[v.len() / 2]);
        columns.middle(place)
    };
    let middles: Vec<_> = task.variables.iter().map(middle).collect();
    // Variables by lattice square, so that each looks at its own surroundings only.
    let key = |v: &Variable| {
        let corner = columns.cells[v[0] / high].corners[0] as usize;
        let [x, y] = columns.columns[corner].lattice;
        (x as i32, y as i32)
    };
    let mut squares = std::collections::HashMap::<(i32, i32), Vec<u32>>::new();
    for (n, v) in task.variables.iter().enumerate() {
        squares.entry(key(v)).or_default().push(n as u32);
    }
    let reach = (FILTER_MM / columns.step_mm).ceil() as i32 + 1;
    (task.variables.par_iter().zip(&middles))
        .map(|(v, own)| {
            let (x, y) = key(v);
            let mut near = Vec::new();
            for b in -reach..=reach {
                for a in -reach..=reach {
                    for &n in squares.get(&(x + a, y + b)).into_iter().flatten() {
                        let far = middles[n as usize].minus(*own).length();
                        if far < FILTER_MM {
                            near.push((n, FILTER_MM - far));
                        }
                    }
                }
            }
            let sum: f64 = near.iter().map(|n| n.1).sum();
            near.iter_mut().for_each(|n| n.1 /= sum);
            near
        })
        .collect()
}

/// Work of each place's force: how far it gives way, times the force.
pub(super) fn works(forces: &[f64], u: &[f64]) -> [f64; LOADS] {
    let mut sum = [0.0; LOADS];
    for (f, u) in forces.chunks_exact(LOADS).zip(u.chunks_exact(LOADS)) {
        for load in 0..LOADS {
            sum[load] += f[load] * u[load];
        }
    }
    sum
}

impl Task<'_> {
    fn moduli(&self, shares: &[f64]) -> Vec<f64> {
        shares.iter().map(|&s| self.law.modulus(s)).collect()
    }

    /// Displacements for given shares, starting from `u`.
    pub(super) fn displaced(
        &self,
        shares: &[f64],
        u: &mut Field,
        tolerance: f64,
    ) -> Option<Solved> {
        let system = System::new(self.columns, self.bricks, &self.moduli(shares), self.held);
        solve(&system, self.forces, u, tolerance)
    }

    fn shares(&self, densities: &[f64], near: &[Vec<(u32, f64)>]) -> (Vec<f64>, Vec<f64>) {
        let filtered: Vec<f64> = (near.par_iter())
            .map(|near| {
                let mean: f64 = near.iter().map(|&(n, w)| w * densities[n as usize]).sum();
                mean.clamp(self.law.least, 1.0)
            })
            .collect();
        let mut shares = vec![1.0; self.bricks.len()];
        for (variable, &share) in self.variables.iter().zip(&filtered) {
            for &brick in variable {
                shares[brick] = share;
            }
        }
        (shares, filtered)
    }

    /// Takes away what the part can do without. `None` where the equations have no answer.
    pub(super) fn run(&self) -> Option<Designed> {
        let near = filter(self);
        let volume: Vec<f64> = self.bricks.iter().map(|b| b.volume).collect();
        let whole: f64 = volume.iter().sum();
        let own: Vec<f64> = (self.variables.iter())
            .map(|v| v.iter().map(|&b| volume[b]).sum())
            .collect();
        // What a variable's density changes in mass: through the filter, that of its neighbours.
        let spread = |of: &[f64]| {
            let mut to = vec![0.0; of.len()];
            for (near, of) in near.iter().zip(of) {
                for &(n, w) in near {
                    to[n as usize] += w * of;
                }
            }
            to
        };
        let weights = spread(&own);
        let variable: f64 = own.iter().sum();
        let fixed = whole - variable;
        let lightest = (fixed + variable * self.law.least).max(whole * (1.0 - self.lighter));

        let mut densities = vec![1.0; self.variables.len()];
        let mut u = vec![0.0; self.forces.len()];
        self.displaced(&vec![1.0; self.bricks.len()], &mut u, SURE)?;
        let limit = self.limit;
        let mut mass = whole;
        let mut rounds = 0;
        let mut shares = vec![1.0; self.bricks.len()];
        while rounds < ROUNDS && !self.variables.is_empty() {
            let work = works(self.forces, &u);
            let worst = work.into_iter().fold(0.0, f64::max);
            // The mass follows the room that is left.
            let room = limit / worst - 1.0;
            let change = (GAIN * room).clamp(-MASS_MOVE, MASS_MOVE) * whole;
            let goal = (mass - change).clamp(lightest, whole);
            let settled = (goal - mass).abs() < GAIN * CLOSE * whole;
            if settled && room > -CLOSE && rounds > 0 {
                break;
            }
            mass = goal;
            rounds += 1;
            let counts: [f64; LOADS] =
                std::array::from_fn(|load| (work[load] / worst).powf(NORM - 1.0));
            // What a brick's stiffness is worth.
            let worth: Vec<f64> = (0..self.variables.len())
                .into_par_iter()
                .map(|n| {
                    let v = &self.variables[n];
                    let sum: f64 = v.iter().map(|&brick| self.worth(brick, &u, &counts)).sum();
                    sum * self.law.slope(shares[v[0]])
                })
                .collect();
            let worth = spread(&worth);
            densities = step(
                &densities,
                &worth,
                &weights,
                self.law.least,
                goal - fixed,
                |d| {
                    let (_, filtered) = self.shares(d, &near);
                    filtered.iter().zip(&own).map(|(d, v)| d * v).sum()
                },
            );
            (shares, _) = self.shares(&densities, &near);
            let last = self.displaced(&shares, &mut u, ROUGH)?;
            let mass_now: f64 = shares.iter().zip(&volume).map(|(s, v)| s * v).sum();
            tracing::debug!(
                rounds,
                ?last,
                worst = worst / limit,
                mass = mass_now / whole,
                "lightened"
            );
        }
        let last = self.displaced(&shares, &mut u, SURE)?;
        Some(Designed {
            shares,
            light: u,
            rounds,
            left: last.left,
        })
    }

    /// A brick's work under all places, for a modulus of 1.
    fn worth(&self, brick: usize, u: &[f64], counts: &[f64; LOADS]) -> f64 {
        let place = self.columns.place(brick);
        (0..self.places.min(LOADS))
            .filter(|&load| counts[load] > 1e-6)
            .map(|load| {
                let own = self.columns.gather(place, u, LOADS, load);
                counts[load] * self.bricks[brick].work(&own)
            })
            .sum()
    }
}

/// Densities by optimality: each is raised where it is worth more than its mass at the common price, until the mass is
/// the wanted one.
fn step(
    densities: &[f64],
    worth: &[f64],
    weights: &[f64],
    least: f64,
    goal: f64,
    mass: impl Fn(&[f64]) -> f64,
) -> Vec<f64> {
    let ratio: Vec<f64> = worth
        .iter()
        .zip(weights)
        .map(|(w, m)| (w / m).max(0.0))
        .collect();
    let at = |price: f64| -> Vec<f64> {
        (densities.iter().zip(&ratio))
            .map(|(&d, r)| {
                let wanted = d * (r / price).sqrt();
                wanted.clamp((d - MOVE).max(least), (d + MOVE).min(1.0))
            })
            .collect()
    };
    let high = ratio.iter().copied().fold(0.0, f64::max);
    let (mut low, mut high) = (high * 1e-12, high * 1e3 + f64::MIN_POSITIVE);
    for _ in 0..60 {
        let price = (low * high).sqrt();
        if mass(&at(price)) > goal {
            low = price;
        } else {
            high = price;
        }
        if high / low < 1.0 + 1e-6 {
            break;
        }
    }
    at(high)
}
