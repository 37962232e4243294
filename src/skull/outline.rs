//! Outline: the head as seen from its middle, nearest and farthest bone in every direction.
//!
//! What lies behind bone is not in the head: couch, holder, table metal. What has no bone in front of it and
//! touches the skull is part of it: the calvaria above a saw line.

use crate::space::{Lps, Point};
use crate::volume::Volume;
use std::f64::consts::{PI, TAU};

/// Edge of a direction bin in degrees: 4 mm on the vault, wider than the thickest slices.
const BIN_DEG: f64 = 3.0;
const AZIMUTHS: usize = 120;
const ELEVATIONS: usize = 60;
/// The middle lies this far under the vertex, about the middle of the brain.
const UNDER_TOP_MM: f64 = 75.0;
/// Directions steeper than this belong to the vault.
const VAULT_DEG: f64 = 20.0;

/// Nearest and farthest bone around the middle of a head.
pub(super) struct Outline {
    middle: Point<Lps>,
    /// Nearest and farthest bone in mm of each bin; infinite and 0 where there is none.
    reach: Vec<(f32, f32)>,
}

impl Outline {
    /// The outline of a body. `None` when it has no voxel.
    pub(super) fn of(body: &Volume<bool>) -> Option<Self> {
        let (mut lo, mut hi) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        each(body, |at| {
            for a in 0..3 {
                lo[a] = lo[a].min(at.0[a]);
                hi[a] = hi[a].max(at.0[a]);
            }
        });
        if lo[0] > hi[0] {
            return None;
        }
        let below = UNDER_TOP_MM.min((hi[2] - lo[2]) / 2.0);
        let middle = Point::new([(lo[0] + hi[0]) / 2.0, (lo[1] + hi[1]) / 2.0, hi[2] - below]);
        let mut reach = vec![(f32::INFINITY, 0.0f32); AZIMUTHS * ELEVATIONS];
        each(body, |at| {
            let (bin, radius) = seen(middle, at);
            let (near, far) = &mut reach[bin];
            *near = near.min(radius);
            *far = far.max(radius);
        });
        Some(Self { middle, reach })
    }

    /// Share of the vault's directions (by solid angle) in which there is bone: near 1 for a whole skull, 0.7
    /// with a very large hole, less for anything that is not a vault.
    pub(super) fn closed(&self) -> f64 {
        let (mut all, mut bone) = (0.0, 0.0);
        for (bin, &(_, far)) in self.reach.iter().enumerate() {
            let elevation = ((bin / AZIMUTHS) as f64 + 0.5) * BIN_DEG - 90.0;
            if elevation > VAULT_DEG {
                let weight = elevation.to_radians().cos();
                all += weight;
                bone += if far > 0.0 { weight } else { 0.0 };
            }
        }
        bone / all
    }

    /// Bone lies between the middle and this point (2 mm of tolerance).
    pub(super) fn hides(&self, at: Point<Lps>) -> bool {
        let (bin, radius) = seen(self.middle, at);
        self.reach[bin].0 + 2.0 < radius
    }

    /// The point is inside the outermost bone, or at most `mm` outside it.
    pub(super) fn holds(&self, at: Point<Lps>, mm: f32) -> bool {
        let (bin, radius) = seen(self.middle, at);
        radius <= self.reach[bin].1 + mm
    }
}

/// Calls `see` with the centre of every set voxel.
pub(super) fn each(body: &Volume<bool>, mut see: impl FnMut(Point<Lps>)) {
    for (offset, _) in body.data().iter().enumerate().filter(|&(_, &v)| v) {
        see(body.centre(body.index(offset)));
    }
}

/// Direction bin and distance in mm of a point.
fn seen(middle: Point<Lps>, at: Point<Lps>) -> (usize, f32) {
    let v = at.minus(middle);
    let radius = v.length();
    let azimuth = (v.0[1].atan2(v.0[0]) + PI) / TAU * AZIMUTHS as f64;
    let elevation = (v.0[2] / radius.max(1e-9)).clamp(-1.0, 1.0).asin();
    let row = ((elevation / PI + 0.5) * ELEVATIONS as f64) as usize;
    let bin = row.min(ELEVATIONS - 1) * AZIMUTHS + (azimuth as usize).min(AZIMUTHS - 1);
    (bin, radius as f32)
}
