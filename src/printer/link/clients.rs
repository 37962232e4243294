//! Clients: the connections on the link's socket, non-blocking, bounded.

use super::super::wire::{CLIENTS_MAX, Command, Event, Message, REQUEST_BYTES_MAX, Request};
use crate::status::Refused;
use rustix::event::{PollFd, PollFlags};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

/// Most bytes that wait for a client that does not read; then it is cut off.
const PENDING_MAX: usize = 1 << 20;

#[derive(Debug)]
struct Client {
    id: u64,
    stream: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
    watches: bool,
    gone: bool,
}

/// All connections.
#[derive(Debug, Default)]
pub(super) struct Clients {
    all: Vec<Client>,
    next_id: u64,
}

impl Clients {
    pub(super) fn accept(&mut self, listener: &UnixListener) {
        while let Ok((stream, _)) = listener.accept() {
            if self.all.len() >= CLIENTS_MAX || stream.set_nonblocking(true).is_err() {
                continue;
            }
            self.next_id += 1;
            self.all.push(Client {
                id: self.next_id,
                stream,
                input: Vec::new(),
                output: Vec::new(),
                watches: false,
                gone: false,
            });
        }
    }

    pub(super) fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.all.iter().map(|client| {
            let mut flags = PollFlags::IN;
            if !client.output.is_empty() {
                flags |= PollFlags::OUT;
            }
            PollFd::new(&client.stream, flags)
        })
    }

    /// Complete requests of all clients, or why a line is none.
    pub(super) fn requests(&mut self) -> Vec<(u64, Result<Request, Refused>)> {
        let mut found = Vec::new();
        for client in &mut self.all {
            client.read();
            while let Some(end) = client.input.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = client.input.drain(..=end).collect();
                found.push((client.id, understand(&line)));
            }
            if client.input.len() > REQUEST_BYTES_MAX {
                client.gone = true;
            }
        }
        self.sweep();
        // Ahead of everything that anybody else asked in the same round.
        found.sort_by_key(|(_, request)| !is_stop(request));
        found
    }

    pub(super) fn send(&mut self, id: u64, message: &Message) {
        if let Some(client) = self.all.iter_mut().find(|client| client.id == id) {
            client.queue(message);
            client.push();
        }
    }

    pub(super) fn watch(&mut self, id: u64) {
        if let Some(client) = self.all.iter_mut().find(|client| client.id == id) {
            client.watches = true;
        }
    }

    /// Tells everybody who watches.
    pub(super) fn tell(&mut self, event: &Event) {
        let message = Message::Event(event.clone());
        for client in self.all.iter_mut().filter(|client| client.watches) {
            client.queue(&message);
            client.push();
        }
    }

    pub(super) fn push(&mut self) {
        for client in &mut self.all {
            client.push();
        }
        self.sweep();
    }

    fn sweep(&mut self) {
        self.all.retain(|client| !client.gone);
    }
}

fn is_stop(request: &Result<Request, Refused>) -> bool {
    (request.as_ref()).is_ok_and(|request| request.command == Command::EmergencyStop)
}

fn understand(line: &[u8]) -> Result<Request, Refused> {
    serde_json::from_slice(line).map_err(|error| {
        Refused::new(
            "not_a_request",
            format!("This is no request: {error}."),
            "Send one JSON object a line, with id and command.",
        )
    })
}

impl Client {
    fn read(&mut self) {
        let mut bytes = [0_u8; 4096];
        // Bounded: a client that floods us gets its turn again in the next round.
        for _ in 0..4 {
            match self.stream.read(&mut bytes) {
                Ok(0) => {
                    self.gone = true;
                    return;
                }
                Ok(n) => self.input.extend_from_slice(&bytes[..n]),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.gone = true;
                    return;
                }
            }
        }
    }

    fn queue(&mut self, message: &Message) {
        match serde_json::to_vec(message) {
            Ok(line) => {
                self.output.extend(line);
                self.output.push(b'\n');
            }
            Err(error) => tracing::error!(%error, "a message can not be written"),
        }
        self.gone |= self.output.len() > PENDING_MAX;
    }

    fn push(&mut self) {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(n) => {
                    self.output.drain(..n);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.gone = true;
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emergency_stop_goes_ahead_of_what_others_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let mut clients = Clients::default();
        let mut first = UnixStream::connect(&path).unwrap();
        let mut second = UnixStream::connect(&path).unwrap();
        clients.accept(&listener);
        for id in 1..=20 {
            writeln!(first, "{{\"id\":{id},\"command\":\"status\"}}").unwrap();
        }
        writeln!(second, "{{\"id\":9,\"command\":\"emergency_stop\"}}").unwrap();
        let found = clients.requests();
        assert_eq!(found.len(), 21);
        assert!(is_stop(&found[0].1));
    }

    #[test]
    fn a_client_that_sends_no_line_end_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let mut clients = Clients::default();
        let mut peer = UnixStream::connect(&path).unwrap();
        clients.accept(&listener);
        peer.write_all(b"{\"id\":1,\"command\":\"status\"}\nrubbish\n")
            .unwrap();
        let found = clients.requests();
        assert!(found[0].1.is_ok() && found[1].1.is_err());
        peer.write_all(&vec![b'x'; REQUEST_BYTES_MAX + 1]).unwrap();
        clients.requests();
        assert!(clients.all.is_empty());
    }
}
