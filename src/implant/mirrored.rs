//! Mirrored: what the other half of the head says about a hole.
//!
//! The healthy side, reflected, has the curve and the thickness that a plate can not know; but no head is its own
//! mirror image. So it is read where there is bone on both sides, all around the hole; what it errs there is carried
//! into the hole and taken off. What is left is the form of the other side on the border of this one, as a surgeon
//! would bend it.
//!
//! A hole across the midline has little of another side, and slivers of one beside its rim did more harm than good:
//! the less of the hole it covers, the less it says. The other side may be no example at all: a sunken flap, a plate,
//! a hole's bevel. Those have edges, which a healthy vault has not; with them nothing of it is believed.

use super::around::{Around, Wall};
use super::chart::{Chart, Sheet, blank};
use super::plate::{Stiffness, Wish, solve};
use super::rays::{NEAR_PLATE, Rays};
use super::tables::ramp;
use super::vault::{Field, Marks, NODE_MM};
use crate::space::{Lps, Map};
use crate::volume::distance;

/// Bone of the other side nearer than this to where it ends is bevelled or blurred, mm.
const RIM_MM: f32 = 4.0;
/// Share of the hole that the other side has bone for: below the first it says nothing, above the second all it has.
const COVERED: (f64, f64) = (0.15, 0.45);
/// Share of the nodes around the hole that must have bone on both sides, and their number.
const PAIRED_LEAST: (f64, usize) = (0.4, 60);
/// Halves whose difference varies by more than this around the hole are too unlike, mm (one standard deviation).
const UNLIKE_MM: f64 = 2.0;
/// A change of the outer table against the plate by more than this in a mm is an edge.
const EDGE: f64 = 0.5;
/// Share of the hole's nodes that may be edges: noise.
const EDGES_MOST: f64 = 0.01;
/// It may lie off the plate by this much at the rim and by this much more for each mm from it.
const OFF_MM: (f64, f64) = (3.0, 0.15);
/// Bone may be thicker than nearly all around the hole by this much, mm; more is joined to something else.
const THICKER_MM: f64 = 3.0;
/// A reflection that may lie off by this much, mm, counts half: on the ring around the hole it is held against bone and
/// what it errs there is taken off, but a boss or a curve beside its place stays beside it.
const UNSURE_MM: f64 = 6.0;
/// How strongly the other side holds the plate: reach 6 mm.
pub(super) const OUTER_WEIGHT: f64 = 1e-3;
/// How strongly it holds the thickness: reach 7 mm.
pub(super) const THICKNESS_WEIGHT: f64 = 0.02;
/// How strongly what is known around the hole holds the difference in it: reach 3 mm.
const ERROR_WEIGHT: f64 = 0.1;

/// The reflected skull over a chart, at nodes `NODE_MM` apart.
#[derive(Clone, Debug)]
pub(super) struct Mirrored {
    walls: Sheet<Option<Wall>>,
    /// How much it counts by what is known of the plane of symmetry, 0 to 1.
    sure: f64,
    /// It was found to be an example: it is not asked again.
    accepted: bool,
}

/// What the other side wants at each node; `None` where it has no opinion.
pub(super) struct Wanted {
    /// The outer table, mm from the chart's centre.
    pub(super) outer: Vec<Option<f64>>,
    /// Thickness of the bone, mm.
    pub(super) thickness: Vec<Option<f64>>,
    /// Share of the hole for which it has an opinion.
    pub(super) covered: f64,
    /// How much that counts, 0 to 1.
    pub(super) say: f64,
}

impl Mirrored {
    /// Looks at the reflection of `bone` in the head's plane, near the expected outer table. `off_mm`: how far a reflected
    /// place may lie off, one standard deviation.
    pub(super) fn cast(
        chart: Chart,
        reach_mm: f64,
        bone: &Field,
        reflection: &Map<Lps, Lps>,
        off_mm: f64,
        expected: &Sheet<f64>,
    ) -> Self {
        let nothing = |_| 1.0;
        let rays = Rays::cast(
            chart,
            reach_mm,
            &|p| bone(reflection.apply(p)),
            Marks::network(&nothing),
        );
        let nodes = blank(reach_mm, NODE_MM);
        let walls: Vec<Option<Wall>> = (0..nodes.data.len())
            .map(|n| {
                let (u, v) = nodes.mm(n);
                rays.mean_wall(u, v, expected.sample(u, v), NEAR_PLATE)
            })
            .collect();
        let bare = nodes.with(walls.iter().map(Option::is_none).collect());
        let from_rim = distance::distance_mm(&bare.volume());
        let walls = (walls.into_iter().zip(from_rim.data()))
            .map(|(wall, &mm)| wall.filter(|_| mm > RIM_MM))
            .collect();
        Self {
            walls: nodes.with(walls),
            sure: 1.0 / (1.0 + (off_mm / UNSURE_MM).powi(2)),
            accepted: false,
        }
    }

    /// The same, for a survey of the same hole that shall come to the same.
    pub(super) fn accepted(self) -> Self {
        Self {
            accepted: true,
            ..self
        }
    }

    /// Its opinion on the nodes of a hole. `None` when it covers too little of it, when the two sides can not be
    /// compared, or when it is no example.
    pub(super) fn wanted(&self, around: &Around) -> Option<Wanted> {
        let ring = &around.ring;
        let nodes = ring.data.len();
        let walls: Vec<Option<Wall>> = (0..nodes)
            .map(|n| {
                let (u, v) = ring.mm(n);
                self.walls.nearest(u, v).flatten()
            })
            .collect();
        let hole = |n: usize| around.hole(n);
        let all = (0..nodes).filter(|&n| hole(n)).count();
        let seen = (0..nodes)
            .filter(|&n| hole(n) && walls[n].is_some())
            .count();
        let covered = seen as f64 / all.max(1) as f64;
        let pairs: Vec<(usize, Wall, Wall)> = (0..nodes)
            .filter_map(|n| Some((n, walls[n]?, ring.data[n]?)))
            .collect();
        let read = ring.data.iter().flatten().count();
        let paired = pairs.len() as f64 / read.max(1) as f64;
        let spread = deviation(pairs.iter().map(|(_, other, own)| other.1 - own.1));
        tracing::debug!(covered, paired, pairs = pairs.len(), spread, "other side");
        let say = ramp(covered, COVERED) * self.sure;
        let comparable = paired >= PAIRED_LEAST.0 && pairs.len() >= PAIRED_LEAST.1;
        if say == 0.0 || !self.accepted && (!comparable || spread > UNLIKE_MM) {
            return None;
        }
        // A membrane: a plate would carry the slope of a difference on, and go astray in a wide hole.
        let corrected = |value: fn(Wall) -> f64| -> Vec<Option<f64>> {
            let mut wishes = vec![Wish::default(); nodes];
            for &(n, other, own) in &pairs {
                wishes[n] = Wish {
                    height_mm: value(other) - value(own),
                    weight: ERROR_WEIGHT,
                };
            }
            let error = solve(&ring.with(wishes), &around.inside, Stiffness::Membrane);
            (0..nodes)
                .map(|n| Some(value(walls[n].filter(|_| hole(n))?) - error.data[n]))
                .collect()
        };
        let outer = corrected(|(_, outer)| outer);
        let strange = strange(&outer, around) as f64 / seen.max(1) as f64;
        tracing::debug!(strange, "other side");
        if !self.accepted && strange > EDGES_MOST {
            return None;
        }
        let thick = |(inner, outer): Wall| outer - inner;
        let mut own: Vec<f64> = ring.data.iter().flatten().map(|&w| thick(w)).collect();
        own.sort_by(f64::total_cmp);
        let most = own
            .get(own.len() * 95 / 100)
            .map_or(0.0, |mm| mm + THICKER_MM);
        let thickness = corrected(|(inner, outer)| outer - inner);
        Some(Wanted {
            outer,
            thickness: thickness
                .into_iter()
                .map(|mm| mm.map(|mm| mm.min(most)))
                .collect(),
            covered,
            say,
        })
    }
}

/// Nodes at which the other side has an edge, or lies farther off the plate than a vault does.
fn strange(outer: &[Option<f64>], around: &Around) -> usize {
    /// Nodes between which a change is looked at.
    const APART: usize = 2;
    let side = around.plate.side;
    let limit = EDGE * APART as f64 * NODE_MM;
    let off = |n: usize| Some(outer.get(n).copied().flatten()? - around.plate.data[n]);
    (0..outer.len())
        .filter(|&n| {
            let Some(here) = off(n) else { return false };
            let far = here.abs() > OFF_MM.0 + OFF_MM.1 * around.depth_mm[n];
            let edge = [n + APART, n + APART * side]
                .iter()
                .any(|&m| off(m).is_some_and(|there| (there - here).abs() > limit));
            far || edge
        })
        .count()
}

/// Standard deviation; not-a-number of nothing, which is more than nothing else.
fn deviation(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let (n, sum) = values
        .clone()
        .fold((0.0, 0.0), |(n, s), x| (n + 1.0, s + x));
    let mean = sum / n;
    (values.map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::tables::Others;
    use super::super::vault::Vault;
    use super::*;
    use crate::space::{Point, Vector};

    const RADIUS_MM: f64 = 75.0;
    const HOLE_DEG: f64 = 25.0;

    /// Degrees from the patient's left or right, whichever is meant.
    fn degrees(p: Point<Lps>, side: f64) -> f64 {
        let [x, y, z] = p.0;
        y.hypot(z).atan2(side * x).to_degrees()
    }

    /// The outer table of a ball with a boss on either side; its left half stands out by 1 mm.
    fn outer_mm(p: Point<Lps>) -> f64 {
        let boss = |side: f64| 4.0 * (-(degrees(p, side) / 12.0).powi(2) / 2.0).exp();
        RADIUS_MM + boss(1.0) + boss(-1.0) + f64::from(u8::from(p.0[0] > 0.0))
    }

    /// The half that is looked at.
    #[derive(Clone, Copy, PartialEq)]
    enum Other {
        Healthy,
        Hole,
        /// A flap of 18 degrees (47 mm across) has sunk by 7 mm.
        Sunken,
        /// Something of 15 mm is joined to the inner table.
        Joined,
        /// Only what lies in front of the boss is in the scan.
        Cropped,
    }

    /// A hole in the left boss: how far the table over it lies off and the greatest thickness, mm, and the share that
    /// followed the other side.
    fn filled(other: Other) -> (f64, f64, f64) {
        let centre = Point::new([0.0; 3]);
        let bone = |p: Point<Lps>| {
            let (r, right) = (p.minus(centre).length(), degrees(p, -1.0));
            let open = degrees(p, 1.0) < HOLE_DEG
                || other == Other::Hole && right < HOLE_DEG
                || other == Other::Cropped && p.0[0] < 0.0 && p.0[1] > -35.0;
            let flap = other == Other::Sunken && right < 18.0;
            let outer = outer_mm(p) - if flap { 7.0 } else { 0.0 };
            let joined = other == Other::Joined && right < 15.0;
            let inner = outer - if joined { 21.0 } else { 6.0 };
            if open {
                5.0
            } else {
                (r - outer).max(inner - r) as f32
            }
        };
        let missing = |p: Point<Lps>| {
            let r = p.minus(centre).length();
            let off = (r - RADIUS_MM).abs() - 3.0;
            off.max(degrees(p, 1.0) - HOLE_DEG) as f32
        };
        let chart = Chart::new(centre, RADIUS_MM, Vector::new([1.0, 0.0, 0.0])).unwrap();
        let flipped = [
            [-1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
        ];
        let reflection = Map::new(flipped);
        let look = |vault: &Vault| {
            let outer = &vault.outer;
            let mirrored = Mirrored::cast(chart, 60.0, &bone, &reflection, 1.0, outer);
            Others {
                mirrored: Some(mirrored),
                foreseen: None,
            }
        };
        let vault = Vault::survey(chart, 60.0, &bone, Marks::network(&missing), look).unwrap();
        assert_eq!(vault.others.mirrored.is_some(), vault.mirrored_share > 0.0);
        let places = [(0.0, 0.0), (8.0, 5.0), (-14.0, 3.0), (6.0, -20.0)];
        let off = places.map(|(u, v)| {
            let r = vault.outer.sample(u, v);
            (r - outer_mm(chart.point(u, v, r))).abs()
        });
        let thickest = places.map(|(u, v)| vault.thickness.sample(u, v));
        let most = |all: [f64; 4]| all.into_iter().fold(0.0, f64::max);
        (most(off), most(thickest), vault.mirrored_share)
    }

    #[test]
    fn the_other_side_gives_the_form_and_the_rim_its_height() {
        let (off, thickest, share) = filled(Other::Healthy);
        assert!(off < 0.5 && share > 0.9, "{off} mm off, {share}");
        assert!((thickest - 6.0).abs() < 0.5, "{thickest} mm thick");
    }

    #[test]
    fn without_another_side_the_plate_knows_nothing_of_the_boss() {
        for other in [Other::Hole, Other::Cropped] {
            let (off, _, share) = filled(other);
            assert!(off > 2.0 && share == 0.0, "{off} mm off, {share}");
        }
    }

    #[test]
    fn a_sunken_flap_over_there_is_not_copied() {
        let (off, _, share) = filled(Other::Sunken);
        assert!(share == 0.0 && off < 4.5, "{off} mm off, {share}");
    }

    #[test]
    fn what_is_joined_to_the_bone_over_there_is_no_thickness() {
        let (off, thickest, share) = filled(Other::Joined);
        assert!(off < 0.5 && share > 0.9, "{off} mm off, {share}");
        assert!(thickest < 6.0 + THICKER_MM + 0.1, "{thickest} mm thick");
    }
}
