//! Twenty good files are accepted; twelve kinds of damage are refused by name, in the right line.

use super::damage::{DAMAGES, damaged};
use super::*;
use crate::gcode::{Violation, seal};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Parts and choices that a station may meet; small, so that twenty are sliced in seconds.
fn twenty() -> Vec<(String, Mesh<Lps>, Settings, Printer)> {
    let mut found = Vec::new();
    for printer in ["virtual", "prusa-mk3s"] {
        for (index, settings) in [
            Settings::default(),
            Settings {
                infill: 0.0,
                ..Settings::default()
            },
            Settings {
                infill: 0.2,
                skin_layers: 3,
                ..Settings::default()
            },
            Settings {
                layer_mm: Some(0.1),
                ..Settings::default()
            },
            Settings {
                layer_mm: Some(0.3),
                perimeters: 3,
                ..Settings::default()
            },
            Settings {
                support: false,
                brim_mm: 0.0,
                ..Settings::default()
            },
            Settings {
                orientation: Orientation::AsIs,
                ..Settings::default()
            },
            Settings {
                perimeters: 1,
                infill: 0.5,
                elephant_mm: 0.15,
                ..Settings::default()
            },
            Settings {
                travel_mm_s: 900.0,
                infill_mm_s: 400.0,
                ..Settings::default()
            },
            Settings {
                brim_mm: 8.0,
                xy_mm: -0.1,
                ..Settings::default()
            },
        ]
        .into_iter()
        .enumerate()
        {
            let mesh = match index % 3 {
                0 => shapes::cap(24.0),
                1 => shapes::cuboid([12.0, 8.0, 3.0]),
                _ => on_edge(20.0),
            };
            found.push((
                format!("{printer} {index}"),
                mesh,
                settings,
                Printer::load(printer).unwrap(),
            ));
        }
    }
    found
}

#[test]
fn twenty_good_files_are_accepted() {
    let files = twenty();
    assert_eq!(files.len(), 20);
    for (name, mesh, settings, printer) in files {
        let result = slice(&mesh, &printer, &material(), &settings, &mut |_| {})
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(
            check(result.gcode.as_bytes(), &printer).unwrap().sealed,
            "{name}"
        );
    }
}

fn violations(text: &str) -> Vec<Violation> {
    check(text.as_bytes(), &printer()).unwrap_err()
}

#[test]
fn twelve_kinds_of_damage_are_refused_with_line_and_limit() {
    let good = sliced(&shapes::cap(24.0), &Settings::default()).gcode;
    for seed in 0..10 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for (name, limit, damage) in DAMAGES {
            let (text, line) = damaged(&good, limit, damage, &mut random, seal);
            let found = violations(&text);
            assert!(
                found.iter().any(|v| v.limit == limit && v.line == line),
                "{name}, seed {seed}: wanted {limit} in line {line}, got {found:#?}"
            );
            assert!(
                found
                    .iter()
                    .all(|v| !v.next.is_empty() && !v.text.is_empty())
            );
        }
    }
}
