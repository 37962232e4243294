use super::*;
use crate::station::step::Release;
use crate::status::{Role, Side};

const NOW: &str = "2026-11-21T14:02:10+01:00";

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 7).unwrap();
    (dir, store)
}

fn design() -> DesignSummary {
    DesignSummary {
        gcode_sha256: "ab".repeat(32),
        side: Side::Left,
        place: "patient's LEFT".into(),
        print_s: 3600.0,
        filament_g: 41.5,
        layers: 200,
        weights: "v3".into(),
        material: "pla".into(),
        profile: "virtual".into(),
        profile_sha256: String::new(),
        entry: None,
    }
}

fn released() -> Event {
    Event::Released(Release {
        operator: "weber".into(),
        sha256: "ab".repeat(32),
        second: String::new(),
        spool: "PLA 22-117".into(),
        material_by: String::new(),
        side: Side::Left,
        from_layer: None,
    })
}

fn to_awaiting(store: &mut Store, source: &str) -> String {
    let code = store.add(source, NOW).unwrap().code;
    for event in [Event::WorkerFree, Event::Read, Event::Designed(design())] {
        store.apply(&code, &event, "designer", NOW).unwrap();
    }
    code
}

#[test]
fn a_job_is_found_where_it_was_after_the_store_was_closed() {
    let (dir, mut store) = store();
    let code = to_awaiting(&mut store, "study");
    store
        .add_finding(
            &code,
            &Finding::warn("thick_slices", "thick").value(3.0, "mm"),
        )
        .unwrap();
    let before = store.job(&code).unwrap();
    drop(store);
    let store = Store::open(dir.path(), 99).unwrap();
    assert_eq!(store.job(&code).unwrap(), before);
    assert_eq!(store.findings(&code).unwrap().len(), 1);
    assert_eq!(before.design, Some(design()));
    assert_eq!(store.first_break().unwrap(), None);
    assert_eq!(store.entries(&code).unwrap().len(), 4);
}

#[test]
fn a_second_print_is_refused_and_leaves_no_trace() {
    let (_dir, mut store) = store();
    let (a, b) = (to_awaiting(&mut store, "a"), to_awaiting(&mut store, "b"));
    store.apply(&a, &released(), "weber", NOW).unwrap();
    let rows = store.entries(&b).unwrap().len();
    assert!(matches!(
        store.apply(&b, &released(), "weber", NOW),
        Err(StoreError::SecondPrint)
    ));
    assert_eq!(store.job(&b).unwrap().state, JobState::AwaitingRelease);
    assert_eq!(store.entries(&b).unwrap().len(), rows);
}

#[test]
fn an_act_that_is_not_allowed_changes_nothing() {
    let (_dir, mut store) = store();
    let code = store.add("study", NOW).unwrap().code;
    let result = store.apply(&code, &released(), "weber", NOW);
    assert!(matches!(result, Err(StoreError::NotAllowed { .. })));
    assert_eq!(store.entries(&code).unwrap().len(), 1);
    assert!(matches!(store.job("A0-0000"), Err(StoreError::NoJob(_))));
}

#[test]
fn a_changed_row_breaks_the_chain_and_the_triggers_forbid_it() {
    let (_dir, mut store) = store();
    to_awaiting(&mut store, "study");
    assert!(
        store
            .db
            .execute("UPDATE event SET actor = 'me' WHERE seq = 2", [])
            .is_err()
    );
    assert!(
        store
            .db
            .execute("DELETE FROM event WHERE seq = 2", [])
            .is_err()
    );
    store
        .db
        .execute_batch("DROP TRIGGER event_is_never_changed")
        .unwrap();
    store
        .db
        .execute("UPDATE event SET actor = 'me' WHERE seq = 2", [])
        .unwrap();
    assert_eq!(store.first_break().unwrap(), Some(2));
}

#[test]
fn a_designer_that_dies_twice_fails_the_job_and_a_retry_forgives() {
    let (_dir, mut store) = store();
    let code = store.add("study", NOW).unwrap().code;
    let die = |store: &mut Store| {
        store
            .apply(&code, &Event::WorkerFree, "station", NOW)
            .unwrap();
        let deaths = store.job(&code).unwrap().deaths;
        let why = Reason::new("killed", "retry");
        store
            .apply(&code, &Event::DesignerDied { deaths, why }, "designer", NOW)
            .unwrap()
            .job
            .state
    };
    assert_eq!(die(&mut store), JobState::Received);
    assert_eq!(die(&mut store), JobState::Failed);
    store
        .apply(&code, &Event::RetryAsked, "weber", NOW)
        .unwrap();
    assert_eq!(die(&mut store), JobState::Received);
}

#[test]
fn an_operator_is_added_and_removed_by_a_name_that_can_be_read() {
    let (_dir, mut store) = store();
    let role = Role::Supervisor;
    store.add_operator("weber", "481516", role, NOW).unwrap();
    assert_eq!(store.operators().unwrap()[0].role, role);
    assert!(store.remove_operator("Weber ", NOW).unwrap());
    assert!(!store.remove_operator("weber", NOW).unwrap());
    assert!(store.operators().unwrap().is_empty());
    for (name, pin) in [
        ("", "481516"),
        ("a<b", "481516"),
        ("link", "481516"),
        ("ok", "48151"),
    ] {
        assert!(
            store.add_operator(name, pin, role, NOW).is_err(),
            "{name} {pin}"
        );
    }
}

#[test]
fn findings_are_bounded_and_begin_anew_with_each_reading() {
    let (_dir, mut store) = store();
    let code = store.add("study", NOW).unwrap().code;
    for _ in 0..FINDINGS_MAX + 5 {
        store.add_finding(&code, &Finding::info("x", "y")).unwrap();
    }
    assert_eq!(store.findings(&code).unwrap().len() as i64, FINDINGS_MAX);
    store
        .apply(&code, &Event::WorkerFree, "station", NOW)
        .unwrap();
    assert!(store.findings(&code).unwrap().is_empty());
}

#[test]
fn only_a_pin_of_digits_that_is_not_the_first_to_try_is_taken() {
    let (_dir, mut store) = store();
    for pin in [
        "abcdef", "-12345", "48 15 16", "12345", "", "000000", "123456", "654321", "890123",
        "121212", "123123",
    ] {
        let error = store
            .add_operator("A. Weber", pin, Role::Operator, NOW)
            .unwrap_err();
        assert!(matches!(error, StoreError::WeakPin(_)), "{pin}: {error}");
        assert!(!error.to_string().contains("hashed"), "{error}");
    }
    store
        .add_operator("A. Weber", "481516", Role::Operator, NOW)
        .unwrap();
}

#[test]
fn a_name_is_one_person_and_never_the_programs_own() {
    let (_dir, mut store) = store();
    store
        .add_operator("A. Weber", "481516", Role::Operator, NOW)
        .unwrap();
    for name in ["a. weber", "Anybody", "station", "LINK", "", "x/y"] {
        let error = store
            .add_operator(name, "481516", Role::Operator, NOW)
            .unwrap_err();
        assert!(matches!(error, StoreError::Name(_)), "{name}: {error}");
    }
    // The same name again is a new PIN.
    store
        .add_operator("A. Weber", "162342", Role::Operator, NOW)
        .unwrap();
    assert_eq!(store.operators().unwrap().len(), 1);
}

#[test]
fn an_existing_store_is_opened_and_none_is_made() {
    let (dir, store) = store();
    drop(store);
    assert!(Store::open_existing(dir.path()).is_ok());
    let missing = dir.path().join("typo");
    assert!(matches!(
        Store::open_existing(&missing),
        Err(StoreError::None(_))
    ));
    assert!(!missing.exists());
}

#[test]
fn a_store_of_version_one_is_brought_over_and_a_copy_stays() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store-v1");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let old = Connection::open(&path).unwrap();
    let dump = std::fs::read_to_string(fixture.join("store.sql")).unwrap();
    old.execute_batch(&dump).unwrap();
    old.execute_batch("UPDATE job SET source = 'DOE' WHERE number = 1")
        .unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    drop(old);
    std::fs::copy(fixture.join("pepper"), dir.path().join("pepper")).unwrap();

    let mut store = Store::open(dir.path(), 99).unwrap();
    assert_eq!(store.first_break().unwrap(), None);
    let states: Vec<_> = store.all().unwrap().iter().map(|j| j.state).collect();
    assert_eq!(states, [JobState::Received, JobState::Cancelled]);
    let people = store.operators().unwrap();
    assert!(people.iter().all(|p| p.role == Role::Operator) && people.len() == 2);
    let mut gate = Gate::open(dir.path()).unwrap();
    let known = gate
        .who("m. curie", "481516", None, Instant::now())
        .unwrap();
    assert_eq!(known.unwrap().name, "M. Curie");
    // A drop that was on its way keeps the name under which it is found.
    let first = store.all().unwrap()[0].code.clone();
    assert_eq!(store.pending(&first).unwrap(), [(1, "DOE".into())]);
    let piece = Piece {
        source: store.tag("rest"),
        series: vec!["key".into()],
    };
    let grew = Event::ScanGrew(Some(piece.clone()));
    store.apply(&first, &grew, "station", NOW).unwrap();
    assert_eq!(store.pending(&first).unwrap()[1], (2, piece.source));
    assert_eq!(store.with_series(&piece.series).unwrap()[0].code, first);
    store.add("next", NOW).unwrap();
    drop((store, gate));
    // Nothing is done twice, and the copy is what was there.
    assert_eq!(Store::open(dir.path(), 0).unwrap().count().unwrap(), 3);
    let copy = Connection::open(dir.path().join("store.v1.db")).unwrap();
    let version: i64 = copy
        .query_row("PRAGMA user_version", [], |r| r.get(0))
        .unwrap();
    let jobs: i64 = copy
        .query_row("SELECT count(*) FROM job", [], |r| r.get(0))
        .unwrap();
    assert_eq!((version, jobs), (1, 2));
}

/// The store that a program of the schema's version 3 wrote, laid out in a folder.
fn of_version_three() -> (tempfile::TempDir, std::path::PathBuf) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store-v3");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let db = Connection::open(&path).unwrap();
    let dump = std::fs::read_to_string(fixture.join("store.sql")).unwrap();
    db.execute_batch(&dump).unwrap();
    std::fs::copy(fixture.join("pepper"), dir.path().join("pepper")).unwrap();
    (dir, path)
}

#[test]
fn a_store_of_the_present_version_is_read_whole() {
    let (dir, _) = of_version_three();
    let seen = Store::examine(dir.path()).unwrap().unwrap();
    assert_eq!((seen.version, seen.first_break), (3, None));
    let store = Store::open(dir.path(), 0).unwrap();
    let states: Vec<_> = store.all().unwrap().iter().map(|j| j.state).collect();
    assert_eq!(states, [JobState::Printed, JobState::Refused]);
    assert!(store.all().unwrap()[0].design.is_some());
    assert_eq!(store.operators().unwrap().len(), 3);
    let mut gate = Gate::open(dir.path()).unwrap();
    let known = gate.who("M. Curie", "481516", None, Instant::now());
    assert_eq!(known.unwrap().unwrap().role, Role::Supervisor);
}

#[test]
fn a_store_that_a_later_program_left_to_this_one_is_gone_on_with() {
    let (dir, path) = of_version_three();
    let later = Connection::open(&path).unwrap();
    // What a step that only adds does.
    later
        .execute_batch(
            "ALTER TABLE job ADD COLUMN wish TEXT NOT NULL DEFAULT ''; CREATE TABLE wish (code TEXT) STRICT;
             INSERT INTO meta (key, value) VALUES ('oldest', 3) ON CONFLICT (key) DO UPDATE SET value = 3;
             PRAGMA user_version = 4;",
        )
        .unwrap();
    drop(later);
    let mut store = Store::open(dir.path(), 0).unwrap();
    let code = store.add("next", NOW).unwrap().code;
    store
        .apply(&code, &Event::CancelAsked, "weber", NOW)
        .unwrap();
    assert_eq!(store.first_break().unwrap(), None);
    drop(store);
    // It stays the later program's, and nothing was copied.
    assert_eq!(Store::examine(dir.path()).unwrap().unwrap().version, 4);
    assert!(!dir.path().join("store.v3.db").exists());
}

#[test]
fn a_store_that_a_later_program_did_not_leave_is_refused_and_the_copy_is_named() {
    let (dir, path) = of_version_three();
    let later = Connection::open(&path).unwrap();
    for sql in [
        "DELETE FROM meta WHERE key = 'oldest'; PRAGMA user_version = 4;",
        "INSERT INTO meta (key, value) VALUES ('oldest', 4);",
        "UPDATE meta SET value = 0 WHERE key = 'oldest';",
    ] {
        later.execute_batch(sql).unwrap();
        let error = Store::open(dir.path(), 0).unwrap_err();
        assert!(
            matches!(error, StoreError::Newer { found: 4, .. }),
            "{error}"
        );
        assert!(!error.to_string().contains("store.v3.db"));
        let seen = Store::examine(dir.path()).unwrap_err();
        assert!(matches!(seen, StoreError::Newer { .. }));
    }
    std::fs::write(dir.path().join("store.v3.db"), "the copy").unwrap();
    let error = Store::open(dir.path(), 0).unwrap_err().to_string();
    assert!(error.contains("store.v3.db back as store.db"), "{error}");
    // Refused means untouched.
    let version: i64 = later
        .query_row("PRAGMA user_version", [], |r| r.get(0))
        .unwrap();
    assert_eq!(version, 4);
}

#[test]
fn nothing_vanishes_behind_newer_cases_but_what_a_person_put_away() {
    let (_dir, mut store) = store();
    let cancelled = |store: &mut Store| {
        let code = store.add("study", NOW).unwrap().code;
        store
            .apply(&code, &Event::CancelAsked, "weber", NOW)
            .unwrap();
        code
    };
    let first = cancelled(&mut store);
    let codes: Vec<String> = (0..70).map(|_| cancelled(&mut store)).collect();
    let put = Event::PutAwayAsked {
        rule: String::new(),
    };
    store.apply(&codes[69], &put, "weber", NOW).unwrap();
    let shown = store.jobs(50).unwrap();
    assert_eq!(shown.len(), 50);
    assert!(shown.iter().all(|j| j.code != codes[69]));
    // Page by page everything is there, newest first.
    let (mut all, mut before) = (Vec::new(), None::<String>);
    loop {
        let (jobs, older) = history::page(&store.db, before.as_deref(), 30).unwrap();
        all.extend(jobs);
        before = all.last().map(|j| j.code.clone());
        if older == 0 {
            break;
        }
    }
    assert_eq!(all.len(), 71);
    assert_eq!(all[70].code, first);
    let away = all[0].away.clone().unwrap();
    assert_eq!((away.by.as_str(), away.at.as_str()), ("weber", NOW));
    // What is not over can not be put away.
    let waiting = store.add("study", NOW).unwrap().code;
    let error = store.apply(&waiting, &put, "weber", NOW).unwrap_err();
    assert!(matches!(error, StoreError::NotAllowed { .. }));
}

mod model;
