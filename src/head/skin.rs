//! Skin: the outer surface of the vault, as seen from outside along rays to a point within it.
//!
//! The vault is nearly a ball, so one radius a direction describes its outside, whatever lies within and below:
//! face, petrous bone, neck and the inner table are not asked. A direction in which a hole lies has no radius.
//! Directions are laid out by Lambert's equal-area map about the vertex, so that every cell counts the same and
//! there is no pole to avoid.

use super::axes::UPRIGHT;
use super::plane::Plane;
use crate::space::{Ijk, Lps, Map, Point, Vector};
use crate::volume::Volume;
use crate::volume::crop::IndexBox;
use rayon::prelude::*;

/// The middle lies this far under the highest bone: about the height of the roofs of the orbits.
const DEPTH_MM: f64 = 85.0;
/// Side of a cell of directions, radians (1.5 degrees: 2.4 mm on a head).
const CELL: f64 = 0.026_18;
/// Lowest direction, from the vertex: a little under the middle's height.
pub(super) const LOWEST_DEG: f64 = 95.0;
/// Below its lowest direction the skin is known this much farther, degrees: a plane that leans must not get rid of the
/// temples by reflecting them to where nothing is known.
const UNDER_DEG: f64 = 30.0;
/// Step along a ray, mm; the surface within a step is bisected.
const STEP_MM: f64 = 0.5;
/// Bone nearer to the middle than this is no vault (calcified falx, sella seen through a hole), mm.
const NEAREST_MM: f64 = 30.0;
/// With fewer directions than this there is no vault.
const LEAST: usize = 200;
/// A plane under which fewer of the points than this meet bone is none.
const PAIRED: f64 = 0.4;

/// The outer surface of a vault by direction.
pub(super) struct Skin {
    middle: Point<Lps>,
    /// Left, back and up of the map of directions.
    axes: [Vector<Lps>; 3],
    /// Cells from the vertex to the map's edge.
    half: usize,
    /// Cosine of the lowest direction that was looked at, from the vertex.
    lowest: f64,
    /// mm from the middle to the outer surface; not-a-number where no bone is seen.
    radius: Vec<f32>,
    /// The surface's points, one for each direction in which bone is seen.
    points: Vec<Point<Lps>>,
}

impl Skin {
    /// As the scanner's axes show it; `None` when there is no vault to be seen.
    pub(super) fn of(skull: &Volume<bool>, bounds: &IndexBox) -> Option<Self> {
        Self::seen(skull, bounds, middle(skull)?, UPRIGHT, LOWEST_DEG)
    }

    /// Seen from `middle` with the vertex along the last of `axes` (orthogonal, of length 1: left, back, up), down to
    /// `lowest_deg` from the vertex.
    pub(super) fn seen(
        skull: &Volume<bool>,
        bounds: &IndexBox,
        middle: Point<Lps>,
        axes: [Vector<Lps>; 3],
        lowest_deg: f64,
    ) -> Option<Self> {
        let reach = (lowest_deg + UNDER_DEG).to_radians();
        let half = (2.0 * (reach / 2.0).sin() / CELL).ceil() as usize + 1;
        let side = 2 * half + 1;
        let caster = Caster::new(skull, bounds.clone(), middle);
        let direction = |cell: usize| {
            let [a, b] = [cell % side, cell / side].map(|n| (n as f64 - half as f64) * CELL);
            let (rho2, up) = (a * a + b * b, 1.0 - (a * a + b * b) / 2.0);
            let flat = (1.0 - rho2 / 4.0).max(0.0).sqrt();
            let [x, y, z] = axes.map(|axis| axis.0);
            let toward = |c: usize| a * flat * x[c] + b * flat * y[c] + up * z[c];
            (up >= reach.cos()).then(|| Vector::<Lps>::new([0, 1, 2].map(toward)))
        };
        let radius: Vec<f32> = (0..side * side)
            .into_par_iter()
            .map(|cell| direction(cell).and_then(|d| caster.radius(d)))
            .map(|mm| mm.map_or(f32::NAN, |mm| mm as f32))
            .collect();
        let lowest = lowest_deg.to_radians().cos();
        let points: Vec<Point<Lps>> = (radius.iter().enumerate())
            .filter(|(_, mm)| mm.is_finite())
            .filter_map(|(cell, &mm)| Some((direction(cell)?, f64::from(mm))))
            .filter(|(direction, _)| direction.dot(axes[2]) >= lowest)
            .map(|(direction, mm)| middle.plus(direction.times(mm)))
            .collect();
        (points.len() >= LEAST).then_some(Self {
            middle,
            axes,
            half,
            lowest: reach.cos(),
            radius,
            points,
        })
    }

    /// The point within the vault from which it is seen.
    pub(super) fn middle(&self) -> Point<Lps> {
        self.middle
    }

    /// The surface's points, equally dense by solid angle.
    pub(super) fn points(&self) -> &[Point<Lps>] {
        &self.points
    }

    /// Mean of the surface's points: turning a plane about it moves it least.
    pub(super) fn pivot(&self) -> Point<Lps> {
        let zero = Point::new([0.0; 3]);
        let sum = (self.points.iter()).fold([0.0; 3], |s, p| [0, 1, 2].map(|a| s[a] + p.0[a]));
        zero.plus(Vector::new(sum.map(|s| s / self.points.len() as f64)))
    }

    /// How far every `stride`-th point's reflection lies from the skin, along the ray: mean of the squares, mm2,
    /// none counted as more than `limit_mm`. A point that is reflected to where no bone is counts `unpaired_mm2`;
    /// infinite when they are too many.
    pub(super) fn mismatch(
        &self,
        plane: &Plane,
        limit_mm: f64,
        stride: usize,
        unpaired_mm2: f64,
    ) -> f64 {
        let reflection = plane.reflection();
        let (mut sum, mut paired, mut asked) = (0.0, 0usize, 0usize);
        for &point in self.points.iter().step_by(stride) {
            asked += 1;
            if let Some(mm) = self.beyond(reflection.apply(point)) {
                sum += (mm * mm).min(limit_mm * limit_mm);
                paired += 1;
            }
        }
        if (paired as f64) < PAIRED * asked as f64 {
            f64::INFINITY
        } else {
            (sum + unpaired_mm2 * (asked - paired) as f64) / asked as f64
        }
    }

    /// Whether no bone is seen in the direction of a point, as far as the map goes.
    pub(super) fn open(&self, point: Point<Lps>) -> bool {
        let side = 2 * self.half + 1;
        let (_, at) = self.cell(point);
        at.is_some_and(|at| {
            let [a, b] = at.map(|x| x.round() as usize);
            self.radius[b * side + a].is_nan()
        })
    }

    /// How far a point lies outside the skin, mm; `None` where none is seen.
    fn beyond(&self, point: Point<Lps>) -> Option<f64> {
        let (mm, at) = self.cell(point);
        let [a, b] = at?;
        let side = 2 * self.half + 1;
        let (low_a, low_b) = (a as usize, b as usize);
        let (u, v) = (a - low_a as f64, b - low_b as f64);
        let at = |da: usize, db: usize| f64::from(self.radius[(low_b + db) * side + low_a + da]);
        let near = at(0, 0) * (1.0 - u) + at(1, 0) * u;
        let far = at(0, 1) * (1.0 - u) + at(1, 1) * u;
        // Not-a-number in any of the four stays one.
        let radius = near * (1.0 - v) + far * v;
        radius.is_finite().then_some(mm - radius)
    }

    /// A point's distance from the middle, mm, and its place on the map of directions, in cells; `None` off the map.
    fn cell(&self, point: Point<Lps>) -> (f64, Option<[f64; 2]>) {
        let from_middle = point.minus(self.middle);
        let mm = from_middle.length();
        let [x, y, z] = self.axes.map(|axis| axis.dot(from_middle) / mm.max(1e-9));
        // Straight down has no place on the map.
        let scale = (2.0 / (1.0 + z).max(1e-6)).sqrt() / CELL;
        let at = [x, y].map(|x| x * scale + self.half as f64);
        let last = (2 * self.half) as f64;
        let known = z >= self.lowest && at.iter().all(|&x| x >= 0.0 && x < last);
        (mm, known.then_some(at))
    }
}

/// A point on the vault's axis at the height of the orbits' roofs, or at the scan's lower end if that is higher.
fn middle(skull: &Volume<bool>) -> Option<Point<Lps>> {
    const SAMPLE: usize = 40_000;
    let stride = skull.count() / SAMPLE + 1;
    let bone: Vec<Point<Lps>> = (skull.data().iter().enumerate())
        .filter(|&(_, &bone)| bone)
        .step_by(stride)
        .map(|(offset, _)| skull.centre(skull.index(offset)))
        .collect();
    let ends = |share: f64, axis: usize, from: &[Point<Lps>]| {
        let mut all: Vec<f64> = from.iter().map(|p| p.0[axis]).collect();
        all.sort_unstable_by(f64::total_cmp);
        let last = all.len().checked_sub(1)?;
        let cut = (share * last as f64) as usize;
        Some([all[cut], all[last - cut]])
    };
    let [bottom, top] = ends(0.0, 2, &bone)?;
    let height = (top - DEPTH_MM).max(bottom);
    let vault: Vec<Point<Lps>> = bone.into_iter().filter(|p| p.0[2] >= height).collect();
    // Half a percent off each end: a stray piece beside the head is not its side.
    let [x, y] = [0, 1].map(|axis| ends(0.005, axis, &vault));
    let half = |[low, high]: [f64; 2]| (low + high) / 2.0;
    Some(Point::new([half(x?), half(y?), height]))
}

/// Looks from outside towards the middle.
struct Caster<'a> {
    skull: &'a Volume<bool>,
    bounds: IndexBox,
    to_ijk: Map<Lps, Ijk>,
    middle: Point<Lps>,
    /// Beyond this there is no bone, mm.
    farthest: f64,
}

impl<'a> Caster<'a> {
    fn new(skull: &'a Volume<bool>, bounds: IndexBox, middle: Point<Lps>) -> Self {
        let corner = |n: usize| {
            let at = [0, 1, 2].map(|a| {
                let end = if n >> a & 1 == 1 {
                    bounds[a].end
                } else {
                    bounds[a].start
                };
                end as f64
            });
            skull.to_lps().apply(Point::new(at)).minus(middle).length()
        };
        let farthest = (0..8).map(corner).fold(0.0, f64::max);
        Self {
            to_ijk: skull.to_ijk(),
            skull,
            bounds,
            middle,
            farthest,
        }
    }

    /// mm from the middle to the outermost bone in a direction.
    fn radius(&self, direction: Vector<Lps>) -> Option<f64> {
        let is_bone = |mm: f64| {
            let at = self.to_ijk.apply(self.middle.plus(direction.times(mm)));
            half_bone(self.skull, &self.bounds, at)
        };
        let steps = ((self.farthest - NEAREST_MM) / STEP_MM).ceil().max(0.0) as usize;
        let first = (0..=steps)
            .map(|n| self.farthest - n as f64 * STEP_MM)
            .find(|&mm| is_bone(mm))?;
        let (mut inside, mut outside) = (first, first + STEP_MM);
        for _ in 0..4 {
            let half = (inside + outside) / 2.0;
            if is_bone(half) {
                inside = half;
            } else {
                outside = half;
            }
        }
        Some((inside + outside) / 2.0)
    }
}

/// Whether bone fills half of the voxel-sized box around a point (trilinear); `bounds` holds all bone.
pub(crate) fn half_bone(skull: &Volume<bool>, bounds: &IndexBox, at: Point<Ijk>) -> bool {
    let outside = |a: usize| {
        let (low, high) = (bounds[a].start as f64, bounds[a].end as f64);
        at.0[a] <= low - 1.0 || at.0[a] >= high
    };
    if (0..3).any(outside) {
        return false;
    }
    let low = at.0.map(|x| x.floor() as i64);
    let shape = skull.shape();
    if (0..3).all(|a| low[a] >= 0 && low[a] + 1 < shape[a] as i64) {
        // Most of the points asked have all corners alike, within bone or within air.
        let base = skull.offset(low.map(|x| x as usize));
        let (j, k) = (shape[0], shape[0] * shape[1]);
        let corners = [base, base + j, base + k, base + j + k];
        let set: usize = (corners.iter())
            .map(|&c| usize::from(skull.data()[c]) + usize::from(skull.data()[c + 1]))
            .sum();
        if set == 0 || set == 8 {
            return set == 8;
        }
    }
    let part = [0, 1, 2].map(|a| at.0[a] - low[a] as f64);
    let mut sum = 0.0;
    for corner in 0..8i64 {
        let step = [corner & 1, corner >> 1 & 1, corner >> 2];
        if skull.get([0, 1, 2].map(|a| low[a] + step[a])) == Some(&true) {
            sum += (0..3)
                .map(|a| if step[a] == 1 { part[a] } else { 1.0 - part[a] })
                .product::<f64>();
        }
    }
    sum >= 0.5
}
