//! `calvaria demo` leaves nothing behind, whenever and however it is ended: no process, no folder.

use crate::room::{calvaria, wait};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

fn demo(temporary: &Path) -> Child {
    calvaria()
        .args(["demo", "--wait"])
        .env("TMPDIR", temporary)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Processes whose command line names the folder, and what the folder holds.
fn left(temporary: &Path) -> (Vec<(i32, String)>, usize) {
    let text = temporary.to_str().unwrap();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    let lines = pids.filter_map(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(text).then_some((pid, line))
    });
    (
        lines.collect(),
        std::fs::read_dir(temporary).unwrap().count(),
    )
}

fn running(temporary: &Path, command: &str) -> Option<i32> {
    let word = format!(" {command} ");
    let found = left(temporary).0;
    found
        .into_iter()
        .find(|(_, line)| line.contains(&word))
        .map(|(pid, _)| pid)
}

fn ends_and_leaves_nothing(mut demo: Child, temporary: &Path, what: &str) {
    let ended = wait(what, Duration::from_secs(180), || demo.try_wait().unwrap());
    assert!(!ended.success(), "{what}");
    let (processes, entries) = left(temporary);
    assert!(
        processes.is_empty() && entries == 0,
        "{what}: {processes:?}, {entries} entries"
    );
}

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

#[test]
fn ctrl_c_and_term_leave_no_process_and_no_folder() {
    for (by, until) in [
        (Signal::INT, "virtual-printer"),
        (Signal::TERM, "serve"),
        (Signal::HUP, "phantom"),
        (Signal::QUIT, "printer"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let demo = demo(dir.path());
        wait(until, Duration::from_secs(180), || {
            running(dir.path(), until)
        });
        signal(i32::try_from(demo.id()).unwrap(), by);
        ends_and_leaves_nothing(demo, dir.path(), until);
    }
}

#[test]
fn a_child_of_the_demo_that_is_killed_ends_it_whole() {
    for child in ["printer", "serve"] {
        let dir = tempfile::tempdir().unwrap();
        let demo = demo(dir.path());
        wait("virtual printer", Duration::from_secs(180), || {
            running(dir.path(), "virtual-printer")
        });
        let pid = wait(child, Duration::from_secs(180), || {
            running(dir.path(), child)
        });
        signal(pid, Signal::KILL);
        ends_and_leaves_nothing(demo, dir.path(), child);
    }
}
