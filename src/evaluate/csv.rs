//! Csv: rows, and the means by region, as tables for a spreadsheet.

use super::row::Row;
use super::summary::Summary;
use serde::Serialize;

/// All rows as CSV, undefined measures as empty cells.
pub fn csv(rows: &[Row]) -> String {
    let mut out = String::from(
        "case,skull,grid,method,region,side,outcome,dsc,bdsc,hd95_mm,hd_mm,assd_mm,asd_prediction_to_truth_mm,\
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
            word(&row.region),
            word(&row.side),
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

/// The name that JSON has for a value of a plain enum; nothing for `None`.
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

/// All parts of all summaries as CSV, one line a measure; an empty region or side stands for all.
pub fn regions_csv(summaries: &[Summary]) -> String {
    let mut out = String::from("grid,method,region,side,cases,measure,defined,mean,sd\n");
    for summary in summaries {
        for part in &summary.by_region {
            for (name, metric) in &part.metrics {
                let cells = [
                    word(&summary.grid),
                    word(&summary.method),
                    word(&part.region),
                    word(&part.side),
                    part.cases.to_string(),
                    (*name).to_owned(),
                    metric.defined.to_string(),
                    metric.mean.to_string(),
                    metric.sd.map_or(String::new(), |sd| sd.to_string()),
                ];
                out += &cells.join(",");
                out.push('\n');
            }
        }
    }
    out
}
