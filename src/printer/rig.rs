//! Rig: conductor and virtual printer on one virtual clock, for tests: seed and file replay every print exactly.

use super::conductor::{Action, Conductor, Setup};
use super::program::Program;
use super::virtual_printer::{Board, Faults, Log, Options, Record};
use super::wire::{Event, JobStatus, Phase};
use crate::gcode::{Printer, moves};
use std::collections::VecDeque;
use std::fmt::Write as _;

/// Conductor and board.
pub(super) struct Rig {
    pub(super) conductor: Conductor,
    pub(super) board: Board,
    /// Virtual s.
    pub(super) now: f64,
    pub(super) gcode: String,
    /// Everything the conductor wrote, with the time.
    pub(super) written: Vec<(f64, Vec<u8>)>,
    pub(super) events: Vec<Event>,
    pub(super) records: Vec<Record>,
    /// Ask the validator, too.
    pub(super) check: bool,
    /// The board hears and says nothing: the test speaks for the printer.
    pub(super) deaf: bool,
    /// Journal and rates, as they were ordered.
    pub(super) journal: Vec<super::journal::Record>,
    pub(super) bauds: Vec<u32>,
    /// When the mains were to go off.
    pub(super) switched_off_s: Vec<f64>,
    /// When each record of the journal was ordered, and how long the disk takes for one, virtual s.
    pub(super) journal_s: Vec<f64>,
    pub(super) disk_s: f64,
    on_disk: VecDeque<f64>,
    /// What is loaded instead of the file.
    pub(super) program: Option<Program>,
    /// Lines of the board that are lost on their way.
    pub(super) lost: fn(&str) -> bool,
    /// Lines to the board that become an `M400`: carried out, answered, and without what they ordered.
    pub(super) swallows: fn(&str) -> bool,
    gone: bool,
}

pub(super) fn printer() -> Printer {
    Printer::load("virtual").unwrap()
}

/// A file of `lines` short moves with relative E, retractions and travels; harmless, and the same for the same seed.
pub(super) fn part(seed: u64, lines: usize) -> String {
    let mut text = String::from(
        "M140 S60\nM104 S150\nG28\nM190 S60\nM109 S215\nG90\nM83\nG92 E0\nG1 Z0.3 F600\nG1 X2 Y5 F6000\n",
    );
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut random = move |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % n
    };
    let (mut x, mut y, mut z) = (50.0_f64, 50.0_f64, 0.3_f64);
    let mut written = 10;
    while written + 5 < lines {
        match random(40) {
            0 => {
                z += 0.2;
                let _ = writeln!(text, ";LAYER_CHANGE\nG1 Z{z:.2} F600");
                written += 1;
            }
            1 => {
                x = 40.0 + random(800) as f64 * 0.1;
                let _ = writeln!(
                    text,
                    "G1 E-0.8 F2100\nG0 X{x:.3} Y{y:.3} F9000\nG1 E0.8 F2100"
                );
                written += 3;
            }
            _ => {
                x = (x + random(2001) as f64 * 1e-3 - 1.0).clamp(20.0, 200.0);
                y = (y + random(2001) as f64 * 1e-3 - 1.0).clamp(20.0, 180.0);
                let e = 0.005 + random(300) as f64 * 1e-4;
                let _ = writeln!(text, "G1 X{x:.3} Y{y:.3} E{e:.5} F3600");
                written += 1;
            }
        }
    }
    text.push_str("M107\nM104 S0\nM140 S0\nG1 X10 Y200 F6000\nM84\n");
    text
}

impl Rig {
    pub(super) fn new(gcode: &str, faults: Faults, seed: u64) -> Self {
        Self::with(gcode, faults, seed, |_| {})
    }

    pub(super) fn with(
        gcode: &str,
        faults: Faults,
        seed: u64,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let mut options = Options::stock(printer().limits);
        change(&mut options);
        let setup = Setup {
            printer: printer(),
            port: "rig".into(),
            is_virtual: true,
        };
        let mut rig = Self {
            conductor: Conductor::new(setup, None),
            board: Board::new(options, faults, seed, Log::keeping()),
            now: 0.0,
            gcode: gcode.into(),
            written: Vec::new(),
            events: Vec::new(),
            records: Vec::new(),
            check: false,
            deaf: false,
            journal: Vec::new(),
            bauds: Vec::new(),
            switched_off_s: Vec::new(),
            journal_s: Vec::new(),
            disk_s: 0.0,
            on_disk: VecDeque::new(),
            program: None,
            lost: |_| false,
            swallows: |_| false,
            gone: false,
        };
        rig.conductor.opened(0);
        rig
    }

    /// A print on that firmware, with a profile that is made for it.
    pub(super) fn of(firmware: super::virtual_printer::Dialect, gcode: &str, seed: u64) -> Self {
        let mut machine = printer();
        let options = Options::of(firmware, machine.limits);
        let mut rig = Self::with(gcode, Faults::default(), seed, |o| *o = options);
        if let Some(dialect) = crate::gcode::Dialect::named(firmware.family()) {
            machine.dialect = dialect;
        }
        let setup = Setup {
            printer: machine,
            port: "rig".into(),
            is_virtual: true,
        };
        rig.conductor = Conductor::new(setup, None);
        rig.conductor.opened(0);
        rig
    }

    pub(super) fn ms(&self) -> u64 {
        (self.now * 1e3).floor() as u64
    }

    /// Connects and begins the print.
    pub(super) fn begin(&mut self) {
        let ready = self.until(120.0, |rig| {
            let ms = rig.ms();
            rig.conductor
                .print(ms, "K7-2043".into(), "part.gcode".into(), "ab".into())
                .is_ok()
        });
        assert!(ready, "never ready: {:?}", self.conductor.status(self.ms()));
    }

    /// Runs until the job is over.
    pub(super) fn finish(&mut self) -> JobStatus {
        let over = self.until(40_000.0, |rig| rig.job().is_some_and(|j| j.phase.is_over()));
        assert!(
            over,
            "never over: {:?} {:?}",
            self.conductor.status(self.ms()),
            self.conductor
        );
        self.job().unwrap()
    }

    pub(super) fn print(&mut self) -> JobStatus {
        self.begin();
        self.finish()
    }

    pub(super) fn job(&self) -> Option<JobStatus> {
        self.conductor.status(self.ms()).job
    }

    /// The link's process died: another one begins, with what the journal knows. What was in the wire's buffers is gone.
    pub(super) fn another_link(&mut self, last: Option<JobStatus>) {
        let setup = Setup {
            printer: printer(),
            port: "rig".into(),
            is_virtual: true,
        };
        self.conductor = Conductor::new(setup, last);
        self.on_disk.clear();
        let _ = self.heard();
        self.conductor.opened(self.ms());
    }

    /// One step of both; `false` after `limit_s` more virtual seconds.
    pub(super) fn until(&mut self, limit_s: f64, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + limit_s;
        while self.now < end {
            self.carry_out();
            if done(self) {
                self.carry_out();
                return true;
            }
            self.step();
        }
        false
    }

    pub(super) fn carry_out(&mut self) {
        loop {
            let actions = self.conductor.drain();
            if actions.is_empty() {
                return;
            }
            for action in actions {
                match action {
                    Action::Write(bytes) => {
                        let order = String::from_utf8_lossy(&bytes);
                        let swallowed = (self.swallows)(&order);
                        if !(self.gone || self.deaf) {
                            let sent: &[u8] = if swallowed { b"M400\n" } else { &bytes };
                            self.board.from_host(self.now, sent);
                        }
                        self.written.push((self.now, bytes));
                    }
                    Action::FlushOutput => {}
                    Action::SwitchOff => self.switched_off_s.push(self.now),
                    Action::Journal(record) => {
                        let ahead = record.goes_ahead();
                        self.journal.push(record);
                        self.journal_s.push(self.now);
                        if ahead && self.disk_s > 0.0 {
                            self.on_disk.push_back(self.now + self.disk_s);
                        } else if ahead {
                            self.conductor.kept(self.ms());
                        }
                    }
                    Action::SetBaud(baud) => self.bauds.push(baud),
                    Action::ResetBoard => {
                        self.board.reset("External Reset");
                        self.conductor.opened(self.ms());
                    }
                    Action::Load { .. } => {
                        let program = if let Some(program) = self.program.take() {
                            Ok(program)
                        } else if self.check {
                            Program::read(self.gcode.as_bytes(), &printer())
                        } else {
                            Program::prepare(&self.gcode, &printer())
                        };
                        self.conductor.loaded(self.ms(), program);
                    }
                    Action::Event(event) => self.events.push(event),
                }
            }
        }
    }

    fn step(&mut self) {
        let wake = self.conductor.wake_ms(self.ms()) as f64 / 1e3;
        let disk = self.on_disk.front().copied().unwrap_or(f64::INFINITY);
        let next = self.board.next_event().min(wake).min(disk);
        self.now = next.clamp(self.now + 2e-4, self.now + 1.0);
        while self.on_disk.front().is_some_and(|at| *at <= self.now) {
            self.on_disk.pop_front();
            self.conductor.kept(self.ms());
        }
        let bytes = self.heard();
        self.records.extend(self.board.records());
        match (self.board.gone_until().is_some(), self.gone) {
            (true, false) => {
                self.gone = true;
                self.conductor.lost(self.ms());
            }
            (false, true) => {
                self.gone = false;
                self.conductor.opened(self.ms());
            }
            _ => {}
        }
        if !bytes.is_empty() && !self.gone {
            self.conductor.bytes(self.ms(), &bytes);
        }
        self.conductor.tick(self.ms());
    }

    fn heard(&mut self) -> Vec<u8> {
        let bytes = self.board.to_host(self.now);
        let text = String::from_utf8_lossy(&bytes);
        if self.deaf {
            return Vec::new();
        }
        if !text.lines().any(|line| (self.lost)(line.trim())) {
            return bytes;
        }
        let kept = text
            .split_inclusive('\n')
            .filter(|line| !(self.lost)(line.trim()));
        kept.collect::<String>().into_bytes()
    }

    /// The printer says something of its own.
    pub(super) fn say(&mut self, text: &str) {
        self.conductor
            .bytes(self.ms(), format!("{text}\n").as_bytes());
        self.carry_out();
    }

    /// Name and text of the job's fault, or else of the link's.
    pub(super) fn fault(&self) -> (String, String) {
        let status = self.conductor.status(self.ms());
        let of_job = status.job.and_then(|j| j.fault);
        of_job
            .or(status.fault)
            .map_or_else(Default::default, |f| (f.name, f.text))
    }

    /// Ends of the executed moves as the plan counts them: 1e-4 mm, E as all filament since power-on.
    pub(super) fn executed(&mut self) -> Vec<[i64; 4]> {
        self.records.extend(self.board.records());
        let blocks = self.records.iter().filter_map(|record| match record {
            Record::Block { to, .. } => Some(to.map(|v| (v * 1e4).round() as i64)),
            _ => None,
        });
        blocks.collect()
    }

    /// Ends of the planned moves.
    pub(super) fn planned(&self) -> Vec<[i64; 4]> {
        moves(&self.gcode)
            .unwrap()
            .iter()
            .map(|m| m.rounded())
            .collect()
    }

    /// Lines written, one a frame.
    pub(super) fn lines(&self) -> Vec<String> {
        self.written
            .iter()
            .flat_map(|(_, bytes)| {
                String::from_utf8_lossy(bytes)
                    .lines()
                    .filter(|l| !l.is_empty())
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// Printed, and executed exactly what was planned.
    pub(super) fn assert_printed(&mut self) {
        let job = self.print();
        assert_eq!(job.phase, Phase::Printed, "{:?}", job.fault);
        assert_eq!(self.executed(), self.planned());
    }
}
