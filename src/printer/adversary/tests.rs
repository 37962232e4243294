//! Many days.

use super::tally::Tally;
use super::{Day, day, long, told};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Days in every test run; more by command.
const SEEDS: u64 = 400;
/// The sum is written to its file so often.
const SAVE: u64 = 500;
const SAVE_LONG: u64 = 10;
/// Long prints in every test run, and how long they are; by command as long as a part is.
const LONG_SEEDS: u64 = 10;
const LONG_LINES: u64 = 2_500;
const LONGEST_LINES: u64 = 20_000;

/// The days from the tally's next up to `end`, by so many threads; the sum is kept in its file every now and then.
fn run(
    mut tally: Tally,
    end: u64,
    (threads, save): (u64, u64),
    day: impl Fn(u64) -> Day + Sync,
) -> Tally {
    while tally.next < end {
        let block = tally.next..end.min(tally.next + save);
        let next = AtomicU64::new(block.start);
        let days = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= block.end {
                            break;
                        }
                        let one = day(seed);
                        days.lock().unwrap().push((seed, one));
                    }
                });
            }
        });
        let mut days = days.into_inner().unwrap();
        days.sort_by_key(|(seed, _)| *seed);
        for (seed, one) in &days {
            tally.add(*seed, one);
        }
        tally.save();
        if tally.next.is_multiple_of(10 * save) {
            println!("{} days, {} bad", tally.next, tally.bad.len());
        }
    }
    tally.print();
    tally
}

/// `CALVARIA_DAYS=a..b`, or the default.
fn asked_days() -> std::ops::Range<u64> {
    let asked = std::env::var("CALVARIA_DAYS").ok();
    let read = |text: &str| {
        let (from, to) = text.split_once("..")?;
        Some(from.trim().parse().ok()?..to.trim().parse().ok()?)
    };
    match asked {
        None => 0..100_000,
        Some(text) => read(&text).expect("CALVARIA_DAYS is two numbers: 0..100000"),
    }
}

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|n| n.parse().ok())
}

/// All cores, or as many as `CALVARIA_THREADS` says.
fn threads() -> u64 {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    asked("CALVARIA_THREADS").unwrap_or(cores)
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [1, 12, 77] {
        let (a, b) = (day(seed), day(seed));
        assert_eq!(a.outcome, b.outcome);
        assert_eq!(a.fired, b.fired);
        assert!((a.seconds - b.seconds).abs() < 1e-9);
    }
}

/// Days that once were bad: a move that the wire cut from its number right behind homing, where the plan knew no place at
/// all; an `M108` that the wire made an unknown command of, which filled the queue behind a heating wait.
const ONCE_BAD: [u64; 2] = [75_465, 98_849];

#[test]
fn days_that_were_bad_are_not_any_more() {
    for seed in ONCE_BAD {
        let tally = run(Tally::from(seed), seed + 1, (1, SAVE), day);
        assert!(tally.bad.is_empty(), "{:#?}", tally.bad);
    }
}

/// All firmwares: no wrong part, always an end, and no heater on after it.
#[test]
fn adversary_never_a_wrong_part_never_without_end_never_left_hot() {
    let tally = run(Tally::default(), SEEDS, (1, SAVE), day);
    assert!(tally.bad.is_empty(), "{:#?}", tally.bad);
    assert_eq!(tally.fired.len(), 32, "not every kind of fault came");
}

/// The days that `CALVARIA_DAYS` names, on all cores or as many as `CALVARIA_THREADS` says; the sum goes on from the file
/// that `TALLY` names.
#[test]
#[ignore = "long; by command"]
fn adversary_campaign() {
    let days = asked_days();
    let tally = run(Tally::resumed(days.start), days.end, (threads(), SAVE), day);
    assert!(tally.bad.is_empty(), "{} bad days", tally.bad.len());
}

/// Lines far behind the ring's first, and long numbers: no wrong part, always an end, no heater on after it.
#[test]
fn adversary_long_prints_are_exact_or_stopped() {
    let tally = run(Tally::default(), LONG_SEEDS, (1, SAVE), |seed| {
        long(seed, LONG_LINES)
    });
    assert!(tally.bad.is_empty(), "{:#?}", tally.bad);
    let printed = tally
        .outcomes
        .iter()
        .filter(|(o, _)| o.ends_with(": printed"));
    assert!(printed.count() > 0, "{:?}", tally.outcomes);
}

/// The long prints that `CALVARIA_DAYS` names, each of 20,000 lines, or as many as `CALVARIA_PRINTS_LINES` says.
#[test]
#[ignore = "long; by command"]
fn adversary_long_campaign() {
    let days = asked_days();
    let lines = asked("CALVARIA_PRINTS_LINES").unwrap_or(LONGEST_LINES);
    let tally = run(
        Tally::resumed(days.start),
        days.end,
        (threads(), SAVE_LONG),
        |seed| {
            let day = long(seed, lines);
            println!("{seed} {:?} {}", day.dialect, day.outcome.name());
            day
        },
    );
    assert!(tally.bad.is_empty(), "{} bad days", tally.bad.len());
}

/// One seed, told: `SEED=4711 cargo test --lib adversary_one -- --ignored --nocapture`.
#[test]
#[ignore = "one seed; by command"]
fn adversary_one() {
    println!("{:#?}", told(asked("SEED").unwrap_or(0)));
}
