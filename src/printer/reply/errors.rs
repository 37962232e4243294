//! Errors: which of the firmware's error lines means what.
//!
//! | class | example | what follows |
//! |---|---|---|
//! | link | `Error:checksum mismatch, Last Line: 4` | a Resend |
//! | halted | `Error:Printer halted. kill() called!`, `!! MCU shutdown` | dead until a reset, heaters off by itself |
//! | alive | `Error:Failed to enable Bed Leveling` | the firmware goes on, **and so do its heaters** |
//! | harmless | `Error:SD init fail` | nothing |
//!
//! A text that nobody knows counts as alive: the print ends with the heaters switched off, and the text is shown.

use super::{Reply, number_after};

/// Words of the errors that a Resend follows. With one byte damaged at least one of them is still whole, since each
/// of Marlin's texts has two. The last is Repetier's (`Error:expected line 4 got 5`).
const LINK_WORDS: [&str; 5] = [
    "checksum",
    "mismatch",
    "line number",
    "last line",
    "expected line",
];

/// Beginnings of those texts: an LF made by a bit error leaves such a rest.
const LINK_STARTS: [&str; 6] = [
    "checksum mismatch, last line",
    "line number is not last line",
    "no checksum with line number",
    "no line number with checksum",
    "wrong checksum",
    "expected line",
];

/// Card, stored settings, files: nothing that a streamed print needs.
const HARMLESS_WORDS: [&str; 8] = [
    "sd", "card", "volume", "eeprom", "workdir", "openroot", "subdir", "media",
];

/// Nothing moves and nothing heats any more.
const HALTED_WORDS: [&str; 9] = [
    "kill()",
    "kill caused",
    "halted",
    "m112 shutdown",
    "system stopped",
    "printer stopped",
    "stop called",
    "shutdown",
    "thermal runaway",
];

pub(super) fn stop_text(text: &str, lower: &str) -> Option<Reply> {
    if let Some(rest) = lower.strip_prefix("error") {
        return Some(error_line(text, lower, rest.trim_start_matches([':', ' '])));
    }
    let own = || text.to_owned();
    if lower.starts_with("!!") {
        return Some(if is_halted(lower) {
            Reply::Fatal(own())
        } else {
            Reply::Trouble(own())
        });
    }
    let halted = lower.starts_with("fatal:")
        || lower.contains("kill()")
        || lower.contains("halted")
        || lower.contains("m112 shutdown")
        || lower.contains("system stopped")
        || lower.contains("printer stopped")
        || lower.contains("switched off. m");
    if halted {
        return Some(Reply::Fatal(own()));
    }
    // As cold extrusion: the move is not made in E, and the line gets its `ok`.
    (lower.contains("too long extrusion prevented")).then(|| Reply::Trouble(own()))
}

fn error_line(text: &str, lower: &str, said: &str) -> Reply {
    let own = || text.to_owned();
    let words = |one: &str| {
        said.split(|c: char| !c.is_ascii_alphanumeric())
            .any(|w| w == one)
    };
    if HARMLESS_WORDS.iter().any(|word| words(word)) {
        return Reply::Harmless(own());
    }
    let link = LINK_WORDS.iter().any(|word| said.contains(word))
        || LINK_STARTS.iter().any(|start| start.starts_with(said));
    if link && !is_halted(said) {
        let last = lower
            .find("last line:")
            .and_then(|at| number_after(&text[at + 10..]));
        return Reply::LinkError { last };
    }
    if !said.is_empty() && said.chars().all(|c| c.is_ascii_digit()) {
        return Reply::ErrorHead(own());
    }
    if is_halted(said) {
        Reply::Fatal(own())
    } else {
        Reply::Trouble(own())
    }
}

/// Thermal texts of Marlin 1.0 (`switched off. MINTEMP triggered`) stop the firmware as `system stopped` does.
fn is_halted(lower: &str) -> bool {
    HALTED_WORDS.iter().any(|word| lower.contains(word))
        || ["mintemp", "maxtemp", "heating failed", "thermal"]
            .iter()
            .any(|word| lower.contains(word))
}
