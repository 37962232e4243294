//! Missing: is there a defect, and which voxels would be bone?
//!
//! The network says where; rays through the vault say whether there is a hole at all, and how far it goes. Each
//! body has to pass: large enough, hardly any bone behind it, a border of bone, a place on the vault.

use super::body::Body;
use super::candidate::candidates;
use super::opening::{NAMED_DEG, Opening, openings};
use super::place;
use super::rules::Rules;
use super::scene::Scene;
use crate::head::{self, Axes, Prior};
use crate::status::{Finding, Side};
use crate::volume::Volume;
use crate::volume::crop::bounds;
use rayon::prelude::*;

/// More than this is no implant but a network that does not know: the largest training implant has 73 ml.
const PREDICTED_MOST_ML: f64 = 500.0;

/// The bone that is not there.
#[derive(Clone, Debug)]
pub struct Missing {
    /// All bodies, full thickness, on the scan's own grid.
    pub mask: Volume<bool>,
    /// One entry a hole, the largest first.
    pub bodies: Vec<Body>,
    /// Side of all holes together.
    pub side: Side,
    /// Where the largest lies, in words.
    pub region: String,
    /// What people should know.
    pub findings: Vec<Finding>,
}

/// Nothing in the answer is a hole in the skull.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}", finding.text)]
pub struct NoDefect {
    /// The finding `no_defect`, with the reason.
    pub finding: Finding,
}

impl NoDefect {
    pub(super) fn because(why: &str) -> Self {
        let text = format!(
            "No defect found: {why} Nothing was designed. Check that this is the scan with the hole."
        );
        Self {
            finding: Finding::refuse("no_defect", text),
        }
    }

    /// The same, but the skull is open: that must not be called whole.
    fn although(mut self, open: &[Opening], axes: &Axes) -> Self {
        if let Some(largest) = open.first() {
            let text = format!(
                " The vault is open all the same ({}, {:.0} cm2).",
                place::region(largest.centre, axes),
                largest.mm2 / 100.0
            );
            self.finding.text.push_str(&text);
        }
        self
    }
}

/// Decides which of the predicted bone is missing.
///
/// `probability` and `skull` are on one grid.
///
/// # Errors
/// [`NoDefect`] with its reason.
pub fn missing(
    probability: &Volume<f32>,
    skull: &Volume<bool>,
    rules: &Rules,
    prior: Option<&Prior>,
) -> Result<Missing, NoDefect> {
    if probability.shape() != skull.shape() {
        return Err(NoDefect::because(
            "the answer is on another grid than the skull.",
        ));
    }
    let Some(hull) = bounds(skull) else {
        return Err(NoDefect::because("there is no skull."));
    };
    let look = head::look(skull);
    let axes = look.map_or_else(|| place::upright(skull, &hull), |look| look.axes);
    tracing::debug!(nod_deg = axes.nod_deg(), "axes");
    let least_mm2 = rules.part_least_cm2 * 100.0;
    let none = |why: &str| {
        let open = openings(skull, None, &axes, least_mm2, NAMED_DEG);
        NoDefect::because(why).although(&open, &axes)
    };
    let threshold = rules.threshold;
    let hit: Vec<bool> = probability
        .data()
        .par_iter()
        .map(|&p| p >= threshold)
        .collect();
    let hit = skull.with(hit);
    let predicted_ml = hit.mm3() / 1000.0;
    if predicted_ml > PREDICTED_MOST_ML {
        let why =
            format!("the network marks {predicted_ml:.0} ml as missing, more than any implant.");
        let mut none = none(&why);
        none.finding = none
            .finding
            .value(predicted_ml, "ml")
            .at_most(PREDICTED_MOST_ML);
        return Err(none);
    }
    let least_voxels = rules.body_least_mm3 / skull.voxel_mm3();
    let near = bounds(&hit);
    let candidates = (near.iter())
        .flat_map(|near| candidates(probability, &hit, skull, near, least_voxels))
        .collect::<Vec<_>>();
    tracing::debug!(candidates = candidates.len(), "candidates");
    let scene = Scene::new(skull, &hull, look, axes, rules, prior);
    let found = scene.found(&candidates);
    if !found.holes.is_empty() {
        return Ok(scene.missing(found));
    }
    if near.is_none() {
        return Err(none("the network marks nothing as missing."));
    }
    if candidates.is_empty() {
        let mut none = none("what the network marks is smaller than a hole.");
        none.finding = none
            .finding
            .value(predicted_ml, "ml")
            .at_least(rules.body_least_mm3 / 1000.0);
        return Err(none);
    }
    let why = (found.refused.first()).map_or("no ray passes the skull there.", |r| r.why.as_str());
    Err(none(why))
}
