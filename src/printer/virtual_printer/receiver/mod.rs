//! Receiver: bytes to lines to the command queue, in each firmware's own order.
//!
//! `marlin` (also Buddy), `prusa`, `klipper`, `duet` and `repetier` say what becomes of a complete line; the ring and the
//! collecting of bytes are here.

use super::dialect::Dialect;
use std::collections::VecDeque;

mod duet;
mod klipper;
mod marlin;
mod prusa;
mod repetier;

/// What the reader made of the bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Taken {
    /// A line for the queue.
    Line {
        number: Option<u64>,
        text: String,
        /// The whole line began with `M`: M108, M112 and M410 act at once.
        bare: bool,
    },
    /// What it says at once; `flush`: everything that has arrived so far goes.
    Answer { lines: Vec<String>, flush: bool },
    /// M112, acted on before anything else is looked at.
    Kill,
}

/// RX ring and line buffer.
#[derive(Debug)]
pub(super) struct Receiver {
    ring: VecDeque<u8>,
    ring_max: usize,
    line: Vec<u8>,
    line_max: usize,
    comment: bool,
    escaped: bool,
    pub(super) last: i64,
    /// Bytes lost because the ring was full.
    pub(super) overflow: u64,
    dialect: Dialect,
    /// Marlin: an `ok` after a Resend (not all builds do).
    resend_ok: bool,
    /// Prusa: everything is dropped until a person has looked.
    pub(super) stopped: bool,
    /// Repetier: wrong numbers that are skipped without another Resend; below 0: none.
    skips: i32,
    /// Repetier: the number that was read last, also of a line that was refused; a binary command is being read.
    pub(super) read_last: i64,
    binary: bool,
    /// When the last byte was read, virtual s.
    touched: f64,
}

impl Receiver {
    pub(super) fn new(ring_max: usize, line_max: usize, dialect: Dialect, resend_ok: bool) -> Self {
        Self {
            ring: VecDeque::new(),
            ring_max,
            line: Vec::new(),
            line_max,
            comment: false,
            escaped: false,
            last: 0,
            overflow: 0,
            dialect,
            resend_ok,
            stopped: false,
            skips: -1,
            read_last: 0,
            binary: false,
            touched: 0.0,
        }
    }

    /// Free bytes of the ring.
    pub(super) fn room(&self) -> usize {
        self.ring_max - 1 - self.ring.len()
    }

    /// A byte from the wire; dropped without a word when the ring is full.
    pub(super) fn put(&mut self, byte: u8) {
        if self.ring.len() + 1 >= self.ring_max {
            self.overflow += 1;
        } else {
            self.ring.push_back(byte);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Empties ring and line buffer (boot, halt).
    pub(super) fn reset(&mut self) {
        self.ring.clear();
        self.line.clear();
        (self.comment, self.escaped, self.stopped) = (false, false, false);
        (self.last, self.skips) = (0, -1);
        (self.read_last, self.binary) = (0, false);
    }

    /// Reads bytes until a line is complete. `read` gets what was taken, `flushed` what a fault threw away.
    pub(super) fn take(
        &mut self,
        now: f64,
        read: &mut Vec<u8>,
        flushed: &mut Vec<u8>,
    ) -> Option<Taken> {
        while let Some(byte) = self.ring.pop_front() {
            read.push(byte);
            self.touched = now;
            let taken = match self.dialect {
                Dialect::Prusa311 | Dialect::Prusa314 => self.prusa_byte(byte),
                Dialect::Klipper => self.klipper_byte(byte),
                Dialect::Duet => self.duet_byte(byte),
                Dialect::Repetier => self.repetier_byte(byte),
                Dialect::Marlin21 | Dialect::Marlin20 | Dialect::Buddy => self.marlin_byte(byte),
            };
            let Some(taken) = taken else { continue };
            if matches!(taken, Taken::Answer { flush: true, .. }) {
                // Everything that has arrived so far goes; a line cut here arrives as a tail.
                flushed.extend(self.ring.drain(..));
            }
            return Some(taken);
        }
        None
    }

    /// What a half line that is not continued brings, and when it is to be looked at.
    pub(super) fn half_line_due(&self) -> f64 {
        if !self.ring.is_empty() {
            return f64::INFINITY;
        }
        let patience_s = match self.dialect {
            Dialect::Prusa311 | Dialect::Prusa314 if !self.line.is_empty() => 2.0,
            Dialect::Repetier if !self.line.is_empty() || self.skips >= 0 => 0.2,
            _ => return f64::INFINITY,
        };
        self.touched + patience_s
    }

    /// A half line was not continued.
    pub(super) fn half_line(&mut self, now: f64) -> Option<Taken> {
        if now < self.half_line_due() {
            return None;
        }
        self.touched = now;
        if self.dialect == Dialect::Repetier {
            return Some(self.repetier_resend(None));
        }
        self.line.clear();
        self.comment = false;
        Some(say(&["RX timeout"]))
    }
}

fn say(lines: &[&str]) -> Taken {
    Taken::Answer {
        lines: lines.iter().map(|&l| l.to_owned()).collect(),
        flush: false,
    }
}

fn text_of(line: &[u8]) -> String {
    let text: String = line.iter().map(|&b| char::from(b)).collect();
    text.trim().to_owned()
}

/// A line up to its first NUL: what functions of C see of it.
fn c_string(line: &[u8]) -> &[u8] {
    let end = line.iter().position(|&b| b == 0);
    &line[..end.unwrap_or(line.len())]
}

fn find(line: &[u8], word: &[u8]) -> Option<usize> {
    line.windows(word.len()).position(|w| w == word)
}

fn xor(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum ^ byte)
}

/// `strtol`: a sign and digits at the start; 0 when there are none.
fn integer(text: &[u8]) -> i64 {
    let text: Vec<u8> = text.iter().copied().skip_while(|b| *b == b' ').collect();
    let negative = text.first() == Some(&b'-');
    let digits = text.iter().skip(usize::from(negative));
    let value = digits
        .take_while(|b| b.is_ascii_digit())
        .take(15)
        .fold(0_i64, |n, b| n * 10 + i64::from(b - b'0'));
    if negative { -value } else { value }
}

/// How many bytes at the start are a sign and digits.
fn number_length(text: &[u8]) -> usize {
    text.iter()
        .take_while(|b| b.is_ascii_digit() || **b == b'-')
        .count()
}
