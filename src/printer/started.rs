//! Started: what a link was started with, so that whoever adopts it can tell whether it is the one that is wanted.
//!
//! In:    port, speed and profile, at both ends of the socket.
//! Out:   [`Started`], the first thing that the link says to a client that watches; what differs, in words.
//! Holds: two profiles of one name are the same only with the same content.

use crate::gcode::Printer;
use serde::{Deserialize, Serialize};

/// Who brings a link back that has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keeper {
    /// The station that started it.
    Station,
    /// Its unit.
    Systemd,
    /// Whoever typed the command.
    #[default]
    Hand,
}

/// What a link was started with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Version of the program.
    pub version: String,
    /// `virtual`, the path of the port, `tcp:HOST:PORT`, or `moonraker:HOST:PORT`.
    pub port: String,
    /// Bits per second; `None` where it means nothing (the virtual printer, the network).
    pub baud: Option<u32>,
    /// Name of the profile.
    pub profile: String,
    /// SHA-256 of what the profile says, lower-case hex.
    pub profile_sha256: String,
    /// Who brings it back.
    #[serde(default)]
    pub keeper: Keeper,
}

impl Started {
    /// By this version of the program. `port` as a configuration has it: `virtual`, a device, or `pty:PATH`.
    pub fn new(port: &str, baud: u32, printer: &Printer, keeper: Keeper) -> Self {
        let network = port.starts_with("tcp:") || port.starts_with("moonraker:");
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            port: port.strip_prefix("pty:").unwrap_or(port).into(),
            baud: (port != "virtual" && !network).then_some(baud),
            profile: printer.name.clone(),
            profile_sha256: printer.sha256(),
            keeper,
        }
    }

    /// What is other than `wanted`, each in a few words; empty when a print on this link is a print on that one.
    pub fn differs_from(&self, wanted: &Self) -> Vec<String> {
        let speed = |baud: Option<u32>| baud.map_or("no".into(), |b| b.to_string());
        let mut found = Vec::new();
        if self.port != wanted.port {
            found.push(format!("port {} instead of {}", self.port, wanted.port));
        } else if self.baud != wanted.baud {
            let (is, should) = (speed(self.baud), speed(wanted.baud));
            found.push(format!("{is} baud instead of {should}"));
        }
        if self.profile != wanted.profile {
            let (is, should) = (&self.profile, &wanted.profile);
            found.push(format!("profile {is} instead of {should}"));
        } else if self.profile_sha256 != wanted.profile_sha256 {
            found.push(format!("an earlier content of profile {}", self.profile));
        }
        if self.version != wanted.version {
            let (is, should) = (&self.version, &wanted.version);
            found.push(format!("version {is} instead of {should}"));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(port: &str, baud: u32, printer: &Printer) -> Started {
        Started::new(port, baud, printer, Keeper::Hand)
    }

    #[test]
    fn what_was_started_alike_does_not_differ() {
        let printer = Printer::load("virtual").unwrap();
        let by_unit = Started::new("pty:/tmp/tty", 115_200, &printer, Keeper::Systemd);
        assert_eq!(
            by_unit.differs_from(&started("/tmp/tty", 115_200, &printer)),
            Vec::<String>::new()
        );
        // The virtual printer has no speed.
        let slow = started("virtual", 9_600, &printer);
        assert!(
            slow.differs_from(&started("virtual", 115_200, &printer))
                .is_empty()
        );
    }

    #[test]
    fn each_difference_is_named_and_so_is_a_profile_that_was_edited() {
        let printer = Printer::load("virtual").unwrap();
        let wanted = started("/dev/ttyACM0", 115_200, &printer);
        let other = Printer::load("prusa-mk3s").unwrap();
        let mut edited = printer.clone();
        edited.limits.hotend_max_c += 1.0;
        let mut older = wanted.clone();
        older.version = "0.0.9".into();
        for (link, words) in [
            (
                started("virtual", 115_200, &printer),
                "port virtual instead of /dev/ttyACM0",
            ),
            (
                started("/dev/ttyACM0", 250_000, &printer),
                "250000 baud instead of 115200",
            ),
            (
                started("/dev/ttyACM0", 115_200, &other),
                "profile prusa-mk3s instead of virtual",
            ),
            (
                started("/dev/ttyACM0", 115_200, &edited),
                "an earlier content of profile virtual",
            ),
            (older, "version 0.0.9 instead of"),
        ] {
            let differs = link.differs_from(&wanted);
            assert_eq!(differs.len(), 1, "{differs:?}");
            assert!(differs[0].contains(words), "{differs:?}");
        }
    }
}
