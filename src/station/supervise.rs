//! Supervision of the designer: one process a case, watched from outside.
//!
//! In:    a command line; limits for time and resident memory.
//! Out:   [`DesignerSays`] through a callback: every line it writes, and at last how it ended.
//! Holds: whatever the designer does (hang, crash, grow, babble), `Ended` comes, and comes last. It is ended with
//!        its whole process group. It sees end-of-file on its standard input when the station dies, and ends itself.
//! Why resident memory is watched and not limited: an address-space limit breaks CUDA.

use crate::status::{DesignOutcome, DesignerLine, Reason};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Longest line that a designer may write, bytes.
const LINE_MAX: u64 = 64 * 1024;
/// How often time and memory are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// What a designer is started with.
#[derive(Clone, Debug)]
pub(super) struct DesignerCommand {
    /// The program.
    pub(super) program: PathBuf,
    /// Its arguments.
    pub(super) arguments: Vec<OsString>,
    /// Where it unpacks what it reads; removed when it is gone, however it ended.
    pub(super) scratch: PathBuf,
    /// Ended above this resident memory, MiB.
    pub(super) memory_mib: u64,
    /// Ended after this time.
    pub(super) time: Duration,
}

/// What is heard of a designer.
#[derive(Debug)]
pub(super) enum DesignerSays {
    /// A line of its standard output.
    Line(DesignerLine),
    /// It is gone.
    Ended(Ended),
}

/// How a designer ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ended {
    /// In order, with a word for it.
    Said(DesignOutcome),
    /// Not in order.
    Died(Reason),
}

/// A running designer. Dropping it ends the process.
#[derive(Debug)]
pub(super) struct Designer {
    end: Arc<AtomicBool>,
}

impl Designer {
    /// Starts it. `tell` is called from other threads.
    pub(super) fn start(
        command: &DesignerCommand,
        tell: impl Fn(DesignerSays) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let mut child = Command::new(&command.program)
            .args(&command.arguments)
            .env("TMPDIR", &command.scratch)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let end = Arc::new(AtomicBool::new(false));
        let stdout = child.stdout.take();
        let (watched, limits, tell) = (end.clone(), command.clone(), Arc::new(tell));
        thread::Builder::new()
            .name("designer".into())
            .spawn(move || {
                let reader = stdout.map(|out| {
                    let tell = tell.clone();
                    thread::spawn(move || read_lines(out, &*tell))
                });
                let (status, killed) = watch(&mut child, &limits, &watched);
                let outcome = reader.and_then(|r| r.join().ok()).flatten();
                // A killed one leaves a patient's unpacked files.
                let _ = std::fs::remove_dir_all(&limits.scratch);
                tell(DesignerSays::Ended(judge(status, killed, outcome)));
            })?;
        Ok(Self { end })
    }
}

#[cfg(test)]
impl Designer {
    /// One that does nothing.
    pub(super) fn idle() -> Self {
        Self {
            end: Arc::default(),
        }
    }
}

impl Drop for Designer {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}

/// Reads lines until the end of the stream; the last outcome is the one that counts.
fn read_lines(out: ChildStdout, tell: &dyn Fn(DesignerSays)) -> Option<DesignOutcome> {
    let mut reader = BufReader::new(out);
    let (mut line, mut outcome) = (String::new(), None);
    loop {
        line.clear();
        match reader.by_ref().take(LINE_MAX).read_line(&mut line) {
            Ok(0) | Err(_) => return outcome,
            Ok(_) => {}
        }
        match serde_json::from_str(&line) {
            Ok(DesignerLine::Outcome(said)) => outcome = Some(said),
            Ok(said) => tell(DesignerSays::Line(said)),
            // Not its content: a designer that reads untrusted files may write anything.
            Err(_) => tracing::warn!(
                bytes = line.len(),
                "the designer wrote a line that is none of ours"
            ),
        }
    }
}

/// Waits for the end, and brings it about when a limit is passed. The text says which limit it was.
fn watch(
    child: &mut Child,
    limits: &DesignerCommand,
    end: &AtomicBool,
) -> (Option<ExitStatus>, Option<Reason>) {
    let (started, pid) = (Instant::now(), child.id());
    let mut killed = None;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                // Whatever it left running goes with it.
                kill_group(pid);
                return (Some(status), killed);
            }
            Ok(None) => {}
            Err(_) => return (None, killed),
        }
        if killed.is_none() {
            killed = if end.load(Ordering::Relaxed) {
                Some(Reason::new("The design was ended.", ""))
            } else if started.elapsed() > limits.time {
                let seconds = limits.time.as_secs_f64();
                let limit = if seconds < 120.0 {
                    format!("{seconds:.0} s")
                } else {
                    format!("{:.0} min", seconds / 60.0)
                };
                Some(Reason::new(
                    format!("The design took over {limit} and was ended. The scan is safe."),
                    "Retry; if it happens again, tell IT.",
                ))
            } else {
                resident_mib(pid).filter(|mib| *mib > limits.memory_mib).map(|mib| {
                    Reason::new(
                        format!("The design needed {mib} MiB of memory and was ended (limit {}).", limits.memory_mib),
                        "Raise design.memory_mib if the box has more, or send a series with fewer slices.",
                    )
                })
            };
            if killed.is_some() {
                kill_group(pid);
            }
        }
        thread::sleep(LOOK);
    }
}

fn judge(
    status: Option<ExitStatus>,
    killed: Option<Reason>,
    outcome: Option<DesignOutcome>,
) -> Ended {
    if let Some(reason) = killed {
        return Ended::Died(reason);
    }
    let retry = "Retry; if it happens again, tell IT.";
    let Some(status) = status else {
        return Ended::Died(Reason::new("The designer was lost.", retry));
    };
    match outcome {
        Some(DesignOutcome::Designed(_)) if !status.success() => {}
        Some(said) => return Ended::Said(said),
        None => {}
    }
    let how = match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was killed by signal {signal}"),
        (_, Some(code)) => format!("ended with code {code} and no result"),
        _ => "ended without a word".into(),
    };
    Ended::Died(Reason::new(
        format!("The designer {how}. The scan is safe."),
        retry,
    ))
}

fn kill_group(pid: u32) {
    let Some(pid) = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    else {
        return;
    };
    // It may be gone already.
    let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
}

/// Resident memory of a process, MiB.
fn resident_mib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn run(script: &str, memory_mib: u64, time_s: f64) -> (usize, Ended) {
        let dir = tempfile::tempdir().unwrap();
        run_in(&dir.path().join("scratch"), script, memory_mib, time_s)
    }

    fn run_in(
        scratch: &std::path::Path,
        script: &str,
        memory_mib: u64,
        time_s: f64,
    ) -> (usize, Ended) {
        std::fs::create_dir(scratch).unwrap();
        let (tx, rx) = mpsc::channel();
        let command = DesignerCommand {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            scratch: scratch.into(),
            memory_mib,
            time: Duration::from_secs_f64(time_s),
        };
        let _designer = Designer::start(&command, move |says| tx.send(says).unwrap()).unwrap();
        let mut lines = 0;
        loop {
            match rx.recv_timeout(Duration::from_secs(20)).unwrap() {
                DesignerSays::Line(_) => lines += 1,
                DesignerSays::Ended(ended) => return (lines, ended),
            }
        }
    }

    fn died(script: &str, memory_mib: u64, time_s: f64) -> String {
        match run(script, memory_mib, time_s).1 {
            Ended::Died(reason) => reason.text,
            Ended::Said(said) => panic!("{said:?}"),
        }
    }

    const REFUSED: &str = r#"{"outcome":{"refused":{"text":"No hole.","do":"Look."}}}"#;

    #[test]
    fn lines_are_heard_and_the_outcome_counts() {
        let progress = r#"{"progress":{"stage":"skull","fraction":0.5,"text":"x"}}"#;
        let (lines, ended) = run(
            &format!("echo '{progress}'; echo junk; echo '{REFUSED}'; exit 3"),
            900,
            20.0,
        );
        assert_eq!(lines, 1);
        assert_eq!(
            ended,
            Ended::Said(DesignOutcome::Refused(Reason::new("No hole.", "Look.")))
        );
    }

    #[test]
    fn a_crash_a_hang_and_a_glutton_are_named() {
        assert!(died("kill -9 $$", 900, 20.0).contains("signal 9"));
        assert!(died("exit 7", 900, 20.0).contains("code 7"));
        assert!(died("sleep 60 & sleep 60", 900, 1.0).contains("took over 1 s"));
        assert!(died("sleep 60", 0, 20.0).contains("MiB"));
    }

    /// A zip is unpacked before it is read, and who is killed removes nothing.
    #[test]
    fn nothing_that_a_killed_designer_unpacked_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = dir.path().join("scratch");
        let script = "T=$(mktemp -d) && echo DOE^JANE > $T/000001 && echo > $0.went; sleep 60";
        let script = script.replace("$0.went", dir.path().join("went").to_str().unwrap());
        let (_, ended) = run_in(&scratch, &script, 900, 1.5);
        assert!(matches!(ended, Ended::Died(_)));
        assert!(dir.path().join("went").exists() && !scratch.exists());
    }

    #[test]
    fn a_design_that_ends_badly_is_not_believed() {
        let designed = r#"{"outcome":{"designed":{"gcode_sha256":"ab","side":"left","print_s":1,"filament_g":1}}}"#;
        assert!(died(&format!("echo '{designed}'; exit 1"), 900, 20.0).contains("code 1"));
    }
}
