//! Metric: mean, spread and interval of a measure over many rows. Intervals resample skulls, not rows.

use super::Scores;
use super::row::Row;
use super::surface::percentile;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use std::collections::BTreeMap;

/// Draws of the bootstrap.
const DRAWS: usize = 10_000;
/// Its seed: the same rows give the same interval, always.
const SEED: u64 = 20_260_101;

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

/// Every measure that some case defines.
pub(super) fn metrics(rows: &[&Row]) -> BTreeMap<&'static str, Metric> {
    let all = MEASURES
        .iter()
        .filter_map(|&(name, distance, measure)| Some((name, metric(rows, distance, measure)?)));
    all.collect()
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
