//! Cuts: prints that are cut off at random moments by random causes, and gone on with on the same virtual printer. What
//! was executed before and after is compared with the plan.
//!
//! A few dozen in every test run; a campaign by command:
//!
//! ```sh
//! CALVARIA_CUTS=1000 cargo test --lib reentry::cuts -- --nocapture
//! ```
//!
//! `CALVARIA_CUTS_SEED` gives another first seed.

use super::super::journal::last_job;
use super::super::program::Program;
use super::super::rig::{Rig, printer};
use super::super::virtual_printer::{Faults, Happening, Record, What};
use super::super::wire::Phase;
use super::load::{prepare, programs};
use super::{NoOffer, Offer, hash, offer};
use crate::gcode::{MAKER, Move, moves, seal};
use crate::status::PrinterState;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Unix time at which every rig begins, s.
const EPOCH_S: f64 = 1.79e9;
const LAYER_MM: f64 = 0.2;

/// What cuts a print off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    LinkKilled,
    LinkKilledAndReset,
    Power,
    BoardReset,
    Cable,
    Cancel,
    EmergencyStop,
    PowerInHold,
    MovedAfterwards,
}

const CAUSES: [Cause; 9] = [
    Cause::LinkKilled,
    Cause::LinkKilledAndReset,
    Cause::Power,
    Cause::BoardReset,
    Cause::Cable,
    Cause::Cancel,
    Cause::EmergencyStop,
    Cause::PowerInHold,
    Cause::MovedAfterwards,
];

/// Layers of strokes with travels, some of them lifted as the slicer lifts them.
fn part(random: &mut ChaCha8Rng) -> String {
    let mut text = format!(
        "{MAKER} 0\nM140 S60\nM104 S150\nG28\nM190 S60\nM109 S215\nG90\nM83\nG92 E0\nG1 Z5 F600\n"
    );
    let layers = random.random_range(4..12);
    for layer in 1..=layers {
        let z = LAYER_MM * f64::from(layer);
        let _ = write!(
            text,
            ";LAYER_CHANGE\nG1 Z{z:.3} F600\nG92 E0\nG0 X90 Y90 F6000\n"
        );
        if layer > 1 {
            text.push_str("G1 E0.8 F2100\n");
        }
        let (mut x, mut y) = (90.0_f64, 90.0_f64);
        for _ in 0..random.random_range(60..260) {
            let to = [
                random.random_range(80.0..140.0),
                random.random_range(80.0..140.0),
            ];
            if random.random_bool(0.04) {
                let lift = random.random_bool(0.7);
                text.push_str("G1 E-0.8 F2100\n");
                if lift {
                    let _ = writeln!(text, "G1 Z{:.3} F600", z + 0.2);
                }
                let _ = writeln!(text, "G0 X{:.3} Y{:.3} F6000", to[0], to[1]);
                if lift {
                    let _ = writeln!(text, "G1 Z{z:.3} F600");
                }
                text.push_str("G1 E0.8 F2100\n");
                (x, y) = (to[0], to[1]);
                continue;
            }
            let [dx, dy]: [f64; 2] = [to[0] - x, to[1] - y];
            let part = (random.random_range(0.4..6.0) / dx.hypot(dy).max(1.0)).min(1.0);
            (x, y) = (x + part * dx, y + part * dy);
            (x, y) = ((x * 1e3).round() / 1e3, (y * 1e3).round() / 1e3);
            // A third of a line: the way crosses itself, and the validator wants room for all plastic.
            let e = 0.012 * part * dx.hypot(dy) + 0.001;
            let _ = writeln!(text, "G1 X{x:.3} Y{y:.3} E{e:.5} F2400");
        }
        text.push_str("G1 E-0.8 F2100\n");
    }
    text.push_str("M107\nM104 S0\nM140 S0\nG1 X10 Y200 F6000\nM84\n");
    let end = seal(&text);
    text + &end
}

/// A print that was cut off.
struct Case {
    rig: Rig,
    text: String,
    /// The head was between two heights when the board was reset.
    between: bool,
    /// Blocks before the cut.
    before: Vec<Block>,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    from: [f64; 4],
    to: [f64; 4],
}

impl Block {
    fn draws(&self) -> bool {
        let moved = (0..2).any(|a| (self.to[a] - self.from[a]).abs() > 1e-6);
        moved && self.to[3] > self.from[3] + 1e-9
    }
    fn end(&self) -> [i64; 3] {
        [0, 1, 2].map(|a| (self.to[a] * 1e4).round() as i64)
    }
}

fn blocks(records: &[Record], raised_mm: f64) -> Vec<Block> {
    let all = records.iter().filter_map(|record| match record {
        Record::Block { from, to, .. } => {
            let raise = |at: &[f64; 4]| [at[0], at[1], at[2] + raised_mm, at[3]];
            Some(Block {
                from: raise(from),
                to: raise(to),
            })
        }
        _ => None,
    });
    all.collect()
}

impl Case {
    fn take_blocks(&mut self) {
        let _ = self.rig.executed();
        let records = std::mem::take(&mut self.rig.records);
        let raised_mm = self.rig.board.firmware().raised_mm();
        self.before.extend(blocks(&records, raised_mm));
    }

    fn true_z(&self) -> f64 {
        self.rig.board.firmware().nozzle_mm()[2]
    }

    /// What was made until now, and whether the head is between two heights: the board is reset next.
    fn stops_here(&mut self) {
        self.take_blocks();
        let layers = self.true_z() / LAYER_MM;
        self.between |= (layers - layers.round()).abs() > 1e-3;
    }

    /// The board loses everything; the head stays where it is.
    fn reset(&mut self) {
        self.stops_here();
        self.rig.board.reset("External Reset");
    }

    /// Nobody speaks to the board.
    fn alone(&mut self, seconds: f64) {
        self.rig.now += seconds;
        let _ = self.rig.board.to_host(self.rig.now);
    }

    /// The journal as it lies on the disk at that time.
    fn journal(&self, at_s: f64) -> String {
        let mut text = String::new();
        for (record, at) in self.rig.journal.iter().zip(&self.rig.journal_s) {
            if at + self.rig.disk_s > at_s {
                text.push_str("{\"at\":\"2026-");
                break;
            }
            let mut line = serde_json::to_value(record).unwrap();
            let stamp = jiff::Timestamp::from_millisecond(((EPOCH_S + at) * 1e3) as i64).unwrap();
            line["at"] = stamp.to_string().into();
            let _ = writeln!(text, "{line}");
        }
        text
    }

    /// A new link on the same board, with what is on the disk.
    fn another_link(&mut self) {
        let text = self.journal(self.rig.now);
        let whole = text.lines().filter(|l| l.ends_with('}')).count();
        self.rig.journal.truncate(whole);
        self.rig.journal_s.truncate(whole);
        let (last, running) = last_job(&text);
        if running && let Some(job) = &last {
            let record = super::super::journal::Record::Ended { job: job.clone() };
            self.rig.journal.push(record);
            self.rig.journal_s.push(self.rig.now);
        }
        self.rig.another_link(last);
    }

    fn cut(&mut self, cause: Cause, random: &mut ChaCha8Rng) {
        match cause {
            Cause::LinkKilled | Cause::LinkKilledAndReset | Cause::MovedAfterwards => {
                self.another_link_after(random.random_range(0.3..30.0), cause);
            }
            Cause::Power => self.power(random),
            Cause::PowerInHold => {
                let now = self.rig.ms();
                if self.rig.conductor.pause(now).is_ok() {
                    let seconds = random.random_range(0.0..20.0);
                    self.rig.until(seconds, |_| false);
                }
                self.power(random);
            }
            Cause::BoardReset => self.reset(),
            // The port is away for longer than a print waits; see `begin`.
            Cause::Cable => {}
            Cause::Cancel => {
                let now = self.rig.ms();
                let _ = self.rig.conductor.cancel(now);
            }
            Cause::EmergencyStop => {
                let now = self.rig.ms();
                self.rig.conductor.emergency_stop(now);
                self.rig.until(5.0, |_| false);
                // A person looked.
                self.stops_here();
                let now = self.rig.ms();
                let _ = self.rig.conductor.recover(now);
            }
        }
    }

    fn another_link_after(&mut self, seconds: f64, cause: Cause) {
        // What is not on the disk by now never will be.
        let text = self.journal(self.rig.now);
        let whole = text.lines().filter(|l| l.ends_with('}')).count();
        self.rig.journal.truncate(whole);
        self.rig.journal_s.truncate(whole);
        self.alone(seconds);
        if cause == Cause::MovedAfterwards {
            // At the printer's own panel.
            let now = self.rig.now;
            self.rig.board.from_host(now, b"\nG91\nG1 Z2.5 F300\nG90\n");
            self.alone(5.0);
        }
        if cause == Cause::LinkKilledAndReset {
            self.reset();
        }
        self.another_link();
    }

    fn power(&mut self, random: &mut ChaCha8Rng) {
        let text = self.journal(self.rig.now);
        let whole = text.lines().filter(|l| l.ends_with('}')).count();
        self.rig.journal.truncate(whole);
        self.rig.journal_s.truncate(whole);
        self.reset();
        self.alone(random.random_range(1.0..60.0));
        self.another_link();
    }
}

fn begin(seed: u64, random: &mut ChaCha8Rng) -> Option<(Case, Cause)> {
    let text = part(random);
    let lines = Program::read(text.as_bytes(), &printer())
        .unwrap()
        .lines
        .len() as u64;
    let cause = CAUSES[random.random_range(0..CAUSES.len())];
    let at = random.random_range(5..lines);
    let faults = Faults {
        at: (cause == Cause::Cable)
            .then(|| Happening {
                line: Some(at),
                s: None,
                what: What::Disconnect,
                amount: random.random_range(70.0..200.0),
            })
            .into_iter()
            .collect(),
        ..Faults::default()
    };
    let mut rig = Rig::new(&text, faults, seed);
    rig.disk_s = random.random_range(0.0..0.12);
    rig.begin();
    let mut case = Case {
        rig,
        text,
        between: false,
        before: Vec::new(),
    };
    case.rig.until(20_000.0, |rig| {
        rig.board.firmware().accepted() >= at || rig.job().is_some_and(|j| j.phase.is_over())
    });
    let further = random.random_range(0.0..0.5);
    case.rig.until(further, |_| false);
    if case.rig.job().is_some_and(|j| j.phase.is_over()) {
        return None;
    }
    case.cut(cause, random);
    Some((case, cause))
}

/// What became of a cut.
enum End {
    Printed,
    Refused(&'static str),
}

fn why(no: &NoOffer) -> &'static str {
    match no {
        NoOffer::TooEarly => "first layer",
        NoOffer::Cold(_) => "bed cold too long",
        NoOffer::BetweenLayers(_) => "near a change of layers",
        NoOffer::Moved => "head moved",
        NoOffer::Parked => "on the way to a hold",
        other => panic!("{other}"),
    }
}

fn one(seed: u64) -> Option<(Cause, End)> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut case, cause) = begin(seed, &mut random)?;
    let stands = match random.random_bool(0.85) {
        true => random.random_range(20.0..600.0),
        false => random.random_range(600.0..2_400.0),
    };
    let over = case
        .rig
        .until(600.0, |rig| rig.job().is_some_and(|j| j.phase.is_over()));
    assert!(over, "seed {seed} {cause:?}: never over");
    if case.rig.job().unwrap().phase == Phase::Printed {
        return None;
    }
    case.rig.until(400.0, |rig| {
        rig.conductor.status(rig.ms()).state == PrinterState::Idle
    });
    case.rig.until(stands, |_| false);
    case.take_blocks();
    let program = Program::read(case.text.as_bytes(), &printer()).unwrap();
    let found = match offer(
        &case.journal(f64::INFINITY),
        &program,
        EPOCH_S + case.rig.now,
    ) {
        Ok(found) => found,
        Err(no) => return Some((cause, End::Refused(why(&no)))),
    };
    // The journal of this rig does not hold the file's true hash.
    let found = Offer {
        sha256: hash(case.text.as_bytes()),
        ..found
    };
    assert_ne!(cause, Cause::MovedAfterwards, "seed {seed}: {found:?}");
    go_on(seed, &mut case, cause, &found);
    Some((cause, End::Printed))
}

/// A person releases the re-entry; what is executed is judged.
fn go_on(seed: u64, case: &mut Case, cause: Cause, found: &Offer) {
    let tell = format!("seed {seed} {cause:?} {found:?}");
    let true_z = case.true_z();
    // A sheet of paper goes between.
    let height = match found.heights_mm[..] {
        [one] => one,
        [low, high] => {
            if true_z > low + 0.05 {
                high
            } else {
                low
            }
        }
        _ => panic!("{tell}"),
    };
    let fine = if case.between { 0.15 } else { 2e-3 };
    assert!(
        (height - true_z).abs() <= fine,
        "{tell}: stands at {true_z}"
    );
    let texts = programs(found, &case.text, &printer()).unwrap_or_else(|e| panic!("{tell}: {e}"));
    let at = found.heights_mm.iter().position(|z| *z == height).unwrap();
    let entry = texts[at].clone();
    case.rig.program = Some(prepare(&entry, found, &printer()).unwrap());
    case.rig.begin();
    let job = case.rig.finish();
    assert_eq!(job.phase, Phase::Printed, "{tell}: {:?}", job.fault);
    assert_eq!(
        (job.layer, job.layers),
        (found.layers, found.layers),
        "{tell}"
    );
    let _ = case.rig.executed();
    let raised_mm = case.rig.board.firmware().raised_mm();
    let again = blocks(&case.rig.records, raised_mm);
    judge(&tell, case, &again, found, &entry);
}

/// The moves of the released file from a layer's start on, without those that move nothing.
fn planned_from(text: &str, layer: usize, mut at: [i64; 3]) -> Vec<[i64; 3]> {
    let mark = mark_of(text, layer);
    let (mut ends, mut across) = (Vec::new(), false);
    for one in moves(text).unwrap().iter().filter(|m| m.line > mark) {
        let mut end = [0, 1, 2].map(|a| one.to_nm[a] / 100);
        // Before its first way across the head is where the re-entry brought it, not where the layer below ended.
        across |= one.from_nm[..2] != one.to_nm[..2];
        if !across {
            (end[0], end[1]) = (at[0], at[1]);
        }
        if end != at || one.filament_mm().abs() > 1e-9 {
            ends.push(end);
        }
        at = end;
    }
    ends
}

/// Line of a layer's mark, from 1.
fn mark_of(text: &str, layer: usize) -> usize {
    let mut marks = text
        .lines()
        .enumerate()
        .filter(|(_, l)| l.starts_with(";LAYER_CHANGE"));
    marks.nth(layer - 1).unwrap().0 + 1
}

fn judge(tell: &str, case: &Case, again: &[Block], found: &Offer, entry: &str) {
    let layer = found.layer as usize;
    let draws = |m: &&Move| m.filament_mm() > 0.0 && m.length_mm() > 0.0;
    let all = moves(&case.text).unwrap();
    let strokes: Vec<[i64; 3]> = (all.iter().filter(draws))
        .map(|m| [0, 1, 2].map(|a| m.to_nm[a] / 100))
        .collect();
    let first = all
        .iter()
        .filter(draws)
        .filter(|m| m.line < mark_of(&case.text, layer))
        .count();
    let next = layer < found.layers as usize;
    let last = match next {
        true => all
            .iter()
            .filter(draws)
            .filter(|m| m.line < mark_of(&case.text, layer + 1))
            .count(),
        false => strokes.len(),
    };
    // Before the cut: a beginning of the plan, all layers below K in it, nothing of a layer above K.
    let made: Vec<&Block> = case.before.iter().filter(|b| b.draws()).collect();
    let ends: Vec<[i64; 3]> = made.iter().map(|b| b.end()).collect();
    let as_planned = ends.len() <= strokes.len() && ends == strokes[..ends.len()];
    assert!(as_planned, "{tell}: not the plan before the cut");
    assert!(
        ends.len() >= first,
        "{tell}: {} of {first} strokes below the layer",
        ends.len()
    );
    assert!(ends.len() <= last, "{tell}: a layer above was begun");
    let twice: f64 = made[first..]
        .iter()
        .map(|b| (b.to[0] - b.from[0]).hypot(b.to[1] - b.from[1]))
        .sum();
    assert!(twice <= found.twice_mm + 0.1, "{tell}: {twice} mm twice");
    // After it: the preamble stays above what is printed, then the plan from K on, move by move.
    let top = made.iter().map(|b| b.to[2]).fold(0.0, f64::max);
    let body_from = {
        let all = moves(entry).unwrap();
        let before = all.iter().rfind(|m| m.line < mark_of(entry, 1)).unwrap();
        [0, 1, 2].map(|a| before.to_nm[a] / 100)
    };
    let planned = planned_from(&case.text, layer, body_from);
    let (preamble, body) = again.split_at(again.len() - planned.len());
    for block in preamble {
        let low = block.from[2].min(block.to[2]);
        let across = (0..2).any(|a| (block.to[a] - block.from[a]).abs() > 1e-6);
        let least = if across { top + 0.7 } else { top - 1e-3 };
        // The first move begins where the head stood, which may be a fraction of a lift below.
        let least = if block.to[2] > block.from[2] {
            top - 0.2
        } else {
            least
        };
        assert!(low >= least, "{tell}: {block:?} at a top of {top}");
        assert!(!block.draws(), "{tell}: {block:?}");
    }
    let ends: Vec<[i64; 3]> = body.iter().map(Block::end).collect();
    if !case.between {
        let differs = ends.iter().zip(&planned).position(|(a, b)| a != b);
        assert_eq!(differs, None, "{tell}: not the plan after the cut");
    }
    let drawn = body.iter().filter(|b| b.draws()).count();
    assert_eq!(drawn, strokes.len() - first, "{tell}");
}

#[test]
fn a_print_that_is_cut_anywhere_goes_on_layer_by_layer_or_is_refused() {
    let number = |name: &str, or: u64| std::env::var(name).map_or(or, |v| v.parse().unwrap());
    let (cuts, first) = (number("CALVARIA_CUTS", 45), number("CALVARIA_CUTS_SEED", 1));
    let (mut printed, mut refused, mut done) = (BTreeMap::new(), BTreeMap::new(), 0);
    let mut seed = first;
    while done < cuts {
        if let Some((cause, end)) = one(seed) {
            done += 1;
            match end {
                End::Printed => *printed.entry(cause).or_insert(0) += 1,
                End::Refused(why) => *refused.entry((why, cause)).or_insert(0) += 1,
            }
        }
        seed += 1;
    }
    println!("{cuts} cuts from seed {first}: printed {printed:?}, refused {refused:?}");
    let all: u64 = printed.values().sum();
    assert!(all * 3 >= cuts, "{all} of {cuts}: {refused:?}");
}
