//! Many days.

use super::tally::Tally;
use super::{day, told};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Days in every test run; more by command.
const SEEDS: u64 = 400;
/// The sum is written to its file so often.
const SAVE: u64 = 500;
/// The days from the tally's next up to `end`, by so many threads; the sum is kept in its file every now and then.
fn run(mut tally: Tally, end: u64, threads: u64) -> Tally {
    while tally.next < end {
        let block = tally.next..end.min(tally.next + SAVE);
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
        if tally.next.is_multiple_of(10 * SAVE) {
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

#[test]
fn a_seed_replays_exactly() {
    for seed in [1, 12, 77] {
        let (a, b) = (day(seed), day(seed));
        assert_eq!(a.outcome, b.outcome);
        assert_eq!(a.fired, b.fired);
        assert!((a.seconds - b.seconds).abs() < 1e-9);
    }
}

/// All firmwares: no wrong part, always an end, and no heater on after it.
#[test]
fn adversary_never_a_wrong_part_never_without_end_never_left_hot() {
    let tally = run(Tally::default(), SEEDS, 1);
    assert!(tally.bad.is_empty(), "{:#?}", tally.bad);
    assert_eq!(tally.fired.len(), 32, "not every kind of fault came");
}

/// The days that `CALVARIA_DAYS` names, on all cores or as many as `CALVARIA_THREADS` says; the sum goes on from the file
/// that `TALLY` names.
#[test]
#[ignore = "long; by command"]
fn adversary_campaign() {
    let days = asked_days();
    let threads = std::env::var("CALVARIA_THREADS").ok();
    let threads = threads.and_then(|n| n.parse().ok());
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let tally = run(
        Tally::resumed(days.start),
        days.end,
        threads.unwrap_or(cores),
    );
    assert!(tally.bad.is_empty(), "{} bad days", tally.bad.len());
}

/// One seed, told: `SEED=4711 cargo test --lib adversary_one -- --ignored --nocapture`.
#[test]
#[ignore = "one seed; by command"]
fn adversary_one() {
    let seed = std::env::var("SEED").ok().and_then(|n| n.parse().ok());
    println!("{:#?}", told(seed.unwrap_or(0)));
}
