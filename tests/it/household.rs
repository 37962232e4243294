//! The station's own house: a link that is not the one that is configured, and a disk that takes nothing.

use crate::room::{Room, calvaria, wait};
use calvaria::printer::client::{Client, SOCKET};
use calvaria::printer::wire::Command as Ask;
use calvaria::status::PrinterState;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::json;
use std::process::{Command, Stdio};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

fn room() -> Room {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("executed.jsonl");
    Room::new(dir, 600.0, &log, None)
}

/// Another machine from the station's next start on.
fn configure_prusa(room: &Room) {
    let path = room.dir.path().join("calvaria.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("[printer]\n", "[printer]\nprofile = \"prusa-mk3s\"\n");
    std::fs::write(&path, text).unwrap();
}

#[test]
fn a_link_of_the_station_that_was_started_otherwise_is_restarted() {
    let mut room = room();
    room.start_station(None);
    let first = wait("a link", SOON, || {
        room.printer()
            .filter(|p| p.profile == "virtual" && p.barred.is_none())?;
        room.pids("printer").first().copied()
    });
    room.kill_station();
    configure_prusa(&room);
    room.start_station(None);
    let second = wait("the configured link", SOON, || {
        room.printer()
            .filter(|p| p.profile == "prusa-mk3s" && p.barred.is_none())?;
        room.pids("printer").first().copied()
    });
    assert_ne!(first, second);
}

/// A printer that was stopped is brought back by somebody who looked at it: not by another configuration, not by a station
/// that starts anew, again and again.
#[test]
fn a_halt_stays_until_a_named_person_recovers_whatever_is_restarted() {
    let mut room = room();
    room.start_station(None);
    let halted = |room: &Room| {
        let printer = room.printer()?;
        (printer.state == PrinterState::Halted).then_some(printer)
    };
    let first = wait("a link", SOON, || {
        room.printer().filter(|p| p.state == PrinterState::Idle)?;
        room.pids("printer").first().copied()
    });
    room.post("/api/v1/printer/emergency-stop", &json!({}))
        .unwrap();
    wait("the halt", SOON, || halted(&room));
    for again in 0..3 {
        room.kill_station();
        if again == 0 {
            configure_prusa(&room);
        }
        room.start_station(None);
        let printer = wait("the halt after a restart", SOON, || halted(&room));
        let barred = wait("what differs", SOON, || room.printer()?.barred);
        assert_eq!(barred.name, "link_differs");
        // Longer than the link is asked for its state, and than it would take to end.
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(100));
            assert!(halted(&room).is_some(), "{:?}", room.printer());
            assert_eq!(room.pids("printer"), [first], "{printer:?}");
        }
    }
    // Not by the socket either.
    let mut client = Client::connect(&room.data().join(SOCKET), SOON).unwrap();
    assert!(client.ask(Ask::End).is_err());
    assert_eq!(room.act("/api/v1/printer/recover"), Ok(()));
    let second = wait("the configured link", SOON, || {
        room.printer()
            .filter(|p| p.profile == "prusa-mk3s" && p.barred.is_none())?;
        room.pids("printer").first().copied()
    });
    assert_ne!(first, second);
}

/// Who gets a new PIN stays what they are: nobody becomes one who releases by forgetting a flag.
#[test]
fn people_are_added_with_a_role_and_keep_it_with_a_new_pin() {
    let room = room();
    let config = room.dir.path().join("calvaria.toml");
    let operator = |arguments: &[&str], pin: &str| {
        let mut child = calvaria()
            .arg("operator")
            .args(arguments)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A wrong flag ends it before it reads.
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), pin.as_bytes());
        let out = child.wait_with_output().unwrap();
        (out.status.code(), String::from_utf8(out.stdout).unwrap())
    };
    let add = |name: &str, further: &[&str]| {
        let arguments = [&["add", name, "--pin-stdin"], further].concat();
        operator(&arguments, "735190\n").0
    };
    let roles = || {
        let list = operator(&["list", "--json"], "").1;
        let list: Vec<serde_json::Value> = serde_json::from_str(&list).unwrap();
        let role = |p: &serde_json::Value| format!("{} {}", p["name"], p["role"]).replace('"', "");
        list.iter().map(role).collect::<Vec<_>>()
    };
    assert_eq!(add("S. Haus", &["--role", "service"]), Some(0));
    assert_eq!(add("A. Weber", &["--role", "supervisor"]), Some(0));
    assert_eq!(add("B. Neu", &[]), Some(0));
    assert_eq!(add("C. Falsch", &["--role", "boss"]), Some(2));
    let all = [
        "A. Weber supervisor",
        "B. Neu operator",
        "M. Curie operator",
        "S. Haus service",
    ];
    assert_eq!(roles(), all);
    for name in ["S. Haus", "A. Weber", "B. Neu"] {
        assert_eq!(add(name, &[]), Some(0));
    }
    assert_eq!(roles(), all);
    assert_eq!(add("S. Haus", &["--role", "operator"]), Some(0));
    assert_eq!(roles()[3], "S. Haus operator");
    assert_eq!(operator(&["unlock"], "").0, Some(0));
    assert_eq!(operator(&["remove", "B. Neu"], "").0, Some(0));
    assert_eq!(roles().len(), 3);
}

/// Somebody tidied up `run/`: the station and its link still have each other.
#[test]
fn a_stop_reaches_a_link_whose_socket_was_deleted() {
    let mut room = room();
    room.start_station(None);
    wait("a printer", SOON, || {
        room.printer().filter(|p| p.state == PrinterState::Idle)
    });
    std::fs::remove_file(room.data().join(SOCKET)).unwrap();
    assert_eq!(
        room.post("/api/v1/printer/emergency-stop", &json!({})),
        Ok(())
    );
    wait("the halt", SOON, || {
        room.printer().filter(|p| p.state == PrinterState::Halted)
    });
}

/// A link that does not answer, and whose printer may go on: the stop is answered as not taken, and stays open until
/// the link tells of it.
#[test]
fn a_stop_that_the_link_does_not_answer_is_said_to_be_open() {
    let mut room = room();
    room.start_station(None);
    let link = wait("a link", SOON, || {
        room.printer().filter(|p| p.state == PrinterState::Idle)?;
        room.pids("printer").first().copied()
    });
    let link = Pid::from_raw(link).unwrap();
    let stop = || room.get("/api/v1/printer/stop").unwrap()["stop"].clone();
    kill_process(link, Signal::STOP).unwrap();
    assert_eq!(
        room.post("/api/v1/printer/emergency-stop", &json!({})),
        Err("no_answer".into())
    );
    let pressed = std::time::Instant::now();
    // Longer than it takes to notice that the link answers no more.
    while pressed.elapsed() < Duration::from_secs(22) {
        assert_eq!(stop(), "not_confirmed", "after {:?}", pressed.elapsed());
        std::thread::sleep(Duration::from_millis(200));
    }
    let down = room.printer().unwrap();
    assert_eq!(down.state, PrinterState::LinkDown);
    kill_process(link, Signal::CONT).unwrap();
    wait("the halt", SOON, || (stop() == "confirmed").then_some(()));
}

/// A stop that no printer was there to hear is looked at by a person, too.
#[test]
fn a_stop_that_nobody_heard_is_not_forgotten_with_the_link() {
    let mut room = room();
    let path = room.dir.path().join("calvaria.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("/tty\"", "/nothing\"")).unwrap();
    room.start_station(None);
    wait("no printer", SOON, || {
        room.printer()
            .filter(|p| p.state == PrinterState::Disconnected)
    });
    assert_eq!(
        room.act("/api/v1/printer/recover"),
        Err("not_halted".into())
    );
    room.post("/api/v1/printer/emergency-stop", &json!({}))
        .unwrap();
    let unheard = |room: &Room| {
        let fault = room.printer()?.fault?;
        (fault.name == "stop_unanswered").then_some(())
    };
    wait("that nobody heard it", SOON, || unheard(&room));
    room.kill_station();
    std::fs::write(&path, text).unwrap();
    room.start_station(None);
    wait("what differs", SOON, || room.printer()?.barred);
    std::thread::sleep(Duration::from_secs(2));
    wait("that nobody heard it, still", SOON, || unheard(&room));
    assert_eq!(room.act("/api/v1/printer/recover"), Ok(()));
    wait("the printer", SOON, || {
        room.printer()
            .filter(|p| p.state == PrinterState::Idle && p.barred.is_none())
    });
}

#[test]
fn a_link_of_somebody_else_is_only_told_of() {
    let mut room = room();
    let mut link = calvaria()
        .args(["printer", "--baud", "115200", "--data"])
        .arg(room.data())
        .arg("--port")
        .arg(format!("pty:{}", room.dir.path().join("tty").display()))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait("its socket", SOON, || {
        room.data().join("run/printer.sock").exists().then_some(())
    });
    configure_prusa(&room);
    room.start_station(None);
    let barred = wait("what differs", SOON, || room.printer()?.barred);
    assert_eq!(barred.name, "link_differs");
    assert!(
        barred
            .text
            .contains("profile virtual instead of prusa-mk3s"),
        "{}",
        barred.text
    );
    std::thread::sleep(Duration::from_secs(2));
    assert!(
        link.try_wait().unwrap().is_none(),
        "a foreign link was ended"
    );
    kill_process(Pid::from_child(&link), Signal::TERM).unwrap();
    link.wait().unwrap();
}

/// No file may grow, as on a full disk: the page says so, the stop button is there, and it ends by itself.
#[test]
fn a_disk_that_takes_nothing_is_a_page_that_says_so() {
    let room = room();
    let program = calvaria().get_program().to_owned();
    let mut serve = Command::new("/bin/sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -S -f 0; exec \"$0\" serve --no-link --config \"$1\"",
        ])
        .arg(program)
        .arg(room.dir.path().join("calvaria.toml"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let attention = || {
        let station = room.get("/api/v1/station")?;
        let list = station["station"]["attention"].as_array()?.clone();
        Some(
            list.iter()
                .filter_map(|f| f["name"].as_str().map(str::to_owned))
                .collect::<Vec<_>>(),
        )
    };
    let names = wait("a page", SOON, attention);
    assert_eq!(names, ["no_store"]);
    // It reaches for the link, past everything: there is none in this room.
    assert_eq!(
        room.post("/api/v1/printer/emergency-stop", &json!({})),
        Err("no_answer".into())
    );
    let none = Rlimit {
        current: None,
        maximum: None,
    };
    prlimit(Some(Pid::from_child(&serve)), Resource::Fsize, none).unwrap();
    wait("the station itself", SOON, || {
        attention().filter(|names| !names.iter().any(|n| n == "no_store"))
    });
    assert!(serve.try_wait().unwrap().is_none());
    kill_process(Pid::from_child(&serve), Signal::TERM).unwrap();
    serve.wait().unwrap();
}

/// Each act has a thread of its own and hashes a PIN in 19 MiB: they are given back.
#[test]
fn what_a_pin_is_hashed_in_is_given_back() {
    let mut room = room();
    room.start_station(None);
    wait("a link", SOON, || room.printer());
    let before = room.station_mib();
    std::thread::scope(|threads| {
        for n in 0..24 {
            let room = &room;
            threads.spawn(move || {
                let body = json!({ "operator": format!("nobody {n}"), "pin": "000000" });
                room.post("/api/v1/printer/recover", &body).unwrap_err();
            });
        }
    });
    let after = room.station_mib();
    assert!(
        after < before + 19,
        "{before} MiB before, {after} MiB after"
    );
}
