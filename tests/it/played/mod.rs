//! The page in front of a desk that is played: real HTTP, every state at will, and an account of what was asked.

use calvaria::status::{Refused, Request, Snapshot};
use calvaria::web::{Beside, Desk, Reached, serve};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

pub(super) mod states;

/// Bytes of a large file of the first case.
pub(super) const LARGE: u64 = 24 << 20;
/// The printer confirms a stop after this long.
const CONFIRM: Duration = Duration::from_millis(60);

/// A page that is served.
pub(super) struct Page {
    pub(super) address: SocketAddr,
    pub(super) stop: SocketAddr,
    pub(super) asked: Arc<Mutex<Vec<String>>>,
    pub(super) snapshots: watch::Sender<Arc<Snapshot>>,
    pub(super) dir: tempfile::TempDir,
    _closing: watch::Sender<bool>,
    runtime: Option<tokio::runtime::Runtime>,
}

/// With the cases of [`states::WAITING`].
pub(super) fn page() -> Page {
    page_with(|_| (), Reached::default())
}

/// With a desk that is changed first.
pub(super) fn page_with(change: impl FnOnce(&mut Desk), reached: Reached) -> Page {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("upload")).unwrap();
    lay(&dir.path().join("cases").join(states::WAITING));
    let (snapshots, seen) = watch::channel(Arc::new(states::waiting()));
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let full = dir.path().join("full");
    let (told, handed, stopped) = (asked.clone(), asked.clone(), asked.clone());
    let bundled = asked.clone();
    let shown = snapshots.clone();
    let mut desk = Desk {
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
            stopped.lock().unwrap().push("EmergencyStop".into());
            shown.send_modify(|s| states::stop(Arc::make_mut(s), "stop_sent"));
            let shown = shown.clone();
            std::thread::spawn(move || {
                std::thread::sleep(CONFIRM);
                shown.send_modify(|s| states::stop(Arc::make_mut(s), "emergency_stop"));
            });
            Ok(())
        }),
        look: Arc::new(states::older),
        history: Arc::new(|before| Ok(states::history(before))),
        hand_in: Arc::new(move |path, name| {
            let kind = if path.is_dir() { "folder" } else { "file" };
            handed.lock().unwrap().push(format!("{kind} {name}"));
            Ok(())
        }),
        hand_in_bundle: Arc::new(move |path| {
            let bytes = std::fs::metadata(path)?.len();
            bundled.lock().unwrap().push(format!("bundle {bytes}"));
            Ok(())
        }),
        set_up: Arc::new(|asked| match asked.code.0.as_str() {
            "K7WQ-3MXP" => Ok(()),
            _ => Err(Refused::new(
                "wrong_code",
                "That is not the setup code.",
                "Read it.",
            )),
        }),
        cases: dir.path().join("cases"),
        uploads: dir.path().join("upload"),
        has_room: Arc::new(move || !full.exists()),
    };
    change(&mut desk);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(calvaria::web::BLOCKING_MAX)
        .enable_all()
        .build()
        .unwrap();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let beside = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), beside.local_addr().unwrap());
    let (closing, closed) = watch::channel(false);
    let listeners = Beside {
        stop: Some(beside),
        plain: None,
    };
    runtime.spawn(serve(listener, listeners, desk, reached, closed));
    Page {
        address,
        stop,
        asked,
        snapshots,
        dir,
        _closing: closing,
        runtime: Some(runtime),
    }
}

/// The files of a case: what the page shows, a large one, and who it is.
fn lay(case: &Path) {
    std::fs::create_dir_all(case).unwrap();
    std::fs::write(case.join("implant.stl"), vec![7; 200_000]).unwrap();
    std::fs::write(case.join("identity.json"), r#"{"name":"DOE^JANE"}"#).unwrap();
    let large = std::fs::File::create(case.join("missing.nii.gz")).unwrap();
    large.set_len(LARGE).unwrap();
    let previews = [
        "front", "top", "left", "right", "fit", "fit-2", "error", "filled",
    ];
    let names = previews.map(|name| format!("preview-{name}.png"));
    for name in names.into_iter().chain(["reentry.png".into()]) {
        let file = std::fs::File::create(case.join(name)).unwrap();
        let mut encoder = png::Encoder::new(file, 80, 60);
        encoder.set_color(png::ColorType::Grayscale);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&[190; 80 * 60]).unwrap();
    }
}

impl Page {
    pub(super) fn raw(&self, request: &str, body: &[u8]) -> (u16, String) {
        self.raw_at(self.address, request, body)
    }
    pub(super) fn raw_at(&self, at: SocketAddr, request: &str, body: &[u8]) -> (u16, String) {
        let head = format!(
            "{request}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let text = talk(at, &[head.as_bytes(), body].concat());
        (text[9..12].parse().unwrap(), text)
    }
    pub(super) fn get(&self, path: &str) -> (u16, String) {
        self.raw(
            &format!("GET {path} HTTP/1.1\r\nHost: {}", self.address),
            b"",
        )
    }
    pub(super) fn post(&self, path: &str, body: &str) -> (u16, String) {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json",
            self.address
        );
        self.raw(&head, body.as_bytes())
    }
    /// Ends it as a kill would: nothing listens any more.
    pub(super) fn die(&mut self) {
        let _ = self._closing.send(true);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_millis(100));
        }
    }
}

/// Sends these bytes and reads to the end.
pub(super) fn talk(at: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    // A refusal may come before all was sent.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    String::from_utf8_lossy(&answer).into_owned()
}
