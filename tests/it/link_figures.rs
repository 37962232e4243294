//! The link in figures: what it costs, how full it keeps the wire, how soon a stop is on it. By command, with an optimised
//! program (`CALVARIA_BIN`), each alone on the machine or beside the load that it makes itself:
//!
//! ```sh
//! cargo test --test it link_figures -- --ignored --nocapture --test-threads=1
//! ```
//!
//! `CALVARIA_PRESSES` and `CALVARIA_LINES` ask for other numbers of presses and of lines.

use crate::printer::Station;
use crate::room::{Room, number, sealed, sha256, wait};
use calvaria::printer::client::{Client, SOCKET};
use calvaria::printer::wire::{Command as Ask, Phase, Status};
use calvaria::status::PrinterState;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
use serde_json::json;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Both ends of a pseudo-terminal: ours, and the path of the link's.
fn pty() -> (OwnedFd, String) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    rustix::io::ioctl_fionbio(&master, true).unwrap();
    (master, name.into_string().unwrap())
}

/// Says that it is over when it ends, also by a failed check: the other thread ends then.
struct Until<'a>(&'a AtomicBool);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sorted: half, 99 of 100, the longest.
fn spread(took_ms: &mut [f64]) -> (f64, f64, f64) {
    took_ms.sort_by(f64::total_cmp);
    let at = |part: f64| took_ms[((took_ms.len() - 1) as f64 * part).round() as usize];
    (at(0.5), at(0.99), at(1.0))
}

// --- a printer that answers at once --------------------------------------------------------------------------------------

/// Firmware at the other end of a serial line of some rate: what it is sent it has done, so that lines are always due.
struct Quick {
    master: OwnedFd,
    /// Time for a byte, s; 0: as fast as the pseudo-terminal.
    byte_s: f64,
    /// What is said stays in the adapter until its timer has run, s.
    timer_s: f64,
    began: Instant,
    seen: Mutex<Seen>,
    moves: AtomicU64,
    over: AtomicBool,
}

/// What came over the wire.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// When the last byte of the first `M112` since it was last forgotten was read.
    stopped: Option<Instant>,
    /// From the 100th move to the `M400` behind the last: when it began and ended, lines, and time without a byte on the wire, s.
    from_s: f64,
    to_s: f64,
    lines: u64,
    idle_s: f64,
    /// What of it was this thread's own lateness: the answer that gave room was said later than it was due, or the bytes may
    /// have lain here unread.
    late_s: f64,
}

impl Quick {
    fn new(baud: u32, timer_s: f64) -> (Self, String) {
        let (master, port) = pty();
        let byte_s = if baud == 0 {
            0.0
        } else {
            10.0 / f64::from(baud)
        };
        let quick = Self {
            master,
            byte_s,
            timer_s,
            began: Instant::now(),
            seen: Mutex::default(),
            moves: AtomicU64::new(0),
            over: AtomicBool::new(false),
        };
        (quick, port)
    }

    fn seen(&self) -> Seen {
        *self.seen.lock().unwrap()
    }

    /// Serves until it is told that it is over.
    fn serve(&self) {
        let mut wire = Serving::default();
        while !self.over.load(Ordering::Relaxed) {
            wire.turn(self);
            std::thread::sleep(Duration::from_micros(50));
        }
    }
}

/// Bytes on their way, and what the firmware knows.
#[derive(Default)]
struct Serving {
    up: VecDeque<(f64, u8)>,
    up_free: f64,
    down: VecDeque<(f64, String)>,
    down_free: f64,
    line: String,
    /// The last line's number.
    last: u64,
    at: [f64; 4],
    relative: [bool; 4],
    halted: bool,
    /// Moves of this print; `None` behind its `M400`.
    counted: Option<u64>,
    /// So much too late was the last answer said, s.
    said_late_s: f64,
    /// When nothing lay here to be read last.
    empty_s: f64,
    now: Seen,
}

impl Serving {
    fn turn(&mut self, quick: &Quick) {
        let mut bytes = [0_u8; 4096];
        let looked_s = quick.began.elapsed().as_secs_f64();
        match rustix::io::read(&quick.master, &mut bytes) {
            Ok(n) => {
                let now = quick.began.elapsed().as_secs_f64();
                for &byte in &bytes[..n] {
                    if now > self.up_free && self.counted.is_some_and(|moves| moves >= 100) {
                        let idle_s = now - self.up_free;
                        self.now.idle_s += idle_s;
                        self.now.late_s += (self.said_late_s + now - self.empty_s).min(idle_s);
                    }
                    self.up_free = self.up_free.max(now) + quick.byte_s;
                    self.up.push_back((self.up_free, byte));
                }
            }
            // Its port was closed: DTR resets the board.
            Err(rustix::io::Errno::IO) => *self = Self::default(),
            Err(_) => self.empty_s = looked_s,
        }
        let now = quick.began.elapsed().as_secs_f64();
        while let Some((at, byte)) = self.up.front().copied().filter(|(at, _)| *at <= now) {
            self.up.pop_front();
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                self.take(quick, at, &line);
            } else {
                self.line.push(char::from(byte));
            }
        }
        while self.down.front().is_some_and(|(at, _)| *at <= now)
            && let Some((at, text)) = self.down.pop_front()
        {
            self.said_late_s = quick.began.elapsed().as_secs_f64() - at;
            let _ = rustix::io::write(&quick.master, text.as_bytes());
        }
    }

    fn say(&mut self, quick: &Quick, now: f64, text: String) {
        self.down_free = self.down_free.max(now) + quick.byte_s * (text.len() + 1) as f64;
        self.down
            .push_back((self.down_free + quick.timer_s, text + "\n"));
    }

    fn take(&mut self, quick: &Quick, now: f64, line: &str) {
        if line == "M112" {
            let mut seen = quick.seen.lock().unwrap();
            seen.stopped.get_or_insert_with(Instant::now);
            drop(seen);
            if !self.halted {
                self.say(quick, now, "Error:Printer halted. kill() called!".into());
            }
            self.halted = true;
        }
        let framed = line.split('*').next().unwrap_or_default();
        let (number, command) = match framed.strip_prefix('N').and_then(|n| n.split_once(' ')) {
            Some((number, command)) => (number.parse().ok(), command),
            None => (None, framed),
        };
        if command.starts_with("M110") {
            self.last = 0;
        } else if let Some(number) = number.filter(|_| !self.halted) {
            if number != self.last + 1 {
                let last = self.last;
                let error = "Error:Line Number is not Last Line Number+1";
                self.say(quick, now, format!("{error}, Last Line: {last}"));
                self.say(quick, now, format!("Resend: {}", last + 1));
                return self.say(quick, now, "ok".into());
            }
            self.last = number;
        }
        let mut words = command.split(' ');
        let first = words.next().unwrap_or_default();
        if self.halted || first.is_empty() {
            return;
        }
        let value = |word: &str| {
            let axis = "XYZE".find(word.chars().next()?)?;
            Some((axis, word[1..].parse::<f64>().ok()?))
        };
        match first {
            "G0" | "G1" | "G92" => {
                for (axis, value) in words.filter_map(value) {
                    let from = if self.relative[axis] && first != "G92" {
                        self.at[axis]
                    } else {
                        0.0
                    };
                    self.at[axis] = from + value;
                }
                if first != "G92" {
                    quick.moves.fetch_add(1, Ordering::Relaxed);
                    let moves = self.counted.map_or(1, |moves| moves + 1);
                    self.counted = Some(moves);
                    if moves == 100 {
                        self.now = Seen {
                            from_s: now,
                            ..Seen::default()
                        };
                    }
                }
            }
            "G28" => self.at[..3].fill(0.0),
            "G90" => self.relative = [false; 4],
            "G91" => self.relative = [true; 4],
            "M82" => self.relative[3] = false,
            "M83" => self.relative[3] = true,
            "M400" if self.counted.take().is_some() => {
                self.now.to_s = now;
                let mut seen = quick.seen.lock().unwrap();
                let stopped = seen.stopped;
                *seen = Seen {
                    stopped,
                    ..self.now
                };
            }
            "M114" => {
                let [x, y, z, e] = self.at;
                let text = format!("X:{x:.2} Y:{y:.2} Z:{z:.2} E:{e:.2} Count X:0 Y:0 Z:0");
                self.say(quick, now, text);
            }
            "M115" => {
                let name = "FIRMWARE_NAME:Marlin 2.1.2.1 PROTOCOL_VERSION:1.0 MACHINE_TYPE:virtual";
                self.say(quick, now, name.into());
            }
            _ => {}
        }
        self.now.lines += 1;
        let answer = if first == "M105" {
            "ok T:200.00 /0.00 B:60.00 /0.00 @:0 B@:0"
        } else {
            "ok"
        };
        self.say(quick, now, answer.into());
    }
}

/// Segments of 0.2 mm, as a fine infill has them.
fn segments(lines: u64) -> String {
    let mut text = String::from(
        "M140 S60\nM104 S215\nG28\nM190 S60\nM109 S215\nG90\nM83\nG92 E0\nG1 Z0.3 F600\nG1 X20 Y20 F6000\nG1 F3600\n",
    );
    for n in 0..lines {
        let (row, step) = (n / 800, n % 800);
        let along = if row % 2 == 0 { step } else { 799 - step };
        let (x, y) = (22.0 + along as f64 * 0.2, 20.0 + row as f64 * 0.5);
        let _ = writeln!(text, "G1 X{x:.3} Y{y:.3} E0.00665");
    }
    text.push_str("M107\nM104 S0\nM140 S0\nG1 X10 Y200 F6000\nM84\n");
    sealed(&text)
}

/// Time of a process on a core so far, s.
fn cpu_s(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = text
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

/// Wire that the link left idle while lines were due, lines a second, and what the link takes of a core. What was idle because
/// this thread was late is printed beside it: the peer of a wire is not late, a thread on a busy machine is.
fn wire_and_core(baud: u32) -> (f64, f64, f64) {
    let (quick, port) = Quick::new(baud, 1e-3);
    let station = Station::on(&["--port", &format!("pty:{port}")]);
    std::thread::scope(|scope| {
        let _over = Until(&quick.over);
        scope.spawn(|| quick.serve());
        station.until("ready", |s| s.state == PrinterState::Idle);
        station.print(&segments(number("CALVARIA_LINES", 20_000)));
        wait("moves", Duration::from_secs(60), || {
            (quick.moves.load(Ordering::Relaxed) > 200).then_some(())
        });
        let (from, before_s) = (Instant::now(), cpu_s(station.pid()));
        // Asked seldom, so that the questions cost nothing.
        let status = loop {
            std::thread::sleep(Duration::from_secs(1));
            let status = station.until("so far", |_| true);
            if status.job.as_ref().is_some_and(|j| j.phase.is_over()) {
                break status;
            }
        };
        let core = (cpu_s(station.pid()) - before_s) / from.elapsed().as_secs_f64();
        let job = status.job.unwrap();
        assert_eq!(job.phase, Phase::Printed, "{:?}", job.fault);
        let seen = quick.seen();
        let whole_s = seen.to_s - seen.from_s;
        let (idle, late) = (seen.idle_s / whole_s * 100.0, seen.late_s / whole_s * 100.0);
        let figures = (idle - late, seen.lines as f64 / whole_s, core * 100.0);
        println!(
            "{baud} baud: idle {idle:.2} %, of it {:.2} by the link and {late:.2} by its late peer, {:.0} lines/s, {:.2} % of a core",
            figures.0, figures.1, figures.2
        );
        figures
    })
}

#[test]
#[ignore = "a figure; the command is at the top of this file"]
fn the_wire_is_full_while_lines_are_due() {
    let (slow, _, _) = wire_and_core(115_200);
    let (fast, _, core) = wire_and_core(250_000);
    assert!(slow < 0.5, "115200: {slow:.2} % idle");
    assert!(fast < 1.0, "250000: {fast:.2} % idle");
    assert!(core < 2.0, "{core:.2} % of a core");
}

// --- stops ---------------------------------------------------------------------------------------------------------------

/// What a pseudo-terminal carries here when nobody looks at what it carries, MB/s.
fn bare_rate(flood: &[u8]) -> f64 {
    let (master, port) = pty();
    let mut slave = calvaria::printer::port::Port::open(&port, 115_200).unwrap();
    let began = Instant::now();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _over = Until(&over);
        scope.spawn(|| fill(&master, flood, &over));
        let (mut taken, mut bytes) = (0, [0_u8; 4096]);
        while began.elapsed() < Duration::from_secs(2) {
            match slave.read(&mut bytes).unwrap() {
                0 => std::thread::yield_now(),
                n => taken += n,
            }
        }
        taken as f64 / began.elapsed().as_secs_f64() / 1e6
    })
}

/// Keeps the pseudo-terminal full: sleeps until it takes something, and gives it all it takes. What comes the other way is
/// thrown away. Bytes that went in.
fn fill(master: &OwnedFd, flood: &[u8], over: &AtomicBool) -> usize {
    let (mut bytes, mut heard) = (0, [0_u8; 4096]);
    let mut at = 0;
    while !over.load(Ordering::Relaxed) {
        match rustix::io::write(master, &flood[at..]) {
            Ok(n) => {
                bytes += n;
                at = (at + n) % flood.len();
            }
            Err(_) => {
                let mut fds = [PollFd::new(master, PollFlags::OUT | PollFlags::IN)];
                let tenth = Timespec {
                    tv_sec: 0,
                    tv_nsec: 100_000_000,
                };
                let _ = poll(&mut fds, Some(&tenth));
            }
        }
        while rustix::io::read(master, &mut heard).is_ok_and(|n| n > 0) {}
    }
    bytes
}

/// 200 presses while the port says as much as a pseudo-terminal carries: the answer in time, none lost.
#[test]
#[ignore = "a figure; the command is at the top of this file"]
fn presses_beside_a_flood() {
    let flood = " T:20.00 /0.00 B:20.00 /0.00 @:0 B@:0\n".repeat(2000);
    let bare = bare_rate(flood.as_bytes());
    let (master, port) = pty();
    let station = Station::on(&["--port", &format!("pty:{port}")]);
    let mut client = station.client();
    std::thread::sleep(Duration::from_millis(400));
    let over = AtomicBool::new(false);
    let mut took = Vec::new();
    let presses = number("CALVARIA_PRESSES", 200);
    let began = Instant::now();
    let bytes = std::thread::scope(|scope| {
        let until = Until(&over);
        let flooding = scope.spawn(|| fill(&master, flood.as_bytes(), &over));
        std::thread::sleep(Duration::from_millis(300));
        for _ in 0..presses {
            let pressed = Instant::now();
            client.ask(Ask::EmergencyStop).unwrap();
            took.push(pressed.elapsed().as_secs_f64() * 1e3);
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(until);
        flooding.join().unwrap()
    });
    let rate = bytes as f64 / began.elapsed().as_secs_f64() / 1e6;
    let (half, most, max) = spread(&mut took);
    println!(
        "a pty carries {bare:.0} MB/s here, kept full; the link took {rate:.1} MB/s of it; {presses} presses answered after \
         p50 {half:.1}, p99 {most:.1}, max {max:.1} ms"
    );
    assert!(max < 100.0, "{max} ms");
}

/// Keeps all cores busy as long as it lives.
struct Load(std::sync::Arc<AtomicBool>);

impl Load {
    fn new() -> Self {
        let on = std::sync::Arc::new(AtomicBool::new(true));
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            let on = on.clone();
            std::thread::spawn(move || while on.load(Ordering::Relaxed) {});
        }
        Self(on)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// From the request over HTTP to the last byte of `M112` at the other end of the port, in mid-print at full rate, all cores
/// busy. After each press the printer is recovered and prints anew.
#[test]
#[ignore = "a figure, minutes; the command is at the top of this file"]
fn presses_in_mid_print() {
    let presses = number("CALVARIA_PRESSES", 200);
    let (quick, port) = Quick::new(0, 0.0);
    let mut room = Room::at_port(tempfile::tempdir().unwrap(), &format!("pty:{port}"));
    let part = room.dir.path().join("part.gcode");
    let text = segments(12_000);
    std::fs::write(&part, &text).unwrap();
    let print = Ask::Print {
        job: "K7-2043".into(),
        path: part,
        sha256: sha256(text.as_bytes()),
        released: None,
    };
    let limit = Duration::from_secs(60);
    std::thread::scope(|scope| {
        let _over = Until(&quick.over);
        scope.spawn(|| quick.serve());
        room.start_station(None);
        let socket = room.data().join(SOCKET);
        let mut client = wait("the link", limit, || {
            Client::connect(&socket, Duration::from_secs(10)).ok()
        });
        wait("the station", limit, || {
            room.printer().filter(|p| p.state == PrinterState::Idle)
        });
        let over = |client: &mut Client, what: &str, fits: &dyn Fn(&Status) -> bool| {
            let by = Instant::now() + limit;
            loop {
                let status = client.ask(Ask::Status).unwrap();
                if fits(&status) {
                    return;
                }
                assert!(Instant::now() < by, "not {what}: {status:?}");
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        let load = Load::new();
        let (mut took, mut answered, mut called_off) = (Vec::new(), Vec::new(), 0);
        for _ in 0..presses {
            loop {
                over(&mut client, "ready", &|s| s.state == PrinterState::Idle);
                let before = quick.moves.load(Ordering::Relaxed);
                client.ask(print.clone()).unwrap();
                let ended = std::cell::RefCell::new(None);
                over(&mut client, "in mid-print", &|s| {
                    let job = s.job.as_ref().filter(|job| job.phase.is_over());
                    *ended.borrow_mut() = job.map(|job| job.fault.clone());
                    job.is_some() || quick.moves.load(Ordering::Relaxed) > before + 500
                });
                // The station calls off what it did not release when it has run for 3 s, and proving the file may take as
                // long on a busy machine.
                match ended.into_inner() {
                    None => break,
                    Some(why) => assert_eq!(why.map(|why| why.name), Some("cancelled".into())),
                }
                called_off += 1;
            }
            quick.seen.lock().unwrap().stopped = None;
            let pressed = Instant::now();
            room.post("/api/v1/printer/emergency-stop", &json!({}))
                .unwrap();
            answered.push(pressed.elapsed().as_secs_f64() * 1e3);
            let on_wire = wait("M112 on the wire", limit, || quick.seen().stopped);
            took.push(on_wire.saturating_duration_since(pressed).as_secs_f64() * 1e3);
            over(&mut client, "halted", &|s| s.state == PrinterState::Halted);
            client.ask(Ask::Recover).unwrap();
        }
        drop(load);
        let (half, most, max) = spread(&mut took);
        println!(
            "{presses} presses: on the wire after p50 {half:.1}, p99 {most:.1}, max {max:.1} ms; {called_off} prints were called \
             off by the station before their press"
        );
        let answers = spread(&mut answered);
        println!(
            "answered after p50 {:.1}, p99 {:.1}, max {:.1} ms",
            answers.0, answers.1, answers.2
        );
        assert!(
            half < 10.0 && most < 50.0 && max < 100.0,
            "{half} {most} {max}"
        );
    });
}
