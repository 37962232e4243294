//! Dial: a printer whose serial port stands on the network, behind ser2net or an ESP3D.
//!
//! Holds: names are looked up and connections made by a thread of their own; the loop, and with it the emergency stop, waits
//!        for none of it.

use super::Note;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How such a port is written.
pub(super) const PREFIX: &str = "tcp:";
/// A box that does not answer by then is tried again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connects to `HOST:PORT` and tells.
pub(super) fn dial(address: String, tell: impl Fn(Note) + Send + 'static) {
    std::thread::spawn(move || tell(Note::Dialled(connect(&address))));
}

fn connect(address: &str) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
