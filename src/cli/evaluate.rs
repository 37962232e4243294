//! `calvaria evaluate`: measures of a case or a folder, the mirror beside every prediction.

use super::{Failure, Outcome};
use crate::evaluate::{self, Row, Summary};
use crate::intake::Orientation;
use std::io::Write as _;
use std::path::{Path, PathBuf};

mod case;
mod folder;
mod table;

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
    /// Where the axes of masks grow to that do not say it: LPS, RAS, ...
    #[arg(long, value_name = "CODE")]
    orientation: Option<Orientation>,
    /// Write scores.csv, regions.csv (means by region and side) and scores.json here.
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
        let (new, spent) = case::rows(case, args.orientation)?;
        tracing::info!(
            "case {} ({} of {}): DSC {:.3}, mirror {:.3}; {:.1} s: reading {:.1}, native {:.1}, mirror {:.1}, 1 mm {:.1}",
            case.key,
            n + 1,
            cases.len(),
            new[0].scores.dsc,
            new[1].scores.dsc,
            spent.all().as_secs_f64(),
            spent.read.as_secs_f64(),
            spent.native.as_secs_f64(),
            spent.mirror.as_secs_f64(),
            spent.millimetre.as_secs_f64(),
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
        save(
            out,
            "regions.csv",
            &evaluate::regions_csv(&report.summaries),
        )?;
        save(out, "scores.json", &(json.clone() + "\n"))?;
    }
    let text = if args.json {
        json
    } else {
        table::text(&report.summaries)
    };
    writeln!(std::io::stdout().lock(), "{text}").map_err(Failure::failed)
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
