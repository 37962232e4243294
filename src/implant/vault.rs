//! Vault: the skull over a chart. Where it is missing (the hole), how high its outer table is, how thick it is,
//! also across the hole.
//!
//! Rays from the chart's centre meet the bone or do not. The rays that do not, and hang together under the
//! prediction, are the hole: the bone decides its outline. Around it the outer table is read off the rays and
//! carried over the hole by a thin plate; the network pulls weakly in the middle.

use super::chart::{Chart, Sheet, blank};
use super::plate::{Stiffness, Wish, solve};
use crate::space::{Lps, Point};
use crate::volume::components::{Connectivity, label};
use crate::volume::{Volume, distance, morphology};
use rayon::prelude::*;

/// Distance of rays in mm: fine enough for an outline that is smoothed below.
const RAY_MM: f64 = 1.0;
/// Distance of the plate's nodes in mm.
const NODE_MM: f64 = 2.0;
/// Samples along a ray: of bone, and of the prediction, which is smooth.
const BONE_STEP_MM: f64 = 0.6;
const PREDICTED_STEP_MM: f64 = 1.2;
/// Two tables belong together across diploe and air cells of this width.
const DIPLOE_MM: f64 = 5.0;
/// Rays begin at this share of the sphere's radius, outside most of the skull base, and end this far outside it: a
/// long head's forehead lies 30 mm outside the sphere that fits its side.
const FROM_SHARE: f64 = 0.6;
const BEYOND_MM: f64 = 45.0;
/// How far bone may lie off the plate outwards and inwards to count as vault.
const PROUD_MM: f64 = 6.0;
const SUNK_MM: f64 = 9.0;
const NEAR_PLATE: Window = Some((SUNK_MM, PROUD_MM));
const OUTERMOST: Window = None;
/// The ring that is read: nearer to the hole the bone is bevelled or blurred, farther off it says little.
const RING_MM: (f64, f64) = (4.0, 18.0);
/// A slit narrower than twice this is a saw line, a suture or noise, no part of the hole.
const SLIT_MM: f64 = 2.5;
/// A node of the ring that lies farther than this off the plate is not outer table (zygoma, linea temporalis).
const OUTLIERS_MM: [f64; 3] = [8.0, 4.0, 2.5];
/// How strongly the ring holds the plate: reach 2 mm.
const RING_WEIGHT: f64 = 0.05;
/// How strongly the network holds the plate: reach 10 mm (measured: good for holes of 100 to 140 mm).
const NETWORK_WEIGHT: f64 = 1e-4;
/// A network that marks less of the hole than this has no opinion on its middle. Measured on two cut heads with a
/// starter's weights: pulling with 45 and 60 % covered cost 0.05 and 0.07 of DSC.
const NETWORK_LEAST: f64 = 0.8;
/// How strongly the ring holds the thickness: reach 3 mm.
const THICKNESS_WEIGHT: f64 = 0.1;

/// A scalar field in the patient, negative inside.
pub(super) type Field<'a> = dyn Fn(Point<Lps>) -> f32 + Sync + 'a;

/// The skull around and over one hole.
#[derive(Clone, Debug)]
pub(super) struct Vault {
    pub(super) chart: Chart,
    /// Rays of the hole, 1 mm apart.
    pub(super) hole: Sheet<bool>,
    /// Outer table, mm from the chart's centre.
    pub(super) outer: Sheet<f64>,
    /// Thickness of bone, or of what it would be, mm.
    pub(super) thickness: Sheet<f64>,
    /// Share of the hole's border that is bone.
    pub(super) bordered: f64,
    /// The hole runs out of the vault: the prediction ends it there.
    pub(super) open: bool,
    /// How far the ring lies off the plate, 95th percentile, mm: the step at the border.
    pub(super) step_p95: f64,
    /// Share of the predicted rays that meet no vault.
    pub(super) free: f64,
    /// Share of the hole's rays that are predicted.
    pub(super) covered: f64,
}

/// Where one ray is inside bone: (inner, outer) in mm from the centre, from inside out.
type Walls = Vec<(f32, f32)>;

/// How far under and over the expected outer table a wall may lie; the outermost wall where nothing is expected.
type Window = Option<(f64, f64)>;

/// Everything the rays of one chart have met.
struct Rays {
    chart: Chart,
    walls: Sheet<Walls>,
    /// Outermost prediction along each ray, where there is any.
    predicted: Sheet<Option<f32>>,
}

impl Vault {
    /// Surveys the hole that lies under a prediction. `bone` and `prediction` are negative inside. `reach_mm`: how
    /// far from the chart's middle to look. `None` when no ray passes the vault where the prediction is.
    pub(super) fn survey(
        chart: Chart,
        reach_mm: f64,
        bone: &Field,
        prediction: &Field,
    ) -> Option<Self> {
        let rays = Rays::cast(chart, reach_mm, bone, prediction);
        let nodes = blank(reach_mm, NODE_MM);
        let sphere = nodes.with(vec![chart.radius_mm; nodes.data.len()]);
        // Before anything better is known, the outermost bone of each ray is the vault.
        let mut vault = rays.hole(&sphere, OUTERMOST)?;
        for window in [OUTERMOST, NEAR_PLATE] {
            rays.tables(&mut vault, window, false);
            let again = rays.hole(&vault.outer, NEAR_PLATE)?;
            vault = Self {
                outer: vault.outer,
                thickness: vault.thickness,
                ..again
            };
        }
        let trusted = vault.covered >= NETWORK_LEAST;
        rays.tables(&mut vault, NEAR_PLATE, trusted);
        Some(vault)
    }

    /// Middle of the hole in (u, v) and its largest distance from there, mm.
    pub(super) fn extent(&self) -> ((f64, f64), f64) {
        let cells: Vec<(f64, f64)> = (self.hole.data.iter().enumerate())
            .filter(|&(_, &h)| h)
            .map(|(c, _)| self.hole.mm(c))
            .collect();
        let n = cells.len().max(1) as f64;
        let (u, v) = cells.iter().fold((0.0, 0.0), |s, c| (s.0 + c.0, s.1 + c.1));
        let middle = (u / n, v / n);
        let far = cells.iter().map(|c| (c.0 - middle.0).hypot(c.1 - middle.1));
        (middle, far.fold(0.0, f64::max))
    }

    /// Share of the hole's points on the outer table for which a test holds.
    pub(super) fn share(&self, test: impl Fn(Point<Lps>) -> bool) -> f64 {
        let (mut all, mut passed) = (0usize, 0usize);
        for (cell, _) in self.hole.data.iter().enumerate().filter(|&(_, &h)| h) {
            let (u, v) = self.hole.mm(cell);
            all += 1;
            passed += usize::from(test(self.chart.point(u, v, self.outer.sample(u, v))));
        }
        passed as f64 / all.max(1) as f64
    }

    /// Area of the hole on the outer table, mm2.
    pub(super) fn area_mm2(&self) -> f64 {
        let cells = self.hole.data.iter().enumerate().filter(|&(_, &h)| h);
        cells.map(|(c, _)| self.cell_mm2(c)).sum()
    }

    /// Index box of a grid that holds the hole between its tables, with some millimetres around.
    pub(super) fn voxels<T>(&self, grid: &Volume<T>) -> [std::ops::Range<usize>; 3] {
        let to_ijk = grid.to_ijk();
        let (mut lo, mut hi) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for (cell, _) in self.hole.data.iter().enumerate().filter(|&(_, &h)| h) {
            let (u, v) = self.hole.mm(cell);
            let outer = self.outer.sample(u, v);
            for r in [outer + 3.0, outer - self.thickness.sample(u, v) - 3.0] {
                let at = to_ijk.apply(self.chart.point(u, v, r)).0;
                for a in 0..3 {
                    lo[a] = lo[a].min(at[a]);
                    hi[a] = hi[a].max(at[a]);
                }
            }
        }
        let (shape, spacing) = (grid.shape(), grid.spacing_mm());
        [0, 1, 2].map(|a| {
            let margin = 3.0 / spacing[a] + 1.0;
            let from = (lo[a] - margin).max(0.0) as usize;
            from..((hi[a] + margin).max(0.0) as usize + 1)
                .min(shape[a])
                .max(from)
        })
    }

    /// Area of one ray's cell on the outer table, mm2: the chart stretches away from its middle.
    pub(super) fn cell_mm2(&self, cell: usize) -> f64 {
        let (u, v) = self.hole.mm(cell);
        let angle = u.hypot(v) / self.chart.radius_mm;
        let shrink = if angle < 1e-6 {
            1.0
        } else {
            angle.sin() / angle
        };
        let scale = self.outer.sample(u, v) / self.chart.radius_mm;
        RAY_MM * RAY_MM * shrink * scale * scale
    }
}

impl Rays {
    fn cast(chart: Chart, reach_mm: f64, bone: &Field, prediction: &Field) -> Self {
        let sheet = blank(reach_mm, RAY_MM);
        let (low, high) = (chart.radius_mm * FROM_SHARE, chart.radius_mm + BEYOND_MM);
        let met: Vec<(Walls, Option<f32>)> = (0..sheet.data.len())
            .into_par_iter()
            .map(|cell| {
                let (u, v) = sheet.mm(cell);
                let direction = chart.direction(u, v);
                let at = |r: f64| chart.centre.plus(direction.times(r));
                let walls = inside(low, high, BONE_STEP_MM, |r| bone(at(r)));
                let predicted = inside(low, high, PREDICTED_STEP_MM, |r| prediction(at(r)));
                let longest = predicted
                    .iter()
                    .copied()
                    .max_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0)));
                (walls, longest.map(|w| w.1))
            })
            .collect();
        let (walls, predicted) = met.into_iter().unzip();
        Self {
            chart,
            walls: Sheet {
                side: sheet.side,
                step_mm: sheet.step_mm,
                data: walls,
            },
            predicted: sheet.with(predicted),
        }
    }

    /// The wall of a ray whose outer side is nearest to `expected`, at most `sunk` under and `proud` over it.
    fn wall(&self, cell: usize, expected: f64, window: Window) -> Option<(f64, f64)> {
        let mut walls = (self.walls.data[cell].iter())
            .map(|&(inner, outer)| (f64::from(inner), f64::from(outer)));
        let Some((sunk, proud)) = window else {
            return walls.next_back();
        };
        walls
            .filter(|w| w.1 > expected - sunk && w.1 < expected + proud)
            .min_by(|a, b| (a.1 - expected).abs().total_cmp(&(b.1 - expected).abs()))
    }

    /// The hole under the prediction, as seen against an expected outer table.
    fn hole(&self, expected: &Sheet<f64>, window: Window) -> Option<Vault> {
        let sheet = &self.predicted;
        let cells = sheet.data.len();
        let bone: Vec<bool> = (0..cells)
            .map(|cell| {
                let (u, v) = sheet.mm(cell);
                self.wall(cell, expected.sample(u, v), window).is_some()
            })
            .collect();
        let bone = sheet.with(bone);
        let free = bone.with(bone.data.iter().map(|b| !b).collect()).volume();
        let wide = morphology::open_mm(&free, SLIT_MM);
        let labels = label(&wide, Connectivity::Face);
        let mut under = vec![0usize; labels.sizes.len() + 1];
        let mut predicted = 0usize;
        for (cell, p) in sheet.data.iter().enumerate() {
            if p.is_some() {
                predicted += 1;
                under[labels.volume.data()[cell] as usize] += 1;
            }
        }
        let best = (1..under.len()).max_by_key(|&n| (under[n], std::cmp::Reverse(n)))?;
        if under[best] == 0 {
            return None;
        }
        // The corners that the opening cut off come back.
        let core = labels.mask(best as u32);
        let grown = morphology::dilate_mm(&core, SLIT_MM);
        let mut hole: Vec<bool> = grown
            .data()
            .iter()
            .zip(free.data())
            .map(|(&g, &f)| g && f)
            .collect();

        let reach = (sheet.side as f64 - 1.0) / 2.0 * RAY_MM - 3.0;
        let far = |cell: usize| {
            let (u, v) = sheet.mm(cell);
            u.abs().max(v.abs()) > reach
        };
        let count = hole.iter().filter(|&&h| h).count();
        let open = count > 8 * predicted || (0..cells).any(|c| hole[c] && far(c));
        if open {
            let seen = sheet
                .with(sheet.data.iter().map(Option::is_some).collect())
                .volume();
            let near = distance::distance_mm(&seen);
            for (h, &d) in hole.iter_mut().zip(near.data()) {
                *h &= d <= 5.0;
            }
        }
        let hole = sheet.with(hole);
        let bordered = bordered(&hole, &bone);
        let both = |a: &dyn Fn(usize) -> bool| (0..cells).filter(|&c| a(c)).count() as f64;
        let seen = |c: usize| sheet.data[c].is_some();
        let free = both(&|c| seen(c) && !bone.data[c]) / predicted.max(1) as f64;
        let covered = both(&|c| seen(c) && hole.data[c]) / both(&|c| hole.data[c]).max(1.0);
        Some(Vault {
            chart: self.chart,
            hole,
            outer: expected.clone(),
            thickness: expected.with(vec![5.0; expected.data.len()]),
            bordered,
            open,
            step_p95: 0.0,
            free,
            covered,
        })
    }

    /// The plate's coordinate, its own inverse: R^2 / r. A sphere is constant in it and a plane nearly linear; in
    /// r itself a flat temple 70 mm wide would be carried 1.5 mm too deep.
    fn bent(&self, r: f64) -> f64 {
        self.chart.radius_mm * self.chart.radius_mm / r.max(1.0)
    }

    /// Reads the ring and carries outer table and thickness over the hole.
    fn tables(&self, vault: &mut Vault, window: Window, with_network: bool) {
        let nodes = vault.outer.clone();
        let bent = |h: f64| self.bent(h);
        let from_hole = distance::distance_mm(&vault.hole.volume());
        let distance_at = |u: f64, v: f64| sheet_value(&vault.hole, &from_hole, u, v);
        let far: Vec<f64> = (0..nodes.data.len())
            .map(|n| {
                let (u, v) = nodes.mm(n);
                f64::from(distance_at(u, v))
            })
            .collect();
        let inside = nodes.with(far.iter().map(|&d| d <= RING_MM.1 + NODE_MM).collect());
        let expected = &vault.outer;
        let ring: Vec<Option<(f64, f64)>> = (0..nodes.data.len())
            .map(|n| {
                if far[n] < RING_MM.0 || far[n] > RING_MM.1 {
                    return None;
                }
                let (u, v) = nodes.mm(n);
                self.mean_wall(u, v, expected.sample(u, v), window)
            })
            .collect();
        let mut weight: Vec<f64> = ring
            .iter()
            .map(|w| if w.is_some() { RING_WEIGHT } else { 0.0 })
            .collect();
        let wish = |weight: &[f64]| {
            nodes.with(
                (ring.iter().zip(weight))
                    .map(|(w, &weight)| Wish {
                        height_mm: w.map_or(0.0, |w| bent(w.1)),
                        weight,
                    })
                    .collect(),
            )
        };
        let plate = |wishes: &Sheet<Wish>| {
            let mut sheet = solve(wishes, &inside, Stiffness::Plate);
            for (h, &inside) in sheet.data.iter_mut().zip(&inside.data) {
                *h = if inside { bent(*h) } else { 0.0 };
            }
            sheet
        };
        let mut outer = plate(&wish(&weight));
        // What does not lie on the plate is no outer table, and the plate must not follow it: the farthest goes first.
        for tolerance in OUTLIERS_MM {
            for (n, w) in ring.iter().enumerate() {
                let off = w.map(|w| (w.1 - outer.data[n]).abs());
                weight[n] = if off.is_some_and(|off| off <= tolerance) {
                    RING_WEIGHT
                } else {
                    0.0
                };
            }
            outer = plate(&wish(&weight));
        }
        if with_network {
            let mut pulled = wish(&weight);
            self.network(&outer, &far, &inside, &mut pulled);
            outer = plate(&pulled);
        }
        let thickness: Vec<Wish> = (ring.iter().zip(&weight))
            .map(|(w, &weight)| Wish {
                height_mm: w.map_or(0.0, |(inner, outer)| outer - inner),
                weight: if weight > 0.0 { THICKNESS_WEIGHT } else { 0.0 },
            })
            .collect();
        let thickness = solve(&nodes.with(thickness), &inside, Stiffness::Membrane);
        let near = |n: usize| weight[n] > 0.0 && far[n] <= RING_MM.0 + 4.0;
        let mut steps: Vec<f64> = (0..nodes.data.len())
            .filter(|&n| near(n))
            .filter_map(|n| ring[n].map(|w| (w.1 - outer.data[n]).abs()))
            .collect();
        steps.sort_by(f64::total_cmp);
        vault.step_p95 = steps.get(steps.len() * 95 / 100).copied().unwrap_or(0.0);
        // Beyond the ring nothing was solved: what was expected stays.
        for n in 0..nodes.data.len() {
            if !inside.data[n] {
                outer.data[n] = vault.outer.data[n];
            }
        }
        vault.outer = outer;
        vault.thickness = thickness;
    }

    /// Wishes of the network in the hole: its outer surface, minus what it errs at the border carried inwards.
    fn network(
        &self,
        plate: &Sheet<f64>,
        far: &[f64],
        inside: &Sheet<bool>,
        wishes: &mut Sheet<Wish>,
    ) {
        let height: Vec<Option<f64>> = (0..plate.data.len())
            .map(|n| {
                let (u, v) = plate.mm(n);
                let seen = self.predicted.nearest(u, v).flatten();
                seen.map(f64::from).filter(|_| far[n] <= 0.0)
            })
            .collect();
        // The border: nodes of the hole with a neighbour outside it.
        let side = plate.side;
        let at_border = |n: usize| {
            let (x, y) = (n % side, n / side);
            x > 1
                && y > 1
                && x + 2 < side
                && y + 2 < side
                && [n - 2, n + 2, n - 2 * side, n + 2 * side]
                    .iter()
                    .any(|&m| far[m] > 0.0)
        };
        let error: Vec<Wish> = (0..plate.data.len())
            .map(|n| match height[n] {
                Some(h) if at_border(n) => Wish {
                    height_mm: h - plate.data[n],
                    weight: 1.0,
                },
                _ => Wish::default(),
            })
            .collect();
        if error.iter().all(|w| w.weight == 0.0) {
            return;
        }
        let error = solve(&plate.with(error), inside, Stiffness::Membrane);
        for (n, h) in height.iter().enumerate() {
            if let Some(h) = h {
                wishes.data[n] = Wish {
                    height_mm: self.bent(h - error.data[n]),
                    weight: NETWORK_WEIGHT,
                };
            }
        }
    }

    /// Mean wall of the rays around a node: half of the noise of one ray.
    fn mean_wall(&self, u: f64, v: f64, expected: f64, window: Window) -> Option<(f64, f64)> {
        let (mut sum, mut n) = ((0.0, 0.0), 0.0);
        let half = (self.predicted.side as f64 - 1.0) / 2.0;
        let (x, y) = ((u / RAY_MM + half).round(), (v / RAY_MM + half).round());
        for dy in -1..=1 {
            for dx in -1..=1 {
                let (x, y) = (x + f64::from(dx), y + f64::from(dy));
                let last = self.predicted.side as f64 - 1.0;
                if x < 0.0 || y < 0.0 || x > last || y > last {
                    continue;
                }
                let cell = y as usize * self.predicted.side + x as usize;
                if let Some((inner, outer)) = self.wall(cell, expected, window) {
                    sum = (sum.0 + inner, sum.1 + outer);
                    n += 1.0;
                }
            }
        }
        // A node with few walls around it lies on an edge.
        (n >= 6.0).then(|| (sum.0 / n, sum.1 / n))
    }
}

/// The value at (u, v) of a flat volume made from a sheet.
fn sheet_value(sheet: &Sheet<bool>, values: &Volume<f32>, u: f64, v: f64) -> f32 {
    let half = (sheet.side as f64 - 1.0) / 2.0;
    let place = |x: f64| {
        (x / sheet.step_mm + half)
            .round()
            .clamp(0.0, sheet.side as f64 - 1.0) as usize
    };
    values.data()[place(v) * sheet.side + place(u)]
}

/// Share of the hole's border cells with bone within 2 mm.
fn bordered(hole: &Sheet<bool>, bone: &Sheet<bool>) -> f64 {
    let near = distance::squared_mm2(&bone.volume());
    let n = hole.side;
    let (mut border, mut held) = (0usize, 0usize);
    for cell in 0..hole.data.len() {
        let (x, y) = (cell % n, cell / n);
        if !hole.data[cell] {
            continue;
        }
        let edge = x == 0 || y == 0 || x == n - 1 || y == n - 1;
        if edge
            || [cell - 1, cell + 1, cell - n, cell + n]
                .iter()
                .any(|&m| !hole.data[m])
        {
            border += 1;
            held += usize::from(near.data()[cell] <= 4.0);
        }
    }
    if border == 0 {
        0.0
    } else {
        held as f64 / border as f64
    }
}

/// Stretches of a ray where a field is negative, gaps up to the diploe's width closed, from inside out.
fn inside(low: f64, high: f64, step: f64, value: impl Fn(f64) -> f32) -> Walls {
    let steps = ((high - low) / step) as usize;
    let mut walls: Walls = Vec::new();
    let mut before = f64::from(value(low));
    let mut from = (before < 0.0).then_some(low);
    for n in 1..=steps {
        let r = low + n as f64 * step;
        let here = f64::from(value(r));
        // Where the line between the two samples is 0.
        let cut = || r - step * (here / (here - before));
        match (before < 0.0, here < 0.0) {
            (false, true) => from = Some(cut()),
            (true, false) => {
                if let Some(start) = from.take() {
                    push(&mut walls, start, cut());
                }
            }
            _ => {}
        }
        before = here;
    }
    if let Some(start) = from {
        push(&mut walls, start, high);
    }
    walls
}

fn push(walls: &mut Walls, inner: f64, outer: f64) {
    match walls.last_mut() {
        Some(last) if inner - f64::from(last.1) <= DIPLOE_MM => last.1 = outer as f32,
        _ => walls.push((inner as f32, outer as f32)),
    }
}
