//! Prusa-Firmware: `Firmware/cmdqueue.cpp`, `get_command()`.

use super::{Receiver, Taken, c_string, integer, number_length, text_of, xor};

impl Receiver {
    pub(super) fn prusa_byte(&mut self, byte: u8) -> Option<Taken> {
        // Characters with the highest bit set are ignored.
        if byte >= 0x80 {
            return None;
        }
        if !matches!(byte, b'\n' | b'\r') && self.line.len() < self.line_max - 1 {
            if byte == b';' {
                self.comment = true;
            }
            if !self.comment {
                self.line.push(byte);
            }
            return None;
        }
        // A full buffer ends the line; the byte that did not fit is gone.
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            self.comment = false;
            return None;
        }
        // A line with a comment behind it is dropped, and so is all that comes up to the next line end: the mode is
        // left by an empty line alone.
        if self.comment {
            return None;
        }
        self.prusa_line(c_string(&line))
    }

    fn prusa_line(&mut self, line: &[u8]) -> Option<Taken> {
        let numbered = line.first() == Some(&b'N');
        let skipped = if numbered {
            1 + number_length(&line[1..])
        } else {
            0
        };
        let rest = &line[skipped..];
        let spaces = rest.iter().take_while(|b| **b == b' ').count();
        let command = &rest[spaces..];
        let star = command.iter().position(|&b| b == b'*');
        let mut number = None;
        let text = if numbered {
            let found = integer(&line[1..]);
            if found != self.last + 1 && !command.starts_with(b"M110") {
                return Some(self.prusa_refuses("Line Number is not Last Line Number+1"));
            }
            let Some(star) = star else {
                return Some(self.prusa_refuses("No Checksum with line number"));
            };
            let sum = xor(&line[..skipped + spaces + star]);
            if integer(&command[star + 1..]) != i64::from(sum) {
                return Some(self.prusa_refuses("checksum mismatch"));
            }
            number = Some(found);
            &command[..star]
        } else if star.is_some() {
            return Some(self.prusa_refuses("No Line Number with checksum"));
        } else {
            command
        };
        if text == b"M112" {
            return Some(Taken::Kill);
        }
        // Dropped without an answer, and without counting: a Resend comes later.
        if self.stopped {
            return None;
        }
        if let Some(number) = number {
            self.last = number;
        }
        Some(Taken::Line {
            number: number.map(|n| n.max(0) as u64),
            text: text_of(text),
            bare: false,
        })
    }

    /// FlushSerialRequestResend().
    fn prusa_refuses(&self, error: &str) -> Taken {
        let last = self.last;
        Taken::Answer {
            lines: vec![
                format!("Error:{error}, Last Line: {last}"),
                format!("Resend: {}", last + 1),
                "ok".into(),
            ],
            flush: true,
        }
    }
}
