//! Firmware: queue, handlers' clock, keep-alive, protection, boot and halt of the virtual printer.

use super::handlers::Running;
use super::heater::{Heater, Trip};
use super::planner::Planner;
use super::receiver::{Receiver, Taken};
use super::record::{Log, Record, latin1};
use crate::gcode::Limits;
use serde::Deserialize;
use std::collections::VecDeque;

/// Which Marlin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// 2.1.x: a repeated number is swallowed in silence.
    #[default]
    Marlin21,
    /// 2.0.x, 1.1.x: a repeated number brings an error and a Resend.
    Marlin20,
}

/// How the board is built.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which Marlin.
    pub dialect: Dialect,
    /// RX_BUFFER_SIZE.
    pub rx_size: usize,
    /// BUFSIZE: lines in the command queue.
    pub bufsize: usize,
    /// MAX_CMD_SIZE.
    pub line_max: usize,
    /// EMERGENCY_PARSER.
    pub emergency_parser: bool,
    /// ADVANCED_OK.
    pub advanced_ok: bool,
    /// Send an `ok` after a Resend (pitfall 5: not all do).
    pub resend_ok: bool,
    /// Deaf after a reset, virtual s.
    pub boot_s: f64,
    /// Speeds, accelerations and temperatures.
    pub limits: Limits,
}

impl Options {
    /// A stock Marlin 2.1 with the machine limits of a profile.
    pub fn stock(limits: Limits) -> Self {
        Self {
            dialect: Dialect::default(),
            rx_size: 128,
            bufsize: 4,
            line_max: 96,
            emergency_parser: false,
            advanced_ok: false,
            resend_ok: true,
            boot_s: 0.5,
            limits,
        }
    }
}

/// Whether the board answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Life {
    /// Deaf until then.
    Booting(f64),
    Running,
    /// `stop()`: heaters off, moves refused, lines still get `ok`.
    Stopped,
    /// `kill()`: dead until a reset.
    Halted,
}

/// A line in the command queue.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub(super) number: Option<u64>,
    pub(super) text: String,
}

/// The board. See the module's picture.
#[derive(Debug)]
pub struct Firmware {
    pub(super) options: Options,
    pub(super) clock: f64,
    pub(super) life: Life,
    receiver: Receiver,
    pub(super) queue: VecDeque<Queued>,
    pub(super) running: Option<Running>,
    /// What `ok` will say behind itself.
    pub(super) ok_tail: String,
    pub(super) planner: Planner,
    pub(super) hotend: Heater,
    pub(super) bed: Heater,
    /// Bed position and all filament, nm.
    pub(super) at: [i64; 4],
    /// Bed position minus the file's coordinates (G92), nm.
    pub(super) shift: [i64; 4],
    pub(super) relative: [bool; 4],
    pub(super) feed_mm_s: f64,
    pub(super) feed_factor: f64,
    pub(super) keepalive_s: f64,
    busy_next: f64,
    pub(super) report_every_s: f64,
    report_next: f64,
    pub(super) inactive_s: f64,
    pub(super) active: f64,
    pub(super) emergency_line: Vec<u8>,
    /// Bytes read and not yet in a record.
    read: Vec<u8>,
    pub(super) out: Vec<u8>,
    /// Lines that entered the queue with a number.
    pub(super) accepted: u64,
    order: u64,
    /// Records of what happened.
    pub log: Log,
}

impl Firmware {
    /// A board that is being switched on.
    pub fn new(options: Options, log: Log) -> Self {
        let receiver = Receiver::new(options.rx_size, options.line_max, options.dialect);
        let mut firmware = Self {
            planner: Planner::new(options.limits),
            receiver,
            life: Life::Running,
            queue: VecDeque::new(),
            running: None,
            ok_tail: String::new(),
            hotend: Heater::hotend(),
            bed: Heater::bed(),
            at: [0; 4],
            shift: [0; 4],
            relative: [false; 4],
            feed_mm_s: 25.0,
            feed_factor: 1.0,
            keepalive_s: 2.0,
            busy_next: f64::INFINITY,
            report_every_s: 0.0,
            report_next: f64::INFINITY,
            inactive_s: 0.0,
            active: 0.0,
            emergency_line: Vec::new(),
            read: Vec::new(),
            out: Vec::new(),
            accepted: 0,
            order: 0,
            clock: 0.0,
            options,
            log,
        };
        firmware.reset("PowerUp");
        firmware
    }

    /// Power, DTR or watchdog: everything but the heat of the heaters is gone.
    pub fn reset(&mut self, cause: &str) {
        self.note(format!("reset: {cause}"));
        self.receiver.reset();
        self.queue.clear();
        self.running = None;
        self.planner.clear();
        for heater in [&mut self.hotend, &mut self.bed] {
            heater.set(0.0);
        }
        (self.at[0], self.at[1], self.at[2]) = (0, 0, 0);
        self.shift = [0, 0, 0, self.at[3]];
        self.relative = [false; 4];
        (self.feed_mm_s, self.feed_factor) = (25.0, 1.0);
        (self.keepalive_s, self.report_every_s, self.inactive_s) = (2.0, 0.0, 0.0);
        self.report_next = f64::INFINITY;
        self.life = Life::Booting(self.clock + self.options.boot_s);
        self.say("start");
        self.say(&format!(" {cause}"));
    }

    /// `kill()`.
    pub fn kill(&mut self, reason: &str) {
        if self.life == Life::Halted {
            return;
        }
        self.say(reason);
        self.say("Error:Printer halted. kill() called!");
        self.note(format!("halted: {reason}"));
        self.life = Life::Halted;
        self.queue.clear();
        self.running = None;
        self.planner.clear();
        self.hotend.set(0.0);
        self.bed.set(0.0);
    }

    /// Dead until a reset?
    pub fn is_halted(&self) -> bool {
        self.life == Life::Halted
    }

    /// Nothing moves and nothing waits to be executed.
    pub fn is_at_rest(&self) -> bool {
        self.planner.is_empty() && self.queue.is_empty()
    }

    /// Numbered lines that entered the queue since the board was new.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Targets of hotend and bed, C.
    pub fn targets_c(&self) -> [f64; 2] {
        [self.hotend.target_c, self.bed.target_c]
    }

    /// Bytes that were lost because the RX ring was full.
    pub fn overflow(&self) -> u64 {
        self.receiver.overflow
    }

    /// The hotend gives no heat from now on (fault `thermal`).
    pub fn break_hotend(&mut self) {
        self.hotend.defect = super::heater::Defect::Dead;
        // The heat is gone at once, so that the protection need not be waited for.
        self.hotend.now_c = self.hotend.now_c.min(super::heater::AMBIENT_C + 40.0);
    }

    /// Moves take `times` as long from now on (fault `slow_planner`).
    pub fn slow_down(&mut self, times: f64) {
        self.planner.slow = times;
    }

    /// Free bytes of the RX ring: a pty holds back what does not fit.
    pub fn room(&self) -> usize {
        self.receiver.room()
    }

    /// Bytes from the wire, at the present virtual time.
    pub fn receive(&mut self, bytes: &[u8]) {
        if matches!(self.life, Life::Booting(_) | Life::Halted) {
            return;
        }
        for &byte in bytes {
            if self.options.emergency_parser {
                self.emergency(byte);
            }
            self.receiver.put(byte);
            self.read();
        }
    }

    /// What the board has said since the last call.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Next virtual time at which something happens by itself.
    pub fn next_event(&self) -> f64 {
        let own = match self.life {
            Life::Halted => return f64::INFINITY,
            Life::Booting(until) => return until,
            Life::Running | Life::Stopped => self
                .running
                .as_ref()
                .map_or(f64::INFINITY, |running| running.next(self.clock)),
        };
        let inactive = if self.inactive_s > 0.0 {
            self.active + self.inactive_s
        } else {
            f64::INFINITY
        };
        let busy = if self.running.is_some() {
            self.busy_next
        } else {
            f64::INFINITY
        };
        own.min(self.planner.next_end().unwrap_or(f64::INFINITY))
            .min(busy)
            .min(self.report_next)
            .min(inactive)
            // A heater that is on is looked at each second: protection.
            .min(if self.hotend.target_c + self.bed.target_c > 0.0 {
                self.clock + 1.0
            } else {
                f64::INFINITY
            })
    }

    /// Lets virtual time pass up to `until`.
    pub fn run(&mut self, until: f64) {
        loop {
            self.read();
            if self.execute() {
                continue;
            }
            if self.clock >= until {
                return;
            }
            self.clock = self.next_event().max(self.clock).min(until);
            self.pass();
        }
    }

    /// Everything that time alone brings.
    fn pass(&mut self) {
        if let Life::Booting(until) = self.life
            && self.clock >= until
        {
            self.life = Life::Running;
            self.say("Marlin 2.1.2.1");
            self.say("echo: Last Updated: virtual printer | Author: calvaria");
            self.active = self.clock;
        }
        while let Some(block) = self.planner.finish(self.clock) {
            self.order += 1;
            self.active = self.clock;
            let (order, nozzle_c) = (self.order, self.hotend.now_c);
            self.log.push(|| Record::Block {
                t: block.ends.unwrap_or_default(),
                order,
                number: block.number,
                from: block.from.map(|v| v as f64 * 1e-6),
                to: block.to.map(|v| v as f64 * 1e-6),
                duration_s: block.ends.unwrap_or_default() - block.started,
                speed_mm_s: block.speed,
                nozzle_c,
            });
        }
        let trips = [
            ("E0", self.hotend.run(self.clock)),
            ("bed", self.bed.run(self.clock)),
        ];
        for (name, trip) in trips {
            let text = match trip {
                Some(Trip::HeatingFailed) => "Heating failed",
                Some(Trip::Runaway) => "Thermal Runaway",
                None => continue,
            };
            self.say(&format!("Error:{text}, system stopped! Heater_ID: {name}"));
            self.kill(&format!("echo:{text}"));
        }
        if self.life == Life::Halted {
            return;
        }
        if self.running.is_some() && self.clock >= self.busy_next {
            let word = match self.running {
                Some(Running::User) => "paused for user",
                _ => "processing",
            };
            self.say(&format!("echo:busy: {word}"));
            self.busy_next = self.clock + self.keepalive_s;
        }
        if self.clock >= self.report_next {
            self.report_next = self.clock + self.report_every_s;
            let report = self.temperatures();
            self.say(&format!(" {report}"));
        }
        if !self.planner.is_empty() {
            self.active = self.clock;
        }
        if self.inactive_s > 0.0 && self.clock >= self.active + self.inactive_s {
            let s = self.inactive_s;
            self.say(&format!(
                "Error:!! KILL caused by too much inactive time - current command: M85 S{s}"
            ));
            self.kill("echo:KILL");
        }
    }

    /// Fills the queue; reads nothing while it is full (4.2 point 2).
    fn read(&mut self) {
        while matches!(self.life, Life::Running | Life::Stopped)
            && self.queue.len() < self.options.bufsize
            && !self.receiver.is_empty()
        {
            let mut flushed = Vec::new();
            let taken = self.receiver.take(&mut self.read, &mut flushed);
            let t = self.clock;
            // One record a line, not one a byte.
            if self.read.ends_with(b"\n") || self.read.len() > 256 {
                let read = std::mem::take(&mut self.read);
                self.log.push(|| Record::Bytes {
                    t,
                    text: latin1(&read),
                });
            }
            if !flushed.is_empty() {
                self.log.push(|| Record::Flushed {
                    t,
                    text: latin1(&flushed),
                });
            }
            match taken {
                None => {}
                Some(Taken::Refused { error, resend }) => {
                    self.say(&format!("Error:{error}, Last Line: {}", resend - 1));
                    self.say(&format!("Resend: {resend}"));
                    if self.options.resend_ok {
                        self.say("ok");
                    }
                }
                Some(Taken::Line { number, text, bare }) => {
                    self.log.push(|| Record::Line {
                        t,
                        number,
                        text: text.clone(),
                    });
                    self.accepted += u64::from(number.is_some());
                    if bare && !self.options.emergency_parser {
                        self.at_once(&text);
                    }
                    if self.life != Life::Halted {
                        self.queue.push_back(Queued { number, text });
                    }
                }
            }
        }
    }

    /// Starts or ends a handler; `true` when something was done.
    fn execute(&mut self) -> bool {
        if !matches!(self.life, Life::Running | Life::Stopped) {
            return false;
        }
        if self.running.is_none() {
            let Some(head) = self.queue.front().cloned() else {
                return false;
            };
            self.ok_tail.clear();
            self.running = Some(self.start(&head));
            self.busy_next = if self.keepalive_s > 0.0 {
                self.clock + self.keepalive_s
            } else {
                f64::INFINITY
            };
            return true;
        }
        if !self.is_done() {
            return false;
        }
        self.running = None;
        let ok = format!("ok{}", self.ok_tail);
        // ADVANCED_OK: free queue slots while the line still holds its own.
        let ok = if self.options.advanced_ok && self.ok_tail.is_empty() {
            let number = self
                .queue
                .front()
                .and_then(|q| q.number)
                .map_or(String::new(), |n| format!(" N{n}"));
            let (planner, slots) = (self.planner.free(), self.options.bufsize - self.queue.len());
            format!("{ok}{number} P{planner} B{slots}")
        } else {
            ok
        };
        self.say(&ok);
        self.queue.pop_front();
        true
    }

    pub(super) fn say(&mut self, line: &str) {
        self.out.extend_from_slice(line.as_bytes());
        self.out.push(b'\n');
    }

    pub(super) fn note(&mut self, text: String) {
        let t = self.clock;
        self.log.push(|| Record::Note { t, text });
    }

    pub(super) fn auto_report(&mut self, every_s: f64) {
        self.report_every_s = every_s;
        self.report_next = if every_s > 0.0 {
            self.clock + every_s
        } else {
            f64::INFINITY
        };
    }

    /// `T:19.37 /0.00 B:19.37 /0.00 @:0 B@:0`
    pub(super) fn temperatures(&self) -> String {
        format!(
            "T:{:.2} /{:.2} B:{:.2} /{:.2} @:{:.0} B@:{:.0}",
            self.hotend.now_c,
            self.hotend.target_c,
            self.bed.now_c,
            self.bed.target_c,
            self.hotend.duty * 127.0,
            self.bed.duty * 127.0
        )
    }
}
