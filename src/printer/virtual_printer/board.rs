//! Board: firmware, wire and happenings together; what the pty and the tests drive.

use super::faults::{Faults, Happening, What};
use super::firmware::{Firmware, Options};
use super::record::{Log, Record};
use super::wire::{Fired, Wire};

/// A virtual printer at the end of a wire.
#[derive(Debug)]
pub struct Board {
    firmware: Firmware,
    wire: Wire,
    now: f64,
    pending: Vec<Happening>,
    stalled_until: f64,
    gone_until: Option<f64>,
}

impl Board {
    /// Switched on at virtual time 0.
    pub fn new(options: Options, faults: Faults, seed: u64, log: Log) -> Self {
        Self {
            firmware: Firmware::new(options, log),
            pending: faults.at.clone(),
            wire: Wire::new(faults, seed),
            now: 0.0,
            stalled_until: 0.0,
            gone_until: None,
        }
    }

    /// The firmware, for what a test wants to know.
    pub fn firmware(&self) -> &Firmware {
        &self.firmware
    }

    /// How often each kind of fault came.
    pub fn fired(&self) -> &Fired {
        &self.wire.fired
    }

    /// DTR, or the reset button.
    pub fn reset(&mut self, cause: &str) {
        self.wire.clear();
        self.firmware.reset(cause);
    }

    /// How many bytes may be given to [`Board::from_host`] now, so that a pty can hold the rest back.
    pub fn room(&self) -> usize {
        if self.firmware.is_halted() {
            4096
        } else {
            self.firmware.room().saturating_sub(self.wire.up_bytes())
        }
    }

    /// The host wrote these bytes at virtual time `now`.
    pub fn from_host(&mut self, now: f64, bytes: &[u8]) {
        self.run(now);
        self.wire.from_host(now, bytes);
        self.run(now);
    }

    /// Bytes that have reached the host by `now`.
    pub fn to_host(&mut self, now: f64) -> Vec<u8> {
        self.run(now);
        self.wire.to_host(now)
    }

    /// Nothing moves and nothing waits to be executed.
    pub fn is_at_rest(&self) -> bool {
        self.firmware.is_at_rest()
    }

    /// The port is gone until then (fault `disconnect`).
    pub fn gone_until(&self) -> Option<f64> {
        self.gone_until
    }

    /// Records since the last call.
    pub fn records(&mut self) -> Vec<Record> {
        self.firmware.log.drain()
    }

    /// Next virtual time at which something happens by itself.
    pub fn next_event(&self) -> f64 {
        let times = self.pending.iter().filter_map(|h| h.s);
        times.fold(
            self.firmware.next_event().min(self.wire.next_event()),
            f64::min,
        )
    }

    fn run(&mut self, until: f64) {
        loop {
            let step = self.wire.next_up().min(until).max(self.now);
            self.now = step;
            self.firmware.run(step);
            self.carry_down();
            let bytes = self.wire.to_printer(step);
            if step >= self.stalled_until {
                self.firmware.receive(&bytes);
            }
            let happened = self.happen(step);
            if bytes.is_empty() && !happened && step >= until {
                self.carry_down();
                return;
            }
        }
    }

    /// What the firmware said goes onto the wire; a stalled board is mute.
    fn carry_down(&mut self) {
        let said = self.firmware.take_output();
        if self.now >= self.stalled_until {
            self.wire.from_printer(self.now, &said);
        }
    }

    fn happen(&mut self, now: f64) -> bool {
        if self.gone_until.is_some_and(|t| now >= t) {
            self.gone_until = None;
        }
        let accepted = self.firmware.accepted();
        let due = self.pending.iter().position(|h| {
            h.line.is_some_and(|line| accepted >= line) || h.s.is_some_and(|s| now >= s)
        });
        let Some(due) = due else {
            return false;
        };
        let happening = self.pending.swap_remove(due);
        match happening.what {
            What::Reset => self.reset("External Reset"),
            What::Halt => self.firmware.kill("echo:KILL"),
            What::Thermal => self.firmware.break_hotend(),
            What::Stall => self.stalled_until = now + happening.amount,
            What::Disconnect => {
                self.gone_until = Some(now + happening.amount);
                self.wire.clear();
            }
            What::SlowPlanner => self.firmware.slow_down(happening.amount.max(1.0)),
            What::SilentReset => {
                self.wire.clear();
                self.firmware.reset_silently();
            }
            What::GarbledReset => {
                self.reset("External Reset");
                let said = self.firmware.take_output();
                let said = self.wire.shred(&said);
                self.wire.from_printer(now, &said);
            }
            What::Busy => self.firmware.be_busy(happening.amount),
            What::Reports => self.firmware.report_each(happening.amount.max(0.1)),
            What::NeverReached => self.firmware.weaken_hotend(),
            What::Cancel => self.firmware.volunteer("//action:cancel"),
        }
        *self.wire.fired.entry(happening.what.name()).or_default() += 1;
        true
    }
}
