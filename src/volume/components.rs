//! Components: bodies of connected voxels.
//!
//! In:    `Volume<bool>`.
//! Out:   labels, the largest body, bodies that pass a test; always numbered from the largest (1) down, ties
//!        by their first voxel in memory.
//! Cost:  one pass that turns rows into runs, then union-find over runs: memory grows with the surface, not
//!        with the volume. Only [`label`] writes a label a voxel.

use super::Volume;
use crate::space::{Ijk, Point};
use rayon::prelude::*;
use std::ops::Range;

/// Which neighbours belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connectivity {
    /// The 6 neighbours that share a face.
    Face,
    /// All 26 neighbours: faces, edges and corners.
    All,
}

/// Every body numbered.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// 0 where nothing is set, else the number of the body, 1 for the largest.
    pub volume: Volume<u32>,
    /// Voxels of each body: `sizes[n]` is that of label `n + 1`. Falls from first to last.
    pub sizes: Vec<usize>,
}

impl Labels {
    /// The mask of one body, `label` from 1.
    pub fn mask(&self, label: u32) -> Volume<bool> {
        self.volume.map(|&l| l == label && label != 0)
    }
}

/// One body, as [`keep`] shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    /// Set voxels.
    pub voxels: usize,
    /// Smallest index box that holds it, one range an axis.
    pub bounds: [Range<usize>; 3],
    /// Centre of mass, in voxel index.
    pub centroid: Point<Ijk>,
    /// Whether it touches the outer layer of the grid on any side.
    pub at_edge: bool,
}

/// Numbers every body.
pub fn label(set: &Volume<bool>, connectivity: Connectivity) -> Labels {
    let bodies = Bodies::find(set, connectivity);
    let mut data = vec![0u32; set.data().len()];
    bodies.paint(&mut data, set.shape(), |body| body + 1);
    Labels {
        volume: set.with(data),
        sizes: bodies.bodies.iter().map(|b| b.voxels).collect(),
    }
}

/// The largest body, faces connected; nothing when nothing is set.
pub fn largest(set: &Volume<bool>) -> Volume<bool> {
    largest_by(set, Connectivity::Face)
}

/// The largest body under a connectivity of choice.
pub fn largest_by(set: &Volume<bool>, connectivity: Connectivity) -> Volume<bool> {
    let bodies = Bodies::find(set, connectivity);
    let mut data = vec![false; set.data().len()];
    bodies.paint(&mut data, set.shape(), |body| body == 0);
    set.with(data)
}

/// The bodies for which `test` holds.
pub fn keep(
    set: &Volume<bool>,
    connectivity: Connectivity,
    test: impl Fn(&Body) -> bool,
) -> Volume<bool> {
    let bodies = Bodies::find(set, connectivity);
    let kept: Vec<bool> = bodies.bodies.iter().map(test).collect();
    let mut data = vec![false; set.data().len()];
    bodies.paint(&mut data, set.shape(), |body| kept[body as usize]);
    set.with(data)
}

/// All bodies, the largest first, without their voxels.
pub fn bodies(set: &Volume<bool>, connectivity: Connectivity) -> Vec<Body> {
    Bodies::find(set, connectivity).bodies
}

/// A stretch of set voxels along i.
#[derive(Clone, Copy)]
struct Run {
    from: u32,
    to: u32,
}

struct Bodies {
    /// Runs row by row.
    runs: Vec<Run>,
    /// Runs of row `r` (j + nj k): `row[r]..row[r + 1]`.
    row: Vec<usize>,
    /// Body of each run, 0 for the largest body.
    body: Vec<u32>,
    bodies: Vec<Body>,
}

impl Bodies {
    fn find(set: &Volume<bool>, connectivity: Connectivity) -> Self {
        let (runs, row) = runs(set);
        let mut sets = Sets::new(runs.len());
        let [_, nj, nk] = set.shape();
        for k in 0..nk {
            for j in 0..nj {
                let here = row[j + nj * k]..row[j + nj * k + 1];
                // Rows that were visited before and may touch this one.
                let before = match connectivity {
                    Connectivity::Face => &[(-1i64, 0i64), (0, -1)][..],
                    Connectivity::All => &[(-1, 0), (-1, -1), (0, -1), (1, -1)][..],
                };
                for &(dj, dk) in before {
                    let (j, k) = (j as i64 + dj, k as i64 + dk);
                    if j < 0 || k < 0 || j >= nj as i64 {
                        continue;
                    }
                    let other = j as usize + nj * k as usize;
                    let there = row[other]..row[other + 1];
                    let reach = u32::from(connectivity == Connectivity::All);
                    join(&runs, here.clone(), there, reach, &mut sets);
                }
            }
        }
        Self::numbered(set.shape(), runs, row, sets)
    }

    /// Numbers the bodies by size.
    fn numbered(shape: [usize; 3], runs: Vec<Run>, row: Vec<usize>, mut sets: Sets) -> Self {
        let [ni, nj, nk] = shape;
        let mut number: Vec<Option<u32>> = vec![None; runs.len()];
        let mut bodies: Vec<Body> = Vec::new();
        let mut body = vec![0u32; runs.len()];
        for r in 0..nj * nk {
            let (j, k) = (r % nj, r / nj);
            for n in row[r]..row[r + 1] {
                let root = sets.root(n);
                let (from, to) = (runs[n].from as usize, runs[n].to as usize);
                let at = *number[root].get_or_insert_with(|| {
                    bodies.push(Body {
                        voxels: 0,
                        bounds: [from..to, j..j + 1, k..k + 1],
                        centroid: Point::new([0.0; 3]),
                        at_edge: false,
                    });
                    (bodies.len() - 1) as u32
                });
                body[n] = at;
                let one = &mut bodies[at as usize];
                let length = to - from;
                one.voxels += length;
                // Sums for now, divided below.
                let middle = [(from + to - 1) as f64 / 2.0, j as f64, k as f64];
                for (sum, x) in one.centroid.0.iter_mut().zip(middle) {
                    *sum += x * length as f64;
                }
                for (range, new) in one.bounds.iter_mut().zip([from..to, j..j + 1, k..k + 1]) {
                    *range = range.start.min(new.start)..range.end.max(new.end);
                }
            }
        }
        for one in &mut bodies {
            one.centroid = Point::new(one.centroid.0.map(|sum| sum / one.voxels as f64));
            one.at_edge = (one.bounds.iter().zip([ni, nj, nk]))
                .any(|(range, n)| range.start == 0 || range.end == n);
        }
        // Stable: ties keep the order of their first voxels.
        let mut order: Vec<u32> = (0..bodies.len() as u32).collect();
        order.sort_by_key(|&b| std::cmp::Reverse(bodies[b as usize].voxels));
        let mut rank = vec![0u32; bodies.len()];
        for (r, &b) in order.iter().enumerate() {
            rank[b as usize] = r as u32;
        }
        for b in &mut body {
            *b = rank[*b as usize];
        }
        let bodies = (order.iter())
            .map(|&b| bodies[b as usize].clone())
            .collect();
        Self {
            runs,
            row,
            body,
            bodies,
        }
    }

    /// Writes `value(body)` into all voxels of each body.
    fn paint<T: Copy>(&self, data: &mut [T], shape: [usize; 3], value: impl Fn(u32) -> T) {
        let ni = shape[0];
        for r in 0..self.row.len() - 1 {
            for n in self.row[r]..self.row[r + 1] {
                let (from, to) = (self.runs[n].from as usize, self.runs[n].to as usize);
                data[r * ni + from..r * ni + to].fill(value(self.body[n]));
            }
        }
    }
}

/// All runs, row by row, and where each row's begin.
fn runs(set: &Volume<bool>) -> (Vec<Run>, Vec<usize>) {
    let [ni, nj, nk] = set.shape();
    if set.data().is_empty() {
        return (Vec::new(), vec![0; nj * nk + 1]);
    }
    let slabs: Vec<(Vec<Run>, Vec<usize>)> = set
        .data()
        .par_chunks(ni * nj)
        .map(|slab| {
            let (mut runs, mut counts) = (Vec::new(), Vec::with_capacity(nj));
            for row in slab.chunks(ni) {
                let before = runs.len();
                let mut i = 0;
                while let Some(skip) = row[i..].iter().position(|&v| v) {
                    let from = i + skip;
                    let length = row[from..].iter().position(|&v| !v);
                    i = length.map_or(ni, |l| from + l);
                    runs.push(Run {
                        from: from as u32,
                        to: i as u32,
                    });
                }
                counts.push(runs.len() - before);
            }
            (runs, counts)
        })
        .collect();
    let mut all = Vec::with_capacity(slabs.iter().map(|s| s.0.len()).sum());
    let mut row = Vec::with_capacity(nj * nk + 1);
    row.push(0);
    for (runs, counts) in slabs {
        for count in counts {
            row.push(row[row.len() - 1] + count);
        }
        all.extend(runs);
    }
    (all, row)
}

/// Joins runs of two rows that touch; `reach` 1 lets diagonal neighbours touch.
fn join(runs: &[Run], mut a: Range<usize>, mut b: Range<usize>, reach: u32, sets: &mut Sets) {
    while !a.is_empty() && !b.is_empty() {
        let (x, y) = (runs[a.start], runs[b.start]);
        if x.from < y.to + reach && y.from < x.to + reach {
            sets.union(a.start, b.start);
        }
        if x.to < y.to {
            a.start += 1;
        } else {
            b.start += 1;
        }
    }
}

/// Union-find with path halving; the smaller index is the root, so that the result does not depend on luck.
struct Sets {
    parent: Vec<u32>,
}

impl Sets {
    fn new(n: usize) -> Self {
        Self {
            parent: (0..n as u32).collect(),
        }
    }
    fn root(&mut self, n: usize) -> usize {
        let mut n = n as u32;
        while self.parent[n as usize] != n {
            let up = self.parent[self.parent[n as usize] as usize];
            self.parent[n as usize] = up;
            n = up;
        }
        n as usize
    }
    fn union(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        let (low, high) = (a.min(b), a.max(b));
        self.parent[high] = low as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::testing::{boxed, random_mask};
    use proptest::prelude::*;

    /// Flood fill, the slow and obvious way.
    fn flood(set: &Volume<bool>, connectivity: Connectivity) -> Vec<usize> {
        let mut seen = vec![false; set.data().len()];
        let mut sizes = Vec::new();
        for start in 0..seen.len() {
            if seen[start] || !set.data()[start] {
                continue;
            }
            let (mut stack, mut size) = (vec![start], 0);
            seen[start] = true;
            while let Some(at) = stack.pop() {
                size += 1;
                let here = set.index(at).map(|v| v as i64);
                for n in 0..27i64 {
                    let step = [n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1];
                    let far: i64 = step.iter().map(|s| s.abs()).sum();
                    if connectivity == Connectivity::Face && far != 1 {
                        continue;
                    }
                    let there = [0, 1, 2].map(|a| here[a] + step[a]);
                    if set.get(there) == Some(&true) {
                        let offset = set.offset(there.map(|v| v as usize));
                        if !seen[offset] {
                            seen[offset] = true;
                            stack.push(offset);
                        }
                    }
                }
            }
            sizes.push(size);
        }
        sizes.sort_by_key(|&s| std::cmp::Reverse(s));
        sizes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(80))]
        #[test]
        fn sizes_are_those_of_a_flood_fill(
            shape in prop::array::uniform3(1usize..10), density in 0.05f64..0.7, seed: u64,
        ) {
            let set = random_mask(shape, [1.0; 3], density, seed);
            for connectivity in [Connectivity::Face, Connectivity::All] {
                let labels = label(&set, connectivity);
                prop_assert_eq!(&labels.sizes, &flood(&set, connectivity));
                for (n, &size) in labels.sizes.iter().enumerate() {
                    let mask = labels.mask(n as u32 + 1);
                    prop_assert_eq!(mask.count(), size);
                    prop_assert_eq!(flood(&mask, connectivity), vec![size]);
                }
                prop_assert_eq!(labels.volume.data().iter().filter(|&&l| l > 0).count(), set.count());
            }
        }
    }

    #[test]
    fn corners_join_only_when_asked() {
        let mut set = boxed([4, 4, 4], [1.0; 3], [0..2, 0..2, 0..2]);
        let corner = set.offset([2, 2, 2]);
        set.data_mut()[corner] = true;
        assert_eq!(label(&set, Connectivity::Face).sizes, [8, 1]);
        assert_eq!(label(&set, Connectivity::All).sizes, [9]);
        assert_eq!(largest(&set).count(), 8);
        let small = keep(&set, Connectivity::Face, |body| body.voxels < 5);
        assert_eq!(small.count(), 1);
    }

    #[test]
    fn a_body_knows_its_box_and_the_edge() {
        let set = boxed([6, 6, 6], [1.0; 3], [1..3, 2..5, 2..4]);
        let found = bodies(&set, Connectivity::Face);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].bounds, [1..3, 2..5, 2..4]);
        assert_eq!(found[0].centroid, Point::new([1.5, 3.0, 2.5]));
        assert!(!found[0].at_edge);
        let set = boxed([6, 6, 6], [1.0; 3], [1..6, 2..5, 2..4]);
        assert!(bodies(&set, Connectivity::Face)[0].at_edge);
    }
}
