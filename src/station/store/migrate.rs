//! From one version of the schema to the next, forward only. Before an existing store is changed, a copy of it is laid
//! beside it, so that the earlier program can be put back.
//!
//! An image that fails its self-test is taken back after its program has migrated. So a step that only adds (tables,
//! columns with a default) leaves the store to the program before: it writes its number as `oldest` into `meta`
//! ([`OLDEST`]), and a program that knows that number goes on with the newer store as it is. Every other step raises the
//! number; an older program then refuses, changes nothing, and names the copy.

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

/// The oldest program, by its version of the schema, that may write to a store of [`VERSION`]. Raised to `VERSION` by a step
/// that changes or removes something, left alone by one that only adds.
const OLDEST: i64 = 3;
/// Where `meta` says it.
const OLDEST_KEY: &str = "oldest";

/// Brings the store to [`VERSION`], each step in a transaction of its own with its number.
///
/// # Errors
/// [`StoreError::Newer`] for a store of a later program; otherwise what SQLite or the disk says.
pub(super) fn migrate(db: &mut Connection, path: &Path, seed: u64) -> Result<(), StoreError> {
    let found = version_of(db, path)?;
    if found > VERSION {
        tracing::warn!(
            found,
            known = VERSION,
            "the store is of a later program, which left it to this one"
        );
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
        if from + 1 == VERSION {
            let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
            tx.execute(sql, rusqlite::params![OLDEST_KEY, OLDEST])?;
        }
        tx.pragma_update(None, "user_version", from + 1)?;
        tx.commit()?;
    }
    Ok(())
}

/// Version of the schema that the file has; 0: nothing was written yet. A later one is given where its program left the
/// store to this one.
///
/// # Errors
/// [`StoreError::Newer`] for a store of a later program that did not.
pub(super) fn version_of(db: &Connection, path: &Path) -> Result<i64, StoreError> {
    let found: i64 = db.query_row("PRAGMA user_version", [], |r| r.get(0))?;
    if (0..=VERSION).contains(&found) {
        return Ok(found);
    }
    let sql = "SELECT value FROM meta WHERE key = ?1";
    // No table, no word: not ours to write to.
    let oldest = db.query_row(sql, [OLDEST_KEY], |r| r.get::<_, i64>(0));
    if found > 0 && oldest.is_ok_and(|oldest| (1..=VERSION).contains(&oldest)) {
        return Ok(found);
    }
    let copy = path.with_file_name(format!("store.v{VERSION}.db"));
    Err(StoreError::Newer {
        found,
        copy: match copy.is_file() {
            true => format!(
                " Or put its copy {} back as store.db: what was recorded since is lost then.",
                copy.display()
            ),
            false => String::new(),
        },
    })
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
