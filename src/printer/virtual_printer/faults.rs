//! Faults: what a bad wire and a bad day do, by rate and by schedule, from a seed (printing.md 6.2).

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use std::collections::VecDeque;
use std::path::Path;

/// A fault file, TOML; every key optional. "Up" is from host to printer. Rates are per byte, 0 to 1.
///
/// ```toml
/// corrupt_up = 1e-4
/// drop_ok = 0.005
/// [[at]]
/// line = 400
/// what = "reset"
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Bytes lost on the way to the printer.
    pub drop_up: f64,
    /// Bytes lost on the way to the host.
    pub drop_down: f64,
    /// Bytes with one bit flipped on the way to the printer.
    pub corrupt_up: f64,
    /// Only bytes of this set are corrupted upwards, e.g. `"N"`; empty: all.
    pub corrupt_up_only: String,
    /// Bytes with one bit flipped on the way to the host.
    pub corrupt_down: f64,
    /// Bytes that arrive twice at the printer.
    pub double_up: f64,
    /// Bytes that arrive twice at the host.
    pub double_down: f64,
    /// A line end put in on the way to the printer.
    pub insert_lf: f64,
    /// Share of `ok` lines lost whole.
    pub drop_ok: f64,
    /// Share of `ok` lines that come late.
    pub late_ok: f64,
    /// How late, virtual s.
    pub late_s: f64,
    /// Bits per second both ways; 0 is as fast as it comes.
    pub baud: u32,
    /// Delay each way, virtual s.
    pub latency_s: f64,
    /// Things that happen once.
    pub at: Vec<Happening>,
}

/// Something that happens once, at a line or at a time.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Happening {
    /// After so many numbered lines were accepted since power-on.
    #[serde(default)]
    pub line: Option<u64>,
    /// At this virtual time, s.
    #[serde(default)]
    pub s: Option<f64>,
    /// What.
    pub what: What,
    /// How long, virtual s: stall, disconnect. How many times: slow_planner.
    #[serde(default)]
    pub amount: f64,
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The board restarts.
    Reset,
    /// `kill()`.
    Halt,
    /// The hotend's heater fails.
    Thermal,
    /// Deaf and mute; what arrives meanwhile is lost.
    Stall,
    /// The port goes away and comes back.
    Disconnect,
    /// Moves take longer.
    SlowPlanner,
}

/// Why a fault file can not be used.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// Not readable.
    #[error("the fault file can not be read: {0}")]
    Read(#[from] std::io::Error),
    /// Not a fault file.
    #[error("the fault file is not valid: {0}")]
    Parse(#[from] toml::de::Error),
}

impl Faults {
    /// Reads a fault file.
    ///
    /// # Errors
    /// [`FaultError`].
    pub fn load(path: &Path) -> Result<Self, FaultError> {
        Ok(toml::from_str(&std::fs::read_to_string(path)?)?)
    }

    /// A bad line as the acceptance asks for it: bytes dropped, corrupted and doubled both ways, `ok`s lost.
    pub fn bad_line(rate: f64) -> Self {
        Self {
            drop_up: rate,
            drop_down: rate,
            corrupt_up: rate,
            corrupt_down: rate,
            double_up: rate,
            double_down: rate,
            drop_ok: 0.005,
            ..Self::default()
        }
    }
}

/// Both directions of the wire, with their faults.
#[derive(Debug)]
pub struct Wire {
    faults: Faults,
    rng: ChaCha8Rng,
    up: Lane,
    down: Lane,
}

/// Bytes on their way, with the time of their arrival.
#[derive(Debug, Default)]
struct Lane {
    bytes: VecDeque<(f64, u8)>,
    last: f64,
}

impl Lane {
    fn first(&self) -> f64 {
        self.bytes.front().map_or(f64::INFINITY, |(t, _)| *t)
    }
    fn put(&mut self, now: f64, delay: f64, byte_s: f64, byte: u8) {
        self.last = self.last.max(now + delay) + byte_s;
        self.bytes.push_back((self.last, byte));
    }
    fn take(&mut self, now: f64) -> Vec<u8> {
        let due = self.bytes.iter().take_while(|(t, _)| *t <= now).count();
        self.bytes.drain(..due).map(|(_, byte)| byte).collect()
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
        }
    }

    fn hit(&mut self, rate: f64) -> bool {
        rate > 0.0 && self.rng.random::<f64>() < rate
    }

    fn byte_s(&self) -> f64 {
        match self.faults.baud {
            0 => 0.0,
            baud => 10.0 / f64::from(baud),
        }
    }

    /// The host writes.
    pub fn from_host(&mut self, now: f64, bytes: &[u8]) {
        let (byte_s, delay) = (self.byte_s(), self.faults.latency_s);
        for &byte in bytes {
            let mut byte = byte;
            if self.hit(self.faults.drop_up) {
                continue;
            }
            let only = &self.faults.corrupt_up_only;
            let fits = only.is_empty() || only.bytes().any(|b| b == byte);
            if fits && self.hit(self.faults.corrupt_up) {
                byte ^= 1 << self.rng.random_range(0..8_u32);
            }
            if self.hit(self.faults.insert_lf) {
                self.up.put(now, delay, byte_s, b'\n');
            }
            self.up.put(now, delay, byte_s, byte);
            if self.hit(self.faults.double_up) {
                self.up.put(now, delay, byte_s, byte);
            }
        }
    }

    /// The printer writes whole lines.
    pub fn from_printer(&mut self, now: f64, bytes: &[u8]) {
        let byte_s = self.byte_s();
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            let mut delay = self.faults.latency_s;
            if line.starts_with(b"ok") {
                if self.hit(self.faults.drop_ok) {
                    continue;
                }
                if self.hit(self.faults.late_ok) {
                    delay += self.faults.late_s;
                }
            }
            for &byte in line {
                let mut byte = byte;
                if self.hit(self.faults.drop_down) {
                    continue;
                }
                if self.hit(self.faults.corrupt_down) {
                    byte ^= 1 << self.rng.random_range(0..8_u32);
                }
                self.down.put(now, delay, byte_s, byte);
                if self.hit(self.faults.double_down) {
                    self.down.put(now, delay, byte_s, byte);
                }
            }
        }
    }

    /// Bytes that have reached the printer.
    pub fn to_printer(&mut self, now: f64) -> Vec<u8> {
        self.up.take(now)
    }

    /// Bytes that have reached the host.
    pub fn to_host(&mut self, now: f64) -> Vec<u8> {
        self.down.take(now)
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
        self.up.bytes.clear();
        self.down.bytes.clear();
    }
}
