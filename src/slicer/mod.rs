//! Slicer: a mesh in patient millimetres becomes placed toolpaths and proved G-code.
//!
//! In:    a closed `Mesh<Lps>` (one or more parts), a printer, a material, [`Settings`]; what else is [`Told`] of the mesh.
//! Out:   [`Sliced`]: the text of the file, sealed and proved by `gcode::check`, and its [`Plan`].
//! Holds: same input, same bytes, whatever the number of threads. At 100 % infill the plastic fills the mesh (Dice
//!        at least 0.98 in the raster test) and never leaves the printer's limits.
//! Never: opens a file, asks the time, draws a random number, writes a date or a name.
//! Cost:  layers in parallel; a 100 mm cap in seconds.
//!
//! The way: [`bodies`] tells the parts, [`pose`] weighs how each can stand, [`place`] sets them on the bed, [`look`] says
//! what a person should know, [`cut`] makes contours, [`walls`], [`infill`], [`lattice`], [`thin`] and [`support`] draw, [`layers`]
//! joins them, [`order`] and [`seam`] decide the sequence, [`emit`] writes.

use crate::gcode::{
    Facts, LayerFact, MAKER, Material, MotionError, Printer, TextError, Violation, check,
    durations, seal,
};
use crate::mesh::Mesh;
use crate::space::Lps;
use crate::status::duration;
use std::fmt::Write;

mod bodies;
mod cut;
mod delaunay;
mod emit;
mod field;
mod infill;
mod lattice;
mod layers;
mod look;
mod order;
mod path;
mod place;
mod plan;
mod plane;
mod pose;
mod seam;
mod settings;
#[cfg(test)]
mod shapes;
mod support;
#[cfg(test)]
mod tests;
mod thin;
mod thumbnail;
mod told;
mod walls;

pub use lattice::Cell;
pub use plan::{PartPlan, Plan, Printed};
pub use plane::{Contour, Corner, Region, Spot, Um};
pub use settings::{Orientation, Settings};
pub use told::{Told, ToldError};

/// A sliced part.
#[derive(Clone, Debug)]
pub struct Sliced {
    /// The G-code, as it is written to disk.
    pub gcode: String,
    /// What it does.
    pub plan: Plan,
}

/// Why a mesh can not be sliced.
#[derive(Debug, thiserror::Error)]
pub enum SliceError {
    /// Nothing to print.
    #[error("the mesh has no volume. Check the file that was given.")]
    Empty,
    /// Not closed.
    #[error(
        "the mesh is open: {edges} edges have a face on one side only. Repair it, e.g. with admesh."
    )]
    Open {
        /// Edges without a partner.
        edges: usize,
    },
    /// Faces point inwards.
    #[error(
        "the mesh has a body whose faces point inwards. Turn its faces (flip normals), or give it the body around it."
    )]
    InsideOut,
    /// Bodies in one another.
    #[error(
        "{bodies} bodies of the mesh share space; they would be printed apart. Unite them to one body, or move them \
         apart."
    )]
    Overlap {
        /// Bodies in the mesh.
        bodies: usize,
    },
    /// Leaves nothing to draw.
    #[error(
        "the part, or one of its bodies, is thinner than a line of plastic ({line_mm} mm). Check its unit, or take a \
         finer nozzle."
    )]
    Thin {
        /// Usual line width, mm.
        line_mm: f64,
    },
    /// A layer in which nothing of the parts is drawn, below others.
    #[error(
        "the part is too narrow {z_mm:.1} mm over the bed: nothing of it can be drawn there, and what is above would be laid \
         in the air. Choose another pose or a finer nozzle, or make it thicker there."
    )]
    Gap {
        /// Middle of the layer, mm.
        z_mm: f64,
    },
    /// Does not fit.
    #[error(
        "the part ({:.0} x {:.0} x {:.0} mm) does not fit the printer ({:.0} x {:.0} x {:.0} mm with margins) in any \
         tried orientation. Choose a larger printer.",
        size_mm[0], size_mm[1], size_mm[2], bed_mm[0], bed_mm[1], bed_mm[2]
    )]
    TooLarge {
        /// Size in the cheapest orientation.
        size_mm: [f64; 3],
        /// Bed and height.
        bed_mm: [f64; 3],
    },
    /// A setting makes no sense.
    #[error("the setting {name} is {value}, allowed is {low} to {high}.")]
    Setting {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: f64,
        /// Least.
        low: f64,
        /// Most.
        high: f64,
    },
    /// Faces or density that can not be followed.
    #[error(transparent)]
    Told(#[from] ToldError),
    /// The own validator refuses the file: a fault of the profile's start or end code, or of the slicer.
    #[error("the sliced file breaks a limit of the printer: {}. Correct the profile.",
        violations.first().map_or_else(String::new, ToString::to_string))]
    Unproved {
        /// What the validator says.
        violations: Vec<Violation>,
    },
    /// A text of the printer's profile, or the machine with this material.
    #[error(transparent)]
    Profile(Box<TextError>),
    /// The time model can not follow the file.
    #[error(
        "line {line} of the sliced file can not be followed: {source}. Correct the profile's start and end code."
    )]
    Followed {
        /// Line, from 1.
        line: usize,
        /// Cause.
        #[source]
        source: MotionError,
    },
}

impl From<TextError> for SliceError {
    fn from(error: TextError) -> Self {
        Self::Profile(Box::new(error))
    }
}

/// Slices `mesh` for a printer and a material. `progress` hears fractions from 0 to 1.
///
/// # Errors
/// [`SliceError`]: open or empty mesh, too large, senseless setting, or a file that the validator refuses.
pub fn slice(
    mesh: &Mesh<Lps>,
    printer: &Printer,
    material: &Material,
    settings: &Settings,
    progress: &mut dyn FnMut(f64),
) -> Result<Sliced, SliceError> {
    slice_told(
        mesh,
        &Told::default(),
        printer,
        material,
        settings,
        progress,
    )
}

/// Slices `mesh` as [`slice()`] does, by what else is known of it.
///
/// # Errors
/// [`SliceError`]; [`SliceError::Told`] for what can not be followed.
pub fn slice_told(
    mesh: &Mesh<Lps>,
    told: &Told,
    printer: &Printer,
    material: &Material,
    settings: &Settings,
    progress: &mut dyn FnMut(f64),
) -> Result<Sliced, SliceError> {
    let mut recipe = settings::Recipe::new(printer, material, settings)?;
    printer.takes(material)?;
    let light = told.light(mesh, material, &recipe)?;
    if let Some(light) = light {
        recipe.cell = Cell::new(printer.nozzle_mm, light.least);
    }
    let bodies::Solids {
        parts: solids,
        from,
    } = bodies::solids(mesh, recipe.width.mm())?;
    let faces: Vec<Vec<_>> = (told.faces.iter())
        .flat_map(|faces| {
            let of = |numbers: &Vec<u32>| numbers.iter().map(|&n| faces[n as usize]).collect();
            from.iter().map(of)
        })
        .collect();
    let placed = place::place(&solids, &faces, printer, &recipe)?;
    // One brim for all, as wide as the narrowest stand wants.
    let brims = placed.iter().map(|part| part.brim_mm);
    recipe.settings.brim_mm = brims.fold(0.0, f64::max);
    let mut findings: Vec<_> = placed
        .iter()
        .flat_map(|part| {
            let lost = look::lost(part, &recipe);
            part.findings.iter().cloned().chain(lost)
        })
        .collect();
    findings.extend(look::touching(&solids));
    findings.extend(look::care(material));
    progress(0.1);
    let parts: Vec<layers::Part> = placed
        .iter()
        .map(|part| layers::Part::new(part, light, &recipe))
        .collect::<Result<_, _>>()?;
    progress(0.4);
    let layers = layers::draw(&parts, &recipe);
    progress(0.8);
    if layers.iter().all(|l| l.paths().next().is_none()) {
        return Err(SliceError::Thin {
            line_mm: recipe.width.mm(),
        });
    }
    // Below its first line a part may stand in its brim; above it, every layer has to carry the next.
    let drawn = |n: &usize| !layers[*n].islands.is_empty();
    let all = 0..layers.len();
    if let (Some(first), Some(last)) = (all.clone().find(drawn), all.rev().find(drawn))
        && let Some(gap) = (first..last).find(|n| !drawn(n))
    {
        let z_mm = recipe.middle(gap).mm();
        return Err(SliceError::Gap { z_mm });
    }
    let mut writer = emit::Writer::new(printer, material, &recipe)?;
    let mut order = order::Order::default();
    for (index, layer) in layers.iter().enumerate() {
        writer.layer(index, &order.layer(layer))?;
    }
    let (body, drawn) = writer.finish()?;
    let time_s = durations(&body, printer)
        .map_err(|(line, source)| SliceError::Followed { line, source })?
        .iter()
        .map(|t| t.seconds)
        .sum();
    progress(0.9);
    let mut plan = Plan {
        printer: printer.name.clone(),
        material: material.name.clone(),
        implantable: material.certificate().is_some(),
        settings: recipe.settings.clone(),
        parts: placed.iter().map(part_plan).collect(),
        findings,
        density: None,
        layers: layers.len(),
        layer_mm: recipe.layer.mm(),
        time_s,
        filament_mm: 0.0,
        filament_g: 0.0,
        part_mm3: drawn.part_mm3,
        support_mm3: drawn.support_mm3,
        brim_mm3: drawn.brim_mm3,
        lines: 0,
        checked: Default::default(),
    };
    let filament_mm2 = std::f64::consts::FRAC_PI_4 * printer.filament_mm.powi(2);
    let filament_mm3 = drawn.part_mm3 + drawn.support_mm3 + drawn.brim_mm3;
    plan.filament_mm = filament_mm3 / filament_mm2;
    plan.filament_g = filament_mm3 / 1000.0 * material.density_g_cm3;
    if told.density.is_some() {
        let printed = printed(&plan, &parts, light.is_some(), material, &recipe);
        plan.findings.push(told::finding(&printed));
        plan.density = Some(printed);
    }
    let facts = facts(&plan, &parts, material, &drawn);
    let pictures = thumbnail::lines(&placed, &printer.thumbnails);
    let text = format!("{}{pictures}{facts}{body}", header(&plan));
    let gcode = format!("{text}{}", seal(&text));
    plan.checked = check(gcode.as_bytes(), printer)
        .map_err(|violations| SliceError::Unproved { violations })?;
    plan.lines = plan.checked.lines;
    progress(1.0);
    Ok(Sliced { gcode, plan })
}

/// What the validator holds the file against, from the mesh, the strokes and the material.
fn facts(
    plan: &Plan,
    parts: &[layers::Part<'_>],
    material: &Material,
    drawn: &emit::Drawn,
) -> Facts {
    let section_mm2 = |layer: usize| -> f64 {
        let regions = parts.iter().filter_map(|part| part.regions.get(layer));
        regions.map(Region::area_mm2).sum()
    };
    let layer = |&(number, z_mm, filament_mm): &(usize, f64, f64)| LayerFact {
        z_mm,
        section_mm2: section_mm2(number),
        filament_mm,
    };
    Facts {
        hotend_c: material.hotend_band_c(),
        bed_c: material.bed_band_c(),
        line_mm: drawn.line_mm,
        time_s: plan.time_s,
        solid: plan.settings.is_solid() && !plan.density.is_some_and(|d| d.period_mm > 0.0),
        layers: drawn.layers.iter().map(layer).collect(),
    }
}

/// What became of a density.
fn printed(
    plan: &Plan,
    parts: &[layers::Part<'_>],
    light: bool,
    material: &Material,
    recipe: &settings::Recipe,
) -> Printed {
    let solid_mm3: f64 = plan.parts.iter().map(|part| part.volume_mm3).sum();
    let grams = |mm3: f64| mm3 / 1000.0 * material.density_g_cm3;
    Printed {
        period_mm: if light { recipe.cell.period_mm } else { 0.0 },
        asked_mm3: parts.iter().map(|part| part.asked_mm3(recipe)).sum(),
        solid_mm3,
        mass_g: grams(plan.part_mm3),
        solid_g: grams(solid_mm3),
        mean_g_cm3: plan.part_mm3 / solid_mm3 * material.density_g_cm3,
        solid_g_cm3: material.density_g_cm3,
    }
}

fn part_plan(placed: &place::Placed) -> PartPlan {
    let (low, high) = placed
        .mesh
        .bounds()
        .map_or(([0.0; 3], [0.0; 3]), |(l, h)| (l.0, h.0));
    PartPlan {
        to_bed: placed.to_bed.0,
        low_mm: low,
        high_mm: high,
        volume_mm3: placed.mesh.volume_mm3(),
    }
}

/// Share of the parts that is filled, percent, to a tenth: what was set, or what a density comes to.
fn fill_percent(plan: &Plan) -> f64 {
    let light = plan.density.filter(|d| d.period_mm > 0.0);
    light.map_or(plan.settings.infill * 100.0, |d| {
        (1000.0 * d.mass_g / d.solid_g).round() / 10.0
    })
}

/// First lines of the file: who made it, what it is for, time and filament as viewers read them.
fn header(plan: &Plan) -> String {
    let mut text = format!("{MAKER} {}\n", env!("CARGO_PKG_VERSION"));
    if !plan.implantable {
        text.push_str("; TEST PRINT: a fit model, not for implantation\n");
    }
    let cm3 = (plan.part_mm3 + plan.support_mm3 + plan.brim_mm3) / 1000.0;
    // Writing to a String can not fail.
    let _ = write!(
        text,
        "; printer = {}\n; material = {}\n; layers = {}\n; layer_height = {}\n; fill_density = {}%\n\
         ; estimated printing time (normal mode) = {}\n; filament used [mm] = {:.2}\n\
         ; filament used [cm3] = {cm3:.2}\n; filament used [g] = {:.2}\n; total filament used [g] = {:.2}\n",
        plan.printer,
        plan.material,
        plan.layers,
        plan.layer_mm,
        fill_percent(plan),
        duration::for_viewers(plan.time_s),
        plan.filament_mm,
        plan.filament_g,
        plan.filament_g,
    );
    text
}
