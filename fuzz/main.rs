//! Fuzz: the doors for untrusted bytes, with inputs that are mutated from sound ones.
//!
//! A short seeded run is part of `cargo test`. A long one, resumable by its range:
//!
//! ```sh
//! CALVARIA_FUZZ=0..1000000 cargo test --test fuzz -- --nocapture            # every door
//! CALVARIA_FUZZ=0..1000000 cargo test --test fuzz nifti -- --nocapture      # one
//! ```
//!
//! Input n of a door is drawn from n alone, so that a number replays it. A panic, an input that takes longer than
//! [`LONGEST`], or memory beyond [`MEMORY_MIB`] fails; the input is left as `target/fuzz-DOOR-N`. What was found and mended
//! lies in `fuzz/regressions/DOOR` and is tried first, each time. Mutations know nothing of formats and are not guided by
//! coverage: the build of a coverage-guided fuzzer needs a nightly compiler.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may; figures are printed"
)]

use calvaria::gcode::{self, Printer};
use calvaria::intake::{self, dicom, metaimage, nifti, nrrd};
use calvaria::printer::reply::Scanner;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

mod seeds;

/// Inputs of each door in every test run.
const SHORT: u64 = 3_000;
/// No input may take longer, in an unoptimised build beside other work.
const LONGEST: Duration = Duration::from_secs(20);
/// Resident memory that no run may pass, MiB.
const MEMORY_MIB: u64 = 2_048;
/// Longest input.
const BYTES_MAX: usize = 256 * 1024;

/// Bytes that readers stumble over.
const ODD: [u8; 8] = [0, 1, 0x0a, 0x20, 0x7f, 0x80, 0xfe, 0xff];

/// Input `n`: a seed, or two joined, changed in a few places.
fn input(n: u64, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(n);
    let any = |rng: &mut ChaCha8Rng| seeds[rng.random_range(0..seeds.len())].clone();
    let mut bytes = any(&mut rng);
    if rng.random_ratio(1, 10) {
        let other = any(&mut rng);
        let (a, b) = (cut(&mut rng, bytes.len()), cut(&mut rng, other.len()));
        bytes.truncate(a);
        bytes.extend_from_slice(&other[b..]);
    }
    for _ in 0..rng.random_range(0..9) {
        change(&mut bytes, &mut rng);
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

/// A place in so many bytes; headers come first, and more often.
fn cut(rng: &mut ChaCha8Rng, length: usize) -> usize {
    let within = if rng.random_ratio(2, 3) {
        length.min(600)
    } else {
        length
    };
    rng.random_range(0..=within)
}

fn change(bytes: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    let at = cut(rng, bytes.len());
    let length = rng.random_range(1..=16).min(bytes.len() - at);
    match rng.random_range(0..9) {
        0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
        1 if at < bytes.len() => bytes[at] = ODD[rng.random_range(0..ODD.len())],
        2 if at < bytes.len() => bytes[at] = rng.random(),
        // A length or a count, of 2 or 4 bytes, either way round.
        3 if at + 4 <= bytes.len() => {
            let odd = [
                0,
                1,
                0xff,
                0x7fff,
                0xffff,
                0x7fff_ffff,
                0xffff_fffe,
                u32::MAX,
            ];
            let value = odd[rng.random_range(0..odd.len())];
            let value = if rng.random() {
                value.to_le_bytes()
            } else {
                value.to_be_bytes()
            };
            let width = if rng.random() { 2 } else { 4 };
            bytes[at..at + width].copy_from_slice(&value[..width]);
        }
        4 => bytes.truncate(at),
        5 => {
            bytes.drain(at..at + length);
        }
        6 => {
            let piece = bytes[at..at + length].to_vec();
            let to = cut(rng, bytes.len());
            bytes.splice(to..to, piece);
        }
        7 => {
            let mut piece = vec![0; rng.random_range(1..=8)];
            rng.fill_bytes(&mut piece);
            bytes.splice(at..at, piece);
        }
        // A digit becomes another: numbers in texts.
        _ => {
            if let Some(digit) = bytes[at..].iter_mut().find(|b| b.is_ascii_digit()) {
                *digit = b'0' + rng.random_range(0..10);
            }
        }
    }
}

/// Which inputs are tried.
fn range() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("CALVARIA_FUZZ") else {
        return 0..SHORT;
    };
    let (from, to) = text.split_once("..").expect("CALVARIA_FUZZ=FROM..TO");
    from.parse().unwrap()..to.parse().unwrap()
}

/// Most memory that this process had, MiB.
fn memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// What became of one input: `true` where the door took it.
type Door<'a> = &'a dyn Fn(&[u8]) -> bool;

fn fuzz(name: &str, seeds: &[Vec<u8>], door: Door<'_>) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let regressions = here.join("fuzz/regressions").join(name);
    for file in std::fs::read_dir(regressions).into_iter().flatten() {
        let path = file.unwrap().path();
        tried(
            &path.display().to_string(),
            &std::fs::read(&path).unwrap(),
            door,
        );
    }
    let sound = seeds.iter().filter(|seed| door(seed)).count();
    let (mut taken, mut longest) = (0_u64, Duration::ZERO);
    let range = range();
    let count = range.end - range.start;
    for n in range {
        let bytes = input(n, seeds);
        let began = Instant::now();
        taken += u64::from(tried(&format!("{name}-{n}"), &bytes, door));
        longest = longest.max(began.elapsed());
        assert!(longest < LONGEST, "{name}: input {n} took {longest:?}");
    }
    let memory = memory_mib();
    println!(
        "{name}: {count} inputs of {} seeds ({sound} of them sound), {taken} taken, longest {:.0} ms, {memory} MiB at most",
        seeds.len(),
        longest.as_secs_f64() * 1e3
    );
    assert!(memory < MEMORY_MIB, "{name}: {memory} MiB");
    // Rotten seeds would leave most of a door untried.
    assert!(sound * 4 >= seeds.len(), "{name}: {sound} sound seeds");
    assert!(taken * 50 >= count, "{name}: only {taken} taken");
}

fn tried(what: &str, bytes: &[u8], door: Door<'_>) -> bool {
    match catch_unwind(AssertUnwindSafe(|| door(bytes))) {
        Ok(taken) => taken,
        Err(_) => {
            let name = what.rsplit('/').next().unwrap_or(what);
            let left = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("target/fuzz-{name}"));
            let _ = std::fs::write(&left, bytes);
            panic!("{what}: it panics; the input is {}", left.display());
        }
    }
}

/// Bounds of a small box: what is refused by them is refused before room is made.
fn limits() -> intake::Limits {
    intake::Limits {
        voxels: 1 << 22,
        ..intake::Limits::default()
    }
}

#[test]
fn dicom_door() {
    let limits = limits();
    fuzz("dicom", &seeds::dicom(), &|b| {
        dicom::door(b, &limits).is_ok()
    });
}

/// The beginning of a data set, as the node looks at it.
#[test]
fn label_door() {
    let limits = limits();
    fuzz("label", &seeds::data_sets(), &|bytes| {
        dicom::label(bytes, "1.2.840.10008.1.2.1", &limits).is_ok()
    });
}

#[test]
fn nifti_door() {
    let limits = limits();
    fuzz("nifti", &seeds::nifti(), &|b| {
        nifti::door(b, &limits).is_ok()
    });
}

#[test]
fn nrrd_door() {
    let limits = limits();
    fuzz("nrrd", &seeds::nrrd(), &|b| nrrd::door(b, &limits).is_ok());
}

#[test]
fn metaimage_door() {
    let limits = limits();
    fuzz("metaimage", &seeds::metaimage(), &|b| {
        metaimage::door(b, &limits).is_ok()
    });
}

/// Archives are read from files.
#[test]
fn archive_door() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("archive");
    let limits = limits();
    fuzz("archive", &seeds::archives(), &|bytes| {
        std::fs::File::create(&path)
            .and_then(|mut file| file.write_all(bytes))
            .unwrap();
        match intake::read(&path, &limits) {
            Ok(_) => true,
            // It was opened: what was in it is no head.
            Err(refusal) => !matches!(refusal.code(), "archive" | "unreadable" | "unknown"),
        }
    });
}

#[test]
fn pdu_door() {
    fuzz("pdu", &seeds::pdus(), &|b| calvaria::node::door(b));
}

#[test]
fn gcode_door() {
    let printer = Printer::load("virtual").unwrap();
    fuzz("gcode", &seeds::gcode(), &|bytes| {
        gcode::check(bytes, &printer).is_ok()
    });
}

#[test]
fn reply_door() {
    fuzz("reply", &seeds::replies(), &|bytes| {
        let mut scanner = Scanner::default();
        let mut lines = 0;
        for piece in bytes.chunks(7) {
            scanner.feed(piece, |_| lines += 1);
        }
        lines > 0
    });
}
