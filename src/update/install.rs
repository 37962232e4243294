//! An installation, from the bundle to the slot that is written.
//!
//! In:    RAUC, a bundle, what runs now, and closures of the rooms beside: keep the station still, test this slot.
//! Out:   [`Installation`] at each step, kept in `DATA/update/state.json`; `before.json`.
//! Holds: signature, box, version, room and every block are looked at before the first byte is written. While the other
//!        slot is written nothing is printed, released or designed. The box is not restarted: a person does that.

use super::rauc::{Info, Rauc, RaucError, Status};
use super::self_test::Report;
use super::state::{BEFORE, Folder, boot_id};
use super::verity::{self, Altered};
use super::version;
use crate::status::{Installation, Step};
use std::any::Any;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Why an update is not installed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// No slots here.
    #[error(
        "this box has no slots to install into: it was not installed as an image, or RAUC is not there"
    )]
    NoImage,
    /// The file can not be read.
    #[error("{}: {source}", path.display())]
    Bundle {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// RAUC does not take it, in its words.
    #[error(transparent)]
    Rauc(#[from] RaucError),
    /// It is for other boxes.
    #[error("the bundle is for {bundle}, and this box is {own}")]
    OtherBox {
        /// As the bundle says.
        bundle: String,
        /// As this box is called.
        own: String,
    },
    /// It is older than what runs.
    #[error("the bundle's version {bundle} is older than {own}, which runs")]
    Older {
        /// Of the bundle.
        bundle: String,
        /// What runs.
        own: String,
    },
    /// Nobody can say whether it is older.
    #[error("the versions {bundle:?} of the bundle and {own:?} of this box can not be compared")]
    Version {
        /// Of the bundle.
        bundle: String,
        /// What runs.
        own: String,
    },
    /// The image is larger than the slot.
    #[error("the bundle's image has {image} MiB, and the slot has room for {slot}")]
    NoRoom {
        /// MiB.
        image: u64,
        /// MiB.
        slot: u64,
    },
    /// It is not what was signed.
    #[error(transparent)]
    Altered(#[from] Altered),
    /// Something goes on that must not be disturbed.
    #[error("{0}")]
    Busy(String),
    /// Where it stands can not be kept.
    #[error("the state of the update can not be written: {0}")]
    Keep(#[from] std::io::Error),
}

impl UpdateError {
    /// What to do.
    pub fn next(&self) -> &'static str {
        match self {
            Self::NoImage => "Update the program by hand (docs/install.md).",
            Self::Bundle { .. } => "Check the path.",
            Self::Rauc(RaucError::Said(_)) => "Get the bundle again from where it is made.",
            Self::Rauc(_) => "Look at the log of rauc.",
            Self::OtherBox { .. } => "Get the bundle for this kind of box.",
            Self::Older { .. } => "Say --allow-downgrade if it is meant.",
            Self::Version { .. } => "Say --allow-downgrade if it is known to be right.",
            Self::NoRoom { .. } => "Get another bundle; tell the maintainers.",
            Self::Altered(_) => "Copy the bundle again.",
            Self::Busy(_) => "Try again later, or say --wait.",
            Self::Keep(_) => "Free space or mend the disk.",
        }
    }

    /// Before anything was written; otherwise the installation broke off.
    fn step(&self, writing: bool) -> Step {
        if writing { Step::Failed } else { Step::Refused }
    }
}

/// Keeps the station still. It is told `Some(sentence)` while something goes on and it waits; the station may go on when
/// what it gives is dropped.
pub type Hold<'a> = dyn Fn(&mut dyn FnMut(&str)) -> Result<Box<dyn Any>, UpdateError> + 'a;

/// What is needed for an installation.
pub struct Job<'a> {
    /// RAUC.
    pub rauc: &'a Rauc,
    /// Where its state is kept.
    pub folder: &'a Folder,
    /// The file.
    pub bundle: &'a Path,
    /// An older version is meant.
    pub allow_downgrade: bool,
    /// Where the image's own check, which RAUC asks before it writes, reads that such a version is meant: the version, once.
    pub downgrade_flag: &'a Path,
    /// Version of the image that runs, where its slot does not say; empty: the program's.
    pub running: &'a str,
    /// Keeps the station still.
    pub hold: &'a Hold<'a>,
    /// Tests what runs now.
    pub self_test: &'a dyn Fn() -> Report,
    /// Now, RFC 3339.
    pub now: &'a dyn Fn() -> String,
    /// Hears each step.
    pub tell: &'a dyn Fn(&Installation),
}

/// Installs.
///
/// # Errors
/// [`UpdateError`]; it stands in `state.json` as well.
pub fn install(job: &Job<'_>) -> Result<Installation, UpdateError> {
    let mut at = Installation {
        at: (job.now)(),
        boot: boot_id(),
        ..Installation::default()
    };
    let mut writing = false;
    let done = steps(job, &mut at, &mut writing);
    if let Err(error) = &done {
        at.step = error.step(writing);
        at.text = sentence(error);
        at.next = error.next().into();
        // What is told matters more than that it is kept.
        let _ = job.folder.keep(&at);
        (job.tell)(&at);
    }
    done.map(|()| at)
}

fn steps(job: &Job<'_>, at: &mut Installation, writing: &mut bool) -> Result<(), UpdateError> {
    let step = |at: &mut Installation, step: Step, text: &str| {
        (at.step, at.text, at.percent) = (step, text.into(), 0);
        job.folder.keep(at)?;
        (job.tell)(at);
        Ok::<(), UpdateError>(())
    };
    step(at, Step::Checking, "The bundle is looked at.")?;
    let status = job.rauc.status()?;
    if status.slots.len() < 2 {
        return Err(UpdateError::NoImage);
    }
    job.folder.keep_slots(&status)?;
    let unread = |source| UpdateError::Bundle {
        path: job.bundle.into(),
        source,
    };
    std::fs::File::open(job.bundle).map_err(unread)?;
    let info = job.rauc.info(job.bundle)?;
    at.version.clone_from(&info.version);
    judge(job, &status, &info)?;
    if let Some(verity) = job.rauc.verity(job.bundle)? {
        verity::check(job.bundle, &verity, &mut |_| ())?;
    }

    let held = (job.hold)(&mut |why| {
        // The next try tells it again.
        let _ = step(at, Step::Waiting, why);
    })?;
    step(at, Step::Testing, "What runs now is tested.")?;
    job.folder.write(BEFORE, &(job.self_test)())?;
    let other = status.slots.iter().find(|s| !s.booted);
    at.slot = other.map(|s| s.boot_name.clone()).unwrap_or_default();
    if job.allow_downgrade {
        std::fs::write(job.downgrade_flag, &info.version)?;
    }
    step(at, Step::Installing, "The other slot is written.")?;
    *writing = true;
    job.rauc.install(job.bundle, &mut |percent, text| {
        if percent != at.percent {
            (at.percent, at.text) = (percent, text.into());
            let _ = job.folder.keep(at);
            (job.tell)(at);
        }
    })?;
    drop(held);
    let text = format!("Version {} is in slot {}.", at.version, at.slot);
    at.next = "Restart the box to use it.".into();
    step(at, Step::Done, &text)?;
    at.percent = 100;
    job.folder.keep(at)?;
    // As it is now; an error here says nothing of what was installed.
    if let Ok(status) = job.rauc.status() {
        let _ = job.folder.keep_slots(&status);
    }
    Ok(())
}

/// Is it for this box, new enough, and small enough?
fn judge(job: &Job<'_>, status: &Status, info: &Info) -> Result<(), UpdateError> {
    if info.compatible != status.compatible {
        return Err(UpdateError::OtherBox {
            bundle: info.compatible.clone(),
            own: status.compatible.clone(),
        });
    }
    let booted = status.slots.iter().find(|s| s.booted);
    let own = [
        booted.map_or("", |s| s.version.as_str()),
        job.running,
        env!("CARGO_PKG_VERSION"),
    ];
    let own = own.into_iter().find(|v| !v.is_empty()).unwrap_or_default();
    if !job.allow_downgrade {
        let (bundle, own) = (info.version.clone(), own.to_owned());
        match version::compare(&bundle, &own) {
            None => return Err(UpdateError::Version { bundle, own }),
            Some(order) if order.is_lt() => return Err(UpdateError::Older { bundle, own }),
            Some(_) => {}
        }
    }
    let other = status.slots.iter().find(|s| !s.booted).map(|s| &s.name);
    let device = status.devices.iter().find(|(name, _)| Some(name) == other);
    // A slot whose size nobody can say is RAUC's to judge.
    let room = device
        .and_then(|(_, path)| size_of(path))
        .unwrap_or(u64::MAX);
    if info.image_bytes > room {
        return Err(UpdateError::NoRoom {
            image: info.image_bytes.div_ceil(1 << 20),
            slot: room >> 20,
        });
    }
    Ok(())
}

/// Bytes of a block device or file.
fn size_of(path: &Path) -> Option<u64> {
    let bytes = std::fs::File::open(path)
        .ok()?
        .seek(SeekFrom::End(0))
        .ok()?;
    (bytes > 0).then_some(bytes)
}

/// With a capital letter and an end.
fn sentence(error: &UpdateError) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    let text = first.unwrap_or_default() + letters.as_str();
    text.trim_end_matches('.').to_owned() + "."
}

#[cfg(test)]
mod tests;
