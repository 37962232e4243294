use super::super::verity::bundle_of;
use super::*;
use std::cell::RefCell;
use std::os::unix::fs::PermissionsExt;

/// A box with two slots, played: RAUC as a script that writes down what it is asked, a bundle, a data folder.
struct Played {
    dir: tempfile::TempDir,
    rauc: Rauc,
    heard: RefCell<Vec<Installation>>,
}

impl Played {
    /// `booted`: version in the slot that runs. `bundle`: version of the bundle. `end`: what `rauc install` does.
    fn new(booted: &str, bundle: &str, end: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        let (bytes, verity) = bundle_of(&[9; 3 * 4096], b"signature");
        std::fs::write(at.join("b.raucb"), bytes).unwrap();
        std::fs::write(at.join("slot"), vec![0; 8192]).unwrap();
        let status = format!(
            r#"{{"compatible":"box","booted":"A","slots":[{{"rootfs.0":{{"device":"/dev/none","bootname":"A","state":"booted","boot_status":"good","slot_status":{{"bundle":{{"version":"{booted}"}}}}}}}},{{"rootfs.1":{{"device":"{}","bootname":"B","state":"inactive","boot_status":"good"}}}}]}}"#,
            at.join("slot").display()
        );
        let info = format!(
            r#"{{"compatible":"box","version":"{bundle}","images":[{{"rootfs":{{"size":8000}}}}]}}"#
        );
        let readable = format!(
            "Bundle Format: verity\n  Verity Salt: '{}'\n  Verity Hash: '{}'\n  Verity Size: {}\n",
            verity.salt, verity.root, verity.tree_bytes
        );
        for (name, text) in [("status", status), ("info", info), ("readable", readable)] {
            std::fs::write(at.join(name), text).unwrap();
        }
        let script = format!(
            "#!/bin/sh\ncd {}\necho \"$1\" >> asked\ncase \"$1 $2\" in\nstatus*) cat status;;\n'info --output-format=json') cat info;;\ninfo*) cat readable;;\ninstall*) {end};;\nesac\n",
            at.display()
        );
        std::fs::write(at.join("rauc"), script).unwrap();
        std::fs::set_permissions(at.join("rauc"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let rauc = Rauc::at(&at.join("rauc"));
        Self {
            dir,
            rauc,
            heard: RefCell::default(),
        }
    }

    fn install(&self, downgrade: bool, busy: Option<&str>) -> Result<Installation, UpdateError> {
        let folder = Folder::of(self.dir.path());
        install(&Job {
            rauc: &self.rauc,
            folder: &folder,
            bundle: &self.dir.path().join("b.raucb"),
            allow_downgrade: downgrade,
            downgrade_flag: &self.dir.path().join("older"),
            running: "",
            hold: &|tell| match busy {
                None => Ok(Box::new(())),
                Some(why) => {
                    tell(why);
                    Err(UpdateError::Busy(why.into()))
                }
            },
            self_test: &|| Report {
                version: "0".into(),
                ok: true,
                against: Vec::new(),
                checks: Vec::new(),
            },
            now: &|| "2026-12-01T08:00:00+00:00".into(),
            tell: &|at| self.heard.borrow_mut().push(at.clone()),
        })
    }

    /// What became of it, and whether the slot was written to.
    fn said(&self, downgrade: bool, busy: Option<&str>) -> (String, bool) {
        let said = self.install(downgrade, busy).map_err(|e| e.to_string());
        let kept = Folder::of(self.dir.path()).installation().unwrap();
        assert_eq!(said.is_ok(), kept.step == Step::Done);
        let asked = std::fs::read_to_string(self.dir.path().join("asked")).unwrap();
        (said.err().unwrap_or_default(), asked.contains("install"))
    }
}

const GOOD: &str =
    "echo installing; echo ' 40% Verifying signature done.'; echo '100% Installing done.'";

#[test]
fn a_bundle_is_checked_the_slot_tested_then_written() {
    let played = Played::new("1.0.0", "1.1.0", GOOD);
    let done = played.install(false, None).unwrap();
    assert_eq!(
        (done.step, done.slot.as_str(), done.percent),
        (Step::Done, "B", 100)
    );
    let mut steps: Vec<Step> = played.heard.borrow().iter().map(|i| i.step).collect();
    steps.dedup();
    assert_eq!(
        steps,
        [Step::Checking, Step::Testing, Step::Installing, Step::Done]
    );
    assert!(played.heard.borrow().iter().any(|i| i.percent == 40));
    let before = std::fs::read_to_string(played.dir.path().join("update/before.json")).unwrap();
    assert!(serde_json::from_str::<Report>(&before).unwrap().ok);
    let view = Folder::of(played.dir.path()).view(&boot_id());
    assert!(view.is_image && view.version == "1.0.0" && view.slot == "A");
}

#[test]
fn what_may_not_be_installed_is_refused_and_the_slot_is_not_touched() {
    let (said, touched) = Played::new("1.2.0", "1.1.0", GOOD).said(false, None);
    assert!(said.contains("older than 1.2.0") && !touched, "{said}");
    let meant = Played::new("1.2.0", "1.1.0", GOOD);
    assert_eq!(meant.said(true, None), (String::new(), true));
    // The image asks again, and is told which one is meant.
    let flag = std::fs::read_to_string(meant.dir.path().join("older"));
    assert_eq!(flag.unwrap(), "1.1.0");
    let (said, touched) = Played::new("1.2.0", "rolling", GOOD).said(false, None);
    assert!(said.contains("can not be compared") && !touched, "{said}");

    let other = Played::new("1", "2", GOOD);
    let info = other.dir.path().join("info");
    std::fs::write(
        &info,
        r#"{"compatible":"another","version":"2","images":[]}"#,
    )
    .unwrap();
    let (said, touched) = other.said(true, None);
    assert!(said.contains("is for another") && !touched, "{said}");
    let large = r#"{"compatible":"box","version":"2","images":[{"rootfs":{"size":9000}}]}"#;
    std::fs::write(&info, large).unwrap();
    let (said, touched) = other.said(false, None);
    assert!(said.contains("has room for") && !touched, "{said}");

    let altered = Played::new("1", "2", GOOD);
    let path = altered.dir.path().join("b.raucb");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[5000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let (said, touched) = altered.said(false, None);
    assert!(said.contains("was altered") && !touched, "{said}");
    std::fs::remove_file(&path).unwrap();
    assert!(altered.said(false, None).0.contains("b.raucb"));

    let busy = Played::new("1", "2", GOOD);
    let (said, touched) = busy.said(false, Some("K7-2043 is being printed."));
    assert!(said.contains("K7-2043") && !touched, "{said}");
    assert!(busy.heard.borrow().iter().any(|i| i.step == Step::Waiting));
}

#[test]
fn what_breaks_off_in_the_writing_has_failed_and_says_so_in_raucs_words() {
    let bad = "echo ' 90% Copying image to rootfs.1'; echo 'LastError: Installation error: no space'; exit 1";
    let played = Played::new("1", "2", bad);
    assert_eq!(
        played.said(false, None),
        ("RAUC says: Installation error: no space".into(), true)
    );
    let kept = Folder::of(played.dir.path()).installation().unwrap();
    assert_eq!((kept.step, kept.percent), (Step::Failed, 90));
}
