//! Twenty good files are accepted; twelve kinds of damage are refused by name, in the right line.

use super::*;
use crate::gcode::{Violation, seal};
use rand::RngExt;
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

/// A damage: lines in, the damaged line's number (from 1) out.
type Damage = fn(&mut Vec<String>, &mut ChaCha8Rng) -> usize;

/// A random line after the start code for which `wanted` holds, from 0.
fn pick(lines: &[String], random: &mut ChaCha8Rng, wanted: impl Fn(&str) -> bool) -> usize {
    let start = lines.iter().position(|l| l == ";LAYER_CHANGE").unwrap();
    let found: Vec<usize> = (start..lines.len())
        .filter(|&i| wanted(&lines[i]))
        .collect();
    found[random.random_range(0..found.len())]
}

fn draws(line: &str) -> bool {
    line.starts_with("G1 X") && line.contains(" E")
}

/// Replaces the number behind a letter.
fn put(line: &mut String, letter: char, value: &str) {
    let words: Vec<String> = line
        .split(' ')
        .map(|w| {
            if w.starts_with(letter) {
                format!("{letter}{value}")
            } else {
                w.to_owned()
            }
        })
        .collect();
    *line = words.join(" ");
}

fn number(line: &str, letter: char) -> f64 {
    line.split(' ').find(|w| w.starts_with(letter)).unwrap()[1..]
        .parse()
        .unwrap()
}

const DAMAGES: [(&str, &str, Damage); 12] = [
    ("outside the volume", "outside_volume", |lines, random| {
        let at = pick(lines, random, draws);
        put(
            &mut lines[at],
            'X',
            &format!("{}", random.random_range(251..900)),
        );
        at + 1
    }),
    ("below the bed", "below_bed", |lines, random| {
        let at = pick(lines, random, |l| l.starts_with("G1 Z"));
        put(
            &mut lines[at],
            'Z',
            &format!("-{:.2}", random.random_range(0.01..5.0)),
        );
        at + 1
    }),
    ("too hot", "hotend_max_c", |lines, random| {
        let at = lines.iter().position(|l| l.starts_with("M109")).unwrap();
        lines[at] = format!("M109 S{}", random.random_range(300..999));
        at + 1
    }),
    ("too fast", "too_fast", |lines, random| {
        let at = pick(lines, random, |l| l.starts_with("G0 X"));
        let slow = lines[at].split(" F").next().unwrap().to_owned();
        lines[at] = format!("{slow} F{}", random.random_range(20_000..90_000));
        at + 1
    }),
    ("cold extrusion", "cold_extrusion", |lines, _| {
        let at = lines.iter().position(|l| l.starts_with("M109")).unwrap();
        lines[at] = lines[at].replace("M109", "M104");
        lines
            .iter()
            .position(|l| l.contains(" E") && !l.starts_with("G92"))
            .unwrap()
            + 1
    }),
    ("E jump", "e_jump", |lines, random| {
        let at = pick(lines, random, draws);
        let e = number(&lines[at], 'E') + random.random_range(500.0..5000.0);
        put(&mut lines[at], 'E', &format!("{e:.5}"));
        at + 1
    }),
    ("over-extrusion", "over_extrusion", |lines, random| {
        // Four times the plastic on a line of some length.
        loop {
            let at = pick(lines, random, draws);
            if !draws(&lines[at - 1]) {
                continue;
            }
            let [a, b] = [at - 1, at].map(|i| ['X', 'Y', 'E'].map(|l| number(&lines[i], l)));
            if (b[0] - a[0]).hypot(b[1] - a[1]) > 2.0 {
                put(
                    &mut lines[at],
                    'E',
                    &format!("{:.5}", a[2] + 4.0 * (b[2] - a[2])),
                );
                return at + 1;
            }
        }
    }),
    ("NaN", "grammar", |lines, random| {
        let at = pick(lines, random, draws);
        put(
            &mut lines[at],
            ['X', 'Y', 'E'][random.random_range(0..3)],
            "nan",
        );
        at + 1
    }),
    ("unknown command", "unknown_command", |lines, random| {
        let at = pick(lines, random, draws);
        lines[at] = format!("M{}", random.random_range(700..990));
        at + 1
    }),
    ("missing home", "home_first", |lines, _| {
        lines.retain(|l| l != "G28");
        let moves =
            |l: &String| l.starts_with("G1 Z") || l.starts_with("G1 X") || l.starts_with("G0");
        lines.iter().position(moves).unwrap() + 1
    }),
    ("missing heater-off", "heaters_off", |lines, random| {
        let gone = ["M104 S0", "M140 S0"][random.random_range(0..2)];
        lines.retain(|l| l != gone);
        lines.len() + 1
    }),
    ("cut file", "cut_file", |lines, random| {
        let at = random.random_range(lines.len() / 4..lines.len() - 1);
        lines.truncate(at);
        at
    }),
];

fn violations(text: &str) -> Vec<Violation> {
    check(text.as_bytes(), &printer()).unwrap_err()
}

#[test]
fn twelve_kinds_of_damage_are_refused_with_line_and_limit() {
    let good = sliced(&shapes::cap(24.0), &Settings::default()).gcode;
    let (body, _) = good.split_once("; end of calvaria").unwrap();
    for seed in 0..10 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for (name, limit, damage) in DAMAGES {
            let mut lines: Vec<String> = body.lines().map(str::to_owned).collect();
            let line = damage(&mut lines, &mut random);
            let damaged = lines.join("\n") + "\n";
            // Sealed anew, so that the limit itself has to speak; only a cut file is one without its seal.
            let text = if limit == "cut_file" {
                damaged
            } else {
                format!("{damaged}{}", seal(&damaged))
            };
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
