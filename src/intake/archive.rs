//! An archive (zip, tar, tar.gz), unpacked under bounds into a folder of its own that goes when the study is read.
//!
//! Holds: entries are written under numbers, never under their names, so no name leads anywhere; all the same an
//!        archive with a name that would is refused, because it was made to do harm. The last part of a name is kept
//!        for the one format whose header names a second file, and never shown.
//! Never: unpacks an archive within an archive (a CD's viewer comes as one; it is left out), or an encrypted one.

use super::files::{self, DropFile, Kind};
use super::limits::Limits;
use super::refusal::Refusal;
use super::study::FileRef;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Component, Path};
use tempfile::TempDir;
use zip::ZipArchive;
use zip::read::ZipFile;

/// The archive's files. They are deleted with the value.
pub(crate) struct Unpacked {
    pub(crate) files: Vec<DropFile>,
    folder: TempDir,
    /// Unpacked bytes so far.
    total: u64,
    /// Archives within it, left out.
    inner: usize,
}

/// Unpacked bytes that are always allowed, whatever the ratio: a few empty slices pack very well.
const RATIO_FREE_BYTES: u64 = 1 << 20;

/// Unpacks the archive at `path`, which is of this kind; `None` for a kind that is no archive, or a gzip that holds
/// something else than a tar.
///
/// # Errors
/// [`Refusal::Archive`], [`Refusal::TooMuch`].
pub(crate) fn unpack(
    path: &Path,
    kind: Kind,
    limits: &Limits,
) -> Result<Option<Unpacked>, Refusal> {
    let file = File::open(path).map_err(Refusal::Open)?;
    let bytes = file.metadata().map_err(Refusal::Open)?.len();
    let file = BufReader::new(file);
    let unpacked = match kind {
        Kind::Zip => of_zip(file, limits)?,
        Kind::Tar => of_tar(file, limits)?,
        Kind::Gzip if holds_a_tar(path) => {
            let most = bytes.saturating_mul(limits.ratio).max(RATIO_FREE_BYTES);
            let most = most.min(limits.total_bytes);
            of_tar(MultiGzDecoder::new(file).take(most), limits)?
        }
        _ => return Ok(None),
    };
    if unpacked.files.is_empty() && unpacked.inner > 0 {
        return Err(Refusal::Archive(
            "there is nothing in it but another archive".into(),
        ));
    }
    Ok(Some(unpacked))
}

/// Whether a gzip begins with a tar's first entry.
pub(crate) fn holds_a_tar(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| {
        let unpacked = MultiGzDecoder::new(BufReader::new(file));
        unpacked
            .take(files::SNIFF_BYTES as u64)
            .read_to_end(&mut head)
    });
    read.is_ok() && files::sniff(&head) == Kind::Tar
}

fn of_zip(file: BufReader<File>, limits: &Limits) -> Result<Unpacked, Refusal> {
    let mut archive = ZipArchive::new(file).map_err(|e| refused(&e))?;
    files::bound(
        "files in one drop",
        archive.len() as u64,
        limits.files as u64,
    )?;
    // Names first: nothing of an archive that was made to do harm is written.
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|e| refused(&e))?;
        check(&entry, index)?;
    }
    let mut unpacked = Unpacked::new()?;
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|e| refused(&e))?;
        if entry.is_dir() || entry.size() == 0 {
            continue;
        }
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        let packed = entry.compressed_size();
        unpacked.take(entry, &name, Some(packed), limits)?;
    }
    Ok(unpacked)
}

fn of_tar(from: impl Read, limits: &Limits) -> Result<Unpacked, Refusal> {
    let mut archive = tar::Archive::new(from);
    let mut unpacked = Unpacked::new()?;
    for (index, entry) in archive.entries().map_err(|e| refused(&e))?.enumerate() {
        files::bound("files in one drop", index as u64, limits.files as u64)?;
        let entry = entry.map_err(|e| refused(&e))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        inside(&name, index + 1)?;
        // Links and devices are passed over, as in a folder.
        if entry.header().entry_type().is_file() && entry.size() > 0 {
            unpacked.take(entry, &name, None, limits)?;
        }
    }
    Ok(unpacked)
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
    inside(&String::from_utf8_lossy(entry.name_raw()), number)?;
    if entry.encrypted() {
        return Err(Refusal::Archive(format!("entry {number} is encrypted")));
    }
    if entry.is_symlink() {
        return Err(Refusal::Archive(format!("entry {number} is a link")));
    }
    Ok(())
}

/// Refuses a name that leads out of the archive.
fn inside(raw: &str, number: usize) -> Result<(), Refusal> {
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
    Ok(())
}

impl Unpacked {
    fn new() -> Result<Self, Refusal> {
        Ok(Self {
            files: Vec::new(),
            folder: tempfile::tempdir().map_err(Refusal::Open)?,
            total: 0,
            inner: 0,
        })
    }

    /// Writes one entry, counting what really comes out: sizes in the archive's directory may lie. What a folder's
    /// scan passes over is passed over here too.
    fn take(
        &mut self,
        mut entry: impl Read,
        name: &str,
        packed: Option<u64>,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        if name.split(['/', '\\']).any(files::is_foreign) {
            return Ok(());
        }
        let number = self.files.len() + 1;
        let broken = |e: &dyn std::fmt::Display| {
            Refusal::Archive(format!("entry {number} is damaged ({e})"))
        };
        let mut head = Vec::with_capacity(files::SNIFF_BYTES);
        let mut first = entry.by_ref().take(files::SNIFF_BYTES as u64);
        first.read_to_end(&mut head).map_err(|e| broken(&e))?;
        if matches!(files::sniff(&head), Kind::Zip | Kind::Tar) {
            self.inner += 1;
            return Ok(());
        }
        let path = self.folder.path().join(format!("{number:06}"));
        let mut out = File::create_new(&path).map_err(Refusal::Open)?;
        out.write_all(&head).map_err(Refusal::Open)?;
        let by_ratio = packed.map_or(u64::MAX, |packed| {
            let most = packed.max(1).saturating_mul(limits.ratio);
            most.max(RATIO_FREE_BYTES)
        });
        let left = limits.total_bytes.saturating_sub(self.total);
        let limit = by_ratio.min(limits.file_bytes).min(left);
        let rest = limit.saturating_sub(head.len() as u64) + 1;
        let copied = io::copy(&mut entry.take(rest), &mut out).map_err(|e| broken(&e))?;
        let bytes = head.len() as u64 + copied;
        files::bound("bytes in one file", bytes, limits.file_bytes)?;
        self.total += bytes;
        files::bound("bytes in one drop", self.total, limits.total_bytes)?;
        if bytes > by_ratio {
            return Err(Refusal::Archive(format!(
                "entry {number} unpacks to more than {} times its size",
                limits.ratio
            )));
        }
        self.files.push(DropFile {
            file: FileRef(u32::try_from(number).unwrap_or(u32::MAX)),
            path,
            name: leaf(name),
            bytes,
            piece: 0,
        });
        Ok(())
    }
}

/// The last part of a path in an archive.
fn leaf(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next();
    last.unwrap_or_default().to_owned()
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
        let unpacked = unpack(&path, Kind::Zip, &Limits::default());
        unpacked.err().unwrap().to_string()
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
        assert!(refusal(&[("inner", &inner)]).contains("another archive"));
        // Beside other files it is somebody's viewer.
        let (_dir, path) = archive(&[("viewer.jar", &inner), ("a", b"12")]);
        let unpacked = unpack(&path, Kind::Zip, &Limits::default()).unwrap();
        assert_eq!(unpacked.unwrap().files.len(), 1);
    }

    fn tarred(entries: &[(&str, &[u8])], packed: bool) -> (TempDir, std::path::PathBuf) {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in entries {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            // `set_path` refuses what an attacker writes.
            let field = &mut header.as_old_mut().name;
            field[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            tar.append(&header, *bytes).unwrap();
        }
        let mut bytes = tar.into_inner().unwrap();
        if packed {
            let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            gz.write_all(&bytes).unwrap();
            bytes = gz.finish().unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        std::fs::write(&path, bytes).unwrap();
        (dir, path)
    }

    #[test]
    fn a_tar_is_read_packed_or_not_and_its_names_lead_nowhere() {
        for (packed, kind) in [(false, Kind::Tar), (true, Kind::Gzip)] {
            let (_dir, path) = tarred(
                &[
                    ("s/1", b"12"),
                    ("s/._1", b"x"),
                    ("__MACOSX/2", b"y"),
                    ("s/2.raw", b"3"),
                ],
                packed,
            );
            assert_eq!(files::sniff(&files::head(&path).unwrap()), kind);
            let unpacked = unpack(&path, kind, &Limits::default()).unwrap().unwrap();
            let seen: Vec<_> = unpacked
                .files
                .iter()
                .map(|f| (f.name.as_str(), f.bytes))
                .collect();
            assert_eq!(seen, [("1", 2), ("2.raw", 1)]);
            let (_dir, path) = tarred(&[("../x", b"1")], packed);
            let refusal = unpack(&path, kind, &Limits::default()).err().unwrap();
            assert!(refusal.to_string().contains("leads out"), "{refusal}");
        }
        let few = Limits {
            total_bytes: 1 << 16,
            ..Limits::default()
        };
        let (_dir, path) = tarred(&[("zeros", &vec![0; 8 << 20])], true);
        assert!(unpack(&path, Kind::Gzip, &few).is_err());
    }

    #[test]
    fn the_folder_goes_with_the_value() {
        let (_dir, path) = archive(&[("a/b", b"12"), ("empty", b""), ("c", b"3")]);
        let unpacked = unpack(&path, Kind::Zip, &Limits::default());
        let unpacked = unpacked.unwrap().unwrap();
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
