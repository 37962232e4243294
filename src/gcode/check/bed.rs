//! What lies on the bed: the height of the plastic, cell by cell, as far as the file was followed.
//!
//! Holds: memory is that of the bed, whatever the file's length.

use crate::gcode::{Move, Printer};

/// Side of a cell in nozzle diameters: several lines wide, so that a line more or less in it matters little.
const CELL_NOZZLES: f64 = 5.0;
/// Samples along a way, in a cell.
const SAMPLES: f64 = 4.0;
/// So much more plastic than room is a fault: lines that overlap by rounding, corners and the edges of cells make up to
/// a third more.
const OVERFILL: f64 = 1.6;
/// The nozzle may pass so much below plastic of about the first layer's height, nm: a purge line is higher than the first
/// layer.
const LOW_SLACK_NM: i64 = 150_000;
/// And so much below all other, nm: rounding.
const SLACK_NM: i64 = 30_000;

/// One cell: its plastic's highest layer.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    top_nm: i64,
    /// What lay there when that layer began, nm.
    below_nm: i64,
    /// Plastic of that layer, mm3.
    volume_mm3: f64,
}

/// The bed and what stands on it.
#[derive(Debug)]
pub(super) struct Bed {
    side_mm: f64,
    count: [usize; 2],
    /// Highest layer, nm.
    layer_max_nm: i64,
    cells: Vec<Cell>,
}

impl Bed {
    pub(super) fn new(printer: &Printer) -> Self {
        let side_mm = CELL_NOZZLES * printer.nozzle_mm;
        let count = printer.bed_mm.map(|mm| (mm / side_mm).ceil() as usize + 1);
        Self {
            side_mm,
            count,
            layer_max_nm: (0.8e6 * printer.nozzle_mm) as i64,
            cells: vec![Cell::default(); count[0] * count[1]],
        }
    }

    fn cell(&self, at_mm: [f64; 2]) -> Option<usize> {
        let [x, y] = at_mm.map(|mm| (mm / self.side_mm).floor());
        let inside =
            (0.0..self.count[0] as f64).contains(&x) && (0.0..self.count[1] as f64).contains(&y);
        inside.then(|| y as usize * self.count[0] + x as usize)
    }

    /// Cells along a way, evenly sampled, with the share of the way at their middle and half a sample's; `None` beside
    /// the bed.
    fn along(&self, one: &Move) -> impl Iterator<Item = (Option<usize>, [f64; 2])> + use<'_> {
        let (from, to) = (one.from_mm(), one.to_mm());
        let length = (to[0] - from[0]).hypot(to[1] - from[1]);
        let count = (SAMPLES * length / self.side_mm)
            .ceil()
            .clamp(1.0, 10_000.0);
        (0..count as u32).map(move |n| {
            let t = (f64::from(n) + 0.5) / count;
            let cell = self.cell([0, 1].map(|a| from[a] + t * (to[a] - from[a])));
            (cell, [t, 0.5 / count])
        })
    }

    /// Lays a line of plastic. `true`: somewhere on its way there is no room for it.
    pub(super) fn draw(&mut self, one: &Move, volume_mm3: f64) -> bool {
        let z_nm = one.to_nm[2];
        let ways: Vec<usize> = self.along(one).filter_map(|(cell, _)| cell).collect();
        let share = volume_mm3 / ways.len().max(1) as f64;
        let mut full = false;
        for at in ways {
            let cell = &mut self.cells[at];
            if z_nm > cell.top_nm {
                (cell.below_nm, cell.top_nm, cell.volume_mm3) = (cell.top_nm, z_nm, 0.0);
            } else if z_nm < cell.top_nm {
                // Beside something higher: a purge line, or a fault that the height tells.
                continue;
            }
            cell.volume_mm3 += share;
            let high_nm = (z_nm - cell.below_nm).min(self.layer_max_nm);
            let room_mm3 = self.side_mm.powi(2) * high_nm as f64 * 1e-6;
            if cell.volume_mm3 > OVERFILL * room_mm3 {
                full = true;
                // Told once for this cell and layer.
                cell.volume_mm3 = f64::NEG_INFINITY;
            }
        }
        full
    }

    /// Height of the plastic, nm, that the nozzle would strike on its way.
    pub(super) fn strikes(&self, one: &Move) -> Option<i64> {
        let by_nm = (one.to_nm[2] - one.from_nm[2]) as f64;
        self.along(one)
            .filter_map(|(cell, way)| Some((self.cells[cell?].top_nm, way)))
            .filter(|&(top, [middle, half])| {
                let least = middle - half * by_nm.signum();
                let low_nm = one.from_nm[2] + (least * by_nm) as i64;
                let low = top <= self.layer_max_nm;
                top > low_nm + if low { LOW_SLACK_NM } else { SLACK_NM }
            })
            .map(|(top, _)| top)
            .max()
    }

    /// Height of the plastic at a place, nm; `None` where there is none.
    pub(super) fn top_nm(&self, at_mm: [f64; 2]) -> Option<i64> {
        let top = self.cells[self.cell(at_mm)?].top_nm;
        (top > 0).then_some(top)
    }
}
