//! A phantom as a DICOM CT series: explicit little endian, one file a slice, an invented identity, UIDs under 2.25.
//! Same volume and name: the same bytes.

use super::PhantomError;
use crate::space::{Point, Vector};
use crate::volume::{Hu, Volume};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR, dicom_value};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::path::Path;

/// Stored value of 0 HU.
const OFFSET: i16 = 1024;

/// Writes `ct` as `dir/0001.dcm` and so on. `name` tells series apart, e.g. `SEED 7 FTP`; it goes into patient name,
/// patient ID and UIDs. The folder is made; files already there are replaced.
///
/// # Errors
/// [`PhantomError::Write`] with the cause.
pub fn write(dir: &Path, ct: &Volume<Hu>, name: &str) -> Result<(), PhantomError> {
    let wrong = |e: &dyn std::fmt::Display| PhantomError::Write(e.to_string());
    std::fs::create_dir_all(dir).map_err(|e| wrong(&e))?;
    let [_, _, slices] = ct.shape();
    (0..slices).into_par_iter().try_for_each(|k| {
        let instance = uid(&format!("{name} instance {k}"));
        let meta = FileMetaTableBuilder::new()
            .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
            .media_storage_sop_instance_uid(&instance)
            .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
        let file = slice(ct, k, name, &instance)
            .with_meta(meta)
            .map_err(|e| wrong(&e))?;
        file.write_to_file(dir.join(format!("{:04}.dcm", k + 1)))
            .map_err(|e| wrong(&e))
    })
}

/// A UID made from a text: 2.25 and 128 bits of its hash.
fn uid(text: &str) -> String {
    let digest = Sha256::digest(format!("calvaria phantom {text}"));
    let number = digest[..16]
        .iter()
        .fold(0u128, |n, &byte| n << 8 | u128::from(byte));
    format!("2.25.{number}")
}

/// One slice: what its series says, where it lies, what it shows.
fn slice(ct: &Volume<Hu>, k: usize, name: &str, instance: &str) -> InMemDicomObject {
    let own = [
        text(tags::SOP_INSTANCE_UID, VR::UI, instance),
        text(tags::INSTANCE_NUMBER, VR::IS, &(k + 1).to_string()),
    ];
    InMemDicomObject::from_element_iter(
        series(name)
            .into_iter()
            .chain(own)
            .chain(place(ct, k))
            .chain(image(ct, k)),
    )
}

type Element = DataElement<InMemDicomObject>;

fn text(tag: Tag, vr: VR, value: &str) -> Element {
    DataElement::new(tag, vr, PrimitiveValue::from(value))
}

fn number(tag: Tag, value: u16) -> Element {
    DataElement::new(tag, VR::US, PrimitiveValue::from(value))
}

fn decimals(tag: Tag, values: &[f64]) -> Element {
    let texts: Vec<String> = values.iter().map(|&v| decimal(v)).collect();
    DataElement::new(tag, VR::DS, PrimitiveValue::Strs(texts.into()))
}

/// What all slices have in common.
fn series(name: &str) -> Vec<Element> {
    vec![
        text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
        DataElement::new(
            tags::IMAGE_TYPE,
            VR::CS,
            dicom_value!(Strs, ["DERIVED", "PRIMARY", "AXIAL"]),
        ),
        text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        // No clock: the same phantom is the same file on every day.
        text(tags::STUDY_DATE, VR::DA, "20260105"),
        text(tags::STUDY_TIME, VR::TM, "080000"),
        text(tags::ACCESSION_NUMBER, VR::SH, ""),
        text(tags::MODALITY, VR::CS, "CT"),
        text(tags::MANUFACTURER, VR::LO, "calvaria phantom"),
        text(tags::REFERRING_PHYSICIAN_NAME, VR::PN, ""),
        text(tags::STUDY_DESCRIPTION, VR::LO, "Phantom head, no patient"),
        text(tags::SERIES_DESCRIPTION, VR::LO, &format!("Bone {name}")),
        text(
            tags::DERIVATION_DESCRIPTION,
            VR::ST,
            "Computed: a defect of known truth was cut in",
        ),
        text(tags::PATIENT_NAME, VR::PN, &format!("PHANTOM^{name}")),
        text(tags::PATIENT_ID, VR::LO, &format!("PH {name}")),
        text(tags::PATIENT_BIRTH_DATE, VR::DA, "19600229"),
        text(tags::PATIENT_SEX, VR::CS, "O"),
        text(tags::BODY_PART_EXAMINED, VR::CS, "HEAD"),
        text(tags::KVP, VR::DS, "120"),
        text(tags::PATIENT_POSITION, VR::CS, "HFS"),
        text(
            tags::STUDY_INSTANCE_UID,
            VR::UI,
            &uid(&format!("{name} study")),
        ),
        text(
            tags::SERIES_INSTANCE_UID,
            VR::UI,
            &uid(&format!("{name} series")),
        ),
        text(tags::STUDY_ID, VR::SH, "1"),
        text(tags::SERIES_NUMBER, VR::IS, "2"),
        text(tags::ACQUISITION_NUMBER, VR::IS, "1"),
        text(
            tags::FRAME_OF_REFERENCE_UID,
            VR::UI,
            &uid(&format!("{name} frame")),
        ),
        text(tags::POSITION_REFERENCE_INDICATOR, VR::LO, ""),
    ]
}

/// Where slice `k` lies in the patient, LPS mm.
fn place(ct: &Volume<Hu>, k: usize) -> Vec<Element> {
    let [dx, dy, dz] = ct.spacing_mm();
    let position = ct.to_lps().apply(Point::new([0.0, 0.0, k as f64]));
    let unit = |axis: usize, mm: f64| ct.to_lps().column(axis).times(1.0 / mm);
    let [row, column] = [unit(0, dx), unit(1, dy)];
    let orientation: Vec<f64> = [row, column].iter().flat_map(|v: &Vector<_>| v.0).collect();
    let location = position.minus(Point::new([0.0; 3])).dot(row.cross(column));
    vec![
        decimals(tags::SLICE_THICKNESS, &[dz]),
        decimals(tags::IMAGE_POSITION_PATIENT, &position.0),
        decimals(tags::IMAGE_ORIENTATION_PATIENT, &orientation),
        decimals(tags::SLICE_LOCATION, &[location]),
        decimals(tags::PIXEL_SPACING, &[dy, dx]),
    ]
}

/// Its pixels, and how they are to be read.
fn image(ct: &Volume<Hu>, k: usize) -> Vec<Element> {
    let [columns, rows, _] = ct.shape();
    let pixels: Vec<u16> = ct.data()[k * rows * columns..][..rows * columns]
        .iter()
        .map(|hu| hu.0.saturating_add(OFFSET).max(0).cast_unsigned())
        .collect();
    vec![
        number(tags::SAMPLES_PER_PIXEL, 1),
        text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        number(tags::ROWS, u16::try_from(rows).unwrap_or(u16::MAX)),
        number(tags::COLUMNS, u16::try_from(columns).unwrap_or(u16::MAX)),
        number(tags::BITS_ALLOCATED, 16),
        number(tags::BITS_STORED, 16),
        number(tags::HIGH_BIT, 15),
        number(tags::PIXEL_REPRESENTATION, 0),
        decimals(tags::WINDOW_CENTER, &[400.0]),
        decimals(tags::WINDOW_WIDTH, &[2000.0]),
        decimals(tags::RESCALE_INTERCEPT, &[-f64::from(OFFSET)]),
        decimals(tags::RESCALE_SLOPE, &[1.0]),
        text(tags::RESCALE_TYPE, VR::LO, "HU"),
        DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into())),
    ]
}

/// A decimal string of at most 16 characters, the most DICOM allows.
fn decimal(value: f64) -> String {
    let trimmed = |digits: usize| {
        let text = format!("{value:.digits$}");
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_string()
        } else {
            text
        }
    };
    let fitting = (0..=12).rev().map(trimmed).find(|text| text.len() <= 16);
    match fitting.as_deref() {
        Some("-0") => "0".into(),
        Some(text) => text.into(),
        None => format!("{value:.8e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_fit_and_read_back() {
        for (value, want) in [
            (0.9, "0.9"),
            (-1024.0, "-1024"),
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-123.4, "-123.4"),
        ] {
            assert_eq!(decimal(value), want);
        }
        for value in [
            1.0 / 3.0,
            -511.123_456_789_012,
            0.451_171_875,
            -1e-17,
            12_345_678.9,
        ] {
            let text = decimal(value);
            assert!(text.len() <= 16, "{text}");
            assert!(
                (text.parse::<f64>().unwrap() - value).abs() < 1e-6,
                "{text}"
            );
        }
    }

    #[test]
    fn uids_are_short_enough_and_differ() {
        let (a, b) = (uid("a"), uid("b"));
        assert!(a.len() <= 64 && a.starts_with("2.25.") && a != b);
        assert_eq!(a, uid("a"));
    }
}
