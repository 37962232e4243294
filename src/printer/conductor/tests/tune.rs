//! A print that a person tunes while it runs.

use super::*;
use crate::status::Tune;

const MORE: Tune = Tune {
    speed_percent: Some(80.0),
    flow_percent: Some(105.0),
    fan_percent: Some(50.0),
    z_mm: Some(0.1),
};

/// In print, so far that the first lines of the part are made.
fn printing(gcode: &str) -> Rig {
    let mut rig = Rig::new(gcode, Faults::default(), 1);
    rig.begin();
    assert!(rig.until(1_000.0, is_under_way));
    rig
}

fn is_under_way(rig: &mut Rig) -> bool {
    rig.executed().len() > 30
}

fn commands(rig: &Rig) -> Vec<String> {
    let text = |line: String| {
        let text = line.split_once(' ').map(|(_, text)| text.to_owned());
        let text = text.unwrap_or_default();
        let text = text.split('*').next().unwrap_or_default();
        text.trim_end().to_owned()
    };
    rig.lines().into_iter().map(text).collect()
}

fn code(taken: super::super::Taken) -> String {
    taken.err().map_or(String::new(), |refused| refused.code)
}

#[test]
fn a_tuned_print_makes_the_planned_moves_and_leaves_nothing_behind() {
    let mut rig = printing(&part(1, 600));
    rig.conductor.tune(rig.ms(), MORE).unwrap();
    rig.until(5.0, |_| false);
    assert_eq!(rig.board.firmware().tuned()[..2], [0.8, 1.05]);
    assert!((rig.board.firmware().raised_mm() - 0.1).abs() < 1e-9);
    let tuning = rig.conductor.status(rig.ms()).tuning.unwrap();
    assert_eq!(
        (tuning.speed_percent, tuning.flow_percent, tuning.z_mm),
        (80.0, 105.0, 0.1)
    );
    // The height is said as a whole, and goes in steps.
    let lower = Tune {
        z_mm: Some(-0.05),
        ..Tune::default()
    };
    rig.conductor.tune(rig.ms(), lower).unwrap();
    let job = rig.finish();
    assert_eq!(job.phase, Phase::Printed, "{:?}", job.fault);
    assert_eq!(rig.executed(), rig.planned());
    assert!((rig.board.firmware().raised_mm() + 0.05).abs() < 1e-9);
    assert_eq!(rig.board.firmware().tuned()[..2], [1.0, 1.0]);
    assert_eq!(rig.conductor.status(rig.ms()).tuning, None);
    let said = commands(&rig);
    for line in ["M220 S80", "M221 S105", "M290 P0 Z0.10", "M290 P0 Z-0.15"] {
        assert_eq!(said.iter().filter(|l| *l == line).count(), 1, "{line}");
    }
    let tuned = |record: &&Record| matches!(record, Record::Tuned { .. });
    assert_eq!(rig.journal.iter().filter(tuned).count(), 2);
}

#[test]
fn what_is_out_of_bounds_is_refused_whole() {
    let mut rig = Rig::new(&part(1, 600), Faults::default(), 1);
    assert_eq!(code(rig.conductor.tune(0, MORE)), "not_printing");
    rig.begin();
    let heating = rig.until(60.0, |rig| commands(rig).iter().any(|l| l == "M104 S150"));
    assert!(heating);
    assert_eq!(code(rig.conductor.tune(rig.ms(), MORE)), "not_homed");
    assert!(rig.until(1_000.0, is_under_way));
    let sent = rig.written.len();
    for bad in [f64::NAN, 1e9, -1.0, 0.0] {
        let speed = Tune {
            speed_percent: Some(bad),
            ..MORE
        };
        assert_eq!(code(rig.conductor.tune(rig.ms(), speed)), "out_of_bounds");
        let flow = Tune {
            flow_percent: Some(bad),
            ..MORE
        };
        assert_eq!(code(rig.conductor.tune(rig.ms(), flow)), "out_of_bounds");
    }
    for bad in [f64::NAN, 0.3, -0.3] {
        let z = Tune {
            z_mm: Some(bad),
            ..MORE
        };
        assert_eq!(code(rig.conductor.tune(rig.ms(), z)), "out_of_bounds");
    }
    assert_eq!(rig.written.len(), sent);
    assert_eq!(rig.board.firmware().tuned()[..2], [1.0, 1.0]);
}

#[test]
fn the_height_is_refused_where_the_firmware_does_not_offer_it() {
    let mut rig = Rig::with(&part(1, 600), Faults::default(), 1, |o| {
        o.babystepping = false
    });
    rig.begin();
    assert!(rig.until(1_000.0, is_under_way));
    assert_eq!(code(rig.conductor.tune(rig.ms(), MORE)), "not_here");
    let bounds = rig.conductor.status(rig.ms()).tuning.unwrap().bounds;
    assert_eq!(bounds.z_mm, [0.0, 0.0]);
    let speed = Tune { z_mm: None, ..MORE };
    rig.conductor.tune(rig.ms(), speed).unwrap();
    let job = rig.finish();
    assert_eq!(job.phase, Phase::Printed, "{:?}", job.fault);
}

#[test]
fn the_fan_follows_the_file_by_so_much() {
    let mut walls = part(1, 600);
    walls = walls.replacen(";LAYER_CHANGE", "M106 S100\n;LAYER_CHANGE", 1);
    let last = walls.rfind(";LAYER_CHANGE").unwrap();
    walls.insert_str(last, "M106 S200\n");
    let mut rig = Rig::new(&walls, Faults::default(), 1);
    rig.begin();
    let blows = rig.until(1_000.0, |rig| rig.board.firmware().tuned()[2] == 100.0);
    assert!(blows);
    rig.conductor.tune(rig.ms(), MORE).unwrap();
    assert!(rig.until(30.0, |rig| rig.board.firmware().tuned()[2] == 50.0));
    // Its next order is followed by ours.
    let job = rig.finish();
    let fans = commands(&rig);
    let fans: Vec<&str> = fans
        .iter()
        .map(String::as_str)
        .filter(|l| l.starts_with("M106"))
        .collect();
    assert_eq!(fans, ["M106 S100", "M106 S50", "M106 S200", "M106 S100"]);
    assert_eq!(job.phase, Phase::Printed, "{:?}", job.fault);
    assert_eq!(rig.executed(), rig.planned());
    assert_eq!(rig.board.firmware().tuned(), [1.0, 1.0, 0.0]);
}

#[test]
fn a_tuned_print_that_is_given_up_leaves_the_printer_as_the_next_file_wants_it() {
    let mut rig = printing(&part(1, 600));
    rig.conductor.tune(rig.ms(), MORE).unwrap();
    rig.until(5.0, |_| false);
    rig.conductor.cancel(rig.ms()).unwrap();
    rig.finish();
    rig.until(60.0, |_| false);
    assert_eq!(rig.board.firmware().tuned(), [1.0, 1.0, 0.0]);
    // The next print is the file's own.
    rig.begin();
    rig.until(5.0, |_| false);
    let tuning = rig.conductor.status(rig.ms()).tuning.unwrap();
    assert_eq!((tuning.speed_percent, tuning.z_mm), (100.0, 0.0));
}

#[test]
fn another_link_puts_back_what_the_one_before_has_tuned() {
    let mut rig = printing(&part(1, 600));
    rig.conductor.tune(rig.ms(), MORE).unwrap();
    rig.until(5.0, |_| false);
    rig.another_link(None);
    rig.until(60.0, |_| false);
    assert_eq!(rig.board.firmware().tuned()[..2], [1.0, 1.0]);
}
