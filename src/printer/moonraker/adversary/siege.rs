//! Siege: one day.

use super::super::super::driver::Driver;
use super::super::super::journal::{Record, last_job};
use super::super::super::program::Program;
use super::super::super::wire::{JobStatus, Phase};
use super::super::fake::{Moonraker as Server, StoreFault};
use super::super::plan::Plan;
use super::super::{Action, Moonraker, Setup};
use super::net::{Net, Weather};
use super::{Dice, Outcome};
use crate::gcode::{Effect, Machine, Printer, commands};
use crate::status::{Finding, Tune};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A step of the day, ms.
const STEP_MS: u64 = 50;
/// No print of a day lasts longer.
const DAY_MS: u64 = 6 * 3_600_000;
/// After its end it is watched for so long.
const AFTER_MS: u64 = 900_000;
/// The process of a link that is told to end lives so long at most.
const END_MS: u64 = 25_000;
/// A person comes to a print that is held.
const VISIT_MS: u64 = 75 * 60_000;

/// What people and neighbours do, and when, ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Act {
    Pause,
    Resume,
    Cancel,
    Stop,
    Tune,
    PauseThere,
    ResumeThere,
    CancelThere,
    OtherPrint,
    OurPrintAgain,
    Jog,
    SlowerThere,
    HeatersOffThere,
    Restart,
    Shutdown,
    KlipperGone,
    KlipperBack,
    Cut,
    LinkKilled,
    OtherPrinter,
    HigherThere,
    ColderThere,
    LinkEnds,
    // On staged days alone.
    SamePrinter,
    Blip,
    HeaterMended,
}

const ACTS: [Act; 22] = [
    Act::Pause,
    Act::Resume,
    Act::Cancel,
    Act::Stop,
    Act::Tune,
    Act::PauseThere,
    Act::ResumeThere,
    Act::CancelThere,
    Act::OtherPrint,
    Act::OurPrintAgain,
    Act::Jog,
    Act::SlowerThere,
    Act::HeatersOffThere,
    Act::Restart,
    Act::Shutdown,
    Act::KlipperGone,
    Act::Cut,
    Act::LinkKilled,
    Act::OtherPrinter,
    Act::HigherThere,
    Act::ColderThere,
    Act::LinkEnds,
];

pub(super) struct Siege {
    dice: Dice,
    now: u64,
    machine: Moonraker,
    pub(super) server: Server,
    pub(super) net: Net,
    plan: Plan,
    printer: Printer,
    acts: Vec<(u64, Act)>,
    journal: String,
    ended: Option<(Phase, Option<Finding>)>,
    /// Somebody moved the head in the print.
    jogged: bool,
    tuned: u32,
    /// Acts that came.
    came: Vec<Act>,
    /// The link was told to end, and since when its process is gone.
    ends: Option<u64>,
    gone: Option<u64>,
    said: Vec<String>,
    /// Another printer stands there.
    other: bool,
    links: u64,
    pub(super) told: bool,
}

fn text(dice: &mut Dice) -> String {
    let mut text = String::from(
        "M140 S60\nM104 S150\nG28\nM190 S60\nM109 S215\nG90\nM83\nG92 E0\nG1 Z0.3 F600\nG1 X20 Y20 F6000\n",
    );
    for k in 0..20 + dice.below(30) {
        if k % 12 == 11 {
            let _ = writeln!(
                text,
                ";LAYER_CHANGE\nG1 Z{:.1} F600",
                0.3 + 0.2 * (k / 12 + 1) as f64
            );
        }
        let (x, y) = (22 + (k % 7) * 4, 20 + k);
        let _ = writeln!(text, "G1 X{x} Y{y} E0.3 F{}", 300 + 60 * dice.below(20));
        if k % 9 == 4 {
            text.push_str("M106 S128\n");
        }
    }
    text.push_str("M107\nM104 S0\nM140 S0\nG1 X10 Y200 F6000\nM84\n");
    text
}

impl Siege {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let printer = Printer::load("voron").unwrap();
        let text = text(&mut dice);
        let program = Program::prepare(&text, &printer).unwrap();
        let plan = Plan::of(text.into_bytes(), program, &printer).unwrap();
        let bad = [0, 0, 20, 100, 500, 1_500][dice.below(6) as usize];
        let mut rate = || dice.below(bad + 1);
        let weather = Weather {
            lost: rate(),
            answer_lost: rate(),
            late: rate(),
            doubled: rate(),
            strange: rate(),
        };
        let mut server = Server {
            hostname: "voron".into(),
            ..Server::default()
        };
        server.klipper.parks = dice.comes(4_000);
        server.klipper.calibrates_mm = dice.comes(3_000).then_some(-0.12);
        server.klipper.put(
            "other.gcode",
            b"M104 S200\nG28\nM109 S200\nG1 X50 Y50 F1200\nG4 P60000\nM104 S0\n",
        );
        if dice.comes(500) {
            server.klipper.broken_heater = Some(dice.below(2) as usize);
        }
        for _ in 0..dice.below(5) {
            let all = [
                StoreFault::Damaged,
                StoreFault::Truncated,
                StoreFault::Rewritten,
                StoreFault::Failed,
            ];
            if dice.comes(1_500) {
                server.store_faults.push(all[dice.below(4) as usize]);
            }
        }
        let acts = (0..dice.below(4)).map(|_| {
            let act = ACTS[dice.below(ACTS.len() as u64) as usize];
            (5_000 + dice.below(240_000), act)
        });
        let mut acts: Vec<_> = acts.collect();
        // What is held is mostly let go on.
        for (at, act) in acts.clone() {
            if matches!(act, Act::Pause | Act::PauseThere) && dice.comes(7_000) {
                let there = dice.comes(3_000);
                let after = [2_000, 30_000, 700_000, 3_700_000][dice.below(4) as usize];
                acts.push((
                    at + after,
                    if there { Act::ResumeThere } else { Act::Resume },
                ));
            }
            if act == Act::KlipperGone {
                acts.push((at + dice.below(120_000), Act::KlipperBack));
            }
        }
        acts.sort_by_key(|(at, _)| *at);
        Self {
            machine: machine(&printer, None, 0),
            now: 0,
            net: Net::new(weather),
            server,
            plan,
            printer,
            acts,
            journal: String::new(),
            ended: None,
            jogged: false,
            tuned: 0,
            came: Vec::new(),
            ends: None,
            gone: None,
            said: Vec::new(),
            other: false,
            links: 0,
            told: false,
            dice,
        }
    }

    /// A day without weather, on which just that happens; the times in s.
    pub(super) fn staged(acts: &[(u64, Act)]) -> Self {
        let mut siege = Self::new(1);
        siege.net.weather = Weather::default();
        siege.server.store_faults.clear();
        siege.server.klipper.broken_heater = None;
        siege.server.klipper.parks = false;
        siege.server.klipper.calibrates_mm = None;
        siege.acts = acts
            .iter()
            .map(|(at_s, act)| (at_s * 1_000, *act))
            .collect();
        siege
    }

    /// Names of all findings that were shown, in order.
    pub(super) fn said(&self) -> &[String] {
        &self.said
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        if self.told {
            println!("{:9.2} {}", self.now as f64 / 1e3, what());
        }
    }

    fn step(&mut self) {
        self.now += STEP_MS;
        self.server.klipper.advance(1_000.0 + self.now as f64 / 1e3);
        if let Some((at, act)) = self.acts.first().copied()
            && self.now >= at
        {
            self.acts.remove(0);
            self.act(act);
        }
        let came = self.net.run(self.now, &mut self.dice, &mut self.server);
        if let Some(since) = self.ends
            && (self.machine.is_finished() || self.now >= since + END_MS)
        {
            self.tell(|| "GONE".into());
            self.net.drop_all();
            (self.ends, self.gone) = (None, Some(self.now));
        }
        if self.gone.is_some() {
            return;
        }
        for (id, answer) in came {
            if let Err(trouble) = &answer {
                self.tell(|| format!("<- {id} {trouble:?}"));
            }
            self.machine.answered(self.now, id, answer);
            self.carry_out();
        }
        if self.now >= self.machine.wake_ms(self.now - STEP_MS) {
            self.machine.tick(self.now);
        }
        self.carry_out();
    }

    fn carry_out(&mut self) {
        for action in self.machine.drain() {
            match action {
                Action::Ask(ask) => {
                    if !ask.what.is_question() {
                        self.tell(|| {
                            format!(
                                "-> {} {}",
                                ask.id,
                                format!("{:?}", ask.what)
                                    .chars()
                                    .take(90)
                                    .collect::<String>()
                            )
                        });
                    }
                    self.net.send(self.now, &mut self.dice, ask);
                }
                Action::Load { .. } => {
                    let plan = self.plan.clone();
                    self.machine.loaded(self.now, Ok(plan));
                    self.carry_out();
                }
                Action::Event(super::super::Event::Ended { phase, fault, .. }) => {
                    self.tell(|| format!("ENDED {phase:?} {fault:?}"));
                    self.ended.get_or_insert((phase, fault));
                }
                Action::Event(super::super::Event::Status(status)) => {
                    let name = status.fault.map(|fault| fault.name).unwrap_or_default();
                    if self.said.last() != Some(&name) {
                        self.said.push(name);
                    }
                }
                Action::SwitchOff => {}
                Action::Journal(record) => {
                    self.tell(|| format!("{record:?}"));
                    self.write(&record);
                }
            }
        }
    }

    fn write(&mut self, record: &Record) {
        let mut value = serde_json::to_value(record).unwrap();
        value["at"] = "2026-12-01T00:00:00Z".into();
        let _ = writeln!(self.journal, "{value}");
    }

    fn there(&mut self, script: &str) {
        self.server.klipper.do_there(script);
    }

    fn act(&mut self, act: Act) {
        self.tell(|| format!("ACT {act:?}"));
        if self.gone.is_some() || self.ends.is_some() {
            return;
        }
        self.came.push(act);
        let now = self.now;
        let in_print = self.server.klipper.prints().is_some();
        self.net.count("act");
        // Refused where it does not fit.
        let _ = match act {
            Act::Pause => self.machine.pause(now),
            Act::Resume => self.machine.resume(now),
            Act::Cancel => self.machine.cancel(now),
            Act::Tune => {
                let tune = Tune {
                    speed_percent: Some(80.0),
                    flow_percent: Some(95.0),
                    fan_percent: Some(50.0),
                    z_mm: Some(0.05),
                };
                let taken = self.machine.tune(now, tune);
                self.tuned += u32::from(taken.is_ok());
                taken
            }
            _ => Ok(()),
        };
        match act {
            Act::Stop => self.machine.emergency_stop(now),
            Act::PauseThere => self.there("PAUSE"),
            Act::ResumeThere => self.there("RESUME"),
            Act::CancelThere => self.there("CANCEL_PRINT"),
            Act::OtherPrint => {
                self.there("SDCARD_RESET_FILE\nSDCARD_PRINT_FILE FILENAME=\"other.gcode\"")
            }
            Act::OurPrintAgain => {
                let name = self.server.klipper.prints().map(str::to_owned);
                if let Some(name) = name {
                    self.there(&format!(
                        "SDCARD_RESET_FILE\nSDCARD_PRINT_FILE FILENAME=\"{name}\""
                    ));
                }
            }
            Act::Jog => {
                self.jogged |= in_print;
                self.there("SAVE_GCODE_STATE\nG91\nG1 X3 F6000\nG90");
            }
            Act::SlowerThere => self.there("M220 S70"),
            Act::HeatersOffThere => self.there("TURN_OFF_HEATERS"),
            Act::Restart => self.server.klipper.restart(),
            Act::Shutdown => self
                .server
                .klipper
                .shut_down("MCU 'mcu' shutdown: Timer too close"),
            Act::KlipperGone => {
                self.server
                    .klipper
                    .shut_down("Lost communication with MCU 'mcu'");
                self.server.klipper_gone = true;
            }
            Act::KlipperBack => {
                self.server.klipper_gone = false;
                self.server.klipper.restart();
            }
            Act::Cut => self.net.cut_until = now + self.dice.below(400_000),
            Act::LinkKilled => {
                self.links += 1;
                let (last, _) = last_job(&self.journal);
                if let Some(job) = last.filter(|_| self.ended.is_none()) {
                    self.ended = Some((job.phase, job.fault.clone()));
                    self.machine = machine(&self.printer, Some(job), self.links);
                } else if self.ended.is_some() {
                    return;
                } else {
                    self.machine = machine(&self.printer, None, self.links);
                    self.ended = Some((Phase::Stopped, Some(Finding::refuse("never_began", ""))));
                }
                self.net.forget();
            }
            Act::OtherPrinter => {
                self.server.hostname = "ender".into();
                self.other = true;
            }
            Act::SamePrinter => {
                self.server.hostname = "voron".into();
                self.other = false;
            }
            Act::HigherThere => {
                self.tuned += 1;
                self.there("SET_GCODE_OFFSET Z_ADJUST=0.05 MOVE=1");
            }
            Act::ColderThere => self.there("M104 S180"),
            Act::Blip => self.net.strange_next = 2,
            Act::HeaterMended => self.server.klipper.broken_heater = None,
            Act::LinkEnds => {
                self.machine.terminate(now);
                self.ends = Some(now);
            }
            _ => {}
        }
        self.carry_out();
    }

    fn job(&self) -> Option<JobStatus> {
        self.machine.status(self.now).job
    }

    pub(super) fn judge(&mut self) -> Outcome {
        let mut refused = None;
        while self.now < 60_000 {
            self.step();
            let path = "part.gcode".into();
            let sha256 = self.plan.sha256.clone();
            match self
                .machine
                .print(self.now, "K7-2043".into(), (path, sha256), None)
            {
                Ok(()) => {
                    refused = None;
                    self.carry_out();
                    break;
                }
                Err(error) => refused = Some(error),
            }
        }
        if let Some(refused) = refused {
            return Outcome::Refused(refused.code);
        }
        let mut held: Option<u64> = None;
        while self.ended.is_none() {
            if self.now > DAY_MS {
                return Outcome::Endless(format!("{:?}", self.job()));
            }
            self.step();
            if self.job().is_some_and(|job| job.phase == Phase::Paused) {
                if self.now > *held.get_or_insert(self.now) + VISIT_MS {
                    self.act(Act::Cancel);
                    held = None;
                }
            } else {
                held = None;
            }
        }
        let Some((phase, fault)) = self.ended.clone() else {
            return Outcome::Endless("no end".into());
        };
        if phase == Phase::Printed
            && !self.jogged
            && let Err(why) = self.made_as_planned()
        {
            return Outcome::Wrong(why);
        }
        if let Some(left) = self.after() {
            return Outcome::Left(left);
        }
        match fault {
            None if self.jogged => Outcome::Unseen,
            None => Outcome::Printed,
            Some(fault) => Outcome::Stopped(fault.name),
        }
    }

    /// What is left once everything calms down. Somebody who comes by lets a halted printer recover.
    fn after(&mut self) -> Option<String> {
        self.acts.retain(|(_, act)| *act == Act::KlipperBack);
        self.net.cut_until = self.net.cut_until.min(self.now + 60_000);
        let until = self.now + AFTER_MS;
        while self.now < until {
            self.step();
        }
        if self.other {
            // Nothing may be ordered of another printer.
            return None;
        }
        let klipper = &self.server.klipper;
        let theirs = klipper.prints() == Some("other.gcode");
        let gone = self.server.klipper_gone;
        if theirs || gone {
            return None;
        }
        if let Some(name) = klipper
            .prints()
            .filter(|_| klipper.state() == super::super::fake::klipper::State::Ready)
            .filter(|_| self.gone.is_none() || self.is_calm())
        {
            return Some(format!("{name} goes on"));
        }
        if klipper.is_hot() && (self.gone.is_none() || self.is_calm()) {
            return Some(format!("hot: {:?}", self.machine.status(self.now).fault));
        }
        self.left()
    }

    /// Nothing gets lost that matters.
    fn is_calm(&self) -> bool {
        let weather = &self.net.weather;
        let all = [
            weather.lost,
            weather.answer_lost,
            weather.late,
            weather.strange,
        ];
        all.iter().all(|rate| *rate == 0) && !self.came.contains(&Act::Cut)
    }

    /// What a print leaves behind that has to be as before.
    fn left(&self) -> Option<String> {
        let klipper = &self.server.klipper;
        let came = |act: Act| self.came.contains(&act);
        if klipper.pauses_again > 0 && !came(Act::PauseThere) {
            return Some("a macro for PAUSE moved twice in one hold".into());
        }
        let ready = klipper.state() == super::super::fake::klipper::State::Ready;
        if !ready || self.machine.halted || self.gone.is_some() || self.links > 0 {
            return None;
        }
        let own_mm = klipper.calibrates_mm.unwrap_or(0.0);
        let height_mm = klipper.tuned()[2];
        if ![0.0, own_mm].contains(&height_mm) && !came(Act::HigherThere) {
            return Some(format!("height {height_mm}"));
        }
        let name = klipper.names().find(|name| name.starts_with("calvaria"));
        if let Some(name) = name {
            return Some(format!("{name} is stored"));
        }
        if self.is_calm() && klipper.idle_s() != 600.0 {
            return Some(format!("idle timeout {}", klipper.idle_s()));
        }
        let made: Vec<_> = klipper.made().collect();
        let part = made
            .iter()
            .rfind(|one| one.by_file)
            .map_or(0.0, |one| one.to[2]);
        let last = made.last().map_or(0.0, |one| one.to[2]);
        let cancelled = self.ended.as_ref().and_then(|(_, fault)| fault.as_ref());
        let lifts = cancelled.is_some_and(|fault| fault.name == "cancelled")
            && made.iter().any(|one| one.by_file && one.to[3] > 0.0)
            && klipper.is_homed()
            && !came(Act::PauseThere)
            && !came(Act::HigherThere);
        (lifts && self.is_calm() && last < part + 4.0)
            .then(|| format!("nozzle on the part: {last} over {part}"))
    }

    /// So long nobody does anything.
    pub(super) fn pass(&mut self, ms: u64) {
        let until = self.now + ms;
        while self.now < until {
            self.step();
        }
    }

    /// Highest place of the head, mm.
    pub(super) fn top_mm(&self) -> f64 {
        let made = self.server.klipper.made();
        made.map(|one| one.to[2]).fold(0.0, f64::max)
    }

    fn made_as_planned(&self) -> Result<(), String> {
        let text = std::str::from_utf8(&self.plan.bytes).unwrap();
        let mut machine = Machine::of(self.printer.dialect);
        let mut planned = Vec::new();
        for (number, command) in commands(text) {
            if let Ok(Effect::Move(one)) = machine.apply(number, &command.unwrap()) {
                planned.push((one.to_mm(), one.delta_mm()[3]));
            }
        }
        let mut before_e = 0.0;
        let mut made = Vec::new();
        for one in self.server.klipper.made() {
            if one.by_file {
                let mut to = one.to;
                to[2] -= self.server.klipper.calibrates_mm.unwrap_or(0.0);
                made.push((to, one.to[3] - before_e));
            }
            before_e = one.to[3];
        }
        if made.len() != planned.len() {
            return Err(format!("{} moves instead of {}", made.len(), planned.len()));
        }
        for (k, ((to, e), (plan, plan_e))) in made.iter().zip(&planned).enumerate() {
            let near = |a: f64, b: f64, within: f64| (a - b).abs() <= within;
            let z_mm = 1e-6 + 0.0501 * f64::from(self.tuned);
            let e_mm = if self.tuned > 0 { 0.02 } else { 1e-6 };
            let same = near(to[0], plan[0], 1e-6)
                && near(to[1], plan[1], 1e-6)
                && near(to[2], plan[2], z_mm)
                && near(*e, *plan_e, e_mm);
            if !same {
                return Err(format!(
                    "move {k}: {to:?} by {e} instead of {plan:?} by {plan_e}"
                ));
            }
        }
        Ok(())
    }

    pub(super) fn fired(&self) -> &BTreeMap<&'static str, u64> {
        &self.net.fired
    }
}

fn machine(printer: &Printer, last: Option<JobStatus>, nonce: u64) -> Moonraker {
    let setup = Setup {
        printer: printer.clone(),
        port: "moonraker:voron:7125".into(),
        nonce,
    };
    Moonraker::new(setup, last)
}
