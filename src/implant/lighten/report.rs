//! Report: what lightening saves and costs.

use super::brick::Brick;
use super::columns::Columns;
use super::design::Law;
use super::loads::{self, Place};
use super::system::LOADS;
use super::{FORCE_N, Lighten, WITHIN_N};
use crate::space::{Lps, Point};
use crate::status::Finding;
use rayon::prelude::*;
use serde::Serialize;

/// So near to a plate's middle stress is that of the model's fixing, mm.
const AT_PLATE_MM: f64 = 8.0;

/// A lightened part beside the same one solid.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lightness {
    /// How it was made lighter.
    pub mode: Lighten,
    /// Share of the solid part's mass that is saved.
    pub saved: f64,
    /// How many places were pressed.
    pub places: usize,
    /// Middles of the miniplates that held the part, on its outer surface, patient LPS mm.
    pub plates_lps: Vec<[f64; 3]>,
    /// The place that gives way farthest in the lightened part, patient LPS mm, and which way it was pushed.
    pub worst_lps: [[f64; 3]; 2],
    /// Largest displacement under the worst place's force, mm: solid, lightened.
    pub displacement_mm: [f64; 2],
    /// Work of the worst place's force, mJ: solid, lightened.
    pub compliance_mj: [f64; 2],
    /// Largest stress by von Mises away from the plates, MPa: solid, lightened. Of a perforated part the mean over its
    /// pattern; at a hole's border it is about three times that.
    pub stress_mpa: [f64; 2],
    /// Largest displacement when the worst place is pushed from within, mm: solid, lightened.
    pub from_within_mm: [f64; 2],
    /// The material's modulus that was taken, MPa.
    pub modulus_mpa: f64,
    /// Perforations.
    pub holes: usize,
}

/// What one model of the part answers to forces.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answer {
    pub(super) displacement: f64,
    pub(super) compliance: f64,
    pub(super) stress: f64,
    /// The place of the compliance.
    pub(super) worst: usize,
}

impl Answer {
    /// The worse of two, number by number.
    pub(super) fn worse(self, other: Self) -> Self {
        Self {
            displacement: self.displacement.max(other.displacement),
            compliance: self.compliance.max(other.compliance),
            stress: self.stress.max(other.stress),
            worst: if other.compliance > self.compliance {
                other.worst
            } else {
                self.worst
            },
        }
    }
}

/// Reads displacements of a modulus of 1 MPa.
pub(super) fn read(
    (columns, bricks): (&Columns, &[Brick]),
    (shares, law): (&[f64], Law),
    plates: &[Point<Lps>],
    (forces, u): (&[f64], &[f64]),
    places: usize,
) -> Answer {
    let mut displacement: f64 = 0.0;
    for node in u.chunks_exact(3 * LOADS) {
        for load in 0..places {
            let [x, y, z] = [0, 1, 2].map(|a| node[a * LOADS + load]);
            displacement = displacement.max((x * x + y * y + z * z).sqrt());
        }
    }
    let works = super::design::works(forces, u);
    let worst = (0..LOADS).max_by(|&a, &b| works[a].total_cmp(&works[b]));
    let worst = worst.unwrap_or_default();
    let stress = (0..bricks.len())
        .into_par_iter()
        .filter(|&brick| {
            let at = columns.middle(columns.place(brick));
            plates.iter().all(|p| p.minus(at).length() > AT_PLATE_MM)
        })
        .map(|brick| {
            let place = columns.place(brick);
            let one = |load| {
                let own = columns.gather(place, u, LOADS, load);
                bricks[brick].mises(&own, super::POISSON) * law.modulus(shares[brick])
            };
            (0..places).map(one).fold(0.0, f64::max)
        })
        .reduce(|| 0.0, f64::max);
    Answer {
        displacement,
        compliance: works[worst],
        stress,
        worst,
    }
}

/// Forces from within: outwards, at the inner surface.
pub(super) fn from_within(columns: &Columns, places: &[Place], held: &[bool]) -> Vec<f64> {
    let outside = loads::forces(columns, places, WITHIN_N, held);
    // The same columns, at their inner end and the other way.
    let long = columns.high() * 3 * LOADS;
    let mut inside = vec![0.0; outside.len()];
    let node = 3 * LOADS;
    for (to, from) in inside
        .chunks_exact_mut(long)
        .zip(outside.chunks_exact(long))
    {
        for (to, from) in to[..node].iter_mut().zip(&from[long - node..]) {
            *to = -from;
        }
    }
    inside
}

impl Lightness {
    /// What people are told.
    pub fn findings(&self) -> Vec<Finding> {
        let how = match self.mode {
            Lighten::None => return Vec::new(),
            Lighten::Infill => "Filled less densely under a solid skin and rim".to_owned(),
            Lighten::Perforate => format!("Perforated by {} holes", self.holes),
        };
        let [solid, light] = self.displacement_mm;
        let saved = format!("{how}: share of the solid part's mass that is saved.");
        let text = format!(
            "Pressed with {FORCE_N:.0} N at the worst of {} places, held by {} miniplates, it gives way {light:.2} mm; \
             the solid part {solid:.2} mm. Times as far as the solid part.",
            self.places,
            self.plates_lps.len()
        );
        let ratio = light / solid.max(f64::MIN_POSITIVE);
        let yields = match ratio > super::YIELDS_MOST {
            true => Finding::warn("yields", text),
            false => Finding::info("yields", text),
        };
        vec![
            Finding::info("lighter", saved).value(self.saved * 100.0, "%"),
            yields.value(ratio, "").at_most(super::YIELDS_MOST),
        ]
    }
}
