//! Label: what one instance says of itself at its beginning, for whoever has to put it beside others of its study.

use super::tags;
use super::walk::{self, Encoding, Within};
use crate::intake::limits::Limits;
use crate::intake::refusal::FileFault;
use dicom_core::Tag;
use dicom_dictionary_std::tags as tag;
use std::ops::ControlFlow;

/// UIDs and modality of one instance; what it does not say is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// SOPClassUID (0008,0016).
    pub class: String,
    /// SOPInstanceUID (0008,0018).
    pub instance: String,
    /// Modality (0008,0060).
    pub modality: String,
    /// StudyInstanceUID (0020,000D).
    pub study: String,
}

/// The last element that is looked for; elements stand in the order of their tags.
const LAST: Tag = tag::STUDY_INSTANCE_UID;

/// Reads the label of a data set (without its meta group), of which `start` is the beginning or all. `syntax` is its
/// transfer syntax; a deflated one is not read.
///
/// # Errors
/// [`FileFault`]: `start` ends before the study is named, or is no data set of this syntax.
pub fn label(start: &[u8], syntax: &str, limits: &Limits) -> Result<Label, FileFault> {
    if syntax == tags::DEFLATED {
        return Err(FileFault::NotDicom("it is deflated"));
    }
    let (mut label, mut is_past) = (Label::default(), false);
    let encoding = Encoding::of(syntax);
    let nesting = limits.nesting;
    let walked = walk::elements(start, encoding, Within::Root, nesting, |_, element, _| {
        let field = match element.tag {
            tag::SOP_CLASS_UID => Some(&mut label.class),
            tag::SOP_INSTANCE_UID => Some(&mut label.instance),
            tag::MODALITY => Some(&mut label.modality),
            tag::STUDY_INSTANCE_UID => Some(&mut label.study),
            _ => None,
        };
        if let Some(field) = field {
            *field = text(element.value);
        }
        is_past = element.tag >= LAST;
        if is_past {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    if !is_past {
        walked?;
    }
    Ok(label)
}

/// ASCII without its padding; a UID is padded with NUL, a code with a space.
fn text(value: &[u8]) -> String {
    let text: String = value.iter().copied().map(char::from).collect();
    text.trim_matches(|c: char| c == '\0' || c.is_whitespace())
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn explicit(tag: [u8; 4], vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
        let length = (value.len() as u16).to_le_bytes();
        [&tag[..], vr, &length, value].concat()
    }

    fn slice() -> Vec<u8> {
        [
            explicit([8, 0, 0x16, 0], b"UI", b"1.2.840.10008.5.1.4.1.1.2\0"),
            explicit([8, 0, 0x18, 0], b"UI", b"1.2.3.4\0"),
            explicit([8, 0, 0x60, 0], b"CS", b"CT"),
            explicit([0x20, 0, 0x0d, 0], b"UI", b"1.2.3\0"),
            explicit([0x28, 0, 0x10, 0], b"US", &[0, 2]),
        ]
        .concat()
    }

    #[test]
    fn what_comes_behind_the_study_need_not_be_there() {
        let whole = slice();
        let said = label(&whole, tags::EXPLICIT_LITTLE, &Limits::default()).unwrap();
        assert_eq!(said.class, "1.2.840.10008.5.1.4.1.1.2");
        assert_eq!((&*said.instance, &*said.study), ("1.2.3.4", "1.2.3"));
        assert_eq!(said.modality, "CT");
        let cut = &whole[..whole.len() - 10];
        assert_eq!(
            label(cut, tags::EXPLICIT_LITTLE, &Limits::default()).unwrap(),
            said
        );
    }

    #[test]
    fn a_start_that_ends_before_the_study_is_no_label() {
        let whole = slice();
        let cut = &whole[..whole.len() - 15];
        assert!(label(cut, tags::EXPLICIT_LITTLE, &Limits::default()).is_err());
        assert!(label(&whole, tags::DEFLATED, &Limits::default()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, at in 0_usize..4) {
            let syntax = [tags::EXPLICIT_LITTLE, tags::IMPLICIT_LITTLE, tags::EXPLICIT_BIG, "1.2.840.10008.1.2.4.90"][at];
            let _ = label(&bytes, syntax, &Limits::default());
            let mut whole = slice();
            for (n, byte) in bytes.iter().enumerate() {
                let at = n * 7 % whole.len();
                whole[at] ^= byte;
            }
            let _ = label(&whole, syntax, &Limits::default());
        }
    }
}
