//! State: what an event leaves in a job's row, besides the record.

use super::{Job, StoreError, studies};
use crate::station::step::Event;
use crate::status::{JobState, Reason, Reentry};
use rusqlite::{Transaction, params};

/// The row after `event`: the state, and what the event says about the job.
pub(super) fn write(
    tx: &Transaction<'_>,
    job: &Job,
    to: JobState,
    event: &Event,
    (actor, now): (&str, &str),
) -> Result<(), StoreError> {
    let code = &job.code;
    let since = match event {
        // Off the list it has been over for as long as before.
        Event::PutAwayAsked { .. } => job.changed.as_str(),
        _ => now,
    };
    tx.execute(
        "UPDATE job SET state = ?2, changed = ?3 WHERE code = ?1",
        params![code, to.word(), since],
    )?;
    if to != job.state && job.away.is_some() {
        // It lives again: back on the list.
        put_away(tx, code, "", "", "")?;
    }
    if let Some(why) = reason_after(event, to) {
        tx.execute(
            "UPDATE job SET reason = ?2, next = ?3 WHERE code = ?1",
            params![code, why.text, why.next],
        )?;
    }
    match event {
        Event::WorkerFree => {
            // A new look at the files finds everything anew.
            tx.execute("DELETE FROM finding WHERE code = ?1", [code])?;
            tx.execute("UPDATE job SET design = NULL WHERE code = ?1", [code])?;
        }
        Event::Designed(design) => {
            let body = serde_json::to_string(design).unwrap_or_default();
            tx.execute(
                "UPDATE job SET design = ?2 WHERE code = ?1",
                params![code, body],
            )?;
        }
        Event::DesignerDied { .. } => {
            tx.execute("UPDATE job SET deaths = deaths + 1 WHERE code = ?1", [code])?;
        }
        Event::Released(release) => {
            // Somebody saw that the bed is clear; from now on it is not.
            tx.execute("UPDATE job SET on_bed = (code = ?1)", [code])?;
            tx.execute(
                "UPDATE job SET operator = ?2, spool = ?3, second = ?4 WHERE code = ?1",
                params![code, release.operator, release.spool, release.second],
            )?;
        }
        Event::ScanGrew(piece) => {
            tx.execute(
                "UPDATE job SET deaths = 0, restarts = 0 WHERE code = ?1",
                [code],
            )?;
            if let Some(piece) = piece {
                studies::add_piece(tx, code, piece)?;
            }
        }
        Event::RetryAsked => {
            tx.execute(
                "UPDATE job SET deaths = 0, restarts = 0 WHERE code = ?1",
                [code],
            )?;
        }
        Event::StationStarted { .. } => {
            tx.execute(
                "UPDATE job SET restarts = restarts + 1 WHERE code = ?1",
                [code],
            )?;
        }
        Event::PutAwayAsked { rule } => put_away(tx, code, actor, now, rule)?,
        Event::ReentryAsked(entry) => choose(tx, job, Some(entry))?,
        Event::PrintAgainAsked => choose(tx, job, None)?,
        Event::Refused(_)
        | Event::DesignFailed(_)
        | Event::Rejected(_)
        | Event::LinkStopped(_)
        | Event::EmergencyStop { .. }
        | Event::Read
        | Event::PauseAsked
        | Event::ResumeAsked
        | Event::CancelAsked
        | Event::LinkPaused
        | Event::LinkResumed
        | Event::LinkPrinted => {}
    }
    Ok(())
}

/// What is released next: the rest of a part, or the whole one.
fn choose(tx: &Transaction<'_>, job: &Job, entry: Option<&Reentry>) -> Result<(), StoreError> {
    let Some(mut design) = job.design.clone() else {
        return Ok(());
    };
    design.entry = entry.cloned();
    let body = serde_json::to_string(&design).unwrap_or_default();
    tx.execute(
        "UPDATE job SET design = ?2 WHERE code = ?1",
        params![job.code, body],
    )?;
    Ok(())
}

fn put_away(
    tx: &Transaction<'_>,
    code: &str,
    by: &str,
    at: &str,
    rule: &str,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE job SET away_by = ?2, away_at = ?3, away_rule = ?4 WHERE code = ?1",
        params![code, by, at, rule],
    )?;
    Ok(())
}

/// Why a job stands where `event` brought it; `None`: what was said before still holds.
fn reason_after(event: &Event, to: JobState) -> Option<Reason> {
    match event {
        Event::Refused(why)
        | Event::DesignFailed(why)
        | Event::LinkStopped(why)
        | Event::DesignerDied { why, .. } => Some(why.clone()),
        Event::Designed(_) if to == JobState::Failed => {
            let text = "The designer ended without having read the files.";
            Some(Reason::new(text, "Retry; if it happens again, tell IT."))
        }
        Event::Designed(_)
        | Event::Released(_)
        | Event::ScanGrew(_)
        | Event::RetryAsked
        | Event::ReentryAsked(_)
        | Event::PrintAgainAsked => Some(Reason::default()),
        Event::Rejected(reason) => Some(Reason::new(
            reason,
            "Nothing is printed. Drop the scan again if it shall be designed anew.",
        )),
        Event::EmergencyStop { taken: false } => {
            let text = "Emergency stop was pressed, and the printer link did not answer: the printer may still print.";
            let next = "Use the switch at the printer. Clear the bed, then print again or give the case up.";
            Some(Reason::new(text, next))
        }
        Event::EmergencyStop { taken: true } => {
            let next = "Look at the printer. Clear the bed, then print again or give the case up.";
            Some(Reason::new("Emergency stop was pressed.", next))
        }
        Event::StationStarted { .. } if to == JobState::Failed => {
            let text = "The station was restarted again and again while it worked on this case.";
            Some(Reason::new(text, "Tell IT before you retry."))
        }
        Event::StationStarted { .. }
        | Event::PutAwayAsked { .. }
        | Event::WorkerFree
        | Event::Read
        | Event::PauseAsked
        | Event::ResumeAsked
        | Event::CancelAsked
        | Event::LinkPaused
        | Event::LinkResumed
        | Event::LinkPrinted => None,
    }
}
