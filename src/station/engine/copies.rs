//! Copies: a scan is copied into the drop folder in a thousand ways, and ends as one case, whole, or as a refusal that
//! names what is missing.
//!
//! Real: the drop folder's scan, the look at the files, the store, the folders, the steps and the reading of the scan.
//! Played: the clock of the drop folder, and the designer, which only reads.
//!
//! `CALVARIA_COPIES=1000 cargo test --lib copies` runs as many; `CALVARIA_SEED=N` begins with another.
mod bench;
mod kept;
mod ways;

use super::{Engine, Input};
use crate::phantom::dicom;
use crate::space::{Map, Point, Vector};
use crate::station::config::Privacy;
use crate::station::step::Event;
use crate::status::JobState;
use crate::volume::{Hu, Volume};
use bench::Bench;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use ways::Ways;

const SLICES: usize = 24;
const QUIET_MS: u64 = 10_000;
const SCAN_MS: u64 = 5_000;

/// Files of a small scan by name.
fn scan(folder: &Path, name: &str) -> BTreeMap<String, Vec<u8>> {
    let shape = [8, 8, SLICES];
    let value = |n: usize| Hu(if n.is_multiple_of(7) { 900 } else { -1000 } + (n % 91) as i16);
    let data = (0..shape.iter().product()).map(value).collect();
    let columns = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(Vector::new);
    let map = Map::from_columns(columns, Point::new([0.0; 3]));
    let folder = folder.join(name);
    dicom::write(&folder, &Volume::new(shape, data, map).unwrap(), name).unwrap();
    let files = fs::read_dir(&folder).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read(path).unwrap())
    });
    files.collect()
}

fn zipped(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// One run: one or two people's scans, each copied once or twice.
fn run(seed: u64, scans: &[BTreeMap<String, Vec<u8>>; 2]) {
    let dir = tempfile::tempdir().unwrap();
    let [data, drop, outside] = ["data", "drop", "outside"].map(|name| dir.path().join(name));
    fs::create_dir(&drop).unwrap();
    let mut ways = Ways {
        random: ChaCha8Rng::seed_from_u64(seed),
        drop: &drop,
        outside: &outside,
        names: 0,
    };
    let people = if ways.odds(40) { 2 } else { 1 };
    let (mut copiers, mut words) = (Vec::new(), Vec::new());
    for files in &scans[..people] {
        let copies = if ways.odds(20) { 2 } else { 1 };
        for _ in 0..copies {
            let start = ways.random.random_range(0..3 * QUIET_MS);
            let (copier, word) = ways.copy(files, start);
            copiers.push(copier);
            words.push(word);
        }
    }
    let ends = copiers
        .iter()
        .filter_map(|c| c.acts.last())
        .map(|(at, _)| *at);
    let end = ends.max().unwrap();
    // The longest wait for a file that never gets finished, twice over.
    let all = end + 70 * QUIET_MS;
    let kill = ways
        .odds(30)
        .then(|| ways.random.random_range(0..end + 5 * QUIET_MS));
    let release = ways
        .odds(20)
        .then(|| ways.random.random_range(0..end + 5 * QUIET_MS));
    let told = format!("seed {seed}: {words:?}, kill {kill:?}, release {release:?}");

    let mut bench = Bench::open(&data, &drop);
    let mut printed = Vec::new();
    let mut now = 0;
    let mut next = vec![0; copiers.len()];
    while now < all {
        now += SCAN_MS;
        for (copier, next) in copiers.iter_mut().zip(&mut next) {
            while let Some((_, act)) = copier.acts.get(*next).filter(|(at, _)| *at <= now) {
                let act = act.clone();
                copier.act(act);
                *next += 1;
            }
        }
        if kill.is_some_and(|at| (now - SCAN_MS..now).contains(&at)) {
            let designed = std::mem::take(&mut bench.designed);
            std::mem::drop(bench);
            bench = Bench::open(&data, &drop);
            bench.designed = designed;
        }
        bench.scan(now);
        bench.work();
        if release.is_some_and(|at| (now - SCAN_MS..now).contains(&at)) {
            printed = bench.release();
        }
        if now > end
            && next.iter().zip(&copiers).all(|(n, c)| *n == c.acts.len())
            && idle(&bench, &drop)
        {
            break;
        }
    }
    for _ in 0..6 {
        bench.scan(now);
        bench.work();
    }
    judge(&bench, &printed, people, &told);
    nothing_lost(dir.path(), &scans[..people], &told);
}

/// Nothing lies in the drop folder, nothing is in work.
fn idle(bench: &Bench, drop: &Path) -> bool {
    let is_left = |entry: fs::DirEntry| entry.file_type().is_ok_and(|t| !t.is_symlink());
    let left = fs::read_dir(drop).unwrap().flatten().any(is_left);
    !left && bench.engine.work.is_none() && bench.engine.store.next_received().unwrap().is_none()
}

/// One whole case for each person; another is a print that came before the rest did, or a refusal that says why.
fn judge(bench: &Bench, printed: &[String], people: usize, told: &str) {
    let jobs = bench.engine.store.all().unwrap();
    let mut whole = 0;
    let said: Vec<String> = jobs
        .iter()
        .map(|job| {
            let findings = bench.engine.store.findings(&job.code).unwrap();
            let names: Vec<String> = findings.into_iter().map(|f| f.name).collect();
            let slices = bench.designed.get(&job.code);
            format!(
                "{} {:?} {slices:?} {} {names:?}",
                job.code, job.state, job.reason.text
            )
        })
        .collect();
    let told = format!("{told}\n{}", said.join("\n"));
    for job in &jobs {
        let findings = bench.engine.store.findings(&job.code).unwrap();
        let finds = |name: &str| findings.iter().any(|f| f.name == name);
        match job.state {
            JobState::AwaitingRelease => {
                assert_eq!(bench.designed[&job.code], SLICES, "{told}");
                whole += usize::from(!finds("follows"));
            }
            JobState::Printed => {
                let slices = bench.designed[&job.code];
                if slices == SLICES {
                    whole += 1;
                } else {
                    assert!(finds("more_came") || finds("grew_later"), "{told}");
                    whole += usize::from(finds("more_came"));
                }
            }
            JobState::Refused => {
                let names = [
                    "archive",
                    "could not be read",
                    "unreadable",
                    "No image",
                    "missing",
                ];
                let says = names.iter().any(|word| job.reason.text.contains(word));
                assert!(says, "{told}");
            }
            state => panic!("{state:?}: {told}"),
        }
    }
    let grew = printed.iter().any(|code| {
        let findings = bench.engine.store.findings(code).unwrap();
        findings.iter().any(|f| f.name == "grew_later")
    });
    assert!(whole == people || grew, "{whole} whole cases: {told}");
    let open = jobs
        .iter()
        .filter(|j| j.state == JobState::AwaitingRelease)
        .count();
    assert!(open <= people, "{told}");
}

/// Every slice is still somewhere.
fn nothing_lost(root: &Path, scans: &[BTreeMap<String, Vec<u8>>], told: &str) {
    let (mut open, mut found) = (vec![root.to_path_buf()], BTreeSet::new());
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap() {
                t if t.is_dir() => open.push(entry.path()),
                t if t.is_file() => {
                    found.insert(fs::read(entry.path()).unwrap());
                }
                _ => {}
            }
        }
    }
    for files in scans {
        let zip = found.contains(&zipped(files));
        let lost = files
            .values()
            .filter(|bytes| !found.contains(*bytes))
            .count();
        assert!(
            zip || lost == 0 || lost_in_zip(&found),
            "{lost} slices lost: {told}"
        );
    }
}

/// Slices of a shuffled or renamed archive are in it, and not beside it.
fn lost_in_zip(found: &BTreeSet<Vec<u8>>) -> bool {
    found.iter().any(|bytes| bytes.starts_with(b"PK"))
}

#[test]
fn a_scan_copied_in_any_way_is_one_case_whole_or_a_refusal_that_names_what_is_missing() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap())
    };
    let first = number("CALVARIA_SEED", 1);
    let dir = tempfile::tempdir().unwrap();
    let scans = ["ANNA", "BEA"].map(|name| scan(dir.path(), name));
    let failed: Vec<u64> = (first..first + number("CALVARIA_COPIES", 20))
        .filter(|&seed| std::panic::catch_unwind(|| run(seed, &scans)).is_err())
        .collect();
    assert!(failed.is_empty(), "seeds {failed:?}");
}

/// Two people's slices in one folder are refused, and neither of them is shut out by that.
#[test]
fn a_folder_of_two_people_is_nobodys_piece_and_each_of_them_is_taken_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let [data, drop] = ["data", "drop"].map(|name| dir.path().join(name));
    let scans = ["ANNA", "BEA"].map(|name| scan(dir.path(), name));
    let copy = |folder: &str, of: &[(usize, usize)]| {
        let folder = drop.join(folder);
        fs::create_dir_all(&folder).unwrap();
        for &(person, count) in of {
            for (name, bytes) in scans[person].iter().take(count) {
                fs::write(folder.join(format!("{person}-{name}")), bytes).unwrap();
            }
        }
    };
    fs::create_dir(&drop).unwrap();
    let mut bench = Bench::open(&data, &drop);
    let mut now = 0;
    let mut settle = |bench: &mut Bench| {
        for _ in 0..20 {
            now += SCAN_MS;
            bench.scan(now);
            bench.work();
        }
        let jobs = bench.engine.store.all().unwrap();
        jobs.iter().map(|j| j.state).collect::<Vec<_>>()
    };
    use JobState::{AwaitingRelease, Refused};
    copy("mixed", &[(0, SLICES), (1, SLICES)]);
    assert_eq!(settle(&mut bench), [Refused]);
    copy("anna", &[(0, SLICES)]);
    copy("bea", &[(1, SLICES)]);
    assert_eq!(
        settle(&mut bench),
        [Refused, AwaitingRelease, AwaitingRelease]
    );
    // A slice of each does not join either one's case.
    copy("again", &[(0, 1), (1, 1)]);
    let states = settle(&mut bench);
    assert_eq!(states, [Refused, AwaitingRelease, AwaitingRelease, Refused]);
    for job in &bench.engine.store.all().unwrap()[1..3] {
        assert_eq!(bench.designed[&job.code], SLICES);
    }
}

/// While something is being copied nobody knows whose it is: it may be the rest of what is to be released.
#[test]
fn nothing_is_released_while_a_scan_arrives() {
    let dir = tempfile::tempdir().unwrap();
    let [data, drop] = ["data", "drop"].map(|name| dir.path().join(name));
    let files = scan(dir.path(), "ANNA");
    let copy = |folder: &str, from: usize, to: usize| {
        fs::create_dir_all(drop.join(folder)).unwrap();
        for (name, bytes) in files.iter().take(to).skip(from) {
            fs::write(drop.join(folder).join(name), bytes).unwrap();
        }
    };
    copy("first", 0, SLICES - 4);
    let mut bench = Bench::open(&data, &drop);
    for n in 1..20 {
        bench.scan(n * SCAN_MS);
        bench.work();
    }
    let code = bench.engine.store.all().unwrap()[0].code.clone();
    assert_eq!(bench.engine.nothing_more_came(&code), Ok(()));
    for (n, slice) in (SLICES - 4..SLICES).enumerate() {
        copy("more", slice, slice + 1);
        bench.scan((20 + n as u64) * SCAN_MS);
        let refused = bench.engine.nothing_more_came(&code).unwrap_err();
        assert_eq!(refused.code, "scan_arriving");
    }
    for n in 24..40 {
        bench.scan(n * SCAN_MS);
        bench.work();
    }
    assert_eq!(bench.engine.nothing_more_came(&code), Ok(()));
    assert_eq!(bench.designed[&code], SLICES, "it was designed anew");
}

/// Under strict privacy what was dropped goes when its case is over, and the record says so.
#[test]
fn strict_privacy_keeps_no_originals() {
    let dir = tempfile::tempdir().unwrap();
    let [data, drop] = ["data", "drop"].map(|name| dir.path().join(name));
    for (name, bytes) in scan(dir.path(), "ANNA") {
        fs::create_dir_all(drop.join("DOE^JANE")).unwrap();
        fs::write(drop.join("DOE^JANE").join(name), bytes).unwrap();
    }
    let mut bench = Bench::with(&data, &drop, Privacy::Strict);
    for now in 0..6 {
        bench.scan(now * SCAN_MS);
        bench.work();
    }
    let code = bench.engine.store.all().unwrap()[0].code.clone();
    assert!(data.join("done").join(&code).join("input").exists());
    assert_eq!(bench.release(), std::slice::from_ref(&code));
    assert!(!data.join("done").join(&code).exists());
    let kinds = bench.engine.store.entries(&code).unwrap();
    assert!(kinds.iter().any(|e| e.kind == "originals_deleted"));
}

/// Released, stopped and back at the release it is still what was printed: more of its scan is a case of its own.
#[test]
fn what_was_released_once_takes_no_further_piece_and_is_not_designed_anew() {
    let dir = tempfile::tempdir().unwrap();
    let [data, drop] = ["data", "drop"].map(|name| dir.path().join(name));
    let files = scan(dir.path(), "ANNA");
    let copy = |folder: &Path, from: usize, to: usize| {
        fs::create_dir_all(folder).unwrap();
        for (name, bytes) in files.iter().skip(from).take(to - from) {
            fs::write(folder.join(name), bytes).unwrap();
        }
    };
    let mut now = 0;
    let mut settle = |bench: &mut Bench| {
        for _ in 0..40 {
            now += SCAN_MS;
            bench.scan(now);
            bench.work();
        }
    };
    copy(&drop.join("first"), 0, SLICES - 6);
    let mut bench = Bench::open(&data, &drop);
    settle(&mut bench);
    let first = bench.engine.store.all().unwrap()[0].clone();
    assert_eq!(first.state, JobState::AwaitingRelease);
    let code = first.code.as_str();
    bench.print_and_stop(code);
    bench.engine.apply(code, &Event::PrintAgainAsked, "weber");

    copy(&drop.join("rest"), SLICES - 6, SLICES - 2);
    settle(&mut bench);
    let jobs = bench.engine.store.all().unwrap();
    let names = |bench: &Bench, code: &str| -> Vec<String> {
        let findings = bench.engine.store.findings(code).unwrap();
        findings.into_iter().map(|f| f.name).collect()
    };
    assert_eq!(jobs.len(), 2);
    assert_eq!(
        (jobs[0].state, &jobs[0].design),
        (JobState::AwaitingRelease, &first.design)
    );
    assert!(names(&bench, code).contains(&"more_came".into()));
    assert!(names(&bench, &jobs[1].code).contains(&"follows".into()));
    assert_eq!(bench.designed[&jobs[1].code], SLICES - 2);

    // What is written on where it lies is said, and who releases it again looks once more.
    copy(
        &data.join("done").join(code).join("input"),
        SLICES - 2,
        SLICES,
    );
    let told = bench.engine.nothing_more_came(code).unwrap_err();
    assert_eq!(told.code, "changed");
    assert!(names(&bench, code).contains(&"grew_later".into()));
    assert_eq!(bench.engine.nothing_more_came(code), Ok(()));
    settle(&mut bench);
    let job = bench.engine.store.job(code).unwrap();
    assert_eq!(
        (job.state, job.design),
        (JobState::AwaitingRelease, first.design)
    );
}
