//! RepRapFirmware 3: `GCodes/GCodeBuffer/StringParser.cpp`, `Put()` and `LineFinished()`.
//!
//! The number is noted and never compared. A wrong checksum drops the line without a word; without one it is taken.

use super::{Receiver, Taken, integer, text_of, xor};

impl Receiver {
    pub(super) fn duet_byte(&mut self, byte: u8) -> Option<Taken> {
        if !matches!(byte, 0 | b'\n' | b'\r') {
            if self.line.len() < self.line_max {
                self.line.push(byte);
            } else {
                self.escaped = true;
            }
            return None;
        }
        let overlong = std::mem::take(&mut self.escaped);
        let line = std::mem::take(&mut self.line);
        if overlong {
            return Some(super::say(&["Error: GCode command too long", "ok"]));
        }
        duet_line(&line)
    }
}

fn duet_line(line: &[u8]) -> Option<Taken> {
    let numbered = line.first().is_some_and(|b| matches!(b, b'N' | b'n'));
    let digits = line
        .iter()
        .skip(1)
        .take_while(|b| b.is_ascii_digit())
        .count();
    // Only behind a line number does a star begin a checksum; what follows a semicolon is thrown away unsummed.
    let code_end = line.iter().position(|&b| b == b';').unwrap_or(line.len());
    let star = line[..code_end].iter().position(|&b| b == b'*');
    let (number, text) = match (numbered, star) {
        (true, Some(star)) => {
            let declared = &line[star + 1..];
            let figures = declared.iter().take_while(|b| b.is_ascii_digit()).count();
            // One to three figures are the checksum; five are a CRC-16, which nobody sends here.
            if !(1..=3).contains(&figures) || integer(declared) != i64::from(xor(&line[..star])) {
                return None;
            }
            (integer(&line[1..]), &line[1 + digits..star])
        }
        (true, None) => (integer(&line[1..]), &line[1 + digits..code_end]),
        (false, _) => (-1, &line[..code_end]),
    };
    let text = text_of(text);
    if text.is_empty() {
        return None;
    }
    Some(Taken::Line {
        number: u64::try_from(number).ok(),
        text,
        bare: false,
    })
}
