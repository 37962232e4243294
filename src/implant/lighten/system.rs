//! System: the equations of all bricks, and what solves them for several loads at once.
//!
//! A node meets the nodes of the nine columns around it, one layer up and down. Loads lie side by side for each
//! displacement, so that one pass over the matrix serves them all.

use super::brick::{Brick, ROWS, inverse, packed};
use super::columns::{AROUND, Columns, NONE};
use rayon::prelude::*;

/// Loads that are solved at once.
pub(super) const LOADS: usize = 12;
/// Layers that a node meets: below, its own, above.
const UP: usize = 3;

type Block = [[f64; 3]; 3];
const ZERO: Block = [[0.0; 3]; 3];

/// Stiffness of the whole, assembled.
pub(super) struct System<'a> {
    pub(super) columns: &'a Columns,
    /// Nodes that are held in place.
    pub(super) held: &'a [bool],
    /// By column, column around, layer, layer met.
    blocks: Vec<Block>,
}

/// Displacements or forces of all nodes under [`LOADS`] loads: node by node, axis by axis, loads side by side.
pub(super) type Field = Vec<f64>;

impl<'a> System<'a> {
    /// Assembles bricks of the given moduli. Held nodes keep a stiffness of their own and meet nobody.
    pub(super) fn new(
        columns: &'a Columns,
        bricks: &[Brick],
        moduli: &[f64],
        held: &'a [bool],
    ) -> Self {
        let high = columns.high();
        let count = columns.columns.len();
        let stride = AROUND * high * UP;
        let mut blocks = vec![ZERO; count * stride];
        // A column's cells: where its own corner lies in each.
        let mut cells_of = vec![[NONE; 4]; count];
        for (cell, c) in columns.cells.iter().enumerate() {
            for (n, &corner) in c.corners.iter().enumerate() {
                cells_of[corner as usize][n] = cell as u32;
            }
        }
        blocks
            .par_chunks_mut(stride)
            .zip(&cells_of)
            .enumerate()
            .for_each(|(column, (blocks, cells))| {
                for (own, &cell) in cells.iter().enumerate().filter(|(_, c)| **c != NONE) {
                    let cell = cell as usize;
                    for layer in 0..columns.layers {
                        let n = cell * columns.layers + layer;
                        let (k, e) = (&bricks[n].stiffness, moduli[n]);
                        let corners = columns.corners((cell, layer));
                        for up in 0..2 {
                            let row = own + 4 * up;
                            let high_row = layer + up;
                            if held[column * high + high_row] {
                                continue;
                            }
                            for (other, &(c, h)) in corners.iter().enumerate() {
                                if held[c * high + h] {
                                    continue;
                                }
                                // From the own corner to the other one, in columns.
                                let du = (other % 4 % 2) as i32 - (own % 2) as i32 + 1;
                                let dv = (other % 4 / 2) as i32 - (own / 2) as i32 + 1;
                                let slot = (dv * 3 + du) as usize;
                                let met = h + 1 - high_row;
                                let block = &mut blocks[(slot * high + high_row) * UP + met];
                                for (a, line) in block.iter_mut().enumerate() {
                                    for (b, to) in line.iter_mut().enumerate() {
                                        *to += e * k[packed(3 * row + a, 3 * other + b)];
                                    }
                                }
                            }
                        }
                    }
                }
                for k in 0..high {
                    if held[column * high + k] {
                        let block = &mut blocks[(4 * high + k) * UP + 1];
                        *block = ZERO;
                        for (a, line) in block.iter_mut().enumerate() {
                            line[a] = 1.0;
                        }
                    }
                }
            });
        Self {
            columns,
            held,
            blocks,
        }
    }

    /// Numbers of a column under all loads.
    fn long(&self) -> usize {
        self.columns.high() * 3 * LOADS
    }

    /// `to = K x`, column by column.
    pub(super) fn times(&self, x: &[f64], to: &mut [f64]) {
        let (high, long) = (self.columns.high(), self.long());
        let stride = AROUND * high * UP;
        to.par_chunks_mut(long)
            .enumerate()
            .for_each(|(column, to)| {
                to.fill(0.0);
                let blocks = &self.blocks[column * stride..][..stride];
                for (slot, &there) in self.columns.columns[column].around.iter().enumerate() {
                    if there == NONE {
                        continue;
                    }
                    let x = &x[there as usize * long..][..long];
                    for k in 0..high {
                        let row: &mut [f64; 3 * LOADS] = (&mut to[k * 3 * LOADS..][..3 * LOADS])
                            .try_into()
                            .expect("a node's numbers");
                        for met in 0..UP {
                            let Some(h) = (k + met).checked_sub(1).filter(|h| *h < high) else {
                                continue;
                            };
                            let from: &[f64; 3 * LOADS] = x[h * 3 * LOADS..][..3 * LOADS]
                                .try_into()
                                .expect("a node's numbers");
                            add(&blocks[(slot * high + k) * UP + met], from, row);
                        }
                    }
                }
            });
    }

    /// One column's share of `K` between it and the column in a slot around it, times numbers of that column: `wide`
    /// numbers a displacement.
    pub(super) fn column_times(
        &self,
        column: usize,
        slot: usize,
        x: &[f64],
        wide: usize,
        to: &mut [f64],
    ) {
        let high = self.columns.high();
        let blocks = &self.blocks[(column * AROUND + slot) * high * UP..][..high * UP];
        for k in 0..high {
            for met in 0..UP {
                let Some(h) = (k + met).checked_sub(1).filter(|h| *h < high) else {
                    continue;
                };
                let block = &blocks[k * UP + met];
                for (a, line) in block.iter().enumerate() {
                    let to = &mut to[(3 * k + a) * wide..][..wide];
                    for (b, &f) in line.iter().enumerate() {
                        let from = &x[(3 * h + b) * wide..][..wide];
                        for (to, from) in to.iter_mut().zip(from) {
                            *to += f * from;
                        }
                    }
                }
            }
        }
    }
}

/// `to += block * from` for all loads of a node.
#[inline]
fn add(block: &Block, from: &[f64; 3 * LOADS], to: &mut [f64; 3 * LOADS]) {
    for (a, line) in block.iter().enumerate() {
        for load in 0..LOADS {
            to[a * LOADS + load] += line[0] * from[load]
                + line[1] * from[LOADS + load]
                + line[2] * from[2 * LOADS + load];
        }
    }
}

/// Each column by itself, solved exactly: what is stiff through the thickness is settled there.
pub(super) struct ColumnWise {
    high: usize,
    /// Inverse of each node's block after those below it are eliminated, and the block to the node above.
    settled: Vec<(Block, Block)>,
}

fn product(a: &Block, b: &Block) -> Block {
    std::array::from_fn(|r| std::array::from_fn(|c| (0..3).map(|k| a[r][k] * b[k][c]).sum()))
}

fn turned(a: &Block) -> Block {
    std::array::from_fn(|r| std::array::from_fn(|c| a[c][r]))
}

impl ColumnWise {
    /// `None` where a column has no inverse, which is one that no brick holds.
    pub(super) fn new(system: &System) -> Option<Self> {
        let high = system.columns.high();
        let stride = AROUND * high * UP;
        let settled: Option<Vec<Vec<(Block, Block)>>> = (0..system.columns.columns.len())
            .into_par_iter()
            .map(|column| {
                let own = &system.blocks[column * stride + 4 * high * UP..][..high * UP];
                let mut done: Vec<(Block, Block)> = Vec::with_capacity(high);
                for k in 0..high {
                    let mut block = own[k * UP + 1];
                    if let Some((inverse, up)) = done.last() {
                        let less = product(&product(&turned(up), inverse), up);
                        for (line, less) in block.iter_mut().zip(less) {
                            for (to, less) in line.iter_mut().zip(less) {
                                *to -= less;
                            }
                        }
                    }
                    done.push((inverse(&block)?, own[k * UP + 2]));
                }
                Some(done)
            })
            .collect();
        Some(Self {
            high,
            settled: settled?.concat(),
        })
    }

    /// Solves one column in place: `wide` numbers a displacement.
    pub(super) fn solve(&self, column: usize, x: &mut [f64], wide: usize) {
        let settled = &self.settled[column * self.high..][..self.high];
        let node = 3 * wide;
        for k in 1..self.high {
            let (inverse, up) = &settled[k - 1];
            let down = turned(&product(inverse, up));
            let (below, rest) = x.split_at_mut(k * node);
            let below = &below[(k - 1) * node..];
            let own = &mut rest[..node];
            for (a, line) in down.iter().enumerate() {
                for (b, &f) in line.iter().enumerate() {
                    for n in 0..wide {
                        own[a * wide + n] -= f * below[b * wide + n];
                    }
                }
            }
        }
        let mut scratch = vec![0.0; node];
        for k in (0..self.high).rev() {
            let (inverse, up) = &settled[k];
            let (rest, above) = x.split_at_mut((k + 1) * node);
            let own = &mut rest[k * node..];
            if k + 1 < self.high {
                for (a, line) in up.iter().enumerate() {
                    for (b, &f) in line.iter().enumerate() {
                        for n in 0..wide {
                            own[a * wide + n] -= f * above[b * wide + n];
                        }
                    }
                }
            }
            scratch.copy_from_slice(own);
            for (a, line) in inverse.iter().enumerate() {
                for n in 0..wide {
                    own[a * wide + n] = (0..3).map(|b| line[b] * scratch[b * wide + n]).sum();
                }
            }
        }
    }

    /// Solves all columns: `z = D^-1 r`.
    pub(super) fn apply(&self, r: &[f64], z: &mut [f64]) {
        let long = self.high * 3 * LOADS;
        z.copy_from_slice(r);
        z.par_chunks_mut(long)
            .enumerate()
            .for_each(|(column, z)| self.solve(column, z, LOADS));
    }
}

/// A brick's own displacements have as many rows as its corners say.
const _: () = assert!(ROWS == 24);
