use super::*;
use crate::status::Role;

const NOW: &str = "2026-11-30T08:00:00+01:00";

fn station(data: &Path) -> Store {
    let mut store = Store::open(data, 7).unwrap();
    store
        .add_operator("M. Curie", "481516", Role::Supervisor, NOW)
        .unwrap();
    store.add("tag", NOW).unwrap();
    store
}

#[test]
fn what_was_kept_comes_back_and_a_pin_is_right_again() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    // The store stays open, as that of a running station.
    let store = station(&old);
    let code = store.jobs(1).unwrap()[0].code.clone();
    fs::create_dir_all(old.join(CASES).join(&code)).unwrap();
    fs::write(old.join(CASES).join(&code).join("implant.stl"), "a part").unwrap();
    let toml = dir.path().join("its.toml");
    fs::write(&toml, "privacy = \"strict\"\n").unwrap();
    let file = dir.path().join("b.tar");
    let head = write(&old, Some(&toml), &file, (true, NOW)).unwrap();
    assert_eq!(head.files.len(), 4);
    assert_eq!(check(&file).unwrap(), head);
    // It is not written over.
    assert!(write(&old, None, &file, (false, NOW)).is_err());

    let to = dir.path().join("config.toml");
    restore(&new, &file, (false, Some(&to))).unwrap();
    let again = Store::open_existing(&new).unwrap();
    assert_eq!(again.jobs(9).unwrap(), store.jobs(9).unwrap());
    assert_eq!(again.operators().unwrap()[0].name, "M. Curie");
    assert_eq!(again.first_break().unwrap(), None);
    assert_eq!(
        fs::read(old.join(PEPPER)).unwrap(),
        fs::read(new.join(PEPPER)).unwrap()
    );
    let part = new.join(CASES).join(&code).join("implant.stl");
    assert_eq!(fs::read_to_string(part).unwrap(), "a part");
    assert_eq!(fs::read_to_string(to).unwrap(), "privacy = \"strict\"\n");
    assert!(!new.join(PART).exists());
}

#[test]
fn a_store_in_use_and_a_running_station_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    drop(station(&old));
    let file = dir.path().join("b.tar");
    write(&old, None, &file, (false, NOW)).unwrap();
    // Begun and empty: nobody misses it.
    drop(Store::open(&new, 3).unwrap());
    restore(&new, &file, (false, None)).unwrap();
    let in_use = restore(&new, &file, (false, None)).unwrap_err();
    assert!(
        matches!(
            in_use,
            BackupError::InUse {
                cases: 1,
                people: 1,
                ..
            }
        ),
        "{in_use}"
    );
    assert!(in_use.to_string().contains("--replace"));
    restore(&new, &file, (true, None)).unwrap();
    assert!(new.join(ASIDE).is_file());
    let held = lock(&new).unwrap();
    let runs = restore(&new, &file, (true, None)).unwrap_err();
    assert!(matches!(runs, BackupError::Runs(_)), "{runs}");
    drop(held);
}

#[test]
fn what_is_not_whole_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    drop(station(&old));
    let file = dir.path().join("b.tar");
    write(&old, None, &file, (false, NOW)).unwrap();
    let whole = fs::read(&file).unwrap();
    let try_with = |bytes: &[u8]| {
        let path = dir.path().join("wrong.tar");
        fs::write(&path, bytes).unwrap();
        let error = restore(&new, &path, (false, None)).unwrap_err();
        assert!(matches!(error, BackupError::Damaged { .. }), "{error}");
        assert!(!new.join(STORE).exists() && !new.join(PEPPER).exists());
    };
    try_with(b"");
    try_with(&whole[..whole.len() / 2]);
    // One byte of the store, far behind the heads.
    let mut altered = whole.clone();
    let at = altered.len() / 2;
    altered[at] ^= 1;
    try_with(&altered);
    // A path that leaves the folder.
    let mut tar = tar::Builder::new(Vec::new());
    let bytes = b"out";
    let hash = hash(&bytes[..], &mut io::sink()).unwrap();
    let head = Head {
        form: FORM,
        version: "1".into(),
        at: NOW.into(),
        files: [("../out".to_owned(), hash)].into(),
    };
    let head = serde_json::to_vec(&head).unwrap();
    let mut add = |name: &[u8], bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        tar.append(&header, bytes).unwrap();
    };
    add(HEAD.as_bytes(), &head);
    add(b"../out", bytes);
    try_with(&tar.into_inner().unwrap());
    assert!(!dir.path().join("out").exists());
}
