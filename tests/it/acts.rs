//! Acts as people do them: in time or never, once, by those who may, and what stays to be seen afterwards.

use crate::station::{Bench, DESIGNS, PIN, status};
use calvaria::station::link::{Phase, Report};
use calvaria::station::{DropReport, Event, Handle, Store};
use calvaria::status::{
    Act, ActId, Finding, JobState, NotReady, Person, Pin, PrinterState, ReleaseAct, Request,
    Snapshot, Terms,
};
use calvaria::web::{Desk, Reached, serve};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A list of ids that anybody could fill would forget the answers of others.
#[test]
fn a_late_act_that_nobody_vouches_for_takes_no_id() {
    let b = Bench::new(DESIGNS);
    let clear = |pin: &str, late: bool| {
        let terms = Terms {
            id: ActId::new("clear-1"),
            begin_by: late.then(std::time::Instant::now),
            ..Terms::default()
        };
        let act = Act {
            code: String::new(),
            operator: "A. Weber".into(),
            pin: Pin(pin.into()),
        };
        b.handle.ask(Request::BedClear(act), terms)
    };
    assert_eq!(clear("000000", true).unwrap_err().code, "wrong_pin");
    assert_eq!(clear(PIN, false), Ok(()));
}

#[test]
fn an_act_whose_time_is_over_never_begins() {
    let b = Bench::new(DESIGNS);
    let (code, _) = b.designed();
    let late = Terms {
        id: ActId::new("late-1"),
        begin_by: Some(Instant::now()),
        from: None,
    };
    let cancel = || Request::Cancel(b.act(&code));
    assert_eq!(b.handle.ask(cancel(), late).unwrap_err().code, "late");
    // Final: asked once more by its id it is answered the same, after a restart too.
    assert_eq!(b.ask(cancel(), "late-1"), Err("late".into()));
    let act = b.act(&code);
    let b = b.restart(DESIGNS);
    assert_eq!(b.ask(Request::Cancel(act), "late-1"), Err("late".into()));
    b.wait_for(&code, JobState::AwaitingRelease);
}

#[test]
fn an_act_behind_a_busy_engine_is_answered_in_time_and_never_done_later() {
    let b = Bench::new(DESIGNS);
    let (code, _) = b.designed();
    // The store is held by somebody else, so that the engine waits within its transaction.
    let handle = b.handle.clone();
    let lock = rusqlite::Connection::open(b.dir.path().join("data/store.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let act = b.act(&code);
    let asker = std::thread::spawn(move || {
        let asked = Instant::now();
        let terms = Terms {
            begin_by: Some(asked + Duration::from_millis(500)),
            ..Terms::default()
        };
        let reply = handle.ask(Request::Cancel(act), terms);
        (reply, asked.elapsed())
    });
    let (reply, took) = asker.join().unwrap();
    assert_eq!(reply.unwrap_err().code, "late");
    assert!(took < Duration::from_secs(3), "{took:?}");
    lock.execute_batch("ROLLBACK").unwrap();
    std::thread::sleep(Duration::from_millis(500));
    b.wait_for(&code, JobState::AwaitingRelease);
}

#[test]
fn a_repeat_of_an_id_is_done_once_and_answered_like_the_first() {
    let b = Bench::new(DESIGNS);
    let (code, _) = b.designed();
    let reject = |reason: &str| Request::Reject {
        act: b.act(&code),
        reason: reason.into(),
    };
    assert_eq!(b.ask(reject("Wrong region."), "r-1"), Ok(()));
    assert_eq!(b.ask(reject("Wrong region."), "r-1"), Ok(()));
    assert_eq!(b.ask(reject("Another."), "r-1"), Err("id_used".into()));
    assert_eq!(
        b.ask(reject("Wrong region."), "r-2"),
        Err("not_allowed".into())
    );
    let job = b.wait_for(&code, JobState::Rejected);
    assert_eq!(job.reason, "Wrong region.");
    assert!(b.dir.path().join("data/done").join(&code).exists());
    let act = b.act(&code);
    let b = b.restart(DESIGNS);
    let again = Request::Reject {
        act,
        reason: "Wrong region.".into(),
    };
    assert_eq!(b.ask(again, "r-1"), Ok(()));
}

#[test]
fn a_release_needs_two_people_where_the_configuration_says_so() {
    let b = Bench::new(DESIGNS).restart_as(|c| c.release.persons = 2);
    let (code, hash) = b.designed();
    assert_eq!(b.jobs()[0].persons, 2);
    let second = |name: &str| {
        let (operator, pin) = (name.to_string(), Pin(PIN.into()));
        move |r: &mut ReleaseAct| r.second = Some(Person { operator, pin })
    };
    assert_eq!(b.release(&code, |_| {}), Err("second_person".into()));
    assert_eq!(
        b.release(&code, second("a. WEBER")),
        Err("same_person".into())
    );
    assert_eq!(b.release(&code, second("S. Haus")), Err("no_right".into()));
    b.release(&code, second("m. curie")).unwrap();
    b.link.takes(&code, &hash);
    let job = b.wait_for(&code, JobState::Printing);
    assert_eq!(
        (job.released_by.as_str(), job.seconded_by.as_str()),
        ("A. Weber", "M. Curie")
    );
}

#[test]
fn a_doubtful_design_waits_for_a_supervisor() {
    let b = Bench::new(&DESIGNS.replace("thick_slices", "open_rim"));
    let (code, _) = b.designed();
    assert!(b.jobs()[0].doubt);
    assert_eq!(b.release(&code, |_| {}), Err("needs_supervisor".into()));
    b.release(&code, |r| r.operator = "M. Curie".into())
        .unwrap();
}

#[test]
fn another_material_is_right_on_a_supervisors_word_alone() {
    let b = Bench::new(DESIGNS);
    let (code, _) = b.designed();
    let abs = |r: &mut ReleaseAct| r.spool = "ABS 3".into();
    assert_eq!(b.release(&code, abs), Err("wrong_material".into()));
    assert_eq!(
        b.release(&code, |r| r.spool = "22-117".into()),
        Err("wrong_material".into())
    );
    let said = |r: &mut ReleaseAct| {
        (r.spool, r.other_material) = ("ABS 3".into(), true);
    };
    assert_eq!(b.release(&code, said), Err("needs_supervisor".into()));
    b.release(&code, |r| {
        said(r);
        r.operator = "M. Curie".into();
    })
    .unwrap();
    let events = b
        .dir
        .path()
        .join("data/cases")
        .join(&code)
        .join("events.jsonl");
    let events = std::fs::read_to_string(events).unwrap();
    assert!(events.contains(r#""material_by":"M. Curie""#), "{events}");
}

#[test]
fn an_old_case_is_found_by_its_code_and_in_the_history() {
    let b = Bench::new("exit 0");
    let first = b.drop_in("first.zip");
    b.wait_for(&first, JobState::Failed);
    b.handle.stop();
    let mut store = Store::open(&b.dir.path().join("data"), 7).unwrap();
    for n in 0..60 {
        let now = "2026-11-21T14:02:10+01:00";
        let code = store.add(&format!("{n}"), now).unwrap().code;
        let cancel = Event::CancelAsked;
        store.apply(&code, &cancel, "A. Weber", now).unwrap();
    }
    drop(store);
    let b = b.restart("exit 0");
    b.wait("all", |jobs| jobs.len() == 50);
    assert!(b.jobs().iter().all(|j| j.code != first));
    assert_eq!(b.handle.snapshots().borrow().station.more, 11);
    assert_eq!(b.handle.job(&first).unwrap().state, JobState::Failed);
    assert_eq!(b.handle.job("A0-0000").unwrap_err().code, "no_job");
    let newest = b.handle.history(None).unwrap();
    assert_eq!((newest.jobs.len(), newest.older), (50, 11));
    let rest = b.handle.history(Some(&newest.jobs[49].code)).unwrap();
    assert_eq!((rest.jobs.len(), rest.older), (11, 0));
    // Put away by a person it leaves the list, not the history.
    let shown = b.jobs()[0].code.clone();
    b.ask(Request::PutAway(b.act(&shown)), "p").unwrap();
    b.wait("put away", |jobs| jobs.iter().all(|j| j.code != shown));
    let away = b.handle.job(&shown).unwrap().put_away.unwrap();
    assert_eq!(away.by, "A. Weber");
}

#[test]
fn the_part_lies_on_the_bed_until_somebody_says_otherwise() {
    let b = Bench::new(DESIGNS);
    b.handle.scanned(DropReport::default());
    let not_ready = |b: &Bench| b.handle.snapshots().borrow().not_ready();
    let (code, hash) = b.printing();
    assert_eq!(not_ready(&b), Some(NotReady::Busy));
    b.link
        .status(PrinterState::Idle, Some((&code, &hash, Phase::Printed)));
    b.wait_for(&code, JobState::Printed);
    assert_eq!(not_ready(&b), Some(NotReady::PartOnBed(code.clone())));
    b.ask(Request::BedClear(b.act("")), "clear").unwrap();
    assert_eq!(not_ready(&b), None);
}

#[test]
fn a_printer_that_is_away_is_named_with_its_port_and_a_fault_ends_with_its_cause() {
    let b = Bench::new(DESIGNS).restart_as(|c| c.printer.port = "/dev/ttyNONE".into());
    b.link.status(PrinterState::Disconnected, None);
    let seen = b.handle.snapshots();
    let until = Instant::now() + Duration::from_secs(10);
    let wait = |what: &str, done: &dyn Fn(&Snapshot) -> bool| {
        while !done(&seen.borrow()) {
            assert!(
                Instant::now() < until,
                "{what}: {:?}",
                seen.borrow().station
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait("no printer", &|s| {
        let told = s.station.attention.iter().find(|f| f.name == "no_printer");
        told.is_some_and(|f| f.text.contains("/dev/ttyNONE") && f.text.contains("printer.port"))
    });
    let mut with_fault = status(PrinterState::Halted, None);
    with_fault.view.fault = Some(Finding::warn("stopped", "Stopped."));
    b.link.mailbox.link(Report::Status(with_fault.clone()));
    wait("halted", &|s| s.printer.fault.is_some());
    with_fault.view.state = PrinterState::Idle;
    b.link.mailbox.link(Report::Status(with_fault));
    wait("over", &|s| {
        s.printer.fault.is_none() && s.printer.past_fault.is_some()
    });
    std::fs::remove_dir_all(b.handle.folders().drop_folder()).unwrap();
    let until = Instant::now() + Duration::from_secs(15);
    while b
        .handle
        .snapshots()
        .borrow()
        .station
        .attention
        .iter()
        .all(|f| f.name != "drop_gone")
    {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The page in front of a live station.
struct Page {
    address: SocketAddr,
    _closing: tokio::sync::watch::Sender<bool>,
    _runtime: tokio::runtime::Runtime,
}

fn page(handle: &Handle) -> Page {
    let (asked, looked, paged, stopped) = (
        handle.clone(),
        handle.clone(),
        handle.clone(),
        handle.clone(),
    );
    let desk = Desk {
        snapshots: handle.snapshots(),
        ask: Arc::new(move |request, terms| asked.ask(request, terms)),
        stop: Arc::new(move || stopped.emergency_stop()),
        look: Arc::new(move |code| looked.job(code)),
        history: Arc::new(move |before| paged.history(before)),
        hand_in: Arc::new(|_, _| Ok(())),
        cases: handle.folders().cases(),
        uploads: handle.folders().uploads(),
        has_room: Arc::new(|| true),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let listening = tokio::net::TcpListener::bind("127.0.0.1:0");
    let listener = runtime.block_on(listening).unwrap();
    let address = listener.local_addr().unwrap();
    let (closing, closed) = tokio::sync::watch::channel(false);
    runtime.spawn(serve(listener, None, desk, Reached::default(), closed));
    Page {
        address,
        _closing: closing,
        _runtime: runtime,
    }
}

/// Status and body; with `leave` the answer is not waited for.
fn post(address: SocketAddr, path: &str, body: &str, leave: bool) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(40)))
        .unwrap();
    let text = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).unwrap();
    if leave {
        return None;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1.to_string();
    Some((status, body))
}

/// Four people at once, each with `each` acts with short deadlines; some leave before the answer and ask again by the
/// id, and somebody else holds the store now and then.
fn over_http(each: u64) {
    let b = Bench::new(DESIGNS);
    let (code, _) = b.designed();
    let page = page(&b.handle);
    let (address, path) = (page.address, format!("/api/v1/jobs/{code}/identity"));
    let database = b.dir.path().join("data/store.db");
    let asking = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let holds = asking.clone();
    let holder = std::thread::spawn(move || {
        let db = rusqlite::Connection::open(database).unwrap();
        db.execute_batch("PRAGMA busy_timeout = 5000").unwrap();
        while holds.load(std::sync::atomic::Ordering::Relaxed) {
            db.execute_batch("BEGIN IMMEDIATE").unwrap();
            std::thread::sleep(Duration::from_millis(150));
            db.execute_batch("ROLLBACK").unwrap();
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    let people: Vec<_> = (0..4_u64)
        .map(|person| {
            let path = path.clone();
            std::thread::spawn(move || {
                let (mut done, mut late) = (0, 0);
                for n in 0..each {
                    let ms = (n * 7919 + person * 104_729) % 400;
                    let id = format!("act-{person}-{n}");
                    let body = format!(
                        r#"{{"operator":"a. weber","pin":"{PIN}","id":"{id}","deadline_s":{}}}"#,
                        ms as f64 / 1000.0
                    );
                    post(address, &path, &body, n % 5 == 0);
                    // Whatever was answered, or not: once more it is the same.
                    let again = body.replace(&format!("{}}}", ms as f64 / 1000.0), "30}");
                    let (first, text) = post(address, &path, &again, false).unwrap();
                    let (second, _) = post(address, &path, &again, false).unwrap();
                    assert_eq!(first, second, "{text}");
                    match first {
                        200 => done += 1,
                        503 => late += 1,
                        other => panic!("{other}: {text}"),
                    }
                }
                (done, late)
            })
        })
        .collect();
    let counts = people.into_iter().map(|p| p.join().unwrap());
    let (done, late) = counts.fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    asking.store(false, std::sync::atomic::Ordering::Relaxed);
    holder.join().unwrap();
    b.handle.stop();
    let store = Store::open(&b.dir.path().join("data"), 7).unwrap();
    let entries = store.entries(&code).unwrap();
    let shown = entries
        .iter()
        .filter(|e| e.kind == "identity_shown")
        .count();
    assert_eq!(shown, done, "{late} were late");
    assert!(done > 0 && late > 0, "{done} done, {late} late");
}

#[test]
fn acts_over_http_are_done_once_or_never() {
    over_http(6);
}

/// `cargo test --test it five_hundred_acts -- --ignored`
#[test]
#[ignore = "a campaign of a minute"]
fn five_hundred_acts_over_http() {
    over_http(125);
}
