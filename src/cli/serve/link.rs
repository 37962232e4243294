//! The station's orders and the link's words, carried over `DATA/run/printer.sock`.
//!
//! In:    [`Order`]s from the station; lines of the socket.
//! Out:   [`Report`]s in the order in which the link said them; a link process when none answers.
//! Holds: one connection for orders and reports, so that nothing overtakes; emergency stop goes over a connection
//!        of its own and past everything, or where none can be made over this one. A link that is silent for too long
//!        counts as down.

use super::adopted::{Adopted, Wanted};
use crate::printer::client::Client;
use crate::printer::wire::{self, Command, Message};
use crate::station::Mailbox;
use crate::station::link::{Link, LinkJob, LinkStatus, Order, Phase, Report};
use crate::status::{PrinterView, Prompt, Reason, Refused, Reply};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A silent link is asked after this long.
const QUIET: Duration = Duration::from_secs(3);
/// A link that does not answer for this long is down.
const DEAD: Duration = Duration::from_secs(10);
/// Between two tries to reach a link.
const AGAIN: Duration = Duration::from_millis(200);
/// A link that ends within this time of its start failed at once, and is given as long before the next try.
const EARLY: Duration = Duration::from_secs(2);
/// A link that was not there yet is not reported as down for this long after the start.
const COMING_UP: Duration = Duration::from_secs(5);
/// Emergency stop answers within this time, on each of its two ways, or not at all.
const STOP_MAX: Duration = Duration::from_secs(1);
/// Longest line taken from the link.
const LINE_MAX: u64 = 256 * 1024;
/// The log of a link that we started is begun anew above this size, bytes.
const LOG_MAX: u64 = 8 << 20;

/// How to start a link when none answers.
pub(super) struct Starter {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<std::ffi::OsString>,
    pub(super) log: PathBuf,
}

#[derive(Default)]
struct Line {
    stream: Option<UnixStream>,
    next_id: u64,
    open: BTreeMap<u64, Order>,
    /// Emergency stops that went this way, and who waits for the answer.
    stops: BTreeMap<u64, SyncSender<()>>,
}

/// The link over its socket.
pub(super) struct SocketLink {
    socket: PathBuf,
    line: Mutex<Line>,
    mailbox: Mailbox,
    adopted: Mutex<Adopted>,
}

impl SocketLink {
    /// Begins to connect, and goes on for ever. With a `starter` a link is started when none answers.
    pub(super) fn start(
        socket: PathBuf,
        starter: Option<Starter>,
        wanted: Wanted,
        mailbox: Mailbox,
    ) -> std::io::Result<Arc<Self>> {
        let link = Arc::new(Self {
            socket,
            line: Mutex::default(),
            mailbox,
            adopted: Mutex::new(Adopted::new(wanted)),
        });
        // Weak: the thread ends when the station has gone.
        let weak = Arc::downgrade(&link);
        std::thread::Builder::new()
            .name("link".into())
            .spawn(move || {
                let mut child: Option<(Child, Instant)> = None;
                // At the start a link gets time to come up before anybody is alarmed; once lost, it is said at once.
                let (mut quiet_until, mut down) = (Instant::now() + COMING_UP, false);
                while let Some(link) = weak.upgrade() {
                    if let Ok(stream) = UnixStream::connect(&link.socket) {
                        (quiet_until, down) = (Instant::now(), false);
                        if let Err(error) = link.listen(stream) {
                            tracing::warn!(kind = ?error.kind(), "the printer link went away");
                        }
                    } else if let Some(starter) = &starter {
                        ensure_started(starter, &mut child);
                    }
                    if Instant::now() >= quiet_until && !std::mem::replace(&mut down, true) {
                        link.mailbox.link(Report::Down);
                    }
                    drop(link);
                    std::thread::sleep(AGAIN);
                }
            })?;
        Ok(link)
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // The line is consistent between any two statements; a panic elsewhere does not change that.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn adopted(&self) -> MutexGuard<'_, Adopted> {
        self.adopted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads one connection to its end.
    fn listen(&self, stream: UnixStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(QUIET))?;
        stream.set_write_timeout(Some(STOP_MAX))?;
        {
            let mut line = self.line();
            line.stream = Some(stream.try_clone()?);
            line.open.clear();
            line.stops.clear();
            self.adopted().begin();
            self.mailbox.link(Report::Up);
            send(&mut line, Command::Watch)?;
        }
        let result = self.read(stream);
        let mut line = self.line();
        line.stream = None;
        // Nobody knows whether these were heard: the first status of the next connection says how things are.
        line.open.clear();
        line.stops.clear();
        result
    }

    fn read(&self, stream: UnixStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let (mut bytes, mut heard, mut last) =
            (Vec::new(), Instant::now(), wire::Status::default());
        loop {
            match reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut bytes) {
                Ok(_) if bytes.last() == Some(&b'\n') => {}
                Ok(_) => return Err(ErrorKind::UnexpectedEof.into()),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if heard.elapsed() > DEAD {
                        return Err(ErrorKind::TimedOut.into());
                    }
                    send(&mut self.line(), Command::Status)?;
                    continue;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            }
            heard = Instant::now();
            let message: Result<Message, _> = serde_json::from_slice(&bytes);
            bytes.clear();
            match message {
                Ok(message) => self.heard(message, &mut last),
                Err(_) => tracing::warn!(
                    "the printer link said something unknown; is it of the same version?"
                ),
            }
        }
    }

    fn heard(&self, message: Message, last: &mut wire::Status) {
        let report = match message {
            Message::Hello(started) => return self.adopted().hear(started),
            Message::Reply { id, status } => {
                *last = status;
                let mut line = self.line();
                if let Some(waiting) = line.stops.remove(&id) {
                    // Who gave up has asked for the switch at the printer.
                    let _ = waiting.try_send(());
                }
                let order = line.open.remove(&id);
                drop(line);
                match order {
                    Some(order) => Report::Answer(order, Ok(self.tell(last))),
                    None => Report::Status(self.tell(last)),
                }
            }
            Message::Refused { id, error } => match self.line().open.remove(&id) {
                Some(order) => Report::Answer(order, Err(error)),
                None => return,
            },
            Message::Event(wire::Event::Status(status)) => {
                *last = status;
                Report::Status(self.tell(last))
            }
            Message::Event(wire::Event::Ended {
                job,
                sha256,
                phase,
                fault,
            }) => {
                if let Some(known) = last
                    .job
                    .as_mut()
                    .filter(|j| j.job == job && j.sha256 == sha256)
                {
                    known.phase = phase;
                    known.fault = fault;
                }
                Report::Status(self.tell(last))
            }
        };
        self.mailbox.link(report);
        let is_free = last.job.as_ref().is_none_or(|j| j.phase.is_over());
        if is_free && !last.needs_a_person() && self.adopted().should_end() {
            tracing::warn!(
                "the printer link has other settings than the configuration: it is restarted"
            );
            // A link that has a job by now refuses; one that went away is started anew as well.
            let _ = send(&mut self.line(), Command::End);
        }
    }

    /// How things are, with what may be wrong about the link itself.
    fn tell(&self, status: &wire::Status) -> LinkStatus {
        let mut told = translate(status);
        let mut adopted = self.adopted();
        told.view.barred = adopted.barred();
        if let Some(said) = adopted.said() {
            told.view.port.clone_from(&said.port);
            told.view.profile.clone_from(&said.profile);
            told.view.profile_sha256.clone_from(&said.profile_sha256);
            told.view.baud = said.baud.unwrap_or(0);
        }
        told
    }
}

impl Link for SocketLink {
    fn order(&self, order: Order) {
        // A profile may have been edited since the last look.
        if matches!(order, Order::Print { .. })
            && let Some(barred) = self.adopted().barred_now()
        {
            let refused = Refused::new("printer_barred", barred.text, "");
            return self.mailbox.link(Report::Answer(order, Err(refused)));
        }
        let command = match order.clone() {
            Order::Print {
                code,
                gcode,
                sha256,
                released,
            } => Command::Print {
                job: code,
                path: gcode,
                sha256,
                released,
            },
            Order::Pause => Command::Pause,
            Order::Resume => Command::Resume,
            Order::Cancel => Command::Cancel,
            Order::Tune(tune) => Command::Tune(tune),
            Order::Answer(choice) => Command::Answer { choice },
            Order::Recover => Command::Recover,
        };
        let sent = {
            let mut line = self.line();
            send(&mut line, command).map(|id| line.open.insert(id, order.clone()))
        };
        if sent.is_err() {
            let next = "Look at the printer. Tell IT if this stays.";
            let refused = Refused::new("link_down", "The printer link does not answer.", next);
            self.mailbox.link(Report::Answer(order, Err(refused)));
        }
    }

    fn emergency_stop(&self) -> Reply {
        emergency_stop(&self.socket).or_else(|refused| self.stop_by_line().ok_or(refused))
    }
}

impl SocketLink {
    /// Where no new connection can be made, over the one that is there: its socket may have been deleted, or its places
    /// be taken.
    fn stop_by_line(&self) -> Option<()> {
        let (tell, told) = sync_channel(1);
        {
            let mut line = self.line();
            let id = send(&mut line, Command::EmergencyStop).ok()?;
            line.stops.insert(id, tell);
        }
        told.recv_timeout(STOP_MAX).ok()
    }
}

/// Emergency stop over a connection of its own.
pub(super) fn emergency_stop(socket: &Path) -> Reply {
    let stopped = Client::connect(socket, STOP_MAX).and_then(|mut c| c.ask(Command::EmergencyStop));
    stopped.map(drop).map_err(|error| {
        tracing::error!(%error, "emergency stop did not reach the printer");
        Refused::new(
            "no_answer",
            "No answer from the printer.",
            "Use the switch at the printer.",
        )
    })
}

/// Writes one request; its id.
fn send(line: &mut Line, command: Command) -> std::io::Result<u64> {
    line.next_id += 1;
    let id = line.next_id;
    let mut text = serde_json::to_string(&wire::Request { id, command })?;
    text.push('\n');
    let stream = line.stream.as_mut().ok_or(ErrorKind::NotConnected)?;
    stream.write_all(text.as_bytes())?;
    Ok(id)
}

/// The printer as people are shown it.
pub(super) fn view(status: &wire::Status) -> PrinterView {
    let current = status.job.as_ref().filter(|j| !j.phase.is_over());
    PrinterView {
        state: status.state,
        is_virtual: status.is_virtual,
        name: status.name.clone(),
        hotend: status.hotend,
        bed: status.bed,
        job: current.map(|j| j.job.clone()),
        fraction: current.map_or(0.0, |j| j.fraction),
        left_s: current.map_or(0.0, |j| j.left_s),
        spent_s: current.map_or(0.0, |j| j.spent_s),
        layer: current.map_or(0, |j| j.layer),
        layers: current.map_or(0, |j| j.layers),
        fault: status.fault.clone(),
        prompt: status.prompt.as_ref().map(|p| Prompt {
            text: p.text.clone(),
            choices: p.choices.clone(),
        }),
        port: status.port.clone(),
        tuning: status.tuning,
        ..PrinterView::default()
    }
}

fn translate(status: &wire::Status) -> LinkStatus {
    LinkStatus {
        view: view(status),
        job: status.job.as_ref().map(|j| LinkJob {
            code: j.job.clone(),
            sha256: j.sha256.clone(),
            phase: match j.phase {
                wire::Phase::Checking => Phase::Working("checking the G-code once more"),
                wire::Phase::Printing => Phase::Working(""),
                wire::Phase::Pausing => Phase::Working("pausing"),
                wire::Phase::Paused => Phase::Paused,
                wire::Phase::Resuming => Phase::Working("going back to the part"),
                wire::Phase::Cancelling => Phase::Working("parking, heaters off"),
                wire::Phase::Printed => Phase::Printed,
                wire::Phase::Stopped => Phase::Stopped(why_stopped(j)),
            },
        }),
    }
}

fn why_stopped(job: &wire::JobStatus) -> Reason {
    let text = job
        .fault
        .as_ref()
        .map_or("The print was ended.", |f| f.text.as_str());
    Reason::new(
        text,
        "Look at the printer and at the case: it may say that the print can go on. If not, clear the bed; then print again or leave it.",
    )
}

/// Starts a link of its own process group: it goes on when the station is killed, and Ctrl-C does not reach it.
fn ensure_started(starter: &Starter, child: &mut Option<(Child, Instant)>) {
    if let Some((running, since)) = child {
        match running.try_wait() {
            // Even if it opens no socket: another one would fight for the same port.
            Ok(None) => return,
            Ok(Some(status)) => {
                tracing::warn!(%status, "the printer link ended");
                if since.elapsed() < EARLY {
                    std::thread::sleep(EARLY);
                }
            }
            Err(_) => {}
        }
    }
    *child = match start(starter) {
        Ok(started) => Some((started, Instant::now())),
        Err(error) => {
            tracing::error!(kind = ?error.kind(), "the printer link could not be started");
            None
        }
    };
}

fn start(starter: &Starter) -> std::io::Result<Child> {
    if std::fs::metadata(&starter.log).is_ok_and(|m| m.len() > LOG_MAX) {
        std::fs::remove_file(&starter.log)?;
    }
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&starter.log)?;
    tracing::info!("starting the printer link");
    std::process::Command::new(&starter.program)
        .args(&starter.arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
}
