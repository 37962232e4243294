//! The kernels' own source on this machine's CPU, as a [`Gpu`]: compiled by the C++ compiler that is there, run as a
//! process, so that a kernel that writes where it must not ends that process and not the test.

use super::device::Gpu;
use super::fault::Fault;
use super::schedule::Launch;
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/network/gpu/kernels")
}

/// The program, compiled once for each state of the sources; or why it can not be.
fn program() -> Result<&'static Path, String> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let compiled = PROGRAM.get_or_init(|| {
        let mut hash = Sha256::new();
        let files = [
            "machine.cuh",
            "conv.cuh",
            "kernels.cu",
            "emulate.h",
            "emulate.cpp",
        ];
        for name in files {
            hash.update(std::fs::read(folder().join(name)).unwrap());
        }
        let hash: String = hash
            .finalize()
            .iter()
            .take(8)
            .map(|b| format!("{b:02x}"))
            .collect();
        let beside = std::env::current_exe().unwrap();
        let program = beside.with_file_name(format!("emulated-gpu-{hash}"));
        if program.exists() {
            return Ok(program);
        }
        let unfinished = program.with_extension(std::process::id().to_string());
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
        let done = Command::new(&compiler)
            .args([
                "-O2",
                "-std=c++17",
                "-U_FORTIFY_SOURCE",
                "-DEMULATE",
                "-pthread",
                "-o",
            ])
            .arg(&unfinished)
            .arg(folder().join("emulate.cpp"))
            .output()
            .map_err(|e| format!("{compiler}: {e}"))?;
        // A compiler that is there has to take the sources.
        let text = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{compiler}: {text}");
        std::fs::rename(&unfinished, &program).unwrap();
        Ok(program)
    });
    compiled.as_deref().map_err(Clone::clone)
}

/// A running emulation.
#[derive(Debug)]
pub(super) struct Emulated {
    process: Child,
    to: ChildStdin,
    from: ChildStdout,
    order: u64,
}

impl Emulated {
    /// Starts one in which threads run in `order` 0 or 1; says why and gives `None` where no compiler is.
    pub(super) fn start(order: u64) -> Option<Self> {
        let program = match program() {
            Ok(program) => program,
            Err(why) => {
                println!("the kernels are not emulated here, no C++ compiler: {why}");
                return None;
            }
        };
        let mut process = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (
            process.stdin.take().unwrap(),
            process.stdout.take().unwrap(),
        );
        Some(Self {
            process,
            to,
            from,
            order,
        })
    }

    fn ask(&mut self, words: &[u64], bytes: &[&[u8]]) {
        let words: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        self.to.write_all(&words).unwrap();
        for bytes in bytes {
            self.to.write_all(bytes).unwrap();
        }
        self.to.flush().unwrap();
    }

    fn word(&mut self) -> u64 {
        let mut word = [0; 8];
        self.from
            .read_exact(&mut word)
            .expect("the emulation ended: a kernel touched what is not its own");
        u64::from_le_bytes(word)
    }

    /// Bytes of the two argument structures.
    pub(super) fn sizes(&mut self) -> [u64; 2] {
        self.ask(&[5], &[]);
        [self.word(), self.word()]
    }

    /// Memory with `bytes` in it; what follows them can not be touched.
    pub(super) fn with(&mut self, bytes: &[u8]) -> u64 {
        let address = self.allocate(bytes.len()).unwrap();
        self.upload(address, bytes).unwrap();
        address
    }
}

impl Gpu for Emulated {
    fn name(&self) -> String {
        "emulated".into()
    }

    fn allocate(&mut self, bytes: usize) -> Result<u64, Fault> {
        self.ask(&[1, bytes as u64], &[]);
        match self.word() {
            0 => Err(Fault::OutOfMemory { mib: bytes >> 20 }),
            address => Ok(address),
        }
    }

    fn free(&mut self, _: u64) {}

    fn upload(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.ask(&[2, address, bytes.len() as u64], &[bytes]);
        assert_eq!(self.word(), 0);
        Ok(())
    }

    fn launch(&mut self, launch: &Launch) -> Result<(), Fault> {
        let args: Vec<u8> = launch.args.iter().flat_map(|w| w.to_le_bytes()).collect();
        let [x, y, z] = launch.grid.map(|n| n as u64);
        let (name, lengths) = (launch.kernel.as_bytes(), [args.len(), launch.kernel.len()]);
        let [args_length, name_length] = lengths.map(|n| n as u64);
        self.ask(
            &[4, self.order, x, y, z, args_length, name_length],
            &[&args, name],
        );
        assert_eq!(self.word(), 0, "no kernel `{}`", launch.kernel);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn download(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), Fault> {
        self.ask(&[3, address, bytes.len() as u64], &[]);
        self.from.read_exact(bytes).unwrap();
        Ok(())
    }
}

impl Drop for Emulated {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
