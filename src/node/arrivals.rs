//! Arrivals: where instances go. They grow in a hidden folder of the drop folder, which its watcher passes over, and are
//! moved into the folder of their study when they are whole.

use super::instance::HEAD;
use crate::intake::dicom::Label;
use rustix::fs::{CWD, FlockOperation, RenameFlags, renameat_with};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Folder in the drop folder where instances grow.
const GROWING: &str = ".node";
/// Held by the node that receives.
const LOCK: &str = ".node.lock";
/// Folders of studies that are remembered.
const STUDIES_KNOWN: usize = 1024;
/// How often a study's folder is made anew when the station takes it just then.
const TRIES: u32 = 8;
/// Instances of one number whose contents differ.
const COPIES_MAX: u32 = 99;

/// See the module.
#[derive(Debug)]
pub(super) struct Arrivals {
    drop: PathBuf,
    growing: PathBuf,
    next: AtomicU64,
    free_mib: u64,
    /// Studies whose folder this process has made, and brought to the disk.
    made: Mutex<HashSet<String>>,
    /// No second node clears what this one receives.
    _lock: File,
}

impl Arrivals {
    /// Opens the drop folder. What a node before this one left unfinished goes: its sender was never told that it is here.
    pub(super) fn open(drop: &Path, free_mib: u64) -> io::Result<Self> {
        let growing = drop.join(GROWING);
        fs::create_dir_all(drop)?;
        let lock = File::create(drop.join(LOCK))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            match error {
                Errno::WOULDBLOCK => io::Error::other("another node receives into it"),
                // Some network shares know no locks.
                other => other.into(),
            }
        })?;
        match fs::remove_dir_all(&growing) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        fs::DirBuilder::new().mode(0o700).create(&growing)?;
        Ok(Self {
            drop: drop.into(),
            growing,
            next: AtomicU64::new(1),
            free_mib,
            made: Mutex::default(),
            _lock: lock,
        })
    }

    /// Is there room for one more?
    pub(super) fn has_room(&self) -> bool {
        rustix::fs::statvfs(&self.drop).is_ok_and(|at| {
            let free_mib = at.f_bavail.saturating_mul(at.f_frsize) >> 20;
            free_mib >= self.free_mib
        })
    }

    /// A new file that grows.
    pub(super) fn grow(&self) -> io::Result<(PathBuf, File)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.growing.join(format!("{number}.part"));
        let file = File::options().write(true).create_new(true).open(&path)?;
        Ok((path, file))
    }

    /// Moves a whole, synced file into the folder of its study, and syncs that.
    pub(super) fn take(&self, path: &Path, label: &Label) -> io::Result<()> {
        let study = format!("node-{}", hashed(&label.study, 16));
        let folder = self.drop.join(&study);
        let name = hashed(&label.instance, 32);
        for _ in 0..TRIES {
            self.make_sure(&study, &folder)?;
            match put(path, &folder, &name) {
                // The station took the folder between the two.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                other => return other,
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }

    /// The study's folder is there, and on the disk. One at a time: whoever finds it has not been overtaken by its sync.
    fn make_sure(&self, study: &str, folder: &Path) -> io::Result<()> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = match fs::create_dir(folder) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => false,
            created => created.map(|()| true)?,
        };
        if is_new || !made.contains(study) {
            File::open(&self.drop)?.sync_all()?;
            if made.len() >= STUDIES_KNOWN {
                made.clear();
            }
            made.insert(study.to_owned());
        }
        Ok(())
    }
}

/// Moves `path` to `folder/name.dcm`. The same once more is not kept twice; another one of the same number is.
fn put(path: &Path, folder: &Path, name: &str) -> io::Result<()> {
    // Opened before: the station may take the folder as soon as the file is in it.
    let synced = File::open(folder)?;
    for copy in 1..=COPIES_MAX {
        let target = match copy {
            1 => folder.join(format!("{name}.dcm")),
            n => folder.join(format!("{name}-{n}.dcm")),
        };
        match renameat_with(CWD, path, CWD, &target, RenameFlags::NOREPLACE) {
            Ok(()) => return synced.sync_all(),
            Err(Errno::EXIST) if is_same(path, &target)? => return fs::remove_file(path),
            Err(Errno::EXIST) => {}
            // A file system that knows no NOREPLACE (some network shares): names are ours alone.
            Err(Errno::INVAL | Errno::NOSYS) if !target.exists() => {
                fs::rename(path, &target)?;
                return synced.sync_all();
            }
            Err(Errno::INVAL | Errno::NOSYS) if is_same(path, &target)? => {
                return fs::remove_file(path);
            }
            Err(Errno::INVAL | Errno::NOSYS) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Do two files hold the same data set? Their meta groups say who sent them, which may be two.
fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (data_of(one)?, data_of(other)?);
    let (mut a, mut b) = ([0_u8; 65_536], [0_u8; 65_536]);
    loop {
        let n = one.read(&mut a)?;
        if n == 0 {
            return Ok(other.read(&mut b)? == 0);
        }
        match other.read_exact(&mut b[..n]) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        if a[..n] != b[..n] {
            return Ok(false);
        }
    }
}

/// A file of ours, behind its preamble, mark and meta group.
fn data_of(path: &Path) -> io::Result<File> {
    let mut file = File::open(path)?;
    let mut head = [0_u8; HEAD];
    match file.read_exact(&mut head) {
        // Not one of ours: all of it counts.
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => file.seek(SeekFrom::Start(0))?,
        read => {
            read?;
            let [.., l0, l1, l2, l3] = head;
            let group = u32::from_le_bytes([l0, l1, l2, l3]);
            file.seek(SeekFrom::Start(HEAD as u64 + u64::from(group)))?
        }
    };
    Ok(file)
}

/// A UID in a name: nothing that a caller writes becomes a path.
fn hashed(uid: &str, digits: usize) -> String {
    let digest = Sha256::digest(uid.as_bytes());
    let hex = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    hex.take(digits)
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn label(study: &str, instance: &str) -> Label {
        Label {
            study: study.into(),
            instance: instance.into(),
            ..Label::default()
        }
    }

    fn send(arrivals: &Arrivals, label: &Label, bytes: &[u8]) {
        let (path, mut file) = arrivals.grow().unwrap();
        file.write_all(bytes).unwrap();
        arrivals.take(&path, label).unwrap();
        assert!(!path.exists());
    }

    fn files(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = (fs::read_dir(folder).unwrap())
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|n| !n.starts_with('.'))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_study_is_a_folder_and_the_same_instance_is_kept_once() {
        let folder = tempfile::tempdir().unwrap();
        let arrivals = Arrivals::open(folder.path(), 0).unwrap();
        assert!(arrivals.has_room());
        send(&arrivals, &label("1.2", "1.2.1"), b"a");
        send(&arrivals, &label("1.2", "1.2.1"), b"a");
        send(&arrivals, &label("1.2", "1.2.2"), b"b");
        send(&arrivals, &label("1.2", "1.2.2"), b"c");
        send(&arrivals, &label("../../9", "../x"), b"d");
        let studies = files(folder.path());
        assert_eq!(studies.len(), 2);
        let counts: Vec<usize> = (studies.iter())
            .map(|s| files(&folder.path().join(s)).len())
            .collect();
        assert!(counts.contains(&3) && counts.contains(&1), "{counts:?}");
        assert_eq!(files(&folder.path().join(GROWING)).len(), 0);
    }

    #[test]
    fn what_was_left_unfinished_is_gone_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let arrivals = Arrivals::open(folder.path(), 0).unwrap();
        let (path, _) = arrivals.grow().unwrap();
        assert!(path.exists());
        // Not while that node lives.
        assert!(Arrivals::open(folder.path(), 0).is_err());
        assert!(path.exists());
        drop(arrivals);
        let next = Arrivals::open(folder.path(), u64::MAX).unwrap();
        assert!(!path.exists() && !next.has_room());
    }
}
