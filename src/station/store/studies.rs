//! Studies: which case holds which scan, by the hash of its files, so that a scan that comes twice is noticed.

use super::{Store, StoreError};
use rusqlite::{OptionalExtension, params};

/// Beside the tables of version 1: a store that has it not is given it when it is opened, and a program that does not
/// know it passes it over.
pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS study (
    code TEXT PRIMARY KEY REFERENCES job (code),
    hash TEXT NOT NULL                     -- of the sorted hashes of its files
) STRICT;
CREATE INDEX IF NOT EXISTS study_hash ON study (hash);";

impl Store {
    /// Writes down which study `code` is; the first case that came with the same one before it.
    pub fn study(&mut self, code: &str, hash: &str) -> Result<Option<String>, StoreError> {
        self.db.execute(
            "INSERT INTO study (code, hash) VALUES (?1, ?2) ON CONFLICT (code) DO UPDATE SET hash = ?2",
            params![code, hash],
        )?;
        let sql = "SELECT study.code FROM study JOIN job USING (code)
             WHERE hash = ?2 AND number < (SELECT number FROM job WHERE code = ?1) ORDER BY number LIMIT 1";
        let first = self.db.query_row(sql, params![code, hash], |r| r.get(0));
        Ok(first.optional()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_study_is_known_by_its_hash() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path(), 7).unwrap();
        let mut add = |name: &str| store.add(name, "2026-11-21T14:02:10+01:00").unwrap().code;
        let (a, b, c) = (add("a"), add("b"), add("c"));
        assert_eq!(store.study(&a, "one").unwrap(), None);
        assert_eq!(store.study(&b, "two").unwrap(), None);
        drop(store);
        let mut store = Store::open(dir.path(), 7).unwrap();
        assert_eq!(store.study(&c, "one").unwrap(), Some(a.clone()));
        // Tried anew it is still the first.
        assert_eq!(store.study(&a, "one").unwrap(), None);
    }
}
