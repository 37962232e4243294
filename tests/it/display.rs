//! The LCD's screens, pixel by pixel. `CALVARIA_BLESS=1` rewrites the goldens; look at them before you commit.

use calvaria::display::{Canvas, Picture, Screen, draw, png_of, screen_of};
use calvaria::status::{
    Finding, Heater, JobState, JobView, PrinterState, PrinterView, Progress, Prompt, Reentry,
    SetupCode, Side, Snapshot, Stage, StationView,
};
use std::path::{Path, PathBuf};

fn job(code: &str, state: JobState) -> JobView {
    JobView {
        code: code.into(),
        state,
        gcode_sha256: Some("3f9a".repeat(16)),
        side: Some(Side::Left),
        place: "patient's LEFT, fronto-temporal".into(),
        print_s: Some(8040.0),
        filament_g: Some(41.5),
        released_by: "A. Weber".into(),
        received: "2026-11-21T14:02:10+01:00".into(),
        changed: "2026-11-21T14:05:10+01:00".into(),
        files: vec!["preview-fit.png".into()],
        ..JobView::default()
    }
}

fn base() -> Snapshot {
    Snapshot {
        revision: 1,
        station: StationView {
            version: "0.1.0".into(),
            address: "http://127.0.0.1:8080/".into(),
            releasers: 1,
            ..StationView::default()
        },
        printer: PrinterView {
            state: PrinterState::Idle,
            is_virtual: true,
            hotend: Some(Heater {
                now_c: 24.0,
                target_c: 0.0,
            }),
            bed: Some(Heater {
                now_c: 23.0,
                target_c: 0.0,
            }),
            ..PrinterView::default()
        },
        jobs: Vec::new(),
    }
}

fn snapshot(screen: Screen) -> Snapshot {
    let mut s = base();
    match screen {
        Screen::Starting => s.station.starting = true,
        Screen::SetUp => {
            s.station.releasers = 0;
            s.station.setup = true;
            s.station.setup_code = SetupCode("K7WQ-3MXP".into());
            s.station.certificate = ["A1"; 32].join(":");
        }
        Screen::Idle => {}
        Screen::InWork => {
            let mut j = job("K7-2043", JobState::Designing);
            j.progress = Some(Progress {
                stage: Stage::Network,
                fraction: 0.42,
                text: "layer 11 of 26".into(),
            });
            s.jobs.push(j);
        }
        Screen::AwaitingRelease => s.jobs.push(job("K7-2043", JobState::AwaitingRelease)),
        Screen::Printing => {
            s.jobs.push(job("K7-2043", JobState::Printing));
            s.printer = PrinterView {
                state: PrinterState::Printing,
                is_virtual: true,
                hotend: Some(Heater {
                    now_c: 210.4,
                    target_c: 210.0,
                }),
                bed: Some(Heater {
                    now_c: 60.1,
                    target_c: 60.0,
                }),
                job: Some("K7-2043".into()),
                fraction: 0.42,
                left_s: 4620.0,
                spent_s: 3400.0,
                layer: 84,
                layers: 200,
                ..PrinterView::default()
            };
        }
        Screen::Attention => {
            s.printer.state = PrinterState::Halted;
            s.printer.fault = Some(Finding::warn(
                "heating_failed",
                "The nozzle cools although it is heated. The print was stopped. Hot (190 C): do not touch. Call service.",
            ));
        }
    }
    s
}

/// A picture made of three flat colours, as a preview would be.
fn picture(dir: &Path) -> Picture {
    let (w, h) = (64u32, 64u32);
    let mut rgb = Vec::new();
    for y in 0..h {
        for x in 0..w {
            let (dx, dy) = (f64::from(x) - 32.0, f64::from(y) - 32.0);
            let skull = dx * dx + dy * dy < 24.0 * 24.0;
            let part = skull && dx > 4.0 && dy < -4.0;
            rgb.extend(if part {
                [86, 180, 233]
            } else if skull {
                [206, 202, 190]
            } else {
                [255; 3]
            });
        }
    }
    let path = dir.join("p.png");
    let file = std::fs::File::create(&path).unwrap();
    let mut encoder = png::Encoder::new(file, w, h);
    encoder.set_color(png::ColorType::Rgb);
    encoder
        .write_header()
        .unwrap()
        .write_image_data(&rgb)
        .unwrap();
    Picture::read(&path).unwrap()
}

const ALL: [Screen; 7] = [
    Screen::Starting,
    Screen::SetUp,
    Screen::Idle,
    Screen::InWork,
    Screen::AwaitingRelease,
    Screen::Printing,
    Screen::Attention,
];

fn decode(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().unwrap();
    let mut out = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut out).unwrap();
    out.truncate(info.buffer_size());
    (info.width, info.height, out)
}

/// Further states, by the name of their picture and the screen they are.
fn states() -> Vec<(&'static str, Screen, Snapshot)> {
    let stuck = || {
        Finding::warn(
            "drop_stuck",
            "Something lies in the drop folder that can not be taken: a name that is no text, a link or another special file, or a folder without any file. Look into the drop folder and copy the scan itself there, under another name; then remove what is left.",
        )
    };
    let waits = || {
        let text = "A scan in the drop folder ends too early: its copy may still be running. Copy it again if it has stopped.";
        Finding::info("drop_waits", text)
    };
    let mut all: Vec<(&str, Screen, Snapshot)> = Vec::new();
    let mut add = |name, screen, change: &dyn Fn(&mut Snapshot)| {
        let mut s = if screen == Screen::Attention {
            base()
        } else {
            snapshot(screen)
        };
        change(&mut s);
        all.push((name, screen, s));
    };
    add("printing-notice", Screen::Printing, &|s| {
        s.station.attention.push(stuck())
    });
    add("printing-paused", Screen::Printing, &|s| {
        s.jobs[0].state = JobState::Paused;
        s.printer.state = PrinterState::Paused;
        s.jobs[0].progress = Some(Progress {
            stage: Stage::Print,
            fraction: 0.42,
            text: "going back to the part".into(),
        });
    });
    add("idle-no-printer", Screen::Idle, &|s| {
        s.printer.state = PrinterState::Disconnected;
        (s.printer.hotend, s.printer.bed) = (None, None);
        s.printer.is_virtual = false;
        s.printer.port =
            "/dev/serial/by-id/usb-Prusa_Research__prusa3d.com__Original_Prusa_i3_MK3_CZPX0000X004XK00000-if00".into();
    });
    add("idle-hot", Screen::Idle, &|s| {
        s.printer.hotend = Some(Heater {
            now_c: 166.0,
            target_c: 0.0,
        });
    });
    add("idle-bed", Screen::Idle, &|s| {
        s.printer.on_bed = Some("K7-2043".into())
    });
    add("idle-nobody", Screen::Idle, &|s| s.station.releasers = 0);
    add("idle-name", Screen::Idle, &|s| {
        s.station.address = "http://calvaria.radiology.hospital.example:8080/".into();
    });
    add("attention-drop", Screen::Attention, &|s| {
        s.station.attention.push(stuck())
    });
    add("attention-link", Screen::Attention, &|s| {
        s.printer.barred = Some(Finding::warn(
            "link_differs",
            "The printer link does not run as it is configured. Nothing is printed until it was restarted. It has port /dev/serial/by-id/usb-Prusa_Research__prusa3d.com__Original_Prusa_i3_MK3_CZPX0000X004XK00000-if00 instead of virtual, profile prusa-mk3s instead of virtual. Tell IT: when no print runs, systemctl restart calvaria-printer.",
        ));
    });
    add("attention-print", Screen::Attention, &|s| {
        *s = snapshot(Screen::Printing);
        s.printer.fault = Some(Finding::warn(
            "waits_for_person",
            "The printer waits for a person: look at its own display (filament, message).",
        ));
    });
    add("attention-release", Screen::Attention, &|s| {
        s.station.attention.push(stuck());
        s.jobs.push(job("K7-2043", JobState::AwaitingRelease));
    });
    add("attention-note", Screen::Attention, &|s| {
        s.station.attention.push(waits())
    });
    let offer = Reentry {
        layer: 62,
        layers: 110,
        height_mm: 12.2,
        minutes_left: 14.0,
        ..Reentry::default()
    };
    let stopped = |s: &mut Snapshot, reentry: &Reentry| {
        let mut job = job("K7-2043", JobState::Stopped);
        job.reason = "The print was stopped: the printer was reset in mid-print.".into();
        job.next = "Look at the printer and clear the bed; then print again or leave it.".into();
        job.reentry = Some(reentry.clone());
        job.on_bed = true;
        s.printer.on_bed = Some(job.code.clone());
        s.jobs.push(job);
    };
    add("attention-goes-on", Screen::Attention, &|s| {
        stopped(s, &offer)
    });
    add("awaiting-release-rest", Screen::AwaitingRelease, &|s| {
        s.jobs[0].reentry = Some(offer.clone());
    });
    add("awaiting-release-bed", Screen::AwaitingRelease, &|s| {
        s.printer.on_bed = Some("K7-2041".into());
    });
    add("in-work-notice", Screen::InWork, &|s| {
        s.station.attention.push(waits())
    });
    all
}

#[test]
fn every_screen_at_both_sizes_is_its_golden() {
    let tmp = tempfile::tempdir().unwrap();
    let picture = picture(tmp.path());
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/lcd");
    let bless = std::env::var_os("CALVARIA_BLESS").is_some();
    let mut all: Vec<_> = ALL
        .map(|screen| (screen.word(), screen, snapshot(screen)))
        .into();
    all.extend(states());
    let mut wrong = Vec::new();
    for (w, h) in [(800, 480), (320, 240)] {
        for (name, screen, s) in &all {
            assert_eq!(screen_of(s), *screen, "{name}");
            let mut canvas = Canvas::new(w, h);
            draw(&mut canvas, s, Some(&picture), true);
            let got = png_of(&canvas).unwrap();
            let name = format!("{name}-{w}x{h}.png");
            let path = golden.join(&name);
            if bless {
                std::fs::create_dir_all(&golden).unwrap();
                std::fs::write(&path, &got).unwrap();
            }
            // Pixels, not bytes: another version of the encoder may pack them otherwise.
            let want = std::fs::read(&path).map(|b| decode(&b)).ok();
            if want.as_ref() != Some(&decode(&got)) {
                let out: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lcd");
                std::fs::create_dir_all(&out).unwrap();
                std::fs::write(out.join(&name), &got).unwrap();
                wrong.push(out.join(&name));
            }
        }
    }
    assert!(wrong.is_empty(), "not as the goldens: {wrong:?}");
}

/// Whatever the station has to say, whoever walks past sees how far the print is.
#[test]
fn a_print_is_never_hidden_behind_what_the_station_says() {
    for name in ["drop_stuck", "disk_full", "no_model", "link_differs"] {
        let mut s = snapshot(Screen::Printing);
        let finding = Finding::refuse(name, "Look here. Do that.");
        s.station.attention.push(finding.clone());
        s.printer.barred = Some(finding);
        assert_eq!(screen_of(&s), Screen::Printing, "{name}");
        let quiet = snapshot(Screen::Printing);
        let frame = |s: &Snapshot| {
            let mut canvas = Canvas::new(320, 240);
            draw(&mut canvas, s, None, true);
            decode(&png_of(&canvas).unwrap()).2
        };
        assert_ne!(frame(&s), frame(&quiet), "{name} is not told at all");
        // Without a record the printer alone says that it prints.
        s.jobs.clear();
        assert_eq!(screen_of(&s), Screen::Printing, "{name}");
    }
    let mut s = snapshot(Screen::Printing);
    s.printer.state = PrinterState::LinkDown;
    assert_eq!(
        screen_of(&s),
        Screen::Attention,
        "old figures shown as if they were true"
    );
}

/// An empty folder in the drop is no alarm: it waits for somebody, and nothing flashes.
#[test]
fn only_a_fault_flashes() {
    let frames = |s: &Snapshot| {
        [true, false].map(|lit| {
            let mut canvas = Canvas::new(320, 240);
            draw(&mut canvas, s, None, lit);
            decode(&png_of(&canvas).unwrap()).2
        })
    };
    let mut s = base();
    s.station
        .attention
        .push(Finding::warn("drop_stuck", "Look into the drop folder."));
    let [lit, dark] = frames(&s);
    assert_eq!(lit, dark);
    s.station.attention.push(Finding::refuse(
        "no_store",
        "The record can not be written.",
    ));
    let [lit, dark] = frames(&s);
    assert_ne!(lit, dark);
}

/// The word Ready stands for a printer that is there and cold.
#[test]
fn ready_is_never_said_of_a_printer_that_is_not() {
    let frame = |s: &Snapshot| {
        let mut canvas = Canvas::new(800, 480);
        draw(&mut canvas, s, None, true);
        // The title's rows.
        decode(&png_of(&canvas).unwrap()).2[..(800 * 100 * 3)].to_vec()
    };
    let ready = frame(&base());
    for state in [PrinterState::Disconnected, PrinterState::LinkDown] {
        let mut s = base();
        s.printer.state = state;
        assert_eq!(screen_of(&s), Screen::Idle);
        assert_ne!(frame(&s), ready, "{state:?}");
    }
    let mut s = base();
    s.printer.bed = Some(Heater {
        now_c: 55.0,
        target_c: 0.0,
    });
    assert_ne!(frame(&s), ready);
}

#[test]
fn what_matters_more_is_shown_first() {
    let mut s = snapshot(Screen::Printing);
    s.jobs.push(job("A1-0003", JobState::AwaitingRelease));
    s.jobs.push(job("A1-0004", JobState::Designing));
    assert_eq!(screen_of(&s), Screen::Printing);
    s.jobs[0].state = JobState::Printed;
    s.printer = base().printer;
    assert_eq!(screen_of(&s), Screen::AwaitingRelease);
    s.jobs[1].state = JobState::Cancelled;
    assert_eq!(screen_of(&s), Screen::InWork);
    s.station
        .attention
        .push(Finding::warn("disk_full", "The disk is full."));
    assert_eq!(screen_of(&s), Screen::Attention);
}

/// A note is no task: it hides nothing that somebody has to do, and the gravest goes first.
#[test]
fn what_somebody_has_to_do_goes_before_what_is_worth_knowing() {
    let frame = |s: &Snapshot| {
        let mut canvas = Canvas::new(800, 480);
        draw(&mut canvas, s, None, true);
        decode(&png_of(&canvas).unwrap()).2
    };
    // The screen, whose words must be those of what is added last.
    let mut s = base();
    s.station
        .attention
        .push(Finding::info("drop_waits", "A copy may still be running."));
    assert_eq!(screen_of(&s), Screen::Attention);
    s.jobs.push(job("A1-0004", JobState::Designing));
    assert_eq!(screen_of(&s), Screen::InWork);
    s.jobs.push(job("A1-0003", JobState::AwaitingRelease));
    assert_eq!(screen_of(&s), Screen::AwaitingRelease);
    s.jobs.clear();
    let adds: [&dyn Fn(&mut Snapshot); 4] = [
        &|s| {
            s.station
                .attention
                .push(Finding::warn("disk_full", "The disk is nearly full."))
        },
        &|s| s.printer.barred = Some(Finding::warn("link_differs", "Another printer link.")),
        &|s| {
            s.station
                .attention
                .push(Finding::refuse("no_store", "No record is kept."))
        },
        &|s| s.printer.state = PrinterState::Halted,
    ];
    for add in adds {
        let mut alone = base();
        add(&mut alone);
        add(&mut s);
        assert!(frame(&s) == frame(&alone), "{:?}", s.station.attention);
    }
    // What waits for release is told beside it.
    let before = frame(&s);
    s.jobs.push(job("A1-0003", JobState::AwaitingRelease));
    assert!(frame(&s) != before);
}

/// What the printer asks is told, and a stop goes before it, whatever the link still says of the question.
#[test]
fn a_question_of_the_printer_never_stands_before_a_stop() {
    let frame = |s: &Snapshot| {
        let mut canvas = Canvas::new(800, 480);
        draw(&mut canvas, s, None, true);
        decode(&png_of(&canvas).unwrap()).2
    };
    let ask = |s: &mut Snapshot| {
        s.printer.prompt = Some(Prompt {
            text: "Filament runout T0".into(),
            choices: vec!["Continue".into()],
        });
    };
    let mut s = snapshot(Screen::Printing);
    let prints = frame(&s);
    ask(&mut s);
    assert_eq!(screen_of(&s), Screen::Attention);
    assert!(frame(&s) != prints);
    let stops = ["stop_sent", "emergency_stop", "stop_unanswered"];
    for (fault, state) in stops
        .into_iter()
        .flat_map(|f| [PrinterState::Halted, PrinterState::Printing].map(|s| (f, s)))
    {
        let mut s = snapshot(Screen::Printing);
        s.printer.fault = Some(Finding::refuse(fault, "Emergency stop. Look at it."));
        s.printer.state = state;
        let stopped = frame(&s);
        ask(&mut s);
        assert!(frame(&s) == stopped, "{fault} {state:?}");
    }
}

#[test]
fn a_stopped_print_stays_on_the_screen_until_something_else_happens() {
    let mut s = base();
    let mut stopped = job("K7-2043", JobState::Stopped);
    stopped.reason = "Emergency stop was pressed.".into();
    s.jobs.push(stopped);
    assert_eq!(screen_of(&s), Screen::Attention);
    let mut next = job("A1-0003", JobState::Designing);
    next.changed = "2026-11-21T15:00:00+01:00".into();
    s.jobs.insert(0, next);
    assert_eq!(screen_of(&s), Screen::InWork);
}

#[test]
fn only_the_frame_flashes() {
    let s = snapshot(Screen::Attention);
    let (mut lit, mut dark) = (Canvas::new(320, 240), Canvas::new(320, 240));
    draw(&mut lit, &s, None, true);
    draw(&mut dark, &s, None, false);
    let (lit, dark) = (
        decode(&png_of(&lit).unwrap()),
        decode(&png_of(&dark).unwrap()),
    );
    assert_ne!(lit, dark);
    let inner = |(w, h, rgb): &(u32, u32, Vec<u8>)| -> Vec<u8> {
        (6..h - 6)
            .flat_map(|y| rgb[((y * w + 6) * 3) as usize..((y * w + w - 6) * 3) as usize].to_vec())
            .collect()
    };
    assert_eq!(inner(&lit), inner(&dark));
}

#[test]
fn the_longest_texts_and_odd_numbers_are_drawn_at_every_size() {
    let mut s = snapshot(Screen::Printing);
    s.printer.left_s = 999.0 * 3600.0;
    s.printer.fraction = f64::NAN;
    s.jobs[0].progress = Some(Progress {
        stage: Stage::Print,
        fraction: 1.0,
        text: "W".repeat(400),
    });
    let mut a = snapshot(Screen::Attention);
    a.printer.fault = Some(Finding::warn(
        "x",
        "Donaudampfschifffahrtsgesellschaft \u{1F480} ".repeat(40),
    ));
    for (w, h) in [(320, 240), (480, 320), (800, 480), (1920, 1080)] {
        for s in [&s, &a] {
            draw(&mut Canvas::new(w, h), s, None, true);
        }
    }
}
