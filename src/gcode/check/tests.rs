use super::*;
use crate::gcode::{Dialect, MAKER, seal};

fn printer() -> Printer {
    Printer::load("virtual").unwrap()
}

/// A small good file: three square layers of 20 mm, made by hand, sealed.
fn good() -> String {
    let mut body = format!("{MAKER} 0\nM140 S60\nG28\nM190 S60\nM109 S210\nG90\nM82\nG92 E0\n");
    for layer in 1..=3 {
        let z = 0.2 * f64::from(layer);
        body += &format!("G1 Z{z:.2} F600\nG92 E0\nG1 X50 Y50 F7200\n");
        for (corner, (x, y)) in [(70, 50), (70, 70), (50, 70), (50, 50)]
            .into_iter()
            .enumerate()
        {
            body += &format!("G1 X{x} Y{y} E{:.5} F1800\n", 0.677 * (corner + 1) as f64);
        }
        body += "G1 E1.9 F2100\nG1 E2.708 F2100\n";
    }
    body += "M107\nM104 S0\nM140 S0\nG1 X10 Y200 F6000\nM84\n";
    seal_it(&body)
}

fn seal_it(body: &str) -> String {
    format!("{body}{}", seal(body))
}

/// The same change in a file that is sealed anew, so that the limit itself has to speak.
fn resealed(from: &str, to: &str) -> String {
    let good = good();
    assert!(good.contains(from), "{from}");
    let body = good.replacen(from, to, 1);
    seal_it(body.split_once("; end of").unwrap().0)
}

#[track_caller]
fn refused(text: &str, limit: &str, line: usize) {
    let violations = check(text.as_bytes(), &printer()).unwrap_err();
    assert!(
        violations
            .iter()
            .any(|v| v.limit == limit && v.line == line),
        "wanted {limit} in line {line}, got {violations:#?}"
    );
}

#[test]
fn a_good_file_is_accepted_with_its_extremes() {
    let checked = check(good().as_bytes(), &printer()).unwrap();
    assert!(checked.sealed);
    assert_eq!((checked.hotend_c, checked.bed_c), (210.0, 60.0));
    assert!(
        (checked.filament_mm - 3.0 * 2.708).abs() < 1e-9,
        "{checked:?}"
    );
    assert_eq!(checked.low_mm, [50.0, 50.0, 0.2]);
    assert!((checked.high_mm[2] - 0.6).abs() < 1e-9);
    assert!((checked.section_mm2 - 0.0814).abs() < 1e-3, "{checked:?}");
    assert_eq!(checked.lines, 41);
}

#[test]
fn each_limit_speaks_for_itself() {
    for (from, to, limit, line) in [
        (
            "G1 X70 Y50 E0.67700",
            "G1 X270 Y50 E0.67700",
            "outside_volume",
            12,
        ),
        (
            "G1 X50 Y50 F7200",
            "G1 X-0.001 Y50 F7200",
            "outside_volume",
            11,
        ),
        ("G1 Z0.20", "G1 Z-0.20", "below_bed", 9),
        ("G1 Z0.20", "G1 Z0.00", "below_bed", 12),
        ("M109 S210", "M109 S290", "hotend_max_c", 5),
        ("M190 S60", "M190 S130", "bed_max_c", 4),
        ("G1 X50 Y50 F7200", "G1 X50 Y50 F72000", "too_fast", 11),
        ("G1 Z0.20 F600", "G1 Z0.20 F6000", "too_fast", 9),
        ("M109 S210", "M104 S210", "cold_extrusion", 12),
        ("M109 S210", "M109 S160", "cold_extrusion", 12),
        ("E0.67700", "E50.67700", "e_jump", 12),
        ("G1 E1.9", "G1 E-17.9", "e_jump", 16),
        ("G1 E2.708", "G1 E22.708", "e_jump", 17),
        ("E0.67700", "E4.67700", "over_extrusion", 12),
        ("E0.67700 F1800", "E1.67700 F9000", "flow_max_mm3_s", 12),
        ("X70 Y50 E0.67700", "XNaN Y50 E0.67700", "grammar", 12),
        ("X70 Y50 E0.67700", "X7-0 Y50 E0.67700", "grammar", 12),
        ("G28\n", "", "home_first", 8),
        ("G28\n", "G28 X Y\n", "home_first", 9),
        ("G28\n", "G80\n", "unknown_command", 3),
        ("M82\n", "M112\n", "forbidden_command", 7),
        ("M82\n", "M302 S0\n", "forbidden_command", 7),
        ("G92 E0\n", "G92 Z-5\n", "unknown_word", 8),
        ("M104 S0\n", "", "heaters_off", 40),
        ("M140 S0\n", "", "heaters_off", 40),
        ("G1 Z0.60", "G1 Z0.02", "into_part", 30),
    ] {
        refused(&resealed(from, to), limit, line);
    }
}

/// A file that prints a wall up to Z 10 in steps of 0.3 mm and then does `last`, which begins in line 76.
fn tall(last: &str) -> String {
    let mut body = format!("{MAKER} 0\nG28\nM109 S210\nG1 Z5 F600\nM83\nG1 X50 Y50 F6000\n");
    for layer in 1..=34 {
        let x = if layer % 2 == 0 { 50 } else { 60 };
        body += &format!(
            "G1 Z{:.1} F600\nG1 X{x} E0.3 F1800\n",
            0.3 * f64::from(layer)
        );
    }
    body += "M104 S0\n";
    assert_eq!(body.lines().count(), 75);
    seal_it(&format!("{body}{last}\n"))
}

#[test]
fn nothing_drives_or_homes_into_what_is_printed() {
    let good = tall("G1 Z11 F600\nG28 X Y\nM84");
    assert!(check(good.as_bytes(), &printer()).is_ok());
    for last in [
        "G1 Z0.1 F600\nG1 Z11",
        "G28\nG1 Z11 F600",
        "G28 Z\nG1 Z11 F600",
    ] {
        refused(&tall(last), "into_part", 76);
    }
    // A motor that was switched off no longer holds the head up.
    refused(&tall("M84 Z\nG28 X"), "into_part", 77);
}

#[test]
fn a_released_motor_has_to_be_homed_again() {
    for (last, line) in [
        ("M84\nG1 Z11 F600", 77),
        ("M18 Z\nG1 Z11 F600", 77),
        ("M84 X\nM17\nG1 Y60 F6000\nG1 X60", 79),
    ] {
        refused(&tall(last), "home_first", line);
    }
    for last in [
        "M84 E\nG1 X60 Y60 F6000",
        "M84 X Y\nG28 X Y\nG1 X60 Y60 F6000",
    ] {
        assert_eq!(
            check(tall(last).as_bytes(), &printer()).err(),
            None,
            "{last}"
        );
    }
}

#[test]
fn pushes_while_standing_add_up_until_as_much_is_drawn() {
    let heap = |between: &str| {
        let pushes = format!("G1 E7 F120\n{between}").repeat(3);
        resealed("M82\n", &format!("M83\nG1 Z0.2 F600\n{pushes}M82\n"))
    };
    refused(&heap(""), "e_jump", 10);
    refused(&heap("G1 X60 F6000\nG1 X50\n"), "e_jump", 12);
    let drawn = heap("G1 X150 Y30 E3.5 F1200\nG1 X50 Y50 E3.5\n");
    assert_eq!(check(drawn.as_bytes(), &printer()).err(), None);
}

#[test]
fn a_file_can_not_take_for_ever() {
    for (from, to, limit, line) in [
        ("M82\n", "G4 S600\n".repeat(7), "too_long", 13),
        (
            "M82\n",
            "G1 Z9 F600\nG1 Z8\nG4 S600\n".repeat(1009),
            "too_long",
            3030,
        ),
        (
            "G1 X50 Y50 F7200",
            "G1 X50 Y50 F0.001".into(),
            "too_slow",
            11,
        ),
        ("M82\n", "M201 X0\n".into(), "machine_limits", 7),
        ("M82\n", "M203 E0.5\n".into(), "machine_limits", 7),
        ("M82\n", "M204 P1\n".into(), "machine_limits", 7),
        ("M82\n", "M118 Resend: 5\n".into(), "forbidden_command", 7),
    ] {
        refused(&resealed(from, &to), limit, line);
    }
    let waits = format!("{}G1 Z5 F600\nG4 S600\n", "G4 S600\n".repeat(6));
    assert_eq!(
        check(resealed("M82\n", &waits).as_bytes(), &printer()).err(),
        None
    );
}

#[test]
fn a_line_too_long_for_the_firmware_is_refused() {
    let text = format!("M117 {}\nM82\n", "x".repeat(85));
    refused(&resealed("M82\n", &text), "line_length", 7);
    let comment = format!("M82 ; {}\n", "x".repeat(500));
    assert!(check(resealed("M82\n", &comment).as_bytes(), &printer()).is_ok());
    let endless = "x".repeat(10_000);
    refused(&resealed("M82\n", &endless), "line_length", 7);
}

#[test]
fn a_cut_or_changed_file_is_refused_by_its_seal() {
    let good = good();
    let mut body = good.split_once("; end of").unwrap().0.to_owned();
    refused(&body, "cut_file", 40);
    body.truncate(good.find("G1 Z0.60").unwrap());
    refused(&body, "cut_file", 26);
    refused(&body, "heaters_off", 26);
    refused(&good.replacen("X70 Y70", "X70 Y69", 1), "changed_file", 41);
}

#[test]
fn a_cut_file_of_another_slicer_shows_in_its_heaters() {
    let foreign = good().replacen("calvaria", "another", 1);
    let body = foreign.split_once("; end of").unwrap().0;
    assert!(!check(body.as_bytes(), &printer()).unwrap().sealed);
    refused(&body[..body.find("M104 S0").unwrap()], "heaters_off", 36);
}

#[test]
fn violations_are_bounded_and_reading_equals_the_whole() {
    let many = "G1 X1\nG1 X2\n".repeat(500);
    assert_eq!(
        check(many.as_bytes(), &printer()).unwrap_err().len(),
        VIOLATIONS_MAX
    );
    for text in [good(), many] {
        let read = check_reader(text.as_bytes(), &printer()).unwrap();
        assert_eq!(read, check(text.as_bytes(), &printer()));
    }
}

#[test]
fn any_flipped_byte_of_a_sealed_file_is_refused() {
    let good = good().into_bytes();
    let printer = printer();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x04;
        assert!(check(&bad, &printer).is_err(), "byte {at}");
    }
}

#[test]
fn a_heater_is_off_only_where_this_firmware_switches_it_off() {
    // Marlin reads S alone: the nozzle stays hot.
    let hot = good().replace("M104 S0", "M104 R0");
    let hot = seal_it(hot.split_once("; end of").unwrap().0);
    let judge = |text: &str, dialect| {
        let mut printer = printer();
        printer.dialect = dialect;
        check(text.as_bytes(), &printer)
    };
    for dialect in Dialect::ALL {
        let found = judge(&hot, dialect);
        let off = matches!(dialect, Dialect::Klipper | Dialect::RepRapFirmware);
        assert_eq!(found.is_ok(), off, "{dialect}: {found:?}");
    }
    // Klipper takes a missing S for 0: the order to heat leaves the nozzle cold.
    let cold = good().replace("M109 S210", "M109 R210");
    let cold = seal_it(cold.split_once("; end of").unwrap().0);
    assert!(judge(&cold, Dialect::Marlin).is_ok());
    let violations = judge(&cold, Dialect::Klipper).unwrap_err();
    assert_eq!(violations[0].limit, "cold_extrusion");
}

#[test]
fn the_extruders_mode_is_this_firmwares() {
    let turned = good().replace("G90\nM82\n", "M82\nG91\nG90\nM83\nG90\n");
    let turned = seal_it(turned.split_once("; end of").unwrap().0);
    let judge = |dialect| {
        let mut printer = printer();
        printer.dialect = dialect;
        check(turned.as_bytes(), &printer)
    };
    // Marlin: the last G90 makes E absolute, as the file means it. Prusa-Firmware leaves it relative: E adds up.
    let marlin = judge(Dialect::Marlin).unwrap();
    let prusa = judge(Dialect::Prusa);
    assert!(prusa.is_err() || prusa.unwrap().filament_mm > marlin.filament_mm + 1.0);
    // Buddy: it depends on its mode, which nobody knows here.
    let buddy = judge(Dialect::Buddy).unwrap_err();
    assert!(buddy[0].text.contains("M82 or M83"), "{}", buddy[0].text);
}
