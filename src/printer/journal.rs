//! Journal: what the link did, written so that a restart knows what was going on.
//!
//! In:    [`Record`]s.
//! Out:   `DATA/printer/journal.jsonl`, one JSON object a line; the journal of the print before as `journal.1.jsonl`.
//! Holds: a record is on the disk before the next is taken; a torn last line is left out when reading.
//! Never: blocks the link: it is written by a thread of its own.

use super::wire::{JobStatus, Phase, PrinterName};
use crate::status::Finding;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The journal below the data folder.
pub const JOURNAL: &str = "printer/journal.jsonl";
/// Name of the fault of a print that was going on when the link ended.
pub const LINK_RESTARTED: &str = "link_restarted";

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// A print was begun: written before its first line is sent.
    Began {
        /// Case code.
        job: String,
        /// Hash of the file.
        sha256: String,
        /// Lines of the file.
        lines: usize,
        /// Layers.
        layers: u32,
        /// The printer, as it says itself.
        #[serde(default)]
        printer: Option<PrinterName>,
    },
    /// How far it is: at each new layer, else every 10 s.
    Mark {
        /// Lines of the file that have credit.
        line: usize,
        /// Layer.
        layer: u32,
        /// X, Y, Z, E of the last line sent, mm, the file's coordinates.
        at_mm: [Option<f64>; 4],
        /// Hotend and bed targets, C.
        targets_c: [f64; 2],
        /// 0 to 1 by planned time.
        fraction: f64,
    },
    /// Lines up to this layer may be sent from now on: on the disk before the first of them is on the wire.
    Layer {
        /// Layer.
        layer: u32,
    },
    /// Moves of our own begin after so many lines of the file: from now on the head stands elsewhere than the file says.
    Parks {
        /// Lines of the file that were sent.
        line: usize,
    },
    /// They have ended: so many lines were executed, and the head stands there.
    Held {
        /// Lines of the file that were executed.
        line: usize,
        /// X, Y, Z, mm, the file's coordinates.
        at_mm: [f64; 3],
    },
    /// After the end of a print that was cut off, as the printer itself says.
    Stands {
        /// X, Y, Z, mm, the firmware's coordinates.
        at_mm: [f64; 3],
        /// Lines of the file that were executed, where plan and answer agree.
        #[serde(default)]
        line: Option<usize>,
    },
    /// Held.
    Paused,
    /// Goes on, by a person.
    Resumed {
        /// At the printer's own panel.
        #[serde(default)]
        at_printer: bool,
    },
    /// A person changed speed, flow, fan or height: what is in force from now on.
    Tuned {
        /// Percent of the file's.
        speed_percent: f64,
        /// Percent of the file's.
        flow_percent: f64,
        /// Percent of what the file orders.
        fan_percent: f64,
        /// mm over where the file has it.
        z_mm: f64,
    },
    /// A person answered what the printer asked.
    Answered {
        /// Place of the choice, from 0.
        choice: usize,
    },
    /// Over.
    Ended {
        /// How.
        job: JobStatus,
    },
    /// The printer halted or was stopped, and what is known of it: a person has to look, whatever link comes next.
    Halted {
        /// Why.
        fault: Finding,
    },
    /// A person has looked and let it recover, or it answers again.
    Recovered,
    /// The link ended in order.
    Closed,
}

impl Record {
    /// What follows on the wire waits until it is on the disk.
    pub fn goes_ahead(&self) -> bool {
        matches!(
            self,
            Self::Layer { .. } | Self::Parks { .. } | Self::Resumed { .. }
        )
    }
}

/// A record with the time it was written.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    at: String,
    #[serde(flatten)]
    record: Record,
}

/// The open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    halt: Option<Finding>,
}

impl Journal {
    /// Opens the journal below the data folder, and says what it knows of the last job. A print that was going on is
    /// `stopped` now: it is never resumed.
    ///
    /// # Errors
    /// When folder or file can not be made.
    pub fn open(data: &Path) -> std::io::Result<(Self, Option<JobStatus>)> {
        let folder = data.join("printer");
        std::fs::create_dir_all(&folder)?;
        let path = data.join(JOURNAL);
        let text = match std::fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(e),
        };
        let (last, was_printing) = last_job(&text);
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let halt = last_halt(&text);
        let mut journal = Self { path, file, halt };
        if !text.is_empty() && !text.ends_with('\n') {
            journal.file.write_all(b"\n")?;
        }
        if was_printing && let Some(job) = &last {
            journal.write(&Record::Ended { job: job.clone() })?;
        }
        Ok((journal, last))
    }

    /// The halt in which the link before ended, as it was found when the journal was opened; `None` when a person has
    /// looked since.
    pub fn halt(&self) -> Option<&Finding> {
        self.halt.as_ref()
    }

    /// Writes and syncs a record; a new print begins a new file.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn write(&mut self, record: &Record) -> std::io::Result<()> {
        if matches!(record, Record::Began { .. }) {
            std::fs::rename(&self.path, self.path.with_extension("1.jsonl"))?;
            self.file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&self.path)?;
            if let Some(folder) = self.path.parent() {
                File::open(folder)?.sync_all()?;
            }
        }
        let entry = Entry {
            at: jiff::Timestamp::now().to_string(),
            record: record.clone(),
        };
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.sync_data()
    }
}

fn entries(text: &str) -> impl Iterator<Item = Entry> {
    let read = |line| serde_json::from_str::<Entry>(line).ok();
    text.lines().filter_map(read)
}

/// The halt that nobody has looked at.
fn last_halt(text: &str) -> Option<Finding> {
    entries(text).fold(None, |halt, entry| match entry.record {
        Record::Halted { fault } => Some(fault),
        Record::Recovered => None,
        _ => halt,
    })
}

/// The last job of a journal, and whether it was still going on.
pub(super) fn last_job(text: &str) -> (Option<JobStatus>, bool) {
    let mut last: Option<JobStatus> = None;
    let mut running = false;
    for entry in entries(text) {
        match entry.record {
            Record::Began {
                job,
                sha256,
                layers,
                printer,
                ..
            } => {
                running = true;
                last = Some(JobStatus {
                    job,
                    sha256,
                    phase: Phase::Stopped,
                    fraction: 0.0,
                    left_s: 0.0,
                    spent_s: 0.0,
                    layer: 0,
                    layers,
                    fault: Some(restarted()),
                    printer,
                });
            }
            Record::Mark {
                layer, fraction, ..
            } => {
                if let Some(job) = &mut last {
                    (job.layer, job.fraction) = (layer, fraction);
                }
            }
            Record::Layer { .. }
            | Record::Parks { .. }
            | Record::Held { .. }
            | Record::Stands { .. }
            | Record::Paused
            | Record::Resumed { .. }
            | Record::Tuned { .. }
            | Record::Answered { .. }
            | Record::Halted { .. }
            | Record::Recovered
            | Record::Closed => {}
            Record::Ended { job } => {
                running = false;
                last = Some(job);
            }
        }
    }
    (last, running)
}

/// What is known without the printer: its heaters may be on. The conductor says more once the printer has answered.
fn restarted() -> Finding {
    Finding::refuse(
        LINK_RESTARTED,
        "The print was stopped: the link ended in mid-print (power, crash or kill). The printer may still be hot until it answers again: if it does not, use its own switch.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn began() -> Record {
        Record::Began {
            job: "K7-2043".into(),
            sha256: "ab".into(),
            lines: 100,
            layers: 10,
            printer: None,
        }
    }

    #[test]
    fn a_print_that_was_going_on_is_stopped_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, last) = Journal::open(dir.path()).unwrap();
        assert_eq!(last, None);
        journal.write(&began()).unwrap();
        journal
            .write(&Record::Mark {
                line: 40,
                layer: 4,
                at_mm: [Some(1.0), None, None, None],
                targets_c: [210.0, 60.0],
                fraction: 0.4,
            })
            .unwrap();
        drop(journal);
        // A torn line, as a power cut leaves it.
        let path = dir.path().join("printer/journal.jsonl");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(b"{\"at\":\"2026-");
        std::fs::write(&path, bytes).unwrap();
        for _ in 0..2 {
            let (_, last) = Journal::open(dir.path()).unwrap();
            let last = last.unwrap();
            assert_eq!((last.phase, last.layer), (Phase::Stopped, 4));
            let fault = last.fault.unwrap();
            assert_eq!(fault.name, LINK_RESTARTED);
            assert!(fault.text.contains("may still be hot"), "{}", fault.text);
        }
    }

    #[test]
    fn a_print_that_ended_is_known_as_it_ended() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(dir.path()).unwrap();
        journal.write(&began()).unwrap();
        let (mut job, _) =
            last_job(&std::fs::read_to_string(dir.path().join("printer/journal.jsonl")).unwrap());
        let mut job = job.take().unwrap();
        (job.phase, job.fault) = (Phase::Printed, None);
        journal.write(&Record::Ended { job }).unwrap();
        let (_, last) = Journal::open(dir.path()).unwrap();
        assert_eq!(last.unwrap().phase, Phase::Printed);
    }
}
