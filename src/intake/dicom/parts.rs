//! Parts of one series that are no one volume: other frames of reference, other acquisitions, phases or voltages.
//!
//! Why: scanners, archives and anonymisers put two volumes under one SeriesInstanceUID, and give one volume many
//! identifiers. What differs between the slices tells the two apart, and whether the parts lie over each other.

use super::header::Header;
use super::stack::{self, Member};
use crate::intake::limits::Limits;
use std::collections::{BTreeMap, BTreeSet};

/// Parts that one series may be woven from.
const PARTS_MAX: usize = 4;
/// Parts lie over each other when they share this much of the shorter one.
const OVERLAP_MIN: f64 = 0.5;

/// What is odd about the identifiers of a group that is one volume all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Odd {
    /// Every slice has a FrameOfReferenceUID of its own, as some anonymisers give them.
    FrameEach,
    /// Every slice has a SeriesInstanceUID of its own.
    SeriesEach,
    /// This many slices have another FrameOfReferenceUID than the rest.
    FrameOfFew(usize),
}

/// Whether every slice has a series of its own, so that the series tells nothing.
pub(super) fn series_each(headers: &[Header], limits: &Limits) -> bool {
    let plain = || headers.iter().filter(|h| !h.enhanced);
    let count = plain().count();
    let distinct: BTreeSet<&str> = plain().map(|h| h.series.as_str()).collect();
    count >= limits.slices && distinct.len() == count
}

/// A group by frame of reference. Few slices that fill a gap of the others are no series of their own: they stay, and
/// the group is odd.
pub(super) fn by_frame(
    members: Vec<Member>,
    headers: &[Header],
    limits: &Limits,
) -> Vec<(Vec<Member>, Option<Odd>)> {
    let frame = |m: &Member| headers[m.header].frame_of_reference.as_str();
    let mut parts: Vec<Vec<Member>> = split(&members, frame).into_values().collect();
    if parts.len() == 1 {
        return vec![(members, None)];
    }
    if parts.len() * 2 >= members.len() && members.len() >= limits.slices {
        return vec![(members, Some(Odd::FrameEach))];
    }
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    let mut whole: Vec<(Vec<Member>, Option<Odd>)> = Vec::new();
    for part in parts {
        let belongs = whole.first().is_some_and(|(first, _)| {
            let together = [first.as_slice(), &part].concat();
            let is_one = stack::ordered(&together, headers).1.is_empty()
                && stack::stack(&together, headers, limits).is_ok();
            part.len() < limits.slices && is_one
        });
        match whole.first_mut() {
            Some((first, odd)) if belongs => {
                let before = match odd {
                    Some(Odd::FrameOfFew(count)) => *count,
                    _ => 0,
                };
                *odd = Some(Odd::FrameOfFew(before + part.len()));
                first.extend(part);
            }
            _ => whole.push((part, None)),
        }
    }
    whole
}

/// A group that is woven of two or more volumes, taken apart by the first thing that differs between them. Parts that
/// lie one above the other, as those of a step-and-shoot scan do, stay together.
pub(super) fn by_acquisition(
    members: Vec<Member>,
    headers: &[Header],
    limits: &Limits,
) -> Vec<Vec<Member>> {
    let of = |m: &Member| &headers[m.header];
    let text = |number: Option<f64>| number.map_or(String::new(), |n| format!("{n:.3}"));
    let differs: [&dyn Fn(&Member) -> String; 4] = [
        &|m| format!("{:?}", of(m).acquisition),
        &|m| text(of(m).notes.kvp),
        &|m| text(of(m).notes.thickness_mm),
        &|m| of(m).time.clone(),
    ];
    for key in differs {
        let parts: Vec<Vec<Member>> = split(&members, key).into_values().collect();
        if (2..=PARTS_MAX).contains(&parts.len()) && are_volumes(&parts, headers, limits) {
            return parts;
        }
    }
    vec![members]
}

/// Whether each part could be a volume, and all lie over the first.
fn are_volumes(parts: &[Vec<Member>], headers: &[Header], limits: &Limits) -> bool {
    let extents: Vec<[f64; 2]> = parts
        .iter()
        .filter_map(|part| {
            let (order, doubles) = stack::ordered(part, headers);
            let is_volume = order.len() >= limits.slices && doubles.is_empty();
            let (first, last) = (order.first()?, order.last()?);
            is_volume.then(|| [first, last].map(|m| stack::height(*m, headers)))
        })
        .collect();
    let over = |[a, b]: [f64; 2], [c, d]: [f64; 2]| {
        (b.min(d) - a.max(c)) >= OVERLAP_MIN * (b - a).min(d - c)
    };
    extents.len() == parts.len() && extents[1..].iter().all(|&other| over(extents[0], other))
}

/// Members by a key, in the order of the keys.
fn split<K: Ord>(members: &[Member], key: impl Fn(&Member) -> K) -> BTreeMap<K, Vec<Member>> {
    let mut parts = BTreeMap::<K, Vec<Member>>::new();
    for member in members {
        parts.entry(key(member)).or_default().push(*member);
    }
    parts
}
