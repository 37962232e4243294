//! `calvaria phantom`: a head with a hole whose truth is known.

use super::{Failure, Outcome};
use crate::intake::{self, Limits, nifti};
use crate::network;
use crate::phantom::{
    self, ATLAS, Atlas, Cut, Defect, Head, Hole, PhantomError, Recipe, View, dicom,
};
use crate::skull;
use crate::volume::{Hu, Volume};
use serde_json::json;
use std::path::{Path, PathBuf};

/// A head in HU with a hole whose truth is known, to try the line with.
///
/// DIR gets `dicom/` or `ct.nii.gz` (from a mask: `defective.nii.gz`), and `removed_bone.nii.gz`, the truth.
/// With --key a mask's files are KEY_defective.nii.gz and KEY_implant.nii.gz, as `evaluate` pairs them in a folder.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  calvaria phantom --out /tmp/head --seed 7 --defect ftp\n  calvaria design /tmp/head/dicom --out /tmp/design\n  calvaria phantom --from 027_defective.nii.gz --implant 027_implant.nii.gz --defect vertex --seed 274 --out b --key 027-vertex"
)]
pub(super) struct Args {
    /// Where the files go; made when it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Decides the head, the hole and the noise.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Where the hole is: ftp, bifrontal, occipital, vertex, bilateral, random, frontoorbital, pterional, temporal-low,
    /// occipital-low, hemi (half a vault), bevelled (its outer table, by 45 degrees) or none.
    #[arg(long, value_name = "KIND", default_value = "random")]
    defect: Defect,
    /// Rim chord of every hole, 20 to 150 mm; without it the seed draws one (40 to 120 mm for most kinds).
    #[arg(long, value_name = "MM", value_parser = chord)]
    chord: Option<f64>,
    /// Cut the hole into this scan (DICOM folder, zip, NIfTI in HU) or skull mask (NIfTI, NRRD) instead.
    #[arg(long, value_name = "SCAN")]
    from: Option<PathBuf>,
    /// The mask given with --from is a defective skull: join this mask first, so that it is whole.
    #[arg(long, value_name = "MASK", requires = "from")]
    implant: Option<PathBuf>,
    /// See the skull of --from as another scanner would (turned, cropped, at another grid and threshold), by this
    /// seed; what is written is a mask.
    #[arg(long, value_name = "N", requires = "from")]
    view: Option<u64>,
    /// Name a mask's files KEY_defective.nii.gz and KEY_implant.nii.gz; no `_` or `.` in it.
    #[arg(long, value_name = "KEY", requires = "from", value_parser = key)]
    key: Option<String>,
    /// How the CT is written.
    #[arg(long, value_enum, default_value_t = Format::Dicom)]
    format: Format,
    /// The model folder with the template heads.
    #[arg(long, value_name = "DIR", conflicts_with = "from")]
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

fn chord(text: &str) -> Result<f64, String> {
    let mm: f64 = text.parse().map_err(|_| "this is no number".to_owned())?;
    let sensible = (20.0..=150.0).contains(&mm);
    sensible
        .then_some(mm)
        .ok_or_else(|| "a rim chord lies between 20 and 150 mm".to_owned())
}

fn key(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let fits = !text.is_empty() && text.chars().all(plain);
    fits.then(|| text.to_owned())
        .ok_or_else(|| "a key is made of letters, digits and `-`".to_owned())
}

/// What was written.
struct Made {
    file: PathBuf,
    truth: PathBuf,
    removed: Volume<bool>,
    holes: Vec<Hole>,
}

pub(super) fn run(args: Args) -> Outcome {
    let made = match args.from.as_deref() {
        None => from_seed(&args)?,
        Some(scan) => from_scan(&args, scan)?,
    };
    nifti::write_mask(&made.truth, &made.removed).map_err(Failure::failed)?;
    report(&args, &made);
    Ok(())
}

fn recipe(args: &Args) -> Recipe {
    Recipe {
        seed: args.seed,
        defect: args.defect,
        chord_mm: args.chord,
    }
}

fn from_seed(args: &Args) -> Result<Made, Failure> {
    let atlas = atlas(args.model.as_deref())?;
    let Head { ct, removed, holes } =
        phantom::head(&recipe(args), &atlas).map_err(Failure::failed)?;
    Ok(Made {
        file: write_ct(args, &ct)?,
        truth: args.out.join("removed_bone.nii.gz"),
        removed,
        holes,
    })
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

/// Cuts into a scan or a mask.
fn from_scan(args: &Args, scan: &Path) -> Result<Made, Failure> {
    let cut = |e: PhantomError| Failure::refused(e);
    match read(args, scan)? {
        Scan::Mask(mask) => {
            let done = phantom::cut_mask(&mask, &recipe(args)).map_err(cut)?;
            let [file, truth] = mask_files(args);
            std::fs::create_dir_all(&args.out).map_err(Failure::failed)?;
            nifti::write_mask(&file, &done.changed).map_err(Failure::failed)?;
            Ok(Made {
                file,
                truth,
                removed: done.removed,
                holes: done.holes,
            })
        }
        Scan::Ct(ct) => {
            if args.key.is_some() || args.implant.is_some() {
                return Err(Failure::usage(
                    "--key and --implant go with a mask, and --from is a CT. Leave them out, or give --view for a mask of it.",
                ));
            }
            let bone = skull::bone(&ct, Hu(150)).map_err(Failure::refused)?.mask;
            let Cut {
                changed,
                removed,
                holes,
            } = phantom::cut(&ct, &bone, &recipe(args)).map_err(cut)?;
            Ok(Made {
                file: write_ct(args, &changed)?,
                truth: args.out.join("removed_bone.nii.gz"),
                removed,
                holes,
            })
        }
    }
}

enum Scan {
    Ct(Volume<Hu>),
    Mask(Volume<bool>),
}

/// Reads a mask where it is one, made whole and seen anew as asked; everything else is a scan, or is refused as one.
fn read(args: &Args, scan: &Path) -> Result<Scan, Failure> {
    let limits = Limits::default();
    let view = args.view.map(View::draw);
    let mask = if scan.is_file() {
        intake::read_mask(scan, &limits).ok()
    } else {
        None
    };
    let mask = match (mask, &view) {
        (Some(mask), _) => joined(args, mask, &limits)?,
        (None, view) => {
            let ct = intake::read(scan, &limits).map_err(Failure::refused)?.ct;
            let Some(view) = view else {
                return Ok(Scan::Ct(ct));
            };
            skull::bone(&ct, view.hu).map_err(Failure::refused)?.mask
        }
    };
    let mask = match view {
        Some(view) => view.of(&mask).map_err(Failure::refused)?,
        None => mask,
    };
    Ok(Scan::Mask(mask))
}

/// The skull with the bone that it lacks.
fn joined(args: &Args, skull: Volume<bool>, limits: &Limits) -> Result<Volume<bool>, Failure> {
    let Some(path) = &args.implant else {
        return Ok(skull);
    };
    let implant = intake::read_mask(path, limits).map_err(Failure::refused)?;
    if implant.shape() != skull.shape() || !same_place(&implant, &skull) {
        return Err(Failure::refused(
            "--implant is on another grid than the skull. Give the two masks of one case.",
        ));
    }
    let whole = (skull.data().iter().zip(implant.data()))
        .map(|(&bone, &lacking)| bone || lacking)
        .collect();
    Ok(skull.with(whole))
}

/// Whether two grids of one shape lie in the same place: their far corners within a tenth of a millimetre.
fn same_place(a: &Volume<bool>, b: &Volume<bool>) -> bool {
    let far = a.shape().map(|n| n.saturating_sub(1));
    [[0, 0, 0], far, [far[0], 0, 0], [0, far[1], 0]]
        .into_iter()
        .all(|corner| a.centre(corner).minus(b.centre(corner)).length() < 0.1)
}

/// Where the defective skull and its truth go.
fn mask_files(args: &Args) -> [PathBuf; 2] {
    match &args.key {
        Some(key) => {
            ["defective", "implant"].map(|what| args.out.join(format!("{key}_{what}.nii.gz")))
        }
        None => ["defective", "removed_bone"].map(|what| args.out.join(format!("{what}.nii.gz"))),
    }
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

fn report(args: &Args, made: &Made) {
    let ml = made.removed.mm3() / 1000.0;
    if args.json {
        let hole = |h: &Hole| {
            json!({
                "chord_mm": h.chord_mm, "removed_ml": h.mm3 / 1000.0, "centroid_lps_mm": h.centroid.0,
            })
        };
        let line = json!({
            "file": made.file, "truth": made.truth, "seed": args.seed, "defect": args.defect.word(),
            "view": args.view, "removed_ml": ml, "centroid_lps_mm": made.removed.centroid().map(|p| p.0),
            "holes": made.holes.iter().map(hole).collect::<Vec<_>>(),
        });
        super::print(&line.to_string());
    } else {
        let chords: Vec<String> = (made.holes.iter())
            .map(|h| format!("{:.0}", h.chord_mm))
            .collect();
        let across = if chords.is_empty() {
            String::new()
        } else {
            format!(", {} mm across", chords.join(" and "))
        };
        let file = made.file.display();
        super::print(&if made.holes.is_empty() {
            format!("{file}: no hole, the skull is whole")
        } else {
            format!(
                "{file}: {} hole, {ml:.1} ml of bone removed{across}",
                args.defect
            )
        });
    }
}
