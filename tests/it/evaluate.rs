//! `calvaria evaluate` as a scientist types it: folders of NRRD and NIfTI, the tables, and every wrong use by name.

use calvaria::intake::nifti;
use calvaria::space::Map;
use calvaria::volume::Volume;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn evaluate(truth: &Path, prediction: &Path, defective: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_calvaria"))
        .arg("evaluate")
        .args([Path::new("--truth"), truth])
        .args([Path::new("--prediction"), prediction])
        .args([Path::new("--defective"), defective])
        .args(more)
        .output()
        .unwrap()
}

/// A shell of an ellipsoid with a hole on its left; which part of it is asked for.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Skull,
    Intact,
    Hole,
    Nothing,
}

const SHAPE: [usize; 3] = [56, 72, 44];
const SPACING: [f64; 3] = [3.0, 3.0, 3.0];

/// The head is moved by `shift` voxels to the left, so that the masks of several skulls differ.
fn head(part: Part, shift: f64) -> Volume<bool> {
    let mut data = Vec::new();
    for k in 0..SHAPE[2] {
        for j in 0..SHAPE[1] {
            for i in 0..SHAPE[0] {
                let mm =
                    [i as f64 - 27.5 - shift, j as f64 - 35.5, k as f64 - 14.0].map(|v| 3.0 * v);
                let r = ((mm[0] / 70.0).powi(2) + (mm[1] / 92.0).powi(2) + (mm[2] / 80.0).powi(2))
                    .sqrt();
                let shell = (0.88..=1.0).contains(&r);
                let hole = (mm[0] - 60.0).hypot(mm[1] - 10.0).hypot(mm[2] - 30.0) < 30.0;
                data.push(match part {
                    Part::Skull => shell && !hole,
                    Part::Intact => shell,
                    Part::Hole => shell && hole,
                    Part::Nothing => false,
                });
            }
        }
    }
    let [a, b, c] = SPACING;
    let map = Map::new([
        [a, 0.0, 0.0, -80.0],
        [0.0, b, 0.0, 12.0],
        [0.0, 0.0, c, 400.0],
    ]);
    Volume::new(SHAPE, data, map).unwrap()
}

/// As a NRRD file in RAS: x and y run the other way than in LPS, as 3-D Slicer may write.
fn nrrd(path: &Path, mask: &Volume<bool>) {
    let origin = mask.centre([0; 3]).0;
    let [a, b, c] = SPACING;
    let mut bytes = format!(
        "NRRD0004\ntype: uint8\ndimension: 3\nspace: right-anterior-superior\nsizes: {} {} {}\n\
         space directions: (-{a},0,0) (0,-{b},0) (0,0,{c})\nkinds: domain domain domain\nencoding: raw\n\
         space origin: ({},{},{})\n\n",
        SHAPE[0], SHAPE[1], SHAPE[2], -origin[0], -origin[1], origin[2]
    )
    .into_bytes();
    bytes.extend(mask.data().iter().map(|&v| u8::from(v)));
    std::fs::write(path, bytes).unwrap();
}

/// Truths and skulls as NRRD, answers as NIfTI: case 1 right, 2-ftp and 2-vertex of one skull (one missed),
/// 3 intact and answered so, 4 intact with a false alarm.
fn folders() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let [data, answers] = ["data", "answers"].map(|n| folder.path().join(n));
    for path in [&data, &answers] {
        std::fs::create_dir(path).unwrap();
    }
    for (key, shift, truth, skull, answer) in [
        ("1", 0.0, Part::Hole, Part::Skull, Part::Hole),
        ("2-ftp", 1.0, Part::Hole, Part::Skull, Part::Hole),
        ("2-vertex", 1.0, Part::Hole, Part::Skull, Part::Nothing),
        ("3", -1.0, Part::Nothing, Part::Intact, Part::Nothing),
        ("4", 0.5, Part::Nothing, Part::Intact, Part::Hole),
    ] {
        nrrd(
            &data.join(format!("{key}_implant.nrrd")),
            &head(truth, shift),
        );
        nrrd(
            &data.join(format!("{key}_defective.nrrd")),
            &head(skull, shift),
        );
        let answer_file = answers.join(format!("{key}.nii.gz"));
        nifti::write_mask(&answer_file, &head(answer, shift)).unwrap();
    }
    (folder, data, answers)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_folder_is_scored_on_both_grids_and_written_as_csv_and_json() {
    let (folder, data, answers) = folders();
    let out = folder.path().join("scores/new");
    let output = evaluate(&data, &answers, &data, &["--out", out.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    for wanted in [
        "native grid: n = 3 cases with a defect, of 2 skulls; 2 intact heads",
        "1 mm grid: n = 3 cases",
        "1 of 3: 2-vertex",
        "1 of 2: 4",
        "parietal, n 3",
        "left, n 3",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}");
    }

    let json: Value =
        serde_json::from_slice(&std::fs::read(out.join("scores.json")).unwrap()).unwrap();
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 5 * 2 * 2);
    let csv = std::fs::read_to_string(out.join("scores.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + rows.len());
    let row = |case: &str, method: &str| {
        let own = |r: &&Value| r["case"] == case && r["method"] == method && r["grid"] == "native";
        rows.iter().find(own).unwrap()
    };
    // NRRD in RAS and NIfTI meet on one grid: the right answer scores 1.
    assert_eq!(row("1", "prediction")["dsc"], 1.0);
    assert_eq!(row("2-vertex", "prediction")["outcome"], "miss");
    assert_eq!(row("2-vertex", "prediction")["hd95"], Value::Null);
    assert_eq!(row("3", "prediction")["outcome"], "no_defect");
    assert_eq!(row("3", "prediction")["fnr"], Value::Null);
    assert_eq!(row("4", "prediction")["outcome"], "false_alarm");
    for case in ["1", "2-ftp", "2-vertex"] {
        assert!(row(case, "mirror")["dsc"].as_f64().unwrap() > 0.8, "{case}");
    }
    assert_eq!(row("3", "mirror")["outcome"], "no_defect");

    // The hole is on the left of the head, a little behind its middle.
    for (case, region, side) in [
        ("2-ftp", Value::from("parietal"), Value::from("left")),
        ("3", Value::Null, Value::Null),
    ] {
        assert_eq!(row(case, "mirror")["region"], region);
        assert_eq!(row(case, "mirror")["side"], side);
    }
    let regions = std::fs::read_to_string(out.join("regions.csv")).unwrap();
    assert!(regions.contains("\nnative,prediction,parietal,left,3,dsc,3,0.66"));

    let native = &json["summaries"][0];
    assert_eq!(native["by_region"][0]["region"], "parietal");
    assert_eq!(
        (&native["cases"], &native["skulls"]),
        (&3.into(), &2.into())
    );
    let dsc = &native["metrics"]["dsc"];
    assert!((dsc["mean"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-12);
    // Skulls 1 (DSC 1) and 2 (mean 0.5) are drawn, never a row alone: no draw is under 0.5.
    assert_eq!(dsc["interval"], serde_json::json!([0.5, 1.0]));
    assert_eq!(native["metrics"]["hd95"]["defined"], 2);
    assert!(
        native["metrics"]["hd95"]["mean_with_diagonal"]
            .as_f64()
            .unwrap()
            > 50.0
    );
    assert_eq!(native["worst"][0], serde_json::json!(["2-vertex", 0.0]));
    assert_eq!(
        (&native["intact"], &native["intact_no_defect"]),
        (&2.into(), &1.into())
    );
}

#[test]
fn the_same_masks_give_the_same_bytes() {
    let (_folder, data, answers) = folders();
    let once = || {
        let output = evaluate(&data, &answers, &data, &["--json"]);
        assert!(output.status.success(), "{}", stderr(&output));
        output.stdout
    };
    assert_eq!(once(), once());
}

/// Each fault, its exit code, and what the sentence has to say.
#[test]
fn every_wrong_input_is_named() {
    let refused = |spoil: &dyn Fn(&Path, &Path), code: i32, wanted: &[&str]| {
        let (_folder, data, answers) = folders();
        spoil(&data, &answers);
        let output = evaluate(&data, &answers, &data, &[]);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        for word in wanted {
            assert!(text.contains(word), "{word} is not in: {text}");
        }
        assert!(output.stdout.is_empty());
    };
    let without = |path: PathBuf| std::fs::remove_file(path).unwrap();
    refused(
        &|_, answers| without(answers.join("1.nii.gz")),
        2,
        &["case 1 has no prediction", "empty mask"],
    );
    refused(
        &|data, _| without(data.join("1_defective.nrrd")),
        2,
        &["case 1 has no defective skull", "1_implant.nrrd"],
    );
    refused(
        &|data, _| without(data.join("3_implant.nrrd")),
        2,
        &["prediction 3 has no truth", "3.nii.gz"],
    );
    refused(
        &|data, _| {
            std::fs::copy(data.join("1_implant.nrrd"), data.join("1_b_implant.nrrd")).unwrap();
        },
        2,
        &[
            "case 1",
            "1_b_implant.nrrd",
            "1_implant.nrrd",
            "Take one away",
        ],
    );
    refused(
        &|_, answers| std::fs::write(answers.join("1.nii.gz"), b"no mask").unwrap(),
        3,
        &["1.nii.gz"],
    );
    refused(
        &|data, _| {
            let file = data.join("1_implant.nrrd");
            let bytes = std::fs::read(&file).unwrap();
            std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        },
        3,
        &["1_implant.nrrd", "ends after"],
    );
    let other_grid = |shape: [usize; 3], shift: f64| {
        let map = Map::new([
            [3.0, 0.0, 0.0, -80.0 + shift],
            [0.0, 3.0, 0.0, 12.0],
            [0.0, 0.0, 3.0, 400.0],
        ]);
        Volume::new(shape, vec![false; shape.iter().product()], map).unwrap()
    };
    let replaced = |mask: &Volume<bool>, wanted: &[&str]| {
        let write = |_: &Path, answers: &Path| {
            nifti::write_mask(&answers.join("1.nii.gz"), mask).unwrap();
        };
        refused(&write, 2, wanted);
    };
    replaced(
        &other_grid([56, 72, 40], 0.0),
        &["case 1", "prediction", "56x72x40", "56x72x44"],
    );
    replaced(
        &other_grid(SHAPE, 1.5),
        &["case 1", "prediction", "1.500 mm", "1.nii.gz"],
    );
}

#[test]
fn truth_is_not_scored_against_itself_nor_a_file_against_a_folder() {
    let (_folder, data, answers) = folders();
    let itself = evaluate(&data, &data, &data, &[]);
    assert_eq!(itself.status.code(), Some(2));
    assert!(stderr(&itself).contains("both truth and prediction"));
    let mixture = evaluate(&data.join("1_implant.nrrd"), &answers, &data, &[]);
    assert_eq!(mixture.status.code(), Some(2));
    assert!(stderr(&mixture).contains("not a mixture"));
}

/// The NRRD originals of the shared data (int32, oblique) score the same as the NIfTI files made from them.
#[test]
fn the_public_sets_own_files_are_scored() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("CALVARIA_SHARED").map_or(beside, PathBuf::from);
    let data = shared.join("data/skullfix");
    let [truth, skull] =
        ["implant", "defective_skull"].map(|n| data.join(format!("nrrd/031_{n}.nrrd")));
    if !truth.is_file() {
        println!("skipped: no shared data at $CALVARIA_SHARED or ../shared");
        return;
    }
    let prediction = data.join("test/031_implant.nii.gz");
    let output = evaluate(&truth, &prediction, &skull, &["--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["rows"].as_array().unwrap().len(), 4);
    assert_eq!(json["rows"][0]["dsc"], 1.0);
    assert_eq!(json["rows"][0]["hd"], 0.0);
}
