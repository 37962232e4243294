//! `calvaria update`: what is installed here, and how a new image gets into the other slot.

use super::{Failure, Outcome};
use crate::printer::client::{Client, SOCKET};
use crate::printer::wire::Command;
use crate::station::hold::{self, HoldError};
use crate::station::{Config, config::home};
use crate::status::{Installation, PrinterState, Step, UpdateView};
use crate::update::install::{self, Job, UpdateError};
use crate::update::rauc::{Rauc, RaucError};
use crate::update::state::{Folder, boot_id};
use std::any::Any;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

mod restart;

/// Read and removed by `image/rootfs/usr/lib/calvaria/pre-install`.
const DOWNGRADE_FLAG: &str = "/run/calvaria-downgrade";
/// A link that lives answers within this time.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// What is installed here, and how a new image gets into the other slot.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  calvaria update install /media/stick/calvaria-1.2.0.raucb --wait"
)]
pub(super) struct Args {
    #[command(subcommand)]
    act: Act,
    /// Configuration of the station.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data folder, instead of the configuration's.
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Slots, versions, the last installation and what became of it.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Ask RAUC now and keep what it says where the station shows it (as root, at each start of the box).
        #[arg(long)]
        keep: bool,
    },
    /// Install a bundle into the other slot. It is used after the next start of the box.
    Install {
        /// The bundle (`.raucb`).
        bundle: PathBuf,
        /// Install it although it is older than what runs.
        #[arg(long)]
        allow_downgrade: bool,
        /// Wait while something is printed, released or designed, instead of refusing.
        #[arg(long)]
        wait: bool,
        /// Remove the bundle when it was installed or refused: it was uploaded for this.
        #[arg(long)]
        remove: bool,
        /// The end as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Restart the box when nothing is printed, released or designed (as root).
    Restart {
        /// Wait while something is, instead of refusing.
        #[arg(long)]
        wait: bool,
        /// Say whether it could be restarted now, and leave it at that: exit code 3 when not.
        #[arg(long, conflicts_with = "wait")]
        ask: bool,
    },
}

pub(super) fn run(args: Args) -> Outcome {
    let mut config = super::serve::configuration(args.config.as_deref(), None)?;
    if let Some(data) = &args.data {
        config.data = home(data).map_err(Failure::usage)?;
    }
    let folder = Folder::of(&config.data);
    match args.act {
        Act::Status { json, keep } => status(&folder, json, keep),
        Act::Restart { wait, ask } => restart::run(&config.data, wait, ask),
        Act::Install {
            bundle,
            allow_downgrade,
            wait,
            remove,
            json,
        } => {
            let done = install(&config, &folder, &bundle, (allow_downgrade, wait, json));
            // What waits is still wanted; what can not be written down says nothing of the bundle.
            let over = !matches!(done, Err(UpdateError::Busy(_) | UpdateError::Keep(_)));
            if remove
                && over
                && let Err(error) = std::fs::remove_file(&bundle)
            {
                tracing::warn!(kind = ?error.kind(), "the bundle could not be removed");
            }
            done.map_err(|error| {
                let what = error.to_string();
                let text = format!("{}. {}", what.trim_end_matches('.'), error.next());
                match error {
                    UpdateError::Keep(_)
                    | UpdateError::Rauc(RaucError::Start(_) | RaucError::Slow) => {
                        Failure::failed(text)
                    }
                    // Written to, and broken off.
                    _ if folder
                        .installation()
                        .is_some_and(|i| i.step == Step::Failed) =>
                    {
                        Failure::failed(text)
                    }
                    _ => Failure::refused(text),
                }
            })
        }
    }
}

fn status(folder: &Folder, json: bool, keep: bool) -> Outcome {
    let mut trouble = None;
    if keep {
        match Rauc::find().and_then(|rauc| rauc.status()) {
            Ok(status) => folder.keep_slots(&status).map_err(Failure::failed)?,
            Err(RaucError::None) => {}
            Err(error) => trouble = Some(error),
        }
    }
    let view = match Rauc::find().and_then(|rauc| rauc.status()) {
        // As it is now, whether or not it may be kept.
        Ok(status) => folder.view_with(&status, &boot_id()),
        Err(_) => folder.view(&boot_id()),
    };
    if json {
        let text = serde_json::to_string(&view).map_err(Failure::failed)?;
        super::print(&text);
    } else {
        told(&view);
    }
    trouble.map_or(Ok(()), |error| Err(Failure::failed(error)))
}

fn told(view: &UpdateView) {
    if view.is_image {
        super::print(&format!("{} runs in slot {}", view.version, view.slot));
        for slot in &view.slots {
            let runs = if slot.booted { "runs" } else { "" };
            let good = if slot.good {
                "good"
            } else {
                "not to be started"
            };
            let line = format!("{:4} {:10} {good:18} {runs}", slot.boot_name, slot.version);
            super::print(line.trim_end());
        }
    } else {
        super::print(&format!(
            "{} runs. This box was not installed as an image: it has no slots, and is updated by hand.",
            view.version
        ));
    }
    if let Some(last) = &view.installation {
        super::print(&line_of(last));
    }
    if !view.taken_back.is_empty() {
        super::print(&view.taken_back);
    }
}

/// One line of an installation.
fn line_of(at: &Installation) -> String {
    let percent = match at.step {
        Step::Installing => format!("{} % ", at.percent),
        _ => String::new(),
    };
    format!("update {}: {percent}{} {}", at.version, at.text, at.next)
        .trim_end()
        .to_owned()
}

fn install(
    config: &Config,
    folder: &Folder,
    bundle: &Path,
    (allow_downgrade, wait, json): (bool, bool, bool),
) -> Result<(), UpdateError> {
    let rauc = Rauc::find().map_err(|e| match e {
        RaucError::None => UpdateError::NoImage,
        other => other.into(),
    })?;
    // RAUC runs elsewhere, with another working folder.
    let bundle = std::path::absolute(bundle)?;
    let last = RefCell::new(String::new());
    let job = Job {
        rauc: &rauc,
        folder,
        bundle: &bundle,
        allow_downgrade,
        downgrade_flag: Path::new(DOWNGRADE_FLAG),
        running: &running(),
        hold: &|busy| keep_still(&config.data, wait, busy),
        self_test: &|| super::self_test::report(config),
        now: &|| super::serve::stamp(&jiff::Zoned::now()),
        tell: &|at| {
            let line = line_of(at);
            if !json && !matches!(at.step, Step::Refused | Step::Failed) && *last.borrow() != line {
                super::print(&line);
                *last.borrow_mut() = line;
            }
        },
    };
    let done = install::install(&job);
    if json && let Some(at) = folder.installation() {
        super::print(&serde_json::to_string(&at).unwrap_or_default());
    }
    done.map(drop)
}

/// Version of the image that runs, as its own file says.
fn running() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = text.lines().find_map(|l| l.strip_prefix("IMAGE_VERSION="));
    value.unwrap_or_default().trim_matches('"').to_owned()
}

/// The link prints, whatever the station knows of it.
fn prints(data: &Path) -> bool {
    let asked = Client::connect(&data.join(SOCKET), ANSWER_MAX)
        .and_then(|mut client| client.ask(Command::Status));
    let state = asked.map(|status| status.state);
    matches!(state, Ok(PrinterState::Printing | PrinterState::Paused))
}

/// Keeps the station still, or the link alone where no station runs.
fn keep_still(
    data: &Path,
    wait: bool,
    busy: &mut dyn FnMut(&str),
) -> Result<Box<dyn Any>, UpdateError> {
    if !super::self_test::station_runs(data) {
        return match prints(data) {
            true => Err(UpdateError::Busy("something is being printed".into())),
            // Nothing runs that could begin anything.
            false => Ok(Box::new(())),
        };
    }
    let mut why = String::new();
    let held = hold::ask(data, &mut |now| {
        if why != now {
            now.clone_into(&mut why);
            busy(now);
        }
        wait
    });
    match held {
        Ok(Some(held)) => Ok(Box::new(held)),
        Ok(None) => Err(UpdateError::Busy(why.trim_end_matches('.').into())),
        Err(HoldError::Io(error)) => Err(error.into()),
        Err(error) => Err(UpdateError::Busy(error.to_string())),
    }
}
