//! `calvaria serve` with everything tied to it: a series copied slowly into the drop folder, events, LCD, a print that
//! a fault stops, and the same design printed after all.

use crate::room::{Room, phantom, wait};
use std::path::Path;
use std::time::Duration;

/// A design on a busy machine.
const DESIGN_MAX: Duration = Duration::from_secs(300);
const PRINT_MAX: Duration = Duration::from_secs(120);

/// Copies file by file, as a slow share does: longer than the quiet time of the drop folder.
fn copy_slowly(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        std::thread::sleep(Duration::from_millis(15));
    }
}

#[test]
fn a_series_becomes_a_print_and_every_screen_follows() {
    let dir = tempfile::tempdir().unwrap();
    let series = phantom(dir.path(), 1, "dicom");
    let (log, faults) = (
        dir.path().join("executed.jsonl"),
        dir.path().join("faults.toml"),
    );
    // The board halts itself once, in the first print.
    std::fs::write(&faults, "[[at]]\nline = 3000\nwhat = \"halt\"\n").unwrap();
    let lcd = dir.path().join("lcd");
    let mut room = Room::new(dir, 600.0, &log, Some(&faults));
    let shown = |screen: &str| {
        let path = lcd.join(format!("lcd-{screen}.png"));
        wait(screen, Duration::from_secs(10), || {
            path.exists().then_some(())
        });
    };

    room.start_station(None);
    shown("starting");
    wait("the page", Duration::from_secs(10), || room.get("/healthz"));
    shown("idle");
    let states = room.states();
    // At most four events a second: a state that is passed in less may be left out, but none comes out of order. The
    // person sees each one that they act on.
    let mut told = Vec::new();
    let hear = |last: &str, told: &mut Vec<String>| {
        while told.last().is_none_or(|s| s != last) {
            told.push(states.recv_timeout(PRINT_MAX).unwrap());
        }
    };
    copy_slowly(&series, &room.data().join("drop/series"));
    room.reaches("designing", DESIGN_MAX);
    shown("in-work");
    let job = room.reaches("awaiting_release", DESIGN_MAX);
    shown("awaiting-release");
    hear("awaiting_release", &mut told);
    release(&room, &job.code);
    shown("printing");
    let stopped = wait("stopped by the fault", PRINT_MAX, || {
        let job = room.jobs()?.into_iter().next()?;
        (job.state.word() == "stopped").then_some(job)
    });
    assert!(!stopped.reason.is_empty() && !stopped.next.is_empty());
    shown("attention");
    hear("stopped", &mut told);

    // The person looks, resets the printer and prints the same design again.
    room.act("/api/v1/printer/recover").unwrap();
    let again = format!("/api/v1/jobs/{}/print-again", job.code);
    room.act(&again).unwrap();
    release(&room, &job.code);
    room.reaches("printed", PRINT_MAX);

    let record = room.record(&job.code);
    let kinds: Vec<&str> = record.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "received",
            "worker_free",
            "read",
            "designed",
            "released",
            "link_stopped",
            "print_again_asked",
            "released",
            "link_printed",
        ]
    );
    hear("printed", &mut told);
    told.dedup();
    let mut order = [
        "received",
        "reading",
        "designing",
        "awaiting_release",
        "printing",
        "stopped",
        "awaiting_release",
        "printing",
        "printed",
    ]
    .iter();
    for state in &told {
        assert!(order.any(|s| s == state), "{state} out of order: {told:?}");
    }
    for state in ["designing", "awaiting_release", "printing", "stopped"] {
        assert!(told.iter().any(|s| s == state), "no {state}: {told:?}");
    }
}

/// Releases as soon as the printer is ready for it.
fn release(room: &Room, code: &str) {
    wait("a release", Duration::from_secs(30), || {
        let job = room.jobs()?.into_iter().find(|j| j.code == code)?;
        match room.release(&job).as_ref().map_err(String::as_str) {
            Ok(()) => Some(()),
            Err("printer_away" | "printer_busy" | "printer_halted" | "not_allowed" | "changed") => {
                None
            }
            Err(other) => panic!("{other}"),
        }
    });
}
