//! The plan: what a G-code file will do, for people and for `plan.json`.

use super::settings::Settings;
use crate::gcode::Checked;
use crate::space::{Bed, Lps, Map};
use crate::status::Finding;
use serde::{Deserialize, Serialize};

/// What a sliced file will do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Printer profile.
    pub printer: String,
    /// Material profile.
    pub material: String,
    /// `false`: a fit model, not for implantation.
    pub implantable: bool,
    /// Choices.
    pub settings: Settings,
    /// Parts on the bed.
    pub parts: Vec<PartPlan>,
    /// What a person should know about the parts: what was mended, left out or will not be seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What became of the density that was asked for, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub density: Option<Printed>,
    /// Layers.
    pub layers: usize,
    /// Layer height, mm.
    pub layer_mm: f64,
    /// Print time with heating and homing, s.
    pub time_s: f64,
    /// Filament, mm.
    pub filament_mm: f64,
    /// Filament, g.
    pub filament_g: f64,
    /// Plastic in the parts, mm3.
    pub part_mm3: f64,
    /// Plastic in supports, mm3.
    pub support_mm3: f64,
    /// Plastic in the brim, mm3.
    pub brim_mm3: f64,
    /// Lines of the file.
    pub lines: usize,
    /// What the validator proved.
    pub checked: Checked,
}

/// A part of a told density, as printed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Printed {
    /// Edge of the gyroid's cell, mm; 0 where all of the part is solid.
    pub period_mm: f64,
    /// What the field wants of the parts, mm3, before walls and skins are made solid.
    pub asked_mm3: f64,
    /// Volume of the meshes, mm3.
    pub solid_mm3: f64,
    /// Plastic of the parts without support and brim, g.
    pub mass_g: f64,
    /// What they would weigh as solid parts, g.
    pub solid_g: f64,
    /// Plastic of the parts over their volume, g/cm3.
    pub mean_g_cm3: f64,
    /// The material's own density, g/cm3.
    pub solid_g_cm3: f64,
}

/// One part on the bed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartPlan {
    /// Rows of the rigid map from patient LPS mm to bed mm.
    pub to_bed: [[f64; 4]; 3],
    /// Lowest corner on the bed, mm.
    pub low_mm: [f64; 3],
    /// Highest corner on the bed, mm.
    pub high_mm: [f64; 3],
    /// Volume of the mesh, mm3.
    pub volume_mm3: f64,
}

impl PartPlan {
    /// The map from the patient to the bed.
    pub fn map(&self) -> Map<Lps, Bed> {
        Map::new(self.to_bed)
    }
}
