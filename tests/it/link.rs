//! The link over other ways than a cable of its own: a port on the network, a stop button, a relay; a print that is tuned, and
//! what is held in memory. Other figures: `link_figures`. Three days of a print, minutes in fact:
//!
//! ```sh
//! cargo test --test it link::three_days -- --ignored --nocapture
//! ```

use crate::printer::{Station, part};
use crate::room::head::{Place, places};
use calvaria::printer::virtual_printer::Record;
use calvaria::printer::wire::{Command as Ask, Phase};
use calvaria::status::{PrinterState, Tune};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Ends with the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A virtual printer at `DIR/tty`, with its log.
fn virtual_printer(dir: &Path, speed: &str) -> Running {
    let child = crate::room::calvaria()
        .args(["virtual-printer", "--speed", speed, "--pty"])
        .arg(dir.join("tty"))
        .arg("--log")
        .arg(dir.join("log.jsonl"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let by = Instant::now() + Duration::from_secs(10);
    while !dir.join("tty").exists() {
        assert!(Instant::now() < by, "no virtual printer");
        std::thread::sleep(Duration::from_millis(5));
    }
    Running(child)
}

/// Hands a serial port on, as ser2net does: one connection at a time, as long as `cut` is not set.
fn hand_on(tty: &Path, listener: TcpListener, cut: Arc<AtomicBool>) {
    let tty = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(tty)
        .unwrap();
    rustix::io::ioctl_fionbio(&tty, true).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            copy(&tty, stream, &cut);
        }
    });
}

fn copy(mut tty: &std::fs::File, mut stream: TcpStream, cut: &AtomicBool) {
    stream.set_nonblocking(true).unwrap();
    let mut bytes = [0_u8; 4096];
    while !cut.swap(false, Ordering::Relaxed) {
        let mut idle = true;
        match stream.read(&mut bytes) {
            Ok(0) => return,
            Ok(n) => {
                idle = false;
                let mut left = &bytes[..n];
                while !left.is_empty() {
                    match tty.write(left) {
                        Ok(n) => left = &left[n..],
                        Err(_) => std::thread::sleep(Duration::from_micros(200)),
                    }
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
        if let Ok(n) = tty.read(&mut bytes) {
            idle = false;
            let mut left = &bytes[..n];
            while !left.is_empty() {
                match stream.write(left) {
                    Ok(n) => left = &left[n..],
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
            }
        }
        if idle {
            std::thread::sleep(Duration::from_micros(300));
        }
    }
}

fn executed(log: &Path) -> Vec<Place> {
    let text = std::fs::read_to_string(log).unwrap();
    let records = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Record>(line).ok());
    ends(&records.collect::<Vec<_>>())
}

fn ends(records: &[Record]) -> Vec<Place> {
    let ends = records.iter().filter_map(|record| match record {
        Record::Block { to, .. } => Some(to.map(|v| (v * 1e5).round() as i64)),
        _ => None,
    });
    ends.collect()
}

#[test]
fn a_print_over_the_network_executes_exactly_the_file_though_the_connection_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let _printer = virtual_printer(dir.path(), "60");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("tcp:{}", listener.local_addr().unwrap());
    let cut = Arc::new(AtomicBool::new(false));
    hand_on(&dir.path().join("tty"), listener, Arc::clone(&cut));
    let station = Station::on(&["--port", &port]);
    let text = part(1500);
    let status = station.until("ready", |s| s.state == PrinterState::Idle);
    assert_eq!(status.port, port);
    station.print(&text);
    station.until("in print", |s| {
        s.job.as_ref().is_some_and(|j| j.fraction > 0.1)
    });
    cut.store(true, Ordering::Relaxed);
    let status = station.until("over", |s| {
        s.job.as_ref().is_some_and(|j| j.phase.is_over())
    });
    let job = status.job.unwrap();
    assert_eq!(job.phase, Phase::Printed, "{:?}", job.fault);
    assert!(!cut.load(Ordering::Relaxed), "it was never cut");
    assert_eq!(
        executed(&dir.path().join("log.jsonl")),
        places(text.lines())
    );
}

#[test]
fn a_stop_button_stops_the_printer_and_a_relay_takes_its_mains() {
    let dir = tempfile::tempdir().unwrap();
    let button = dir.path().join("button");
    assert!(
        Command::new("mkfifo")
            .arg(&button)
            .status()
            .unwrap()
            .success()
    );
    let off = dir.path().join("off");
    let station = Station::on(&[
        "--virtual-speed",
        "60",
        "--stop-button",
        button.to_str().unwrap(),
        "--switch-off",
        "/usr/bin/touch",
        "--switch-off",
        off.to_str().unwrap(),
    ]);
    station.until("ready", |s| s.state == PrinterState::Idle);
    assert!(!off.exists());
    let mut device = std::fs::OpenOptions::new()
        .write(true)
        .open(&button)
        .unwrap();
    let mut event = vec![0_u8; 16];
    for part in [1_u16.to_ne_bytes(), 0x100_u16.to_ne_bytes()] {
        event.extend(part);
    }
    event.extend(1_i32.to_ne_bytes());
    device.write_all(&event).unwrap();
    station.until("halted", |s| s.state == PrinterState::Halted);
    let by = Instant::now() + Duration::from_secs(30);
    while !off.exists() {
        assert!(Instant::now() < by, "the relay was never switched");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Over real processes: what a person tunes goes between two lines, the part is the file's, and the next print begins as its
/// file says.
#[test]
fn a_print_that_is_tuned_executes_exactly_the_file_and_leaves_nothing_behind() {
    let station = Station::at(60.0, &[]);
    station.until("ready", |s| s.state == PrinterState::Idle);
    let text = part(1500);
    station.print(&text);
    let mut client = station.client();
    let asked = Tune {
        speed_percent: Some(110.0),
        flow_percent: Some(95.0),
        fan_percent: Some(50.0),
        z_mm: Some(-0.05),
    };
    // Refused until the print has homed.
    let by = Instant::now() + Duration::from_secs(60);
    let status = loop {
        match client.ask(Ask::Tune(asked)) {
            Ok(status) => break status,
            Err(error) => assert!(Instant::now() < by, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let tuning = status.tuning.unwrap();
    assert_eq!((tuning.speed_percent, tuning.z_mm), (110.0, -0.05));
    let wild = Tune {
        speed_percent: Some(900.0),
        ..Tune::default()
    };
    let refused = client.ask(Ask::Tune(wild)).unwrap_err().to_string();
    assert!(refused.contains("from 50 to 120"), "{refused}");
    let status = station.until("over", |s| {
        s.job.as_ref().is_some_and(|j| j.phase.is_over())
    });
    let job = status.job.unwrap();
    assert_eq!(job.phase, Phase::Printed, "{:?}", job.fault);
    assert_eq!(status.tuning, None);
    let refused = client.ask(Ask::Tune(asked)).unwrap_err().to_string();
    assert!(refused.contains("Nothing is being printed"), "{refused}");
    let records = station.records();
    let lines = records.iter().filter_map(|record| match record {
        Record::Line { text, .. } => Some(text.as_str()),
        _ => None,
    });
    let tuned: Vec<&str> = lines
        .filter(|l| {
            ["M220", "M221", "M290"]
                .iter()
                .any(|word| l.starts_with(word))
        })
        .collect();
    let wanted = [
        "M220 S100",
        "M221 S100",
        "M220 S110",
        "M221 S95",
        "M290 P0 Z-0.05",
        "M220 S100",
        "M221 S100",
    ];
    assert_eq!(tuned, wanted);
    assert_eq!(ends(&records), places(text.lines()));
}

/// A part whose moves are slow: so many lines last so many hours.
fn slow_part(lines: usize, hours: f64) -> String {
    let mut text = String::from(
        "M140 S60\nM104 S150\nG28\nM190 S60\nM109 S215\nG90\nM83\nG92 E0\nG1 Z0.3 F600\nG1 X20 Y20 F6000\n",
    );
    // Each stroke has 2 mm.
    let feed = 2.0 * 60.0 / (hours * 3600.0 / lines as f64);
    for k in 0..lines {
        if k % 6000 == 5999 {
            let _ = writeln!(
                text,
                ";LAYER_CHANGE\nG1 Z{:.1} F600",
                0.3 + 0.2 * ((k + 1) / 6000) as f64
            );
        }
        let (x, y) = (22 + (k % 40) * 2, 20 + (k / 40) % 150);
        let _ = writeln!(text, "G1 X{x} Y{y} E0.06 F{feed:.1}");
    }
    text.push_str("M107\nM104 S0\nM140 S0\nG1 X10 Y200 F6000\nM84\n");
    crate::room::sealed(&text)
}

/// Resident memory of the link, MiB, at every twelfth of a print of so many hours.
fn memory_over(lines: usize, hours: f64, speed: &str) -> Vec<f64> {
    let station = Station::on(&["--virtual-speed", speed]);
    station.until("ready", |s| s.state == PrinterState::Idle);
    station.print(&slow_part(lines, hours));
    let mut seen = Vec::new();
    let resident = || {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", station.pid())).unwrap();
        let pages: f64 = text.split(' ').nth(1).unwrap().parse().unwrap();
        pages * 4096.0 / 1048576.0
    };
    for part in 1..=12 {
        let status = station.within(3600, "so far", |s| {
            let job = s.job.as_ref();
            job.is_some_and(|j| j.phase.is_over() || j.fraction >= f64::from(part) / 12.5)
        });
        let job = status.job.unwrap();
        assert!(job.fault.is_none(), "{:?}", job.fault);
        seen.push(resident());
    }
    println!("{hours} h, {lines} lines: {seen:.1?} MiB");
    seen
}

/// What it holds after a twelfth of the print, it holds at the end.
fn assert_no_growth(seen: &[f64]) {
    let (first, last) = (seen[0], seen[seen.len() - 1]);
    assert!(last < first + 1.0, "{seen:?}");
}

#[test]
fn a_link_holds_no_more_at_the_end_of_a_print_than_at_its_beginning() {
    assert_no_growth(&memory_over(2_000, 0.25, "100"));
}

#[test]
#[ignore = "minutes; the command is at the top of this file"]
fn three_days() {
    assert_no_growth(&memory_over(130_000, 72.0, "600"));
}
