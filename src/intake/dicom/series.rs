//! Which slices belong together, and which of several stacks is the one to design from.

use super::groups::Slice;
use super::header::Header;
use super::parts::{self, Odd};
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
    pub(super) odd: Option<Odd>,
}

/// A group and what its geometry comes to.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) group: Group,
    pub(super) stack: Result<Stack, Refusal>,
}

/// Groups the slices of all headers.
pub(super) fn groups(headers: &[Header], limits: &Limits) -> Vec<Group> {
    let each = parts::series_each(headers, limits);
    let mut alike: Vec<Vec<Member>> = Vec::new();
    for (header, h) in headers.iter().enumerate() {
        for (slice, s) in h.slices.iter().enumerate() {
            let member = Member { header, slice };
            let same = |group: &&mut Vec<Member>| {
                let first = group[0];
                let (a, b) = (&headers[first.header], h);
                (each || a.series == b.series) && together((a, first.of(headers)), (b, s))
            };
            match alike.iter_mut().find(same) {
                Some(group) => group.push(member),
                None => alike.push(vec![member]),
            }
        }
    }
    let by_frame = alike
        .into_iter()
        .flat_map(|members| parts::by_frame(members, headers, limits));
    by_frame
        .flat_map(|(members, odd)| {
            let odd = odd.or(each.then_some(Odd::SeriesEach));
            let whole = parts::by_acquisition(members, headers, limits);
            whole.into_iter().map(move |members| Group { members, odd })
        })
        .collect()
}

/// Whether two slices may lie in one volume.
fn together((a, sa): (&Header, &Slice), (b, sb): (&Header, &Slice)) -> bool {
    let parallel = |x: Vector<_>, y: Vector<_>| x.dot(y) > 0.9999;
    let close = |x: f64, y: f64| (x - y).abs() <= 1e-3 * x;
    (a.store.rows, a.store.columns) == (b.store.rows, b.store.columns)
        && a.image_type.iter().take(3).eq(b.image_type.iter().take(3))
        && a.notes.kernel == b.notes.kernel
        && parallel(sa.along_row, sb.along_row)
        && parallel(sa.along_column, sb.along_column)
        && close(sa.pixel_mm[0], sb.pixel_mm[0])
        && close(sa.pixel_mm[1], sb.pixel_mm[1])
}

/// What the choice came to.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) stack: Stack,
    pub(super) members: Vec<Member>,
    pub(super) odd: Option<Odd>,
    /// The other candidates.
    pub(super) left: Vec<Left>,
}

/// A candidate that was not taken, in words.
#[derive(Clone, Debug)]
pub(super) struct Left {
    pub(super) slices: usize,
    pub(super) text: String,
}

impl Left {
    /// `tried`: it was read first and is no head.
    pub(super) fn of(candidate: &Candidate, headers: &[Header], tried: bool) -> Self {
        let header = &headers[candidate.group.members[0].header];
        let slices = candidate.group.members.len();
        let why = match &candidate.stack {
            Ok(_) if tried => "no head".into(),
            Ok(stack) => format!("{:.2} mm apart", stack.spacing_mm),
            Err(refusal) => refusal.code().replace('_', " "),
        };
        let kernel = header.notes.kernel.as_deref().unwrap_or("not named");
        let acquisition = header
            .acquisition
            .map_or(String::new(), |n| format!(", acquisition {n}"));
        Self {
            slices,
            text: format!(
                "Left out: another CT stack of {slices} slices ({why}, kernel {kernel}{acquisition})."
            ),
        }
    }
}

/// All stacks, the one to design from first: a whole one before a faulty one, an original before a derived one, then
/// full cover, then thin slices, then a sharp kernel, then many. What is left to decide, identifiers decide: neither
/// the order nor the names of files.
///
/// # Errors
/// Two examinations with whole series.
pub(super) fn candidates(
    headers: &[Header],
    faults: &[Option<FileFault>],
    limits: &Limits,
) -> Result<Vec<Candidate>, Refusal> {
    let weigh = |group: Group| {
        let stack = usable(&group, headers, faults, limits);
        Candidate { group, stack }
    };
    let mut candidates: Vec<Candidate> = groups(headers, limits).into_iter().map(weigh).collect();
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
        let instances = c.group.members.iter().map(|m| &headers[m.header].instance);
        (
            (c.stack.is_err(), is_too_few(c), is_derived(first)),
            (cover(c) < 0.9 * best_cover, spacing_um),
            !first.notes.kernel.as_deref().is_some_and(is_sharp),
            usize::MAX - c.group.members.len(),
            (first.acquisition, instances.min().cloned()),
        )
    };
    candidates.sort_by_cached_key(rank);
    one_study(&candidates, headers)?;
    Ok(candidates)
}

/// A study without a usable stack is refused for what its slices are, not for a scout or three.
fn is_too_few(candidate: &Candidate) -> bool {
    matches!(candidate.stack, Err(Refusal::TooFew { .. }))
}

/// Whether a kernel is made for bone. Makers' names: BONE and EDGE (GE), H60 and Hr64 and their like (Siemens, the
/// number is the sharpness), FC30, FC31 and FC80 to FC86 (Toshiba, Canon), YC, YD, D and E (Philips).
pub(super) fn is_sharp(kernel: &str) -> bool {
    let upper = kernel.to_ascii_uppercase();
    let words = || upper.split(|c: char| !c.is_ascii_alphanumeric());
    let digits = |text: &str| -> Option<u32> {
        let tail = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let end = tail.find(|c: char| !c.is_ascii_digit());
        tail[..end.unwrap_or(tail.len())].parse().ok()
    };
    let siemens = |word: &str| {
        let of_head_or_body = ["H", "B", "U", "J", "HR", "BR", "BL", "QR", "UR"].iter();
        let letters = word.trim_end_matches(|c: char| !c.is_ascii_alphabetic());
        let letters = letters.split(|c: char| c.is_ascii_digit()).next();
        let named = of_head_or_body.clone().any(|name| Some(*name) == letters);
        named && digits(word).is_some_and(|n| (50..100).contains(&n))
    };
    let toshiba = |word: &str| {
        let number = word.strip_prefix("FC").and_then(digits);
        number.is_some_and(|n| matches!(n, 30 | 31 | 35 | 80..=86))
    };
    words().any(|word| {
        word.contains("BONE")
            || ["EDGE", "SHARP", "YC", "YD", "D", "E"].contains(&word)
            || siemens(word)
            || toshiba(word)
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
    if let Some(Odd::FrameOfFew(count)) = group.odd {
        return Err(Refusal::MixedFrames {
            count,
            of: group.members.len(),
        });
    }
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

#[cfg(test)]
mod tests {
    use super::is_sharp;

    #[test]
    fn kernels_for_bone_are_known_by_their_makers_names() {
        for kernel in [
            "BONE", "BONEPLUS", "EDGE", "H60s", "Hr64", "H70h\\3", "FC30", "FC81", "YC", "J70h",
            "U75u",
        ] {
            assert!(is_sharp(kernel), "{kernel}");
        }
        for kernel in [
            "SOFT", "STANDARD", "H30s", "Hr40", "B20f", "FC21", "FC64", "UB", "C", "Head", "",
        ] {
            assert!(!is_sharp(kernel), "{kernel}");
        }
    }
}
