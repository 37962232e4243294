//! Damage: twelve ways in which a good file can go bad. Text alone: the validator's, the command's and the link's
//! tests share it (`tests/it/refusals.rs` takes it in by its path).

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// A damage: lines in, the damaged line's number (from 1) out.
pub(crate) type Damage = fn(&mut Vec<String>, &mut ChaCha8Rng) -> usize;

/// A random line after the start code for which `wanted` holds, from 0.
fn pick(lines: &[String], random: &mut ChaCha8Rng, wanted: impl Fn(&str) -> bool) -> usize {
    let start = lines.iter().position(|l| l == ";LAYER_CHANGE").unwrap();
    let found: Vec<usize> = (start..lines.len())
        .filter(|&i| wanted(&lines[i]))
        .collect();
    found[random.random_range(0..found.len())]
}

pub(crate) fn draws(line: &str) -> bool {
    line.starts_with("G1 X") && line.contains(" E")
}

/// Replaces the number behind a letter.
pub(crate) fn put(line: &mut String, letter: char, value: &str) {
    let words: Vec<String> = line
        .split(' ')
        .map(|w| {
            if w.starts_with(letter) {
                format!("{letter}{value}")
            } else {
                w.to_owned()
            }
        })
        .collect();
    *line = words.join(" ");
}

pub(crate) fn number(line: &str, letter: char) -> f64 {
    line.split(' ').find(|w| w.starts_with(letter)).unwrap()[1..]
        .parse()
        .unwrap()
}

/// Name, the limit that must speak, and what is done.
pub(crate) const DAMAGES: [(&str, &str, Damage); 12] = [
    ("outside the volume", "outside_volume", |lines, random| {
        let at = pick(lines, random, draws);
        put(
            &mut lines[at],
            'X',
            &format!("{}", random.random_range(251..900)),
        );
        at + 1
    }),
    ("below the bed", "below_bed", |lines, random| {
        let at = pick(lines, random, |l| l.starts_with("G1 Z"));
        put(
            &mut lines[at],
            'Z',
            &format!("-{:.2}", random.random_range(0.01..5.0)),
        );
        at + 1
    }),
    ("too hot", "hotend_max_c", |lines, random| {
        let at = lines.iter().position(|l| l.starts_with("M109")).unwrap();
        lines[at] = format!("M109 S{}", random.random_range(300..999));
        at + 1
    }),
    ("too fast", "too_fast", |lines, random| {
        let at = pick(lines, random, |l| l.starts_with("G0 X"));
        let slow = lines[at].split(" F").next().unwrap().to_owned();
        lines[at] = format!("{slow} F{}", random.random_range(20_000..90_000));
        at + 1
    }),
    ("cold extrusion", "cold_extrusion", |lines, _| {
        let at = lines.iter().position(|l| l.starts_with("M109")).unwrap();
        lines[at] = lines[at].replace("M109", "M104");
        lines
            .iter()
            .position(|l| l.contains(" E") && !l.starts_with("G92"))
            .unwrap()
            + 1
    }),
    ("E jump", "e_jump", |lines, random| {
        let at = pick(lines, random, draws);
        let e = number(&lines[at], 'E') + random.random_range(500.0..5000.0);
        put(&mut lines[at], 'E', &format!("{e:.5}"));
        at + 1
    }),
    ("over-extrusion", "over_extrusion", |lines, random| {
        // Four times the plastic on a line of some length.
        loop {
            let at = pick(lines, random, draws);
            if !draws(&lines[at - 1]) {
                continue;
            }
            let [a, b] = [at - 1, at].map(|i| ['X', 'Y', 'E'].map(|l| number(&lines[i], l)));
            if (b[0] - a[0]).hypot(b[1] - a[1]) > 2.0 {
                put(
                    &mut lines[at],
                    'E',
                    &format!("{:.5}", a[2] + 4.0 * (b[2] - a[2])),
                );
                return at + 1;
            }
        }
    }),
    ("NaN", "grammar", |lines, random| {
        let at = pick(lines, random, draws);
        put(
            &mut lines[at],
            ['X', 'Y', 'E'][random.random_range(0..3)],
            "nan",
        );
        at + 1
    }),
    ("unknown command", "unknown_command", |lines, random| {
        let at = pick(lines, random, draws);
        lines[at] = format!("M{}", random.random_range(700..990));
        at + 1
    }),
    ("missing home", "home_first", |lines, _| {
        lines.retain(|l| l != "G28");
        let moves =
            |l: &String| l.starts_with("G1 Z") || l.starts_with("G1 X") || l.starts_with("G0");
        lines.iter().position(moves).unwrap() + 1
    }),
    ("missing heater-off", "heaters_off", |lines, random| {
        let gone = ["M104 S0", "M140 S0"][random.random_range(0..2)];
        lines.retain(|l| l != gone);
        lines.len() + 1
    }),
    ("cut file", "cut_file", |lines, random| {
        let at = random.random_range(lines.len() / 4..lines.len() - 1);
        lines.truncate(at);
        at
    }),
];

/// A damaged copy of a sealed file, and the line (from 1) that must be named. It is sealed anew, so that the limit
/// itself has to speak; only a cut file is one without its seal.
pub(crate) fn damaged(
    good: &str,
    limit: &str,
    damage: Damage,
    random: &mut ChaCha8Rng,
    seal: impl Fn(&str) -> String,
) -> (String, usize) {
    let body = good.split("; end of calvaria").next().unwrap_or(good);
    let mut lines: Vec<String> = body.lines().map(str::to_owned).collect();
    let line = damage(&mut lines, random);
    let text = lines.join("\n") + "\n";
    if limit == "cut_file" {
        return (text, line);
    }
    let sealed = format!("{text}{}", seal(&text));
    (sealed, line)
}
