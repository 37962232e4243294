//! A re-entry goes on with the released lines, and does nothing else than what it must.

use super::*;
use crate::gcode::{check, check_from_layer};

fn printer() -> Printer {
    Printer::load("virtual").unwrap()
}

fn hash() -> String {
    "ab".repeat(32)
}

/// Five square layers with retractions, fan from the second on, sealed.
fn released() -> String {
    let mut body = format!(
        "{MAKER} 0\nM140 S60\nM104 S150\nG28\nM190 S60\nM109 S215\nM204 P1000\nG90\nM83\nG92 E0\n"
    );
    for layer in 1..=5 {
        let z = 0.2 * f64::from(layer);
        body += &format!(";LAYER_CHANGE\n;Z:{z:.3}\n;HEIGHT:0.2\nG1 Z{z:.3} F600\nG92 E0\n");
        if layer == 2 {
            body += "M106 S128\nM104 S210\nM140 S55\n";
        }
        body += "G0 X90 Y90 F6000\n";
        if layer > 1 {
            body += "G1 E0.8 F2100\n";
        }
        for (x, y) in [(110, 90), (110, 110), (90, 110), (90, 90)] {
            body += &format!("G1 X{x} Y{y} E0.67700 F1800\n");
        }
        body += "G1 E-0.8 F2100\n";
    }
    body += "M107\nM104 S0\nM140 S0\nG1 X10 Y200 F6000\nM84\n";
    let end = seal(&body);
    body + &end
}

fn entry(layer: usize, head_z_mm: f64) -> String {
    let plan = Plan { layer, head_z_mm };
    reentry(&released(), &hash(), &printer(), plan).unwrap()
}

/// The same change, sealed anew.
fn resealed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    let changed = text.replacen(from, to, 1);
    let body = changed.split_once("; end of").unwrap().0.to_owned();
    let end = seal(&body);
    body + &end
}

#[test]
fn a_released_file_and_its_re_entries_are_proved() {
    check(released().as_bytes(), &printer()).unwrap();
    for layer in 2..=5 {
        let text = entry(layer, 0.2 * (layer as f64 - 1.0));
        let checked = check_from_layer(text.as_bytes(), &printer(), layer)
            .unwrap_or_else(|v| panic!("{v:#?}\n{text}"));
        assert!(checked.sealed);
        assert!(same_from_layer(&released(), &text, layer));
        // It is no file that may begin by itself, nor one for another layer.
        assert!(check(text.as_bytes(), &printer()).is_err());
        let other = if layer == 5 { 2 } else { layer + 1 };
        assert!(check_from_layer(text.as_bytes(), &printer(), other).is_err());
    }
    assert!(check_from_layer(released().as_bytes(), &printer(), 2).is_err());
}

#[test]
fn the_state_of_the_file_is_there_again() {
    let text = entry(4, 0.6);
    for line in [
        &format!("; re-entry of {} at layer 4 above 0.600 mm", hash()),
        "M204 P1000",
        "M190 S55",
        "M109 S150",
        "G92 Z0.600",
        "G28 X Y",
        "M109 S210",
        "M106 S128",
        "M83",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    let place = |line: &str| text.lines().position(|l| l == line).unwrap();
    assert!(place("M190 S55") < place("G28 X Y"));
    assert!(place("G28 X Y") < place("M109 S210"));
    assert!(!text.contains("G28\n") && !text.contains("G28 Z"));
}

#[test]
fn what_a_re_entry_must_not_do_is_refused() {
    let text = entry(3, 0.4);
    for (from, to) in [
        ("G28 X Y", "G28"),
        ("G28 X Y", "G28 X Y Z"),
        // Stated below the part; stated twice; not stated.
        ("G92 Z0.400", "G92 Z0.010"),
        ("M109 S210", "M109 S210\nG92 Z9"),
        ("G92 Z0.400\n", ""),
        // Homing in the middle of the part.
        ("G1 Z0.600 F600", "G1 Z0.600 F600\nG28 X Y"),
        // A layer left out.
        ("G1 Z0.600 F600", "G1 Z1.200 F600"),
        // Across at less than the height of the part.
        ("G28 X Y", "G1 Z0.05 F600\nG28 X Y"),
        // Another file's layer.
        ("at layer 3", "at layer 4"),
        // Primes on the part.
        ("G0 X245.000 Y205.000", "G0 X100.000 Y100.000"),
        // Cold.
        ("M109 S210", "M104 S210"),
    ] {
        let Some(_) = text.find(from) else {
            panic!("{from} is not in\n{text}");
        };
        let changed = resealed(&text, from, to);
        assert!(
            check_from_layer(changed.as_bytes(), &printer(), 3).is_err(),
            "{from} -> {to}"
        );
    }
}

#[test]
fn what_can_not_be_gone_on_with_is_said() {
    let make = |text: &str, layer, head_z_mm, dialect| {
        let mut printer = printer();
        printer.dialect = dialect;
        reentry(text, &hash(), &printer, Plan { layer, head_z_mm }).unwrap_err()
    };
    let (file, marlin) = (released(), Dialect::Marlin);
    for layer in [0, 1, 6] {
        assert_eq!(
            make(&file, layer, 5.0, marlin),
            ReEntryError::NoLayer { layer, last: 5 }
        );
    }
    assert!(matches!(
        make(&file, 5, 0.1, marlin),
        ReEntryError::HeadTooLow { .. }
    ));
    assert_eq!(make("G28\n", 2, 1.0, marlin), ReEntryError::NoMarks);
    assert!(matches!(
        make(&file, 3, 0.4, Dialect::Klipper),
        ReEntryError::Firmware(_)
    ));
    let wide = file
        .replace("X110", "X249")
        .replace("X90", "X1")
        .replace("Y110", "Y209")
        .replace("Y90", "Y1");
    assert_eq!(make(&wide, 3, 0.4, marlin), ReEntryError::NoRoom);
}
