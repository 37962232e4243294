//! The drop folder with real processes: a copy that stalls, uploads of two people, names that are not kept.

use crate::room::{Room, phantom, wait};
use calvaria::intake::{self, Limits};
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::tags;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);
const DESIGN_MAX: Duration = Duration::from_secs(300);

fn room(dir: tempfile::TempDir) -> Room {
    let log = dir.path().join("executed.jsonl");
    Room::new(dir, 600.0, &log, None)
}

pub(crate) fn slices(series: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(series).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

pub(crate) fn copy(files: &[PathBuf], to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in files {
        std::fs::copy(file, to.join(file.file_name().unwrap())).unwrap();
    }
}

fn post(address: &str, path: &str, kind: &str, body: &[u8]) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let request = agent.post(format!("{address}{path}"));
    let mut answer = request.header("content-type", kind).send(body).unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&text).unwrap_or_default())
}

/// The first slices, a stall that is longer than the quiet time, and the rest while the first are in work.
#[test]
fn a_copy_that_stalls_is_one_case_and_is_designed_anew_whole() {
    let dir = tempfile::tempdir().unwrap();
    let files = slices(&phantom(dir.path(), 2, "dicom"));
    let mut room = room(dir);
    room.start_station(None);
    wait("the page", SOON, || room.get("/healthz"));
    let series = room.data().join("drop/series");
    let (first, rest) = files.split_at(files.len() * 6 / 10);
    copy(first, &series);
    let code = wait("the first part taken", SOON, || {
        let job = room.jobs()?.into_iter().next()?;
        (job.state.word() != "received").then_some(job.code)
    });
    copy(rest, &series);
    wait("the rest taken", SOON, || {
        (room.record(&code).iter())
            .find(|(kind, _)| kind == "scan_grew")
            .cloned()
    });
    let job = wait("designed", DESIGN_MAX, || {
        let job = room.jobs()?.into_iter().next()?;
        (job.state.word() == "awaiting_release").then_some(job)
    });
    assert_eq!(job.code, code);
    assert_eq!(room.jobs().unwrap().len(), 1);
    assert!(job.findings.iter().any(|f| f.name == "pieces"), "{job:?}");
    let case = std::fs::read(room.data().join("cases").join(&code).join("case.json")).unwrap();
    let case: Value = serde_json::from_slice(&case).unwrap();
    assert_eq!(case["inputs"].as_array().unwrap().len(), files.len());
}

/// A designer that finds no hole in anything.
fn refuses(room: &mut Room) {
    let program = room.dir.path().join("designer.sh");
    let script = "#!/bin/sh\n[ \"$2\" = --look ] && exit 0\necho '{\"outcome\":{\"refused\":{\"text\":\"No hole.\",\"do\":\"Look.\"}}}'\nexit 3\n";
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    room.program = Some(program);
}

/// What lay there before the station, and what no event tells of: the folder is another one than the one that is
/// watched, as on a share. The scan is the truth.
#[test]
fn what_no_event_tells_of_is_taken_all_the_same() {
    let mut room = room(tempfile::tempdir().unwrap());
    refuses(&mut room);
    let drop = room.data().join("drop");
    std::fs::create_dir_all(&drop).unwrap();
    std::fs::write(drop.join("before.nii.gz"), b"before").unwrap();
    room.start_station(None);
    let taken = |room: &Room, n: usize| {
        wait("taken", SOON, || (room.jobs()?.len() == n).then_some(()));
    };
    taken(&room, 1);
    std::fs::remove_dir_all(&drop).unwrap();
    std::fs::create_dir(&drop).unwrap();
    std::fs::write(drop.join("after.nii.gz"), b"after").unwrap();
    taken(&room, 2);
}

/// Pieces that overlap, one file of them cut as a copy leaves it; ends that are missing; texts of the scanner that tell
/// whose scan it is.
#[test]
fn pieces_are_read_as_one_and_what_is_missing_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let files = slices(&phantom(dir.path(), 6, "dicom"));
    let read = |folder: &Path| intake::read(folder, &Limits::default());
    let at = |name: &str| dir.path().join(name);
    let names = |study: &intake::Study| -> Vec<String> {
        study.findings.iter().map(|f| f.name.clone()).collect()
    };

    let half = files.len() / 2;
    copy(&files[..half + 5], &at("work/input"));
    copy(&files[half..], &at("work/input-2"));
    let cut = std::fs::read(&files[half + 7]).unwrap();
    std::fs::write(at("work/input/cut.dcm"), &cut[..cut.len() / 3]).unwrap();
    std::fs::write(at("work/input/stub.dcm"), &cut[..700]).unwrap();
    let whole = read(&at("work")).unwrap();
    assert_eq!(whole.facts.slices, files.len());
    assert!(
        names(&whole).contains(&"came_again".into()),
        "{:?}",
        names(&whole)
    );

    // The lower part: it ends in the skull. The upper part: the numbers of the others are not there.
    copy(&files[..files.len() * 8 / 10], &at("lower"));
    match read(&at("lower")) {
        Ok(study) => assert!(names(&study).contains(&"scan_ends_in_skull".into())),
        Err(refusal) => assert!(
            refusal.to_string().contains("all slices copied"),
            "{refusal}"
        ),
    }
    copy(&files[files.len() / 10..], &at("upper"));
    let upper = read(&at("upper")).unwrap();
    let missing = upper
        .findings
        .iter()
        .find(|f| f.name == "slices_not_here")
        .unwrap();
    assert_eq!(
        missing.value,
        Some((files.len() / 10) as f64),
        "{missing:?}"
    );

    std::fs::create_dir(at("named")).unwrap();
    for file in &files {
        let mut object = dicom_object::open_file(file).unwrap();
        for (tag, vr, text) in [
            (tags::PATIENT_NAME, VR::PN, "Doe^Jane"),
            (tags::MANUFACTURER, VR::LO, "Doe, Jane"),
            (tags::MANUFACTURER_MODEL_NAME, VR::LO, "jane 64"),
            (tags::BODY_PART_EXAMINED, VR::CS, "DOE"),
        ] {
            object.put(DataElement::new(tag, vr, text));
        }
        object
            .write_to_file(at("named").join(file.file_name().unwrap()))
            .unwrap();
    }
    let named = read(&at("named")).unwrap();
    assert_eq!(named.facts.manufacturer.as_deref(), Some("other"));
    assert_eq!((named.facts.model, named.facts.body_part), (None, None));
}

/// Two people, two uploads, two cases, whatever they have in common; what is empty is refused at once. The name of a
/// drop is in no file of the station.
#[test]
fn uploads_are_never_put_together_and_names_are_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let files = [3, 4].map(|seed| slices(&phantom(dir.path(), seed, "dicom")).remove(0));
    let mut room = room(dir);
    room.start_station(None);
    wait("the page", SOON, || room.get("/healthz"));
    let address = room.address().to_owned();
    let binary = "application/octet-stream";
    let form = "multipart/form-data; boundary=B";
    let part = |name: &str, bytes: &str| {
        format!(
            "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{name}\"\r\n\r\n{bytes}\r\n"
        )
    };
    let bodies = [
        (binary, String::new()),
        (form, format!("{}--B--\r\n", part("", ""))),
        (
            form,
            format!("{}{}--B--\r\n", part("a.dcm", "x"), part("b.dcm", "")),
        ),
        (form, "--B--\r\n".into()),
    ];
    for (kind, body) in &bodies {
        let (status, said) = post(&address, "/api/v1/drop?name=a.dcm", kind, body.as_bytes());
        assert_eq!(status, 400, "{body}: {said}");
        assert!(
            said["error"]["do"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        let (status, said) = post(&address, "/api/v1/drop?name=scan.dcm", binary, &bytes);
        assert_eq!(status, 200, "{said}");
    }
    copy(&files[..1], &room.data().join("drop/DOE^JANE"));
    let jobs = wait("the cases", SOON, || {
        let jobs = room.jobs()?;
        let over = jobs.iter().all(|job| job.state.word() == "refused");
        let empty = std::fs::read_dir(room.data().join("drop"))
            .unwrap()
            .next()
            .is_none();
        (over && empty && jobs.len() > 1).then_some(jobs)
    });
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    assert!(
        jobs.iter()
            .all(|job| !job.reason.contains("different patients"))
    );
    for entry in std::fs::read_dir(room.data()).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("store.db") {
            let bytes = std::fs::read(entry.path()).unwrap();
            let named = bytes.windows(8).any(|at| at == b"DOE^JANE");
            assert!(!named, "{:?}", entry.file_name());
        }
    }
}
