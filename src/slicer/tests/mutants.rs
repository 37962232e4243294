//! Mutants: files that every firmware carries out and that spoil a part or a printer. Each kind is made many times over a
//! sliced part, sealed anew with the facts as they were, and must be refused by name, in the lines that were changed.

use super::damage::{draws, number, put};
use super::*;
use crate::gcode::dialect::RelativeE;
use crate::gcode::{Dialect, parse, seal};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ops::Range;

/// Mutants of each kind and dialect.
const EACH: u64 = 10;

/// Lines in, the lines (from 0) in which the fault lies out; `None` when it is no fault on this firmware.
type Mutation = fn(&mut Vec<String>, &mut ChaCha8Rng, Dialect) -> Option<Range<usize>>;

/// Where the layers begin, and where the last one ends.
fn layers(lines: &[String]) -> Vec<usize> {
    let marks = (0..lines.len()).filter(|&n| lines[n] == ";LAYER_CHANGE");
    let end = lines.iter().rposition(|l| l.contains(" E")).unwrap();
    marks.chain([end]).collect()
}

/// A layer that is neither the first nor the last: its lines.
fn layer(lines: &[String], random: &mut ChaCha8Rng) -> Range<usize> {
    let marks = layers(lines);
    let at = random.random_range(4..marks.len() - 3);
    marks[at]..marks[at + 1]
}

fn turns_off(line: &str, dialect: Dialect) -> bool {
    let command = parse(line).unwrap().unwrap();
    dialect.turns_off(&command).is_some()
}

fn insert(lines: &mut Vec<String>, at: usize, more: &str) -> Range<usize> {
    let more: Vec<String> = more.lines().map(str::to_owned).collect();
    let end = at + more.len();
    lines.splice(at..at, more);
    at..end
}

/// A place within a layer, behind a drawn line.
fn within(lines: &[String], random: &mut ChaCha8Rng) -> usize {
    let layer = layer(lines, random);
    let drawn: Vec<usize> = layer.filter(|&n| draws(&lines[n])).collect();
    drawn[random.random_range(0..drawn.len() - 1)] + 1
}

/// All Z of some lines moved.
fn raise(lines: &mut [String], range: Range<usize>, by: f64) {
    for line in &mut lines[range] {
        if line.starts_with("G1 Z") {
            let z = number(line, 'Z') + by;
            put(line, 'Z', &format!("{z:.3}"));
        }
    }
}

/// What is pushed in a stretch of a layer, times a factor; the rest of the layer is as before.
fn pushed(lines: &mut [String], layer: Range<usize>, stretch: Range<usize>, factor: f64) {
    let (mut before, mut now, mut drawn) = (0.0, 0.0, 0);
    for n in layer {
        let line = &mut lines[n];
        if line.starts_with("G92 E") {
            (before, now) = (0.0, 0.0);
        } else if line.starts_with("G1 ") && line.contains(" E") {
            let e = number(line, 'E');
            let changed = draws(line) && stretch.contains(&drawn);
            drawn += usize::from(draws(line));
            now += (e - before) * if changed { factor } else { 1.0 };
            before = e;
            put(line, 'E', &format!("{now:.5}"));
        }
    }
}

fn stretched(lines: &mut [String], random: &mut ChaCha8Rng, factor: f64) -> Range<usize> {
    let layer = layer(lines, random);
    let count = layer.clone().filter(|&n| draws(&lines[n])).count();
    let from = random.random_range(0..count / 2);
    pushed(lines, layer.clone(), from..from + count / 3, factor);
    layer
}

/// Name, the limits of which one must speak, and what is done.
const MUTATIONS: [(&str, &[&str], Mutation); 27] = [
    ("hotend left on", &["heaters_off"], |lines, _, dialect| {
        let at = lines.iter().position(|l| l == "M104 S0")?;
        lines[at] = "M104 R0".into();
        (!turns_off(&lines[at], dialect)).then(|| 0..lines.len() + 2)
    }),
    ("bed left on", &["heaters_off"], |lines, _, dialect| {
        let at = lines.iter().position(|l| l == "M140 S0")?;
        lines[at] = "M140 R0".into();
        (!turns_off(&lines[at], dialect)).then(|| 0..lines.len() + 2)
    }),
    (
        "E relative behind M83 and G90",
        &["over_extrusion", "e_jump", "unknown_command"],
        |lines, random, dialect| {
            let layer = layer(lines, random);
            let at = insert(lines, layer.start, "M83\nG90");
            let relative = dialect.facts().relative_e != RelativeE::LastWord;
            relative.then(|| at.start..layer.end + 2)
        },
    ),
    (
        "relative after homing",
        &["place_unknown"],
        |lines, random, _| {
            let home = lines.iter().position(|l| l == "G28")?;
            let x = random.random_range(1..200);
            Some(insert(
                lines,
                home + 1,
                &format!("G91\nG1 X{x} Y5 F6000\nG90\nM82"),
            ))
        },
    ),
    (
        "hot travel over the bed",
        &["below_bed"],
        |lines, random, _| {
            let hot = lines.iter().position(|l| l.starts_with("M109"))?;
            let z = random.random_range(0..49);
            let x = random.random_range(20..200);
            Some(insert(
                lines,
                hot + 1,
                &format!("G1 Z0.0{z:02} F600\nG1 X{x} Y150 F9000\nG1 Z5"),
            ))
        },
    ),
    (
        "first layer too low",
        &["over_extrusion", "layer_z", "below_bed"],
        |lines, random, _| {
            let marks = layers(lines);
            let low = random.random_range(0.03..0.1);
            raise(lines, marks[0]..marks[1], low - 0.2);
            Some(marks[0]..marks[1])
        },
    ),
    (
        "first layer in the air",
        &["in_air", "layer_z"],
        |lines, random, _| {
            let (end, marks) = (lines.len(), layers(lines));
            raise(lines, marks[0]..end, random.random_range(0.4..6.0));
            Some(marks[0]..end)
        },
    ),
    ("a gap", &["in_air", "layer_z"], |lines, random, _| {
        let (end, layer) = (lines.len(), layer(lines, random));
        raise(lines, layer.start..end, random.random_range(0.1..2.0));
        Some(layer.start..end)
    }),
    (
        "a layer left out",
        &["layer_z", "in_air"],
        |lines, random, _| {
            let layer = layer(lines, random);
            lines.drain(layer.clone());
            Some(layer.start..layer.start + 200)
        },
    ),
    (
        "a layer twice",
        &["layer_z", "layer_filament", "over_extrusion", "into_part"],
        |lines, random, _| {
            let layer = layer(lines, random);
            let again = lines[layer.clone()].to_vec();
            lines.splice(layer.end..layer.end, again);
            Some(layer.start..layer.end + layer.len())
        },
    ),
    (
        "two layers at one height",
        &["layer_z", "layer_filament", "over_extrusion"],
        |lines, random, _| {
            let layer = layer(lines, random);
            raise(lines, layer.clone(), -0.2);
            // The layer's end is told when the next one begins.
            let before = layer.start.saturating_sub(layer.len() * 2);
            Some(before..layer.end + 200)
        },
    ),
    ("ploughing", &["into_part"], |lines, random, _| {
        let layer = layer(lines, random);
        let z = number(&lines[layer.start + 3], 'Z');
        let low = z - 0.2 - random.random_range(0.15..0.3);
        let text = format!(
            "G1 Z{low:.3} F600\nG0 X118 Y100 F9000\nG0 X132 Y110\nG1 Z{:.3} F600\nG1 F2100",
            z + 1.0
        );
        Some(insert(lines, layer.start, &text))
    }),
    (
        "homing in the print",
        &["homes_in_print", "into_part"],
        |lines, random, _| {
            let layer = layer(lines, random);
            let what = ["G28", "G28 X", "G28 Y"][random.random_range(0..3)];
            Some(insert(lines, layer.start, what))
        },
    ),
    (
        "too little pushed",
        &["line_width", "layer_filament"],
        |lines, random, _| {
            let factor = random.random_range(0.2..0.7);
            Some(stretched(lines, random, factor))
        },
    ),
    (
        "too much pushed",
        &[
            "line_width",
            "layer_filament",
            "over_extrusion",
            "flow_max_mm3_s",
        ],
        |lines, random, _| {
            let factor = random.random_range(1.2..3.0);
            Some(stretched(lines, random, factor))
        },
    ),
    (
        "too hot for the material",
        &["material_c"],
        |lines, random, _| {
            let at = within(lines, random);
            let c = random.random_range(231..276);
            Some(insert(lines, at, &format!("M104 S{c}")))
        },
    ),
    (
        "too cold for the material",
        &["material_c", "cold_extrusion"],
        |lines, random, _| {
            let at = within(lines, random);
            let c = random.random_range(120..190);
            let order = insert(lines, at, &format!("M104 S{c}"));
            Some(order.start..order.end + 60)
        },
    ),
    (
        "bed too hot for the material",
        &["material_c"],
        |lines, random, _| {
            let at = within(lines, random);
            let c = random.random_range(71..111);
            Some(insert(lines, at, &format!("M140 S{c}")))
        },
    ),
    ("cold bed", &["material_c"], |lines, random, _| {
        let at = within(lines, random);
        let c = random.random_range(0..45);
        let order = insert(lines, at, &format!("M140 S{c}"));
        Some(order.start..order.end + 60)
    }),
    (
        "waiting on the part",
        &["waits_on_part"],
        |lines, random, _| {
            let at = within(lines, random);
            let s = random.random_range(70..600);
            Some(insert(lines, at, &format!("G4 S{s}\n").repeat(3)))
        },
    ),
    (
        "hours of waits between tiny moves",
        &["waits_on_part", "too_long", "planned_time"],
        |lines, random, _| {
            let at = within(lines, random);
            let x = number(&lines[at - 1], 'X');
            let one = format!(
                "G1 X{:.3} F600\nG4 S{}\nG1 X{x:.3}\n",
                x + 0.02,
                random.random_range(30..600)
            );
            Some(insert(lines, at, &one.repeat(40)))
        },
    ),
    ("grinding at one spot", &["grinds"], |lines, random, _| {
        let layer = layer(lines, random);
        let reset = layer.clone().find(|&n| lines[n] == "G92 E0")?;
        let mm = random.random_range(1..6);
        let text = format!("G1 E-{mm} F2100\nG1 E0\nG92 E0\n").repeat(300);
        Some(insert(lines, reset + 1, &text))
    }),
    (
        "feeds in mm/s",
        &["too_slow", "planned_time"],
        |lines, _, _| {
            for line in lines.iter_mut().filter(|l| l.contains(" F")) {
                let feed = number(line, 'F') / 60.0;
                put(line, 'F', &format!("{feed:.2}"));
            }
            Some(0..lines.len())
        },
    ),
    (
        "a stretch far too slow",
        &["too_slow", "planned_time"],
        |lines, random, _| {
            let layer = layer(lines, random);
            let factor = random.random_range(60.0..90.0);
            for line in lines[layer.start..]
                .iter_mut()
                .filter(|l| draws(l) && l.contains(" F"))
            {
                let feed = number(line, 'F') / factor;
                put(line, 'F', &format!("{feed:.3}"));
            }
            Some(layer.start..lines.len())
        },
    ),
    (
        "slow limits left in place",
        &["machine_limits"],
        |lines, random, _| {
            let at = within(lines, random);
            let share = random.random_range(0.04..0.4);
            Some(insert(
                lines,
                at,
                &format!("M203 X{:.1} Y{:.1}", 200.0 * share, 200.0 * share),
            ))
        },
    ),
    ("no park at the end", &["not_parked"], |lines, random, _| {
        lines.retain(|l| l != "G1 X10 Y200 F6000");
        if random.random_range(0..2) == 0 {
            let lift = lines.iter().rposition(|l| l.starts_with("G1 Z"))?;
            lines.remove(lift);
        }
        Some(0..lines.len() + 2)
    }),
    (
        "a bare CR in a comment",
        &["grammar"],
        |lines, random, _| {
            let at = within(lines, random);
            let z = random.random_range(0..9);
            Some(insert(
                lines,
                at,
                &format!("; note\u{d}G1 Z0.{z} F600\u{d}G1 X10"),
            ))
        },
    ),
];

#[test]
fn mutants_of_every_kind_are_refused_on_every_dialect() {
    let settings = Settings {
        brim_mm: 2.0,
        ..bare()
    };
    let good = sliced(&shapes::cuboid([16.0, 12.0, 3.0]), &settings).gcode;
    let body = good.split("; end of calvaria").next().unwrap();
    let mut slipped = Vec::new();
    for (name, limits, mutate) in MUTATIONS {
        let mut made = 0;
        for (dialect, seed) in Dialect::ALL
            .into_iter()
            .flat_map(|d| (0..EACH).map(move |s| (d, s)))
        {
            let mut printer = printer();
            printer.dialect = dialect;
            let mut lines: Vec<String> = body.lines().map(str::to_owned).collect();
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let Some(range) = mutate(&mut lines, &mut random, dialect) else {
                continue;
            };
            made += 1;
            let text = lines.join("\n") + "\n";
            let found = check(format!("{text}{}", seal(&text)).as_bytes(), &printer).err();
            let told = found.iter().flatten().any(|v| {
                limits.contains(&&*v.limit) && range.contains(&(v.line - 1)) && !v.next.is_empty()
            });
            if !told {
                slipped.push(format!(
                    "{name}, {dialect}, seed {seed}, lines {range:?}: {found:?}"
                ));
            }
        }
        assert!(made >= EACH, "{name}: {made}");
    }
    assert!(
        slipped.is_empty(),
        "{} slipped: {:#?}",
        slipped.len(),
        &slipped[..slipped.len().min(12)]
    );
}

#[test]
fn the_file_itself_is_accepted_on_every_dialect_and_with_other_line_ends() {
    let good = sliced(&shapes::cuboid([16.0, 12.0, 3.0]), &Settings::default()).gcode;
    for dialect in Dialect::ALL {
        let mut printer = printer();
        printer.dialect = dialect;
        for text in [good.clone(), good.replace('\n', "\r\n")] {
            let checked = check(text.as_bytes(), &printer).unwrap();
            assert!(checked.sealed && checked.held, "{dialect}");
        }
    }
}

#[test]
fn characters_that_the_link_can_not_send_are_refused() {
    let good = sliced(&shapes::cuboid([16.0, 12.0, 3.0]), &Settings::default()).gcode;
    let body = good.split("; end of calvaria").next().unwrap();
    let at = body.find(";LAYER_CHANGE").unwrap();
    for bytes in [
        &b"G1\tX120 Y100\n"[..],
        b"M117 a\\b\n",
        b"M117 M\xfcller\n",
        "M117 M\u{fc}ller\n".as_bytes(),
        b"; M\xfcller\n",
        b"; bell\x07\n",
    ] {
        let text = [&body.as_bytes()[..at], bytes, &body.as_bytes()[at..]].concat();
        let line = body[..at].lines().count() + 1;
        let found = check(&text, &printer()).unwrap_err();
        assert!(
            found.iter().any(|v| v.limit == "grammar" && v.line == line),
            "{found:?}"
        );
    }
}

/// Facts come from the mesh: a file that leaves out a part of it is told from its strokes, too.
#[test]
fn a_solid_part_that_is_not_filled_is_refused() {
    let good = sliced(&shapes::cuboid([16.0, 12.0, 3.0]), &bare()).gcode;
    let light = Settings {
        infill: 0.1,
        skin_layers: 0,
        ..bare()
    };
    let hollow = sliced(&shapes::cuboid([16.0, 12.0, 3.0]), &light).gcode;
    assert!(check(hollow.as_bytes(), &printer()).is_ok());
    let body = hollow.split("; end of calvaria").next().unwrap();
    let lie = body.replacen("solid=0", "solid=1", 1);
    assert_ne!(lie, body);
    let found = check(format!("{lie}{}", seal(&lie)).as_bytes(), &printer()).unwrap_err();
    assert_eq!(found[0].limit, "part_volume");
    assert!(check(good.as_bytes(), &printer()).is_ok());
}
