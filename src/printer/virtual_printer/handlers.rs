//! Handlers: what each command of the virtual printer does, and when it is done.

use super::dialect::Dialect as D;
use super::firmware::{Firmware, Queued};
use super::heat::Wait;
use super::record::Record;
use super::words::Words;

/// A handler that is at work; its `ok` comes when it is done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Running {
    /// Done at once.
    Now,
    /// Done at that virtual time.
    Until(f64),
    /// Waits for a place in the planner.
    Plan {
        number: Option<u64>,
        from: [i64; 4],
        to: [i64; 4],
        feed: f64,
    },
    /// M400, and what begins with an empty planner; then goes on with the second.
    Drain(Box<Running>),
    /// G28: `ends` is set when the planner is empty.
    Home { axes: [bool; 3], ends: Option<f64> },
    /// G29 and its kin, done at that virtual time.
    Probe(f64),
    /// An order to a heater, with its words, that waited for the moves before it.
    Order(u32, String),
    /// M109 or M190.
    Heat(Wait),
    /// M0, M600: a person.
    User,
}

impl Running {
    /// When it should be looked at again.
    pub(super) fn next(&self, now: f64) -> f64 {
        match self {
            Self::Now | Self::Order(..) => now,
            Self::Until(t) | Self::Probe(t) | Self::Home { ends: Some(t), .. } => *t,
            Self::Heat(wait) => wait.report.min(now + 0.5),
            Self::Plan { .. } | Self::Drain(_) | Self::Home { .. } | Self::User => f64::INFINITY,
        }
    }
}

impl Firmware {
    /// M108, M112 and M410 that began their line with `M`: acted on before they queue. Buddy compares
    /// the whole line.
    pub(super) fn at_once(&mut self, text: &str) {
        if self.options.dialect == D::Buddy && text.contains(' ') {
            return;
        }
        match Words::read(text).code() {
            Some(('M', 108)) => self.break_wait(),
            Some(('M', 112)) => self.kill("echo:M112 Shutdown"),
            Some(('M', 410)) => self.quick_stop(),
            _ => {}
        }
    }

    /// EMERGENCY_PARSER: looks at every byte as it arrives, numbered or not.
    pub(super) fn emergency(&mut self, byte: u8) {
        if !matches!(byte, b'\n' | b'\r') {
            if self.emergency_line.len() < 96 {
                self.emergency_line.push(byte);
            }
            return;
        }
        let bytes = std::mem::take(&mut self.emergency_line);
        if self.options.dialect == D::Repetier {
            return self.prefetched(&bytes);
        }
        let line = String::from_utf8_lossy(&bytes).into_owned();
        match self.options.dialect {
            // GCodeInput.cpp: a bare M112 at the start of a line, and nothing else.
            D::Duet => {
                let bare = line.trim_start().split(' ').next().unwrap_or_default();
                if bare.eq_ignore_ascii_case("M112") {
                    self.kill("emergency stop");
                }
            }
            // gcode.py: ^(?:[nN][0-9]+)?\s*[mM]112(?:\s|$)
            D::Klipper => {
                let upper = without_number(line.trim_start()).to_ascii_uppercase();
                if upper.split_ascii_whitespace().next() == Some("M112") {
                    self.kill("Shutdown due to M112 command");
                }
            }
            _ => {
                let rest = without_number(line.trim_start());
                self.at_once(rest.split('*').next().unwrap_or_default());
            }
        }
    }

    /// gcode.cpp, prefetchContent() and testEmergency().
    fn prefetched(&mut self, line: &[u8]) {
        let (said, m) = self.receiver.repetier_prefetch(line);
        if let Some(said) = said {
            self.say(said);
        }
        match m {
            Some(108) => self.break_wait(),
            Some(112) => self.kill("echo:M112 Shutdown"),
            _ => {}
        }
    }

    fn break_wait(&mut self) {
        if matches!(self.running, Some(Running::Heat(_) | Running::User)) {
            self.running = Some(Running::Now);
        }
    }

    fn quick_stop(&mut self) {
        self.planner.clear();
        self.running = self.running.take().map(|_| Running::Now);
    }

    /// Begins a command.
    pub(super) fn start(&mut self, line: &Queued) -> Running {
        let dialect = self.options.dialect;
        if line.text.is_empty() {
            return Running::Now;
        }
        let words = Words::read(&line.text);
        if self.refuses(&line.text, words.code()) {
            return Running::Now;
        }
        let Some(code) = words.code() else {
            return self.unknown(&line.text);
        };
        if !dialect_knows(dialect, code) {
            return self.unknown(&line.text);
        }
        if code.0 != 'M' || !matches!(code.1, 105 | 114 | 115) {
            self.active = self.clock;
        }
        match code {
            ('G', 0 | 1) => return self.straight(line, &words),
            ('G', 4) => {
                let s = words.get('S').unwrap_or(0.0) + words.get('P').unwrap_or(0.0) / 1000.0;
                return Running::Drain(Box::new(Running::Until(s.max(0.0))));
            }
            ('G', 28) => {
                let named = ['X', 'Y', 'Z'].map(|letter| words.has(letter));
                let axes = if named == [false; 3] {
                    [true; 3]
                } else {
                    named
                };
                return Running::Home { axes, ends: None };
            }
            _ if probes(dialect, code) => {
                return Running::Drain(Box::new(Running::Probe(PROBING_S)));
            }
            // Prusa-Firmware, M110: the number is set once more when the command is carried out.
            ('M', 110) if dialect.is_prusa() && words.has('N') => {
                self.receiver.last = words.get('N').unwrap_or(0.0) as i64;
            }
            ('G', 90) => self.set_axes_relative(false),
            ('G', 91) => self.set_axes_relative(true),
            ('G', 92) => {
                for (axis, letter) in ['X', 'Y', 'Z', 'E'].into_iter().enumerate() {
                    if let Some(value) = words.nm(letter) {
                        self.shift[axis] = self.at[axis] - value;
                    }
                }
            }
            // GCodes2.cpp: outside a file of its own it neither stops nor waits.
            ('M', 0 | 1) if dialect == D::Duet => {
                let word = format!("M{}", code.1);
                self.say(&format!(
                    "Error: {word}: Pause the print before attempting to cancel it"
                ));
            }
            ('M', 600) if dialect == D::Duet => {
                self.say("Error: M600: use M226 and M601 only within a file being printed");
            }
            ('M', 0 | 1 | 600) => return Running::Drain(Box::new(Running::User)),
            ('M', 82) => self.set_e_relative(false),
            ('M', 83) => self.set_e_relative(true),
            ('M', 85) => self.inactive_s = words.get('S').unwrap_or(self.inactive_s),
            // Commands.cpp: M109, M190 and M104 S0 wait until all moves have ended.
            ('M', number @ (104 | 109 | 190))
                if dialect == D::Repetier && (number != 104 || words.get('S') == Some(0.0)) =>
            {
                return Running::Drain(Box::new(Running::Order(number, line.text.clone())));
            }
            ('M', 104 | 109 | 140 | 190) => return self.heat_command(code.1, &words),
            ('M', 105) => self.report_temperatures(),
            ('M', 112) => self.kill("echo:M112 Shutdown"),
            ('M', 113) => self.keepalive_s = words.get('S').unwrap_or(self.keepalive_s),
            ('M', 114) => {
                let line = self.position_line();
                self.say(&line);
            }
            ('M', 115) => self.introduce(),
            ('M', 118) => {
                let text = line.text.get(4..).unwrap_or_default().trim().to_owned();
                self.say(&text);
            }
            ('M', 73) if matches!(dialect, D::Prusa311 | D::Prusa314) => self.tell_progress(&words),
            ('M', 155) => self.auto_report(words.get('S').unwrap_or(0.0)),
            ('M', 220) => {
                self.feed_factor = words.get('S').map_or(self.feed_factor, |p| p / 100.0);
            }
            ('M', 221) => {
                self.flow_factor = words.get('S').map_or(self.flow_factor, |p| p / 100.0);
            }
            ('M', 106) if words.get('P').is_none_or(|p| p == 0.0) => {
                self.fan = words.get('S').unwrap_or(255.0);
            }
            ('M', 107) if words.get('P').is_none_or(|p| p == 0.0) => self.fan = 0.0,
            // gcode/motion/M290.cpp, feature/babystep.cpp: the motors step, and what is counted stays. Not before homing.
            ('M', 290) if self.options.babystepping => {
                if let Some(mm) = words.get('Z').or(words.get('S')).filter(|_| self.homed[2]) {
                    self.raised_nm += (mm.clamp(-2.0, 2.0) * 1e6).round() as i64;
                }
            }
            ('M', 400) => return Running::Drain(Box::new(Running::Now)),
            ('M', 999) => self.restart(),
            // Commands.cpp: with S it sets the motors' time, else it waits for the moves; kill() says how warm it is.
            ('M', 84) if dialect == D::Repetier => {
                if !words.has('S') {
                    self.homed = [false; 3];
                    let report = self.temperatures();
                    self.say(&report);
                    return Running::Drain(Box::new(Running::Now));
                }
            }
            // The motors are off: Klipper and RepRapFirmware forget where they are.
            ('M', 18 | 84) => self.homed = [false; 3],
            ('G', 21)
            | ('M', 17 | 73 | 106 | 107 | 108 | 110 | 117 | 201..=205 | 211 | 410 | 413 | 900)
            | ('M', 142 | 300 | 420 | 555 | 561 | 572)
            | ('G', 10) => {}
            ('T', 0) => self.tool = true,
            _ => return self.unknown(&line.text),
        }
        Running::Now
    }

    /// Looks whether the running handler is done, and does what it does in the end.
    pub(super) fn is_done(&mut self) -> bool {
        let Some(running) = self.running.take() else {
            return false;
        };
        let (left, done) = match running {
            Running::Now | Running::Order(..) => return self.keep(Running::Now, true),
            Running::Until(t) => (Running::Until(t), self.clock >= t),
            Running::Plan {
                number,
                from,
                to,
                feed,
            } => {
                let room = self.planner.has_room();
                if room {
                    self.planner.push(self.clock, number, from, to, feed);
                }
                (
                    Running::Plan {
                        number,
                        from,
                        to,
                        feed,
                    },
                    room,
                )
            }
            Running::Drain(then) if self.planner.is_empty() => {
                let then = match *then {
                    Running::Until(seconds) => Running::Until(self.clock + seconds),
                    Running::Probe(seconds) => Running::Probe(self.clock + seconds),
                    Running::Order(number, text) => self.heat_command(number, &Words::read(&text)),
                    other => other,
                };
                self.running = Some(then);
                return self.is_done();
            }
            Running::Drain(then) => (Running::Drain(then), false),
            Running::Home { axes, ends: None } if self.planner.is_empty() => {
                let ends = Some(self.clock + self.homing_s(axes));
                (Running::Home { axes, ends }, false)
            }
            Running::Home { axes, ends } => {
                let done = ends.is_some_and(|t| self.clock >= t);
                if done {
                    self.homed(axes);
                }
                (Running::Home { axes, ends }, done)
            }
            Running::Probe(t) => {
                let done = self.clock >= t;
                if done {
                    self.probed();
                }
                (Running::Probe(t), done)
            }
            Running::Heat(wait) => return self.heating(wait),
            Running::User => (Running::User, false),
        };
        self.keep(left, done)
    }

    pub(super) fn keep(&mut self, running: Running, done: bool) -> bool {
        self.running = Some(running);
        done
    }

    fn straight(&mut self, line: &Queued, words: &Words) -> Running {
        let mut to = self.at;
        for (axis, letter) in ['X', 'Y', 'Z', 'E'].into_iter().enumerate() {
            if let Some(value) = words.nm(letter) {
                to[axis] = value
                    + if self.relative[axis] {
                        self.at[axis]
                    } else {
                        self.shift[axis]
                    };
            }
        }
        if self.options.dialect == D::Klipper && self.klipper_refuses(&line.text, words, to) {
            return Running::Now;
        }
        if let Some(feed) = words.get('F').filter(|f| *f > 0.0) {
            self.feed_mm_s = feed / 60.0;
        }
        if self.options.dialect == D::Duet && !self.duet_allows(&line.text, to) {
            return Running::Now;
        }
        if to[3] != self.at[3] && self.hotend.now_c < self.options.limits.extrude_min_c {
            for line in self.cold_lines() {
                self.say(line);
            }
            if self.options.dialect == D::Klipper {
                return Running::Now;
            }
            // The file's E goes on, the filament does not.
            self.shift[3] -= to[3] - self.at[3];
            to[3] = self.at[3];
        }
        if self.options.dialect == D::Repetier && self.relative[3] && words.has('E') {
            // Printer.cpp, setDestinationStepsFromGCode(): a relative E is counted from 0 for every move, and 0 it is
            // afterwards.
            self.shift[3] = to[3];
        }
        let from = std::mem::replace(&mut self.at, to);
        Running::Plan {
            number: line.number,
            from,
            to,
            feed: self.feed_mm_s * self.feed_factor,
        }
    }

    /// toolhead.py, kinematics/cartesian.py: an error moves nothing, and the line gets its `ok` all the same.
    fn klipper_refuses(&mut self, text: &str, words: &Words, to: [i64; 4]) -> bool {
        let unread = ['X', 'Y', 'Z', 'E', 'F']
            .iter()
            .any(|&l| words.has(l) && words.get(l).is_none());
        let moved = (0..3).filter(|&a| to[a] != self.at[a]);
        let mm = to.map(|v| v as f64 * 1e-6);
        let at = format!("{:.3} {:.3} {:.3} [{:.3}]", mm[0], mm[1], mm[2], mm[3]);
        if unread {
            self.say(&format!("!! Unable to parse move '{text}'"));
        } else if moved.clone().any(|a| !self.homed[a]) {
            self.say(&format!("!! Must home axis first: {at}"));
        } else if moved.clone().any(|a| !(-50.0..=500.0).contains(&mm[a])) {
            self.say(&format!("!! Move out of range: {at}"));
        } else {
            return false;
        }
        true
    }

    /// GCodes.cpp: no move of an axis that was not homed, no filament without a tool.
    fn duet_allows(&mut self, text: &str, to: [i64; 4]) -> bool {
        let code = text.split(' ').next().unwrap_or_default().to_owned();
        if (0..3).any(|a| to[a] != self.at[a] && !self.homed[a]) {
            self.say(&format!("Error: {code}: insufficient axes homed"));
            return false;
        }
        if to[3] != self.at[3] && !self.tool {
            self.say("Error: Attempting to extrude with no tool selected.");
            return false;
        }
        true
    }

    fn set_axes_relative(&mut self, on: bool) {
        (self.mode.axes, self.mode.last) = (on, on);
        self.set_modes();
    }

    fn set_e_relative(&mut self, on: bool) {
        (self.mode.own, self.mode.last) = (on, on);
        self.set_modes();
    }

    fn set_modes(&mut self) {
        let mode = self.mode;
        let e = self
            .options
            .dialect
            .relative_e(mode.axes, mode.own, mode.last);
        self.relative = [mode.axes, mode.axes, mode.axes, e];
    }

    /// Marlin_main.cpp, M73: both modes are told, the other one as it was when the board was switched on.
    fn tell_progress(&mut self, words: &Words) {
        let value = |letter| words.get(letter).unwrap_or(0.0);
        for (mode, percent, minutes) in
            [("NORMAL", value('P'), value('R')), ("SILENT", 255.0, -1.0)]
        {
            self.say(&format!(
                "{mode} MODE: Percent done: {percent:.0}; print time remaining in mins: {minutes:.0}"
            ));
        }
    }

    fn report_temperatures(&mut self) {
        self.asked_temperatures = true;
        let report = self.temperatures();
        if self.options.dialect == D::Repetier {
            // The ok went out when the line was read.
            self.say(&report);
        } else {
            self.ok_tail = format!(" {report}");
        }
    }

    /// Travel at 50 mm/s in X and Y and 4 mm/s in Z, and a slow second touch.
    fn homing_s(&self, axes: [bool; 3]) -> f64 {
        [50.0, 50.0, 4.0]
            .iter()
            .enumerate()
            .filter(|(axis, _)| axes[*axis])
            .map(|(axis, speed)| (self.at[axis] as f64 * 1e-6).abs() / speed + 2.0)
            .sum()
    }

    fn homed(&mut self, axes: [bool; 3]) {
        for axis in (0..3).filter(|&a| axes[a]) {
            (self.at[axis], self.shift[axis]) = (0, 0);
            self.homed[axis] = true;
        }
        if axes[2] {
            self.raised_nm = 0;
        }
        let t = self.clock;
        self.log.push(|| Record::Home { t, axes });
    }

    /// The head stands over the last point that was probed; homed, and not where the file left it.
    fn probed(&mut self) {
        self.homed([true; 3]);
        for (axis, mm) in PROBED_MM.into_iter().enumerate() {
            self.at[axis] = mm * 1_000_000;
        }
    }

    fn unknown(&mut self, text: &str) -> Running {
        let line = self.unknown_line(text);
        self.say(&line);
        Running::Now
    }
}

/// Nine points, and where the last of them lies, mm.
const PROBING_S: f64 = 25.0;
const PROBED_MM: [i64; 3] = [180, 175, 5];

/// Does this firmware probe the bed by itself at that command? Klipper, where the printer's owner wrote such a macro.
fn probes(dialect: D, code: (char, u32)) -> bool {
    let numbers: &[u32] = match dialect {
        D::Marlin21 | D::Marlin20 => &[29, 34],
        D::Buddy => &[29],
        D::Prusa311 | D::Prusa314 => &[80],
        D::Klipper | D::Duet | D::Repetier => &[29, 32],
    };
    code.0 == 'G' && numbers.contains(&code.1)
}

/// Commands of Marlin that others do not know.
fn dialect_knows(dialect: D, code: (char, u32)) -> bool {
    let missing: &[u32] = match dialect {
        D::Marlin21 | D::Marlin20 | D::Buddy => &[],
        D::Prusa311 | D::Prusa314 => &[108, 211, 410, 413],
        D::Klipper => &[
            0, 1, 17, 73, 85, 108, 113, 155, 201, 203, 205, 211, 410, 413, 600, 900, 999,
        ],
        D::Duet => &[85, 113, 155, 205, 211, 410, 413, 900],
        // Commands.cpp, processMCode().
        D::Repetier => &[0, 1, 113, 211, 410, 413, 600, 900],
    };
    code.0 != 'M' || !missing.contains(&code.1)
}

/// `N12 M112` as `M112`.
fn without_number(line: &str) -> &str {
    line.strip_prefix(['N', 'n']).map_or(line, |numbered| {
        numbered
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .trim_start()
    })
}
