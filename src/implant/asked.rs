//! Asked: what plate, other half of the head and prior say of a hole, weighed node by node by how well each knows it.
//!
//! Where the prior says nothing (below its map, no file, another kind of skull) the other half overrules the plate, and
//! where that says nothing either the plate stands.

use super::around::{Around, RING_MM};
use super::chart::Sheet;
use super::foreseen::Joined;
use super::mirrored::{self, Wanted};
use super::plate::{Stiffness, Wish, solve};
use super::said::{Said, apart, weighed};

/// How strongly the ring holds the thickness: reach 3 mm.
const THICKNESS_WEIGHT: f64 = 0.1;
/// Bone is taken as no thinner than this, mm.
const THINNEST_MM: f64 = 1.5;
// The spreads below and the prior's shares were chosen together on 104 holes of thirteen kinds in the eight `val` skulls, by
// the mean of what both tables lie off: 9.0 % of the bone's thickness against 9.5 with the first ones. Chosen on four of
// the skulls they gain as much on the other four.
/// The plate lies off by so much (one standard deviation) `x` mm from the ring: `PLATE_SD * x^PLATE_POWER` mm.
const PLATE_SD: f64 = 0.05;
const PLATE_POWER: f64 = 1.3;
/// The thickness around a hole, carried over it, lies off by so much far from the ring (one standard deviation), and the
/// length over which it gets there, mm.
const MEMBRANE_SD_MM: f64 = 1.2;
const MEMBRANE_MM: f64 = 30.0;
/// The same of the other half of the head, outer table and thickness.
const MIRRORED_SD_MM: f64 = 0.7;
const MIRRORED_THICKNESS_SD_MM: f64 = 0.7;
const MIRRORED_MM: f64 = 20.0;

/// How strongly the outer table is wished where the prior takes part (reach 3 mm: what all say is smooth), and where the
/// other half stands alone; the thickness likewise.
const OUTER_WEIGHTS: (f64, f64) = (1e-2, mirrored::OUTER_WEIGHT);
const THICKNESS_WEIGHTS: (f64, f64) = (0.1, mirrored::THICKNESS_WEIGHT);

/// How much larger the variance is than what all state together, outer table and thickness: they err alike in part. Chosen so
/// that one and two standard deviations hold 72 and 93, 67 and 93 % of the nodes of `val` holes (`benches/RESULTS.md`).
const GROWN: (f64, f64) = (1.2 * 1.2, 1.45 * 1.45);

/// What one table is wished to be over the nodes of a hole: height in mm with the wish's weight, and the variance of it.
struct Together {
    wishes: Vec<(Option<f64>, f64)>,
    variance: Vec<Option<f64>>,
}

/// Who is asked about the nodes of one hole.
pub(super) struct Asked<'a> {
    pub(super) around: &'a Around,
    pub(super) mirrored: Option<&'a Wanted>,
    pub(super) foreseen: Option<&'a Joined>,
}

impl Asked<'_> {
    /// Is anybody there but the plate?
    pub(super) fn anybody(&self) -> bool {
        self.mirrored.is_some() || self.foreseen.is_some()
    }

    /// Puts bent wishes for the outer table in place of those that are there. `plate`: what stands without others. The variance
    /// of what is wished at each node of the hole, mm2.
    pub(super) fn outer(&self, plate: &Sheet<f64>, wishes: &mut Sheet<Wish>) -> Vec<Option<f64>> {
        let plate = self.said(
            |n| Some(plate.data[n]),
            |far| (PLATE_SD * far.powf(PLATE_POWER)).powi(2),
        );
        let other = self.other(|m| &m.outer, MIRRORED_SD_MM);
        let all = self.together(&plate, &other, OUTER_WEIGHTS, |f| &f.outer);
        let variance = grown(&all.variance, GROWN.0);
        if !self.anybody() {
            return variance;
        }
        for (n, (mm, weight)) in all.wishes.into_iter().enumerate() {
            if let Some(mm) = mm {
                wishes.data[n] = Wish {
                    height_mm: self.around.bent(mm),
                    weight,
                };
            }
        }
        variance
    }

    /// The thickness of bone over ring and hole, mm, and its variance at each node of the hole, mm2.
    pub(super) fn thickness(&self) -> (Sheet<f64>, Vec<Option<f64>>) {
        let around = self.around;
        let wish = |n: usize| {
            (around.thickness(n)).map_or_else(Wish::default, |height_mm| Wish {
                height_mm,
                weight: THICKNESS_WEIGHT,
            })
        };
        let nodes = around.ring.data.len();
        let mut wishes = around.ring.with((0..nodes).map(wish).collect());
        let carried = solve(&wishes, &around.inside, Stiffness::Membrane);
        let variance = |far| MEMBRANE_SD_MM.powi(2) * apart(far, MEMBRANE_MM);
        let own = self.said(|n| Some(carried.data[n]), variance);
        let other = self.other(|m| &m.thickness, MIRRORED_THICKNESS_SD_MM);
        let all = self.together(&own, &other, THICKNESS_WEIGHTS, |f| &f.thickness);
        let variance = grown(&all.variance, GROWN.1);
        if !self.anybody() {
            return (carried, variance);
        }
        for (n, (mm, weight)) in all.wishes.into_iter().enumerate() {
            if let Some(mm) = mm {
                wishes.data[n] = Wish {
                    height_mm: mm.max(THINNEST_MM),
                    weight,
                };
            }
        }
        (
            solve(&wishes, &around.inside, Stiffness::Membrane),
            variance,
        )
    }

    /// What all say together of each node, and how strongly it is wished. `weights`: where the prior takes part, and where
    /// the other half stands alone.
    fn together(
        &self,
        own: &[Said],
        other: &[Said],
        weights: (f64, f64),
        foreseen: impl Fn(&Joined) -> &[Said],
    ) -> Together {
        let say = self.mirrored.map_or(0.0, |m| m.say * weights.1);
        let nothing = vec![None; own.len()];
        let foreseen = self.foreseen.map_or(nothing.as_slice(), foreseen);
        let all = weighed(&[own, other, foreseen]);
        let node = |n: usize| match foreseen[n] {
            Some(_) => (all[n].map(|said| said.0), weights.0),
            None => (other[n].map(|said| said.0), say),
        };
        let variance = |n: usize| match foreseen[n] {
            Some(_) => all[n].map(|said| said.1),
            None => other[n].or(own[n]).map(|said| said.1),
        };
        Together {
            wishes: (0..own.len()).map(node).collect(),
            variance: (0..own.len()).map(variance).collect(),
        }
    }

    /// What the other half says: the less sure, the larger the variance.
    fn other(&self, value: impl Fn(&Wanted) -> &[Option<f64>], sd_mm: f64) -> Vec<Said> {
        let Some(wanted) = self.mirrored else {
            return vec![None; self.around.depth_mm.len()];
        };
        let variance = |far: f64| sd_mm.powi(2) * apart(far, MIRRORED_MM) / wanted.say;
        self.said(|n| value(wanted)[n], variance)
    }

    /// Values of the hole's nodes with a variance by their distance from the ring.
    fn said(&self, mm: impl Fn(usize) -> Option<f64>, variance: impl Fn(f64) -> f64) -> Vec<Said> {
        let node = |n: usize| {
            let mm = mm(n).filter(|_| self.around.hole(n))?;
            // The ring begins a little outside the rim.
            Some((mm, variance(self.around.depth_mm[n] + RING_MM.0)))
        };
        (0..self.around.depth_mm.len()).map(node).collect()
    }
}

fn grown(variance: &[Option<f64>], by: f64) -> Vec<Option<f64>> {
    let node = |variance: &Option<f64>| variance.map(|mm2| mm2 * by);
    variance.iter().map(node).collect()
}
