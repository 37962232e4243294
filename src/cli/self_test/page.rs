//! The page's answer: that of the station which runs, or of a listener made for the look.

use crate::station::Config;
use crate::status::{Refused, Snapshot};
use crate::update::self_test::{Fault, Seen};
use crate::web;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A page that lives answers within this time.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// An answer is shorter.
const BYTES_MAX: u64 = 1 << 20;

pub(super) fn look(config: &Config, runs: bool) -> Seen {
    let answered = match runs {
        true => {
            let at = reachable(config.web.listen);
            ask(at, "/healthz").map(|text| (at, text.contains("\"ok\":true")))
        }
        false => of_its_own(),
    };
    match answered {
        Ok((at, true)) => {
            let whose = if runs { "The station's" } else { "A" };
            Seen::ok(format!("{whose} page answers."), at.to_string())
        }
        Ok((at, false)) => failed("It answers something else.".into(), &at.to_string()),
        Err(error) => failed(
            format!("It does not answer: {error}."),
            &config.web.listen.to_string(),
        ),
    }
}

fn failed(what: String, place: &str) -> Seen {
    Seen::failed(Fault::Slot, what, place, "Look at the log of calvaria.")
}

/// On this box.
fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        ip if ip.is_unspecified() => (IpAddr::V4(Ipv4Addr::LOCALHOST), listen.port()).into(),
        _ => listen,
    }
}

/// What is answered with status 200.
fn ask(at: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&at, ANSWER_MAX)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.set_write_timeout(Some(ANSWER_MAX))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n"
    )?;
    let mut bytes = Vec::new();
    stream.take(BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    match text.strip_prefix("HTTP/1.1 200 ") {
        Some(rest) => Ok(rest.to_owned()),
        None => {
            let first = text.lines().next().unwrap_or_default();
            Err(std::io::Error::other(format!("it says {first:?}")))
        }
    }
}

/// The same page before an empty desk, at a port that is free.
fn of_its_own() -> std::io::Result<(SocketAddr, bool)> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let any = (Ipv4Addr::LOCALHOST, 0);
    let listener = runtime.block_on(tokio::net::TcpListener::bind(any))?;
    let at = listener.local_addr()?;
    let (closing, closed) = watch::channel(false);
    let (_shown, snapshots) = watch::channel(Arc::new(Snapshot::default()));
    let page = web::serve(
        listener,
        web::Beside::default(),
        desk(snapshots),
        web::Reached::default(),
        closed,
    );
    runtime.spawn(page);
    let text = ask(at, "/");
    closing.send_replace(true);
    runtime.shutdown_timeout(Duration::from_millis(200));
    text.map(|text| (at, text.contains("id=\"stop-button\"")))
}

fn desk(snapshots: watch::Receiver<Arc<Snapshot>>) -> web::Desk {
    let no = || Refused::new("self_test", "This is a test.", "Ask the station.");
    web::Desk {
        snapshots,
        ask: Arc::new(move |_, _| Err(no())),
        stop: Arc::new(move || Err(no())),
        look: Arc::new(move |_| Err(no())),
        history: Arc::new(move |_| Err(no())),
        hand_in: Arc::new(|_, _| Err(std::io::ErrorKind::Unsupported.into())),
        set_up: Arc::new(move |_| Err(no())),
        hand_in_bundle: Arc::new(|_| Err(std::io::ErrorKind::Unsupported.into())),
        cases: std::path::PathBuf::new(),
        uploads: std::path::PathBuf::new(),
        has_room: Arc::new(|| false),
    }
}
