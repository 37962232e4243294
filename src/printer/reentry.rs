//! Re-entry: where a print that was cut off can go on, from what the journal knows.
//!
//! In:    the journal's text, the prepared program, how long the printer has stood.
//! Out:   an [`Offer`] to a named person, or why there is none.
//! Holds: what has credit is ahead of the nozzle by what queue and planner hold, so a layer counts as begun by the nozzle
//!        only when more lines of it than that have credit; else the layer before is made again. None is left out.
//! Never: prints: the offer becomes a program of its own ([`crate::gcode::reentry`]) that a person releases anew.

use super::journal::Record;
use super::program::Program;
use super::wire::Phase;

/// Lines that may have credit and are not executed: queue, planner, and room.
pub const AHEAD_MAX: usize = 32;
/// A part that stood so long on a bed without heat has come loose, or may have, s.
pub const COLD_MAX_S: f64 = 20.0 * 60.0;

/// Where a print can go on.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// Case code.
    pub job: String,
    /// Hash of the released file.
    pub sha256: String,
    /// The layer that is made again from its start.
    pub layer: u32,
    /// The layer in which the print was cut off: what lies from `layer` up to here is made twice in part.
    pub cut_layer: u32,
    /// Height of the nozzle at the last mark, mm: what a person has to confirm.
    pub head_z_mm: f64,
}

/// Why there is no offer. The texts are for people.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoOffer {
    /// No print in the journal, or one that ended well.
    #[error("no print was cut off.")]
    NoPrint,
    /// Too early: it begins anew.
    #[error(
        "the print was cut off in its first layers. Clear the bed and print it from the start."
    )]
    TooEarly,
    /// Another file.
    #[error("the file is not the one that was printed. Print it from the start.")]
    OtherFile,
    /// The journal does not say how high the head stood.
    #[error("it is not known how high the head stood. Clear the bed and print from the start.")]
    NoHeight,
    /// The bed was cold for too long.
    #[error(
        "the bed stood without heat for {0:.0} min; the part may have come loose. Clear the bed and print from the start."
    )]
    Cold(f64),
}

/// What a journal says about its last print.
#[derive(Debug, Default)]
struct Story {
    job: String,
    sha256: String,
    lines: usize,
    line: usize,
    layer: u32,
    z_mm: Option<f64>,
    printed: bool,
}

fn story(journal: &str) -> Option<Story> {
    let mut story: Option<Story> = None;
    for line in journal.lines() {
        // A torn last line says nothing.
        let Ok(record) = serde_json::from_str::<Record>(line) else {
            continue;
        };
        match (record, &mut story) {
            (
                Record::Began {
                    job, sha256, lines, ..
                },
                _,
            ) => {
                story = Some(Story {
                    job,
                    sha256,
                    lines,
                    ..Story::default()
                });
            }
            (
                Record::Mark {
                    line, layer, at_mm, ..
                },
                Some(story),
            ) => {
                (story.line, story.layer) = (line, layer);
                story.z_mm = at_mm[2];
            }
            (Record::Ended { job }, Some(story)) => story.printed = job.phase == Phase::Printed,
            _ => {}
        }
    }
    story
}

/// Reads the journal of the last print. `cold_s`: how long the bed has been without heat.
///
/// # Errors
/// [`NoOffer`], in words for a person.
pub fn offer(journal: &str, program: &Program, cold_s: f64) -> Result<Offer, NoOffer> {
    let story = story(journal)
        .filter(|s| !s.printed)
        .ok_or(NoOffer::NoPrint)?;
    if story.lines != program.lines.len() {
        return Err(NoOffer::OtherFile);
    }
    if cold_s > COLD_MAX_S {
        return Err(NoOffer::Cold(cold_s / 60.0));
    }
    let layer = surely_begun(program, story.line);
    if layer < 2 {
        return Err(NoOffer::TooEarly);
    }
    let head_z_mm = story.z_mm.ok_or(NoOffer::NoHeight)?;
    Ok(Offer {
        job: story.job,
        sha256: story.sha256,
        layer,
        cut_layer: story.layer.max(layer),
        head_z_mm,
    })
}

/// The layer in which the nozzle surely was when so many lines had credit.
fn surely_begun(program: &Program, credit: usize) -> u32 {
    let executed = credit.saturating_sub(AHEAD_MAX);
    executed
        .checked_sub(1)
        .and_then(|at| program.lines.get(at))
        .map_or(0, |line| line.layer)
}

#[cfg(test)]
mod tests {
    use super::super::rig::{Rig, printer};
    use super::super::virtual_printer::{Faults, Happening, What};
    use super::*;
    use crate::gcode::{Plan, check_from_layer, moves, reentry};
    use std::fmt::Write as _;

    /// Forty layers of a square, thirty lines each.
    fn part() -> String {
        let mut text = String::from(
            "; generated by calvaria 0\nM140 S40\nM104 S150\nG28\nM190 S40\nM109 S180\nG90\nM83\nG92 E0\n",
        );
        for layer in 1..=40 {
            let z = 0.2 * f64::from(layer);
            let _ = write!(
                text,
                ";LAYER_CHANGE\nG1 Z{z:.3} F600\nG92 E0\nG0 X90 Y90 F6000\n"
            );
            if layer > 1 {
                text.push_str("G1 E0.8 F2100\n");
            }
            for corner in 0..28 {
                let (x, y) = [(110, 90), (110, 110), (90, 110), (90, 90)][corner % 4];
                let _ = writeln!(text, "G1 X{x} Y{y} E0.677 F7200");
            }
            text.push_str("G1 E-0.8 F2100\n");
        }
        text.push_str("M107\nM104 S0\nM140 S0\nG1 X10 Y200 F6000\nM84\n");
        let end = crate::gcode::seal(&text);
        text + &end
    }

    fn journal_of(rig: &Rig) -> String {
        let records = rig
            .journal
            .iter()
            .map(|r| serde_json::to_string(r).unwrap());
        records.collect::<Vec<_>>().join("\n")
    }

    /// Ends of the moves of layer K on, as bed X, Y, Z and filament since their own start, 1e-4 mm.
    fn from_layer(text: &str, layer: usize) -> Vec<[i64; 4]> {
        let mark = text
            .lines()
            .enumerate()
            .filter(|(_, l)| l.starts_with(";LAYER_CHANGE"))
            .nth(layer - 1)
            .unwrap()
            .0;
        let all = moves(text).unwrap();
        let tail: Vec<_> = all
            .iter()
            .filter(|m| m.line > mark + 1 && m.filament_mm() > 0.0 && m.length_mm() > 0.0)
            .collect();
        let base = tail[0].from_nm[3];
        tail.iter()
            .map(|m| {
                let to = m.to_nm;
                [to[0] / 100, to[1] / 100, to[2] / 100, (to[3] - base) / 100]
            })
            .collect()
    }

    #[test]
    fn cut_anywhere_the_re_entry_makes_every_layer_and_none_below_it() {
        let text = part();
        let program = Program::prepare(&text, &printer()).unwrap();
        for (n, line) in (60..1200).step_by(97).enumerate() {
            let faults = Faults {
                at: vec![Happening {
                    line: Some(line),
                    s: None,
                    what: What::Reset,
                    amount: 0.0,
                }],
                ..Faults::default()
            };
            let mut rig = Rig::new(&text, faults, n as u64);
            let job = rig.print();
            assert_ne!(job.phase, Phase::Printed, "cut at {line}");
            let made = rig.executed();
            let highest = made.iter().map(|m| m[2]).max().unwrap_or(0) as f64 * 1e-4;
            let offer = match offer(&journal_of(&rig), &program, 60.0) {
                Ok(offer) => offer,
                Err(NoOffer::TooEarly) => continue,
                Err(other) => panic!("cut at {line}: {other}"),
            };
            // Nothing is left out: the layer lies no higher than what the nozzle has reached.
            assert!(
                0.2 * f64::from(offer.layer) <= highest + 1e-6,
                "cut at {line}: {offer:?}"
            );
            assert!(
                offer.cut_layer - offer.layer <= 2,
                "cut at {line}: {offer:?}"
            );
            let layer = offer.layer as usize;
            let plan = Plan {
                layer,
                head_z_mm: offer.head_z_mm.max(highest),
            };
            let entry = reentry(&text, &"ab".repeat(32), &printer(), plan).unwrap();
            check_from_layer(entry.as_bytes(), &printer(), layer).unwrap();
            // The board stands where it was; its own Z counts from there.
            let mut rig = Rig::new(&entry, Faults::default(), 1);
            let job = rig.print();
            assert_eq!(job.phase, Phase::Printed, "{:?}", job.fault);
            let lift = (plan.head_z_mm * 1e4).round() as i64;
            let executed: Vec<[i64; 4]> = (rig.executed().iter())
                .map(|m| [m[0], m[1], m[2] + lift, m[3]])
                .collect();
            let printed = (layer as i64 - 1) * 2_000;
            assert!(executed.iter().all(|m| m[2] >= printed), "cut at {line}");
            let planned = from_layer(&text, layer);
            let body = &executed[executed.len() - from_moves(&entry, layer)..];
            let base = planned[0][3];
            let mut drawn = Vec::new();
            let mut last = None::<[i64; 4]>;
            for m in body {
                let moved = last.is_none_or(|l| l[0] != m[0] || l[1] != m[1]);
                let pushed = last.is_none_or(|l| m[3] > l[3]);
                if moved && pushed && last.is_some() {
                    drawn.push(*m);
                }
                last = Some(*m);
            }
            let shift = drawn[0][3] - base;
            let drawn: Vec<_> = drawn
                .iter()
                .map(|m| [m[0], m[1], m[2], m[3] - shift])
                .collect();
            assert_eq!(drawn, planned, "cut at {line}");
        }
    }

    /// Moves of the entry from its first layer mark on.
    fn from_moves(entry: &str, layer: usize) -> usize {
        let mark = entry
            .lines()
            .position(|l| l.starts_with(";LAYER_CHANGE"))
            .unwrap();
        assert!(layer > 1);
        let all = moves(entry).unwrap();
        // One more, so that the first stroke has a start.
        all.iter().filter(|m| m.line > mark + 1).count() + 1
    }

    #[test]
    fn what_can_not_be_gone_on_with_is_said() {
        let text = part();
        let program = Program::prepare(&text, &printer()).unwrap();
        assert_eq!(offer("", &program, 0.0), Err(NoOffer::NoPrint));
        let began = |lines: usize| {
            format!(
                "{{\"kind\":\"began\",\"job\":\"K7-2043\",\"sha256\":\"ab\",\"lines\":{lines},\"layers\":40}}\n"
            )
        };
        let mark = |line: usize, layer: u32| {
            format!(
                "{{\"kind\":\"mark\",\"line\":{line},\"layer\":{layer},\"at_mm\":[1.0,2.0,3.0,4.0],\"targets_c\":[180.0,40.0],\"fraction\":0.5}}\n"
            )
        };
        let all = program.lines.len();
        let early = began(all) + &mark(20, 1);
        assert_eq!(offer(&early, &program, 0.0), Err(NoOffer::TooEarly));
        let late = began(all) + &mark(600, 18) + "{\"kind\":\"ma";
        assert!(offer(&late, &program, 0.0).is_ok());
        assert_eq!(offer(&late, &program, 3600.0), Err(NoOffer::Cold(60.0)));
        let other = began(all + 1) + &mark(600, 18);
        assert_eq!(offer(&other, &program, 0.0), Err(NoOffer::OtherFile));
    }
}
