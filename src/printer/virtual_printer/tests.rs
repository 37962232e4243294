//! Each firmware's own habits, as its source has them: what is said, what is executed, what turns heaters off.

use super::super::line::{checksum, frame};
use super::*;
use crate::gcode::Printer;

/// A board and a host that only talks.
struct Talk {
    board: Board,
    now: f64,
    next: u64,
}

impl Talk {
    fn with(dialect: Dialect) -> Self {
        let limits = Printer::load("virtual").unwrap().limits;
        let board = Board::new(
            Options::of(dialect, limits),
            Faults::default(),
            1,
            Log::keeping(),
        );
        let mut talk = Self {
            board,
            now: 0.0,
            next: 1,
        };
        talk.wait(3.0);
        talk
    }
    fn raw(&mut self, bytes: &str) -> String {
        self.board.from_host(self.now, bytes.as_bytes());
        self.wait(0.5)
    }
    /// Numbered, with its checksum.
    fn line(&mut self, command: &str) -> String {
        let frame = frame(self.next, command, 255).unwrap();
        self.next += 1;
        self.raw(&frame)
    }
    fn wait(&mut self, seconds: f64) -> String {
        let end = self.now + seconds;
        let mut said = Vec::new();
        while self.now < end {
            self.now = self.board.next_event().max(self.now + 0.01).min(end);
            said.extend(self.board.to_host(self.now));
        }
        String::from_utf8_lossy(&said).into_owned()
    }
    fn targets(&self) -> [f64; 2] {
        self.board.firmware().targets_c()
    }
    /// Filament since power-on, mm, of the moves that were carried out.
    fn filament(&mut self) -> f64 {
        let mut e = 0.0;
        for record in self.board.records() {
            if let Record::Block { from, to, .. } = record {
                e += to[3] - from[3];
            }
        }
        e
    }
    /// Hot enough to push.
    fn hot(&mut self) {
        self.line("M109 S180");
        self.wait(200.0);
        self.line("G28");
        self.wait(60.0);
        self.line("T0");
    }
}

#[test]
fn m104_with_r_alone_does_what_each_firmware_does() {
    use Dialect as D;
    for (dialect, left) in [
        (D::Marlin21, 200.0),
        (D::Marlin20, 200.0),
        (D::Prusa311, 200.0),
        (D::Prusa314, 200.0),
        (D::Buddy, 200.0),
        // A missing S is 0.
        (D::Klipper, 0.0),
        (D::Duet, 0.0),
        (D::Repetier, 200.0),
    ] {
        let mut talk = Talk::with(dialect);
        talk.line("M104 S200");
        assert_eq!(talk.targets()[0], 200.0, "{dialect:?}");
        talk.line("M104 R0");
        assert_eq!(talk.targets()[0], left, "{dialect:?}");
        talk.line("M104 S0");
        assert_eq!(talk.targets()[0], 0.0, "{dialect:?}");
        talk.line("M140 S60");
        talk.line("M140 R0");
        let bed = if dialect == D::Klipper { 0.0 } else { 60.0 };
        assert_eq!(talk.targets()[1], bed, "{dialect:?}");
    }
}

#[test]
fn g90_after_m83_does_what_each_firmware_does() {
    use Dialect as D;
    for dialect in D::ALL {
        let mut talk = Talk::with(dialect);
        talk.hot();
        talk.filament();
        for line in ["M83", "G90", "G92 E0", "G1 X10 E1 F6000", "G1 X20 E1"] {
            talk.line(line);
        }
        talk.wait(5.0);
        let pushed = talk.filament();
        // Absolute: the second E1 is where it already is.
        let expected = if matches!(dialect, D::Marlin21 | D::Marlin20 | D::Buddy) {
            1.0
        } else {
            2.0
        };
        assert!((pushed - expected).abs() < 1e-6, "{dialect:?}: {pushed}");
    }
}

#[test]
fn a_damaged_line_is_answered_as_each_source_has_it() {
    use Dialect as D;
    for (dialect, answer) in [
        (
            D::Marlin21,
            "Error:checksum mismatch, Last Line: 1\nResend: 2\nok\n",
        ),
        (
            D::Prusa314,
            "Error:checksum mismatch, Last Line: 1\nResend: 2\nok\n",
        ),
        (
            D::Buddy,
            "Error:checksum mismatch, Last Line: 1\nResend: 2\nok\n",
        ),
        (D::Klipper, "ok\n"),
        (D::Duet, ""),
        (
            D::Repetier,
            // With an emergency parser each line is read twice.
            "Error:Wrong checksum\r\nError:Wrong checksum\r\n\r\nResend:2\r\nok\r\n",
        ),
    ] {
        let mut talk = Talk::with(dialect);
        talk.line("M82");
        let said = talk.raw("N2 M83*1\n");
        assert!(said.starts_with(answer), "{dialect:?}: {said:?}");
        assert!(
            !answer.is_empty() || said.is_empty(),
            "{dialect:?}: {said:?}"
        );
    }
}

#[test]
fn a_repeated_number_is_answered_as_each_source_has_it() {
    use Dialect as D;
    for (dialect, answer) in [
        (D::Marlin21, ""),
        (
            D::Marlin20,
            "Error:Line Number is not Last Line Number+1, Last Line: 1\nResend: 2\nok\n",
        ),
        (
            D::Prusa311,
            "Error:Line Number is not Last Line Number+1, Last Line: 1\nResend: 2\nok\n",
        ),
        (D::Klipper, "ok\n"),
        (D::Duet, "ok\n"),
        (D::Repetier, "skip 1\r\nok\r\n"),
    ] {
        let mut talk = Talk::with(dialect);
        let first = frame(1, "M82", 96).unwrap();
        talk.raw(&first);
        let said = talk.raw(&first);
        let said = said.trim_end_matches("wait\r\n");
        assert_eq!(said, answer, "{dialect:?}");
    }
}

#[test]
fn klipper_and_duet_execute_a_repeated_line_again() {
    for dialect in [Dialect::Klipper, Dialect::Duet] {
        let mut talk = Talk::with(dialect);
        talk.hot();
        talk.line("M83");
        talk.filament();
        let line = frame(90, "G1 X5 E1 F6000", 96).unwrap();
        talk.raw(&line);
        talk.raw(&line);
        talk.wait(5.0);
        assert!((talk.filament() - 2.0).abs() < 1e-6, "{dialect:?}");
    }
}

#[test]
fn a_lost_line_goes_unnoticed_where_numbers_are_not_compared() {
    for dialect in [Dialect::Klipper, Dialect::Duet] {
        let mut talk = Talk::with(dialect);
        talk.line("M82");
        talk.next += 3;
        assert_eq!(talk.line("M83"), "ok\n", "{dialect:?}");
    }
    let mut talk = Talk::with(Dialect::Marlin21);
    talk.line("M82");
    talk.next += 3;
    assert!(talk.line("M83").contains("Resend: 2"));
}

#[test]
fn m112_stops_each_firmware_in_its_own_words() {
    use Dialect as D;
    for (dialect, said, later) in [
        (
            D::Marlin21,
            "echo:M112 Shutdown\nError:Printer halted. kill() called!\n",
            "",
        ),
        (
            D::Prusa311,
            "Error:Printer halted. kill() called!\nError:Emergency stop (M112)\n",
            "",
        ),
        (
            D::Prusa314,
            "Error:Printer halted. kill() called!\nError:Emergency stop (M112)\nstart\n",
            "ok T:",
        ),
        (D::Buddy, "", ""),
        (D::Klipper, "// Klipper state: Shutdown\nok\n", "ok T:0\n"),
        (D::Duet, "", "ok T:"),
        (D::Repetier, "start\r\nInfo:External Reset\r\n", "ok"),
    ] {
        let mut talk = Talk::with(dialect);
        talk.line("M104 S200");
        talk.line("M140 S60");
        let answer = talk.raw("M112\n");
        assert!(answer.starts_with(said), "{dialect:?}: {answer:?}");
        assert_eq!(talk.targets(), [0.0, 0.0], "{dialect:?}");
        talk.wait(3.0);
        let then = talk.raw("M105\n");
        assert!(
            if later.is_empty() {
                then.is_empty()
            } else {
                then.contains(later)
            },
            "{dialect:?}: {then:?}"
        );
    }
}

#[test]
fn klipper_in_shutdown_answers_every_line_with_an_error_and_ok() {
    let mut talk = Talk::with(Dialect::Klipper);
    talk.raw("M112\n");
    let said = talk.raw("G1 X1\n");
    assert!(
        said.contains("!! Shutdown due to M112 command\nok\n"),
        "{said}"
    );
    let said = talk.raw("FIRMWARE_RESTART\n");
    talk.wait(3.0);
    assert!(talk.raw("M105\n").starts_with("ok B:"), "{said}");
}

#[test]
fn klipper_gives_one_ok_for_every_line_and_drops_a_block_that_is_no_text() {
    let mut talk = Talk::with(Dialect::Klipper);
    assert_eq!(talk.raw("\n\n\n"), "ok\nok\nok\n");
    assert_eq!(talk.raw("M155 S2\n"), "// Unknown command:\"M155\"\nok\n");
    assert!(talk.raw("M115\n").starts_with("ok FIRMWARE_NAME:Klipper "));
    assert!(
        talk.raw("G1 X5\n")
            .starts_with("!! Must home axis first: 5.000")
    );
    talk.board.from_host(talk.now, b"\xff\xfeM105\nM105\n");
    assert_eq!(talk.wait(0.5), "");
}

#[test]
fn duet_neither_stops_nor_waits_for_what_is_meant_for_its_own_files() {
    let mut talk = Talk::with(Dialect::Duet);
    let said = talk.line("M1");
    assert_eq!(
        said,
        "Error: M1: Pause the print before attempting to cancel it\nok\n"
    );
    assert!(talk.line("M600").starts_with("Error: M600: "));
    // What begins with no G, M or T is an error; an unknown M is none.
    let said = talk.raw("=N7 G1 X5*20\n");
    assert_eq!(said, "Error: Bad command: =N7 G1 X5*20\nok\n");
    let said = talk.line("M205");
    assert_eq!(said, "Warning: M205: Command is not supported\nok\n");
}

#[test]
fn a_nul_ends_the_line_for_what_is_written_in_c() {
    for dialect in [Dialect::Marlin21, Dialect::Prusa314] {
        let mut talk = Talk::with(dialect);
        let frame = frame(1, "M104 S200", 96).unwrap();
        // The sum of all bytes is still right.
        let said = talk.raw(&frame.replace("M104", "M1\u{0}04"));
        assert!(said.contains("No Checksum"), "{dialect:?} {said}");
        assert_eq!(talk.targets(), [0.0, 0.0]);
    }
}

#[test]
fn repetier_says_ok_before_it_has_done_anything() {
    let mut talk = Talk::with(Dialect::Repetier);
    let said = talk.line("M109 S200");
    assert!(said.starts_with("ok 1\r\n"), "{said}");
    assert!(!said.contains("T:20"), "{said}");
    let mut talk = Talk::with(Dialect::Repetier);
    let said = talk.line("M105");
    assert!(said.starts_with("ok 1\r\nT:"), "{said}");
    assert!(talk.wait(3.0).contains("wait\r\n"));
}

#[test]
fn repetier_takes_half_a_line_without_a_checksum() {
    let mut talk = Talk::with(Dialect::Repetier);
    talk.hot();
    let number = talk.next;
    // A line end in the middle: the first half counts as the line, the second is refused.
    let said = talk.raw(&format!("N{number} G1 X10\n Y10*33\n"));
    assert!(said.contains(&format!("ok {number}\r\n")), "{said}");
    assert!(said.contains(&format!("Resend:{}", number + 1)), "{said}");
}

#[test]
fn repetier_reads_the_last_number_wherever_it_stands() {
    let mut talk = Talk::with(Dialect::Repetier);
    talk.hot();
    let number = talk.next;
    let line = format!("N0 G1 X10 Y5 F6000 N{number}");
    // Cut: the number in front is not due. `ok` behind a line without a number says the number that was read last.
    assert!(talk.raw("N0 G1 X10\n").contains("skip 0\r\n"));
    assert!(talk.raw("M105\n").contains("ok 0\r\n"));
    // `(` ends a line, and nothing behind it is looked at.
    assert!(talk.raw("N0 G1 X10(Y5 N99*1\n").contains("skip 0\r\n"));
    let sum = checksum(line.as_bytes());
    let said = talk.raw(&format!("{line}*{sum}\n"));
    assert!(said.contains(&format!("ok {number}\r\n")), "{said}");
    assert!(talk.raw("M114\n").contains("X:10.00 Y:5.00"));
    // Words in any order, and the checksum of a line without a number.
    assert!(talk.raw("X12 G1\n").contains(&format!("ok {number}\r\n")));
    assert!(talk.raw("M114*1\n").contains("Wrong checksum"));
    let said = talk.raw(&format!("M114*{}\n", checksum(b"M114")));
    assert!(said.contains("X:12.00 Y:5.00"), "{said}");
}

#[test]
fn repetier_forgets_e_at_each_relative_push() {
    let mut talk = Talk::with(Dialect::Repetier);
    talk.hot();
    for (line, e) in [
        ("M82", ""),
        ("G92 E0", "E:0.0000"),
        ("G1 E2 F300", "E:2.0000"),
        ("M83", "E:2.0000"),
        ("G1 E1.5", "E:0.0000"),
        ("M82", "E:0.0000"),
        ("G1 E1", "E:1.0000"),
    ] {
        talk.line(line);
        let said = talk.line("M114");
        assert!(said.contains(e), "{line}: {said}");
    }
}

#[test]
fn repetier_takes_a_byte_with_its_highest_bit_for_a_binary_command() {
    let mut talk = Talk::with(Dialect::Repetier);
    // The first byte of a line: what follows is no text, whatever line ends it has. Nothing goes on, and it asks again.
    let said = talk.raw("\u{80}0 M105 N1*37\n");
    assert!(!said.contains("ok 1"), "{said}");
    assert!(talk.wait(0.5).contains("Resend:1\r\n"));
}

#[test]
fn prusa_heats_without_busy_up_to_3_11_and_with_it_later() {
    for (dialect, busy) in [(Dialect::Prusa311, false), (Dialect::Prusa314, true)] {
        let mut talk = Talk::with(dialect);
        let mut said = talk.line("M109 S200");
        said += &talk.wait(10.0);
        assert!(said.contains(" E:0 W:?\n"), "{said}");
        assert!(!said.contains('/'), "{said}");
        assert_eq!(said.contains("busy:"), busy, "{said}");
    }
}

#[test]
fn prusa_refuses_a_star_without_a_number_and_forgets_a_half_line() {
    let mut talk = Talk::with(Dialect::Prusa314);
    let said = talk.raw("G1 X10*40\n");
    assert!(said.starts_with("Error:No Line Number with checksum, Last Line: 0\nResend: 1\nok\n"));
    talk.raw("N1 M8");
    assert_eq!(talk.wait(3.0), "RX timeout\n");
    assert_eq!(talk.line("M82"), "ok\n");
}

#[test]
fn a_reset_that_nobody_hears_starts_the_numbers_anew() {
    let limits = Printer::load("virtual").unwrap().limits;
    let faults = Faults {
        at: vec![Happening {
            line: Some(5),
            s: None,
            what: What::SilentReset,
            amount: 0.0,
        }],
        ..Faults::default()
    };
    let mut talk = Talk {
        board: Board::new(Options::stock(limits), faults, 1, Log::keeping()),
        now: 0.0,
        next: 1,
    };
    talk.wait(3.0);
    for _ in 0..5 {
        talk.line("M104 S200");
    }
    let said = talk.line("M82");
    assert_eq!(
        said,
        "Error:Line Number is not Last Line Number+1, Last Line: 0\nResend: 1\nok\n"
    );
    assert_eq!(talk.targets(), [0.0, 0.0]);
    assert_eq!(talk.board.fired()["silent reset"], 1);
}

#[test]
fn every_fault_of_the_weather_comes() {
    let mut fired = Fired::new();
    let limits = Printer::load("virtual").unwrap().limits;
    for seed in 0..400 {
        let faults = Faults::drawn(seed, Dialect::Marlin21, 20);
        let board = Board::new(Options::stock(limits), faults, seed, Log::default());
        let mut talk = Talk {
            board,
            now: 0.0,
            next: 1,
        };
        talk.wait(3.0);
        for _ in 0..60 {
            let said = talk.line("G1 X10 Y10 E0.5 F1200");
            let asked = said.rsplit("Resend: ").next().and_then(|rest| {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                digits.parse().ok()
            });
            talk.next = asked.filter(|n| *n < 1_000).unwrap_or(talk.next);
        }
        for (name, times) in talk.board.fired() {
            *fired.entry(name).or_default() += times;
        }
    }
    // 20 rates and 12 happenings.
    assert_eq!(fired.len(), 32, "{fired:?}");
}

#[test]
fn a_fault_never_makes_another_position() {
    let faults = Faults {
        corrupt_down: 0.05,
        drop_down: 0.05,
        double_down: 0.05,
        ..Faults::default()
    };
    let mut wire = Wire::new(faults, 3);
    let said = b"X:12.34 Y:56.78 Z:0.30 E:9.87 Count X:1 Y:2 Z:3\n";
    for _ in 0..2_000 {
        wire.from_printer(0.0, said);
        let heard = String::from_utf8_lossy(&wire.to_host(1.0)).into_owned();
        for line in heard.lines() {
            let numbers: Vec<f64> = (line.split(' ').zip(["X:", "Y:", "Z:", "E:"]))
                .filter_map(|(word, key)| word.strip_prefix(key)?.parse().ok())
                .collect();
            assert!(
                numbers.len() < 4 || numbers == [12.34, 56.78, 0.3, 9.87],
                "{line}"
            );
        }
    }
}
