//! Line: a command becomes the bytes on the wire, `N12 G1 X10 Y5 E0.3*77\n`.
//!
//! In:    a line number and one stripped command.
//! Out:   the framed line, or why it must never be sent.
//! Holds: a framed line fits the firmware's buffer and can not be misread: Marlin drops what is beyond its buffer,
//!        the checksum with it, and takes a comment's rest for the checksum; both end in a Resend of the same line for
//!        ever.

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

/// `N{number} {command}*{checksum}\n`, shorter than `line_max_bytes` (Marlin's MAX_CMD_SIZE, which counts the
/// terminator).
///
/// # Errors
/// [`FrameError`] when the result could be misread.
pub fn frame(number: u64, command: &str, line_max_bytes: usize) -> Result<String, FrameError> {
    if command.trim().is_empty() {
        return Err(FrameError::Empty);
    }
    if let Some(odd) = unsendable(command) {
        return Err(FrameError::Character(odd));
    }
    let mut line = format!("N{number} {command}");
    let sum = checksum(line.as_bytes());
    line.push('*');
    line.push_str(&sum.to_string());
    if line.len() >= line_max_bytes {
        return Err(FrameError::TooLong {
            bytes: line.len(),
            max: line_max_bytes - 1,
        });
    }
    line.push('\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_those_that_marlin_measured() {
        // Measured on Marlin 2.1.2.1: `N1 M105*38`, `N2 M114*37`, `N100 M110*34`.
        assert_eq!(frame(1, "M105", 96).unwrap(), "N1 M105*38\n");
        assert_eq!(frame(2, "M114", 96).unwrap(), "N2 M114*37\n");
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
}
