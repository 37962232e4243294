//! Acts by their id: what became of each, so that a repeat is answered like the first; and the one instant at which an
//! act begins or never does.

use super::{Store, StoreError};
use crate::status::{ActId, Refused, Reply, Request};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

/// Ids kept; the oldest are forgotten.
const ACTS_MAX: i64 = 10_000;

const OPEN: u8 = 0;
const BEGUN: u8 = 1;
const CLOSED: u8 = 2;

/// Begins once, or is closed once: whoever waits and whoever does it can not both have their way.
#[derive(Clone, Debug, Default)]
pub(in crate::station) struct Ticket(Arc<AtomicU8>);

impl Ticket {
    fn to(&self, state: u8) -> bool {
        let swap = self
            .0
            .compare_exchange(OPEN, state, Ordering::AcqRel, Ordering::Acquire);
        swap.is_ok()
    }
    /// It is done now; `false`: it was closed before.
    pub(in crate::station) fn begin(&self) -> bool {
        self.to(BEGUN)
    }
    /// It was done, by this ticket and not by an earlier act of its id.
    pub(in crate::station) fn is_begun(&self) -> bool {
        self.0.load(Ordering::Acquire) == BEGUN
    }
    /// It will never be done; `false`: it has begun, and an answer comes.
    pub(in crate::station) fn close(&self) -> bool {
        self.to(CLOSED)
    }
}

/// An act on its way through the transaction.
#[derive(Clone, Debug)]
pub(in crate::station) struct Begin {
    /// Its own name.
    pub(in crate::station) id: Option<ActId>,
    /// What it asks, without PINs; see [`digest`].
    pub(in crate::station) digest: String,
    /// It begins before this instant or never.
    pub(in crate::station) by: Instant,
    /// Whether somebody still waits for it.
    pub(in crate::station) ticket: Ticket,
    /// What a repeat of its id is told from the commit on: that it was done, or that the link has not answered.
    pub(in crate::station) first: Reply,
    /// Who vouched for it: name and hash of the PIN as they were checked.
    pub(in crate::station) vouched: Vec<(String, String)>,
}

impl Begin {
    /// The last word before a commit: in time, still waited for, those who vouched still there with their PIN, and
    /// the outcome written down with what is done.
    pub(super) fn in_transaction(
        &self,
        tx: &Connection,
        monotonic: &dyn Fn() -> Instant,
    ) -> Result<(), StoreError> {
        for (name, hash) in &self.vouched {
            let sql = "SELECT hash FROM operator WHERE name = ?1";
            let now: Option<String> = tx.query_row(sql, [name], |r| r.get(0)).optional()?;
            if now.as_ref() != Some(hash) {
                return Err(StoreError::NoMore);
            }
        }
        if let Some(id) = &self.id
            && !insert(tx, id, &self.digest, &self.first)?
        {
            // Closed by who waited for it: that answer stands.
            return Err(StoreError::Late);
        }
        if monotonic() >= self.by || !self.ticket.begin() {
            return Err(StoreError::Late);
        }
        Ok(())
    }
}

impl Store {
    /// Writes something into the record that changes no state, on the word of people.
    pub(in crate::station) fn note_act(
        &mut self,
        actor: &str,
        code: &str,
        kind: &str,
        body: &serde_json::Value,
        now: &str,
        (begin, monotonic): (&Begin, &dyn Fn() -> Instant),
    ) -> Result<(), StoreError> {
        let tx = self.db.transaction()?;
        super::record::append(&tx, now, actor, code, kind, body)?;
        if kind == "bed_clear" {
            tx.execute(
                "UPDATE job SET on_bed = 0 WHERE state NOT IN ('printing', 'paused')",
                [],
            )?;
        }
        if kind == "unlocked" {
            // The gate forgets what it has in memory after this; a station that dies in between has cleared it all the
            // same.
            let name = body["operator"].as_str().unwrap_or_default();
            super::operators::forget_guesses(&tx, &super::operators::canonical(name))?;
        }
        begin.in_transaction(&tx, monotonic)?;
        tx.commit()?;
        Ok(())
    }

    /// What became of the act of this id: `None` when nobody knows it.
    pub(in crate::station) fn outcome(
        &self,
        id: &ActId,
        digest: &str,
    ) -> Result<Option<Reply>, StoreError> {
        outcome(&self.db, id, digest)
    }

    /// What came in the end of an act that the link had to take.
    pub(in crate::station) fn act_ended(
        &mut self,
        id: &ActId,
        reply: &Reply,
    ) -> Result<(), StoreError> {
        ended(&self.db, id, reply)
    }

    /// Writes down that the link refused what stands in the record as asked for: for the case `code`, or the printer
    /// alone, and as what became of the act. `again`: it was given once more, of no act that waits.
    pub(in crate::station) fn refuse_act(
        &mut self,
        (code, kind, again): (&str, &str, bool),
        id: Option<&ActId>,
        refused: &Refused,
        now: &str,
    ) -> Result<(), StoreError> {
        let tx = self.db.transaction()?;
        let mut body = serde_json::json!({ "text": refused.text, "do": refused.next });
        if again {
            body["again"] = true.into();
        }
        super::record::append(&tx, now, "link", code, kind, &body)?;
        if let Some(id) = id {
            ended(&tx, id, &Err(refused.clone()))?;
        }
        tx.commit()?;
        Ok(())
    }

    /// Every act whose outcome is still `open` ends as `reply`: whoever would have ended it has gone.
    pub(in crate::station) fn end_open_acts(
        &mut self,
        open: &Reply,
        reply: &Reply,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE act SET outcome = ?2 WHERE outcome = ?1";
        self.db.execute(sql, params![stored(open), stored(reply)])?;
        Ok(())
    }

    /// Writes down what became of an act that changed nothing.
    pub(in crate::station) fn remember(
        &mut self,
        id: &ActId,
        digest: &str,
        reply: &Reply,
    ) -> Result<(), StoreError> {
        insert(&self.db, id, digest, reply).map(drop)
    }
}

/// See [`Store::outcome`].
pub(super) fn outcome(
    db: &Connection,
    id: &ActId,
    digest: &str,
) -> Result<Option<Reply>, StoreError> {
    let sql = "SELECT digest, outcome FROM act WHERE id = ?1";
    let found: Option<(String, String)> = db
        .query_row(sql, [id.as_str()], |r| Ok((r.get(0)?, r.get(1)?)))
        .optional()?;
    Ok(found.map(|(first, outcome)| {
        if first != digest {
            return Err(id_used());
        }
        match outcome.as_str() {
            "" => Ok(()),
            refused => Err(serde_json::from_str(refused).unwrap_or_else(|_| Refused::late())),
        }
    }))
}

/// An id names one act.
pub(in crate::station) fn id_used() -> Refused {
    let text = "Another act came with this id before.";
    Refused::new("id_used", text, "Give each act an id of its own.")
}

/// Keeps an outcome; `false` when one is kept already. Forgets the oldest beyond the limit.
pub(super) fn insert(
    db: &Connection,
    id: &ActId,
    digest: &str,
    reply: &Reply,
) -> Result<bool, StoreError> {
    let outcome = stored(reply);
    let sql =
        "INSERT INTO act (id, digest, outcome) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO NOTHING";
    let new = db.execute(sql, params![id.as_str(), digest, outcome])? > 0;
    if new {
        let sql = "DELETE FROM act WHERE n <= (SELECT max(n) FROM act) - ?1";
        db.execute(sql, [ACTS_MAX])?;
    }
    Ok(new)
}

fn ended(db: &Connection, id: &ActId, reply: &Reply) -> Result<(), StoreError> {
    let sql = "UPDATE act SET outcome = ?2 WHERE id = ?1";
    db.execute(sql, params![id.as_str(), stored(reply)])?;
    Ok(())
}

/// As it stands in the table.
fn stored(reply: &Reply) -> String {
    match reply {
        Ok(()) => String::new(),
        Err(refused) => serde_json::to_string(refused).unwrap_or_default(),
    }
}

/// SHA-256 of an act without its PINs, hex: the same act again has the same.
pub(in crate::station) fn digest(request: &Request) -> String {
    let mut request = request.clone();
    for (_, pin) in request.vouchers() {
        pin.0.clear();
    }
    let bytes = serde_json::to_vec(&request).unwrap_or_default();
    super::hex(&Sha256::digest(bytes))
}
