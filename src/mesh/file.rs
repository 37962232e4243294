//! File: which reader a mesh file gets.
//!
//! In:    bytes from anywhere: never trusted, never a panic, memory bounded by [`BYTES_MAX`] and
//!        `TRIANGLES_MAX`.
//! Out:   [`Loaded`]: a mesh in mm with shared vertices, and what was noticed. Whether it is the border of a solid is
//!        `check`'s to say.
//! Never: repairs, but for two things: triangles that use a vertex twice after welding are left out, and of faces that
//!        stand twice in the same place one is kept, which is said.

use super::fault::{BYTES_MAX, FACET_MIN_MM, MeshError, SIDE_MAX_MM, SIDE_MIN_MM, SMALL_MM};
use super::{Mesh, obj, stl, threemf, twice};
use crate::space::Point;
use crate::status::Finding;
use std::io::Read;
use std::path::Path;

/// Numbers further apart than this blur a part, mm.
const STEP_MAX_MM: f64 = 0.1;

/// A mesh as it came from a file.
#[derive(Clone, Debug)]
pub struct Loaded<S> {
    /// The mesh, mm.
    pub mesh: Mesh<S>,
    /// What was left out or mended on the way.
    pub findings: Vec<Finding>,
}

impl<S> Loaded<S> {
    pub(super) fn plain(mesh: Mesh<S>) -> Self {
        Self {
            mesh,
            findings: Vec::new(),
        }
    }
}

/// The unit of a file that names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Millimetres.
    Millimetre,
    /// Centimetres.
    Centimetre,
    /// Metres.
    Metre,
    /// Inches.
    Inch,
}

impl Unit {
    /// Its length, mm.
    pub fn mm(self) -> f64 {
        match self {
            Self::Millimetre => 1.0,
            Self::Centimetre => 10.0,
            Self::Metre => 1000.0,
            Self::Inch => 25.4,
        }
    }
}

/// Reads a mesh file by its extension (`stl`, `obj`, `3mf`, any case) and checks that its size is that of a part.
/// STL and OBJ name no unit: they are taken as mm unless `unit` is given.
///
/// # Errors
/// [`MeshError`], nothing half-read.
pub fn load<S>(path: &Path, unit: Option<Unit>) -> Result<Loaded<S>, MeshError> {
    let extension = path
        .extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase();
    let read: fn(&[u8]) -> Result<Loaded<S>, MeshError> = match extension.as_str() {
        "stl" => stl::read,
        "obj" => obj::read,
        "3mf" if unit.is_some() => return Err(MeshError::Unit),
        "3mf" => threemf::read,
        _ => return Err(MeshError::Kind(extension)),
    };
    let mut bytes = Vec::new();
    // One byte past the limit tells a file that grows or lies about its length.
    std::fs::File::open(path)?
        .take(BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        let mib = std::fs::metadata(path)?.len() >> 20;
        return Err(MeshError::TooLarge { mib });
    }
    let mut loaded = read(&bytes)?;
    precise(&loaded.mesh)?;
    if let Some(unit) = unit {
        for vertex in &mut loaded.mesh.vertices {
            *vertex = Point::new(vertex.0.map(|x| x * unit.mm()));
        }
    }
    loaded.findings.extend(twice::mend(&mut loaded.mesh));
    sized(&loaded.mesh)?;
    if unit.is_none() && extension != "3mf" {
        not_in_centimetres(&loaded.mesh)?;
    }
    Ok(loaded)
}

/// Refuses a mesh whose size suggests another unit than mm.
///
/// # Errors
/// [`MeshError::Size`].
pub fn sized<S>(mesh: &Mesh<S>) -> Result<(), MeshError> {
    let side_mm = side_mm(mesh);
    if (SIDE_MIN_MM..=SIDE_MAX_MM).contains(&side_mm) {
        Ok(())
    } else {
        Err(MeshError::Size { side_mm })
    }
}

/// Longest side of the box round a mesh, mm.
fn side_mm<S>(mesh: &Mesh<S>) -> f64 {
    mesh.bounds().map_or(0.0, |(low, high)| {
        (0..3).map(|a| high.0[a] - low.0[a]).fold(0.0, f64::max)
    })
}

/// A skull plate in centimetres passes for a part of a few mm. Its facets tell: nobody draws them finer than what a
/// nozzle can lay.
fn not_in_centimetres<S>(mesh: &Mesh<S>) -> Result<(), MeshError> {
    let side_mm = side_mm(mesh);
    let edges: f64 = (mesh.triangles.iter())
        .map(|&t| {
            let [a, b, c] = mesh.corners(t);
            b.minus(a).length() + c.minus(b).length() + a.minus(c).length()
        })
        .sum();
    let facet_mm = edges / (3 * mesh.triangles.len()).max(1) as f64;
    if side_mm < SMALL_MM && facet_mm < FACET_MIN_MM {
        return Err(MeshError::Centimetres { side_mm, facet_mm });
    }
    Ok(())
}

/// Refuses a mesh that lies so far from the origin that the numbers of an STL, and of the programs that write OBJ and
/// 3MF (`f32`), are coarse there.
///
/// # Errors
/// [`MeshError::Coarse`].
fn precise<S>(mesh: &Mesh<S>) -> Result<(), MeshError> {
    let numbers = mesh.vertices.iter().flat_map(|v| v.0);
    let at_mm = numbers.fold(1.0, |most: f64, x| most.max(x.abs()));
    // The power of two below it, over the digits behind the first.
    let step_mm = (at_mm.log2().floor() + 1.0 - f64::from(f32::MANTISSA_DIGITS)).exp2();
    if step_mm > STEP_MAX_MM {
        return Err(MeshError::Coarse { at_mm, step_mm });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::testing::{cuboid, joined};
    use crate::space::Lps;

    #[test]
    fn a_part_in_inches_or_metres_is_refused() {
        for size in [0.16, 4.9, 401.0, 5000.0] {
            let mesh = cuboid([0.0; 3], [size, 1.0, 0.1]);
            assert!(matches!(sized(&mesh), Err(MeshError::Size { .. })));
        }
        assert!(sized(&cuboid([0.0; 3], [100.0, 80.0, 30.0])).is_ok());
    }

    #[test]
    fn a_kind_without_a_reader_is_named() {
        let error = load::<Lps>(Path::new("part.STEP"), None).unwrap_err();
        assert!(error.to_string().contains("'.step'"), "{error}");
    }

    /// A plate of facets as long as `edge_mm`, `side_mm` across.
    fn plate(side_mm: f64, edge_mm: f64) -> Mesh<Lps> {
        let count = (side_mm / edge_mm).round() as u32;
        let at = |i: u32, j: u32| Point::new([f64::from(i) * edge_mm, f64::from(j) * edge_mm, 0.0]);
        let number = |i: u32, j: u32| j * (count + 1) + i;
        let quads = (0..count).flat_map(|j| (0..count).map(move |i| (i, j)));
        Mesh {
            vertices: (0..=count)
                .flat_map(|j| (0..=count).map(move |i| at(i, j)))
                .collect(),
            triangles: quads
                .flat_map(|(i, j)| {
                    let [a, b] = [number(i, j), number(i + 1, j)];
                    let [c, d] = [number(i, j + 1), number(i + 1, j + 1)];
                    [[a, b, d], [a, d, c]]
                })
                .collect(),
        }
    }

    #[test]
    fn fine_facets_on_a_small_part_ask_for_the_unit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.stl");
        let saved = |mesh: &Mesh<Lps>| {
            let mut file = std::fs::File::create(&path).unwrap();
            stl::write(mesh, &mut file).unwrap();
        };
        // A plate of 100 mm with facets of 1 mm, drawn in centimetres.
        saved(&plate(10.0, 0.1));
        let error = load::<Lps>(&path, None).unwrap_err();
        assert!(matches!(error, MeshError::Centimetres { .. }), "{error}");
        let side = |unit| side_mm(&load::<Lps>(&path, Some(unit)).unwrap().mesh);
        assert!((side(Unit::Centimetre) - 100.0).abs() < 1e-3);
        assert!((side(Unit::Millimetre) - 10.0).abs() < 1e-3);
        // A small part with facets of its size, and a large one with fine facets, are what they are.
        for mesh in [plate(10.0, 1.0), plate(50.0, 0.5)] {
            saved(&mesh);
            assert!(load::<Lps>(&path, None).is_ok());
        }
        std::fs::copy(&path, path.with_extension("3mf")).unwrap();
        let named = load::<Lps>(&path.with_extension("3mf"), Some(Unit::Inch));
        assert!(matches!(named, Err(MeshError::Unit)));
    }

    #[test]
    fn a_part_so_far_off_that_its_numbers_are_coarse_is_refused() {
        for (far, fine) in [(0.0, true), (1e6, true), (1.1e6, false), (-1e9, false)] {
            let found = precise(&cuboid([far; 3], [far + 40.0, far + 30.0, far + 20.0]));
            assert_eq!(found.is_ok(), fine, "{far}");
            assert!(fine || matches!(found, Err(MeshError::Coarse { .. })));
        }
        // The step is that of the numbers themselves.
        let error = precise(&cuboid([0.0; 3], [2e6; 3]))
            .unwrap_err()
            .to_string();
        let next = f64::from(f32::from_bits(2e6f32.to_bits() + 1)) - 2e6;
        assert!(error.contains(&format!(" {next} mm apart")), "{error}");
    }

    #[test]
    fn doubled_faces_of_a_file_are_mended_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.stl");
        let part = cuboid([0.0; 3], [20.0, 16.0, 8.0]);
        let mut one = part.clone();
        one.triangles.push(part.triangles[3]);
        for (mesh, doubled) in [(one, "1 face"), (joined(&part, &part), "12 faces")] {
            let mut file = std::fs::File::create(&path).unwrap();
            stl::write(&mesh, &mut file).unwrap();
            let loaded = load::<Lps>(&path, None).unwrap();
            assert_eq!(loaded.mesh.triangles.len(), 12);
            assert!((loaded.mesh.volume_mm3() - part.volume_mm3()).abs() < 1e-6);
            assert!(loaded.findings[0].text.starts_with(doubled));
        }
    }
}
