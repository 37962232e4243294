//! Candidate: bodies of what the network marks as missing, each on its own.

use crate::space::{Lps, Point};
use crate::volume::components::{self, Connectivity};
use crate::volume::crop::{self, IndexBox, bounds, crop};
use crate::volume::{Volume, distance, morphology};

/// Bodies that are looked at, the largest first.
const BODIES_MOST: usize = 8;
/// Room around what is predicted, so that its border is interpolated as on the whole grid, mm.
const BESIDE_MM: f64 = 4.0;

/// A predicted body outside the skull.
pub(super) struct Candidate {
    /// Its middle.
    pub(super) centroid: Point<Lps>,
    /// One of its voxels.
    pub(super) voxel: [i64; 3],
    /// The probability, but for what belongs to another body: two holes under one chart stay two.
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
            centroid: body.centroid()?,
            voxel: [0, 1, 2].map(|a| (first[a] + near[a].start) as i64),
            own: crop(&alone, &crop::grown(&alone, &inner, BESIDE_MM)),
        })
    };
    (1..=count).filter_map(candidate).collect()
}
