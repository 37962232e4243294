//! Files of a case, streamed. Only plain names that the snapshot lists; never `identity.json`.

use super::Shared;
use super::fault::Fault;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use std::io::Read;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Bytes in one piece.
const PIECE: usize = 64 * 1024;

pub(super) async fn file(
    State(shared): State<Shared>,
    Path((code, name)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let job = shared.desk.job(&code)?;
    if !job.files.contains(&name) {
        return Err(Fault::missing());
    }
    let path = shared.desk.cases.join(&code).join(&name);
    let file = std::fs::File::open(path).map_err(|_| Fault::missing())?;
    let length = file
        .metadata()
        .map_err(|_| Fault::broken("The file can not be read."))?
        .len();
    let (kind, shown) = kind_of(&name);
    let mut response = Body::from_stream(stream(file)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_LENGTH, length.into());
    if !shown
        && let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{code}-{name}\""))
    {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

fn stream(mut file: std::fs::File) -> ReceiverStream<std::io::Result<Bytes>> {
    let (tx, rx) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut piece = vec![0; PIECE];
            let read = file.read(&mut piece).map(|n| {
                piece.truncate(n);
                Bytes::from(piece)
            });
            let last = !matches!(&read, Ok(bytes) if !bytes.is_empty());
            // The last piece is empty (nothing to send) or an error (which ends the stream).
            let send = !last || read.is_err();
            if (send && tx.blocking_send(read).is_err()) || last {
                return;
            }
        }
    });
    ReceiverStream::new(rx)
}

/// Content type, and whether a browser may show it in place.
fn kind_of(name: &str) -> (&'static str, bool) {
    match name.rsplit('.').next().unwrap_or_default() {
        "png" => ("image/png", true),
        "json" => ("application/json", true),
        "jsonl" | "gcode" => ("text/plain; charset=utf-8", false),
        "stl" => ("model/stl", false),
        "gz" => ("application/gzip", false),
        _ => ("application/octet-stream", false),
    }
}
