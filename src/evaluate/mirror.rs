//! Mirror: the baseline that every network has to beat, and that needs none.
//!
//! The skull is reflected in the plane that best registers it to its own reflection; what the reflection has and
//! the skull has not is opened by 1 mm, and the body nearest the defect is the answer.
//!
//! How the plane is found: points of the skull are reflected into its own fraction of bone, in 4 mm cells and
//! smoothed; the sum is largest over a grid of planes around the sagittal one, and refined on 2 mm cells. Bone
//! opposite the hole has no partner but at the hole's rim, and would pull the plane there: so the largest body
//! of bone without a partner, 8 mm around it, and their reflections are left out of a last refinement.
//!
//! Holds: a head turned by up to 24 degrees about its long or its front-to-back axis is found; beyond that the
//!        baseline is a poor one, and its score says so.

use crate::space::{Ijk, Lps, Map, Point, Vector};
use crate::volume::components::{self, Body, Connectivity};
use crate::volume::crop;
use crate::volume::{Volume, gaussian, morphology, sample};
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;

/// Removes the thin shells of ordinary asymmetry, mm.
const OPENING_MM: f64 = 1.0;
/// Bodies smaller than this are no answer unless there is no larger one, mm3.
const BODY_MIN_MM3: f64 = 1000.0;

/// Points of the skull whose reflections are asked.
const POINTS: usize = 40_000;
/// How far around bone without a partner the correlation is not asked, mm.
const UNPAIRED_MM: f64 = 8.0;

/// A plane in the patient's space: points with `normal . x = offset_mm`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plane {
    /// Unit normal, towards the patient's left.
    pub normal: Vector<Lps>,
    /// Distance from the origin along the normal, mm.
    pub offset_mm: f64,
}

impl Plane {
    /// The reflection in this plane.
    pub fn reflection(&self) -> Map<Lps, Lps> {
        let n = self.normal.0;
        Map::new([0, 1, 2].map(|r| {
            let mut row = [0, 1, 2].map(|c| f64::from(u8::from(r == c)) - 2.0 * n[r] * n[c]);
            // Minus zero would print as such.
            row.iter_mut().for_each(|x| *x += 0.0);
            [row[0], row[1], row[2], 2.0 * self.offset_mm * n[r]]
        }))
    }
}

/// The plane that best registers the skull to its reflection; `None` for an empty mask.
pub fn plane(skull: &Volume<bool>) -> Option<Plane> {
    let centre = skull.centroid()?;
    let coarse = Cells::of(skull, 4.0, 4.0);
    let mut best = (f64::NEG_INFINITY, [0.0; 3]);
    let tilts = [-24.0, -18.0, -12.0, -6.0, 0.0, 6.0, 12.0, 18.0, 24.0f64];
    for yaw in tilts {
        for roll in tilts {
            for shift in [-12.0, -8.0, -4.0, 0.0, 4.0, 8.0, 12.0] {
                let turn = [yaw.to_radians(), roll.to_radians(), shift];
                coarse.better(centre, turn, &mut best);
            }
        }
    }
    refine(&coarse, centre, &mut best, [3.0, 2.0], 0.5);
    let mut fine = Cells::of(skull, 2.0, 1.0);
    for _ in 0..2 {
        best.0 = f64::NEG_INFINITY;
        fine.better(centre, best.1, &mut best);
        refine(&fine, centre, &mut best, [0.5, 0.5], 0.03);
        fine.leave_out_unpaired(&at(centre, best.1));
    }
    Some(at(centre, best.1))
}

/// The mirror's answer for a defect at `near`: reflection minus skull, opened by 1 mm, the body (of at least
/// 1 cm3, if there is one) whose centroid is nearest. Empty when nothing is left.
pub fn baseline(skull: &Volume<bool>, plane: &Plane, near: Point<Lps>) -> Volume<bool> {
    let opened = morphology::open_mm(&reflected_minus(skull, plane), OPENING_MM);
    let bodies = components::bodies(&opened, Connectivity::Face);
    let large = |body: &&Body| body.voxels as f64 * opened.voxel_mm3() >= BODY_MIN_MM3;
    // Sizes fall: the large ones come first. Without a large one the largest has to do.
    let candidates = bodies.iter().take_while(large).count().max(1);
    let far = |body: &Body| opened.to_lps().apply(body.centroid).minus(near).length();
    let nearest = (bodies.iter().take(candidates)).min_by(|a, b| far(a).total_cmp(&far(b)));
    components::keep(&opened, Connectivity::Face, |body| Some(body) == nearest)
}

/// Voxels whose mirror image is bone (trilinear, at least half) and which are not bone themselves.
fn reflected_minus(skull: &Volume<bool>, plane: &Plane) -> Volume<bool> {
    let there = (skull.to_lps())
        .then(&plane.reflection())
        .then(&skull.to_ijk());
    let [ni, nj, _] = skull.shape();
    let mut data = vec![false; skull.data().len()];
    let Some(inner) = crop::bounds(skull) else {
        return skull.with(data);
    };
    let rows = data.par_chunks_mut(ni).zip(skull.data().par_chunks(ni));
    rows.enumerate().for_each(|(row, (out, bone))| {
        let first: Point<Ijk> = Point::new([0.0, (row % nj) as f64, (row / nj) as f64]);
        let start = there.apply(first);
        let step = there.column(0);
        for (i, (out, &bone)) in out.iter_mut().zip(bone).enumerate() {
            *out = !bone && half_bone(skull, &inner, start.plus(step.times(i as f64)));
        }
    });
    skull.with(data)
}

/// Whether bone fills half of the voxel-sized box around a point; `inner` holds all bone.
fn half_bone(skull: &Volume<bool>, inner: &crop::IndexBox, at: Point<Ijk>) -> bool {
    let outside = |a: usize| {
        let (low, high) = (inner[a].start as f64, inner[a].end as f64);
        at.0[a] <= low - 1.0 || at.0[a] >= high
    };
    if (0..3).any(outside) {
        return false;
    }
    let low = at.0.map(|x| x.floor() as i64);
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

/// A plane through the centre moved by `shift` mm along its normal, turned by yaw and roll (radians) from
/// the sagittal one.
fn at(centre: Point<Lps>, [yaw, roll, shift]: [f64; 3]) -> Plane {
    let raw = Vector::new([1.0, yaw.tan(), roll.tan()]);
    let normal = raw.times(1.0 / raw.length());
    let offset_mm = normal.dot(centre.minus(Point::new([0.0; 3]))) + shift;
    Plane { normal, offset_mm }
}

/// Smoothed bone fractions in cells along the patient's axes, and points to ask them at.
struct Cells {
    field: Volume<f32>,
    /// Points of the skull, spread evenly.
    points: Vec<Point<Lps>>,
}

impl Cells {
    fn of(skull: &Volume<bool>, cell_mm: f64, sigma_mm: f64) -> Self {
        let (low, high) = corners(skull);
        let margin = 4.0 * cell_mm;
        let origin = low.map(|x| x - margin);
        let shape = [0, 1, 2].map(|a| {
            // A few hundred cells an axis at most: a scan has less than two metres.
            (((high[a] - low[a] + 2.0 * margin) / cell_mm).ceil() as usize + 1).min(1024)
        });
        let mut sums = vec![0f32; shape.iter().product()];
        let (to_lps, share) = (skull.to_lps(), (skull.voxel_mm3() / cell_mm.powi(3)) as f32);
        let [ni, nj, _] = skull.shape();
        let step = to_lps.column(0);
        for (row, line) in skull.data().chunks(ni).enumerate() {
            if !line.contains(&true) {
                continue;
            }
            let first = Point::new([0.0, (row % nj) as f64, (row / nj) as f64]);
            let start = to_lps.apply(first);
            for (i, _) in line.iter().enumerate().filter(|&(_, &bone)| bone) {
                let p = start.plus(step.times(i as f64));
                let cell = [0, 1, 2].map(|a| {
                    let at = ((p.0[a] - origin[a]) / cell_mm).round().max(0.0) as usize;
                    at.min(shape[a] - 1)
                });
                sums[(cell[2] * shape[1] + cell[1]) * shape[0] + cell[0]] += share;
            }
        }
        let [x, y, z] = origin;
        let map = Map::new([
            [cell_mm, 0.0, 0.0, x],
            [0.0, cell_mm, 0.0, y],
            [0.0, 0.0, cell_mm, z],
        ]);
        let raw = Volume::new(shape, sums, map).expect("as many sums as cells, upright axes");
        let field = gaussian::gaussian(&raw, sigma_mm);
        let points = points(skull);
        Self { field, points }
    }

    /// Sum of the field at the points' reflections. Sums in fixed chunks: the same for any number of threads.
    fn correlation(&self, plane: &Plane) -> f64 {
        let there = plane.reflection().then(&self.field.to_ijk());
        let value = |&p: &Point<Lps>| f64::from(trilinear(&self.field, there.apply(p)));
        let parts: Vec<f64> = (self.points.par_chunks(4096))
            .map(|chunk| chunk.iter().map(value).sum())
            .collect();
        parts.iter().sum()
    }

    /// Drops the largest body of bone that has no partner under `plane`, what lies near it, and the reflection
    /// of both.
    fn leave_out_unpaired(&mut self, plane: &Plane) {
        let to_cell = self.field.to_ijk();
        let there = plane.reflection().then(&to_cell);
        let mut alone = self.field.map(|_| false);
        for &p in &self.points {
            let here = to_cell.apply(p);
            let partner = trilinear(&self.field, there.apply(p));
            if trilinear(&self.field, here) > 0.3 && partner < 0.1 {
                // The margin of four cells keeps every point inside.
                let offset = alone.offset(here.0.map(|x| x.round() as usize));
                alone.data_mut()[offset] = true;
            }
        }
        let body = components::largest_by(&alone, Connectivity::All);
        let out = morphology::dilate_mm(&body, UNPAIRED_MM);
        let is_out = |at: Point<Ijk>| sample::nearest(&out, at) == Some(true);
        (self.points).retain(|&p| !is_out(to_cell.apply(p)) && !is_out(there.apply(p)));
    }

    fn better(&self, centre: Point<Lps>, turn: [f64; 3], best: &mut (f64, [f64; 3])) -> bool {
        let value = self.correlation(&at(centre, turn));
        let won = value > best.0;
        if won {
            *best = (value, turn);
        }
        won
    }
}

/// About [`POINTS`] of the set voxels, each moved at random within its voxel: points in step with the cells would
/// favour planes that lay cells on cells.
fn points(skull: &Volume<bool>) -> Vec<Point<Lps>> {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let stride = skull.count() / POINTS + 1;
    let set = (skull.data().iter().enumerate()).filter(|&(_, &bone)| bone);
    set.step_by(stride)
        .map(|(offset, _)| {
            let index = skull.index(offset);
            let at = index.map(|x| x as f64 + random.random::<f64>() - 0.5);
            skull.to_lps().apply(Point::new(at))
        })
        .collect()
}

/// As `volume::sample::trilinear` for points well inside, without its care at the edges; 0 elsewhere.
fn trilinear(field: &Volume<f32>, at: Point<Ijk>) -> f32 {
    let [ni, nj, nk] = field.shape();
    let inside = |x: f64, n: usize| x >= 0.0 && x < n as f64 - 1.0;
    let [x, y, z] = at.0;
    if !(inside(x, ni) && inside(y, nj) && inside(z, nk)) {
        return 0.0;
    }
    let low = [x as usize, y as usize, z as usize];
    let [u, v, w] = [0, 1, 2].map(|a| (at.0[a] - low[a] as f64) as f32);
    let base = field.offset(low);
    let data = field.data();
    let line = |at: usize| data[at] + u * (data[at + 1] - data[at]);
    let face = |at: usize| {
        let (near, far) = (line(at), line(at + ni));
        near + v * (far - near)
    };
    let (near, far) = (face(base), face(base + ni * nj));
    near + w * (far - near)
}

/// Pattern search over yaw, roll (degrees) and shift (mm): steps are halved until they are under `least`.
fn refine(
    cells: &Cells,
    centre: Point<Lps>,
    best: &mut (f64, [f64; 3]),
    first: [f64; 2],
    least: f64,
) {
    let [mut degrees, mut mm] = first;
    while degrees > least || mm > least {
        let mut moved = false;
        for axis in 0..3 {
            let step = if axis == 2 { mm } else { degrees.to_radians() };
            for sign in [-1.0, 1.0] {
                let mut turn = best.1;
                turn[axis] += sign * step;
                moved |= cells.better(centre, turn, best);
            }
        }
        if !moved {
            degrees *= 0.5;
            mm *= 0.5;
        }
    }
}

/// Lowest and highest corner in mm of the box around the set voxels.
fn corners(skull: &Volume<bool>) -> ([f64; 3], [f64; 3]) {
    let whole = skull.shape().map(|n| 0..n);
    let inner = crop::bounds(skull).unwrap_or(whole);
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for n in 0..8 {
        let at = [0, 1, 2].map(|a| {
            let range = &inner[a];
            if n >> a & 1 == 1 {
                range.end as f64
            } else {
                range.start as f64
            }
        });
        let p = skull.to_lps().apply(Point::new(at)).0;
        low = [0, 1, 2].map(|a| low[a].min(p[a]));
        high = [0, 1, 2].map(|a| high[a].max(p[a]));
    }
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell of an ellipsoid (with a rough side so that only one plane fits), turned and shifted, and a hole
    /// on its left.
    fn skull(yaw_deg: f64, with_hole: bool) -> (Volume<bool>, Point<Lps>) {
        let (sin, cos) = yaw_deg.to_radians().sin_cos();
        let centre = [103.0, -51.0, 330.0];
        let map = Map::new([
            [1.5, 0.0, 0.0, centre[0] - 90.0],
            [0.0, 1.5, 0.0, centre[1] - 105.0],
            [0.0, 0.0, 2.0, centre[2] - 70.0],
        ]);
        let shape = [120, 140, 60];
        let mut mask = Volume::new(shape, vec![false; shape.iter().product()], map).unwrap();
        for offset in 0..mask.data().len() {
            let p = mask.centre(mask.index(offset)).0;
            let d = [0, 1, 2].map(|a| p[a] - centre[a]);
            // The head's own axes: x to its left.
            let (x, y, z) = (cos * d[0] + sin * d[1], -sin * d[0] + cos * d[1], d[2]);
            let r = ((x / 70.0).powi(2) + (y / 92.0).powi(2) + (z / 80.0).powi(2)).sqrt();
            let shell = (0.92..=1.0).contains(&r) && z > -40.0;
            let face = x.abs() < 20.0 && (-100.0..-85.0).contains(&y) && z < 0.0;
            let hole = (x - 60.0).hypot(y - 10.0).hypot(z - 30.0) < 30.0;
            mask.data_mut()[offset] = (shell || face) && !(hole && with_hole);
        }
        let near = [60.0 * cos - 10.0 * sin, 60.0 * sin + 10.0 * cos, 30.0];
        (mask, Point::new([0, 1, 2].map(|a| centre[a] + near[a])))
    }

    #[test]
    fn the_plane_of_a_turned_head_is_found_despite_the_hole() {
        let (mask, _) = skull(7.0, true);
        let plane = plane(&mask).unwrap();
        let yaw = plane.normal.0[1].atan2(plane.normal.0[0]).to_degrees();
        assert!((yaw - 7.0).abs() < 0.3, "{yaw}");
        assert!(plane.normal.0[2].abs() < 0.006, "{plane:?}");
        let centre = Vector::new([103.0, -51.0, 330.0]);
        assert!(
            (plane.normal.dot(centre) - plane.offset_mm).abs() < 0.4,
            "{plane:?}"
        );
    }

    #[test]
    fn the_hole_is_filled_from_the_other_side() {
        let ((mask, near), (whole, _)) = (skull(-11.0, true), skull(-11.0, false));
        let answer = baseline(&mask, &plane(&mask).unwrap(), near);
        let truth = mask.with(
            (whole.data().iter().zip(mask.data()))
                .map(|(&w, &m)| w && !m)
                .collect(),
        );
        let scores = super::super::score(&truth, &answer, &mask).unwrap();
        assert!(scores.dsc > 0.85, "{scores:?}");
    }

    #[test]
    fn a_reflection_undoes_itself() {
        let plane = at(Point::new([3.0, 4.0, 5.0]), [0.1, -0.2, 1.5]);
        let twice = plane.reflection().then(&plane.reflection());
        let p = Point::new([10.0, -20.0, 30.0]);
        assert!(twice.apply(p).minus(p).length() < 1e-9);
        assert!((plane.reflection().determinant() + 1.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_has_no_plane() {
        let (mask, near) = skull(0.0, true);
        let empty = mask.map(|_| false);
        assert_eq!(plane(&empty), None);
        let plane = plane(&mask).unwrap();
        assert_eq!(baseline(&empty, &plane, near).count(), 0);
    }
}
