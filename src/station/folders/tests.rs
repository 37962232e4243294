use super::carry::{carry, copy, entries, remove_copied};
use super::*;

fn folders() -> (tempfile::TempDir, Folders) {
    let dir = tempfile::tempdir().unwrap();
    let folders = Folders::make(&dir.path().join("data"), &dir.path().join("drop")).unwrap();
    (dir, folders)
}

#[test]
fn a_drop_is_in_one_place_and_loses_its_name() {
    let (_dir, f) = folders();
    let source = "DOE^JOHN.nii.gz";
    fs::write(f.drop_folder().join(source), b"x").unwrap();
    for place in [
        Place::Work,
        Place::Work,
        Place::Quarantine,
        Place::Work,
        Place::Done,
    ] {
        let taken = f.take(place, "A0-0000", 1, Some(source)).unwrap();
        assert_eq!(taken, Taken::Moved);
        assert!(f.move_to(place, "A0-0000").unwrap());
        assert_eq!(
            f.input("A0-0000").unwrap(),
            f.place(place, "A0-0000").join("input.nii.gz")
        );
        if place == Place::Quarantine {
            f.write_reason("A0-0000", "because").unwrap();
        }
    }
    assert!(!f.data().join("quarantine/A0-0000").exists());
    assert!(!f.drop_folder().join(source).exists());
    let gone = f.take(Place::Work, "A0-0001", 1, Some("gone")).unwrap();
    assert_eq!(gone, Taken::Gone);
    assert!(!f.move_to(Place::Work, "A0-0001").unwrap());
}

#[test]
fn identity_and_half_written_files_are_not_listed() {
    let (_dir, f) = folders();
    private_dir(&f.case("A0-0000")).unwrap();
    for name in ["identity.json", "implant.stl", "x.part", ".hidden"] {
        fs::write(f.case("A0-0000").join(name), b"x").unwrap();
    }
    assert_eq!(f.files("A0-0000"), ["implant.stl"]);
}

#[test]
fn across_file_systems_everything_arrives_and_only_then_goes() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("a"), dir.path().join("b"));
    fs::create_dir_all(from.join("s")).unwrap();
    fs::write(from.join("s/1.dcm"), b"x").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", from.join("2.dcm")).unwrap();
    let before = entries(&from).unwrap();
    carry(&from, &to).unwrap();
    assert_eq!(entries(&to).unwrap(), before);
    assert!(fs::symlink_metadata(&from).is_err());
    assert_eq!(
        fs::read_link(to.join("2.dcm")).unwrap(),
        Path::new("/etc/passwd")
    );
    // A file that came after the copy stays.
    fs::create_dir(&from).unwrap();
    fs::write(from.join("late.dcm"), b"y").unwrap();
    remove_copied(&from, &before).unwrap();
    assert!(from.join("late.dcm").exists());
}

fn take(f: &Folders) {
    let taken = f.take(Place::Work, "A0-0000", 1, Some("scan")).unwrap();
    assert_eq!(taken, Taken::Moved);
}

#[test]
fn pieces_go_together_and_an_earlier_case_keeps_what_it_lends() {
    let (_dir, f) = folders();
    let scan = f.drop_folder().join("scan");
    for n in 1..=2 {
        fs::create_dir(&scan).unwrap();
        fs::write(scan.join(format!("{n}.dcm")), b"x").unwrap();
        f.take(Place::Work, "A0-0000", n, Some("scan")).unwrap();
    }
    let before = f.print("A0-0000");
    assert!(f.move_to(Place::Done, "A0-0000").unwrap());
    assert_eq!(f.inputs("A0-0000").len(), 2);
    assert_eq!(f.print("A0-0000"), before);
    assert_eq!(f.input("A0-0000").unwrap(), f.place(Place::Done, "A0-0000"));
    assert!(f.borrow("A0-0000", "A0-0001").unwrap());
    fs::write(f.place(Place::Done, "A0-0000").join("input/3.dcm"), b"y").unwrap();
    assert_ne!(f.print("A0-0000"), before);
    assert!(f.forget("A0-0000").unwrap());
    let lent = f.place(Place::Work, "A0-0001").join("input-0");
    assert!(lent.join("input/1.dcm").exists() && lent.join("input-2/2.dcm").exists());
    assert!(!f.place(Place::Done, "A0-0000").exists());
}

#[test]
fn a_cut_between_copy_and_removal_gives_no_second_case() {
    let (_dir, f) = folders();
    let source = f.drop_folder().join("scan");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("1.dcm"), b"x").unwrap();
    take(&f);
    // As a copy leaves it that was cut before the removal.
    copy(&f.input("A0-0000").unwrap(), &source).unwrap();
    take(&f);
    assert!(!source.exists());
    // Another scan of the same name is not the one that was copied.
    fs::create_dir(&source).unwrap();
    fs::write(source.join("1.dcm"), b"z").unwrap();
    take(&f);
    assert!(source.join("1.dcm").exists());
}

#[test]
fn what_can_not_be_handed_in_leaves_no_copy_beside() {
    let (_dir, f) = folders();
    let path = f.uploads().join("18a3");
    fs::write(&path, b"scan").unwrap();
    fs::remove_dir(f.drop_folder()).unwrap();
    assert!(f.hand_in(&path, "a.dcm").is_err());
    assert_eq!(fs::read_dir(f.uploads()).unwrap().count(), 0);
}

#[test]
fn what_a_killed_process_had_unpacked_goes_at_the_next_start() {
    let (dir, f) = folders();
    let scratch = f.scratch("design-1").unwrap();
    fs::create_dir(scratch.join(".tmpXYZ")).unwrap();
    fs::write(scratch.join(".tmpXYZ/000001"), b"DOE^JANE").unwrap();
    let mode = fs::metadata(f.data().join("scratch"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    Folders::make(&dir.path().join("data"), &dir.path().join("drop")).unwrap();
    assert_eq!(fs::read_dir(f.data().join("scratch")).unwrap().count(), 0);
}
