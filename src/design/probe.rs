//! Probe: a phantom goes through everything that needs a model, and the answer is held against its truth. For whoever
//! wants to know whether weights, atlases and the program fit each other on this machine; no case, and no file.
//!
//! | asked by | what goes through |
//! |---|---|
//! | [`whole_line`] | a head as a scanner sees it: skull, facing, network, decision |
//! | [`network_answer`] | a coarse head; the network answers a box around its hole, through every layer with every weight. A tenth of the work: it has to end on every machine, an emulated one too |

use super::stages::{self, Models, Scan};
use super::{Case, Ended, Options, Watcher};
use crate::network::{self, Device, Target};
use crate::phantom::{self, Atlas, Defect, Grid, Recipe};
use crate::skull::Skull;
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
/// Least extent of the box that the network is asked about, mm: the hole with bone all round. In one of 96 mm the network
/// finds nothing any more: its norms are those of the box.
const BOX_MM: f64 = 112.0;
/// Its cells are a multiple of this along each axis, so that every architecture can halve them.
const CELLS: usize = 16;
/// A cell of the truth that is missing bone by at least this much counts.
const HALF: f32 = 0.5;

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

/// Asks the models about the phantom, through the whole line. `model` is their folder; `None` looks in the usual places.
///
/// # Errors
/// Why there was no answer: a missing or altered file, or a head that was refused, which a phantom should not be.
pub fn whole_line(model: Option<&Path>, device: Device) -> Result<Answered, Reason> {
    asked(model, device, answer)
}

/// Asks the network about the box around a phantom's hole.
///
/// # Errors
/// As [`whole_line`].
pub fn network_answer(model: Option<&Path>, device: Device) -> Result<Answered, Reason> {
    asked(model, device, small_answer)
}

const NEXT: &str = "Put the model folder back that came with this version.";

fn asked(
    model: Option<&Path>,
    device: Device,
    answer: impl FnOnce(&Models, &Atlas, &mut Case<'_>) -> Result<[f64; 3], Ended>,
) -> Result<Answered, Reason> {
    let options = Options {
        model: model.map(Into::into),
        device,
        ..Options::default()
    };
    let mut silent = Silent;
    let mut case = Case::new(&mut silent);
    let run = || {
        let models = stages::load(&options, &mut case)?;
        let folder = network::find(model).map_err(|e| Ended::failed(e, NEXT))?;
        let atlas = Atlas::read(&folder).map_err(|e| Ended::failed(e, NEXT))?;
        let [dsc, truth_ml, found_ml] = answer(&models, &atlas, &mut case)?;
        let sha256 = &models.network.card().sha256;
        Ok(Answered {
            dsc,
            truth_ml,
            found_ml,
            weights: sha256[..8.min(sha256.len())].into(),
            device: models.network.device(),
        })
    };
    run().map_err(|ended| match ended {
        Ended::Refused(reason) | Ended::Failed(reason) => reason,
    })
}

/// DSC, true and found volume in ml.
fn answer(models: &Models, atlas: &Atlas, case: &mut Case<'_>) -> Result<[f64; 3], Ended> {
    let head = phantom::head(&RECIPE, atlas).map_err(|e| Ended::failed(e, NEXT))?;
    let skull = stages::find_skull(&Scan::Ct(head.ct), models, case)?;
    let probability = stages::answer(&models.network, &skull, case)?;
    let decided = (
        models.network.card().target,
        &stages::rules(&models.network),
    );
    let missing = stages::decide(&probability, &skull, decided, models.prior.as_ref())
        .map_err(|none: implant::NoDefect| Ended::failed(none, NEXT))?;
    let scores = evaluate::score(&head.removed, &missing.mask, &skull.mask)
        .map_err(|e| Ended::failed(e, NEXT))?;
    Ok([scores.dsc, scores.truth_ml, scores.prediction_ml])
}

/// The same of the network's own answer, in the cells of its box.
fn small_answer(models: &Models, atlas: &Atlas, case: &mut Case<'_>) -> Result<[f64; 3], Ended> {
    let head =
        phantom::head_on(&RECIPE, atlas, &Grid::COARSE).map_err(|e| Ended::failed(e, NEXT))?;
    let bone = head.ct.map(|&hu| hu >= models.threshold());
    let skull = Skull::from_mask(bone).map_err(|e| Ended::failed(e, NEXT))?;
    let card = models.network.card();
    let frame = stages::frame_of(&skull, card)?;
    let cells = |mask: &Volume<bool>| frame.forward(mask).map_err(|e| Ended::failed(e, NEXT));
    let (input, truth) = (
        stages::input(cells(&skull.mask)?, card),
        cells(&head.removed)?,
    );
    let inner = upper_box(&input, card.voxel_mm);
    let input = crop::crop(&input, &inner);
    let found = models
        .network
        .predict_part(&input, &mut |f| case.tell(f, ""))
        .map_err(|e| Ended::failed(e, NEXT))?;
    let least = card.threshold as f32;
    // A network that answers the complete skull: what is there is no find.
    let found = found.data().iter().zip(input.data());
    let found: Vec<bool> = found
        .map(|(&p, &bone)| p >= least && (card.target != Target::Skull || bone < HALF))
        .collect();
    let truth: Vec<bool> = crop::crop(&truth, &inner)
        .data()
        .iter()
        .map(|&share| share >= HALF)
        .collect();
    let count = |set: &mut dyn Iterator<Item = bool>| set.filter(|&v| v).count() as f64;
    let both = count(&mut found.iter().zip(&truth).map(|(&a, &b)| a && b));
    let (found, truth) = (
        count(&mut found.iter().copied()),
        count(&mut truth.iter().copied()),
    );
    let ml = card.voxel_mm.powi(3) / 1000.0;
    Ok([
        2.0 * both / (found + truth).max(1.0),
        truth * ml,
        found * ml,
    ])
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
