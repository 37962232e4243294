//! Drops: what lies complete in the drop folder becomes a job, or a piece of one; a job's drop lies where its state says.
//!
//! Holds: pieces of one series of one person belong to one case. Until its first release they are added to it, and it
//!        is designed anew; afterwards, whatever state it is in, they become a case of their own that is made of all of them, and both say so.
//! Never: two people's files in one case; a piece that is neither in the drop folder nor in its case.

use super::{Engine, QUEUE_MAX};
use crate::intake::Look;
use crate::station::failpoint;
use crate::station::folders::Taken;
use crate::station::step::{Event, Piece, Place};
use crate::station::store::{Job, StoreError};
use crate::status::{Finding, JobState, Reason};
use std::collections::BTreeSet;

/// A refused or failed case this old is not tried anew by itself when more of its scan comes, hours.
const JOIN_MAX_H: i64 = 24;
/// Event and finding: the drop was copied, because it could not be moved.
const COPIED: &str = "drop_copied";

impl Engine {
    /// Takes a drop out of the drop folder. `false`: it has to wait there.
    pub(super) fn take(&mut self, name: &str, look: &Look) -> bool {
        if self.was_left(name) {
            return true;
        }
        let full = self.store.waiting().is_ok_and(|n| n >= QUEUE_MAX);
        if full || self.disk.is_some() {
            return false;
        }
        // Files of two people are refused when they are read: they are no piece of either one's case, and what comes of
        // either later is no piece of theirs.
        let series = match look.is_mixed() {
            true => BTreeSet::new(),
            false => look.series(),
        };
        let piece = Piece {
            series: series.iter().map(|key| self.store.tag(key)).collect(),
            source: self.store.tag(name),
        };
        match self.take_piece(&piece) {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "a drop could not be recorded");
                false
            }
        }
    }

    fn take_piece(&mut self, piece: &Piece) -> Result<(), StoreError> {
        let same = self.store.with_series(&piece.series)?;
        for job in &same {
            if self.may_join(job)? {
                tracing::info!(case = %job.code, "more of the scan came");
                return self.try_apply(&job.code, &Event::ScanGrew(Some(piece.clone())), "station");
            }
        }
        let first = (same.iter()).find(|job| !self.folders.inputs(&job.code).is_empty());
        let first = match first {
            Some(job) if self.store.has_room_for_a_piece(&job.code)? => Some(job),
            _ => None,
        };
        let now = self.now();
        let job = (self.store).receive(piece, first.map(|job| job.code.as_str()), &now)?;
        tracing::info!(case = %job.code, "received");
        failpoint::hit("received");
        self.place(&job, Place::Work);
        self.export(&job.code);
        if let Some(first) = first {
            self.say_more_came(first, &job.code);
        }
        Ok(())
    }

    /// Whether a piece may still be added to this case.
    fn may_join(&self, job: &Job) -> Result<bool, StoreError> {
        use JobState as S;
        let open = match job.state {
            S::Received | S::Reading | S::Designing | S::AwaitingRelease => true,
            S::Refused | S::Failed => self.hours_since(&job.changed) < JOIN_MAX_H,
            S::Printing | S::Paused | S::Printed | S::Rejected | S::Cancelled | S::Stopped => false,
        };
        let is_kept = !self.folders.inputs(&job.code).is_empty()
            || !self.store.pending(&job.code)?.is_empty();
        Ok(open && !job.was_released() && is_kept && self.store.has_room_for_a_piece(&job.code)?)
    }

    /// A case that is over, or on the printer, is told that `code` holds the same scan.
    fn say_more_came(&mut self, first: &Job, code: &str) {
        let finding = match first.state {
            JobState::Rejected | JobState::Cancelled | JobState::Refused | JobState::Failed => {
                let text = format!("More of this scan, or the same again, came later: see {code}.");
                Finding::info("more_came", text)
            }
            _ => {
                let text = format!(
                    "More of this scan, or the same again, came after its release: see {code}, which is designed from all of it. Compare the two before you use this part."
                );
                Finding::warn("more_came", text)
            }
        };
        self.add_finding(&first.code, &finding);
        self.export(&first.code);
    }

    pub(super) fn add_finding(&mut self, code: &str, finding: &Finding) {
        if let Err(error) = self.store.add_finding(code, finding) {
            tracing::error!(case = code, %error, "a finding could not be kept");
        }
        self.dirty = true;
    }

    /// It was taken before, and could only be copied.
    fn was_left(&self, name: &str) -> bool {
        let print = self.folders.print_in_drop(name);
        self.store.was_left(print).unwrap_or(false)
    }

    /// Moves the drop of a job. The reason is there before the drop is: a cut between leaves no drop unexplained.
    pub(super) fn place(&mut self, job: &Job, place: Place) {
        if place == Place::Quarantine {
            self.write_reason(job);
        }
        let code = job.code.as_str();
        self.take_pending(code, place);
        match self.folders.move_to(place, code) {
            Ok(true) => {}
            Ok(false) => tracing::warn!(case = code, "the drop is not there any more"),
            Err(error) => {
                tracing::error!(case = code, kind = ?error.kind(), "the drop could not be moved");
            }
        }
    }

    /// Takes what the store says still lies in the drop folder.
    fn take_pending(&mut self, code: &str, place: Place) {
        let pending = self.store.pending(code).unwrap_or_default();
        if pending.is_empty() {
            return;
        }
        let dropped = self.folders.dropped();
        for (n, source) in pending {
            // Stores of earlier versions hold the name itself.
            let is_it = |name: &&String| **name == source || self.store.tag(name) == source;
            let name = dropped.iter().find(is_it);
            let taken = match self.folders.take(place, code, n, name.map(String::as_str)) {
                Ok(taken) => taken,
                Err(error) => {
                    tracing::error!(case = code, kind = ?error.kind(), "a piece could not be taken");
                    continue;
                }
            };
            if let (Taken::Copied, Some(name)) = (taken, name) {
                self.left_in_drop(code, n, name);
            }
            if taken == Taken::Gone {
                tracing::warn!(case = code, "a piece is not in the drop folder any more");
            }
            if let Err(error) = self.store.piece_taken(code, n) {
                tracing::error!(case = code, %error, "the store could not be written");
            }
        }
    }

    /// Piece `n` is a copy; the drop itself stays, and is not taken again.
    fn left_in_drop(&mut self, code: &str, n: u32, name: &str) {
        tracing::warn!(
            case = code,
            "taken as a copy; the drop itself can not be moved"
        );
        let print = self.folders.print_in_drop(name);
        let body = serde_json::json!({ "piece": n });
        let now = self.now();
        let kept = (self.store.leave(print))
            .and_then(|()| self.store.note("station", code, COPIED, &body, &now));
        if let Err(error) = kept {
            tracing::error!(case = code, %error, "the store could not be written");
        }
    }

    /// What a person has to know of a drop that was copied.
    fn say_copied(&mut self, code: &str) {
        let entries = self.store.entries(code).unwrap_or_default();
        if entries.iter().any(|entry| entry.kind == COPIED) {
            let text = "What was dropped could not be moved for its rights, so it was copied. It still lies in the drop folder and is not taken again; whoever dropped it may delete it.";
            self.add_finding(code, &Finding::info(COPIED, text));
        }
    }

    /// All that belongs to a case is put together before its design begins.
    pub(super) fn gather(&mut self, job: &Job) -> Result<(), Reason> {
        let code = job.code.as_str();
        self.place(job, Place::Work);
        if !self.store.pending(code).is_ok_and(|left| left.is_empty()) {
            return Err(Reason::new(
                "A part of this scan could not be taken out of the drop folder.",
                "Look at its rights and at the disk, then retry.",
            ));
        }
        if let Ok(Some(first)) = self.store.follows(code) {
            self.join_first(&first, code)?;
        }
        self.say_copied(code);
        let pieces = self.folders.inputs(code).len();
        if pieces > 1 {
            let text = format!("The scan came in {pieces} pieces, which were put together.");
            self.add_finding(
                code,
                &Finding::info("pieces", text).value(pieces as f64, ""),
            );
        }
        let print = self.folders.print(code);
        if let Err(error) = self.store.set_print(code, print) {
            tracing::error!(case = code, %error, "the store could not be written");
        }
        self.growth.watch(code, print);
        Ok(())
    }

    /// What the earlier case has of the scan belongs to this one too.
    fn join_first(&mut self, first: &str, code: &str) -> Result<(), Reason> {
        let text = match self.folders.borrow(first, code) {
            Ok(true) => format!(
                "The first part of this scan, or the same scan, came as {first}. This case is designed from all of it: look at {first} before you print."
            ),
            Ok(false) => format!(
                "The first part of this scan, or the same scan, came as {first}, of which nothing is kept. If only a part came now, drop the whole scan again."
            ),
            Err(error) => {
                tracing::error!(case = code, kind = ?error.kind(), "not put together");
                let text = format!("The slices that came as {first} could not be added.");
                return Err(Reason::new(
                    text,
                    "Is the disk full? Free space, then retry.",
                ));
            }
        };
        self.add_finding(code, &Finding::warn("follows", text));
        Ok(())
    }

    fn write_reason(&self, job: &Job) {
        let mut text = format!(
            "{}: {}\n\n{}\n{}\n",
            job.code,
            job.state.word(),
            job.reason.text,
            job.reason.next
        );
        for finding in self.store.findings(&job.code).unwrap_or_default() {
            text.push_str(&format!("- {}: {}\n", finding.name, finding.text));
        }
        if let Err(error) = self.folders.write_reason(&job.code, &text) {
            tracing::error!(case = %job.code, kind = ?error.kind(), "REASON.txt could not be written");
        }
    }
}
