//! Files of a case: names as DESIGN has them, each there whole or not at all.

use super::record::{self, Record};
use super::{Case, Ended};
use crate::intake::{Identity, nifti};
use crate::status::{DesignOutcome, Reason};
use std::io;
use std::path::Path;

const DISK: &str = "Look at disk space and permissions, then try again.";

/// What a design may leave in its folder, `case.json` first: without it the rest is known as unfinished.
const WRITTEN: [&str; 15] = [
    "case.json",
    "identity.json",
    "skull.nii.gz",
    "missing.nii.gz",
    "probability.nii.gz",
    "implant.stl",
    "implant.nii.gz",
    "implant.gcode",
    "implant.tags.json",
    "implant.density.nii.gz",
    "plan.json",
    "preview-left.png",
    "preview-right.png",
    "preview-front.png",
    "preview-top.png",
];

/// Kinds of pictures of which there is one for each part: the part in its hole, how far it may lie off, how much of it is
/// filled.
pub(super) const PART_PICTURES: [&str; 3] = ["fit", "error", "filled"];

/// Name of the picture of a kind for the `k`-th part, from 0: `fit`, `fit-2`, …; the file is `preview-NAME.png`.
pub(super) fn part_picture(kind: &str, k: usize) -> String {
    match k {
        0 => kind.into(),
        k => format!("{kind}-{}", k + 1),
    }
}

/// Pictures of which there is one for each part.
fn is_part_picture(name: &str) -> bool {
    let begins = |kind: &&str| name.starts_with(&format!("preview-{kind}"));
    PART_PICTURES.iter().any(begins) && name.ends_with(".png")
}

/// Makes the folder and takes away what an earlier attempt left in it: nobody may find one scan's part beside
/// another's record.
pub(super) fn open(out: &Path) -> Result<(), Ended> {
    let clear = || {
        std::fs::create_dir_all(out)?;
        for name in WRITTEN {
            match std::fs::remove_file(out.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        for entry in std::fs::read_dir(out)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(is_part_picture) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    };
    clear().map_err(|e: io::Error| {
        Ended::failed(format!("The case's folder can not be written: {e}."), DISK)
    })
}

/// Writes one file of the case and notes its hash.
pub(super) fn write(
    case: &mut Case<'_>,
    out: &Path,
    name: &str,
    bytes: &[u8],
) -> Result<(), Ended> {
    record::write_whole(&out.join(name), bytes)
        .map_err(|e| Ended::failed(format!("{name} could not be written: {e}."), DISK))?;
    case.record
        .outputs
        .insert(name.into(), record::sha256(bytes));
    Ok(())
}

/// Writes one file of the case through a writer of another room, which gets a temporary path.
pub(super) fn write_with<E: std::fmt::Display>(
    case: &mut Case<'_>,
    path: &Path,
    writer: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), Ended> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let failed = |e: &dyn std::fmt::Display| {
        Ended::failed(format!("{name} could not be written: {e}."), DISK)
    };
    let folder = record::folder_of(path);
    // The writers choose compression by the ending, so the temporary name keeps it.
    let file = tempfile::Builder::new()
        .prefix(".part-")
        .suffix(&format!("-{name}"))
        .tempfile_in(folder)
        .map_err(|e| failed(&e))?;
    writer(file.path()).map_err(|e| failed(&e))?;
    record::publish(file, path, 0o644).map_err(|e| failed(&e))?;
    let hash = record::sha256_file(path).map_err(|e| failed(&e))?;
    case.record.outputs.insert(name.clone(), hash);
    Ok(())
}

/// `identity.json`, mode 0600. The only file of a case that says whose it is.
pub(super) fn identity(out: &Path, identity: &Identity) -> Result<(), Ended> {
    let failed =
        |e: io::Error| Ended::failed(format!("identity.json could not be written: {e}."), DISK);
    let json = serde_json::to_vec_pretty(identity).map_err(|e| failed(e.into()))?;
    let mut file = tempfile::NamedTempFile::new_in(out).map_err(failed)?;
    io::Write::write_all(&mut file, &json).map_err(failed)?;
    record::publish(file, &out.join("identity.json"), 0o600).map_err(failed)
}

/// `case.json`, the last file of a case.
pub(super) fn case_json(
    out: &Path,
    mut record: Record,
    outcome: &DesignOutcome,
) -> Result<(), Reason> {
    let (word, reason) = match outcome {
        DesignOutcome::Designed(_) => ("designed", None),
        DesignOutcome::Refused(reason) => ("refused", Some(reason)),
        DesignOutcome::Failed(reason) => ("failed", Some(reason)),
    };
    record.outcome = word.into();
    record.reason = reason.map(|r| format!("{} {}", r.text, r.next));
    record.peak_memory_mib = record::peak_memory_mib();
    let bytes = serde_json::to_vec_pretty(&record).map_err(io::Error::from);
    bytes
        .and_then(|bytes| {
            std::fs::create_dir_all(out)
                .and_then(|()| record::write_whole(&out.join("case.json"), &bytes))
        })
        .map_err(|e| Reason::new(format!("case.json could not be written: {e}."), DISK))
}

/// A mask as NIfTI.
pub(super) fn mask(
    case: &mut Case<'_>,
    path: &Path,
    mask: &crate::volume::Volume<bool>,
) -> Result<(), Ended> {
    write_with(case, path, |p| nifti::write_mask(p, mask))
}
