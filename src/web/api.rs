//! The API: JSON under `/api/v1`, and `/healthz`.

use super::fault::Fault;
use super::{Desk, Shared};
use crate::status::{Act, JobView, Pin, Reply, Request, Side, Snapshot};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;

/// Answer to everything that was taken.
fn done() -> Json<Value> {
    Json(json!({ "ok": true }))
}

/// The process answers.
pub(super) async fn healthz() -> Json<Value> {
    done()
}

/// Station and printer.
pub(super) async fn station(State(shared): State<Shared>) -> Json<Value> {
    let snapshot = shared.desk.snapshot();
    Json(json!({
        "revision": snapshot.revision, "station": snapshot.station, "printer": snapshot.printer,
    }))
}

/// All jobs that are shown, newest first.
pub(super) async fn jobs(State(shared): State<Shared>) -> Json<Vec<JobView>> {
    Json(shared.desk.snapshot().jobs.clone())
}

/// One job.
pub(super) async fn job(
    State(shared): State<Shared>,
    Path(code): Path<String>,
) -> Result<Json<JobView>, Fault> {
    Ok(Json(shared.desk.job(&code)?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseBody {
    operator: String,
    pin: Pin,
    sha256: String,
    spool: String,
    side: Side,
    bed_clear: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActBody {
    operator: String,
    pin: Pin,
}

/// Print this design, on the word of a named operator.
pub(super) async fn release(
    State(shared): State<Shared>,
    Path(code): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Fault> {
    let body: ReleaseBody = parse(&headers, &body)?;
    let request = Request::Release {
        code,
        operator: body.operator,
        pin: body.pin,
        sha256: body.sha256,
        spool: body.spool,
        side: body.side,
        bed_clear: body.bed_clear,
    };
    shared.desk.ask(request).await?;
    Ok(done())
}

/// Pause, resume, cancel, retry, print-again.
pub(super) async fn act(
    State(shared): State<Shared>,
    Path((code, word)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Fault> {
    let request = match word.as_str() {
        "pause" => Request::Pause,
        "resume" => Request::Resume,
        "cancel" => Request::Cancel,
        "retry" => Request::Retry,
        "print-again" => Request::PrintAgain,
        _ => return Err(Fault::missing()),
    };
    shared
        .desk
        .ask(request(act_of(code, &headers, &body)?))
        .await?;
    Ok(done())
}

/// Resets a halted printer, by a person who looked at it.
pub(super) async fn recover(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Fault> {
    let act = act_of(String::new(), &headers, &body)?;
    shared.desk.ask(Request::Recover(act)).await?;
    Ok(done())
}

/// Who the patient is, to a signed-in operator; the one place where it is shown.
pub(super) async fn identity(
    State(shared): State<Shared>,
    Path(code): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Fault> {
    let act = act_of(code.clone(), &headers, &body)?;
    shared.desk.job(&code)?;
    shared.desk.ask(Request::SignIn(act)).await?;
    let path = shared.desk.cases.join(&code).join("identity.json");
    let Ok(bytes) = tokio::fs::read(path).await else {
        // Strict, or a scan that does not say: the paper is compared with the hospital's list.
        return Ok(Json(json!({ "identity": null })));
    };
    let identity: Value = serde_json::from_slice(&bytes)
        .map_err(|_| Fault::broken("identity.json can not be read."))?;
    Ok(Json(json!({ "identity": identity })))
}

/// Stops the printer. Needs nothing, waits for nobody but the printer.
pub(super) async fn emergency_stop(State(shared): State<Shared>) -> Result<Json<Value>, Fault> {
    let (tx, rx) = tokio::sync::oneshot::channel();
    let ask = shared.desk.ask.clone();
    // A thread of its own: the pool may be full of people who wait for their PIN.
    let spawned = std::thread::Builder::new()
        .name("stop".into())
        .spawn(move || {
            let _ = tx.send(ask(Request::EmergencyStop));
        });
    spawned.map_err(|_| Fault::broken("No thread for the stop. Use the switch at the printer."))?;
    match rx.await {
        Ok(reply) => reply.map(|()| done()).map_err(Fault::from),
        Err(_) => Err(Fault::broken("No answer. Use the switch at the printer.")),
    }
}

fn act_of(code: String, headers: &HeaderMap, body: &[u8]) -> Result<Act, Fault> {
    let body: ActBody = parse(headers, body)?;
    Ok(Act {
        code,
        operator: body.operator,
        pin: body.pin,
    })
}

/// JSON of one shape. The content type is asked for, since a foreign page can send none but forms without asking.
fn parse<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Fault> {
    let json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| {
            v.split(';')
                .next()
                .is_some_and(|t| t.trim() == "application/json")
        });
    if !json {
        return Err(Fault::bad(
            "The body is not JSON.",
            "Send Content-Type: application/json.",
        ));
    }
    // Line and column only: the body holds a PIN.
    serde_json::from_slice(body).map_err(|e| {
        let text = format!(
            "The body does not fit (line {}, column {}).",
            e.line(),
            e.column()
        );
        Fault::bad(text, "Send every field that the act needs, and no other.")
    })
}

impl Desk {
    /// What is shown now.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }

    /// One job of the snapshot.
    pub(super) fn job(&self, code: &str) -> Result<JobView, Fault> {
        let snapshot = self.snapshot();
        let job = snapshot.jobs.iter().find(|j| j.code == code);
        job.cloned().ok_or_else(|| {
            let text = "There is no such case.";
            Fault::from(crate::status::Refused::new(
                "no_job",
                text,
                "Look at / for the list of cases.",
            ))
        })
    }

    /// Asks the station, off the event loop.
    async fn ask(&self, request: Request) -> Reply {
        let ask = self.ask.clone();
        tokio::task::spawn_blocking(move || ask(request))
            .await
            .unwrap_or_else(|_| {
                let next = "Look at the case before you try again.";
                Err(crate::status::Refused::new(
                    "stuck",
                    "The station does not answer.",
                    next,
                ))
            })
    }
}
