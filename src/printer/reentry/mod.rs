//! Re-entry: where a print that was cut off can go on, from what the journal knows.
//!
//! In:    the journal's text, the prepared program, the time.
//! Out:   an [`Offer`] to a named person, or why there is none; [`load`]: a re-entry that a person released, ready to be
//!        sent, if it is the very program that journal and released file ask for.
//! Holds: a layer is made again only when it is proved that every layer below it was made and none above it was begun, and
//!        when it is known how high the head stands. Otherwise there is no offer.
//! Never: prints: the offer becomes a program of its own ([`crate::gcode::reentry`]) that a person releases anew.
//!
//! A cut may fall into a travel with a lifted nozzle. A journal can not tell that, a person with a sheet of paper can: then
//! the offer names two heights.
//!
//! Two bounds close in on the cut. From below: what has credit is ahead of the nozzle by what queue and planner hold, at
//! most [`AHEAD_MAX`] moves. From above: no line of a layer is sent before the journal holds that it may be
//! ([`Record::Layer`]). Where the printer still hears after the cut, its own position says more
//! ([`Record::Stands`]). See `docs/reentry.md`.
//!
//! [`Record::Layer`]: super::journal::Record::Layer
//! [`Record::Stands`]: super::journal::Record::Stands

use super::program::{Line, Program};
use super::transport::{Class, POSITION_MM};
use super::wire::PrinterName;
use crate::gcode::{Machine, parse};
use story::Story;

#[cfg(test)]
mod cuts;
mod load;
mod story;
#[cfg(test)]
mod tests;

pub use load::{Entry, hash, is_of, load, look};

/// Moves that may have credit and are not executed: planner and room.
pub const AHEAD_MAX: usize = 32;
/// A part that stood so long on a bed without heat has come loose, or may have, s.
pub const COLD_MAX_S: f64 = 20.0 * 60.0;
/// A nozzle that is lifted for a travel stands at most so much above the part, mm.
const LIFTED_MM: f64 = 1.0;
/// Ends after which the part may be trusted: nothing was made that was not planned, and the machine was sound.
const SOUND_ENDS: [&str; 9] = [
    super::journal::LINK_RESTARTED,
    "link_stopped",
    "cancelled",
    "stopped_at_printer",
    "printer_reset",
    "printer_gone",
    "printer_silent",
    "line_refused",
    "emergency_stop",
];

/// Where a print can go on.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// Case code.
    pub job: String,
    /// Hash of the file that was printed.
    pub sha256: String,
    /// The layer that is made again from its start.
    pub layer: u32,
    /// Layers of the file.
    pub layers: u32,
    /// How much of `layer` was made before and is made a second time on top of itself, mm of nozzle travel with filament
    /// at most.
    pub twice_mm: f64,
    /// How high the nozzle stands over the bed now, mm. Two where it may be lifted for a travel: the lower one where it
    /// touches the part, the higher one where a sheet of paper goes between.
    pub heights_mm: Vec<f64>,
    /// How high the printer itself says that the nozzle stands, mm: after a reset it says 0.
    pub says_z_mm: f64,
    /// The printer, as it said itself.
    pub printer: Option<PrinterName>,
    /// How long the bed has been without heat at most, s.
    pub cold_s: f64,
}

/// Why there is no offer. The texts are for people.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoOffer {
    /// No print in the journal, or one that ended well or goes on.
    #[error("no print was cut off.")]
    NoPrint,
    /// It was a re-entry already.
    #[error(
        "it went on once already, and a part with two seams is not made. Print it from the start."
    )]
    Again,
    /// The reason of the stop makes the part doubtful.
    #[error(
        "the reason why it was stopped makes the part doubtful ({0}). Clear the bed and print it from the start."
    )]
    Doubtful(String),
    /// Too early: it begins anew.
    #[error("the print was cut off in its first layer. Clear the bed and print it from the start.")]
    TooEarly,
    /// Another file.
    #[error("the file is not the one that was printed. Print it from the start.")]
    OtherFile,
    /// The journal does not say enough.
    #[error(
        "the journal does not say where the print was cut off. Clear the bed and print it from the start."
    )]
    Unknown,
    /// The printer has not answered since.
    #[error("the printer has not said yet where its head stands. Wait until it is connected.")]
    NotAsked,
    /// Near a change of layers without an answer of the printer: one of two heights.
    #[error(
        "the print was cut off near a change of layers ({0} or {next}), and it is not known on which of them the head stands. Clear the bed and print it from the start.",
        next = .0 + 1
    )]
    BetweenLayers(u32),
    /// The head was moved or homed after the cut.
    #[error(
        "the head was moved or homed after the print was cut off, so its height is not known. Clear the bed and print it from the start."
    )]
    Moved,
    /// Cut off while the head was on its way to or from a hold.
    #[error(
        "the print was cut off while its head was being parked, so its height is not known. Clear the bed and print it from the start."
    )]
    Parked,
    /// The bed was cold for too long.
    #[error(
        "the bed stood without heat for {0:.0} min; the part may have come loose. Clear the bed and print it from the start."
    )]
    Cold(f64),
}

/// Reads the journal of the last print. `program`: of the file with the journal's hash; `now_s`: Unix time.
///
/// # Errors
/// [`NoOffer`], in words for a person.
pub fn offer(journal: &str, program: &Program, now_s: f64) -> Result<Offer, NoOffer> {
    let story = Story::read(journal).ok_or(NoOffer::NoPrint)?;
    if !story.is_cut() {
        return Err(NoOffer::NoPrint);
    }
    if program.entry.is_some() {
        return Err(NoOffer::Again);
    }
    if story.lines != program.lines.len() {
        return Err(NoOffer::OtherFile);
    }
    if let Some(why) = &story.fault
        && !SOUND_ENDS.contains(&why.as_str())
    {
        return Err(NoOffer::Doubtful(why.replace('_', " ")));
    }
    let cut = Cut::find(&story, program)?;
    let layer = cut.layer(program);
    if layer < 2 {
        return Err(NoOffer::TooEarly);
    }
    let twice_mm = cut.made_of(program, layer)?;
    let heights_mm = cut.heights(program, layer)?;
    let says_z_mm = story.says_mm.ok_or(NoOffer::NotAsked)?[2];
    let heated = story.bed_c > 0.0;
    // A clock that went back says nothing.
    let cold_s = now_s - story.heated_s.ok_or(NoOffer::Unknown)?;
    if heated && !(-60.0..=COLD_MAX_S).contains(&cold_s) {
        return Err(NoOffer::Cold(cold_s.abs() / 60.0));
    }
    Ok(Offer {
        job: story.job,
        sha256: story.sha256,
        layer,
        layers: program.layers,
        twice_mm,
        heights_mm,
        says_z_mm,
        printer: story.printer,
        cold_s: cold_s.max(0.0),
    })
}

/// Lines that the nozzle has surely executed when so many have credit.
pub(super) fn surely(lines: &[Line], credit: usize) -> usize {
    let mut moves = 0;
    let mut sure = credit.min(lines.len());
    while sure > 0 && moves < AHEAD_MAX {
        sure -= 1;
        moves += usize::from(matches!(lines[sure].class, Class::Move(_)));
    }
    sure
}

/// What is known of the cut: at least `low` and at most `high` lines were executed.
#[derive(Debug)]
struct Cut {
    low: usize,
    high: usize,
    /// How high the head stands, where the printer said so, mm.
    said_mm: Option<f64>,
    /// Where it stands after each number of lines, from 0 up to `high`, mm.
    ends: Vec<[f64; 3]>,
}

impl Cut {
    fn find(story: &Story, program: &Program) -> Result<Self, NoOffer> {
        if story.moved {
            return Err(NoOffer::Moved);
        }
        let lines = &program.lines;
        let cut = |low, high, said_mm| Self {
            low,
            high,
            said_mm,
            ends: ends(lines, high),
        };
        if let Some((line, at)) = story.exact {
            let line = line.min(lines.len());
            return Ok(cut(line, line, Some(at[2])));
        }
        let promised = story.promised.ok_or(NoOffer::Unknown)?;
        let low = surely(lines, story.line);
        if story.parked.is_some_and(|line| low <= line) {
            return Err(NoOffer::Parked);
        }
        let high = lines.partition_point(|line| line.layer <= promised);
        let all = cut(low, high.max(low), None);
        let Some(at) = story.found else {
            return Ok(all);
        };
        let fits = |end: &[f64; 3]| (0..3).all(|a| (end[a] - at[a]).abs() <= POSITION_MM);
        let mut fitting = (low..=all.high).filter(|&n| fits(&all.ends[n]));
        let first = fitting.next().ok_or(NoOffer::Moved)?;
        Ok(cut(
            first,
            fitting.next_back().unwrap_or(first),
            Some(at[2]),
        ))
    }

    /// How high the head may stand: one height, or that of the layer and one above it.
    fn heights(&self, program: &Program, layer: u32) -> Result<Vec<f64>, NoOffer> {
        if let Some(said) = self.said_mm {
            return Ok(vec![said]);
        }
        let mut all: Vec<f64> = self.ends[self.low..].iter().map(|end| end[2]).collect();
        all.sort_by(f64::total_cmp);
        all.dedup_by(|a, b| (*a - *b).abs() < 1e-6);
        let drawn = |line: &Line| line.layer == layer && line.drawn_mm > 0.0;
        let at = program.lines[..self.high].iter().position(drawn);
        let of_layer = at.map(|at| self.ends[at + 1][2]);
        let touches = of_layer.is_some_and(|z| (z - all[0]).abs() < 1e-6);
        match all.len() {
            1 => Ok(all),
            2 if touches && all[1] - all[0] <= LIFTED_MM => Ok(all),
            _ => Err(NoOffer::BetweenLayers(layer)),
        }
    }

    /// The layer of the first line that may not have been executed: all below it were made.
    fn layer(&self, program: &Program) -> u32 {
        let next = program.lines.get(self.low).or(program.lines.last());
        next.map_or(0, |line| line.layer)
    }

    /// How much of the layer may have been made, mm; nothing of a higher one.
    fn made_of(&self, program: &Program, layer: u32) -> Result<f64, NoOffer> {
        let lines = &program.lines[..self.high];
        let mut made = lines.iter().filter(|line| line.drawn_mm > 0.0);
        if made.any(|line| line.layer > layer) {
            return Err(NoOffer::BetweenLayers(layer));
        }
        let of_layer = lines.iter().filter(|line| line.layer == layer);
        Ok(of_layer.map(|line| f64::from(line.drawn_mm)).sum())
    }
}

/// Where the head stands after each number of lines, from 0 on, in the file's coordinates, mm.
fn ends(lines: &[Line], count: usize) -> Vec<[f64; 3]> {
    let mut machine = Machine::default();
    let at = |machine: &Machine| {
        let [x, y, z, _] = machine.file_nm().map(|v| v as f64 * 1e-6);
        [x, y, z]
    };
    let mut ends = vec![at(&machine)];
    for line in lines.iter().take(count) {
        // The program was followed once already.
        if let Ok(Some(command)) = parse(&line.text) {
            let _ = machine.apply(0, &command);
        }
        ends.push(at(&machine));
    }
    ends
}
