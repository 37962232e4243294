//! Heads and holes, as a user makes them: files on disk, read back by the station's own doors and by other people's
//! tools where these are installed.

use crate::room::run as calvaria;
use calvaria::intake::{self, Limits};
use calvaria::volume::Volume;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Runs `calvaria phantom --json` and gives back what it says.
fn phantom(out: &Path, arguments: &[&str]) -> serde_json::Value {
    let mut all = vec!["phantom", "--json", "--out", out.to_str().unwrap()];
    all.extend(arguments);
    let output = calvaria(&all);
    assert!(output.status.success(), "{all:?}\n{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn mask(path: &Path) -> Volume<bool> {
    intake::read_mask(path, &Limits::default()).unwrap()
}

/// An intact skull as a mask, on a grid coarse enough for a test: a seeded head, seen as another scanner would.
fn skull(folder: &Path) -> PathBuf {
    phantom(
        folder,
        &["--seed", "3", "--defect", "none", "--format", "nifti"],
    );
    let ct = folder.join("ct.nii.gz");
    let ct = ct.to_str().unwrap();
    phantom(
        folder,
        &[
            "--from", ct, "--defect", "none", "--view", "2", "--key", "whole",
        ],
    );
    let file = folder.join("whole_defective.nii.gz");
    assert_eq!(mask(&folder.join("whole_implant.nii.gz")).count(), 0);
    assert!(
        mask(&file).mm3() > 250e3,
        "{} mm3 of bone",
        mask(&file).mm3()
    );
    file
}

#[test]
fn holes_cut_into_a_mask_pair_for_evaluate_and_join_to_the_whole_again() {
    let folder = tempfile::tempdir().unwrap();
    let whole = skull(folder.path());
    let from = whole.to_str().unwrap();
    let cases = folder.path().join("cases");
    for (kind, holes) in [("ftp", 1), ("bifrontal", 1), ("bilateral", 2)] {
        let key = format!("s-{kind}");
        let made = phantom(
            &cases,
            &[
                "--from", from, "--defect", kind, "--seed", "5", "--chord", "60", "--key", &key,
            ],
        );
        let list = made["holes"].as_array().unwrap();
        assert_eq!(list.len(), holes, "{made}");
        for hole in list {
            let chord = hole["chord_mm"].as_f64().unwrap();
            assert!((chord - 60.0).abs() < 3.0, "{kind}: {chord} mm");
        }
        // The same words give the same bytes.
        let twin = folder.path().join("twin");
        phantom(
            &twin,
            &[
                "--from", from, "--defect", kind, "--seed", "5", "--chord", "60", "--key", &key,
            ],
        );
        let name = format!("{key}_implant.nii.gz");
        assert_eq!(
            std::fs::read(cases.join(&name)).unwrap(),
            std::fs::read(twin.join(&name)).unwrap()
        );
    }

    // The truth as its own answer scores 1 on every case, so the names pair.
    let answers = folder.path().join("answers");
    std::fs::create_dir(&answers).unwrap();
    for kind in ["ftp", "bifrontal", "bilateral"] {
        std::fs::copy(
            cases.join(format!("s-{kind}_implant.nii.gz")),
            answers.join(format!("s-{kind}_missing.nii.gz")),
        )
        .unwrap();
    }
    let [cases_, answers] = [&cases, &answers].map(|p| p.to_str().unwrap());
    let scored = calvaria(&[
        "evaluate",
        "--json",
        "--truth",
        cases_,
        "--defective",
        cases_,
        "--prediction",
        answers,
    ]);
    assert!(scored.status.success(), "{}", said(&scored));
    let report: serde_json::Value = serde_json::from_slice(&scored.stdout).unwrap();
    let rows: Vec<_> = (report["rows"].as_array().unwrap().iter())
        .filter(|r| r["grid"] == "native" && r["method"] == "prediction")
        .collect();
    assert_eq!(rows.len(), 3, "{report}");
    assert!(rows.iter().all(|r| r["dsc"] == 1.0 && r["skull"] == "s"));

    // Defective and implant make the whole.
    let [skull, implant] =
        ["defective", "implant"].map(|what| cases.join(format!("s-ftp_{what}.nii.gz")));
    let again = folder.path().join("again");
    let [skull, implant] = [&skull, &implant].map(|p| p.to_str().unwrap());
    phantom(
        &again,
        &["--from", skull, "--implant", implant, "--defect", "none"],
    );
    assert!(mask(&again.join("defective.nii.gz")) == mask(&whole));
    assert_eq!(mask(&again.join("removed_bone.nii.gz")).count(), 0);
}

#[test]
fn a_hole_in_a_real_ct_leaves_the_rest_of_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    phantom(
        folder.path(),
        &["--seed", "4", "--defect", "none", "--format", "nifti"],
    );
    let ct = folder.path().join("ct.nii.gz");
    let out = folder.path().join("cut");
    let made = phantom(
        &out,
        &[
            "--from",
            ct.to_str().unwrap(),
            "--defect",
            "vertex",
            "--seed",
            "8",
            "--format",
            "nifti",
        ],
    );
    let chord = made["holes"][0]["chord_mm"].as_f64().unwrap();
    assert!((39.0..125.0).contains(&chord), "{chord}");
    let removed = mask(&out.join("removed_bone.nii.gz"));
    let read = |path: &Path| intake::read(path, &Limits::default()).unwrap().ct;
    let (before, after) = (read(&ct), read(&out.join("ct.nii.gz")));
    let near = calvaria::volume::morphology::dilate_mm(&removed, 6.0);
    let changed = |at: &usize| before.data()[*at] != after.data()[*at];
    assert!(
        (0..near.data().len())
            .filter(changed)
            .all(|at| near.data()[at])
    );
    let bone = |hu: i16| hu >= 150;
    let of = |v: &Volume<calvaria::volume::Hu>| {
        let inside =
            (0..near.data().len()).filter(|&at| removed.data()[at] && bone(v.data()[at].0));
        inside.count() as f64 / removed.count() as f64
    };
    assert!(of(&before) > 0.9, "the truth was bone: {}", of(&before));
    assert!(of(&after) < 0.12, "the hole is open: {}", of(&after));
}

#[test]
fn wrong_use_and_missing_files_are_said_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let out = out.to_str().unwrap();
    let nowhere = folder.path().join("no-models");
    std::fs::create_dir(&nowhere).unwrap();
    let cases: [(&[&str], i32, &str); 6] = [
        (&["--model", nowhere.to_str().unwrap()], 1, "template heads"),
        (&["--defect", "hole"], 2, "bifrontal"),
        (&["--chord", "5"], 2, "20 and 150"),
        (&["--from", "x", "--key", "a_b"], 2, "letters, digits"),
        (&["--implant", "x"], 2, "--from"),
        (&["--from", "no-such-scan"], 3, ""),
    ];
    for (arguments, code, text) in cases {
        let mut all = vec!["phantom", "--out", out];
        all.extend(arguments);
        let output = calvaria(&all);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}\n{}",
            said(&output)
        );
        assert!(
            said(&output).contains(text),
            "{arguments:?}\n{}",
            said(&output)
        );
    }
    // The demo knows the kinds before it starts anything.
    let demo = calvaria(&["demo", "--once", "--defect", "hole"]);
    assert_eq!(demo.status.code(), Some(2), "{}", said(&demo));
    assert!(said(&demo).contains("bifrontal"));
}

#[test]
fn other_peoples_tools_read_the_series() {
    let folder = tempfile::tempdir().unwrap();
    phantom(folder.path(), &["--seed", "2", "--defect", "vertex"]);
    let dir = folder.path().join("dicom");
    let slice = dir.join("0100.dcm");
    let slice = slice.to_str().unwrap();
    let png = folder.path().join("slice.png");
    let run = |tool: &str, arguments: &[&str]| match Command::new(tool).args(arguments).output() {
        Ok(output) => {
            assert!(output.status.success(), "{tool}: {}", said(&output));
            Some(said(&output))
        }
        Err(_) => {
            println!("skipped: {tool} is not installed");
            None
        }
    };
    if let Some(text) = run(
        "dcmdump",
        &["+P", "Modality", "+P", "RescaleIntercept", slice],
    ) {
        assert!(text.contains("[CT]") && text.contains("[-1024]"), "{text}");
        assert!(!text.contains("W:") && !text.contains("E:"), "{text}");
    }
    // Window 2000 at 400 HU: bone is bright, air is black.
    if run(
        "dcm2pnm",
        &["+on", "+Ww", "400", "2000", slice, png.to_str().unwrap()],
    )
    .is_some()
    {
        assert!(png.metadata().unwrap().len() > 1000);
    }
    let python = "import sys, glob, pydicom\n\
        s = [pydicom.dcmread(f) for f in glob.glob(sys.argv[1] + '/*.dcm')]\n\
        assert len(s) > 120 and len({x.SOPInstanceUID for x in s}) == len(s)\n\
        assert len({x.SeriesInstanceUID for x in s}) == 1\n\
        hu = s[0].pixel_array * float(s[0].RescaleSlope) + float(s[0].RescaleIntercept)\n\
        assert hu.min() < -900 and hu.shape == (s[0].Rows, s[0].Columns)\n";
    match Command::new("python3")
        .args(["-c", "import pydicom, numpy"])
        .status()
    {
        Ok(status) if status.success() => {
            run("python3", &["-c", python, dir.to_str().unwrap()]);
        }
        _ => println!("skipped: python3 with pydicom is not installed"),
    }
}
