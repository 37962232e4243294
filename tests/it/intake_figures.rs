//! Reading in figures, beside the peers of the field. By command, alone on the machine:
//!
//! ```sh
//! SERIES=FOLDER cargo test --release --test it intake_figures -- --ignored --nocapture --test-threads=1
//! ```
//!
//! `SERIES` is a folder of one CT series, e.g. the 400 slices of 512 x 512 that `benches/node.py --slices FOLDER` makes. Each of
//! its forms is read: as it lies there, and, where GDCM's `gdcmconv` is installed, as JPEG lossless and JPEG 2000.

use calvaria::intake::{self, Limits};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// User and system time of this process and of its children that have ended, s.
fn cpu_s() -> (f64, f64) {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap() / 100.0;
    (ticks(11) + ticks(12), ticks(13) + ticks(14))
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:"))
        .unwrap();
    line.split_whitespace()
        .next()
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1024
}

/// CPU time and wall time of a program; `None` where it is not installed.
fn peer(program: &str, arguments: &[&str], input: &Path, out: &Path) -> Option<(f64, f64)> {
    let (before, began) = (cpu_s().1, Instant::now());
    let done = Command::new(program)
        .args(arguments)
        .arg(out)
        .arg(input)
        .output()
        .ok()?;
    assert!(done.status.success(), "{program}: {done:?}");
    Some((cpu_s().1 - before, began.elapsed().as_secs_f64()))
}

fn form(name: &str, folder: &Path) {
    let limits = Limits {
        head: false,
        ..Limits::default()
    };
    let (mut ours, mut theirs) = (f64::MAX, f64::MAX);
    for _ in 0..3 {
        let (before, began) = (cpu_s().0, Instant::now());
        let study = intake::read(folder, &limits).unwrap();
        let took_s = cpu_s().0 - before;
        ours = ours.min(took_s);
        let volume_mib = (study.ct.data().len() * 2) >> 20;
        println!(
            "{name}: read in {took_s:.2} s of CPU, {:.2} s; {volume_mib} MiB, peak so far {} MiB",
            began.elapsed().as_secs_f64(),
            peak_mib()
        );
        drop(study);
        let out = tempfile::tempdir().unwrap();
        match peer("dcm2niix", &["-z", "n", "-o"], folder, out.path()) {
            Some((cpu, wall)) => {
                theirs = theirs.min(cpu);
                println!("{name}: dcm2niix {cpu:.2} s of CPU, {wall:.2} s");
            }
            None => println!("{name}: dcm2niix is not installed"),
        }
    }
    println!("{name}: ratio of the best {:.2}", ours / theirs);
}

#[test]
#[ignore = "a figure; the command is at the top of this file"]
fn a_large_series_is_read() {
    let folder = PathBuf::from(std::env::var_os("SERIES").expect("SERIES=FOLDER"));
    form("explicit little endian", &folder);
    for (name, option) in [("JPEG lossless", "--jpeg"), ("JPEG 2000", "--j2k")] {
        let packed = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(&folder).unwrap() {
            let file = file.unwrap().path();
            let out = packed.path().join(file.file_name().unwrap());
            let done = Command::new("gdcmconv")
                .arg(option)
                .arg(&file)
                .arg(&out)
                .output();
            if done.is_err() {
                println!("{name}: gdcmconv is not installed");
                return;
            }
        }
        form(name, packed.path());
    }
}
