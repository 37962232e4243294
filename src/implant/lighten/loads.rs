//! Loads: where the part is held, and where it is pressed.

use super::columns::Columns;
use super::system::{Field, LOADS};
use crate::space::{Lps, Point};

/// A load's disc, mm across.
const DISC_MM: f64 = 10.0;
/// A miniplate's foot on the part: across, and how far its middle lies from the outline, mm.
const PLATE_MM: f64 = 8.0;
const PLATE_IN_MM: f64 = 4.0;
/// One miniplate for so much of the outline, mm; and how many at least and at most.
const OUTLINE_A_PLATE_MM: f64 = 60.0;
const PLATES: [usize; 2] = [4, 8];

/// A place that is pressed.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Columns of nodes under the disc.
    pub(super) under: Vec<usize>,
    /// The cell at its middle.
    pub(super) cell: usize,
}

/// Columns of nodes whose outer end lies within a distance of a point.
fn within(columns: &Columns, at: Point<Lps>, reach_mm: f64) -> Vec<usize> {
    let far = |c: usize| columns.columns[c].outer.minus(at).length();
    let near = |c: &usize| far(*c) <= reach_mm;
    (0..columns.columns.len()).filter(near).collect()
}

/// Cells as far from each other as can be, beginning with the one that lies deepest: all parts of the surface have
/// their turn. Only cells on which a whole disc fits.
pub(super) fn places(columns: &Columns, count: usize) -> Vec<Place> {
    let fits = |edge: f64| {
        let cells = columns.cells.iter().enumerate();
        let wide = cells.filter(move |(_, c)| c.edge_mm >= edge);
        wide.map(|(n, _)| n).collect::<Vec<_>>()
    };
    let mut free = fits(DISC_MM / 2.0);
    if free.is_empty() {
        free = fits(f64::NEG_INFINITY);
    }
    let deepest = free.iter().copied().max_by(|&a, &b| {
        let edge = |n: usize| columns.cells[n].edge_mm;
        edge(a).total_cmp(&edge(b)).then(b.cmp(&a))
    });
    let Some(first) = deepest else {
        return Vec::new();
    };
    let mut chosen = vec![first];
    let mut far: Vec<f64> = vec![f64::INFINITY; free.len()];
    while chosen.len() < count.min(free.len()) {
        let last = columns.outside(*chosen.last().unwrap_or(&first));
        for (far, &cell) in far.iter_mut().zip(&free) {
            *far = far.min(columns.outside(cell).minus(last).length());
        }
        let next = (0..free.len()).max_by(|&a, &b| far[a].total_cmp(&far[b]).then(b.cmp(&a)));
        chosen.extend(next.map(|n| free[n]));
    }
    chosen
        .into_iter()
        .map(|cell| {
            let at = columns.outside(cell);
            let mut under = within(columns, at, DISC_MM / 2.0);
            if under.is_empty() {
                under = columns.cells[cell].corners.map(|c| c as usize).to_vec();
            }
            Place { under, cell }
        })
        .collect()
}

/// Where miniplates hold the part: evenly round its outline.
pub(super) fn plates(columns: &Columns) -> Vec<Point<Lps>> {
    let step = columns.step_mm;
    let border: Vec<usize> = (0..columns.cells.len())
        .filter(|&n| (columns.cells[n].edge_mm - PLATE_IN_MM).abs() <= step * 0.75)
        .collect();
    let outline_mm = columns.cells.iter().filter(|c| c.edge_mm <= step).count() as f64 * step;
    let count = (outline_mm / OUTLINE_A_PLATE_MM).round() as usize;
    let count = count.clamp(PLATES[0], PLATES[1]);
    let n = columns.cells.len() as f64;
    let (u, v) = columns
        .cells
        .iter()
        .fold((0.0, 0.0), |s, c| (s.0 + c.uv.0 / n, s.1 + c.uv.1 / n));
    let mut round: Vec<(f64, usize)> = border
        .into_iter()
        .map(|cell| {
            let (a, b) = columns.cells[cell].uv;
            ((b - v).atan2(a - u), cell)
        })
        .collect();
    round.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    // Evenly along the border, not by angle: a long hole has its plates where its border is.
    (0..count.min(round.len()))
        .map(|n| columns.outside(round[n * round.len() / count].1))
        .collect()
}

/// Which nodes the plates hold: those of the outer surface under a plate's foot.
pub(super) fn held(columns: &Columns, plates: &[Point<Lps>]) -> Vec<bool> {
    let high = columns.high();
    let mut held = vec![false; columns.columns.len() * high];
    for &plate in plates {
        for column in within(columns, plate, PLATE_MM / 2.0) {
            held[column * high + high - 1] = true;
        }
    }
    held
}

/// Forces of `newton` on each place, inwards along the outer surface's normal, spread evenly over its disc: one load a
/// place, at most [`LOADS`].
pub(super) fn forces(columns: &Columns, places: &[Place], newton: f64, held: &[bool]) -> Field {
    let high = columns.high();
    let mut f = vec![0.0; columns.columns.len() * high * 3 * LOADS];
    for (load, place) in places.iter().enumerate().take(LOADS) {
        let push = columns
            .outwards(place.cell)
            .times(-newton / place.under.len() as f64);
        for &column in &place.under {
            let node = column * high + high - 1;
            if held[node] {
                continue;
            }
            for a in 0..3 {
                f[(3 * node + a) * LOADS + load] += push.0[a];
            }
        }
    }
    f
}
