use super::*;

/// As RAUC 1.8 writes it, shortened.
const STATUS: &str = r#"{"compatible":"calvaria-x86_64","variant":"","booted":"A","boot_primary":"rootfs.0",
"slots":[{"rootfs.1":{"class":"rootfs","device":"/dev/disk/by-partlabel/rootB","type":"raw","bootname":"B","state":"inactive","parent":null,"mountpoint":null,"boot_status":"bad","slot_status":{"bundle":{"compatible":"calvaria-x86_64","version":"0.2.0"},"status":"ok"}}},
{"rootfs.0":{"class":"rootfs","device":"/dev/disk/by-partlabel/rootA","type":"raw","bootname":"A","state":"booted","parent":null,"mountpoint":"/","boot_status":"good"}},
{"data.0":{"class":"data","device":"/dev/x","type":"ext4","bootname":null,"state":"active"}}]}"#;
const INFO: &str = r#"{"compatible":"calvaria-x86_64","version":"0.2.0","description":null,"build":"1","hooks":[],"images":[{"rootfs":{"filename":"rootfs.img","size":1234,"checksum":"ab","hooks":[]}}]}"#;

/// A program that does this.
fn plays(dir: &Path, script: &str) -> Rauc {
    use std::os::unix::fs::PermissionsExt as _;
    let path = dir.join("rauc");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    Rauc::at(&path)
}

#[test]
fn slots_and_bundles_are_read_as_rauc_writes_them() {
    let status = status_of(&json(STATUS).unwrap()).unwrap();
    assert_eq!(
        (status.compatible.as_str(), status.booted.as_str()),
        ("calvaria-x86_64", "A")
    );
    let [b, a] = &status.slots[..] else {
        panic!("{status:?}")
    };
    assert_eq!(
        (b.boot_name.as_str(), b.booted, b.good, b.version.as_str()),
        ("B", false, false, "0.2.0")
    );
    assert_eq!(
        (a.boot_name.as_str(), a.booted, a.good, a.version.as_str()),
        ("A", true, true, "")
    );
    assert_eq!(
        status.devices[0].1,
        Path::new("/dev/disk/by-partlabel/rootB")
    );
    let info = info_of(&json(&format!("rauc-Message: x\n{INFO}")).unwrap()).unwrap();
    assert_eq!((info.version.as_str(), info.image_bytes), ("0.2.0", 1234));
    assert!(status_of(&json("{}").unwrap()).is_none());
}

#[test]
fn progress_is_a_percent_and_what_is_done() {
    assert_eq!(
        progress_of(" 40% Verifying signature done."),
        Some((40, "Verifying signature done."))
    );
    for no in ["installing", "idle", "140% x", "x% y"] {
        assert_eq!(progress_of(no), None);
    }
}

#[test]
fn an_installation_is_heard_to_its_end_and_its_error_is_raucs_own() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("b");
    let mut heard = Vec::new();
    let good = plays(
        dir.path(),
        "echo installing; echo '  0% Installing'; echo '100% Installing done.'; echo idle",
    );
    good.install(&bundle, &mut |percent, text| {
        heard.push((percent, text.to_owned()))
    })
    .unwrap();
    assert_eq!(heard.last().unwrap(), &(100, "Installing done.".to_owned()));
    let bad = plays(
        dir.path(),
        "echo installing; echo 'LastError: Failed mounting bundle: x'; echo 'Installing `b` failed'; exit 1",
    );
    let said = bad
        .install(&bundle, &mut |_, _| ())
        .unwrap_err()
        .to_string();
    assert_eq!(said, "RAUC says: Failed mounting bundle: x");
    let info = plays(
        dir.path(),
        "echo 'signature verification failed: unable to get local issuer certificate' >&2; exit 1",
    );
    let said = info.info(&bundle).unwrap_err().to_string();
    assert!(said.contains("unable to get local issuer"), "{said}");
}

#[test]
fn verity_is_read_from_what_people_read() {
    let dir = tempfile::tempdir().unwrap();
    let text = "Compatible: \\t'c'\\nBundle Format: \\tverity\\n  Verity Salt: \\t'ab'\\n  Verity Hash: \\t'cd'\\n  Verity Size: \\t4096\\n";
    let rauc = plays(dir.path(), &format!("printf \"{text}\""));
    let verity = rauc.verity(dir.path()).unwrap().unwrap();
    assert_eq!(
        (
            verity.salt.as_str(),
            verity.root.as_str(),
            verity.tree_bytes
        ),
        ("ab", "cd", 4096)
    );
    assert_eq!(
        plays(dir.path(), "echo 'Bundle Format: plain'")
            .verity(dir.path())
            .unwrap(),
        None
    );
}
