//! Prints from the first line to the last against the virtual printer, on one virtual clock. `pitfall_NN_…` are
//! the ways in which hosts are known to lose prints.

use super::{Conductor, Setup};
use crate::printer::journal::{Journal, Record};
use crate::printer::rig::{Rig, part};
use crate::printer::virtual_printer::{Dialect, Faults, Happening, What};
use crate::printer::wire::{JobStatus, Phase};

mod cool;
mod firmwares;
mod modes;
mod receipt;
mod stops;
mod tune;
mod waits;

fn fault_name(job: &JobStatus) -> String {
    job.fault.as_ref().map_or(String::new(), |f| f.name.clone())
}

fn happening(line: u64, what: What, amount: f64) -> Faults {
    Faults {
        at: vec![Happening {
            line: Some(line),
            s: None,
            what,
            amount,
        }],
        ..Faults::default()
    }
}

#[test]
fn a_clean_print_executes_exactly_the_plan() {
    let mut rig = Rig::new(&part(1, 400), Faults::default(), 1);
    rig.assert_printed();
    assert_eq!(rig.board.firmware().overflow(), 0);
    assert_eq!(rig.conductor.status(rig.ms()).line.resends, 0);
}

/// As many as `CALVARIA_PRINTS` says (10 without): on a wire that loses, flips and doubles bytes both ways and
/// loses `ok`s, a print executes exactly the plan or is stopped with the fault named.
#[test]
fn sim_seeded_prints_on_a_bad_line() {
    let prints: u64 = std::env::var("CALVARIA_PRINTS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(10);
    let mut printed = 0;
    for seed in 1..=prints {
        let text = part(seed, 500 + (seed as usize * 37) % 1500);
        let mut rig = Rig::new(&text, Faults::bad_line(1e-4), seed);
        let job = rig.print();
        let figures = rig.conductor.status(rig.ms()).line;
        println!(
            "seed {seed}: {:?} {} resends {} probes {} {:.0} s",
            job.phase,
            fault_name(&job),
            figures.resends,
            figures.probes,
            rig.now
        );
        match job.phase {
            Phase::Printed => {
                assert_eq!(rig.executed(), rig.planned(), "seed {seed}");
                printed += 1;
            }
            _ => assert!(job.fault.is_some(), "seed {seed} stopped without a reason"),
        }
    }
    assert!(printed * 10 >= prints * 9, "{printed} of {prints} printed");
}

#[test]
fn pitfall_01_lost_ok() {
    let text = part(11, 1500);
    let mut clean = Rig::new(&text, Faults::default(), 1);
    clean.assert_printed();
    let faults = Faults {
        drop_ok: 0.005,
        ..Faults::default()
    };
    let mut rig = Rig::new(&text, faults, 11);
    rig.assert_printed();
    assert!(
        rig.now < clean.now * 1.02 + 6.0,
        "{} s against {} s",
        rig.now,
        clean.now
    );
}

#[test]
fn pitfall_02_duplicate_is_silent() {
    for dialect in [Dialect::Marlin21, Dialect::Marlin20] {
        let faults = Faults {
            drop_ok: 0.01,
            late_ok: 0.01,
            late_s: 3.0,
            ..Faults::default()
        };
        let mut rig = Rig::with(&part(2, 600), faults, 2, |o| o.dialect = dialect);
        rig.assert_printed();
    }
}

#[test]
fn pitfall_03_resend_storm() {
    for latency_s in [0.0, 0.0025, 0.025, 0.1] {
        let faults = Faults {
            corrupt_up: 2.5e-4,
            latency_s,
            baud: 115_200,
            ..Faults::default()
        };
        let mut rig = Rig::new(&part(3, 600), faults, 3);
        let job = rig.print();
        assert_eq!(job.phase, Phase::Printed, "{latency_s}: {:?}", job.fault);
        assert_eq!(rig.executed(), rig.planned(), "{latency_s}");
        let figures = rig.conductor.status(rig.ms()).line;
        assert!(figures.resends > 0);
        // Fences: one in 50 lines or in 1.5 s. A fault costs three repeats, a question and a fence.
        let fences = 600 / 50 + (rig.now / 1.5) as u64;
        let limit = 600 + fences + 10 + 6 * figures.resends;
        assert!(
            figures.sent <= limit,
            "{latency_s}: {figures:?} limit {limit}"
        );
    }
}

#[test]
fn pitfall_05_resend_without_ok() {
    let faults = Faults {
        corrupt_up: 2e-4,
        ..Faults::default()
    };
    let mut rig = Rig::with(&part(5, 600), faults, 5, |o| o.resend_ok = false);
    rig.assert_printed();
}

#[test]
fn pitfall_06_phantom_ok() {
    let faults = Faults {
        corrupt_up: 0.02,
        corrupt_up_only: "N".into(),
        ..Faults::default()
    };
    let mut rig = Rig::new(&part(6, 600), faults, 6);
    rig.assert_printed();
    assert!(rig.conductor.status(rig.ms()).line.resends > 0);
}

#[test]
fn pitfall_07_tail_executed() {
    let mut stopped = 0;
    for seed in 1..=12 {
        let faults = Faults {
            insert_lf: 2e-4,
            ..Faults::default()
        };
        let mut rig = Rig::new(&part(seed, 600), faults, seed);
        let job = rig.print();
        if job.phase == Phase::Printed {
            assert_eq!(rig.executed(), rig.planned(), "seed {seed}");
        } else {
            assert_eq!(
                fault_name(&job),
                "position_differs",
                "seed {seed}: {:?}",
                job.fault
            );
            stopped += 1;
        }
    }
    assert!(stopped < 12, "most LFs fall where they harm nothing");
}

#[test]
fn pitfall_09_empty_lines() {
    let text = format!(
        ";head\r\n\r\n  \r\n{}",
        part(9, 200).replace('\n', "\r\n\r\n;x\r\n")
    );
    let mut rig = Rig::new(text.trim_end(), Faults::default(), 9);
    rig.assert_printed();
    assert_eq!(rig.conductor.status(rig.ms()).line.probes, 0);
}

#[test]
fn pitfall_10_reset_mid_print() {
    // Ten lines and the M85 go before the file's first.
    for line in [14, 20, 60, 150, 290] {
        let mut rig = Rig::new(&part(10, 300), happening(line, What::Reset, 0.0), 10);
        let job = rig.print();
        assert_eq!(
            (job.phase, fault_name(&job)),
            (Phase::Stopped, "printer_reset".into()),
            "{line}"
        );
        let at = rig.written.len();
        rig.until(30.0, |_| false);
        rig.written.drain(..at);
        for text in rig.lines() {
            let harmless = [
                "M110",
                "M105",
                "M115",
                "M104 S0",
                "M140 S0",
                "M107",
                "M155 S0",
                "M85 S0",
                "M220 S100",
                "M221 S100",
                "M400",
                "M114",
            ];
            assert!(
                harmless.iter().any(|h| text.contains(h)),
                "sent after the reset: {text}"
            );
        }
    }
}

#[test]
fn pitfall_12_replug() {
    for (away_s, phase) in [
        (0.2, Phase::Printed),
        (2.0, Phase::Printed),
        (30.0, Phase::Printed),
        (300.0, Phase::Stopped),
    ] {
        let mut rig = Rig::new(&part(12, 300), happening(120, What::Disconnect, away_s), 12);
        let job = rig.print();
        assert_eq!(job.phase, phase, "{away_s} s: {:?}", job.fault);
        if phase == Phase::Printed {
            assert_eq!(rig.executed(), rig.planned(), "{away_s} s");
        } else {
            assert_eq!(fault_name(&job), "printer_gone");
        }
    }
}

#[test]
fn pitfall_13_silent_homing() {
    let text = "G28\nG90\nG1 Z100 F600\nG1 X100 Y100 F6000\nM113 S0\nG28\nG1 X10 Y10 F6000\nM84\n";
    let mut rig = Rig::new(text, Faults::default(), 13);
    let job = rig.print();
    assert_eq!(job.phase, Phase::Printed, "{:?}", job.fault);
    assert_eq!(rig.conductor.status(rig.ms()).line.probes, 0);
}

#[test]
fn pitfall_15_advanced_ok_gap() {
    let mut rig = Rig::with(&part(15, 400), Faults::bad_line(1e-4), 15, |o| {
        o.advanced_ok = true
    });
    rig.assert_printed();
}

#[test]
fn pitfall_16_estop_latency() {
    for moment in 0..40_u32 {
        let faults = Faults {
            baud: 115_200,
            ..Faults::default()
        };
        let mut rig = Rig::new(&part(16, 300), faults, u64::from(moment));
        rig.begin();
        rig.until(70.0 + f64::from(moment) * 0.617, |_| false);
        let (pressed, written) = (rig.now, rig.written.len());
        rig.conductor.emergency_stop(rig.ms());
        assert!(
            rig.until(0.4, |rig| rig.board.firmware().is_halted()),
            "moment {moment}"
        );
        assert!(
            rig.now - pressed < 0.25,
            "moment {moment}: {} s",
            rig.now - pressed
        );
        assert_eq!(rig.written[written].1, b"\nM112\n", "moment {moment}");
        assert!(
            rig.lines()
                .iter()
                .all(|l| !(l.starts_with('N') && l.contains("M112")))
        );
        let job = rig.finish();
        assert_eq!(
            (job.phase, fault_name(&job)),
            (Phase::Stopped, "emergency_stop".into())
        );
        assert_eq!(rig.board.firmware().targets_c(), [0.0, 0.0]);
    }
}

#[test]
fn an_unanswered_stop_sends_the_person_to_the_switch() {
    let mut rig = Rig::new(&part(16, 300), happening(100, What::Stall, 1e6), 16);
    rig.begin();
    rig.until(200.0, |rig| {
        rig.job().is_some_and(|j| j.layer > 0) && rig.board.firmware().accepted() >= 100
    });
    assert!(rig.conductor.status(rig.ms()).hotend.is_some());
    rig.conductor.emergency_stop(rig.ms());
    // Nothing is said to be off, and no temperature is shown, before the firmware has said so.
    let status = rig.conductor.status(rig.ms());
    let fault = status.fault.unwrap();
    assert_eq!(fault.name, "stop_sent");
    assert!(!fault.text.contains("off."), "{}", fault.text);
    assert_eq!((status.hotend, status.bed), (None, None));
    let of_job = status.job.unwrap().fault.unwrap();
    assert_eq!(of_job.name, "emergency_stop");
    assert!(!of_job.text.contains(" off"), "{}", of_job.text);
    rig.until(3.0, |_| false);
    let fault = rig.conductor.status(rig.ms()).fault.unwrap();
    assert_eq!(fault.name, "stop_unanswered");
}

#[test]
fn a_confirmed_stop_says_so_and_shows_no_old_temperature() {
    let mut rig = Rig::new(&part(16, 300), Faults::default(), 16);
    rig.begin();
    rig.until(90.0, |_| false);
    rig.conductor.emergency_stop(rig.ms());
    rig.until(1.0, |_| false);
    let status = rig.conductor.status(rig.ms());
    let fault = status.fault.unwrap();
    assert_eq!(fault.name, "emergency_stop");
    assert!(fault.text.contains("confirmed"), "{}", fault.text);
    assert_eq!((status.hotend, status.bed), (None, None));
}

#[test]
fn a_second_press_is_sent_and_does_not_undo_what_was_confirmed() {
    let mut rig = Rig::new(&part(16, 300), Faults::default(), 16);
    rig.begin();
    rig.until(90.0, |_| false);
    rig.conductor.emergency_stop(rig.ms());
    rig.until(1.0, |_| false);
    for press in 0..3 {
        let written = rig.written.len();
        rig.conductor.emergency_stop(rig.ms());
        rig.until(if press == 2 { 3.0 } else { 0.02 }, |rig| {
            let fault = rig.conductor.status(rig.ms()).fault.unwrap();
            assert_eq!(fault.name, "emergency_stop");
            assert!(fault.text.contains("confirmed"), "{}", fault.text);
            false
        });
        let sent = rig.written[written..].iter().any(|w| w.1 == b"\nM112\n");
        assert!(sent, "press {press}");
    }
    // Who is brought back and stopped again has to confirm it again.
    rig.conductor.recover(rig.ms()).unwrap();
    rig.conductor.emergency_stop(rig.ms());
    let fault = rig.conductor.status(rig.ms()).fault.unwrap();
    assert_ne!(fault.name, "emergency_stop");
}

/// The link died in mid-print, and the printer stands still when it comes back: nothing is known until it answers.
#[test]
fn heaters_are_called_off_only_once_the_printer_has_taken_the_order() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    journal
        .write(&Record::Began {
            job: "K7-2043".into(),
            sha256: "ab".into(),
            lines: 100,
            layers: 10,
            printer: None,
        })
        .unwrap();
    let (_, last) = Journal::open(dir.path()).unwrap();
    let frozen = Faults {
        at: vec![Happening {
            line: None,
            s: Some(0.0),
            what: What::Stall,
            amount: 17.0,
        }],
        ..Faults::default()
    };
    let mut rig = Rig::new("G28\n", frozen, 27);
    let setup = Setup {
        printer: crate::printer::rig::printer(),
        port: "rig".into(),
        is_virtual: true,
    };
    rig.conductor = Conductor::new(setup, last);
    rig.conductor.opened(0);
    rig.until(15.0, |_| false);
    let status = rig.conductor.status(rig.ms());
    assert_eq!((status.hotend, status.bed), (None, None));
    for fault in [status.fault.unwrap(), status.job.unwrap().fault.unwrap()] {
        assert!(fault.text.contains("may still be hot"), "{}", fault.text);
    }
    rig.until(400.0, |_| false);
    let status = rig.conductor.status(rig.ms());
    assert!(status.hotend.is_some());
    for fault in [status.fault.unwrap(), status.job.unwrap().fault.unwrap()] {
        assert!(fault.text.contains("were switched off"), "{}", fault.text);
    }
}

#[test]
fn pitfall_17_error_then_ok() {
    let mut cold = Rig::new(
        "G28\nG90\nM83\nG92 E0\nG1 X10 E1 F600\nG1 X20 E1\nG1 X30 E1\n",
        Faults::default(),
        17,
    );
    let job = cold.print();
    assert_eq!(
        (job.phase, fault_name(&job)),
        (Phase::Stopped, "cold_extrusion".into())
    );
    let mut halted = Rig::new(&part(17, 300), happening(100, What::Halt, 0.0), 17);
    let job = halted.print();
    assert_eq!(
        (job.phase, fault_name(&job)),
        (Phase::Stopped, "printer_halted".into())
    );
    let sent = halted.written.len();
    halted.until(60.0, |_| false);
    assert_eq!(
        halted.written.len(),
        sent,
        "nothing is said to a halted printer"
    );
}

#[test]
fn pitfall_18_heat_without_host() {
    let mut rig = Rig::new(&part(18, 2000), happening(100, What::Thermal, 0.0), 18);
    let job = rig.print();
    assert_eq!(job.phase, Phase::Stopped);
    assert!(
        ["thermal_fault", "cold_extrusion"].contains(&fault_name(&job).as_str()),
        "{:?}",
        job.fault
    );
    rig.until(60.0, |_| false);
    assert_eq!(rig.board.firmware().targets_c(), [0.0, 0.0]);
}

#[test]
fn m85_ends_the_heat_when_the_host_is_gone() {
    let mut rig = Rig::new(&part(18, 2000), Faults::default(), 18);
    rig.begin();
    rig.until(120.0, |_| false);
    assert!(rig.board.firmware().targets_c()[0] > 0.0);
    // The host is gone: only the board's clock runs on.
    let from = rig.now;
    while rig.board.firmware().targets_c()[0] > 0.0 && rig.now < from + 2_000.0 {
        rig.now += 1.0;
        rig.board.to_host(rig.now);
    }
    assert!(
        (890.0..1_000.0).contains(&(rig.now - from)),
        "{}",
        rig.now - from
    );
}

/// A link that was killed in a print comes back to a board that would halt itself for want of a host, which it has.
#[test]
fn m85_is_called_off_when_a_killed_link_is_back() {
    let mut rig = Rig::new(&part(18, 2000), Faults::default(), 18);
    rig.begin();
    rig.until(120.0, |_| false);
    let setup = Setup {
        printer: crate::printer::rig::printer(),
        port: "rig".into(),
        is_virtual: true,
    };
    rig.conductor = Conductor::new(setup, None);
    rig.conductor.opened(rig.ms());
    rig.until(2_000.0, |_| false);
    let status = rig.conductor.status(rig.ms());
    assert_eq!(
        status.state,
        crate::status::PrinterState::Idle,
        "{:?}",
        status.fault
    );
}

#[test]
fn pitfall_20_starvation() {
    for (baud, latency_s) in [(115_200, 0.001), (250_000, 0.016)] {
        let faults = Faults {
            baud,
            latency_s,
            ..Faults::default()
        };
        let mut rig = Rig::new(&part(20, 600), faults, 20);
        rig.assert_printed();
        assert_eq!(rig.board.firmware().overflow(), 0);
    }
}

#[test]
fn a_stalled_printer_is_waited_for_or_given_up() {
    let mut short = Rig::new(&part(21, 300), happening(100, What::Stall, 8.0), 21);
    let job = short.print();
    assert_eq!(job.phase, Phase::Printed, "{:?}", job.fault);
    assert_eq!(short.executed(), short.planned());
    let mut long = Rig::new(&part(21, 300), happening(100, What::Stall, 600.0), 21);
    let job = long.print();
    assert_eq!(
        (job.phase, fault_name(&job)),
        (Phase::Stopped, "printer_silent".into())
    );
    // When it hears again, the heaters are switched off.
    long.until(700.0, |_| false);
    assert_eq!(long.board.firmware().targets_c(), [0.0, 0.0]);
}

#[test]
fn a_held_print_goes_on_where_it_was() {
    let mut rig = Rig::new(&part(22, 500), Faults::default(), 22);
    rig.begin();
    rig.until(300.0, |rig| rig.job().is_some_and(|j| j.fraction > 0.9));
    rig.conductor.pause(rig.ms()).unwrap();
    assert!(rig.until(60.0, |rig| {
        rig.job().is_some_and(|j| j.phase == Phase::Paused)
    }));
    let held = rig.executed().len();
    rig.until(300.0, |_| false);
    assert_eq!(rig.executed().len(), held, "nothing moves while held");
    assert!(
        rig.board.firmware().targets_c()[0] > 0.0,
        "the heaters stay on"
    );
    assert!(
        rig.conductor.pause(rig.ms()).is_ok(),
        "a second pause changes nothing"
    );
    rig.conductor.resume(rig.ms()).unwrap();
    let job = rig.finish();
    assert_eq!(job.phase, Phase::Printed, "{:?}", job.fault);
    // Every planned X, Y, Z is there, in order; between them the park's own moves.
    let executed = rig.executed();
    let mut moves = executed.iter();
    for planned in rig.planned() {
        assert!(
            moves.any(|done| done[..3] == planned[..3]),
            "missing {planned:?}"
        );
    }
    assert!(executed.len() <= rig.planned().len() + 8);
}

#[test]
fn a_cancelled_print_is_parked_with_heaters_off() {
    for held in [false, true] {
        let mut rig = Rig::new(&part(23, 500), Faults::default(), 23);
        rig.begin();
        rig.until(300.0, |rig| rig.job().is_some_and(|j| j.fraction > 0.9));
        if held {
            rig.conductor.pause(rig.ms()).unwrap();
            rig.until(60.0, |rig| {
                rig.job().is_some_and(|j| j.phase == Phase::Paused)
            });
        }
        rig.conductor.cancel(rig.ms()).unwrap();
        let job = rig.finish();
        assert_eq!(
            (job.phase, fault_name(&job)),
            (Phase::Stopped, "cancelled".into())
        );
        assert_eq!(rig.board.firmware().targets_c(), [0.0, 0.0]);
        let last = *rig.executed().last().unwrap();
        assert_eq!(last[..2], [50_000, 2_050_000], "parked at the front edge");
    }
}

#[test]
fn a_bad_file_is_refused_before_the_first_line() {
    let mut rig = Rig::new("G28\nG1 X9999 F600\n", Faults::default(), 24);
    rig.check = true;
    let job = rig.print();
    assert_eq!(
        (job.phase, fault_name(&job)),
        (Phase::Stopped, "gcode_refused".into())
    );
    assert!(rig.lines().iter().all(|l| !l.contains("G28")));
}

#[test]
fn after_a_halt_only_recover_leads_back() {
    let mut rig = Rig::new(&part(25, 200), Faults::default(), 25);
    rig.begin();
    rig.until(80.0, |_| false);
    rig.conductor.emergency_stop(rig.ms());
    rig.until(5.0, |_| false);
    let again = rig
        .conductor
        .print(rig.ms(), "K".into(), "p".into(), "ab".into());
    assert_eq!(again.unwrap_err().code, "halted");
    rig.conductor.recover(rig.ms()).unwrap();
    rig.print();
}

#[test]
fn a_halt_s_own_words_do_not_halt_a_printer_that_was_recovered_at_once() {
    let mut rig = Rig::new(&part(25, 200), Faults::default(), 25);
    rig.begin();
    rig.until(80.0, |_| false);
    rig.conductor.emergency_stop(rig.ms());
    // Pressed before the answer to the stop was heard: it lies in the adapter, and comes with the port.
    rig.conductor.recover(rig.ms()).unwrap();
    let resets = rig.conductor.drain();
    assert!(resets.contains(&super::Action::ResetBoard));
    rig.board.reset("External Reset");
    rig.conductor.opened(rig.ms());
    let words = b"Error:Printer halted. kill() called!\n";
    rig.conductor.bytes(rig.ms() + 10, words);
    rig.print();
    // Later they are news.
    rig.conductor.bytes(rig.ms(), words);
    let state = rig.conductor.status(rig.ms()).state;
    assert_eq!(state, crate::status::PrinterState::Halted);
}

/// Two questions with one for the place between them, and no rest on the wire: a doubled answer comes ahead of the place.
#[test]
fn before_the_nozzle_is_let_cool_two_answers_are_heard_without_a_rest() {
    let mut rig = Rig::new(&part(27, 200), Faults::default(), 27);
    rig.assert_printed();
    let frames: Vec<(f64, String)> = (rig.written.iter())
        .map(|(s, bytes)| (*s, String::from_utf8_lossy(bytes).into_owned()))
        .collect();
    let last_stroke = frames
        .iter()
        .rposition(|(_, f)| f.contains(" E0."))
        .unwrap();
    let cools = frames[last_stroke..]
        .iter()
        .position(|(_, f)| f.contains(" M104 S0"));
    let behind = &frames[last_stroke + 1..last_stroke + cools.unwrap()];
    let asked: Vec<&str> = behind
        .iter()
        .filter_map(|(_, f)| f.split([' ', '*']).nth(1))
        .collect();
    let at = asked.len() - 3;
    assert_eq!(asked[at..], ["M105", "M114", "M105"], "{asked:?}");
    let took_s = frames[last_stroke + cools.unwrap()].0 - behind[at].0;
    assert!(took_s < 0.05, "{took_s} s");
}

#[test]
fn told_to_end_in_a_print_the_heaters_go_off() {
    let mut rig = Rig::new(&part(26, 2000), Faults::default(), 26);
    rig.begin();
    rig.until(100.0, |_| false);
    rig.conductor.terminate(rig.ms());
    assert!(rig.until(20.0, |rig| rig.conductor.is_finished()));
    assert_eq!(rig.board.firmware().targets_c(), [0.0, 0.0]);
    assert_eq!(fault_name(&rig.job().unwrap()), "link_stopped");
}
