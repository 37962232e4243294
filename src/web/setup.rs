//! The first start: a form for the code that the display shows, and the act behind it. Before that the station only
//! shows: acts need somebody on the list, and no scan is taken.

use super::Shared;
use super::act::Body;
use super::api::done;
use super::fault::Fault;
use super::html::Html;
use crate::status::{Refused, SetUp, Snapshot};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;

/// Makes the first supervisor. It takes no id: a second one is refused by itself.
pub(super) async fn set_up(State(shared): State<Shared>, body: Body) -> Result<Json<Value>, Fault> {
    let asked: SetUp = body.parse()?;
    let set_up = shared.desk.set_up.clone();
    shared.looked(move || set_up(&asked)).await?;
    Ok(done())
}

/// Nothing is taken before somebody is there.
pub(super) fn refuse_before(snapshot: &Snapshot) -> Result<(), Fault> {
    if !snapshot.station.setup {
        return Ok(());
    }
    let text = "This station is not set up yet: it takes nothing.";
    let next = "Set it up with the code on its display first.";
    let refused = Refused::new("set_up_first", text, next);
    Err(Fault(StatusCode::FORBIDDEN, refused))
}

/// The form; the script shows it while the station waits for it.
pub(super) fn form(into: &mut Html, snapshot: &Snapshot) {
    into.raw("<form id=\"setup\" class=\"acts\"");
    into.raw(if snapshot.station.setup {
        ">"
    } else {
        " hidden>"
    });
    into.raw("<h2>Set this station up</h2><p class=\"quiet\">The code stands on the station\u{2019}s display and in its log. Whoever types it becomes the first supervisor: who may release, and who may say who else does.</p>");
    into.raw("<label>Setup code<input name=\"code\" autocomplete=\"off\" autocapitalize=\"characters\" spellcheck=\"false\" required maxlength=\"32\"></label>");
    into.raw("<label>Your name<input name=\"name\" autocomplete=\"username\" required maxlength=\"80\"></label>");
    into.raw("<label>New PIN, at least 6 digits<input name=\"pin\" type=\"password\" inputmode=\"numeric\" autocomplete=\"new-password\" required minlength=\"6\" maxlength=\"64\"></label>");
    into.raw("<label>The same PIN again<input name=\"again\" type=\"password\" inputmode=\"numeric\" autocomplete=\"new-password\" required minlength=\"6\" maxlength=\"64\"></label>");
    into.raw("<button>Set it up</button><p class=\"answer\" role=\"status\"></p></form>");
}
