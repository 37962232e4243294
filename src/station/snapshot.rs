//! From the store's rows to what people are shown.

use super::doubt;
use super::store::Job;
use crate::status::{Finding, JobState, JobView, Progress};

/// How many finished jobs are shown beside all that are not over.
pub(super) const JOBS_SHOWN: u32 = 50;

/// What the store does not say of a job.
pub(super) struct View<'a> {
    pub(super) progress: Option<Progress>,
    pub(super) files: Vec<String>,
    /// People a release needs.
    pub(super) persons: u32,
    /// Material of designs that do not say theirs.
    pub(super) material: &'a str,
}

/// One job as people see it.
pub(super) fn job_view(job: &Job, findings: Vec<Finding>, view: View<'_>) -> JobView {
    let design = job.design.as_ref();
    let material = design.map(|d| match d.material.as_str() {
        "" => view.material.to_owned(),
        said => said.to_owned(),
    });
    JobView {
        code: job.code.clone(),
        state: job.state,
        reason: job.reason.text.clone(),
        next: job.reason.next.clone(),
        progress: view.progress,
        doubt: doubt::any(&findings),
        material: material.unwrap_or_default(),
        persons: view.persons,
        findings,
        gcode_sha256: design.map(|d| d.to_print().to_owned()),
        side: design.map(|d| d.side),
        place: design.map(|d| d.place.clone()).unwrap_or_default(),
        print_s: design.map(|d| d.entry.as_ref().map_or(d.print_s, |e| e.print_s)),
        filament_g: design.map(|d| d.filament_g),
        weights: design.map(|d| d.weights.clone()).unwrap_or_default(),
        released_by: job.operator.clone(),
        received: job.received.clone(),
        seconded_by: job.second.clone(),
        spool: job.spool.clone(),
        on_bed: job.on_bed && !matches!(job.state, JobState::Printing | JobState::Paused),
        reentry: None,
        put_away: job.away.clone(),
        changed: job.changed.clone(),
        files: view.files,
    }
}
