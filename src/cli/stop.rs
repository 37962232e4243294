//! `calvaria stop`.

use super::{Failure, Outcome};
use crate::printer::client::{Client, SOCKET};
use crate::printer::wire::Command;
use std::path::PathBuf;
use std::time::Duration;

/// Emergency stop, straight to the link: nothing moves, everything is off. Needs neither station nor PIN.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  calvaria stop --data /var/lib/calvaria")]
pub(super) struct Args {
    /// Data folder of the station.
    #[arg(long, default_value = "/var/lib/calvaria", value_name = "DIR")]
    data: PathBuf,
    /// The state after the stop as JSON.
    #[arg(long)]
    json: bool,
}

/// A link that is alive answers in milliseconds.
const LIMIT: Duration = Duration::from_secs(3);

#[allow(clippy::print_stdout)] // results go to stdout
pub(super) fn run(args: Args) -> Outcome {
    let mut client = Client::connect(&args.data.join(SOCKET), LIMIT).map_err(Failure::failed)?;
    let status = client
        .ask(Command::EmergencyStop)
        .map_err(Failure::failed)?;
    if args.json {
        let text = serde_json::to_string(&status).map_err(Failure::failed)?;
        println!("{text}");
    } else {
        let said = status.fault.map_or(String::new(), |fault| fault.text);
        println!("Emergency stop sent. {said}");
    }
    Ok(())
}
