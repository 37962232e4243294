//! `calvaria slice`: any STL, OBJ or 3MF to proved G-code.

use super::{Failure, Outcome};
use crate::design::sha256_file;
use crate::gcode::{Material, Printer};
use crate::intake::{Limits, nifti::read_f32};
use crate::mesh::tags::Tags;
use crate::mesh::{self, Mesh, fault::MeshError};
use crate::slicer::{Orientation, Plan, Settings, SliceError, Told, slice_told};
use crate::space::Lps;
use crate::status::duration;
use std::fs::{Metadata, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Slice a mesh for a printer and a material; the file is proved against the printer's limits before it is written.
///
/// The mesh (STL, OBJ, 3MF) must be closed, in millimetres. It is stood on the bed by a search unless --as-is is
/// given. Beside OUT.gcode, OUT.plan.json says what the file does.
///
/// Example: calvaria slice implant.stl --printer prusa-mk3s --material pla -o implant.gcode
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The mesh: STL, OBJ or 3MF, closed, mm.
    mesh: PathBuf,
    /// Unit of an STL or OBJ, which name none; asked for when the size leaves it open.
    #[arg(long, value_enum, value_name = "UNIT")]
    unit: Option<Unit>,
    /// Printer profile.
    #[arg(long, value_name = "P", default_value = "virtual")]
    printer: String,
    /// Material profile.
    #[arg(long, value_name = "M", default_value = "pla")]
    material: String,
    /// Where the G-code goes.
    #[arg(short, long, value_name = "OUT.gcode")]
    out: PathBuf,
    /// How much of the inside is filled, percent; 100 is solid.
    #[arg(long, value_name = "PERCENT", default_value_t = 100.0)]
    infill: f64,
    /// Layer height, mm; the printer's own when not given.
    #[arg(long, value_name = "MM")]
    layer: Option<f64>,
    /// Lines along the outline.
    #[arg(long, value_name = "N", default_value_t = 2)]
    perimeters: u32,
    /// A quick look at the shape: 0.3 mm layers, one wall, 15 % infill, few points. The options above are then
    /// ignored.
    #[arg(long)]
    draft: bool,
    /// Width of the brim, mm; 0 for none.
    #[arg(long, value_name = "MM", default_value_t = 5.0)]
    brim: f64,
    /// No support under overhangs.
    #[arg(long)]
    no_support: bool,
    /// Print the mesh as it is, its +z up.
    #[arg(long)]
    as_is: bool,
    /// Stand it in the K-th best pose of the search; what is said of the first names the next ones.
    #[arg(long, value_name = "K", conflicts_with = "as_is")]
    pose: Option<u32>,
    /// Which triangles are outer face, inner face and rim (implant.tags.json); guessed when not given.
    #[arg(long, value_name = "FILE")]
    tags: Option<PathBuf>,
    /// How dense the inside is to be, place by place (implant.density.nii.gz); the mesh is then in patient LPS mm.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["infill", "draft", "unit"])]
    density: Option<PathBuf>,
    /// Print the plan as JSON on stdout.
    #[arg(long)]
    json: bool,
}

/// The units by their symbols.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Unit {
    Mm,
    Cm,
    M,
    In,
}

impl From<Unit> for mesh::file::Unit {
    fn from(unit: Unit) -> Self {
        match unit {
            Unit::Mm => Self::Millimetre,
            Unit::Cm => Self::Centimetre,
            Unit::M => Self::Metre,
            Unit::In => Self::Inch,
        }
    }
}

pub(super) fn run(args: Args) -> Outcome {
    let printer = Printer::load(&args.printer).map_err(Failure::usage)?;
    let material = Material::load(&args.material).map_err(Failure::usage)?;
    let base = if args.draft {
        Settings::draft()
    } else {
        Settings {
            layer_mm: args.layer,
            perimeters: args.perimeters,
            infill: args.infill / 100.0,
            ..Settings::default()
        }
    };
    let settings = Settings {
        support: !args.no_support,
        brim_mm: args.brim,
        orientation: match args.pose {
            Some(asked) => Orientation::Pose(asked),
            None if args.as_is => Orientation::AsIs,
            None => Orientation::Auto,
        },
        ..base
    };
    let plan_path = args.out.with_extension("plan.json");
    for target in [&args.out, &plan_path] {
        replaceable(target)?;
        not_the_mesh(target, &args.mesh)?;
    }
    let unit = args.unit.map(mesh::file::Unit::from);
    let loaded = mesh::file::load(&args.mesh, unit).map_err(|error| match error {
        MeshError::Unit => Failure::usage(error),
        error => Failure::refused(error),
    })?;
    let told = told(&args, &loaded.mesh)?;
    let mesh = &loaded.mesh;
    let mut sliced =
        slice_told(mesh, &told, &printer, &material, &settings, &mut |_| {}).map_err(|error| {
            match error {
                SliceError::Setting { .. } | SliceError::Profile(_) => Failure::usage(error),
                SliceError::Empty
                | SliceError::Open { .. }
                | SliceError::InsideOut
                | SliceError::Overlap { .. }
                | SliceError::Thin { .. }
                | SliceError::Gap { .. }
                | SliceError::Told(_)
                | SliceError::TooLarge { .. } => Failure::refused(error),
                SliceError::Unproved { .. } | SliceError::Followed { .. } => Failure::failed(error),
            }
        })?;
    sliced.plan.findings.splice(..0, loaded.findings);
    for finding in &sliced.plan.findings {
        writeln!(std::io::stderr(), "look: {}", finding.line()).map_err(Failure::failed)?;
    }
    let plan = serde_json::to_string_pretty(&sliced.plan).map_err(Failure::failed)?;
    save(&args.out, sliced.gcode.as_bytes())?;
    save(&plan_path, plan.as_bytes())?;
    let said = if args.json {
        plan
    } else {
        summary(&sliced.plan)
    };
    writeln!(std::io::stdout(), "{said}").map_err(Failure::failed)
}

/// What is told of the mesh beside its file.
fn told(args: &Args, mesh: &Mesh<Lps>) -> Result<Told, Failure> {
    let faces = |path: &PathBuf| {
        let sha256 = sha256_file(&args.mesh).map_err(Failure::failed)?;
        Tags::load(path, &sha256, mesh.triangles.len())
            .map(|tags| tags.faces)
            .map_err(Failure::refused)
    };
    let limits = Limits {
        head: false,
        ..Limits::default()
    };
    let density = |path: &PathBuf| read_f32(path, &limits).map_err(Failure::refused);
    Ok(Told {
        faces: args.tags.as_ref().map(faces).transpose()?,
        density: args.density.as_ref().map(density).transpose()?,
    })
}

/// Refuses to rename a file over a device, a link, a folder or a pipe: it would be gone.
fn replaceable(path: &Path) -> Outcome {
    match std::fs::symlink_metadata(path) {
        Ok(there) if !there.is_file() => Err(Failure::usage(format!(
            "{} is there and is no regular file; it is not replaced. Give another name with -o.",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// Refuses to write over the mesh itself, by whatever name.
fn not_the_mesh(target: &Path, mesh: &Path) -> Outcome {
    let same = |a: &Metadata, b: &Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    match (std::fs::metadata(target), std::fs::metadata(mesh)) {
        (Ok(a), Ok(b)) if same(&a, &b) => Err(Failure::usage(format!(
            "{} is the mesh itself; it is not replaced. Give another name with -o.",
            target.display()
        ))),
        _ => Ok(()),
    }
}

/// Writes beside, syncs, renames: a reader never sees half a file.
fn save(path: &Path, bytes: &[u8]) -> Outcome {
    let failed =
        |e: std::io::Error| Failure::failed(format!("{} can not be written: {e}", path.display()));
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    // Readable by whom the umask allows, as every file that a command writes; not by the owner alone.
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

fn summary(plan: &Plan) -> String {
    let density = plan.density.map_or_else(String::new, |d| {
        format!(
            "; filled to {:.0} %, {:.2} of {:.2} g/cm3",
            100.0 * d.mass_g / d.solid_g,
            d.mean_g_cm3,
            d.solid_g_cm3
        )
    });
    format!(
        "{} part(s) on {} in {}: {} layers, {}, {:.1} g filament ({:.1} cm3 part, {:.1} cm3 support), {} lines, proved{density}{}",
        plan.parts.len(),
        plan.printer,
        plan.material,
        plan.layers,
        duration::for_viewers(plan.time_s),
        plan.filament_g,
        plan.part_mm3 / 1000.0,
        plan.support_mm3 / 1000.0,
        plan.lines,
        if plan.implantable {
            ""
        } else {
            "; a fit model, not for implantation"
        }
    )
}
