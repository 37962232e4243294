//! Orders to the link on somebody's word: answered as the link answers them, and never recorded as done when they were
//! not.

use crate::station::{Bench, DESIGNS, PIN, Says, status};
use calvaria::station::Store;
use calvaria::station::link::{Order, Phase};
use calvaria::station::store::Entry;
use calvaria::status::{
    Act, Finding, JobState, Pin, PrinterState, Prompt, Refused, Request, Severity, Tune,
};
use std::time::{Duration, Instant};

fn no(code: &str) -> Says {
    let text = "Nothing is being printed that could be held.";
    Says::No(Refused::new(code, text, "Look at the state."))
}

/// What the record says of a case, or with no code of the printer alone, oldest first.
fn record(b: &Bench, code: &str) -> Vec<Entry> {
    let store = Store::open_existing(&b.dir.path().join("data")).unwrap();
    store.entries(code).unwrap()
}

fn kinds(b: &Bench, code: &str) -> Vec<String> {
    record(b, code).into_iter().map(|e| e.kind).collect()
}

#[test]
fn what_the_link_refused_is_answered_in_its_words_and_stands_in_the_record() {
    let b = Bench::new(DESIGNS);
    let (code, hash) = b.printing();
    b.link.says(no("not_printing"));
    let pause = || Request::Pause(b.act(&code));
    assert_eq!(b.ask(pause(), "p-1"), Err("not_printing".into()));
    // A repeat is answered like the first, after a restart too.
    assert_eq!(b.ask(pause(), "p-1"), Err("not_printing".into()));
    let said = record(&b, &code);
    let refused = said.last().unwrap();
    assert_eq!(
        (refused.kind.as_str(), refused.actor.as_str()),
        ("pause_refused", "link")
    );
    assert!(refused.body["text"].as_str().unwrap().contains("held"));
    let before = said.len();
    // Who asked was told: nobody has to look at the case for it.
    assert!(
        b.jobs()[0]
            .findings
            .iter()
            .all(|f| f.name != "pause_refused")
    );
    let act = b.act(&code);
    let b = b.restart(DESIGNS);
    assert_eq!(
        b.ask(Request::Pause(act), "p-1"),
        Err("not_printing".into())
    );
    // What was refused is not asked for again by a station that comes back.
    b.link.status(
        PrinterState::Printing,
        Some((&code, &hash, Phase::Working(""))),
    );
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(b.link.ordered(), []);
    assert_eq!(
        record(&b, &code)
            .iter()
            .skip(before)
            .filter(|e| e.kind != "station_started")
            .count(),
        0
    );
    b.wait_for(&code, JobState::Printing);
}

/// An end that was asked for is not forgotten because a hold was refused after it.
#[test]
fn a_refused_hold_does_not_call_an_end_off() {
    let b = Bench::new(DESIGNS);
    let (code, hash) = b.printing();
    assert_eq!(b.ask(Request::Cancel(b.act(&code)), "c-1"), Ok(()));
    b.link.says(no("not_printing"));
    assert!(b.ask(Request::Pause(b.act(&code)), "p-1").is_err());
    let shown = Request::SignIn(b.act(&code));
    assert_eq!(b.ask(shown, "i-1"), Ok(()));
    let b = b.restart(DESIGNS);
    b.link.status(
        PrinterState::Printing,
        Some((&code, &hash, Phase::Working("parking, heaters off"))),
    );
    let until = Instant::now() + Duration::from_secs(5);
    while b.link.ordered().is_empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(b.link.ordered(), [Order::Cancel]);
}

#[test]
fn every_order_on_somebodys_word_is_answered_as_the_link_answers() {
    let b = Bench::new(DESIGNS);
    let (code, hash) = b.printing();
    let paused = status(PrinterState::Paused, Some((&code, &hash, Phase::Paused)));
    // The link's own word for it is that of a case that is not there.
    b.link.says(no("no_job"));
    let cancel = b.ask(Request::Cancel(b.act(&code)), "c-1");
    assert_eq!(cancel, Err("not_printing".into()));
    b.link.tells(paused);
    b.wait_for(&code, JobState::Paused);
    b.link.says(no("not_printing"));
    let resume = b.ask(Request::Resume(b.act(&code)), "r-1");
    assert_eq!(resume, Err("not_printing".into()));
    b.link.status(PrinterState::Halted, None);
    b.wait_for(&code, JobState::Stopped);
    b.link.says(no("not_halted"));
    let recover = b.ask(Request::Recover(b.act("")), "h-1");
    assert_eq!(recover, Err("not_halted".into()));
    assert!(kinds(&b, "").ends_with(&[
        "printer_recover_asked".into(),
        "printer_recover_refused".into()
    ]));
    let of_case = kinds(&b, &code);
    for kind in ["cancel_refused", "resume_refused"] {
        assert!(of_case.iter().any(|k| k == kind), "{kind}: {of_case:?}");
    }
    b.link.says(Says::Taken);
    assert_eq!(b.ask(Request::Recover(b.act("")), "h-2"), Ok(()));
}

#[test]
fn a_link_that_says_nothing_is_no_word_that_it_was_done() {
    let b = Bench::new(DESIGNS);
    let (code, _) = b.printing();
    b.link.says(Says::Nothing);
    let asked = Instant::now();
    let act = || Request::Pause(b.act(&code));
    // Whoever asks once more by the same id meanwhile waits with the first.
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| b.ask(act(), "p-1"));
        std::thread::sleep(Duration::from_millis(500));
        let second = scope.spawn(|| b.ask(act(), "p-1"));
        (first.join().unwrap(), second.join().unwrap())
    });
    assert_eq!((first, second), (Err("stuck".into()), Err("stuck".into())));
    assert!(asked.elapsed() > Duration::from_secs(3));
    assert!(asked.elapsed() < Duration::from_secs(8));
    assert_eq!(b.link.ordered().last(), Some(&Order::Pause));
    assert_eq!(
        b.link
            .ordered()
            .iter()
            .filter(|o| **o == Order::Pause)
            .count(),
        1
    );
    // It comes back late, and nobody waits: the case says it.
    let late = Refused::new("not_printing", "Nothing is being printed.", "Look.");
    let answer = calvaria::station::link::Report::Answer(Order::Pause, Err(late));
    b.link.mailbox.link(answer);
    b.wait("told", |jobs| {
        jobs[0]
            .findings
            .iter()
            .any(|f| f.name == "pause_refused" && f.severity == Severity::Warn)
    });
    assert_eq!(kinds(&b, &code).last().unwrap(), "pause_refused");
}

/// Whoever would have heard the answer has gone: nobody knows, which is final, and the promise is kept all the same.
#[test]
fn an_act_whose_answer_went_with_the_station_is_never_known() {
    let b = Bench::new(DESIGNS);
    let (code, hash) = b.printing();
    b.link.says(Says::Nothing);
    let act = b.act(&code);
    assert_eq!(
        b.ask(Request::Pause(act.clone()), "p-1"),
        Err("stuck".into())
    );
    let b = b.restart(DESIGNS);
    let again = || b.ask(Request::Pause(act.clone()), "p-1");
    assert_eq!(again(), Err("not_known".into()));
    b.link.status(
        PrinterState::Printing,
        Some((&code, &hash, Phase::Working(""))),
    );
    let until = Instant::now() + Duration::from_secs(5);
    while b.link.ordered().is_empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(b.link.ordered(), [Order::Pause]);
    assert_eq!(again(), Err("not_known".into()));
}

#[test]
fn what_the_printer_asks_is_answered_once_and_by_who_saw_it() {
    let b = Bench::new(DESIGNS);
    let (code, hash) = b.printing();
    let mut asks = status(PrinterState::Paused, Some((&code, &hash, Phase::Paused)));
    asks.view.prompt = Some(Prompt {
        text: "Filament runout T0".into(),
        choices: vec!["Purge More".into(), "Continue".into()],
    });
    b.link.tells(asks.clone());
    b.wait_for(&code, JobState::Paused);
    let shown = b.handle.snapshots().borrow().printer.question().cloned();
    assert_eq!(shown, asks.view.prompt);
    let answer = |question: &str, choice: usize| Request::Answer {
        act: Act {
            code: String::new(),
            operator: "S. Haus".into(),
            pin: Pin(PIN.into()),
        },
        question: question.into(),
        choice,
    };
    let asked = "Filament runout T0";
    assert_eq!(
        b.ask(answer("Heater timeout", 0), "a-1"),
        Err("changed".into())
    );
    assert_eq!(b.ask(answer(asked, 2), "a-2"), Err("no_such_choice".into()));
    assert!(
        b.link
            .ordered()
            .iter()
            .all(|o| !matches!(o, Order::Answer(_)))
    );
    assert_eq!(b.ask(answer(asked, 1), "a-3"), Ok(()));
    assert_eq!(b.link.ordered().last(), Some(&Order::Answer(1)));
    let entry = record(&b, &code).pop().unwrap();
    assert_eq!(
        (entry.kind.as_str(), entry.actor.as_str()),
        ("printer_answer_asked", "S. Haus")
    );
    assert_eq!(entry.body["answer"], "Continue");
    // It was answered at the panel meanwhile, and the link says so.
    b.link.says(no("nothing_asked"));
    assert_eq!(b.ask(answer(asked, 1), "a-4"), Err("nothing_asked".into()));
    assert_eq!(kinds(&b, &code).last().unwrap(), "printer_answer_refused");
    // A stop leaves nothing to answer, even where the link still tells of the question.
    b.link.says(Says::Taken);
    asks.view.state = PrinterState::Halted;
    asks.view.fault = Some(Finding::refuse("stop_sent", "Stop."));
    asks.job = None;
    b.link.tells(asks);
    b.wait_for(&code, JobState::Stopped);
    assert_eq!(b.ask(answer(asked, 1), "a-5"), Err("nothing_asked".into()));
    assert_eq!(b.handle.snapshots().borrow().printer.question(), None);
}

#[test]
fn who_tunes_a_print_stands_in_its_record_with_what_was_asked() {
    let b = Bench::new(DESIGNS);
    let slower = Tune {
        speed_percent: Some(80.0),
        ..Tune::default()
    };
    let tune = |tune: Tune| Request::Tune {
        act: Act {
            code: String::new(),
            operator: "S. Haus".into(),
            pin: Pin(PIN.into()),
        },
        tune,
    };
    let (code, _) = b.printing();
    assert_eq!(
        b.ask(tune(Tune::default()), "t-0"),
        Err("nothing_asked".into())
    );
    assert_eq!(b.ask(tune(slower), "t-1"), Ok(()));
    assert_eq!(b.link.ordered().last(), Some(&Order::Tune(slower)));
    let entry = record(&b, &code).pop().unwrap();
    assert_eq!(
        (entry.kind.as_str(), entry.actor.as_str()),
        ("printer_tune_asked", "S. Haus")
    );
    assert_eq!(entry.body["speed_percent"], 80.0);
    assert!(entry.body.get("flow_percent").is_none());
    // The bounds are the link's to say.
    b.link.says(no("out_of_bounds"));
    assert_eq!(b.ask(tune(slower), "t-2"), Err("out_of_bounds".into()));
    assert_eq!(kinds(&b, &code).last().unwrap(), "printer_tune_refused");
    // With a wrong PIN nothing is asked of the link.
    let orders = b.link.ordered().len();
    let guessed = Request::Tune {
        act: Act {
            code: String::new(),
            operator: "S. Haus".into(),
            pin: Pin("000000".into()),
        },
        tune: slower,
    };
    assert_eq!(b.ask(guessed, "t-3"), Err("wrong_pin".into()));
    assert_eq!(b.link.ordered().len(), orders);
}

#[test]
fn nothing_is_tuned_where_nothing_is_printed() {
    let b = Bench::new(DESIGNS);
    let tune = Request::Tune {
        act: Act {
            code: String::new(),
            operator: "S. Haus".into(),
            pin: Pin(PIN.into()),
        },
        tune: Tune {
            flow_percent: Some(95.0),
            ..Tune::default()
        },
    };
    b.link.status(PrinterState::Idle, None);
    assert_eq!(b.ask(tune, "t-1"), Err("not_printing".into()));
}
