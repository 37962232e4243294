//! `calvaria predict`: preprocessing, network and inverse alone.

use super::line::{Line, device};
use super::{Failure, Outcome};
use crate::design::{self, Options};
use crate::intake::Orientation;
use std::path::PathBuf;

/// The missing bone alone: preprocessing, network, inverse, minus the skull.
///
/// Writes FILE (NIfTI, 0/1, the input's grid) also when no bone is missing; then it is empty and the exit code is 3.
///
/// Example: calvaria predict scans/K7 --out missing.nii.gz
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// DICOM folder, zip, NIfTI or NRRD.
    input: PathBuf,
    /// Where to write the mask (.nii.gz).
    #[arg(long)]
    out: PathBuf,
    /// INPUT is a skull mask (voxels above 0 are bone), not a CT.
    #[arg(long)]
    mask: bool,
    /// Where the file's axes grow to, for a NIfTI or NRRD that does not say it: LPS, RAS, ...
    #[arg(long, value_name = "CODE")]
    orientation: Option<Orientation>,
    /// Also write the probability beside it, as NAME.probability.nii.gz.
    #[arg(long)]
    probability: bool,
    /// Folder with the model card and weights.
    #[arg(long)]
    model: Option<PathBuf>,
    /// auto, cpu or cuda:N.
    #[arg(long, default_value = "auto")]
    device: String,
}

pub(super) fn run(args: Args) -> Outcome {
    let options = Options {
        mask: args.mask,
        orientation: args.orientation,
        probability: args.probability,
        model: args.model,
        device: device(&args.device)?,
        ..Options::default()
    };
    let mut line = Line::new();
    let outcome = design::predict(&args.input, &args.out, &options, &mut line);
    line.finish();
    match outcome {
        Ok(text) => super::print(&text),
        Err(ended) => {
            Failure::unless_designed(ended)?;
        }
    }
    Ok(())
}
