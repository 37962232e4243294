//! What an intake hands on: the volume, what is known about how it was made, and, apart from both, whose it is.

use crate::status::Finding;
use crate::volume::{Hu, Volume};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One study, read and found fit for design.
#[derive(Debug)]
pub struct Study {
    /// The scan in HU, axis order as acquired, gantry tilt undone; never below -1024.
    pub ct: Volume<Hu>,
    /// How the scan was made. Nothing in it says whose it is.
    pub facts: StudyFacts,
    /// Whose it is; `None` for formats that do not say.
    pub identity: Option<Identity>,
    /// What a person should know, worst first.
    pub findings: Vec<Finding>,
    /// Every file that was read, in the order of the scan, with its hash.
    pub inputs: Vec<Input>,
    /// The text of the order that lay beside the scan, `order.toml`.
    pub order: Option<String>,
}

/// A file's number within the drop, from 1, in the order of the scan. Names of files can carry names of people,
/// so nothing that leaves this room has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileRef(pub u32);

impl fmt::Display for FileRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file {}", self.0)
    }
}

/// One file as it arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Its number within the drop.
    pub file: FileRef,
    /// Its size.
    pub bytes: u64,
    /// SHA-256, lower-case hex: the only thing that shows a flipped bit later, for DICOM has no checksum.
    pub sha256: String,
}

/// What kind of file the study came as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A CT series, one file a slice.
    Dicom,
    /// One Enhanced CT object with many frames.
    DicomEnhanced,
    /// NIfTI-1.
    Nifti,
    /// NRRD.
    Nrrd,
    /// MetaImage (MHA, MHD).
    MetaImage,
}

/// Facts on how a scan was made. An allow-list: free texts are cut to 64 printable characters, and only those of
/// technical elements are taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudyFacts {
    /// What it came as.
    pub format: Format,
    /// Voxels along i, j, k.
    pub shape: [usize; 3],
    /// Voxel size along i, j, k, mm.
    pub spacing_mm: [f64; 3],
    /// Slices (or frames) that the volume was made of.
    pub slices: usize,
    /// Thickness of a slice as the file states it, mm. Information only: slices overlap in CT.
    pub slice_thickness_mm: Option<f64>,
    /// Gantry tilt that was undone by shearing, degrees; 0 for an upright stack.
    pub tilt_deg: f64,
    /// Tube voltage, kV. HU of bone move with it by tens of percent.
    pub kvp: Option<f64>,
    /// Reconstruction kernel, e.g. `H60s`, `UB`.
    pub kernel: Option<String>,
    /// Scanner's maker.
    pub manufacturer: Option<String>,
    /// Scanner's model.
    pub model: Option<String>,
    /// `HFS`, `HFP`, ...: information only, positions are already the patient's.
    pub patient_position: Option<String>,
    /// What the file says was scanned. A hint, often wrong: the voxels decide.
    pub body_part: Option<String>,
    /// Transfer syntaxes of the slices that were used, by name, sorted.
    pub syntaxes: Vec<String>,
    /// Some slice went through lossy compression at some time.
    pub lossy: bool,
    /// A contrast agent is named.
    pub contrast: bool,
}

impl StudyFacts {
    /// Facts of a volume from a format that tells nothing but the grid.
    pub(crate) fn bare<T>(format: Format, volume: &Volume<T>) -> Self {
        let shape = volume.shape();
        Self {
            format,
            shape,
            spacing_mm: volume.spacing_mm(),
            slices: shape[2],
            slice_thickness_mm: None,
            tilt_deg: 0.0,
            kvp: None,
            kernel: None,
            manufacturer: None,
            model: None,
            patient_position: None,
            body_part: None,
            syntaxes: Vec::new(),
            lossy: false,
            contrast: false,
        }
    }
}

/// Whose study it is. Goes into `identity.json` (0600) or, under strict privacy, nowhere; never into a log: its
/// `Debug` shows nothing, and it has no `Display`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// As in the file, `Family^Given^Middle^Prefix^Suffix`, control characters removed.
    pub name: String,
    /// The hospital's patient ID.
    pub id: String,
    /// `YYYYMMDD`, or empty.
    pub birth_date: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(****)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_an_identity_shows_nothing() {
        let identity = Identity {
            name: "MUSTERMANN^ERIKA".into(),
            id: "4711".into(),
            birth_date: "19570812".into(),
        };
        let shown = format!("{identity:?} {:#?}", Some(&identity));
        for secret in ["MUSTERMANN", "ERIKA", "4711", "1957"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
