//! Orders to the link on somebody's word, and what came of each.
//!
//! Holds: an act is answered as done once the link has taken its order, not before. What the link refused is answered in
//!        its words, and stands in the record as refused; where nobody waits for that answer any more, the case says so.
//! Never: a refusal that is only logged.

use super::{Answer, Engine};
use crate::station::link::{LinkStatus, Order};
use crate::station::store::Begin;
use crate::status::{ActId, Finding, Refused, Reply};
use std::time::{Duration, Instant};

/// The link answers an order when it has taken it, within milliseconds. Later than this nobody waits for it.
const ANSWER_MAX: Duration = Duration::from_secs(4);
/// Orders without an answer that are remembered; the oldest are given up first.
const OPEN_MAX: usize = 64;

/// Orders that the link has not answered.
#[derive(Default)]
pub(in crate::station) struct Orders {
    open: Vec<Given>,
    /// How many were given.
    count: u64,
}

struct Given {
    order: Order,
    /// Which case it is about; empty: the printer alone.
    code: String,
    /// What was asked, as the record calls it.
    kind: &'static str,
    id: Option<ActId>,
    /// Given once more by a station that came back.
    again: bool,
    /// Who waits.
    answers: Vec<Answer>,
    until: Instant,
}

impl Orders {
    pub(in crate::station) fn count(&self) -> u64 {
        self.count
    }

    /// The newest order is this act's: it is answered when the order is.
    pub(in crate::station) fn wait_for_newest(&mut self, begin: &Begin, answer: Answer) {
        if let Some(given) = self.open.last_mut() {
            given.id.clone_from(&begin.id);
            given.answers.push(answer);
        }
    }

    /// An act that is asked once more while its order is open waits with the first; otherwise the answer comes back.
    pub(in crate::station) fn wait_too(
        &mut self,
        id: Option<&ActId>,
        answer: Answer,
    ) -> Option<Answer> {
        let same = |given: &&mut Given| id.is_some() && given.id.as_ref() == id;
        match self.open.iter_mut().find(same) {
            Some(given) => {
                given.answers.push(answer);
                None
            }
            None => Some(answer),
        }
    }
}

impl Engine {
    /// Gives the link an order about `code` that was recorded as `kind`.
    pub(in crate::station) fn give(&mut self, order: Order, code: &str, kind: &'static str) {
        self.give_as(order, code, kind, false);
    }

    /// Gives the order once more that the record asked for before this station was started.
    pub(super) fn give_again(&mut self, order: Order, code: &str) {
        let kind = kind_of(&order);
        self.give_as(order, code, kind, true);
    }

    fn give_as(&mut self, order: Order, code: &str, kind: &'static str, again: bool) {
        let until = (self.monotonic())() + ANSWER_MAX;
        self.orders.count += 1;
        self.orders.open.push(Given {
            order: order.clone(),
            code: code.into(),
            kind,
            id: None,
            again,
            answers: Vec::new(),
            until,
        });
        if self.orders.open.len() > OPEN_MAX {
            let oldest = self.orders.open.remove(0);
            self.never_known(oldest);
        }
        self.link.order(order);
    }

    /// The link took an order, or refused it. Orders of one kind are answered in the order in which they were given.
    pub(super) fn order_answered(&mut self, order: &Order, answer: Result<LinkStatus, Refused>) {
        let place = self.orders.open.iter().position(|g| g.order == *order);
        let given = place.map(|n| self.orders.open.remove(n));
        let reply = match answer {
            Ok(status) => {
                self.hear_status(status);
                self.taken(given.as_ref());
                Ok(())
            }
            Err(refused) => Err(self.refused(order, given.as_ref(), refused)),
        };
        // Whoever looks after the answer sees what came of it.
        self.publish();
        for answer in given.into_iter().flat_map(|g| g.answers) {
            answer(reply.clone());
        }
    }

    fn taken(&mut self, given: Option<&Given>) {
        let Some(id) = given.and_then(|g| g.id.as_ref()) else {
            return;
        };
        if let Err(error) = self.store.act_ended(id, &Ok(())) {
            tracing::error!(%error, "what became of an act could not be kept");
        }
    }

    /// Writes down what the link refused, and says it where nobody waits for the answer.
    fn refused(&mut self, order: &Order, given: Option<&Given>, refused: Refused) -> Refused {
        tracing::warn!(?order, code = %refused.code, "the link refused");
        let refused = in_our_codes(refused);
        // An order of a connection before this one is about what is on the printer now.
        let kind = given.map_or_else(|| kind_of(order), |g| g.kind);
        let code = match given {
            Some(given) => given.code.clone(),
            None => {
                let job = self.store.on_printer().ok().flatten();
                job.map(|job| job.code).unwrap_or_default()
            }
        };
        let id = given.and_then(|g| g.id.as_ref());
        let now = self.now();
        let again = given.is_none_or(|g| g.again);
        let what = (code.as_str(), refused_kind(kind), again);
        if let Err(error) = self.store.refuse_act(what, id, &refused, &now) {
            tracing::error!(%error, "what the link refused could not be written down");
        }
        if code.is_empty() {
            return refused;
        }
        if given.is_none_or(|g| g.answers.is_empty()) {
            let text = format!(
                "{} was not done: {} {}",
                in_words(kind),
                refused.text,
                refused.next
            );
            self.add_finding(&code, &Finding::warn(refused_kind(kind), text));
        }
        self.export(&code);
        refused
    }

    /// Whoever waited for long enough is told that nobody knows.
    pub(super) fn look_at_orders(&mut self) {
        let now = (self.monotonic())();
        for given in &mut self.orders.open {
            if now >= given.until {
                tell(std::mem::take(&mut given.answers), &Err(unanswered()));
            }
        }
    }

    /// The connection went: what was open on it will not be answered.
    pub(super) fn orders_lost(&mut self) {
        for given in std::mem::take(&mut self.orders.open) {
            self.never_known(given);
        }
    }

    /// No answer will come any more: that is final for the act's id.
    fn never_known(&mut self, given: Given) {
        let reply = Err(not_known());
        if let Some(id) = &given.id
            && let Err(error) = self.store.act_ended(id, &reply)
        {
            tracing::error!(%error, "what became of an act could not be kept");
        }
        tell(given.answers, &reply);
    }
}

/// The link has it, or not: the record says that it was asked.
pub(in crate::station) fn unanswered() -> Refused {
    let text = "The printer link has not answered; whether it was done is not known.";
    let next = "Look at the printer before you try again; use its own switch if it must stop now.";
    Refused::new("stuck", text, next)
}

/// The link, or the station, went before the answer: nobody will know, and the act is not done once more by its id.
pub(in crate::station) fn not_known() -> Refused {
    let text = "Station or printer link were restarted before the answer; whether it was done is not known.";
    let next = "Look at the printer; if it is not done, ask once more.";
    Refused::new("not_known", text, next)
}

fn tell(answers: Vec<Answer>, reply: &Reply) {
    for answer in answers {
        answer(reply.clone());
    }
}

/// The link calls it `no_job` when nothing is printed; here that is a case that is not there.
fn in_our_codes(refused: Refused) -> Refused {
    match refused.code.as_str() {
        "no_job" => Refused {
            code: "not_printing".into(),
            ..refused
        },
        _ => refused,
    }
}

/// As the record calls what an order is for.
pub(super) fn kind_of(order: &Order) -> &'static str {
    match order {
        Order::Print { .. } => "released",
        Order::Pause => "pause_asked",
        Order::Resume => "resume_asked",
        Order::Cancel => "cancel_asked",
        Order::Answer(_) => "printer_answer_asked",
        Order::Tune(_) => "printer_tune_asked",
        Order::Recover => "printer_recover_asked",
    }
}

/// As the record calls its refusal.
pub(super) fn refused_kind(kind: &str) -> &'static str {
    match kind {
        "pause_asked" => "pause_refused",
        "resume_asked" => "resume_refused",
        "cancel_asked" => "cancel_refused",
        "printer_answer_asked" => "printer_answer_refused",
        "printer_tune_asked" => "printer_tune_refused",
        _ => "printer_recover_refused",
    }
}

fn in_words(kind: &str) -> &'static str {
    match kind {
        "pause_asked" => "The hold that was asked for",
        "resume_asked" => "Going on, as it was asked for,",
        "cancel_asked" => "The end that was asked for",
        "printer_tune_asked" => "What was to be tuned",
        _ => "What was asked of the printer",
    }
}
