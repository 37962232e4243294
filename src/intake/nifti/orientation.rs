//! Where a NIfTI's voxels lie in the patient: two answers may stand in one header, and they have to agree.
//!
//! In:    the header's sform and qform, each with a code: 1 is the scanner's space, 2 that of another scan of the
//!        patient, 3 and more that of a template (nifti1.h).
//! Out:   voxel index to patient LPS mm; or a refusal.
//! Holds: only codes 1 and 2 are the patient's millimetres. A template's sform is scaled to another head: an implant
//!        made in it fits nobody. The sform goes before the qform, as the format has it; where both are the
//!        patient's, they may differ by what rounding does ([`AGREE_MM`]) and never in handedness, for one of them
//!        would have the implant on the wrong side. A sform alone must have the voxel sizes that the header states:
//!        a registration with 12 degrees of freedom ("aligned", 2) scales heads too.

use super::header::Header;
use super::refused;
use crate::intake::orientation::Orientation;
use crate::intake::refusal::Refusal;
use crate::space::{Ijk, Lps, Map, Point};

/// What sform, qform and voxel sizes may differ by at the volume's corners, mm. Rounding of a quaternion to f32 comes
/// to 0.3 mm over a head that is turned by half a circle; other writers' files differ by 0.00002 mm. A voxel more or
/// less of spacing, a shift or a mirror is further off.
const AGREE_MM: f64 = 1.0;

/// Voxel index to patient LPS mm. `given` by a person is for a header that has neither form.
///
/// # Errors
/// [`Refusal::NoOrientation`], [`Refusal::TemplateSpace`], [`Refusal::TwoOrientations`], [`Refusal::TwoSizes`], [`Refusal::OrientationSaid`];
/// [`Refusal::Format`] for an affine that spans nothing.
pub(super) fn to_lps(
    header: &Header,
    shape: [usize; 3],
    given: Option<Orientation>,
) -> Result<Map<Ijk, Lps>, Refusal> {
    let codes = header.codes();
    match given {
        Some(given) if codes.iter().all(|&code| code <= 0) => {
            let spacing = header.pixdim().map(|size| size * header.unit_mm());
            return (given.to_lps(spacing))
                .ok_or_else(|| refused("it does not say how large its voxels are"));
        }
        Some(_) => return Err(Refusal::OrientationSaid { format: "NIfTI" }),
        None => {}
    }
    let map = match codes.map(|code| matches!(code, 1 | 2)) {
        [true, true] => {
            let sform = lps(header.sform(), header)?;
            agree(&sform, &lps(header.qform()?, header)?, shape)?;
            sform
        }
        [true, false] => {
            let sform = lps(header.sform(), header)?;
            sized(&sform, header, shape)?;
            sform
        }
        [false, true] => lps(header.qform()?, header)?,
        [false, false] => {
            return Err(match codes.into_iter().find(|&code| code > 2) {
                Some(code) => Refusal::TemplateSpace { code },
                None => Refusal::NoOrientation { format: "NIfTI" },
            });
        }
    };
    Ok(map)
}

/// RAS in the file's unit becomes LPS mm.
fn lps(mut rows: [[f64; 4]; 3], header: &Header) -> Result<Map<Ijk, Lps>, Refusal> {
    for (row, sign) in rows.iter_mut().zip([-1.0, -1.0, 1.0]) {
        for cell in row {
            *cell *= sign * header.unit_mm();
        }
    }
    let map = Map::new(rows);
    match map.inverse() {
        Some(_) => Ok(map),
        None => Err(refused("its affine is singular")),
    }
}

/// Both put every corner at one place, and left to one side.
fn agree(sform: &Map<Ijk, Lps>, qform: &Map<Ijk, Lps>, shape: [usize; 3]) -> Result<(), Refusal> {
    let last = shape.map(|n| (n - 1) as f64);
    let mut by_mm = 0.0;
    for corner in 0..8u32 {
        let at = Point::new([0, 1, 2].map(|axis| f64::from(corner >> axis & 1) * last[axis]));
        let apart = sform.apply(at).minus(qform.apply(at)).length();
        // `max` would pass over NaN.
        if apart.is_nan() || apart > by_mm {
            by_mm = apart;
        }
    }
    // The one slice of a flat volume lies at the same place when it is mirrored through itself.
    let mirrored = sform.determinant() * qform.determinant() <= 0.0;
    if mirrored || by_mm.is_nan() || by_mm > AGREE_MM {
        return Err(Refusal::TwoOrientations { by_mm, mirrored });
    }
    Ok(())
}

/// The sform's voxels are as large as the header says, over the whole volume.
fn sized(sform: &Map<Ijk, Lps>, header: &Header, shape: [usize; 3]) -> Result<(), Refusal> {
    let stated = header.pixdim().map(|size| size * header.unit_mm());
    let normal = sform.column(0).cross(sform.column(1)).unit();
    for (axis, &stated) in stated.iter().enumerate() {
        let column = sform.column(axis);
        // Under a tilted gantry slices are apart by less, along their normal, than from voxel to voxel: either is
        // the slice distance.
        let least = match normal {
            Some(normal) if axis == 2 => column.dot(normal).abs(),
            _ => column.length(),
        };
        let nearest = stated.max(least).min(column.length());
        let off_mm = (nearest - stated).abs() * shape[axis] as f64;
        if stated != 0.0 && (off_mm.is_nan() || off_mm > AGREE_MM) {
            return Err(Refusal::TwoSizes {
                sform_mm: column.length(),
                pixdim_mm: stated,
            });
        }
    }
    Ok(())
}
