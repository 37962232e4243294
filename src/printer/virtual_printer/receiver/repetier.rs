//! Repetier-Firmware 1.0.4: `gcode.cpp`, `readFromSerial()`, `parseAscii()`, `checkAndPushCommand()`.

use super::{Receiver, Taken, integer, xor};

/// Wrong numbers after a Resend that are skipped without another one; after one in binary mode.
const SKIPS: i32 = 14;
const SKIPS_BINARY: i32 = 30;
/// Numbers back that count as seen already.
const SEEN: u16 = 40;
/// Commands whose words are a text up to the `*`: neither a checksum nor a number behind it is looked at.
const TEXTS: [i64; 10] = [20, 23, 28, 29, 30, 32, 36, 117, 118, 531];

/// One line, as parseAscii() reads it.
#[derive(Debug, Default)]
struct Parsed {
    number: Option<i64>,
    m: Option<i64>,
    /// The command and its words, without number and checksum.
    text: String,
}

impl Receiver {
    pub(super) fn repetier_byte(&mut self, byte: u8) -> Option<Taken> {
        if self.line.is_empty() && !self.comment {
            if byte == 0 {
                return None;
            }
            self.binary = byte & 0x80 != 0;
        }
        if self.binary {
            return self.repetier_binary(byte);
        }
        if matches!(byte, 0 | b'\n' | b'\r') {
            self.comment = false;
            let line = std::mem::take(&mut self.line);
            if line.is_empty() {
                return None;
            }
            return self.repetier_line(&line);
        }
        self.comment |= byte == b';';
        if !self.comment {
            self.line.push(byte);
        }
        if self.line.len() >= self.line_max {
            return Some(self.repetier_resend(None));
        }
        None
    }

    /// A first byte with its highest bit set begins a command of so many bytes, line ends among them. Its checksum is
    /// Fletcher's: none of ours fits.
    fn repetier_binary(&mut self, byte: u8) -> Option<Taken> {
        self.line.push(byte);
        if self.line.len() < 4 || self.line.len() < binary_size(&self.line) {
            return None;
        }
        let taken = self.repetier_resend(None);
        self.skips = SKIPS_BINARY;
        Some(taken)
    }

    fn repetier_line(&mut self, line: &[u8]) -> Option<Taken> {
        let Some(Parsed { number, m, text }) = self.parse_ascii(line) else {
            return Some(self.repetier_resend(Some("Error:Wrong checksum".into())));
        };
        if m == Some(110) {
            self.last = self.read_last;
            self.skips = -1;
            return Some(super::say(&["ok"]));
        }
        if m == Some(112) {
            return Some(Taken::Kill);
        }
        if let Some(number) = number
            && (self.last + 1) & 0xffff != number & 0xffff
        {
            return Some(self.repetier_wrong_number(number));
        }
        if let Some(number) = number {
            self.last = number;
        }
        self.skips = -1;
        Some(Taken::Line {
            number: number.map(|n| n.max(0) as u64),
            text,
            bare: false,
        })
    }

    /// SerialGCodeSource::prefetchContent(): with EMERGENCY_PARSER each line is read once before its turn, checksum and
    /// all, for M108 and M112 alone. What it says, and which of the two it was.
    pub(in super::super) fn repetier_prefetch(
        &mut self,
        line: &[u8],
    ) -> (Option<&'static str>, Option<i64>) {
        if line.first().is_some_and(|b| b & 0x80 != 0) {
            return (None, None);
        }
        let line: Vec<u8> = line.iter().copied().take_while(|b| *b != b';').collect();
        match self.parse_ascii(&line) {
            None => (Some("Error:Wrong checksum"), None),
            Some(parsed) => (None, parsed.m),
        }
    }

    /// parseAscii(): each letter counts wherever it stands, of several of a kind the last. `(` and `%` end the line, a
    /// checksum behind them is not looked at. `None`: a wrong checksum. The number that was read last is remembered,
    /// whatever becomes of its line.
    fn parse_ascii(&mut self, line: &[u8]) -> Option<Parsed> {
        let mut words: Vec<(char, String)> = Vec::new();
        let mut parsed = Parsed::default();
        let (mut at, mut summed) = (0, 0);
        while at < line.len() {
            let letter = char::from(line[at]).to_ascii_uppercase();
            at += 1;
            let rest = &line[at..];
            match letter {
                '(' | '%' => break,
                'N' => {
                    self.read_last = integer(rest);
                    parsed.number = Some(self.read_last);
                }
                '*' => {
                    if integer(rest) as u8 != xor(&line[summed..at - 1]) {
                        return None;
                    }
                    summed = at - 1;
                }
                'M' if TEXTS.contains(&integer(rest)) => {
                    parsed.m = Some(integer(rest));
                    let end = rest.iter().position(|b| *b == b'*').unwrap_or(rest.len());
                    let text: String = rest[..end].iter().map(|&b| char::from(b)).collect();
                    words.push((letter, text.trim().to_owned()));
                    break;
                }
                _ if "GMXYZEFTSPIJRDCHABKLO".contains(letter) => {
                    if letter == 'M' {
                        parsed.m = Some(integer(rest));
                    }
                    words.retain(|word| word.0 != letter);
                    words.push((letter, digits(rest)));
                }
                _ => {}
            }
        }
        // executeGCode(): a G goes before an M, an M before a T.
        let command = (['G', 'M', 'T'].iter()).find_map(|c| words.iter().position(|w| w.0 == *c));
        if let Some(command) = command {
            let word = words.remove(command);
            words.insert(0, word);
        }
        let written = words
            .iter()
            .map(|(letter, value)| format!("{letter}{value}"));
        parsed.text = written.collect::<Vec<_>>().join(" ");
        Some(parsed)
    }

    fn repetier_wrong_number(&mut self, number: i64) -> Taken {
        let back = (self.last - number) as u16;
        if back >= SEEN && self.skips < 0 {
            let expected = format!("Error:expected line {} got {number}", self.last + 1);
            return self.repetier_resend(Some(expected));
        }
        if back >= SEEN {
            self.skips -= 1;
        }
        super::say(&[&format!("skip {number}"), "ok"])
    }

    /// requestResend().
    pub(super) fn repetier_resend(&mut self, error: Option<String>) -> Taken {
        self.line.clear();
        self.skips = SKIPS;
        let mut lines: Vec<String> = error.into_iter().collect();
        lines.extend([
            String::new(),
            format!("Resend:{}", self.last + 1),
            "ok".into(),
        ]);
        // serialFlush() waits for what is said; what has arrived stays, hence the skipping.
        Taken::Answer {
            lines,
            flush: false,
        }
    }
}

/// A number as it is written, after spaces; nothing counts as 0.
fn digits(text: &[u8]) -> String {
    let text = text.iter().skip_while(|b| **b == b' ');
    let mut number = String::new();
    for &byte in text {
        let sign = matches!(byte, b'-' | b'+') && number.is_empty();
        let point = byte == b'.' && !number.contains('.');
        if !(sign || point || byte.is_ascii_digit()) {
            break;
        }
        number.push(char::from(byte));
    }
    if number.chars().any(|c| c.is_ascii_digit()) {
        number
    } else {
        "0".into()
    }
}

/// computeBinarySize().
fn binary_size(command: &[u8]) -> usize {
    let field = |at: usize| u16::from_le_bytes([command[at], command[at + 1]]);
    let (one, two) = (field(0), field(2));
    let bits = |field: u16, mask: u16| (field & mask).count_ones() as usize;
    let mut size = 4 + 2 * bits(one, 1) + 4 * bits(one, 8 | 16 | 32 | 64 | 256 | 1024 | 2048);
    size += bits(one, 512);
    if one & 4096 == 0 {
        return size + bits(one, 2 | 4) + 16 * bits(one, 1 << 15);
    }
    size += 2 + 2 * bits(one, 2 | 4) + 4 * bits(two, u16::MAX);
    if one & 1 << 15 != 0 {
        size += usize::from(command.get(4).copied().unwrap_or(0))
            .saturating_add(1)
            .min(80);
    }
    size
}
