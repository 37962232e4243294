//! Intake: files become one CT volume in HU with its facts, or a named refusal.
//!
//! In:    a folder, a zip or a file: a DICOM CT series, an Enhanced CT, NIfTI-1, NRRD. Which one it is, the
//!        content says, never the name.
//! Out:   a [`Study`]: `Volume<Hu>` with its affine to patient LPS mm, axis order as acquired, upright, and
//!        [`Finding`](crate::status::Finding)s; or a [`Refusal`] whose text can be shown as it stands.
//! Holds: nothing is displaced in silence: a gap, an uneven stack, two images at one place, a damaged stream are
//!        refused; what is merely doubtful is a finding. Memory and time are bounded by [`Limits`] before they are
//!        spent. No input makes it panic.
//! Never: changes, moves or deletes an original (only [`drop`] moves, and only whole drops). Never lets a file
//!        name, a person's name or an ID out but in [`Identity`].
//!
//! The way of a folder: `files` walks and hashes it → [`dicom`] reads headers, groups series, checks the stack and
//! decodes slices in parallel → `shear` undoes a gantry tilt → `head` looks whether it is one.

pub mod nifti;

mod files;
mod limits;
mod refusal;
mod study;

pub use limits::Limits;
pub use refusal::{FileFault, Refusal, Tenths};
pub use study::{FileRef, Format, Identity, Input, Study, StudyFacts};

use crate::volume::{Hu, Volume};
use std::path::Path;

/// Reads what lies at `path`.
///
/// # Errors
/// [`Refusal`].
pub fn read(path: &Path, limits: &Limits) -> Result<Study, Refusal> {
    // DICOM, zip and NRRD join in the next commits.
    let ct: Volume<Hu> = nifti::read_hu(path, limits)?;
    Ok(Study {
        facts: StudyFacts::bare(Format::Nifti, &ct),
        ct,
        identity: None,
        findings: Vec::new(),
        inputs: Vec::new(),
    })
}

/// Reads a mask (NIfTI, NRRD).
///
/// # Errors
/// [`Refusal`].
pub fn read_mask(path: &Path, limits: &Limits) -> Result<Volume<bool>, Refusal> {
    nifti::read_mask(path, limits)
}

/// Reads a probability (NIfTI, NRRD): values from 0 to 1.
///
/// # Errors
/// [`Refusal`].
pub fn read_probability(path: &Path, limits: &Limits) -> Result<Volume<f32>, Refusal> {
    nifti::read_f32(path, limits)
}
