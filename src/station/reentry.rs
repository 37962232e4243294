//! Re-entry: a stopped print is offered to a named person, who looks, measures and says where the nozzle stands; what
//! comes of it waits for release like any other program, by its own hash.
//!
//! In:    the link's journal, the released file, what a person says.
//! Out:   [`Reentry`] for people; the program as `reentry.gcode` of the case.
//! Holds: nothing is offered, chosen or released that the journal does not bear out at that moment. The link looks
//!        once more, at the same journal, before its first line.
//! Never: a re-entry after somebody said that the bed is clear; one on a guess.

use super::engine::Engine;
use super::material::{Spool, compare};
use super::requests::no;
use super::store::Job;
use crate::design::layer;
use crate::gcode::{Header, Printer};
use crate::printer::program::Program;
use crate::printer::reentry::{self, COLD_MAX_S, Offer};
use crate::status::{
    DesignSummary, JobState, Nozzle, REENTRY_PICTURE, ReenterAct, Reentry, Refused, ReleaseAct,
    Reply,
};
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

/// What to do while there is an offer, instead of clearing the bed.
pub(super) const LEAVE_IT: &str = "Leave the part on the bed and do not move the head up or down: the print may go on, see the case.";
/// Name of the program in the case's folder.
pub(super) const FILE: &str = "reentry.gcode";
/// A ruler at a part on a bed shows no less, mm.
const RULER_MM: f64 = 1.0;

/// What was last read out of the journal, and from what.
#[derive(Debug)]
pub(super) struct Read {
    key: (String, String, Option<(SystemTime, u64)>),
    at: Instant,
    found: Option<Result<Found, String>>,
}

/// An offer with its programs, one for each height of the nozzle.
#[derive(Clone, Debug)]
struct Found {
    offer: Offer,
    texts: Vec<String>,
    shown: Reentry,
    picture: Option<Vec<u8>>,
}

impl Engine {
    /// What people are shown of a stopped print whose part is on the bed, or of the re-entry that was chosen.
    pub(super) fn reentry_of(&mut self, job: &Job) -> Option<Reentry> {
        let design = job.design.as_ref()?;
        match job.state {
            JobState::Stopped if job.on_bed => self.offered(job, design),
            JobState::AwaitingRelease | JobState::Printing | JobState::Paused => {
                design.entry.clone()
            }
            _ => None,
        }
    }

    fn offered(&mut self, job: &Job, design: &DesignSummary) -> Option<Reentry> {
        self.read_journal(job, design);
        let read = self.cut.as_ref()?;
        Some(match read.found.as_ref()? {
            Err(why) => Reentry {
                refused: why.clone(),
                ..Reentry::default()
            },
            Ok(found) => {
                let cold_s = found.offer.cold_s + read.at.elapsed().as_secs_f64();
                let refused = match cold_s > COLD_MAX_S {
                    true => reentry::NoOffer::Cold(cold_s / 60.0).to_string(),
                    false => String::new(),
                };
                Reentry {
                    refused,
                    minutes_left: ((COLD_MAX_S - cold_s) / 60.0).max(0.0).floor(),
                    ..found.shown.clone()
                }
            }
        })
    }

    /// Reads the journal where it has changed since the last look.
    fn read_journal(&mut self, job: &Job, design: &DesignSummary) {
        let journal = self.folders.data().join(crate::printer::journal::JOURNAL);
        let meta = std::fs::metadata(journal).ok();
        let stamp = meta.and_then(|m| Some((m.modified().ok()?, m.len())));
        let key = (job.code.clone(), design.gcode_sha256.clone(), stamp);
        if self.cut.as_ref().is_some_and(|read| read.key == key) {
            return;
        }
        let found = self.look_at_cut(job, design);
        if let Some(Ok(Found {
            picture: Some(png), ..
        })) = &found
        {
            // Without it the figures are read alone.
            let _ = self
                .folders
                .write_case_file(&job.code, REENTRY_PICTURE, png);
            self.files.remove(&job.code);
        }
        self.cut = Some(Read {
            key,
            at: Instant::now(),
            found,
        });
    }

    /// `None`: the journal is of no print of this file.
    fn look_at_cut(&self, job: &Job, design: &DesignSummary) -> Option<Result<Found, String>> {
        if !reentry::is_of(self.folders.data(), &job.code, &design.gcode_sha256) {
            return None;
        }
        let printer = Printer::load(&self.config.printer.profile).ok()?;
        let path = self.folders.case(&job.code).join("implant.gcode");
        let released = std::fs::read_to_string(path).ok()?;
        let looked = reentry::look(self.folders.data(), &released, &printer, self.unix_s());
        Some(looked.and_then(|(offer, texts)| {
            let text = texts.first().map_or("", String::as_str);
            let header = text.lines().nth(1).and_then(Header::read);
            let program = Program::prepare(text, &printer).map_err(|f| f.text)?;
            let shown = Reentry {
                layer: offer.layer,
                layers: offer.layers,
                height_mm: header.map_or(0.0, |h| h.printed_mm),
                nozzle_mm: offer.heights_mm.clone(),
                twice_mm: offer.twice_mm,
                print_s: program.total_s,
                ..Reentry::default()
            };
            let at = (offer.layer, offer.layers);
            let picture = layer::picture(&released, at, shown.height_mm).png().ok();
            Ok(Found {
                picture,
                offer,
                texts,
                shown,
            })
        }))
    }

    fn unix_s(&self) -> f64 {
        self.clock().timestamp().as_millisecond() as f64 / 1e3
    }

    /// A person chose to go on: everything that they say, against the journal. Writes the program.
    pub(super) fn check_reenter(
        &mut self,
        job: &Job,
        asked: &ReenterAct,
    ) -> Result<Reentry, Refused> {
        let (Some(design), JobState::Stopped) = (&job.design, job.state) else {
            let text = format!("{} is {}: it can not go on.", job.code, job.state.word());
            return no(
                "not_allowed",
                text,
                "Look at the case; it may have changed.",
            );
        };
        if !job.on_bed {
            let text = "Somebody said that the bed is clear, so there is no part to go on with.";
            return no(
                "bed_clear",
                text,
                "Offer it for release again: it is printed from the start.",
            );
        }
        if !asked.part_holds {
            let text = "Nobody said that the part holds on the bed.";
            return no(
                "part_not_seen",
                text,
                "Push at the part with a finger, then tick the box.",
            );
        }
        self.cut = None;
        let shown = self.offered(job, design).ok_or_else(|| {
            Refused::new(
                "no_reentry",
                "The printer\u{2019}s journal is not of this print.",
                "Clear the bed and print it from the start.",
            )
        })?;
        if !shown.refused.is_empty() {
            return no(
                "no_reentry",
                format!("It can not go on: {}", shown.refused),
                "",
            );
        }
        let text = self.chosen_text(&shown, asked)?;
        let sha256 = reentry::hash(text.as_bytes());
        let written = self
            .folders
            .write_case_file(&job.code, FILE, text.as_bytes());
        if let Err(error) = written {
            tracing::error!(kind = ?error.kind(), "the re-entry could not be written");
            return no(
                "store",
                "The station could not write this down, so nothing was done.",
                "Tell IT: disk full or broken?",
            );
        }
        Ok(Reentry {
            sha256,
            measured_mm: asked.height_mm,
            ..shown
        })
    }

    /// The program for what the person measured and saw.
    fn chosen_text(&self, shown: &Reentry, asked: &ReenterAct) -> Result<String, Refused> {
        if asked.from_layer != shown.layer {
            let text = format!(
                "It can go on at layer {}, not at {}.",
                shown.layer, asked.from_layer
            );
            return no("changed", text, "Look again, then choose.");
        }
        let off = (asked.height_mm - shown.height_mm).abs();
        if off > RULER_MM || off.is_nan() {
            let text = format!(
                "The part is {:.1} mm high by the journal, and {:.1} mm were measured.",
                shown.height_mm, asked.height_mm
            );
            let next = "Measure once more from the bed. If it stays so, clear the bed and print from the start.";
            return no("wrong_height", text, next);
        }
        let at = match (shown.nozzle_mm.len(), asked.nozzle) {
            (1, _) | (2, Some(Nozzle::Touches)) => 0,
            (2, Some(Nozzle::Free)) => 1,
            _ => {
                let text = "Nobody said whether the nozzle touches the part.";
                return no(
                    "nozzle_unsaid",
                    text,
                    "Push a sheet of paper between nozzle and part, then say whether it goes.",
                );
            }
        };
        let found = self.cut.as_ref().and_then(|read| read.found.as_ref());
        let text = found.and_then(|found| found.as_ref().ok()?.texts.get(at).cloned());
        text.ok_or_else(|| {
            Refused::new(
                "changed",
                "This case has changed.",
                "Look again, then choose.",
            )
        })
    }

    /// A chosen re-entry at its release: still borne out by the journal, and the file still the one that was chosen.
    pub(super) fn check_entry(&self, job: &Job, entry: &Reentry) -> Reply {
        let Some(design) = &job.design else {
            return no(
                "changed",
                "This case has changed.",
                "Look again, then release.",
            );
        };
        if !job.on_bed {
            let text = "Somebody said that the bed is clear, so there is no part to go on with.";
            return no("bed_clear", text, "Choose to print it from the start.");
        }
        let looked = self.look_at_cut(job, design);
        let same = |found: &Found| {
            let mut texts = found.texts.iter();
            texts.any(|text| reentry::hash(text.as_bytes()) == entry.sha256)
        };
        match looked {
            Some(Ok(found)) if same(&found) => Ok(()),
            Some(Err(why)) => no(
                "no_reentry",
                format!("It can not go on any more: {why}"),
                "Choose to print it from the start.",
            ),
            _ => no(
                "no_reentry",
                "What is known of the cut print has changed since this was chosen.",
                "Choose to print it from the start, or look at the printer.",
            ),
        }
    }

    /// Which file is printed for a design, and which one it goes on with.
    pub(super) fn files_of(&self, code: &str, is_entry: bool) -> (PathBuf, Option<PathBuf>) {
        let folder = self.folders.case(code);
        let whole = folder.join("implant.gcode");
        match is_entry {
            true => (folder.join(FILE), Some(whole)),
            false => (whole, None),
        }
    }
}

/// What somebody saw on the bed, against what is to be printed: an empty bed for a whole print, a part that holds for a
/// re-entry, and never both.
pub(super) fn check_bed(design: &DesignSummary, release: &ReleaseAct) -> Reply {
    if release.bed_clear && release.part_holds {
        let text = "The bed can not be empty and hold the part.";
        return no("bed_and_part", text, "Look at the bed and say which it is.");
    }
    match &design.entry {
        None if release.part_holds => no(
            "bed_and_part",
            "This is printed from the start, on an empty bed.",
            "Clear the bed, or choose to go on with the part.",
        ),
        None if !release.bed_clear => {
            let next = "Look at the bed and tick the box.";
            no("bed_not_clear", "Nobody said that the bed is clear.", next)
        }
        Some(_) if !release.part_holds => {
            let text = "Nobody said that the part holds on the bed.";
            no(
                "part_not_seen",
                text,
                "Push at the part with a finger, then tick the box.",
            )
        }
        _ => Ok(()),
    }
}

/// The spool of the first part of the print, against the one that goes on. `material`: the case's, and the room's words.
pub(super) fn check_spool(
    job: &Job,
    release: &ReleaseAct,
    (material, known): (&str, &[String]),
) -> Reply {
    if compare(&job.spool, material, known) == Spool::Agrees {
        // Then the case's material is asked for, as at every release.
        return Ok(());
    }
    if compare(&release.spool, &job.spool, known) == Spool::Agrees {
        return Ok(());
    }
    let text = format!(
        "The part was begun with another material than the case\u{2019}s ({}).",
        job.spool
    );
    let next =
        "Load the material that the part was begun with, and write it as it was written then.";
    no("wrong_material", text, next)
}
