//! The link's side: the job on the printer follows what the link says of it, and nothing else.

use super::Engine;
use super::orders::refused_kind;
use crate::station::link::{LinkStatus, Order, Phase, Report};
use crate::station::step::Event;
use crate::station::store::{Entry, Job};
use crate::status::{DesignSummary, PrinterState, PrinterView, Reason, Refused};
use std::time::{Duration, Instant};

/// A print on the link that belongs to no printing job is cancelled after this long.
const ORPHAN: Duration = Duration::from_secs(3);

/// What the record asked for last, where that is towards safety and the link may not have heard it. Going on is not
/// among them: nothing moves because a station came back. What the link refused is not asked for any more.
pub(super) fn promised(record: &[Entry]) -> Option<Order> {
    let asked = [
        (Event::CancelAsked.kind(), Some(Order::Cancel)),
        (Event::PauseAsked.kind(), Some(Order::Pause)),
        (Event::ResumeAsked.kind(), None),
    ];
    let mut refused = Vec::new();
    for entry in record.iter().rev() {
        let kind = entry.kind.as_str();
        if let Some((asked, order)) = asked.iter().find(|(asked, _)| *asked == kind) {
            let answer = refused.iter().position(|kind| *kind == refused_kind(asked));
            match answer {
                Some(n) => drop(refused.remove(n)),
                None => return order.clone(),
            }
        } else if kind.ends_with("_refused") {
            refused.push(kind);
        } else if kind.starts_with("link_") || kind == "released" || kind == "emergency_stop" {
            // The link was where this brought it.
            return None;
        }
    }
    None
}

impl Engine {
    pub(super) fn hear_link(&mut self, report: Report) {
        match report {
            Report::Up => {
                self.order_open = false;
                self.orders_lost();
            }
            Report::Down => {
                self.orders_lost();
                self.link_heard = true;
                self.status = LinkStatus {
                    view: PrinterView {
                        state: PrinterState::LinkDown,
                        prompt: None,
                        // What was last known stays visible, as last known.
                        ..std::mem::take(&mut self.status.view)
                    },
                    job: None,
                };
            }
            Report::Status(status) => {
                self.link_heard = true;
                self.hear_status(status);
            }
            Report::Answer(order, answer) => self.hear_answer(order, answer),
        }
    }

    fn hear_answer(&mut self, order: Order, answer: Result<LinkStatus, Refused>) {
        let print = matches!(order, Order::Print { .. });
        if print {
            self.order_open = false;
        }
        match (answer, order) {
            (Ok(status), Order::Print { .. }) => self.hear_status(status),
            (Err(refused), Order::Print { code, .. }) => {
                let why = Reason::new(
                    format!("The printer did not take the print: {}", refused.text),
                    refused.next,
                );
                self.apply(&code, &Event::LinkStopped(why), "link");
            }
            (answer, order) => self.order_answered(&order, answer),
        }
    }

    pub(super) fn hear_status(&mut self, mut status: LinkStatus) {
        let view = &mut status.view;
        if view.state == PrinterState::Idle {
            // An idle printer answers and takes a print: what was wrong has ended.
            view.past_fault = view.fault.take().or(view.past_fault.take());
        }
        self.status = status;
        if self.order_open {
            return;
        }
        match self.store.on_printer() {
            Ok(Some(job)) => self.follow(&job),
            Ok(None) => self.look_for_orphan(),
            Err(error) => tracing::error!(%error, "the job on the printer could not be read"),
        }
    }

    /// Brings the job on the printer to where the link says that it is.
    fn follow(&mut self, job: &Job) {
        self.orphan_since = None;
        self.print_word = "";
        let hash = job.design.as_ref().map(DesignSummary::to_print);
        let ours = self
            .status
            .job
            .as_ref()
            .filter(|j| j.code == job.code && Some(j.sha256.as_str()) == hash);
        let phase = ours.map(|j| j.phase.clone());
        if matches!(phase, Some(Phase::Working(_) | Phase::Paused))
            && let Some(order) = self.promised.take()
        {
            self.give_again(order, &job.code);
        }
        let event = match phase {
            Some(Phase::Working(word)) => {
                self.print_word = word;
                // On the way into or out of a hold the state stays until the link is there.
                if !word.is_empty() {
                    return;
                }
                Event::LinkResumed
            }
            Some(Phase::Paused) => Event::LinkPaused,
            Some(Phase::Printed) => Event::LinkPrinted,
            Some(Phase::Stopped(why)) => Event::LinkStopped(why),
            None => Event::LinkStopped(Reason::new(
                "The printer knows nothing of this print: it was interrupted before it began.",
                "Look at the bed, then release it again.",
            )),
        };
        self.apply(&job.code, &event, "link");
    }

    /// A print on the link without a printing job must not go on: nobody here answers for it.
    fn look_for_orphan(&mut self) {
        let runs = matches!(
            self.status.job.as_ref().map(|j| &j.phase),
            Some(Phase::Working(_) | Phase::Paused)
        );
        if !runs {
            self.orphan_since = None;
            return;
        }
        let since = *self.orphan_since.get_or_insert_with(Instant::now);
        if since.elapsed() > ORPHAN {
            tracing::error!(
                "the link prints something that was not released here; it is cancelled"
            );
            self.orphan_since = None;
            self.give(Order::Cancel, "", "cancel_asked");
        }
    }
}
