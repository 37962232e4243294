//! Case: one case's files become its rows: prediction and mirror, natively and at 1 mm.

use super::folder::Case;
use crate::cli::Failure;
use crate::evaluate::{self, Grid, Method, Row, Scores, mirror};
use crate::head;
use crate::intake::{self, Limits, Orientation, Refusal};
use crate::skull::{Frame, FrameSpec};
use crate::volume::Volume;
use crate::volume::axes::Canonical;
use std::path::Path;
use std::time::{Duration, Instant};

/// Where a case's time went.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    pub(super) read: Duration,
    /// With the look at the vault beside it.
    pub(super) native: Duration,
    pub(super) mirror: Duration,
    /// With the mirror's native scores.
    pub(super) millimetre: Duration,
}

impl Spent {
    pub(super) fn all(&self) -> Duration {
        self.read + self.native + self.mirror + self.millimetre
    }
}

/// Prediction and mirror on both grids; the prediction's native row is the first, the mirror's the second.
///
/// Unpacking, scoring, looking and resampling are mostly serial: what does not need the other goes side by side.
///
/// # Errors
/// A mask that can not be read or lies on another grid: a sentence with the case and the file.
pub(super) fn rows(case: &Case, given: Option<Orientation>) -> Result<(Vec<Row>, Spent), Failure> {
    let mut spent = Spent::default();
    let mut last = Instant::now();
    let mut lap = || std::mem::replace(&mut last, Instant::now()).elapsed();

    let (truth, (prediction, skull)) = rayon::join(
        || mask(&case.truth, given),
        || {
            rayon::join(
                || mask(&case.prediction, given),
                || mask(&case.defective, given),
            )
        },
    );
    let truth = truth?;
    let prediction = in_order_of(&truth, prediction?);
    let skull = in_order_of(&truth, skull?);
    spent.read = lap();

    let (scores, look) = rayon::join(
        || score(case, &truth, &prediction, &skull),
        || head::look(&skull),
    );
    let scores = scores?;
    spent.native = lap();

    let axes = look.map(|look| look.axes);
    let centroid = truth.centroid();
    let region = (axes.zip(centroid)).map(|(axes, at)| head::Region::of(axes.locate(at)));
    let side = (axes.filter(|_| centroid.is_some())).map(|axes| axes.side(&truth));
    let row = |grid, method, scores| Row {
        case: case.key.clone(),
        skull: case.skull().to_owned(),
        grid,
        method,
        region,
        side,
        scores,
    };
    let mut rows = vec![row(Grid::Native, Method::Prediction, scores)];

    // No vault, no plane: then the mirror answers nothing, and that is scored.
    let mirrored = match look {
        Some(look) => mirror::baseline(&skull, &look.plane, centroid),
        None => skull.map(|_| false),
    };
    spent.mirror = lap();

    let spec = FrameSpec {
        voxel_mm: 1.0,
        ..FrameSpec::default()
    };
    let (scores, coarse) = rayon::join(
        || score(case, &truth, &mirrored, &skull),
        || Frame::fit(&skull, &spec),
    );
    rows.push(row(Grid::Native, Method::Mirror, scores?));
    match coarse {
        Ok(frame) => {
            let forward = |mask: &Volume<bool>| {
                let cells = frame.forward(mask).map_err(Failure::failed)?;
                Ok::<_, Failure>(cells.map(|&f| f >= 0.5))
            };
            let (truth, skull) = rayon::join(|| forward(&truth), || forward(&skull));
            let (truth, skull) = (truth?, skull?);
            let scored = |answer| score(case, &truth, &forward(answer)?, &skull);
            let (own, mirrors) = rayon::join(|| scored(&prediction), || scored(&mirrored));
            rows.push(row(Grid::Millimetre, Method::Prediction, own?));
            rows.push(row(Grid::Millimetre, Method::Mirror, mirrors?));
        }
        // The table says of how many cases it is.
        Err(why) => tracing::warn!("case {}: no scores at 1 mm: {why}", case.key),
    }
    spent.millimetre = lap();
    Ok((rows, spent))
}

fn score(
    case: &Case,
    truth: &Volume<bool>,
    answer: &Volume<bool>,
    skull: &Volume<bool>,
) -> Result<Scores, Failure> {
    evaluate::score(truth, answer, skull).map_err(|e| {
        let files = [&case.truth, &case.prediction, &case.defective].map(|f| f.display());
        let [truth, prediction, defective] = files;
        Failure::usage(format!(
            "case {}: {e} Truth: {truth}, prediction: {prediction}, defective skull: {defective}.",
            case.key
        ))
    })
}

/// A mask; `given` is for a file that does not say where its axes lead. A case often has both: what was predicted says.
fn mask(path: &Path, given: Option<Orientation>) -> Result<Volume<bool>, Failure> {
    let limits = Limits::default();
    let said = intake::read_mask(path, &limits);
    let read = match (said, given) {
        (Err(Refusal::NoOrientation { .. }), Some(_)) => {
            let orientation = given;
            intake::read_mask(
                path,
                &Limits {
                    orientation,
                    ..limits
                },
            )
        }
        (said, _) => said,
    };
    read.map_err(|e| Failure::refused(format!("{} is no mask to score: {e}", path.display())))
}

/// The mask with its axes permuted and flipped to the order of `like`: NRRD and NIfTI of one scan often differ.
fn in_order_of(like: &Volume<bool>, mask: Volume<bool>) -> Volume<bool> {
    let wanted = [0, 1, 2].map(|axis| {
        let column = like.to_lps().column(axis);
        column.times(1.0 / column.length())
    });
    let order = Canonical::closest(&mask, wanted);
    if order.source == [0, 1, 2] && order.flipped == [false; 3] {
        mask
    } else {
        order.apply(&mask)
    }
}
