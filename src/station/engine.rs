//! The engine: one thread that hears everything, asks [`step`](super::step) through the store, and carries out what
//! follows.
//!
//! In:    [`Input`]s through one mailbox: drops, lines of the designer, reports of the link, requests of people.
//! Out:   a [`Snapshot`] for everybody after each change; orders to the link; a designer at a time.
//! Holds: commit first, effect after; every effect may be repeated. No other code changes a state.
//!
//! Here: the mailbox, and one step of one job. What belongs to drops, designer, print and screens lies beside, a file
//! each.

mod clock;
#[cfg(test)]
mod copies;
mod design;
mod drops;
mod growth;
pub(in crate::station) mod orders;
mod print;
mod retention;
pub(super) use retention::FILES_DELETED;
mod show;

use super::config::Config;
use super::folders::{Folders, give_to_group};
use super::hold::Still;
use super::link::{Link, LinkStatus, Order, Report};
use super::presses::Presses;
use super::reentry;
use super::requests::Asked;
use super::setup::Setup;
use super::step::{Action, Event, Place};
use super::store::{Applied, Begin, Job, Store, StoreError};
use super::supervise::{Designer, DesignerSays};
use super::unkept::Unkept;
use super::{DropReport, Settings, failpoint};
use crate::intake::Look;
use crate::status::{Finding, JobState, PrinterState, Reply, Severity, Snapshot, UpdateView};
use clock::Clock;
use design::{Launch, Work};
use growth::Growth;
use orders::{Orders, not_known, unanswered};
use retention::Retained;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Jobs that wait to be designed, at most; further drops stay in the drop folder.
pub const QUEUE_MAX: u32 = 100;
/// Below this much free space no drop is taken, MiB.
pub const FREE_MIB_MIN: u64 = 2048;
/// How often things are looked at that nobody tells.
const TICK: Duration = Duration::from_millis(250);
/// How often free space is looked at.
const DISK_LOOK: Duration = Duration::from_secs(10);

/// Where an answer to a person goes.
pub(super) type Answer = Box<dyn FnOnce(Reply) + Send>;

/// Everything the engine hears.
pub(super) enum Input {
    /// A drop has come to rest in the drop folder. Answered with `true` once it is taken.
    Arrived(String, Look, Box<dyn FnOnce(bool) + Send>),
    /// The drop folder has been looked through.
    Scanned(DropReport),
    /// The link said something.
    Link(Report),
    /// A person asks something.
    Ask(Box<Asked>, Answer),
    /// Somebody pressed emergency stop; the link has been told.
    Stopped,
    /// Something that is shown has changed elsewhere.
    Look,
    /// The designer of run number `.0` said something.
    Designer(u64, DesignerSays),
    /// The station ends.
    Stop,
}

pub(super) struct Engine {
    pub(super) store: Store,
    pub(super) folders: Folders,
    pub(super) config: Config,
    pub(super) link: Arc<dyn Link>,
    settings: Settings,
    mail: Sender<Input>,
    out: watch::Sender<Arc<Snapshot>>,
    work: Option<Work>,
    launch: Launch,
    runs: u64,
    /// Why no designer could be started, and when to try again.
    designer_fault: Option<(Finding, Instant)>,
    pub(super) status: LinkStatus,
    /// What the journal says of a print that was cut off.
    pub(super) cut: Option<reentry::Read>,
    /// How the print goes, in words, when it does not simply print.
    print_word: &'static str,
    /// A hold or an end that was recorded and may not have reached the link before the station died.
    promised: Option<Order>,
    /// A print order is on its way: what the link says of the job until it answers is of an earlier print.
    order_open: bool,
    pub(super) orders: Orders,
    orphan_since: Option<Instant>,
    scanned: bool,
    dropped: DropReport,
    growth: Growth,
    retained: Retained,
    pub(super) presses: Arc<Presses>,
    pub(super) setup: Arc<Mutex<Setup>>,
    /// Kept while an update is written.
    pub(super) still: Still,
    /// What was shown last of updates.
    updates: UpdateView,
    /// When a press with nothing on the printer was last written down.
    pub(super) pressed: Option<Instant>,
    clock: Clock,
    pub(super) unkept: Unkept,
    /// How much space is free, MiB; a test says otherwise.
    free: fn(&Folders) -> std::io::Result<u64>,
    link_heard: bool,
    pub(super) disk: Option<Finding>,
    drop_gone: Option<Finding>,
    /// Since when the link says that no printer is there, and what is told of it.
    away_since: Option<Instant>,
    printer_away: Option<Finding>,
    disk_looked: Option<Instant>,
    pub(super) files: BTreeMap<String, Vec<String>>,
    weights: String,
    revision: u64,
    pub(super) dirty: bool,
}

impl Engine {
    pub(super) fn new(
        config: Config,
        settings: Settings,
        link: Arc<dyn Link>,
        mail: Sender<Input>,
        out: watch::Sender<Arc<Snapshot>>,
    ) -> Result<Self, StoreError> {
        let folders = Folders::make(&config.data, &config.drop_folder())?;
        let mut settings = settings;
        let group = config.drop.group.trim();
        if !group.is_empty()
            && let Err(error) = give_to_group(folders.data(), folders.drop_folder(), group)
        {
            tracing::error!(%error, "nobody else may drop");
            let finding = Finding::warn("drop_group", error.to_string());
            settings.attention.push(finding);
        }
        let store = Store::open(folders.data(), settings.seed)?;
        let revision = out.borrow().revision;
        let clock = Clock::open(folders.data());
        let still = Still::of(folders.data());
        let setup = Setup::new(folders.data(), config.web.setup_code);
        let setup = Arc::new(Mutex::new(setup));
        Ok(Self {
            store,
            folders,
            config,
            link,
            settings,
            mail,
            out,
            work: None,
            launch: |command, tell| Designer::start(command, tell),
            runs: 0,
            designer_fault: None,
            status: LinkStatus::default(),
            cut: None,
            print_word: "",
            promised: None,
            order_open: false,
            orders: Orders::default(),
            orphan_since: None,
            scanned: false,
            dropped: DropReport::default(),
            growth: Growth::default(),
            retained: Retained::default(),
            presses: Arc::default(),
            setup,
            still,
            updates: UpdateView::default(),
            pressed: None,
            clock,
            unkept: Unkept::default(),
            free: Folders::free_mib,
            link_heard: false,
            disk: None,
            drop_gone: None,
            away_since: None,
            printer_away: None,
            disk_looked: None,
            files: BTreeMap::new(),
            weights: String::new(),
            revision,
            dirty: true,
        })
    }

    pub(super) fn folders(&self) -> &Folders {
        &self.folders
    }

    /// Finds every job where it was and finishes what the last commit promised.
    pub(super) fn recover(&mut self) -> Result<(), StoreError> {
        if let Some(seq) = self.store.first_break()? {
            return Err(StoreError::Damaged(format!(
                "the record does not fit from row {seq} on"
            )));
        }
        // Each event is exported before the next is committed: a death can have kept back the last one alone.
        if let Some(code) = self.store.last_case()? {
            self.export(&code);
        }
        self.store
            .end_open_acts(&Err(unanswered()), &Err(not_known()))?;
        let moving = self.folders.in_place(Place::Work);
        for job in self.store.all()? {
            // A copy may go on in what was taken, whether or not the station lives.
            if job.state == JobState::AwaitingRelease || self.hours_since(&job.changed) < 1 {
                self.growth.watch(&job.code, self.folders.print(&job.code));
            }
            if let Some(design) = &job.design {
                self.weights.clone_from(&design.weights);
            }
            if matches!(job.state, JobState::Printing | JobState::Paused) {
                self.promised = print::promised(&self.store.entries(&job.code)?);
            }
            // What is over and in its place needs no look.
            let pending = !self.store.pending(&job.code)?.is_empty();
            if job.state.is_over() && !pending && !moving.contains(&job.code) {
                continue;
            }
            let event = Event::StationStarted {
                restarts: job.restarts,
            };
            self.apply(&job.code, &event, "station");
        }
        self.publish();
        Ok(())
    }

    /// Hears until it is told to stop.
    pub(super) fn run(mut self, inbox: &Receiver<Input>) {
        loop {
            match inbox.recv_timeout(TICK) {
                Ok(Input::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(input) => self.hear(input),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.tick();
            if self.dirty {
                self.publish();
            }
        }
    }

    fn hear(&mut self, input: Input) {
        match input {
            Input::Arrived(name, look, answer) => answer(self.take(&name, &look)),
            Input::Scanned(report) => (self.scanned, self.dropped) = (true, report),
            Input::Link(report) => self.hear_link(report),
            Input::Stopped => self.stopped(),
            Input::Ask(asked, answer) => self.ask(&asked, answer),
            Input::Designer(run, says) => self.hear_designer(run, says),
            Input::Look | Input::Stop => {}
        }
        self.dirty = true;
    }

    fn tick(&mut self) {
        self.look_at_clock();
        self.look_at_setup();
        self.look_at_updates();
        if self.disk_looked.is_none_or(|at| at.elapsed() > DISK_LOOK) {
            self.disk_looked = Some(Instant::now());
            self.make_room();
            let found = self.look_at_disk();
            self.dirty |= found != self.disk;
            self.disk = found;
            let gone = (!self.folders.drop_folder().is_dir()).then(drop_gone);
            self.dirty |= gone != self.drop_gone;
            self.drop_gone = gone;
            self.put_old_away();
            self.delete_old();
        }
        self.write_presses();
        self.look_at_orders();
        let away = self.no_printer();
        self.dirty |= away != self.printer_away;
        self.printer_away = away;
        self.look_for_growth();
        // A design made for a machine or a material that is not there would be thrown away.
        let may_design = self
            .settings
            .attention
            .iter()
            .all(|f| f.severity < Severity::Refuse);
        if may_design
            && !self.still.is_kept()
            && self.work.is_none()
            && self
                .designer_fault
                .as_ref()
                .is_none_or(|(_, again)| Instant::now() > *again)
        {
            self.start_next();
        }
    }

    fn look_at_updates(&mut self) {
        let mut still = std::mem::replace(&mut self.still, Still::of(self.folders.data()));
        let was_kept = still.is_kept();
        still.look(|| self.in_the_way());
        self.dirty |= was_kept != still.is_kept();
        self.still = still;
        let now = (self.settings.update)();
        if now != self.updates {
            (self.updates, self.dirty) = (now, true);
        }
    }

    /// What must not be disturbed by an update, in a sentence; empty: nothing.
    fn in_the_way(&self) -> String {
        if let Some(work) = &self.work {
            return format!("{} is being designed.", work.code);
        }
        match self.store.on_printer() {
            Ok(Some(job)) => format!("{} is being printed.", job.code),
            Ok(None) if self.order_open || self.orders.count() > 0 => {
                "An order to the printer is not answered yet.".into()
            }
            // A print that this store does not know of.
            Ok(None) => match (self.status.view.state, &self.status.view.job) {
                (PrinterState::Printing | PrinterState::Paused, Some(code)) => {
                    format!("{code} is being printed.")
                }
                (PrinterState::Printing | PrinterState::Paused, None) => {
                    "Something is being printed.".into()
                }
                _ => String::new(),
            },
            Err(_) => "The record can not be read.".into(),
        }
    }

    fn look_at_setup(&mut self) {
        let now = (self.settings.monotonic)();
        let mut setup = self.setup.lock().unwrap_or_else(PoisonError::into_inner);
        match setup.look(&self.store, now) {
            Ok(changed) => self.dirty |= changed,
            Err(error) => tracing::error!(%error, "there is no setup code"),
        }
    }

    fn look_at_disk(&self) -> Option<Finding> {
        let free = (self.free)(&self.folders).ok()?;
        (free < FREE_MIB_MIN).then(|| {
            let text = "The disk is nearly full. New scans wait in the drop folder, nothing is lost. Ask IT to free space.";
            Finding::warn("disk_full", text).value(free as f64, "MiB").at_least(FREE_MIB_MIN as f64)
        })
    }

    /// Applies an event and carries out what follows. What the store refuses is logged and left.
    pub(super) fn apply(&mut self, code: &str, event: &Event, actor: &str) {
        if let Err(error) = self.try_apply(code, event, actor) {
            tracing::error!(case = code, event = event.kind(), %error, "not applied");
        }
    }

    /// Applies an event and carries out what follows.
    pub(super) fn try_apply(
        &mut self,
        code: &str,
        event: &Event,
        actor: &str,
    ) -> Result<(), StoreError> {
        let applied = self.store.apply(code, event, actor, &self.now())?;
        self.follow_up(applied, event, actor);
        Ok(())
    }

    /// As [`Engine::try_apply`], on the word of people: begun in time or never.
    pub(super) fn try_act(
        &mut self,
        code: &str,
        event: &Event,
        actor: &str,
        begin: &Begin,
    ) -> Result<(), StoreError> {
        let (now, monotonic) = (self.now(), self.monotonic());
        let applied = self
            .store
            .apply_act(code, event, actor, &now, (begin, &*monotonic))?;
        self.follow_up(applied, event, actor);
        Ok(())
    }

    /// What a committed event asks for.
    fn follow_up(&mut self, applied: Applied, event: &Event, actor: &str) {
        let Applied {
            job,
            from,
            actions,
            recorded,
        } = applied;
        let code = job.code.as_str();
        let changed = job.state != from;
        if changed {
            tracing::info!(
                case = code,
                event = event.kind(),
                from = from.word(),
                to = job.state.word(),
                actor,
                "step"
            );
        }
        if changed {
            self.retained.forget(code);
        }
        if changed || !actions.is_empty() {
            failpoint::hit(event.kind());
        }
        for action in actions {
            self.act(&job, action);
        }
        self.forget_if_over(&job);
        // What is not recorded has nothing to export: the link says twice a second that it prints.
        if recorded {
            self.export(code);
        }
        self.files.remove(code);
        self.dirty = true;
    }

    fn act(&mut self, job: &Job, action: Action) {
        match action {
            Action::StartDesigner => self.start_designer(job),
            Action::StopDesigner => {
                if self.work.as_ref().is_some_and(|w| w.code == job.code) {
                    self.work = None;
                }
            }
            Action::Place(place) => self.place(job, place),
            Action::Print(release) => {
                self.order_open = true;
                let (gcode, released) = self.files_of(&job.code, release.from_layer.is_some());
                self.link.order(Order::Print {
                    code: job.code.clone(),
                    gcode,
                    sha256: release.sha256,
                    released,
                });
            }
            Action::PausePrint => self.give(Order::Pause, &job.code, "pause_asked"),
            Action::ResumePrint => self.give(Order::Resume, &job.code, "resume_asked"),
            Action::CancelPrint => self.give(Order::Cancel, &job.code, "cancel_asked"),
            // Pressed by hand it is on the wire already, past this thread; once more does no harm.
            Action::EmergencyStop => {
                let _ = self.link.emergency_stop();
            }
            // The link says how things are as soon as it answers; see `hear_status`.
            Action::AskLink => {}
        }
    }

    /// Writes `events.jsonl` of a case anew.
    pub(super) fn export(&mut self, code: &str) {
        let entries = self.store.entries(code).unwrap_or_default();
        let text: String = entries
            .iter()
            .filter_map(|e| serde_json::to_string(e).ok())
            .map(|line| line + "\n")
            .collect();
        if let Err(error) = self
            .folders
            .write_case_file(code, "events.jsonl", text.as_bytes())
        {
            tracing::error!(case = code, kind = ?error.kind(), "events.jsonl could not be written");
        }
    }

    pub(super) fn now(&self) -> String {
        (self.settings.clock)()
            .strftime("%Y-%m-%dT%H:%M:%S%:z")
            .to_string()
    }

    /// The wall clock.
    pub(super) fn clock(&self) -> jiff::Zoned {
        (self.settings.clock)()
    }

    /// The monotonic clock.
    pub(super) fn monotonic(&self) -> super::Monotonic {
        self.settings.monotonic.clone()
    }
}

fn drop_gone() -> Finding {
    let text = "The drop folder is not there: no scan can come in that way. Ask IT to bring it back (is a share or a disk away?), or hand scans in on the page.";
    Finding::warn("drop_gone", text)
}
