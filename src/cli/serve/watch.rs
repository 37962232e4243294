//! The drop folder's watch: what lies in it is handed to the station once it has come to rest.
//!
//! In:    the drop folder; how long it must be quiet; how often it is looked through.
//! Out:   [`Handle::arrived`] for each entry at rest.
//! Holds: the look is the truth, events only wake it (42 % of files in new sub-folders are never reported,
//!        appliance.md 2.3). An entry is at rest when two looks, the quiet time apart, saw the same.
//! Never: reads a file, follows a link, touches a hidden or half-copied name (`.x`, `x.part`).

use crate::station::Handle;
use notify::{RecursiveMode, Watcher};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Files looked at in one drop; more are for intake to refuse.
const FILES_MAX: u64 = 200_000;
/// Events are given this long to settle before a look.
const SETTLE: Duration = Duration::from_millis(200);

/// What a drop looks like from outside; equal twice means at rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Look {
    files: u64,
    bytes: u64,
    newest_ns: i128,
    inodes: u64,
}

/// Watches until the station has gone. Never returns before.
pub(super) fn watch(handle: &Handle, quiet: Duration, rescan: Duration) {
    let folder = handle.folders().drop_folder().to_owned();
    let (wake, woken) = mpsc::sync_channel(1);
    let watcher = notify::recommended_watcher(move |_| {
        let _ = wake.try_send(());
    });
    // Kept: it ends when it is dropped.
    let mut watcher = watcher
        .inspect_err(|e| tracing::warn!(%e, "no events from the drop folder; it is looked through"))
        .ok();
    if let Some(w) = &mut watcher
        && let Err(error) = w.watch(&folder, RecursiveMode::Recursive)
    {
        tracing::warn!(%error, "no events from the drop folder; it is looked through");
    }
    let mut known: BTreeMap<OsString, (Look, Instant)> = BTreeMap::new();
    loop {
        let waiting = look_through(&folder, &mut known, quiet, &mut |name| handle.arrived(name));
        handle.scanned();
        let pause = if waiting {
            quiet.min(rescan).min(Duration::from_secs(1))
        } else {
            rescan
        };
        match woken.recv_timeout(pause) {
            Ok(()) => std::thread::sleep(SETTLE),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            // Without a watcher the channel is closed: look at the pace of the rescan.
            Err(mpsc::RecvTimeoutError::Disconnected) => std::thread::sleep(pause),
        }
    }
}

/// One look through the folder; `true` when something is on its way.
fn look_through(
    folder: &Path,
    known: &mut BTreeMap<OsString, (Look, Instant)>,
    quiet: Duration,
    arrived: &mut dyn FnMut(&str) -> bool,
) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        tracing::error!("the drop folder can not be read");
        return false;
    };
    let mut seen = BTreeMap::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(text) = name.to_str() else {
            tracing::warn!("a drop whose name is not UTF-8 is left where it is; rename it");
            continue;
        };
        if text.starts_with('.') || text.ends_with(".part") {
            continue;
        }
        let mut look = Look::default();
        if look_at(&entry.path(), &mut look).is_err() || look.files == 0 {
            continue;
        }
        let since = match known.get(&name) {
            Some((before, since)) if *before == look => *since,
            _ => Instant::now(),
        };
        if since.elapsed() >= quiet && arrived(text) {
            continue;
        }
        seen.insert(name, (look, since));
    }
    *known = seen;
    !known.is_empty()
}

fn look_at(path: &Path, look: &mut Look) -> std::io::Result<()> {
    let meta = std::fs::symlink_metadata(path)?;
    if meta.is_dir() {
        for entry in std::fs::read_dir(path)? {
            if look.files > FILES_MAX {
                return Ok(());
            }
            look_at(&entry?.path(), look)?;
        }
    } else if meta.is_file() {
        look.files += 1;
        look.bytes = look.bytes.saturating_add(meta.len());
        let changed = i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec());
        look.newest_ns = look.newest_ns.max(changed);
        look.inodes = look.inodes.wrapping_mul(31).wrapping_add(meta.ino());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drop_is_handed_over_only_when_it_has_come_to_rest() {
        let dir = tempfile::tempdir().unwrap();
        let study = dir.path().join("study");
        std::fs::create_dir(&study).unwrap();
        std::fs::write(dir.path().join("half.part"), b"x").unwrap();
        std::fs::write(dir.path().join(".hidden"), b"x").unwrap();
        let (mut known, quiet) = (BTreeMap::new(), Duration::from_millis(60));
        let mut got = Vec::new();
        for n in 0..4 {
            std::fs::write(study.join(format!("{n}.dcm")), b"x").unwrap();
            let more = look_through(dir.path(), &mut known, quiet, &mut |name| {
                got.push(name.to_string());
                true
            });
            assert!(more && got.is_empty(), "after file {n}");
            std::thread::sleep(Duration::from_millis(40));
        }
        std::thread::sleep(quiet);
        let mut take = |name: &str| {
            got.push(name.to_string());
            true
        };
        assert!(!look_through(dir.path(), &mut known, quiet, &mut take));
        assert_eq!(got, ["study"]);
    }

    #[test]
    fn a_drop_that_is_not_taken_is_offered_again() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.zip"), b"x").unwrap();
        let mut known = BTreeMap::new();
        let mut offers = 0;
        for _ in 0..3 {
            look_through(dir.path(), &mut known, Duration::ZERO, &mut |_| {
                offers += 1;
                false
            });
        }
        assert_eq!(offers, 3);
    }
}
