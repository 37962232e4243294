//! Store: jobs, findings, operators and the record, in one SQLite file that survives a power cut.
//!
//! In:    [`Event`]s for jobs, findings, names and PINs, and the time (RFC 3339) as an argument.
//! Out:   [`Job`]s, and the [`Action`]s to carry out after the commit.
//! Holds: a job's state and the event that changed it are committed in one transaction, synced to disk (WAL,
//!        `synchronous=FULL`). Events are chained by hash and never changed (triggers). At most one job prints.
//! Never: a file name that people see, a patient's name; the drop's own name only as a keyed hash, until it is taken.

use super::step::{Action, Event, Piece, step};
use crate::status::{DesignSummary, Finding, JobState, PutAway, Reason};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::path::Path;
use std::time::Instant;

pub(in crate::station) mod acts;
mod examine;
mod gate;
mod guesses;
mod history;
mod migrate;
mod operators;
mod record;
mod state;
mod studies;

pub(in crate::station) use acts::{Begin, Ticket};
pub use examine::Examined;
pub(in crate::station) use gate::{Gate, Known};
pub use operators::Operator;
pub(in crate::station) use operators::canonical;
pub use record::Entry;
pub(in crate::station) use record::hex;

/// Findings kept of one case.
const FINDINGS_MAX: i64 = 200;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite says no.
    #[error("the store: {0}. Check that the disk is neither full nor broken.")]
    Sqlite(#[from] rusqlite::Error),
    /// The file can not be made or protected.
    #[error("the store's folder: {0}. Check its owner and rights.")]
    Io(#[from] std::io::Error),
    /// Written by a later program.
    #[error(
        "the store is of version {found}, this program knows {} and may not write to it. Install the newer program.{copy}",
        migrate::VERSION
    )]
    Newer {
        /// What the file says.
        found: i64,
        /// Where a copy lies that this program can use, and what is lost with it; empty: there is none.
        copy: String,
    },
    /// The file is damaged.
    #[error("the store is damaged: {0}. Keep the file and restore a copy.")]
    Damaged(String),
    /// There is no such job.
    #[error("there is no case {0}. Look at the list for its code.")]
    NoJob(String),
    /// The act is not allowed in the job's state.
    #[error("{code} is {}, so `{event}` can not be done.", state.word())]
    NotAllowed {
        /// Which job.
        code: String,
        /// Its state.
        state: JobState,
        /// What was asked.
        event: &'static str,
    },
    /// Another job is on the printer.
    #[error("another case is on the printer. Wait until it is done.")]
    SecondPrint,
    /// An act that did not begin by its deadline: it never will.
    #[error("the act did not begin in time and was not done. Try again.")]
    Late,
    /// Who vouched for an act is no operator any more, or has another PIN.
    #[error("who asked is no operator any more or has a new PIN. Ask who may release.")]
    NoMore,
    /// No store where one was expected.
    #[error(
        "{0} holds no store. Give the station's data folder with --data or --config; a new one begins with its first operator, added without --data."
    )]
    None(String),
    /// A name that no operator may have.
    #[error("the name can not be taken: {0}.")]
    Name(&'static str),
    /// A PIN that is too easy, or none.
    #[error("the PIN can not be taken: {0}.")]
    WeakPin(&'static str),
    /// The hash of a PIN could not be made.
    #[error("the PIN could not be hashed: {0}.")]
    Pin(String),
}

/// A job as the store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Case code.
    pub code: String,
    /// Where it stands.
    pub state: JobState,
    /// Tag of its name in the drop folder; empty once the drop is taken. Never shown.
    pub source: String,
    /// Why it stands there, and what to do.
    pub reason: Reason,
    /// What was designed.
    pub design: Option<DesignSummary>,
    /// How often its designer died.
    pub deaths: u32,
    /// How often the station was restarted while it was read or designed.
    pub restarts: u32,
    /// Who released it the last time; empty: nobody ever did.
    pub operator: String,
    /// Who released it with them; empty: nobody.
    pub second: String,
    /// Spool of the last print.
    pub spool: String,
    /// Its part, or the rest of it, lies on the bed as far as is known.
    pub on_bed: bool,
    /// Off the list, and by whom.
    pub away: Option<PutAway>,
    /// When it was received, RFC 3339.
    pub received: String,
    /// When its state last changed, RFC 3339.
    pub changed: String,
}

impl Job {
    /// It was released at least once: a part of its design lies somewhere, whatever state it is in by now.
    pub fn was_released(&self) -> bool {
        !self.operator.is_empty()
    }
}

/// What a committed event did.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The job after it.
    pub job: Job,
    /// State before it.
    pub from: JobState,
    /// What has to be done now.
    pub actions: Vec<Action>,
    /// The event had a consequence and stands in the record.
    pub recorded: bool,
}

/// The open store. One writer: the station.
#[derive(Debug)]
pub struct Store {
    db: Connection,
    seed: u64,
    pepper: Vec<u8>,
}

impl Store {
    /// Opens the store of a station that has run on `data` before; makes nothing.
    ///
    /// # Errors
    /// [`StoreError::None`] when there is no store, otherwise as [`Store::open`].
    pub fn open_existing(data: &Path) -> Result<Self, StoreError> {
        if !data.join("store.db").is_file() {
            return Err(StoreError::None(data.display().to_string()));
        }
        // The seed is only for a new store.
        Self::open(data, 0)
    }

    /// Opens `DATA/store.db`, making it if it is not there. `seed` makes the case codes of a new store.
    pub fn open(data: &Path, seed: u64) -> Result<Self, StoreError> {
        super::folders::private_dir(data)?;
        let path = data.join("store.db");
        let mut db = Connection::open(&path)?;
        super::folders::private_file(&path)?;
        db.execute_batch(
            "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON;
             PRAGMA journal_size_limit = 4194304; PRAGMA cache_size = -1024;",
        )?;
        // A transaction that began by reading is not let wait for another writer: it would be refused at once.
        db.set_transaction_behavior(rusqlite::TransactionBehavior::Immediate);
        migrate::migrate(&mut db, &path, seed)?;
        let seed: i64 = db.query_row("SELECT value FROM meta WHERE key = 'seed'", [], |r| {
            r.get(0)
        })?;
        let pepper = operators::pepper(data)?;
        Ok(Self {
            db,
            seed: seed.cast_unsigned(),
            pepper,
        })
    }

    /// A copy of the store as it is now, in a new file at `path`; the store may be written to meanwhile.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        self.db
            .execute("VACUUM INTO ?1", [path.to_string_lossy()])?;
        Ok(super::folders::private_file(path)?)
    }

    /// A new job for the drop whose name has the tag `source`.
    pub fn add(&mut self, source: &str, now: &str) -> Result<Job, StoreError> {
        let piece = Piece {
            source: source.into(),
            series: Vec::new(),
        };
        self.receive(&piece, None, now)
    }

    /// The drop of `code` has been taken: its own name is forgotten.
    pub fn taken(&mut self, code: &str) -> Result<(), StoreError> {
        self.db
            .execute("UPDATE job SET source = '' WHERE code = ?1", [code])?;
        Ok(())
    }

    /// One step of one job, with its event, in one transaction. `actor` is an operator, `station`, `designer` or
    /// `link`. An event without consequence is not recorded.
    pub fn apply(
        &mut self,
        code: &str,
        event: &Event,
        actor: &str,
        now: &str,
    ) -> Result<Applied, StoreError> {
        self.step(code, event, actor, now, None)
    }

    /// As [`Store::apply`], on the word of people: begun in time and remembered by its id, all in the one transaction.
    pub(in crate::station) fn apply_act(
        &mut self,
        code: &str,
        event: &Event,
        actor: &str,
        now: &str,
        act: (&Begin, &dyn Fn() -> Instant),
    ) -> Result<Applied, StoreError> {
        self.step(code, event, actor, now, Some(act))
    }

    fn step(
        &mut self,
        code: &str,
        event: &Event,
        actor: &str,
        now: &str,
        act: Option<(&Begin, &dyn Fn() -> Instant)>,
    ) -> Result<Applied, StoreError> {
        let tx = self.db.transaction()?;
        let before = get(&tx, code)?;
        let from = before.state;
        // Back at the release after a print it is still what was printed: more of its scan is a case of its own.
        let is_settled = before.was_released() && matches!(event, Event::ScanGrew(_));
        let Some((to, actions)) = step(from, event).filter(|_| !is_settled) else {
            return Err(StoreError::NotAllowed {
                code: code.into(),
                state: from,
                event: event.kind(),
            });
        };
        let quiet = from == to
            && !matches!(event, Event::PutAwayAsked { .. })
            && (actions.is_empty() || matches!(event, Event::StationStarted { .. }));
        if quiet {
            return Ok(Applied {
                job: before,
                from,
                actions,
                recorded: false,
            });
        }
        state::write(&tx, &before, to, event, (actor, now)).map_err(|e| match e {
            StoreError::Sqlite(rusqlite::Error::SqliteFailure(f, _))
                if f.code == rusqlite::ErrorCode::ConstraintViolation =>
            {
                StoreError::SecondPrint
            }
            other => other,
        })?;
        let body = record::body(from, to, event);
        record::append(&tx, now, actor, code, event.kind(), &body)?;
        let job = get(&tx, code)?;
        if let Some((begin, monotonic)) = act {
            begin.in_transaction(&tx, monotonic)?;
        }
        tx.commit()?;
        Ok(Applied {
            job,
            from,
            actions,
            recorded: true,
        })
    }

    /// One job.
    pub fn job(&self, code: &str) -> Result<Job, StoreError> {
        get(&self.db, code)
    }

    /// Every job, oldest first.
    pub fn all(&self) -> Result<Vec<Job>, StoreError> {
        self.list("ORDER BY number")
    }

    /// The oldest job that waits for a designer.
    pub fn next_received(&self) -> Result<Option<Job>, StoreError> {
        Ok(self
            .list("WHERE state = 'received' ORDER BY number LIMIT 1")?
            .pop())
    }

    /// The job on the printer.
    pub fn on_printer(&self) -> Result<Option<Job>, StoreError> {
        Ok(self.list("WHERE state IN ('printing', 'paused')")?.pop())
    }

    /// How many jobs are not yet designed.
    pub fn waiting(&self) -> Result<u32, StoreError> {
        let sql = "SELECT count(*) FROM job WHERE state IN ('received', 'reading', 'designing')";
        Ok(self.db.query_row(sql, [], |r| r.get(0))?)
    }

    fn list(&self, clause: &str) -> Result<Vec<Job>, StoreError> {
        let mut statement = self
            .db
            .prepare(&format!("SELECT {COLUMNS} FROM job {clause}"))?;
        let rows = statement.query_map([], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Adds a finding to a job; beyond a limit they are dropped, since a designer is not trusted to end.
    pub fn add_finding(&mut self, code: &str, finding: &Finding) -> Result<(), StoreError> {
        let body = serde_json::to_string(finding).unwrap_or_default();
        self.db.execute(
            "INSERT INTO finding (code, n, body)
             SELECT ?1, coalesce(max(n), 0) + 1, ?2 FROM finding WHERE code = ?1 HAVING coalesce(max(n), 0) < ?3",
            params![code, body, FINDINGS_MAX],
        )?;
        Ok(())
    }

    /// Findings of a job, in the order they were found.
    pub fn findings(&self, code: &str) -> Result<Vec<Finding>, StoreError> {
        let mut statement = self
            .db
            .prepare_cached("SELECT body FROM finding WHERE code = ?1 ORDER BY n")?;
        let rows = statement.query_map([code], |r| r.get::<_, String>(0))?;
        let bodies = rows.collect::<Result<Vec<_>, _>>()?;
        Ok(bodies
            .iter()
            .filter_map(|b| serde_json::from_str(b).ok())
            .collect())
    }
}

const COLUMNS: &str = "code, state, source, reason, next, design, deaths, restarts, operator, received, changed, \
     second, spool, on_bed, away_by, away_at, away_rule";

fn read(row: &Row<'_>) -> rusqlite::Result<Job> {
    let word: String = row.get(1)?;
    let state = JobState::ALL
        .into_iter()
        .find(|s| s.word() == word)
        .ok_or_else(|| rusqlite::Error::InvalidColumnName(word))?;
    let design: Option<String> = row.get(5)?;
    let away = PutAway {
        by: row.get(14)?,
        at: row.get(15)?,
        rule: row.get(16)?,
    };
    Ok(Job {
        code: row.get(0)?,
        state,
        source: row.get(2)?,
        reason: Reason::new(row.get::<_, String>(3)?, row.get::<_, String>(4)?),
        design: design.and_then(|d| serde_json::from_str(&d).ok()),
        deaths: row.get(6)?,
        restarts: row.get(7)?,
        operator: row.get(8)?,
        received: row.get(9)?,
        changed: row.get(10)?,
        second: row.get(11)?,
        spool: row.get(12)?,
        on_bed: row.get(13)?,
        away: (!away.by.is_empty()).then_some(away),
    })
}

fn get(db: &Connection, code: &str) -> Result<Job, StoreError> {
    db.query_row(
        &format!("SELECT {COLUMNS} FROM job WHERE code = ?1"),
        [code],
        read,
    )
    .optional()?
    .ok_or_else(|| StoreError::NoJob(code.into()))
}

#[cfg(test)]
mod tests;
