//! Order: which path comes after which, and where each loop begins.
//!
//! Holds: brim and support come first, then island after island, the nearest first; within an island the steps
//!        (walls, thin lines, infill) in their order, each path from its nearer end.

use super::path::{Group, LayerPaths, Path, Role};
use super::plane::{Spot, Um, distance_um};
use super::seam;

/// A path in its final order and direction; loops end where they began.
#[derive(Clone, Debug)]
pub(super) struct Stroke {
    pub(super) role: Role,
    pub(super) width: Um,
    pub(super) spots: Vec<Spot>,
}

impl Stroke {
    /// Length, mm.
    pub(super) fn length_mm(&self) -> f64 {
        self.spots
            .windows(2)
            .map(|p| distance_um(p[0], p[1]))
            .sum::<f64>()
            / 1000.0
    }
}

/// Orders layers one after another, remembering where the head is and where the seams were.
#[derive(Debug, Default)]
pub(super) struct Order {
    at: Option<Spot>,
    seams: Vec<Spot>,
}

impl Order {
    /// The strokes of the next layer.
    pub(super) fn layer(&mut self, layer: &LayerPaths) -> Vec<Stroke> {
        let mut strokes = Vec::new();
        let mut seams = Vec::new();
        for group in &layer.first {
            self.group(group, &mut strokes, &mut seams);
        }
        let mut left: Vec<&Group> = layer.islands.iter().collect();
        while let Some(next) = self.nearest(left.iter().map(|g| g.start())) {
            let group = left.swap_remove(next);
            self.group(group, &mut strokes, &mut seams);
        }
        self.seams = seams;
        strokes
    }

    /// Index of the start that is nearest to the head; the first one when the head is nowhere yet.
    fn nearest(&self, starts: impl Iterator<Item = Option<Spot>>) -> Option<usize> {
        starts
            .enumerate()
            .map(|(index, start)| {
                let far = match (start, self.at) {
                    (Some(a), Some(b)) => distance_um(a, b),
                    _ => 0.0,
                };
                (far, index)
            })
            .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
            .map(|(_, index)| index)
    }

    fn group(&mut self, group: &Group, strokes: &mut Vec<Stroke>, seams: &mut Vec<Spot>) {
        for step in &group.steps {
            let mut left: Vec<&Path> = step.iter().filter(|p| p.spots.len() >= 2).collect();
            while !left.is_empty() {
                let next = self
                    .nearest(left.iter().map(|p| self.entry(p)))
                    .unwrap_or(0);
                let path = left.remove(next);
                let stroke = self.stroke(path, group.inner_face);
                if path.role == Role::External {
                    seams.extend(stroke.spots.first());
                }
                self.at = stroke.spots.last().copied().or(self.at);
                strokes.push(stroke);
            }
        }
    }

    /// The spot at which the head would enter a path.
    fn entry(&self, path: &Path) -> Option<Spot> {
        let at = self.at?;
        let ends: &[Spot] = &path.spots;
        if path.closed {
            ends.iter()
                .copied()
                .min_by(|a, b| distance_um(*a, at).total_cmp(&distance_um(*b, at)))
        } else {
            let (first, last) = (*ends.first()?, *ends.last()?);
            Some(if distance_um(last, at) < distance_um(first, at) {
                last
            } else {
                first
            })
        }
    }

    fn stroke(&self, path: &Path, inner_face: Option<Spot>) -> Stroke {
        let mut spots = path.spots.clone();
        if path.closed {
            let begin = match (path.role, inner_face) {
                (Role::External, Some(inner)) => {
                    seam::choose(&spots, inner, self.seam_below(&spots))
                }
                _ => self.closest(&spots),
            };
            spots.rotate_left(begin);
            spots.push(spots[0]);
        } else if self.entry(path) == spots.last().copied() {
            spots.reverse();
        }
        Stroke {
            role: path.role,
            width: path.width,
            spots,
        }
    }

    fn closest(&self, spots: &[Spot]) -> usize {
        let far = |i: usize| self.at.map_or(0.0, |at| distance_um(spots[i], at));
        (0..spots.len())
            .min_by(|&a, &b| far(a).total_cmp(&far(b)))
            .unwrap_or(0)
    }

    /// The seam of the layer below that lies nearest to this loop.
    fn seam_below(&self, spots: &[Spot]) -> Option<Spot> {
        let far = |seam: &Spot| {
            spots
                .iter()
                .map(|s| distance_um(*s, *seam))
                .fold(f64::INFINITY, f64::min)
        };
        self.seams
            .iter()
            .copied()
            .min_by(|a, b| far(a).total_cmp(&far(b)))
    }
}
