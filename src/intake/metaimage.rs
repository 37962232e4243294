//! MetaImage: `.mha`, and `.mhd` with its data beside it, as ITK and elastix write them.
//!
//! In:    a text header of `Key = Value` lines, whose last is `ElementDataFile`; the values behind it or in a plain file
//!        beside, as they are or deflated (zlib).
//! Out:   a [`Volume`] in patient LPS mm: ITK's physical space.
//! Never: guesses where the axes lead: a header without `TransformMatrix` has no orientation. Data in lists of files, as
//!        text, of several channels or of more than three dimensions are refused by name.

use super::beside::{self, plain_name};
use super::files;
use super::limits::Limits;
use super::numbers::{Label, Number, to_hu};
use super::refusal::Refusal;
use crate::space::{Ijk, Lps, Map, Point, Vector};
use crate::volume::{Hu, Volume};
use flate2::bufread::ZlibDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

const FORMAT: &str = "MetaImage";
/// Lines of a header, and bytes of one, that are looked at.
const LINES: usize = 200;
const LINE_BYTES: u64 = 1 << 16;
/// Bytes before the values where the header says how many.
const HEADER_BYTES: u64 = 1 << 20;

/// A CT in HU, rounded, clamped to -2048..=32767; NaN becomes air.
///
/// # Errors
/// [`Refusal`]: no MetaImage, no orientation, more than one volume, too large, cut short.
pub fn read_hu(path: &Path, limits: &Limits) -> Result<Volume<Hu>, Refusal> {
    open(path, limits, to_hu)
}

/// A mask: zero is outside, one other value is inside.
///
/// # Errors
/// As [`read_hu`]; and [`Refusal::NotA`] when there are more than two values.
pub fn read_mask(path: &Path, limits: &Limits) -> Result<Volume<bool>, Refusal> {
    let mut label = Label::default();
    let volume = open(path, limits, |v| label.inside(v))?;
    label.verdict()?;
    Ok(volume)
}

/// The door for untrusted bytes, for fuzzing: whatever they are, a volume or a refusal.
///
/// # Errors
/// As [`read_hu`].
pub fn door(bytes: &[u8], limits: &Limits) -> Result<Volume<Hu>, Refusal> {
    values(bytes, &|_| None, limits, to_hu)
}

fn open<T>(
    path: &Path,
    limits: &Limits,
    convert: impl FnMut(f64) -> T,
) -> Result<Volume<T>, Refusal> {
    let file = BufReader::new(File::open(path).map_err(Refusal::Open)?);
    let folder = path.parent();
    let beside = |name: &str| folder.map(|folder| folder.join(name));
    values(file, &beside, limits, convert)
}

/// A CT whose data file, if it has one, is found by `named`: an archive's files lie under other names.
///
/// # Errors
/// As [`read_hu`].
pub(crate) fn read_hu_beside(
    path: &Path,
    named: &dyn Fn(&str) -> Option<PathBuf>,
    limits: &Limits,
) -> Result<Volume<Hu>, Refusal> {
    let file = BufReader::new(File::open(path).map_err(Refusal::Open)?);
    values(file, named, limits, to_hu)
}

/// The data file that the header at `path` names, when its data are not behind it.
pub(crate) fn data_file(path: &Path) -> Option<String> {
    let mut file = BufReader::new(File::open(path).ok()?);
    let header = Header::read(&mut file).ok()?;
    header.data_beside().map(plain_name)?
}

/// Does a file begin as such a header? Its first lines are of a few keys.
pub(crate) fn begins(head: &[u8]) -> bool {
    let keys = ["ObjectType", "NDims", "Comment", "ObjectSubType"];
    let first = head.split(|&b| b == b'\n').next().unwrap_or_default();
    let first = String::from_utf8_lossy(first);
    let Some((key, value)) = first.split_once('=') else {
        return false;
    };
    match key.trim() {
        "ObjectType" => value.trim() == "Image",
        // Anybody may begin a text so; the dimensions are said within the first lines.
        "Comment" => String::from_utf8_lossy(head).contains("NDims ="),
        key => keys.contains(&key),
    }
}

fn refused(why: impl Into<String>) -> Refusal {
    Refusal::Format {
        format: FORMAT,
        why: why.into(),
    }
}

/// `named` finds a data file beside the header.
fn values<T>(
    mut from: impl BufRead,
    named: &dyn Fn(&str) -> Option<PathBuf>,
    limits: &Limits,
    convert: impl FnMut(f64) -> T,
) -> Result<Volume<T>, Refusal> {
    let header = Header::read(&mut from)?;
    let shape = header.shape()?;
    let voxels = shape
        .iter()
        .fold(1u64, |n, &axis| n.saturating_mul(axis as u64));
    files::bound("voxels in one volume", voxels, limits.voxels as u64)?;
    let spacing_mm = header.spacing_mm()?;
    let to_lps = match (header.to_lps(spacing_mm), limits.orientation) {
        (Err(Refusal::NoOrientation { .. }), Some(given)) => given
            .to_lps(spacing_mm)
            .ok_or_else(|| refused("it does not say how large its voxels are"))?,
        (Ok(_), Some(_)) => return Err(Refusal::OrientationSaid { format: FORMAT }),
        (said, _) => said?,
    };
    let number = header.number()?;
    let big_endian = header.is("BinaryDataByteOrderMSB")? || header.is("ElementByteOrderMSB")?;
    let mut raw: Box<dyn BufRead + '_> = match header.data_beside() {
        None => Box::new(from),
        Some(name) => Box::new(beside::open(FORMAT, named, name)?),
    };
    let voxels = voxels as usize;
    header.skip(&mut raw, (voxels * number.width()) as u64)?;
    let data: Box<dyn Read + '_> = if header.is("CompressedData")? {
        Box::new(ZlibDecoder::new(raw))
    } else {
        raw
    };
    let data = number
        .read(data, big_endian, voxels, convert)
        .map_err(refused)?;
    Volume::new(shape, data, to_lps).map_err(|e| refused(e.to_string()))
}

/// The fields of a header.
struct Header(Vec<(String, String)>);

impl Header {
    /// Reads to the line that says where the values are.
    fn read(from: &mut impl BufRead) -> Result<Self, Refusal> {
        let mut fields = Vec::new();
        for _ in 0..LINES {
            let mut line = Vec::new();
            let mut bounded = from.by_ref().take(LINE_BYTES);
            let read = bounded.read_until(b'\n', &mut line);
            read.map_err(|e| refused(format!("it ends inside the header ({})", e.kind())))?;
            let text = String::from_utf8_lossy(&line);
            let Some((key, value)) = text.split_once('=') else {
                return Err(refused("its header does not say where its values are"));
            };
            let key = key.trim().to_owned();
            let is_last = key == "ElementDataFile";
            fields.push((key, value.trim().to_owned()));
            if is_last {
                return Ok(Self(fields));
            }
        }
        Err(refused(format!("its header has more than {LINES} lines")))
    }

    fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().find(|(k, _)| k == key);
        found.map(|(_, value)| value.as_str())
    }

    fn need(&self, key: &str) -> Result<&str, Refusal> {
        self.get(key)
            .ok_or_else(|| refused(format!("it has no field \"{key}\"")))
    }

    /// `True` or not; not there is not.
    fn is(&self, key: &str) -> Result<bool, Refusal> {
        match self.get(key).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err(refused(format!("its {key} is neither True nor False"))),
        }
    }

    fn numbers<const N: usize>(&self, keys: &[&str]) -> Result<Option<[f64; N]>, Refusal> {
        let Some((key, text)) = keys.iter().find_map(|k| Some((k, self.get(k)?))) else {
            return Ok(None);
        };
        let numbers: Option<Vec<f64>> = text.split_whitespace().map(|n| n.parse().ok()).collect();
        let wrong = || refused(format!("its {key} is not {N} numbers"));
        let numbers: [f64; N] = numbers.and_then(|n| n.try_into().ok()).ok_or_else(wrong)?;
        if numbers.iter().all(|n| n.is_finite()) {
            Ok(Some(numbers))
        } else {
            Err(wrong())
        }
    }

    /// Name of the file that holds the values; `None`: they are behind the header.
    fn data_beside(&self) -> Option<&str> {
        let name = self.get("ElementDataFile")?;
        (!name.eq_ignore_ascii_case("LOCAL")).then_some(name)
    }

    fn shape(&self) -> Result<[usize; 3], Refusal> {
        let dimensions = self.need("NDims")?;
        if dimensions != "3" {
            return Err(refused(format!(
                "it has {dimensions:.8} dimensions instead of 3"
            )));
        }
        if let Some(channels) = self.get("ElementNumberOfChannels")
            && channels != "1"
        {
            return Err(refused(format!("it has {channels:.8} values in a voxel")));
        }
        let sizes: Option<Vec<usize>> = (self.need("DimSize")?.split_whitespace())
            .map(|n| n.parse().ok())
            .collect();
        let shape: Option<[usize; 3]> = sizes.and_then(|n| n.try_into().ok());
        shape
            .filter(|shape| !shape.contains(&0))
            .ok_or_else(|| refused("its DimSize is not three sizes"))
    }

    fn spacing_mm(&self) -> Result<[f64; 3], Refusal> {
        let said = self.numbers::<3>(&["ElementSpacing", "ElementSize"])?;
        let spacing_mm = said.ok_or_else(|| refused("it does not say how large its voxels are"))?;
        if spacing_mm.iter().all(|mm| *mm > 0.0) {
            Ok(spacing_mm)
        } else {
            Err(refused("the size of its voxels is not above 0"))
        }
    }

    /// Voxel index to LPS mm. Each three numbers of the matrix are the direction of one axis (ITK,
    /// `MetaImageIO::ReadImageInformation`).
    fn to_lps(&self, spacing_mm: [f64; 3]) -> Result<Map<Ijk, Lps>, Refusal> {
        let keys = ["TransformMatrix", "Rotation", "Orientation"];
        let unknown = || Refusal::NoOrientation { format: FORMAT };
        let matrix = self.numbers::<9>(&keys)?.ok_or_else(unknown)?;
        let origin = self.numbers::<3>(&["Offset", "Position", "Origin"])?;
        let axis =
            |n: usize| Vector::<Lps>::new([0, 1, 2].map(|a| matrix[3 * n + a] * spacing_mm[n]));
        let origin = Point::<Lps>::new(origin.unwrap_or_default());
        let map = Map::from_columns([axis(0), axis(1), axis(2)], origin);
        map.inverse()
            .map(|_| map)
            .ok_or_else(|| refused("its TransformMatrix does not span space"))
    }

    fn number(&self) -> Result<Number, Refusal> {
        // Text is what a header without the word means.
        if !self.is("BinaryData")? {
            return Err(refused("its values are text, which is not read"));
        }
        Ok(match self.need("ElementType")? {
            "MET_CHAR" => Number::I8,
            "MET_UCHAR" => Number::U8,
            "MET_SHORT" => Number::I16,
            "MET_USHORT" => Number::U16,
            // ITK writes `long` for 64 bits, older writers for 32: of an unclear size nothing is read.
            "MET_INT" => Number::I32,
            "MET_UINT" => Number::U32,
            "MET_LONG_LONG" => Number::I64,
            "MET_ULONG_LONG" => Number::U64,
            "MET_FLOAT" => Number::F32,
            "MET_DOUBLE" => Number::F64,
            other => {
                let shown: String = other.chars().filter(|c| !c.is_control()).take(24).collect();
                return Err(refused(format!("values of type \"{shown}\" are not read")));
            }
        })
    }

    /// Passes over what stands before the values of a data file: as many bytes as the header says, or, at -1, all but
    /// the last `bytes`.
    fn skip(&self, raw: &mut Box<dyn BufRead + '_>, bytes: u64) -> Result<(), Refusal> {
        let text = self.get("HeaderSize").unwrap_or("0");
        let wrong = || refused("its HeaderSize can not be meant");
        if text != "0" && self.data_beside().is_none() {
            // Of a file with header and values in one it counts from the beginning, or from here: readers differ.
            return Err(wrong());
        }
        match text.parse::<i64>().map_err(|_| wrong())? {
            0 => Ok(()),
            -1 if !self.is("CompressedData")? => {
                let mut all = Vec::new();
                let most = bytes + HEADER_BYTES;
                let read = raw.by_ref().take(most + 1).read_to_end(&mut all);
                read.map_err(|e| refused(e.kind().to_string()))?;
                let before = (all.len() as u64).checked_sub(bytes);
                let before = before.ok_or_else(|| refused("it is cut short"))?;
                if before > HEADER_BYTES {
                    return Err(wrong());
                }
                *raw = Box::new(std::io::Cursor::new(all.split_off(before as usize)));
                Ok(())
            }
            size => {
                let size = u64::try_from(size).ok().filter(|n| *n <= HEADER_BYTES);
                let mut before = raw.by_ref().take(size.ok_or_else(wrong)?);
                std::io::copy(&mut before, &mut std::io::sink())
                    .map(|_| ())
                    .map_err(|e| refused(e.kind().to_string()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    const HEADER: &str = "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\nTransformMatrix = 0 1 0 -1 0 0 0 0 1\nOffset = 10 20 30\nCenterOfRotation = 0 0 0\nAnatomicalOrientation = RAI\nElementSpacing = 0.5 2 3\nDimSize = 2 1 2\nElementType = MET_SHORT\n";

    fn with(header: &str, data: &[u8]) -> Vec<u8> {
        [header.as_bytes(), b"ElementDataFile = LOCAL\n", data].concat()
    }

    fn data() -> Vec<u8> {
        [-1000_i16, 40, 300, 1200]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect()
    }

    fn read(bytes: &[u8]) -> Result<Volume<Hu>, Refusal> {
        door(bytes, &Limits::default())
    }

    #[test]
    fn values_lie_where_the_header_says() {
        let volume = read(&with(HEADER, &data())).unwrap();
        assert_eq!(volume.shape(), [2, 1, 2]);
        assert_eq!(volume.data(), [-1000, 40, 300, 1200].map(Hu));
        // The first axis leads to posterior, the second to the right.
        let at = |ijk: [f64; 3]| volume.to_lps().apply(Point::<Ijk>::new(ijk));
        assert_eq!(at([0.0; 3]), Point::new([10.0, 20.0, 30.0]));
        assert_eq!(at([1.0, 0.0, 0.0]), Point::new([10.0, 20.5, 30.0]));
        assert_eq!(at([0.0, 1.0, 1.0]), Point::new([8.0, 20.0, 33.0]));
    }

    #[test]
    fn deflated_and_big_endian_values_are_the_same() {
        let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&data()).unwrap();
        let header = HEADER.replace("CompressedData = False", "CompressedData = True");
        let volume = read(&with(&header, &packed.finish().unwrap())).unwrap();
        assert_eq!(volume.data()[3], Hu(1200));
        let swapped: Vec<u8> = data().chunks(2).flat_map(|b| [b[1], b[0]]).collect();
        let header = HEADER.replace("MSB = False", "MSB = True");
        assert_eq!(read(&with(&header, &swapped)).unwrap().data()[0], Hu(-1000));
    }

    #[test]
    fn a_data_file_lies_beside_its_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("head.mhd");
        std::fs::write(&path, format!("{HEADER}ElementDataFile = head.raw\n")).unwrap();
        std::fs::write(folder.path().join("head.raw"), data()).unwrap();
        let volume = read_hu(&path, &Limits::default()).unwrap();
        assert_eq!(volume.data()[1], Hu(40));
        assert_eq!(data_file(&path).as_deref(), Some("head.raw"));
        let header = HEADER.replace("NDims = 3\n", "NDims = 3\nHeaderSize = -1\n");
        std::fs::write(&path, format!("{header}ElementDataFile = head.raw\n")).unwrap();
        std::fs::write(
            folder.path().join("head.raw"),
            [&[9; 50][..], &data()].concat(),
        )
        .unwrap();
        assert_eq!(
            read_hu(&path, &Limits::default()).unwrap().data()[1],
            Hu(40)
        );
        std::fs::write(&path, format!("{HEADER}ElementDataFile = ../head.raw\n")).unwrap();
        assert!(read_hu(&path, &Limits::default()).is_err());
    }

    #[test]
    fn what_is_not_said_is_not_guessed() {
        let refusal = |from: &str, to: &str| {
            let header = HEADER.replace(from, to);
            assert_ne!(header, HEADER, "{from}");
            read(&with(&header, &data())).unwrap_err().to_string()
        };
        let nowhere = refusal("TransformMatrix = 0 1 0 -1 0 0 0 0 1\n", "");
        assert!(nowhere.contains("orientation"), "{nowhere}");
        for (from, to, word) in [
            ("ElementSpacing = 0.5 2 3\n", "", "how large"),
            ("NDims = 3", "NDims = 2", "dimensions"),
            ("DimSize = 2 1 2", "DimSize = 2 1 3", "ends after"),
            ("DimSize = 2 1 2", "DimSize = 1 1 2", "after the last voxel"),
            ("DimSize = 2 1 2", "DimSize = 0 1 2", "sizes"),
            ("MET_SHORT", "MET_LONG", "MET_LONG"),
            ("BinaryData = True", "BinaryData = False", "text"),
            ("BinaryData = True\n", "", "text"),
            ("NDims = 3", "HeaderSize = 4\nNDims = 3", "HeaderSize"),
            ("0 1 0 -1 0 0 0 0 1", "0 1 0 0 1 0 0 0 1", "span"),
            ("0.5 2 3", "0.5 2 nan", "numbers"),
            (
                "NDims = 3",
                "ElementNumberOfChannels = 3\nNDims = 3",
                "in a voxel",
            ),
        ] {
            let said = refusal(from, to);
            assert!(said.contains(word), "{to}: {said}");
        }
    }

    #[test]
    fn only_such_a_header_begins_so() {
        assert!(begins(HEADER.as_bytes()));
        assert!(begins(b"NDims = 3\nDimSize"));
        assert!(begins(b"Comment = by hand\nNDims = 3\n"));
        for text in [
            &b"ObjectType = Mesh\n"[..],
            b"Comment = a note\n",
            b"",
            b"NDims 3",
            b"key = 1",
        ] {
            assert!(!begins(text));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, at in 0_usize..400, with_byte: u8) {
            let _ = read(&bytes);
            let mut whole = with(HEADER, &data());
            let at = at % whole.len();
            whole[at] = with_byte;
            let _ = read(&whole);
            let _ = begins(&whole);
        }
    }
}
