//! May somebody walk up and print? One answer for page, LCD and API, so that no headline says Ready when it is not.

use super::{JobState, PrinterState, Severity, Snapshot};

/// Why the station is not ready for a print. The first that holds is told.
#[derive(Clone, Debug, PartialEq)]
pub enum NotReady {
    /// The station starts.
    Starting,
    /// The link process does not answer.
    LinkDown,
    /// The link is there, the printer is not.
    NoPrinter,
    /// Halted by a fault or by the emergency stop.
    Halted,
    /// A print runs or is held.
    Busy,
    /// The link runs with another configuration, or is barred for another reason that [`barred`] tells.
    ///
    /// [`barred`]: super::PrinterView::barred
    Barred,
    /// The part of this case, or the rest of it, lies on the bed.
    PartOnBed(String),
    /// Nozzle or bed are this hot, degrees Celsius.
    Hot(f64),
    /// The station itself needs somebody: the first of its findings that is more than a note, by name.
    Station(String),
    /// Nobody may release yet.
    NobodyMayRelease,
}

impl Snapshot {
    /// `None`: ready. Otherwise the first reason why not.
    pub fn not_ready(&self) -> Option<NotReady> {
        let printer = &self.printer;
        if self.station.starting {
            return Some(NotReady::Starting);
        }
        match printer.state {
            PrinterState::LinkDown => return Some(NotReady::LinkDown),
            PrinterState::Disconnected => return Some(NotReady::NoPrinter),
            PrinterState::Halted => return Some(NotReady::Halted),
            PrinterState::Printing | PrinterState::Paused => return Some(NotReady::Busy),
            PrinterState::Idle => {}
        }
        // Released, and the link has not said so yet.
        let prints = |state| matches!(state, JobState::Printing | JobState::Paused);
        if self.jobs.iter().any(|j| prints(j.state)) {
            return Some(NotReady::Busy);
        }
        if printer.barred.is_some() {
            return Some(NotReady::Barred);
        }
        if let Some(code) = &printer.on_bed {
            return Some(NotReady::PartOnBed(code.clone()));
        }
        if let Some(hot_c) = printer.hot_c() {
            return Some(NotReady::Hot(hot_c));
        }
        // What is merely worth knowing keeps nobody from a print.
        let mut grave = self.station.attention.iter();
        if let Some(finding) = grave.find(|f| f.severity > Severity::Info) {
            return Some(NotReady::Station(finding.name.clone()));
        }
        (self.station.releasers == 0).then_some(NotReady::NobodyMayRelease)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Finding, Heater};

    fn idle() -> Snapshot {
        let mut s = Snapshot::default();
        s.printer.state = PrinterState::Idle;
        s.station.releasers = 1;
        s
    }

    #[test]
    fn ready_is_said_of_a_free_cool_clear_printer_alone() {
        assert_eq!(idle().not_ready(), None);
        let heater = |now_c| {
            Some(Heater {
                now_c,
                target_c: 0.0,
            })
        };
        let cases: [(fn(&mut Snapshot), NotReady); 9] = [
            (|s| s.station.starting = true, NotReady::Starting),
            (
                |s| s.printer.state = PrinterState::LinkDown,
                NotReady::LinkDown,
            ),
            (
                |s| s.printer.state = PrinterState::Disconnected,
                NotReady::NoPrinter,
            ),
            (|s| s.printer.state = PrinterState::Halted, NotReady::Halted),
            (|s| s.printer.state = PrinterState::Paused, NotReady::Busy),
            (
                |s| s.printer.barred = Some(Finding::warn("port", "p")),
                NotReady::Barred,
            ),
            (
                |s| s.printer.on_bed = Some("K7-2043".into()),
                NotReady::PartOnBed("K7-2043".into()),
            ),
            (
                |s| s.station.attention.push(Finding::warn("drop_gone", "d")),
                NotReady::Station("drop_gone".into()),
            ),
            (|s| s.station.releasers = 0, NotReady::NobodyMayRelease),
        ];
        for (change, want) in cases {
            let mut s = idle();
            change(&mut s);
            assert_eq!(s.not_ready(), Some(want));
        }
        let mut s = idle();
        (s.printer.hotend, s.printer.bed) = (heater(49.0), heater(50.5));
        assert_eq!(s.not_ready(), Some(NotReady::Hot(50.5)));
        s.printer.bed = heater(50.0);
        s.station.attention.push(Finding::info("drop_waits", "w"));
        assert_eq!(s.not_ready(), None);
    }
}
