//! `calvaria design` and `calvaria predict` as a user types them, one after the other.

use crate::room::{calvaria, phantom};
use std::path::Path;
use std::process::Output;

fn design(input: &Path, out: &Path) -> Output {
    calvaria()
        .arg("design")
        .arg(input)
        .arg("--out")
        .arg(out)
        .output()
        .unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = (std::fs::read_dir(folder).unwrap())
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn predict_answers_what_design_does_and_a_refused_case_keeps_no_part_of_the_last_one() {
    let dir = tempfile::tempdir().unwrap();
    let scan = phantom(dir.path(), 1, "nifti");
    let out = dir.path().join("case");
    let first = design(&scan, &out);
    assert!(first.status.success(), "{first:?}");
    for name in ["implant.stl", "implant.gcode", "preview-fit.png"] {
        assert!(out.join(name).exists(), "{name}");
    }

    // Where it ran is in the record; without a GPU that is said.
    let record = std::fs::read_to_string(out.join("case.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let device = record["device"].as_str().unwrap();
    let told = record["findings"].as_array().unwrap();
    let told = told.iter().any(|f| f["name"] == "device");
    assert!(
        device.starts_with("cuda:0 (") || (device.starts_with("cpu (") && told),
        "{device} {told}"
    );

    // A bare file name lies in the current folder.
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let answer = calvaria()
        .current_dir(dir.path())
        .arg("predict")
        .arg(&scan)
        .args(["--out", "missing.nii.gz", "--model"])
        .arg(models)
        .output()
        .unwrap();
    assert!(answer.status.success(), "{answer:?}");
    let [predicted, designed] =
        [dir.path(), &out].map(|folder| std::fs::read(folder.join("missing.nii.gz")).unwrap());
    assert!(predicted == designed, "predict and design differ");

    let refused = dir.path().join("no-scan.nii.gz");
    std::fs::write(&refused, b"not a scan").unwrap();
    let second = design(&refused, &out);
    assert_eq!(second.status.code(), Some(3), "{second:?}");
    assert_eq!(names(&out), ["case.json"]);
}

#[test]
fn a_gpu_that_is_not_there_fails_by_name_and_a_word_that_is_no_device_is_wrong_use() {
    let dir = tempfile::tempdir().unwrap();
    for (device, code, words) in [
        ("cuda:97", 1, "`cuda:97` can not be used: there is no"),
        (
            "gpu",
            2,
            "`gpu` is no device. Use `auto`, `cpu` or `cuda:N`.",
        ),
    ] {
        let done = calvaria()
            .args(["predict", "scan.nii.gz", "--device", device, "--out"])
            .arg(dir.path().join("missing.nii.gz"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(code), "{text}");
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn two_holes_are_told_apart_in_findings_and_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let head = dir.path().join("head");
    let made = calvaria()
        .args(["phantom", "--defect", "bilateral", "--seed", "5", "--out"])
        .arg(&head)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let out = dir.path().join("case");
    let designed = design(&head.join("dicom"), &out);
    assert!(designed.status.success(), "{designed:?}");
    let [first, second] =
        ["preview-fit.png", "preview-fit-2.png"].map(|name| std::fs::read(out.join(name)).unwrap());
    assert_ne!(first, second);
    for name in ["preview-error.png", "preview-error-2.png"] {
        assert!(out.join(name).exists(), "{name}");
    }
    let record = std::fs::read_to_string(out.join("case.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let texts: Vec<_> = (record["findings"].as_array().unwrap().iter())
        .map(|f| f["text"].as_str().unwrap().to_owned())
        .collect();
    for side in ["left: Gap to the bone", "right: Gap to the bone"] {
        assert!(texts.iter().any(|t| t.contains(side)), "{side}: {texts:#?}");
    }
    // Of a scan with one hole nothing is left of the second.
    let one = phantom(dir.path(), 1, "nifti");
    assert!(design(&one, &out).status.success());
    assert!(!out.join("preview-fit-2.png").exists());
    assert!(out.join("preview-error.png").exists() && !out.join("preview-error-2.png").exists());
}
