//! Connections: who is let in, how many at a time, and how long a request may take to arrive.
//!
//! In:    the listener; the page, and a small page for when it is crowded.
//! Out:   every connection served by a task of its own, until the station closes.
//! Holds: at most [`Rules::open_max`] connections, and [`Rules::reserve`] beside them that reach the small page alone;
//!        of the reserve the oldest that asks for nothing gives way, so that whoever presses stop always finds a
//!        place. A head that does not come within its time closes its connection, and so does an answer that is not
//!        taken ([`super::wire`]). Where TLS is on, a connection that begins with its first byte (22) is TLS, any other
//!        is plain; both come in by the same ports, and what may be asked over which the guard says.
//! Never: more descriptors than both together: store, drop folder and designer need theirs.

use super::tls::Tls;
use super::wire::{Busy, Counted, Patient, Wire};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};

/// Bytes that hyper keeps of a connection, and so the largest head.
const BUFFER_MAX: usize = 64 * 1024;
/// In the reserve there is less patience.
const RESERVE_HEAD_MAX: Duration = Duration::from_secs(2);
/// What a TLS connection begins with: the record type of a handshake. No method of HTTP does.
const HANDSHAKE: u8 = 22;
/// After an accept that failed (no descriptors left), before the next.
const AGAIN: Duration = Duration::from_millis(100);

/// The request came over TLS that ends here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Secured(pub(super) bool);

/// How many are let in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Connections at a time.
    pub(super) open_max: usize,
    /// Connections beside them that reach the small page alone.
    pub(super) reserve: usize,
    /// Of `open_max`, how many one other machine may hold. Programs on this host, a proxy among them, are not counted.
    pub(super) address_max: usize,
    /// The head of a request is here after this long, also the next one on an open connection.
    pub(super) head_max: Duration,
}

/// Serves until `closing` says so, and then until every request that has begun is answered.
pub(super) async fn serve(
    listener: TcpListener,
    rules: Rules,
    tls: Option<Tls>,
    page: Router,
    crowded: Router,
    mut closing: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(rules.open_max));
    let peers = Peers::default();
    let mut tasks = JoinSet::new();
    let mut reserve: VecDeque<(AbortHandle, Busy)> = VecDeque::new();
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
        let busy = Busy::default();
        let mut one = One {
            stream,
            peer,
            tls: tls.clone(),
            router: crowded.clone(),
            head_max: rules.head_max.min(RESERVE_HEAD_MAX),
            keep: false,
            busy: busy.clone(),
            closing: closing.clone(),
        };
        let seat = peers.seat(peer.ip(), rules.address_max);
        if let (Some(seat), Ok(place)) = (seat, room.clone().try_acquire_owned()) {
            (one.router, one.head_max, one.keep) = (page.clone(), rules.head_max, true);
            tasks.spawn(async move {
                one.serve().await;
                drop((place, seat));
            });
        } else {
            give_way(&mut reserve, rules.reserve);
            reserve.push_back((tasks.spawn(one.serve()), busy));
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// Makes a place in the reserve: the oldest that asks for nothing goes; where all ask, the oldest.
fn give_way(reserve: &mut VecDeque<(AbortHandle, Busy)>, most: usize) {
    reserve.retain(|(task, _)| !task.is_finished());
    if reserve.len() < most {
        return;
    }
    let idle = reserve.iter().position(|(_, busy)| !busy.is_busy());
    if let Some((task, _)) = reserve.remove(idle.unwrap_or(0)) {
        task.abort();
    }
}

/// Waits until the station closes. An error means that its end has gone: time to close as well.
async fn told(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|c| *c).await;
}

/// Connections by the machine they come from.
#[derive(Clone, Default)]
struct Peers(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A place among the connections of one machine.
struct Seat(Peers, IpAddr);

impl Peers {
    /// `None`: this machine holds as many as it may.
    fn seat(&self, peer: IpAddr, most: usize) -> Option<Seat> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(peer).or_default();
        if *count >= most && !peer.is_loopback() {
            return None;
        }
        *count += 1;
        Some(Seat(self.clone(), peer))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.1);
            }
        }
    }
}

/// One connection.
struct One {
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Tls>,
    router: Router,
    head_max: Duration,
    /// More than one request may come over it.
    keep: bool,
    busy: Busy,
    closing: watch::Receiver<bool>,
}

impl One {
    async fn serve(mut self) {
        // Small answers at once; without it they are only later.
        let _ = self.stream.set_nodelay(true);
        let Some(tls) = self.tls.take() else {
            let (parts, stream) = self.apart();
            return parts.serve(stream, false).await;
        };
        let (mut closing, patience) = (self.closing.clone(), self.head_max);
        let begun = async {
            let mut first = [0];
            let seen = self.stream.peek(&mut first).await;
            let is_tls = matches!(seen, Ok(1)).then_some(first[0] == HANDSHAKE)?;
            let (parts, stream) = self.apart();
            if !is_tls {
                return Some((parts, Either::Plain(stream)));
            }
            let taken = tls.acceptor().accept(stream).await.ok()?;
            Some((parts, Either::Tls(Box::new(taken))))
        };
        // Whoever says nothing, or shakes hands for ever, loses the place as one does whose head never comes.
        let begun = tokio::select! {
            begun = tokio::time::timeout(patience, begun) => begun.ok().flatten(),
            () = told(&mut closing) => None,
        };
        match begun {
            Some((parts, Either::Plain(stream))) => parts.serve(stream, false).await,
            Some((parts, Either::Tls(stream))) => parts.serve(stream, true).await,
            None => {}
        }
    }

    fn apart(self) -> (Parts, Patient) {
        let parts = Parts {
            peer: self.peer,
            router: self.router,
            head_max: self.head_max,
            keep: self.keep,
            busy: self.busy,
            closing: self.closing,
        };
        (parts, Patient::new(self.stream))
    }
}

enum Either {
    Plain(Patient),
    Tls(Box<tokio_rustls::server::TlsStream<Patient>>),
}

/// One connection without its stream.
struct Parts {
    peer: SocketAddr,
    router: Router,
    head_max: Duration,
    keep: bool,
    busy: Busy,
    closing: watch::Receiver<bool>,
}

impl Parts {
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut self, stream: S, secured: bool) {
        let (peer, busy) = (self.peer, self.busy.clone());
        let router = TowerToHyperService::new(self.router);
        let service = hyper::service::service_fn(move |request: Request<_>| {
            let answering = busy.one();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(Secured(secured));
            let response = router.call(request);
            async move {
                let response = response.await?;
                Ok::<_, std::convert::Infallible>(response.map(|body| Counted {
                    body,
                    _answering: answering,
                }))
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_max)
            .max_buf_size(BUFFER_MAX)
            .keep_alive(self.keep)
            .serve_connection(TokioIo::new(Wire::new(stream, self.busy)), service);
        let mut connection = std::pin::pin!(connection);
        // What goes wrong on one connection (it broke off, it was too slow) is nobody else's business.
        tokio::select! {
            _ = connection.as_mut() => return,
            () = told(&mut self.closing) => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_machine_does_not_take_every_place_and_this_host_is_not_counted() {
        let peers = Peers::default();
        let far: IpAddr = "10.0.0.9".parse().unwrap();
        let seats: Vec<_> = (0..3).map(|_| peers.seat(far, 3)).collect();
        assert!(seats.iter().all(Option::is_some));
        assert!(peers.seat(far, 3).is_none());
        assert!(peers.seat("10.0.0.8".parse().unwrap(), 3).is_some());
        drop(seats);
        assert!(peers.seat(far, 3).is_some());
        let here: IpAddr = "127.0.0.1".parse().unwrap();
        let many: Vec<_> = (0..9).map(|_| peers.seat(here, 3)).collect();
        assert!(many.iter().all(Option::is_some));
    }
}
