//! File: which reader a mesh file gets, what may be wrong with one, and its limits.
//!
//! In:    bytes from anywhere: never trusted, never a panic, memory bounded by [`BYTES_MAX`] and
//!        [`TRIANGLES_MAX`].
//! Out:   `Mesh<S>` in mm with shared vertices. Whether it is the border of a solid is `check`'s to say.
//! Never: repairs. Triangles that use a vertex twice after welding are the one thing left out.

use super::{Mesh, obj, stl, threemf};
use crate::space::Point;
use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

/// Largest mesh file read: 10 million triangles as binary STL.
pub const BYTES_MAX: u64 = 512 << 20;
/// Most triangles read. A skull plate at 0.5 mm has under a million.
pub const TRIANGLES_MAX: usize = 10_000_000;
/// A part whose longest side is under this is likely drawn in inches or metres, in mm.
pub const SIDE_MIN_MM: f64 = 5.0;
/// A part whose longest side is over this likely has another unit, in mm.
pub const SIDE_MAX_MM: f64 = 400.0;

/// Why a mesh file is not read. Never a path or a name.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    /// Larger than the station reads.
    #[error("the mesh file has {mib} MiB; at most {} are read. Reduce the triangles.", BYTES_MAX >> 20)]
    TooLarge {
        /// Size in MiB.
        mib: u64,
    },
    /// More triangles than the station reads.
    #[error("the mesh has more than {TRIANGLES_MAX} triangles. Reduce them.")]
    TooMany,
    /// No reader for this kind of file.
    #[error("'.{0}' is no mesh file that is read here. Save it as STL, OBJ or 3MF.")]
    Kind(String),
    /// The number of triangles in a binary STL does not fit its length.
    #[error(
        "the STL says {said} triangles and has room for {room}: the file is cut or damaged. Save it again."
    )]
    Count {
        /// The count in its header.
        said: u64,
        /// Whole triangles that its length holds.
        room: u64,
    },
    /// A text or XML that does not follow its format.
    #[error("{kind}, line or element {at}: {what}. Save the file again.")]
    Format {
        /// STL, OBJ or 3MF.
        kind: &'static str,
        /// Line, triangle or element number from 1.
        at: usize,
        /// What is wrong there.
        what: String,
    },
    /// A file of the right kind without a single triangle.
    #[error("the {0} holds no triangle. Save the part as a mesh.")]
    Empty(&'static str),
    /// A size that suggests another unit.
    #[error(
        "the part's longest side is {side_mm:.2} mm; {SIDE_MIN_MM} to {SIDE_MAX_MM} mm are expected. \
         Was it drawn in inches or metres? Scale it to millimetres."
    )]
    Size {
        /// Longest side of its box, mm.
        side_mm: f64,
    },
    /// The operating system's reason.
    #[error("the mesh file could not be read. Copy it again.")]
    Read(#[from] std::io::Error),
}

/// Reads a mesh file by its extension (`stl`, `obj`, `3mf`, any case) and checks that its size is that of a part.
///
/// # Errors
/// [`MeshError`], nothing half-read.
pub fn load<S>(path: &Path) -> Result<Mesh<S>, MeshError> {
    let extension = path
        .extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase();
    let read: fn(&[u8]) -> Result<Mesh<S>, MeshError> = match extension.as_str() {
        "stl" => stl::read,
        "obj" => obj::read,
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
    let mesh = read(&bytes)?;
    sized(&mesh)?;
    Ok(mesh)
}

/// Refuses a mesh whose size suggests another unit than mm.
///
/// # Errors
/// [`MeshError::Size`].
pub fn sized<S>(mesh: &Mesh<S>) -> Result<(), MeshError> {
    let side_mm = mesh.bounds().map_or(0.0, |(low, high)| {
        (0..3).map(|a| high.0[a] - low.0[a]).fold(0.0, f64::max)
    });
    if (SIDE_MIN_MM..=SIDE_MAX_MM).contains(&side_mm) {
        Ok(())
    } else {
        Err(MeshError::Size { side_mm })
    }
}

/// Triangles with corners of their own (mm) to a mesh with shared vertices: corners equal to the last bit are
/// one vertex. Where that leaves openings, corners equal after rounding to 1 um are one: programs that round
/// each triangle for itself need it.
pub(super) fn weld<S>(corners: &[[f64; 3]]) -> Mesh<S> {
    // Adding 0.0 turns -0.0 into 0.0.
    let exact = weld_by(corners, |p| p.map(|x| (x + 0.0).to_bits()));
    let open = |mesh: &Mesh<S>| super::check::inspect(mesh).open_edges;
    let gaps = open(&exact);
    if gaps == 0 {
        return exact;
    }
    let snapped = weld_by(corners, |p| p.map(|x| (x * 1000.0).round() as i64));
    if open(&snapped) < gaps {
        snapped
    } else {
        exact
    }
}

fn weld_by<S, K: std::hash::Hash + Eq>(
    corners: &[[f64; 3]],
    key: impl Fn([f64; 3]) -> K,
) -> Mesh<S> {
    let mut known: HashMap<K, u32> = HashMap::new();
    let mut mesh = Mesh {
        vertices: Vec::new(),
        triangles: Vec::with_capacity(corners.len() / 3),
    };
    for triangle in corners.chunks_exact(3) {
        let mut indices = [0; 3];
        for (index, &corner) in indices.iter_mut().zip(triangle) {
            *index = *known.entry(key(corner)).or_insert_with(|| {
                mesh.vertices.push(Point::new(corner));
                // At most three a triangle: TRIANGLES_MAX keeps this far below 2^32.
                (mesh.vertices.len() - 1) as u32
            });
        }
        if indices[0] != indices[1] && indices[1] != indices[2] && indices[2] != indices[0] {
            mesh.triangles.push(indices);
        }
    }
    mesh
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::check::inspect;
    use crate::mesh::testing::cuboid;
    use crate::space::Lps;

    #[test]
    fn corners_that_differ_by_rounding_are_welded_to_a_micrometre() {
        let mesh = cuboid([0.0; 3], [10.0; 3]);
        let mut corners: Vec<[f64; 3]> = (mesh.triangles.iter())
            .flat_map(|&t| mesh.corners(t).map(|p| p.0))
            .collect();
        for (n, corner) in corners.iter_mut().enumerate() {
            corner[0] += 1e-5 * (n % 7) as f64;
        }
        let welded: Mesh<Lps> = weld(&corners);
        assert_eq!(welded.vertices.len(), 8);
        assert!(inspect(&welded).is_solid());
    }

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
        let error = load::<Lps>(Path::new("part.STEP")).unwrap_err();
        assert!(error.to_string().contains("'.step'"), "{error}");
    }
}
