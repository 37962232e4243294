//! What people ask: who they are is proved, what they ask is checked, and only then a step is tried.

use super::engine::Engine;
use super::link::Order;
use super::step::{Event, Release};
use super::store::{Job, PinCheck, StoreError};
use crate::status::{
    Act, DesignSummary, JobState, Pin, PrinterState, Refused, Reply, Request, Severity, Side,
};
use sha2::{Digest, Sha256};

/// Longest text taken for a spool.
const SPOOL_MAX: usize = 80;

impl Engine {
    pub(super) fn ask(&mut self, request: Request) -> Reply {
        match request {
            Request::Release {
                code,
                operator,
                pin,
                sha256,
                spool,
                side,
                bed_clear,
            } => {
                let job = self.find(&code)?;
                self.who(&operator, &pin)?;
                let release = Release {
                    operator: operator.trim().into(),
                    sha256,
                    spool: spool.trim().into(),
                    side,
                };
                self.check_release(&job, &release, bed_clear)?;
                let actor = release.operator.clone();
                self.do_step(&code, &Event::Released(release), &actor)
            }
            Request::Pause(act) => self.on_printer(&act, &Event::PauseAsked),
            Request::Resume(act) => self.on_printer(&act, &Event::ResumeAsked),
            Request::Cancel(act) => {
                let job = self.find(&act.code)?;
                if matches!(job.state, JobState::Printing | JobState::Paused) {
                    return self.on_printer(&act, &Event::CancelAsked);
                }
                self.by_person(&act, &Event::CancelAsked)
            }
            Request::Retry(act) => self.by_person(&act, &Event::RetryAsked),
            Request::PrintAgain(act) => self.by_person(&act, &Event::PrintAgainAsked),
            Request::SignIn(act) => {
                self.find(&act.code)?;
                self.who(&act.operator, &act.pin)?;
                self.note(act.operator.trim(), &act.code, "identity_shown")
            }
            Request::Recover(act) => {
                self.who(&act.operator, &act.pin)?;
                self.link_is_up()?;
                self.note(act.operator.trim(), "", "printer_recover_asked")?;
                self.link.order(Order::Recover);
                Ok(())
            }
            Request::EmergencyStop => self.stopped(),
        }
    }

    fn by_person(&mut self, act: &Act, event: &Event) -> Reply {
        self.find(&act.code)?;
        self.who(&act.operator, &act.pin)?;
        self.do_step(&act.code, event, act.operator.trim())
    }

    fn on_printer(&mut self, act: &Act, event: &Event) -> Reply {
        self.find(&act.code)?;
        self.who(&act.operator, &act.pin)?;
        self.link_is_up()?;
        self.do_step(&act.code, event, act.operator.trim())
    }

    /// Nothing is asked of whoever presses it; the link has been told already.
    fn stopped(&mut self) -> Reply {
        match self.store.on_printer() {
            Ok(Some(job)) => self.apply(&job.code, &Event::EmergencyStop, "anybody"),
            Ok(None) => self.note("anybody", "", "emergency_stop")?,
            Err(error) => return Err(store_says(&error)),
        }
        Ok(())
    }

    fn note(&mut self, actor: &str, code: &str, kind: &str) -> Reply {
        let now = self.now();
        self.store
            .note(actor, code, kind, &serde_json::json!({}), &now)
            .map_err(|e| store_says(&e))
    }

    fn do_step(&mut self, code: &str, event: &Event, actor: &str) -> Reply {
        self.try_apply(code, event, actor)
            .map_err(|e| store_says(&e))
    }

    fn find(&self, code: &str) -> Result<Job, Refused> {
        if !super::is_code(code) {
            return Err(store_says(&StoreError::NoJob("of that code".into())));
        }
        self.store.job(code).map_err(|e| store_says(&e))
    }

    fn who(&mut self, operator: &str, pin: &Pin) -> Reply {
        let now_s = self.now_s();
        match self
            .store
            .check_pin(operator, &pin.0, now_s)
            .map_err(|e| store_says(&e))?
        {
            PinCheck::Right => Ok(()),
            PinCheck::Wrong { left } => Err(Refused::new(
                "wrong_pin",
                "Name or PIN is wrong.",
                match left {
                    1 => "Try again: 1 try is left.".into(),
                    left => format!("Try again: {left} tries are left."),
                },
            )),
            PinCheck::Locked { until_s } => {
                let seconds = (until_s - now_s).max(1);
                let text = "Too many wrong PINs.";
                Err(Refused::new(
                    "locked",
                    text,
                    format!("Wait {seconds} s, then try again."),
                ))
            }
        }
    }

    fn link_is_up(&self) -> Reply {
        if self.status.view.state == PrinterState::LinkDown {
            let next = "Look at the printer; use its own switch if it must stop now. Tell IT.";
            return Err(Refused::new(
                "link_down",
                "The printer link does not answer.",
                next,
            ));
        }
        Ok(())
    }

    /// Everything that must be true before a print; the step itself checks the state once more.
    fn check_release(&self, job: &Job, release: &Release, bed_clear: bool) -> Reply {
        let (Some(design), JobState::AwaitingRelease) = (&job.design, job.state) else {
            let text = format!(
                "{} does not wait for release: it is {}.",
                job.code,
                job.state.word()
            );
            return no("not_allowed", text, "Look at the list for what waits.");
        };
        check_said(design, release, bed_clear)?;
        let findings = self.store.findings(&job.code).map_err(|e| store_says(&e))?;
        if let Some(bad) = findings.iter().find(|f| f.severity == Severity::Refuse) {
            let next = "This design can not be printed.";
            return no("refused_finding", bad.text.as_str(), next);
        }
        self.check_printer()?;
        let path = self.folders.case(&job.code).join("implant.gcode");
        let hash = std::fs::read(path).map(|bytes| super::store::hex(&Sha256::digest(&bytes)));
        if hash.ok().as_ref() != Some(&design.gcode_sha256) {
            let text = "The G-code on disk is not the one that was checked.";
            let next = "Give the case up and drop the scan again. Tell IT.";
            return no("gcode_changed", text, next);
        }
        Ok(())
    }

    /// The printer is there and free.
    fn check_printer(&self) -> Reply {
        if let Ok(Some(other)) = self.store.on_printer() {
            let text = format!("{} is on the printer.", other.code);
            return no("printer_busy", text, "Wait until it is done.");
        }
        self.link_is_up()?;
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

fn no(code: &str, text: impl Into<String>, next: &str) -> Reply {
    Err(Refused::new(code, text, next))
}

/// What the person said, against what was designed.
fn check_said(design: &DesignSummary, release: &Release, bed_clear: bool) -> Reply {
    if release.sha256 != design.gcode_sha256 {
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
    let spool = &release.spool;
    if spool.is_empty() || spool.chars().count() > SPOOL_MAX || spool.chars().any(is_unseen) {
        let next = "Write what stands on the spool: material and lot.";
        return no("no_spool", "The spool is not named.", next);
    }
    if !bed_clear {
        let next = "Look at the bed and tick the box.";
        return no("bed_not_clear", "Nobody said that the bed is clear.", next);
    }
    Ok(())
}

/// Characters that are not seen, or that turn what follows round: the record would not say what people read.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        )
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

/// The store's answer in people's words.
pub(super) fn store_says(error: &StoreError) -> Refused {
    match error {
        StoreError::NoJob(_) => Refused::new(
            "no_job",
            "There is no such case.",
            "Look at the list for its code.",
        ),
        StoreError::NotAllowed { code, state, .. } => Refused::new(
            "not_allowed",
            format!(
                "{code} is {}: that can not be done now.",
                state.word().replace('_', " ")
            ),
            "Look at the case; it may have changed meanwhile.",
        ),
        StoreError::SecondPrint => Refused::new(
            "printer_busy",
            "Another case is on the printer.",
            "Wait until it is done.",
        ),
        StoreError::Sqlite(_)
        | StoreError::Io(_)
        | StoreError::Newer { .. }
        | StoreError::Damaged(_)
        | StoreError::None(_)
        | StoreError::Name(_)
        | StoreError::WeakPin(_)
        | StoreError::Pin(_) => {
            tracing::error!(%error, "the store refused");
            Refused::new(
                "store",
                "The station could not write this down, so nothing was done.",
                "Tell IT: disk full or broken?",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_unseen;

    #[test]
    fn a_spool_is_named_in_characters_that_are_seen() {
        assert!(!"PLA 22-117, weiß µ №".chars().any(is_unseen));
        for hidden in ["PLA\u{202e}711", "PLA\u{200b}", "PLA\n", "\u{feff}PLA"] {
            assert!(hidden.chars().any(is_unseen), "{hidden:?}");
        }
    }
}
