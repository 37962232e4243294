//! Chart: the vault around a hole, laid flat. Azimuthal-equidistant about the hole's middle, seen from the centre
//! of the sphere that fits the bone around it; (u, v) in mm along the sphere, r in mm from its centre.
//!
//! A vault is a single sheet over the chart, so its outer and inner table are height fields there, whatever the
//! voxels of the scan look like. A centre that is some millimetres off does no harm.

use crate::space::{Ijk, Lps, Map, Point, Vector};
use crate::volume::Volume;

/// Where the chart lies in the patient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Chart {
    /// Centre of the sphere.
    pub(super) centre: Point<Lps>,
    /// Radius of the sphere in mm: one mm of (u, v) is one mm on it.
    pub(super) radius_mm: f64,
    /// Directions of u, of v, and outwards through the middle.
    pub(super) frame: [Vector<Lps>; 3],
}

impl Chart {
    /// A chart seen from `centre` with its middle in direction `out`; `None` for a direction without length.
    pub(super) fn new(centre: Point<Lps>, radius_mm: f64, out: Vector<Lps>) -> Option<Self> {
        let out = out.unit()?;
        // The patient axis that lies flattest gives u its direction.
        let flat = (0..3).min_by(|&a, &b| out.0[a].abs().total_cmp(&out.0[b].abs()))?;
        let mut along = [0.0; 3];
        along[flat] = 1.0;
        let v = out.cross(Vector::new(along)).unit()?;
        Some(Self {
            centre,
            radius_mm,
            frame: [v.cross(out), v, out],
        })
    }

    /// The same sphere with the chart's middle moved to (u, v).
    pub(super) fn turned_to(&self, u: f64, v: f64) -> Option<Self> {
        Self::new(self.centre, self.radius_mm, self.direction(u, v))
    }

    /// Unit vector of the ray through (u, v) mm.
    pub(super) fn direction(&self, u: f64, v: f64) -> Vector<Lps> {
        let arc = u.hypot(v);
        let angle = arc / self.radius_mm;
        // sin(angle) / arc, without dividing by 0 in the middle.
        let side = if arc < 1e-9 {
            1.0 / self.radius_mm
        } else {
            angle.sin() / arc
        };
        let [e, f, out] = self.frame;
        let flat = [0, 1, 2].map(|a| side * (u * e.0[a] + v * f.0[a]) + angle.cos() * out.0[a]);
        Vector::new(flat)
    }

    /// The point at (u, v) and radius r, all mm.
    pub(super) fn point(&self, u: f64, v: f64, r: f64) -> Point<Lps> {
        self.centre.plus(self.direction(u, v).times(r))
    }

    /// (u, v, r) of a point, mm. The antipode of the middle has no direction and gets u = v = 0.
    pub(super) fn locate(&self, at: Point<Lps>) -> [f64; 3] {
        let d = at.minus(self.centre);
        let [e, f, out] = self.frame;
        let (x, y, z) = (d.dot(e), d.dot(f), d.dot(out));
        let flat = x.hypot(y);
        let arc = flat.atan2(z) * self.radius_mm;
        let scale = if flat < 1e-9 { 0.0 } else { arc / flat };
        [x * scale, y * scale, d.length()]
    }
}

/// Values on a square of the chart, centred on its middle, `step_mm` apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sheet<T> {
    /// Cells a side.
    pub(super) side: usize,
    /// Distance of cells in mm.
    pub(super) step_mm: f64,
    /// Values, u fastest.
    pub(super) data: Vec<T>,
}

impl<T: Copy> Sheet<T> {
    /// The same cells with other values.
    pub(super) fn with<U>(&self, data: Vec<U>) -> Sheet<U> {
        debug_assert_eq!(data.len(), self.data.len());
        Sheet {
            side: self.side,
            step_mm: self.step_mm,
            data,
        }
    }

    /// (u, v) in mm of a cell.
    pub(super) fn mm(&self, cell: usize) -> (f64, f64) {
        let half = (self.side as f64 - 1.0) / 2.0;
        let (x, y) = (cell % self.side, cell / self.side);
        (
            (x as f64 - half) * self.step_mm,
            (y as f64 - half) * self.step_mm,
        )
    }

    /// Position of (u, v) in cells.
    fn place(&self, u: f64, v: f64) -> (f64, f64) {
        let half = (self.side as f64 - 1.0) / 2.0;
        (u / self.step_mm + half, v / self.step_mm + half)
    }

    /// The value of the cell nearest to (u, v) mm; `None` off the sheet.
    pub(super) fn nearest(&self, u: f64, v: f64) -> Option<T> {
        let (x, y) = self.place(u, v);
        let n = self.side as f64 - 0.5;
        let inside = x > -0.5 && y > -0.5 && x < n && y < n;
        inside.then(|| self.data[(y + 0.5) as usize * self.side + (x + 0.5) as usize])
    }

    /// As a flat volume, so that morphology and distances of volumes serve here too.
    pub(super) fn volume(&self) -> Volume<T> {
        let s = self.step_mm;
        let map = Map::<Ijk, Lps>::new([[s, 0., 0., 0.], [0., s, 0., 0.], [0., 0., 1., 0.]]);
        // A square of side^2 values with a diagonal affine: neither of the two errors can be.
        Volume::new([self.side, self.side, 1], self.data.clone(), map).expect("a flat square")
    }
}

impl Sheet<f64> {
    /// Bilinear; beyond the sheet its edge goes on.
    pub(super) fn sample(&self, u: f64, v: f64) -> f64 {
        let (x, y) = self.place(u, v);
        let last = self.side as f64 - 1.0;
        let (x, y) = (x.clamp(0.0, last), y.clamp(0.0, last));
        let (i, j) = (
            (x as usize).min(self.side - 2),
            (y as usize).min(self.side - 2),
        );
        let (p, q) = (x - i as f64, y - j as f64);
        let at = |i: usize, j: usize| self.data[j * self.side + i];
        (at(i, j) * (1.0 - p) + at(i + 1, j) * p) * (1.0 - q)
            + (at(i, j + 1) * (1.0 - p) + at(i + 1, j + 1) * p) * q
    }
}

/// An empty sheet that reaches `reach_mm` to every side.
pub(super) fn blank(reach_mm: f64, step_mm: f64) -> Sheet<()> {
    let side = 2 * (reach_mm / step_mm).ceil() as usize + 1;
    Sheet {
        side,
        step_mm,
        data: vec![(); side * side],
    }
}

/// The sphere that fits points best, starting from a rough centre: least squares on the points within `band_mm`
/// of the last sphere. `None` when they do not span one.
pub(super) fn sphere(
    points: &[Point<Lps>],
    rough: Point<Lps>,
    band_mm: f64,
) -> Option<(Point<Lps>, f64)> {
    let mut distances: Vec<f64> = points.iter().map(|p| p.minus(rough).length()).collect();
    distances.sort_by(f64::total_cmp);
    let mut ball = (rough, *distances.get(distances.len() / 2)?);
    for _ in 0..8 {
        // |p - o|^2 = 2 p.c + (R^2 - c^2), linear in c and the bracket, about the last centre for the digits.
        let mut normal = [[0.0f64; 5]; 4];
        for p in points {
            let d = p.minus(ball.0);
            if (d.length() - ball.1).abs() > band_mm {
                continue;
            }
            let row = [2.0 * d.0[0], 2.0 * d.0[1], 2.0 * d.0[2], 1.0, d.dot(d)];
            for a in 0..4 {
                for b in 0..5 {
                    normal[a][b] += row[a] * row[b];
                }
            }
        }
        let x = solved(normal)?;
        let shift = Vector::new([x[0], x[1], x[2]]);
        let radius = (x[3] + shift.dot(shift)).max(0.0).sqrt();
        ball = (ball.0.plus(shift), radius);
        if shift.length() < 0.01 {
            break;
        }
    }
    (ball.1.is_finite() && ball.1 > 1.0).then_some(ball)
}

/// Four equations by elimination with row exchange.
fn solved(mut m: [[f64; 5]; 4]) -> Option<[f64; 4]> {
    for c in 0..4 {
        let pivot = (c..4).max_by(|&a, &b| m[a][c].abs().total_cmp(&m[b][c].abs()))?;
        m.swap(c, pivot);
        if m[c][c].abs() < 1e-9 {
            return None;
        }
        for r in c + 1..4 {
            let f = m[r][c] / m[c][c];
            for k in c..5 {
                m[r][k] -= f * m[c][k];
            }
        }
    }
    let mut x = [0.0; 4];
    for r in (0..4).rev() {
        let rest: f64 = (r + 1..4).map(|k| m[r][k] * x[k]).sum();
        x[r] = (m[r][4] - rest) / m[r][r];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locate_undoes_point() {
        let centre = Point::new([10.0, -250.0, 40.0]);
        let chart = Chart::new(centre, 80.0, Vector::new([1.0, 0.3, 0.5])).unwrap();
        for (u, v, r) in [(0.0, 0.0, 80.0), (30.0, -50.0, 76.0), (-90.0, 12.0, 91.0)] {
            let [a, b, c] = chart.locate(chart.point(u, v, r));
            assert!((a - u).abs() < 1e-9 && (b - v).abs() < 1e-9 && (c - r).abs() < 1e-9);
        }
        let [e, f, out] = chart.frame;
        assert!(e.cross(f).minus_length(out) < 1e-12, "right-handed");
    }

    impl Vector<Lps> {
        fn minus_length(self, other: Self) -> f64 {
            Vector::<Lps>::new([0, 1, 2].map(|a| self.0[a] - other.0[a])).length()
        }
    }

    #[test]
    fn the_sphere_is_found_among_outliers() {
        let chart = Chart::new(
            Point::new([3.0, 4.0, -5.0]),
            70.0,
            Vector::new([0.0, 0.0, 1.0]),
        )
        .unwrap();
        let mut points: Vec<_> = (0..400)
            .map(|n| {
                chart.point(
                    (n % 20) as f64 * 5.0 - 50.0,
                    (n / 20) as f64 * 5.0 - 50.0,
                    70.0,
                )
            })
            .collect();
        points.extend((0..60).map(|n| chart.point(n as f64 - 30.0, 10.0, 45.0)));
        let (centre, radius) = sphere(&points, Point::new([0.0, 0.0, 0.0]), 10.0).unwrap();
        assert!(centre.minus(chart.centre).length() < 0.01, "{centre:?}");
        assert!((radius - 70.0).abs() < 0.01, "{radius}");
    }
}
