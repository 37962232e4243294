//! The gate: a second, reading connection for everything that must not wait for the engine: who somebody is, what
//! became of an act, the history. It writes wrong PINs and acts that nobody waited for.
//!
//! Holds: one PIN is hashed at a time (19 MiB each), and never on the engine's thread.

use super::acts::{insert, outcome};
use super::guesses::{Guesses, Kept};
use super::operators::{self, canonical};
use super::{Job, Store, StoreError, history};
use crate::status::{ActId, Finding, Refused, Reply, Role};
use rusqlite::{Connection, OptionalExtension, params};
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// Somebody whose PIN was right.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::station) struct Known {
    /// The name as the list has it.
    pub(in crate::station) name: String,
    /// What they may do.
    pub(in crate::station) role: Role,
    /// Hash of their PIN as it was checked.
    pub(in crate::station) hash: String,
}

/// See the module.
#[derive(Debug)]
pub(in crate::station) struct Gate {
    pub(super) store: Store,
    guesses: Guesses,
}

impl Gate {
    /// On a store that is open already.
    pub(in crate::station) fn open(data: &Path) -> Result<Self, StoreError> {
        let store = Store::open_existing(data)?;
        store
            .db
            .execute_batch("PRAGMA busy_timeout = 2000; PRAGMA cache_size = -256;")?;
        Ok(Self {
            store,
            guesses: Guesses::default(),
        })
    }

    /// The store behind it.
    pub(in crate::station) fn store(&self) -> &Store {
        &self.store
    }

    /// The same, to write to.
    pub(in crate::station) fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    fn db(&self) -> &Connection {
        &self.store.db
    }

    /// Is this that person? Wrong PINs are counted; `monotonic` is the present instant.
    pub(in crate::station) fn who(
        &mut self,
        name: &str,
        pin: &str,
        from: Option<IpAddr>,
        monotonic: Instant,
    ) -> Result<Result<Known, Refused>, StoreError> {
        let people = self.store.operators()?;
        if people.is_empty() {
            let next = "Ask IT to add the first person: calvaria operator add NAME.";
            return Ok(Err(Refused::new("nobody", "Nobody may release yet.", next)));
        }
        let folded = canonical(name);
        let person = people.iter().find(|p| p.name == name.trim());
        let person = person.or_else(|| people.iter().find(|p| canonical(&p.name) == folded));
        // Kept in the store for those who exist alone, so that guessing names fills no table.
        let before = match person {
            Some(_) => self.kept(&folded)?,
            None => None,
        };
        let wait = self.guesses.wait(&folded, from, before, monotonic);
        if !wait.is_zero() {
            return Ok(Err(must_wait("locked", "Too many wrong PINs.", wait)));
        }
        let known = person.map(|p| p.hash.as_str());
        if self.store.pin_fits(pin, known)?
            && let Some(person) = person
        {
            self.guesses.right(&folded, from, monotonic);
            if before.is_some() {
                self.keep(&folded, monotonic)?;
            }
            return Ok(Ok(Known {
                name: person.name.clone(),
                role: person.role,
                hash: person.hash.clone(),
            }));
        }
        self.guesses.wrong(&folded, from, monotonic);
        let mut kept = None;
        if person.is_some() {
            self.keep(&folded, monotonic)?;
            kept = self.guesses.to_keep(&folded, monotonic);
        }
        let wait = self.guesses.wait(&folded, from, kept, monotonic);
        Ok(Err(must_wait("wrong_pin", "Name or PIN is wrong.", wait)))
    }

    /// What the store says of a name's wrong PINs.
    fn kept(&self, folded: &str) -> Result<Option<Kept>, StoreError> {
        let sql = "SELECT wrong, heard FROM guess WHERE name = ?1";
        let row = |r: &rusqlite::Row<'_>| {
            let (wrong, heard) = (r.get(0)?, r.get(1)?);
            Ok(Kept { wrong, heard })
        };
        Ok(self.db().query_row(sql, [folded], row).optional()?)
    }

    /// Writes down what is known of a name's wrong PINs, for the next run of the station.
    fn keep(&mut self, folded: &str, now: Instant) -> Result<(), StoreError> {
        let Some(Kept { wrong, heard }) = self.guesses.to_keep(folded, now) else {
            return operators::forget_guesses(self.db(), folded);
        };
        self.db().execute(
            "INSERT INTO guess (name, wrong, heard) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET wrong = ?2, heard = ?3",
            params![folded, wrong, heard],
        )?;
        self.guesses.is_kept(folded);
        Ok(())
    }

    /// Forgets wrong PINs: of one name, or of everybody where `name` is empty.
    pub(in crate::station) fn clear(&mut self, name: &str) -> Result<(), StoreError> {
        let folded = canonical(name);
        self.guesses.clear((!folded.is_empty()).then_some(&folded));
        operators::forget_guesses(self.db(), &folded)
    }

    /// What became of the act of this id.
    pub(in crate::station) fn outcome(
        &self,
        id: &ActId,
        digest: &str,
    ) -> Result<Option<Reply>, StoreError> {
        outcome(self.db(), id, digest)
    }

    /// The act of this id was not begun in time, and never will be. What became of it, if it was done after all.
    pub(in crate::station) fn close(&self, id: &ActId, digest: &str) -> Result<Reply, StoreError> {
        let late = Err(Refused::late());
        if insert(self.db(), id, digest, &late)? {
            return Ok(late);
        }
        Ok(self.outcome(id, digest)?.unwrap_or(late))
    }

    /// See [`history::page`].
    pub(in crate::station) fn history(
        &self,
        before: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<Job>, u32), StoreError> {
        history::page(self.db(), before, limit)
    }

    /// One job and its findings.
    pub(in crate::station) fn job(&self, code: &str) -> Result<(Job, Vec<Finding>), StoreError> {
        Ok((self.store.job(code)?, self.store.findings(code)?))
    }

    /// Findings of a job.
    pub(in crate::station) fn findings(&self, code: &str) -> Result<Vec<Finding>, StoreError> {
        self.store.findings(code)
    }
}

/// A refusal that says how long to wait, if at all.
fn must_wait(code: &str, text: &str, wait: Duration) -> Refused {
    let next = match wait.as_secs_f64().ceil() as u64 {
        0 => "Try again.".into(),
        seconds @ 1..=90 => format!("Wait {seconds} s, then try again."),
        seconds => format!(
            "Wait {} min, then try again, or ask a supervisor to clear it.",
            seconds.div_ceil(60)
        ),
    };
    Refused::new(code, text, next)
}

#[cfg(test)]
mod tests;
