//! Solid: the part that goes into the hole, as one signed field, meshed once.
//!
//! The part is what lies under the outer surface, over the inner one, inside the hole's outline, and clear of the
//! bone along its whole way in: the running minimum of the bone's distance along the insertion axis keeps the
//! clearance, so the largest part that goes in is what comes out. Nothing binary is ever meshed.

use super::chart::Sheet;
use super::edge::bone_distance;
use super::field::Sampled;
use super::fit::{self, Fit, Seat};
use super::missing::{Body, Missing};
use super::rules::{Rules, Thickness};
use super::vault::Vault;
use crate::mesh::{Mesh, check, cubes};
use crate::space::{Ijk, Lps, Map};
use crate::status::Finding;
use crate::volume::components::{self, Connectivity};
use crate::volume::{Hu, Volume, distance, morphology};
use rayon::prelude::*;

/// Bone that is needed around the hole to read its surfaces, mm.
const AROUND_MM: f64 = 20.0;
/// Room over the outer and under the inner surface, mm.
const OVER_MM: f64 = 5.0;
/// The part may reach this far under or over bone beyond the free rays (bevelled walls), mm.
const LIP_MM: f32 = 2.0;
/// Thinner than twice this is a flake, mm.
const FLAKE_MM: f64 = 0.6;
/// Cells of the field at most: 150 mm across at 0.5 mm is 25 million.
const CELLS_MOST: usize = 40_000_000;

/// Where the bone is read from.
#[derive(Clone, Copy, Debug)]
pub enum Bone<'a> {
    /// Grey values: the true edge.
    Ct(&'a Volume<Hu>),
    /// Only a mask: its edge, half a voxel sure.
    Mask(&'a Volume<bool>),
}

/// One printed part.
#[derive(Clone, Debug)]
pub struct Part {
    /// Closed mesh in patient LPS mm.
    pub mesh: Mesh<Lps>,
    /// How it fits.
    pub fit: Fit,
}

/// What is printed for a case.
#[derive(Clone, Debug)]
pub struct Solid {
    /// All parts, one closed shell each, patient LPS mm.
    pub mesh: Mesh<Lps>,
    /// The parts on the scan's own grid.
    pub voxels: Volume<bool>,
    /// Part by part, the largest hole first.
    pub parts: Vec<Part>,
    /// What people should know.
    pub findings: Vec<Finding>,
}

/// Why no part could be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SolidError {
    /// No hole is large enough.
    #[error(
        "no hole is large enough for a part: the largest has {area_cm2:.1} cm2, {least_cm2:.0} cm2 are wanted."
    )]
    TooSmall {
        /// Area of the largest hole.
        area_cm2: f64,
        /// The limit.
        least_cm2: f64,
    },
    /// The hole could not be read off the bone.
    #[error("the border of the hole ({region}) could not be read off the bone. Look at the scan.")]
    NoRim {
        /// Where it lies.
        region: String,
    },
    /// Nothing is left between the bone and the clearance.
    #[error("with a clearance of {clearance_mm} mm nothing is left of the part ({region}).")]
    Nothing {
        /// Where it lies.
        region: String,
        /// Clearance asked for.
        clearance_mm: f64,
    },
    /// The mesh is not the border of a solid.
    #[error(
        "the part's surface is not closed and manifold ({region}). This is a fault of the program."
    )]
    Broken {
        /// Where it lies.
        region: String,
    },
}

impl SolidError {
    /// The same as a finding that refuses.
    pub fn finding(&self) -> Finding {
        Finding::refuse("no_part", self.to_string())
    }
}

/// The parts for all holes that are large enough.
///
/// # Errors
/// [`SolidError`].
pub fn solid(missing: &Missing, bone: Bone, rules: &Rules) -> Result<Solid, SolidError> {
    let printed: Vec<&Body> = missing.bodies.iter().filter(|b| b.printed).collect();
    if printed.is_empty() {
        let largest = missing
            .bodies
            .iter()
            .map(|b| b.area_mm2)
            .fold(0.0, f64::max);
        return Err(SolidError::TooSmall {
            area_cm2: largest / 100.0,
            least_cm2: rules.part_least_cm2,
        });
    }
    let mut voxels = missing.mask.with(vec![false; missing.mask.data().len()]);
    let mut mesh = Mesh {
        vertices: Vec::new(),
        triangles: Vec::new(),
    };
    let mut parts = Vec::new();
    let mut findings = Vec::new();
    for body in printed {
        let made = Made::new(missing, body, bone, rules)?;
        let shell = cubes::extract(&made.field, 0.0);
        if !check::inspect(&shell).is_solid() {
            return Err(SolidError::Broken {
                region: body.region.clone(),
            });
        }
        made.voxelise(&mut voxels);
        let fit = fit::measure(&shell, &made.seat(), rules);
        findings.extend(fit.findings(rules));
        let base = mesh.vertices.len() as u32;
        mesh.vertices.extend(shell.vertices.iter().copied());
        mesh.triangles
            .extend(shell.triangles.iter().map(|t| t.map(|v| v + base)));
        parts.push(Part { mesh: shell, fit });
    }
    if let Bone::Ct(ct) = bone {
        findings.push(in_dense_bone(ct, &voxels));
    }
    Ok(Solid {
        mesh,
        voxels,
        parts,
        findings,
    })
}

/// Share of the part's voxels that are dense bone in the scan.
fn in_dense_bone(ct: &Volume<Hu>, voxels: &Volume<bool>) -> Finding {
    let part = voxels.count().max(1);
    let dense = (ct.data().iter().zip(voxels.data()))
        .filter(|&(&hu, &v)| v && hu >= Hu(600))
        .count();
    let percent = dense as f64 / part as f64 * 100.0;
    let text = "Share of the part's voxels that are dense bone (600 HU) in the scan.";
    let finding = if percent > 0.05 {
        Finding::warn("overlap", text)
    } else {
        Finding::info("overlap", text)
    };
    finding.value(percent, "%").limit(0.05)
}

/// One part as fields on its own grid; the grid's third axis is the way out.
struct Made {
    field: Volume<f32>,
    bone: Volume<f32>,
    vault: Vault,
    part_thickness: Sheet<f64>,
    undercut_mm3: f64,
    level_hu: f32,
}

impl Made {
    fn new(missing: &Missing, body: &Body, bone: Bone, rules: &Rules) -> Result<Self, SolidError> {
        let no_rim = || SolidError::NoRim {
            region: body.region.clone(),
        };
        let chart = body.chart;
        let grid = grid(missing, body, rules.grid_mm).ok_or_else(no_rim)?;
        let (bone, level_hu) = match bone {
            Bone::Ct(ct) => {
                let grey = Sampled::new(ct, -1000.0);
                bone_distance(&grid, &|p| grey.at(p, |hu: Hu| f32::from(hu.0)))
            }
            Bone::Mask(mask) => {
                let grey = Sampled::new(mask, 0.0);
                bone_distance(&grid, &|p| grey.at(p, |v| if v { 1000.0 } else { 0.0 }))
            }
        };
        let near = Sampled::new(&bone, 5.0);
        let target = Sampled::new(&missing.mask, 0.0);
        let vault = Vault::survey(chart, body.reach_mm, &|p| near.at(p, |v| v), &|p| {
            0.5 - target.at(p, |v| if v { 1.0 } else { 0.0 })
        })
        .ok_or_else(no_rim)?;
        let part_thickness = part_thickness(&vault, rules);
        let swept = swept(&bone);
        let (field, undercut_mm3) = fused(&grid, &vault, &part_thickness, &swept, &bone, rules);
        let field = cleaned(field).ok_or_else(|| SolidError::Nothing {
            region: body.region.clone(),
            clearance_mm: rules.clearance_mm,
        })?;
        Ok(Self {
            field,
            bone,
            vault,
            part_thickness,
            undercut_mm3,
            level_hu,
        })
    }

    fn seat(&self) -> Seat<'_> {
        Seat {
            field: &self.field,
            bone: &self.bone,
            vault: &self.vault,
            thickness: &self.part_thickness,
            undercut_mm3: self.undercut_mm3,
            level_hu: self.level_hu,
        }
    }

    /// Sets the voxels of `out` whose centres are in the part.
    fn voxelise(&self, out: &mut Volume<bool>) {
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
fn grid(missing: &Missing, body: &Body, step_mm: f64) -> Option<Volume<()>> {
    let [e, f, out] = body.chart.frame;
    let centre = body.chart.centre;
    let (mut lo, mut hi) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for (offset, _) in missing.mask.data().iter().enumerate().filter(|&(_, &v)| v) {
        let at = missing.mask.centre(missing.mask.index(offset));
        let [u, v, _] = body.chart.locate(at);
        if u.hypot(v) > body.reach_mm {
            continue;
        }
        let d = at.minus(centre);
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

/// Smallest distance to bone on the way out from each cell: running minimum down the third axis.
fn swept(bone: &Volume<f32>) -> Volume<f32> {
    let [ni, nj, nk] = bone.shape();
    let layer = ni * nj;
    let mut data = bone.data().to_vec();
    for k in (0..nk.saturating_sub(1)).rev() {
        let (low, high) = data.split_at_mut((k + 1) * layer);
        for (here, &above) in low[k * layer..].iter_mut().zip(&high[..layer]) {
            *here = here.min(above);
        }
    }
    bone.with(data)
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

/// max(outer, inner, outline, clearance - way out), and what the way in takes away, mm3.
fn fused(
    grid: &Volume<()>,
    vault: &Vault,
    thickness: &Sheet<f64>,
    swept: &Volume<f32>,
    bone: &Volume<f32>,
    rules: &Rules,
) -> (Volume<f32>, f64) {
    let outline = distance::distance_mm(&vault.hole.volume());
    let outline = vault.hole.with(
        outline
            .data()
            .iter()
            .map(|&d| f64::from(d.min(99.0)))
            .collect(),
    );
    let clearance = rules.clearance_mm as f32;
    let field: Vec<(f32, bool)> = (0..grid.data().len())
        .into_par_iter()
        .map(|o| {
            let [u, v, r] = vault.chart.locate(grid.centre(grid.index(o)));
            let lip = outline.sample(u, v) as f32 - LIP_MM;
            if lip > 3.0 {
                return (lip, false);
            }
            let outer = vault.outer.sample(u, v);
            let above = (r - outer) as f32;
            let below = (outer - thickness.sample(u, v) - r) as f32;
            let shape = above.max(below).max(lip);
            let lost = shape < 0.0 && bone.data()[o] >= clearance && swept.data()[o] < clearance;
            (shape.max(clearance - swept.data()[o]), lost)
        })
        .collect();
    let lost = field.iter().filter(|f| f.1).count() as f64 * grid.voxel_mm3();
    (grid.with(field.into_iter().map(|f| f.0).collect()), lost)
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
