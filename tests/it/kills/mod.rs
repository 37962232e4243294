//! `kill -9` of station, designer and link at seeded instants, and deaths between commit and effect: no case is lost,
//! no print is begun twice on one release, and whoever comes back finds things as they are.
//!
//! The whole campaign (200 kills over 20 jobs, about 40 min on two cores):
//!
//! ```sh
//! cargo build --release && CALVARIA_BIN=target/release/calvaria CALVARIA_KILLS=200 CALVARIA_KILLS_JOBS=20 \
//!     cargo test --test it kills::campaign -- --ignored --nocapture
//! ```
//!
//! `CALVARIA_KILLS_SEED` draws other instants. The last line printed is the summary.

mod campaign;
mod executed;
mod verdict;

use crate::room::number;
use campaign::{Campaign, Plan};

/// One job, six kills: two each while it is designed, waits for release and is printed.
#[test]
fn a_few() {
    let tally = Campaign::run(&Plan {
        seed: 1,
        jobs: 1,
        kills: 6,
        heads: 1,
        speed: 1000.0,
        patience_ms: 700,
        fail_points: false,
    });
    assert_eq!(tally.kills(), 6, "{tally}");
}

#[test]
#[ignore = "the whole campaign takes most of an hour; the command is at the top of this file"]
fn campaign() {
    let plan = Plan {
        seed: number("CALVARIA_KILLS_SEED", 1),
        jobs: number("CALVARIA_KILLS_JOBS", 20),
        kills: number("CALVARIA_KILLS", 200),
        heads: 4,
        speed: 300.0,
        patience_ms: 4000,
        fail_points: true,
    };
    let tally = Campaign::run(&plan);
    assert!(tally.kills() >= plan.kills, "{tally}");
    for state in campaign::STATES {
        let share = tally.kills_in(state);
        assert!(
            share * 20 >= plan.kills * 3,
            "only {share} kills in {state}"
        );
    }
    assert!(tally.fail_points() >= 6, "{tally}");
}
