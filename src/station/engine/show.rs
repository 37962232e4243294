//! What people see: the [`Snapshot`] after each change.

use super::Engine;
use crate::station::DropReport;
use crate::station::snapshot::{JOBS_SHOWN, View, job_view};
use crate::status::{
    Finding, JobState, PrinterState, Progress, Role, Snapshot, Stage, StationView,
};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// A printer that was not there yet, e.g. while it is switched on, is not missed for this long.
const COMING_UP: Duration = Duration::from_secs(3);

impl Engine {
    pub(in crate::station) fn publish(&mut self) {
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
            let reentry = self.reentry_of(job);
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
            let (files, persons) = (files.clone(), self.config.release.persons);
            let material = self.config.material.name.as_str();
            let mut view = job_view(
                job,
                findings,
                View {
                    progress,
                    files,
                    persons,
                    material,
                },
            );
            if reentry
                .as_ref()
                .is_some_and(|offer| offer.refused.is_empty())
                && job.state == JobState::Stopped
            {
                // Whoever cleared the bed now would throw away what can go on.
                view.next = crate::station::reentry::LEAVE_IT.into();
            }
            view.reentry = reentry;
            views.push(view);
        }
        let mut attention = self.settings.attention.clone();
        attention.extend(self.disk.iter().cloned());
        attention.extend(self.drop_gone.iter().cloned());
        attention.extend(of_drop_folder(&self.dropped));
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
        attention.extend(self.printer_away.iter().cloned());
        attention.extend(self.updates.note());
        let people = self.store.operators().unwrap_or_default();
        let count = |wanted: fn(Role) -> bool| {
            let all = people.iter().filter(|p| wanted(p.role)).count();
            u32::try_from(all).unwrap_or(u32::MAX)
        };
        let (setup, setup_code) = {
            let setup = self.setup.lock().unwrap_or_else(PoisonError::into_inner);
            (setup.is_open() && people.is_empty(), setup.shown())
        };
        let shown = u32::try_from(views.len()).unwrap_or(u32::MAX);
        let mut printer = self.status.view.clone();
        printer.on_bed = views.iter().find(|j| j.on_bed).map(|j| j.code.clone());
        let snapshot = Snapshot {
            revision: self.revision,
            station: StationView {
                version: env!("CARGO_PKG_VERSION").into(),
                starting: !(self.scanned && self.link_heard),
                attention,
                weights: self.weights.clone(),
                address: (self.settings.address)(),
                certificate: (self.settings.certificate)(),
                setup,
                setup_code,
                update: self.updates.clone(),
                now: self.now(),
                releasers: count(Role::releases),
                supervisors: count(|role| role == Role::Supervisor),
                persons: self.config.release.persons,
                more: self.store.count().unwrap_or(shown).saturating_sub(shown),
            },
            printer,
            jobs: views,
        };
        self.out.send_replace(Arc::new(snapshot));
    }

    /// The link is there and the printer is not: which port, and what to do.
    pub(super) fn no_printer(&mut self) -> Option<Finding> {
        let view = &self.status.view;
        if view.state != PrinterState::Disconnected {
            self.away_since = None;
            return None;
        }
        let since = *self.away_since.get_or_insert_with(Instant::now);
        if since.elapsed() < COMING_UP {
            return None;
        }
        let port = match view.port.as_str() {
            "" => self.config.printer.place(),
            said => said,
        };
        let path = port.strip_prefix("pty:").unwrap_or(port);
        let text = if let Some(at) = port.strip_prefix("tcp:") {
            format!(
                "The printer at {at} does not answer. Switch on the printer and the box that hands its port on; if that does not help, ask IT to look at printer.transport."
            )
        } else if let Some(at) = port.strip_prefix("moonraker:") {
            format!(
                "The printer at {at} does not answer. Switch it on and look at its network; if that does not help, ask IT to look at printer.transport."
            )
        } else if path.starts_with('/') && !std::path::Path::new(path).exists() {
            format!(
                "There is no printer at {port}: nothing is plugged in there. Switch the printer on and check its USB cable; if it has another port, ask IT to set printer.port."
            )
        } else {
            format!(
                "The printer at {port} does not answer. Switch it on and check its USB cable; if that does not help, ask IT to look at printer.port and printer.baud."
            )
        };
        Some(Finding::warn("no_printer", text))
    }
}

/// What people should know of the drop folder.
fn of_drop_folder(report: &DropReport) -> impl Iterator<Item = Finding> {
    let found = |count: usize, name: &str, text: &str| {
        (count > 0).then(|| Finding::warn(name, text).value(count as f64, ""))
    };
    let stuck = "Something lies in the drop folder that can not be taken: a name that is no text, a link or another special file, or a folder without any file. Look into the drop folder and copy the scan itself there, under another name; then remove what is left.";
    let unreadable = "A scan in the drop folder may not be read by the station. Give its group the right to read it (chmod -R g+rX), or copy it again.";
    let waiting = "A scan in the drop folder ends too early: its copy may still be running. Copy it again if it has stopped.";
    let waiting = (report.waiting > 0)
        .then(|| Finding::info("drop_waits", waiting).value(report.waiting as f64, ""));
    [
        found(report.stuck, "drop_stuck", stuck),
        found(report.unreadable, "drop_unreadable", unreadable),
        waiting,
    ]
    .into_iter()
    .flatten()
}
