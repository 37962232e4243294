use super::*;
use crate::space::{Ijk, Lps, Map, Point, Vector};
use flate2::read::MultiGzDecoder;
use proptest::prelude::*;

/// A grid turned by three angles, mirrored or not.
fn grid(angles: [f64; 3], spacing: [f64; 3], origin: [f64; 3], mirrored: bool) -> Map<Ijk, Lps> {
    let mut axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    for (n, angle) in angles.iter().enumerate() {
        let (sin, cos) = angle.sin_cos();
        let (a, b) = ((n + 1) % 3, (n + 2) % 3);
        for axis in &mut axes {
            let (x, y) = (axis[a], axis[b]);
            axis[a] = cos * x - sin * y;
            axis[b] = sin * x + cos * y;
        }
    }
    if mirrored {
        axes[2] = axes[2].map(|v| -v);
    }
    let columns = [0, 1, 2].map(|n| Vector::new(axes[n]).times(spacing[n]));
    Map::from_columns(columns, Point::new(origin))
}

fn ramp(map: Map<Ijk, Lps>) -> Volume<Hu> {
    let values = (0..4 * 3 * 5).map(|n| Hu(n * 31 - 1000)).collect();
    Volume::new([4, 3, 5], values, map).unwrap()
}

fn written(volume: &Volume<Hu>) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("v.nii.gz");
    write_hu(&path, volume).unwrap();
    std::fs::read(path).unwrap()
}

/// Unpacked bytes with fields of the header changed.
fn changed(volume: &Volume<Hu>, edits: &[(usize, &[u8])]) -> Vec<u8> {
    let mut raw = Vec::new();
    MultiGzDecoder::new(&written(volume)[..])
        .read_to_end(&mut raw)
        .unwrap();
    for (at, bytes) in edits {
        raw[*at..*at + bytes.len()].copy_from_slice(bytes);
    }
    raw
}

fn upright() -> Volume<Hu> {
    ramp(grid([0.0; 3], [0.5, 0.6, 2.0], [10.0, -20.0, 30.0], false))
}

fn far_apart(a: &Map<Ijk, Lps>, b: &Map<Ijk, Lps>) -> f64 {
    let corner = |p: [f64; 3]| {
        a.apply(Point::new(p))
            .minus(b.apply(Point::new(p)))
            .length()
    };
    [[0.0; 3], [3.0, 2.0, 4.0], [3.0, 0.0, 0.0], [0.0, 2.0, 4.0]]
        .map(corner)
        .into_iter()
        .fold(0.0, f64::max)
}

proptest! {
    #[test]
    fn any_grid_comes_back_by_sform_and_by_qform(
        angles in prop::array::uniform3(-3.2f64..3.2),
        spacing in prop::array::uniform3(0.2f64..4.0),
        origin in prop::array::uniform3(-500f64..500.0),
        mirrored: bool,
    ) {
        let volume = ramp(grid(angles, spacing, origin, mirrored));
        let limits = Limits::default();
        let by_sform = door(&changed(&volume, &[]), &limits).unwrap();
        prop_assert_eq!(by_sform.data(), volume.data());
        prop_assert!(far_apart(&by_sform.to_lps(), &volume.to_lps()) < 1e-3);
        let no_sform = changed(&volume, &[(254, &[0, 0])]);
        let by_qform = door(&no_sform, &limits).unwrap();
        // A qform stores three parts of its quaternion as f32 and leaves the fourth to be sqrt(1 - b² - c² - d²). Where the fourth is
        // near zero, the rounding of the three moves it by up to sqrt(1.2e-7): a turn of 7e-4 rad, that grows with the distance.
        let reach = (0..3).map(|i| ([3.0, 2.0, 4.0][i] * spacing[i]).powi(2)).sum::<f64>().sqrt();
        prop_assert!(far_apart(&by_qform.to_lps(), &volume.to_lps()) < 1e-3 + 1e-3 * reach);
    }

    #[test]
    fn damaged_bytes_give_a_volume_or_a_refusal(
        edits in prop::collection::vec((0usize..480, any::<u8>()), 1..8),
        cut in 0usize..480,
        packed: bool,
    ) {
        let mut bytes = if packed { written(&upright()) } else { changed(&upright(), &[]) };
        let n = bytes.len();
        for (at, value) in edits {
            bytes[at % n] = value;
        }
        bytes.truncate(n - cut.min(n) / 4);
        let small = Limits { voxels: 1 << 20, ..Limits::default() };
        let _ = door(&bytes, &small);
    }
}

#[test]
fn files_are_ras_and_volumes_are_lps() {
    let raw = changed(&upright(), &[]);
    let f32_at = |at: usize| f32::from_le_bytes(raw[at..at + 4].try_into().unwrap());
    assert_eq!([f32_at(280), f32_at(292)], [-0.5, -10.0]);
    assert_eq!([f32_at(300), f32_at(308)], [-0.6, 20.0]);
    assert_eq!([f32_at(320), f32_at(324)], [2.0, 30.0]);
}

#[test]
fn the_same_volume_gives_the_same_bytes() {
    assert_eq!(written(&upright()), written(&upright()));
}

#[test]
fn slope_and_intercept_apply_and_a_slope_of_zero_means_none() {
    let limits = Limits::default();
    let scaled = [
        (112, &2.5f32.to_le_bytes()[..]),
        (116, &(-1000f32).to_le_bytes()[..]),
    ];
    let volume = door(&changed(&upright(), &scaled), &limits).unwrap();
    let first = upright().data()[40].0;
    assert_eq!(volume.data()[40], to_hu(f64::from(first) * 2.5 - 1000.0));
    let zero = door(&changed(&upright(), &[(112, &[0; 4])]), &limits).unwrap();
    assert_eq!(zero.data(), upright().data());
}

#[test]
fn what_is_not_read_is_named() {
    let limits = Limits::default();
    for (edits, word) in [
        (vec![(252, &[0u8, 0, 0, 0][..])], "orientation"),
        (
            vec![(0, &540i32.to_le_bytes()[..])],
            "shorter than a header",
        ),
        (vec![(344, &b"ni1\0"[..])], ".hdr/.img"),
        (vec![(40, &[4, 0][..]), (48, &[7, 0][..])], "7 volumes"),
        (vec![(70, &[128, 0][..])], "type 128"),
        (
            vec![(42, &[0xff, 0x7f, 0xff, 0x7f, 0xff, 0x7f][..])],
            "at most",
        ),
        (vec![(46, &[6, 0][..])], "ends after"),
    ] {
        let refusal = door(&changed(&upright(), &edits), &limits).unwrap_err();
        assert!(refusal.to_string().contains(word), "{refusal}");
    }
}

#[test]
fn a_mask_has_one_value_beside_zero() {
    let limits = Limits::default();
    let refusal = mask(&changed(&upright(), &[])[..], &limits).unwrap_err();
    assert_eq!(refusal.code(), "wrong_values");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("named.nii"); // packed all the same: content decides
    let truth = upright().map(|hu| hu.0 > 0);
    write_mask(&path, &truth).unwrap();
    let again = read_mask(&path, &limits).unwrap();
    assert_eq!(again.data(), truth.data());
}

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn any_flipped_byte_of_a_packed_file_is_refused_or_changes_nothing() {
    let whole = written(&upright());
    let volume = door(&whole, &Limits::default()).unwrap();
    let small = Limits {
        voxels: 1 << 20,
        ..Limits::default()
    };
    for at in 0..whole.len() {
        for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            if let Ok(read) = door(&bytes, &small) {
                assert_eq!(read, volume, "byte {at} ^ {flip}");
            }
        }
    }
    // The trailer is what proves the rest.
    for at in whole.len() - 8..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        let refusal = door(&bytes, &small).unwrap_err();
        assert!(refusal.to_string().contains("damaged"), "{refusal}");
    }
    assert!(door(&whole[..whole.len() - 1], &small).is_err());
}

#[test]
fn a_little_filling_is_passed_over_and_anything_else_at_the_end_is_refused() {
    let limits = Limits::default();
    for whole in [written(&upright()), changed(&upright(), &[])] {
        let with = |tail: &[u8]| door(&[&whole[..], tail].concat(), &limits);
        assert_eq!(with(&[0; 511]).unwrap(), with(&[]).unwrap());
        for tail in [&[7][..], &[0, 0, 9], &[0; 4096], b"\x1f\x8b"] {
            assert_eq!(with(tail).unwrap_err().code(), "format", "{}", tail.len());
        }
    }
    // Members one after another are one stream, as pigz and bgzip write them.
    let raw = changed(&upright(), &[]);
    let mut packed = Vec::new();
    for part in [&raw[..300], &raw[300..], &[]] {
        let mut packer = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::fast());
        std::io::Write::write_all(&mut packer, part).unwrap();
        packer.finish().unwrap();
    }
    assert_eq!(door(&packed, &limits).unwrap().data(), upright().data());
}

#[test]
fn two_orientations_agree_or_are_refused() {
    let code =
        |edits: &[(usize, &[u8])]| match door(&changed(&upright(), edits), &Limits::default()) {
            Ok(_) => "read",
            Err(refusal) => refusal.code(),
        };
    // The sform's first row is (-0.5, 0, 0, -10): mirrored in place, shifted, turned, scaled, damaged.
    for (row, expected) in [
        ([-0.5, 0.0, 0.0, -10.4], "read"),
        ([-0.5001, 0.0, 0.0001, -10.0], "read"),
        ([0.5, 0.0, 0.0, -11.5], "two_orientations"),
        ([-0.5, 0.0, 0.0, -11.5], "two_orientations"),
        ([-0.9, 0.0, 0.0, -10.0], "two_orientations"),
    ] {
        assert_eq!(code(&[(280, &f32s(&row))]), expected, "{row:?}");
    }
    let refusal = door(
        &changed(&upright(), &[(280, &f32s(&[0.5, 0.0, 0.0, -11.5]))]),
        &Limits::default(),
    );
    assert!(refusal.unwrap_err().to_string().contains("mirror image"));
}

#[test]
fn only_the_patients_millimetres_are_read() {
    let larger = f32s(&[-0.6, 0.0, 0.0, -10.0]);
    let limits = Limits::default();
    for (qform, sform, expected) in [
        (1, 1, "read"),
        (2, 1, "read"),
        (1, 2, "read"),
        (1, 0, "read"),
        (0, 2, "read"),
        (1, 4, "read"),
        (0, 4, "template_space"),
        (3, 3, "template_space"),
        (4, 0, "template_space"),
        (0, 0, "no_orientation"),
        (-1, 0, "no_orientation"),
    ] {
        let codes = [i16::to_le_bytes(qform), i16::to_le_bytes(sform)].concat();
        match door(&changed(&upright(), &[(252, &codes)]), &limits) {
            Ok(volume) => {
                assert_eq!(expected, "read", "q {qform}, s {sform}");
                assert!(far_apart(&volume.to_lps(), &upright().to_lps()) < 1e-3);
            }
            Err(refusal) => assert_eq!(refusal.code(), expected, "q {qform}, s {sform}"),
        }
    }
    // A template's sform, scaled to it, is not taken where the scanner's qform is there.
    let scaled = changed(&upright(), &[(252, &[1, 0, 4, 0]), (280, &larger)]);
    let volume = door(&scaled, &limits).unwrap();
    assert!(far_apart(&volume.to_lps(), &upright().to_lps()) < 1e-3);
    // Aligned to another scan by a registration that scales: 40 voxels along i make 4 mm of it.
    let header = [
        (252, &[0, 0, 2, 0][..]),
        (280, &f32s(&[-1.0, 0.0, 0.0, -10.0])[..]),
    ];
    let refusal = door(&changed(&upright(), &header), &limits).unwrap_err();
    assert_eq!(refusal.code(), "two_sizes");
}

/// Neither form: the voxel sizes and what a person says of the axes.
#[test]
fn an_orientation_is_given_by_hand_only_to_a_file_that_has_none() {
    let given = Limits {
        orientation: Some("RPS".parse().unwrap()),
        ..Limits::default()
    };
    let none: [(usize, &[u8]); 1] = [(252, &[0, 0, 0, 0])];
    let silent = changed(&upright(), &none);
    assert!(matches!(
        door(&silent, &Limits::default()),
        Err(Refusal::NoOrientation { .. })
    ));
    let volume = door(&silent, &given).unwrap();
    let columns = [0, 1, 2].map(|a| volume.to_lps().column(a));
    for (column, wanted) in columns
        .iter()
        .zip([[-0.5, 0.0, 0.0], [0.0, 0.6, 0.0], [0.0, 0.0, 2.0]])
    {
        assert!(
            column.plus(Vector::new(wanted).times(-1.0)).length() < 1e-6,
            "{column:?}"
        );
    }
    assert_eq!(volume.data(), upright().data());
    for says in [
        changed(&upright(), &[]),
        changed(&upright(), &[(252, &[0, 0, 4, 0])]),
    ] {
        assert!(matches!(
            door(&says, &given),
            Err(Refusal::OrientationSaid { .. })
        ));
    }
    // pixdim[1] of 0: no size.
    let sizeless = changed(&upright(), &[(252, &[0; 4]), (80, &[0; 4])]);
    assert!(matches!(
        door(&sizeless, &given),
        Err(Refusal::Format { .. })
    ));
}

/// The same volume as NIfTI-2 (nifti2.h), in either byte order.
fn second(volume: &Volume<Hu>, big_endian: bool) -> Vec<u8> {
    let first = changed(volume, &[]);
    let order = |bytes: &[u8]| -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        if big_endian {
            bytes.reverse();
        }
        bytes
    };
    let i16_at = |at: usize| i16::from_le_bytes([first[at], first[at + 1]]);
    let f32_at = |at: usize| f64::from(f32::from_le_bytes(*first[at..].first_chunk().unwrap()));
    let mut header = vec![0u8; 544];
    let mut put = |at: usize, bytes: Vec<u8>| header[at..at + bytes.len()].copy_from_slice(&bytes);
    put(0, order(&540i32.to_le_bytes()));
    put(4, b"n+2\0\r\n\x1a\n".to_vec());
    put(12, order(&i16_at(70).to_le_bytes()));
    for n in 0..8 {
        put(
            16 + 8 * n,
            order(&i64::from(i16_at(40 + 2 * n)).to_le_bytes()),
        );
        put(104 + 8 * n, order(&f32_at(76 + 4 * n).to_le_bytes()));
    }
    put(168, order(&544i64.to_le_bytes()));
    put(176, order(&f32_at(112).to_le_bytes()));
    put(184, order(&f32_at(116).to_le_bytes()));
    put(344, order(&i32::from(i16_at(252)).to_le_bytes()));
    put(348, order(&i32::from(i16_at(254)).to_le_bytes()));
    for n in 0..6 {
        put(352 + 8 * n, order(&f32_at(256 + 4 * n).to_le_bytes()));
    }
    for n in 0..12 {
        put(400 + 8 * n, order(&f32_at(280 + 4 * n).to_le_bytes()));
    }
    put(500, order(&i32::from(first[123]).to_le_bytes()));
    header.extend(first[352..].chunks(2).flat_map(order));
    header
}

#[test]
fn nifti_2_is_the_same_volume() {
    let volume = ramp(grid(
        [0.1, -0.2, 0.3],
        [0.5, 0.6, 2.0],
        [10.0, -20.0, 30.0],
        true,
    ));
    let first = door(&changed(&volume, &[]), &Limits::default()).unwrap();
    for big_endian in [false, true] {
        let bytes = second(&volume, big_endian);
        assert_eq!(door(&bytes, &Limits::default()).unwrap(), first);
        let qform = {
            let mut bytes = bytes.clone();
            bytes[348..352].fill(0);
            door(&bytes, &Limits::default()).unwrap()
        };
        assert!(far_apart(&qform.to_lps(), &first.to_lps()) < 1e-3);
        for cut in (0..bytes.len()).step_by(7) {
            assert!(door(&bytes[..cut], &Limits::default()).is_err(), "{cut}");
        }
        // A copy as text turns the mark's line end.
        let mut text = bytes.clone();
        text[8] = b'\n';
        assert!(door(&text, &Limits::default()).is_err());
        // Sizes whose product leaves 64 bits are bounded, and nothing is reserved for them.
        let mut vast = bytes;
        for n in 1..=3 {
            let size = i64::MAX.to_le_bytes();
            vast[16 + 8 * n..24 + 8 * n].copy_from_slice(&size);
            if big_endian {
                vast[16 + 8 * n..24 + 8 * n].reverse();
            }
        }
        let refusal = door(&vast, &Limits::default()).unwrap_err();
        assert_eq!(refusal.code(), "too_much");
    }
}

proptest! {
    /// Whatever a header of either version holds: a volume or a refusal.
    #[test]
    fn a_damaged_nifti_2_is_a_volume_or_a_refusal(
        edits in proptest::collection::vec((0usize..560, any::<u8>()), 1..12),
        big_endian: bool,
    ) {
        let mut bytes = second(&upright(), big_endian);
        for (at, byte) in edits {
            bytes[at] = byte;
        }
        let _ = door(&bytes, &Limits { voxels: 1 << 16, ..Limits::default() });
    }
}

/// A reader that shares nothing with ours finds the values and the affine that were written.
#[test]
fn what_is_written_is_what_another_reader_reads() {
    use ::nifti::{IntoNdArray, NiftiObject, ReaderOptions};
    let volume = ramp(grid(
        [0.1, -0.2, 0.3],
        [0.5, 0.6, 2.0],
        [10.0, -20.0, 30.0],
        true,
    ));
    let dir = tempfile::tempdir().unwrap();
    let read = |path: &Path| ReaderOptions::new().read_file(path).unwrap();

    let path = dir.path().join("v.nii.gz");
    write_hu(&path, &volume).unwrap();
    let object = read(&path);
    let header = object.header();
    assert_eq!((header.sform_code, header.qform_code), (1, 1));
    let rows = [header.srow_x, header.srow_y, header.srow_z];
    for ((row, wanted), sign) in rows.iter().zip(volume.to_lps().0).zip([-1.0, -1.0, 1.0]) {
        for (x, wanted) in row.iter().zip(wanted) {
            assert!((f64::from(*x) - sign * wanted).abs() < 1e-5, "{rows:?}");
        }
    }
    let values = object.into_volume().into_ndarray::<f32>().unwrap();
    assert_eq!(values.shape(), volume.shape());
    for (offset, hu) in volume.data().iter().enumerate() {
        let at = volume.index(offset);
        assert_eq!(values[&at[..]], f32::from(hu.0), "{at:?}");
    }

    let mask = volume.map(|hu| hu.0 % 2 == 0);
    write_mask(&path, &mask).unwrap();
    let values = read(&path).into_volume().into_ndarray::<u8>().unwrap();
    for (offset, &set) in mask.data().iter().enumerate() {
        assert_eq!(values[&mask.index(offset)[..]], u8::from(set));
    }
}
