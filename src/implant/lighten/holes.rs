//! Holes: perforations on a pattern, as large as the design leaves room for.
//!
//! Round holes on a triangular pattern run along the chart's rays. A pattern of holes of diameter d, p apart, takes
//! `pi d^2 / (2 sqrt(3) p^2)` of the material.

use super::columns::Columns;
use super::{RIM_MM, design::Designed};
use std::f64::consts::PI;

/// Distance of the holes, mm.
pub(super) const PITCH_MM: f64 = 6.0;
/// Diameters that are made, mm: a smaller hole closes when it is printed, a larger one leaves too little between two.
pub(super) const DIAMETERS_MM: [f64; 2] = [2.0, 4.0];

/// One perforation, along the ray through a place of the chart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) struct Hole {
    /// Middle in the chart, mm.
    pub(in super::super) uv: (f64, f64),
    /// Diameter, mm.
    pub(in super::super) diameter_mm: f64,
}

/// Share of the material that is left between holes of a diameter.
pub(super) fn left(diameter_mm: f64) -> f64 {
    1.0 - PI * diameter_mm.powi(2) / (2.0 * 3f64.sqrt() * PITCH_MM.powi(2))
}

/// The diameter that leaves a share of the material.
fn diameter_mm(left: f64) -> f64 {
    ((1.0 - left) * 2.0 * 3f64.sqrt() / PI).max(0.0).sqrt() * PITCH_MM
}

/// Holes for the shares of a design, each times `scale`. Where less would be taken than half of what the smallest hole
/// takes, there is none.
pub(super) fn holes(columns: &Columns, designed: &Designed, scale: f64) -> Vec<Hole> {
    let row_mm = PITCH_MM * 3f64.sqrt() / 2.0;
    let reach = columns
        .cells
        .iter()
        .map(|c| c.uv.0.hypot(c.uv.1))
        .fold(0.0, f64::max);
    let rows = (reach / row_mm).ceil() as i64;
    let across = (reach / PITCH_MM).ceil() as i64 + 1;
    let [least, most] = DIAMETERS_MM;
    let half = 1.0 - (1.0 - left(least)) / 2.0;
    let mut holes = Vec::new();
    for row in -rows..=rows {
        let shift = if row.rem_euclid(2) == 1 {
            PITCH_MM / 2.0
        } else {
            0.0
        };
        for n in -across..=across {
            let uv = (n as f64 * PITCH_MM + shift, row as f64 * row_mm);
            let Some(cell) = columns.cell_at(uv.0, uv.1) else {
                continue;
            };
            let share = designed.shares[cell * columns.layers];
            let diameter_mm = (diameter_mm(share) * scale).min(most);
            let whole = columns.cells[cell].edge_mm - diameter_mm / 2.0 >= RIM_MM;
            if share <= half && whole && diameter_mm >= least * scale.min(1.0) {
                let diameter_mm = diameter_mm.max(least);
                holes.push(Hole { uv, diameter_mm });
            }
        }
    }
    holes
}

/// Share of material that the holes leave, by brick: a cell has what the nearest hole of the pattern leaves.
pub(super) fn shares(columns: &Columns, holes: &[Hole]) -> Vec<f64> {
    // Farther than this from a hole's middle lies the next one's surroundings.
    let own = PITCH_MM / 3f64.sqrt();
    let mut shares = Vec::with_capacity(columns.bricks());
    for cell in &columns.cells {
        let far = |h: &Hole| (h.uv.0 - cell.uv.0).hypot(h.uv.1 - cell.uv.1);
        let nearest = holes.iter().min_by(|a, b| far(a).total_cmp(&far(b)));
        let share = nearest
            .filter(|h| far(h) <= own)
            .map_or(1.0, |h| left(h.diameter_mm));
        shares.extend(std::iter::repeat_n(share, columns.layers));
    }
    shares
}
