//! Columns: the part as bricks that follow its surfaces.
//!
//! A part is a sheet over its chart: along a ray from the chart's centre it begins at its inner surface and ends at its
//! outer one. A lattice of the chart cuts it into columns, and each column into the same number of layers, so that the
//! thickness always holds as many bricks as its bending needs and no surface is a staircase.

use super::super::chart::{Chart, Sheet, blank};
use super::brick::{Brick, CORNERS, ROWS};
use crate::space::{Lps, Point, Vector};
use crate::volume::components::{self, Connectivity};
use crate::volume::distance;
use rayon::prelude::*;

/// Distance of columns, mm.
const STEP_MM: f64 = 2.0;
/// Columns at most: a larger part has wider ones.
const COLUMNS_MOST: f64 = 2600.0;
/// Bricks are no thicker, mm.
const LAYER_MM: f64 = 0.5;
/// Of a layer: the same thickness, read a little thicker, has as many.
const LAYER_SLACK: f64 = 0.05;
/// Layers at least, for a thin part's bending, and at most.
const LAYERS: [usize; 2] = [4, 24];
/// A part that is thinner along its ray is the tip of its rim and carries nothing, mm.
const TIP_MM: f64 = 0.6;
/// A corner whose own ray meets less than this share of what the columns beside it have is at the rim: it takes theirs.
const SLIVER: f64 = 0.6;
/// Samples along a ray, mm; between two of them the surface is where the straight line is 0.
const RAY_STEP_MM: f64 = 0.4;

/// No column there.
pub(super) const NONE: u32 = u32::MAX;
/// A column of corners and the eight around it, itself in the middle.
pub(super) const AROUND: usize = 9;

/// A brick's place: its cell and its layer, from the inner surface outwards.
pub(super) type Place = (usize, usize);

/// One cell of the lattice that the part fills.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    /// Its corners: columns of nodes, u fastest.
    pub(super) corners: [u32; 4],
    /// Middle in the chart, mm.
    pub(super) uv: (f64, f64),
    /// Distance of its middle from the part's outline, mm.
    pub(super) edge_mm: f64,
    /// Where its ray enters and leaves the part, mm from the chart's centre.
    pub(super) radii_mm: (f64, f64),
}

impl Cell {
    /// Thickness along its ray, mm.
    pub(super) fn thickness_mm(&self) -> f64 {
        self.radii_mm.1 - self.radii_mm.0
    }
}

/// One column of nodes: from the inner surface to the outer.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) inner: Point<Lps>,
    pub(super) outer: Point<Lps>,
    /// Where it begins and ends, mm from the chart's centre.
    pub(super) radii_mm: (f64, f64),
    /// Place in the lattice.
    pub(super) lattice: [u32; 2],
    /// Columns around it, v slowest; [`NONE`] where there is none.
    pub(super) around: [u32; AROUND],
}

/// The part.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    pub(super) columns: Vec<Column>,
    pub(super) cells: Vec<Cell>,
    pub(super) layers: usize,
    /// Distance of columns, mm.
    pub(super) step_mm: f64,
    /// The lattice, where a cell lies in it.
    lattice: Sheet<u32>,
}

/// Where a ray runs in the part: the longest piece, (inner, outer) in mm from the chart's centre.
fn piece(
    chart: &Chart,
    u: f64,
    v: f64,
    [low, high]: [f64; 2],
    field: &(dyn Fn(Point<Lps>) -> f32 + Sync),
) -> Option<(f64, f64)> {
    let direction = chart.direction(u, v);
    let at = |r: f64| f64::from(field(chart.centre.plus(direction.times(r))));
    let (mut best, mut begun): (Option<(f64, f64)>, Option<f64>) = (None, None);
    let (mut r, mut before) = (low, at(low));
    while r < high {
        let next = r + RAY_STEP_MM;
        let now = at(next);
        let zero = r + RAY_STEP_MM * before / (before - now);
        if before >= 0.0 && now < 0.0 {
            begun = Some(zero);
        } else if before < 0.0
            && now >= 0.0
            && let Some(from) = begun.take()
            && best.is_none_or(|(a, b)| zero - from > b - a)
        {
            best = Some((from, zero));
        }
        (r, before) = (next, now);
    }
    best
}

/// Mean of pieces.
fn mean(of: &[(f64, f64)]) -> Option<(f64, f64)> {
    let n = of.len() as f64;
    let sum = of.iter().fold((0.0, 0.0), |s, p| (s.0 + p.0, s.1 + p.1));
    (!of.is_empty()).then(|| (sum.0 / n, sum.1 / n))
}

impl Columns {
    /// Cuts a part into columns. `field` is negative in it; `reach_mm` is how far from the chart's middle it may lie, and
    /// `radii_mm` between which distances from the chart's centre. `None` where nothing of it is met.
    pub(super) fn new(
        chart: &Chart,
        reach_mm: f64,
        radii_mm: [f64; 2],
        field: &(dyn Fn(Point<Lps>) -> f32 + Sync),
    ) -> Option<Self> {
        let met = |sheet: &Sheet<()>, shift: f64| -> Vec<Option<(f64, f64)>> {
            let half = shift * sheet.step_mm;
            (0..sheet.data.len())
                .into_par_iter()
                .map(|cell| {
                    let (u, v) = sheet.mm(cell);
                    piece(chart, u + half, v + half, radii_mm, field)
                })
                .collect()
        };
        let rough = blank(reach_mm, STEP_MM);
        let mut found = met(&rough, 0.0);
        let count = found.iter().filter(|p| p.is_some()).count() as f64;
        let step_mm = STEP_MM * (count / COLUMNS_MOST).sqrt().max(1.0);
        let sheet = if step_mm > STEP_MM {
            let wide = blank(reach_mm, step_mm);
            found = met(&wide, 0.0);
            wide
        } else {
            rough
        };
        let thick = |p: &Option<(f64, f64)>| p.is_some_and(|(a, b)| b - a >= TIP_MM);
        let member = sheet.with(found.iter().map(thick).collect());
        let member = components::largest_by(&member.volume(), Connectivity::Face);
        if member.count() == 0 {
            return None;
        }
        let member = member.data();
        let rest = sheet.with(member.iter().map(|m| !m).collect());
        let edge = distance::distance_mm(&rest.volume());
        // Corners lie half a step off the cells' middles, one more to a side.
        let side = sheet.side;
        let corner_sheet = side + 1;
        let beside = |x: usize, y: usize| -> Vec<(f64, f64)> {
            [(0, 0), (1, 0), (0, 1), (1, 1)]
                .into_iter()
                .filter_map(|(a, b)| {
                    let (x, y) = (x.checked_sub(a)?, y.checked_sub(b)?);
                    let cell = y * side + x;
                    (x < side && y < side && member[cell]).then(|| found[cell])?
                })
                .collect()
        };
        let mut id = vec![NONE; corner_sheet * corner_sheet];
        let mut columns = Vec::new();
        let mut places = Vec::new();
        for y in 0..corner_sheet {
            for x in 0..corner_sheet {
                let Some(near) = mean(&beside(x, y)) else {
                    continue;
                };
                let middle = (side as f64 - 1.0) / 2.0;
                let u = (x as f64 - 0.5 - middle) * step_mm;
                let v = (y as f64 - 0.5 - middle) * step_mm;
                let own = piece(chart, u, v, radii_mm, field);
                let (inner, outer) = own
                    .filter(|p| p.1 - p.0 >= SLIVER * (near.1 - near.0))
                    .unwrap_or(near);
                id[y * corner_sheet + x] = columns.len() as u32;
                places.push((x, y));
                columns.push(Column {
                    inner: chart.point(u, v, inner),
                    outer: chart.point(u, v, outer),
                    radii_mm: (inner, outer),
                    lattice: [x as u32, y as u32],
                    around: [NONE; AROUND],
                });
            }
        }
        for (column, &(x, y)) in columns.iter_mut().zip(&places) {
            for (slot, around) in column.around.iter_mut().enumerate() {
                let (a, b) = (x + slot % 3, y + slot / 3);
                if a > 0 && b > 0 && a <= corner_sheet && b <= corner_sheet {
                    *around = id[(b - 1) * corner_sheet + a - 1];
                }
            }
        }
        let cells: Vec<Cell> = (0..side * side)
            .filter(|&cell| member[cell])
            .map(|cell| {
                let at = (cell / side) * corner_sheet + cell % side;
                Cell {
                    corners: [0, 1, corner_sheet, corner_sheet + 1].map(|next| id[at + next]),
                    uv: sheet.mm(cell),
                    edge_mm: f64::from(edge.data()[cell]) - step_mm / 2.0,
                    radii_mm: found[cell].unwrap_or_default(),
                }
            })
            .collect();
        let mut lattice = sheet.with(vec![NONE; side * side]);
        let filled = (0..side * side).filter(|&cell| member[cell]);
        for (n, cell) in filled.enumerate() {
            lattice.data[cell] = n as u32;
        }
        let thickest = cells.iter().map(Cell::thickness_mm).fold(0.0, f64::max);
        let layers = (thickest / LAYER_MM - LAYER_SLACK).ceil() as usize;
        Some(Self {
            columns,
            cells,
            layers: layers.clamp(LAYERS[0], LAYERS[1]),
            step_mm,
            lattice,
        })
    }

    /// The cell over a place of the chart.
    pub(super) fn cell_at(&self, u: f64, v: f64) -> Option<usize> {
        let cell = self.lattice.nearest(u, v)?;
        (cell != NONE).then_some(cell as usize)
    }

    /// The brick at a place of the chart, `r` mm from its centre.
    pub(super) fn brick_at(&self, u: f64, v: f64, r: f64) -> Option<usize> {
        let cell = self.cell_at(u, v)?;
        let (inner, outer) = self.radii_mm(cell, u, v);
        let up = (r - inner) / (outer - inner) * self.layers as f64;
        let inside = (0.0..self.layers as f64).contains(&up);
        inside.then(|| cell * self.layers + up as usize)
    }

    /// Where the part begins and ends over a place of a cell: between its corners, bilinearly.
    fn radii_mm(&self, cell: usize, u: f64, v: f64) -> (f64, f64) {
        let c = &self.cells[cell];
        let part = |x: f64, middle: f64| ((x - middle) / self.step_mm + 0.5).clamp(0.0, 1.0);
        let (p, q) = (part(u, c.uv.0), part(v, c.uv.1));
        let weights = [(1.0 - p) * (1.0 - q), p * (1.0 - q), (1.0 - p) * q, p * q];
        (c.corners.iter().zip(weights)).fold((0.0, 0.0), |sum, (&n, w)| {
            let (a, b) = self.columns[n as usize].radii_mm;
            (sum.0 + w * a, sum.1 + w * b)
        })
    }

    /// A flat box of cells for tests of cells and plates.
    #[cfg(test)]
    pub(super) fn flat(
        [nu, nv]: [usize; 2],
        layers: usize,
        step_mm: f64,
        thickness_mm: f64,
    ) -> Self {
        let id = |x: usize, y: usize| (y * (nu + 1) + x) as u32;
        let columns = (0..(nu + 1) * (nv + 1))
            .map(|n| {
                let (x, y) = (n % (nu + 1), n / (nu + 1));
                let at = |z| Point::new([x as f64 * step_mm, y as f64 * step_mm, z]);
                Column {
                    inner: at(0.0),
                    outer: at(thickness_mm),
                    radii_mm: (0.0, thickness_mm),
                    lattice: [x as u32, y as u32],
                    around: std::array::from_fn(|slot| {
                        let (a, b) = (x + slot % 3, y + slot / 3);
                        let there = a > 0 && b > 0 && a <= nu + 1 && b <= nv + 1;
                        if there { id(a - 1, b - 1) } else { NONE }
                    }),
                }
            })
            .collect();
        let cells = (0..nu * nv)
            .map(|n| {
                let (x, y) = (n % nu, n / nu);
                Cell {
                    corners: [id(x, y), id(x + 1, y), id(x, y + 1), id(x + 1, y + 1)],
                    uv: (x as f64 * step_mm, y as f64 * step_mm),
                    edge_mm: 0.0,
                    radii_mm: (0.0, thickness_mm),
                }
            })
            .collect();
        Self {
            columns,
            cells,
            layers,
            step_mm,
            lattice: blank(0.0, step_mm).with(vec![NONE; 1]),
        }
    }

    /// Nodes of a column.
    pub(super) fn high(&self) -> usize {
        self.layers + 1
    }

    /// Where a node lies.
    pub(super) fn node(&self, column: usize, high: usize) -> Point<Lps> {
        let c = &self.columns[column];
        let up = high as f64 / self.layers as f64;
        c.inner.plus(c.outer.minus(c.inner).times(up))
    }

    /// Bricks, layer by layer in each cell.
    pub(super) fn bricks(&self) -> usize {
        self.cells.len() * self.layers
    }

    /// Number of a brick.
    pub(super) fn place(&self, brick: usize) -> Place {
        (brick / self.layers, brick % self.layers)
    }

    /// A brick's corners: column and height of each.
    pub(super) fn corners(&self, (cell, layer): Place) -> [(usize, usize); CORNERS] {
        let c = &self.cells[cell].corners;
        std::array::from_fn(|n| (c[n % 4] as usize, layer + n / 4))
    }

    /// The bricks' stiffnesses for a modulus of 1. `None` for one that is turned inside out, which is a fold of the part
    /// over its chart.
    pub(super) fn stiffnesses(&self, poisson: f64) -> Option<Vec<Brick>> {
        (0..self.bricks())
            .into_par_iter()
            .map(|brick| {
                let corners = self.corners(self.place(brick));
                Brick::new(&corners.map(|(c, k)| self.node(c, k).0), poisson)
            })
            .collect()
    }

    /// Middle of a brick.
    pub(super) fn middle(&self, place: Place) -> Point<Lps> {
        let sum = self.corners(place).iter().fold([0.0; 3], |sum, &(c, k)| {
            let p = self.node(c, k).0;
            [0, 1, 2].map(|a| sum[a] + p[a] / CORNERS as f64)
        });
        Point::new(sum)
    }

    /// Normal of a cell's outer face, outwards, of length 1.
    pub(super) fn outwards(&self, cell: usize) -> Vector<Lps> {
        let [a, b, c, d] = self.cells[cell]
            .corners
            .map(|n| self.columns[n as usize].outer);
        let normal = d.minus(a).cross(c.minus(b));
        normal.unit().unwrap_or(Vector::new([0.0, 0.0, 1.0]))
    }

    /// Middle of a cell's outer face.
    pub(super) fn outside(&self, cell: usize) -> Point<Lps> {
        let sum = self.cells[cell].corners.iter().fold([0.0; 3], |sum, &n| {
            let p = self.columns[n as usize].outer.0;
            [0, 1, 2].map(|a| sum[a] + p[a] / 4.0)
        });
        Point::new(sum)
    }

    /// Displacements of a brick's corners under one of `loads` loads, out of those of all nodes.
    pub(super) fn gather(&self, place: Place, u: &[f64], loads: usize, load: usize) -> [f64; ROWS] {
        let mut own = [0.0; ROWS];
        for (n, (c, k)) in self.corners(place).into_iter().enumerate() {
            let node = c * self.high() + k;
            for a in 0..3 {
                own[3 * n + a] = u[(3 * node + a) * loads + load];
            }
        }
        own
    }
}
