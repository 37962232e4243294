//! Server-sent events: snapshots for scripts (`/api/v1/events`), changed parts of pages for a browser (`/live?on=`),
//! which may also ask for one answer alone (`/live?on=…&once=1`).
//!
//! Holds: the first message is the whole; at most four a second; a slow client gets the latest, not all; something
//!        comes at least every 10 s, so that a page knows when it is not live.

use super::fault::Fault;
use super::{Shared, case, history, page};
use crate::status::{JobView, Snapshot};
use axum::Json;
use axum::extract::{Query, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
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
/// Pages of one stream.
const PAGES_MAX: usize = 24;
/// The first page's name in a stream.
pub(super) const OVERVIEW: &str = "overview";
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

/// Which pages are asked for.
#[derive(Deserialize)]
pub(super) struct On {
    /// Names of pages, by commas: [`OVERVIEW`], the history or a case's code.
    #[serde(default)]
    on: String,
    /// One answer, in JSON, instead of a stream.
    #[serde(default)]
    once: Option<u8>,
}

/// Moving parts of the pages that are asked for. All tabs of a browser share one stream: it has six connections to a
/// host, and a stream holds one for good. A browser that can not share asks again and again, and holds none.
pub(super) async fn live(
    State(shared): State<Shared>,
    Query(On { on, once }): Query<On>,
) -> Result<Response, Fault> {
    let mut pages = Pages::named(&on);
    if once.is_some_and(|n| n != 0) {
        return Ok(Json(pages.changed(&shared.desk.snapshot())).into_response());
    }
    let stream = stream(shared, move |snapshot| {
        let body = Value::Object(pages.changed(snapshot));
        vec![message("pages", snapshot.revision, &body)]
    })?;
    Ok(stream.into_response())
}

/// The pages of one stream, and what was told of each.
struct Pages {
    names: Vec<String>,
    known: BTreeMap<(usize, &'static str), String>,
}

impl Pages {
    fn named(on: &str) -> Self {
        Self {
            names: on.split(',').take(PAGES_MAX).map(str::to_owned).collect(),
            known: BTreeMap::new(),
        }
    }

    /// Title, facts and changed parts by page.
    fn changed(&mut self, snapshot: &Snapshot) -> serde_json::Map<String, Value> {
        let mut pages = serde_json::Map::new();
        for (n, name) in self.names.iter().enumerate() {
            let live = match name.as_str() {
                OVERVIEW => page::live(snapshot),
                history::NAME => history::live(snapshot),
                code => case::live(snapshot, code),
            };
            let mut changed = serde_json::Map::new();
            for (part, html) in live.parts {
                let html = html.into_string();
                if self.known.get(&(n, part)) != Some(&html) {
                    changed.insert(part.into(), html.clone().into());
                    self.known.insert((n, part), html);
                }
            }
            let page = json!({ "title": live.title, "facts": live.facts, "parts": changed });
            pages.insert(name.clone(), page);
        }
        pages
    }
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
