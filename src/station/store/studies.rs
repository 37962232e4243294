//! Studies: which case holds which scan: by the hash of its files, so that a scan that comes twice is noticed, and by
//! its series, so that pieces of one series find their case.
//!
//! Holds: a piece is written down before it is moved; until then its row says where in the drop folder it lies. Names,
//!        series and patients are kept as keyed hashes alone, which tell nothing without `DATA/pepper`.

use super::{Job, Store, StoreError, get, record};
use crate::intake::PIECES_MAX;
use crate::station::step::Piece;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

/// Characters of a tag.
const TAG: usize = 32;

impl Store {
    /// A keyed hash of `text`: the same text has the same one, and nobody finds the text from it.
    pub fn tag(&self, text: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(&self.pepper);
        hash.update(b"tag");
        hash.update(text.as_bytes());
        let mut tag = record::hex(&hash.finalize());
        tag.truncate(TAG);
        tag
    }

    /// A new job for the drop whose name has the tag in `piece`, with its series, and the case that it follows.
    pub fn receive(
        &mut self,
        piece: &Piece,
        follows: Option<&str>,
        now: &str,
    ) -> Result<Job, StoreError> {
        let tx = self.db.transaction()?;
        let number: i64 =
            tx.query_row("SELECT coalesce(max(number), 0) + 1 FROM job", [], |r| {
                r.get(0)
            })?;
        let code = crate::station::codes::code(number.unsigned_abs(), self.seed);
        tx.execute(
            "INSERT INTO job (number, code, state, source, received, changed) VALUES (?1, ?2, 'received', ?3, ?4, ?4)",
            params![number, code, piece.source, now],
        )?;
        know(&tx, &code, &piece.series)?;
        let mut body = serde_json::json!({});
        if let Some(first) = follows {
            tx.execute(
                "INSERT INTO follows (code, first) VALUES (?1, ?2)",
                [&code, first],
            )?;
            body["follows"] = first.into();
            record::append(
                &tx,
                now,
                "station",
                first,
                "scan_grew_later",
                &serde_json::json!({ "case": code }),
            )?;
        }
        record::append(&tx, now, "station", &code, "received", &body)?;
        let job = get(&tx, &code)?;
        tx.commit()?;
        Ok(job)
    }

    /// The jobs that hold one of these series, newest first.
    pub fn with_series(&self, series: &[String]) -> Result<Vec<Job>, StoreError> {
        let mut statement = self
            .db
            .prepare_cached("SELECT code FROM series WHERE key = ?1")?;
        let mut codes = std::collections::BTreeSet::<String>::new();
        for key in series {
            for code in statement.query_map([key], |r| r.get(0))? {
                codes.insert(code?);
            }
        }
        let mut jobs = codes
            .iter()
            .map(|code| {
                let sql = "SELECT number FROM job WHERE code = ?1";
                let number: i64 = self.db.query_row(sql, [code], |r| r.get(0))?;
                Ok((number, get(&self.db, code)?))
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        jobs.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        Ok(jobs.into_iter().map(|(_, job)| job).collect())
    }

    /// The case that `code` follows.
    pub fn follows(&self, code: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT first FROM follows WHERE code = ?1";
        Ok(self.db.query_row(sql, [code], |r| r.get(0)).optional()?)
    }

    /// Whether a case that is not over is made of what `code` has.
    pub fn is_lent(&self, code: &str) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) FROM follows JOIN job USING (code)
             WHERE first = ?1 AND state IN ('received', 'reading', 'designing')";
        let count: u32 = self.db.query_row(sql, [code], |r| r.get(0))?;
        Ok(count > 0)
    }

    /// Pieces of `code` that are not yet taken out of the drop folder: number, and tag of the name.
    pub fn pending(&self, code: &str) -> Result<Vec<(u32, String)>, StoreError> {
        let sql = "SELECT 1, source FROM job WHERE code = ?1 AND source != ''
             UNION ALL SELECT n, source FROM piece WHERE code = ?1 AND source != '' ORDER BY 1";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([code], |r| Ok((r.get(0)?, r.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many pieces `code` has.
    pub fn pieces(&self, code: &str) -> Result<usize, StoreError> {
        let sql = "SELECT count(*) + 1 FROM piece WHERE code = ?1";
        let count: u32 = self.db.query_row(sql, [code], |r| r.get(0))?;
        Ok(count as usize)
    }

    /// Whether one more piece may be added to `code`; one place is kept for what an earlier case had.
    pub fn has_room_for_a_piece(&self, code: &str) -> Result<bool, StoreError> {
        Ok(self.pieces(code)? + 1 < PIECES_MAX)
    }

    /// Piece `n` of `code` has been taken, or is not there any more: its name's tag is forgotten.
    pub fn piece_taken(&mut self, code: &str, n: u32) -> Result<(), StoreError> {
        if n == 1 {
            return self.taken(code);
        }
        self.db.execute(
            "UPDATE piece SET source = '' WHERE code = ?1 AND n = ?2",
            params![code, n],
        )?;
        Ok(())
    }

    /// Writes down what the files of `code` looked like when its design began.
    pub fn set_print(&mut self, code: &str, print: i64) -> Result<(), StoreError> {
        self.db.execute(
            "INSERT INTO input (code, print) VALUES (?1, ?2) ON CONFLICT (code) DO UPDATE SET print = ?2",
            params![code, print],
        )?;
        Ok(())
    }

    /// What the files of `code` looked like when its design began.
    pub fn print(&self, code: &str) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT print FROM input WHERE code = ?1";
        Ok(self.db.query_row(sql, [code], |r| r.get(0)).optional()?)
    }

    /// A drop that looks so was copied and could not be removed.
    pub fn leave(&mut self, print: i64) -> Result<(), StoreError> {
        self.db.execute(
            "INSERT OR IGNORE INTO left_over (print) VALUES (?1)",
            [print],
        )?;
        Ok(())
    }

    /// Whether a drop that looks so was taken before.
    pub fn was_left(&self, print: i64) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) FROM left_over WHERE print = ?1";
        let count: u32 = self.db.query_row(sql, [print], |r| r.get(0))?;
        Ok(count > 0)
    }

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

/// Writes down a further piece of `code`, within the caller's transaction.
pub(super) fn add_piece(db: &Connection, code: &str, piece: &Piece) -> Result<(), StoreError> {
    db.execute(
        "INSERT INTO piece (code, n, source)
         SELECT ?1, coalesce(max(n), 1) + 1, ?2 FROM piece WHERE code = ?1",
        params![code, piece.source],
    )?;
    know(db, code, &piece.series)
}

fn know(db: &Connection, code: &str, series: &[String]) -> Result<(), StoreError> {
    for key in series {
        db.execute(
            "INSERT OR IGNORE INTO series (key, code) VALUES (?1, ?2)",
            [key, code],
        )?;
    }
    Ok(())
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
