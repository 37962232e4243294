//! A DICOM file taken apart: transfer syntax, data set, pixel data.
//!
//! In:    all bytes of one file.
//! Out:   its transfer syntax, the data set's bytes (inflated where deflated), and where the pixel data lie.
//! Holds: no allocation but the inflated data set; every length is held against what is there.
//! Why:   `dicom-object` recurses once per nested sequence: a 72 KB file overflows a 2 MB stack and aborts the
//!        process, which no `catch_unwind` stops. Deflated, 1.9 MB unpack to 2 GB in it; 674 bytes with a UN of
//!        undefined length take 3.7 GB. So it reads no untrusted file here.

use super::walk::{self, Encoding, Head, ITEM, PIXEL_DATA, SEQUENCE_END, Within};
use crate::intake::limits::Limits;
use crate::intake::refusal::FileFault;
use dicom_core::Tag;
use flate2::read::DeflateDecoder;
use std::borrow::Cow;
use std::io::Read;
use std::ops::ControlFlow;

pub(super) const IMPLICIT_LITTLE: &str = "1.2.840.10008.1.2";
pub(super) const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
pub(super) const EXPLICIT_BIG: &str = "1.2.840.10008.1.2.2";
pub(super) const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

impl Encoding {
    /// Compressed syntaxes write their elements in explicit little endian.
    pub(super) fn of(syntax: &str) -> Self {
        match syntax {
            IMPLICIT_LITTLE => Self::ImplicitLittle,
            EXPLICIT_BIG => Self::ExplicitBig,
            _ => Self::ExplicitLittle,
        }
    }
}

/// A file taken apart.
pub(super) struct Layout<'a> {
    /// Transfer syntax UID.
    pub(super) syntax: String,
    /// How the data set's elements are written, whatever the syntax says.
    pub(super) encoding: Encoding,
    /// The data set: everything after the meta group.
    pub(super) data: Cow<'a, [u8]>,
    /// Where PixelData is, if there is any.
    pub(super) pixels: Option<Pixels>,
}

impl Layout<'_> {
    /// The data set's bytes before PixelData: all that a header is.
    pub(super) fn header(&self) -> &[u8] {
        let end = self.pixels.as_ref().map_or(self.data.len(), |p| p.element);
        &self.data[..end]
    }
    /// The bytes after PixelData's length field, as many as there are.
    pub(super) fn pixel_bytes(&self) -> &[u8] {
        self.pixels.as_ref().map_or(&[], |p| &self.data[p.value..])
    }
}

/// Where PixelData lies in the data set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pixels {
    /// Offset of the element's tag.
    element: usize,
    /// Offset of its value.
    value: usize,
    /// Declared length; `None` when encapsulated (undefined length).
    pub(super) declared: Option<u64>,
}

const TRANSFER_SYNTAX: Tag = Tag(0x0002, 0x0010);

/// Takes a file apart.
///
/// # Errors
/// [`FileFault`]: no DICOM, ends early, nests too deep, inflates without end.
pub(super) fn layout<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Layout<'a>, FileFault> {
    let (start, syntax) = meta(bytes)?;
    let rest = &bytes[start..];
    let data = if syntax == DEFLATED {
        Cow::Owned(inflate(rest, limits)?)
    } else {
        Cow::Borrowed(rest)
    };
    let encoding = walk::written(&data, Encoding::of(&syntax));
    let pixels = pixels(&data, encoding, limits.nesting)?;
    Ok(Layout {
        syntax,
        encoding,
        data,
        pixels,
    })
}

/// Skips preamble and meta group: where the data set starts, and its transfer syntax. Files without a meta group
/// come from old archives; their syntax is guessed from the first element, little endian only.
fn meta(bytes: &[u8]) -> Result<(usize, String), FileFault> {
    let mut at = if bytes.get(128..132) == Some(b"DICM") {
        132
    } else if bytes.starts_with(b"DICM") {
        4
    } else {
        0
    };
    if at > 0 && at == bytes.len() {
        return Err(FileFault::NotDicom("there is nothing after the preamble"));
    }
    let group = |at: usize| match bytes.get(at..at + 2) {
        Some(&[low, high]) => u16::from_le_bytes([low, high]),
        _ => 0,
    };
    if group(at) != 2 {
        if at == 0 && group(0) == 8 {
            let explicit = bytes
                .get(4..6)
                .is_some_and(|vr| vr.iter().all(u8::is_ascii_uppercase));
            let syntax = if explicit {
                EXPLICIT_LITTLE
            } else {
                IMPLICIT_LITTLE
            };
            return Ok((0, syntax.to_owned()));
        }
        return Err(FileFault::NotDicom("it has no file meta group"));
    }
    let mut syntax = None;
    while group(at) == 2 {
        let head = Head::read(bytes, at, Encoding::ExplicitLittle)?;
        let end = head.end(bytes.len())?;
        if head.tag == TRANSFER_SYNTAX {
            let text = String::from_utf8_lossy(&bytes[head.value..end]);
            let uid = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
            // A UID is digits and dots; anything else would reach a text that people are shown.
            if uid.is_empty()
                || !uid.bytes().all(|b| b.is_ascii_digit() || b == b'.')
                || uid.len() > 64
            {
                return Err(FileFault::NoSyntax);
            }
            syntax = Some(uid.to_owned());
        }
        at = end;
    }
    syntax.map(|uid| (at, uid)).ok_or(FileFault::NoSyntax)
}

/// A bomb is stopped at the ratio's limit (but 64 MiB are always allowed) or at the limit for a file.
fn inflate(packed: &[u8], limits: &Limits) -> Result<Vec<u8>, FileFault> {
    let by_ratio = (packed.len() as u64)
        .saturating_mul(limits.ratio)
        .max(64 << 20);
    let limit = by_ratio.min(limits.file_bytes);
    let mut data = Vec::new();
    DeflateDecoder::new(packed)
        .take(limit + 1)
        .read_to_end(&mut data)
        .map_err(|_| FileFault::Deflate("the packed data are damaged or cut short"))?;
    if data.len() as u64 > limit {
        return Err(FileFault::Deflate("unpacks to more than is taken"));
    }
    Ok(data)
}

/// Where PixelData is at the root of a data set.
fn pixels(data: &[u8], encoding: Encoding, nesting: usize) -> Result<Option<Pixels>, FileFault> {
    let mut found = None;
    walk::elements(data, encoding, Within::Root, nesting, |head, _, at| {
        if head.tag == PIXEL_DATA {
            found = Some(Pixels {
                element: at,
                value: head.value,
                declared: head.length.map(|length| length as u64),
            });
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// Fragments of encapsulated pixel data: the offset table and the rest, up to the sequence's end.
///
/// # Errors
/// When an item is cut short or something else stands between them.
pub(super) fn fragments(bytes: &[u8]) -> Result<(Vec<u32>, Vec<&[u8]>), FileFault> {
    let mut items = Vec::new();
    let mut at = 0;
    loop {
        let head = Head::read(bytes, at, Encoding::ExplicitLittle).map_err(|_| {
            FileFault::ShortPixels {
                have: bytes.len() as u64,
                need: bytes.len() as u64 + 8,
            }
        })?;
        match head.tag {
            ITEM => {
                let end = head.value.saturating_add(head.length.unwrap_or(usize::MAX));
                let value = bytes.get(head.value..end).ok_or(FileFault::ShortPixels {
                    have: bytes.len() as u64,
                    need: end as u64,
                })?;
                items.push(value);
                at = end;
            }
            SEQUENCE_END => break,
            _ => {
                return Err(FileFault::Stream {
                    codec: "encapsulated",
                    why: format!("element {} between fragments", walk::name(head.tag)),
                });
            }
        }
    }
    if items.is_empty() {
        return Err(FileFault::NoPixels);
    }
    let offsets = items.remove(0).chunks_exact(4);
    let offsets = offsets
        .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    Ok((offsets, items))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with a meta group and this data set.
    pub(crate) fn file(syntax: &str, data: &[u8]) -> Vec<u8> {
        let mut uid = syntax.as_bytes().to_vec();
        if uid.len() % 2 == 1 {
            uid.push(0);
        }
        let mut bytes = vec![0; 128];
        bytes.extend(b"DICM\x02\x00\x10\x00UI");
        bytes.extend((uid.len() as u16).to_le_bytes());
        bytes.extend(uid);
        bytes.extend(data);
        bytes
    }

    fn nested(levels: usize) -> Vec<u8> {
        let mut data = Vec::new();
        for _ in 0..levels {
            data.extend(b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff");
            data.extend(b"\xfe\xff\x00\xe0\xff\xff\xff\xff");
        }
        data
    }

    #[test]
    fn twenty_thousand_nested_sequences_are_a_fault_and_no_crash() {
        let bytes = file(EXPLICIT_LITTLE, &nested(20_000));
        let fault = layout(&bytes, &Limits::default()).err();
        assert_eq!(fault, Some(FileFault::TooDeep(64)));
    }

    #[test]
    fn a_deflate_bomb_is_stopped() {
        use std::io::Write;
        let mut packer =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..80 {
            packer.write_all(&vec![0; 1 << 20]).unwrap();
        }
        let bytes = file(DEFLATED, &packer.finish().unwrap());
        let fault = layout(&bytes, &Limits::default()).err();
        assert_eq!(
            fault,
            Some(FileFault::Deflate("unpacks to more than is taken"))
        );
    }

    #[test]
    fn a_header_that_stops_is_named_by_its_element() {
        let bytes = file(EXPLICIT_LITTLE, b"\x10\x00\x10\x00PN\x20\x00ABC");
        let fault = layout(&bytes, &Limits::default()).err();
        assert_eq!(fault, Some(FileFault::HeaderEnds("0010,0010".into())));
    }

    #[test]
    fn a_syntax_that_is_no_uid_reaches_no_text() {
        let bytes = file("1.2.<script>", b"");
        assert_eq!(
            layout(&bytes, &Limits::default()).err(),
            Some(FileFault::NoSyntax)
        );
    }
}
