//! Troubles: errors after which the firmware lives on, and the words that tell why it halted.

use super::super::reply::{Reply, read};
use super::{Conductor, Millis, Port, faults};
use crate::gcode::Dialect;
use crate::gcode::dialect::ErrorClass;

/// Words so long before a halt are its reason ("echo:Homing Failed"), ms.
const REASON_MS: Millis = 3_000;
/// The second half of an error comes within this time, ms.
const HALF_MS: Millis = 1_000;

/// What was said last.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The last words that may be a reason.
    reason: Option<(Millis, String)>,
    /// `Error:0`, whose text is still to come.
    half: Option<(Millis, String)>,
}

impl Conductor {
    /// The dialect's own table knows some texts better.
    fn by_dialect(&self, reply: Reply) -> Reply {
        let (Reply::Trouble(text) | Reply::Harmless(text) | Reply::Fatal(text)) = &reply else {
            return reply;
        };
        match self.dialect.error_class(text) {
            // It has switched off that heater and lives on: the others are ours to switch off.
            Some(ErrorClass::Thermal) if self.dialect == Dialect::RepRapFirmware => {
                Reply::Trouble(text.clone())
            }
            _ if matches!(reply, Reply::Fatal(_)) => reply,
            Some(ErrorClass::Halted | ErrorClass::Thermal) => Reply::Fatal(text.clone()),
            Some(ErrorClass::Harmless) => Reply::Harmless(text.clone()),
            Some(ErrorClass::Transport) => Reply::LinkError { last: None },
            Some(ErrorClass::Fault) | None => reply,
        }
    }

    /// Puts the halves of an error together, and remembers what may be a reason.
    pub(super) fn whole_error(&mut self, now: Millis, reply: Reply) -> Reply {
        self.speaks_if(&reply);
        let reply = self.by_dialect(reply);
        match &reply {
            Reply::ErrorHead(text) => {
                self.said.half = Some((now, text.clone()));
                reply
            }
            Reply::Noise(text) | Reply::Fatal(text) | Reply::Trouble(text)
                if self.said.half.is_some() =>
            {
                let head = self
                    .said
                    .half
                    .take()
                    .map_or(String::new(), |(_, head)| head);
                read(&format!("{head}{text}"))
            }
            Reply::Noise(text) | Reply::Trouble(text) => {
                let lower = text.to_ascii_lowercase();
                if lower.starts_with("echo:") || lower.starts_with("error") {
                    let words = text.split_once(':').map_or("", |(_, words)| words).trim();
                    self.said.reason = Some((now, words.to_owned()));
                }
                reply
            }
            _ => reply,
        }
    }

    fn speaks_if(&mut self, reply: &Reply) {
        match reply {
            Reply::Noise(_) => {}
            Reply::Busy | Reply::PausedForUser => self.speaks(true),
            Reply::Heating(_) => {
                self.speaks(true);
                self.heats();
            }
            Reply::Ok { .. } | Reply::OkTemperatures(_) | Reply::Firmware(..) | Reply::Boot => {
                self.speaks(false);
                self.answers();
            }
            _ => self.speaks(false),
        }
    }

    /// The second half never came: what there is counts as an error.
    pub(super) fn half_error(&mut self, now: Millis) {
        if let Some((at, text)) = &self.said.half
            && now >= at + HALF_MS
        {
            let text = text.clone();
            self.said.half = None;
            self.trouble(now, &text);
        }
    }

    /// The words before a halt, where its own say nothing.
    pub(super) fn with_reason(&mut self, now: Millis, text: &str) -> String {
        let reason = self.said.reason.take();
        let bare = {
            let lower = text.to_ascii_lowercase();
            lower.contains("kill()") || lower.contains("printer halted")
        };
        match reason {
            Some((at, words)) if bare && now < at + REASON_MS && !words.is_empty() => {
                format!("{words}; {text}")
            }
            _ => text.to_owned(),
        }
    }

    /// An error with which the firmware lives on: so do its heaters, unless they are switched off.
    pub(super) fn trouble(&mut self, now: Millis, text: &str) {
        if self.is_stopped() || self.port == Port::Stranger {
            return;
        }
        if self.job.is_some() {
            self.stop_safe(now, faults::trouble(text));
        } else {
            self.fault = Some(faults::trouble_idle(text));
        }
    }
}
