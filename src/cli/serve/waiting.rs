//! Waiting: a station whose store can not be opened or written still has a page and an LCD, which say so, and a stop
//! button, which works. It looks again by itself.
//!
//! In:    what is wrong; the link's socket.
//! Out:   page and LCD with that alone and with how the printer does; the opened station as soon as it can be opened.
//! Never: writes anything, takes a scan, prints.

use super::front::Front;
use super::link;
use crate::display;
use crate::printer::client::{Client, SOCKET};
use crate::printer::wire::Command;
use crate::station::Config;
use crate::status::{Finding, PrinterView, Refused, Snapshot, StationView};
use crate::web;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The store is tried again this often.
const AGAIN: Duration = Duration::from_secs(5);
/// The printer is asked this often.
const LOOK: Duration = Duration::from_secs(1);
/// The link answers within this time, or counts as down.
const ANSWER_MAX: Duration = Duration::from_millis(500);

/// Shows `wrong` until `open` gives a station. `None`: a signal came before that.
pub(super) fn until<T, E>(
    front: &Front,
    config: &Config,
    mut wrong: String,
    mut open: impl FnMut() -> Result<Result<T, String>, E>,
) -> Result<Option<T>, E> {
    let (out, snapshots) = watch::channel(Arc::new(Snapshot::default()));
    let socket = config.data.join(SOCKET);
    let mut revision = 0;
    let mut show = |wrong: &str| {
        revision += 1;
        let snapshot = snapshot(front, wrong, revision, &socket);
        out.send_replace(Arc::new(snapshot));
    };
    show(&wrong);
    let open_page = front.open(desk(config, &snapshots, &wrong));
    let lcd = lcd(config, snapshots);
    tracing::error!("{wrong}");
    front.ready();
    let looks = AGAIN.as_millis() / LOOK.as_millis();
    let opened = 'waiting: loop {
        for _ in 0..looks {
            if front.signalled(LOOK) {
                break 'waiting Ok(None);
            }
            show(&wrong);
        }
        match open() {
            Ok(Ok(opened)) => break Ok(Some(opened)),
            Ok(Err(still)) => wrong = still,
            Err(error) => break Err(error),
        }
    };
    open_page.close(front);
    // The display's thread ends with the last sender, and gives the panel free.
    drop(out);
    if let Some(thread) = lcd {
        let _ = thread.join();
    }
    opened
}

fn snapshot(front: &Front, wrong: &str, revision: u64, socket: &Path) -> Snapshot {
    let text = format!(
        "{wrong} Nothing is lost and nothing is printed; new scans wait in the drop folder. Tell IT: free space or mend the disk. The station tries again by itself."
    );
    Snapshot {
        revision,
        station: StationView {
            version: env!("CARGO_PKG_VERSION").into(),
            attention: vec![Finding::refuse("no_store", text)],
            address: (front.address)(),
            certificate: front.fingerprint(),
            now: super::stamp(&jiff::Zoned::now()),
            ..StationView::default()
        },
        printer: printer(socket),
        jobs: Vec::new(),
    }
}

/// How the printer does: a print that was begun before goes on without us.
fn printer(socket: &Path) -> PrinterView {
    let asked = Client::connect(socket, ANSWER_MAX).and_then(|mut c| c.ask(Command::Status));
    asked.map_or_else(|_| PrinterView::default(), |status| link::view(&status))
}

fn desk(config: &Config, snapshots: &watch::Receiver<Arc<Snapshot>>, wrong: &str) -> web::Desk {
    let socket = config.data.join(SOCKET);
    let next = "Tell IT. Emergency stop works.";
    let refused = Refused::new("no_store", wrong, next);
    let (looked, paged, first) = (refused.clone(), refused.clone(), refused.clone());
    web::Desk {
        snapshots: snapshots.clone(),
        ask: Arc::new(move |_, _| Err(refused.clone())),
        stop: Arc::new(move || link::emergency_stop(&socket)),
        look: Arc::new(move |_| Err(looked.clone())),
        history: Arc::new(move |_| Err(paged.clone())),
        hand_in: Arc::new(|_, _| Err(std::io::ErrorKind::StorageFull.into())),
        set_up: Arc::new(move |_| Err(first.clone())),
        hand_in_bundle: Arc::new(|_| Err(std::io::ErrorKind::StorageFull.into())),
        cases: config.data.join("cases"),
        uploads: config.data.join("upload"),
        has_room: Arc::new(|| false),
    }
}

fn lcd(
    config: &Config,
    snapshots: watch::Receiver<Arc<Snapshot>>,
) -> Option<std::thread::JoinHandle<()>> {
    let output = super::display_output(config).ok().flatten()?;
    let cases = config.data.join("cases");
    let work = move || display::run(output, &cases, snapshots);
    std::thread::Builder::new()
        .name("lcd".into())
        .spawn(work)
        .ok()
}
