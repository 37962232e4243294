//! Writing: `.nii.gz`, int16, uint8 or float32, sform and qform, the same bytes for the same volume.

use super::header::{BYTES, at};
use crate::space::{Ijk, Lps, Map, Vector};
use crate::volume::{Hu, Volume};
use flate2::{Compression, GzBuilder};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// A CT as int16 HU. Written beside, synced, renamed: a reader sees the whole file or none.
///
/// # Errors
/// I/O, or an axis longer than 32,767 voxels (`InvalidInput`), which NIfTI-1 can not hold.
pub fn write_hu(path: &Path, volume: &Volume<Hu>) -> io::Result<()> {
    write(path, volume, 4, 16, |hu| hu.0.to_le_bytes())
}

/// A mask as uint8, 0 and 1.
///
/// # Errors
/// As [`write_hu`].
pub fn write_mask(path: &Path, volume: &Volume<bool>) -> io::Result<()> {
    write(path, volume, 2, 8, |&inside| [u8::from(inside)])
}

/// Numbers as float32.
///
/// # Errors
/// As [`write_hu`].
pub fn write_f32(path: &Path, volume: &Volume<f32>) -> io::Result<()> {
    write(path, volume, 16, 32, |v| v.to_le_bytes())
}

fn write<T, const N: usize>(
    path: &Path,
    volume: &Volume<T>,
    datatype: i16,
    bits: i16,
    bytes: impl Fn(&T) -> [u8; N],
) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    let written = (|| {
        let file = File::create(part)?;
        // No time, no name, and "unknown" for the system: the same volume gives the same bytes.
        let mut out = GzBuilder::new()
            .mtime(0)
            .operating_system(255)
            .write(BufWriter::new(file), Compression::new(4));
        out.write_all(&header(volume, datatype, bits)?)?;
        // Four bytes that say that no extension follows.
        out.write_all(&[0; 4])?;
        let mut piece = Vec::with_capacity(8192 * N);
        for values in volume.data().chunks(8192) {
            piece.clear();
            piece.extend(values.iter().flat_map(&bytes));
            out.write_all(&piece)?;
        }
        let file = out
            .finish()?
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(part, path)?;
        // Without this the name may be gone after a power cut.
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    })();
    if written.is_err() {
        // The half file is ours and is of no use; the first error is the one to tell.
        let _ = fs::remove_file(part);
    }
    written
}

fn header<T>(volume: &Volume<T>, datatype: i16, bits: i16) -> io::Result<[u8; BYTES]> {
    let mut raw = [0u8; BYTES];
    let mut put = |at: usize, bytes: &[u8]| raw[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &348i32.to_le_bytes());
    put(38, b"r");
    let mut dim = [3i16, 1, 1, 1, 1, 1, 1, 1];
    for (slot, &n) in dim[1..4].iter_mut().zip(&volume.shape()) {
        *slot = i16::try_from(n).map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("an axis of {n} voxels does not fit into NIfTI-1"),
            )
        })?;
    }
    for (n, value) in dim.iter().enumerate() {
        put(at::DIM + 2 * n, &value.to_le_bytes());
    }
    put(at::DATATYPE, &datatype.to_le_bytes());
    put(at::BITPIX, &bits.to_le_bytes());
    let ras = to_ras(volume.to_lps());
    let spacing = volume.spacing_mm();
    let rotation = quaternion(&ras, spacing);
    let qfac = rotation.map_or(1.0, |(_, qfac)| qfac);
    let pixdim = [qfac, spacing[0], spacing[1], spacing[2], 1.0, 1.0, 1.0, 1.0];
    for (n, value) in pixdim.iter().enumerate() {
        put(at::PIXDIM + 4 * n, &(*value as f32).to_le_bytes());
    }
    put(at::VOX_OFFSET, &352f32.to_le_bytes());
    put(at::SCL_SLOPE, &1f32.to_le_bytes());
    put(at::SCL_INTER, &0f32.to_le_bytes());
    put(at::XYZT_UNITS, &[2]); // mm
    put(at::SFORM_CODE, &1i16.to_le_bytes());
    if let Some((quaternion, _)) = rotation {
        put(at::QFORM_CODE, &1i16.to_le_bytes());
        for (n, value) in quaternion.iter().enumerate() {
            put(at::QUATERN_B + 4 * n, &(*value as f32).to_le_bytes());
        }
        for (n, row) in ras.iter().enumerate() {
            put(at::QOFFSET_X + 4 * n, &(row[3] as f32).to_le_bytes());
        }
    }
    for (r, row) in ras.iter().enumerate() {
        for (c, value) in row.iter().enumerate() {
            put(at::SROW_X + 16 * r + 4 * c, &(*value as f32).to_le_bytes());
        }
    }
    put(at::MAGIC, b"n+1\0");
    Ok(raw)
}

/// Rows of the affine in RAS: x and y change sign.
fn to_ras(map: Map<Ijk, Lps>) -> [[f64; 4]; 3] {
    let [x, y, z] = map.0;
    // Adding 0 turns -0 into 0, so that no "-0" reaches the file.
    [x.map(|v| 0.0 - v), y.map(|v| 0.0 - v), z.map(|v| v + 0.0)]
}

/// Quaternion (b, c, d) and qfac of the axes' directions; `None` for a sheared grid, which a qform can not hold.
fn quaternion(ras: &[[f64; 4]; 3], spacing: [f64; 3]) -> Option<([f64; 3], f64)> {
    let axis =
        |n: usize| Vector::<Lps>::new([ras[0][n], ras[1][n], ras[2][n]]).times(1.0 / spacing[n]);
    let (i, j, k) = (axis(0), axis(1), axis(2));
    if [i.dot(j), i.dot(k), j.dot(k)]
        .iter()
        .any(|cos| cos.abs() > 1e-4)
    {
        return None;
    }
    let qfac = if i.cross(j).dot(k) < 0.0 { -1.0 } else { 1.0 };
    let k = k.times(qfac);
    let m = |row: usize, column: usize| [i, j, k][column].0[row];
    // The largest of the four components is found first, so that no division is by a small number.
    let squares = [
        1.0 + m(0, 0) + m(1, 1) + m(2, 2),
        1.0 + m(0, 0) - m(1, 1) - m(2, 2),
        1.0 - m(0, 0) + m(1, 1) - m(2, 2),
        1.0 - m(0, 0) - m(1, 1) + m(2, 2),
    ];
    let largest = (0..4).fold(
        0,
        |best, n| if squares[n] > squares[best] { n } else { best },
    );
    let s = 2.0 * squares[largest].sqrt();
    let (yz, zx, xy) = (m(2, 1) - m(1, 2), m(0, 2) - m(2, 0), m(1, 0) - m(0, 1));
    let (pxy, pxz, pyz) = (m(0, 1) + m(1, 0), m(0, 2) + m(2, 0), m(1, 2) + m(2, 1));
    let [a, b, c, d] = match largest {
        0 => [s / 4.0, yz / s, zx / s, xy / s],
        1 => [yz / s, s / 4.0, pxy / s, pxz / s],
        2 => [zx / s, pxy / s, s / 4.0, pyz / s],
        _ => [xy / s, pxz / s, pyz / s, s / 4.0],
    };
    // The file keeps b, c, d; a is the positive root.
    let sign = if a < 0.0 { -1.0 } else { 1.0 };
    Some(([b * sign, c * sign, d * sign], qfac))
}
