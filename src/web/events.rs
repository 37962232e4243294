//! Server-sent events: snapshots for scripts (`/api/v1/events`), changed parts of a page for the page (`/live`).
//!
//! Holds: the first message is the whole; at most four a second; a slow client gets the latest, not all; something
//!        comes at least every 10 s, so that a page knows when it is not live.

use super::fault::Fault;
use super::{Shared, case, page};
use crate::status::{JobView, Snapshot};
use axum::extract::{Path, State};
use axum::response::sse::{Event, Sse};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Between two messages.
const PACE: Duration = Duration::from_millis(250);
/// A sign of life when nothing changes.
const ALIVE: Duration = Duration::from_secs(10);
/// Browsers come back after this, ms.
const RETRY: Duration = Duration::from_secs(2);

type Stream = Sse<ReceiverStream<Result<Event, Infallible>>>;

/// `{"job","state","stage","fraction","text"}` for each job that changed, and the whole as `snapshot`.
pub(super) async fn events(State(shared): State<Shared>) -> Result<Stream, Fault> {
    let mut known: BTreeMap<String, Value> = BTreeMap::new();
    stream(shared, move |snapshot| {
        let mut out = vec![message(
            "snapshot",
            snapshot.revision,
            &serde_json::to_value(snapshot).unwrap_or_default(),
        )];
        for job in snapshot.jobs.iter().rev() {
            let line = job_line(job);
            if known.get(&job.code) != Some(&line) {
                out.push(Event::default().data(line.to_string()));
                known.insert(job.code.clone(), line);
            }
        }
        out
    })
}

fn job_line(job: &JobView) -> Value {
    let progress = job.progress.as_ref();
    json!({
        "job": job.code,
        "state": job.state.word(),
        "stage": progress.map(|p| p.stage.word()),
        "fraction": progress.map(|p| p.fraction),
        "text": progress.map_or(job.reason.as_str(), |p| p.text.as_str()),
    })
}

/// Parts of the overview.
pub(super) async fn live(State(shared): State<Shared>) -> Result<Stream, Fault> {
    parts(shared, page::live)
}

/// Parts of a case's page.
pub(super) async fn live_case(
    State(shared): State<Shared>,
    Path(code): Path<String>,
) -> Result<Stream, Fault> {
    shared.desk.job(&code)?;
    parts(shared, move |snapshot| case::live(snapshot, &code))
}

fn parts(
    shared: Shared,
    make: impl Fn(&Snapshot) -> super::parts::Live + Send + 'static,
) -> Result<Stream, Fault> {
    let mut known: BTreeMap<&'static str, String> = BTreeMap::new();
    stream(shared, move |snapshot| {
        let live = make(snapshot);
        let mut changed = serde_json::Map::new();
        for (name, html) in live.parts {
            let html = html.into_string();
            if known.get(name) != Some(&html) {
                changed.insert(name.into(), html.clone().into());
                known.insert(name, html);
            }
        }
        let body = json!({ "title": live.title, "facts": live.facts, "parts": changed });
        vec![message("page", snapshot.revision, &body)]
    })
}

fn message(kind: &str, revision: u64, body: &Value) -> Event {
    Event::default()
        .event(kind)
        .id(revision.to_string())
        .retry(RETRY)
        .data(body.to_string())
}

fn stream(
    shared: Shared,
    mut make: impl FnMut(&Snapshot) -> Vec<Event> + Send + 'static,
) -> Result<Stream, Fault> {
    let permit = shared
        .live
        .clone()
        .try_acquire_owned()
        .map_err(|_| Fault::busy("Too many pages are open."))?;
    let (tx, rx) = mpsc::channel(4);
    let (mut snapshots, mut closing) = (shared.desk.snapshots.clone(), shared.closing.clone());
    tokio::spawn(async move {
        let _permit = permit;
        loop {
            let snapshot: Arc<Snapshot> = snapshots.borrow_and_update().clone();
            for event in make(&snapshot) {
                if tx.send(Ok(event)).await.is_err() {
                    return;
                }
            }
            tokio::time::sleep(PACE).await;
            tokio::select! {
                changed = snapshots.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(ALIVE) => {}
                () = tx.closed() => return,
                _ = closing.wait_for(|c| *c) => return,
            }
        }
    });
    Ok(Sse::new(ReceiverStream::new(rx)))
}
