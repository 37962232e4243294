//! The whole line, as a user runs it: the demo's real processes, its files, and the doors at both ends.

use crate::room::run as calvaria;
use std::path::Path;
use std::process::{Command, Output};

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A row of admesh's table, e.g. "Number of parts".
fn admesh(report: &str, row: &str) -> Option<f64> {
    let line = report.lines().find(|l| l.contains(row))?;
    line.split(row)
        .nth(1)?
        .trim_start_matches([':', ' '])
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

fn stl_is_a_solid(path: &Path) {
    let Ok(output) = Command::new("admesh").arg(path).output() else {
        println!("skipped: admesh is not installed");
        return;
    };
    let report = text(&output);
    assert_eq!(admesh(&report, "Degenerate facets"), Some(0.0), "{report}");
    assert_eq!(admesh(&report, "Backwards edges"), Some(0.0), "{report}");
    assert!(
        admesh(&report, "Volume").is_some_and(|v| v > 1000.0),
        "{report}"
    );
    let disconnected = report
        .lines()
        .find(|l| l.starts_with("Total disconnected facets"))
        .unwrap();
    assert!(
        disconnected
            .split(':')
            .nth(1)
            .unwrap()
            .split_whitespace()
            .all(|n| n == "0"),
        "{report}"
    );
}

#[test]
fn the_demo_prints_a_part_and_every_file_of_the_case_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let keep = folder.path().to_str().unwrap();
    let demo = calvaria(&["demo", "--once", "--seed", "1", "--keep", keep]);
    let said = text(&demo);
    assert!(demo.status.success(), "{said}");
    assert!(said.contains("executed moves equal the plan's"), "{said}");

    let cases: Vec<_> = std::fs::read_dir(folder.path().join("data/cases"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    let [case] = cases.as_slice() else {
        panic!("one case expected: {cases:?}")
    };
    for name in [
        "case.json",
        "identity.json",
        "skull.nii.gz",
        "missing.nii.gz",
        "implant.stl",
        "implant.nii.gz",
        "preview-front.png",
        "preview-left.png",
        "preview-right.png",
        "preview-top.png",
        "preview-fit.png",
        "implant.gcode",
        "plan.json",
        "events.jsonl",
    ] {
        assert!(
            case.join(name).metadata().is_ok_and(|m| m.len() > 0),
            "{name} is missing\n{said}"
        );
    }
    stl_is_a_solid(&case.join("implant.stl"));
    let gcode = case.join("implant.gcode");
    let gcode = gcode.to_str().unwrap();
    let check = calvaria(&["check", gcode, "--printer", "virtual"]);
    assert!(check.status.success(), "{}", text(&check));
    nothing_names_the_patient(folder.path(), case);
}

/// The phantom's invented name may stand in `identity.json` and in what was dropped, and nowhere else.
fn nothing_names_the_patient(folder: &Path, case: &Path) {
    let identity = std::fs::read_to_string(case.join("identity.json")).unwrap();
    let name: serde_json::Value = serde_json::from_str(&identity).unwrap();
    let family = name["name"]
        .as_str()
        .unwrap()
        .split('^')
        .next()
        .unwrap()
        .to_owned();
    assert!(family.len() > 3, "{identity}");
    for file in [
        case.join("case.json"),
        case.join("implant.gcode"),
        case.join("events.jsonl"),
        folder.join("serve.log"),
    ] {
        let bytes = std::fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            !text.contains(&family),
            "{} names the patient",
            file.display()
        );
    }
}

#[test]
fn a_missing_model_is_said_before_the_scan_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let nowhere = folder.path().join("nowhere");
    let design = calvaria(&[
        "design",
        "no-such-scan",
        "--out",
        out.to_str().unwrap(),
        "--model",
        nowhere.to_str().unwrap(),
    ]);
    assert_eq!(design.status.code(), Some(1), "{}", text(&design));
    assert!(text(&design).contains("model"), "{}", text(&design));
}

#[test]
fn wrong_use_exits_with_2_and_every_command_has_an_example() {
    assert_eq!(calvaria(&["desing"]).status.code(), Some(2));
    for command in [
        "demo",
        "serve",
        "design",
        "predict",
        "evaluate",
        "phantom",
        "slice",
        "check",
        "stop",
        "operator",
        "virtual-printer",
    ] {
        let help = calvaria(&[command, "--help"]);
        assert!(help.status.success());
        assert!(
            text(&help).contains("Example"),
            "{command}: no example\n{}",
            text(&help)
        );
    }
}
