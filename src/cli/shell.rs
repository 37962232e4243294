//! `calvaria shell`: one skull's vault as walls by direction, for `models/vault/make.py`.

use super::{Failure, Outcome};
use crate::head::{self, Shell};
use crate::intake::{self, Limits};
use serde_json::json;
use std::path::PathBuf;

/// The vault of a skull mask as walls by direction in the skull's own axes, as JSON: what `models/vault/make.py`
/// makes the prior of.
///
/// Example: calvaria shell 000_complete.nii.gz --out shells/000.json
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Skull mask (NIfTI, NRRD).
    input: PathBuf,
    /// Where to write the JSON.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(args: Args) -> Outcome {
    let skull = intake::read_mask(&args.input, &Limits::default()).map_err(Failure::refused)?;
    let look = head::look(&skull)
        .ok_or_else(|| Failure::refused("no vault is seen in this mask. Give a whole skull."))?;
    let shell = Shell::cast(&skull, &look.axes)
        .ok_or_else(|| Failure::refused("there is no bone in this mask."))?;
    let text = json!({
        "directions": Shell::directions(),
        "walls": shell.walls,
        "doubt_deg": look.doubt.sd_deg,
        "doubt_mm": look.doubt.sd_mm,
    });
    std::fs::write(&args.out, text.to_string()).map_err(Failure::failed)?;
    super::print(&format!(
        "{}: {} nodes, plane to {:.1} degrees and {:.1} mm",
        args.out.display(),
        shell.walls.len(),
        look.doubt.sd_deg,
        look.doubt.sd_mm
    ));
    Ok(())
}
