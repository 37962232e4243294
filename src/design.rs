//! Design: one case, from its files to checked G-code.
//!
//! In:    a path (DICOM folder, zip, NIfTI, NRRD), a folder for the files of the case, [`Options`].
//! Out:   the files that DESIGN lists for a case and a [`DesignOutcome`]; findings and progress on the way to a
//!        [`Watcher`].
//! Holds: `case.json` is written last and whatever happened, so a folder without one is unfinished. Every file is
//!        there whole or not at all. The G-code was proved by `gcode::check` on the very bytes that were written.
//! Never: asks the time itself, names a patient outside `identity.json`, changes the input.

mod facing;
mod files;
pub mod layer;
mod order;
pub mod preview;
mod prior;
pub mod probe;
mod record;
mod stages;

pub use order::{Asked, Order, OrderError};
pub use record::{peak_memory_mib, sha256, sha256_file};

use crate::implant::Lighten;
use crate::intake::Orientation;
use crate::network::Device;
use crate::status::{DesignOutcome, Finding, Progress, Reason, Severity, Stage};
use record::Record;
use std::path::{Path, PathBuf};

/// How a case is to be designed.
#[derive(Clone, Debug)]
pub struct Options {
    /// The input is a skull mask, not a CT.
    pub mask: bool,
    /// What a person says of the axes of a file that does not say it; `None` refuses such a file.
    pub orientation: Option<Orientation>,
    /// What was ordered by hand; goes before the order that lies beside the scan.
    pub order: Order,
    /// How parts are made lighter where no order says it.
    pub lighten: Lighten,
    /// Also keep the probability.
    pub probability: bool,
    /// Folder of the model card; `None` looks in the usual places.
    pub model: Option<PathBuf>,
    /// Where the network runs.
    pub device: Device,
    /// Printer profile.
    pub printer: String,
    /// Material profile.
    pub material: String,
    /// Keep name, ID and birth date in `identity.json` (privacy `case`); `strict` keeps them nowhere.
    pub identity: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mask: false,
            orientation: None,
            order: Order::default(),
            lighten: Lighten::None,
            probability: false,
            model: None,
            device: Device::default(),
            printer: "virtual".into(),
            material: "pla".into(),
            identity: true,
        }
    }
}

/// Who is told while a case is in work, and whose clock it runs on.
pub trait Watcher {
    /// How far it is.
    fn progress(&mut self, progress: &Progress);
    /// A fact, as soon as it is known.
    fn finding(&mut self, finding: &Finding);
    /// Seconds since some fixed instant.
    fn seconds(&self) -> f64;
}

/// Why a case ended early. Refusals are about the input, failures about everything else.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The input is not something this station may print.
    Refused(Reason),
    /// Something broke.
    Failed(Reason),
}

impl Ended {
    fn refused(text: impl std::fmt::Display, next: &str) -> Self {
        Self::Refused(Reason::new(text.to_string(), next))
    }
    fn failed(text: impl std::fmt::Display, next: &str) -> Self {
        Self::Failed(Reason::new(text.to_string(), next))
    }
}

/// A case in work: what the stages share.
pub(crate) struct Case<'a> {
    watcher: &'a mut dyn Watcher,
    record: Record,
    stage: Stage,
    since: f64,
}

impl<'a> Case<'a> {
    fn new(watcher: &'a mut dyn Watcher) -> Self {
        let since = watcher.seconds();
        Self {
            watcher,
            record: Record::new(),
            stage: Stage::Intake,
            since,
        }
    }

    /// Begins `stage`: the time so far belongs to the one before.
    fn begin(&mut self, stage: Stage, text: &str) {
        let now = self.watcher.seconds();
        self.record.spent(self.stage, now - self.since);
        (self.stage, self.since) = (stage, now);
        self.tell(0.0, text);
    }

    fn tell(&mut self, fraction: f64, text: &str) {
        self.watcher.progress(&Progress {
            stage: self.stage,
            fraction,
            text: text.into(),
        });
    }

    fn find(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            self.watcher.finding(&finding);
            self.record.findings.push(finding);
        }
    }

    /// A finding of severity refuse ends the case in its own words.
    fn stop_if_refused(&self) -> Result<(), Ended> {
        match self
            .record
            .findings
            .iter()
            .find(|f| f.severity == Severity::Refuse)
        {
            Some(finding) => Err(Ended::Refused(Reason::new(
                finding.text.clone(),
                "Look at the findings of the case.",
            ))),
            None => Ok(()),
        }
    }
}

/// Designs one case into `out`.
pub fn run(
    input: &Path,
    out: &Path,
    options: &Options,
    watcher: &mut dyn Watcher,
) -> DesignOutcome {
    let mut case = Case::new(watcher);
    let ended = match stages::all(input, out, options, &mut case) {
        Ok(summary) => DesignOutcome::Designed(summary),
        Err(Ended::Refused(reason)) => DesignOutcome::Refused(reason),
        Err(Ended::Failed(reason)) => DesignOutcome::Failed(reason),
    };
    case.begin(Stage::Check, "case.json");
    match files::case_json(out, case.record, &ended) {
        Ok(()) => ended,
        Err(reason) => DesignOutcome::Failed(reason),
    }
}

/// The missing bone alone: preprocessing, network, inverse, minus the skull. Writes `out` in every case that the
/// network answered; it is empty when nothing is missing.
///
/// # Errors
/// Refused or failed, as [`DesignOutcome`] has them; never `Designed`.
#[allow(clippy::result_large_err, reason = "told once a case")]
pub fn predict(
    input: &Path,
    out: &Path,
    options: &Options,
    watcher: &mut dyn Watcher,
) -> Result<String, DesignOutcome> {
    let mut case = Case::new(watcher);
    stages::predict(input, out, options, &mut case).map_err(|ended| match ended {
        Ended::Refused(reason) => DesignOutcome::Refused(reason),
        Ended::Failed(reason) => DesignOutcome::Failed(reason),
    })
}
