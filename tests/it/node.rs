//! The DICOM node as a process, with DCMTK's programs as its callers: what was sent lies in the drop folder as it was.

use crate::room::{calvaria, wait};
use calvaria::intake;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

struct Node {
    process: Child,
    port: u16,
    drop: PathBuf,
    _folder: tempfile::TempDir,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .unwrap()
        .port()
}

impl Node {
    fn start(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let data = folder.path().join("data");
        let config = folder.path().join("calvaria.toml");
        let text = format!(
            "data = {data:?}\n[node]\nlisten = '127.0.0.1:{port}'\ncallers = [{{ aet = 'PACS', address = '127.0.0.0/8' }}]\n{more}"
        );
        fs::write(&config, text).unwrap();
        let process = calvaria()
            .arg("node")
            .arg("--config")
            .arg(&config)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let node = Self {
            process,
            port,
            drop: data.join("drop"),
            _folder: folder,
        };
        wait("the node listens", MINUTE, || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        node
    }

    /// One of DCMTK's programs, as PACS to CALVARIA.
    fn caller(&self, program: &str, arguments: &[&str], files: &[PathBuf]) -> Output {
        Command::new(program)
            .args(["-aet", "PACS", "-aec", "CALVARIA"])
            .args(arguments)
            .args(["127.0.0.1", &self.port.to_string()])
            .args(files)
            .output()
            .unwrap()
    }

    /// Folders of studies.
    fn studies(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.drop).unwrap().map(|e| e.unwrap().path());
        let mut found: Vec<_> = entries
            .filter(|p| {
                !p.file_name()
                    .is_some_and(|n| n.to_string_lossy().starts_with('.'))
            })
            .collect();
        found.sort();
        found
    }

    fn files(&self) -> Vec<PathBuf> {
        self.studies().iter().flat_map(|s| all_in(s)).collect()
    }
}

fn all_in(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    files
}

/// DCMTK is there; says so where it is not.
fn has_dcmtk() -> bool {
    let there = Command::new("storescu")
        .arg("--version")
        .output()
        .is_ok_and(|o| o.status.success());
    if !there {
        eprintln!("skipped: dcmtk is not installed");
    }
    there
}

/// A small head as a series.
fn series(folder: &Path) -> Vec<PathBuf> {
    let out = folder.join("head");
    let made = calvaria()
        .args(["phantom", "--defect", "vertex", "--seed", "3", "--out"])
        .arg(&out)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    all_in(&out.join("dicom"))
}

fn ok(done: &Output) {
    assert!(
        done.status.success(),
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}

#[test]
fn a_series_that_was_sent_is_the_series_that_was_there() {
    if !has_dcmtk() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let slices = series(folder.path());
    let node = Node::start("");
    ok(&node.caller("echoscu", &[], &[]));
    // From both ends at once, over two associations; some slices come twice.
    let middle = slices.len() / 2;
    let parts = [&slices[..middle + 3], &slices[middle..]];
    std::thread::scope(|scope| {
        for part in parts {
            scope.spawn(|| ok(&node.caller("storescu", &[], part)));
        }
    });
    assert_eq!(node.studies().len(), 1);
    assert_eq!(node.files().len(), slices.len());
    let limits = intake::Limits::default();
    let there = intake::read(slices[0].parent().unwrap(), &limits).unwrap();
    let sent = intake::read(&node.studies()[0], &limits).unwrap();
    assert_eq!(sent.ct.data(), there.ct.data());
    assert_eq!(sent.ct.to_lps(), there.ct.to_lps());
}

#[test]
fn every_syntax_comes_as_it_was_or_decompressed() {
    if !has_dcmtk() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let slice = series(folder.path())[40].clone();
    let limits = intake::Limits::default();
    let plain = intake::dicom::door(&fs::read(&slice).unwrap(), &limits).unwrap();
    // Program that writes it so, and the option with which `storescu` offers that syntax.
    for (writer, written, offered) in [
        ("dcmconv", "+ti", "-xi"),
        ("dcmconv", "+te", "-xe"),
        ("dcmconv", "+tb", "-xb"),
        ("dcmcrle", "", "-xr"),
        ("dcmcjpeg", "+e1", "-xs"),
        ("dcmcjpeg", "+el", ""),
        ("dcmcjpls", "+el", ""),
    ] {
        let file = folder.path().join(format!("{writer}{written}.dcm"));
        let mut command = Command::new(writer);
        command.args(Some(written).filter(|w| !w.is_empty()));
        ok(&command.arg(&slice).arg(&file).output().unwrap());
        let node = Node::start("");
        if offered.is_empty() {
            // `dcmsend` offers a file's own syntax, and decompresses where that is not accepted.
            ok(&node.caller("dcmsend", &[], std::slice::from_ref(&file)));
        } else {
            ok(&node.caller("storescu", &[offered], std::slice::from_ref(&file)));
        }
        let files = node.files();
        assert_eq!(files.len(), 1, "{writer} {written}");
        let sent = intake::dicom::door(&fs::read(&files[0]).unwrap(), &limits).unwrap();
        assert_eq!(sent.hu, plain.hu, "{writer} {written}");
    }
}

#[test]
fn strangers_other_things_and_broken_associations_leave_nothing() {
    if !has_dcmtk() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let slices = series(folder.path());
    let node = Node::start("");
    let port = node.port.to_string();
    let stranger = Command::new("storescu")
        .args(["-aet", "STRANGER", "-aec", "CALVARIA", "127.0.0.1", &port])
        .arg(&slices[0])
        .output()
        .unwrap();
    assert!(!stranger.status.success());
    // Another class: no context is agreed for it.
    let report = folder.path().join("mr.dcm");
    fs::copy(&slices[0], &report).unwrap();
    let edit = [
        "-nb",
        "-m",
        "(0008,0016)=1.2.840.10008.5.1.4.1.1.4",
        "-m",
        "(0008,0060)=MR",
    ];
    ok(&Command::new("dcmodify")
        .args(edit)
        .arg(&report)
        .output()
        .unwrap());
    assert!(!node.caller("storescu", &[], &[report]).status.success());
    // An association that is aborted in the middle: storescu's own option.
    node.caller("storescu", &["--abort"], &slices[..2]);
    for garbage in [
        &b"\x01\x00\x00\x00\x00\x05hello"[..],
        b"\x04\x00\xff\xff\xff\xff",
        b"GET /",
    ] {
        let mut tcp = TcpStream::connect(("127.0.0.1", node.port)).unwrap();
        tcp.write_all(garbage).unwrap();
    }
    // Twenty at once.
    std::thread::scope(|scope| {
        for n in 0..20 {
            let (node, slices) = (&node, &slices);
            scope.spawn(move || ok(&node.caller("storescu", &[], &slices[n..n + 3])));
        }
    });
    assert_eq!(node.files().len(), 22);
    assert_eq!(fs::read_dir(node.drop.join(".node")).unwrap().count(), 0);
}

#[test]
fn without_a_section_there_is_no_node() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("calvaria.toml");
    fs::write(&config, format!("data = {:?}\n", folder.path())).unwrap();
    let node = |flag: &[&str]| {
        let mut command = calvaria();
        command.arg("node").arg("--config").arg(&config).args(flag);
        command.output().unwrap()
    };
    let done = node(&[]);
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stderr).contains("[node] listen"));
    assert_eq!(node(&["--is-wanted"]).status.code(), Some(1));
    fs::write(
        &config,
        "[node]\nlisten = '127.0.0.1:1'\ncallers = [{ aet = 'P', address = 'pacs.ward' }]\n",
    )
    .unwrap();
    assert_eq!(node(&["--is-wanted"]).status.code(), Some(0));
    let done = node(&[]);
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stderr).contains("pacs.ward"));
    fs::write(&config, "[node]\nlisten = '127.0.0.1'\n").unwrap();
    assert_eq!(node(&["--is-wanted"]).status.code(), Some(255));
}
