//! Plate: a smooth height over the chart through what was measured on the bone, pulled weakly to the network.
//!
//! A thin plate (bending energy) carries value and slope of the bone into the hole; a membrane (gradient energy)
//! never overshoots and serves for thickness. A membrane for the outer surface would sag: never use it there.
//! Both are least squares on a square of cells, solved exactly by a banded Cholesky factorisation.

use super::chart::Sheet;

/// What holds the sheet together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stiffness {
    /// Integral of the squared Laplacian.
    Plate,
    /// Integral of the squared gradient.
    Membrane,
}

/// A wanted height with its weight: mm^-4 for a plate (a weight w reaches w^-1/4 mm), mm^-2 for a membrane.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Wish {
    pub(super) height_mm: f64,
    pub(super) weight: f64,
}

/// The sheet of least energy. Cells where `inside` is false take no part and become 0.
pub(super) fn solve(
    wishes: &Sheet<Wish>,
    inside: &Sheet<bool>,
    stiffness: Stiffness,
) -> Sheet<f64> {
    let n = wishes.side;
    let mut system = Band::new(n * n, 2 * n);
    let mut rhs = vec![0.0; n * n];
    for (cell, wish) in wishes.data.iter().enumerate() {
        if inside.data[cell] {
            // A breath of weight everywhere keeps cells without any neighbour from making the system singular.
            system.add(cell, cell, wish.weight + 1e-12);
            rhs[cell] += wish.weight * wish.height_mm;
        } else {
            system.add(cell, cell, 1.0);
        }
    }
    let h2 = wishes.step_mm * wishes.step_mm;
    for y in 0..n {
        for x in 0..n {
            let cell = y * n + x;
            match stiffness {
                Stiffness::Plate => {
                    let edge = x == 0 || y == 0 || x == n - 1 || y == n - 1;
                    if !edge {
                        let star = [
                            (cell, -4.0),
                            (cell - 1, 1.0),
                            (cell + 1, 1.0),
                            (cell - n, 1.0),
                            (cell + n, 1.0),
                        ];
                        system.square(&star, 1.0 / (h2 * h2), inside);
                        // The mixed term as well: without it a saddle costs nothing and the plate wobbles.
                        let twist = [
                            (cell, 1.0),
                            (cell + 1, -1.0),
                            (cell + n, -1.0),
                            (cell + n + 1, 1.0),
                        ];
                        system.square(&twist, 0.5 / (h2 * h2), inside);
                        for step in [1, n] {
                            let bend = [(cell - step, 1.0), (cell, -2.0), (cell + step, 1.0)];
                            system.square(&bend, 0.25 / (h2 * h2), inside);
                        }
                    }
                }
                Stiffness::Membrane => {
                    if x + 1 < n {
                        system.square(&[(cell, 1.0), (cell + 1, -1.0)], 1.0 / h2, inside);
                    }
                    if y + 1 < n {
                        system.square(&[(cell, 1.0), (cell + n, -1.0)], 1.0 / h2, inside);
                    }
                }
            }
        }
    }
    system.solve(&mut rhs);
    wishes.with(rhs)
}

/// The lower band of a symmetric positive matrix, row by row: `rows[r][b - (r - c)]` is entry (r, c).
struct Band {
    width: usize,
    rows: Vec<f64>,
}

impl Band {
    fn new(n: usize, width: usize) -> Self {
        Self {
            width,
            rows: vec![0.0; n * (width + 1)],
        }
    }

    fn add(&mut self, r: usize, c: usize, value: f64) {
        let (r, c) = (r.max(c), r.min(c));
        self.rows[r * (self.width + 1) + self.width - (r - c)] += value;
    }

    /// Adds weight * (sum of factor * height)^2 when all its cells take part.
    fn square(&mut self, terms: &[(usize, f64)], weight: f64, inside: &Sheet<bool>) {
        if terms.iter().any(|&(cell, _)| !inside.data[cell]) {
            return;
        }
        for (n, &(a, x)) in terms.iter().enumerate() {
            for &(b, y) in &terms[..=n] {
                self.add(a, b, weight * x * y);
            }
        }
    }

    /// Cholesky in place, then both substitutions.
    fn solve(&mut self, rhs: &mut [f64]) {
        let (w, stride) = (self.width, self.width + 1);
        let n = rhs.len();
        for r in 0..n {
            let first = r.saturating_sub(w);
            let (before, rest) = self.rows.split_at_mut(r * stride);
            let row = &mut rest[..stride];
            // A row begins where its first entry is: what is left of it stays zero in the factor too.
            let start = (first..r).find(|&c| row[w + c - r] != 0.0).unwrap_or(r);
            for c in start..r {
                let other = &before[c * stride..(c + 1) * stride];
                let from = start.max(c.saturating_sub(w));
                let mine = &row[w + from - r..w + c - r];
                let theirs = &other[w + from - c..w];
                row[w + c - r] = (row[w + c - r] - dot(mine, theirs)) / other[w];
            }
            let sum = dot(&row[w + start - r..w], &row[w + start - r..w]);
            row[w] = (row[w] - sum).max(1e-18).sqrt();
            let sum: f64 = (first..r).map(|c| row[w + c - r] * rhs[c]).sum();
            rhs[r] = (rhs[r] - sum) / row[w];
        }
        for r in (0..n).rev() {
            let row = &self.rows[r * stride..(r + 1) * stride];
            rhs[r] /= row[w];
            let value = rhs[r];
            for c in r.saturating_sub(w)..r {
                rhs[c] -= row[w + c - r] * value;
            }
        }
    }
}

/// Scalar product in eight sums side by side: one sum would wait for itself at every step. The order is fixed, so the
/// bits are too.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (whole, rest) = a.as_chunks::<8>();
    let (other, last) = b.as_chunks::<8>();
    for (x, y) in whole.iter().zip(other) {
        for n in 0..8 {
            sums[n] += x[n] * y[n];
        }
    }
    let tail: f64 = rest.iter().zip(last).map(|(x, y)| x * y).sum();
    let [p, q, r, s, t, u, v, w] = sums;
    ((p + q) + (r + s)) + ((t + u) + (v + w)) + tail
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::implant::chart::blank;

    /// A hole of 40 mm in a paraboloid: the plate goes on with the slope, the membrane sags.
    fn filled(stiffness: Stiffness) -> f64 {
        let sheet = blank(40.0, 2.0);
        let truth = |cell: usize| {
            let (u, v) = sheet.mm(cell);
            10.0 - (u * u + 0.5 * v * v) / 160.0
        };
        let wishes = (0..sheet.data.len())
            .map(|cell| {
                let (u, v) = sheet.mm(cell);
                let weight = if u.hypot(v) > 20.0 { 1.0 } else { 0.0 };
                Wish {
                    height_mm: truth(cell),
                    weight,
                }
            })
            .collect();
        let inside = sheet.with(vec![true; sheet.data.len()]);
        let got = solve(&sheet.with(wishes), &inside, stiffness);
        (0..sheet.data.len())
            .map(|cell| (got.data[cell] - truth(cell)).abs())
            .fold(0.0, f64::max)
    }

    #[test]
    fn a_plate_carries_slope_and_a_membrane_sags() {
        assert!(
            filled(Stiffness::Plate) < 0.5,
            "{}",
            filled(Stiffness::Plate)
        );
        assert!(filled(Stiffness::Membrane) > 1.0);
    }

    #[test]
    fn a_plane_is_reproduced_and_cells_outside_are_left_alone() {
        let sheet = blank(20.0, 2.0);
        let n = sheet.data.len();
        let plane = |cell: usize| sheet.mm(cell).0 * 0.3 - sheet.mm(cell).1 * 0.1 + 4.0;
        let wishes = (0..n).map(|cell| {
            let (u, v) = sheet.mm(cell);
            let weight = if u.hypot(v) > 10.0 { 0.05 } else { 0.0 };
            Wish {
                height_mm: plane(cell),
                weight,
            }
        });
        let wishes = sheet.with(wishes.collect());
        let inside = sheet.with((0..n).map(|c| sheet.mm(c).0 < 15.0).collect());
        let got = solve(&wishes, &inside, Stiffness::Plate);
        for cell in 0..n {
            let want = if inside.data[cell] { plane(cell) } else { 0.0 };
            assert!(
                (got.data[cell] - want).abs() < 1e-4,
                "{cell} {} {want}",
                got.data[cell]
            );
        }
    }
}
