use super::*;
use crate::intake::dicom::elements::Elements;
use crate::intake::limits::Limits;
use dicom_dictionary_std::tags as tag;
use proptest::prelude::*;

const SOURCE: Tag = tag::SOURCE_IMAGE_SEQUENCE;
const ICON: Tag = tag::ICON_IMAGE_SEQUENCE;
const UNDEFINED: u32 = u32::MAX;

fn of_tag(tag: Tag) -> Vec<u8> {
    [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat()
}

fn long(tag: Tag, vr: &[u8; 2], length: u32, value: &[u8]) -> Vec<u8> {
    [&of_tag(tag), &vr[..], &[0; 2], &length.to_le_bytes(), value].concat()
}

fn short(tag: Tag, vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
    let length = (value.len() as u16).to_le_bytes();
    [&of_tag(tag), &vr[..], &length, value].concat()
}

fn implicit(tag: Tag, length: u32, value: &[u8]) -> Vec<u8> {
    [&of_tag(tag), &length.to_le_bytes()[..], value].concat()
}

fn rows(value: u16) -> Vec<u8> {
    short(tag::ROWS, b"US", &value.to_le_bytes())
}

fn implicit_rows(value: u16) -> Vec<u8> {
    implicit(tag::ROWS, 2, &value.to_le_bytes())
}

/// Reads `data`, then the sequence's first item, and the rows of both.
fn read(data: &[u8], encoding: Encoding, sequence: Tag) -> (Option<u16>, Option<u16>) {
    let all = Elements::root(data, encoding, &Limits::default()).unwrap();
    let item = all.first_item(sequence);
    (
        all.u16(tag::ROWS),
        item.and_then(|item| item.u16(tag::ROWS)),
    )
}

#[test]
fn a_un_of_undefined_length_is_a_sequence_in_implicit_little_endian() {
    let item = implicit(
        ITEM,
        UNDEFINED,
        &[implicit_rows(7), implicit(ITEM_END, 0, b"")].concat(),
    );
    let value = [item, implicit(SEQUENCE_END, 0, b"")].concat();
    let data = [long(SOURCE, b"UN", UNDEFINED, &value), rows(512)].concat();
    assert_eq!(
        read(&data, Encoding::ExplicitLittle, SOURCE),
        (Some(512), Some(7))
    );
}

#[test]
fn fragments_in_an_icon_are_bytes_and_no_elements() {
    let fragments = [
        implicit(ITEM, 0, b""),
        implicit(ITEM, 8, b"\x08\x00\x40\x11\xff\xff\xff\xff"),
        implicit(SEQUENCE_END, 0, b""),
    ]
    .concat();
    let icon = [rows(64), long(PIXEL_DATA, b"OB", UNDEFINED, &fragments)].concat();
    let item = [implicit(ITEM, UNDEFINED, &icon), implicit(ITEM_END, 0, b"")].concat();
    let value = [item, implicit(SEQUENCE_END, 0, b"")].concat();
    let data = [long(ICON, b"SQ", UNDEFINED, &value), rows(512)].concat();
    assert_eq!(
        read(&data, Encoding::ExplicitLittle, ICON),
        (Some(512), Some(64))
    );
}

#[test]
fn items_are_read_as_they_are_written() {
    let of = |inside: Vec<u8>| implicit(ITEM, inside.len() as u32, &inside);
    let item = of(implicit_rows(7));
    let data = [long(SOURCE, b"SQ", item.len() as u32, &item), rows(512)].concat();
    assert_eq!(
        read(&data, Encoding::ExplicitLittle, SOURCE),
        (Some(512), Some(7))
    );
    let item = of(rows(7));
    let data = [
        implicit(SOURCE, item.len() as u32, &item),
        implicit_rows(512),
    ]
    .concat();
    assert_eq!(
        read(&data, Encoding::ImplicitLittle, SOURCE),
        (Some(512), Some(7))
    );
}

#[test]
fn a_delimiter_that_is_missing_ends_where_the_next_one_stands() {
    // The item's own.
    let open = [
        implicit(ITEM, UNDEFINED, &rows(7)),
        implicit(SEQUENCE_END, 0, b""),
    ]
    .concat();
    let data = [long(SOURCE, b"SQ", UNDEFINED, &open), rows(512)].concat();
    assert_eq!(
        read(&data, Encoding::ExplicitLittle, SOURCE),
        (Some(512), Some(7))
    );
    // The sequence's.
    let item = implicit(ITEM, rows(7).len() as u32, &rows(7));
    let data = [long(SOURCE, b"SQ", UNDEFINED, &item), rows(512)].concat();
    assert_eq!(
        read(&data, Encoding::ExplicitLittle, SOURCE),
        (Some(512), Some(7))
    );
    // One too many.
    let data = [implicit(SEQUENCE_END, 0, b""), rows(512)].concat();
    assert_eq!(read(&data, Encoding::ExplicitLittle, SOURCE).0, Some(512));
}

#[test]
fn a_data_set_that_contradicts_its_syntax_is_read_as_it_is() {
    let modality = |encoding: Encoding| match encoding {
        Encoding::ImplicitLittle => implicit(tag::MODALITY, 2, b"CT"),
        Encoding::ExplicitLittle => short(tag::MODALITY, b"CS", b"CT"),
        Encoding::ExplicitBig => b"\x00\x08\x00\x60CS\x00\x02CT".to_vec(),
    };
    let all = [
        Encoding::ImplicitLittle,
        Encoding::ExplicitLittle,
        Encoding::ExplicitBig,
    ];
    for stated in all {
        for is in all {
            let mut data = modality(is);
            // What follows is long enough for every wrong length to fit.
            data.resize(64 << 20, 0);
            assert_eq!(written(&data, stated), is, "{stated:?} stated");
        }
    }
}

#[test]
fn an_element_without_letters_in_an_explicit_data_set_is_an_implicit_one() {
    let data = [implicit_rows(7), short(tag::MODALITY, b"CS", b"CT")].concat();
    let all = Elements::root(&data, Encoding::ExplicitLittle, &Limits::default()).unwrap();
    assert_eq!(
        (all.u16(tag::ROWS), all.text(tag::MODALITY)),
        (Some(7), Some("CT".into()))
    );
}

proptest! {
    /// Bytes that look like sequences, whatever they are: an answer, and never a panic.
    #[test]
    fn no_bytes_are_too_odd(parts in prop::collection::vec(part(), 0..60), cut in 0usize..400) {
        let mut data = parts.concat();
        data.truncate(data.len().saturating_sub(cut % 13));
        for encoding in [Encoding::ExplicitLittle, Encoding::ImplicitLittle, Encoding::ExplicitBig] {
            if let Ok(all) = Elements::root(&data, encoding, &Limits::default()) {
                for item in all.items(SOURCE) {
                    let _ = (item.u16(tag::ROWS), item.items(SOURCE).len());
                }
            }
        }
    }
}

fn part() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(long(SOURCE, b"SQ", UNDEFINED, b"")),
        Just(long(SOURCE, b"UN", UNDEFINED, b"")),
        Just(long(PIXEL_DATA, b"OB", UNDEFINED, b"")),
        Just(implicit(SOURCE, UNDEFINED, b"")),
        Just(implicit(ITEM, UNDEFINED, b"")),
        (0u32..100).prop_map(|length| implicit(ITEM, length, b"")),
        Just(implicit(ITEM_END, 0, b"")),
        Just(implicit(SEQUENCE_END, 0, b"")),
        Just(rows(7)),
        Just(implicit_rows(7)),
        prop::collection::vec(any::<u8>(), 0..20),
    ]
}
