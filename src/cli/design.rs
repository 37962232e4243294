//! `calvaria design`: one case without a station.

use super::line::{Line, device};
use super::{Failure, Outcome};
use crate::design::{self, Options};
use crate::intake::Orientation;
use crate::status::{DesignOutcome, DesignSummary};
use std::path::PathBuf;

/// One case, no station: from a head CT to checked G-code, in a folder of files.
///
/// INPUT is a DICOM folder, a zip, NIfTI or NRRD: a CT in HU, or with --mask a skull mask (NIfTI, NRRD).
///
/// Example: calvaria design scans/K7 --out out/K7 --printer prusa-mk3s
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// DICOM folder, zip, NIfTI or NRRD.
    input: PathBuf,
    /// Folder for the files of the case; made when missing.
    #[arg(long)]
    out: PathBuf,
    /// INPUT is a skull mask (voxels above 0 are bone), not a CT.
    #[arg(long)]
    mask: bool,
    /// Where the file's axes grow to, for a NIfTI or NRRD that does not say it: LPS, RAS, ...
    #[arg(long, value_name = "CODE")]
    orientation: Option<Orientation>,
    /// Also write probability.nii.gz.
    #[arg(long)]
    probability: bool,
    /// Folder with the model card and weights.
    #[arg(long)]
    model: Option<PathBuf>,
    /// auto, cpu or cuda:N.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Printer profile.
    #[arg(long, default_value = "virtual")]
    printer: String,
    /// Material profile.
    #[arg(long, default_value = "pla")]
    material: String,
    /// Print what case.json holds.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> Outcome {
    let options = Options {
        mask: args.mask,
        orientation: args.orientation,
        probability: args.probability,
        model: args.model,
        device: device(&args.device)?,
        printer: args.printer,
        material: args.material,
        ..Options::default()
    };
    let mut line = Line::new();
    let outcome = design::run(&args.input, &args.out, &options, &mut line);
    line.finish();
    if args.json {
        super::print(
            &std::fs::read_to_string(args.out.join("case.json")).map_err(Failure::failed)?,
        );
    }
    let summary = Failure::unless_designed(outcome)?;
    if !args.json {
        super::print(&format!(
            "{}: {} layers, {:.0} min, {:.1} g; files in {}",
            summary.place,
            summary.layers,
            summary.print_s / 60.0,
            summary.filament_g,
            args.out.display()
        ));
    }
    Ok(())
}

impl Failure {
    /// The summary of a designed case; refusals exit with 3, failures with 1.
    pub(super) fn unless_designed(outcome: DesignOutcome) -> Result<DesignSummary, Self> {
        match outcome {
            DesignOutcome::Designed(summary) => Ok(summary),
            DesignOutcome::Refused(reason) => {
                Err(Self::refused(format!("{} {}", reason.text, reason.next)))
            }
            DesignOutcome::Failed(reason) => {
                Err(Self::failed(format!("{} {}", reason.text, reason.next)))
            }
        }
    }
}
