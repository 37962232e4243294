use super::*;
use std::sync::mpsc;

fn folder() -> (tempfile::TempDir, DropFolder) {
    let dir = tempfile::tempdir().unwrap();
    let drop = DropFolder::new(dir.path(), Duration::from_millis(100));
    (dir, drop)
}

fn names(ready: &[Ready]) -> Vec<(String, usize)> {
    let name = |r: &Ready| r.path.file_name().unwrap().to_string_lossy().into_owned();
    ready.iter().map(|r| (name(r), r.files)).collect()
}

#[test]
fn folders_and_volume_files_are_entries_and_are_ready_when_quiet() {
    let (dir, mut drop) = folder();
    fs::create_dir_all(dir.path().join("study/series")).unwrap();
    fs::write(dir.path().join("study/series/1"), b"a").unwrap();
    fs::write(dir.path().join("scan.nii.gz"), b"b").unwrap();
    assert!(drop.scan(0).unwrap().is_empty());
    fs::write(dir.path().join("study/series/2"), b"c").unwrap();
    assert_eq!(names(&drop.scan(100).unwrap()), [("scan.nii.gz".into(), 1)]);
    assert!(drop.scan(199).unwrap().is_empty());
    assert_eq!(names(&drop.scan(200).unwrap()), [("study".into(), 2)]);
    assert!(drop.scan(900).unwrap().is_empty());
}

#[test]
fn loose_files_are_gathered_into_one_folder() {
    let (dir, mut drop) = folder();
    for n in 0..5 {
        fs::write(dir.path().join(format!("IM{n}")), b"x").unwrap();
    }
    fs::write(dir.path().join(".hidden"), b"x").unwrap();
    assert!(drop.scan(0).unwrap().is_empty());
    assert!(
        drop.scan(100).unwrap().is_empty(),
        "gathered now, an entry from the next scan on"
    );
    assert!(drop.scan(150).unwrap().is_empty());
    assert_eq!(
        names(&drop.scan(250).unwrap()),
        [("gathered-0001".into(), 5)]
    );
    assert!(dir.path().join(".hidden").exists());
}

#[test]
fn an_unfinished_loose_file_holds_back_the_others_and_is_left_alone() {
    let (dir, mut drop) = folder();
    fs::write(dir.path().join("IM1"), b"x").unwrap();
    fs::write(dir.path().join("IM2.part"), b"x").unwrap();
    drop.scan(0).unwrap();
    drop.scan(200).unwrap();
    assert!(dir.path().join("IM1").exists());
    fs::rename(dir.path().join("IM2.part"), dir.path().join("IM2")).unwrap();
    drop.scan(300).unwrap();
    drop.scan(400).unwrap();
    assert!(dir.path().join("gathered-0001/IM2").exists());
}

#[test]
fn links_are_no_entries() {
    let (dir, mut drop) = folder();
    std::os::unix::fs::symlink("/etc", dir.path().join("etc")).unwrap();
    drop.scan(0).unwrap();
    assert!(drop.scan(1000).unwrap().is_empty());
}

#[test]
fn a_write_wakes() {
    let (dir, drop) = folder();
    let (tell, told) = mpsc::channel();
    let Some(_waker) = drop.waker(move || drop_result(tell.send(()))) else {
        println!("skipped: the system gives no watch");
        return;
    };
    fs::write(dir.path().join("x"), b"x").unwrap();
    told.recv_timeout(Duration::from_secs(5)).unwrap();
}

/// The receiver may be gone when a late event comes.
fn drop_result<T, E>(_: Result<T, E>) {}
