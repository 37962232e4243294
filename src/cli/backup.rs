//! `calvaria backup` and `calvaria restore`: store, record, pepper and configuration in one file, and back.

use super::{Failure, Outcome};
use crate::station::backup::{self, BackupError, Head};
use crate::station::config::home;
use std::path::{Path, PathBuf};

/// Store, record, PINs and configuration of this station in one file. The station may go on meanwhile.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  calvaria backup /media/stick/ward3.calvaria-backup --cases")]
pub(super) struct Args {
    /// File to write; it must not be there.
    out: PathBuf,
    /// The files of the cases as well (parts, G-code, pictures): much more, and what names patients.
    #[arg(long)]
    cases: bool,
    #[command(flatten)]
    of: Of,
}

/// Which station.
#[derive(Debug, clap::Args)]
pub(super) struct Of {
    /// Configuration of the station.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data folder, instead of the configuration's.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Puts such a file back into a station that has no cases and no people yet. The station has to be stopped.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  calvaria restore /media/stick/ward3.calvaria-backup")]
pub(super) struct RestoreArgs {
    /// The file.
    file: PathBuf,
    /// Move a store that is in use aside (store.replaced.db) first.
    #[arg(long)]
    replace: bool,
    /// Write the configuration that lies in it to this file.
    #[arg(long, value_name = "FILE")]
    config_to: Option<PathBuf>,
    /// Only say whether the file is whole and what is in it.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    of: Of,
}

impl Of {
    /// The data folder, and the configuration's file where there is one.
    pub(super) fn find(&self) -> Result<(PathBuf, Option<PathBuf>), Failure> {
        let given = self.config.as_deref();
        let (config, path) = crate::station::Config::find(given).map_err(Failure::usage)?;
        let data = match &self.data {
            Some(data) => home(data).map_err(Failure::usage)?,
            None => config.data,
        };
        super::operator::is_own(&data, "calvaria …")?;
        Ok((data, path))
    }
}

pub(super) fn run(args: Args) -> Outcome {
    let (data, config) = args.of.find()?;
    let now = super::serve::stamp(&jiff::Zoned::now());
    let head = backup::write(&data, config.as_deref(), &args.out, (args.cases, &now));
    told(&args.out, &head.map_err(failure)?);
    Ok(())
}

pub(super) fn restore(args: RestoreArgs) -> Outcome {
    if args.check {
        told(&args.file, &backup::check(&args.file).map_err(failure)?);
        return Ok(());
    }
    let (data, _) = args.of.find()?;
    let how = (args.replace, args.config_to.as_deref());
    let head = backup::restore(&data, &args.file, how).map_err(failure)?;
    told(&args.file, &head);
    super::print(&format!("It is in {} now.", data.display()));
    Ok(())
}

fn told(path: &Path, head: &Head) {
    let (path, n) = (path.display(), head.files.len());
    super::print(&format!(
        "{path}: {n} files, made {} by version {}.",
        head.at, head.version
    ));
}

/// What is in the way is a refusal.
fn failure(error: BackupError) -> Failure {
    match error {
        BackupError::Runs(_) | BackupError::InUse { .. } => Failure::refused(error),
        other => Failure::failed(other),
    }
}
