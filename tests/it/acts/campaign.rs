//! Random acts over HTTP against real processes: people at once, each act with an id, a deadline and a delay; answers
//! that nobody waits for; a store that somebody else holds; a station that is killed, or dies right after a commit.
//!
//! Judged by the record alone: what was answered as done stands there once, what was answered as not done never, and the
//! printer began no more prints than were released. Who is shown a patient is written down each time.

use crate::room::{Room, wait};
use calvaria::station::Store;
use calvaria::status::{JobState, JobView};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// People at the page at once.
const PEOPLE: u64 = 4;
const PIN: &str = "481516";
/// An act is answered for good by then, whatever is killed.
const ANSWER_MAX: Duration = Duration::from_secs(120);
const SOON: Duration = Duration::from_secs(60);
/// Virtual seconds in a second: a print takes a few.
const SPEED: f64 = 300.0;
/// A station that is to die after a commit is given so many times as long before it is killed.
const PATIENCE: u32 = 4;
/// Events after whose commit a station may die before it does what follows.
const FAIL_POINTS: [&str; 4] = ["released", "cancel_asked", "retry_asked", "pause_asked"];

/// What a campaign does.
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) acts: usize,
    pub(super) cases: usize,
    /// From one death of the station to the next, ms.
    pub(super) alive_ms: std::ops::Range<u64>,
}

/// What the link takes or refuses, and how the record calls a refusal.
const OF_LINK: [(Kind, &str); 3] = [
    (Kind::Pause, "pause_refused"),
    (Kind::Resume, "resume_refused"),
    (Kind::Cancel, "cancel_refused"),
];

/// One act, as it ended for the person who asked.
struct Asked {
    code: String,
    kind: Kind,
    person: u64,
    /// The code of the refusal.
    answer: Result<(), String>,
    /// How often it was asked, and how often that was answered as done.
    sent: usize,
    done: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Release,
    Cancel,
    Retry,
    PutAway,
    PrintAgain,
    Pause,
    Resume,
    Identity,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Release,
        Self::Cancel,
        Self::Retry,
        Self::PutAway,
        Self::PrintAgain,
        Self::Pause,
        Self::Resume,
        Self::Identity,
    ];

    fn path(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Cancel => "cancel",
            Self::Retry => "retry",
            Self::PutAway => "put-away",
            Self::PrintAgain => "print-again",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Identity => "identity",
        }
    }

    /// As the record calls it.
    fn recorded(self) -> &'static str {
        match self {
            Self::Release => "released",
            Self::Cancel => "cancel_asked",
            Self::Retry => "retry_asked",
            Self::PutAway => "put_away",
            Self::PrintAgain => "print_again_asked",
            Self::Pause => "pause_asked",
            Self::Resume => "resume_asked",
            Self::Identity => "identity_shown",
        }
    }

    /// What a person would do with a case in this state.
    fn fitting(state: JobState) -> &'static [Self] {
        use Kind as K;
        match state {
            JobState::AwaitingRelease => {
                &[K::Release, K::Release, K::Release, K::Identity, K::Cancel]
            }
            JobState::Printing => &[K::Pause, K::Cancel, K::Identity, K::Pause],
            JobState::Paused => &[K::Resume, K::Cancel],
            JobState::Refused | JobState::Failed => &[K::Retry, K::Retry, K::Identity, K::PutAway],
            JobState::Stopped => &[K::PrintAgain, K::PrintAgain, K::PutAway],
            JobState::Printed | JobState::Cancelled | JobState::Rejected => {
                &[K::PutAway, K::Identity]
            }
            JobState::Received | JobState::Reading | JobState::Designing => {
                &[K::Cancel, K::Identity]
            }
        }
    }
}

fn person(n: u64) -> String {
    format!("Person {n}")
}

/// A part of some minutes, for the virtual printer.
fn part() -> String {
    let mut text = String::from(
        "M140 S60\nM104 S150\nG28\nM190 S60\nM109 S215\nG90\nM83\nG92 E0\nG1 Z0.3 F600\nG1 X30 Y50 F6000\n",
    );
    for n in 0..24 {
        let (x, y) = (if n % 2 == 0 { 180 } else { 30 }, 50 + n);
        let _ = writeln!(text, "G1 X{x} Y{y} E5.600 F300");
    }
    text.push_str("M107\nM104 S0\nM140 S0\nG1 X10 Y200 F6000\nM84\n");
    crate::room::sealed(&text)
}

/// A designer that makes that part, and refuses one scan in four.
fn designer(room: &Room) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let gcode = room.dir.path().join("part.gcode");
    std::fs::write(&gcode, part()).unwrap();
    let hash = crate::room::sha256(part().as_bytes());
    let profile = ::calvaria::gcode::Printer::load("virtual")
        .unwrap()
        .sha256();
    let designed = json!({ "outcome": { "designed": {
        "gcode_sha256": hash, "side": "left", "print_s": 60, "filament_g": 1,
        "material": "pla", "profile": "virtual", "profile_sha256": profile,
    }}});
    let script = format!(
        r#"#!/bin/sh
[ "$2" = --look ] && exit 0
CASE=$3; mkdir -p "$CASE"
echo '{{"progress":{{"stage":"network","fraction":0.5,"text":"x"}}}}'
if [ "$(od -An -N1 -tu1 /dev/urandom)" -lt 64 ]; then
  echo '{{"outcome":{{"refused":{{"text":"No hole.","do":"Look."}}}}}}'; exit 3
fi
cp {gcode:?} "$CASE/implant.gcode"
echo '{designed}'
"#
    );
    let program = room.dir.path().join("designer.sh");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    program
}

/// Runs a campaign; how it went, in a line.
pub(super) fn run(plan: &Plan) -> String {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("executed.jsonl");
    let mut room = Room::new(dir, SPEED, &log, None);
    room.program = Some(designer(&room));
    (0..PEOPLE).for_each(|n| room.add_operator(&person(n)));
    let drop = room.data().join("drop");
    std::fs::create_dir_all(&drop).unwrap();
    for n in 0..plan.cases {
        std::fs::write(drop.join(format!("scan-{n}.nii.gz")), format!("scan {n}")).unwrap();
    }
    room.start_station(None);
    wait("a design", SOON, || {
        let jobs = room.jobs()?;
        jobs.iter()
            .find(|j| j.state == JobState::AwaitingRelease)
            .map(|_| ())
    });
    let address: SocketAddr = room
        .address()
        .trim_start_matches("http://")
        .parse()
        .unwrap();
    let database = room.data().join("store.db");
    let (over, at_work) = (AtomicBool::new(false), AtomicUsize::new(0));
    let each = plan.acts.div_ceil(PEOPLE as usize);
    let mut seen = Seen::default();
    let asked: Vec<Asked> = std::thread::scope(|scope| {
        let holder = scope.spawn(|| hold(&database, &over));
        at_work.store(PEOPLE as usize, Ordering::Release);
        let at_work = &at_work;
        let people: Vec<_> = (0..PEOPLE)
            .map(|n| {
                let seed = plan.seed * 1000 + n;
                scope.spawn(move || {
                    let asked = acts_of(n, each, seed, address);
                    at_work.fetch_sub(1, Ordering::AcqRel);
                    asked
                })
            })
            .collect();
        seen = kills(&mut room, plan, at_work);
        over.store(true, Ordering::Release);
        holder.join().unwrap();
        people.into_iter().flat_map(|p| p.join().unwrap()).collect()
    });
    judge(&mut room, &asked, plan, seen)
}

/// The store is somebody else's now and then, so that acts wait within their transaction.
fn hold(database: &std::path::Path, over: &AtomicBool) {
    let db = rusqlite::Connection::open(database).unwrap();
    db.execute_batch("PRAGMA busy_timeout = 5000").unwrap();
    while !over.load(Ordering::Acquire) {
        // A station that is killed in its own transaction leaves the lock to the next.
        if db.execute_batch("BEGIN IMMEDIATE").is_ok() {
            std::thread::sleep(Duration::from_millis(150));
            db.execute_batch("ROLLBACK").unwrap();
        }
        std::thread::sleep(Duration::from_millis(350));
    }
}

/// What was seen while people were at work.
#[derive(Default)]
struct Seen {
    killed: usize,
    /// Dead right after a commit.
    died: usize,
    /// Prints that the link began: its journals reach back to the one before alone.
    begun: BTreeSet<(String, String)>,
}

/// Kills the station again and again while people are at work.
fn kills(room: &mut Room, plan: &Plan, at_work: &AtomicUsize) -> Seen {
    let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
    let mut seen = Seen::default();
    let mut next =
        Instant::now() + Duration::from_millis(random.random_range(plan.alive_ms.clone()));
    while at_work.load(Ordering::Acquire) > 0 {
        std::thread::sleep(Duration::from_millis(20));
        seen.begun.append(&mut room.begun());
        let died = room.station_ended().is_some();
        if !died && Instant::now() < next {
            continue;
        }
        room.kill_station();
        seen.killed += usize::from(!died);
        seen.died += usize::from(died);
        std::thread::sleep(Duration::from_millis(random.random_range(0..300)));
        let fail_at = random
            .random_bool(0.6)
            .then(|| FAIL_POINTS[random.random_range(0..4)]);
        room.start_station(fail_at);
        let alive = Duration::from_millis(random.random_range(plan.alive_ms.clone()));
        next = Instant::now() + alive * if fail_at.is_some() { PATIENCE } else { 1 };
    }
    seen
}

/// Everything that one person does.
fn acts_of(n: u64, acts: usize, seed: u64, address: SocketAddr) -> Vec<Asked> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut asked = Vec::with_capacity(acts);
    while asked.len() < acts {
        std::thread::sleep(Duration::from_millis(random.random_range(0..120)));
        let Some(jobs) = jobs(address).filter(|jobs| !jobs.is_empty()) else {
            continue;
        };
        // What moves, or near the top, where the others are too.
        let moves = |j: &&JobView| {
            matches!(
                j.state,
                JobState::Printing | JobState::Paused | JobState::Stopped
            )
        };
        let moving: Vec<&JobView> = jobs.iter().filter(moves).take(3).collect();
        let job = if !moving.is_empty() && random.random_bool(0.5) {
            moving[random.random_range(0..moving.len())]
        } else {
            &jobs[random.random_range(0..jobs.len().min(6))]
        };
        let fitting = Kind::fitting(job.state);
        let kind = if random.random_bool(0.8) {
            fitting[random.random_range(0..fitting.len())]
        } else {
            Kind::ALL[random.random_range(0..Kind::ALL.len())]
        };
        let id = format!("act-{n}-{}", asked.len());
        asked.push(one(job, kind, n, &id, &mut random, address));
    }
    asked
}

/// One act: asked, perhaps left before its answer, asked again until there is one that is final, and perhaps once more.
fn one(
    job: &JobView,
    kind: Kind,
    person_n: u64,
    id: &str,
    random: &mut ChaCha8Rng,
    address: SocketAddr,
) -> Asked {
    let path = format!("/api/v1/jobs/{}/{}", job.code, kind.path());
    let mut body = json!({ "operator": person(person_n), "pin": PIN, "id": id });
    if kind == Kind::Release {
        body["sha256"] = json!(job.gcode_sha256.clone().unwrap_or_default());
        body["spool"] = json!("PLA 22-117");
        body["side"] = json!("left");
        body["bed_clear"] = json!(true);
    }
    if random.random_bool(0.6) {
        body["deadline_s"] = json!(random.random_range(0.0..0.4));
    }
    let mut asked = Asked {
        code: job.code.clone(),
        kind,
        person: person_n,
        answer: Ok(()),
        sent: 0,
        done: 0,
    };
    let leave = random.random_bool(0.2);
    let mut heard = Vec::new();
    let mut ask = |body: &Value, leave: bool| {
        asked.sent += 1;
        let answer = post(address, &path, &body.to_string(), leave)?;
        asked.done += usize::from(answer.is_ok());
        is_final(&answer).then_some(answer)
    };
    heard.extend(ask(&body, leave));
    body["deadline_s"] = json!(30);
    let until = Instant::now() + ANSWER_MAX;
    while heard.is_empty() {
        assert!(Instant::now() < until, "{id} is never answered");
        heard.extend(ask(&body, false));
        std::thread::sleep(Duration::from_millis(30));
    }
    if random.random_bool(0.5) {
        std::thread::sleep(Duration::from_millis(random.random_range(0..400)));
        heard.extend(ask(&body, false));
    }
    assert!(
        heard.iter().all(|answer| *answer == heard[0]),
        "{id}, {kind:?}: {heard:?}"
    );
    asked.answer = heard.swap_remove(0);
    asked
}

/// Says of itself that it is not known, or not for good.
fn is_final(answer: &Result<(), String>) -> bool {
    let open = ["stuck", "busy", "store", "no_store", ""];
    answer
        .as_ref()
        .err()
        .is_none_or(|code| !open.contains(&code.as_str()))
}

/// What is answered: nothing wrong, or the refusal's code; `None`: no answer came, or was waited for.
fn post(address: SocketAddr, path: &str, body: &str, leave: bool) -> Option<Result<(), String>> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(45)))
        .ok()?;
    let text = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).ok()?;
    if leave {
        return None;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    if head.split(' ').nth(1)? == "200" {
        // Cut off by a kill, it is no answer.
        return body.trim_end().ends_with('}').then_some(Ok(()));
    }
    let value: Value = serde_json::from_str(body).ok()?;
    Some(Err(value["error"]["code"].as_str()?.to_owned()))
}

fn jobs(address: SocketAddr) -> Option<Vec<JobView>> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .ok()?;
    let text = format!("GET /api/v1/jobs HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

/// The record against what people were told.
fn judge(room: &mut Room, asked: &[Asked], plan: &Plan, mut seen: Seen) -> String {
    // What was committed before the end is followed up by a station that lives.
    room.kill_station();
    seen.begun.append(&mut room.begun());
    let store = Store::open(&room.data(), 7).unwrap();
    assert_eq!(store.first_break().unwrap(), None, "seed {}", plan.seed);
    let mut lines: BTreeMap<(String, &str, String), usize> = BTreeMap::new();
    let mut refused: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let mut released: BTreeMap<String, usize> = BTreeMap::new();
    for job in store.all().unwrap() {
        for entry in store.entries(&job.code).unwrap() {
            if let Some(kind) = Kind::ALL.iter().find(|k| k.recorded() == entry.kind) {
                let key = (job.code.clone(), kind.recorded(), entry.actor);
                *lines.entry(key).or_default() += 1;
            }
            let of_link = OF_LINK.iter().find(|(_, refusal)| *refusal == entry.kind);
            if let Some((kind, _)) = of_link.filter(|_| entry.body["again"].is_null()) {
                let key = (job.code.clone(), kind.recorded());
                *refused.entry(key).or_default() += 1;
            }
            *released.entry(job.code.clone()).or_default() += usize::from(entry.kind == "released");
        }
    }
    let mut told: BTreeMap<(String, &str, String), [usize; 3]> = BTreeMap::new();
    for one in asked {
        let key = (one.code.clone(), one.kind.recorded(), person(one.person));
        let [done, shown, sent] = told.entry(key).or_default();
        *done += usize::from(one.answer.is_ok());
        *shown += one.done;
        *sent += if one.answer.is_ok() { one.sent } else { 0 };
    }
    for key in lines.keys().chain(told.keys()) {
        let written = lines.get(key).copied().unwrap_or(0);
        let [done, shown, sent] = told.get(key).copied().unwrap_or_default();
        if key.1 == Kind::Identity.recorded() {
            // Whoever was shown a patient stands there, and nobody who did not ask.
            assert!(
                (shown..=sent).contains(&written),
                "seed {}: {key:?} {written}",
                plan.seed
            );
        } else if OF_LINK.iter().all(|(kind, _)| kind.recorded() != key.1) {
            assert_eq!(
                written, done,
                "seed {}: {key:?}, lines and answers",
                plan.seed
            );
        }
    }
    for job in store.all().unwrap() {
        for (kind, _) in OF_LINK {
            of_link(&job.code, kind, &lines, &refused, asked);
        }
    }
    for (code, releases) in &released {
        let prints = seen.begun.iter().filter(|(_, job)| job == code).count();
        assert!(
            prints <= *releases,
            "seed {}: {code} {prints} prints, {releases} releases",
            plan.seed
        );
    }
    summary(asked, &seen)
}

/// What the link has to take stands in the record as asked for once for each that was done, that it refused, and of
/// which nobody can know since something was killed; and as refused once for each that it refused.
fn of_link(
    code: &str,
    kind: Kind,
    lines: &BTreeMap<(String, &str, String), usize>,
    refused: &BTreeMap<(String, &str), usize>,
    asked: &[Asked],
) {
    let of_kind = lines
        .iter()
        .filter(|((of, what, _), _)| of == code && *what == kind.recorded());
    let written: usize = of_kind.map(|(_, n)| n).sum();
    let key = (code.to_owned(), kind.recorded());
    let refused = refused.get(&key).copied().unwrap_or(0);
    let asked = || asked.iter().filter(|a| a.code == code && a.kind == kind);
    let done = asked().filter(|a| a.answer.is_ok()).count();
    let unknown = |a: &&Asked| a.answer.as_ref().is_err_and(|code| code == "not_known");
    let unknown = asked().filter(unknown).count();
    let told = (done + refused)..=(done + refused + unknown);
    assert!(
        told.contains(&written),
        "{code} {kind:?}: {written} asked for, {done} done, {refused} refused, {unknown} not known"
    );
}

fn summary(asked: &[Asked], seen: &Seen) -> String {
    let count = |kind: Kind| {
        let done = asked.iter().filter(|a| a.kind == kind && a.answer.is_ok());
        format!("{} {}", done.count(), kind.path())
    };
    let refused = |code: &str| {
        let with = asked
            .iter()
            .filter(|a| a.answer.as_ref().is_err_and(|c| c == code));
        with.count()
    };
    let done: Vec<String> = Kind::ALL.into_iter().map(count).collect();
    let late = refused("late");
    let all_refused = asked.iter().filter(|a| a.answer.is_err()).count();
    format!(
        "{} acts asked {} times: done {}; {late} late, {} refused otherwise; {} prints begun; station killed {} times, dead after a commit {} times",
        asked.len(),
        asked.iter().map(|a| a.sent).sum::<usize>(),
        done.join(", "),
        all_refused - late,
        seen.begun.len(),
        seen.killed,
        seen.died,
    )
}
