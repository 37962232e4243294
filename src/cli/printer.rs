//! `calvaria printer`: the process that owns the port.

use super::{Failure, Outcome};
use crate::gcode::Printer;
use crate::printer::link::{Config, PortConfig, StandIn, run as run_link};
use std::path::PathBuf;

/// The printer link: owns the port, keeps a journal, goes on printing when the station is killed or updated.
/// Started by the station or by systemd; not typed by people.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  calvaria printer --data /var/lib/calvaria --port /dev/serial/by-id/usb-Prusa --profile prusa-mk3s"
)]
pub(super) struct Args {
    /// Data folder: socket and lock in run/, journal in printer/.
    #[arg(long, default_value = "/var/lib/calvaria", value_name = "DIR")]
    data: PathBuf,
    /// "virtual", a serial device, or pty:PATH.
    #[arg(long, default_value = "virtual", value_name = "PORT")]
    port: String,
    /// Bits per second; the profile's without.
    #[arg(long, value_name = "N")]
    baud: Option<u32>,
    /// Printer profile.
    #[arg(long, default_value = "virtual", value_name = "P")]
    profile: String,
    /// Virtual seconds in a second, for the virtual printer.
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    virtual_speed: f64,
    /// Log of the virtual printer.
    #[arg(long, value_name = "FILE")]
    virtual_log: Option<PathBuf>,
    /// Faults of the virtual printer: a file, or "bad-line".
    #[arg(long, value_name = "FILE")]
    virtual_faults: Option<PathBuf>,
    /// Seed of the virtual printer's faults.
    #[arg(long, default_value_t = 1, value_name = "N")]
    virtual_seed: u64,
}

/// A virtual printer that nobody talks to ends after so many seconds.
const IDLE_S: &str = "60";

pub(super) fn run(args: Args) -> Outcome {
    let printer = Printer::load(&args.profile).map_err(Failure::usage)?;
    let port = if args.port == "virtual" {
        let program = std::env::current_exe().map_err(Failure::failed)?;
        PortConfig::Virtual(stand_in(&args, program))
    } else {
        let path = args.port.strip_prefix("pty:").unwrap_or(&args.port);
        PortConfig::Path {
            path: path.to_owned(),
            baud: args.baud.unwrap_or(printer.link.baud),
        }
    };
    run_link(Config {
        data: args.data,
        printer,
        port,
    })
    .map_err(Failure::failed)
}

fn stand_in(args: &Args, program: PathBuf) -> StandIn {
    let mut arguments: Vec<String> = [
        "--idle-exit",
        IDLE_S,
        "--profile",
        &args.profile,
        "--speed",
        &args.virtual_speed.to_string(),
        "--seed",
        &args.virtual_seed.to_string(),
    ]
    .map(str::to_owned)
    .to_vec();
    for (flag, path) in [
        ("--log", &args.virtual_log),
        ("--faults", &args.virtual_faults),
    ] {
        if let Some(path) = path {
            arguments.extend([flag.to_owned(), path.to_string_lossy().into_owned()]);
        }
    }
    StandIn {
        program,
        pty: args.data.join("run/virtual-printer"),
        arguments,
    }
}
