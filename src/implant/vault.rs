//! Vault: the skull over a chart. Where it is missing (the hole), how high its outer table is, how thick it is,
//! also across the hole.
//!
//! Rays from the chart's centre meet the bone or do not (`rays.rs`). The rays that do not, and hang together under
//! the prediction, are the hole: the bone decides its outline. Around it the outer table is read off the rays and
//! carried over the hole by a thin plate, along the other half of the head where that has bone (`mirrored.rs`); the
//! network pulls weakly where the rim is far (`tables.rs`).

use super::around::Begins;
use super::bevel::Bevel;
use super::candidate::Sign;
use super::chart::{Chart, Sheet, blank};
use super::mirrored::Mirrored;
use super::rays::{NEAR_PLATE, OUTERMOST, RAY_MM, Rays};
use super::tables::Others;
use super::uncertainty::Uncertainty;
use crate::space::{Lps, Point};
use crate::volume::Volume;

/// Distance of the plate's nodes in mm.
pub(super) const NODE_MM: f64 = 2.0;
/// A network that marks less of the hole than this has no opinion on its middle.
const NETWORK_LEAST: f64 = 0.3;
/// A bevel that reaches into the ring draws the tables down and is seen too narrow; without it they are laid again, so often.
const BEVELLED: usize = 2;
/// Looks for the middle of a hole that runs over the edge of its chart, each from the middle of what the last one saw.
const CENTRED: usize = 3;

/// A scalar field in the patient, negative inside.
pub(super) type Field<'a> = dyn Fn(Point<Lps>) -> f32 + Sync + 'a;

/// What marks a hole: a field that is negative inside, and whose word it is.
#[derive(Clone, Copy)]
pub(super) struct Marks<'a> {
    pub(super) field: &'a Field<'a>,
    pub(super) sign: Sign,
}

impl<'a> Marks<'a> {
    /// What the network marks.
    pub(super) fn network(field: &'a Field<'a>) -> Self {
        let sign = Sign::Network;
        Self { field, sign }
    }
}

/// The skull around and over one hole.
#[derive(Clone, Debug)]
pub(super) struct Vault {
    pub(super) chart: Chart,
    /// Who says that it is one.
    pub(super) sign: Sign,
    /// Rays of the hole, 1 mm apart.
    pub(super) hole: Sheet<bool>,
    /// Rays beside it where one of the tables is missing.
    pub(super) bevel: Bevel,
    /// Outer table, mm from the chart's centre.
    pub(super) outer: Sheet<f64>,
    /// Thickness of bone, or of what it would be, mm.
    pub(super) thickness: Sheet<f64>,
    /// Share of the hole's border that is bone.
    pub(super) bordered: f64,
    /// The hole runs out of the vault: the prediction ends it there.
    pub(super) open: bool,
    /// Middle in (u, v) and extent of the hole before the prediction ended it, as [`Self::extent`] has them, mm.
    pub(super) whole: ((f64, f64), f64),
    /// How far the ring lies off the plate, 95th percentile, mm: the step at the border.
    pub(super) step_p95: f64,
    /// Share of the predicted rays that meet no vault.
    pub(super) free: f64,
    /// Share of the hole's rays that the network marks.
    pub(super) covered: f64,
    /// How far its tables are expected to lie off.
    pub(super) uncertainty: Uncertainty,
    /// Who else was asked for the shape.
    pub(super) others: Others,
    /// Share of the hole whose shape follows it.
    pub(super) mirrored_share: f64,
    /// Share of the hole of which the prior of the vault says something.
    pub(super) foreseen_share: f64,
}

impl Vault {
    /// Surveys the hole that lies under what marks it. `bone` is negative inside. `reach_mm`: how
    /// far from the chart's middle to look. `others` are asked once, with the vault as the bone alone has it: what they
    /// know of it. `None` when no ray passes the vault where the prediction is.
    pub(super) fn survey(
        chart: Chart,
        reach_mm: f64,
        bone: &Field,
        marks: Marks,
        others: impl FnOnce(&Self) -> Others,
    ) -> Option<Self> {
        let (rays, mut vault) = Self::outlined(chart, reach_mm, bone, marks)?;
        let others = others(&vault);
        let network = vault.covered >= NETWORK_LEAST;
        // The bone far from the hole alone would take the relief of the vault for a bevel.
        rays.tables(&mut vault, Begins::Steady, network, &others);
        vault.bevel = rays.bevel(&vault);
        for _ in 0..BEVELLED {
            rays.tables(&mut vault, Begins::AtBevel, network, &others);
            vault.bevel = rays.bevel(&vault);
        }
        let used = vault.mirrored_share > 0.0;
        vault.others = Others {
            mirrored: others.mirrored.filter(|_| used).map(Mirrored::accepted),
            ..others
        };
        Some(vault)
    }

    /// The hole as bone alone outlines it, in a plate through the bone around it.
    fn outlined(chart: Chart, reach_mm: f64, bone: &Field, marks: Marks) -> Option<(Rays, Self)> {
        let rays = Rays::cast(chart, reach_mm, bone, marks);
        let nodes = blank(reach_mm, NODE_MM);
        let sphere = nodes.with(vec![chart.radius_mm; nodes.data.len()]);
        // Before anything better is known, the outermost bone of each ray is the vault.
        let mut vault = rays.hole(&sphere, OUTERMOST)?;
        for window in [OUTERMOST, NEAR_PLATE] {
            rays.first_tables(&mut vault, window);
            let again = rays.hole(&vault.outer, NEAR_PLATE)?;
            vault = Self {
                outer: vault.outer,
                thickness: vault.thickness,
                ..again
            };
        }
        Some((rays, vault))
    }

    /// A chart in the middle of a hole that ran over the edge of its own, and how far to look there: a prediction that
    /// marks the rim of one side alone lies far from the middle of what is open. `None` where bone does not close the hole
    /// from there either.
    pub(super) fn centred(
        &self,
        reach_mm: f64,
        bone: &Field,
        marks: Marks,
    ) -> Option<(Chart, f64)> {
        let (mut chart, mut whole) = (self.chart, self.whole);
        for _ in 0..CENTRED {
            let ((u, v), _) = whole;
            chart = chart.turned_to(u, v)?;
            let (_, seen) = Self::outlined(chart, reach_mm, bone, marks)?;
            whole = seen.whole;
            if !seen.open {
                let ((u, v), far) = whole;
                return Some((chart.turned_to(u, v)?, far));
            }
        }
        None
    }

    /// Where the outer table is missing: hole and wide bevel.
    pub(super) fn bare(&self) -> Sheet<bool> {
        let both = self.hole.data.iter().zip(&self.bevel.wide.data);
        self.hole.with(both.map(|(&a, &b)| a || b).collect())
    }

    /// Where any bone is missing: hole and bevels of both tables.
    pub(super) fn lacking(&self) -> Sheet<bool> {
        let bevels = self.bevel.outer.data.iter().zip(&self.bevel.inner.data);
        let all = self.hole.data.iter().zip(bevels);
        self.hole
            .with(all.map(|(&h, (&o, &i))| h || o || i).collect())
    }

    /// Middle of the hole with its bevel in (u, v) and the largest distance from there, mm.
    pub(super) fn extent(&self) -> ((f64, f64), f64) {
        extent(&self.bare())
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
        for (cell, _) in self.lacking().data.iter().enumerate().filter(|&(_, &h)| h) {
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

/// Middle of the cells that are set, in (u, v), and the largest distance from there, mm.
pub(super) fn extent(cells: &Sheet<bool>) -> ((f64, f64), f64) {
    let cells: Vec<(f64, f64)> = (cells.data.iter().enumerate())
        .filter(|&(_, &set)| set)
        .map(|(c, _)| cells.mm(c))
        .collect();
    let n = cells.len().max(1) as f64;
    let (u, v) = cells.iter().fold((0.0, 0.0), |s, c| (s.0 + c.0, s.1 + c.1));
    let middle = (u / n, v / n);
    let far = cells.iter().map(|c| (c.0 - middle.0).hypot(c.1 - middle.1));
    (middle, far.fold(0.0, f64::max))
}
