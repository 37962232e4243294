//! Link: the process that owns the port. A thin shell: it polls, and a [`Driver`](super::driver::Driver) decides.
//!
//! In:    the port, `DATA/run/printer.sock`, signals.
//! Out:   what the driver wants done; the journal.
//! Holds: one thread does all I/O of port and socket and never waits for anything but `poll`: the disk belongs to the
//!        journal's thread, files are read and proved by the loader's. So an emergency stop is on the wire within
//!        milliseconds of its request, whatever else goes on.
//! Never: two at a time (`DATA/run/printer.lock`); resumes a print after a restart.
//!
//! SIGTERM and SIGINT: a running print ends as `stopped`, heaters off, head lifted; then the process ends. Going on
//! in the dark is no choice: whoever stops the unit wants the printer to be safe.

use super::journal::{Journal, Record};
use super::moonraker;
use super::port::Port;
use super::program::Program;
use super::started::Started;
use crate::gcode::Printer;
use crate::status::Finding;
use clients::Clients;
use drives::Drives;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::FlockOperation;
use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

mod books;
mod button;
mod clients;
mod dial;
mod drives;
mod ports;
mod relay;
mod requests;
mod signals;
mod standin;

pub use standin::StandIn;

/// Pause between tries to open a port that is not there.
const REOPEN: Duration = Duration::from_millis(300);
/// Bytes taken from the port in one round: a port that floods us leaves room for those who want to stop it.
const READ_BYTES_MAX: usize = 16 * 1024;
/// Longest way to a safe end after SIGTERM.
const END_MAX: Duration = Duration::from_secs(25);

/// What the link is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Data folder: `run/` and `printer/` below it.
    pub data: PathBuf,
    /// Profile.
    pub printer: Printer,
    /// Port and how fast.
    pub port: PortConfig,
    /// The same as clients are told.
    pub started: Started,
    /// A stop button: an input device, by its path.
    pub stop_button: Option<PathBuf>,
    /// Takes the mains from the printer, behind an emergency: program and arguments.
    pub switch_off: Vec<String>,
}

/// Where the printer is.
#[derive(Clone, Debug)]
pub enum PortConfig {
    /// A serial device or a pty.
    Path {
        /// Path.
        path: String,
        /// Bits per second.
        baud: u32,
    },
    /// A serial port that a box on the network hands on (ser2net, ESP3D): `HOST:PORT`.
    Tcp {
        /// Where.
        address: String,
    },
    /// Klipper behind Moonraker's HTTP interface.
    Moonraker(moonraker::client::Address),
    /// The virtual printer, which the link starts, or finds running.
    Virtual(StandIn),
}

/// Why the link can not run.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Another link has this data folder.
    #[error("another calvaria printer already serves {0}. There is one for each data folder.")]
    Second(PathBuf),
    /// A file or folder of ours.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// The virtual printer can not be started.
    #[error("the virtual printer can not be started: {0}")]
    StandIn(#[source] std::io::Error),
}

/// What other threads tell the loop.
#[derive(Debug)]
enum Note {
    Loaded(Result<Program, Finding>),
    /// The same for a file that is uploaded.
    Planned(Result<Box<moonraker::plan::Plan>, Finding>),
    /// Moonraker answered, or did not.
    Answered(u64, Result<moonraker::api::Answer, moonraker::api::Trouble>),
    /// A record that goes ahead of its lines is on the disk.
    Kept,
    /// A port on the network answered, or did not.
    Dialled(std::io::Result<std::net::TcpStream>),
    /// The stop button was pressed.
    Pressed,
    Terminate,
}

/// What ended a sleep, beside the port.
struct Came {
    /// Somebody at the socket.
    client: bool,
    /// A note of another thread.
    note: bool,
    /// Words of a client.
    request: bool,
}

struct Link {
    config: Config,
    driver: Drives,
    port: Option<Port>,
    listener: UnixListener,
    /// Which file the socket is: another link may have put its own in that place since.
    socket_file: Option<(u64, u64)>,
    clients: Clients,
    notes: Receiver<Note>,
    tell: Sender<Note>,
    wake: UnixStream,
    waker: UnixStream,
    journal: Sender<(Record, Sender<()>)>,
    started: Instant,
    reopen_at: Instant,
    /// A thread waits for a port on the network.
    dials: bool,
    told: String,
    end_by: Option<Instant>,
    child: Option<std::process::Child>,
    _lock: File,
}

/// Runs until a signal ends it.
///
/// # Errors
/// [`LinkError`] when it can not start.
pub fn run(config: Config) -> Result<(), LinkError> {
    let mut link = Link::start(config)?;
    while !link.is_over() {
        link.turn();
    }
    link.end();
    Ok(())
}

fn file_error(path: &Path) -> impl Fn(std::io::Error) -> LinkError + '_ {
    move |source| LinkError::File {
        path: path.to_owned(),
        source,
    }
}

impl Link {
    fn start(config: Config) -> Result<Self, LinkError> {
        let run = config.data.join("run");
        std::fs::create_dir_all(&run).map_err(file_error(&run))?;
        let lock_path = run.join("printer.lock");
        let lock = File::create(&lock_path).map_err(file_error(&lock_path))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| LinkError::Second(config.data.clone()))?;
        let (journal, last) = Journal::open(&config.data).map_err(file_error(&config.data))?;
        let socket = config.data.join(super::client::SOCKET);
        let listener = listen(&socket).map_err(file_error(&socket))?;
        let socket_file = file_at(&socket);
        let (wake, waker) = UnixStream::pair().map_err(file_error(&socket))?;
        for end in [&wake, &waker] {
            end.set_nonblocking(true).map_err(file_error(&socket))?;
        }
        let (tell, notes) = channel();
        let told = teller(tell.clone(), waker.try_clone());
        let kept = move || told(Note::Kept);
        if let Some(job) = &last {
            tracing::info!(job = job.job, phase = ?job.phase, "last job");
        }
        let mut driver = drives::choose(&config, last, || teller(tell.clone(), waker.try_clone()));
        if let Some(fault) = journal.halt() {
            tracing::warn!(fault = fault.name, "the printer is still halted");
            driver.it_mut().still_halted(fault.clone());
        }
        let link = Self {
            driver,
            port: None,
            listener,
            socket_file,
            clients: Clients::default(),
            notes,
            tell,
            wake,
            waker,
            journal: books::keep(journal, kept),
            started: Instant::now(),
            reopen_at: Instant::now(),
            dials: false,
            told: String::new(),
            end_by: None,
            child: None,
            _lock: lock,
            config,
        };
        signals::watch(link.teller());
        if let Some(path) = link.config.stop_button.clone() {
            button::watch(path, link.teller());
        }
        tracing::info!(socket = %socket.display(), "printer link ready");
        Ok(link)
    }

    /// A way for another thread to say something and wake the loop.
    fn teller(&self) -> impl Fn(Note) + Send + 'static {
        teller(self.tell.clone(), self.waker.try_clone())
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_over(&self) -> bool {
        self.end_by
            .is_some_and(|by| self.driver.it().is_finished() || Instant::now() >= by)
    }

    /// One round: open what is closed, wait, take what came.
    fn turn(&mut self) {
        self.open_port();
        let came = self.wait();
        self.take_notes(came.note);
        if came.client {
            self.clients.accept(&self.listener);
        }
        if came.request {
            for (client, request) in self.clients.requests() {
                self.request(client, request);
            }
        }
        self.read_port();
        let now = self.now_ms();
        self.driver.it_mut().tick(now);
        self.carry_out();
        self.clients.push();
    }

    /// Sleeps until something is ready or due; says what came, so that a line that flows costs no look at all the rest.
    fn wait(&mut self) -> Came {
        let mut ms = self
            .driver
            .it()
            .wake_ms(self.now_ms())
            .saturating_sub(self.now_ms());
        if self.port.is_none() {
            let until = self.reopen_at.saturating_duration_since(Instant::now());
            ms = ms.min(u64::try_from(until.as_millis()).unwrap_or(0) + 1);
        }
        let timeout = Timespec {
            tv_sec: (ms / 1000) as i64,
            tv_nsec: ((ms % 1000) * 1_000_000) as i64,
        };
        let mut fds = vec![
            PollFd::new(&self.listener, PollFlags::IN),
            PollFd::new(&self.wake, PollFlags::IN),
        ];
        let port_fd = self.port.as_ref().map(Port::fd);
        let before_clients = fds.len() + usize::from(port_fd.is_some());
        if let (Some(port), Some(fd)) = (&self.port, &port_fd) {
            let mut flags = PollFlags::IN;
            if port.has_pending() {
                flags |= PollFlags::OUT;
            }
            fds.push(PollFd::new(fd, flags));
        }
        fds.extend(self.clients.poll_fds());
        if rustix::event::poll(&mut fds, Some(&timeout)).is_err() {
            // An interrupted poll is an early round: anything may have come.
            return Came {
                client: true,
                note: true,
                request: true,
            };
        }
        let came = |fd: &PollFd<'_>| !fd.revents().is_empty();
        Came {
            client: came(&fds[0]),
            note: came(&fds[1]),
            request: fds[before_clients..].iter().any(came),
        }
    }

    fn take_notes(&mut self, woken: bool) {
        let mut drain = [0_u8; 64];
        while woken && rustix::io::read(&self.wake, &mut drain).is_ok_and(|n| n > 0) {}
        while let Ok(note) = self.notes.try_recv() {
            let now = self.now_ms();
            match note {
                Note::Loaded(program) => {
                    if let Drives::Wire(conductor) = &mut self.driver {
                        conductor.loaded(now, program);
                    }
                }
                Note::Planned(plan) => {
                    if let Drives::Moonraker(server) = &mut self.driver {
                        server.machine.loaded(now, plan.map(|plan| *plan));
                    }
                }
                Note::Answered(id, answer) => {
                    if let Drives::Moonraker(server) = &mut self.driver {
                        server.machine.answered(now, id, answer);
                    }
                }
                Note::Kept => self.driver.it_mut().kept(now),
                Note::Dialled(answer) => self.dialled(answer),
                Note::Pressed => {
                    tracing::warn!("the stop button was pressed");
                    self.driver.it_mut().emergency_stop(now);
                    self.carry_out();
                }
                Note::Terminate => {
                    tracing::info!("told to end: making the printer safe");
                    self.terminate(now);
                }
            }
        }
    }

    fn terminate(&mut self, now: u64) {
        self.driver.it_mut().terminate(now);
        self.end_by.get_or_insert(Instant::now() + END_MAX);
    }

    fn end(mut self) {
        self.carry_out();
        self.clients.push();
        // The last record is on the disk before we go.
        let (done, is_done) = channel();
        if self.journal.send((Record::Closed, done)).is_ok() {
            let _ = is_done.recv_timeout(Duration::from_secs(10));
        }
        if let PortConfig::Virtual(stand_in) = &self.config.port {
            drop(self.port.take());
            stand_in.end(self.child.take());
        }
        let socket = self.config.data.join(super::client::SOCKET);
        if file_at(&socket) == self.socket_file {
            let _ = std::fs::remove_file(socket);
        }
        tracing::info!("printer link ended");
    }
}

/// Device and inode of a file.
fn file_at(path: &Path) -> Option<(u64, u64)> {
    let found = std::fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// The socket, for our own user alone.
fn listen(path: &Path) -> std::io::Result<UnixListener> {
    // We hold the lock: a socket that lies here belongs to nobody.
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    // Made under another name and closed to others before it can be found.
    let hidden = path.with_extension("sock.new");
    let _ = std::fs::remove_file(&hidden);
    let listener = UnixListener::bind(&hidden)?;
    std::fs::set_permissions(&hidden, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&hidden, path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn teller(
    tell: Sender<Note>,
    waker: std::io::Result<UnixStream>,
) -> impl Fn(Note) + Send + 'static {
    move |note| {
        // A loop that is gone needs no note; a full pipe wakes it as well.
        let _ = tell.send(note);
        if let Ok(waker) = &waker {
            let _ = rustix::io::write(waker, b"!");
        }
    }
}
