//! Slots and installations as people are shown them. RAUC puts images into slots; a plain installation has none.

use super::Finding;
use serde::{Deserialize, Serialize};

/// What is installed, and what becomes of an update.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpdateView {
    /// This box has slots. Without them the program is updated by hand.
    pub is_image: bool,
    /// For which boxes images are taken here, e.g. `calvaria-x86_64`.
    pub compatible: String,
    /// The slot that runs, by its boot name, e.g. `A`; empty: not known.
    pub slot: String,
    /// Version of the image that runs; of a plain installation that of the program.
    pub version: String,
    /// Every slot.
    pub slots: Vec<SlotView>,
    /// The installation that runs or waits, or the last one.
    pub installation: Option<Installation>,
    /// What became of the last image that was started, where that is worth telling: it was taken back, and why.
    pub taken_back: String,
}

/// One slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SlotView {
    /// RAUC's name, e.g. `rootfs.0`.
    pub name: String,
    /// Boot name, e.g. `A`.
    pub boot_name: String,
    /// It runs.
    pub booted: bool,
    /// It may be started.
    pub good: bool,
    /// Version in it; empty: not known.
    pub version: String,
}

/// Where an installation stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The bundle is looked at: signature, box, version, every block.
    #[default]
    Checking,
    /// Something goes on that must not be disturbed: a print, a release, a design.
    Waiting,
    /// What runs now is tested, so that the new one can be held against it.
    Testing,
    /// The other slot is written.
    Installing,
    /// Written; it is used after the next start.
    Done,
    /// It was refused before anything was written.
    Refused,
    /// It broke off; the other slot is not used.
    Failed,
}

impl Step {
    /// Nothing more happens.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Refused | Self::Failed)
    }
}

/// One installation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Installation {
    /// Version of the bundle; empty: not known yet.
    pub version: String,
    /// Where it stands.
    pub step: Step,
    /// Of the writing.
    pub percent: u8,
    /// What is done now, why it waits, or why it was refused; a sentence.
    pub text: String,
    /// What to do; empty: nothing.
    #[serde(rename = "do")]
    pub next: String,
    /// When that began, RFC 3339.
    pub at: String,
    /// Boot name of the slot that is written.
    pub slot: String,
    /// During which boot of the box it ran, as the kernel names it.
    pub boot: String,
    /// The box was started anew since.
    pub past: bool,
}

impl UpdateView {
    /// What people should know of an update now; nobody is needed for it.
    pub fn note(&self) -> Option<Finding> {
        if !self.taken_back.is_empty() {
            return Some(Finding::info("update_taken_back", self.taken_back.as_str()));
        }
        let at = self.installation.as_ref().filter(|i| !i.past)?;
        let version = match at.version.as_str() {
            "" => String::new(),
            version => format!(" {version}"),
        };
        let said = [at.text.as_str(), at.next.as_str()].join(" ");
        let said = said.trim_end();
        let (name, text) = match at.step {
            Step::Checking | Step::Testing => ("update", format!("Update{version}: {said}")),
            Step::Waiting => ("update", format!("Update{version} waits: {said}")),
            Step::Installing => {
                let text = format!(
                    "Update{version}: {} % are written. Leave the box switched on.",
                    at.percent
                );
                ("update", text)
            }
            Step::Done => ("update_done", said.to_owned()),
            Step::Refused => (
                "update_refused",
                format!("Update{version} was refused. {said}"),
            ),
            Step::Failed => (
                "update_failed",
                format!("Update{version} broke off. {said}"),
            ),
        };
        Some(Finding::info(name, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_an_update_ends_with_the_next_start() {
        let mut view = UpdateView::default();
        assert_eq!(view.note(), None);
        let text = |view: &UpdateView| view.note().map(|f| f.text).unwrap_or_default();
        view.installation = Some(Installation {
            version: "1.2.0".into(),
            step: Step::Waiting,
            text: "K7-2043 is being printed.".into(),
            ..Installation::default()
        });
        assert_eq!(text(&view), "Update 1.2.0 waits: K7-2043 is being printed.");
        let at = view.installation.as_mut().unwrap();
        (at.step, at.percent) = (Step::Installing, 40);
        assert!(text(&view).contains("40 %"));
        let at = view.installation.as_mut().unwrap();
        (at.step, at.text) = (Step::Refused, "The bundle is for another box.".into());
        assert!(text(&view).contains("was refused. The bundle"));
        view.installation.as_mut().unwrap().past = true;
        assert_eq!(view.note(), None);
        view.taken_back = "It was taken back.".into();
        assert_eq!(view.note().unwrap().name, "update_taken_back");
    }
}
