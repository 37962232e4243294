//! Lighten: a part that weighs less and gives way hardly more.
//!
//! In:    a part as a field over its chart; how it is to be made lighter.
//! Out:   [`Lightened`]: how dense each place is to be filled, or where it is perforated; [`Lightness`], what that saves and
//!        costs.
//! Holds: the outer shape, a solid skin of [`SKIN_MM`] and a solid rim of [`RIM_MM`]; of 24 places none gives way more than
//!        [`YIELDS_MOST`] times as far as in the solid part, or it is said. Same input, same bits, whatever the thread
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
/// A design that gives way farther than this somewhere is made anew, for the places that turned out to be the weakest; so
/// often at most.
const GOOD: f64 = 1.28;
const TRIES: usize = 3;
/// Lighter than this it need not be: share of the solid part's mass.
const LIGHTER: f64 = 0.4;
/// Force on a place from outside, and from within, N.
const FORCE_N: f64 = 100.0;
const WITHIN_N: f64 = 5.0;
/// Poisson's ratio of the polymers that are printed.
const POISSON: f64 = 0.38;
/// Gyroid of one period, walls by density: measured 1.6 (a share of 0.22) to 2.1 (0.6).
const INFILL: Law = Law {
    power: 1.9,
    least: 0.2,
};
/// Round holes on a triangular pattern: measured 1.8 to 2.4, where the largest is a hole of 2 mm
/// sheared: 3 % softer than the law.
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

/// The part as it is computed.
struct Model<'a> {
    columns: &'a Columns,
    bricks: &'a [brick::Brick],
    held: &'a [bool],
    plates: &'a [Point<Lps>],
    law: Law,
}

impl Model<'_> {
    /// What the part answers to forces, and the work of each place's.
    fn answer(
        &self,
        shares: &[f64],
        forces: &[f64],
        places: usize,
    ) -> Option<(report::Answer, [f64; LOADS])> {
        let moduli: Vec<f64> = shares.iter().map(|&s| self.law.modulus(s)).collect();
        let system = system::System::new(self.columns, self.bricks, &moduli, self.held);
        let mut u = vec![0.0; forces.len()];
        solve::solve(&system, forces, &mut u, SURE)?;
        let part = (self.columns, self.bricks);
        let answer = report::read(part, (shares, self.law), self.plates, (forces, &u), places);
        Some((answer, design::works(forces, &u)))
    }

    /// The same for all places, one after the other where there are more than are solved at once.
    fn pressed(
        &self,
        shares: &[f64],
        places: &[loads::Place],
    ) -> Option<(report::Answer, Vec<f64>)> {
        let mut all = report::Answer::default();
        let mut works = Vec::new();
        for (n, some) in places.chunks(LOADS).enumerate() {
            let forces = loads::forces(self.columns, some, FORCE_N, self.held);
            let (mut answer, own) = self.answer(shares, &forces, some.len())?;
            answer.worst += n * LOADS;
            all = all.worse(answer);
            works.extend_from_slice(&own[..some.len()]);
        }
        Some((all, works))
    }
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
    let variables = variables(mode, &columns);
    let law = match mode {
        Lighten::Perforate => Law {
            power: PERFORATED,
            least: holes::left(holes::DIAMETERS_MM[1]),
        },
        _ => INFILL,
    };
    let model = Model {
        columns: &columns,
        bricks: &bricks,
        held: &held,
        plates: &plates,
        law,
    };
    let full = vec![1.0; bricks.len()];
    let (solid, works) = model
        .pressed(&full, &places)
        .ok_or(LightenError::NoAnswer)?;
    // It is designed for as many places as are solved at once: first those that lie farthest apart, then those that turned
    // out to give way farthest.
    let mut worst = works;
    let mut own: Vec<usize> = (0..places.len().min(LOADS)).collect();
    let mut yields = YIELDS;
    let mut tries = 0;
    let (designed, drilled, light) = loop {
        let pressed: Vec<loads::Place> = own.iter().map(|&n| places[n].clone()).collect();
        let forces = loads::forces(&columns, &pressed, FORCE_N, &held);
        let task = Task {
            columns: &columns,
            bricks: &bricks,
            held: &held,
            forces: &forces,
            places: pressed.len(),
            variables: &variables,
            law,
            limit: yields * solid.compliance,
            lighter: LIGHTER,
        };
        let mut designed = task.run().ok_or(LightenError::NoAnswer)?;
        let mut drilled = Vec::new();
        if mode == Lighten::Perforate {
            drilled = perforated(&task, &mut designed).ok_or(LightenError::NoAnswer)?;
        }
        let (light, works) =
            (model.pressed(&designed.shares, &places)).ok_or(LightenError::NoAnswer)?;
        tries += 1;
        let ratio = light.displacement / solid.displacement;
        tracing::debug!(
            tries,
            ratio,
            rounds = designed.rounds,
            left = designed.left,
            "designed"
        );
        if ratio <= GOOD || tries == TRIES {
            break (designed, drilled, light);
        }
        yields = 1.0 + (yields - 1.0) * ((GOOD - 1.0) / (ratio - 1.0));
        worst
            .iter_mut()
            .zip(works)
            .for_each(|(w, new)| *w = w.max(new));
        own = (0..places.len()).collect();
        own.sort_by(|&a, &b| worst[b].total_cmp(&worst[a]).then(a.cmp(&b)));
        own.truncate(LOADS);
    };
    let answers = [solid, light];
    let near = &places[..places.len().min(LOADS)];
    let inside = report::from_within(&columns, near, &held);
    let mut within = [0.0; 2];
    for (within, shares) in within.iter_mut().zip([&full, &designed.shares]) {
        let (answer, _) =
            (model.answer(shares, &inside, near.len())).ok_or(LightenError::NoAnswer)?;
        *within = answer.displacement / modulus_mpa;
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
    tracing::debug!(?report, "made lighter");
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
    let work = |u: &[f64]| {
        design::works(task.forces, u)
            .into_iter()
            .fold(0.0, f64::max)
    };
    let mut scale = 1.0;
    loop {
        let drilled = holes::holes(task.columns, designed, scale);
        let shares = holes::shares(task.columns, &drilled);
        task.displaced(&shares, &mut designed.light, SURE)?;
        if work(&designed.light) <= OVER * task.limit || scale < SMALLEST {
            designed.shares = shares;
            return Some(drilled);
        }
        scale *= SMALLER;
    }
}

/// Holes instead of densities may give way so much farther.
const OVER: f64 = 1.02;
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
