//! Record: `case.json`, what was done to a case and what came of it.
//!
//! Never: holds a name, an ID, a date, a host or a path. Times are durations.

use crate::status::{Finding, Side, Stage};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::Path;

/// Everything known about a design. Keys are stable; order is that of the file.
#[derive(Debug, Default, Serialize)]
pub(super) struct Record {
    /// Version of the program.
    pub calvaria: String,
    /// `designed`, `refused` or `failed`.
    pub outcome: String,
    /// Why, when it is not `designed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Research prototype, fit model.
    pub notice: String,
    /// Facts and doubts, in the order they were found.
    pub findings: Vec<Finding>,
    /// Side of the defect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// SHA-256 of each input file, by its number within the drop.
    pub inputs: Vec<String>,
    /// SHA-256 of each file written, by name.
    pub outputs: BTreeMap<String, String>,
    /// The study's technical facts.
    pub study: serde_json::Value,
    /// Weights that answered, their hash and their scores.
    pub weights: serde_json::Value,
    /// SHA-256 of the prior of the vault that helped to fill the hole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prior_sha256: Option<String>,
    /// Device kind the network ran on.
    pub device: String,
    /// Map from the native grid to the network's frame.
    pub frame: serde_json::Value,
    /// What was ordered, where anything was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<super::Order>,
    /// Fit of the part in its hole.
    pub fit: serde_json::Value,
    /// What lightening saves and costs, part by part, where it was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lightness: Vec<crate::implant::Lightness>,
    /// Seconds per stage.
    pub seconds: BTreeMap<&'static str, f64>,
    /// Highest resident memory of the process, MiB.
    pub peak_memory_mib: f64,
}

/// Said on every design.
pub(super) const NOTICE: &str = "Research prototype, not a cleared medical device. A part printed in PLA is a fit model, not an implant.";

impl Record {
    /// An empty record of this version.
    pub(super) fn new() -> Self {
        Self {
            calvaria: env!("CARGO_PKG_VERSION").into(),
            notice: NOTICE.into(),
            ..Self::default()
        }
    }

    /// Adds a stage's duration.
    pub(super) fn spent(&mut self, stage: Stage, seconds: f64) {
        *self.seconds.entry(stage.word()).or_insert(0.0) += (seconds * 1000.0).round() / 1000.0;
    }
}

/// SHA-256 of a file, lower-case hex.
///
/// # Errors
/// When the file can not be read.
pub fn sha256_file(path: &Path) -> io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut block = vec![0u8; 1 << 16];
    loop {
        let n = file.read(&mut block)?;
        if n == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&block[..n]);
    }
}

/// SHA-256 of bytes, lower-case hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Writes a file so that it is there whole or not at all: temporary name, sync, rename.
///
/// # Errors
/// When the folder can not be written.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder_of(path))?;
    file.write_all(bytes)?;
    publish(file, path, 0o644)
}

/// Gives a finished temporary file its name: sync, mode, rename, sync of the folder.
///
/// # Errors
/// When any of that fails; the old file, if there was one, is then still there.
pub(super) fn publish(file: tempfile::NamedTempFile, path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    std::fs::File::open(folder_of(path))?.sync_all()
}

/// The folder a file lies in; a bare name lies in the current one.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Highest resident memory of this process so far, MiB; 0 where the kernel does not tell.
pub fn peak_memory_mib() -> f64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|s| {
            s.lines().find_map(|l| {
                l.strip_prefix("VmHWM:")?
                    .trim()
                    .strip_suffix(" kB")?
                    .trim()
                    .parse()
                    .ok()
            })
        })
        .map_or(0.0, |kib: f64| (kib / 1024.0).round())
}
