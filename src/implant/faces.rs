//! Faces: which face of the part each triangle of its mesh belongs to.
//!
//! What looks outwards and lies over the middle of the thickness is the outer face; what looks inwards and lies under it the
//! inner one; the rest is the rim, but for the walls of perforations.

use super::part::Made;
use crate::mesh::Mesh;
use crate::mesh::tags::Face;
use crate::space::{Lps, Point};
use rayon::prelude::*;

/// A triangle that leans more than this against the ray through it is a wall, no face: the sine of 30 degrees. Bevelled
/// bone is steeper.
const WALL: f64 = 0.5;
/// A wall so far inside the outline, mm, is a perforation's.
const RIM_MM: f64 = 5.0;

/// One for each triangle, in the mesh's order.
pub(super) fn of(mesh: &Mesh<Lps>, made: &Made) -> Vec<Face> {
    let face = |&triangle: &[u32; 3]| {
        let corners = mesh.corners(triangle);
        let middle =
            Point::new([0, 1, 2].map(|a| corners.iter().map(|c| c.0[a]).sum::<f64>() / 3.0));
        let (inside_mm, over_mm) = made.place(middle);
        let normal = mesh.area_vector(triangle).unit();
        let out = made.outwards(middle).unit();
        let lean = normal.zip(out).map_or(0.0, |(n, o)| n.dot(o));
        match (lean > WALL, lean < -WALL) {
            (true, _) if over_mm > 0.0 => Face::Outer,
            (_, true) if over_mm < 0.0 => Face::Inner,
            _ if inside_mm > RIM_MM => Face::Hole,
            _ => Face::Rim,
        }
    };
    mesh.triangles.par_iter().map(face).collect()
}
