//! Outline: a hole's rim laid onto the real run of the bone.
//!
//! A sphere is fitted to the outer table around the site; rays from its centre are the local normals. A table along
//! the rays (`table.rs`) says where the outer table runs and how thick the bone is. The rim lies in arc length on the
//! sphere and is scaled until the greatest distance between two of its points on the outer table is the chord wanted.
//! A place that is no vault, or where the piece would not come out whole, is a [`Misfit`]; then another is drawn.

use super::site::{Site, on_vault};
use super::table::Table;
use crate::head::Axes;
use crate::space::{Lps, Point, Vector};
use crate::volume::Volume;
use std::f64::consts::TAU;

/// Rays are marched in steps of this, mm.
const STEP_MM: f64 = 0.5;
/// The table reaches this far beyond the rim, mm.
const BEYOND_MM: f64 = 8.0;
/// A rim reaches at most this share of its chord from its middle.
const REACH: f64 = 0.85;
/// The sphere is fitted to the surface this near the site, mm.
const FIT_MM: f64 = 60.0;
/// Points of a rim that are looked at.
const RIM_POINTS: usize = 72;
/// Bone between the rim and what is no vault, mm.
const MARGIN_MM: f64 = 3.0;
/// A hole smaller than this is none that anybody would make a plate for.
const LEAST_MM2: f64 = 500.0;
/// Share of the rays within the rim that must meet the outer table where the skull's run says it is.
const FULL_LEAST: f64 = 0.95;
/// Share of the rays that may meet more bone under the vault: there the base begins.
const DEEPER_MOST: f64 = 0.02;
/// The same two for holes that reach low: frontal sinus, orbital roof, petrous bone and sphenoid lie right under them.
const LOW_FULL_LEAST: f64 = 0.85;
const LOW_DEEPER_MOST: f64 = 0.4;

/// Why a hole can not be cut at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// No bone is met in that direction, or no rounded one.
    NoBone,
    /// The rim would run through orbit, ear, nape or base.
    OffVault,
    /// The bone has gaps of its own there.
    Gaps,
    /// There is more bone under the vault: petrous bone, sphenoid, a sinus' back wall.
    Deeper,
    /// Less than 5 cm2.
    Small,
    /// Two holes would meet.
    Meets,
    /// What comes out is not one piece.
    Pieces,
}

/// A rim on a skull.
pub(super) struct Outline {
    table: Table,
    site: Site,
    /// The rim's radii are times this, mm of arc.
    scale_mm: f64,
}

/// Where a point lies to a rim.
pub(super) struct Place {
    /// Distance inwards from the wall, mm; negative outside the hole.
    pub(super) inside_mm: f64,
    /// Depth under the outer table, mm; negative outside the head.
    pub(super) depth_mm: f64,
    /// Depth of the inner table there, mm.
    pub(super) inner_mm: f64,
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
    /// The rim of `site` on `bone`, laid out along `axes`.
    ///
    /// # Errors
    /// [`Misfit`] when a hole can not be cut there.
    pub(super) fn lay(site: Site, bone: &Volume<bool>, axes: &Axes) -> Result<Self, Misfit> {
        let [x, y, z] = site.direction;
        let towards = sum(
            sum(axes.left().times(x), axes.back().times(y)),
            axes.up().times(z),
        );
        let (centre, radius_mm, normal) =
            around(bone, axes.middle(), towards).ok_or(Misfit::NoBone)?;
        let (along, across) = tangents(normal);
        let reach_mm = site.chord_mm * REACH + BEYOND_MM;
        let frame = [normal, along, across];
        let table =
            Table::survey(bone, centre, radius_mm, frame, reach_mm).ok_or(Misfit::NoBone)?;
        let mut outline = Self {
            table,
            scale_mm: site.chord_mm / 2.0,
            site,
        };
        // The chord grows a little less than the arc: a few corrections bring it within a tenth of a millimetre.
        for _ in 0..6 {
            let have = farthest(&outline.rim(0.0));
            outline.scale_mm *= outline.site.chord_mm / have.max(1.0);
        }
        outline.judge(axes)?;
        Ok(outline)
    }

    fn judge(&self, axes: &Axes) -> Result<(), Misfit> {
        if self.longest_mm() + MARGIN_MM + self.site.chamfer_mm > self.table.reach_mm() {
            return Err(Misfit::NoBone);
        }
        let kind = self.site.kind;
        let off = |p: &Point<Lps>| !on_vault(kind, Vector::new(axes.locate(*p).0));
        if self.rim(MARGIN_MM + self.site.chamfer_mm).iter().any(off) {
            return Err(Misfit::OffVault);
        }
        let (mut all, mut full, mut deeper, mut mm2) = (0usize, 0usize, 0usize, 0.0);
        for node in self.table.nodes() {
            if self.inside_mm(node.u, node.v, 0.0) > 0.0 {
                all += 1;
                full += usize::from(node.full);
                deeper += usize::from(node.deeper);
                mm2 += node.mm2;
            }
        }
        let share = |n: usize| n as f64 / all.max(1) as f64;
        let (full_least, deeper_most) = if kind.low() {
            (LOW_FULL_LEAST, LOW_DEEPER_MOST)
        } else {
            (FULL_LEAST, DEEPER_MOST)
        };
        if share(full) < full_least {
            return Err(Misfit::Gaps);
        }
        if share(deeper) > deeper_most {
            return Err(Misfit::Deeper);
        }
        if mm2 < LEAST_MM2 {
            return Err(Misfit::Small);
        }
        Ok(())
    }

    /// Distance of an arc position inwards from the rim, mm along the surface, at a depth under the outer table.
    fn inside_mm(&self, u: f64, v: f64, depth_mm: f64) -> f64 {
        let (radius, change) = self.site.rim.at(v.atan2(u) - self.site.turn);
        // Along the ray to the rim, times the cosine between the ray and the rim's normal.
        let along = self.scale_mm * radius - u.hypot(v);
        let (sine, cosine) = self.site.bevel.sin_cos();
        // A chamfer under the outer table is narrower by what it is deep; over it, it goes on as wide.
        let chamfer = if self.site.chamfer_mm > 0.0 {
            (self.site.chamfer_mm - depth_mm.max(0.0)).max(0.0)
        } else {
            0.0
        };
        along / 1f64.hypot(change / radius) * cosine - depth_mm * sine + chamfer
    }

    /// The rim's points on the outer table, or `beyond_mm` outside it.
    pub(super) fn rim(&self, beyond_mm: f64) -> Vec<Point<Lps>> {
        (0..RIM_POINTS)
            .map(|n| n as f64 / RIM_POINTS as f64 * TAU)
            .map(|t| {
                let radius = self.scale_mm * self.site.rim.at(t - self.site.turn).0 + beyond_mm;
                self.table.outer(radius * t.cos(), radius * t.sin())
            })
            .collect()
    }

    fn longest_mm(&self) -> f64 {
        (0..RIM_POINTS)
            .map(|n| self.site.rim.at(n as f64 / RIM_POINTS as f64 * TAU).0)
            .fold(0.0, f64::max)
            * self.scale_mm
    }

    /// Where `point` lies; `None` far from the rim.
    pub(super) fn place(&self, point: Point<Lps>) -> Option<Place> {
        let at = self.table.locate(point)?;
        Some(Place {
            inside_mm: self.inside_mm(at.u, at.v, at.depth_mm),
            depth_mm: at.depth_mm,
            inner_mm: at.inner_mm,
        })
    }

    /// Points that span the region a cut can touch.
    pub(super) fn corners(&self, over_mm: f64, under_mm: f64) -> Vec<Point<Lps>> {
        self.table.corners(over_mm, under_mm)
    }
}

/// Greatest distance between two of the points, mm.
pub(super) fn farthest(points: &[Point<Lps>]) -> f64 {
    let from = |n: usize| points[n + 1..].iter().map(move |p| p.minus(points[n]));
    (0..points.len())
        .flat_map(from)
        .map(Vector::length)
        .fold(0.0, f64::max)
}

/// The sphere around the place where `towards` meets the outer table, and the normal there.
fn around(
    bone: &Volume<bool>,
    middle: Point<Lps>,
    towards: Vector<Lps>,
) -> Option<(Point<Lps>, f64, Vector<Lps>)> {
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
    Some((centre, radius_mm, at.minus(centre).unit()?))
}

/// Distance from `from` along `ray` of the outermost bone between `far` and `near`.
pub(super) fn first(
    bone: &Volume<bool>,
    from: Point<Lps>,
    ray: Vector<Lps>,
    far: f64,
    near: f64,
) -> Option<f64> {
    march(bone, from, ray, far, near).find_map(|(r, set)| set.then_some(r))
}

/// Bone or not at distances from `far` down to `near` along a ray.
pub(super) fn march(
    bone: &Volume<bool>,
    from: Point<Lps>,
    ray: Vector<Lps>,
    far: f64,
    near: f64,
) -> impl Iterator<Item = (f64, bool)> {
    let to_ijk = bone.to_ijk();
    let (start, step) = (to_ijk.apply(from), to_ijk.turn(ray));
    let steps = ((far - near) / STEP_MM) as usize;
    (0..=steps)
        .map(move |n| far - n as f64 * STEP_MM)
        .map(move |r| {
            let at = start.plus(step.times(r)).0.map(|v| v.round() as i64);
            (r, bone.get(at).copied().unwrap_or(false))
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

    /// On a hollow ball, 7 mm thick: the wall of a bevelled hole runs at 45 degrees down to where its rim begins.
    #[test]
    fn a_bevel_takes_as_much_sideways_as_it_is_above_its_foot() {
        let n = 131;
        let to_lps = crate::space::Map::new([
            [1.0, 0.0, 0.0, -65.0],
            [0.0, 1.0, 0.0, -65.0],
            [0.0, 0.0, 1.0, -65.0],
        ]);
        let radius = |at: usize| {
            let [x, y, z] = [at % n, at / n % n, at / (n * n)].map(|v| v as f64 - 65.0);
            (x * x + y * y + z * z).sqrt()
        };
        let bone = (0..n * n * n).map(|at| (53.0..60.0).contains(&radius(at)));
        let bone = Volume::new([n; 3], bone.collect(), to_lps).unwrap();
        let inside = |chamfer_mm: f64, depth_mm: f64| {
            let mut dice = super::super::dice::Dice::new(4, 1);
            let site = Site {
                kind: super::super::Defect::Vertex,
                direction: [0.0, 0.0, 1.0],
                chord_mm: 40.0,
                rim: super::super::rim::Rim::draw(0.9, &mut dice),
                turn: 0.0,
                bevel: 0.0,
                chamfer_mm,
            };
            let axes = Axes::upright(Point::new([0.0; 3]));
            let outline = Outline::lay(site, &bone, &axes).unwrap();
            let ray: Vector<Lps> = Vector::new([0.35, 0.0, 0.937]);
            let place = outline
                .place(Point::new(ray.times(60.0 - depth_mm).0))
                .unwrap();
            place.inside_mm
        };
        let wider = |depth_mm| inside(6.0, depth_mm) - inside(0.0, depth_mm);
        assert!((wider(0.5) - 5.5).abs() < 0.7, "{}", wider(0.5));
        assert!((wider(4.0) - 2.0).abs() < 0.7, "{}", wider(4.0));
        assert!(wider(6.9).abs() < 1e-9, "{}", wider(6.9));
    }
}
