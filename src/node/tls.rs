//! Tls: connections that nobody reads along, from callers that show a certificate.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// PEM files.
#[derive(Clone, Copy, Debug)]
pub struct TlsFiles<'a> {
    /// Our certificate, with those above it.
    pub certificate: &'a Path,
    /// Its key.
    pub key: &'a Path,
    /// Who signs the callers' certificates; `None`: callers show none.
    pub authority: Option<&'a Path>,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[error("{}: {text}", path.display())]
pub struct TlsFault {
    path: PathBuf,
    text: String,
}

impl TlsFault {
    fn of(path: &Path, text: impl std::fmt::Display) -> Self {
        Self {
            path: path.into(),
            text: text.to_string(),
        }
    }
}

/// TLS 1.2 and 1.3 with these files.
///
/// # Errors
/// [`TlsFault`], with the file.
pub fn mutual(files: TlsFiles<'_>) -> Result<Arc<ServerConfig>, TlsFault> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = certificates(files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(files.key).map_err(|e| TlsFault::of(files.key, e))?;
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|e| TlsFault::of(files.certificate, e))?;
    let config = match files.authority {
        None => config.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|e| TlsFault::of(path, e))?;
            }
            let roots = Arc::new(roots);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                .build()
                .map_err(|e| TlsFault::of(path, e))?;
            config.with_client_cert_verifier(verifier)
        }
    };
    let config = config
        .with_single_cert(chain, key)
        .map_err(|e| TlsFault::of(files.certificate, e))?;
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| TlsFault::of(path, e))?;
    if found.is_empty() {
        return Err(TlsFault::of(path, "holds no certificate"));
    }
    Ok(found)
}
