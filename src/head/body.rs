//! Body: all bone of the upper head in coarse cells, and how far any place lies from it.
//!
//! The vault's skin has nothing to say where the vault is missing. Skull base, orbits, tables from within: the rest of
//! the bone still has a left and a right. What a hole took leaves its partner without one. Such a cell, whose reflection
//! lies where the skin is open, counts the same wherever the plane lies, so that a hole does not pull.

use super::half_bone;
use super::plane::Plane;
use super::skin::Skin;
use crate::space::{Ijk, Lps, Map, Point, Vector};
use crate::volume::crop::IndexBox;
use crate::volume::{Volume, distance};
use rayon::prelude::*;

/// Side of a cell, mm.
const CELL_MM: f64 = 2.0;
/// Bone farther than this under the highest is left out, mm: jaw and neck turn against the head.
const UPPER_MM: f64 = 110.0;
/// Room around the bone, mm: a reflection that leaves it is clamped to its edge.
const MARGIN_MM: f64 = 12.0;
/// Cells that are asked, about.
const ASKED: usize = 6000;
/// More cells than this are no head: a scan of metres.
const CELLS_MOST: usize = 20_000_000;

/// The bone of the upper head.
pub(super) struct Body {
    /// Cells with bone, thinned out evenly.
    points: Vec<Point<Lps>>,
    /// mm to the nearest bone.
    distance: Volume<f32>,
    to_ijk: Map<Lps, Ijk>,
}

impl Body {
    /// `bounds` holds all bone of the skull; `None` when there is none.
    pub(super) fn of(skull: &Volume<bool>, bounds: &IndexBox) -> Option<Self> {
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for n in 0..8usize {
            let corner = [0, 1, 2].map(|a| {
                let ends = [bounds[a].start, bounds[a].end.saturating_sub(1)];
                ends[n >> a & 1] as f64
            });
            let at = skull.to_lps().apply(Point::new(corner)).0;
            for a in 0..3 {
                low[a] = low[a].min(at[a]);
                high[a] = high[a].max(at[a]);
            }
        }
        // An oblique box is higher than its bone; the cells themselves say where the top is.
        let from = [0, 1, 2].map(|a| low[a] - MARGIN_MM);
        let shape =
            [0, 1, 2].map(|a| ((high[a] - low[a] + 2.0 * MARGIN_MM) / CELL_MM).ceil() as usize + 1);
        let cells = shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s))?;
        if cells > CELLS_MOST {
            return None;
        }
        let columns = [0, 1, 2].map(|a| {
            let mut column = [0.0; 3];
            column[a] = CELL_MM;
            Vector::new(column)
        });
        let to_lps: Map<Ijk, Lps> = Map::from_columns(columns, Point::new(from));
        let native = skull.to_ijk();
        let occupied: Vec<bool> = (0..cells)
            .into_par_iter()
            .map(|cell| {
                let at = [
                    cell % shape[0],
                    cell / shape[0] % shape[1],
                    cell / (shape[0] * shape[1]),
                ];
                let lps = to_lps.apply(Point::new(at.map(|i| i as f64)));
                half_bone(skull, bounds, native.apply(lps))
            })
            .collect();
        let bone = Volume::new(shape, occupied, to_lps).ok()?;
        let top = (0..cells).rfind(|&cell| bone.data()[cell])? / (shape[0] * shape[1]);
        let lowest = top.saturating_sub((UPPER_MM / CELL_MM) as usize);
        let all: Vec<usize> = (lowest * shape[0] * shape[1]..cells)
            .filter(|&cell| bone.data()[cell])
            .collect();
        // A stride that shares no factor with the rows' length: no lattice.
        let stride = (all.len() / ASKED).max(1) | 1;
        let points = all.into_iter().step_by(stride);
        Some(Self {
            points: points.map(|cell| bone.centre(bone.index(cell))).collect(),
            to_ijk: bone.to_ijk(),
            distance: distance::distance_mm(&bone),
        })
    }

    /// How far every `stride`-th cell's reflection lies from bone: mean of the squares, mm2, none counted as more than
    /// `limit_mm`. Where the skin is open a reflection finds no partner and counts `unpaired_mm2`.
    pub(super) fn mismatch(
        &self,
        skin: &Skin,
        plane: &Plane,
        limit_mm: f64,
        stride: usize,
        unpaired_mm2: f64,
    ) -> f64 {
        let reflection = plane.reflection();
        let (mut sum, mut asked) = (0.0, 0usize);
        for &point in self.points.iter().step_by(stride) {
            let there = reflection.apply(point);
            let mm = self.bone_mm(self.to_ijk.apply(there)).min(limit_mm);
            let mm2 = mm * mm;
            sum += if mm2 > unpaired_mm2 && skin.open(there) {
                unpaired_mm2
            } else {
                mm2
            };
            asked += 1;
        }
        sum / asked.max(1) as f64
    }

    /// mm to bone, trilinear; beyond the cells as at their edge.
    fn bone_mm(&self, at: Point<Ijk>) -> f64 {
        let shape = self.distance.shape();
        let (mut low, mut part) = ([0usize; 3], [0.0; 3]);
        for a in 0..3 {
            let x = at.0[a].clamp(0.0, (shape[a] - 1) as f64 - 1e-6);
            low[a] = x as usize;
            part[a] = x - low[a] as f64;
        }
        let base = self.distance.offset(low);
        let (row, slice) = (shape[0], shape[0] * shape[1]);
        let data = self.distance.data();
        let along =
            |n: usize| f64::from(data[n]) * (1.0 - part[0]) + f64::from(data[n + 1]) * part[0];
        let across = |n: usize| along(n) * (1.0 - part[1]) + along(n + row) * part[1];
        across(base) * (1.0 - part[2]) + across(base + slice) * part[2]
    }
}
