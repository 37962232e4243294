//! The drop folder's watch: what intake finds complete is handed to the station.
//!
//! In:    the drop folder; how long an entry must be quiet; how often it is looked through.
//! Out:   [`Handle::arrived`] for each complete entry, again and again until the station takes it; how many entries
//!        can never be taken as they are.
//! Holds: the scan is the truth, events only wake it.

use crate::intake::drop::DropFolder;
use crate::intake::drop::is_foreign;
use crate::station::Handle;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Events are given this long to settle before a scan.
const SETTLE: Duration = Duration::from_millis(200);

/// Entries of one folder that are looked at for a file.
const ENTRIES_LOOKED_AT: usize = 10_000;

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
    let mut stuck = Stuck::default();
    loop {
        let now_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match folder.scan(now_ms) {
            Ok(ready) => offered.extend(ready.into_iter().map(|r| r.path)),
            Err(error) => tracing::error!(kind = ?error.kind(), "the drop folder can not be read"),
        }
        offered.retain(|path| !take(handle, path));
        handle.scanned(stuck.count(handle.folders().drop_folder(), quiet));
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
fn take(handle: &Handle, path: &Path) -> bool {
    if path.symlink_metadata().is_err() {
        return true;
    }
    match path.file_name().and_then(|n| n.to_str()) {
        Some(name) => handle.arrived(name),
        // It is counted among what is stuck.
        None => true,
    }
}

/// What lies in the drop folder and can never be taken: since when it has been seen.
#[derive(Default)]
struct Stuck(HashMap<OsString, Instant>);

impl Stuck {
    /// Entries that have been so for longer than `quiet`: until then somebody may still be copying.
    fn count(&mut self, folder: &Path, quiet: Duration) -> usize {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return 0;
        };
        let mut seen = HashMap::new();
        for entry in entries.flatten().filter(is_stuck) {
            let name = entry.file_name();
            let since = self.0.get(&name).copied().unwrap_or_else(Instant::now);
            seen.insert(name, since);
        }
        let old = seen.values().filter(|since| since.elapsed() > quiet);
        let count = old.count();
        self.0 = seen;
        count
    }
}

/// A name that is no text, a link or special file, a folder without a regular file.
fn is_stuck(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let Some(text) = name.to_str() else {
        return true;
    };
    match entry.file_type() {
        _ if is_foreign(text) => false,
        Ok(kind) if kind.is_dir() => !holds_file(&entry.path()),
        Ok(kind) => !kind.is_file(),
        // Gone meanwhile.
        Err(_) => false,
    }
}

/// A regular file somewhere below `folder`; a folder with very many others counts as one that has.
fn holds_file(folder: &Path) -> bool {
    let (mut open, mut left) = (vec![folder.to_path_buf()], ENTRIES_LOOKED_AT);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            left -= 1;
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(kind) if kind.is_file() => return true,
                _ => {}
            }
            if left == 0 {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn what_can_never_be_taken_is_counted_after_the_quiet_time() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("scan.nii.gz"), "x").unwrap();
        std::fs::create_dir_all(at("series/inner")).unwrap();
        std::fs::write(at("series/inner/1.dcm"), "x").unwrap();
        std::fs::write(at(".DS_Store"), "x").unwrap();
        let mut stuck = Stuck::default();
        assert_eq!(stuck.count(dir.path(), Duration::ZERO), 0);
        std::fs::create_dir(at("empty")).unwrap();
        std::fs::create_dir(at("links")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", at("links/1.dcm")).unwrap();
        std::os::unix::fs::symlink("/etc", at("link")).unwrap();
        let odd = std::ffi::OsStr::from_bytes(b"sch\xe4del.nii.gz");
        std::fs::write(dir.path().join(odd), "x").unwrap();
        assert_eq!(stuck.count(dir.path(), Duration::from_secs(60)), 0);
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(stuck.count(dir.path(), Duration::ZERO), 4);
        std::fs::remove_file(at("link")).unwrap();
        assert_eq!(stuck.count(dir.path(), Duration::ZERO), 3);
    }
}
