//! Connect: who answers, asked before anything is ordered, each time after nobody answered.
//!
//! In:    answers to questions, or that none came.
//! Out:   the printer that was there before: the watch goes on. Another one: no order, until a person says that it is meant.
//! Holds: the name of Klipper's computer, its configuration and its board's own number are compared; in a print its version, too.

use super::super::journal::LINK_RESTARTED;
use super::super::wire::{JobStatus, PrinterName};
use super::api::{Info, Klippy};
use super::off::Off;
use super::{Answer, Finding, Look, Millis, Moonraker, Open, Reach, Request, Trouble, words};

/// Questions in a row without an answer make nobody of somebody.
const MISSES: u32 = 2;
/// After an order to restart, Klipper may be down for so long.
const RECOVER_MS: Millis = 60_000;

/// The printer of a print that the end of the link interrupted: another one in its place is told nothing.
pub(super) fn interrupted(last: Option<&JobStatus>) -> Option<PrinterName> {
    let last = last.filter(|job| (job.fault.as_ref()).is_some_and(|f| f.name == LINK_RESTARTED))?;
    last.printer.clone()
}

/// As it goes to the journal: version, computer with configuration, board.
fn name_of(info: &Info, board: &str) -> PrinterName {
    PrinterName {
        firmware: format!("Klipper {}", info.version),
        machine: format!("{}:{}", info.hostname, info.config_file),
        uuid: (!board.is_empty()).then(|| board.to_owned()),
    }
}

impl Moonraker {
    pub(super) fn ask_on(&mut self, now: Millis) {
        let what = match (self.reach, &self.info) {
            (Reach::Ready, _) => Request::Look(self.settings.heaters.clone()),
            (_, Some(_)) => Request::Settings,
            (_, None) => Request::Info,
        };
        let open = self.open(now, what);
        self.question = Some(open);
    }

    /// An answer to a question.
    pub(super) fn heard(&mut self, now: Millis, open: &Open, answer: Result<Answer, Trouble>) {
        self.next_ms = now.max(open.since + self.look_ms());
        match answer {
            Err(trouble) => self.unheard(now, &trouble),
            Ok(Answer::Info(info)) => {
                self.misses = 0;
                self.introduced(now, info);
            }
            Ok(Answer::Settings(settings)) => {
                self.misses = 0;
                self.settings = *settings;
                self.identify(now);
            }
            Ok(Answer::Look(look)) => {
                self.misses = 0;
                self.looked(now, open.since, *look);
            }
            Ok(Answer::Stored { .. } | Answer::Done) => {}
        }
    }

    fn unheard(&mut self, now: Millis, trouble: &Trouble) {
        self.misses += 1;
        self.info = None;
        let klippy_away = matches!(trouble, Trouble::Refused { .. });
        self.connect_fault = Some(match trouble {
            Trouble::Refused { status: 401, .. } => words::no_key(),
            Trouble::Refused { text, .. } => words::klipper_away(text),
            other => words::nobody_answers(&self.setup.port, other),
        });
        if self.misses < MISSES && !klippy_away {
            return;
        }
        if self.reach != Reach::Stranger {
            self.reach = if klippy_away {
                Reach::NotReady
            } else {
                Reach::Away
            };
        }
        self.look.heaters.clear();
        self.next_ms = self.next_ms.max(now + self.look_ms());
    }

    fn introduced(&mut self, now: Millis, info: Info) {
        if self.recovers.is_some_and(|since| now >= since + RECOVER_MS) {
            self.recovers = None;
        }
        match info.state {
            Klippy::Shutdown if self.recovers.is_none() => {
                self.fatal(now, &info.message);
                // Who it is can be asked of a halted one as well, but nothing is to be said to it.
                self.reach = self.reach.min_not_ready();
            }
            Klippy::Ready => {
                if self.reach != Reach::Stranger {
                    self.reach = Reach::Asking;
                }
                self.info = Some(info);
                self.next_ms = now;
            }
            Klippy::Startup | Klippy::Error | Klippy::Shutdown => {
                self.reach = self.reach.min_not_ready();
                self.connect_fault = Some(words::not_ready(&info.message));
            }
        }
    }

    /// Both halves are there: is it the printer that is meant?
    fn identify(&mut self, now: Millis) {
        let Some(info) = self.info.take() else {
            return;
        };
        let found = name_of(&info, &self.settings.board);
        let in_print = self.job.is_some();
        let same = self.identity.as_ref().is_none_or(|known| {
            let unit = known.machine == found.machine && known.uuid == found.uuid;
            unit && (!in_print || known.firmware == found.firmware)
        });
        if !same {
            let before = self.identity.clone().unwrap_or_default();
            let shown = |name: &PrinterName| format!("{} on {}", name.firmware, name.machine);
            let finding = words::other_printer(&shown(&found), &shown(&before), in_print);
            self.orders.clear();
            self.off = None;
            self.end_job(now, Some(finding.clone()));
            self.off = None;
            self.reach = Reach::Stranger;
            self.fault = Some(finding);
            return;
        }
        self.identity = Some(found);
        if self.reach == Reach::Stranger {
            // What could not be ordered meanwhile.
            self.off = Some(Off::found(self.last.as_ref()));
        }
        self.reach = Reach::Ready;
        self.connect_fault = None;
        self.recovers = None;
        if self
            .fault
            .as_ref()
            .is_some_and(|f| f.name == "other_printer")
            && self
                .last
                .as_ref()
                .and_then(|job| job.fault.as_ref())
                .is_none_or(|f| f.name != "other_printer")
        {
            self.fault = None;
        }
        if std::mem::take(&mut self.stop_lost) {
            self.order(now, Request::Stop);
            self.stop = Some((now, 0));
        }
        self.next_ms = now;
    }

    /// A look; `asked`: when it was asked.
    fn looked(&mut self, now: Millis, asked: Millis, look: Look) {
        match look.state {
            Klippy::Ready => {}
            Klippy::Shutdown => {
                self.reach = Reach::NotReady;
                let message = look.message.clone();
                self.look = look;
                if self.recovers.is_none() {
                    self.fatal(now, &message);
                }
                return;
            }
            Klippy::Startup | Klippy::Error => {
                self.reach = Reach::NotReady;
                self.connect_fault = Some(words::not_ready(&look.message));
                self.look = look;
                return;
            }
        }
        self.look = look;
        self.looked_ms = Some(asked);
        self.connect_fault = None;
        self.unfit = self.lacks();
        if self.halted {
            return;
        }
        if self.job.is_some() {
            self.watch(now);
        }
        if self.job.is_none() {
            self.watch_off(now, asked);
        }
        self.clear_up(now);
    }

    /// What its configuration has to have for any of this.
    fn lacks(&self) -> Option<Finding> {
        let mut missing = Vec::new();
        if self.look.file.is_none() {
            missing.push("[virtual_sdcard]");
        }
        let known = &self.settings.commands;
        if known.is_empty() {
            return Some(words::no_commands());
        }
        if !known.contains("PAUSE") {
            missing.push("[pause_resume]");
        }
        (!missing.is_empty()).then(|| words::lacks(&missing.join(", ")))
    }

    /// Somebody else's print.
    pub(super) fn foreign(&self) -> Option<&str> {
        let print = self.look.active().filter(|_| self.reach == Reach::Ready)?;
        let ours = self.job.as_ref().is_some_and(|job| job.name == print.name)
            || self.off.as_ref().is_some_and(|off| off.is_of(&print.name))
            || self.waste.iter().any(|(name, _)| *name == print.name);
        (!ours).then_some(print.name.as_str())
    }

    /// A print whose printer does not answer. Klipper goes on by itself: what it made is looked at when it is back. Where it
    /// can not be back in any good case, the print ends.
    pub(super) fn watch_away(&mut self, now: Millis) {
        let Some(job) = &self.job else {
            return;
        };
        let away = now.saturating_sub(self.looked_ms.unwrap_or(job.since));
        if self.reach == Reach::Ready && away < words::AWAY_MS {
            return;
        }
        if !job.has_begun() {
            // An upload may take its time, and Klipper is looked at meanwhile.
            if away >= words::AWAY_MS {
                self.end_job(now, Some(words::not_begun()));
            }
            return;
        }
        let hold_ms = (self.setup.printer.link.hold_bed_min * 60e3) as Millis;
        let left_ms = (job.left_s() * 1.5e3) as Millis;
        if away >= left_ms + hold_ms + words::AWAY_MORE_MS {
            return self.end_job(now, Some(words::never_back()));
        }
        if away >= words::AWAY_MS && self.fault.is_none() {
            self.fault = Some(words::away());
        }
    }
}

impl Reach {
    /// Not ready, unless a person has to look at it first.
    fn min_not_ready(self) -> Self {
        match self {
            Self::Stranger => Self::Stranger,
            _ => Self::NotReady,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printer_is_named_by_computer_configuration_and_board() {
        let info = Info {
            hostname: "voron".into(),
            config_file: "/c/printer.cfg".into(),
            version: "v0.13".into(),
            ..Info::default()
        };
        let name = name_of(&info, "");
        assert_eq!((name.firmware.as_str(), name.uuid), ("Klipper v0.13", None));
        assert_eq!(name.machine, "voron:/c/printer.cfg");
    }
}
