//! Weld: triangles that each bring their own corners become a mesh with shared vertices.

use super::{Mesh, check};
use crate::space::Point;
use std::collections::HashMap;

/// Triangles with corners of their own (mm) to a mesh with shared vertices: corners equal to the last bit are
/// one vertex. Where that leaves openings, corners equal after rounding to 1 um are one: programs that round
/// each triangle for itself need it.
pub(super) fn weld<S>(corners: &[[f64; 3]]) -> Mesh<S> {
    // Adding 0.0 turns -0.0 into 0.0.
    let exact = weld_by(corners, |p| p.map(|x| (x + 0.0).to_bits()));
    let open = |mesh: &Mesh<S>| check::inspect(mesh).open_edges;
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
}
