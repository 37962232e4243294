//! DICOM: a folder of files becomes one CT volume.
//!
//! In:    files of a drop, whatever they are.
//! Out:   the chosen series as `Volume<Hu>`, columns x rows x slices, its affine as acquired (leaning when the
//!        gantry was tilted: `intake::read` makes it upright), facts, identity, findings, hashes.
//! Holds: every slice of the stack was decoded, or the study is refused. The order of files, their names and
//!        InstanceNumber change nothing.
//! Cost:  each file is read twice, once for its header and hash, once for its pixels; at any time as many files
//!        are in memory as there are threads, beside the volume.
//!
//! `tags` takes the file apart, `walk` and `elements` read its data set → `header` and `groups` read what decides → `series` groups and
//! chooses → `stack` checks the geometry → `pixels` (with `rle`, `codestream`) decodes → `facts` tells.

mod character_set;
mod codestream;
mod elements;
mod facts;
mod groups;
mod header;
mod label;
mod look;
mod parts;
mod pieces;
mod pixels;
mod rle;
mod series;
mod stack;
mod syntax;
mod tags;
mod walk;

pub use label::{Label, label};
pub(crate) use look::{Seen, sight, slices_missing};

use super::files::{self, DropFile, Kind};
use super::limits::Limits;
use super::refusal::{FileFault, Refusal};
use super::study::{FileRef, Identity, Input, StudyFacts};
use crate::status::Finding;
use crate::volume::{Hu, Volume};
use header::{Found, Header, Other};
use pixels::Frames;
use rayon::prelude::*;
use series::{Choice, Left};
use stack::Member;
use std::collections::BTreeSet;

/// Are the pixels of this transfer syntax decoded here?
pub fn is_read(syntax: &str) -> bool {
    syntax::Codec::of(syntax).is_some()
}

/// A series as acquired: its grid still leans when the gantry did.
#[derive(Debug)]
pub struct Series {
    /// Columns x rows x slices, in HU.
    pub ct: Volume<Hu>,
    /// How it was made.
    pub facts: StudyFacts,
    /// Whose it is.
    pub identity: Identity,
    /// What was noticed on the way.
    pub findings: Vec<Finding>,
    /// Every file with its hash.
    pub inputs: Vec<Input>,
}

/// One slice decoded by itself: HU just as slope and intercept say, padding included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainSlice {
    /// Pixels in a row.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
    /// HU, row by row.
    pub hu: Vec<i16>,
}

/// The door for untrusted bytes of one file: its first slice, or what is wrong with it. For tests and fuzzing; a
/// single slice is no volume.
///
/// # Errors
/// [`FileFault`].
pub fn door(bytes: &[u8], limits: &Limits) -> Result<PlainSlice, FileFault> {
    if bytes.is_empty() {
        return Err(FileFault::Empty);
    }
    if files::sniff(bytes) != Kind::Dicom {
        return Err(FileFault::Unknown);
    }
    let (found, layout) = header::read(bytes, FileRef(1), 0, limits);
    let header = match found {
        Found::Image(header, None) => header,
        Found::Image(_, Some(fault)) | Found::Broken(fault, _) => return Err(fault),
        Found::Other(other) => return Err(FileFault::NoSlice(facts::describe(&other))),
    };
    let layout = layout.ok_or(FileFault::NoPixels)?;
    let stored = Frames::open(&header, &layout)?.stored(0)?;
    Ok(PlainSlice {
        columns: header.store.columns,
        rows: header.store.rows,
        hu: pixels::plain(&header.store, &header.slices[0], &stored),
    })
}

/// Reads the CT series among `drop`.
///
/// # Errors
/// [`Refusal`]: what is wrong with the drop, its series or its files.
pub fn read(path: &std::path::Path, limits: &Limits) -> Result<Series, Refusal> {
    from_files(&files::scan(path, limits)?, limits, Ok)
}

/// Series that are decoded one after the other to find the head among them.
const SERIES_MAX: usize = 8;

/// Reads the series among `drop` that `accept` takes for a head: the best first, then the next.
///
/// # Errors
/// [`Refusal`]: what is wrong with the drop, or why the best series was not accepted.
pub(crate) fn from_files<T>(
    drop: &[DropFile],
    limits: &Limits,
    mut accept: impl FnMut(Series) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    if drop.is_empty() {
        return Err(Refusal::Empty);
    }
    let looked = drop
        .par_iter()
        .enumerate()
        .map(|(index, file)| look(file, index, limits))
        .collect::<Result<Vec<_>, Refusal>>()?;
    let mut sorted = Sorted::default();
    for (input, found) in looked {
        sorted.take(input, found);
    }
    let again = pieces::settle(&mut sorted, drop);
    sorted.refuse_what_is_no_ct()?;
    one_patient(&sorted.headers)?;
    let candidates = series::candidates(&sorted.headers, &sorted.faults, limits)?;
    let mut left: Vec<Left> = candidates
        .iter()
        .map(|c| Left::of(c, &sorted.headers, false))
        .collect();
    let mut refusal = None;
    for (n, candidate) in candidates.into_iter().enumerate().take(SERIES_MAX) {
        let tried = Left::of(&candidate, &sorted.headers, true);
        let choice = candidate.stack.map(|stack| Choice {
            stack,
            members: candidate.group.members,
            odd: candidate.group.odd,
            left: except(&left, n),
        });
        let series = choice.and_then(|choice| sorted.series(&choice, again.as_ref(), drop, limits));
        match series.and_then(&mut accept) {
            Ok(accepted) => return Ok(accepted),
            // The next one may be the head.
            Err(why @ (Refusal::NotHead { .. } | Refusal::NotHu { .. })) => {
                refusal.get_or_insert(why);
            }
            // What comes behind a series that was no head is not worth a word.
            Err(why) => return Err(refusal.unwrap_or(why)),
        }
        left[n] = tried;
    }
    Err(refusal.unwrap_or(Refusal::Empty))
}

/// All but the `n`th.
fn except(left: &[Left], n: usize) -> Vec<Left> {
    let others = left.iter().enumerate().filter(|(k, _)| *k != n);
    others.map(|(_, one)| one.clone()).collect()
}

/// Hash and header of one file.
fn look(file: &DropFile, index: usize, limits: &Limits) -> Result<(Input, Found), Refusal> {
    let read = files::read_all(&file.path, limits.file_bytes);
    let bytes = read.map_err(|e| Refusal::Read(file.file, e))?;
    let input = Input {
        file: file.file,
        bytes: bytes.len() as u64,
        sha256: files::sha256(&bytes),
    };
    let found = match files::sniff(&bytes) {
        Kind::Dicom => header::read(&bytes, file.file, index, limits).0,
        Kind::Empty => Found::Broken(FileFault::Empty, None),
        Kind::Zip | Kind::Tar => Found::Other(Other::Archive),
        Kind::Beside => Found::Other(Other::Document),
        _ => Found::Broken(FileFault::Unknown, None),
    };
    Ok((input, found))
}

/// The files of a drop by what they turned out to be.
#[derive(Default)]
struct Sorted {
    headers: Vec<Header>,
    /// What is wrong with the pixels of the header at the same offset.
    faults: Vec<Option<FileFault>>,
    others: Vec<Other>,
    broken: Vec<(FileRef, FileFault, Option<String>)>,
    inputs: Vec<Input>,
}

impl Sorted {
    /// Decodes what was chosen, and tells about it.
    fn series(
        &self,
        choice: &Choice,
        again: Option<&Finding>,
        drop: &[DropFile],
        limits: &Limits,
    ) -> Result<Series, Refusal> {
        self.refuse_broken_members(choice)?;
        let ct = decode(choice, &self.headers, drop, limits)?;
        let mut findings = facts::of_series(choice, &self.headers);
        findings.extend(again.cloned());
        let images = self.others.iter().filter(|other| other.is_dicom()).count();
        findings.extend(facts::not_here(choice, &self.headers, images));
        findings.extend(facts::left_out(
            &self.others,
            &self.unreadable(),
            &choice.left,
        ));
        Ok(Series {
            facts: facts::facts(choice, &self.headers, &ct),
            identity: facts::identity(&self.headers[choice.members[0].header]),
            ct,
            findings,
            inputs: self.inputs.clone(),
        })
    }

    fn take(&mut self, input: Input, found: Found) {
        match found {
            Found::Image(mut header, fault) => {
                header.sha256.clone_from(&input.sha256);
                self.headers.push(*header);
                self.faults.push(fault);
            }
            Found::Other(other) => self.others.push(other),
            Found::Broken(fault, series) => self.broken.push((input.file, fault, series)),
        }
        self.inputs.push(input);
    }

    /// Keeps the headers that are marked; how many went.
    fn retain(&mut self, keep: &[bool]) -> usize {
        let mut marks = keep.iter();
        self.faults
            .retain(|_| marks.next().copied().unwrap_or(true));
        let mut marks = keep.iter();
        self.headers
            .retain(|_| marks.next().copied().unwrap_or(true));
        keep.len() - self.headers.len()
    }

    fn unreadable(&self) -> Vec<(FileRef, FileFault)> {
        self.broken
            .iter()
            .map(|(file, fault, _)| (*file, fault.clone()))
            .collect()
    }

    /// No CT slice at all: says what there was instead.
    fn refuse_what_is_no_ct(&self) -> Result<(), Refusal> {
        if !self.headers.is_empty() {
            return Ok(());
        }
        let count = |other: &Other| self.others.iter().filter(|o| *o == other).count();
        let images: Vec<&Other> = self
            .others
            .iter()
            .filter(|o| o.is_dicom() && **o != Other::Directory)
            .collect();
        Err(match images.as_slice() {
            [] if self.broken.is_empty() && !self.others.is_empty() => {
                let kinds: BTreeSet<&Other> = self.others.iter().collect();
                let named = kinds
                    .iter()
                    .map(|o| format!("{} x {}", count(o), facts::describe(o)));
                Refusal::NoCt {
                    found: named.collect::<Vec<_>>().join(", "),
                }
            }
            [] => Refusal::NoImage {
                faults: self.unreadable(),
            },
            all if all.iter().all(|o| **o == Other::Localizer) => {
                Refusal::LocalizerOnly { count: all.len() }
            }
            [Other::Modality(name), ..] if images.iter().all(|o| *o == images[0]) => {
                Refusal::Modality {
                    modality: name.clone(),
                    count: images.len(),
                }
            }
            all => {
                let kinds: BTreeSet<&Other> = all.iter().copied().collect();
                let named: Vec<String> = kinds
                    .iter()
                    .map(|o| format!("{} x {}", count(o), facts::describe(o)))
                    .collect();
                Refusal::NoCt {
                    found: named.join(", "),
                }
            }
        })
    }

    /// Files whose header broke off, but after it named the chosen series.
    fn refuse_broken_members(&self, choice: &Choice) -> Result<(), Refusal> {
        let chosen = &self.headers[choice.members[0].header].series;
        let of_series = self
            .broken
            .iter()
            .filter(|(.., series)| series.as_ref() == Some(chosen));
        let files: Vec<_> = of_series
            .map(|(file, fault, _)| (*file, fault.clone()))
            .collect();
        if files.is_empty() {
            return Ok(());
        }
        Err(Refusal::Unreadable {
            files,
            gap_mm: None,
        })
    }
}

/// Whose it is: the ID decides; where it is empty, the name.
fn person<'a>(name: &'a String, id: &'a String) -> &'a String {
    if id.is_empty() { name } else { id }
}

/// All CT slices have to be one person's.
fn one_patient(headers: &[Header]) -> Result<(), Refusal> {
    let people: BTreeSet<&String> = headers
        .iter()
        .map(|h| person(&h.patient[0], &h.patient[1]))
        .filter(|p| !p.is_empty())
        .collect();
    match people.len() {
        0 | 1 => Ok(()),
        count => Err(Refusal::SeveralPatients { count }),
    }
}

/// Decodes the chosen stack into one volume.
fn decode(
    choice: &Choice,
    headers: &[Header],
    drop: &[DropFile],
    limits: &Limits,
) -> Result<Volume<Hu>, Refusal> {
    let order = &choice.stack.order;
    let store = headers[order[0].header].store;
    let shape = [store.columns, store.rows, order.len()];
    let voxels = shape
        .iter()
        .fold(1u64, |n, &axis| n.saturating_mul(axis as u64));
    files::bound("voxels in one volume", voxels, limits.voxels as u64)?;
    let mut data = vec![Hu(-1024); store.pixels() * order.len()];
    let slices: Vec<&mut [Hu]> = data.chunks_mut(store.pixels()).collect();

    // One file at a time and thread; the frames of one file in parallel.
    let mut jobs: Vec<Job<'_>> = Vec::new();
    let mut by_file: Vec<(Member, &mut [Hu])> = order.iter().copied().zip(slices).collect();
    by_file.sort_by_key(|(member, _)| member.header);
    for (member, out) in by_file {
        match jobs.last_mut() {
            Some(job) if job.header.index == headers[member.header].index => {
                job.frames.push((member, out))
            }
            _ => jobs.push(Job {
                header: &headers[member.header],
                frames: vec![(member, out)],
            }),
        }
    }
    let mut broken = jobs
        .into_par_iter()
        .map(|job| {
            let file = &drop[job.header.index];
            job.run(file, limits)
        })
        .filter_map(Result::transpose)
        .collect::<Result<Vec<_>, Refusal>>()?;
    if !broken.is_empty() {
        broken.sort_by_key(|(file, _)| *file);
        return Err(Refusal::Unreadable {
            files: broken,
            gap_mm: None,
        });
    }
    same_pixels(choice, headers, drop, &data, limits)?;
    one_volume(shape, &data)?;
    Volume::new(shape, data, choice.stack.to_lps).map_err(|e| Refusal::Format {
        format: "DICOM",
        why: e.to_string(),
    })
}

/// The frames that one file has to give, and where they go.
struct Job<'a> {
    header: &'a Header,
    frames: Vec<(Member, &'a mut [Hu])>,
}

impl Job<'_> {
    /// `Some` names the file and its fault.
    fn run(
        self,
        file: &DropFile,
        limits: &Limits,
    ) -> Result<Option<(FileRef, FileFault)>, Refusal> {
        let header = self.header;
        let bytes = again(header, file, limits)?;
        let result = tags::layout(&bytes, limits).and_then(|layout| {
            let frames = Frames::open(header, &layout)?;
            self.frames.into_par_iter().try_for_each(|(member, out)| {
                let slice = &header.slices[member.slice];
                let stored = frames.stored(slice.frame)?;
                pixels::into_volume(&header.store, slice, &stored, out);
                Ok(())
            })
        });
        Ok(result.err().map(|fault| (header.file, fault)))
    }
}

/// The file's bytes once more; they have to be those that were hashed.
fn again(header: &Header, file: &DropFile, limits: &Limits) -> Result<Vec<u8>, Refusal> {
    let read = files::read_all(&file.path, limits.file_bytes);
    let bytes = read.map_err(|e| Refusal::Read(file.file, e))?;
    if files::sha256(&bytes) != header.sha256 {
        return Err(Refusal::Changed(file.file));
    }
    Ok(bytes)
}

/// Neighbours that differ this many times as much as every second slice are of two volumes. Noise alone gives 1, and
/// anatomy less.
const WOVEN: f64 = 1.25;
/// Below this there is only air on either side, HU.
const TISSUE: Hu = Hu(-300);
/// Every so many pixels are compared.
const COMPARED: usize = 7;

/// Slices of one volume change little by little; those of two that were woven into each other jump there and back.
fn one_volume([columns, rows, slices]: [usize; 3], data: &[Hu]) -> Result<(), Refusal> {
    let size = columns * rows;
    let differ = |apart: usize| -> f64 {
        let pairs = (0..slices.saturating_sub(2)).map(|k| {
            let slice = |k: usize| data[k * size..(k + 1) * size].iter().step_by(COMPARED);
            let (mut sum, mut count) = (0.0, 0.0);
            for (a, b) in slice(k).zip(slice(k + apart)) {
                if *a > TISSUE || *b > TISSUE {
                    sum += f64::from(a.0.abs_diff(b.0));
                    count += 1.0;
                }
            }
            if count > 0.0 { sum / count } else { 0.0 }
        });
        let mut pairs: Vec<f64> = pairs.collect();
        pairs.sort_by(f64::total_cmp);
        pairs.get(pairs.len() / 2).copied().unwrap_or(0.0)
    };
    let (next_hu, second_hu) = (differ(1), differ(2));
    if next_hu > WOVEN * second_hu && next_hu > 1.0 {
        return Err(Refusal::Woven { next_hu, second_hu });
    }
    Ok(())
}

/// Second slices at a position have to hold the same HU as the first.
fn same_pixels(
    choice: &Choice,
    headers: &[Header],
    drop: &[DropFile],
    data: &[Hu],
    limits: &Limits,
) -> Result<(), Refusal> {
    let mut conflicts = BTreeSet::new();
    for &(at, member) in &choice.stack.duplicates {
        let header = &headers[member.header];
        let pixels = header.store.pixels();
        let first = &data[at * pixels..(at + 1) * pixels];
        let mut hu = vec![Hu(0); pixels];
        let job = Job {
            header,
            frames: vec![(member, &mut hu)],
        };
        if let Some(broken) = job.run(&drop[header.index], limits)? {
            return Err(Refusal::Unreadable {
                files: vec![broken],
                gap_mm: None,
            });
        }
        if hu != first {
            conflicts.insert(at + 1);
        }
    }
    match conflicts.first() {
        None => Ok(()),
        Some(&at) => Err(Refusal::Conflict {
            count: conflicts.len(),
            at,
        }),
    }
}
