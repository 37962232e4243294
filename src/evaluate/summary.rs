//! Summary: many cases as one honest table.
//!
//! Holds: DSC and bDSC are averaged over every case with something missing, misses included. A distance is
//!        averaged where it is defined, with "n of N", and once more with the grid's diagonal in its place.
//!        Intact heads are in no mean: they have their own rate. Intervals resample skulls, not rows.

use super::{Outcome, Scores, surface::percentile};
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use std::collections::BTreeMap;

/// Draws of the bootstrap.
const DRAWS: usize = 10_000;
/// Its seed: the same rows give the same interval, always.
const SEED: u64 = 20_260_101;
/// How many of the worst cases are named.
const WORST: usize = 5;

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The prediction that was given.
    Prediction,
    /// The mirror baseline.
    Mirror,
}

/// On which grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Grid {
    /// The scan's own.
    #[serde(rename = "native")]
    Native,
    /// The frame's, 1 mm.
    #[serde(rename = "1 mm")]
    Millimetre,
}

/// One case on one grid.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The case's own key.
    pub case: String,
    /// The skull it was cut from; several cases may share one.
    pub skull: String,
    /// On which grid.
    pub grid: Grid,
    /// Who answered.
    pub method: Method,
    /// All measures.
    #[serde(flatten)]
    pub scores: Scores,
}

/// Mean and spread of one measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Metric {
    /// Mean over the cases in which it is defined.
    pub mean: f64,
    /// Sample standard deviation (n - 1); `None` for one case.
    pub sd: Option<f64>,
    /// 95 % bootstrap interval over skulls; `None` for one skull.
    pub interval: Option<[f64; 2]>,
    /// Cases in which it is defined.
    pub defined: usize,
    /// Mean with the grid's diagonal for every undefined distance; `None` for measures that are no distance.
    pub mean_with_diagonal: Option<f64>,
}

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
}

type Measure = fn(&Scores) -> Option<f64>;

/// Every measure with its name; distances can be undefined and then count as the diagonal.
const MEASURES: [(&str, bool, Measure); 10] = [
    ("dsc", false, |s| Some(s.dsc)),
    ("bdsc", false, |s| Some(s.bdsc)),
    ("hd95", true, |s| s.hd95),
    ("hd", true, |s| s.hd),
    ("assd", true, |s| s.assd),
    ("sdh", true, |s| s.sdh),
    ("ver_percent", false, |s| s.ver_percent),
    ("fpr", false, |s| s.fpr),
    ("fnr", false, |s| s.fnr),
    ("centroid_mm", true, |s| s.centroid_mm),
];

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
        metrics: (MEASURES.iter())
            .filter_map(|&(name, distance, measure)| {
                Some((name, metric(&with, distance, measure)?))
            })
            .collect(),
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

/// `None` when no case defines it.
fn metric(rows: &[&Row], distance: bool, measure: Measure) -> Option<Metric> {
    let values: Vec<f64> = rows.iter().filter_map(|r| measure(&r.scores)).collect();
    if values.is_empty() {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let filled = |r: &&Row| measure(&r.scores).unwrap_or(r.scores.diagonal_mm);
    Some(Metric {
        mean,
        sd: (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()),
        interval: bootstrap(rows, measure),
        defined: values.len(),
        mean_with_diagonal: distance
            .then(|| rows.iter().map(filled).sum::<f64>() / rows.len() as f64),
    })
}

/// Percentile interval, 2.5 to 97.5 %: skulls are drawn with all their rows. One skull says nothing of others.
fn bootstrap(rows: &[&Row], measure: Measure) -> Option<[f64; 2]> {
    let mut by_skull: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
    for row in rows {
        if let Some(value) = measure(&row.scores) {
            let entry = by_skull.entry(&row.skull).or_default();
            *entry = (entry.0 + value, entry.1 + 1);
        }
    }
    let skulls: Vec<(f64, usize)> = by_skull.into_values().collect();
    if skulls.len() < 2 {
        return None;
    }
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(SEED);
    let mut means: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let (mut sum, mut n) = (0.0, 0);
            for _ in 0..skulls.len() {
                let (s, c) = skulls[random.random_range(0..skulls.len())];
                sum += s;
                n += c;
            }
            sum / n as f64
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    Some([percentile(&means, 0.025), percentile(&means, 0.975)])
}

/// All rows as CSV, undefined measures as empty cells.
pub fn csv(rows: &[Row]) -> String {
    let mut out = String::from(
        "case,skull,grid,method,outcome,dsc,bdsc,hd95_mm,hd_mm,assd_mm,asd_prediction_to_truth_mm,\
         asd_truth_to_prediction_mm,sdh_mm,ver_percent,fpr,fnr,centroid_mm,truth_ml,prediction_ml,\
         prediction_in_skull_voxels\n",
    );
    for row in rows {
        let s = &row.scores;
        let mut cells = vec![
            text(&row.case),
            text(&row.skull),
            word(&row.grid),
            word(&row.method),
            word(&s.outcome),
        ];
        let numbers = [
            Some(s.dsc),
            Some(s.bdsc),
            s.hd95,
            s.hd,
            s.assd,
            s.asd_prediction_to_truth,
            s.asd_truth_to_prediction,
            s.sdh,
            s.ver_percent,
            s.fpr,
            s.fnr,
            s.centroid_mm,
            Some(s.truth_ml),
            Some(s.prediction_ml),
        ];
        cells.extend(numbers.map(|n| n.map_or(String::new(), |n| n.to_string())));
        cells.push(s.prediction_in_skull.to_string());
        out += &cells.join(",");
        out.push('\n');
    }
    out
}

/// The name that JSON has for a value of a plain enum.
fn word(value: &impl Serialize) -> String {
    let json = serde_json::to_value(value).unwrap_or_default();
    json.as_str().unwrap_or_default().to_owned()
}

/// A cell of CSV that a spreadsheet takes as text.
fn text(cell: &str) -> String {
    if cell.contains([',', '"', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(case: &str, skull: &str, dsc: f64, hd95: Option<f64>, outcome: Outcome) -> Row {
        Row {
            case: case.into(),
            skull: skull.into(),
            grid: Grid::Native,
            method: Method::Prediction,
            scores: Scores {
                outcome,
                truth_ml: 10.0,
                prediction_ml: 9.0,
                prediction_in_skull: 0,
                centroid_mm: hd95,
                dsc,
                bdsc: dsc,
                hd: hd95,
                hd95,
                asd_prediction_to_truth: hd95,
                asd_truth_to_prediction: hd95,
                assd: hd95,
                sdh: hd95,
                ver_percent: None,
                fpr: None,
                fnr: None,
                diagonal_mm: 100.0,
            },
        }
    }

    fn rows() -> Vec<Row> {
        vec![
            row("a", "a", 0.9, Some(1.0), Outcome::Scored),
            row("b-ftp", "b", 0.8, Some(2.0), Outcome::Scored),
            row("b-vertex", "b", 0.0, None, Outcome::Miss),
            row("c", "c", 1.0, Some(0.0), Outcome::NoDefect),
            row("d", "d", 0.0, None, Outcome::FalseAlarm),
            row("e", "e", 0.05, Some(30.0), Outcome::Misplaced),
        ]
    }

    #[test]
    fn nothing_is_dropped_and_intact_heads_stand_apart() {
        let all = summarise(&rows());
        assert_eq!(all.len(), 2);
        assert_eq!((all[1].cases, all[1].not_scored), (0, 6));
        let s = &all[0];
        assert_eq!((s.cases, s.skulls, s.misses, s.misplaced), (4, 3, 1, 1));
        assert_eq!((s.intact, s.intact_no_defect, s.false_alarms), (2, 1, 1));
        let dsc = s.metrics["dsc"];
        assert!((dsc.mean - 1.75 / 4.0).abs() < 1e-12 && dsc.defined == 4);
        let sd = [0.9, 0.8, 0.0, 0.05f64].map(|v| (v - 0.4375).powi(2));
        assert!((dsc.sd.unwrap() - (sd.iter().sum::<f64>() / 3.0).sqrt()).abs() < 1e-12);
        let hd95 = s.metrics["hd95"];
        assert!((hd95.mean - 11.0).abs() < 1e-12 && hd95.defined == 3);
        assert!((hd95.mean_with_diagonal.unwrap() - 133.0 / 4.0).abs() < 1e-12);
        assert!(!s.metrics.contains_key("fpr"));
        assert_eq!(s.worst[0], ("b-vertex".into(), 0.0));
    }

    #[test]
    fn the_interval_is_over_skulls() {
        // One skull with nine rows and one with one row: rows of a skull stay together.
        let mut rows: Vec<Row> = (0..9)
            .map(|n| row(&format!("a-{n}"), "a", 1.0, Some(1.0), Outcome::Scored))
            .collect();
        rows.push(row("b", "b", 0.0, Some(1.0), Outcome::Scored));
        let dsc = summarise(&rows)[0].metrics["dsc"];
        assert_eq!(dsc.interval, Some([0.0, 1.0]));
        // Over ten rows the lower end would be far from 0. One skull has no interval.
        rows.pop();
        assert_eq!(summarise(&rows)[0].metrics["dsc"].interval, None);
        rows.push(row("b", "b", 0.0, Some(1.0), Outcome::Scored));
        assert_eq!(summarise(&rows)[0].metrics["dsc"], dsc);
    }

    #[test]
    fn the_share_of_intact_heads_has_an_interval() {
        assert_eq!(wilson(0, 0), None);
        // Known values: 200 of 200, and 8 of 10.
        let [low, high] = wilson(200, 200).unwrap();
        assert!(
            (low - 0.98115).abs() < 1e-4 && (high - 1.0).abs() < 1e-9,
            "{low} {high}"
        );
        let [low, high] = wilson(8, 10).unwrap();
        assert!((low - 0.49016).abs() < 1e-4 && (high - 0.94332).abs() < 1e-4);
    }

    #[test]
    fn a_case_that_does_not_fit_the_second_grid_is_counted() {
        let mut all = rows();
        let at_1_mm = Row {
            grid: Grid::Millimetre,
            ..all[0].clone()
        };
        all.push(at_1_mm);
        let summaries = summarise(&all);
        assert_eq!(summaries.len(), 2);
        assert_eq!((summaries[0].not_scored, summaries[1].not_scored), (0, 5));
        assert_eq!(summaries[0].missed_cases, ["b-vertex"]);
        assert_eq!(summaries[0].misplaced_cases, ["e"]);
        assert_eq!(summaries[0].false_alarm_cases, ["d"]);
    }

    #[test]
    fn undefined_measures_are_empty_cells() {
        let table = csv(&rows());
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 7);
        let width = lines[0].split(',').count();
        assert!(lines.iter().all(|l| l.split(',').count() == width));
        assert!(lines[3].starts_with("b-vertex,b,native,prediction,miss,0,0,,,"));
    }
}
