//! The systemd units: what they start exists, takes the flags they pass, and systemd has nothing to say against them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

const UNITS: [&str; 3] = [
    "calvaria.service",
    "calvaria-printer.service",
    "calvaria-node.service",
];
const INSTALLED: &str = "/usr/bin/calvaria";

/// The unit's text with this build's binary in place of the installed one.
fn with_this_binary(unit: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("systemd");
    let text = fs::read_to_string(path.join(unit)).unwrap();
    assert!(
        text.contains(INSTALLED),
        "{unit} does not start {INSTALLED}"
    );
    text.replace(INSTALLED, env!("CARGO_BIN_EXE_calvaria"))
}

#[test]
fn systemd_takes_the_units() {
    let folder = tempfile::tempdir().unwrap();
    for unit in UNITS {
        fs::write(folder.path().join(unit), with_this_binary(unit)).unwrap();
    }
    let run = Command::new("systemd-analyze")
        .arg("verify")
        .args(UNITS.map(|unit| folder.path().join(unit)))
        .output();
    let Ok(done) = run else {
        eprintln!("skipped: systemd-analyze is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&done.stderr);
    let ours: Vec<&str> = said.lines().filter(|l| l.contains("calvaria")).collect();
    assert!(done.status.success() && ours.is_empty(), "{said}");
}

#[test]
fn the_binary_takes_the_flags_that_the_units_pass() {
    for unit in UNITS {
        let text = with_this_binary(unit);
        let start = text
            .lines()
            .find_map(|l| l.strip_prefix("ExecStart="))
            .unwrap();
        let mut words = start.split_whitespace();
        // With `--help` last every flag before it is parsed and nothing is started.
        let done = Command::new(words.next().unwrap())
            .args(words)
            .arg("--help")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{unit}: {said}");
    }
}
