//! Lighten: a part that weighs less and gives way hardly more.
//!
//! In:    a part as a field over its chart; how it is to be made lighter.
//! Out:   [`Lightened`]: how dense each place is to be filled, or where it is perforated; [`Lightness`], what that saves and
//!        costs.
//! Holds: the outer shape, a solid skin of [`SKIN_MM`] and a solid rim of [`RIM_MM`]; no place of 12 gives way more than
//!        [`YIELDS_MOST`] times as far as in the solid part; 24 are looked at. Same input, same bits, whatever the thread
//!        count.
//! Never: touches the fit.
//!
//! How: the part is cut into columns over its chart and each column into layers (`columns.rs`). It is held by miniplates
//! round its rim and pressed at places all over it (`loads.rs`). Where material is worth least, less is taken, until a place
//! gives way as far as it may (`design.rs`). What a density is worth is the law of the cell that is printed, measured on
//! that cell with the same elements (`tests.rs`): docs/lightening.md has the figures.
//!
//! | file | about |
//! |---|---|
//! | `brick.rs` | one element |
//! | `columns.rs` | the part as elements that follow its surfaces |
//! | `loads.rs` | where it is held and pressed |
//! | `system.rs`, `coarse.rs`, `solve.rs` | displacements |
//! | `design.rs` | what can be spared |
//! | `holes.rs` | perforations |
//! | `report.rs` | what it saves and costs |

mod brick;
mod coarse;
mod columns;
mod design;
mod holes;
mod loads;
mod report;
mod solve;
mod system;

#[cfg(test)]
mod tests;

pub(super) use holes::Hole;
pub use report::Lightness;

use super::chart::Chart;
use crate::space::{Lps, Point};
use columns::Columns;
use design::{Law, Task, Variable};
use serde::{Deserialize, Serialize};
use system::LOADS;

/// How a part is made lighter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lighten {
    /// Not at all.
    #[default]
    None,
    /// Filled less densely under a solid skin and rim.
    Infill,
    /// Perforated.
    Perforate,
}

/// A word that names no way of lightening.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no way to make a part lighter: none, infill and perforate are known")]
pub struct UnknownLighten(String);

impl Lighten {
    /// Its word in orders and flags.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Infill => "infill",
            Self::Perforate => "perforate",
        }
    }
}

impl std::str::FromStr for Lighten {
    type Err = UnknownLighten;

    fn from_str(word: &str) -> Result<Self, UnknownLighten> {
        let known = [Self::None, Self::Infill, Self::Perforate];
        let found = known.into_iter().find(|way| way.word() == word);
        found.ok_or_else(|| UnknownLighten(word.to_owned()))
    }
}

/// Solid under both surfaces, mm.
const SKIN_MM: f64 = 1.0;
/// Solid from the outline inwards, mm: what fits is not touched, and plates need something to hold.
const RIM_MM: f64 = 6.0;
/// A place may give way so many times as far as in the solid part.
const YIELDS_MOST: f64 = 1.3;
/// What is aimed at: printing and the model's own error need room.
const YIELDS: f64 = 1.22;
/// Lighter than this it need not be: share of the solid part's mass.
const LIGHTER: f64 = 0.4;
/// Force on a place from outside, and from within, N.
const FORCE_N: f64 = 100.0;
const WITHIN_N: f64 = 5.0;
/// Poisson's ratio of the polymers that are printed.
const POISSON: f64 = 0.38;
/// Gyroid of one period, walls by density: measured 1.5 (a share of 0.13) to 2.0 (0.6).
const INFILL: Law = Law {
    power: 1.9,
    least: 0.2,
};
/// Round holes on a triangular pattern: measured 1.8 to 2.2.
const PERFORATED: f64 = 2.1;

/// The part.
pub(super) struct Shape<'a> {
    pub(super) chart: Chart,
    /// How far from the chart's middle it may lie, mm.
    pub(super) reach_mm: f64,
    /// Between which distances from the chart's centre, mm.
    pub(super) radii_mm: [f64; 2],
    /// Negative in it.
    pub(super) field: &'a (dyn Fn(Point<Lps>) -> f32 + Sync),
}

/// A part that is made lighter.
pub(super) struct Lightened {
    pub(super) report: Lightness,
    /// Perforations.
    pub(super) holes: Vec<Hole>,
    chart: Chart,
    columns: Columns,
    shares: Vec<f64>,
}

/// Why a part is not made lighter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LightenError {
    /// It folds over its own chart, or nothing of it is met.
    #[error("it is no sheet over the hole")]
    NoSheet,
    /// The equations have no answer.
    #[error("its stiffness could not be computed")]
    NoAnswer,
}

/// Takes away what a part can do without.
///
/// # Errors
/// [`LightenError`].
pub(super) fn lighten(
    mode: Lighten,
    shape: &Shape,
    modulus_mpa: f64,
) -> Result<Lightened, LightenError> {
    let (chart, columns) = true_to_scale(shape).ok_or(LightenError::NoSheet)?;
    let bricks = columns.stiffnesses(POISSON).ok_or(LightenError::NoSheet)?;
    tracing::debug!(
        bricks = bricks.len(),
        layers = columns.layers,
        "cut into bricks"
    );
    let plates = loads::plates(&columns);
    let held = loads::held(&columns, &plates);
    let places = loads::places(&columns, 2 * LOADS);
    let (own, others) = places.split_at(places.len().min(LOADS));
    let forces = loads::forces(&columns, own, FORCE_N, &held);
    let variables = variables(mode, &columns);
    let least = holes::left(holes::DIAMETERS_MM[1]);
    let law = match mode {
        Lighten::Perforate => Law {
            power: PERFORATED,
            least,
        },
        _ => INFILL,
    };
    let task = Task {
        columns: &columns,
        bricks: &bricks,
        held: &held,
        forces: &forces,
        places: own.len(),
        variables: &variables,
        law,
        yields: YIELDS,
        lighter: LIGHTER,
    };
    let mut designed = task.run().ok_or(LightenError::NoAnswer)?;
    let mut drilled = Vec::new();
    if mode == Lighten::Perforate {
        drilled = perforated(&task, &mut designed).ok_or(LightenError::NoAnswer)?;
    }
    let read = |shares: &[f64], forces: &[f64], u: &[f64], places: usize| {
        report::read(
            (&columns, &bricks),
            (shares, law),
            &plates,
            (forces, u),
            places,
        )
    };
    let full = vec![1.0; bricks.len()];
    let mut answers = [
        read(&full, &forces, &designed.solid, own.len()),
        read(&designed.shares, &forces, &designed.light, own.len()),
    ];
    let mut within = [0.0; 2];
    for (n, shares) in [&full, &designed.shares].into_iter().enumerate() {
        let other = |forces: Vec<f64>, places: usize| {
            let mut u = vec![0.0; forces.len()];
            let task = Task {
                forces: &forces,
                ..task
            };
            task.displaced(shares, &mut u, SURE)?;
            Some(read(shares, &forces, &u, places))
        };
        if !others.is_empty() {
            let forces = loads::forces(&columns, others, FORCE_N, &held);
            let mut answer = other(forces, others.len()).ok_or(LightenError::NoAnswer)?;
            answer.worst += own.len();
            answers[n] = answers[n].worse(answer);
        }
        let forces = report::from_within(&columns, own, &held);
        let answer = other(forces, own.len()).ok_or(LightenError::NoAnswer)?;
        within[n] = answer.displacement / modulus_mpa;
    }
    let mass = |shares: &[f64]| -> f64 {
        (shares.iter().zip(&bricks))
            .map(|(s, b)| s * b.volume)
            .sum()
    };
    let report = Lightness {
        mode,
        saved: 1.0 - mass(&designed.shares) / mass(&full),
        places: places.len(),
        plates_lps: plates.iter().map(|p| p.0).collect(),
        worst_lps: (places.get(answers[1].worst)).map_or([[0.0; 3]; 2], |place| {
            let push = columns.outwards(place.cell).times(-1.0);
            [columns.outside(place.cell).0, push.0]
        }),
        displacement_mm: answers.map(|a| a.displacement / modulus_mpa),
        compliance_mj: answers.map(|a| a.compliance / modulus_mpa),
        stress_mpa: answers.map(|a| a.stress),
        from_within_mm: within,
        modulus_mpa,
        holes: drilled.len(),
    };
    tracing::debug!(
        ?report,
        rounds = designed.rounds,
        left = designed.left,
        "made lighter"
    );
    Ok(Lightened {
        report,
        holes: drilled,
        chart,
        shares: designed.shares,
        columns,
    })
}

/// The part cut into columns over a chart whose millimetres are those of the part: the sphere that fits the bone may be
/// larger or smaller than the part lies from its centre.
fn true_to_scale(shape: &Shape) -> Option<(Chart, Columns)> {
    let cut = |chart: &Chart, reach_mm| Columns::new(chart, reach_mm, shape.radii_mm, shape.field);
    let columns = cut(&shape.chart, shape.reach_mm)?;
    let middles = columns
        .cells
        .iter()
        .map(|c| (c.radii_mm.0 + c.radii_mm.1) / 2.0);
    let radius_mm = middles.sum::<f64>() / columns.cells.len() as f64;
    let scale = radius_mm / shape.chart.radius_mm;
    if (scale - 1.0).abs() < SCALE_SAME {
        return Some((shape.chart, columns));
    }
    let chart = Chart {
        radius_mm,
        ..shape.chart
    };
    let columns = cut(&chart, shape.reach_mm * scale)?;
    Some((chart, columns))
}

/// Charts that differ by less are the same.
const SCALE_SAME: f64 = 0.01;

/// Loads are balanced so far for what is reported.
const SURE: f64 = 1e-5;

/// What may be made less dense: under the skins brick by brick, or whole columns.
fn variables(mode: Lighten, columns: &Columns) -> Vec<Variable> {
    let free = (columns.cells.iter().enumerate()).filter(|(_, c)| c.edge_mm >= RIM_MM);
    match mode {
        Lighten::None => Vec::new(),
        Lighten::Perforate => free
            .map(|(cell, _)| {
                (0..columns.layers)
                    .map(|k| cell * columns.layers + k)
                    .collect()
            })
            .collect(),
        Lighten::Infill => free
            .flat_map(|(cell, c)| {
                let thick = c.thickness_mm();
                let layer = thick / columns.layers as f64;
                (0..columns.layers)
                    .filter(move |&k| {
                        let (low, high) = (k as f64 * layer, (k + 1) as f64 * layer);
                        low >= SKIN_MM - layer / 4.0 && high <= thick - SKIN_MM + layer / 4.0
                    })
                    .map(move |k| vec![cell * columns.layers + k])
            })
            .collect(),
    }
}

/// Holes instead of densities, smaller ones where the pattern gives way too far.
fn perforated(task: &Task, designed: &mut design::Designed) -> Option<Vec<Hole>> {
    let limit = |u: &[f64]| {
        design::works(task.forces, u)
            .into_iter()
            .fold(0.0, f64::max)
    };
    let solid = limit(&designed.solid);
    let mut scale = 1.0;
    loop {
        let drilled = holes::holes(task.columns, designed, scale);
        let shares = holes::shares(task.columns, &drilled);
        task.displaced(&shares, &mut designed.light, SURE)?;
        if limit(&designed.light) <= (YIELDS + YIELDS_MOST) / 2.0 * solid || scale < SMALLEST {
            designed.shares = shares;
            return Some(drilled);
        }
        scale *= SMALLER;
    }
}

/// How much smaller holes are tried, and until when.
const SMALLER: f64 = 0.96;
const SMALLEST: f64 = 0.7;

impl Lightened {
    /// Share of material at a point, 1 outside the part.
    pub(super) fn share(&self, at: Point<Lps>) -> f64 {
        let [u, v, r] = self.chart.locate(at);
        let brick = self.columns.brick_at(u, v, r);
        brick.map_or(1.0, |n| self.shares[n])
    }

    /// Mean share of material along the ray through a point, 1 beside the part.
    pub(super) fn share_along(&self, at: Point<Lps>) -> f64 {
        let [u, v, _] = self.chart.locate(at);
        let layers = self.columns.layers;
        self.columns.cell_at(u, v).map_or(1.0, |cell| {
            let own = &self.shares[cell * layers..][..layers];
            own.iter().sum::<f64>() / layers as f64
        })
    }

    /// How far a point lies outside the nearest perforation, negative in it, mm: along the chart's rays.
    pub(super) fn outside_holes_mm(&self, at: Point<Lps>) -> f64 {
        let [u, v, r] = self.chart.locate(at);
        // On the chart's sphere one mm of it is one mm of the patient.
        let scale = r / self.chart.radius_mm;
        let far = |h: &Hole| (h.uv.0 - u).hypot(h.uv.1 - v) * scale - h.diameter_mm / 2.0;
        self.holes.iter().map(far).fold(f64::INFINITY, f64::min)
    }
}
