//! Reset: a station is made a new one, with or without the cases that it keeps.
//!
//! In:    a data folder on which no station runs.
//! Out:   the same without people, certificate, setup code and updates; or an empty one.
//! Holds: the record stays whole where cases are kept, and says who was taken off the list. Cut off, it is begun anew.
//! Never: anything outside the data folder.

use super::backup::{self, BackupError};
use super::store::Store;
use std::path::Path;
use std::{fs, io};

/// What is no case's and no record's.
const OWN: [&str; 5] = ["tls", "update", "upload", "scratch", "setup.json"];

/// Takes everything that is this station's own out of `data`, and with `keep_cases` leaves cases, originals, drops and the
/// record. `now`: RFC 3339.
///
/// # Errors
/// That a station runs on it; what store and disk say.
pub fn reset(data: &Path, keep_cases: bool, now: &str) -> Result<(), BackupError> {
    if !data.is_dir() {
        return Ok(());
    }
    let of = |path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::File { path, source }
    };
    let run = data.join("run");
    super::folders::private_dir(&run).map_err(of(&run))?;
    let _lock = backup::lock(data)?;
    if keep_cases && data.join("store.db").is_file() {
        let mut store = Store::open_existing(data)?;
        for person in store.operators()? {
            store.remove_operator(&person.name, now)?;
        }
    }
    for entry in fs::read_dir(data).map_err(of(data))? {
        let entry = entry.map_err(of(data))?;
        let name = entry.file_name();
        // The lock lies in `run`.
        let goes = match keep_cases {
            true => OWN.iter().any(|own| name == *own),
            false => name != "run",
        };
        if !goes {
            continue;
        }
        let path = entry.path();
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let gone = match is_dir {
            true => fs::remove_dir_all(&path),
            false => fs::remove_file(&path),
        };
        match gone {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(of(&path)(e)),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Role;

    const NOW: &str = "2026-11-30T08:00:00+01:00";

    #[test]
    fn people_and_keys_go_and_cases_stay_or_go_with_them() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let mut store = Store::open(&data, 7).unwrap();
        for name in ["M. Curie", "A. Weber"] {
            store
                .add_operator(name, "481516", Role::Supervisor, NOW)
                .unwrap();
        }
        let code = store.add("tag", NOW).unwrap().code;
        drop(store);
        for folder in ["tls", "cases", "done"] {
            fs::create_dir_all(data.join(folder).join("x")).unwrap();
        }
        fs::write(data.join("setup.json"), "{}").unwrap();
        reset(&data, true, NOW).unwrap();
        let store = Store::open_existing(&data).unwrap();
        assert_eq!(store.operators().unwrap(), []);
        assert_eq!(store.job(&code).unwrap().code, code);
        assert_eq!(store.first_break().unwrap(), None);
        drop(store);
        assert!(data.join("cases/x").is_dir() && data.join("done/x").is_dir());
        assert!(!data.join("tls").exists() && !data.join("setup.json").exists());
        // A running station is left alone.
        let held = backup::lock(&data).unwrap();
        assert!(matches!(
            reset(&data, false, NOW),
            Err(BackupError::Runs(_))
        ));
        drop(held);
        reset(&data, false, NOW).unwrap();
        let left: Vec<_> = fs::read_dir(&data).unwrap().flatten().collect();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].file_name(), "run");
    }
}
