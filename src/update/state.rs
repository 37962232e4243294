//! What is kept of updates in `DATA/update`, and how it is shown.
//!
//! | file | by whom | what |
//! |---|---|---|
//! | `slots.json` | `calvaria update status --keep`, at each start of the box and after an installation | slots as RAUC has them |
//! | `state.json` | `calvaria update install` | the installation that runs or waits, or the last one |
//! | `before.json` | the same | what the slot that ran found of itself just before |
//! | `bundle.raucb` | the station, after an upload | what is to be installed |
//! | `boot.json` | whatever confirms a start (`docs/updates.md`) | `{"version","result":"good"\|"bad","reason"}` |
//!
//! Holds: each is written beside, synced, renamed, and belongs to the owner of DATA: root installs, the station reads. A
//!        file that is damaged counts as none.

use crate::status::{Installation, SlotView, Step, UpdateView};
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Below DATA.
pub const FOLDER: &str = "update";
/// The self-test before the last installation.
pub const BEFORE: &str = "before.json";
/// A bundle that was uploaded and waits to be installed.
pub const BUNDLE: &str = "bundle.raucb";
const SLOTS: &str = "slots.json";
const STATE: &str = "state.json";
const BOOT: &str = "boot.json";
/// Larger files are not ours.
const BYTES_MAX: u64 = 1 << 20;

/// What is kept of the slots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Slots {
    /// For which boxes images are taken.
    pub compatible: String,
    /// Boot name of the slot that runs.
    pub booted: String,
    /// Every slot.
    pub slots: Vec<SlotView>,
}

impl Slots {
    fn of(status: &super::rauc::Status) -> Self {
        Self {
            compatible: status.compatible.clone(),
            booted: status.booted.clone(),
            slots: status.slots.clone(),
        }
    }
}

/// What confirmed, or did not confirm, the last start of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Boot {
    /// Version that was started.
    pub version: String,
    /// `good` or `bad`.
    pub result: String,
    /// Why it was bad, one or two sentences.
    pub reason: String,
}

/// The folder of one station.
#[derive(Clone, Debug)]
pub struct Folder {
    data: PathBuf,
}

impl Folder {
    /// Of this data folder; nothing is made.
    pub fn of(data: &Path) -> Self {
        Self { data: data.into() }
    }

    /// Path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.data.join(FOLDER).join(name)
    }

    /// Writes a file of it, for the owner of DATA.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        let folder = self.data.join(FOLDER);
        self.make(&folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        file.write_all(&serde_json::to_vec_pretty(value)?)?;
        file.as_file().sync_all()?;
        self.give(file.path())?;
        file.persist(folder.join(name)).map_err(|e| e.error)?;
        std::fs::File::open(&folder)?.sync_all()
    }

    /// Takes an uploaded bundle over, from the same disk.
    ///
    /// # Errors
    /// What the disk says.
    pub fn take_bundle(&self, path: &Path) -> io::Result<()> {
        let folder = self.data.join(FOLDER);
        self.make(&folder)?;
        std::fs::rename(path, folder.join(BUNDLE))?;
        std::fs::File::open(&folder)?.sync_all()
    }

    /// Keeps what RAUC says of the slots.
    ///
    /// # Errors
    /// What the disk says.
    pub fn keep_slots(&self, status: &super::rauc::Status) -> io::Result<()> {
        self.write(SLOTS, &Slots::of(status))
    }

    /// Keeps where an installation stands.
    ///
    /// # Errors
    /// What the disk says.
    pub fn keep(&self, installation: &Installation) -> io::Result<()> {
        self.write(STATE, installation)
    }

    /// The installation that runs or waits, or the last one.
    pub fn installation(&self) -> Option<Installation> {
        self.read(STATE)
    }

    /// As people are shown it. `boot` is the kernel's name of the present boot.
    pub fn view(&self, boot: &str) -> UpdateView {
        self.view_of(self.read(SLOTS), boot)
    }

    /// The same with what RAUC says now.
    pub fn view_with(&self, status: &super::rauc::Status, boot: &str) -> UpdateView {
        self.view_of(Some(Slots::of(status)), boot)
    }

    fn view_of(&self, slots: Option<Slots>, boot: &str) -> UpdateView {
        let is_image = slots.is_some();
        let slots = slots.unwrap_or_default();
        let booted = slots.slots.iter().find(|s| s.booted);
        let version = booted.map_or("", |s| s.version.as_str());
        let mut installation = self.installation();
        if let Some(last) = &mut installation {
            last.past = last.boot != boot;
        }
        let taken_back = taken_back(installation.as_ref(), self.read(BOOT), &slots, boot);
        // Whoever installed has died with the box, or was killed: nothing goes on.
        if let Some(cut) = installation
            .as_mut()
            .filter(|i| !i.step.is_over() && i.boot != boot)
        {
            cut.step = Step::Failed;
            cut.text = "The box was switched off while it was installed.".into();
            cut.next = "Install it again.".into();
        }
        UpdateView {
            is_image,
            version: match version {
                "" => env!("CARGO_PKG_VERSION").into(),
                said => said.into(),
            },
            compatible: slots.compatible,
            slot: slots.booted,
            slots: slots.slots,
            installation,
            taken_back,
        }
    }

    fn read<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        use std::io::Read as _;
        let file = std::fs::File::open(self.path(name)).ok()?;
        let mut bytes = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut bytes).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Makes the folder, for the owner of DATA alone.
    fn make(&self, folder: &Path) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;
        match std::fs::DirBuilder::new().mode(0o700).create(folder) {
            Ok(()) => self.give(folder),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// To the owner of DATA, where it is another.
    pub fn give(&self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::MetadataExt as _;
        let (owner, now) = (std::fs::metadata(&self.data)?, std::fs::metadata(path)?);
        if (owner.uid(), owner.gid()) == (now.uid(), now.gid()) {
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid()))
    }
}

/// The image that was installed last was started since, and another slot runs: it was taken back.
fn taken_back(
    installation: Option<&Installation>,
    boot: Option<Boot>,
    slots: &Slots,
    boot_id: &str,
) -> String {
    let Some(last) = installation.filter(|i| i.step == Step::Done && i.boot != boot_id) else {
        return String::new();
    };
    if slots.booted.is_empty() || slots.booted == last.slot {
        return String::new();
    }
    let bad = boot.filter(|b| b.result == "bad" && b.version == last.version);
    let why = bad.map(|b| b.reason).filter(|reason| !reason.is_empty());
    let why = why.unwrap_or_else(|| "It did not come up, and left no word why.".into());
    format!(
        "Version {} was started and taken back: slot {} runs again. {why}",
        last.version, slots.booted
    )
}

/// The kernel's name of the present boot.
pub fn boot_id() -> String {
    let path = "/proc/sys/kernel/random/boot_id";
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(booted: &str) -> Slots {
        let slot = |boot_name: &str, version: &str| SlotView {
            boot_name: boot_name.into(),
            booted: boot_name == booted,
            version: version.into(),
            ..SlotView::default()
        };
        Slots {
            compatible: "c".into(),
            booted: booted.into(),
            slots: vec![slot("A", "1.0.0"), slot("B", "2.0.0")],
        }
    }

    fn done() -> Installation {
        Installation {
            version: "2.0.0".into(),
            step: Step::Done,
            slot: "B".into(),
            boot: "first".into(),
            ..Installation::default()
        }
    }

    #[test]
    fn an_image_that_was_taken_back_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::of(dir.path());
        assert!(!folder.view("first").is_image);
        folder.write(SLOTS, &slots("A")).unwrap();
        folder.keep(&done()).unwrap();
        // Not started yet; then started and in force.
        assert_eq!(folder.view("first").taken_back, "");
        folder.write(SLOTS, &slots("B")).unwrap();
        let view = folder.view("second");
        assert_eq!(
            (view.taken_back.as_str(), view.version.as_str()),
            ("", "2.0.0")
        );
        // Back on A, without a word and with one.
        folder.write(SLOTS, &slots("A")).unwrap();
        assert!(folder.view("third").taken_back.contains("left no word"));
        let boot = Boot {
            version: "2.0.0".into(),
            result: "bad".into(),
            reason: "models: no answer.".into(),
        };
        folder.write(BOOT, &boot).unwrap();
        let text = folder.view("third").taken_back;
        assert!(
            text.contains("2.0.0") && text.ends_with("models: no answer."),
            "{text}"
        );
        // The word is of another version.
        folder
            .write(
                BOOT,
                &Boot {
                    version: "1.9".into(),
                    ..boot
                },
            )
            .unwrap();
        assert!(folder.view("third").taken_back.contains("left no word"));
    }

    #[test]
    fn an_installation_that_was_cut_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::of(dir.path());
        let cut = Installation {
            step: Step::Installing,
            boot: "first".into(),
            ..Installation::default()
        };
        folder.keep(&cut).unwrap();
        assert_eq!(
            folder.view("first").installation.unwrap().step,
            Step::Installing
        );
        assert_eq!(
            folder.view("second").installation.unwrap().step,
            Step::Failed
        );
        std::fs::write(folder.path(STATE), "{").unwrap();
        assert_eq!(folder.view("second").installation, None);
    }
}
