//! Plan: a released file as Klipper reads it from its own disk: by bytes.
//!
//! In:    a path, the SHA-256 that was released, the profile.
//! Out:   the bytes that are uploaded, and for each place in them which line that is and where the head stands there.
//! Holds: hash, seal and validator are asked here, on the very bytes that are uploaded.
//! Never: sends; changes a byte.
//!
//! Klipper's `file_position` counts each line with its line end, once the line was carried out. What stands behind the last
//! line end it never carries out, so a file without one there is refused.

use super::super::conductor::tracker::Tracker;
use super::super::program::{self, Foreign, Line, Program};
use crate::gcode::{Effect, Machine, Printer, commands};
use crate::status::Finding;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// `filament_used` may be behind by what was read in the last moments: Klipper sums it when somebody asks, and reads at
/// most 2 s of moves ahead, s of planned time.
const TAIL_S: f64 = 10.0;
/// What the filament may differ beyond that: rounding, and share of the whole.
const FILAMENT_MM: f64 = 0.5;
const FILAMENT_SHARE: f64 = 0.005;
/// So much of the whole more when the flow was tuned: Klipper divides what was pushed since somebody asked last by the factor
/// that is in force now.
const FILAMENT_TUNED_SHARE: f64 = 0.02;

/// A checked file, ready to be uploaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The very bytes that were hashed and proved.
    pub bytes: Arc<[u8]>,
    /// Their SHA-256, lower-case hex.
    pub sha256: String,
    /// Its lines, with layers and planned time.
    pub program: Program,
    /// Bytes of the file up to the end of each line.
    ends: Vec<u32>,
    /// Where the head stands behind each line, mm, the file's coordinates; NaN where it is not known.
    at: Vec<[f32; 3]>,
    /// Targets of nozzle and bed, C: from which line on.
    heat: Vec<(usize, [f64; 2])>,
    /// X, Y, Z, E at the end.
    end: [f64; 4],
    /// Filament at the end: least and most that Klipper may say, mm, without a tolerance.
    filament_mm: [f64; 2],
    /// Its commands, e.g. `G1`.
    words: BTreeSet<String>,
    /// Lines up to the last one that homes or levels before filament is pushed.
    levelled: usize,
}

impl Plan {
    /// Reads, hashes, proves and prepares a file.
    ///
    /// # Errors
    /// As [`program::load`], and for a file whose last line Klipper would leave out.
    pub fn load(path: &Path, sha256: &str, printer: &Printer) -> Result<Self, Finding> {
        let bytes = program::released(path, sha256)?;
        let program = Program::judged(&bytes, printer, Foreign::Refused)?;
        Self::of(bytes, program, printer)
    }

    /// Of bytes that were proved, and of the program that was made of them.
    ///
    /// # Errors
    /// As [`Plan::load`].
    pub fn of(bytes: Vec<u8>, program: Program, printer: &Printer) -> Result<Self, Finding> {
        let refused = |text: String| {
            let text =
                format!("The link's own check refuses the G-code: {text} Nothing was printed.");
            Finding::refuse("gcode_refused", text)
        };
        if bytes.last() != Some(&b'\n') {
            return Err(refused("its last line has no line end.".into()));
        }
        let text = std::str::from_utf8(&bytes).map_err(|e| refused(e.to_string()))?;
        let mut machine = Machine::of(printer.dialect);
        let mut tracker = Tracker::default();
        let line_ends: Vec<usize> = line_ends(text).collect();
        let (mut line, mut end) = (0, 0);
        let (mut ends, mut at, mut words) = (Vec::new(), Vec::new(), BTreeSet::new());
        let mut heat = vec![(0, [0.0; 2])];
        let mut pushed_mm = 0.0;
        let mut levelled = 0;
        let mut tail_mm = [f64::INFINITY, f64::NEG_INFINITY];
        for (index, (number, command)) in commands(text).enumerate() {
            let command = command.map_err(|e| refused(format!("line {number}: {e}")))?;
            let effect = machine
                .apply(number, &command)
                .map_err(|e| refused(format!("line {number}: {e}")))?;
            while line < number {
                end = line_ends.get(line).copied().unwrap_or(bytes.len());
                line += 1;
            }
            ends.push(u32::try_from(end).unwrap_or(u32::MAX));
            words.insert(format!("{}{}", command.letter, command.number));
            let Some(Line { text, done_s, .. }) = program.lines.get(index) else {
                return Err(refused(format!("line {number} was not prepared.")));
            };
            if pushed_mm == 0.0 && matches!(effect, Effect::Home(_) | Effect::Probe) {
                levelled = index + 1;
            }
            let place = tracker.apply(text);
            if heat.last().is_some_and(|(_, c)| *c != tracker.targets_c) {
                heat.push((index + 1, tracker.targets_c));
            }
            at.push([place[0] as f32, place[1] as f32, place[2] as f32]);
            if let Effect::Move(one) = effect {
                pushed_mm += one.delta_mm()[3];
            }
            if *done_s >= program.total_s - TAIL_S {
                tail_mm = [tail_mm[0].min(pushed_mm), tail_mm[1].max(pushed_mm)];
            }
        }
        Ok(Self {
            sha256: program::hash(&bytes),
            end: tracker.at(),
            filament_mm: tail_mm,
            program,
            ends,
            at,
            heat,
            words,
            levelled,
            bytes: bytes.into(),
        })
    }

    /// Lines that Klipper has carried out when it stands at this place of the file.
    pub(super) fn lines_at(&self, position: u64) -> usize {
        self.ends.partition_point(|end| u64::from(*end) <= position)
    }

    /// Where the head stands behind so many lines, mm; NaN where it is not known.
    pub(super) fn place(&self, lines: usize) -> [f64; 3] {
        lines
            .checked_sub(1)
            .and_then(|at| self.at.get(at))
            .map_or([f64::NAN; 3], |at| at.map(f64::from))
    }

    /// Targets of nozzle and bed behind so many lines, C.
    pub(super) fn heat(&self, lines: usize) -> [f64; 2] {
        let next = self.heat.partition_point(|(from, _)| *from <= lines);
        let last = next.checked_sub(1).and_then(|at| self.heat.get(at));
        last.map_or([0.0; 2], |(_, targets_c)| *targets_c)
    }

    /// Are the lines done that home and level before anything is printed?
    pub(super) fn is_levelled(&self, lines: usize) -> bool {
        lines >= self.levelled
    }

    /// X, Y, Z, E behind the last line, mm; NaN where they are not known.
    pub(super) fn end(&self) -> [f64; 4] {
        self.end
    }

    /// May Klipper say so much filament at the end?
    pub(super) fn fits_filament(&self, used_mm: f64, tuned: bool) -> bool {
        let share = FILAMENT_SHARE + if tuned { FILAMENT_TUNED_SHARE } else { 0.0 };
        let within_mm = FILAMENT_MM + share * self.filament_mm[1].abs();
        (self.filament_mm[0] - within_mm..=self.filament_mm[1] + within_mm).contains(&used_mm)
    }

    /// Most filament at the end, mm.
    pub(super) fn filament_mm(&self) -> f64 {
        self.filament_mm[1]
    }

    /// Commands of the file that are not among `known`, and that make or heat something.
    pub(super) fn unknown_among(&self, known: &BTreeSet<String>) -> Vec<&str> {
        // Klipper itself takes orders to switch off what a printer does not have, and messages.
        const HARMLESS: [&str; 10] = [
            "M73", "M105", "M106", "M107", "M115", "M117", "M118", "M201", "M203", "M205",
        ];
        let missing = self.words.iter().map(String::as_str);
        missing
            .filter(|word| !known.contains(*word) && !HARMLESS.contains(word))
            .collect()
    }
}

/// Where each line ends, in bytes, its line end included.
fn line_ends(text: &str) -> impl Iterator<Item = usize> {
    text.split_inclusive('\n').scan(0, |at, line| {
        *at += line.len();
        Some(*at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Result<Plan, Finding> {
        let printer = Printer::load("voron").unwrap();
        let program = Program::prepare(text, &printer).unwrap();
        Plan::of(text.into(), program, &printer)
    }

    #[test]
    fn a_place_in_the_file_is_a_line_and_a_place_of_the_head() {
        let text =
            "; é\nG28\n\nG90\nM83\nG1 X10 Y5 Z0.3 F600 ; there\nG1 X20 E1.5\nG4 S30\nG1 E-0.5\n";
        let plan = plan(text).unwrap();
        assert_eq!(plan.lines_at(0), 0);
        // The é has two bytes.
        assert_eq!(plan.lines_at(8), 0);
        assert_eq!(plan.lines_at(9), 1);
        assert_eq!(plan.lines_at(text.len() as u64), 7);
        assert!(plan.place(3)[0].is_nan());
        assert!((plan.place(4)[2] - 0.3).abs() < 1e-6);
        assert_eq!(plan.end()[0], 20.0);
        for (used_mm, fits) in [(1.0, true), (1.9, true), (0.3, false), (2.2, false)] {
            assert_eq!(plan.fits_filament(used_mm, false), fits, "{used_mm}");
        }
        let known = ["G28", "G90", "M83"].map(str::to_owned).into();
        assert_eq!(plan.unknown_among(&known), ["G1", "G4"]);
    }

    #[test]
    fn a_last_line_that_klipper_would_leave_out_is_refused() {
        let refused = plan("G28\nG1 X1 F600").unwrap_err();
        assert!(refused.text.contains("no line end"), "{}", refused.text);
    }
}
