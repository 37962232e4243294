//! Character sets of names (PS3.3 C.12.1.1.2, PS3.5 6.1), with the escapes of ISO 2022.
//!
//! Why: `dicom-encoding` knows one set a data set. A Japanese name has three, and switches between them.

use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, ISO_2022_JP, ISO_8859_2, ISO_8859_3, ISO_8859_4,
    ISO_8859_5, ISO_8859_6, ISO_8859_7, ISO_8859_8, ISO_8859_15, SHIFT_JIS, UTF_8, WINDOWS_874,
    WINDOWS_1252, WINDOWS_1254,
};

const ESCAPE: u8 = 0x1b;

/// The sets that a data set names.
#[derive(Clone, Copy, Debug)]
pub(super) struct CharacterSet {
    /// What a value begins with.
    first: &'static Encoding,
}

/// What the bytes up to the next escape are.
#[derive(Clone, Copy)]
enum Now {
    /// ASCII below 0x80, and this above.
    Plain(&'static Encoding),
    /// Two bytes below 0x80 a character: JIS X 0208.
    Kanji,
    /// The same: JIS X 0212.
    MoreKanji,
}

impl CharacterSet {
    /// By the values of SpecificCharacterSet; unknown ones, and none, are Latin 1, which keeps every byte visible.
    pub(super) fn of(names: &[String]) -> Self {
        let first = names.first().map(String::as_str).unwrap_or_default();
        Self {
            first: set(first).unwrap_or(WINDOWS_1252),
        }
    }

    /// The text of `bytes`. What a set does not know becomes U+FFFD.
    pub(super) fn decode(self, bytes: &[u8]) -> String {
        // These two have no escapes, and bytes that would look like one of ours.
        if self.first == UTF_8 || self.first == GB18030 {
            return self.first.decode_without_bom_handling(bytes).0.into_owned();
        }
        let mut text = String::new();
        for (n, part) in bytes.split(|&byte| byte == ESCAPE).enumerate() {
            let (now, rest) = match n {
                0 => (Now::Plain(self.first), part),
                _ => escaped(part, self.first),
            };
            text.push_str(&self.plain(now, rest));
        }
        text
    }

    fn plain(self, now: Now, bytes: &[u8]) -> String {
        match now {
            Now::Kanji => {
                let whole = [&[ESCAPE, b'$', b'B'], bytes].concat();
                ISO_2022_JP
                    .decode_without_bom_handling(&whole)
                    .0
                    .into_owned()
            }
            Now::MoreKanji => {
                let high = |pair: &[u8]| [0x8f, pair[0] | 0x80, pair[1] | 0x80];
                let whole: Vec<u8> = bytes.chunks_exact(2).flat_map(high).collect();
                EUC_JP.decode_without_bom_handling(&whole).0.into_owned()
            }
            Now::Plain(set) => {
                // A delimiter goes back to what the value began with (PS3.5 6.1.2.5.3).
                let ends = |byte: &u8| [b'^', b'=', b'\\'].contains(byte);
                let at = bytes.iter().position(ends).unwrap_or(bytes.len());
                let (before, behind) = bytes.split_at(at);
                let mut text = set.decode_without_bom_handling(before).0.into_owned();
                text.push_str(&self.first.decode_without_bom_handling(behind).0);
                text
            }
        }
    }
}

/// A set by its defined term.
fn set(name: &str) -> Option<&'static Encoding> {
    let digits = |text: &str| {
        let text = text.trim_start_matches(['_', ' ']);
        text.strip_prefix("IR")
            .map(|n| n.trim_start_matches(['_', ' ']).to_owned())
    };
    let number = name
        .strip_prefix("ISO 2022")
        .or_else(|| name.strip_prefix("ISO_2022"))
        .or_else(|| name.strip_prefix("ISO"))
        .and_then(digits);
    Some(match number.as_deref().unwrap_or(name) {
        "13" => SHIFT_JIS,
        "58" => GBK,
        "100" => WINDOWS_1252,
        "101" => ISO_8859_2,
        "109" => ISO_8859_3,
        "110" => ISO_8859_4,
        "126" => ISO_8859_7,
        "127" => ISO_8859_6,
        "138" => ISO_8859_8,
        "144" => ISO_8859_5,
        "148" => WINDOWS_1254,
        "149" => EUC_KR,
        "166" => WINDOWS_874,
        "192" => UTF_8,
        "203" => ISO_8859_15,
        "GB18030" => GB18030,
        "GBK" | "GB2312" => GBK,
        "Big5" | "BIG5" => BIG5,
        _ => return None,
    })
}

/// What an escape switches to, and the bytes behind it (PS3.3 tables C.12-3 and C.12-4).
fn escaped<'a>(part: &'a [u8], first: &'static Encoding) -> (Now, &'a [u8]) {
    const ESCAPES: [(&[u8], Option<Now>); 19] = [
        (b"(B", None),
        (b"(J", Some(Now::Plain(SHIFT_JIS))),
        (b")I", Some(Now::Plain(SHIFT_JIS))),
        (b"$B", Some(Now::Kanji)),
        (b"$@", Some(Now::Kanji)),
        (b"$(D", Some(Now::MoreKanji)),
        (b"$)C", Some(Now::Plain(EUC_KR))),
        (b"$)A", Some(Now::Plain(GBK))),
        (b"-A", Some(Now::Plain(WINDOWS_1252))),
        (b"-B", Some(Now::Plain(ISO_8859_2))),
        (b"-C", Some(Now::Plain(ISO_8859_3))),
        (b"-D", Some(Now::Plain(ISO_8859_4))),
        (b"-F", Some(Now::Plain(ISO_8859_7))),
        (b"-G", Some(Now::Plain(ISO_8859_6))),
        (b"-H", Some(Now::Plain(ISO_8859_8))),
        (b"-L", Some(Now::Plain(ISO_8859_5))),
        (b"-M", Some(Now::Plain(WINDOWS_1254))),
        (b"-T", Some(Now::Plain(WINDOWS_874))),
        (b"-b", Some(Now::Plain(ISO_8859_15))),
    ];
    let known = ESCAPES.iter().find(|(mark, _)| part.starts_with(mark));
    match known {
        Some((mark, now)) => (now.unwrap_or(Now::Plain(first)), &part[mark.len()..]),
        None => (Now::Plain(first), part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(sets: &str, bytes: &[u8]) -> String {
        let sets: Vec<String> = sets.split('\\').map(str::to_owned).collect();
        CharacterSet::of(&sets).decode(bytes)
    }

    /// The examples of PS3.5 annexes H, I, J and K.
    #[test]
    fn names_of_the_standard_are_read() {
        assert_eq!(
            name(
                "\\ISO 2022 IR 87",
                b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B"
            ),
            "Yamada^Tarou=\u{5c71}\u{7530}^\u{592a}\u{90ce}=\u{3084}\u{307e}\u{3060}^\u{305f}\u{308d}\u{3046}"
        );
        assert_eq!(
            name(
                "ISO 2022 IR 13\\ISO 2022 IR 87",
                b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J"
            ),
            "\u{ff94}\u{ff8f}\u{ff80}\u{ff9e}^\u{ff80}\u{ff9b}\u{ff73}=\u{5c71}\u{7530}^\u{592a}\u{90ce}"
        );
        assert_eq!(
            name(
                "\\ISO 2022 IR 149",
                b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf"
            ),
            "Hong^Gildong=\u{6d2a}^\u{5409}\u{6d1e}=\u{d64d}^\u{ae38}\u{b3d9}"
        );
        assert_eq!(
            name("ISO_IR 144", b"\xbb\xee\xdace\xdc\xd1yp\xd3"),
            "\u{41b}\u{44e}\u{43a}ce\u{43c}\u{431}yp\u{433}"
        );
        assert_eq!(
            name("GB18030", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab"),
            "Wang^XiaoDong=\u{738b}^\u{5c0f}\u{4e1c}"
        );
        assert_eq!(name("ISO_IR 192", "M\u{fc}ller".as_bytes()), "M\u{fc}ller");
    }

    #[test]
    fn an_escape_that_nobody_knows_and_a_set_that_nobody_knows_lose_no_letter() {
        assert_eq!(name("", b"M\xfcller"), "M\u{fc}ller");
        assert_eq!(name("KLINGON", b"A\x1b%/B"), "A%/B");
        assert_eq!(name("", b"A\x1b"), "A");
    }
}
