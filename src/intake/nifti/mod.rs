//! NIfTI-1, both ways.
//!
//! In:    `.nii` or `.nii.gz`, told apart by content; either byte order; sform before qform; mm, m or um.
//! Out:   a [`Volume`] in patient LPS mm. Files are RAS: this room is the only place where the two meet, and all it
//!        does is negate the first two rows of the affine.
//! Holds: writing then reading gives the same values and, to f32, the same affine. The same volume gives the same
//!        bytes (gzip without time or name).
//! Never: guesses an orientation. NIfTI-2, `.hdr`/`.img` pairs, complex and RGB types are refused by name.

mod header;
mod write;

pub use write::{write_f32, write_hu, write_mask};

use super::files;
use super::limits::Limits;
use super::refusal::Refusal;
use crate::volume::{Hu, Volume};
use flate2::read::MultiGzDecoder;
use header::Header;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// A CT in HU, rounded, clamped to -1024..=32767; NaN becomes air.
///
/// # Errors
/// [`Refusal`]: not NIfTI-1, no orientation, not three-dimensional, too large, cut short.
pub fn read_hu(path: &Path, limits: &Limits) -> Result<Volume<Hu>, Refusal> {
    hu(open(path)?, limits)
}

/// A mask: zero is outside, one other value is inside.
///
/// # Errors
/// As [`read_hu`]; and [`Refusal::NotA`] when there are more than two values.
pub fn read_mask(path: &Path, limits: &Limits) -> Result<Volume<bool>, Refusal> {
    mask(open(path)?, limits)
}

/// Values as they are, e.g. a probability.
///
/// # Errors
/// As [`read_hu`].
pub fn read_f32(path: &Path, limits: &Limits) -> Result<Volume<f32>, Refusal> {
    values(open(path)?, limits, |v| v as f32)
}

/// The door for untrusted bytes, for fuzzing: whatever they are, a volume or a refusal.
///
/// # Errors
/// As [`read_hu`].
pub fn door(bytes: &[u8], limits: &Limits) -> Result<Volume<Hu>, Refusal> {
    hu(unpacked(bytes)?, limits)
}

pub(crate) fn hu(from: impl Read, limits: &Limits) -> Result<Volume<Hu>, Refusal> {
    values(from, limits, to_hu)
}

/// Rounds to whole HU; nothing is emptier than -1024, and NaN (outside the field of view) is as empty.
pub(crate) fn to_hu(value: f64) -> Hu {
    if value.is_nan() {
        return Hu(-1024);
    }
    // The cast saturates; the clamp says what is meant.
    Hu(value.round_ties_even().clamp(-1024.0, f64::from(i16::MAX)) as i16)
}

pub(crate) fn mask(from: impl Read, limits: &Limits) -> Result<Volume<bool>, Refusal> {
    let mut label = Label::default();
    let volume = values(from, limits, |v| label.inside(v))?;
    label.verdict()?;
    Ok(volume)
}

/// Which values a mask holds: zero, and at most one other.
#[derive(Default)]
pub(crate) struct Label {
    first: Option<f64>,
    other: Option<f64>,
}

impl Label {
    pub(crate) fn inside(&mut self, value: f64) -> bool {
        if value == 0.0 {
            return false;
        }
        match self.first {
            None => self.first = Some(value),
            Some(first) if first.to_bits() != value.to_bits() => self.other = Some(value),
            Some(_) => {}
        }
        true
    }

    pub(crate) fn verdict(&self) -> Result<(), Refusal> {
        let why = match (self.first, self.other) {
            (Some(a), Some(b)) => {
                format!("it holds {a} and {b} beside 0; a mask has one value beside 0")
            }
            (Some(a), None) if a.fract() != 0.0 => {
                format!("it holds {a}, which is no whole number")
            }
            _ => return Ok(()),
        };
        Err(Refusal::NotA {
            wanted: "mask",
            why,
        })
    }
}

fn open(path: &Path) -> Result<Box<dyn Read>, Refusal> {
    let head = files::head(path).map_err(Refusal::Open)?;
    let file = BufReader::new(File::open(path).map_err(Refusal::Open)?);
    Ok(if head.starts_with(&[0x1f, 0x8b]) {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    })
}

fn unpacked(bytes: &[u8]) -> Result<Box<dyn Read + '_>, Refusal> {
    Ok(if bytes.starts_with(&[0x1f, 0x8b]) {
        Box::new(MultiGzDecoder::new(bytes))
    } else {
        Box::new(bytes)
    })
}

pub(crate) fn refused(why: impl Into<String>) -> Refusal {
    Refusal::Format {
        format: "NIfTI",
        why: why.into(),
    }
}

/// Reads header and values. Memory: the volume and one piece of 64 KiB; the voxels are bounded by the header's
/// sizes before anything is reserved, and grow with what is really there.
fn values<T>(
    mut from: impl Read,
    limits: &Limits,
    mut convert: impl FnMut(f64) -> T,
) -> Result<Volume<T>, Refusal> {
    let header = Header::read(&mut from)?;
    let shape = header.shape()?;
    let voxels: usize = shape.iter().product();
    files::bound("voxels in one volume", voxels as u64, limits.voxels as u64)?;
    let map = header.to_lps()?;
    let number = header.number()?;
    skip(&mut from, header.skip()?)?;
    let (slope, shift) = header.scaling();

    // A gigabyte that a 400-byte file promises is not reserved: 16 Mi values at a time.
    let mut data = Vec::with_capacity(voxels.min(1 << 24));
    let width = number.width();
    let mut piece = vec![0u8; width * 8192];
    while data.len() < voxels {
        let want = (voxels - data.len()).min(8192) * width;
        from.read_exact(&mut piece[..want]).map_err(|e| {
            refused(format!(
                "it ends after {} of {voxels} voxels ({})",
                data.len(),
                e.kind()
            ))
        })?;
        let raw = piece[..want].chunks_exact(width);
        data.extend(
            raw.map(|bytes| convert(number.value(bytes, header.big_endian) * slope + shift)),
        );
    }
    Volume::new(shape, data, map).map_err(|e| refused(e.to_string()))
}

fn skip(from: &mut impl Read, bytes: u64) -> Result<(), Refusal> {
    let skipped = std::io::copy(&mut from.by_ref().take(bytes), &mut std::io::sink());
    match skipped {
        Ok(n) if n == bytes => Ok(()),
        _ => Err(refused("it ends inside the header")),
    }
}

#[cfg(test)]
mod tests;
