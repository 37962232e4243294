//! `calvaria operator`: who may release a print.

use super::{Failure, Outcome};
use crate::station::config::home;
use crate::station::{Store, StoreError};
use crate::status::Role;
use std::io::{BufRead, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Who may release a print: names and PINs.
///
/// Example: `echo 481516 | calvaria operator add "A. Weber" --pin-stdin`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    act: Act,
    /// Configuration of the station.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    /// Data folder of a station that has a store, instead of the configuration's.
    #[arg(long, global = true)]
    data: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Add a person, or give one a new PIN (at least 6 digits) and role.
    Add {
        /// The person's name, as the record shows it.
        name: String,
        /// operator releases; supervisor also what is doubtful; service looks after the machine. Without it somebody new
        /// is an operator, and who is on the list stays what they are.
        #[arg(long)]
        role: Option<Role>,
        /// Read the PIN from standard input instead of asking.
        #[arg(long)]
        pin_stdin: bool,
    },
    /// Who may release.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Forget the wrong PINs of a person, or of everybody, so that nobody has to wait.
    Unlock {
        /// The person's name; without it everybody's.
        name: Option<String>,
    },
    /// Take the right away. What they released stays in the record.
    Remove {
        /// The person's name.
        name: String,
    },
}

pub(super) fn run(args: Args) -> Outcome {
    let config = super::serve::configuration(args.config.as_deref(), None)?;
    // A folder typed by hand may be mistyped, and only adding may begin a new station.
    let begins = args.data.is_none() && matches!(args.act, Act::Add { .. });
    let data = match &args.data {
        Some(data) => home(data).map_err(Failure::usage)?,
        None => config.data,
    };
    is_own(&data, "calvaria operator …")?;
    let mut store = match Store::open_existing(&data) {
        Err(StoreError::None(_)) if begins => {
            let store = Store::open(&data, super::serve::random_seed()).map_err(Failure::failed)?;
            tracing::warn!(
                "there was no store yet: a new one was made in {}",
                data.display()
            );
            store
        }
        opened => opened.map_err(Failure::failed)?,
    };
    let now = super::serve::stamp(&jiff::Zoned::now());
    match args.act {
        Act::Unlock { name } => store
            .unlock(&name.unwrap_or_default(), &now)
            .map_err(Failure::failed),
        Act::Add {
            name,
            role,
            pin_stdin,
        } => {
            let pin = read_pin(pin_stdin)?;
            let people = store.operators().map_err(Failure::failed)?;
            let before = people.iter().find(|p| p.name == name.trim());
            let role = role.or(before.map(|p| p.role)).unwrap_or_default();
            store
                .add_operator(&name, &pin, role, &now)
                .map_err(Failure::usage)
        }
        Act::List { json } => list(&store, json),
        Act::Remove { name } => match store
            .remove_operator(&name, &now)
            .map_err(Failure::failed)?
        {
            true => Ok(()),
            false => Err(Failure::failed(format!(
                "nobody is called {name}. Look with `calvaria operator list`."
            ))),
        },
    }
}

/// What root writes into another user's store that user can not open any more.
pub(super) fn is_own(data: &Path, say: &str) -> Outcome {
    let Ok(folder) = std::fs::metadata(data) else {
        // Not there yet: it will be ours.
        return Ok(());
    };
    if rustix::process::geteuid().is_root() && folder.uid() != 0 {
        let uid = folder.uid();
        return Err(Failure::usage(format!(
            "{} belongs to user number {uid}, and what root writes there it could not open. Say: sudo -u '#{uid}' {say}",
            data.display()
        )));
    }
    Ok(())
}

fn list(store: &Store, json: bool) -> Outcome {
    let operators = store.operators().map_err(Failure::failed)?;
    let mut out = std::io::stdout().lock();
    let written = if json {
        let list: Vec<_> = operators
            .iter()
            .map(|p| serde_json::json!({ "name": p.name, "role": p.role, "added": p.added }))
            .collect();
        writeln!(out, "{}", serde_json::Value::from(list))
    } else {
        operators
            .iter()
            .try_for_each(|p| writeln!(out, "{}\t{}\t{}", p.name, p.role.word(), p.added))
    };
    written.map_err(Failure::failed)
}

/// The PIN from standard input. On a terminal it is not shown while it is typed.
fn read_pin(from_stdin: bool) -> Result<String, Failure> {
    let stdin = std::io::stdin();
    let asks = !from_stdin && stdin.is_terminal();
    if !from_stdin && !asks {
        return Err(Failure::usage(
            "standard input is no terminal; give the PIN there and say --pin-stdin.",
        ));
    }
    let before = if asks {
        eprint!("PIN (at least 6 digits, not shown): ");
        let before = rustix::termios::tcgetattr(&stdin).map_err(Failure::failed)?;
        let mut silent = before.clone();
        silent.local_modes.remove(rustix::termios::LocalModes::ECHO);
        rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Flush, &silent)
            .map_err(Failure::failed)?;
        Some(before)
    } else {
        None
    };
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    if let Some(before) = before {
        rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Flush, &before)
            .map_err(Failure::failed)?;
        eprintln!();
    }
    read.map_err(Failure::failed)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_string())
}
