//! Station: job states, store, operators, audit and the supervision of the other processes.
//!
//! In:    drops (folders and files that have come to rest), requests of people, lines of the designer, reports
//!        of the link.
//! Out:   [`Snapshot`]s; the record in `DATA/store.db`; drops moved to `done/` or `quarantine/`.
//! Holds: [`step()`] alone decides what state follows what; the store applies it in one transaction with the
//!        event appended, and the effect comes after the commit and may be repeated without harm.
//! Never: a second print beside a running one; a print without a release; a patient's name in log, store or page.
//!
//! The way of an event: [`Handle`] → `engine` (one thread) → [`store`] → [`step()`] → back to `engine`, which acts:
//! `folders` move, `supervise` starts a designer, [`link`] carries an order. `requests` is what people may ask.

use crate::intake::Look;
use crate::status::{Finding, Snapshot};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::watch;

pub mod backup;
mod codes;
pub mod config;
mod desk;
mod doubt;
mod engine;
mod failpoint;
mod folders;
pub mod hold;
pub mod link;
pub mod lock;
mod material;
mod presses;
mod reentry;
mod release;
mod requests;
pub mod reset;
mod setup;
mod snapshot;
mod step;
pub mod store;
mod supervise;
mod unkept;

pub use codes::is_code;
pub use config::{Config, ConfigError};
pub use desk::HISTORY_MAX;
pub use engine::{FREE_MIB_MIN, QUEUE_MAX};
pub use folders::Folders;
pub use step::{Action, DEATHS_MAX, Event, Piece, Place, RESTARTS_MAX, Release, step};
pub use store::{Job, Store, StoreError};

use engine::{Engine, Input};
use link::{Link, Report};
use presses::Presses;
use setup::Setup;
use store::Gate;

/// A clock that nobody sets.
pub type Monotonic = Arc<dyn Fn() -> Instant + Send + Sync>;

/// What is given to the station from outside, so that tests can give something else.
#[derive(Clone)]
pub struct Settings {
    /// The program that is started as `PROGRAM designer …`.
    pub program: PathBuf,
    /// Wall clock: for the record and for people.
    pub clock: Arc<dyn Fn() -> jiff::Zoned + Send + Sync>,
    /// Clock that nobody sets: for deadlines and delays.
    pub monotonic: Monotonic,
    /// Makes the case codes of a new store.
    pub seed: u64,
    /// Gives the address of the page, for the LCD; it may change while the station runs.
    pub address: Arc<dyn Fn() -> String + Send + Sync>,
    /// Gives the SHA-256 of the page's certificate, as people are shown it; empty without TLS. Asked at each snapshot.
    pub certificate: Arc<dyn Fn() -> String + Send + Sync>,
    /// Gives what is installed and what becomes of an update; asked at each snapshot, so it keeps what it knows.
    pub update: Arc<dyn Fn() -> crate::status::UpdateView + Send + Sync>,
    /// What was found wrong before the start; while one of them is a refusal, scans wait.
    pub attention: Vec<Finding>,
}

/// What was seen in the drop folder and is not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DropReport {
    /// Entries that will never be taken as they are.
    pub stuck: usize,
    /// Entries that the station may not read.
    pub unreadable: usize,
    /// Files that end too early and are waited for.
    pub waiting: usize,
    /// Entries that are being copied, or of which more is waited for.
    pub arriving: usize,
}

/// The way to a running station; may be cloned and used from any thread.
#[derive(Clone)]
pub struct Handle {
    mail: Sender<Input>,
    link: Arc<dyn Link>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    folders: Folders,
    gate: Arc<Mutex<Gate>>,
    monotonic: Monotonic,
    clock: Arc<dyn Fn() -> jiff::Zoned + Send + Sync>,
    setup: Arc<Mutex<Setup>>,
    presses: Arc<Presses>,
    persons: u32,
    material: String,
    program: PathBuf,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// Where the link's reports go; made before the station, since the link needs it.
#[derive(Clone)]
pub struct Mailbox(Sender<Input>);

impl Mailbox {
    /// The link said something.
    pub fn link(&self, report: Report) {
        // After the station's end nobody is interested.
        let _ = self.0.send(Input::Link(report));
    }
}

/// Starts the station: opens the store, finds every job where it was, and begins to hear. `link` is made with the
/// mailbox that its reports go to.
///
/// # Errors
/// When the data folder or the store can not be used.
pub fn start(
    config: Config,
    settings: Settings,
    link: impl FnOnce(Mailbox) -> Arc<dyn Link>,
) -> Result<Handle, StoreError> {
    let (mail, inbox) = mpsc::channel();
    // Revisions of a later start are higher than those of this one: a page that was open all the time takes them.
    let revision = (settings.clock)()
        .timestamp()
        .as_millisecond()
        .unsigned_abs();
    let first = Arc::new(Snapshot {
        revision,
        ..Snapshot::default()
    });
    let (out, snapshots) = watch::channel(first);
    let link = link(Mailbox(mail.clone()));
    let (monotonic, clock) = (settings.monotonic.clone(), settings.clock.clone());
    let (persons, material) = (config.release.persons, config.material.name.clone());
    let program = settings.program.clone();
    let mut engine = Engine::new(config, settings, link.clone(), mail.clone(), out)?;
    let folders = engine.folders().clone();
    let (presses, setup) = (engine.presses.clone(), engine.setup.clone());
    engine.recover()?;
    let gate = Arc::new(Mutex::new(Gate::open(folders.data())?));
    let thread = std::thread::Builder::new()
        .name("station".into())
        .spawn(move || engine.run(&inbox))?;
    Ok(Handle {
        mail,
        link,
        snapshots,
        folders,
        gate,
        monotonic,
        clock,
        setup,
        presses,
        persons,
        material,
        program,
        thread: Arc::new(Mutex::new(Some(thread))),
    })
}

impl Handle {
    /// What people are shown; changes are awaited on it.
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// Paths under the data folder.
    pub fn folders(&self) -> &Folders {
        &self.folders
    }

    /// A drop has come to rest in the drop folder under this name, and nothing is known of it. `true` once it is
    /// taken out of it.
    pub fn arrived(&self, name: &str) -> bool {
        self.arrived_as(name, Look::default())
    }

    /// A drop has come to rest in the drop folder under this name, and this was seen in it. `true` once it is taken.
    pub fn arrived_as(&self, name: &str, look: Look) -> bool {
        let (tx, rx) = mpsc::sync_channel(1);
        let answer = Box::new(move |taken| {
            let _ = tx.send(taken);
        });
        // Copying a drop across file systems may take its time.
        let sent = self.mail.send(Input::Arrived(name.into(), look, answer));
        sent.is_ok() && rx.recv().unwrap_or(false)
    }

    /// The drop folder has been looked through.
    pub fn scanned(&self, report: DropReport) {
        let _ = self.mail.send(Input::Scanned(report));
    }

    /// The program that looks at drops and designs.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Ends the engine and waits for it. A designer at work is ended; the link goes on.
    pub fn stop(&self) {
        let _ = self.mail.send(Input::Stop);
        let thread = self.thread.lock().map_or(None, |mut t| t.take());
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}
