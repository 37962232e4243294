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

pub mod dicom;
pub mod nifti;

mod archive;
mod files;
mod limits;
mod refusal;
mod shear;
mod study;

pub use limits::Limits;
pub use refusal::{FileFault, Refusal, Tenths};
pub use study::{FileRef, Format, Identity, Input, Study, StudyFacts};

use crate::volume::{Hu, Volume};
use files::{DropFile, Kind};
use std::path::Path;

/// Reads what lies at `path`: a folder, a zip, or a file. The content picks the door.
///
/// # Errors
/// [`Refusal`]: why this is not taken, and what to do.
pub fn read(path: &Path, limits: &Limits) -> Result<Study, Refusal> {
    let drop = files::scan(path, limits)?;
    match drop.as_slice() {
        [] => Err(Refusal::Empty),
        [one] => single(one, limits),
        many => from_series(dicom::from_files(many, limits)?, limits),
    }
}

/// One file: what it is, its first bytes say.
fn single(file: &DropFile, limits: &Limits) -> Result<Study, Refusal> {
    let unreadable = |e| Refusal::Read(file.file, e);
    let head = files::head(&file.path).map_err(unreadable)?;
    match files::sniff(&head) {
        Kind::Zip => {
            let unpacked = archive::unpack(&file.path, limits)?;
            from_series(dicom::from_files(&unpacked.files, limits)?, limits)
        }
        Kind::Nifti | Kind::Gzip => from_volume(
            Format::Nifti,
            nifti::read_hu(&file.path, limits)?,
            file,
            limits,
        ),
        // A single DICOM file may be an Enhanced CT; what it is not, that door says.
        Kind::Dicom | Kind::Empty | Kind::Unknown | Kind::Nrrd => from_series(
            dicom::from_files(std::slice::from_ref(file), limits)?,
            limits,
        ),
    }
}

fn from_series(series: dicom::Series, limits: &Limits) -> Result<Study, Refusal> {
    finish(
        Study {
            ct: series.ct,
            facts: series.facts,
            identity: Some(series.identity),
            findings: series.findings,
            inputs: series.inputs,
        },
        limits,
    )
}

fn from_volume(
    format: Format,
    ct: Volume<Hu>,
    file: &DropFile,
    limits: &Limits,
) -> Result<Study, Refusal> {
    let sha256 = files::sha256_of(&file.path).map_err(|e| Refusal::Read(file.file, e))?;
    finish(
        Study {
            facts: StudyFacts::bare(format, &ct),
            ct,
            identity: None,
            findings: Vec::new(),
            inputs: vec![Input {
                file: file.file,
                bytes: file.bytes,
                sha256,
            }],
        },
        limits,
    )
}

/// What every door's volume goes through.
fn finish(mut study: Study, limits: &Limits) -> Result<Study, Refusal> {
    let upright = shear::upright(study.ct, limits)?;
    study.ct = upright.volume;
    study.facts.tilt_deg = upright.tilt_deg;
    study.facts.shape = study.ct.shape();
    study.facts.spacing_mm = study.ct.spacing_mm();
    // Worst first; findings of one weight keep their order.
    study
        .findings
        .sort_by_key(|f| std::cmp::Reverse(f.severity));
    Ok(study)
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
