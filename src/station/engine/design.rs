//! The designer's side: one at a time is started, heard, and judged by how it ended.

use super::{Engine, Input};
use crate::station::config::Privacy;
use crate::station::step::Event;
use crate::station::store::{Job, hex};
use crate::station::supervise::{Designer, DesignerCommand, DesignerSays, Ended};
use crate::status::{DesignOutcome, DesignerLine, Finding, Progress, Reason, Stage};
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

/// After a designer that could not be started, before the next try.
const AGAIN: Duration = Duration::from_secs(10);

/// What starts a designer; a test gives another.
pub(super) type Launch = fn(&DesignerCommand, Tell) -> std::io::Result<Designer>;
/// Where a designer's words go.
pub(super) type Tell = Box<dyn Fn(DesignerSays) + Send + Sync>;

/// A designer at work.
pub(super) struct Work {
    pub(super) run: u64,
    pub(super) code: String,
    /// Ends the process when dropped.
    _process: Designer,
    pub(super) progress: Progress,
}

impl Engine {
    pub(super) fn start_next(&mut self) {
        match self.store.next_received() {
            Ok(Some(job)) => self.apply(&job.code, &Event::WorkerFree, "station"),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the queue could not be read"),
        }
    }

    pub(super) fn start_designer(&mut self, job: &Job) {
        let code = job.code.clone();
        if let Err(why) = self.gather(job) {
            return self.apply(&code, &Event::DesignFailed(why), "station");
        }
        let Some(input) = self.folders.input(&code) else {
            let why = Reason::new(
                "The drop of this case is not there any more.",
                "Drop the scan again.",
            );
            return self.apply(&code, &Event::DesignFailed(why), "station");
        };
        self.runs += 1;
        let run = self.runs;
        let design = &self.config.design;
        let mut arguments: Vec<std::ffi::OsString> = vec!["designer".into(), "--case".into()];
        arguments.push(self.folders.case(&code).into());
        arguments.extend(["--input".into(), input.into()]);
        arguments.extend([
            "--printer".into(),
            self.config.printer.profile.clone().into(),
        ]);
        arguments.extend([
            "--material".into(),
            self.config.material.name.clone().into(),
        ]);
        arguments.extend(["--device".into(), design.device.clone().into()]);
        arguments.extend(["--lighten".into(), design.lighten.clone().into()]);
        if self.config.privacy == Privacy::Strict {
            arguments.push("--strict".into());
        }
        let scratch = match self.folders.scratch(&format!("design-{run}")) {
            Ok(scratch) => scratch,
            Err(error) => {
                tracing::error!(kind = ?error.kind(), "no folder to unpack in");
                let why = Reason::new(
                    "There is no place to unpack the scan.",
                    "Is the disk full? Free space, then retry.",
                );
                return self.apply(&code, &Event::DesignFailed(why), "station");
            }
        };
        let command = DesignerCommand {
            program: self.settings.program.clone(),
            arguments,
            scratch,
            memory_mib: design.memory_mib,
            time: Duration::from_secs(design.time_s),
        };
        let mail = self.mail.clone();
        let tell = move |says| {
            // The engine may be gone; then nobody is interested.
            let _ = mail.send(Input::Designer(run, says));
        };
        let started = (self.launch)(&command, Box::new(tell));
        match started {
            Ok(process) => {
                self.designer_fault = None;
                self.work = Some(Work {
                    run,
                    code,
                    _process: process,
                    progress: Progress {
                        stage: Stage::Intake,
                        fraction: 0.0,
                        text: "reading the files".into(),
                    },
                });
            }
            Err(error) => {
                tracing::error!(kind = ?error.kind(), "the designer could not be started");
                let text =
                    "The designer could not be started. Tell IT: the program may have been moved.";
                let again = Instant::now() + AGAIN;
                self.designer_fault = Some((Finding::warn("no_designer", text), again));
                let why = Reason::new("The designer could not be started.", "Tell IT, then retry.");
                let deaths = job.deaths;
                self.apply(&code, &Event::DesignerDied { deaths, why }, "station");
            }
        }
    }

    pub(super) fn hear_designer(&mut self, run: u64, says: DesignerSays) {
        // The last words of a designer that was ended.
        let Some(work) = self.work.as_mut().filter(|w| w.run == run) else {
            return;
        };
        let code = work.code.clone();
        match says {
            DesignerSays::Line(DesignerLine::Progress(progress)) => {
                let reads = work.progress.stage == Stage::Intake && progress.stage != Stage::Intake;
                work.progress = progress;
                if reads {
                    self.apply(&code, &Event::Read, "designer");
                }
            }
            DesignerSays::Line(DesignerLine::Finding(finding)) => {
                if let Err(error) = self.store.add_finding(&code, &finding) {
                    tracing::error!(case = %code, %error, "a finding could not be kept");
                }
            }
            // The reader keeps outcomes for the end.
            DesignerSays::Line(DesignerLine::Outcome(_)) => {}
            DesignerSays::Ended(ended) => {
                self.work = None;
                self.designer_ended(&code, ended);
            }
        }
    }

    /// The scan by the hashes of its files, as the designer wrote them into `case.json`; said when it is here twice.
    fn look_for_twin(&mut self, code: &str) {
        let path = self.folders.case(code).join("case.json");
        let Some(hash) = std::fs::read(path).ok().and_then(|bytes| study(&bytes)) else {
            // Not read, or not far enough to know its files.
            return;
        };
        let found = match self.store.study(code, &hash) {
            Ok(first) => first,
            Err(error) => {
                tracing::error!(case = code, %error, "the study could not be written down");
                return;
            }
        };
        if let Some(first) = found {
            let text = format!(
                "The same scan is already here as {first}. Look at that case before you print this one."
            );
            let finding = Finding::warn("already_here", text);
            if let Err(error) = self.store.add_finding(code, &finding) {
                tracing::error!(case = code, %error, "a finding could not be written");
            }
        }
    }

    fn designer_ended(&mut self, code: &str, ended: Ended) {
        if matches!(ended, Ended::Said(_)) {
            if self.has_grown(code) {
                tracing::info!(case = code, "the scan grew while it was designed");
                return self.apply(code, &Event::ScanGrew(None), "station");
            }
            self.look_for_twin(code);
        }
        let event = match ended {
            Ended::Said(DesignOutcome::Designed(design)) => {
                self.weights.clone_from(&design.weights);
                Event::Designed(design)
            }
            Ended::Said(DesignOutcome::Refused(why)) => Event::Refused(why),
            Ended::Said(DesignOutcome::Failed(why)) => Event::DesignFailed(why),
            Ended::Died(why) => {
                let deaths = self.store.job(code).map_or(0, |j| j.deaths);
                tracing::warn!(case = code, deaths, why = %why.text, "the designer died");
                Event::DesignerDied { deaths, why }
            }
        };
        self.apply(code, &event, "designer");
    }
}

/// One hash for all files of a study, whatever their order; `None` when none is named.
fn study(case_json: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Inputs {
        inputs: Vec<String>,
    }
    let mut hashes = serde_json::from_slice::<Inputs>(case_json).ok()?.inputs;
    if hashes.is_empty() {
        return None;
    }
    hashes.sort();
    // A scan that came in overlapping pieces is still that scan.
    hashes.dedup();
    Some(hex(&Sha256::digest(hashes.join("\n"))))
}
