//! Edge: the true edge of the bone as a signed distance on a fine grid around one hole.
//!
//! In:    grey values (HU) at any point, a grid whose third axis is the way out.
//! Out:   mm to the bone's surface, negative in bone.
//! Rule:  a fixed threshold puts bone 0.3 to 0.9 mm too far out, an invisible second clearance. Here every stretch
//!        of the edge gets the half height between its own bone and its own surroundings, read along the normal.
//!        Across thick slices the edge is a long ramp: bone and surroundings are read farther off there.
//! Errs:  the scanner rounds corners, so at a sharp rim bone reads too small. Measured against the cone that was cut
//!        out: `tests/it/implant.rs`.

use super::field::Sampled;
use crate::space::{Lps, Point, Vector};
use crate::volume::gaussian::gaussian;
use crate::volume::{Volume, distance, morphology};
use rayon::prelude::*;

/// What counts as bone to begin with, HU: low enough for a thin squama.
const START_HU: f32 = 200.0;
/// The edge's own level stays under this, HU, and this far over its surroundings (40 HU: 150).
const LEVEL_MOST_HU: f32 = 700.0;
const OVER_SOFT_HU: f32 = 110.0;
/// Less than this right beside bone is air (a model in air, a sinus); farther off it is air beyond a thin scalp,
/// which is no measure for the bone's edge.
const AIR_HU: f32 = -200.0;
const AIR_AT_MM: f64 = 1.5;
/// Voxels longer than this along the normal make the edge's ramp longer, mm.
const RAMP_MM: f64 = 1.0;
/// For every further mm of voxel, bone is read this much farther off (as a share), surroundings this many mm, and the
/// band reaches this many mm deeper: an edge in the middle of a slice is a ramp two slices long.
const DEEPER: f64 = 0.6;
const FARTHER_MM: f64 = 0.75;
const BAND_DEEPER_MM: f32 = 0.9;
/// The edge lies at most this far under and over the start surface, mm: deeper in is bone whatever its diploe.
const BAND_MM: (f32, f32) = (-1.2, 1.75);
/// Where bone is read along the inward normal, and soft tissue along the outward one, mm.
const BONE_AT_MM: [f64; 5] = [0.5, 1.0, 1.5, 2.0, 2.5];
const SOFT_AT_MM: [f64; 5] = [2.0, 2.4, 2.8, 3.2, 3.5];
/// Farther off the distance to the start surface will do, mm: half a voxel more or less decides nothing there.
const FAR_MM: f32 = 6.0;
/// Keeps the level off sample values: equal values give triangles without area.
const OFF_HU: f32 = 0.37;

/// Grey values at any point, and how long a voxel is along any direction.
pub(super) struct Grey<'a> {
    at: Box<dyn Fn(Point<Lps>) -> f32 + Sync + 'a>,
    axes: [Vector<Lps>; 3],
}

impl<'a> Grey<'a> {
    /// `beyond`: the value outside the scan, HU; `hu`: a voxel's value in HU.
    pub(super) fn new<T: Copy + Sync>(
        scan: &'a Volume<T>,
        beyond: f32,
        hu: impl Fn(T) -> f32 + Copy + Sync + 'a,
    ) -> Self {
        let sampled = Sampled::new(scan, beyond);
        Self {
            at: Box::new(move |p| sampled.at(p, hu)),
            axes: [0, 1, 2].map(|a| scan.to_lps().column(a)),
        }
    }

    /// Length of a voxel along a unit vector, mm.
    fn voxel_mm(&self, along: Vector<Lps>) -> f64 {
        let squares = self.axes.iter().map(|a| a.dot(along).powi(2));
        squares.sum::<f64>().sqrt()
    }
}

/// Signed distance to the bone's true edge on `grid`, mm, and the median level in HU.
pub(super) fn bone_distance(grid: &Volume<()>, grey: &Grey) -> (Volume<f32>, f32) {
    let cells = grid.data().len();
    let hu: Vec<f32> = (0..cells)
        .into_par_iter()
        .map(|o| (grey.at)(grid.centre(grid.index(o))))
        .collect();
    let hu = grid.with(hu);
    let start = start_distance(&hu);
    tracing::debug!("start surface found");
    let levels = levels(grid, grey, &hu, &start);
    let (level, median) = smoothed(&levels, &start);
    tracing::debug!("levels read");
    let h = grid.spacing_mm()[0] as f32;
    let u: Vec<f32> = (0..cells)
        .into_par_iter()
        .map(|o| {
            if levels.data()[o] == NO_LEVEL {
                return if start.data()[o] < 0.0 {
                    -1000.0
                } else {
                    1000.0
                };
            }
            level.data()[o] + OFF_HU - hu.data()[o]
        })
        .collect();
    (swept(&grid.with(u), &start, h), median)
}

/// Distance to the start surface, negative inside, smoothed by one cell: only its direction and rough size count.
fn start_distance(hu: &Volume<f32>) -> Volume<f32> {
    let h = hu.spacing_mm()[0];
    let bone = hu.with(hu.data().iter().map(|&v| v >= START_HU).collect());
    let bone = morphology::close_mm(&bone, 2.0 * h);
    let out = distance::distance_mm(&bone);
    let inn = distance::distance_mm(&bone.map(|&b| !b));
    let half = h as f32 / 2.0;
    let signed = (out.data().par_iter().zip(inn.data()).zip(bone.data()))
        .map(|((&o, &i), &b)| (if b { half - i } else { o - half }).clamp(-20.0, 20.0))
        .collect();
    gaussian(&hu.with(signed), h)
}

/// Stands for "not in the band".
const NO_LEVEL: f32 = f32::MIN;

/// The edge's own level at every cell of the band, [`NO_LEVEL`] elsewhere.
fn levels(grid: &Volume<()>, grey: &Grey, hu: &Volume<f32>, start: &Volume<f32>) -> Volume<f32> {
    let sample = Sampled::new(hu, -1000.0);
    let longest = (0..3)
        .map(|a| grey.axes[a].length())
        .fold(RAMP_MM, f64::max);
    let deepest = BAND_MM.0 - BAND_DEEPER_MM * (longest - RAMP_MM) as f32;
    let step = [0, 1, 2].map(|a| grid.to_lps().column(a));
    let unit = step.map(|s| s.times(1.0 / s.length()));
    let shape = grid.shape();
    let data = (0..grid.data().len())
        .into_par_iter()
        .map(|o| {
            let d = start.data()[o];
            if !(deepest..=BAND_MM.1).contains(&d) {
                return NO_LEVEL;
            }
            let index = grid.index(o);
            let mut normal = Vector::<Lps>::new([0.0; 3]);
            for a in 0..3 {
                let (mut low, mut high) = (index, index);
                low[a] = index[a].saturating_sub(1);
                high[a] = (index[a] + 1).min(shape[a] - 1);
                let rise = start.data()[grid.offset(high)] - start.data()[grid.offset(low)];
                for c in 0..3 {
                    normal.0[c] += f64::from(rise) * unit[a].0[c];
                }
            }
            let Some(normal) = normal.unit() else {
                return NO_LEVEL;
            };
            let ramp = (grey.voxel_mm(normal) - RAMP_MM).max(0.0);
            if d < BAND_MM.0 - BAND_DEEPER_MM * ramp as f32 {
                return NO_LEVEL;
            }
            // Everything is read from the start surface, not from this cell.
            let foot = grid.centre(index).plus(normal.times(-f64::from(d)));
            let at = |mm: f64| sample.at(foot.plus(normal.times(mm)), |v| v);
            let bone = BONE_AT_MM
                .iter()
                .map(|&mm| at(-mm * (1.0 + DEEPER * ramp)))
                .fold(f32::MIN, f32::max);
            let mut soft = SOFT_AT_MM.map(|mm| at(mm + FARTHER_MM * ramp));
            soft.sort_by(f32::total_cmp);
            let soft = if at(AIR_AT_MM) < AIR_HU {
                soft[2]
            } else {
                soft[2].max(AIR_HU)
            };
            let least = soft.max(AIR_HU - 800.0) + OVER_SOFT_HU;
            ((bone + soft) / 2.0).clamp(least.min(LEVEL_MOST_HU), LEVEL_MOST_HU)
        })
        .collect();
    hu.with(data)
}

/// Levels averaged over their neighbours, cells near the start surface counting most; and their median.
fn smoothed(levels: &Volume<f32>, start: &Volume<f32>) -> (Volume<f32>, f32) {
    let weight = |o: usize| {
        let d = start.data()[o];
        if levels.data()[o] == NO_LEVEL {
            0.0
        } else {
            (-d * d).exp()
        }
    };
    let weights: Vec<f32> = (0..levels.data().len()).map(weight).collect();
    let mut known: Vec<f32> = levels
        .data()
        .iter()
        .copied()
        .filter(|&t| t != NO_LEVEL)
        .collect();
    let middle = known.len() / 2;
    let median = match known.len() {
        0 => START_HU,
        _ => *known.select_nth_unstable_by(middle, f32::total_cmp).1,
    };
    let sum = (levels.data().iter().zip(&weights))
        .map(|(t, w)| if *w > 0.0 { t * w } else { 0.0 })
        .collect();
    let sigma = levels.spacing_mm()[0];
    let sum = gaussian(&levels.with(sum), sigma);
    let weights = gaussian(&levels.with(weights), sigma);
    let mean = (sum.data().iter().zip(weights.data()))
        .map(|(&s, &w)| if w > 1e-6 { s / w } else { median })
        .collect();
    (levels.with(mean), median)
}

/// Signed distance to the zero level of `u`, as `start` has it far off: exact to the sub-voxel at the crossing, then the eikonal equation by
/// fast sweeping (Zhao 2005). One order of sweeps, one thread: the same bits always.
fn swept(u: &Volume<f32>, start: &Volume<f32>, h: f32) -> Volume<f32> {
    let shape = u.shape();
    let stride = [1, shape[0], shape[0] * shape[1]];
    let values = u.data();
    let far = 1e3f32;
    let mut fixed = vec![false; values.len()];
    let mut d = vec![far; values.len()];
    for o in 0..values.len() {
        let index = u.index(o);
        let mut inverse = 0.0f32;
        for a in 0..3 {
            let mut nearest = f32::INFINITY;
            let mut look = |n: usize| {
                let (x, y) = (values[o], values[n]);
                if (x < 0.0) != (y < 0.0) {
                    nearest = nearest.min(h * x.abs() / (x - y).abs().max(1e-6));
                }
            };
            if index[a] > 0 {
                look(o - stride[a]);
            }
            if index[a] + 1 < shape[a] {
                look(o + stride[a]);
            }
            if nearest.is_finite() {
                inverse += 1.0 / nearest.max(1e-4).powi(2);
            }
        }
        let rough = start.data()[o].abs();
        if inverse > 0.0 {
            fixed[o] = true;
            d[o] = 1.0 / inverse.sqrt();
        } else if rough > FAR_MM {
            fixed[o] = true;
            d[o] = rough;
        }
    }
    for sweep in 0..8usize {
        let order = |a: usize| {
            let n = shape[a];
            let back = sweep >> a & 1 == 1;
            (0..n).map(move |x| if back { n - 1 - x } else { x })
        };
        for k in order(2) {
            for j in order(1) {
                for i in order(0) {
                    let o = i + j * stride[1] + k * stride[2];
                    if fixed[o] {
                        continue;
                    }
                    let index = [i, j, k];
                    let mut near = [far; 3];
                    for a in 0..3 {
                        if index[a] > 0 {
                            near[a] = near[a].min(d[o - stride[a]]);
                        }
                        if index[a] + 1 < shape[a] {
                            near[a] = near[a].min(d[o + stride[a]]);
                        }
                    }
                    let new = eikonal(near, h);
                    if new < d[o] {
                        d[o] = new;
                    }
                }
            }
        }
    }
    let signed = (d.iter().zip(values)).map(|(&d, &v)| if v < 0.0 { -d } else { d });
    u.with(signed.collect())
}

/// Distance at a cell from the smallest neighbour along each axis (Godunov).
fn eikonal(mut near: [f32; 3], h: f32) -> f32 {
    near.sort_by(f32::total_cmp);
    let [a, b, c] = near;
    let one = a + h;
    if one <= b {
        return one;
    }
    let two = (a + b + (2.0 * h * h - (a - b) * (a - b)).max(0.0).sqrt()) / 2.0;
    if two <= c {
        return two;
    }
    let sum = a + b + c;
    (sum + (sum * sum - 3.0 * (a * a + b * b + c * c - h * h))
        .max(0.0)
        .sqrt())
        / 3.0
}
