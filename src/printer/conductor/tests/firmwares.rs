//! What firmwares do besides answering: resets without a word, panels, holds, errors, other printers.

use super::super::{Conductor, Port, Record, Setup};
use super::happening;
use crate::printer::journal::Journal;
use crate::printer::rig::{Rig, part};
use crate::printer::virtual_printer::{Dialect, Faults, What};
use crate::printer::wire::Phase;
use crate::status::PrinterState;

/// Begun, and in the file's moves.
fn in_print(seed: u64, lines: usize) -> Rig {
    let mut rig = Rig::new(&part(seed, lines), Faults::default(), seed);
    rig.begin();
    let moving = rig.until(400.0, |rig| rig.job().is_some_and(|j| j.layer > 0));
    assert!(moving);
    rig
}

fn banner(line: &str) -> bool {
    ["start", "External Reset"].contains(&line)
        || line.starts_with("Marlin 2")
        || line.starts_with("echo: Last Updated")
}

#[test]
fn a_reset_without_a_word_is_seen_and_nothing_of_the_file_follows() {
    // Early: line 1 is still in the ring. One at the question behind a heating wait is found as silence, and ends in M112.
    for line in [14, 21, 30, 45, 60, 100, 250] {
        let mut rig = Rig::new(&part(31, 300), happening(line, What::Reset, 0.0), 31);
        rig.lost = banner;
        let job = rig.print();
        assert_eq!(job.phase, Phase::Stopped, "line {line}");
        assert_eq!(rig.fault().0, "printer_reset", "line {line}");
        let before = rig.executed().len();
        rig.until(60.0, |_| false);
        assert_eq!(rig.executed().len(), before, "line {line}");
        assert!(before <= rig.planned().len());
        let homed = rig.lines().iter().filter(|l| l.contains("G28")).count();
        assert!(homed <= 1, "line {line}: homed {homed} times");
        assert_eq!(rig.board.firmware().targets_c(), [0.0, 0.0]);
    }
}

#[test]
fn a_board_that_boots_twice_prints_after_the_second_time() {
    let mut rig = Rig::new(&part(32, 200), Faults::default(), 32);
    rig.begin();
    rig.until(0.5, |_| false);
    rig.board.reset("External Reset");
    let job = rig.finish();
    assert_eq!(job.phase, Phase::Printed, "{:?}", job.fault);
    assert_eq!(rig.executed(), rig.planned());
}

#[test]
fn stop_at_the_panel_ends_the_print_as_stopped_at_the_printer() {
    let mut rig = in_print(33, 2000);
    rig.say("//action:cancel");
    let job = rig.finish();
    assert_eq!(job.phase, Phase::Stopped);
    let (name, text) = rig.fault();
    assert_eq!(name, "stopped_at_printer");
    assert!(text.contains("stopped at the printer"), "{text}");
    rig.until(60.0, |_| false);
    assert_eq!(rig.board.firmware().targets_c(), [0.0, 0.0]);
}

#[test]
fn a_pause_at_the_panel_goes_on_when_the_panel_says_so() {
    let mut rig = in_print(34, 1500);
    rig.say("//action:pause");
    assert!(rig.until(60.0, |rig| {
        rig.job().is_some_and(|j| j.phase == Phase::Paused)
    }));
    rig.say("//action:resume");
    let job = rig.finish();
    assert_eq!(job.phase, Phase::Printed, "{:?}", job.fault);
    let resumed = |r: &Record| matches!(r, Record::Resumed { at_printer: true });
    assert!(rig.journal.iter().any(resumed));
}

#[test]
fn the_panel_does_not_end_a_hold_of_somebody_else() {
    let mut rig = in_print(34, 1500);
    rig.conductor.pause(rig.ms()).unwrap();
    assert!(rig.until(60.0, |rig| {
        rig.job().is_some_and(|j| j.phase == Phase::Paused)
    }));
    rig.say("// action:resumed");
    rig.until(5.0, |_| false);
    assert_eq!(rig.job().unwrap().phase, Phase::Paused);
}

#[test]
fn a_prompt_is_shown_and_answered() {
    let mut rig = in_print(35, 1500);
    assert_eq!(
        rig.conductor.answer(rig.ms(), 0).unwrap_err().code,
        "nothing_asked"
    );
    for line in [
        "Cap:PROMPT_SUPPORT:1",
        "//action:prompt_begin Filament runout",
        "//action:prompt_button Continue",
        "//action:prompt_button Purge more",
        "//action:prompt_show",
    ] {
        rig.say(line);
    }
    let prompt = rig.conductor.status(rig.ms()).prompt.unwrap();
    assert_eq!(prompt.text, "Filament runout");
    assert_eq!(prompt.choices, ["Continue", "Purge more"]);
    assert_eq!(
        rig.conductor.answer(rig.ms(), 2).unwrap_err().code,
        "no_such_choice"
    );
    rig.conductor.answer(rig.ms(), 1).unwrap();
    rig.carry_out();
    assert_eq!(rig.written.last().unwrap().1, b"M876 S1\n");
    rig.say("//action:prompt_end");
    assert_eq!(rig.conductor.status(rig.ms()).prompt, None);
}

#[test]
fn an_error_with_which_the_firmware_lives_on_switches_the_heaters_off() {
    let mut rig = in_print(36, 1500);
    rig.say("Error: Failed to enable Bed Leveling");
    let (name, text) = rig.fault();
    assert_eq!(name, "printer_fault");
    assert!(text.contains("Failed to enable Bed Leveling"), "{text}");
    rig.until(60.0, |_| false);
    assert_eq!(rig.board.firmware().targets_c(), [0.0, 0.0]);
    assert_eq!(rig.conductor.status(rig.ms()).state, PrinterState::Idle);
}

#[test]
fn an_error_of_the_card_ends_nothing() {
    let mut rig = in_print(37, 400);
    rig.say("Error:SD init fail");
    rig.say("Error:volume.init failed");
    let job = rig.finish();
    assert_eq!(job.phase, Phase::Printed, "{:?}", job.fault);
}

#[test]
fn the_reason_of_a_halt_is_kept() {
    for (said, name, words) in [
        (
            &["echo:Homing Failed", "Error:Printer halted. kill() called!"][..],
            "printer_halted",
            "Homing Failed",
        ),
        (
            &["Error:0", ": Extruder switched off. MINTEMP triggered !"],
            "thermal_fault",
            "hotend",
        ),
        (
            &["Error:1", ": Extruder switched off. MAXTEMP triggered !"],
            "thermal_fault",
            "hotend 2",
        ),
        (
            &["Error:Thermal Runaway, system stopped! Heater_ID: bed"],
            "thermal_fault",
            "bed",
        ),
        (
            &["Error:Heating failed, system stopped! Heater_ID: chamber"],
            "thermal_fault",
            "chamber",
        ),
    ] {
        let mut rig = in_print(38, 800);
        for line in said {
            rig.say(line);
        }
        let fault = rig.fault();
        assert_eq!(fault.0, name, "{said:?}: {}", fault.1);
        assert!(fault.1.contains(words), "{said:?}: {}", fault.1);
        assert_eq!(rig.conductor.status(rig.ms()).state, PrinterState::Halted);
    }
}

#[test]
fn half_an_error_is_an_error_in_the_end() {
    let mut rig = in_print(38, 1500);
    rig.say("Error:0");
    assert!(rig.job().unwrap().fault.is_none());
    rig.until(2.0, |_| false);
    assert_eq!(rig.fault().0, "printer_fault");
}

#[test]
fn a_hold_bounds_its_heat_and_going_on_heats_and_primes() {
    let mut rig = in_print(39, 900);
    rig.conductor.pause(rig.ms()).unwrap();
    assert!(rig.until(60.0, |rig| {
        rig.job().is_some_and(|j| j.phase == Phase::Paused)
    }));
    rig.until(9.0 * 60.0, |_| false);
    assert!(rig.board.firmware().targets_c()[0] > 0.0);
    rig.until(2.0 * 60.0, |_| false);
    let targets = rig.board.firmware().targets_c();
    assert!(targets[0] == 0.0 && targets[1] > 0.0, "{targets:?}");
    assert_eq!(
        rig.conductor.status(rig.ms()).fault.unwrap().name,
        "hold_cools"
    );
    rig.until(51.0 * 60.0, |_| false);
    assert_eq!(rig.board.firmware().targets_c(), [0.0, 0.0]);
    assert_eq!(
        rig.job().unwrap().phase,
        Phase::Paused,
        "held, not given up"
    );
    rig.conductor.resume(rig.ms()).unwrap();
    let job = rig.finish();
    assert_eq!(job.phase, Phase::Printed, "{:?}", job.fault);
    let executed = rig.executed();
    let mut moves = executed.iter();
    for planned in rig.planned() {
        assert!(
            moves.any(|done| done[..3] == planned[..3]),
            "missing {planned:?}"
        );
    }
    let heated = rig
        .lines()
        .iter()
        .filter(|l| l.contains("M109 S215"))
        .count();
    assert_eq!(heated, 2, "once by the file, once after the hold");
}

#[test]
fn a_notice_goes_when_the_printer_goes_on() {
    let mut rig = in_print(40, 1500);
    rig.say("echo:busy: paused for user");
    let fault = rig.conductor.status(rig.ms()).fault.unwrap();
    assert_eq!(fault.name, "waits_for_person");
    assert!(fault.text.contains("60 min"), "{}", fault.text);
    rig.until(20.0, |_| false);
    assert_eq!(rig.conductor.status(rig.ms()).fault, None);
}

/// The printer waits in a command of its own and reads nothing.
fn deaf(rig: &mut Rig, minutes: u32) {
    rig.deaf = true;
    for _ in 0..minutes * 30 {
        rig.say("echo:busy: paused for user");
        rig.until(2.0, |_| false);
    }
}

#[test]
fn a_printer_that_waits_with_its_heaters_on_is_stopped_in_the_end() {
    let mut rig = in_print(41, 1500);
    deaf(&mut rig, 59);
    assert_eq!(rig.job().unwrap().phase, Phase::Printing);
    assert!(!rig.lines().iter().any(|l| l == "M112"));
    deaf(&mut rig, 2);
    assert!(rig.lines().iter().any(|l| l == "M112"));
    assert_eq!(rig.fault().0, "hold_too_long");
    assert_eq!(rig.conductor.status(rig.ms()).state, PrinterState::Halted);
}

#[test]
fn a_print_given_up_while_the_printer_waits_says_that_it_is_not_heard() {
    let mut rig = in_print(42, 1500);
    deaf(&mut rig, 1);
    rig.conductor.cancel(rig.ms()).unwrap();
    let fault = rig.conductor.status(rig.ms()).fault.unwrap();
    assert_eq!(fault.name, "cancel_waits");
    assert!(fault.text.contains("emergency stop"), "{}", fault.text);
    rig.carry_out();
    assert!(rig.lines().iter().any(|l| l == "M108"));
    deaf(&mut rig, 60);
    assert!(rig.lines().iter().any(|l| l == "M112"));
}

#[test]
fn a_print_given_up_while_the_printer_waits_ends_when_it_goes_on() {
    let mut rig = in_print(43, 1500);
    deaf(&mut rig, 1);
    rig.conductor.cancel(rig.ms()).unwrap();
    rig.carry_out();
    rig.deaf = false;
    let job = rig.finish();
    assert_eq!(job.phase, Phase::Stopped);
    assert_eq!(rig.fault().0, "cancelled");
    assert_eq!(rig.board.firmware().targets_c(), [0.0, 0.0]);
}

#[test]
fn a_target_that_is_never_reached_is_said_and_then_ends_the_print() {
    let mut rig = Rig::new(&part(44, 300), Faults::default(), 44);
    rig.begin();
    // The wait has begun, not only its line been sent.
    assert!(rig.until(400.0, |rig| rig.board.firmware().targets_c()[0] > 200.0));
    rig.until(1.0, |_| false);
    rig.deaf = true;
    let mut said = Vec::new();
    for _ in 0..400 {
        rig.say(" T:120.00 /215.00 B:60.00 /60.00 @:127 B@:9 W:?");
        rig.until(1.0, |_| false);
        said.push(rig.fault().0);
    }
    assert_eq!(said[10], "");
    assert_eq!(said[200], "target_not_reached");
    assert_eq!(rig.job().unwrap().phase, Phase::Stopped);
    assert!(rig.lines().iter().any(|l| l == "M108"), "the wait is ended");
    // It does not hear: the emergency stop follows.
    for _ in 0..300 {
        rig.say(" T:120.00 /215.00 B:60.00 /60.00 @:127 B@:9 W:?");
        rig.until(1.0, |_| false);
    }
    assert!(rig.lines().iter().any(|l| l == "M112"));
    assert_eq!(rig.fault().0, "target_not_reached");
}

#[test]
fn another_printer_at_the_port_gets_nothing() {
    let mut rig = in_print(45, 1500);
    rig.conductor.lost(rig.ms());
    rig.until(1.0, |_| false);
    rig.deaf = true;
    let from = rig.written.len();
    rig.conductor.opened(rig.ms());
    for _ in 0..4 {
        rig.until(2.0, |_| false);
        rig.say("FIRMWARE_NAME:Marlin OTHER UUID:ffffffff-0000");
        rig.say("ok");
    }
    assert_eq!(rig.job().unwrap().phase, Phase::Stopped);
    let (name, text) = rig.fault();
    assert_eq!(name, "other_printer");
    assert!(text.contains("may still be hot"), "{text}");
    rig.until(100.0, |_| false);
    let sent = rig.written.split_off(from);
    assert!(
        sent.iter().all(|(_, bytes)| bytes == b"\nM115\n"),
        "{sent:?}"
    );
    assert_eq!(rig.conductor.status(rig.ms()).state, PrinterState::Halted);
    // A person says that it is meant: it is asked anew, and then greeted.
    rig.deaf = false;
    rig.conductor.recover(rig.ms()).unwrap();
    assert!(rig.until(60.0, |rig| {
        rig.conductor.status(rig.ms()).state == PrinterState::Idle
    }));
}

/// Two answers of which each lost another byte of `MACHINE_TYPE:` name the same printer, and there is none like it.
#[test]
fn a_printer_is_not_known_by_two_different_damages() {
    let whole =
        "FIRMWARE_NAME:Marlin 2.1.2.1 PROTOCOL_VERSION:1.0 MACHINE_TYPE:virtual EXTRUDER_COUNT:1";
    let mut rig = Rig::new("G28\n", Faults::default(), 52);
    rig.deaf = true;
    rig.conductor.opened(0);
    for broken in ["MACINE_TYPE", "MACHINE_TYE"] {
        rig.until(2.0, |_| false);
        rig.say(&whole.replace("MACHINE_TYPE", broken));
    }
    let greeted = |rig: &Rig| rig.lines().iter().any(|l| l.contains("M110"));
    assert!(!greeted(&rig));
    for _ in 0..4 {
        assert!(!greeted(&rig), "not before the others are outnumbered");
        rig.until(2.0, |_| false);
        rig.say(whole);
    }
    assert!(greeted(&rig));
    // Opened anew in mid-greeting, it is known as it is.
    rig.conductor.lost(rig.ms());
    rig.conductor.opened(rig.ms());
    rig.until(2.0, |_| false);
    let from = rig.written.len();
    rig.say(whole);
    let sent = rig.written.split_off(from);
    assert!(
        sent.iter().any(|(_, b)| b.ends_with(b"M110 N0*125\n")),
        "{sent:?}"
    );
}

/// It waits at its own panel before anything is warm: a print does not wait with it for ever.
#[test]
fn a_cold_printer_that_waits_at_its_panel_ends_the_print_in_the_end() {
    let mut rig = Rig::new(&part(53, 100), Faults::default(), 53);
    rig.begin();
    rig.deaf = true;
    let held_s = crate::printer::rig::printer().link.hold_bed_min * 60.0;
    let mut waited = 0.0;
    while waited < held_s + 10.0 {
        rig.say("echo:busy: paused for user");
        rig.until(2.0, |_| false);
        waited += 2.0;
    }
    assert_eq!(rig.job().unwrap().phase, Phase::Stopped);
    assert_eq!(rig.fault().0, "hold_too_long");
}

/// It has waited at its own panel for longer than that when the print is ordered: the print has its own time.
#[test]
fn what_a_printer_waited_before_bounds_no_print() {
    let mut rig = Rig::new(&part(54, 100), Faults::default(), 54);
    assert!(rig.until(60.0, |rig| rig.conductor.port == Port::Ready));
    let held_s = crate::printer::rig::printer().link.hold_bed_min * 60.0;
    let waits = |rig: &mut Rig, s: f64| {
        for _ in 0..(s / 2.0) as u32 {
            rig.say("echo:busy: paused for user");
            rig.until(2.0, |_| false);
        }
    };
    waits(&mut rig, held_s + 60.0);
    rig.begin();
    rig.deaf = true;
    waits(&mut rig, 120.0);
    assert!(!rig.job().unwrap().phase.is_over(), "{:?}", rig.fault());
    waits(&mut rig, held_s);
    assert_eq!(rig.fault().0, "hold_too_long");
}

/// A link that died in mid-print, and a printer that is not the one it printed on.
#[test]
fn after_a_restart_of_the_link_another_printer_gets_nothing_either() {
    let mut rig = in_print(50, 1500);
    let began = rig
        .journal
        .iter()
        .find(|r| matches!(r, Record::Began { .. }));
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    journal.write(began.unwrap()).unwrap();
    let (_, last) = Journal::open(dir.path()).unwrap();
    let setup = Setup {
        printer: crate::printer::rig::printer(),
        port: "rig".into(),
        is_virtual: true,
    };
    rig.conductor = Conductor::new(setup, last);
    rig.deaf = true;
    let from = rig.written.len();
    rig.conductor.opened(rig.ms());
    for _ in 0..4 {
        rig.until(2.0, |_| false);
        rig.say("FIRMWARE_NAME:Marlin OTHER UUID:ffffffff-0000");
    }
    let fault = rig.conductor.status(rig.ms()).fault.unwrap();
    assert_eq!(fault.name, "other_printer");
    let sent = rig.written.split_off(from);
    assert!(
        sent.iter().all(|(_, bytes)| bytes == b"\nM115\n"),
        "{sent:?}"
    );
}

#[test]
fn a_virtual_profile_prints_nothing_on_metal() {
    let mut rig = Rig::new("G28\n", Faults::default(), 51);
    let setup = Setup {
        printer: crate::printer::rig::printer(),
        port: "/dev/ttyUSB0".into(),
        is_virtual: false,
    };
    rig.conductor = Conductor::new(setup, None);
    rig.deaf = true;
    rig.conductor.opened(0);
    for _ in 0..4 {
        rig.until(2.0, |_| false);
        rig.say("FIRMWARE_NAME:Marlin 2.1.2.1 MACHINE_TYPE:Ender");
    }
    let refused = rig
        .conductor
        .print(rig.ms(), "K".into(), "p".into(), "ab".into());
    assert_eq!(refused.unwrap_err().code, "wrong_profile");
}

#[test]
fn a_foreign_firmware_is_named_and_gets_nothing() {
    for (said, word) in [
        (
            "ok FIRMWARE_NAME:Klipper FIRMWARE_VERSION:v0.12.0-1",
            "Klipper",
        ),
        (
            "FIRMWARE_NAME: RepRapFirmware for Duet 2 FIRMWARE_VERSION: 3.4.5",
            "RepRapFirmware",
        ),
        (
            "FIRMWARE_NAME:Repetier_0.92.9 PROTOCOL_VERSION:1.0",
            "Repetier",
        ),
    ] {
        let mut rig = Rig::new("G28\n", Faults::default(), 46);
        rig.deaf = true;
        for _ in 0..5 {
            rig.until(1.0, |_| false);
            rig.say(said);
        }
        let refused = rig
            .conductor
            .print(rig.ms(), "K".into(), "p".into(), "ab".into());
        let refused = refused.unwrap_err();
        assert_eq!(refused.code, "wrong_firmware");
        assert!(refused.text.contains(word), "{}", refused.text);
        rig.until(30.0, |_| false);
        assert!(rig.written.iter().all(|(_, bytes)| bytes == b"\nM115\n"));
    }
}

#[test]
fn garbage_at_every_rate_is_called_a_wrong_rate() {
    let mut rig = Rig::new("G28\n", Faults::default(), 47);
    rig.deaf = true;
    for _ in 0..60 {
        rig.until(0.5, |_| false);
        let now = rig.ms();
        rig.conductor
            .bytes(now, &[0xf8, 0x80, 0xe6, 0x00, 0xfe, b'\n', 0x9e, 0xc0]);
    }
    let fault = rig.conductor.status(rig.ms()).fault.unwrap();
    assert_eq!(fault.name, "wrong_baud");
    assert!(
        fault.text.contains("115200") && !fault.text.contains("print was stopped"),
        "{}",
        fault.text
    );
    let tried: Vec<u32> = rig.bauds.clone();
    assert!(
        tried.contains(&250_000) && tried.contains(&115_200),
        "{tried:?}"
    );
}

#[test]
fn the_end_is_proved_by_position_and_count() {
    let mut rig = Rig::new(&part(48, 200), Faults::default(), 48);
    rig.print();
    let lines = rig.lines();
    let last = lines.iter().rposition(|l| l.contains("M114")).unwrap();
    let asked = lines[last + 1..]
        .iter()
        .find(|l| l.contains("M105"))
        .unwrap();
    let number = |l: &str| -> u64 {
        let digits: String = l[1..].chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    };
    assert!(
        number(asked) > number(&lines[last]) + 2,
        "{asked} after {}",
        lines[last]
    );
}

#[test]
fn nothing_but_a_question_is_said_before_the_printer_is_known() {
    let mut rig = Rig::new(&part(49, 100), Faults::default(), 49);
    rig.begin();
    // The first orders go before the file's lines.
    rig.until(1.0, |_| false);
    assert_eq!(rig.written[0].1, b"\nM115\n");
    let known = rig
        .lines()
        .iter()
        .position(|l| !l.contains("M115"))
        .unwrap();
    assert!(rig.lines()[known].contains("M110"));
    assert!(rig.lines().iter().any(|l| l.contains("M155 S0")));
}

#[test]
fn a_prusa_is_told_how_far_its_print_is_and_a_marlin_is_not() {
    for (firmware, told) in [(Dialect::Prusa314, true), (Dialect::Marlin21, false)] {
        let mut rig = Rig::of(firmware, &part(37, 400), 37);
        rig.assert_printed();
        let lines = rig.lines();
        let said: Vec<&String> = lines.iter().filter(|l| l.contains(" M73 P")).collect();
        assert_eq!(!said.is_empty(), told, "{firmware:?}");
        if told {
            assert!(said[0].contains("M73 P0 R"), "{said:?}");
            assert!(said.len() >= 10 && said.len() <= 101, "{}", said.len());
        }
    }
}
