//! Moonraker: a print on Klipper, over the HTTP interface of its print server.
//!
//! In:    answers to requests, commands of people, a proved [`Plan`], the time (ms, monotonic).
//! Out:   [`Action`]s: requests, files to load, events, journal records.
//! Holds: a job ends as `printed` only when Klipper has carried out our file to its last byte, in one run, and stands where
//!        the plan ends; nothing resumes by itself; an emergency stop waits for no other request.
//! Never: does I/O, reads a clock; touches a print that somebody else began.
//!
//! The whole file is uploaded and Klipper prints it from its own disk: no line can get lost on the way, and the link watches.
//! The rules, with their bounds of time: `docs/printer-link.md`.
//!
//! ```text
//! Klipper: Away ─info─► Asking ─the printer that is meant─► Ready ⇄ NotReady      halted: until a person lets it recover
//! job:     Checking ► Uploading ► Reading ► Preparing ► Starting ► Running ⇄ (Pausing ► Parking ► Paused ► Reheating ►
//!          Unparking ► Resuming) ► Proving ► printed; anything else ► stopped, heaters off
//! ```
//!
//! | file | what | |
//! |---|---|---|
//! | [`api`] | what is asked and answered | types |
//! | [`http`], [`reading`] | the same as text | pure |
//! | [`client`] | the connections | I/O |
//! | [`plan`] | a file by its bytes | pure |
//! | `connect` `begin` `watch` `hold` `finish` `off` `stop` `acts` `shown` | the machine | pure |
//! | [`fake`] | a Moonraker and a Klipper without metal | pure |

use super::journal::Record;
use super::transport::Millis;
use super::wire::{Event, JobStatus, PrinterName, Status};
use crate::gcode::Printer;
use crate::status::{Finding, Refused};
use api::{Answer, Ask, Request, Trouble};
use job::{Job, Stage};
use plan::Plan;
use reading::{Look, Settings};
use std::path::PathBuf;

mod acts;
#[cfg(test)]
mod adversary;
pub mod api;
mod begin;
pub mod client;
mod connect;
pub mod fake;
mod finish;
mod hold;
pub mod http;
mod job;
mod off;
pub mod plan;
pub mod reading;
mod shown;
mod stop;
mod tuned;
mod watch;
mod words;

/// Between two looks while something goes on, and otherwise.
const LOOK_MS: Millis = 500;
const LOOK_IDLE_MS: Millis = 1_000;
/// The same while an emergency stop waits for its confirmation.
const LOOK_STOP_MS: Millis = 150;
/// Beyond the limit of its connection a request counts as lost.
const LOST_MS: Millis = 2_000;

/// What the link has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Ask, each on a connection of its own; then [`Moonraker::answered`].
    Ask(Ask),
    /// Read, hash, prove and prepare a file; then [`Moonraker::loaded`].
    Load {
        /// File.
        path: PathBuf,
        /// Released hash.
        sha256: String,
    },
    /// Take the mains from the printer, where a relay can do that.
    SwitchOff,
    /// Tell those who watch.
    Event(Event),
    /// Write to the journal.
    Journal(Record),
}

/// What the machine has to know.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Profile.
    pub printer: Printer,
    /// `moonraker:HOST:PORT`, for people.
    pub port: String,
    /// No second link uses it: part of the names of files.
    pub nonce: u64,
}

/// How far Klipper is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Nobody answers.
    Away,
    /// It is asked who it is; no order is given.
    Asking,
    /// Moonraker answers, and Klipper takes no orders.
    NotReady,
    /// Not the printer that is meant: nothing is ordered until a person says otherwise.
    Stranger,
    /// Orders may be given.
    Ready,
}

/// A request that is on its way.
#[derive(Clone, Debug)]
struct Open {
    id: u64,
    what: Request,
    since: Millis,
    /// When it counts as lost.
    until: Millis,
}

/// The state machine. See the module.
#[derive(Debug)]
pub struct Moonraker {
    setup: Setup,
    reach: Reach,
    /// The last question, and when the next is due.
    question: Option<Open>,
    next_ms: Millis,
    /// Questions in a row without an answer.
    misses: u32,
    /// Orders on their way.
    orders: Vec<Open>,
    next_id: u64,
    files: u64,
    /// Who answered, once it is known.
    identity: Option<PrinterName>,
    /// What answered to the question who it is, while the second half is asked.
    info: Option<api::Info>,
    settings: Settings,
    look: Look,
    /// When the last look was asked that was answered.
    looked_ms: Option<Millis>,
    job: Option<Job>,
    last: Option<JobStatus>,
    /// Files that are stored there and not needed any more, and when each is tried to be removed next.
    waste: Vec<(String, Millis)>,
    /// The heaters are to be off, and that is not proved yet.
    off: Option<off::Off>,
    fault: Option<Finding>,
    /// Why it is not connected; shown when there is nothing else.
    connect_fault: Option<Finding>,
    /// Why nothing may be printed on what is connected.
    unfit: Option<Finding>,
    /// Dead until a person lets it recover.
    halted: bool,
    /// Emergency stop: when it was first sent, how often, and why when it was not a person.
    stop: Option<(Millis, usize)>,
    stop_why: Option<Finding>,
    stop_lost: bool,
    mains_off: Option<Millis>,
    /// A restart was ordered by a person, since then.
    recovers: Option<Millis>,
    halt: Option<Finding>,
    /// The link is told to end, since then.
    ending: Option<Millis>,
    shown: Option<Status>,
    shown_ms: Millis,
    actions: Vec<Action>,
}

impl Moonraker {
    /// Before anything was asked. `last` is what the journal knows of the last job.
    pub fn new(setup: Setup, last: Option<JobStatus>) -> Self {
        Self {
            identity: connect::interrupted(last.as_ref()),
            off: Some(off::Off::found(last.as_ref())),
            fault: last.as_ref().and_then(|job| job.fault.clone()),
            setup,
            reach: Reach::Away,
            question: None,
            next_ms: 0,
            misses: 0,
            orders: Vec::new(),
            next_id: 0,
            files: 0,
            info: None,
            settings: Settings::default(),
            look: Look::default(),
            looked_ms: None,
            job: None,
            waste: Vec::new(),
            last,
            connect_fault: None,
            unfit: None,
            halted: false,
            stop: None,
            stop_why: None,
            stop_lost: false,
            mains_off: None,
            recovers: None,
            halt: None,
            ending: None,
            shown: None,
            shown_ms: 0,
            actions: Vec::new(),
        }
    }

    /// What is to be done since the last call.
    pub fn drain(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// The file was read and proved, or not.
    pub fn loaded(&mut self, now: Millis, plan: Result<Plan, Finding>) {
        self.begin(now, plan);
        self.settle(now);
    }

    /// An answer, or that none will come. One to a question that was given up, or a second one to the same, says nothing.
    pub fn answered(&mut self, now: Millis, id: u64, answer: Result<Answer, Trouble>) {
        if let Some(open) = self.question.take_if(|open| open.id == id) {
            self.heard(now, &open, answer);
        } else if let Some(at) = self.orders.iter().position(|open| open.id == id) {
            let open = self.orders.remove(at);
            self.ordered(now, &open, answer);
        }
        self.settle(now);
    }

    fn pass(&mut self, now: Millis) {
        if let Some(open) = self.question.take_if(|open| now >= open.until) {
            self.heard(now, &open, Err(Trouble::Late));
        }
        while let Some(at) = self.orders.iter().position(|open| now >= open.until) {
            let open = self.orders.remove(at);
            self.ordered(now, &open, Err(Trouble::Late));
        }
        self.repeat_stop(now);
        self.watch_away(now);
        self.watch_hold(now);
        self.watch_orders(now);
        self.prepare_again(now);
        self.watch_end(now);
        self.switch_off(now);
        if self.question.is_none() && now >= self.next_ms {
            self.ask_on(now);
        }
        self.settle(now);
    }

    fn wake(&self, now: Millis) -> Millis {
        let question = self
            .question
            .as_ref()
            .map_or(self.next_ms, |open| open.until);
        let orders = self.orders.iter().map(|open| open.until);
        let shown = self.job.is_some().then(|| self.shown_ms + shown::STATUS_MS);
        orders
            .chain([question])
            .chain(self.stop.map(stop::next_stop_ms))
            .chain(self.mains_off)
            .chain(self.job.as_ref().and_then(|job| job.again_ms))
            .chain(shown)
            .min()
            .unwrap_or(now + 1_000)
            .clamp(now, now + 1_000)
    }

    /// Something goes on that is looked at often.
    fn look_ms(&self) -> Millis {
        if self.stop.is_some() {
            LOOK_STOP_MS
        } else if self.job.is_some() || self.off.is_some() || self.ending.is_some() {
            LOOK_MS
        } else {
            LOOK_IDLE_MS
        }
    }

    fn open(&mut self, now: Millis, what: Request) -> Open {
        self.next_id += 1;
        let id = self.next_id;
        let limit_ms = u64::try_from(what.limit().as_millis()).unwrap_or(0);
        self.actions.push(Action::Ask(Ask {
            id,
            what: what.clone(),
        }));
        // What is uploaded is not kept a second time.
        let what = match what {
            Request::Upload { name, .. } => Request::Upload {
                name,
                bytes: [].into(),
                sha256: String::new(),
            },
            other => other,
        };
        Open {
            id,
            what,
            since: now,
            until: now + limit_ms + LOST_MS,
        }
    }

    fn order(&mut self, now: Millis, what: Request) {
        let open = self.open(now, what);
        self.orders.push(open);
    }

    fn script(&mut self, now: Millis, lines: &[String]) {
        self.order(now, Request::Script(lines.join("\n")));
    }

    /// Is such an order on its way?
    fn is_ordered(&self, what: impl Fn(&Request) -> bool) -> bool {
        self.orders.iter().any(|open| what(&open.what))
    }

    /// An order was carried out, or not.
    fn ordered(&mut self, now: Millis, open: &Open, answer: Result<Answer, Trouble>) {
        if let Err(trouble) = &answer {
            tracing::warn!(%trouble, "an order to the printer failed");
        }
        if let Err(Trouble::Refused { status: 401, .. }) = &answer {
            self.connect_fault = Some(words::no_key());
        }
        if let Request::Delete(name) = &open.what {
            return self.removed(name, &answer);
        }
        if answer == Err(Trouble::Late) {
            self.is_late();
        }
        match self.job.as_ref().map(|job| job.stage) {
            None => {}
            Some(Stage::Checking | Stage::Uploading | Stage::Reading | Stage::Preparing) => {
                self.begin_on(now, open, answer);
            }
            Some(Stage::Starting) => self.start_answered(open, answer),
            Some(Stage::Proving) => self.drained(now, open, &answer),
            Some(_) => self.hold_answered(now, open, &answer),
        }
    }

    fn settle(&mut self, now: Millis) {
        self.keep_halt();
        self.show(now);
    }

    fn journal(&mut self, record: Record) {
        self.actions.push(Action::Journal(record));
    }
}

fn refused(code: &str, text: &str, next: &str) -> Refused {
    Refused::new(code, text, next)
}
