//! What is told about a DICOM study: facts, identity, findings.

use super::header::{Header, Other};
use super::series::{Candidate, Choice};
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
    findings.extend(body_part(used()));
    findings
}

/// Numbers of slices that are named and not there. InstanceNumber begins at 1 nearly everywhere; a scout of the same
/// series may hold one, so as many as there are other images are forgiven. Numbers that do not run with the positions
/// were given by somebody who renumbered, and tell nothing.
pub(super) fn not_here(choice: &Choice, headers: &[Header], others: usize) -> Option<Finding> {
    let chosen = &headers[choice.stack.order[0].header];
    let of_series = || (headers.iter()).filter(|h| !h.enhanced && h.series == chosen.series);
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
    let missing = usize::try_from(last).ok()?.saturating_sub(count);
    if missing <= others || missing > NUMBERS_TRUSTED * count {
        return None;
    }
    let first_missing = (1..=last).find(|n| !numbers.contains(n))?;
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
    left: &[Candidate],
    headers: &[Header],
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
    for candidate in left {
        let header = &headers[candidate.group.members[0].header];
        let slices = candidate.group.members.len();
        let why = match &candidate.stack {
            Ok(stack) => format!("{:.2} mm apart", stack.spacing_mm),
            Err(refusal) => refusal.code().replace('_', " "),
        };
        let kernel = header.notes.kernel.as_deref().unwrap_or("not named");
        let text =
            format!("Left out: another CT stack of {slices} slices ({why}, kernel {kernel}).");
        findings.push(Finding::info("series_left_out", text).value(slices as f64, "slices"));
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
