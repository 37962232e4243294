//! A print room of real processes: station, link, designer, virtual printer, and a person who speaks to the API.
//!
//! `CALVARIA_BIN` names another binary than the one Cargo built for the tests, e.g. a release build.

pub(crate) mod head;
pub(crate) mod reader;

use calvaria::status::{JobView, PrinterView};
use calvaria::volume::Volume;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The one operator of the room.
const OPERATOR: &str = "M. Curie";
const PIN: &str = "481516";

/// The program under test, run where models and profiles lie.
pub(crate) fn calvaria() -> Command {
    let program = std::env::var_os("CALVARIA_BIN").map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_calvaria")),
        |path| std::path::absolute(path).unwrap(),
    );
    let mut command = Command::new(program);
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null());
    command
}

/// The program with these arguments, to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    calvaria().args(arguments).output().unwrap()
}

/// DSC of two masks on one grid.
pub(crate) fn dice(a: &Volume<bool>, b: &Volume<bool>) -> f64 {
    let both = a
        .data()
        .iter()
        .zip(b.data())
        .filter(|&(&a, &b)| a && b)
        .count();
    2.0 * both as f64 / (a.count() + b.count()) as f64
}

/// A number from the environment.
pub(crate) fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text}")),
        Err(_) => default,
    }
}

/// Waits until `found` gives something.
pub(crate) fn wait<T>(what: &str, limit: Duration, mut found: impl FnMut() -> Option<T>) -> T {
    let by = Instant::now() + limit;
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < by, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A made-up file as one of ours: the link prints no other. It has no facts, as a re-entry has none.
pub(crate) fn sealed(commands: &str) -> String {
    let text = format!("{} test\n{commands}", calvaria::gcode::MAKER);
    let seal = calvaria::gcode::seal(&text);
    text + &seal
}

/// Lower-case hex of the SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(bytes);
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

/// A phantom head: a NIfTI file, or the folder of a DICOM series.
pub(crate) fn phantom(folder: &Path, seed: u64, format: &str) -> PathBuf {
    let out = folder.join(format!("phantom-{seed}"));
    let made = calvaria()
        .args(["phantom", "--defect", "vertex", "--format", format])
        .args(["--seed", &seed.to_string(), "--out"])
        .arg(&out)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success());
    out.join(if format == "dicom" {
        "dicom"
    } else {
        "ct.nii.gz"
    })
}

/// A station with its own folder, and a virtual printer in a process of its own.
pub(crate) struct Room {
    pub(crate) dir: TempDir,
    /// Stands in for the designer.
    pub(crate) program: Option<PathBuf>,
    address: String,
    agent: ureq::Agent,
    station: Option<Child>,
    /// The virtual printer, where it is one.
    printer: Option<Child>,
}

impl Room {
    /// `speed`: virtual seconds in a second. `log`: where the printer writes down what it did. `faults`: its fault
    /// file. The station is not started yet.
    pub(crate) fn new(dir: TempDir, speed: f64, log: &Path, faults: Option<&Path>) -> Self {
        let pty = dir.path().join("tty");
        let mut printer = calvaria();
        printer
            .args(["virtual-printer", "--speed", &speed.to_string(), "--pty"])
            .arg(&pty)
            .arg("--log")
            .arg(log);
        if let Some(faults) = faults {
            printer.arg("--faults").arg(faults);
        }
        let printer = printer.stderr(Stdio::null()).spawn().unwrap();
        let port = format!("pty:{}", pty.display());
        let mut room = Self::at_port(dir, &port);
        room.printer = Some(printer);
        room
    }

    /// With another printer, at that port.
    pub(crate) fn at_port(dir: TempDir, port: &str) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = free.local_addr().unwrap().to_string();
        let config = format!(
            "data = {data:?}\n[drop]\nquiet_s = 1\nrescan_s = 1\n[web]\nlisten = {listen:?}\n\
             [printer]\nport = {port:?}\n[display]\noutput = {png:?}\n",
            data = dir.path().join("data"),
            png = format!("png:{}", dir.path().join("lcd").display()),
        );
        std::fs::write(dir.path().join("calvaria.toml"), config).unwrap();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(10)))
            .build()
            .into();
        let room = Self {
            address: format!("http://{listen}"),
            dir,
            program: None,
            agent,
            station: None,
            printer: None,
        };
        room.add_operator(OPERATOR);
        room
    }

    /// Somebody more on the list, with the same PIN.
    pub(crate) fn add_operator(&self, name: &str) {
        let mut child = calvaria()
            .args(["operator", "add", name, "--pin-stdin", "--config"])
            .arg(self.dir.path().join("calvaria.toml"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{PIN}").unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// Where the page is.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    // --- processes --------------------------------------------------------------------------------------------

    /// Starts the station; with `fail_at` it dies right after that event was committed.
    pub(crate) fn start_station(&mut self, fail_at: Option<&str>) {
        assert!(self.station.is_none());
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.path().join("station.log"))
            .unwrap();
        let mut serve = calvaria();
        if let Some(event) = fail_at {
            serve.env("CALVARIA_FAIL_AT", event);
        }
        if let Some(program) = &self.program {
            serve.args(["serve", "--program"]).arg(program);
        } else {
            serve.arg("serve");
        }
        let serve = serve
            .arg("--config")
            .arg(self.dir.path().join("calvaria.toml"))
            .stdout(Stdio::null())
            .stderr(log);
        self.station = Some(serve.spawn().unwrap());
    }

    /// How the station ended, if it did; then it may be started again.
    pub(crate) fn station_ended(&mut self) -> Option<ExitStatus> {
        let status = self.station.as_mut()?.try_wait().unwrap()?;
        self.station = None;
        Some(status)
    }

    /// Resident memory of the station, MiB.
    pub(crate) fn station_mib(&self) -> u64 {
        let pid = self.station.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        let kib = line.split_whitespace().nth(1).unwrap();
        kib.parse::<u64>().unwrap() / 1024
    }

    /// `kill -9`.
    pub(crate) fn kill_station(&mut self) {
        if let Some(mut station) = self.station.take() {
            station.kill().unwrap();
            station.wait().unwrap();
        }
    }

    /// Processes of this room that run `calvaria COMMAND`, found as `ps` finds them.
    pub(crate) fn pids(&self, command: &str) -> Vec<i32> {
        let ours = self.data();
        let ours = ours.to_str().unwrap();
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let runs = |pid: &i32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line);
            line.split('\0').nth(1) == Some(command)
                && line.split('\0').any(|word| word.starts_with(ours))
        };
        pids.filter(runs).collect()
    }

    /// `kill -9` of every such process; how many there were.
    pub(crate) fn kill(&self, command: &str) -> usize {
        let pids = self.pids(command);
        for pid in &pids {
            signal(*pid, rustix::process::Signal::KILL);
        }
        pids.len()
    }

    // --- the person at the page -----------------------------------------------------------------------------------

    /// An answer of the API; `None` while the station does not answer.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        let url = format!("{}{path}", self.address);
        let mut answer = self.agent.get(&url).call().ok()?;
        let text = answer.body_mut().read_to_string().ok()?;
        serde_json::from_str(&text).ok()
    }

    /// What the API answers: nothing when it took it, else the error's code.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<(), String> {
        let url = format!("{}{path}", self.address);
        let Ok(mut answer) = self.agent.post(&url).send_json(body) else {
            return Err("no answer".into());
        };
        if answer.status().is_success() {
            return Ok(());
        }
        let text = answer.body_mut().read_to_string().unwrap_or_default();
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        Err(value["error"]["code"].as_str().unwrap_or(&text).to_owned())
    }

    /// Every state that the server-sent events tell of a job, from now on, in order.
    pub(crate) fn states(&self) -> std::sync::mpsc::Receiver<String> {
        let (tell, told) = std::sync::mpsc::channel();
        let url = format!("{}/api/v1/events", self.address);
        std::thread::spawn(move || {
            use std::io::BufRead as _;
            let mut answer = ureq::get(&url).call().unwrap();
            let reader = std::io::BufReader::new(answer.body_mut().as_reader());
            let data = reader.lines().map_while(Result::ok);
            for line in data.filter_map(|l| l.strip_prefix("data:").map(str::to_owned)) {
                let value: Value = serde_json::from_str(&line).unwrap_or_default();
                // The whole snapshot comes as well; a job's line names its job.
                if let (Some(_), Some(state)) = (value["job"].as_str(), value["state"].as_str())
                    && tell.send(state.to_owned()).is_err()
                {
                    return;
                }
            }
        });
        told
    }

    /// The job with the newest drop, once it is in this state.
    pub(crate) fn reaches(&self, state: &str, limit: Duration) -> JobView {
        wait(state, limit, || {
            let job = self.jobs()?.into_iter().next()?;
            let over = ["refused", "failed", "cancelled", "stopped", "printed"];
            let at = job.state.word();
            assert!(at == state || !over.contains(&at), "{job:?}");
            (at == state).then_some(job)
        })
    }

    pub(crate) fn jobs(&self) -> Option<Vec<JobView>> {
        serde_json::from_value(self.get("/api/v1/jobs")?).ok()
    }

    pub(crate) fn printer(&self) -> Option<PrinterView> {
        let mut station = self.get("/api/v1/station")?;
        serde_json::from_value(station["printer"].take()).ok()
    }

    pub(crate) fn release(&self, job: &JobView) -> Result<(), String> {
        let body = json!({
            "operator": OPERATOR, "pin": PIN, "sha256": job.gcode_sha256, "spool": "PLA 22-117",
            "side": job.side, "bed_clear": true,
        });
        self.post(&format!("/api/v1/jobs/{}/release", job.code), &body)
    }

    /// An act that needs name and PIN alone.
    pub(crate) fn act(&self, path: &str) -> Result<(), String> {
        self.post(path, &json!({ "operator": OPERATOR, "pin": PIN }))
    }

    // --- what is on the disk ----------------------------------------------------------------------------------------

    /// The record of a case: kind of each event, and the state it led to.
    pub(crate) fn record(&self, code: &str) -> Vec<(String, String)> {
        let path = self.data().join("cases").join(code).join("events.jsonl");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        text.lines()
            .map(|line| {
                let entry: Value = serde_json::from_str(line).unwrap();
                (word(&entry["kind"]), word(&entry["body"]["to"]))
            })
            .collect()
    }

    /// Prints that the link began, as far as its two journals reach back: when, and of which case.
    pub(crate) fn begun(&self) -> BTreeSet<(String, String)> {
        let mut begun = BTreeSet::new();
        for name in ["journal.jsonl", "journal.1.jsonl"] {
            let path = self.data().join("printer").join(name);
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let entries = text.lines().filter_map(|l| serde_json::from_str(l).ok());
            for entry in entries.filter(|e: &Value| e["kind"] == "began") {
                let word = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
                begun.insert((word("at"), word("job")));
            }
        }
        begun
    }

    pub(crate) fn station_log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("station.log")).unwrap_or_default()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.kill_station();
        // The link ends in order and takes nothing along; what does not go is made to.
        for pid in self.pids("printer") {
            signal(pid, rustix::process::Signal::TERM);
        }
        let by = Instant::now() + Duration::from_secs(20);
        while !self.pids("printer").is_empty() && Instant::now() < by {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.kill("printer");
        self.kill("designer");
        if let Some(printer) = &mut self.printer {
            let _ = printer.kill();
            let _ = printer.wait();
        }
    }
}

fn signal(pid: i32, signal: rustix::process::Signal) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        // It may be gone already.
        let _ = rustix::process::kill_process(pid, signal);
    }
}
