//! Summary: many cases as one honest table.
//!
//! Holds: DSC and bDSC are averaged over every case with something missing, misses included. A distance is
//!        averaged where it is defined, with "n of N", and once more with the grid's diagonal in its place.
//!        Intact heads are in no mean: they have their own rate.

use super::Outcome;
use super::metric::{Metric, metrics};
use super::parts::{Part, by_region};
use super::row::{Grid, Method, Row};
use serde::Serialize;
use std::collections::BTreeMap;

/// How many of the worst cases are named.
const WORST: usize = 5;

/// All rows of one method on one grid.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// On which grid.
    pub grid: Grid,
    /// Who answered.
    pub method: Method,
    /// Cases with something missing.
    pub cases: usize,
    /// Skulls they come from.
    pub skulls: usize,
    /// Measures by name, over those cases.
    pub metrics: BTreeMap<&'static str, Metric>,
    /// Cases, intact heads included, that have a native row of this method and none on this grid.
    pub not_scored: usize,
    /// Cases with an empty answer.
    pub misses: usize,
    /// Which.
    pub missed_cases: Vec<String>,
    /// Cases whose answer lies elsewhere.
    pub misplaced: usize,
    /// Which.
    pub misplaced_cases: Vec<String>,
    /// Intact heads.
    pub intact: usize,
    /// Intact heads that were answered with nothing.
    pub intact_no_defect: usize,
    /// 95 % interval of their share (Wilson's, over heads); `None` without intact heads.
    pub intact_interval: Option<[f64; 2]>,
    /// Intact heads with an answer.
    pub false_alarms: usize,
    /// Which.
    pub false_alarm_cases: Vec<String>,
    /// The cases with the lowest DSC, lowest first.
    pub worst: Vec<(String, f64)>,
    /// The same cases by where the truth lies.
    pub by_region: Vec<Part>,
}

/// One summary for each grid and method that has rows, natively first.
pub fn summarise(rows: &[Row]) -> Vec<Summary> {
    let of = |grid, method| -> Vec<&Row> {
        let own = |row: &&Row| row.grid == grid && row.method == method;
        rows.iter().filter(own).collect()
    };
    let mut out = Vec::new();
    for grid in [Grid::Native, Grid::Millimetre] {
        for method in [Method::Prediction, Method::Mirror] {
            let (own, native) = (of(grid, method), of(Grid::Native, method).len());
            // A grid that no case fits is said so, not left out.
            if native > 0 || !own.is_empty() {
                out.push(one(grid, method, &own, native.saturating_sub(own.len())));
            }
        }
    }
    out
}

fn one(grid: Grid, method: Method, rows: &[&Row], not_scored: usize) -> Summary {
    let cases = |outcome| -> Vec<String> {
        let own = rows.iter().filter(|r| r.scores.outcome == outcome);
        own.map(|r| r.case.clone()).collect()
    };
    let [missed_cases, misplaced_cases, false_alarm_cases, quiet] = [
        Outcome::Miss,
        Outcome::Misplaced,
        Outcome::FalseAlarm,
        Outcome::NoDefect,
    ]
    .map(cases);
    let (no_defect, false_alarms) = (quiet.len(), false_alarm_cases.len());
    let is_intact = |r: &Row| matches!(r.scores.outcome, Outcome::NoDefect | Outcome::FalseAlarm);
    let with: Vec<&Row> = rows.iter().copied().filter(|r| !is_intact(r)).collect();
    let mut worst: Vec<(String, f64)> = (with.iter())
        .map(|r| (r.case.clone(), r.scores.dsc))
        .collect();
    worst.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    worst.truncate(WORST);
    let mut skulls: Vec<&str> = with.iter().map(|r| r.skull.as_str()).collect();
    skulls.sort_unstable();
    skulls.dedup();
    Summary {
        grid,
        method,
        cases: with.len(),
        skulls: skulls.len(),
        metrics: metrics(&with),
        not_scored,
        misses: missed_cases.len(),
        missed_cases,
        misplaced: misplaced_cases.len(),
        misplaced_cases,
        intact: no_defect + false_alarms,
        intact_no_defect: no_defect,
        intact_interval: wilson(no_defect, no_defect + false_alarms),
        false_alarms,
        false_alarm_cases,
        worst,
        by_region: by_region(&with),
    }
}

/// 95 % interval of a share after Wilson (1927): also for "all of them" and "none".
fn wilson(hits: usize, of: usize) -> Option<[f64; 2]> {
    const Z: f64 = 1.959_964;
    let (n, z2) = (of as f64, Z * Z);
    let share = hits as f64 / n;
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    (of > 0).then(|| [(middle - half).max(0.0), (middle + half).min(1.0)])
}

#[cfg(test)]
mod tests;
