//! Table: how the vault runs around a place, along rays from the centre of a sphere fitted to it.
//!
//! Positions are arc lengths (u, v) on that sphere from the place's normal, along and across the horizontal
//! (azimuthal equidistant). Each ray holds the outer table's radius and the depth of the inner table below it.

use super::outline::{first, march, sum};
use crate::space::{Lps, Point, Vector};
use crate::volume::Volume;

/// Distance of the rays, mm along the sphere.
const RAY_MM: f64 = 2.0;
/// Air cells, diploe and a mask's pinholes up to this belong to the bone, mm.
const GAP_MM: f64 = 6.0;
/// The thickest vault, its protuberances counted in, mm.
const THICK_MM: f64 = 24.0;
/// Bone is looked for this far under the outer table, mm.
const DEEP_MM: f64 = 32.0;
/// The bone's own bumps over the smoothed outer table, mm.
const BUMP_MM: f64 = 5.0;
/// The inner table's depth where no ray near says it, mm: an ordinary vault.
const USUAL_MM: f64 = 7.0;

/// The vault around a place.
pub(super) struct Table {
    centre: Point<Lps>,
    radius_mm: f64,
    /// The place's normal, then two tangents: along the horizontal, across it.
    axes: [Vector<Lps>; 3],
    /// Rays a side.
    rays: usize,
    /// Smoothed radius of the outer table.
    outer_mm: Vec<f64>,
    /// Depth of the inner table under it; the deepest of the neighbourhood.
    inner_mm: Vec<f64>,
    /// The ray met the outer table where it should be.
    full: Vec<bool>,
    /// The ray met more bone under the inner table.
    deeper: Vec<bool>,
}

/// A ray of the table.
pub(super) struct Node {
    pub(super) u: f64,
    pub(super) v: f64,
    /// Area of the outer table that it stands for.
    pub(super) mm2: f64,
    pub(super) full: bool,
    pub(super) deeper: bool,
}

/// Where a point lies.
pub(super) struct Located {
    pub(super) u: f64,
    pub(super) v: f64,
    pub(super) depth_mm: f64,
    pub(super) inner_mm: f64,
}

/// What one ray met: radius of the outermost bone, depth from there to the inner table, more bone below.
#[derive(Clone, Copy)]
struct Met {
    outer: f64,
    thick: f64,
    deeper: bool,
}

impl Table {
    /// Marches the rays; `None` when less than half of them meet bone.
    pub(super) fn survey(
        bone: &Volume<bool>,
        centre: Point<Lps>,
        radius_mm: f64,
        axes: [Vector<Lps>; 3],
        reach_mm: f64,
    ) -> Option<Self> {
        let rays = 2 * (reach_mm / RAY_MM).ceil() as usize + 1;
        let mut table = Self {
            centre,
            radius_mm,
            axes,
            rays,
            outer_mm: vec![],
            inner_mm: vec![],
            full: vec![],
            deeper: vec![],
        };
        let (far, near) = (radius_mm + 25.0, (radius_mm - 35.0).max(5.0));
        let met: Vec<Option<Met>> = (0..rays * rays)
            .map(|at| {
                let (u, v) = table.arc(at);
                let ray = table.ray(u, v);
                let outer = first(bone, centre, ray, far, near)?;
                Some(Met::under(bone, centre, ray, outer))
            })
            .collect();
        if met.iter().flatten().count() * 2 < rays * rays {
            return None;
        }
        table.outer_mm = (0..rays * rays)
            .map(|at| table.median(&met, at).unwrap_or(radius_mm))
            .collect();
        let level = |at: usize| met[at].filter(|m| (m.outer - table.outer_mm[at]).abs() < BUMP_MM);
        let depth = |at: usize| level(at).map(|m| table.outer_mm[at] - m.outer + m.thick);
        let inner = |at: usize| {
            let near = table.around(at, 1).filter_map(depth);
            near.reduce(f64::max).unwrap_or(USUAL_MM)
        };
        let inner_mm = (0..rays * rays).map(inner).collect();
        let full = (0..rays * rays).map(|at| level(at).is_some()).collect();
        let deeper = met.iter().map(|m| m.is_some_and(|m| m.deeper)).collect();
        Some(Self {
            inner_mm,
            full,
            deeper,
            ..table
        })
    }

    /// Median radius of a neighbourhood that grows until it holds something: takes off bumps, fills gaps.
    fn median(&self, met: &[Option<Met>], at: usize) -> Option<f64> {
        (2..self.rays).find_map(|reach| {
            let near = self.around(at, reach);
            let mut seen: Vec<f64> = near.filter_map(|n| met[n].map(|m| m.outer)).collect();
            let middle = seen.len() / 2;
            (seen.len() >= 5).then(|| *seen.select_nth_unstable_by(middle, f64::total_cmp).1)
        })
    }

    /// The rays at most `reach` rays away along both axes.
    fn around(&self, at: usize, reach: usize) -> impl Iterator<Item = usize> {
        let n = self.rays;
        let side = move |x: usize| x.saturating_sub(reach)..(x + reach + 1).min(n);
        side(at / n).flat_map(move |y| side(at % n).map(move |x| y * n + x))
    }

    fn arc(&self, at: usize) -> (f64, f64) {
        let half = (self.rays / 2) as f64;
        let [x, y] = [at % self.rays, at / self.rays].map(|n| (n as f64 - half) * RAY_MM);
        (x, y)
    }

    fn ray(&self, u: f64, v: f64) -> Vector<Lps> {
        let arc = u.hypot(v);
        let angle = arc / self.radius_mm;
        let [normal, along, across] = self.axes;
        let sideways = if arc > 0.0 { angle.sin() / arc } else { 0.0 };
        sum(
            normal.times(angle.cos()),
            sum(along.times(u * sideways), across.times(v * sideways)),
        )
    }

    /// How far from the middle the table says anything, mm of arc.
    pub(super) fn reach_mm(&self) -> f64 {
        (self.rays / 2) as f64 * RAY_MM
    }

    /// All rays.
    pub(super) fn nodes(&self) -> impl Iterator<Item = Node> {
        (0..self.rays * self.rays).map(|at| {
            let (u, v) = self.arc(at);
            let outwards = self.outer_mm[at] / self.radius_mm;
            // Rays crowd towards the edge of an azimuthal chart by sin(angle) / angle.
            let angle = u.hypot(v) / self.radius_mm;
            let crowd = if angle > 0.0 {
                angle.sin() / angle
            } else {
                1.0
            };
            Node {
                u,
                v,
                mm2: RAY_MM * RAY_MM * outwards * outwards * crowd,
                full: self.full[at],
                deeper: self.deeper[at],
            }
        })
    }

    /// The outer table at an arc position; clamped to the table's edge.
    pub(super) fn outer(&self, u: f64, v: f64) -> Point<Lps> {
        let most = self.reach_mm() - 0.01;
        let (u, v) = (u.clamp(-most, most), v.clamp(-most, most));
        let radius = self.sample(&self.outer_mm, u, v).unwrap_or(self.radius_mm);
        self.centre.plus(self.ray(u, v).times(radius))
    }

    /// Where `point` lies; `None` beyond the table.
    pub(super) fn locate(&self, point: Point<Lps>) -> Option<Located> {
        let from = point.minus(self.centre);
        let [normal, along, across] = self.axes;
        let (n, u, v) = (from.dot(normal), from.dot(along), from.dot(across));
        let sideways = u.hypot(v);
        let arc = self.radius_mm * sideways.atan2(n);
        let (u, v) = if sideways > 0.0 {
            (u / sideways * arc, v / sideways * arc)
        } else if n >= 0.0 {
            (0.0, 0.0)
        } else {
            // The far pole lies in every direction at once, and beyond the table.
            return None;
        };
        Some(Located {
            u,
            v,
            depth_mm: self.sample(&self.outer_mm, u, v)? - from.length(),
            inner_mm: self.sample(&self.inner_mm, u, v)?,
        })
    }

    /// Bilinear; `None` beyond the table.
    fn sample(&self, of: &[f64], u: f64, v: f64) -> Option<f64> {
        let half = (self.rays / 2) as f64;
        let (x, y) = (u / RAY_MM + half, v / RAY_MM + half);
        let last = (self.rays - 1) as f64;
        if !(0.0..last).contains(&x) || !(0.0..last).contains(&y) {
            return None;
        }
        let (i, j) = (x as usize, y as usize);
        let (fx, fy) = (x - i as f64, y - j as f64);
        let at = |i: usize, j: usize| of[j * self.rays + i];
        Some(
            (at(i, j) * (1.0 - fx) + at(i + 1, j) * fx) * (1.0 - fy)
                + (at(i, j + 1) * (1.0 - fx) + at(i + 1, j + 1) * fx) * fy,
        )
    }

    /// Points that span what lies between `over_mm` outside and `under_mm` inside the outer table.
    pub(super) fn corners(&self, over_mm: f64, under_mm: f64) -> Vec<Point<Lps>> {
        (0..self.rays * self.rays)
            .flat_map(|at| {
                let (u, v) = self.arc(at);
                let (ray, outer) = (self.ray(u, v), self.outer_mm[at]);
                [outer + over_mm, outer - under_mm].map(|r| self.centre.plus(ray.times(r)))
            })
            .collect()
    }
}

impl Met {
    /// What lies under the outermost bone at radius `outer`.
    fn under(bone: &Volume<bool>, centre: Point<Lps>, ray: Vector<Lps>, outer: f64) -> Self {
        let (mut last, mut deeper) = (outer, false);
        for (r, set) in march(bone, centre, ray, outer, (outer - DEEP_MM).max(1.0)) {
            if set && last - r <= GAP_MM && outer - r <= THICK_MM {
                last = r;
            } else {
                deeper |= set;
            }
        }
        Self {
            outer,
            thick: outer - last,
            deeper,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Map;

    /// A hollow ball of radius 60 mm round (0, 0, 0), `thick` mm thick, with a floor of bone at depth 20 where x > 20.
    fn ball(thick: f64) -> Volume<bool> {
        let n = 131;
        let to_lps = Map::new([
            [1.0, 0.0, 0.0, -65.0],
            [0.0, 1.0, 0.0, -65.0],
            [0.0, 0.0, 1.0, -65.0],
        ]);
        let data = (0..n * n * n)
            .map(|at| [at % n, at / n % n, at / (n * n)].map(|v| v as f64 - 65.0))
            .map(|[x, y, z]| (x, (x * x + y * y + z * z).sqrt()))
            .map(|(x, r)| (60.0 - thick..60.0).contains(&r) || (x > 20.0 && r < 40.0))
            .collect();
        Volume::new([n; 3], data, to_lps).unwrap()
    }

    #[test]
    fn a_ball_is_as_thick_as_it_is_and_what_lies_under_it_is_seen() {
        let up = [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]].map(Vector::new);
        let table = Table::survey(&ball(7.0), Point::new([0.0; 3]), 60.0, up, 50.0).unwrap();
        for node in table.nodes().filter(|n| n.u.hypot(n.v) < 45.0) {
            assert!(node.full);
            let x = 60.0 * (node.u.hypot(node.v) / 60.0).sin() * node.u / node.u.hypot(node.v);
            // A ray towards x meets the floor at radius 40 where x/60*40 > 20.
            if x > 36.0 {
                assert!(node.deeper, "{} {}", node.u, node.v);
            }
            if x < 24.0 {
                assert!(!node.deeper, "{} {}", node.u, node.v);
            }
        }
        let at = table.locate(Point::new([0.0, 10.0, 55.0])).unwrap();
        assert!((at.inner_mm - 7.0).abs() < 1.0, "{}", at.inner_mm);
        let depth = 60.0 - (100.0f64 + 55.0 * 55.0).sqrt();
        assert!((at.depth_mm - depth).abs() < 0.8, "{}", at.depth_mm);
        assert!(table.locate(Point::new([0.0, 0.0, -60.0])).is_none());
        let area: f64 = (table.nodes())
            .filter(|n| n.u.hypot(n.v) < 40.0)
            .map(|n| n.mm2)
            .sum();
        // A cap of half-angle 40/60 rad on a ball of radius 60.
        let want = std::f64::consts::TAU * 3600.0 * (1.0 - (40.0f64 / 60.0).cos());
        assert!((area / want - 1.0).abs() < 0.04, "{area} {want}");
    }
}
