//! Elements of a data set, walked over the bytes as they lie.
//!
//! In:    bytes, and how their elements are written ([`Encoding`]).
//! Out:   each [`Element`] of one level, its value a slice of those bytes; sequences are skipped, and opened one level
//!        at a time by [`items`].
//! Holds: nothing is allocated by a declared length, and every length is held against what is there. Sequences of
//!        undefined length nest at most as deep as the limit.
//! Why:   what scanners, archives and anonymisers write breaks PS3.5 in a handful of ways that every large reader
//!        knows, and `dicom-object` refuses them or takes gigabytes for a file of 674 bytes:
//!        - UN of undefined length is a sequence in implicit little endian (PS3.5 6.2.2, note 2);
//!        - fragments of encapsulated pixels also stand in icons, in OB or OW of undefined length;
//!        - items are implicit in an explicit data set, or the other way round;
//!        - a whole data set is written otherwise than its transfer syntax says;
//!        - delimiters of a sequence or of an item are left out.

use crate::intake::refusal::FileFault;
use dicom_core::Tag;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_dictionary_std::StandardDataDictionary;
use std::ops::ControlFlow;

/// How elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    ImplicitLittle,
    ExplicitLittle,
    ExplicitBig,
}

pub(super) const PIXEL_DATA: Tag = Tag(0x7fe0, 0x0010);
pub(super) const ITEM: Tag = Tag(0xfffe, 0xe000);
pub(super) const SEQUENCE_END: Tag = Tag(0xfffe, 0xe0dd);
const ITEM_END: Tag = Tag(0xfffe, 0xe00d);
/// Bytes of the shortest element: a tag and a length.
const SHORTEST: usize = 8;

/// A VR by its two letters.
type Vr = [u8; 2];

/// VRs with a 32-bit length in explicit encodings (PS3.5 7.1.2).
const LONG_VRS: [&Vr; 13] = [
    b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV",
];
/// The others that the standard knows.
const SHORT_VRS: [&Vr; 21] = [
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN",
    b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US",
];

/// One element's tag, VR and length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) tag: Tag,
    /// As written; `None` in implicit encodings.
    pub(super) vr: Option<Vr>,
    /// Of the value; `None` when undefined.
    pub(super) length: Option<usize>,
    /// Offset of the value.
    pub(super) value: usize,
}

impl Head {
    /// Reads the head at `at`.
    ///
    /// # Errors
    /// When `data` end within it.
    pub(super) fn read(data: &[u8], at: usize, encoding: Encoding) -> Result<Self, FileFault> {
        let take = |from: usize| -> Result<[u8; 4], FileFault> {
            let bytes = data.get(from..).and_then(|rest| rest.first_chunk::<4>());
            bytes
                .copied()
                .ok_or_else(|| FileFault::HeaderEnds(format!("at byte {at}")))
        };
        let big = encoding == Encoding::ExplicitBig;
        let [g0, g1, e0, e1] = take(at)?;
        let tag = Tag(u16_of([g0, g1], big), u16_of([e0, e1], big));
        let second = take(at + 4)?;
        let vr = [second[0], second[1]];
        // Items have no VR in any encoding; an element without letters there was written as implicit ones are.
        let implicit = encoding == Encoding::ImplicitLittle
            || tag.0 == 0xfffe
            || !vr.iter().all(u8::is_ascii_uppercase);
        let (vr, length, value) = if implicit {
            (None, u32_of(second, big), at + 8)
        } else if LONG_VRS.contains(&&vr) {
            (Some(vr), u32_of(take(at + 8)?, big), at + 12)
        } else {
            let length = u32::from(u16_of([second[2], second[3]], big));
            (Some(vr), length, at + 8)
        };
        Ok(Self {
            tag,
            vr,
            length: (length != u32::MAX).then_some(length as usize),
            value,
        })
    }

    /// Where a value of defined length ends.
    ///
    /// # Errors
    /// When that is beyond `end`, or the length is undefined.
    pub(super) fn end(&self, end: usize) -> Result<usize, FileFault> {
        self.length
            .and_then(|length| self.value.checked_add(length))
            .filter(|&stop| stop <= end)
            .ok_or_else(|| FileFault::HeaderEnds(name(self.tag)))
    }
}

fn u16_of(bytes: [u8; 2], big: bool) -> u16 {
    match big {
        true => u16::from_be_bytes(bytes),
        false => u16::from_le_bytes(bytes),
    }
}

fn u32_of(bytes: [u8; 4], big: bool) -> u32 {
    match big {
        true => u32::from_be_bytes(bytes),
        false => u32::from_le_bytes(bytes),
    }
}

/// A tag as texts write it.
pub(super) fn name(tag: Tag) -> String {
    format!("{:04X},{:04X}", tag.0, tag.1)
}

/// One element of a data set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub(super) tag: Tag,
    /// As written; `None` in implicit encodings.
    pub(super) vr: Option<Vr>,
    /// How the value is written, as far as numbers go, and elements within it.
    pub(super) encoding: Encoding,
    /// The value; of a sequence without its own head, with its delimiter where it has one.
    pub(super) value: &'a [u8],
}

/// Where elements stand.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Within {
    /// At the root of the data set.
    Root,
    /// In an item, which its delimiter or the last of its bytes ends.
    Item,
}

/// Walks the elements of a data set to its end, or until `each` breaks.
///
/// # Errors
/// [`FileFault`]: it ends within an element, or nests too deep.
pub(super) fn elements<'a>(
    data: &'a [u8],
    encoding: Encoding,
    within: Within,
    nesting: usize,
    mut each: impl FnMut(&Head, Element<'a>, usize) -> ControlFlow<()>,
) -> Result<(), FileFault> {
    let walk = Walk { data, nesting };
    walk.elements(0, data.len(), encoding, within, 0, &mut each)?;
    Ok(())
}

/// The items of a sequence that [`elements`] gave: the encoding and the bytes of each.
///
/// # Errors
/// As [`elements`].
pub(super) fn items<'a>(
    sequence: &Element<'a>,
    nesting: usize,
) -> Result<Vec<(Encoding, &'a [u8])>, FileFault> {
    let walk = Walk {
        data: sequence.value,
        nesting,
    };
    let mut found = Vec::new();
    let encoding = within(sequence.vr, sequence.encoding);
    let end = sequence.value.len();
    walk.sequence(0, end, encoding, 0, &mut |from, to, encoding| {
        found.push((encoding, &sequence.value[from..to]));
    })?;
    Ok(found)
}

/// How elements within a value of this VR are written.
fn within(vr: Option<Vr>, encoding: Encoding) -> Encoding {
    match vr == Some(*b"UN") {
        true => Encoding::ImplicitLittle,
        false => encoding,
    }
}

type Each<'a, 'f> = &'f mut dyn FnMut(&Head, Element<'a>, usize) -> ControlFlow<()>;

struct Walk<'a> {
    data: &'a [u8],
    nesting: usize,
}

impl<'a> Walk<'a> {
    /// Elements from `at` on; where the first byte behind them is.
    fn elements(
        &self,
        mut at: usize,
        end: usize,
        encoding: Encoding,
        within: Within,
        depth: usize,
        each: Each<'a, '_>,
    ) -> Result<usize, FileFault> {
        // What is shorter than an element is padding: some writers round up.
        while end - at >= SHORTEST {
            let head = Head::read(&self.data[..end], at, encoding)?;
            match (head.tag, within) {
                (ITEM_END, Within::Item) => return Ok(head.value),
                // The item's own delimiter is missing.
                (ITEM | SEQUENCE_END, Within::Item) => return Ok(at),
                // Left over from somebody's editing.
                (ITEM | ITEM_END | SEQUENCE_END, _) => at = head.value,
                (PIXEL_DATA, Within::Root) => {
                    let element = self.element(&head, encoding, end);
                    let _ = each(&head, element, at);
                    return Ok(end);
                }
                _ => {
                    let stop = self.stop(&head, end, encoding, depth)?;
                    let element = self.element(&head, encoding, stop);
                    if each(&head, element, at).is_break() {
                        return Ok(stop);
                    }
                    at = stop;
                }
            }
        }
        Ok(end)
    }

    fn element(&self, head: &Head, encoding: Encoding, stop: usize) -> Element<'a> {
        Element {
            tag: head.tag,
            vr: head.vr,
            encoding,
            value: &self.data[head.value.min(stop)..stop],
        }
    }

    /// Where an element's value ends.
    fn stop(
        &self,
        head: &Head,
        end: usize,
        encoding: Encoding,
        depth: usize,
    ) -> Result<usize, FileFault> {
        if head.length.is_some() {
            return head.end(end);
        }
        if depth >= self.nesting {
            return Err(FileFault::TooDeep(self.nesting));
        }
        let fragments = head.tag == PIXEL_DATA || matches!(head.vr, Some([b'O', _]));
        if fragments {
            return self.fragments(head, end);
        }
        let encoding = within(head.vr, encoding);
        self.sequence(head.value, end, encoding, depth + 1, &mut |_, _, _| ())
    }

    /// Skips items that hold no elements but bytes.
    fn fragments(&self, head: &Head, end: usize) -> Result<usize, FileFault> {
        let mut at = head.value;
        while end - at >= SHORTEST {
            let item = Head::read(&self.data[..end], at, Encoding::ImplicitLittle)?;
            match item.tag {
                ITEM => at = item.end(end).map_err(|_| ends(head))?,
                SEQUENCE_END => return Ok(item.value),
                _ => return Ok(at),
            }
        }
        Err(ends(head))
    }

    /// Skips the items of a sequence; where it ends, its delimiter included. `each` is told where an item's elements
    /// are and how they are written.
    fn sequence(
        &self,
        mut at: usize,
        end: usize,
        encoding: Encoding,
        depth: usize,
        each: &mut dyn FnMut(usize, usize, Encoding),
    ) -> Result<usize, FileFault> {
        while end - at >= SHORTEST {
            let head = Head::read(&self.data[..end], at, encoding)?;
            match head.tag {
                ITEM => {
                    let stop = match head.length {
                        Some(_) => head.end(end)?,
                        None => end,
                    };
                    let inner = written(&self.data[head.value..stop], encoding);
                    let stop = match head.length {
                        Some(_) => stop,
                        None if depth > self.nesting => {
                            return Err(FileFault::TooDeep(self.nesting));
                        }
                        None => self.elements(
                            head.value,
                            end,
                            inner,
                            Within::Item,
                            depth,
                            &mut |_, _, _| ControlFlow::Continue(()),
                        )?,
                    };
                    each(head.value, stop, inner);
                    at = stop;
                }
                SEQUENCE_END => return Ok(head.value),
                ITEM_END => at = head.value,
                // The sequence's own delimiter is missing.
                _ => return Ok(at),
            }
        }
        Ok(end)
    }
}

fn ends(head: &Head) -> FileFault {
    FileFault::HeaderEnds(name(head.tag))
}

/// How the elements of `data` are written: as `stated`, unless the first of them makes more sense otherwise.
pub(super) fn written(data: &[u8], stated: Encoding) -> Encoding {
    // Explicit elements read as implicit ones have lengths of millions, which a large file may hold: letters that are
    // those of the dictionary for the tag are letters.
    let explicit = Encoding::ExplicitLittle;
    let lettered = Head::read(data, 0, explicit)
        .is_ok_and(|head| head.vr.is_some() && head.vr == dictionary_vr(head.tag));
    if stated == Encoding::ImplicitLittle && lettered {
        return explicit;
    }
    let others = [explicit, Encoding::ImplicitLittle, Encoding::ExplicitBig];
    let best = |best, other| match sense(data, other) > sense(data, best) {
        true => other,
        false => best,
    };
    others.into_iter().fold(stated, best)
}

/// How much sense the first element makes: 0 for none, 1 for a VR and a length that can be, 2 for a tag that is known.
fn sense(data: &[u8], encoding: Encoding) -> u8 {
    let Ok(head) = Head::read(data, 0, encoding) else {
        return 0;
    };
    let known = |vr: &Vr| LONG_VRS.contains(&vr) || SHORT_VRS.contains(&vr);
    let vr = match &head.vr {
        Some(vr) => known(vr),
        // Delimiters have none anywhere.
        None => encoding == Encoding::ImplicitLittle || head.tag.0 == ITEM.0,
    };
    match vr && head.length.is_none_or(|_| head.end(data.len()).is_ok()) {
        false => 0,
        true => 1 + u8::from(dictionary_vr(head.tag).is_some()),
    }
}

/// The VR that the standard's dictionary has for a tag; of several the one that numbers are read by.
pub(super) fn dictionary_vr(tag: Tag) -> Option<Vr> {
    let entry = StandardDataDictionary.by_tag(tag)?;
    Some(entry.vr().relaxed().to_bytes())
}

#[cfg(test)]
mod tests;
