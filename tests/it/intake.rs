//! The intake against the shared oddities: every row of `expected.tsv` and `expected_files.tsv` of the data folder
//! (`$CALVARIA_SHARED`, else `../shared`). Without the folder the tests say so and pass.

use calvaria::intake::{self, Limits, Refusal, Study, dicom};
use calvaria::space::{Ijk, Lps, Map, Point};
use calvaria::volume::axes::Canonical;
use calvaria::volume::{Hu, Volume};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn data() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("CALVARIA_SHARED").map_or(beside, PathBuf::from);
    let data = shared.join("data");
    if !data.join("expected.tsv").exists() {
        println!("skipped: no shared data at $CALVARIA_SHARED or ../shared");
        return None;
    }
    Some(data)
}

type Row = BTreeMap<String, String>;

/// Rows of a table as maps from column to cell.
fn table(path: &Path) -> Vec<Row> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split('\t').collect();
    lines
        .map(|line| {
            let cells = line.split('\t').map(str::to_owned);
            names.iter().map(|n| n.to_string()).zip(cells).collect()
        })
        .collect()
}

fn sha(values: impl Iterator<Item = i16>) -> String {
    let bytes: Vec<u8> = values.flat_map(i16::to_le_bytes).collect();
    let digest = Sha256::digest(&bytes);
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

/// As section 7 of the data's README: slices ascending along the normal, rows, columns.
fn volume_sha(ct: &Volume<Hu>) -> String {
    sha(ct.data().iter().map(|hu| hu.0))
}

/// What has to come of a row.
enum Wanted {
    /// Loads, the volume has the row's hash, and these findings are there, with their values, and no other.
    Loads(&'static [(&'static str, Option<f64>)]),
    /// Refused with this code, and these words in the text.
    Refused(&'static str, &'static [&'static str]),
    /// Has a test of its own below.
    Own,
}

/// Thick slices and coarse pixels of the scan that most rows are made from.
const BASE: &[(&str, Option<f64>)] = &[("coarse_pixels", Some(2.0)), ("thick_slices", Some(3.0))];

fn wanted(folder: &str) -> Wanted {
    use Wanted::{Loads, Own, Refused};
    match folder {
        "dicom_base"
        | "dicom_htj2k"
        | "dicom_shuffled"
        | "dicom_prone"
        | "dicom_oblique"
        | "dicom_enhanced"
        | "dicom_mixed_syntaxes" => Loads(BASE),
        "dicom_sagittal" => Loads(&[("coarse_pixels", Some(3.0)), ("thick_slices", Some(2.0))]),
        "dicom_duplicates" => Loads(&[
            ("coarse_pixels", Some(2.0)),
            ("thick_slices", Some(3.0)),
            ("duplicates", Some(3.0)),
        ]),
        "dicom_burned_in" => Loads(&[
            ("burned_in_annotation", None),
            ("coarse_pixels", Some(2.0)),
            ("thick_slices", Some(3.0)),
        ]),
        "dicom_dicomdir" => Loads(&[
            ("coarse_pixels", Some(2.0)),
            ("thick_slices", Some(3.0)),
            ("left_out", Some(1.0)),
        ]),
        "dicom_study_mixed" => Loads(&[
            ("coarse_pixels", Some(2.0)),
            ("thick_slices", Some(3.0)),
            ("left_out", Some(1.0)),
            ("left_out", Some(1.0)),
        ]),
        "ct_defect_patient/dicom" => Loads(&[("thick_slices", Some(3.0))]),
        "ct_defect_phantom/dicom" => Loads(&[]),
        "dicom_missing_slice" => Refused("gap", &["6.00 mm", "after slice 20"]),
        "dicom_duplicate_conflict" => Refused("conflicting_duplicates", &["Two different images"]),
        "dicom_one_bad_slice" => Refused("unreadable_slices", &["8121 bytes", "gap of 6.00 mm"]),
        "dicom_tilt_variable_gap" => Refused("uneven_slices", &["7.00 mm", "at most 3.0 mm"]),
        "dicom_thick_5mm" => Refused("thick_slices", &["5.00 mm", "at most 3.0 mm"]),
        "dicom_localizer" => Refused("localizer_only", &["Localizer only"]),
        "dicom_secondary_capture" => Refused("no_ct", &["No CT images", "2 x secondary capture"]),
        "dicom_mr" => Refused("modality", &["Modality MR", "44"]),
        "dicom_not_head" => Refused("not_a_head", &["No skull found"]),
        "dicom_corrupt" => Refused("unreadable_slices", &["File 5 has no PixelData"]),
        "dicom_syntaxes" => Refused("several_patients", &["4 different patients"]),
        "dicom_zip" | "dicom_rescale" | "dicom_tilt" => Own,
        other => panic!("{other}: a row of expected.tsv that no test speaks of"),
    }
}

#[test]
fn every_row_of_expected_tsv_loads_to_its_hash_or_is_refused_by_name() {
    let Some(data) = data() else { return };
    let mut wrong = Vec::new();
    for row in table(&data.join("expected.tsv")) {
        let folder = &row["folder"];
        let read = intake::read(&data.join(folder), &Limits::default());
        let complaint = match (wanted(folder), read) {
            (Wanted::Own, _) => None,
            (Wanted::Loads(findings), Ok(study)) => unlike(&study, &row, findings),
            (Wanted::Loads(_), Err(refusal)) => Some(format!("refused: {refusal}")),
            (Wanted::Refused(code, words), Err(refusal)) => not_so_refused(&refusal, code, words),
            (Wanted::Refused(code, _), Ok(_)) => Some(format!("loaded instead of {code}")),
        };
        wrong.extend(complaint.map(|what| format!("{folder}: {what}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn not_so_refused(refusal: &Refusal, code: &str, words: &[&str]) -> Option<String> {
    let text = refusal.to_string();
    let right = refusal.code() == code && words.iter().all(|word| text.contains(word));
    (!right).then(|| format!("refused as {}: {text}", refusal.code()))
}

fn unlike(study: &Study, row: &Row, findings: &[(&str, Option<f64>)]) -> Option<String> {
    let found: Vec<_> = study
        .findings
        .iter()
        .map(|f| (f.name.as_str(), f.value))
        .collect();
    let alike = |(a, b): (&(&str, Option<f64>), &(&str, Option<f64>))| {
        let close = match (a.1, b.1) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-6,
            (a, b) => a.is_none() && b.is_none(),
        };
        a.0 == b.0 && close
    };
    if found.len() != findings.len() || !found.iter().zip(findings).all(alike) {
        return Some(format!("findings {found:?}"));
    }
    let number = |name: &str| row[name].parse::<f64>().unwrap();
    let wanted = [number("dx"), number("dy"), number("dz")];
    let spacing = study.ct.spacing_mm();
    if (0..3).any(|axis| (spacing[axis] - wanted[axis]).abs() > 1e-4) {
        return Some(format!("spacing {spacing:?}"));
    }
    let corner =
        |name: &str| -> Vec<f64> { row[name].split(',').map(|n| n.parse().unwrap()).collect() };
    let last = study.ct.shape()[2] - 1;
    for (k, name) in [(0, "first"), (last, "last")] {
        let at = study.ct.centre([0, 0, k]);
        if at
            .0
            .iter()
            .zip(corner(name))
            .any(|(a, b)| (a - b).abs() > 1e-4)
        {
            return Some(format!("slice {k} at {at:?}"));
        }
    }
    let hash = volume_sha(&study.ct);
    (hash != row["sha"]).then(|| format!("volume {hash}"))
}

fn row(data: &Path, folder: &str) -> Row {
    let rows = table(&data.join("expected.tsv"));
    rows.into_iter()
        .find(|row| row["folder"] == folder)
        .unwrap()
}

fn load(data: &Path, folder: &str) -> Study {
    intake::read(&data.join(folder), &Limits::default()).unwrap()
}

/// HU at a patient position, nearest voxel.
fn at(ct: &Volume<Hu>, to_ijk: &Map<Lps, Ijk>, point: Point<Lps>) -> Option<Hu> {
    ct.get(to_ijk.apply(point).0.map(|v| v.round() as i64))
        .copied()
}

#[test]
fn prone_and_sagittal_are_base_in_canonical_order() {
    let Some(data) = data() else { return };
    let canonical = |folder: &str| {
        let ct = load(&data, folder).ct;
        Canonical::lps(&ct).apply(&ct)
    };
    let base = canonical("dicom_base");
    for folder in ["dicom_prone", "dicom_sagittal"] {
        let other = canonical(folder);
        assert_eq!(other.shape(), base.shape(), "{folder}");
        assert!(other.data() == base.data(), "{folder}: other values");
        for corner in [[0, 0, 0], [83, 103, 45]] {
            let apart = other.centre(corner).minus(base.centre(corner)).length();
            assert!(apart < 1e-6, "{folder}: {apart} mm apart");
        }
    }
}

#[test]
fn padding_becomes_air_and_nothing_else_differs() {
    let Some(data) = data() else { return };
    let mut ct = load(&data, "dicom_rescale").ct;
    let [ni, nj, nk] = ct.shape();
    // The table hashes the plain values: put its padding of -2000 back into the corner of every third slice.
    let mut padded = 0;
    for k in (0..nk).step_by(3) {
        for (j, i) in (0..4).flat_map(|j| (0..4).map(move |i| (j, i))) {
            let offset = (k * nj + j) * ni + i;
            assert_eq!(ct.data()[offset], Hu(-1024), "slice {k}");
            ct.data_mut()[offset] = Hu(-2000);
            padded += 1;
        }
    }
    assert_eq!(padded, 16 * 4 * 4);
    assert_eq!(volume_sha(&ct), row(&data, "dicom_rescale")["sha"]);
}

#[test]
fn a_tilted_series_is_read_as_stored_and_then_made_upright() {
    let Some(data) = data() else { return };
    let path = data.join("dicom_tilt");
    let leaning = dicom::read(&path, &Limits::default()).unwrap().ct;
    assert_eq!(volume_sha(&leaning), row(&data, "dicom_tilt")["sha"]);
    let study = intake::read(&path, &Limits::default()).unwrap();
    let tilt = study
        .findings
        .iter()
        .find(|f| f.name == "tilt_undone")
        .unwrap();
    assert!((tilt.value.unwrap() - 18.5).abs() < 0.01, "{tilt:?}");
    assert!((study.facts.tilt_deg - 18.5).abs() < 0.01);
    // Where the stored stack has a voxel well inside, the upright one has the same patient there: linear
    // interpolation along one axis moves a value no further than its neighbours' range.
    let to_ijk = study.ct.to_ijk();
    let mut compared = 0;
    for k in [5, 25, 50] {
        for j in (10..100).step_by(7) {
            for i in (10..80).step_by(7) {
                let near = (j - 2..=j + 2).map(|j| leaning.data()[leaning.offset([i, j, k])].0);
                let (low, high) = near.fold((i16::MAX, i16::MIN), |(l, h), v| (l.min(v), h.max(v)));
                let hu = at(&study.ct, &to_ijk, leaning.centre([i, j, k])).unwrap().0;
                assert!(
                    (low..=high).contains(&hu),
                    "{hu} outside {low}..{high} at {i} {j} {k}"
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 300);
}

#[test]
fn archives_load_or_are_refused_for_what_they_are() {
    let Some(data) = data() else { return };
    let read = |name: &str| intake::read(&data.join("dicom_zip").join(name), &Limits::default());
    let study = read("series.zip").unwrap();
    assert_eq!(volume_sha(&study.ct), row(&data, "dicom_zip")["sha"]);
    for (name, code, word) in [
        ("escape.zip", "archive", "leads out"),
        ("ratio.zip", "archive", "200 times"),
        ("many.zip", "empty", "no file"),
    ] {
        let refusal = read(name).unwrap_err();
        assert_eq!(not_so_refused(&refusal, code, &[word]), None, "{name}");
    }
    let beside = intake::read(&data.join("dicom_zip"), &Limits::default()).unwrap_err();
    assert_eq!(
        not_so_refused(&beside, "no_ct", &["archive among other files"]),
        None
    );
}

/// What a single file has to come to, beside the hash in the table: words of its fault, or nothing for "decodes".
fn wanted_of_file(file: &str) -> Option<&'static str> {
    Some(match file.split_once('/').unwrap().1 {
        "BigEndianExplicit.dcm"
        | "DeflatedExplicitVRLittleEndian.dcm"
        | "JPEG2000.dcm"
        | "JPEG2000LosslessOnly.dcm"
        | "JPEGLSLossless.dcm"
        | "JPEGLSLossy.dcm"
        | "JPEGProcess14.dcm"
        | "JPEGProcess14SV1.dcm"
        | "LittleEndianExplicit.dcm"
        | "LittleEndianImplicit.dcm"
        | "RLELossless.dcm"
        | "pydicom_693_J2KI.dcm"
        | "pydicom_CT_small.dcm"
        | "pydicom_J2K_pixelrep_mismatch.dcm"
        | "no_preamble.dcm" => return None,
        "HTJ2KLossless_8bit_RGB.dcm" | "pydicom_SC_rgb_rle.dcm" | "pydicom_image_dfl.dcm" => {
            "secondary capture"
        }
        "JLSL_16_15_signed.dcm" | "pydicom_JPEGLSNearLossless_16.dcm" => "secondary capture",
        "JPEGProcess1.dcm" => "8 bits a pixel (32.1 HU a step)",
        "JPEGProcess10_12.dcm" => "retired (1.2.840.10008.1.2.4.55)",
        "JPEGProcess2_4.dcm" => "12 bits (1.2.840.10008.1.2.4.51)",
        "JPEGProcess6_8.dcm" => "retired (1.2.840.10008.1.2.4.53)",
        "pydicom_ExplVR_BigEndNoMeta.dcm" | "pydicom_no_meta.dcm" => "neither DICOM",
        "pydicom_JPEG-lossy.dcm" | "pydicom_JPGExtended.dcm" => "modality NM",
        "pydicom_MR_small_jpeg_ls_lossless.dcm" | "pydicom_MR_truncated.dcm" => "modality MR",
        "pydicom_badVR.dcm" => "modality RTDOSE",
        "pydicom_meta_missing_tsyntax.dcm" => "no transfer syntax",
        "seg_deflate_1bit.dcm" => "modality SEG",
        "empty.dcm" => "is empty",
        "j2k_truncated.dcm" => "7298 bytes of pixel data, 8790 are needed",
        "jpeg_damaged.dcm" => "damaged JPEG lossless stream",
        "jpeg_truncated.dcm" => "8202 bytes of pixel data, 9694 are needed",
        "no_pixels.dcm" => "no PixelData",
        "no_position.dcm" => "ImagePositionPatient",
        "pixel_length_lies.dcm" => "4294967280",
        "preamble_only.dcm" => "nothing after the preamble",
        "random.dcm" | "text.dcm" => "neither DICOM",
        "rows_lie.dcm" => "17472 bytes of pixel data, 34944 are needed",
        "still_copying.dcm.part" => "7770 bytes of pixel data",
        "truncated_header.dcm" => "ends inside the header (in element 0010,0020)",
        "truncated_pixels.dcm" => "10472 bytes of pixel data, 17472 are needed",
        "unknown_syntax.dcm" => "unknown transfer syntax (1.2.3.4.5.6.7)",
        "zero_spacing.dcm" => "PixelSpacing",
        other => panic!("{other}: a row of expected_files.tsv that no test speaks of"),
    })
}

#[test]
fn every_file_of_expected_files_tsv_decodes_to_its_hash_or_has_its_fault() {
    let Some(data) = data() else { return };
    let mut wrong = Vec::new();
    for row in table(&data.join("expected_files.tsv")) {
        let file = &row["file"];
        let bytes = std::fs::read(data.join(file)).unwrap();
        let hash = &row[row.keys().find(|k| k.starts_with("sha256")).unwrap()];
        let complaint = match (
            wanted_of_file(file),
            dicom::door(&bytes, &Limits::default()),
        ) {
            // The table has no hash for the file without preamble: it is a slice of base, checked by its size.
            (None, Ok(slice)) if hash.is_empty() => {
                (slice.hu.len() != 84 * 104).then(|| "size".to_owned())
            }
            (None, Ok(slice)) => {
                let got = sha(slice.hu.iter().copied());
                (got != *hash).then(|| format!("decodes to {got}"))
            }
            (None, Err(fault)) => Some(format!("{fault}")),
            (Some(words), Err(fault)) => {
                let text = fault.to_string();
                (!text.contains(words)).then_some(text)
            }
            (Some(words), Ok(_)) => Some(format!("decodes instead of: {words}")),
        };
        wrong.extend(complaint.map(|what| format!("{file}: {what}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn single_lossy_slices_are_no_volume_whatever_they_decode_to() {
    let Some(data) = data() else { return };
    for file in ["JPEG2000.dcm", "LittleEndianExplicit.dcm"] {
        let path = data.join("dicom_syntaxes").join(file);
        let refusal = intake::read(&path, &Limits::default()).unwrap_err();
        assert_eq!(
            not_so_refused(&refusal, "too_few_slices", &["1 slice(s) are no volume"]),
            None
        );
    }
}

#[test]
fn the_invented_identity_is_in_the_identity_and_nowhere_else() {
    let Some(data) = data() else { return };
    for folder in ["dicom_base", "dicom_study_mixed", "dicom_shuffled"] {
        let study = load(&data, folder);
        let identity = study.identity.as_ref().unwrap();
        assert_eq!(identity.name, "MUSTERMANN^ERIKA^^DR", "{folder}");
        assert_eq!(
            (identity.id.as_str(), identity.birth_date.as_str()),
            ("4711-0815", "19570812")
        );
        let facts = serde_json::to_string(&study.facts).unwrap();
        let findings = serde_json::to_string(&study.findings).unwrap();
        let told = format!("{facts} {findings} {study:?}");
        for secret in [
            "MUSTERMANN",
            "ERIKA",
            "4711-0815",
            "19570812",
            "A20240417",
            "Beispielstadt",
            "WEBER",
        ] {
            assert!(!told.contains(secret), "{folder}: {secret}");
        }
    }
}

#[test]
fn a_real_nifti_ct_and_a_real_nrrd_mask_are_read() {
    let Some(data) = data() else { return };
    let study = load(&data, "ct_intact/patient_head.nii.gz");
    // Hash of the data's README, section 4. The file's first two axes run as those of the DICOM do.
    let wanted = "09e548c49e58520d79ea931098d17effb10f05a5df641c4dc9e2bf4e81cf9ae9";
    assert_eq!(volume_sha(&study.ct), wanted);
    assert_eq!(study.ct.shape(), [240, 290, 68]);

    let limits = Limits::default();
    let nrrd = data.join("skullfix/nrrd/031_implant.nrrd");
    let nifti = data.join("skullfix/test/031_implant.nii.gz");
    let (nrrd, nifti) = (
        intake::read_mask(&nrrd, &limits).unwrap(),
        intake::read_mask(&nifti, &limits).unwrap(),
    );
    assert_eq!(nrrd.count(), nifti.count());
    let [a, b] = [&nrrd, &nifti].map(|mask| mask.centroid().unwrap());
    assert!(a.minus(b).length() < 1e-3, "{a:?} {b:?}");
}

#[test]
fn a_mask_is_no_ct() {
    let Some(data) = data() else { return };
    let path = data.join("skullfix/test/031_defective.nii.gz");
    let refusal = intake::read(&path, &Limits::default()).unwrap_err();
    assert_eq!(not_so_refused(&refusal, "not_hu", &["from 0 to 1"]), None);
}

#[test]
fn mutated_dicom_files_never_panic_and_never_take_the_memory() {
    use rand::{RngExt, SeedableRng};
    let Some(data) = data() else { return };
    let seed = std::env::var("CALVARIA_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(4711);
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let small = Limits {
        file_bytes: 64 << 20,
        ..Limits::default()
    };
    // Small files of every way to be coded.
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in [
        "dicom_mixed_syntaxes",
        "dicom_htj2k",
        "dicom_enhanced",
        "dicom_burned_in",
    ] {
        let entries = std::fs::read_dir(data.join(folder)).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
        paths.sort();
        files.extend(paths.into_iter().take(9));
    }
    let mut sound = 0;
    for path in &files {
        let whole = std::fs::read(path).unwrap();
        for _ in 0..12 {
            let mut bytes = whole.clone();
            for _ in 0..random.random_range(1..6) {
                let at = random.random_range(0..bytes.len());
                bytes[at] = random.random();
            }
            if random.random_bool(0.3) {
                bytes.truncate(random.random_range(0..bytes.len()));
            }
            sound += usize::from(dicom::door(&bytes, &small).is_ok());
        }
    }
    // Some flips hit nothing that matters: if none did, the test would not have reached the decoders.
    assert!(
        sound > 20,
        "seed {seed}: {sound} of {} decoded",
        files.len() * 12
    );
}
