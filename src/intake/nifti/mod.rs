//! NIfTI-1, both ways, and NIfTI-2 in.
//!
//! In:    `.nii` or `.nii.gz`, told apart by content; either byte order; sform or qform, which agree; mm, m or um.
//! Out:   a [`Volume`] in patient LPS mm. Files are RAS: this room is the only place where the two meet, and all it
//!        does is negate the first two rows of the affine.
//! Holds: writing then reading gives the same values and, to f32, the same affine. The same volume gives the same
//!        bytes (gzip without time or name). A file is read to its last byte: checksums fit, nothing follows.
//! Never: guesses an orientation, or chooses between two. `.hdr`/`.img` pairs, complex and RGB types are refused by name.

mod header;
mod orientation;
mod write;

pub use write::{write_f32, write_hu, write_mask};

use super::files;
use super::limits::Limits;
use super::numbers::{Label, to_hu};
use super::packed::{self, Gzip};
use super::refusal::Refusal;
use crate::volume::{Hu, Volume};
use header::Header;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// A CT in HU, rounded, clamped to -2048..=32767; NaN becomes air.
///
/// # Errors
/// [`Refusal`]: not NIfTI, no orientation, not three-dimensional, too large, cut short.
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

fn hu(from: impl Read, limits: &Limits) -> Result<Volume<Hu>, Refusal> {
    values(from, limits, to_hu)
}

fn mask(from: impl Read, limits: &Limits) -> Result<Volume<bool>, Refusal> {
    let mut label = Label::default();
    let volume = values(from, limits, |v| label.inside(v))?;
    label.verdict()?;
    Ok(volume)
}

fn open(path: &Path) -> Result<Box<dyn Read>, Refusal> {
    let head = files::head(path).map_err(Refusal::Open)?;
    let file = BufReader::new(File::open(path).map_err(Refusal::Open)?);
    Ok(if head.starts_with(&[0x1f, 0x8b]) {
        Box::new(Gzip::new(file))
    } else {
        Box::new(file)
    })
}

fn unpacked(bytes: &[u8]) -> Result<Box<dyn Read + '_>, Refusal> {
    Ok(if bytes.starts_with(&[0x1f, 0x8b]) {
        Box::new(Gzip::new(bytes))
    } else {
        Box::new(bytes)
    })
}

fn refused(why: impl Into<String>) -> Refusal {
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
    let voxels = shape
        .iter()
        .fold(1u64, |n, &axis| n.saturating_mul(axis as u64));
    files::bound("voxels in one volume", voxels, limits.voxels as u64)?;
    let voxels = voxels as usize;
    let map = orientation::to_lps(&header, shape, limits.orientation)?;
    let number = header.number()?;
    skip(&mut from, header.skip()?)?;
    let (slope, shift) = header.scaling();
    let scaled = |v| convert(v * slope + shift);
    let data = number
        .read(from, header.big_endian, voxels, scaled)
        .map_err(refused)?;
    Volume::new(shape, data, map).map_err(|e| refused(e.to_string()))
}

fn skip(from: &mut impl Read, bytes: u64) -> Result<(), Refusal> {
    let skipped = std::io::copy(&mut from.by_ref().take(bytes), &mut std::io::sink());
    match skipped {
        Ok(n) if n == bytes => Ok(()),
        Ok(_) => Err(refused("it ends inside the header")),
        Err(e) => Err(refused(packed::damaged(&e))),
    }
}

#[cfg(test)]
mod tests;
