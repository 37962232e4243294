//! Are the values Hounsfield units? Air and brain say so: both hardly move with voltage, kernel and maker.
//!
//! In:    a head in what claims to be HU, before anything is cut off below -1024.
//! Out:   findings with what was measured; a refusal when bone would be looked for at a wrong level.
//! Holds: bone alone never refuses: its level moves with the voltage by tens of percent. A head that is hollow (a
//!        phantom) or whose surroundings were cut away tells nothing, and passes.
//! Why:   values 100 HU too high were designed without a word, and missed half of the hole.

use super::head;
use super::refusal::Refusal;
use crate::space::Point;
use crate::status::Finding;
use crate::volume::{Hu, Volume};

/// Brain, HU: white matter 20 to 30, grey 37 to 41, ventricles 0 to 15.
const BRAIN: f64 = 30.0;
/// Air, HU.
const AIR: f64 = -1000.0;
/// Radius around the middle of the vault in which brain is measured, mm.
const BRAIN_MM: f64 = 40.0;
/// Distances from the head's outer edge between which air is measured, mm.
const AIR_MM: [f64; 2] = [8.0, 25.0];
/// Farthest edge of a head from the middle of its vault, mm.
const EDGE_MM: f64 = 170.0;
/// Steps along a ray, mm.
const STEP_MM: f64 = 1.5;
/// Samples that a level needs.
const SAMPLES_MIN: usize = 300;
/// Part of the samples within [`TIGHT_HU`] of their median that make a level one.
const TIGHT_PART: f64 = 0.5;
const TIGHT_HU: f64 = 120.0;
/// Shift from which a finding, and a refusal, is due, HU. Heads here are measured within 15 of [`BRAIN`]; the
/// refusal is for shifts of 80.
const SHIFT_HU: [f64; 2] = [27.0, 62.0];
/// Departure of the factor from 1, likewise. Heads here are measured within 0.03; the refusal is for 0.15.
const FACTOR: [f64; 2] = [0.05, 0.12];

/// No tissue is so dense over the whole middle of a head, HU.
const DENSE: f64 = 200.0;

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Levels {
    /// Inside the vault, HU.
    pub(super) brain: f64,
    /// Around the head, HU; `None` where there is nothing around it.
    pub(super) air: Option<f64>,
}

impl Levels {
    /// Whether the middle is as dense as bone, all of it: stored values without their intercept, and no head to see.
    pub(super) fn are_stored(self) -> bool {
        self.brain > DENSE
    }
}

/// Refuses values that are no HU, and says where they are not quite.
///
/// # Errors
/// [`Refusal::NotHu`].
pub(super) fn judge(levels: Levels) -> Result<Vec<Finding>, Refusal> {
    let brain = levels.brain;
    let around = levels.air.map_or(String::new(), |air| {
        format!(", the air around the head {air:.0}")
    });
    let seen = format!("the middle of the head has {brain:.0}{around}");
    let refused = |why: String| Err(Refusal::NotHu { why });
    let factor = levels.air.map(|air| (brain - air) / (BRAIN - AIR));
    let off = factor.map_or(0.0, |factor| (factor - 1.0).abs());
    if off > FACTOR[1] {
        let factor = factor.unwrap_or(1.0);
        return refused(format!(
            "{seen}; brain has about {BRAIN:.0} and air {AIR:.0}, so these values are {factor:.2} times as large"
        ));
    }
    let shift = brain - BRAIN;
    if shift.abs() > SHIFT_HU[1] {
        return refused(format!(
            "{seen}; brain has about {BRAIN:.0}, so these values are {shift:+.0} off"
        ));
    }
    let mut findings = Vec::new();
    if off > FACTOR[0] || shift.abs() > SHIFT_HU[0] {
        let text = format!(
            "The values may be no Hounsfield units: {seen}; brain has about {BRAIN:.0} and air {AIR:.0}. Bone may be taken for none, or tissue for bone: look whether the pictures show the whole skull."
        );
        findings.push(
            Finding::warn("hu_level", text)
                .value(shift, "HU")
                .at_most(SHIFT_HU[0]),
        );
    }
    Ok(findings)
}

/// Levels of brain and air. `None` without a vault, or when it is hollow.
pub(super) fn measure(ct: &Volume<Hu>) -> Option<Levels> {
    let middle = head::middle(ct)?;
    let into = ct.to_ijk();
    let at = |point: Point<_>| {
        let at = into.apply(point).0.map(|v| v.round() as i64);
        ct.get(at).map(|hu| f64::from(hu.0))
    };
    let along = |from: f64, to: f64| {
        let steps = ((to - from) / STEP_MM) as usize;
        (0..=steps).map(move |n| from + n as f64 * STEP_MM)
    };
    let mut inside = Vec::new();
    for direction in head::upward() {
        let point = |mm: f64| middle.plus(direction.times(mm));
        inside.extend(along(0.0, BRAIN_MM).filter_map(|mm| at(point(mm))));
    }
    let brain = level(inside)?;
    let mut around = Vec::new();
    for direction in head::upward() {
        let point = |mm: f64| middle.plus(direction.times(mm));
        // The edge: the outermost sample that is nearer to brain than to what lies farthest out.
        let values: Vec<(f64, f64)> = along(BRAIN_MM, EDGE_MM)
            .map_while(|mm| at(point(mm)).map(|hu| (mm, hu)))
            .collect();
        let least = values
            .iter()
            .map(|(_, hu)| *hu)
            .fold(f64::INFINITY, f64::min);
        let half = f64::midpoint(least, brain);
        let edge = values
            .iter()
            .rev()
            .find(|(_, hu)| *hu > half)
            .map(|(mm, _)| *mm);
        let Some(edge) = edge else { continue };
        let is_around = |mm: f64| (edge + AIR_MM[0]..edge + AIR_MM[1]).contains(&mm);
        around.extend(
            values
                .iter()
                .filter(|(mm, _)| is_around(*mm))
                .map(|(_, hu)| *hu),
        );
    }
    let air = level(around);
    // Hollow: nothing inside that is not around it.
    if air.is_some_and(|air| brain - air < 200.0) || brain < AIR / 2.0 && air.is_none() {
        return None;
    }
    Some(Levels { brain, air })
}

/// The median, when most samples lie about it.
fn level(mut samples: Vec<f64>) -> Option<f64> {
    if samples.len() < SAMPLES_MIN {
        return None;
    }
    samples.sort_by(f64::total_cmp);
    let median = samples[samples.len() / 2];
    let near = samples.iter().filter(|hu| (**hu - median).abs() < TIGHT_HU);
    let tight = near.count() as f64 >= TIGHT_PART * samples.len() as f64;
    tight.then_some(median)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(brain: f64, air: Option<f64>) -> &'static str {
        match judge(Levels { brain, air }) {
            Err(_) => "refused",
            Ok(findings) if findings.is_empty() => "nothing",
            Ok(_) => "said",
        }
    }

    #[test]
    fn a_shift_of_eighty_and_a_factor_of_fifteen_percent_are_refused_and_half_of_it_is_said() {
        for brain in [22.0, 30.0, 38.0] {
            assert_eq!(judged(brain, Some(-1000.0)), "nothing");
            assert_eq!(judged(brain, None), "nothing");
            for shift in [80.0, -80.0] {
                assert_eq!(
                    judged(brain + shift, Some(AIR + shift)),
                    "refused",
                    "{brain} {shift}"
                );
                assert_eq!(judged(brain + shift, None), "refused", "{brain} {shift}");
                let half = shift / 2.0;
                assert_eq!(
                    judged(brain + half, Some(AIR + half)),
                    "said",
                    "{brain} {half}"
                );
            }
            for factor in [0.85, 1.15, 0.5, 2.0] {
                assert_eq!(
                    judged(brain * factor, Some(AIR * factor)),
                    "refused",
                    "{factor}"
                );
            }
            for factor in [0.925, 1.075] {
                assert_eq!(
                    judged(brain * factor, Some(AIR * factor)),
                    "said",
                    "{factor}"
                );
            }
        }
    }
}
