//! Where a slice lies: from the root of a plain CT image, or from the functional groups of an Enhanced CT.
//!
//! The order of frames means nothing: only positions do.

use super::elements::Elements;
use crate::intake::refusal::FileFault;
use crate::space::{Lps, Vector};
use dicom_core::Tag;
use dicom_dictionary_std::tags as tag;

/// One slice: a frame and where it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Slice {
    /// Frame of the file, from 0.
    pub(super) frame: usize,
    /// Centre of the first pixel, LPS mm.
    pub(super) position: Vector<Lps>,
    /// Unit vector along a row (i grows).
    pub(super) along_row: Vector<Lps>,
    /// Unit vector along a column (j grows).
    pub(super) along_column: Vector<Lps>,
    /// Pixel size along a row and along a column, mm.
    pub(super) pixel_mm: [f64; 2],
    /// HU = stored * slope + intercept.
    pub(super) slope: f64,
    pub(super) intercept: f64,
}

/// The slice of a plain CT image.
pub(super) fn slice(all: &Elements<'_>) -> Result<Slice, FileFault> {
    assemble(
        0,
        |t| all.array(t),
        |t| all.array(t),
        |t| all.array(t),
        |t| all.number(t),
    )
}

/// The slices of an Enhanced CT, one a frame; what a frame does not say, the shared groups do.
pub(super) fn slices(all: &Elements<'_>) -> Result<Vec<Slice>, FileFault> {
    let frames = all.number(tag::NUMBER_OF_FRAMES).unwrap_or(1.0);
    let groups = all.items(tag::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    if groups.len() as f64 != frames || groups.is_empty() {
        return Err(FileFault::Lacks("PerFrameFunctionalGroupsSequence"));
    }
    let shared = all.first_item(tag::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
    let place = |(frame, group): (usize, &Elements<'_>)| {
        // The macro's item: the frame's own, else the shared one.
        let within = |sequence: Tag| {
            let own = group.first_item(sequence);
            own.or_else(|| shared.as_ref()?.first_item(sequence))
        };
        assemble(
            frame,
            |t| within(tag::PLANE_POSITION_SEQUENCE)?.array(t),
            |t| within(tag::PLANE_ORIENTATION_SEQUENCE)?.array(t),
            |t| within(tag::PIXEL_MEASURES_SEQUENCE)?.array(t),
            |t| within(tag::PIXEL_VALUE_TRANSFORMATION_SEQUENCE)?.number(t),
        )
    };
    groups.iter().enumerate().map(place).collect()
}

fn assemble(
    frame: usize,
    position: impl Fn(Tag) -> Option<[f64; 3]>,
    orientation: impl Fn(Tag) -> Option<[f64; 6]>,
    measures: impl Fn(Tag) -> Option<[f64; 2]>,
    rescale: impl Fn(Tag) -> Option<f64>,
) -> Result<Slice, FileFault> {
    let position =
        position(tag::IMAGE_POSITION_PATIENT).ok_or(FileFault::Lacks("ImagePositionPatient"))?;
    let cosines = orientation(tag::IMAGE_ORIENTATION_PATIENT).and_then(axes);
    let [along_row, along_column] = cosines.ok_or(FileFault::Lacks("ImageOrientationPatient"))?;
    // PixelSpacing is between rows first, i.e. along a column.
    let spacing =
        measures(tag::PIXEL_SPACING).filter(|mm| mm.iter().all(|&mm| (0.01..=20.0).contains(&mm)));
    let [column_mm, row_mm] = spacing.ok_or(FileFault::Lacks("PixelSpacing"))?;
    let slope = rescale(tag::RESCALE_SLOPE);
    let intercept = rescale(tag::RESCALE_INTERCEPT);
    let (Some(slope), Some(intercept)) = (slope.filter(|&s| s != 0.0), intercept) else {
        return Err(FileFault::Lacks("RescaleSlope and RescaleIntercept"));
    };
    Ok(Slice {
        frame,
        position: Vector::new(position),
        along_row,
        along_column,
        pixel_mm: [row_mm, column_mm],
        slope,
        intercept,
    })
}

/// Two vectors at right angles (to 1e-3), their lengths made exactly 1; `None` for anything else.
fn axes(cosines: [f64; 6]) -> Option<[Vector<Lps>; 2]> {
    let [a, b, c, d, e, f] = cosines;
    let (row, column) = (Vector::new([a, b, c]), Vector::<Lps>::new([d, e, f]));
    let sound = [row, column]
        .iter()
        .all(|v| (v.length() - 1.0).abs() < 1e-2);
    if !sound || row.dot(column).abs() > 1e-3 {
        return None;
    }
    Some([row.unit()?, column.unit()?])
}
