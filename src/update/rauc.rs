//! RAUC by its command line, as version 1.8 speaks.
//!
//! In:    the program `rauc`.
//! Out:   slots, what a bundle is, progress and result of an installation.
//! Holds: status and info answer within a time; what they say is bounded. An error is in RAUC's own words, its last line.

use crate::status::SlotView;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A question is answered within this time: RAUC checks a signature, and the hash of a plain bundle.
const ANSWER_MAX: Duration = Duration::from_secs(120);
/// Longest answer taken, bytes.
const BYTES_MAX: u64 = 1 << 20;

/// Why RAUC did not answer.
#[derive(Debug, thiserror::Error)]
pub enum RaucError {
    /// There is none: a plain installation.
    #[error("there is no RAUC on this box")]
    None,
    /// It could not be started.
    #[error("RAUC could not be started: {0}")]
    Start(#[source] std::io::Error),
    /// It took too long.
    #[error("RAUC did not answer within {} s", ANSWER_MAX.as_secs())]
    Slow,
    /// It said no, in these words.
    #[error("RAUC says: {0}")]
    Said(String),
    /// It said something that is not known here.
    #[error("RAUC answered something unknown: {0}")]
    Speech(String),
}

/// The program.
#[derive(Clone, Debug)]
pub struct Rauc(PathBuf);

/// Slots, as `rauc status` has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// For which boxes images are taken.
    pub compatible: String,
    /// Boot name of the slot that runs.
    pub booted: String,
    /// Every slot that can be started.
    pub slots: Vec<SlotView>,
    /// Device of each of them, by its RAUC name.
    pub devices: Vec<(String, PathBuf)>,
}

/// A bundle, as `rauc info` has it: its signature is good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// For which boxes it is.
    pub compatible: String,
    /// Its version.
    pub version: String,
    /// Bytes of its largest image; 0: not said.
    pub image_bytes: u64,
}

/// What keeps the blocks of a bundle's payload from being altered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verity {
    /// Root of the hash tree, lower-case hex.
    pub root: String,
    /// Salt, lower-case hex.
    pub salt: String,
    /// Bytes of the hash tree.
    pub tree_bytes: u64,
}

impl Rauc {
    /// The one on `PATH`.
    ///
    /// # Errors
    /// [`RaucError::None`].
    pub fn find() -> Result<Self, RaucError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path)
            .map(|folder| folder.join("rauc"))
            .find(|program| program.is_file());
        found.map(Self).ok_or(RaucError::None)
    }

    /// This one.
    pub fn at(program: &Path) -> Self {
        Self(program.into())
    }

    /// What is installed.
    ///
    /// # Errors
    /// [`RaucError`].
    pub fn status(&self) -> Result<Status, RaucError> {
        let text = self.ask(&["status", "--detailed", "--output-format=json"], None)?;
        status_of(&json(&text)?).ok_or_else(|| RaucError::Speech(first_line(&text)))
    }

    /// What a bundle is; its signature is checked.
    ///
    /// # Errors
    /// [`RaucError::Said`] where the signature is not good.
    pub fn info(&self, bundle: &Path) -> Result<Info, RaucError> {
        let text = self.ask(&["info", "--output-format=json"], Some(bundle))?;
        info_of(&json(&text)?).ok_or_else(|| RaucError::Speech(first_line(&text)))
    }

    /// How the payload is kept from being altered; `None`: the bundle is of the plain kind, which RAUC hashes whole when
    /// it looks at it.
    ///
    /// # Errors
    /// [`RaucError`].
    pub fn verity(&self, bundle: &Path) -> Result<Option<Verity>, RaucError> {
        let text = self.ask(&["info", "--output-format=readable"], Some(bundle))?;
        let value = |key: &str| {
            let line = text.lines().find_map(|l| l.trim().strip_prefix(key))?;
            Some(line.trim().trim_matches('\'').to_owned())
        };
        let (root, salt) = (value("Verity Hash:"), value("Verity Salt:"));
        let tree = value("Verity Size:").and_then(|v| v.parse().ok());
        match (root, salt, tree) {
            (Some(root), Some(salt), Some(tree_bytes)) => Ok(Some(Verity {
                root,
                salt,
                tree_bytes,
            })),
            (None, None, None) => Ok(None),
            _ => Err(RaucError::Speech("half of a bundle's verity".into())),
        }
    }

    /// Installs. `progress` hears percent and what is done.
    ///
    /// # Errors
    /// [`RaucError::Said`], in RAUC's words.
    pub fn install(
        &self,
        bundle: &Path,
        progress: &mut dyn FnMut(u8, &str),
    ) -> Result<(), RaucError> {
        let mut child = self.start(&["install"], Some(bundle))?;
        let errors = child.stderr.take().map(|pipe| {
            std::thread::spawn(move || {
                let mut text = String::new();
                let _ = pipe.take(BYTES_MAX).read_to_string(&mut text);
                text
            })
        });
        let mut last_error = None;
        if let Some(pipe) = child.stdout.take() {
            for line in BufReader::new(pipe.take(BYTES_MAX)).lines() {
                // What is no text is no progress; the end of the pipe ends this.
                let Ok(line) = line else { break };
                if let Some((percent, text)) = progress_of(&line) {
                    progress(percent, text);
                } else if let Some(error) = line.trim().strip_prefix("LastError:") {
                    last_error = Some(error.trim().to_owned());
                }
            }
        }
        let ended = child.wait().map_err(RaucError::Start)?;
        let errors = errors.and_then(|t| t.join().ok()).unwrap_or_default();
        if ended.success() {
            return Ok(());
        }
        let from_errors = errors.lines().rev();
        let said = from_errors
            .map(str::trim)
            .find_map(|l| l.strip_prefix("LastError:").map(str::trim));
        let said = last_error.or_else(|| said.map(str::to_owned));
        Err(RaucError::Said(said.unwrap_or_else(|| last_line(&errors))))
    }

    fn start(
        &self,
        arguments: &[&str],
        bundle: Option<&Path>,
    ) -> Result<std::process::Child, RaucError> {
        Command::new(&self.0)
            .args(arguments)
            .args(bundle)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(RaucError::Start)
    }

    /// What it says on standard output.
    fn ask(&self, arguments: &[&str], bundle: Option<&Path>) -> Result<String, RaucError> {
        let mut child = self.start(arguments, bundle)?;
        let pipes = (child.stdout.take(), child.stderr.take());
        let (Some(out), Some(err)) = pipes else {
            return Err(RaucError::Speech(String::new()));
        };
        let reader = |pipe: Box<dyn Read + Send>| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                let _ = pipe.take(BYTES_MAX).read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            })
        };
        let (out, err) = (reader(Box::new(out)), reader(Box::new(err)));
        let by = Instant::now() + ANSWER_MAX;
        let ended = loop {
            match child.try_wait().map_err(RaucError::Start)? {
                Some(ended) => break ended,
                None if Instant::now() > by => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(RaucError::Slow);
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let (out, err) = (out.join(), err.join());
        let (out, err) = (out.unwrap_or_default(), err.unwrap_or_default());
        if ended.success() {
            return Ok(out);
        }
        Err(RaucError::Said(last_line(&err)))
    }
}

fn json(text: &str) -> Result<Value, RaucError> {
    // What is logged may stand before it.
    let from = text.find('{').unwrap_or(0);
    serde_json::from_str(&text[from..]).map_err(|_| RaucError::Speech(first_line(text)))
}

fn first_line(text: &str) -> String {
    text.lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(200)
        .collect()
}

fn last_line(text: &str) -> String {
    let last = text.lines().rev().map(str::trim).find(|l| !l.is_empty());
    last.unwrap_or("nothing").chars().take(300).collect()
}

fn word(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn status_of(said: &Value) -> Option<Status> {
    let mut status = Status {
        compatible: word(said, "compatible"),
        booted: word(said, "booted"),
        ..Status::default()
    };
    // `[{"rootfs.0": {…}}, …]`
    for entry in said["slots"].as_array()? {
        let (name, slot) = entry.as_object()?.iter().next()?;
        let boot_name = word(slot, "bootname");
        if boot_name.is_empty() {
            // What is never started by itself: data, boot files.
            continue;
        }
        status
            .devices
            .push((name.clone(), word(slot, "device").into()));
        status.slots.push(SlotView {
            name: name.clone(),
            booted: word(slot, "state") == "booted" || boot_name == status.booted,
            good: word(slot, "boot_status") == "good",
            version: word(&slot["slot_status"]["bundle"], "version"),
            boot_name,
        });
    }
    Some(status)
}

fn info_of(said: &Value) -> Option<Info> {
    let images = said["images"].as_array();
    let sizes = images.into_iter().flatten().filter_map(|image| {
        let (_, image) = image.as_object()?.iter().next()?;
        image["size"].as_u64()
    });
    Some(Info {
        compatible: said["compatible"].as_str()?.to_owned(),
        version: word(said, "version"),
        image_bytes: sizes.max().unwrap_or(0),
    })
}

/// ` 40% Verifying signature done.`
fn progress_of(line: &str) -> Option<(u8, &str)> {
    let (percent, text) = line.trim().split_once('%')?;
    let percent = percent.trim().parse().ok().filter(|p| *p <= 100)?;
    Some((percent, text.trim()))
}

#[cfg(test)]
mod tests;
