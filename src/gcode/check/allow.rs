//! The allow-list: which commands a file may contain, with which words. Everything else is refused, since a
//! command that nobody proved harmless is none.

use crate::gcode::{Command, Dialect, Printer};

/// Least share of the profile's accelerations that a file may ask for. Slower, and a print takes for ever
/// with its heaters on.
const SLOWEST_SHARE: f64 = 0.05;

/// Least share of the profile's speeds that M203 may leave: it holds for the rest of the file and for what comes after.
const SLOWEST_FEED_SHARE: f64 = 0.5;

/// What a word's number must be.
#[derive(Clone, Copy, Debug)]
enum Range {
    /// A flag: no number, or any.
    Flag,
    /// Any number; motion rules judge it.
    Any,
    /// Between the two, both included.
    Within(f64, f64),
}

/// One word that a command may carry.
type Rule = (char, Range);

/// The words that `command` may carry; `None` when the command itself is not allowed.
fn rules(command: &Command, printer: &Printer) -> Option<Vec<Rule>> {
    use Range::{Any, Flag, Within};
    if command.sub.is_some() {
        return None;
    }
    let is_prusa = printer.dialect == Dialect::Prusa;
    let limits = &printer.limits;
    let axes = |f: &crate::gcode::Feeds, least: f64| {
        [('X', f.x), ('Y', f.y), ('Z', f.z), ('E', f.e)]
            .map(|(letter, most)| (letter, Within(least * most, most)))
            .to_vec()
    };
    let accel = |most: f64| Within(SLOWEST_SHARE * most, most);
    Some(match (command.letter, command.number) {
        ('G', 0 | 1) => vec![('X', Any), ('Y', Any), ('Z', Any), ('E', Any), ('F', Any)],
        ('G', 4) => vec![('S', Within(0.0, 600.0)), ('P', Within(0.0, 600_000.0))],
        ('G', 21 | 90 | 91) | ('M', 82 | 83 | 105 | 107 | 400) => vec![],
        // W: without the bed's map, which is probed afterwards.
        ('G', 28) if is_prusa => vec![('X', Flag), ('Y', Flag), ('Z', Flag), ('W', Flag)],
        ('G', 28) => vec![('X', Flag), ('Y', Flag), ('Z', Flag)],
        // Only the extruder's count may be set: a shifted X, Y or Z would make every later proof void.
        ('G', 92) => vec![('E', Any)],
        ('M', 17 | 18 | 84) => vec![('X', Flag), ('Y', Flag), ('Z', Flag), ('E', Flag)],
        ('M', 73) => vec![
            ('P', Within(0.0, 100.0)),
            ('R', Within(0.0, 100_000.0)),
            ('Q', Within(0.0, 100.0)),
            ('S', Within(0.0, 100_000.0)),
        ],
        ('M', 104 | 109) => vec![
            ('S', Within(0.0, limits.hotend_max_c)),
            ('R', Within(0.0, limits.hotend_max_c)),
        ],
        ('M', 140 | 190) => vec![
            ('S', Within(0.0, limits.bed_max_c)),
            ('R', Within(0.0, limits.bed_max_c)),
        ],
        ('M', 141 | 191) if limits.chamber_max_c > 0.0 => {
            vec![('S', Within(0.0, limits.chamber_max_c))]
        }
        ('M', 106) => vec![('S', Within(0.0, 255.0))],
        ('M', 117) => vec![],
        ('M', 201) => axes(&limits.accel_mm_s2, SLOWEST_SHARE),
        ('M', 203) => axes(&limits.feed_mm_s, SLOWEST_FEED_SHARE),
        ('M', 204) => vec![
            ('P', accel(limits.print_accel_mm_s2)),
            ('R', accel(limits.retract_accel_mm_s2)),
            ('S', accel(limits.print_accel_mm_s2)),
            ('T', accel(limits.travel_accel_mm_s2)),
        ],
        ('M', 205) => {
            let mut words = axes(&limits.jerk_mm_s, 0.0);
            words.push(('J', Within(0.0, limits.junction_deviation_mm.max(0.001))));
            words
        }
        // Speed and flow factors would scale what is proved here: only their neutral value.
        ('M', 220 | 221) => vec![('S', Within(100.0, 100.0))],
        ('M', 900) => vec![('K', Within(0.0, 2.0))],
        ('T', 0) => vec![],
        _ => return None,
    })
}

/// Why a command is not allowed: the limit's name and the sentence.
pub(super) struct Denied {
    pub(super) limit: &'static str,
    pub(super) text: String,
    pub(super) next: &'static str,
}

/// Is this command, with these words, allowed on this printer?
pub(super) fn judge(command: &Command, printer: &Printer) -> Result<(), Denied> {
    let name = match command.sub {
        Some(sub) => format!("{}{}.{sub}", command.letter, command.number),
        None => format!("{}{}", command.letter, command.number),
    };
    if let Some(known) = printer.dialect.procedure(command) {
        return known.judge(command).map_err(|why| Denied {
            limit: "procedure",
            text: format!("{name} {why}"),
            next: "Correct it in the printer profile's start code; it is a procedure of the firmware, not of the part.",
        });
    }
    let Some(rules) = rules(command, printer) else {
        return Err(forbidden(command, &name));
    };
    for word in &command.words {
        let Some((_, range)) = rules.iter().find(|(letter, _)| *letter == word.letter) else {
            return Err(Denied {
                limit: "unknown_word",
                text: format!("{name} must not carry the word {}", word.letter),
                next: "Slice the part again; a word that is not proved may move the head.",
            });
        };
        let value = word.value.map(|v| v.value());
        match (range, value) {
            (Range::Flag, _) | (Range::Any, Some(_)) => {}
            (Range::Within(low, high), Some(value)) if (*low..=*high).contains(&value) => {}
            (Range::Within(low, high), Some(value)) => {
                let (limit, next) = out_of_range(command);
                return Err(Denied {
                    limit,
                    text: format!("{name} {}{value} is outside {low} to {high}", word.letter),
                    next,
                });
            }
            (Range::Any | Range::Within(..), None) => {
                return Err(Denied {
                    limit: "grammar",
                    text: format!("the word {} of {name} has no number", word.letter),
                    next: "Slice the part again; the file is damaged.",
                });
            }
        }
    }
    let needs_target = matches!(
        (command.letter, command.number),
        ('M', 104 | 109 | 140 | 141 | 190 | 191)
    );
    if needs_target && command.words.len() != 1 {
        return Err(Denied {
            limit: "grammar",
            text: format!("{name} needs exactly one temperature"),
            next: "Slice the part again; the file is damaged.",
        });
    }
    if command.is('G', 92) && command.words.is_empty() {
        return Err(Denied {
            limit: "grammar",
            text: "G92 names no axis".into(),
            next: "Slice the part again; the file is damaged.",
        });
    }
    Ok(())
}

fn out_of_range(command: &Command) -> (&'static str, &'static str) {
    match (command.letter, command.number) {
        ('M', 104 | 109) => (
            "hotend_max_c",
            "Use a material that this hotend can melt, or correct the printer profile.",
        ),
        ('M', 140 | 190) => (
            "bed_max_c",
            "Use a material that this bed can hold, or correct the printer profile.",
        ),
        ('M', 141 | 191) => (
            "chamber_max_c",
            "Use a material that this chamber can hold, or correct the printer profile.",
        ),
        ('M', 201 | 203..=205) => (
            "machine_limits",
            "Slice with this printer's profile; the file asks for more than the machine may do.",
        ),
        _ => (
            "word_range",
            "Slice the part again; the number makes no sense here.",
        ),
    }
}

fn forbidden(command: &Command, name: &str) -> Denied {
    let (limit, why) = match (command.letter, command.number) {
        ('G', 2 | 3 | 5) => ("unknown_command", "arcs and curves are not proved here"),
        ('G', 20) => ("unknown_command", "inches are not used here"),
        ('M', 0 | 1 | 25 | 226 | 600) => (
            "forbidden_command",
            "it makes the printer wait for a person",
        ),
        ('M', 108 | 112 | 410 | 999) => (
            "forbidden_command",
            "only the link may stop or restart the printer",
        ),
        ('M', 302) => (
            "forbidden_command",
            "it switches the cold extrusion guard off",
        ),
        ('M', 92 | 200 | 206 | 301 | 303 | 304 | 428 | 500..=504 | 851) => {
            ("forbidden_command", "it changes the printer's own settings")
        }
        ('M', 110) => ("forbidden_command", "line numbers belong to the link"),
        ('M', 118) => (
            "forbidden_command",
            "it makes the printer send any text, its own answers included",
        ),
        ('M', 141 | 191) => (
            "unknown_command",
            "the printer profile names no heated chamber (limits.chamber_max_c)",
        ),
        _ => (
            "unknown_command",
            "it is not on the list of commands that can be proved",
        ),
    };
    Denied {
        limit,
        text: format!("{name} is not allowed in a file: {why}"),
        next: "Slice the part with `calvaria slice`, or take the command out of the start and end code.",
    }
}
