//! From the store's rows to what people are shown.

use super::store::Job;
use crate::status::{Finding, JobView, Progress};

/// How many finished jobs are shown beside all that are not over.
pub(super) const JOBS_SHOWN: u32 = 50;

/// One job as people see it.
pub(super) fn job_view(
    job: &Job,
    findings: Vec<Finding>,
    progress: Option<Progress>,
    files: Vec<String>,
) -> JobView {
    let design = job.design.as_ref();
    JobView {
        code: job.code.clone(),
        state: job.state,
        reason: job.reason.text.clone(),
        next: job.reason.next.clone(),
        progress,
        findings,
        gcode_sha256: design.map(|d| d.gcode_sha256.clone()),
        side: design.map(|d| d.side),
        place: design.map(|d| d.place.clone()).unwrap_or_default(),
        print_s: design.map(|d| d.print_s),
        filament_g: design.map(|d| d.filament_g),
        weights: design.map(|d| d.weights.clone()).unwrap_or_default(),
        released_by: job.operator.clone(),
        received: job.received.clone(),
        changed: job.changed.clone(),
        files,
    }
}
