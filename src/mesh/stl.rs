//! STL: triangles without a unit (taken as mm) and without shared vertices.
//!
//! Reads binary and text, also binary files whose header begins with `solid`; a file whose length does not fit
//! its count is refused, never read in part. Writes binary: the same mesh gives the same bytes.

use super::Mesh;
use super::fault::{MeshError, TRIANGLES_MAX};
use super::weld::weld;
use std::io::{Cursor, Write};

/// Bytes before the first triangle of a binary file: header and count.
const HEAD: usize = 84;
/// Bytes of a triangle in a binary file.
const STEP: usize = 50;

/// Reads an STL from its bytes.
///
/// # Errors
/// [`MeshError`] for a file that is cut, damaged, empty or too large.
pub fn read<S>(bytes: &[u8]) -> Result<Mesh<S>, MeshError> {
    let binary = Binary::of(bytes);
    let is_text = bytes.trim_ascii_start().starts_with(b"solid");
    let corners = match binary {
        Some(head) if head.fits() => binary_corners(bytes)?,
        _ if is_text => text_corners(bytes)?,
        Some(head) => {
            return Err(MeshError::Count {
                said: head.said,
                room: head.room,
            });
        }
        None => return Err(MeshError::Empty("STL")),
    };
    if corners.is_empty() {
        return Err(MeshError::Empty("STL"));
    }
    Ok(weld(&corners))
}

/// Writes a mesh as binary STL, coordinates rounded to `f32`. The header is 80 zeros: no date, no name.
///
/// # Errors
/// What `to` says.
pub fn write<S>(mesh: &Mesh<S>, to: &mut impl Write) -> std::io::Result<()> {
    let triangles = mesh.triangles.iter().map(|&t| {
        let corners = mesh.corners(t).map(|p| p.0.map(|x| x as f32));
        // From the rounded corners, so that reading and writing again changes nothing.
        let exact = corners.map(|c| crate::space::Vector::<S>::new(c.map(f64::from)));
        let side = |n: usize| {
            crate::space::Vector::<S>::new([0, 1, 2].map(|a| exact[n].0[a] - exact[0].0[a]))
        };
        let normal = side(1).cross(side(2));
        let length = normal.length();
        let normal = if length > 0.0 {
            normal.times(1.0 / length).0.map(|x| x as f32)
        } else {
            [0.0; 3]
        };
        stl_io::Triangle {
            normal: stl_io::Normal::new(normal),
            vertices: corners.map(stl_io::Vertex::new),
        }
    });
    stl_io::write_stl(to, triangles)
}

/// What the head of a binary file says, and what its length allows.
struct Binary {
    said: u64,
    room: u64,
    rest: u64,
}

impl Binary {
    fn of(bytes: &[u8]) -> Option<Self> {
        let count: [u8; 4] = bytes.get(80..HEAD)?.try_into().ok()?;
        let body = (bytes.len() - HEAD) as u64;
        Some(Self {
            said: u64::from(u32::from_le_bytes(count)),
            room: body / STEP as u64,
            rest: body % STEP as u64,
        })
    }
    fn fits(&self) -> bool {
        self.said == self.room && self.rest == 0
    }
}

fn binary_corners(bytes: &[u8]) -> Result<Vec<[f64; 3]>, MeshError> {
    // stl_io takes every file that begins with `solid ` as text: give it a header that does not.
    let mut plain = bytes.to_vec();
    plain[..80].fill(0);
    collect(plain)
}

/// Text, one or several solids. `stl_io` reads one solid and stops there; so all facets are put into one.
fn text_corners(bytes: &[u8]) -> Result<Vec<[f64; 3]>, MeshError> {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let mut one = String::with_capacity(text.len() + 32);
    one.push_str("solid part\n");
    let mut open = false;
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with("endsolid") {
            open = false;
        } else if line.starts_with("solid") {
            open = true;
        } else {
            one.push_str(line);
            one.push('\n');
        }
    }
    if open {
        return Err(MeshError::Format {
            kind: "STL",
            at: text.lines().count(),
            what: "the file ends before 'endsolid'".into(),
        });
    }
    one.push_str("endsolid\n");
    collect(one.into_bytes())
}

fn collect(bytes: Vec<u8>) -> Result<Vec<[f64; 3]>, MeshError> {
    let wrong = |at: usize, what: String| MeshError::Format {
        kind: "STL",
        at: at + 1,
        what,
    };
    let mut cursor = Cursor::new(bytes);
    let reader = stl_io::create_stl_reader(&mut cursor).map_err(|e| wrong(0, e.to_string()))?;
    let mut corners = Vec::new();
    for (n, triangle) in reader.enumerate() {
        if n >= TRIANGLES_MAX {
            return Err(MeshError::TooMany);
        }
        let triangle = triangle.map_err(|e| wrong(n, e.to_string()))?;
        for vertex in triangle.vertices {
            if !vertex.0.iter().all(|x| x.is_finite()) {
                return Err(wrong(n, "a coordinate that is not a number".into()));
            }
            corners.push(vertex.0.map(f64::from));
        }
    }
    Ok(corners)
}

#[cfg(test)]
mod tests {
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
        let again: Mesh<Lps> = read(&bytes).unwrap();
        assert!(inspect(&again).is_solid());
        assert_eq!(again.volume_mm3(), part().volume_mm3());
        assert_eq!(binary(&again), bytes);
    }

    #[test]
    fn a_binary_file_that_begins_with_solid_is_binary() {
        let mut bytes = binary(&part());
        bytes[..12].copy_from_slice(b"solid Export");
        let mesh: Mesh<Lps> = read(&bytes).unwrap();
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
        assert!(matches!(error, MeshError::Count { said: 13, room: 12 }));
        more[80] -= 2;
        assert!(read::<Lps>(&more).is_err());
    }

    #[test]
    fn text_is_read_whatever_its_name_line() {
        for name in ["", " part one", " facet"] {
            let mesh: Mesh<Lps> = read(text(&part(), name).as_bytes()).unwrap();
            assert!(inspect(&mesh).is_solid());
            assert!((mesh.volume_mm3() - part().volume_mm3()).abs() < 1e-3);
        }
        let upper = text(&part(), " x").to_ascii_uppercase();
        assert!(read::<Lps>(upper.replace("SOLID X", "solid x").as_bytes()).is_ok());
    }

    #[test]
    fn every_solid_of_a_text_is_read() {
        let other = cuboid([50.0; 3], [60.0; 3]);
        let both = text(&part(), " a") + &text(&other, " b");
        let mesh: Mesh<Lps> = read(both.as_bytes()).unwrap();
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
}
