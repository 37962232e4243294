//! Reply: bytes from the firmware become [`Reply`]s, whatever the wire did to them.
//!
//! In:    bytes as they come, in any pieces.
//! Out:   one [`Reply`] a line.
//! Holds: a line that can not be recognised is [`Reply::Noise`]: never an `ok`, never a fault: the wire cuts, merges and damages lines. Memory is
//!        bounded by [`LINE_BYTES_MAX`]. Texts are printable ASCII, so that they may go to a log.
//! Never: waits, answers, decides.

use crate::gcode::dialect::Identity;

mod errors;
mod report;

use errors::stop_text;
use report::{heating, position, temperatures};

/// Longest line that is looked at; the rest of a longer one is dropped.
pub const LINE_BYTES_MAX: usize = 512;

/// Temperatures in one report, C; what is missing in the report is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Temperatures {
    /// Hotend.
    pub hotend: Option<Reading>,
    /// Bed.
    pub bed: Option<Reading>,
}

/// One heater in a report, C.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Measured.
    pub now_c: f64,
    /// Wanted; `None` where the report does not say (Prusa-Firmware up to 3.11 while it waits).
    pub target_c: Option<f64>,
}

/// What the firmware said in one line.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// `ok`, `ok N12 P15 B3`.
    Ok {
        /// The line it belongs to, where the firmware says so (ADVANCED_OK).
        line: Option<u64>,
        /// Free places in the command queue, likewise.
        free: Option<u64>,
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
    /// A report without `ok`, by itself: no sign that a line was taken.
    Temperatures(Temperatures),
    /// A report of `M109` or `M190` that waits: `T:170.5 E:0 W:?`.
    Heating(Temperatures),
    /// `X:.. Y:.. Z:.. E:.. Count ..`, mm.
    Position([f64; 4]),
    /// `start` or a boot banner: the board was reset.
    Boot,
    /// `echo:Unknown command: "..."`; the first word alone where the firmware says no more.
    Unknown(String),
    /// `FIRMWARE_NAME:..`, also glued to an `ok` as Klipper does: who answers, and the line as it came.
    Firmware(Identity, String),
    /// `Cap:NAME:1`.
    Capability(String, bool),
    /// `echo: cold extrusion prevented`: the move is not made, yet the line gets its `ok`.
    ColdExtrusion,
    /// Halted or stopped by the firmware; the text as it came.
    Fatal(String),
    /// An error with which the firmware lives on, and its heaters with it.
    Trouble(String),
    /// An error that concerns no print: card, volume, EEPROM.
    Harmless(String),
    /// `Error:0`: the heater of a text that comes in the next line (Marlin 1.0).
    ErrorHead(String),
    /// `//action:..`: what the printer's own panel asks for.
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
    answer(text, &lower)
        .or_else(|| stop_text(text, &lower))
        .or_else(|| life(text, &lower))
        .unwrap_or_else(|| noise(text))
}

/// What answers a line of ours.
fn answer(text: &str, lower: &str) -> Option<Reply> {
    let resend = |rest| number_after(rest).map_or_else(|| noise(text), Reply::Resend);
    if let Some(at) = lower.find("resend:") {
        return Some(resend(&text[at + 7..]));
    }
    if let Some(rest) = lower.strip_prefix("rs ") {
        return Some(resend(rest));
    }
    // Before the `ok`: Klipper says both in one line.
    if let Some(identity) = Identity::read(text) {
        return Some(Reply::Firmware(identity, text.to_owned()));
    }
    // Wherever it stands in the line: `okok T:..` and `..ok T:..` are met when a line end was lost (Marlin #16196).
    if let Some(at) = text.find("ok T:").or_else(|| text.find("ok B:")) {
        return Some(Reply::OkTemperatures(temperatures(&text[at + 2..])));
    }
    if text == "ok" || text.starts_with("ok ") {
        let word = |letter: char| {
            let found = text.split(' ').skip(1).find_map(|w| w.strip_prefix(letter));
            found.and_then(|digits| digits.parse().ok())
        };
        // Repetier says the bare number.
        let bare = || text.strip_prefix("ok ").and_then(|n| n.parse().ok());
        return Some(Reply::Ok {
            line: word('N').or_else(bare),
            free: word('B'),
        });
    }
    None
}

/// What the firmware says by itself.
fn life(text: &str, lower: &str) -> Option<Reply> {
    if text == "start"
        || BOOT.iter().any(|word| lower.contains(word))
        || lower.starts_with("marlin ")
    {
        return Some(Reply::Boot);
    }
    if lower.contains("paused for") {
        return Some(Reply::PausedForUser);
    }
    if lower.contains("busy:") {
        return Some(Reply::Busy);
    }
    if lower.contains("cold extrusion prevented") || lower.contains("extrude below minimum") {
        return Some(Reply::ColdExtrusion);
    }
    if let Some(at) = lower.find("unknown command") {
        let quoted = text[at..].split('"').nth(1).unwrap_or_default();
        // A space before the checksum is repeated.
        return Some(Reply::Unknown(quoted.trim_end().to_owned()));
    }
    if let Some(word) = unsupported(text) {
        return Some(Reply::Unknown(word.to_owned()));
    }
    if text.starts_with("X:") {
        return position(text).map(Reply::Position);
    }
    if let Some((name, value)) = text.strip_prefix("Cap:").and_then(|r| r.split_once(':')) {
        return Some(Reply::Capability(name.to_owned(), value == "1"));
    }
    if let Some(comment) = text.strip_prefix("//") {
        let action = comment.trim_start().strip_prefix("action:")?;
        return Some(Reply::Action(action.trim().to_owned()));
    }
    let report = temperatures(text);
    if report == Temperatures::default() {
        return None;
    }
    Some(if heating(text) {
        Reply::Heating(report)
    } else {
        Reply::Temperatures(report)
    })
}

/// `Warning: M205: Command is not supported` of RepRapFirmware: the word.
fn unsupported(text: &str) -> Option<&str> {
    let word = text.strip_suffix(": Command is not supported")?;
    Some(word.rsplit(": ").next().unwrap_or_default())
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
