//! A firmware that waits for heat: what is said meanwhile, and what ends the wait.

use super::*;

const HEATING: &str = "T:60.00 /200.00 B:40.00 /40.00 @:127 B@:0 W:?";

/// Line 4 waits for heat, alone.
fn heating() -> Transport {
    let mut transport = connected();
    transport
        .send(10, "M109 S200", Class::Heat, 1, PLAN)
        .unwrap();
    assert!(written(&mut transport)[0].starts_with("N4 M109"));
    transport
}

/// Time passes up to `end`, with a line of the wait each second where it is said; what was written.
fn pass(transport: &mut Transport, from: Millis, end: Millis, heats: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for now in (from..end).step_by(20) {
        if heats && (now - from).is_multiple_of(1_000) {
            hear(transport, now, &[HEATING]);
        }
        transport.tick(now);
        lines.extend(written(transport));
    }
    lines
}

#[test]
fn a_resend_is_served_while_the_firmware_waits_for_heat() {
    let mut transport = heating();
    // Nothing was said for long: a question goes behind the wait, and is damaged.
    let asked = pass(&mut transport, 10, 10_500, false);
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].starts_with("N5 M105"), "{asked:?}");
    hear(
        &mut transport,
        10_501,
        &["Error:checksum mismatch, Last Line: 4", "Resend: 5", "ok"],
    );
    let again = pass(&mut transport, 10_501, 40_000, true);
    assert_eq!(
        again, asked,
        "once more, and no question for a place beside it"
    );
    assert!(transport.is_up() && transport.is_waiting_for_heat());
    assert!(!transport.has_room() && !transport.is_drained());
    hear(&mut transport, 40_001, &["ok", REPORT]);
    assert!(!transport.is_waiting_for_heat());
    // The next report is due.
    hear(&mut transport, 40_002, &[REPORT]);
    assert!(transport.has_room() && transport.is_drained());
}

fn refuse(transport: &mut Transport, now: Millis, last: u64) {
    let error = format!("Error:checksum mismatch, Last Line: {last}");
    hear(transport, now, &[&error, &format!("Resend: {}", last + 1)]);
}

/// Once the line that heats was damaged, and once the question behind it: what the first left lies in front of the wait.
#[test]
fn a_question_is_repeated_behind_a_heating_line_that_was_repeated_itself() {
    let mut transport = heating();
    refuse(&mut transport, 11, 3);
    let again = pass(&mut transport, 11, 1_000, false);
    assert!(
        again.len() == 1 && again[0].starts_with("N4 M109"),
        "{again:?}"
    );
    assert!(pass(&mut transport, 1_000, 5_000, true).is_empty());
    hear(&mut transport, 5_000, &["ok"]);
    let asked = pass(&mut transport, 5_000, 5_100, false);
    assert!(
        asked.len() == 1 && asked[0].starts_with("N5 M105"),
        "{asked:?}"
    );
    refuse(&mut transport, 5_100, 4);
    assert_eq!(pass(&mut transport, 5_100, 5_500, false), asked);
    hear(&mut transport, 5_500, &[REPORT]);
    assert!(!transport.is_waiting_for_heat() && transport.is_drained());
}

/// The question was refused so often that its pieces might fill the queue. A printer that waits says so each second.
#[test]
fn behind_a_wait_that_is_over_the_question_is_repeated_however_often_it_was_refused() {
    for waits in [false, true] {
        let mut transport = heating();
        hear(&mut transport, 11, &[HEATING, "ok"]);
        let mut now = 20;
        for _ in 0..2 {
            assert_eq!(pass(&mut transport, now, now + 400, false).len(), 1);
            now += 400;
            refuse(&mut transport, now, 4);
        }
        assert!(pass(&mut transport, now, now + 9_000, false).is_empty());
        let more = pass(&mut transport, now + 9_000, now + 12_000, waits);
        assert_eq!(more.len(), usize::from(!waits), "{more:?}");
        assert!(transport.is_up());
    }
}

#[test]
fn a_piece_of_a_damaged_question_takes_no_place_from_an_emergency_stop() {
    let mut transport = heating();
    // Two questions: the first is taken, the second is cut in two. Its end may be a line of its own.
    let asked = pass(&mut transport, 10, 25_000, false);
    assert_eq!(asked.len(), 2, "{asked:?}");
    let refused = |last: u64| {
        [
            format!("Error:checksum mismatch, Last Line: {last}"),
            format!("Resend: {}", last + 1),
            "ok".to_owned(),
        ]
    };
    for line in refused(5) {
        hear(&mut transport, 25_001, &[&line]);
    }
    // The wait, the first question, a piece: a fourth line would fill the queue of a stock Marlin.
    let more = pass(&mut transport, 25_001, 300_000, true);
    assert_eq!(more, [""; 0]);
    assert!(transport.is_up() && transport.is_waiting_for_heat());
    // The answer to the first question ends the wait; then the second is repeated.
    hear(&mut transport, 300_001, &["ok", REPORT]);
    assert!(!transport.is_waiting_for_heat());
    let again = pass(&mut transport, 300_002, 300_200, false);
    assert_eq!(again[0], asked[1], "{again:?}");
}

#[test]
fn that_a_waiting_line_was_taken_does_not_end_the_wait() {
    let mut transport = heating();
    // It came twice: the firmware refuses the second, and says that it has the first.
    let refused = |last: u64| {
        [
            format!("Error:Line Number is not Last Line Number+1, Last Line: {last}"),
            format!("Resend: {}", last + 1),
            "ok".to_owned(),
        ]
    };
    for line in refused(4) {
        hear(&mut transport, 12, &[&line]);
    }
    let asked = pass(&mut transport, 12, 2_000, true);
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].starts_with("N5 M105"), "{asked:?}");
    for line in refused(5) {
        hear(&mut transport, 2_000, &[&line]);
    }
    // Its queue has a place left for M112.
    let more = pass(&mut transport, 2_000, 60_000, true);
    assert_eq!(more, [""; 0]);
    assert!(transport.is_waiting_for_heat() && !transport.has_room());
    hear(&mut transport, 60_001, &["ok", REPORT]);
    assert!(!transport.is_waiting_for_heat());
    hear(&mut transport, 60_002, &[REPORT]);
    assert!(transport.is_drained() && transport.has_room());
}

#[test]
fn a_lost_answer_does_not_make_a_wait_that_never_ends() {
    let mut transport = heating();
    hear(&mut transport, 5_000, &["ok"]);
    assert!(written(&mut transport)[0].starts_with("N5 M105"));
    // Line 5 was answered, and the answer got lost.
    let asked = pass(&mut transport, 5_000, 30_000, false);
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].starts_with("N6 M105"), "{asked:?}");
    hear(&mut transport, 30_001, &[REPORT]);
    assert!(!transport.is_waiting_for_heat());
    // Which of the two was answered is not known; the next one tells.
    let asked = pass(&mut transport, 30_001, 31_000, false);
    assert!(asked[0].starts_with("N7 M105"), "{asked:?}");
    hear(&mut transport, 31_001, &[REPORT]);
    assert!(transport.is_drained());
}

#[test]
fn of_several_questions_the_oldest_is_answered_first() {
    let mut transport = connected();
    send(&mut transport, 10, 1);
    // The printer is at work: nothing is said until three questions are on their way.
    let mut asked = Vec::new();
    let mut now = 10;
    while asked.len() < 4 {
        now = transport.wake_ms(now).unwrap().max(now + 1);
        transport.tick(now);
        asked.extend(written(&mut transport));
    }
    assert!(
        asked.iter().skip(1).all(|l| l.contains("M105")),
        "{asked:?}"
    );
    // The third was damaged on its way: the answers to the first two must not count for it.
    hear(&mut transport, now + 1, &["ok", REPORT]);
    assert!(!transport.is_certain());
    hear(&mut transport, now + 2, &[REPORT]);
    assert!(!transport.is_certain());
    hear(&mut transport, now + 3, &["Resend: 7", "ok"]);
    transport.tick(now + 100);
    hear(&mut transport, now + 101, &[POSITION, "ok"]);
    let again = written(&mut transport);
    assert!(again.iter().any(|l| l.starts_with("N7 M105")), "{again:?}");
}

#[test]
fn an_ok_behind_a_word_that_is_not_supported_belongs_to_no_line() {
    let mut transport = Transport::new(Rules {
        window: 1,
        ..rules(Dialect::RepRapFirmware)
    });
    transport.hello(0);
    hear(&mut transport, 1, &["ok", REPORT, REPORT, REPORT]);
    send(&mut transport, 10, 1);
    // `N4` became `M4`: nothing was moved, and there is an `ok`.
    hear(
        &mut transport,
        11,
        &["Warning: M4: Command is not supported", "ok"],
    );
    assert!(!transport.is_drained());
    let asked = pass(&mut transport, 11, 1_000, false);
    assert!(asked.iter().any(|l| l.contains("M105")), "{asked:?}");
    hear(&mut transport, 1_001, &[REPORT]);
    let lost = |o: &Output| matches!(o, Output::Fault(LineFault::Unanswered { .. }));
    assert!(transport.drain().iter().any(lost), "it is not sent again");
}

/// Says twice that line `wanted` is due, though a later one is proved.
fn contradict(transport: &mut Transport, now: Millis, wanted: u64) {
    for k in 0..2 {
        let error = format!(
            "Error:Line Number is not Last Line Number+1, Last Line: {}",
            wanted - 1
        );
        let resend = format!("Resend: {wanted}");
        hear(transport, now + 200 * k, &[&error, &resend, "ok"]);
        transport.tick(now + 200 * k + 100);
    }
}

#[test]
fn a_heating_line_that_is_sent_again_is_waited_for_again() {
    let mut transport = heating();
    // The answer to an old question, late: it is taken for that of the new one, and the wait for over.
    assert_eq!(pass(&mut transport, 10, 10_500, false).len(), 1);
    hear(&mut transport, 10_501, &[REPORT]);
    assert!(!transport.is_waiting_for_heat());
    // The heating line was damaged. It is wanted, and sent again.
    pass(&mut transport, 10_501, 13_000, false);
    contradict(&mut transport, 13_000, 4);
    let again = pass(&mut transport, 13_400, 13_700, false);
    assert!(
        again.iter().any(|l| l.starts_with("N4 M109")),
        "once more: {again:?}"
    );
    assert!(transport.is_waiting_for_heat());
    // It waits, and says nothing: its queue keeps a place for M112.
    let behind = pass(&mut transport, 13_700, 30_000, false);
    assert!(behind.len() <= 2, "{behind:?}");
    assert!(!transport.has_room());
}

#[test]
fn where_nothing_is_sent_twice_an_answer_behind_a_wait_says_that_it_is_over() {
    for dialect in [Dialect::Klipper, Dialect::RepRapFirmware] {
        let mut transport = Transport::new(Rules {
            window: 1,
            ..rules(dialect)
        });
        transport.hello(0);
        hear(&mut transport, 1, &["ok", REPORT, REPORT, REPORT]);
        written(&mut transport);
        transport
            .send(10, "M109 S200", Class::Heat, 1, PLAN)
            .unwrap();
        assert_eq!(
            pass(&mut transport, 10, 10_500, false).len(),
            2,
            "{dialect}"
        );
        assert!(transport.is_waiting_for_heat());
        // Its `ok` got lost; the question behind it was answered.
        hear(&mut transport, 60_000, &[REPORT]);
        let unanswered = |o: &Output| matches!(o, Output::Fault(LineFault::Unanswered { .. }));
        assert!(transport.drain().iter().any(unanswered), "{dialect}");
        assert!(!transport.is_waiting_for_heat(), "{dialect}: nothing waits");
    }
}

#[test]
fn an_answer_to_an_older_line_makes_no_question_alone() {
    let mut transport = connected();
    send(&mut transport, 10, 1);
    // A question goes behind it; the move's own `ok` comes after that, and the printer is slow.
    let mut now = 10;
    let mut asked = Vec::new();
    while asked.len() < 2 {
        now = transport.wake_ms(now).unwrap().max(now + 1);
        transport.tick(now);
        asked.extend(written(&mut transport));
    }
    assert!(asked[1].starts_with("N5 M105"), "{asked:?}");
    hear(&mut transport, now + 1, &["ok"]);
    while asked.len() < 3 {
        now = transport.wake_ms(now).unwrap().max(now + 1);
        transport.tick(now);
        asked.extend(written(&mut transport));
    }
    assert!(asked[2].starts_with("N6 M105"), "{asked:?}");
    // The answer to the first question proves nothing of the second.
    hear(&mut transport, now + 1, &[REPORT]);
    assert!(!transport.is_certain());
    hear(&mut transport, now + 2, &[REPORT]);
    assert!(transport.is_certain());
}

#[test]
fn behind_half_a_refusal_nothing_is_written_and_without_the_other_half_a_fence_asks() {
    let mut transport = connected();
    send(&mut transport, 10, 1);
    hear(&mut transport, 11, &["ok"]);
    written(&mut transport);
    // The line came twice.
    let half = "Error:Line Number is not Last Line Number+1, Last Line: 4";
    hear(&mut transport, 12, &[half]);
    assert!(!transport.has_room(), "the other half is still to come");
    transport.tick(20);
    assert_eq!(written(&mut transport), [""; 0]);
    // It got lost.
    let asked = pass(&mut transport, 20, 400, false);
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].starts_with("N5 M105"), "{asked:?}");
    assert!(!transport.has_room(), "the fence goes first");
    hear(&mut transport, 401, &[REPORT]);
    assert!(transport.has_room() && transport.is_certain());
}
