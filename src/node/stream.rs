//! Stream: a connection, plain or TLS, on which every wait ends.

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A read or a write gives the word back after so long, so that deadlines and the end of the node are looked at.
const SLICE: Duration = Duration::from_millis(250);
/// Bytes that are read at a time, unless more are wanted.
const BUFFER: usize = 64 * 1024;

/// See the module.
pub(super) struct Stream {
    wire: Wire,
    buffer: Vec<u8>,
    at: usize,
    /// Bytes that came.
    pub(super) heard: u64,
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Stream {
    /// On a connection that was taken.
    ///
    /// # Errors
    /// When the socket takes none of its settings, or TLS can not begin.
    pub(super) fn new(tcp: TcpStream, tls: Option<&Arc<ServerConfig>>) -> io::Result<Self> {
        tcp.set_nonblocking(false)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(SLICE))?;
        tcp.set_write_timeout(Some(SLICE))?;
        let wire = match tls {
            None => Wire::Plain(tcp),
            Some(config) => {
                let connection =
                    ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                Wire::Tls(Box::new(StreamOwned::new(connection, tcp)))
            }
        };
        Ok(Self {
            wire,
            buffer: Vec::new(),
            at: 0,
            heard: 0,
        })
    }

    /// Waits for a byte until `by`, or until `is_over`; `false`: the caller has closed.
    ///
    /// # Errors
    /// `TimedOut` when none came; `Interrupted` when it is over; what the connection says.
    pub(super) fn wait(&mut self, by: Instant, is_over: impl Fn() -> bool) -> io::Result<bool> {
        while self.at == self.buffer.len() {
            if is_over() {
                return Err(ErrorKind::Interrupted.into());
            }
            if !self.more(by)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Fills `into` until `by`.
    ///
    /// # Errors
    /// `TimedOut`; `UnexpectedEof` when the caller closed; what the connection says.
    pub(super) fn fill(&mut self, into: &mut [u8], by: Instant) -> io::Result<()> {
        let mut filled = 0;
        while filled < into.len() {
            let here = &self.buffer[self.at..];
            if !here.is_empty() {
                let n = here.len().min(into.len() - filled);
                into[filled..filled + n].copy_from_slice(&here[..n]);
                self.at += n;
                filled += n;
            } else if !self.more(by)? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Reads once into the empty buffer; `false`: closed. A slice without a byte is `true` with nothing in it.
    fn more(&mut self, by: Instant) -> io::Result<bool> {
        // Before each read: one who drips is never late for a single byte.
        if Instant::now() >= by {
            return Err(ErrorKind::TimedOut.into());
        }
        self.buffer.resize(BUFFER, 0);
        self.at = 0;
        let read = match &mut self.wire {
            Wire::Plain(tcp) => tcp.read(&mut self.buffer),
            Wire::Tls(tls) => tls.read(&mut self.buffer),
        };
        self.buffer.truncate(*read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Ok(false),
            Ok(n) => {
                self.heard += n as u64;
                Ok(true)
            }
            Err(error) if is_slice(&error) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Writes all of it until `by`.
    ///
    /// # Errors
    /// `TimedOut`; what the connection says.
    pub(super) fn write(&mut self, bytes: &[u8], by: Instant) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = match &mut self.wire {
                Wire::Plain(tcp) => tcp.write(rest),
                Wire::Tls(tls) => tls.write(rest),
            };
            match written {
                Ok(n) => rest = &rest[n..],
                Err(error) if is_slice(&error) && Instant::now() < by => {}
                Err(error) if is_slice(&error) => return Err(ErrorKind::TimedOut.into()),
                Err(error) => return Err(error),
            }
        }
        match &mut self.wire {
            Wire::Plain(_) => Ok(()),
            Wire::Tls(tls) => tls.flush(),
        }
    }
}

fn is_slice(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
