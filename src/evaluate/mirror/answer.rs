//! Answer: what the reflection has and the skull has not, and which part of it fills the hole.
//!
//! Two halves of a head never agree: a shell of a millimetre or two covers half the difference, and the body that
//! fills the hole hangs on to it. An opening by 1 mm takes off most; over 3 mm slices it takes off nothing. So the
//! difference is opened on a grid of at most 1 mm cells, the body nearest the defect is looked for in an opening by
//! 1.5 mm, and what the opening by 1 mm has within 2 mm of that body is the answer.

use crate::head::{Plane, half_bone};
use crate::space::{Ijk, Lps, Map, Point};
use crate::volume::components::{self, Body, Connectivity};
use crate::volume::crop::{self, IndexBox};
use crate::volume::{Volume, morphology};
use rayon::prelude::*;

/// Removes the thin shells of ordinary asymmetry, mm.
const OPENING_MM: f64 = 1.0;
/// Cuts a body free of the shell it hangs on to, mm.
const CORE_MM: f64 = 1.5;
/// How far around the core the opened difference is kept, mm.
const AROUND_MM: f64 = 2.0;
/// Bodies smaller than this are no answer unless there is no larger one, mm3.
const BODY_MIN_MM3: f64 = 1000.0;
/// Largest cell in which openings by a millimetre mean something, mm.
const CELL_MM: f64 = 1.0;

/// The mirror's answer for a defect whose centroid is `near`: reflection minus skull, opened by 1 mm, the body (of at
/// least 1 cm3, if there is one) whose centroid is nearest. Without a place to look at (an intact head) the largest
/// body of at least 1 cm3. Empty when nothing is left. On the skull's grid; no voxel of the answer is bone.
pub fn baseline(skull: &Volume<bool>, plane: &Plane, near: Option<Point<Lps>>) -> Volume<bool> {
    let nothing = skull.map(|_| false);
    let Some(cells) = Cells::of(skull, plane) else {
        return nothing;
    };
    let difference = cells.difference(skull, plane);
    let core = morphology::open_mm(&difference, CORE_MM);
    if let Some(body) = nearest(&core, near) {
        return cells.back(&around(&difference, &core, &body), nothing);
    }
    let opened = morphology::open_mm(&difference, OPENING_MM);
    match nearest(&opened, near) {
        Some(body) => cells.back(&only(&opened, &body), nothing),
        None => nothing,
    }
}

/// Which body is meant.
fn nearest(set: &Volume<bool>, near: Option<Point<Lps>>) -> Option<Body> {
    let bodies = components::bodies(set, Connectivity::Face);
    let large = |body: &&Body| body.voxels as f64 * set.voxel_mm3() >= BODY_MIN_MM3;
    // Sizes fall: the large ones come first.
    let count = bodies.iter().take_while(large).count();
    let Some(near) = near else {
        return bodies.into_iter().take(count.min(1)).next();
    };
    let far = |body: &Body| set.to_lps().apply(body.centroid).minus(near).length();
    // Without a large one the largest has to do.
    (bodies.into_iter().take(count.max(1))).min_by(|a, b| far(a).total_cmp(&far(b)))
}

fn only(set: &Volume<bool>, body: &Body) -> Volume<bool> {
    components::keep(set, Connectivity::Face, |other| other == body)
}

/// What an opening of the difference by [`OPENING_MM`] has within [`AROUND_MM`] of a body of the core. Looks at the
/// body's box only: an opening asks no voxel farther away than twice its radius.
fn around(difference: &Volume<bool>, core: &Volume<bool>, body: &Body) -> Volume<bool> {
    let wide = crop::grown(difference, &body.bounds, AROUND_MM + 3.0 * OPENING_MM);
    let opened = morphology::open_mm(&crop::crop(difference, &wide), OPENING_MM);
    let own = crop::crop(&only(core, body), &wide);
    let close = morphology::dilate_mm(&own, AROUND_MM);
    let both = (opened.data().iter().zip(close.data())).map(|(&o, &c)| o && c);
    let mut out = difference.map(|_| false);
    let part = opened.with(both.collect());
    crop::paste(&mut out, &part, [0, 1, 2].map(|a| wide[a].start));
    out
}

/// The box in which the reflection can have bone, in cells of at most [`CELL_MM`]: each voxel of the skull's grid is
/// cut into whole cells.
struct Cells {
    /// The box in voxels.
    boxed: IndexBox,
    /// Cells a voxel along each axis.
    cut: [usize; 3],
    /// Where all bone lies, in voxels.
    bounds: IndexBox,
}

impl Cells {
    /// `None` when there is no bone, or its reflection lies beyond the grid.
    fn of(skull: &Volume<bool>, plane: &Plane) -> Option<Self> {
        let bounds = crop::bounds(skull)?;
        let map = (skull.to_lps())
            .then(&plane.reflection())
            .then(&skull.to_ijk());
        let mut boxed: Option<IndexBox> = None;
        for n in 0..8 {
            let corner = [0, 1, 2].map(|a| {
                let range = &bounds[a];
                // Half a voxel beyond the centres on both sides.
                if n >> a & 1 == 1 {
                    range.end as f64
                } else {
                    range.start as f64 - 1.0
                }
            });
            let at = map.apply(Point::new(corner)).0;
            let one = [0, 1, 2].map(|a| {
                // Casts stop at 0; one voxel more on each side, so that an opening sees the air around.
                let (low, high) = ((at[a] - 1.0) as usize, (at[a] + 3.0) as usize);
                low.min(skull.shape()[a])..high.min(skull.shape()[a])
            });
            boxed = Some(boxed.map_or(one.clone(), |old| crop::hull(&old, &one)));
        }
        let cut = skull
            .spacing_mm()
            // A spacing that was read as 1.0000001 is 1.
            .map(|mm| (mm / CELL_MM - 1e-3).ceil().max(1.0) as usize);
        let boxed = boxed.filter(|b| b.iter().all(|range| !range.is_empty()))?;
        Some(Self { boxed, cut, bounds })
    }

    /// Cells whose mirror image is bone (trilinear, at least half) and which are not bone themselves.
    fn difference(&self, skull: &Volume<bool>, plane: &Plane) -> Volume<bool> {
        let shape = [0, 1, 2].map(|a| self.boxed[a].len() * self.cut[a]);
        let cut = self.cut.map(|n| n as f64);
        let whole = skull.to_lps();
        let first: Point<Ijk> =
            Point::new([0, 1, 2].map(|a| self.boxed[a].start as f64 + 0.5 / cut[a] - 0.5));
        let columns = [0, 1, 2].map(|a| whole.column(a).times(1.0 / cut[a]));
        let to_lps: Map<Ijk, Lps> = Map::from_columns(columns, whole.apply(first));
        let there = to_lps.then(&plane.reflection()).then(&skull.to_ijk());
        let mut data = vec![false; shape.iter().product()];
        let step = there.column(0);
        (data.par_chunks_mut(shape[0]).enumerate()).for_each(|(row, out)| {
            let (j, k) = (row % shape[1], row / shape[1]);
            let start = there.apply(Point::new([0.0, j as f64, k as f64]));
            let native = skull.offset([
                self.boxed[0].start,
                self.boxed[1].start + j / self.cut[1],
                self.boxed[2].start + k / self.cut[2],
            ]);
            for (i, out) in out.iter_mut().enumerate() {
                let bone = skull.data()[native + i / self.cut[0]];
                *out = !bone && half_bone(skull, &self.bounds, start.plus(step.times(i as f64)));
            }
        });
        // Bone's own voxels span space, and so do their parts.
        Volume::new(shape, data, to_lps).expect("as many values as cells, the grid's own axes")
    }

    /// Voxels of which at least half the cells are set, written into `out` on the skull's grid.
    fn back(&self, cells: &Volume<bool>, mut out: Volume<bool>) -> Volume<bool> {
        let Some(used) = crop::bounds(cells) else {
            return out;
        };
        let voxels =
            [0, 1, 2].map(|a| used[a].start / self.cut[a]..used[a].end.div_ceil(self.cut[a]));
        let all: usize = self.cut.iter().product();
        for k in voxels[2].clone() {
            for j in voxels[1].clone() {
                for i in voxels[0].clone() {
                    let set = (0..all)
                        .filter(|n| {
                            let [ci, cj, _] = self.cut;
                            let part = [n % ci, n / ci % cj, n / (ci * cj)];
                            let at = [i, j, k];
                            let index = [0, 1, 2].map(|a| at[a] * self.cut[a] + part[a]);
                            cells.data()[cells.offset(index)]
                        })
                        .count();
                    let offset = out.offset([
                        self.boxed[0].start + i,
                        self.boxed[1].start + j,
                        self.boxed[2].start + k,
                    ]);
                    out.data_mut()[offset] = 2 * set >= all;
                }
            }
        }
        out
    }
}
