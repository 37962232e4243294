//! The printer's processes: link and virtual printer over a real pseudo-terminal.

use crate::room::{head, sealed, sha256};
use calvaria::printer::client::{Client, SOCKET};
use calvaria::printer::virtual_printer::Record;
use calvaria::printer::wire::{Command as Ask, Phase, Status};
use calvaria::status::PrinterState;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(10);

/// A data folder with a link on it; both end with the value.
pub(crate) struct Station {
    dir: tempfile::TempDir,
    link: Child,
}

fn start(data: &Path, arguments: &[&str]) -> Child {
    crate::room::calvaria()
        .args(["printer", "--data"])
        .arg(data)
        .args(arguments)
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Station {
    /// A link on whatever port the arguments name.
    pub(crate) fn on(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            link: start(dir.path(), arguments),
            dir,
        }
    }

    /// Kills the link, and starts it anew.
    pub(crate) fn restart(&mut self, arguments: &[&str]) {
        self.link.kill().unwrap();
        self.link.wait().unwrap();
        self.link = start(self.dir.path(), arguments);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.link.id()
    }

    fn new(arguments: &[&str]) -> Self {
        Self::at(400.0, arguments)
    }

    /// A link, and its virtual printer so many times faster than time.
    pub(crate) fn at(speed: f64, arguments: &[&str]) -> Self {
        let speed = speed.to_string();
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log.jsonl");
        let mut all = vec![
            "--virtual-speed",
            &speed,
            "--virtual-log",
            log.to_str().unwrap(),
        ];
        all.extend(arguments);
        let link = start(dir.path(), &all);
        Self { dir, link }
    }

    pub(crate) fn client(&self) -> Client {
        let by = Instant::now() + LIMIT;
        loop {
            match Client::connect(&self.dir.path().join(SOCKET), LIMIT) {
                Ok(client) => return client,
                Err(error) => assert!(Instant::now() < by, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn until(&self, what: &str, done: impl Fn(&Status) -> bool) -> Status {
        self.within(120, what, done)
    }

    /// The same within so many seconds.
    pub(crate) fn within(
        &self,
        seconds: u64,
        what: &str,
        done: impl Fn(&Status) -> bool,
    ) -> Status {
        let mut client = self.client();
        let by = Instant::now() + Duration::from_secs(seconds);
        loop {
            let status = client.ask(Ask::Status).unwrap();
            if done(&status) {
                return status;
            }
            assert!(Instant::now() < by, "never {what}: {status:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Writes a file and has it printed.
    pub(crate) fn print(&self, text: &str) -> PathBuf {
        let path = self.dir.path().join("part.gcode");
        std::fs::write(&path, text).unwrap();
        let sha256 = sha256(text.as_bytes());
        let by = Instant::now() + LIMIT;
        let mut client = self.client();
        loop {
            let ask = Ask::Print {
                job: "K7-2043".into(),
                path: path.clone(),
                sha256: sha256.clone(),
                released: None,
            };
            match client.ask(ask) {
                Ok(_) => return path,
                Err(error) => assert!(Instant::now() < by, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        let text = std::fs::read_to_string(self.dir.path().join("log.jsonl")).unwrap();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.link);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let by = Instant::now() + Duration::from_secs(30);
        while Instant::now() < by && self.link.try_wait().is_ok_and(|s| s.is_none()) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.link.kill();
    }
}

/// A small harmless part.
pub(crate) fn part(lines: usize) -> String {
    let mut text = String::from(
        "M140 S60\nM104 S150\nG28\nM190 S60\nM109 S215\nG90\nM83\nG92 E0\nG1 Z0.3 F300\nG1 X20 Y20 F6000\n",
    );
    for k in 0..lines {
        let (x, y) = (22 + (k % 40) * 2, 20 + (k / 40) % 150);
        let _ = writeln!(text, "G1 X{x} Y{y} E0.06 F3600");
    }
    text.push_str("M107\nM104 S0\nM140 S0\nG1 X10 Y200 F6000\nM84\n");
    sealed(&text)
}

#[test]
fn a_print_over_a_pty_executes_exactly_the_file_even_on_a_bad_line() {
    for arguments in [
        &[][..],
        &["--virtual-faults", "bad-line", "--virtual-seed", "8"],
    ] {
        // Slow enough that the firmware's limit for idle hosts (M85) outlasts a wait for a core. A seed that takes the answer
        // to G28 is none for this test: the link gives homing 180 s, and M85 ends in 9 s at this speed.
        let station = Station::at(100.0, arguments);
        let text = part(600);
        station.print(&text);
        let status = station.until("over", |s| {
            s.job.as_ref().is_some_and(|j| j.phase.is_over())
        });
        let job = status.job.unwrap();
        assert_eq!(job.phase, Phase::Printed, "{:?}", job.fault);
        assert!(status.is_virtual);
        let planned = head::places(text.lines());
        let records = station.records();
        let taken = records.iter().filter_map(|r| match r {
            Record::Line { text, .. } => Some(text.as_str()),
            _ => None,
        });
        assert_eq!(head::places(taken), planned, "what reached the firmware");
        let executed: Vec<head::Place> = records
            .iter()
            .filter_map(|r| match r {
                Record::Block { to, .. } => Some(to.map(|v| (v * 1e5).round() as i64)),
                _ => None,
            })
            .collect();
        assert_eq!(executed, planned, "what was executed");
    }
}

#[test]
fn a_killed_link_leaves_a_stopped_job_and_switches_the_heaters_off() {
    let mut station = Station::new(&[]);
    station.print(&part(20_000));
    station.until("hot and printing", |s| {
        s.hotend.is_some_and(|h| h.target_c > 200.0)
            && s.job.as_ref().is_some_and(|j| j.fraction > 0.01)
    });
    station.link.kill().unwrap();
    station.link.wait().unwrap();
    station.link = start(station.dir.path(), &[]);
    let status = station.until("back", |s| s.state == PrinterState::Idle);
    let job = status.job.unwrap();
    assert_eq!(job.phase, Phase::Stopped);
    assert_eq!(job.fault.unwrap().name, "link_restarted");
    station.until("cold", |s| {
        [s.hotend, s.bed]
            .iter()
            .all(|heater| heater.is_some_and(|h| h.target_c == 0.0))
    });
}

#[test]
fn a_second_link_on_the_same_folder_is_refused() {
    let station = Station::new(&[]);
    station.client();
    let second = start(station.dir.path(), &[]).wait().unwrap();
    assert_eq!(second.code(), Some(1));
}

#[test]
fn calvaria_stop_halts_the_printer_and_recover_brings_it_back() {
    let station = Station::new(&[]);
    station.print(&part(20_000));
    station.until("printing", |s| {
        s.job.as_ref().is_some_and(|j| j.fraction > 0.01)
    });
    let stop = Command::new(env!("CARGO_BIN_EXE_calvaria"))
        .args(["stop", "--data"])
        .arg(station.dir.path())
        .output()
        .unwrap();
    assert!(stop.status.success(), "{stop:?}");
    let said = String::from_utf8(stop.stdout).unwrap();
    assert!(said.contains("confirmed"), "{said}");
    let status = station.until("halted", |s| s.state == PrinterState::Halted);
    assert_eq!(status.job.unwrap().fault.unwrap().name, "emergency_stop");
    station.client().ask(Ask::Recover).unwrap();
    station.until("back", |s| s.state == PrinterState::Idle);
}

/// Repetier: its `ok` says only that a line was read.
#[test]
fn a_repetier_is_held_goes_on_is_given_up_and_is_stopped() {
    let station = Station::at(100.0, &["--profile", "repetier"]);
    let ask = |what: Ask| station.client().ask(what).unwrap();
    let prints = |lines: usize| {
        station.print(&part(lines));
        station.until("printing", |s| {
            s.job.as_ref().is_some_and(|j| j.fraction > 0.05)
        });
    };
    let over = || {
        let status = station.until("over", |s| {
            s.job.as_ref().is_some_and(|j| j.phase.is_over())
        });
        let job = status.job.unwrap();
        (job.phase, job.fault.map_or(String::new(), |f| f.name))
    };
    prints(1_500);
    ask(Ask::Pause);
    station.until("held", |s| {
        s.job.as_ref().is_some_and(|j| j.phase == Phase::Paused)
    });
    ask(Ask::Resume);
    assert_eq!(over(), (Phase::Printed, String::new()));

    prints(20_000);
    ask(Ask::Cancel);
    assert_eq!(over(), (Phase::Stopped, "cancelled".into()));
    station.until("cold", |s| {
        [s.hotend, s.bed]
            .iter()
            .all(|heater| heater.is_some_and(|h| h.target_c == 0.0))
    });

    prints(20_000);
    ask(Ask::EmergencyStop);
    assert_eq!(over(), (Phase::Stopped, "emergency_stop".into()));
    station.until("halted", |s| s.state == PrinterState::Halted);
    ask(Ask::Recover);
    station.until("back", |s| s.state == PrinterState::Idle);
}

/// From the request on the socket to the bytes at the other end of the port, with three lines unanswered.
#[test]
fn an_emergency_stop_is_on_the_wire_within_100_ms() {
    use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    unlockpt(&master).unwrap();
    let port = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let station = Station {
        link: start(dir.path(), &["--port", &format!("pty:{port}")]),
        dir,
    };
    rustix::io::ioctl_fionbio(&master, true).unwrap();
    let mut client = station.client();
    std::thread::sleep(Duration::from_millis(400));
    let mut worst = Duration::ZERO;
    for _ in 0..50 {
        let mut seen = Vec::new();
        let mut bytes = [0_u8; 4096];
        while rustix::io::read(&master, &mut bytes).is_ok() {}
        let pressed = Instant::now();
        let asked = std::thread::spawn(move || {
            client.ask(Ask::EmergencyStop).unwrap();
            client
        });
        while !seen.windows(6).any(|w| w == b"\nM112\n") {
            assert!(
                pressed.elapsed() < Duration::from_secs(5),
                "never on the wire"
            );
            match rustix::io::read(&master, &mut bytes) {
                Ok(n) => seen.extend_from_slice(&bytes[..n]),
                Err(_) => std::thread::sleep(Duration::from_micros(200)),
            }
        }
        worst = worst.max(pressed.elapsed());
        client = asked.join().unwrap();
    }
    println!("slowest of 50: {worst:?}");
    assert!(worst < Duration::from_millis(100), "{worst:?}");
}

/// A port that floods us (a cable that picks up a motor, a firmware gone wild) does not starve those who want to stop.
#[test]
fn a_port_that_floods_does_not_hold_up_the_stop() {
    use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    unlockpt(&master).unwrap();
    let port = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let station = Station {
        link: start(dir.path(), &["--port", &format!("pty:{port}")]),
        dir,
    };
    rustix::io::ioctl_fionbio(&master, true).unwrap();
    let mut client = station.client();
    std::thread::sleep(Duration::from_millis(400));
    let (over, flooded) = (AtomicBool::new(false), AtomicUsize::new(0));
    let flood = " T:20.00 /0.00 B:20.00 /0.00 @:0 B@:0\n".repeat(100);
    let answered = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let written = rustix::io::write(&master, flood.as_bytes()).unwrap_or(0);
                flooded.fetch_add(written, Ordering::Relaxed);
            }
        });
        // However busy the machine is, the press comes in the middle of a flood.
        let until = Instant::now() + Duration::from_secs(60);
        while flooded.load(Ordering::Relaxed) < 1 << 20 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        let pressed = Instant::now();
        client.ask(Ask::EmergencyStop).unwrap();
        let answered = pressed.elapsed();
        over.store(true, Ordering::Relaxed);
        answered
    });
    let flooded = flooded.into_inner();
    println!("{flooded} bytes, answered in {answered:?}");
    assert!(flooded > 1 << 20, "no flood: {flooded} bytes");
    // Alone it takes some milliseconds; a link that the flood holds up never answers.
    assert!(answered < Duration::from_secs(5), "{answered:?}");
}
