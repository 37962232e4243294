//! Snapshots for every state that a page can be in.

use calvaria::status::{
    Finding, Heater, History, JobState, JobView, PrinterState, Progress, Prompt, PutAway, Reentry,
    Refused, Side, Snapshot, Stage, Tuning, TuningBounds,
};

/// The case that waits for release in most of them.
pub(crate) const WAITING: &str = "K7-2043";
const NOW: &str = "2026-11-21T15:00:00+01:00";

/// Every state by name.
pub(crate) const ALL: [(&str, fn() -> Snapshot); 25] = [
    ("idle", idle),
    ("starting", starting),
    ("link-down", link_down),
    ("no-printer", no_printer),
    ("in-work", in_work),
    ("waiting", waiting),
    ("doubt", doubt),
    ("blocked", blocked),
    ("printing", printing),
    ("paused", paused),
    ("stopped", stopped),
    ("asks", asks),
    ("asks-stopped", asks_stopped),
    ("attention", attention),
    ("done", done),
    ("refused", refused),
    ("nobody", nobody),
    ("part-on-bed", part_on_bed),
    ("hot", hot),
    ("barred", barred),
    ("two-persons", two_persons),
    ("may-go-on", may_go_on),
    ("may-not-go-on", may_not_go_on),
    ("goes-on", goes_on),
    ("put-away", put_away),
];

/// One job.
pub(crate) fn job(code: &str, state: JobState) -> JobView {
    JobView {
        code: code.into(),
        state,
        gcode_sha256: Some("ab".repeat(32)),
        side: Some(Side::Left),
        place: "patient\u{2019}s LEFT, fronto-temporal".into(),
        print_s: Some(17_292.0),
        filament_g: Some(41.3),
        material: "pla".into(),
        persons: 1,
        received: "2026-11-21T14:02:10+01:00".into(),
        changed: "2026-11-20T14:31:00+01:00".into(),
        files: [
            "implant.stl",
            "missing.nii.gz",
            "preview-front.png",
            "preview-top.png",
            "preview-left.png",
            "preview-right.png",
            "preview-fit.png",
            "preview-error.png",
            "preview-filled.png",
        ]
        .map(str::to_owned)
        .to_vec(),
        weights: "weights-17, Dice 0.9 on unseen heads, CC BY 4.0".into(),
        ..JobView::default()
    }
}

/// Nothing to do.
pub(crate) fn idle() -> Snapshot {
    let mut s = Snapshot {
        revision: 1,
        ..Snapshot::default()
    };
    s.station.now = NOW.into();
    (
        s.station.releasers,
        s.station.supervisors,
        s.station.persons,
    ) = (2, 1, 1);
    s.printer.state = PrinterState::Idle;
    s.printer.is_virtual = true;
    s.printer.hotend = heater(24.0, 0.0);
    s.printer.bed = heater(23.0, 0.0);
    s
}

fn heater(now_c: f64, target_c: f64) -> Option<Heater> {
    Some(Heater { now_c, target_c })
}

fn with(jobs: impl IntoIterator<Item = JobView>) -> Snapshot {
    let mut s = idle();
    s.jobs = jobs.into_iter().collect();
    s
}

fn starting() -> Snapshot {
    let mut s = idle();
    s.station.starting = true;
    s
}

fn link_down() -> Snapshot {
    let mut s = idle();
    s.printer.state = PrinterState::LinkDown;
    (s.printer.hotend, s.printer.bed) = (None, None);
    s
}

fn no_printer() -> Snapshot {
    let mut s = idle();
    s.printer.state = PrinterState::Disconnected;
    (s.printer.hotend, s.printer.bed) = (None, None);
    s
}

fn in_work() -> Snapshot {
    let mut designing = job("M3-1188", JobState::Designing);
    designing.progress = Some(Progress {
        stage: Stage::Network,
        fraction: 0.4,
        text: "predicting what is missing, window 14 of 36".into(),
    });
    with([job("P2-0071", JobState::Received), designing])
}

/// One case waits for its release, with two holes.
pub(crate) fn waiting() -> Snapshot {
    let mut waits = job(WAITING, JobState::AwaitingRelease);
    waits.files.push("preview-fit-2.png".into());
    with([waits])
}

fn doubt() -> Snapshot {
    let mut s = waiting();
    s.jobs[0].doubt = true;
    s.jobs[0].findings = vec![
        Finding::warn("gap", "The widest gap to the bone.")
            .value(1.23, "mm")
            .at_most(1.0),
        Finding::info("bone", "Bone is missing.").value(61.6, "cm2"),
    ];
    s
}

fn blocked() -> Snapshot {
    let mut s = doubt();
    let text = "The part would stand on the bone. It can not be put in.";
    s.jobs[0].findings.push(Finding::refuse("undercut", text));
    s
}

fn on_printer(state: JobState, printer: PrinterState) -> Snapshot {
    let mut prints = job(WAITING, state);
    prints.released_by = "A. Weber".into();
    let mut s = with([prints]);
    s.printer.state = printer;
    s.printer.job = Some(WAITING.into());
    s.printer.hotend = heater(214.6, 215.0);
    s.printer.bed = heater(60.1, 60.0);
    (s.printer.fraction, s.printer.left_s, s.printer.spent_s) = (0.42, 8_040.0, 5_800.0);
    (s.printer.layer, s.printer.layers) = (113, 268);
    s.printer.tuning = Some(Tuning {
        speed_percent: 100.0,
        flow_percent: 100.0,
        fan_percent: 100.0,
        z_mm: 0.0,
        bounds: TuningBounds {
            speed_percent: [50.0, 120.0],
            flow_percent: [90.0, 110.0],
            fan_percent: [0.0, 150.0],
            // As where the firmware can not do that in a print.
            z_mm: [0.0, 0.0],
        },
    });
    s
}

fn printing() -> Snapshot {
    on_printer(JobState::Printing, PrinterState::Printing)
}

fn paused() -> Snapshot {
    on_printer(JobState::Paused, PrinterState::Paused)
}

fn stopped() -> Snapshot {
    let mut s = printing();
    stop(&mut s, "emergency_stop");
    s
}

/// The printer after an emergency stop, by the name of its fault.
pub(crate) fn stop(s: &mut Snapshot, fault: &str) {
    s.revision += 1;
    s.printer.state = PrinterState::Halted;
    s.printer.job = None;
    (s.printer.hotend, s.printer.bed) = (None, None);
    let text = "Emergency stop. When it is safe, let the printer recover and clear the bed.";
    s.printer.fault = Some(Finding::refuse(fault, text));
    for job in &mut s.jobs {
        if matches!(job.state, JobState::Printing | JobState::Paused) {
            job.state = JobState::Stopped;
            job.reason = "The print was ended by the emergency stop.".into();
            job.next =
                "Look at the printer and clear the bed; then print again or leave it.".into();
        }
    }
}

/// The printer asks something at its own panel.
pub(crate) fn asks() -> Snapshot {
    let mut s = paused();
    s.printer.prompt = Some(Prompt {
        text: "Filament runout T0 <b>".into(),
        choices: ["Purge More", "Continue"].map(str::to_owned).to_vec(),
    });
    s
}

/// And was stopped before anybody answered.
pub(crate) fn asks_stopped() -> Snapshot {
    let mut s = asks();
    stop(&mut s, "stop_sent");
    s
}

fn attention() -> Snapshot {
    let mut s = waiting();
    let text = "The disk is nearly full. New scans wait in the drop folder, nothing is lost. Ask IT to free space.";
    let finding = Finding::refuse("disk_full", text)
        .value(412.0, "MiB")
        .at_least(2048.0);
    s.station.attention.push(finding);
    s
}

fn done() -> Snapshot {
    let states = [
        JobState::Printed,
        JobState::Refused,
        JobState::Failed,
        JobState::Cancelled,
        JobState::Stopped,
    ];
    with((0..30).map(|n| {
        let mut job = job(&format!("D{}-{:04}", n % 9, 1000 + n), states[n % 5]);
        if states[n % 5] != JobState::Printed {
            job.reason = "Slices are 5 mm apart. The fit can not be trusted.".into();
            job.next = "Send the thin series.".into();
        }
        job
    }))
}

fn refused() -> Snapshot {
    let mut r = job(WAITING, JobState::Refused);
    r.reason = "No hole was found in the skull. There is nothing to print.".into();
    r.next = "If you see one, it may be too small: call the engineer.".into();
    (r.gcode_sha256, r.side, r.print_s, r.filament_g) = (None, None, None, None);
    r.place.clear();
    r.files.clear();
    r.findings = vec![Finding::refuse(
        "no_defect",
        "No hole was found in the skull.",
    )];
    with([r])
}

fn nobody() -> Snapshot {
    let mut s = idle();
    (s.station.releasers, s.station.supervisors) = (0, 0);
    s
}

fn part_on_bed() -> Snapshot {
    let mut printed = job(WAITING, JobState::Printed);
    printed.on_bed = true;
    let mut s = with([printed]);
    s.printer.on_bed = Some(WAITING.into());
    s
}

fn hot() -> Snapshot {
    let mut s = idle();
    s.printer.hotend = heater(166.0, 0.0);
    let text = "The printer did not answer for a while.";
    s.printer.past_fault = Some(Finding::info("printer_silent", text));
    s
}

fn barred() -> Snapshot {
    let mut s = waiting();
    let text = "The link runs with another port than the station's configuration says. Restart it: nothing prints until then.";
    s.printer.barred = Some(Finding::refuse("other_configuration", text));
    s
}

fn two_persons() -> Snapshot {
    let mut s = waiting();
    s.jobs[0].persons = 2;
    s
}

fn put_away() -> Snapshot {
    let mut away = job(WAITING, JobState::Printed);
    away.put_away = Some(PutAway {
        by: "station".into(),
        at: NOW.into(),
        rule: "retention.days = 90".into(),
    });
    let mut s = with([away]);
    s.station.more = 61;
    s
}

/// A print that was cut off, and where it may go on.
fn may_go_on() -> Snapshot {
    let mut stopped = job(WAITING, JobState::Stopped);
    stopped.on_bed = true;
    stopped.reason = "The print was stopped: the printer was reset in mid-print.".into();
    stopped.next = "Leave the part on the bed and do not move the head up or down: the print may go on, see the case.".into();
    stopped.files.push("reentry.png".into());
    stopped.reentry = Some(Reentry {
        layer: 62,
        layers: 110,
        height_mm: 12.2,
        nozzle_mm: vec![12.4, 12.6],
        twice_mm: 8_340.0,
        print_s: 5_400.0,
        minutes_left: 14.0,
        ..Reentry::default()
    });
    let mut s = with([stopped]);
    s.printer.on_bed = Some(WAITING.into());
    s
}

fn may_not_go_on() -> Snapshot {
    let mut s = may_go_on();
    let why = "the bed stood without heat for 31 min; the part may have come loose. Clear the bed and print from the start.";
    s.jobs[0].reentry = Some(Reentry {
        refused: why.into(),
        ..Reentry::default()
    });
    s
}

/// The rest waits for its release.
fn goes_on() -> Snapshot {
    let mut s = may_go_on();
    s.jobs[0].state = JobState::AwaitingRelease;
    (s.jobs[0].reason, s.jobs[0].next) = (String::new(), String::new());
    s
}

/// Cases that are no longer on the list.
pub(crate) fn older(code: &str) -> Result<JobView, Refused> {
    let all = history(None).jobs.into_iter().chain(history(Some("")).jobs);
    let known = all.into_iter().find(|j| j.code == code);
    known.ok_or_else(|| Refused::new("no_job", "There is no such case.", "Look at the history."))
}

/// Two pages.
pub(crate) fn history(before: Option<&str>) -> History {
    let first = if before.is_none() { 0 } else { 50 };
    let jobs = (first..first + 50).map(|n| job(&format!("H1-{:04}", 9000 - n), JobState::Printed));
    History {
        jobs: jobs.collect(),
        older: 50 - first,
    }
}
