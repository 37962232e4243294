//! View: a skull as another scanner would have shown it. Turned, on another grid, at another threshold, and cut off
//! below at another height; for the question whether a whole head is answered as whole.

use super::PhantomError;
use super::dice::Dice;
use super::form::rotation;
use crate::space::{Ijk, Lps, Map, Point};
use crate::volume::{Hu, Volume, crop};
use rayon::prelude::*;

/// The seed's stream; 0 is the head's, 1 the chords'.
const STREAM: u64 = 2;
/// Empty space around the turned skull, mm.
const MARGIN_MM: f64 = 6.0;
/// A voxel's share of bone is taken over at least this, mm: a scanner blurs by about a millimetre.
const BLUR_MM: f64 = 1.2;
/// Samples along each axis of a voxel are at most this far apart, mm.
const SAMPLE_MM: f64 = 0.6;

/// How a skull is seen.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Rows turn patient directions into the view's.
    turn: [[f64; 3]; 3],
    /// Pixel and slice distance.
    spacing_mm: [f64; 3],
    /// Share of bone from which a voxel is bone.
    share: f64,
    /// The field of view ends this far under the vertex in the middle of the head, and rises by the two slopes
    /// towards the left and the back.
    floor_mm: f64,
    slopes: [f64; 2],
    /// The threshold to take a CT's bone at, before it is seen as a mask.
    pub hu: Hu,
}

impl View {
    /// The view of a seed: turned by up to 12 degrees to the sides and 20 nodding, 0.45 to 0.95 mm pixels, 0.6 to
    /// 2.5 mm slices, bone from a share of 0.3 to 0.7 or from 130 to 250 HU, cut 100 to 180 mm under the vertex.
    pub fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed, STREAM);
        let turns = [20.0, 12.0, 12.0].map(|most: f64| dice.uniform(-most, most).to_radians());
        let pixel = dice.uniform(0.45, 0.95);
        let slice = dice.uniform(0.6, 2.5);
        Self {
            turn: rotation(turns).map(|row| row.map(f64::from)),
            spacing_mm: [pixel, pixel, slice],
            share: dice.uniform(0.3, 0.7),
            floor_mm: dice.uniform(100.0, 180.0),
            slopes: [0; 2].map(|_| dice.uniform(-10.0f64, 10.0).to_radians().tan()),
            hu: Hu(130 + dice.below(121) as i16),
        }
    }

    /// The skull, seen so.
    ///
    /// # Errors
    /// [`PhantomError::Empty`] when there is nothing to see.
    pub fn of(&self, skull: &Volume<bool>) -> Result<Volume<bool>, PhantomError> {
        let bounds = crop::bounds(skull).ok_or(PhantomError::Empty)?;
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for corner in 0..8usize {
            let index = [0, 1, 2].map(|axis| match corner >> axis & 1 {
                0 => bounds[axis].start,
                _ => bounds[axis].end - 1,
            });
            let at = self.seen(skull.centre(index));
            for axis in 0..3 {
                low[axis] = low[axis].min(at[axis] - MARGIN_MM);
                high[axis] = high[axis].max(at[axis] + MARGIN_MM);
            }
        }
        let shape = [0, 1, 2]
            .map(|axis| ((high[axis] - low[axis]) / self.spacing_mm[axis]).ceil() as usize + 1);
        let [x, y, z] = self.spacing_mm;
        let to_lps = Map::new([
            [x, 0.0, 0.0, low[0]],
            [0.0, y, 0.0, low[1]],
            [0.0, 0.0, z, low[2]],
        ]);
        let mut data = vec![false; shape.iter().product()];
        let offsets = self.spacing_mm.map(samples);
        let to_ijk = skull.to_ijk();
        let least = self.share * offsets.iter().map(Vec::len).product::<usize>() as f64;
        data.par_chunks_mut(shape[0])
            .enumerate()
            .for_each(|(row, line)| {
                let (j, k) = (row % shape[1], row / shape[1]);
                for (i, voxel) in line.iter_mut().enumerate() {
                    let at = to_lps.apply(Point::new([i as f64, j as f64, k as f64])).0;
                    *voxel = self.bone_in(skull, &to_ijk, at, &offsets) as f64 >= least;
                }
            });
        let mut view = Volume::new(shape, data, to_lps).map_err(PhantomError::Volume)?;
        self.cut_off(&mut view);
        Ok(view)
    }

    /// Samples of the voxel at `at` that are bone.
    fn bone_in(
        &self,
        skull: &Volume<bool>,
        to_ijk: &Map<Lps, Ijk>,
        at: [f64; 3],
        offsets: &[Vec<f64>; 3],
    ) -> usize {
        let mut n = 0;
        for dz in &offsets[2] {
            for dy in &offsets[1] {
                for dx in &offsets[0] {
                    let p = to_ijk.apply(self.unseen([at[0] + dx, at[1] + dy, at[2] + dz]));
                    let voxel = p.0.map(|v| v.round() as i64);
                    n += usize::from(skull.get(voxel).copied().unwrap_or(false));
                }
            }
        }
        n
    }

    /// Where a patient position is seen.
    fn seen(&self, at: Point<Lps>) -> [f64; 3] {
        self.turn
            .map(|row| row[0] * at.0[0] + row[1] * at.0[1] + row[2] * at.0[2])
    }

    /// The patient position that is seen at `at`: rotations turn back by their transpose.
    fn unseen(&self, at: [f64; 3]) -> Point<Lps> {
        Point::new([0, 1, 2].map(|c| (0..3).map(|r| self.turn[r][c] * at[r]).sum()))
    }

    /// Takes away what lies under the field of view.
    fn cut_off(&self, view: &mut Volume<bool>) {
        let Some(bounds) = crop::bounds(view) else {
            return;
        };
        let low = view.centre([0, 1, 2].map(|axis| bounds[axis].start)).0;
        let high = view.centre([0, 1, 2].map(|axis| bounds[axis].end - 1)).0;
        let middle = [0, 1].map(|axis| (low[axis] + high[axis]) / 2.0);
        for at in 0..view.data().len() {
            if view.data()[at] {
                let [x, y, z] = view.centre(view.index(at)).0;
                let slope = self.slopes[0] * (x - middle[0]) + self.slopes[1] * (y - middle[1]);
                view.data_mut()[at] = z >= high[2] - self.floor_mm + slope;
            }
        }
    }
}

/// Positions of samples along one axis of a voxel, mm from its centre.
fn samples(spacing_mm: f64) -> Vec<f64> {
    let width = spacing_mm.max(BLUR_MM);
    let n = (width / SAMPLE_MM).ceil();
    (0..n as usize)
        .map(|k| ((k as f64 + 0.5) / n - 0.5) * width)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::components;

    /// A closed shell, 140 mm across and 7 mm thick, far from 0.
    fn shell() -> Volume<bool> {
        let to_lps = Map::new([
            [2.0, 0.0, 0.0, 100.0],
            [0.0, 2.0, 0.0, -300.0],
            [0.0, 0.0, 2.0, 40.0],
        ]);
        let n = 76;
        let of = |v: usize| 2.0 * v as f64 - 75.0;
        let data = (0..n * n * n)
            .map(|at| [at % n, at / n % n, at / (n * n)].map(of))
            .map(|[x, y, z]| (63.0..70.0).contains(&(x * x + y * y + z * z).sqrt()))
            .collect();
        Volume::new([n; 3], data, to_lps).unwrap()
    }

    #[test]
    fn a_view_shows_the_same_skull_and_differs_by_seed() {
        let skull = shell();
        for seed in 0..2 {
            let view = View::draw(seed);
            let seen = view.of(&skull).unwrap();
            assert_ne!(View::draw(seed), View::draw(seed + 1));
            let bounds = crop::bounds(&seen).unwrap();
            let width = bounds[0].len() as f64 * seen.spacing_mm()[0];
            assert!((width - 140.0).abs() < 4.0, "{seed}: {width} mm wide");
            let whole = components::largest(&seen);
            assert!(whole.count() as f64 > 0.999 * seen.count() as f64);
            // Nothing but the part under the floor is gone: as much bone a millimetre of height as before.
            let height = bounds[2].len() as f64 * seen.spacing_mm()[2];
            let shares = (seen.mm3() / height) / (skull.mm3() / 140.0);
            assert!((0.7..1.3).contains(&shares), "{seed}: {shares}");
        }
    }

    #[test]
    fn a_turned_view_turns_back() {
        let view = View::draw(9);
        let at = Point::new([12.0, -240.0, 70.0]);
        let back = view.unseen(view.seen(at));
        // Rotations are kept in single precision.
        assert!(back.minus(at).length() < 1e-3, "{back:?}");
    }

    #[test]
    fn nothing_can_not_be_seen() {
        let nothing = shell().map(|_| false);
        assert!(matches!(
            View::draw(1).of(&nothing),
            Err(PhantomError::Empty)
        ));
    }
}
