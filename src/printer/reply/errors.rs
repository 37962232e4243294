//! Errors: which of the firmware's error lines means what.

use super::{Reply, number_after};

/// Words of the four errors that a Resend follows. With one byte damaged at least one of them is still whole, since
/// each of the texts has two.
const LINK_WORDS: [&str; 4] = ["checksum", "mismatch", "line number", "last line"];

/// Beginnings of those texts: an LF made by a bit error leaves such a rest.
const LINK_STARTS: [&str; 4] = [
    "checksum mismatch, last line",
    "line number is not last line",
    "no checksum with line number",
    "no line number with checksum",
];

pub(super) fn stop_text(text: &str, lower: &str) -> Option<Reply> {
    if let Some(rest) = lower.strip_prefix("error") {
        let said = rest.trim_start_matches([':', ' ']);
        if LINK_WORDS.iter().any(|word| said.contains(word))
            || LINK_STARTS.iter().any(|start| start.starts_with(said))
        {
            let last = lower
                .find("last line:")
                .and_then(|at| number_after(&text[at + 10..]));
            return Some(Reply::LinkError { last });
        }
        return Some(Reply::Fatal(text.to_owned()));
    }
    let dead = lower.starts_with("!!")
        || lower.starts_with("fatal:")
        || lower.contains("kill()")
        || lower.contains("halted")
        || lower.contains("m112 shutdown")
        || lower.contains("system stopped")
        || lower.contains("printer stopped");
    dead.then(|| Reply::Fatal(text.to_owned()))
}
