//! The API: JSON under `/api/v1`, and `/healthz`.

use super::act::{Body, Heard};
use super::fault::Fault;
use super::{Desk, Shared};
use crate::status::{
    Act, History, JobView, Person, Pin, Refused, ReleaseAct, Reply, Request, Side, Snapshot, Terms,
    Tune,
};
use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Answer to everything that was taken.
pub(super) fn done() -> Json<Value> {
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

/// Where a page of the history begins.
#[derive(Deserialize)]
pub(super) struct Since {
    /// Cases older than this one.
    before: Option<String>,
}

/// All jobs that are shown, newest first; with `?before=CODE` those that are older than it, a page at a time.
pub(super) async fn jobs(
    State(shared): State<Shared>,
    Query(since): Query<Since>,
) -> Result<Json<Vec<JobView>>, Fault> {
    let Some(before) = since.before else {
        return Ok(Json(shared.desk.snapshot().jobs.clone()));
    };
    Ok(Json(shared.history(Some(before)).await?.jobs))
}

/// One job.
pub(super) async fn job(
    State(shared): State<Shared>,
    Path(code): Path<String>,
) -> Result<Json<JobView>, Fault> {
    Ok(Json(shared.job(&code).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseBody {
    operator: String,
    pin: Pin,
    #[serde(default)]
    second: Option<Person>,
    sha256: String,
    spool: String,
    #[serde(default)]
    other_material: bool,
    side: Side,
    bed_clear: bool,
    #[serde(default)]
    part_holds: bool,
    id: Option<String>,
    deadline_s: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActBody {
    operator: String,
    pin: Pin,
    id: Option<String>,
    deadline_s: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RejectBody {
    operator: String,
    pin: Pin,
    reason: String,
    id: Option<String>,
    deadline_s: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerBody {
    operator: String,
    pin: Pin,
    question: String,
    choice: usize,
    id: Option<String>,
    deadline_s: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TuneBody {
    operator: String,
    pin: Pin,
    speed_percent: Option<f64>,
    flow_percent: Option<f64>,
    fan_percent: Option<f64>,
    z_mm: Option<f64>,
    id: Option<String>,
    deadline_s: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnlockBody {
    operator: String,
    pin: Pin,
    #[serde(default)]
    name: String,
    id: Option<String>,
    deadline_s: Option<f64>,
}

/// Print this design, on the word of a named person, or of two.
pub(super) async fn release(
    State(shared): State<Shared>,
    Path(code): Path<String>,
    heard: Heard,
    body: Body,
) -> Result<Json<Value>, Fault> {
    let body: ReleaseBody = body.parse()?;
    let terms = heard.terms(body.id.as_deref(), body.deadline_s)?;
    let release = ReleaseAct {
        code,
        operator: body.operator,
        pin: body.pin,
        second: body.second,
        sha256: body.sha256,
        spool: body.spool,
        other_material: body.other_material,
        side: body.side,
        bed_clear: body.bed_clear,
        part_holds: body.part_holds,
    };
    shared
        .desk
        .ask(Request::Release(Box::new(release)), terms)
        .await?;
    Ok(done())
}

/// Say no to a design.
pub(super) async fn reject(
    State(shared): State<Shared>,
    Path(code): Path<String>,
    heard: Heard,
    body: Body,
) -> Result<Json<Value>, Fault> {
    let body: RejectBody = body.parse()?;
    let terms = heard.terms(body.id.as_deref(), body.deadline_s)?;
    let act = Act {
        code,
        operator: body.operator,
        pin: body.pin,
    };
    let reason = body.reason;
    shared
        .desk
        .ask(Request::Reject { act, reason }, terms)
        .await?;
    Ok(done())
}

/// Pause, resume, cancel, retry, print-again, put-away.
pub(super) async fn act(
    State(shared): State<Shared>,
    Path((code, word)): Path<(String, String)>,
    heard: Heard,
    body: Body,
) -> Result<Json<Value>, Fault> {
    let request = match word.as_str() {
        "pause" => Request::Pause,
        "resume" => Request::Resume,
        "cancel" => Request::Cancel,
        "retry" => Request::Retry,
        "print-again" if super::reentry::is_asked(&body) => {
            return super::reentry::reenter(shared, code, &heard, &body).await;
        }
        "print-again" => Request::PrintAgain,
        "put-away" => Request::PutAway,
        _ => return Err(Fault::missing()),
    };
    let (act, terms) = act_of(code, &heard, &body)?;
    shared.desk.ask(request(act), terms).await?;
    Ok(done())
}

/// Resets a halted printer, by a person who looked at it.
pub(super) async fn recover(
    State(shared): State<Shared>,
    heard: Heard,
    body: Body,
) -> Result<Json<Value>, Fault> {
    let (act, terms) = act_of(String::new(), &heard, &body)?;
    shared.desk.ask(Request::Recover(act), terms).await?;
    Ok(done())
}

/// Nothing lies on the bed, says a person who looked.
pub(super) async fn bed_clear(
    State(shared): State<Shared>,
    heard: Heard,
    body: Body,
) -> Result<Json<Value>, Fault> {
    let (act, terms) = act_of(String::new(), &heard, &body)?;
    shared.desk.ask(Request::BedClear(act), terms).await?;
    Ok(done())
}

/// Answers what the printer asks at its own panel.
pub(super) async fn answer(
    State(shared): State<Shared>,
    heard: Heard,
    body: Body,
) -> Result<Json<Value>, Fault> {
    let body: AnswerBody = body.parse()?;
    let terms = heard.terms(body.id.as_deref(), body.deadline_s)?;
    let act = Act {
        code: String::new(),
        operator: body.operator,
        pin: body.pin,
    };
    let (question, choice) = (body.question, body.choice);
    let request = Request::Answer {
        act,
        question,
        choice,
    };
    shared.desk.ask(request, terms).await?;
    Ok(done())
}

/// Changes speed, flow, fan or height of the print that runs.
pub(super) async fn tune(
    State(shared): State<Shared>,
    heard: Heard,
    body: Body,
) -> Result<Json<Value>, Fault> {
    let body: TuneBody = body.parse()?;
    let terms = heard.terms(body.id.as_deref(), body.deadline_s)?;
    let act = Act {
        code: String::new(),
        operator: body.operator,
        pin: body.pin,
    };
    let tune = Tune {
        speed_percent: body.speed_percent,
        flow_percent: body.flow_percent,
        fan_percent: body.fan_percent,
        z_mm: body.z_mm,
    };
    shared.desk.ask(Request::Tune { act, tune }, terms).await?;
    Ok(done())
}

/// Clears what wrong PINs have delayed, by a supervisor.
pub(super) async fn unlock(
    State(shared): State<Shared>,
    heard: Heard,
    body: Body,
) -> Result<Json<Value>, Fault> {
    let body: UnlockBody = body.parse()?;
    let terms = heard.terms(body.id.as_deref(), body.deadline_s)?;
    let act = Act {
        code: String::new(),
        operator: body.operator,
        pin: body.pin,
    };
    let name = body.name;
    shared
        .desk
        .ask(Request::Unlock { act, name }, terms)
        .await?;
    Ok(done())
}

/// Who the patient is, to a signed-in operator; the one place where it is shown.
pub(super) async fn identity(
    State(shared): State<Shared>,
    Path(code): Path<String>,
    heard: Heard,
    body: Body,
) -> Result<Json<Value>, Fault> {
    let (act, terms) = act_of(code.clone(), &heard, &body)?;
    shared.job(&code).await?;
    shared.desk.ask(Request::SignIn(act), terms).await?;
    let path = shared.desk.cases.join(&code).join("identity.json");
    let Ok(bytes) = tokio::fs::read(path).await else {
        // Strict, or a scan that does not say: the paper is compared with the hospital's list.
        return Ok(Json(json!({ "identity": null })));
    };
    let identity: Value = serde_json::from_slice(&bytes)
        .map_err(|_| Fault::broken("identity.json can not be read."))?;
    Ok(Json(json!({ "identity": identity })))
}

pub(super) fn act_of(code: String, heard: &Heard, body: &Body) -> Result<(Act, Terms), Fault> {
    let body: ActBody = body.parse()?;
    let terms = heard.terms(body.id.as_deref(), body.deadline_s)?;
    let act = Act {
        code,
        operator: body.operator,
        pin: body.pin,
    };
    Ok((act, terms))
}

impl Shared {
    /// One job, whether it is shown or not.
    pub(super) async fn job(&self, code: &str) -> Result<JobView, Fault> {
        let snapshot = self.desk.snapshot();
        if let Some(job) = snapshot.jobs.iter().find(|j| j.code == code) {
            return Ok(job.clone());
        }
        let (look, code) = (self.desk.look.clone(), code.to_owned());
        self.looked(move || look(&code)).await
    }

    /// A page of the history.
    pub(super) async fn history(&self, before: Option<String>) -> Result<History, Fault> {
        let history = self.desk.history.clone();
        self.looked(move || history(before.as_deref())).await
    }

    /// Looks into the store on a thread that may wait: those that serve the page must not. Whoever finds no place waits
    /// for one.
    pub(super) async fn looked<T: Send + 'static>(
        &self,
        look: impl FnOnce() -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, Fault> {
        let place = self.looking.clone().acquire_owned().await;
        let looked = tokio::task::spawn_blocking(move || {
            // Given back with the thread, not with the asker, who may have gone.
            let _place = place;
            look()
        });
        let looked = looked.await;
        looked
            .map_err(|_| Fault::broken("The record can not be read."))?
            .map_err(Fault::from)
    }
}

impl Desk {
    /// What is shown now.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }

    /// Asks the station on a thread of the act's own: no pool that downloads or previews can fill stands before it.
    /// Connections are bounded, and so are these threads.
    pub(super) async fn ask(&self, request: Request, terms: Terms) -> Reply {
        let ask = self.ask.clone();
        let (tx, rx) = tokio::sync::oneshot::channel();
        let spawned = std::thread::Builder::new()
            .name("act".into())
            .spawn(move || {
                // Whoever asked may have gone.
                let _ = tx.send(ask(request, terms));
            });
        if spawned.is_err() {
            let text = "The station has no thread for this now. It was not done.";
            return Err(Refused::new("busy", text, "Try again in a minute."));
        }
        rx.await.unwrap_or_else(|_| {
            let next = "Look at the case before you try again.";
            let text = "The station does not answer; whether it was done is not known.";
            Err(Refused::new("stuck", text, next))
        })
    }
}
