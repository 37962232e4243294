//! Pty: the virtual printer at a path that a host can open, on a clock that may run fast.
//!
//! In:    a path for the link to the pty's host end, speed, options, faults.
//! Out:   serves until the process ends; JSON lines of [`super::Record`]s to a log file.
//! Holds: opening the port of a halted board resets it, as DTR does on a real one.

use super::board::Board;
use super::faults::Faults;
use super::firmware::Options;
use super::record::Log;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::pty::OpenptFlags;
use rustix::termios::OptionalActions;
use std::io::{BufWriter, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often an unopened pty is looked at.
const CLOSED_MS: u64 = 20;
/// Longest sleep: the log is written at least that often.
const SLEEP_MAX_MS: f64 = 50.0;
/// Shortest sleep that is worth it; below that the clock just passes.
const SLEEP_MIN_MS: f64 = 0.05;

/// The log is on the disk's side at least that often.
const FLUSH: Duration = Duration::from_millis(100);

/// What to serve.
#[derive(Debug)]
pub struct Serve {
    /// Where the link to the pty is put; replaced if it is a link.
    pub path: PathBuf,
    /// Virtual seconds in a second.
    pub speed: f64,
    /// The board.
    pub options: Options,
    /// The wire and the day.
    pub faults: Faults,
    /// Seed of the faults.
    pub seed: u64,
    /// Where records go.
    pub log: Option<PathBuf>,
    /// End when nobody had the port open for so many (real) seconds.
    pub idle_s: Option<f64>,
}

/// Why the virtual printer can not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No pty to be had.
    #[error("no pseudo-terminal can be opened: {0}")]
    Pty(#[source] std::io::Error),
    /// The path is taken by something that is no link.
    #[error("{path} can not be made a link to the pseudo-terminal: {source}")]
    Link {
        /// Path.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// The log can not be written.
    #[error("the log {path} can not be written: {source}")]
    Log {
        /// Path.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
}

/// Opens a pty in raw mode, non-blocking, and puts a link to its host end at `path`.
fn open(path: &Path) -> Result<OwnedFd, ServeError> {
    let failed = |e: rustix::io::Errno| ServeError::Pty(e.into());
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags).map_err(failed)?;
    rustix::pty::grantpt(&master).map_err(failed)?;
    rustix::pty::unlockpt(&master).map_err(failed)?;
    // Linux applies a master's settings to the pair: no echo before the host has set its own mode.
    let mut termios = rustix::termios::tcgetattr(&master).map_err(failed)?;
    termios.make_raw();
    rustix::termios::tcsetattr(&master, OptionalActions::Now, &termios).map_err(failed)?;
    rustix::io::ioctl_fionbio(&master, true).map_err(failed)?;
    let name = rustix::pty::ptsname(&master, Vec::new()).map_err(failed)?;
    let linked = |source| ServeError::Link {
        path: path.to_owned(),
        source,
    };
    if path.symlink_metadata().is_ok_and(|m| m.is_symlink()) {
        std::fs::remove_file(path).map_err(linked)?;
    }
    let target = name.to_string_lossy().into_owned();
    std::os::unix::fs::symlink(target, path).map_err(linked)?;
    Ok(master)
}

struct Server {
    serve: Serve,
    board: Board,
    master: OwnedFd,
    log: Option<BufWriter<std::fs::File>>,
    started: Instant,
    out: Vec<u8>,
    was_open: bool,
    last_open: Instant,
    flushed: Instant,
}

/// Serves until nobody had the port open for [`Serve::idle_s`], else for ever.
///
/// # Errors
/// [`ServeError`].
pub fn serve(serve: Serve) -> Result<(), ServeError> {
    let _lock = lock(&serve.path)?;
    let master = open(&serve.path)?;
    let log = match &serve.log {
        None => None,
        Some(path) => {
            let file = std::fs::File::create(path).map_err(|source| ServeError::Log {
                path: path.clone(),
                source,
            })?;
            Some(BufWriter::new(file))
        }
    };
    let records = if log.is_some() {
        Log::keeping()
    } else {
        Log::default()
    };
    let board = Board::new(
        serve.options.clone(),
        serve.faults.clone(),
        serve.seed,
        records,
    );
    let mut server = Server {
        serve,
        board,
        master,
        log,
        started: Instant::now(),
        out: Vec::new(),
        was_open: false,
        last_open: Instant::now(),
        flushed: Instant::now(),
    };
    loop {
        server.turn()?;
        let idle = server.last_open.elapsed();
        if server
            .serve
            .idle_s
            .is_some_and(|limit| idle.as_secs_f64() > limit)
        {
            return Ok(());
        }
    }
}

/// One virtual printer a path: `PATH.lock` is held, with our process id inside.
fn lock(path: &Path) -> Result<std::fs::File, ServeError> {
    let mut name = path.to_owned().into_os_string();
    name.push(".lock");
    let failed = |source| ServeError::Link {
        path: path.to_owned(),
        source,
    };
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&name)
        .map_err(failed)?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        .map_err(|e| failed(e.into()))?;
    file.set_len(0).map_err(failed)?;
    write!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(file)
}

impl Server {
    fn now(&self) -> f64 {
        self.started.elapsed().as_secs_f64() * self.serve.speed
    }

    /// One round: read, simulate, write, sleep until something is due.
    fn turn(&mut self) -> Result<(), ServeError> {
        if let Some(until) = self.board.gone_until() {
            return self.replug(until);
        }
        let is_open = self.read();
        let now = self.now();
        let said = self.board.to_host(now);
        if is_open {
            self.out.extend(said);
        } else {
            // Nobody listens: a real wire loses it, too.
            self.out.clear();
        }
        if is_open && !self.was_open && self.board.firmware().is_halted() {
            self.board.reset("External Reset");
        }
        self.was_open = is_open;
        if is_open {
            self.last_open = Instant::now();
        }
        // Before the answer goes out: who is told that everything is done finds everything in the log.
        self.write_log()?;
        self.write();
        if !is_open {
            std::thread::sleep(Duration::from_millis(CLOSED_MS));
            return Ok(());
        }
        self.sleep();
        Ok(())
    }

    /// Takes what the host wrote, as much as the firmware's ring holds; `false` when no host has the port open.
    fn read(&mut self) -> bool {
        let mut bytes = [0_u8; 4096];
        let room = self.board.room().min(bytes.len());
        if room == 0 {
            return true;
        }
        match rustix::io::read(&self.master, &mut bytes[..room]) {
            Ok(0) => false,
            Ok(n) => {
                let now = self.now();
                self.board.from_host(now, &bytes[..n]);
                true
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => true,
            // EIO: the last host closed its end.
            Err(_) => false,
        }
    }

    fn write(&mut self) {
        while !self.out.is_empty() {
            match rustix::io::write(&self.master, &self.out) {
                Ok(n) => {
                    self.out.drain(..n);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return,
                Err(_) => self.out.clear(),
            }
        }
    }

    fn write_log(&mut self) -> Result<(), ServeError> {
        let records = self.board.records();
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        let mut text = Vec::new();
        for record in &records {
            // A record is numbers and text: it always becomes JSON.
            if serde_json::to_writer(&mut text, record).is_ok() {
                text.push(b'\n');
            }
        }
        // Ten times a second while lines flow, at once when the printer rests.
        let due = self.board.is_at_rest() || self.flushed.elapsed() > FLUSH;
        if due {
            self.flushed = Instant::now();
        }
        let write = |log: &mut BufWriter<std::fs::File>| {
            log.write_all(&text)?;
            if due { log.flush() } else { Ok(()) }
        };
        write(log).map_err(|source| ServeError::Log {
            path: self.serve.log.clone().unwrap_or_default(),
            source,
        })
    }

    fn sleep(&mut self) {
        let due = (self.board.next_event() - self.now()) / self.serve.speed * 1e3;
        let room = self.board.room() > 0;
        let ms = if room { due } else { due.max(SLEEP_MIN_MS) };
        let ms = ms.clamp(0.0, SLEEP_MAX_MS);
        if ms < SLEEP_MIN_MS && room && due <= 0.0 {
            return;
        }
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: (ms.max(SLEEP_MIN_MS) * 1e6) as i64,
        };
        let mut flags = PollFlags::empty();
        if room {
            flags |= PollFlags::IN;
        }
        if !self.out.is_empty() {
            flags |= PollFlags::OUT;
        }
        let mut fds = [PollFd::new(&self.master, flags)];
        // An interrupted or failed poll is just a short sleep.
        let _ = rustix::event::poll(&mut fds, Some(&timeout));
    }

    /// The port goes away; later a new pty stands under the same link.
    fn replug(&mut self, until: f64) -> Result<(), ServeError> {
        let _ = std::fs::remove_file(&self.serve.path);
        // Closing the master hangs the host up.
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        self.master = rustix::pty::openpt(flags).map_err(|e| ServeError::Pty(e.into()))?;
        self.out.clear();
        self.was_open = false;
        while self.now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let now = self.now();
        self.board.to_host(now);
        self.master = open(&self.serve.path)?;
        Ok(())
    }
}
