//! Doubt: findings that say that the answer itself may be wrong. Such a design waits like any other, but a supervisor
//! must be among those who release it.

use crate::status::{Finding, Severity};

/// Warnings that are doubt. What is missing here tells of a scan or a print that is less good, not of a part that may
/// be another than the patient needs.
const DOUBTFUL: [(&str, &str); 15] = [
    (
        "ordered_region",
        "another bone was ordered than the one in which the hole lies",
    ),
    (
        "network_short",
        "the network sees less than half of the bone that the geometry misses",
    ),
    (
        "found_by_bone",
        "the network marks nothing there; bone alone says that it is a hole",
    ),
    (
        "open_rim",
        "the hole is not bordered by bone all round: where the part ends is a guess",
    ),
    (
        "skull_cut_off",
        "the scan ends within the skull: the hole may go on outside it",
    ),
    ("overlap", "the part lies in bone that is there"),
    ("body_part", "the header names another part of the body"),
    (
        "rescale_type",
        "the grey values may be no Hounsfield units: bone may be taken for none",
    ),
    (
        "unreadable_files",
        "some files of the scan could not be read: slices may be missing",
    ),
    (
        "slices_not_here",
        "the scan says that it has more slices than came",
    ),
    (
        "hu_level",
        "the grey values may be no Hounsfield units: bone may be taken for none",
    ),
    (
        "tilt_contradicts",
        "header and positions disagree about the gantry's tilt: the skull may be sheared",
    ),
    ("more_came", "more of the scan came after it was designed"),
    ("grew_later", "more of the scan came after it was designed"),
    (
        "scan_ends_in_skull",
        "the scan ends within the skull: the hole may go on outside it",
    ),
];

/// Is this finding one that needs a supervisor?
pub(super) fn is_doubt(finding: &Finding) -> bool {
    finding.severity == Severity::Warn && DOUBTFUL.iter().any(|(name, _)| *name == finding.name)
}

/// Is any of them?
pub(super) fn any(findings: &[Finding]) -> bool {
    findings.iter().any(is_doubt)
}
