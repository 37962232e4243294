//! Arrivals: where instances go. They grow in a hidden folder of the drop folder, which its watcher passes over, and are
//! moved into the folder of their study when they are whole.

use crate::intake::dicom::Label;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Folder in the drop folder where instances grow.
const GROWING: &str = ".node";
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
}

impl Arrivals {
    /// Opens the drop folder. What a node before this one left unfinished goes: its sender was never told that it is here.
    pub(super) fn open(drop: &Path, free_mib: u64) -> io::Result<Self> {
        let growing = drop.join(GROWING);
        fs::create_dir_all(drop)?;
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
        let folder = self.drop.join(format!("node-{}", short(&label.study, 16)));
        let name = short(&label.instance, 32);
        for _ in 0..TRIES {
            if is_new(&folder)? {
                File::open(&self.drop)?.sync_all()?;
            }
            match put(path, &folder, &name) {
                // The station took the folder between the two.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                other => return other,
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }
}

/// Makes the folder; `true`: it was not there.
fn is_new(folder: &Path) -> io::Result<bool> {
    match fs::create_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        made => made.map(|()| true),
    }
}

/// Moves `path` to `folder/name.dcm`. The same once more is not kept twice; another one of the same number is.
fn put(path: &Path, folder: &Path, name: &str) -> io::Result<()> {
    for copy in 1..=COPIES_MAX {
        let target = match copy {
            1 => folder.join(format!("{name}.dcm")),
            n => folder.join(format!("{name}-{n}.dcm")),
        };
        match renameat_with(CWD, path, CWD, &target, RenameFlags::NOREPLACE) {
            Ok(()) => return File::open(folder)?.sync_all(),
            Err(Errno::EXIST) if is_same(path, &target)? => return fs::remove_file(path),
            Err(Errno::EXIST) => {}
            // A file system that knows no NOREPLACE (some network shares): names are ours alone.
            Err(Errno::INVAL | Errno::NOSYS) if !target.exists() => {
                fs::rename(path, &target)?;
                return File::open(folder)?.sync_all();
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

/// Do two files hold the same bytes?
fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut a, mut b) = ([0_u8; 65_536], [0_u8; 65_536]);
    loop {
        let n = one.read(&mut a)?;
        if n == 0 {
            return Ok(true);
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

/// A UID in a name: nothing that a caller writes becomes a path.
fn short(uid: &str, digits: usize) -> String {
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
        let next = Arrivals::open(folder.path(), u64::MAX).unwrap();
        assert!(!path.exists() && !next.has_room());
    }
}
