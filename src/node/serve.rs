//! Serve: takes connections, as many as there may be, each in a thread of its own.

use super::arrivals::Arrivals;
use super::association::{Association, End};
use super::stream::Stream;
use super::{NodeError, Setup, plain};
use rustix::event::{PollFd, PollFlags, poll};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Connections beyond the associations that are served: they are told that there are too many.
const TOLD: usize = 16;
/// Connections from addresses that no caller has: they are told so, and take no more places than these.
const STRANGERS: usize = 4;
/// How long associations have to end when the node is told to.
const END: Duration = Duration::from_secs(10);

/// A node that listens.
pub(super) struct Node {
    shared: Arc<Shared>,
    listener: TcpListener,
    wake: UnixStream,
}

/// Ends a node from elsewhere.
pub(super) struct Stopper {
    shared: Arc<Shared>,
    waker: UnixStream,
}

struct Shared {
    setup: Setup,
    arrivals: Arrivals,
    ending: AtomicBool,
    /// Connections by address.
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place among those that are open.
struct Place {
    shared: Arc<Shared>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.shared.open();
        if let Some(of_address) = open.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                open.remove(&self.address);
            }
        }
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, and whether it is one too many; `None`: not even that is told.
    fn place(self: &Arc<Self>, address: IpAddr) -> Option<(Place, bool)> {
        let limits = &self.setup.limits;
        let mut open = self.open();
        let all: usize = open.values().sum();
        let strange =
            |address: &IpAddr| !self.setup.callers.iter().any(|c| c.network.has(*address));
        let strangers = || {
            open.iter()
                .filter(|(a, _)| strange(a))
                .map(|(_, n)| n)
                .sum::<usize>()
        };
        if strange(&address) && strangers() >= STRANGERS {
            return None;
        }
        let of_address = open.entry(address).or_default();
        if all >= limits.associations + TOLD || *of_address >= limits.of_one_address + TOLD {
            return None;
        }
        let is_one_too_many = all >= limits.associations || *of_address >= limits.of_one_address;
        *of_address += 1;
        let place = Place {
            shared: Arc::clone(self),
            address,
        };
        Some((place, is_one_too_many))
    }
}

impl Stopper {
    /// Ends the node: what is being received is given up, and its senders hear it.
    pub(super) fn stop(&self) {
        self.shared.ending.store(true, Ordering::Relaxed);
        // A full pipe wakes it as well.
        let _ = rustix::io::write(&self.waker, b"!");
    }
}

impl Node {
    /// Listens.
    ///
    /// # Errors
    /// [`NodeError`].
    pub(super) fn bind(setup: Setup) -> Result<(Self, Stopper), NodeError> {
        let drop_error = |source| NodeError::Drop {
            path: setup.drop.clone(),
            source,
        };
        let arrivals = Arrivals::open(&setup.drop, setup.free_mib).map_err(drop_error)?;
        let listen = setup.listen;
        let listen_error = |source| NodeError::Listen { listen, source };
        let listener = TcpListener::bind(listen).map_err(listen_error)?;
        listener.set_nonblocking(true).map_err(listen_error)?;
        let (wake, waker) = UnixStream::pair().map_err(NodeError::System)?;
        waker.set_nonblocking(true).map_err(NodeError::System)?;
        let shared = Arc::new(Shared {
            setup,
            arrivals,
            ending: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let stopper = Stopper {
            shared: Arc::clone(&shared),
            waker,
        };
        let node = Self {
            shared,
            listener,
            wake,
        };
        Ok((node, stopper))
    }

    /// Where it listens.
    pub(super) fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until it is stopped.
    pub(super) fn serve(self) {
        while !self.shared.ending.load(Ordering::Relaxed) {
            let mut fds = [
                PollFd::new(&self.listener, PollFlags::IN),
                PollFd::new(&self.wake, PollFlags::IN),
            ];
            if poll(&mut fds, None).is_err() {
                // Interrupted: looked at once more.
                continue;
            }
            while let Ok((tcp, address)) = self.listener.accept() {
                self.take(tcp, plain(address.ip()));
            }
        }
        drop(self.listener);
        let by = Instant::now() + END;
        while !self.shared.open().is_empty() && Instant::now() < by {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn take(&self, tcp: TcpStream, address: IpAddr) {
        let Some((place, is_one_too_many)) = self.shared.place(address) else {
            tracing::warn!(%address, "connection closed: too many at one time");
            return;
        };
        let thread = std::thread::Builder::new().name("association".into());
        let spawned = thread.spawn(move || associate(&place, tcp, is_one_too_many));
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread for a caller");
        }
    }
}

fn associate(place: &Place, tcp: TcpStream, is_one_too_many: bool) {
    let shared = &place.shared;
    let mut stream = match Stream::new(tcp, shared.setup.tls.as_ref()) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(address = %place.address, %error, "connection given up");
            return;
        }
    };
    let is_over = || shared.ending.load(Ordering::Relaxed);
    let mut association = Association {
        setup: &shared.setup,
        arrivals: &shared.arrivals,
        address: place.address,
        is_one_too_many,
        is_over: &is_over,
        calling: String::new(),
        tally: super::association::Tally::default(),
    };
    let end = association.serve(&mut stream);
    let (tally, calling) = (&association.tally, &association.calling);
    let address = place.address;
    // Many look whether the port is open, and say nothing.
    if matches!(end, End::Closed) && calling.is_empty() {
        tracing::debug!(%address, "a connection without a request");
        return;
    }
    for (why, times) in &tally.refused {
        tracing::warn!(%address, calling, times, why, "instances refused");
    }
    let (stored, echoes) = (tally.stored, tally.echoes);
    match end {
        End::Released => tracing::info!(%address, calling, stored, echoes, "association ended"),
        other => tracing::warn!(%address, calling, stored, echoes, "association {other}"),
    }
}

/// Listens, and serves until `ended` returns.
///
/// # Errors
/// [`NodeError`] when it can not begin.
pub fn run(setup: Setup, ended: impl FnOnce() -> std::io::Result<()>) -> Result<(), NodeError> {
    let is_tls = setup.tls.is_some();
    let aet = setup.aet.clone();
    let (node, stopper) = Node::bind(setup)?;
    let listen = node.address().map_err(NodeError::System)?;
    tracing::info!(%listen, aet, tls = is_tls, "DICOM node ready");
    let serving = std::thread::Builder::new()
        .name("node".into())
        .spawn(move || node.serve())
        .map_err(NodeError::System)?;
    ended().map_err(NodeError::System)?;
    stopper.stop();
    // A panic of the thread has been told.
    let _ = serving.join();
    tracing::info!("DICOM node ended");
    Ok(())
}
