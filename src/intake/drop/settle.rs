//! The end of a drop: its originals go to `done/CODE` or `quarantine/CODE`.
//!
//! Holds: at any instant the originals are whole in one of the two places. A second call after a crash finishes
//!        what the first began.

use crate::intake::files::sha256_of;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where a drop goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A design was made of it.
    Done,
    /// It was refused, for this reason; the text goes into `REASON.txt`.
    Quarantine(String),
}

/// Moves the entry at `path` to `DATA/done/CODE/` or `DATA/quarantine/CODE/`, under its own name, and writes
/// `REASON.txt` beside it when it was refused. Returns the new place. An entry of the same name that is already there
/// is kept; the new one gets a number.
///
/// Call it after the store has committed: it is the last step of a case, and doing it again is harmless.
///
/// # Errors
/// I/O. The original is then still where it was, or already in the new place.
pub fn settle(path: &Path, data: &Path, code: &str, outcome: &Outcome) -> io::Result<PathBuf> {
    let kind = match outcome {
        Outcome::Done => "done",
        Outcome::Quarantine(_) => "quarantine",
    };
    // A code is letters, digits and dashes; anything else could lead out of the folder.
    if code.is_empty() || !code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the case code is no plain word",
        ));
    }
    let folder = data.join(kind).join(code);
    fs::create_dir_all(&folder)?;
    if let Outcome::Quarantine(reason) = outcome {
        write_whole(&folder.join("REASON.txt"), reason.as_bytes())?;
    }
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    if path.symlink_metadata().is_err() {
        // Moved before a crash, or taken away by a person: nothing left to do.
        sync(&folder)?;
        return Ok(folder.join(name));
    }
    let target = free_name(&folder, &name.to_string_lossy(), name.as_ref());
    match fs::rename(path, &target) {
        Err(e) if e.kind() == io::ErrorKind::CrossesDevices => carry(path, &target)?,
        other => other?,
    }
    sync(&folder)?;
    if let Some(parent) = path.parent() {
        sync(parent)?;
    }
    Ok(target)
}

/// The name itself when it is free, else the name with a number before it.
fn free_name(folder: &Path, shown: &str, name: &Path) -> PathBuf {
    let taken = |path: &PathBuf| path.symlink_metadata().is_ok() || path.ends_with("REASON.txt");
    let plain = folder.join(name);
    if !taken(&plain) {
        return plain;
    }
    let numbered = (2..).map(|n: u32| folder.join(format!("{n}-{shown}")));
    numbered
        .into_iter()
        .find(|path| !taken(path))
        .unwrap_or(plain)
}

/// Across file systems: copied beside the target, synced, compared by hash, renamed; only then does the source go.
fn carry(from: &Path, to: &Path) -> io::Result<()> {
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    copy(from, &part)?;
    fs::rename(&part, to)?;
    sync(to.parent().unwrap_or(Path::new("/")))?;
    if from.is_dir() {
        fs::remove_dir_all(from)
    } else {
        fs::remove_file(from)
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let meta = from.symlink_metadata()?;
    if meta.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return sync(to);
    }
    if !meta.is_file() {
        // Links, sockets and FIFOs were never read and hold nothing.
        return Ok(());
    }
    fs::copy(from, to)?;
    sync(to)?;
    if sha256_of(from)? != sha256_of(to)? {
        return Err(io::Error::other("a copy differs from its original"));
    }
    Ok(())
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = File::create(&part)?;
    file.write_all(bytes)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    sync(path.parent().unwrap_or(Path::new("/")))
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drop_is_moved_whole_and_its_reason_lies_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let drop = dir.path().join("drop/study");
        fs::create_dir_all(drop.join("a")).unwrap();
        fs::write(drop.join("a/1"), b"x").unwrap();
        let reason = Outcome::Quarantine("no skull found".into());
        let target = settle(&drop, dir.path(), "K7-2043", &reason).unwrap();
        assert_eq!(target, dir.path().join("quarantine/K7-2043/study"));
        assert_eq!(fs::read(target.join("a/1")).unwrap(), b"x");
        let note = fs::read_to_string(dir.path().join("quarantine/K7-2043/REASON.txt")).unwrap();
        assert_eq!(note, "no skull found\n");
        assert!(!drop.exists());
        // Again, as after a crash.
        assert_eq!(
            settle(&drop, dir.path(), "K7-2043", &reason).unwrap(),
            target
        );
    }

    #[test]
    fn what_is_already_there_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ct.nii");
        for n in [1, 2, 3] {
            fs::write(&file, [n]).unwrap();
            settle(&file, dir.path(), "A-1", &Outcome::Done).unwrap();
        }
        let folder = dir.path().join("done/A-1");
        let read = |name: &str| fs::read(folder.join(name)).unwrap();
        assert_eq!(
            [read("ct.nii"), read("2-ct.nii"), read("3-ct.nii")],
            [[1], [2], [3]]
        );
    }

    #[test]
    fn a_code_can_not_lead_out() {
        let dir = tempfile::tempdir().unwrap();
        assert!(settle(&dir.path().join("x"), dir.path(), "../x", &Outcome::Done).is_err());
    }

    #[test]
    fn carrying_across_file_systems_keeps_every_byte() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("from");
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::write(from.join("a/b/1"), vec![7; 100_000]).unwrap();
        carry(&from, &dir.path().join("to")).unwrap();
        assert_eq!(
            fs::read(dir.path().join("to/a/b/1")).unwrap(),
            vec![7; 100_000]
        );
        assert!(!from.exists() && !dir.path().join("to.part").exists());
    }
}
