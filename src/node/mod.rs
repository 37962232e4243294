//! Node: what a scanner or an archive sends by DICOM becomes files in the drop folder.
//!
//! In:    connections of callers that the configuration names: C-ECHO and C-STORE of CT.
//! Out:   DROP/node-HASH, a folder for each study, and in it a DICOM file for each instance.
//! Holds: an instance is answered with success only when its file is whole, on the disk and under its name. Memory does
//!        not grow with what is sent; every wait has an end; connections, bytes and instances have bounds.
//! Never: decodes a pixel, decides when a study is complete (the drop folder's quiet time does), uses a text of the caller
//!        in a path, writes a UID or a name to the log.
//!
//! `serve` takes connections → `association` is one of them, from its request to its end: `negotiate` says what is agreed,
//! `pdu` and `stream` read and write, `dimse` knows commands, `instance` is the file that grows, `arrivals` where it goes.
//! What is spoken here is stated in `docs/dicom-node.md`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

mod arrivals;
mod association;
mod caller;
mod classes;
mod dimse;
mod instance;
mod negotiate;
mod pdu;
mod serve;
mod stream;
#[cfg(test)]
mod tests;
mod tls;

pub use caller::{Caller, Network, NoNetwork};
pub use serve::run;
pub use tls::{TlsFault, TlsFiles, mutual};

/// What a node has to know.
#[derive(Clone)]
pub struct Setup {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its own AE title.
    pub aet: String,
    /// Who may call.
    pub callers: Vec<Caller>,
    /// The drop folder.
    pub drop: PathBuf,
    /// Below this much free space nothing is taken, MiB.
    pub free_mib: u64,
    /// TLS, with the callers' certificates where they have to show one.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Bounds.
    pub limits: Limits,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup")
            .field("listen", &self.listen)
            .field("aet", &self.aet)
            .field("callers", &self.callers)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

/// Bounds on what a caller may take of this box.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Associations at one time, of all callers and of one address. One more is rejected as "temporary congestion".
    pub associations: usize,
    /// The same of one address.
    pub of_one_address: usize,
    /// From the connection to its request.
    pub request: Duration,
    /// Between two messages.
    pub idle: Duration,
    /// From the first byte of a PDU to its last: a caller that sends a byte now and then is ended.
    pub pdu: Duration,
    /// One instance, from its command to its last byte.
    pub instance: Duration,
    /// One association altogether.
    pub association: Duration,
    /// Bytes of one instance of a class with one frame, and of one with many.
    pub frame_bytes: u64,
    /// The same of a class with many frames.
    pub frames_bytes: u64,
    /// Bytes of one association.
    pub association_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            associations: 48,
            of_one_address: 32,
            request: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            pdu: Duration::from_secs(30),
            instance: Duration::from_secs(600),
            association: Duration::from_secs(4 * 3600),
            frame_bytes: 64 << 20,
            frames_bytes: 1 << 30,
            association_bytes: 16 << 30,
        }
    }
}

/// Why a node can not run.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The address can not be listened at.
    #[error(
        "{listen} can not be listened at: {source}. Is another node running, or is the port below 1024?"
    )]
    Listen {
        /// Where.
        listen: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The drop folder can not be written into.
    #[error("{}: {source}. The node puts what it receives there.", path.display())]
    Drop {
        /// Which folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A thread can not be started, or a signal not be watched.
    #[error("the node can not run: {0}")]
    System(#[source] std::io::Error),
}

/// The door for untrusted bytes, for fuzzing: PDUs and commands, as a connection brings them. `true`: the first was
/// understood.
pub fn door(bytes: &[u8]) -> bool {
    pdu::door(bytes)
}

/// Is `address` the other form of an IPv4 address? A socket of both families reports callers so.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}
