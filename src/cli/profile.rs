//! `calvaria profile`: is a profile sound; a profile out of another slicer's configuration.

use super::{Failure, Outcome};
use crate::gcode::{self, Material, Printer, ProfileError, TextError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Judge a printer or material profile, or make one out of a PrusaSlicer configuration.
///
/// Examples:
///   calvaria profile check printer-profiles/ender3.toml
///   calvaria profile check prusa-mk4
///   calvaria profile import PrusaSlicer_config_bundle.ini --section "Bench" -o bench.toml --material-out bench-petg.toml
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Is it a profile, are its numbers within what machines have, and does the validator take its texts with every material
    /// that the machine is hot enough for? Exit code 3 when not.
    Check {
        /// A file, or the name of a profile.
        profile: PathBuf,
    },
    /// Make a printer profile, and a material profile, out of a PrusaSlicer configuration, bundle or G-code file. What was
    /// assumed and what could not be carried over is said.
    Import {
        /// The configuration: config.ini, a bundle, or a G-code file with its config block.
        file: PathBuf,
        /// Where the printer profile goes; its stem is the profile's name.
        #[arg(short, long, value_name = "FILE.toml")]
        out: PathBuf,
        /// Where the material profile goes.
        #[arg(long, value_name = "FILE.toml")]
        material_out: Option<PathBuf>,
        /// Which printer section of a bundle.
        #[arg(long, value_name = "NAME")]
        section: Option<String>,
        /// Which filament section of a bundle.
        #[arg(long, value_name = "NAME")]
        filament: Option<String>,
    },
}

pub(super) fn run(args: Args) -> Outcome {
    match args.action {
        Action::Check { profile } => check(&profile),
        Action::Import {
            file,
            out,
            material_out,
            section,
            filament,
        } => {
            let text = std::fs::read(&file)
                .map_err(|e| Failure::failed(format!("{} can not be read: {e}", file.display())))?;
            let name = stem(&out)?;
            let found = gcode::import(
                &String::from_utf8_lossy(&text),
                &name,
                section.as_deref(),
                filament.as_deref(),
            )
            .map_err(|e| Failure::refused(format!("{}: {e}", file.display())))?;
            let mut material = found.material;
            if let Some(path) = &material_out {
                material.name = stem(path)?;
            }
            // Both are checked before anything is written.
            new_file(&out)?;
            if let Some(path) = &material_out {
                new_file(path)?;
            }
            write(&out, &found.printer, &file)?;
            if let Some(path) = &material_out {
                write(path, &material, &file)?;
            }
            let mut said = std::io::stdout().lock();
            let mut line = |text: String| writeln!(said, "{text}").map_err(Failure::failed);
            line(format!(
                "{}: {}, {}",
                out.display(),
                found.printer.title,
                found.printer.dialect
            ))?;
            for assumed in &found.assumed {
                line(format!(
                    "assumed, the configuration does not say it: {assumed}"
                ))?;
            }
            for left in &found.left {
                line(format!("not carried over: {left}"))?;
            }
            line(
                "Look at every number before a machine gets it; then `calvaria profile check`."
                    .into(),
            )
        }
    }
}

fn stem(path: &Path) -> Result<String, Failure> {
    let stem = path
        .file_stem()
        .and_then(|s| s.to_str())
        .unwrap_or_default();
    let plain = !stem.is_empty()
        && stem
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let is_toml = path.extension().is_some_and(|e| e == "toml");
    if plain && is_toml {
        Ok(stem.into())
    } else {
        Err(Failure::usage(format!(
            "{} is no name of a profile: letters, digits, -, _ and ., and the ending .toml.",
            path.display()
        )))
    }
}

fn new_file(path: &Path) -> Outcome {
    if path.exists() {
        return Err(Failure::usage(format!(
            "{} is there already; it is not replaced.",
            path.display()
        )));
    }
    Ok(())
}

fn write<T: serde::Serialize>(path: &Path, profile: &T, from: &Path) -> Outcome {
    let body = toml::to_string(profile).map_err(Failure::failed)?;
    let from = from
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .replace(|c: char| c.is_control(), " ");
    let text = format!("# Made by `calvaria profile import` from {from}.\n{body}");
    let failed =
        |e: std::io::Error| Failure::failed(format!("{} can not be written: {e}", path.display()));
    let mut file = std::fs::File::create_new(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

fn check(profile: &Path) -> Outcome {
    let is_file =
        profile.extension().is_some_and(|e| e == "toml") || profile.components().count() > 1;
    let refused = |e: &dyn std::fmt::Display| Failure::refused(e.to_string());
    let printer = if is_file {
        // A material has no nozzle.
        let text = std::fs::read_to_string(profile)
            .map_err(|e| Failure::usage(format!("{} can not be read: {e}", profile.display())))?;
        let is_material = text
            .lines()
            .any(|line| line.trim_start().starts_with("hotend_c"));
        if is_material {
            let material = Material::read(profile).map_err(|e| refused(&e))?;
            return material_on_printers(&material, profile);
        }
        Printer::read(profile).map_err(|e| refused(&e))?
    } else {
        let name = profile.to_string_lossy();
        match Printer::load(&name) {
            Ok(printer) => printer,
            Err(ProfileError::Unknown { .. }) => match Material::load(&name) {
                Ok(material) => return material_on_printers(&material, profile),
                Err(ProfileError::Unknown { .. }) => {
                    let known = [Printer::names(), Material::names()].concat().join(", ");
                    return Err(Failure::usage(format!(
                        "there is no printer or material profile '{name}'. Known: {known}."
                    )));
                }
                Err(other) => return Err(refused(&other)),
            },
            Err(other) => return Err(refused(&other)),
        }
    };
    named_as_its_file(&printer.name, profile, is_file)?;
    let mut rows = Vec::new();
    for name in Material::names() {
        let material = Material::load(&name).map_err(|e| refused(&e))?;
        rows.push((name, printer.takes(&material)));
    }
    told(&printer.title, rows)
}

fn material_on_printers(material: &Material, profile: &Path) -> Outcome {
    let is_file =
        profile.components().count() > 1 || profile.extension().is_some_and(|e| e == "toml");
    named_as_its_file(&material.name, profile, is_file)?;
    let mut rows = Vec::new();
    for name in Printer::names() {
        let printer = Printer::load(&name).map_err(Failure::refused)?;
        rows.push((name, printer.takes(material)));
    }
    told(&material.title, rows)
}

/// A profile is asked for by its file's stem.
fn named_as_its_file(name: &str, profile: &Path, is_file: bool) -> Outcome {
    let stem = profile.file_stem().unwrap_or_default().to_string_lossy();
    if is_file && stem != name {
        return Err(Failure::refused(format!(
            "{} names itself '{name}'; its name must be its file's: '{stem}'.",
            profile.display()
        )));
    }
    Ok(())
}

/// Says each pair, and refuses when a text is wrong or nothing fits at all.
fn told(title: &str, rows: Vec<(String, Result<(), TextError>)>) -> Outcome {
    let mut out = std::io::stdout().lock();
    let mut wrong = None;
    let mut fits = 0;
    for (name, verdict) in &rows {
        let text = match verdict {
            Ok(()) => {
                fits += 1;
                "taken".to_owned()
            }
            Err(TextError::Unfit {
                heater,
                needed,
                most,
                ..
            }) => format!("not hot enough: {heater} {needed} C, {most} can be reached"),
            Err(error) => {
                wrong = wrong.or(Some(error));
                error.to_string()
            }
        };
        writeln!(out, "{title}, {name}: {text}").map_err(Failure::failed)?;
    }
    match wrong {
        Some(error) => Err(Failure::refused(error)),
        None if fits == 0 => Err(Failure::refused(format!(
            "{title}: nothing that is known here fits it."
        ))),
        None => Ok(()),
    }
}
