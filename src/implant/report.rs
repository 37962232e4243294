//! Report: what people are told of the holes that were found, and of what gets no part.

use super::body::{Body, labels};
use super::candidate::Sign;
use super::missing::Missing;
use super::opening::{NAMED_DEG, openings};
use super::place;
use super::scene::{CLOSED_LEAST, Found, Refused, Scene, reach_mm};
use super::vault::Vault;
use crate::status::Finding;
use crate::volume::Volume;

/// A refused body this near to an open place is about that place, mm.
const SAME_PLACE_MM: f64 = 40.0;
/// Narrower bevels are a saw's, mm.
const BEVEL_LEAST_MM: f64 = 4.0;

impl Scene<'_> {
    /// The missing bone of the holes that were found, with what is to be said of it.
    pub(super) fn missing(&self, found: Found) -> Missing {
        let Found {
            holes,
            mask,
            refused,
        } = found;
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
                    others: vault.others.clone(),
                    reach_mm: reach_mm(vault.extent().1),
                }
            })
            .collect();
        for ((body, (vault, _)), label) in bodies.iter().zip(&holes).zip(labels(&bodies)) {
            findings.extend(self.report(body, vault, &label));
        }
        findings.extend(self.left_out(&mask, &refused));
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
        let mut findings: Vec<Finding> = (refused.iter())
            .filter(|r| r.sign == Sign::Network)
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
        for open in openings(self.skull, Some(mask), &self.axes, least_mm2, NAMED_DEG) {
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
        if vault.foreseen_share > 0.0 {
            let text = "What many skulls have in common helped with the shape, moved onto the bone around the hole.";
            findings.push(Finding::info("prior", text).value(vault.foreseen_share * 100.0, "%"));
        } else if vault.others.foreseen.is_some() {
            let text = "The bone around the hole does not go with what other skulls are like: the shape follows its rim and \
                        the other half of the head alone. Look at it from all sides.";
            findings.push(Finding::warn("unlike_others", text));
        }
        if let Some(outer) = &vault.uncertainty.outer {
            let thickness = vault
                .uncertainty
                .thickness
                .as_ref()
                .map_or(0.0, |t| t.mean_mm);
            let text = format!(
                "The thickness is expected to be {thickness:.1} mm off the bone that was there, the outside {:.1} mm and more in the \
                 least sure tenth of the hole, and in the mean.",
                outer.worst_mm
            );
            findings.push(Finding::info("expected_error", text).value(outer.mean_mm, "mm"));
        }
        if vault.open {
            let text = "The hole runs out of the vault; there the network alone ends the part. Look at its border.";
            findings.push(Finding::warn("open_rim", text).value(vault.bordered * 100.0, "%"));
        }
        if vault.bevel.width_mm >= BEVEL_LEAST_MM {
            let text = "The rim is bevelled: the outer table ends farther out than the inner one. The part covers the bevel; look \
                        whether that is what you want.";
            findings.push(
                Finding::warn("bevelled_rim", text)
                    .value(vault.bevel.width_mm, "mm")
                    .at_most(BEVEL_LEAST_MM),
            );
        }
        if vault.sign == Sign::Bone {
            let text = "The network does not mark this hole: bone that ends all round says that it is one. Look whether it is, and \
                        whether a part is wanted there.";
            findings.push(
                Finding::warn("found_by_bone", text)
                    .value(vault.bordered * 100.0, "%")
                    .at_least(CLOSED_LEAST * 100.0),
            );
        } else if vault.covered < 0.5 {
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
