//! `calvaria serve`: the station, with everything that is tied to it: page, LCD, drop folder, link.

use super::{Failure, Outcome};
use crate::station::{self, Config, Handle, Settings};
use crate::{display, web};
use link::{SocketLink, Starter};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

mod link;
mod preflight;
mod systemd;
mod watch;

/// Open connections get this long at the end.
const GOODBYE: Duration = Duration::from_secs(3);

/// The station: job states, store, drop folder, page, LCD.
///
/// Example: `calvaria serve --config /etc/calvaria/calvaria.toml`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration; without it everything is at its default.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Print the configuration as it is in force, and end.
    #[arg(long)]
    print_config: bool,
    /// Data folder, instead of the configuration's.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Do not start a printer link: another unit does.
    #[arg(long)]
    no_link: bool,
    /// Program started as `PROGRAM designer …`, for tests.
    #[arg(long, hide = true)]
    program: Option<PathBuf>,
    /// Further argument of a link that is started, for tests.
    #[arg(long = "link-argument", hide = true, allow_hyphen_values = true)]
    link_arguments: Vec<OsString>,
}

/// What `serve` and `demo` start a station with beside the configuration.
#[derive(Debug)]
pub(super) struct Options {
    /// Program started as `PROGRAM designer …`; `None`: this one.
    pub(super) program: Option<PathBuf>,
    /// Start a link when none answers.
    pub(super) start_link: bool,
    /// Further arguments of that link, e.g. `--virtual-speed 50`.
    pub(super) link_arguments: Vec<OsString>,
    /// Makes the case codes of a new store.
    pub(super) seed: u64,
}

/// A station in work.
pub(super) struct Running {
    /// The way to it.
    pub(super) handle: Handle,
    /// Where the page is.
    pub(super) address: SocketAddr,
    runtime: Runtime,
    closing: tokio::sync::watch::Sender<bool>,
    page: tokio::task::JoinHandle<()>,
    // Held as long as the station runs: two stations on one folder would fight.
    _lock: std::fs::File,
}

pub(super) fn run(args: Args) -> Outcome {
    let mut config = match &args.config {
        Some(path) => Config::read(path).map_err(Failure::usage)?,
        None => Config::default(),
    };
    if let Some(data) = args.data {
        config.data = data;
        config.check("--data".as_ref()).map_err(Failure::usage)?;
    }
    if args.print_config {
        use std::io::Write as _;
        let text = config.to_toml();
        return std::io::stdout()
            .write_all(text.as_bytes())
            .map_err(Failure::failed);
    }
    let running = start(
        config,
        Options {
            program: args.program,
            start_link: !args.no_link,
            link_arguments: args.link_arguments,
            seed: random_seed(),
        },
    )?;
    tracing::info!("the page is at http://{}/", running.address);
    systemd::ready();
    running.wait_for_signal()?;
    tracing::info!("ending; a running print goes on");
    running.stop();
    Ok(())
}

/// Starts everything. Returns when the page answers.
pub(super) fn start(config: Config, options: Options) -> Result<Running, Failure> {
    let lock = lock(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .thread_name("web")
        .enable_all()
        .build()
        .map_err(Failure::failed)?;
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind(config.web.listen))
        .map_err(|e| {
            Failure::failed(format!(
                "{}: {e}. Is another station running? Change web.listen.",
                config.web.listen
            ))
        })?;
    let address = listener.local_addr().map_err(Failure::failed)?;

    let attention = preflight::look(&config, options.program.is_none());
    for finding in &attention {
        tracing::error!("{}", finding.text);
    }
    let program = match options.program {
        Some(program) => program,
        None => std::env::current_exe().map_err(Failure::failed)?,
    };
    let socket = config.data.join(crate::printer::client::SOCKET);
    // Without its profile a link ends at once, again and again.
    let has_profile = attention.iter().all(|f| f.name != "no_profile");
    let starter = (options.start_link && has_profile)
        .then(|| link_starter(&config, options.link_arguments))
        .transpose()?;
    let settings = Settings {
        program,
        clock: Arc::new(jiff::Zoned::now),
        monotonic: Arc::new(std::time::Instant::now),
        seed: options.seed,
        address: format!("http://{address}/"),
        attention,
    };
    let display = display_output(&config)?;
    let mut link_failed = None;
    let (quiet, rescan) = (config.drop.quiet_s, config.drop.rescan_s);
    let handle = station::start(config, settings, |mailbox| {
        match SocketLink::start(socket, starter, mailbox.clone()) {
            Ok(link) => link,
            Err(error) => {
                link_failed = Some(error);
                Arc::new(NoLink)
            }
        }
    })
    .map_err(Failure::failed)?;
    if let Some(error) = link_failed {
        return Err(Failure::failed(format!("no thread for the link: {error}")));
    }

    let watched = handle.clone();
    spawn("drop", move || {
        watch::watch(
            &watched,
            Duration::from_secs_f64(quiet),
            Duration::from_secs_f64(rescan),
        );
    })?;
    if let Some(output) = display {
        let snapshots = handle.snapshots();
        let cases = handle.folders().cases();
        spawn("lcd", move || display::run(output, &cases, snapshots))?;
    }
    let (closing, closed) = tokio::sync::watch::channel(false);
    let page = runtime.spawn(web::serve(listener, desk(&handle), closed));
    Ok(Running {
        handle,
        address,
        runtime,
        closing,
        page,
        _lock: lock,
    })
}

impl Running {
    fn wait_for_signal(&self) -> Outcome {
        use tokio::signal::unix::{SignalKind, signal};
        self.runtime
            .block_on(async {
                let mut term = signal(SignalKind::terminate())?;
                let mut int = signal(SignalKind::interrupt())?;
                tokio::select! {
                    _ = term.recv() => {}
                    _ = int.recv() => {}
                }
                std::io::Result::Ok(())
            })
            .map_err(Failure::failed)
    }

    /// Ends page and engine; a designer at work is ended, the link goes on.
    pub(super) fn stop(self) {
        self.closing.send_replace(true);
        // Whoever still holds a connection after this is cut off.
        let page = self.page;
        let _ = self
            .runtime
            .block_on(async move { tokio::time::timeout(GOODBYE, page).await });
        self.handle.stop();
        self.runtime.shutdown_timeout(Duration::from_millis(200));
    }
}

fn desk(handle: &Handle) -> web::Desk {
    let (asked, handed) = (handle.clone(), handle.folders().clone());
    let free = handle.folders().clone();
    let (stopped, looked, paged) = (handle.clone(), handle.clone(), handle.clone());
    web::Desk {
        snapshots: handle.snapshots(),
        ask: Arc::new(move |request, terms| asked.ask(request, terms)),
        stop: Arc::new(move || stopped.emergency_stop()),
        look: Arc::new(move |code| looked.job(code)),
        history: Arc::new(move |before| paged.history(before)),
        hand_in: Arc::new(move |path, ending| handed.hand_in(path, ending)),
        cases: handle.folders().cases(),
        uploads: handle.folders().uploads(),
        has_room: Arc::new(move || {
            free.free_mib()
                .is_ok_and(|mib| mib >= station::FREE_MIB_MIN)
        }),
    }
}

fn link_starter(config: &Config, further: Vec<OsString>) -> Result<Starter, Failure> {
    let mut arguments: Vec<OsString> = vec!["printer".into(), "--data".into()];
    arguments.push(config.data.clone().into());
    arguments.extend(["--port".into(), config.printer.port.clone().into()]);
    arguments.extend(["--baud".into(), config.printer.baud.to_string().into()]);
    arguments.extend(["--profile".into(), config.printer.profile.clone().into()]);
    arguments.extend(further);
    Ok(Starter {
        program: std::env::current_exe().map_err(Failure::failed)?,
        arguments,
        log: config.data.join("run").join("printer.log"),
    })
}

fn display_output(config: &Config) -> Result<Option<display::Output>, Failure> {
    // Checked when the configuration was read; a struct made by hand may still be wrong.
    let px = config.display_px().unwrap_or((800, 480));
    display::Output::open(&config.display.output, px).map_err(Failure::failed)
}

fn lock(config: &Config) -> Result<std::fs::File, Failure> {
    let wrong = |e: std::io::Error| {
        let text = format!(
            "{}: {e}. Give a folder that you may write with --data or `data = `.",
            config.data.display()
        );
        Failure::failed(text)
    };
    std::fs::create_dir_all(config.data.join("run")).map_err(wrong)?;
    let file =
        std::fs::File::create(config.data.join("run").join("station.lock")).map_err(wrong)?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(
        |_| {
            Failure::failed(format!(
                "another station runs on {}. End it first.",
                config.data.display()
            ))
        },
    )?;
    Ok(file)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let thread = std::thread::Builder::new().name(name.into()).spawn(work);
    thread.map(drop).map_err(Failure::failed)
}

/// A seed nobody can guess; only the order of case codes hangs on it.
pub(super) fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}

/// Local time with its offset, RFC 3339, to the second.
pub(super) fn stamp(now: &jiff::Zoned) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// Stands in for the moment in which a start fails.
struct NoLink;

impl station::link::Link for NoLink {
    fn order(&self, _order: station::link::Order) {}
    fn emergency_stop(&self) -> crate::status::Reply {
        let next = "Use the switch at the printer.";
        Err(crate::status::Refused::new(
            "no_answer",
            "No answer from the printer.",
            next,
        ))
    }
}
