//! Carry: moves of whole trees that a power cut can interrupt at any point.
//!
//! Never: follows a link; removes what it did not compare with its copy.

use super::sync_dir;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Renames; where that can not be (another file system, a folder of another owner) copies beside the target, compares,
/// renames, then removes what was copied. `false`: it is there, but what was copied can not be removed.
pub(super) fn move_path(from: &Path, to: &Path) -> io::Result<bool> {
    use io::ErrorKind::{CrossesDevices, PermissionDenied};
    match fs::rename(from, to) {
        Err(e) if matches!(e.kind(), CrossesDevices | PermissionDenied) => carry(from, to),
        Err(e) => Err(e),
        Ok(()) => {
            sync_dir(to.parent())?;
            // A drop folder that may be written but not read can not be opened for this.
            let _ = sync_dir(from.parent());
            Ok(true)
        }
    }
}

/// Makes `target` whole or not at all: beside, then renamed.
pub(super) fn beside(target: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let part = part_of(target);
    // Left by an interrupted copy.
    remove(&part)?;
    if let Err(error) = make(&part) {
        let _ = remove(&part);
        return Err(error);
    }
    fs::rename(&part, target)?;
    sync_dir(target.parent())
}

fn part_of(target: &Path) -> PathBuf {
    let mut part = target.as_os_str().to_owned();
    part.push(".part");
    PathBuf::from(part)
}

/// A tree of the same files: folders made anew, files as further names of what they are. Links, FIFOs and the like
/// are left out; nothing reads them.
pub(super) fn link(from: &Path, to: &Path) -> io::Result<()> {
    let kind = fs::symlink_metadata(from)?.file_type();
    if kind.is_dir() {
        super::private_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            link(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if kind.is_file() && fs::hard_link(from, to).is_err() {
        // Another file system, or one that has no such links.
        fs::copy(from, to)?;
    }
    Ok(())
}

/// Removes `left` when it is what `taken` is. `false`: it is, and rights forbid it.
pub(super) fn remove_if_same(left: &Path, taken: &Path) -> io::Result<bool> {
    let copied = entries(taken)?;
    if entries(left)? == copied {
        return remove_copied(left, &copied);
    }
    Ok(true)
}

/// Moves without a rename. A cut before the rename leaves the source as it was; one after it leaves both, and
/// [`Folders::take`](super::Folders::take) removes what was copied when it is asked again.
pub(super) fn carry(from: &Path, to: &Path) -> io::Result<bool> {
    let mut there = BTreeMap::new();
    beside(to, |part| {
        copy(from, part)?;
        there = entries(part)?;
        if entries(from)? == there {
            return Ok(());
        }
        let text = "the drop changed while it was copied; it stays where it is";
        Err(io::Error::other(text))
    })?;
    let removed = remove_copied(from, &there)?;
    let _ = sync_dir(from.parent());
    Ok(removed)
}

/// What one entry of a drop is, to be compared with its copy.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Folder,
    /// SHA-256 of the content.
    File(Vec<u8>),
    /// Where it points; never followed.
    Link(PathBuf),
    /// A FIFO, a socket, a device: a name without content.
    Other,
}

/// Everything under `root`, itself first (as the empty path), folders before what is in them.
pub(super) fn entries(root: &Path) -> io::Result<BTreeMap<PathBuf, Entry>> {
    let mut found = BTreeMap::new();
    let mut open = vec![PathBuf::new()];
    while let Some(name) = open.pop() {
        let path = root.join(&name);
        // Joining nothing would add a slash, which follows a link.
        let path = if name.as_os_str().is_empty() {
            root
        } else {
            &path
        };
        let kind = fs::symlink_metadata(path)?.file_type();
        let entry = if kind.is_dir() {
            for inner in fs::read_dir(path)? {
                open.push(name.join(inner?.file_name()));
            }
            Entry::Folder
        } else if kind.is_file() {
            let mut hasher = Sha256::new();
            let mut file = File::open(path)?;
            let mut piece = vec![0; 1 << 16];
            loop {
                match file.read(&mut piece)? {
                    0 => break,
                    n => hasher.update(&piece[..n]),
                }
            }
            Entry::File(hasher.finalize().to_vec())
        } else if kind.is_symlink() {
            Entry::Link(fs::read_link(path)?)
        } else {
            Entry::Other
        };
        found.insert(name, entry);
    }
    Ok(found)
}

/// Removes from `root` what is in `copied` and nothing else: what came later stays. `false`: rights forbid it.
pub(super) fn remove_copied(root: &Path, copied: &BTreeMap<PathBuf, Entry>) -> io::Result<bool> {
    let mut all = true;
    for (name, entry) in copied.iter().rev() {
        let path = if name.as_os_str().is_empty() {
            root.to_path_buf()
        } else {
            root.join(name)
        };
        let removed = match entry {
            Entry::Folder => fs::remove_dir(&path),
            _ => fs::remove_file(&path),
        };
        match removed {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => all = false,
            Err(e)
                if !matches!(
                    e.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
                ) =>
            {
                return Err(e);
            }
            _ => {}
        }
    }
    Ok(all)
}

pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(m) if m.is_dir() => match fs::remove_dir_all(path) {
            // A folder within that was moved with its rights, as from a CD.
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                open_folders(path);
                fs::remove_dir_all(path)
            }
            other => other,
        },
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

/// Lets the owner write into every folder of a tree, as far as the folders are ours.
fn open_folders(root: &Path) {
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        let _ = fs::set_permissions(&folder, fs::Permissions::from_mode(0o700));
        let inner = fs::read_dir(&folder).into_iter().flatten().flatten();
        // The entry's own kind: a link is not followed.
        open.extend(
            inner
                .filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|e| e.path()),
        );
    }
}

/// Copies a tree as a rename would move it: links as links, FIFOs as FIFOs.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let kind = fs::symlink_metadata(from)?.file_type();
    if kind.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        File::open(to)?.sync_all()
    } else if kind.is_file() {
        fs::copy(from, to)?;
        File::open(to)?.sync_all()
    } else if kind.is_symlink() {
        std::os::unix::fs::symlink(fs::read_link(from)?, to)
    } else {
        let kind = rustix::fs::FileType::from_raw_mode(fs::symlink_metadata(from)?.mode());
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        // A socket or a FIFO is made anew; a device is refused by the system, and the drop stays.
        Ok(rustix::fs::mknodat(rustix::fs::CWD, to, kind, mode, 0)?)
    }
}
