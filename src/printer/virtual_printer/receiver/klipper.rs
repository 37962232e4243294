//! Klipper: `klippy/gcode.py`, `_process_data()` and `_process_commands()`.
//!
//! `N` and a number at the start are skipped, `*` and what follows is a word like any other; every line is taken as it
//! came, and every line is acknowledged, also an empty one.

use super::{Receiver, Taken, text_of};

impl Receiver {
    /// Takes a whole block as it was read from the pseudo-terminal; one that is not UTF-8 is thrown away.
    pub(in super::super) fn klipper_block(&mut self, block: &[u8]) -> bool {
        if std::str::from_utf8(block).is_err() {
            return false;
        }
        for &byte in block {
            self.put(byte);
        }
        true
    }

    pub(super) fn klipper_byte(&mut self, byte: u8) -> Option<Taken> {
        if byte != b'\n' {
            self.line.push(byte);
            return None;
        }
        let line = std::mem::take(&mut self.line);
        let line = text_of(&line);
        let code = line.split(';').next().unwrap_or_default();
        let (number, text) = number_off(code);
        Some(Taken::Line {
            number,
            text: text.trim().to_owned(),
            bare: false,
        })
    }
}

/// `N12 G1 X1*40` as 12 and `G1 X1*40`; without a command behind the number there is none.
fn number_off(code: &str) -> (Option<u64>, String) {
    let upper = code.trim().to_ascii_uppercase();
    let Some(rest) = upper.strip_prefix('N') else {
        return (None, upper);
    };
    // The pieces are runs of letters and what stands between them.
    let Some(at) = rest.find(|c: char| c.is_ascii_uppercase() || c == '_' || c == '*') else {
        return (None, String::new());
    };
    if at == 0 {
        return (None, upper);
    }
    (rest[..at].trim().parse().ok(), rest[at..].to_owned())
}
