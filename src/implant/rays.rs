//! Rays: what lies on straight lines from a chart's centre outwards. Where they meet no vault under the prediction
//! is the hole.

use super::bevel::Bevel;
use super::candidate::Sign;
use super::chart::{Chart, Sheet, blank};
use super::tables::Others;
use super::uncertainty::Uncertainty;
use super::vault::{Field, Marks, Vault, extent};
use crate::volume::components::{Connectivity, label};
use crate::volume::{distance, morphology};
use rayon::prelude::*;

/// Distance of rays in mm: fine enough for an outline that is smoothed below.
pub(super) const RAY_MM: f64 = 1.0;
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
pub(super) const NEAR_PLATE: Window = Some((SUNK_MM, PROUD_MM));
pub(super) const OUTERMOST: Window = None;
/// A slit narrower than twice this is a saw line, a suture or noise, no part of the hole.
const SLIT_MM: f64 = 2.5;

/// Where one ray is inside bone: (inner, outer) in mm from the centre, from inside out.
pub(super) type Walls = Vec<(f32, f32)>;

/// How far under and over the expected outer table a wall may lie; the outermost wall where nothing is expected.
pub(super) type Window = Option<(f64, f64)>;

/// Everything the rays of one chart have met.
pub(super) struct Rays {
    pub(super) chart: Chart,
    pub(super) walls: Sheet<Walls>,
    /// Outermost mark along each ray, where there is any.
    pub(super) predicted: Sheet<Option<f32>>,
    /// Whose marks they are.
    pub(super) sign: Sign,
}

impl Rays {
    pub(super) fn cast(chart: Chart, reach_mm: f64, bone: &Field, marks: Marks) -> Self {
        let sheet = blank(reach_mm, RAY_MM);
        let (low, high) = (chart.radius_mm * FROM_SHARE, chart.radius_mm + BEYOND_MM);
        let met: Vec<(Walls, Option<f32>)> = (0..sheet.data.len())
            .into_par_iter()
            .map(|cell| {
                let (u, v) = sheet.mm(cell);
                let direction = chart.direction(u, v);
                let at = |r: f64| chart.centre.plus(direction.times(r));
                let walls = inside(low, high, BONE_STEP_MM, |r| bone(at(r)));
                let predicted = inside(low, high, PREDICTED_STEP_MM, |r| (marks.field)(at(r)));
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
            sign: marks.sign,
        }
    }

    /// The wall of a ray whose outer side is nearest to `expected`, at most `sunk` under and `proud` over it.
    pub(super) fn wall(&self, cell: usize, expected: f64, window: Window) -> Option<(f64, f64)> {
        let mut walls = (self.walls.data[cell].iter())
            .map(|&(inner, outer)| (f64::from(inner), f64::from(outer)));
        let Some((sunk, proud)) = window else {
            return walls.next_back();
        };
        walls
            .filter(|w| w.1 > expected - sunk && w.1 < expected + proud)
            .min_by(|a, b| (a.1 - expected).abs().total_cmp(&(b.1 - expected).abs()))
    }

    /// Mean wall of the rays around a node: half of the noise of one ray.
    pub(super) fn mean_wall(
        &self,
        u: f64,
        v: f64,
        expected: f64,
        window: Window,
    ) -> Option<(f64, f64)> {
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

    /// The hole under the prediction, as seen against an expected outer table.
    pub(super) fn hole(&self, expected: &Sheet<f64>, window: Window) -> Option<Vault> {
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
        let whole = extent(&sheet.with(hole.clone()));
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
        let covered = match self.sign {
            Sign::Network => both(&|c| seen(c) && hole.data[c]) / both(&|c| hole.data[c]).max(1.0),
            Sign::Bone => 0.0,
        };
        Some(Vault {
            chart: self.chart,
            sign: self.sign,
            bevel: Bevel::none(&hole),
            hole,
            outer: expected.clone(),
            thickness: expected.with(vec![5.0; expected.data.len()]),
            bordered,
            open,
            whole,
            step_p95: 0.0,
            uncertainty: Uncertainty::default(),
            free,
            covered,
            others: Others::default(),
            mirrored_share: 0.0,
            foreseen_share: 0.0,
        })
    }
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
