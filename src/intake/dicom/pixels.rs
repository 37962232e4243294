//! Stored values of one frame, and what they are in HU.
//!
//! Holds: HU are computed here, never by the codec crate's look-up tables: those fail on ordinary CT, forget the
//! sign and truncate. stored -> mask and sign-extend -> slope, intercept -> round -> clamp.

use super::codestream::{self, Stream};
use super::groups::Slice;
use super::header::{Header, Store};
use super::rle;
use super::syntax::{self, Codec};
use super::tags::{self, Layout};
use crate::intake::numbers::LEAST;
use crate::intake::refusal::FileFault;
use crate::volume::Hu;
use dicom_core::value::PixelFragmentSequence;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags as tag;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use dicom_pixeldata::PixelDecoder;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The pixel data of one file, ready to give frame after frame.
pub(super) struct Frames<'a> {
    header: &'a Header,
    bytes: &'a [u8],
    /// Offset table and fragments, where the data are encapsulated.
    parts: Option<(Vec<u32>, Vec<&'a [u8]>)>,
}

impl<'a> Frames<'a> {
    pub(super) fn open(header: &'a Header, layout: &'a Layout<'_>) -> Result<Self, FileFault> {
        let bytes = layout.pixel_bytes();
        let encapsulated = layout.pixels.is_some_and(|p| p.declared.is_none());
        let parts = encapsulated.then(|| tags::fragments(bytes)).transpose()?;
        Ok(Self {
            header,
            bytes,
            parts,
        })
    }

    /// Stored values of a frame: 16 bits each, little endian, as many as rows times columns.
    ///
    /// # Errors
    /// [`FileFault`]: too few bytes, a damaged stream, a stream that is not the header's picture.
    pub(super) fn stored(&self, frame: usize) -> Result<Cow<'a, [u8]>, FileFault> {
        let store = &self.header.store;
        let size = store.pixels() * 2;
        let Some((offsets, fragments)) = &self.parts else {
            let range = frame * size..(frame + 1) * size;
            let raw = self.bytes.get(range).ok_or(FileFault::ShortPixels {
                have: self.bytes.len() as u64,
                need: ((frame + 1) * size) as u64,
            })?;
            return Ok(match store.codec {
                Codec::NativeBig => {
                    Cow::Owned(raw.chunks_exact(2).flat_map(|b| [b[1], b[0]]).collect())
                }
                _ => Cow::Borrowed(raw),
            });
        };
        let stream = stream_of(frame, self.header.slices.len(), offsets, fragments)?;
        let stored = match store.codec {
            Codec::Fragments => stream,
            Codec::Rle => Cow::Owned(rle::decode(&stream, store.pixels())?),
            Codec::JpegLs { lossless } => Cow::Owned(jpeg_ls(&stream, store, lossless)?),
            Codec::Jpeg { .. } | Codec::Jpeg2000 { .. } => Cow::Owned(self.decoded(&stream)?),
            Codec::Native | Codec::NativeBig => {
                return Err(FileFault::Header(
                    "fragments in an uncompressed syntax".into(),
                ));
            }
        };
        if stored.len() < size {
            return Err(FileFault::ShortPixels {
                have: stored.len() as u64,
                need: size as u64,
            });
        }
        Ok(stored)
    }

    /// Through the codec crate, after the stream has been looked through.
    fn decoded(&self, stream: &[u8]) -> Result<Vec<u8>, FileFault> {
        let Header { store, syntax, .. } = self.header;
        let codec = store.codec;
        let damaged = |why: String| FileFault::Stream {
            codec: codec.name(),
            why,
        };
        let seen = match codec {
            Codec::Jpeg { .. } => codestream::jpeg(stream),
            _ => codestream::jpeg2000(stream),
        };
        fits(&seen.map_err(damaged)?, store, syntax)?;
        let object = single_frame(store, syntax, stream)
            .ok_or_else(|| damaged("it could not be handed on".into()))?;
        // The codec crate indexes and copies by sizes that it reads from the stream; what it has not checked panics.
        let decode = || object.decode_pixel_data().map(|d| d.data().to_vec());
        match catch_unwind(AssertUnwindSafe(decode)) {
            Ok(Ok(data)) => Ok(data),
            Ok(Err(_)) | Err(_) => Err(damaged("it does not decode".into())),
        }
    }
}

/// A stream that is cut, or goes on behind its picture, does not decode. Its bits are the header's: the sign is put in there.
fn jpeg_ls(stream: &[u8], store: &Store, lossless: bool) -> Result<Vec<u8>, FileFault> {
    let damaged = |why: &str| FileFault::Stream {
        codec: store.codec.name(),
        why: why.to_owned(),
    };
    let seen = codestream::jpeg_ls(stream).map_err(|why| damaged(&why))?;
    let size = (seen.rows as usize, seen.columns as usize, seen.samples);
    if size != (store.rows, store.columns, 1) {
        return Err(damaged(&format!(
            "it holds {} x {} pixels of {} sample(s)",
            seen.columns, seen.rows, seen.samples
        )));
    }
    if lossless && !seen.lossless {
        return Err(damaged("it is not a lossless one"));
    }
    let decode = || jpegls::decode(stream, seen.columns, seen.rows);
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok((values, ..))) => Ok(values.into_iter().flat_map(u16::to_le_bytes).collect()),
        Ok(Err(_)) | Err(_) => Err(damaged("it does not decode")),
    }
}

/// One frame's stream: one fragment a frame, or all of them for one frame, or by the offset table.
fn stream_of<'a>(
    frame: usize,
    frames: usize,
    offsets: &[u32],
    fragments: &[&'a [u8]],
) -> Result<Cow<'a, [u8]>, FileFault> {
    if fragments.len() == frames {
        return Ok(Cow::Borrowed(fragments[frame]));
    }
    if frames == 1 {
        return Ok(Cow::Owned(fragments.concat()));
    }
    if offsets.len() != frames {
        return Err(FileFault::Header(format!(
            "{} fragments for {frames} frames and no offset table",
            fragments.len()
        )));
    }
    let (start, end) = (offsets[frame], offsets.get(frame + 1).copied());
    let (mut at, mut stream) = (0u64, Vec::new());
    for fragment in fragments {
        if at >= u64::from(start) && end.is_none_or(|end| at < u64::from(end)) {
            stream.extend_from_slice(fragment);
        }
        at += fragment.len() as u64 + 8;
    }
    Ok(Cow::Owned(stream))
}

/// Whether the stream holds the picture that the header speaks of.
fn fits(seen: &Stream, store: &Store, uid: &str) -> Result<(), FileFault> {
    let wrong = |why: String| {
        Err(FileFault::Stream {
            codec: store.codec.name(),
            why,
        })
    };
    if (seen.rows as usize, seen.columns as usize, seen.samples) != (store.rows, store.columns, 1) {
        return wrong(format!(
            "it holds {} x {} pixels of {} sample(s)",
            seen.columns, seen.rows, seen.samples
        ));
    }
    match store.codec {
        Codec::Jpeg { lossless: true } if !seen.lossless => {
            wrong("it is not a lossless one".into())
        }
        // 12-bit lossy JPEG has no decoder in pure Rust.
        Codec::Jpeg { lossless: false } if seen.bits != 8 || seen.lossless => {
            Err(FileFault::Syntax {
                uid: uid.to_owned(),
                name: format!("{}, {} bits", syntax::name(uid), seen.bits),
            })
        }
        // Values are sign-extended by the header; a signed stream under an unsigned header has no right reading.
        Codec::Jpeg2000 { .. } if seen.signed && !store.signed => {
            wrong("its values are signed, the header says unsigned".into())
        }
        _ if u16::from(seen.bits) > 16 => wrong(format!("it has {} bits a pixel", seen.bits)),
        _ => Ok(()),
    }
}

/// The stream as an object of its own: the codec crate then sees our reading of the header, not the file's.
fn single_frame(
    store: &Store,
    uid: &str,
    stream: &[u8],
) -> Option<dicom_object::DefaultDicomObject> {
    let short = |n: u16| PrimitiveValue::from(n);
    let mut object = InMemDicomObject::new_empty();
    for (t, value) in [
        (tag::SAMPLES_PER_PIXEL, 1),
        (tag::ROWS, u16::try_from(store.rows).ok()?),
        (tag::COLUMNS, u16::try_from(store.columns).ok()?),
        (tag::BITS_ALLOCATED, 16),
        (tag::BITS_STORED, store.bits),
        (tag::HIGH_BIT, store.high_bit),
        (tag::PIXEL_REPRESENTATION, u16::from(store.signed)),
    ] {
        object.put(DataElement::new(t, VR::US, short(value)));
    }
    object.put_str(tag::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    let fragments = PixelFragmentSequence::new_fragments(vec![stream.to_vec()]);
    object.put(DataElement::new(tag::PIXEL_DATA, VR::OB, fragments));
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(uid)
        .media_storage_sop_class_uid("1.2.840.10008.5.1.4.1.1.2")
        .media_storage_sop_instance_uid("2.25.1");
    object.with_meta(meta).ok()
}

impl Store {
    /// What 16 raw bits mean. Whatever sits above the high bit (old overlays) is cut off; the sign is the header's,
    /// not the codestream's.
    pub(super) fn value(&self, raw: u16) -> i32 {
        let up = 15 - self.high_bit;
        let down = 16 - self.bits;
        // A shift by 16 can not happen: there are more than 8 bits.
        if self.signed {
            i32::from(((raw << up) as i16) >> down)
        } else {
            i32::from((raw << up) >> down)
        }
    }
}

/// HU of one stored value, before padding: rounded to whole HU, clamped to 16 bits.
fn rescaled(slice: &Slice, value: i32) -> i16 {
    let hu = f64::from(value) * slice.slope + slice.intercept;
    // The cast saturates.
    hu.round_ties_even() as i16
}

/// HU of stored values just as slope and intercept say, padding and all.
pub(super) fn plain(store: &Store, slice: &Slice, stored: &[u8]) -> Vec<i16> {
    let raw = stored.chunks_exact(2).take(store.pixels());
    raw.map(|b| rescaled(slice, store.value(u16::from_le_bytes([b[0], b[1]]))))
        .collect()
}

/// HU into a slice of the volume: padding becomes air.
pub(super) fn into_volume(store: &Store, slice: &Slice, stored: &[u8], out: &mut [Hu]) {
    let padding = padding_applied(store, slice);
    for (hu, b) in out.iter_mut().zip(stored.chunks_exact(2)) {
        let value = store.value(u16::from_le_bytes([b[0], b[1]]));
        let outside = padding.is_some_and(|(first, last)| (first..=last).contains(&value));
        *hu = Hu(if outside {
            -1024
        } else {
            rescaled(slice, value).max(LEAST)
        });
    }
}

/// The padding that counts. A padding value of 0 in signed data is water in HU, and brain voxels have it too: only
/// padding that already looks like air is taken for it.
fn padding_applied(store: &Store, slice: &Slice) -> Option<(i32, i32)> {
    let (first, last) = store.padding?;
    let air = |value| rescaled(slice, value) <= -500;
    (air(first) && air(last)).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Vector;

    fn store(bits: u16, signed: bool) -> Store {
        Store {
            rows: 1,
            columns: 4,
            bits,
            high_bit: bits - 1,
            signed,
            padding: None,
            codec: Codec::Native,
        }
    }

    fn slice(slope: f64, intercept: f64) -> Slice {
        Slice {
            frame: 0,
            position: Vector::new([0.0; 3]),
            along_row: Vector::new([1.0, 0.0, 0.0]),
            along_column: Vector::new([0.0, 1.0, 0.0]),
            pixel_mm: [1.0; 2],
            slope,
            intercept,
        }
    }

    fn bytes(values: [u16; 4]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    #[test]
    fn twelve_signed_bits_are_extended_and_overlay_bits_are_cut_off() {
        let raw = bytes([0x0fff, 0x0800, 0xf7ff, 0x0001]);
        assert_eq!(
            plain(&store(12, true), &slice(1.0, 0.0), &raw),
            [-1, -2048, 2047, 1]
        );
        assert_eq!(
            plain(&store(12, false), &slice(1.0, -1024.0), &raw),
            [3071, 1024, 1023, -1023]
        );
    }

    #[test]
    fn values_are_rounded_not_truncated_and_do_not_wrap() {
        let raw = bytes([1, 2, 0x8000, 0x7fff]);
        let hu = plain(&store(16, true), &slice(3.774, -1024.0), &raw);
        assert_eq!(hu, [-1020, -1016, i16::MIN, i16::MAX]);
    }

    #[test]
    fn padding_is_air_but_water_is_not_padding() {
        let mut padded = store(16, true);
        padded.padding = Some((-2000, -2000));
        let raw = bytes([(-2000i16) as u16, 0, (-3024i16) as u16, 40]);
        let mut out = [Hu(7); 4];
        into_volume(&padded, &slice(1.0, 0.0), &raw, &mut out);
        assert_eq!(out, [Hu(-1024), Hu(0), Hu(LEAST), Hu(40)]);
        padded.padding = Some((0, 0));
        into_volume(&padded, &slice(1.0, 0.0), &raw, &mut out);
        assert_eq!(out[1], Hu(0));
    }
}
