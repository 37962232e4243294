//! Classes: what is taken, and how it may be written.
//!
//! A syntax that the station can not read is not accepted: the sender then decompresses, or says that it can not send,
//! where an accepted one would end as a refused case.

/// Verification (C-ECHO).
pub(super) const VERIFICATION: &str = "1.2.840.10008.1.1";
/// CT with a slice in each instance.
const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
/// Enhanced CT, and what archives make of plain slices.
const CT_OF_MANY_FRAMES: [&str; 2] = ["1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"];

/// Implicit VR little endian, in which commands are always written.
pub(super) const IMPLICIT_LITTLE: &str = "1.2.840.10008.1.2";

/// Syntaxes that are read, the best first: nothing to decompress, then lossless ones, then those that may have lost
/// something. JPEG baseline and extended are not among them: a CT of 8 bits is too coarse, and 12 are not decoded. Deflated data sets are not among them: two megabytes of one can be two gigabytes.
const READ: [&str; 14] = [
    "1.2.840.10008.1.2.1",
    IMPLICIT_LITTLE,
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.98",
    "1.2.840.10008.1.2.4.203",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.81",
];

/// Is this a class whose instances are taken?
pub(super) fn is_stored(class: &str) -> bool {
    class == CT || has_many_frames(class)
}

/// Has an instance of this class many frames?
pub(super) fn has_many_frames(class: &str) -> bool {
    CT_OF_MANY_FRAMES.contains(&class)
}

/// The best of the syntaxes that are offered for a class; `None`: none of them is read.
pub(super) fn best_syntax<'a>(class: &str, offered: &'a [String]) -> Option<&'a str> {
    let read = |syntax: &&str| offered.iter().any(|o| bare(o) == *syntax);
    let of_echo = [IMPLICIT_LITTLE, READ[0]];
    let known: &[&str] = if class == VERIFICATION {
        &of_echo
    } else {
        &READ
    };
    let best = known.iter().find(|syntax| read(syntax))?;
    offered.iter().map(|o| bare(o)).find(|o| o == best)
}

/// A UID without the NUL that some pad it with.
pub(super) fn bare(uid: &str) -> &str {
    uid.trim_matches(|c: char| c == '\0' || c.is_whitespace())
}

/// Digits in groups, with points between them (PS3.5 section 9.1); leading zeros are met in the field.
pub(super) fn is_uid(text: &str) -> bool {
    let group = |g: &str| !g.is_empty() && g.bytes().all(|b| b.is_ascii_digit());
    text.len() <= 64 && text.split('.').all(group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::dicom;

    #[test]
    fn every_syntax_that_is_accepted_is_read_at_the_door() {
        for syntax in READ {
            assert!(dicom::is_read(syntax), "{syntax}");
        }
        // JPEG XL.
        assert!(!dicom::is_read("1.2.840.10008.1.2.4.110"));
    }

    #[test]
    fn the_best_syntax_is_chosen_whatever_comes_first() {
        let offered =
            |syntaxes: &[&str]| syntaxes.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let many = offered(&[
            "1.2.840.10008.1.2.4.91",
            "1.2.840.10008.1.2\0",
            "1.2.840.10008.1.2.1",
        ]);
        assert_eq!(best_syntax(CT, &many), Some("1.2.840.10008.1.2.1"));
        assert_eq!(best_syntax(CT, &many[..2]), Some("1.2.840.10008.1.2"));
        assert_eq!(
            best_syntax(CT, &offered(&["1.2.840.10008.1.2.4.110"])),
            None
        );
        assert_eq!(
            best_syntax(VERIFICATION, &offered(&["1.2.840.10008.1.2.4.90"])),
            None
        );
    }

    #[test]
    fn a_uid_is_digits_and_points() {
        assert!(is_uid("1.2.840.10008.1.1") && is_uid("1.02.3"));
        for text in ["", ".", "1..2", "../1", "1.2.", "1.2.x", &"1".repeat(65)] {
            assert!(!is_uid(text), "{text}");
        }
    }
}
