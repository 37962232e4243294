//! Line: a command becomes the bytes on the wire, `N12 G1 X10 Y5 E0.3*77\n`.
//!
//! In:    a line number and one stripped command.
//! Out:   the framed line, or why it must never be sent.
//! Holds: a framed line fits the firmware's buffer and can not be misread: Marlin drops what is beyond its buffer,
//!        the checksum with it, and takes a comment's rest for the checksum; both end in a Resend of the same line for
//!        ever. Two lines that a damaged line end joins do not pass the checksum. Where a firmware takes lines without one,
//!        their number says whether they are whole.

use crate::gcode::dialect::Numbering;
use crate::gcode::unsendable;

/// Why a command can not be framed. Each is a fault of our own code or of an unchecked file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Too long for the firmware's buffer.
    #[error("the line has {bytes} bytes with number and checksum; this printer takes {max}")]
    TooLong {
        /// Bytes with number and checksum, without the line end.
        bytes: usize,
        /// Most that are taken.
        max: usize,
    },
    /// A byte that would break the framing.
    #[error("the line has the character {0:?}, which can not be sent")]
    Character(char),
    /// Nothing to send: Marlin gives no `ok` for it.
    #[error("the line is empty")]
    Empty,
}

/// XOR of all bytes, as Marlin reckons it over everything before the `*`.
pub fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum ^ byte)
}

/// `N{number} {command}*{checksum}\n`, shorter than `line_max_bytes` (Marlin's MAX_CMD_SIZE, which counts the terminator). Some
/// have a space before their `*`, or a 0 behind it, see `may_join`.
///
/// # Errors
/// [`FrameError`] when the result could be misread.
pub fn frame(number: u64, command: &str, line_max_bytes: usize) -> Result<String, FrameError> {
    framed(number, command, line_max_bytes, None)
}

/// As [`frame`], for a firmware that reads numbers so. Where the last number of a line counts it is
/// `N0 {command} N{number}*{checksum}`: what is left of a line that lost its checksum, or everything from a false line end
/// on, has the number 0 (or 32768 where 0 is due), which is not due, or one with the digits of the checksum in it. So it is refused, although no
/// checksum is asked for. Two such lines without the line end between them have the number of the second.
///
/// # Errors
/// [`FrameError`] when the result could be misread.
pub fn frame_for(
    numbering: &Numbering,
    number: u64,
    command: &str,
    line_max_bytes: usize,
) -> Result<String, FrameError> {
    if !numbering.last_counts {
        return framed(number, command, line_max_bytes, None);
    }
    let is_text = numbering.texts.iter().any(|m| is_command(command, *m));
    if let Some(odd) = command
        .chars()
        .find(|c| matches!(c, '(' | '%'))
        .filter(|_| !is_text)
    {
        return Err(FrameError::Character(odd));
    }
    // Every 65,536th number is 0 to a firmware that compares 16 bits of it: then the middle of them is not due.
    let guard = if number & 0xffff == 0 { 0x8000 } else { 0 };
    framed(number, command, line_max_bytes, (!is_text).then_some(guard))
}

/// Is it `M{number}`, with words or without?
fn is_command(command: &str, number: u32) -> bool {
    let rest = command.strip_prefix('M').unwrap_or_default();
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    rest[..digits].parse() == Ok(number)
}

fn framed(
    number: u64,
    command: &str,
    line_max_bytes: usize,
    guard: Option<u64>,
) -> Result<String, FrameError> {
    if command.trim().is_empty() {
        return Err(FrameError::Empty);
    }
    if let Some(odd) = unsendable(command) {
        return Err(FrameError::Character(odd));
    }
    let line = match guard {
        Some(guard) => format!("N{guard} {command} N{number}"),
        None => format!("N{number} {command}"),
    };
    let mut framed = with_sum(&line, "");
    let fits = |framed: &String| framed.len() < line_max_bytes;
    if guard.is_none() && may_join(&framed) {
        let ways = [(" ", ""), ("", "0"), (" ", "0")];
        let others = ways.map(|(space, zero)| with_sum(&format!("{line}{space}"), zero));
        let safe = (others.into_iter().filter(fits)).find(|framed| !may_join(framed));
        framed = safe.unwrap_or(framed);
    }
    if !fits(&framed) {
        return Err(FrameError::TooLong {
            bytes: framed.len(),
            max: line_max_bytes - 1,
        });
    }
    framed.push('\n');
    Ok(framed)
}

fn with_sum(line: &str, zero: &str) -> String {
    format!("{line}*{zero}{}", checksum(line.as_bytes()))
}

/// Does the checksum of the line behind it still fit when the wire takes this one's line end, or changes one bit of it? The
/// two come as one line then, which Marlin takes under this one's number and carries out as the second, with a corner cut:
/// no answer tells. It fits where all bytes of the frame and what is left of its line end make 0: with the sums 0 to 9, 32,
/// 33, 36 and 37. A space before the `*`, or a 0 before the sum, means nothing and makes another sum.
fn may_join(framed: &str) -> bool {
    let sum = checksum(framed.as_bytes());
    sum == 0 || (sum ^ b'\n').is_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gcode::Dialect;

    #[test]
    fn frames_are_those_that_marlin_measured() {
        // Measured on Marlin 2.1.2.1: `N1 M105*38`, `N2 M114*37`, `N100 M110*34`.
        assert_eq!(frame(1, "M105", 96).unwrap(), "N1 M105*38\n");
        assert_eq!(with_sum("N2 M114", ""), "N2 M114*37");
        assert_eq!(frame(2, "M114", 96).unwrap(), "N2 M114*037\n");
        assert_eq!(frame(100, "M110", 96).unwrap(), "N100 M110*34\n");
    }

    #[test]
    fn pitfall_08_overlong_line() {
        for length in [96, 97, 200] {
            let text = format!("M117 {}", "x".repeat(length - 5));
            assert!(matches!(
                frame(1, &text, 96),
                Err(FrameError::TooLong { max: 95, .. })
            ));
        }
        let longest = "x".repeat(95 - "N1 *999".len() + 1);
        assert!(frame(1, &longest, 96).unwrap().len() <= 96);
        assert_eq!(frame(1, "M117 a;b", 96), Err(FrameError::Character(';')));
        assert_eq!(frame(1, "M118 a*b", 96), Err(FrameError::Character('*')));
        assert_eq!(
            frame(1, "G1 X1\nM112", 96),
            Err(FrameError::Character('\n'))
        );
    }

    #[test]
    fn pitfall_09_empty_lines() {
        assert_eq!(frame(1, "  ", 96), Err(FrameError::Empty));
    }

    /// Marlin's own test of a line: what is before the last `*` against the number behind it.
    fn passes(line: &[u8]) -> bool {
        let star = line.iter().rposition(|&b| b == b'*').unwrap();
        let digits: String = line[star + 1..].iter().map(|&b| char::from(b)).collect();
        digits.parse() == Ok(checksum(&line[..star]))
    }

    #[test]
    fn no_damaged_line_end_makes_one_line_of_two_that_passes() {
        let (mut plain, mut framed) = (0, 0);
        for n in 1..=4_000_u64 {
            let text = |n: u64| {
                format!(
                    "G1 X{}.{:03} Y{} E0.0{} F{}",
                    n % 200,
                    n * 37 % 1000,
                    n % 7,
                    n * n % 1000,
                    n % 90
                )
            };
            let second = with_sum(&format!("N{} {}", n + 1, text(n + 1)), "");
            for (first, joined) in [
                (with_sum(&format!("N{n} {}", text(n)), ""), &mut plain),
                (
                    frame(n, &text(n), 96).unwrap().trim_end().to_owned(),
                    &mut framed,
                ),
            ] {
                assert!(passes(first.as_bytes()), "{first}");
                let ends = (0..8).map(|bit| vec![b'\n' ^ (1 << bit)]).chain([vec![]]);
                for end in ends {
                    let both = [first.as_bytes(), &end, second.as_bytes()].concat();
                    *joined += usize::from(passes(&both));
                }
            }
        }
        assert!(plain > 50, "{plain}");
        assert_eq!(framed, 0);
        // Where there is no room for a space the line goes as it is.
        let long = (0..9).map(|n| frame(n, &"x".repeat(88), 96));
        assert!(long.clone().all(|framed| framed.unwrap().len() <= 96));
    }

    /// A firmware that compares 16 bits of the last number of a line, wherever it stands, and takes lines without a checksum.
    fn is_taken(line: &str, due: u64) -> bool {
        let (_, last) = line.rsplit_once('N').unwrap_or_default();
        let digits: String = last.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0_u64) & 0xffff == due & 0xffff
    }

    #[test]
    fn half_a_line_is_not_taken_where_the_last_number_counts() {
        let numbering = &Dialect::Repetier.facts().numbering;
        for number in (1..4_000)
            .chain(65_530..65_545)
            .chain(99_000_000..99_000_500)
        {
            let line = frame_for(numbering, number, "G1 X12.345 E0.05 F3600", 96).unwrap();
            let line = line.trim_end();
            let (whole, sum) = line.rsplit_once('*').unwrap();
            assert!(is_taken(whole, number), "{line}");
            for cut in 1..whole.len() {
                // From the number on the words are whole. A bare N is number 0 and no command: where 0 is due the move is missing
                // then, which shows in the next position.
                let words = whole[..cut].contains("F3600 N") || whole[..cut] == *"N";
                assert!(words || !is_taken(&line[..cut], number), "{}", &line[..cut]);
            }
            // The star got lost, or the line end behind it.
            assert!(!is_taken(&format!("{whole}{sum}"), number), "{line}");
            let second = frame_for(numbering, number + 1, "G1 X1", 96).unwrap();
            assert!(!is_taken(&format!("{line}{}", second.trim_end()), number));
        }
        let text = |command: &str| frame_for(numbering, 12, command, 96);
        assert!(
            text("M117 Layer 3")
                .unwrap()
                .starts_with("N12 M117 Layer 3*")
        );
        assert!(text("M1170").unwrap().starts_with("N0 M1170 N12*"));
        assert_eq!(text("G1 X1 (here)"), Err(FrameError::Character('(')));
        let marlin = &Dialect::Marlin.facts().numbering;
        assert_eq!(frame_for(marlin, 1, "M105", 96), frame(1, "M105", 96));
    }
}
