//! Table: the summaries for people, prediction and mirror side by side, one table a grid.

use crate::evaluate::{Grid, Method, Metric, Part, Summary};
use crate::status::Side;
use std::fmt::Write as _;

/// Names and units of what is shown, by the key of [`Summary::metrics`].
const LINES: [(&str, &str, usize); 9] = [
    ("dsc", "DSC", 3),
    ("bdsc", "border DSC (10 mm)", 3),
    ("hd95", "HD95, mm", 2),
    ("hd", "Hausdorff, mm", 2),
    ("assd", "ASSD, mm", 2),
    ("sdh", "SdH, mm", 2),
    ("ver_percent", "VER, %", 1),
    ("fpr", "FPR, 1e-6", 1),
    ("fnr", "FNR", 3),
];
const LABEL: usize = 22;
const COLUMN: usize = 42;

/// Both tables.
pub(super) fn text(summaries: &[Summary]) -> String {
    let mut out = String::new();
    for grid in [Grid::Native, Grid::Millimetre] {
        let of = |method| (summaries.iter()).find(|s| s.grid == grid && s.method == method);
        if let (Some(prediction), Some(mirror)) = (of(Method::Prediction), of(Method::Mirror)) {
            one(&mut out, prediction, mirror);
            regions(&mut out, prediction, mirror);
            out.push('\n');
        }
    }
    out += "mean ± sd [95 % interval, bootstrap over skulls] cases in which it is defined; ~: an undefined distance\n\
            counts as the grid's diagonal. Misplaced: DSC < 0.1 or centroid off by more than 20 mm. Mirror: the skull's\n\
            reflection minus the skull, told where the defect is; a hole on the midline has no other side.";
    out
}

/// One grid. Writing into a string does not fail.
fn one(out: &mut String, prediction: &Summary, mirror: &Summary) {
    let p = prediction;
    let grid = match p.grid {
        Grid::Native => "native grid",
        Grid::Millimetre => "1 mm grid",
    };
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    let _ = write!(
        out,
        "{grid}: n = {} case{} with a defect, of {} skull{}",
        p.cases,
        plural(p.cases),
        p.skulls,
        plural(p.skulls)
    );
    if p.intact > 0 {
        let _ = write!(out, "; {} intact head{}", p.intact, plural(p.intact));
    }
    if p.not_scored > 0 {
        let _ = write!(out, "; {} more did not fit this grid", p.not_scored);
    }
    let _ = writeln!(out, "\n{:LABEL$}{:COLUMN$}mirror", "", "prediction");
    if p.cases > 0 {
        for (key, label, digits) in LINES {
            let cells = [p, mirror].map(|s| (s.metrics.get(key), s.cases));
            if cells.iter().all(|(m, _)| m.is_none()) {
                continue;
            }
            let scale = if key == "fpr" { 1e6 } else { 1.0 };
            let [left, right] = cells.map(|(m, n)| metric(m, n, digits, scale));
            line(out, label, &left, &right);
            let filled = cells.map(|(m, n)| {
                let m = m.filter(|m| m.defined < n)?;
                Some(format!("~{:.digits$}", m.mean_with_diagonal?))
            });
            if filled.iter().any(Option::is_some) {
                let [left, right] = filled.map(Option::unwrap_or_default);
                line(out, "", &left, &right);
            }
        }
        let [left, right] = [p, mirror].map(|s| count(s.misses, s.cases, &s.missed_cases));
        line(out, "empty answers", &left, &right);
        let [left, right] = [p, mirror].map(|s| count(s.misplaced, s.cases, &s.misplaced_cases));
        line(out, "misplaced answers", &left, &right);
    }
    if p.intact > 0 {
        let [left, right] = [p, mirror].map(|s| {
            let [low, high] = s.intact_interval.unwrap_or([0.0, 1.0]).map(|x| 100.0 * x);
            format!(
                "{} of {} [{low:.1} %, {high:.1} %]",
                s.intact_no_defect, s.intact
            )
        });
        line(out, "intact: \"no defect\"", &left, &right);
        let [left, right] =
            [p, mirror].map(|s| count(s.false_alarms, s.intact, &s.false_alarm_cases));
        line(out, "intact: false alarms", &left, &right);
    }
    for n in 0..p.worst.len().max(mirror.worst.len()) {
        let cell = |s: &Summary| {
            (s.worst.get(n)).map_or(String::new(), |(case, dsc)| format!("{case} {dsc:.3}"))
        };
        let label = if n == 0 { "worst by DSC" } else { "" };
        line(out, label, &cell(p), &cell(mirror));
    }
}

/// DSC, border DSC and HD95 by region and by side of the truth, mean ± sd.
fn regions(out: &mut String, prediction: &Summary, mirror: &Summary) {
    const SHOWN: [(&str, usize); 3] = [("dsc", 3), ("bdsc", 3), ("hd95", 2)];
    let parts = (prediction.by_region.iter()).filter(|p| p.region.is_none() || p.side.is_none());
    let mut first = true;
    for part in parts {
        if std::mem::take(&mut first) {
            line(out, "by region and side", "DSC, border DSC, HD95 mm", "");
        }
        let name = match (part.region, part.side) {
            (Some(region), _) => region.word(),
            (None, Some(Side::Left)) => "left",
            (None, Some(Side::Right)) => "right",
            (None, Some(Side::Both) | None) => "across midline",
        };
        let cells = |part: &Part| {
            let cell = |&(key, digits): &(&str, usize)| {
                let Some(m) = part.metrics.get(key) else {
                    return "-".to_owned();
                };
                let sd = m.sd.map_or(String::new(), |sd| format!(" ± {sd:.digits$}"));
                format!("{:.digits$}{sd}", m.mean)
            };
            SHOWN.iter().map(cell).collect::<Vec<_>>().join(", ")
        };
        let same = |p: &&Part| (p.region, p.side) == (part.region, part.side);
        let other = mirror.by_region.iter().find(same);
        let label = format!("{name}, n {}", part.cases);
        line(
            out,
            &label,
            &cells(part),
            &other.map_or_else(String::new, cells),
        );
    }
}

fn line(out: &mut String, label: &str, left: &str, right: &str) {
    let text = format!("{label:LABEL$}{left:COLUMN$}{right}");
    out.push_str(text.trim_end());
    out.push('\n');
}

fn metric(metric: Option<&Metric>, cases: usize, digits: usize, scale: f64) -> String {
    let Some(m) = metric else {
        return format!("-   0/{cases}");
    };
    let number = |x: f64| format!("{:.digits$}", scale * x);
    let sd = m.sd.map_or("-".to_owned(), number);
    let interval = m.interval.map_or("[-]".to_owned(), |[low, high]| {
        format!("[{}, {}]", number(low), number(high))
    });
    format!("{} ± {sd} {interval} {}/{cases}", number(m.mean), m.defined)
}

/// A number of cases and the first of their names.
fn count(n: usize, of: usize, cases: &[String]) -> String {
    const NAMED: usize = 3;
    let names = cases.iter().take(NAMED).cloned().collect::<Vec<_>>();
    let more = if cases.len() > NAMED { ", …" } else { "" };
    if names.is_empty() {
        format!("{n} of {of}")
    } else {
        format!("{n} of {of}: {}{more}", names.join(", "))
    }
}
