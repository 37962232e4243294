//! Job: how far a print is, from where Klipper is in its file.

use super::super::conductor::tune::Tuned;
use super::super::journal::Record;
use super::super::transport::{Class, Millis};
use super::super::wire::{JobStatus, Phase, PrinterName};
use super::plan::Plan;
use super::reading::{Look, Print};

/// A mark in the journal at least so often.
const MARK_MS: Millis = 10_000;
/// Klipper's own clock and ours may differ by so much in what it says of one moment, s.
const RUN_S: f64 = 1.5;
/// A line that may take so long without Klipper being stuck.
const HEAT_MS: Millis = 1_800_000;
const HOME_MS: Millis = 300_000;
const MOVE_MS: Millis = 120_000;
/// And so many times what is planned.
const PLANNED_TIMES: Millis = 30;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The file is being proved.
    Checking,
    /// It is sent.
    Uploading,
    /// What is stored there is read back.
    Reading,
    /// What is left of others is put away.
    Preparing,
    /// Klipper was told to begin.
    Starting,
    /// It prints.
    Running,
    /// It was told to hold.
    Pausing,
    /// It is held; our own moves away from the part are on their way.
    Parking,
    /// Held.
    Paused,
    /// What was switched off in the hold heats up.
    Reheating,
    /// Our own moves back are on their way.
    Unparking,
    /// It was told to go on.
    Resuming,
    /// It was told to give the print up.
    Cancelling,
    /// The file was carried out; is everything as planned?
    Proving,
}

/// The job on the printer.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) code: String,
    pub(super) sha256: String,
    pub(super) stage: Stage,
    /// Since when in that stage.
    pub(super) since: Millis,
    printer: Option<PrinterName>,
    pub(super) plan: Option<Plan>,
    /// Name of the file at Klipper.
    pub(super) name: String,
    /// Times it was uploaded.
    pub(super) uploads: u32,
    /// Why it was not started, in the printer's words.
    pub(super) start_trouble: Option<String>,
    /// Lines that were carried out, and since when so many.
    pub(super) done: usize,
    pub(super) done_ms: Millis,
    /// When Klipper says that it began, by its own clock, s; what it said last: its clock, how long it prints.
    began_s: Option<f64>,
    said: Option<(f64, f64)>,
    /// Looks in a row in which the head stood where no line of the file has it.
    pub(super) astray: u32,
    /// Looks in a row with a heater off that is wanted warm.
    pub(super) off: u32,
    /// What a person has changed, and whether the flow ever was.
    pub(super) tuned: Tuned,
    pub(super) flow_tuned: bool,
    /// The fan is to be set, behind an order of the file or of a person.
    pub(super) fan_due: bool,
    /// Height over where the file has it that is the printer's own, mm, once the file has homed and levelled: macros of the
    /// printer may calibrate it there.
    pub(super) offset_mm: Option<f64>,
    /// What it was in the last look, and what was ordered.
    pub(super) height_mm: f64,
    pub(super) heights_mm: Vec<f64>,
    /// Since when it is held, and which heaters were switched off since: hotend, bed.
    pub(super) held_ms: Millis,
    pub(super) cooled: [bool; 2],
    /// Targets of hotend and bed when it was held.
    pub(super) held_c: [f64; 2],
    /// We moved the head away.
    pub(super) parked: bool,
    /// Somebody's hands may be at the head: it was held at the printer.
    pub(super) hands: bool,
    /// Klipper's own time limit was set for a hold.
    pub(super) idle: bool,
    /// Line at which nobody waited for an order any more that is not in force.
    read_from: Option<usize>,
    /// One got no answer in time: it may wait behind the line in work.
    pub(super) late: bool,
    /// When the orders ahead of the start are given again.
    pub(super) again_ms: Option<Millis>,
    /// The order to hold was answered.
    pub(super) hold_answered: bool,
    /// Looks that agree with the plan's end, and that do not.
    pub(super) agreed: u32,
    pub(super) differed: u32,
    /// Everything that Klipper planned is done.
    pub(super) drained: Option<Millis>,
    began: Millis,
    marked: (Millis, u32),
}

/// One run of a file, or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    Same,
    Another,
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
            since: now,
            printer,
            plan: None,
            name: String::new(),
            uploads: 0,
            start_trouble: None,
            done: 0,
            done_ms: now,
            began_s: None,
            said: None,
            astray: 0,
            off: 0,
            tuned: Tuned::default(),
            flow_tuned: false,
            fan_due: false,
            offset_mm: None,
            height_mm: 0.0,
            heights_mm: Vec::new(),
            held_ms: 0,
            cooled: [false; 2],
            held_c: [0.0; 2],
            parked: false,
            hands: false,
            idle: false,
            read_from: None,
            late: false,
            again_ms: None,
            hold_answered: false,
            agreed: 0,
            differed: 0,
            drained: None,
            began: now,
            marked: (now, 0),
        }
    }

    pub(super) fn enter(&mut self, now: Millis, stage: Stage) {
        (self.stage, self.since, self.read_from, self.late) = (stage, now, None, false);
    }

    /// The printer's own height, where a print may have left another one.
    pub(super) fn own_height_mm(&self) -> Option<f64> {
        let own_mm = self.offset_mm?;
        let touched = !self.heights_mm.is_empty() || self.tuned.z_mm != 0.0;
        touched.then_some(own_mm)
    }

    /// Klipper carries an order out between two lines: has it gone on by two since nobody waits for that order, then it does not
    /// lie there any more.
    pub(super) fn reads_on(&mut self, look: &Look) -> bool {
        let (Some(plan), Some(file)) = (&self.plan, look.file) else {
            return false;
        };
        let done = plan.lines_at(file.position);
        let from = *self.read_from.get_or_insert(done);
        let on = done >= from + 2;
        if on {
            self.read_from = None;
        }
        on
    }

    /// Klipper was told to begin, or is about to be.
    pub(super) fn has_begun(&self) -> bool {
        !matches!(
            self.stage,
            Stage::Checking | Stage::Uploading | Stage::Reading | Stage::Preparing
        )
    }

    pub(super) fn begun(&mut self, now: Millis) -> Record {
        self.enter(now, Stage::Starting);
        (self.began, self.marked, self.done_ms) = (now, (now, 0), now);
        let program = self.plan.as_ref().map(|plan| &plan.program);
        Record::Began {
            job: self.code.clone(),
            sha256: self.sha256.clone(),
            lines: program.map_or(0, |p| p.lines.len()),
            layers: program.map_or(0, |p| p.layers),
            printer: self.printer.clone(),
        }
    }

    /// Is this still the run that was begun? Its beginning by Klipper's own clock stays, its clock goes on, and so does its
    /// length.
    pub(super) fn run(&mut self, look: &Look, print: &Print) -> Run {
        let (at_s, total_s) = (look.at_s, print.total_s);
        if let Some((before_s, length_s)) = self.said {
            let may_be_s = length_s + (at_s - before_s) + RUN_S;
            if at_s < before_s || total_s < length_s - RUN_S || total_s > may_be_s {
                return Run::Another;
            }
        }
        if print.state.is_active() {
            let began_s = at_s - total_s;
            let first_s = *self.began_s.get_or_insert(began_s);
            if (first_s - began_s).abs() > RUN_S {
                return Run::Another;
            }
        }
        self.said = Some((at_s, total_s));
        Run::Same
    }

    /// Klipper stands at this place of the file; a mark for the journal at a new layer or after a while.
    pub(super) fn reached(
        &mut self,
        now: Millis,
        look: &Look,
        targets_c: [f64; 2],
    ) -> Option<Record> {
        let plan = self.plan.as_ref()?;
        let done = plan.lines_at(look.file?.position);
        if done != self.done {
            (self.done, self.done_ms) = (done, now);
        }
        let layer = self.layer();
        if layer == self.marked.1 && now < self.marked.0 + MARK_MS {
            return None;
        }
        self.marked = (now, layer);
        let at = plan.place(self.done).map(|v| v.is_finite().then_some(v));
        Some(Record::Mark {
            line: self.done,
            layer,
            at_mm: [at[0], at[1], at[2], None],
            targets_c,
            fraction: self.fraction(),
        })
    }

    /// What the line in work may take.
    pub(super) fn patience_ms(&self) -> Millis {
        match self.class_in_work() {
            Some(Class::Heat | Class::Probe | Class::Person) => HEAT_MS,
            Some(Class::Home) => HOME_MS,
            Some(Class::Move(ms) | Class::Dwell(ms)) => MOVE_MS + PLANNED_TIMES * Millis::from(ms),
            _ => MOVE_MS,
        }
    }

    /// Of the line in work.
    pub(super) fn class_in_work(&self) -> Option<Class> {
        let lines = self.plan.as_ref().map(|plan| &plan.program.lines);
        lines
            .and_then(|lines| lines.get(self.done))
            .map(|line| line.class)
    }

    fn layer(&self) -> u32 {
        let lines = self.plan.as_ref().map(|plan| &plan.program.lines);
        lines.map_or(0, |lines| {
            let at = self.done.min(lines.len().saturating_sub(1));
            lines.get(at).map_or(0, |line| line.layer)
        })
    }

    fn done_s(&self) -> f64 {
        let lines = self.plan.as_ref().map(|plan| &plan.program.lines);
        let at = self.done.checked_sub(1);
        at.and_then(|at| lines?.get(at)).map_or(0.0, |l| l.done_s)
    }

    fn total_s(&self) -> f64 {
        self.plan.as_ref().map_or(0.0, |plan| plan.program.total_s)
    }

    fn fraction(&self) -> f64 {
        let total_s = self.total_s();
        if total_s > 0.0 {
            (self.done_s() / total_s).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    pub(super) fn left_s(&self) -> f64 {
        (self.total_s() - self.done_s()).max(0.0) * self.tuned.times()
    }

    pub(super) fn phase(&self) -> Phase {
        match self.stage {
            Stage::Checking | Stage::Uploading | Stage::Reading | Stage::Preparing => {
                Phase::Checking
            }
            Stage::Starting | Stage::Running | Stage::Proving => Phase::Printing,
            Stage::Pausing | Stage::Parking => Phase::Pausing,
            Stage::Paused => Phase::Paused,
            Stage::Reheating | Stage::Unparking | Stage::Resuming => Phase::Resuming,
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
            layers: self.plan.as_ref().map_or(0, |plan| plan.program.layers),
            fault: None,
            printer: self.printer.clone(),
        }
    }
}
