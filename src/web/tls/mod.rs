//! TLS: certificate and key, from files of the hospital or the box's own; TLS 1.2 and 1.3, nothing older.
//!
//! In:    PEM files, or a folder in which the box keeps its own.
//! Out:   [`Tls`], with which a connection begins, and the certificate's fingerprint for people to compare.
//! Holds: a file that can not be used is an error with its path; the page is never served plain in its place. Files of the
//!        hospital that are renewed while the station runs are taken for the connections from then on; what can not be
//!        used then is logged, and the certificate before goes on.
//! Never: a key in a log; a key that others may read, of those that are made here.

mod own;
mod served;

use rustls::ServerConfig;
use served::Served;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

pub use own::Named;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file can not be read.
    #[error("{}: {source}. Look at web.certificate and web.key, and at the file's rights.", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No certificate in it.
    #[error("{}: no certificate is in it. It has to be PEM: -----BEGIN CERTIFICATE-----, the box's own first, then those above it.", .0.display())]
    NoCertificate(PathBuf),
    /// No key in it.
    #[error("{}: no private key is in it. It has to be PEM without a passphrase: -----BEGIN PRIVATE KEY-----.", .0.display())]
    NoKey(PathBuf),
    /// The two do not fit, or are of a kind that is not known.
    #[error("{} and {} can not be used: {text}. Is the key that of the first certificate?", certificate.display(), key.display())]
    Unfit {
        /// Certificate's file.
        certificate: PathBuf,
        /// Key's file.
        key: PathBuf,
        /// The library's words.
        text: String,
    },
    /// The box's own can not be made or kept.
    #[error("{}: the box's own certificate can not be made: {text}.", folder.display())]
    Make {
        /// Where.
        folder: PathBuf,
        /// Why.
        text: String,
    },
}

/// With what a connection begins.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    served: Arc<Served>,
    own: bool,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("fingerprint", &self.fingerprint())
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Certificate (with those above it) and key of the hospital, PEM.
    ///
    /// # Errors
    /// [`TlsError`], with the file.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        Self::of(certificate, key, false)
    }

    /// The box's own, made in `folder` where there is none yet, where it names another box, or ends within a month.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn own(folder: &Path, named: &Named) -> Result<Self, TlsError> {
        own::make_sure(folder, named)?;
        Self::of(&folder.join(own::CERTIFICATE), &folder.join(own::KEY), true)
    }

    fn of(certificate: &Path, key: &Path, own: bool) -> Result<Self, TlsError> {
        let served = Arc::new(Served::of(certificate, key, !own)?);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|e| served::unfit(certificate, key, &e))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&served) as _);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            served,
            own,
        })
    }

    /// SHA-256 of the certificate that is served now, upper-case hex in pairs with colons, as browsers show it.
    pub fn fingerprint(&self) -> String {
        self.served.fingerprint()
    }

    /// It is the box's own, which no browser knows: nothing may be promised for the time after it.
    pub(super) fn is_own(&self) -> bool {
        self.own
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

#[cfg(test)]
mod tests;
