//! Seeds: sound inputs of each door, small, made here. Where the shared data lie beside the clone, small files of theirs too.

use calvaria::gcode;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use std::io::Write;
use std::path::PathBuf;

/// Files of the shared data up to so many bytes.
const BYTES_MAX: u64 = 40_000;

fn shared(folders: &[&str]) -> Vec<Vec<u8>> {
    let root = std::env::var_os("CALVARIA_SHARED")
        .map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    let mut found = Vec::new();
    for folder in folders {
        let Ok(entries) = std::fs::read_dir(root.join("data").join(folder)) else {
            continue;
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
        paths.sort();
        let small = |path: &PathBuf| {
            std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() <= BYTES_MAX)
        };
        found.extend(
            paths
                .iter()
                .filter(|p| small(p))
                .filter_map(|p| std::fs::read(p).ok()),
        );
    }
    found
}

fn even(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    if bytes.len() % 2 == 1 {
        bytes.push(b' ');
    }
    bytes
}

fn text(group: u16, number: u16, vr: &str, value: &str) -> Vec<u8> {
    element(group, number, vr, &even(value))
}

fn element(group: u16, number: u16, vr: &str, value: &[u8]) -> Vec<u8> {
    let length = (value.len() as u16).to_le_bytes();
    [
        &group.to_le_bytes()[..],
        &number.to_le_bytes(),
        vr.as_bytes(),
        &length,
        value,
    ]
    .concat()
}

/// A slice of 16 x 16 values in this syntax; `pixels` with their head.
fn slice(syntax: &str, pixels: &[u8]) -> Vec<u8> {
    let meta = text(2, 0x10, "UI", syntax);
    let number = |group, element_number, value: u16| {
        element(group, element_number, "US", &value.to_le_bytes())
    };
    let mut sequence = vec![
        0x18, 0, 0x40, 0x93, b'S', b'Q', 0, 0, 0xff, 0xff, 0xff, 0xff,
    ];
    sequence.extend([0xfe, 0xff, 0, 0xe0, 0xff, 0xff, 0xff, 0xff]);
    sequence.extend(text(8, 0x60, "CS", "CT"));
    sequence.extend([
        0xfe, 0xff, 0x0d, 0xe0, 0, 0, 0, 0, 0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0,
    ]);
    [
        vec![0; 128],
        b"DICM".to_vec(),
        element(2, 0, "UL", &(meta.len() as u32).to_le_bytes()),
        meta,
        text(8, 5, "CS", "ISO_IR 100"),
        text(8, 8, "CS", "ORIGINAL\\PRIMARY\\AXIAL"),
        text(8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.2\0"),
        text(8, 0x18, "UI", "1.2.3.4\0"),
        text(8, 0x60, "CS", "CT"),
        text(0x10, 0x10, "PN", "A^B"),
        text(0x10, 0x20, "LO", "1"),
        sequence,
        text(0x20, 0x0d, "UI", "1.2.3\0"),
        text(0x20, 0x0e, "UI", "1.2.3.9\0"),
        text(0x20, 0x13, "IS", "1"),
        text(0x20, 0x32, "DS", "-8\\-8\\0"),
        text(0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0"),
        number(0x28, 2, 1),
        text(0x28, 4, "CS", "MONOCHROME2"),
        number(0x28, 0x10, 16),
        number(0x28, 0x11, 16),
        text(0x28, 0x30, "DS", "1\\1"),
        number(0x28, 0x100, 16),
        number(0x28, 0x101, 16),
        number(0x28, 0x102, 15),
        number(0x28, 0x103, 1),
        text(0x28, 0x1052, "DS", "-1024"),
        text(0x28, 0x1053, "DS", "1"),
        pixels.to_vec(),
    ]
    .concat()
}

fn values() -> Vec<u16> {
    (0..256_u16).map(|n| (n * 37) % 900).collect()
}

fn fragments(stream: &[u8]) -> Vec<u8> {
    let mut bytes = vec![
        0xe0, 0x7f, 0x10, 0, b'O', b'B', 0, 0, 0xff, 0xff, 0xff, 0xff,
    ];
    bytes.extend([0xfe, 0xff, 0, 0xe0, 0, 0, 0, 0, 0xfe, 0xff, 0, 0xe0]);
    bytes.extend((stream.len() as u32).to_le_bytes());
    bytes.extend(stream);
    bytes.extend([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]);
    bytes
}

/// Run lengths: upper bytes, then lower ones, as literal runs.
fn rle() -> Vec<u8> {
    let plane = |shift: u16| {
        let bytes: Vec<u8> = values().iter().map(|v| (v >> shift) as u8).collect();
        bytes
            .chunks(128)
            .flat_map(|run| [&[127][..], run].concat())
            .collect::<Vec<u8>>()
    };
    let (upper, lower) = (plane(8), plane(0));
    let mut stream = 2_u32.to_le_bytes().to_vec();
    stream.extend(64_u32.to_le_bytes());
    stream.extend((64 + upper.len() as u32).to_le_bytes());
    stream.resize(64, 0);
    [stream, upper, lower].concat()
}

pub(crate) fn dicom() -> Vec<Vec<u8>> {
    let raw: Vec<u8> = values().iter().flat_map(|v| v.to_le_bytes()).collect();
    let mut plain = vec![0xe0, 0x7f, 0x10, 0, b'O', b'W', 0, 0, 0, 2, 0, 0];
    plain.extend(&raw);
    let mut ls = Vec::new();
    jpegls::encode(&values(), 16, 16, &mut ls).unwrap();
    let mut seeds = vec![
        slice("1.2.840.10008.1.2.1", &plain),
        slice("1.2.840.10008.1.2.1.98", &fragments(&raw)),
        slice("1.2.840.10008.1.2.5", &fragments(&rle())),
        slice("1.2.840.10008.1.2.4.80", &fragments(&ls)),
    ];
    seeds.extend(shared(&[
        "dicom_mixed_syntaxes",
        "dicom_htj2k",
        "dicom_corrupt",
        "dicom_enhanced",
        "dicom_syntaxes",
    ]));
    seeds
}

/// The same without preamble and meta group.
pub(crate) fn data_sets() -> Vec<Vec<u8>> {
    let data = |file: &Vec<u8>| {
        let length = file.get(140..144)?.first_chunk::<4>().copied()?;
        let at = 144 + u32::from_le_bytes(length) as usize;
        file.get(at..).map(<[u8]>::to_vec)
    };
    dicom().iter().filter_map(data).collect()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

pub(crate) fn nifti() -> Vec<Vec<u8>> {
    let mut head = vec![0_u8; 352];
    let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &348_i32.to_le_bytes());
    for (n, dim) in [3_i16, 8, 8, 4, 1, 1, 1, 1].iter().enumerate() {
        put(40 + 2 * n, &dim.to_le_bytes());
    }
    put(70, &4_i16.to_le_bytes());
    put(72, &16_i16.to_le_bytes());
    for (n, mm) in [1_f32, 1.0, 1.0, 2.0].iter().enumerate() {
        put(76 + 4 * n, &mm.to_le_bytes());
    }
    put(108, &352_f32.to_le_bytes());
    put(112, &1_f32.to_le_bytes());
    put(123, &[2]);
    put(254, &1_i16.to_le_bytes());
    for (row, at) in [280, 296, 312].iter().enumerate() {
        put(at + 4 * row, &[1_f32, 1.0, 2.0][row].to_le_bytes());
    }
    put(344, b"n+1\0");
    let data: Vec<u8> = values().iter().flat_map(|v| v.to_le_bytes()).collect();
    let whole = [head, data].concat();
    vec![gzipped(&whole), whole]
}

pub(crate) fn nrrd() -> Vec<Vec<u8>> {
    let data: Vec<u8> = values().iter().flat_map(|v| v.to_le_bytes()).collect();
    let head = |encoding: &str| {
        format!(
            "NRRD0004\n# a comment\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 8 8 4\nspace directions: (1,0,0) (0,1,0) (0,0,2)\nkinds: domain domain domain\nendian: little\nencoding: {encoding}\nspace origin: (0,0,0)\n\n"
        )
    };
    vec![
        [head("raw").into_bytes(), data.clone()].concat(),
        [head("gzip").into_bytes(), gzipped(&data)].concat(),
        [
            head("raw")
                .replace("8 8 4", "1 8 8 4")
                .replace("dimension: 3", "dimension: 4")
                .replace("(1,0,0) ", "none (1,0,0) ")
                .into_bytes(),
            data,
        ]
        .concat(),
    ]
}

pub(crate) fn metaimage() -> Vec<Vec<u8>> {
    let data: Vec<u8> = values().iter().flat_map(|v| v.to_le_bytes()).collect();
    let head = |packed: &str| {
        format!(
            "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = {packed}\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\nElementSpacing = 1 1 2\nDimSize = 8 8 4\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
        )
    };
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(&data).unwrap();
    let packed = zlib.finish().unwrap();
    vec![
        [head("False").into_bytes(), data].concat(),
        [head("True").into_bytes(), packed].concat(),
    ]
}

pub(crate) fn archives() -> Vec<Vec<u8>> {
    let inside = nrrd().swap_remove(1);
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("head/a.nrrd", options).unwrap();
    zip.write_all(&inside).unwrap();
    zip.start_file("readme.txt", options).unwrap();
    zip.write_all(b"a note").unwrap();
    let zip = zip.finish().unwrap().into_inner();
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(inside.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append_data(&mut header, "head/a.nrrd", &inside[..])
        .unwrap();
    let tar = tar.into_inner().unwrap();
    vec![zip, gzipped(&tar), tar, gzipped(&inside)]
}

/// A request for an association, and a message behind it.
pub(crate) fn pdus() -> Vec<Vec<u8>> {
    let item = |kind: u8, body: &[u8]| {
        let length = (body.len() as u16).to_be_bytes();
        [&[kind, 0][..], &length, body].concat()
    };
    let context = [
        &[1, 0, 0, 0][..],
        &item(0x30, b"1.2.840.10008.5.1.4.1.1.2"),
        &item(0x40, b"1.2.840.10008.1.2.1"),
    ]
    .concat();
    let identity = [&[1, 0, 0, 3][..], b"abc", &[0, 0]].concat();
    let extended = [&[0, 17][..], b"1.2.840.10008.1.1", &[1, 0]].concat();
    let user = [
        item(0x51, &[0, 0, 0x40, 0]),
        item(0x52, b"1.2.3"),
        item(0x54, &[&[0, 5][..], b"1.2.3", &[1, 0]].concat()),
        item(0x55, b"NAME"),
        item(0x56, &extended),
        item(0x58, &identity),
    ]
    .concat();
    let body = [
        &[0, 1, 0, 0][..],
        b"CALVARIA        ",
        b"PACS            ",
        &[0; 32],
        &item(0x10, b"1.2.840.10008.3.1.1.1"),
        &item(0x20, &context),
        &item(0x50, &user),
    ]
    .concat();
    let pdu = |kind: u8, body: &[u8]| {
        let length = (body.len() as u32).to_be_bytes();
        [&[kind, 0][..], &length, body].concat()
    };
    let command_element = |number: u16, value: &[u8]| {
        let length = (value.len() as u32).to_le_bytes();
        [&[0, 0][..], &number.to_le_bytes(), &length, value].concat()
    };
    let command = [
        command_element(0, &[76, 0, 0, 0]),
        command_element(2, b"1.2.840.10008.5.1.4.1.1.2\0"),
        command_element(0x100, &[1, 0]),
        command_element(0x110, &[1, 0]),
        command_element(0x700, &[0, 0]),
        command_element(0x800, &[0, 0]),
        command_element(0x1000, b"1.2.3\0"),
    ]
    .concat();
    let piece = |control: u8, bytes: &[u8]| {
        let length = (bytes.len() as u32 + 2).to_be_bytes();
        [&length[..], &[1, control], bytes].concat()
    };
    let data = pdu(4, &[piece(3, &command), piece(2, b"data")].concat());
    vec![pdu(1, &body), data, pdu(5, &[0; 4]), pdu(7, &[0; 4])]
}

pub(crate) fn gcode() -> Vec<Vec<u8>> {
    let file = format!(
        "{} test\n; layer 0\nM140 S60\nM104 S200\nG28\nM190 S60\nM109 S200\nG90\nM83\nG92 E0\nG1 Z0.2 F600\nG1 X20 Y20 F6000\nG1 X40 E0.8 F1200\nG1 E-1 F1800\nG0 X10 Y10\nM106 S128\nM107\nM104 S0\nM140 S0\nM84\n",
        gcode::MAKER
    );
    let seal = gcode::seal(&file);
    vec![(file.clone() + &seal).into_bytes(), file.into_bytes()]
}

pub(crate) fn replies() -> Vec<Vec<u8>> {
    [
        "start\necho:Marlin 2.1.2\nok\nok T:200.0 /200.0 B:60.0 /60.0 @:1 B@:2\nX:1.00 Y:2.00 Z:3.00 E:4.00 Count X:1 Y:2 Z:3\nok\n",
        "Error:Line Number is not Last Line Number+1, Last Line: 7\nResend: 8\nok\n",
        "FIRMWARE_NAME:Prusa-Firmware 3.14 based on Marlin FIRMWARE_URL:x PROTOCOL_VERSION:1.0 MACHINE_TYPE:MK3S UUID:0-1\nCap:AUTOREPORT_TEMP:1\nok\n",
        "!! Heater hotend not heating at expected rate\n// Klipper state: Shutdown\nok B:60.0 /60.0 T0:200.0 /200.0\n//action:pause\n",
        "ok 12\nT:25.34 /200 B:24.91 /60 B@:255 @:255\nskip 3\nResend:4\r\nok\r\nwait\n",
        "Warning: M205: Command is not supported\nError: Bad command: G1X\necho:busy: processing\nechoUnknown command: \"X1\"\n",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect()
}
