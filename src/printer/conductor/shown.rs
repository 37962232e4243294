//! Shown: what people are told, and when.

use super::{
    Action, Conductor, Event, Finding, LineFigures, Millis, Phase, Port, PrinterState, STATUS_MS,
    Status,
};
use std::borrow::Cow;

impl Conductor {
    fn state(&self) -> PrinterState {
        match (&self.port, &self.job) {
            // A person has to look before anything is said to it.
            (Port::Halted, _) => PrinterState::Halted,
            (Port::Stranger, None) if self.unfit.is_none() => PrinterState::Halted,
            (_, Some(job)) if job.phase() == Phase::Paused => PrinterState::Paused,
            (_, Some(_)) => PrinterState::Printing,
            (Port::Ready, None) => PrinterState::Idle,
            (
                Port::Absent
                | Port::Booting { .. }
                | Port::Asking
                | Port::Stranger
                | Port::Greeting,
                None,
            ) => PrinterState::Disconnected,
        }
    }

    /// How things are.
    pub fn status(&self, now: Millis) -> Status {
        let figures = self.transport.figures();
        Status {
            state: self.state(),
            is_virtual: self.setup.is_virtual,
            name: self.name.clone(),
            port: self.setup.port.clone(),
            hotend: self.hotend,
            bed: self.bed,
            job: self
                .job
                .as_ref()
                .map(|job| job.status(now))
                .or_else(|| self.last.clone()),
            fault: self.shown_fault(now).map(Cow::into_owned),
            prompt: self.prompt(),
            tuning: self.tuning(),
            line: LineFigures {
                sent: figures.sent,
                resends: figures.resends,
                probes: figures.probes,
                round_trip_ms: figures.round_trip_ms as f64,
            },
        }
    }

    fn shown_fault(&self, now: Millis) -> Option<Cow<'_, Finding>> {
        self.with_heat(now, self.fault.as_ref().or(self.connect_fault.as_ref()))
    }

    /// Is there something that those who watch are told at once? Asked with each line, so nothing is made for it.
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
            || old.job.as_ref().map(|j| j.phase) != phase
    }

    /// Tells those who watch: at once when something is new, else twice a second.
    pub(super) fn show(&mut self, now: Millis) {
        let is_new = self.has_news(now);
        let due = now >= self.shown_ms + STATUS_MS;
        if !(is_new || due) {
            return;
        }
        self.shown_ms = now;
        let status = self.status(now);
        if is_new || self.shown.as_ref() != Some(&status) {
            self.shown = Some(status.clone());
            self.actions.push(Action::Event(Event::Status(status)));
        }
    }
}
