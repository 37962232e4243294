//! Solid: what is printed for a case. One closed shell for every hole that is large enough, proved one by one.

use super::body::{self, Body};
use super::faces;
use super::fault::SolidError;
use super::fit::{self, Fit};
use super::lighten::{Lighten, Lightened, Lightness};
use super::missing::Missing;
use super::part::{Bone, Made};
use super::rules::Rules;
use crate::mesh::tags::Face;
use crate::mesh::{Mesh, check, cubes};
use crate::space::{Ijk, Lps, Map, Point};
use crate::status::Finding;
use crate::volume::{Hu, Volume};
use rayon::prelude::*;

/// One printed part.
#[derive(Clone, Debug)]
pub struct Part {
    /// Closed mesh in patient LPS mm.
    pub mesh: Mesh<Lps>,
    /// How it fits.
    pub fit: Fit,
    /// How far its outside is expected to lie off the bone that was there, at each corner of the mesh, mm.
    pub expected_mm: Option<Vec<f32>>,
    /// What lightening saves and costs, where it was asked for.
    pub lightness: Option<Lightness>,
    /// Share of material along the ray through each corner of the mesh, where it was lightened.
    pub filled: Option<Vec<f32>>,
}

/// What is printed for a case.
#[derive(Clone, Debug)]
pub struct Solid {
    /// All parts, one closed shell each, patient LPS mm.
    pub mesh: Mesh<Lps>,
    /// Which face of its part each triangle belongs to.
    pub faces: Vec<Face>,
    /// Share of the volume that is to be filled, where parts are filled less densely; 1 outside them.
    pub density: Option<Volume<f32>>,
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
    let mut faces = Vec::new();
    let mut filled_less: Vec<Lightened> = Vec::new();
    let mut findings = Vec::new();
    let labels = body::labels(printed.iter().copied());
    for (body, of) in printed.into_iter().zip(labels) {
        let mut made = Made::new(body, bone, rules)?;
        let mut shell = meshed(&made, body)?;
        // The fit is the solid part's: what is taken out of its middle does not touch it.
        let fit = fit::measure(&shell, &made.seat(), rules);
        let mut told = fit.findings(rules);
        let lightened = lightened(&made, body, rules)?;
        if let Some(light) = &lightened {
            told.extend(light.report.findings());
            if !light.holes.is_empty() {
                made.perforate(light);
                shell = meshed(&made, body)?;
            }
        }
        findings.extend(told.into_iter().map(|mut finding| {
            finding.text.insert_str(0, &of);
            finding
        }));
        made.voxelise(&mut voxels);
        faces.extend(faces::of(&shell, &made));
        let base = mesh.vertices.len() as u32;
        mesh.vertices.extend(shell.vertices.iter().copied());
        mesh.triangles
            .extend(shell.triangles.iter().map(|t| t.map(|v| v + base)));
        let expected_mm = made.expected_mm(&shell);
        let filled = lightened.as_ref().map(|light| {
            let corners = shell.vertices.iter();
            corners.map(|&at| light.share_along(at) as f32).collect()
        });
        parts.push(Part {
            mesh: shell,
            fit,
            expected_mm,
            lightness: lightened.as_ref().map(|light| light.report.clone()),
            filled,
        });
        filled_less.extend(lightened.filter(|_| rules.lighten == Lighten::Infill));
    }
    if let Bone::Ct(ct) = bone {
        findings.push(in_dense_bone(ct, &voxels));
    }
    Ok(Solid {
        density: density(&mesh, &filled_less),
        mesh,
        faces,
        voxels,
        parts,
        findings,
    })
}

/// The part's surface, proved.
fn meshed(made: &Made, body: &Body) -> Result<Mesh<Lps>, SolidError> {
    let shell = cubes::extract(&made.field, 0.0);
    let report = check::inspect(&shell);
    if !report.is_solid() || report.parts.len() != 1 {
        return Err(SolidError::Broken {
            region: body.region.clone(),
        });
    }
    tracing::debug!("meshed and checked");
    Ok(shell)
}

/// What the part can do without, where it is asked.
fn lightened(made: &Made, body: &Body, rules: &Rules) -> Result<Option<Lightened>, SolidError> {
    if rules.lighten == Lighten::None {
        return Ok(None);
    }
    let light = made
        .lightened(rules)
        .map_err(|why| SolidError::NotLightened {
            region: body.region.clone(),
            why,
        })?;
    Ok(Some(light))
}

/// Voxels of the density, mm.
const DENSITY_MM: f64 = 0.5;

/// How densely each place is filled, on a grid along the patient's axes round all parts; `None` where all are solid.
fn density(mesh: &Mesh<Lps>, parts: &[Lightened]) -> Option<Volume<f32>> {
    let (low, high) = mesh.bounds().filter(|_| !parts.is_empty())?;
    let low = low.0.map(|x| (x / DENSITY_MM).floor() * DENSITY_MM);
    let shape = [0, 1, 2].map(|a| ((high.0[a] - low[a]) / DENSITY_MM).ceil() as usize + 1);
    let axes = [0, 1, 2].map(|a| {
        let mut axis = [0.0; 3];
        axis[a] = DENSITY_MM;
        crate::space::Vector::new(axis)
    });
    let map = Map::<Ijk, Lps>::from_columns(axes, Point::new(low));
    let grid = Volume::new(shape, vec![(); shape.iter().product()], map).ok()?;
    let shares = (0..grid.data().len())
        .into_par_iter()
        .map(|n| {
            let at = grid.centre(grid.index(n));
            parts
                .iter()
                .map(|part| part.share(at) as f32)
                .fold(1.0, f32::min)
        })
        .collect();
    Some(grid.with(shares))
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
