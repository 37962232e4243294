//! Hold: whoever writes the other slot asks the station to keep still, and is answered when nothing is printed, released
//! or designed. The two are processes of different users; they speak by two files in `DATA/run`.
//!
//! In:    `update.lock`, locked by the asker for as long as it wants the station still, with a number in it.
//! Out:   `update.answer`, written by the station: the number, whether it keeps still, and what is in the way.
//! Holds: the station decides on its one thread, so no release and no design begins behind its word. An asker that dies
//!        loses its lock, and the station goes on.

use super::folders::write_private;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LOCK: &str = "run/update.lock";
const ANSWER: &str = "run/update.answer";
/// A station that lives answers within this time.
const ANSWER_MAX: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(100);

/// What the station says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    /// Number of the asker.
    pub(super) number: u64,
    /// What is in the way; empty: it keeps still.
    pub(super) why: String,
}

/// Keeps the station still until it is dropped.
#[derive(Debug)]
pub struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // Dropped with the process as well.
        let _ = rustix::fs::flock(&self.0, rustix::fs::FlockOperation::Unlock);
    }
}

/// Why it is not held.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// Another update holds it.
    #[error("another update is under way")]
    Taken,
    /// The station runs and does not answer.
    #[error("the station does not answer")]
    NoAnswer,
    /// The files can not be used.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Asks the station of `data` to keep still. `busy` hears what is in the way, each time anew, and says whether to go on
/// waiting. `Ok(None)`: it said no.
///
/// # Errors
/// [`HoldError`].
pub fn ask(data: &Path, busy: &mut dyn FnMut(&str) -> bool) -> Result<Option<Held>, HoldError> {
    let path = data.join(LOCK);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)?;
    let owner = std::fs::metadata(data)?;
    if file.metadata()?.uid() != owner.uid() {
        chown(&path, Some(owner.uid()), Some(owner.gid()))?;
    }
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| HoldError::Taken)?;
    let number = u64::from(std::process::id()) << 32 | u64::from(rand_part());
    file.set_len(0)?;
    file.write_all(number.to_string().as_bytes())?;
    file.sync_all()?;
    let held = Held(file);
    let answer = data.join(ANSWER);
    let by = Instant::now() + ANSWER_MAX;
    let mut answered = false;
    loop {
        match read_answer(&answer).filter(|a| a.number == number) {
            Some(answer) if answer.why.is_empty() => return Ok(Some(held)),
            Some(answer) => {
                answered = true;
                if !busy(&answer.why) {
                    return Ok(None);
                }
            }
            None if !answered && Instant::now() > by => return Err(HoldError::NoAnswer),
            None => {}
        }
        std::thread::sleep(LOOK);
    }
}

/// Tells this asking from an earlier one of the same process number.
fn rand_part() -> u32 {
    use std::hash::{BuildHasher, Hasher};
    let hash = std::hash::RandomState::new().build_hasher().finish();
    u32::try_from(hash & u64::from(u32::MAX)).unwrap_or_default()
}

fn read_answer(path: &Path) -> Option<Answer> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// The station's end.
#[derive(Debug)]
pub(super) struct Still {
    lock: PathBuf,
    answer: PathBuf,
    told: Option<Answer>,
}

impl Still {
    pub(super) fn of(data: &Path) -> Self {
        Self {
            lock: data.join(LOCK),
            answer: data.join(ANSWER),
            told: None,
        }
    }

    /// The station keeps still: nothing may begin.
    pub(super) fn is_kept(&self) -> bool {
        self.told.as_ref().is_some_and(|told| told.why.is_empty())
    }

    /// Looks for an asker. `in_the_way`: what goes on now, in a sentence; empty: nothing does.
    pub(super) fn look(&mut self, in_the_way: impl FnOnce() -> String) {
        let Some(number) = self.asker() else {
            self.told = None;
            return;
        };
        let same = self.told.as_ref().filter(|told| told.number == number);
        // What was promised stays promised for as long as it is wanted.
        if same.is_some_and(|told| told.why.is_empty()) {
            return;
        }
        let answer = Answer {
            number,
            why: in_the_way(),
        };
        if same == Some(&answer) {
            return;
        }
        let bytes = serde_json::to_vec(&answer).unwrap_or_default();
        match write_private(&self.answer, |file| file.write_all(&bytes)) {
            Ok(()) => self.told = Some(answer),
            Err(error) => {
                tracing::error!(kind = ?error.kind(), "an update can not be answered");
                self.told = None;
            }
        }
    }

    /// Number of whoever holds the lock.
    fn asker(&self) -> Option<u64> {
        let file = File::open(&self.lock).ok()?;
        let free = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockShared);
        if free.is_ok() {
            return None;
        }
        let mut text = String::new();
        (&file).take(32).read_to_string(&mut text).ok()?;
        text.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_station_keeps_still_for_as_long_as_somebody_wants_it_to() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("run")).unwrap();
        let mut still = Still::of(dir.path());
        still.look(|| panic!("nobody asks"));
        assert!(!still.is_kept());
        let data = dir.path().to_owned();
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let asker = std::thread::spawn(move || {
            let mut heard = Vec::new();
            let held = ask(&data, &mut |why| {
                heard.push(why.to_owned());
                true
            });
            let held = held.unwrap();
            assert!(held.is_some() && heard.iter().all(|w| w == "K7-2043 is printed."));
            tell.send(heard.len()).unwrap();
            ended.recv().unwrap();
            drop(held);
        });
        let by = Instant::now() + Duration::from_secs(10);
        // It waits for the print, then it is answered.
        while still.told.is_none() && Instant::now() < by {
            still.look(|| "K7-2043 is printed.".into());
        }
        assert!(still.told.is_some() && !still.is_kept());
        std::thread::sleep(3 * LOOK);
        still.look(String::new);
        assert!(still.is_kept());
        assert!(told.recv().unwrap() > 0);
        // Whatever comes now does not undo the word; a second asker is told that there is a first.
        still.look(|| "too late".into());
        assert!(still.is_kept());
        let second = ask(dir.path(), &mut |_| true);
        assert!(matches!(second, Err(HoldError::Taken)));
        end.send(()).unwrap();
        asker.join().unwrap();
        still.look(String::new);
        assert!(!still.is_kept());
    }
}
