//! Klipper: one printer with an extruder and a bed, and its virtual card.

use super::card::Stats;
use super::motion::{AXES, Motion, Words};
use std::collections::{BTreeMap, VecDeque};

/// It plans so far ahead, s.
const AHEAD_S: f64 = 2.0;
/// A step of its clock, s.
const STEP_S: f64 = 0.05;
/// Restarting takes so long, s.
const RESTART_S: f64 = 4.0;
/// `SUBSCRIPTION_REFRESH_TIME`.
const SUBSCRIBED_S: f64 = 0.25;
const HOME_S: f64 = 8.0;
const LEVEL_S: f64 = 15.0;
/// Below this it refuses to extrude, C.
const MIN_EXTRUDE_C: f64 = 170.0;
const ROOM_C: f64 = 22.0;
/// Warmer by so much in a second: extruder, bed.
const WARMS_C_S: [f64; 2] = [5.0, 1.5];
const COOLS_C_S: f64 = 0.5;

/// A move that was made: where it ended, X, Y, Z, E of the toolhead, mm; when it ended, s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Made {
    /// X, Y, Z, E.
    pub to: [f64; 4],
    /// By Klipper's clock.
    pub at_s: f64,
    /// A line of the file's made it.
    pub by_file: bool,
}

/// `webhooks.state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It takes orders.
    Ready,
    /// It begins.
    Startup,
    /// It was stopped.
    Shutdown,
}

/// A script that waits for the mutex, or holds it.
#[derive(Clone, Debug)]
struct Script {
    ticket: u64,
    lines: VecDeque<String>,
}

/// What the line in work waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wait {
    None,
    /// That the queue of moves is shorter.
    Room,
    /// That all moves are made, and until then.
    Until(f64),
    /// That a heater is warm.
    Heat(usize),
}

/// The printer.
#[derive(Clone, Debug)]
pub struct Klipper {
    pub(super) now_s: f64,
    pub(super) state: State,
    pub(super) message: String,
    ready_s: f64,
    pub(super) motion: Motion,
    pub(super) saved: Option<Motion>,
    /// Extruder and bed: how warm, and how warm they are wanted, C.
    pub(super) heaters: [[f64; 2]; 2],
    pub(super) fan: f64,
    pub(super) homed: bool,
    /// When the last planned move ends.
    print_time_s: f64,
    made: Vec<Made>,
    /// Files of the card.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// The open file, what of it was read, where it stands.
    pub(super) open: Option<Vec<u8>>,
    pub(super) position: usize,
    pub(super) size: usize,
    pub(super) runs: bool,
    pub(super) stats: Stats,
    pub(super) is_paused: bool,
    pub(super) sd_paused: bool,
    scripts: VecDeque<Script>,
    /// The script that holds the mutex.
    in_hand: Option<Script>,
    pub(super) file_in_work: Option<usize>,
    wait: Wait,
    answers: BTreeMap<u64, Result<(), String>>,
    next_ticket: u64,
    idle_s: f64,
    busy_s: f64,
    summed_s: f64,
    /// `PAUSE` and `RESUME` are macros that park.
    pub parks: bool,
    /// `G28` and `G32` have macros that calibrate the height: what they set, mm.
    pub calibrates_mm: Option<f64>,
    /// Times that a macro for `PAUSE` moved in a print that was held already.
    pub pauses_again: usize,
    /// A heater that never gets warm.
    pub broken_heater: Option<usize>,
}

impl Default for Klipper {
    fn default() -> Self {
        Self {
            now_s: 1000.0,
            state: State::Ready,
            message: "Printer is ready".into(),
            ready_s: 0.0,
            motion: Motion::default(),
            saved: None,
            heaters: [[ROOM_C, 0.0]; 2],
            fan: 0.0,
            homed: false,
            print_time_s: 0.0,
            made: Vec::new(),
            files: BTreeMap::new(),
            open: None,
            position: 0,
            size: 0,
            runs: false,
            stats: Stats::default(),
            is_paused: false,
            sd_paused: false,
            scripts: VecDeque::new(),
            in_hand: None,
            file_in_work: None,
            wait: Wait::None,
            answers: BTreeMap::new(),
            next_ticket: 0,
            idle_s: 600.0,
            busy_s: 1000.0,
            summed_s: 1000.0,
            parks: false,
            calibrates_mm: None,
            pauses_again: 0,
            broken_heater: None,
        }
    }
}

/// Commands that it says it knows.
pub(super) const COMMANDS: [&str; 43] = [
    "G0",
    "G1",
    "G4",
    "G20",
    "G21",
    "G28",
    "G32",
    "G90",
    "G91",
    "G92",
    "M18",
    "M82",
    "M83",
    "M84",
    "M104",
    "M105",
    "M106",
    "M107",
    "M109",
    "M112",
    "M114",
    "M115",
    "M140",
    "M190",
    "M204",
    "M220",
    "M221",
    "M400",
    "PAUSE",
    "RESUME",
    "CANCEL_PRINT",
    "CLEAR_PAUSE",
    "SDCARD_PRINT_FILE",
    "SDCARD_RESET_FILE",
    "SET_GCODE_OFFSET",
    "SAVE_GCODE_STATE",
    "RESTORE_GCODE_STATE",
    "M23",
    "M24",
    "M25",
    "TURN_OFF_HEATERS",
    "SET_IDLE_TIMEOUT",
    "FIRMWARE_RESTART",
];

impl Klipper {
    /// Moves that were made until now.
    pub fn made(&self) -> impl Iterator<Item = &Made> {
        self.made.iter().filter(|made| made.at_s <= self.now_s)
    }

    /// Forgets the moves so far.
    pub fn forget(&mut self) {
        self.made.clear();
    }

    /// Names of the files on its card.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Factors of speed and filament, and the height over where the file has it, mm.
    pub fn tuned(&self) -> [f64; 3] {
        let round = |v: f64| (v * 1e6).round() / 1e6;
        let motion = &self.motion;
        [
            round(motion.speed_factor * 60.0),
            round(motion.extrude_factor),
            round(motion.homing[2]),
        ]
    }

    /// Its idle timeout, s.
    pub fn idle_s(&self) -> f64 {
        self.idle_s
    }

    /// Its clock, s.
    pub fn now_s(&self) -> f64 {
        self.now_s
    }

    /// In which state it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// Some heater is wanted warm, and Klipper has not shut down.
    pub fn is_hot(&self) -> bool {
        self.state != State::Shutdown && self.heaters.iter().any(|h| h[1] > 0.0)
    }

    /// Some print runs or is held, and by which name.
    pub fn prints(&self) -> Option<&str> {
        ["printing", "paused"]
            .contains(&self.stats.state)
            .then_some(self.stats.name.as_str())
    }

    /// A file is put there by somebody at its page.
    pub fn put(&mut self, name: &str, bytes: &[u8]) {
        self.files.insert(name.into(), bytes.to_vec());
    }

    /// The same as [`Klipper::script`] for somebody who does not wait.
    pub fn do_there(&mut self, script: &str) {
        self.script(script);
    }

    /// Time passes until then, s.
    pub fn advance(&mut self, to_s: f64) {
        self.work();
        while self.now_s < to_s {
            self.now_s = (self.now_s + STEP_S).min(to_s);
            self.warm(STEP_S);
            if self.state == State::Startup && self.now_s >= self.ready_s {
                self.state = State::Ready;
                self.message = "Printer is ready".into();
            }
            self.work();
            self.idle();
            if self.now_s >= self.summed_s + SUBSCRIBED_S {
                // Moonraker's `job_state` is subscribed to the print, and each of its looks sums the filament.
                self.summed_s = self.now_s;
                self.look_at_stats();
            }
        }
    }

    fn warm(&mut self, step_s: f64) {
        for (heater, warms) in WARMS_C_S.into_iter().enumerate() {
            let works = self.broken_heater != Some(heater) && self.state == State::Ready;
            let [now, target] = self.heaters[heater];
            let wanted = if works { target.max(ROOM_C) } else { ROOM_C };
            let by = if wanted > now { warms } else { COOLS_C_S } * step_s;
            self.heaters[heater][0] = if (wanted - now).abs() <= by {
                wanted
            } else {
                now + by * (wanted - now).signum()
            };
        }
    }

    /// `idle_timeout.py`: nothing is done for a while.
    fn idle(&mut self) {
        if self.runs || self.print_time_s > self.now_s || self.in_hand.is_some() {
            self.busy_s = self.now_s;
        }
        if self.now_s - self.busy_s > self.idle_s && self.state == State::Ready {
            for heater in &mut self.heaters {
                heater[1] = 0.0;
            }
            self.homed = false;
        }
    }

    /// Carries out what can be carried out now.
    fn work(&mut self) {
        for _ in 0..100_000 {
            if self.state != State::Ready || !self.has_waited() {
                return;
            }
            if let Some(at) = self.file_in_work.take() {
                // The line is over: only now does it count.
                self.position = at;
            }
            if self.in_hand.is_none() {
                self.in_hand = self.scripts.pop_front();
            }
            if let Some(script) = &mut self.in_hand {
                let Some(line) = script.lines.pop_front() else {
                    let ticket = script.ticket;
                    self.in_hand = None;
                    self.answers.insert(ticket, Ok(()));
                    continue;
                };
                if let Err(error) = self.line(&line, false) {
                    self.fail_script(error);
                }
                continue;
            }
            if !self.runs || !self.read_on() {
                return;
            }
        }
    }

    fn fail_script(&mut self, error: String) {
        if let Some(script) = self.in_hand.take() {
            self.answers.insert(script.ticket, Err(error));
        }
    }

    fn has_waited(&mut self) -> bool {
        let over = match self.wait {
            Wait::None => true,
            Wait::Room => self.print_time_s - self.now_s < AHEAD_S,
            Wait::Until(at) => self.now_s >= at.max(self.print_time_s),
            Wait::Heat(heater) => {
                let [now, target] = self.heaters[heater];
                now >= target - 1.0
            }
        };
        if over {
            self.wait = Wait::None;
        }
        over
    }

    /// A move of the toolhead to where `motion` stands.
    pub(super) fn travel(
        &mut self,
        from: [f64; 4],
        speed: f64,
        by_file: bool,
    ) -> Result<(), String> {
        let to = self.motion.last;
        let by: [f64; 4] = std::array::from_fn(|a| to[a] - from[a]);
        if by[..3].iter().any(|d| *d != 0.0) && !self.homed {
            self.motion.last = from;
            return Err("Must home axis first".into());
        }
        if by[3] != 0.0 && self.heaters[0][0] < MIN_EXTRUDE_C {
            self.motion.last = from;
            return Err(
                "Extrude below minimum temp See the 'min_extrude_temp' config option for details"
                    .into(),
            );
        }
        let length = by[..3].iter().map(|d| d * d).sum::<f64>().sqrt();
        let length = if length > 0.0 { length } else { by[3].abs() };
        if length > 0.0 {
            self.print_time_s = self.print_time_s.max(self.now_s) + length / speed;
            self.made.push(Made {
                to,
                at_s: self.print_time_s,
                by_file,
            });
            self.wait = Wait::Room;
        }
        Ok(())
    }

    fn drain_for(&mut self, seconds: f64) {
        self.print_time_s = self.print_time_s.max(self.now_s) + seconds;
        self.wait = Wait::Until(self.print_time_s);
    }

    fn heat(&mut self, words: &Words, heater: usize, waits: bool) {
        let target = words.number("S").unwrap_or(0.0);
        self.heaters[heater][1] = target;
        if waits && target > 0.0 {
            self.wait = Wait::Heat(heater);
        }
    }

    pub(super) fn line(&mut self, line: &str, by_file: bool) -> Result<(), String> {
        let words = Words::read(line);
        let from = self.motion.last;
        match words.command.as_str() {
            "G0" | "G1" => {
                self.motion.g1(&words)?;
                let speed = self.motion.speed;
                self.travel(from, speed, by_file)?;
            }
            "G4" => self.drain_for(words.number("P").unwrap_or(0.0) / 1000.0),
            "G28" | "G32" => {
                self.homed = true;
                let e = self.motion.last[3];
                self.motion.last = [0.0, 0.0, 0.0, e];
                for axis in 0..3 {
                    self.motion.base[axis] = self.motion.homing[axis];
                }
                if let Some(by_mm) = self.calibrates_mm {
                    for line in ["Z=0".to_owned(), format!("Z_ADJUST={by_mm}")] {
                        let words = Words::read(&format!("SET_GCODE_OFFSET {line}"));
                        self.motion.offset(&words);
                    }
                }
                self.drain_for(if words.command == "G28" {
                    HOME_S
                } else {
                    LEVEL_S
                });
            }
            "G90" => self.motion.absolute_coord = true,
            "G91" => self.motion.absolute_coord = false,
            "M82" => self.motion.absolute_extrude = true,
            "M83" => self.motion.absolute_extrude = false,
            "G92" => self.motion.g92(&words),
            "M104" => self.heat(&words, 0, false),
            "M109" => self.heat(&words, 0, true),
            "M140" => self.heat(&words, 1, false),
            "M190" => self.heat(&words, 1, true),
            "M106" => self.fan = words.number("S").unwrap_or(255.0) / 255.0,
            "M107" => self.fan = 0.0,
            "M18" | "M84" => self.homed = false,
            "M220" => self.motion.m220(words.number("S").unwrap_or(100.0)),
            "M221" => self.motion.m221(words.number("S").unwrap_or(100.0)),
            "M400" => self.drain_for(0.0),
            "M112" => self.shut_down("Shutdown due to M112 command"),
            "SET_GCODE_OFFSET" => {
                let by = self.motion.offset(&words);
                if words.number("MOVE") == Some(1.0) {
                    for (last, by) in self.motion.last.iter_mut().zip(by) {
                        *last += by;
                    }
                    let speed = self.motion.speed;
                    self.travel(from, speed, false)?;
                }
            }
            "TURN_OFF_HEATERS" => self.heaters.iter_mut().for_each(|h| h[1] = 0.0),
            "SET_IDLE_TIMEOUT" => self.idle_s = words.number("TIMEOUT").unwrap_or(600.0),
            "FIRMWARE_RESTART" | "RESTART" => self.restart(),
            _ => self.card_line(&words)?,
        }
        Ok(())
    }

    /// `invoke_shutdown`: moves that are planned are not made.
    pub fn shut_down(&mut self, message: &str) {
        if self.state == State::Shutdown {
            return;
        }
        self.state = State::Shutdown;
        self.message = format!(
            "{message}\nOnce the underlying issue is corrected, use the\n\"FIRMWARE_RESTART\" command to reset the firmware, reload the\nconfig, and restart the host software.\nPrinter is shutdown\n"
        );
        let now_s = self.now_s;
        self.made.retain(|made| made.at_s <= now_s);
        self.print_time_s = now_s;
        // The host goes on; the file stops where it is.
        if self.runs {
            self.note_pause();
        }
        self.wait = Wait::None;
        self.file_in_work = None;
        let waiting: Vec<u64> = (self.in_hand.take().into_iter())
            .chain(self.scripts.drain(..))
            .map(|script| script.ticket)
            .collect();
        for ticket in waiting {
            self.answers.insert(ticket, Err(message.into()));
        }
    }

    /// Everything begins anew, but for the files on its card.
    pub fn restart(&mut self) {
        let now_s = self.now_s;
        let mut tickets: Vec<u64> = self.scripts.iter().map(|script| script.ticket).collect();
        tickets.extend(self.in_hand.as_ref().map(|script| script.ticket));
        let mut fresh = Self {
            now_s,
            state: State::Startup,
            message: "Printer is not ready".into(),
            ready_s: now_s + RESTART_S,
            files: std::mem::take(&mut self.files),
            made: std::mem::take(&mut self.made),
            answers: std::mem::take(&mut self.answers),
            next_ticket: self.next_ticket,
            busy_s: now_s,
            summed_s: now_s,
            parks: self.parks,
            calibrates_mm: self.calibrates_mm,
            pauses_again: self.pauses_again,
            ..Self::default()
        };
        fresh.made.retain(|made| made.at_s <= now_s);
        for heater in 0..2 {
            fresh.heaters[heater][0] = self.heaters[heater][0];
        }
        for ticket in tickets {
            fresh
                .answers
                .insert(ticket, Err("Klippy Disconnected".into()));
        }
        *self = fresh;
    }

    /// Lines of G-code wait for the mutex; the ticket asks for their answer.
    pub(super) fn script(&mut self, script: &str) -> u64 {
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        let word = script.trim();
        if ["FIRMWARE_RESTART", "RESTART"].contains(&word) {
            // Known in every state.
            self.restart();
            self.answers.insert(ticket, Ok(()));
        } else if self.state == State::Ready {
            self.scripts.push_back(Script {
                ticket,
                lines: script.lines().map(str::to_owned).collect(),
            });
            self.work();
        } else {
            self.answers.insert(ticket, Err(self.message.clone()));
        }
        ticket
    }

    pub(super) fn answer(&mut self, ticket: u64) -> Option<Result<(), String>> {
        self.answers.remove(&ticket)
    }

    /// All axes are homed.
    pub fn is_homed(&self) -> bool {
        self.homed
    }

    /// The head moves.
    pub(super) fn moves(&self) -> bool {
        self.print_time_s > self.now_s
    }

    /// Axes in order.
    pub(super) fn homed_axes(&self) -> String {
        if self.homed {
            AXES[..3].concat().to_ascii_lowercase()
        } else {
            String::new()
        }
    }
}
