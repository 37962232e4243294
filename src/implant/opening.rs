//! Opening: places where rays from the middle of the head leave the vault without meeting bone. Where the network marks nothing
//! they may be holes all the same; those that get no part are named, since a technician sees them on the pictures.
//!
//! Rays from the middle of the head, 2 mm apart over the whole vault. Saw lines, sutures and pinholes are narrower
//! than what counts.

use super::chart::{Chart, Sheet, blank};
use super::place;
use crate::head::Axes;
use crate::space::{Lps, Point};
use crate::volume::components::{Connectivity, label};
use crate::volume::{Volume, morphology};
use rayon::prelude::*;

/// Distance of rays on a vault of [`RADIUS_MM`], mm.
const RAY_MM: f64 = 2.0;
const RADIUS_MM: f64 = 80.0;
/// The vault reaches this far around from the vertex, mm of arc: 17 degrees under the horizontal.
const REACH_MM: f64 = 150.0;
/// Bone nearer to the middle is skull base; farther off there is none. mm.
const FROM_MM: f64 = 52.0;
const TO_MM: f64 = 130.0;
/// How far above the floor of the upper vault ([`place::on_upper_vault`]) an opening is looked for, degrees. What is named without
/// having been surveyed stays well off it: right over the brow a ray may pass through an orbit.
pub(super) const NAMED_DEG: f64 = 12.0;
/// An opening that is surveyed before anything is said of it may lie lower: on every whole training skull that was looked at
/// no ray passes from here on either, and each place is inside what [`place::on_vault`] takes for vault.
pub(super) const SURVEYED_DEG: f64 = -10.0;
/// Nothing narrower than twice this counts, mm.
const SLIT_MM: f64 = 4.0;
/// A ray is looked at every mm: thinner bone is no vault.
const STEP_MM: f64 = 0.8;

/// A scan that ends nearer to the middle than this says nothing about the vault there, mm.
const SKIN_MM: f64 = 65.0;

/// What a ray meets.
#[derive(Clone, Copy)]
enum Ray {
    /// Bone, or what fills it, at this radius in mm.
    Bone(f64),
    /// Nothing: the vault is open.
    Open,
    /// It does not belong to the vault, or leaves the scan.
    Elsewhere,
}

/// An open place of the vault.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    /// Area, mm2.
    pub(super) mm2: f64,
    /// Its middle.
    pub(super) centre: Point<Lps>,
    /// The chart of the whole vault, and the rays that it has on it.
    pub(super) chart: Chart,
    pub(super) cells: Sheet<bool>,
    /// How far off from the chart's centre the bone around it is, mm.
    pub(super) radius_mm: f64,
}

/// Open places of at least `least_mm2` from `floor_deg` above the floor of the upper vault on, the largest first. `filled` is
/// bone that is already accounted for.
pub(super) fn openings(
    skull: &Volume<bool>,
    filled: Option<&Volume<bool>>,
    axes: &Axes,
    least_mm2: f64,
    floor_deg: f64,
) -> Vec<Opening> {
    let Some(chart) = Chart::new(axes.middle(), RADIUS_MM, axes.up()) else {
        return Vec::new();
    };
    let sheet = blank(REACH_MM, RAY_MM);
    let to_ijk = skull.to_ijk();
    let met = |at: Point<Lps>| -> Option<bool> {
        let index = to_ijk.apply(at).0.map(|x| x.round() as i64);
        let bone = *skull.get(index)?;
        Some(bone || filled.is_some_and(|f| f.get(index) == Some(&true)))
    };
    let ray = |u: f64, v: f64| {
        let at = |r: f64| chart.point(u, v, r);
        if u.hypot(v) > REACH_MM || !place::on_upper_vault(axes.locate(at(RADIUS_MM)), floor_deg) {
            return Ray::Elsewhere;
        }
        for n in 0..((TO_MM - FROM_MM) / STEP_MM) as u32 {
            let r = FROM_MM + f64::from(n) * STEP_MM;
            match met(at(r)) {
                Some(true) => return Ray::Bone(r),
                Some(false) => {}
                // The scan ends before the vault does: nothing is known there.
                None if r < SKIN_MM => return Ray::Elsewhere,
                None => break,
            }
        }
        Ray::Open
    };
    let rays: Vec<Ray> = (0..sheet.data.len())
        .into_par_iter()
        .map(|cell| {
            let (u, v) = sheet.mm(cell);
            ray(u, v)
        })
        .collect();
    let open = sheet.with(rays.iter().map(|r| matches!(r, Ray::Open)).collect());
    let labels = label(
        &morphology::open_mm(&open.volume(), SLIT_MM),
        Connectivity::Face,
    );
    let mut found: Vec<Opening> = (1..=labels.sizes.len() as u32)
        .filter_map(|n| {
            let body = labels.mask(n);
            let (mut mm2, mut u, mut v, mut cells) = (0.0, 0.0, 0.0, 0.0);
            for (cell, _) in body.data().iter().enumerate().filter(|&(_, &b)| b) {
                let at = sheet.mm(cell);
                let angle = at.0.hypot(at.1) / RADIUS_MM;
                let shrink = if angle < 1e-6 {
                    1.0
                } else {
                    angle.sin() / angle
                };
                mm2 += RAY_MM * RAY_MM * shrink;
                (u, v, cells) = (u + at.0, v + at.1, cells + 1.0);
            }
            // The bone around it says how far off the vault is.
            let around = morphology::dilate_mm(&body, SLIT_MM);
            let bone = rays
                .iter()
                .zip(around.data())
                .filter_map(|(ray, &near)| match ray {
                    Ray::Bone(r) if near => Some(*r),
                    Ray::Bone(_) | Ray::Open | Ray::Elsewhere => None,
                });
            let (sum, count) = bone.fold((0.0, 0.0), |(s, n), r| (s + r, n + 1.0));
            let radius = if count > 0.0 { sum / count } else { RADIUS_MM };
            mm2 *= (radius / RADIUS_MM).powi(2);
            (mm2 >= least_mm2).then(|| Opening {
                mm2,
                centre: chart.point(u / cells, v / cells, radius),
                chart,
                cells: sheet.with(body.data().to_vec()),
                radius_mm: radius,
            })
        })
        .collect();
    found.sort_by(|a, b| b.mm2.total_cmp(&a.mm2));
    found
}
