//! `calvaria evaluate`: measures of a case or a folder, the mirror beside every prediction.

use super::{Failure, Outcome};
use crate::evaluate::{self, Method, Row, Scores, Summary, mirror};
use crate::intake::{self, Limits};
use crate::skull::{Frame, FrameSpec};
use crate::volume::Volume;
use crate::volume::axes::Canonical;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

mod folder;

/// How good predictions are: DSC, border DSC, HD95, Hausdorff, surface distances, error rates.
///
/// Masks are NIfTI or NRRD. Folders pair by the text before the first `_` or `.`: `*_implant.*` is truth,
/// `*_defective.*` the skull. Scored on the native grid and on a 1 mm grid; beside each prediction stands the
/// mirror: the skull reflected onto itself, which needs no network.
///
/// Example: calvaria evaluate --truth test/ --defective test/ --prediction answers/ --out scores/
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The bone that is missing: a mask, or a folder of them.
    #[arg(long, value_name = "PATH")]
    truth: PathBuf,
    /// What was answered: a mask, or a folder of them.
    #[arg(long, value_name = "PATH")]
    prediction: PathBuf,
    /// The defective skull: a mask, or a folder of them.
    #[arg(long, value_name = "PATH")]
    defective: PathBuf,
    /// Write scores.csv and scores.json here.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the whole report as JSON on stdout.
    #[arg(long)]
    json: bool,
}

/// What `scores.json` holds.
#[derive(serde::Serialize)]
struct Report {
    version: &'static str,
    summaries: Vec<Summary>,
    rows: Vec<Row>,
}

pub(super) fn run(args: Args) -> Outcome {
    let cases =
        folder::cases(&args.truth, &args.prediction, &args.defective).map_err(Failure::usage)?;
    let mut rows = Vec::new();
    for (n, case) in cases.iter().enumerate() {
        let new = case_rows(case)?;
        tracing::info!(
            "case {} ({} of {}): DSC {:.3}",
            case.key,
            n + 1,
            cases.len(),
            new[0].scores.dsc
        );
        rows.extend(new);
    }
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        summaries: evaluate::summarise(&rows),
        rows,
    };
    let json = serde_json::to_string_pretty(&report).map_err(Failure::failed)?;
    if let Some(out) = &args.out {
        std::fs::create_dir_all(out)
            .map_err(|e| Failure::failed(format!("{} can not be made: {e}", out.display())))?;
        save(out, "scores.csv", &evaluate::csv(&report.rows))?;
        save(out, "scores.json", &(json.clone() + "\n"))?;
    }
    let text = if args.json { json } else { table(&report) };
    writeln!(std::io::stdout().lock(), "{text}").map_err(Failure::failed)
}

/// Prediction and mirror, natively and at 1 mm; the prediction's native row is the first.
fn case_rows(case: &folder::Case) -> Result<Vec<Row>, Failure> {
    let truth = mask(&case.truth)?;
    let prediction = in_order_of(&truth, mask(&case.prediction)?);
    let skull = in_order_of(&truth, mask(&case.defective)?);
    let mut answers = vec![(Method::Prediction, prediction)];
    // Without a defect there is no "nearest": intact heads have no mirror.
    if let (Some(near), Some(plane)) = (truth.centroid(), mirror::plane(&skull)) {
        // The grids have to agree before the mirror is worth its time.
        score(case, &truth, &answers[0].1, &skull)?;
        answers.push((Method::Mirror, mirror::baseline(&skull, &plane, near)));
    }
    let row = |grid, method, scores| Row {
        case: case.key.clone(),
        skull: case.skull().to_owned(),
        grid,
        method,
        scores,
    };
    let mut rows = Vec::new();
    for (method, answer) in &answers {
        rows.push(row("native", *method, score(case, &truth, answer, &skull)?));
    }
    let spec = FrameSpec {
        voxel_mm: 1.0,
        ..FrameSpec::default()
    };
    let frame = match Frame::fit(&skull, &spec) {
        Ok(frame) => frame,
        Err(why) => {
            tracing::warn!("case {}: no scores at 1 mm: {why}", case.key);
            return Ok(rows);
        }
    };
    let forward = |mask: &Volume<bool>| {
        let cells = frame.forward(mask).map_err(Failure::failed)?;
        Ok::<_, Failure>(cells.map(|&f| f >= 0.5))
    };
    let (truth, skull) = (forward(&truth)?, forward(&skull)?);
    for (method, answer) in &answers {
        let scores = score(case, &truth, &forward(answer)?, &skull)?;
        rows.push(row("1 mm", *method, scores));
    }
    Ok(rows)
}

fn score(
    case: &folder::Case,
    truth: &Volume<bool>,
    answer: &Volume<bool>,
    skull: &Volume<bool>,
) -> Result<Scores, Failure> {
    evaluate::score(truth, answer, skull)
        .map_err(|e| Failure::usage(format!("case {}: {e}", case.key)))
}

fn mask(path: &Path) -> Result<Volume<bool>, Failure> {
    intake::read_mask(path, &Limits::default())
        .map_err(|e| Failure::refused(format!("{}: {e}", path.display())))
}

/// The mask with its axes permuted and flipped to the order of `like`: NRRD and NIfTI of one scan often differ.
fn in_order_of(like: &Volume<bool>, mask: Volume<bool>) -> Volume<bool> {
    let wanted = [0, 1, 2].map(|axis| {
        let column = like.to_lps().column(axis);
        column.times(1.0 / column.length())
    });
    let order = Canonical::closest(&mask, wanted);
    if order.source == [0, 1, 2] && order.flipped == [false; 3] {
        mask
    } else {
        order.apply(&mask)
    }
}

/// Written beside, synced, renamed: a cut never leaves half a table.
fn save(folder: &Path, name: &str, text: &str) -> Outcome {
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(folder.join(name))?;
        Ok(())
    };
    write().map_err(|e| Failure::failed(format!("{name} can not be written: {e}")))
}

/// The summaries for people.
fn table(report: &Report) -> String {
    let mut out = String::new();
    // Writing into a string does not fail.
    for s in &report.summaries {
        let who = match s.method {
            Method::Prediction => "prediction",
            Method::Mirror => "mirror",
        };
        let _ = writeln!(
            out,
            "{who}, {} grid: {} cases of {} skulls; {} missed, {} misplaced",
            s.grid, s.cases, s.skulls, s.misses, s.misplaced
        );
        if s.intact > 0 {
            let _ = writeln!(
                out,
                "  intact heads answered \"no defect\": {} of {}",
                s.intact_no_defect, s.intact
            );
        }
        for (name, unit) in [
            ("dsc", ""),
            ("bdsc", ""),
            ("hd95", "mm"),
            ("hd", "mm"),
            ("assd", "mm"),
            ("sdh", "mm"),
            ("ver_percent", "%"),
        ] {
            let Some(m) = s.metrics.get(name) else {
                continue;
            };
            let sd = m.sd.map_or("-".to_owned(), |sd| format!("{sd:.3}"));
            let _ = write!(
                out,
                "  {name:12} {:8.3} +- {sd:6} {unit:2} [{:.3}, {:.3}] n {} of {}",
                m.mean, m.interval[0], m.interval[1], m.defined, s.cases
            );
            let filled = m.mean_with_diagonal.filter(|_| m.defined < s.cases);
            if let Some(mean) = filled {
                let _ = write!(out, "; {mean:.3} with the grid's diagonal for undefined");
            }
            out.push('\n');
        }
        let worst: Vec<String> = (s.worst.iter())
            .map(|(case, dsc)| format!("{case} {dsc:.3}"))
            .collect();
        if !worst.is_empty() {
            let _ = writeln!(out, "  worst by DSC: {}", worst.join(", "));
        }
    }
    out.trim_end().to_owned()
}
