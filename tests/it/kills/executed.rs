//! Executed: what the virtual printer carried out, print by print, read from its log while it is written.
//!
//! The log is a pipe, not a file: a campaign writes gigabytes.

use crate::room::head::Place;
use calvaria::printer::virtual_printer::Record;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Moves of one print: everything after a homing, until the next. E counts from the homing.
#[derive(Clone, Debug, Default)]
pub(super) struct Piece {
    pub(super) moves: Vec<Place>,
    base: Option<f64>,
}

/// All prints so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Executed(Arc<Mutex<Vec<Piece>>>);

impl Executed {
    /// Makes the pipe and begins to read; its path is for `virtual-printer --log`.
    pub(super) fn pipe(folder: &Path) -> (Self, PathBuf) {
        let path = folder.join("executed.pipe");
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
        let executed = Self::default();
        let (theirs, from) = (executed.clone(), path.clone());
        std::thread::spawn(move || {
            // Opening waits for the printer; its end is the end.
            let file = std::fs::File::open(from).unwrap();
            for line in BufReader::new(file).lines().map_while(Result::ok) {
                // Moves and homings are a third of the lines, and all that is kept.
                if line.contains("block") || line.contains("home") {
                    theirs.take(serde_json::from_str(&line).unwrap());
                }
            }
        });
        (executed, path)
    }

    fn take(&self, record: Record) {
        let mut pieces = self.0.lock().unwrap();
        match record {
            Record::Home { .. } => pieces.push(Piece::default()),
            Record::Block { from, to, .. } => {
                // Moves before the first homing would be a fault of the link: they get a piece of their own.
                if pieces.is_empty() {
                    pieces.push(Piece::default());
                }
                let piece = pieces.last_mut().unwrap();
                let base = *piece.base.get_or_insert(from[3]);
                let [x, y, z, e] = to;
                piece
                    .moves
                    .push([x, y, z, e - base].map(|mm| (mm * 1e5).round() as i64));
            }
            _ => {}
        }
    }

    /// Prints begun so far.
    pub(super) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// The prints from `first` on.
    pub(super) fn since(&self, first: usize) -> Vec<Piece> {
        self.0.lock().unwrap()[first..].to_vec()
    }
}

impl Piece {
    /// Moves that are the plan's, counted from the start. The log's millimetres are binary fractions: one unit of
    /// 1e-5 mm is nothing.
    pub(super) fn in_plan(&self, plan: &[Place]) -> usize {
        let same = |(a, b): (&Place, &Place)| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1);
        self.moves
            .iter()
            .zip(plan)
            .position(|pair| !same(pair))
            .unwrap_or(self.moves.len().min(plan.len()))
    }
}
