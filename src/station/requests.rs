//! What people ask: who they are was proved at the gate, what they ask is checked, and only then a step is tried. The
//! last word is the transaction's: an act begins there, in time, or never.

use super::engine::Engine;
use super::link::Order;
use super::step::Event;
use super::store::{Begin, Job, Known, StoreError};
use crate::status::{Act, JobState, PrinterState, Refused, Reply, Request};
use serde_json::json;

/// Longest reason taken for a rejection, characters.
const REASON_MAX: usize = 500;

/// A request on its way to the engine, with who vouched for it.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) request: Request,
    /// One person, or two at a release; in the order of the request.
    pub(super) persons: Vec<Known>,
    pub(super) begin: Begin,
}

impl Asked {
    /// The same, done whatever became of its id.
    fn anew(&self) -> Self {
        let mut anew = self.clone();
        anew.begin.id = None;
        anew
    }
}

impl Engine {
    /// Does what is asked, once, or says why not. A repeat of an id is answered like the first.
    pub(super) fn ask(&mut self, asked: &Asked) -> Reply {
        let Begin { id, digest, .. } = &asked.begin;
        let Some(id) = id else {
            return self.carry_out(asked);
        };
        match self.store.outcome(id, digest) {
            // To show a patient once more is to show them: it stands in the record like the first time.
            Ok(Some(Ok(()))) if matches!(asked.request, Request::SignIn(_)) => {
                return self.carry_out(&asked.anew());
            }
            Ok(Some(first)) => return first,
            Ok(None) => {}
            Err(error) => return Err(store_says(&error)),
        }
        let reply = self.carry_out(asked);
        // What was done is written down with it, in its own transaction.
        if reply.is_err()
            && let Err(error) = self.store.remember(id, digest, &reply)
        {
            tracing::error!(%error, "what became of an act could not be kept");
        }
        reply
    }

    fn carry_out(&mut self, asked: &Asked) -> Reply {
        let Some(person) = asked.persons.first() else {
            return no(
                "wrong_pin",
                "Nobody vouches for this.",
                "Give a name and a PIN.",
            );
        };
        let name = person.name.as_str();
        match &asked.request {
            Request::Release(release) => {
                let job = self.find(&release.code)?;
                self.nothing_more_came(&job.code)?;
                let release = self.check_release(&job, release, &asked.persons)?;
                self.do_step(&job.code, &Event::Released(release), name, asked)
            }
            Request::Pause(act) => self.on_printer(act, &Event::PauseAsked, name, asked),
            Request::Resume(act) => self.on_printer(act, &Event::ResumeAsked, name, asked),
            Request::Cancel(act) => {
                let job = self.find(&act.code)?;
                if matches!(job.state, JobState::Printing | JobState::Paused) {
                    return self.on_printer(act, &Event::CancelAsked, name, asked);
                }
                self.do_step(&act.code, &Event::CancelAsked, name, asked)
            }
            Request::Reject { act, reason } => {
                self.find(&act.code)?;
                may_release(person)?;
                let reason = reason.trim();
                if reason.is_empty() || reason.chars().count() > REASON_MAX || is_hidden(reason) {
                    let next = "Write why, in a sentence, without the patient\u{2019}s name.";
                    return no("no_reason", "The reason is not said.", next);
                }
                self.do_step(&act.code, &Event::Rejected(reason.into()), name, asked)
            }
            Request::Retry(act) => self.by_person(act, &Event::RetryAsked, name, asked),
            Request::PrintAgain(act) => self.by_person(act, &Event::PrintAgainAsked, name, asked),
            Request::PutAway(act) => {
                if self.find(&act.code)?.away.is_some() {
                    let text = format!("{} is off the list already.", act.code);
                    return no("not_allowed", text, "It stays under All cases.");
                }
                let rule = String::new();
                self.by_person(act, &Event::PutAwayAsked { rule }, name, asked)
            }
            Request::BedClear(_) => self.note(name, "", "bed_clear", json!({}), asked),
            Request::SignIn(act) => {
                self.find(&act.code)?;
                may_release(person)?;
                self.note(name, &act.code, "identity_shown", json!({}), asked)
            }
            Request::Recover(_) => {
                self.link_is_up()?;
                if !self.status.view.needs_recovery() {
                    let text = "The printer is not halted: there is nothing to recover.";
                    let next = "Look at the printer; the page says how it is.";
                    return no("not_halted", text, next);
                }
                self.note(name, "", "printer_recover_asked", json!({}), asked)?;
                self.link.order(Order::Recover);
                Ok(())
            }
            Request::Unlock { name: whom, .. } => {
                if person.role != crate::status::Role::Supervisor {
                    let text = "Only a supervisor clears wrong PINs.";
                    return no("no_right", text, "Ask a supervisor, or wait.");
                }
                // Forgotten with this line, in one transaction; then by the gate.
                self.note(
                    name,
                    "",
                    "unlocked",
                    json!({ "operator": whom.trim() }),
                    asked,
                )
            }
        }
    }

    fn by_person(&mut self, act: &Act, event: &Event, actor: &str, asked: &Asked) -> Reply {
        self.find(&act.code)?;
        self.do_step(&act.code, event, actor, asked)
    }

    fn on_printer(&mut self, act: &Act, event: &Event, actor: &str, asked: &Asked) -> Reply {
        self.find(&act.code)?;
        self.link_is_up()?;
        self.do_step(&act.code, event, actor, asked)
    }

    /// Somebody pressed emergency stop: nothing is asked of them, and the link has been told already.
    pub(super) fn stopped(&mut self) {
        match self.store.on_printer() {
            Ok(Some(job)) => self.apply(&job.code, &Event::EmergencyStop, "anybody"),
            Ok(None) => {
                let now = self.now();
                let noted = self
                    .store
                    .note("anybody", "", "emergency_stop", &json!({}), &now);
                if let Err(error) = noted {
                    tracing::error!(%error, "the emergency stop could not be written down");
                }
            }
            Err(error) => tracing::error!(%error, "the job on the printer could not be read"),
        }
    }

    fn note(
        &mut self,
        actor: &str,
        code: &str,
        kind: &str,
        body: serde_json::Value,
        asked: &Asked,
    ) -> Reply {
        let now = self.now();
        let monotonic = self.monotonic();
        self.store
            .note_act(actor, code, kind, &body, &now, (&asked.begin, &*monotonic))
            .map_err(|e| store_says(&e))?;
        if !code.is_empty() {
            self.export(code);
        }
        Ok(())
    }

    fn do_step(&mut self, code: &str, event: &Event, actor: &str, asked: &Asked) -> Reply {
        self.try_act(code, event, actor, &asked.begin)
            .map_err(|e| store_says(&e))
    }

    fn find(&self, code: &str) -> Result<Job, Refused> {
        if !super::is_code(code) {
            return Err(store_says(&StoreError::NoJob("of that code".into())));
        }
        self.store.job(code).map_err(|e| store_says(&e))
    }

    pub(super) fn link_is_up(&self) -> Reply {
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
}

pub(super) fn no<T>(code: &str, text: impl Into<String>, next: &str) -> Result<T, Refused> {
    Err(Refused::new(code, text, next))
}

/// Who looks after the machine alone releases nothing and sees no patient.
pub(super) fn may_release(person: &Known) -> Reply {
    if person.role.releases() {
        return Ok(());
    }
    let text = format!(
        "{} looks after the machine and may not do this.",
        person.name
    );
    no("no_right", text, "Ask an operator or a supervisor.")
}

/// Anything in it that is not seen?
pub(super) fn is_hidden(text: &str) -> bool {
    text.chars().any(is_unseen)
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
        StoreError::Late => Refused::late(),
        StoreError::NoMore => Refused::new(
            "wrong_pin",
            "Who asked is no operator any more, or has a new PIN.",
            "Ask IT who may release.",
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
