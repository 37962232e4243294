//! Case codes: `K7-2043`. Short enough to say aloud, made from the store's own counter and nothing of the patient.
//!
//! Letters that look like a digit or like each other are left out, and the last digit is a check digit (Damm), so
//! that one wrong digit or two swapped ones never name another case.

/// Letters that can not be taken for a digit or for each other.
const LETTERS: &[u8; 16] = b"ACEFHJKLMNPRTWXY";
/// How many codes there are: letter, digit, three digits (and the check digit).
const CODES: u64 = 16 * 10 * 1000;

/// Damm's quasigroup of order 10 (H. M. Damm, 2004).
const DAMM: [[u8; 10]; 10] = [
    [0, 3, 1, 7, 5, 9, 8, 6, 4, 2],
    [7, 0, 9, 2, 1, 5, 4, 8, 6, 3],
    [4, 2, 0, 6, 8, 7, 1, 3, 5, 9],
    [1, 7, 5, 0, 9, 8, 3, 4, 2, 6],
    [6, 1, 2, 3, 0, 4, 5, 9, 7, 8],
    [3, 6, 7, 4, 2, 0, 9, 5, 8, 1],
    [5, 8, 6, 9, 7, 2, 0, 1, 3, 4],
    [8, 9, 4, 5, 3, 6, 2, 0, 1, 7],
    [9, 4, 3, 8, 6, 1, 7, 2, 0, 5],
    [2, 5, 8, 1, 4, 3, 6, 7, 9, 0],
];

/// The code of job `number` in a store with this `seed`; different for the first 160,000 numbers.
pub(super) fn code(number: u64, seed: u64) -> String {
    // An affine walk through all codes: the step shares no factor (2, 5) with their number.
    let step = (seed % CODES) / 10 * 10 + 7;
    let start = (seed >> 20) % CODES;
    let at = (number % CODES * step + start) % CODES;
    let letter = LETTERS[usize::try_from(at / 10_000).unwrap_or(0) % LETTERS.len()];
    let digits = at % 10_000;
    let check = check_digit(letter, digits);
    let (first, rest) = (digits / 1000, digits % 1000);
    format!("{}{first}-{rest:03}{check}", char::from(letter))
}

/// `true` for a code as [`code`] writes it, check digit included. Anything else never reaches a path or a query.
pub fn is_code(text: &str) -> bool {
    let &[letter, first, b'-', ref rest @ ..] = text.as_bytes() else {
        return false;
    };
    if rest.len() != 4 || !LETTERS.contains(&letter) {
        return false;
    }
    let mut value = 0u64;
    for b in std::iter::once(first).chain(rest[..3].iter().copied()) {
        if !b.is_ascii_digit() {
            return false;
        }
        value = value * 10 + u64::from(b - b'0');
    }
    rest[3].is_ascii_digit() && u64::from(rest[3] - b'0') == check_digit(letter, value)
}

fn check_digit(letter: u8, digits: u64) -> u64 {
    let place = LETTERS.iter().position(|l| *l == letter).unwrap_or(0) as u64;
    let text = format!("{place:02}{digits:04}");
    let check = text.bytes().fold(0, |interim, b| {
        DAMM[usize::from(interim)][usize::from(b - b'0')]
    });
    u64::from(check)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_first_160000_codes_differ_and_are_valid() {
        for seed in [0, 1, 0x1234_5678_9abc_def0, u64::MAX] {
            let codes: HashSet<_> = (1..=CODES).map(|n| code(n, seed)).collect();
            assert_eq!(codes.len() as u64, CODES, "seed {seed}");
            assert!(codes.iter().all(|c| is_code(c) && c.len() == 7));
        }
    }

    #[test]
    fn one_wrong_digit_or_two_swapped_ones_name_no_case() {
        for n in 1..200 {
            let good = code(n, 99);
            let bytes = good.as_bytes();
            for at in [1, 3, 4, 5, 6] {
                for d in b'0'..=b'9' {
                    let mut bad = bytes.to_vec();
                    bad[at] = d;
                    assert_eq!(is_code(std::str::from_utf8(&bad).unwrap()), d == bytes[at]);
                }
            }
            for (a, b) in [(1, 3), (3, 4), (4, 5), (5, 6)] {
                let mut bad = bytes.to_vec();
                bad.swap(a, b);
                assert_eq!(is_code(std::str::from_utf8(&bad).unwrap()), bad == bytes);
            }
        }
    }

    #[test]
    fn nothing_but_a_code_is_a_code() {
        for bad in [
            "",
            "K7",
            "../../etc",
            "K7-20",
            "k7-2043",
            "K7-20433",
            "O7-2043",
            "K7 2043",
            "K7-204\u{0664}",
        ] {
            assert!(!is_code(bad), "{bad}");
        }
    }
}
