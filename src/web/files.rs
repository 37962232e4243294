//! Files of a case, streamed. Only plain names that the snapshot lists; never `identity.json`.
//!
//! Holds: a client that reads slowly holds no thread and a few pieces in memory. Pictures have places of their own
//!        beside large files: who releases must see them whoever downloads what.

use super::Shared;
use super::fault::Fault;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;

/// Bytes in one piece.
const PIECE: usize = 32 * 1024;
/// Pieces ahead of the client.
const AHEAD: usize = 2;
/// A file up to this size is small, bytes: pictures and records are.
const SMALL_MAX: u64 = 2 << 20;
/// Small files under way at a time.
pub(super) const SMALL_AT_ONCE: usize = 48;
/// Large files under way at a time.
pub(super) const LARGE_AT_ONCE: usize = 12;
/// A small file waits for its place at most this long.
const SMALL_WAIT: Duration = Duration::from_secs(5);

/// Places for what is under way.
#[derive(Clone)]
pub(super) struct Places {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            small: Arc::new(Semaphore::new(SMALL_AT_ONCE)),
            large: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
        }
    }
}

impl Places {
    async fn take(&self, length: u64) -> Result<OwnedSemaphorePermit, Fault> {
        let busy = || Fault::busy("Too many downloads are under way.");
        if length > SMALL_MAX {
            return self.large.clone().try_acquire_owned().map_err(|_| busy());
        }
        match tokio::time::timeout(SMALL_WAIT, self.small.clone().acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(busy()),
        }
    }
}

pub(super) async fn file(
    State(shared): State<Shared>,
    Path((code, name)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let job = shared.job(&code).await?;
    if !job.files.contains(&name) {
        return Err(Fault::missing());
    }
    let path = shared.desk.cases.join(&code).join(&name);
    let file = File::open(path).await.map_err(|_| Fault::missing())?;
    let metadata = file.metadata().await;
    let length = metadata
        .map_err(|_| Fault::broken("The file can not be read."))?
        .len();
    let place = shared.places.take(length).await?;
    let (kind, shown) = kind_of(&name);
    let mut response = Body::from_stream(stream(file, length, place)).into_response();
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

/// The first `length` bytes, read as they are taken. The place is given back when the client has all or has gone.
fn stream(
    file: File,
    length: u64,
    place: OwnedSemaphorePermit,
) -> ReceiverStream<std::io::Result<Bytes>> {
    let (tx, rx) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let _place = place;
        // What is appended meanwhile was not announced.
        let mut file = file.take(length);
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            let read = (&mut file).take(PIECE as u64).read_to_end(&mut piece).await;
            let last = !matches!(read, Ok(n) if n > 0);
            // The last piece is empty (nothing to send) or an error (which ends the stream).
            let send = !last || read.is_err();
            if (send && tx.send(read.map(|_| Bytes::from(piece))).await.is_err()) || last {
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
