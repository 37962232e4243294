//! A printer that waits for heat hears the emergency stop, whatever else goes wrong meanwhile.

use crate::printer::rig::{Rig, part};
use crate::printer::transport::LineFault;
use crate::printer::virtual_printer::Dialect;
use crate::printer::wire::Phase;
use crate::status::PrinterState;

/// Begun, and in the wait for the nozzle.
fn in_wait(seed: u64, firmware: Dialect) -> Rig {
    let mut rig = Rig::of(firmware, &part(seed, 300), seed);
    rig.begin();
    let waits = rig.until(400.0, |rig| {
        let firmware = rig.board.firmware();
        firmware.targets_c()[0] > 200.0 && firmware.is_blocked()
    });
    assert!(waits);
    rig.until(2.0, |_| false);
    rig
}

fn lines_since(rig: &Rig, from: usize) -> Vec<String> {
    let texts = rig.written[from..].iter();
    let texts = texts.flat_map(|(_, bytes)| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    texts.filter(|line| !line.is_empty()).collect()
}

#[test]
fn a_port_that_comes_and_goes_in_a_wait_leaves_a_place_for_the_stop() {
    let mut rig = in_wait(71, Dialect::Marlin21);
    // The lines of the wait get lost: nothing says that it is one.
    rig.lost = |line| line.contains("W:") || line.contains("busy");
    let from = rig.written.len();
    for _ in 0..6 {
        rig.conductor.lost(rig.ms());
        rig.until(0.5, |_| false);
        rig.conductor.opened(rig.ms());
        rig.until(4.0, |_| false);
    }
    assert!(rig.board.firmware().is_blocked(), "it still waits");
    let asked = lines_since(&rig, from);
    let questions = asked.iter().filter(|l| *l == "M115").count();
    assert!((1..=2).contains(&questions), "{asked:?}");
    rig.conductor.emergency_stop(rig.ms());
    assert!(rig.until(1.0, |rig| rig.board.firmware().is_halted()));
}

#[test]
fn a_printer_that_was_asked_in_its_wait_prints_on_when_the_port_stays() {
    let mut rig = in_wait(72, Dialect::Marlin21);
    rig.conductor.lost(rig.ms());
    rig.until(0.5, |_| false);
    rig.conductor.opened(rig.ms());
    let job = rig.finish();
    assert_eq!(job.phase, Phase::Printed, "{:?}", job.fault);
    assert_eq!(rig.executed(), rig.planned());
}

#[test]
fn a_line_that_fails_behind_a_stop_in_a_wait_ends_in_the_emergency_stop() {
    let mut rig = in_wait(73, Dialect::Marlin21);
    rig.say("Error: Failed to enable Bed Leveling");
    assert_eq!(rig.job().unwrap().phase, Phase::Stopped);
    let from = rig.written.len();
    // The orders to switch off stand behind the wait. Greeting anew would fill the queue.
    rig.conductor
        .line_fault(rig.ms(), &LineFault::Silent { silent_s: 20.0 });
    rig.carry_out();
    let said = lines_since(&rig, from);
    assert_eq!(said, ["M112"]);
    assert_eq!(rig.conductor.status(rig.ms()).state, PrinterState::Halted);
    assert!(rig.until(5.0, |rig| rig.board.firmware().is_halted()));
    assert_eq!(rig.fault().0, "printer_fault", "the cause stays");
}

#[test]
fn a_lost_answer_to_a_wait_switches_klipper_off_and_does_not_halt_it() {
    let mut rig = in_wait(74, Dialect::Klipper);
    rig.lost = |line| line == "ok";
    let over = rig.until(900.0, |rig| rig.job().is_some_and(|j| j.phase.is_over()));
    rig.lost = |_| false;
    assert!(over);
    assert_eq!(rig.fault().0, "line_unanswered");
    assert!(rig.until(120.0, |rig| rig.board.firmware().targets_c() == [0.0, 0.0]));
    assert!(!rig.board.firmware().is_halted());
    assert!(!rig.lines().iter().any(|l| l.contains("M112")));
}
