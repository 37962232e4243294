//! A header's data in a file of their own, beside it: `.nhdr`, `.mhd`.

use super::refusal::Refusal;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

/// A name that leads nowhere; `./` before it is somebody's habit.
pub(super) fn plain_name(name: &str) -> Option<String> {
    let name = name.strip_prefix("./").unwrap_or(name);
    let plain = !name.contains(['/', '\\', '%', '\0']) && name != ".." && !name.starts_with("LIST");
    plain.then(|| name.to_owned())
}

/// Opens the data file of a header: a plain name, which `named` finds.
///
/// # Errors
/// [`Refusal`]: it is named otherwise, or is no plain file.
pub(super) fn open(
    format: &'static str,
    named: &dyn Fn(&str) -> Option<PathBuf>,
    name: &str,
) -> Result<BufReader<File>, Refusal> {
    let refused = |why: &str| Refusal::Format {
        format,
        why: why.into(),
    };
    let path = plain_name(name).and_then(|name| named(&name)).ok_or_else(|| {
        refused("its data are in another file, which is taken only by a plain name from the same folder")
    })?;
    let meta = std::fs::symlink_metadata(&path).map_err(Refusal::Open)?;
    if !meta.is_file() {
        return Err(refused("its data file is no plain file"));
    }
    Ok(BufReader::new(File::open(path).map_err(Refusal::Open)?))
}
