//! When is a drop complete? The pure part: what a scan saw and the time go in, what is ready comes out.
//!
//! There is no reliable "last image" in a folder. An entry is ready when nothing in it has changed for the quiet
//! time; unfinished or empty files in it make the wait longer, not endless.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// A leftover `.part` or an empty file stretches the quiet time by this factor: most are filled within it, and one
/// that a program left behind does not hold the drop for ever.
pub(super) const UNFINISHED_FACTOR: u64 = 30;

/// An entry that keeps changing for longer than this (half an hour) is no copy of a scan.
const ARRIVING_MAX_MS: u64 = 30 * 60 * 1000;

/// One entry of the drop folder as a scan saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Observed {
    /// The entry: a folder, a file, or the folder of loose files.
    pub(super) path: PathBuf,
    /// Changes when any file in it does: names, sizes, times, inodes.
    pub(super) print: u64,
    pub(super) files: usize,
    pub(super) bytes: u64,
    /// Files that are named as unfinished, or empty.
    pub(super) unfinished: usize,
}

/// What is known about an entry from scan to scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    print: u64,
    /// When this print was first seen, monotonic ms.
    since_ms: u64,
    /// The print that was reported as ready, if any was.
    reported: Option<u64>,
    /// Somebody looked at this print and found that more must be coming: so many quiet times are waited for it.
    held: u64,
    /// When the entry was first seen, monotonic ms.
    begun_ms: u64,
    /// It holds files, and its present state was not reported yet.
    open: bool,
}

impl Seen {
    /// Waits for more, `factor` quiet times since the last change, then reports the entry once more.
    pub(super) fn hold(&mut self, factor: u64) {
        (self.held, self.reported, self.open) = (factor, None, true);
    }

    /// It is being copied, or more of it is waited for. What has not come to rest for so long never will.
    pub(super) fn is_arriving(&self, now_ms: u64) -> bool {
        self.open && now_ms.saturating_sub(self.begun_ms) < ARRIVING_MAX_MS
    }
}

/// Entries by path.
pub(super) type Memory = BTreeMap<PathBuf, Seen>;

/// An entry that is complete as far as can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Folder or file to read.
    pub path: PathBuf,
    /// Files in it.
    pub files: usize,
    /// Bytes in it.
    pub bytes: u64,
    /// It was reported before and has changed since: what was made of it is stale.
    pub changed: bool,
    /// It was held, and nothing more came: it is as complete as it will be.
    pub waited: bool,
}

/// One scan. Entries that are gone are forgotten; each state of an entry is reported once.
pub(super) fn step(
    memory: Memory,
    scan: &[Observed],
    now_ms: u64,
    quiet_ms: u64,
) -> (Memory, Vec<Ready>) {
    let mut next = Memory::new();
    let mut ready = Vec::new();
    for entry in scan {
        let before = memory.get(&entry.path);
        let mut seen = match before {
            Some(seen) if seen.print == entry.print => seen.clone(),
            _ => Seen {
                print: entry.print,
                since_ms: now_ms,
                reported: before.and_then(|seen| seen.reported),
                held: 1,
                begun_ms: before.map_or(now_ms, |seen| seen.begun_ms),
                open: false,
            },
        };
        let factor = if entry.unfinished > 0 {
            UNFINISHED_FACTOR
        } else {
            1
        };
        let factor = factor.max(seen.held);
        let quiet = now_ms.saturating_sub(seen.since_ms) >= quiet_ms.saturating_mul(factor);
        if quiet && entry.files > 0 && seen.reported != Some(entry.print) {
            ready.push(Ready {
                path: entry.path.clone(),
                files: entry.files,
                bytes: entry.bytes,
                changed: seen.reported.is_some(),
                waited: seen.held > 1,
            });
            seen.reported = Some(entry.print);
        }
        seen.open = entry.files > 0 && seen.reported != Some(entry.print);
        next.insert(entry.path.clone(), seen);
    }
    (next, ready)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(print: u64, unfinished: usize) -> Observed {
        Observed {
            path: "a".into(),
            print,
            files: 3,
            bytes: 10,
            unfinished,
        }
    }

    /// Runs scans (time, print, unfinished) and returns the times at which something was ready, and `changed`.
    fn run(scans: &[(u64, u64, usize)]) -> Vec<(u64, bool)> {
        let mut memory = Memory::new();
        let mut reported = Vec::new();
        for &(now, print, unfinished) in scans {
            let (next, ready) = step(memory, &[entry(print, unfinished)], now, 10);
            memory = next;
            reported.extend(ready.iter().map(|r| (now, r.changed)));
        }
        reported
    }

    #[test]
    fn an_entry_is_ready_once_it_was_quiet_and_only_once() {
        assert_eq!(
            run(&[(0, 1, 0), (9, 1, 0), (10, 1, 0), (20, 1, 0)]),
            [(10, false)]
        );
    }

    #[test]
    fn a_growing_entry_waits_from_its_last_change() {
        assert_eq!(
            run(&[(0, 1, 0), (8, 2, 0), (12, 2, 0), (17, 2, 0), (18, 2, 0)]),
            [(18, false)]
        );
    }

    #[test]
    fn what_changes_after_it_was_reported_is_reported_as_changed() {
        assert_eq!(
            run(&[(0, 1, 0), (10, 1, 0), (15, 2, 0), (25, 2, 0)]),
            [(10, false), (25, true)]
        );
    }

    #[test]
    fn an_unfinished_file_stretches_the_wait_but_not_for_ever() {
        assert_eq!(run(&[(0, 1, 1), (299, 1, 1), (300, 1, 1)]), [(300, false)]);
        assert_eq!(run(&[(0, 1, 1), (50, 2, 0), (60, 2, 0)]), [(60, false)]);
    }

    #[test]
    fn a_held_entry_is_reported_again_after_the_longer_wait_or_when_more_came() {
        let (mut memory, _) = step(Memory::new(), &[entry(1, 0)], 0, 10);
        let (held, ready) = step(memory, &[entry(1, 0)], 10, 10);
        assert!(!ready[0].waited);
        memory = held;
        for seen in memory.values_mut() {
            seen.hold(3);
        }
        let grown = memory.clone();
        let (memory, ready) = step(memory, &[entry(1, 0)], 29, 10);
        assert!(ready.is_empty());
        let (_, ready) = step(memory, &[entry(1, 0)], 30, 10);
        assert!(ready[0].waited);
        let (memory, _) = step(grown, &[entry(2, 0)], 15, 10);
        let (_, ready) = step(memory, &[entry(2, 0)], 25, 10);
        assert!(!ready[0].waited);
    }

    #[test]
    fn an_entry_arrives_until_it_is_reported_and_no_longer_than_a_copy_may_take() {
        let is_arriving = |memory: &Memory, now| memory.values().any(|seen| seen.is_arriving(now));
        let (memory, _) = step(Memory::new(), &[entry(1, 0)], 0, 10);
        assert!(is_arriving(&memory, 0));
        let (memory, _) = step(memory, &[entry(1, 0)], 10, 10);
        assert!(!is_arriving(&memory, 10), "it is at rest");
        let (mut memory, _) = step(memory, &[entry(2, 0)], 15, 10);
        assert!(is_arriving(&memory, 15), "more of it came");
        for print in 3..100 {
            (memory, _) = step(memory, &[entry(print, 0)], print * 30_000, 60_000);
        }
        assert!(!is_arriving(&memory, 99 * 30_000), "it never rests");
        let empty = Observed {
            files: 0,
            ..entry(1, 0)
        };
        let (memory, _) = step(Memory::new(), &[empty], 0, 10);
        assert!(!is_arriving(&memory, 0));
    }

    #[test]
    fn an_entry_that_went_and_came_again_is_new() {
        let (memory, _) = step(Memory::new(), &[entry(1, 0)], 0, 10);
        let (memory, _) = step(memory, &[entry(1, 0)], 10, 10);
        let (memory, _) = step(memory, &[], 20, 10);
        assert!(memory.is_empty());
        let (memory, _) = step(memory, &[entry(1, 0)], 30, 10);
        let (_, ready) = step(memory, &[entry(1, 0)], 40, 10);
        assert!(!ready[0].changed);
    }
}
