use super::*;

fn check(name: &str, weight: Weight, seen: Seen) -> Check {
    seen.named(name, weight)
}

fn report(checks: Vec<Check>) -> Report {
    Report {
        version: "1".into(),
        ok: true,
        against: Vec::new(),
        checks,
    }
}

#[test]
fn what_the_slot_before_passed_counts_only_where_the_fault_is_the_slots_own() {
    let fails = |fault| Seen::failed(fault, "x", "y", "z");
    let passed = || Seen::ok("x", "y");
    let before = report(vec![
        check("printer", Weight::Reported, passed()),
        check("display", Weight::Reported, passed()),
        check("record", Weight::Reported, fails(Fault::Slot)),
    ]);
    let now = report(vec![
        check("printer", Weight::Reported, fails(Fault::Surroundings)),
        check("display", Weight::Reported, fails(Fault::Slot)),
        check("record", Weight::Reported, fails(Fault::Slot)),
        check("disk", Weight::Reported, fails(Fault::Slot)),
    ])
    .after(&before);
    // An unplugged printer is not the slot's fault; the record failed before as well; of the disk nothing is known.
    assert_eq!(
        (now.ok, now.against.clone()),
        (false, vec!["display".into()])
    );
    assert_eq!(now.why_not(), "display: x");
}

#[test]
fn a_check_that_decides_needs_no_slot_before() {
    let data = tempfile::tempdir().unwrap();
    let fails = || Seen::failed(Fault::Slot, "no", "", "");
    let ok = || Seen::ok("yes", "");
    let hands = |profile: &str, page: fn() -> Seen| Hands {
        data: data.path().into(),
        // Nothing is there, and that is found at once.
        model: Some(data.path().join("none")),
        device: Device::Cpu,
        printer: profile.into(),
        material: "pla".into(),
        station_runs: false,
        free_mib_min: 0,
        now_s: i64::MAX,
        store: Box::new(ok),
        record: Box::new(ok),
        page: Box::new(page),
        display: Box::new(fails),
    };
    let found = run(&hands("virtual", ok));
    let outcome = |report: &Report, name: &str| {
        let mut all = report.checks.iter();
        all.find(|c| c.name == name).unwrap().outcome
    };
    assert_eq!(outcome(&found, "models"), Outcome::Failed);
    assert_eq!(outcome(&found, "profiles"), Outcome::Ok);
    assert_eq!(outcome(&found, "printer"), Outcome::Skipped);
    assert_eq!(outcome(&found, "clock"), Outcome::Ok);
    assert!(!found.ok);
    let found = run(&hands("nope", fails));
    assert_eq!(outcome(&found, "profiles"), Outcome::Failed);
    assert!(found.why_not().contains("nope"), "{}", found.why_not());
}

#[test]
fn a_clock_before_this_program_is_not_set() {
    assert_eq!(checks::clock(0).fault, Some(Fault::Surroundings));
    assert_eq!(checks::clock(i64::MAX).outcome, Outcome::Ok);
}

#[test]
fn a_report_is_read_back_as_it_was_written() {
    let one = check("models", Weight::Decides, Seen::ok("x", "y"));
    let text = serde_json::to_string(&report(vec![one])).unwrap();
    assert!(text.contains(r#""where":"y""#) && !text.contains("fault"));
    assert_eq!(
        serde_json::from_str::<Report>(&text).unwrap().checks.len(),
        1
    );
}
