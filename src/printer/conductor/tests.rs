//! Prints from the first line to the last against the virtual printer, on one virtual clock.

use super::super::rig::{Rig, part};
use super::super::virtual_printer::Faults;
use super::super::wire::Phase;

#[test]
fn a_clean_print_executes_exactly_the_plan() {
    let mut rig = Rig::new(&part(1, 400), Faults::default(), 1);
    rig.assert_printed();
    assert_eq!(rig.board.firmware().overflow(), 0);
    assert_eq!(rig.conductor.status(rig.ms()).line.resends, 0);
}

/// As many as `CALVARIA_PRINTS` says (10 without): on a wire that loses, flips and doubles bytes both ways and
/// loses `ok`s, a print executes exactly the plan or is stopped with the fault named.
#[test]
fn sim_seeded_prints_on_a_bad_line() {
    let prints: u64 = std::env::var("CALVARIA_PRINTS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(10);
    let mut printed = 0;
    for seed in 1..=prints {
        let text = part(seed, 500 + (seed as usize * 37) % 1500);
        let mut rig = Rig::new(&text, Faults::bad_line(1e-4), seed);
        let job = rig.print();
        let figures = rig.conductor.status(rig.ms()).line;
        println!(
            "seed {seed}: {:?} {:?} resends {} probes {} {:.0} s",
            job.phase,
            job.fault.as_ref().map(|f| f.text.as_str()),
            figures.resends,
            figures.probes,
            rig.now
        );
        match job.phase {
            Phase::Printed => {
                assert_eq!(rig.executed(), rig.planned(), "seed {seed}");
                printed += 1;
            }
            _ => assert!(job.fault.is_some(), "seed {seed} stopped without a reason"),
        }
    }
    assert!(printed * 10 >= prints * 9, "{printed} of {prints} printed");
}

/// Prints the last records of one seed: `CALVARIA_SEED=26 cargo test sim_show -- --nocapture --ignored`.
#[test]
#[ignore = "a tool for looking at one seed"]
fn sim_show() {
    let seed: u64 = std::env::var("CALVARIA_SEED").unwrap().parse().unwrap();
    let text = part(seed, 500 + (seed as usize * 37) % 1500);
    let mut rig = Rig::new(&text, Faults::bad_line(1e-4), seed);
    let job = rig.print();
    rig.executed();
    println!("{:?}", job.fault);
    let from = rig.records.len().saturating_sub(60);
    for record in &rig.records[from..] {
        println!("{record:?}");
    }
}
