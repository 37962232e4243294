//! Backup: store, record, pepper and configuration of a station in one file, and back.
//!
//! In:    a data folder; the configuration's file; asked for, the files of the cases too.
//! Out:   a tar, mode 0600: `backup.json` first (version, when, SHA-256 of each of its files), then the files.
//! Holds: the store in it is one moment of a station that may go on meanwhile (`VACUUM INTO`). A restore reads everything,
//!        proves every hash, opens the store and walks its record before it changes anything; it holds the station's lock.
//! Never: a restore over cases or people that are there, unless they are moved aside by name; a path out of the tar that
//!        leaves the data folder.

use super::folders::{private_dir, private_file, write_private};
use super::lock;
use super::store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

/// Form of the file that this program writes and reads.
const FORM: u32 = 1;
const HEAD: &str = "backup.json";
const STORE: &str = "store.db";
const PEPPER: &str = "pepper";
const CONFIG: &str = "calvaria.toml";
const CASES: &str = "cases";
/// While it is unpacked; removed at the end, and by the next try.
const PART: &str = "restore.part";
/// Where a store that was replaced goes.
const ASIDE: &str = "store.replaced.db";
/// A head with more than this is not ours.
const HEAD_BYTES_MAX: u64 = 64 << 20;

/// What stands first in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Form of the file.
    pub form: u32,
    /// Version of the program that wrote it.
    pub version: String,
    /// When, RFC 3339.
    pub at: String,
    /// SHA-256 of each file, hex, by its path.
    pub files: BTreeMap<String, String>,
}

/// Why there is no backup, or why it was not put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not a backup, or one that is not whole.
    #[error("{}: this is no whole backup: {what}. Take another copy of it.", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A station runs on the folder.
    #[error("a station runs on {}. Stop it first.", .0.display())]
    Runs(PathBuf),
    /// The folder's store has cases or people.
    #[error(
        "the store in {} is in use: it has {cases} cases and {people} people. Say --replace to move it aside first.", data.display()
    )]
    InUse {
        /// The folder.
        data: PathBuf,
        /// Cases in it.
        cases: u32,
        /// Who may release.
        people: usize,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::File { path, source }
}

/// Writes the backup of `data` to `out`, which must not be there. `now`: RFC 3339. The files of the cases come along with
/// `cases`.
///
/// # Errors
/// [`BackupError`]; nothing is left under `out` then.
pub fn write(
    data: &Path,
    config: Option<&Path>,
    out: &Path,
    (cases, now): (bool, &str),
) -> Result<Head, BackupError> {
    let store = Store::open_existing(data)?;
    let scratch = tempfile::tempdir_in(data).map_err(at(data))?;
    let copy = scratch.path().join(STORE);
    store.copy_to(&copy)?;
    let mut files = vec![
        (STORE.to_owned(), copy),
        (PEPPER.to_owned(), data.join(PEPPER)),
    ];
    files.extend(config.map(|path| (CONFIG.to_owned(), path.to_owned())));
    if cases {
        walk(&data.join(CASES), CASES, &mut files)?;
    }
    let mut head = Head {
        form: FORM,
        version: env!("CARGO_PKG_VERSION").into(),
        at: now.into(),
        files: BTreeMap::new(),
    };
    for (name, path) in &files {
        let hash = File::open(path)
            .and_then(|file| hash(file, &mut io::sink()))
            .map_err(at(path))?;
        head.files.insert(name.clone(), hash);
    }
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(out)
        .map_err(at(out))?;
    let packed = pack(file, &head, &files);
    if packed.is_err() {
        let _ = fs::remove_file(out);
    }
    packed.map_err(at(out))?;
    // A case that changed between its hash and its packing would be found at the restore: it is found now.
    check(out).inspect_err(|_| {
        let _ = fs::remove_file(out);
    })
}

fn walk(folder: &Path, name: &str, files: &mut Vec<(String, PathBuf)>) -> Result<(), BackupError> {
    let mut entries: Vec<_> = match fs::read_dir(folder) {
        Ok(entries) => entries.flatten().collect(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(at(folder)(e)),
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let Ok(part) = entry.file_name().into_string() else {
            continue;
        };
        let kind = entry.file_type().map_err(at(folder))?;
        let inner = format!("{name}/{part}");
        if kind.is_dir() {
            walk(&entry.path(), &inner, files)?;
        } else if kind.is_file() && !part.ends_with(".part") {
            files.push((inner, entry.path()));
        }
    }
    Ok(())
}

fn pack(file: File, head: &Head, files: &[(String, PathBuf)]) -> io::Result<()> {
    let mut tar = tar::Builder::new(io::BufWriter::new(file));
    let bytes = serde_json::to_vec_pretty(head)?;
    let mut of = |name: &str, length: u64, from: &mut dyn Read| {
        let mut header = tar::Header::new_gnu();
        header.set_size(length);
        header.set_mode(0o600);
        tar.append_data(&mut header, name, from)
    };
    of(HEAD, bytes.len() as u64, &mut &bytes[..])?;
    for (name, path) in files {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        of(name, length, &mut file.take(length))?;
    }
    tar.into_inner()?
        .into_inner()
        .map_err(io::Error::from)?
        .sync_all()
}

/// Copies to `to`; the SHA-256 of what came.
fn hash(mut from: impl Read, to: &mut dyn Write) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = from.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        hasher.update(&buffer[..n]);
        to.write_all(&buffer[..n])?;
    }
    Ok(super::store::hex(&hasher.finalize()))
}

/// Reads the whole file and proves every hash; what it says of itself.
///
/// # Errors
/// [`BackupError`].
pub fn check(path: &Path) -> Result<Head, BackupError> {
    unpack(path, |_| Ok(None))
}

/// Reads the file; `place` gives where an entry goes, or nowhere.
fn unpack(
    path: &Path,
    place: impl Fn(&Path) -> io::Result<Option<PathBuf>>,
) -> Result<Head, BackupError> {
    let damaged = |what: &str| BackupError::Damaged {
        path: path.into(),
        what: what.into(),
    };
    let broken = |e: io::Error| damaged(&e.to_string());
    let mut tar = tar::Archive::new(io::BufReader::new(File::open(path).map_err(at(path))?));
    let mut entries = tar.entries().map_err(broken)?;
    let first = entries.next().ok_or_else(|| damaged("it is empty"))?;
    let first = first.map_err(broken)?;
    if first.path().map_err(broken)?.as_ref() != Path::new(HEAD) {
        return Err(damaged("it does not begin with its own description"));
    }
    let head: Head = serde_json::from_reader(first.take(HEAD_BYTES_MAX))
        .map_err(|_| damaged("its description can not be read"))?;
    if head.form != FORM {
        return Err(damaged("it was written by a later program"));
    }
    let mut left = head.files.clone();
    for entry in entries {
        let entry = entry.map_err(broken)?;
        let name = entry.path().map_err(broken)?.into_owned();
        let plain = name.components().all(|c| matches!(c, Component::Normal(_)));
        let told = name.to_str().and_then(|n| left.remove(n));
        let (true, Some(told)) = (plain && entry.header().entry_type().is_file(), told) else {
            return Err(damaged(
                "it holds a file that its description does not know",
            ));
        };
        let got = match place(&name).map_err(at(&name))? {
            None => hash(entry, &mut io::sink()).map_err(broken)?,
            Some(target) => {
                let mut file = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&target)
                    .map_err(at(&target))?;
                let got = hash(entry, &mut file).map_err(at(&target))?;
                file.sync_all().map_err(at(&target))?;
                got
            }
        };
        if got != told {
            return Err(damaged(&format!("{} was altered", name.display())));
        }
    }
    match left.keys().next() {
        None => Ok(head),
        Some(name) => Err(damaged(&format!("{name} is missing"))),
    }
}

/// Puts the backup `path` back into `data`. A store that has cases or people is moved aside with `replace`, and refused
/// without. The configuration goes to `config` where that is given. A restore that is cut off is begun anew: until its end
/// the store is the one before, or none.
///
/// # Errors
/// [`BackupError`]; before the first file of the station is touched, but for what the disk says.
pub fn restore(
    data: &Path,
    path: &Path,
    (replace, config): (bool, Option<&Path>),
) -> Result<Head, BackupError> {
    private_dir(data).map_err(at(data))?;
    private_dir(&data.join("run")).map_err(at(data))?;
    let _lock = lock(data)?;
    let part = data.join(PART);
    if part.exists() {
        fs::remove_dir_all(&part).map_err(at(&part))?;
    }
    private_dir(&part).map_err(at(&part))?;
    let done = put_back(data, path, &part, (replace, config));
    let _ = fs::remove_dir_all(&part);
    done
}

fn put_back(
    data: &Path,
    path: &Path,
    part: &Path,
    (replace, config): (bool, Option<&Path>),
) -> Result<Head, BackupError> {
    let head = unpack(path, |name| {
        let target = part.join(name);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(Some(target))
    })?;
    for needed in [STORE, PEPPER] {
        if !head.files.contains_key(needed) {
            return Err(BackupError::Damaged {
                path: path.into(),
                what: format!("{needed} is missing"),
            });
        }
    }
    let seen = Store::examine(part)?;
    if seen.is_none_or(|seen| seen.first_break.is_some()) {
        return Err(BackupError::Damaged {
            path: path.into(),
            what: "its record does not hold".into(),
        });
    }
    let store = data.join(STORE);
    if store.is_file() {
        // Opened and closed, so that what its log holds is in the file.
        let present = Store::open_existing(data)?;
        let (cases, people) = (present.count()?, present.operators()?.len());
        drop(present);
        if (cases > 0 || people > 0) && !replace {
            return Err(BackupError::InUse {
                data: data.into(),
                cases,
                people,
            });
        }
        fs::rename(&store, data.join(ASIDE)).map_err(at(&store))?;
    }
    for log in ["store.db-wal", "store.db-shm"] {
        match fs::remove_file(data.join(log)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(at(&data.join(log))(e)),
            _ => {}
        }
    }
    let cases = part.join(CASES);
    if cases.is_dir() {
        private_dir(&data.join(CASES)).map_err(at(data))?;
        for entry in fs::read_dir(&cases).map_err(at(&cases))?.flatten() {
            let target = data.join(CASES).join(entry.file_name());
            // A case's files are its own: those that are there stay.
            if !target.exists() {
                fs::rename(entry.path(), &target).map_err(at(&target))?;
            }
        }
    }
    if let Some(to) = config.filter(|_| head.files.contains_key(CONFIG)) {
        let bytes = fs::read(part.join(CONFIG)).map_err(at(part))?;
        write_private(to, |file| file.write_all(&bytes)).map_err(at(to))?;
    }
    // The store last: with it there is a station again.
    for name in [PEPPER, STORE] {
        let target = data.join(name);
        fs::rename(part.join(name), &target).map_err(at(&target))?;
        private_file(&target).map_err(at(&target))?;
    }
    File::open(data)
        .and_then(|folder| folder.sync_all())
        .map_err(at(data))?;
    Ok(head)
}

/// The station's lock, so that none begins meanwhile.
pub(super) fn lock(data: &Path) -> Result<File, BackupError> {
    let path = data.join(lock::STATION);
    lock::take(&path)
        .map_err(at(&path))?
        .ok_or_else(|| BackupError::Runs(data.into()))
}

#[cfg(test)]
mod tests;
