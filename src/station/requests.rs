//! What people ask: who they are was proved at the gate, what they ask is checked, and only then a step is tried. The
//! last word is the transaction's: an act begins there, in time, or never.

use super::engine::orders::unanswered;
use super::engine::{Answer, Engine};
use super::link::Order;
use super::step::Event;
use super::store::{Begin, Job, Known, StoreError};
use crate::status::{Act, JobState, PrinterState, Refused, Reply, Request, Tune};
use serde_json::json;
use std::time::{Duration, Instant};

/// Presses of emergency stop with nothing on the printer are written down together, this often.
const PRESSES: Duration = Duration::from_secs(1);
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

    /// The same, not done before the link has answered.
    fn of_link(&self) -> Begin {
        Begin {
            first: Err(unanswered()),
            ..self.begin.clone()
        }
    }
}

impl Engine {
    /// Does what is asked, once, or says why not. A repeat of an id is answered like the first. What the link has to
    /// take is answered when the link has answered.
    pub(super) fn ask(&mut self, asked: &Asked, answer: Answer) {
        let given = self.orders.count();
        let reply = match self.answered_before(asked) {
            Some(Err(first)) if first == unanswered() => {
                let Some(alone) = self.orders.wait_too(asked.begin.id.as_ref(), answer) else {
                    return;
                };
                return alone(Err(first));
            }
            Some(first) => first,
            None => self.carry_out(asked),
        };
        // Whoever looks after the answer sees what was asked for.
        self.publish();
        if reply.is_ok() && self.orders.count() > given {
            return self.orders.wait_for_newest(&asked.begin, answer);
        }
        answer(reply);
    }

    /// What became of the act of this id; `None`: it is new.
    fn answered_before(&mut self, asked: &Asked) -> Option<Reply> {
        let Begin { id, digest, .. } = &asked.begin;
        if let Some(first) = self.unkept.outcome(id.as_ref()?, digest) {
            return Some(first);
        }
        match self.store.outcome(id.as_ref()?, digest) {
            // To show a patient once more is to show them: it stands in the record like the first time.
            Ok(Some(Ok(()))) if matches!(asked.request, Request::SignIn(_)) => {
                Some(self.do_it(&asked.anew()))
            }
            Ok(first) => first,
            Err(error) => Some(Err(store_says(&error))),
        }
    }

    fn carry_out(&mut self, asked: &Asked) -> Reply {
        let reply = self.do_it(asked);
        // What was done is written down with it, in its own transaction.
        if let (Some(id), Err(_)) = (&asked.begin.id, &reply)
            && let Err(error) = self.store.remember(id, &asked.begin.digest, &reply)
        {
            tracing::error!(%error, "what became of an act could not be written down");
            self.unkept.keep(id.clone(), &asked.begin.digest, &reply);
        }
        reply
    }

    fn do_it(&mut self, asked: &Asked) -> Reply {
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
                if self.still.is_kept() {
                    let text = "An update is being installed: nothing is released meanwhile.";
                    return no("updating", text, "Release it when the update is in.");
                }
                let job = self.find(&release.code)?;
                self.nothing_more_came(&job.code)?;
                let release = self.check_release(&job, release, &asked.persons)?;
                self.do_step(&job.code, &Event::Released(release), name, &asked.begin)
            }
            Request::Pause(act) => self.on_printer(act, &Event::PauseAsked, name, asked),
            Request::Resume(act) => self.on_printer(act, &Event::ResumeAsked, name, asked),
            Request::Cancel(act) => {
                let job = self.find(&act.code)?;
                if matches!(job.state, JobState::Printing | JobState::Paused) {
                    return self.on_printer(act, &Event::CancelAsked, name, asked);
                }
                self.do_step(&act.code, &Event::CancelAsked, name, &asked.begin)
            }
            Request::Reject { act, reason } => self.reject(act, reason, person, asked),
            Request::Retry(act) => self.by_person(act, &Event::RetryAsked, name, asked),
            Request::PrintAgain(act) => {
                let job = self.find(&act.code)?;
                let is_entry = job.design.as_ref().is_some_and(|d| d.entry.is_some());
                if job.state == JobState::AwaitingRelease && !is_entry {
                    let text = format!("{} waits for release from the start already.", job.code);
                    return no("not_allowed", text, "Release it.");
                }
                if job.state == JobState::Stopped {
                    self.check_files(&act.code)?;
                }
                self.do_step(&act.code, &Event::PrintAgainAsked, name, &asked.begin)
            }
            Request::Reenter(reenter) => {
                let code = &reenter.act.code;
                may_release(person)?;
                let job = self.find(code)?;
                let entry = self.check_reenter(&job, reenter)?;
                self.do_step(code, &Event::ReentryAsked(entry), name, &asked.begin)
            }
            Request::PutAway(act) => self.put_away(act, name, asked),
            Request::BedClear(_) => {
                if let Some(job) = self.store.on_printer().map_err(|e| store_says(&e))? {
                    let text = format!("{} is being printed: its part lies on the bed.", job.code);
                    return no("not_allowed", text, "Clear the bed when the print is over.");
                }
                self.note(name, "", "bed_clear", json!({}), &asked.begin)
            }
            Request::SignIn(act) => {
                self.find(&act.code)?;
                may_release(person)?;
                let kind = "identity_shown";
                self.note(name, &act.code, kind, json!({}), &asked.begin)
            }
            Request::Recover(_) => self.recover_printer(name, asked),
            Request::Answer {
                question, choice, ..
            } => self.answer_printer(name, question, *choice, asked),
            Request::Tune { tune, .. } => self.tune_print(name, *tune, asked),
            Request::Update(_) => {
                if person.role != crate::status::Role::Service {
                    let text = "Only the service hands in updates.";
                    return no("no_right", text, "Ask whoever looks after the machine.");
                }
                self.note(name, "", "update_handed_in", json!({}), &asked.begin)
            }
            Request::Unlock { name: whom, .. } => {
                if person.role != crate::status::Role::Supervisor {
                    let text = "Only a supervisor clears wrong PINs.";
                    return no("no_right", text, "Ask a supervisor, or wait.");
                }
                let known = self.store.operators().map_err(|e| store_says(&e))?;
                let canonical = super::store::canonical;
                let asked_for = canonical(whom);
                // Without a name everybody is meant.
                let is_known = known.iter().any(|o| canonical(&o.name) == asked_for);
                if !asked_for.is_empty() && !is_known {
                    let text = "Nobody here has that name: nothing was cleared.";
                    return no(
                        "nobody",
                        text,
                        "Write the name as `calvaria operator list` has it.",
                    );
                }
                // Forgotten with this line, in one transaction; then by the gate.
                let body = json!({ "operator": whom.trim() });
                self.note(name, "", "unlocked", body, &asked.begin)
            }
        }
    }

    fn reject(&mut self, act: &Act, reason: &str, person: &Known, asked: &Asked) -> Reply {
        self.find(&act.code)?;
        may_release(person)?;
        let reason = reason.trim();
        if reason.is_empty() || reason.chars().count() > REASON_MAX || is_hidden(reason) {
            let next = "Write why, in a sentence, without the patient\u{2019}s name.";
            return no("no_reason", "The reason is not said.", next);
        }
        let event = Event::Rejected(reason.into());
        self.do_step(&act.code, &event, &person.name, &asked.begin)
    }

    fn put_away(&mut self, act: &Act, actor: &str, asked: &Asked) -> Reply {
        if self.find(&act.code)?.away.is_some() {
            let text = format!("{} is off the list already.", act.code);
            return no("not_allowed", text, "It stays under All cases.");
        }
        let rule = String::new();
        self.by_person(act, &Event::PutAwayAsked { rule }, actor, asked)
    }

    fn recover_printer(&mut self, actor: &str, asked: &Asked) -> Reply {
        self.link_is_up()?;
        if !self.status.view.needs_recovery() {
            let text = "The printer is not halted: there is nothing to recover.";
            let next = "Look at the printer; the page says how it is.";
            return no("not_halted", text, next);
        }
        let kind = "printer_recover_asked";
        self.note(actor, "", kind, json!({}), &asked.of_link())?;
        self.give(Order::Recover, "", kind);
        Ok(())
    }

    /// Answers the question that was seen, where it is still open.
    fn answer_printer(
        &mut self,
        actor: &str,
        question: &str,
        choice: usize,
        asked: &Asked,
    ) -> Reply {
        self.link_is_up()?;
        let Some(prompt) = self.status.view.question() else {
            let text = "The printer asks nothing that could be answered here.";
            return no("nothing_asked", text, "Look at its own display.");
        };
        if prompt.text != question {
            let text = "The printer asks something else by now.";
            return no("changed", text, "Look at what it asks, then answer.");
        }
        if choice >= prompt.choices.len().max(1) {
            let text = "The printer does not offer this choice.";
            return no("no_such_choice", text, "Look at what it asks.");
        }
        let kind = "printer_answer_asked";
        let body =
            json!({ "question": question, "choice": choice, "answer": prompt.choices.get(choice) });
        let job = self.store.on_printer().map_err(|e| store_says(&e))?;
        let code = job.map(|job| job.code).unwrap_or_default();
        self.note(actor, &code, kind, body, &asked.of_link())?;
        self.give(Order::Answer(choice), &code, kind);
        Ok(())
    }

    /// Within which bounds is the link's to say: it knows the profile in force.
    fn tune_print(&mut self, actor: &str, tune: Tune, asked: &Asked) -> Reply {
        self.link_is_up()?;
        if tune == Tune::default() {
            let text = "It is not said what to change.";
            return no("nothing_asked", text, "Say speed, flow, fan or height.");
        }
        let Some(job) = self.store.on_printer().map_err(|e| store_says(&e))? else {
            let text = "Nothing is being printed that could be tuned.";
            return no("not_printing", text, "Look at the state.");
        };
        let kind = "printer_tune_asked";
        self.note(actor, &job.code, kind, json!(tune), &asked.of_link())?;
        self.give(Order::Tune(tune), &job.code, kind);
        Ok(())
    }

    fn by_person(&mut self, act: &Act, event: &Event, actor: &str, asked: &Asked) -> Reply {
        self.find(&act.code)?;
        self.do_step(&act.code, event, actor, &asked.begin)
    }

    fn on_printer(&mut self, act: &Act, event: &Event, actor: &str, asked: &Asked) -> Reply {
        self.find(&act.code)?;
        self.link_is_up()?;
        self.do_step(&act.code, event, actor, &asked.of_link())
    }

    /// Somebody pressed emergency stop: nothing is asked of them, and the link was told before, or could not be.
    pub(super) fn stopped(&mut self) {
        match self.store.on_printer() {
            Ok(Some(job)) => {
                let (_, taken) = self.presses.take();
                self.apply(&job.code, &Event::EmergencyStop { taken }, "anybody");
            }
            Ok(None) => self.write_presses(),
            Err(error) => {
                self.presses.take();
                tracing::error!(%error, "the job on the printer could not be read");
            }
        }
    }

    /// Writes down how often emergency stop was pressed with nothing on the printer: at once, then once a second.
    pub(super) fn write_presses(&mut self) {
        if self.pressed.is_some_and(|at| at.elapsed() < PRESSES) {
            return;
        }
        let (presses, taken) = self.presses.take();
        if presses == 0 {
            return;
        }
        self.pressed = Some(Instant::now());
        let (now, body) = (self.now(), json!({ "presses": presses, "taken": taken }));
        let noted = (self.store).note("anybody", "", "emergency_stop", &body, &now);
        if let Err(error) = noted {
            tracing::error!(%error, "the emergency stop could not be written down");
        }
        self.dirty = true;
    }

    fn note(
        &mut self,
        actor: &str,
        code: &str,
        kind: &str,
        body: serde_json::Value,
        begin: &Begin,
    ) -> Reply {
        let now = self.now();
        let monotonic = self.monotonic();
        self.store
            .note_act(actor, code, kind, &body, &now, (begin, &*monotonic))
            .map_err(|e| store_says(&e))?;
        if !code.is_empty() {
            self.export(code);
        }
        Ok(())
    }

    fn do_step(&mut self, code: &str, event: &Event, actor: &str, begin: &Begin) -> Reply {
        self.try_act(code, event, actor, begin)
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
