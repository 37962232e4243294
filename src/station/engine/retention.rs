//! Retention: what the configuration says of cases that are over for long enough. Off by default. They are put away from
//! the list; and, by rules of their own, their files are deleted: by age, or the oldest first while the disk is short.
//!
//! Holds: it stands in the record before it is done, with the rule, and may be done again. `case.json` (findings, hashes of
//!        everything that came in and went out) and the record stay for ever.
//! Never: a case in work or waiting for a person, what lies on the bed, what another case is still made from.

use super::Engine;
use crate::station::step::Event;
use crate::station::store::Job;
use crate::status::Finding;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How often cases are looked at for their age; a rule counts days.
const LOOK: Duration = Duration::from_secs(60);
/// Cases whose files go in one look, at most: acts wait meanwhile.
const AT_ONCE: usize = 8;
/// What stays of a case.
const STAYS: [&str; 2] = ["case.json", "events.jsonl"];

/// Name of the finding, and of the line in the record, that tells of it.
pub(in crate::station) const FILES_DELETED: &str = "files_deleted";

/// What is known of cases whose files were deleted.
#[derive(Debug, Default)]
pub(super) struct Retained {
    /// Nothing is left of these.
    files: BTreeSet<String>,
    /// No originals are left of these.
    originals: BTreeSet<String>,
    looked: Option<Instant>,
}

impl Retained {
    /// The case lives again, or has new files.
    pub(super) fn forget(&mut self, code: &str) {
        self.files.remove(code);
        self.originals.remove(code);
    }
}

/// What goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Originals,
    All,
}

impl Engine {
    pub(super) fn put_old_away(&mut self) {
        let days = self.config.retention.days;
        if days == 0 {
            return;
        }
        let jobs = match self.store.not_put_away() {
            Ok(jobs) => jobs,
            Err(error) => return tracing::error!(%error, "the jobs could not be read"),
        };
        let rule = format!("retention.days = {days}");
        for job in jobs {
            // What lies on the bed waits for a person.
            if !job.on_bed && self.is_old(&job, days) {
                let rule = rule.clone();
                self.apply(&job.code, &Event::PutAwayAsked { rule }, "station");
            }
        }
    }

    /// Deletes what is old enough, now and then.
    pub(super) fn delete_old(&mut self) {
        let rules = &self.config.retention;
        if rules.delete_days == 0 && rules.originals_days == 0 {
            return;
        }
        if self.retained.looked.is_none_or(|at| at.elapsed() > LOOK) {
            self.retained.looked = Some(Instant::now());
            self.delete_by_age();
        }
    }

    pub(super) fn delete_by_age(&mut self) {
        let rules = &self.config.retention;
        let all = [
            (What::All, "delete_days", rules.delete_days),
            (What::Originals, "originals_days", rules.originals_days),
        ];
        let mut left = AT_ONCE;
        for (what, name, days) in all.into_iter().filter(|(_, _, days)| *days > 0) {
            let rule = format!("retention.{name} = {days}");
            for job in self.deletable(what) {
                if left > 0 && self.is_old(&job, days) {
                    left -= usize::from(self.delete(&job, what, &rule));
                }
            }
        }
    }

    /// Deletes the oldest that are over until there is room again.
    pub(super) fn make_room(&mut self) {
        let wanted = self.config.retention.free_mib;
        let is_short = |engine: &Self| (engine.free)(&engine.folders).is_ok_and(|mib| mib < wanted);
        if wanted == 0 || !is_short(self) {
            return;
        }
        let rule = format!("retention.free_mib = {wanted}");
        let mut left = AT_ONCE;
        for job in self.deletable(What::All) {
            if left == 0 || !is_short(self) {
                return;
            }
            left -= usize::from(self.delete(&job, What::All, &rule));
        }
    }

    /// Cases of which something may go, the one that was over first before the others.
    fn deletable(&self, what: What) -> Vec<Job> {
        let jobs = match self.store.all() {
            Ok(jobs) => jobs,
            Err(error) => {
                tracing::error!(%error, "the jobs could not be read");
                return Vec::new();
            }
        };
        let gone = |job: &Job| {
            let originals = what == What::Originals && self.retained.originals.contains(&job.code);
            originals || self.retained.files.contains(&job.code)
        };
        let mut jobs: Vec<Job> = jobs
            .into_iter()
            .filter(|job| job.state.is_over() && !job.on_bed && !gone(job))
            .filter(|job| !self.store.is_lent(&job.code).unwrap_or(true))
            .collect();
        jobs.sort_by_key(|job| changed_s(job).unwrap_or(i64::MAX));
        jobs
    }

    /// Deletes the files of a case; `false`: nothing was left of it. What is said and recorded is said first: it may
    /// be done again, and nothing goes without a word.
    fn delete(&mut self, job: &Job, what: What, rule: &str) -> bool {
        let code = job.code.as_str();
        let originals = self.folders.inputs(code).len();
        let mut files = self.folders.deletable(code, &STAYS);
        if what == What::Originals {
            files.clear();
        }
        let done = originals == 0 && files.is_empty();
        if !done {
            let now = self.now();
            let body = serde_json::json!({ "rule": rule, "files": files, "originals": originals });
            if let Err(error) = (self.store).note("station", code, FILES_DELETED, &body, &now) {
                tracing::error!(case = code, %error, "the record could not be written: nothing was deleted");
                return false;
            }
            let text = match what {
                What::All => format!(
                    "Its files were deleted by the rule {rule}. Hashes, findings and the record stay."
                ),
                What::Originals => {
                    format!("What was dropped for it was deleted by the rule {rule}.")
                }
            };
            self.add_finding(code, &Finding::info(FILES_DELETED, text));
            let removed =
                (self.folders.forget(code)).and_then(|_| self.folders.delete_files(code, &files));
            if let Err(error) = removed {
                tracing::error!(case = code, kind = ?error.kind(), "files could not be deleted");
            }
            tracing::info!(case = code, rule, "files deleted");
            self.files.remove(code);
            self.export(code);
        }
        // Not looked at again, even where rights kept something: it would be recorded every minute.
        self.retained.originals.insert(code.into());
        if what == What::All {
            self.retained.files.insert(code.into());
        }
        !done
    }

    /// It has been over for more than so many days. A date that can not be read is no old one.
    fn is_old(&self, job: &Job, days: u32) -> bool {
        self.seconds_since(&job.changed) > 86_400 * i64::from(days)
    }
}

fn changed_s(job: &Job) -> Option<i64> {
    let changed: Option<jiff::Timestamp> = job.changed.parse().ok();
    changed.map(|at| at.as_second())
}
