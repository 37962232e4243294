//! Bone: HU to the skull's mask. Couch, head support, table metal and what else is as dense as bone go out by
//! shape and connection, never by HU: a plastic head holder reaches 360 HU, and soft bone does not.

use super::outline::{Outline, each};
use crate::space::{Lps, Vector};
use crate::status::Finding;
use crate::volume::axes::{Canonical, LEFT, POSTERIOR, SUPERIOR};
use crate::volume::components::{self, Connectivity, Labels};
use crate::volume::crop::{bounds, crop, grown, hull};
use crate::volume::{Hu, Volume, distance};
use rayon::prelude::*;

/// Bodies smaller than this are never taken for a part of the skull on their own.
const BODY_LEAST_ML: f64 = 0.5;
/// A skull has more bone than this; the smallest training skull has 304 ml.
const SKULL_LEAST_ML: f64 = 60.0;
/// Share of the vault's directions with bone. Measured: 0.9 and more for heads with a hole.
const CLOSED_LEAST: f64 = 0.55;
/// A body of the skull lies this near to the rest of it: a saw line is 1 mm, a joint 2 to 3.
const GAP_MAX_MM: f32 = 4.0;
/// Share of a body's voxels that see the head's middle without bone between.
const SEEN_LEAST: f64 = 0.6;
/// Denser than any bone or enamel.
const METAL: Hu = Hu(2500);
/// A plate on the skull stands out no farther than this.
const METAL_OUTSIDE_MM: f32 = 8.0;
/// Bone on the grid's edge over less than this is noise.
const CUT_LEAST_MM2: f64 = 50.0;

/// The skull of one head.
#[derive(Clone, Debug, PartialEq)]
pub struct Skull {
    /// Bone, on the scan's own grid.
    pub mask: Volume<bool>,
    /// What people should know about it.
    pub findings: Vec<Finding>,
}

/// Why there is no skull.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum SkullError {
    /// No voxel reaches the threshold.
    #[error(
        "no skull found: nothing in the scan is as dense as bone ({threshold} HU). Check that it is a CT of a head."
    )]
    Empty {
        /// Threshold in HU.
        threshold: i16,
    },
    /// Nothing has the shape of a vault.
    #[error(
        "no skull found: the largest dense body ({ml:.0} ml) covers {:.0} % of a vault's directions, {:.0} % are wanted. \
         Check that the scan is a CT of a head.", closed * 100.0, CLOSED_LEAST * 100.0
    )]
    NotASkull {
        /// Volume of the largest body.
        ml: f64,
        /// Share of the vault's directions with bone.
        closed: f64,
    },
}

impl Skull {
    /// A mask that was given instead of a CT, as it is.
    ///
    /// # Errors
    /// [`SkullError::Empty`] when nothing is set.
    pub fn from_mask(mask: Volume<bool>) -> Result<Self, SkullError> {
        if mask.data().par_iter().all(|&v| !v) {
            return Err(SkullError::Empty { threshold: 0 });
        }
        let findings = cut_off(&mask);
        Ok(Self { mask, findings })
    }
}

/// The skull in a CT: all that is at least `threshold` and belongs to the head.
///
/// # Errors
/// [`SkullError`] when there is no bone, or no body has the shape of a vault.
pub fn bone(ct: &Volume<Hu>, threshold: Hu) -> Result<Skull, SkullError> {
    let dense = ct.with(ct.data().par_iter().map(|&hu| hu >= threshold).collect());
    let labels = components::label(&dense, Connectivity::Face);
    drop(dense);
    let ml = |label: u32| labels.sizes[label as usize - 1] as f64 * ct.voxel_mm3() / 1000.0;
    let large: Vec<u32> = (1..=labels.sizes.len() as u32)
        .take_while(|&label| ml(label) >= BODY_LEAST_ML)
        .collect();
    let Some(&first) = large.first() else {
        return Err(SkullError::Empty {
            threshold: threshold.0,
        });
    };

    let mut best = 0.0f64;
    let mut main = None;
    for &label in large
        .iter()
        .filter(|&&l| ml(l) >= SKULL_LEAST_ML || l == first)
    {
        let body = labels.mask(label);
        let Some(outline) = Outline::of(&body) else {
            continue;
        };
        let closed = outline.closed();
        best = best.max(closed);
        if closed >= CLOSED_LEAST && ml(label) >= SKULL_LEAST_ML {
            main = Some((label, body, outline));
            break;
        }
    }
    let Some((main, mut mask, outline)) = main else {
        return Err(SkullError::NotASkull {
            ml: ml(first),
            closed: best,
        });
    };

    let mut findings = Vec::new();
    let mut left_out_ml = 0.0;
    for &label in large.iter().filter(|&&l| l != main) {
        if belongs(&labels, label, &mask, &outline) {
            let body = labels.volume.data();
            (mask.data_mut().par_iter_mut().zip(body)).for_each(|(v, &l)| *v |= l == label);
            let text = "The skull is in several bodies (saw line, suture or fracture); this one was added.";
            findings.push(Finding::info("skull_in_parts", text).value(ml(label), "ml"));
        } else {
            left_out_ml += ml(label);
        }
    }
    if left_out_ml > 0.0 {
        let text =
            "Dense things outside the skull (couch, head support, calcification) were left out.";
        findings.push(Finding::info("left_out", text).value(left_out_ml, "ml"));
    }
    findings.extend(metal(ct, &outline));
    findings.extend(cut_off(&mask));
    Ok(Skull { mask, findings })
}

/// A body belongs to the skull when most of it has no bone in front, seen from the head's middle, and it comes
/// near the skull. A holder lies behind bone; a plexus calcification is far from it.
fn belongs(labels: &Labels, label: u32, skull: &Volume<bool>, outline: &Outline) -> bool {
    let body = labels.mask(label);
    let (mut all, mut hidden) = (0usize, 0usize);
    each(&body, |at| {
        all += 1;
        hidden += usize::from(outline.hides(at));
    });
    if (all - hidden) as f64 <= SEEN_LEAST * all as f64 {
        return false;
    }
    let (Some(here), Some(_)) = (bounds(&body), bounds(skull)) else {
        return false;
    };
    let near = grown(skull, &here, f64::from(GAP_MAX_MM) + 1.0);
    let near = hull(&near, &here);
    let far = distance::squared_mm2(&crop(skull, &near));
    let body = crop(&body, &near);
    (body.data().iter().zip(far.data())).any(|(&v, &d)| v && d <= GAP_MAX_MM * GAP_MAX_MM)
}

/// Metal inside the head. Metal of the couch is none of the patient's.
fn metal(ct: &Volume<Hu>, outline: &Outline) -> Option<Finding> {
    let inside = |offset: usize| outline.holds(ct.centre(ct.index(offset)), METAL_OUTSIDE_MM);
    let voxels = (ct.data().iter().enumerate())
        .filter(|&(offset, &hu)| hu > METAL && inside(offset))
        .count();
    let ml = voxels as f64 * ct.voxel_mm3() / 1000.0;
    (voxels > 0).then(|| {
        let text = "There is metal in the head (teeth, plates, clips). Bone near it is drawn too thick; look at the rim.";
        Finding::warn("metal", text).value(ml, "ml")
    })
}

/// Where the skull runs out of the scan, other than at the neck.
fn cut_off(mask: &Volume<bool>) -> Vec<Finding> {
    const SIDES: [(Vector<Lps>, &str, &str); 3] = [
        (LEFT, "left", "right"),
        (POSTERIOR, "back", "front"),
        (SUPERIOR, "top", ""),
    ];
    let order = Canonical::closest(mask, SIDES.map(|s| s.0));
    let (shape, spacing) = (mask.shape(), mask.spacing_mm());
    let mut findings = Vec::new();
    for (a, (_, high, low)) in SIDES.iter().enumerate() {
        let n = order.source[a];
        for (end, name) in [(true, high), (false, low)] {
            if name.is_empty() {
                continue;
            }
            let mut face = shape.map(|n| 0..n);
            face[n] = if end != order.flipped[a] {
                shape[n] - 1..shape[n]
            } else {
                0..1
            };
            let area: f64 = (0..3).filter(|&b| b != n).map(|b| spacing[b]).product();
            let mm2 = crop(mask, &face).count() as f64 * area;
            if mm2 >= CUT_LEAST_MM2 {
                let text = format!(
                    "The scan cuts the skull off at the {name}. An implant that reaches there is not complete."
                );
                let finding = Finding::warn("skull_cut_off", text);
                findings.push(finding.value(mm2, "mm2").at_most(CUT_LEAST_MM2));
            }
        }
    }
    findings
}

#[cfg(test)]
#[path = "bone_tests.rs"]
mod tests;
