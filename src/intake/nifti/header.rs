//! The 348 bytes of a NIfTI-1 header and the 540 of NIfTI-2: only the fields that decide.

use super::refused;
use crate::intake::numbers::Number;
use crate::intake::refusal::Refusal;
use crate::space::{Ijk, Lps, Map, Point, Vector};
use std::io::Read;

/// Bytes of a NIfTI-1 header.
pub(super) const BYTES: usize = 348;

/// Bytes of a NIfTI-2 header.
const BYTES_2: usize = 540;

/// Offsets of its fields (nifti2.h).
mod at2 {
    pub(super) const MAGIC: usize = 4;
    pub(super) const DATATYPE: usize = 12;
    pub(super) const DIM: usize = 16;
    pub(super) const PIXDIM: usize = 104;
    pub(super) const VOX_OFFSET: usize = 168;
    pub(super) const SCL_SLOPE: usize = 176;
    pub(super) const QFORM_CODE: usize = 344;
    pub(super) const SFORM_CODE: usize = 348;
    pub(super) const QUATERN_B: usize = 352;
    pub(super) const QOFFSET_X: usize = 376;
    pub(super) const SROW_X: usize = 400;
    pub(super) const XYZT_UNITS: usize = 500;
}

/// Offsets of the fields of NIfTI-1 (nifti1.h). All are read and written through these.
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

fn in_two_files() -> Refusal {
    refused("header and image are in two files (.hdr/.img)")
}

/// The type behind a NIfTI code.
fn number_of(datatype: i64) -> Option<Number> {
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

/// What decides in a header, of either version.
pub(super) struct Header {
    pub(super) big_endian: bool,
    /// Bytes of the header itself.
    bytes: usize,
    dim: [i64; 8],
    datatype: i64,
    pixdim: [f64; 4],
    vox_offset: f64,
    /// Slope and shift.
    scaling: [f64; 2],
    units: u8,
    /// Of sform and qform.
    codes: [i64; 2],
    quatern: [f64; 3],
    qoffset: [f64; 3],
    srow: [[f64; 4]; 3],
}

/// A header's raw bytes and their order.
struct Raw<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl Raw<'_> {
    fn take<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.bytes[at..at + N]);
        if self.big_endian {
            bytes.reverse();
        }
        bytes
    }
    fn i16(&self, at: usize) -> i64 {
        i64::from(i16::from_le_bytes(self.take(at)))
    }
    fn i32(&self, at: usize) -> i64 {
        i64::from(i32::from_le_bytes(self.take(at)))
    }
    fn i64(&self, at: usize) -> i64 {
        i64::from_le_bytes(self.take(at))
    }
    fn f32s<const N: usize>(&self, at: usize) -> [f64; N] {
        std::array::from_fn(|n| f64::from(f32::from_le_bytes(self.take(at + 4 * n))))
    }
    fn f64s<const N: usize>(&self, at: usize) -> [f64; N] {
        std::array::from_fn(|n| f64::from_le_bytes(self.take(at + 8 * n)))
    }
}

impl Header {
    pub(super) fn read(from: &mut impl Read) -> Result<Self, Refusal> {
        let mut more = |bytes: &mut [u8]| {
            from.read_exact(bytes)
                .map_err(|e| refused(format!("it is shorter than a header ({})", e.kind())))
        };
        let mut raw = [0; BYTES_2];
        more(&mut raw[..BYTES])?;
        let size = i32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]);
        let is = |bytes: usize| [size, size.swap_bytes()].contains(&(bytes as i32));
        let big_endian = ![BYTES as i32, BYTES_2 as i32].contains(&size);
        if is(BYTES_2) {
            more(&mut raw[BYTES..])?;
            let bytes = &raw[..];
            return Self::second(&Raw { bytes, big_endian });
        }
        if !is(BYTES) {
            return Err(refused("it does not start with a NIfTI header"));
        }
        let bytes = &raw[..BYTES];
        match &bytes[at::MAGIC..at::MAGIC + 3] {
            b"n+1" => Ok(Self::first(&Raw { bytes, big_endian })),
            b"ni1" => Err(in_two_files()),
            _ => Err(refused("it is ANALYZE 7.5, which has no orientation")),
        }
    }

    /// NIfTI-1.
    fn first(raw: &Raw<'_>) -> Self {
        Self {
            big_endian: raw.big_endian,
            bytes: BYTES,
            dim: std::array::from_fn(|n| raw.i16(at::DIM + 2 * n)),
            datatype: raw.i16(at::DATATYPE),
            pixdim: raw.f32s(at::PIXDIM),
            vox_offset: raw.f32s::<1>(at::VOX_OFFSET)[0],
            scaling: [at::SCL_SLOPE, at::SCL_INTER].map(|at| raw.f32s::<1>(at)[0]),
            units: raw.bytes[at::XYZT_UNITS],
            codes: [at::SFORM_CODE, at::QFORM_CODE].map(|at| raw.i16(at)),
            quatern: raw.f32s(at::QUATERN_B),
            qoffset: raw.f32s(at::QOFFSET_X),
            srow: std::array::from_fn(|row| raw.f32s(at::SROW_X + 16 * row)),
        }
    }

    /// NIfTI-2: the same fields, wider and in another order. The bytes after its mark tell a file that was copied as
    /// text.
    fn second(raw: &Raw<'_>) -> Result<Self, Refusal> {
        match &raw.bytes[at2::MAGIC..at2::MAGIC + 8] {
            b"n+2\0\r\n\x1a\n" => {}
            b"ni2\0\r\n\x1a\n" => return Err(in_two_files()),
            _ => return Err(refused("its header is damaged, as by a copy as text")),
        }
        Ok(Self {
            big_endian: raw.big_endian,
            bytes: BYTES_2,
            dim: std::array::from_fn(|n| raw.i64(at2::DIM + 8 * n)),
            datatype: raw.i16(at2::DATATYPE),
            pixdim: raw.f64s(at2::PIXDIM),
            vox_offset: raw.i64(at2::VOX_OFFSET) as f64,
            scaling: raw.f64s(at2::SCL_SLOPE),
            units: (raw.i32(at2::XYZT_UNITS) & 0xff) as u8,
            codes: [at2::SFORM_CODE, at2::QFORM_CODE].map(|at| raw.i32(at)),
            quatern: raw.f64s(at2::QUATERN_B),
            qoffset: raw.f64s(at2::QOFFSET_X),
            srow: std::array::from_fn(|row| raw.f64s(at2::SROW_X + 32 * row)),
        })
    }

    /// Voxels along i, j, k; further dimensions must be 1.
    pub(super) fn shape(&self) -> Result<[usize; 3], Refusal> {
        let dim = self.dim;
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
        let datatype = self.datatype;
        number_of(datatype)
            .ok_or_else(|| refused(format!("values of type {datatype} are not read")))
    }

    /// Slope and shift of the values. A slope of 0 means that there is no scaling.
    pub(super) fn scaling(&self) -> (f64, f64) {
        let [slope, shift] = self.scaling;
        if slope == 0.0 || !slope.is_finite() || !shift.is_finite() {
            (1.0, 0.0)
        } else {
            (slope, shift)
        }
    }

    /// Bytes between header and values (extensions).
    pub(super) fn skip(&self) -> Result<u64, Refusal> {
        let offset = self.vox_offset;
        // Some writers leave 0: the values then follow the four extension bytes.
        let offset = if offset == 0.0 {
            self.bytes as f64 + 4.0
        } else {
            offset
        };
        let after = offset - self.bytes as f64;
        if !(0.0..=1e9).contains(&after) || offset.fract() != 0.0 {
            return Err(refused(format!("its values start at byte {offset}")));
        }
        Ok(after as u64)
    }

    /// What the codes say of sform and qform.
    pub(super) fn codes(&self) -> [i64; 2] {
        self.codes
    }

    /// Millimetres in one unit of length: millimetres are 2, metres 1, micrometres 3; 0 is "not said", which nibabel
    /// writes for millimetres.
    pub(super) fn unit_mm(&self) -> f64 {
        match self.units & 7 {
            1 => 1000.0,
            3 => 0.001,
            _ => 1.0,
        }
    }

    /// Voxel size along i, j, k in the file's unit; 0 where it is not said.
    pub(super) fn pixdim(&self) -> [f64; 3] {
        let [_, i, j, k] = self.pixdim;
        [i, j, k].map(f64::abs)
    }

    /// Rows of the sform, RAS, in the file's unit.
    pub(super) fn sform(&self) -> [[f64; 4]; 3] {
        self.srow
    }

    /// Quaternion to matrix, RAS (nifti1.h, method 2). `qfac` 0 counts as 1.
    pub(super) fn qform(&self) -> Result<[[f64; 4]; 3], Refusal> {
        let [b, c, d] = self.quatern;
        let [x, y, z] = self.qoffset;
        let [qfac, di, dj, dk] = self.pixdim;
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
