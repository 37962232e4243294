//! A print that somebody tunes over HTTP: station, link and virtual printer as a user runs them.

use crate::reentry::room;
use crate::room::{Room, wait};
use calvaria::printer::virtual_printer::Record;
use calvaria::status::{PrinterState, PrinterView};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

fn tune(room: &Room, what: &Value) -> Result<(), String> {
    let mut body = json!({ "operator": "M. Curie", "pin": crate::station::PIN });
    for (name, value) in what.as_object().unwrap() {
        body[name] = value.clone();
    }
    room.post("/api/v1/printer/tune", &body)
}

/// What stands on the page, once it fits.
fn shown(room: &Room, what: &str, fits: impl Fn(&PrinterView) -> bool) -> PrinterView {
    wait(what, LIMIT, || room.printer().filter(|p| fits(p)))
}

/// What reached the firmware of the words that tune.
fn reached(log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap();
    let records = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let lines = records.filter_map(|record| match record {
        Record::Line { text, .. } => Some(text),
        _ => None,
    });
    let tunes = |line: &String| {
        let words = ["M106", "M220", "M221", "M290"];
        words.iter().any(|word| line.starts_with(word))
    };
    lines.filter(tunes).collect()
}

/// Bodies of the case's record, and of the link's journal, of one kind.
fn kept(file: &Path, kind: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    let entries = text.lines().filter_map(|l| serde_json::from_str(l).ok());
    entries.filter(|e: &Value| e["kind"] == kind).collect()
}

#[test]
fn a_print_is_tuned_over_http_within_its_bounds_and_the_record_has_who_asked() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("printer.jsonl");
    let room = room(&log, 20.0);
    let faster = json!({ "speed_percent": 110 });
    assert_eq!(tune(&room, &faster), Err("not_printing".into()));
    let job = room.reaches("awaiting_release", LIMIT);
    room.release(&job).unwrap();
    shown(&room, "layer 2", |p| p.layer >= 2);
    let act = |what: &str| room.act(&format!("/api/v1/jobs/{}/{what}", job.code));
    // Held, so that however busy the machine is the print does not end under the test.
    act("pause").unwrap();
    let view = shown(&room, "held", |p| p.state == PrinterState::Paused);
    let bounds = view.tuning.unwrap().bounds;
    assert_eq!(
        (bounds.speed_percent, bounds.flow_percent),
        ([50.0, 120.0], [90.0, 110.0])
    );
    for (wild, answer) in [
        (json!({ "speed_percent": 121 }), "out_of_bounds"),
        (json!({ "speed_percent": 49.9 }), "out_of_bounds"),
        (json!({ "flow_percent": 111 }), "out_of_bounds"),
        (json!({ "fan_percent": 151 }), "out_of_bounds"),
        (json!({ "z_mm": -0.21 }), "out_of_bounds"),
        // All of it or nothing.
        (
            json!({ "speed_percent": 90, "flow_percent": 200 }),
            "out_of_bounds",
        ),
        (json!({}), "nothing_asked"),
        (json!({ "pin": "000000", "speed_percent": 90 }), "wrong_pin"),
        (json!({ "speed": 90 }), "bad_request"),
        (json!({ "speed_percent": "90" }), "bad_request"),
    ] {
        assert_eq!(tune(&room, &wild), Err(answer.into()), "{wild}");
    }
    let untouched = shown(&room, "as it was", |_| true).tuning.unwrap();
    assert_eq!(
        (untouched.speed_percent, untouched.flow_percent),
        (100.0, 100.0)
    );
    let slower = json!({ "speed_percent": 50, "flow_percent": 95, "z_mm": -0.05, "id": "tune-1" });
    tune(&room, &slower).unwrap();
    // Once, however often it is asked for by its id.
    tune(&room, &slower).unwrap();
    let view = shown(&room, "tuned", |p| {
        p.tuning.is_some_and(|t| t.speed_percent == 50.0)
    });
    let tuning = view.tuning.unwrap();
    assert_eq!(
        (tuning.flow_percent, tuning.fan_percent, tuning.z_mm),
        (95.0, 100.0, -0.05)
    );
    act("resume").unwrap();
    shown(&room, "layer 3", |p| p.layer >= 3);
    // And while it prints.
    tune(&room, &json!({ "flow_percent": 105 })).unwrap();
    room.reaches("printed", LIMIT);
    assert_eq!(tune(&room, &faster), Err("not_printing".into()));
    assert_eq!(room.printer().unwrap().tuning, None);

    let data = room.data();
    let record = data.join("cases").join(&job.code).join("events.jsonl");
    let asked = kept(&record, "printer_tune_asked");
    // Those that the link refused were asked as well, and the record says that it refused them.
    let refused = kept(&record, "printer_tune_refused");
    assert_eq!((asked.len(), refused.len()), (8, 6));
    assert!(asked.iter().all(|entry| entry["actor"] == "M. Curie"));
    let last = &asked[7]["body"];
    assert_eq!(last["flow_percent"], 105.0, "{last}");
    assert!(last.get("speed_percent").is_none(), "{last}");
    let tuned = kept(&data.join("printer/journal.jsonl"), "tuned");
    let flows: Vec<_> = tuned.iter().map(|t| t["flow_percent"].as_f64()).collect();
    assert_eq!(flows, [Some(95.0), Some(105.0)]);
    drop(room);
    assert_eq!(
        reached(&log),
        [
            "M220 S100",
            "M221 S100",
            "M220 S50",
            "M221 S95",
            "M290 P0 Z-0.05",
            "M221 S105",
            "M220 S100",
            "M221 S100",
        ]
    );
}
