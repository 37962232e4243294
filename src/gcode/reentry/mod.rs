//! Re-entry: what is left of a print that was cut off, as a program of its own.
//!
//! In:    the released file and its hash, the printer, where to begin and where the head stands.
//! Out:   a sealed file that names the released one; [`super::Checker::re_entry`] proves it, a person releases it anew.
//! Holds: the lines from layer K on are those of the released file, byte for byte; before them the head goes up, homes X
//!        and Y alone, heats and primes beside the part, and comes down on layer K from above what is printed.
//! Never: homes Z (the part stands where the head would go), begins within a layer, trusts a height that nobody measured.
//!
//! The seam costs strength and shows: layer K is bonded to a cold surface, and what of it was made before the cut is made
//! again on top of itself.

use super::dialect::Dialect;
use super::grammar::{Command, GrammarError, commands, strip};
use super::motion::{Machine, MotionError, Move, moves};
use super::profile::Printer;
use super::seal::{MAKER, seal};
use std::fmt::Write as _;

mod header;
#[cfg(test)]
mod tests;

pub use header::Header;

/// The head goes up by so much before it moves across, and comes down from so much above, mm.
const LIFT_MM: f64 = 5.0;
/// The nozzle is kept so much below its target until it is beside the part: it would ooze.
const STANDBY_K: f64 = 60.0;
/// Filament pushed beside the part, mm; at most what a standing nozzle may push.
const PRIME_MM: f64 = 10.0;
/// Speed of the priming, mm/s of filament.
const PRIME_MM_S: f64 = 2.0;
/// Least distance of the priming from the part, mm.
pub(super) const ASIDE_MM: f64 = 10.0;
/// Fastest way down onto the part, mm/s.
const DOWN_MM_S: f64 = 5.0;
/// Distance of the priming from the bed's edge, mm.
const EDGE_MM: f64 = 5.0;

/// Where and how a print goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// The first layer that is made (again), from 2.
    pub layer: usize,
    /// Height of the nozzle over the bed as it stands now, mm: from the journal, confirmed by a person.
    pub head_z_mm: f64,
}

/// Why there is no re-entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReEntryError {
    /// No such layer, or the first one.
    #[error(
        "layer {layer} can not be begun: the file has layers 2 to {last}. Print it from the start."
    )]
    NoLayer {
        /// Asked for.
        layer: usize,
        /// The last one.
        last: usize,
    },
    /// The file has no marks of layers.
    #[error("the file does not say where its layers begin. Print it from the start.")]
    NoMarks,
    /// The firmware can not be told where Z is.
    #[error(
        "{0} can not be told by the file where Z stands without homing it. Print it from the start."
    )]
    Firmware(&'static str),
    /// The head can not be where it is said to be.
    #[error(
        "the head is said to stand at Z {head} mm, while the part is {top} mm high. Measure again."
    )]
    HeadTooLow {
        /// Said.
        head: String,
        /// Printed.
        top: String,
    },
    /// The part leaves no free corner.
    #[error("the part leaves no free corner of the bed to prime in. Print it from the start.")]
    NoRoom,
    /// The file can not be followed.
    #[error("line {0}: {1}")]
    Motion(usize, MotionError),
    /// A line is no command.
    #[error("line {0}: {1}")]
    Grammar(usize, GrammarError),
}

/// What the file has set up when a layer begins.
#[derive(Debug)]
struct State {
    machine: Machine,
    /// Modal settings of motion, in the file's order.
    settings: Vec<String>,
    fan: Option<String>,
    hotend_c: f64,
    bed_c: f64,
    /// How far the filament is pulled back, mm.
    pulled_mm: f64,
    /// Highest Z of an extrusion, mm.
    top_mm: f64,
}

/// Lines (from 0) at which layers begin: `;LAYER_CHANGE`.
fn layer_lines(text: &str) -> Vec<usize> {
    let marks = text.lines().enumerate();
    marks
        .filter(|(_, line)| line.trim_start().starts_with(";LAYER_CHANGE"))
        .map(|(at, _)| at)
        .collect()
}

/// Makes the program that goes on at a layer's start.
///
/// # Errors
/// [`ReEntryError`] when this print can not be gone on with.
pub fn reentry(
    text: &str,
    sha256: &str,
    printer: &Printer,
    plan: Plan,
) -> Result<String, ReEntryError> {
    if printer.dialect == Dialect::Klipper {
        return Err(ReEntryError::Firmware(printer.dialect.facts().title));
    }
    let marks = layer_lines(text);
    if marks.is_empty() {
        return Err(ReEntryError::NoMarks);
    }
    let Some(&mark) = marks
        .get(plan.layer.wrapping_sub(1))
        .filter(|_| plan.layer > 1)
    else {
        return Err(ReEntryError::NoLayer {
            layer: plan.layer,
            last: marks.len(),
        });
    };
    let state = state_before(text, mark + 1, printer)?;
    if plan.head_z_mm + 0.8 * printer.nozzle_mm < state.top_mm {
        return Err(ReEntryError::HeadTooLow {
            head: format!("{:.2}", plan.head_z_mm),
            top: format!("{:.2}", state.top_mm),
        });
    }
    let all = moves(text).map_err(|(line, e)| ReEntryError::Motion(line, e))?;
    let corner = free_corner(&all, printer).ok_or(ReEntryError::NoRoom)?;
    let start = first_stroke(&all, mark + 1, &state);
    let header = Header {
        sha256: sha256.to_owned(),
        layer: plan.layer,
        printed_mm: state.top_mm,
    };
    let mut body = format!("{MAKER} {}\n{header}\n", env!("CARGO_PKG_VERSION"));
    preamble(&mut body, &state, plan, printer, corner, start);
    for line in text.lines().skip(mark) {
        if !line.starts_with("; end of calvaria") {
            body.push_str(line);
            body.push('\n');
        }
    }
    let end = seal(&body);
    Ok(body + &end)
}

/// Follows the file up to (not including) a line, from 1.
fn state_before(text: &str, end: usize, printer: &Printer) -> Result<State, ReEntryError> {
    let mut state = State {
        machine: Machine::of(printer.dialect),
        settings: Vec::new(),
        fan: None,
        hotend_c: 0.0,
        bed_c: 0.0,
        pulled_mm: 0.0,
        top_mm: 0.0,
    };
    let mut peak_nm = 0;
    for (line, command) in commands(text).take_while(|(line, _)| *line < end) {
        let command = command.map_err(|e| ReEntryError::Grammar(line, e))?;
        let effect = (state.machine)
            .apply(line, &command)
            .map_err(|e| ReEntryError::Motion(line, e))?;
        if let super::motion::Effect::Move(one) = effect
            && one.to_nm[3] > peak_nm
        {
            peak_nm = one.to_nm[3];
            if one.length_mm() > 0.0 {
                state.top_mm = state.top_mm.max(one.to_mm()[2]);
            }
        }
        state.remember(&command, printer);
    }
    state.pulled_mm = (peak_nm - state.machine.at_nm()[3]) as f64 * 1e-6;
    Ok(state)
}

impl State {
    fn remember(&mut self, command: &Command, printer: &Printer) {
        if let Some(order) = printer.dialect.heat_order(command) {
            let target = match order.heater {
                super::dialect::HeaterName::Hotend => &mut self.hotend_c,
                super::dialect::HeaterName::Bed => &mut self.bed_c,
            };
            *target = order.target_c.unwrap_or(*target);
            return;
        }
        match (command.letter, command.number) {
            ('M', 106 | 107) => self.fan = Some(command.to_string()),
            ('M', 201 | 203..=205 | 220 | 221 | 900) | ('G', 21) | ('T', 0) => {
                self.settings.push(command.to_string());
            }
            _ => {}
        }
    }
}

/// Where the first extrusion of the layer begins: X and Y.
fn first_stroke(all: &[Move], mark: usize, state: &State) -> [f64; 2] {
    let first = all
        .iter()
        .find(|m| m.line > mark && m.length_mm() > 0.0 && m.filament_mm() > 0.0);
    let at = first.map_or(
        state.machine.at_nm().map(|v| v as f64 * 1e-6),
        Move::from_mm,
    );
    [at[0], at[1]]
}

/// The corner of the bed that lies furthest from everything that is extruded.
fn free_corner(all: &[Move], printer: &Printer) -> Option<[f64; 2]> {
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    let marked = all
        .iter()
        .filter(|m| m.filament_mm() > 0.0 && m.length_mm() > 0.0);
    for at in marked.flat_map(|m| [m.from_mm(), m.to_mm()]) {
        for axis in 0..2 {
            low[axis] = low[axis].min(at[axis]);
            high[axis] = high[axis].max(at[axis]);
        }
    }
    let far = [printer.bed_mm[0] - EDGE_MM, printer.bed_mm[1] - EDGE_MM];
    let corners = [
        [EDGE_MM, EDGE_MM],
        [far[0], EDGE_MM],
        [EDGE_MM, far[1]],
        far,
    ];
    let distance = |at: &[f64; 2]| {
        let gap = |axis: usize| (low[axis] - at[axis]).max(at[axis] - high[axis]).max(0.0);
        gap(0).hypot(gap(1))
    };
    corners
        .into_iter()
        .filter(|at| distance(at) >= ASIDE_MM)
        .max_by(|a, b| distance(a).total_cmp(&distance(b)))
}

fn preamble(
    body: &mut String,
    state: &State,
    plan: Plan,
    printer: &Printer,
    corner: [f64; 2],
    start: [f64; 2],
) {
    let limits = &printer.limits;
    let (travel, up) = (
        6000.0_f64.min(60.0 * limits.feed_mm_s.x.min(limits.feed_mm_s.y)),
        600.0_f64.min(60.0 * limits.feed_mm_s.z),
    );
    let safe = (plan.head_z_mm.max(state.top_mm) + LIFT_MM).min(printer.height_mm);
    let standby = (state.hotend_c - STANDBY_K).max(0.0);
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing to a string does not fail.
        let _ = writeln!(body, "{text}");
    };
    for setting in &state.settings {
        line(format_args!("{setting}"));
    }
    // A cold nozzle is stuck to the part: it is warmed before it goes up.
    line(format_args!("M107\nM190 S{}\nM109 S{standby}", state.bed_c));
    line(format_args!("G90\nM83\nG92 Z{:.3}", plan.head_z_mm));
    line(format_args!("G1 Z{safe:.3} F{up}\nG28 X Y"));
    line(format_args!(
        "G0 X{:.3} Y{:.3} F{travel}",
        corner[0], corner[1]
    ));
    line(format_args!("M109 S{}\nG92 E0", state.hotend_c));
    line(format_args!("G1 E{PRIME_MM:.2} F{}", PRIME_MM_S * 60.0));
    if state.pulled_mm > 0.0 {
        line(format_args!("G1 E-{:.5} F1200", state.pulled_mm));
    }
    if let Some(fan) = &state.fan {
        line(format_args!("{fan}"));
    }
    line(format_args!(
        "G0 X{:.3} Y{:.3} F{travel}",
        start[0], start[1]
    ));
    let down = (DOWN_MM_S * 60.0).min(up);
    line(format_args!("G1 Z{:.3} F{down}", state.top_mm + 1.0));
    // The modes and the count of E as the file has them here.
    let [relative, _, _, e_relative] = state.machine.relative();
    line(format_args!("{}", if relative { "G91" } else { "G90" }));
    line(format_args!("{}", if e_relative { "M83" } else { "M82" }));
    let e = state.machine.file_nm()[3] as f64 * 1e-6;
    line(format_args!("G92 E{e:.5}"));
    line(format_args!("G1 F{:.0}", state.machine.feed_mm_s() * 60.0));
}

/// A stripped copy of the lines that both files share, for the proof that nothing was changed.
pub fn same_from_layer(released: &str, entry: &str, layer: usize) -> bool {
    let tail = |text: &str, at: usize| -> Option<Vec<String>> {
        let from = *layer_lines(text).get(at)?;
        let lines = text
            .lines()
            .skip(from)
            .filter(|l| !l.starts_with("; end of calvaria"));
        Some(lines.map(|l| strip(l).to_owned()).collect())
    };
    layer > 1 && tail(released, layer - 1).is_some_and(|a| Some(a) == tail(entry, 0))
}
