//! The style sheet and the scripts, in the binary. Their address holds their hash, so that browsers keep them.

use super::fault::Fault;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const SCRIPT: &str = "text/javascript; charset=utf-8";
/// Name, content type and text of each.
const ASSETS: [(&str, &str, &str); 5] = [
    (
        "style.css",
        "text/css; charset=utf-8",
        include_str!("assets/style.css"),
    ),
    ("page.js", SCRIPT, include_str!("assets/page.js")),
    ("live.js", SCRIPT, include_str!("assets/live.js")),
    ("stop.js", SCRIPT, include_str!("assets/stop.js")),
    ("worker.js", SCRIPT, include_str!("assets/worker.js")),
];

/// The first 12 hex digits over all of them.
static HASH: LazyLock<String> = LazyLock::new(|| {
    let all = ASSETS
        .iter()
        .fold(Sha256::new(), |h, a| h.chain_update(a.2));
    let digest = all.finalize();
    digest.iter().take(6).map(|b| format!("{b:02x}")).collect()
});

/// Address of an asset, below the page's root.
pub(super) fn address(name: &'static str) -> String {
    format!("a/{}/{name}", *HASH)
}

pub(super) async fn asset(Path((hash, name)): Path<(String, String)>) -> Result<Response, Fault> {
    let asset = ASSETS.iter().find(|a| a.0 == name);
    let (_, kind, text) = *asset.ok_or_else(Fault::missing)?;
    // A page of an older version asks with its own hash: it gets what there is, and keeps it not.
    let keep = if hash == *HASH {
        "public, max-age=31536000, immutable"
    } else {
        "no-store"
    };
    Ok((
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep)],
        text,
    )
        .into_response())
}
