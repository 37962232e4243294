//! Folder: which truth, prediction and skull belong together.
//!
//! Files of folders pair by the text before the first `_` or `.`: `031_implant.nii.gz`, `031.nrrd` and
//! `031_defective.nii.gz` are case 031. In any folder `*_implant.*` is truth and `*_defective.*` the skull. A case
//! whose key has a `-` (`031-ftp`) belongs to the skull named before it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The three files of one case.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Case {
    pub(super) key: String,
    pub(super) truth: PathBuf,
    pub(super) prediction: PathBuf,
    pub(super) defective: PathBuf,
}

impl Case {
    /// The skull that the case was cut from.
    pub(super) fn skull(&self) -> &str {
        self.key.split('-').next().unwrap_or(&self.key)
    }
}

/// What a file is looked for as.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Truth,
    Prediction,
    Defective,
}

/// Pairs three files, or three folders (two of them may be the same).
///
/// # Errors
/// A sentence for the operator: a mixture of files and folders, a truth without partner, two files for one.
pub(super) fn cases(
    truth: &Path,
    prediction: &Path,
    defective: &Path,
) -> Result<Vec<Case>, String> {
    let folders = [truth, prediction, defective].map(Path::is_dir);
    if folders == [false; 3] {
        return Ok(vec![Case {
            key: key(&name(prediction)).to_owned(),
            truth: truth.into(),
            prediction: prediction.into(),
            defective: defective.into(),
        }]);
    }
    if folders != [true; 3] {
        return Err("give three files or three folders, not a mixture".into());
    }
    let truths = masks(truth, Role::Truth)?;
    let mut predictions = masks(prediction, Role::Prediction)?;
    let mut skulls = masks(defective, Role::Defective)?;
    if truths.is_empty() {
        return Err(format!(
            "no masks (.nii, .nii.gz, .nrrd) in {}",
            truth.display()
        ));
    }
    let mut out = Vec::new();
    for (key, truth_file) in truths {
        let partner = |from: &mut BTreeMap<String, PathBuf>, what: &str| {
            from.remove(&key).ok_or_else(|| {
                format!(
                    "case {key} has no {what}: every truth needs one. An empty answer is an empty mask, not a \
                     missing file."
                )
            })
        };
        let prediction = partner(&mut predictions, "prediction")?;
        let defective = partner(&mut skulls, "defective skull")?;
        out.push(Case {
            key,
            truth: truth_file,
            prediction,
            defective,
        });
    }
    match predictions.keys().next() {
        Some(key) => Err(format!(
            "prediction {key} has no truth: it would not be scored"
        )),
        None => Ok(out),
    }
}

/// The masks of one role in a folder, by key.
fn masks(folder: &Path, role: Role) -> Result<BTreeMap<String, PathBuf>, String> {
    let unreadable = |e| format!("{} can not be read: {e}", folder.display());
    let mut all: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = name(&path);
        let is_mask = [".nii", ".nii.gz", ".nrrd"]
            .iter()
            .any(|end| name.ends_with(end));
        if is_mask && !name.starts_with('.') {
            all.entry(key(&name).to_owned()).or_default().push(path);
        }
    }
    let mut out = BTreeMap::new();
    for (key, mut files) in all {
        files.sort();
        if let Some(file) = choose(&files, role)? {
            out.insert(key, file.clone());
        }
    }
    Ok(out)
}

/// The file of a case that plays `role`: the one so named, else the only one not named otherwise.
fn choose(files: &[PathBuf], role: Role) -> Result<Option<&PathBuf>, String> {
    let named = |file: &PathBuf| {
        let name = name(file);
        if name.contains("_implant.") {
            Role::Truth
        } else if name.contains("_defective.") {
            Role::Defective
        } else {
            Role::Prediction
        }
    };
    let mut fitting: Vec<&PathBuf> = files.iter().filter(|f| named(f) == role).collect();
    if fitting.is_empty() {
        // A folder of its own for each role needs no names: AutoImplant calls all three 031.nrrd. But a skull is
        // never taken for an implant.
        let otherwise = |f: &&PathBuf| match role {
            Role::Truth => named(f) == Role::Prediction,
            Role::Prediction => named(f) == Role::Truth,
            Role::Defective => named(f) == Role::Prediction,
        };
        fitting = files.iter().filter(otherwise).collect();
    }
    match fitting[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        [a, b, ..] => Err(format!(
            "{} and {} are both of one case: which one is meant?",
            name(a),
            name(b)
        )),
    }
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn key(name: &str) -> &str {
    name.split(['_', '.']).next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(dir.path().join(name), b"").unwrap();
        }
        dir
    }

    #[test]
    fn one_folder_may_hold_truth_and_skull() {
        let data = folder(&[
            "031_implant.nii.gz",
            "031_defective.nii.gz",
            "004-ftp_implant.nii.gz",
            "004-ftp_defective.nii.gz",
            "split.tsv",
        ]);
        let answers = folder(&["031.nrrd", "004-ftp_missing.nii.gz"]);
        let found = cases(data.path(), answers.path(), data.path()).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].key.as_str(), found[0].skull()),
            ("004-ftp", "004")
        );
        assert_eq!(found[1].truth, data.path().join("031_implant.nii.gz"));
        assert_eq!(found[1].defective, data.path().join("031_defective.nii.gz"));
        assert_eq!(found[1].prediction, answers.path().join("031.nrrd"));
    }

    #[test]
    fn folders_of_their_own_need_no_names() {
        let [a, b, c] = [
            folder(&["1.nrrd"]),
            folder(&["1_implant.nrrd"]),
            folder(&["1.nrrd"]),
        ];
        let found = cases(a.path(), b.path(), c.path()).unwrap();
        assert_eq!(found[0].defective, c.path().join("1.nrrd"));
    }

    #[test]
    fn nothing_is_left_out_in_silence() {
        let data = folder(&[
            "1_implant.nii",
            "1_defective.nii",
            "2_implant.nii",
            "2_defective.nii",
        ]);
        let text = |names: &[&str]| {
            let answers = folder(names);
            cases(data.path(), answers.path(), data.path()).unwrap_err()
        };
        assert!(text(&["1.nii"]).contains("case 2 has no prediction"));
        assert!(text(&["1.nii", "2.nii", "3.nii"]).contains("prediction 3 has no truth"));
        assert!(text(&["1.nii", "1_b.nii", "2.nii"]).contains("which one"));
        let answers = folder(&["1.nii", "2.nii"]);
        let file = data.path().join("1_implant.nii");
        assert!(cases(&file, answers.path(), data.path()).is_err());
    }
}
