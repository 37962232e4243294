//! An order beside the scan, or given by hand: it makes the part, is said, and a contradiction is refused in words.

use crate::room::{calvaria as command, phantom, run as calvaria};
use serde_json::Value;
use std::path::Path;

fn case(out: &Path) -> Value {
    let text = std::fs::read_to_string(out.join("case.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn an_order_beside_the_scan_makes_the_part_or_is_refused_where_it_contradicts() {
    let folder = tempfile::tempdir().unwrap();
    let scan = phantom(folder.path(), 7, "dicom");
    let order = scan.join("order.toml");
    let design = |name: &str, more: &[&str]| {
        let out = folder.path().join(name);
        let mut words = vec![
            "design",
            scan.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ];
        words.extend(more);
        let ended = calvaria(&words);
        (
            ended.status.code(),
            String::from_utf8_lossy(&ended.stderr).into_owned(),
            out,
        )
    };

    std::fs::write(
        &order,
        "clearance_mm = 0.8\nthickness = \"70%\"\nlighten = \"none\"\nparts = 1\n",
    )
    .unwrap();
    let (code, said, out) = design("followed", &[]);
    assert_eq!(code, Some(0), "{said}");
    let followed = case(&out);
    assert_eq!(followed["order"]["clearance_mm"], 0.8);
    let findings = followed["findings"].as_array().unwrap();
    let text = |name: &str| {
        let found = findings.iter().find(|f| f["name"] == name);
        found
            .and_then(|f| f["text"].as_str())
            .unwrap_or_default()
            .to_owned()
    };
    assert!(
        text("order").contains("thickness 70%, clearance 0.8 mm"),
        "{findings:?}"
    );
    let gap = followed["fit"][0]["gap_p5"].as_f64().unwrap();
    assert!((0.65..1.1).contains(&gap), "{gap}");

    let wrong = if followed["side"] == "left" {
        "right"
    } else {
        "left"
    };
    std::fs::write(&order, format!("side = \"{wrong}\"\n")).unwrap();
    let (code, said, out) = design("contradicted", &[]);
    assert_eq!(code, Some(3), "{said}");
    let both = format!("a hole on the patient's {wrong}, and the scan shows one on");
    assert!(said.contains(&both), "{said}");
    assert!(!out.join("implant.gcode").exists());
    assert_eq!(case(&out)["outcome"], "refused");

    std::fs::write(&order, "sides = \"left\"\n").unwrap();
    let (code, said, _) = design("damaged", &[]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("sides"), "{said}");

    let (code, said, _) = design("by-hand", &["--thickness", "thick"]);
    assert_eq!(code, Some(2), "{said}");
}

/// What is made less dense is said, drawn, written beside the mesh, and sliced again from there.
#[test]
fn a_lighter_part_is_designed_said_and_sliced_again_from_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let scan = phantom(folder.path(), 7, "dicom");
    std::fs::write(scan.join("order.toml"), "lighten = \"infill\"\n").unwrap();
    let out = folder.path().join("light");
    let ended = calvaria(&[
        "design",
        scan.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ]);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(0), "{said}");
    let light = case(&out);
    let findings = light["findings"].as_array().unwrap();
    let value = |name: &str| findings.iter().find(|f| f["name"] == name).unwrap()["value"].as_f64();
    let saved = value("lighter").unwrap();
    assert!((5.0..40.5).contains(&saved), "{saved}");
    let yields = value("yields").unwrap();
    assert!((1.0..=1.3).contains(&yields), "{yields}");
    assert_eq!(light["lightness"][0]["mode"], "infill");
    assert!(out.join("preview-filled.png").exists());

    let file = |name: &str| out.join(name).to_str().unwrap().to_owned();
    let again = file("again.gcode");
    let ended = calvaria(&[
        "slice",
        &file("implant.stl"),
        "--tags",
        &file("implant.tags.json"),
        "--density",
        &file("implant.density.nii.gz"),
        "-o",
        &again,
    ]);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(0), "{said}");
    let ended = calvaria(&["check", &again, "--printer", "virtual"]);
    assert_eq!(ended.status.code(), Some(0));

    // A certificate for implants, and hollows that nobody can sterilise.
    let profiles = folder.path().join("profiles");
    let materials = profiles.join("materials");
    std::fs::create_dir_all(&materials).unwrap();
    let pla = std::fs::read_to_string("printer-profiles/materials/pla.toml").unwrap();
    let certified = pla
        .replace("name = \"pla\"", "name = \"certified\"")
        .replace(
            "implantable = \"no\"",
            "implantable = \"Some GmbH, 12345, 2031-05-06\"",
        );
    std::fs::write(materials.join("certified.toml"), certified).unwrap();
    std::fs::copy(
        "printer-profiles/virtual.toml",
        profiles.join("virtual.toml"),
    )
    .unwrap();
    let ended = command()
        .env("CALVARIA_PROFILES", &profiles)
        .args(["design", scan.to_str().unwrap(), "--out", &file("refused")])
        .args(["--material", "certified"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(3), "{said}");
    assert!(said.contains("hollows"), "{said}");
}
