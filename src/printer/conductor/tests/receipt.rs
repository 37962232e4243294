//! Repetier: its `ok` says that a line was read, its E counts no relative push, and half a line is a line to it.

use crate::printer::rig::{Rig, part, printer};
use crate::printer::virtual_printer::{Board, Dialect, Faults, Log, Options, Record};
use crate::printer::wire::Phase;
use crate::status::PrinterState;

fn rig(gcode: &str, seed: u64) -> Rig {
    Rig::of(Dialect::Repetier, gcode, seed)
}

/// On a wire with these faults.
fn on(gcode: &str, faults: Faults, seed: u64, change: impl FnOnce(&mut Options)) -> Rig {
    let mut rig = rig(gcode, seed);
    let mut options = Options::of(Dialect::Repetier, printer().limits);
    change(&mut options);
    rig.board = Board::new(options, faults, seed, Log::keeping());
    rig
}

/// The same strokes with absolute E.
pub(super) fn absolute(lines: usize) -> String {
    let mut text = String::from(
        "M140 S40\nM104 S150\nG28\nM190 S40\nM109 S180\nG90\nM82\nG92 E0\nG1 Z0.3 F600\n",
    );
    for k in 0..lines {
        let (x, y, e) = (30 + k % 40, 20 + k / 40, 0.05 * (k + 1) as f64);
        text += &format!("G1 X{x} Y{y} E{e:.5} F3600\n");
    }
    text + "M107\nM104 S0\nM140 S0\nG1 X10 Y200 F6000\nM84\n"
}

fn is_paused(rig: &mut Rig) -> bool {
    rig.job().is_some_and(|job| job.phase == Phase::Paused)
}

fn is_moving(rig: &mut Rig) -> bool {
    rig.executed().len() > 40
}

#[test]
fn a_print_is_exact_with_relative_and_absolute_e() {
    for text in [part(1, 400), absolute(300)] {
        let mut rig = rig(&text, 1);
        rig.assert_printed();
        assert_eq!(rig.board.firmware().overflow(), 0);
        let figures = rig.conductor.status(rig.ms()).line;
        assert_eq!((figures.resends, figures.probes), (0, 0));
        let hotend = rig.conductor.status(rig.ms()).hotend;
        assert!(hotend.is_some(), "its temperatures are asked for");
    }
}

#[test]
fn a_line_goes_on_when_the_wait_before_it_is_over_and_not_at_its_ok() {
    let mut rig = rig(&part(2, 200), 2);
    rig.begin();
    let heats = |rig: &mut Rig| rig.lines().iter().any(|line| line.contains("M109"));
    assert!(rig.until(400.0, heats));
    rig.until(2.0, |_| false);
    assert!(rig.board.firmware().is_blocked());
    let after = rig.lines().iter().rposition(|line| line.contains("M109"));
    let behind: Vec<String> = rig.lines().split_off(after.unwrap() + 1);
    assert!(
        behind.iter().all(|line| line.contains("M114")),
        "{behind:?}"
    );
    assert_eq!(rig.finish().phase, Phase::Printed);
}

#[test]
fn a_pause_holds_what_has_come_to_rest_and_goes_on_exactly() {
    for text in [part(3, 900), absolute(700)] {
        let mut rig = rig(&text, 3);
        rig.begin();
        assert!(rig.until(400.0, is_moving));
        rig.conductor.pause(rig.ms()).unwrap();
        assert!(rig.until(60.0, is_paused));
        assert!(rig.board.is_at_rest(), "held is what stands still");
        rig.until(30.0, |_| false);
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
        // What is pulled back and primed besides the file: 0.2 mm.
        let over = executed.last().unwrap()[3] - rig.planned().last().unwrap()[3];
        assert!((over - 2_000).abs() <= 20, "{over}");
    }
}

#[test]
fn a_cancel_parks_and_cools_and_an_emergency_stop_resets_the_board() {
    let mut rig = rig(&part(4, 900), 4);
    rig.begin();
    assert!(rig.until(400.0, is_moving));
    rig.conductor.cancel(rig.ms()).unwrap();
    assert_eq!(rig.finish().phase, Phase::Stopped);
    assert_eq!(rig.fault().0, "cancelled");
    assert!(rig.board.is_at_rest(), "parked");
    assert_eq!(rig.board.firmware().targets_c(), [0.0, 0.0]);

    // While it waits for heat, too: it looks into what has arrived.
    for heating in [false, true] {
        let mut rig = self::rig(&part(5, 900), 5);
        rig.begin();
        let there = |rig: &mut Rig| {
            if heating {
                rig.board.firmware().is_blocked() && rig.board.firmware().targets_c()[0] > 200.0
            } else {
                is_moving(rig)
            }
        };
        assert!(rig.until(400.0, there));
        rig.conductor.emergency_stop(rig.ms());
        rig.until(0.2, |_| false);
        assert_eq!(rig.board.firmware().targets_c(), [0.0, 0.0]);
        rig.until(5.0, |_| false);
        let status = rig.conductor.status(rig.ms());
        assert_eq!(status.state, PrinterState::Halted);
        assert_eq!(status.fault.unwrap().name, "emergency_stop");
    }
}

#[test]
fn what_a_false_line_end_leaves_of_a_line_is_never_carried_out() {
    let faults = Faults {
        insert_lf: 2e-3,
        drop_up: 5e-4,
        ..Faults::default()
    };
    let mut rig = on(&part(6, 1500), faults, 6, |_| {});
    let job = rig.print();
    assert_eq!(job.phase, Phase::Printed, "{:?}", job.fault);
    assert_eq!(rig.executed(), rig.planned());
    assert!(rig.conductor.status(rig.ms()).line.resends > 20);
    let unnumbered = rig.records.iter().filter(
        |record| matches!(record, Record::Line { number: None, text, .. } if text.starts_with('G')),
    );
    assert_eq!(unnumbered.count(), 0);
}

#[test]
fn one_that_hears_no_stop_while_it_heats_is_refused_by_name() {
    let mut rig = on(&part(7, 100), Faults::default(), 7, |options| {
        options.emergency_parser = false;
    });
    rig.until(20.0, |_| false);
    let refused = rig
        .conductor
        .print(rig.ms(), "K".into(), "p".into(), "ab".into());
    let refused = refused.unwrap_err();
    assert_eq!(refused.code, "wrong_firmware");
    assert!(
        refused.text.contains("EMERGENCY_PARSER"),
        "{}",
        refused.text
    );
    assert!(rig.lines().iter().all(|line| line.starts_with("M115")));
}

#[test]
fn a_nozzle_that_turns_cold_without_a_word_ends_the_print() {
    let mut rig = rig(&part(8, 1500), 8);
    rig.begin();
    assert!(rig.until(400.0, is_moving));
    rig.say("T:120.00 /215 B:60.00 /60 B@:0 @:255");
    rig.say("T:120.00 /215 B:60.00 /60 B@:0 @:255");
    assert_eq!(rig.fault().0, "cold_extrusion");
}
