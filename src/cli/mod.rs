//! Cli: one file a command; parses, calls, prints. The entry of every process.
//!
//! Results go to stdout, logs and errors to stderr. Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused.

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::ExitCode;

mod backup;
mod check;
mod demo;
mod design;
mod designer;
mod evaluate;
mod forward;
mod line;
mod node;
mod operator;
mod phantom;
mod predict;
mod printer;
mod profile;
mod reset;
mod self_test;
mod serve;
mod shell;
mod slice;
mod stop;
mod update;
mod virtual_printer;

/// A head CT with a hole in the skull goes in; a part that fits the hole comes off the printer.
#[derive(Debug, Parser)]
#[command(
    name = "calvaria",
    version,
    propagate_version = true,
    max_term_width = 110
)]
struct Cli {
    /// More log lines: -v debug, -vv trace. `CALVARIA_LOG` overrides.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
    /// How log lines are written; without: json from the station's processes when no terminal reads them, else text.
    #[arg(long, value_enum, value_name = "FORM", global = true)]
    log_form: Option<LogForm>,
    #[command(subcommand)]
    command: Command,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum LogForm {
    /// One line for people.
    Text,
    /// One JSON object a line, for the journal and for scripts.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Serve(serve::Args),
    Design(design::Args),
    Predict(predict::Args),
    Evaluate(evaluate::Args),
    Phantom(phantom::Args),
    Slice(slice::Args),
    Check(check::Args),
    Profile(profile::Args),
    Stop(stop::Args),
    Operator(operator::Args),
    SelfTest(self_test::Args),
    Update(update::Args),
    Backup(backup::Args),
    Restore(backup::RestoreArgs),
    Reset(reset::Args),
    Node(node::Args),
    VirtualPrinter(virtual_printer::Args),
    #[command(hide = true)]
    Forward(forward::Args),
    #[command(hide = true)]
    Shell(shell::Args),
    #[command(hide = true)]
    Printer(printer::Args),
    #[command(hide = true)]
    Designer(designer::Args),
}

/// Why a command did not end well: what is printed to stderr, and the exit code.
#[derive(Debug)]
pub struct Failure {
    /// 1 failed, 2 wrong use, 3 refused.
    pub code: u8,
    /// What, where, and what to do.
    pub text: String,
}

impl Failure {
    /// Something broke: exit code 1.
    pub fn failed(text: impl std::fmt::Display) -> Self {
        Self {
            code: 1,
            text: text.to_string(),
        }
    }
    /// Wrong use: exit code 2.
    pub fn usage(text: impl std::fmt::Display) -> Self {
        Self {
            code: 2,
            text: text.to_string(),
        }
    }
    /// The input is not something this station may print: exit code 3.
    pub fn refused(text: impl std::fmt::Display) -> Self {
        Self {
            code: 3,
            text: text.to_string(),
        }
    }
}

/// What every command returns.
pub type Outcome = Result<(), Failure>;

/// Runs the command line `arguments` (the program's name first).
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            // A closed pipe is no reason to fail.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    start_log(cli.verbose, cli.log_form, cli.command.is_service());
    let outcome = match cli.command {
        Command::Demo(args) => demo::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Design(args) => design::run(args),
        Command::Predict(args) => predict::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Phantom(args) => phantom::run(args),
        Command::Slice(args) => slice::run(args),
        Command::Check(args) => check::run(args),
        Command::Profile(args) => profile::run(args),
        Command::Stop(args) => stop::run(args),
        Command::Operator(args) => operator::run(args),
        Command::SelfTest(args) => self_test::run(args),
        Command::Update(args) => update::run(args),
        Command::Backup(args) => backup::run(args),
        Command::Restore(args) => backup::restore(args),
        Command::Reset(args) => reset::run(args),
        Command::Node(args) => node::run(args),
        Command::VirtualPrinter(args) => virtual_printer::run(args),
        Command::Forward(args) => forward::run(args),
        Command::Shell(args) => shell::run(args),
        Command::Printer(args) => printer::run(args),
        Command::Designer(args) => designer::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("calvaria: {}", failure.text);
            ExitCode::from(failure.code)
        }
    }
}

/// A result line on stdout; a closed pipe is no reason to fail.
fn print(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}

impl Command {
    /// A process of the station, which nobody watches on a terminal.
    fn is_service(&self) -> bool {
        matches!(
            self,
            Self::Serve(_)
                | Self::Printer(_)
                | Self::Designer(_)
                | Self::VirtualPrinter(_)
                | Self::Node(_)
        )
    }
}

fn start_log(verbose: u8, form: Option<LogForm>, is_service: bool) {
    let level = ["calvaria=info,warn", "calvaria=debug,info", "trace"][usize::from(verbose).min(2)];
    let filter = tracing_subscriber::EnvFilter::try_from_env("CALVARIA_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let is_terminal = std::io::stderr().is_terminal();
    let form = form.unwrap_or(if is_service && !is_terminal {
        LogForm::Json
    } else {
        LogForm::Text
    });
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A second start (tests call `run` twice in one process) keeps the first log.
    let _ = match form {
        LogForm::Text => log.with_ansi(is_terminal).try_init(),
        LogForm::Json => log.json().flatten_event(true).try_init(),
    };
}
