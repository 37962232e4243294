//! Folders: what lies where under DATA, and moves that a power cut can interrupt at any point.
//!
//! Holds: each piece of a drop is in exactly one of `drop/`, `work/CODE/`, `done/CODE/`, `quarantine/CODE/`; moving it
//!        again to where it is does nothing. Files are written beside, synced, renamed.
//!        Across file systems, or where the owner's rights allow no move, a drop is copied, hashed on both sides, and
//!        only then removed; links arrive as links.
//! Never: changes an original, or deletes one but for strict privacy and by a rule of `[retention]`; follows a link out of the drop folder; keeps the
//!        name a drop had (it may be a patient's): it is called `input` from then on, later pieces `input-2` and so on.

mod carry;
mod delete;
mod rights;

pub(super) use rights::give_to_group;

use super::step::Place;
use crate::intake::drop::{is_own_entry, print_of};
use crate::intake::{piece_name, piece_number};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Endings that readers go by; any other is dropped with the name.
const ENDINGS: [&str; 8] = [
    ".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".zip", ".dcm", ".gz",
];

/// What came of taking a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is in its place and no more in the drop folder.
    Moved,
    /// It is in its place, and what was dropped can not be removed for its rights.
    Copied,
    /// There is no such thing.
    Gone,
}

impl Taken {
    fn by_removal(removed: bool) -> Self {
        if removed { Self::Moved } else { Self::Copied }
    }
}

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
        for name in [
            "cases",
            "work",
            "done",
            "quarantine",
            "run",
            "upload",
            "scratch",
            "printer",
        ] {
            private_dir(&data.join(name))?;
            // Made by another part of the program it may be as open as the umask; these are ours alone.
            let _ = fs::set_permissions(data.join(name), Permissions::from_mode(0o700));
        }
        // The drop folder may be a share with rights of its own: made if missing, never changed.
        fs::create_dir_all(drop)?;
        // What an interrupted upload left behind was never in the drop folder; what a killed process had unpacked is a
        // copy.
        for name in ["upload", "scratch"] {
            for entry in fs::read_dir(data.join(name))?.flatten() {
                let _ = carry::remove(&entry.path());
            }
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

    /// The pieces of the drop of `code`, wherever they lie now, in the order in which they came.
    pub fn inputs(&self, code: &str) -> Vec<PathBuf> {
        let places = [Place::Work, Place::Done, Place::Quarantine];
        let mut found: Vec<(u32, PathBuf)> = places
            .into_iter()
            .flat_map(|place| pieces_in(&self.place(place, code)))
            .collect();
        found.sort();
        found.into_iter().map(|(_, path)| path).collect()
    }

    /// What a designer is given of `code`: its one piece, or the folder that holds several.
    pub fn input(&self, code: &str) -> Option<PathBuf> {
        match self.inputs(code).as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            [first, ..] => first.parent().map(Path::to_path_buf),
        }
    }

    /// A number that changes when the files of the drop of `code` do.
    pub fn print(&self, code: &str) -> i64 {
        let inputs = self.inputs(code);
        let folder = inputs.first().and_then(|path| path.parent());
        let is_note = |name: &str| piece_of(name).is_none();
        folder.map_or(0, |folder| print_of(folder, is_note).cast_signed())
    }

    /// A number that changes when what lies in the drop folder under `name` does.
    pub fn print_in_drop(&self, name: &str) -> i64 {
        print_of(&self.drop.join(name), |_| false).cast_signed()
    }

    /// Names in the drop folder.
    pub fn dropped(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.drop).into_iter().flatten().flatten();
        entries
            .filter_map(|e| e.file_name().into_string().ok())
            .collect()
    }

    /// Takes piece `n` of `code` out of the drop folder, where it is called `name`, to `place`. Doing it again does
    /// nothing.
    pub fn take(&self, place: Place, code: &str, n: u32, name: Option<&str>) -> io::Result<Taken> {
        let from = name.map(|name| self.drop.join(name));
        let there = (self.inputs(code).into_iter())
            .find(|path| file_name(path).and_then(piece_of) == Some(n));
        if let Some(taken) = there {
            let removed = match from {
                Some(from) => self.finish_removal(&taken, &from)?,
                None => true,
            };
            return Ok(Taken::by_removal(removed));
        }
        let Some(from) = from.filter(|from| fs::symlink_metadata(from).is_ok()) else {
            return Ok(Taken::Gone);
        };
        let target = self.place(place, code);
        private_dir(&target)?;
        let name = format!("{}{}", piece_name(n), ending(&from));
        carry::move_path(&from, &target.join(name)).map(Taken::by_removal)
    }

    /// Moves all that was taken of `code` to `place`. Doing it again does nothing. `false`: nothing was taken.
    pub fn move_to(&self, place: Place, code: &str) -> io::Result<bool> {
        let target = self.place(place, code);
        let inputs = self.inputs(code);
        for from in &inputs {
            let Some(old) = from.parent().filter(|old| *old != target) else {
                continue;
            };
            private_dir(&target)?;
            carry::move_path(from, &target.join(from.file_name().unwrap_or_default()))?;
            let _ = fs::remove_file(old.join("REASON.txt"));
            // Goes only when it is empty, as it should be in the end.
            let _ = fs::remove_dir(old);
        }
        Ok(!inputs.is_empty())
    }

    /// Gives `code` what `first` has of the same scan, as links to the same files, beside its own. Doing it again does
    /// nothing. `false`: nothing is kept of `first`.
    pub fn borrow(&self, first: &str, code: &str) -> io::Result<bool> {
        let target = self.place(Place::Work, code).join(piece_name(0));
        if target.exists() {
            return Ok(true);
        }
        let inputs = self.inputs(first);
        if inputs.is_empty() {
            return Ok(false);
        }
        private_dir(&self.place(Place::Work, code))?;
        carry::beside(&target, |part| {
            private_dir(part)?;
            for input in &inputs {
                carry::link(input, &part.join(input.file_name().unwrap_or_default()))?;
            }
            Ok(())
        })?;
        Ok(true)
    }

    /// Deletes what was dropped for `code`; `false`: nothing was there.
    pub fn forget(&self, code: &str) -> io::Result<bool> {
        let inputs = self.inputs(code);
        for input in &inputs {
            carry::remove(input)?;
            if let Some(folder) = input.parent() {
                let _ = fs::remove_file(folder.join("REASON.txt"));
                let _ = fs::remove_dir(folder);
            }
        }
        Ok(!inputs.is_empty())
    }

    /// A copy was cut before its source was removed: what is the same in both is removed now. What differs is another
    /// drop of the same name. `false`: it is the same, and rights forbid the removal.
    fn finish_removal(&self, taken: &Path, left: &Path) -> io::Result<bool> {
        if fs::symlink_metadata(left).is_err() {
            return Ok(true);
        }
        let removed = carry::remove_if_same(left, taken)?;
        // A drop folder that may be written but not read can not be opened for this.
        let _ = sync_dir(Some(&self.drop));
        Ok(removed)
    }

    /// Moves an uploaded file or folder into the drop folder, under a name that tells nothing.
    pub fn hand_in(&self, path: &Path, ending: &str) -> io::Result<()> {
        let known = ENDINGS
            .into_iter()
            .find(|e| ending.to_lowercase().ends_with(e));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let known = known.unwrap_or("");
        if path.is_dir() || is_own_entry(known) {
            let target = self.drop.join(format!("upload-{name}{known}"));
            return carry::move_path(path, &target).map(drop);
        }
        // In a folder of its own: loose files of one examination are put together, uploads are not.
        let folder = path.with_extension("folder");
        fs::create_dir(&folder)?;
        let moved = fs::rename(path, folder.join(format!("1{known}")))
            .and_then(|()| carry::move_path(&folder, &self.drop.join(format!("upload-{name}"))));
        if moved.is_err() {
            // Nobody else knows of it; whoever handed it in is told, and has it still.
            let _ = carry::remove(&folder);
        }
        moved.map(drop)
    }

    /// A folder of its own for what a process of that name unpacks; whoever starts the process removes it after it.
    pub(crate) fn scratch(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.data.join("scratch").join(name);
        private_dir(&folder)?;
        Ok(folder)
    }

    /// Codes that have a folder in `place`.
    pub(super) fn in_place(&self, place: Place) -> BTreeSet<String> {
        let entries = fs::read_dir(self.data.join(folder_of(place)));
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
        self.data.join(folder_of(place)).join(code)
    }
}

fn folder_of(place: Place) -> &'static str {
    match place {
        Place::Work => "work",
        Place::Done => "done",
        Place::Quarantine => "quarantine",
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

/// The pieces in a folder of a case.
fn pieces_in(folder: &Path) -> Vec<(u32, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|e| e.path())
        .filter_map(|path| Some((piece_of(file_name(&path)?)?, path)))
        .collect()
}

/// The number of a piece that is whole.
fn piece_of(name: &str) -> Option<u32> {
    piece_number(name).filter(|_| !name.ends_with(".part"))
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name().and_then(|n| n.to_str())
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
