//! A zip archive, unpacked under bounds into a folder of its own that goes when the study is read.
//!
//! Holds: entries are written under numbers, never under their names, so no name leads anywhere; all the same an
//!        archive with a name that would is refused, because it was made to do harm.
//! Never: unpacks an archive within an archive, or an encrypted one.

use super::files::{self, DropFile, Kind};
use super::limits::Limits;
use super::refusal::Refusal;
use super::study::FileRef;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Component, Path};
use tempfile::TempDir;
use zip::ZipArchive;
use zip::read::ZipFile;

/// The archive's files. They are deleted with the value.
pub(crate) struct Unpacked {
    pub(crate) files: Vec<DropFile>,
    _folder: TempDir,
}

/// Unpacked bytes that are always allowed, whatever the ratio: a few empty slices pack very well.
const RATIO_FREE_BYTES: u64 = 1 << 20;

/// Unpacks the archive at `path`.
///
/// # Errors
/// [`Refusal::Archive`], [`Refusal::TooMuch`].
pub(crate) fn unpack(path: &Path, limits: &Limits) -> Result<Unpacked, Refusal> {
    let file = File::open(path).map_err(Refusal::Open)?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| refused(&e))?;
    files::bound(
        "files in one drop",
        archive.len() as u64,
        limits.files as u64,
    )?;
    let folder = tempfile::tempdir().map_err(Refusal::Open)?;
    let mut unpacked = Vec::new();
    let mut total = 0;
    // Names first: nothing of an archive that was made to do harm is written.
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|e| refused(&e))?;
        check(&entry, index)?;
    }
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|e| refused(&e))?;
        if entry.is_dir() || entry.size() == 0 {
            continue;
        }
        let number = unpacked.len() + 1;
        let path = folder.path().join(format!("{number:06}"));
        let bytes = write(entry, &path, number, limits)?;
        total += bytes;
        files::bound("bytes in one drop", total, limits.total_bytes)?;
        unpacked.push(DropFile {
            file: FileRef(u32::try_from(number).unwrap_or(u32::MAX)),
            path,
            bytes,
            piece: 0,
        });
    }
    Ok(Unpacked {
        files: unpacked,
        _folder: folder,
    })
}

/// Whether the archive's own list is not there, as in one whose copy has not come to its end.
pub(crate) fn has_no_list(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| ZipArchive::new(BufReader::new(file)).is_err())
}

fn refused(why: &dyn std::fmt::Display) -> Refusal {
    Refusal::Archive(why.to_string())
}

/// Refuses names that lead out, links and encrypted entries.
fn check<R: Read + ?Sized>(entry: &ZipFile<'_, R>, index: usize) -> Result<(), Refusal> {
    let number = index + 1;
    let raw = String::from_utf8_lossy(entry.name_raw()).into_owned();
    // Backslashes are separators to the systems that make such names.
    let name = raw.replace('\\', "/");
    let drive = name.as_bytes().get(1) == Some(&b':');
    let inside = Path::new(&name)
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if drive || !inside || name.contains('\0') {
        return Err(Refusal::Archive(format!(
            "the path of entry {number} leads out of the archive"
        )));
    }
    if entry.encrypted() {
        return Err(Refusal::Archive(format!("entry {number} is encrypted")));
    }
    if entry.is_symlink() {
        return Err(Refusal::Archive(format!("entry {number} is a link")));
    }
    Ok(())
}

/// Writes one entry, counting what really comes out: sizes in the archive's directory may lie.
fn write<R: Read + ?Sized>(
    mut entry: ZipFile<'_, R>,
    path: &Path,
    number: usize,
    limits: &Limits,
) -> Result<u64, Refusal> {
    let packed = entry.compressed_size().max(1);
    let by_ratio = packed.saturating_mul(limits.ratio).max(RATIO_FREE_BYTES);
    let broken =
        |e: &dyn std::fmt::Display| Refusal::Archive(format!("entry {number} is damaged ({e})"));
    let mut head = Vec::with_capacity(files::SNIFF_BYTES);
    let mut first = entry.by_ref().take(files::SNIFF_BYTES as u64);
    first.read_to_end(&mut head).map_err(|e| broken(&e))?;
    if files::sniff(&head) == Kind::Zip {
        return Err(Refusal::Archive(format!(
            "entry {number} is an archive itself"
        )));
    }
    let mut out = File::create_new(path).map_err(Refusal::Open)?;
    out.write_all(&head).map_err(Refusal::Open)?;
    let limit = by_ratio.min(limits.file_bytes);
    let rest = limit.saturating_sub(head.len() as u64) + 1;
    let copied = io::copy(&mut entry.by_ref().take(rest), &mut out).map_err(|e| broken(&e))?;
    let bytes = head.len() as u64 + copied;
    if bytes > limits.file_bytes {
        return Err(Refusal::TooMuch {
            what: "bytes in one file",
            found: bytes,
            limit: limits.file_bytes,
        });
    }
    if bytes > by_ratio {
        return Err(Refusal::Archive(format!(
            "entry {number} unpacks to more than {} times its size",
            limits.ratio
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    fn archive(entries: &[(&str, &[u8])]) -> (TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        for (name, bytes) in entries {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
        (dir, path)
    }

    fn refusal(entries: &[(&str, &[u8])]) -> String {
        let (_dir, path) = archive(entries);
        unpack(&path, &Limits::default()).err().unwrap().to_string()
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        for name in ["../x", "a/../../x", "/etc/x", "..\\x", "C:\\x"] {
            assert!(
                refusal(&[("ok", b"1"), (name, b"1")]).contains("leads out"),
                "{name}"
            );
        }
    }

    #[test]
    fn a_bomb_and_an_archive_within_are_refused() {
        assert!(refusal(&[("zeros", &vec![0; 8 << 20])]).contains("200 times"));
        let (_dir, inner) = archive(&[("x", b"1")]);
        let inner = std::fs::read(inner).unwrap();
        assert!(refusal(&[("inner", &inner)]).contains("archive itself"));
    }

    #[test]
    fn the_folder_goes_with_the_value() {
        let (_dir, path) = archive(&[("a/b", b"12"), ("empty", b""), ("c", b"3")]);
        let unpacked = unpack(&path, &Limits::default()).unwrap();
        let sizes: Vec<u64> = unpacked.files.iter().map(|f| f.bytes).collect();
        let first = unpacked.files[0].path.clone();
        assert_eq!(
            (sizes, std::fs::read(&first).unwrap()),
            (vec![2, 1], b"12".to_vec())
        );
        drop(unpacked);
        assert!(!first.exists());
    }
}
