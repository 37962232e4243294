//! One DICOM file's header, as far as it decides: is it a CT slice, where does it lie, how are its values stored.

use super::elements::Elements;
use super::groups::{self, Slice};
use super::syntax::{self, Codec};
use super::tags::{self, Layout};
use super::walk::Encoding;
use crate::intake::limits::Limits;
use crate::intake::refusal::{FileFault, Tenths};
use crate::intake::study::FileRef;
use dicom_dictionary_std::tags as tag;

const CT_IMAGE: &str = "1.2.840.10008.5.1.4.1.1.2";
const ENHANCED_CT: &str = "1.2.840.10008.5.1.4.1.1.2.1";
const LEGACY_ENHANCED_CT: &str = "1.2.840.10008.5.1.4.1.1.2.2";
const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";
const MEDIA_DIRECTORY: &str = "1.2.840.10008.1.3.10";

/// Modalities that may be named: the terms of PS3.3 C.7.3.1.1.1 that come with images or reports of heads.
const MODALITIES: [&str; 36] = [
    "AR", "ASMT", "BI", "BMD", "CR", "CT", "DX", "ECG", "ES", "GM", "IO", "IVUS", "KO", "MG", "MR",
    "NM", "OCT", "OP", "OT", "PR", "PT", "PX", "REG", "RF", "RG", "RTDOSE", "RTIMAGE", "RTPLAN",
    "RTSTRUCT", "SC", "SEG", "SM", "SR", "US", "XA", "XC",
];

/// Makers of scanners by a part of their name, upper-case, and as they are written down.
const MAKERS: [(&str, &str); 18] = [
    ("SIEMENS", "SIEMENS"),
    ("GE MEDICAL", "GE MEDICAL SYSTEMS"),
    ("GE HEALTHCARE", "GE HEALTHCARE"),
    ("PHILIPS", "Philips"),
    ("MARCONI", "Marconi"),
    ("PICKER", "Picker"),
    ("ELSCINT", "Elscint"),
    ("TOSHIBA", "TOSHIBA"),
    ("CANON", "Canon"),
    ("HITACHI", "Hitachi"),
    ("FUJIFILM", "FUJIFILM"),
    ("SHIMADZU", "Shimadzu"),
    ("NEUSOFT", "Neusoft"),
    ("UIH", "UIH"),
    ("UNITED IMAGING", "UIH"),
    ("SAMSUNG", "Samsung"),
    ("NEUROLOGICA", "NeuroLogica"),
    ("CALVARIA PHANTOM", "calvaria phantom"),
];

/// What a DICOM file turned out to be.
#[derive(Debug)]
pub(super) enum Found {
    /// One or more CT slices; `fault` says that they can not be decoded, which a complete stack does not forgive.
    Image(Box<Header>, Option<FileFault>),
    /// Sound, but not a CT slice.
    Other(Other),
    /// Broken before its pixels; with the series where that could still be read.
    Broken(FileFault, Option<String>),
}

/// Sound DICOM that is left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Other {
    /// A scout image.
    Localizer,
    /// A screenshot, results page or dose page.
    SecondaryCapture,
    /// Another modality, by its name.
    Modality(String),
    /// A DICOMDIR: a list, not an image.
    Directory,
    /// CT modality, but no image; or an image of no stated modality.
    NoCt,
    /// No DICOM: a document, a picture, a program.
    Document,
    /// No DICOM: an archive among other files.
    Archive,
}

impl Other {
    /// Whether it is DICOM at all.
    pub(super) fn is_dicom(&self) -> bool {
        !matches!(self, Self::Document | Self::Archive)
    }
}

/// Everything of a CT file that decides.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) file: FileRef,
    /// Offset in the list of files.
    pub(super) index: usize,
    /// SHA-256 at the time of the scan.
    pub(super) sha256: String,
    /// SOPInstanceUID.
    pub(super) instance: String,
    /// InstanceNumber: tells at most how many slices there should be, never where they lie.
    pub(super) number: Option<i64>,
    /// ImagesInAcquisition.
    pub(super) images: Option<i64>,
    pub(super) series: String,
    pub(super) study: String,
    pub(super) frame_of_reference: String,
    pub(super) patient: [String; 3],
    pub(super) syntax: String,
    pub(super) enhanced: bool,
    /// ORIGINAL or DERIVED, PRIMARY or SECONDARY, AXIAL, ...
    pub(super) image_type: Vec<String>,
    pub(super) acquisition: Option<i64>,
    /// AcquisitionTime as it stands.
    pub(super) time: String,
    pub(super) store: Store,
    pub(super) notes: Notes,
    pub(super) slices: Vec<Slice>,
}

/// How values are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Store {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) bits: u16,
    pub(super) high_bit: u16,
    pub(super) signed: bool,
    /// Stored values from the first to the second are padding.
    pub(super) padding: Option<(i32, i32)>,
    pub(super) codec: Codec,
}

impl Store {
    pub(super) fn pixels(&self) -> usize {
        self.rows * self.columns
    }
}

/// Facts for the record.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Notes {
    pub(super) thickness_mm: Option<f64>,
    pub(super) kvp: Option<f64>,
    /// GantryDetectorTilt, degrees; makers disagree about its sign.
    pub(super) tilt_deg: Option<f64>,
    pub(super) kernel: Option<String>,
    pub(super) manufacturer: Option<String>,
    pub(super) model: Option<String>,
    pub(super) patient_position: Option<String>,
    pub(super) body_part: Option<String>,
    pub(super) rescale_type: Option<String>,
    pub(super) lossy: bool,
    pub(super) burned_in: bool,
    pub(super) contrast: bool,
}

/// Reads the header in `bytes`.
pub(super) fn read<'a>(
    bytes: &'a [u8],
    file: FileRef,
    index: usize,
    limits: &Limits,
) -> (Found, Option<Layout<'a>>) {
    let layout = match tags::layout(bytes, limits) {
        Ok(layout) => layout,
        Err(fault) => return (Found::Broken(fault, None), None),
    };
    let found = parse(&layout, file, index, limits);
    (found, Some(layout))
}

fn parse(layout: &Layout<'_>, file: FileRef, index: usize, limits: &Limits) -> Found {
    let all = match Elements::root(layout.header(), layout.encoding, limits) {
        Ok(all) => all,
        Err(fault) => return Found::Broken(fault, None),
    };
    if let Some(other) = not_a_ct_slice(&all) {
        return Found::Other(other);
    }
    match image(&all, layout, file, index) {
        Ok(header) => {
            let fault = undecodable(&all, &header, layout, limits);
            Found::Image(Box::new(header), fault)
        }
        Err(fault) => Found::Broken(fault, all.text(tag::SERIES_INSTANCE_UID)),
    }
}

fn not_a_ct_slice(all: &Elements<'_>) -> Option<Other> {
    let class = all.text(tag::SOP_CLASS_UID).unwrap_or_default();
    let modality = all.text(tag::MODALITY).unwrap_or_default();
    if class == MEDIA_DIRECTORY || (class.is_empty() && all.has(tag::DIRECTORY_RECORD_SEQUENCE)) {
        return Some(Other::Directory);
    }
    // The plain class, or one of its multi-frame kinds (".7.1" to ".7.4").
    let beyond = class.strip_prefix(SECONDARY_CAPTURE);
    let capture = beyond.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if capture && ["CT", "OT", "SC", ""].contains(&modality.as_str()) {
        return Some(Other::SecondaryCapture);
    }
    if modality != "CT" {
        // A term of the standard; anything else may be anybody's words and is not repeated.
        return Some(match MODALITIES.contains(&modality.as_str()) {
            true => Other::Modality(modality),
            false => Other::NoCt,
        });
    }
    if ![CT_IMAGE, ENHANCED_CT, LEGACY_ENHANCED_CT].contains(&class.as_str()) {
        return Some(Other::NoCt);
    }
    let localizer = all
        .texts(tag::IMAGE_TYPE)
        .iter()
        .any(|t| t == "LOCALIZER" || t == "SCOUT");
    localizer.then_some(Other::Localizer)
}

fn image(
    all: &Elements<'_>,
    layout: &Layout<'_>,
    file: FileRef,
    index: usize,
) -> Result<Header, FileFault> {
    let uid = |t| all.text(t).unwrap_or_default();
    let samples = all.u16(tag::SAMPLES_PER_PIXEL).unwrap_or(1);
    let photometric = uid(tag::PHOTOMETRIC_INTERPRETATION);
    if samples != 1 || !(photometric.is_empty() || photometric.starts_with("MONOCHROME")) {
        return Err(FileFault::Colour(format!("{samples} samples a pixel")));
    }
    let class = uid(tag::SOP_CLASS_UID);
    let enhanced = class != CT_IMAGE;
    let store = store(all, layout)?;
    let slices = if enhanced {
        groups::slices(all)?
    } else {
        if all.number(tag::NUMBER_OF_FRAMES).is_some_and(|n| n > 1.0) {
            return Err(FileFault::Header(
                "a plain CT image with several frames".into(),
            ));
        }
        vec![groups::slice(all)?]
    };
    Ok(Header {
        file,
        index,
        sha256: String::new(),
        instance: uid(tag::SOP_INSTANCE_UID),
        number: all.number(tag::INSTANCE_NUMBER).map(|n| n as i64),
        images: all.number(tag::IMAGES_IN_ACQUISITION).map(|n| n as i64),
        series: uid(tag::SERIES_INSTANCE_UID),
        study: uid(tag::STUDY_INSTANCE_UID),
        frame_of_reference: uid(tag::FRAME_OF_REFERENCE_UID),
        patient: [tag::PATIENT_NAME, tag::PATIENT_ID, tag::PATIENT_BIRTH_DATE]
            .map(|t| all.name(t).unwrap_or_default()),
        syntax: layout.syntax.clone(),
        enhanced,
        image_type: all.texts(tag::IMAGE_TYPE),
        acquisition: all.number(tag::ACQUISITION_NUMBER).map(|n| n as i64),
        time: uid(tag::ACQUISITION_TIME),
        store,
        notes: notes(all, &store),
        slices,
    })
}

fn store(all: &Elements<'_>, layout: &Layout<'_>) -> Result<Store, FileFault> {
    let need = |t, name| all.u16(t).filter(|&n| n > 0).ok_or(FileFault::Lacks(name));
    let rows = need(tag::ROWS, "Rows")?.into();
    let columns = need(tag::COLUMNS, "Columns")?.into();
    let allocated = need(tag::BITS_ALLOCATED, "BitsAllocated")?;
    let bits = all.u16(tag::BITS_STORED).unwrap_or(allocated);
    let high_bit = all.u16(tag::HIGH_BIT).unwrap_or(bits.saturating_sub(1));
    if bits <= 8 {
        let slope = all.number(tag::RESCALE_SLOPE).unwrap_or(1.0);
        return Err(FileFault::Coarse {
            bits,
            hu_step: Tenths((slope * 10.0).round() as i64),
        });
    }
    if allocated != 16 || bits > 16 || high_bit > 15 || high_bit + 1 < bits {
        return Err(FileFault::Header(format!(
            "{bits} bits up to bit {high_bit} in {allocated}"
        )));
    }
    let signed = match all.u16(tag::PIXEL_REPRESENTATION) {
        None | Some(0) => false,
        Some(1) => true,
        Some(_) => return Err(FileFault::Lacks("PixelRepresentation")),
    };
    // A syntax without a decoder is a fault of the image, told later; its place in the stack still counts.
    let codec = match Codec::of(&layout.syntax).unwrap_or(Codec::Native) {
        // Values are in the order that the elements are in, whatever the syntax says.
        Codec::Native | Codec::NativeBig if layout.encoding == Encoding::ExplicitBig => {
            Codec::NativeBig
        }
        Codec::NativeBig => Codec::Native,
        codec => codec,
    };
    let mut store = Store {
        rows,
        columns,
        bits,
        high_bit,
        signed,
        padding: None,
        codec,
    };
    store.padding = padding(all, &store);
    Ok(store)
}

/// The padding's range in stored values. The element's VR (US or SS) is often the wrong one: its 16 bits are read
/// as the pixels are.
fn padding(all: &Elements<'_>, store: &Store) -> Option<(i32, i32)> {
    let bits = |t| {
        let number = all.number(t)? as i64;
        (-32768..=65535).contains(&number).then_some(number as u16)
    };
    let value = |raw: u16| {
        if store.signed {
            i32::from(raw as i16)
        } else {
            i32::from(raw)
        }
    };
    let first = value(bits(tag::PIXEL_PADDING_VALUE)?);
    let last = bits(tag::PIXEL_PADDING_RANGE_LIMIT).map_or(first, value);
    Some((first.min(last), first.max(last)))
}

fn notes(all: &Elements<'_>, store: &Store) -> Notes {
    // Whoever is scanned may stand where they do not belong: a text that repeats a word of theirs is left out.
    let whose: Vec<String> = [tag::PATIENT_NAME, tag::PATIENT_ID, tag::PATIENT_BIRTH_DATE]
        .into_iter()
        .filter_map(|t| all.name(t))
        .flat_map(|text| words(&text))
        .collect();
    let is_theirs = |text: &String| words(text).iter().any(|word| whose.contains(word));
    let plain = |t| {
        all.text(t)
            .map(|text| printable(&text))
            .filter(|text| !is_theirs(text))
    };
    let code =
        |t| plain(t).filter(|text| text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));
    let lossy_stated = all
        .text(tag::LOSSY_IMAGE_COMPRESSION)
        .is_some_and(|v| v == "01");
    Notes {
        thickness_mm: all.number(tag::SLICE_THICKNESS),
        kvp: all.number(tag::KVP),
        tilt_deg: all.number(tag::GANTRY_DETECTOR_TILT),
        kernel: plain(tag::CONVOLUTION_KERNEL),
        manufacturer: all
            .text(tag::MANUFACTURER)
            .map(|text| maker(&text).to_owned()),
        model: plain(tag::MANUFACTURER_MODEL_NAME),
        patient_position: code(tag::PATIENT_POSITION),
        body_part: code(tag::BODY_PART_EXAMINED),
        rescale_type: code(tag::RESCALE_TYPE),
        lossy: lossy_stated || store.codec.may_be_lossy(),
        burned_in: all
            .text(tag::BURNED_IN_ANNOTATION)
            .is_some_and(|v| v == "YES"),
        contrast: all.text(tag::CONTRAST_BOLUS_AGENT).is_some(),
    }
}

/// Longest free text that is kept, characters.
const TEXT_MAX: usize = 64;
/// Shortest word that can tell whose a scan is.
const WORD_MIN: usize = 3;

/// A known maker, or `other`.
fn maker(text: &str) -> &'static str {
    let upper = text.to_ascii_uppercase();
    let known = MAKERS.iter().find(|(part, _)| upper.contains(part));
    known.map_or("other", |(_, name)| name)
}

/// The words of a text, upper-case.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().count() >= WORD_MIN)
        .map(str::to_uppercase)
        .collect()
}

/// At most 64 printable ASCII characters: a file's text may hold escape codes for terminals.
fn printable(text: &str) -> String {
    let keep = |c: &char| (' '..='~').contains(c);
    text.chars().filter(keep).take(TEXT_MAX).collect()
}

/// Why the pixels of a sound header can not be decoded, as far as that can be told without decoding.
fn undecodable(
    all: &Elements<'_>,
    header: &Header,
    layout: &Layout<'_>,
    limits: &Limits,
) -> Option<FileFault> {
    if all.has(tag::MODALITY_LUT_SEQUENCE) {
        return Some(FileFault::ModalityLut);
    }
    let Some(codec) = Codec::of(&header.syntax) else {
        return Some(FileFault::Syntax {
            name: syntax::name(&header.syntax),
            uid: header.syntax.clone(),
        });
    };
    let Some(pixels) = &layout.pixels else {
        return Some(FileFault::NoPixels);
    };
    let have = layout.pixel_bytes().len() as u64;
    let need = (header.store.pixels() * header.slices.len() * 2) as u64;
    if need > limits.file_bytes {
        return Some(FileFault::ShortPixels { have, need });
    }
    let native = matches!(codec, Codec::Native | Codec::NativeBig);
    match (native, pixels.declared) {
        // The field may round an odd length up; a file cut there is not complete.
        (_, Some(declared)) if declared > have && declared > 2 * need + 1024 => {
            Some(FileFault::LengthLies { declared, have })
        }
        (_, Some(declared)) if declared > have => Some(FileFault::ShortPixels {
            have,
            need: declared,
        }),
        (true, Some(declared)) if declared < need => Some(FileFault::ShortPixels {
            have: declared,
            need,
        }),
        (true, None) => Some(FileFault::Header(
            "fragments in an uncompressed syntax".into(),
        )),
        (false, Some(_)) => Some(FileFault::Header(
            "no fragments in a compressed syntax".into(),
        )),
        _ => None,
    }
}
