//! Part: what goes into one hole, as one signed field.
//!
//! The part is what lies under the outer surface, over the inner one, inside the hole's outline, and clear of the
//! bone along its whole way in: the nearest that bone comes on the way out keeps the clearance, so the largest part
//! that goes in is what comes out. Nothing binary is ever meshed.

use super::body::Body;
use super::chart::Sheet;
use super::edge::{self, Grey};
use super::fault::SolidError;
use super::field::Sampled;
use super::fit::Seat;
use super::insertion::{self, Way};
use super::lighten::{self, LightenError, Lightened};
use super::rays::RAY_MM;
use super::rules::{Rules, Thickness};
use super::vault::{Marks, Vault};
use crate::mesh::Mesh;
use crate::space::{Ijk, Lps, Map, Point, Vector};
use crate::volume::components::{self, Connectivity};
use crate::volume::{Hu, Volume, distance, morphology};
use rayon::prelude::*;

/// Where the bone is read from.
#[derive(Clone, Copy, Debug)]
pub enum Bone<'a> {
    /// Grey values: the true edge.
    Ct(&'a Volume<Hu>),
    /// Only a mask: its edge, half a voxel sure.
    Mask(&'a Volume<bool>),
}

/// Bone that is needed around the hole to read its surfaces, mm.
const AROUND_MM: f64 = 20.0;
/// Room over the outer and under the inner surface, mm.
const OVER_MM: f64 = 5.0;
/// The part may reach this far under or over bone beyond the free rays (walls that lean a little), mm. Over a wide bevel
/// of the outer table it goes on to the bevel's end.
const LIP_MM: f32 = 2.0;
/// Thinner than twice this is a flake, mm.
const FLAKE_MM: f64 = 0.6;
/// Cells of the field at most: 150 mm across at 0.5 mm is 25 million.
const CELLS_MOST: usize = 40_000_000;
/// Farther outside the wanted shape than this no way in is looked at, mm: the surface does not pass there.
const NEAR_MM: f32 = 1.0;
/// The part's rim is rounded so far from its edge, mm: the scanner rounds the bone's own rim, so there the bone is
/// larger than it reads. Takes a quarter of it off the edge itself.
const ROUND_MM: f32 = 1.5;
/// Slices thicker than this leave the edge between them unsure, and the clearance grows by this much a further mm.
const SURE_MM: f64 = 1.0;
const UNSURE: f64 = 0.025;

/// One part as fields on its own grid; the grid's third axis is the way out.
pub(super) struct Made {
    pub(super) field: Volume<f32>,
    bone: Volume<f32>,
    vault: Vault,
    part_thickness: Sheet<f64>,
    way: Way,
    undercut_mm3: f64,
    level_hu: f32,
    /// Distance to the part's outline over the chart, negative within it, mm.
    outline: Sheet<f64>,
}

impl Made {
    pub(super) fn new(body: &Body, bone: Bone, rules: &Rules) -> Result<Self, SolidError> {
        let no_rim = || SolidError::NoRim {
            region: body.region.clone(),
        };
        let chart = body.chart;
        let grid = grid(body, rules.grid_mm).ok_or_else(no_rim)?;
        let slice_mm = match bone {
            Bone::Ct(ct) => ct.spacing_mm(),
            Bone::Mask(mask) => mask.spacing_mm(),
        };
        let slice_mm = slice_mm.into_iter().fold(0.0, f64::max);
        let (bone, level_hu) = match bone {
            Bone::Ct(ct) => {
                edge::bone_distance(&grid, &Grey::new(ct, -1000.0, |hu: Hu| f32::from(hu.0)))
            }
            Bone::Mask(mask) => edge::bone_distance(
                &grid,
                &Grey::new(mask, 0.0, |v| if v { 1000.0 } else { 0.0 }),
            ),
        };
        tracing::debug!(shape = ?grid.shape(), "bone's edge read");
        let clearance_mm = rules.clearance_mm + UNSURE * (slice_mm - SURE_MM).max(0.0);
        let near = Sampled::new(&bone, 5.0);
        let target = Sampled::new(&body.mask, 0.0);
        let bone_at = |p| near.at(p, |v| v);
        let missing_at = |p| 0.5 - target.at(p, |v| if v { 1.0 } else { 0.0 });
        let others = |_: &_| body.others.clone();
        let vault = Vault::survey(
            chart,
            body.reach_mm,
            &bone_at,
            Marks::network(&missing_at),
            others,
        )
        .ok_or_else(no_rim)?;
        tracing::debug!("vault surveyed");
        let part_thickness = part_thickness(&vault, rules);
        let shape = wanted(&grid, &vault, &part_thickness);
        let walk = insertion::Bone::new(&bone);
        let way = insertion::search(&walk, &shape, clearance_mm, chart.frame[2]);
        tracing::debug!(way.tilt_deg, "way in found");
        let (field, undercut_mm3) = clear(shape, &bone, &walk, way, clearance_mm);
        tracing::debug!("fields fused");
        let field = cleaned(field).ok_or_else(|| SolidError::Nothing {
            region: body.region.clone(),
            clearance_mm: rules.clearance_mm,
        })?;
        Ok(Self {
            outline: signed(&vault.hole),
            field,
            bone,
            vault,
            part_thickness,
            way,
            undercut_mm3,
            level_hu,
        })
    }

    /// How far the outer table is expected to lie off the bone that was there, at each corner of the part's mesh, mm.
    pub(super) fn expected_mm(&self, mesh: &Mesh<Lps>) -> Option<Vec<f32>> {
        let map = self.vault.uncertainty.map_mm.as_ref()?;
        let at = |&corner: &Point<Lps>| {
            let [u, v, _] = self.vault.chart.locate(corner);
            map.sample(u, v) as f32
        };
        Some(mesh.vertices.iter().map(at).collect())
    }

    /// Takes away what the part can do without, on a copy: this one stays as it is.
    pub(super) fn lightened(&self, rules: &Rules) -> Result<Lightened, LightenError> {
        let field = Sampled::new(&self.field, 5.0);
        let at = |p| field.at(p, |v| v);
        let chart = self.vault.chart;
        let hole = &self.vault.hole;
        let reach_mm = (hole.side as f64 / 2.0) * hole.step_mm;
        let heights = self.vault.outer.data.iter().copied();
        let thickest = self.part_thickness.data.iter().copied().fold(0.0, f64::max);
        let low = heights.clone().fold(f64::INFINITY, f64::min) - thickest - OVER_MM;
        let high = heights.fold(0.0, f64::max) + OVER_MM;
        let shape = lighten::Shape {
            chart,
            reach_mm,
            radii_mm: [low, high],
            field: &at,
        };
        lighten::lighten(rules.lighten, &shape, rules.modulus_mpa)
    }

    /// Takes the perforations out of the field.
    pub(super) fn perforate(&mut self, light: &Lightened) {
        let grid = self.field.with(vec![(); self.field.data().len()]);
        let field = (self.field.data().par_iter().enumerate()).map(|(o, &inside)| {
            // What lies outside stays so, and is not asked.
            if inside > FLAKE_MM as f32 {
                return inside;
            }
            inside.max(-light.outside_holes_mm(grid.centre(grid.index(o))) as f32)
        });
        let field = field.collect();
        self.field = self.field.with(field);
    }

    /// Where a point lies against the part's own surfaces: how far from the outline inwards, and how far over the middle
    /// of its thickness, both mm.
    pub(super) fn place(&self, at: Point<Lps>) -> (f64, f64) {
        let [u, v, r] = self.vault.chart.locate(at);
        let outer = self.vault.outer.sample(u, v);
        let middle = outer - self.part_thickness.sample(u, v) / 2.0;
        (-self.outline.sample(u, v), r - middle)
    }

    /// Outwards at a point.
    pub(super) fn outwards(&self, at: Point<Lps>) -> Vector<Lps> {
        at.minus(self.vault.chart.centre)
    }

    pub(super) fn seat(&self) -> Seat<'_> {
        Seat {
            field: &self.field,
            bone: &self.bone,
            vault: &self.vault,
            thickness: &self.part_thickness,
            way: self.way,
            undercut_mm3: self.undercut_mm3,
            level_hu: self.level_hu,
        }
    }

    /// Sets the voxels of `out` whose centres are in the part.
    pub(super) fn voxelise(&self, out: &mut Volume<bool>) {
        let sample = Sampled::new(&self.field, 1.0);
        let region = self.vault.voxels(out);
        let grid = out.with(vec![(); out.data().len()]);
        let [ni, nj, _] = grid.shape();
        out.data_mut()
            .par_chunks_mut(ni * nj)
            .enumerate()
            .filter(|(k, _)| region[2].contains(k))
            .for_each(|(k, slice)| {
                for j in region[1].clone() {
                    for i in region[0].clone() {
                        slice[j * ni + i] |= sample.at(grid.centre([i, j, k]), |v| v) < 0.0;
                    }
                }
            });
    }
}

/// A grid around a body, its third axis outwards through the chart's middle.
fn grid(body: &Body, step_mm: f64) -> Option<Volume<()>> {
    let [e, f, out] = body.chart.frame;
    let centre = body.chart.centre;
    let (mut lo, mut hi) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for (offset, _) in body.mask.data().iter().enumerate().filter(|&(_, &v)| v) {
        let d = body.mask.centre(body.mask.index(offset)).minus(centre);
        for (a, axis) in [e, f, out].into_iter().enumerate() {
            lo[a] = lo[a].min(d.dot(axis));
            hi[a] = hi[a].max(d.dot(axis));
        }
    }
    if lo[0] > hi[0] {
        return None;
    }
    // Around the hole the bone falls away from the middle: more room downwards.
    let low = [lo[0] - AROUND_MM, lo[1] - AROUND_MM, lo[2] - AROUND_MM];
    let high = [hi[0] + AROUND_MM, hi[1] + AROUND_MM, hi[2] + 2.0 * OVER_MM];
    let count = |step: f64| [0, 1, 2].map(|a| ((high[a] - low[a]) / step).ceil() as usize + 1);
    let mut step = step_mm;
    while count(step).iter().product::<usize>() > CELLS_MOST {
        step *= 1.1;
    }
    let shape = count(step);
    let corner = (0..3).fold(centre, |p, a| p.plus([e, f, out][a].times(low[a])));
    let map = Map::<Ijk, Lps>::from_columns([e, f, out].map(|axis| axis.times(step)), corner);
    Volume::new(shape, vec![(); shape.iter().product()], map).ok()
}

/// The part's thickness over the chart, mm.
fn part_thickness(vault: &Vault, rules: &Rules) -> Sheet<f64> {
    let least = rules.thickness_least_mm;
    let thick = vault.thickness.data.iter().map(|&bone| {
        let room = bone - rules.dura_mm;
        let wanted = match rules.thickness {
            Thickness::AtMost(mm) => room.min(mm),
            Thickness::Skull => room,
            Thickness::Constant(mm) => mm,
            Thickness::Fraction(share) => room.min(bone * share),
        };
        wanted.max(least)
    });
    vault.thickness.with(thick.collect())
}

/// max(outer, inner, outline): the part before the bone has a say.
fn wanted(grid: &Volume<()>, vault: &Vault, thickness: &Sheet<f64>) -> Volume<f32> {
    let outline = distance::distance_mm(&vault.hole.volume());
    let outline = outline.data().iter().map(|&d| f64::from(d.min(99.0)));
    let outline = vault.hole.with(outline.collect());
    let seat = signed(&vault.bevel.wide);
    let shape = (0..grid.data().len()).into_par_iter().map(|o| {
        let [u, v, r] = vault.chart.locate(grid.centre(grid.index(o)));
        let lip = (outline.sample(u, v) as f32 - LIP_MM).min(seat.sample(u, v) as f32);
        if lip > 3.0 {
            return lip;
        }
        let outer = vault.outer.sample(u, v);
        let above = (r - outer) as f32;
        let below = (outer - thickness.sample(u, v) - r) as f32;
        above.max(below).max(lip)
    });
    grid.with(shape.collect())
}

/// Distance to the edge of a set of rays, negative within it, mm.
fn signed(set: &Sheet<bool>) -> Sheet<f64> {
    let rest = set.with(set.data.iter().map(|within| !within).collect());
    let outside = distance::distance_mm(&set.volume());
    let within = distance::distance_mm(&rest.volume());
    let edge = (outside.data().iter().zip(within.data())).map(|(&to, &from)| {
        if from > 0.0 {
            RAY_MM / 2.0 - f64::from(from)
        } else {
            f64::from(to.min(99.0)) - RAY_MM / 2.0
        }
    });
    set.with(edge.collect())
}

/// The larger of two distances, with the edge where they meet rounded off: never less than the larger.
fn rounded(a: f32, b: f32) -> f32 {
    let near = (ROUND_MM - (a - b).abs()).max(0.0);
    a.max(b) + near * near / (4.0 * ROUND_MM)
}

/// The shape with its clearance kept along the way in, and what that takes off where the bone beside it would not,
/// mm3.
fn clear(
    shape: Volume<f32>,
    bone: &Volume<f32>,
    walk: &insertion::Bone,
    way: Way,
    clearance_mm: f64,
) -> (Volume<f32>, f64) {
    let clearance = clearance_mm as f32;
    let step = walk.step(way.out);
    let field: Vec<(f32, bool)> = (shape.data().par_iter().enumerate())
        .map(|(o, &wanted)| {
            if wanted > NEAR_MM {
                return (wanted, false);
            }
            let nearest = walk.way_out(shape.index(o), step, clearance - NEAR_MM);
            let lost = wanted < 0.0 && bone.data()[o] >= clearance && nearest < clearance;
            (rounded(wanted, clearance - nearest), lost)
        })
        .collect();
    let lost = field.iter().filter(|f| f.1).count() as f64 * shape.voxel_mm3();
    (shape.with(field.into_iter().map(|f| f.0).collect()), lost)
}

/// Without flakes, one body. `None` when nothing is left.
fn cleaned(field: Volume<f32>) -> Option<Volume<f32>> {
    let part = field.map(|&v| v < 0.0);
    let core = components::largest_by(&morphology::open_mm(&part, FLAKE_MM), Connectivity::Face);
    if core.count() == 0 {
        return None;
    }
    let far = distance::distance_mm(&core);
    let keep = FLAKE_MM as f32;
    let kept: Vec<f32> = (field.data().iter().zip(far.data()))
        .map(|(&f, &d)| f.max(d - keep))
        .collect();
    let kept = field.with(kept);
    let body = components::largest_by(&kept.map(|&v| v < 0.0), Connectivity::Face);
    let alone =
        (kept.data().iter().zip(body.data())).map(|(&v, &b)| if b || v >= 0.0 { v } else { 0.01 });
    let alone: Vec<f32> = alone.collect();
    let (count, alone) = (body.count(), field.with(alone));
    (count > 0).then_some(alone)
}
