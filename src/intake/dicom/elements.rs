//! Values of a data set, read so that a wrong VR can not change them.
//!
//! Why: an archive that does not know an element stores it as UN, and a reader that goes by the VR takes the text "1"
//! for the number 49. A RescaleSlope of 49 is a wrong skull without an error. So an element of VR UN is read as what
//! the dictionary says it is (implicit little endian, PS3.5 6.2.2).

use super::character_set::CharacterSet;
use super::walk::{self, Encoding, Within};
use crate::intake::limits::Limits;
use crate::intake::refusal::FileFault;
use dicom_core::Tag;
use dicom_dictionary_std::tags as tag;
use std::ops::ControlFlow;

/// A data set, or an item of a sequence: its elements in the order of the file, their values where they lie there.
#[derive(Clone, Debug)]
pub(super) struct Elements<'a> {
    elements: Vec<walk::Element<'a>>,
    nesting: usize,
    most: usize,
}

impl<'a> Elements<'a> {
    /// The data set in `header`, the bytes before PixelData.
    ///
    /// # Errors
    /// [`FileFault`]: it ends early, nests too deep, or has more elements than any image.
    pub(super) fn root(
        header: &'a [u8],
        encoding: Encoding,
        limits: &Limits,
    ) -> Result<Self, FileFault> {
        let (nesting, most) = (limits.nesting, limits.elements);
        let mut elements = Gathered::new(most);
        walk::elements(header, encoding, Within::Root, nesting, |_, element, _| {
            elements.take(element)
        })?;
        elements.done(nesting)
    }

    fn item(&self, encoding: Encoding, bytes: &'a [u8]) -> Result<Self, FileFault> {
        let mut elements = Gathered::new(self.most);
        walk::elements(
            bytes,
            encoding,
            Within::Item,
            self.nesting,
            |_, element, _| elements.take(element),
        )?;
        elements.done(self.nesting)
    }

    fn get(&self, tag: Tag) -> Option<&walk::Element<'a>> {
        self.elements.iter().find(|element| element.tag == tag)
    }

    /// Whether the element is there at all.
    pub(super) fn has(&self, tag: Tag) -> bool {
        self.get(tag).is_some()
    }

    /// Text without padding; `None` when absent or empty. Bytes beyond ASCII are kept one by one.
    pub(super) fn text(&self, tag: Tag) -> Option<String> {
        trimmed(
            &self
                .get(tag)?
                .value
                .iter()
                .copied()
                .map(char::from)
                .collect::<String>(),
        )
    }

    /// Text in the data set's own character set, as names are.
    pub(super) fn name(&self, tag: Tag) -> Option<String> {
        let sets = CharacterSet::of(&self.texts(tag::SPECIFIC_CHARACTER_SET));
        trimmed(&sets.decode(self.get(tag)?.value))
    }

    /// The values of a multi-valued text.
    pub(super) fn texts(&self, tag: Tag) -> Vec<String> {
        let text = self.text(tag).unwrap_or_default();
        text.split('\\')
            .map(|part| part.trim().to_owned())
            .collect()
    }

    /// Numbers, whichever way they are written; empty when absent or when one of them is none.
    pub(super) fn numbers(&self, tag: Tag) -> Vec<f64> {
        self.try_numbers(tag).unwrap_or_default()
    }

    fn try_numbers(&self, tag: Tag) -> Option<Vec<f64>> {
        let element = self.get(tag)?;
        let (vr, big) = match element.vr {
            Some(vr) if &vr != b"UN" => (vr, element.encoding == Encoding::ExplicitBig),
            _ => (walk::dictionary_vr(tag)?, false),
        };
        let value = element.value;
        let numbers: Vec<f64> = match &vr {
            b"US" => all(value, big, |b| u16::from_le_bytes(b).into()),
            b"SS" => all(value, big, |b| i16::from_le_bytes(b).into()),
            b"UL" => all(value, big, |b| u32::from_le_bytes(b).into()),
            b"SL" => all(value, big, |b| i32::from_le_bytes(b).into()),
            b"FL" => all(value, big, |b| f32::from_le_bytes(b).into()),
            b"FD" => all(value, big, f64::from_le_bytes),
            // Commas for points, blanks and trailing NULs are all met in the field. A number in a text of another VR
            // is one too.
            _ => {
                let parse = |part: String| part.trim_matches('\0').trim().replace(',', ".").parse();
                let parsed: Result<_, _> = self.texts(tag).into_iter().map(parse).collect();
                parsed.ok()?
            }
        };
        numbers.iter().all(|n| n.is_finite()).then_some(numbers)
    }

    /// The first number.
    pub(super) fn number(&self, tag: Tag) -> Option<f64> {
        self.numbers(tag).first().copied()
    }

    /// Exactly `N` numbers.
    pub(super) fn array<const N: usize>(&self, tag: Tag) -> Option<[f64; N]> {
        self.numbers(tag).try_into().ok()
    }

    /// A whole number from 0 to 65,535.
    pub(super) fn u16(&self, tag: Tag) -> Option<u16> {
        let number = self.number(tag)?;
        let whole = number.fract() == 0.0 && (0.0..=65535.0).contains(&number);
        whole.then_some(number as u16)
    }

    /// Items of a sequence; none when it is absent or damaged.
    pub(super) fn items(&self, tag: Tag) -> Vec<Elements<'a>> {
        let spans = self
            .get(tag)
            .and_then(|sequence| walk::items(sequence, self.nesting).ok());
        let spans = spans.unwrap_or_default().into_iter();
        spans
            .filter_map(|(encoding, bytes)| self.item(encoding, bytes).ok())
            .collect()
    }

    /// The first item of a sequence.
    pub(super) fn first_item(&self, tag: Tag) -> Option<Elements<'a>> {
        self.items(tag).into_iter().next()
    }
}

/// Elements as they are met, up to a number.
struct Gathered<'a> {
    elements: Vec<walk::Element<'a>>,
    most: usize,
    too_many: bool,
}

impl<'a> Gathered<'a> {
    fn new(most: usize) -> Self {
        Self {
            elements: Vec::new(),
            most,
            too_many: false,
        }
    }

    fn take(&mut self, element: walk::Element<'a>) -> ControlFlow<()> {
        if self.elements.len() >= self.most {
            self.too_many = true;
            return ControlFlow::Break(());
        }
        self.elements.push(element);
        ControlFlow::Continue(())
    }

    fn done(self, nesting: usize) -> Result<Elements<'a>, FileFault> {
        if self.too_many {
            return Err(FileFault::Header(format!(
                "more than {} elements",
                self.most
            )));
        }
        Ok(Elements {
            elements: self.elements,
            nesting,
            most: self.most,
        })
    }
}

fn trimmed(text: &str) -> Option<String> {
    let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    (!text.is_empty()).then(|| text.to_owned())
}

/// All numbers of `N` bytes each.
fn all<const N: usize>(value: &[u8], big: bool, number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let bytes = value.chunks_exact(N).filter_map(|b| b.first_chunk::<N>());
    bytes
        .map(|bytes| {
            let mut bytes = *bytes;
            if big {
                bytes.reverse();
            }
            number(bytes)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn un(elements: &[(Tag, &[u8])]) -> Vec<u8> {
        let mut data = Vec::new();
        for (tag, value) in elements {
            data.extend(tag.0.to_le_bytes());
            data.extend(tag.1.to_le_bytes());
            data.extend(b"UN\0\0");
            data.extend((value.len() as u32).to_le_bytes());
            data.extend(*value);
        }
        data
    }

    fn read(data: &[u8]) -> Elements<'_> {
        Elements::root(data, Encoding::ExplicitLittle, &Limits::default()).unwrap()
    }

    #[test]
    fn a_slope_stored_as_un_is_one_and_not_forty_nine() {
        let data = un(&[
            (tag::RESCALE_SLOPE, b"1 "),
            (tag::PIXEL_SPACING, b"0.5\\0,25\0"),
            (tag::ROWS, &[0, 2]),
        ]);
        let elements = read(&data);
        assert_eq!(elements.number(tag::RESCALE_SLOPE), Some(1.0));
        assert_eq!(elements.array(tag::PIXEL_SPACING), Some([0.5, 0.25]));
        assert_eq!(elements.u16(tag::ROWS), Some(512));
    }

    #[test]
    fn a_number_that_is_none_is_absent() {
        let data = un(&[
            (tag::RESCALE_SLOPE, b"1A"),
            (tag::RESCALE_INTERCEPT, b"NaN "),
        ]);
        assert_eq!(read(&data).number(tag::RESCALE_SLOPE), None);
        assert_eq!(read(&data).number(tag::RESCALE_INTERCEPT), None);
    }

    #[test]
    fn a_data_set_of_nothing_but_elements_costs_no_more_than_the_limit() {
        let data = un(&vec![(tag::ROWS, &[][..]); 100_000]);
        let limits = Limits::default();
        let fault = Elements::root(&data, Encoding::ExplicitLittle, &limits).err();
        assert!(matches!(fault, Some(FileFault::Header(_))), "{fault:?}");
    }
}
