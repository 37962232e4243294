//! Drives: who decides, one for each way to a printer, and how what they want is done.

use super::super::conductor::{Action, Conductor, Setup};
use super::super::driver::Driver;
use super::super::moonraker::{self, Moonraker, client};
use super::super::port::is_metal;
use super::super::wire::JobStatus;
use super::{Config, Link, Note, PortConfig, REOPEN, dial, relay};
use std::sync::Mutex;
use std::time::Instant;

/// How such a printer is written.
const MOONRAKER: &str = "moonraker:";

/// Who decides.
pub(super) enum Drives {
    /// Lines over a port.
    Wire(Box<Conductor>),
    /// Requests to a print server.
    Moonraker(Box<Server>),
}

/// A print server: who decides, and who speaks to it.
pub(super) struct Server {
    pub(super) machine: Moonraker,
    client: client::Client,
}

impl Drives {
    pub(super) fn it(&self) -> &dyn Driver {
        match self {
            Self::Wire(conductor) => &**conductor,
            Self::Moonraker(server) => &server.machine,
        }
    }

    pub(super) fn it_mut(&mut self) -> &mut dyn Driver {
        match self {
            Self::Wire(conductor) => &mut **conductor,
            Self::Moonraker(server) => &mut server.machine,
        }
    }
}

/// The one for this port. `last`: what the journal knows of the last job.
pub(super) fn choose<T: Fn(Note) + Send + 'static>(
    config: &Config,
    last: Option<JobStatus>,
    teller: impl Fn() -> T,
) -> Drives {
    let mut printer = config.printer.clone();
    let (port, is_virtual) = match &config.port {
        PortConfig::Path { path, baud } => {
            printer.link.baud = *baud;
            (path.clone(), printer.is_virtual && !is_metal(path))
        }
        PortConfig::Tcp { address } => (format!("{}{address}", dial::PREFIX), false),
        PortConfig::Virtual(_) => ("virtual".to_owned(), true),
        PortConfig::Moonraker(address) => {
            let setup = moonraker::Setup {
                printer,
                port: format!("{MOONRAKER}{}", address.host),
                nonce: u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0),
            };
            // Answers come from several threads.
            let tell = Mutex::new(teller());
            let tell = move |id, answer| {
                if let Ok(tell) = tell.lock() {
                    tell(Note::Answered(id, answer));
                }
            };
            return Drives::Moonraker(Box::new(Server {
                machine: Moonraker::new(setup, last),
                client: client::Client::new(address.clone(), tell),
            }));
        }
    };
    let setup = Setup {
        printer,
        port,
        is_virtual,
    };
    Drives::Wire(Box::new(Conductor::new(setup, last)))
}

impl Link {
    pub(super) fn carry_out(&mut self) {
        loop {
            match &mut self.driver {
                Drives::Wire(conductor) => {
                    let actions = conductor.drain();
                    if actions.is_empty() {
                        return;
                    }
                    for action in actions {
                        self.carry_out_one(action);
                    }
                }
                Drives::Moonraker(server) => {
                    let actions = server.machine.drain();
                    if actions.is_empty() {
                        return;
                    }
                    for action in actions {
                        self.carry_out_request(action);
                    }
                }
            }
        }
    }

    fn carry_out_request(&mut self, action: moonraker::Action) {
        match action {
            moonraker::Action::Ask(ask) => {
                if let Drives::Moonraker(server) = &self.driver {
                    server.client.ask(ask);
                }
            }
            moonraker::Action::Load { path, sha256 } => self.plan(path, sha256),
            moonraker::Action::SwitchOff => relay::switch_off(&self.config.switch_off),
            moonraker::Action::Event(event) => self.clients.tell(&event),
            moonraker::Action::Journal(record) => self.write_journal(record),
        }
    }

    fn carry_out_one(&mut self, action: Action) {
        match action {
            Action::Write(bytes) => {
                if let Some(port) = &mut self.port
                    && let Err(error) = port.write(&bytes)
                {
                    self.port_failed(&error);
                }
            }
            Action::FlushOutput => {
                if let Some(port) = &mut self.port {
                    port.flush_output();
                }
            }
            Action::SetBaud(baud) => {
                if let Some(port) = &mut self.port {
                    port.set_baud(baud);
                }
            }
            Action::ResetBoard => {
                if let Some(port) = &mut self.port {
                    port.drop_dtr();
                }
                self.port = None;
                self.reopen_at = Instant::now() + REOPEN;
            }
            Action::Load {
                path,
                sha256,
                released,
            } => self.load(path, sha256, released),
            Action::SwitchOff => relay::switch_off(&self.config.switch_off),
            Action::Event(event) => self.clients.tell(&event),
            Action::Journal(record) => self.write_journal(record),
        }
    }
}
