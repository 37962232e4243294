//! The 348 bytes of a NIfTI-1 header: only the fields that decide.

use super::refused;
use crate::intake::numbers::Number;
use crate::intake::refusal::Refusal;
use crate::space::{Ijk, Lps, Map, Point, Vector};
use std::io::Read;

/// Bytes of a NIfTI-1 header.
pub(super) const BYTES: usize = 348;

/// Offsets of the fields (nifti1.h). All are read and written through these.
pub(super) mod at {
    pub(crate) const DIM: usize = 40;
    pub(crate) const DATATYPE: usize = 70;
    pub(crate) const BITPIX: usize = 72;
    pub(crate) const PIXDIM: usize = 76;
    pub(crate) const VOX_OFFSET: usize = 108;
    pub(crate) const SCL_SLOPE: usize = 112;
    pub(crate) const SCL_INTER: usize = 116;
    pub(crate) const XYZT_UNITS: usize = 123;
    pub(crate) const QFORM_CODE: usize = 252;
    pub(crate) const SFORM_CODE: usize = 254;
    pub(crate) const QUATERN_B: usize = 256;
    pub(crate) const QOFFSET_X: usize = 268;
    pub(crate) const SROW_X: usize = 280;
    pub(crate) const MAGIC: usize = 344;
}

/// The type behind a NIfTI code.
fn number_of(datatype: i16) -> Option<Number> {
    Some(match datatype {
        2 => Number::U8,
        4 => Number::I16,
        8 => Number::I32,
        16 => Number::F32,
        64 => Number::F64,
        256 => Number::I8,
        512 => Number::U16,
        768 => Number::U32,
        1024 => Number::I64,
        1280 => Number::U64,
        _ => return None,
    })
}

/// A header's raw bytes and their order.
pub(super) struct Header {
    raw: [u8; BYTES],
    pub(super) big_endian: bool,
}

impl Header {
    pub(super) fn read(from: &mut impl Read) -> Result<Self, Refusal> {
        let mut raw = [0; BYTES];
        from.read_exact(&mut raw)
            .map_err(|e| refused(format!("it is shorter than a header ({})", e.kind())))?;
        let size = i32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]);
        let big_endian = match size {
            348 => false,
            _ if size.swap_bytes() == 348 => true,
            _ if size == 540 || size.swap_bytes() == 540 => {
                return Err(refused("it is NIfTI-2"));
            }
            _ => return Err(refused("it does not start with a NIfTI-1 header")),
        };
        match &raw[at::MAGIC..at::MAGIC + 3] {
            b"n+1" => Ok(Self { raw, big_endian }),
            b"ni1" => Err(refused("header and image are in two files (.hdr/.img)")),
            _ => Err(refused("it is ANALYZE 7.5, which has no orientation")),
        }
    }

    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.raw[at..at + N]);
        if self.big_endian {
            bytes.reverse();
        }
        bytes
    }
    fn i16(&self, at: usize) -> i16 {
        i16::from_le_bytes(self.bytes(at))
    }
    fn f32(&self, at: usize) -> f64 {
        f64::from(f32::from_le_bytes(self.bytes(at)))
    }
    fn f32s<const N: usize>(&self, at: usize) -> [f64; N] {
        std::array::from_fn(|n| self.f32(at + 4 * n))
    }

    /// Voxels along i, j, k; further dimensions must be 1.
    pub(super) fn shape(&self) -> Result<[usize; 3], Refusal> {
        let dim: [i16; 8] = std::array::from_fn(|n| self.i16(at::DIM + 2 * n));
        let rank = usize::try_from(dim[0]).unwrap_or(0);
        if !(3..=7).contains(&rank) {
            return Err(refused(format!(
                "it has {} dimensions instead of 3",
                dim[0]
            )));
        }
        if let Some(n) = dim[4..=rank.max(3)].iter().find(|&&n| n > 1) {
            return Err(refused(format!("it holds {n} volumes instead of one")));
        }
        let shape = [dim[1], dim[2], dim[3]].map(|n| usize::try_from(n).unwrap_or(0));
        if shape.contains(&0) {
            return Err(refused(format!(
                "its size is {} x {} x {}",
                dim[1], dim[2], dim[3]
            )));
        }
        Ok(shape)
    }

    pub(super) fn number(&self) -> Result<Number, Refusal> {
        let datatype = self.i16(at::DATATYPE);
        number_of(datatype)
            .ok_or_else(|| refused(format!("values of type {datatype} are not read")))
    }

    /// Slope and shift of the values. A slope of 0 means that there is no scaling.
    pub(super) fn scaling(&self) -> (f64, f64) {
        let (slope, shift) = (self.f32(at::SCL_SLOPE), self.f32(at::SCL_INTER));
        if slope == 0.0 || !slope.is_finite() || !shift.is_finite() {
            (1.0, 0.0)
        } else {
            (slope, shift)
        }
    }

    /// Bytes between header and values (extensions).
    pub(super) fn skip(&self) -> Result<u64, Refusal> {
        let offset = self.f32(at::VOX_OFFSET);
        // Some writers leave 0: the values then follow the four extension bytes.
        let offset = if offset == 0.0 { 352.0 } else { offset };
        let after = offset - BYTES as f64;
        if !(0.0..=1e9).contains(&after) || offset.fract() != 0.0 {
            return Err(refused(format!("its values start at byte {offset}")));
        }
        Ok(after as u64)
    }

    /// What the codes say of sform and qform.
    pub(super) fn codes(&self) -> [i16; 2] {
        [at::SFORM_CODE, at::QFORM_CODE].map(|at| self.i16(at))
    }

    /// Millimetres in one unit of length: millimetres are 2, metres 1, micrometres 3; 0 is "not said", which nibabel
    /// writes for millimetres.
    pub(super) fn unit_mm(&self) -> f64 {
        match self.raw[at::XYZT_UNITS] & 7 {
            1 => 1000.0,
            3 => 0.001,
            _ => 1.0,
        }
    }

    /// Voxel size along i, j, k in the file's unit; 0 where it is not said.
    pub(super) fn pixdim(&self) -> [f64; 3] {
        self.f32s::<3>(at::PIXDIM + 4).map(f64::abs)
    }

    /// Rows of the sform, RAS, in the file's unit.
    pub(super) fn sform(&self) -> [[f64; 4]; 3] {
        std::array::from_fn(|row| self.f32s(at::SROW_X + 16 * row))
    }

    /// Quaternion to matrix, RAS (nifti1.h, method 2). `qfac` 0 counts as 1.
    pub(super) fn qform(&self) -> Result<[[f64; 4]; 3], Refusal> {
        let [b, c, d] = self.f32s::<3>(at::QUATERN_B);
        let [x, y, z] = self.f32s::<3>(at::QOFFSET_X);
        let [qfac, di, dj, dk] = self.f32s::<4>(at::PIXDIM);
        let square = 1.0 - (b * b + c * c + d * d);
        if !square.is_finite() || square < -1e-4 {
            return Err(refused("its qform is no rotation"));
        }
        let a = square.max(0.0).sqrt();
        let dk = if qfac < 0.0 { -dk } else { dk };
        let columns = [
            [
                a * a + b * b - c * c - d * d,
                2.0 * (b * c + a * d),
                2.0 * (b * d - a * c),
            ],
            [
                2.0 * (b * c - a * d),
                a * a + c * c - b * b - d * d,
                2.0 * (c * d + a * b),
            ],
            [
                2.0 * (b * d + a * c),
                2.0 * (c * d - a * b),
                a * a + d * d - b * b - c * c,
            ],
        ];
        let scaled =
            [(0, di), (1, dj), (2, dk)].map(|(n, mm)| Vector::<Lps>::new(columns[n]).times(mm));
        // The rows are RAS here; the type is only borrowed for its arithmetic and left again at once.
        Ok(Map::<Ijk, Lps>::from_columns(scaled, Point::new([x, y, z])).0)
    }
}
