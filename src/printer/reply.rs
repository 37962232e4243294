//! Reply: bytes from the firmware become [`Reply`]s, whatever the wire did to them.
//!
//! In:    bytes as they come, in any pieces.
//! Out:   one [`Reply`] a line.
//! Holds: a line that can not be recognised is [`Reply::Noise`]: never an `ok`, never a fault (pitfall 14). Memory is
//!        bounded by [`LINE_BYTES_MAX`]. Texts are printable ASCII, so that they may go to a log.
//! Never: waits, answers, decides.

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

fn stop_text(text: &str, lower: &str) -> Option<Reply> {
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

/// Every `T:now /target` and `B:now /target`; a number that can not be read leaves its heater out.
fn temperatures(text: &str) -> Temperatures {
    let heater = |names: [&str; 2]| {
        let at = names.iter().find_map(|name| {
            text.match_indices(name)
                .find(|(at, _)| *at == 0 || text.as_bytes()[at - 1] == b' ')
                .map(|(at, name)| at + name.len())
        })?;
        let now = decimal(&text[at..])?;
        let target = text[at..]
            .split_once('/')
            .filter(|(between, _)| !between.contains(':'))
            .and_then(|(_, rest)| decimal(rest))?;
        Some((now, target))
    };
    Temperatures {
        hotend: heater(["T:", "T0:"]),
        bed: heater(["B:", "B:"]),
    }
}

fn position(text: &str) -> Option<[f64; 4]> {
    let mut found = [0.0; 4];
    let head = text.split(" Count").next()?;
    for (value, name) in found.iter_mut().zip(["X:", "Y:", "Z:", "E:"]) {
        let at = head.find(name)? + 2;
        *value = decimal(&head[at..])?;
    }
    Some(found)
}

/// The name runs to the next `KEY:` word; it may itself hold spaces and colons.
fn firmware_name(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split(' ') {
        let key = word.split(':').next().unwrap_or_default();
        let is_key = word.contains(':')
            && key.len() > 2
            && key.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        if is_key {
            break;
        }
        words.push(word);
    }
    words.join(" ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scan(bytes: &[u8]) -> Vec<Reply> {
        let mut found = Vec::new();
        Scanner::default().feed(bytes, |reply| found.push(reply));
        found
    }

    #[test]
    fn the_forms_of_4_3_are_read() {
        let temperatures = Temperatures {
            hotend: Some((19.37, 0.0)),
            bed: Some((19.5, 60.0)),
        };
        for (text, reply) in [
            ("ok", Reply::Ok { line: None }),
            ("ok P15 B3", Reply::Ok { line: None }),
            ("ok N12 P15 B3", Reply::Ok { line: Some(12) }),
            (
                "ok T:19.37 /0.00 B:19.5 /60.00 @:0 B@:0",
                Reply::OkTemperatures(temperatures),
            ),
            (
                "okok T:19.37 /0.00 B:19.5 /60.00 @:0 B@:0",
                Reply::OkTemperatures(temperatures),
            ),
            (
                " T:19.37 /0.00 B:19.5 /60.00 @:127 B@:0 W:?",
                Reply::Temperatures(temperatures),
            ),
            ("Resend: 12", Reply::Resend(12)),
            ("Resend:7", Reply::Resend(7)),
            (
                "Error:checksum mismatch, Last Line: 1",
                Reply::LinkError { last: Some(1) },
            ),
            (
                "Error:Line Number is not Last Line Number+1, Last Line: 41",
                Reply::LinkError { last: Some(41) },
            ),
            (
                "Error:No Cecksum with line number, Last Line: 3",
                Reply::LinkError { last: Some(3) },
            ),
            ("Error:chec", Reply::LinkError { last: None }),
            ("echo:busy: processing", Reply::Busy),
            ("echo:busy: paused for user", Reply::PausedForUser),
            ("start", Reply::Boot),
            (" External Reset", Reply::Boot),
            (
                "echo:Unknown command: \"n1 M105\"",
                Reply::Unknown("n1 M105".into()),
            ),
            (
                "X:16.01 Y:0.00 Z:-0.50 E:1.25 Count X:1281 Y:0 Z:0",
                Reply::Position([16.01, 0.0, -0.5, 1.25]),
            ),
            (
                "FIRMWARE_NAME:Marlin 2.1.2.1 (Jul 24 2023 12:00:00) SOURCE_CODE_URL:x",
                Reply::Firmware("Marlin 2.1.2.1 (Jul 24 2023 12:00:00)".into()),
            ),
            (
                "Cap:EMERGENCY_PARSER:0",
                Reply::Capability("EMERGENCY_PARSER".into(), false),
            ),
            (
                "Cap:CASE_LIGHT_BRIGHTNESS0",
                Reply::Noise("Cap:CASE_LIGHT_BRIGHTNESS0".into()),
            ),
            ("//action:poweroff", Reply::Action("poweroff".into())),
            ("k", Reply::Noise("k".into())),
            (
                "eho:bsy: processing",
                Reply::Noise("eho:bsy: processing".into()),
            ),
        ] {
            assert_eq!(read(text.trim()), reply, "{text}");
        }
    }

    #[test]
    fn pitfall_17_the_texts_of_4_6_mean_stop() {
        for text in [
            "Error:Printer halted. kill() called!",
            "echo:M112 Shutdown",
            "Error:Thermal Runaway, system stopped! Heater_ID: bed",
            "Error:Heating failed, system stopped! Heater_ID: E0",
            "Error:MAXTEMP triggered, system stopped! Heater_ID: 0",
            "Error:MINTEMP triggered, system stopped! Heater_ID: 0",
            "Error:!! KILL caused by too much inactive time - current command: M85 S4",
            "Error:Printer stopped due to errors. Fix the error and use M999 to restart.",
            "!! STOP called because of BLTouch error - restart with M999",
            "Error:Probing Failed",
            "!! Move out of range: 500.000 0.000 0.000 [0.000]",
            "fatal: heater decoupled",
        ] {
            assert!(matches!(read(text), Reply::Fatal(_)), "{text}");
        }
        assert_eq!(read("echo: cold extrusion prevented"), Reply::ColdExtrusion);
    }

    #[test]
    fn an_overlong_line_takes_bounded_memory() {
        let mut scanner = Scanner::default();
        for _ in 0..1000 {
            scanner.feed(&[b'x'; 1000], |_| {});
        }
        assert!(scanner.line.len() <= LINE_BYTES_MAX);
    }

    /// Lines as a Marlin sends them in a print; two of them are an `ok`.
    const STREAM: [&str; 8] = [
        "ok",
        "ok T:200.24 /200.00 B:60.01 /60.00 @:57 B@:12",
        "echo:busy: processing",
        " T:150.10 /200.00 B:60.00 /60.00 @:127 B@:0 W:?",
        "Error:checksum mismatch, Last Line: 12",
        "Resend: 13",
        "X:10.00 Y:20.00 Z:0.30 E:1.20 Count X:800 Y:1600 Z:120",
        "echo:Unknown command: \"M73 P5\"",
    ];

    proptest! {
        #[test]
        fn pitfall_14_noise_parsing(
            lines in proptest::collection::vec(0..STREAM.len(), 1..12),
            at in any::<prop::sample::Index>(),
            kind in 0..3,
            byte in any::<u8>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes: Vec<u8> = Vec::new();
            for &line in &lines {
                bytes.extend(STREAM[line].bytes());
                bytes.push(b'\n');
            }
            let count = |replies: &[Reply]| {
                replies.iter().filter(|r| matches!(r, Reply::Ok { .. } | Reply::OkTemperatures(_))).count()
            };
            let before = count(&scan(&bytes));
            let at = at.index(bytes.len());
            match kind {
                0 => { bytes.remove(at); }
                1 => bytes.insert(at, byte),
                _ => bytes[at] = byte,
            }
            // In any pieces.
            let cut = cut.index(bytes.len() + 1);
            let mut scanner = Scanner::default();
            let mut replies = Vec::new();
            scanner.feed(&bytes[..cut], |r| replies.push(r));
            scanner.feed(&bytes[cut..], |r| replies.push(r));
            let after = count(&replies);
            prop_assert!(after <= before, "a false ok: {replies:?}");
            prop_assert!(after + 2 >= before, "one byte hides at most the two lines it joins");
            // A link error stays one (or noise): it never ends a print.
            prop_assert!(!replies.iter().any(|r| matches!(r, Reply::Fatal(_) | Reply::Boot)), "{replies:?}");
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            scan(&bytes);
        }
    }
}
