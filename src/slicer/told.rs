//! Told: what a mesh can not say and its maker knows: which face each triangle belongs to, and how much of the inside
//! is to be filled.
//!
//! In:    [`Told`], from `design` or from the files that `docs/lightening.md` describes.
//! Holds: a field that is used has values above 0 and up to 1, asks for less than 1 inside the part alone, and belongs to
//!        this part's place.

use super::lattice::{LEAST, SOLID_FROM};
use super::plan::Printed;
use super::settings::Recipe;
use crate::gcode::Material;
use crate::mesh::Mesh;
use crate::mesh::tags::Face;
use crate::space::{Lps, Point};
use crate::status::Finding;
use crate::volume::Volume;

/// What is known of a part beside its mesh. The default is nothing: faces are guessed, the inside is filled as the settings
/// say.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The face of each triangle of the mesh.
    pub faces: Option<Vec<Face>>,
    /// The share of the volume that is to be filled, above 0 and up to 1, in the patient; beyond its grid it is 1.
    pub density: Option<Volume<f32>>,
}

/// Why what was told can not be followed.
#[derive(Debug, thiserror::Error)]
pub enum ToldError {
    /// Another number of faces than of triangles.
    #[error(
        "the face of {told} triangles is told, the mesh has {triangles}. Give the tags of this mesh."
    )]
    Faces {
        /// Faces.
        told: usize,
        /// Triangles.
        triangles: usize,
    },
    /// No share of a volume.
    #[error(
        "the density at voxel {at:?} is {value}; a share above 0 and up to 1 is asked for. Write the density anew."
    )]
    Value {
        /// What stands there.
        value: f32,
        /// Where.
        at: [usize; 3],
    },
    /// Less than walls of plastic can be.
    #[error(
        "the density goes down to {least:.3}; walls that hold together are printed from {LEAST} on. Ask for more."
    )]
    Low {
        /// The least of the field.
        least: f32,
    },
    /// A grid that this part has no part in.
    #[error(
        "the density does not cover the part: no voxel lies in it. Are both in patient LPS millimetres, of one case?"
    )]
    Apart,
    /// Asks for something where the part is not.
    #[error(
        "the density asks for less than solid in {voxels} voxels outside of the part. Are both of one case, and the mesh in \
         patient LPS millimetres?"
    )]
    Outside {
        /// So many.
        voxels: usize,
    },
    /// Two answers to one question.
    #[error("a density and an infill are given; leave one of them out.")]
    Infill,
    /// A part that is to be implanted.
    #[error(
        "the material is certified for implants, and the density asks for {least:.2} at its least: the hollows that this \
         closes in can not be sterilised. Print the implant solid, or a fit model of another material."
    )]
    Implantable {
        /// The least of the field.
        least: f32,
    },
}

impl Told {
    /// The density, where it asks for anything but a solid part.
    ///
    /// # Errors
    /// [`ToldError`].
    pub(super) fn light(
        &self,
        mesh: &Mesh<Lps>,
        material: &Material,
        recipe: &Recipe,
    ) -> Result<Option<Light<'_>>, ToldError> {
        if let Some(faces) = &self.faces
            && faces.len() != mesh.triangles.len()
        {
            return Err(ToldError::Faces {
                told: faces.len(),
                triangles: mesh.triangles.len(),
            });
        }
        let Some(volume) = &self.density else {
            return Ok(None);
        };
        if !recipe.settings.is_solid() {
            return Err(ToldError::Infill);
        }
        let wrong = |value: &f32| !(*value > 0.0 && *value <= 1.0);
        if let Some(offset) = volume.data().iter().position(wrong) {
            return Err(ToldError::Value {
                value: volume.data()[offset],
                at: volume.index(offset),
            });
        }
        let least = volume.data().iter().copied().fold(1.0, f32::min);
        if least < 1.0 && material.certificate().is_some() {
            return Err(ToldError::Implantable { least });
        }
        of_this_part(volume, mesh)?;
        if f64::from(least) < LEAST {
            return Err(ToldError::Low { least });
        }
        let light = Light {
            volume,
            least: f64::from(least),
        };
        Ok((light.least < SOLID_FROM).then_some(light))
    }
}

/// A density that is to be followed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Light<'a> {
    pub(super) volume: &'a Volume<f32>,
    /// Its least value.
    pub(super) least: f64,
}

/// What became of the density, for the person who releases it.
pub(super) fn finding(printed: &Printed) -> Finding {
    let Printed {
        period_mm,
        asked_mm3,
        solid_mm3,
        mass_g,
        solid_g,
        mean_g_cm3,
        solid_g_cm3,
    } = *printed;
    let percent = 100.0 * mass_g / solid_g;
    let asked = 100.0 * asked_mm3 / solid_mm3;
    let text = if period_mm > 0.0 {
        format!(
            "The part is filled to {percent:.0} % in the mean: {mass_g:.1} g instead of {solid_g:.1}, {mean_g_cm3:.2} g/cm³ instead of \
             {solid_g_cm3:.2}. Its density asks for {asked:.0} %; walls, bottom and top are solid besides. Inside it is a gyroid of \
             {period_mm:.1} mm with closed hollows."
        )
    } else {
        format!("The density asks for a solid part: {mass_g:.1} g.")
    };
    Finding::info("density", text)
}

/// A field of another case, or one of a turned or moved part, asks for something where this part is not.
fn of_this_part(volume: &Volume<f32>, mesh: &Mesh<Lps>) -> Result<(), ToldError> {
    let Some((low, high)) = mesh.bounds() else {
        return Err(ToldError::Apart);
    };
    let spare = volume.spacing_mm().into_iter().fold(0.0, f64::max);
    let within = |p: Point<Lps>, spare: f64| {
        (0..3).all(|a| (low.0[a] - spare..=high.0[a] + spare).contains(&p.0[a]))
    };
    let centre = |offset: usize| volume.centre(volume.index(offset));
    if !(0..volume.data().len()).any(|offset| within(centre(offset), spare)) {
        return Err(ToldError::Apart);
    }
    let values = volume.data().iter().enumerate();
    let voxels = values
        .filter(|(offset, value)| **value < 1.0 && !within(centre(*offset), spare))
        .count();
    if voxels > 0 {
        return Err(ToldError::Outside { voxels });
    }
    Ok(())
}
