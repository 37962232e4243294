//! Stand-in: the virtual printer as a process of its own, started by the link or found running.
//!
//! It outlives a link that is killed, as a real printer does: hot, with its lines in the queue. The link that comes
//! back finds it by the lock it holds. It ends with the link's orderly end, or by itself when nobody has its port open
//! for a while.

use rustix::fs::FlockOperation;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// How the virtual printer is started.
#[derive(Clone, Debug)]
pub struct StandIn {
    /// The program: normally this very binary.
    pub program: PathBuf,
    /// Where its port will be.
    pub pty: PathBuf,
    /// Further arguments of `calvaria virtual-printer`: speed, faults, seed, log, profile.
    pub arguments: Vec<String>,
}

impl StandIn {
    /// The file that a running one holds locked, with its process id inside.
    fn lock_path(&self) -> PathBuf {
        let mut path = self.pty.clone().into_os_string();
        path.push(".lock");
        path.into()
    }

    fn is_running(&self) -> bool {
        File::open(self.lock_path()).is_ok_and(|file| {
            rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err()
        })
    }

    /// Starts one unless one runs; the port appears a moment later.
    pub(super) fn ensure(&self, child: &mut Option<Child>) -> std::io::Result<()> {
        if let Some(running) = child {
            if running.try_wait()?.is_none() {
                return Ok(());
            }
            *child = None;
        }
        if self.is_running() {
            return Ok(());
        }
        tracing::info!(pty = %self.pty.display(), "starting the virtual printer");
        *child = Some(
            Command::new(&self.program)
                .arg("virtual-printer")
                .arg("--pty")
                .arg(&self.pty)
                .args(&self.arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()?,
        );
        Ok(())
    }

    /// Ends it: ours, or one that was found running.
    pub(super) fn end(&self, child: Option<Child>) {
        if let Some(mut child) = child {
            // It may be gone already.
            let _ = child.kill();
            let _ = child.wait();
        } else if self.is_running() {
            let pid = std::fs::read_to_string(self.lock_path())
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .and_then(rustix::process::Pid::from_raw);
            if let Some(pid) = pid {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
        }
        let _ = std::fs::remove_file(&self.pty);
        let _ = std::fs::remove_file(self.lock_path());
    }
}
