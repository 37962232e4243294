//! Shapes for tests of this room and the ones above it.

use super::Mesh;
use crate::space::{Lps, Map, Point};

/// A mesh moved by so much, mm.
pub(crate) fn shifted(mesh: &Mesh<Lps>, by: [f64; 3]) -> Mesh<Lps> {
    mesh.mapped(&Map::new([
        [1.0, 0.0, 0.0, by[0]],
        [0.0, 1.0, 0.0, by[1]],
        [0.0, 0.0, 1.0, by[2]],
    ]))
}

/// A box from its lowest to its highest corner; vertex n at (n & 1, n >> 1 & 1, n >> 2).
pub(crate) fn cuboid(low: [f64; 3], high: [f64; 3]) -> Mesh<Lps> {
    let vertices = (0..8)
        .map(|n| Point::new([0, 1, 2].map(|a| if n >> a & 1 == 1 { high[a] } else { low[a] })));
    let quads: [[u32; 4]; 6] = [
        [0, 2, 3, 1],
        [4, 5, 7, 6],
        [0, 1, 5, 4],
        [2, 6, 7, 3],
        [0, 4, 6, 2],
        [1, 3, 7, 5],
    ];
    Mesh {
        vertices: vertices.collect(),
        triangles: quads
            .iter()
            .flat_map(|&[a, b, c, d]| [[a, b, c], [a, c, d]])
            .collect(),
    }
}

/// Both meshes as one, the second's vertices behind the first's.
pub(crate) fn joined(a: &Mesh<Lps>, b: &Mesh<Lps>) -> Mesh<Lps> {
    let shift = a.vertices.len() as u32;
    let mut both = a.clone();
    both.vertices.extend_from_slice(&b.vertices);
    both.triangles
        .extend(b.triangles.iter().map(|t| t.map(|v| v + shift)));
    both
}
