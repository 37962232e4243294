//! The emergency stop: one thread that carries it, a listener of its own, and what became of it.
//!
//! In:    presses from pages and scripts.
//! Out:   the order to the link, and an answer that is true: sent, confirmed, or not taken.
//! Holds: the thread is there from the start, so that a stop needs no new thread, no place in a pool and no other
//!        request to end. Who presses while an order is on its way shares the next one. The listener has its own
//!        thread and its own places: a browser counts connections by host *and port*, so that no download, upload or
//!        open page of the same browser is ahead of it.
//! Never: says that the printer is off before the printer has said so.

use super::connections::{self, Rules};
use super::fault::{self, Fault};
use super::{Shared, api, guarded};
use crate::status::{PrinterState, Refused, Reply, Snapshot};
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// Acts, and only it, that anybody may do from anywhere.
pub(super) const PATH: &str = "/api/v1/printer/emergency-stop";
/// What became of it.
pub(super) const STATE: &str = "/api/v1/printer/stop";
/// An order that is not answered by then was not taken, as far as anybody can say.
const ANSWER_MAX: Duration = Duration::from_secs(4);
/// The link reports twice a second; a stop that it has not told of by then is not confirmed.
const REPORT_MAX: Duration = Duration::from_secs(10);
/// A link that answers no more is noticed within this time: until then what was heard before the stop is no news.
const NOTICED_MAX: Duration = Duration::from_secs(20);
/// Who waits for one order.
const TOGETHER_MAX: usize = 256;
/// The listener's own places: nobody stays, and whoever presses stays before those who do not.
pub(super) const RULES: Rules = Rules {
    open_max: 0,
    reserve: 64,
    address_max: 0,
    head_max: Duration::from_secs(2),
};

/// What is to be said of the last order until the link says it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Known {
    /// No order is on its way, as far as is known here.
    #[default]
    Told,
    /// The link has an order and has not told of it yet.
    Sent,
    /// The link did not answer the order. It may have it all the same, and tell of it later.
    NotTaken,
    /// The link should have told of it by now.
    Silent,
}

/// The last order. Those who press together share one, and one watch over it.
#[derive(Debug, Default)]
struct Order(Mutex<(u64, Known)>);

impl Order {
    fn known(&self) -> Known {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// Notes a press; the number of a new watch, when nobody watches for what becomes of the one before.
    fn pressed(&self, taken: bool) -> Option<u64> {
        let mut order = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (watch, known) = *order;
        // An order that the link has stays one that it has.
        let now = if taken || known == Known::Sent {
            Known::Sent
        } else {
            Known::NotTaken
        };
        let watched = matches!(known, Known::Sent | Known::NotTaken);
        *order = (watch + u64::from(!watched), now);
        (!watched).then_some(watch + 1)
    }

    /// What a watch found, unless a later press has one of its own.
    fn found(&self, watch: u64, known: Known) {
        let mut order = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if order.0 == watch {
            order.1 = known;
        }
    }
}

/// The way to the thread that stops.
#[derive(Clone)]
pub(super) struct Stopper {
    presses: mpsc::Sender<oneshot::Sender<Reply>>,
    order: Arc<Order>,
}

impl Stopper {
    /// Starts the thread. It ends with the last [`Stopper`].
    pub(super) fn start(stop: Arc<dyn Fn() -> Reply + Send + Sync>) -> std::io::Result<Self> {
        let (presses, inbox) = mpsc::channel::<oneshot::Sender<Reply>>();
        let carry = move || {
            while let Ok(first) = inbox.recv() {
                let mut waiting = vec![first];
                waiting.extend(inbox.try_iter().take(TOGETHER_MAX));
                // A fault below must not end the only thread that stops.
                let reply = catch_unwind(AssertUnwindSafe(|| stop()));
                let reply = reply.unwrap_or_else(|_| Err(not_taken()));
                for press in waiting {
                    // Who went away is not told.
                    let _ = press.send(reply.clone());
                }
            }
        };
        std::thread::Builder::new()
            .name("stop".into())
            .spawn(carry)?;
        Ok(Self {
            presses,
            order: Arc::default(),
        })
    }

    async fn press(&self) -> Reply {
        let (tx, rx) = oneshot::channel();
        self.presses.send(tx).map_err(|_| not_taken())?;
        match tokio::time::timeout(ANSWER_MAX, rx).await {
            Ok(Ok(reply)) => reply,
            _ => Err(not_taken()),
        }
    }
}

/// Says that an order is on its way, or was not taken, until the link has told of it.
async fn until_told(order: Arc<Order>, watch: u64, mut snapshots: watch::Receiver<Arc<Snapshot>>) {
    let pressed = tokio::time::Instant::now();
    let mut told = async |limit| {
        let told = snapshots.wait_for(|s| of_fault(s).is_some());
        tokio::time::timeout_at(pressed + limit, told).await.is_ok()
    };
    let mut is_told = told(REPORT_MAX).await;
    if !is_told {
        order.found(watch, Known::Silent);
        is_told = told(NOTICED_MAX).await;
    }
    if !is_told {
        let ready = |s: &Arc<Snapshot>| s.printer.state == PrinterState::Idle;
        // The end of the station ends this too.
        let _ = snapshots
            .wait_for(|s| of_fault(s).is_some() || ready(s))
            .await;
    }
    order.found(watch, Known::Told);
}

fn not_taken() -> Refused {
    let text = "The printer link does not answer: the stop was not taken.";
    Refused::new("no_answer", text, "Use the switch at the printer.")
}

/// Stops the printer. Needs nothing, waits for nobody but the link.
pub(super) async fn press(State(shared): State<Shared>) -> Result<Json<Value>, Fault> {
    let reply = shared.stopper.press().await;
    let order = shared.stopper.order.clone();
    if let Some(watch) = order.pressed(reply.is_ok()) {
        tokio::spawn(until_told(order, watch, shared.desk.snapshots.clone()));
    }
    reply?;
    Ok(Json(json!({ "ok": true, "stop": "sent" })))
}

/// What became of the last stop, and whether one would be heard now.
pub(super) async fn state(State(shared): State<Shared>) -> Json<Value> {
    let snapshot = shared.desk.snapshot();
    let fault = snapshot.printer.fault.as_ref();
    Json(json!({
        "stop": became(&snapshot, shared.stopper.order.known()),
        "heard": snapshot.printer.state != PrinterState::LinkDown,
        "text": fault.map(|f| &f.text),
    }))
}

/// As the printer says it, and before that as the order is known here.
fn became(snapshot: &Snapshot, order: Known) -> &'static str {
    of_fault(snapshot).unwrap_or(match order {
        Known::Sent => "sent",
        Known::NotTaken | Known::Silent => "not_confirmed",
        Known::Told => "none",
    })
}

/// By the name of the printer's fault, which says it of itself.
fn of_fault(snapshot: &Snapshot) -> Option<&'static str> {
    match snapshot.printer.fault.as_ref()?.name.as_str() {
        "stop_sent" => Some("sent"),
        "emergency_stop" => Some("confirmed"),
        "stop_unanswered" => Some("not_confirmed"),
        _ => None,
    }
}

/// What the listener serves, and what is left of the page when it is crowded.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route(PATH, post(press))
        .route(STATE, get(state))
        .route("/healthz", get(api::healthz))
}

/// Serves the listener on a thread of its own until `closing` says so.
pub(super) fn listen(
    listener: std::net::TcpListener,
    shared: Shared,
    closing: watch::Receiver<bool>,
) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let serve = move || {
        runtime.block_on(async move {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => {
                    let tls = shared.reached.tls.clone();
                    let router = guarded(routes().fallback(fault::not_found), shared);
                    connections::serve(listener, RULES, tls, router.clone(), router, closing).await;
                }
                Err(error) => tracing::error!(kind = ?error.kind(), "no listener for the stop"),
            }
        });
    };
    std::thread::Builder::new()
        .name("stop-page".into())
        .spawn(serve)
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    }

    #[test]
    fn presses_that_come_together_share_an_order_and_all_are_answered() {
        let orders = Arc::new(AtomicUsize::new(0));
        let counted = orders.clone();
        let stopper = Stopper::start(Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(50));
            Ok(())
        }))
        .unwrap();
        let answered = runtime().block_on(async {
            let all: Vec<_> = (0..100)
                .map(|_| {
                    let stopper = stopper.clone();
                    tokio::spawn(async move { stopper.press().await })
                })
                .collect();
            let mut answered = 0;
            for press in all {
                answered += usize::from(press.await.unwrap().is_ok());
            }
            answered
        });
        assert_eq!(answered, 100);
        // One, when all were there before the thread looked; each of them alone would be a hundred.
        assert!((1..=3).contains(&orders.load(Ordering::Relaxed)));
    }

    #[test]
    #[allow(clippy::panic, reason = "the fault that is played")]
    fn a_fault_below_is_told_and_the_next_press_is_carried() {
        let first = AtomicUsize::new(0);
        let stopper = Stopper::start(Arc::new(move || {
            if first.fetch_add(1, Ordering::Relaxed) == 0 {
                panic!("played");
            }
            Ok(())
        }))
        .unwrap();
        let runtime = runtime();
        let told = runtime.block_on(stopper.press()).unwrap_err();
        assert!(told.next.contains("switch at the printer"), "{told}");
        assert!(runtime.block_on(stopper.press()).is_ok());
    }

    #[test]
    fn an_order_that_the_link_has_not_taken_is_never_none() {
        let order = Order::default();
        let snapshot = Snapshot::default();
        assert_eq!(became(&snapshot, order.known()), "none");
        let watch = order.pressed(false).unwrap();
        assert_eq!(became(&snapshot, order.known()), "not_confirmed");
        // The next press is taken, and watched already; one after it that is not taken undoes nothing.
        assert_eq!(order.pressed(true), None);
        assert_eq!(order.pressed(false), None);
        assert_eq!(became(&snapshot, order.known()), "sent");
        order.found(watch, Known::Silent);
        // A press after that has a watch of its own, and the old one says nothing any more.
        let later = order.pressed(true).unwrap();
        order.found(watch, Known::Told);
        assert_eq!(order.known(), Known::Sent);
        order.found(later, Known::Told);
        assert_eq!(became(&snapshot, order.known()), "none");
    }
}
