//! The style sheet and the script, in the binary. Their address holds their hash, so that browsers keep them.

use super::fault::Fault;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &str = include_str!("assets/page.js");

/// The first 12 hex digits over both.
static HASH: LazyLock<String> = LazyLock::new(|| {
    let digest = Sha256::new()
        .chain_update(STYLE)
        .chain_update(SCRIPT)
        .finalize();
    digest.iter().take(6).map(|b| format!("{b:02x}")).collect()
});

/// Address of an asset.
pub(super) fn address(name: &'static str) -> String {
    format!("/a/{}/{name}", *HASH)
}

pub(super) async fn asset(Path((hash, name)): Path<(String, String)>) -> Result<Response, Fault> {
    let (kind, text) = match name.as_str() {
        "style.css" => ("text/css; charset=utf-8", STYLE),
        "page.js" => ("text/javascript; charset=utf-8", SCRIPT),
        _ => return Err(Fault::missing()),
    };
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
