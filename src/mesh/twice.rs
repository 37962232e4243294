//! Twice: faces that stand in the same place, the same way round, more than once.
//!
//! A solid has no such faces. Some programs write one face, or a whole part, twice; of each one is kept.

use super::Mesh;
use crate::status::Finding;
use std::collections::HashMap;

/// Keeps one of each set of equal faces; says how many went.
pub(super) fn mend<S>(mesh: &mut Mesh<S>) -> Option<Finding> {
    let places = places(mesh);
    // The same face may begin at any of its corners.
    let turned = |t: &[u32; 3]| {
        let [a, b, c] = t.map(|v| places[v as usize]);
        match a.min(b).min(c) {
            least if least == a => [a, b, c],
            least if least == b => [b, c, a],
            _ => [c, a, b],
        }
    };
    let mut faces: Vec<([u32; 3], u32)> = (mesh.triangles.iter().zip(0..))
        .map(|(t, n)| (turned(t), n))
        .collect();
    faces.sort_unstable();
    let mut extra = vec![false; mesh.triangles.len()];
    for group in faces.chunk_by(|a, b| a.0 == b.0) {
        for &(_, n) in &group[1..] {
            extra[n as usize] = true;
        }
    }
    let count = extra.iter().filter(|&&e| e).count();
    if count == 0 {
        return None;
    }
    let mut next = extra.into_iter();
    mesh.triangles.retain(|_| next.next() != Some(true));
    mesh.compact();
    let faces = if count == 1 { "face" } else { "faces" };
    let text = format!(
        "{count} {faces} of the mesh stood twice in the same place; one of each was kept. Look at the part before you \
         release it."
    );
    Some(Finding::warn("mesh_twice", text))
}

/// A number for each vertex; vertices in the same place have the same.
fn places<S>(mesh: &Mesh<S>) -> Vec<u32> {
    let mut known: HashMap<[u64; 3], u32> = HashMap::with_capacity(mesh.vertices.len());
    (mesh.vertices.iter().zip(0..))
        // Adding 0.0 turns -0.0 into 0.0.
        .map(|(v, n)| *known.entry(v.0.map(|x| (x + 0.0).to_bits())).or_insert(n))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::check::inspect;
    use crate::mesh::testing::{cuboid, joined};
    use proptest::prelude::*;

    #[test]
    fn a_sound_mesh_stays_as_it_is() {
        let mut mesh = joined(&cuboid([0.0; 3], [1.0; 3]), &cuboid([1.0; 3], [2.0; 3]));
        // A face turned over is another face.
        let mut turned = mesh.triangles[0];
        turned.swap(0, 1);
        mesh.triangles.push(turned);
        let before = mesh.clone();
        assert_eq!(mend(&mut mesh), None);
        assert_eq!(mesh, before);
    }

    proptest! {
        #[test]
        fn whatever_faces_stand_twice_the_part_comes_out(extra in prop::collection::vec((0usize..12, 0usize..3), 1..40)) {
            let part = cuboid([0.0; 3], [20.0, 16.0, 8.0]);
            let mut mesh = joined(&part, &part);
            mesh.triangles.truncate(12);
            for &(face, turn) in &extra {
                // The twin has vertices of its own and begins anywhere.
                let mut twin = part.triangles[face].map(|v| v + 8);
                twin.rotate_left(turn);
                mesh.triangles.push(twin);
            }
            let said = mend(&mut mesh).unwrap();
            let count = format!("{} face", extra.len());
            prop_assert!(said.text.starts_with(&count), "{}", said.text);
            prop_assert!(inspect(&mesh).is_solid());
            prop_assert!((mesh.volume_mm3() - part.volume_mm3()).abs() < 1e-9);
            prop_assert_eq!(mesh.vertices.len(), 8);
        }
    }
}
