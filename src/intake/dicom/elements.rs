//! Values of a parsed data set, read so that a wrong VR can not change them.
//!
//! Why: an archive that does not know an element stores it as UN, and dicom-rs then reads the bytes of the text
//! "1" as the number 49. A RescaleSlope of 49 is a wrong skull without an error. So an element of VR UN is read
//! anew as what the dictionary says it is (implicit little endian, PS3.5 6.2.2).

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;

/// Typed access to a data set or to an item of a sequence.
#[derive(Clone, Copy)]
pub(super) struct Elements<'a>(pub(super) &'a InMemDicomObject);

impl<'a> Elements<'a> {
    fn get(&self, tag: Tag) -> Option<&'a InMemElement> {
        self.0.get(tag)
    }

    /// Whether the element is there at all.
    pub(super) fn has(&self, tag: Tag) -> bool {
        self.get(tag).is_some()
    }

    /// Text without padding; `None` when absent or empty.
    pub(super) fn text(&self, tag: Tag) -> Option<String> {
        let element = self.get(tag)?;
        let text = if element.vr() == VR::UN {
            String::from_utf8_lossy(&element.to_bytes().ok()?).into_owned()
        } else {
            element.to_raw_str().ok()?.into_owned()
        };
        let trimmed = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        (!trimmed.is_empty()).then(|| trimmed.to_owned())
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
        let vr = match element.vr() {
            VR::UN => StandardDataDictionary.by_tag(tag)?.vr().relaxed(),
            known => known,
        };
        let numbers: Vec<f64> = match vr {
            VR::DS | VR::IS => {
                // Commas for points, blanks and trailing NULs are all met in the field.
                let parse = |part: String| part.trim_matches('\0').trim().replace(',', ".").parse();
                let parsed: Result<_, _> = self.texts(tag).into_iter().map(parse).collect();
                parsed.ok()?
            }
            VR::US if element.vr() == VR::UN => {
                let bytes = element.to_bytes().ok()?;
                let pairs = bytes.chunks_exact(2);
                pairs
                    .map(|b| f64::from(u16::from_le_bytes([b[0], b[1]])))
                    .collect()
            }
            VR::FD if element.vr() == VR::UN => {
                let bytes = element.to_bytes().ok()?;
                let eights = bytes.chunks_exact(8).filter_map(|b| b.first_chunk::<8>());
                eights.map(|b| f64::from_le_bytes(*b)).collect()
            }
            _ if element.vr() == VR::UN => return None,
            _ => element.to_multi_float64().ok()?,
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

    /// Items of a sequence; none when it is absent.
    pub(super) fn items(&self, tag: Tag) -> impl Iterator<Item = Elements<'a>> + use<'a> {
        let items = self.get(tag).and_then(InMemElement::items);
        items.unwrap_or(&[]).iter().map(Elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_core::{DataElement, PrimitiveValue};
    use dicom_dictionary_std::tags;

    #[test]
    fn a_slope_stored_as_un_is_one_and_not_forty_nine() {
        let mut object = InMemDicomObject::new_empty();
        let raw = |bytes: &[u8]| PrimitiveValue::U8(bytes.iter().copied().collect());
        object.put(DataElement::new(tags::RESCALE_SLOPE, VR::UN, raw(b"1 ")));
        object.put(DataElement::new(
            tags::PIXEL_SPACING,
            VR::UN,
            raw(b"0.5\\0,25\0"),
        ));
        object.put(DataElement::new(tags::ROWS, VR::UN, raw(&[0, 2])));
        let elements = Elements(&object);
        assert_eq!(elements.number(tags::RESCALE_SLOPE), Some(1.0));
        assert_eq!(elements.array(tags::PIXEL_SPACING), Some([0.5, 0.25]));
        assert_eq!(elements.u16(tags::ROWS), Some(512));
    }

    #[test]
    fn a_number_that_is_none_is_absent() {
        let mut object = InMemDicomObject::new_empty();
        object.put_str(tags::RESCALE_SLOPE, VR::DS, "1A");
        object.put_str(tags::RESCALE_INTERCEPT, VR::DS, "NaN");
        assert_eq!(Elements(&object).number(tags::RESCALE_SLOPE), None);
        assert_eq!(Elements(&object).number(tags::RESCALE_INTERCEPT), None);
    }
}
