//! The one binary: every process of the station is one of its commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    calvaria::cli::run(std::env::args_os())
}
