//! The demo's own station: a `calvaria serve` process on a folder of its own, spoken to over its API as any
//! script would.

use super::super::Failure;
use super::interrupt;
use crate::phantom::Defect;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The virtual printer's clock runs this much faster, so that a print of two hours ends within seconds; not more, because its
/// watch for idle hosts (M85, 900 s) runs with it, and this process may have to wait for a core.
const SPEED: f64 = 400.0;

/// A running station in a folder of its own. Dropping it stops every process it started.
pub(super) struct Station {
    folder: PathBuf,
    address: String,
    pin: String,
    agent: ureq::Agent,
    serve: Process,
    link: Process,
}

/// What the demo reads of a job; the API says more.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Job {
    pub(super) code: String,
    pub(super) state: String,
    #[serde(default)]
    pub(super) reason: String,
    #[serde(default)]
    pub(super) gcode_sha256: Option<String>,
    #[serde(default)]
    pub(super) side: Option<String>,
    #[serde(default)]
    pub(super) progress: Option<Progress>,
    #[serde(default)]
    pub(super) findings: Vec<crate::status::Finding>,
}

/// How far a job is.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Progress {
    stage: String,
    fraction: f64,
    text: String,
}

impl Job {
    /// The designer is done with it, one way or the other.
    pub(super) fn is_decided(&self) -> bool {
        !matches!(self.state.as_str(), "received" | "reading" | "designing")
    }
    /// Nothing more will happen by itself.
    pub(super) fn is_over(&self) -> bool {
        matches!(
            self.state.as_str(),
            "printed" | "refused" | "failed" | "cancelled" | "stopped"
        )
    }
}

/// A phantom series under `folder`/phantom: what a scanner would send.
pub(super) fn phantom(folder: &Path, seed: u64, defect: Defect) -> Result<PathBuf, Failure> {
    let out = folder.join("phantom");
    let mut child = Command::new(own_binary()?)
        .args([
            "phantom",
            "--format",
            "dicom",
            "--seed",
            &seed.to_string(),
            "--defect",
            defect.word(),
            "--out",
        ])
        .arg(&out)
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(Failure::failed)?;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(Failure::failed)? {
            break status;
        }
        if let Err(interrupted) = interrupt::sleep(Duration::from_millis(20)) {
            let _ = child.kill();
            let _ = child.wait();
            return Err(interrupted);
        }
    };
    if !status.success() {
        return Err(Failure::failed("the phantom could not be made; see above"));
    }
    Ok(out.join("dicom"))
}

fn own_binary() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .map_err(|e| Failure::failed(format!("this program's own path is not known: {e}")))
}

impl Station {
    /// Starts a station on a free port (or `port`) with its data under `folder`, and waits until it answers.
    pub(super) fn start(folder: &Path, port: u16) -> Result<Self, Failure> {
        let port = match port {
            0 => TcpListener::bind("127.0.0.1:0")
                .and_then(|l| l.local_addr())
                .map_err(Failure::failed)?
                .port(),
            port => port,
        };
        let folder = std::path::absolute(folder).map_err(Failure::failed)?;
        let listen = format!("127.0.0.1:{port}");
        let config = format!(
            "data = {data:?}\n[drop]\nquiet_s = 1\nrescan_s = 1\n[web]\nlisten = {listen:?}\n\
             [printer]\nport = \"virtual\"\n[display]\noutput = {png:?}\n",
            data = folder.join("data"),
            png = format!("png:{}", folder.join("lcd").display()),
        );
        let path = folder.join("calvaria.toml");
        std::fs::write(&path, config).map_err(Failure::failed)?;
        let link = Process(start_link(&folder)?);
        let log = std::fs::File::create(folder.join("serve.log")).map_err(Failure::failed)?;
        let serve = Command::new(own_binary()?)
            .arg("serve")
            .arg("--config")
            .arg(&path)
            // A link that dies ends the demo; a second one would belong to nobody.
            .arg("--no-link")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .map(Process)
            .map_err(Failure::failed)?;
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(10)))
            .build()
            .into();
        let mut station = Self {
            folder,
            address: format!("http://{listen}"),
            pin: pin()?,
            agent,
            serve,
            link,
        };
        station.wait_until_alive()?;
        Ok(station)
    }

    fn wait_until_alive(&mut self) -> Result<(), Failure> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) {
            if let Ok(Some(status)) = self.serve.0.try_wait() {
                let log =
                    std::fs::read_to_string(self.folder.join("serve.log")).unwrap_or_default();
                return Err(Failure::failed(format!(
                    "the station ended at its start ({status}):\n{log}"
                )));
            }
            if self.get("/healthz").is_ok() {
                return Ok(());
            }
            interrupt::sleep(Duration::from_millis(50))?;
        }
        Err(Failure::failed("the station did not answer within 20 s"))
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }
    pub(super) fn pin(&self) -> &str {
        &self.pin
    }
    /// The case's folder.
    pub(super) fn case(&self, code: &str) -> PathBuf {
        self.folder.join("data/cases").join(code)
    }
    /// What the virtual printer executed.
    pub(super) fn executed(&self) -> PathBuf {
        self.folder.join("executed.jsonl")
    }

    /// Gives the demo's operator a random PIN of this run.
    pub(super) fn add_operator(&self, name: &str) -> Result<(), Failure> {
        let mut child = Command::new(own_binary()?)
            .args(["operator", "add", name, "--pin-stdin", "--config"])
            .arg(self.folder.join("calvaria.toml"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(Failure::failed)?;
        if let Some(stdin) = &mut child.stdin {
            writeln!(stdin, "{}", self.pin).map_err(Failure::failed)?;
        }
        let status = child.wait().map_err(Failure::failed)?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::failed(
                "the operator could not be added; see above",
            ))
        }
    }

    /// Copies a scan into the drop folder, as a scanner would, and waits for its case code.
    pub(super) fn drop_scan(&self, scan: &Path) -> Result<String, Failure> {
        let name = scan.file_name().unwrap_or_default();
        let target = self.folder.join("data/drop").join(name);
        copy(scan, &target).map_err(|e| Failure::failed(format!("{}: {e}", scan.display())))?;
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(60) {
            if let Some(job) = self.jobs()?.into_iter().next() {
                return Ok(job.code);
            }
            interrupt::sleep(Duration::from_millis(100))?;
        }
        Err(Failure::failed(
            "the station did not take the drop within 60 s",
        ))
    }

    fn jobs(&self) -> Result<Vec<Job>, Failure> {
        let value = self.get("/api/v1/jobs")?;
        let list = value.get("jobs").cloned().unwrap_or(value);
        serde_json::from_value(list).map_err(Failure::failed)
    }

    pub(super) fn job(&self, code: &str) -> Result<Job, Failure> {
        serde_json::from_value(self.get(&format!("/api/v1/jobs/{code}"))?).map_err(Failure::failed)
    }

    /// Shows the job's progress until `done` or `limit`.
    pub(super) fn follow(
        &mut self,
        code: &str,
        limit: Duration,
        done: impl Fn(&Job) -> bool,
    ) -> Result<Job, Failure> {
        let start = Instant::now();
        let bar = bar();
        let mut last = String::new();
        loop {
            let job = self.job(code)?;
            let (fraction, text) = match &job.progress {
                Some(p) => (p.fraction, format!("{}: {}", p.stage, p.text)),
                None => (0.0, String::new()),
            };
            let line = format!("{} {} {text}", job.code, job.state);
            if let Some(bar) = &bar {
                bar.set_position((fraction.clamp(0.0, 1.0) * 1000.0) as u64);
                bar.set_message(line.clone());
            } else if line != last {
                eprintln!("{line}");
            }
            last = line;
            if done(&job) {
                if let Some(bar) = bar {
                    bar.finish_and_clear();
                }
                return Ok(job);
            }
            if start.elapsed() > limit {
                return Err(Failure::failed(format!(
                    "no end after {} s: {last}",
                    limit.as_secs()
                )));
            }
            interrupt::sleep(Duration::from_millis(150))?;
            self.is_whole()?;
        }
    }

    /// Releases a design as operator "demo".
    pub(super) fn release(&self, job: &Job) -> Result<(), Failure> {
        let body = json!({
            "operator": "demo", "pin": self.pin, "sha256": job.gcode_sha256, "spool": "PLA, demo spool",
            "side": job.side, "bed_clear": true,
        });
        let url = format!("{}/api/v1/jobs/{}/release", self.address, job.code);
        let mut answer = self
            .agent
            .post(&url)
            .send_json(body)
            .map_err(Failure::failed)?;
        if answer.status().is_success() {
            return Ok(());
        }
        let text = answer.body_mut().read_to_string().unwrap_or_default();
        Err(Failure::failed(format!("the release was refused: {text}")))
    }

    fn get(&self, path: &str) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.address);
        let mut answer = self.agent.get(&url).call().map_err(Failure::failed)?;
        if !answer.status().is_success() {
            return Err(Failure::failed(format!("{path}: {}", answer.status())));
        }
        let text = answer
            .body_mut()
            .read_to_string()
            .map_err(Failure::failed)?;
        Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Both processes are there: without one of them nothing will happen any more.
    fn is_whole(&mut self) -> Result<(), Failure> {
        for (name, process) in [("station", &mut self.serve), ("link", &mut self.link)] {
            if let Ok(Some(status)) = process.0.try_wait() {
                return Err(Failure::failed(format!("the {name} ended ({status})")));
            }
        }
        Ok(())
    }

    /// Stops the station and its link in order.
    pub(super) fn stop(&mut self) {
        self.serve.end(Duration::from_secs(10));
        self.link.end(LINK_END_MAX);
        end_virtual_printer(&self.folder);
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A link parks its printer before it ends.
const LINK_END_MAX: Duration = Duration::from_secs(30);

/// A child that never outlives the demo.
struct Process(Child);

impl Process {
    /// Asks it to end, and makes it when it does not within `limit`.
    fn end(&mut self, limit: Duration) {
        if matches!(self.0.try_wait(), Ok(Some(_)) | Err(_)) {
            return;
        }
        let by = Instant::now() + limit;
        end(self.0.id());
        while Instant::now() < by {
            if matches!(self.0.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // There is nobody left to tell.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.end(LINK_END_MAX);
        }
    }
}

/// The virtual printer outlives a link that was killed, as a real one would: it stands in its lock by number.
fn end_virtual_printer(folder: &Path) {
    let lock = folder.join("data/run/virtual-printer.lock");
    let Ok(file) = std::fs::File::open(&lock) else {
        return;
    };
    let free = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
    let number = std::fs::read_to_string(&lock)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    if let (Err(_), Some(number)) = (free, number) {
        end(number);
    }
}

/// The link, started before the station, which adopts it: so the virtual printer can be told its speed and log.
fn start_link(folder: &Path) -> Result<Child, Failure> {
    let log = std::fs::File::create(folder.join("printer.log")).map_err(Failure::failed)?;
    std::fs::create_dir_all(folder.join("data/run")).map_err(Failure::failed)?;
    let mut link = Command::new(own_binary()?)
        .arg("printer")
        .arg("--data")
        .arg(folder.join("data"))
        .args(["--virtual-speed", &SPEED.to_string(), "--virtual-log"])
        .arg(folder.join("executed.jsonl"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        // Ctrl-C is the demo's to pass on, in order: the station first.
        .process_group(0)
        .spawn()
        .map_err(Failure::failed)?;
    let socket = folder.join("data/run/printer.sock");
    let start = Instant::now();
    while !socket.exists() {
        if let Ok(Some(status)) = link.try_wait() {
            let log = std::fs::read_to_string(folder.join("printer.log")).unwrap_or_default();
            return Err(Failure::failed(format!(
                "the link ended at its start ({status}):\n{log}"
            )));
        }
        if start.elapsed() > Duration::from_secs(10) {
            drop(Process(link));
            return Err(Failure::failed(
                "the link did not open its socket within 10 s",
            ));
        }
        if let Err(interrupted) = interrupt::sleep(Duration::from_millis(20)) {
            drop(Process(link));
            return Err(interrupted);
        }
    }
    Ok(link)
}

fn end(pid: u32) {
    if let Some(pid) = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    {
        // It may be gone already.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

/// Ten digits, six of them from the system's random source; the first four keep it from being a trivial one.
fn pin() -> Result<String, Failure> {
    let mut bytes = [0u8; 4];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut f| std::io::Read::read_exact(&mut f, &mut bytes))
        .map_err(|e| Failure::failed(format!("no random numbers for the PIN: {e}")))?;
    Ok(format!("1506{:06}", u32::from_le_bytes(bytes) % 1_000_000))
}

fn bar() -> Option<ProgressBar> {
    let style = ProgressStyle::with_template("[{bar:30}] {msg} ({elapsed})").ok()?;
    std::io::stderr()
        .is_terminal()
        .then(|| ProgressBar::new(1000).with_style(style.progress_chars("=> ")))
}

/// Copies a file or a folder with everything in it.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.is_dir() {
        return std::fs::copy(from, to).map(|_| ());
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
