//! The slicer's plane: whole micrometres of the bed, and regions bounded by closed contours.
//!
//! Holds: a [`Region`]'s outer contours run counter-clockwise, its holes clockwise, and none cross. All booleans
//!        and offsets are integer arithmetic (`i_overlay`), so that equal input gives equal bits on every machine
//!        and coordinates never snap differently from layer to layer.

use i_overlay::core::fill_rule::FillRule;
use i_overlay::core::overlay::Overlay;
use i_overlay::core::overlay_rule::OverlayRule;
use i_overlay::core::solver::Solver;
use i_overlay::i_float::int::angle::Angle;
use i_overlay::i_float::int::point::IntPoint;
use i_overlay::mesh::int::arc::ArcOptions;
use i_overlay::mesh::int::outline::offset::IntOutlineOffset;
use i_overlay::mesh::int::style::{IntLineJoin, IntOutlineStyle};
use serde::{Deserialize, Serialize};

/// A distance in whole micrometres.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Um(pub i32);

impl Um {
    /// From millimetres, rounded to the nearest micrometre.
    pub fn from_mm(mm: f64) -> Self {
        // A part is below 1 m: far inside the range.
        Self((mm * 1000.0).round() as i32)
    }
    /// In millimetres.
    pub fn mm(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
}

/// A place on the bed, micrometres from its front left corner.
pub type Spot = IntPoint<i32>;

/// A closed contour; the last point joins the first.
pub type Contour = Vec<Spot>;

/// Distance between two places, micrometres.
pub(super) fn distance_um(a: Spot, b: Spot) -> f64 {
    f64::from(a.x - b.x).hypot(f64::from(a.y - b.y))
}

/// Twice the signed area of a contour, um2: positive when counter-clockwise.
fn area_twice(contour: &[Spot]) -> i64 {
    let wrap = contour.iter().skip(1).chain(contour.first());
    contour
        .iter()
        .zip(wrap)
        .map(|(a, b)| i64::from(a.x) * i64::from(b.y) - i64::from(b.x) * i64::from(a.y))
        .sum()
}

/// How corners grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corner {
    /// By an arc, 24 degrees a step (5 um off at 0.2 mm).
    Round,
    /// To a point, cut off where the corner is sharper than 60 degrees.
    Sharp,
}

/// Part of a layer: islands, each an outer contour with its holes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Region(Vec<Vec<Contour>>);

impl Region {
    /// The area with positive winding number of closed, oriented contours that may touch or cross.
    pub fn from_contours(contours: &[Contour]) -> Self {
        let mut overlay =
            Overlay::from_subj_custom(contours, Default::default(), Solver::default());
        Self(overlay.overlay(OverlayRule::Subject, FillRule::Positive))
    }

    /// Nothing at all?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every contour, outer ones and holes.
    pub fn contours(&self) -> impl Iterator<Item = &Contour> + '_ {
        self.0.iter().flatten()
    }

    /// Each island as a region of its own, in a fixed order.
    pub fn islands(&self) -> impl Iterator<Item = Region> + '_ {
        self.0.iter().map(|island| Region(vec![island.clone()]))
    }

    /// Area, mm2.
    pub fn area_mm2(&self) -> f64 {
        self.contours().map(|c| area_twice(c) as f64).sum::<f64>() * 0.5e-6
    }

    /// Lowest and highest corner; `None` when empty.
    pub fn bounds(&self) -> Option<(Spot, Spot)> {
        let mut all = self.contours().flatten();
        let first = *all.next()?;
        Some(all.fold((first, first), |(lo, hi), p| {
            (
                Spot::new(lo.x.min(p.x), lo.y.min(p.y)),
                Spot::new(hi.x.max(p.x), hi.y.max(p.y)),
            )
        }))
    }

    fn with(&self, other: &Self, rule: OverlayRule) -> Self {
        let mut overlay = Overlay::from_subj_and_clip_custom(
            &self.0,
            &other.0,
            Default::default(),
            Solver::default(),
        );
        Self(overlay.overlay(rule, FillRule::Positive))
    }

    /// Both together.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        match (self.is_empty(), other.is_empty()) {
            (true, _) => other.clone(),
            (_, true) => self.clone(),
            _ => self.with(other, OverlayRule::Union),
        }
    }

    /// What both have.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        if self.is_empty() || other.is_empty() {
            return Self::default();
        }
        self.with(other, OverlayRule::Intersect)
    }

    /// What only `self` has.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        if self.is_empty() || other.is_empty() {
            return self.clone();
        }
        self.with(other, OverlayRule::Difference)
    }

    /// Grown by `by`, shrunk when negative.
    #[must_use]
    pub fn offset(&self, by: Um, corner: Corner) -> Self {
        if by.0 == 0 || self.is_empty() {
            return self.clone();
        }
        let join = match corner {
            Corner::Round => IntLineJoin::Round(ArcOptions {
                max_step: Angle::from_bits(u32::MAX / 15),
                ..ArcOptions::default()
            }),
            Corner::Sharp => IntLineJoin::Miter(Angle::from_bits(u32::MAX / 6)),
        };
        let style = IntOutlineStyle::new(by.0).line_join(join);
        // The only error is a coordinate out of the integer range; a bed is 2^20 um, the range 2^30.
        self.0.outline(&style).map(Self).unwrap_or_default()
    }

    /// Without what is narrower than `width` (shrunk and grown again); corners stay sharp.
    #[must_use]
    pub fn opened(&self, width: Um) -> Self {
        let half = Um(width.0 / 2);
        self.offset(Um(-half.0), Corner::Sharp)
            .offset(half, Corner::Sharp)
            .intersect(self)
    }

    /// Gaps narrower than `width` closed.
    #[must_use]
    pub fn closed(&self, width: Um) -> Self {
        let half = Um(width.0 / 2);
        self.offset(half, Corner::Sharp)
            .offset(Um(-half.0), Corner::Sharp)
    }

    /// Islands of at least `least` mm2.
    #[must_use]
    pub fn larger_than(&self, least_mm2: f64) -> Self {
        let area = |island: &Vec<Contour>| {
            island.iter().map(|c| area_twice(c) as f64).sum::<f64>() * 0.5e-6
        };
        Self(
            self.0
                .iter()
                .filter(|i| area(i) >= least_mm2)
                .cloned()
                .collect(),
        )
    }

    /// Is the place inside? Even-odd; places on the boundary may go either way.
    pub fn contains(&self, spot: Spot) -> bool {
        let mut inside = false;
        for contour in self.contours() {
            let wrap = contour.iter().skip(1).chain(contour.first());
            for (a, b) in contour.iter().zip(wrap) {
                if (a.y > spot.y) != (b.y > spot.y) {
                    let cross = i64::from(b.x - a.x) * i64::from(spot.y - a.y)
                        - i64::from(spot.x - a.x) * i64::from(b.y - a.y);
                    inside ^= (cross > 0) == (b.y > a.y);
                }
            }
        }
        inside
    }

    /// Contours without the points that stray less than `within` from a straight line (Douglas-Peucker), and
    /// without contours that collapse.
    #[must_use]
    pub fn simplified(&self, within: Um) -> Self {
        let contours: Vec<Contour> = self
            .contours()
            .map(|c| simplify_closed(c, within))
            .filter(|c| c.len() >= 3)
            .collect();
        Self::from_contours(&contours)
    }
}

/// Douglas-Peucker on a closed contour, anchored at its lowest point (then leftmost) and the point furthest from
/// it, so that the result does not depend on where the contour starts.
fn simplify_closed(contour: &[Spot], within: Um) -> Contour {
    let Some(start) = (0..contour.len()).min_by_key(|&i| (contour[i].y, contour[i].x)) else {
        return Vec::new();
    };
    let mut ring = contour.to_vec();
    ring.rotate_left(start);
    ring.push(ring[0]);
    let far = (0..ring.len())
        .max_by_key(|&i| squared(ring[0], ring[i]))
        .unwrap_or(0);
    let mut kept = simplify_open(&ring[..=far], within);
    kept.pop();
    kept.extend(simplify_open(&ring[far..], within));
    kept.pop();
    kept
}

fn squared(a: Spot, b: Spot) -> i64 {
    let (dx, dy) = (i64::from(a.x - b.x), i64::from(a.y - b.y));
    dx * dx + dy * dy
}

/// Douglas-Peucker on an open line; both ends stay.
pub(super) fn simplify_open(line: &[Spot], within: Um) -> Vec<Spot> {
    if line.len() < 3 {
        return line.to_vec();
    }
    let mut keep = vec![false; line.len()];
    keep[0] = true;
    keep[line.len() - 1] = true;
    let mut spans = vec![(0, line.len() - 1)];
    while let Some((from, to)) = spans.pop() {
        let furthest = (from + 1..to)
            .map(|i| (from_line_squared(line[i], line[from], line[to]), i))
            .fold(
                (0.0, from),
                |best, one| if one.0 > best.0 { one } else { best },
            );
        if furthest.0 > f64::from(within.0).powi(2) {
            keep[furthest.1] = true;
            spans.push((from, furthest.1));
            spans.push((furthest.1, to));
        }
    }
    line.iter()
        .zip(keep)
        .filter_map(|(&p, keep)| keep.then_some(p))
        .collect()
}

/// Squared distance of `p` from the stretch `a` to `b`, um2.
fn from_line_squared(p: Spot, a: Spot, b: Spot) -> f64 {
    let (ux, uy) = (f64::from(b.x - a.x), f64::from(b.y - a.y));
    let (vx, vy) = (f64::from(p.x - a.x), f64::from(p.y - a.y));
    let length2 = ux * ux + uy * uy;
    let t = if length2 > 0.0 {
        ((ux * vx + uy * vy) / length2).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (vx - t * ux).powi(2) + (vy - t * uy).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: i32, y: i32, side: i32) -> Region {
        let corners = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)];
        Region::from_contours(&[corners.map(|(x, y)| Spot::new(x, y)).to_vec()])
    }

    #[test]
    fn areas_of_booleans_add_up() {
        let (a, b) = (square(0, 0, 10_000), square(5_000, 0, 10_000));
        assert_eq!(a.area_mm2(), 100.0);
        assert_eq!(a.union(&b).area_mm2(), 150.0);
        assert_eq!(a.intersect(&b).area_mm2(), 50.0);
        assert_eq!(a.minus(&b).area_mm2(), 50.0);
        assert!(a.minus(&a).is_empty());
    }

    #[test]
    fn offsets_move_every_edge_by_the_distance() {
        let a = square(0, 0, 10_000);
        assert!((a.offset(Um(-1_000), Corner::Round).area_mm2() - 64.0).abs() < 1e-3);
        assert!((a.offset(Um(1_000), Corner::Sharp).area_mm2() - 144.0).abs() < 1e-3);
        let round = a.offset(Um(1_000), Corner::Round).area_mm2();
        assert!(
            (round - (100.0 + 40.0 + std::f64::consts::PI)).abs() < 0.1,
            "{round}"
        );
        assert!(a.offset(Um(-5_001), Corner::Round).is_empty());
    }

    #[test]
    fn a_ring_keeps_its_hole_and_a_slit_is_opened_away() {
        let ring = square(0, 0, 10_000).minus(&square(2_000, 2_000, 6_000));
        assert_eq!(ring.contours().count(), 2);
        assert!(!ring.contains(Spot::new(5_000, 5_000)) && ring.contains(Spot::new(1_000, 5_000)));
        let tail = ring.union(&square(9_900, 0, 100).offset(Um(0), Corner::Sharp));
        let spike = tail.union(&Region::from_contours(&[[
            (10_000, 0),
            (14_000, 0),
            (14_000, 200),
            (10_000, 200),
        ]
        .map(|(x, y)| Spot::new(x, y))
        .to_vec()]));
        assert!((spike.opened(Um(400)).area_mm2() - ring.area_mm2()).abs() < 0.1);
    }

    #[test]
    fn simplifying_keeps_corners_and_drops_the_rest() {
        let dense: Contour = (0..400)
            .map(|i| match i / 100 {
                0 => Spot::new(i * 100, 3),
                1 => Spot::new(10_000, (i - 100) * 100),
                2 => Spot::new(10_000 - (i - 200) * 100, 10_000),
                _ => Spot::new(0, 10_000 - (i - 300) * 100),
            })
            .collect();
        let region = Region::from_contours(std::slice::from_ref(&dense));
        let simple = region.simplified(Um(12));
        assert!(simple.contours().next().unwrap().len() <= 6);
        assert!((simple.area_mm2() - region.area_mm2()).abs() < 0.2);
        let mut turned = dense.clone();
        turned.rotate_left(137);
        assert_eq!(Region::from_contours(&[turned]).simplified(Um(12)), simple);
    }
}
