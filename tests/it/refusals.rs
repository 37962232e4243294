//! Both doors to the printer, `calvaria check` and the link, against twelve kinds of damage and twenty good files.

use crate::printer::Station;
use crate::room::calvaria;
use calvaria::gcode::{Material, Printer, seal};
use calvaria::mesh::Mesh;
use calvaria::printer::virtual_printer::Record;
use calvaria::printer::wire::{Command as Ask, Phase};
use calvaria::slicer::{Settings, slice};
use calvaria::space::{Lps, Point};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use std::path::Path;

#[path = "../../src/slicer/tests/damage.rs"]
mod damage;

/// A block of 20 x 12 x 4 mm.
fn block() -> Mesh<Lps> {
    let corner = |i: usize| {
        let far = |axis: usize, mm: f64| if i >> axis & 1 == 1 { mm } else { 0.0 };
        Point::new([far(0, 20.0), far(1, 12.0), far(2, 4.0)])
    };
    let sides: [[u32; 4]; 6] = [
        [0, 2, 3, 1],
        [4, 5, 7, 6],
        [0, 1, 5, 4],
        [2, 6, 7, 3],
        [0, 4, 6, 2],
        [1, 3, 7, 5],
    ];
    Mesh {
        vertices: (0..8).map(corner).collect(),
        triangles: sides
            .iter()
            .flat_map(|&[a, b, c, d]| [[a, b, c], [a, c, d]])
            .collect(),
    }
}

fn sliced(printer: &str, settings: &Settings) -> String {
    let printer = Printer::load(printer).unwrap();
    let material = Material::load("pla").unwrap();
    slice(&block(), &printer, &material, settings, &mut |_| {})
        .unwrap()
        .gcode
}

/// Exit code of `calvaria check`, its list of violations, and what it says to people.
fn check(file: &Path, printer: &str) -> (Option<i32>, Vec<Value>, String) {
    let output = calvaria()
        .arg("check")
        .arg(file)
        .args(["--printer", printer, "--json"])
        .output()
        .unwrap();
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    let violations = verdict["violations"].as_array().cloned();
    (
        output.status.code(),
        violations.unwrap_or_default(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn twelve_kinds_of_damage_are_refused_at_both_doors() {
    let good = sliced("virtual", &Settings::default());
    let station = Station::at(400.0, &[]);
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for (name, limit, damage) in damage::DAMAGES {
        let (text, line) = damage::damaged(&good, limit, damage, &mut random, seal);
        let file = station.print(&text);
        let (code, violations, said) = check(&file, "virtual");
        assert_eq!(code, Some(3), "{name}");
        let named = |v: &Value| v["limit"] == limit && v["line"] == line;
        assert!(
            violations.iter().any(named),
            "{name}, line {line}: {violations:?}"
        );

        let status = station.until("refused", |s| {
            s.job.as_ref().is_some_and(|j| j.phase.is_over())
        });
        let job = status.job.unwrap();
        assert_eq!(job.phase, Phase::Stopped, "{name}");
        let fault = job.fault.unwrap();
        assert_eq!(fault.name, "gcode_refused", "{name}: {}", fault.text);
        // The same first line and limit as `check` names.
        let first = violations.first().unwrap();
        let place = format!("line {}", first["line"]);
        let by = first["limit"].as_str().unwrap();
        for text in [&said, &fault.text] {
            assert!(text.contains(&place) && text.contains(by), "{name}: {text}");
        }
    }
    let home = |r: &Record| matches!(r, Record::Home { .. });
    assert!(
        !station.records().iter().any(home),
        "a damaged file was begun"
    );
}

#[test]
fn twenty_good_files_are_accepted_at_both_doors() {
    for printer in ["virtual", "prusa-mk3s"] {
        let station = Station::at(400.0, &["--profile", printer]);
        for infill in [0.0, 0.15, 0.4, 0.7, 1.0] {
            for layer_mm in [None, Some(0.3)] {
                let settings = Settings {
                    infill,
                    layer_mm,
                    ..Settings::default()
                };
                let file = station.print(&sliced(printer, &settings));
                let (code, violations, said) = check(&file, printer);
                assert_eq!((code, violations.len()), (Some(0), 0), "{said}");
                // Taken for printing is accepted; the rest of it is other tests' matter.
                let taken = station.until("judged", |s| {
                    s.job.as_ref().is_some_and(|j| j.phase != Phase::Checking)
                });
                let job = taken.job.unwrap();
                assert_ne!(job.phase, Phase::Stopped, "{printer}: {:?}", job.fault);
                // It may have been printed meanwhile.
                let _ = station.client().ask(Ask::Cancel);
                station.until("over", |s| {
                    s.job.as_ref().is_some_and(|j| j.phase.is_over())
                });
            }
        }
    }
}
