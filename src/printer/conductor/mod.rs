//! Conductor: one print from the first line to the last, and everything that may come between.
//!
//! In:    port opened and lost, bytes, commands of people, a loaded [`Program`], the time (ms, monotonic).
//! Out:   [`Action`]s: bytes to write, the port to reopen, files to load, events, journal records.
//! Holds: after a fault no motion line is sent; a job ends as `printed` only when every line was accepted and the
//!        firmware stands where the plan ends; nothing resumes by itself.
//! Never: does I/O, reads a clock.
//!
//! ```text
//! port:  Absent ─opened─► Booting ─► Asking ─M115─► Greeting ─► Ready ──halted──► Halted ─recover─► Absent
//!                                       └─ another printer, another firmware ─► Stranger ─recover─► Asking
//! job:   Checking ─► Printing ⇄ (Pausing ─► Paused ─► Resuming) ─► Finishing ─► printed
//!                        └──────────── fault, cancel, emergency stop ──────────► stopped
//! ```

use super::journal::Record;
use super::program::Program;
use super::reply::Scanner;
use super::transport::{Class, Millis, Rules, Transport};
use super::wire::{Event, JobStatus, LineFigures, Phase, Status};
use crate::gcode::dialect::{Facts, Identity};
use crate::gcode::{Dialect, Printer};
use crate::status::{Finding, Heater, PrinterState, Refused};
use std::collections::VecDeque;
use std::path::PathBuf;

mod acts;
mod cool;
pub(super) mod faults;
mod hears;
mod heat;
mod hold;
mod introduction;
mod job;
mod panel;
mod park;
mod reentry;
mod shown;
mod stages;
mod stop;
#[cfg(test)]
mod tests;
pub(super) mod tracker;
mod troubles;
pub(super) mod tune;

use job::{Job, Stage};
use tracker::Tracker;

/// A port that is away in a print is waited for so long; then the nozzle has stood on the part for too long.
const GONE_MAX_MS: Millis = 60_000;
/// After a port was opened anew in a print: a board that was reset says so within that time.
const REOPEN_MS: Millis = 2_000;
/// An adapter hands on what it held while its port was closed. Behind a halt those are the halt's own words, and heard
/// so late they would halt a board that was just reset; its first own word takes longer than this.
const OLD_WORDS_MS: Millis = 50;
/// Quiet after a boot banner before the greeting.
const BOOT_QUIET_MS: Millis = 300;
/// Status events at most so often.
const STATUS_MS: Millis = 500;
/// A mark in the journal at least so often.
const MARK_MS: Millis = 10_000;

/// What the link has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Write to the port.
    Write(Vec<u8>),
    /// Throw away what was written and is not on the wire yet.
    FlushOutput,
    /// Speak and listen at this rate from now on, bits per second.
    SetBaud(u32),
    /// Close the port and open it anew so that the board resets.
    ResetBoard,
    /// Read, hash, prove and prepare a file; then [`Conductor::loaded`].
    Load {
        /// File.
        path: PathBuf,
        /// Released hash.
        sha256: String,
        /// The file that it goes on with, when it is a re-entry.
        released: Option<PathBuf>,
    },
    /// Take the mains from the printer, where a relay can do that: after an emergency.
    SwitchOff,
    /// Tell those who watch.
    Event(Event),
    /// Write to the journal.
    Journal(Record),
}

/// What the conductor has to know about its printer.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Profile.
    pub printer: Printer,
    /// Port as configured, for people.
    pub port: String,
    /// No metal moves.
    pub is_virtual: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Port {
    /// Not open.
    Absent,
    /// Open; at `until` the first question is asked, later while a banner comes.
    Booting { until: Millis },
    /// Asked who it is; nothing else is said.
    Asking,
    /// Not the printer that is meant: nothing is said to it until a person says otherwise.
    Stranger,
    /// Greeting.
    Greeting,
    /// Lines may flow.
    Ready,
    /// Dead until a person lets it recover.
    Halted,
}

/// The state machine. See the module.
#[derive(Debug)]
pub struct Conductor {
    setup: Setup,
    transport: Transport,
    scanner: Scanner,
    port: Port,
    job: Option<Job>,
    /// The last job's end, until the next begins.
    last: Option<JobStatus>,
    /// Own commands, before any line of the file.
    script: VecDeque<(String, Class)>,
    tracker: Tracker,
    /// What a later re-entry needs, and what one waits for.
    trail: reentry::Trail,
    name: String,
    /// Who answered when the port was opened.
    identity: Option<Identity>,
    dialect: Dialect,
    introduction: introduction::Introduction,
    parser: introduction::Parser,
    /// Since when the port is away in a print.
    away_since: Option<Millis>,
    /// When lines might flow last.
    ready_ms: Option<Millis>,
    /// Why nothing may be printed on what is connected.
    unfit: Option<Finding>,
    /// Lines of a file wait until then: a board may boot twice.
    lines_from: Millis,
    /// As last reported; `None` when nothing is known of it now.
    hotend: Option<Heater>,
    bed: Option<Heater>,
    /// The heaters are to be off, and that is not proved yet.
    cooling: Option<cool::Cooling>,
    fault: Option<Finding>,
    /// Why the printer is not connected, or how it was found; shown when there is nothing else.
    connect_fault: Option<Finding>,
    /// The printer waits for a person at its own panel.
    waits: Option<hold::Waits>,
    /// What it asks there.
    prompt: Option<panel::Asked>,
    has_prompts: bool,
    /// Puts back what was tuned of a print that has ended, until it is said.
    untuned: Vec<(String, Class)>,
    /// `M290` moves the height in small steps: the firmware says so.
    has_baby_steps: bool,
    heat: heat::HeatWatch,
    /// An order to switch off is on its way since, and why.
    unsafe_since: Option<(Millis, Finding)>,
    /// The last words before a halt, and half an error.
    said: troubles::Said,
    /// Emergency stop: when it was first sent, how often.
    stop: Option<(Millis, usize)>,
    /// Why, when it was not a person.
    stop_why: Option<Finding>,
    /// When the mains are to be taken from it, where a relay can.
    mains_off: Option<Millis>,
    /// The port is being opened anew behind a halt; what comes before then was said before.
    recovers: bool,
    old_until: Millis,
    /// What the journal has of a halt.
    halt: Option<Finding>,
    /// A stop of the link before this one is to be sent again once the port is open.
    stop_lost: bool,
    /// Told to end: heaters off, then [`Conductor::is_finished`].
    ending: bool,
    shown: Option<Status>,
    shown_ms: Millis,
    actions: Vec<Action>,
}

impl Conductor {
    /// Before the port is open. `last` is what the journal knows of the last job.
    pub fn new(setup: Setup, last: Option<JobStatus>) -> Self {
        let dialect = setup.printer.dialect;
        let identity = introduction::interrupted(last.as_ref());
        let rules = Rules {
            window: setup.printer.link.window as u64,
            line_max_bytes: setup.printer.link.line_max_bytes,
            facts: dialect.facts(),
        };
        Self {
            name: setup.port.clone(),
            trail: reentry::Trail::after(last.as_ref()),
            fault: last.as_ref().and_then(|job| job.fault.clone()),
            setup,
            transport: Transport::new(rules),
            scanner: Scanner::default(),
            port: Port::Absent,
            job: None,
            last,
            script: VecDeque::new(),
            tracker: Tracker::default(),
            identity,
            dialect,
            introduction: introduction::Introduction::default(),
            parser: introduction::Parser::default(),
            away_since: None,
            ready_ms: None,
            unfit: None,
            lines_from: 0,
            connect_fault: None,
            waits: None,
            prompt: None,
            has_prompts: false,
            untuned: Vec::new(),
            has_baby_steps: false,
            heat: heat::HeatWatch::default(),
            unsafe_since: None,
            said: troubles::Said::default(),
            hotend: None,
            bed: None,
            cooling: None,
            stop: None,
            stop_why: None,
            mains_off: None,
            recovers: false,
            old_until: 0,
            halt: None,
            stop_lost: false,
            ending: false,
            shown: None,
            shown_ms: 0,
            actions: Vec::new(),
        }
    }

    /// What is to be done since the last call.
    pub fn drain(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// The port is open.
    pub fn opened(&mut self, now: Millis) {
        self.scanner.clear();
        if self.port == Port::Halted {
            return self.stop_again(now);
        }
        if std::mem::take(&mut self.recovers) {
            self.old_until = now + OLD_WORDS_MS;
        }
        self.keep_rate();
        let boot_ms = if self.is_in_print() {
            REOPEN_MS
        } else {
            self.boot_ms().max(BOOT_QUIET_MS)
        };
        self.port = Port::Booting {
            until: now + boot_ms,
        };
        self.settle(now);
    }

    fn boot_ms(&self) -> Millis {
        (self.setup.printer.link.boot_s * 1e3) as Millis
    }

    /// A print whose lines are on their way: what connects now is the board that has them, or another one.
    fn is_in_print(&self) -> bool {
        self.job.as_ref().is_some_and(Job::has_begun) && self.transport.is_up()
    }

    /// The port could not be opened, or is gone.
    pub fn lost(&mut self, now: Millis) {
        self.scanner.clear();
        if self.job.is_some() {
            self.away_since.get_or_insert(now);
        }
        if !matches!(self.port, Port::Absent | Port::Halted) {
            self.port = Port::Absent;
        }
        self.forget_heaters();
        self.settle(now);
    }

    /// Bytes from the printer.
    pub fn bytes(&mut self, now: Millis, bytes: &[u8]) {
        if now < self.old_until {
            return;
        }
        if let Port::Asking = self.port {
            self.introduction.hears(bytes);
        }
        let mut replies = Vec::new();
        self.scanner.feed(bytes, |reply| replies.push(reply));
        self.transport.hears_what_was_written();
        for reply in replies {
            self.reply(now, reply);
            self.work(now);
        }
        self.settle(now);
    }

    /// Time passes. Call it at [`Conductor::wake_ms`] at the latest.
    pub fn tick(&mut self, now: Millis) {
        match self.port {
            Port::Booting { until } if now >= until => self.begin_asking(now),
            Port::Asking => self.ask_on(now),
            Port::Greeting | Port::Ready => self.transport.tick(now),
            _ => {}
        }
        self.watch_away(now);
        self.half_error(now);
        self.watch_hold(now);
        self.watch_heat(now);
        self.watch_orders(now);
        self.repeat_stop(now);
        self.switch_off(now);
        self.settle(now);
    }

    /// When [`Conductor::tick`] has something to do.
    pub fn wake_ms(&self, now: Millis) -> Millis {
        let port = match self.port {
            Port::Booting { until } => Some(until),
            Port::Asking => Some(self.introduction.next_ms()),
            Port::Greeting | Port::Ready => self.transport.wake_ms(now),
            Port::Absent | Port::Halted | Port::Stranger => None,
        };
        let stop = self.stop.map(stop::next_stop_ms);
        let shown = self.job.is_some().then(|| self.shown_ms + STATUS_MS);
        let away = (self.away_since.filter(|_| self.job.is_some())).map(|t| t + GONE_MAX_MS);
        let lines = (self.job.is_some() && now < self.lines_from).then_some(self.lines_from);
        // The slow watches (hold, heat, orders) are content with the second.
        [
            port,
            stop,
            self.mains_off,
            shown,
            lines,
            away,
            self.question_ms(now),
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(now + 1_000)
        .clamp(now, now + 1_000)
    }

    /// A print whose printer is away, also one that comes and goes: only a line that is taken ends that.
    fn watch_away(&mut self, now: Millis) {
        let away = |since: Millis| now >= since + GONE_MAX_MS;
        if self.away_since.is_some_and(away) && self.job.is_some() && self.port != Port::Halted {
            self.transport.silence();
            let begun = self.job.as_ref().is_some_and(Job::has_begun);
            let why = if begun {
                faults::gone()
            } else {
                faults::not_back()
            };
            self.end_job(now, Some(why.clone()));
            self.unsafe_since = Some((now, why));
            if !matches!(self.port, Port::Absent | Port::Asking) {
                // It is there, and took no line: it is greeted anew, and told to switch off.
                self.port = Port::Booting {
                    until: now + BOOT_QUIET_MS,
                };
            }
        }
    }

    /// Takes what the transport has to say, writes what may be written, moves the job on.
    fn work(&mut self, now: Millis) {
        loop {
            for output in self.transport.drain() {
                self.output(now, output);
            }
            if !self.send_next(now) {
                break;
            }
        }
        self.advance(now);
        for output in self.transport.drain() {
            self.output(now, output);
        }
    }

    fn settle(&mut self, now: Millis) {
        self.work(now);
        if self.port == Port::Ready {
            self.ready_ms = Some(now);
        }
        self.keep_halt();
        self.show(now);
    }

    fn facts(&self) -> &'static Facts {
        self.dialect.facts()
    }

    /// A host that dies leaves the heaters on for ever; with M85 the board ends it by itself.
    fn guard(&mut self) {
        if self.facts().has_m85 {
            self.own("M85 S900", Class::Setting);
        }
    }

    /// What was last reported says nothing about now.
    fn forget_heaters(&mut self) {
        (self.hotend, self.bed) = (None, None);
    }

    fn own(&mut self, text: &str, class: Class) {
        self.script.push_back((text.to_owned(), class));
    }

    /// Own commands in the words of this firmware: elsewhere `M84 S0` switches the motors off, and `M85` is not known.
    fn spoken(
        &self,
        script: Vec<(String, Class)>,
    ) -> impl Iterator<Item = (String, Class)> + use<> {
        let marlin = self.facts().has_m85;
        script.into_iter().filter(move |(text, _)| {
            marlin || !(text.starts_with("M84 S") || text.starts_with("M85"))
        })
    }
}

fn refused(code: &str, text: &str, next: &str) -> Refused {
    Refused::new(code, text, next)
}

type Taken = Result<(), Refused>;

impl Conductor {
    /// The file was read and proved, or not.
    pub fn loaded(&mut self, now: Millis, program: Result<Program, Finding>) {
        let Some(job) = &mut self.job else {
            return;
        };
        if job.stage != Stage::Checking {
            return;
        }
        match program {
            Err(finding) => self.end_job(now, Some(finding)),
            Ok(program) if program.entry.is_some() => self.find_entry(program),
            Ok(program) => {
                let record = job.begin(now, program);
                self.actions.push(Action::Journal(record));
            }
        }
        self.settle(now);
    }
}
