//! The drop folder: what lies in it is found, waited for, and at the end moved, never deleted.
//!
//! In:    a folder that people and other machines write into, as slowly as they like.
//! Out:   [`Ready`] entries: a sub-folder, a zip or a volume file is an entry each; loose files (a series copied
//!        without its folder) are gathered into one sub-folder once they are quiet.
//! Holds: the scan of the tree is the truth. Events only wake it: of 20,000 files written into new sub-folders
//!        inotify never reported 42 %, and no overflow was flagged.
//! Never: follows a link, opens a file (a FIFO would block), deletes an original, reads a clock.
//! Whose files an entry holds, [`look`](super::look()) says; [`DropFolder::split`] and [`DropFolder::hold`] act on it.

mod arrivals;
mod watch;

pub use arrivals::Arrivals;
pub use watch::Ready;

pub(crate) use super::files::is_foreign;
use super::files::{self, is_unfinished};
use super::limits::Limits;
use super::look::{Look, Missing};
use notify::{RecursiveMode, Watcher};
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use watch::{Memory, Observed};

/// Files of one entry that a scan looks at. An entry with more is refused when it is read.
const FILES_LOOKED_AT: usize = 50_000;

/// How many quiet times an entry is waited for whose slices are plainly not all there. What is taken too early is joined
/// with what comes later all the same; the wait spares a refusal that would be taken back.
const SLICES_FACTOR: u64 = 3;
/// Name of the sub-folders that loose files are gathered into, before their number.
const GATHERED: &str = "gathered-";

/// A drop folder and what was seen in it.
#[derive(Debug)]
pub struct DropFolder {
    path: PathBuf,
    quiet_ms: u64,
    memory: Memory,
}

impl DropFolder {
    /// Watches `path`; an entry is ready when nothing in it has changed for `quiet`.
    pub fn new(path: impl Into<PathBuf>, quiet: Duration) -> Self {
        Self {
            path: path.into(),
            quiet_ms: u64::try_from(quiet.as_millis()).unwrap_or(u64::MAX),
            memory: Memory::new(),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Scans once. `now_ms` is monotonic. Each complete state of an entry is returned once: after a restart all
    /// entries are new, and the caller knows by their hashes which ones it already has.
    ///
    /// # Errors
    /// When the folder itself can not be listed. Entries that vanish meanwhile are no error.
    pub fn scan(&mut self, now_ms: u64) -> io::Result<Vec<Ready>> {
        let (mut entries, loose) = observe(&self.path)?;
        entries.extend(loose);
        let memory = std::mem::take(&mut self.memory);
        let (memory, ready) = watch::step(memory, &entries, now_ms, self.quiet_ms);
        self.memory = memory;
        let (loose, ready): (Vec<Ready>, Vec<Ready>) =
            ready.into_iter().partition(|r| r.path == self.path);
        if !loose.is_empty() {
            self.gather()?;
        }
        Ok(ready)
    }

    /// How many entries are being copied, or are held because more of them must be coming, as far as the last scan saw.
    pub fn arriving(&self, now_ms: u64) -> usize {
        let is_arriving = |seen: &&watch::Seen| seen.is_arriving(now_ms);
        self.memory.values().filter(is_arriving).count()
    }

    /// Keeps `entry` in the folder although it is quiet: something of it is missing. It is reported again when it
    /// changed, or after a longer wait.
    pub fn hold(&mut self, entry: &Path, missing: Missing) {
        let factor = match missing {
            Missing::End => watch::UNFINISHED_FACTOR,
            Missing::Slices => SLICES_FACTOR,
        };
        if let Some(seen) = self.memory.get_mut(entry) {
            seen.hold(factor);
        }
    }

    /// Loose files that were gathered may be of several examinations, or of several people: each gets a sub-folder of
    /// its own, which is then an entry like any other. A person's own folder is left as it is. `true`: it was split.
    ///
    /// # Errors
    /// When a file can not be moved within the folder; what was moved is an entry, the rest is looked at again.
    pub fn split(&self, entry: &Path, look: &Look) -> io::Result<bool> {
        let name = entry.file_name().unwrap_or_default().to_string_lossy();
        let (named, unnamed): (Vec<_>, Vec<_>) =
            (look.groups.iter()).partition(|g| !g.examination.is_empty());
        if named.len() < 2 || !name.starts_with(GATHERED) {
            return Ok(false);
        }
        let all = paths(entry)?;
        // Files that do not say whose they are stay by themselves: nobody's case gets what may be another's.
        let stays = usize::from(unnamed.is_empty());
        for group in &named[stays..] {
            let target = self.new_folder()?;
            for path in group.files.iter().filter_map(|&n| all.get(n)) {
                let name = path.file_name().unwrap_or_default();
                fs::rename(path, target.join(name))?;
            }
            fs::File::open(&target)?.sync_all()?;
        }
        fs::File::open(entry)?.sync_all()?;
        Ok(true)
    }

    /// A new sub-folder for loose files.
    fn new_folder(&self) -> io::Result<PathBuf> {
        for n in 1.. {
            let path = self.path.join(format!("{GATHERED}{n:04}"));
            match fs::create_dir(&path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|()| path),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Loose files go into a sub-folder of their own, which is then an entry like any other.
    fn gather(&self) -> io::Result<()> {
        let target = self.new_folder()?;
        for entry in fs::read_dir(&self.path)?.flatten() {
            let meta = entry.metadata()?;
            if is_loose(&entry.file_name().to_string_lossy(), &meta) {
                fs::rename(entry.path(), target.join(entry.file_name()))?;
            }
        }
        fs::File::open(&target)?.sync_all()?;
        fs::File::open(&self.path)?.sync_all()
    }

    /// A watcher that calls `wake` whenever something happens under the folder, lost events included. The scan
    /// decides what it was. `None` when the system gives no watch (network shares, no inotify left): the regular
    /// rescan then does it alone.
    pub fn waker(&self, wake: impl Fn() + Send + 'static) -> Option<Waker> {
        // Whatever the event, errors and overflows included, a scan is what it asks for.
        let mut watcher = notify::recommended_watcher(move |_| wake()).ok()?;
        watcher.watch(&self.path, RecursiveMode::Recursive).ok()?;
        Some(Waker { _watcher: watcher })
    }
}

/// Keeps the watch alive.
#[derive(Debug)]
pub struct Waker {
    _watcher: notify::RecommendedWatcher,
}

/// The files of an entry in the order that a [`Look`] numbers them.
///
/// # Errors
/// When the entry can not be listed, or holds more than is ever taken.
pub fn paths(entry: &Path) -> io::Result<Vec<PathBuf>> {
    let files = files::scan(entry, &Limits::default()).map_err(io::Error::other)?;
    Ok(files.into_iter().map(|file| file.path).collect())
}

/// A number that changes when a file under `root` does, or `root` itself, whatever folder it lies in: names, sizes,
/// times of change and inodes. Names directly in `root` that are notes do not count.
pub fn print_of(root: &Path, is_note: impl Fn(&str) -> bool) -> u64 {
    let (mut print, mut files) = (0u64, 0);
    let mut open = vec![root.to_path_buf()];
    while let Some(path) = open.pop() {
        let Ok(meta) = path.symlink_metadata() else {
            continue;
        };
        if meta.is_dir() {
            for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
                if path != root || !is_note(&entry.file_name().to_string_lossy()) {
                    open.push(entry.path());
                }
            }
        } else if meta.is_file() && files < FILES_LOOKED_AT {
            files += 1;
            let inside = path.strip_prefix(root).unwrap_or(&path);
            // Not the inode's own time: moving the drop as a whole changes it.
            let times = (meta.mtime(), meta.mtime_nsec());
            let mut hasher = DefaultHasher::new();
            (inside, meta.len(), times, meta.ino()).hash(&mut hasher);
            print = print.wrapping_add(hasher.finish());
        }
    }
    print
}

/// Endings of files that are an entry each; other loose files belong together.
pub fn is_own_entry(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    [".zip", ".nii", ".nii.gz", ".nrrd", ".mha"]
        .iter()
        .any(|end| lower.ends_with(end))
}

fn is_loose(name: &str, meta: &Metadata) -> bool {
    meta.is_file() && !is_own_entry(name) && !is_foreign(name) && !is_unfinished(name)
}

/// The entries, and the loose files together under the folder's own path.
fn observe(folder: &Path) -> io::Result<(Vec<Observed>, Option<Observed>)> {
    let mut entries = Vec::new();
    let mut loose = Tally::default();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Does not follow links; what vanished meanwhile is passed over.
        let Ok(meta) = entry.metadata() else { continue };
        if is_foreign(&name) {
            continue;
        }
        let mut tally = Tally::default();
        if meta.is_dir() {
            tally.folder(&entry.path());
        } else if is_own_entry(&name) && meta.is_file() {
            tally.file(&entry.path(), &meta);
        } else {
            // An unfinished loose file stays where it is, but holds back the others.
            if meta.is_file() {
                loose.file(&entry.path(), &meta);
            }
            continue;
        }
        entries.push(tally.observed(entry.path()));
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let loose = (loose.finished > 0).then(|| loose.observed(folder.to_path_buf()));
    Ok((entries, loose))
}

/// Adds files up; the order in which they are listed does not matter.
#[derive(Default)]
struct Tally {
    print: u64,
    files: usize,
    finished: usize,
    bytes: u64,
    unfinished: usize,
}

impl Tally {
    fn folder(&mut self, folder: &Path) {
        let mut open = vec![folder.to_path_buf()];
        while let Some(folder) = open.pop() {
            let list = match fs::read_dir(&folder) {
                Ok(list) => list,
                Err(error) => {
                    // One that may not be read is seen all the same: the look says so.
                    if error.kind() == io::ErrorKind::PermissionDenied
                        && let Ok(meta) = folder.symlink_metadata()
                    {
                        self.file(&folder, &meta);
                    }
                    continue;
                }
            };
            for entry in list.flatten() {
                if self.files >= FILES_LOOKED_AT {
                    return;
                }
                match entry.metadata() {
                    Ok(meta) if meta.is_dir() => open.push(entry.path()),
                    Ok(meta) if meta.is_file() => self.file(&entry.path(), &meta),
                    _ => {}
                }
            }
        }
    }

    fn file(&mut self, path: &Path, meta: &Metadata) {
        let mut hasher = DefaultHasher::new();
        // The time of the last change of the inode as well: copies keep an old modification time.
        let times = (
            meta.mtime(),
            meta.mtime_nsec(),
            meta.ctime(),
            meta.ctime_nsec(),
        );
        (path, meta.len(), times, meta.ino()).hash(&mut hasher);
        self.print = self.print.wrapping_add(hasher.finish());
        self.files += 1;
        self.bytes += meta.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if is_unfinished(&name) || meta.len() == 0 {
            self.unfinished += 1;
        } else {
            self.finished += 1;
        }
    }

    fn observed(self, path: PathBuf) -> Observed {
        Observed {
            path,
            print: self.print,
            files: self.files,
            bytes: self.bytes,
            unfinished: self.unfinished,
        }
    }
}

#[cfg(test)]
mod tests;
