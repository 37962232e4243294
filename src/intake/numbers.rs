//! Raw numbers of NIfTI and NRRD files become voxels.

use super::packed;
use super::refusal::Refusal;
use crate::volume::Hu;
use std::io::{self, Read};

/// Value types that are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    U8,
    I8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
}

impl Number {
    /// Bytes of one value.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// The value of `bytes`, which has [`width`](Self::width) bytes. Through f64, so that 32-bit labels keep all
    /// their bits (through f32 they lose the lowest, and a label becomes its neighbour).
    pub(crate) fn value(self, bytes: &[u8], big_endian: bool) -> f64 {
        let mut le = [0u8; 8];
        le[..bytes.len()].copy_from_slice(bytes);
        if big_endian {
            le[..bytes.len()].reverse();
        }
        let bits = u64::from_le_bytes(le);
        // Narrowing is exact: the upper bytes are zero.
        match self {
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => bits as f64,
            Self::I8 => f64::from(bits as u8 as i8),
            Self::I16 => f64::from(bits as u16 as i16),
            Self::I32 => f64::from(bits as u32 as i32),
            Self::I64 => bits as i64 as f64,
            Self::F32 => f64::from(f32::from_bits(bits as u32)),
            Self::F64 => f64::from_bits(bits),
        }
    }

    /// Reads `voxels` values and then to the end, where a checksum shows what was damaged on the way. A gigabyte
    /// that a 400-byte file promises is not reserved: room grows with what is really there.
    ///
    /// # Errors
    /// How far it came, or what is wrong at the end, in words.
    pub(crate) fn read<T>(
        self,
        mut from: impl Read,
        big_endian: bool,
        voxels: usize,
        mut convert: impl FnMut(f64) -> T,
    ) -> Result<Vec<T>, String> {
        let width = self.width();
        let mut data = Vec::with_capacity(voxels.min(1 << 24));
        let mut piece = vec![0u8; width * 8192];
        while data.len() < voxels {
            let want = (voxels - data.len()).min(8192) * width;
            let read = from.read_exact(&mut piece[..want]);
            read.map_err(|e| match e.kind() {
                io::ErrorKind::UnexpectedEof => {
                    format!("it ends after {} of {voxels} voxels", data.len())
                }
                _ => packed::damaged(&e),
            })?;
            if self == Self::U8 {
                // Nearly every mask: three of them are read for each case that is scored.
                data.extend(piece[..want].iter().map(|&byte| convert(f64::from(byte))));
                continue;
            }
            let raw = piece[..want].chunks_exact(width);
            data.extend(raw.map(|bytes| convert(self.value(bytes, big_endian))));
        }
        packed::zeros_to_the_end(&mut from)?;
        Ok(data)
    }
}

/// The least value that a reader gives, HU: below it is padding. A study's own values are cut off at -1024, after it
/// was looked at whether they are HU.
pub(super) const LEAST: i16 = -2048;

/// Rounds to whole HU, and NaN (outside the field of view) is as empty as air.
pub(crate) fn to_hu(value: f64) -> Hu {
    if value.is_nan() {
        return Hu(-1024);
    }
    Hu(value
        .round_ties_even()
        .clamp(f64::from(LEAST), f64::from(i16::MAX)) as i16)
}

/// Which values a mask holds: zero, and at most one other.
#[derive(Default)]
pub(crate) struct Label {
    first: Option<f64>,
    other: Option<f64>,
}

impl Label {
    /// Whether this value is inside; remembers it.
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

    /// # Errors
    /// [`Refusal::NotA`] mask.
    pub(crate) fn verdict(&self) -> Result<(), Refusal> {
        let why = match (self.first, self.other) {
            (Some(a), Some(b)) => {
                format!("there are {a} and {b} beside 0; a mask has one value beside 0")
            }
            (Some(a), None) if a.fract() != 0.0 => format!("{a} is no whole number"),
            _ => return Ok(()),
        };
        Err(Refusal::NotA {
            wanted: "mask",
            why,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_two_bit_labels_keep_all_their_bits() {
        for label in [16_777_217i32, (1 << 30) + 1, -5] {
            let value = Number::I32.value(&label.to_be_bytes(), true);
            assert_eq!(value as i64, i64::from(label));
        }
    }

    #[test]
    fn nan_is_air_and_padding_has_a_floor() {
        let hu = [f64::NAN, -3024.0, 40.4, 1e9].map(to_hu);
        assert_eq!(hu, [Hu(-1024), Hu(LEAST), Hu(40), Hu(32767)]);
    }
}
