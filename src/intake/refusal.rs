//! Why a drop is not taken, in words for the page, the LCD and the quarantine note.
//!
//! Never: a path, a name or an ID. Files are numbers within the drop.

use super::study::FileRef;
use crate::status::Finding;
use std::fmt;
use std::io;

/// Why a study is refused. The text is shown as it stands: what, where, what to do.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The path is not there, or can not be opened.
    #[error("The input could not be opened ({0}). Check the path and its permissions.")]
    Open(#[source] io::Error),
    /// A file could not be read.
    #[error("{0} could not be read ({1}). Copy it again.")]
    Read(FileRef, #[source] io::Error),
    /// A file is not the one that was looked at first.
    #[error("{0} changed while it was read. Wait until the copy is complete, then drop it again.")]
    Changed(FileRef),
    /// Nothing there.
    #[error("There is no file in it. Send the series again.")]
    Empty,
    /// A bound of [`Limits`](super::Limits).
    #[error("{what}: {found}, at most {limit} are taken. Send the head series alone.")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How much was found (counting stops at the limit).
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// A zip archive that is not unpacked.
    #[error("The archive is not unpacked: {0}. Send the files themselves, or a plain zip of them.")]
    Archive(String),
    /// There is no file of a kind that is read here.
    #[error("{} Send a head CT as DICOM, NIfTI or NRRD.", list_faults("No image could be read.", .faults))]
    NoImage {
        /// What is wrong with each file.
        faults: Vec<(FileRef, FileFault)>,
    },
    /// Nothing but scouts.
    #[error("Localizer only: {count} scout image(s) and no slices. Send the axial series.")]
    LocalizerOnly {
        /// Scouts found.
        count: usize,
    },
    /// DICOM images, but of another modality.
    #[error("Modality {modality} ({count} images): this is no CT. Send a CT of the head.")]
    Modality {
        /// As the file names it.
        modality: String,
        /// Images of it.
        count: usize,
    },
    /// DICOM images, but none is a CT slice.
    #[error("No CT images: {found}. Send the axial CT series.")]
    NoCt {
        /// What was there instead, counted.
        found: String,
    },
    /// Slices of the series are coded in ways that are not decoded here.
    #[error(
        "{count} of {of} slices are coded as {name} ({uid}), which is not decoded here. Export the series uncompressed."
    )]
    Syntax {
        /// Slices so coded.
        count: usize,
        /// Slices of the series.
        of: usize,
        /// The syntax's name.
        name: String,
        /// Its UID.
        uid: String,
    },
    /// Files of the series are damaged.
    #[error("{}{} Copy the series again.", list_faults("The series has unreadable slices.", .files), gap_text(*.gap_mm))]
    Unreadable {
        /// Which, and why.
        files: Vec<(FileRef, FileFault)>,
        /// The largest slice distance without them, mm, when they lie inside the stack.
        gap_mm: Option<f64>,
    },
    /// Too few slices for a volume.
    #[error(
        "{slices} slice(s) are no volume; at least {needed} are needed. Send the whole series."
    )]
    TooFew {
        /// Slices found.
        slices: usize,
        /// Slices needed.
        needed: usize,
    },
    /// Slices are missing.
    #[error(
        "No slice for {gap_mm:.2} mm after slice {after} of {of} (they are {spacing_mm:.2} mm apart). Send the series again, complete."
    )]
    Gap {
        /// Slice number by position, from 1.
        after: usize,
        /// Slices there are.
        of: usize,
        /// The largest distance, mm.
        gap_mm: f64,
        /// The usual distance, mm.
        spacing_mm: f64,
    },
    /// The scan ends within the skull, and slices are missing by their numbers.
    #[error(
        "The scan ends in the skull (at the {place}), and {missing} slices are missing by their numbers. Copy the series again, complete; what comes is added to this case."
    )]
    CutOff {
        /// The end, in the patient's words: `top`, `left`, ...
        place: &'static str,
        /// Numbers that are not there.
        missing: usize,
    },
    /// Distances change along the stack.
    #[error(
        "Slice distances change from {min_mm:.2} to {max_mm:.2} mm along the stack. Send a reconstruction with one slice distance, at most {limit_mm:.1} mm."
    )]
    Uneven {
        /// Smallest distance, mm.
        min_mm: f64,
        /// Largest distance, mm.
        max_mm: f64,
        /// Largest that is taken, mm.
        limit_mm: f64,
    },
    /// Slices too far apart.
    #[error(
        "Slices are {spacing_mm:.2} mm apart, at most {limit_mm:.1} mm are taken. Send the thin reconstruction."
    )]
    TooThick {
        /// Distance along the normal, mm.
        spacing_mm: f64,
        /// Largest that is taken, mm.
        limit_mm: f64,
    },
    /// Different images at one position.
    #[error(
        "Two different images at one position ({count} such position(s), the first at slice {at}). Send one series without the other phase or kernel."
    )]
    Conflict {
        /// Positions held twice by different pixels.
        count: usize,
        /// Slice number by position, from 1.
        at: usize,
    },
    /// Some slices are in another frame of reference.
    #[error(
        "{count} of {of} slices have another FrameOfReferenceUID than the others, so nothing says that they lie where they claim. Send one series of one position of the patient."
    )]
    MixedFrames {
        /// Slices in another frame of reference than most.
        count: usize,
        /// Slices in all.
        of: usize,
    },
    /// Slices of two volumes in turn.
    #[error(
        "Neighbouring slices differ by {next_hu:.0} HU, every second one by {second_hu:.0} HU: two acquisitions are woven into one series. Send one of them alone."
    )]
    Woven {
        /// Mean difference between neighbours, HU.
        next_hu: f64,
        /// Mean difference between every second slice, HU.
        second_hu: f64,
    },
    /// Slices do not lie above each other.
    #[error(
        "Slices are shifted sideways by up to {by_mm:.2} mm in no regular way. Send a plain axial reconstruction."
    )]
    Shifted {
        /// Largest departure from a straight stack, mm.
        by_mm: f64,
    },
    /// Tilted too far.
    #[error(
        "The slices are tilted by {tilt_deg:.1} degrees, at most {limit_deg:.0} are undone. Send an upright reconstruction."
    )]
    Tilt {
        /// Tilt, degrees.
        tilt_deg: f64,
        /// Limit, degrees.
        limit_deg: f64,
    },
    /// Rows and columns of a slice are not at right angles: no scanner makes that.
    #[error(
        "Rows and columns within a slice are {off_deg:.1} degrees off the right angle, which no scanner makes. Send the scan itself, not one deformed by a registration."
    )]
    Sheared {
        /// Off the right angle, degrees.
        off_deg: f64,
    },
    /// Two people in one drop.
    #[error("The files belong to {count} different patients. Drop one patient at a time.")]
    SeveralPatients {
        /// Patients.
        count: usize,
    },
    /// Two examinations in one drop.
    #[error(
        "The files hold CT series of {count} examinations. Drop the one that the implant is meant for."
    )]
    SeveralStudies {
        /// Studies with usable CT series.
        count: usize,
    },
    /// The voxels are no head.
    #[error("No skull found: {why}. Send a CT of the head.")]
    NotHead {
        /// What was found instead, with numbers.
        why: String,
    },
    /// Values that are no HU.
    #[error("The values are no Hounsfield units: {why}. Send the CT itself, rescaled to HU.")]
    NotHu {
        /// The numbers behind it.
        why: String,
    },
    /// Values that are no mask or probability.
    #[error("The values are no {wanted}: {why}.")]
    NotA {
        /// `mask` or `probability`.
        wanted: &'static str,
        /// The numbers behind it.
        why: String,
    },
    /// A NIfTI or NRRD file that is not read.
    #[error(
        "{format} file not read: {why}. Copy it again, or export it anew as NIfTI-1 (.nii.gz)."
    )]
    Format {
        /// `NIfTI` or `NRRD`.
        format: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The file does not say where left is.
    #[error(
        "{format} file without orientation: it does not say where left and right are. Export it with sform or qform (NIfTI) or space directions (NRRD)."
    )]
    NoOrientation {
        /// `NIfTI` or `NRRD`.
        format: &'static str,
    },
    /// An orientation was given by hand, and the file says its own.
    #[error(
        "The {format} says itself where left and right are. Leave --orientation out; it is for files that do not say."
    )]
    OrientationSaid {
        /// `DICOM`, `NIfTI` or `NRRD`.
        format: &'static str,
    },
    /// Coordinates of a template, not of the patient.
    #[error(
        "The NIfTI's coordinates are those of a template brain (code {code}), scaled to another head. Export the scan as it came from the scanner (code 1)."
    )]
    TemplateSpace {
        /// sform or qform code, 3 and more.
        code: i64,
    },
    /// sform and qform both claim to be the patient's space and are not the same.
    #[error(
        "The NIfTI says in two ways where left and right are, and they do not agree ({}). Export it anew from the scan, or set the code of the wrong one (sform or qform) to 0.", difference(*.by_mm, *.mirrored)
    )]
    TwoOrientations {
        /// Largest distance between them at the volume's corners, mm.
        by_mm: f64,
        /// One has left where the other has right.
        mirrored: bool,
    },
    /// The sform scales voxels to another size than the header states.
    #[error(
        "The NIfTI states voxels of {pixdim_mm:.3} mm, its sform makes them {sform_mm:.3} mm. Export the scan as it came from the scanner, not scaled to another."
    )]
    TwoSizes {
        /// Voxel size by the sform, mm.
        sform_mm: f64,
        /// Voxel size by the header's own field, mm.
        pixdim_mm: f64,
    },
}

impl Refusal {
    /// Stable word for scripts and tests.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Open(_) => "open",
            Self::Read(..) => "read",
            Self::Changed(_) => "changed",
            Self::Empty => "empty",
            Self::TooMuch { .. } => "too_much",
            Self::Archive(_) => "archive",
            Self::NoImage { .. } => "no_image",
            Self::LocalizerOnly { .. } => "localizer_only",
            Self::Modality { .. } => "modality",
            Self::NoCt { .. } => "no_ct",
            Self::Syntax { .. } => "transfer_syntax",
            Self::Unreadable { .. } => "unreadable_slices",
            Self::TooFew { .. } => "too_few_slices",
            Self::Gap { .. } => "gap",
            Self::CutOff { .. } => "cut_off",
            Self::Uneven { .. } => "uneven_slices",
            Self::TooThick { .. } => "thick_slices",
            Self::Conflict { .. } => "conflicting_duplicates",
            Self::MixedFrames { .. } => "mixed_frames",
            Self::Woven { .. } => "woven_series",
            Self::Shifted { .. } => "shifted_slices",
            Self::Tilt { .. } => "tilt",
            Self::Sheared { .. } => "slanted_rows",
            Self::SeveralPatients { .. } => "several_patients",
            Self::SeveralStudies { .. } => "several_studies",
            Self::NotHead { .. } => "not_a_head",
            Self::NotHu { .. } => "not_hu",
            Self::NotA { .. } => "wrong_values",
            Self::Format { .. } => "format",
            Self::NoOrientation { .. } => "no_orientation",
            Self::OrientationSaid { .. } => "orientation_said",
            Self::TemplateSpace { .. } => "template_space",
            Self::TwoOrientations { .. } => "two_orientations",
            Self::TwoSizes { .. } => "two_sizes",
        }
    }

    /// The refusal as a finding, for record and page.
    pub fn finding(&self) -> Finding {
        let finding = Finding::refuse(self.code(), self.to_string());
        match *self {
            Self::Gap {
                gap_mm, spacing_mm, ..
            } => finding.value(gap_mm, "mm").at_most(spacing_mm),
            Self::Uneven {
                max_mm, limit_mm, ..
            } => finding.value(max_mm, "mm").at_most(limit_mm),
            Self::TooThick {
                spacing_mm,
                limit_mm,
            } => finding.value(spacing_mm, "mm").at_most(limit_mm),
            Self::TooFew { slices, needed } => finding
                .value(slices as f64, "slices")
                .at_least(needed as f64),
            Self::Tilt {
                tilt_deg,
                limit_deg,
            } => finding.value(tilt_deg, "deg").at_most(limit_deg),
            _ => finding,
        }
    }
}

/// What is wrong with one file. A file that is sound but no CT slice (a localizer, a report) is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// Zero bytes.
    #[error("is empty")]
    Empty,
    /// Nothing that is known here.
    #[error("is neither DICOM, NIfTI, NRRD nor zip")]
    Unknown,
    /// A preamble and nothing after it, or no meta group and no way to guess.
    #[error("is not DICOM: {0}")]
    NotDicom(&'static str),
    /// A header that stops in the middle.
    #[error("ends inside the header (in element {0})")]
    HeaderEnds(String),
    /// A header that can not be understood.
    #[error("has a header that can not be understood: {0}")]
    Header(String),
    /// Sequences in sequences without end.
    #[error("nests sequences more than {0} deep")]
    TooDeep(usize),
    /// Deflated, and the packed data are damaged or grow without end.
    #[error("is deflated and {0}")]
    Deflate(&'static str),
    /// No transfer syntax is stated.
    #[error("states no transfer syntax")]
    NoSyntax,
    /// A transfer syntax that is not decoded here.
    #[error("is coded as {name} ({uid}), which is not decoded here")]
    Syntax {
        /// UID.
        uid: String,
        /// Name, or `unknown transfer syntax`.
        name: String,
    },
    /// A required element is not there, or holds nonsense.
    #[error("has no usable {0}")]
    Lacks(&'static str),
    /// No pixels.
    #[error("has no PixelData")]
    NoPixels,
    /// Fewer bytes of pixels than rows and columns ask for.
    #[error("has {have} bytes of pixel data, {need} are needed")]
    ShortPixels {
        /// Bytes there.
        have: u64,
        /// Bytes that the header asks for.
        need: u64,
    },
    /// A length field beyond the end of the file.
    #[error("has a pixel length field of {declared} bytes, the file ends after {have}")]
    LengthLies {
        /// Declared.
        declared: u64,
        /// There.
        have: u64,
    },
    /// A compressed stream that is cut or damaged.
    #[error("has a damaged {codec} stream: {why}")]
    Stream {
        /// `JPEG lossless`, `RLE`, ...
        codec: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Colour, or more than one sample.
    #[error("is a colour image ({0})")]
    Colour(String),
    /// Too few grey levels for a CT.
    #[error("has {bits} bits a pixel ({hu_step:.1} HU a step), which is no CT")]
    Coarse {
        /// BitsStored.
        bits: u16,
        /// Rescale slope, HU, in tenths to stay comparable.
        hu_step: Tenths,
    },
    /// A modality look-up table, which a CT must not have.
    #[error("has a Modality LUT instead of rescale slope and intercept")]
    ModalityLut,
    /// Sound DICOM, but no CT slice. Only [`dicom::door`](super::dicom::door) says so: in a drop it is left out.
    #[error("is no CT slice but: {0}")]
    NoSlice(String),
}

/// A number kept in tenths, so that faults can be compared in tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenths(pub i64);

impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, (self.0 % 10).abs())
    }
}

/// At most this many causes are named in one sentence.
const NAMED: usize = 5;

/// One cause is said once, with the first file that has it.
fn list_faults(head: &str, faults: &[(FileRef, FileFault)]) -> String {
    let mut causes: Vec<(&FileFault, u32, usize)> = Vec::new();
    for (file, fault) in faults {
        match causes.iter_mut().find(|(known, ..)| *known == fault) {
            Some((.., count)) => *count += 1,
            None => causes.push((fault, file.0, 1)),
        }
    }
    let mut text = String::from(head);
    for (fault, first, count) in causes.iter().take(NAMED) {
        text.push_str(&match count {
            1 => format!(" File {first} {fault}."),
            _ => format!(" File {first} {fault}; the same with {} more.", count - 1),
        });
    }
    let rest: usize = causes.iter().skip(NAMED).map(|(.., count)| count).sum();
    if rest > 0 {
        text.push_str(&format!(" And {rest} more."));
    }
    text
}

fn difference(by_mm: f64, mirrored: bool) -> String {
    if mirrored {
        "one is the mirror image of the other".into()
    } else {
        format!("by up to {by_mm:.1} mm")
    }
}

fn gap_text(gap_mm: Option<f64>) -> String {
    gap_mm.map_or(String::new(), |gap| {
        format!(" Without them there is a gap of {gap:.2} mm inside the stack.")
    })
}
