//! Coarse: patches of columns that move as rigid bodies.
//!
//! What columns by themselves can not settle is the bending of the whole part: slow, smooth, and nearly a rigid motion of
//! each small patch. Six motions a patch, smoothed once by the columns' own equations so that neighbours meet without a
//! step, are a small dense system of their own (smoothed aggregation, Vanek, Mandel and Brezina 1996).

use super::columns::{AROUND, NONE};
use super::system::{ColumnWise, LOADS, System};
use crate::space::Vector;
use rayon::prelude::*;

/// Motions of a patch: three shifts, three turns.
const MOTIONS: usize = 6;
/// Patches at most: their dense system costs the cube of it.
const PATCHES_MOST: usize = 130;
/// Of what the columns answer, the share that smoothing takes.
const SMOOTHED: f64 = 0.6;

/// Motions of one patch at one column: three numbers a node, six motions each.
type Piece = (u32, Vec<f64>);

/// The coarse system.
pub(super) struct Coarse {
    /// By column: the patches that move it.
    pieces: Vec<Vec<Piece>>,
    /// By patch: the columns that it moves, and which of their pieces it is.
    moved: Vec<Vec<(u32, u32)>>,
    /// Lower triangle of Cholesky's factor, row by row.
    factor: Vec<Vec<f64>>,
}

/// Patch of each column, and how many there are.
fn patches(system: &System) -> (Vec<u32>, usize) {
    let columns = &system.columns.columns;
    let mut width = 2;
    loop {
        let mut known = std::collections::BTreeMap::new();
        let key = |c: &super::columns::Column| c.lattice.map(|x| x / width);
        for column in columns {
            known.entry(key(column)).or_insert(0u32);
        }
        if known.len() <= PATCHES_MOST {
            for (n, id) in known.values_mut().enumerate() {
                *id = n as u32;
            }
            let of = columns.iter().map(|c| known[&key(c)]).collect();
            return (of, known.len());
        }
        width += 1;
    }
}

impl Coarse {
    /// `None` where what comes out is no number.
    pub(super) fn new(system: &System, columns: &ColumnWise) -> Option<Self> {
        let (patch, count) = patches(system);
        let rigid = rigid(system, &patch, count);
        let high = system.columns.high();
        let long = high * 3 * MOTIONS;
        let around = &system.columns.columns;
        // P = (1 - w D^-1 K) P0
        let pieces: Vec<Vec<Piece>> = (0..around.len())
            .into_par_iter()
            .map(|column| {
                let mut sums = met(system, column, long, |there| {
                    std::iter::once((patch[there], &rigid[there][..]))
                });
                for (id, sum) in &mut sums {
                    columns.solve(column, sum, MOTIONS);
                    sum.iter_mut().for_each(|v| *v *= -SMOOTHED);
                    if *id == patch[column] {
                        (sum.iter_mut().zip(&rigid[column])).for_each(|(v, r)| *v += r);
                    }
                }
                sums
            })
            .collect();
        let mut moved = vec![Vec::new(); count];
        for (column, own) in pieces.iter().enumerate() {
            for (n, (id, _)) in own.iter().enumerate() {
                moved[*id as usize].push((column as u32, n as u32));
            }
        }
        // K P, then P' K P row block by row block, always summed in the same order.
        let stiff: Vec<Vec<Piece>> = (0..around.len())
            .into_par_iter()
            .map(|column| {
                met(system, column, long, |there| {
                    pieces[there].iter().map(|(id, p)| (*id, &p[..]))
                })
            })
            .collect();
        let rows: Vec<Vec<Vec<f64>>> = (0..count)
            .into_par_iter()
            .map(|id| {
                let mut rows = vec![vec![0.0; MOTIONS * count]; MOTIONS];
                for &(column, n) in &moved[id] {
                    let own = &pieces[column as usize][n as usize].1;
                    for (other, there) in &stiff[column as usize] {
                        let at = *other as usize * MOTIONS;
                        for (p, k) in own.chunks_exact(MOTIONS).zip(there.chunks_exact(MOTIONS)) {
                            for (row, &p) in rows.iter_mut().zip(p) {
                                for (to, &k) in row[at..at + MOTIONS].iter_mut().zip(k) {
                                    *to += p * k;
                                }
                            }
                        }
                    }
                }
                rows
            })
            .collect();
        let factor = cholesky(rows.into_iter().flatten().collect())?;
        Some(Self {
            pieces,
            moved,
            factor,
        })
    }

    /// `z += P (P' K P)^-1 P' r`.
    pub(super) fn add(&self, r: &[f64], z: &mut [f64]) {
        let long = r.len() / self.pieces.len();
        let mut small: Vec<[f64; LOADS]> = self
            .moved
            .par_iter()
            .flat_map_iter(|moved| {
                let mut sums = [[0.0; LOADS]; MOTIONS];
                for &(column, n) in moved {
                    let own = &self.pieces[column as usize][n as usize].1;
                    let r = &r[column as usize * long..][..long];
                    for (p, r) in own.chunks_exact(MOTIONS).zip(r.chunks_exact(LOADS)) {
                        for (sum, &p) in sums.iter_mut().zip(p) {
                            for (sum, &r) in sum.iter_mut().zip(r) {
                                *sum += p * r;
                            }
                        }
                    }
                }
                sums
            })
            .collect();
        substitute(&self.factor, &mut small);
        z.par_chunks_mut(long)
            .zip(&self.pieces)
            .for_each(|(z, pieces)| {
                for (id, p) in pieces {
                    let small = &small[*id as usize * MOTIONS..][..MOTIONS];
                    for (p, z) in p.chunks_exact(MOTIONS).zip(z.chunks_exact_mut(LOADS)) {
                        for (small, &p) in small.iter().zip(p) {
                            for (z, &small) in z.iter_mut().zip(small) {
                                *z += p * small;
                            }
                        }
                    }
                }
            });
    }
}

/// `K` times what moves the columns around one, patch by patch.
fn met<'p, I: Iterator<Item = (u32, &'p [f64])>>(
    system: &System,
    column: usize,
    long: usize,
    of: impl Fn(usize) -> I,
) -> Vec<Piece> {
    let mut sums: Vec<Piece> = Vec::new();
    for slot in 0..AROUND {
        let there = system.columns.columns[column].around[slot];
        if there == NONE {
            continue;
        }
        for (id, p) in of(there as usize) {
            let at = match sums.iter().position(|s| s.0 == id) {
                Some(at) => at,
                None => {
                    sums.push((id, vec![0.0; long]));
                    sums.len() - 1
                }
            };
            system.column_times(column, slot, p, MOTIONS, &mut sums[at].1);
        }
    }
    sums
}

/// Rigid motions of each column's own patch about its middle; held nodes do not move.
fn rigid(system: &System, patch: &[u32], count: usize) -> Vec<Vec<f64>> {
    let columns = system.columns;
    let high = columns.high();
    let mut middles = vec![([0.0; 3], 0.0); count];
    for (column, &id) in patch.iter().enumerate() {
        let (sum, n) = &mut middles[id as usize];
        let p = columns.node(column, high / 2).0;
        *sum = [0, 1, 2].map(|a| sum[a] + p[a]);
        *n += 1.0;
    }
    // Turns of a patch's own size, so that shifts and turns weigh alike.
    let size = 4.0 * columns.step_mm;
    (0..patch.len())
        .map(|column| {
            let (sum, n) = middles[patch[column] as usize];
            let mut motions = vec![0.0; high * 3 * MOTIONS];
            for k in 0..high {
                if system.held[column * high + k] {
                    continue;
                }
                let p = columns.node(column, k).0;
                let arm =
                    Vector::<crate::space::Lps>::new([0, 1, 2].map(|a| (p[a] - sum[a] / n) / size));
                for axis in 0..3 {
                    let mut unit = [0.0; 3];
                    unit[axis] = 1.0;
                    let turn = Vector::new(unit).cross(arm);
                    for a in 0..3 {
                        motions[(3 * k + a) * MOTIONS + axis] = unit[a];
                        motions[(3 * k + a) * MOTIONS + 3 + axis] = turn.0[a];
                    }
                }
            }
            motions
        })
        .collect()
}

/// Of a motion's own stiffness, what is left of one that the motions before it make up: rounding.
const SAME: f64 = 1e-10;

/// Lower factor of a symmetric matrix given by its rows; `None` when it holds what is no number. A motion that others
/// make up (a turn of one column about itself) or that moves nothing (of a patch that is held) has an infinite pivot,
/// which answers 0.
fn cholesky(mut rows: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    let n = rows.len();
    let own: Vec<f64> = (0..n).map(|i| rows[i][i]).collect();
    rows.iter_mut()
        .enumerate()
        .for_each(|(i, row)| row.truncate(i + 1));
    for k in 0..n {
        let pivot = rows[k][k];
        if !pivot.is_finite() {
            return None;
        }
        let pivot = if pivot > own[k] * SAME {
            pivot.sqrt()
        } else {
            f64::INFINITY
        };
        rows[k][k] = pivot;
        let rest = &mut rows[k + 1..];
        rest.iter_mut().for_each(|row| row[k] /= pivot);
        let column: Vec<f64> = rest.iter().map(|row| row[k]).collect();
        rest.par_iter_mut()
            .with_min_len(64)
            .enumerate()
            .for_each(|(i, row)| {
                let f = column[i];
                for (to, c) in row[k + 1..].iter_mut().zip(&column) {
                    *to -= f * c;
                }
            });
    }
    Some(rows)
}

/// Solves with Cholesky's factor, in place.
fn substitute(factor: &[Vec<f64>], x: &mut [[f64; LOADS]]) {
    for (i, row) in factor.iter().enumerate() {
        let (done, own) = x.split_at_mut(i);
        for (f, done) in row.iter().zip(done.iter()) {
            for (to, d) in own[0].iter_mut().zip(done) {
                *to -= f * d;
            }
        }
        own[0].iter_mut().for_each(|v| *v /= row[i]);
    }
    for (i, row) in factor.iter().enumerate().rev() {
        let (before, own) = x.split_at_mut(i);
        own[0].iter_mut().for_each(|v| *v /= row[i]);
        for (f, to) in row.iter().zip(before) {
            for (to, v) in to.iter_mut().zip(&own[0]) {
                *to -= f * v;
            }
        }
    }
}
