//! STL: triangles without a unit (taken as mm) and without shared vertices.
//!
//! Reads binary and text, also binary files whose header begins with `solid`; a file whose length does not fit
//! its count is refused, never read in part. Writes binary: the same mesh gives the same bytes.

use super::fault::{MeshError, TRIANGLES_MAX};
use super::file::Loaded;
use super::weld::weld;
use super::{Mesh, check};
use crate::status::Finding;
use std::io::Write;

mod text;

/// Bytes before the first triangle of a binary file: header and count.
const HEAD: usize = 84;
/// Bytes of a triangle in a binary file.
const STEP: usize = 50;
/// What some programs put before a text.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads an STL from its bytes. Normals are not read: the corners say which way a face looks.
///
/// # Errors
/// [`MeshError`] for a file that is cut, damaged, empty or too large.
pub fn read<S>(bytes: &[u8]) -> Result<Loaded<S>, MeshError> {
    let loaded = match Binary::of(bytes) {
        Some(head) if head.fits() => Loaded::plain(weld(&binary_corners(bytes)?)),
        _ if is_text(bytes) => text_mesh(bytes)?,
        Some(head) => with_trailer(bytes, &head)?,
        None => return Err(MeshError::Empty("STL")),
    };
    if loaded.mesh.triangles.is_empty() {
        return Err(MeshError::Empty("STL"));
    }
    Ok(loaded)
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
    /// The length is that of the count.
    fn fits(&self) -> bool {
        self.said == self.room && self.rest == 0
    }
    /// All triangles of the count are there.
    fn holds(&self) -> bool {
        self.said <= self.room
    }
}

/// Text begins with `solid` in any case. A binary head may, too, but the highest byte of its count is 0 for every
/// number of triangles that is read.
fn is_text(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let word = text.trim_ascii_start().get(..5).unwrap_or_default();
    word.eq_ignore_ascii_case(b"solid") && !bytes[..bytes.len().min(HEAD)].contains(&0)
}

fn text_mesh<S>(bytes: &[u8]) -> Result<Loaded<S>, MeshError> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let text = text::read(&String::from_utf8_lossy(bytes))?;
    let mut loaded = Loaded::plain(weld(&text.corners));
    if !text.ended {
        // Cut between two facets, or written so: what is closed is whole.
        if text.corners.is_empty() || check::inspect(&loaded.mesh).open_edges > 0 {
            return Err(MeshError::Format {
                kind: "STL",
                at: bytes.split(|&b| b == b'\n').count(),
                what: "the file ends before 'endsolid', and the part is open".into(),
            });
        }
        loaded.findings.push(Finding::warn(
            "mesh_end",
            "The STL ends without 'endsolid'. The part is closed, so nothing of it is missing.",
        ));
    }
    Ok(loaded)
}

/// Bytes behind the last triangle: some programs leave notes there. They are passed over only when the triangles
/// that the head counts close a part; else the count is wrong or the file is cut.
fn with_trailer<S>(bytes: &[u8], head: &Binary) -> Result<Loaded<S>, MeshError> {
    let wrong = MeshError::Count {
        said: head.said,
        room: head.room,
        rest: head.rest,
    };
    let end = usize::try_from(head.said).ok().filter(|_| head.holds());
    let Some(end) = end.map(|count| HEAD + count * STEP) else {
        return Err(wrong);
    };
    let mesh = weld(&binary_corners(&bytes[..end])?);
    if mesh.triangles.is_empty() || check::inspect(&mesh).open_edges > 0 {
        return Err(wrong);
    }
    let extra = bytes.len() - end;
    let text = format!(
        "The STL has {extra} bytes behind its last triangle; they were passed over. The part is closed without them."
    );
    Ok(Loaded {
        mesh,
        findings: vec![Finding::warn("mesh_trailer", text)],
    })
}

fn binary_corners(bytes: &[u8]) -> Result<Vec<[f64; 3]>, MeshError> {
    let triangles = bytes.get(HEAD..).unwrap_or_default().chunks_exact(STEP);
    if triangles.len() > TRIANGLES_MAX {
        return Err(MeshError::TooMany);
    }
    let mut corners = Vec::with_capacity(3 * triangles.len());
    for (n, triangle) in triangles.enumerate() {
        // Twelve numbers of four bytes: the normal, then the corners.
        let (numbers, _) = triangle.as_chunks::<4>();
        for corner in numbers[3..12].as_chunks::<3>().0 {
            let place = corner.map(f32::from_le_bytes);
            if !place.iter().all(|x| x.is_finite()) {
                return Err(MeshError::Format {
                    kind: "STL",
                    at: n + 1,
                    what: "a coordinate that is not a number".into(),
                });
            }
            corners.push(place.map(f64::from));
        }
    }
    Ok(corners)
}

#[cfg(test)]
mod tests;
