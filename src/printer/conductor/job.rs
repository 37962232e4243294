//! Job: how far a print is.

use super::super::journal::Record;
use super::super::program::Program;
use super::super::reentry::{AHEAD_MAX, surely};
use super::super::transport::Millis;
use super::super::wire::{JobStatus, Phase, PrinterName};
use super::tracker::Tracker;
use super::tune::Tuned;

/// Where a job stands, with what each stage has to remember.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stage {
    /// The file is being proved.
    Checking,
    /// Lines flow.
    Streaming,
    /// The hold's moves are on their way.
    Pausing,
    /// Held.
    Paused,
    /// The way back is on its way.
    Resuming,
    /// Given up; the end's moves are on their way.
    Cancelling,
    /// All lines are accepted; the end position is asked for.
    Finishing,
}

/// The job on the printer.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) code: String,
    pub(super) sha256: String,
    pub(super) stage: Stage,
    /// The printer, as it says itself.
    printer: Option<PrinterName>,
    pub(super) program: Program,
    /// Next line to send.
    pub(super) next: usize,
    /// The board was told to end by itself when its host dies.
    pub(super) guarded: bool,
    /// Percent that the printer was told last.
    told_percent: Option<u32>,
    /// What a person has changed.
    pub(super) tuned: Tuned,
    /// Lines that have credit.
    done: usize,
    /// Someone wants it held; since which line.
    pub(super) pause_from: Option<usize>,
    /// When that was wanted.
    pub(super) pause_ms: Millis,
    /// The printer itself asked for the hold.
    pub(super) by_printer: bool,
    /// The panel said "go on" before the hold was reached.
    pub(super) resume_asked: bool,
    /// Since when it is held, and which heaters were switched off since: hotend, bed.
    pub(super) held_ms: Millis,
    pub(super) cooled: [bool; 2],
    /// The firmware is asked how many lines it took.
    pub(super) counting: bool,
    /// The tracker when it was held.
    pub(super) held: Option<Tracker>,
    /// The firmware's own position, in answer to our M114.
    pub(super) position: Option<[f64; 4]>,
    /// Times the end position was asked for; times it differed.
    pub(super) asked: u32,
    pub(super) differed: u32,
    pub(super) agreed: u32,
    began: Millis,
    marked: (Millis, u32),
    /// The layer in which the nozzle surely was at the last mark.
    sure: u32,
    /// Temperature reports in a row with a target that is off.
    pub(super) targets_off: u32,
    /// The nozzle was warm enough to push filament; reports in a row since then that say it is not.
    pub(super) was_warm: bool,
    pub(super) cold: u32,
    /// Before the nozzle is let cool: was it warm to the last stroke?
    pub(super) warm: WarmProof,
}

/// Questions how warm the nozzle is, behind the last stroke that was planned with it.
#[derive(Debug, Default)]
pub(super) struct WarmProof {
    /// The next answer is one to a question of its own.
    pub(super) open: bool,
    /// Rounds of two questions, with one for the place between them; answers of the last that said warm.
    pub(super) asked: u32,
    pub(super) agreed: u32,
    /// When the next round is due.
    pub(super) next: Millis,
}

impl Job {
    pub(super) fn new(
        code: String,
        sha256: String,
        now: Millis,
        printer: Option<PrinterName>,
    ) -> Self {
        Self {
            code,
            sha256,
            stage: Stage::Checking,
            printer,
            program: Program::default(),
            next: 0,
            guarded: false,
            told_percent: None,
            tuned: Tuned::default(),
            done: 0,
            pause_from: None,
            pause_ms: 0,
            by_printer: false,
            resume_asked: false,
            held_ms: 0,
            cooled: [false; 2],
            counting: false,
            held: None,
            position: None,
            asked: 0,
            differed: 0,
            agreed: 0,
            began: now,
            marked: (now, 0),
            sure: 0,
            targets_off: 0,
            was_warm: false,
            cold: 0,
            warm: WarmProof::default(),
        }
    }

    pub(super) fn begin(&mut self, now: Millis, program: Program) -> Record {
        self.program = program;
        self.stage = Stage::Streaming;
        (self.began, self.marked) = (now, (now, 0));
        Record::Began {
            job: self.code.clone(),
            sha256: self.sha256.clone(),
            lines: self.program.lines.len(),
            layers: self.program.layers,
            printer: self.printer.clone(),
        }
    }

    /// Something of it was sent.
    pub(super) fn has_begun(&self) -> bool {
        self.next > 0 || !matches!(self.stage, Stage::Checking | Stage::Streaming)
    }

    /// Lines up to `tag` (from 1) have credit; a mark for the journal at a new layer or after a while.
    pub(super) fn accepted(&mut self, now: Millis, tag: u64, tracker: &Tracker) -> Option<Record> {
        let tag = usize::try_from(tag).unwrap_or(usize::MAX);
        self.done = self.done.max(tag.min(self.program.lines.len()));
        let layer = self.layer();
        let lines = &self.program.lines;
        // Of the last stroke that was surely made: on its way up to a layer the head is on none.
        let sure = lines[..surely(lines, self.done)].iter().rev();
        let sure = sure.take(AHEAD_MAX).find(|line| line.drawn_mm > 0.0);
        let sure = sure.map_or(self.sure, |line| line.layer);
        if (layer, sure) == (self.marked.1, self.sure) && now < self.marked.0 + super::MARK_MS {
            return None;
        }
        (self.marked, self.sure) = ((now, layer), sure);
        let at = tracker.at().map(|v| v.is_finite().then_some(v));
        Some(Record::Mark {
            line: self.done,
            layer,
            at_mm: at,
            targets_c: tracker.targets_c,
            fraction: self.fraction(),
        })
    }

    fn layer(&self) -> u32 {
        let at = self.done.min(self.program.lines.len().saturating_sub(1));
        self.program.lines.get(at).map_or(0, |line| line.layer)
    }

    fn done_s(&self) -> f64 {
        self.done
            .checked_sub(1)
            .and_then(|at| self.program.lines.get(at))
            .map_or(0.0, |line| line.done_s)
    }

    fn fraction(&self) -> f64 {
        if self.program.total_s > 0.0 {
            (self.done_s() / self.program.total_s).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    /// `M73`, when the printer's own panel shows another percent than is done.
    pub(super) fn progress_line(&mut self) -> Option<String> {
        let percent = (self.fraction() * 100.0).floor() as u32;
        if self.told_percent.replace(percent) == Some(percent) {
            return None;
        }
        let left_min = (self.left_s() / 60.0).ceil();
        Some(format!("M73 P{percent} R{left_min:.0}"))
    }

    fn left_s(&self) -> f64 {
        (self.program.total_s - self.done_s()).max(0.0) * self.tuned.times()
    }

    pub(super) fn phase(&self) -> Phase {
        match self.stage {
            Stage::Checking => Phase::Checking,
            Stage::Streaming if self.pause_from.is_some() => Phase::Pausing,
            Stage::Streaming | Stage::Finishing => Phase::Printing,
            Stage::Pausing => Phase::Pausing,
            Stage::Paused => Phase::Paused,
            Stage::Resuming => Phase::Resuming,
            Stage::Cancelling => Phase::Cancelling,
        }
    }

    pub(super) fn status(&self, now: Millis) -> JobStatus {
        JobStatus {
            job: self.code.clone(),
            sha256: self.sha256.clone(),
            phase: self.phase(),
            fraction: self.fraction(),
            left_s: self.left_s(),
            spent_s: now.saturating_sub(self.began) as f64 / 1e3,
            layer: self.layer(),
            layers: self.program.layers,
            fault: None,
            printer: self.printer.clone(),
        }
    }
}
