//! What the headline says, by what matters most.

use super::*;
use crate::status::{Finding, Heater, PrinterView, Prompt};

fn asks() -> Snapshot {
    let mut s = Snapshot::default();
    s.station.releasers = 1;
    s.printer.state = PrinterState::Paused;
    s.printer.prompt = Some(Prompt {
        text: "Filament runout T0".into(),
        choices: vec!["Continue".into()],
    });
    s.jobs.push(JobView {
        code: "K7-2043".into(),
        state: JobState::Paused,
        ..JobView::default()
    });
    s
}

#[test]
fn a_stop_is_told_before_what_the_printer_asks() {
    let said = |s: &Snapshot| {
        let (_, word, text) = headline(s, s.jobs.first());
        (word, text)
    };
    let asked = asks();
    assert_eq!(
        said(&asked),
        ("The printer asks".into(), "Filament runout T0".into())
    );
    // For how long it keeps its heat is said beside it.
    let mut warm = asks();
    warm.printer.fault = Some(Finding::warn(
        "waits_for_person",
        "Heaters go off in 9 min.",
    ));
    assert_eq!(said(&warm).1, "Filament runout T0 Heaters go off in 9 min.");
    for fault in ["stop_sent", "emergency_stop", "stop_unanswered"] {
        for state in [
            PrinterState::Halted,
            PrinterState::Paused,
            PrinterState::Disconnected,
        ] {
            let mut s = asks();
            s.printer.state = state;
            s.printer.fault = Some(Finding::refuse(fault, "Emergency stop."));
            assert_eq!(said(&s), ("Needs you".into(), "Emergency stop.".into()));
            assert_eq!(live(&s).facts["asks"], serde_json::Value::Null);
        }
    }
    for state in [PrinterState::Halted, PrinterState::LinkDown] {
        let mut s = asks();
        s.printer.state = state;
        assert_ne!(said(&s).0, "The printer asks", "{state:?}");
    }
}

#[test]
fn what_may_be_tuned_is_told_while_a_print_runs_and_not_after_it() {
    let mut s = asks();
    let tuning: crate::status::Tuning = serde_json::from_value(serde_json::json!({
        "speed_percent": 80.0, "flow_percent": 100.0, "fan_percent": 100.0, "z_mm": 0.0,
        "bounds": {
            "speed_percent": [50.0, 120.0], "flow_percent": [90.0, 110.0],
            "fan_percent": [0.0, 150.0], "z_mm": [0.0, 0.0],
        },
    }))
    .unwrap();
    s.printer.tuning = Some(tuning);
    for (state, told) in [
        (PrinterState::Printing, true),
        (PrinterState::Paused, true),
        (PrinterState::Halted, false),
        (PrinterState::LinkDown, false),
    ] {
        s.printer.state = state;
        assert_eq!(
            live(&s).facts["tuning"]["speed_percent"].is_number(),
            told,
            "{state:?}"
        );
    }
}

#[test]
fn a_link_that_is_barred_is_said_while_it_prints_too() {
    let text = "The link runs with another port than the station's configuration says.";
    let mut s = asks();
    s.printer = PrinterView {
        state: PrinterState::Printing,
        barred: Some(Finding::refuse("link_differs", text)),
        ..PrinterView::default()
    };
    s.jobs[0].state = JobState::Printing;
    assert!(needs(&s).into_string().contains("another port"));
    s.printer.barred = None;
    assert!(!needs(&s).into_string().contains("another port"));
}

#[test]
fn without_a_store_nobody_is_told_to_add_people() {
    let mut s = Snapshot::default();
    s.printer.state = PrinterState::Idle;
    assert!(needs(&s).into_string().contains("operator add"));
    let text = "The disk is full.";
    s.station.attention.push(Finding::refuse("no_store", text));
    assert!(!needs(&s).into_string().contains("operator add"));
}

#[test]
fn who_comes_for_a_release_is_told_of_the_bed_and_of_the_heat() {
    let mut s = Snapshot::default();
    (s.printer.state, s.station.releasers) = (PrinterState::Idle, 1);
    s.jobs.push(JobView {
        code: "M7-3795".into(),
        state: JobState::AwaitingRelease,
        ..JobView::default()
    });
    s.printer.hotend = Some(Heater {
        now_c: 159.0,
        target_c: 0.0,
    });
    let (_, word, text) = headline(&s, None);
    assert_eq!(word, "M7-3795 waits for release");
    assert!(text.contains("159"), "{text}");
    s.printer.on_bed = Some("K7-2043".into());
    assert!(headline(&s, None).2.contains("K7-2043"));
}
