//! The files of a drop: walked, sniffed, hashed. Bounded, never through a link, never a device.
//!
//! Holds: the order is that of the names' bytes, so the same drop gives the same [`FileRef`]s everywhere.

use super::limits::Limits;
use super::metaimage;
use super::refusal::Refusal;
use super::study::FileRef;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No byte at all.
    Empty,
    /// DICOM with preamble, or something that starts like a bare data set.
    Dicom,
    /// A zip archive.
    Zip,
    /// A tar archive.
    Tar,
    /// Gzip; what is inside shows only after unpacking.
    Gzip,
    /// NIfTI header, of version 1 or 2.
    Nifti,
    /// NRRD header.
    Nrrd,
    /// MetaImage header.
    MetaImage,
    /// A document, a picture, a program: what lies beside a scan on a CD.
    Beside,
    /// None of these.
    Unknown,
}

/// Bytes that [`sniff`] wants to see.
pub(crate) const SNIFF_BYTES: usize = 352;

/// What these first bytes belong to.
pub(crate) fn sniff(head: &[u8]) -> Kind {
    let i32_at_0 = head.first_chunk::<4>().map(|b| i32::from_le_bytes(*b));
    if head.is_empty() {
        Kind::Empty
    } else if head.get(128..132) == Some(b"DICM") || head.starts_with(b"DICM") {
        Kind::Dicom
    } else if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        Kind::Zip
    } else if head.starts_with(&[0x1f, 0x8b]) {
        Kind::Gzip
    } else if head.starts_with(b"NRRD0") {
        Kind::Nrrd
    } else if i32_at_0
        .is_some_and(|n| [348, 540].contains(&n) || [348, 540].contains(&n.swap_bytes()))
    {
        Kind::Nifti
    } else if metaimage::begins(head) {
        Kind::MetaImage
    } else if head.get(257..262) == Some(b"ustar") {
        Kind::Tar
    } else if looks_like_a_bare_data_set(head) {
        Kind::Dicom
    } else if lies_beside(head) {
        Kind::Beside
    } else {
        Kind::Unknown
    }
}

/// First bytes of what is no scan: PDF, PNG, JPEG, GIF, BMP, icons, Windows and Linux programs, Java classes, old Office
/// files, RTF, RIFF (sound, video), macOS's resource forks, 7z, cabinets; and text.
fn lies_beside(head: &[u8]) -> bool {
    const MARKS: [&[u8]; 17] = [
        b"%PDF",
        b"\x89PNG",
        b"\xff\xd8\xff",
        b"GIF8",
        b"BM",
        b"\0\0\x01\0",
        b"MZ",
        b"\x7fELF",
        b"\xca\xfe\xba\xbe",
        b"\xd0\xcf\x11\xe0",
        b"{\\rtf",
        b"RIFF",
        b"\0\x05\x16\x07",
        b"7z\xbc\xaf",
        b"MSCF",
        b"\xff\xfe",
        b"\xfe\xff",
    ];
    // Letters of a word may be cut at the end of what is looked at.
    let text = || {
        let valid = match std::str::from_utf8(head) {
            Ok(text) => text,
            Err(e) if e.error_len().is_none() => {
                std::str::from_utf8(&head[..e.valid_up_to()]).unwrap_or_default()
            }
            Err(_) => return false,
        };
        let shown = |c: char| !c.is_control() || c.is_whitespace();
        !valid.is_empty() && valid.chars().all(shown)
    };
    MARKS.iter().any(|mark| head.starts_with(mark)) || text()
}

/// Old archives export data sets without preamble: group 0002 or 0008, little endian, and either a VR or a
/// plausible length. `dicom-object` refuses these files; our own reader does not.
fn looks_like_a_bare_data_set(head: &[u8]) -> bool {
    let Some(&[g0, g1, _, e1, v0, v1, l0, l1]) = head.first_chunk::<8>() else {
        return false;
    };
    let group = u16::from_le_bytes([g0, g1]);
    let explicit = v0.is_ascii_uppercase() && v1.is_ascii_uppercase();
    let implicit = u32::from_le_bytes([v0, v1, l0, l1]) < 4096;
    (group == 2 || group == 8) && e1 == 0 && (explicit || implicit)
}

/// One file of a drop.
#[derive(Clone, Debug)]
pub(crate) struct DropFile {
    pub(crate) file: FileRef,
    pub(crate) path: PathBuf,
    /// Its own name, without folders. Never shown; a NRRD header may name it.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// The piece of the drop that it came with, from 0 in the order in which they came.
    pub(crate) piece: usize,
}

/// Name under which the station keeps piece `n` of a drop, before its ending; 0 is what an earlier case had.
pub fn piece_name(n: u32) -> String {
    match n {
        1 => "input".into(),
        n => format!("input-{n}"),
    }
}

/// The number of a piece by its name; `None` for a name that [`piece_name`] does not make.
pub fn piece_number(name: &str) -> Option<u32> {
    let rest = name.strip_prefix("input")?;
    let stem = rest.split('.').next().unwrap_or_default();
    match stem.strip_prefix('-') {
        None if stem.is_empty() => Some(1),
        None => None,
        Some(digits) => digits.parse().ok().filter(|&n| n != 1),
    }
}

/// The pieces of a drop in the order in which they came: a scan whose copy stalled arrives in several. What is not
/// made of pieces is one itself.
pub(crate) fn pieces(root: &Path) -> io::Result<Vec<PathBuf>> {
    let whole = || Ok(vec![root.to_path_buf()]);
    if !fs::symlink_metadata(root)?.is_dir() {
        return whole();
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(root)? {
        match piece_number(&entry?.file_name().to_string_lossy()) {
            Some(n) if found.len() < PIECES_MAX => found.push(n),
            _ => return whole(),
        }
    }
    if found.len() < 2 {
        return whole();
    }
    let mut named = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        named.push((
            piece_number(&entry.file_name().to_string_lossy()),
            entry.path(),
        ));
    }
    named.sort();
    Ok(named.into_iter().map(|(_, path)| path).collect())
}

/// Pieces that one scan may come in.
pub const PIECES_MAX: usize = 64;

/// Names that copying programs use until a file is complete.
pub(crate) fn is_unfinished(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    [".part", ".tmp", ".partial", ".crdownload", ".filepart"]
        .iter()
        .any(|end| lower.ends_with(end))
}

/// Names of file managers' own files, and hidden ones.
pub(crate) fn is_foreign(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let litter = ["thumbs.db", "desktop.ini", "__macosx"];
    (lower.len() > 1 && lower.starts_with('.')) || litter.contains(&lower.as_str())
}

/// All regular files under `root` (or `root` itself), ordered by name. Links, sockets, FIFOs and devices are passed
/// over: opening a FIFO would block, and a link may lead out of the drop.
///
/// # Errors
/// [`Refusal::TooMuch`] at the first bound that is passed; [`Refusal::Open`] when `root` can not be listed.
pub(crate) fn scan(root: &Path, limits: &Limits) -> Result<Vec<DropFile>, Refusal> {
    let mut found = Vec::new();
    let meta = fs::metadata(root).map_err(Refusal::Open)?;
    if meta.is_file() {
        found.push((root.to_path_buf(), meta.len()));
    } else {
        walk(root, 0, limits, &mut found).map_err(|e| match e {
            Stop::Io(e) => Refusal::Open(e),
            Stop::Limit(refusal) => *refusal,
        })?;
    }
    let mut total = 0;
    for (_, bytes) in &found {
        bound("bytes in one file", *bytes, limits.file_bytes)?;
        total += bytes;
        bound("bytes in one drop", total, limits.total_bytes)?;
    }
    let numbered = (1..).zip(found).map(|(n, (path, bytes))| DropFile {
        file: FileRef(n),
        name: (path.file_name().unwrap_or_default())
            .to_string_lossy()
            .into_owned(),
        path,
        bytes,
        piece: 0,
    });
    Ok(numbered.collect())
}

enum Stop {
    Io(io::Error),
    Limit(Box<Refusal>),
}

fn walk(
    dir: &Path,
    depth: usize,
    limits: &Limits,
    found: &mut Vec<(PathBuf, u64)>,
) -> Result<(), Stop> {
    let over = |what, n: usize, limit: usize| {
        Stop::Limit(Box::new(Refusal::TooMuch {
            what,
            found: n as u64,
            limit: limit as u64,
        }))
    };
    if depth > limits.depth {
        return Err(over("folders within folders", depth, limits.depth));
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir).map_err(Stop::Io)? {
        entries.push(entry.map_err(Stop::Io)?);
        if entries.len() + found.len() > limits.files {
            return Err(over("files in one drop", limits.files + 1, limits.files));
        }
    }
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        // `DirEntry::metadata` does not follow links.
        let meta = entry.metadata().map_err(Stop::Io)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if is_unfinished(&name) || is_foreign(&name) {
            continue;
        }
        if meta.is_dir() {
            walk(&entry.path(), depth + 1, limits, found)?;
        } else if meta.is_file() {
            found.push((entry.path(), meta.len()));
        }
    }
    Ok(())
}

pub(crate) fn bound(what: &'static str, found: u64, limit: u64) -> Result<(), Refusal> {
    if found > limit {
        return Err(Refusal::TooMuch { what, found, limit });
    }
    Ok(())
}

/// The first bytes of a file, for [`sniff`].
pub(crate) fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(SNIFF_BYTES);
    File::open(path)?
        .take(SNIFF_BYTES as u64)
        .read_to_end(&mut head)?;
    Ok(head)
}

/// A whole file, at most `limit` bytes of it: one that grows while it is read does not take the memory.
pub(crate) fn read_all(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len().min(limit);
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// SHA-256 in lower-case hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file, read in pieces.
pub(crate) fn sha256_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex(&hasher.finalize())),
            n => hasher.update(&piece[..n]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_fifos_and_unfinished_files_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("b.dcm"), b"x").unwrap();
        fs::write(path("a"), b"yy").unwrap();
        fs::write(path("c.dcm.part"), b"z").unwrap();
        fs::write(path(".DS_Store"), b"z").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", path("link.dcm")).unwrap();
        let fifo = std::process::Command::new("mkfifo")
            .arg(path("fifo"))
            .status();
        let files = scan(dir.path(), &Limits::default()).unwrap();
        let sizes: Vec<_> = files.iter().map(|f| (f.file.0, f.bytes)).collect();
        assert_eq!(sizes, [(1, 2), (2, 1)], "fifo made: {fifo:?}");
    }

    #[test]
    fn too_many_files_and_too_deep_folders_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..5 {
            fs::write(dir.path().join(n.to_string()), b"x").unwrap();
        }
        let few = Limits {
            files: 4,
            ..Limits::default()
        };
        assert_eq!(scan(dir.path(), &few).unwrap_err().code(), "too_much");
        fs::create_dir_all(dir.path().join("a/b/c")).unwrap();
        let flat = Limits {
            depth: 2,
            ..Limits::default()
        };
        assert_eq!(scan(dir.path(), &flat).unwrap_err().code(), "too_much");
        assert_eq!(scan(dir.path(), &Limits::default()).unwrap().len(), 5);
    }

    #[test]
    fn the_content_says_what_a_file_is() {
        let mut dicom = [0; 132];
        dicom[128..].copy_from_slice(b"DICM");
        for (bytes, kind) in [
            (&dicom[..], Kind::Dicom),
            (b"", Kind::Empty),
            (b"PK\x03\x04....", Kind::Zip),
            (&[0x1f, 0x8b, 8], Kind::Gzip),
            (&[0x5c, 1, 0, 0], Kind::Nifti),
            (&[0, 0, 1, 0x5c], Kind::Nifti),
            (b"NRRD0004\n", Kind::Nrrd),
            (b"ObjectType = Image\n", Kind::MetaImage),
            (&[8, 0, 5, 0, b'C', b'S', 10, 0], Kind::Dicom),
            (b"hello, world", Kind::Beside),
            (b"%PDF-1.4", Kind::Beside),
            (b"MZ\x90\0", Kind::Beside),
            (&[0, 1, 2, 3, 200, 7], Kind::Unknown),
        ] {
            assert_eq!(sniff(bytes), kind, "{bytes:?}");
        }
    }
}
