//! Weather: the model of faults from which the adversary draws. A seed is one day.
//!
//! Byte rates reach up to one in a hundred, each way, each alone or together with bursts, whole lines lost, doubled and
//! swapped, answers that come late, and up to two happenings: resets heard, unheard and in shreds, a halt, a dead or weak
//! heater, a deaf board, a pulled cable, `busy` and reports of another cause, a stop at the display.
//!
//! Klipper's pseudo-terminal is no wire: what is written there arrives as it was written. Only its answers get lost or
//! late, and it restarts.

use super::dialect::Dialect;
use super::faults::{Faults, Happening, What};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Byte faults go from one in 10^5 to one in 10^2.
const BYTE_RATE: (f64, f64) = (-5.0, -2.0);
/// Line faults go from one in 10^3 to one in 20.
const LINE_RATE: (f64, f64) = (-3.0, -1.3);
/// What may happen, each as likely as the other.
const HAPPENINGS: [What; 12] = [
    What::Reset,
    What::SilentReset,
    What::GarbledReset,
    What::Halt,
    What::Thermal,
    What::Stall,
    What::Disconnect,
    What::SlowPlanner,
    What::Busy,
    What::Reports,
    What::NeverReached,
    What::Cancel,
];

impl Faults {
    /// The faults of a seeded day, for a print that takes about `lines` lines.
    pub fn drawn(seed: u64, dialect: Dialect, lines: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut faults = Self {
            late_s: 10_f64.powf(rng.random_range(-2.0..1.3)),
            latency_s: [0.0, 0.002, 0.02][rng.random_range(0..3_usize)],
            ..Self::default()
        };
        for rate in faults.byte_rates() {
            // Two days in three are quiet in this one respect.
            if rng.random_range(0..3_u32) == 0 {
                *rate = 10_f64.powf(rng.random_range(BYTE_RATE.0..BYTE_RATE.1));
            }
        }
        for rate in faults.line_rates() {
            if rng.random_range(0..4_u32) == 0 {
                *rate = 10_f64.powf(rng.random_range(LINE_RATE.0..LINE_RATE.1));
            }
        }
        for _ in 0..[0, 1, 1, 2][rng.random_range(0..4_usize)] {
            let what = HAPPENINGS[rng.random_range(0..HAPPENINGS.len())];
            faults.at.push(Happening {
                line: Some(rng.random_range(1..lines.max(2))),
                s: None,
                what,
                amount: match what {
                    What::SlowPlanner => rng.random_range(2.0..20.0),
                    What::Reports => rng.random_range(0.5..5.0),
                    What::Stall | What::Disconnect => rng.random_range(0.2..90.0),
                    _ => rng.random_range(1.0..400.0),
                },
            });
        }
        if dialect == Dialect::Klipper {
            faults.leave_only_lost_answers();
        }
        faults
    }

    /// The faults of a seeded day for a print of `lines` lines that is to come to its end on most days: what a bad cable does
    /// (three bytes in 10^5 to three in 10^4 lost, changed and doubled both ways, up to one `ok` in a hundred lost), now and
    /// then one of the other kinds, and often a happening.
    pub fn drawn_mild(seed: u64, lines: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut faults = Self {
            late_s: 10_f64.powf(rng.random_range(-2.0..0.5)),
            latency_s: [0.0, 0.002][rng.random_range(0..2_usize)],
            drop_ok: rng.random_range(1e-3..1e-2),
            ..Self::default()
        };
        for (place, rate) in faults.byte_rates().into_iter().enumerate() {
            let of_cable = place < 6;
            if of_cable || rng.random_range(0..4_u32) == 0 {
                let [low, high] = if of_cable { [-4.5, -3.5] } else { [-6.0, -4.5] };
                *rate = 10_f64.powf(rng.random_range(low..high));
            }
        }
        for rate in faults.line_rates() {
            if *rate == 0.0 && rng.random_range(0..4_u32) == 0 {
                *rate = 10_f64.powf(rng.random_range(-5.0..-3.5));
            }
        }
        if rng.random_range(0..4_u32) > 0 {
            let what = HAPPENINGS[rng.random_range(0..HAPPENINGS.len())];
            faults.at.push(Happening {
                line: Some(rng.random_range(30..lines.max(31))),
                s: None,
                what,
                amount: match what {
                    What::SlowPlanner => rng.random_range(2.0..20.0),
                    What::Reports => rng.random_range(0.5..40.0),
                    _ => rng.random_range(1.0..40.0),
                },
            });
        }
        faults
    }

    fn byte_rates(&mut self) -> [&mut f64; 11] {
        [
            &mut self.drop_up,
            &mut self.drop_down,
            &mut self.corrupt_up,
            &mut self.corrupt_down,
            &mut self.double_up,
            &mut self.double_down,
            &mut self.insert_lf,
            &mut self.noise_up,
            &mut self.noise_down,
            &mut self.burst_up,
            &mut self.burst_down,
        ]
    }

    fn line_rates(&mut self) -> [&mut f64; 9] {
        [
            &mut self.lose_line_up,
            &mut self.lose_line_down,
            &mut self.double_line_up,
            &mut self.double_line_down,
            &mut self.swap_line_up,
            &mut self.swap_line_down,
            &mut self.late_line_down,
            &mut self.drop_ok,
            &mut self.late_ok,
        ]
    }

    /// A pseudo-terminal: its answers get lost (it was full) or come late.
    fn leave_only_lost_answers(&mut self) {
        self.byte_rates().into_iter().for_each(|rate| *rate = 0.0);
        for rate in [
            &mut self.lose_line_up,
            &mut self.double_line_up,
            &mut self.double_line_down,
            &mut self.swap_line_up,
            &mut self.swap_line_down,
        ] {
            *rate = 0.0;
        }
    }
}
