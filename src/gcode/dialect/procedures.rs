//! Procedures: what a firmware does by itself when it is asked, beside moves and heat: it probes the bed, levels the gantry,
//! switches its bed map on, or answers whether a file is meant for it.
//!
//! Holds: a procedure lays no plastic, heats nothing and waits for no person. What might (a manual probing, `G29 S1`) is not
//!        in the lists.
//! Sources: Marlin 2.1 `gcode/bedlevel`, `gcode/calibrate/G34_M422.cpp`; Prusa-Firmware 3.14 `Marlin_main.cpp`;
//! Prusa-Firmware-Buddy 6.3 `lib/Marlin/Marlin/src/gcode`; RepRapFirmware 3.5 `src/GCodes/GCodes2.cpp`; Repetier 1.0.4
//! `Commands.cpp`. Klipper has none of these numbers: G29 and G32 are the names that its users give their macros.

use super::Dialect;
use crate::gcode::grammar::Command;

/// What a procedure does to the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Procedure {
    /// It moves the head over the bed by itself. Afterwards the axes are homed, and where the head stands is the firmware's
    /// matter: a file has to say X, Y and Z anew.
    Probes {
        /// It homes first; where it does not, the axes must have been homed.
        homes: bool,
    },
    /// Nothing moves.
    Sets,
}

/// What a word of a procedure may say: between the two, or nothing at all where both are 0.
type Word = (char, f64, f64);

/// One procedure of a family.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Letter, number, and the number behind a point.
    pub code: (char, u32, Option<u32>),
    /// What it does.
    pub does: Procedure,
    /// Words that it may carry.
    pub words: &'static [Word],
    /// What follows it is text: the name of a machine, a version.
    pub is_text: bool,
}

const PROBES: Procedure = Procedure::Probes { homes: false };
const HOMES: Procedure = Procedure::Probes { homes: true };

const fn known(letter: char, number: u32, does: Procedure, words: &'static [Word]) -> Known {
    Known {
        code: (letter, number, None),
        does,
        words,
        is_text: false,
    }
}

const fn text(number: u32, sub: Option<u32>) -> Known {
    Known {
        code: ('M', number, sub),
        does: Procedure::Sets,
        words: &[],
        is_text: true,
    }
}

/// The largest bed, mm, with what a probe may be outside of it.
const PLACE: f64 = 500.0;

pub(super) static MARLIN: &[Known] = &[
    // A, J, L, P1 are of the unified kind (`bedlevel/ubl/ubl_G29.cpp`); P2 to P6 wait for a person, as S does for meshes.
    known(
        'G',
        29,
        PROBES,
        &[
            ('A', 0.0, 0.0),
            ('J', 0.0, 9.0),
            ('L', 0.0, 9.0),
            ('P', 1.0, 1.0),
        ],
    ),
    known('G', 34, PROBES, &[]),
    known(
        'M',
        420,
        Procedure::Sets,
        &[
            ('S', 0.0, 1.0),
            ('Z', 0.0, 100.0),
            ('L', 0.0, 9.0),
            ('V', 0.0, 0.0),
        ],
    ),
    known(
        'M',
        300,
        Procedure::Sets,
        &[('S', 0.0, 20_000.0), ('P', 0.0, 5_000.0)],
    ),
];

pub(super) static PRUSA: &[Known] = &[
    // G80 homes by itself where that is missing; a measured point more or less changes nothing of what follows.
    known('G', 80, HOMES, &[('N', 3.0, 7.0)]),
    known(
        'M',
        300,
        Procedure::Sets,
        &[('S', 0.0, 20_000.0), ('P', 0.0, 5_000.0)],
    ),
    text(115, None),
    text(862, Some(1)),
    text(862, Some(2)),
    text(862, Some(3)),
    text(862, Some(4)),
    text(862, Some(5)),
];

pub(super) static BUDDY: &[Known] = &[
    known(
        'G',
        29,
        PROBES,
        &[
            ('A', 0.0, 0.0),
            ('C', 0.0, 0.0),
            ('P', 1.0, 9.0),
            ('X', -PLACE, PLACE),
            ('Y', -PLACE, PLACE),
            ('W', 0.0, PLACE),
            ('H', 0.0, PLACE),
        ],
    ),
    // Where the print will lie: the bed is probed and heated there.
    known(
        'M',
        555,
        Procedure::Sets,
        &[
            ('X', -PLACE, PLACE),
            ('Y', -PLACE, PLACE),
            ('W', 0.0, PLACE),
            ('H', 0.0, PLACE),
        ],
    ),
    known(
        'M',
        572,
        Procedure::Sets,
        &[('S', 0.0, 2.0), ('W', 0.0, 1.0)],
    ),
    known('M', 142, Procedure::Sets, &[('S', 0.0, 60.0)]),
    known(
        'M',
        300,
        Procedure::Sets,
        &[('S', 0.0, 20_000.0), ('P', 0.0, 5_000.0)],
    ),
    text(115, None),
    text(862, Some(1)),
    text(862, Some(2)),
    text(862, Some(3)),
    text(862, Some(4)),
    text(862, Some(5)),
    text(862, Some(6)),
];

pub(super) static KLIPPER: &[Known] = &[known('G', 29, PROBES, &[]), known('G', 32, HOMES, &[])];

pub(super) static REPRAPFIRMWARE: &[Known] = &[
    // S1 loads a map; S2 and S3 save or drop one.
    known('G', 29, PROBES, &[('S', 0.0, 1.0)]),
    // Runs bed.g, which homes where the maker wrote so.
    known('G', 32, HOMES, &[]),
    known('M', 561, Procedure::Sets, &[]),
    known(
        'M',
        572,
        Procedure::Sets,
        &[('D', 0.0, 0.0), ('S', 0.0, 2.0)],
    ),
    known(
        'M',
        300,
        Procedure::Sets,
        &[('S', 0.0, 20_000.0), ('P', 0.0, 5_000.0)],
    ),
];

pub(super) static REPETIER: &[Known] = &[
    known('G', 29, PROBES, &[('S', 0.0, 2.0)]),
    known('G', 32, PROBES, &[('S', 0.0, 2.0)]),
];

impl Known {
    fn is(&self, command: &Command) -> bool {
        self.code == (command.letter, command.number, command.sub)
    }

    /// What is wrong with the words of a command of this kind, in words.
    ///
    /// # Errors
    /// The first word that it may not carry, or whose number is out of its range.
    pub fn judge(&self, command: &Command) -> Result<(), String> {
        if self.is_text {
            let plain = |c: char| c.is_ascii_alphanumeric() || " .\"_-+".contains(c);
            return match command.text.chars().find(|&c| !plain(c)) {
                Some(odd) => Err(format!("carries {odd:?}, which no name or version has")),
                None if command.text.is_empty() => Err("needs a name or a version".into()),
                None => Ok(()),
            };
        }
        for word in &command.words {
            let row = self
                .words
                .iter()
                .find(|(letter, ..)| *letter == word.letter);
            let Some(&(letter, low, high)) = row else {
                return Err(format!("must not carry the word {}", word.letter));
            };
            let value = word.value.map(|v| v.value());
            let fits = match value {
                Some(value) => (low..=high).contains(&value),
                None => low <= 0.0 && high <= 0.0,
            };
            if !fits {
                let said = value.map_or("no number".to_owned(), |v| v.to_string());
                return Err(format!("{letter} with {said} is outside {low} to {high}"));
            }
        }
        Ok(())
    }
}

impl Dialect {
    /// The row of a command that this firmware carries out by itself; `None` where it knows none of that kind.
    pub fn procedure(self, command: &Command) -> Option<&'static Known> {
        self.facts()
            .procedures
            .iter()
            .find(|known| known.is(command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gcode::parse;

    fn judged(dialect: Dialect, line: &str) -> Option<Result<(), String>> {
        let command = parse(line).unwrap().unwrap();
        dialect
            .procedure(&command)
            .map(|known| known.judge(&command))
    }

    #[test]
    fn each_family_knows_its_own_procedures() {
        for (dialect, line) in [
            (Dialect::Marlin, "G29"),
            (Dialect::Marlin, "M420 S1 Z10"),
            (Dialect::Prusa, "G80 N7"),
            (Dialect::Prusa, "M862.3 P \"MK3S\""),
            (Dialect::Prusa, "M115 U3.14.1"),
            (Dialect::Buddy, "G29 P9 X10 Y-4 W32 H4"),
            (Dialect::Buddy, "G29 P3.2"),
            (Dialect::Buddy, "G29 A"),
            (Dialect::Klipper, "G32"),
            (Dialect::RepRapFirmware, "G29 S1"),
            (Dialect::Repetier, "G32 S2"),
        ] {
            assert_eq!(judged(dialect, line), Some(Ok(())), "{dialect} {line}");
        }
        for (dialect, line) in [
            (Dialect::Marlin, "G80"),
            (Dialect::Marlin, "M862.3 P \"MK3S\""),
            (Dialect::Klipper, "M420 S1"),
            (Dialect::Prusa, "G29"),
            (Dialect::RepRapFirmware, "G80"),
        ] {
            assert_eq!(judged(dialect, line), None, "{dialect} {line}");
        }
    }

    #[test]
    fn a_procedure_that_waits_for_a_person_or_makes_no_sense_is_refused() {
        for (dialect, line) in [
            (Dialect::Marlin, "G29 P2"),
            (Dialect::Marlin, "G29 S1"),
            (Dialect::Marlin, "M420 S7"),
            (Dialect::Marlin, "M420 S"),
            (Dialect::Prusa, "G80 N99"),
            (Dialect::Prusa, "M862.3"),
            (Dialect::RepRapFirmware, "G29 S3"),
        ] {
            let judged = judged(dialect, line);
            assert!(
                matches!(judged, Some(Err(_))),
                "{dialect} {line} {judged:?}"
            );
        }
    }
}
