//! The certificate that is served now. Files that are renewed while the station runs are looked at again.

use super::TlsError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Files are looked at again after this long at the earliest.
const AGAIN: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Served {
    certificate: PathBuf,
    key: PathBuf,
    /// Somebody may renew them.
    watched: bool,
    now: Mutex<Now>,
}

/// What is served, and of which files.
struct Now {
    pair: Arc<CertifiedKey>,
    fingerprint: String,
    marks: [Mark; 2],
    looked: Instant,
}

/// Another one: the file was written anew. Number, size, seconds and nanoseconds of its last change.
type Mark = Option<(u64, u64, i64, i64)>;

impl std::fmt::Debug for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Served")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl Served {
    /// # Errors
    /// [`TlsError`], with the file.
    pub(super) fn of(certificate: &Path, key: &Path, watched: bool) -> Result<Self, TlsError> {
        // Looked at before they are read: what changes between is read once more.
        let marks = [mark(certificate), mark(key)];
        let (pair, fingerprint) = load(certificate, key)?;
        Ok(Self {
            certificate: certificate.into(),
            key: key.into(),
            watched,
            now: Mutex::new(Now {
                pair: Arc::new(pair),
                fingerprint,
                marks,
                looked: Instant::now(),
            }),
        })
    }

    pub(super) fn fingerprint(&self) -> String {
        self.looked().fingerprint.clone()
    }

    /// As it is now, renewed where the files were.
    fn looked(&self) -> MutexGuard<'_, Now> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if self.watched && now.looked.elapsed() >= AGAIN {
            now.looked = Instant::now();
            self.renew(&mut now);
        }
        now
    }

    fn renew(&self, now: &mut Now) {
        let marks = [mark(&self.certificate), mark(&self.key)];
        if marks == now.marks {
            return;
        }
        // Told once: files that can not be used are looked at again when they change again.
        now.marks = marks;
        match load(&self.certificate, &self.key) {
            Ok((pair, fingerprint)) => {
                tracing::info!("the page's certificate was renewed: SHA-256 {fingerprint}");
                (now.pair, now.fingerprint) = (Arc::new(pair), fingerprint);
            }
            // Between the writing of the one file and the other this is as it should be.
            Err(error) => tracing::error!("{error} The certificate before it is served on."),
        }
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.looked().pair))
    }
}

fn mark(path: &Path) -> Mark {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
}

fn load(certificate: &Path, key: &Path) -> Result<(CertifiedKey, String), TlsError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsError::NoCertificate(certificate.into()))?;
    let Some(first) = chain.first() else {
        return Err(TlsError::NoCertificate(certificate.into()));
    };
    let fingerprint = fingerprint(first);
    let secret =
        PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| TlsError::NoKey(key.into()))?;
    // Refuses a key that is not the certificate's.
    let provider = rustls::crypto::ring::default_provider();
    let pair = CertifiedKey::from_der(chain, secret, &provider)
        .map_err(|e| unfit(certificate, key, &e))?;
    Ok((pair, fingerprint))
}

pub(super) fn unfit(certificate: &Path, key: &Path, error: &rustls::Error) -> TlsError {
    TlsError::Unfit {
        certificate: certificate.into(),
        key: key.into(),
        text: error.to_string(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read {
        path: path.into(),
        source,
    })
}

fn fingerprint(certificate: &[u8]) -> String {
    let pairs: Vec<String> = Sha256::digest(certificate)
        .iter()
        .map(|b| format!("{b:02X}"))
        .collect();
    pairs.join(":")
}

#[cfg(test)]
mod tests {
    use super::super::{Named, Tls};
    use super::*;

    #[test]
    fn renewed_files_are_served_and_ones_that_do_not_fit_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let named = |name: &str| Named {
            names: vec![name.into()],
            addresses: vec![],
            now_s: 20_100 * 86_400,
            built_s: 20_000 * 86_400,
        };
        let prints = ["a", "b"].map(|n| Tls::own(&path(n), &named(n)).unwrap().fingerprint());
        let (certificate, key) = (path("certificate.pem"), path("key.pem"));
        // As renewing programs do it: written beside, renamed.
        let put = |from: &str, to: &Path| {
            std::fs::copy(path(from), path("new")).unwrap();
            std::fs::rename(path("new"), to).unwrap();
        };
        put("a/certificate.pem", &certificate);
        put("a/key.pem", &key);
        let served = Served::of(&certificate, &key, true).unwrap();
        let looks = || {
            let mut now = served.now.lock().unwrap();
            served.renew(&mut now);
            now.fingerprint.clone()
        };
        assert_eq!(looks(), prints[0]);
        // The certificate alone has come yet; then nothing of use; then both.
        put("b/certificate.pem", &certificate);
        assert_eq!(looks(), prints[0]);
        std::fs::write(&key, "none").unwrap();
        assert_eq!(looks(), prints[0]);
        std::fs::remove_file(&key).unwrap();
        assert_eq!(looks(), prints[0]);
        put("b/key.pem", &key);
        assert_eq!(looks(), prints[1]);
    }
}
