//! The list and the history: what people are shown at once, and everything else, page by page.

use super::{Job, Store, StoreError, get};
use rusqlite::Connection;

/// Not over.
const OPEN: &str =
    "state NOT IN ('printed', 'refused', 'failed', 'rejected', 'cancelled', 'stopped')";

impl Store {
    /// Every job that is not over, and the newest `limit` of the others that were not put away; newest first.
    pub fn jobs(&self, limit: u32) -> Result<Vec<Job>, StoreError> {
        self.list(&format!(
            "WHERE {OPEN} OR on_bed = 1 OR number IN (SELECT number FROM job WHERE NOT ({OPEN}) AND away_by = ''
             ORDER BY number DESC LIMIT {limit}) ORDER BY number DESC"
        ))
    }

    /// Every job that is over and was not put away, oldest first.
    pub(in crate::station) fn not_put_away(&self) -> Result<Vec<Job>, StoreError> {
        self.list(&format!(
            "WHERE NOT ({OPEN}) AND away_by = '' ORDER BY number"
        ))
    }

    /// How many jobs there are.
    pub fn count(&self) -> Result<u32, StoreError> {
        Ok(self
            .db
            .query_row("SELECT count(*) FROM job", [], |r| r.get(0))?)
    }
}

/// The newest `limit` jobs that are older than `before`, newest first, those that were put away among them; and how
/// many are older still.
pub(super) fn page(
    db: &Connection,
    before: Option<&str>,
    limit: u32,
) -> Result<(Vec<Job>, u32), StoreError> {
    let number = match before {
        None => i64::MAX,
        Some(code) => {
            get(db, code)?;
            db.query_row("SELECT number FROM job WHERE code = ?1", [code], |r| {
                r.get(0)
            })?
        }
    };
    let clause = "WHERE number < ?1 ORDER BY number DESC LIMIT ?2";
    let mut statement = db.prepare(&format!("SELECT {} FROM job {clause}", super::COLUMNS))?;
    let rows = statement.query_map(rusqlite::params![number, limit], super::read)?;
    let jobs = rows.collect::<Result<Vec<_>, _>>()?;
    let sql = "SELECT count(*) FROM job WHERE number < ?1";
    let all: u32 = db.query_row(sql, [number], |r| r.get(0))?;
    let shown = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
    Ok((jobs, all.saturating_sub(shown)))
}
