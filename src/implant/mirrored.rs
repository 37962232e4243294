//! Mirrored: what the other half of the head says about a hole.
//!
//! The healthy side, reflected, has the curve and the thickness that a plate can not know; but no head is its own
//! mirror image. So it is read where there is bone on both sides, all around the hole; what it errs there is carried
//! into the hole and taken off. What is left is the form of the other side on the border of this one, as a surgeon
//! would bend it.
//!
//! A hole across the midline has little of another side. Slivers of one beside its rim did more harm than good.

use super::chart::{Chart, Sheet, blank};
use super::plate::{Stiffness, Wish, solve};
use super::rays::{NEAR_PLATE, Rays};
use super::vault::{Field, NODE_MM};
use crate::space::{Lps, Map};
use crate::volume::distance;

/// Inner and outer side of bone, mm from the chart's centre.
type Wall = (f64, f64);

/// Bone of the other side nearer than this to where it ends is bevelled or blurred, mm.
const RIM_MM: f32 = 4.0;
/// Share of the hole that the other side must have bone for.
const COVERED_LEAST: f64 = 0.3;
/// With fewer nodes around the hole that have bone on both sides these can not be compared: a fifth of the ring around
/// a hole of 20 mm.
const PAIRS_LEAST: usize = 100;
/// Halves whose difference varies by more than this around the hole are too unlike, mm (one standard deviation).
const UNLIKE_MM: f64 = 2.0;
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
}

/// What it wants at each node; `None` where it has no opinion.
pub(super) struct Wanted {
    /// The outer table, mm from the chart's centre.
    pub(super) outer: Vec<Option<f64>>,
    /// Thickness of the bone, mm.
    pub(super) thickness: Vec<Option<f64>>,
    /// Share of the hole for which it has an opinion.
    pub(super) covered: f64,
}

impl Mirrored {
    /// Looks at the reflection of `bone` in the head's plane, near the expected outer table.
    pub(super) fn cast(
        chart: Chart,
        reach_mm: f64,
        bone: &Field,
        reflection: &Map<Lps, Lps>,
        expected: &Sheet<f64>,
    ) -> Self {
        let nothing = |_| 1.0;
        let rays = Rays::cast(chart, reach_mm, &|p| bone(reflection.apply(p)), &nothing);
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
        }
    }

    /// Its opinion on the nodes that are `hole`, given the walls that were read around them. `None` when it covers too
    /// little of the hole or the two sides can not be compared.
    pub(super) fn wanted(
        &self,
        ring: &Sheet<Option<Wall>>,
        inside: &Sheet<bool>,
        hole: &[bool],
    ) -> Option<Wanted> {
        let nodes = ring.data.len();
        let walls: Vec<Option<Wall>> = (0..nodes)
            .map(|n| {
                let (u, v) = ring.mm(n);
                self.walls.nearest(u, v).flatten()
            })
            .collect();
        let all = hole.iter().filter(|&&h| h).count();
        let seen = (walls.iter().zip(hole)).filter(|(w, h)| **h && w.is_some());
        let covered = seen.count() as f64 / all.max(1) as f64;
        let pairs: Vec<(usize, Wall, Wall)> = (0..nodes)
            .filter_map(|n| Some((n, walls[n]?, ring.data[n]?)))
            .collect();
        let spread = deviation(pairs.iter().map(|(_, other, own)| other.1 - own.1));
        tracing::debug!(covered, pairs = pairs.len(), spread, "other side");
        if covered < COVERED_LEAST || pairs.len() < PAIRS_LEAST || spread > UNLIKE_MM {
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
            let error = solve(&ring.with(wishes), inside, Stiffness::Membrane);
            (0..nodes)
                .map(|n| Some(value(walls[n].filter(|_| hole[n])?) - error.data[n]))
                .collect()
        };
        Some(Wanted {
            outer: corrected(|(_, outer)| outer),
            thickness: corrected(|(inner, outer)| outer - inner),
            covered,
        })
    }
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

    /// How far the table over a hole in the left boss lies off, mm, and the share that followed the other side.
    fn error(other_hole: bool) -> (f64, f64) {
        let centre = Point::new([0.0; 3]);
        let bone = |p: Point<Lps>| {
            let open = degrees(p, 1.0) < HOLE_DEG || other_hole && degrees(p, -1.0) < HOLE_DEG;
            let (r, outer) = (p.minus(centre).length(), outer_mm(p));
            let wall = (r - outer).max(outer - 6.0 - r);
            if open { 5.0 } else { wall as f32 }
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
        let look = |outer: &_| Some(Mirrored::cast(chart, 60.0, &bone, &reflection, outer));
        let vault = Vault::survey(chart, 60.0, &bone, &missing, look).unwrap();
        let off = |&(u, v): &(f64, f64)| {
            let r = vault.outer.sample(u, v);
            (r - outer_mm(chart.point(u, v, r))).abs()
        };
        let places = [(0.0, 0.0), (8.0, 5.0), (-14.0, 3.0), (6.0, -20.0)];
        (
            places.iter().map(off).fold(0.0, f64::max),
            vault.mirrored_share,
        )
    }

    #[test]
    fn the_other_side_gives_the_form_and_the_rim_its_height() {
        let (off, share) = error(false);
        assert!(off < 0.5 && share > 0.9, "{off} mm off, {share}");
    }

    #[test]
    fn without_another_side_the_plate_knows_nothing_of_the_boss() {
        let (off, share) = error(true);
        assert!(off > 2.0 && share == 0.0, "{off} mm off, {share}");
    }
}
