use super::*;
use proptest::prelude::*;

fn scan(bytes: &[u8]) -> Vec<Reply> {
    let mut found = Vec::new();
    Scanner::default().feed(bytes, |reply| found.push(reply));
    found
}

const OK: Reply = Reply::Ok {
    line: None,
    free: None,
};

fn reading(now_c: f64, target_c: f64) -> Option<Reading> {
    Some(Reading {
        now_c,
        target_c: Some(target_c),
    })
}

#[test]
fn the_forms_of_4_3_are_read() {
    let temperatures = Temperatures {
        hotend: reading(19.37, 0.0),
        bed: reading(19.5, 60.0),
    };
    for (text, reply) in [
        ("ok", OK),
        (
            "ok P15 B3",
            Reply::Ok {
                line: None,
                free: Some(3),
            },
        ),
        (
            "ok N12 P15 B3",
            Reply::Ok {
                line: Some(12),
                free: Some(3),
            },
        ),
        (
            "ok T:19.37 /0.00 B:19.5 /60.00 @:0 B@:0",
            Reply::OkTemperatures(temperatures),
        ),
        (
            "okok T:19.37 /0.00 B:19.5 /60.00 @:0 B@:0",
            Reply::OkTemperatures(temperatures),
        ),
        (
            " T:19.37 /0.00 B:19.5 /60.00 @:127 B@:0 W:?",
            Reply::Heating(temperatures),
        ),
        (
            " T:19.37 /0.00 B:19.5 /60.00 @:127 B@:0",
            Reply::Temperatures(temperatures),
        ),
        ("Resend: 12", Reply::Resend(12)),
        ("Resend:7", Reply::Resend(7)),
        (
            "Error:checksum mismatch, Last Line: 1",
            Reply::LinkError { last: Some(1) },
        ),
        (
            "Error:Line Number is not Last Line Number+1, Last Line: 41",
            Reply::LinkError { last: Some(41) },
        ),
        (
            "Error:No Cecksum with line number, Last Line: 3",
            Reply::LinkError { last: Some(3) },
        ),
        ("Error:chec", Reply::LinkError { last: None }),
        ("echo:busy: processing", Reply::Busy),
        ("echo:busy: paused for user", Reply::PausedForUser),
        ("start", Reply::Boot),
        (" External Reset", Reply::Boot),
        (
            "echo:Unknown command: \"n1 M105\"",
            Reply::Unknown("n1 M105".into()),
        ),
        (
            "Warning: M21: Command is not supported",
            Reply::Unknown("M21".into()),
        ),
        (
            "X:16.01 Y:0.00 Z:-0.50 E:1.25 Count X:1281 Y:0 Z:0",
            Reply::Position([16.01, 0.0, -0.5, 1.25]),
        ),
        (
            "FIRMWARE_NAME:Marlin 2.1.2.1 (Jul 24 2023 12:00:00) SOURCE_CODE_URL:x",
            Reply::Firmware(
                Identity {
                    firmware: "Marlin 2.1.2.1 (Jul 24 2023 12:00:00)".into(),
                    ..Identity::default()
                },
                "FIRMWARE_NAME:Marlin 2.1.2.1 (Jul 24 2023 12:00:00) SOURCE_CODE_URL:x".into(),
            ),
        ),
        (
            "Cap:EMERGENCY_PARSER:0",
            Reply::Capability("EMERGENCY_PARSER".into(), false),
        ),
        (
            "Cap:CASE_LIGHT_BRIGHTNESS0",
            Reply::Noise("Cap:CASE_LIGHT_BRIGHTNESS0".into()),
        ),
        ("//action:poweroff", Reply::Action("poweroff".into())),
        ("k", Reply::Noise("k".into())),
        (
            "eho:bsy: processing",
            Reply::Noise("eho:bsy: processing".into()),
        ),
    ] {
        assert_eq!(read(text.trim()), reply, "{text}");
    }
}

#[test]
fn the_heating_lines_of_old_prusa_firmware_are_signs_of_life() {
    let now = |now_c| {
        Some(Reading {
            now_c,
            target_c: None,
        })
    };
    let hotend = Temperatures {
        hotend: now(170.5),
        bed: None,
    };
    assert_eq!(read("T:170.5 E:0 W:?"), Reply::Heating(hotend));
    let both = Temperatures {
        hotend: now(24.1),
        bed: now(41.2),
    };
    assert_eq!(read("T:24.10 E:0 B:41.2"), Reply::Heating(both));
}

#[test]
fn a_damaged_position_is_none() {
    for text in [
        "X:10.00 Y:20.00 Z:0.30 E:1.20 Cont X:800 Y:1600 Z:120",
        "X:10.00 Y:20.00 Z:0.30 E:1.20",
        "X:10.000 Y:20.000 Z:0.300 E:1.200",
    ] {
        assert_eq!(
            read(text),
            Reply::Position([10.0, 20.0, 0.3, 1.2]),
            "{text}"
        );
    }
    for text in [
        "X:10.00 :20.00 Z:0.30 E:1.20 Count X:800 Y:1600 Z:120",
        "X:10.00 Y:20.00 Z:0.30 E1.20 Count X:800 Y:1600 Z:120",
        "X:10.00 Y:20.00 Z:0.30 Count X:800 Y:1600 E:1.20",
        "X:10.00 Y:2#.00 Z:0.30 E:1.20 Count X:800 Y:1600 Z:120",
    ] {
        assert!(matches!(read(text), Reply::Noise(_)), "{text}");
    }
}

#[test]
fn an_identity_is_read_also_when_it_is_glued_to_the_ok() {
    let klipper = read("ok FIRMWARE_NAME:Klipper FIRMWARE_VERSION:v0.12.0-1");
    let Reply::Firmware(klipper, _) = klipper else {
        panic!("{klipper:?}");
    };
    assert_eq!(klipper.firmware, "Klipper");
    let prusa = read(
        "FIRMWARE_NAME:Prusa-Firmware 3.13.0 based on Marlin FIRMWARE_URL:https://github.com/prusa3d/Prusa-Firmware PROTOCOL_VERSION:1.0 MACHINE_TYPE:Prusa i3 MK3S EXTRUDER_COUNT:1 UUID:00000000-0000-0000-0000-000000000001",
    );
    let Reply::Firmware(prusa, _) = prusa else {
        panic!("{prusa:?}");
    };
    assert_eq!(prusa.firmware, "Prusa-Firmware 3.13.0 based on Marlin");
    assert_eq!(prusa.machine, "Prusa i3 MK3S");
    assert_eq!(
        prusa.uuid.as_deref(),
        Some("00000000-0000-0000-0000-000000000001")
    );
}

#[test]
fn pitfall_17_errors_are_told_apart() {
    for text in [
        "Error:Printer halted. kill() called!",
        "echo:M112 Shutdown",
        "Error:Thermal Runaway, system stopped! Heater_ID: bed",
        "Error:Heating failed, system stopped! Heater_ID: E0",
        "Error:MAXTEMP triggered, system stopped! Heater_ID: 0",
        "Error:MINTEMP triggered, system stopped! Heater_ID: 0",
        "Error:!! KILL caused by too much inactive time - current command: M85 S4",
        "Error:Printer stopped due to errors. Fix the error and use M999 to restart.",
        "!! STOP called because of BLTouch error - restart with M999",
        "!! MCU 'mcu' shutdown: Timer too close",
        ": Extruder switched off. MINTEMP triggered !",
        "fatal: heater decoupled",
    ] {
        assert!(matches!(read(text), Reply::Fatal(_)), "{text}");
    }
    for text in [
        "Error: Failed to enable Bed Leveling",
        "Error:Probing Failed",
        "Error:G2/G3 bad parameters",
        "!! Move out of range: 500.000 0.000 0.000 [0.000]",
        "!! Must home axis first: 1.000 0.000 0.000 [0.000]",
        "echo: too long extrusion prevented",
    ] {
        assert!(matches!(read(text), Reply::Trouble(_)), "{text}");
    }
    for text in [
        "Error:SD init fail",
        "Error:volume.init failed",
        "Error:openRoot failed",
        "Error:EEPROM checksum mismatch",
        "Error:No media",
    ] {
        assert!(matches!(read(text), Reply::Harmless(_)), "{text}");
    }
    for text in ["Error:expected line 4 got 5", "Error:Wrong checksum"] {
        assert_eq!(read(text), Reply::LinkError { last: None }, "{text}");
    }
    assert!(matches!(read("Error:0"), Reply::ErrorHead(_)));
    assert_eq!(read("echo: cold extrusion prevented"), Reply::ColdExtrusion);
}

#[test]
fn an_overlong_line_takes_bounded_memory() {
    let mut scanner = Scanner::default();
    for _ in 0..1000 {
        scanner.feed(&[b'x'; 1000], |_| {});
    }
    assert!(scanner.line.len() <= LINE_BYTES_MAX);
}

/// Lines as a Marlin sends them in a print; two of them are an `ok`.
const STREAM: [&str; 8] = [
    "ok",
    "ok T:200.24 /200.00 B:60.01 /60.00 @:57 B@:12",
    "echo:busy: processing",
    " T:150.10 /200.00 B:60.00 /60.00 @:127 B@:0 W:?",
    "Error:checksum mismatch, Last Line: 12",
    "Resend: 13",
    "X:10.00 Y:20.00 Z:0.30 E:1.20 Count X:800 Y:1600 Z:120",
    "echo:Unknown command: \"M73 P5\"",
];

proptest! {
    #[test]
    fn pitfall_14_noise_parsing(
        lines in proptest::collection::vec(0..STREAM.len(), 1..12),
        at in any::<prop::sample::Index>(),
        kind in 0..3,
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes: Vec<u8> = Vec::new();
        for &line in &lines {
            bytes.extend(STREAM[line].bytes());
            bytes.push(b'\n');
        }
        let count = |replies: &[Reply]| {
            replies.iter().filter(|r| matches!(r, Reply::Ok { .. } | Reply::OkTemperatures(_))).count()
        };
        let before = count(&scan(&bytes));
        let at = at.index(bytes.len());
        match kind {
            0 => { bytes.remove(at); }
            1 => bytes.insert(at, byte),
            _ => bytes[at] = byte,
        }
        // In any pieces.
        let cut = cut.index(bytes.len() + 1);
        let mut scanner = Scanner::default();
        let mut replies = Vec::new();
        scanner.feed(&bytes[..cut], |r| replies.push(r));
        scanner.feed(&bytes[cut..], |r| replies.push(r));
        let after = count(&replies);
        prop_assert!(after <= before, "a false ok: {replies:?}");
        prop_assert!(after + 2 >= before, "one byte hides at most the two lines it joins");
        // A link error stays one (or noise): it never ends a print.
        prop_assert!(!replies.iter().any(|r| matches!(r, Reply::Fatal(_) | Reply::Trouble(_) | Reply::Boot)), "{replies:?}");
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        scan(&bytes);
    }
}
