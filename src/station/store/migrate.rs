//! From one version of the schema to the next, forward only. Before an existing store is changed, a copy of it is laid
//! beside it, so that the earlier program can be put back.

use super::StoreError;
use rusqlite::Connection;
use std::path::Path;

/// Version of the schema that this program writes.
pub(super) const VERSION: i64 = 3;
/// What leads from version `n` to `n + 1`, from version 0, the empty file.
const STEPS: [&str; 3] = [
    include_str!("schema.sql"),
    include_str!("schema2.sql"),
    include_str!("schema3.sql"),
];

/// Brings the store to [`VERSION`], each step in a transaction of its own with its number.
///
/// # Errors
/// [`StoreError::Newer`] for a store of a later program; otherwise what SQLite or the disk says.
pub(super) fn migrate(db: &mut Connection, path: &Path, seed: u64) -> Result<(), StoreError> {
    let found: i64 = db.query_row("PRAGMA user_version", [], |r| r.get(0))?;
    if !(0..=VERSION).contains(&found) {
        return Err(StoreError::Newer { found });
    }
    if found > 0 {
        let check: String = db.query_row("PRAGMA quick_check(1)", [], |r| r.get(0))?;
        if check != "ok" {
            return Err(StoreError::Damaged(check));
        }
    }
    if (1..VERSION).contains(&found) {
        keep_copy(db, path, found)?;
    }
    for (from, sql) in (0_i64..).zip(STEPS).filter(|(from, _)| *from >= found) {
        let tx = db.transaction()?;
        let now: i64 = tx.query_row("PRAGMA user_version", [], |r| r.get(0))?;
        // Another process, `calvaria operator` perhaps, was quicker.
        if now > from {
            continue;
        }
        tx.execute_batch(sql)?;
        if from == 0 {
            let seed = seed.cast_signed();
            tx.execute("INSERT INTO meta (key, value) VALUES ('seed', ?1)", [seed])?;
        }
        tx.pragma_update(None, "user_version", from + 1)?;
        tx.commit()?;
    }
    Ok(())
}

/// `store.vN.db` beside the store: written under another name, synced, renamed. One that is there is the older copy of
/// the same step, cut before it was done: replaced.
fn keep_copy(db: &Connection, path: &Path, version: i64) -> Result<(), StoreError> {
    let copy = path.with_file_name(format!("store.v{version}.db"));
    let part = path.with_file_name(format!("store.v{version}.db.part"));
    if part.exists() {
        std::fs::remove_file(&part)?;
    }
    db.execute("VACUUM INTO ?1", [part.to_string_lossy()])?;
    crate::station::folders::private_file(&part)?;
    std::fs::File::open(&part)?.sync_all()?;
    std::fs::rename(&part, &copy)?;
    if let Some(folder) = path.parent() {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}
