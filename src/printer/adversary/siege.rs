//! Siege: the link's pure machine and a board on one clock, and the judgement of what came of it.

use super::super::conductor::{Action, Conductor, Setup};
use super::super::program::Program;
use super::super::virtual_printer::{Board, Dialect, Faults, Fired, Log, Options, Record};
use super::super::wire::{Event, Phase};
use super::Outcome;
use super::hand::Hand;
use super::passed::PassedLines;
use crate::gcode::{Printer, moves};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A print may take so long, virtual s: two heat-ups at their ceilings, a hold at its own, and room.
const ENDLESS_S: f64 = 4.0 * 3600.0;
/// And so long for each of its lines: a planner that is 20 times as slow as planned, and room.
const LINE_S: f64 = 5.0;
/// So long the link may try to connect before the day counts as one without a print.
const CONNECT_S: f64 = 1200.0;
/// So long after a stop the heaters may still be on.
const COOL_S: f64 = 600.0;
/// A person comes so long after a print was held, s: later than any heater may be on in a hold.
const PERSON_S: f64 = 4_500.0;
/// The link is asked to begin so often.
const ASK_S: f64 = 0.25;

/// What a print is made on.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) seed: u64,
    pub(super) dialect: Dialect,
    /// Lines of the print.
    pub(super) lines: u64,
    pub(super) faults: Faults,
    /// The board's clock runs so many times as fast as the link's. All limits here are the link's.
    pub(super) times: f64,
}

/// Link and board on one clock.
pub(super) struct Siege {
    conductor: Conductor,
    board: Board,
    printer: Printer,
    gcode: String,
    /// The board's clock, virtual s.
    now: f64,
    gone: bool,
    /// The link speaks at the board's rate; at another nothing is understood either way.
    heard: bool,
    /// A board that restarts when its port is opened.
    resets: bool,
    sent: BTreeMap<u64, Vec<String>>,
    executed: Vec<[i64; 4]>,
    /// By which line each of them was ordered.
    ordered_by: Vec<Option<u64>>,
    /// The print was ordered.
    begun: bool,
    /// As the link told last.
    phase: Phase,
    fault: String,
    /// Damaged lines that the firmware took for good.
    passed: PassedLines,
    /// Somebody tunes the print, on some days.
    hand: Option<Hand>,
    /// What happens is printed.
    pub(super) told: bool,
    /// See [`Ground`].
    times: f64,
    endless_s: f64,
}

/// The profile of a printer with that firmware.
fn profile(dialect: Dialect) -> Printer {
    static VIRTUAL: std::sync::LazyLock<Printer> =
        std::sync::LazyLock::new(|| Printer::load("virtual").unwrap());
    let mut printer = VIRTUAL.clone();
    printer.dialect = crate::gcode::Dialect::named(dialect.family()).unwrap();
    let facts = printer.dialect.facts();
    printer.link.window = printer.link.window.min(facts.window_max);
    printer.link.line_max_bytes = printer.link.line_max_bytes.min(facts.line_max_bytes);
    printer
}

/// A short print: heat, home, walls with relative E, retractions, layers.
fn piece(seed: u64, lines: u64) -> String {
    let mut text = String::from(
        "M140 S40\nM104 S150\nG28\nM190 S40\nM109 S180\nT0\nG90\nM83\nG92 E0\nG1 Z0.3 F600\nG1 X20 Y20 F6000\n",
    );
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut random = move |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % n
    };
    let (mut x, mut y, mut z) = (50.0_f64, 50.0_f64, 0.3_f64);
    let mut written = 11;
    while written + 8 < lines {
        match random(12) {
            0 => {
                z += 0.2;
                let _ = writeln!(text, "G1 Z{z:.2} F600");
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
                x = (x + random(8001) as f64 * 1e-3 - 4.0).clamp(20.0, 200.0);
                y = (y + random(8001) as f64 * 1e-3 - 4.0).clamp(20.0, 180.0);
                let e = 0.05 + random(300) as f64 * 1e-4;
                let _ = writeln!(text, "G1 X{x:.3} Y{y:.3} E{e:.5} F3600");
                written += 1;
            }
        }
    }
    text.push_str("M107\nM104 S0\nM140 S0\nG1 X10 Y200 F6000\nM84\n");
    text
}

impl Siege {
    pub(super) fn new(ground: Ground) -> Self {
        let Ground {
            seed,
            dialect,
            lines,
            faults,
            times,
        } = ground;
        let printer = profile(dialect);
        let mut options = Options::of(dialect, printer.limits);
        // Not all builds send an ok behind a Resend, and some announce an emergency parser.
        options.resend_ok = !seed.is_multiple_of(5);
        options.emergency_parser |= seed.is_multiple_of(7) && dialect == Dialect::Marlin21;
        options.advanced_ok = seed.is_multiple_of(11) && dialect == Dialect::Marlin21;
        let setup = Setup {
            printer: printer.clone(),
            port: "adversary".into(),
            is_virtual: true,
        };
        let mut siege = Self {
            conductor: Conductor::new(setup, None),
            board: Board::new(options, faults, seed, Log::keeping()),
            printer,
            gcode: piece(seed, lines),
            now: 0.0,
            gone: false,
            heard: true,
            resets: dialect.family() == "prusa" || seed.is_multiple_of(3),
            sent: BTreeMap::new(),
            executed: Vec::new(),
            ordered_by: Vec::new(),
            begun: false,
            phase: Phase::Checking,
            fault: String::new(),
            passed: PassedLines::default(),
            hand: Hand::of(seed),
            told: false,
            times,
            endless_s: (ENDLESS_S + LINE_S * lines as f64) * times,
        };
        siege.conductor.opened(0);
        siege
    }

    fn tell(&self, who: &str, what: &str) {
        if self.told {
            println!("{:10.3} {who} {what}", self.now);
        }
    }

    /// The link's clock.
    fn ms(&self) -> u64 {
        (self.now / self.times * 1e3).floor() as u64
    }

    /// Is what must never be explained by a damaged line that had passed the firmware's check?
    pub(super) fn explains(&self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Wrong(_) => self.passed.explain_the_wrong_move(),
            Outcome::Hot(_) => (self.passed).explain_the_heat(self.board.firmware().targets_c()),
            _ => false,
        }
    }

    /// How often each kind of fault came, and how long it took, virtual s.
    pub(super) fn over(self) -> (Fired, f64) {
        (self.board.fired().clone(), self.now)
    }

    fn is_over(&self) -> bool {
        self.phase.is_over()
    }

    pub(super) fn judge(&mut self) -> Outcome {
        let mut refusal = String::new();
        let mut asked_s = 0.0;
        let began = self.until(CONNECT_S * self.times, |s| {
            if s.now < asked_s {
                return false;
            }
            asked_s = s.now + ASK_S * s.times;
            let ms = s.ms();
            let asked = s
                .conductor
                .print(ms, "K7-2043".into(), "part.gcode".into(), "ab".into());
            refusal = asked
                .as_ref()
                .err()
                .map_or(String::new(), |r| r.code.clone());
            asked.is_ok() || refusal == "wrong_firmware"
        });
        if !began {
            return Outcome::NoPrint;
        }
        self.records();
        self.begun = true;
        if !refusal.is_empty() {
            return Outcome::Refused(refusal);
        }
        let mut held = None;
        let mut hot: Option<String> = None;
        let over = self.until(self.endless_s, |s| {
            if let Some(tune) = s.hand.as_mut().and_then(|hand| hand.asks(s.now / s.times)) {
                // Taken or refused: the print is the file's all the same.
                let _ = s.conductor.tune(s.ms(), tune);
            }
            if s.phase != Phase::Paused {
                held = None;
            } else if s.now >= *held.get_or_insert(s.now) + PERSON_S * s.times {
                hot = hot.take().or_else(|| s.hot_in_hold());
                // Somebody looks at it, and gives it up.
                let _ = s.conductor.cancel(s.ms());
            }
            s.is_over()
        });
        if let Some(hot) = hot {
            return Outcome::Hot(hot);
        }
        let (phase, fault) = (self.phase, self.fault.clone());
        if !over {
            return Outcome::Endless(format!("{phase:?} {fault}"));
        }
        if phase == Phase::Printed {
            let printed = self.printed();
            return if printed.is_bad() || self.cools() {
                printed
            } else {
                Outcome::Hot(format!("printed {:?}", self.board.firmware().targets_c()))
            };
        }
        if self.cools() {
            return Outcome::Stopped(fault);
        }
        Outcome::Hot(format!("{fault} {:?}", self.board.firmware().targets_c()))
    }

    /// A hold bounds its heat, also when nobody comes.
    fn hot_in_hold(&self) -> Option<String> {
        let firmware = self.board.firmware();
        let off = firmware.targets_c() == [0.0, 0.0] || !firmware.hears();
        (!off).then(|| format!("held {:?}", firmware.targets_c()))
    }

    /// Called printed: was it?
    fn printed(&mut self) -> Outcome {
        self.records();
        let planned: Vec<[i64; 4]> = moves(&self.gcode)
            .unwrap()
            .iter()
            .map(|m| m.rounded())
            .collect();
        if self.executed == planned {
            let [speed, flow, _] = self.board.firmware().tuned();
            // A line that passed the firmware's check may have said anything.
            if [speed, flow] != [1.0, 1.0] && self.passed.is_empty() {
                return Outcome::Wrong(format!("left tuned: speed {speed}, flow {flow}"));
            }
            return Outcome::Printed;
        }
        if self.executed.len() < planned.len() {
            self.until(COOL_S * self.times, |s| s.board.is_at_rest());
            self.records();
            if self.executed == planned {
                return Outcome::Early;
            }
        }
        let at = (self.executed.iter().zip(&planned))
            .take_while(|(a, b)| a == b)
            .count();
        let by = |at: usize| self.ordered_by.get(at).copied().flatten();
        self.passed.first_wrong((0..at).rev().find_map(by)..=by(at));
        let (made, wanted) = (self.executed.get(at), planned.get(at));
        Outcome::Wrong(format!(
            "{} moves of {}; the first that differs is {at}: {made:?}, planned {wanted:?}",
            self.executed.len(),
            planned.len()
        ))
    }

    /// Do the heaters go off, where the firmware hears? A firmware that waits for heat or a person carries nothing out
    /// before that wait is over; the time counts from then.
    fn cools(&mut self) -> bool {
        let mut free_since = self.now;
        let mut cooled = true;
        self.until(self.endless_s, |s| {
            let firmware = s.board.firmware();
            if firmware.targets_c() == [0.0, 0.0] || !firmware.hears() {
                return true;
            }
            if firmware.is_blocked() {
                free_since = s.now;
            }
            cooled = s.now < free_since + COOL_S * s.times;
            !cooled
        }) && cooled
    }

    fn until(&mut self, limit_s: f64, mut done: impl FnMut(&mut Self) -> bool) -> bool {
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

    fn carry_out(&mut self) {
        loop {
            let actions = self.conductor.drain();
            if actions.is_empty() {
                return;
            }
            for action in actions {
                match action {
                    Action::Write(bytes) => self.write(&bytes),
                    Action::SetBaud(baud) => self.heard = baud == self.printer.link.baud,
                    Action::ResetBoard => {
                        if self.resets {
                            self.board.reset("External Reset");
                        }
                        self.conductor.opened(self.ms());
                    }
                    Action::Load { .. } => {
                        let program = Program::prepare(&self.gcode, &self.printer);
                        self.conductor.loaded(self.ms(), program);
                    }
                    Action::Event(Event::Status(status)) => {
                        let fault = status.fault.map_or(String::new(), |f| f.text);
                        let job = status.job.as_ref().map(|j| j.phase);
                        self.tell("state", &format!("{:?} {job:?} {fault}", status.state));
                        if let Some(job) = status.job {
                            self.phase = job.phase;
                            self.fault = job.fault.map_or(String::new(), |f| f.name);
                        }
                    }
                    Action::Journal(record) if record.goes_ahead() => {
                        self.conductor.kept(self.ms());
                    }
                    _ => {}
                }
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.tell(">", String::from_utf8_lossy(bytes).trim_end());
        for line in String::from_utf8_lossy(bytes).lines() {
            if let Some((number, text)) = numbered(line) {
                self.sent.entry(number).or_default().push(text);
            }
        }
        if !self.gone && self.heard {
            self.board.from_host(self.now, bytes);
        }
    }

    fn step(&mut self) {
        let wake = self.conductor.wake_ms(self.ms()) as f64 / 1e3 * self.times;
        let next = self.board.next_event().min(wake);
        let (least, most) = (5e-4 * self.times, self.times);
        self.now = next.clamp(self.now + least, self.now + most);
        let bytes = self.board.to_host(self.now);
        self.tell_lines("<", &bytes);
        self.records();
        match (self.board.gone_until().is_some(), self.gone) {
            (true, false) => {
                self.gone = true;
                self.conductor.lost(self.ms());
            }
            (false, true) => {
                self.gone = false;
                if self.resets {
                    self.board.reset("External Reset");
                }
                self.conductor.opened(self.ms());
            }
            _ => {}
        }
        if !bytes.is_empty() && !self.gone && self.heard {
            self.conductor.bytes(self.ms(), &bytes);
        }
        // As the link does in each of its rounds.
        self.conductor.tick(self.ms());
    }

    fn tell_lines(&self, who: &str, bytes: &[u8]) {
        for line in String::from_utf8_lossy(bytes).lines() {
            self.tell(who, line);
        }
    }

    /// What was executed, and what of it had been damaged.
    fn records(&mut self) {
        for record in self.board.records() {
            if let Record::Line { .. } | Record::Note { .. } | Record::Block { .. } = &record {
                self.tell("board", &format!("{record:?}"));
            }
            match record {
                Record::Block { to, number, .. } => {
                    self.executed.push(to.map(|v| (v * 1e4).round() as i64));
                    self.ordered_by.push(number);
                }
                Record::Line {
                    number: Some(number),
                    text,
                    ..
                } => {
                    // Klipper keeps the sum behind the command.
                    let came = match self.printer.dialect {
                        crate::gcode::Dialect::Klipper => {
                            text.split('*').next().unwrap_or_default()
                        }
                        _ => &text,
                    };
                    let sent = self.sent.get(&number).map_or(&[][..], Vec::as_slice);
                    let whole = sent.iter().any(|s| s == came.trim());
                    (self.passed).taken(number, came.trim(), sent, whole);
                    if !whole {
                        self.tell("PASSED", &text);
                    }
                }
                // A question who is there, of which the wire made an order: it has no number and no checksum that is asked for.
                Record::Line { text, .. } if !self.begun => self.passed.moved_early(&text),
                _ => {}
            }
        }
    }
}

/// `N12 G1 X1*40` and `N0 G1 X1 N12*40` as 12 and `G1 X1`.
fn numbered(line: &str) -> Option<(u64, String)> {
    let rest = line.strip_prefix('N')?;
    let (first, text) = rest.split_once(' ')?;
    let text = text.rsplit_once('*').map_or(text, |(text, _)| text);
    // `N0 M110 N0` is the greeting.
    let last = text
        .rsplit_once(" N")
        .filter(|(_, last)| first == "0" && last.trim() != "0");
    let (number, text) = match last {
        Some((text, last)) => (last.trim().parse().ok(), text),
        None => (first.parse().ok(), text),
    };
    Some((number?, text.trim().to_owned()))
}
