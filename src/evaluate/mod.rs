//! Evaluate: how good a prediction is, by the field's measures.
//!
//! In:    masks of one grid: what was missing (truth), what was answered (prediction), the defective skull.
//! Out:   [`Scores`] of a case; [`Summary`] of many; the [`mirror`] baseline, which every network has to beat.
//! Holds: nothing is dropped. An empty answer scores DSC 0 and its distances are `None`, counted beside each
//!        mean; an intact head has a rate of its own and is in no mean.
//! Never: reads or writes a file, resamples a mask.
//! Cost:  three exact distance transforms on the box of truth and prediction, one line scan for the visible
//!        surface. The definitions and their pitfalls: `docs/` and the golden vectors in
//!        `tests/fixtures/metrics_golden.json`, matched to 1e-6.

use crate::space::{Lps, Point};
use crate::volume::crop::{self, IndexBox};
use crate::volume::{Volume, distance};
use serde::Serialize;

mod csv;
mod metric;
pub mod mirror;
mod parts;
mod row;
mod summary;
mod surface;
mod visible;

pub use csv::{csv, regions_csv};
pub use metric::Metric;
pub use parts::Part;
pub use row::{Grid, Method, Row};
pub use summary::{Summary, summarise};

/// Border Dice looks at what lies within this of bone, mm; inclusive.
pub const BORDER_MM: f64 = 10.0;
/// A prediction under this DSC is misplaced.
pub const MISPLACED_DSC: f64 = 0.1;
/// A prediction whose centroid is further off than this is misplaced, mm.
pub const MISPLACED_MM: f64 = 20.0;

/// Why two masks can not be compared.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum EvaluateError {
    /// Another grid than the truth's.
    #[error(
        "the {what} lies on another grid ({}x{}x{}) than the truth ({}x{}x{}), or {offset_mm:.3} mm off. \
         Give masks of one scan.", got[0], got[1], got[2], want[0], want[1], want[2]
    )]
    Grid {
        /// Which mask.
        what: &'static str,
        /// Its shape.
        got: [usize; 3],
        /// The truth's shape.
        want: [usize; 3],
        /// Largest distance between corners of the two grids, mm.
        offset_mm: f64,
    },
}

/// What kind of answer it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Something was missing, and something was answered in its place.
    Scored,
    /// Something was answered, but elsewhere: DSC under [`MISPLACED_DSC`] or centroid off by more than
    /// [`MISPLACED_MM`].
    Misplaced,
    /// Something was missing, nothing was answered.
    Miss,
    /// Nothing was missing, something was answered.
    FalseAlarm,
    /// Nothing was missing, nothing was answered.
    NoDefect,
}

/// All measures of one case. `None` where a measure is not defined; never a number in its place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// What kind of answer it was.
    pub outcome: Outcome,
    /// Volume of the truth, ml.
    pub truth_ml: f64,
    /// Volume of the prediction, ml.
    pub prediction_ml: f64,
    /// Voxels of the prediction that are bone in the defective skull.
    pub prediction_in_skull: usize,
    /// Distance between the two centroids, mm.
    pub centroid_mm: Option<f64>,
    /// Dice similarity coefficient, 0 to 1.
    pub dsc: f64,
    /// Dice of what lies within [`BORDER_MM`] of bone.
    pub bdsc: f64,
    /// Hausdorff distance of the surfaces, mm.
    pub hd: Option<f64>,
    /// 95th percentile of both directed distances pooled, mm.
    pub hd95: Option<f64>,
    /// Mean distance from the prediction's surface to the truth's, mm.
    pub asd_prediction_to_truth: Option<f64>,
    /// Mean distance from the truth's surface to the prediction's, mm.
    pub asd_truth_to_prediction: Option<f64>,
    /// Mean of the two directed means, mm.
    pub assd: Option<f64>,
    /// Hausdorff distance of what is visible from five sides, mm.
    pub sdh: Option<f64>,
    /// Volumetric error rate, percent of the truth; may exceed 100.
    pub ver_percent: Option<f64>,
    /// False positives over all voxels that are not truth: compare on the same grid only.
    pub fpr: Option<f64>,
    /// False negatives over the truth.
    pub fnr: Option<f64>,
    /// Diagonal of the grid, mm: stands for an undefined distance in the second mean.
    pub diagonal_mm: f64,
}

/// Scores a prediction. All three masks lie on one grid.
///
/// # Errors
/// [`EvaluateError::Grid`] when they do not.
pub fn score(
    truth: &Volume<bool>,
    prediction: &Volume<bool>,
    defective: &Volume<bool>,
) -> Result<Scores, EvaluateError> {
    same_grid("prediction", truth, prediction)?;
    same_grid("defective skull", truth, defective)?;
    let boxed = hull_of(truth, prediction);
    let all = truth.data().len();
    // Nothing beyond the box of both is counted as anything but right.
    let counts = boxed.as_ref().map_or_else(Counts::default, |boxed| {
        let [t, p, s] = [truth, prediction, defective].map(|mask| crop::crop(mask, boxed));
        Counts::of(&t, &p, &s)
    });
    let centroid_mm = centroid_distance(truth, prediction);
    let ml = truth.voxel_mm3() / 1000.0;
    let spacing = truth.spacing_mm();
    let diagonal_mm = (0..3)
        .map(|a| (truth.shape()[a] as f64 * spacing[a]).powi(2))
        .sum::<f64>()
        .sqrt();
    let mut scores = Scores {
        outcome: counts.outcome(centroid_mm),
        truth_ml: counts.truth() as f64 * ml,
        prediction_ml: counts.prediction() as f64 * ml,
        prediction_in_skull: counts.in_skull,
        centroid_mm,
        dsc: dice(counts.both, counts.truth(), counts.prediction()),
        bdsc: 0.0,
        hd: None,
        hd95: None,
        asd_prediction_to_truth: None,
        asd_truth_to_prediction: None,
        assd: None,
        sdh: None,
        ver_percent: ratio(counts.extra + counts.lost, counts.truth()).map(|r| 100.0 * r),
        fpr: ratio(counts.extra, all - counts.truth()),
        fnr: ratio(counts.lost, counts.truth()),
        diagonal_mm,
    };
    match boxed.filter(|_| counts.truth() > 0 && counts.prediction() > 0) {
        Some(boxed) => {
            scores.bdsc = border_dice(truth, prediction, defective, &boxed);
            let surfaces = surface::compare(truth, prediction, &boxed);
            scores.hd = Some(surfaces.hd);
            scores.hd95 = Some(surfaces.hd95);
            scores.asd_prediction_to_truth = Some(surfaces.asd_prediction_to_truth);
            scores.asd_truth_to_prediction = Some(surfaces.asd_truth_to_prediction);
            scores.assd =
                Some(0.5 * (surfaces.asd_prediction_to_truth + surfaces.asd_truth_to_prediction));
            scores.sdh = visible::compare(truth, prediction, defective, &boxed).sdh;
        }
        None if counts.truth() + counts.prediction() == 0 => {
            scores.bdsc = 1.0;
            for distance in [
                &mut scores.hd,
                &mut scores.hd95,
                &mut scores.asd_prediction_to_truth,
                &mut scores.asd_truth_to_prediction,
                &mut scores.assd,
                &mut scores.sdh,
            ] {
                *distance = Some(0.0);
            }
        }
        None => {}
    }
    Ok(scores)
}

/// Refuses a mask on another grid than the truth's: other shape, or corners more than a tenth of a voxel apart.
fn same_grid(
    what: &'static str,
    truth: &Volume<bool>,
    other: &Volume<bool>,
) -> Result<(), EvaluateError> {
    let (want, got) = (truth.shape(), other.shape());
    let corner = |n: usize| -> Point<_> {
        Point::new([0, 1, 2].map(|a| if n >> a & 1 == 1 { want[a] as f64 } else { 0.0 }))
    };
    let offset_mm = (0..8)
        .map(|n| {
            let here: Point<Lps> = truth.to_lps().apply(corner(n));
            other.to_lps().apply(corner(n)).minus(here).length()
        })
        .fold(0.0, f64::max);
    let voxel = truth.spacing_mm().into_iter().fold(f64::INFINITY, f64::min);
    if got == want && offset_mm <= 0.1 * voxel {
        Ok(())
    } else {
        Err(EvaluateError::Grid {
            what,
            got,
            want,
            offset_mm,
        })
    }
}

/// The box that holds all of both; `None` when both are empty.
fn hull_of(truth: &Volume<bool>, prediction: &Volume<bool>) -> Option<IndexBox> {
    match (crop::bounds(truth), crop::bounds(prediction)) {
        (Some(t), Some(p)) => Some(crop::hull(&t, &p)),
        (one, other) => one.or(other),
    }
}

fn centroid_distance(truth: &Volume<bool>, prediction: &Volume<bool>) -> Option<f64> {
    Some(prediction.centroid()?.minus(truth.centroid()?).length())
}

#[derive(Default)]
struct Counts {
    both: usize,
    extra: usize,
    lost: usize,
    in_skull: usize,
}

impl Counts {
    fn of(truth: &Volume<bool>, prediction: &Volume<bool>, skull: &Volume<bool>) -> Self {
        let mut counts = Self::default();
        let all = truth.data().iter().zip(prediction.data()).zip(skull.data());
        for ((&t, &p), &s) in all {
            counts.both += usize::from(t && p);
            counts.extra += usize::from(p && !t);
            counts.lost += usize::from(t && !p);
            counts.in_skull += usize::from(p && s);
        }
        counts
    }
    fn truth(&self) -> usize {
        self.both + self.lost
    }
    fn prediction(&self) -> usize {
        self.both + self.extra
    }
    fn outcome(&self, centroid_mm: Option<f64>) -> Outcome {
        match (self.truth(), self.prediction()) {
            (0, 0) => Outcome::NoDefect,
            (0, _) => Outcome::FalseAlarm,
            (_, 0) => Outcome::Miss,
            (t, p) => {
                let far = centroid_mm.is_some_and(|mm| mm > MISPLACED_MM);
                if far || dice(self.both, t, p) < MISPLACED_DSC {
                    Outcome::Misplaced
                } else {
                    Outcome::Scored
                }
            }
        }
    }
}

/// Dice from counts; two empty sets agree.
fn dice(both: usize, a: usize, b: usize) -> f64 {
    if a + b == 0 {
        1.0
    } else {
        2.0 * both as f64 / (a + b) as f64
    }
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Dice of the voxels within [`BORDER_MM`] of bone; 0 when neither mask has one there.
fn border_dice(
    truth: &Volume<bool>,
    prediction: &Volume<bool>,
    defective: &Volume<bool>,
    boxed: &IndexBox,
) -> f64 {
    // Bone that counts for a voxel of the box lies within 10 mm of the box.
    let wide = crop::grown(truth, boxed, BORDER_MM);
    let bone = distance::squared_mm2_f64(&crop::crop(defective, &wide));
    let (truth, prediction) = (crop::crop(truth, &wide), crop::crop(prediction, &wide));
    // Inclusive, also when the affine gives the spacing as 0.9999999999.
    let limit = BORDER_MM * BORDER_MM * (1.0 + 1e-9);
    let (mut both, mut t_near, mut p_near) = (0, 0, 0);
    for ((&d, &t), &p) in bone.data().iter().zip(truth.data()).zip(prediction.data()) {
        if d <= limit {
            both += usize::from(t && p);
            t_near += usize::from(t);
            p_near += usize::from(p);
        }
    }
    if t_near + p_near == 0 {
        0.0
    } else {
        dice(both, t_near, p_near)
    }
}

#[cfg(test)]
mod golden;
