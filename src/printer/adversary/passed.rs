//! Passed: damaged lines that the firmware took for good, and what of a bad day they explain.
//!
//! In:    lines as the firmware took them, beside what had been sent under their numbers.
//! Out:   whether a wrong move, or heat after the end, comes of such a line.
//! Holds: a line explains what it ordered itself and what follows from that; not that something else went wrong on the same
//!        day. A print without end is explained by nothing: its bounds are the link's own.

/// Slower than this a move takes minutes, mm/min.
const SLOW_MM_MIN: f64 = 60.0;
/// Farther than this it does, too, mm.
const FAR_MM: f64 = 1_000.0;

/// One that was damaged.
#[derive(Debug)]
struct Line {
    number: u64,
    /// It is no move, or was none when it was sent: what it changed, or did not change, shows in later moves alone.
    lasts: bool,
    /// It holds the firmware up.
    delays: bool,
}

/// All of one day.
#[derive(Debug, Default)]
pub(super) struct PassedLines {
    lines: Vec<Line>,
    /// The order that hotend and bed obey was damaged.
    heats: [bool; 2],
    /// Numbers of the last right move and of the first wrong one.
    wrong: Option<(u64, u64)>,
}

impl PassedLines {
    /// The firmware took a line: `came`, under that number; `sent` are the lines that had it.
    pub(super) fn taken(&mut self, number: u64, came: &str, sent: &[String], whole: bool) {
        let words = words(came);
        if let Some(heater) = heater(&words) {
            self.heats[heater] = !whole;
        }
        if whole {
            return;
        }
        let moved = |text: &String| is_move(&self::words(text));
        self.lines.push(Line {
            number,
            lasts: !(is_move(&words) && sent.iter().all(moved)),
            delays: delays(&words),
        });
    }

    /// Before the print a line without a number was taken. One that the wire made a move of makes the first wrong move.
    pub(super) fn moved_early(&mut self, came: &str) {
        if is_move(&words(came)) {
            self.lines.push(Line {
                number: 1,
                lasts: false,
                delays: false,
            });
        }
    }

    /// No line was damaged and taken.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// By which lines the last right and the first wrong move were ordered; no first wrong one: the end is missing.
    pub(super) fn first_wrong(&mut self, by: std::ops::RangeInclusive<Option<u64>>) {
        let (right, wrong) = by.into_inner();
        self.wrong = Some((right.unwrap_or(0), wrong.unwrap_or(u64::MAX)));
    }

    /// One of them was carried out between the last right move and the first wrong one, or changed what later moves mean.
    pub(super) fn explain_the_wrong_move(&self) -> bool {
        let Some((right, wrong)) = self.wrong else {
            return false;
        };
        let explains = |line: &Line| line.number <= wrong && (line.lasts || line.number > right);
        self.lines.iter().any(explains)
    }

    /// What is hot is so by an order of theirs; or one of them holds the firmware up, which does not come to the order to
    /// switch off.
    pub(super) fn explain_the_heat(&self, targets_c: [f64; 2]) -> bool {
        let mut hot = (0..2).filter(|&heater| targets_c[heater] > 0.0);
        self.lines.iter().any(|line| line.delays) || hot.all(|heater| self.heats[heater])
    }
}

/// Letters with their numbers, as a firmware reads them that looks for a letter and takes what of a number is behind it.
fn words(text: &str) -> Vec<(char, f64)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_uppercase()) {
        let letter = rest[at..].chars().next().unwrap_or(' ');
        rest = &rest[at + 1..];
        let digits = |c: char| !(c.is_ascii_digit() || "+-.".contains(c));
        let end = rest.find(digits).unwrap_or(rest.len());
        found.push((letter, rest[..end].parse().unwrap_or(0.0)));
    }
    found
}

fn value(words: &[(char, f64)], letter: char) -> Option<f64> {
    let word = words.iter().skip(1).find(|word| word.0 == letter);
    word.map(|word| word.1)
}

fn is_any(words: &[(char, f64)], letter: char, numbers: &[f64]) -> bool {
    words
        .first()
        .is_some_and(|word| word.0 == letter && numbers.contains(&word.1))
}

fn is_move(words: &[(char, f64)]) -> bool {
    is_any(words, 'G', &[0.0, 1.0])
}

/// Which heater is told a target: hotend, bed.
fn heater(words: &[(char, f64)]) -> Option<usize> {
    let told = value(words, 'S').or(value(words, 'R')).is_some();
    let of = |numbers: &[f64]| told && is_any(words, 'M', numbers);
    if of(&[104.0, 109.0]) {
        Some(0)
    } else {
        of(&[140.0, 190.0]).then_some(1)
    }
}

/// Takes as long as it pleases: waits, and moves that are very slow or very far.
fn delays(words: &[(char, f64)]) -> bool {
    if is_move(words) {
        let slow = value(words, 'F').is_some_and(|f| f <= SLOW_MM_MIN);
        let far = |letter| value(words, letter).is_some_and(|mm| mm.abs() > FAR_MM);
        return slow || ['X', 'Y', 'Z', 'E'].into_iter().any(far);
    }
    is_any(words, 'G', &[4.0]) || is_any(words, 'M', &[0.0, 1.0, 109.0, 190.0, 220.0, 226.0, 600.0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(lines: &[(u64, &str, &str)]) -> PassedLines {
        let mut passed = PassedLines::default();
        for (number, came, sent) in lines {
            passed.taken(*number, came, &[(*sent).to_owned()], came == sent);
        }
        passed
    }

    #[test]
    fn a_wrong_move_is_explained_by_its_own_line_alone_or_by_a_lasting_one() {
        let wrong = |came: &str, sent: &str, right: u64, wrong: Option<u64>| {
            let mut passed = passed(&[(10, came, sent)]);
            passed.first_wrong(Some(right)..=wrong);
            passed.explain_the_wrong_move()
        };
        let (came, sent) = ("G1 X12", "G1 X1.2");
        assert!(wrong(came, sent, 9, Some(10)));
        assert!(wrong(came, sent, 9, None), "it became no move");
        assert!(!wrong(came, sent, 12, Some(13)), "it was made right");
        assert!(!wrong(came, sent, 3, Some(4)), "it came later");
        assert!(wrong("G92 E1", "G92 E0", 12, Some(13)));
        assert!(
            wrong("M1 04 S200", "M104 S200", 12, Some(13)),
            "the order was lost"
        );
        assert!(!wrong("G1 X1.2", "G1 X1.2", 9, Some(10)), "it was whole");
    }

    #[test]
    fn heat_is_explained_by_the_order_that_is_obeyed_or_by_one_that_holds_up() {
        let hot = |lines: &[(u64, &str, &str)]| passed(lines).explain_the_heat([200.0, 0.0]);
        assert!(hot(&[(10, "M104 S200", "M104 S0")]));
        assert!(!hot(&[(10, "M140 S200", "M140 S0")]), "another heater");
        let overridden = [
            (10, "M104 S205", "M104 S200"),
            (11, "M104 S200", "M104 S200"),
        ];
        assert!(!hot(&overridden));
        assert!(hot(&[(10, "G1 X1 F9", "G1 X1 F9000")]));
        assert!(!hot(&[(10, "G1 X12 F9000", "G1 X1.2 F9000")]));
        assert!(hot(&[(10, "G1 X12.3 E0.1 F9  0", "G1 X12.3 E0.1 F9000")]));
        assert!(hot(&[(10, "M0", "M107")]));
    }
}
