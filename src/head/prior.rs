//! Prior: how vaults are formed, learned from other skulls, and what that says about one whose bone is partly missing.
//!
//! A vault is its mean plus some components plus what is left at each node (`models/vault/make.py`). What is seen of a
//! skull, the far side of the head as well as the rim of a hole, holds the components; they say what lies where
//! nothing is seen, and how well that is known. Residuals of neighbouring nodes go together, so many of them count as
//! one. Bone that does not go with the rest (a wall of something else, a flap that has sunk) loses its weight; a skull
//! that the components do not describe (its axes are wrong, a child's) gets a larger standard deviation.

use super::shell::{self, Shell};
use crate::space::{Head, Point};
use half::f16;
use rayon::prelude::*;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

/// A wall is the vault's when its outer side lies no farther than this from what is expected, mm: before anything of
/// the skull is known, and round by round as it is.
const WINDOW_MM: [f64; 4] = [12.0, 9.0, 6.0, 5.0];
/// Thicker bone is joined to something else, mm.
const THICK_MM: f64 = 18.0;
/// Residuals of more than this many standard deviations lose their weight.
const ROBUST: f64 = 2.5;
/// With fewer nodes than this nothing is said.
const NODES_LEAST: usize = 400;
/// The mean is scaled by the nodes this high (cosine from the vertex) before anything else: no face, no neck there.
const UPPER: f64 = 0.2;

/// Why the file of the prior can not be used.
#[derive(Debug, thiserror::Error)]
pub enum PriorError {
    /// No safetensors file.
    #[error("the prior of the vault can not be read: {0}")]
    Format(#[from] safetensors::SafeTensorError),
    /// Made for another map of directions, or damaged.
    #[error("the prior of the vault is wrong: {0}. Make it anew with models/vault/make.sh.")]
    Shape(String),
}

/// Mean and variation of the vault; values are (outer radius, thickness) in mm, all radii first.
#[derive(Clone, Debug)]
pub struct Prior {
    mean: Vec<f64>,
    /// Components of one standard deviation each.
    modes: Vec<Vec<f64>>,
    /// What the components leave, one standard deviation.
    rest: Vec<f64>,
    /// As many neighbouring residuals count as one.
    together: f64,
}

/// The vault of one skull as it is expected, also where nothing is seen of it.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Node of each cell of the map; none below its lowest direction.
    cells: Vec<Option<u32>>,
    /// Outer radius, thickness, variance of either by the components, and by what they leave.
    nodes: Vec<[f64; 6]>,
    misfit: f64,
}

/// What is expected in one direction from the head's middle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vaulted {
    /// From the middle to the outer table, mm.
    pub outer_mm: f64,
    /// From there to the inner one along the same ray, mm.
    pub thickness_mm: f64,
    /// Standard deviation of the radius by what is known of the whole skull, mm.
    pub outer_sd_mm: f64,
    /// By what no other place of a skull tells of this one, mm.
    pub outer_rest_mm: f64,
    /// The same two of the thickness, mm.
    pub thickness_sd_mm: f64,
    /// mm.
    pub thickness_rest_mm: f64,
}

impl Prior {
    /// From the bytes of the file.
    ///
    /// # Errors
    /// [`PriorError`] when they are none, or made for another map of directions.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PriorError> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let tensors = SafeTensors::deserialize(bytes)?;
        let values = 2 * shell::nodes().len();
        let take = |name: &str| -> Result<Vec<f64>, PriorError> {
            let all = numbers(&tensors.tensor(name)?)
                .ok_or_else(|| PriorError::Shape(format!("`{name}` is neither F16 nor F32")))?;
            if all.iter().any(|x| !x.is_finite()) || all.is_empty() || all.len() % values != 0 {
                let text = format!("`{name}` has {} values for {values}", all.len());
                return Err(PriorError::Shape(text));
            }
            Ok(all)
        };
        let (mean, rest) = (take("mean")?, take("rest")?);
        if mean.len() != values || rest.len() != values || rest.iter().any(|&sd| sd <= 0.0) {
            return Err(PriorError::Shape("`mean` or `rest` is damaged".into()));
        }
        let together = (header.metadata().as_ref())
            .and_then(|m| m.get("together")?.parse().ok())
            .filter(|n| (1.0..=1000.0).contains(n))
            .ok_or_else(|| PriorError::Shape("`together` is missing".into()))?;
        let modes = take("modes")?;
        Ok(Self {
            mean,
            modes: modes.chunks(values).map(<[f64]>::to_vec).collect(),
            rest,
            together,
        })
    }

    /// What is expected of a skull whose shell was seen; `hidden` nodes are not looked at. `None` when too little of it
    /// is seen.
    pub fn expect(&self, shell: &Shell, hidden: &[bool]) -> Option<Expected> {
        let nodes = self.mean.len() / 2;
        if shell.walls.len() != nodes || hidden.len() != nodes {
            return None;
        }
        let scale = self.scale(shell, hidden)?;
        let mut expected: Vec<f64> = self.mean.iter().map(|mm| mm * scale).collect();
        let mut found = None;
        for window in WINDOW_MM {
            let seen = self.seen(shell, hidden, &expected, window);
            let known = seen.iter().filter(|s| s.is_some()).count();
            if known < NODES_LEAST {
                return None;
            }
            let weights = match found {
                None => seen
                    .iter()
                    .map(|s| f64::from(u8::from(s.is_some())))
                    .collect(),
                Some(_) => self.weights(&seen, &expected),
            };
            let (components, covariance) = self.condition(&seen, &weights)?;
            expected = self.mean.clone();
            for (mode, z) in self.modes.iter().zip(&components) {
                expected.iter_mut().zip(mode).for_each(|(e, m)| *e += z * m);
            }
            let misfit = self.misfit(&seen, &expected);
            found = Some((covariance, misfit));
        }
        let (covariance, misfit) = found?;
        tracing::debug!(misfit, "vault expected");
        Some(self.gathered(&expected, &covariance, misfit))
    }

    /// How much larger than the mean the skull is: the median over its upper nodes.
    fn scale(&self, shell: &Shell, hidden: &[bool]) -> Option<f64> {
        let directions = Shell::directions();
        let mut ratios: Vec<f64> = (0..hidden.len())
            .filter(|&n| directions[n][2] > UPPER && !hidden[n])
            .filter_map(|n| Some(f64::from(shell.walls[n].last()?.1) / self.mean[n]))
            .collect();
        ratios.sort_by(f64::total_cmp);
        ratios
            .get(ratios.len() / 2)
            .copied()
            .filter(|s| (0.6..1.5).contains(s))
    }

    /// What is seen of each value.
    fn seen(
        &self,
        shell: &Shell,
        hidden: &[bool],
        expected: &[f64],
        window: f64,
    ) -> Vec<Option<f64>> {
        let nodes = hidden.len();
        let mut seen = vec![None; 2 * nodes];
        for n in (0..nodes).filter(|&n| !hidden[n]) {
            let off = |wall: &&shell::Wall| (f64::from(wall.1) - expected[n]).abs();
            let nearest = (shell.walls[n].iter()).min_by(|a, b| off(a).total_cmp(&off(b)));
            if let Some(wall) = nearest.filter(|wall| off(wall) <= window) {
                let thick = f64::from(wall.1 - wall.0);
                seen[n] = Some(f64::from(wall.1));
                seen[n + nodes] = (thick <= THICK_MM).then_some(thick);
            }
        }
        seen
    }

    /// Weights by how well each value goes with the rest, 0 to 1.
    fn weights(&self, seen: &[Option<f64>], expected: &[f64]) -> Vec<f64> {
        let weight = |n: usize| match seen[n] {
            Some(mm) => {
                let off = (mm - expected[n]) / (ROBUST * self.rest[n]);
                1.0 / (1.0 + off * off)
            }
            None => 0.0,
        };
        (0..seen.len()).map(weight).collect()
    }

    /// Root mean square of the residuals in standard deviations, none counted as more than [`ROBUST`] twice; 1 and more.
    fn misfit(&self, seen: &[Option<f64>], expected: &[f64]) -> f64 {
        let (mut sum, mut all) = (0.0, 0.0);
        for (n, mm) in seen.iter().enumerate() {
            if let Some(mm) = mm {
                let off = ((mm - expected[n]) / self.rest[n]).abs().min(2.0 * ROBUST);
                sum += off * off;
                all += 1.0;
            }
        }
        (sum / f64::max(all, 1.0)).sqrt().max(1.0)
    }

    /// Components and their covariance from what is seen.
    fn condition(
        &self,
        seen: &[Option<f64>],
        weights: &[f64],
    ) -> Option<(Vec<f64>, Vec<Vec<f64>>)> {
        let count = self.modes.len();
        let known: Vec<(usize, f64, f64)> = (seen.iter().enumerate())
            .filter_map(|(n, mm)| {
                let precision = weights[n] / (self.rest[n] * self.rest[n] * self.together);
                Some((n, (*mm)? - self.mean[n], precision))
            })
            .collect();
        let rows: Vec<(Vec<f64>, f64)> = (0..count)
            .into_par_iter()
            .map(|k| {
                let mode = &self.modes[k];
                let seen: Vec<f64> = known.iter().map(|&(n, _, w)| w * mode[n]).collect();
                let row = (self.modes.iter().enumerate())
                    .map(|(m, other)| {
                        let sum = known.iter().zip(&seen).map(|(&(n, _, _), s)| s * other[n]);
                        sum.sum::<f64>() + f64::from(u8::from(m == k))
                    })
                    .collect();
                let right = known
                    .iter()
                    .zip(&seen)
                    .map(|(&(_, off, _), s)| s * off)
                    .sum();
                (row, right)
            })
            .collect();
        let (matrix, right): (Vec<Vec<f64>>, Vec<f64>) = rows.into_iter().unzip();
        let covariance = inverse(matrix)?;
        let components = covariance
            .iter()
            .map(|row| row.iter().zip(&right).map(|(c, r)| c * r).sum())
            .collect();
        Some((components, covariance))
    }

    fn gathered(&self, expected: &[f64], covariance: &[Vec<f64>], misfit: f64) -> Expected {
        let nodes = expected.len() / 2;
        let by_modes: Vec<f64> = (0..2 * nodes)
            .into_par_iter()
            .map(|n| {
                let at: Vec<f64> = self.modes.iter().map(|mode| mode[n]).collect();
                let row = |row: &Vec<f64>| row.iter().zip(&at).map(|(c, m)| c * m).sum::<f64>();
                covariance.iter().zip(&at).map(|(c, m)| row(c) * m).sum()
            })
            .collect();
        let grown = misfit * misfit;
        let node = |n: usize| {
            let t = n + nodes;
            [
                expected[n],
                expected[t],
                by_modes[n] * grown,
                self.rest[n].powi(2) * grown,
                by_modes[t] * grown,
                self.rest[t].powi(2) * grown,
            ]
        };
        let mut cells = vec![None; shell::side() * shell::side()];
        for (n, cell) in shell::nodes().into_iter().enumerate() {
            cells[cell] = u32::try_from(n).ok();
        }
        Expected {
            cells,
            nodes: (0..nodes).map(node).collect(),
            misfit,
        }
    }
}

#[cfg(test)]
impl Prior {
    /// One whose mean and components are given by direction, (outer radius, thickness) in mm; 0.5 mm are left at each node.
    pub(crate) fn made(
        mean: impl Fn([f64; 3]) -> (f64, f64),
        modes: &[&dyn Fn([f64; 3]) -> (f64, f64)],
    ) -> Self {
        let directions = super::Shell::directions();
        let values = |of: &dyn Fn([f64; 3]) -> (f64, f64)| -> Vec<f64> {
            let radii = directions.iter().map(|&d| of(d).0);
            radii.chain(directions.iter().map(|&d| of(d).1)).collect()
        };
        Self {
            mean: values(&mean),
            modes: modes.iter().map(|mode| values(mode)).collect(),
            rest: vec![0.5; 2 * directions.len()],
            together: 4.0,
        }
    }
}

impl Expected {
    /// What is expected in the direction of a place; `None` below the map.
    pub fn at(&self, place: Point<Head>) -> Option<Vaulted> {
        let [a, b] = shell::place(place)?;
        let (low_a, low_b) = (a as usize, b as usize);
        let (u, v) = (a - low_a as f64, b - low_b as f64);
        let mut sum = [0.0; 6];
        for (da, db, share) in [
            (0, 0, (1.0 - u) * (1.0 - v)),
            (1, 0, u * (1.0 - v)),
            (0, 1, (1.0 - u) * v),
            (1, 1, u * v),
        ] {
            let cell = (low_b + db) * shell::side() + low_a + da;
            let node = self.nodes[self.cells.get(cell).copied().flatten()? as usize];
            (0..6).for_each(|n| sum[n] += share * node[n]);
        }
        Some(Vaulted {
            outer_mm: sum[0],
            thickness_mm: sum[1],
            outer_sd_mm: sum[2].sqrt(),
            outer_rest_mm: sum[3].sqrt(),
            thickness_sd_mm: sum[4].sqrt(),
            thickness_rest_mm: sum[5].sqrt(),
        })
    }

    /// How much farther the skull lies off than skulls do, 1 and more: by this the standard deviations were grown.
    pub fn misfit(&self) -> f64 {
        self.misfit
    }
}

/// A tensor's values.
fn numbers(tensor: &TensorView<'_>) -> Option<Vec<f64>> {
    let data = tensor.data();
    match tensor.dtype() {
        Dtype::F16 => {
            let (values, _) = data.as_chunks::<2>();
            let value = |b: &[u8; 2]| f16::from_le_bytes(*b).to_f64();
            Some(values.iter().map(value).collect())
        }
        Dtype::F32 => {
            let (values, _) = data.as_chunks::<4>();
            let value = |b: &[u8; 4]| f64::from(f32::from_le_bytes(*b));
            Some(values.iter().map(value).collect())
        }
        _ => None,
    }
}

/// The inverse of a positive matrix by Gauss and Jordan; `None` when it is none.
fn inverse(mut m: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    let n = m.len();
    for (r, row) in m.iter_mut().enumerate() {
        row.extend((0..n).map(|c| f64::from(u8::from(c == r))));
    }
    for c in 0..n {
        let pivot = m[c][c];
        if pivot.is_nan() || pivot < 1e-12 {
            return None;
        }
        m[c].iter_mut().for_each(|x| *x /= pivot);
        let row = m[c].clone();
        for (r, other) in m.iter_mut().enumerate() {
            let factor = other[c];
            if r != c && factor != 0.0 {
                other
                    .iter_mut()
                    .zip(&row)
                    .for_each(|(x, y)| *x -= factor * y);
            }
        }
    }
    Some(m.into_iter().map(|row| row[n..].to_vec()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ball of 75 mm with bone of 6 mm; it may be larger, longer, and thicker.
    fn balls() -> Prior {
        Prior::made(
            |_| (75.0, 6.0),
            &[
                &|_| (4.0, 0.0),
                &|d| (5.0 * d[1] * d[1], 0.0),
                &|d| (3.0 * d[0], 0.0),
                &|_| (0.0, 1.5),
            ],
        )
    }

    /// Walls of a skull whose outer side and thickness are given by direction.
    fn shell(wall: impl Fn([f64; 3]) -> Option<(f64, f64)>) -> Shell {
        let walls = Shell::directions().into_iter().map(|d| {
            let wall = wall(d).map(|(outer, thick)| ((outer - thick) as f32, outer as f32));
            wall.into_iter().collect()
        });
        Shell {
            walls: walls.collect(),
        }
    }

    fn longer(d: [f64; 3]) -> (f64, f64) {
        (77.0 + 6.0 * d[1] * d[1] - 2.0 * d[0], 7.5)
    }

    /// Within 40 degrees of the left, a little forward.
    fn hole(d: [f64; 3]) -> bool {
        0.8 * d[0] - 0.3 * d[1] + 0.52 * d[2] > 40f64.to_radians().cos()
    }

    #[test]
    fn what_is_seen_tells_what_is_not() {
        let prior = balls();
        let seen = shell(|d| (!hole(d)).then(|| longer(d)));
        let nothing = vec![false; seen.walls.len()];
        let expected = prior.expect(&seen, &nothing).unwrap();
        assert!((expected.misfit() - 1.0).abs() < 1e-9);
        for d in [[0.8, -0.3, 0.52], [0.6, -0.6, 0.53], [0.2, -0.1, 0.97]] {
            let at = expected.at(Point::new(d.map(|x| 80.0 * x))).unwrap();
            let (outer, thick) = longer(d);
            assert!((at.outer_mm - outer).abs() < 0.4, "{at:?} for {outer}");
            assert!((at.thickness_mm - thick).abs() < 0.2, "{at:?} for {thick}");
            assert!(at.outer_sd_mm < 0.4 && (at.outer_rest_mm - 0.5).abs() < 1e-6);
        }
    }

    #[test]
    fn bone_that_does_not_go_with_the_rest_loses_its_weight_and_hidden_nodes_have_none() {
        let prior = balls();
        // A sunken flap in the hole, and a wall of something else on the other side.
        let strange = |d: [f64; 3]| d[0] < -0.9;
        let seen = shell(|d| {
            let (outer, thick) = longer(d);
            let sunk = if hole(d) || strange(d) { 5.0 } else { 0.0 };
            Some((outer - sunk, thick))
        });
        let hidden: Vec<bool> = Shell::directions().into_iter().map(hole).collect();
        let expected = prior.expect(&seen, &hidden).unwrap();
        let d = [0.8, -0.3, 0.52];
        let at = expected.at(Point::new(d.map(|x| 80.0 * x))).unwrap();
        assert!((at.outer_mm - longer(d).0).abs() < 0.6, "{at:?}");
    }

    #[test]
    fn a_skull_unlike_all_others_is_known_less_well() {
        let prior = balls();
        let wavy = |d: [f64; 3]| (75.0 + 2.5 * (9.0 * d[1]).sin() * (9.0 * d[0]).cos(), 6.0);
        let unlike = shell(|d| Some(wavy(d)));
        let nothing = vec![false; unlike.walls.len()];
        let expected = prior.expect(&unlike, &nothing).unwrap();
        assert!(expected.misfit() > 1.5, "{}", expected.misfit());
        let at = expected.at(Point::new([0.0, 0.0, 80.0])).unwrap();
        assert!(at.outer_rest_mm > 0.75, "{at:?}");
    }

    #[test]
    fn too_little_of_a_skull_says_nothing_and_below_the_map_nothing_is_expected() {
        let prior = balls();
        let little = shell(|d| (d[2] > 0.93).then(|| longer(d)));
        let nothing = vec![false; little.walls.len()];
        assert!(prior.expect(&little, &nothing).is_none());
        assert!(prior.expect(&little, &[]).is_none());
        let whole = shell(|d| Some(longer(d)));
        let expected = prior.expect(&whole, &nothing).unwrap();
        assert!(expected.at(Point::new([0.0, 10.0, -70.0])).is_none());
    }

    /// A prior as `models/vault/make.py` writes it: radii as f32, all else as f16.
    fn file(prior: &Prior, together: &str) -> Vec<u8> {
        let nodes = prior.mean.len() / 2;
        let halves = |values: &[f64]| -> Vec<u8> {
            let half = |x: &f64| f16::from_f64(*x).to_le_bytes();
            values.iter().flat_map(half).collect()
        };
        let single = |x: &f64| (*x as f32).to_le_bytes();
        let mean: Vec<u8> = prior.mean.iter().flat_map(single).collect();
        let (modes, rest) = (halves(&prior.modes.concat()), halves(&prior.rest));
        let count = prior.modes.len();
        let tensors = [
            ("mean", Dtype::F32, vec![2, nodes], &mean),
            ("modes", Dtype::F16, vec![count, 2, nodes], &modes),
            ("rest", Dtype::F16, vec![2, nodes], &rest),
        ]
        .map(|(name, kind, shape, data)| (name, TensorView::new(kind, shape, data).unwrap()));
        let metadata = [("together".to_owned(), together.to_owned())];
        safetensors::serialize(tensors, Some(metadata.into())).unwrap()
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let prior = balls();
        let read = Prior::from_bytes(&file(&prior, "4.0")).unwrap();
        assert_eq!(read.mean, prior.mean);
        assert_eq!(read.rest, prior.rest);
        assert!((read.together - 4.0).abs() < 1e-12);
        assert_eq!(read.modes.len(), prior.modes.len());
        for (read, written) in read.modes.iter().zip(&prior.modes) {
            assert!(read.iter().zip(written).all(|(a, b)| (a - b).abs() < 2e-3));
        }
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let bytes = file(&balls(), "4.0");
        for cut in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
            assert!(Prior::from_bytes(&bytes[..cut]).is_err(), "{cut}");
        }
        let mut wrong = bytes;
        let at = wrong.len() - 20;
        wrong[at..].fill(0xff);
        assert!(Prior::from_bytes(&wrong).is_err(), "not numbers");
        for together in ["", "0", "none"] {
            assert!(
                Prior::from_bytes(&file(&balls(), together)).is_err(),
                "{together}"
            );
        }
    }

    /// What the shipped file says of a vault, against figures of others: bone 7.0 +- 1.4 mm thick over the parietals, a
    /// vault between 60 and 110 mm from its middle, known to a millimetre where it is seen.
    #[test]
    fn the_shipped_prior_is_one_of_skulls() {
        let path =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models/vault.safetensors");
        let bytes = std::fs::read(path).unwrap();
        assert!(bytes.len() < 2_000_000, "{}", bytes.len());
        let prior = Prior::from_bytes(&bytes).unwrap();
        let directions = Shell::directions();
        let n = directions.len();
        let parietal: Vec<usize> = (0..n)
            .filter(|&n| directions[n][2] > 0.6 && directions[n][1] > 0.0)
            .collect();
        let mean = parietal.iter().map(|&k| prior.mean[n + k]).sum::<f64>() / parietal.len() as f64;
        assert!((5.6..8.4).contains(&mean), "{mean}");
        assert!(prior.mean[..n].iter().all(|r| (45.0..115.0).contains(r)));
        let upper = (0..n).filter(|&n| directions[n][2] > UPPER);
        let (sum, count) = upper.fold((0.0, 0.0), |(s, c), k| (s + prior.rest[k], c + 1.0));
        assert!(sum / count < 1.0, "{}", sum / count);
        // The mean skull, seen but for a hole, is known again in the hole.
        let walls = (0..n).map(|k| {
            let (r, t) = (prior.mean[k], prior.mean[n + k]);
            vec![((r - t) as f32, r as f32)]
        });
        let shell = Shell {
            walls: walls.collect(),
        };
        let hidden: Vec<bool> = directions.iter().copied().map(hole).collect();
        let expected = prior.expect(&shell, &hidden).unwrap();
        let middle = directions.iter().position(|&d| hole(d)).unwrap();
        let at = expected
            .at(Point::new(directions[middle].map(|x| 80.0 * x)))
            .unwrap();
        assert!((at.outer_mm - prior.mean[middle]).abs() < 0.1, "{at:?}");
        assert!(at.outer_sd_mm.hypot(at.outer_rest_mm) < 1.5, "{at:?}");
    }
}
