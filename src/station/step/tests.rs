//! Every pair of state and event, as a table that a person can read.

use super::{Action, DEATHS_MAX, Event, Place, RESTARTS_MAX, Release, step};
use crate::status::{DesignSummary, JobState, Reason, Reentry, Side};

fn release() -> Release {
    Release {
        operator: "weber".into(),
        sha256: "ab".into(),
        second: String::new(),
        spool: "PLA 22-117".into(),
        material_by: String::new(),
        side: Side::Left,
        from_layer: None,
    }
}

fn events() -> Vec<(&'static str, Event)> {
    let why = Reason::new("why", "what to do");
    vec![
        ("free", Event::WorkerFree),
        ("read", Event::Read),
        (
            "dsgn",
            Event::Designed(DesignSummary {
                gcode_sha256: "ab".into(),
                side: Side::Left,
                place: String::new(),
                print_s: 1.0,
                filament_g: 1.0,
                layers: 1,
                weights: String::new(),
                material: String::new(),
                profile: String::new(),
                profile_sha256: String::new(),
                entry: None,
            }),
        ),
        ("rfsd", Event::Refused(why.clone())),
        ("fail", Event::DesignFailed(why.clone())),
        (
            "die1",
            Event::DesignerDied {
                deaths: 0,
                why: why.clone(),
            },
        ),
        (
            "die2",
            Event::DesignerDied {
                deaths: DEATHS_MAX,
                why: why.clone(),
            },
        ),
        ("rlse", Event::Released(release())),
        ("paus", Event::PauseAsked),
        ("resu", Event::ResumeAsked),
        ("canc", Event::CancelAsked),
        ("rjct", Event::Rejected("no".into())),
        (
            "away",
            Event::PutAwayAsked {
                rule: String::new(),
            },
        ),
        ("grew", Event::ScanGrew(None)),
        ("rtry", Event::RetryAsked),
        ("agin", Event::PrintAgainAsked),
        ("reen", Event::ReentryAsked(Reentry::default())),
        ("lpau", Event::LinkPaused),
        ("lres", Event::LinkResumed),
        ("lprn", Event::LinkPrinted),
        ("lstp", Event::LinkStopped(why)),
        ("estp", Event::EmergencyStop { taken: true }),
        ("boot", Event::StationStarted { restarts: 0 }),
        (
            "bot2",
            Event::StationStarted {
                restarts: RESTARTS_MAX,
            },
        ),
    ]
}

/// `.` stays without anything to do, `-` not allowed, a word: the state that follows; letters after `+` are the
/// actions: S start designer, E end designer, w/d/q place in work, done, quarantine, P print, H hold, G go on,
/// C cancel print, ! emergency stop, A ask the link.
const TABLE: &str = "
state            free      read      dsgn               rfsd      fail     die1     die2     rlse       paus       resu     canc         rjct       away grew        rtry       agin               reen             lpau   lres     lprn    lstp    estp      boot               bot2
received         reading+S .         .                  .         .        .        .        -          -          -        cancelled+d  -          -    received+w  -          -                  -                .      .        .       .       .         received+w         received+w
reading          .         designing failed+q           refused+q failed+q received failed+q -          -          -        cancelled+Ed -          -    received+Ew -          -                  -                .      .        .       .       .         received+w         failed+q
designing        .         .         awaiting_release+d refused+q failed+q received failed+q -          -          -        cancelled+Ed -          -    received+Ew -          -                  -                .      .        .       .       .         received+w         failed+q
awaiting_release .         .         .                  .         .        .        .        printing+P -          -        cancelled+d  rejected+d -    received+w  -          awaiting_release+d -                .      .        .       .       .         awaiting_release+d awaiting_release+d
printing         .         .         .                  .         .        .        .        -          printing+H -        printing+C   -          -    -           -          -                  -                paused .        printed stopped stopped+! printing+A         printing+A
paused           .         .         .                  .         .        .        .        -          -          paused+G paused+C     -          -    -           -          -                  -                .      printing printed stopped stopped+! paused+A           paused+A
printed          .         .         .                  .         .        .        .        -          -          -        -            -          .    -           -          -                  -                .      .        .       .       .         .                  .
refused          .         .         .                  .         .        .        .        -          -          -        -            -          .    received+w  received+w -                  -                .      .        .       .       .         refused+q          refused+q
failed           .         .         .                  .         .        .        .        -          -          -        -            -          .    received+w  received+w -                  -                .      .        .       .       .         failed+q           failed+q
rejected         .         .         .                  .         .        .        .        -          -          -        -            -          .    -           -          -                  -                .      .        .       .       .         rejected+d         rejected+d
cancelled        .         .         .                  .         .        .        .        -          -          -        -            -          .    -           -          -                  -                .      .        .       .       .         cancelled+d        cancelled+d
stopped          .         .         .                  .         .        .        .        -          -          -        -            -          .    -           -          awaiting_release   awaiting_release .      .        .       .       .         .                  .
";

fn letter(action: &Action) -> char {
    match action {
        Action::StartDesigner => 'S',
        Action::StopDesigner => 'E',
        Action::Place(Place::Work) => 'w',
        Action::Place(Place::Done) => 'd',
        Action::Place(Place::Quarantine) => 'q',
        Action::Print(_) => 'P',
        Action::PausePrint => 'H',
        Action::ResumePrint => 'G',
        Action::CancelPrint => 'C',
        Action::EmergencyStop => '!',
        Action::AskLink => 'A',
    }
}

fn said(state: JobState, event: &Event) -> String {
    match step(state, event) {
        None => "-".into(),
        Some((next, actions)) if next == state && actions.is_empty() => ".".into(),
        Some((next, actions)) => {
            let mut word = next.word().to_string();
            if !actions.is_empty() {
                word.push('+');
                word.extend(actions.iter().map(letter));
            }
            word
        }
    }
}

#[test]
fn every_pair_of_state_and_event_does_what_the_table_says() {
    let events = events();
    let mut rows = TABLE.lines().filter(|l| !l.is_empty());
    let head: Vec<_> = rows.next().unwrap().split_whitespace().skip(1).collect();
    assert_eq!(head, events.iter().map(|e| e.0).collect::<Vec<_>>());
    let mut seen = Vec::new();
    for row in rows {
        let mut cells = row.split_whitespace();
        let word = cells.next().unwrap();
        let state = JobState::ALL
            .into_iter()
            .find(|s| s.word() == word)
            .unwrap();
        seen.push(state);
        let cells: Vec<_> = cells.collect();
        assert_eq!(cells.len(), events.len(), "{word}");
        for (cell, (name, event)) in cells.iter().zip(&events) {
            assert_eq!(said(state, event), *cell, "{word} x {name}");
        }
    }
    assert_eq!(seen, JobState::ALL);
}

#[test]
fn nothing_prints_without_a_release() {
    for state in JobState::ALL {
        for (name, event) in events() {
            let Some((_, actions)) = step(state, &event) else {
                continue;
            };
            if actions.iter().any(|a| matches!(a, Action::Print(_))) {
                assert_eq!((state, name), (JobState::AwaitingRelease, "rlse"));
            }
        }
    }
}

#[test]
fn a_print_is_never_started_by_a_restart() {
    for state in [JobState::Printing, JobState::Paused] {
        let (next, actions) = step(state, &Event::StationStarted { restarts: 3 }).unwrap();
        assert_eq!((next, actions), (state, vec![Action::AskLink]));
    }
}
