//! Growth: a copy may go on in a drop that was taken. A program that has a file or folder open writes on wherever it is
//! moved to, so what was taken is looked at for a while.
//!
//! Holds: a design that its files have outgrown is never released: it is looked at before each release, and designed
//!        anew. After the first release it is said.
//! Also here: under strict privacy originals go when their case is over.

use super::Engine;
use crate::station::config::Privacy;
use crate::station::step::Event;
use crate::station::store::Job;
use crate::status::{Finding, JobState, Refused, Reply};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often what was taken is looked at.
const LOOK: Duration = Duration::from_secs(10);
/// How long after its design began.
const WATCHED: Duration = Duration::from_secs(3600);
/// Cases looked at, at most; the oldest are given up first.
const WATCHED_MAX: usize = 32;
/// Under strict privacy a refused or failed scan is kept this long for a retry, or for the rest of it, hours.
const KEPT_H: i64 = 24;

/// Cases whose files are looked at.
#[derive(Debug, Default)]
pub(super) struct Growth {
    cases: BTreeMap<String, Watched>,
    looked: Option<Instant>,
}

#[derive(Debug)]
struct Watched {
    since: Instant,
    /// What the files looked like the last time.
    print: i64,
}

impl Growth {
    /// The files of `code` look like `print` now.
    pub(super) fn watch(&mut self, code: &str, print: i64) {
        let since = Instant::now();
        self.cases.insert(code.into(), Watched { since, print });
        while self.cases.len() > WATCHED_MAX {
            let oldest = self.cases.iter().min_by_key(|(_, w)| w.since);
            let Some(code) = oldest.map(|(code, _)| code.clone()) else {
                break;
            };
            self.cases.remove(&code);
        }
    }

    fn is_due(&mut self) -> bool {
        let due = self.looked.is_none_or(|at| at.elapsed() > LOOK);
        if due {
            self.looked = Some(Instant::now());
            self.cases.retain(|_, w| w.since.elapsed() < WATCHED);
        }
        due
    }

    /// The files look like `print` now, as they did the last time: whoever writes rests.
    fn rests(&mut self, code: &str, print: i64) -> bool {
        let Some(watched) = self.cases.get_mut(code) else {
            return false;
        };
        std::mem::replace(&mut watched.print, print) == print
    }
}

impl Engine {
    /// Looks at what was taken, now and then.
    pub(super) fn look_for_growth(&mut self) {
        if self.growth.is_due() {
            self.look_at_all();
        }
    }

    pub(super) fn look_at_all(&mut self) {
        let codes: Vec<String> = self.growth.cases.keys().cloned().collect();
        for code in codes {
            let Ok(job) = self.store.job(&code) else {
                continue;
            };
            let print = self.folders.print(&code);
            if self.growth.rests(&code, print) && self.has_grown(&code) {
                self.grew(&job);
            }
        }
        if self.config.privacy == Privacy::Strict {
            self.forget_old();
        }
    }

    /// The files of `code` are not those that its design began from.
    pub(super) fn has_grown(&self, code: &str) -> bool {
        let began = self.store.print(code).ok().flatten();
        let is_kept = !self.folders.inputs(code).is_empty();
        is_kept && began.is_some_and(|began| began != self.folders.print(code))
    }

    /// What follows from it.
    fn grew(&mut self, job: &Job) {
        use JobState as S;
        let code = job.code.as_str();
        match job.state {
            S::AwaitingRelease if job.was_released() => self.grew_after_release(code),
            S::AwaitingRelease | S::Refused | S::Failed => {
                self.apply(code, &Event::ScanGrew(None), "station");
            }
            // The designer's end is looked at by itself.
            S::Received | S::Reading | S::Designing => {}
            S::Printing | S::Paused | S::Printed | S::Stopped => self.grew_after_release(code),
            S::Rejected | S::Cancelled => {
                let text = "More of this scan was written after it was given up. Drop the whole scan again if it shall be designed.";
                self.grew_later(code, &Finding::info("grew_later", text));
            }
        }
    }

    fn grew_after_release(&mut self, code: &str) {
        let text = "More of this scan was written after its release; the part was designed without it. Drop the whole scan again as a case of its own.";
        self.grew_later(code, &Finding::warn("grew_later", text));
    }

    /// Says once that what is over, on the printer, or waits to be printed again, has grown.
    fn grew_later(&mut self, code: &str, finding: &Finding) {
        self.add_finding(code, finding);
        let now = self.now();
        let body = serde_json::json!({});
        if let Err(error) = (self.store).note("station", code, "scan_grew_later", &body, &now) {
            tracing::error!(case = code, %error, "the record could not be written");
        }
        let print = self.folders.print(code);
        if let Err(error) = self.store.set_print(code, print) {
            tracing::error!(case = code, %error, "the store could not be written");
        }
        self.export(code);
    }

    /// Before a release: nothing is on its way that may belong to the design. Whose it is, nobody knows before it rests.
    fn nothing_arrives(&self) -> Reply {
        if self.dropped.arriving == 0 {
            return Ok(());
        }
        Err(Refused::new(
            "scan_arriving",
            "A scan is being copied into the drop folder at this moment. It may be more of this one.",
            "Wait until the copy has come to rest, then look at the case again.",
        ))
    }

    /// Before a release: the design is of all that is there.
    pub(in crate::station) fn nothing_more_came(&mut self, code: &str) -> Reply {
        let Ok(job) = self.store.job(code) else {
            return Ok(());
        };
        if job.state != JobState::AwaitingRelease {
            return Ok(());
        }
        self.nothing_arrives()?;
        if !self.has_grown(code) {
            return Ok(());
        }
        if job.was_released() {
            self.grew_after_release(code);
            return Err(Refused::new(
                "changed",
                "More of the scan was written since this was released first: this design is without it.",
                "Look at it again. The whole scan, dropped again, is a case of its own.",
            ));
        }
        self.apply(code, &Event::ScanGrew(None), "station");
        Err(Refused::new(
            "changed",
            "More of the scan came since this was designed.",
            "It is designed anew. Look at it again when it is done.",
        ))
    }

    /// Under strict privacy no originals are kept of a case that is over.
    pub(super) fn forget_if_over(&mut self, job: &Job) {
        use JobState as S;
        let over = match job.state {
            S::Printed | S::Rejected | S::Cancelled | S::Stopped => true,
            S::Refused | S::Failed => self.hours_since(&job.changed) >= KEPT_H,
            S::Received
            | S::Reading
            | S::Designing
            | S::AwaitingRelease
            | S::Printing
            | S::Paused => false,
        };
        if !over || self.config.privacy != Privacy::Strict {
            return;
        }
        match self.folders.forget(&job.code) {
            Ok(false) => {}
            Ok(true) => {
                let now = self.now();
                let body = serde_json::json!({ "rule": "privacy = strict" });
                let noted =
                    (self.store).note("station", &job.code, "originals_deleted", &body, &now);
                if let Err(error) = noted {
                    tracing::error!(case = %job.code, %error, "the record could not be written");
                }
            }
            Err(error) => {
                tracing::error!(case = %job.code, kind = ?error.kind(), "originals could not be deleted");
            }
        }
    }

    fn forget_old(&mut self) {
        for code in self
            .folders
            .in_place(crate::station::step::Place::Quarantine)
        {
            if let Ok(job) = self.store.job(&code) {
                self.forget_if_over(&job);
            }
        }
    }
}
