//! Rules: the numbers that decide what a hole is and how the part is made. All of them are shown with a finding.

use super::lighten::Lighten;
use serde::{Deserialize, Serialize};

/// How thick the part is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thickness {
    /// As the missing bone, at most this many mm.
    AtMost(f64),
    /// As the missing bone.
    Skull,
    /// The same everywhere, mm.
    Constant(f64),
    /// A share of the missing bone, 0 to 1.
    Fraction(f64),
}

/// Numbers of the implant room.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// Probability from which bone counts as missing; the model card's.
    pub threshold: f32,
    /// Gap between the part and the true bone edge, mm (0.3 to 1.0).
    pub clearance_mm: f64,
    /// Thickness of the part.
    pub thickness: Thickness,
    /// No part is thinner, mm.
    pub thickness_least_mm: f64,
    /// The part's inner side stays this far outside the inner table, mm: no pressure on the dura.
    pub dura_mm: f64,
    /// A smaller prediction is no defect, mm3.
    pub body_least_mm3: f64,
    /// A smaller hole is named, not printed, cm2.
    pub part_least_cm2: f64,
    /// Cells of the field from which the part is made, mm.
    pub grid_mm: f64,
    /// How the part is made lighter.
    pub lighten: Lighten,
    /// Modulus of elasticity of what it is made of, MPa: how far a lightened part gives way is stated for it.
    pub modulus_mpa: f64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            threshold: 0.5,
            clearance_mm: 0.5,
            thickness: Thickness::AtMost(4.0),
            thickness_least_mm: 1.5,
            dura_mm: 0.5,
            body_least_mm3: 1000.0,
            part_least_cm2: 5.0,
            grid_mm: 0.5,
            lighten: Lighten::None,
            modulus_mpa: 3000.0,
        }
    }
}
