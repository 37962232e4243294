//! The page and the API over real HTTP, in front of a desk that is played here.

use super::played::{self, Page, page, states};
use calvaria::status::{JobState, JobView};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A case whose reason wants to be markup.
fn job(code: &str, state: JobState) -> JobView {
    JobView {
        reason: "<img src=x onerror=alert(1)>".into(),
        ..states::job(code, state)
    }
}

const WHO: &str = r#"{"operator":"A. Weber","pin":"481516"}"#;

#[test]
fn the_page_escapes_what_it_shows_and_asks_nobody_else() {
    let p = page();
    p.snapshots
        .send_modify(|s| Arc::make_mut(s).jobs.push(job("A1-0003", JobState::Failed)));
    for path in ["/", "/jobs/A1-0003", "/jobs/K7-2043"] {
        let (status, text) = p.get(path);
        assert_eq!(status, 200, "{path}");
        assert!(!text.contains("<img src=x"), "{path}");
        assert!(
            !text.contains("https://") && !text.contains("DOE"),
            "{path}"
        );
        let lower = text.to_lowercase();
        assert!(
            lower.contains("content-security-policy: default-src 'none'"),
            "{path}"
        );
        assert!(lower.contains("cache-control: no-store"), "{path}");
        // What the policy would block anyway must not be there.
        assert!(
            !text.contains(" style=") && !text.contains("onclick"),
            "{path}"
        );
    }
    let (_, text) = p.get("/");
    let at = text.find("\"a/").unwrap() + 1;
    let address = text[at..].split('"').next().unwrap();
    let (status, css) = p.get(&format!("/{address}"));
    assert_eq!((status, css.contains("immutable")), (200, true));
}

#[test]
fn acts_need_their_fields_their_type_and_their_origin() {
    let p = page();
    let release = r#"{"operator":"A. Weber","pin":"481516","sha256":"ab","spool":"x","side":"left","bed_clear":true}"#;
    assert_eq!(p.post("/api/v1/jobs/K7-2043/release", release).0, 200);
    let (status, text) = p.post(
        "/api/v1/jobs/K7-2043/release",
        &release.replace("\"spool\":\"x\",", ""),
    );
    assert_eq!(status, 400);
    assert!(
        text.contains(r#""code":"bad_request""#)
            && text.contains(r#""do":"#)
            && !text.contains("481516")
    );
    assert_eq!(
        p.post("/api/v1/jobs/K7-2043/pause", &WHO.replace('}', ",\"x\":1}"))
            .0,
        400
    );
    assert_eq!(p.post("/api/v1/jobs/K7-2043/fly", WHO).0, 404);
    for word in ["pause", "resume", "cancel", "retry", "print-again"] {
        assert_eq!(
            p.post(&format!("/api/v1/jobs/K7-2043/{word}"), WHO).0,
            200,
            "{word}"
        );
    }
    let form = format!(
        "POST /api/v1/jobs/K7-2043/pause HTTP/1.1\r\nHost: {}",
        p.address
    );
    assert_eq!(
        p.raw(
            &format!("{form}\r\nContent-Type: text/plain"),
            WHO.as_bytes()
        )
        .0,
        400
    );
    let evil = format!("{form}\r\nContent-Type: application/json\r\nOrigin: http://evil.example");
    assert_eq!(p.raw(&evil, WHO.as_bytes()).0, 403);
    assert_eq!(p.raw("GET / HTTP/1.1\r\nHost: evil.example", b"").0, 403);
    assert_eq!(p.get("/api/v1/jobs/K7-2043/pause").0, 405);
    assert!(
        p.asked
            .lock()
            .unwrap()
            .iter()
            .all(|a| !a.contains("481516")),
        "a PIN is shown by Debug"
    );
}

#[test]
fn emergency_stop_needs_nothing_at_all() {
    let p = page();
    let head = format!(
        "POST /api/v1/printer/emergency-stop HTTP/1.1\r\nHost: {}",
        p.address
    );
    assert_eq!(p.raw(&head, b"").0, 200);
    assert_eq!(*p.asked.lock().unwrap(), ["EmergencyStop"]);
}

#[test]
fn files_are_those_of_the_list_and_the_identity_needs_a_pin() {
    let p = page();
    let (status, text) = p.get("/api/v1/jobs/K7-2043/files/implant.stl");
    assert_eq!(status, 200);
    assert!(text.contains("content-length: 200000") && text.contains("attachment"));
    for path in ["identity.json", "..%2F..%2Fstore.db", "nothing.png"] {
        let (status, text) = p.get(&format!("/api/v1/jobs/K7-2043/files/{path}"));
        assert_eq!(status, 404, "{path}");
        assert!(!text.contains("DOE"));
    }
    let identity = "/api/v1/jobs/K7-2043/identity";
    let (status, text) = p.post(identity, &WHO.replace("481516", "000000"));
    assert_eq!((status, text.contains("DOE")), (401, false));
    let (status, text) = p.post(identity, WHO);
    assert_eq!((status, text.contains("DOE^JANE")), (200, true));
    assert_eq!(p.get("/api/v1/jobs/A1-0003").0, 404);
    assert_eq!(p.get("/healthz").0, 200);
}

#[test]
fn uploads_are_handed_in_under_no_name() {
    let p = page();
    let head = format!(
        "POST /api/v1/drop?name=DOE.nii.gz HTTP/1.1\r\nHost: {}",
        p.address
    );
    assert_eq!(p.raw(&head, &[1; 3_000_000]).0, 200);
    let part = |n: u32| {
        format!(
            "--B\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{n}.dcm\"\r\n\r\nabc\r\n"
        )
    };
    let form = format!(
        "POST /api/v1/drop HTTP/1.1\r\nHost: {}\r\nContent-Type: multipart/form-data; boundary=B",
        p.address
    );
    assert_eq!(
        p.raw(&form, format!("{}{}--B--\r\n", part(1), part(2)).as_bytes())
            .0,
        200
    );
    assert_eq!(
        p.raw(&form, format!("{}--B--\r\n", part(1)).as_bytes()).0,
        200
    );
    assert_eq!(p.raw(&form, b"--B--\r\n").0, 400);
    assert_eq!(
        *p.asked.lock().unwrap(),
        ["file DOE.nii.gz", "folder ", "file 1.dcm"]
    );
}

#[test]
fn events_begin_with_the_whole_and_go_on_with_what_changes() {
    let p = page();
    let mut stream = TcpStream::connect(p.address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    write!(
        stream,
        "GET /api/v1/events HTTP/1.1\r\nHost: {}\r\n\r\n",
        p.address
    )
    .unwrap();
    let mut text = String::new();
    let mut read_until = |what: &str| {
        let mut bytes = [0; 4096];
        while !text.contains(what) {
            let n = stream.read(&mut bytes).unwrap();
            assert!(n > 0, "ended without {what}: {text}");
            text.push_str(&String::from_utf8_lossy(&bytes[..n]));
        }
    };
    read_until("event: snapshot");
    read_until(r#""state":"awaiting_release","text""#);
    p.snapshots
        .send_modify(|s| Arc::make_mut(s).jobs[0].state = JobState::Printing);
    read_until(r#""state":"printing","text""#);
}

#[test]
fn a_browser_that_can_not_share_a_stream_asks_and_holds_none() {
    let p = page();
    // More than there are places for streams.
    for _ in 0..60 {
        let (status, text) = p.get("/live?on=overview,K7-2043&once=1");
        assert_eq!(status, 200, "{text}");
        let body: serde_json::Value =
            serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert!(body["overview"]["parts"]["top"].is_string(), "{body}");
        assert_eq!(body["K7-2043"]["facts"]["job"]["code"], "K7-2043");
    }
}

#[test]
fn connections_that_say_nothing_take_neither_the_page_nor_the_stop() {
    let p = page();
    let mut silent: Vec<TcpStream> = (0..300)
        .map(|_| {
            let mut stream = TcpStream::connect(p.address).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x").unwrap();
            stream
        })
        .collect();
    let stop = format!(
        "POST /api/v1/printer/emergency-stop HTTP/1.1\r\nHost: {}",
        p.address
    );
    assert_eq!(p.raw(&stop, b"").0, 200);
    assert_eq!(p.get("/healthz").0, 200);
    let (status, text) = p.get("/");
    assert_eq!(status, 503);
    assert!(text.contains(r#"{"error":{"code":"busy""#), "{text}");
    // Every one of them is closed by the station, and the page is there again.
    for stream in &mut silent {
        stream
            .set_read_timeout(Some(Duration::from_secs(15)))
            .unwrap();
        let mut rest = Vec::new();
        // A reset is an end as well; a time-out is not.
        if let Err(error) = stream.read_to_end(&mut rest) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
    }
    assert_eq!(p.get("/").0, 200);
}

#[test]
fn a_full_disk_takes_no_upload() {
    let p = page();
    std::fs::write(p.dir.path().join("full"), "").unwrap();
    let head = format!(
        "POST /api/v1/drop?name=a.nii.gz HTTP/1.1\r\nHost: {}",
        p.address
    );
    let (status, text) = p.raw(&head, b"abc");
    assert_eq!(status, 507);
    assert!(text.contains(r#""code":"disk_full""#), "{text}");
    assert!(p.asked.lock().unwrap().is_empty());
}

/// Who guesses PINs from one desk slows that desk, not everybody behind the same proxy.
#[test]
fn an_act_says_from_which_machine_it_came() {
    let heard: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let told = heard.clone();
    let reached = calvaria::web::Reached {
        behind_proxy: true,
        ..calvaria::web::Reached::default()
    };
    let ask = |desk: &mut calvaria::web::Desk| {
        desk.ask = Arc::new(move |_, terms| {
            told.lock().unwrap().push(terms.from.unwrap().to_string());
            Ok(())
        });
    };
    let p = played::page_with(ask, reached);
    assert_eq!(p.post("/api/v1/jobs/K7-2043/pause", WHO).0, 200);
    let head = format!(
        "POST /api/v1/jobs/K7-2043/pause HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 10.0.0.9",
        p.address
    );
    assert_eq!(p.raw(&head, WHO.as_bytes()).0, 200);
    assert_eq!(*heard.lock().unwrap(), ["127.0.0.1", "10.0.0.9"]);
}

/// Bodies that never end hold their places for seconds, not for the time of an act.
#[test]
fn acts_whose_bodies_never_come_give_their_places_back() {
    let p = page();
    let begun = Instant::now();
    let mut slow: Vec<TcpStream> = (0..110)
        .map(|_| {
            let mut stream = TcpStream::connect(p.address).unwrap();
            let head = format!(
                "POST /api/v1/jobs/K7-2043/cancel HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{",
                p.address
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let first = &mut slow[0];
    first
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("did not come"),
        "{answer}"
    );
    while p.get("/").0 != 200 {
        assert!(begun.elapsed() < Duration::from_secs(15));
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn an_upload_that_can_not_be_handed_in_leaves_nothing_behind() {
    let refuses = |desk: &mut calvaria::web::Desk| {
        desk.hand_in = Arc::new(|_, _| Err(std::io::Error::other("played")));
    };
    let p = played::page_with(refuses, calvaria::web::Reached::default());
    let left = || {
        std::fs::read_dir(p.dir.path().join("upload"))
            .unwrap()
            .count()
    };
    let head = format!(
        "POST /api/v1/drop?name=a.nii.gz HTTP/1.1\r\nHost: {}",
        p.address
    );
    assert_eq!((p.raw(&head, b"abc").0, left()), (500, 0));
    let part = |n: u32| {
        format!(
            "--B\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{n}.dcm\"\r\n\r\nabc\r\n"
        )
    };
    let form = format!(
        "POST /api/v1/drop HTTP/1.1\r\nHost: {}\r\nContent-Type: multipart/form-data; boundary=B",
        p.address
    );
    for files in 1..=2 {
        let body: String = (0..files).map(part).collect();
        let answer = p.raw(&form, format!("{body}--B--\r\n").as_bytes());
        assert_eq!((answer.0, left()), (500, 0), "{files}: {}", answer.1);
    }
}

/// Who hashes a PIN holds the store's second connection; whoever looks for an old case waits for it, and nobody else.
#[test]
fn looks_that_wait_for_the_store_hold_up_neither_the_page_nor_the_stop() {
    let slow = |desk: &mut calvaria::web::Desk| {
        desk.look = Arc::new(|code| {
            std::thread::sleep(Duration::from_millis(1500));
            states::older(code)
        });
    };
    let p = played::page_with(slow, calvaria::web::Reached::default());
    std::thread::scope(|scope| {
        let looks: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| p.get("/api/v1/jobs/A1-0003").0))
            .collect();
        std::thread::sleep(Duration::from_millis(200));
        let begun = Instant::now();
        assert_eq!(p.get("/healthz").0, 200);
        assert_eq!(p.get("/jobs/K7-2043").0, 200);
        let head = format!(
            "POST /api/v1/printer/emergency-stop HTTP/1.1\r\nHost: {}",
            p.address
        );
        assert_eq!(p.raw(&head, b"").0, 200);
        let took = begun.elapsed();
        assert!(took < Duration::from_millis(800), "{took:?}");
        for look in looks {
            assert_eq!(look.join().unwrap(), 404);
        }
    });
}

#[test]
fn a_stop_that_was_taken_is_called_so_until_the_printer_says_more() {
    let silent = |desk: &mut calvaria::web::Desk| desk.stop = Arc::new(|| Ok(()));
    let p = played::page_with(silent, calvaria::web::Reached::default());
    let became = || {
        let (status, text) = p.get("/api/v1/printer/stop");
        assert_eq!(status, 200);
        let body = text.split("\r\n\r\n").nth(1).unwrap();
        let value: serde_json::Value = serde_json::from_str(body).unwrap();
        value["stop"].as_str().unwrap().to_owned()
    };
    assert_eq!(became(), "none");
    let head = format!(
        "POST /api/v1/printer/emergency-stop HTTP/1.1\r\nHost: {}",
        p.address
    );
    for _ in 0..3 {
        assert_eq!(p.raw(&head, b"").0, 200);
        assert_eq!(became(), "sent");
    }
    p.snapshots
        .send_modify(|s| states::stop(Arc::make_mut(s), "emergency_stop"));
    assert_eq!(became(), "confirmed");
    // A press on a printer that has confirmed changes nothing.
    assert_eq!(p.raw(&head, b"").0, 200);
    assert_eq!(became(), "confirmed");
    std::thread::sleep(Duration::from_millis(200));
    p.snapshots.send_modify(|s| {
        let printer = &mut Arc::make_mut(s).printer;
        (printer.state, printer.fault) = (calvaria::status::PrinterState::Idle, None);
    });
    assert_eq!(became(), "none");
}

#[test]
fn every_error_has_the_same_form() {
    let p = page();
    let large = format!(r#"{{"operator":"{}"}}"#, "x".repeat(20_000));
    let (status, text) = p.post("/api/v1/jobs/K7-2043/pause", &large);
    assert_eq!(status, 413);
    assert!(text.contains(r#"{"error":{"code":"too_large""#), "{text}");
    let (status, text) = p.get("/api/v1/jobs/K7-2043/pause");
    assert_eq!(status, 405);
    assert!(text.contains(r#"{"error":{"code":"method""#), "{text}");
}

#[test]
fn a_stopped_print_is_not_hidden_by_refusals_and_stands_once() {
    let p = page();
    p.snapshots.send_modify(|s| {
        let s = Arc::make_mut(s);
        for n in 0..6 {
            s.jobs.push(job(&format!("A1-000{n}"), JobState::Refused));
        }
        s.jobs.push(job("Z9-0001", JobState::Stopped));
        s.printer.state = calvaria::status::PrinterState::Halted;
    });
    let (_, text) = p.get("/");
    let links = |code: &str| text.matches(&format!("href=\"jobs/{code}\"")).count();
    let needs = text.split("data-part=\"printing\"").next().unwrap();
    assert!(
        needs.contains("jobs/Z9-0001"),
        "the stopped print needs somebody"
    );
    assert_eq!(links("Z9-0001"), 1, "and is not done as well");
    for n in 0..6 {
        assert_eq!(links(&format!("A1-000{n}")), 1);
    }
    // The way back is on the page of the case, too, as the text says.
    let (_, text) = p.get("/jobs/Z9-0001");
    assert!(text.contains("id=\"recover\"") && text.contains("data-printer=\"recover\""));
}

#[test]
fn who_releases_sees_the_weights_and_an_unknown_temperature_is_called_so() {
    let p = page();
    let (_, text) = p.get("/jobs/K7-2043");
    assert!(text.contains("weights-17, Dice 0.9"));
    let (_, text) = p.get("/");
    assert!(text.contains("<dt>Hotend</dt><dd>24"), "{text}");
    p.snapshots
        .send_modify(|s| Arc::make_mut(s).printer.hotend = None);
    let (_, text) = p.get("/");
    assert!(text.contains("<dt>Hotend</dt><dd>unknown"), "{text}");
    let (_, text) = p.get("/api/v1/station");
    assert!(text.contains(r#""hotend":null"#), "{text}");
}

#[test]
fn nothing_on_a_page_is_addressed_from_the_root() {
    let p = page();
    for (name, state) in states::ALL {
        p.snapshots.send_replace(Arc::new(state()));
        for path in ["/".to_owned(), format!("/jobs/{}", states::WAITING)] {
            let (_, text) = p.get(&path);
            for rooted in ["href=\"/", "src=\"/", "action=\"/", "data-live=\"/"] {
                assert!(!text.contains(rooted), "{name} {path}: {rooted}");
            }
        }
    }
    for script in ["page.js", "live.js", "stop.js", "worker.js"] {
        let (status, text) = p.get(&format!("/a/x/{script}"));
        assert_eq!(status, 200);
        assert!(!text.contains("\"/") && !text.contains("`/"), "{script}");
    }
}

#[test]
fn the_stop_has_a_listener_of_its_own_which_its_page_alone_may_use() {
    let p = page();
    let press = |headers: &str| {
        let head = format!(
            "POST /api/v1/printer/emergency-stop HTTP/1.1\r\nHost: {}{headers}",
            p.stop
        );
        p.raw_at(p.stop, &head, b"")
    };
    let own = format!(
        "\r\nOrigin: http://{}\r\nSec-Fetch-Site: same-site",
        p.address
    );
    let (status, text) = press(&own);
    assert_eq!(status, 200, "{text}");
    assert!(text.contains(&format!(
        "access-control-allow-origin: http://{}",
        p.address
    )));
    assert!(text.contains(r#""stop":"sent""#), "{text}");
    assert_eq!(press("").0, 200, "a script");
    for other in ["http://evil.example", "http://127.0.0.1:9", "null"] {
        let (status, text) = press(&format!(
            "\r\nOrigin: {other}\r\nSec-Fetch-Site: cross-site"
        ));
        assert_eq!(status, 403, "{other}");
        assert!(!text.contains("access-control-allow-origin"), "{other}");
    }
    assert_eq!(p.asked.lock().unwrap().len(), 2);
    let look = format!("GET /api/v1/printer/stop HTTP/1.1\r\nHost: {}{own}", p.stop);
    let begun = Instant::now();
    while !p
        .raw_at(p.stop, &look, b"")
        .1
        .contains(r#""stop":"confirmed""#)
    {
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    let page = format!("GET / HTTP/1.1\r\nHost: {}", p.stop);
    assert_eq!(p.raw_at(p.stop, &page, b"").0, 404);
}

#[test]
fn a_link_that_is_dead_is_told_by_the_stop() {
    let p = played::page_with(
        |desk| {
            desk.stop = Arc::new(|| {
                let text = "No answer from the printer.";
                let next = "Use the switch at the printer.";
                Err(calvaria::status::Refused::new("no_answer", text, next))
            });
        },
        calvaria::web::Reached::default(),
    );
    let (status, text) = p.post("/api/v1/printer/emergency-stop", "");
    assert_eq!(status, 503);
    assert!(text.contains("Use the switch at the printer."), "{text}");
}

/// Asks for the large file and takes next to nothing of it.
fn stalled(p: &Page) -> TcpStream {
    let mut stream = TcpStream::connect(p.address).unwrap();
    write!(
        stream,
        "GET /api/v1/jobs/{}/files/missing.nii.gz HTTP/1.1\r\nHost: {}\r\n\r\n",
        states::WAITING,
        p.address
    )
    .unwrap();
    let mut some = [0; 512];
    let n = stream.read(&mut some).unwrap();
    assert!(n > 0);
    stream
}

#[test]
fn stalled_downloads_starve_neither_acts_nor_pictures_nor_the_stop_and_are_closed() {
    let p = page();
    let mut stalled: Vec<TcpStream> = (0..60).map(|_| stalled(&p)).collect();
    let begun = Instant::now();
    assert_eq!(p.post("/api/v1/jobs/K7-2043/pause", WHO).0, 200);
    let picture = "/api/v1/jobs/K7-2043/files/preview-fit.png";
    assert_eq!(p.get(picture).0, 200);
    assert_eq!(p.post("/api/v1/printer/emergency-stop", "").0, 200);
    let form = format!(
        "POST /api/v1/drop?name=a.nii HTTP/1.1\r\nHost: {}",
        p.address
    );
    assert_eq!(p.raw(&form, b"abc").0, 200);
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    // Whoever takes nothing loses the connection, and with it the place: the whole file does not come.
    std::thread::sleep(Duration::from_secs(22));
    let mut cut = 0;
    for stream in &mut stalled {
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest);
        assert!(!matches!(&ended, Err(e) if e.kind() == std::io::ErrorKind::WouldBlock));
        cut += usize::from((rest.len() as u64) < played::LARGE);
    }
    assert_eq!(cut, 60);
    let (status, text) = p.get("/api/v1/jobs/K7-2043/files/missing.nii.gz");
    assert_eq!(status, 200);
    assert!(text.len() as u64 > played::LARGE);
}

#[test]
fn what_the_library_refuses_by_itself_has_our_form_too() {
    let p = page();
    let host = format!("Host: {}", p.address);
    let large = "a".repeat(140_000);
    let many: String = (0..200).map(|n| format!("X-{n}: a\r\n")).collect();
    for (request, status, code) in [
        (
            format!("GET / HTTP/9.9\r\n{host}\r\n\r\n"),
            "400",
            "bad_request",
        ),
        ("nonsense\r\n\r\n".into(), "400", "bad_request"),
        (
            format!("GET / HTTP/1.1\r\n{host}\r\nA b: c\r\n\r\n"),
            "400",
            "bad_request",
        ),
        (
            format!("POST / HTTP/1.1\r\n{host}\r\nContent-Length: -1\r\n\r\n"),
            "400",
            "bad_request",
        ),
        (
            format!("GET / HTTP/1.1\r\n{host}\r\nX: {large}\r\n\r\n"),
            "431",
            "too_large",
        ),
        (
            format!("GET / HTTP/1.1\r\n{host}\r\n{many}\r\n"),
            "431",
            "too_large",
        ),
    ] {
        for at in [p.address, p.stop] {
            let text = played::talk(at, request.as_bytes());
            let begin = format!("HTTP/1.1 {status} ");
            let shown = &request[..request.len().min(60)];
            assert!(text.starts_with(&begin), "{shown}: {text}");
            let body = text.split("\r\n\r\n").nth(1).unwrap_or_default();
            let form = format!(r#"{{"error":{{"code":"{code}","#);
            assert!(body.starts_with(&form), "{shown}: {text}");
        }
    }
}

#[test]
fn a_thousand_connections_to_its_listener_do_not_keep_the_stop_away() {
    let p = page();
    let idle: Vec<_> = (0..1000)
        .filter_map(|_| TcpStream::connect(p.stop).ok())
        .collect();
    let head = format!(
        "POST /api/v1/printer/emergency-stop HTTP/1.1\r\nHost: {}",
        p.stop
    );
    for _ in 0..20 {
        assert_eq!(p.raw_at(p.stop, &head, b"").0, 200);
    }
    assert!(idle.len() > 900);
}

#[test]
fn no_headline_says_ready_when_it_is_not_and_older_cases_are_reached() {
    let p = page();
    for (name, state) in states::ALL {
        let state = state();
        let ready = state.not_ready().is_none() && state.jobs.iter().all(|j| j.state.is_over());
        p.snapshots.send_replace(Arc::new(state));
        let (_, text) = p.get("/");
        assert_eq!(text.contains("<h1>Ready</h1>"), ready, "{name}");
    }
    let (_, text) = p.get("/");
    assert!(text.contains("href=\"history\""), "61 more");
    let (_, text) = p.get("/history");
    assert!(text.contains("jobs/H1-9000") && text.contains("history?before=H1-8951"));
    let (_, text) = p.get("/history?before=H1-8951");
    assert!(text.contains("jobs/H1-8950") && text.contains("no older cases"));
    let (status, text) = p.get("/jobs/H1-8950");
    assert!(
        status == 200 && text.contains("H1-8950</span> printed"),
        "{text}"
    );
}

#[test]
fn a_station_that_is_not_set_up_takes_the_code_and_no_scan() {
    let p = page();
    let body = r#"{"code":"K7WQ-3MXP","name":"A. Weber","pin":"481516"}"#;
    assert_eq!(p.post("/api/v1/setup", body).0, 200);
    let (status, text) = p.post("/api/v1/setup", &body.replace("K7WQ", "AAAA"));
    assert!(status == 401 && text.contains("wrong_code"), "{text}");
    assert_eq!(
        p.post("/api/v1/setup", &body.replace('}', ",\"x\":1}")).0,
        400
    );
    p.snapshots.send_modify(|s| {
        let station = &mut Arc::make_mut(s).station;
        station.setup = true;
        station.setup_code = calvaria::status::SetupCode("K7WQ-3MXP".into());
    });
    let head = format!(
        "POST /api/v1/drop?name=a.nii HTTP/1.1\r\nHost: {}",
        p.address
    );
    let (status, text) = p.raw(&head, b"a scan");
    assert!(status == 403 && text.contains("set_up_first"), "{text}");
    // Neither page nor API know the code.
    for path in ["/", "/api/v1/station", "/live?on=overview&once=1"] {
        assert!(!p.get(path).1.contains("K7WQ"), "{path}");
    }
    assert!(p.get("/").1.contains("<form id=\"setup\" class=\"acts\">"));
}

#[test]
fn a_bundle_comes_with_a_ticket_of_the_service_once() {
    let p = page();
    let bundle = |ticket: &str| {
        let head = format!(
            "POST /api/v1/update/bundle?ticket={ticket} HTTP/1.1\r\nHost: {}",
            p.address
        );
        p.raw(&head, b"a bundle")
    };
    let (status, text) = p.post("/api/v1/update", WHO);
    assert!(status == 409 && text.contains("no_image"), "{text}");
    p.snapshots.send_modify(|s| {
        let update = &mut Arc::make_mut(s).station.update;
        (update.is_image, update.slot, update.version) = (true, "A".into(), "1.2.0".into());
        update.taken_back = "Version 1.3.0 was started and taken back.".into();
    });
    assert!(p.get("/").1.contains("image 1.2.0 in slot <b>A</b>"));
    assert!(bundle("").1.contains("no_ticket"));
    let (status, text) = p.post("/api/v1/update", WHO);
    assert_eq!(status, 200, "{text}");
    let ticket = text.split("\"ticket\":\"").nth(1).unwrap()[..32].to_owned();
    assert_eq!(bundle(&ticket).0, 200);
    assert!(bundle(&ticket).1.contains("no_ticket"));
    let asked = p.asked.lock().unwrap().clone();
    assert!(asked.iter().any(|a| a.starts_with("Update(")) && asked.contains(&"bundle 8".into()));
    let left = std::fs::read_dir(p.dir.path().join("upload"))
        .unwrap()
        .count();
    assert_eq!(left, 0, "what was taken over leaves nothing");
}
