//! Insertion: the direction along which a part goes into its hole with the least taken off it.
//!
//! In:    distance to bone and the wanted shape on one grid, both mm and negative inside; the clearance; the hole's
//!        middle direction, outwards.
//! Out:   [`Way`]: a unit vector outwards, and [`Bone::way_out`], the nearest that bone comes on that way.
//! Rule:  a point of the part can be put in along `-n` when no bone comes nearer than the clearance anywhere on its
//!        way out along `n`. What fails that is undercut and is taken off. The whole outward hemisphere is searched
//!        in rings, then around the best three: coarse to fine, one order, so the same bits for any number of
//!        threads.
//! Cost:  at most some 190 directions over cells of 2 mm and 75 over cells of 1 mm; a straight hole needs a handful,
//!        because a tilt that can not pay is not looked at. The distance itself says how far a step may go.

use crate::space::{Ijk, Lps, Map, Vector};
use crate::volume::Volume;
use rayon::prelude::*;

/// Rings of the coarse search lie this far apart, degrees; the outermost lies nearly along the skull.
const RING_DEG: f64 = 10.0;
const RINGS: u32 = 8;
/// The fine search steps this far to eight sides of the best, degrees.
const FINE_DEG: [f64; 3] = [5.0, 2.5, 1.25];
/// Coarse directions that are refined.
const REFINED: usize = 3;
/// Cells of the two searches, mm.
const COARSE_MM: f64 = 2.0;
const FINE_MM: f64 = 1.0;
/// A tilt is worth taking when it saves this much a degree, mm3: a surgeon expects to press a part straight in.
const DEGREE_MM3: f64 = 1.0;
/// The swept distance is at most this much too large between two samples of a way.
const STEP_MM: f64 = 0.25;

/// The way out of a hole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Way {
    /// Outwards, unit vector.
    pub(super) out: Vector<Lps>,
    /// Angle to the middle of the hole, degrees.
    pub(super) tilt_deg: f64,
}

/// Distance to bone, ready to be walked through.
pub(super) struct Bone<'a> {
    distance: &'a Volume<f32>,
    to_ijk: Map<Lps, Ijk>,
}

impl<'a> Bone<'a> {
    pub(super) fn new(distance: &'a Volume<f32>) -> Self {
        Self {
            distance,
            to_ijk: distance.to_ijk(),
        }
    }

    /// A patient direction in cells a mm.
    pub(super) fn step(&self, out: Vector<Lps>) -> Vector<Ijk> {
        self.to_ijk.turn(out)
    }

    /// The nearest that bone comes on the way from a cell along `step`, mm. Under `enough` nothing more is asked.
    pub(super) fn way_out(&self, from: [usize; 3], step: Vector<Ijk>, enough: f32) -> f32 {
        let start = from.map(|n| n as f64);
        let mut here = self.distance.data()[self.distance.offset(from)];
        let (mut least, mut mm) = (here, 0.0);
        while least >= enough {
            // The distance changes by 1 mm a mm at most: nothing nearer than `least` comes before that.
            mm += f64::from(here - least).max(STEP_MM);
            let at = [0, 1, 2].map(|a| start[a] + step.0[a] * mm);
            let Some(next) = self.at(at) else { break };
            here = next;
            least = least.min(here);
        }
        least
    }

    /// Trilinear; `None` beyond the grid, where there is no bone that could be in the way.
    fn at(&self, at: [f64; 3]) -> Option<f32> {
        let shape = self.distance.shape();
        if (0..3).any(|a| at[a] < 0.0 || at[a] + 1.0 >= shape[a] as f64) {
            return None;
        }
        // Not negative, so the whole part is the floor.
        let low = at.map(|x| x as usize);
        let part = [0, 1, 2].map(|a| (at[a] - low[a] as f64) as f32);
        let data = self.distance.data();
        let (j, k) = (shape[0], shape[0] * shape[1]);
        let row = |o: usize| data[o] + (data[o + 1] - data[o]) * part[0];
        let plane = |o: usize| row(o) + (row(o + j) - row(o)) * part[1];
        let o = self.distance.offset(low);
        Some(plane(o) + (plane(o + k) - plane(o)) * part[2])
    }
}

/// The way that takes least off the shape, tilting no more than it saves.
pub(super) fn search(
    bone: &Bone,
    shape: &Volume<f32>,
    clearance_mm: f64,
    middle: Vector<Lps>,
) -> Way {
    let clearance = clearance_mm as f32;
    let coarse = Cells::of(bone, shape, clearance, COARSE_MM);
    let mut tried: Vec<(f64, Vector<Lps>)> = Vec::new();
    for out in rings(middle) {
        // What only its tilt costs more than the best few can not become one of them.
        let worst = tried.get(REFINED - 1).map_or(f64::INFINITY, |t| t.0);
        if tilt_mm3(out, middle) >= worst {
            continue;
        }
        let cost = coarse.cost(bone, out, clearance, middle);
        // Of two equal ones the first, which is nearer to the middle, stays first.
        let place = tried.partition_point(|t| t.0 <= cost);
        tried.insert(place, (cost, out));
        tried.truncate(REFINED);
    }
    let fine = Cells::of(bone, shape, clearance, FINE_MM);
    let mut best = (f64::INFINITY, middle);
    for &(_, start) in &tried {
        let mut here = (fine.cost(bone, start, clearance, middle), start);
        for degrees in FINE_DEG {
            for out in around(here.1, degrees) {
                // Never into the skull, and no tilt that can not pay.
                if out.dot(middle) <= 0.0 || tilt_mm3(out, middle) >= here.0.min(best.0) {
                    continue;
                }
                let cost = fine.cost(bone, out, clearance, middle);
                if cost < here.0 {
                    here = (cost, out);
                }
            }
        }
        if here.0 < best.0 {
            best = here;
        }
    }
    Way {
        out: best.1,
        tilt_deg: tilt_deg(best.1, middle),
    }
}

fn tilt_deg(a: Vector<Lps>, b: Vector<Lps>) -> f64 {
    a.dot(b).clamp(-1.0, 1.0).acos().to_degrees()
}

/// What a tilt costs.
fn tilt_mm3(out: Vector<Lps>, middle: Vector<Lps>) -> f64 {
    DEGREE_MM3 * tilt_deg(out, middle)
}

/// Cells of the shape that keep their clearance where they lie: what the way in could still cost.
struct Cells {
    from: Vec<[usize; 3]>,
    mm3: f64,
}

impl Cells {
    fn of(bone: &Bone, shape: &Volume<f32>, clearance: f32, mm: f64) -> Self {
        let stride = shape
            .spacing_mm()
            .map(|s| ((mm / s).round() as usize).max(1));
        let [ni, nj, nk] = shape.shape();
        let mut from = Vec::new();
        for k in (0..nk).step_by(stride[2]) {
            for j in (0..nj).step_by(stride[1]) {
                for i in (0..ni).step_by(stride[0]) {
                    let o = shape.offset([i, j, k]);
                    if shape.data()[o] < 0.0 && bone.distance.data()[o] >= clearance {
                        from.push([i, j, k]);
                    }
                }
            }
        }
        let mm3 = shape.voxel_mm3() * stride.iter().product::<usize>() as f64;
        Self { from, mm3 }
    }

    /// What a direction takes off, mm3, and its tilt.
    fn cost(&self, bone: &Bone, out: Vector<Lps>, clearance: f32, middle: Vector<Lps>) -> f64 {
        let step = bone.step(out);
        let lost = self
            .from
            .par_iter()
            .filter(|&&from| bone.way_out(from, step, clearance) < clearance)
            .count();
        lost as f64 * self.mm3 + tilt_mm3(out, middle)
    }
}

/// Directions of the outward hemisphere in rings, the middle first.
fn rings(middle: Vector<Lps>) -> Vec<Vector<Lps>> {
    let mut all = vec![middle];
    for ring in 1..=RINGS {
        let angle = (f64::from(ring) * RING_DEG).to_radians();
        let count = (std::f64::consts::TAU * angle.sin() / RING_DEG.to_radians()).round() as u32;
        all.extend((0..count).map(|n| {
            turned(
                middle,
                angle,
                std::f64::consts::TAU / f64::from(count) * f64::from(n),
            )
        }));
    }
    all
}

/// Eight directions `degrees` off.
fn around(out: Vector<Lps>, degrees: f64) -> [Vector<Lps>; 8] {
    [0, 1, 2, 3, 4, 5, 6, 7].map(|n| {
        turned(
            out,
            degrees.to_radians(),
            std::f64::consts::FRAC_PI_4 * f64::from(n),
        )
    })
}

/// `out` tilted by `angle` towards `side`, both radians.
fn turned(out: Vector<Lps>, angle: f64, side: f64) -> Vector<Lps> {
    let flat = (0..3).min_by(|&a, &b| out.0[a].abs().total_cmp(&out.0[b].abs()));
    let mut along = [0.0; 3];
    along[flat.unwrap_or(0)] = 1.0;
    // `out` is a unit vector and `along` its flattest axis: their product is never 0.
    let e = out.cross(Vector::new(along)).unit().unwrap_or(out);
    let f = out.cross(e);
    let (s, c) = angle.sin_cos();
    let (sf, cf) = side.sin_cos();
    Vector::new([0, 1, 2].map(|a| c * out.0[a] + s * (cf * e.0[a] + sf * f.0[a])))
}

/// Where a way leads out to, in words for the surgeon: "the patient's left and above".
pub(super) fn side_in_words(out: Vector<Lps>) -> String {
    let names = [
        ("the patient's left", "the patient's right"),
        ("behind", "the front"),
        ("above", "below"),
    ];
    let mut axes = [0, 1, 2];
    axes.sort_by(|&a: &usize, &b| out.0[b].abs().total_cmp(&out.0[a].abs()));
    let words: Vec<&str> = axes
        .into_iter()
        .filter(|&a| out.0[a].abs() > 0.35)
        .map(|a| {
            if out.0[a] > 0.0 {
                names[a].0
            } else {
                names[a].1
            }
        })
        .collect();
    words.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 60;

    /// A plate of bone 6 mm thick in cells of 1 mm, lying across the third axis, with a hole whose distance outside
    /// is `hole`; the wanted shape fills hole and plate.
    fn plate(hole: impl Fn(f64, f64, f64) -> f64) -> (Volume<f32>, Volume<f32>) {
        let map = Map::new([
            [1., 0., 0., -29.5],
            [0., 1., 0., -29.5],
            [0., 0., 1., -29.5],
        ]);
        let grid = Volume::new([SIDE; 3], vec![(); SIDE.pow(3)], map).unwrap();
        let (mut bone, mut shape) = (Vec::new(), Vec::new());
        for o in 0..grid.data().len() {
            let [x, y, z] = grid.centre(grid.index(o)).0;
            let (slab, outside) = (z.abs() - 3.0, hole(x, y, z));
            bone.push(slab.max(-outside) as f32);
            shape.push(slab.max(outside) as f32);
        }
        (grid.with(bone), grid.with(shape))
    }

    fn found(hole: impl Fn(f64, f64, f64) -> f64) -> (Way, f64) {
        let (distance, shape) = plate(hole);
        let bone = Bone::new(&distance);
        let middle = Vector::new([0.0, 0.0, 1.0]);
        let way = search(&bone, &shape, 0.5, middle);
        let cells = Cells::of(&bone, &shape, 0.5, 1.0);
        let lost = cells.cost(&bone, way.out, 0.5, way.out) / (cells.from.len() as f64 * cells.mm3);
        (way, lost)
    }

    #[test]
    fn a_straight_hole_is_left_straight() {
        let (way, lost) = found(|x, y, _| x.hypot(y) - 15.0);
        assert!(way.tilt_deg < 1e-6 && lost == 0.0, "{way:?} {lost}");
    }

    /// implant.md 7.3: the best direction of an oblique cylinder is its axis, within 5 degrees.
    #[test]
    fn an_oblique_hole_is_gone_out_of_along_its_axis() {
        for degrees in [20.0f64, 35.0] {
            let (s, c) = degrees.to_radians().sin_cos();
            let axis = Vector::<Lps>::new([s, 0.0, c]);
            let (way, lost) = found(|x, y, z| (c * x - s * z).hypot(y) - 12.0);
            assert!(
                tilt_deg(way.out, axis) < 5.0 && lost < 0.01,
                "{way:?} {lost}"
            );
        }
    }

    #[test]
    fn a_hole_wider_inside_costs_whatever_the_way() {
        let (way, lost) = found(|x, y, z| (x.hypot(y) - 12.0 + z) / 2.0f64.sqrt());
        assert!(lost > 0.1 && way.tilt_deg < 10.0, "{way:?} {lost}");
    }

    #[test]
    fn no_bone_is_passed_between_two_samples() {
        // A thin wall 20 mm off the middle.
        let (mut distance, _) = plate(|_, _, _| -9.0);
        for o in 0..distance.data().len() {
            let x = distance.centre(distance.index(o)).0[0];
            distance.data_mut()[o] = ((x - 20.0).abs() - 0.9) as f32;
        }
        let bone = Bone::new(&distance);
        let step = bone.step(Vector::new([1.0, 0.0, 0.0]));
        assert!(bone.way_out([5, 30, 30], step, 0.0) < 0.0);
        assert!(bone.way_out([55, 30, 30], step, 0.0) > 0.0);
    }

    #[test]
    fn words_name_the_strongest_sides_first() {
        assert_eq!(
            side_in_words(Vector::new([0.8, 0.1, 0.6])),
            "the patient's left and above"
        );
        assert_eq!(
            side_in_words(Vector::new([-0.5, -0.86, 0.0])),
            "the front and the patient's right"
        );
    }
}
