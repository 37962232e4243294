//! Handlers: what each command of the virtual printer does, and when it is done.

use super::firmware::{Firmware, Life, Queued};
use super::record::Record;

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
    /// M109 or M190.
    Heat {
        bed: bool,
        since: Option<f64>,
        report: f64,
        cooling_too: bool,
    },
    /// M0, M600: a person.
    User,
}

impl Running {
    /// When it should be looked at again.
    pub(super) fn next(&self, now: f64) -> f64 {
        match self {
            Self::Now => now,
            Self::Until(t) | Self::Home { ends: Some(t), .. } => *t,
            Self::Heat { report, .. } => report.min(now + 0.5),
            Self::Plan { .. } | Self::Drain(_) | Self::Home { .. } | Self::User => f64::INFINITY,
        }
    }
}

/// Residency of M109: within 1 K for 10 s (TEMP_RESIDENCY_TIME, TEMP_WINDOW).
const RESIDENCY_S: f64 = 10.0;
const WINDOW_C: f64 = 1.0;

/// The words of a command: letter and number, as loosely as Marlin reads them.
struct Words(Vec<(char, Option<f64>)>);

impl Words {
    fn read(text: &str) -> Self {
        let mut found = Vec::new();
        // The first character decides: `1 M105`, `^1198 G1 X1` are unknown commands (4.4).
        if !text.starts_with(['G', 'M', 'T']) {
            return Self(found);
        }
        let mut chars = text.chars().peekable();
        while let Some(letter) = chars.next() {
            if !letter.is_ascii_alphabetic() {
                continue;
            }
            let mut number = String::new();
            while let Some(&c) = chars.peek() {
                let sign = c == '-' && number.is_empty();
                if !(sign || c.is_ascii_digit() || c == '.') {
                    break;
                }
                number.push(c);
                chars.next();
            }
            found.push((letter.to_ascii_uppercase(), number.parse().ok()));
        }
        Self(found)
    }
    fn has(&self, letter: char) -> bool {
        self.0.iter().skip(1).any(|(l, _)| *l == letter)
    }
    fn get(&self, letter: char) -> Option<f64> {
        self.0.iter().skip(1).find(|(l, _)| *l == letter)?.1
    }
    fn nm(&self, letter: char) -> Option<i64> {
        self.get(letter).map(|v| (v * 1e6).round() as i64)
    }
    /// `G1` as ('G', 1).
    fn code(&self) -> Option<(char, u32)> {
        let (letter, number) = *self.0.first()?;
        let number = number.filter(|n| n.fract() == 0.0 && (0.0..1e6).contains(n))?;
        Some((letter, number as u32))
    }
}

impl Firmware {
    /// M108, M112 and M410 that began their line with `M`: acted on before they queue (4.2 point 11).
    pub(super) fn at_once(&mut self, text: &str) {
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
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.emergency_line)).into_owned();
        let mut rest = line.trim_start();
        if let Some(numbered) = rest.strip_prefix('N') {
            rest = numbered
                .trim_start_matches(|c: char| c.is_ascii_digit())
                .trim_start();
        }
        self.at_once(rest.split('*').next().unwrap_or_default());
    }

    fn break_wait(&mut self) {
        if matches!(self.running, Some(Running::Heat { .. } | Running::User)) {
            self.running = Some(Running::Now);
        }
    }

    fn quick_stop(&mut self) {
        self.planner.clear();
        self.running = self.running.take().map(|_| Running::Now);
    }

    /// Begins a command.
    pub(super) fn start(&mut self, line: &Queued) -> Running {
        let words = Words::read(&line.text);
        let Some(code) = words.code() else {
            return self.unknown(&line.text);
        };
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
            ('G', 90) => self.relative = [false; 4],
            ('G', 91) => self.relative = [true; 4],
            ('G', 92) => {
                for (axis, letter) in ['X', 'Y', 'Z', 'E'].into_iter().enumerate() {
                    if let Some(value) = words.nm(letter) {
                        self.shift[axis] = self.at[axis] - value;
                    }
                }
            }
            ('M', 0 | 1 | 600) => return Running::Drain(Box::new(Running::User)),
            ('M', 82) => self.relative[3] = false,
            ('M', 83) => self.relative[3] = true,
            ('M', 85) => self.inactive_s = words.get('S').unwrap_or(self.inactive_s),
            ('M', 104 | 109) => {
                if let Some(target) = words.get('S').or(words.get('R')) {
                    self.hotend
                        .set(target.min(self.options.limits.hotend_max_c));
                }
                if code.1 == 109 && self.hotend.target_c > 0.0 {
                    return self.heat(false, words.has('R'));
                }
            }
            ('M', 140 | 190) => {
                if let Some(target) = words.get('S').or(words.get('R')) {
                    self.bed.set(target.min(self.options.limits.bed_max_c));
                }
                if code.1 == 190 && self.bed.target_c > 0.0 {
                    return self.heat(true, words.has('R'));
                }
            }
            ('M', 105) => self.ok_tail = format!(" {}", self.temperatures()),
            ('M', 112) => self.kill("echo:M112 Shutdown"),
            ('M', 113) => self.keepalive_s = words.get('S').unwrap_or(self.keepalive_s),
            ('M', 114) => self.report_position(),
            ('M', 115) => self.introduce(),
            ('M', 118) => {
                let text = line.text.get(4..).unwrap_or_default().trim().to_owned();
                self.say(&text);
            }
            ('M', 155) => self.auto_report(words.get('S').unwrap_or(0.0)),
            ('M', 220) => {
                self.feed_factor = words.get('S').map_or(self.feed_factor, |p| p / 100.0);
            }
            ('M', 400) => return Running::Drain(Box::new(Running::Now)),
            ('M', 999) => self.life = Life::Running,
            ('G', 21)
            | (
                'M',
                17 | 18 | 84 | 106 | 107 | 108 | 110 | 117 | 201..=205 | 211 | 221 | 410 | 413,
            )
            | ('T', 0) => {}
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
            Running::Now => return self.keep(Running::Now, true),
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
            Running::Heat {
                bed,
                since,
                report,
                cooling_too,
            } => {
                return self.heating(bed, since, report, cooling_too);
            }
            Running::User => (Running::User, false),
        };
        self.keep(left, done)
    }

    fn keep(&mut self, running: Running, done: bool) -> bool {
        self.running = Some(running);
        done
    }

    fn straight(&mut self, line: &Queued, words: &Words) -> Running {
        if self.life == Life::Stopped {
            self.say("Error:Printer stopped due to errors. Fix the error and use M999 to restart. (Temperature is reset. Set it after restarting)");
            return Running::Now;
        }
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
        if let Some(feed) = words.get('F').filter(|f| *f > 0.0) {
            self.feed_mm_s = feed / 60.0;
        }
        if to[3] != self.at[3] && self.hotend.now_c < self.options.limits.extrude_min_c {
            self.say("echo: cold extrusion prevented");
            // The file's E goes on, the filament does not.
            self.shift[3] -= to[3] - self.at[3];
            to[3] = self.at[3];
        }
        let from = std::mem::replace(&mut self.at, to);
        Running::Plan {
            number: line.number,
            from,
            to,
            feed: self.feed_mm_s * self.feed_factor,
        }
    }

    fn heat(&self, bed: bool, cooling_too: bool) -> Running {
        Running::Heat {
            bed,
            since: None,
            report: self.clock + 1.0,
            cooling_too,
        }
    }

    fn heating(&mut self, bed: bool, since: Option<f64>, report: f64, cooling_too: bool) -> bool {
        self.active = self.clock;
        let heater = if bed { &self.bed } else { &self.hotend };
        let below = heater.now_c < heater.target_c - WINDOW_C;
        let above = cooling_too && heater.now_c > heater.target_c + WINDOW_C;
        let since = if below || above {
            None
        } else {
            since.or(Some(self.clock))
        };
        let done = since.is_some_and(|t| self.clock >= t + RESIDENCY_S);
        let mut report = report;
        if self.clock >= report {
            report = self.clock + 1.0;
            let left = since.map_or("?".to_owned(), |t| {
                format!("{:.0}", (t + RESIDENCY_S - self.clock).max(0.0))
            });
            let text = format!(" {} W:{left}", self.temperatures());
            self.say(&text);
        }
        self.keep(
            Running::Heat {
                bed,
                since,
                report,
                cooling_too,
            },
            done,
        )
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
        }
        let t = self.clock;
        self.log.push(|| Record::Home { t, axes });
    }

    fn report_position(&mut self) {
        let mm = |axis: usize| (self.at[axis] - self.shift[axis]) as f64 * 1e-6;
        let steps = [80.0, 80.0, 400.0];
        let count = |axis: usize| (self.at[axis] as f64 * 1e-6 * steps[axis]).round();
        let text = format!(
            "X:{:.2} Y:{:.2} Z:{:.2} E:{:.2} Count X:{} Y:{} Z:{}",
            mm(0),
            mm(1),
            mm(2),
            mm(3),
            count(0),
            count(1),
            count(2)
        );
        self.say(&text);
    }

    fn introduce(&mut self) {
        let parser = u8::from(self.options.emergency_parser);
        self.say("FIRMWARE_NAME:Marlin 2.1.2.1 (calvaria virtual printer) SOURCE_CODE_URL:github.com/MarlinFirmware/Marlin PROTOCOL_VERSION:1.0 MACHINE_TYPE:virtual EXTRUDER_COUNT:1");
        for (name, value) in [
            ("SERIAL_XON_XOFF", 0),
            ("AUTOREPORT_TEMP", 1),
            ("EMERGENCY_PARSER", parser),
            ("HOST_ACTION_COMMANDS", 0),
            ("PROMPT_SUPPORT", 0),
            ("THERMAL_PROTECTION", 1),
        ] {
            self.say(&format!("Cap:{name}:{value}"));
        }
    }

    fn unknown(&mut self, text: &str) -> Running {
        self.say(&format!("echo:Unknown command: \"{text}\""));
        Running::Now
    }
}
