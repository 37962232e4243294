//! Facing: which way a skull really looks, from its own form, against what the file says of its axes.
//!
//! The atlas has for every place of a head how often a cell of 10 mm holds no bone, a trace, some or much of it. A
//! skull's own cells are asked under the 24 orders of axes that a file can be wrong by, each with the best shift, nod, roll, yaw
//! and size: the mean logarithm of how probable the cells are says which one it is. Only cells within the scan's view
//! are asked, and the same ones under every order, so a cropped scan loses certainty and is not pulled.
//!
//! Both halves of the atlas are alike: a mirror image counts as the rotation that it is nearest to, and a pure
//! left-right mirror can not be told.

mod cells;
mod pose;

use crate::space::{Lps, Vector};
use crate::volume::{Volume, axes};
use cells::Cells;
use pose::{
    CLIMBED, COARSE, FINE, FINISHED, Pose, REACH, ROUGH_STRIDE, ROUNDS, Round, STARTS, Tried,
    best_of, orders, product, start_poses,
};
use rayon::prelude::*;
use safetensors::{Dtype, SafeTensors};

/// The atlas' file name in a model folder.
pub const FILE: &str = "facing.safetensors";
/// Side of a cell, mm; as in `models/facing/make.py`.
const CELL_MM: f64 = 10.0;
/// Where the middle of the head lies in the atlas, cells from the lowest layer; across it lies in the middle.
const MIDDLE_UP: f64 = 10.0;
/// One unit of the file, in natural logarithms.
const UNIT: f32 = 0.02;
/// Between two orders that differ by less than this in the mean logarithm of a cell nothing is said.
const CLEAR: f64 = 0.015;
/// The best order is better than knowing nothing of any cell by at least this, or it is no head that is known here.
const HEAD_LEAST: f64 = 0.1;

/// Why the file of the atlas can not be used.
#[derive(Debug, thiserror::Error)]
pub enum FacingError {
    /// No safetensors file.
    #[error("the atlas of how heads face can not be read: {0}")]
    Format(#[from] safetensors::SafeTensorError),
    /// Made for something else, or damaged.
    #[error("the atlas of how heads face is wrong: {0}. Make it anew with models/facing/make.py.")]
    Shape(&'static str),
}

/// What a skull's form says of the axes that its file gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Facing {
    /// It lies as the file says.
    AsSaid,
    /// It lies otherwise.
    Otherwise(Found),
    /// Its form does not tell: too little of it is there, or it is no usual head.
    Unclear,
}

/// How a skull lies by its form, in the file's axes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Where the face looks.
    pub front: Vector<Lps>,
    /// Where the vertex is.
    pub up: Vector<Lps>,
    /// By how much it is better than what the file says, mean logarithm of a cell's probability.
    pub better: f64,
}

/// How often the cells of heads hold how much bone.
#[derive(Clone, Debug)]
pub struct Atlas {
    /// Cells to the left, back and up.
    shape: [usize; 3],
    /// Logarithms, by level, then up, back, left fastest.
    table: Vec<f32>,
    /// Above and beside the atlas, and below it, by level.
    beyond: [f32; 4],
    below: [f32; 4],
}

impl Atlas {
    /// From the bytes of the file.
    ///
    /// # Errors
    /// [`FacingError`] when they are none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FacingError> {
        let tensors = SafeTensors::deserialize(bytes)?;
        let take = |name: &str| -> Result<(Vec<usize>, Vec<f32>), FacingError> {
            let view = tensors.tensor(name)?;
            if view.dtype() != Dtype::U8 {
                return Err(FacingError::Shape("its numbers are no bytes"));
            }
            let logs = view.data().iter().map(|&cost| -f32::from(cost) * UNIT);
            Ok((view.shape().to_vec(), logs.collect()))
        };
        let four = |name: &str| -> Result<[f32; 4], FacingError> {
            <[f32; 4]>::try_from(take(name)?.1)
                .map_err(|_| FacingError::Shape("it does not have four levels"))
        };
        let (shape, table) = take("cells")?;
        let &[4, up, back, left] = shape.as_slice() else {
            return Err(FacingError::Shape("it does not have four levels"));
        };
        if [up, back, left].iter().any(|n| !(4..=64).contains(n)) {
            return Err(FacingError::Shape("it is too small or too large"));
        }
        Ok(Self {
            shape: [left, back, up],
            table,
            beyond: four("beyond")?,
            below: four("below")?,
        })
    }

    /// Which way `skull` faces, against the axes that its grid gives.
    pub fn facing(&self, skull: &Volume<bool>) -> Facing {
        let Some(cells) = Cells::of(skull) else {
            return Facing::Unclear;
        };
        // Whatever is far behind after a rough look stays behind.
        let rough = orders()
            .into_par_iter()
            .flat_map_iter(|order| self.starts(&cells, order));
        let (right, wrong): (Vec<Tried>, Vec<Tried>) = rough.partition(Tried::is_as_said);
        let (right, wrong) = (best_of(right, CLIMBED), best_of(wrong, CLIMBED));
        let climbed =
            (right.into_par_iter().chain(wrong)).map(|one| self.climb(&cells, one, &COARSE));
        let (right, wrong): (Vec<Tried>, Vec<Tried>) = climbed.partition(Tried::is_as_said);
        let (right, wrong) = (best_of(right, FINISHED), best_of(wrong, FINISHED));
        let done: Vec<Tried> = (right.into_par_iter().chain(wrong))
            .map(|one| self.climb(&cells, one, &FINE))
            .collect();
        let best = |as_said: bool| {
            (done.iter().filter(|t| t.is_as_said() == as_said))
                .max_by(|a, b| a.score.total_cmp(&b.score))
        };
        let (as_said, otherwise) = (best(true), best(false));
        let score = |tried: Option<&Tried>| tried.map_or(f64::NEG_INFINITY, |t| t.score);
        let better = score(otherwise) - score(as_said);
        let known = score(otherwise).max(score(as_said)) - self.nothing_known(&cells);
        match otherwise {
            _ if known < HEAD_LEAST || better.abs() < CLEAR => Facing::Unclear,
            Some(found) if better > 0.0 => Facing::Otherwise(found.found(better)),
            _ => Facing::AsSaid,
        }
    }

    /// The mean logarithm when every cell is as probable as it is anywhere.
    fn nothing_known(&self, cells: &Cells) -> f64 {
        let sum: f64 = (cells.all.iter())
            .map(|(_, level)| f64::from(self.below[usize::from(*level)]))
            .sum();
        sum / cells.all.len() as f64
    }

    /// The best places to start from under an order of axes.
    fn starts(&self, cells: &Cells, order: [[f64; 3]; 3]) -> Vec<Tried> {
        let rough = start_poses().map(|pose| Tried {
            order,
            pose,
            score: self.score(cells, &order, &pose, ROUGH_STRIDE),
        });
        let mut kept: Vec<Tried> = Vec::new();
        for one in best_of(rough.collect(), usize::MAX) {
            if kept.iter().all(|k| k.pose.is_far_from(&one.pose)) {
                kept.push(one);
            }
            if kept.len() == STARTS {
                break;
            }
        }
        kept
    }

    /// Steps along one number at a time, as long as that helps.
    fn climb(&self, cells: &Cells, from: Tried, rounds: &[Round]) -> Tried {
        let mut best = from;
        for round in rounds {
            let score = |pose: &Pose| self.score(cells, &best.order, pose, round.stride);
            let (mut pose, mut value) = (best.pose, score(&best.pose));
            for _ in 0..ROUNDS {
                let before = value;
                for n in 0..7 {
                    for sign in [1.0, -1.0] {
                        let mut next = pose;
                        next.numbers[n] += sign * round.step[n];
                        if next.numbers[n].abs() > REACH[n] {
                            continue;
                        }
                        let other = score(&next);
                        if other > value {
                            (pose, value) = (next, other);
                            break;
                        }
                    }
                }
                if value <= before + 1e-6 {
                    break;
                }
            }
            best = Tried {
                pose,
                score: value,
                ..best
            };
        }
        best
    }

    /// Mean logarithm of the probability of every `stride`-th cell, less what an unusual pose costs.
    fn score(&self, cells: &Cells, order: &[[f64; 3]; 3], pose: &Pose, stride: usize) -> f64 {
        let (rows, shift) = self.map(order, pose);
        let (mut sum, mut asked) = (0.0f64, 0usize);
        for ([x, y, z], level) in cells.all.iter().step_by(stride) {
            let at = [0, 1, 2].map(|a| rows[a][0] * x + rows[a][1] * y + rows[a][2] * z + shift[a]);
            sum += f64::from(self.log(at, usize::from(*level)));
            asked += 1;
        }
        sum / asked.max(1) as f64 - pose.cost()
    }

    /// From a skull's own cells to the atlas': rows and shift, in cells.
    fn map(&self, order: &[[f64; 3]; 3], pose: &Pose) -> ([[f32; 3]; 3], [f32; 3]) {
        let turned = product(&pose.turn(), order);
        let scale = pose.numbers[6].exp() / CELL_MM;
        let [left, back, _] = self.shape.map(|n| (n as f64 - 1.0) / 2.0);
        let middle = [left, back, MIDDLE_UP];
        (
            turned.map(|row| row.map(|x| (x * scale) as f32)),
            [0, 1, 2].map(|a| (middle[a] + pose.numbers[3 + a] / CELL_MM) as f32),
        )
    }

    /// The logarithm at a place of the atlas, trilinear.
    fn log(&self, at: [f32; 3], level: usize) -> f32 {
        if at[2] < 0.0 {
            return self.below[level];
        }
        let inside = |a: usize| at[a] >= 0.0 && at[a] < (self.shape[a] - 1) as f32;
        if !(inside(0) && inside(1) && inside(2)) {
            return self.beyond[level];
        }
        let low = at.map(|x| x as usize);
        let part = [0, 1, 2].map(|a| at[a] - low[a] as f32);
        let [row, layer] = [self.shape[0], self.shape[0] * self.shape[1]];
        let first = level * layer * self.shape[2] + low[2] * layer + low[1] * row + low[0];
        let along = |n: usize| self.table[n] + (self.table[n + 1] - self.table[n]) * part[0];
        let across = |n: usize| along(n) + (along(n + row) - along(n)) * part[1];
        across(first) + (across(first + layer) - across(first)) * part[2]
    }
}

/// Which way of the file's a direction is nearest to, in words.
pub fn word(direction: Vector<Lps>) -> &'static str {
    [
        (axes::LEFT, "left", "right"),
        (axes::POSTERIOR, "back", "front"),
        (axes::SUPERIOR, "top", "feet"),
    ]
    .into_iter()
    .map(|(axis, high, low)| {
        let along = direction.dot(axis);
        (along.abs(), if along > 0.0 { high } else { low })
    })
    .max_by(|a, b| a.0.total_cmp(&b.0))
    .map_or("front", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::testing::random_mask;

    /// An atlas that knows nothing.
    fn file(shape: [usize; 4]) -> Vec<u8> {
        let cells = vec![50u8; shape.iter().product()];
        let view = |shape: Vec<usize>, data| {
            safetensors::tensor::TensorView::new(Dtype::U8, shape, data).unwrap()
        };
        let four = [10u8, 20, 30, 40];
        let tensors = [
            ("cells", view(shape.to_vec(), &cells[..])),
            ("beyond", view(vec![4], &four[..])),
            ("below", view(vec![4], &four[..])),
        ];
        safetensors::serialize(tensors, None).unwrap()
    }

    #[test]
    fn a_direction_has_a_word() {
        let named = |xyz| word(Vector::new(xyz));
        assert_eq!(named([0.1, -0.9, 0.3]), "front");
        assert_eq!(named([0.1, 0.9, 0.3]), "back");
        assert_eq!(named([0.8, 0.1, -0.3]), "left");
        assert_eq!(named([-0.8, 0.1, -0.3]), "right");
        assert_eq!(named([0.0, 0.1, 0.3]), "top");
        assert_eq!(named([0.0, 0.1, -0.3]), "feet");
    }

    #[test]
    fn an_atlas_that_is_cut_or_wrong_is_refused() {
        let bytes = file([4, 6, 6, 6]);
        assert!(Atlas::from_bytes(&bytes).is_ok());
        for cut in 0..bytes.len() {
            assert!(Atlas::from_bytes(&bytes[..cut]).is_err(), "{cut}");
        }
        assert!(Atlas::from_bytes(&file([3, 6, 6, 6])).is_err());
        assert!(Atlas::from_bytes(&file([4, 6, 6, 65])).is_err());
    }

    #[test]
    fn what_tells_nothing_is_unclear() {
        let atlas = Atlas::from_bytes(&file([4, 19, 26, 20])).unwrap();
        let noise = random_mask([60, 60, 60], [3.0; 3], 0.3, 5);
        assert_eq!(atlas.facing(&noise), Facing::Unclear);
        assert_eq!(atlas.facing(&noise.map(|_| false)), Facing::Unclear);
    }
}
