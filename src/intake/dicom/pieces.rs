//! Pieces: one series that came in several parts, or twice. Of each slice the last whole copy counts.
//!
//! Holds: a slice is only left out for another that is there: the same instance from a later piece, a sound slice at
//!        the place of one that can not be decoded, a file that begins with all the bytes of one that was cut.

use super::header::Header;
use super::{DropFile, Sorted};
use crate::status::Finding;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};

/// Broken files that are looked for among the others; more are a broken drop.
const CUT_MAX: usize = 64;
/// Slices nearer to each other than this hold one position, mm.
const SAME_PLACE_MM: f64 = 0.01;

/// Leaves out what another copy makes needless, and says how much that was.
pub(super) fn settle(sorted: &mut Sorted, drop: &[DropFile]) -> Option<Finding> {
    let mut out = again(sorted, drop);
    out += undecodable(sorted, drop);
    out += cut_copies(sorted, drop);
    (out > 0).then(|| {
        let text = format!(
            "{out} file(s) came more than once, or a second time after a copy broke off; of each slice the last whole copy is used."
        );
        Finding::info("came_again", text).value(out as f64, "files")
    })
}

/// The same instance in several pieces: a sound one before one that is not, then the last that came.
fn again(sorted: &mut Sorted, drop: &[DropFile]) -> usize {
    let mut best = HashMap::<&str, usize>::new();
    let rank = |n: usize| {
        (
            sorted.faults[n].is_none(),
            drop[sorted.headers[n].index].piece,
        )
    };
    for (n, header) in sorted.headers.iter().enumerate() {
        if header.instance.is_empty() {
            continue;
        }
        let held = best.entry(&header.instance).or_insert(n);
        if rank(n) > rank(*held) {
            *held = n;
        }
    }
    let keep: Vec<bool> = (sorted.headers.iter().enumerate())
        .map(|(n, header)| {
            let held = best.get(header.instance.as_str()).copied();
            let piece = |n: usize| drop[sorted.headers[n].index].piece;
            // Twice within one piece is for the stack to judge.
            held.is_none_or(|held| held == n || piece(held) == piece(n))
        })
        .collect();
    sorted.retain(&keep)
}

/// A slice that can not be decoded, and a sound one of its series from another piece at its place.
fn undecodable(sorted: &mut Sorted, drop: &[DropFile]) -> usize {
    let sound = |n: usize| sorted.faults[n].is_none();
    let keep: Vec<bool> = (0..sorted.headers.len())
        .map(|n| {
            let replaced = |m: usize| {
                let [bad, good] = [n, m].map(|n| &sorted.headers[n]);
                sound(m) && drop[bad.index].piece != drop[good.index].piece && one_place(bad, good)
            };
            sound(n) || !(0..sorted.headers.len()).any(replaced)
        })
        .collect();
    sorted.retain(&keep)
}

fn one_place(a: &Header, b: &Header) -> bool {
    let [Some(p), Some(q)] = [a, b].map(|h| h.slices.first().filter(|_| !h.enhanced)) else {
        return false;
    };
    let near = (0..3).all(|axis| (p.position.0[axis] - q.position.0[axis]).abs() < SAME_PLACE_MM);
    a.series == b.series && near
}

/// Files that a copy left cut: everything in them is the beginning of another file of the drop. An empty file is the
/// beginning of any and says nothing.
fn cut_copies(sorted: &mut Sorted, drop: &[DropFile]) -> usize {
    let before = sorted.broken.len();
    if before > CUT_MAX {
        return 0;
    }
    let by_number = |file| drop.iter().find(|d| d.file == file);
    let whole: Vec<&DropFile> = sorted.headers.iter().map(|h| &drop[h.index]).collect();
    sorted.broken.retain(|(file, ..)| {
        let Some(cut) = by_number(*file).filter(|d| d.bytes > 0) else {
            return true;
        };
        let begins = |other: &&&DropFile| {
            // What can not be read is no proof.
            other.bytes > cut.bytes && begins_with(other, cut).unwrap_or(false)
        };
        whole.iter().find(begins).is_none()
    });
    before - sorted.broken.len()
}

fn begins_with(whole: &DropFile, cut: &DropFile) -> io::Result<bool> {
    let open = |file: &DropFile| io::Result::Ok(BufReader::new(File::open(&file.path)?));
    let (mut whole, mut cut) = (open(whole)?, open(cut)?);
    let (mut a, mut b) = ([0; 8192], [0; 8192]);
    loop {
        let n = cut.read(&mut b)?;
        if n == 0 {
            return Ok(true);
        }
        whole.read_exact(&mut a[..n])?;
        if a[..n] != b[..n] {
            return Ok(false);
        }
    }
}
