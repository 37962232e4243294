//! Wire: both directions, with their faults. Counts how often each kind of fault came.
//!
//! Holds: a fault never makes a complete valid position out of another: nothing on the link's side could tell it from the
//! truth, and no wire does it to all four numbers and to both answers alike.

use super::faults::Faults;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, VecDeque};

/// A line that was overtaken by none comes so late, virtual s.
const HELD_S: f64 = 1.0;
/// Bytes of a burst.
const BURST: std::ops::RangeInclusive<u32> = 3..=50;

/// How often each kind of fault came.
pub type Fired = BTreeMap<&'static str, u64>;

/// Both directions of the wire, with their faults.
#[derive(Debug)]
pub struct Wire {
    faults: Faults,
    rng: ChaCha8Rng,
    up: Lane,
    down: Lane,
    /// How often each kind of fault came.
    pub fired: Fired,
}

/// Bytes on their way, with the time of their arrival.
#[derive(Debug, Default)]
struct Lane {
    bytes: VecDeque<(f64, u8)>,
    last: f64,
    held: Option<(f64, Vec<u8>)>,
    /// Bytes of the present burst that are still to come.
    burst: u32,
}

impl Lane {
    fn first(&self) -> f64 {
        let held = self.held.as_ref().map_or(f64::INFINITY, |(t, _)| *t);
        self.bytes
            .front()
            .map_or(f64::INFINITY, |(t, _)| *t)
            .min(held)
    }
    fn put(&mut self, now: f64, delay: f64, byte_s: f64, bytes: &[u8]) {
        for &byte in bytes {
            self.last = self.last.max(now + delay) + byte_s;
            self.bytes.push_back((self.last, byte));
        }
    }
    fn take(&mut self, now: f64, byte_s: f64) -> Vec<u8> {
        if self.held.as_ref().is_some_and(|(t, _)| *t <= now)
            && let Some((t, line)) = self.held.take()
        {
            self.put(t, 0.0, byte_s, &line);
        }
        let due = self.bytes.iter().take_while(|(t, _)| *t <= now).count();
        self.bytes.drain(..due).map(|(_, byte)| byte).collect()
    }
}

/// The rates of one direction.
#[derive(Clone, Copy, Debug)]
struct Rates {
    drop: (f64, &'static str),
    corrupt: (f64, &'static str),
    double: (f64, &'static str),
    noise: (f64, &'static str),
    burst: (f64, &'static str),
    lose: (f64, &'static str),
    twice: (f64, &'static str),
    swap: (f64, &'static str),
}

impl Rates {
    fn up(faults: &Faults) -> Self {
        Self {
            drop: (faults.drop_up, "byte lost up"),
            corrupt: (faults.corrupt_up, "byte changed up"),
            double: (faults.double_up, "byte doubled up"),
            noise: (faults.noise_up, "byte put in up"),
            burst: (faults.burst_up, "burst up"),
            lose: (faults.lose_line_up, "line lost up"),
            twice: (faults.double_line_up, "line doubled up"),
            swap: (faults.swap_line_up, "lines swapped up"),
        }
    }
    fn down(faults: &Faults) -> Self {
        Self {
            drop: (faults.drop_down, "byte lost down"),
            corrupt: (faults.corrupt_down, "byte changed down"),
            double: (faults.double_down, "byte doubled down"),
            noise: (faults.noise_down, "byte put in down"),
            burst: (faults.burst_down, "burst down"),
            lose: (faults.lose_line_down, "line lost down"),
            twice: (faults.double_line_down, "line doubled down"),
            swap: (faults.swap_line_down, "lines swapped down"),
        }
    }
}

impl Wire {
    /// A wire with these faults; the seed decides which bytes they hit.
    pub fn new(faults: Faults, seed: u64) -> Self {
        Self {
            faults,
            rng: ChaCha8Rng::seed_from_u64(seed),
            up: Lane::default(),
            down: Lane::default(),
            fired: Fired::new(),
        }
    }

    fn hit(&mut self, (rate, name): (f64, &'static str)) -> bool {
        let hit = rate > 0.0 && self.rng.random::<f64>() < rate;
        if hit {
            *self.fired.entry(name).or_default() += 1;
        }
        hit
    }

    fn byte_s(&self) -> f64 {
        match self.faults.baud {
            0 => 0.0,
            baud => 10.0 / f64::from(baud),
        }
    }

    /// One byte after the other: what is left of them.
    fn damage(&mut self, line: &[u8], rates: Rates, mut burst: u32, only: &[u8]) -> (Vec<u8>, u32) {
        let mut left = Vec::with_capacity(line.len() + 2);
        for &byte in line {
            if burst == 0 && self.hit(rates.burst) {
                burst = self.rng.random_range(BURST);
            }
            if burst > 0 {
                burst -= 1;
                // A third is lost, the rest is anything.
                if self.rng.random_range(0..3_u32) > 0 {
                    left.push(self.rng.random());
                }
                continue;
            }
            if self.hit(rates.drop) {
                continue;
            }
            let mut byte = byte;
            if (only.is_empty() || only.contains(&byte)) && self.hit(rates.corrupt) {
                byte ^= 1 << self.rng.random_range(0..8_u32);
            }
            if self.hit(rates.noise) {
                left.push(self.rng.random());
            }
            left.push(byte);
            if self.hit(rates.double) {
                left.push(byte);
            }
        }
        (left, burst)
    }

    /// The host writes.
    pub fn from_host(&mut self, now: f64, bytes: &[u8]) {
        let (byte_s, delay) = (self.byte_s(), self.faults.latency_s);
        let rates = Rates::up(&self.faults);
        let only = self.faults.corrupt_up_only.clone();
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            if self.hit(rates.lose) {
                continue;
            }
            let (mut left, burst) = self.damage(line, rates, self.up.burst, only.as_bytes());
            self.up.burst = burst;
            if self.faults.insert_lf > 0.0 {
                let at = (0..left.len())
                    .find(|_| self.hit((self.faults.insert_lf, "line end put in up")));
                if let Some(at) = at {
                    left.insert(at, b'\n');
                }
            }
            let twice = self.hit(rates.twice);
            if self.up.held.is_none() && self.hit(rates.swap) {
                self.up.held = Some((now + delay + HELD_S, left));
                continue;
            }
            self.up.put(now, delay, byte_s, &left);
            if twice {
                self.up.put(now, delay, byte_s, &left);
            }
            if let Some((_, held)) = self.up.held.take() {
                self.up.put(now, delay, byte_s, &held);
            }
        }
    }

    /// The printer writes whole lines.
    pub fn from_printer(&mut self, now: f64, bytes: &[u8]) {
        let byte_s = self.byte_s();
        let rates = Rates::down(&self.faults);
        let (drop_ok, late_ok) = (self.faults.drop_ok, self.faults.late_ok);
        let late_line = self.faults.late_line_down;
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            let mut delay = self.faults.latency_s;
            let is_ok = line.starts_with(b"ok");
            if (is_ok && self.hit((drop_ok, "ok lost"))) || self.hit(rates.lose) {
                continue;
            }
            if (is_ok && self.hit((late_ok, "ok late"))) || self.hit((late_line, "line late down"))
            {
                delay += self.faults.late_s;
            }
            let (mut left, burst) = self.damage(line, rates, self.down.burst, &[]);
            self.down.burst = burst;
            if forges_position(line, &left) {
                left = line.to_vec();
            }
            let twice = self.hit(rates.twice);
            if self.down.held.is_none() && self.hit(rates.swap) {
                self.down.held = Some((now + delay + HELD_S, left));
                continue;
            }
            self.down.put(now, delay, byte_s, &left);
            if twice {
                self.down.put(now, delay, byte_s, &left);
            }
            if let Some((_, held)) = self.down.held.take() {
                self.down.put(now, delay, byte_s, &held);
            }
        }
    }

    /// Bytes that have reached the printer.
    pub fn to_printer(&mut self, now: f64) -> Vec<u8> {
        let byte_s = self.byte_s();
        self.up.take(now, byte_s)
    }

    /// Bytes that have reached the host.
    pub fn to_host(&mut self, now: f64) -> Vec<u8> {
        let byte_s = self.byte_s();
        self.down.take(now, byte_s)
    }

    /// When the next byte arrives at the printer.
    pub fn next_up(&self) -> f64 {
        self.up.first()
    }

    /// When the next byte arrives anywhere.
    pub fn next_event(&self) -> f64 {
        self.up.first().min(self.down.first())
    }

    /// Bytes on their way to the printer.
    pub fn up_bytes(&self) -> usize {
        self.up.bytes.len()
    }

    /// Everything on its way is lost.
    pub fn clear(&mut self) {
        for lane in [&mut self.up, &mut self.down] {
            lane.bytes.clear();
            lane.held = None;
        }
    }

    /// Shreds what was said: three bytes in ten are anything.
    pub fn shred(&mut self, said: &[u8]) -> Vec<u8> {
        let shredded = said.iter().map(|&byte| {
            if byte != b'\n' && self.rng.random::<f64>() < 0.3 {
                self.rng.random()
            } else {
                byte
            }
        });
        shredded.collect()
    }
}

/// Do the bytes still read as a position, with other numbers?
fn forges_position(line: &[u8], left: &[u8]) -> bool {
    let Some(true_numbers) = position_numbers(line) else {
        return false;
    };
    // A line end put in, or one that was lost, must not make one either.
    left.split(|b| matches!(b, b'\n' | b'\r'))
        .filter_map(position_numbers)
        .any(|numbers| numbers != true_numbers)
}

/// The four numbers behind X:, Y:, Z: and E:, as text.
fn position_numbers(line: &[u8]) -> Option<[Vec<u8>; 4]> {
    let mut found: [Vec<u8>; 4] = Default::default();
    let mut rest = line;
    for (number, name) in found.iter_mut().zip([b"X:", b"Y:", b"Z:", b"E:"]) {
        let at = rest.windows(2).position(|w| w == name)?;
        rest = &rest[at + 2..];
        let end = rest
            .iter()
            .position(|b| !matches!(b, b'0'..=b'9' | b'.' | b'-'))
            .unwrap_or(rest.len());
        if !rest[..end].iter().any(u8::is_ascii_digit) {
            return None;
        }
        *number = rest[..end].to_vec();
    }
    Some(found)
}
