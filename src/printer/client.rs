//! Client: the other end of the link's socket, blocking. Used by `calvaria stop`, tests and the station's adapter.
//!
//! In:    path of the socket, [`Command`]s.
//! Out:   the [`Status`] after the command, or why not; [`Event`]s after [`Command::Watch`].
//! Never: waits longer than the time limit it was given.

use super::wire::{Command, Event, Message, Request, Status};
use crate::status::Refused;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the socket below the data folder.
pub const SOCKET: &str = "run/printer.sock";

/// Why a command did not come back with a status.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error(
        "the printer link does not answer at {path}: {source}. Is calvaria-printer running? Use the printer's own switch if it must stop now."
    )]
    Connect {
        /// Socket.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// The connection broke or the time limit passed.
    #[error("the printer link went away: {0}. Use the printer's own switch if it must stop now.")]
    Lost(#[source] std::io::Error),
    /// What came is not what this version speaks.
    #[error("the printer link said something unknown: {0}. Are both of the same version?")]
    Speech(String),
    /// The link said no.
    #[error("{0}")]
    Refused(Refused),
}

/// One connection to the link.
#[derive(Debug)]
pub struct Client {
    reader: BufReader<UnixStream>,
    next_id: u64,
    events: VecDeque<Event>,
}

impl Client {
    /// Connects to the socket at `path`; every later wait is bounded by `limit`.
    ///
    /// # Errors
    /// [`ClientError::Connect`].
    pub fn connect(path: &Path, limit: Duration) -> Result<Self, ClientError> {
        let failed = |source| ClientError::Connect {
            path: path.to_owned(),
            source,
        };
        let stream = UnixStream::connect(path).map_err(failed)?;
        stream.set_read_timeout(Some(limit)).map_err(failed)?;
        stream.set_write_timeout(Some(limit)).map_err(failed)?;
        Ok(Self {
            reader: BufReader::new(stream),
            next_id: 1,
            events: VecDeque::new(),
        })
    }

    /// Sends a command and waits for its answer. Events that come in between are kept for [`Client::event`].
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the link says no, otherwise that the connection failed.
    pub fn ask(&mut self, command: Command) -> Result<Status, ClientError> {
        let id = self.next_id;
        self.next_id += 1;
        let mut line = serde_json::to_string(&Request { id, command })
            .map_err(|e| ClientError::Speech(e.to_string()))?;
        line.push('\n');
        self.reader
            .get_mut()
            .write_all(line.as_bytes())
            .map_err(ClientError::Lost)?;
        loop {
            match self.message()? {
                Message::Reply { id: of, status } if of == id => return Ok(status),
                Message::Refused { id: of, error } if of == id || of == 0 => {
                    return Err(ClientError::Refused(error));
                }
                Message::Event(event) => self.events.push_back(event),
                // The answer to an older command that was given up on.
                Message::Reply { .. } | Message::Refused { .. } | Message::Hello(_) => {}
            }
        }
    }

    /// The next event, after [`Command::Watch`].
    ///
    /// # Errors
    /// [`ClientError::Lost`] with `WouldBlock` or `TimedOut` inside when none came within the limit.
    pub fn event(&mut self) -> Result<Event, ClientError> {
        if let Some(event) = self.events.pop_front() {
            return Ok(event);
        }
        loop {
            if let Message::Event(event) = self.message()? {
                return Ok(event);
            }
        }
    }

    fn message(&mut self) -> Result<Message, ClientError> {
        let mut line = String::new();
        let n = self
            .reader
            .read_line(&mut line)
            .map_err(ClientError::Lost)?;
        if n == 0 {
            return Err(ClientError::Lost(std::io::ErrorKind::UnexpectedEof.into()));
        }
        serde_json::from_str(&line).map_err(|e| ClientError::Speech(e.to_string()))
    }
}
