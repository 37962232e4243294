//! Record: what the virtual printer writes down, so that "printed" can be compared with "planned".

use serde::{Deserialize, Serialize};

/// One line of the log (JSON, tagged by `kind`). Times are virtual seconds since power-on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// Bytes that the line reader took, in order. One character a byte (ISO 8859-1), so that every byte survives JSON.
    Bytes {
        /// When.
        t: f64,
        /// What.
        text: String,
    },
    /// Bytes that a fault made the firmware throw away unread, after what `Bytes` held so far.
    Flushed {
        /// When.
        t: f64,
        /// What.
        text: String,
    },
    /// A line that entered the command queue.
    Line {
        /// When.
        t: f64,
        /// Its number; `None` for one that came without.
        number: Option<u64>,
        /// The command without number and checksum.
        text: String,
    },
    /// A move that was carried out, in the order of execution.
    Block {
        /// When it ended.
        t: f64,
        /// From 1.
        order: u64,
        /// Line number; `None`: unnumbered.
        number: Option<u64>,
        /// X, Y, Z of the bed and all filament since power-on, mm, at the start.
        from: [f64; 4],
        /// The same at the end.
        to: [f64; 4],
        /// How long it took, s.
        duration_s: f64,
        /// Speed asked for, mm/s.
        speed_mm_s: f64,
        /// Nozzle at the end, C.
        nozzle_c: f64,
    },
    /// Axes were homed: X, Y, Z.
    Home {
        /// When it ended.
        t: f64,
        /// Which.
        axes: [bool; 3],
    },
    /// Something that is no line and no move: boot, halt, overflow, a fault that was put in.
    Note {
        /// When.
        t: f64,
        /// What.
        text: String,
    },
}

/// Where records go.
#[derive(Debug, Default)]
pub struct Log {
    records: Vec<Record>,
    /// Keep records at all? A demo without a log keeps none.
    pub keep: bool,
}

impl Log {
    /// A log that keeps everything until it is drained.
    pub fn keeping() -> Self {
        Self {
            records: Vec::new(),
            keep: true,
        }
    }

    /// Adds a record.
    pub fn push(&mut self, record: impl FnOnce() -> Record) {
        if self.keep {
            self.records.push(record());
        }
    }

    /// Takes what was recorded since the last call.
    pub fn drain(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }
}

/// Bytes as text, one character each.
pub(super) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&b| char::from(b)).collect()
}
