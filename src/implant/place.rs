//! Place: where on the head something lies, in the patient's own directions.

use crate::space::{Lps, Point};
use crate::status::Side;
use crate::volume::Volume;
use crate::volume::crop::IndexBox;
use std::f64::consts::{PI, TAU};

/// The middle of the head lies this far under the vertex, mm.
const UNDER_TOP_MM: f64 = 75.0;
/// A body with more than this share beyond the midline lies on both sides.
const ACROSS: f64 = 0.15;

/// Middle of the head: in the middle of the skull's box from side to side and front to back, 75 mm under its top.
pub(super) fn middle(skull: &Volume<bool>, head: &IndexBox) -> Point<Lps> {
    let (mut lo, mut hi) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for corner in 0..8usize {
        let index = [0, 1, 2].map(|a| {
            if corner >> a & 1 == 0 {
                head[a].start
            } else {
                head[a].end - 1
            }
        });
        let at = skull.centre(index);
        for a in 0..3 {
            lo[a] = lo[a].min(at.0[a]);
            hi[a] = hi[a].max(at.0[a]);
        }
    }
    let under = UNDER_TOP_MM.min((hi[2] - lo[2]) / 2.0);
    Point::new([(lo[0] + hi[0]) / 2.0, (lo[1] + hi[1]) / 2.0, hi[2] - under])
}

/// The vault's outer skin within `mm` of a point: the farthest bone in every direction from the head's middle,
/// where it belongs to the vault. One point a direction (2 degrees), so that a fit weighs all alike.
pub(super) fn skin(skull: &Volume<bool>, head: &IndexBox, middle: Point<Lps>) -> Vec<Point<Lps>> {
    let (azimuths, elevations) = (180usize, 90usize);
    let mut farthest: Vec<(f64, Option<Point<Lps>>)> = vec![(0.0, None); azimuths * elevations];
    for k in head[2].clone() {
        for j in head[1].clone() {
            for i in head[0].clone() {
                if !skull.data()[skull.offset([i, j, k])] {
                    continue;
                }
                let at = skull.centre([i, j, k]);
                let d = at.minus(middle);
                let r = d.length();
                let turn = (d.0[1].atan2(d.0[0]) / TAU + 0.5) * azimuths as f64;
                let rise =
                    ((d.0[2] / r.max(1e-9)).clamp(-1.0, 1.0).asin() / PI + 0.5) * elevations as f64;
                let bin = (rise as usize).min(elevations - 1) * azimuths
                    + (turn as usize).min(azimuths - 1);
                if r > farthest[bin].0 {
                    farthest[bin] = (r, Some(at));
                }
            }
        }
    }
    let points = farthest.into_iter().filter_map(|(_, at)| at);
    points.filter(|&at| on_vault(at, middle)).collect()
}

/// The direction of `at` from the head's middle: degrees above the horizontal, and how far to the front (1 at the
/// brow, -1 at the back).
fn seen(at: Point<Lps>, middle: Point<Lps>) -> (f64, f64, f64) {
    let d = at.minus(middle);
    let flat = d.0[0].hypot(d.0[1]).max(1e-9);
    (
        d.0[2].atan2(flat).to_degrees(),
        -d.0[1] / flat,
        d.0[0].abs() / flat,
    )
}

/// Above the brow in front, above the ears at the sides, above the nape behind: the vault.
/// The same floor as where training puts its defects.
pub(super) fn on_vault(at: Point<Lps>, middle: Point<Lps>) -> bool {
    above_floor(at, middle, 0.0)
}

/// The same with the floor lifted by some degrees.
pub(super) fn above_floor(at: Point<Lps>, middle: Point<Lps>, by_deg: f64) -> bool {
    let (elevation, front, _) = seen(at, middle);
    elevation > by_deg - 5.0 + 25.0 * front.clamp(-0.5, 1.0)
}

/// The region's name.
pub(super) fn region(at: Point<Lps>, middle: Point<Lps>) -> &'static str {
    let (elevation, front, side) = seen(at, middle);
    if elevation > 70.0 {
        "vertex"
    } else if front > 0.8 {
        "frontal"
    } else if front < -0.8 {
        if elevation > 35.0 {
            "parieto-occipital"
        } else {
            "occipital"
        }
    } else if elevation > 35.0 {
        if front > 0.3 {
            "fronto-parietal"
        } else {
            "parietal"
        }
    } else if front > 0.3 {
        "fronto-temporal"
    } else if side > 0.8 || front > -0.5 {
        "temporal"
    } else {
        "temporo-occipital"
    }
}

/// x of the skull's own mid-plane: the middle of its bone, what is missing counted in.
pub(super) fn midline(skull: &Volume<bool>, missing: &Volume<bool>) -> f64 {
    let both = skull.with(
        (skull.data().iter().zip(missing.data()))
            .map(|(&a, &b)| a || b)
            .collect(),
    );
    both.centroid().map_or(0.0, |c| c.0[0])
}

/// Patient's left, right, or across the midline.
pub(super) fn side(body: &Volume<bool>, midline: f64) -> Side {
    let (mut left, mut all) = (0usize, 0usize);
    for (offset, _) in body.data().iter().enumerate().filter(|&(_, &v)| v) {
        all += 1;
        left += usize::from(body.centre(body.index(offset)).0[0] > midline);
    }
    let share = left as f64 / all.max(1) as f64;
    if share > 1.0 - ACROSS {
        Side::Left
    } else if share < ACROSS {
        Side::Right
    } else {
        Side::Both
    }
}
