//! Books: the journal is written by a thread of its own, and files are read and proved by others.

use super::super::journal::{Journal, Record};
use super::super::moonraker::plan::Plan;
use super::super::port::is_pseudo_terminal;
use super::super::program::{self, Foreign};
use super::super::reentry;
use super::{Link, Note, PortConfig};
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

impl Link {
    pub(super) fn load(&self, path: PathBuf, sha256: String, released: Option<PathBuf>) {
        let (tell, printer) = (self.teller(), self.config.printer.clone());
        let data = self.config.data.clone();
        let foreign = match &self.config.port {
            PortConfig::Path { path, .. } if !is_pseudo_terminal(path) => Foreign::Refused,
            PortConfig::Tcp { .. } => Foreign::Refused,
            _ => Foreign::Judged,
        };
        std::thread::spawn(move || {
            let loaded = match released {
                None => program::load(&path, &sha256, &printer, foreign),
                Some(released) => {
                    let now_s = jiff::Timestamp::now().as_millisecond() as f64 / 1e3;
                    reentry::load((&path, &sha256), &released, &data, &printer, now_s)
                }
            };
            tell(Note::Loaded(loaded));
        });
    }

    /// The same for a file that is uploaded whole: there is metal behind it.
    pub(super) fn plan(&self, path: PathBuf, sha256: String) {
        let (tell, printer) = (self.teller(), self.config.printer.clone());
        std::thread::spawn(move || {
            let plan = Plan::load(&path, &sha256, &printer).map(Box::new);
            tell(Note::Planned(plan));
        });
    }

    /// A beginning is on the disk before its first line is on the wire; everything else is written behind.
    pub(super) fn write_journal(&self, record: Record) {
        let wait = matches!(record, Record::Began { .. });
        let ahead = record.goes_ahead();
        let (done, is_done) = channel();
        let sent = self.journal.send((record, done)).is_ok();
        if !sent && ahead {
            self.teller()(Note::Kept);
        }
        if sent && wait {
            // A journal that can not be written has said so; the print goes on without.
            let _ = is_done.recv_timeout(Duration::from_secs(10));
        }
    }
}

/// The thread that writes and syncs the journal. `kept` is called for each record that goes ahead of its lines.
pub(super) fn keep(
    mut journal: Journal,
    kept: impl Fn() + Send + 'static,
) -> Sender<(Record, Sender<()>)> {
    let (send, records) = channel::<(Record, Sender<()>)>();
    std::thread::spawn(move || {
        for (record, done) in records {
            if let Err(error) = journal.write(&record) {
                tracing::error!(%error, "the printer's journal can not be written");
            }
            if record.goes_ahead() {
                kept();
            }
            let _ = done.send(());
        }
    });
    send
}
