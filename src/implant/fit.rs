//! Fit: how a part sits in its hole, measured on the final mesh against the bone's true edge. No ground truth.

use super::chart::Sheet;
use super::field::Sampled;
use super::insertion::{self, Way};
use super::rules::Rules;
use super::vault::Vault;
use crate::mesh::Mesh;
use crate::space::{Lps, Point, Vector};
use crate::status::{Bound, Finding};
use crate::volume::{Volume, distance};
use serde::{Deserialize, Serialize};

/// Bone farther than this from a wall point is not what the wall faces, mm.
const WALL_MM: f32 = 6.0;
/// A ray this near to the part is covered: the clearance is no hole, mm.
const SEAM_MM: f64 = 0.5;
/// A part that loses more than this share on its way in leaves gaps one can see.
const UNDERCUT_MOST: f64 = 0.05;

/// The figures of one part; mm unless the name says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// Share of the hole's area that the part closes, %; the clearance's own seam counts as closed.
    pub coverage_percent: f64,
    /// The same with the seam counted as open: what a ray through the hole meets, %.
    pub coverage_strict_percent: f64,
    /// Gap between wall and bone: 5th percentile, median, 95th, by area.
    pub gap_p5: f64,
    /// Median gap.
    pub gap_median: f64,
    /// 95th percentile of the gap.
    pub gap_p95: f64,
    /// Smallest distance of any vertex to bone; negative in bone.
    pub gap_min: f64,
    /// Part inside bone on the field's grid, mm3.
    pub overlap_mm3: f64,
    /// Step between the part's outer surface and the bone's, 95th percentile over the border.
    pub step_p95: f64,
    /// Thickness over the hole: 5th percentile.
    pub thickness_p5: f64,
    /// Median thickness.
    pub thickness_median: f64,
    /// Volume that the way in takes off the part, mm3.
    pub undercut_mm3: f64,
    /// Way out of the hole, unit vector in patient LPS; the part goes in against it.
    pub insertion_lps: [f64; 3],
    /// Angle between that way and the middle of the hole, degrees.
    pub insertion_tilt_deg: f64,
    /// Volume of the part, mm3.
    pub volume_mm3: f64,
    /// Area of the hole, mm2.
    pub hole_mm2: f64,
    /// Median level of the bone's edge, HU.
    pub level_hu: f64,
}

/// What a part is measured against.
pub(super) struct Seat<'a> {
    pub(super) field: &'a Volume<f32>,
    pub(super) bone: &'a Volume<f32>,
    pub(super) vault: &'a Vault,
    pub(super) thickness: &'a Sheet<f64>,
    pub(super) way: Way,
    pub(super) undercut_mm3: f64,
    pub(super) level_hu: f32,
}

/// Measures one part.
pub(super) fn measure(mesh: &Mesh<Lps>, seat: &Seat, rules: &Rules) -> Fit {
    let bone = Sampled::new(seat.bone, 20.0);
    let chart = seat.vault.chart;
    let mut walls: Vec<(f64, f64)> = Vec::new();
    for &triangle in &mesh.triangles {
        let [a, b, c] = mesh.corners(triangle);
        let area = mesh.area_vector(triangle);
        let Some(normal) = area.unit() else { continue };
        let middle = Point::<Lps>::new([0, 1, 2].map(|n| (a.0[n] + b.0[n] + c.0[n]) / 3.0));
        let Some(out) = middle.minus(chart.centre).unit() else {
            continue;
        };
        let gap = bone.at(middle, |v| v);
        if normal.dot(out).abs() <= 0.5 && gap < WALL_MM {
            walls.push((f64::from(gap), area.length() / 2.0));
        }
    }
    let least = mesh
        .vertices
        .iter()
        .map(|&p| bone.at(p, |v| v))
        .fold(f32::INFINITY, f32::min);
    let inside =
        (seat.field.data().iter().zip(seat.bone.data())).filter(|&(&f, &b)| f < 0.0 && b < 0.0);
    let mut thick: Vec<(f64, f64)> = (seat.vault.hole.data.iter().enumerate())
        .filter(|&(_, &hole)| hole)
        .map(|(cell, _)| {
            let (u, v) = seat.vault.hole.mm(cell);
            (seat.thickness.sample(u, v), 1.0)
        })
        .collect();
    let (coverage, strict) = coverage(seat, rules);
    Fit {
        coverage_percent: coverage * 100.0,
        coverage_strict_percent: strict * 100.0,
        gap_p5: quantile(&mut walls, 0.05),
        gap_median: quantile(&mut walls, 0.5),
        gap_p95: quantile(&mut walls, 0.95),
        gap_min: f64::from(least),
        overlap_mm3: inside.count() as f64 * seat.field.voxel_mm3(),
        step_p95: seat.vault.step_p95,
        thickness_p5: quantile(&mut thick, 0.05),
        thickness_median: quantile(&mut thick, 0.5),
        undercut_mm3: seat.undercut_mm3,
        insertion_lps: seat.way.out.0,
        insertion_tilt_deg: seat.way.tilt_deg,
        volume_mm3: mesh.volume_mm3(),
        hole_mm2: seat.vault.area_mm2(),
        level_hu: f64::from(seat.level_hu),
    }
}

/// Shares of the hole's area: whose rays meet the part or pass it within the clearance and [`SEAM_MM`]; whose rays
/// meet it.
fn coverage(seat: &Seat, rules: &Rules) -> (f64, f64) {
    let vault = seat.vault;
    let field = Sampled::new(seat.field, 1.0);
    let met: Vec<bool> = (0..vault.hole.data.len())
        .map(|cell| {
            let (u, v) = vault.hole.mm(cell);
            let (outer, thick) = (vault.outer.sample(u, v), seat.thickness.sample(u, v));
            vault.hole.data[cell]
                && (1..8).any(|n| {
                    let r = outer - thick * f64::from(n) / 8.0;
                    field.at(vault.chart.point(u, v, r), |v| v) < 0.0
                })
        })
        .collect();
    let near = distance::distance_mm(&vault.hole.with(met).volume());
    let reach = (rules.clearance_mm + SEAM_MM) as f32;
    let (mut all, mut closed, mut strict) = (0.0, 0.0, 0.0);
    for cell in (0..vault.hole.data.len()).filter(|&c| vault.hole.data[c]) {
        let (area, mm) = (vault.cell_mm2(cell), near.data()[cell]);
        all += area;
        closed += if mm <= reach { area } else { 0.0 };
        strict += if mm == 0.0 { area } else { 0.0 };
    }
    if all > 0.0 {
        (closed / all, strict / all)
    } else {
        (0.0, 0.0)
    }
}

/// Weighted quantile; 0 for nothing.
fn quantile(values: &mut [(f64, f64)], share: f64) -> f64 {
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let all: f64 = values.iter().map(|v| v.1).sum();
    let mut sum = 0.0;
    for &(value, weight) in values.iter() {
        sum += weight;
        if sum >= share * all {
            return value;
        }
    }
    0.0
}

impl Fit {
    /// Which way the part goes in, and at what price.
    fn insertion_in_words(&self) -> String {
        let from = insertion::side_in_words(Vector::new(self.insertion_lps));
        let tilt = if self.insertion_tilt_deg < 1.0 {
            "straight".to_owned()
        } else {
            format!("{:.0} degrees off straight", self.insertion_tilt_deg)
        };
        let price = if self.undercut_mm3 > UNDERCUT_MOST * self.volume_mm3 {
            "the hole is wider inside than outside, and so much had to be taken off the part that it leaves gaps. \
             Split the part or trim the bone."
        } else {
            "so much was taken off it for that."
        };
        format!("The part goes in from {from}, {tilt}; {price}")
    }

    /// The figures as findings with their limits.
    pub fn findings(&self, rules: &Rules) -> Vec<Finding> {
        use Bound::{AtLeast, AtMost};
        let judged = |bound: Bound, name: &str, text: &str, value: f64, limit: f64, unit: &str| {
            let finding = if bound.holds(value, limit) {
                Finding::info(name, text)
            } else {
                Finding::warn(name, text)
            };
            finding.value(value, unit).bound(bound, limit)
        };
        vec![
            judged(
                AtLeast,
                "coverage",
                &format!(
                    "Share of the hole that the part closes, its seam of {} mm counted in; without the seam {:.0} %.",
                    rules.clearance_mm, self.coverage_strict_percent
                ),
                self.coverage_percent,
                97.0,
                "%",
            ),
            judged(
                AtLeast,
                "gap_p5",
                "Gap to the bone, 5th percentile.",
                self.gap_p5,
                0.2,
                "mm",
            ),
            judged(
                AtMost,
                "gap_p95",
                "Gap to the bone, 95th percentile.",
                self.gap_p95,
                1.5,
                "mm",
            ),
            judged(
                AtLeast,
                "gap_min",
                "Smallest distance to bone.",
                self.gap_min,
                0.0,
                "mm",
            ),
            judged(
                AtMost,
                "step",
                "Step between part and bone on the outside, 95th percentile.",
                self.step_p95,
                1.0,
                "mm",
            ),
            judged(
                AtLeast,
                "thickness",
                "Thickness of the part, 5th percentile.",
                self.thickness_p5,
                rules.thickness_least_mm,
                "mm",
            ),
            judged(
                AtMost,
                "undercut",
                &self.insertion_in_words(),
                self.undercut_mm3,
                UNDERCUT_MOST * self.volume_mm3,
                "mm3",
            ),
        ]
    }
}
