//! A stop stays what it is, whatever the printer says behind it and whichever link comes next.

use super::super::{Conductor, Setup};
use super::happening;
use crate::printer::journal::Journal;
use crate::printer::rig::{Rig, part, printer};
use crate::printer::transport::LineFault;
use crate::printer::virtual_printer::{Faults, What};
use crate::status::PrinterState;

const PANEL: [&str; 5] = [
    "echo:busy: paused for user",
    "//action:prompt_begin Filament runout",
    "//action:prompt_show",
    "//action:paused",
    "echo:busy: processing",
];

fn fault(rig: &Rig) -> String {
    let fault = rig.conductor.status(rig.ms()).fault;
    fault.map_or(String::new(), |f| f.name)
}

fn setup() -> Setup {
    Setup {
        printer: printer(),
        port: "rig".into(),
        is_virtual: true,
    }
}

#[test]
fn what_the_panel_says_after_a_stop_does_not_take_its_place() {
    for (stall, names) in [
        (true, &["stop_sent", "stop_unanswered"][..]),
        (false, &["stop_sent", "emergency_stop"]),
    ] {
        let faults = if stall {
            happening(100, What::Stall, 1e6)
        } else {
            Faults::default()
        };
        let mut rig = Rig::new(&part(16, 300), faults, 16);
        rig.begin();
        rig.until(200.0, |rig| rig.board.firmware().accepted() >= 100);
        rig.conductor.emergency_stop(rig.ms());
        for name in names {
            for line in PANEL {
                rig.say(line);
                assert_eq!(fault(&rig), *name, "{line}");
            }
            rig.until(9.0, |rig| fault(rig) != *name);
        }
        let last = names[names.len() - 1];
        rig.until(60.0, |_| false);
        rig.say("echo:busy: paused for user");
        rig.say("Error:Failed to enable Bed Leveling");
        let status = rig.conductor.status(rig.ms());
        assert_eq!(status.fault.unwrap().name, last);
        assert_eq!((status.prompt, status.state), (None, PrinterState::Halted));
    }
}

#[test]
fn a_stop_that_found_no_printer_is_not_hidden_by_one_that_comes_and_waits() {
    let mut rig = Rig::new(&part(16, 300), Faults::default(), 16);
    rig.conductor.lost(rig.ms());
    rig.conductor.emergency_stop(rig.ms());
    assert_eq!(fault(&rig), "stop_unanswered");
    rig.deaf = true;
    rig.conductor.opened(rig.ms());
    rig.say("echo:busy: paused for user");
    assert_eq!(fault(&rig), "stop_unanswered");
}

/// Silence and stop may be found in one and the same round.
#[test]
fn a_fault_of_the_line_does_not_undo_a_stop() {
    let mut rig = Rig::new(&part(16, 300), Faults::default(), 16);
    rig.begin();
    assert!(rig.until(200.0, |rig| rig.board.firmware().accepted() >= 100));
    rig.deaf = true;
    rig.conductor.emergency_stop(rig.ms());
    for fault in [
        LineFault::Silent { silent_s: 20.0 },
        LineFault::Reset,
        LineFault::Unanswered { lines: 1 },
    ] {
        rig.conductor.line_fault(rig.ms(), &fault);
        assert_eq!(
            rig.conductor.status(rig.ms()).state,
            PrinterState::Halted,
            "{fault:?}"
        );
    }
    // It is sent on, and nothing else is.
    let from = rig.written.len();
    rig.until(60.0, |_| false);
    let sent = rig.written.split_off(from);
    assert!(sent.len() > 8);
    assert!(sent.iter().all(|(_, b)| b == b"\nM112\n"), "{sent:?}");
}

/// The journal as it lies on the disk, and a link that begins with it.
fn next_link(rig: &mut Rig) {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    for record in &rig.journal {
        journal.write(record).unwrap();
    }
    drop(journal);
    let (journal, last) = Journal::open(dir.path()).unwrap();
    rig.conductor = Conductor::new(setup(), last);
    if let Some(fault) = journal.halt() {
        rig.conductor.still_halted(fault.clone());
    }
    rig.conductor.opened(rig.ms());
}

#[test]
fn a_halt_outlives_the_link_until_a_person_has_looked() {
    let mut rig = Rig::new(&part(16, 300), Faults::default(), 16);
    rig.begin();
    rig.until(90.0, |_| false);
    rig.conductor.emergency_stop(rig.ms());
    rig.until(1.0, |_| false);
    let written = rig.written.len();
    next_link(&mut rig);
    rig.until(30.0, |_| false);
    let status = rig.conductor.status(rig.ms());
    assert!(status.needs_a_person());
    assert_eq!(
        (status.state, fault(&rig)),
        (PrinterState::Halted, "emergency_stop".into())
    );
    assert_eq!(
        rig.written.len(),
        written,
        "nothing is said to a halted one"
    );
    rig.conductor.recover(rig.ms()).unwrap();
    assert!(rig.until(60.0, |rig| {
        rig.conductor.status(rig.ms()).state == PrinterState::Idle
    }));
    next_link(&mut rig);
    assert!(rig.until(60.0, |rig| {
        rig.conductor.status(rig.ms()).state == PrinterState::Idle
    }));
}

#[test]
fn a_stop_that_was_on_its_way_when_the_link_died_is_sent_again() {
    let mut rig = Rig::new(&part(16, 300), Faults::default(), 16);
    rig.begin();
    rig.until(90.0, |_| false);
    rig.deaf = true;
    rig.conductor.emergency_stop(rig.ms());
    rig.carry_out();
    rig.deaf = false;
    assert!(!rig.board.firmware().is_halted());
    next_link(&mut rig);
    assert_eq!(fault(&rig), "stop_unanswered");
    assert!(rig.until(1.0, |rig| rig.board.firmware().is_halted()));
    rig.until(1.0, |_| false);
    assert_eq!(fault(&rig), "emergency_stop");
    assert_eq!(rig.board.firmware().targets_c(), [0.0, 0.0]);
}

#[test]
fn behind_an_emergency_the_mains_go_off_once_and_never_behind_a_cancel() {
    let begun = || {
        let mut rig = Rig::new(&part(16, 300), Faults::default(), 16);
        rig.begin();
        assert!(rig.until(200.0, |rig| rig.board.firmware().accepted() >= 100));
        rig
    };
    let mut rig = begun();
    let pressed = rig.now;
    rig.conductor.emergency_stop(rig.ms());
    rig.until(60.0, |_| false);
    let [off] = rig.switched_off_s[..] else {
        panic!("{:?}", rig.switched_off_s);
    };
    assert!(
        off >= pressed + 2.0 && off < pressed + 5.0,
        "{pressed} {off}"
    );
    // A firmware that halts itself has a heater that nobody may trust.
    let mut rig = begun();
    rig.say("Error:Thermal Runaway, system stopped! Heater_ID: 0");
    rig.say("Error:Printer halted. kill() called!");
    rig.until(60.0, |_| false);
    assert_eq!(rig.switched_off_s.len(), 1);
    let mut rig = begun();
    rig.conductor.cancel(rig.ms()).unwrap();
    rig.finish();
    rig.until(60.0, |_| false);
    assert_eq!(rig.switched_off_s, [0.0; 0]);
}
