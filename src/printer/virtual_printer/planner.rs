//! Planner: a ring of 16 blocks (15 usable) with look-ahead, as in Marlin (`module/planner.cpp`): trapezoids, junction
//! deviation, one pass back and one forth.

use crate::gcode::{Feeds, Limits};
use std::collections::VecDeque;

/// Usable blocks of BLOCK_BUFFER_SIZE 16.
const BLOCKS: usize = 15;
/// Speed at which an unfinished chain must be able to stop, mm/s (MINIMUM_PLANNER_SPEED).
const MINIMUM_MM_S: f64 = 0.05;

/// A move in the ring.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) number: Option<u64>,
    /// X, Y, Z, E in nm.
    pub(super) from: [i64; 4],
    pub(super) to: [i64; 4],
    pub(super) speed: f64,
    length: f64,
    accel: f64,
    /// Fastest entry that the corner allows.
    entry_max: f64,
    entry: f64,
    unit: [f64; 4],
    pub(super) started: f64,
    /// End on the virtual clock once it runs.
    pub(super) ends: Option<f64>,
}

/// The ring.
#[derive(Debug)]
pub(super) struct Planner {
    limits: Limits,
    blocks: VecDeque<Block>,
    /// Moves take this times as long (fault `slow_planner`).
    pub(super) slow: f64,
}

fn array(feeds: Feeds) -> [f64; 4] {
    [feeds.x, feeds.y, feeds.z, feeds.e]
}

impl Planner {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            blocks: VecDeque::new(),
            slow: 1.0,
        }
    }
    pub(super) fn has_room(&self) -> bool {
        self.blocks.len() < BLOCKS
    }
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
    pub(super) fn free(&self) -> usize {
        BLOCKS - self.blocks.len()
    }
    pub(super) fn clear(&mut self) {
        self.blocks.clear();
    }

    /// When the running block ends.
    pub(super) fn next_end(&self) -> Option<f64> {
        self.blocks.front().and_then(|b| b.ends)
    }

    /// Adds a move; nothing for one without length.
    pub(super) fn push(
        &mut self,
        now: f64,
        number: Option<u64>,
        from: [i64; 4],
        to: [i64; 4],
        feed: f64,
    ) {
        let delta: [f64; 4] = std::array::from_fn(|a| (to[a] - from[a]) as f64 * 1e-6);
        let [x, y, z, e] = delta;
        let space = (x * x + y * y + z * z).sqrt();
        let length = if space > 0.0 { space } else { e.abs() };
        if length <= 0.0 {
            return;
        }
        let unit = delta.map(|d| d / length);
        let mut speed = feed.max(MINIMUM_MM_S);
        let mut accel = if space <= 0.0 {
            self.limits.retract_accel_mm_s2
        } else if e > 0.0 {
            self.limits.print_accel_mm_s2
        } else {
            self.limits.travel_accel_mm_s2
        };
        for (axis, part) in unit.iter().enumerate().filter(|(_, u)| u.abs() > 1e-9) {
            speed = speed.min(array(self.limits.feed_mm_s)[axis] / part.abs());
            accel = accel.min(array(self.limits.accel_mm_s2)[axis] / part.abs());
        }
        let entry_max = match self.blocks.back() {
            Some(before) => self.corner(before, &unit, speed, accel),
            None => MINIMUM_MM_S,
        };
        self.blocks.push_back(Block {
            number,
            from,
            to,
            speed,
            length,
            accel,
            entry_max: entry_max.min(speed),
            entry: MINIMUM_MM_S,
            unit,
            started: now,
            ends: None,
        });
        self.look_ahead();
        self.start(now);
    }

    /// Corner speed by junction deviation, or the classic jerk of X and Y.
    fn corner(&self, before: &Block, unit: &[f64; 4], speed: f64, accel: f64) -> f64 {
        let limit = speed.min(before.speed);
        let cosine: f64 = -(0..3).map(|a| before.unit[a] * unit[a]).sum::<f64>();
        if cosine > 0.999_999 {
            return MINIMUM_MM_S;
        }
        let deviation = self.limits.junction_deviation_mm;
        if deviation <= 0.0 {
            let jerk = array(self.limits.jerk_mm_s);
            return (0..4).fold(limit, |v, a| {
                let change = (unit[a] - before.unit[a]).abs();
                if change > 1e-9 {
                    v.min(jerk[a] / change)
                } else {
                    v
                }
            });
        }
        let half_sine = ((1.0 - cosine) / 2.0).max(0.0).sqrt();
        if half_sine > 0.999_999 {
            return limit;
        }
        (accel * deviation * half_sine / (1.0 - half_sine))
            .sqrt()
            .min(limit)
    }

    /// Backward, then forward pass over the blocks that do not run yet.
    fn look_ahead(&mut self) {
        let mut next_entry = MINIMUM_MM_S;
        for block in self.blocks.iter_mut().rev() {
            if block.ends.is_some() {
                break;
            }
            block.entry = (next_entry * next_entry + 2.0 * block.accel * block.length)
                .sqrt()
                .min(block.entry_max);
            next_entry = block.entry;
        }
        for at in 1..self.blocks.len() {
            let (entry, accel, length) = {
                let before = &self.blocks[at - 1];
                (before.entry, before.accel, before.length)
            };
            let block = &mut self.blocks[at];
            if block.ends.is_none() {
                block.entry = block
                    .entry
                    .min((entry * entry + 2.0 * accel * length).sqrt());
            }
        }
    }

    /// Starts the first block when none runs.
    fn start(&mut self, now: f64) {
        let exit = self.blocks.get(1).map_or(MINIMUM_MM_S, |b| b.entry);
        let slow = self.slow;
        if let Some(block) = self.blocks.front_mut()
            && block.ends.is_none()
        {
            block.started = now;
            block.ends = Some(now + slow * duration_s(block, exit));
        }
    }

    /// Where the running block has come to, in nm; `None` when nothing runs.
    pub(super) fn under_way(&self, now: f64) -> Option<[i64; 4]> {
        let block = self.blocks.front()?;
        let ends = block.ends?;
        let part = ((now - block.started) / (ends - block.started).max(1e-9)).clamp(0.0, 1.0);
        Some(std::array::from_fn(|axis| {
            let (from, to) = (block.from[axis], block.to[axis]);
            from + ((to - from) as f64 * part) as i64
        }))
    }

    /// The running block, if it ends by `now`; the next one starts at its end.
    pub(super) fn finish(&mut self, now: f64) -> Option<Block> {
        let ends = self.next_end().filter(|ends| *ends <= now)?;
        let done = self.blocks.pop_front();
        self.start(ends);
        done
    }
}

/// Time of a trapezoid or triangle.
fn duration_s(block: &Block, exit: f64) -> f64 {
    let (v, a, length) = (block.speed, block.accel, block.length);
    let (v0, v1) = (block.entry.min(v), exit.min(v));
    let up = (v * v - v0 * v0) / (2.0 * a);
    let down = (v * v - v1 * v1) / (2.0 * a);
    if up + down <= length {
        (v - v0) / a + (v - v1) / a + (length - up - down) / v
    } else {
        let peak = (a * length + (v0 * v0 + v1 * v1) / 2.0).sqrt();
        ((2.0 * peak - v0 - v1) / a).max(length / v)
    }
}
