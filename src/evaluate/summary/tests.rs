//! Six rows of every outcome, and what a table says of them.

use super::super::Scores;
use super::super::csv::{csv, regions_csv};
use super::*;
use crate::head::Region;
use crate::status::Side;

/// One native row of a prediction.
fn row(case: &str, skull: &str, dsc: f64, hd95: Option<f64>, outcome: Outcome) -> Row {
    Row {
        case: case.into(),
        skull: skull.into(),
        grid: Grid::Native,
        method: Method::Prediction,
        region: None,
        side: None,
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
    assert!(lines[3].starts_with("b-vertex,b,native,prediction,,,miss,0,0,,,"));
}

fn at(case: &str, dsc: f64, region: Region, side: Side) -> Row {
    Row {
        region: Some(region),
        side: Some(side),
        ..row(case, case, dsc, Some(1.0), Outcome::Scored)
    }
}

#[test]
fn each_case_counts_once_for_its_region_and_once_for_its_side() {
    let rows = [
        at("a", 0.9, Region::Frontal, Side::Left),
        at("b", 0.7, Region::Frontal, Side::Both),
        at("c", 0.6, Region::Occipital, Side::Left),
        // No vault was seen: it is in no part, but in the summary.
        row("d", "d", 0.1, Some(1.0), Outcome::Scored),
        row("e", "e", 1.0, Some(0.0), Outcome::NoDefect),
    ];
    let all = summarise(&rows);
    assert_eq!(all[0].cases, 4);
    let parts = &all[0].by_region;
    let find = |region, side| parts.iter().find(|p| p.region == region && p.side == side);
    let frontal = find(Some(Region::Frontal), None).unwrap();
    let dsc = frontal.metrics["dsc"];
    assert_eq!((frontal.cases, dsc.defined), (2, 2));
    assert!((dsc.mean - 0.8).abs() < 1e-12);
    assert!((dsc.sd.unwrap() - 0.02f64.sqrt()).abs() < 1e-12);
    assert_eq!(find(None, Some(Side::Left)).unwrap().cases, 2);
    assert!(find(Some(Region::Parietal), None).is_none());
    assert!(find(Some(Region::Occipital), Some(Side::Both)).is_none());
    let of = |marginal: fn(&Part) -> bool| -> usize {
        parts.iter().filter(|p| marginal(p)).map(|p| p.cases).sum()
    };
    assert_eq!(of(|p| p.side.is_none()), 3);
    assert_eq!(of(|p| p.region.is_none()), 3);
    assert_eq!(of(|p| p.region.is_some() && p.side.is_some()), 3);
}

#[test]
fn a_part_of_one_case_has_no_spread_in_the_table() {
    let rows = [at("a", 0.5, Region::Temporal, Side::Right)];
    let table = regions_csv(&summarise(&rows));
    let line = (table.lines())
        .find(|l| l.starts_with("native,prediction,temporal,,1,dsc,"))
        .unwrap();
    assert_eq!(line, "native,prediction,temporal,,1,dsc,1,0.5,");
}
