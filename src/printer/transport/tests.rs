//! Byte streams as they were measured on Marlin 2.1.2.1, line by line.

use super::super::reply::read;
use super::*;
use crate::gcode::Dialect;

mod waits;

const PLAN: [f64; 4] = [10.0, 20.0, 0.3, 1.0];
fn rules(dialect: Dialect) -> Rules {
    Rules {
        window: 3,
        line_max_bytes: 96,
        facts: dialect.facts(),
    }
}

fn hear(transport: &mut Transport, now: Millis, lines: &[&str]) {
    for line in lines {
        transport.reply(now, &read(line));
    }
}

fn written(transport: &mut Transport) -> Vec<String> {
    let mut lines = Vec::new();
    for output in transport.drain() {
        if let Output::Write(bytes) = output {
            lines.extend(String::from_utf8(bytes).unwrap().lines().map(str::to_owned));
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}

const REPORT: &str = "ok T:20.00 /0.00 B:20.00 /0.00 @:0 B@:0";

/// Greeted and proved: numbers 1 to 3 are used up, the window is 3.
fn connected() -> Transport {
    let mut transport = Transport::new(rules(Dialect::Marlin));
    transport.hello(0);
    hear(&mut transport, 1, &["ok", REPORT, REPORT, REPORT]);
    assert!(transport.drain().contains(&Output::Connected));
    transport
}

fn send(transport: &mut Transport, now: Millis, tag: u64) {
    transport
        .send(now, &format!("G1 X{tag}"), Class::Move(100), tag, PLAN)
        .unwrap();
}

/// Where no line of these tests ends.
const HOME: &str = "X:0.00 Y:0.00 Z:0.00 E:0.00 Count X:0 Y:0 Z:0";
const POSITION: &str = "X:10.00 Y:20.00 Z:0.30 E:1.00 Count X:800 Y:1600 Z:120";

#[test]
fn pitfall_04_resend_ok_overtakes() {
    let mut transport = connected();
    for tag in 1..=3 {
        send(&mut transport, 10, tag);
    }
    assert!(!transport.has_room(), "the window is 3");
    written(&mut transport);
    // Row 1: the second line is damaged; the Resend's `ok` comes before that of the first line.
    hear(
        &mut transport,
        12,
        &[
            "Error:checksum mismatch, Last Line: 4",
            "Resend: 5",
            "ok",
            "ok",
            "Error:Line Number is not Last Line Number+1, Last Line: 4",
            "Resend: 5",
            "ok",
        ],
    );
    assert_eq!(written(&mut transport), [""; 0], "quiet first");
    transport.tick(12 + 50);
    assert_eq!(written(&mut transport), ["M114"]);
    hear(&mut transport, 70, &[POSITION, "ok"]);
    let repeated = written(&mut transport);
    assert_eq!(repeated.len(), 1, "alone: {repeated:?}");
    assert!(repeated[0].starts_with("N5 G1 X2*"));
    // Its own `ok` frees the next; a fence proves all before the window opens again.
    hear(&mut transport, 80, &["ok"]);
    assert!(written(&mut transport)[0].starts_with("N6 G1 X3*"));
    hear(&mut transport, 90, &["ok"]);
    assert!(written(&mut transport)[0].starts_with("N7 M105"));
    assert!(!transport.has_room());
    hear(&mut transport, 95, &[REPORT]);
    assert!(transport.has_room());
}

#[test]
fn row_2_seven_identical_resends_are_one_fault() {
    let mut transport = connected();
    for tag in 1..=3 {
        send(&mut transport, 10, tag);
    }
    written(&mut transport);
    for k in 0..7 {
        let now = 20 + 10 * k;
        hear(
            &mut transport,
            now,
            &["Error:checksum mismatch, Last Line: 4", "Resend: 5", "ok"],
        );
        transport.tick(now);
    }
    assert_eq!(written(&mut transport), [""; 0]);
    transport.tick(80 + 50);
    assert_eq!(written(&mut transport), ["M114"]);
    assert_eq!(transport.figures().resends, 1);
}

#[test]
fn a_damaged_resend_is_not_believed() {
    let mut transport = connected();
    for tag in 1..=3 {
        send(&mut transport, 10, tag);
    }
    written(&mut transport);
    // `Resend: 5` lost its error line and got a digit too many.
    hear(&mut transport, 20, &["Resend: 55", "ok"]);
    assert_eq!(transport.figures().resends, 0);
    assert!(transport.is_up());
}

#[test]
fn a_resend_far_below_means_that_the_board_was_reset() {
    let mut transport = connected();
    for tag in 1..=200 {
        send(&mut transport, 10 + tag, tag);
        hear(&mut transport, 10 + tag, &["ok"]);
        if !transport.has_room() {
            hear(&mut transport, 10 + tag, &[REPORT]);
        }
    }
    transport.drain();
    hear(
        &mut transport,
        500,
        &[
            "Error:Line Number is not Last Line Number+1, Last Line: 0",
            "Resend: 1",
        ],
    );
    assert_eq!(written(&mut transport), [""; 0], "nothing is repeated");
    transport.tick(560);
    assert!(written(&mut transport)[0].contains("M105"), "a fence asks");
    hear(&mut transport, 570, &RESET);
    assert!(transport.drain().contains(&Output::Fault(LineFault::Reset)));
}

const RESET: [&str; 3] = [
    "Error:Line Number is not Last Line Number+1, Last Line: 0",
    "Resend: 1",
    "ok",
];

/// Lines 1 to 33 are accepted: line 1 is still in the ring.
fn in_print() -> Transport {
    let mut transport = connected();
    for tag in 1..=30 {
        send(&mut transport, 10 + tag, tag);
        hear(&mut transport, 10 + tag, &["ok"]);
    }
    transport.drain();
    transport
}

#[test]
fn line_one_is_never_a_rewind_whatever_its_text_suffers() {
    // Both halves whole; one lost; one damaged so that it can not be read.
    let texts: [&[&str]; 5] = [
        &RESET,
        &["Resend: 1", "ok"],
        &[
            "Error:Line Number is not Last Line Number+1, Last Line: 0",
            "ok",
        ],
        &["Errr:Lne Nmber, Lst Lne: 0", "Resend: 1"],
        &[
            "Error:Line Number is not Last Line Number+1, Last Line: 0",
            "Rsend: 1",
        ],
    ];
    for said in texts {
        let mut transport = in_print();
        send(&mut transport, 100, 31);
        written(&mut transport);
        hear(&mut transport, 101, said);
        transport.tick(700);
        let asked = written(&mut transport);
        assert_eq!(asked.len(), 1, "{said:?}: {asked:?}");
        assert!(
            asked[0].contains("M105"),
            "{said:?}: only a fence asks: {asked:?}"
        );
        hear(&mut transport, 701, said);
        let outputs = transport.drain();
        assert!(
            outputs.contains(&Output::Fault(LineFault::Reset)),
            "{said:?}: {outputs:?}"
        );
        assert!(
            !outputs.iter().any(|o| matches!(o, Output::Write(_))),
            "{said:?}"
        );
    }
}

#[test]
fn a_resend_that_lost_digits_is_no_reset() {
    let mut transport = in_print();
    send(&mut transport, 100, 31);
    written(&mut transport);
    // `Resend: 134`, of which two digits were lost.
    hear(&mut transport, 101, &["Resend: 1", "ok"]);
    transport.tick(700);
    assert!(written(&mut transport)[0].contains("M105"));
    hear(
        &mut transport,
        701,
        &["Error:checksum mismatch, Last Line: 33", "Resend: 34", "ok"],
    );
    transport.tick(800);
    hear(&mut transport, 801, &[POSITION, "ok"]);
    let written = written(&mut transport);
    assert!(written.iter().any(|l| l.starts_with("N34 ")), "{written:?}");
    assert!(transport.is_up());
}

#[test]
fn the_answer_to_a_fence_ends_the_doubt_of_a_damaged_resend() {
    let mut transport = in_print();
    send(&mut transport, 100, 31);
    written(&mut transport);
    hear(&mut transport, 101, &["Resend: 1"]);
    transport.tick(700);
    hear(&mut transport, 701, &["ok", REPORT]);
    assert!(transport.is_drained());
    assert!(transport.has_room());
}

#[test]
fn a_firmware_without_line_numbers_is_sent_nothing_twice() {
    let mut transport = Transport::new(rules(Dialect::Klipper));
    transport.hello(0);
    hear(&mut transport, 1, &["ok", REPORT, REPORT, REPORT]);
    for tag in 1..=3 {
        send(&mut transport, 10, tag);
    }
    written(&mut transport);
    hear(
        &mut transport,
        20,
        &[
            "Resend: 4",
            "Error:checksum mismatch, Last Line: 3",
            "Resend: 4",
        ],
    );
    let mut now = 20;
    while now < 40_000 && transport.is_up() {
        now = transport.wake_ms(now).unwrap().max(now + 1);
        transport.tick(now);
        for line in written(&mut transport) {
            assert!(line.contains("M105"), "sent twice: {line}");
        }
    }
    assert!(!transport.is_up(), "silence ends it");
}

#[test]
fn a_report_glued_to_an_ok_proves_nothing() {
    let mut transport = connected();
    send(&mut transport, 10, 1);
    // A report that nobody asked for: from now on `ok T:` may be two lines.
    hear(&mut transport, 11, &["T:20.00 /0.00 B:20.00 /0.00"]);
    written(&mut transport);
    transport.tick(2_000);
    let fence = written(&mut transport);
    assert!(fence[0].contains("M114"), "{fence:?}");
    hear(&mut transport, 2_001, &[REPORT]);
    assert!(!transport.is_drained());
    hear(&mut transport, 2_002, &[POSITION, "ok"]);
    assert!(transport.is_drained());
}

#[test]
fn reports_and_noise_are_no_sign_that_a_line_was_taken() {
    let mut transport = connected();
    for tag in 1..=3 {
        send(&mut transport, 10, tag);
    }
    written(&mut transport);
    let (mut now, mut asked) = (10, 0);
    while transport.is_up() && now < 200_000 {
        now += 100;
        hear(
            &mut transport,
            now,
            &[" T:20.00 /0.00 B:20.00 /0.00 @:0 B@:0", "#+?"],
        );
        transport.tick(now);
        asked += written(&mut transport).len();
    }
    assert!(asked > 3, "{asked}");
    assert!(now < 60_000, "given up after {now} ms");
}

#[test]
fn a_printer_that_is_busy_for_ever_is_stuck_in_the_end() {
    let mut transport = connected();
    for tag in 1..=3 {
        send(&mut transport, 10, tag);
    }
    let mut now = 10;
    while transport.is_up() && now < 3_600_000 {
        now += 1_000;
        hear(&mut transport, now, &["echo:busy: processing"]);
        transport.tick(now);
    }
    let stuck = |o: &Output| matches!(o, Output::Fault(LineFault::Stuck { .. }));
    assert!(transport.drain().iter().any(stuck));
    assert!((120_000..200_000).contains(&now), "{now}");
}

#[test]
fn a_silent_homing_is_waited_for() {
    let mut transport = connected();
    // Heating stands behind it: its own patience is shorter.
    for (tag, text, class) in [
        (1, "G28", Class::Home),
        (2, "M190 S60", Class::Heat),
        (3, "M109 S200", Class::Heat),
    ] {
        transport.send(10, text, class, tag, PLAN).unwrap();
    }
    let mut now = 10;
    while now < 175_000 {
        now = transport.wake_ms(now).unwrap().max(now + 1);
        transport.tick(now);
        assert!(transport.is_up() || now > 175_000, "given up at {now} ms");
    }
    while transport.is_up() && now < 400_000 {
        now = transport.wake_ms(now).unwrap().max(now + 1);
        transport.tick(now);
    }
    assert!(now < 240_000, "{now}");
}

#[test]
fn the_firmware_says_itself_how_many_lines_it_took() {
    let mut transport = connected();
    send(&mut transport, 10, 1);
    hear(&mut transport, 11, &["ok"]);
    transport.drain();
    transport.ask_count(20);
    let asked = written(&mut transport);
    assert!(asked[0].starts_with("N12 M105*"), "{asked:?}");
    hear(
        &mut transport,
        21,
        &[
            "Error:Line Number is not Last Line Number+1, Last Line: 4",
            "Resend: 5",
        ],
    );
    assert!(transport.drain().contains(&Output::Counted));
}

#[test]
fn another_count_is_believed_when_it_is_said_to_two_questions() {
    let mut transport = connected();
    send(&mut transport, 10, 1);
    hear(&mut transport, 11, &["ok"]);
    transport.ask_count(5_000);
    for now in [5_001, 6_001] {
        assert!(transport.is_up());
        hear(&mut transport, now, &["Resend: 4", "ok"]);
        transport.tick(now + 200);
    }
    let counted = LineFault::Count { taken: 3, sent: 4 };
    assert!(transport.drain().contains(&Output::Fault(counted)));
}

/// A digit of one half is damaged so that it says what is hoped for: the halves contradict each other, and are no proof.
#[test]
fn a_count_whose_halves_contradict_each_other_is_asked_again() {
    let error =
        |last: u64| format!("Error:Line Number is not Last Line Number+1, Last Line: {last}");
    for halves in [
        [error(4), "Resend: 4".to_owned()],
        [error(3), "Resend: 5".to_owned()],
    ] {
        let mut transport = connected();
        send(&mut transport, 10, 1);
        hear(&mut transport, 11, &["ok"]);
        transport.ask_count(5_000);
        transport.drain();
        hear(&mut transport, 5_001, &[&halves[0], &halves[1], "ok"]);
        for now in (5_010..5_500).step_by(10) {
            transport.tick(now);
        }
        let said = transport.drain();
        assert!(!said.contains(&Output::Counted), "{halves:?}");
        let asked = |output: &Output| matches!(output, Output::Write(_));
        assert_eq!(said.iter().filter(|o| asked(o)).count(), 1, "{halves:?}");
        // The line before the fence was lost: said to two questions it is so.
        hear(&mut transport, 5_501, &[&error(3), "Resend: 4", "ok"]);
        let counted = LineFault::Count { taken: 3, sent: 4 };
        assert!(
            transport.drain().contains(&Output::Fault(counted)),
            "{halves:?}"
        );
    }
}

#[test]
fn the_window_grows_where_the_firmware_announces_its_places() {
    for (parser, most) in [(false, 3), (true, 6)] {
        let mut transport = connected();
        transport.has_emergency_parser(parser);
        let mut sent = 0;
        for step in 0..200 {
            while transport.has_room() {
                sent += 1;
                send(&mut transport, 10 + step, sent);
            }
            let flying = transport.next - 1 - transport.acked;
            assert!(flying <= most + 1, "{flying} on their way");
            let number = transport.acked + 1;
            let fence = transport.sent(number).is_some_and(|s| s.fence.is_some());
            let answer = if fence {
                REPORT.to_owned()
            } else {
                format!("ok N{number} P15 B3")
            };
            hear(&mut transport, 10 + step, &[&answer]);
        }
        assert_eq!(transport.window, most);
    }
}

#[test]
fn a_lost_ok_is_found_by_a_fence_and_never_by_a_repeat() {
    let mut transport = connected();
    for tag in 1..=3 {
        send(&mut transport, 10, tag);
    }
    written(&mut transport);
    let wake = transport.wake_ms(10).unwrap();
    assert!((400..700).contains(&wake), "{wake}");
    transport.tick(wake);
    let probe = written(&mut transport);
    assert_eq!(probe.len(), 1);
    assert!(probe[0].starts_with("N7 M105"), "{probe:?}");
    hear(&mut transport, wake + 5, &[REPORT]);
    assert!(transport.drain().contains(&Output::Accepted(3)));
    assert!(transport.is_drained());
}

#[test]
fn an_executed_tail_is_found_by_its_position() {
    let mut transport = connected();
    for tag in 1..=2 {
        send(&mut transport, 10, tag);
    }
    let refused = [
        "Error:No Checksum with line number, Last Line: 4",
        "Resend: 5",
        "ok",
        "ok",
    ];
    hear(&mut transport, 20, &refused);
    transport.tick(70);
    written(&mut transport);
    let elsewhere = "X:11.00 Y:20.00 Z:0.30 E:1.05 Count X:880 Y:1600 Z:120";
    hear(&mut transport, 75, &[elsewhere, "ok"]);
    assert_eq!(
        written(&mut transport),
        ["M114"],
        "a reply may be damaged: it is asked twice"
    );
    hear(&mut transport, 80, &[elsewhere, "ok"]);
    // Was the Resend a late echo? A fence under a new number makes the firmware say its last line.
    assert!(written(&mut transport)[0].contains("M105"));
    hear(&mut transport, 85, &refused);
    transport.tick(140);
    hear(&mut transport, 145, &[elsewhere, "ok", elsewhere, "ok"]);
    let fault = transport
        .drain()
        .into_iter()
        .any(|o| matches!(o, Output::Fault(LineFault::Position { said, .. }) if said[0] == 11.0));
    assert!(fault);
}

#[test]
fn a_move_that_came_before_its_turn_is_found_though_the_place_behind_homing_is_not_known() {
    let unknown = [f64::NAN, f64::NAN, f64::NAN, 0.0];
    let refused = [
        "Error:checksum mismatch, Last Line: 4",
        "Resend: 5",
        "ok",
        "ok",
    ];
    for (x, y, found) in [(20.0, 20.0, true), (0.0, 0.0, false)] {
        let mut transport = connected();
        let at = 10;
        let lines = [
            ("G92 E0", unknown),
            ("G1 Z0.3", [f64::NAN, f64::NAN, 0.3, 0.0]),
            ("G1 X20 Y20", [20.0, 20.0, 0.3, 0.0]),
        ];
        for (tag, (text, after)) in (1..).zip(lines) {
            transport
                .send(at, text, Class::Move(100), tag, after)
                .unwrap();
        }
        hear(&mut transport, 20, &refused);
        transport.tick(70);
        written(&mut transport);
        let said = format!("X:{x:.2} Y:{y:.2} Z:0.00 E:0.00 Count X:0 Y:0 Z:0");
        let mut now = 75;
        let mut fault = false;
        for _ in 0..3 {
            hear(&mut transport, now, &[&said, "ok", &said, "ok"]);
            hear(&mut transport, now + 5, &refused);
            transport.tick(now + 60);
            now += 70;
            let outputs = transport.drain();
            fault |=
                (outputs.iter()).any(|o| matches!(o, Output::Fault(LineFault::Position { .. })));
        }
        assert_eq!(fault, found, "{x}");
    }
}

/// Behind homing the plan knows no place at all; the lines to come do.
#[test]
fn a_move_that_was_made_before_its_turn_is_found_where_nothing_is_known() {
    let mut transport = connected();
    transport
        .send(10, "G92 E0", Class::Setting, 1, [f64::NAN; 4])
        .unwrap();
    send(&mut transport, 10, 2);
    written(&mut transport);
    let refusal = [
        "Error:No Checksum with line number, Last Line: 3",
        "Resend: 4",
        "ok",
        "ok",
    ];
    hear(&mut transport, 20, &refusal);
    let mut found = false;
    for now in [320, 620, 920, 1_220, 1_520] {
        transport.tick(now);
        hear(&mut transport, now, &[POSITION]);
        let refusal = [
            "Error:Line Number is not Last Line Number+1, Last Line: 3",
            "Resend: 4",
            "ok",
        ];
        let out = transport.drain();
        found |= (out.iter()).any(|o| matches!(o, Output::Fault(LineFault::Position { .. })));
        if out
            .iter()
            .any(|o| matches!(o, Output::Write(bytes) if bytes.starts_with(b"N")))
        {
            hear(&mut transport, now + 1, &refusal);
        }
    }
    assert!(found);
}

#[test]
fn ten_refusals_of_one_line_end_it() {
    let mut transport = connected();
    send(&mut transport, 10, 1);
    let mut now = 20;
    for _ in 0..10 {
        hear(
            &mut transport,
            now,
            &["Error:checksum mismatch, Last Line: 3", "Resend: 4", "ok"],
        );
        for _ in 0..4 {
            now += 300;
            transport.tick(now);
            hear(&mut transport, now, &[HOME]);
        }
    }
    let refused = transport.drain().into_iter().any(|o| {
        matches!(
            o,
            Output::Fault(LineFault::Refused {
                number: 4,
                times: 10,
                ..
            })
        )
    });
    assert!(refused);
}

#[test]
fn a_line_without_an_answer_ends_it_where_nothing_may_be_sent_twice() {
    let mut transport = Transport::new(rules(Dialect::Klipper));
    transport.hello(0);
    hear(&mut transport, 1, &["ok", REPORT, REPORT, REPORT]);
    for tag in 1..=2 {
        send(&mut transport, 10, tag);
    }
    hear(&mut transport, 20, &["ok"]);
    let wake = transport.wake_ms(20).unwrap();
    transport.tick(wake);
    hear(&mut transport, wake + 1, &["ok B:20.0 /0.0 T0:20.0 /0.0"]);
    let unanswered = LineFault::Unanswered { lines: 1 };
    assert!(transport.drain().contains(&Output::Fault(unanswered)));
}
