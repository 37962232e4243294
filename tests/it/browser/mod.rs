//! The page in a real Chromium (`tests/browser/`), in front of a played desk.
//!
//! A script says what it finds, line by line; `do WORD …` asks for something of the desk and waits for `ok`. Without
//! Chromium, node or the installed packages the tests say so and pass: `.ci/run` installs all three.

use super::played::{Page, page, states};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// No script takes longer, also beside other tests on two cores: the longest takes four minutes there.
const SCRIPT_MAX: Duration = Duration::from_secs(1500);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser")
}

/// Where Chromium is; `None`, with the reason printed: no browser test here.
fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("CALVARIA_CHROMIUM").map(PathBuf::from);
    let known = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].map(PathBuf::from);
    let path = path.into_iter().chain(known).find(|p| p.exists());
    let node = Command::new("node").arg("--version").output().is_ok();
    let packages = folder().join("node_modules/playwright-core").exists();
    match (path, node, packages) {
        (Some(path), true, true) => Some(path),
        (path, node, packages) => {
            println!(
                "skipped: no browser test (Chromium {}, node {node}, `npm ci` in tests/browser {packages})",
                path.is_some()
            );
            None
        }
    }
}

/// What a script may hold while it runs.
#[derive(Default)]
struct Held {
    streams: Vec<TcpStream>,
    load: Arc<AtomicBool>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.load.store(false, Ordering::Relaxed);
    }
}

/// Runs `tests/browser/SCRIPT`; panics with its words when it fails.
fn run(script: &str, arguments: &[&str]) {
    let Some(chromium) = chromium() else { return };
    let mut p = page();
    let mut child = Command::new("node")
        .arg(folder().join(script))
        .arg(format!("http://{}", p.address))
        .args(arguments)
        .env("CALVARIA_CHROMIUM", chromium)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let id = rustix::process::Pid::from_child(&child);
    let over = Arc::new(AtomicBool::new(false));
    let seen = over.clone();
    std::thread::spawn(move || {
        let begun = std::time::Instant::now();
        while begun.elapsed() < SCRIPT_MAX {
            std::thread::sleep(Duration::from_millis(100));
            if seen.load(Ordering::Relaxed) {
                return;
            }
        }
        let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
    });
    let mut held = Held::default();
    let mut said = Vec::new();
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        if let Some(order) = line.strip_prefix("do ") {
            let answer = carry_out(order, &mut p, &mut held);
            writeln!(stdin, "{answer}").unwrap();
        } else {
            println!("{script}: {line}");
            said.push(line);
        }
    }
    let status = child.wait().unwrap();
    over.store(true, Ordering::Relaxed);
    // The whole is printed above; what went wrong is said once more, for a log that keeps only the end.
    let wrong: Vec<_> = said
        .iter()
        .filter(|line| !line.starts_with("ok "))
        .collect();
    assert!(status.success(), "{script}: {wrong:#?}");
}

fn carry_out(order: &str, p: &mut Page, held: &mut Held) -> String {
    let mut words = order.split(' ');
    match (words.next().unwrap_or_default(), words.next()) {
        ("state", Some(name)) => {
            let (_, state) = states::ALL.iter().find(|s| s.0 == name).unwrap();
            let mut state = state();
            state.revision = p.snapshots.borrow().revision + 1;
            p.snapshots.send_replace(Arc::new(state));
        }
        ("states", _) => return states::ALL.map(|s| s.0).join(" "),
        ("stops", _) => {
            let asked = p.asked.lock().unwrap();
            let stops = asked.iter().filter(|a| *a == "EmergencyStop").count();
            return stops.to_string();
        }
        ("asked", _) => return p.asked.lock().unwrap().join(" | "),
        ("downloads", Some(n)) => {
            for _ in 0..n.parse().unwrap() {
                let path = format!("/api/v1/jobs/{}/files/missing.nii.gz", states::WAITING);
                held.streams.push(begin(p, &format!("GET {path}"), 0));
            }
        }
        ("uploads", Some(n)) => {
            for _ in 0..n.parse().unwrap() {
                let stream = begin(p, "POST /api/v1/drop?name=a.zip", 1_000_000);
                held.streams.push(stream);
            }
        }
        ("connections", Some(n)) => {
            for n in 0..n.parse().unwrap() {
                let at = if n % 2 == 0 { p.address } else { p.stop };
                held.streams.extend(TcpStream::connect(at));
            }
        }
        ("load", _) => {
            held.load.store(true, Ordering::Relaxed);
            for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
                let on = held.load.clone();
                std::thread::spawn(move || while on.load(Ordering::Relaxed) {});
            }
        }
        ("release", _) => *held = Held::default(),
        ("die", _) => p.die(),
        _ => return format!("unknown: {order}"),
    }
    "ok".into()
}

/// A request that is begun and left alone.
fn begin(p: &Page, what: &str, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(p.address).unwrap();
    write!(
        stream,
        "{what} HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n\r\n",
        p.address
    )
    .unwrap();
    let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
    let _ = stream.read(&mut [0; 64]);
    stream
}

#[test]
fn stop_reaches_the_station_from_twelve_tabs_and_above_a_dialog() {
    run("stop.js", &[]);
}

/// `CALVARIA_PRESSES=200 CALVARIA_STOP_BAR_MS=150` for the figures of `benches/RESULTS.md`.
#[test]
fn presses_beside_stalled_clients_and_loaded_cores_are_all_answered() {
    let count = std::env::var("CALVARIA_PRESSES").unwrap_or_else(|_| "40".into());
    run("presses.js", &[&count]);
}

#[test]
fn a_tab_whose_worker_answers_late_asks_until_then() {
    run("late.js", &[]);
}

#[test]
fn a_dead_station_is_told_and_the_stop_that_is_not_taken_too() {
    run("dead.js", &[]);
}

#[test]
fn forms_and_dialogs_do_what_their_words_say() {
    run("forms.js", &[]);
}

#[test]
fn no_state_scrolls_sideways_or_breaks_a_rule_of_accessibility() {
    run("states.js", &[]);
}

/// `tests/browser/screenshots DIR`
#[test]
#[ignore = "draws pictures to look at, tests nothing"]
fn pictures() {
    let folder = std::env::var("CALVARIA_SCREENSHOTS").unwrap();
    run("pictures.js", &[&folder]);
}
