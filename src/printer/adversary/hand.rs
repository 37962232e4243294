//! Hand: a person who tunes the print, at random moments and within bounds or not.

use crate::status::Tune;

/// Draws when and what.
#[derive(Debug)]
pub(super) struct Hand {
    state: u64,
    next_s: f64,
}

impl Hand {
    /// On every third day there is one.
    pub(super) fn of(seed: u64) -> Option<Self> {
        seed.is_multiple_of(3).then(|| Self {
            state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            next_s: 0.0,
        })
    }

    fn draw(&mut self, below: u64) -> f64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state % below) as f64
    }

    /// What is asked now, if anything.
    pub(super) fn asks(&mut self, now_s: f64) -> Option<Tune> {
        if now_s < self.next_s {
            return None;
        }
        self.next_s = now_s + 1.0 + self.draw(40);
        let what = self.draw(4);
        let value = self.draw(100);
        let only = |n: f64, value: f64| (what == n).then_some(value);
        Some(Tune {
            speed_percent: only(0.0, 45.0 + value),
            flow_percent: only(1.0, 80.0 + value * 0.4),
            fan_percent: only(2.0, value * 2.0),
            z_mm: only(3.0, value * 0.005 - 0.25),
        })
    }
}
