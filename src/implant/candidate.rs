//! Candidate: places where bone may be missing, each on its own: bodies of what the network marks, and openings of the vault
//! that it does not mark.

use super::opening::Opening;
use crate::space::{Lps, Point};
use crate::volume::components::{self, Connectivity};
use crate::volume::crop::{self, IndexBox, bounds, crop};
use crate::volume::{Volume, distance, morphology};

/// Bodies that are looked at, the largest first.
const BODIES_MOST: usize = 8;
/// Room around what is predicted, so that its border is interpolated as on the whole grid, mm.
const BESIDE_MM: f64 = 4.0;

/// Tables of bone lie this near to the radius that the bone around an opening has, mm.
const SHEET_MM: f64 = 4.0;

/// Who says that bone is missing at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// The network marks it.
    Network,
    /// The network does not; rays from the middle of the head meet no bone there.
    Bone,
}

/// A place where bone may be missing.
pub(super) struct Candidate {
    /// Who says so.
    pub(super) sign: Sign,
    /// Its middle.
    pub(super) centroid: Point<Lps>,
    /// One of its voxels.
    pub(super) voxel: [i64; 3],
    /// The probability, but for what belongs to another body: two holes under one chart stay two. Of an opening: 1 where
    /// the tables of its bone would lie.
    pub(super) own: Volume<f32>,
}

/// Predicted bodies outside the skull, the largest first.
pub(super) fn candidates(
    probability: &Volume<f32>,
    hit: &Volume<bool>,
    skull: &Volume<bool>,
    near: &IndexBox,
    least: f64,
) -> Vec<Candidate> {
    let near = &crop::grown(hit, near, BESIDE_MM);
    let probability = crop(probability, near);
    let hit = crop(hit, near);
    let skull = crop(skull, near);
    let free = hit.with(
        hit.data()
            .iter()
            .zip(skull.data())
            .map(|(&h, &s)| h && !s)
            .collect(),
    );
    let opened = morphology::open_mm(&free, 1.0);
    // Where opening takes most of it (a squama), the body is taken as it is.
    let kept = opened.count() as f64 > 0.6 * free.count() as f64;
    let labels = components::label(if kept { &opened } else { &free }, Connectivity::All);
    let large = labels
        .sizes
        .iter()
        .take_while(|&&n| n as f64 >= least)
        .take(BODIES_MOST);
    let count = large.count() as u32;
    // What is too small for a body of its own belongs to the nearest one.
    let mut nearest = vec![(f32::INFINITY, 0u32); hit.data().len()];
    for label in 1..=count {
        let away = distance::squared_mm2(&labels.mask(label));
        for (nearest, &mm2) in nearest.iter_mut().zip(away.data()) {
            if mm2 < nearest.0 {
                *nearest = (mm2, label);
            }
        }
    }
    let candidate = |label: u32| {
        let body = labels.mask(label);
        let first = body.index(body.data().iter().position(|&v| v)?);
        let own: Vec<bool> = nearest.iter().map(|n| n.1 == label).collect();
        let marked = (hit.data().iter().zip(&own)).map(|(&h, &own)| h && own);
        let inner = bounds(&hit.with(marked.collect()))?;
        let alone =
            (probability.data().iter().zip(&own)).map(|(&p, &own)| if own { p } else { 0.0 });
        let alone = probability.with(alone.collect());
        Some(Candidate {
            sign: Sign::Network,
            centroid: body.centroid()?,
            voxel: [0, 1, 2].map(|a| (first[a] + near[a].start) as i64),
            own: crop(&alone, &crop::grown(&alone, &inner, BESIDE_MM)),
        })
    };
    (1..=count).filter_map(candidate).collect()
}

/// An opening of the vault; `None` where it has no voxel on the grid.
pub(super) fn of_opening(open: &Opening, skull: &Volume<bool>) -> Option<Candidate> {
    let to_ijk = skull.to_ijk();
    let at = |u: f64, v: f64, r: f64| to_ijk.apply(open.chart.point(u, v, r)).0;
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for (cell, _) in (open.cells.data.iter().enumerate()).filter(|&(_, &open)| open) {
        let (u, v) = open.cells.mm(cell);
        for r in [open.radius_mm - SHEET_MM, open.radius_mm + SHEET_MM] {
            for (a, x) in at(u, v, r).into_iter().enumerate() {
                (low[a], high[a]) = (low[a].min(x), high[a].max(x));
            }
        }
    }
    let (shape, spacing) = (skull.shape(), skull.spacing_mm());
    let near: IndexBox = [0, 1, 2].map(|a| {
        let margin = BESIDE_MM / spacing[a] + 1.0;
        let from = ((low[a] - margin).max(0.0) as usize).min(shape[a]);
        from..((high[a] + margin).max(0.0) as usize + 1).clamp(from, shape[a])
    });
    let part = crop(skull, &near);
    let own: Vec<f32> = (0..part.data().len())
        .map(|o| {
            let [u, v, r] = open.chart.locate(part.centre(part.index(o)));
            let there = (r - open.radius_mm).abs() <= SHEET_MM
                && open.cells.nearest(u, v) == Some(true)
                && !part.data()[o];
            if there { 1.0 } else { 0.0 }
        })
        .collect();
    let own = part.with(own);
    let body = own.map(|&p| p > 0.0);
    let first = body.index(body.data().iter().position(|&v| v)?);
    Some(Candidate {
        sign: Sign::Bone,
        centroid: body.centroid()?,
        voxel: [0, 1, 2].map(|a| (first[a] + near[a].start) as i64),
        own,
    })
}
