//! `calvaria printer`: the process that owns the port.

use super::{Failure, Outcome};
use crate::gcode::{Dialect, Printer};
use crate::printer::link::{Config, PortConfig, StandIn, run as run_link};
use crate::printer::moonraker::client::Address;
use crate::printer::started::{Keeper, Started};
use crate::station::Config as StationConfig;
use crate::station::config::home;
use std::path::{Path, PathBuf};

/// The printer link: owns the port, keeps a journal, goes on printing when the station is killed or updated.
/// Started by the station or by systemd; not typed by people.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  calvaria printer --config /etc/calvaria/calvaria.toml")]
pub(super) struct Args {
    /// Configuration of the station; without it /etc/calvaria/calvaria.toml where that is there. What is given below
    /// goes before it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data folder: socket and lock in run/, journal in printer/.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// "virtual", a serial device, pty:PATH, tcp:HOST:PORT, or moonraker:HOST:PORT.
    #[arg(long, value_name = "PORT")]
    port: Option<String>,
    /// Bits per second; without it the configuration's, and where that names none the profile's.
    #[arg(long, value_name = "N")]
    baud: Option<u32>,
    /// Printer profile.
    #[arg(long, value_name = "P")]
    profile: Option<String>,
    /// A file with Moonraker's API key.
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Stop button: an input device, by its path.
    #[arg(long, value_name = "PATH")]
    stop_button: Option<PathBuf>,
    /// Takes the mains from the printer behind an emergency: a program; once more for each of its arguments.
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    switch_off: Vec<String>,
    /// Who starts it anew when it ends.
    #[arg(long, hide = true, value_parser = ["station"])]
    keeper: Option<String>,
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
    let (config, _) = StationConfig::find(args.config.as_deref()).map_err(Failure::usage)?;
    let data = match &args.data {
        Some(data) => home(data).map_err(Failure::usage)?,
        None => config.data,
    };
    let profile = args.profile.as_ref().unwrap_or(&config.printer.profile);
    let printer = Printer::load(profile).map_err(Failure::usage)?;
    let baud = args.baud.unwrap_or(config.printer.baud_of(&printer));
    let named = args
        .port
        .as_deref()
        .unwrap_or_else(|| config.printer.place());
    let started = Started::new(named, baud, &printer, keeper(&args));
    let port = if named == "virtual" {
        let program = std::env::current_exe().map_err(Failure::failed)?;
        PortConfig::Virtual(stand_in(&args, &data, profile, program))
    } else if let Some(address) = named.strip_prefix("tcp:") {
        PortConfig::Tcp {
            address: address.into(),
        }
    } else if let Some(host) = named.strip_prefix("moonraker:") {
        if printer.dialect != Dialect::Klipper {
            return Err(Failure::usage(format!(
                "Moonraker drives Klipper, and the profile {} is for {}. Set printer.profile to the profile of this printer (its dialect is klipper), or printer.transport to serial.",
                printer.name, printer.dialect
            )));
        }
        PortConfig::Moonraker(Address {
            host: host.into(),
            key: key_of(
                args.api_key_file
                    .as_ref()
                    .unwrap_or(&config.printer.api_key_file),
            )?,
        })
    } else {
        PortConfig::Path {
            path: started.port.clone(),
            baud,
        }
    };
    let button = Some(config.printer.stop_button).filter(|path| !path.as_os_str().is_empty());
    run_link(Config {
        data,
        printer,
        port,
        started,
        stop_button: args.stop_button.or(button),
        switch_off: if args.switch_off.is_empty() {
            config.printer.switch_off
        } else {
            args.switch_off
        },
    })
    .map_err(Failure::failed)
}

/// The key in that file; no file, no key.
fn key_of(file: &Path) -> Result<String, Failure> {
    if file.as_os_str().is_empty() {
        return Ok(String::new());
    }
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::usage(format!(
            "printer.api_key_file, {}, can not be read: {error}. Write Moonraker's API key into it.",
            file.display()
        ))
    })?;
    let key = text.trim();
    if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Failure::usage(format!(
            "printer.api_key_file, {}, holds no key. Write Moonraker's API key into it, on one line.",
            file.display()
        )));
    }
    Ok(key.into())
}

/// systemd gives every unit it starts an id; what a station's unit hands on to its children is not meant.
fn keeper(args: &Args) -> Keeper {
    match (&args.keeper, std::env::var_os("INVOCATION_ID")) {
        (Some(_), _) => Keeper::Station,
        (None, Some(_)) => Keeper::Systemd,
        (None, None) => Keeper::Hand,
    }
}

fn stand_in(args: &Args, data: &Path, profile: &str, program: PathBuf) -> StandIn {
    let mut arguments: Vec<String> = [
        "--idle-exit",
        IDLE_S,
        "--profile",
        profile,
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
        pty: data.join("run/virtual-printer"),
        arguments,
    }
}
