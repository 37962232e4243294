//! The grammar: one line of a file becomes one [`Command`], or is refused.
//!
//! Strict on purpose: what Marlin would skip in silence (a lower-case letter, a stray sign, a word given twice)
//! is an error here, since a skipped word is a wrong move. Line numbers and checksums are framing and belong to
//! the link: a file must not contain them.

use super::number::{Number, NumberError};
use std::fmt;

/// Most words behind a command.
pub const WORDS_MAX: usize = 16;

/// A letter with its number, e.g. `X10.5`; flags (`G28 X`) have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// `A` to `Z`.
    pub letter: char,
    /// What follows it.
    pub value: Option<Number>,
}

/// One command: `G1 X10 Y5 E.3` is letter `G`, number 1 and three words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// `G`, `M` or `T`.
    pub letter: char,
    /// The number behind it.
    pub number: u32,
    /// The number behind a point (`G92.1`), if there is one.
    pub sub: Option<u32>,
    /// The words, in the file's order, no letter twice.
    pub words: Vec<Word>,
    /// The free text of M117, M118, M115 and M862 (messages, versions, names of machines); empty for all others.
    pub text: String,
}

/// Why a line is no command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrammarError {
    /// A byte that has no place in G-code.
    #[error("has the character {0:?}, which has no place in G-code")]
    Character(char),
    /// A line end where none is: firmwares end a line there, and what follows is a command of its own.
    #[error(
        "has the control character {0:?} in its middle, which ends the line for some firmwares"
    )]
    Control(char),
    /// Bytes that are no text.
    #[error("is no text in UTF-8")]
    NoText,
    /// The line does not start with G, M or T and a number.
    #[error("does not start with G, M or T and a number")]
    NoCommand,
    /// A line number or checksum: framing that only the link may add.
    #[error("carries a line number or checksum; only the link adds those")]
    Framed,
    /// Something else than a letter where a word should start.
    #[error("has {0:?} where a word should start")]
    Garbage(char),
    /// A number that is none.
    #[error("the number behind {0} {1}")]
    Number(char, NumberError),
    /// The same letter twice.
    #[error("has the word {0} twice")]
    Twice(char),
    /// More than [`WORDS_MAX`] words.
    #[error("has more than {WORDS_MAX} words")]
    TooMany,
}

/// The text of a line as it stands in a file, without its line end (LF, or CR and LF).
///
/// # Errors
/// [`GrammarError`]: a line, its comment too, is UTF-8 without control characters but the tab.
pub fn text_of(line: &[u8]) -> Result<&str, GrammarError> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|_| GrammarError::NoText)?;
    match text.chars().find(|&c| c.is_control() && c != '\t') {
        Some(odd) => Err(GrammarError::Control(odd)),
        None => Ok(text),
    }
}

/// The first character of a command that can not be sent: what is not printable ASCII, and what firmwares take for
/// framing, a comment or an escape.
pub fn unsendable(code: &str) -> Option<char> {
    code.chars()
        .find(|c| !matches!(c, ' '..='~') || matches!(c, ';' | '*' | '\\'))
}

/// A line without its comment, line end and outer spaces: what goes over the wire.
pub fn strip(line: &str) -> &str {
    line.split_once(';').map_or(line, |(code, _)| code).trim()
}

/// Reads one line. `None` for a blank line or one with only a comment.
///
/// # Errors
/// [`GrammarError`] for everything that is not exactly one command.
pub fn parse(line: &str) -> Result<Option<Command>, GrammarError> {
    let code = strip(line);
    let bytes = code.as_bytes();
    let Some(&letter) = bytes.first() else {
        return Ok(None);
    };
    match unsendable(code) {
        Some('*') => return Err(GrammarError::Framed),
        Some(odd) => return Err(GrammarError::Character(odd)),
        None if letter == b'N' => return Err(GrammarError::Framed),
        None => {}
    }
    if !matches!(letter, b'G' | b'M' | b'T') {
        return Err(GrammarError::NoCommand);
    }
    let (number, at) = digits(bytes, 1).ok_or(GrammarError::NoCommand)?;
    let (sub, at) = match bytes.get(at) {
        Some(b'.') => digits(bytes, at + 1)
            .map(|(n, at)| (Some(n), at))
            .ok_or(GrammarError::NoCommand)?,
        _ => (None, at),
    };
    let letter = char::from(letter);
    let (words, text) = if letter == 'M' && matches!(number, 115 | 117 | 118 | 862) {
        (Vec::new(), code[at..].trim().to_owned())
    } else {
        (words(&bytes[at..])?, String::new())
    };
    Ok(Some(Command {
        letter,
        number,
        sub,
        words,
        text,
    }))
}

/// Up to six digits from `at`, and where they end.
fn digits(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    let length = bytes[at..]
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .count();
    if !(1..=6).contains(&length) {
        return None;
    }
    let number = bytes[at..at + length]
        .iter()
        .fold(0, |n, b| n * 10 + u32::from(b - b'0'));
    Some((number, at + length))
}

fn words(bytes: &[u8]) -> Result<Vec<Word>, GrammarError> {
    let mut words: Vec<Word> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte == b' ' {
            continue;
        }
        let letter = char::from(byte);
        if !byte.is_ascii_uppercase() {
            return Err(GrammarError::Garbage(letter));
        }
        if words.iter().any(|w| w.letter == letter) {
            return Err(GrammarError::Twice(letter));
        }
        if words.len() == WORDS_MAX {
            return Err(GrammarError::TooMany);
        }
        let number = Number::leading(&bytes[at..]).map_err(|e| GrammarError::Number(letter, e))?;
        let value = number.map(|(value, length)| {
            at += length;
            value
        });
        words.push(Word { letter, value });
    }
    Ok(words)
}

/// Commands of a text with their line numbers from 1; blank lines and comments are left out.
pub fn commands(text: &str) -> impl Iterator<Item = (usize, Result<Command, GrammarError>)> + '_ {
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| parse(line).transpose().map(|command| (index + 1, command)))
}

impl Command {
    /// Is it this command, e.g. `is('G', 1)`? Commands with a sub-number are never plain ones.
    pub fn is(&self, letter: char, number: u32) -> bool {
        self.letter == letter && self.number == number && self.sub.is_none()
    }

    /// The number of a word; `None` when the word is missing or a bare flag.
    pub fn value(&self, letter: char) -> Option<Number> {
        self.words.iter().find(|w| w.letter == letter)?.value
    }

    /// Is the word there, with or without a number?
    pub fn has(&self, letter: char) -> bool {
        self.words.iter().any(|w| w.letter == letter)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.letter, self.number)?;
        if let Some(sub) = self.sub {
            write!(f, ".{sub}")?;
        }
        for word in &self.words {
            write!(f, " {}", word.letter)?;
            if let Some(value) = word.value {
                write!(f, "{value}")?;
            }
        }
        if !self.text.is_empty() {
            write!(f, " {}", self.text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_with_a_comment_is_read() {
        let command = parse("  G1 X10.5 Y-3E.03385 F1800 ; wall\r")
            .unwrap()
            .unwrap();
        assert!(command.is('G', 1));
        assert_eq!(command.value('X').unwrap().value(), 10.5);
        assert_eq!(command.value('Y').unwrap().whole(), Some(-3));
        assert_eq!(command.value('E').unwrap().to_string(), "0.03385");
        assert_eq!(command.to_string(), "G1 X10.5 Y-3 E0.03385 F1800");
    }

    #[test]
    fn blank_lines_and_comments_are_nothing() {
        for line in ["", "   ", ";LAYER_CHANGE", "\t; M112", "\r"] {
            assert_eq!(parse(line), Ok(None), "{line:?}");
        }
    }

    #[test]
    fn flags_have_no_value_and_messages_are_text() {
        let home = parse("G28 X Y").unwrap().unwrap();
        assert!(home.has('X') && home.value('X').is_none());
        let message = parse("M117 Printing 100%").unwrap().unwrap();
        assert_eq!(message.text, "Printing 100%");
        assert_eq!(parse("G92.1").unwrap().unwrap().sub, Some(1));
    }

    #[test]
    fn garbage_is_refused_by_name() {
        use GrammarError as E;
        for (line, error) in [
            ("G1 X10 X11", E::Twice('X')),
            ("G1 XNaN", E::Garbage('a')),
            ("G1 X1e5", E::Garbage('e')),
            ("G1 X--1", E::Number('X', NumberError::NoDigit)),
            ("g1 X1", E::NoCommand),
            ("X1", E::NoCommand),
            ("G X1", E::NoCommand),
            ("N12 G1 X1", E::Framed),
            ("G1 X1*40", E::Framed),
            ("G1 X\u{fe}", E::Character('\u{fe}')),
            ("G1\tX1", E::Character('\t')),
            ("M117 a\\b", E::Character('\\')),
            ("G1 X1\rG1 Y1", E::Character('\r')),
            ("G1 (comment)", E::Garbage('(')),
            ("G1234567", E::NoCommand),
        ] {
            assert_eq!(parse(line), Err(error), "{line}");
        }
    }

    #[test]
    fn a_line_is_text_without_line_ends_in_its_middle() {
        for (line, text) in [
            (&b"G1 X1\r\n"[..], "G1 X1"),
            (b"; \tM\xc3\xbcller\n", "; \tM\u{fc}ller"),
            (b"", ""),
        ] {
            assert_eq!(text_of(line), Ok(text));
        }
        for (line, error) in [
            (&b"; note\rG1 Z0.2\n"[..], GrammarError::Control('\r')),
            (b"M117 a\x1bb\n", GrammarError::Control('\x1b')),
            (b"; a\xc2\x85b\n", GrammarError::Control('\u{85}')),
            (b"; M\xfcller\n", GrammarError::NoText),
        ] {
            assert_eq!(text_of(line), Err(error));
        }
    }

    #[test]
    fn line_numbers_count_every_line() {
        let found: Vec<_> = commands("G28\n\n; x\nM84\n")
            .map(|(n, c)| (n, c.unwrap().number))
            .collect();
        assert_eq!(found, [(1, 28), (4, 84)]);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        // Seeded bytes from the letters that matter, so that deep branches are reached.
        let letters = b"GMTXYZEFNS 0123456789.-+;*()\t\\eA\xc3";
        let mut state = 4711_u64;
        for _ in 0..20_000 {
            let line: Vec<u8> = (0..24)
                .map(|_| {
                    state = state
                        .wrapping_mul(6364136223846793005)
                        .wrapping_add(1442695040888963407);
                    letters[(state >> 33) as usize % letters.len()]
                })
                .collect();
            if let Ok(Some(command)) = parse(&String::from_utf8_lossy(&line)) {
                assert_eq!(parse(&command.to_string()).unwrap().unwrap(), command);
            }
        }
    }
}
