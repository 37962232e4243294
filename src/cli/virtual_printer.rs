//! `calvaria virtual-printer`.

use super::{Failure, Outcome};
use crate::gcode::Printer;
use crate::printer::virtual_printer::{Dialect, Faults, Options, Serve, serve};
use std::path::PathBuf;

/// Marlin without metal: a printer at the end of a pseudo-terminal, behaving as measured on the real firmware.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  calvaria virtual-printer --pty /tmp/printer --speed 60 --log moves.jsonl\n  \
    calvaria printer --data DATA --port pty:/tmp/printer"
)]
pub(super) struct Args {
    /// Where the port will be: a link to the pseudo-terminal.
    #[arg(long, value_name = "PATH")]
    pty: PathBuf,
    /// Virtual seconds in a second.
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    speed: f64,
    /// Faults of wire and board (TOML), or "bad-line" for bytes lost, flipped and doubled at 1e-4 and lost oks.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Decides which bytes the faults hit.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// What reached the firmware and what was executed, one JSON record a line.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Profile whose speeds, accelerations and temperatures the board has.
    #[arg(long, default_value = "virtual", value_name = "P")]
    profile: String,
    /// Which firmware: marlin, prusa, buddy, klipper, reprapfirmware, repetier, or the older marlin-2.0 and prusa-3.11.
    /// Without it: the profile's.
    #[arg(long, value_name = "NAME")]
    dialect: Option<String>,
    /// Which Marlin: 2.1 swallows a repeated line number in silence, 2.0 asks again.
    #[arg(long, value_parser = ["2.0", "2.1"], value_name = "VERSION", conflicts_with = "dialect")]
    marlin: Option<String>,
    /// Built with EMERGENCY_PARSER.
    #[arg(long)]
    emergency_parser: bool,
    /// End when nobody had the port open for so many seconds.
    #[arg(long, value_name = "S")]
    idle_exit: Option<f64>,
}

pub(super) fn run(args: Args) -> Outcome {
    if !(args.speed.is_finite() && args.speed > 0.0) {
        return Err(Failure::usage("--speed must be above 0"));
    }
    let printer = Printer::load(&args.profile).map_err(Failure::usage)?;
    let faults = match &args.faults {
        None => Faults::default(),
        Some(name) if name.as_os_str() == "bad-line" => Faults::bad_line(1e-4),
        Some(path) => Faults::load(path).map_err(Failure::usage)?,
    };
    let name = match (&args.dialect, &args.marlin) {
        (Some(name), _) => name.clone(),
        (None, Some(version)) => format!("marlin-{version}"),
        (None, None) => printer.dialect.name().to_owned(),
    };
    let dialect = Dialect::named(&name).ok_or_else(|| {
        Failure::usage(format!(
            "--dialect {name}: there is no such firmware here; see --help"
        ))
    })?;
    let mut options = Options::of(dialect, printer.limits);
    options.emergency_parser |= args.emergency_parser;
    serve(Serve {
        path: args.pty,
        speed: args.speed,
        options,
        faults,
        seed: args.seed,
        log: args.log,
        idle_s: args.idle_exit,
    })
    .map_err(Failure::failed)
}
