//! Intake: files become one CT volume in HU with its facts, or a named refusal.
//!
//! In:    a folder, an archive (zip, tar, tar.gz) or a file: a DICOM CT series, an Enhanced CT, NIfTI (1 or 2), NRRD, MetaImage. Which one it is, the
//!        content says, never the name.
//! Out:   a [`Study`]: `Volume<Hu>` with its affine to patient LPS mm, axis order as acquired, upright, and
//!        [`Finding`]s; or a [`Refusal`] whose text can be shown as it stands.
//! Holds: nothing is displaced in silence: a gap, an uneven stack, two images at one place, a damaged stream are
//!        refused; what is merely doubtful is a finding. Memory and time are bounded by [`Limits`] before they are
//!        spent. No input makes it panic.
//! Never: changes, moves or deletes an original (only [`mod@drop`] moves, and only whole drops). Never lets a file
//!        name, a person's name or an ID out but in [`Identity`].
//!
//! The way of a folder: `files` walks and hashes it → [`dicom`] reads headers, groups series, checks the stack and
//! decodes slices in parallel → `shear` undoes a gantry tilt → `head` looks whether it is one.

pub mod dicom;
pub mod drop;
pub mod metaimage;
pub mod nifti;
pub mod nrrd;

mod archive;
mod beside;
mod files;
mod head;
mod hounsfield;
mod limits;
mod look;
mod numbers;
mod orientation;
mod packed;
mod refusal;
mod shear;
mod study;

pub use files::{PIECES_MAX, piece_name, piece_number};
pub use limits::Limits;
pub use look::{Group, Look, Missing, look};
pub use orientation::{NoCode, Orientation};
pub use refusal::{FileFault, Refusal, Tenths};
pub use study::{FileRef, Format, Identity, Input, Study, StudyFacts};

use crate::status::Finding;
use crate::volume::{Hu, Volume};
use files::{DropFile, Kind};
use limits::ROUNDING_MM;
use std::path::Path;

/// Reads what lies at `path`: a folder, a zip, or a file. The content picks the door.
///
/// # Errors
/// [`Refusal`]: why this is not taken, and what to do.
pub fn read(path: &Path, limits: &Limits) -> Result<Study, Refusal> {
    let mut drop = Opened::at(path, limits)?;
    let order = order(&drop.files)?;
    drop.files.retain(|file| !is_order(file));
    let mut study = pick(&drop.files, limits)?;
    study.order = order;
    Ok(study)
}

/// Name of an order that lies beside a scan.
const ORDER: &str = "order.toml";
/// Largest order that is read, bytes.
const ORDER_BYTES: u64 = 64 * 1024;

fn is_order(file: &DropFile) -> bool {
    file.name.eq_ignore_ascii_case(ORDER)
}

/// The order among the files of a drop. Of several pieces of a scan the last one's counts: it was written last.
fn order(files: &[DropFile]) -> Result<Option<String>, Refusal> {
    let orders = || files.iter().filter(|file| is_order(file));
    let newest = orders().map(|f| f.piece).max();
    let mut found = orders().filter(|f| Some(f.piece) == newest);
    let Some(file) = found.next() else {
        return Ok(None);
    };
    let others = found.count() as u64;
    files::bound("orders in one drop", 1 + others, 1)?;
    files::bound("bytes in an order", file.bytes, ORDER_BYTES)?;
    let bytes = std::fs::read(&file.path).map_err(|e| Refusal::Read(file.file, e))?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The files of a drop, those of its archives unpacked.
struct Opened {
    files: Vec<DropFile>,
    /// Deleted with the value.
    _unpacked: Vec<archive::Unpacked>,
}

impl Opened {
    /// Opens every piece of the drop, and numbers the files anew over all of them.
    fn at(path: &Path, limits: &Limits) -> Result<Self, Refusal> {
        let (mut all, mut unpacked) = (Vec::new(), Vec::new());
        let pieces = files::pieces(path).map_err(Refusal::Open)?;
        for (piece, root) in pieces.iter().enumerate() {
            let mut found = files::scan(root, limits)?;
            // An archive may have an order beside it.
            let (orders, scans): (Vec<_>, Vec<_>) = found.iter().cloned().partition(is_order);
            if let [one] = scans.as_slice()
                && let Some(archive) = archive::unpack(&one.path, kind(&one.path)?, limits)?
            {
                found = [archive.files.as_slice(), &orders].concat();
                unpacked.push(archive);
            }
            all.extend(found.into_iter().map(|file| DropFile { piece, ..file }));
            files::bound("files in one drop", all.len() as u64, limits.files as u64)?;
        }
        let bytes = all.iter().map(|f| f.bytes).sum();
        files::bound("bytes in one drop", bytes, limits.total_bytes)?;
        for (n, file) in (1..).zip(&mut all) {
            file.file = FileRef(n);
        }
        Ok(Self {
            files: all,
            _unpacked: unpacked,
        })
    }
}

/// Files among which a volume of another format than DICOM is looked for: a scan and a note or two beside it.
const SMALL_FOLDER: usize = 20;

/// Unpacked files: a volume in one file when there is one and no DICOM beside it, else a DICOM series.
fn pick(drop: &[DropFile], limits: &Limits) -> Result<Study, Refusal> {
    let mut volumes = Vec::new();
    if drop.len() <= SMALL_FOLDER {
        for file in drop {
            match kind(&file.path)? {
                Kind::Dicom => return from_series(drop, limits),
                Kind::Nifti | Kind::Gzip => volumes.push((Format::Nifti, file)),
                Kind::Nrrd => volumes.push((Format::Nrrd, file)),
                Kind::MetaImage => volumes.push((Format::MetaImage, file)),
                Kind::Zip | Kind::Tar | Kind::Empty | Kind::Beside | Kind::Unknown => {}
            }
        }
    }
    // The values beside a header are no volume of their own.
    let beside = |(format, file): &(Format, &DropFile)| match format {
        Format::Nrrd => nrrd::data_file(&file.path),
        Format::MetaImage => metaimage::data_file(&file.path),
        _ => None,
    };
    let values: Vec<String> = volumes.iter().filter_map(beside).collect();
    volumes.retain(|(_, file)| !values.contains(&file.name));
    match volumes.as_slice() {
        [] => from_series(drop, limits),
        [(format @ (Format::Nrrd | Format::MetaImage), file)] => {
            let named = |name: &str| {
                let found = drop
                    .iter()
                    .find(|f| f.piece == file.piece && f.name == name);
                found.map(|f| f.path.clone())
            };
            let ct = match format {
                Format::Nrrd => nrrd::read_hu_beside(&file.path, &named, limits)?,
                _ => metaimage::read_hu_beside(&file.path, &named, limits)?,
            };
            from_volume(*format, ct, file, limits)
        }
        [(format, file)] => from_volume(*format, nifti::read_hu(&file.path, limits)?, file, limits),
        several => Err(Refusal::TooMuch {
            what: "volumes in one drop",
            found: several.len() as u64,
            limit: 1,
        }),
    }
}

fn kind(path: &Path) -> Result<Kind, Refusal> {
    Ok(files::sniff(&files::head(path).map_err(Refusal::Open)?))
}

fn from_series(drop: &[DropFile], limits: &Limits) -> Result<Study, Refusal> {
    if limits.orientation.is_some() {
        return Err(Refusal::OrientationSaid { format: "DICOM" });
    }
    dicom::from_files(drop, limits, |series| {
        finish(
            Study {
                ct: series.ct,
                facts: series.facts,
                identity: Some(series.identity),
                findings: series.findings,
                inputs: series.inputs,
                order: None,
            },
            limits,
        )
    })
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
            order: None,
        },
        limits,
    )
}

/// Nothing is emptier than this, HU.
const EMPTIEST: i16 = -1024;

/// What every door's volume goes through.
fn finish(mut study: Study, limits: &Limits) -> Result<Study, Refusal> {
    // Before anything is cut off below air: a scale shows there.
    let levels = limits
        .head
        .then(|| hounsfield::measure(&study.ct))
        .flatten();
    for hu in study.ct.data_mut() {
        hu.0 = hu.0.max(EMPTIEST);
    }
    let upright = shear::upright(study.ct, limits)?;
    study.ct = upright.volume;
    study.facts.tilt_deg = upright.tilt_deg;
    let spacing_mm = study.facts.spacing_mm.into_iter().fold(0.0, f64::max);
    if spacing_mm > limits.thick_refuse_mm + ROUNDING_MM {
        return Err(Refusal::TooThick {
            spacing_mm,
            limit_mm: limits.thick_refuse_mm,
        });
    }
    if limits.head {
        match (head::check(&study.ct), levels) {
            (Err(Refusal::NotHead { .. }), Some(levels)) if levels.are_stored() => {
                hounsfield::judge(levels)?;
            }
            (looked, _) => looked?,
        }
        if let Some(levels) = levels {
            study.findings.extend(hounsfield::judge(levels)?);
        }
        study.findings.extend(cut_off(&study)?);
    }
    study.findings.extend(of_grid(&study.facts, limits));
    study.facts.shape = study.ct.shape();
    study.facts.spacing_mm = study.ct.spacing_mm();
    // Worst first; findings of one weight keep their order.
    study
        .findings
        .sort_by_key(|f| std::cmp::Reverse(f.severity));
    Ok(study)
}

/// What the end of the scan cuts off. With slices missing by their numbers it is known why, and the scan is refused.
fn cut_off(study: &Study) -> Result<Option<Finding>, Refusal> {
    let Some(end) = head::end(&study.ct) else {
        return Ok(None);
    };
    let missing = study.findings.iter().find(|f| f.name == "slices_not_here");
    if let Some(slices) = missing.and_then(|f| f.value) {
        return Err(Refusal::CutOff {
            place: end.place,
            missing: slices as usize,
        });
    }
    let text = format!(
        "The scan ends in the skull (at the {}): what lies beyond is not designed. Were all slices copied?",
        end.place
    );
    let finding = Finding::warn("scan_ends_in_skull", text);
    Ok(Some(
        finding.value(end.bone_mm2, "mm2").at_most(head::END_MM2),
    ))
}

/// Findings on the grid, whatever the format.
fn of_grid(facts: &StudyFacts, limits: &Limits) -> Vec<Finding> {
    let mut findings = Vec::new();
    let [i, j, slice_mm] = facts.spacing_mm;
    let pixel_mm = i.max(j);
    if pixel_mm > limits.pixel_warn_mm + ROUNDING_MM {
        let text = format!(
            "Pixels are {pixel_mm:.2} mm: the edge of the hole is known no better than that."
        );
        let finding = Finding::warn("coarse_pixels", text);
        findings.push(finding.value(pixel_mm, "mm").at_most(limits.pixel_warn_mm));
    }
    if slice_mm > limits.thick_warn_mm + ROUNDING_MM {
        let text = format!(
            "Slices are {slice_mm:.2} mm apart: use the thin reconstruction if there is one."
        );
        let finding = Finding::warn("thick_slices", text);
        findings.push(finding.value(slice_mm, "mm").at_most(limits.thick_warn_mm));
    }
    if facts.tilt_deg > 0.0 {
        let text = format!(
            "The gantry was tilted by {:.1} degrees; the slices were shifted upright within their planes.",
            facts.tilt_deg
        );
        findings.push(Finding::info("tilt_undone", text).value(facts.tilt_deg, "deg"));
    }
    findings
}

/// Reads a mask (NIfTI, NRRD, MetaImage): zero is outside, one other value is inside.
///
/// # Errors
/// [`Refusal`].
pub fn read_mask(path: &Path, limits: &Limits) -> Result<Volume<bool>, Refusal> {
    match kind(path)? {
        Kind::Nrrd => nrrd::read_mask(path, limits),
        Kind::MetaImage => metaimage::read_mask(path, limits),
        _ => nifti::read_mask(path, limits),
    }
}
