//! `calvaria self-test`: does everything that this program needs on this machine answer?

use super::{Failure, Outcome};
use crate::display;
use crate::network::Device;
use crate::station::{Config, FREE_MIB_MIN, Store, StoreError, lock};
use crate::update::self_test::{self, Fault, Hands, Report, Seen};
use std::path::{Path, PathBuf};

mod page;

/// Models, profiles, store, record, page, printer, display, disk and clock. Exit code 0 when those that decide are sound
/// (models, profiles, store, page), else 1.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  calvaria self-test --json --before /data/update/before.json")]
pub(super) struct Args {
    /// Configuration of the station.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data folder, instead of the configuration's.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What the slot before found of itself (`self-test --json`): what it passed and this one fails by its own fault counts.
    #[arg(long, value_name = "FILE")]
    before: Option<PathBuf>,
    /// Folder with the model card and weights.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// The report as JSON (`docs/updates.md`).
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> Outcome {
    let config = super::serve::configuration(args.config.as_deref(), args.data)?;
    // Read first: a file that can not be read is wrong use, and no verdict on the slot.
    let before = args.before.as_deref().map(read).transpose()?;
    let mut report = self_test::run(&hands(&config, args.model));
    if let Some(before) = before {
        report = report.after(&before);
    }
    if args.json {
        let text = serde_json::to_string_pretty(&report).map_err(Failure::failed)?;
        super::print(&text);
    } else {
        told(&report);
    }
    match report.ok {
        true => Ok(()),
        false => Err(Failure::failed(format!("not sound. {}", report.why_not()))),
    }
}
/// The report of the station of this configuration as it is now.
pub(super) fn report(config: &Config) -> Report {
    self_test::run(&hands(config, None))
}

fn hands(config: &Config, model: Option<PathBuf>) -> Hands<'_> {
    let runs = station_runs(&config.data);
    Hands {
        data: config.data.clone(),
        model,
        // Checked when the configuration was read.
        device: config.design.device.parse().unwrap_or(Device::Cpu),
        printer: config.printer.profile.clone(),
        material: config.material.name.clone(),
        station_runs: runs,
        free_mib_min: FREE_MIB_MIN,
        now_s: jiff::Timestamp::now().as_second(),
        store: Box::new(|| store(&config.data)),
        record: Box::new(|| record(&config.data)),
        page: Box::new(move || page::look(config, runs)),
        display: Box::new(|| display(config)),
    }
}

/// Somebody holds the folder's lock.
pub(super) fn station_runs(data: &Path) -> bool {
    lock::is_taken(&data.join(lock::STATION))
}

const INSTALL: &str = "Install the newer version, or put a copy of the store back (docs/files.md).";

fn store(data: &Path) -> Seen {
    let place = data.join("store.db").display().to_string();
    match Store::examine(data) {
        Ok(Some(seen)) => Seen::ok(
            format!("It opens and is of version {}.", seen.version),
            place,
        ),
        Ok(None) => Seen::skipped("There is no store yet.", place),
        Err(error) if error.is_the_disks() => Seen::skipped(error.to_string(), place),
        Err(error) => Seen::failed(Fault::Slot, error.to_string(), place, INSTALL),
    }
}

fn record(data: &Path) -> Seen {
    let place = data.join("store.db").display().to_string();
    match Store::examine(data) {
        Ok(None) => Seen::skipped("There is no record yet.", place),
        Ok(Some(seen)) => match seen.first_break {
            None => Seen::ok("Every row fits the row before it.", place),
            Some(row) => {
                let text = format!("The record does not fit from row {row} on.");
                Seen::failed(
                    Fault::Slot,
                    text,
                    place,
                    "Keep the file and tell the maintainers.",
                )
            }
        },
        Err(StoreError::Newer { .. }) => Seen::skipped("The store can not be read.", place),
        Err(error) => Seen::failed(Fault::Slot, error.to_string(), place, INSTALL),
    }
}

fn display(config: &Config) -> Seen {
    let output = config.display.output.clone();
    let px = config.display_px().unwrap_or((800, 480));
    match display::Output::open(&output, px) {
        Ok(None) => Seen::skipped("No display is configured.", ""),
        Ok(Some(_)) => Seen::ok("It can be opened.", output),
        Err(error) => {
            let next = "Look at display.output, and at the panel's cable.";
            Seen::failed(
                Fault::Slot,
                format!("It can not be opened: {error}."),
                output,
                next,
            )
        }
    }
}

fn read(path: &Path) -> Result<Report, Failure> {
    let wrong = |e: &dyn std::fmt::Display| {
        Failure::usage(format!(
            "{}: {e}. Give what `calvaria self-test --json` wrote.",
            path.display()
        ))
    };
    let text = std::fs::read_to_string(path).map_err(|e| wrong(&e))?;
    serde_json::from_str(&text).map_err(|e| wrong(&e))
}

/// One line a check.
fn told(report: &Report) {
    use self_test::Outcome::{Failed, Ok, Skipped};
    for check in &report.checks {
        let word = match check.outcome {
            Ok => "ok",
            Failed => "FAILED",
            Skipped => "-",
        };
        let decides = match check.weight {
            self_test::Weight::Decides => "decides",
            self_test::Weight::Reported => "",
        };
        let line = format!(
            "{:9} {decides:8} {word:7} {} {}",
            check.name, check.what, check.next
        );
        super::print(line.trim_end());
    }
}
