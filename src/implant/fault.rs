//! Fault: why no part could be made.

use super::lighten::LightenError;
use crate::status::Finding;

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
    /// The part is not made lighter.
    #[error("the part ({region}) can not be made lighter: {why}. Order it without lightening.")]
    NotLightened {
        /// Where it lies.
        region: String,
        /// Why.
        why: LightenError,
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
