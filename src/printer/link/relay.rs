//! Relay: takes the mains from the printer behind an emergency, by a program of the station's owner.

use std::process::{Command, Stdio};

/// Runs `words`, program and arguments, beside the loop; nothing where none is configured.
pub(super) fn switch_off(words: &[String]) {
    let Some((program, arguments)) = words.split_first() else {
        return;
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let program = program.clone();
    std::thread::spawn(move || match command.status() {
        Ok(status) if status.success() => tracing::warn!(program, "the mains were switched off"),
        Ok(status) => tracing::error!(program, %status, "the mains could not be switched off"),
        Err(error) => tracing::error!(program, %error, "the mains could not be switched off"),
    });
}
