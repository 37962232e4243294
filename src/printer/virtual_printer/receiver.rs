//! Receiver: bytes to lines to the command queue, in Marlin's order (printing.md 4.2, steps 2 to 9).

use super::firmware::Dialect;
use std::collections::VecDeque;

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
    /// Error text and the number to ask for; the ring was flushed.
    Refused { error: &'static str, resend: u64 },
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
    pub(super) last: u64,
    /// Bytes lost because the ring was full.
    pub(super) overflow: u64,
    dialect: Dialect,
}

impl Receiver {
    pub(super) fn new(ring_max: usize, line_max: usize, dialect: Dialect) -> Self {
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
        (self.comment, self.escaped) = (false, false);
        self.last = 0;
    }

    /// Reads bytes until a line is complete. `read` gets what was taken, `flushed` what a fault threw away.
    pub(super) fn take(&mut self, read: &mut Vec<u8>, flushed: &mut Vec<u8>) -> Option<Taken> {
        while let Some(byte) = self.ring.pop_front() {
            read.push(byte);
            if matches!(byte, b'\n' | b'\r') {
                (self.comment, self.escaped) = (false, false);
                let line = std::mem::take(&mut self.line);
                let Some(taken) = self.judge(&line) else {
                    continue;
                };
                if matches!(taken, Taken::Refused { .. }) {
                    // Everything that has arrived so far goes; a line cut here arrives as a tail.
                    flushed.extend(self.ring.drain(..));
                }
                return Some(taken);
            }
            if self.comment {
                continue;
            }
            match byte {
                b';' => self.comment = true,
                0x08 => {
                    self.line.pop();
                }
                b'\\' if !self.escaped => self.escaped = true,
                _ => {
                    self.escaped = false;
                    // From byte 96 on the rest is dropped, the checksum with it.
                    if self.line.len() < self.line_max - 1 {
                        self.line.push(byte);
                    }
                }
            }
        }
        None
    }

    /// A complete line: `None` when it is empty or swallowed.
    fn judge(&mut self, line: &[u8]) -> Option<Taken> {
        let start = line.iter().position(|&b| b != b' ')?;
        let line = &line[start..];
        if line[0] != b'N' {
            return Some(Taken::Line {
                number: None,
                text: command(line, line.len()),
                bare: start == 0 && line[0] == b'M',
            });
        }
        // For a line with M110 the number is that of the N behind it, if there is one.
        let m110 = find(line, b"M110");
        let at = m110.map_or(1, |m| {
            line[m + 4..]
                .iter()
                .position(|&b| b == b'N')
                .map_or(1, |n| m + 5 + n)
        });
        let number = integer(&line[at..]);
        if m110.is_none() && number != self.last as i64 + 1 {
            let again = number == self.last as i64 || number == self.last as i64 - 1;
            if again && self.dialect == Dialect::Marlin21 {
                return None;
            }
            return Some(self.refuse("Line Number is not Last Line Number+1"));
        }
        let Some(star) = line.iter().rposition(|&b| b == b'*') else {
            return Some(self.refuse("No Checksum with line number"));
        };
        let sum = line[..star].iter().fold(0_u8, |sum, byte| sum ^ byte);
        if integer(&line[star + 1..]) != i64::from(sum) {
            return Some(self.refuse("checksum mismatch"));
        }
        self.last = number.max(0) as u64;
        let digits = line[1..]
            .iter()
            .take_while(|b| b.is_ascii_digit() || **b == b'-')
            .count();
        Some(Taken::Line {
            number: Some(self.last),
            text: command(&line[1 + digits..], star - 1 - digits),
            bare: false,
        })
    }

    fn refuse(&self, error: &'static str) -> Taken {
        Taken::Refused {
            error,
            resend: self.last + 1,
        }
    }
}

fn command(line: &[u8], end: usize) -> String {
    let text: String = line[..end.min(line.len())]
        .iter()
        .map(|&b| char::from(b))
        .collect();
    text.trim().to_owned()
}

fn find(line: &[u8], word: &[u8]) -> Option<usize> {
    line.windows(word.len()).position(|w| w == word)
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
