//! Firmware: queue, handlers' clock, keep-alive, protection, boot and halt of the virtual printer.

use super::dialect::Dialect;
use super::handlers::Running;
use super::heater::Heater;
use super::planner::Planner;
use super::receiver::{Receiver, Taken};
use super::record::{Log, Record, latin1};
use crate::gcode::Limits;
use std::collections::VecDeque;

/// How the board is built.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which firmware.
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
    /// BABYSTEPPING: `M290` is known.
    pub babystepping: bool,
    /// Send an `ok` after a Resend (not all builds do).
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
            babystepping: true,
            resend_ok: true,
            boot_s: 0.5,
            limits,
        }
    }

    /// A stock board of that firmware: its buffers as its source has them.
    pub fn of(dialect: Dialect, limits: Limits) -> Self {
        let (rx_size, bufsize, line_max) = match dialect {
            Dialect::Marlin21 | Dialect::Marlin20 => (128, 4, 96),
            // The byte queue of 4 * (95 + 1) bytes takes more short lines; see `Firmware::has_place`.
            Dialect::Prusa311 | Dialect::Prusa314 => (128, 64, 96),
            Dialect::Buddy => (128, 8, 96),
            Dialect::Klipper => (4096, 20, usize::MAX),
            // One command at a time; the rest waits in a ring of 512 bytes.
            Dialect::Duet => (512, 1, 256),
            Dialect::Repetier => (128, 1, 96),
        };
        Self {
            dialect,
            rx_size,
            bufsize,
            line_max,
            emergency_parser: dialect == Dialect::Repetier,
            babystepping: dialect == Dialect::Marlin21,
            ..Self::stock(limits)
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

/// The words that rule E and the axes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mode {
    /// G91 is in force.
    pub(super) axes: bool,
    /// M83 is in force.
    pub(super) own: bool,
    /// The last of G90, G91, M82, M83 asked for relative.
    pub(super) last: bool,
}

/// The board. See the module's picture.
#[derive(Debug)]
pub struct Firmware {
    pub(super) options: Options,
    pub(super) clock: f64,
    pub(super) life: Life,
    pub(super) receiver: Receiver,
    pub(super) queue: VecDeque<Queued>,
    pub(super) running: Option<Running>,
    /// What `ok` will say behind itself.
    pub(super) ok_tail: String,
    pub(super) planner: Planner,
    pub(super) hotend: Heater,
    pub(super) bed: Heater,
    /// Bed position and all filament, nm.
    pub(super) at: [i64; 4],
    /// Where the motors stopped in mid-move.
    pub(super) frozen: Option<[i64; 4]>,
    /// True height of the nozzle minus what the board counts, nm.
    pub(super) raised_nm: i64,
    /// Bed position minus the file's coordinates (G92), nm.
    pub(super) shift: [i64; 4],
    pub(super) relative: [bool; 4],
    pub(super) mode: Mode,
    /// Klipper and RepRapFirmware refuse to move axes that were not homed.
    pub(super) homed: [bool; 3],
    /// RepRapFirmware: a tool is selected.
    pub(super) tool: bool,
    /// M105 was asked since the start.
    pub(super) asked_temperatures: bool,
    /// Why it is shut down (Klipper, Repetier).
    pub(super) shut_down: String,
    /// `busy` of another cause until then (fault).
    pub(super) busy_until: f64,
    /// Repetier: `wait` when it has had nothing to do for a second.
    idle_next: f64,
    pub(super) feed_mm_s: f64,
    pub(super) feed_factor: f64,
    pub(super) flow_factor: f64,
    /// Part fan, 0 to 255.
    pub(super) fan: f64,
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
        let receiver = Receiver::new(
            options.rx_size,
            options.line_max,
            options.dialect,
            options.resend_ok,
        );
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
            frozen: None,
            raised_nm: 0,
            shift: [0; 4],
            relative: [false; 4],
            mode: Mode::default(),
            homed: [false; 3],
            tool: false,
            asked_temperatures: false,
            shut_down: String::new(),
            busy_until: 0.0,
            idle_next: f64::INFINITY,
            feed_mm_s: 25.0,
            feed_factor: 1.0,
            flow_factor: 1.0,
            fan: 0.0,
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
        self.raised_nm += self.nozzle_nm()[2];
        self.frozen = None;
        self.planner.clear();
        for heater in [&mut self.hotend, &mut self.bed] {
            heater.set(0.0);
        }
        (self.at[0], self.at[1], self.at[2]) = (0, 0, 0);
        self.shift = [0, 0, 0, self.at[3]];
        self.relative = [false; 4];
        self.mode = Mode::default();
        self.homed = [false; 3];
        (self.tool, self.asked_temperatures) = (false, false);
        (self.feed_mm_s, self.feed_factor, self.flow_factor) = (25.0, 1.0, 1.0);
        self.fan = 0.0;
        (self.keepalive_s, self.report_every_s, self.inactive_s) = (2.0, 0.0, 0.0);
        self.report_next = f64::INFINITY;
        self.busy_until = 0.0;
        self.life = Life::Booting(self.clock + self.options.boot_s);
        for line in Self::boot_lines(self.options.dialect, cause).0 {
            self.say(&line);
        }
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

    /// Where the nozzle truly is at this moment, bed mm.
    pub fn nozzle_mm(&self) -> [f64; 3] {
        let at = self.nozzle_nm();
        [at[0], at[1], at[2] + self.raised_nm].map(|v| v as f64 * 1e-6)
    }

    /// How much higher the nozzle truly is than the board counts: it forgets at a reset where it stands, mm.
    pub fn raised_mm(&self) -> f64 {
        self.raised_nm as f64 * 1e-6
    }

    pub(super) fn nozzle_nm(&self) -> [i64; 4] {
        let at = self.frozen.or(self.planner.under_way(self.clock));
        at.unwrap_or(self.at)
    }

    /// Factors of speed and flow (M220, M221), and the part fan, 0 to 255.
    pub fn tuned(&self) -> [f64; 3] {
        [self.feed_factor, self.flow_factor, self.fan]
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

    /// The hotend keeps 15 K below any target from now on (fault `never_reached`).
    pub fn weaken_hotend(&mut self) {
        self.hotend.defect = super::heater::Defect::Weak;
    }

    /// `busy` lines of another cause for so long (fault `busy`).
    pub fn be_busy(&mut self, seconds: f64) {
        self.busy_until = self.clock + seconds;
        self.busy_next = self.clock;
    }

    /// Reports temperatures by itself, as a host before us has asked for (fault `reports`).
    pub fn report_each(&mut self, seconds: f64) {
        self.auto_report(seconds);
    }

    /// Everything is lost and nothing is said (fault `silent_reset`).
    pub fn reset_silently(&mut self) {
        let said = self.out.len();
        self.reset("silent");
        self.out.truncate(said);
        self.life = Life::Running;
    }

    /// Says a line of its own accord (faults `action`, `say`).
    pub fn volunteer(&mut self, line: &str) {
        self.say(line);
    }

    /// It waits for heat or for a person: what comes is carried out when that is over.
    pub fn is_blocked(&self) -> bool {
        matches!(
            self.running,
            Some(Running::Heat(_) | Running::User | Running::Home { .. } | Running::Probe(_))
        )
    }

    /// An order that arrives now is carried out sooner or later.
    pub fn hears(&self) -> bool {
        matches!(self.life, Life::Running) && !self.receiver.stopped
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
        if self.options.dialect == Dialect::Klipper {
            return self.receive_block(bytes);
        }
        for &byte in bytes {
            if self.options.emergency_parser || self.options.dialect == Dialect::Duet {
                self.emergency(byte);
            }
            let boots =
                matches!(self.life, Life::Booting(_)) && self.options.dialect == Dialect::Repetier;
            if self.life == Life::Halted || boots {
                return;
            }
            self.receiver.put(byte);
            self.read();
        }
    }

    /// Klipper reads up to 4096 bytes at once, and looks for M112 in them while fewer than 20 lines wait.
    fn receive_block(&mut self, bytes: &[u8]) {
        for block in bytes.chunks(4096) {
            if !self.receiver.klipper_block(block) {
                self.note("a block that is not UTF-8 was dropped".into());
                continue;
            }
            for &byte in block {
                if self.queue.len() < 20 {
                    self.emergency(byte);
                }
            }
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
        let busy = if self.running.is_some() || self.clock < self.busy_until {
            self.busy_next
        } else {
            f64::INFINITY
        };
        own.min(self.planner.next_end().unwrap_or(f64::INFINITY))
            .min(busy)
            .min(self.report_next)
            .min(inactive)
            .min(if self.looks_at_halves() {
                self.receiver.half_line_due()
            } else {
                f64::INFINITY
            })
            .min(self.idle_next)
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
            for line in Self::boot_lines(self.options.dialect, "").1 {
                self.say(line);
            }
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
            (false, self.hotend.run(self.clock)),
            (true, self.bed.run(self.clock)),
        ];
        for (bed, trip) in trips {
            if let Some(trip) = trip {
                self.trip(bed, trip);
            }
        }
        if self.life == Life::Halted {
            return;
        }
        self.say_busy();
        self.say_wait();
        if self.looks_at_halves()
            && let Some(taken) = self.receiver.half_line(self.clock)
        {
            self.taken(taken);
        }
        if self.clock >= self.report_next {
            self.report_next = self.clock + self.report_every_s;
            let report = self.temperatures();
            // Marlin puts a space before it.
            let space = if self.options.dialect.is_marlin() {
                " "
            } else {
                ""
            };
            self.say(&format!("{space}{report}"));
        }
        if !self.planner.is_empty() {
            self.active = self.clock;
        }
        if self.inactive_s > 0.0 && self.clock >= self.active + self.inactive_s {
            if self.options.dialect == Dialect::Repetier {
                // Printer.cpp, defaultLoopActions(): kill() switches heaters and motors off, and says how warm it is.
                self.hotend.set(0.0);
                self.bed.set(0.0);
                (self.homed, self.active) = ([false; 3], self.clock);
                let report = self.temperatures();
                return self.say(&report);
            }
            let s = self.inactive_s;
            self.say(&format!(
                "Error:!! KILL caused by too much inactive time - current command: M85 S{s}"
            ));
            self.kill("echo:KILL");
        }
    }

    /// Keep-alive lines: none where the firmware has none, none of its own while it heats.
    fn say_busy(&mut self) {
        let dialect = self.options.dialect;
        let other = self.clock < self.busy_until;
        if !(self.running.is_some() || other) || self.clock < self.busy_next {
            return;
        }
        self.busy_next = self.clock + self.keepalive_s;
        let heats = matches!(self.running, Some(Running::Heat(_)));
        if !dialect.has_busy() || (heats && !other && !dialect.busy_in_heat()) {
            return;
        }
        let word = match self.running {
            Some(Running::User) => "paused for user",
            _ if self.receiver.stopped => "paused for user",
            _ if heats && dialect == Dialect::Repetier => "heating",
            _ => "processing",
        };
        if dialect == Dialect::Repetier {
            self.say(&format!("busy:{word}"));
        } else {
            self.say(&format!("echo:busy: {word}"));
        }
    }

    /// Repetier says `wait` each second while it has nothing to do.
    fn say_wait(&mut self) {
        if self.options.dialect != Dialect::Repetier {
            return;
        }
        if self.running.is_some() || !self.queue.is_empty() || self.idle_next.is_infinite() {
            self.idle_next = self.clock + 1.0;
        } else if self.clock >= self.idle_next {
            self.say("wait");
            self.idle_next = self.clock + 1.0;
        }
    }

    /// Repetier, readFromSerial(): with its one place taken it returns at once, and half a line waits.
    fn looks_at_halves(&self) -> bool {
        self.options.dialect != Dialect::Repetier || self.has_place()
    }

    /// Is there a place for one more line? Prusa counts bytes: a line of full length must fit.
    fn has_place(&self) -> bool {
        if self.options.dialect.is_prusa() {
            let stored: usize = self.queue.iter().map(|line| line.text.len() + 4).sum();
            return stored + 96 <= 4 * 97;
        }
        self.queue.len() < self.options.bufsize
    }

    /// Fills the queue; reads nothing while it is full, as get_serial_commands() returns at once then.
    fn read(&mut self) {
        while matches!(self.life, Life::Running | Life::Stopped)
            && self.has_place()
            && !self.receiver.is_empty()
        {
            let mut flushed = Vec::new();
            let t = self.clock;
            let taken = self.receiver.take(t, &mut self.read, &mut flushed);
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
            if let Some(taken) = taken {
                self.taken(taken);
            }
        }
    }

    /// What the reader made of the bytes.
    fn taken(&mut self, taken: Taken) {
        match taken {
            Taken::Answer { lines, .. } => lines.iter().for_each(|line| self.say(line)),
            Taken::Kill => self.kill("echo:M112 Shutdown"),
            Taken::Line { number, text, bare } => {
                let t = self.clock;
                self.log.push(|| Record::Line {
                    t,
                    number,
                    text: text.clone(),
                });
                self.accepted += u64::from(number.is_some());
                if bare && !self.options.emergency_parser {
                    self.at_once(&text);
                }
                if self.life == Life::Halted {
                    return;
                }
                if self.options.dialect == Dialect::Repetier {
                    return self.repetier_takes(number, text);
                }
                self.queue.push_back(Queued { number, text });
            }
        }
    }

    /// checkAndPushCommand(): into the buffer, and `ok` at once, with the number that was read last, of whatever line
    /// (actLineNumber).
    fn repetier_takes(&mut self, number: Option<u64>, text: String) {
        if self.life == Life::Stopped && !text.starts_with("M999") {
            self.repetier_fatal();
        } else {
            self.queue.push_back(Queued { number, text });
        }
        self.idle_next = self.clock + 1.0;
        let last = self.receiver.read_last;
        self.say(&format!("ok {last}"));
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
        if self.options.dialect == Dialect::Repetier {
            self.queue.pop_front();
            return true;
        }
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
}
