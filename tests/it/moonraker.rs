//! Klipper behind Moonraker: the link as a process, and a fake print server over real connections.

use crate::printer::{Station, part};
use crate::room::head::places;
use crate::room::sealed;
use calvaria::printer::moonraker::fake::{Moonraker, Reply, StoreFault};
use calvaria::printer::wire::{Command as Ask, Phase, Status};
use calvaria::status::{PrinterState, Tune};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A print server on a port of its own, so many times faster than time.
struct Server {
    fake: Arc<Mutex<Moonraker>>,
    port: String,
    /// Requests are answered so much later.
    slow: Arc<Mutex<Duration>>,
}

impl Server {
    fn at(speed: f64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = format!("moonraker:{}", listener.local_addr().unwrap());
        let fake = Arc::new(Mutex::new(Moonraker {
            hostname: "voron".into(),
            ..Moonraker::default()
        }));
        let slow = Arc::new(Mutex::new(Duration::ZERO));
        let (began, first_s) = (Instant::now(), fake.lock().unwrap().klipper.now_s());
        let (served, waits) = (Arc::clone(&fake), Arc::clone(&slow));
        let tick = Arc::clone(&fake);
        let now_s = move || first_s + began.elapsed().as_secs_f64() * speed;
        std::thread::spawn(move || {
            loop {
                tick.lock().unwrap().klipper.advance(now_s());
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (fake, waits) = (Arc::clone(&served), Arc::clone(&waits));
                std::thread::spawn(move || serve(stream, &fake, &waits));
            }
        });
        Self { fake, port, slow }
    }

    fn station(&self) -> Station {
        Station::on(&["--profile", "voron", "--port", &self.port])
    }

    fn with<T>(&self, what: impl FnOnce(&mut Moonraker) -> T) -> T {
        what(&mut self.fake.lock().unwrap())
    }
}

/// One connection, as long as it lasts.
fn serve(stream: TcpStream, fake: &Mutex<Moonraker>, waits: &Mutex<Duration>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.trim().is_empty() {
                break;
            }
            head.push(line.trim().to_owned());
        }
        let header = |name: &str| {
            let found = head.iter().skip(1).find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name)
                    .then(|| value.trim().to_owned())
            });
            found.unwrap_or_default()
        };
        let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        let mut words = head.first()?.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let (key, kind) = (header("x-api-key"), header("content-type"));
        let late = *waits.lock().unwrap();
        if target != "/printer/emergency_stop" {
            std::thread::sleep(late);
        }
        let first = fake
            .lock()
            .unwrap()
            .request(&method, &target, &key, &kind, &body);
        let (status, body) = match first {
            Reply::Now(status, body) => (status, body),
            Reply::Later(ticket) => loop {
                if let Some(answer) = fake.lock().unwrap().answer(ticket) {
                    break answer;
                }
                std::thread::sleep(Duration::from_millis(5));
            },
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(&body).ok()?;
    }
}

/// What the file made, X, Y, Z, E, 1e-5 mm.
fn made(server: &Server) -> Vec<[i64; 4]> {
    server.with(|fake| {
        let of_file = fake.klipper.made().filter(|made| made.by_file);
        of_file
            .map(|made| made.to.map(|v| (v * 1e5).round() as i64))
            .collect()
    })
}

fn over(status: &Status) -> bool {
    status.job.as_ref().is_some_and(|job| job.phase.is_over())
}

fn running(status: &Status) -> bool {
    (status.job.as_ref()).is_some_and(|job| job.phase == Phase::Printing && job.fraction > 0.1)
}

fn is_cold(server: &Server) -> bool {
    server.with(|fake| !fake.klipper.is_hot() && fake.klipper.prints().is_none())
}

fn until(what: &str, found: impl Fn() -> bool) {
    let by = Instant::now() + Duration::from_secs(60);
    while !found() {
        assert!(Instant::now() < by, "never {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_print_over_moonraker_executes_exactly_the_file_though_its_store_fails_twice() {
    let server = Server::at(60.0);
    server.with(|fake| fake.store_faults = vec![StoreFault::Damaged, StoreFault::Rewritten]);
    let station = server.station();
    let status = station.until("ready", |s| s.state == PrinterState::Idle);
    assert_eq!(
        (status.port.as_str(), status.is_virtual),
        (server.port.as_str(), false)
    );
    let text = part(8_000);
    station.print(&text);
    station.until("in print", running);
    let mut client = station.client();
    client.ask(Ask::Pause).unwrap();
    station.until("held", |s| s.state == PrinterState::Paused);
    client.ask(Ask::Resume).unwrap();
    let job = station.until("over", over).job.unwrap();
    assert_eq!(job.phase, Phase::Printed, "{:?}", job.fault);
    assert!(job.printer.unwrap().firmware.starts_with("Klipper v0.13"));
    assert_eq!(made(&server), places(text.lines()));
    // Nobody prints it once more at Klipper's page.
    until("removed", || {
        server.with(|fake| {
            fake.klipper
                .names()
                .all(|name| !name.starts_with("calvaria"))
        })
    });
    assert!(is_cold(&server));
}

#[test]
fn what_is_tuned_is_in_force_and_goes_no_further_than_the_print() {
    let server = Server::at(60.0);
    let station = server.station();
    station.until("ready", |s| s.state == PrinterState::Idle);
    let text = part(8_000);
    station.print(&text);
    station.until("in print", running);
    let tune = Tune {
        speed_percent: Some(110.0),
        flow_percent: Some(95.0),
        fan_percent: None,
        z_mm: Some(-0.05),
    };
    // Refused until the print has homed and moved to its first layer.
    until("taken", || station.client().ask(Ask::Tune(tune)).is_ok());
    until("tuned", || {
        server.with(|fake| fake.klipper.tuned() == [1.1, 0.95, -0.05])
    });
    let job = station.until("over", over).job.unwrap();
    assert_eq!(job.phase, Phase::Printed, "{:?}", job.fault);
    let xy = |all: Vec<[i64; 4]>| all.iter().map(|at| [at[0], at[1]]).collect::<Vec<_>>();
    assert_eq!(xy(made(&server)), xy(places(text.lines())));
    until("as before", || {
        server.with(|fake| fake.klipper.tuned() == [1.0, 1.0, 0.0])
    });
}

#[test]
fn an_emergency_stop_waits_for_no_answer_and_recover_brings_klipper_back() {
    let server = Server::at(60.0);
    let station = server.station();
    station.until("ready", |s| s.state == PrinterState::Idle);
    station.print(&part(20_000));
    station.until("in print", running);
    *server.slow.lock().unwrap() = Duration::from_secs(3);
    std::thread::sleep(Duration::from_millis(700));
    let pressed = Instant::now();
    station.client().ask(Ask::EmergencyStop).unwrap();
    until("stopped", || server.with(|fake| fake.stops > 0));
    assert!(
        pressed.elapsed() < Duration::from_secs(1),
        "{:?}",
        pressed.elapsed()
    );
    *server.slow.lock().unwrap() = Duration::ZERO;
    let status = station.until("confirmed", |s| {
        s.fault
            .as_ref()
            .is_some_and(|f| f.text.contains("confirmed it"))
    });
    assert_eq!(status.state, PrinterState::Halted);
    station.client().ask(Ask::Recover).unwrap();
    station.until("ready again", |s| s.state == PrinterState::Idle);
}

#[test]
fn klippers_own_halt_and_its_own_page_stop_a_print_with_their_reason() {
    type Act = fn(&mut Moonraker);
    let cases: [(&str, &str, Act); 3] = [
        ("printer_halted", "Timer too close", |fake| {
            fake.klipper
                .shut_down("MCU 'mcu' shutdown: Timer too close");
        }),
        ("stopped_at_printer", "at the printer", |fake| {
            fake.klipper.do_there("CANCEL_PRINT");
        }),
        ("printer_reset", "restarted", |fake| fake.klipper.restart()),
    ];
    for (name, words, act) in cases {
        let server = Server::at(60.0);
        let station = server.station();
        station.until("ready", |s| s.state == PrinterState::Idle);
        station.print(&part(20_000));
        station.until("in print", running);
        server.with(act);
        let fault = station.until("over", over).job.unwrap().fault.unwrap();
        assert_eq!(fault.name, name);
        assert!(fault.text.contains(words), "{}", fault.text);
        until("cold", || {
            is_cold(&server)
                || server.with(|fake| fake.klipper.prints().is_some() && !fake.klipper.is_hot())
        });
    }
}

#[test]
fn a_killed_link_gives_its_print_up_and_switches_the_heaters_off() {
    let server = Server::at(60.0);
    let mut station = server.station();
    station.until("ready", |s| s.state == PrinterState::Idle);
    station.print(&part(20_000));
    station.until("in print", running);
    station.restart(&["--profile", "voron", "--port", &server.port]);
    let status = station.until("back", |s| s.state == PrinterState::Idle && over(s));
    assert_eq!(status.job.unwrap().fault.unwrap().name, "link_restarted");
    until("cold", || is_cold(&server));
    station.until("said", |s| {
        let fault = s.job.as_ref().and_then(|job| job.fault.as_ref());
        fault.is_some_and(|f| f.text.contains("switched off"))
    });
}

#[test]
fn somebody_elses_print_is_left_alone_and_nothing_is_printed_beside_it() {
    let server = Server::at(1.0);
    let other = "M104 S200\nM140 S60\nG28\nG4 P600000\n";
    server.with(|fake| {
        fake.klipper.put("other.gcode", other.as_bytes());
        fake.klipper
            .do_there("SDCARD_PRINT_FILE FILENAME=\"other.gcode\"");
    });
    let station = server.station();
    let status = station.until("busy", |s| {
        s.fault.as_ref().is_some_and(|f| f.name == "other_print")
    });
    assert_eq!(status.state, PrinterState::Printing);
    let ask = Ask::Print {
        job: "K7-2043".into(),
        path: "/nowhere".into(),
        sha256: "ab".into(),
        released: None,
    };
    let refused = station.client().ask(ask).unwrap_err().to_string();
    assert!(refused.contains("other.gcode"), "{refused}");
    std::thread::sleep(Duration::from_secs(2));
    assert!(
        server.with(|fake| fake.klipper.is_hot() && fake.klipper.prints() == Some("other.gcode"))
    );
}

#[test]
fn a_key_is_asked_for_in_words_and_a_file_without_a_seal_is_never_printed() {
    let server = Server::at(60.0);
    server.with(|fake| fake.key = "b0a1".into());
    let station = server.station();
    station.until("refused", |s| {
        s.fault.as_ref().is_some_and(|f| f.name == "no_key")
    });
    drop(station);
    let dir = tempfile::tempdir().unwrap();
    let (key, config) = (dir.path().join("key"), dir.path().join("calvaria.toml"));
    std::fs::write(&key, "b0a1\n").unwrap();
    let text = format!(
        "[printer]\nprofile = 'voron'\ntransport = '{}'\napi_key_file = '{}'\n",
        server.port,
        key.display()
    );
    std::fs::write(&config, text).unwrap();
    let station = Station::on(&["--config", config.to_str().unwrap()]);
    station.until("ready", |s| s.state == PrinterState::Idle);
    let text = part(20);
    let bare: String = text
        .lines()
        .filter(|line| !line.starts_with(';'))
        .map(|l| format!("{l}\n"))
        .collect();
    station.print(&bare);
    let fault = station.until("over", over).job.unwrap().fault.unwrap();
    assert_eq!(fault.name, "gcode_refused");
    assert!(made(&server).is_empty());
    // A command that this Klipper does not know would be left out without a word.
    std::thread::sleep(Duration::from_millis(1_500));
    station.print(&sealed(
        &text
            .replace("G28\n", "G28\nG29\n")
            .lines()
            .filter(|l| !l.starts_with(';'))
            .map(|l| format!("{l}\n"))
            .collect::<String>(),
    ));
    let fault = station
        .until("over", |s| {
            over(s)
                && s.fault
                    .as_ref()
                    .is_some_and(|f| f.name == "unknown_commands")
        })
        .fault
        .unwrap();
    assert!(fault.text.contains("G29"), "{}", fault.text);
}

#[test]
fn only_a_profile_for_klipper_may_use_it() {
    let output = crate::room::run(&[
        "printer",
        "--data",
        "/tmp/nowhere-calvaria",
        "--profile",
        "prusa-mk3s",
        "--port",
        "moonraker:127.0.0.1:7125",
    ]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("dialect is klipper"), "{said}");
}
