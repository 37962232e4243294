//! The validator: proves every command of a file against a printer's limits, or names the lines that break one.
//!
//! In:    the file's bytes and a [`Printer`].
//! Out:   [`Checked`] with the extremes that were reached, or [`Violation`]s with line, limit and what to do.
//! Holds: no move of an accepted file leaves the volume, touches the bed, moves before homing, goes faster,
//!        hotter or melts more than the profile allows, pushes cold filament, drives or homes into what is printed,
//!        moves an axis whose motor was released, lays plastic into the air or where there is no room for it, heaps or
//!        grinds filament in one spot, crawls, waits on the part or for days, stays on the part at the end, or leaves a
//!        heater on; no line is longer than the firmware's buffer; no command is off the allow-list. A file of ours
//!        besides does what the facts under its seal say: layers, widths, filament, temperatures, time.
//! Never: trusts the slicer. The link runs the same function on the released file before the first line.
//! Cost:  one pass, memory that of the bed and of the layers, whatever the number of lines.

use crate::gcode::Printer;
use crate::gcode::dialect::HeaterName;
use crate::gcode::facts::Facts;
use crate::gcode::grammar::{Command, parse, strip, text_of};
use crate::gcode::motion::{Effect, Machine, MotionError};
use crate::gcode::seal::{Seal, Verdict};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Read};

mod allow;
mod bed;
mod entry;
mod held;
mod moves;
mod plastic;
mod still;
pub use entry::check_from_layer;

/// Violations that are told; more say nothing new.
pub const VIOLATIONS_MAX: usize = 20;

/// Longest line that is read at all, with its comment.
pub const LINE_BYTES_MAX: usize = 4096;

/// Most lines of a file.
pub const LINES_MAX: usize = 20_000_000;

/// One broken limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// Line of the file, from 1.
    pub line: usize,
    /// Stable name of the limit, e.g. `outside_volume`.
    pub limit: String,
    /// What is wrong, with the numbers.
    pub text: String,
    /// What to do about it.
    #[serde(rename = "do")]
    pub next: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            line,
            limit,
            text,
            next,
        } = self;
        write!(f, "line {line}: {limit}: {text}. {next}")
    }
}

/// What an accepted file does at most.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// Lines of the file.
    pub lines: usize,
    /// Commands among them.
    pub commands: usize,
    /// Moves among them.
    pub moves: usize,
    /// `true`: made here and whole, by its seal. `false`: made by another slicer, judged by its commands alone.
    pub sealed: bool,
    /// `true`: held against the facts that the slicer sealed; files of earlier versions and re-entries have none.
    #[serde(default)]
    pub held: bool,
    /// Lowest corner of all extrusion, bed mm.
    pub low_mm: [f64; 3],
    /// Highest corner of all extrusion, bed mm.
    pub high_mm: [f64; 3],
    /// Filament pushed, mm.
    pub filament_mm: f64,
    /// Highest hotend target, C.
    pub hotend_c: f64,
    /// Highest bed target, C.
    pub bed_c: f64,
    /// Highest speed of X and Y, mm/s.
    pub speed_mm_s: f64,
    /// Highest flow, mm3/s.
    pub flow_mm3_s: f64,
    /// Thickest line, mm3 per mm.
    pub section_mm2: f64,
    /// Longest line as it goes over the wire, bytes.
    pub line_bytes: usize,
}

/// Proves a whole file.
///
/// # Errors
/// The first [`VIOLATIONS_MAX`] violations, in the file's order.
pub fn check(bytes: &[u8], printer: &Printer) -> Result<Checked, Vec<Violation>> {
    Checker::new(printer).of(bytes)
}

/// Proves a file while it is read, in bounded memory.
///
/// # Errors
/// `Err` when reading fails; `Ok(Err(_))` when the file breaks a limit.
pub fn check_reader(
    reader: impl BufRead,
    printer: &Printer,
) -> std::io::Result<Result<Checked, Vec<Violation>>> {
    Checker::new(printer).read(reader)
}

/// The proof in progress: feed it every line, then ask for the verdict.
#[derive(Debug)]
pub struct Checker<'a> {
    printer: &'a Printer,
    machine: Machine,
    seal: Seal,
    checked: Checked,
    violations: Vec<Violation>,
    /// Hotend temperature that is certain to be reached, C.
    assured_c: f64,
    hotend_target_c: f64,
    bed_target_c: f64,
    chamber_target_c: f64,
    /// Most filament ever pushed, nm: below it a forward push only undoes a retraction.
    peak_nm: i64,
    /// Highest Z of an extrusion, nm.
    printed_nm: i64,
    /// Axes whose motor was switched off after they were homed: where they stand is not known.
    released: [bool; 3],
    /// Filament that was pushed while standing and not yet followed by as much drawn, mm.
    heaped_mm: f64,
    /// Seconds waited since the head last moved.
    waited_s: f64,
    /// Least seconds that all moves and waits take; since it was last told, and from the beginning.
    spent_s: f64,
    all_s: f64,
    /// Cold extrusion is told once per heater command: what follows is the same fault.
    cold_told: bool,
    stopped: bool,
    /// What is known only with a seal is a reason to refuse.
    wants_seal: bool,
    /// Set for a re-entry.
    entry: Option<entry::Entry>,
    /// The slicer's facts while the head of the file is read.
    facts: Option<Facts>,
    /// And from its first command on.
    held: Option<held::Held>,
    /// What lies on the bed.
    bed: bed::Bed,
    /// Z of the layer that is drawn and of the one below, nm.
    layer_nm: i64,
    below_nm: i64,
    /// Highest Z of plastic before this line, nm.
    before_nm: i64,
    /// Axes that stand where homing left them: that place is the printer's, not the file's.
    at_home: [bool; 3],
    /// Plastic was laid; since then it was homed, in that line.
    drawn: bool,
    homed_line: Option<usize>,
    /// Seconds waited on the part, and pulls at one spot.
    on_part_s: f64,
    grinds: still::Grinds,
}

impl<'a> Checker<'a> {
    /// Begins a proof.
    pub fn new(printer: &'a Printer) -> Self {
        Self {
            printer,
            machine: Machine::of(printer.dialect),
            seal: Seal::default(),
            checked: Checked {
                low_mm: [f64::INFINITY; 3],
                high_mm: [f64::NEG_INFINITY; 3],
                ..Checked::default()
            },
            violations: Vec::new(),
            assured_c: 0.0,
            hotend_target_c: 0.0,
            bed_target_c: 0.0,
            chamber_target_c: 0.0,
            peak_nm: 0,
            printed_nm: 0,
            released: [false; 3],
            heaped_mm: 0.0,
            waited_s: 0.0,
            spent_s: 0.0,
            all_s: 0.0,
            cold_told: false,
            stopped: false,
            wants_seal: false,
            entry: None,
            facts: None,
            held: None,
            bed: bed::Bed::new(printer),
            layer_nm: 0,
            below_nm: 0,
            before_nm: 0,
            at_home: [false; 3],
            drawn: false,
            homed_line: None,
            on_part_s: 0.0,
            grinds: still::Grinds::default(),
        }
    }

    /// Refuses a file without a seal: what it should do is not known, so that not all of it can be judged.
    #[must_use]
    pub fn sealed_only(mut self) -> Self {
        self.wants_seal = true;
        self
    }

    /// Takes a whole file and says the verdict.
    ///
    /// # Errors
    /// As [`check`].
    pub fn of(mut self, bytes: &[u8]) -> Result<Checked, Vec<Violation>> {
        for line in bytes.split_inclusive(|&b| b == b'\n') {
            if !self.line(line) {
                break;
            }
        }
        self.finish()
    }

    /// Takes a whole file while it is read, in bounded memory, and says the verdict.
    ///
    /// # Errors
    /// `Err` when reading fails; `Ok(Err(_))` when the file breaks a limit.
    pub fn read(
        mut self,
        mut reader: impl BufRead,
    ) -> std::io::Result<Result<Checked, Vec<Violation>>> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut reader)
                .take(LINE_BYTES_MAX as u64 + 1)
                .read_until(b'\n', &mut line)?;
            if read == 0 || !self.line(&line) {
                return Ok(self.finish());
            }
        }
    }

    /// Takes the next line, with its line end. `false`: enough is wrong, the rest need not be read.
    pub fn line(&mut self, bytes: &[u8]) -> bool {
        if self.stopped {
            return false;
        }
        self.checked.lines += 1;
        self.seal.add(bytes);
        if bytes.len() > LINE_BYTES_MAX || self.checked.lines > LINES_MAX {
            self.violate(
                "line_length",
                format!("a line has more than {LINE_BYTES_MAX} bytes, or the file more than {LINES_MAX} lines"),
                "This is no G-code for this printer; slice the part again.",
            );
            self.stopped = true;
            return false;
        }
        match text_of(bytes).and_then(|text| Ok((text, parse(text)?))) {
            Err(error) => self.violate(
                "grammar",
                format!("the line {error}"),
                "The file is damaged or not for this printer; slice the part again.",
            ),
            Ok((text, command)) => {
                self.entry_line(text);
                self.fact_line(text, command.is_some());
                if let Some(command) = command {
                    self.command(&command, strip(text).len());
                }
            }
        }
        self.stopped = self.violations.len() >= VIOLATIONS_MAX;
        !self.stopped
    }

    fn command(&mut self, command: &Command, bytes: usize) {
        self.checked.commands += 1;
        // N, number, space, star, three digits of checksum.
        let framed = bytes + 6 + self.checked.commands.to_string().len();
        self.checked.line_bytes = self.checked.line_bytes.max(framed);
        let limit = self.printer.link.line_max_bytes.saturating_sub(1);
        if framed > limit {
            self.violate(
                "line_length",
                format!("the line is {framed} bytes on the wire, the firmware takes {limit}"),
                "Shorten it: the firmware drops the rest and asks for the line for ever.",
            );
        }
        if self.states_z(command) {
            return;
        }
        if let Err(denied) = allow::judge(command, self.printer) {
            self.violate(denied.limit, denied.text, denied.next);
            return;
        }
        self.heat(command);
        self.release(command);
        let from_nm = self.machine.at_nm();
        let was_homed = self.machine.homed();
        match self.machine.apply(self.checked.lines, command) {
            Ok(Effect::Move(one)) => {
                self.entry_moved(&one);
                self.moved(&one);
            }
            Ok(Effect::Home(axes)) => {
                self.entry_homes(axes);
                self.homes(axes, from_nm[2]);
                self.at_home = [0, 1, 2].map(|a| self.at_home[a] || axes[a]);
                if self.drawn {
                    self.homed_line = self.homed_line.or(Some(self.checked.lines));
                }
            }
            Ok(Effect::Probe) => self.probes(command, was_homed),
            Ok(Effect::Dwell(seconds)) => self.waits(seconds),
            Ok(Effect::None) => {}
            Err(error @ MotionError::TooLarge(_)) => self.violate(
                "outside_volume",
                error.to_string(),
                "Slice the part again; the file is damaged.",
            ),
            Err(error) => self.violate(
                "unknown_command",
                error.to_string(),
                "Slice the part again for this printer.",
            ),
        }
    }

    /// Follows what the heaters are told, as this printer's firmware understands it: `M104 R0` turns nothing off on
    /// Marlin, `M109 R200` turns off on Klipper.
    fn heat(&mut self, command: &Command) {
        if command.is('M', 141) || command.is('M', 191) {
            self.chamber_target_c = command.value('S').map_or(0.0, |target| target.value());
            return;
        }
        let Some(order) = self.printer.dialect.heat_order(command) else {
            return;
        };
        let Some(target) = order.target_c else {
            return;
        };
        match order.heater {
            HeaterName::Bed => self.bed_target_c = target,
            HeaterName::Hotend => {
                self.cold_told = false;
                self.hotend_target_c = target;
                // Not waited for: a higher target promises nothing, a lower one takes away.
                self.assured_c = if order.waits {
                    target
                } else {
                    self.assured_c.min(target)
                };
            }
        }
        self.checked.hotend_c = self.checked.hotend_c.max(self.hotend_target_c);
        self.checked.bed_c = self.checked.bed_c.max(self.bed_target_c);
        self.held_heat();
    }

    fn violate(&mut self, limit: &str, text: String, next: &str) {
        self.violate_at(self.checked.lines, limit, text, next);
    }

    /// Tells a fault of an earlier line.
    fn violate_at(&mut self, line: usize, limit: &str, text: String, next: &str) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(Violation {
                line,
                limit: limit.into(),
                text,
                next: next.into(),
            });
        }
    }

    /// The verdict, after the last line.
    ///
    /// # Errors
    /// All violations found, in the file's order.
    pub fn finish(mut self) -> Result<Checked, Vec<Violation>> {
        if !self.stopped {
            self.judge_end();
        }
        if self.violations.is_empty() {
            Ok(self.checked)
        } else {
            self.violations.sort_by_key(|v| v.line);
            Err(self.violations)
        }
    }

    fn judge_end(&mut self) {
        for (name, target) in [
            ("hotend", self.hotend_target_c),
            ("bed", self.bed_target_c),
            ("chamber", self.chamber_target_c),
        ] {
            if target > 0.0 {
                self.violate(
                    "heaters_off",
                    format!("the file ends with the {name} at {target} C"),
                    "The end code is missing or the file is cut; slice the part again.",
                );
            }
        }
        if self.checked.filament_mm <= 0.0 {
            self.violate(
                "empty",
                "the file prints nothing".into(),
                "Slice the part again; the file is empty or cut.",
            );
        }
        self.judge_entry();
        self.parked();
        self.held_end(self.printer);
        self.checked.held = self.held.is_some();
        match self.seal.verdict() {
            Verdict::Whole => self.checked.sealed = true,
            Verdict::Foreign if self.wants_seal => self.violate(
                "no_seal",
                "the file was not made here: whether it makes all layers at their places, with as much plastic and as \
                 hot as the part and the material want, can not be judged"
                    .into(),
                "Slice the part with `calvaria slice`; `calvaria check --unsealed` judges the rest alone, and no machine is given such a file.",
            ),
            Verdict::Foreign => {}
            Verdict::Cut => self.violate(
                "cut_file",
                "the file's last line is missing".into(),
                "The file is cut; copy it again or slice the part again.",
            ),
            Verdict::Changed => self.violate(
                "changed_file",
                "the file is not as it was written: its count or checksum differ".into(),
                "Copy it again or slice the part again.",
            ),
        }
    }
}

#[cfg(test)]
mod tests;
