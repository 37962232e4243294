//! What is told about a DICOM study: facts, identity, findings.

use super::header::{Header, Other};
use super::parts::Odd;
use super::series::{Choice, Left};
use super::syntax;
use crate::intake::refusal::FileFault;
use crate::intake::study::{FileRef, Format, Identity, StudyFacts};
use crate::status::Finding;
use crate::volume::{Hu, Volume};
use std::collections::{BTreeMap, BTreeSet};

/// Missing numbers for one slice that are believed to be missing slices.
const NUMBERS_TRUSTED: usize = 4;

/// Facts of the chosen series.
pub(super) fn facts(choice: &Choice, headers: &[Header], ct: &Volume<Hu>) -> StudyFacts {
    let used = || choice.stack.order.iter().map(|m| &headers[m.header]);
    let first = &headers[choice.stack.order[0].header];
    let syntaxes: BTreeSet<String> = used().map(|h| syntax::name(&h.syntax)).collect();
    StudyFacts {
        format: if first.enhanced {
            Format::DicomEnhanced
        } else {
            Format::Dicom
        },
        slices: choice.stack.order.len(),
        slice_thickness_mm: first.notes.thickness_mm,
        kvp: first.notes.kvp,
        kernel: first.notes.kernel.clone(),
        manufacturer: first.notes.manufacturer.clone(),
        model: first.notes.model.clone(),
        patient_position: first.notes.patient_position.clone(),
        body_part: first.notes.body_part.clone(),
        syntaxes: syntaxes.into_iter().collect(),
        lossy: used().any(|h| h.notes.lossy),
        contrast: used().any(|h| h.notes.contrast),
        ..StudyFacts::bare(Format::Dicom, ct)
    }
}

/// Whose the series is. Control characters are cut out; what a character set could not decode stays odd but harmless.
pub(super) fn identity(header: &Header) -> Identity {
    let clean = |text: &String| text.chars().filter(|c| !c.is_control()).take(128).collect();
    let [name, id, birth_date] = &header.patient;
    Identity {
        name: clean(name),
        id: clean(id),
        birth_date: clean(birth_date),
    }
}

/// Findings on the chosen series itself.
pub(super) fn of_series(choice: &Choice, headers: &[Header]) -> Vec<Finding> {
    let used = || choice.stack.order.iter().map(|m| &headers[m.header]);
    let mut findings = Vec::new();
    let duplicates = choice.stack.duplicates.len();
    if duplicates > 0 {
        let text = format!("{duplicates} duplicate slice(s) with the same pixels left out.");
        findings.push(Finding::info("duplicates", text).value(duplicates as f64, "slices"));
    }
    if used().any(|h| h.notes.lossy) {
        findings.push(Finding::warn(
            "lossy_compression",
            "Slices went through lossy compression. Edges of bone may have moved; use the uncompressed series if there is one.",
        ));
    }
    if used().any(|h| h.notes.burned_in) {
        findings.push(Finding::warn(
            "burned_in_annotation",
            "The pictures carry burned-in text, which may be a name and may look like bone. Look at the previews.",
        ));
    }
    if used().any(|h| h.notes.contrast) {
        findings.push(Finding::info(
            "contrast",
            "A contrast agent is named: vessels near thin bone may look like bone.",
        ));
    }
    let odd_units = |h: &&Header| h.notes.rescale_type.as_deref().is_some_and(|t| t != "HU");
    if let Some(unit) = used()
        .find(odd_units)
        .and_then(|h| h.notes.rescale_type.clone())
    {
        let text = format!(
            "The values are stated to be {unit}, not HU. Check the bone threshold in the previews."
        );
        findings.push(Finding::warn("rescale_type", text));
    }
    findings.extend(identifiers(choice));
    findings.extend(tilt(choice, headers));
    findings.extend(body_part(used()));
    findings
}

/// What identifiers and positions do not say as they should.
fn identifiers(choice: &Choice) -> Vec<Finding> {
    let mut findings = Vec::new();
    let each = match choice.odd {
        Some(Odd::FrameEach) => Some("FrameOfReferenceUID"),
        Some(Odd::SeriesEach) => Some("SeriesInstanceUID"),
        Some(Odd::FrameOfFew(_)) | None => None,
    };
    if let Some(name) = each {
        let text = format!(
            "The slices do not share one {name}, as when somebody gave every file a new one. That they belong together follows from their positions alone."
        );
        findings.push(Finding::warn("identifiers_each", text));
    }
    if let Some(mm) = choice.stack.rounded_mm {
        let text = format!(
            "The positions are rounded to {mm:.1} mm; slices are {:.3} mm apart by all of them together.",
            choice.stack.spacing_mm
        );
        findings.push(Finding::info("positions_rounded", text).value(mm, "mm"));
    }
    findings
}

/// Tilt of the gantry that only one of header and positions knows of, degrees above which it is said.
const TILT_DEG: f64 = 1.0;

/// Slices that were computed from others.
fn is_resampled(header: &Header) -> bool {
    let words = ["MPR", "MIP", "VRT", "RESAMPLED", "REFORMATTED", "SECONDARY"];
    let named = |text: &String| text.split(['_', ' ']).any(|word| words.contains(&word));
    header.image_type.iter().any(named)
}

/// A gantry that was tilted by the header and not by the positions. Resampled series keep the tag, rightly.
fn tilt(choice: &Choice, headers: &[Header]) -> Option<Finding> {
    let first = &headers[choice.stack.order[0].header];
    let stated = first.notes.tilt_deg?.abs();
    let map = choice.stack.to_lps;
    let normal = map.column(0).cross(map.column(1)).unit()?;
    let there = map.column(2).unit()?.dot(normal).abs().min(1.0).acos();
    let there = there.to_degrees();
    if (stated - there).abs() < TILT_DEG || there > TILT_DEG || is_resampled(first) {
        return None;
    }
    let text = format!(
        "The header says that the gantry was tilted by {stated:.1} degrees, the positions of the slices do not: one of them is wrong, and the skull may be sheared. Look whether ears and eyes stand upright; export the series again if not."
    );
    let finding = Finding::warn("tilt_contradicts", text);
    Some(finding.value(stated, "deg").at_most(TILT_DEG))
}

/// Numbers of slices that are named and not there. InstanceNumber begins at 1 nearly everywhere; a scout of the same
/// series may hold one, so as many as there are other images are forgiven. Numbers that do not run with the positions
/// were given by somebody who renumbered, and tell nothing.
pub(super) fn not_here(choice: &Choice, headers: &[Header], others: usize) -> Option<Finding> {
    let chosen = &headers[choice.stack.order[0].header];
    let members: BTreeSet<usize> = choice.members.iter().map(|m| m.header).collect();
    // A series of two volumes numbers them as it likes: only what is missing within this one is known.
    let is_all = headers
        .iter()
        .enumerate()
        .filter(|(_, h)| !h.enhanced && h.series == chosen.series)
        .all(|(n, _)| members.contains(&n));
    let of_series = || members.iter().map(|n| &headers[*n]).filter(|h| !h.enhanced);
    let numbers: BTreeSet<i64> = of_series().filter_map(|h| h.number).collect();
    let here = of_series().count();
    let (last, count) = (*numbers.last()?, numbers.len());
    let along = choice
        .stack
        .order
        .iter()
        .filter_map(|m| headers[m.header].number);
    if count < here || *numbers.first()? < 1 || !runs_one_way(along) {
        return None;
    }
    // Numbers far beyond the count are somebody's own scheme.
    let begin = if is_all { 1 } else { *numbers.first()? };
    let missing = usize::try_from(last - begin + 1)
        .ok()?
        .saturating_sub(count);
    if missing <= others || missing > NUMBERS_TRUSTED * count {
        return None;
    }
    let first_missing = (begin..=last).find(|n| !numbers.contains(n))?;
    let text = format!(
        "The slices are numbered up to {last}, and {missing} of these numbers are not there (the first is {first_missing}). Were all slices copied?"
    );
    Some(
        Finding::warn("slices_not_here", text)
            .value(missing as f64, "slices")
            .at_most(0.0),
    )
}

/// Only rising, or only falling.
fn runs_one_way(numbers: impl Iterator<Item = i64> + Clone) -> bool {
    let next = numbers.clone().skip(1);
    let steps = || numbers.clone().zip(next.clone());
    steps().all(|(a, b)| a < b) || steps().all(|(a, b)| a > b)
}

/// A body part that is not the head's is often a wrong label: told, not refused.
fn body_part<'a>(mut used: impl Iterator<Item = &'a Header>) -> Option<Finding> {
    let heads = [
        "HEAD",
        "SKULL",
        "BRAIN",
        "NECK",
        "FACE",
        "ORBIT",
        "SINUS",
        "JAW",
        "WHOLEBODY",
    ];
    let part = used.find_map(|h| h.notes.body_part.clone())?;
    let head = heads.iter().any(|name| part.contains(name));
    (!head).then(|| {
        let text = format!("The file says that {part} was scanned. The voxels look like a head; check that it is the right series.");
        Finding::warn("body_part", text)
    })
}

/// What was left out of the drop, by kind and count.
pub(super) fn left_out(
    others: &[Other],
    unreadable: &[(FileRef, FileFault)],
    left: &[Left],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut counts = BTreeMap::<&Other, usize>::new();
    for other in others {
        *counts.entry(other).or_default() += 1;
    }
    for (other, count) in counts {
        let text = format!("Left out: {count} x {}.", describe(other));
        findings.push(Finding::info("left_out", text).value(count as f64, "files"));
    }
    for one in left {
        let finding = Finding::info("series_left_out", one.text.clone());
        findings.push(finding.value(one.slices as f64, "slices"));
    }
    if !unreadable.is_empty() {
        let (file, fault) = &unreadable[0];
        let count = unreadable.len();
        let text = format!(
            "{count} file(s) could not be read and were left out ({file} {fault}). If they belong to this series, an end of it may be missing: compare the number of slices."
        );
        findings.push(Finding::warn("unreadable_files", text).value(count as f64, "files"));
    }
    findings
}

/// A kind of file in words.
pub(super) fn describe(other: &Other) -> String {
    match other {
        Other::Localizer => "localizer".into(),
        Other::SecondaryCapture => "secondary capture (screenshot, results or dose page)".into(),
        Other::Modality(name) => format!("image or report of modality {name}"),
        Other::Directory => "DICOMDIR".into(),
        Other::NoCt => "DICOM object that is no CT image".into(),
        Other::Document => "document, picture or program".into(),
        Other::Archive => "archive among other files (drop it alone if the scan is in it)".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::runs_one_way;

    #[test]
    fn numbers_are_believed_when_they_run_with_the_positions() {
        let runs = |numbers: &[i64]| runs_one_way(numbers.iter().copied());
        assert!(runs(&[1, 2, 5]) && runs(&[9, 4, 3]));
        assert!(!runs(&[1, 5, 2]) && !runs(&[3, 3, 2]));
    }
}
