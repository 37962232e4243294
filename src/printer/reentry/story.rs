//! Story: what a journal says of its last print.

use super::super::journal::Record;
use super::super::transport::POSITION_MM;
use super::super::wire::{Phase, PrinterName};
use serde::Deserialize;

/// The last print, as far as the journal holds it.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) job: String,
    pub(super) sha256: String,
    pub(super) printer: Option<PrinterName>,
    /// Lines of the file.
    pub(super) lines: usize,
    /// Lines with credit.
    pub(super) line: usize,
    /// Bed target at the last mark, C.
    pub(super) bed_c: f64,
    /// Highest layer of which lines may have been sent.
    pub(super) promised: Option<u32>,
    /// Name of the fault that ended it.
    pub(super) fault: Option<String>,
    ended: bool,
    printed: bool,
    /// So many lines were executed, and the head stands there: the printer agreed with the plan.
    pub(super) exact: Option<(usize, [f64; 3])>,
    /// Where the printer stood when it was found again, not having been reset.
    pub(super) found: Option<[f64; 3]>,
    /// Moves of our own began after so many lines, and it is not known how far they came.
    pub(super) parked: Option<usize>,
    /// What the printer says last.
    pub(super) says_mm: Option<[f64; 3]>,
    /// What it says does not fit what it said before.
    pub(super) moved: bool,
    /// The last time at which the bed was surely heated, Unix s.
    pub(super) heated_s: Option<f64>,
}

/// A line of the journal.
#[derive(Deserialize)]
struct Line {
    at: Option<String>,
    #[serde(flatten)]
    record: Record,
}

impl Story {
    /// `None`: no print.
    pub(super) fn read(journal: &str) -> Option<Self> {
        let mut story: Option<Self> = None;
        for line in journal.lines() {
            // A torn last line says nothing.
            let Ok(Line { at, record }) = serde_json::from_str::<Line>(line) else {
                continue;
            };
            let at = at.and_then(|at| at.parse::<jiff::Timestamp>().ok());
            let at_s = at.map(|at| at.as_millisecond() as f64 / 1e3);
            if let Record::Began {
                job,
                sha256,
                lines,
                printer,
                ..
            } = record
            {
                story = Some(Self {
                    job,
                    sha256,
                    lines,
                    printer,
                    heated_s: at_s,
                    ..Self::default()
                });
            } else if let Some(story) = &mut story {
                story.hear(record, at_s);
            }
        }
        story
    }

    /// It ended early.
    pub(super) fn is_cut(&self) -> bool {
        self.ended && !self.printed
    }

    fn hear(&mut self, record: Record, at_s: Option<f64>) {
        match record {
            Record::Mark {
                line, targets_c, ..
            } => {
                (self.line, self.bed_c) = (self.line.max(line), targets_c[1]);
                self.heated_s = at_s;
            }
            Record::Layer { layer } => {
                self.promised = self.promised.max(Some(layer));
                self.heated_s = at_s;
            }
            // How long the bed stays warm in a hold is not written down: its beginning counts.
            Record::Held { line, at_mm } => {
                (self.exact, self.parked) = (Some((line, at_mm)), None);
                self.heated_s = at_s;
            }
            Record::Parks { line } => (self.exact, self.parked) = (None, Some(line)),
            Record::Resumed { .. } => {
                self.parked = self.parked.or(self.exact.map(|(line, _)| line));
                self.exact = None;
                self.heated_s = at_s;
            }
            // An end of another file is of a print that never began.
            Record::Ended { job } if job.sha256 == self.sha256 && !self.ended => {
                self.ended = true;
                self.printed = job.phase == Phase::Printed;
                self.fault = job.fault.map(|fault| fault.name);
            }
            Record::Stands { at_mm, line } => self.stands(at_mm, line),
            Record::Began { .. }
            | Record::Ended { .. }
            | Record::Paused
            | Record::Tuned { .. }
            | Record::Answered { .. }
            | Record::Halted { .. }
            | Record::Recovered
            | Record::Closed => {}
        }
    }

    /// The printer says where it stands. A board that was reset says 0 and has moved nothing.
    fn stands(&mut self, at_mm: [f64; 3], line: Option<usize>) {
        let near = |a: f64, b: f64| (a - b).abs() <= 2.0 * POSITION_MM;
        let was_reset = at_mm.iter().all(|v| near(*v, 0.0));
        let before = self.exact.map(|(_, at)| at).or(self.found).or(self.says_mm);
        match (before, line) {
            _ if was_reset => {}
            (None, Some(line)) => self.exact = Some((line, at_mm)),
            (None, None) => self.found = Some(at_mm),
            // X and Y may be moved: they are homed again.
            (Some(before), _) => self.moved |= !near(before[2], at_mm[2]),
        }
        self.says_mm = Some(at_mm);
    }
}
