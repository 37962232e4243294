//! Web: the page and the API; no state of its own.
//!
//! In:    [`Snapshot`]s from the station; HTTP from browsers and scripts.
//! Out:   the page (HTML made here, one style sheet, one script, no request to anywhere else), the JSON API, files of
//!        cases, server-sent events; [`Request`]s to the station.
//! Holds: emergency stop has its own thread and waits for nobody; connections are kept free for it ([`connections`]). Every answer with case data is `no-store`. Text is
//!        escaped by type ([`html::Html`]).
//! Never: a patient's name but in the one answer to a signed-in operator; an act from another host (they need TLS,
//!        which comes later); a change of state on GET.

use crate::status::{History, JobView, Refused, Reply, Request, Snapshot, Terms};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

mod act;
mod api;
mod assets;
mod case;
mod connections;
mod events;
mod fault;
mod files;
mod guard;
mod html;
mod page;
mod parts;
mod upload;
mod words;

/// Live connections at a time; more are told to come back.
const LIVE_MAX: usize = 48;
/// Uploads at a time.
const UPLOADS_MAX: usize = 2;
/// Largest body of an act, bytes.
const ACT_MAX: usize = 16 * 1024;

/// What the page stands on. Everything in it may be called from any thread.
#[derive(Clone)]
pub struct Desk {
    /// What is shown.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Asks the station and waits for its answer, no longer than the act may begin.
    pub ask: Arc<dyn Fn(Request, Terms) -> Reply + Send + Sync>,
    /// Stops the printer.
    pub stop: Arc<dyn Fn() -> Reply + Send + Sync>,
    /// One case, whether it is shown or not.
    pub look: Arc<dyn Fn(&str) -> Result<JobView, Refused> + Send + Sync>,
    /// The history: cases older than this one, or the newest.
    pub history: Arc<dyn Fn(Option<&str>) -> Result<History, Refused> + Send + Sync>,
    /// Moves an uploaded file or folder into the drop folder; the second is the name it had, for its ending.
    pub hand_in: Arc<dyn Fn(&Path, &str) -> std::io::Result<()> + Send + Sync>,
    /// Folder of the cases.
    pub cases: PathBuf,
    /// Where uploads grow.
    pub uploads: PathBuf,
    /// `false`: the disk is so full that no upload may grow.
    pub has_room: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// The desk, and what the page itself keeps count of.
#[derive(Clone)]
struct Shared {
    desk: Desk,
    live: Arc<Semaphore>,
    uploading: Arc<Semaphore>,
    closing: watch::Receiver<bool>,
}

/// Serves until `closing` says so. Open event streams end by themselves then.
pub async fn serve(listener: TcpListener, desk: Desk, closing: watch::Receiver<bool>) {
    let shared = Shared {
        desk,
        live: Arc::new(Semaphore::new(LIVE_MAX)),
        uploading: Arc::new(Semaphore::new(UPLOADS_MAX)),
        closing: closing.clone(),
    };
    connections::serve(listener, router(shared.clone()), crowded(shared), closing).await;
}

/// What is left when there are too many connections: the emergency stop, and that the process answers.
fn crowded(shared: Shared) -> Router {
    Router::new()
        .route("/api/v1/printer/emergency-stop", post(api::emergency_stop))
        .route("/healthz", get(api::healthz))
        .fallback(fault::crowded)
        .layer(middleware::from_fn(guard::guard))
        .with_state(shared)
}

fn router(shared: Shared) -> Router {
    let api = Router::new()
        .route("/station", get(api::station))
        .route("/jobs", get(api::jobs))
        .route("/jobs/{code}", get(api::job))
        .route("/jobs/{code}/files/{name}", get(files::file))
        .route("/jobs/{code}/release", post(api::release))
        .route("/jobs/{code}/reject", post(api::reject))
        .route("/jobs/{code}/identity", post(api::identity))
        .route("/jobs/{code}/{act}", post(api::act))
        .route("/printer/emergency-stop", post(api::emergency_stop))
        .route("/printer/recover", post(api::recover))
        .route("/printer/bed-clear", post(api::bed_clear))
        .route("/operators/unlock", post(api::unlock))
        .route("/events", get(events::events))
        .layer(DefaultBodyLimit::max(ACT_MAX))
        // Uploads count for themselves, while they stream to disk.
        .route(
            "/drop",
            post(upload::upload).layer(DefaultBodyLimit::disable()),
        );
    Router::new()
        .route("/", get(page::overview))
        .route("/jobs/{code}", get(case::case))
        .route("/live", get(events::live))
        .route("/live/{code}", get(events::live_case))
        .route("/a/{hash}/{name}", get(assets::asset))
        .route("/healthz", get(api::healthz))
        .nest("/api/v1", api)
        .fallback(fault::not_found)
        .layer(middleware::from_fn(guard::guard))
        .with_state(shared)
}
