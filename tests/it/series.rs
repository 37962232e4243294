//! Series as archives, anonymisers and CDs leave them. Made from a phantom's series by changing what its kind changes;
//! the voxels have to come out as those of the series itself.

use crate::room::phantom;
use calvaria::intake::{self, Limits, Refusal, Study};
use calvaria::volume::Hu;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, open_file};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The slices of one phantom, made once for all tests.
fn base() -> &'static [DefaultDicomObject] {
    static BASE: OnceLock<Vec<DefaultDicomObject>> = OnceLock::new();
    BASE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let series = phantom(dir.path(), 1, "dicom");
        let entries = std::fs::read_dir(series).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| open_file(file).unwrap()).collect()
    })
}

fn put(slice: &mut DefaultDicomObject, tag: Tag, vr: VR, value: &str) {
    slice.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
}

/// Stored values, changed.
fn values(slice: &mut DefaultDicomObject, change: impl Fn(f64) -> f64) {
    let stored: Vec<u16> = slice
        .element(tags::PIXEL_DATA)
        .unwrap()
        .to_multi_int()
        .unwrap();
    let changed = stored
        .iter()
        .map(|&v| change(f64::from(v)).round().clamp(0.0, 65535.0) as u16);
    let value = PrimitiveValue::U16(changed.collect());
    slice.put(DataElement::new(tags::PIXEL_DATA, VR::OW, value));
}

/// Where a slice lies, mm along the stack.
fn height(slice: &DefaultDicomObject) -> f64 {
    let position = slice.element(tags::IMAGE_POSITION_PATIENT).unwrap();
    position.to_multi_float64().unwrap()[2]
}

fn place(slice: &mut DefaultDicomObject, z: &str) {
    let position = slice.element(tags::IMAGE_POSITION_PATIENT).unwrap();
    let [x, y, _] = position.to_multi_float64().unwrap()[..] else {
        panic!("three numbers");
    };
    put(
        slice,
        tags::IMAGE_POSITION_PATIENT,
        VR::DS,
        &format!("{x}\\{y}\\{z}"),
    );
}

/// Writes slices under the numbers from `first` on.
fn write(dir: &Path, first: usize, slices: &[DefaultDicomObject]) {
    for (n, slice) in (first..).zip(slices) {
        slice
            .write_to_file(dir.join(format!("{n:04}.dcm")))
            .unwrap();
    }
}

/// Every slice changed by its number.
fn changed(change: impl Fn(usize, &mut DefaultDicomObject)) -> Vec<DefaultDicomObject> {
    let mut slices = base().to_vec();
    for (n, slice) in slices.iter_mut().enumerate() {
        change(n, slice);
        let instance = format!("2.25.77{n}");
        put(slice, tags::SOP_INSTANCE_UID, VR::UI, &instance);
    }
    slices
}

fn read_from(dir: &Path) -> Result<Study, Refusal> {
    intake::read(dir, &Limits::default())
}

fn read(slices: &[DefaultDicomObject]) -> Result<Study, Refusal> {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1, slices);
    read_from(dir.path())
}

fn plain() -> &'static [Hu] {
    static PLAIN: OnceLock<Vec<Hu>> = OnceLock::new();
    PLAIN.get_or_init(|| read(base()).unwrap().ct.data().to_vec())
}

fn has(study: &Study, name: &str) -> bool {
    study.findings.iter().any(|f| f.name == name)
}

#[test]
fn two_acquisitions_that_are_woven_into_one_series_are_told_apart() {
    let first = changed(|_, slice| put(slice, tags::ACQUISITION_NUMBER, VR::IS, "1"));
    let mut second = changed(|n, slice| {
        put(slice, tags::ACQUISITION_NUMBER, VR::IS, "2");
        put(slice, tags::INSTANCE_NUMBER, VR::IS, &(n + 301).to_string());
        values(slice, |v| v + 30.0);
        let z = height(slice) + 0.4;
        place(slice, &z.to_string());
    });
    for slice in &mut second {
        let own = slice
            .element(tags::SOP_INSTANCE_UID)
            .unwrap()
            .to_str()
            .unwrap()
            .to_string();
        put(slice, tags::SOP_INSTANCE_UID, VR::UI, &format!("{own}9"));
    }
    // Neither the order nor the names of the files choose.
    for order in [[&first, &second], [&second, &first]] {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 1, order[0]);
        write(dir.path(), 1000, order[1]);
        let study = read_from(dir.path()).unwrap();
        assert!(study.ct.data() == plain());
        assert!(has(&study, "series_left_out") && !has(&study, "slices_not_here"));
    }
}

#[test]
fn acquisitions_that_nothing_tells_apart_are_refused_by_their_voxels() {
    // The patient turned a little in between.
    let slices = changed(|n, slice| {
        if n % 2 == 1 {
            let stored: Vec<u16> = slice
                .element(tags::PIXEL_DATA)
                .unwrap()
                .to_multi_int()
                .unwrap();
            let shifted = (0..stored.len()).map(|at| stored[at.saturating_sub(4)]);
            let value = PrimitiveValue::U16(shifted.collect());
            slice.put(DataElement::new(tags::PIXEL_DATA, VR::OW, value));
        }
    });
    assert_eq!(read(&slices).unwrap_err().code(), "woven_series");
}

#[test]
fn of_two_kernels_the_one_for_bone_is_taken_whatever_the_files_are_called() {
    let soft = changed(|_, slice| put(slice, tags::CONVOLUTION_KERNEL, VR::SH, "H30s"));
    let sharp = changed(|n, slice| {
        put(slice, tags::CONVOLUTION_KERNEL, VR::SH, "H60s");
        values(slice, |v| if n % 3 == 0 { v + 1.0 } else { v });
    });
    for order in [[&soft, &sharp], [&sharp, &soft]] {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 1, order[0]);
        write(dir.path(), 1000, order[1]);
        let study = read_from(dir.path()).unwrap();
        assert_eq!(study.facts.kernel.as_deref(), Some("H60s"));
    }
}

#[test]
fn identifiers_of_their_own_for_every_file_are_said_and_one_that_differs_is_refused() {
    for tag in [tags::FRAME_OF_REFERENCE_UID, tags::SERIES_INSTANCE_UID] {
        let each = changed(|n, slice| put(slice, tag, VR::UI, &format!("2.25.5{n}")));
        let study = read(&each).unwrap();
        assert!(study.ct.data() == plain() && has(&study, "identifiers_each"));
    }
    let one = changed(|n, slice| {
        if n == 20 {
            put(slice, tags::FRAME_OF_REFERENCE_UID, VR::UI, "2.25.5");
        }
    });
    let refusal = read(&one).unwrap_err();
    assert_eq!(refusal.code(), "mixed_frames");
    assert!(
        refusal.to_string().contains("FrameOfReferenceUID"),
        "{refusal}"
    );
}

#[test]
fn thick_slices_are_refused_as_such_beside_a_few_others() {
    let mut slices = changed(|n, slice| {
        place(slice, &(5.0 * n as f64).to_string());
        put(slice, tags::IMAGE_TYPE, VR::CS, "DERIVED\\SECONDARY\\AXIAL");
    });
    for slice in slices.iter_mut().take(3) {
        put(slice, tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL");
    }
    assert_eq!(read(&slices).unwrap_err().code(), "thick_slices");
}

#[test]
fn a_tilt_that_only_the_header_knows_is_said() {
    let tilted = |kind: &'static str| {
        changed(move |_, slice| {
            put(slice, tags::GANTRY_DETECTOR_TILT, VR::DS, "-18.5");
            put(slice, tags::IMAGE_TYPE, VR::CS, kind);
        })
    };
    let study = read(&tilted("ORIGINAL\\PRIMARY\\AXIAL")).unwrap();
    assert!(has(&study, "tilt_contradicts"));
    let study = read(&tilted("DERIVED\\SECONDARY\\MPR")).unwrap();
    assert!(!has(&study, "tilt_contradicts"));
}

#[test]
fn values_that_are_no_hu_are_refused_or_said() {
    let with = |change: fn(f64) -> f64| read(&changed(|_, slice| values(slice, change)));
    for change in [
        |v| v + 80.0,
        |v| v - 80.0,
        |v| (v - 1024.0) * 0.85 + 1024.0,
        |v| v * 0.5,
    ] {
        let code = with(change).map(|_| "taken").unwrap_or_else(|e| e.code());
        assert!(["not_hu", "not_a_head"].contains(&code), "{code}");
    }
    for change in [|v| v + 40.0, |v| v - 40.0] {
        assert!(has(&with(change).unwrap(), "hu_level"));
    }
    assert!(!has(&read(base()).unwrap(), "hu_level"));
}

#[test]
fn a_packed_series_is_found_among_what_lies_on_a_cd() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1, base());
    let beside: [(&str, &[u8]); 5] = [
        ("AUTORUN.INF", b"[autorun]\nopen=viewer.exe\n"),
        ("VIEWER/viewer.exe", b"MZ\x90\0\x03\0\0\0"),
        ("VIEWER/lib.jar", b"PK\x03\x04\x14\0\0\0"),
        ("README.pdf", b"%PDF-1.4\n\xe2\xe3"),
        ("__MACOSX/._0001.dcm", b"\0\x05\x16\x07\0\x02\0\0"),
    ];
    let out = tempfile::tempdir().unwrap();
    let zip = out.path().join("cd.zip");
    let mut packer = zip::ZipWriter::new(std::fs::File::create(&zip).unwrap());
    let tgz = out.path().join("cd.tgz");
    let gz = flate2::write::GzEncoder::new(
        std::fs::File::create(&tgz).unwrap(),
        flate2::Compression::fast(),
    );
    let mut tar = tar::Builder::new(gz);
    let mut add = |name: &str, bytes: &[u8]| {
        let options = zip::write::SimpleFileOptions::default();
        packer.start_file(name, options).unwrap();
        packer.write_all(bytes).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes).unwrap();
    };
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        let name = format!("DICOM/{}", entry.file_name().to_string_lossy());
        add(&name, &std::fs::read(entry.path()).unwrap());
    }
    for (name, bytes) in beside {
        add(name, bytes);
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    packer.finish().unwrap();
    tar.into_inner().unwrap().finish().unwrap();
    for path in [dir.path().to_path_buf(), zip, tgz] {
        let study = read_from(&path).unwrap();
        assert!(study.ct.data() == plain());
        assert!(!has(&study, "unreadable_files"), "{:?}", study.findings);
    }
}
