//! Program: a released file becomes lines for the wire, each with its planned time, layer and kind.
//!
//! In:    a path, the SHA-256 that was released, the profile.
//! Out:   a [`Program`], or a [`Finding`] that says why this file is not printed.
//! Holds: hash and validator are asked here, on the very bytes that are sent: nothing is read from disk afterwards.
//! Never: sends; changes a command (only comments, blanks and line ends go).

use super::line::frame_for;
use super::reentry::Entry;
use super::transport::Class;
use crate::gcode::{Checker, Command, Effect, MAKER, Machine, Printer, commands, durations, strip};
use crate::status::Finding;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::Path;

/// Largest file that is taken, bytes.
pub const FILE_BYTES_MAX: u64 = 512 << 20;

/// Longest name of a machine that is repeated in words.
const NAME_MAX: usize = 60;

/// Line number of the longest line with which framing is tried beforehand.
const NUMBER_MAX: u64 = 99_999_999;

/// One line as it goes over the wire, without number and checksum.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The command.
    pub text: Box<str>,
    /// How long its `ok` may take.
    pub class: Class,
    /// Layer, from 1; 0 before the first.
    pub layer: u32,
    /// Planned time from the start to the end of this line, s.
    pub done_s: f64,
    /// The head leaves the part: a good place to hold.
    pub travel: bool,
    /// Way of the nozzle over the bed while filament is pushed, mm.
    pub drawn_mm: f32,
}

/// A checked file, ready to be sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// The lines.
    pub lines: Vec<Line>,
    /// Planned time, s.
    pub total_s: f64,
    /// Layers.
    pub layers: u32,
    /// Set for a re-entry: what must be true before its first line.
    pub entry: Option<Entry>,
}

/// Reads, hashes, proves and prepares a file.
///
/// # Errors
/// A [`Finding`] of severity refuse: not readable, another hash than the released one, or a broken limit.
pub fn load(
    path: &Path,
    sha256: &str,
    printer: &Printer,
    foreign: Foreign,
) -> Result<Program, Finding> {
    let bytes = released(path, sha256)?;
    Program::judged(&bytes, printer, foreign)
}

/// The bytes of a file, if they are those that were released.
pub(super) fn released(path: &Path, sha256: &str) -> Result<Vec<u8>, Finding> {
    let unreadable = |text: String| {
        Finding::refuse(
            "gcode_unreadable",
            format!("The G-code can not be read: {text}. Nothing was printed; release it again."),
        )
    };
    let size = std::fs::metadata(path)
        .map_err(|e| unreadable(e.to_string()))?
        .len();
    if size > FILE_BYTES_MAX {
        return Err(unreadable("it is too large".into()));
    }
    let bytes = std::fs::read(path).map_err(|e| unreadable(e.to_string()))?;
    if !hash(&bytes).eq_ignore_ascii_case(sha256) {
        return Err(Finding::refuse(
            "gcode_changed",
            "The G-code is not the file that was released. Nothing was printed; design the case again.",
        ));
    }
    Ok(bytes)
}

/// SHA-256, lower-case hex.
pub(super) fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// What is done with a file without a seal: what it should make is not known, its commands alone can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// It is never printed: there may be a machine behind the port.
    Refused,
    /// The port is a pseudo-terminal: a virtual printer or a test bench, where nothing is made.
    Judged,
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Program {
    /// Proves bytes with the validator and prepares them. A file without a seal is refused.
    ///
    /// # Errors
    /// A [`Finding`] naming the machine that it was sliced for, or the first line and limit that is broken.
    pub fn read(bytes: &[u8], printer: &Printer) -> Result<Self, Finding> {
        Self::judged(bytes, printer, Foreign::Refused)
    }

    /// The same, with a file without a seal as it is said.
    pub(super) fn judged(
        bytes: &[u8],
        printer: &Printer,
        foreign: Foreign,
    ) -> Result<Self, Finding> {
        // First: what another machine may do breaks limits of this one, and the machine is the reason.
        if let Some(other) = sliced_for(bytes).filter(|name| *name != printer.name.as_bytes()) {
            return Err(other_machine(other, printer));
        }
        let proof = match foreign {
            Foreign::Refused => Checker::new(printer).sealed_only(),
            Foreign::Judged => Checker::new(printer),
        };
        proof.of(bytes).map_err(|violations| {
            let first = violations.first().map(ToString::to_string);
            refused(&first.unwrap_or_default())
        })?;
        let text = std::str::from_utf8(bytes).map_err(|e| refused(&e.to_string()))?;
        Self::prepare(text, printer)
    }

    /// Prepares a text without asking the validator: for tests of the wire alone.
    ///
    /// # Errors
    /// A [`Finding`] when a line can not be read, followed or framed.
    pub fn prepare(text: &str, printer: &Printer) -> Result<Self, Finding> {
        let timed = durations(text, printer)
            .map_err(|(line, error)| refused(&format!("line {line}: {error}")))?;
        let mut seconds = vec![0.0; text.lines().count() + 1];
        for one in timed {
            seconds[one.line] += one.seconds;
        }
        let numbering = &printer.dialect.facts().numbering;
        let mut machine = Machine::of(printer.dialect);
        let mut program = Self::default();
        let mut marks = LayerMarks::default();
        let mut sources = text.lines();
        let mut read_to = 0;
        for (number, command) in commands(text) {
            let mut source = "";
            while read_to < number {
                source = sources.next().unwrap_or_default();
                read_to += 1;
                marks.line(source);
            }
            let command = command.map_err(|e| refused(&format!("line {number}: {e}")))?;
            let effect = machine
                .apply(number, &command)
                .map_err(|e| refused(&format!("line {number}: {e}")))?;
            let text = strip(source);
            frame_for(numbering, NUMBER_MAX, text, printer.link.line_max_bytes)
                .map_err(|e| refused(&format!("line {number}: {e}")))?;
            program.total_s += seconds[number];
            program.lines.push(Line {
                class: class(&command, &effect, seconds[number]),
                layer: marks.layer(&effect),
                done_s: program.total_s,
                travel: matches!(&effect, Effect::Move(one) if one.length_mm() > 0.5 && one.filament_mm() <= 0.0),
                drawn_mm: drawn_mm(&effect),
                text: text.into(),
            });
        }
        program.layers = program.lines.last().map_or(0, |line| line.layer);
        Ok(program)
    }
}

fn refused(text: &str) -> Finding {
    Finding::refuse(
        "gcode_refused",
        format!("The link's own check refuses the G-code: {text} Nothing was printed."),
    )
}

/// The machine that the head of a file of ours names; a file of another slicer is judged by its commands alone.
fn sliced_for(bytes: &[u8]) -> Option<&[u8]> {
    let mut head = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    head.next()
        .filter(|line| line.starts_with(MAKER.as_bytes()))?;
    head.take_while(|line| line.is_empty() || line.starts_with(b";"))
        .find_map(|line| line.strip_prefix(b"; printer = "))
}

fn other_machine(name: &[u8], printer: &Printer) -> Finding {
    let name: String = String::from_utf8_lossy(name)
        .chars()
        .take(NAME_MAX)
        .collect();
    let text = format!(
        "The part was sliced for the printer {name}, and this one is {}. Nothing was printed; drop the scan again, then it is designed for this one.",
        printer.name
    );
    Finding::refuse("other_machine", text)
}

fn drawn_mm(effect: &Effect) -> f32 {
    match effect {
        Effect::Move(one) if one.filament_mm() > 0.0 => one.length_mm() as f32,
        _ => 0.0,
    }
}

fn class(command: &Command, effect: &Effect, seconds: f64) -> Class {
    let ms = (seconds * 1000.0).clamp(0.0, 3.6e6) as u32;
    match effect {
        Effect::Move(_) => return Class::Move(ms),
        Effect::Home(_) => return Class::Home,
        Effect::Probe => return Class::Probe,
        Effect::Dwell(_) => return Class::Dwell(ms),
        Effect::None => {}
    }
    match (command.letter, command.number) {
        ('M', 109 | 190 | 191) => Class::Heat,
        ('M', 400) => Class::Drain,
        ('M', 0 | 1 | 226 | 600) => Class::Person,
        _ => Class::Setting,
    }
}

/// Counts layers: by the slicer's marks where there are any, else by Z of extruding moves.
#[derive(Debug, Default)]
struct LayerMarks {
    marked: u32,
    by_z: u32,
    z_nm: i64,
}

impl LayerMarks {
    fn line(&mut self, source: &str) {
        let comment = source.trim_start();
        if comment.starts_with(";LAYER_CHANGE") || comment.starts_with(";LAYER:") {
            self.marked += 1;
        }
    }
    fn layer(&mut self, effect: &Effect) -> u32 {
        if let Effect::Move(one) = effect
            && one.filament_mm() > 0.0
            && one.length_mm() > 0.0
            && one.to_nm[2] > self.z_nm
        {
            self.z_nm = one.to_nm[2];
            self.by_z += 1;
        }
        if self.marked > 0 {
            self.marked
        } else {
            self.by_z
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printer() -> Printer {
        Printer::load("virtual").unwrap()
    }

    const BODY: &str = "M140 S60\nM104 S150\nG28\nM190 S60\nM109 S215\nG90\nM83\nG92 E0\nG1 Z0.3 F600\n\
                        G1 X50 Y50 F6000\nG1 X60 E0.3 F1800\nM107\nM104 S0\nM140 S0\nG1 X10 Y200 F6000\nM84\n";

    fn sealed(head: &str) -> String {
        let text = format!("{MAKER} 0\n{head}{BODY}");
        let seal = crate::gcode::seal(&text);
        text + &seal
    }

    #[test]
    fn comments_and_blank_lines_are_not_sent() {
        let text = "; head\r\n\r\nG28 ; home\r\nM83\r\nG1 X10 F600\n;LAYER_CHANGE\n  \nG1 X20 E1";
        let program = Program::prepare(text, &printer()).unwrap();
        let lines: Vec<&str> = program.lines.iter().map(|l| &*l.text).collect();
        assert_eq!(lines, ["G28", "M83", "G1 X10 F600", "G1 X20 E1"]);
        assert_eq!(program.lines[0].class, Class::Home);
        assert!(program.lines[2].travel && !program.lines[3].travel);
        assert_eq!((program.lines[2].layer, program.lines[3].layer), (0, 1));
        // 10 mm at 10 mm/s after homing.
        let move_s = program.lines[2].done_s - program.lines[1].done_s;
        assert!((1.0..1.2).contains(&move_s), "{move_s}");
    }

    #[test]
    fn pitfall_08_an_overlong_line_is_refused_before_the_first_line() {
        let text = format!("G28\nM117 {}\n", "x".repeat(96));
        let finding = Program::prepare(&text, &printer()).unwrap_err();
        assert!(finding.text.contains("line 2"), "{}", finding.text);
    }

    #[test]
    fn a_part_that_was_sliced_for_another_machine_is_refused_by_name() {
        let read = |text: &str| Program::read(text.as_bytes(), &printer()).map(drop);
        assert_eq!(read(&sealed("; printer = virtual\n")), Ok(()));
        let other = read(&sealed("; TEST PRINT\n; printer = prusa-mk3s\n")).unwrap_err();
        assert_eq!(other.name, "other_machine");
        assert!(other.text.contains("prusa-mk3s") && other.text.contains("virtual"));
        // A name that begins alike is another name, and what stands further down is no head.
        assert!(read(&sealed("; printer = virtual-2\n")).is_err());
        assert_eq!(read(&sealed("M107\n; printer = prusa-mk3s\n")), Ok(()));
    }

    #[test]
    fn a_file_that_was_not_made_here_is_never_printed() {
        for head in [
            "",
            "; generated by PrusaSlicer\n",
            "; printer = prusa-mk3s\n",
        ] {
            let text = format!("{head}{BODY}");
            let refused = Program::read(text.as_bytes(), &printer()).unwrap_err();
            assert_eq!(refused.name, "gcode_refused");
            assert!(refused.text.contains("no_seal"), "{}", refused.text);
            if !head.contains("mk3s") {
                let bench = Program::judged(text.as_bytes(), &printer(), Foreign::Judged);
                assert_eq!(bench.map(drop), Ok(()), "{head}");
            }
        }
        let ours = Program::read(sealed("").as_bytes(), &printer());
        assert_eq!(ours.map(drop), Ok(()));
    }

    #[test]
    fn another_hash_than_the_released_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("part.gcode");
        std::fs::write(&path, "G28\n").unwrap();
        let finding = load(&path, &"0".repeat(64), &printer(), Foreign::Refused).unwrap_err();
        assert_eq!(finding.name, "gcode_changed");
    }
}
