//! `calvaria stop`.

/// (in work)
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: Args) -> super::Outcome {
    Err(super::Failure::failed("this command is still in work"))
}
