//! The desk: where people ask and look. Runs on the asker's own thread: a PIN is hashed here, not in the engine, and
//! whoever waits closes the act when its time is over.
//!
//! Holds: an act that was answered as not done is never done, and one that has begun is never answered so. Emergency
//!        stop passes all of this by.

use super::engine::Input;
use super::requests::{Asked, store_says};
use super::snapshot::{View, job_view};
use super::store::{Begin, Gate, Job, Known, StoreError, Ticket, acts};
use super::{Handle, is_code};
use crate::status::{
    DEADLINE, DEADLINE_MAX, Finding, History, JobView, Refused, Reply, Request, Terms,
};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// An act that has begun is answered within this time, or the station is stuck: a commit waits for a disk.
const COMMIT_MAX: Duration = Duration::from_secs(8);
/// Cases on one page of the history.
pub const HISTORY_MAX: u32 = 50;

impl Handle {
    /// Asks, and waits for the answer, no longer than until the act's deadline while it has not begun.
    pub fn ask(&self, request: Request, terms: Terms) -> Reply {
        let now = (self.monotonic)();
        let by = terms
            .begin_by
            .unwrap_or(now + DEADLINE)
            .min(now + DEADLINE_MAX);
        // Before anything is written down: what nobody vouches for must not fill the list of ids.
        let persons = self.vouched(&request, &terms)?;
        // PINs were hashed since then.
        if (self.monotonic)() >= by {
            return self.never_begun(&terms, &acts::digest(&request));
        }
        let begin = Begin {
            id: terms.id.clone(),
            digest: acts::digest(&request),
            by,
            ticket: Ticket::default(),
            first: Ok(()),
            vouched: persons
                .iter()
                .map(|p| (p.name.clone(), p.hash.clone()))
                .collect(),
        };
        let unlocked = match &request {
            Request::Unlock { name, .. } => Some(name.clone()),
            _ => None,
        };
        let (tx, rx) = mpsc::sync_channel(1);
        let (ticket, digest) = (begin.ticket.clone(), begin.digest.clone());
        let asked = Box::new(Asked {
            request,
            persons,
            begin,
        });
        let answer = Box::new(move |reply| {
            // Whoever has gone has closed the act.
            let _ = tx.send(reply);
        });
        self.mail
            .send(Input::Ask(asked, answer))
            .map_err(|_| stuck())?;
        self.wait(&rx, &ticket, by, &terms, &digest)?;
        // A repeat is answered like the first and clears nothing: what was guessed since stands in no record.
        if let Some(name) = unlocked.filter(|_| ticket.is_begun()) {
            self.gate().clear(&name).map_err(|e| store_says(&e))?;
        }
        Ok(())
    }

    /// Stops the printer, past everything that waits. The record follows by itself: whoever pressed wants to know
    /// about the printer.
    pub fn emergency_stop(&self) -> Reply {
        let reply = self.link.emergency_stop();
        // One word of it waits at the engine at most: whoever presses a hundred times a second starves no act.
        if self.presses.add(reply.is_ok()) {
            let _ = self.mail.send(Input::Stopped);
        }
        reply
    }

    /// One case, whether it is shown or not.
    ///
    /// # Errors
    /// `no_job`, or that the store can not be read.
    pub fn job(&self, code: &str) -> Result<JobView, Refused> {
        let shown = self.snapshots.borrow().clone();
        if let Some(job) = shown.jobs.iter().find(|j| j.code == code) {
            return Ok(job.clone());
        }
        if !is_code(code) {
            return Err(store_says(&StoreError::NoJob("of that code".into())));
        }
        let (job, findings) = self.gate().job(code).map_err(|e| store_says(&e))?;
        Ok(self.view(&job, findings))
    }

    /// The history, a page at a time: cases older than `before`, or the newest, [`HISTORY_MAX`] at most.
    ///
    /// # Errors
    /// `no_job` when `before` is no case; that the store can not be read.
    pub fn history(&self, before: Option<&str>) -> Result<History, Refused> {
        let says = |e: StoreError| store_says(&e);
        let gate = self.gate();
        let (jobs, older) = gate.history(before, HISTORY_MAX).map_err(says)?;
        let mut views = Vec::with_capacity(jobs.len());
        for job in &jobs {
            let findings = gate.findings(&job.code).map_err(says)?;
            views.push(self.view(job, findings));
        }
        Ok(History { jobs: views, older })
    }

    fn view(&self, job: &Job, findings: Vec<Finding>) -> JobView {
        let files = self.folders.files(&job.code);
        let (persons, material) = (self.persons, self.material.as_str());
        job_view(
            job,
            findings,
            View {
                progress: None,
                files,
                persons,
                material,
            },
        )
    }

    /// Everybody who vouches for this, with the right PIN.
    fn vouched(&self, request: &Request, terms: &Terms) -> Result<Vec<Known>, Refused> {
        let mut persons = Vec::with_capacity(2);
        for (operator, pin) in request.clone().vouchers() {
            let now = (self.monotonic)();
            let known = self.gate().who(operator, &pin.0, terms.from, now);
            persons.push(known.map_err(|e| store_says(&e))??);
        }
        Ok(persons)
    }

    /// Waits for the engine until the deadline, and beyond it only for what has begun.
    fn wait(
        &self,
        rx: &Receiver<Reply>,
        ticket: &Ticket,
        by: Instant,
        terms: &Terms,
        digest: &str,
    ) -> Reply {
        let left = by.saturating_duration_since((self.monotonic)());
        match rx.recv_timeout(left) {
            Ok(reply) => return reply,
            // The engine ended under it.
            Err(RecvTimeoutError::Disconnected) => return Err(stuck()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if ticket.close() {
            return self.never_begun(terms, digest);
        }
        rx.recv_timeout(COMMIT_MAX).unwrap_or_else(|_| Err(stuck()))
    }

    /// Answers an act that was closed before it began; with an id that is written down first, so that a repeat, after
    /// a restart too, is answered the same.
    fn never_begun(&self, terms: &Terms, digest: &str) -> Reply {
        let Some(id) = &terms.id else {
            return Err(Refused::late());
        };
        match self.gate().close(id, digest) {
            Ok(reply) => reply,
            Err(error) => {
                tracing::error!(%error, "an act that came too late could not be written down");
                Err(stuck())
            }
        }
    }

    pub(super) fn gate(&self) -> MutexGuard<'_, Gate> {
        // Consistent between any two statements; a panic elsewhere does not change that.
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody knows what became of it.
fn stuck() -> Refused {
    let next = "Look at the case before you try again. Tell IT if this stays.";
    let text = "The station does not answer; whether it was done is not known.";
    Refused::new("stuck", text, next)
}
