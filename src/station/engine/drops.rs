//! Drops: what lies complete in the drop folder becomes a job, and a job's drop lies where its state says.

use super::{Engine, QUEUE_MAX};
use crate::station::failpoint;
use crate::station::step::Place;
use crate::station::store::Job;

impl Engine {
    /// Makes a job of a drop and takes it out of the drop folder.
    pub(super) fn take(&mut self, name: &str) -> bool {
        let full = self.store.waiting().is_ok_and(|n| n >= QUEUE_MAX);
        if full || self.disk.is_some() {
            return false;
        }
        let job = match self.store.add(name, &self.now()) {
            Ok(job) => job,
            Err(error) => {
                tracing::error!(%error, "a drop could not be recorded");
                return false;
            }
        };
        tracing::info!(case = %job.code, "received");
        failpoint::hit("received");
        self.place(&job, Place::Work);
        self.export(&job.code);
        true
    }

    /// Moves the drop of a job. The reason is there before the drop is: a cut between leaves no drop unexplained.
    pub(super) fn place(&mut self, job: &Job, place: Place) {
        if place == Place::Quarantine {
            self.write_reason(job);
        }
        match self.folders.move_to(place, &job.code, &job.source) {
            Ok(true) => {
                if !job.source.is_empty()
                    && let Err(error) = self.store.taken(&job.code)
                {
                    tracing::error!(case = %job.code, %error, "the store could not be written");
                }
            }
            Ok(false) => tracing::warn!(case = %job.code, "the drop is not there any more"),
            Err(error) => {
                tracing::error!(case = %job.code, kind = ?error.kind(), "the drop could not be moved");
            }
        }
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
