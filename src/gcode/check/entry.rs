//! What the validator asks of a re-entry, beyond what it asks of every file.
//!
//! Only the lines before the first layer may home, and X and Y alone; they say once where Z stands and move Z not before.
//! Nothing goes below what is printed; the priming lies beside the part; the first layer is the one that was asked for.

use super::{Checker, Violation};
use crate::gcode::grammar::Command;
use crate::gcode::{Header, Move, Printer, reentry::ASIDE_MM};

const NEXT: &str = "Make the re-entry anew from the released file, or print from the start.";

/// What is known of a re-entry while it is read.
#[derive(Debug)]
pub(super) struct Entry {
    layer: usize,
    header: Option<Header>,
    /// The first layer was reached.
    pub(super) in_body: bool,
    /// Z was stated.
    pub(super) stated: bool,
    /// X and Y of what was pushed before the first layer.
    primed_mm: Vec<[f64; 2]>,
    /// X and Y of what the body extrudes: lowest and highest.
    body_mm: Option<([f64; 2], [f64; 2])>,
}

impl<'a> Checker<'a> {
    /// Begins the proof of a re-entry that is to go on at that layer.
    pub fn re_entry(printer: &'a Printer, layer: usize) -> Self {
        Self {
            entry: Some(Entry {
                layer,
                header: None,
                in_body: false,
                stated: false,
                primed_mm: Vec::new(),
                body_mm: None,
            }),
            ..Self::new(printer)
        }
    }

    /// Takes a line's text before its command: the header, the marks of layers.
    pub(super) fn entry_line(&mut self, text: &str) {
        let number = self.checked.lines;
        let Some(entry) = &mut self.entry else { return };
        if text.trim_start().starts_with(";LAYER_CHANGE") {
            entry.in_body = true;
        }
        if number != 2 {
            return;
        }
        match Header::read(text) {
            Some(header) if header.layer == entry.layer => {
                self.printed_nm = (header.printed_mm * 1e6).round() as i64;
                (self.before_nm, self.layer_nm) = (self.printed_nm, self.printed_nm);
                entry.header = Some(header);
            }
            found => {
                let found = found.map_or("none".into(), |h| h.layer.to_string());
                let layer = entry.layer;
                self.violate(
                    "re_entry",
                    format!("the second line does not say that it goes on at layer {layer} (found: {found})"),
                    NEXT,
                );
            }
        }
    }

    /// A `G92 Z` of the preamble: `true` when it was taken.
    pub(super) fn states_z(&mut self, command: &Command) -> bool {
        let printed_nm = self.printed_nm;
        let Some(entry) = &mut self.entry else {
            return false;
        };
        if !command.is('G', 92) || command.words.len() != 1 || !command.has('Z') {
            return false;
        }
        let value = command.value('Z').and_then(|v| v.millionths());
        let reach_nm = (0.8e6 * self.printer.nozzle_mm) as i64;
        let fits = value.is_some_and(|v| v + reach_nm >= printed_nm);
        if entry.in_body || entry.stated || !fits {
            self.violate(
                "re_entry",
                "Z may be stated once, before the first layer, and not below what is printed"
                    .into(),
                NEXT,
            );
            return true;
        }
        entry.stated = true;
        self.machine.stand_z(value.unwrap_or_default());
        true
    }

    /// Homing: X and Y alone, before the first layer.
    pub(super) fn entry_homes(&mut self, axes: [bool; 3]) {
        let Some(entry) = &self.entry else { return };
        if entry.in_body || axes[2] || !entry.stated {
            self.violate(
                "re_entry",
                "a re-entry homes X and Y alone, above the part and before its first layer".into(),
                NEXT,
            );
        }
    }

    /// Where filament is pushed: beside the part before the first layer, which begins where it should.
    pub(super) fn entry_moved(&mut self, one: &Move) {
        let printer = self.printer;
        let printed_nm = self.printed_nm;
        let Some(entry) = &mut self.entry else { return };
        if one.filament_mm() <= 0.0 {
            return;
        }
        if !entry.in_body {
            entry.primed_mm.push([one.to_mm()[0], one.to_mm()[1]]);
            entry.primed_mm.push([one.from_mm()[0], one.from_mm()[1]]);
            return;
        }
        if one.length_mm() <= 0.0 {
            return;
        }
        let first = entry.body_mm.is_none();
        let (low, high) = entry
            .body_mm
            .get_or_insert(([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]));
        for at in [one.from_mm(), one.to_mm()] {
            for axis in 0..2 {
                low[axis] = low[axis].min(at[axis]);
                high[axis] = high[axis].max(at[axis]);
            }
        }
        let rise_nm = one.to_nm[2] - printed_nm;
        if first && !(1..=(0.8e6 * printer.nozzle_mm) as i64).contains(&rise_nm) {
            self.violate(
                "re_entry",
                format!(
                    "the first layer lies {:.3} mm above what is printed, allowed is up to {:.3}",
                    rise_nm as f64 * 1e-6,
                    0.8 * printer.nozzle_mm
                ),
                NEXT,
            );
        }
    }

    pub(super) fn judge_entry(&mut self) {
        let Some(entry) = &self.entry else { return };
        let missing = entry.header.is_none() || !entry.stated || !entry.in_body;
        let near = entry.body_mm.is_some_and(|(low, high)| {
            entry
                .primed_mm
                .iter()
                .any(|at| (0..2).all(|a| at[a] > low[a] - ASIDE_MM && at[a] < high[a] + ASIDE_MM))
        });
        if missing {
            self.violate(
                "re_entry",
                "it does not say what it goes on with, where Z stands, or where its layer begins"
                    .into(),
                NEXT,
            );
        } else if near {
            self.violate("re_entry", "it primes on the part".into(), NEXT);
        }
    }
}

/// Proves a re-entry that goes on at `layer`.
///
/// # Errors
/// As [`super::check`].
pub fn check_from_layer(
    bytes: &[u8],
    printer: &Printer,
    layer: usize,
) -> Result<super::Checked, Vec<Violation>> {
    let mut checker = Checker::re_entry(printer, layer);
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        if !checker.line(line) {
            break;
        }
    }
    checker.finish()
}
