//! Copies: a scan is copied into the drop folder in a thousand ways, and ends as one case, whole, or as a refusal that
//! names what is missing.
//!
//! Real: the drop folder's scan, the look at the files, the store, the folders, the steps and the reading of the scan.
//! Played: the clock of the drop folder, and the designer, which only reads.
//!
//! `CALVARIA_COPIES=1000 cargo test --lib copies` runs as many; `CALVARIA_SEED=N` begins with another.

use super::design::Work;
use super::{Engine, Input};
use crate::intake::drop::{Arrivals, DropFolder};
use crate::intake::{self, Limits};
use crate::phantom::dicom;
use crate::space::{Map, Point, Vector};
use crate::station::config::{Config, Privacy};
use crate::station::link::{Link, Order};
use crate::station::step::Event;
use crate::station::supervise::{Designer, DesignerSays, Ended};
use crate::station::{Release, Settings};
use crate::status::{
    DesignOutcome, DesignSummary, DesignerLine, JobState, Progress, Reason, Reply, Side, Snapshot,
    Stage,
};
use crate::volume::{Hu, Volume};
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

const SLICES: usize = 24;
const QUIET_MS: u64 = 10_000;
const SCAN_MS: u64 = 5_000;

struct NoLink;

impl Link for NoLink {
    fn order(&self, _: Order) {}
    fn emergency_stop(&self) -> Reply {
        Ok(())
    }
}

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

/// One act of somebody who copies.
#[derive(Clone)]
enum Act {
    /// A folder in which a program then works, wherever the folder is moved to.
    Enter(PathBuf),
    /// Into the entered folder.
    Inside(String, Vec<u8>),
    /// A whole file, its folder made anew if it went.
    Whole(PathBuf, Vec<u8>),
    /// The beginning of a file that stays open.
    Begin(PathBuf, Vec<u8>),
    /// The rest of it.
    Rest(Vec<u8>),
    Rename(PathBuf, PathBuf),
    Link(PathBuf),
    Remove(PathBuf),
}

/// The acts of one copy and their times, ms.
struct Copier {
    acts: Vec<(u64, Act)>,
    entered: Option<File>,
    open: Option<File>,
}

impl Copier {
    fn act(&mut self, act: Act) {
        match act {
            Act::Enter(path) => {
                fs::create_dir_all(&path).unwrap();
                self.entered = Some(File::open(path).unwrap());
            }
            Act::Inside(name, bytes) => {
                let folder = self.entered.as_ref().unwrap().as_raw_fd();
                // Written as one thing: beside, under a hidden name, then renamed.
                let at = |name: &str| PathBuf::from(format!("/proc/self/fd/{folder}/{name}"));
                let beside = format!(".{name}.Xq3");
                if fs::write(at(&beside), bytes).is_ok() {
                    fs::rename(at(&beside), at(&name)).unwrap();
                }
            }
            Act::Whole(path, bytes) => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
            Act::Begin(path, bytes) => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                let mut file = File::create(path).unwrap();
                file.write_all(&bytes).unwrap();
                self.open = Some(file);
            }
            Act::Rest(bytes) => self.open.take().unwrap().write_all(&bytes).unwrap(),
            Act::Rename(from, to) => {
                // What was gathered meanwhile is not there any more, as the program then says.
                if from.exists() {
                    fs::create_dir_all(to.parent().unwrap()).unwrap();
                    // As `mv` does: into a folder that is there.
                    let to = if to.is_dir() { to.join("scan") } else { to };
                    fs::rename(from, to).unwrap();
                }
            }
            Act::Link(path) => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                let _ = std::os::unix::fs::symlink("/etc/hostname", path);
            }
            Act::Remove(path) => {
                let _ = fs::remove_dir_all(path);
            }
        }
    }
}

/// Draws ways to copy.
struct Ways<'a> {
    random: ChaCha8Rng,
    drop: &'a Path,
    outside: &'a Path,
    names: usize,
}

impl Ways<'_> {
    fn odds(&mut self, of_100: u32) -> bool {
        self.random.random_ratio(of_100, 100)
    }

    fn pause(&mut self) -> u64 {
        if self.odds(8) {
            self.random.random_range(QUIET_MS..8 * QUIET_MS)
        } else {
            self.random.random_range(1..400)
        }
    }

    /// A folder name that nobody used.
    fn folder(&mut self) -> PathBuf {
        self.names += 1;
        let tail = ["", "/series", "/a/b"][self.random.random_range(0..3)];
        self.drop.join(format!("DOE^JANE-{}{tail}", self.names))
    }

    /// One copy of a scan from `start` on, in a way of its own; says whether what is cut may stay a case.
    fn copy(&mut self, files: &BTreeMap<String, Vec<u8>>, start: u64) -> (Copier, &'static str) {
        let way = self.random.random_range(0..8);
        let mut files: Vec<(String, Vec<u8>)> = files.clone().into_iter().collect();
        match self.random.random_range(0..3) {
            0 => files.reverse(),
            1 => files.shuffle(&mut self.random),
            _ => {}
        }
        if self.odds(30) {
            // Names that tell nothing, as archives give them.
            for (n, (name, _)) in files.iter_mut().enumerate() {
                *name = format!("{}{n:03}", ["IM", "slice", "x"][n % 3]);
            }
        }
        let (mut acts, mut at) = (Vec::new(), start);
        let folder = self.folder();
        if self.odds(20) {
            acts.push((at, Act::Link(folder.join("link"))));
        }
        let word = match way {
            0 | 1 => {
                for (name, bytes) in files {
                    at += self.pause();
                    self.file(&mut acts, &mut at, folder.join(name), bytes);
                }
                "folder"
            }
            2 => {
                // Flat; two people's files may have the same names.
                self.names += 1;
                let flat = format!("{:02}", self.names);
                for (name, bytes) in files {
                    at += self.pause();
                    let path = self.drop.join(format!("{flat}{name}"));
                    self.file(&mut acts, &mut at, path, bytes);
                }
                "flat"
            }
            3 => {
                let bytes = zipped(&files.into_iter().collect());
                self.names += 1;
                let path = self.drop.join(format!("{}.zip", self.names));
                let cut = self.random.random_range(1..bytes.len());
                acts.push((at, Act::Begin(path, bytes[..cut].into())));
                at += self.pause();
                acts.push((at, Act::Rest(bytes[cut..].into())));
                "zip"
            }
            4 => {
                acts.push((at, Act::Enter(folder)));
                for (name, bytes) in files {
                    at += self.pause();
                    acts.push((at, Act::Inside(name, bytes)));
                }
                "rsync"
            }
            5 => {
                let outside = self.outside.join(format!("{}", self.names));
                for (name, bytes) in files {
                    acts.push((at, Act::Whole(outside.join(name), bytes)));
                }
                at += self.pause();
                acts.push((at, Act::Rename(outside, folder)));
                "mv"
            }
            6 => {
                // It dies, leaves a cut file, and is begun anew under the same or another name.
                let died = self.random.random_range(0..files.len());
                for (name, bytes) in &files[..died] {
                    at += self.pause();
                    acts.push((at, Act::Whole(folder.join(name), bytes.clone())));
                }
                let (name, bytes) = &files[died];
                let cut = self.random.random_range(1..bytes.len());
                acts.push((at, Act::Whole(folder.join(name), bytes[..cut].into())));
                at += self.random.random_range(1..6 * QUIET_MS);
                let anew = match self.random.random_range(0..3) {
                    0 => self.folder(),
                    1 => {
                        acts.push((at, Act::Remove(folder.clone())));
                        folder
                    }
                    _ => folder,
                };
                for (name, bytes) in files {
                    at += self.pause();
                    acts.push((at, Act::Whole(anew.join(name), bytes)));
                }
                "anew"
            }
            _ => {
                // Two halves, in two folders or one of them flat.
                let half = self.random.random_range(1..files.len());
                let rest = files.split_off(half);
                for (name, bytes) in files {
                    at += self.pause();
                    acts.push((at, Act::Whole(folder.join(name), bytes)));
                }
                at += self.random.random_range(1..6 * QUIET_MS);
                let other = if self.odds(50) {
                    self.folder()
                } else {
                    self.drop.into()
                };
                self.names += 1;
                let flat = self.names;
                for (name, bytes) in rest {
                    at += self.pause();
                    acts.push((at, Act::Whole(other.join(format!("{flat}-{name}")), bytes)));
                }
                "halves"
            }
        };
        let copier = Copier {
            acts,
            entered: None,
            open: None,
        };
        (copier, word)
    }

    /// One file: at once, in two parts, or under a name that says it is not finished.
    fn file(&mut self, acts: &mut Vec<(u64, Act)>, at: &mut u64, path: PathBuf, bytes: Vec<u8>) {
        match self.random.random_range(0..10) {
            0 => {
                let cut = self.random.random_range(0..bytes.len());
                acts.push((*at, Act::Begin(path, bytes[..cut].into())));
                *at += self.pause();
                acts.push((*at, Act::Rest(bytes[cut..].into())));
            }
            1 => {
                let mut part = path.as_os_str().to_owned();
                part.push(".part");
                acts.push((*at, Act::Whole(part.clone().into(), bytes)));
                *at += self.pause();
                acts.push((*at, Act::Rename(part.into(), path)));
            }
            _ => acts.push((*at, Act::Whole(path, bytes))),
        }
    }
}

/// A station with a played designer.
struct Bench {
    engine: Engine,
    _mail: mpsc::Receiver<Input>,
    arrivals: Arrivals,
    /// Slices of each design.
    designed: BTreeMap<String, usize>,
}

impl Bench {
    fn open(data: &Path, drop: &Path) -> Self {
        Self::with(data, drop, Privacy::Case)
    }

    fn with(data: &Path, drop: &Path, privacy: Privacy) -> Self {
        let mut config = Config {
            data: data.into(),
            privacy,
            ..Config::default()
        };
        config.drop.folder = drop.into();
        let settings = Settings {
            program: "nothing".into(),
            clock: Arc::new(jiff::Zoned::now),
            seed: 7,
            monotonic: Arc::new(std::time::Instant::now),
            address: Arc::new(String::new),
            attention: Vec::new(),
        };
        let (mail, inbox) = mpsc::channel();
        let (out, _) = tokio::sync::watch::channel(Arc::new(Snapshot::default()));
        let mut engine = Engine::new(config, settings, Arc::new(NoLink), mail, out).unwrap();
        engine.launch = |_, _| Ok(Designer::idle());
        engine.recover().unwrap();
        let folder = DropFolder::new(drop, Duration::from_millis(QUIET_MS));
        Self {
            engine,
            _mail: inbox,
            arrivals: Arrivals::new(folder),
            designed: BTreeMap::new(),
        }
    }

    fn scan(&mut self, now_ms: u64) {
        let limits = limits();
        let engine = &mut self.engine;
        self.arrivals
            .scan(
                now_ms,
                |path| intake::look(path, &limits),
                |name, look| engine.take(name, look),
            )
            .unwrap();
        self.engine.look_at_all();
    }

    /// Begins the next design, or ends the one at work.
    fn work(&mut self) {
        match self
            .engine
            .work
            .as_ref()
            .map(|Work { run, code, .. }| (*run, code.clone()))
        {
            None => self.engine.start_next(),
            Some((run, code)) => self.design(run, &code),
        }
    }

    fn design(&mut self, run: u64, code: &str) {
        let input = self.engine.folders.input(code).unwrap();
        let outcome = match intake::read(&input, &limits()) {
            Ok(study) => {
                let slices = study.facts.slices;
                self.designed.insert(code.into(), slices);
                let progress = Progress {
                    stage: Stage::Skull,
                    fraction: 0.0,
                    text: String::new(),
                };
                let line = |line| DesignerSays::Line(line);
                self.engine
                    .hear_designer(run, line(DesignerLine::Progress(progress)));
                for finding in study.findings {
                    self.engine
                        .hear_designer(run, line(DesignerLine::Finding(finding)));
                }
                DesignOutcome::Designed(DesignSummary {
                    gcode_sha256: format!("{slices:064x}"),
                    side: Side::Left,
                    place: String::new(),
                    print_s: 1.0,
                    filament_g: 1.0,
                    layers: 1,
                    weights: String::new(),
                    material: "pla".into(),
                    profile: "virtual".into(),
                    profile_sha256: String::new(),
                })
            }
            Err(refusal) => DesignOutcome::Refused(Reason::new(refusal.to_string(), "")),
        };
        self.engine
            .hear_designer(run, DesignerSays::Ended(Ended::Said(outcome)));
    }

    /// Prints whatever may be released.
    fn release(&mut self) -> Vec<String> {
        let mut printed = Vec::new();
        for job in self.engine.store.all().unwrap() {
            if job.state != JobState::AwaitingRelease
                || self.engine.nothing_more_came(&job.code).is_err()
            {
                continue;
            }
            let release = Release {
                operator: "weber".into(),
                sha256: job.design.unwrap().gcode_sha256,
                second: String::new(),
                spool: "x".into(),
                material_by: String::new(),
                side: Side::Left,
            };
            self.engine
                .apply(&job.code, &Event::Released(release), "weber");
            self.engine.apply(&job.code, &Event::LinkPrinted, "link");
            printed.push(job.code);
        }
        printed
    }
}

fn limits() -> Limits {
    Limits {
        head: false,
        ..Limits::default()
    }
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
