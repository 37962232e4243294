//! Uploads: a scan comes by the page or by `curl`, grows in a folder of its own and is moved into the drop folder.
//!
//! Holds: bounded in bytes and files while it streams; what is empty is refused; nothing of the client's names is kept but a known ending; an
//!        upload that breaks off leaves nothing behind.

use super::Shared;
use super::fault::Fault;
use axum::Json;
use axum::body::Body;
use axum::extract::multipart::Field;
use axum::extract::{FromRequest, Multipart, Query, Request, State};
use axum::http::header;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio_stream::{Stream, StreamExt};

/// Largest upload, bytes.
pub(super) const BYTES_MAX: u64 = 4 << 30;
/// Free space is looked at again after so many bytes.
const LOOK_BYTES: u64 = 64 << 20;
/// Longest silence within an upload.
const PIECE_MAX: Duration = Duration::from_secs(60);
/// Most files of one upload.
const FILES_MAX: usize = 20_000;

#[derive(Deserialize)]
pub(super) struct Name {
    /// For its ending, when the body is the file itself.
    #[serde(default)]
    name: String,
}

/// What one upload may still write.
pub(super) struct Room {
    left: u64,
    /// Bytes since free space was looked at.
    unchecked: u64,
    has_room: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Room {
    /// For so many bytes at most.
    pub(super) fn of(most: u64, has_room: Arc<dyn Fn() -> bool + Send + Sync>) -> Self {
        Self {
            left: most,
            unchecked: 0,
            has_room,
        }
    }

    /// Counts bytes that are about to be written.
    async fn take(&mut self, bytes: u64) -> Result<(), Fault> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            Fault::bad(
                "The upload is too large (limit 4 GiB).",
                "Send less: of scans one series.",
            )
        })?;
        self.unchecked += bytes;
        if self.unchecked >= LOOK_BYTES {
            self.look().await?;
        }
        Ok(())
    }

    /// Is there still room? The store lies on the same disk and must never find it full.
    pub(super) async fn look(&mut self) -> Result<(), Fault> {
        self.unchecked = 0;
        let has_room = self.has_room.clone();
        match tokio::task::spawn_blocking(move || has_room()).await {
            Ok(true) => Ok(()),
            _ => Err(Fault::disk_full()),
        }
    }
}

/// Removes what is left of an upload when it is dropped.
pub(super) struct Growing(PathBuf);

impl Growing {
    /// A name of its own in this folder; nothing is made.
    pub(super) fn new(folder: &Path) -> Self {
        let tag = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |d| d.as_nanos());
        Self(folder.join(format!("{tag:x}")))
    }

    /// Where it grows.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Where the only file of a form is put: it stands for itself.
    fn single(&self) -> PathBuf {
        self.0.with_extension("one")
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.single());
        let _ = std::fs::remove_file(&self.0);
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) async fn upload(
    State(shared): State<Shared>,
    Query(name): Query<Name>,
    request: Request,
) -> Result<Json<Value>, Fault> {
    super::setup::refuse_before(&shared.desk.snapshot())?;
    let _one = shared
        .uploading
        .clone()
        .try_acquire_owned()
        .map_err(|_| Fault::busy("Other uploads are running."))?;
    let mut room = Room::of(BYTES_MAX, shared.desk.has_room.clone());
    room.look().await?;
    let growing = Growing::new(&shared.desk.uploads);
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
        files(multipart, &growing, &mut room).await?
    } else {
        let body: Body = request.into_body();
        let bytes = write(&growing.0, body.into_data_stream(), &mut room).await?;
        if bytes == 0 {
            return Err(Fault::bad(
                "The upload is empty.",
                "Send the scan itself, or choose it anew.",
            ));
        }
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
async fn files(
    mut form: Multipart,
    growing: &Growing,
    room: &mut Room,
) -> Result<(PathBuf, String), Fault> {
    let folder = growing.0.as_path();
    let (mut count, mut first) = (0, String::new());
    tokio::fs::create_dir_all(folder).await.map_err(full)?;
    while let Some(field) = next_field(&mut form).await? {
        let Some(name) = field.file_name().map(str::to_owned) else {
            continue;
        };
        if count == FILES_MAX {
            return Err(Fault::bad("Too many files.", "Send one series, or a zip."));
        }
        if name.is_empty() {
            // A form sends this when nothing was chosen.
            return Err(no_file());
        }
        let bytes = write(&folder.join(format!("{count:06}")), field, room).await?;
        if bytes == 0 {
            return Err(Fault::bad(
                format!("File {} of the upload is empty.", count + 1),
                "Copy it again, or leave it out.",
            ));
        }
        if count == 0 {
            first = name;
        }
        count += 1;
    }
    match count {
        0 => Err(no_file()),
        1 => {
            let single = growing.single();
            tokio::fs::rename(folder.join("000000"), &single)
                .await
                .map_err(full)?;
            Ok((single, first))
        }
        _ => Ok((folder.to_owned(), String::new())),
    }
}

async fn next_field(form: &mut Multipart) -> Result<Option<Field<'_>>, Fault> {
    match tokio::time::timeout(PIECE_MAX, form.next_field()).await {
        Ok(Ok(field)) => Ok(field),
        _ => Err(broke_off()),
    }
}

fn no_file() -> Fault {
    Fault::bad(
        "There is no file in the form.",
        "Choose the files of one scan.",
    )
}

fn broke_off() -> Fault {
    Fault::bad("The upload broke off.", "Send it again.")
}

/// Writes a file; how many bytes it has.
pub(super) async fn write<E>(
    path: &Path,
    mut pieces: impl Stream<Item = Result<axum::body::Bytes, E>> + Unpin,
    room: &mut Room,
) -> Result<u64, Fault> {
    let mut total = 0;
    let mut file = File::create(path).await.map_err(full)?;
    while let Some(piece) = tokio::time::timeout(PIECE_MAX, pieces.next())
        .await
        .map_err(|_| broke_off())?
    {
        let piece = piece.map_err(|_| broke_off())?;
        room.take(piece.len() as u64).await?;
        total += piece.len() as u64;
        file.write_all(&piece).await.map_err(full)?;
    }
    file.sync_all().await.map_err(full)?;
    Ok(total)
}

fn full(_: std::io::Error) -> Fault {
    Fault::broken("The upload could not be written: is the disk full?")
}
