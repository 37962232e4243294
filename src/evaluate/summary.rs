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

/// One case on one grid.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The case's own key.
    pub case: String,
    /// The skull it was cut from; several cases may share one.
    pub skull: String,
    /// `native` or `1 mm`.
    pub grid: &'static str,
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
    /// 95 % bootstrap interval over skulls.
    pub interval: [f64; 2],
    /// Cases in which it is defined.
    pub defined: usize,
    /// Mean with the grid's diagonal for every undefined distance; `None` for measures that are no distance.
    pub mean_with_diagonal: Option<f64>,
}

/// All rows of one method on one grid.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// `native` or `1 mm`.
    pub grid: &'static str,
    /// Who answered.
    pub method: Method,
    /// Cases with something missing.
    pub cases: usize,
    /// Skulls they come from.
    pub skulls: usize,
    /// Measures by name, over those cases.
    pub metrics: BTreeMap<&'static str, Metric>,
    /// Cases with an empty answer.
    pub misses: usize,
    /// Cases whose answer lies elsewhere.
    pub misplaced: usize,
    /// Intact heads.
    pub intact: usize,
    /// Intact heads that were answered with nothing.
    pub intact_no_defect: usize,
    /// Intact heads with an answer.
    pub false_alarms: usize,
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

/// One summary for each grid and method that has rows, in the order of their first rows.
pub fn summarise(rows: &[Row]) -> Vec<Summary> {
    let mut keys: Vec<(&'static str, Method)> = Vec::new();
    for row in rows {
        if !keys.contains(&(row.grid, row.method)) {
            keys.push((row.grid, row.method));
        }
    }
    (keys.into_iter())
        .map(|(grid, method)| {
            let own = |row: &&Row| row.grid == grid && row.method == method;
            one(grid, method, &rows.iter().filter(own).collect::<Vec<_>>())
        })
        .collect()
}

fn one(grid: &'static str, method: Method, rows: &[&Row]) -> Summary {
    let count = |outcome| rows.iter().filter(|r| r.scores.outcome == outcome).count();
    let (no_defect, false_alarms) = (count(Outcome::NoDefect), count(Outcome::FalseAlarm));
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
        misses: count(Outcome::Miss),
        misplaced: count(Outcome::Misplaced),
        intact: no_defect + false_alarms,
        intact_no_defect: no_defect,
        false_alarms,
        worst,
    }
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

/// Percentile interval, 2.5 to 97.5 %: skulls are drawn with all their rows.
fn bootstrap(rows: &[&Row], measure: Measure) -> [f64; 2] {
    let mut by_skull: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
    for row in rows {
        if let Some(value) = measure(&row.scores) {
            let entry = by_skull.entry(&row.skull).or_default();
            *entry = (entry.0 + value, entry.1 + 1);
        }
    }
    let skulls: Vec<(f64, usize)> = by_skull.into_values().collect();
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
    [percentile(&means, 0.025), percentile(&means, 0.975)]
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
            row.grid.to_owned(),
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
            grid: "native",
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
        assert_eq!(all.len(), 1);
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
        assert_eq!(dsc.interval, [0.0, 1.0]);
        assert_eq!(summarise(&rows)[0].metrics["dsc"], dsc);
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
