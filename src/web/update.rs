//! Updates over the page: somebody of the service proves who they are and gets a ticket; with it one bundle is streamed to
//! disk. Installing it is another process's, which runs as root and is started by the file's arrival.
//!
//! Holds: a ticket is for one bundle within ten minutes; the bundle is bounded while it streams, and room is looked at;
//!        what breaks off leaves nothing behind. Nothing of it is read here: RAUC proves the signature.

use super::Shared;
use super::act::{Body, Heard};
use super::api::{act_of, done};
use super::fault::Fault;
use super::html::Html;
use super::upload::{Growing, Room, write};
use crate::status::{Refused, Request, Snapshot};
use axum::Json;
use axum::extract::{Query, Request as Http, State};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Largest bundle, bytes: a root file system without CUDA's libraries has a tenth of it.
const BYTES_MAX: u64 = 4 << 30;
/// A ticket holds for so long.
const TICKET_MAX: Duration = Duration::from_secs(600);

/// The ticket that was given out last.
pub(super) type Ticket = Arc<Mutex<Option<(String, Instant)>>>;

/// Who looks after the machine asks to hand in a bundle.
pub(super) async fn ask(
    State(shared): State<Shared>,
    heard: Heard,
    body: Body,
) -> Result<Json<Value>, Fault> {
    is_image(&shared)?;
    let (act, terms) = act_of(String::new(), &heard, &body)?;
    shared.desk.ask(Request::Update(act), terms).await?;
    let ticket = draw().map_err(|_| Fault::broken("No ticket could be made."))?;
    let given = (ticket.clone(), Instant::now());
    *shared.ticket.lock().unwrap_or_else(PoisonError::into_inner) = Some(given);
    Ok(Json(json!({ "ok": true, "ticket": ticket })))
}

#[derive(Deserialize)]
pub(super) struct With {
    #[serde(default)]
    ticket: String,
}

/// The bundle itself, as the body.
pub(super) async fn bundle(
    State(shared): State<Shared>,
    Query(with): Query<With>,
    request: Http,
) -> Result<Json<Value>, Fault> {
    is_image(&shared)?;
    take(&shared.ticket, &with.ticket)?;
    let _one = shared
        .uploading
        .clone()
        .try_acquire_owned()
        .map_err(|_| Fault::busy("Other uploads are running."))?;
    let mut room = Room::of(BYTES_MAX, shared.desk.has_room.clone());
    room.look().await?;
    let growing = Growing::new(&shared.desk.uploads);
    let bytes = write(
        growing.path(),
        request.into_body().into_data_stream(),
        &mut room,
    )
    .await?;
    if bytes == 0 {
        return Err(Fault::bad(
            "The upload is empty.",
            "Send the bundle itself.",
        ));
    }
    let (hand_in, path) = (
        shared.desk.hand_in_bundle.clone(),
        growing.path().to_owned(),
    );
    let moved = tokio::task::spawn_blocking(move || hand_in(&path)).await;
    if !matches!(moved, Ok(Ok(()))) {
        return Err(Fault::broken(
            "The bundle could not be put where updates are installed from.",
        ));
    }
    Ok(done())
}

fn is_image(shared: &Shared) -> Result<(), Fault> {
    if shared.desk.snapshot().station.update.is_image {
        return Ok(());
    }
    let text = "This box was not installed as an image: it takes no updates here.";
    Err(Refused::new(
        "no_image",
        text,
        "Update the program by hand (docs/install.md).",
    )
    .into())
}

/// Uses a ticket up.
fn take(place: &Ticket, said: &str) -> Result<(), Fault> {
    let mut given = place.lock().unwrap_or_else(PoisonError::into_inner);
    let fits = given.as_ref().is_some_and(|(ticket, at)| {
        at.elapsed() < TICKET_MAX && !said.is_empty() && ticket == said
    });
    if !fits {
        let text = "This ticket is none, or was used.";
        return Err(Refused::new("no_ticket", text, "Ask for another with name and PIN.").into());
    }
    *given = None;
    Ok(())
}

/// 128 bits that nobody guesses, as hex.
fn draw() -> std::io::Result<String> {
    use std::io::Read as _;
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

/// The form; the script shows it where there are slots.
pub(super) fn form(into: &mut Html, snapshot: &Snapshot) {
    into.raw("<details id=\"update\"");
    into.raw(match snapshot.station.update.is_image {
        true => ">",
        false => " hidden>",
    });
    into.raw("<summary>Install an update</summary><form class=\"acts\"><label>A bundle (.raucb)<input type=\"file\" name=\"bundle\" accept=\".raucb\" required></label>");
    super::parts::who(into);
    into.raw("<button>Hand in</button><p class=\"answer\" role=\"status\"></p><p class=\"quiet\">By somebody of the service. It waits while something is printed or designed, and is used after the next start of the box.</p></form></details>");
}
