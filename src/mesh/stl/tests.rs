use super::*;
use crate::mesh::check::inspect;
use crate::mesh::testing::{cuboid, joined};
use crate::space::Lps;
use proptest::prelude::*;

fn binary(mesh: &Mesh<Lps>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(mesh, &mut bytes).unwrap();
    bytes
}

fn text(mesh: &Mesh<Lps>, name: &str) -> String {
    let mut out = format!("solid{name}\n");
    for &t in &mesh.triangles {
        out += "  facet normal 0 0 0\n    outer loop\n";
        for p in mesh.corners(t) {
            out += &format!("      vertex {:e} {} {}\n", p.0[0], p.0[1], p.0[2]);
        }
        out += "    endloop\n  endfacet\n";
    }
    out + "endsolid\n"
}

fn part() -> Mesh<Lps> {
    cuboid([1.0, -2.5, 300.25], [31.0, 20.0, 310.0])
}

#[test]
fn what_is_written_is_read_and_written_alike() {
    let bytes = binary(&part());
    assert_eq!(bytes.len(), HEAD + 12 * STEP);
    let again: Mesh<Lps> = read(&bytes).unwrap().mesh;
    assert!(inspect(&again).is_solid());
    assert_eq!(again.volume_mm3(), part().volume_mm3());
    assert_eq!(binary(&again), bytes);
}

#[test]
fn a_binary_file_that_begins_with_solid_is_binary() {
    let mut bytes = binary(&part());
    bytes[..12].copy_from_slice(b"solid Export");
    let mesh: Mesh<Lps> = read(&bytes).unwrap().mesh;
    assert_eq!(mesh.triangles.len(), 12);
}

#[test]
fn a_cut_file_and_a_wrong_count_are_refused() {
    let bytes = binary(&part());
    for length in [0, 10, 83, 84, 100, bytes.len() - 1] {
        assert!(read::<Lps>(&bytes[..length]).is_err(), "{length}");
    }
    let mut more = bytes.clone();
    more[80] += 1;
    let error = read::<Lps>(&more).unwrap_err();
    assert!(matches!(
        error,
        MeshError::Count {
            said: 13,
            room: 12,
            rest: 0
        }
    ));
    more[80] -= 2;
    assert!(read::<Lps>(&more).is_err());
}

#[test]
fn text_is_read_whatever_its_name_line() {
    for name in ["", " part one", " facet"] {
        let mesh: Mesh<Lps> = read(text(&part(), name).as_bytes()).unwrap().mesh;
        assert!(inspect(&mesh).is_solid());
        assert!((mesh.volume_mm3() - part().volume_mm3()).abs() < 1e-3);
    }
}

#[test]
fn every_solid_of_a_text_is_read() {
    let other = cuboid([50.0; 3], [60.0; 3]);
    let both = text(&part(), " a") + &text(&other, " b");
    let mesh: Mesh<Lps> = read(both.as_bytes()).unwrap().mesh;
    assert_eq!(inspect(&mesh).parts.len(), 2);
    let want = joined(&part(), &other).volume_mm3();
    assert!((mesh.volume_mm3() - want).abs() < 1e-2);
}

#[test]
fn a_cut_text_is_refused() {
    let whole = text(&part(), " a");
    for part in [1, 3, 5, 9] {
        assert!(read::<Lps>(&whole.as_bytes()[..whole.len() * part / 10]).is_err());
    }
    let bad = whole.replacen("vertex", "vertex nan", 1);
    assert!(read::<Lps>(bad.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..400), solid: bool) {
        if solid && bytes.len() > 6 {
            bytes[..6].copy_from_slice(b"solid ");
        }
        let _ = read::<Lps>(&bytes);
    }
}

/// Ways in which programs write the same text.
fn spellings(text: &str) -> [String; 5] {
    [
        text.to_ascii_uppercase(),
        text.replacen("solid", "Solid", 1),
        format!("\u{feff}{text}"),
        text.replace("endsolid", "end solid part"),
        text.replace("normal 0 0 0", "normal nan nan nan")
            .replace('\n', "\r\n"),
    ]
}

#[test]
fn text_is_read_however_it_is_spelled() {
    for spelled in spellings(&text(&part(), " part")) {
        let loaded = read::<Lps>(spelled.as_bytes()).unwrap();
        assert!(inspect(&loaded.mesh).is_solid(), "{spelled}");
        assert!((loaded.mesh.volume_mm3() - part().volume_mm3()).abs() < 1e-3);
        assert_eq!(loaded.findings, []);
    }
}

#[test]
fn a_text_without_its_last_line_is_read_when_the_part_is_closed() {
    let whole = text(&part(), "");
    let cut = whole.replace("endsolid\n", "");
    let loaded = read::<Lps>(cut.as_bytes()).unwrap();
    assert!(inspect(&loaded.mesh).is_solid());
    assert_eq!(loaded.findings[0].name, "mesh_end");
    let facet = cut.rfind("  facet").unwrap();
    let error = read::<Lps>(&cut.as_bytes()[..facet]).unwrap_err();
    assert!(error.to_string().contains("endsolid"), "{error}");
}

#[test]
fn normals_that_are_no_numbers_are_passed_over() {
    let mut bytes = binary(&part());
    for triangle in bytes[HEAD..].chunks_mut(STEP) {
        for number in triangle[..12].chunks_mut(4) {
            number.copy_from_slice(&f32::NAN.to_le_bytes());
        }
    }
    let loaded = read::<Lps>(&bytes).unwrap();
    assert_eq!(binary(&loaded.mesh), binary(&part()));
    bytes[HEAD + 12..HEAD + 16].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(read::<Lps>(&bytes).is_err());
}

#[test]
fn bytes_behind_the_last_triangle_are_said() {
    let whole = binary(&part());
    for extra in [1, 26, 50, 177] {
        let more: Vec<u8> = whole.iter().copied().chain(vec![b'x'; extra]).collect();
        let loaded = read::<Lps>(&more).unwrap();
        assert_eq!(loaded.mesh.triangles.len(), 12);
        assert!(loaded.findings[0].text.contains(&format!(" {extra} bytes")));
        // A count that leaves the part open is wrong, whatever lies behind it.
        let mut less = more;
        less[80] -= 1;
        let error = read::<Lps>(&less).unwrap_err();
        assert!(
            matches!(error, MeshError::Count { said: 11, .. }),
            "{error}"
        );
        assert!(!error.to_string().contains("room for 11"), "{error}");
    }
}

proptest! {
    #[test]
    fn any_box_is_read_alike_in_every_spelling(
        low in prop::array::uniform3(-200.0f32..200.0),
        size in prop::array::uniform3(1.0f32..90.0),
    ) {
        let high = [0, 1, 2].map(|a| f64::from(low[a] + size[a]));
        let mesh = cuboid(low.map(f64::from), high);
        let want = binary(&mesh);
        for spelled in spellings(&text(&mesh, " any name")) {
            prop_assert_eq!(&binary(&read::<Lps>(spelled.as_bytes()).unwrap().mesh), &want);
        }
    }

    #[test]
    fn no_words_panic(text in "(solid|SOLID|facet|vertex|endloop|endfacet|end|endsolid|nan|[0-9. \n-]){0,60}") {
        let _ = read::<Lps>(text.as_bytes());
        let _ = read::<Lps>(format!("solid\n{text}").as_bytes());
    }
}
