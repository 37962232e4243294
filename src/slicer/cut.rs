//! Plane cuts: a closed mesh becomes one set of closed, oriented contours a layer.
//!
//! In:    triangles with corners in whole micrometres of the bed.
//! Out:   contours: solids counter-clockwise, holes clockwise.
//! Holds: cutting planes lie on half micrometres, corners on whole ones, so that no corner lies on a plane, no face
//!        is coplanar, and every triangle is cut in none or two edges: closed meshes give closed contours, without
//!        any tolerance. A crossing point is computed from the edge's lower-numbered corner, so both triangles
//!        get the same bits.

use super::SliceError;
use super::plane::{Contour, Spot, Um};
use crate::mesh::Mesh;
use crate::space::Bed;
use std::collections::HashMap;

/// A mesh on the micrometre grid with the neighbour over every edge.
#[derive(Clone, Debug)]
pub(super) struct Solid {
    /// Corners, um.
    corners: Vec<[i32; 3]>,
    /// Counter-clockwise from outside.
    triangles: Vec<[u32; 3]>,
    /// Triangle over the edge from corner k to corner k + 1.
    mates: Vec<[u32; 3]>,
}

impl Solid {
    /// Rounds a mesh to micrometres, welds equal corners and finds every triangle's neighbours.
    ///
    /// # Errors
    /// [`SliceError::Open`] when an edge is not used equally often in both directions.
    pub(super) fn new(mesh: &Mesh<Bed>) -> Result<Self, SliceError> {
        let mut numbers: HashMap<[i32; 3], u32> = HashMap::new();
        let mut corners = Vec::new();
        let welded: Vec<u32> = mesh
            .vertices
            .iter()
            .map(|p| {
                let um = p.0.map(|mm| Um::from_mm(mm).0);
                *numbers.entry(um).or_insert_with(|| {
                    corners.push(um);
                    (corners.len() - 1) as u32
                })
            })
            .collect();
        let triangles: Vec<[u32; 3]> = mesh
            .triangles
            .iter()
            .map(|t| t.map(|v| welded[v as usize]))
            .filter(|[a, b, c]| a != b && b != c && c != a)
            .collect();
        let mates = mates(&triangles)?;
        Ok(Self {
            corners,
            triangles,
            mates,
        })
    }

    /// Highest corner, um.
    pub(super) fn top_um(&self) -> i32 {
        self.corners.iter().map(|c| c[2]).max().unwrap_or(0)
    }

    /// Triangles crossed by each of the planes at `heights_um` + 1/2 (ascending), each list ascending.
    pub(super) fn crossings(&self, heights_um: &[i32]) -> Vec<Vec<u32>> {
        let mut lists = vec![Vec::new(); heights_um.len()];
        for (index, triangle) in self.triangles.iter().enumerate() {
            let z = triangle.map(|v| self.corners[v as usize][2]);
            let (low, high) = (z[0].min(z[1]).min(z[2]), z[0].max(z[1]).max(z[2]));
            // Plane h + 1/2 crosses when low <= h < high.
            let from = heights_um.partition_point(|&h| h < low);
            let to = heights_um.partition_point(|&h| h < high);
            for list in &mut lists[from..to] {
                list.push(index as u32);
            }
        }
        lists
    }

    /// The contours at height `z_um` + 1/2 from the triangles that cross it (ascending).
    pub(super) fn contours(&self, z_um: i32, crossing: &[u32]) -> Vec<Contour> {
        let mut seen = vec![false; crossing.len()];
        let mut contours = Vec::new();
        for start in 0..crossing.len() {
            let mut contour = Vec::new();
            let mut at = start;
            while !seen[at] {
                seen[at] = true;
                let triangle = crossing[at] as usize;
                let Some(side) = self.rising(triangle, z_um) else {
                    break;
                };
                contour.push(self.cross(triangle, side, z_um));
                let next = self.mates[triangle][side];
                // The neighbour over a crossed edge is crossed too, so it is in the list.
                match crossing.binary_search(&next) {
                    Ok(index) => at = index,
                    Err(_) => break,
                }
            }
            contour.dedup();
            if contour.len() >= 3 {
                contours.push(contour);
            }
        }
        contours
    }

    /// The side over which the triangle's boundary goes up through the plane. Leaving every triangle there walks
    /// round solids counter-clockwise: seen from outside, with up upwards, that side is the right one.
    fn rising(&self, triangle: usize, z_um: i32) -> Option<usize> {
        let above = self.triangles[triangle].map(|v| self.corners[v as usize][2] > z_um);
        (0..3).find(|&side| !above[side] && above[(side + 1) % 3])
    }

    /// Where the side crosses the plane.
    fn cross(&self, triangle: usize, side: usize, z_um: i32) -> Spot {
        let corners = self.triangles[triangle];
        let (a, b) = (corners[side], corners[(side + 1) % 3]);
        let [p, q] = [a.min(b), a.max(b)].map(|v| self.corners[v as usize].map(i64::from));
        // In half micrometres, so that the plane is a whole number.
        let share = 2 * i64::from(z_um) + 1 - 2 * p[2];
        let whole = 2 * (q[2] - p[2]);
        let [x, y] = [0, 1].map(|axis| {
            let step = (q[axis] - p[axis]) * share;
            let half = if (step < 0) == (whole < 0) {
                whole / 2
            } else {
                -whole / 2
            };
            // Between two i32 coordinates.
            (p[axis] + (step + half) / whole) as i32
        });
        Spot::new(x, y)
    }
}

/// The triangle over each side. Edges that more than two triangles share are paired in order, which keeps contours
/// closed; the fill rule sorts out the rest.
fn mates(triangles: &[[u32; 3]]) -> Result<Vec<[u32; 3]>, SliceError> {
    // (corner, corner, forwards, triangle, side), sorted: both directions of an edge lie together.
    let mut sides: Vec<(u32, u32, bool, u32, u8)> = Vec::with_capacity(triangles.len() * 3);
    for (index, triangle) in triangles.iter().enumerate() {
        for side in 0..3_u8 {
            let (a, b) = (
                triangle[usize::from(side)],
                triangle[usize::from((side + 1) % 3)],
            );
            sides.push((a.min(b), a.max(b), a < b, index as u32, side));
        }
    }
    sides.sort_unstable();
    let mut mates = vec![[u32::MAX; 3]; triangles.len()];
    let mut open = 0;
    for edge in sides.chunk_by(|x, y| (x.0, x.1) == (y.0, y.1)) {
        let backwards = edge.partition_point(|e| !e.2);
        let (back, forth) = edge.split_at(backwards);
        open += back.len().abs_diff(forth.len());
        for (x, y) in back.iter().zip(forth) {
            mates[x.3 as usize][usize::from(x.4)] = y.3;
            mates[y.3 as usize][usize::from(y.4)] = x.3;
        }
    }
    if open > 0 {
        return Err(SliceError::Open { edges: open });
    }
    Ok(mates)
}

#[cfg(test)]
mod tests {
    use super::super::plane::Region;
    use super::super::shapes;
    use super::*;

    fn areas(mesh: &Mesh<Bed>, step_um: i32) -> f64 {
        let solid = Solid::new(mesh).unwrap();
        let heights: Vec<i32> = (0..solid.top_um() / step_um)
            .map(|i| i * step_um + step_um / 2)
            .collect();
        let volume: f64 = solid
            .crossings(&heights)
            .iter()
            .zip(&heights)
            .map(|(list, &z)| Region::from_contours(&solid.contours(z, list)).area_mm2())
            .sum();
        volume * f64::from(step_um) / 1000.0
    }

    #[test]
    fn a_box_is_cut_into_counter_clockwise_rectangles() {
        let solid = Solid::new(&shapes::cuboid([10.0, 20.0, 5.0])).unwrap();
        for z in [0, 2_500, 4_999] {
            let list = &solid.crossings(&[z])[0];
            let contours = solid.contours(z, list);
            assert_eq!(contours.len(), 1, "at {z}");
            assert_eq!(Region::from_contours(&contours).area_mm2(), 200.0);
        }
        assert!(solid.crossings(&[5_000])[0].is_empty());
    }

    #[test]
    fn areas_of_the_cuts_add_up_to_the_volume() {
        let cap = shapes::cap(60.0);
        let (cut, truth) = (areas(&cap, 100), cap.volume_mm3());
        assert!((cut / truth - 1.0).abs() < 2e-3, "{cut} against {truth}");
    }

    #[test]
    fn a_mesh_with_a_hole_is_refused_with_the_count() {
        let mut mesh = shapes::cuboid([10.0, 10.0, 10.0]);
        mesh.triangles.pop();
        assert!(matches!(
            Solid::new(&mesh),
            Err(SliceError::Open { edges: 3 })
        ));
    }
}
