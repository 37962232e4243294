//! The drop folder's watch: what intake finds complete is handed to the station.
//!
//! In:    the drop folder; how long an entry must be quiet; how often it is looked through.
//! Out:   [`Handle::arrived`] for each complete entry, again and again until the station takes it.
//! Holds: the scan is the truth, events only wake it.

use crate::intake::drop::DropFolder;
use crate::station::Handle;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Events are given this long to settle before a scan.
const SETTLE: Duration = Duration::from_millis(200);

/// Watches for ever.
pub(super) fn watch(handle: &Handle, quiet: Duration, rescan: Duration) {
    let mut folder = DropFolder::new(handle.folders().drop_folder(), quiet);
    let (wake, woken) = mpsc::sync_channel(1);
    // Full means that it is awake already.
    let waker = folder.waker(move || {
        let _ = wake.try_send(());
    });
    if waker.is_none() {
        tracing::warn!("no events from the drop folder; it is looked through every {rescan:?}");
    }
    let started = Instant::now();
    let mut offered: Vec<PathBuf> = Vec::new();
    loop {
        let now_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match folder.scan(now_ms) {
            Ok(ready) => offered.extend(ready.into_iter().map(|r| r.path)),
            Err(error) => tracing::error!(kind = ?error.kind(), "the drop folder can not be read"),
        }
        offered.retain(|path| !take(handle, path));
        handle.scanned();
        // What was seen once has to be seen again after the quiet time, whether or not somebody wakes us.
        match woken.recv_timeout(quiet.min(rescan)) {
            Ok(()) => std::thread::sleep(SETTLE),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            // Without a watch nobody wakes: the pace of the scans is all there is.
            Err(mpsc::RecvTimeoutError::Disconnected) => std::thread::sleep(quiet.min(rescan)),
        }
    }
}

/// `true` when there is nothing more to do about it.
fn take(handle: &Handle, path: &std::path::Path) -> bool {
    if path.symlink_metadata().is_err() {
        return true;
    }
    match path.file_name().and_then(|n| n.to_str()) {
        Some(name) => handle.arrived(name),
        None => {
            tracing::warn!("a drop whose name is not UTF-8 stays where it is; rename it");
            true
        }
    }
}
