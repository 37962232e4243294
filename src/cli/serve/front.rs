//! Front: what is there before the station is, and goes on when it has to wait: the sockets of the page and of the
//! emergency stop, their threads, the signals that end the process.

use super::{address, systemd};
use crate::cli::Failure;
use crate::station::Config;
use crate::status::built_s;
use crate::web::{
    self,
    tls::{Named, Tls, TlsError},
};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Open connections get this long at the end.
const GOODBYE: Duration = Duration::from_secs(3);

/// The sockets and what serves them.
pub(super) struct Front {
    runtime: Runtime,
    listener: TcpListener,
    stop: TcpListener,
    plain: Option<TcpListener>,
    reached: web::Reached,
    signals: std::sync::Mutex<(Signal, Signal)>,
    /// The URL that people are told, as it is now.
    pub(super) address: Arc<dyn Fn() -> String + Send + Sync>,
}

/// A page that is being served.
pub(super) struct OpenPage {
    closing: watch::Sender<bool>,
    page: tokio::task::JoinHandle<()>,
}

impl Front {
    /// Takes the addresses of the page and of the emergency stop.
    pub(super) fn take(config: &Config) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(web::BLOCKING_MAX)
            .thread_name("web")
            .enable_all()
            .build()
            .map_err(Failure::failed)?;
        let at = config.web.listen;
        let taken = runtime.block_on(async { tokio::net::TcpListener::bind(at).await?.into_std() });
        let listener = taken.map_err(|e| {
            Failure::failed(format!(
                "{at}: {e}. Is another station running? Change web.listen."
            ))
        })?;
        let listen = listener.local_addr().map_err(Failure::failed)?;
        let signals = runtime.block_on(async {
            let term = signal(SignalKind::terminate())?;
            std::io::Result::Ok((term, signal(SignalKind::interrupt())?))
        });
        let plain = match config.web.plain_port {
            0 => None,
            port => Some(plain_listener(SocketAddr::new(listen.ip(), port))?),
        };
        let tls = config.web.tls.then(|| tls_of(config)).transpose();
        let tls = tls.map_err(Failure::failed)?;
        let is_tls = tls.is_some();
        Ok(Self {
            runtime,
            plain,
            stop: stop_listener(listen, config.web.stop_port)?,
            reached: web::Reached {
                names: config.web.names.clone(),
                behind_proxy: config.web.behind_proxy,
                tls,
                ..web::Reached::default()
            },
            listener,
            signals: std::sync::Mutex::new(signals.map_err(Failure::failed)?),
            address: Arc::new(address::of(listen, &config.web.names, is_tls)),
        })
    }

    /// Serves the page of this desk until it is closed.
    pub(super) fn open(&self, desk: web::Desk) -> OpenPage {
        let (closing, closed) = watch::channel(false);
        let (listener, stop) = (self.listener.try_clone(), self.stop.try_clone());
        let plain = self.plain.as_ref().map(TcpListener::try_clone);
        let reached = self.reached.clone();
        let page = self.runtime.spawn(async move {
            let serve = async {
                let listener = tokio::net::TcpListener::from_std(listener?)?;
                let beside = web::Beside {
                    stop: Some(stop?),
                    plain: plain.transpose()?,
                };
                web::serve(listener, beside, desk, reached, closed).await
            };
            if let Err(error) = serve.await {
                tracing::error!(kind = ?error.kind(), "the page can not be served");
            }
        });
        OpenPage { closing, page }
    }

    /// SHA-256 of the certificate, for people to compare; empty without TLS.
    pub(super) fn fingerprint(&self) -> String {
        (self.certificate())()
    }

    /// The same, whenever it is asked: files may be renewed.
    pub(super) fn certificate(&self) -> Arc<dyn Fn() -> String + Send + Sync> {
        let tls = self.reached.tls.clone();
        Arc::new(move || tls.as_ref().map(Tls::fingerprint).unwrap_or_default())
    }

    /// systemd is told that the page answers.
    pub(super) fn ready(&self) {
        tracing::info!("the page is at {}", (self.address)());
        if self.reached.tls.is_some() {
            tracing::info!("its certificate has the SHA-256 {}", self.fingerprint());
        }
        systemd::ready();
    }

    /// Waits for SIGTERM or SIGINT, at most `limit`; `true` when one came.
    pub(super) fn signalled(&self, limit: Duration) -> bool {
        let mut signals = self
            .signals
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let (term, int) = &mut *signals;
        self.runtime.block_on(async {
            tokio::select! {
                _ = term.recv() => true,
                _ = int.recv() => true,
                () = tokio::time::sleep(limit) => false,
            }
        })
    }

    /// Ends every thread of the page.
    pub(super) fn end(self) {
        self.runtime.shutdown_timeout(Duration::from_millis(200));
    }
}

impl OpenPage {
    /// Ends the page. Whoever still holds a connection after a while is cut off.
    pub(super) fn close(self, front: &Front) {
        self.closing.send_replace(true);
        let mut page = self.page;
        let ended = front
            .runtime
            .block_on(async { tokio::time::timeout(GOODBYE, &mut page).await });
        if ended.is_err() {
            page.abort();
        }
    }
}

/// The emergency stop's own listener. Without a port of its own it takes the one after the page's, or any: the page
/// is told.
fn stop_listener(page: SocketAddr, port: u16) -> Result<TcpListener, Failure> {
    let bind = |port| TcpListener::bind(SocketAddr::new(page.ip(), port));
    let bound = match port {
        0 => bind(page.port().wrapping_add(1)).or_else(|_| bind(0)),
        port => bind(port),
    };
    bound.map_err(|e| {
        Failure::failed(format!(
            "port {port} of the emergency stop: {e}. Change web.stop_port."
        ))
    })
}

/// Where people are sent on from.
fn plain_listener(at: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(at).map_err(|e| {
        Failure::failed(format!(
            "{at}: {e}. Change web.plain_port; a port below 1024 needs the right to it (docs/install.md)."
        ))
    })
}

/// The hospital's certificate, or the box's own.
fn tls_of(config: &Config) -> Result<Tls, TlsError> {
    let web = &config.web;
    if !web.certificate.as_os_str().is_empty() {
        return Tls::load(&web.certificate, &web.key);
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let mut names = web.names.clone();
    if !host.is_empty() && host.chars().all(is_plain) {
        names.extend([host.to_owned(), format!("{host}.local")]);
    }
    names.push("localhost".into());
    let named = Named {
        names,
        addresses: address::all_own(),
        now_s: jiff::Timestamp::now().as_second(),
        built_s: built_s(),
    };
    Tls::own(&config.data.join("tls"), &named)
}
