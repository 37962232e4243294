use super::*;
use crate::status::Role;

const NOW: &str = "2026-12-01T08:00:00+00:00";

fn open(dir: &std::path::Path) -> (Store, Setup, Instant) {
    let store = Store::open(dir, 1).unwrap();
    (store, Setup::new(dir, true), Instant::now())
}

fn code(reply: Reply) -> String {
    reply.map_or_else(|e| e.code, |()| "ok".into())
}

#[test]
fn a_code_is_made_for_an_empty_list_and_ends_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, mut setup, now) = open(dir.path());
    assert!(setup.look(&store, now).unwrap());
    assert!(!setup.look(&store, now).unwrap());
    let shown = setup.shown().0;
    assert_eq!(shown.len(), 9);
    let kept = std::fs::read_to_string(dir.path().join(FILE)).unwrap();
    assert!(
        kept.contains("$argon2id$") && !kept.contains(&shown[..4]),
        "{kept}"
    );
    // As somebody types it.
    let typed = shown.to_lowercase().replace('-', " ");
    assert_eq!(code(setup.check(&store, &typed, now).unwrap()), "ok");
    store
        .add_operator("A. Weber", "481516", Role::Operator, NOW)
        .unwrap();
    assert!(setup.look(&store, now).unwrap());
    assert!(!setup.is_open() && setup.shown().0.is_empty());
    assert!(!dir.path().join(FILE).exists());
}

#[test]
fn five_wrong_codes_end_it_and_another_comes_a_minute_later() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut setup, now) = open(dir.path());
    setup.look(&store, now).unwrap();
    let first = setup.shown().0;
    for _ in 0..TRIES {
        assert_eq!(
            code(setup.check(&store, "AAAA-AAAA", now).unwrap()),
            "wrong_code"
        );
    }
    // The right one comes too late.
    assert_eq!(code(setup.check(&store, &first, now).unwrap()), "locked");
    assert!(setup.is_open() && setup.shown().0.is_empty());
    assert!(!setup.look(&store, now + PAUSE / 2).unwrap());
    assert!(setup.look(&store, now + PAUSE).unwrap());
    assert_ne!(setup.shown().0, first);
}

#[test]
fn without_the_key_there_is_no_code() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 1).unwrap();
    let mut setup = Setup::new(dir.path(), false);
    assert!(!setup.look(&store, Instant::now()).unwrap());
    assert!(!setup.is_open());
}

#[test]
fn codes_are_drawn_from_letters_that_are_told_apart() {
    let codes: Vec<String> = (0..200).map(|_| draw().unwrap()).collect();
    let plain = |c: &String| c.bytes().all(|b| b == b'-' || LETTERS.contains(&b));
    assert!(codes.iter().all(plain) && codes[0] != codes[1]);
    assert!(!LETTERS.iter().any(|b| b"01OIL".contains(b)));
}
