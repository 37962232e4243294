//! Ports: the printer's port is opened, read, and opened anew when it went away.

use super::super::port::{Port, PortError};
use super::{Drives, Link, PortConfig, READ_BYTES_MAX, REOPEN, dial};
use std::time::Instant;

impl Link {
    pub(super) fn read_port(&mut self) {
        let mut bytes = [0_u8; 4096];
        let mut left = READ_BYTES_MAX;
        while left > 0
            && let Some(port) = &mut self.port
        {
            let pushed = port.push();
            match pushed.and_then(|()| port.read(&mut bytes)) {
                Ok(0) => return,
                Ok(n) => {
                    left = left.saturating_sub(n);
                    let now = self.now_ms();
                    if let Drives::Wire(conductor) = &mut self.driver {
                        conductor.bytes(now, &bytes[..n]);
                    }
                    self.carry_out();
                    if n < bytes.len() {
                        // That was all, or the next round has the rest.
                        return;
                    }
                }
                Err(error) => self.port_failed(&error),
            }
        }
    }

    pub(super) fn port_failed(&mut self, error: &PortError) {
        tracing::warn!(%error, "port lost");
        self.port = None;
        self.reopen_at = Instant::now() + REOPEN;
        let now = self.now_ms();
        if let Drives::Wire(conductor) = &mut self.driver {
            conductor.lost(now);
        }
    }

    pub(super) fn open_port(&mut self) {
        if self.port.is_some() || Instant::now() < self.reopen_at {
            return;
        }
        self.reopen_at = Instant::now() + REOPEN;
        let (path, baud) = match &self.config.port {
            PortConfig::Path { path, baud } => (path.clone(), *baud),
            PortConfig::Virtual(stand_in) => {
                if let Err(error) = stand_in.ensure(&mut self.child) {
                    return self.tell_once(format!("the virtual printer does not start: {error}"));
                }
                (stand_in.pty.to_string_lossy().into_owned(), 115_200)
            }
            // Its connections are its client's.
            PortConfig::Moonraker(_) => return,
            PortConfig::Tcp { address } => {
                if !std::mem::replace(&mut self.dials, true) {
                    dial::dial(address.clone(), self.teller());
                }
                return;
            }
        };
        self.opened(&path, Port::open(&path, baud));
    }

    /// A port on the network answered, or did not.
    pub(super) fn dialled(&mut self, answer: std::io::Result<std::net::TcpStream>) {
        self.dials = false;
        self.reopen_at = Instant::now() + REOPEN;
        let PortConfig::Tcp { address } = &self.config.port else {
            return;
        };
        let address = format!("{}{address}", dial::PREFIX);
        let port = answer
            .and_then(Port::over)
            .map_err(|source| PortError::Open {
                path: address.clone(),
                source,
            });
        self.opened(&address, port);
    }

    pub(super) fn opened(&mut self, path: &str, port: Result<Port, PortError>) {
        match port {
            Ok(port) => {
                tracing::info!(path, "port open");
                self.told.clear();
                self.port = Some(port);
                let now = self.now_ms();
                if let Drives::Wire(conductor) = &mut self.driver {
                    conductor.opened(now);
                }
                self.carry_out();
            }
            Err(error) => self.tell_once(error.to_string()),
        }
    }

    /// A trouble that is tried again and again is logged once.
    pub(super) fn tell_once(&mut self, text: String) {
        if self.told != text {
            tracing::warn!("{text}");
            self.told = text;
        }
    }
}
