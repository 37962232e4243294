//! Arrivals: entries on their way from the drop folder to the station.
//!
//! In:    scans of a [`DropFolder`], and somebody who looks at a quiet entry.
//! Out:   entries that are offered again and again until they are taken.
//! Holds: what is plainly not whole is held back, what may not be read stays, loose files of several people are parted.

use super::DropFolder;
use super::watch::Ready;
use crate::intake::look::{Look, Missing};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// A drop folder and what is about to be taken out of it.
#[derive(Debug)]
pub struct Arrivals {
    folder: DropFolder,
    /// Looked at, and not yet taken: the station is busy or full.
    offered: Vec<(PathBuf, Look)>,
    waiting: BTreeSet<PathBuf>,
    unreadable: BTreeSet<PathBuf>,
}

impl Arrivals {
    /// Nothing was seen yet.
    pub fn new(folder: DropFolder) -> Self {
        Self {
            folder,
            offered: Vec::new(),
            waiting: BTreeSet::new(),
            unreadable: BTreeSet::new(),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &DropFolder {
        &self.folder
    }

    /// Files that end too early and are waited for.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Entries that may not be read.
    pub fn unreadable(&self) -> usize {
        self.unreadable.len()
    }

    /// Scans once. `look` sees whose scan an entry is; `take` says whether the entry of that name was taken. `now_ms`
    /// is monotonic.
    ///
    /// # Errors
    /// When the drop folder can not be listed, or loose files can not be sorted in it; what was offered before is
    /// offered all the same.
    pub fn scan(
        &mut self,
        now_ms: u64,
        mut look: impl FnMut(&Path) -> Look,
        mut take: impl FnMut(&str, &Look) -> bool,
    ) -> io::Result<()> {
        let mut done = Ok(());
        match self.folder.scan(now_ms) {
            Ok(ready) => {
                for entry in ready {
                    let seen = look(&entry.path);
                    done = done.and(self.sort(entry, seen));
                }
            }
            Err(error) => done = Err(error),
        }
        self.offered.retain(|(path, look)| {
            let is_there = path.symlink_metadata().is_ok();
            // A name that is no text is counted among what is stuck.
            let name = path.file_name().and_then(|n| n.to_str());
            is_there && name.is_some_and(|name| !take(name, look))
        });
        let is_there = |path: &PathBuf| path.symlink_metadata().is_ok();
        self.waiting.retain(is_there);
        self.unreadable.retain(is_there);
        done
    }

    /// A quiet entry: is it whole, and whose is it?
    fn sort(&mut self, entry: Ready, look: Look) -> io::Result<()> {
        let path = entry.path;
        self.waiting.remove(&path);
        self.unreadable.remove(&path);
        self.offered.retain(|(offered, _)| *offered != path);
        if look.unreadable > 0 {
            // It is reported again when its rights change.
            self.unreadable.insert(path);
            return Ok(());
        }
        if let Some(missing) = look.missing.filter(|_| !entry.waited) {
            self.folder.hold(&path, missing);
            // The short wait is nothing that people need to know of.
            if missing == Missing::End {
                self.waiting.insert(path);
            }
            return Ok(());
        }
        let split = self.folder.split(&path, &look);
        if !matches!(split, Ok(true)) {
            self.offered.push((path, look));
        }
        split.map(|_| ())
    }
}
