//! The record: what happened, when, by whom. Each row carries the hash of the row before, so that a change in the
//! middle shows; triggers forbid UPDATE and DELETE.

use super::{Store, StoreError};
use crate::station::step::Event;
use crate::status::JobState;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// One row of the record, as it is written to `events.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Grows by one.
    pub seq: i64,
    /// When, RFC 3339.
    pub at: String,
    /// Who: an operator, `station`, `designer` or `link`.
    pub actor: String,
    /// Case code; empty when it is about no case.
    pub code: String,
    /// What.
    pub kind: String,
    /// Details.
    pub body: serde_json::Value,
    /// SHA-256 over the hash before and this row, lower-case hex.
    pub hash: String,
}

impl Store {
    /// Writes something into the record that changes no state.
    pub fn note(
        &mut self,
        actor: &str,
        code: &str,
        kind: &str,
        body: &serde_json::Value,
        now: &str,
    ) -> Result<(), StoreError> {
        let tx = self.db.transaction()?;
        append(&tx, now, actor, code, kind, body)?;
        tx.commit()?;
        Ok(())
    }

    /// The record of one case, oldest first.
    pub fn entries(&self, code: &str) -> Result<Vec<Entry>, StoreError> {
        let sql =
            "SELECT seq, at, actor, code, kind, body, hash FROM event WHERE code = ?1 ORDER BY seq";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([code], |r| {
            Ok(Entry {
                seq: r.get(0)?,
                at: r.get(1)?,
                actor: r.get(2)?,
                code: r.get(3)?,
                kind: r.get(4)?,
                body: serde_json::from_str(&r.get::<_, String>(5)?).unwrap_or_default(),
                hash: hex(&r.get::<_, Vec<u8>>(6)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The case of the newest row; `None` when there is no row or it is about no case.
    pub fn last_case(&self) -> Result<Option<String>, StoreError> {
        let sql = "SELECT code FROM event ORDER BY seq DESC LIMIT 1";
        let code: Option<String> = self.db.query_row(sql, [], |r| r.get(0)).optional()?;
        Ok(code.filter(|code| !code.is_empty()))
    }

    /// Computes the chain anew; the number of the first row that does not fit, or `None` when all do.
    pub fn first_break(&self) -> Result<Option<i64>, StoreError> {
        first_break(&self.db)
    }
}

/// See [`Store::first_break`].
pub(super) fn first_break(db: &Connection) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT seq, at, actor, code, kind, body, hash FROM event ORDER BY seq";
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([])?;
    let (mut previous, mut expected) = (Vec::new(), 1);
    while let Some(r) = rows.next()? {
        let seq: i64 = r.get(0)?;
        let [at, actor, code, kind, body] = [
            r.get(1)?,
            r.get(2)?,
            r.get(3)?,
            r.get(4)?,
            r.get::<_, String>(5)?,
        ];
        let stored: Vec<u8> = r.get(6)?;
        if seq != expected || stored != digest(&previous, seq, [&at, &actor, &code, &kind, &body]) {
            return Ok(Some(seq));
        }
        previous = stored;
        expected += 1;
    }
    Ok(None)
}

/// Appends a row within the caller's transaction.
pub(super) fn append(
    db: &Connection,
    now: &str,
    actor: &str,
    code: &str,
    kind: &str,
    body: &serde_json::Value,
) -> Result<(), StoreError> {
    let last: Option<(i64, Vec<u8>)> = db
        .query_row(
            "SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1",
            [],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )
        .optional()?;
    let (seq, previous) = last.map_or((1, Vec::new()), |(seq, hash)| (seq + 1, hash));
    let body = body.to_string();
    let hash = digest(&previous, seq, [now, actor, code, kind, &body]);
    db.execute(
        "INSERT INTO event (seq, at, actor, code, kind, body, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![seq, now, actor, code, kind, body, hash],
    )?;
    Ok(())
}

/// What the record keeps of an event: the change of state and the facts behind it, never a PIN.
pub(super) fn body(from: JobState, to: JobState, event: &Event) -> serde_json::Value {
    let mut body = serde_json::json!({ "from": from.word(), "to": to.word() });
    let facts = match event {
        Event::Designed(design) => serde_json::to_value(design).unwrap_or_default(),
        Event::Refused(why) | Event::DesignFailed(why) | Event::LinkStopped(why) => {
            serde_json::to_value(why).unwrap_or_default()
        }
        Event::DesignerDied { deaths, why } => {
            serde_json::json!({ "deaths_before": deaths, "text": why.text, "do": why.next })
        }
        Event::Released(r) => {
            let mut facts = serde_json::json!({
                "sha256": r.sha256, "spool": r.spool, "side": r.side,
            });
            match r.from_layer {
                None => facts["bed_clear"] = true.into(),
                Some(layer) => {
                    facts["from_layer"] = layer.into();
                    facts["part_holds"] = true.into();
                }
            }
            for (key, who) in [("second", &r.second), ("material_by", &r.material_by)] {
                if !who.is_empty() {
                    facts[key] = who.as_str().into();
                }
            }
            facts
        }
        Event::ReentryAsked(entry) => serde_json::to_value(entry).unwrap_or_default(),
        Event::Rejected(reason) => serde_json::json!({ "text": reason }),
        Event::PutAwayAsked { rule } => serde_json::json!({ "rule": rule }),
        Event::EmergencyStop { taken } => serde_json::json!({ "taken": taken }),
        Event::ScanGrew(piece) => serde_json::json!({ "new_piece": piece.is_some() }),
        Event::StationStarted { restarts } => serde_json::json!({ "restarts_before": restarts }),
        Event::WorkerFree
        | Event::Read
        | Event::PauseAsked
        | Event::ResumeAsked
        | Event::CancelAsked
        | Event::RetryAsked
        | Event::PrintAgainAsked
        | Event::LinkPaused
        | Event::LinkResumed
        | Event::LinkPrinted => serde_json::Value::Null,
    };
    if !facts.is_null() {
        body["facts"] = facts;
    }
    body
}

/// SHA-256 over the previous hash and the row's fields, each with its length before it, so that no two rows can
/// be read as the same bytes.
fn digest(previous: &[u8], seq: i64, fields: [&str; 5]) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(seq.to_le_bytes());
    for field in fields {
        hash.update((field.len() as u64).to_le_bytes());
        hash.update(field.as_bytes());
    }
    hash.finalize().to_vec()
}

/// Lower-case hex.
pub(in crate::station) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, b| {
        let _ = write!(text, "{b:02x}");
        text
    })
}
