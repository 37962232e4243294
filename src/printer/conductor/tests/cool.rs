//! Heat after an end: off is what the printer says, not what was ordered.

use super::super::{Conductor, Setup};
use super::{fault_name, happening};
use crate::gcode;
use crate::printer::rig::{Rig, part, printer};
use crate::printer::virtual_printer::{Dialect, Faults, Log, Options, What};
use crate::printer::wire::Phase;

/// A print on a RepRapFirmware, under a profile for one.
fn duet(text: &str, seed: u64) -> Rig {
    let mut rig = Rig::new(text, Faults::default(), seed);
    let mut printer = printer();
    printer.dialect = gcode::Dialect::RepRapFirmware;
    printer.link.window = 1;
    let options = Options::of(Dialect::Duet, printer.limits);
    rig.board = crate::printer::virtual_printer::Board::new(
        options,
        Faults::default(),
        seed,
        Log::keeping(),
    );
    let setup = Setup {
        printer,
        port: "rig".into(),
        is_virtual: true,
    };
    rig.conductor = Conductor::new(setup, None);
    rig.conductor.opened(0);
    rig
}

/// A file whose filament is pushed by a tool, as RepRapFirmware asks for.
fn with_tool(seed: u64, lines: usize) -> String {
    part(seed, lines).replace("G90\n", "T0\nG90\n")
}

fn is_off(rig: &Rig) -> bool {
    rig.board.firmware().targets_c() == [0.0, 0.0]
}

#[test]
fn an_order_that_got_lost_under_another_lines_ok_is_given_again() {
    let mut rig = duet(&with_tool(61, 300), 61);
    rig.begin();
    assert!(rig.until(400.0, |rig| rig.job().is_some_and(|j| j.layer > 0)));
    rig.swallows = |line| line.contains("M104 S0") || line.contains("M140 S0");
    rig.conductor.cancel(rig.ms()).unwrap();
    let job = rig.finish();
    assert_eq!(fault_name(&job), "cancelled");
    rig.until(30.0, |_| false);
    assert!(!is_off(&rig));
    let said = rig.conductor.status(rig.ms()).fault.unwrap();
    assert!(said.text.contains("may still be hot"), "{}", said.text);
    rig.swallows = |_| false;
    assert!(rig.until(10.0, is_off_now));
    rig.until(5.0, |_| false);
    let said = rig.conductor.status(rig.ms()).fault;
    assert!(said.is_none(), "{said:?}");
}

fn is_off_now(rig: &mut Rig) -> bool {
    is_off(rig)
}

#[test]
fn orders_that_never_help_are_followed_by_the_emergency_stop() {
    let mut rig = duet(&with_tool(62, 300), 62);
    rig.begin();
    assert!(rig.until(400.0, |rig| rig.job().is_some_and(|j| j.layer > 0)));
    rig.swallows = |line| line.contains("M104 S0") || line.contains("M140 S0");
    rig.say("Error: Heater 1 fault: temperature excursion exceeded 15.0C");
    assert_eq!(rig.job().unwrap().phase, Phase::Stopped);
    assert!(rig.until(310.0, is_off_now));
    assert!(rig.lines().iter().any(|line| line == "M112"));
}

#[test]
fn a_print_right_after_a_cancel_is_taken() {
    let mut rig = Rig::new(&part(63, 300), Faults::default(), 63);
    rig.begin();
    assert!(rig.until(400.0, |rig| rig.job().is_some_and(|j| j.layer > 0)));
    rig.conductor.cancel(rig.ms()).unwrap();
    rig.finish();
    let ms = rig.ms();
    rig.conductor
        .print(ms, "K7-2044".into(), "part.gcode".into(), "ab".into())
        .unwrap();
    let job = rig.finish();
    assert_eq!(job.phase, Phase::Printed, "{:?}", job.fault);
}

#[test]
fn a_stop_is_sent_until_a_printer_that_was_deaf_hears_it() {
    // Deaf for a minute and a half, and nothing is wired to its reset.
    let mut rig = duet(&with_tool(64, 300), 64);
    rig.begin();
    assert!(rig.until(400.0, |rig| rig.job().is_some_and(|j| j.layer > 0)));
    rig.deaf = true;
    rig.conductor.emergency_stop(rig.ms());
    rig.until(90.0, |_| false);
    assert!(!is_off(&rig));
    rig.deaf = false;
    assert!(rig.until(11.0, is_off_now));
}

#[test]
fn a_printer_that_waits_for_heat_without_a_word_is_stopped_at_once() {
    let text = part(65, 300);
    let mut rig = Rig::new(&text, happening(12, What::NeverReached, 0.0), 65);
    rig.begin();
    assert!(rig.until(300.0, |rig| {
        rig.lines().iter().any(|line| line.contains("M109 S215"))
    }));
    // What it says is lost from now on, what it hears is not.
    rig.lost = |_| true;
    let job = rig.finish();
    assert_eq!(fault_name(&job), "printer_silent");
    assert!(rig.until(3.0, |rig| rig.board.firmware().is_halted()));
    assert!(is_off(&rig));
}

#[test]
fn a_nozzle_that_was_cold_for_the_last_strokes_does_not_end_as_printed() {
    let lines = 200;
    let mut rig = Rig::new(
        &part(66, lines),
        happening(lines as u64 - 6, What::Thermal, 0.0),
        66,
    );
    rig.lost = |line| line.contains("cold extrusion");
    let job = rig.print();
    assert_eq!(job.phase, Phase::Stopped);
    assert_eq!(fault_name(&job), "cold_extrusion");
}

/// The cable was pulled while it waited for heat that never comes, and the board was not reset by it: the questions who it is
/// lie behind the wait, and must not fill the queue in front of the stop.
#[test]
fn a_printer_that_comes_back_while_it_waits_for_heat_hears_the_stop() {
    let text = part(67, 300);
    let mut rig = Rig::new(&text, happening(12, What::NeverReached, 0.0), 67);
    rig.begin();
    assert!(rig.until(300.0, |rig| {
        rig.lines().iter().any(|line| line.contains("M109 S215"))
    }));
    rig.until(5.0, |_| false);
    rig.conductor.lost(rig.ms());
    rig.until(1.0, |_| false);
    rig.conductor.opened(rig.ms());
    let job = rig.finish();
    assert_eq!(fault_name(&job), "printer_gone");
    assert!(!is_off(&rig));
    assert!(rig.until(310.0, is_off_now));
    assert!(rig.board.firmware().is_halted());
}
