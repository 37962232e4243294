//! Look: whose file one is, and where its slices lie, without decoding a pixel.

use super::elements::Elements;
use super::header::{self, Found, Header, Other};
use super::tags;
use super::{person, series, stack};
use crate::intake::files::{self, Kind};
use crate::intake::limits::Limits;
use crate::intake::refusal::{FileFault, Refusal};
use crate::intake::study::FileRef;
use dicom_dictionary_std::tags as tag;

/// Bytes before a file's mark, nearly always zero.
const PREAMBLE: usize = 128;

/// What one file says of itself.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Patient's ID, or name where there is none.
    pub(crate) person: String,
    /// StudyInstanceUID.
    pub(crate) study: String,
    /// SeriesInstanceUID.
    pub(crate) series: String,
    /// The file ends before it should.
    pub(crate) cut: bool,
    header: Option<Header>,
}

/// Looks at the bytes of one file; `index` is its offset in the list of files. `None`: no DICOM.
pub(crate) fn sight(bytes: &[u8], index: usize, limits: &Limits) -> Option<Seen> {
    if files::sniff(bytes) != Kind::Dicom {
        let begins = !bytes.is_empty() && b"DICM".starts_with(bytes.get(PREAMBLE..).unwrap_or(&[]));
        let is_preamble = begins && bytes.iter().take(PREAMBLE).all(|&byte| byte == 0);
        return is_preamble.then(|| Seen {
            cut: true,
            ..Seen::default()
        });
    }
    let (found, layout) = header::read(bytes, FileRef(1), index, limits);
    let mut seen = layout
        .as_ref()
        .and_then(|l| named(l, limits))
        .unwrap_or_default();
    // A copy can break off between two elements: what ought to say its series and does not is no whole file either.
    seen.cut = match &found {
        Found::Image(_, fault) => fault.as_ref().is_some_and(ends_early),
        Found::Broken(fault, _) => ends_early(fault) || seen.series.is_empty(),
        // The list of a medium belongs to no series.
        Found::Other(Other::Directory) => false,
        Found::Other(_) => seen.series.is_empty(),
    };
    if let Found::Image(header, None) = found {
        seen.header = Some(*header);
    }
    Some(seen)
}

fn ends_early(fault: &FileFault) -> bool {
    matches!(
        fault,
        FileFault::HeaderEnds(_)
            | FileFault::ShortPixels { .. }
            | FileFault::LengthLies { .. }
            | FileFault::NoPixels
    )
}

fn named(layout: &tags::Layout<'_>, limits: &Limits) -> Option<Seen> {
    let all = Elements::root(layout.header(), layout.encoding, limits).ok()?;
    let text = |t| all.text(t).unwrap_or_default();
    let name = |t| all.name(t).unwrap_or_default();
    Some(Seen {
        person: person(&name(tag::PATIENT_NAME), &name(tag::PATIENT_ID)).clone(),
        study: text(tag::STUDY_INSTANCE_UID),
        series: text(tag::SERIES_INSTANCE_UID),
        ..Seen::default()
    })
}

/// Whether slices are plainly missing within the largest stack: too few for a volume, a hole, or numbers that skip.
pub(crate) fn slices_missing(seen: &[Seen], limits: &Limits) -> bool {
    let headers: Vec<Header> = seen.iter().filter_map(|s| s.header.clone()).collect();
    let groups = series::groups(&headers, limits);
    let Some(largest) = groups.iter().max_by_key(|g| g.members.len()) else {
        return false;
    };
    let first = &headers[largest.members[0].header];
    if first.enhanced {
        return false;
    }
    let numbers: std::collections::BTreeSet<i64> = headers
        .iter()
        .filter(|h| h.series == first.series)
        .filter_map(|h| h.number)
        .collect();
    let skips = match (numbers.first(), numbers.last()) {
        (Some(first), Some(last)) => last.abs_diff(*first) >= numbers.len() as u64,
        _ => false,
    };
    let stated = first.images.is_some_and(|n| n > numbers.len() as i64);
    skips
        || stated
        || matches!(
            stack::stack(&largest.members, &headers, limits),
            Err(Refusal::TooFew { .. } | Refusal::Gap { .. })
        )
}
