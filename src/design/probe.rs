//! Probe: a phantom goes through everything that needs a model, and the answer is held against its truth. For whoever
//! wants to know whether weights, atlases and the program fit each other on this machine; no case, and no file.
//!
//! It has to end on every machine, an emulated one too, so it is small where that takes nothing from what is looked at:
//! the head is scanned coarsely, and the network answers a box around the hole, through every layer with every weight.

use super::stages::{self, Scan};
use super::{Case, Ended, Options, Watcher};
use crate::network::{self, Device};
use crate::phantom::{self, Atlas, Defect, Grid, Recipe};
use crate::status::{Finding, Progress, Reason};
use crate::volume::Volume;
use crate::volume::crop::{self, IndexBox};
use crate::{evaluate, implant};
use std::path::Path;

/// The head that is asked about. Another seed is another head, with another score.
const RECIPE: Recipe = Recipe {
    seed: 1,
    defect: Defect::Vertex,
    chord_mm: Some(70.0),
};

/// Least extent of the box that the network is asked about, mm: the hole with some bone all round.
const BOX_MM: f64 = 112.0;
/// Its cells are a multiple of this along each axis, so that every architecture can halve them.
const CELLS: usize = 16;

/// What became of the phantom.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// DSC of the bone that was found missing and that which was taken out.
    pub dsc: f64,
    /// Bone that was taken out, ml.
    pub truth_ml: f64,
    /// Bone that was found missing, ml.
    pub found_ml: f64,
    /// First digits of the weights' hash.
    pub weights: String,
    /// Where the network ran.
    pub device: String,
}

/// Nobody is told.
struct Silent;

impl Watcher for Silent {
    fn progress(&mut self, _: &Progress) {}
    fn finding(&mut self, _: &Finding) {}
    fn seconds(&self) -> f64 {
        0.0
    }
}

/// Asks the models about the phantom. `model` is their folder; `None` looks in the usual places.
///
/// # Errors
/// Why there was no answer: a missing or altered file, or a head that was refused, which a phantom should not be.
pub fn phantom_answer(model: Option<&Path>, device: Device) -> Result<Answered, Reason> {
    answer(model, device).map_err(|ended| match ended {
        Ended::Refused(reason) | Ended::Failed(reason) => reason,
    })
}

fn answer(model: Option<&Path>, device: Device) -> Result<Answered, Ended> {
    let next = "Put the model folder back that came with this version.";
    let options = Options {
        model: model.map(Into::into),
        device,
        ..Options::default()
    };
    let mut silent = Silent;
    let mut case = Case::new(&mut silent);
    let models = stages::load(&options, &mut case)?;
    let folder = network::find(model).map_err(|e| Ended::failed(e, next))?;
    let atlas = Atlas::read(&folder).map_err(|e| Ended::failed(e, next))?;
    let head = phantom::head_on(&RECIPE, &atlas, &Grid::COARSE).map_err(|e| Ended::failed(e, next))?;
    let skull = stages::find_skull(&Scan::Ct(head.ct), &models, &mut case)?;
    let probability = stages::answer_with(&models.network, &skull, &mut case, |input, tell| {
        let inner = upper_box(&input, models.network.card().voxel_mm);
        let part = models
            .network
            .predict_part(&crop::crop(&input, &inner), tell)?;
        let mut whole = input.map(|_| 0.0);
        crop::paste(&mut whole, &part, inner.map(|r| r.start));
        Ok(whole)
    })?;
    let decided = (
        models.network.card().target,
        &stages::rules(&models.network),
    );
    let missing = stages::decide(&probability, &skull, decided, models.prior.as_ref())
        .map_err(|none: implant::NoDefect| Ended::failed(none, next))?;
    let scores = evaluate::score(&head.removed, &missing.mask, &skull.mask)
        .map_err(|e| Ended::failed(e, next))?;
    let sha256 = &models.network.card().sha256;
    Ok(Answered {
        dsc: scores.dsc,
        truth_ml: scores.truth_ml,
        found_ml: scores.prediction_ml,
        weights: sha256[..8.min(sha256.len())].into(),
        device: models.network.device(),
    })
}

/// The box around the top of the skull, where the hole is: axes of the frame are superior, left, posterior.
fn upper_box(input: &Volume<f32>, voxel_mm: f64) -> IndexBox {
    let wanted = (BOX_MM / voxel_mm).ceil().max(1.0) as usize;
    let wanted = wanted.div_ceil(CELLS) * CELLS;
    let shape = input.shape();
    let bone = input.map(|&v| v > 0.0);
    // The box ends a little above the highest bone.
    let top = crop::bounds(&bone).map_or(shape[0], |b| b[0].end + CELLS / 4);
    let middle = shape.map(|n| (n + wanted.min(n)) / 2);
    let ends = [top.min(shape[0]), middle[1], middle[2]];
    [0, 1, 2].map(|a| {
        let start = ends[a].saturating_sub(wanted);
        start..(start + wanted).min(shape[a])
    })
}
