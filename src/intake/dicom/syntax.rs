//! Transfer syntaxes: which are decoded, by whom, and what the others are called.

use dicom_transfer_syntax_registry::{TransferSyntaxIndex, TransferSyntaxRegistry};

/// Who turns a frame's bytes into stored values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    /// Plain values in the data set, little endian.
    Native,
    /// Plain values, big endian.
    NativeBig,
    /// Plain values in fragments.
    Fragments,
    /// Run lengths; ours.
    Rle,
    /// JPEG; the codec crate's. 12-bit lossy streams are not decoded by it.
    Jpeg {
        /// Process 14: the values come back as they went in.
        lossless: bool,
    },
    /// JPEG-LS; `pure_jpegls`.
    JpegLs {
        /// Whether the syntax allows nothing but lossless streams.
        lossless: bool,
    },
    /// JPEG 2000 and HTJ2K; the codec crate's.
    Jpeg2000 {
        /// Whether the syntax allows nothing but lossless streams.
        lossless: bool,
    },
}

impl Codec {
    /// The decoder for a syntax; `None` when it is not decoded here.
    pub(super) fn of(uid: &str) -> Option<Self> {
        let encoding = uid.strip_prefix("1.2.840.10008.1.2")?;
        Some(match encoding {
            "" | ".1" | ".1.99" => Self::Native,
            ".2" => Self::NativeBig,
            ".1.98" => Self::Fragments,
            ".5" => Self::Rle,
            ".4.50" | ".4.51" => Self::Jpeg { lossless: false },
            ".4.57" | ".4.70" => Self::Jpeg { lossless: true },
            ".4.80" => Self::JpegLs { lossless: true },
            ".4.81" => Self::JpegLs { lossless: false },
            ".4.90" | ".4.201" | ".4.202" => Self::Jpeg2000 { lossless: true },
            ".4.91" | ".4.203" => Self::Jpeg2000 { lossless: false },
            _ => return None,
        })
    }

    /// What the codec is called in a text.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Native | Self::NativeBig | Self::Fragments => "uncompressed",
            Self::Rle => "RLE",
            Self::Jpeg { lossless: true } => "JPEG lossless",
            Self::Jpeg { lossless: false } => "JPEG",
            Self::JpegLs { .. } => "JPEG-LS",
            Self::Jpeg2000 { .. } => "JPEG 2000",
        }
    }

    /// Whether a stream of this syntax may have lost values. A lossy-capable JPEG 2000 syntax counts: whether the
    /// one at hand lost any, its header does not say.
    pub(super) fn may_be_lossy(self) -> bool {
        matches!(
            self,
            Self::Jpeg { lossless: false }
                | Self::JpegLs { lossless: false }
                | Self::Jpeg2000 { lossless: false }
        )
    }
}

/// The syntax's name, or that it is unknown.
pub(super) fn name(uid: &str) -> String {
    // Retired processes that no registry lists any more.
    let retired = match uid.strip_prefix("1.2.840.10008.1.2.4.") {
        Some("53") => Some("JPEG Spectral Selection (Processes 6 & 8), retired"),
        Some("55") => Some("JPEG Full Progression (Processes 10 & 12), retired"),
        _ => None,
    };
    let listed = || TransferSyntaxRegistry.get(uid).map(|ts| ts.name());
    let name = retired.or_else(listed).unwrap_or("unknown transfer syntax");
    name.trim_matches(|c: char| c == '\0' || c.is_whitespace())
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_decoded_has_a_name() {
        for (uid, part) in [
            ("1.2.840.10008.1.2.4.53", "6 & 8"),
            ("1.2.840.10008.1.2.4.110", "JPEG XL"),
            ("1.2.3.4.5.6.7", "unknown transfer syntax"),
        ] {
            assert_eq!(Codec::of(uid), None, "{uid}");
            assert!(name(uid).contains(part), "{uid}: {}", name(uid));
        }
    }
}
