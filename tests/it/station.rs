//! The station as others meet it: drops, a designer that is a shell script, a link that is played here.

use calvaria::station::link::{Link, LinkJob, LinkStatus, Order, Phase, Report};
use calvaria::station::{Config, Event, Handle, Mailbox, Settings, Store, start};
use calvaria::status::{
    Act, ActId, JobState, JobView, Pin, PrinterState, Reason, Refused, ReleaseAct, Reply, Request,
    Role, Side, Terms,
};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) const PIN: &str = "481516";
const HASH: &str = "8a1a5a0d51b4d8cd2f0d3ff2c5a7d0c8b1a9b5f7a2a9bcd1d0ffb5c1c1a0c0de";

/// What a played link says to an order that is no print.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Says {
    Taken,
    No(Refused),
    Nothing,
}

/// A link that writes down its orders and answers what the test tells it to.
pub(crate) struct Played {
    orders: Mutex<Vec<Order>>,
    says: Mutex<Says>,
    /// What it said last of itself.
    last: Mutex<LinkStatus>,
    stops: Mutex<u32>,
    /// It answers no stop.
    deaf: AtomicBool,
    pub(crate) mailbox: Mailbox,
}

impl Link for Played {
    fn order(&self, order: Order) {
        self.orders.lock().unwrap().push(order.clone());
        if matches!(order, Order::Print { .. }) {
            return;
        }
        let answer = match self.says.lock().unwrap().clone() {
            Says::Taken => Ok(self.last.lock().unwrap().clone()),
            Says::No(refused) => Err(refused),
            Says::Nothing => return,
        };
        self.mailbox.link(Report::Answer(order, answer));
    }
    fn emergency_stop(&self) -> Reply {
        *self.stops.lock().unwrap() += 1;
        if self.deaf.load(Ordering::SeqCst) {
            let next = "Use the switch at the printer.";
            return Err(Refused::new(
                "no_answer",
                "No answer from the printer.",
                next,
            ));
        }
        Ok(())
    }
}

impl Played {
    pub(crate) fn ordered(&self) -> Vec<Order> {
        self.orders.lock().unwrap().clone()
    }
    pub(crate) fn status(&self, state: PrinterState, job: Option<(&str, &str, Phase)>) {
        self.tells(status(state, job));
    }
    pub(crate) fn tells(&self, status: LinkStatus) {
        *self.last.lock().unwrap() = status.clone();
        self.mailbox.link(Report::Status(status));
    }
    pub(crate) fn says(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }
    pub(crate) fn takes(&self, code: &str, hash: &str) {
        let order = self.orders.lock().unwrap().last().cloned().unwrap();
        assert!(
            matches!(&order, Order::Print { code: c, sha256, .. } if c == code && sha256 == hash)
        );
        let status = status(
            PrinterState::Printing,
            Some((code, hash, Phase::Working(""))),
        );
        *self.last.lock().unwrap() = status.clone();
        self.mailbox.link(Report::Answer(order, Ok(status)));
    }
}

pub(crate) fn status(state: PrinterState, job: Option<(&str, &str, Phase)>) -> LinkStatus {
    let mut status = LinkStatus::default();
    status.view.state = state;
    status.job = job.map(|(code, hash, phase)| LinkJob {
        code: code.into(),
        sha256: hash.into(),
        phase,
    });
    status
}

pub(crate) struct Bench {
    pub(crate) dir: TempDir,
    pub(crate) handle: Handle,
    pub(crate) link: Arc<Played>,
}

/// What the designer does, as the body of a shell script; `$CASE` is the folder of the case.
pub(crate) const DESIGNS: &str = r#"
echo '{"progress":{"stage":"intake","fraction":0.5,"text":"sorting"}}'
echo '{"progress":{"stage":"network","fraction":0.5,"text":"thinking"}}'
echo '{"finding":{"name":"thick_slices","severity":"warn","text":"thick"}}'
printf G28 > "$CASE/implant.gcode"
H=$(sha256sum < "$CASE/implant.gcode" | cut -d' ' -f1)
echo '{"outcome":{"designed":{"gcode_sha256":"'$H'","side":"left","print_s":60,"filament_g":1}}}'
"#;

impl Bench {
    pub(crate) fn new(designer: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("data"), 7).unwrap();
        store
            .add_operator("A. Weber", PIN, Role::Operator, "2026-11-21T14:02:10+01:00")
            .unwrap();
        for (name, role) in [("M. Curie", Role::Supervisor), ("S. Haus", Role::Service)] {
            store
                .add_operator(name, PIN, role, "2026-11-21T14:02:10+01:00")
                .unwrap();
        }
        drop(store);
        let (handle, link) = open(dir.path(), designer);
        link.status(PrinterState::Idle, None);
        Self { dir, handle, link }
    }

    /// The station ends as if killed after its last commit, and starts anew.
    pub(crate) fn restart(self, designer: &str) -> Self {
        self.handle.stop();
        let dir = self.dir;
        drop(self.handle);
        let (handle, link) = open(dir.path(), designer);
        Self { dir, handle, link }
    }

    /// The station with another configuration.
    pub(crate) fn restart_as(self, change: impl FnOnce(&mut Config)) -> Self {
        self.handle.stop();
        let dir = self.dir;
        drop(self.handle);
        let (handle, link) = open_as(dir.path(), DESIGNS, change);
        link.status(PrinterState::Idle, None);
        Self { dir, handle, link }
    }

    pub(crate) fn ask(&self, request: Request, id: &str) -> Result<(), String> {
        let terms = Terms {
            id: ActId::new(id),
            ..Terms::default()
        };
        self.handle.ask(request, terms).map_err(|e| e.code)
    }

    pub(crate) fn drop_in(&self, name: &str) -> String {
        std::fs::write(self.handle.folders().drop_folder().join(name), b"scan").unwrap();
        assert!(self.handle.arrived(name));
        self.wait("received", |jobs| !jobs.is_empty());
        self.jobs()[0].code.clone()
    }

    pub(crate) fn jobs(&self) -> Vec<JobView> {
        self.handle.snapshots().borrow().jobs.clone()
    }

    pub(crate) fn wait(&self, what: &str, done: impl Fn(&[JobView]) -> bool) {
        let until = Instant::now() + Duration::from_secs(20);
        while !done(&self.jobs()) {
            assert!(Instant::now() < until, "not {what}: {:?}", self.jobs());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn wait_for(&self, code: &str, state: JobState) -> JobView {
        self.wait(state.word(), |jobs| {
            jobs.iter().any(|j| j.code == code && j.state == state)
        });
        self.jobs().into_iter().find(|j| j.code == code).unwrap()
    }

    pub(crate) fn designed(&self) -> (String, String) {
        let code = self.drop_in("DOE^JOHN.nii.gz");
        let job = self.wait_for(&code, JobState::AwaitingRelease);
        (code, job.gcode_sha256.unwrap())
    }

    pub(crate) fn release(
        &self,
        code: &str,
        change: impl FnOnce(&mut ReleaseAct),
    ) -> Result<(), String> {
        let job = self.jobs().into_iter().find(|j| j.code == code).unwrap();
        let mut r = ReleaseAct {
            code: code.into(),
            operator: "A. Weber".into(),
            pin: Pin(PIN.into()),
            second: None,
            other_material: false,
            sha256: job.gcode_sha256.unwrap_or_default(),
            spool: "PLA 22-117".into(),
            side: Side::Left,
            bed_clear: true,
            part_holds: false,
        };
        change(&mut r);
        self.handle
            .ask(Request::Release(Box::new(r)), Terms::default())
            .map_err(|e| e.code)
    }

    pub(crate) fn act(&self, code: &str) -> Act {
        Act {
            code: code.into(),
            operator: "A. Weber".into(),
            pin: Pin(PIN.into()),
        }
    }

    pub(crate) fn printing(&self) -> (String, String) {
        let (code, hash) = self.designed();
        self.release(&code, |_| {}).unwrap();
        self.link.takes(&code, &hash);
        self.wait_for(&code, JobState::Printing);
        (code, hash)
    }
}

fn open(dir: &Path, designer: &str) -> (Handle, Arc<Played>) {
    open_as(dir, designer, |_| {})
}

fn open_as(dir: &Path, designer: &str, change: impl FnOnce(&mut Config)) -> (Handle, Arc<Played>) {
    let program = dir.join("designer.sh");
    let head = "#!/bin/sh\nCASE=$3; mkdir -p \"$CASE\"\n";
    std::fs::write(&program, format!("{head}{designer}")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut config = Config {
        data: dir.join("data"),
        ..Config::default()
    };
    change(&mut config);
    let settings = Settings {
        program,
        clock: Arc::new(jiff::Zoned::now),
        monotonic: Arc::new(Instant::now),
        seed: 7,
        address: Arc::new(String::new),
        certificate: Arc::new(String::new),
        update: Arc::new(Default::default),
        attention: Vec::new(),
    };
    let mut made = None;
    let handle = start(config, settings, |mailbox| {
        let link = Arc::new(Played {
            orders: Mutex::default(),
            says: Mutex::new(Says::Taken),
            last: Mutex::default(),
            stops: Mutex::default(),
            deaf: AtomicBool::default(),
            mailbox,
        });
        made = Some(link.clone());
        link
    })
    .unwrap();
    (handle, made.unwrap())
}

#[test]
fn a_drop_becomes_a_print_and_the_record_says_how() {
    let b = Bench::new(DESIGNS);
    let (code, hash) = b.designed();
    assert_eq!(b.jobs()[0].findings.len(), 1);
    let data = b.dir.path().join("data");
    assert!(data.join("done").join(&code).join("input.nii.gz").exists());
    b.release(&code, |_| {}).unwrap();
    b.link.takes(&code, &hash);
    b.link
        .status(PrinterState::Idle, Some((&code, &hash, Phase::Printed)));
    b.wait_for(&code, JobState::Printed);
    let events =
        std::fs::read_to_string(data.join("cases").join(&code).join("events.jsonl")).unwrap();
    let kinds: Vec<String> = events
        .lines()
        .map(|l| {
            serde_json::from_str::<serde_json::Value>(l).unwrap()["kind"]
                .as_str()
                .unwrap()
                .into()
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "received",
            "worker_free",
            "read",
            "designed",
            "released",
            "link_printed"
        ]
    );
    assert!(!events.contains(PIN) && !events.contains("DOE"));
}

#[test]
fn a_release_needs_every_field_right() {
    let b = Bench::new(DESIGNS);
    let (code, _) = b.designed();
    for (want, change) in [
        (
            "wrong_pin",
            (|r| r.pin = Pin("000000".into())) as fn(&mut ReleaseAct),
        ),
        ("wrong_pin", |r| r.operator = "nobody".into()),
        ("changed", |r| r.sha256 = HASH.into()),
        ("wrong_side", |r| r.side = Side::Right),
        ("no_spool", |r| r.spool = "  ".into()),
        ("bed_not_clear", |r| r.bed_clear = false),
    ] {
        assert_eq!(b.release(&code, change), Err(want.into()));
    }
    b.link.status(PrinterState::Disconnected, None);
    assert_eq!(b.release(&code, |_| {}), Err("printer_away".into()));
    // Sliced for one machine, and another one is there.
    let mut other = status(PrinterState::Idle, None);
    other.view.profile_sha256 = "another machine".into();
    b.link.mailbox.link(Report::Status(other));
    assert_eq!(b.release(&code, |_| {}), Err("other_machine".into()));
    b.link.status(PrinterState::Idle, None);
    let gcode = b
        .dir
        .path()
        .join("data/cases")
        .join(&code)
        .join("implant.gcode");
    std::fs::write(&gcode, "G28 ; changed").unwrap();
    assert_eq!(b.release(&code, |_| {}), Err("gcode_changed".into()));
    std::fs::remove_file(&gcode).unwrap();
    assert_eq!(b.release(&code, |_| {}), Err("files_missing".into()));
    assert!(b.link.orders.lock().unwrap().is_empty());
    std::fs::write(&gcode, "G28").unwrap();
    b.release(&code, |_| {}).unwrap();
    assert_eq!(b.release(&code, |_| {}), Err("not_allowed".into()));
}

#[test]
fn a_designer_that_dies_is_started_again_once_then_failed() {
    let b = Bench::new("kill -9 $$");
    let code = b.drop_in("a.zip");
    let job = b.wait_for(&code, JobState::Failed);
    assert!(job.reason.contains("signal 9"), "{}", job.reason);
    let quarantine = b.dir.path().join("data/quarantine").join(&code);
    let reason = std::fs::read_to_string(quarantine.join("REASON.txt")).unwrap();
    assert!(reason.contains("signal 9") && quarantine.join("input.zip").exists());
    let deaths = |b: &Bench| {
        let path = b
            .dir
            .path()
            .join("data/cases")
            .join(&code)
            .join("events.jsonl");
        std::fs::read_to_string(path)
            .unwrap()
            .matches("designer_died")
            .count()
    };
    assert_eq!(deaths(&b), 2);
    let b = b.restart(DESIGNS);
    b.handle
        .ask(Request::Retry(b.act(&code)), Terms::default())
        .unwrap();
    b.wait_for(&code, JobState::AwaitingRelease);
}

#[test]
fn a_refused_scan_is_in_quarantine_with_its_reason() {
    let b = Bench::new(
        r#"echo '{"outcome":{"refused":{"text":"No hole was found.","do":"Look again."}}}'; exit 3"#,
    );
    let code = b.drop_in("a.zip");
    let job = b.wait_for(&code, JobState::Refused);
    assert_eq!(
        (job.reason.as_str(), job.next.as_str()),
        ("No hole was found.", "Look again.")
    );
    let reason = b
        .dir
        .path()
        .join("data/quarantine")
        .join(&code)
        .join("REASON.txt");
    assert!(
        std::fs::read_to_string(reason)
            .unwrap()
            .contains("No hole was found.")
    );
}

#[test]
fn a_restart_redoes_a_design_and_keeps_what_waits() {
    let b = Bench::new("sleep 60");
    let code = b.drop_in("a.zip");
    b.wait_for(&code, JobState::Reading);
    let b = b.restart(DESIGNS);
    b.wait_for(&code, JobState::AwaitingRelease);
    let b = b.restart("exit 1");
    b.wait_for(&code, JobState::AwaitingRelease);
    assert_eq!(b.jobs().len(), 1);
}

#[test]
fn a_restarted_station_finds_the_running_print_and_never_starts_one() {
    let b = Bench::new(DESIGNS);
    let (code, hash) = b.printing();
    let b = b.restart(DESIGNS);
    b.wait_for(&code, JobState::Printing);
    b.link
        .status(PrinterState::Paused, Some((&code, &hash, Phase::Paused)));
    b.wait_for(&code, JobState::Paused);
    b.link
        .status(PrinterState::Idle, Some((&code, &hash, Phase::Printed)));
    b.wait_for(&code, JobState::Printed);
    assert!(b.link.orders.lock().unwrap().is_empty());
}

/// The station dies between the record and the order: whoever asked was told, or is told by the id, that it is done.
#[test]
fn a_hold_or_an_end_that_was_recorded_reaches_the_link_after_a_restart_and_going_on_does_not() {
    let asked = [
        (Event::CancelAsked, Some(Order::Cancel)),
        (Event::PauseAsked, Some(Order::Pause)),
        (Event::ResumeAsked, None),
    ];
    for (event, order) in asked {
        let b = Bench::new(DESIGNS);
        let (code, hash) = b.printing();
        let phase = if event == Event::ResumeAsked {
            b.link
                .status(PrinterState::Paused, Some((&code, &hash, Phase::Paused)));
            b.wait_for(&code, JobState::Paused);
            Phase::Paused
        } else {
            Phase::Working("")
        };
        b.handle.stop();
        let mut store = Store::open(&b.dir.path().join("data"), 7).unwrap();
        let now = "2026-11-21T14:02:10+01:00";
        store.apply(&code, &event, "A. Weber", now).unwrap();
        drop(store);
        let b = b.restart(DESIGNS).restart(DESIGNS);
        for _ in 0..3 {
            b.link
                .status(PrinterState::Printing, Some((&code, &hash, phase.clone())));
        }
        let seen = b.handle.snapshots();
        b.wait("heard", |_| {
            seen.borrow().printer.state == PrinterState::Printing
        });
        let orders = b.link.ordered();
        assert_eq!(orders, Vec::from_iter(order), "{event:?}");
    }
}

#[test]
fn a_print_that_the_link_does_not_know_is_stopped_not_begun() {
    let b = Bench::new(DESIGNS);
    let (code, _) = b.designed();
    b.release(&code, |_| {}).unwrap();
    // Killed before the order arrived: the link has nothing.
    let b = b.restart(DESIGNS);
    b.link.status(PrinterState::Idle, None);
    let job = b.wait_for(&code, JobState::Stopped);
    assert!(job.reason.contains("before it began"));
    assert!(b.link.orders.lock().unwrap().is_empty());
    b.handle
        .ask(Request::PrintAgain(b.act(&code)), Terms::default())
        .unwrap();
    b.wait_for(&code, JobState::AwaitingRelease);
}

#[test]
fn an_old_report_of_the_same_file_does_not_end_a_new_print() {
    let b = Bench::new(DESIGNS);
    let (code, hash) = b.printing();
    let why = Reason::new("Filament has run out.", "Load a spool.");
    b.link.status(
        PrinterState::Idle,
        Some((&code, &hash, Phase::Stopped(why.clone()))),
    );
    b.wait_for(&code, JobState::Stopped);
    b.handle
        .ask(Request::PrintAgain(b.act(&code)), Terms::default())
        .unwrap();
    b.release(&code, |_| {}).unwrap();
    // Said before the order was heard.
    b.link.status(
        PrinterState::Idle,
        Some((&code, &hash, Phase::Stopped(why))),
    );
    b.link.takes(&code, &hash);
    std::thread::sleep(Duration::from_millis(300));
    b.wait_for(&code, JobState::Printing);
}

#[test]
fn emergency_stop_needs_nothing_and_stops_the_job() {
    let b = Bench::new(DESIGNS);
    b.handle.emergency_stop().unwrap();
    assert_eq!(*b.link.stops.lock().unwrap(), 1);
    let (code, _) = b.printing();
    b.handle.emergency_stop().unwrap();
    let job = b.wait_for(&code, JobState::Stopped);
    assert_eq!(job.reason, "Emergency stop was pressed.");
}

#[test]
fn a_case_says_that_it_may_still_print_where_the_stop_was_not_taken() {
    let b = Bench::new(DESIGNS);
    let (code, _) = b.printing();
    b.link.deaf.store(true, Ordering::SeqCst);
    assert_eq!(b.handle.emergency_stop().unwrap_err().code, "no_answer");
    let job = b.wait_for(&code, JobState::Stopped);
    assert!(job.reason.contains("may still print"), "{}", job.reason);
    assert!(job.next.starts_with("Use the switch"), "{}", job.next);
}

/// Whoever holds the button down, or a script that does, keeps no act from being heard.
#[test]
fn a_thousand_presses_of_stop_starve_no_act() {
    let b = Bench::new(DESIGNS);
    let (code, _) = b.designed();
    let handle = b.handle.clone();
    let on = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let pressed = on.clone();
    let press = std::thread::spawn(move || {
        let mut count = 0;
        while pressed.load(std::sync::atomic::Ordering::Relaxed) || count < 1000 {
            handle.emergency_stop().unwrap();
            count += 1;
        }
        count
    });
    let begun = Instant::now();
    b.handle
        .ask(Request::SignIn(b.act(&code)), Terms::default())
        .unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    on.store(false, std::sync::atomic::Ordering::Relaxed);
    let count = press.join().unwrap();
    assert_eq!(
        *b.link.stops.lock().unwrap(),
        count,
        "each goes to the link"
    );
    // The record has them all, in a few lines.
    let lines = || -> Vec<u64> {
        let store = Store::open(&b.dir.path().join("data"), 7).unwrap();
        let entries = store.entries("").unwrap();
        let stops = entries.iter().filter(|e| e.kind == "emergency_stop");
        stops.map(|e| e.body["presses"].as_u64().unwrap()).collect()
    };
    let by = Instant::now() + Duration::from_secs(10);
    while lines().iter().sum::<u64>() < u64::from(count) && Instant::now() < by {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(lines().iter().sum::<u64>(), u64::from(count));
    assert!(
        lines().len() <= 2 + begun.elapsed().as_secs() as usize,
        "{:?}",
        lines()
    );
}

/// The disk is full: what was answered as not done is not done when there is room again and the same act comes again.
#[test]
fn an_act_that_was_refused_on_a_full_disk_stays_refused() {
    let b = Bench::new(DESIGNS);
    let (code, _) = b.designed();
    let db = rusqlite::Connection::open(b.dir.path().join("data/store.db")).unwrap();
    db.busy_timeout(Duration::from_secs(5)).unwrap();
    db.execute_batch(
        "CREATE TRIGGER full_act BEFORE INSERT ON act BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END;
         CREATE TRIGGER full_event BEFORE INSERT ON event BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END;",
    )
    .unwrap();
    let reject = || {
        let terms = Terms {
            id: ActId::new("once"),
            ..Terms::default()
        };
        let request = Request::Reject {
            act: b.act(&code),
            reason: "wrong side".into(),
        };
        b.handle.ask(request, terms).unwrap_err().code
    };
    assert_eq!(reject(), "store");
    db.execute_batch("DROP TRIGGER full_act; DROP TRIGGER full_event;")
        .unwrap();
    assert_eq!(reject(), "store");
    b.wait_for(&code, JobState::AwaitingRelease);
}

#[test]
fn pause_and_cancel_wait_for_the_links_word() {
    let b = Bench::new(DESIGNS);
    let (code, hash) = b.printing();
    b.handle
        .ask(Request::Pause(b.act(&code)), Terms::default())
        .unwrap();
    assert_eq!(b.link.orders.lock().unwrap().last(), Some(&Order::Pause));
    assert_eq!(b.jobs()[0].state, JobState::Printing);
    b.link
        .status(PrinterState::Paused, Some((&code, &hash, Phase::Paused)));
    b.wait_for(&code, JobState::Paused);
    b.handle
        .ask(Request::Cancel(b.act(&code)), Terms::default())
        .unwrap();
    assert_eq!(b.link.orders.lock().unwrap().last(), Some(&Order::Cancel));
    let why = Reason::new("Cancelled.", "Clear the bed.");
    b.link.status(
        PrinterState::Idle,
        Some((&code, &hash, Phase::Stopped(why))),
    );
    b.wait_for(&code, JobState::Stopped);
    let wrong = Request::Pause(Act {
        pin: Pin("000000".into()),
        ..b.act(&code)
    });
    assert_eq!(
        b.handle.ask(wrong, Terms::default()).unwrap_err().code,
        "wrong_pin"
    );
}

/// The link tells of a running print twice a second; the record says nothing new then.
#[test]
fn the_record_is_exported_when_it_changes_and_not_while_it_prints() {
    use std::os::unix::fs::MetadataExt as _;
    let b = Bench::new(DESIGNS);
    let (code, hash) = b.printing();
    let path = b
        .dir
        .path()
        .join("data/cases")
        .join(&code)
        .join("events.jsonl");
    // Written beside and renamed: each time it is another file.
    let file = || {
        std::fs::metadata(&path)
            .map(|m| (m.ino(), m.mtime_nsec(), m.len()))
            .unwrap()
    };
    let said = |fraction: f64, phase: Phase| {
        let mut status = status(PrinterState::Printing, Some((&code, &hash, phase)));
        status.view.fraction = fraction;
        b.link.mailbox.link(Report::Status(status));
        b.wait("so far", |_| {
            let seen = b.handle.snapshots();
            let far = seen.borrow().printer.fraction;
            (far - fraction).abs() < 1e-9
        });
    };
    let before = file();
    for n in 1..=60 {
        said(f64::from(n) / 100.0, Phase::Working(""));
    }
    assert_eq!(file(), before);
    said(0.7, Phase::Paused);
    assert_ne!(file(), before);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.lines().last().unwrap().contains("link_paused"),
        "{text}"
    );
}

#[test]
fn wrong_pins_do_not_delay_the_emergency_stop() {
    let b = Bench::new(DESIGNS);
    let (code, _) = b.designed();
    for _ in 0..5 {
        let _ = b.release(&code, |r| r.pin = Pin("000000".into()));
    }
    assert_eq!(b.release(&code, |_| {}), Err("locked".into()));
    b.handle.emergency_stop().unwrap();
}

#[test]
fn the_same_scan_twice_is_said() {
    let script =
        format!("printf '{{\"inputs\":[\"bb\",\"aa\"]}}' > \"$CASE/case.json\"\n{DESIGNS}");
    let b = Bench::new(&script);
    let (first, _) = b.designed();
    assert!(
        b.jobs()[0]
            .findings
            .iter()
            .all(|f| f.name != "already_here")
    );
    std::fs::write(
        b.handle.folders().drop_folder().join("again.nii.gz"),
        b"scan",
    )
    .unwrap();
    assert!(b.handle.arrived("again.nii.gz"));
    b.wait("designed again", |jobs| {
        jobs.len() == 2 && jobs.iter().all(|j| j.state == JobState::AwaitingRelease)
    });
    let second = &b.jobs()[0];
    let said = second.findings.iter().find(|f| f.name == "already_here");
    assert!(said.unwrap().text.contains(&first), "{said:?}");
}
