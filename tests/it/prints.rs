//! Seeded prints over real processes on a bad wire: bytes lost, flipped and doubled both ways, `ok`s lost. What was
//! executed is rebuilt from the bytes that reached the firmware, by a line reader and a G-code reader of the tests' own.
//!
//! All hundred (about 10 min on two cores):
//!
//! ```sh
//! cargo test --test it prints::a_hundred -- --ignored --nocapture
//! ```
//!
//! `CALVARIA_PRINTS` asks for another number, `CALVARIA_PRINTS_SEED` for another first seed. Long ones, of 20,000 lines or as
//! many as `CALVARIA_PRINTS_LINES` says, on days on which other things happen as well (resets, stalls, a pulled cable, a dead
//! heater, a stop at the display):
//!
//! ```sh
//! cargo test --test it prints::two_hundred_long -- --ignored --nocapture
//! ```

use crate::printer::Station;
use crate::room::head::{Place, places};
use crate::room::reader::{Reader, Taken};
use crate::room::{number, sealed};
use calvaria::gcode::{Checker, Printer};
use calvaria::printer::virtual_printer::Record;
use calvaria::printer::wire::{JobStatus, Phase};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fmt::Write as _;

/// Virtual seconds in a second: fast, and still slow enough that the firmware's own time limits (M85, `busy:`) mean
/// what they mean on metal while the link waits out a fault in real time.
const SPEED: f64 = 60.0;
/// Longest file.
const LINES_MAX: u64 = 2000;
/// The link saw that the printer stands elsewhere than planned: a line with several damaged bytes passed the protocol's
/// 8-bit checksum and was executed. Then, and only then, moves that are not the plan's may come before the stop.
const WRONG_MOVE: &str = "position_differs";
/// The hotend was too cold: moves that were on their way were made without filament until the link heard of it.
const COLD: &str = "cold_extrusion";
/// Moves of our own when a print is given up: retract, lift, to the edge.
const PARK_MOVES: usize = 3;
/// Lines of one print that may pass the firmware's check though the wire changed them; at these rates one is rare.
const CHANGED_MAX: usize = 2;

#[test]
fn the_made_up_parts_are_ones_that_the_validator_passes() {
    let printer = Printer::load("virtual").unwrap();
    for seed in 1..=200 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let lines = random.random_range(300..LINES_MAX);
        let text = part(&mut random, lines as usize);
        let proof = Checker::new(&printer).sealed_only();
        let checked = proof.of(text.as_bytes());
        assert!(checked.is_ok(), "seed {seed}: {checked:?}");
    }
}

#[test]
fn five() {
    let printed = campaign(101, 5);
    assert!(printed >= 4, "{printed} of 5 printed");
}

#[test]
#[ignore = "ten minutes; the command is at the top of this file"]
fn a_hundred() {
    let prints = number("CALVARIA_PRINTS", 100);
    let printed = campaign(number("CALVARIA_PRINTS_SEED", 1), prints);
    assert!(printed * 10 >= prints * 9, "{printed} of {prints} printed");
}

/// The same on days on which more happens; short ones, in every test run.
#[test]
fn four_on_mixed_days() {
    mixed(301, 4, LINES_MAX as usize);
}

#[test]
#[ignore = "an hour and more; the command is at the top of this file"]
fn two_hundred_long() {
    let prints = number("CALVARIA_PRINTS", 200);
    let lines = number("CALVARIA_PRINTS_LINES", 20_000) as usize;
    mixed(number("CALVARIA_PRINTS_SEED", 1), prints, lines);
}

/// What may happen on a day besides a bad wire, and how a print may end by it; an empty name: printed.
const HAPPENINGS: [(&str, &[&str]); 10] = [
    ("", &[""]),
    ("slow_planner", &[""]),
    ("busy", &[""]),
    ("reports", &[""]),
    ("stall", &["", "printer_silent", "stuck"]),
    ("disconnect", &["", "printer_gone", "printer_silent"]),
    ("reset", &["printer_reset", "printer_silent"]),
    ("silent_reset", &["printer_reset", "printer_silent"]),
    ("thermal", &["thermal_fault", "printer_halted"]),
    ("cancel", &["stopped_at_printer"]),
];
/// How a bad wire alone may end one.
const OF_THE_WIRE: [&str; 7] = [
    WRONG_MOVE,
    "line_refused",
    "line_out_of_step",
    "count_differs",
    "printer_silent",
    COLD,
    "printer_fault",
];

/// So many prints on mixed days: executed as planned, or stopped with a fault that the day explains.
fn mixed(first: u64, prints: u64, lines: usize) {
    let mut ends = std::collections::BTreeMap::new();
    for seed in first..first + prints {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let text = part(&mut random, lines);
        let (what, may_end) = HAPPENINGS[random.random_range(0..HAPPENINGS.len())];
        let mut day = wire(&mut random);
        if !what.is_empty() {
            let (line, amount) = (
                random.random_range(30..lines),
                random.random_range(1.0..40.0),
            );
            let _ = writeln!(
                day,
                "[[at]]\nline = {line}\nwhat = \"{what}\"\namount = {amount:.1}"
            );
        }
        let (job, _, records) = print_on(&day, seed, &text);
        judge(seed, &job, &text, &records);
        let end = fault_of(&job);
        assert!(
            may_end.contains(&&*end) || end.is_empty() || OF_THE_WIRE.contains(&&*end),
            "seed {seed}: {what} ended in {end}"
        );
        let end = if end.is_empty() { "printed" } else { &end };
        println!("seed {seed}: {what}, {end}");
        *ends.entry(format!("{what}: {end}")).or_insert(0) += 1;
    }
    println!("{ends:#?}");
}

/// Runs so many prints and judges each; how many were printed.
fn campaign(first: u64, prints: u64) -> u64 {
    let (mut printed, mut resends, mut probes, mut stopped) = (0, 0, 0, Vec::new());
    for seed in first..first + prints {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let lines = random.random_range(300..LINES_MAX);
        let text = part(&mut random, lines as usize);
        let (job, line, records) = print(&mut random, seed, &text);
        resends += line.0;
        probes += line.1;
        match job.phase {
            Phase::Printed => printed += 1,
            _ => stopped.push((seed, fault_of(&job))),
        }
        judge(seed, &job, &text, &records);
    }
    println!(
        "{printed} of {prints} printed, stopped {stopped:?}; {:.1} resends and {:.1} probes a print",
        resends as f64 / prints as f64,
        probes as f64 / prints as f64
    );
    printed
}

fn fault_of(job: &JobStatus) -> String {
    let fault = job.fault.as_ref();
    fault.map_or_else(String::new, |f| f.name.clone())
}

/// A wire as bad as the seed makes it: each rate between 3e-5 and 3e-4 a byte, up to one `ok` in a hundred lost.
fn wire(random: &mut ChaCha8Rng) -> String {
    let mut text = String::new();
    for what in ["drop", "corrupt", "double"] {
        for way in ["up", "down"] {
            let rate = 3e-5 * 10_f64.powf(random.random::<f64>());
            let _ = writeln!(text, "{what}_{way} = {rate:e}");
        }
    }
    let _ = writeln!(text, "drop_ok = {:.5}", random.random_range(0.001..0.01));
    text
}

/// How the job ended, resends and probes, and the printer's log.
fn print(random: &mut ChaCha8Rng, seed: u64, text: &str) -> (JobStatus, (u64, u64), Vec<Record>) {
    print_on(&wire(random), seed, text)
}

/// The same on a day that is written down.
fn print_on(day: &str, seed: u64, text: &str) -> (JobStatus, (u64, u64), Vec<Record>) {
    let folder = tempfile::tempdir().unwrap();
    let faults = folder.path().join("faults.toml");
    std::fs::write(&faults, day).unwrap();
    let seed = seed.to_string();
    let arguments = [
        "--virtual-faults",
        faults.to_str().unwrap(),
        "--virtual-seed",
        &seed,
    ];
    let station = Station::at(SPEED, &arguments);
    station.print(text);
    // A long one takes as long as its lines do at this speed; a waiting link bounds itself.
    let seconds = 240 + text.lines().count() as u64 / 20;
    let status = station.within(seconds, "over", |s| {
        s.job.as_ref().is_some_and(|j| j.phase.is_over())
    });
    let line = (status.line.resends, status.line.probes);
    (status.job.unwrap(), line, station.records())
}

/// Printed: the bytes that reached the firmware are the file's moves, all of them, once, in order; and that is what it
/// executed. Stopped: the fault has a name, and what was executed is the file's beginning, or the name says that it is not.
/// A line that passed the firmware's check though the wire had changed it is said, and what came of it is not judged: no
/// host can see it.
fn judge(seed: u64, job: &JobStatus, text: &str, records: &[Record]) {
    let planned = places(text.lines());
    let taken = taken(records);
    let arrived = places(taken.iter().map(|t| t.text.as_str()));
    let executed: Vec<Place> = records
        .iter()
        .filter_map(|record| match record {
            Record::Block { to, .. } => Some(to.map(|mm| (mm * 1e5).round() as i64)),
            _ => None,
        })
        .collect();
    let changed = changed(&taken, text);
    if !changed.is_empty() {
        let end = fault_of(job);
        println!("seed {seed}: passed the firmware's check: {changed:?}; ended {end:?}");
        assert!(changed.len() <= CHANGED_MAX, "seed {seed}: too many");
        return;
    }
    if job.phase == Phase::Printed {
        assert!(
            arrived == planned,
            "seed {seed}: {}",
            first_off(&arrived, &planned)
        );
        assert!(
            executed == planned,
            "seed {seed}: {}",
            first_off(&executed, &planned)
        );
        return;
    }
    let fault = fault_of(job);
    assert!(!fault.is_empty(), "seed {seed} stopped without a reason");
    if fault == WRONG_MOVE {
        println!("seed {seed}, {fault}: {}", first_off(&executed, &planned));
        return;
    }
    let same = |a: &Place, b: &Place| a == b;
    // A move without filament ends where it should, with less pushed.
    let dry = |a: &Place, b: &Place| a[..3] == b[..3] && (a[3] == b[3] || fault == COLD);
    let lists: [(&[Place], &dyn Fn(&Place, &Place) -> bool); 2] =
        [(&arrived, &same), (&executed, &dry)];
    for (list, is_same) in lists {
        let pairs = list.iter().zip(&planned);
        let same = pairs.take_while(|(a, b)| is_same(a, b)).count();
        assert!(
            list.len() - same <= PARK_MOVES,
            "seed {seed}, {fault}: {}",
            first_off(list, &planned)
        );
    }
}

/// Commands that the firmware must have taken, from nothing but the bytes its reader got.
fn taken(records: &[Record]) -> Vec<Taken> {
    let mut reader = Reader::default();
    let mut taken = Vec::new();
    for record in records {
        if let Record::Bytes { text, .. } = record {
            // One character a byte.
            taken.extend(text.chars().filter_map(|c| reader.byte(c as u8)));
        }
    }
    taken
}

/// Lines with a number among the file's that are none of the file's: the wire changed them, and the 8-bit checksum did not
/// tell (two bits at the same place of two bytes do it, or two equal bytes doubled: `G1 X11` comes as `G11 X111`, and is no
/// move any more). Orders that begin with M, and what follows the file's last move, are the link's own. What came without a
/// number, because the wire took its `N`, is an unknown command and is asked for again; where it is a move after all, the
/// lists of moves tell.
fn changed(taken: &[Taken], text: &str) -> Vec<String> {
    let is_move = |line: &str| line.starts_with("G0 ") || line.starts_with("G1 ");
    let file: std::collections::HashSet<&str> = text
        .lines()
        .filter_map(|line| line.split(';').next().map(str::trim))
        .collect();
    let is_of_file = |line: &Taken| file.contains(line.text.as_str());
    let last = (taken.iter()).rposition(|l| is_move(&l.text) && is_of_file(l));
    let others = taken[..last.unwrap_or(0)].iter();
    let others = others.filter(|l| l.number.is_some() && !l.text.starts_with('M'));
    let others = others.filter(|line| !is_of_file(line));
    others.map(|line| line.text.clone()).collect()
}

#[test]
fn a_changed_line_is_told_from_one_of_the_links_own() {
    let text = "G28\nG1 X1.5 Y2 E1 ; wall\nG1 X2 Y2 E2\n";
    let list = |lines: &[&str]| {
        let taken = |(number, line): (usize, &&str)| Taken {
            number: (!line.contains('*')).then_some(number as i64),
            text: (*line).to_owned(),
        };
        lines.iter().enumerate().map(taken).collect::<Vec<_>>()
    };
    let fine = list(&[
        "G28",
        "G1 X1.5 Y2 E1",
        "J3 G1 X2 Y2 E2*40",
        "M105",
        "G1 X2 Y2 E2",
        "G1 Z5.00 F480",
    ]);
    assert!(changed(&fine, text).is_empty());
    for wrong in ["G1 X1.55 Y2 E1", "G11 X1.5 Y2 E11"] {
        let other = list(&["G28", wrong, "G1 X2 Y2 E2", "G91", "G1 Z5.00 F480", "G90"]);
        assert_eq!(changed(&other, text), [wrong]);
    }
}

fn first_off(list: &[Place], planned: &[Place]) -> String {
    let at = list.iter().zip(planned).position(|(a, b)| a != b);
    let at = at.unwrap_or(list.len().min(planned.len()));
    format!(
        "{} moves for {}; number {at} is {:?} for {:?}",
        list.len(),
        planned.len(),
        list.get(at),
        planned.get(at)
    )
}

/// A harmless part of at most so many lines: short lines, travels with retraction, layers; E relative or absolute, as
/// the dice fall.
fn part(random: &mut ChaCha8Rng, lines: usize) -> String {
    let relative = random.random_bool(0.5);
    let mut text = String::from("M140 S60\nM104 S150\nG28\nM190 S60\nM109 S215\nG90\n");
    text.push_str(if relative { "M83\n" } else { "M82\n" });
    text.push_str("G92 E0\nG1 Z0.3 F600\nG1 X2 Y5 F6000\n");
    let (mut x, mut y, mut z) = (50_000_i64, 50_000_i64, 300_i64);
    // Units of 1e-5 mm of filament, 1e-3 mm of way.
    let mut e = 0_i64;
    let mut push = |by: i64| {
        e += by;
        let shown = if relative { by } else { e };
        let sign = if shown < 0 { "-" } else { "" };
        format!(
            "E{sign}{}.{:05}",
            shown.abs() / 100_000,
            shown.abs() % 100_000
        )
    };
    let mm = |v: i64| format!("{}.{:03}", v / 1000, v % 1000);
    let mut drawn = false;
    while text.lines().count() + 10 < lines {
        let what = random.random_range(0..40);
        match what {
            // A layer lies on the one below: there is one only where something was drawn.
            0 if drawn => {
                drawn = false;
                z += 200;
                let _ = writeln!(text, ";LAYER_CHANGE\nG1 Z{} F600", mm(z));
            }
            1 => {
                x = random.random_range(30_000..150_000);
                let (back, on) = (push(-80_000), push(80_000));
                let travel = format!("G0 X{} Y{} F9000", mm(x), mm(y));
                let _ = writeln!(text, "G1 {back} F2100\n{travel}\nG1 {on} F2100");
            }
            _ => {
                let from = (x, y);
                x = (x + random.random_range(-1500..1500)).clamp(20_000, 200_000);
                y = (y + random.random_range(-1500..1500)).clamp(20_000, 180_000);
                // A line of 0.45 x 0.2 mm takes 0.0374 mm of filament a millimetre; the dice vary a tenth of it, since the
                // way crosses itself and the validator wants room for all plastic.
                let way = ((x - from.0) as f64).hypot((y - from.1) as f64);
                let e = push((way * random.random_range(0.2..0.37)).round() as i64);
                let _ = writeln!(text, "G1 X{} Y{} {e} F3600", mm(x), mm(y));
                drawn |= way >= 1.0;
            }
        }
    }
    text.push_str("M107\nM104 S0\nM140 S0\nG1 X10 Y200 F6000\nM84\n");
    sealed(&text)
}
