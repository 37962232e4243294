//! Solid: what is printed for a case. One closed shell for every hole that is large enough, proved one by one.

use super::body::{self, Body};
use super::fault::SolidError;
use super::fit::{self, Fit};
use super::missing::Missing;
use super::part::{Bone, Made};
use super::rules::Rules;
use crate::mesh::{Mesh, check, cubes};
use crate::space::Lps;
use crate::status::Finding;
use crate::volume::{Hu, Volume};

/// One printed part.
#[derive(Clone, Debug)]
pub struct Part {
    /// Closed mesh in patient LPS mm.
    pub mesh: Mesh<Lps>,
    /// How it fits.
    pub fit: Fit,
    /// How far its outside is expected to lie off the bone that was there, at each corner of the mesh, mm.
    pub expected_mm: Option<Vec<f32>>,
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
    let labels = body::labels(printed.iter().copied());
    for (body, of) in printed.into_iter().zip(labels) {
        let made = Made::new(body, bone, rules)?;
        let shell = cubes::extract(&made.field, 0.0);
        if !check::inspect(&shell).is_solid() {
            return Err(SolidError::Broken {
                region: body.region.clone(),
            });
        }
        tracing::debug!("meshed and checked");
        made.voxelise(&mut voxels);
        let fit = fit::measure(&shell, &made.seat(), rules);
        findings.extend(fit.findings(rules).into_iter().map(|mut finding| {
            finding.text.insert_str(0, &of);
            finding
        }));
        let base = mesh.vertices.len() as u32;
        mesh.vertices.extend(shell.vertices.iter().copied());
        mesh.triangles
            .extend(shell.triangles.iter().map(|t| t.map(|v| v + base)));
        let expected_mm = made.expected_mm(&shell);
        parts.push(Part {
            mesh: shell,
            fit,
            expected_mm,
        });
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
    finding.value(percent, "%").at_most(0.05)
}
