//! `[node]`: the DICOM node's section.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// The DICOM node, a process of its own (`calvaria node`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    /// Address and port at which it listens, e.g. `0.0.0.0:11112`; empty: there is none.
    pub listen: String,
    /// Its AE title.
    pub aet: String,
    /// PEM file of its certificate, with those above it; empty: no TLS.
    pub certificate: PathBuf,
    /// PEM file of its key.
    pub key: PathBuf,
    /// PEM file of who signs the callers' certificates; with it every caller has to show one.
    pub authority: PathBuf,
    /// Who may send.
    pub callers: Vec<Caller>,
}

/// One who may send to the node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    /// Its AE title.
    pub aet: String,
    /// Its address, or a network: `10.1.2.3`, `10.1.0.0/16`.
    pub address: String,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            listen: String::new(),
            aet: "CALVARIA".into(),
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            authority: PathBuf::new(),
            callers: Vec::new(),
        }
    }
}

impl Node {
    /// Is there to be one?
    pub fn is_wanted(&self) -> bool {
        !self.listen.is_empty()
    }

    /// Refuses what can not be meant: key, value, and what may be written instead.
    pub(super) fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        if self.is_wanted() && self.listen.parse::<SocketAddr>().is_err() {
            let want = "write ADDRESS:PORT, e.g. 0.0.0.0:11112, or nothing for no node";
            return Err(("node.listen", self.listen.clone(), want));
        }
        let title = "write an AE title: 1 to 16 letters, digits, spaces and signs, no backslash";
        if !is_title(&self.aet) {
            return Err(("node.aet", self.aet.clone(), title));
        }
        if let Some(caller) = self.callers.iter().find(|c| !is_title(&c.aet)) {
            return Err(("node.callers", caller.aet.clone(), title));
        }
        if self.is_wanted() && self.callers.is_empty() {
            let want = "name who may send: callers = [{ aet = \"PACS\", address = \"10.1.2.3\" }]";
            return Err(("node.callers", "[]".into(), want));
        }
        let given = |path: &PathBuf| !path.as_os_str().is_empty();
        if given(&self.certificate) != given(&self.key) {
            let want = "write certificate and key, or neither";
            return Err(("node.key", self.key.display().to_string(), want));
        }
        if given(&self.authority) && !given(&self.certificate) {
            let want = "write certificate and key beside it";
            return Err(("node.authority", self.authority.display().to_string(), want));
        }
        Ok(())
    }
}

/// An AE title (PS3.5 table 6.2-1): spaces at its ends mean nothing, so none are written.
fn is_title(text: &str) -> bool {
    let fits = (1..=16).contains(&text.len()) && text.trim() == text;
    fits && text.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'\\')
}
