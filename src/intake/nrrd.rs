//! NRRD: masks and CTs as 3-D Slicer and the public skull sets keep them.
//!
//! In:    NRRD0001 to 0005, raw or gzip, header and data in one file or a plain data file beside; space LPS, RAS or
//!        LAS; all integer and float types.
//! Out:   a [`Volume`] in patient LPS mm.
//! Never: guesses a space. Data-file lists and patterns, text, hex and bzip2 encodings, and more than one volume in
//!        a file are refused by name; a data file is taken from the header's own folder and nowhere else.

use super::beside::{self, plain_name};
use super::files;
use super::limits::Limits;
use super::numbers::{Label, Number, to_hu};
use super::packed::{self, Gzip};
use super::refusal::Refusal;
use crate::space::{Ijk, Lps, Map, Point, Vector};
use crate::volume::{Hu, Volume};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// A CT in HU, rounded, clamped to -2048..=32767; NaN becomes air.
///
/// # Errors
/// [`Refusal`]: not NRRD, no space, more than one volume, too large, cut short.
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

/// Values as they are, e.g. a probability.
///
/// # Errors
/// As [`read_hu`].
pub fn read_f32(path: &Path, limits: &Limits) -> Result<Volume<f32>, Refusal> {
    open(path, limits, |v| v as f32)
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

/// A CT whose data file, if it has one, is found by `named` and not in the header's folder: an archive's files lie
/// under other names.
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
    Header::read(&mut file)
        .ok()?
        .get("data file")
        .map(plain_name)?
}

fn refused(why: impl Into<String>) -> Refusal {
    Refusal::Format {
        format: "NRRD",
        why: why.into(),
    }
}

/// Lines of a header, and bytes of one, that are looked at.
const LINES: usize = 1000;
const LINE_BYTES: u64 = 1 << 16;
/// Bytes before the values where these are the last ones of a file.
const HEADER_BYTES: u64 = 1 << 20;

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
    let to_lps = match (header.to_lps(), limits.orientation) {
        (Err(Refusal::NoOrientation { .. }), Some(given)) => given
            .to_lps(header.spacing_mm().unwrap_or_default())
            .ok_or_else(|| refused("it does not say how large its voxels are"))?,
        (Ok(_), Some(_)) => return Err(Refusal::OrientationSaid { format: "NRRD" }),
        (said, _) => said?,
    };
    let number = header.number()?;
    let big_endian = header.big_endian(number)?;
    let raw: Box<dyn BufRead + '_> = match header.get("data file") {
        None => Box::new(from),
        Some(name) => Box::new(beside::open("NRRD", named, name)?),
    };
    let voxels = voxels as usize;
    let data = header.data(raw, voxels * number.width())?;
    let data = number
        .read(data, big_endian, voxels, convert)
        .map_err(refused)?;
    Volume::new(shape, data, to_lps).map_err(|e| refused(e.to_string()))
}

/// The three numbers of `(x, y, z)`.
fn numbers_in_brackets(text: &str) -> Option<[f64; 3]> {
    let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
    let numbers: Vec<f64> = inner
        .split(',')
        .map(|n| n.trim().parse())
        .collect::<Result<_, _>>()
        .ok()?;
    numbers.try_into().ok()
}

/// The fields of a header: lower-case names without blanks at the ends, and their text.
struct Header(Vec<(String, String)>);

impl Header {
    /// Reads to the empty line that ends a header.
    fn read(from: &mut impl BufRead) -> Result<Self, Refusal> {
        let mut fields = Vec::new();
        for n in 0..LINES {
            let mut line = Vec::new();
            let mut bounded = from.by_ref().take(LINE_BYTES);
            let read = bounded.read_until(b'\n', &mut line);
            read.map_err(|e| refused(format!("it ends inside the header ({})", e.kind())))?;
            if line.last() != Some(&b'\n') {
                // A header beside its data may end with the file.
                return if n > 0 {
                    Ok(Self(fields))
                } else {
                    Err(refused("it has no header"))
                };
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end();
            if n == 0 {
                let version = text
                    .strip_prefix("NRRD000")
                    .and_then(|v| v.parse::<u8>().ok());
                if !version.is_some_and(|v| (1..=5).contains(&v)) {
                    return Err(refused("it does not start as NRRD0001 to NRRD0005"));
                }
                continue;
            }
            if text.is_empty() {
                return Ok(Self(fields));
            }
            // `key:=value` is free text, `#` a comment: neither is looked at.
            if let Some((name, value)) = text.split_once(": ")
                && !text.starts_with('#')
                && !name.contains(":=")
            {
                let name = match name.trim().to_ascii_lowercase().as_str() {
                    "datafile" => "data file".into(),
                    "lineskip" => "line skip".into(),
                    "byteskip" => "byte skip".into(),
                    other => other.to_owned(),
                };
                fields.push((name, value.trim().to_owned()));
            }
        }
        Err(refused(format!("its header has more than {LINES} lines")))
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name)
            .ok_or_else(|| refused(format!("it has no field \"{name}\"")))
    }

    /// Voxels along the three axes of space. A list axis of one entry before or behind them is passed over.
    fn shape(&self) -> Result<[usize; 3], Refusal> {
        let dimension = self.need("dimension")?;
        let sizes = self.need("sizes")?.split_whitespace().map(str::parse);
        let sizes: Vec<usize> = sizes
            .collect::<Result<_, _>>()
            .map_err(|_| refused("its sizes are no numbers"))?;
        if dimension.parse() != Ok(sizes.len()) {
            return Err(refused(format!(
                "it has {} sizes in {dimension:.8} dimensions",
                sizes.len()
            )));
        }
        let shape = match sizes[..] {
            [i, j, k] => [i, j, k],
            [a, b, c, d] => match self.list_axis([a, b, c, d]) {
                0 if a == 1 => [b, c, d],
                3 if d == 1 => [a, b, c],
                0 => return Err(refused(format!("it holds {a} layers instead of one"))),
                3 => return Err(refused(format!("it holds {d} volumes instead of one"))),
                _ => return Err(refused("a list stands between the axes of space")),
            },
            _ => {
                return Err(refused(format!(
                    "it has {} dimensions instead of 3",
                    sizes.len()
                )));
            }
        };
        if shape.contains(&0) {
            return Err(refused("one of its sizes is 0"));
        }
        Ok(shape)
    }

    /// Which of four axes is none of space: the one whose direction is `none`; without that, the one of one entry.
    fn list_axis(&self, sizes: [usize; 4]) -> usize {
        let directions = self.get("space directions").unwrap_or_default();
        let before = directions.split("none").next().unwrap_or_default();
        if directions.contains("none") {
            return before.matches('(').count();
        }
        if sizes[3] == 1 && sizes[0] != 1 { 3 } else { 0 }
    }

    fn number(&self) -> Result<Number, Refusal> {
        let name = self.need("type")?;
        Ok(match name.to_ascii_lowercase().as_str() {
            "signed char" | "int8" | "int8_t" => Number::I8,
            "uchar" | "unsigned char" | "uint8" | "uint8_t" => Number::U8,
            "short" | "short int" | "signed short" | "signed short int" | "int16" | "int16_t" => {
                Number::I16
            }
            "ushort" | "unsigned short" | "unsigned short int" | "uint16" | "uint16_t" => {
                Number::U16
            }
            "int" | "signed int" | "int32" | "int32_t" => Number::I32,
            "uint" | "unsigned int" | "uint32" | "uint32_t" => Number::U32,
            "longlong"
            | "long long"
            | "long long int"
            | "signed long long"
            | "signed long long int"
            | "int64"
            | "int64_t" => Number::I64,
            "ulonglong"
            | "unsigned long long"
            | "unsigned long long int"
            | "uint64"
            | "uint64_t" => Number::U64,
            "float" => Number::F32,
            "double" => Number::F64,
            other => {
                return Err(refused(format!(
                    "values of type \"{}\" are not read",
                    plain(other)
                )));
            }
        })
    }

    fn big_endian(&self, number: Number) -> Result<bool, Refusal> {
        match self.get("endian") {
            Some("little") => Ok(false),
            Some("big") => Ok(true),
            None if number.width() == 1 => Ok(false),
            _ => Err(refused(
                "it does not say whether its bytes are little or big endian",
            )),
        }
    }

    /// Voxel index to LPS mm.
    fn to_lps(&self) -> Result<Map<Ijk, Lps>, Refusal> {
        let unknown = || Refusal::NoOrientation { format: "NRRD" };
        let space = self.get("space").ok_or_else(unknown)?;
        let signs = match space.to_ascii_lowercase().as_str() {
            "left-posterior-superior" | "lps" => [1.0, 1.0, 1.0],
            "right-anterior-superior" | "ras" => [-1.0, -1.0, 1.0],
            "left-anterior-superior" | "las" => [1.0, -1.0, 1.0],
            _ => return Err(unknown()),
        };
        if let Some(units) = self.get("space units")
            && !units.split_whitespace().all(|unit| unit == "\"mm\"")
        {
            return Err(refused("its space units are not millimetres"));
        }
        let in_lps = |v: [f64; 3]| [0, 1, 2].map(|a| v[a] * signs[a]);
        let axes = self.directions().ok_or_else(unknown)?;
        let axes = axes.map(|axis| Vector::new(in_lps(axis)));
        let origin = self.get("space origin").and_then(numbers_in_brackets);
        let origin = Point::<Lps>::new(in_lps(origin.ok_or_else(unknown)?));
        let map = Map::from_columns(axes, origin);
        map.inverse()
            .map(|_| map)
            .ok_or_else(|| refused("its space directions do not span space"))
    }

    /// The steps from voxel to voxel along each axis, in the space of the file.
    fn directions(&self) -> Option<[[f64; 3]; 3]> {
        // `none` stands for a list axis; blanks may stand within brackets.
        let parts = self.get("space directions")?.split_inclusive(')');
        let axes = parts.filter_map(|p| numbers_in_brackets(p.trim().trim_start_matches("none")));
        axes.collect::<Vec<_>>().try_into().ok()
    }

    /// How far voxels are apart along each axis, mm, of a file that does not say where its axes lead.
    fn spacing_mm(&self) -> Option<[f64; 3]> {
        if let Some(axes) = self.directions() {
            return Some(axes.map(|[x, y, z]| Vector::<Lps>::new([x, y, z]).length()));
        }
        // A list axis has no spacing.
        let texts = self.get("spacings")?.split_whitespace();
        let numbers: Vec<f64> = texts
            .filter(|text| !text.eq_ignore_ascii_case("nan"))
            .map(str::parse)
            .collect::<Result<_, _>>()
            .ok()?;
        numbers.try_into().ok()
    }

    /// The values' bytes: lines and bytes to skip, then unpacked. `bytes` is how many are needed.
    fn data<'a>(
        &self,
        mut raw: Box<dyn BufRead + 'a>,
        bytes: usize,
    ) -> Result<Box<dyn Read + 'a>, Refusal> {
        let number = |name: &str| -> Result<i64, Refusal> {
            let text = self.get(name).unwrap_or("0");
            text.parse()
                .map_err(|_| refused(format!("its {name} is no number")))
        };
        let (lines, skip) = (number("line skip")?, number("byte skip")?);
        if !(0..=LINES as i64).contains(&lines) {
            return Err(refused(format!("its line skip is {lines}")));
        }
        for _ in 0..lines {
            let mut bounded = raw.by_ref().take(LINE_BYTES);
            let skipped = bounded.skip_until(b'\n');
            skipped
                .map_err(|e| refused(format!("it ends inside the lines to skip ({})", e.kind())))?;
        }
        let encoding = self.need("encoding")?.to_ascii_lowercase();
        let gzip = match encoding.as_str() {
            "raw" => false,
            "gzip" | "gz" => true,
            other => {
                return Err(refused(format!(
                    "encoding \"{}\" is not read",
                    plain(other)
                )));
            }
        };
        if skip == -1 && !gzip {
            // The values are the last bytes of the file.
            let mut all = Vec::new();
            let most = bytes as u64 + HEADER_BYTES;
            let whole = raw.take(most + 1).read_to_end(&mut all);
            whole.map_err(|e| refused(e.kind().to_string()))?;
            if all.len() as u64 > most {
                return Err(refused(format!(
                    "there are more than {HEADER_BYTES} bytes before its values"
                )));
            }
            let start = all
                .len()
                .checked_sub(bytes)
                .ok_or_else(|| refused("it is cut short"))?;
            return Ok(Box::new(std::io::Cursor::new(all.split_off(start))));
        }
        // Bytes are skipped in the unpacked data.
        let mut data: Box<dyn Read + 'a> = if gzip {
            Box::new(Gzip::new(raw))
        } else {
            Box::new(raw)
        };
        let skip = u64::try_from(skip).map_err(|_| refused("its byte skip is negative"))?;
        std::io::copy(&mut data.by_ref().take(skip), &mut std::io::sink())
            .map_err(|e| refused(packed::damaged(&e)))?;
        Ok(data)
    }
}

/// A few printable characters of a field, for a text that people read.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| (' '..='~').contains(c))
        .take(24)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    const SPACE: &str = "space: left-posterior-superior\n\
        space directions: (0.5,0,0) (0,0.6,0.1) (0,-0.1,2)\nspace origin: (-10, 20,30.5)\n";

    fn file(fields: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes =
            format!("NRRD0004\n# made here\ndimension: 3\nsizes: 2 2 3\nfree:=text\n{fields}\n")
                .into_bytes();
        bytes.extend(data);
        bytes
    }

    fn shorts(big_endian: bool) -> Vec<u8> {
        let bytes = |v: i16| {
            if big_endian {
                v.to_be_bytes()
            } else {
                v.to_le_bytes()
            }
        };
        (0..12).flat_map(|n| bytes(n * 100 - 1000)).collect()
    }

    fn read(fields: &str, data: &[u8]) -> Result<Volume<Hu>, Refusal> {
        door(&file(fields, data), &Limits::default())
    }

    #[test]
    fn raw_and_gzip_in_both_orders_are_the_same_volume() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&shorts(true)).unwrap();
        let packed = packer.finish().unwrap();
        let raw = read(
            &format!("type: short\nendian: little\nencoding: raw\n{SPACE}"),
            &shorts(false),
        )
        .unwrap();
        let gzip = read(
            &format!("type: int16\nendian: big\nencoding: gzip\n{SPACE}"),
            &packed,
        )
        .unwrap();
        assert_eq!(raw, gzip);
        assert_eq!(raw.data()[11], Hu(100));
        assert_eq!(raw.centre([1, 0, 2]), Point::new([-9.5, 19.8, 34.5]));
    }

    #[test]
    fn an_orientation_is_given_by_hand_only_to_a_file_that_has_none() {
        let given = Limits {
            orientation: Some("PSL".parse().unwrap()),
            ..Limits::default()
        };
        let raw = "type: short\nendian: little\nencoding: raw\n";
        let read = |fields: &str| door(&file(&format!("{raw}{fields}"), &shorts(false)), &given);
        for (fields, sizes) in [
            ("spacings: 0.5 0.6 2\n", [0.5, 0.6, 2.0]),
            (
                "space dimension: 3\nspace directions: (0,0.5,0) (0.6,0,0) (0,0,2)\n",
                [0.5, 0.6, 2.0],
            ),
        ] {
            let map = read(fields).unwrap().to_lps();
            let columns = [0, 1, 2].map(|a| map.column(a).0);
            let [a, b, c] = sizes;
            assert_eq!(columns, [[0.0, a, 0.0], [0.0, 0.0, b], [c, 0.0, 0.0]]);
        }
        assert!(matches!(read(SPACE), Err(Refusal::OrientationSaid { .. })));
        for fields in [
            "",
            "spacings: 0.5 0.6\n",
            "spacings: 0.5 nan 0.6 0\n",
            "spacings: a b c\n",
        ] {
            assert!(
                matches!(read(fields), Err(Refusal::Format { .. })),
                "{fields}"
            );
        }
    }

    #[test]
    fn ras_and_las_become_lps() {
        for (space, x, y) in [
            ("RAS", 10.0, -20.0),
            ("left-anterior-superior", -10.0, -20.0),
        ] {
            let fields = SPACE.replace("left-posterior-superior", space);
            let volume = read(
                &format!("type: short\nendian: little\nencoding: raw\n{fields}"),
                &shorts(false),
            )
            .unwrap();
            assert_eq!(
                volume.centre([0, 0, 0]),
                Point::new([x, y, 30.5]),
                "{space}"
            );
        }
    }

    #[test]
    fn what_is_not_read_is_named() {
        let raw = "type: short\nendian: little\nencoding: raw\n";
        for (fields, word) in [
            (raw.to_owned(), "orientation"),
            (format!("{raw}space: scanner-xyz\n"), "orientation"),
            (
                format!("{}{SPACE}", raw.replace("endian: little\n", "")),
                "endian",
            ),
            (format!("{}{SPACE}", raw.replace("raw", "bzip2")), "bzip2"),
            (format!("{}{SPACE}", raw.replace("short", "block")), "block"),
            (
                format!("{raw}{SPACE}data file: ../../etc/passwd\n"),
                "same folder",
            ),
            (
                format!("{raw}{SPACE}data file: x%03d.raw 1 9 1\n"),
                "same folder",
            ),
            (format!("{raw}{SPACE}byte skip: 1\n"), "ends after"),
        ] {
            let refusal = read(&fields, &shorts(false)).unwrap_err().to_string();
            assert!(refusal.contains(word), "{fields}: {refusal}");
        }
    }

    #[test]
    fn a_data_file_beside_the_header_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let fields = format!(
            "type: short\nendian: little\nencoding: raw\n{SPACE}byte skip: -1\ndata file: v.raw\n"
        );
        std::fs::write(dir.path().join("v.nhdr"), file(&fields, b"")).unwrap();
        let mut data = b"some header of another program".to_vec();
        data.extend(shorts(false));
        std::fs::write(dir.path().join("v.raw"), data).unwrap();
        let volume = read_hu(&dir.path().join("v.nhdr"), &Limits::default()).unwrap();
        assert_eq!(volume.data()[0], Hu(-1000));
    }

    proptest! {
        #[test]
        fn damaged_bytes_give_a_volume_or_a_refusal(
            edits in prop::collection::vec((0usize..400, any::<u8>()), 1..6),
            cut in 0usize..400,
        ) {
            let mut bytes = file(&format!("type: short\nendian: little\nencoding: raw\n{SPACE}"), &shorts(false));
            let n = bytes.len();
            for (at, value) in edits {
                bytes[at % n] = value;
            }
            bytes.truncate(n - cut / 8);
            let _ = door(&bytes, &Limits { voxels: 1 << 20, ..Limits::default() });
        }
    }
}
