//! `calvaria designer`: one case, as the station starts it. Not typed by people.

use super::{Failure, Outcome};
use crate::design::{self, Options, Watcher};
use crate::implant::Lighten;
use crate::intake;
use crate::status::{DesignOutcome, DesignerLine, Finding, Progress, Reason};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// One case for the station: files in, checked G-code out, JSON lines on standard output.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder of the case; its files are written here.
    #[arg(long = "case", required_unless_present = "look")]
    folder: Option<PathBuf>,
    /// Only say on one line whose scans lie in the input, by hashes, and whether more is missing; change nothing.
    #[arg(long)]
    look: bool,
    /// The drop: a folder or a file.
    #[arg(long)]
    input: PathBuf,
    /// Name of the machine's profile.
    #[arg(long, default_value = "virtual")]
    printer: String,
    /// Name of the material.
    #[arg(long, default_value = "pla")]
    material: String,
    /// `auto`, `cpu` or `cuda:N`.
    #[arg(long, default_value = "auto")]
    device: String,
    /// How parts are made lighter where no order says it.
    #[arg(long, default_value = "none")]
    lighten: Lighten,
    /// Keep nothing of who the patient is.
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(args: Args) -> Outcome {
    // Printing and the page come first on a small box.
    let _ = rustix::process::nice(10);
    end_with_the_station().map_err(Failure::failed)?;
    let Some(folder) = args.folder.as_deref().filter(|_| !args.look) else {
        let look = intake::look(&args.input, &intake::Limits::default());
        return line(&look).map_err(Failure::failed);
    };
    let outcome = design(&args, folder);
    let code = match &outcome {
        DesignOutcome::Designed(_) => None,
        DesignOutcome::Refused(why) => Some(Failure::refused(&why.text)),
        DesignOutcome::Failed(why) => Some(Failure::failed(&why.text)),
    };
    say(&DesignerLine::Outcome(outcome));
    code.map_or(Ok(()), Err)
}

fn design(args: &Args, folder: &Path) -> DesignOutcome {
    let device = match args.device.parse() {
        Ok(device) => device,
        Err(error) => {
            let text = crate::network::NetworkError::to_string(&error);
            return DesignOutcome::Failed(Reason::new(
                text,
                "Correct [design] device in the configuration.",
            ));
        }
    };
    let options = Options {
        device,
        printer: args.printer.clone(),
        material: args.material.clone(),
        lighten: args.lighten,
        identity: !args.strict,
        ..Options::default()
    };
    design::run(&args.input, folder, &options, &mut Pipe(Instant::now()))
}

/// Passes what happens on to the station.
struct Pipe(Instant);

impl Watcher for Pipe {
    fn progress(&mut self, progress: &Progress) {
        say(&DesignerLine::Progress(progress.clone()));
    }
    fn finding(&mut self, finding: &Finding) {
        say(&DesignerLine::Finding(finding.clone()));
    }
    fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// One line on standard output. The station reads it; when it has gone, so does this process.
fn say(said: &DesignerLine) {
    if let Err(error) = line(said) {
        tracing::warn!(%error, "the station does not listen");
    }
}

fn line(value: &impl serde::Serialize) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let text = serde_json::to_string(value)?;
    writeln!(out, "{text}")?;
    out.flush()
}

/// Standard input is a pipe that the station holds: when it closes, nobody waits for this case any more.
fn end_with_the_station() -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("station-watch".into())
        .spawn(|| {
            let mut bytes = [0; 64];
            while !matches!(std::io::stdin().read(&mut bytes), Ok(0) | Err(_)) {}
            tracing::warn!("the station has gone; this design ends");
            #[allow(
                clippy::exit,
                reason = "the one way to end a process whose main thread is deep in a network"
            )]
            std::process::exit(1);
        })?;
    Ok(())
}
