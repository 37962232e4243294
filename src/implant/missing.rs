//! Missing: is there a defect, and which voxels would be bone?
//!
//! The network says where; rays through the vault say whether there is a hole at all, and how far it goes. Each
//! body has to pass: large enough, hardly any bone behind it, a border of bone, a place on the vault.

use super::chart::{Chart, sphere};
use super::field::Sampled;
use super::place;
use super::rules::Rules;
use super::vault::Vault;
use crate::space::{Lps, Point};
use crate::status::{Finding, Side};
use crate::volume::components::{self, Connectivity};
use crate::volume::crop::{IndexBox, bounds, crop};
use crate::volume::{Volume, morphology};
use rayon::prelude::*;

/// More than this is no implant but a network that does not know: the largest training implant has 73 ml.
const PREDICTED_MOST_ML: f64 = 500.0;
/// Bodies that are looked at, the largest first.
const BODIES_MOST: usize = 8;
/// Share of a body's rays that must pass the vault without meeting bone.
const FREE_LEAST: f64 = 0.5;
/// Share of the hole's border that must be bone.
const BORDER_LEAST: f64 = 0.6;
/// Holes under this are pinholes, mm2.
const HOLE_LEAST_MM2: f64 = 100.0;
/// Share of the hole that the prediction must cover.
const COVERED_LEAST: f64 = 0.1;
/// Share of the hole that must lie on the vault: above the brow and the ears.
const VAULTED_LEAST: f64 = 0.6;
/// The sphere is fitted to the skin this far around a body.
const AROUND_MM: f64 = 65.0;
/// Rays beyond the hole's outline that may still hold missing bone, mm.
const EDGE_MM: f64 = 1.5;

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

/// One hole.
#[derive(Clone, Debug)]
pub struct Body {
    /// Volume of the missing bone, mm3.
    pub mm3: f64,
    /// Area of the hole on the outer table, mm2.
    pub area_mm2: f64,
    /// Middle of the missing bone.
    pub centroid: Point<Lps>,
    /// Patient's left, right, or across the midline.
    pub side: Side,
    /// Where it lies, in words.
    pub region: String,
    /// Large enough for a part of its own.
    pub printed: bool,
    /// How it was surveyed.
    pub(super) chart: Chart,
    pub(super) reach_mm: f64,
}

/// Nothing in the answer is a hole in the skull.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}", finding.text)]
pub struct NoDefect {
    /// The finding `no_defect`, with the reason.
    pub finding: Finding,
}

impl NoDefect {
    fn because(why: &str) -> Self {
        let text = format!(
            "No defect found: {why} Nothing was designed. Check that this is the scan with the hole."
        );
        Self {
            finding: Finding::refuse("no_defect", text),
        }
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
) -> Result<Missing, NoDefect> {
    if probability.shape() != skull.shape() {
        return Err(NoDefect::because(
            "the answer is on another grid than the skull.",
        ));
    }
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
        let mut none = NoDefect::because(&why);
        none.finding = none
            .finding
            .value(predicted_ml, "ml")
            .limit(PREDICTED_MOST_ML);
        return Err(none);
    }
    let (Some(head), Some(near)) = (bounds(skull), bounds(&hit)) else {
        return Err(NoDefect::because("the network marks nothing as missing."));
    };
    let least_voxels = rules.body_least_mm3 / skull.voxel_mm3();
    let candidates = candidates(&hit, skull, &near, least_voxels);
    if candidates.is_empty() {
        let mut none = NoDefect::because("what the network marks is smaller than a hole.");
        none.finding = none
            .finding
            .value(predicted_ml, "ml")
            .limit(rules.body_least_mm3 / 1000.0);
        return Err(none);
    }

    let middle = place::middle(skull, &head);
    let scene = Scene {
        probability,
        skull,
        rules,
        skin: place::skin(skull, &head, middle),
        middle,
    };
    let mut refusals = Vec::new();
    let mut holes: Vec<(Vault, Volume<bool>)> = Vec::new();
    let mut taken = skull.with(vec![false; skull.data().len()]);
    for (centroid, voxels) in candidates {
        if taken.get(voxels).copied().unwrap_or(false) {
            continue;
        }
        match scene.hole(centroid) {
            Ok(vault) => {
                let body = scene.paint(&vault);
                let overlap = body.data().iter().zip(taken.data()).any(|(&a, &b)| a && b);
                if body.mm3() >= rules.body_least_mm3 && !overlap {
                    (taken.data_mut().iter_mut().zip(body.data())).for_each(|(t, &b)| *t |= b);
                    holes.push((vault, body));
                }
            }
            Err(why) => refusals.push(why),
        }
    }
    if holes.is_empty() {
        let why = refusals
            .first()
            .map_or("no ray passes the skull there.", String::as_str);
        return Err(NoDefect::because(why));
    }
    holes.sort_by_key(|(_, body)| std::cmp::Reverse(body.count()));
    Ok(scene.missing(&holes, taken, refusals.len()))
}

/// Predicted bodies outside the skull: where they are, and one voxel of each. The largest first.
fn candidates(
    hit: &Volume<bool>,
    skull: &Volume<bool>,
    near: &IndexBox,
    least: f64,
) -> Vec<(Point<Lps>, [i64; 3])> {
    let hit = crop(hit, near);
    let skull = crop(skull, near);
    let free = hit.with(
        hit.data()
            .iter()
            .zip(skull.data())
            .map(|(&h, &s)| h && !s)
            .collect(),
    );
    let opened = morphology::open_mm(&free, 1.0);
    // Where opening takes most of it (a squama), the body is taken as it is.
    let kept = opened.count() as f64 > 0.6 * free.count() as f64;
    let labels = components::label(if kept { &opened } else { &free }, Connectivity::All);
    let large = labels
        .sizes
        .iter()
        .take_while(|&&n| n as f64 >= least)
        .take(BODIES_MOST);
    (1..=large.count() as u32)
        .filter_map(|label| {
            let body = labels.mask(label);
            let centroid = body.centroid()?;
            let first = body.index(body.data().iter().position(|&v| v)?);
            let voxel = [0, 1, 2].map(|a| (first[a] + near[a].start) as i64);
            Some((centroid, voxel))
        })
        .collect()
}

struct Scene<'a> {
    probability: &'a Volume<f32>,
    skull: &'a Volume<bool>,
    rules: &'a Rules,
    /// Middle of the head.
    middle: Point<Lps>,
    /// Outer skin of its vault.
    skin: Vec<Point<Lps>>,
}

impl Scene<'_> {
    /// The hole around a body, or why it is none.
    fn hole(&self, centroid: Point<Lps>) -> Result<Vault, String> {
        let near = self
            .skin
            .iter()
            .filter(|p| p.minus(centroid).length() < AROUND_MM);
        let points: Vec<_> = near.copied().collect();
        let (centre, radius) = sphere(&points, self.middle, 12.0)
            .filter(|(c, r)| (45.0..140.0).contains(r) && c.minus(self.middle).length() < 70.0)
            .ok_or("there is no vault around what the network marks.")?;
        let chart = Chart::new(centre, radius, centroid.minus(centre))
            .ok_or("it lies in the middle of the head.")?;
        let bone = Sampled::new(self.skull, 0.0);
        let bone = |p: Point<Lps>| 0.5 - bone.at(p, |v| if v { 1.0 } else { 0.0 });
        let predicted = Sampled::new(self.probability, 0.0);
        let threshold = self.rules.threshold;
        let predicted = |p: Point<Lps>| threshold - predicted.at(p, |v| v);

        let none = "no ray passes the skull where the network marks it as missing.";
        let first = Vault::survey(chart, 80.0, &bone, &predicted).ok_or(none)?;
        let ((u, v), far) = first.extent();
        let chart = chart.turned_to(u, v).ok_or(none)?;
        let vault = Vault::survey(chart, (far + 22.0).min(115.0), &bone, &predicted).ok_or(none)?;
        self.judge(&vault)?;
        Ok(vault)
    }

    fn judge(&self, vault: &Vault) -> Result<(), String> {
        let area = vault.area_mm2();
        if area < HOLE_LEAST_MM2 {
            return Err(format!("the hole is {:.1} cm2, a pinhole.", area / 100.0));
        }
        let percent = |x: f64| x * 100.0;
        if vault.free < FREE_LEAST {
            return Err(format!(
                "only {:.0} % of what the network marks has no bone behind it, {:.0} % are wanted.",
                percent(vault.free),
                percent(FREE_LEAST)
            ));
        }
        if vault.covered < COVERED_LEAST {
            return Err(format!(
                "the network marks only {:.0} % of the hole.",
                percent(vault.covered)
            ));
        }
        if vault.bordered < BORDER_LEAST {
            return Err(format!(
                "only {:.0} % of the border is bone, {:.0} % are wanted.",
                percent(vault.bordered),
                percent(BORDER_LEAST)
            ));
        }
        let vaulted = vault.share(|at| place::on_vault(at, self.middle));
        if vaulted < VAULTED_LEAST {
            return Err("it lies under the vault (orbit, face, skull base or neck).".into());
        }
        Ok(())
    }

    /// Voxels of the missing bone of one hole: between the tables, not skull, one body.
    fn paint(&self, vault: &Vault) -> Volume<bool> {
        let wide = morphology::dilate_mm(&vault.hole.volume(), EDGE_MM);
        let wide = vault.hole.with(wide.into_data());
        let region = vault.voxels(self.skull);
        let mut out = self.skull.with(vec![false; self.skull.data().len()]);
        let [ni, nj, _] = self.skull.shape();
        out.data_mut()
            .par_chunks_mut(ni * nj)
            .enumerate()
            .filter(|(k, _)| region[2].contains(k))
            .for_each(|(k, slice)| {
                for j in region[1].clone() {
                    for i in region[0].clone() {
                        let [u, v, r] = vault.chart.locate(self.skull.centre([i, j, k]));
                        if wide.nearest(u, v) != Some(true) {
                            continue;
                        }
                        let outer = vault.outer.sample(u, v);
                        let bone = r <= outer && r >= outer - vault.thickness.sample(u, v);
                        slice[j * ni + i] = bone && !self.skull.data()[(k * nj + j) * ni + i];
                    }
                }
            });
        components::largest_by(&out, Connectivity::Face)
    }

    fn missing(
        &self,
        holes: &[(Vault, Volume<bool>)],
        mask: Volume<bool>,
        refused: usize,
    ) -> Missing {
        let mut findings = Vec::new();
        let midline = place::midline(self.skull, &mask);
        let bodies: Vec<Body> = holes
            .iter()
            .map(|(vault, body)| {
                // A body that was painted has voxels.
                let centroid = body.centroid().unwrap_or(self.middle);
                let area_mm2 = vault.area_mm2();
                Body {
                    mm3: body.mm3(),
                    area_mm2,
                    centroid,
                    side: place::side(body, midline),
                    region: place::region(centroid, self.middle).into(),
                    printed: area_mm2 >= self.rules.part_least_cm2 * 100.0,
                    chart: vault.chart,
                    reach_mm: (vault.extent().1 + 22.0).min(115.0),
                }
            })
            .collect();
        for (body, (vault, _)) in bodies.iter().zip(holes) {
            findings.extend(self.report(body, vault));
        }
        if refused > 0 {
            let text = "The network marks other places as missing too; they are no holes and were left out.";
            findings.push(Finding::info("not_a_hole", text).value(refused as f64, ""));
        }
        Missing {
            side: place::side(&mask, midline),
            region: bodies.first().map(|b| b.region.clone()).unwrap_or_default(),
            mask,
            bodies,
            findings,
        }
    }

    fn report(&self, body: &Body, vault: &Vault) -> Vec<Finding> {
        let side = match body.side {
            Side::Left => "left",
            Side::Right => "right",
            Side::Both => "across the midline",
        };
        let text = format!(
            "Hole in the skull: {} {side}, {:.0} ml of bone are missing.",
            body.region,
            body.mm3 / 1000.0
        );
        let mut findings = vec![Finding::info("defect", text).value(body.area_mm2 / 100.0, "cm2")];
        if !body.printed {
            let text = format!(
                "This hole ({}) is too small for a part of its own and is not printed.",
                body.region
            );
            let finding = Finding::warn("small_hole", text);
            findings.push(
                finding
                    .value(body.area_mm2 / 100.0, "cm2")
                    .limit(self.rules.part_least_cm2),
            );
        }
        if vault.open {
            let text = "The hole runs out of the vault; there the network alone ends the part. Look at its border.";
            findings.push(Finding::warn("open_rim", text).value(vault.bordered * 100.0, "%"));
        }
        if vault.covered < 0.5 {
            let text = "The network marks less than half of the hole; the bone around it gave the rest of the shape.";
            findings.push(
                Finding::warn("network_short", text)
                    .value(vault.covered * 100.0, "%")
                    .limit(50.0),
            );
        }
        findings
    }
}
