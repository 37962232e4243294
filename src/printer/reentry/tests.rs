//! What a journal says, and what it must not be taken to say.

use super::super::rig::printer;
use super::*;
use std::fmt::Write as _;

/// Forty layers of a square, thirty lines each, the nozzle lifted once in each.
fn part() -> String {
    let mut text =
        String::from("M140 S40\nM104 S150\nG28\nM190 S40\nM109 S180\nG90\nM83\nG92 E0\n");
    for layer in 1..=40 {
        let z = 0.2 * f64::from(layer);
        let _ = write!(
            text,
            ";LAYER_CHANGE\nG1 Z{z:.3} F600\nG92 E0\nG0 X90 Y90 F6000\n"
        );
        for corner in 0..100 {
            let (x, y) = [(110, 90), (110, 110), (90, 110), (90, 90)][corner % 4];
            let _ = writeln!(text, "G1 X{x} Y{y} E0.677 F7200");
        }
    }
    text.push_str("M107\nM104 S0\nM140 S0\nG1 X10 Y200 F6000\nM84\n");
    text
}

fn program() -> Program {
    Program::prepare(&part(), &printer()).unwrap()
}

/// A journal of a print that was reset, with these lines of JSON in it; ten minutes long.
fn journal(lines: &[String]) -> String {
    let count = program().lines.len();
    let mut text = format!(
        "{{\"at\":\"2026-11-29T03:00:00Z\",\"kind\":\"began\",\"job\":\"K7-2043\",\"sha256\":\"ab\",\"lines\":{count},\"layers\":40}}\n"
    );
    for line in lines {
        let _ = writeln!(text, "{{\"at\":\"2026-11-29T03:10:00Z\",{line}}}");
    }
    text
}

fn layer(layer: u32) -> String {
    format!("\"kind\":\"layer\",\"layer\":{layer}")
}

fn mark(line: usize) -> String {
    format!(
        "\"kind\":\"mark\",\"line\":{line},\"layer\":1,\"at_mm\":[1.0,2.0,3.0,4.0],\"targets_c\":[180.0,40.0],\"fraction\":0.5"
    )
}

fn ended(fault: &str) -> String {
    format!(
        "\"kind\":\"ended\",\"job\":{{\"job\":\"K7-2043\",\"sha256\":\"ab\",\"phase\":\"stopped\",\"fraction\":0.5,\"left_s\":0.0,\"spent_s\":0.0,\"layer\":1,\"layers\":40,\"fault\":{{\"name\":\"{fault}\",\"severity\":\"refuse\",\"text\":\"t\"}}}}"
    )
}

fn stands(at: [f64; 3]) -> String {
    format!("\"kind\":\"stands\",\"at_mm\":{at:?}")
}

/// Ten minutes after the last record.
const NOW_S: f64 = 1_795_922_400.0;

fn asked(lines: &[String]) -> Result<Offer, NoOffer> {
    offer(&journal(lines), &program(), NOW_S)
}

/// Place of the n-th line of a layer, from 0.
fn line_of(layer: u32, n: usize) -> usize {
    program()
        .lines
        .iter()
        .position(|l| l.layer == layer)
        .unwrap()
        + n
}

#[test]
fn the_layer_in_which_the_nozzle_surely_was_is_made_again() {
    let cut = [
        layer(20),
        mark(line_of(20, 60)),
        ended("printer_reset"),
        stands([0.0; 3]),
    ];
    let found = asked(&cut).unwrap();
    assert_eq!((found.layer, found.layers), (20, 40));
    assert_eq!(found.heights_mm.len(), 1);
    assert!((found.heights_mm[0] - 4.0).abs() < 1e-9);
    assert_eq!(found.says_z_mm, 0.0);
    assert!((found.cold_s - 600.0).abs() < 1.0, "{}", found.cold_s);
    // A hundred strokes of 20 mm at most.
    assert!((found.twice_mm - 2_000.0).abs() < 1.0, "{}", found.twice_mm);
}

#[test]
fn near_a_change_of_layers_two_heights_are_possible_and_there_is_no_offer() {
    // So few lines of layer 20 have credit that the nozzle may still be in 19.
    let early = [
        layer(20),
        mark(line_of(20, 20)),
        ended("printer_reset"),
        stands([0.0; 3]),
    ];
    assert_eq!(asked(&early), Err(NoOffer::BetweenLayers(19)));
    // Lines of layer 21 may have been sent.
    let late = [
        layer(21),
        mark(line_of(20, 90)),
        ended("printer_reset"),
        stands([0.0; 3]),
    ];
    assert_eq!(asked(&late), Err(NoOffer::BetweenLayers(20)));
    // The printer still knows where it stands: at a corner of layer 21.
    let knows = [
        layer(21),
        mark(line_of(20, 90)),
        ended("printer_gone"),
        stands([110.0, 90.0, 4.2]),
    ];
    assert_eq!(
        asked(&knows).map(|o| (o.layer, o.heights_mm)),
        Ok((21, vec![4.2]))
    );
}

#[test]
fn a_head_that_moved_afterwards_is_not_trusted() {
    let cut = |more: &[[f64; 3]]| {
        let mut lines = vec![layer(20), mark(line_of(20, 60)), ended("link_restarted")];
        lines.extend(more.iter().map(|at| stands(*at)));
        asked(&lines).map(|o| o.layer)
    };
    assert_eq!(cut(&[[110.0, 90.0, 4.0]]), Ok(20));
    // Not where any line of the file ends.
    assert_eq!(cut(&[[110.0, 90.0, 9.0]]), Err(NoOffer::Moved));
    assert_eq!(cut(&[[100.0, 90.0, 4.0]]), Err(NoOffer::Moved));
    // X and Y are homed again, Z is not.
    assert_eq!(cut(&[[110.0, 90.0, 4.0], [10.0, 90.0, 4.0]]), Ok(20));
    assert_eq!(
        cut(&[[110.0, 90.0, 4.0], [110.0, 90.0, 5.0]]),
        Err(NoOffer::Moved)
    );
    // Reset since, then homed.
    assert_eq!(cut(&[[110.0, 90.0, 4.0], [0.0; 3]]), Ok(20));
    assert_eq!(cut(&[[0.0; 3], [0.0, 0.0, 10.0]]), Err(NoOffer::Moved));
    assert_eq!(cut(&[]), Err(NoOffer::NotAsked));
}

#[test]
fn a_hold_is_known_once_it_is_reached_and_not_before() {
    let line = line_of(20, 60);
    let parks = format!("\"kind\":\"parks\",\"line\":{line}");
    let held = format!("\"kind\":\"held\",\"line\":{line},\"at_mm\":[5.0,205.0,9.0]");
    let cut = |more: &[&str]| {
        let mut lines = vec![layer(20), mark(line)];
        lines.extend(more.iter().map(|l| (*l).to_owned()));
        lines.extend([ended("printer_reset"), stands([0.0; 3])]);
        asked(&lines).map(|o| (o.layer, o.heights_mm))
    };
    assert_eq!(cut(&[&parks]), Err(NoOffer::Parked));
    assert_eq!(cut(&[&parks, &held]), Ok((20, vec![9.0])));
    // On its way back to the part.
    let resumed = "\"kind\":\"resumed\"";
    assert_eq!(cut(&[&parks, &held, resumed]), Err(NoOffer::Parked));
    let further = mark(line_of(20, 99));
    assert!(cut(&[&parks, &held, resumed, &further]).is_ok());
}

#[test]
fn what_can_not_be_gone_on_with_is_said() {
    let sound = [
        layer(20),
        mark(line_of(20, 60)),
        ended("printer_reset"),
        stands([0.0; 3]),
    ];
    assert!(asked(&sound).is_ok());
    assert_eq!(offer("", &program(), NOW_S), Err(NoOffer::NoPrint));
    // It goes on.
    assert_eq!(asked(&sound[..2]), Err(NoOffer::NoPrint));
    assert_eq!(
        offer(&journal(&sound), &program(), NOW_S + 1500.0),
        Err(NoOffer::Cold(35.0))
    );
    // A clock that went back.
    assert!(matches!(
        offer(&journal(&sound), &program(), NOW_S - 4e3),
        Err(NoOffer::Cold(_))
    ));
    let early = [
        layer(1),
        mark(line_of(1, 60)),
        ended("printer_reset"),
        stands([0.0; 3]),
    ];
    assert_eq!(asked(&early), Err(NoOffer::TooEarly));
    for fault in [
        "position_differs",
        "thermal_fault",
        "cold_extrusion",
        "count_differs",
    ] {
        let cut = [
            layer(20),
            mark(line_of(20, 60)),
            ended(fault),
            stands([0.0; 3]),
        ];
        assert!(matches!(asked(&cut), Err(NoOffer::Doubtful(_))), "{fault}");
    }
    // Of an earlier version: no line says how far it may have come.
    assert_eq!(asked(&sound[1..]), Err(NoOffer::Unknown));
    let mut other = program();
    other.lines.pop();
    assert_eq!(
        offer(&journal(&sound), &other, NOW_S),
        Err(NoOffer::OtherFile)
    );
}
