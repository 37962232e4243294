//! Repetier-Firmware 1.0.4: `gcode.cpp`, `readFromSerial()`, `parseAscii()`, `checkAndPushCommand()`.

use super::{Receiver, Taken, integer, text_of, xor};

/// Wrong numbers after a Resend that are skipped without another one.
const SKIPS: i32 = 14;
/// Numbers back that count as seen already.
const SEEN: u16 = 40;

impl Receiver {
    pub(super) fn repetier_byte(&mut self, byte: u8) -> Option<Taken> {
        if matches!(byte, 0 | b'\n' | b'\r') {
            self.comment = false;
            let line = std::mem::take(&mut self.line);
            if line.is_empty() {
                return None;
            }
            return self.repetier_line(&line);
        }
        if self.line.is_empty() && byte & 0x80 != 0 {
            // A binary command begins; nothing sensible follows, and 200 ms later a Resend is asked for.
            self.line.push(byte);
            return None;
        }
        if byte == b';' {
            self.comment = true;
        }
        if !self.comment {
            self.line.push(byte);
        }
        if self.line.len() + 1 >= self.line_max {
            self.line.clear();
            return Some(self.repetier_resend(None));
        }
        None
    }

    fn repetier_line(&mut self, line: &[u8]) -> Option<Taken> {
        // The checksum is that of everything before the star, numbered or not; without a star nothing is checked.
        let star = line.iter().position(|&b| b == b'*');
        if let Some(star) = star
            && integer(&line[star + 1..]) as u8 != xor(&line[..star])
        {
            return Some(self.repetier_resend(Some("Error:Wrong checksum".into())));
        }
        let text = text_of(&line[..star.unwrap_or(line.len())]);
        let (number, text) = number_off(&text);
        if text.starts_with("M110") {
            // The last N of the line.
            let named = text
                .rsplit('N')
                .next()
                .filter(|_| text.contains('N'))
                .map(|n| integer(n.as_bytes()));
            self.last = named.or(number).unwrap_or(0);
            self.skips = -1;
            return Some(super::say(&["ok"]));
        }
        if text == "M112" || text.starts_with("M112 ") {
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

/// `N12 G1 X1` as 12 and `G1 X1`.
fn number_off(text: &str) -> (Option<i64>, String) {
    match text.strip_prefix(['N', 'n']) {
        Some(rest) => {
            let digits = rest.chars().take_while(char::is_ascii_digit).count();
            let text = rest[digits..].trim().to_owned();
            (Some(integer(rest.as_bytes())), text)
        }
        None => (None, text.to_owned()),
    }
}
