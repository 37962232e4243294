//! `calvaria update restart`: a restart of the box disturbs no print, no release and no design. Whoever wants one after an
//! update, or because a slot is not sound, asks here.

use super::super::{Failure, Outcome};
use crate::station::hold::{self, HoldError};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Between two questions while it waits for what nobody tells of.
const AGAIN: Duration = Duration::from_secs(5);
/// Processes get this long to end after the box was told to restart; they are ended with this one.
const END_MAX: Duration = Duration::from_secs(600);

/// What stands against a restart now.
enum Now {
    /// Nothing, for as long as this is kept.
    Free(Option<hold::Held>),
    /// This.
    Busy(String),
}

pub(super) fn run(data: &Path, wait: bool, ask: bool) -> Outcome {
    let mut said = String::new();
    let held = loop {
        match look(data, wait, &mut said)? {
            Now::Free(held) => break held,
            Now::Busy(why) if wait => {
                tell(&mut said, &why);
                std::thread::sleep(AGAIN);
            }
            Now::Busy(why) => {
                let why = why.trim_end_matches('.');
                let text = format!("{why}. Try again later, or say --wait.");
                return Err(Failure::refused(text));
            }
        }
    };
    if ask {
        return Ok(());
    }
    super::super::print("The box restarts.");
    let told = Command::new("systemctl").arg("reboot").status();
    match told {
        Ok(status) if status.success() => {}
        Ok(status) => {
            return Err(Failure::failed(format!(
                "the box was not restarted: systemctl ended with {status}."
            )));
        }
        Err(error) => {
            return Err(Failure::failed(format!(
                "the box was not restarted: systemctl: {error}."
            )));
        }
    }
    // Until then nothing may begin.
    if held.is_some() {
        std::thread::sleep(END_MAX);
    }
    Ok(())
}

fn look(data: &Path, wait: bool, said: &mut String) -> Result<Now, Failure> {
    let printed = || Now::Busy("Something is being printed.".into());
    if !crate::cli::self_test::station_runs(data) {
        return Ok(match super::prints(data) {
            true => printed(),
            false => Now::Free(None),
        });
    }
    let mut why = String::new();
    let held = hold::ask(data, &mut |now| {
        now.clone_into(&mut why);
        if wait {
            tell(said, now);
        }
        wait
    });
    match held {
        Ok(Some(held)) => Ok(Now::Free(Some(held))),
        Ok(None) => Ok(Now::Busy(why)),
        Err(HoldError::Taken) => Ok(Now::Busy("An update is being installed.".into())),
        // A station that hangs begins nothing; a design is begun anew, a print is the link's.
        Err(HoldError::NoAnswer) => Ok(match super::prints(data) {
            true => printed(),
            false => Now::Free(None),
        }),
        Err(HoldError::Io(error)) => Err(Failure::failed(format!(
            "the station can not be asked: {error}. Say it as root or as the station's user."
        ))),
    }
}

/// Once for each reason.
fn tell(said: &mut String, why: &str) {
    if said != why {
        super::super::print(&format!("The restart waits: {why}"));
        why.clone_into(said);
    }
}
