//! `calvaria reset`: a station begins as a new one, with or without its cases.

use super::{Failure, Outcome};
use crate::station::backup::BackupError;
use crate::station::reset::reset;

/// Makes this station a new one: people, certificate and setup go, and the cases too unless they are kept. It has to be
/// stopped. Nothing comes back but from a backup.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("what").required(true),
    after_help = "Example:\n  calvaria reset --keep-cases"
)]
pub(super) struct Args {
    /// Cases, what was dropped for them, and the record stay.
    #[arg(long, group = "what")]
    keep_cases: bool,
    /// Everything under the data folder goes.
    #[arg(long, group = "what")]
    everything: bool,
    #[command(flatten)]
    of: super::backup::Of,
}

pub(super) fn run(args: Args) -> Outcome {
    let (data, _) = args.of.find()?;
    let now = super::serve::stamp(&jiff::Zoned::now());
    reset(&data, args.keep_cases, &now).map_err(|error| match error {
        BackupError::Runs(_) => Failure::refused(error),
        other => Failure::failed(other),
    })
}
