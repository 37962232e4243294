//! Uploads: a scan comes by the page or by `curl`, grows in a folder of its own and is moved into the drop folder.
//!
//! Holds: bounded in bytes and files while it streams; nothing of the client's names is kept but a known ending; an
//!        upload that breaks off leaves nothing behind.

use super::Shared;
use super::fault::Fault;
use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Query, Request, State};
use axum::http::header;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio_stream::{Stream, StreamExt};

/// Largest upload, bytes.
pub(super) const BYTES_MAX: u64 = 4 << 30;
/// Most files of one upload.
const FILES_MAX: usize = 20_000;

#[derive(Deserialize)]
pub(super) struct Name {
    /// For its ending, when the body is the file itself.
    #[serde(default)]
    name: String,
}

/// Removes what is left of an upload when it is dropped.
struct Growing(PathBuf);

impl Drop for Growing {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) async fn upload(
    State(shared): State<Shared>,
    Query(name): Query<Name>,
    request: Request,
) -> Result<Json<Value>, Fault> {
    let _one = shared
        .uploading
        .clone()
        .try_acquire_owned()
        .map_err(|_| Fault::busy("Other uploads are running."))?;
    let tag = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |d| d.as_nanos());
    let growing = Growing(shared.desk.uploads.join(format!("{tag:x}")));
    let form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.starts_with("multipart/form-data"));
    let (path, ending) = if form {
        let multipart = Multipart::from_request(request, &()).await.map_err(|_| {
            Fault::bad(
                "The form can not be read.",
                "Send the files as multipart/form-data.",
            )
        })?;
        files(multipart, &growing.0).await?
    } else {
        let mut left = BYTES_MAX;
        let body: Body = request.into_body();
        write(&growing.0, body.into_data_stream(), &mut left).await?;
        (growing.0.clone(), name.name)
    };
    let hand_in = shared.desk.hand_in.clone();
    let moved = tokio::task::spawn_blocking(move || hand_in(&path, &ending)).await;
    if !matches!(moved, Ok(Ok(()))) {
        return Err(Fault::broken(
            "The upload could not be put into the drop folder.",
        ));
    }
    Ok(Json(json!({ "ok": true })))
}

/// The files of a form: one alone keeps its ending, several go into a folder under their numbers.
async fn files(mut form: Multipart, folder: &Path) -> Result<(PathBuf, String), Fault> {
    let bad = |_| Fault::bad("The upload broke off.", "Send it again.");
    let (mut count, mut left, mut first) = (0, BYTES_MAX, String::new());
    tokio::fs::create_dir_all(folder).await.map_err(full)?;
    while let Some(field) = form.next_field().await.map_err(bad)? {
        let Some(name) = field.file_name().map(str::to_owned) else {
            continue;
        };
        if count == FILES_MAX {
            return Err(Fault::bad("Too many files.", "Send one series, or a zip."));
        }
        write(&folder.join(format!("{count:06}")), field, &mut left).await?;
        if count == 0 {
            first = name;
        }
        count += 1;
    }
    match count {
        0 => Err(Fault::bad(
            "There is no file in the form.",
            "Choose the files of one scan.",
        )),
        1 => {
            // A single file stands for itself; the folder around it is Growing's to remove.
            let single = folder.with_extension("one");
            tokio::fs::rename(folder.join("000000"), &single)
                .await
                .map_err(full)?;
            Ok((single, first))
        }
        _ => Ok((folder.to_owned(), String::new())),
    }
}

async fn write<E>(
    path: &Path,
    mut pieces: impl Stream<Item = Result<axum::body::Bytes, E>> + Unpin,
    left: &mut u64,
) -> Result<(), Fault> {
    let mut file = File::create(path).await.map_err(full)?;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Fault::bad("The upload broke off.", "Send it again."))?;
        *left = left.checked_sub(piece.len() as u64).ok_or_else(|| {
            Fault::bad(
                "The upload is too large (limit 4 GiB).",
                "Send one series only.",
            )
        })?;
        file.write_all(&piece).await.map_err(full)?;
    }
    file.sync_all().await.map_err(full)
}

fn full(_: std::io::Error) -> Fault {
    Fault::broken("The upload could not be written: is the disk full?")
}
