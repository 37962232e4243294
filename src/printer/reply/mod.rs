//! Reply: bytes from the firmware become [`Reply`]s, whatever the wire did to them.
//!
//! In:    bytes as they come, in any pieces.
//! Out:   one [`Reply`] a line.
//! Holds: a line that can not be recognised is [`Reply::Noise`]: never an `ok`, never a fault (pitfall 14). Memory is
//!        bounded by [`LINE_BYTES_MAX`]. Texts are printable ASCII, so that they may go to a log.
//! Never: waits, answers, decides.

mod errors;
mod report;

use errors::stop_text;
use report::{firmware_name, position, temperatures};

/// Longest line that is looked at; the rest of a longer one is dropped.
pub const LINE_BYTES_MAX: usize = 512;

/// Temperatures in one report, C; what is missing in the report is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Temperatures {
    /// Hotend now and target.
    pub hotend: Option<(f64, f64)>,
    /// Bed now and target.
    pub bed: Option<(f64, f64)>,
}

/// What the firmware said in one line.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// `ok`, `ok N12 P15 B3`.
    Ok {
        /// The line it belongs to, where the firmware says so (ADVANCED_OK).
        line: Option<u64>,
    },
    /// `ok T:..`: the answer to `M105`, which can not be mistaken for another line's `ok`.
    OkTemperatures(Temperatures),
    /// `Resend: n`, `rs n`.
    Resend(u64),
    /// One of the errors that a Resend follows; `Last Line: n` when it could be read.
    LinkError {
        /// Last line the firmware has accepted.
        last: Option<u64>,
    },
    /// `echo:busy: processing`.
    Busy,
    /// `echo:busy: paused for user` or `... for input`: waits for a person at the printer.
    PausedForUser,
    /// A report without `ok`: while heating, or by itself.
    Temperatures(Temperatures),
    /// `X:.. Y:.. Z:.. E:.. Count ..`, mm.
    Position([f64; 4]),
    /// `start` or a boot banner: the board was reset.
    Boot,
    /// `echo:Unknown command: "..."`.
    Unknown(String),
    /// `FIRMWARE_NAME:..`: the name.
    Firmware(String),
    /// `Cap:NAME:1`.
    Capability(String, bool),
    /// `echo: cold extrusion prevented`: the move is not made, yet the line gets its `ok`.
    ColdExtrusion,
    /// Halted or stopped by the firmware; the text as it came.
    Fatal(String),
    /// `//action:..`: shown, never obeyed (Marlin sends `poweroff` after every kill).
    Action(String),
    /// Everything else.
    Noise(String),
}

/// Splits the stream into lines and reads them.
#[derive(Debug, Default)]
pub struct Scanner {
    line: Vec<u8>,
}

impl Scanner {
    /// Takes bytes; calls `each` for every line that is complete.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Reply)) {
        for &byte in bytes {
            if matches!(byte, b'\n' | b'\r') {
                let text: String = self
                    .line
                    .drain(..)
                    .map(|b| match b {
                        b' '..=b'~' => char::from(b),
                        _ => '?',
                    })
                    .collect();
                let text = text.trim();
                if !text.is_empty() {
                    each(read(text));
                }
            } else if self.line.len() < LINE_BYTES_MAX {
                self.line.push(byte);
            }
        }
    }

    /// Forgets a half line (the port was opened anew).
    pub fn clear(&mut self) {
        self.line.clear();
    }
}

/// Reads one trimmed line of printable ASCII.
pub fn read(text: &str) -> Reply {
    let lower = text.to_ascii_lowercase();
    if let Some(at) = lower.find("resend:") {
        return number_after(&text[at + 7..]).map_or_else(|| noise(text), Reply::Resend);
    }
    if let Some(rest) = lower.strip_prefix("rs ") {
        return number_after(rest).map_or_else(|| noise(text), Reply::Resend);
    }
    // Wherever it stands in the line: `okok T:..` and `..ok T:..` are met when a line end was lost (Marlin #16196).
    if let Some(at) = text.find("ok T:").or_else(|| text.find("ok B:")) {
        return Reply::OkTemperatures(temperatures(&text[at + 2..]));
    }
    if text == "ok" || text.starts_with("ok ") {
        let line = text
            .strip_prefix("ok N")
            .and_then(|rest| rest.split(' ').next()?.parse().ok());
        return Reply::Ok { line };
    }
    if let Some(stop) = stop_text(text, &lower) {
        return stop;
    }
    if text == "start"
        || BOOT.iter().any(|word| lower.contains(word))
        || lower.starts_with("marlin ")
    {
        return Reply::Boot;
    }
    if lower.contains("paused for") {
        return Reply::PausedForUser;
    }
    if lower.contains("busy:") {
        return Reply::Busy;
    }
    if lower.contains("cold extrusion prevented") || lower.contains("extrude below minimum") {
        return Reply::ColdExtrusion;
    }
    if let Some(at) = lower.find("unknown command") {
        let quoted = text[at..].split('"').nth(1).unwrap_or_default();
        return Reply::Unknown(quoted.to_owned());
    }
    if text.starts_with("X:") {
        return position(text).map_or_else(|| noise(text), Reply::Position);
    }
    if let Some(at) = text.find("FIRMWARE_NAME:") {
        return Reply::Firmware(firmware_name(&text[at + 14..]));
    }
    if let Some((name, value)) = text.strip_prefix("Cap:").and_then(|r| r.split_once(':')) {
        return Reply::Capability(name.to_owned(), value == "1");
    }
    if let Some(action) = text.strip_prefix("//") {
        if let Some(action) = action.trim_start().strip_prefix("action:") {
            return Reply::Action(action.to_owned());
        }
        return noise(text);
    }
    let report = temperatures(text);
    if report != Temperatures::default() {
        return Reply::Temperatures(report);
    }
    noise(text)
}

/// Boot lines of Marlin (`MarlinCore.cpp`), in lower case.
const BOOT: [&str; 5] = [
    "powerup",
    "external reset",
    "brown out reset",
    "watchdog reset",
    "software reset",
];

fn noise(text: &str) -> Reply {
    Reply::Noise(text.to_owned())
}

/// The whole number at the start, after spaces; `None` unless a digit is there.
fn number_after(text: &str) -> Option<u64> {
    let digits: String = text
        .trim_start()
        .chars()
        .take_while(char::is_ascii_digit)
        .take(12)
        .collect();
    digits.parse().ok()
}

/// A decimal number at the start of `text`, after spaces.
fn decimal(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let end = text
        .find(|c: char| !matches!(c, '0'..='9' | '.' | '-'))
        .unwrap_or(text.len());
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests;
