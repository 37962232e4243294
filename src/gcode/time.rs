//! The time model: how long each move takes, by the planner's own arithmetic.
//!
//! In:    [`Move`]s in file order.
//! Out:   seconds of each move, once 15 later moves are known (the firmware's ring) or the planner is flushed.
//! Holds: the speed at every junction obeys junction deviation (Marlin 2) or classic jerk (profile's choice), and
//!        both ends of a move are within reach of its acceleration.
//! Never: reads a clock.
//!
//! Formulae: trapezoids with look-ahead as in Marlin's `planner.cpp`. Heating, homing and probing are no moves;
//! [`durations`] adds them with fixed figures.

use super::{Effect, Feeds, Machine, MotionError, Move, Printer, commands};
use std::collections::VecDeque;

/// Usable blocks of the firmware's ring (BLOCK_BUFFER_SIZE 16).
const RING: usize = 15;
/// Marlin's MINIMUM_PLANNER_SPEED, mm/s.
const SPEED_MIN_MM_S: f64 = 0.05;
/// Homing of all three axes, s.
const HOME_S: f64 = 20.0;
/// Seconds of probing a bed: nine to sixteen points.
const PROBE_S: f64 = 60.0;
/// Heating rate of a hotend, C/s, and of a bed; desktop printers from 25 C.
const HOTEND_C_S: f64 = 2.0;
const BED_C_S: f64 = 0.4;
const ROOM_C: f64 = 25.0;

/// The duration of one command of the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timed {
    /// Line of the file, from 1.
    pub line: usize,
    /// Seconds.
    pub seconds: f64,
}

/// A move in the ring.
#[derive(Clone, Copy, Debug)]
struct Block {
    line: usize,
    length_mm: f64,
    nominal_mm_s: f64,
    accel_mm_s2: f64,
    /// Highest speed at the junction before it, mm/s.
    junction_mm_s: f64,
    /// Speed at which it begins, as planned so far, mm/s.
    entry_mm_s: f64,
}

/// The firmware's planner: push moves, get durations.
#[derive(Debug)]
pub struct Planner<'a> {
    printer: &'a Printer,
    ring: VecDeque<Block>,
    /// Direction and nominal speed of the newest block.
    last: Option<([f64; 4], f64)>,
}

fn axes(f: &Feeds) -> [f64; 4] {
    [f.x, f.y, f.z, f.e]
}

impl<'a> Planner<'a> {
    /// A planner at rest.
    pub fn new(printer: &'a Printer) -> Self {
        Self {
            printer,
            ring: VecDeque::with_capacity(RING + 1),
            last: None,
        }
    }

    /// Takes the next move; gives the duration of the oldest when the ring is full.
    pub fn push(&mut self, one: &Move) -> Option<Timed> {
        let block = self.plan(one);
        self.ring.push_back(block);
        self.look_ahead();
        (self.ring.len() > RING).then(|| self.leave())?
    }

    /// Comes to a stop (dwell, homing, waiting for heat, end): the durations of all moves in the ring.
    pub fn flush(&mut self) -> Vec<Timed> {
        self.last = None;
        std::iter::from_fn(|| self.leave()).collect()
    }

    fn plan(&mut self, one: &Move) -> Block {
        let limits = &self.printer.limits;
        let delta = one.delta_mm();
        let space = one.length_mm();
        let length_mm = if space > 0.0 { space } else { delta[3].abs() };
        let unit = delta.map(|d| d / length_mm);
        let clamp = |start: f64, most: &Feeds| {
            axes(most)
                .iter()
                .zip(unit)
                .filter(|(_, u)| u.abs() > 1e-9)
                .fold(start, |v, (m, u)| v.min(m / u.abs()))
        };
        let nominal_mm_s = clamp(one.feed_mm_s, &limits.feed_mm_s).max(SPEED_MIN_MM_S);
        let asked = if space == 0.0 {
            limits.retract_accel_mm_s2
        } else if delta[3] == 0.0 {
            limits.travel_accel_mm_s2
        } else {
            limits.print_accel_mm_s2
        };
        let accel_mm_s2 = clamp(asked, &limits.accel_mm_s2);
        let junction_mm_s = match self.last {
            None => SPEED_MIN_MM_S,
            Some((before, speed)) => {
                let highest = speed.min(nominal_mm_s);
                if limits.junction_deviation_mm > 0.0 {
                    deviation_speed(before, unit, accel_mm_s2, limits.junction_deviation_mm)
                        .min(highest)
                } else {
                    jerk_speed(before, unit, highest, &axes(&limits.jerk_mm_s))
                }
            }
        };
        self.last = Some((unit, nominal_mm_s));
        Block {
            line: one.line,
            length_mm,
            nominal_mm_s,
            accel_mm_s2,
            junction_mm_s,
            entry_mm_s: SPEED_MIN_MM_S.min(junction_mm_s),
        }
    }

    /// Backward, then forward: the newest block ends at rest, every other one at the next one's entry.
    fn look_ahead(&mut self) {
        let mut next = SPEED_MIN_MM_S;
        // The oldest block is under way: its entry stands.
        for block in self.ring.iter_mut().skip(1).rev() {
            let reach = (next * next + 2.0 * block.accel_mm_s2 * block.length_mm).sqrt();
            block.entry_mm_s = block.junction_mm_s.min(reach);
            next = block.entry_mm_s;
        }
        for index in 1..self.ring.len() {
            let before = self.ring[index - 1];
            let reach = (before.entry_mm_s * before.entry_mm_s
                + 2.0 * before.accel_mm_s2 * before.length_mm)
                .sqrt();
            let entry = &mut self.ring[index].entry_mm_s;
            *entry = entry.min(reach);
        }
    }

    fn leave(&mut self) -> Option<Timed> {
        let block = self.ring.pop_front()?;
        let exit = self.ring.front().map_or(SPEED_MIN_MM_S, |b| b.entry_mm_s);
        Some(Timed {
            line: block.line,
            seconds: trapezoid_s(&block, exit),
        })
    }
}

/// Seconds of one block from its entry to `exit` mm/s.
fn trapezoid_s(block: &Block, exit: f64) -> f64 {
    let Block {
        length_mm: length,
        nominal_mm_s: v,
        accel_mm_s2: a,
        entry_mm_s: entry,
        ..
    } = *block;
    let up = (v * v - entry * entry) / (2.0 * a);
    let down = (v * v - exit * exit) / (2.0 * a);
    if up + down <= length {
        (v - entry) / a + (v - exit) / a + (length - up - down) / v
    } else {
        let peak = (a * length + (entry * entry + exit * exit) / 2.0).sqrt();
        ((2.0 * peak - entry - exit) / a).max(length / v)
    }
}

/// Marlin's junction deviation: the speed at which a circle that strays `deviation` from the corner needs no more
/// than `accel`.
fn deviation_speed(before: [f64; 4], after: [f64; 4], accel: f64, deviation: f64) -> f64 {
    let norm = |u: [f64; 4]| u.iter().map(|c| c * c).sum::<f64>().sqrt();
    let cos =
        -before.iter().zip(after).map(|(a, b)| a * b).sum::<f64>() / (norm(before) * norm(after));
    if cos > 0.999_999 {
        return SPEED_MIN_MM_S;
    }
    let half = ((1.0 - cos.max(-0.999_999)) / 2.0).sqrt();
    (accel * deviation * half / (1.0 - half)).sqrt()
}

/// Classic jerk: the highest common speed at which no axis changes its speed by more than its jerk.
fn jerk_speed(before: [f64; 4], after: [f64; 4], highest: f64, jerk: &[f64; 4]) -> f64 {
    (0..4).fold(highest, |speed, axis| {
        let change = (after[axis] - before[axis]).abs();
        if change * speed > jerk[axis] {
            jerk[axis] / change
        } else {
            speed
        }
    })
}

/// Seconds of every command of a text that takes time: moves, dwells, homing, waiting for heat.
///
/// # Errors
/// The line and reason of the first command that can not be followed.
pub fn durations(text: &str, printer: &Printer) -> Result<Vec<Timed>, (usize, MotionError)> {
    let mut machine = Machine::of(printer.dialect);
    let mut planner = Planner::new(printer);
    let mut timed = Vec::new();
    let (mut hotend_c, mut bed_c) = (ROOM_C, ROOM_C);
    for (line, command) in commands(text) {
        let command = command.map_err(|e| (line, e.into()))?;
        let effect = machine.apply(line, &command).map_err(|e| (line, e))?;
        let mut stands = |seconds| {
            timed.extend(planner.flush());
            timed.push(Timed { line, seconds });
        };
        let target = command.value('S').map_or(0.0, |v| v.value());
        match effect {
            Effect::Move(one) => timed.extend(planner.push(&one)),
            Effect::Home(_) => stands(HOME_S),
            Effect::Probe => stands(PROBE_S),
            Effect::Dwell(seconds) => stands(seconds),
            Effect::None if command.is('M', 109) => {
                stands((target - hotend_c).max(0.0) / HOTEND_C_S);
                hotend_c = hotend_c.max(target);
            }
            Effect::None if command.is('M', 190) => {
                stands((target - bed_c).max(0.0) / BED_C_S);
                bed_c = bed_c.max(target);
            }
            Effect::None => {}
        }
    }
    timed.extend(planner.flush());
    Ok(timed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printer() -> Printer {
        Printer::load("virtual").unwrap()
    }

    fn total(text: &str) -> f64 {
        durations(text, &printer())
            .unwrap()
            .iter()
            .map(|t| t.seconds)
            .sum()
    }

    #[test]
    fn a_long_move_is_a_trapezoid() {
        // 100 mm at 100 mm/s with 1000 mm/s2 (the X axis' limit): 0.1 s up, 0.1 s down, 90 mm at full speed.
        assert!((total("G1 X100 F6000\n") - 1.1).abs() < 1e-3);
        // 2.5 mm never reach full speed: peak 50 mm/s, 0.05 s up and down.
        assert!((total("G1 X2.5 F6000\n") - 0.1).abs() < 2e-4);
    }

    #[test]
    fn a_straight_line_in_pieces_takes_as_long_as_in_one() {
        let pieces: String = (1..=100).map(|i| format!("G1 X{i} F6000\n")).collect();
        assert!((total(&pieces) - total("G1 X100 F6000\n")).abs() < 0.02);
    }

    #[test]
    fn a_corner_costs_time_and_a_reversal_a_stop() {
        let straight = total("G1 X50 F6000\nG1 X100\n");
        let corner = total("G1 X50 F6000\nG1 Y50\n");
        let back = total("G1 X50 F6000\nG1 X0\n");
        assert!(
            straight < corner && corner < back,
            "{straight} {corner} {back}"
        );
        assert!(
            (back - 1.2).abs() < 1e-3,
            "{back}: two trapezoids from rest to rest"
        );
    }

    #[test]
    fn an_axis_slower_than_asked_rules_the_move() {
        // Z may do 12 mm/s: 24 mm take 2 s and the ramps at 200 mm/s2.
        assert!((total("G1 Z24 F6000\n") - (2.0 + 0.06)).abs() < 1e-3);
    }

    #[test]
    fn classic_jerk_passes_a_small_change_at_full_speed() {
        let jerk = [8.0, 8.0, 0.4, 4.5];
        assert_eq!(
            jerk_speed([1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], 50.0, &jerk),
            50.0
        );
        let right_angle = jerk_speed([1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], 50.0, &jerk);
        assert_eq!(right_angle, 8.0);
    }

    #[test]
    fn heat_homing_and_dwell_are_counted() {
        let seconds = total("G28\nM190 S65\nM109 S225\nG4 S3\n");
        assert!(
            (seconds - (20.0 + 100.0 + 100.0 + 3.0)).abs() < 1e-9,
            "{seconds}"
        );
    }
}
