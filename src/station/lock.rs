//! Lock: one process at a time where two would undo each other's work. The kernel's lock of a file, gone with its holder.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Who has a data folder: under it.
pub const STATION: &str = "run/station.lock";

/// Takes the lock at `path`, made where it is missing; its folder must be there. `None`: somebody else has it.
///
/// # Errors
/// When the file can not be opened.
pub fn take(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    let taken = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
    Ok(taken.is_ok().then_some(file))
}

/// Does somebody have the lock at `path`? Not where it can not be looked at.
pub fn is_taken(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| {
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockShared).is_err()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_had_by_one_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert!(!is_taken(&path));
        let held = take(&path).unwrap().unwrap();
        assert!(is_taken(&path) && take(&path).unwrap().is_none());
        drop(held);
        assert!(!is_taken(&path) && take(&path).unwrap().is_some());
        assert!(take(&dir.path().join("none/lock")).is_err());
    }
}
