//! An order beside the scan, or given by hand: it makes the part, is said, and a contradiction is refused in words.

use crate::room::{phantom, run as calvaria};
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
