//! Shown: what people are told, and when.

use super::super::wire::{LineFigures, Phase, Status};
use super::{Action, Event, Finding, Millis, Moonraker, Reach, words};
use crate::status::PrinterState;
use std::borrow::Cow;

/// Status events at most so often.
pub(super) const STATUS_MS: Millis = 500;

impl Moonraker {
    fn state(&self) -> PrinterState {
        if self.halted || (self.reach == Reach::Stranger && self.job.is_none()) {
            return PrinterState::Halted;
        }
        match &self.job {
            Some(job) if job.phase() == Phase::Paused => PrinterState::Paused,
            Some(_) => PrinterState::Printing,
            None if self.reach != Reach::Ready || self.unfit.is_some() => {
                PrinterState::Disconnected
            }
            // Nothing can be printed here, but it is there.
            None if self.foreign().is_some() => PrinterState::Printing,
            None => PrinterState::Idle,
        }
    }

    pub(super) fn status_of(&self, now: Millis) -> Status {
        let name = self.identity.as_ref().map(|name| name.firmware.clone());
        Status {
            state: self.state(),
            is_virtual: false,
            name: name.unwrap_or_else(|| self.setup.port.clone()),
            port: self.setup.port.clone(),
            hotend: self.look.heater("extruder"),
            bed: self.look.heater("heater_bed"),
            job: (self.job.as_ref())
                .map(|job| job.status(now))
                .or_else(|| self.last.clone()),
            fault: self.shown_fault(now).map(Cow::into_owned),
            prompt: None,
            tuning: self.tuning(),
            line: LineFigures::default(),
        }
    }

    fn shown_fault(&self, now: Millis) -> Option<Cow<'_, Finding>> {
        let own = self.fault.as_ref().or(self.unfit.as_ref());
        if let (None, Some(other)) = (own, self.foreign()) {
            return Some(Cow::Owned(words::foreign(other)));
        }
        self.with_heat(now, own.or(self.connect_fault.as_ref()))
    }

    fn has_news(&self, now: Millis) -> bool {
        let Some(old) = &self.shown else {
            return true;
        };
        let phase = match (&self.job, &self.last) {
            (Some(job), _) => Some(job.phase()),
            (None, last) => last.as_ref().map(|job| job.phase),
        };
        old.state != self.state()
            || old.fault.as_ref() != self.shown_fault(now).as_deref()
            || old.tuning != self.tuning()
            || old.job.as_ref().map(|job| job.phase) != phase
    }

    /// Tells those who watch: at once when something is new, else twice a second.
    pub(super) fn show(&mut self, now: Millis) {
        let is_new = self.has_news(now);
        if !is_new && now < self.shown_ms + STATUS_MS {
            return;
        }
        self.shown_ms = now;
        let status = self.status_of(now);
        if is_new || self.shown.as_ref() != Some(&status) {
            self.shown = Some(status.clone());
            self.actions.push(Action::Event(Event::Status(status)));
        }
    }
}
