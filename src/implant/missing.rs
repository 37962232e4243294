//! Missing: is there a defect, and which voxels would be bone?
//!
//! The network says where; rays through the vault say whether there is a hole at all, and how far it goes. Each
//! body has to pass: large enough, hardly any bone behind it, a border of bone, a place on the vault.

use super::candidate::{Candidate, candidates};
use super::chart::{Chart, sphere};
use super::field::Sampled;
use super::mirrored::Mirrored;
use super::opening::{Opening, openings};
use super::place;
use super::rules::Rules;
use super::vault::Vault;
use crate::head::{self, Axes};
use crate::space::{Lps, Map, Point};
use crate::status::{Finding, Side};
use crate::volume::components::{self, Connectivity};
use crate::volume::crop::{self, bounds, crop};
use crate::volume::{Volume, morphology};
use rayon::prelude::*;

/// More than this is no implant but a network that does not know: the largest training implant has 73 ml.
const PREDICTED_MOST_ML: f64 = 500.0;
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
/// A refused body this near to an open place is about that place, mm.
const SAME_PLACE_MM: f64 = 40.0;
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
    /// Its voxels alone, on a part of the scan's grid that holds them.
    pub(super) mask: Volume<bool>,
    /// How it was surveyed.
    pub(super) chart: Chart,
    pub(super) reach_mm: f64,
    /// The other half of the head, where the shape follows it.
    pub(super) mirrored: Option<Mirrored>,
}

impl Body {
    /// Region and the patient's own side, in words: `parietal left`.
    pub(super) fn place(&self) -> String {
        let side = match self.side {
            Side::Left => "left",
            Side::Right => "right",
            Side::Both => "across the midline",
        };
        format!("{} {side}", self.region)
    }
}

/// What stands before a finding, so that it is known which hole it is about: nothing where there is one, its place
/// where there are several, with a number where two have the same.
pub(super) fn labels<'a>(bodies: impl IntoIterator<Item = &'a Body>) -> Vec<String> {
    let places: Vec<String> = bodies.into_iter().map(Body::place).collect();
    if places.len() < 2 {
        return vec![String::new(); places.len()];
    }
    let label = |(n, place): (usize, &String)| {
        let same = |others: &[String]| others.iter().filter(|p| *p == place).count();
        match same(&places) {
            1 => format!("{place}: "),
            _ => format!("{place} ({}): ", same(&places[..n]) + 1),
        }
    };
    places.iter().enumerate().map(label).collect()
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

/// A place that the network marks and that is no hole.
struct Refused {
    at: Point<Lps>,
    why: String,
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
    let Some(hull) = bounds(skull) else {
        return Err(NoDefect::because("there is no skull."));
    };
    let look = head::look(skull);
    // The middle of a box is no plane of symmetry.
    let reflection = look.map(|look| Reflection {
        map: look.plane.reflection(),
        off_mm: look.doubt.reflected_mm(),
    });
    let axes = look.map_or_else(|| place::upright(skull, &hull), |look| look.axes);
    tracing::debug!(nod_deg = axes.nod_deg(), "axes");
    let least_mm2 = rules.part_least_cm2 * 100.0;
    let none = |why: &str| {
        let open = openings(skull, None, &axes, least_mm2);
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
    let Some(near) = bounds(&hit) else {
        return Err(none("the network marks nothing as missing."));
    };
    let least_voxels = rules.body_least_mm3 / skull.voxel_mm3();
    let candidates = candidates(probability, &hit, skull, &near, least_voxels);
    if candidates.is_empty() {
        let mut none = none("what the network marks is smaller than a hole.");
        none.finding = none
            .finding
            .value(predicted_ml, "ml")
            .at_least(rules.body_least_mm3 / 1000.0);
        return Err(none);
    }

    tracing::debug!(candidates = candidates.len(), "candidates");
    let scene = Scene {
        skull,
        rules,
        skin: place::skin(skull, &hull, &axes),
        axes,
        reflection,
    };
    tracing::debug!("skin found");
    let mut refused = Vec::new();
    let mut holes: Vec<(Vault, Volume<bool>)> = Vec::new();
    let mut taken = skull.with(vec![false; skull.data().len()]);
    for candidate in &candidates {
        if taken.get(candidate.voxel).copied().unwrap_or(false) {
            continue;
        }
        let at = candidate.centroid;
        match scene.hole(candidate) {
            Ok(vault) => {
                tracing::debug!("hole surveyed");
                let (corner, body) = scene.paint(&vault);
                let region = [0, 1, 2].map(|a| corner[a]..corner[a] + body.shape()[a]);
                let mut there = crop(&taken, &region);
                if body.data().iter().zip(there.data()).any(|(&a, &b)| a && b) {
                    // One hole that the network marks in two pieces.
                    continue;
                }
                if body.mm3() < rules.body_least_mm3 {
                    let why = format!(
                        "only {:.1} ml of bone are missing there.",
                        body.mm3() / 1000.0
                    );
                    refused.push(Refused { at, why });
                    continue;
                }
                (there.data_mut().iter_mut().zip(body.data())).for_each(|(t, &b)| *t |= b);
                crop::paste(&mut taken, &there, corner);
                holes.push((vault, body));
            }
            Err(why) => refused.push(Refused { at, why }),
        }
    }
    if holes.is_empty() {
        let why = refused
            .first()
            .map_or("no ray passes the skull there.", |r| r.why.as_str());
        return Err(none(why));
    }
    holes.sort_by_key(|(_, body)| std::cmp::Reverse(body.count()));
    Ok(scene.missing(&holes, taken, &refused))
}

/// The reflection in the head's plane.
#[derive(Clone, Copy)]
struct Reflection {
    map: Map<Lps, Lps>,
    /// How far a reflected place of the vault may lie off, mm: one standard deviation.
    off_mm: f64,
}

struct Scene<'a> {
    skull: &'a Volume<bool>,
    rules: &'a Rules,
    /// The head's own axes.
    axes: Axes,
    /// In its plane of symmetry, where one was found.
    reflection: Option<Reflection>,
    /// Outer skin of its vault.
    skin: Vec<Point<Lps>>,
}

impl Scene<'_> {
    /// The hole around a body, or why it is none.
    fn hole(&self, candidate: &Candidate) -> Result<Vault, String> {
        let centroid = candidate.centroid;
        let near = self
            .skin
            .iter()
            .filter(|p| p.minus(centroid).length() < AROUND_MM);
        let points: Vec<_> = near.copied().collect();
        let (centre, radius) = sphere(&points, self.axes.middle(), 12.0)
            .filter(|(c, r)| {
                (45.0..140.0).contains(r) && c.minus(self.axes.middle()).length() < 70.0
            })
            .ok_or("there is no vault around what the network marks.")?;
        let chart = Chart::new(centre, radius, centroid.minus(centre))
            .ok_or("it lies in the middle of the head.")?;
        let bone = Sampled::new(self.skull, 0.0);
        let bone = |p: Point<Lps>| 0.5 - bone.at(p, |v| if v { 1.0 } else { 0.0 });
        let predicted = Sampled::new(&candidate.own, 0.0);
        let threshold = self.rules.threshold;
        let predicted = |p: Point<Lps>| threshold - predicted.at(p, |v| v);

        let none = "no ray passes the skull where the network marks it as missing.";
        let first = Vault::survey(chart, 80.0, &bone, &predicted, |_| None).ok_or(none)?;
        let ((u, v), far) = first.extent();
        let chart = chart.turned_to(u, v).ok_or(none)?;
        let reach_mm = (far + 22.0).min(115.0);
        let mirrored = |outer: &_| {
            (self.reflection.as_ref())
                .map(|r| Mirrored::cast(chart, reach_mm, &bone, &r.map, r.off_mm, outer))
        };
        let vault = Vault::survey(chart, reach_mm, &bone, &predicted, mirrored).ok_or(none)?;
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
        let vaulted = vault.share(|at| place::on_vault(at, &self.axes));
        if vaulted < VAULTED_LEAST {
            return Err(format!(
                "only {:.0} % of the hole lie on the vault, above brow, ears and nape ({:.0} % are wanted); under it are \
                 orbits, face and skull base, where this station makes no part.",
                percent(vaulted),
                percent(VAULTED_LEAST)
            ));
        }
        Ok(())
    }

    /// Voxels of the missing bone of one hole: between the tables, not skull, one body. On the part of the scan's
    /// grid that can hold them, with its first voxel there.
    fn paint(&self, vault: &Vault) -> ([usize; 3], Volume<bool>) {
        let wide = morphology::dilate_mm(&vault.hole.volume(), EDGE_MM);
        let wide = vault.hole.with(wide.into_data());
        let region = vault.voxels(self.skull);
        let skull = crop(self.skull, &region);
        let bone: Vec<bool> = (0..skull.data().len())
            .into_par_iter()
            .map(|o| {
                if skull.data()[o] {
                    return false;
                }
                let [u, v, r] = vault.chart.locate(skull.centre(skull.index(o)));
                if wide.nearest(u, v) != Some(true) {
                    return false;
                }
                let outer = vault.outer.sample(u, v);
                r <= outer && r >= outer - vault.thickness.sample(u, v)
            })
            .collect();
        let body = components::largest_by(&skull.with(bone), Connectivity::Face);
        (region.map(|range| range.start), body)
    }

    fn missing(
        &self,
        holes: &[(Vault, Volume<bool>)],
        mask: Volume<bool>,
        refused: &[Refused],
    ) -> Missing {
        let mut findings = Vec::new();
        let bodies: Vec<Body> = holes
            .iter()
            .map(|(vault, body)| {
                // A body that was painted has voxels.
                let centroid = body.centroid().unwrap_or(self.axes.middle());
                let area_mm2 = vault.area_mm2();
                Body {
                    mm3: body.mm3(),
                    area_mm2,
                    centroid,
                    side: self.axes.side(body),
                    region: place::region(centroid, &self.axes).to_string(),
                    printed: area_mm2 >= self.rules.part_least_cm2 * 100.0,
                    mask: body.clone(),
                    chart: vault.chart,
                    mirrored: vault.mirrored.clone(),
                    reach_mm: (vault.extent().1 + 22.0).min(115.0),
                }
            })
            .collect();
        for ((body, (vault, _)), label) in bodies.iter().zip(holes).zip(labels(&bodies)) {
            findings.extend(self.report(body, vault, &label));
        }
        findings.extend(self.left_out(&mask, refused));
        Missing {
            side: self.axes.side(&mask),
            region: bodies.first().map(|b| b.region.clone()).unwrap_or_default(),
            mask,
            bodies,
            findings,
        }
    }

    /// What gets no part although the network marks it, or although the vault is open there.
    fn left_out(&self, mask: &Volume<bool>, refused: &[Refused]) -> Vec<Finding> {
        let name = |at| place::region(at, &self.axes);
        let mut findings: Vec<Finding> = refused
            .iter()
            .map(|r| {
                let text = format!(
                    "The network marks another place as missing ({}); it was left out: {}",
                    name(r.at),
                    r.why
                );
                Finding::info("not_a_hole", text)
            })
            .collect();
        let least_mm2 = self.rules.part_least_cm2 * 100.0;
        for open in openings(self.skull, Some(mask), &self.axes, least_mm2) {
            let near = |r: &&Refused| r.at.minus(open.centre).length() < SAME_PLACE_MM;
            let why = refused
                .iter()
                .find(near)
                .map_or("the network does not mark it as missing.", |r| {
                    r.why.as_str()
                });
            let text = format!(
                "The vault is open at another place too ({}); it gets no part and has to be designed by hand: {why}",
                name(open.centre)
            );
            findings.push(
                Finding::warn("unfilled_hole", text)
                    .value(open.mm2 / 100.0, "cm2")
                    .at_most(self.rules.part_least_cm2),
            );
        }
        findings
    }

    fn report(&self, body: &Body, vault: &Vault, label: &str) -> Vec<Finding> {
        let text = format!(
            "Hole in the skull: {}, {:.0} ml of bone are missing.",
            body.place(),
            body.mm3 / 1000.0
        );
        let mut findings = vec![Finding::info("defect", text).value(body.area_mm2 / 100.0, "cm2")];
        if !body.printed {
            let text = format!(
                "This hole ({}) is too small for a part of its own and is not printed.",
                body.place()
            );
            let finding = Finding::warn("small_hole", text);
            findings.push(
                finding
                    .value(body.area_mm2 / 100.0, "cm2")
                    .at_least(self.rules.part_least_cm2),
            );
        }
        let own = findings.len();
        if vault.mirrored_share > 0.0 {
            let text = "The shape follows the other half of the head where that has bone: look at that side too.";
            findings
                .push(Finding::info("other_side", text).value(vault.mirrored_share * 100.0, "%"));
        }
        if vault.open {
            let text = "The hole runs out of the vault; there the network alone ends the part. Look at its border.";
            findings.push(Finding::warn("open_rim", text).value(vault.bordered * 100.0, "%"));
        }
        if vault.covered < 0.5 {
            let text =
                "The network marks less than half of the hole; bone gave the rest of the shape.";
            findings.push(
                Finding::warn("network_short", text)
                    .value(vault.covered * 100.0, "%")
                    .at_least(50.0),
            );
        }
        for finding in &mut findings[own..] {
            finding.text.insert_str(0, label);
        }
        findings
    }
}
