//! The page and the API over real HTTP, in front of a desk that is played here.

use calvaria::status::{History, JobState, JobView, Refused, Request, Side, Snapshot};
use calvaria::web::{Desk, serve};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

struct Page {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    dir: tempfile::TempDir,
    _closing: watch::Sender<bool>,
    _runtime: tokio::runtime::Runtime,
}

fn job(code: &str, state: JobState) -> JobView {
    JobView {
        code: code.into(),
        state,
        reason: "<img src=x onerror=alert(1)>".into(),
        gcode_sha256: Some("ab".repeat(32)),
        side: Some(Side::Left),
        print_s: Some(60.0),
        filament_g: Some(1.0),
        files: vec!["implant.stl".into(), "preview-fit.png".into()],
        weights: "weights-17, Dice 0.9".into(),
        ..JobView::default()
    }
}

fn page() -> Page {
    let dir = tempfile::tempdir().unwrap();
    let case = dir.path().join("cases/K7-2043");
    std::fs::create_dir_all(&case).unwrap();
    std::fs::create_dir_all(dir.path().join("upload")).unwrap();
    std::fs::write(case.join("implant.stl"), vec![7; 200_000]).unwrap();
    std::fs::write(case.join("identity.json"), r#"{"name":"DOE^JANE"}"#).unwrap();
    let snapshot = Snapshot {
        revision: 1,
        jobs: vec![job("K7-2043", JobState::AwaitingRelease)],
        ..Snapshot::default()
    };
    let (snapshots, seen) = watch::channel(Arc::new(snapshot));
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let full = dir.path().join("full");
    let (told, handed, stops) = (asked.clone(), asked.clone(), asked.clone());
    let desk = Desk {
        snapshots: seen,
        ask: Arc::new(move |request, _terms| {
            told.lock().unwrap().push(format!("{request:?}"));
            match request {
                Request::SignIn(act) if act.pin.0 != "481516" => Err(Refused::new(
                    "wrong_pin",
                    "Name or PIN is wrong.",
                    "Try again.",
                )),
                _ => Ok(()),
            }
        }),
        stop: Arc::new(move || {
            stops.lock().unwrap().push("EmergencyStop".into());
            Ok(())
        }),
        look: Arc::new(|_code| Err(Refused::new("no_job", "There is no such case.", "Look."))),
        history: Arc::new(|_before| Ok(History::default())),
        hand_in: Arc::new(move |path, name| {
            let kind = if path.is_dir() { "folder" } else { "file" };
            handed.lock().unwrap().push(format!("{kind} {name}"));
            Ok(())
        }),
        cases: dir.path().join("cases"),
        uploads: dir.path().join("upload"),
        has_room: Arc::new(move || !full.exists()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let address = listener.local_addr().unwrap();
    let (closing, closed) = watch::channel(false);
    runtime.spawn(serve(listener, desk, closed));
    Page {
        address,
        asked,
        snapshots,
        dir,
        _closing: closing,
        _runtime: runtime,
    }
}

impl Page {
    fn raw(&self, request: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let head = format!(
            "{request}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut bytes = Vec::new();
        if let Err(error) = stream.read_to_end(&mut bytes) {
            // A refusal may come before the whole body was read; the answer is here all the same.
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (text[9..12].parse().unwrap(), text)
    }
    fn get(&self, path: &str) -> (u16, String) {
        self.raw(
            &format!("GET {path} HTTP/1.1\r\nHost: {}", self.address),
            b"",
        )
    }
    fn post(&self, path: &str, body: &str) -> (u16, String) {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json",
            self.address
        );
        self.raw(&head, body.as_bytes())
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
    let at = text.find("/a/").unwrap();
    let address = text[at..].split('"').next().unwrap();
    let (status, css) = p.get(address);
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
    let links = |code: &str| text.matches(&format!("href=\"/jobs/{code}\"")).count();
    let needs = text.split("data-part=\"printing\"").next().unwrap();
    assert!(
        needs.contains("/jobs/Z9-0001"),
        "the stopped print needs somebody"
    );
    assert_eq!(links("Z9-0001"), 1, "and is not done as well");
    for n in 0..6 {
        assert_eq!(links(&format!("A1-000{n}")), 1);
    }
    // The way back is on the page of the case, too, as the text says.
    let (_, text) = p.get("/jobs/Z9-0001");
    assert!(text.contains("id=\"recover\"") && text.contains("data-recover"));
}

#[test]
fn who_releases_sees_the_weights_and_an_unknown_temperature_is_called_so() {
    let p = page();
    let (_, text) = p.get("/jobs/K7-2043");
    assert!(text.contains("weights-17, Dice 0.9"));
    let (_, text) = p.get("/");
    assert!(text.contains("<dt>Hotend</dt><dd>unknown"), "{text}");
    let (_, text) = p.get("/api/v1/station");
    assert!(text.contains(r#""hotend":null"#), "{text}");
}
