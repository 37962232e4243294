//! Port: a serial line or a pty, opened so that nothing resets and nobody else speaks.
//!
//! In:    a path and a baud rate.
//! Out:   non-blocking bytes both ways, readiness for `poll`.
//! Holds: HUPCL is cleared, so that DTR stays high when this process ends, and the board does not reset. No ioctl
//!        that fails is fatal: a pty knows few of them, and takes any baud rate.
//! Never: counts a written byte as sent: the kernel and the bridge hold thousands.

mod low_latency;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::{ControlModes, OptionalActions, QueueSelector};
use serialport::{SerialPort, TTYPort};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Most bytes that wait for the kernel. Three lines are on their way at most, so more means a fault.
const PENDING_MAX: usize = 64 * 1024;

/// A port on the network is asked for a sign of life after so long, and given up after four times that.
const KEEP_ALIVE: std::time::Duration = std::time::Duration::from_secs(5);

/// Why the port can not be used.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// It is not there.
    #[error("{path} can not be opened: {source}. Is the printer plugged in and switched on?")]
    Open {
        /// Path.
        path: String,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// Somebody else has it.
    #[error("{path} is in use by another program ({text}). Stop that program.")]
    Busy {
        /// Path.
        path: String,
        /// What the system says.
        text: String,
    },
    /// It went away.
    #[error("the port went away: {0}")]
    Gone(#[source] std::io::Error),
}

/// An open port.
#[derive(Debug)]
pub struct Port {
    /// Our own descriptor: bytes, termios, poll.
    fd: OwnedFd,
    /// Holds the exclusive lock and the line settings; `None` where the device knows none of them.
    line: Option<TTYPort>,
    pending: Vec<u8>,
}

impl Port {
    /// Opens `path`. A rate that the device does not know is told in the log and left as it is.
    ///
    /// # Errors
    /// [`PortError::Open`] and [`PortError::Busy`].
    pub fn open(path: &str, baud: u32) -> Result<Self, PortError> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| match e {
            Errno::BUSY => PortError::Busy {
                path: path.into(),
                text: e.to_string(),
            },
            e => PortError::Open {
                path: path.into(),
                source: e.into(),
            },
        })?;
        let line = match serialport::new(path, baud).open_native() {
            Ok(line) => Some(line),
            Err(error) if is_lock(&error) => {
                return Err(PortError::Busy {
                    path: path.into(),
                    text: error.to_string(),
                });
            }
            Err(error) => {
                tracing::warn!(path, baud, %error, "line settings were not taken");
                None
            }
        };
        let mut port = Self {
            fd,
            line,
            pending: Vec::new(),
        };
        port.settle_modes(path);
        if let Err(error) = low_latency::set(&port.fd) {
            tracing::debug!(path, %error, "no latency timer to set");
        }
        Ok(port)
    }

    /// A connection to a serial port that somebody else has open. Its rate is set there.
    ///
    /// # Errors
    /// When the socket takes none of its settings.
    pub fn over(stream: std::net::TcpStream) -> std::io::Result<Self> {
        use rustix::net::sockopt;
        stream.set_nonblocking(true)?;
        // Each line goes by itself.
        stream.set_nodelay(true)?;
        // A box without current says nothing more: the line is given up when it has answered nothing for so long.
        sockopt::set_socket_keepalive(&stream, true)?;
        sockopt::set_tcp_keepidle(&stream, KEEP_ALIVE)?;
        sockopt::set_tcp_keepintvl(&stream, KEEP_ALIVE)?;
        sockopt::set_tcp_keepcnt(&stream, 3)?;
        sockopt::set_tcp_user_timeout(&stream, 4 * KEEP_ALIVE.as_millis() as u32)?;
        Ok(Self {
            fd: stream.into(),
            line: None,
            pending: Vec::new(),
        })
    }

    /// Raw, no hang-up on close; input that is older than we are goes.
    fn settle_modes(&mut self, path: &str) {
        let modes = rustix::termios::tcgetattr(&self.fd).and_then(|mut termios| {
            termios.make_raw();
            termios.control_modes.remove(ControlModes::HUPCL);
            termios
                .control_modes
                .insert(ControlModes::CLOCAL | ControlModes::CREAD);
            rustix::termios::tcsetattr(&self.fd, OptionalActions::Now, &termios)
        });
        if let Err(error) = modes {
            tracing::warn!(path, %error, "terminal modes were not taken");
        }
        // A pseudo-terminal keeps what was said while nobody had it open: the last words of a halt would halt anew.
        if let Err(error) = rustix::termios::tcflush(&self.fd, QueueSelector::IFlush) {
            tracing::debug!(path, %error, "input queue not flushed");
        }
    }

    /// Reads what is there; 0 bytes when nothing is.
    ///
    /// # Errors
    /// [`PortError::Gone`].
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, PortError> {
        match rustix::io::read(&self.fd, buffer) {
            // A tty that reads nothing without EAGAIN has hung up.
            Ok(0) => Err(PortError::Gone(std::io::ErrorKind::UnexpectedEof.into())),
            Ok(n) => Ok(n),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(e) => Err(PortError::Gone(e.into())),
        }
    }

    /// Queues bytes and writes what the kernel takes at once.
    ///
    /// # Errors
    /// [`PortError::Gone`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        if self.pending.len() + bytes.len() > PENDING_MAX {
            return Err(PortError::Gone(std::io::ErrorKind::TimedOut.into()));
        }
        self.pending.extend_from_slice(bytes);
        self.push()
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// [`PortError::Gone`].
    pub fn push(&mut self) -> Result<(), PortError> {
        while !self.pending.is_empty() {
            match rustix::io::write(&self.fd, &self.pending) {
                Ok(n) => {
                    self.pending.drain(..n);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(e) => return Err(PortError::Gone(e.into())),
            }
        }
        Ok(())
    }

    /// Something waits for the kernel.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Throws away what is not on the wire yet: for the emergency stop.
    pub fn flush_output(&mut self) {
        self.pending.clear();
        if let Err(error) = rustix::termios::tcflush(&self.fd, QueueSelector::OFlush) {
            tracing::debug!(%error, "output queue not flushed");
        }
    }

    /// Lets DTR fall: boards with the reset capacitor restart when it rises with the next open.
    pub fn drop_dtr(&mut self) {
        if let Some(line) = &mut self.line
            && let Err(error) = line.write_data_terminal_ready(false)
        {
            tracing::debug!(%error, "no DTR here");
        }
    }

    /// Speaks and listens at another rate; a device that does not know it is left as it is.
    pub fn set_baud(&mut self, baud: u32) {
        self.pending.clear();
        if let Some(line) = &mut self.line
            && let Err(error) = line.set_baud_rate(baud)
        {
            tracing::debug!(baud, %error, "rate not taken");
        }
    }

    /// For `poll`.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Is it a serial line with metal behind it? A pseudo-terminal is none.
pub fn is_metal(path: &str) -> bool {
    std::fs::canonicalize(path)
        .is_ok_and(|path| path.starts_with("/dev") && !path.starts_with("/dev/pts"))
}

/// Is there a program behind it, and no metal for sure? A port that is away is none.
pub fn is_pseudo_terminal(path: &str) -> bool {
    std::fs::canonicalize(path).is_ok_and(|path| path.starts_with("/dev/pts"))
}

/// Did opening fail because of somebody else's lock?
fn is_lock(error: &serialport::Error) -> bool {
    let text = error.to_string().to_ascii_lowercase();
    matches!(
        error.kind(),
        serialport::ErrorKind::Io(
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::ResourceBusy
        )
    ) || text.contains("busy")
        || text.contains("lock")
        || text.contains("temporarily unavailable")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};

    fn pty() -> (OwnedFd, String) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        (master, name.into_string().unwrap())
    }

    #[test]
    fn pitfall_11_dtr_reset_hupcl_is_cleared_after_open_and_after_close() {
        let (master, path) = pty();
        let hupcl = |fd: BorrowedFd<'_>| {
            rustix::termios::tcgetattr(fd)
                .unwrap()
                .control_modes
                .contains(ControlModes::HUPCL)
        };
        let mut before = rustix::termios::tcgetattr(&master).unwrap();
        before.control_modes.insert(ControlModes::HUPCL);
        rustix::termios::tcsetattr(&master, OptionalActions::Now, &before).unwrap();
        // 250000 is no POSIX rate: it must not be fatal.
        let port = Port::open(&path, 250_000).unwrap();
        assert!(!hupcl(port.fd()));
        drop(port);
        assert!(!hupcl(master.as_fd()));
    }

    #[test]
    fn a_port_has_one_owner() {
        let (_master, path) = pty();
        let _first = Port::open(&path, 115_200).unwrap();
        assert!(matches!(
            Port::open(&path, 115_200),
            Err(PortError::Busy { .. })
        ));
    }

    #[test]
    fn what_was_said_while_nobody_listened_is_not_heard() {
        let (master, path) = pty();
        let port = Port::open(&path, 115_200).unwrap();
        rustix::io::write(&master, b"ok\n").unwrap();
        drop(port);
        rustix::io::write(&master, b"Error:Printer halted. kill() called!\n").unwrap();
        let mut port = Port::open(&path, 115_200).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert_eq!(port.read(&mut [0; 64]).unwrap(), 0);
        rustix::io::write(&master, b"start\n").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert_eq!(port.read(&mut [0; 64]).unwrap(), 6);
    }

    #[test]
    fn a_port_that_hangs_up_says_so() {
        let (master, path) = pty();
        let mut port = Port::open(&path, 115_200).unwrap();
        assert_eq!(port.read(&mut [0; 8]).unwrap(), 0);
        drop(master);
        assert!(matches!(port.read(&mut [0; 8]), Err(PortError::Gone(_))));
    }
}
