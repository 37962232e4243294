//! Folder: which truth, prediction and skull belong together.
//!
//! Files of folders pair by the text before the first `_` or `.`: `031_implant.nii.gz`, `031.nrrd` and
//! `031_defective.nii.gz` are case 031. In any folder `*_implant.*` is truth and `*_defective.*` the skull. A case
//! whose key ends in the name of a defect (`031-ftp`) belongs to the skull named before it; a code like `K7-2043` is a
//! skull of its own.

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
    /// The skull that the case was cut from: rows of one skull are no independent ones.
    pub(super) fn skull(&self) -> &str {
        match self.key.rsplit_once('-') {
            Some((skull, defect)) if defect.starts_with(char::is_alphabetic) => skull,
            _ => &self.key,
        }
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
        let what = |path: &Path| if path.is_dir() { "a folder" } else { "a file" };
        return Err(format!(
            "--truth is {}, --prediction {}, --defective {}: give three files or three folders, not a mixture",
            what(truth),
            what(prediction),
            what(defective)
        ));
    }
    let truths = masks(truth, Role::Truth)?;
    let mut predictions = masks(prediction, Role::Prediction)?;
    let mut skulls = masks(defective, Role::Defective)?;
    if truths.is_empty() {
        return Err(format!(
            "no truth in {}: it needs masks named *_implant.nii, .nii.gz or .nrrd",
            truth.display()
        ));
    }
    let mut out = Vec::new();
    for (key, truth_file) in truths {
        let missing = |what: &str, folder: &Path| {
            format!(
                "case {key} has no {what} in {}: {} needs one. Add it, or take the truth away. An empty answer is an \
                 empty mask, not a missing file.",
                folder.display(),
                truth_file.display()
            )
        };
        let prediction =
            (predictions.remove(&key)).ok_or_else(|| missing("prediction", prediction))?;
        let defective =
            (skulls.remove(&key)).ok_or_else(|| missing("defective skull", defective))?;
        if prediction == truth_file {
            return Err(format!(
                "case {key}: {} is both truth and prediction. Keep the answers in a folder of their own.",
                prediction.display()
            ));
        }
        out.push(Case {
            key,
            truth: truth_file,
            prediction,
            defective,
        });
    }
    if let Some((key, file)) = predictions.iter().next() {
        return Err(format!(
            "prediction {key} has no truth in {}: {} would not be scored. Add the truth (an empty mask for an intact \
             head), or take the prediction away.",
            truth.display(),
            file.display()
        ));
    }
    for key in skulls.keys() {
        tracing::warn!("skull {key} has neither truth nor prediction: it is not scored");
    }
    Ok(out)
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
        if let Some(file) = choose(&files, role)
            .map_err(|why| format!("case {key} in {}: {why} Take one away.", folder.display()))?
        {
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
        } else if name.contains("_defective.") || name.contains("_defective_skull.") {
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
            "{} and {} could both be the {}.",
            name(a),
            name(b),
            match role {
                Role::Truth => "truth",
                Role::Prediction => "prediction",
                Role::Defective => "defective skull",
            }
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
    fn a_defects_name_is_not_part_of_the_skulls() {
        let case = |key: &str| Case {
            key: key.into(),
            truth: PathBuf::new(),
            prediction: PathBuf::new(),
            defective: PathBuf::new(),
        };
        assert_eq!(case("031-ftp").skull(), "031");
        assert_eq!(case("031").skull(), "031");
        assert_eq!(case("K7-2043").skull(), "K7-2043");
        assert_eq!(case("K7-2043-vertex").skull(), "K7-2043");
    }

    #[test]
    fn the_names_of_the_public_sets_are_known() {
        let data = folder(&[
            "031_implant.nrrd",
            "031_defective_skull.nrrd",
            "031_complete_skull.nrrd",
        ]);
        let answers = folder(&["031.nrrd"]);
        let found = cases(data.path(), answers.path(), data.path()).unwrap();
        assert_eq!(
            found[0].defective,
            data.path().join("031_defective_skull.nrrd")
        );
    }

    #[test]
    fn truth_is_no_prediction_of_itself() {
        let data = folder(&["1_implant.nii", "1_defective.nii"]);
        let why = cases(data.path(), data.path(), data.path()).unwrap_err();
        assert!(why.contains("both truth and prediction"), "{why}");
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
        assert!(text(&["1.nii", "1_b.nii", "2.nii"]).contains("both be the prediction"));
        let answers = folder(&["1.nii", "2.nii"]);
        let file = data.path().join("1_implant.nii");
        assert!(cases(&file, answers.path(), data.path()).is_err());
    }
}
