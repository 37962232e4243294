//! `calvaria serve`: the station, with everything that is tied to it: page, LCD, drop folder, link.

use super::{Failure, Outcome};
use crate::station::{self, Config, Handle, Settings, lock};
use crate::{display, web};
use adopted::Wanted;
use front::Front;
use link::{SocketLink, Starter};
use std::ffi::OsString;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

mod address;
mod adopted;
mod front;
mod link;
mod preflight;
mod systemd;
mod update;
mod waiting;
mod watch;

/// Written and removed again before the store is opened, bytes: a disk without room for it has none for a record.
const PROBE_BYTES: usize = 256 * 1024;

/// The station: job states, store, drop folder, page, LCD.
///
/// Example: `calvaria serve --config /etc/calvaria/calvaria.toml`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration; without it /etc/calvaria/calvaria.toml where that is there, else everything is at its default.
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

/// A station in work.
struct Station {
    handle: Handle,
    // Held as long as the station runs: two stations on one folder would fight.
    _lock: std::fs::File,
}

pub(super) fn run(args: Args) -> Outcome {
    let config = configuration(args.config.as_deref(), args.data.clone())?;
    if args.print_config {
        let text = config.to_toml();
        return std::io::stdout()
            .write_all(text.as_bytes())
            .map_err(Failure::failed);
    }
    // What this process and those that it starts write is the station's user's alone, also without the unit's UMask: scans
    // and pictures of heads. What others may reach (the drop folder) gets its mode by name.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    // Another station on the folder is said before its socket is.
    let first = lock(&config)?;
    let front = Front::take(&config)?;
    let mut first = Some(first);
    let mut open = || {
        let locked = first.take().map_or_else(|| lock(&config), Ok)?;
        match locked.and_then(|lock| probe(&config).map(|()| lock)) {
            Ok(lock) => station(&config, &args, &front, lock),
            Err(wrong) => Ok(Err(wrong)),
        }
    };
    let station = match open()? {
        Ok(station) => Some(station),
        Err(wrong) => waiting::until(&front, &config, wrong, open)?,
    };
    let Some(station) = station else {
        front.end();
        return Ok(());
    };
    let page = front.open(desk(&station.handle));
    front.ready();
    while !front.signalled(Duration::from_secs(3600)) {}
    tracing::info!("ending; a running print goes on");
    page.close(&front);
    // A designer at work is ended, the link goes on.
    station.handle.stop();
    front.end();
    Ok(())
}

/// The configuration in force. `data` on the command line goes before the file's.
pub(super) fn configuration(
    given: Option<&std::path::Path>,
    data: Option<PathBuf>,
) -> Result<Config, Failure> {
    let (mut config, path) = Config::find(given).map_err(Failure::usage)?;
    if let Some(path) = path.filter(|_| given.is_none()) {
        tracing::info!("configuration: {}", path.display());
    }
    if let Some(data) = data {
        config.data = station::config::home(&data).map_err(Failure::usage)?;
        config.check("--data".as_ref()).map_err(Failure::usage)?;
    }
    Ok(config)
}

/// Starts everything behind the page. The inner error: the store can not be used now, and why.
fn station(
    config: &Config,
    args: &Args,
    front: &Front,
    lock: std::fs::File,
) -> Result<Result<Station, String>, Failure> {
    let mut attention = preflight::look(config, args.program.is_none());
    for finding in &attention {
        tracing::error!("{}", finding.text);
    }
    let program = match &args.program {
        Some(program) => program.clone(),
        None => std::env::current_exe().map_err(Failure::failed)?,
    };
    let socket = config.data.join(crate::printer::client::SOCKET);
    // Without its profile a link ends at once, again and again.
    let has_profile = attention.iter().all(|f| f.name != "no_profile");
    let starter = (!args.no_link && has_profile)
        .then(|| link_starter(config, args.link_arguments.clone()))
        .transpose()?;
    let display = display_output(config).unwrap_or_else(|error| {
        attention.push(preflight::no_display(config, &error));
        None
    });
    let settings = Settings {
        program,
        clock: Arc::new(jiff::Zoned::now),
        monotonic: Arc::new(std::time::Instant::now),
        seed: random_seed(),
        address: front.address.clone(),
        certificate: front.certificate(),
        update: update::shown(&config.data),
        attention,
    };
    let wanted = Wanted::new(config, starter.is_some());
    let mut link_failed = None;
    let started = station::start(config.clone(), settings, |mailbox| match SocketLink::start(
        socket,
        starter,
        wanted,
        mailbox.clone(),
    ) {
        Ok(link) => link,
        Err(error) => {
            link_failed = Some(error);
            Arc::new(NoLink)
        }
    });
    if let Some(error) = link_failed {
        return Err(Failure::failed(format!("no thread for the link: {error}")));
    }
    let handle = match started {
        Ok(handle) => handle,
        Err(error) => return Ok(Err(cannot(config, &error))),
    };
    let (quiet, rescan) = (config.drop.quiet_s, config.drop.rescan_s);
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
    Ok(Ok(Station {
        handle,
        _lock: lock,
    }))
}

/// What people are told of a store that can not be used.
fn cannot(config: &Config, error: &dyn std::fmt::Display) -> String {
    let data = config.data.display();
    format!("The station can not keep its record in {data}: {error}")
}

/// A small write where the store will have to write.
fn probe(config: &Config) -> Result<(), String> {
    let path = config.data.join("run").join("probe");
    let written = std::fs::File::create(&path).and_then(|mut file| {
        file.write_all(&vec![0x5a; PROBE_BYTES])?;
        file.sync_data()
    });
    // What is left of it would be in the way of everything else.
    let _ = std::fs::remove_file(&path);
    written.map_err(|error| cannot(config, &format!("{error}.")))
}

fn desk(handle: &Handle) -> web::Desk {
    let (asked, handed) = (handle.clone(), handle.folders().clone());
    let free = handle.folders().clone();
    let (stopped, looked, paged) = (handle.clone(), handle.clone(), handle.clone());
    let first = handle.clone();
    web::Desk {
        snapshots: handle.snapshots(),
        ask: Arc::new(move |request, terms| asked.ask(request, terms)),
        stop: Arc::new(move || stopped.emergency_stop()),
        look: Arc::new(move |code| looked.job(code)),
        history: Arc::new(move |before| paged.history(before)),
        hand_in: Arc::new(move |path, ending| handed.hand_in(path, ending)),
        set_up: Arc::new(move |asked| first.set_up(asked)),
        hand_in_bundle: update::hand_in(handle.folders().data()),
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
    arguments.extend(["--port".into(), config.printer.place().into()]);
    if config.printer.baud != 0 {
        arguments.extend(["--baud".into(), config.printer.baud.to_string().into()]);
    }
    arguments.extend(["--profile".into(), config.printer.profile.clone().into()]);
    if !config.printer.api_key_file.as_os_str().is_empty() {
        let key = config.printer.api_key_file.clone();
        arguments.extend(["--api-key-file".into(), key.into()]);
    }
    if !config.printer.stop_button.as_os_str().is_empty() {
        let button = config.printer.stop_button.clone();
        arguments.extend(["--stop-button".into(), button.into()]);
    }
    for word in &config.printer.switch_off {
        arguments.extend(["--switch-off".into(), word.into()]);
    }
    arguments.extend(["--keeper".into(), "station".into()]);
    arguments.extend(further);
    Ok(Starter {
        program: std::env::current_exe().map_err(Failure::failed)?,
        arguments,
        log: config.data.join("run").join("printer.log"),
    })
}

fn display_output(config: &Config) -> std::io::Result<Option<display::Output>> {
    // Checked when the configuration was read; a struct made by hand may still be wrong.
    let px = config.display_px().unwrap_or((800, 480));
    display::Output::open(&config.display.output, px)
}

/// Nobody else may have the folder. The inner error: its disk does not take anything now.
fn lock(config: &Config) -> Result<Result<std::fs::File, String>, Failure> {
    let run = config.data.join("run");
    let path = config.data.join(lock::STATION);
    let made = private_dirs(&run).and_then(|()| lock::take(&path));
    let file = match made {
        Ok(file) => file,
        Err(e) if is_the_disks(e.kind()) => return Ok(Err(cannot(config, &format!("{e}.")))),
        Err(e) => {
            return Err(Failure::failed(format!(
                "{}: {e}. Give a folder that you may write with --data or `data = `.",
                config.data.display()
            )));
        }
    };
    let file = file.ok_or_else(|| {
        Failure::failed(format!(
            "another station runs on {}. End it first.",
            config.data.display()
        ))
    })?;
    Ok(Ok(file))
}

/// Makes what is missing, for the owner alone.
fn private_dirs(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path)
}

/// The disk's own trouble, which may end; not a wrong path or missing rights, which somebody has to mend first.
fn is_the_disks(kind: ErrorKind) -> bool {
    !matches!(
        kind,
        ErrorKind::PermissionDenied | ErrorKind::NotADirectory | ErrorKind::InvalidInput
    )
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
