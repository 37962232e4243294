//! `calvaria stop`.

use super::{Failure, Outcome};
use crate::printer::client::{Client, SOCKET};
use crate::printer::wire::{Command, Status};
use crate::station::Config;
use crate::station::config::home;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Emergency stop, straight to the link; says whether the printer has confirmed it. Needs neither station nor PIN.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  calvaria stop --data /var/lib/calvaria")]
pub(super) struct Args {
    /// Data folder of the station.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration that says where it is; without it /etc/calvaria/calvaria.toml where that is there.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The state after the stop as JSON.
    #[arg(long)]
    json: bool,
}

/// A link that is alive answers in milliseconds.
const LIMIT: Duration = Duration::from_secs(3);

#[allow(clippy::print_stdout)] // results go to stdout
pub(super) fn run(args: Args) -> Outcome {
    let mut client = Client::connect(&data(&args).join(SOCKET), LIMIT).map_err(Failure::failed)?;
    let mut status = client
        .ask(Command::EmergencyStop)
        .map_err(Failure::failed)?;
    // Sent is not stopped: the link asks the printer again and again, and gives its verdict before this time is over.
    let asked = Instant::now();
    while is(&status, "stop_sent") && asked.elapsed() < LIMIT {
        std::thread::sleep(Duration::from_millis(50));
        status = client.ask(Command::Status).map_err(Failure::failed)?;
    }
    let confirmed = is(&status, "emergency_stop");
    if args.json {
        let text = serde_json::to_string(&status).map_err(Failure::failed)?;
        println!("{text}");
    } else {
        println!("{}", status.fault.map_or(String::new(), |fault| fault.text));
    }
    if confirmed {
        Ok(())
    } else {
        Err(Failure::failed(
            "the printer did not confirm the emergency stop. Use its own switch.",
        ))
    }
}

/// A configuration that can not be read must not be in the way of a stop: then the folder is where it always is.
fn data(args: &Args) -> PathBuf {
    let typed = args
        .data
        .as_deref()
        .map(|data| home(data).unwrap_or_else(|_| data.into()));
    typed.unwrap_or_else(|| match Config::find(args.config.as_deref()) {
        Ok((config, _)) => config.data,
        Err(error) => {
            tracing::warn!("{error}");
            Config::default().data
        }
    })
}

/// The fault that is shown now, by name.
fn is(status: &Status, fault: &str) -> bool {
    status.fault.as_ref().is_some_and(|f| f.name == fault)
}
