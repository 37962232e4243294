//! Outline: a hole's rim laid onto the real run of the bone.
//!
//! A sphere is fitted to the outer table around the site; rays from its centre are the local normals, so that walls
//! run along them. The rim is an ellipse with waves in arc length on that sphere; a table of the outer surface's
//! radius along the rays tells how deep a point lies.

use super::site::Site;
use crate::space::{Lps, Point, Vector};
use crate::volume::Volume;

/// Rays are marched in steps of this, mm.
const STEP_MM: f64 = 0.5;
/// Distance of the rays in the table of the outer surface, mm along the sphere.
const RAY_MM: f64 = 2.0;
/// The table reaches this far beyond the rim, mm.
const BEYOND_MM: f64 = 8.0;
/// The sphere is fitted to the surface this near the site, mm.
const FIT_MM: f64 = 60.0;

/// A rim on a skull.
pub(super) struct Outline {
    centre: Point<Lps>,
    radius_mm: f64,
    /// The site's normal, then two tangents: along the horizontal, across it.
    axes: [Vector<Lps>; 3],
    site: Site,
    /// Radius of the outer table along rays, `rays` a side.
    outer_mm: Vec<f64>,
    rays: usize,
}

/// Where a point lies to a rim.
pub(super) struct Place {
    /// Distance inwards from the rim along the surface, mm; negative outside.
    pub(super) inside_mm: f64,
    /// Depth under the outer table, mm; negative outside the head.
    pub(super) depth_mm: f64,
}

/// The head's middle: the middle of the vault's box, 75 mm under its top. `None` without bone.
pub(super) fn middle(bone: &Volume<bool>) -> Option<Point<Lps>> {
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    let top = extreme(bone, |p| p.0[2])?;
    for (offset, _) in bone.data().iter().enumerate().filter(|&(_, &set)| set) {
        let p = bone.centre(bone.index(offset)).0;
        // Below this lie face and neck.
        if p[2] > top - 110.0 {
            for axis in 0..3 {
                low[axis] = low[axis].min(p[axis]);
                high[axis] = high[axis].max(p[axis]);
            }
        }
    }
    Some(Point::new([
        (low[0] + high[0]) / 2.0,
        (low[1] + high[1]) / 2.0,
        top - 75.0,
    ]))
}

fn extreme(bone: &Volume<bool>, of: impl Fn(Point<Lps>) -> f64) -> Option<f64> {
    let set = bone.data().iter().enumerate().filter(|&(_, &set)| set);
    set.map(|(offset, _)| of(bone.centre(bone.index(offset))))
        .reduce(f64::max)
}

impl Outline {
    /// The rim of `site` on `bone`, or `None` when there is no vault.
    pub(super) fn lay(site: Site, bone: &Volume<bool>, middle: Point<Lps>) -> Option<Self> {
        let towards = Vector::new(site.direction);
        let at = middle.plus(towards.times(first(bone, middle, towards, 140.0, 30.0)?));
        let (side, across) = tangents(towards);
        let mut near = Vec::new();
        for a in -12..=12 {
            for b in -12..=12 {
                let tilt = |v: Vector<Lps>, n: i32| v.times(f64::from(n) * 0.06);
                let ray = sum(sum(towards, tilt(side, a)), tilt(across, b)).unit()?;
                if let Some(r) = first(bone, middle, ray, 140.0, 30.0) {
                    let point = middle.plus(ray.times(r));
                    if point.minus(at).length() < FIT_MM {
                        near.push(point);
                    }
                }
            }
        }
        let (centre, radius_mm) = sphere(&near, at)
            .filter(|(_, r)| (50.0..=140.0).contains(r))
            .unwrap_or_else(|| (middle, at.minus(middle).length()));
        let normal = at.minus(centre).unit()?;
        let (along, across) = tangents(normal);
        let reach = site.half_mm[0].max(site.half_mm[1]) * 1.15 + BEYOND_MM;
        let rays = 2 * (reach / RAY_MM).ceil() as usize + 1;
        let mut outline = Self {
            centre,
            radius_mm,
            axes: [normal, along, across],
            site,
            outer_mm: vec![],
            rays,
        };
        outline.outer_mm = outline.survey(bone)?;
        Some(outline)
    }

    /// Radius of the outer table along every ray; rays that meet none (sutures, old holes) take their neighbours'.
    fn survey(&self, bone: &Volume<bool>) -> Option<Vec<f64>> {
        let n = self.rays;
        let (far, near) = (self.radius_mm + 25.0, (self.radius_mm - 35.0).max(5.0));
        let found: Vec<Option<f64>> = (0..n * n)
            .map(|at| first(bone, self.centre, self.ray(at % n, at / n), far, near))
            .collect();
        if found.iter().flatten().count() * 2 < n * n {
            return None;
        }
        // Median of a neighbourhood that grows until it holds something: takes off bumps, fills gaps.
        let median = |at: usize| {
            let (x, y) = (at % n, at / n);
            for reach in 2..n {
                let (xs, ys) = (
                    x.saturating_sub(reach)..(x + reach + 1).min(n),
                    y.saturating_sub(reach)..(y + reach + 1).min(n),
                );
                let mut seen: Vec<f64> = ys
                    .flat_map(|y| xs.clone().map(move |x| y * n + x))
                    .filter_map(|at| found[at])
                    .collect();
                if seen.len() >= 5 {
                    seen.sort_by(f64::total_cmp);
                    return seen[seen.len() / 2];
                }
            }
            self.radius_mm
        };
        Some((0..n * n).map(median).collect())
    }

    /// The ray at a node of the table.
    fn ray(&self, x: usize, y: usize) -> Vector<Lps> {
        let half = (self.rays / 2) as f64;
        let (u, v) = ((x as f64 - half) * RAY_MM, (y as f64 - half) * RAY_MM);
        let arc = u.hypot(v);
        let angle = arc / self.radius_mm;
        let [normal, along, across] = self.axes;
        let sideways = if arc > 0.0 { angle.sin() / arc } else { 0.0 };
        sum(
            normal.times(angle.cos()),
            sum(along.times(u * sideways), across.times(v * sideways)),
        )
    }

    /// Where `point` lies; `None` far from the rim.
    pub(super) fn place(&self, point: Point<Lps>) -> Option<Place> {
        let from = point.minus(self.centre);
        let length = from.length();
        let [normal, along, across] = self.axes;
        let (n, u, v) = (from.dot(normal), from.dot(along), from.dot(across));
        let sideways = u.hypot(v);
        let arc = self.radius_mm * sideways.atan2(n);
        let (u, v) = if sideways > 0.0 {
            (u / sideways * arc, v / sideways * arc)
        } else {
            (0.0, 0.0)
        };
        // Bilinear in the table.
        let half = (self.rays / 2) as f64;
        let (x, y) = (u / RAY_MM + half, v / RAY_MM + half);
        let last = (self.rays - 1) as f64;
        if !(0.0..last).contains(&x) || !(0.0..last).contains(&y) {
            return None;
        }
        let (i, j) = (x as usize, y as usize);
        let (fx, fy) = (x - i as f64, y - j as f64);
        let at = |i: usize, j: usize| self.outer_mm[j * self.rays + i];
        let outer = (at(i, j) * (1.0 - fx) + at(i + 1, j) * fx) * (1.0 - fy)
            + (at(i, j + 1) * (1.0 - fx) + at(i + 1, j + 1) * fx) * fy;
        Some(Place {
            inside_mm: self.site.rim_mm(v.atan2(u)) - arc,
            depth_mm: outer - length,
        })
    }

    /// Points that span the region a cut can touch.
    pub(super) fn corners(&self, over_mm: f64, under_mm: f64) -> impl Iterator<Item = Point<Lps>> {
        (0..self.rays * self.rays).flat_map(move |at| {
            let (ray, outer) = (self.ray(at % self.rays, at / self.rays), self.outer_mm[at]);
            [outer + over_mm, outer - under_mm].map(|r| self.centre.plus(ray.times(r)))
        })
    }
}

/// Distance from `from` along `ray` of the outermost bone between `far` and `near`.
fn first(
    bone: &Volume<bool>,
    from: Point<Lps>,
    ray: Vector<Lps>,
    far: f64,
    near: f64,
) -> Option<f64> {
    let to_ijk = bone.to_ijk();
    let (start, step) = (to_ijk.apply(from), to_ijk.turn(ray));
    let steps = ((far - near) / STEP_MM) as usize;
    (0..=steps).map(|n| far - n as f64 * STEP_MM).find(|&r| {
        let at = start.plus(step.times(r)).0.map(|v| v.round() as i64);
        bone.get(at).copied().unwrap_or(false)
    })
}

/// Two unit tangents: one horizontal, one across it.
pub(super) fn tangents(normal: Vector<Lps>) -> (Vector<Lps>, Vector<Lps>) {
    // On the top of the head there is no horizontal direction of its own: take left.
    let up = Vector::new([0.0, 0.0, 1.0]);
    let along = up.cross(normal);
    let along = if along.length() > 0.15 {
        along
    } else {
        Vector::new([0.0, 1.0, 0.0]).cross(normal)
    };
    let along = along.times(1.0 / along.length());
    (along, normal.cross(along))
}

/// Sum of two displacements.
pub(super) fn sum(a: Vector<Lps>, b: Vector<Lps>) -> Vector<Lps> {
    Vector::new([0, 1, 2].map(|axis| a.0[axis] + b.0[axis]))
}

/// The sphere nearest to the points in the least-squares sense of |p|^2 = 2 c.p + k, around `about`.
fn sphere(points: &[Point<Lps>], about: Point<Lps>) -> Option<(Point<Lps>, f64)> {
    if points.len() < 20 {
        return None;
    }
    let mut m = [[0.0f64; 5]; 4];
    for point in points {
        let p = point.minus(about);
        let row = [2.0 * p.0[0], 2.0 * p.0[1], 2.0 * p.0[2], 1.0, p.dot(p)];
        for r in 0..4 {
            for c in 0..5 {
                m[r][c] += row[r] * row[c];
            }
        }
    }
    for pivot in 0..4 {
        let best = (pivot..4).max_by(|&a, &b| m[a][pivot].abs().total_cmp(&m[b][pivot].abs()))?;
        m.swap(pivot, best);
        if m[pivot][pivot].abs() < 1e-9 {
            return None;
        }
        for row in (0..4).filter(|&row| row != pivot) {
            let factor = m[row][pivot] / m[pivot][pivot];
            let above = m[pivot];
            for (value, above) in m[row].iter_mut().zip(above).skip(pivot) {
                *value -= factor * above;
            }
        }
    }
    let s = [0, 1, 2, 3].map(|row| m[row][4] / m[row][row]);
    let c = Vector::new([s[0], s[1], s[2]]);
    let square = s[3] + c.dot(c);
    (square > 0.0).then(|| (about.plus(c), square.sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sphere_is_found_from_a_cap_of_it() {
        let about = Point::new([10.0, -200.0, 50.0]);
        let centre = Point::new([10.0, -200.0, -30.0]);
        let points: Vec<_> = (0..400)
            .map(|n| (f64::from(n % 20 - 10) * 0.05, f64::from(n / 20 - 10) * 0.05))
            .map(|(a, b)| centre.plus(Vector::new([a, b, 1.0]).unit().unwrap().times(80.0)))
            .collect();
        let (c, r) = sphere(&points, about).unwrap();
        assert!((r - 80.0).abs() < 1e-6 && c.minus(centre).length() < 1e-6);
    }
}
