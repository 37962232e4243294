//! Heat: what M104, M109, M140 and M190 do in each firmware, and how it waits.

use super::dialect::Dialect as D;
use super::firmware::Firmware;
use super::handlers::Running;
use super::words::Words;

/// Window round the target, K (TEMP_WINDOW; PID_SETTLE_DELTA; TemperatureCloseEnough).
const WINDOW_C: f64 = 1.0;
/// Marlin ends a wait for cold when it has not fallen by 1.5 K in 60 s (MIN_COOLING_SLOPE_DEG, MIN_COOLING_SLOPE_TIME).
const COOLING: (f64, f64) = (1.5, 60.0);

/// A wait for a temperature.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wait {
    bed: bool,
    since: Option<f64>,
    pub(super) report: f64,
    /// Waits for cold, too.
    both: bool,
    /// When the cooling is looked at, and what it was then.
    slope: (f64, f64),
}

/// The target that the words order; `None`: it stays.
fn target(dialect: D, number: u32, words: &Words) -> Option<f64> {
    let waits = matches!(number, 109 | 190);
    match dialect {
        // M104_M109.cpp, M140_M190.cpp: M104 and M140 read S alone.
        D::Marlin21 | D::Marlin20 | D::Buddy | D::Prusa311 | D::Prusa314 => words
            .get('S')
            .or_else(|| waits.then(|| words.get('R')).flatten()),
        // extruder.py, heater_bed.py: get_float('S', 0.).
        D::Klipper => Some(words.get('S').unwrap_or(0.0)),
        // GCodes2.cpp: M104 and M109 R, else S; M140 S (R is the standby temperature); M190 R, else S.
        D::Duet if number == 140 => words.get('S'),
        D::Duet => words.get('R').or_else(|| words.get('S')),
        // Commands.cpp: S (or H, the preset, which nobody sets here).
        D::Repetier => words.get('S'),
    }
}

impl Firmware {
    /// M104, M109, M140, M190.
    pub(super) fn heat_command(&mut self, number: u32, words: &Words) -> Running {
        let dialect = self.options.dialect;
        let bed = matches!(number, 140 | 190);
        let target = target(dialect, number, words);
        if let Some(target) = target {
            let limits = &self.options.limits;
            let most = if bed {
                limits.bed_max_c
            } else {
                limits.hotend_max_c
            };
            let heater = if bed { &mut self.bed } else { &mut self.hotend };
            heater.set(target.clamp(0.0, most));
        }
        if dialect == D::Repetier && target.is_some() {
            let name = if bed { "TargetBed" } else { "TargetExtr0" };
            let target = if bed {
                self.bed.target_c
            } else {
                self.hotend.target_c
            };
            self.say(&format!("{name}:{target:.0}"));
        }
        if !matches!(number, 109 | 190) {
            return Running::Now;
        }
        self.wait_for(bed, words, target.is_some())
    }

    fn wait_for(&mut self, bed: bool, words: &Words, said: bool) -> Running {
        let heater = if bed { &self.bed } else { &self.hotend };
        let target_c = heater.target_c;
        let (waits, both) = match self.options.dialect {
            // Without S or R it returns; S returns at once when it is to cool.
            D::Marlin21 | D::Marlin20 | D::Buddy => (said, !words.has('S')),
            // wait_for_heater(): not for 0; the hotend from both sides. M190 S for heat only.
            D::Prusa311 | D::Prusa314 => (target_c > 0.0, !bed || !words.has('S')),
            D::Klipper => (target_c > 0.0, true),
            D::Duet => (said, words.has('R')),
            // waitForTargetTemperature(): not below 30; M109 only with S.
            D::Repetier => (target_c >= 30.0 && (bed || said), true),
        };
        if !waits {
            return Running::Now;
        }
        Running::Heat(Wait {
            bed,
            since: None,
            report: self.clock + self.report_period_s(),
            both,
            slope: (self.clock + COOLING.1, heater.now_c),
        })
    }

    /// RepRapFirmware reports each 2 s while a command waits, and only once M105 was asked.
    fn report_period_s(&self) -> f64 {
        match self.options.dialect {
            D::Duet if !self.asked_temperatures => f64::INFINITY,
            D::Duet => 2.0,
            _ => 1.0,
        }
    }

    /// One look at a wait; `true` when it is over.
    pub(super) fn heating(&mut self, mut wait: Wait) -> bool {
        self.active = self.clock;
        let dialect = self.options.dialect;
        let heater = if wait.bed { &self.bed } else { &self.hotend };
        let (now_c, target_c) = (heater.now_c, heater.target_c);
        let below = now_c < target_c - WINDOW_C;
        let above = wait.both && now_c > target_c + WINDOW_C;
        let residency_s = if wait.bed && dialect.is_prusa() {
            0.0
        } else {
            dialect.residency_s()
        };
        wait.since = if below || above {
            None
        } else {
            wait.since.or(Some(self.clock))
        };
        let mut done = wait.since.is_some_and(|t| self.clock >= t + residency_s);
        if dialect.is_marlin() && above && self.clock >= wait.slope.0 {
            done |= wait.slope.1 - now_c < COOLING.0;
            wait.slope = (self.clock + COOLING.1, now_c);
        }
        if self.clock >= wait.report {
            wait.report = self.clock + self.report_period_s();
            let left = wait.since.map(|t| (t + residency_s - self.clock).max(0.0));
            let line = self.heating_line(wait.bed, left);
            self.say(&line);
        }
        self.keep(Running::Heat(wait), done)
    }
}
