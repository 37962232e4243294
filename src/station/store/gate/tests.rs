use super::*;
use std::time::Duration;

const NOW: &str = "2026-11-21T14:02:10+01:00";

fn gate() -> (tempfile::TempDir, Store, Gate) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), 7).unwrap();
    store
        .add_operator("M. Curie", "481516", Role::Operator, NOW)
        .unwrap();
    let gate = Gate::open(dir.path()).unwrap();
    (dir, store, gate)
}

fn says(gate: &mut Gate, name: &str, pin: &str, at: Instant) -> String {
    match gate.who(name, pin, None, at).unwrap() {
        Ok(known) => known.name,
        Err(refused) => refused.code,
    }
}

#[test]
fn a_name_is_one_person_whatever_its_capitals_and_spaces() {
    let (_dir, mut store, mut gate) = gate();
    store
        .add_operator("Jürgen Groß", "481516", Role::Operator, NOW)
        .unwrap();
    let at = Instant::now();
    for name in ["M. Curie", "m. curie", "  M. CURIE ", "m.  curie"] {
        assert_eq!(says(&mut gate, name, "481516", at), "M. Curie", "{name}");
    }
    for name in ["jürgen groß", "JÜRGEN GROSS", "Jürgen Groß"] {
        assert_eq!(says(&mut gate, name, "481516", at), "Jürgen Groß", "{name}");
    }
}

#[test]
fn a_mistyped_name_counts_against_nobody_else() {
    let (_dir, _store, mut gate) = gate();
    let at = Instant::now();
    for n in 0..40 {
        assert_eq!(
            says(&mut gate, &format!("M. Curei {n}"), "481516", at),
            "wrong_pin"
        );
    }
    assert_eq!(says(&mut gate, "M. Curie", "481516", at), "M. Curie");
    assert_eq!(says(&mut gate, "M. Cuire", "481516", at), "wrong_pin");
}

#[test]
fn an_unknown_name_is_answered_and_delayed_like_a_known_one() {
    let (_dir, _store, mut gate) = gate();
    let at = Instant::now();
    for _ in 0..6 {
        let known = says(&mut gate, "M. Curie", "000000", at);
        assert_eq!(known, says(&mut gate, "nobody", "000000", at));
    }
}

#[test]
fn a_restart_and_a_wrong_clock_neither_lock_nor_unlock() {
    let (dir, _store, mut gate) = gate();
    let at = Instant::now();
    for _ in 0..5 {
        says(&mut gate, "M. Curie", "000000", at);
    }
    // Three were heard; the delay after them is a second, by the monotonic clock alone.
    assert_eq!(says(&mut gate, "M. Curie", "481516", at), "locked");
    drop(gate);
    let mut gate = Gate::open(dir.path()).unwrap();
    assert_eq!(says(&mut gate, "M. Curie", "481516", at), "locked");
    let later = at + Duration::from_secs(1);
    assert_eq!(says(&mut gate, "M. Curie", "481516", later), "M. Curie");
}

#[test]
fn the_hours_guesses_outlive_right_pins_and_restarts() {
    let (dir, _store, mut gate) = gate();
    let (mut at, mut heard) = (Instant::now(), 0);
    for n in 0..40 {
        if says(&mut gate, "M. Curie", "000000", at) == "wrong_pin" {
            heard += 1;
        }
        at += Duration::from_secs(61);
        let signed_in = says(&mut gate, "M. Curie", "481516", at);
        let want = if heard < 15 { "M. Curie" } else { "locked" };
        assert_eq!(signed_in, want, "{n}");
        if n % 6 == 5 {
            drop(gate);
            gate = Gate::open(dir.path()).unwrap();
        }
    }
    assert_eq!(heard, 15);
    at += Duration::from_secs(3600);
    assert_eq!(says(&mut gate, "M. Curie", "481516", at), "M. Curie");
}

#[test]
fn a_new_pin_and_a_clearing_end_the_delay() {
    let (_dir, mut store, mut gate) = gate();
    let at = Instant::now();
    for clear in [true, false] {
        for _ in 0..5 {
            says(&mut gate, "m. curie", "000000", at);
        }
        assert_eq!(says(&mut gate, "M. Curie", "481516", at), "locked");
        if clear {
            gate.clear("M. CURIE").unwrap();
        } else {
            store
                .add_operator("M. Curie", "481516", Role::Operator, NOW)
                .unwrap();
        }
        assert_eq!(says(&mut gate, "M. Curie", "481516", at), "M. Curie");
    }
}

#[test]
fn where_nobody_is_there_nobody_may_release_yet() {
    let (_dir, mut store, mut gate) = gate();
    store.remove_operator("m. curie", NOW).unwrap();
    let at = Instant::now();
    assert_eq!(says(&mut gate, "M. Curie", "481516", at), "nobody");
}
