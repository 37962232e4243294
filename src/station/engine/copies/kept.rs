//! What retention deletes, and what it never does, on a clock and a disk that are played.

use super::Bench;
use crate::station::config::Retention;
use crate::station::step::Event;
use crate::status::{JobState, Reason};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Free space, MiB, as the station sees it: each case that goes frees some.
static FREE: AtomicU64 = AtomicU64::new(0);

struct Kept {
    dir: tempfile::TempDir,
    bench: Bench,
    day: Arc<AtomicI64>,
}

impl Kept {
    fn new(rules: Retention) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let drop = dir.path().join("drop");
        let mut bench = Bench::open(&dir.path().join("data"), &drop);
        let day = Arc::new(AtomicI64::new(0));
        let read = day.clone();
        bench.engine.config.retention = rules;
        let (read_too, begun) = (day.clone(), std::time::Instant::now());
        bench.engine.settings.monotonic = Arc::new(move || {
            let days = read_too.load(Ordering::Relaxed).unsigned_abs();
            begun + std::time::Duration::from_secs(86_400 * days)
        });
        bench.engine.settings.clock = Arc::new(move || {
            let start: jiff::Timestamp = "2026-01-01T10:00:00Z".parse().unwrap();
            let days = jiff::SignedDuration::from_hours(24 * read.load(Ordering::Relaxed));
            (start + days).to_zoned(jiff::tz::TimeZone::UTC)
        });
        Self { dir, bench, day }
    }

    fn data(&self, place: &str) -> PathBuf {
        self.dir.path().join("data").join(place)
    }

    /// A case with files and originals, brought to where `events` bring it on `day`.
    fn case(&mut self, day: i64, events: &[Event]) -> String {
        self.day.store(day, Ordering::Relaxed);
        let engine = &mut self.bench.engine;
        let now = engine.now();
        let name = format!("scan-{day}-{}", events.len());
        let code = engine.store.add(&name, &now).unwrap().code;
        engine.store.taken(&code).unwrap();
        let folder = self.data("done").join(&code).join("input");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("1.dcm"), b"slice").unwrap();
        let folder = self.data("cases").join(&code);
        fs::create_dir_all(&folder).unwrap();
        for name in ["case.json", "identity.json", "implant.stl", "implant.gcode"] {
            fs::write(folder.join(name), b"{}").unwrap();
        }
        for event in events {
            self.bench.engine.apply(&code, event, "weber");
        }
        code
    }

    fn over(&mut self, day: i64) -> String {
        self.case(day, &[Event::CancelAsked])
    }

    fn files(&self, code: &str) -> Vec<String> {
        let folder = self.data("cases").join(code);
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn is_whole(&self, code: &str) -> bool {
        let names = self.files(code);
        let all = ["case.json", "identity.json", "implant.gcode", "implant.stl"];
        all.iter().all(|name| names.iter().any(|n| n == name)) && self.originals(code).exists()
    }

    fn originals(&self, code: &str) -> PathBuf {
        let places = ["done", "work", "quarantine"].map(|p| self.data(p).join(code));
        let there = places.iter().find(|p| p.exists());
        there.unwrap_or(&places[0]).join("input")
    }

    fn deleted(&self, code: &str) -> Vec<serde_json::Value> {
        let entries = self.bench.engine.store.entries(code).unwrap();
        let of_kind = entries.into_iter().filter(|e| e.kind == "files_deleted");
        of_kind.map(|e| e.body).collect()
    }
}

#[test]
fn off_by_default_and_by_age_only_what_is_over_old_and_off_the_bed() {
    let mut k = Kept::new(Retention::default());
    let (old, new) = (k.over(0), k.over(20));
    let received = k.case(0, &[]);
    let on_bed = k.over(0);
    let db = rusqlite::Connection::open(k.data("store.db")).unwrap();
    let lay = "UPDATE job SET on_bed = 1 WHERE code = ?1";
    db.execute(lay, [&on_bed]).unwrap();
    k.day.store(40, Ordering::Relaxed);
    k.bench.engine.delete_old();
    k.bench.engine.make_room();
    assert!(
        [&old, &new, &received, &on_bed]
            .iter()
            .all(|c| k.is_whole(c))
    );

    k.bench.engine.config.retention.delete_days = 30;
    k.bench.engine.delete_by_age();
    assert_eq!(k.files(&old), ["case.json", "events.jsonl"]);
    assert!(!k.originals(&old).exists());
    for kept in [&new, &received, &on_bed] {
        assert!(k.is_whole(kept), "{kept}");
        assert!(k.deleted(kept).is_empty());
    }
    // What went, and by which rule, stays; said once, however often it is looked at, after a restart too.
    k.bench.engine.delete_by_age();
    k.bench.engine.retained = super::super::retention::Retained::default();
    k.bench.engine.delete_by_age();
    let said = k.deleted(&old);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0]["rule"], "retention.delete_days = 30");
    let named = said[0]["files"].as_array().unwrap();
    assert_eq!(named.len(), 3, "{named:?}");
    assert_eq!(said[0]["originals"], 1);
    assert_eq!(k.bench.engine.store.first_break().unwrap(), None);
    let findings = k.bench.engine.store.findings(&old).unwrap();
    assert!(findings.iter().any(|f| f.name == "files_deleted"));
    let events = fs::read_to_string(k.data("cases").join(&old).join("events.jsonl")).unwrap();
    assert!(events.contains("files_deleted"));
    // Who wants to print it again is told why that can not be.
    let refused = k.bench.engine.check_files(&old).unwrap_err();
    assert_eq!(refused.code, "files_deleted");
    assert!(
        refused.text.contains("retention.delete_days = 30"),
        "{refused:?}"
    );
    k.bench.engine.check_files(&new).unwrap();
    // Ten days later the next one is old enough.
    k.day.store(51, Ordering::Relaxed);
    k.bench.engine.delete_by_age();
    assert_eq!(k.files(&new), ["case.json", "events.jsonl"]);
    assert!(k.is_whole(&received) && k.is_whole(&on_bed));
}

/// Somebody sets the clock, or a wrong server does: that makes no case old.
#[test]
fn a_clock_that_was_set_deletes_nothing_and_puts_nothing_away() {
    let mut k = Kept::new(Retention {
        days: 30,
        delete_days: 30,
        originals_days: 20,
        ..Retention::default()
    });
    let (old, new) = (k.over(0), k.over(10));
    k.bench.engine.look_at_clock();
    let ahead = k.bench.engine.settings.clock.clone();
    let years = jiff::SignedDuration::from_hours(10 * 365 * 24);
    k.bench.engine.settings.clock = Arc::new(move || ahead().checked_add(years).unwrap());
    let look = |k: &mut Kept| {
        k.bench.engine.look_at_clock();
        k.bench.engine.put_old_away();
        k.bench.engine.delete_by_age();
    };
    look(&mut k);
    assert!(k.is_whole(&old) && k.is_whole(&new));
    assert!(k.bench.engine.store.job(&old).unwrap().away.is_none());
    // Days that pass count, with the wrong clock too.
    k.day.store(31, Ordering::Relaxed);
    look(&mut k);
    assert_eq!(k.files(&old), ["case.json", "events.jsonl"]);
    assert!(k.files(&new).len() > 2 && !k.originals(&new).exists());
    assert!(k.bench.engine.store.job(&old).unwrap().away.is_some());
}

#[test]
fn originals_go_by_a_rule_of_their_own() {
    let mut k = Kept::new(Retention {
        originals_days: 7,
        ..Retention::default()
    });
    let code = k.over(0);
    k.day.store(7, Ordering::Relaxed);
    k.bench.engine.delete_by_age();
    assert!(k.is_whole(&code));
    k.day.store(8, Ordering::Relaxed);
    k.bench.engine.delete_by_age();
    assert!(!k.originals(&code).exists());
    assert!(k.files(&code).contains(&"implant.stl".into()));
    let said = k.deleted(&code);
    assert_eq!(
        (said.len(), &said[0]["rule"]),
        (1, &"retention.originals_days = 7".into())
    );
}

#[test]
fn a_short_disk_takes_the_oldest_first_and_no_more_than_is_needed() {
    let mut k = Kept::new(Retention {
        free_mib: 5000,
        ..Retention::default()
    });
    let oldest = k.over(1);
    let failed = Event::DesignFailed(Reason::new("x", "y"));
    let second = k.case(2, &[Event::WorkerFree, failed]);
    let third = k.over(3);
    let waits = k.case(0, &[]);
    // The second of two that are made of one scan is in work: it is made from the first.
    let lent = k.over(0);
    let db = rusqlite::Connection::open(k.data("store.db")).unwrap();
    let follow = "INSERT INTO follows (code, first) VALUES (?1, ?2)";
    db.execute(follow, [&waits, &lent]).unwrap();
    k.day.store(4, Ordering::Relaxed);
    FREE.store(3000, Ordering::Relaxed);
    k.bench.engine.free = |folders| {
        let cases = fs::read_dir(folders.cases()).unwrap().map(|e| e.unwrap());
        let left = cases.filter(|e| has_files(&e.path())).count() as u64;
        // 5 cases and nothing deleted: as short as FREE says; 1,200 MiB for each that went.
        Ok(FREE.load(Ordering::Relaxed) + 1200 * (5 - left))
    };
    assert_eq!(
        k.bench.engine.store.job(&second).unwrap().state,
        JobState::Failed
    );
    k.bench.engine.make_room();
    assert_eq!(k.files(&oldest), ["case.json", "events.jsonl"]);
    assert_eq!(k.files(&second), ["case.json", "events.jsonl"]);
    for kept in [&third, &waits, &lent] {
        assert!(k.is_whole(kept), "{kept}");
    }
    assert_eq!(k.deleted(&oldest)[0]["rule"], "retention.free_mib = 5000");
    // Nothing that is over is left, and it is still short: the door says so, and nothing else goes.
    FREE.store(0, Ordering::Relaxed);
    k.bench.engine.make_room();
    k.bench.engine.make_room();
    assert_eq!(k.files(&third), ["case.json", "events.jsonl"]);
    assert!(k.is_whole(&waits) && k.is_whole(&lent));
    k.bench.engine.free = |_| Ok(1000);
    let short = k.bench.engine.look_at_disk().unwrap();
    assert_eq!(short.name, "disk_full");
    k.bench.engine.disk = Some(short);
    assert!(
        !k.bench
            .engine
            .take("DOE.zip", &crate::intake::Look::default())
    );
}

fn has_files(path: &Path) -> bool {
    path.join("implant.stl").exists()
}
