//! `calvaria check`: the validator alone.

use super::{Failure, Outcome};
use crate::gcode::{Checked, Checker, Printer, Violation};
use std::io::{BufReader, Write};
use std::path::PathBuf;

/// Prove a G-code file against a printer's limits: every move, temperature, feed, flow and extrusion.
///
/// Exit code 0: proved. 3: refused, with line, limit and what to do.
///
/// Examples:
///   calvaria check implant.gcode --printer prusa-mk3s
///   calvaria check re-entry.gcode --from-layer 42
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The G-code file.
    file: PathBuf,
    /// Printer profile.
    #[arg(long, value_name = "P", default_value = "virtual")]
    printer: String,
    /// The file is a re-entry: it goes on with a print that was cut off, at layer K.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(2..))]
    from_layer: Option<u32>,
    /// Judge what can be judged of a file that was not made here: its commands alone. No machine is given it.
    #[arg(long)]
    unsealed: bool,
    /// Print the verdict as JSON on stdout.
    #[arg(long)]
    json: bool,
}

/// The verdict as scripts see it.
#[derive(serde::Serialize)]
struct Verdict<'a> {
    ok: bool,
    printer: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    checked: Option<&'a Checked>,
    violations: &'a [Violation],
}

pub(super) fn run(args: Args) -> Outcome {
    let printer = Printer::load(&args.printer).map_err(Failure::usage)?;
    let name = args.file.display();
    let unreadable = |e| Failure::failed(format!("{name} can not be read: {e}"));
    let file = std::fs::File::open(&args.file).map_err(unreadable)?;
    let checker = match args.from_layer {
        Some(layer) => Checker::re_entry(&printer, layer as usize),
        None => Checker::new(&printer),
    };
    let checker = if args.unsealed {
        checker
    } else {
        checker.sealed_only()
    };
    let verdict = checker.read(BufReader::new(file)).map_err(unreadable)?;
    let mut out = std::io::stdout().lock();
    let written = if args.json {
        let report = Verdict {
            ok: verdict.is_ok(),
            printer: &printer.name,
            checked: verdict.as_ref().ok(),
            violations: verdict.as_ref().err().map_or(&[], Vec::as_slice),
        };
        let text = serde_json::to_string_pretty(&report).map_err(Failure::failed)?;
        writeln!(out, "{text}")
    } else {
        match &verdict {
            Ok(checked) => writeln!(out, "{}", summary(checked, &printer)),
            Err(violations) => violations.iter().try_for_each(|v| writeln!(out, "{v}")),
        }
    };
    written.map_err(Failure::failed)?;
    match verdict {
        Ok(_) => Ok(()),
        Err(violations) => Err(Failure::refused(format!(
            "{name} must not be printed on {}: {}",
            printer.title,
            violations
                .first()
                .map_or_else(String::new, ToString::to_string)
        ))),
    }
}

fn summary(c: &Checked, printer: &Printer) -> String {
    format!(
        "proved for {}: {} lines, {} moves, {:.1} m filament, hotend {} C, bed {} C, \
         up to {:.0} mm/s and {:.1} mm3/s, X {:.1} to {:.1}, Y {:.1} to {:.1}, Z to {:.1} mm{}",
        printer.title,
        c.lines,
        c.moves,
        c.filament_mm / 1000.0,
        c.hotend_c,
        c.bed_c,
        c.speed_mm_s,
        c.flow_mm3_s,
        c.low_mm[0],
        c.high_mm[0],
        c.low_mm[1],
        c.high_mm[1],
        c.high_mm[2],
        match (c.sealed, c.held) {
            (false, _) => " (not made here: its commands alone, not what they make)",
            (true, false) =>
                " (without the slicer's facts: its commands alone, not what they make)",
            (true, true) => "",
        }
    )
}
