//! The drop folder's watch: what intake finds complete is looked at and handed to the station.
//!
//! In:    the drop folder; how long an entry must be quiet; how often it is looked through.
//! Out:   [`Handle::arrived_as`] for each complete entry, again and again until the station takes it; how many entries
//!        can not be taken as they are, or are waited for.
//! Holds: the scan is the truth, events only wake it. A process of its own reads the files of an entry.

use crate::intake::Look;
use crate::intake::drop::{Arrivals, DropFolder, is_foreign};
use crate::station::{DropReport, Handle};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::DirEntry;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Events are given this long to settle before a scan.
const SETTLE: Duration = Duration::from_millis(200);

/// Entries of one folder that are looked at for a file.
const ENTRIES_LOOKED_AT: usize = 10_000;
/// Longest look at one entry; after it the entry is taken as it is.
const LOOK_MAX: Duration = Duration::from_secs(120);
/// Memory of a look, MiB; above it the entry is taken as it is.
const LOOK_MIB_MAX: u64 = 3000;
/// How often its time and memory are looked at.
const LOOK_STEP: Duration = Duration::from_millis(200);
/// Longest answer of a look, bytes.
const ANSWER_MAX: u64 = 4 << 20;

/// Watches for ever.
pub(super) fn watch(handle: &Handle, quiet: Duration, rescan: Duration) {
    let folder = DropFolder::new(handle.folders().drop_folder(), quiet);
    let (wake, woken) = mpsc::sync_channel(1);
    // Full means that it is awake already.
    let waker = folder.waker(move || {
        let _ = wake.try_send(());
    });
    if waker.is_none() {
        tracing::warn!("no events from the drop folder; it is looked through every {rescan:?}");
    }
    let started = Instant::now();
    let mut arrivals = Arrivals::new(folder);
    let mut stuck = Stuck::default();
    loop {
        let now_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let look = |path: &Path| {
            let scratch = handle.folders().scratch("look").ok();
            let look = scratch
                .as_ref()
                .and_then(|s| look_at(handle.program(), path, s));
            // What a look that was ended had unpacked.
            scratch.map(std::fs::remove_dir_all);
            look.unwrap_or_default()
        };
        let take = |name: &str, look: &Look| handle.arrived_as(name, look.clone());
        if let Err(error) = arrivals.scan(now_ms, look, take) {
            tracing::error!(kind = ?error.kind(), "the drop folder can not be read or sorted");
        }
        handle.scanned(DropReport {
            stuck: stuck.count(handle.folders().drop_folder(), quiet),
            unreadable: arrivals.unreadable(),
            waiting: arrivals.waiting(),
            arriving: arrivals.folder().arriving(now_ms),
        });
        // What was seen once has to be seen again after the quiet time, whether or not somebody wakes us.
        match woken.recv_timeout(quiet.min(rescan)) {
            Ok(()) => std::thread::sleep(SETTLE),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            // Without a watch nobody wakes: the pace of the scans is all there is.
            Err(mpsc::RecvTimeoutError::Disconnected) => std::thread::sleep(quiet.min(rescan)),
        }
    }
}

/// What a process of its own sees in an entry; `None` when it does not say.
fn look_at(program: &Path, path: &Path, scratch: &Path) -> Option<Look> {
    let mut child = Command::new(program)
        .args(["designer", "--look", "--input"])
        .arg(path)
        .env("TMPDIR", scratch)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let out = child.stdout.take()?;
    let (tell, told) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        let read = out.take(ANSWER_MAX).read_to_string(&mut text);
        // Nobody waits any more when the look took too long.
        let _ = tell.send(read.map(|_| text));
    });
    let by = Instant::now() + LOOK_MAX;
    let text = loop {
        match told.recv_timeout(LOOK_STEP) {
            Err(mpsc::RecvTimeoutError::Timeout)
                if Instant::now() < by && resident_mib(child.id()) < LOOK_MIB_MAX => {}
            other => break other,
        }
    };
    if text.is_err() {
        tracing::warn!("the look at a drop took too long or too much memory");
    }
    // Done, or to be ended; either way it has to be waited for.
    let _ = child.kill();
    let _ = child.wait();
    let _ = reader.join();
    serde_json::from_str(&text.ok()?.ok()?).ok()
}

/// Resident memory of a process, MiB; 0 when it is gone.
fn resident_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmRSS:"));
    let kib = line.and_then(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
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
        let list = match std::fs::read_dir(folder) {
            // What may not be read is said by itself.
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => return true,
            list => list,
        };
        for entry in list.into_iter().flatten().flatten() {
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
