//! Connections: who is let in, how many at a time, and how long a request may take to arrive.
//!
//! In:    the listener; the page, and a small page for when it is crowded.
//! Out:   every connection served by a task of its own, until the station closes.
//! Holds: at most [`OPEN_MAX`] connections, and [`RESERVE`] beside them that reach the emergency stop alone; of the
//!        reserve the oldest gives way, so that whoever presses stop always finds a place. A head that does not come
//!        within [`HEAD_MAX`] closes its connection.
//! Never: more descriptors than `OPEN_MAX + RESERVE`: store, drop folder and designer need theirs.

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};

/// Connections at a time; a browser holds up to six, each open page one more for what is live.
const OPEN_MAX: usize = 96;
/// Connections beside them, for the emergency stop.
const RESERVE: usize = 24;
/// The head of a request is here after this long, also the next one on an open connection.
const HEAD_MAX: Duration = Duration::from_secs(5);
/// In the reserve there is less patience.
const RESERVE_HEAD_MAX: Duration = Duration::from_secs(2);
/// After an accept that failed (no descriptors left), before the next.
const AGAIN: Duration = Duration::from_millis(100);

/// Serves until `closing` says so, and then until every request that has begun is answered.
pub(super) async fn serve(
    listener: TcpListener,
    page: Router,
    crowded: Router,
    mut closing: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(OPEN_MAX));
    let mut tasks = JoinSet::new();
    let mut reserve: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = told(&mut closing) => break,
            Some(_) = tasks.join_next() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(kind = ?error.kind(), "no connection could be taken");
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        };
        let closed = closing.clone();
        if let Ok(place) = room.clone().try_acquire_owned() {
            let page = page.clone();
            tasks.spawn(async move {
                one(stream, peer, page, HEAD_MAX, true, closed).await;
                drop(place);
            });
        } else {
            reserve.retain(|task| !task.is_finished());
            if reserve.len() >= RESERVE
                && let Some(oldest) = reserve.pop_front()
            {
                oldest.abort();
            }
            let small = crowded.clone();
            reserve.push_back(tasks.spawn(one(
                stream,
                peer,
                small,
                RESERVE_HEAD_MAX,
                false,
                closed,
            )));
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// Waits until the station closes. An error means that its end has gone: time to close as well.
async fn told(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|c| *c).await;
}

/// One connection, with the peer's address for the guard.
async fn one(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    head: Duration,
    keep: bool,
    mut closing: watch::Receiver<bool>,
) {
    // Small answers at once; without it they are only later.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router.layer(Extension(ConnectInfo(peer))));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .keep_alive(keep)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // What goes wrong on one connection (it broke off, it was too slow) is nobody else's business.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = told(&mut closing) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
