//! Seams: where a loop begins and ends.
//!
//! Holds: the seam lies on the face that looks at the brain, where roughness matters least, and follows the seam of
//!        the layer below as far as that allows.

use super::plane::{Spot, distance_um};
use crate::mesh::Mesh;

/// How much of the best face value may be given up for a seam near the one below: cosine units.
const ALIGN: f64 = 0.2;

/// Centre of the sphere that fits the corners best (least squares of |p|2 = 2 c.p + k), um. For a shell it lies on
/// the inner side; a part without curvature gets its own middle.
pub(super) fn centre_um<S>(mesh: &Mesh<S>) -> [f64; 3] {
    let count = mesh.vertices.len().max(1) as f64;
    let mut middle = [0.0; 3];
    for v in &mesh.vertices {
        for axis in 0..3 {
            middle[axis] += v.0[axis] / count;
        }
    }
    let mut rows = [[0.0; 5]; 4];
    for v in &mesh.vertices {
        let p = [0, 1, 2].map(|a| v.0[a] - middle[a]);
        let one = [2.0 * p[0], 2.0 * p[1], 2.0 * p[2], 1.0];
        let square = p.iter().map(|c| c * c).sum::<f64>();
        for (i, row) in rows.iter_mut().enumerate() {
            for (j, value) in one.iter().enumerate() {
                row[j] += one[i] * value;
            }
            row[4] += one[i] * square;
        }
    }
    let shift = solve(rows).filter(|c| c.iter().all(|v| v.abs() < 1000.0));
    let [x, y, z, _] = shift.unwrap_or_default();
    [x, y, z]
        .iter()
        .zip(middle)
        .map(|(c, m)| (c + m) * 1000.0)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap_or_default()
}

/// Gauss with pivoting; `None` when singular.
fn solve(mut rows: [[f64; 5]; 4]) -> Option<[f64; 4]> {
    for i in 0..4 {
        let pivot = (i..4).max_by(|&a, &b| rows[a][i].abs().total_cmp(&rows[b][i].abs()))?;
        rows.swap(i, pivot);
        if rows[i][i].abs() < 1e-9 {
            return None;
        }
        for j in 0..4 {
            if j != i {
                let factor = rows[j][i] / rows[i][i];
                for k in i..5 {
                    rows[j][k] -= factor * rows[i][k];
                }
            }
        }
    }
    Some([0, 1, 2, 3].map(|i| rows[i][4] / rows[i][i]))
}

/// Index of the spot at which an outer loop should begin. `inner` is where the inner face looks, `below` the seam of
/// the layer below that is nearest.
pub(super) fn choose(contour: &[Spot], inner: Spot, below: Option<Spot>) -> usize {
    let values: Vec<f64> = (0..contour.len())
        .map(|i| facing(contour, i, inner))
        .collect();
    let best = values.iter().copied().fold(f64::INFINITY, f64::min);
    (0..contour.len())
        .filter(|&i| values[i] <= best + ALIGN)
        .min_by(|&a, &b| {
            let far = |i: usize| below.map_or(values[i], |seam| distance_um(contour[i], seam));
            far(a).total_cmp(&far(b))
        })
        .unwrap_or(0)
}

/// Cosine between the outward direction at a spot and the direction away from `inner`: -1 looks at it.
fn facing(contour: &[Spot], index: usize, inner: Spot) -> f64 {
    let count = contour.len();
    let (before, here, after) = (
        contour[(index + count - 1) % count],
        contour[index],
        contour[(index + 1) % count],
    );
    // Right of the way along: outwards for solids and holes alike.
    let out = [f64::from(after.y - before.y), f64::from(before.x - after.x)];
    let away = [f64::from(here.x - inner.x), f64::from(here.y - inner.y)];
    let lengths = out[0].hypot(out[1]) * away[0].hypot(away[1]);
    if lengths > 0.0 {
        (out[0] * away[0] + out[1] * away[1]) / lengths
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::shapes;
    use super::*;
    use crate::space::Lps;

    #[test]
    fn the_centre_of_a_cap_lies_on_its_axis_on_the_hollow_side() {
        // The inner face's apex is at 85 mm; thickness biases the fit towards it, which does no harm.
        let [x, y, z] = centre_um(&shapes::cap::<Lps>(100.0));
        assert!(x.abs() < 2_000.0 && y.abs() < 2_000.0, "{x} {y}");
        assert!(z < 60_000.0, "{z}");
    }

    #[test]
    fn the_seam_of_a_bent_strip_lies_on_its_hollow_side() {
        // Half a ring between radius 40 and 45 mm round the origin, counter-clockwise.
        let arc = |r: f64, i: i32| {
            let (sin, cos) = (std::f64::consts::PI * f64::from(i) / 60.0).sin_cos();
            Spot::new((r * cos) as i32, (r * sin) as i32)
        };
        let ring: Vec<Spot> = (0..=60)
            .map(|i| arc(45_000.0, i))
            .chain((0..=60).rev().map(|i| arc(40_000.0, i)))
            .collect();
        let below = Spot::new(-3_000, 39_000);
        let seam = ring[choose(&ring, Spot::new(0, 0), Some(below))];
        assert!(distance_um(seam, Spot::new(0, 0)) < 40_100.0);
        assert!(distance_um(seam, below) < 3_000.0);
    }
}
