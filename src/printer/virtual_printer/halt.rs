//! Halt: what each firmware does at M112, when a heater's protection trips, and with what comes afterwards.

use super::dialect::Dialect;
use super::firmware::{Firmware, Life};
use super::heater::Trip;

impl Firmware {
    /// Everything is off and nothing is planned any more.
    pub(super) fn all_off(&mut self) {
        self.queue.clear();
        self.running = None;
        self.frozen = Some(self.nozzle_nm());
        self.planner.clear();
        self.hotend.set(0.0);
        self.bed.set(0.0);
    }

    /// M112, or a heater's protection.
    pub fn kill(&mut self, reason: &str) {
        if matches!(self.life, Life::Halted | Life::Stopped) {
            return;
        }
        self.note(format!("halted: {reason}"));
        self.all_off();
        self.life = Life::Halted;
        match self.options.dialect {
            Dialect::Marlin21 | Dialect::Marlin20 => {
                self.say(reason);
                self.say("Error:Printer halted. kill() called!");
            }
            Dialect::Prusa311 | Dialect::Prusa314 => {
                self.say("Error:Printer halted. kill() called!");
                self.say("Error:Emergency stop (M112)");
                if self.options.dialect == Dialect::Prusa314 {
                    self.reset("Software Reset");
                }
            }
            // Marlin.cpp of Buddy: the message is commented out.
            Dialect::Buddy => {}
            Dialect::Klipper => self.shut_down("Shutdown due to M112 command"),
            // GCodeInput.cpp: EmergencyStop(), and no word.
            Dialect::Duet => self.life = Life::Stopped,
            // KILL_METHOD 1.
            Dialect::Repetier => self.reset("External Reset"),
        }
    }

    /// Klipper's shutdown: it lives, and answers every line with the reason.
    fn shut_down(&mut self, reason: &str) {
        self.shut_down = reason.to_owned();
        self.life = Life::Stopped;
        self.homed = [false; 3];
        self.say("// Klipper state: Shutdown");
    }

    /// A heater failed its protection.
    pub(super) fn trip(&mut self, bed: bool, trip: Trip) {
        let name = if bed { "bed" } else { "E0" };
        let text = match trip {
            Trip::HeatingFailed => "Heating failed",
            Trip::Runaway => "Thermal Runaway",
        };
        match self.options.dialect {
            Dialect::Marlin21 | Dialect::Marlin20 | Dialect::Buddy => {
                self.say(&format!("Error:{text}, system stopped! Heater_ID: {name}"));
                self.kill(&format!("echo:{text}"));
            }
            // ThermalStop(): heaters off, lines are dropped, busy until a person has looked.
            Dialect::Prusa311 | Dialect::Prusa314 => {
                let part = if bed { "HEATBED" } else { "HOTEND" };
                self.say(&format!("Error: {part} THERMAL RUNAWAY"));
                self.say("Error:Printer stopped due to errors. Supervision required.");
                self.all_off();
                self.receiver.stopped = true;
                self.busy_until = f64::INFINITY;
            }
            Dialect::Klipper => {
                self.all_off();
                let heater = if bed { "heater_bed" } else { "extruder" };
                self.shut_down(&format!("Heater {heater} not heating at expected rate"));
            }
            // Only that heater goes off; a print that is streamed goes on.
            Dialect::Duet => {
                let heater = if bed { &mut self.bed } else { &mut self.hotend };
                heater.set(0.0);
                let number = u8::from(!bed);
                self.say(&format!(
                    "Error: Heater {number} fault: temperature excursion exceeded 15.0C"
                ));
            }
            Dialect::Repetier => {
                self.all_off();
                self.life = Life::Stopped;
                self.shut_down = "Heater decoupled during hold".into();
                self.repetier_fatal();
            }
        }
        self.note(format!("protection: {text} {name}"));
    }

    pub(super) fn repetier_fatal(&mut self) {
        let text = format!(
            "fatal:{} - Printer stopped and heaters disabled due to this error. Fix error and restart with M999.",
            self.shut_down
        );
        self.say(&text);
    }

    /// M999.
    pub(super) fn restart(&mut self) {
        if self.options.dialect == Dialect::Duet {
            return self.reset("Software Reset");
        }
        self.life = Life::Running;
    }

    /// What a firmware that stopped does with a command; `true` when it is not carried out.
    pub(super) fn refuses(&mut self, text: &str, code: Option<(char, u32)>) -> bool {
        let dialect = self.options.dialect;
        if dialect == Dialect::Klipper && text.ends_with("RESTART") {
            self.reset("Software Reset");
            return true;
        }
        if self.life != Life::Stopped {
            return false;
        }
        match dialect {
            Dialect::Klipper => match code {
                Some(('M', 105)) => self.ok_tail = " T:0".into(),
                Some(('M', 110 | 112)) => {}
                Some(('M', 115)) => return false,
                _ => {
                    let reason = self.shut_down.clone();
                    self.say(&format!("// {reason}"));
                    self.say("// Once the underlying issue is corrected, use the");
                    self.say("// \"FIRMWARE_RESTART\" command to reset the firmware, reload the");
                    self.say("// config, and restart the host software.");
                    self.say("// Printer is shutdown");
                    self.say(&format!("!! {reason}"));
                }
            },
            Dialect::Duet => {
                if matches!(code, Some(('M', 105 | 112 | 115 | 122 | 408 | 409 | 999))) {
                    return false;
                }
                self.say(&format!("Error: {text}: Machine is halted"));
            }
            Dialect::Repetier => {
                if code == Some(('M', 999)) {
                    return false;
                }
            }
            _ if matches!(code, Some(('G', 0..=3))) => self.say(
                "Error:Printer stopped due to errors. Fix the error and use M999 to restart. (Temperature is reset. Set it after restarting)",
            ),
            _ => return false,
        }
        true
    }
}
