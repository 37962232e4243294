//! The table against lines that the firmware really sends, and against its own promises.

use super::*;
use crate::gcode::parse;

fn command(text: &str) -> crate::gcode::Command {
    parse(text).unwrap().unwrap()
}

#[test]
fn every_family_is_recognised_by_its_own_line() {
    use Dialect as D;
    for (line, dialect, machine, uuid) in [
        (
            "FIRMWARE_NAME:Marlin 2.1.2.1 (Jul 24 2023 12:00:00) SOURCE_CODE_URL:github.com/MarlinFirmware/Marlin PROTOCOL_VERSION:1.0 MACHINE_TYPE:3D Printer EXTRUDER_COUNT:1 UUID:cede2a2f-41a2-4748-9b12-c55c62f367ff",
            D::Marlin,
            "3D Printer",
            None,
        ),
        (
            "FIRMWARE_NAME:Prusa-Firmware 3.14.0+8095_5d3bcc1 based on Marlin FIRMWARE_URL:https://github.com/prusa3d/Prusa-Firmware PROTOCOL_VERSION:1.0 MACHINE_TYPE:Prusa i3 MK3S EXTRUDER_COUNT:1 UUID:00000000-0000-0000-0000-000000000000",
            D::Prusa,
            "Prusa i3 MK3S",
            None,
        ),
        (
            "FIRMWARE_NAME:Prusa-Firmware-Buddy 6.3.0+10073 (Github) SOURCE_CODE_URL:https://github.com/prusa3d/Prusa-Firmware-Buddy PROTOCOL_VERSION:1.0 MACHINE_TYPE:Prusa-MK4 EXTRUDER_COUNT:1 UUID:1b2c3d4e-41a2-4748-9b12-c55c62f367ff",
            D::Buddy,
            "Prusa-MK4",
            Some("1b2c3d4e-41a2-4748-9b12-c55c62f367ff"),
        ),
        (
            "ok FIRMWARE_NAME:Klipper FIRMWARE_VERSION:v0.12.0-85-gd785b396",
            D::Klipper,
            "",
            None,
        ),
        (
            "FIRMWARE_NAME: RepRapFirmware for Duet 2 WiFi/Ethernet FIRMWARE_VERSION: 3.5.3 ELECTRONICS: Duet WiFi 1.02 or later FIRMWARE_DATE: 2024-09-12 11:05:50",
            D::RepRapFirmware,
            "Duet WiFi 1.02 or later",
            None,
        ),
        (
            "FIRMWARE_NAME:Repetier_1.0.4 COMPILED:Aug  3 2022 FIRMWARE_URL:https://github.com/repetier/Repetier-Firmware/ PROTOCOL_VERSION:1.0 MACHINE_TYPE:Mendel EXTRUDER_COUNT:1 REPETIER_PROTOCOL:3",
            D::Repetier,
            "Mendel",
            None,
        ),
    ] {
        let identity = Identity::read(line).unwrap();
        assert_eq!(identity.dialect(), Some(dialect), "{line}");
        assert_eq!(identity.machine, machine, "{line}");
        assert_eq!(identity.uuid.as_deref(), uuid, "{line}");
        assert_eq!(line.starts_with("ok"), dialect.facts().name_behind_ok);
    }
    assert_eq!(Identity::read("ok T:20.0 /0.0"), None);
    let other = Identity::read("FIRMWARE_NAME:Smoothieware MACHINE_TYPE:x").unwrap();
    assert_eq!(other.dialect(), None);
}

#[test]
fn another_machine_is_not_the_first_one() {
    let of = |machine: &str, uuid: &str| {
        Identity::read(&format!(
            "FIRMWARE_NAME:Marlin 2.1.2 MACHINE_TYPE:{machine} EXTRUDER_COUNT:1 UUID:{uuid}"
        ))
        .unwrap()
    };
    let first = of("Ender-3", "11111111-2222-3333-4444-555555555555");
    assert!(first.may_be(&first));
    assert!(first.names_one_machine());
    assert!(!of("Ender-5", "11111111-2222-3333-4444-555555555555").may_be(&first));
    assert!(!of("Ender-3", "11111111-2222-3333-4444-555555555556").may_be(&first));
    assert!(!of("Ender-3", "cede2a2f-41a2-4748-9b12-c55c62f367ff").may_be(&first));
    assert!(!of("Ender-3", "cede2a2f-41a2-4748-9b12-c55c62f367ff").names_one_machine());
}

#[test]
fn what_turns_a_heater_off_depends_on_the_firmware() {
    use Dialect as D;
    use HeaterName::{Bed, Hotend};
    for dialect in D::ALL {
        assert_eq!(
            dialect.turns_off(&command("M104 S0")),
            Some(Hotend),
            "{dialect}"
        );
        assert_eq!(
            dialect.turns_off(&command("M140 S0")),
            Some(Bed),
            "{dialect}"
        );
        assert_eq!(dialect.turns_off(&command("M104 S200")), None, "{dialect}");
        assert_eq!(dialect.turns_off(&command("M107")), None, "{dialect}");
    }
    for (text, off) in [
        // Marlin reads S alone: nothing is turned off.
        (
            "M104 R0",
            [None, None, None, Some(Hotend), Some(Hotend), None],
        ),
        ("M140 R0", [None, None, None, Some(Bed), None, None]),
        // Klipper takes a missing S for 0: the order to heat turns off.
        ("M109 R200", [None, None, None, Some(Hotend), None, None]),
        ("M104", [None, None, None, Some(Hotend), None, None]),
    ] {
        let found = D::ALL.map(|d| d.turns_off(&command(text)));
        assert_eq!(found, off, "{text}");
    }
    let waits = D::Prusa.heat_order(&command("M190 R60")).unwrap();
    assert_eq!(
        (waits.heater, waits.target_c, waits.waits),
        (Bed, Some(60.0), true)
    );
}

#[test]
fn g90_after_m83_leaves_e_relative_where_e_has_its_own_switch() {
    let mode = |words: &[&str]| {
        let mut mode = ExtruderMode::new();
        words.iter().for_each(|w| mode.apply(&command(w)));
        mode
    };
    let found = |words: &[&str]| Dialect::ALL.map(|d| mode(words).is_relative(d));
    let (yes, no) = (Some(true), Some(false));
    assert_eq!(found(&[]), [no; 6]);
    assert_eq!(found(&["G90", "M83"]), [yes; 6]);
    // Marlin, Prusa, Buddy, Klipper, RepRapFirmware, Repetier.
    assert_eq!(found(&["M83", "G90"]), [no, yes, None, yes, yes, yes]);
    assert_eq!(found(&["M82", "G91"]), [yes, no, None, yes, no, yes]);
    assert_eq!(found(&["G91", "M82"]), [no, no, no, yes, no, yes]);
    assert!(mode(&["G90", "M83"]).is_plain());
    assert!(!mode(&["M83", "G90"]).is_plain());
    assert!(!mode(&["G91", "M82"]).is_plain());
}

#[test]
fn plain_means_that_all_families_agree() {
    let words = ["G90", "G91", "M82", "M83"];
    for n in 0..4_usize.pow(4) {
        let mut mode = ExtruderMode::new();
        for k in 0..4 {
            mode.apply(&command(words[n / 4_usize.pow(k) % 4]));
            let all = Dialect::ALL.map(|d| mode.is_relative(d));
            let agree = all.iter().all(|m| *m == all[0]) && all[0].is_some();
            assert_eq!(mode.is_plain(), agree, "{mode:?}");
        }
    }
}

#[test]
fn errors_have_their_class() {
    use ErrorClass::{Fault, Halted, Harmless, Thermal, Transport};
    for (dialect, line, class) in [
        (
            Dialect::Marlin,
            "Error:checksum mismatch, Last Line: 12",
            Transport,
        ),
        (
            Dialect::Marlin,
            "Error:Printer halted. kill() called!",
            Halted,
        ),
        (
            Dialect::Marlin,
            "Error:Thermal Runaway, system stopped! Heater_ID: bed",
            Thermal,
        ),
        (Dialect::Marlin, "Error:SD init fail", Harmless),
        (Dialect::Marlin, "Error:volume.init failed", Harmless),
        (
            Dialect::Marlin,
            "Error:Failed to enable Bed Leveling",
            Fault,
        ),
        (Dialect::Marlin, "Error:something new", Fault),
        (
            Dialect::Marlin,
            "!! STOP called because of BLTouch error - restart with M999",
            Halted,
        ),
        (
            Dialect::Marlin,
            "rror:Printer halted. kill() called!",
            Halted,
        ),
        (
            Dialect::Prusa,
            "Error:No Line Number with checksum, Last Line: 3",
            Transport,
        ),
        (
            Dialect::Prusa,
            "Error:Printer stopped due to errors. Supervision required.",
            Halted,
        ),
        (Dialect::Prusa, "Error: HEATBED THERMAL RUNAWAY", Thermal),
        (
            Dialect::Klipper,
            "!! Move out of range: 500.000 0.000 0.000 [0.000]",
            Fault,
        ),
        (
            Dialect::Klipper,
            "!! Must home axis first: 10.000 0.000 0.000 [0.000]",
            Fault,
        ),
        (Dialect::Klipper, "!! Shutdown due to M112 command", Halted),
        (
            Dialect::Klipper,
            "!! Heater extruder not heating at expected rate",
            Thermal,
        ),
        (
            Dialect::Klipper,
            "!! Lost communication with MCU 'mcu'",
            Halted,
        ),
        (
            Dialect::RepRapFirmware,
            "Error: G1: insufficient axes homed",
            Fault,
        ),
        (
            Dialect::RepRapFirmware,
            "Error: G1 X10: Machine is halted",
            Halted,
        ),
        (
            Dialect::Repetier,
            "Error:expected line 12 got 14",
            Transport,
        ),
        (Dialect::Repetier, "Error:Wrong checksum", Transport),
        (
            Dialect::Repetier,
            "fatal:Heater/sensor error - Printer stopped and heaters disabled due to this error. Fix error and restart with M999.",
            Thermal,
        ),
    ] {
        assert_eq!(dialect.error_class(line), Some(class), "{dialect}: {line}");
    }
    for line in [
        "ok",
        "echo:busy: processing",
        "// Klipper state: Ready",
        " T:20.0 /0.0",
    ] {
        for dialect in Dialect::ALL {
            assert_eq!(dialect.error_class(line), None, "{dialect}: {line}");
        }
    }
}

#[test]
fn the_rows_keep_their_promises() {
    for dialect in Dialect::ALL {
        let facts = dialect.facts();
        assert_eq!(Dialect::named(facts.name), Some(dialect));
        assert!(facts.window_max >= 1 && facts.window_max <= 15, "{dialect}");
        assert!(facts.line_max_bytes >= 96, "{dialect}");
        let times = facts.times;
        for s in [
            times.home_silent_s,
            times.home_s,
            times.probe_silent_s,
            times.heat_silent_s,
            times.heat_s,
            times.other_silent_s,
        ] {
            assert!(s > 0.0 && s <= 3600.0, "{dialect}");
        }
        // Where it says busy, the silence may be shorter, never the other way round.
        assert_eq!(facts.has_busy, times.busy_every_s > 0.0, "{dialect}");
        // A line is sent again only where a number that was there is not carried out twice.
        let asks = matches!(facts.resend, Resend::AfterError | Resend::WithOk);
        assert_eq!(asks, facts.numbering.may_repeat(), "{dialect}");
        assert_eq!(asks, facts.numbering.order_checked, "{dialect}");
        let compared = (facts.errors.iter().map(|(text, _)| *text))
            .chain(facts.emergency.confirms.iter().copied())
            .chain(facts.boot_lines.iter().copied())
            .chain([facts.unknown_text, facts.position.ends_at]);
        for text in compared {
            assert_eq!(text, text.to_ascii_lowercase(), "{dialect}");
            assert!(!text.is_empty(), "{dialect}");
        }
    }
}

#[test]
fn names_in_profiles_are_the_dialects_names() {
    for dialect in Dialect::ALL {
        let text = format!("\"{}\"", dialect.name());
        assert_eq!(serde_json::to_string(&dialect).unwrap(), text);
        assert_eq!(serde_json::from_str::<Dialect>(&text).unwrap(), dialect);
    }
    assert!(serde_json::from_str::<Dialect>("\"sprinter\"").is_err());
}
