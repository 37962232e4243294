//! Look: what lies in an entry of the drop folder, before it is taken.
//!
//! In:    the path of a folder or file, in place; nothing is moved or changed.
//! Out:   a [`Look`]: which people's examinations and series, by hashes that tell nothing, and what is plainly missing.
//! Holds: bounded by [`Limits`]; a look that fails says nothing, and the entry is then taken as it is.
//! Why: pieces of one series belong to one case, those of two people never do. The files are untrusted, so a process
//!        of its own looks (`designer --look`), and the station reads its one line.

use super::dicom::{self, Seen};
use super::files::{self, DropFile, Kind};
use super::limits::Limits;
use super::{Opened, archive};
use flate2::read::MultiGzDecoder;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Look {
    /// One for each person's examination; files that do not say are in one with neither key nor series.
    pub groups: Vec<Group>,
    /// What is plainly missing.
    pub missing: Option<Missing>,
    /// Files and folders that this user may not read.
    pub unreadable: usize,
}

/// The files of one person's examination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Hash of person and examination; empty for files that do not say.
    pub examination: String,
    /// Hash of the person; empty for files that do not say.
    pub person: String,
    /// Hashes of person and series, for every series that has slices.
    pub series: Vec<String>,
    /// Offsets in the order of names, as [`paths`](super::drop::paths) lists them.
    pub files: Vec<usize>,
}

/// Why an entry looks as if more were coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// A file ends before it should, and nothing says yet whose series it is.
    End,
    /// Slices are missing between others or by number, are too few, or one of them is cut.
    Slices,
}

impl Look {
    /// Every series that was seen.
    pub fn series(&self) -> BTreeSet<String> {
        self.groups.iter().flat_map(|g| g.series.clone()).collect()
    }

    /// Files of more than one person lie in it.
    pub fn is_mixed(&self) -> bool {
        let persons = self.groups.iter().map(|g| g.person.as_str());
        persons
            .filter(|p| !p.is_empty())
            .collect::<BTreeSet<_>>()
            .len()
            > 1
    }
}

/// Looks at what lies at `path`.
pub fn look(path: &Path, limits: &Limits) -> Look {
    let unreadable = unreadable(path, limits);
    if unreadable > 0 {
        return Look {
            unreadable,
            ..Look::default()
        };
    }
    let Ok(files) = files::scan(path, limits) else {
        return Look::default();
    };
    if let [one] = files.as_slice() {
        match files::head(&one.path).map(|head| files::sniff(&head)) {
            Ok(Kind::Zip) => return look_into(&one.path, path, limits),
            Ok(Kind::Gzip) if archive::holds_a_tar(&one.path) && !ends_early(&one.path, limits) => {
                return look_into(&one.path, path, limits);
            }
            Ok(Kind::Tar) => return look_into(&one.path, path, limits),
            Ok(Kind::Gzip) => {
                return Look {
                    missing: ends_early(&one.path, limits).then_some(Missing::End),
                    ..Look::default()
                };
            }
            Ok(Kind::Empty) => {
                return Look {
                    missing: Some(Missing::End),
                    ..Look::default()
                };
            }
            _ => {}
        }
    }
    of_files(&files, limits)
}

/// An archive: one that can not be opened at all lacks its end, where its list stands.
fn look_into(zip: &Path, path: &Path, limits: &Limits) -> Look {
    if files::head(zip).is_ok_and(|head| files::sniff(&head) == Kind::Zip)
        && archive::has_no_list(zip)
    {
        return Look {
            missing: Some(Missing::End),
            ..Look::default()
        };
    }
    Opened::at(path, limits).map_or_else(|_| Look::default(), |drop| of_files(&drop.files, limits))
}

fn of_files(files: &[DropFile], limits: &Limits) -> Look {
    let seen: Vec<Option<Seen>> = files
        .par_iter()
        .enumerate()
        .map(|(index, file)| {
            let bytes = files::read_all(&file.path, limits.file_bytes).ok()?;
            dicom::sight(&bytes, index, limits)
        })
        .collect();
    let mut groups = BTreeMap::<String, Group>::new();
    for (index, seen) in seen.iter().enumerate() {
        let examination = seen.as_ref().and_then(|s| key(&s.person, &s.study));
        let name = examination.unwrap_or_default();
        let group = groups.entry(name.clone()).or_default();
        group.examination = name;
        if let Some(seen) = seen.as_ref().filter(|_| !group.examination.is_empty()) {
            group.person = files::sha256(seen.person.as_bytes());
        }
        group.files.push(index);
        let series = seen.as_ref().and_then(|s| key(&s.person, &s.series));
        if let Some(series) = series.filter(|s| !group.series.contains(s)) {
            group.series.push(series);
        }
    }
    let joins = groups.values().any(|group| !group.series.is_empty());
    let seen: Vec<Seen> = seen.into_iter().flatten().collect();
    let missing = seen.iter().any(|s| s.cut) || dicom::slices_missing(&seen, limits);
    Look {
        groups: groups.into_values().collect(),
        // What can not be joined with the rest later is waited for as long as a file that has no end.
        missing: missing.then_some(if joins { Missing::Slices } else { Missing::End }),
        unreadable: 0,
    }
}

/// A hash of whose it is and of a UID; without a UID nothing can be told together.
fn key(person: &str, uid: &str) -> Option<String> {
    let text = format!("{}:{person}:{uid}", person.len());
    (!uid.is_empty()).then(|| files::sha256(text.as_bytes()))
}

/// Whether a gzip stream breaks off.
fn ends_early(path: &Path, limits: &Limits) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    let mut unpacked = MultiGzDecoder::new(io::BufReader::new(file)).take(limits.total_bytes);
    matches!(io::copy(&mut unpacked, &mut io::sink()), Err(e) if e.kind() == io::ErrorKind::UnexpectedEof)
}

/// Files and folders under `path` that can not be opened for their rights.
fn unreadable(path: &Path, limits: &Limits) -> usize {
    let denied = |e: &io::Error| e.kind() == io::ErrorKind::PermissionDenied;
    let (mut open, mut found, mut looked) = (vec![path.to_path_buf()], 0, 0);
    while let Some(path) = open.pop() {
        looked += 1;
        let Ok(meta) = std::fs::symlink_metadata(&path) else {
            continue;
        };
        let refused = if meta.is_dir() {
            match std::fs::read_dir(&path) {
                Ok(list) => {
                    open.extend(list.flatten().map(|e| e.path()));
                    false
                }
                Err(e) => denied(&e),
            }
        } else {
            // Only a regular file is opened: a FIFO would block.
            meta.is_file() && File::open(&path).is_err_and(|e| denied(&e))
        };
        found += usize::from(refused);
        if looked > limits.files {
            break;
        }
    }
    found
}
