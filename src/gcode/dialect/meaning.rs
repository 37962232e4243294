//! Meaning: what a command does to heaters and to the extruder's mode, and what an error text means.

use super::Dialect;
use super::facts::{ErrorClass, RelativeE};
use crate::gcode::grammar::Command;
use crate::gcode::number::Number;

/// Which heater.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaterName {
    /// The nozzle's.
    Hotend,
    /// The bed's.
    Bed,
}

/// What a command orders a heater.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeatOrder {
    /// Which one.
    pub heater: HeaterName,
    /// The new target, C; `None`: it stays as it is, whatever the command says.
    pub target_c: Option<f64>,
    /// M109, M190.
    pub waits: bool,
}

/// The extruder's mode, as a firmware keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtruderMode {
    /// G91 is in force.
    axes: bool,
    /// M83 is in force.
    own: bool,
    /// The last of the four words asked for relative.
    last: bool,
}

impl ExtruderMode {
    /// After power-on: everything absolute.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a command; others than G90, G91, M82 and M83 change nothing.
    pub fn apply(&mut self, command: &Command) {
        match (command.letter, command.number, command.sub) {
            ('G', 90, None) => (self.axes, self.last) = (false, false),
            ('G', 91, None) => (self.axes, self.last) = (true, true),
            ('M', 82, None) => (self.own, self.last) = (false, false),
            ('M', 83, None) => (self.own, self.last) = (true, true),
            _ => {}
        }
    }

    /// Is E relative on that firmware? `None` where its version or mode decides.
    pub fn is_relative(&self, dialect: Dialect) -> Option<bool> {
        let by_last = self.last;
        match dialect.facts().relative_e {
            RelativeE::LastWord => Some(by_last),
            RelativeE::OwnSwitch => Some(self.own),
            RelativeE::Either => Some(self.own || self.axes),
            RelativeE::ByMode => (by_last == self.own).then_some(self.own),
        }
    }

    /// What M82 or M83 said last.
    pub fn says_relative(&self) -> bool {
        self.own
    }

    /// Do all six families agree on it? A file that may go to any of them says M82 or M83 behind each G90 and G91, and
    /// pushes nothing under G91 with M82.
    pub fn is_plain(&self) -> bool {
        self.last == self.own && (self.own || !self.axes)
    }
}

impl Dialect {
    /// What M104, M109, M140 or M190 orders; `None` for other commands.
    pub fn heat_order(self, command: &Command) -> Option<HeatOrder> {
        let heating = &self.facts().heating;
        if command.letter != 'M' || command.sub.is_some() {
            return None;
        }
        let (heater, waits, letters) = match command.number {
            104 => (HeaterName::Hotend, false, heating.set_hotend),
            109 => (HeaterName::Hotend, true, heating.wait),
            140 => (HeaterName::Bed, false, heating.set_bed),
            190 => (HeaterName::Bed, true, heating.wait),
            _ => return None,
        };
        let said = letters.iter().find_map(|&letter| command.value(letter));
        let target_c = said
            .map(Number::value)
            .or(heating.missing_is_zero.then_some(0.0));
        Some(HeatOrder {
            heater,
            target_c,
            waits,
        })
    }

    /// Does the command switch a heater off, and which?
    pub fn turns_off(self, command: &Command) -> Option<HeaterName> {
        self.heat_order(command)
            .filter(|order| order.target_c.is_some_and(|c| c <= 0.0))
            .map(|order| order.heater)
    }

    /// The class of what the printer said; `None` when the line is no error of this family.
    pub fn error_class(self, line: &str) -> Option<ErrorClass> {
        let facts = self.facts();
        let lower = line.trim().to_ascii_lowercase();
        let is_error = facts.error_words.iter().any(|word| lower.starts_with(word));
        let named = facts
            .errors
            .iter()
            .find(|(text, _)| lower.contains(text))
            .map(|(_, class)| *class);
        if is_error {
            return Some(named.unwrap_or(facts.other_error));
        }
        // Said without the word: a halt must not be missed because of one damaged byte at the line's start.
        let loud = ["halted", "kill() called", "m112 shutdown", "system stopped"];
        (loud.iter().any(|text| lower.contains(text)) && !lower.starts_with("//"))
            .then_some(named.unwrap_or(ErrorClass::Halted))
    }
}
