//! `calvaria phantom`: a head with a hole whose truth is known.

use super::{Failure, Outcome};
use crate::intake::{self, Limits, nifti};
use crate::network;
use crate::phantom::{self, ATLAS, Atlas, Cut, Defect, PhantomError, Recipe, dicom};
use crate::skull;
use crate::volume::{Hu, Volume};
use serde_json::json;
use std::path::{Path, PathBuf};

/// A head in HU with a hole whose truth is known, to try the line with.
///
/// DIR gets `dicom/` or `ct.nii.gz` (from a mask: `defective.nii.gz`), and `removed_bone.nii.gz`, the truth.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  calvaria phantom --out /tmp/head --seed 7 --defect ftp\n  calvaria design /tmp/head/dicom --out /tmp/design"
)]
pub(super) struct Args {
    /// Where the files go; made when it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Decides the head, the hole and the noise.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Where the hole is: ftp, bifrontal, occipital, vertex, bilateral, random or none.
    #[arg(long, value_name = "KIND", default_value = "random")]
    defect: Defect,
    /// Cut the hole into this scan (DICOM folder, zip, NIfTI in HU) or skull mask (NIfTI of 0 and 1) instead.
    #[arg(long, value_name = "SCAN")]
    from: Option<PathBuf>,
    /// How the CT is written.
    #[arg(long, value_enum, default_value_t = Format::Dicom)]
    format: Format,
    /// The model folder with the template heads.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Say what was made as one line of JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Dicom,
    Nifti,
}

pub(super) fn run(args: Args) -> Outcome {
    let (file, removed) = match &args.from {
        None => {
            let recipe = Recipe {
                seed: args.seed,
                defect: args.defect,
            };
            let head =
                phantom::head(&recipe, &atlas(args.model.as_deref())?).map_err(Failure::failed)?;
            (write_ct(&args, &head.ct)?, head.removed)
        }
        Some(scan) => from_scan(&args, scan)?,
    };
    let truth = args.out.join("removed_bone.nii.gz");
    nifti::write_mask(&truth, &removed).map_err(Failure::failed)?;
    report(&args, &file, &removed);
    Ok(())
}

/// The first model folder that holds template heads.
fn atlas(asked: Option<&Path>) -> Result<Atlas, Failure> {
    let places = network::places(asked);
    let found = places
        .iter()
        .find(|dir| dir.join(ATLAS).exists())
        .or(places.first());
    let found = found.map_or(Path::new("models"), PathBuf::as_path);
    Atlas::read(found).map_err(Failure::failed)
}

/// Cuts into a scan or a mask; what was written, and the truth.
fn from_scan(args: &Args, scan: &Path) -> Result<(PathBuf, Volume<bool>), Failure> {
    let limits = Limits::default();
    let cut = |e: PhantomError| Failure::refused(e);
    if scan.is_file()
        && let Some(mask) = mask(scan, &limits)
    {
        let Cut { changed, removed } =
            phantom::cut_mask(&mask, args.defect, args.seed).map_err(cut)?;
        let file = args.out.join("defective.nii.gz");
        std::fs::create_dir_all(&args.out).map_err(Failure::failed)?;
        nifti::write_mask(&file, &changed).map_err(Failure::failed)?;
        return Ok((file, removed));
    }
    let ct = intake::read(scan, &limits).map_err(Failure::refused)?.ct;
    let bone = skull::bone(&ct, Hu(150)).map_err(Failure::refused)?.mask;
    let Cut { changed, removed } = phantom::cut(&ct, &bone, args.defect, args.seed).map_err(cut)?;
    Ok((write_ct(args, &changed)?, removed))
}

/// A volume of nothing but 0 and 1 is a mask; everything else is a scan, or is refused as one.
fn mask(path: &Path, limits: &Limits) -> Option<Volume<bool>> {
    let values = nifti::read_hu(path, limits).ok()?;
    let binary = values.data().iter().all(|hu| hu.0 == 0 || hu.0 == 1);
    binary.then(|| values.map(|hu| hu.0 == 1))
}

fn write_ct(args: &Args, ct: &Volume<Hu>) -> Result<PathBuf, Failure> {
    std::fs::create_dir_all(&args.out).map_err(Failure::failed)?;
    match args.format {
        Format::Dicom => {
            let file = args.out.join("dicom");
            let name = format!("SEED {} {}", args.seed, args.defect.word().to_uppercase());
            dicom::write(&file, ct, &name).map_err(Failure::failed)?;
            Ok(file)
        }
        Format::Nifti => {
            let file = args.out.join("ct.nii.gz");
            nifti::write_hu(&file, ct).map_err(Failure::failed)?;
            Ok(file)
        }
    }
}

#[allow(clippy::print_stdout, reason = "results of a command go to stdout")]
fn report(args: &Args, file: &Path, removed: &Volume<bool>) {
    let ml = removed.mm3() / 1000.0;
    if args.json {
        let centroid = removed.centroid().map(|p| p.0);
        let line = json!({
            "file": file, "truth": args.out.join("removed_bone.nii.gz"), "seed": args.seed,
            "defect": args.defect.word(), "removed_ml": ml, "centroid_lps_mm": centroid,
        });
        println!("{line}");
    } else {
        println!(
            "{}: {} hole, {ml:.1} ml of bone removed",
            file.display(),
            args.defect
        );
    }
}
