//! `calvaria design`: one case without a station.

use super::line::{Line, device};
use super::{Failure, Outcome};
use crate::design::{self, Asked, Options, Order};
use crate::implant::Lighten;
use crate::intake::Orientation;
use crate::status::{DesignOutcome, DesignSummary, Side};
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
    /// What was ordered (order.toml); goes before one that lies beside the scan.
    #[arg(long, value_name = "FILE")]
    order: Option<PathBuf>,
    /// Ordered side: left, right or both. Another one in the scan is refused.
    #[arg(long, value_name = "SIDE")]
    side: Option<String>,
    /// Ordered thickness: skull, mm, or a share of the bone as 80%.
    #[arg(long, value_name = "T")]
    thickness: Option<String>,
    /// Ordered gap between part and bone, mm.
    #[arg(long, value_name = "MM")]
    clearance: Option<f64>,
    /// How the part is made lighter: none, infill or perforate.
    #[arg(long, value_name = "HOW")]
    lighten: Option<Lighten>,
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
        order: ordered(&args)?,
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

/// The order by flags and file; a flag goes before the file.
fn ordered(args: &Args) -> Result<Order, Failure> {
    let file = match &args.order {
        Some(path) => {
            Order::read(path).map_err(|e| Failure::usage(format!("{}: {e}", path.display())))?
        }
        None => Order::default(),
    };
    let side = match args.side.as_deref() {
        None => None,
        Some("left") => Some(Side::Left),
        Some("right") => Some(Side::Right),
        Some("both") => Some(Side::Both),
        Some(other) => {
            return Err(Failure::usage(format!(
                "--side {other}: left, right or both"
            )));
        }
    };
    let thickness = args.thickness.as_ref().map(|text| match text.parse() {
        Ok(mm) => Asked::Mm(mm),
        Err(_) => Asked::Text(text.clone()),
    });
    let flags = Order {
        side,
        thickness,
        clearance_mm: args.clearance,
        lighten: args.lighten,
        ..Order::default()
    };
    let order = flags.over(file);
    order.judge().map_err(Failure::usage)?;
    Ok(order)
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
