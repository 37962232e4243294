//! The modal machine: commands become moves, as the firmware would make them.
//!
//! In:    [`Command`]s in file order.
//! Out:   [`Move`]s in whole nanometres, so that two ways through the same file can be compared bit by bit.
//! Holds: X, Y, Z are bed coordinates. E is the filament pushed since the start, so that `G92 E0` does not show.
//!        Whether G90 and G91 switch E, too, is the dialect's matter ([`super::dialect`]).
//! Never: follows what it can not know (arcs, probing, inches, firmware retraction): those are errors.

use super::dialect::{Dialect, ExtruderMode, Procedure};
use super::grammar::{Command, GrammarError, commands};
use super::number::{Number, divide_rounded};

/// Letters of the four axes, in the order of every array here.
pub const AXES: [char; 4] = ['X', 'Y', 'Z', 'E'];

/// Marlin's feed rate before the first F, mm/min (`MMM_TO_MMS(1500)` in `motion.cpp`).
const FIRST_FEED_MM_MIN: f64 = 1500.0;

/// One straight move. Positions are X, Y, Z of the bed and total filament, in nanometres (1e-6 mm).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Move {
    /// Line of the file, from 1.
    pub line: usize,
    /// Where it starts.
    pub from_nm: [i64; 4],
    /// Where it ends; differs from the start in at least one axis.
    pub to_nm: [i64; 4],
    /// Feed rate that is asked for, mm/s.
    pub feed_mm_s: f64,
    /// `true` for G0.
    pub rapid: bool,
}

impl Move {
    /// X, Y, Z, E of the start, mm.
    pub fn from_mm(&self) -> [f64; 4] {
        self.from_nm.map(|v| v as f64 / 1e6)
    }
    /// X, Y, Z, E of the end, mm.
    pub fn to_mm(&self) -> [f64; 4] {
        self.to_nm.map(|v| v as f64 / 1e6)
    }
    /// Change of X, Y, Z, E, mm.
    pub fn delta_mm(&self) -> [f64; 4] {
        [0, 1, 2, 3].map(|a| (self.to_nm[a] - self.from_nm[a]) as f64 / 1e6)
    }
    /// Length of the path in space, mm.
    pub fn length_mm(&self) -> f64 {
        let [x, y, z, _] = self.delta_mm();
        (x * x + y * y + z * z).sqrt()
    }
    /// Filament pushed, mm; negative when pulled back.
    pub fn filament_mm(&self) -> f64 {
        self.delta_mm()[3]
    }
    /// The form in which planned and executed moves are compared: the end in units of 1e-4 mm, rounded half
    /// away from zero.
    pub fn rounded(&self) -> [i64; 4] {
        self.to_nm.map(|v| divide_rounded(v, 100))
    }
}

/// What a command does to the head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effect {
    /// It moves.
    Move(Move),
    /// The named axes (X, Y, Z) are homed; they stand at 0 afterwards.
    Home([bool; 3]),
    /// It probes by itself: X, Y and Z are homed, and where they stand is the firmware's matter.
    Probe,
    /// It stands still for so many seconds.
    Dwell(f64),
    /// Nothing moves: a modal setting, a temperature, a message, a move to where the head already is.
    None,
}

/// Why the machine can not follow a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MotionError {
    /// The line is no command.
    #[error(transparent)]
    Grammar(#[from] GrammarError),
    /// An axis without a number, e.g. `G1 X`.
    #[error("the axis {0} has no number")]
    NoNumber(char),
    /// A coordinate beyond any machine.
    #[error("the number behind {0} is beyond any machine")]
    TooLarge(char),
    /// E is pushed while it depends on the firmware's version or mode whether it is relative.
    #[error(
        "E moves where it is not certain whether it is relative; put M82 or M83 behind each G90 and G91"
    )]
    UnclearE,
    /// A command whose moves can not be known from the file.
    #[error("{0} moves in a way that the file does not tell; slice without it")]
    Unknown(String),
}

/// Modal state of the firmware, as far as moves depend on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// Bed position and total filament, nm.
    at_nm: [i64; 4],
    /// Bed position minus the file's coordinates (G92), nm.
    shift_nm: [i64; 4],
    /// X, Y and Z are relative.
    relative: bool,
    extruder: ExtruderMode,
    dialect: Dialect,
    feed_mm_s: f64,
    homed: [bool; 3],
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            at_nm: [0; 4],
            shift_nm: [0; 4],
            relative: false,
            extruder: ExtruderMode::new(),
            dialect: Dialect::default(),
            feed_mm_s: FIRST_FEED_MM_MIN / 60.0,
            homed: [false; 3],
        }
    }
}

impl Machine {
    /// A machine with that firmware; [`Machine::default`] is a Marlin.
    pub fn of(dialect: Dialect) -> Self {
        Self {
            dialect,
            ..Self::default()
        }
    }
    /// Whose firmware it follows.
    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }
    /// Bed position and total filament, nm.
    pub fn at_nm(&self) -> [i64; 4] {
        self.at_nm
    }
    /// Position in the file's own coordinates (after G92), nm: what the firmware answers to M114.
    pub fn file_nm(&self) -> [i64; 4] {
        [0, 1, 2, 3].map(|a| self.at_nm[a] - self.shift_nm[a])
    }
    /// Which of X, Y, Z were homed.
    pub fn homed(&self) -> [bool; 3] {
        self.homed
    }
    /// A re-entry says where Z stands without homing it, nm over the bed.
    pub(super) fn stand_z(&mut self, z_nm: i64) {
        (self.at_nm[2], self.shift_nm[2]) = (z_nm, 0);
        self.homed[2] = true;
    }
    /// Feed rate in force, mm/s.
    pub fn feed_mm_s(&self) -> f64 {
        self.feed_mm_s
    }
    /// Which of X, Y, Z, E are relative; for E what M82 or M83 said last where the firmware leaves it open.
    pub fn relative(&self) -> [bool; 4] {
        let xyz = self.relative;
        let e = self.extruder.is_relative(self.dialect);
        [xyz, xyz, xyz, e.unwrap_or(self.extruder.says_relative())]
    }

    /// Carries out one command.
    ///
    /// # Errors
    /// [`MotionError`] when the command moves in a way that can not be followed; the state is then unchanged.
    pub fn apply(&mut self, line: usize, command: &Command) -> Result<Effect, MotionError> {
        self.extruder.apply(command);
        match self.dialect.procedure(command).map(|known| known.does) {
            Some(Procedure::Probes { .. }) => {
                self.rest([true; 3]);
                return Ok(Effect::Probe);
            }
            Some(Procedure::Sets) => return Ok(Effect::None),
            None => {}
        }
        if command.letter != 'G' {
            if command.letter == 'T' && command.number > 0 {
                return Err(MotionError::Unknown(command.to_string()));
            }
            return Ok(Effect::None);
        }
        match (command.number, command.sub) {
            (0 | 1, None) => self.straight(line, command),
            (4, None) => Ok(Effect::Dwell(dwell_s(command))),
            (21, None) => Ok(Effect::None),
            (28, None) => Ok(self.home(command)),
            (90, None) => {
                self.relative = false;
                Ok(Effect::None)
            }
            (91, None) => {
                self.relative = true;
                Ok(Effect::None)
            }
            (92, None) => self.shift(command),
            _ => Err(MotionError::Unknown(command.to_string())),
        }
    }

    fn straight(&mut self, line: usize, command: &Command) -> Result<Effect, MotionError> {
        let mut to_nm = self.at_nm;
        if command.has('E') && self.extruder.is_relative(self.dialect).is_none() {
            return Err(MotionError::UnclearE);
        }
        let relative = self.relative();
        for (axis, letter) in AXES.into_iter().enumerate() {
            if let Some(value) = axis_nm(command, letter)? {
                let base = if relative[axis] {
                    self.at_nm[axis]
                } else {
                    self.shift_nm[axis]
                };
                to_nm[axis] = base
                    .checked_add(value)
                    .filter(|v| v.abs() < i64::MAX / 4)
                    .ok_or(MotionError::TooLarge(letter))?;
            }
        }
        // Marlin takes an F only when it is above 0.
        let feed = command.value('F').map_or(0.0, Number::value);
        if feed > 0.0 {
            self.feed_mm_s = feed / 60.0;
        }
        let from_nm = std::mem::replace(&mut self.at_nm, to_nm);
        let counts = self.dialect.facts().position.relative_e_counts;
        if relative[3] && command.has('E') && !counts {
            // The next absolute E is counted from 0.
            self.shift_nm[3] = to_nm[3];
        }
        if from_nm == to_nm {
            return Ok(Effect::None);
        }
        Ok(Effect::Move(Move {
            line,
            from_nm,
            to_nm,
            feed_mm_s: self.feed_mm_s,
            rapid: command.number == 0,
        }))
    }

    fn home(&mut self, command: &Command) -> Effect {
        let named = ['X', 'Y', 'Z'].map(|letter| command.has(letter));
        let axes = if named == [false; 3] {
            [true; 3]
        } else {
            named
        };
        self.rest(axes);
        Effect::Home(axes)
    }

    /// The firmware has put these axes where it likes; 0 stands for it until the file says more.
    fn rest(&mut self, axes: [bool; 3]) {
        for axis in (0..3).filter(|&a| axes[a]) {
            self.at_nm[axis] = 0;
            self.shift_nm[axis] = 0;
            self.homed[axis] = true;
        }
    }

    fn shift(&mut self, command: &Command) -> Result<Effect, MotionError> {
        let mut shift_nm = self.shift_nm;
        for (axis, letter) in AXES.into_iter().enumerate() {
            if let Some(value) = axis_nm(command, letter)? {
                shift_nm[axis] = self.at_nm[axis] - value;
            }
        }
        self.shift_nm = shift_nm;
        Ok(Effect::None)
    }
}

/// The coordinate of an axis, nm; `None` when the word is not there.
fn axis_nm(command: &Command, letter: char) -> Result<Option<i64>, MotionError> {
    if !command.has(letter) {
        return Ok(None);
    }
    let number = command.value(letter).ok_or(MotionError::NoNumber(letter))?;
    number
        .millionths()
        .map(Some)
        .ok_or(MotionError::TooLarge(letter))
}

/// Seconds of a G4: `S` in seconds wins over `P` in milliseconds, as in Marlin.
fn dwell_s(command: &Command) -> f64 {
    let seconds = command.value('S').map(Number::value);
    let thousandths = command.value('P').map(|n| n.value() / 1000.0);
    seconds.or(thousandths).unwrap_or(0.0).max(0.0)
}

/// All moves of a text, in file order.
///
/// # Errors
/// The line (from 1) and the reason of the first command that can not be followed.
pub fn moves(text: &str) -> Result<Vec<Move>, (usize, MotionError)> {
    let mut machine = Machine::default();
    let mut found = Vec::new();
    for (line, command) in commands(text) {
        let effect = command
            .map_err(MotionError::from)
            .and_then(|command| machine.apply(line, &command));
        if let Effect::Move(one) = effect.map_err(|error| (line, error))? {
            found.push(one);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_moves_with_a_reset_extruder_count_all_filament() {
        let text = "G28\nG90\nM82\nG1 X10 Y5 E1.5 F600\nG92 E0\nG1 X20 E1\n";
        let found = moves(text).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].from_nm, [10_000_000, 5_000_000, 0, 1_500_000]);
        assert_eq!(found[1].to_nm, [20_000_000, 5_000_000, 0, 2_500_000]);
        assert_eq!(found[1].rounded(), [200_000, 50_000, 0, 25_000]);
        assert_eq!((found[1].line, found[1].feed_mm_s), (6, 10.0));
    }

    #[test]
    fn an_absolute_push_behind_a_relative_one_begins_at_0_on_repetier() {
        let pushed = |dialect: Dialect| {
            let mut machine = Machine::of(dialect);
            for (line, command) in commands("M82\nG1 E2\nM83\nG1 E1\nM82\nG1 E4\n") {
                machine.apply(line, &command.unwrap()).unwrap();
            }
            machine.at_nm()[3] / 1_000_000
        };
        assert_eq!(pushed(Dialect::Marlin), 4);
        assert_eq!(pushed(Dialect::Repetier), 7);
    }

    #[test]
    fn g90_makes_the_extruder_absolute_again() {
        let found = moves("M83\nG1 E1\nG90\nG1 E1\nG1 E3\n").unwrap();
        let ends: Vec<i64> = found.iter().map(|m| m.to_nm[3] / 1_000_000).collect();
        assert_eq!(ends, [1, 3], "the second E1 is where the head already is");
    }

    #[test]
    fn relative_moves_add_up_without_drift() {
        let text = format!("G91\n{}", "G1 X0.1 E.00001\n".repeat(100_000));
        let last = *moves(&text).unwrap().last().unwrap();
        assert_eq!(last.to_nm, [10_000_000_000, 0, 0, 1_000_000]);
    }

    #[test]
    fn homing_and_g92_of_an_axis_keep_the_bed_position() {
        let found = moves("G28\nG1 X10\nG92 X0\nG1 X5\nG28 X\nG1 X5\n").unwrap();
        let ends: Vec<i64> = found.iter().map(|m| m.to_nm[0] / 1_000_000).collect();
        assert_eq!(ends, [10, 15, 5]);
        assert_eq!(found[2].from_nm[0], 0);
    }

    #[test]
    fn what_can_not_be_followed_is_an_error_with_its_line() {
        for (text, line) in [
            ("G28\nG2 X1 Y1 I5\n", 2),
            ("G20\n", 1),
            ("G28\n\nG80\n", 3),
            ("G1 X\n", 1),
            ("G1 X99999999999\n", 1),
            ("T1\n", 1),
            ("G10\n", 1),
        ] {
            assert_eq!(moves(text).unwrap_err().0, line, "{text}");
        }
        assert!(matches!(
            moves("G1 X1 XY").unwrap_err().1,
            MotionError::Grammar(GrammarError::Twice('X'))
        ));
    }

    #[test]
    fn a_feed_of_zero_is_ignored_and_a_dwell_is_read() {
        let mut machine = Machine::default();
        for line in ["G1 X1 F1200", "G1 X2 F0"] {
            let command = super::super::parse(line).unwrap().unwrap();
            machine.apply(1, &command).unwrap();
        }
        assert_eq!(machine.feed_mm_s(), 20.0);
        let dwell = super::super::parse("G4 P1500").unwrap().unwrap();
        assert_eq!(machine.apply(2, &dwell), Ok(Effect::Dwell(1.5)));
    }
}
