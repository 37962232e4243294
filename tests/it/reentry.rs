//! A print that was cut off goes on, on a person's word: over real processes, and what of it is refused.

use crate::room::{Room, sha256, wait};
use crate::station::{Bench, PIN, Played};
use calvaria::gcode::{MAKER, Printer, moves, seal};
use calvaria::printer::virtual_printer::Record;
use calvaria::station::link::{Order, Phase};
use calvaria::status::{
    Act, JobState, JobView, Nozzle, Pin, PrinterState, ReenterAct, Request, Terms,
};
use serde_json::json;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

/// Twelve layers of short strokes.
fn part() -> String {
    let mut text = format!(
        "{MAKER} 0\n; printer = virtual\nM140 S60\nM104 S150\nG28\nM190 S60\nM109 S215\nG90\nM83\nG92 E0\n"
    );
    for layer in 1..=12 {
        let z = 0.2 * f64::from(layer);
        let _ = write!(
            text,
            ";LAYER_CHANGE\nG1 Z{z:.3} F600\nG92 E0\nG0 X90 Y90 F6000\n"
        );
        for n in 1..=150 {
            let (x, y) = (90.0 + 0.2 * f64::from(n), 90.0 + f64::from(3 * (n % 2)));
            // Thin: the strokes lie close.
            let _ = writeln!(text, "G1 X{x:.3} Y{y:.3} E0.04 F2400");
        }
    }
    text.push_str("M107\nM104 S0\nM140 S0\nG1 X10 Y200 F6000\nM84\n");
    let end = seal(&text);
    text + &end
}

/// A designer that has this part ready for the virtual printer.
fn designer(folder: &Path, text: &str) -> String {
    let file = folder.join("ready.gcode");
    std::fs::write(&file, text).unwrap();
    let printer = Printer::load("virtual").unwrap();
    format!(
        "cp {} \"$CASE/implant.gcode\"\necho '{{\"progress\":{{\"stage\":\"intake\",\"fraction\":0.5,\"text\":\"sorting\"}}}}'\n\
         echo '{{\"progress\":{{\"stage\":\"network\",\"fraction\":0.5,\"text\":\"thinking\"}}}}'\n\
         echo '{{\"outcome\":{{\"designed\":{{\"gcode_sha256\":\"{}\",\"side\":\"left\",\"print_s\":600,\"filament_g\":1,\"material\":\"pla\",\"profile\":\"virtual\",\"profile_sha256\":\"{}\"}}}}}}'\n",
        file.display(),
        sha256(text.as_bytes()),
        printer.sha256(),
    )
}

// --- over real processes -------------------------------------------------------------------------------------------

/// Ends of what was drawn, in the order of execution, 1e-4 mm.
fn drawn(log: &Path) -> Vec<[i64; 3]> {
    let text = std::fs::read_to_string(log).unwrap();
    let records = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    records
        .filter_map(|record| match record {
            Record::Block { from, to, .. } => {
                let moved = (0..2).any(|a| (to[a] - from[a]).abs() > 1e-6);
                let pushed = to[3] > from[3] + 1e-9;
                (moved && pushed).then(|| [0, 1, 2].map(|a| (to[a] * 1e4).round() as i64))
            }
            _ => None,
        })
        .collect()
}

/// The strokes of a file, and how many lie below a layer.
fn strokes(text: &str, layer: u32) -> (Vec<[i64; 3]>, usize) {
    let mark = text
        .lines()
        .enumerate()
        .filter(|(_, l)| l.starts_with(";LAYER_CHANGE"))
        .nth(layer as usize - 1)
        .unwrap()
        .0;
    let all = moves(text).unwrap();
    let all: Vec<_> = all
        .iter()
        .filter(|m| m.filament_mm() > 0.0 && m.length_mm() > 0.0)
        .collect();
    let below = all.iter().filter(|m| m.line <= mark).count();
    (
        all.iter()
            .map(|m| [0, 1, 2].map(|a| m.to_nm[a] / 100))
            .collect(),
        below,
    )
}

/// A station whose printer is so many times faster than time, and a case whose design is ready.
pub(crate) fn room(log: &Path, speed: f64) -> Room {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("designer.sh");
    let head = "#!/bin/sh\nCASE=$3; mkdir -p \"$CASE\"\n";
    std::fs::write(&program, format!("{head}{}", designer(dir.path(), &part()))).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut room = Room::new(dir, speed, log, None);
    room.program = Some(program);
    room.start_station(None);
    wait("the station", LIMIT, || {
        room.printer().filter(|p| p.state == PrinterState::Idle)
    });
    std::fs::write(room.data().join("drop/scan.nii.gz"), b"scan").unwrap();
    room
}

fn newest(room: &Room, what: &str, state: JobState, fits: impl Fn(&JobView) -> bool) -> JobView {
    wait(what, LIMIT, || {
        let job = room.jobs()?.into_iter().next()?;
        (job.state == state && fits(&job)).then_some(job)
    })
}

/// Prints until layer 5, cuts, and goes on.
fn goes_on(cut: impl Fn(&Room, &str)) {
    let log_dir = tempfile::tempdir().unwrap();
    let log = log_dir.path().join("printer.jsonl");
    let room = room(&log, 40.0);
    let job = room.reaches("awaiting_release", LIMIT);
    room.release(&job).unwrap();
    wait("layer 5", LIMIT, || room.printer().filter(|p| p.layer >= 5));
    cut(&room, &job.code);
    let stopped = newest(&room, "an offer", JobState::Stopped, |job| {
        job.reentry.as_ref().is_some_and(|r| r.refused.is_empty())
    });
    assert!(
        stopped.next.starts_with("Leave the part"),
        "{}",
        stopped.next
    );
    let offer = stopped.reentry.unwrap();
    assert!((5..=7).contains(&offer.layer), "{offer:?}");
    assert_eq!(offer.layers, 12);
    assert_eq!(
        offer.nozzle_mm.len(),
        1,
        "the printer knows where it stands: {offer:?}"
    );
    assert!(
        (offer.height_mm - 0.2 * f64::from(offer.layer - 1)).abs() < 1e-6,
        "{offer:?}"
    );
    assert!(
        stopped.files.iter().any(|f| f == "reentry.png"),
        "{:?}",
        stopped.files
    );
    let body = json!({
        "operator": "M. Curie", "pin": PIN, "from_layer": offer.layer,
        "height_mm": offer.height_mm + 0.3, "part_holds": true,
    });
    let path = format!("/api/v1/jobs/{}/print-again", job.code);
    room.post(&path, &body).unwrap();
    let waits = newest(&room, "awaiting", JobState::AwaitingRelease, |_| true);
    assert_ne!(waits.gcode_sha256, job.gcode_sha256);
    // An empty bed is no bed with a part.
    assert_eq!(room.release(&waits), Err("part_not_seen".into()));
    let release = json!({
        "operator": "M. Curie", "pin": PIN, "sha256": waits.gcode_sha256, "spool": "PLA 22-117",
        "side": waits.side, "bed_clear": false, "part_holds": true,
    });
    let printer = room.printer().unwrap();
    assert_eq!(printer.state, PrinterState::Idle, "{printer:?}");
    room.post(&format!("/api/v1/jobs/{}/release", job.code), &release)
        .unwrap();
    newest(&room, "printed", JobState::Printed, |_| true);
    let record: Vec<String> = room
        .record(&job.code)
        .into_iter()
        .map(|(kind, _)| kind)
        .collect();
    let tail: Vec<&str> = record
        .iter()
        .rev()
        .take(3)
        .rev()
        .map(String::as_str)
        .collect();
    assert_eq!(tail, ["reentry_asked", "released", "link_printed"]);
    drop(room);
    let (planned, below) = strokes(&part(), offer.layer);
    let made = drawn(&log);
    let first = made.len() - (planned.len() - below);
    assert_eq!(
        made[first..],
        planned[below..],
        "the rest, from the layer's start"
    );
    assert_eq!(
        made[..first],
        planned[..first],
        "a beginning of the plan before the cut"
    );
    let (_, above) = strokes(&part(), offer.layer + 1);
    assert!((below..=above).contains(&first), "{below} {first} {above}");
}

#[test]
fn a_print_that_was_given_up_goes_on_with_the_part() {
    goes_on(|room, code| room.act(&format!("/api/v1/jobs/{code}/cancel")).unwrap());
}

#[test]
fn a_print_whose_link_was_killed_goes_on_with_the_part() {
    goes_on(|room, _| assert_eq!(room.kill("printer"), 1));
}

// --- what is refused -----------------------------------------------------------------------------------------------

/// A journal that holds a print of this file, cut off in the middle of layer 6 by a reset.
fn journal(data: &Path, code: &str, text: &str, minutes_ago: i64) {
    let at = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes_ago);
    let sha = sha256(text.as_bytes());
    let lines = text.lines().filter(|l| !l.starts_with(';')).count();
    let until = text
        .lines()
        .filter(|l| !l.starts_with(';'))
        .position(|l| l == "G1 Z1.200 F600");
    let line = until.unwrap() + 90;
    let ended = json!({
        "job": code, "sha256": sha, "phase": "stopped", "fraction": 0.5, "left_s": 0.0, "spent_s": 0.0,
        "layer": 6, "layers": 12, "fault": {"name": "printer_reset", "severity": "refuse", "text": "reset"},
    });
    let records = [
        json!({"kind": "began", "job": code, "sha256": sha, "lines": lines, "layers": 12}),
        json!({"kind": "layer", "layer": 6}),
        json!({"kind": "mark", "line": line, "layer": 6, "at_mm": [1.0, 1.0, 1.2, 0.0], "targets_c": [215.0, 60.0], "fraction": 0.5}),
        json!({"kind": "ended", "job": ended}),
        json!({"kind": "stands", "at_mm": [0.0, 0.0, 0.0]}),
    ];
    let mut out = String::new();
    for mut record in records {
        record["at"] = at.to_string().into();
        let _ = writeln!(out, "{record}");
    }
    std::fs::write(data.join("printer/journal.jsonl"), out).unwrap();
}

struct Cut {
    bench: Bench,
    code: String,
    text: String,
}

fn cut() -> Cut {
    let folder = tempfile::tempdir().unwrap();
    let text = part();
    let bench = Bench::new(&designer(folder.path(), &text));
    let (code, hash) = bench.printing();
    let why = calvaria::status::Reason::new("It was reset.", "Look at it.");
    let job = Some((code.as_str(), hash.as_str(), Phase::Stopped(why)));
    journal(&bench.dir.path().join("data"), &code, &text, 2);
    bench.link.status(PrinterState::Idle, job);
    bench.wait_for(&code, JobState::Stopped);
    Cut { bench, code, text }
}

impl Cut {
    fn data(&self) -> std::path::PathBuf {
        self.bench.dir.path().join("data")
    }

    fn asks(&self, change: impl FnOnce(&mut ReenterAct)) -> Result<(), String> {
        let mut asked = ReenterAct {
            act: self.bench.act(&self.code),
            from_layer: 6,
            height_mm: 1.4,
            nozzle: None,
            part_holds: true,
        };
        change(&mut asked);
        let request = Request::Reenter(Box::new(asked));
        self.bench
            .handle
            .ask(request, Terms::default())
            .map_err(|e| e.code)
    }

    fn job(&self) -> JobView {
        self.bench
            .jobs()
            .into_iter()
            .find(|j| j.code == self.code)
            .unwrap()
    }
}

#[test]
fn a_stopped_print_is_offered_and_what_a_person_says_has_to_fit() {
    let cut = cut();
    let offer = cut.job().reentry.unwrap();
    assert_eq!(
        (offer.refused.as_str(), offer.layer, offer.layers),
        ("", 6, 12)
    );
    assert!((offer.height_mm - 1.0).abs() < 1e-9, "{offer:?}");
    assert!((17.0..=18.0).contains(&offer.minutes_left), "{offer:?}");
    for (want, change) in [
        (
            "wrong_pin",
            (|a| a.act.pin = Pin("000000".into())) as fn(&mut ReenterAct),
        ),
        ("no_right", |a| a.act.operator = "S. Haus".into()),
        ("part_not_seen", |a| a.part_holds = false),
        ("changed", |a| a.from_layer = 7),
        ("wrong_height", |a| a.height_mm = 2.5),
        ("wrong_height", |a| a.height_mm = f64::NAN),
    ] {
        assert_eq!(cut.asks(change), Err(want.into()));
    }
    assert_eq!(cut.job().state, JobState::Stopped);
    // Which height does not matter where there is one.
    cut.asks(|a| a.nozzle = Some(Nozzle::Free)).unwrap();
    let waits = cut.job();
    assert_eq!(waits.state, JobState::AwaitingRelease);
    let file = std::fs::read(
        cut.data()
            .join("cases")
            .join(&cut.code)
            .join("reentry.gcode"),
    )
    .unwrap();
    assert_eq!(waits.gcode_sha256, Some(sha256(&file)));
    for (want, change) in [
        (
            "changed",
            (|r| r.sha256 = "ab".into()) as fn(&mut calvaria::status::ReleaseAct),
        ),
        ("bed_and_part", |r| r.part_holds = true),
        ("part_not_seen", |_| {}),
        ("wrong_material", |r| {
            (r.part_holds, r.bed_clear) = (true, false);
            r.spool = "PETG 3".into();
        }),
    ] {
        assert_eq!(cut.bench.release(&cut.code, change), Err(want.into()));
    }
    let good = |r: &mut calvaria::status::ReleaseAct| (r.part_holds, r.bed_clear) = (true, false);
    cut.bench.release(&cut.code, good).unwrap();
    let order = cut.bench.link.ordered().pop().unwrap();
    let Order::Print {
        gcode,
        released,
        sha256: sent,
        ..
    } = order
    else {
        panic!("{order:?}");
    };
    assert!(gcode.ends_with("reentry.gcode") && released.unwrap().ends_with("implant.gcode"));
    assert_eq!(sent, sha256(&file));
    played_to_its_end(&cut.bench.link, &cut.code, &sent);
    cut.bench.wait_for(&cut.code, JobState::Printed);
}

fn played_to_its_end(link: &Played, code: &str, hash: &str) {
    link.takes(code, hash);
    link.status(PrinterState::Idle, Some((code, hash, Phase::Printed)));
}

#[test]
fn a_re_entry_that_is_no_longer_true_is_not_released_and_the_whole_part_is() {
    let cut = cut();
    cut.asks(|_| {}).unwrap();
    let good = |r: &mut calvaria::status::ReleaseAct| (r.part_holds, r.bed_clear) = (true, false);
    // The head was moved meanwhile.
    let path = cut.data().join("printer/journal.jsonl");
    let mut text = std::fs::read_to_string(&path).unwrap();
    let now = jiff::Timestamp::now();
    let moved = json!({"at": now.to_string(), "kind": "stands", "at_mm": [0.0, 0.0, 7.0]});
    let _ = writeln!(text, "{moved}");
    std::fs::write(&path, text).unwrap();
    assert_eq!(cut.bench.release(&cut.code, good), Err("no_reentry".into()));
    journal(&cut.data(), &cut.code, &cut.text, 25);
    assert_eq!(cut.bench.release(&cut.code, good), Err("no_reentry".into()));
    // From the start instead: an empty bed again, and the whole part's hash.
    let again = Request::PrintAgain(cut.bench.act(&cut.code));
    cut.bench
        .handle
        .ask(again.clone(), Terms::default())
        .unwrap();
    assert_eq!(cut.job().gcode_sha256, Some(sha256(cut.text.as_bytes())));
    assert!(cut.bench.handle.ask(again, Terms::default()).is_err());
    assert_eq!(
        cut.bench.release(&cut.code, good),
        Err("bed_and_part".into())
    );
    cut.bench.release(&cut.code, |_| {}).unwrap();
}

#[test]
fn nothing_goes_on_once_the_bed_was_cleared_or_cold() {
    let cold = cut();
    journal(&cold.data(), &cold.code, &cold.text, 25);
    cold.bench.link.status(PrinterState::Idle, None);
    cold.bench.wait("the cold bed", |jobs| {
        let view = jobs.iter().find(|j| j.code == cold.code);
        view.and_then(|j| j.reentry.as_ref())
            .is_some_and(|r| r.refused.contains("25 min"))
    });
    assert_eq!(cold.asks(|_| {}), Err("no_reentry".into()));

    let cleared = cut();
    cleared.asks(|_| {}).unwrap();
    let act = Act {
        code: String::new(),
        ..cleared.bench.act(&cleared.code)
    };
    cleared
        .bench
        .handle
        .ask(Request::BedClear(act), Terms::default())
        .unwrap();
    let good = |r: &mut calvaria::status::ReleaseAct| (r.part_holds, r.bed_clear) = (true, false);
    assert_eq!(
        cleared.bench.release(&cleared.code, good),
        Err("bed_clear".into())
    );
}
