//! Distance: exact Euclidean distance from every voxel to the nearest set voxel.
//!
//! In:    `Volume<bool>`, any spacing. Axes are taken as orthogonal: sheared grids are made upright by intake.
//! Out:   squared mm, between voxel centres; 0 on set voxels, infinite when nothing is set.
//! Cost:  linear in voxels (lower envelope of parabolas, Felzenszwalb and Huttenlocher 2012), one float a
//!        voxel and a few lines a thread; the same bits for any number of threads.

use super::{Volume, rows};
use rayon::prelude::*;

/// Squared distance in mm2 to the nearest set voxel's centre.
///
/// Exact up to the rounding of `f32` (relative 1e-7 an axis). To compare with a limit: square the limit.
pub fn squared_mm2(set: &Volume<bool>) -> Volume<f32> {
    transform(set)
}

/// As [`squared_mm2`] with all digits of `f64`: twice the memory, for scores that are held to 1e-6.
pub fn squared_mm2_f64(set: &Volume<bool>) -> Volume<f64> {
    transform(set)
}

/// Distance in mm to the nearest set voxel's centre; infinite when nothing is set.
pub fn distance_mm(set: &Volume<bool>) -> Volume<f32> {
    let mut distance = squared_mm2(set);
    distance
        .data_mut()
        .par_iter_mut()
        .for_each(|d| *d = d.sqrt());
    distance
}

/// Storage of a squared distance.
trait Stored: Copy + Send + Sync {
    fn store(mm2: f64) -> Self;
    fn mm2(self) -> f64;
}
impl Stored for f32 {
    fn store(mm2: f64) -> Self {
        // Rounding is the point: half the memory.
        mm2 as f32
    }
    fn mm2(self) -> f64 {
        f64::from(self)
    }
}
impl Stored for f64 {
    fn store(mm2: f64) -> Self {
        mm2
    }
    fn mm2(self) -> f64 {
        self
    }
}

fn transform<F: Stored>(set: &Volume<bool>) -> Volume<F> {
    let shape = set.shape();
    let spacing = set.spacing_mm();
    let mut data = vec![F::store(f64::INFINITY); set.data().len()];
    if data.is_empty() {
        return set.with(data);
    }
    data.par_chunks_mut(shape[0])
        .zip(set.data().par_chunks(shape[0]))
        .for_each(|(line, set)| along_i(line, set, spacing[0]));
    for axis in [1, 2] {
        rows::across(&mut data, shape, axis, |rows| {
            let mut envelope = Envelope::new(rows.len(), spacing[axis]);
            for i in 0..shape[0] {
                envelope.lower(rows, i);
            }
        });
    }
    set.with(data)
}

/// First axis: the nearest set voxel to the left and to the right.
fn along_i<F: Stored>(line: &mut [F], set: &[bool], spacing: f64) {
    let square = |steps: usize| F::store((steps as f64 * spacing).powi(2));
    let mut last: Option<usize> = None;
    for (i, &here) in set.iter().enumerate() {
        if here {
            // Everything between two set voxels belongs to the nearer one.
            let from = last.map_or(0, |l| (l + i) / 2 + 1);
            for (n, d) in line[from..=i].iter_mut().enumerate() {
                *d = square(i - from - n);
            }
            last = Some(i);
        } else if let Some(l) = last {
            line[i] = square(i - l);
        }
    }
}

/// The lower envelope of parabolas over one line; its buffers serve all lines of a group.
struct Envelope {
    spacing: f64,
    /// The line's values before.
    height: Vec<f64>,
    /// Voxels whose parabolas are part of the envelope, from left to right.
    apex: Vec<usize>,
    /// `from[n]`: position in mm from which `apex[n]` is lowest.
    from: Vec<f64>,
}

impl Envelope {
    fn new(length: usize, spacing: f64) -> Self {
        Self {
            spacing,
            height: vec![0.0; length],
            apex: Vec::with_capacity(length),
            from: Vec::with_capacity(length),
        }
    }

    fn lower<F: Stored>(&mut self, rows: &mut [&mut [F]], i: usize) {
        let (mut all_zero, mut any_finite) = (true, false);
        for (height, row) in self.height.iter_mut().zip(rows.iter()) {
            *height = row[i].mm2();
            all_zero &= *height == 0.0;
            any_finite |= height.is_finite();
        }
        // Most lines of a mask: nothing is nearer along them.
        if all_zero || !any_finite {
            return;
        }
        self.apex.clear();
        self.from.clear();
        for q in 0..rows.len() {
            if self.height[q].is_finite() {
                self.push(q);
            }
        }
        let mut n = 0;
        for (q, row) in rows.iter_mut().enumerate() {
            let here = q as f64 * self.spacing;
            while n + 1 < self.apex.len() && self.from[n + 1] <= here {
                n += 1;
            }
            let apex = self.apex[n];
            let steps = q.abs_diff(apex) as f64 * self.spacing;
            row[i] = F::store(steps * steps + self.height[apex]);
        }
    }

    /// Adds the parabola of voxel `q`, dropping those that it hides.
    fn push(&mut self, q: usize) {
        loop {
            let Some(&p) = self.apex.last() else {
                self.apex.push(q);
                self.from.push(f64::NEG_INFINITY);
                return;
            };
            let (x, y) = (q as f64 * self.spacing, p as f64 * self.spacing);
            let rise = self.height[q] - self.height[p];
            // Runs of set voxels need no division.
            let slope = if rise == 0.0 { 0.0 } else { rise / (x - y) };
            let crossing = 0.5 * (slope + x + y);
            if self.from.last().is_some_and(|&from| crossing <= from) {
                self.apex.pop();
                self.from.pop();
            } else {
                self.apex.push(q);
                self.from.push(crossing);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::testing::{boxed, random_mask};
    use proptest::prelude::*;

    fn brute(set: &Volume<bool>) -> Vec<f64> {
        let spacing = set.spacing_mm();
        let on: Vec<[usize; 3]> = (0..set.data().len())
            .filter(|&o| set.data()[o])
            .map(|o| set.index(o))
            .collect();
        (0..set.data().len())
            .map(|o| {
                let here = set.index(o);
                on.iter()
                    .map(|there| {
                        (0..3)
                            .map(|a| (here[a].abs_diff(there[a]) as f64 * spacing[a]).powi(2))
                            .sum::<f64>()
                    })
                    .fold(f64::INFINITY, f64::min)
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn equals_the_search_of_all_pairs(
            shape in prop::array::uniform3(1usize..9),
            spacing in prop::array::uniform3(0.3f64..3.0),
            density in 0.01f64..0.6,
            seed: u64,
        ) {
            let set = random_mask(shape, spacing, density, seed);
            let want = brute(&set);
            for (got, want) in squared_mm2_f64(&set).data().iter().zip(&want) {
                prop_assert!(got == want || (got - want).abs() < 1e-9, "{got} {want}");
            }
            for (got, want) in squared_mm2(&set).data().iter().zip(&want) {
                let got = f64::from(*got);
                prop_assert!(got == *want || (got - want).abs() < 1e-5 * want.max(1.0), "{got} {want}");
            }
        }
    }

    #[test]
    fn nothing_set_is_infinitely_far() {
        let set = boxed([3, 4, 5], [1.0, 1.0, 1.0], [0..0, 0..0, 0..0]);
        assert!(squared_mm2(&set).data().iter().all(|d| d.is_infinite()));
    }

    #[test]
    fn spacing_counts_in_millimetres() {
        let set = boxed([4, 4, 4], [0.5, 2.0, 3.0], [0..1, 0..1, 0..1]);
        let d = squared_mm2(&set);
        assert_eq!(d.data()[d.offset([3, 1, 2])], 2.25 + 4.0 + 36.0);
        assert_eq!(distance_mm(&set).data()[d.offset([0, 3, 0])], 6.0);
    }

    #[test]
    fn one_thread_and_many_give_the_same_bits() {
        let set = random_mask([31, 17, 23], [0.43, 0.43, 0.7], 0.02, 5);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        let one = pool.install(|| squared_mm2(&set));
        let many = rayon::ThreadPoolBuilder::new()
            .num_threads(8)
            .build()
            .unwrap()
            .install(|| squared_mm2(&set));
        assert_eq!(one, many);
    }
}
