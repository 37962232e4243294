use super::*;
use crate::station::step::Release;
use crate::status::Side;

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
    }
}

fn released() -> Event {
    Event::Released(Release {
        operator: "weber".into(),
        sha256: "ab".repeat(32),
        spool: "PLA 22-117".into(),
        side: Side::Left,
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
fn five_wrong_pins_lock_the_name_and_a_restart_does_not_unlock_it() {
    let (dir, mut store) = store();
    store.add_operator("A. Weber", "481516", NOW).unwrap();
    assert_eq!(
        store.check_pin("A. Weber", "481516", 1000).unwrap(),
        PinCheck::Right
    );
    for left in (1..WRONG_MAX).rev() {
        assert_eq!(
            store.check_pin("A. Weber", "000000", 1000).unwrap(),
            PinCheck::Wrong { left }
        );
    }
    assert_eq!(
        store.check_pin("A. Weber", "000000", 1000).unwrap(),
        PinCheck::Locked { until_s: 1060 }
    );
    drop(store);
    let mut store = Store::open(dir.path(), 0).unwrap();
    assert_eq!(
        store.check_pin("A. Weber", "481516", 1059).unwrap(),
        PinCheck::Locked { until_s: 1060 }
    );
    assert_eq!(
        store.check_pin("A. Weber", "x", 1060).unwrap(),
        PinCheck::Locked { until_s: 1180 }
    );
    assert_eq!(
        store.check_pin("A. Weber", "481516", 1180).unwrap(),
        PinCheck::Right
    );
}

#[test]
fn an_unknown_name_is_answered_like_a_wrong_pin() {
    let (_dir, mut store) = store();
    store.add_operator("weber", "481516", NOW).unwrap();
    let unknown = store.check_pin("nobody", "481516", 0).unwrap();
    assert_eq!(unknown, store.check_pin("weber", "000000", 0).unwrap());
    assert!(store.remove_operator("weber", NOW).unwrap());
    assert!(!store.remove_operator("weber", NOW).unwrap());
    assert!(store.operators().unwrap().is_empty());
    for (name, pin) in [
        ("", "481516"),
        ("a<b", "481516"),
        ("link", "481516"),
        ("ok", "48151"),
    ] {
        assert!(store.add_operator(name, pin, NOW).is_err(), "{name} {pin}");
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
        let error = store.add_operator("A. Weber", pin, NOW).unwrap_err();
        assert!(matches!(error, StoreError::WeakPin(_)), "{pin}: {error}");
        assert!(!error.to_string().contains("hashed"), "{error}");
    }
    store.add_operator("A. Weber", "481516", NOW).unwrap();
}

#[test]
fn a_name_is_one_person_and_never_the_programs_own() {
    let (_dir, mut store) = store();
    store.add_operator("A. Weber", "481516", NOW).unwrap();
    for name in ["a. weber", "Anybody", "station", "LINK", "", "x/y"] {
        let error = store.add_operator(name, "481516", NOW).unwrap_err();
        assert!(matches!(error, StoreError::Name(_)), "{name}: {error}");
    }
    // The same name again is a new PIN.
    store.add_operator("A. Weber", "162342", NOW).unwrap();
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
