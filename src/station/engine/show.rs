//! What people see: the [`Snapshot`] after each change.

use super::Engine;
use crate::station::snapshot::{JOBS_SHOWN, job_view};
use crate::status::{Finding, JobState, PrinterState, Progress, Snapshot, Stage, StationView};
use std::sync::Arc;

impl Engine {
    pub(super) fn publish(&mut self) {
        self.dirty = false;
        self.revision += 1;
        let jobs = match self.store.jobs(JOBS_SHOWN) {
            Ok(jobs) => jobs,
            Err(error) => {
                tracing::error!(%error, "the jobs could not be read");
                return;
            }
        };
        let mut views = Vec::with_capacity(jobs.len());
        for job in &jobs {
            let findings = self.store.findings(&job.code).unwrap_or_default();
            let folders = &self.folders;
            let files = self
                .files
                .entry(job.code.clone())
                .or_insert_with(|| folders.files(&job.code));
            let progress = match job.state {
                JobState::Reading | JobState::Designing => self
                    .work
                    .as_ref()
                    .filter(|w| w.code == job.code)
                    .map(|w| w.progress.clone()),
                JobState::Printing | JobState::Paused => Some(Progress {
                    stage: Stage::Print,
                    fraction: self.status.view.fraction,
                    text: self.print_word.into(),
                }),
                _ => None,
            };
            views.push(job_view(job, findings, progress, files.clone()));
        }
        let mut attention = self.settings.attention.clone();
        attention.extend(self.disk.iter().cloned());
        attention.extend(stuck(self.stuck));
        attention.extend(
            self.designer_fault
                .iter()
                .map(|(finding, _)| finding.clone()),
        );
        if self.link_heard && self.status.view.state == PrinterState::LinkDown {
            attention.push(Finding::warn(
                "link_down",
                "The printer link does not answer. A running print may go on: look at the printer. Tell IT if this stays.",
            ));
        }
        let snapshot = Snapshot {
            revision: self.revision,
            station: StationView {
                version: env!("CARGO_PKG_VERSION").into(),
                starting: !(self.scanned && self.link_heard),
                attention,
                weights: self.weights.clone(),
                address: self.settings.address.clone(),
                now: self.now(),
            },
            printer: self.status.view.clone(),
            jobs: views,
        };
        self.out.send_replace(Arc::new(snapshot));
    }
}

/// Drops that nobody can take, e.g. a link that the copying left behind.
fn stuck(entries: usize) -> Option<Finding> {
    let text = "Something lies in the drop folder that can not be taken: a name that is no text, a link or another special file, or a folder without any file. Look into the drop folder and copy the scan itself there, under another name; then remove what is left.";
    (entries > 0).then(|| Finding::warn("drop_stuck", text).value(entries as f64, ""))
}
