//! The engine: one thread that hears everything, asks [`step`](super::step) through the store, and carries out what
//! follows.
//!
//! In:    [`Input`]s through one mailbox: drops, lines of the designer, reports of the link, requests of people.
//! Out:   a [`Snapshot`] for everybody after each change; orders to the link; a designer at a time.
//! Holds: commit first, effect after; every effect may be repeated. No other code changes a state.

use super::config::{Config, Privacy};
use super::folders::Folders;
use super::link::{Link, LinkStatus, Order, Phase, Report};
use super::step::{Action, Event, Place};
use super::store::{Applied, Job, Store, StoreError};
use super::supervise::{Designer, DesignerCommand, DesignerSays, Ended};
use super::{Settings, failpoint};
use crate::status::{
    DesignOutcome, DesignerLine, Finding, JobState, PrinterState, PrinterView, Progress, Reason,
    Reply, Request, Snapshot, Stage,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
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
/// A print on the link that belongs to no printing job is cancelled after this long.
const ORPHAN: Duration = Duration::from_secs(3);

/// Where an answer to a person goes.
pub(super) type Answer = Box<dyn FnOnce(Reply) + Send>;

/// Everything the engine hears.
pub(super) enum Input {
    /// A drop has come to rest in the drop folder. Answered with `true` once it is taken.
    Arrived(String, Box<dyn FnOnce(bool) + Send>),
    /// The drop folder has been looked through once.
    Scanned,
    /// The link said something.
    Link(Report),
    /// A person asks something.
    Ask(Request, Answer),
    /// The designer of run number `.0` said something.
    Designer(u64, DesignerSays),
    /// The station ends.
    Stop,
}

/// A designer at work.
struct Work {
    run: u64,
    code: String,
    /// Ends the process when dropped.
    _process: Designer,
    progress: Progress,
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
    runs: u64,
    /// Why no designer could be started, and when to try again.
    designer_fault: Option<(Finding, Instant)>,
    pub(super) status: LinkStatus,
    /// How the print goes, in words, when it does not simply print.
    print_word: &'static str,
    /// A print order is on its way: what the link says of the job until it answers is of an earlier print.
    order_open: bool,
    orphan_since: Option<Instant>,
    scanned: bool,
    link_heard: bool,
    pub(super) disk: Option<Finding>,
    disk_looked: Option<Instant>,
    files: BTreeMap<String, Vec<String>>,
    weights: String,
    revision: u64,
    dirty: bool,
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
        let store = Store::open(folders.data(), settings.seed)?;
        let revision = out.borrow().revision;
        Ok(Self {
            store,
            folders,
            config,
            link,
            settings,
            mail,
            out,
            work: None,
            runs: 0,
            designer_fault: None,
            status: LinkStatus::default(),
            print_word: "",
            order_open: false,
            orphan_since: None,
            scanned: false,
            link_heard: false,
            disk: None,
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
        let moving = self.folders.in_work();
        for job in self.store.all()? {
            if let Some(design) = &job.design {
                self.weights.clone_from(&design.weights);
            }
            // What is over and in its place needs no look.
            if job.state.is_over() && job.source.is_empty() && !moving.contains(&job.code) {
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
            Input::Arrived(name, answer) => answer(self.take(&name)),
            Input::Scanned => self.scanned = true,
            Input::Link(report) => self.hear_link(report),
            Input::Ask(request, answer) => {
                let reply = self.ask(request);
                answer(reply);
            }
            Input::Designer(run, says) => self.hear_designer(run, says),
            Input::Stop => {}
        }
        self.dirty = true;
    }

    fn tick(&mut self) {
        if self.disk_looked.is_none_or(|at| at.elapsed() > DISK_LOOK) {
            self.disk_looked = Some(Instant::now());
            let found = self.look_at_disk();
            self.dirty |= found != self.disk;
            self.disk = found;
        }
        if self.work.is_none()
            && self
                .designer_fault
                .as_ref()
                .is_none_or(|(_, again)| Instant::now() > *again)
        {
            self.start_next();
        }
    }

    fn look_at_disk(&self) -> Option<Finding> {
        let free = self.folders.free_mib().ok()?;
        (free < FREE_MIB_MIN).then(|| {
            let text = "The disk is nearly full. New scans wait in the drop folder, nothing is lost. Ask IT to free space.";
            Finding::warn("disk_full", text).value(free as f64, "MiB").limit(FREE_MIB_MIN as f64)
        })
    }

    // --- drops ----------------------------------------------------------------------------------------------

    /// Makes a job of a drop and takes it out of the drop folder.
    fn take(&mut self, name: &str) -> bool {
        let full = self.store.waiting().is_ok_and(|n| n >= QUEUE_MAX);
        if full || self.disk.is_some() {
            return false;
        }
        let job = match self.store.add(name, &self.now()) {
            Ok(job) => job,
            Err(error) => {
                tracing::error!(%error, "a drop could not be recorded");
                return false;
            }
        };
        tracing::info!(case = %job.code, "received");
        failpoint::hit("received");
        self.place(&job, Place::Work);
        self.export(&job.code);
        true
    }

    /// Moves the drop of a job. The reason is there before the drop is: a cut between leaves no drop unexplained.
    fn place(&mut self, job: &Job, place: Place) {
        if place == Place::Quarantine {
            self.write_reason(job);
        }
        match self.folders.move_to(place, &job.code, &job.source) {
            Ok(true) => {
                if !job.source.is_empty()
                    && let Err(error) = self.store.taken(&job.code)
                {
                    tracing::error!(case = %job.code, %error, "the store could not be written");
                }
            }
            Ok(false) => tracing::warn!(case = %job.code, "the drop is not there any more"),
            Err(error) => {
                tracing::error!(case = %job.code, kind = ?error.kind(), "the drop could not be moved");
            }
        }
    }

    fn write_reason(&self, job: &Job) {
        let mut text = format!(
            "{}: {}\n\n{}\n{}\n",
            job.code,
            job.state.word(),
            job.reason.text,
            job.reason.next
        );
        for finding in self.store.findings(&job.code).unwrap_or_default() {
            text.push_str(&format!("- {}: {}\n", finding.name, finding.text));
        }
        if let Err(error) = self.folders.write_reason(&job.code, &text) {
            tracing::error!(case = %job.code, kind = ?error.kind(), "REASON.txt could not be written");
        }
    }

    // --- one step of one job ----------------------------------------------------------------------------------

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
        let Applied { job, from, actions } = self.store.apply(code, event, actor, &self.now())?;
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
        if changed || !actions.is_empty() {
            failpoint::hit(event.kind());
        }
        for action in actions {
            self.act(&job, action);
        }
        if changed || !matches!(event, Event::StationStarted { .. }) {
            self.export(code);
        }
        self.files.remove(code);
        self.dirty = true;
        Ok(())
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
                self.link.order(Order::Print {
                    code: job.code.clone(),
                    gcode: self.folders.case(&job.code).join("implant.gcode"),
                    sha256: release.sha256,
                });
            }
            Action::PausePrint => self.link.order(Order::Pause),
            Action::ResumePrint => self.link.order(Order::Resume),
            Action::CancelPrint => self.link.order(Order::Cancel),
            // Pressed by hand it is on the wire already, past this thread; once more does no harm.
            Action::EmergencyStop => {
                let _ = self.link.emergency_stop();
            }
            // The link says how things are as soon as it answers; see `hear_status`.
            Action::AskLink => {}
        }
    }

    /// Writes `events.jsonl` of a case anew.
    fn export(&mut self, code: &str) {
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

    // --- the designer -----------------------------------------------------------------------------------------

    fn start_next(&mut self) {
        match self.store.next_received() {
            Ok(Some(job)) => self.apply(&job.code, &Event::WorkerFree, "station"),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the queue could not be read"),
        }
    }

    fn start_designer(&mut self, job: &Job) {
        let code = job.code.clone();
        let Some(input) = self.folders.input(&code) else {
            let why = Reason::new(
                "The drop of this case is not there any more.",
                "Drop the scan again.",
            );
            return self.apply(&code, &Event::DesignFailed(why), "station");
        };
        self.runs += 1;
        let run = self.runs;
        let design = &self.config.design;
        let mut arguments: Vec<std::ffi::OsString> = vec!["designer".into(), "--case".into()];
        arguments.push(self.folders.case(&code).into());
        arguments.extend(["--input".into(), input.into()]);
        arguments.extend([
            "--printer".into(),
            self.config.printer.profile.clone().into(),
        ]);
        arguments.extend([
            "--material".into(),
            self.config.material.name.clone().into(),
        ]);
        arguments.extend(["--device".into(), design.device.clone().into()]);
        if self.config.privacy == Privacy::Strict {
            arguments.push("--strict".into());
        }
        let command = DesignerCommand {
            program: self.settings.program.clone(),
            arguments,
            memory_mib: design.memory_mib,
            time: Duration::from_secs(design.time_s),
        };
        let mail = self.mail.clone();
        let started = Designer::start(&command, move |says| {
            // The engine may be gone; then nobody is interested.
            let _ = mail.send(Input::Designer(run, says));
        });
        match started {
            Ok(process) => {
                self.designer_fault = None;
                self.work = Some(Work {
                    run,
                    code,
                    _process: process,
                    progress: Progress {
                        stage: Stage::Intake,
                        fraction: 0.0,
                        text: "reading the files".into(),
                    },
                });
            }
            Err(error) => {
                tracing::error!(kind = ?error.kind(), "the designer could not be started");
                let text =
                    "The designer could not be started. Tell IT: the program may have been moved.";
                let again = Instant::now() + Duration::from_secs(10);
                self.designer_fault = Some((Finding::warn("no_designer", text), again));
                let why = Reason::new("The designer could not be started.", "Tell IT, then retry.");
                let deaths = job.deaths;
                self.apply(&code, &Event::DesignerDied { deaths, why }, "station");
            }
        }
    }

    fn hear_designer(&mut self, run: u64, says: DesignerSays) {
        // The last words of a designer that was ended.
        let Some(work) = self.work.as_mut().filter(|w| w.run == run) else {
            return;
        };
        let code = work.code.clone();
        match says {
            DesignerSays::Line(DesignerLine::Progress(progress)) => {
                let reads = work.progress.stage == Stage::Intake && progress.stage != Stage::Intake;
                work.progress = progress;
                if reads {
                    self.apply(&code, &Event::Read, "designer");
                }
            }
            DesignerSays::Line(DesignerLine::Finding(finding)) => {
                if let Err(error) = self.store.add_finding(&code, &finding) {
                    tracing::error!(case = %code, %error, "a finding could not be kept");
                }
            }
            // The reader keeps outcomes for the end.
            DesignerSays::Line(DesignerLine::Outcome(_)) => {}
            DesignerSays::Ended(ended) => {
                self.work = None;
                self.designer_ended(&code, ended);
            }
        }
    }

    fn designer_ended(&mut self, code: &str, ended: Ended) {
        let event = match ended {
            Ended::Said(DesignOutcome::Designed(design)) => {
                self.weights.clone_from(&design.weights);
                Event::Designed(design)
            }
            Ended::Said(DesignOutcome::Refused(why)) => Event::Refused(why),
            Ended::Said(DesignOutcome::Failed(why)) => Event::DesignFailed(why),
            Ended::Died(why) => {
                let deaths = self.store.job(code).map_or(0, |j| j.deaths);
                tracing::warn!(case = code, deaths, why = %why.text, "the designer died");
                Event::DesignerDied { deaths, why }
            }
        };
        self.apply(code, &event, "designer");
    }

    // --- the link ---------------------------------------------------------------------------------------------

    fn hear_link(&mut self, report: Report) {
        match report {
            Report::Up => self.order_open = false,
            Report::Down => {
                self.link_heard = true;
                self.status = LinkStatus {
                    view: PrinterView {
                        state: PrinterState::LinkDown,
                        // What was last known stays visible, as last known.
                        ..std::mem::take(&mut self.status.view)
                    },
                    job: None,
                };
            }
            Report::Status(status) => {
                self.link_heard = true;
                self.hear_status(status);
            }
            Report::Answer(order, answer) => self.hear_answer(order, answer),
        }
    }

    fn hear_answer(&mut self, order: Order, answer: Result<LinkStatus, crate::status::Refused>) {
        let print = matches!(order, Order::Print { .. });
        if print {
            self.order_open = false;
        }
        match (answer, order) {
            (Ok(status), _) => self.hear_status(status),
            (Err(refused), Order::Print { code, .. }) => {
                let why = Reason::new(
                    format!("The printer did not take the print: {}", refused.text),
                    refused.next,
                );
                self.apply(&code, &Event::LinkStopped(why), "link");
            }
            (Err(refused), order) => {
                tracing::warn!(?order, code = %refused.code, "the link refused")
            }
        }
    }

    fn hear_status(&mut self, status: LinkStatus) {
        self.status = status;
        if self.order_open {
            return;
        }
        match self.store.on_printer() {
            Ok(Some(job)) => self.follow(&job),
            Ok(None) => self.look_for_orphan(),
            Err(error) => tracing::error!(%error, "the job on the printer could not be read"),
        }
    }

    /// Brings the job on the printer to where the link says that it is.
    fn follow(&mut self, job: &Job) {
        self.orphan_since = None;
        self.print_word = "";
        let hash = job.design.as_ref().map(|d| d.gcode_sha256.as_str());
        let ours = self
            .status
            .job
            .as_ref()
            .filter(|j| j.code == job.code && Some(j.sha256.as_str()) == hash);
        let event = match ours.map(|j| &j.phase) {
            Some(Phase::Working(word)) => {
                self.print_word = word;
                // On the way into or out of a hold the state stays until the link is there.
                if !word.is_empty() {
                    return;
                }
                Event::LinkResumed
            }
            Some(Phase::Paused) => Event::LinkPaused,
            Some(Phase::Printed) => Event::LinkPrinted,
            Some(Phase::Stopped(why)) => Event::LinkStopped(why.clone()),
            None => Event::LinkStopped(Reason::new(
                "The printer knows nothing of this print: it was interrupted before it began.",
                "Look at the bed, then release it again.",
            )),
        };
        self.apply(&job.code, &event, "link");
    }

    /// A print on the link without a printing job must not go on: nobody here answers for it.
    fn look_for_orphan(&mut self) {
        let runs = matches!(
            self.status.job.as_ref().map(|j| &j.phase),
            Some(Phase::Working(_) | Phase::Paused)
        );
        if !runs {
            self.orphan_since = None;
            return;
        }
        let since = *self.orphan_since.get_or_insert_with(Instant::now);
        if since.elapsed() > ORPHAN {
            tracing::error!(
                "the link prints something that was not released here; it is cancelled"
            );
            self.orphan_since = None;
            self.link.order(Order::Cancel);
        }
    }

    // --- what people see --------------------------------------------------------------------------------------

    pub(super) fn now(&self) -> String {
        (self.settings.clock)()
            .strftime("%Y-%m-%dT%H:%M:%S%:z")
            .to_string()
    }

    pub(super) fn now_s(&self) -> i64 {
        (self.settings.clock)().timestamp().as_second()
    }

    fn publish(&mut self) {
        self.dirty = false;
        self.revision += 1;
        let jobs = match self.store.jobs(super::snapshot::JOBS_SHOWN) {
            Ok(jobs) => jobs,
            Err(error) => {
                tracing::error!(%error, "the jobs could not be read");
                return;
            }
        };
        let mut views = Vec::with_capacity(jobs.len());
        for job in &jobs {
            let findings = self.store.findings(&job.code).unwrap_or_default();
            let folders = &self.folders;
            let files = self
                .files
                .entry(job.code.clone())
                .or_insert_with(|| folders.files(&job.code));
            let progress = match job.state {
                JobState::Reading | JobState::Designing => self
                    .work
                    .as_ref()
                    .filter(|w| w.code == job.code)
                    .map(|w| w.progress.clone()),
                JobState::Printing | JobState::Paused => Some(Progress {
                    stage: Stage::Print,
                    fraction: self.status.view.fraction,
                    text: self.print_word.into(),
                }),
                _ => None,
            };
            views.push(super::snapshot::job_view(
                job,
                findings,
                progress,
                files.clone(),
            ));
        }
        let mut attention: Vec<Finding> = self.disk.iter().cloned().collect();
        attention.extend(
            self.designer_fault
                .iter()
                .map(|(finding, _)| finding.clone()),
        );
        if self.link_heard && self.status.view.state == PrinterState::LinkDown {
            attention.push(Finding::warn(
                "link_down",
                "The printer link does not answer. A running print may go on: look at the printer. Tell IT if this stays.",
            ));
        }
        let snapshot = Snapshot {
            revision: self.revision,
            station: crate::status::StationView {
                version: env!("CARGO_PKG_VERSION").into(),
                starting: !(self.scanned && self.link_heard),
                attention,
                weights: self.weights.clone(),
                address: self.settings.address.clone(),
                now: self.now(),
            },
            printer: self.status.view.clone(),
            jobs: views,
        };
        self.out.send_replace(Arc::new(snapshot));
    }
}
