//! Begin: a proved file is stored at Klipper, read back, and started.
//!
//! Holds: nothing is started but what was read back and is, byte for byte, what was released; a file that is being printed is
//!        never written over, since every upload has a name of its own; an order to start is given once.

use super::super::transport::Millis;
use super::{
    Action, Answer, Finding, LOOK_MS, Moonraker, Open, Plan, Reach, Request, Stage, Trouble, words,
};

/// Times a file is uploaded before it is given up.
const UPLOADS_MAX: u32 = 3;
/// Klipper shows the print so long after the order at the latest. It may be busy with a macro.
pub(super) const START_MS: Millis = 90_000;
/// What an earlier print, a knob or a page has left: factors, and a hold that nobody ended.
const AS_THE_FILE_SAYS: &str = "M220 S100\nM221 S100\nCLEAR_PAUSE";

/// What all names of a file's uploads begin with.
pub(super) fn stem(sha256: &str) -> String {
    let short: String = sha256.chars().take(16).collect();
    format!("calvaria-{short}-")
}

impl Moonraker {
    pub(super) fn begin(&mut self, now: Millis, plan: Result<Plan, Finding>) {
        let Some(job) = self.job.as_mut().filter(|job| job.stage == Stage::Checking) else {
            return;
        };
        match plan {
            Err(finding) => self.end_job(now, Some(finding)),
            Ok(plan) => {
                if self.settings.commands.is_empty() {
                    return self.end_job(now, Some(words::no_commands()));
                }
                let unknown = plan.unknown_among(&self.settings.commands);
                if !unknown.is_empty() {
                    let finding = words::unknown_commands(&unknown.join(", "));
                    return self.end_job(now, Some(finding));
                }
                job.plan = Some(plan);
                self.upload(now);
            }
        }
    }

    fn upload(&mut self, now: Millis) {
        self.files += 1;
        let Some(job) = &mut self.job else {
            return;
        };
        let Some(whole) = job
            .plan
            .as_ref()
            .map(|plan| (plan.bytes.clone(), plan.sha256.clone()))
        else {
            return;
        };
        let stem = stem(&job.sha256);
        job.name = format!("{stem}{:x}-{}.gcode", self.setup.nonce, self.files);
        job.uploads += 1;
        job.enter(now, Stage::Uploading);
        let upload = Request::Upload {
            name: job.name.clone(),
            bytes: whole.0,
            sha256: whole.1,
        };
        self.order(now, upload);
    }

    /// It did not arrive whole: again, but not for ever.
    fn upload_again(&mut self, now: Millis, why: &str) {
        let Some(job) = &self.job else {
            return;
        };
        let (uploads, name) = (job.uploads, job.name.clone());
        if uploads >= UPLOADS_MAX {
            return self.end_job(now, Some(words::not_stored(why)));
        }
        self.is_waste(name);
        self.upload(now);
    }

    /// An answer before the start.
    pub(super) fn begin_on(&mut self, now: Millis, open: &Open, answer: Result<Answer, Trouble>) {
        let Some(job) = &mut self.job else {
            return;
        };
        match (job.stage, &open.what, answer) {
            (Stage::Uploading, Request::Upload { name, .. }, answer) if *name == job.name => {
                match answer {
                    Ok(_) => {
                        job.enter(now, Stage::Reading);
                        let name = job.name.clone();
                        self.order(now, Request::ReadBack(name));
                    }
                    Err(trouble) => self.upload_again(now, &trouble.to_string()),
                }
            }
            (Stage::Reading, Request::ReadBack(name), answer) if *name == job.name => {
                let whole = job
                    .plan
                    .as_ref()
                    .map(|plan| (plan.sha256.clone(), plan.bytes.len() as u64));
                match answer {
                    Ok(Answer::Stored { sha256, size })
                        if whole == Some((sha256.clone(), size)) =>
                    {
                        job.enter(now, Stage::Preparing);
                        self.order(now, Request::Script(AS_THE_FILE_SAYS.into()));
                    }
                    Ok(_) => self.upload_again(now, "what is stored there is not what was sent"),
                    Err(trouble) => self.upload_again(now, &trouble.to_string()),
                }
            }
            (Stage::Preparing, Request::Script(_), answer) => match answer {
                Ok(_) => self.start(now),
                // These orders may be given twice.
                Err(trouble) if trouble.is_open() && now < job.since + START_MS => {
                    job.again_ms = Some(now + LOOK_MS);
                }
                Err(trouble) => {
                    self.end_job(now, Some(words::not_started(&trouble.to_string())));
                }
            },
            _ => {}
        }
    }

    /// The orders ahead of the start, once more.
    pub(super) fn prepare_again(&mut self, now: Millis) {
        let preparing = (self.job.as_mut()).filter(|job| job.stage == Stage::Preparing);
        if preparing.is_some_and(|job| job.again_ms.take_if(|at| now >= *at).is_some()) {
            self.order(now, Request::Script(AS_THE_FILE_SAYS.into()));
        }
    }

    fn start(&mut self, now: Millis) {
        let foreign = self.foreign().map(str::to_owned);
        if let Some(other) = foreign {
            return self.end_job(now, Some(words::foreign_began(&other)));
        }
        let Some(job) = &mut self.job else {
            return;
        };
        if self.reach != Reach::Ready {
            // It is asked anew who it is; these orders may be given twice.
            if now >= job.since + START_MS {
                return self.end_job(now, Some(words::not_begun()));
            }
            job.again_ms = Some(now + LOOK_MS);
            return;
        }
        let record = job.begun(now);
        let name = job.name.clone();
        self.actions.push(Action::Journal(record));
        // Once: whether it was heard shows in the next looks.
        self.order(now, Request::Start(name));
    }

    pub(super) fn start_answered(&mut self, open: &Open, answer: Result<Answer, Trouble>) {
        if let (Request::Start(_), Err(trouble), Some(job)) = (&open.what, answer, &mut self.job) {
            job.start_trouble = Some(trouble.to_string());
        }
    }
}
