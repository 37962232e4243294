//! Byte streams as they were measured on Marlin 2.1.2.1 (printing.md 4.4), line by line.

use super::super::reply::read;
use super::*;

const PLAN: [f64; 4] = [10.0, 20.0, 0.3, 1.0];
const RULES: Rules = Rules {
    window: 3,
    line_max_bytes: 96,
};

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
    let mut transport = Transport::new(RULES);
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
    assert!(written(&mut transport)[0].starts_with("N7 M105*"));
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
    assert!(transport.drain().contains(&Output::Fault(LineFault::Reset)));
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
    assert!(probe[0].starts_with("N7 M105*"), "{probe:?}");
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
            hear(&mut transport, now, &[POSITION]);
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
