//! A release: everything that must be true before a print, and who vouches for it.

use super::doubt;
use super::engine::{Engine, FILES_DELETED};
use super::material::{self, Spool};
use super::reentry::{check_bed, check_spool};
use super::requests::{is_hidden, may_release, no, store_says};
use super::step::Release;
use super::store::{Job, Known};
use crate::status::{
    DesignSummary, JobState, PrinterState, Refused, ReleaseAct, Reply, Role, Severity, Side,
};
use sha2::{Digest, Sha256};

/// Longest text taken for a spool.
const SPOOL_MAX: usize = 80;

impl Engine {
    /// Everything that must be true before a print; the step itself checks the state once more.
    /// The release as it is written down.
    pub(super) fn check_release(
        &self,
        job: &Job,
        asked: &ReleaseAct,
        persons: &[Known],
    ) -> Result<Release, Refused> {
        let (Some(design), JobState::AwaitingRelease) = (&job.design, job.state) else {
            let text = format!(
                "{} does not wait for release: it is {}.",
                job.code,
                job.state.word()
            );
            return no("not_allowed", text, "Look at the list for what waits.");
        };
        check_said(design, asked)?;
        let findings = self.store.findings(&job.code).map_err(|e| store_says(&e))?;
        if let Some(bad) = findings.iter().find(|f| f.severity == Severity::Refuse) {
            let next = "This design can not be printed.";
            return no("refused_finding", bad.text.as_str(), next);
        }
        let second = check_persons(persons, self.config.release.persons, doubt::any(&findings))?;
        let material = match design.material.as_str() {
            // A design of an earlier version: it was sliced for what the configuration says.
            "" => self.config.material.name.as_str(),
            said => said,
        };
        let known = &self.config.material.words;
        let material_by = check_material(asked, (material, known), persons)?;
        self.check_printer()?;
        self.check_machine(design)?;
        if let Some(entry) = &design.entry {
            check_spool(job, asked, (material, known))?;
            self.check_entry(job, entry)?;
        }
        self.check_files(&job.code)?;
        let (path, _) = self.files_of(&job.code, design.entry.is_some());
        let hash = std::fs::read(path).map(|bytes| super::store::hex(&Sha256::digest(&bytes)));
        if hash.ok().as_deref() != Some(design.to_print()) {
            let text = "The G-code on disk is not the one that was checked.";
            let next = "Give the case up and drop the scan again. Tell IT.";
            return no("gcode_changed", text, next);
        }
        Ok(Release {
            operator: persons.first().map(|p| p.name.clone()).unwrap_or_default(),
            second,
            sha256: asked.sha256.clone(),
            spool: asked.spool.trim().into(),
            material_by,
            side: asked.side,
            from_layer: design.entry.as_ref().map(|entry| entry.layer),
        })
    }

    /// Its files are there: a rule of retention may have deleted them, and then its finding says which one.
    pub(super) fn check_files(&self, code: &str) -> Reply {
        let (path, _) = self.files_of(code, false);
        if path.exists() {
            return Ok(());
        }
        let findings = self.store.findings(code).map_err(|e| store_says(&e))?;
        let by_rule = findings.iter().rev().find(|f| f.name == FILES_DELETED);
        let next = "Drop the scan again: it is designed anew.";
        match by_rule {
            Some(finding) => no(FILES_DELETED, finding.text.as_str(), next),
            None => {
                let text = format!("The G-code of {code} is not on the disk.");
                no("files_missing", text, "Drop the scan again. Tell IT.")
            }
        }
    }

    /// The printer is the one that it was sliced for: limits, bed and start text are those of its profile.
    fn check_machine(&self, design: &DesignSummary) -> Reply {
        let view = &self.status.view;
        if view.profile_sha256.is_empty() || design.profile_sha256 == view.profile_sha256 {
            return Ok(());
        }
        let made_for = match design.profile.as_str() {
            "" => "an earlier version of this program",
            name => name,
        };
        let text = format!(
            "This part was sliced for another printer or another content of its profile ({made_for}); the printer runs with {}.",
            view.profile
        );
        let next = "Reject the case, then drop the scan again: it is designed anew.";
        no("other_machine", text, next)
    }

    /// The printer is there and free.
    fn check_printer(&self) -> Reply {
        if let Ok(Some(other)) = self.store.on_printer() {
            let text = format!("{} is on the printer.", other.code);
            return no("printer_busy", text, "Wait until it is done.");
        }
        self.link_is_up()?;
        if let Some(barred) = &self.status.view.barred {
            return no(
                "printer_barred",
                barred.text.as_str(),
                "Nothing is printed until that is mended.",
            );
        }
        match self.status.view.state {
            PrinterState::Idle => Ok(()),
            PrinterState::Halted => {
                let next = "Look at it, mend what is wrong, then recover the printer.";
                no("printer_halted", "The printer is halted.", next)
            }
            PrinterState::LinkDown | PrinterState::Disconnected => {
                let next = "Switch it on and check the USB cable.";
                no("printer_away", "The printer is not there.", next)
            }
            PrinterState::Printing | PrinterState::Paused => no(
                "printer_busy",
                "The printer is busy.",
                "Wait until it is done.",
            ),
        }
    }
}

/// What the person said, against what was designed.
fn check_said(design: &DesignSummary, release: &ReleaseAct) -> Reply {
    if release.sha256 != design.to_print() {
        let next = "Look again, then release.";
        return no("changed", "This case has changed.", next);
    }
    let side = |s: Side| match s {
        Side::Left => "the patient's left",
        Side::Right => "the patient's right",
        Side::Both => "both sides",
    };
    if release.side != design.side {
        let text = format!(
            "The order says {}, the design says {}.",
            side(release.side),
            side(design.side)
        );
        let next = "Do not print. Compare name, order and pictures; call the engineer.";
        return no("wrong_side", text, next);
    }
    let spool = release.spool.trim();
    if spool.is_empty() || spool.chars().count() > SPOOL_MAX || is_hidden(spool) {
        let next = "Write what stands on the spool: material and lot.";
        return no("no_spool", "The spool is not named.", next);
    }
    check_bed(design, release)
}

/// Enough people, different ones, each with the right, and a supervisor among them where the design is doubtful. The
/// second one's name, empty where one is enough.
fn check_persons(persons: &[Known], wanted: u32, doubtful: bool) -> Result<String, Refused> {
    for person in persons {
        may_release(person)?;
    }
    let second = persons.get(1);
    if second.is_some_and(|second| second.name == persons[0].name) {
        let text = "Both names are the same person.";
        return no(
            "same_person",
            text,
            "The second name is another person\u{2019}s.",
        );
    }
    if wanted > 1 && second.is_none() {
        let text = "A release needs two people here.";
        return no(
            "second_person",
            text,
            "Another person looks too and gives name and PIN.",
        );
    }
    if doubtful && supervisor(persons).is_none() {
        let text = "This design is doubtful: a supervisor must be among those who release it.";
        return no(
            "needs_supervisor",
            text,
            "Ask a supervisor to look at it and to release it with you.",
        );
    }
    Ok(second.map(|p| p.name.clone()).unwrap_or_default())
}

fn supervisor(persons: &[Known]) -> Option<&Known> {
    persons.iter().find(|p| p.role == Role::Supervisor)
}

/// The spool against the case's material. Who says that another one is right; empty where they agree.
fn check_material(
    asked: &ReleaseAct,
    (material, known): (&str, &[String]),
    persons: &[Known],
) -> Result<String, Refused> {
    let wanted = material.to_uppercase();
    let text = match material::compare(&asked.spool, material, known) {
        Spool::Agrees => return Ok(String::new()),
        Spool::Other(said) => format!("The case was sliced for {wanted}, the spool says {said}."),
        Spool::Strange(words) => format!(
            "Beside {wanted} the spool says \u{201c}{words}\u{201d}, which is not known here: it may be another material."
        ),
        Spool::Unsaid => format!(
            "The case was sliced for {wanted}, and the spool\u{2019}s text does not name its material."
        ),
    };
    if !asked.other_material {
        let next = format!(
            "Load {wanted} and write what stands on the spool, e.g. {wanted} 22-117. Or a supervisor says that this one is right."
        );
        return no("wrong_material", text, &next);
    }
    match supervisor(persons) {
        Some(person) => Ok(person.name.clone()),
        None => no(
            "needs_supervisor",
            text,
            "Only a supervisor may say that another material is right: ask one to release it with you.",
        ),
    }
}
