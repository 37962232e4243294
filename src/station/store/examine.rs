//! A look at a store from outside, that changes nothing in it: for whoever wants to know whether this program can use it.

use super::{Store, StoreError, migrate, record};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Examined {
    /// Version of the schema; a smaller one than the program's is brought to it at the next start, a larger one was left to
    /// this program by a later one.
    pub version: i64,
    /// First row of the record that does not fit those before it.
    pub first_break: Option<i64>,
}

impl Store {
    /// Looks at `DATA/store.db` without a write; `None`: there is none yet.
    ///
    /// # Errors
    /// [`StoreError::Newer`], [`StoreError::Damaged`], or what SQLite says.
    pub fn examine(data: &Path) -> Result<Option<Examined>, StoreError> {
        let path = data.join("store.db");
        if !path.is_file() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&path, flags)?;
        db.execute_batch("PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF;")?;
        let version = migrate::version_of(&db, &path)?;
        let check: String = db.query_row("PRAGMA quick_check(1)", [], |r| r.get(0))?;
        if check != "ok" {
            return Err(StoreError::Damaged(check));
        }
        // A file that no program has written to yet.
        let first_break = match version {
            0 => None,
            _ => record::first_break(&db)?,
        };
        Ok(Some(Examined {
            version,
            first_break,
        }))
    }
}

impl StoreError {
    /// It is the disk's fault, or that of whoever filled it, and not the program's.
    pub fn is_the_disks(&self) -> bool {
        use rusqlite::ErrorCode::{DiskFull, ReadOnly, SystemIoFailure};
        match self {
            Self::Sqlite(rusqlite::Error::SqliteFailure(e, _)) => {
                matches!(e.code, DiskFull | ReadOnly | SystemIoFailure)
            }
            Self::Io(e) => e.kind() == std::io::ErrorKind::StorageFull,
            _ => false,
        }
    }
}
