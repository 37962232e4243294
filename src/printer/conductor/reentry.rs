//! Re-entry: what a later one needs of this print, and what one waits for before its first line.
//!
//! Holds: no line of a layer, and no move of our own, is sent before the journal holds that it may be. After a print that
//!        was cut off the printer is asked where it stands, as soon as it hears. The first line of a re-entry is sent
//!        only to the printer that has the part, and only when its head stands where it stood then.
//! Never: moves anything to find out.

use super::super::program::Program;
use super::super::transport::POSITION_MM;
use super::super::wire::Phase;
use super::{Action, Class, Conductor, JobStatus, Millis, Port, Record, faults, introduction};

/// So many lines before a layer's first the journal is told: the disk has time while they are printed.
const LEAD: usize = 16;
/// A disk that does not answer holds a print up no longer than this: the nozzle stands on the part.
const KEPT_MAX_MS: Millis = 2_000;
/// Answers carry no checksum: two that agree count, of so many at most.
const ANSWERS_MAX: usize = 8;

/// What the journal was told ahead of the wire, and where the printer says that it stands.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// Records that go ahead: written, said to be on the disk, and no longer waited for.
    asked: u64,
    kept: u64,
    excused: u64,
    since: Millis,
    /// Highest layer that the journal was told of, and by which record.
    promised: (u32, u64),
    /// Nothing at all is sent before this record is on the disk.
    barrier: u64,
    search: Option<Search>,
    /// A re-entry that waits for the head's place.
    entry: Option<Program>,
}

/// The printer is asked where it stands.
#[derive(Debug, Default)]
struct Search {
    /// Lines of the file that were sent, where the tracker knows what became of them.
    line: Option<usize>,
    answers: Vec<[f64; 4]>,
    asked: usize,
}

impl Search {
    /// What two answers in a row say.
    fn agreed(&self) -> Option<[f64; 4]> {
        let [.., a, b] = self.answers[..] else {
            return None;
        };
        let same = (0..3).all(|axis| (a[axis] - b[axis]).abs() < 1e-6);
        same.then_some(b)
    }
}

impl Trail {
    /// Of a link that has just started.
    pub(super) fn after(last: Option<&JobStatus>) -> Self {
        let cut = last.is_some_and(|job| job.phase == Phase::Stopped);
        Self {
            search: cut.then(Search::default),
            ..Self::default()
        }
    }

    /// A job begins.
    pub(super) fn begin(&mut self) {
        (self.search, self.entry) = (None, None);
        self.promised = (0, 0);
    }

    /// A job has ended; `cut`: its part is on the bed.
    pub(super) fn ended(&mut self, cut: bool, line: usize) {
        self.begin();
        self.search = cut.then(|| Search {
            line: Some(line),
            ..Search::default()
        });
    }

    /// The printer says where it stands.
    pub(super) fn says(&mut self, at: [f64; 4]) {
        if let Some(search) = &mut self.search {
            search.answers.push(at);
        }
    }

    /// Is the place of the head still being asked for?
    pub(super) fn is_asking(&self) -> bool {
        self.search.is_some()
    }

    /// A line of a layer that the disk does not hold yet.
    pub(super) fn bars(&self, layer: u32) -> bool {
        let (promised, record) = self.promised;
        layer > 0 && (layer > promised || (layer == promised && self.is_due(record)))
    }

    fn is_due(&self, record: u64) -> bool {
        record > self.kept.max(self.excused)
    }
}

impl Conductor {
    /// A record that goes ahead of its lines is on the disk.
    pub fn kept(&mut self, now: Millis) {
        self.trail.kept += 1;
        self.settle(now);
    }

    /// What follows waits for this record.
    pub(super) fn write_ahead(&mut self, now: Millis, record: Record) {
        self.tell_ahead(now, record);
        self.trail.barrier = self.trail.asked;
    }

    fn tell_ahead(&mut self, now: Millis, record: Record) {
        self.actions.push(Action::Journal(record));
        self.trail.asked += 1;
        self.trail.since = now;
    }

    /// Moves of our own follow: the head will stand elsewhere than the file says.
    pub(super) fn parks(&mut self, now: Millis) {
        if let Some(line) = (self.job.as_ref()).map(|job| job.next).filter(|n| *n > 0) {
            self.write_ahead(now, Record::Parks { line });
        }
    }

    /// Is something written that must be on the disk first? Tells the journal of the next layer in good time.
    pub(super) fn waits_for_disk(&mut self, now: Millis) -> bool {
        let ahead = self.job.as_ref().and_then(|job| {
            let lines = &job.program.lines;
            let line = lines.get(job.next + LEAD).or(lines.last());
            line.map(|line| line.layer)
        });
        if let Some(layer) = ahead
            && layer > self.trail.promised.0
        {
            self.tell_ahead(now, Record::Layer { layer });
            self.trail.promised = (layer, self.trail.asked);
        }
        if now >= self.trail.since + KEPT_MAX_MS {
            self.trail.excused = self.trail.asked;
        }
        self.trail.is_due(self.trail.barrier)
    }

    /// The port was opened anew: what was executed before is not known, and the printer is asked.
    pub(super) fn find_head(&mut self) {
        let cut = self
            .last
            .as_ref()
            .is_some_and(|j| j.phase == Phase::Stopped);
        if self.job.is_none() && (cut || self.trail.is_asking()) {
            self.trail.search = Some(Search::default());
        }
    }

    /// After a print that was cut off, with an empty line: where does the head stand?
    pub(super) fn ask_head(&mut self, now: Millis) {
        let plan = self.tracker.at();
        let Some(search) = &self.trail.search else {
            return;
        };
        if let Some(said) = search.agreed() {
            let near = |axis: usize| {
                let (plan, said): (f64, f64) = (plan[axis], said[axis]);
                plan.is_finite() && (plan - said).abs() <= POSITION_MM
            };
            let line = search.line.filter(|_| (0..3).all(near));
            let at_mm = [said[0], said[1], said[2]];
            self.actions
                .push(Action::Journal(Record::Stands { at_mm, line }));
            self.trail.search = None;
            return;
        }
        if search.asked >= ANSWERS_MAX {
            // It does not say: there is no re-entry.
            self.trail.search = None;
            return;
        }
        self.ask_position(now);
    }

    fn ask_position(&mut self, now: Millis) {
        let first = match &mut self.trail.search {
            Some(search) => {
                search.asked += 1;
                search.asked == 1
            }
            None => return,
        };
        if first && self.facts().has_m400 {
            self.own("M400", Class::Drain);
        }
        self.own("M114", Class::Setting);
        self.work(now);
    }

    /// A re-entry was loaded. Before it begins: is this the printer with the part, and does its head stand there?
    pub(super) fn find_entry(&mut self, program: Program) {
        self.trail.search = Some(Search::default());
        self.trail.entry = Some(program);
    }

    pub(super) fn ask_entry(&mut self, now: Millis) {
        let Some(program) = &self.trail.entry else {
            return;
        };
        let Some(entry) = &program.entry else {
            return;
        };
        let here = self.identity.as_ref().map(introduction::name_of);
        if here != entry.printer {
            return self.end_job(now, Some(faults::other_bed()));
        }
        let search = self.trail.search.as_ref();
        match search.and_then(Search::agreed) {
            Some(said) if (said[2] - entry.says_z_mm).abs() > 2.0 * POSITION_MM => {
                self.end_job(now, Some(faults::head_moved()));
            }
            Some(_) => self.begin_entry(now),
            None if search.is_none_or(|s| s.asked >= ANSWERS_MAX) => {
                self.end_job(now, Some(faults::head_moved()));
            }
            None => self.ask_position(now),
        }
    }

    fn begin_entry(&mut self, now: Millis) {
        self.trail.search = None;
        let Some(program) = self.trail.entry.take() else {
            return;
        };
        if let Some(job) = &mut self.job {
            let record = job.begin(now, program);
            self.actions.push(Action::Journal(record));
        }
        if self.port == Port::Ready {
            self.work(now);
        }
    }
}
