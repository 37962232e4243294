//! Which slices belong together, and which of several stacks is the one to design from.

use super::groups::Slice;
use super::header::Header;
use super::stack::{self, Member, Stack};
use crate::intake::limits::Limits;
use crate::intake::refusal::{FileFault, Refusal};
use crate::intake::study::FileRef;
use crate::space::Vector;
use std::collections::BTreeSet;

/// Slices of one series with one orientation, size and pixel size.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) members: Vec<Member>,
}

/// A group and what its geometry comes to.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) group: Group,
    pub(super) stack: Result<Stack, Refusal>,
}

/// Groups the slices of all headers, in the order of the files.
pub(super) fn groups(headers: &[Header]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (header, h) in headers.iter().enumerate() {
        for (slice, s) in h.slices.iter().enumerate() {
            let member = Member { header, slice };
            let same = |g: &&mut Group| {
                let first = g.members[0];
                together((&headers[first.header], first.of(headers)), (h, s))
            };
            match groups.iter_mut().find(same) {
                Some(group) => group.members.push(member),
                None => groups.push(Group {
                    members: vec![member],
                }),
            }
        }
    }
    groups
        .into_iter()
        .flat_map(|g| by_acquisition(g, headers))
        .collect()
}

/// Whether two slices may lie in one volume.
fn together((a, sa): (&Header, &Slice), (b, sb): (&Header, &Slice)) -> bool {
    let parallel = |x: Vector<_>, y: Vector<_>| x.dot(y) > 0.9999;
    let close = |x: f64, y: f64| (x - y).abs() <= 1e-3 * x;
    a.series == b.series
        && a.frame_of_reference == b.frame_of_reference
        && (a.store.rows, a.store.columns) == (b.store.rows, b.store.columns)
        && a.image_type.iter().take(3).eq(b.image_type.iter().take(3))
        && a.notes.kernel == b.notes.kernel
        && parallel(sa.along_row, sb.along_row)
        && parallel(sa.along_column, sb.along_column)
        && close(sa.pixel_mm[0], sb.pixel_mm[0])
        && close(sa.pixel_mm[1], sb.pixel_mm[1])
}

/// Two phases in one series hold most positions twice. When the acquisition number tells them apart, they are
/// groups of their own; else the doubles stay, and differing pixels are refused later.
fn by_acquisition(group: Group, headers: &[Header]) -> Vec<Group> {
    let number = |m: &Member| headers[m.header].acquisition;
    let (order, doubles) = stack::ordered(&group.members, headers);
    let numbers: BTreeSet<_> = group.members.iter().map(number).collect();
    if doubles.len() * 2 < order.len() || numbers.len() < 2 {
        return vec![group];
    }
    let parts: Vec<Group> = numbers
        .iter()
        .map(|n| Group {
            members: group
                .members
                .iter()
                .filter(|m| number(m) == *n)
                .copied()
                .collect(),
        })
        .collect();
    let clean = |g: &Group| stack::ordered(&g.members, headers).1.is_empty();
    if parts.iter().all(clean) {
        parts
    } else {
        vec![group]
    }
}

/// What the choice came to.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) stack: Stack,
    pub(super) members: Vec<Member>,
    /// The other candidates.
    pub(super) left: Vec<Candidate>,
}

/// Chooses the stack to design from: a whole one before a faulty one, an original before a derived one, then full
/// cover, then thin slices, then many.
///
/// # Errors
/// The refusal of the largest series when none is whole; two examinations with whole series.
pub(super) fn choose(
    headers: &[Header],
    faults: &[Option<FileFault>],
    limits: &Limits,
) -> Result<Choice, Refusal> {
    let weigh = |group: Group| {
        let stack = usable(&group, headers, faults, limits);
        Candidate { group, stack }
    };
    let mut candidates: Vec<Candidate> = groups(headers).into_iter().map(weigh).collect();
    let cover = |c: &Candidate| match &c.stack {
        Ok(stack) => stack.spacing_mm * stack.order.len() as f64,
        Err(_) => 0.0,
    };
    let best_cover = candidates.iter().map(cover).fold(0.0, f64::max);
    let rank = |c: &Candidate| {
        let first = &headers[c.group.members[0].header];
        let spacing_um = c
            .stack
            .as_ref()
            .map_or(i64::MAX, |s| (s.spacing_mm * 1000.0).round() as i64);
        (
            c.stack.is_err(),
            is_derived(first),
            cover(c) < 0.9 * best_cover,
            spacing_um,
            usize::MAX - c.group.members.len(),
        )
    };
    // The sort is stable: equals stay in the order of the files.
    candidates.sort_by_key(rank);
    one_study(&candidates, headers)?;
    if candidates.is_empty() {
        return Err(Refusal::Empty);
    }
    let best = candidates.remove(0);
    Ok(Choice {
        stack: best.stack?,
        members: best.group.members,
        left: candidates,
    })
}

/// Reformats, projections and thick averages: taken only when there is nothing else.
fn is_derived(header: &Header) -> bool {
    let named = |word: &str| {
        header
            .image_type
            .iter()
            .any(|t| t.split('_').any(|part| part == word))
    };
    [
        "DERIVED",
        "SECONDARY",
        "MPR",
        "MIP",
        "VRT",
        "AVERAGE",
        "DOSE",
        "RESAMPLED",
    ]
    .iter()
    .any(|word| named(word))
}

/// Two whole series of two examinations: which of them the implant is for, no rule here may decide.
fn one_study(candidates: &[Candidate], headers: &[Header]) -> Result<(), Refusal> {
    let whole = candidates.iter().filter(|c| c.stack.is_ok());
    let studies: BTreeSet<_> = whole
        .map(|c| &headers[c.group.members[0].header].study)
        .collect();
    match studies.len() {
        0 | 1 => Ok(()),
        count => Err(Refusal::SeveralStudies { count }),
    }
}

/// The group's stack, unless one of its slices can not be decoded.
fn usable(
    group: &Group,
    headers: &[Header],
    faults: &[Option<FileFault>],
    limits: &Limits,
) -> Result<Stack, Refusal> {
    let faulty = |m: &&Member| faults[m.header].is_some();
    let mut broken: Vec<(FileRef, FileFault)> = Vec::new();
    for member in group.members.iter().filter(faulty) {
        let file = headers[member.header].file;
        if let Some(fault) = &faults[member.header]
            && broken.last().is_none_or(|(last, _)| *last != file)
        {
            broken.push((file, fault.clone()));
        }
    }
    if broken.is_empty() {
        return stack::stack(&group.members, headers, limits);
    }
    if let Some(refusal) = all_one_syntax(&broken, group.members.len()) {
        return Err(refusal);
    }
    let sound: Vec<Member> = group
        .members
        .iter()
        .filter(|m| !faulty(m))
        .copied()
        .collect();
    let gap_mm = match stack::stack(&sound, headers, limits) {
        Err(Refusal::Gap { gap_mm, .. }) => Some(gap_mm),
        _ => None,
    };
    Err(Refusal::Unreadable {
        files: broken,
        gap_mm,
    })
}

/// When nothing is wrong but one syntax that is not decoded here, that is the refusal.
fn all_one_syntax(broken: &[(FileRef, FileFault)], of: usize) -> Option<Refusal> {
    let FileFault::Syntax { uid, name } = &broken.first()?.1 else {
        return None;
    };
    let same = |(_, fault): &(FileRef, FileFault)| matches!(fault, FileFault::Syntax { uid: other, .. } if other == uid);
    broken.iter().all(same).then(|| Refusal::Syntax {
        count: broken.len(),
        of,
        name: name.clone(),
        uid: uid.clone(),
    })
}
