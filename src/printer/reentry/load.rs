//! Load: a released re-entry becomes a program, if it is the very one that the journal asks for.

use super::super::journal::JOURNAL;
use super::super::program::{FILE_BYTES_MAX, Program, hex};
use super::super::wire::PrinterName;
use super::story::Story;
use super::{NoOffer, Offer, offer};
use crate::gcode::{Header, Plan, Printer, check_from_layer, reentry};
use crate::status::Finding;
use sha2::{Digest, Sha256};
use std::path::Path;

/// What must be true of the printer before the first line of a re-entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The layer it begins with.
    pub layer: u32,
    /// How high the printer says that its nozzle stands, mm.
    pub says_z_mm: f64,
    /// The printer that has the part on its bed.
    pub printer: Option<PrinterName>,
}

fn refuse(name: &str, text: impl Into<String>) -> Finding {
    Finding::refuse(name, text)
}

fn read(path: &Path) -> Result<Vec<u8>, Finding> {
    let unreadable = |text: String| {
        refuse(
            "gcode_unreadable",
            format!("The G-code can not be read: {text}. Nothing was printed."),
        )
    };
    let size = std::fs::metadata(path).map_err(|e| unreadable(e.to_string()))?;
    if size.len() > FILE_BYTES_MAX {
        return Err(unreadable("it is too large".into()));
    }
    std::fs::read(path).map_err(|e| unreadable(e.to_string()))
}

/// SHA-256, lower-case hex.
pub fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Says where the last print of the journal below `data` can go on, and with which programs: one for each height in
/// [`Offer::heights_mm`]. `released`: the text of the file that was printed.
///
/// # Errors
/// The reason in words for a person.
pub fn look(
    data: &Path,
    released: &str,
    printer: &Printer,
    now_s: f64,
) -> Result<(Offer, Vec<String>), String> {
    let journal = std::fs::read(data.join(JOURNAL)).unwrap_or_default();
    let program = Program::read(released.as_bytes(), printer).map_err(|f| f.text)?;
    let journal = String::from_utf8_lossy(&journal);
    let found = offer(&journal, &program, now_s).map_err(|no| no.to_string())?;
    let texts = programs(&found, released, printer)?;
    Ok((found, texts))
}

/// The program of each height of an offer, proved.
pub(super) fn programs(
    found: &Offer,
    released: &str,
    printer: &Printer,
) -> Result<Vec<String>, String> {
    let sha256 = hash(released.as_bytes());
    if found.sha256 != sha256 {
        return Err(NoOffer::OtherFile.to_string());
    }
    let made = found.heights_mm.iter().map(|&head_z_mm| {
        let plan = Plan {
            layer: found.layer as usize,
            head_z_mm,
        };
        let text = reentry(released, &sha256, printer, plan).map_err(|e| e.to_string())?;
        check_from_layer(text.as_bytes(), printer, plan.layer)
            .map_err(|v| v.first().map_or_else(String::new, ToString::to_string))?;
        Ok(text)
    });
    made.collect()
}

/// Reads, hashes and proves a re-entry that a person released, and prepares it: it must be byte for byte one of
/// those that [`look`] makes of the journal and of the released file now.
///
/// # Errors
/// A [`Finding`] of severity refuse, with the reason.
pub fn load(
    (path, sha256): (&Path, &str),
    released: &Path,
    data: &Path,
    printer: &Printer,
    now_s: f64,
) -> Result<Program, Finding> {
    let (bytes, released) = (read(path)?, read(released)?);
    if !hash(&bytes).eq_ignore_ascii_case(sha256) {
        return Err(refuse(
            "gcode_changed",
            "The G-code is not the file that was released. Nothing was printed.",
        ));
    }
    let text = std::str::from_utf8(&bytes).ok();
    let header = text.and_then(|text| Header::read(text.lines().nth(1)?));
    let (Some(text), Some(header)) = (text, header) else {
        return Err(refuse(
            "re_entry_refused",
            "The file does not say that it is a re-entry. Nothing was printed.",
        ));
    };
    let no = |why: String| {
        refuse(
            "re_entry_refused",
            format!("The print can not be gone on with: {why} Nothing was printed."),
        )
    };
    let released = String::from_utf8(released).map_err(|e| no(e.to_string()))?;
    if hash(released.as_bytes()) != header.sha256 {
        return Err(no(NoOffer::OtherFile.to_string()));
    }
    let (found, wanted) = look(data, &released, printer, now_s).map_err(no)?;
    if !wanted.iter().any(|wanted| wanted == text) {
        return Err(no(
            "what is known of the cut print has changed since it was released. Look again and release it anew.".into(),
        ));
    }
    prepare(text, &found, printer)
}

/// Lines and layers as the released file counts them.
pub(super) fn prepare(text: &str, found: &Offer, printer: &Printer) -> Result<Program, Finding> {
    let mut program = Program::prepare(text, printer)?;
    for line in program.lines.iter_mut().filter(|line| line.layer > 0) {
        line.layer += found.layer - 1;
    }
    program.layers += found.layer - 1;
    program.entry = Some(Entry {
        layer: found.layer,
        says_z_mm: found.says_z_mm,
        printer: found.printer.clone(),
    });
    Ok(program)
}

/// Is the last print of the journal below `data` one of this case and file, and cut off?
pub fn is_of(data: &Path, job: &str, sha256: &str) -> bool {
    let journal = std::fs::read(data.join(JOURNAL)).unwrap_or_default();
    let story = Story::read(&String::from_utf8_lossy(&journal));
    story.is_some_and(|s| s.is_cut() && s.job == job && s.sha256 == sha256)
}
