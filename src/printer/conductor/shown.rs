//! Shown: what people are told, and when.

use super::{
    Action, Conductor, Event, LineFigures, Millis, Phase, Port, PrinterState, STATUS_MS, Status,
};

impl Conductor {
    /// How things are.
    pub fn status(&self, now: Millis) -> Status {
        let figures = self.transport.figures();
        let state = match (&self.port, &self.job) {
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
        };
        Status {
            state,
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
            fault: self.with_heat(
                now,
                self.fault.clone().or_else(|| self.connect_fault.clone()),
            ),
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

    /// Tells those who watch: at once when something is new, else twice a second.
    pub(super) fn show(&mut self, now: Millis) {
        let status = self.status(now);
        let is_new = self.shown.as_ref().is_none_or(|old| {
            old.state != status.state
                || old.fault != status.fault
                || old.tuning != status.tuning
                || old.job.as_ref().map(|j| j.phase) != status.job.as_ref().map(|j| j.phase)
        });
        let due = now >= self.shown_ms + STATUS_MS;
        if due {
            self.shown_ms = now;
        }
        if is_new || (due && self.shown.as_ref() != Some(&status)) {
            self.shown_ms = now;
            self.shown = Some(status.clone());
            self.actions.push(Action::Event(Event::Status(status)));
        }
    }
}
