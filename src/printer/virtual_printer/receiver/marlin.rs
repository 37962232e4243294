//! Marlin 2.0 and 2.1, and Buddy, whose receiver is that of 2.0: `gcode/queue.cpp`, `get_serial_commands()`.

use super::super::dialect::Dialect;
use super::{Receiver, Taken, c_string, find, integer, number_length, text_of, xor};

impl Receiver {
    pub(super) fn marlin_byte(&mut self, byte: u8) -> Option<Taken> {
        if matches!(byte, b'\n' | b'\r') {
            (self.comment, self.escaped) = (false, false);
            let line = std::mem::take(&mut self.line);
            return self.marlin_line(&line);
        }
        if self.comment {
            return None;
        }
        match byte {
            b';' if !self.escaped => self.comment = true,
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
        None
    }

    /// A complete line: `None` when it is empty or swallowed.
    fn marlin_line(&mut self, line: &[u8]) -> Option<Taken> {
        let line = c_string(line);
        let start = line.iter().position(|&b| b != b' ')?;
        let line = &line[start..];
        if line[0] != b'N' {
            return Some(Taken::Line {
                number: None,
                text: text_of(line),
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
        if m110.is_none() && number != self.last + 1 {
            let again = number == self.last || number == self.last - 1;
            if again && self.dialect == Dialect::Marlin21 {
                return None;
            }
            return Some(self.marlin_refuses("Line Number is not Last Line Number+1"));
        }
        let Some(star) = line.iter().rposition(|&b| b == b'*') else {
            return Some(self.marlin_refuses("No Checksum with line number"));
        };
        if integer(&line[star + 1..]) != i64::from(xor(&line[..star])) {
            return Some(self.marlin_refuses("checksum mismatch"));
        }
        self.last = number;
        let text = 1 + number_length(&line[1..]);
        Some(Taken::Line {
            number: Some(number.max(0) as u64),
            text: text_of(&line[text.min(star)..star]),
            bare: false,
        })
    }

    fn marlin_refuses(&self, error: &str) -> Taken {
        let last = self.last;
        let mut lines = vec![
            format!("Error:{error}, Last Line: {last}"),
            format!("Resend: {}", last + 1),
        ];
        if self.resend_ok {
            lines.push("ok".into());
        }
        Taken::Answer { lines, flush: true }
    }
}
