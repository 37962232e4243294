//! The history: every case there is, newest first, a page at a time; also those that were put away.

use super::fault::Fault;
use super::html::Html;
use super::parts::{self, Live};
use super::{Shared, page};
use crate::status::Snapshot;
use axum::extract::{Query, State};
use axum::response::Html as Page;
use serde::Deserialize;

/// Its name in the stream of live parts.
pub(super) const NAME: &str = "history";

/// Where a page of it begins.
#[derive(Deserialize)]
pub(super) struct From {
    /// Cases older than this one.
    before: Option<String>,
}

pub(super) async fn history(
    State(shared): State<Shared>,
    Query(from): Query<From>,
) -> Result<Page<String>, Fault> {
    let snapshot = shared.desk.snapshot();
    let history = shared.history(from.before).await?;
    let mut body = Html::new();
    body.raw("<section aria-label=\"All cases\"><h1 class=\"plain\">All cases</h1>");
    body.add(&page::table(history.jobs.iter(), &snapshot.station.now));
    match history.jobs.last() {
        Some(last) if history.older > 0 => {
            body.raw("<p class=\"more\"><a href=\"history?before=")
                .text(&last.code)
                .raw("\">Older cases</a>: ")
                .text(history.older)
                .raw(".</p>");
        }
        _ => {
            body.raw("<p class=\"quiet more\">There are no older cases.</p>");
        }
    }
    body.raw("</section>");
    let live = live(&snapshot);
    let frame = parts::Frame {
        title: &live.title,
        name: NAME,
        root: "",
        stop_port: shared.reached.stop_port,
        tls: shared.reached.tls.is_some(),
    };
    Ok(Page(
        parts::frame(&frame, &body, &Html::new()).into_string(),
    ))
}

/// Nothing on it moves; it only has to know that it is live.
pub(super) fn live(snapshot: &Snapshot) -> Live {
    Live {
        title: "All cases \u{b7} calvaria".into(),
        facts: parts::facts(snapshot, None),
        parts: Vec::new(),
    }
}
