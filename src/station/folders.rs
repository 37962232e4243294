//! Folders: what lies where under DATA, and moves that a power cut can interrupt at any point.
//!
//! Holds: a drop is in exactly one of `drop/`, `work/CODE/`, `done/CODE/`, `quarantine/CODE/`; moving it again to
//!        where it is does nothing. Files are written beside, synced, renamed.
//!        Across file systems a drop is copied, hashed on both sides, and only then removed; links arrive as links.
//! Never: changes or deletes an original; follows a link out of the drop folder; keeps the name a drop had (it may
//!        be a patient's): it is called `input` from then on.

mod carry;

use super::step::Place;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Endings that readers go by; any other is dropped with the name.
const ENDINGS: [&str; 7] = [".nii.gz", ".nii", ".nrrd", ".nhdr", ".zip", ".dcm", ".gz"];

/// Paths under the data folder.
#[derive(Clone, Debug)]
pub struct Folders {
    data: PathBuf,
    drop: PathBuf,
}

impl Folders {
    /// Makes what is missing.
    pub fn make(data: &Path, drop: &Path) -> io::Result<Self> {
        private_dir(data)?;
        for name in ["cases", "work", "done", "quarantine", "run", "upload"] {
            private_dir(&data.join(name))?;
        }
        // The drop folder may be a share with rights of its own: made if missing, never changed.
        fs::create_dir_all(drop)?;
        // What an interrupted upload left behind was never in the drop folder.
        for entry in fs::read_dir(data.join("upload"))?.flatten() {
            let _ = carry::remove(&entry.path());
        }
        Ok(Self {
            data: fs::canonicalize(data)?,
            drop: fs::canonicalize(drop)?,
        })
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The drop folder.
    pub fn drop_folder(&self) -> &Path {
        &self.drop
    }

    /// Files of a case.
    pub fn case(&self, code: &str) -> PathBuf {
        self.data.join("cases").join(code)
    }

    /// The folder of all cases.
    pub fn cases(&self) -> PathBuf {
        self.data.join("cases")
    }

    /// Where uploads grow before they are dropped.
    pub fn uploads(&self) -> PathBuf {
        self.data.join("upload")
    }

    /// The drop of `code`, wherever it lies now.
    pub fn input(&self, code: &str) -> Option<PathBuf> {
        [Place::Work, Place::Done, Place::Quarantine]
            .into_iter()
            .find_map(|place| input_in(&self.place(place, code)))
    }

    /// Moves the drop of `code` to `place`. `source` is its name in the drop folder while it has not been taken.
    /// Doing it again does nothing. `false`: there is no such drop any more.
    pub fn move_to(&self, place: Place, code: &str, source: &str) -> io::Result<bool> {
        let from = match self.input(code) {
            Some(path) => path,
            None if source.is_empty() => return Ok(false),
            None => self.drop.join(source),
        };
        let target = self.place(place, code);
        if !source.is_empty() && from.parent() != Some(&self.drop) {
            self.finish_removal(&from, source)?;
        }
        if from.parent() == Some(&target) {
            return Ok(true);
        }
        if fs::symlink_metadata(&from).is_err() {
            return Ok(false);
        }
        private_dir(&target)?;
        let name = format!("input{}", ending(&from));
        carry::move_path(&from, &target.join(name))?;
        if let Some(old) = from.parent().filter(|p| *p != self.drop) {
            let _ = fs::remove_file(old.join("REASON.txt"));
            // Goes only when it is empty, as it should be.
            let _ = fs::remove_dir(old);
        }
        Ok(true)
    }

    /// A copy into `taken` was cut before its source was removed: what is the same in both is removed now. What
    /// differs is another drop of the same name.
    fn finish_removal(&self, taken: &Path, source: &str) -> io::Result<()> {
        let left = self.drop.join(source);
        if fs::symlink_metadata(&left).is_err() {
            return Ok(());
        }
        let copied = carry::entries(taken)?;
        if carry::entries(&left)? == copied {
            carry::remove_copied(&left, &copied)?;
            sync_dir(Some(&self.drop))?;
        }
        Ok(())
    }

    /// Moves an uploaded file or folder into the drop folder, under a name that tells nothing.
    pub fn hand_in(&self, path: &Path, ending: &str) -> io::Result<()> {
        let known = ENDINGS
            .into_iter()
            .find(|e| ending.to_lowercase().ends_with(e));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let target = self
            .drop
            .join(format!("upload-{name}{}", known.unwrap_or("")));
        carry::move_path(path, &target)
    }

    /// Codes whose drop lies in `work/`.
    pub(super) fn in_work(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.data.join("work"));
        let names = entries.into_iter().flatten().flatten();
        names
            .filter_map(|e| e.file_name().into_string().ok())
            .collect()
    }

    /// Writes `REASON.txt` beside a drop in quarantine.
    pub fn write_reason(&self, code: &str, text: &str) -> io::Result<()> {
        let folder = self.place(Place::Quarantine, code);
        private_dir(&folder)?;
        write_private(&folder.join("REASON.txt"), |f| f.write_all(text.as_bytes()))
    }

    /// Writes a small file of a case: beside, synced, renamed.
    pub fn write_case_file(&self, code: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        private_dir(&self.case(code))?;
        write_private(&self.case(code).join(name), |f| f.write_all(bytes))
    }

    /// Names of the files of a case that people may fetch, sorted.
    pub fn files(&self, code: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.case(code)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|e| e.file_type().is_ok_and(|t| t.is_file()))
            .filter_map(|e| e.file_name().into_string().ok())
            .filter(|n| !n.starts_with('.') && n != "identity.json" && !n.ends_with(".part"))
            .collect();
        names.sort();
        names
    }

    /// Free space where the cases lie, MiB.
    pub fn free_mib(&self) -> io::Result<u64> {
        let space = rustix::fs::statvfs(&self.data)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize) >> 20)
    }

    fn place(&self, place: Place, code: &str) -> PathBuf {
        let folder = match place {
            Place::Work => "work",
            Place::Done => "done",
            Place::Quarantine => "quarantine",
        };
        self.data.join(folder).join(code)
    }
}

/// Makes a folder that only its owner may enter. One that exists keeps its rights unless it is ours alone.
pub(super) fn private_dir(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o700))
}

/// Only the owner may read the file.
pub(super) fn private_file(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o600))
}

/// Writes a file of mode 0600 beside, syncs it, renames it, syncs the folder.
pub(super) fn write_private(
    path: &Path,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)?;
    fill(&mut file)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    sync_dir(path.parent())
}

fn sync_dir(folder: Option<&Path>) -> io::Result<()> {
    match folder {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn input_in(folder: &Path) -> Option<PathBuf> {
    fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|e| e.path())
        .find(|p| {
            let name = p.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            name.starts_with("input") && !name.ends_with(".part")
        })
}

fn ending(path: &Path) -> &'static str {
    if fs::symlink_metadata(path).is_ok_and(|m| m.is_dir()) {
        return "";
    }
    let name = path.to_string_lossy().to_lowercase();
    ENDINGS
        .into_iter()
        .find(|e| name.ends_with(e))
        .unwrap_or("")
}

#[cfg(test)]
mod tests;
