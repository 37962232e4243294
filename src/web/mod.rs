//! Web: the page and the API; no state of its own.
//!
//! In:    [`Snapshot`]s from the station; HTTP from browsers and scripts.
//! Out:   the page (HTML made here, one style sheet, one script, no request to anywhere else), the JSON API, files of
//!        cases, server-sent events; [`Request`]s to the station.
//! Holds: emergency stop has its own thread and its own listener and waits for nobody ([`stop`]); connections are kept
//!        free for it on the page's listener too ([`connections`]). Acts, files and uploads have places of their own,
//!        so that none starves another. Every address on a page is relative, so that a proxy may put a prefix before
//!        it. Every answer with case data is `no-store`. Text is escaped by type ([`html::Html`]).
//! Never: a patient's name but in the one answer to a signed-in operator; an act from another host without TLS
//!        ([`tls`]); a change of state on GET.

use crate::status::{History, JobView, Refused, Reply, Request, SetUp, Snapshot, Terms};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use connections::Rules;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stop::Stopper;
use tls::Tls;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

mod about;
mod act;
mod api;
mod assets;
mod case;
mod connections;
mod events;
mod fault;
mod files;
mod guard;
mod history;
mod html;
mod page;
mod parts;
mod reentry;
mod release;
mod setup;
mod stop;
pub mod tls;
mod update;
mod upload;
mod wire;
mod words;

/// Live connections at a time; more are told to come back.
const LIVE_MAX: usize = 48;
/// Uploads at a time.
const UPLOADS_MAX: usize = 2;
/// Looks into the store at a time, of cases that are not shown and of the history: a PIN may be hashed before them.
const LOOKS_MAX: usize = 4;
/// Threads that wait for disk, history and free space at a time; acts have threads of their own. Each of these has a
/// bound of its own; this is more than all of them, so that none waits for another's thread.
pub const BLOCKING_MAX: usize =
    files::SMALL_AT_ONCE + files::LARGE_AT_ONCE + 4 * UPLOADS_MAX + LOOKS_MAX + 4;
/// Connections to the page. A browser holds up to six, one of them for what is live.
const RULES: Rules = Rules {
    open_max: 96,
    reserve: 24,
    address_max: 32,
    head_max: Duration::from_secs(5),
};
/// Largest body of an act, bytes.
const ACT_MAX: usize = 16 * 1024;

/// What the page stands on. Everything in it may be called from any thread.
#[derive(Clone)]
pub struct Desk {
    /// What is shown.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Asks the station and waits for its answer, no longer than the act may begin.
    pub ask: Arc<dyn Fn(Request, Terms) -> Reply + Send + Sync>,
    /// Stops the printer, past everything that waits. `Ok`: the link has the order.
    pub stop: Arc<dyn Fn() -> Reply + Send + Sync>,
    /// One case, whether it is shown or not.
    pub look: Arc<dyn Fn(&str) -> Result<JobView, Refused> + Send + Sync>,
    /// The history: cases older than this one, or the newest.
    pub history: Arc<dyn Fn(Option<&str>) -> Result<History, Refused> + Send + Sync>,
    /// Moves an uploaded file or folder into the drop folder; the second is the name it had, for its ending.
    pub hand_in: Arc<dyn Fn(&Path, &str) -> std::io::Result<()> + Send + Sync>,
    /// Makes the first supervisor on the word of the setup code.
    pub set_up: Arc<dyn Fn(&SetUp) -> Reply + Send + Sync>,
    /// Puts an uploaded bundle where updates are installed from.
    pub hand_in_bundle: Arc<dyn Fn(&Path) -> std::io::Result<()> + Send + Sync>,
    /// Folder of the cases.
    pub cases: PathBuf,
    /// Where uploads grow.
    pub uploads: PathBuf,
    /// `false`: the disk is so full that no upload may grow.
    pub has_room: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// By which ways and names the page is reached.
#[derive(Clone, Debug, Default)]
pub struct Reached {
    /// Names of the station beside its addresses and its host name.
    pub names: Vec<String>,
    /// A proxy with TLS stands before it: what that proxy says of its clients is believed.
    pub behind_proxy: bool,
    /// Port of the page.
    pub page_port: u16,
    /// Port of the emergency stop's own listener.
    pub stop_port: Option<u16>,
    /// Certificate and key: then the page is served over TLS, at the same ports, and over a plain connection nothing
    /// but the emergency stop is taken.
    pub tls: Option<Tls>,
}

/// Listeners beside the page's own.
#[derive(Debug, Default)]
pub struct Beside {
    /// Takes the emergency stop alone, past everything else.
    pub stop: Option<std::net::TcpListener>,
    /// The usual port of plain HTTP, from which people are sent on to TLS.
    pub plain: Option<std::net::TcpListener>,
}

/// The desk, and what the page itself keeps count of.
#[derive(Clone)]
struct Shared {
    desk: Desk,
    reached: Arc<Reached>,
    stopper: Stopper,
    live: Arc<Semaphore>,
    uploading: Arc<Semaphore>,
    looking: Arc<Semaphore>,
    places: files::Places,
    ticket: update::Ticket,
    closing: watch::Receiver<bool>,
}

/// Serves the page at `listener`, and what is `beside` it, until `closing` says so. Open event streams end by
/// themselves then.
///
/// # Errors
/// When there is no thread for the emergency stop.
pub async fn serve(
    listener: TcpListener,
    beside: Beside,
    desk: Desk,
    reached: Reached,
    closing: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let Beside { stop, plain } = beside;
    let port = |address: std::net::SocketAddr| address.port();
    let reached = Reached {
        page_port: listener.local_addr().map(port)?,
        stop_port: stop
            .as_ref()
            .map(|l| l.local_addr().map(port))
            .transpose()?,
        ..reached
    };
    let shared = Shared {
        stopper: Stopper::start(desk.stop.clone())?,
        desk,
        reached: Arc::new(reached),
        live: Arc::new(Semaphore::new(LIVE_MAX)),
        uploading: Arc::new(Semaphore::new(UPLOADS_MAX)),
        looking: Arc::new(Semaphore::new(LOOKS_MAX)),
        places: files::Places::default(),
        ticket: update::Ticket::default(),
        closing: closing.clone(),
    };
    if let Some(stop) = stop {
        stop::listen(stop, shared.clone(), closing.clone())?;
    }
    let tls = shared.reached.tls.clone();
    let page = router(shared.clone());
    if let Some(plain) = plain {
        plain.set_nonblocking(true)?;
        let plain = TcpListener::from_std(plain)?;
        // Whoever comes here is sent on: nobody stays, and a stop finds a place.
        let served = connections::serve(
            plain,
            stop::RULES,
            tls.clone(),
            page.clone(),
            page.clone(),
            closing.clone(),
        );
        tokio::spawn(served);
    }
    // What is left when there are too many connections: the emergency stop, and that the process answers.
    let crowded = guarded(stop::routes().fallback(fault::crowded), shared);
    connections::serve(listener, RULES, tls, page, crowded, closing).await;
    Ok(())
}

/// With the guard before it.
fn guarded(router: Router<Shared>, shared: Shared) -> Router {
    router
        .layer(middleware::from_fn_with_state(shared.clone(), guard::guard))
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
        .route("/printer/recover", post(api::recover))
        .route("/printer/answer", post(api::answer))
        .route("/printer/tune", post(api::tune))
        .route("/printer/bed-clear", post(api::bed_clear))
        .route("/operators/unlock", post(api::unlock))
        .route("/setup", post(setup::set_up))
        .route("/update", post(update::ask))
        .route("/events", get(events::events))
        .layer(DefaultBodyLimit::max(ACT_MAX))
        // Uploads count for themselves, while they stream to disk.
        .route(
            "/drop",
            post(upload::upload).layer(DefaultBodyLimit::disable()),
        )
        .route(
            "/update/bundle",
            post(update::bundle).layer(DefaultBodyLimit::disable()),
        );
    let page = stop::routes()
        .route("/", get(page::overview))
        .route("/jobs/{code}", get(case::case))
        .route("/history", get(history::history))
        .route("/live", get(events::live))
        .route("/a/{hash}/{name}", get(assets::asset))
        .nest("/api/v1", api)
        .fallback(fault::not_found);
    guarded(page, shared)
}
