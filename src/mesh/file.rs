//! File: which reader a mesh file gets.
//!
//! In:    bytes from anywhere: never trusted, never a panic, memory bounded by [`BYTES_MAX`] and
//!        `TRIANGLES_MAX`.
//! Out:   `Mesh<S>` in mm with shared vertices. Whether it is the border of a solid is `check`'s to say.
//! Never: repairs. Triangles that use a vertex twice after welding are the one thing left out.

use super::fault::{BYTES_MAX, MeshError, SIDE_MAX_MM, SIDE_MIN_MM};
use super::{Mesh, obj, stl, threemf};
use std::io::Read;
use std::path::Path;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::testing::cuboid;
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
        let error = load::<Lps>(Path::new("part.STEP")).unwrap_err();
        assert!(error.to_string().contains("'.step'"), "{error}");
    }
}
