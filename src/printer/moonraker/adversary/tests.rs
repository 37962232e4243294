//! Many days.

use super::Outcome;
use super::siege::{Act, Siege};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Days in every test run; more by command.
const SEEDS: u64 = 300;

/// Outcomes with how often, faults with how often, and the bad days.
#[derive(Debug, Default)]
struct Tally {
    outcomes: BTreeMap<String, u64>,
    fired: BTreeMap<&'static str, u64>,
    bad: Vec<(u64, Outcome)>,
}

fn run(days: std::ops::Range<u64>, threads: u64) -> Tally {
    let next = AtomicU64::new(days.start);
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= days.end {
                        return;
                    }
                    let mut siege = Siege::new(seed);
                    let outcome = siege.judge();
                    let mut tally = tally.lock().unwrap();
                    *tally.outcomes.entry(outcome.name()).or_default() += 1;
                    for (what, times) in siege.fired() {
                        *tally.fired.entry(what).or_default() += times;
                    }
                    if outcome.is_bad() {
                        println!("{seed} {outcome:?}");
                        tally.bad.push((seed, outcome));
                    }
                }
            });
        }
    });
    tally.into_inner().unwrap()
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [3, 17, 90] {
        let (mut a, mut b) = (Siege::new(seed), Siege::new(seed));
        assert_eq!(a.judge(), b.judge());
        assert_eq!(a.fired(), b.fired());
    }
}

/// One thing on an undisturbed day, the end it has, and what is said on the way. The print heats until about 40 s and lasts to
/// about 70 s.
#[test]
fn what_people_and_printers_do_has_the_end_that_the_manual_says() {
    let printed = |said: &'static str| (Outcome::Printed, said);
    let stopped = |name: &str| (Outcome::Stopped(name.into()), "");
    for (acts, (outcome, said)) in [
        (&[][..], printed("")),
        (&[(45, Act::Pause), (60, Act::Resume)], printed("")),
        // The nozzle, and then the bed, were off.
        (
            &[(45, Act::Pause), (800, Act::Resume)],
            printed("hold_cools"),
        ),
        (
            &[(45, Act::Pause), (3_800, Act::Resume)],
            printed("hold_cools"),
        ),
        (
            &[(45, Act::PauseThere), (60, Act::ResumeThere)],
            printed("paused_there"),
        ),
        (
            &[(45, Act::PauseThere), (800, Act::Resume)],
            printed("hold_cools"),
        ),
        // Klipper itself refuses to push cold filament.
        (
            &[(45, Act::PauseThere), (800, Act::ResumeThere)],
            stopped("printer_fault"),
        ),
        (&[(45, Act::Tune)], printed("")),
        (&[(45, Act::SlowerThere)], printed("")),
        (&[(45, Act::Cut)], printed("printer_away")),
        (&[(45, Act::Cancel)], stopped("cancelled")),
        (&[(20, Act::Cancel)], stopped("cancelled")),
        (&[(45, Act::CancelThere)], stopped("stopped_at_printer")),
        (&[(45, Act::Stop)], stopped("emergency_stop")),
        (&[(45, Act::OtherPrint)], stopped("other_print")),
        (&[(45, Act::OurPrintAgain)], stopped("another_run")),
        (&[(45, Act::HeatersOffThere)], stopped("printer_reset")),
        (&[(45, Act::Restart)], stopped("printer_reset")),
        (&[(45, Act::Shutdown)], stopped("printer_halted")),
        (&[(45, Act::LinkKilled)], stopped("link_restarted")),
        (
            &[(44, Act::OtherPrinter), (45, Act::Cut)],
            stopped("other_printer"),
        ),
        // When the first one is back, its print is given up.
        (
            &[
                (44, Act::OtherPrinter),
                (45, Act::Blip),
                (50, Act::SamePrinter),
            ],
            stopped("other_printer"),
        ),
        (&[(45, Act::HigherThere)], printed("")),
        (&[(45, Act::ColderThere)], stopped("heat_differs")),
        (&[(45, Act::LinkEnds)], stopped("link_stopped")),
        // It heats, and a cancel waits.
        (&[(10, Act::LinkEnds)], stopped("link_stopped")),
        // A proxy in front of it has a bad moment.
        (
            &[(45, Act::Blip), (46, Act::LinkEnds)],
            stopped("link_stopped"),
        ),
        // Klipper's own time limit is given back, and the nozzle does not stay on the part.
        (&[(45, Act::Pause), (60, Act::Cancel)], stopped("cancelled")),
        (
            &[(45, Act::PauseThere), (60, Act::Cancel)],
            stopped("cancelled"),
        ),
    ] {
        let mut siege = Siege::staged(acts);
        assert_eq!(siege.judge(), outcome, "{acts:?}");
        let is_said = said.is_empty() || siege.said().iter().any(|name| name == said);
        assert!(is_said, "{acts:?}: {:?}", siege.said());
    }
}

#[test]
fn a_height_that_the_printer_calibrates_while_it_homes_stays() {
    for acts in [&[][..], &[(45, Act::Tune)], &[(45, Act::Cancel)]] {
        let mut siege = Siege::staged(acts);
        siege.server.klipper.calibrates_mm = Some(-0.12);
        let outcome = siege.judge();
        assert!(!outcome.is_bad(), "{acts:?} {outcome:?}");
        assert_eq!(siege.server.klipper.tuned()[2], -0.12, "{acts:?}");
    }
}

#[test]
fn a_hold_that_waits_behind_a_heater_is_carried_out_once() {
    let mut siege = Siege::staged(&[
        (10, Act::Pause),
        (300, Act::HeaterMended),
        (500, Act::Resume),
    ]);
    siege.server.klipper.parks = true;
    siege.server.klipper.broken_heater = Some(1);
    assert_eq!(siege.judge(), Outcome::Printed);
    assert_eq!(siege.server.klipper.pauses_again, 0);
}

#[test]
fn a_link_that_is_told_to_end_stops_what_does_not_hear_it() {
    let mut siege = Siege::staged(&[(10, Act::LinkEnds)]);
    siege.server.klipper.broken_heater = Some(1);
    assert_eq!(siege.judge(), Outcome::Stopped("link_stopped".into()));
    assert!(siege.server.stops > 0);
}

#[test]
fn nothing_is_moved_where_somebody_held_it_at_the_printer() {
    let mut siege = Siege::staged(&[(45, Act::PauseThere), (60, Act::Cancel)]);
    assert_eq!(siege.judge(), Outcome::Stopped("cancelled".into()));
    assert!(siege.top_mm() < 2.0, "{}", siege.top_mm());
}

#[test]
fn a_klipper_that_does_not_tell_its_commands_prints_nothing() {
    let mut siege = Siege::staged(&[]);
    siege.server.hides_commands = true;
    assert_eq!(siege.judge(), Outcome::Refused("klipper_lacks".into()));
}

#[test]
fn what_somebody_heats_by_hand_is_not_stopped() {
    let mut siege = Siege::staged(&[]);
    let hand = "M104 S150\nG4 P900000";
    siege.server.klipper.do_there(hand);
    siege.pass(600_000);
    assert_eq!(siege.server.stops, 0);
}

#[test]
fn orders_ahead_of_the_start_are_not_given_as_fast_as_they_are_refused() {
    let mut siege = Siege::staged(&[]);
    siege.net.refuses_scripts = true;
    assert_eq!(siege.judge(), Outcome::Stopped("not_started".into()));
    assert!(
        (20..200).contains(&siege.net.scripts),
        "{}",
        siege.net.scripts
    );
}

#[test]
fn never_a_wrong_part_never_without_end_never_left_hot() {
    let tally = run(0..SEEDS, 1);
    println!("{tally:#?}");
    assert!(tally.bad.is_empty(), "{:#?}", tally.bad);
    assert!(
        tally.outcomes["printed"] > SEEDS / 5,
        "{:#?}",
        tally.outcomes
    );
    assert_eq!(tally.fired.len(), 7, "not every kind of fault came");
}

#[test]
#[ignore = "long; by command"]
fn campaign() {
    let asked = std::env::var("CALVARIA_DAYS").unwrap_or_else(|_| "0..100000".into());
    let (from, to) = asked.split_once("..").expect("two numbers: 0..100000");
    let threads = std::env::var("CALVARIA_THREADS").map_or(2, |n| n.parse().unwrap());
    let tally = run(from.parse().unwrap()..to.parse().unwrap(), threads);
    println!("{:#?}\n{:#?}", tally.outcomes, tally.fired);
    assert!(tally.bad.is_empty(), "{:#?}", tally.bad);
}

#[test]
#[ignore = "one day, told; by command"]
fn one() {
    let seed = std::env::var("SEED").map_or(0, |n| n.parse().unwrap());
    let mut siege = Siege::new(seed);
    siege.told = true;
    println!("{:?}", siege.judge());
}
