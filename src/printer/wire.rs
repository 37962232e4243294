//! Wire: what the link and its clients say to each other over `DATA/run/printer.sock`.
//!
//! One JSON object a line, both ways. A client sends [`Request`]s; every request is answered by exactly one
//! [`Message::Reply`] or [`Message::Refused`] with the same id. After [`Command::Watch`] the link also sends
//! [`Message::Hello`] once and then [`Message::Event`]s, the present [`Status`] first. Several clients may be connected; all may command.
//!
//! ```
//! use calvaria::printer::wire::{Command, Request};
//! let line = r#"{"id":7,"command":"print","job":"K7-2043","path":"/data/cases/K7-2043/implant.gcode","sha256":"ab"}"#;
//! let request: Request = serde_json::from_str(line).unwrap();
//! assert!(matches!(request.command, Command::Print { .. }));
//! ```

use super::started::Started;
use crate::status::{Finding, Heater, PrinterState, Refused, Tune, Tuning};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Longest line taken from a client, bytes; a client that sends more is cut off.
pub const REQUEST_BYTES_MAX: usize = 8 * 1024;
/// Most clients at one time; further ones are closed at once. Emergency stop from a shell must always find room,
/// so the station should hold one or two.
pub const CLIENTS_MAX: usize = 16;

/// A command with the id that its answer will carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client.
    pub id: u64,
    /// What is wanted.
    #[serde(flatten)]
    pub command: Command,
}

/// What a client may ask of the link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// How things are.
    Status,
    /// How things are, and from now on every change as [`Event`]s on this connection.
    Watch,
    /// Print a file. Answered once the job is taken (state [`Phase::Checking`]): hash and validator come after, and
    /// a file that fails them ends as [`Event::Ended`] `stopped` with the reason, before the first line is sent.
    /// Refused when a job is on the printer, or the printer is not there, or it is halted.
    Print {
        /// Case code.
        job: String,
        /// The G-code. The link reads it once, whole, before the first line.
        path: PathBuf,
        /// SHA-256 of the file that was released, lower-case hex.
        sha256: String,
        /// The file is a re-entry: it goes on with this one, whose print was cut off. Refused unless it is byte for byte
        /// what the link itself makes of its journal and of that file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        released: Option<PathBuf>,
    },
    /// Hold at a safe point: retract, lift, park; heaters stay. Answered when taken; `Paused` follows.
    Pause,
    /// Go on from where it was held.
    Resume,
    /// Give the print up: park, heaters off; ends as `stopped`.
    Cancel,
    /// Change speed, flow, part fan or height of the print that runs, within the profile's bounds. Answered when taken: the
    /// lines go between two of the file's. Speed, flow and fan end with the print, the height with the next homing.
    Tune(Tune),
    /// Stop everything now (`M112`). Always taken, in every state; answered when the bytes are written.
    EmergencyStop,
    /// Answers what the printer asks at its own panel ([`Status::prompt`]): the choice by its place from 0. Without a
    /// prompt, and for a printer that waits, "go on" (`M108`).
    Answer {
        /// Place of the choice, from 0.
        choice: usize,
    },
    /// After a halt, by a person who looked: reset the board and connect anew. Nothing is resumed.
    Recover,
    /// End this process, as SIGTERM does; refused while there is a job, and after a stop or a halt until somebody has
    /// recovered the printer. Whoever keeps the link starts it anew.
    End,
}

/// What the link sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// The request was taken.
    Reply {
        /// Id of the request.
        id: u64,
        /// How things are now.
        status: Status,
    },
    /// The request was not taken.
    Refused {
        /// Id of the request; 0 when the line was no request.
        id: u64,
        /// Why, and what to do.
        error: Refused,
    },
    /// What the link was started with: the first answer to [`Command::Watch`]. Links of earlier versions do not say.
    Hello(Started),
    /// Something changed (after [`Command::Watch`]).
    Event(Event),
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// State, temperatures or progress: at once when a state changes, else at most twice a second.
    Status(Status),
    /// A job is over. Sent once; a client that was away finds the same in [`Status::job`].
    Ended {
        /// Case code.
        job: String,
        /// Hash of the file.
        sha256: String,
        /// How it ended: [`Phase::Printed`] or [`Phase::Stopped`].
        phase: Phase,
        /// Why it stopped; `None` when printed.
        fault: Option<Finding>,
    },
}

/// How things are: link, printer, job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// `Disconnected`, `Idle`, `Printing`, `Paused` or `Halted` (never `LinkDown`: then nobody answers).
    pub state: PrinterState,
    /// `true`: no metal moves.
    pub is_virtual: bool,
    /// Firmware's name as it reports it, or the port.
    pub name: String,
    /// Port as configured.
    pub port: String,
    /// Hotend; `None` (JSON `null`): not known now.
    pub hotend: Option<Heater>,
    /// Bed, likewise.
    pub bed: Option<Heater>,
    /// The job on the printer; after its end the last job, until the next begins. Survives a restart of the link.
    pub job: Option<JobStatus>,
    /// What is wrong with printer or link now, with what to do.
    pub fault: Option<Finding>,
    /// What the printer asks at its own panel.
    #[serde(default)]
    pub prompt: Option<Prompt>,
    /// What a person has changed of the print that runs, and may change; `None`: nothing is printed that could be.
    #[serde(default)]
    pub tuning: Option<Tuning>,
    /// How the wire does.
    pub line: LineFigures,
}

impl Status {
    /// It halted or was stopped: somebody who looked at it brings it back, and nothing else does. A new link would open
    /// the port anew and know of no stop.
    pub fn needs_a_person(&self) -> bool {
        let of_stop = ["stop_sent", "emergency_stop", "stop_unanswered"];
        let stopped = (self.fault.as_ref()).is_some_and(|f| of_stop.contains(&f.name.as_str()));
        match self.state {
            PrinterState::Halted => true,
            // Nobody knows whether it heard the stop.
            PrinterState::Disconnected => stopped,
            PrinterState::LinkDown
            | PrinterState::Idle
            | PrinterState::Printing
            | PrinterState::Paused => false,
        }
    }
}

/// A question of the printer's own panel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Prompt {
    /// The question.
    pub text: String,
    /// What may be answered, in order.
    pub choices: Vec<String>,
}

/// Where a job stands on the printer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Hash and validator; nothing sent yet.
    Checking,
    /// Lines are sent.
    Printing,
    /// On the way to a hold.
    Pausing,
    /// Held: parked, heaters on.
    Paused,
    /// On the way back to the part.
    Resuming,
    /// Given up: parking, heaters off.
    Cancelling,
    /// Ended well: every line executed, the end position is the plan's.
    Printed,
    /// Ended early.
    Stopped,
}

impl Phase {
    /// `true` once nothing more will be sent for the job.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Printed | Self::Stopped)
    }
}

/// The job on the printer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobStatus {
    /// Case code.
    pub job: String,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// Where it stands.
    pub phase: Phase,
    /// 0 to 1, by planned time of the lines the printer has taken.
    pub fraction: f64,
    /// Seconds left by plan.
    pub left_s: f64,
    /// Seconds since the first line.
    pub spent_s: f64,
    /// Layer in work, from 1; 0 before the first.
    pub layer: u32,
    /// Layers of the job.
    pub layers: u32,
    /// Why it stopped.
    pub fault: Option<Finding>,
    /// The printer it is or was printed on.
    #[serde(default)]
    pub printer: Option<PrinterName>,
}

/// Which printer, as it says itself (`M115`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrinterName {
    /// Firmware with its version.
    pub firmware: String,
    /// Machine type, empty where it is not said.
    pub machine: String,
    /// Its own number, where it has one.
    pub uuid: Option<String>,
}

/// How the wire does, since the link connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LineFigures {
    /// Lines sent, repeats included.
    pub sent: u64,
    /// Faults the firmware found and asked a line again for.
    pub resends: u64,
    /// Times an answer was missing and a probe was sent.
    pub probes: u64,
    /// Median answer time to `M105` when the link connected, ms.
    pub round_trip_ms: f64,
}
