//! `calvaria demo`: a temporary station, a phantom head, a virtual printer; the whole line in front of you.

use super::{Failure, Outcome};
use crate::phantom::Defect;
use crate::station::config::home;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

mod interrupt;
mod proof;
mod station;
mod summary;

use station::Station;

/// A temporary station, a phantom head, a virtual printer: the whole line in front of you.
///
/// Prints the page's address, drops the series, shows each stage, releases as operator "demo" and ends with a
/// summary. Everything lies in a temporary folder that is removed at the end, unless --keep names one.
///
/// Example: calvaria demo --wait --seed 7
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Release by itself, and exit 0 only if the part was printed and the executed moves equal the plan's.
    #[arg(long, conflicts_with = "wait")]
    once: bool,
    /// Wait for the release on the page; the operator and PIN are printed.
    #[arg(long)]
    wait: bool,
    /// A CT of your own instead of the phantom: DICOM folder, zip, NIfTI or NRRD.
    #[arg(long, value_name = "PATH")]
    scan: Option<PathBuf>,
    /// Seed of the phantom's head and hole.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Kind of hole: ftp, bifrontal, occipital, vertex, bilateral, random or none.
    #[arg(long, default_value = "random")]
    defect: Defect,
    /// Port of the page; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Keep everything in DIR (the station's data, the phantom, logs).
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Longest time from drop to "awaiting release", and from release to the end of the print.
const DESIGN_MAX: Duration = Duration::from_secs(600);
const PRINT_MAX: Duration = Duration::from_secs(600);

pub(super) fn run(mut args: Args) -> Outcome {
    for path in [&mut args.scan, &mut args.keep].into_iter().flatten() {
        *path = home(path).map_err(Failure::usage)?;
    }
    interrupt::watch()?;
    let temporary = match &args.keep {
        Some(dir) => {
            std::fs::create_dir_all(dir).map_err(|e| Failure::failed(format!("--keep: {e}")))?;
            None
        }
        None => Some(
            tempfile::Builder::new()
                .prefix("calvaria-demo-")
                .tempdir()
                .map_err(Failure::failed)?,
        ),
    };
    let folder = temporary.as_ref().map(|t| t.path().to_owned());
    let folder = folder.or_else(|| args.keep.clone()).unwrap_or_default();
    let outcome = line(&args, &folder);
    // By now every process has ended, however the line went.
    if let Some(temporary) = temporary {
        remove(temporary)?;
    }
    outcome
}

/// Removes the folder; what a process wrote at its last moment is removed at the second try.
fn remove(folder: tempfile::TempDir) -> Outcome {
    let path = folder.keep();
    let mut last = Ok(());
    for _ in 0..20 {
        last = std::fs::remove_dir_all(&path);
        if !path.exists() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let why = last.map_or_else(|e| e.to_string(), |()| "it fills again".into());
    Err(Failure::failed(format!(
        "{} could not be removed ({why}). Remove it by hand: it holds the demo's scan.",
        path.display()
    )))
}

fn line(args: &Args, folder: &Path) -> Outcome {
    let started = Instant::now();
    let input = match &args.scan {
        Some(path) => path.clone(),
        None => station::phantom(folder, args.seed, args.defect)?,
    };
    let mut station = Station::start(folder, args.port)?;
    super::print(&format!(
        "page: {}   (virtual printer: no metal moves)",
        station.address()
    ));
    station.add_operator("demo")?;
    if args.wait {
        super::print(&format!(
            "release it there as operator \"demo\", PIN {}",
            station.pin()
        ));
    }

    let code = station.drop_scan(&input)?;
    let designed = station.follow(&code, DESIGN_MAX, |job| job.is_decided())?;
    if designed.state == "awaiting_release" {
        if !args.wait {
            station.release(&designed)?;
        }
        let limit = if args.wait { Duration::MAX } else { PRINT_MAX };
        station.follow(&code, limit, |job| job.is_over())?;
    }
    let job = station.job(&code)?;
    let proof = (job.state == "printed")
        .then(|| proof::executed_equals_planned(&station, &code))
        .transpose();
    station.stop();

    let truth = args
        .scan
        .is_none()
        .then(|| folder.join("phantom/removed_bone.nii.gz"));
    super::print(&summary::text(
        &station,
        &job,
        truth.as_deref(),
        &proof,
        started.elapsed(),
    ));
    if let Some(dir) = &args.keep {
        super::print(&format!("kept in {}", dir.display()));
    }
    match (job.state.as_str(), proof) {
        ("printed", Ok(_)) => Ok(()),
        ("printed", Err(text)) => Err(Failure::failed(text)),
        ("refused", _) => Err(Failure::refused(format!(
            "the case was refused: {}",
            job.reason
        ))),
        (state, _) => Err(Failure::failed(format!(
            "the case ended as {state}: {}",
            job.reason
        ))),
    }
}
