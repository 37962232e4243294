//! Shell: the vault as walls by direction, seen from the head's middle in its own axes.
//!
//! Directions are laid out by Lambert's equal-area map about the vertex, every node the same solid angle, down to the
//! nape and the floor of the temples. A direction may meet no bone (a hole), one wall (the vault), or several (what
//! lies under it, or beside it): all are kept, and who reads them knows which one is the vault. The mean and the
//! variation of these walls over many skulls is the [`Prior`](super::Prior).

use super::axes::Axes;
use super::skin::half_bone;
use crate::space::{Head, Ijk, Lps, Map, Point, Vector};
use crate::volume::{Volume, crop};
use rayon::prelude::*;

/// Side of a node's cell of directions, radians: 5 mm on a vault of 77 mm.
const CELL: f64 = 0.065;
/// Lowest direction from the vertex, degrees.
const LOWEST_DEG: f64 = 120.0;
/// Bone is looked for between these distances from the middle, mm.
const FROM_MM: f64 = 35.0;
const TO_MM: f64 = 135.0;
/// Step along a ray, mm; a surface within a step is bisected.
const STEP_MM: f64 = 0.5;
/// Tables belong together across diploe and air cells of this width, mm.
const DIPLOE_MM: f64 = 5.0;

/// Nodes from the map's middle to its edge.
fn half() -> usize {
    (2.0 * (LOWEST_DEG.to_radians() / 2.0).sin() / CELL).ceil() as usize
}

/// Cells a side of the square map of directions.
pub(super) fn side() -> usize {
    2 * half() + 1
}

/// Unit vector (left, back, up) of a cell of the map; `None` below the lowest direction.
pub(super) fn direction(cell: usize) -> Option<Vector<Head>> {
    let [a, b] = [cell % side(), cell / side()].map(|n| (n as f64 - half() as f64) * CELL);
    let rho2 = a * a + b * b;
    let up = 1.0 - rho2 / 2.0;
    let flat = (1.0 - rho2 / 4.0).max(0.0).sqrt();
    (up >= LOWEST_DEG.to_radians().cos()).then(|| Vector::new([a * flat, b * flat, up]))
}

/// Where on the map a place in the head lies, in cells; `None` off the map or in the middle of the head.
pub(super) fn place(at: Point<Head>) -> Option<[f64; 2]> {
    let length = at.0.iter().map(|x| x * x).sum::<f64>().sqrt();
    if length < 1e-6 {
        return None;
    }
    let [x, y, z] = at.0.map(|x| x / length);
    let scale = (2.0 / (1.0 + z).max(1e-6)).sqrt() / CELL;
    let place = [x, y].map(|x| x * scale + half() as f64);
    let last = (side() - 1) as f64;
    place.iter().all(|&x| x >= 0.0 && x < last).then_some(place)
}

/// The cells of the map that are nodes, in the order of everything that has one value a node.
pub(super) fn nodes() -> Vec<usize> {
    (0..side() * side())
        .filter(|&cell| direction(cell).is_some())
        .collect()
}

/// Inner and outer side of bone along a ray, mm from the head's middle.
pub type Wall = (f32, f32);

/// The walls of one skull.
#[derive(Clone, Debug)]
pub struct Shell {
    /// One entry a node: its walls, from inside out.
    pub walls: Vec<Vec<Wall>>,
}

impl Shell {
    /// Looks at a skull from its middle; `None` when there is no bone.
    pub fn cast(skull: &Volume<bool>, axes: &Axes) -> Option<Self> {
        let bounds = crop::bounds(skull)?;
        let to_ijk: Map<Lps, Ijk> = skull.to_ijk();
        let cells = nodes();
        let walls = cells
            .par_iter()
            .map(|&cell| {
                let Some(direction) = direction(cell) else {
                    return Vec::new();
                };
                let at = |mm: f64| {
                    let own = Point::new(direction.0.map(|x| x * mm));
                    half_bone(skull, &bounds, to_ijk.apply(axes.point(own)))
                };
                along(at)
            })
            .collect();
        Some(Self { walls })
    }

    /// Directions of the nodes (left, back, up), in the walls' order.
    pub fn directions() -> Vec<[f64; 3]> {
        let cells = nodes().into_iter();
        cells.filter_map(direction).map(|d| d.0).collect()
    }
}

/// The walls along one ray, from inside out.
fn along(bone: impl Fn(f64) -> bool) -> Vec<Wall> {
    let edge = |mut out: f64, mut inn: f64| {
        for _ in 0..4 {
            let middle = (out + inn) / 2.0;
            if bone(middle) {
                inn = middle;
            } else {
                out = middle;
            }
        }
        (out + inn) / 2.0
    };
    let mut walls: Vec<Wall> = Vec::new();
    let mut from: Option<f64> = bone(FROM_MM).then_some(FROM_MM);
    let steps = ((TO_MM - FROM_MM) / STEP_MM) as usize;
    for n in 1..=steps {
        let mm = FROM_MM + n as f64 * STEP_MM;
        let here = bone(mm);
        match (from, here) {
            (None, true) => from = Some(edge(mm - STEP_MM, mm)),
            (Some(start), false) => {
                let end = edge(mm, mm - STEP_MM);
                match walls.last_mut() {
                    Some(last) if start - f64::from(last.1) <= DIPLOE_MM => last.1 = end as f32,
                    _ => walls.push((start as f32, end as f32)),
                }
                from = None;
            }
            _ => {}
        }
    }
    walls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_its_place_and_the_map_is_its_own_mirror_image() {
        let cells = nodes();
        assert!((2000..2500).contains(&cells.len()), "{}", cells.len());
        for &cell in &cells {
            let direction = direction(cell).unwrap();
            let [a, b] = [cell % side(), cell / side()];
            let at = place(Point::new(direction.0.map(|x| 80.0 * x)));
            if let Some([u, v]) = at {
                assert!((u - a as f64).abs() < 1e-9 && (v - b as f64).abs() < 1e-9);
            }
            let other = b * side() + (side() - 1 - a);
            assert!(cells.binary_search(&other).is_ok());
        }
    }

    #[test]
    fn walls_are_found_to_a_twentieth_and_diploe_is_closed() {
        let bone = |mm: f64| {
            (60.0..62.0).contains(&mm) || (65.3..67.1).contains(&mm) || (90.0..92.0).contains(&mm)
        };
        let walls = along(bone);
        assert_eq!(walls.len(), 2, "{walls:?}");
        assert!((walls[0].0 - 60.0).abs() < 0.05 && (walls[0].1 - 67.1).abs() < 0.05);
    }
}
