//! Setup: a box that nobody may use yet is made somebody's on the page, by a one-time code that only the display and the
//! console show.
//!
//! In:    `[web] setup_code`; who is on the list; a code that somebody typed.
//! Out:   the code for the display; the first supervisor.
//! Holds: there is a code only while nobody is on the list. It is kept hashed (`DATA/setup.json`), ends when it was used,
//!        with the next start, and after [`TRIES`] wrong ones; then a new one comes after [`PAUSE`], so that nobody who
//!        guesses from elsewhere keeps the owner out.
//! Never: the code in a file, in the API or on the page.

use super::Handle;
use super::engine::Input;
use super::folders::write_private;
use super::requests::store_says;
use super::store::{Store, StoreError};
use crate::status::{Refused, Reply, SetUp, SetupCode};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Wrong codes that one code stands.
const TRIES: u32 = 5;
/// After that many the next code is shown so much later.
const PAUSE: Duration = Duration::from_secs(60);
/// Characters of a code: none is taken for another on a small display.
const LETTERS: &[u8] = b"23456789ABCDEFGHJKMNPQRSTUVWXYZ";
/// How many of them: 31^8 is nine hundred thousand million.
const LENGTH: usize = 8;
const FILE: &str = "setup.json";

/// What is kept on disk.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// Argon2id of the code.
    hash: String,
    /// Wrong codes so far.
    wrong: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Setup {
    path: PathBuf,
    /// The configuration wants it.
    wanted: bool,
    code: Option<(SetupCode, Kept)>,
    /// No code before then.
    not_before: Option<Instant>,
}

impl Setup {
    /// Of the station in this data folder. What an earlier run kept is of no use: its code is shown nowhere any more.
    pub(super) fn new(data: &std::path::Path, wanted: bool) -> Self {
        let path = data.join(FILE);
        let _ = std::fs::remove_file(&path);
        Self {
            path,
            wanted,
            code: None,
            not_before: None,
        }
    }

    /// Makes a code where one is wanted and there is none, and withdraws it once somebody is on the list. `true`: what
    /// is shown has changed.
    pub(super) fn look(&mut self, store: &Store, now: Instant) -> Result<bool, StoreError> {
        if !self.wanted {
            return Ok(false);
        }
        if !store.operators()?.is_empty() {
            return Ok(self.end());
        }
        if self.code.is_some() || self.not_before.is_some_and(|at| now < at) {
            return Ok(false);
        }
        let code = draw()?;
        let kept = Kept {
            hash: store.hash_of(&canonical(&code))?,
            wrong: 0,
        };
        self.keep(&kept)?;
        tracing::warn!("nobody may use this station yet. Setup code: {code}. Type it on the page.");
        self.code = Some((SetupCode(code), kept));
        Ok(true)
    }

    /// For the display.
    pub(super) fn shown(&self) -> SetupCode {
        self.code
            .as_ref()
            .map(|(code, _)| code.clone())
            .unwrap_or_default()
    }

    /// Nobody is on the list, and a code is or will be shown.
    pub(super) fn is_open(&self) -> bool {
        self.code.is_some() || self.not_before.is_some()
    }

    /// It is used up, or not needed.
    fn end(&mut self) -> bool {
        let was_open = self.is_open();
        (self.code, self.not_before) = (None, None);
        let _ = std::fs::remove_file(&self.path);
        was_open
    }

    fn keep(&self, kept: &Kept) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(kept).map_err(std::io::Error::other)?;
        Ok(write_private(&self.path, |file| file.write_all(&bytes))?)
    }

    /// Is this the code? Wrong ones are counted.
    fn check(&mut self, store: &Store, typed: &str, now: Instant) -> Result<Reply, StoreError> {
        let Some((_, kept)) = &mut self.code else {
            let next = "A new one is shown on the display within a minute.";
            return Ok(refused("locked", "Too many wrong codes.", next));
        };
        if store.pin_fits(&canonical(typed), Some(&kept.hash))? {
            return Ok(Ok(()));
        }
        kept.wrong += 1;
        if kept.wrong >= TRIES {
            (self.code, self.not_before) = (None, Some(now + PAUSE));
            let _ = std::fs::remove_file(&self.path);
        } else if let Some((_, kept)) = &self.code {
            self.keep(kept)?;
        }
        let next = "Read it on the station\u{2019}s display, or in its log.";
        Ok(refused("wrong_code", "That is not the setup code.", next))
    }
}

impl Handle {
    /// Makes the first supervisor on the word of the setup code.
    ///
    /// # Errors
    /// `no_setup`: the configuration does not want it. `set_up`: somebody is on the list. `wrong_code`, `locked`.
    /// `weak_pin`, `bad_name`: the code is not used up. That the store can not be written.
    pub fn set_up(&self, asked: &SetUp) -> Reply {
        let says = |e: StoreError| match e {
            StoreError::WeakPin(_) | StoreError::Pin(_) => {
                Refused::new("weak_pin", capital(&e), "Take another PIN.")
            }
            StoreError::Name(_) => Refused::new("bad_name", capital(&e), "Write another name."),
            other => store_says(&other),
        };
        let mut gate = self.gate();
        let mut setup = self.setup.lock().unwrap_or_else(PoisonError::into_inner);
        if !setup.wanted {
            let next = "On the station's console: calvaria operator add NAME --role supervisor.";
            return refused("no_setup", "This station is not set up on its page.", next);
        }
        if !gate.store().operators().map_err(says)?.is_empty() {
            let next = "Ask a supervisor, or IT.";
            return refused("set_up", "This station is set up already.", next);
        }
        let now = (self.monotonic)();
        let checked = setup.check(gate.store(), &asked.code.0, now);
        let done = checked.map_err(says).and_then(|right| {
            right?;
            let at = (self.clock)().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
            let store = gate.store_mut();
            let first = store
                .add_first(&asked.name, &asked.pin.0, &at)
                .map_err(says)?;
            if !first {
                return refused("set_up", "This station is set up already.", "Ask IT.");
            }
            setup.end();
            Ok(())
        });
        drop((setup, gate));
        // What is shown has changed, by a right code or by the last wrong one.
        let _ = self.mail.send(Input::Look);
        done
    }
}

fn refused(code: &str, text: &str, next: &str) -> Reply {
    Err(Refused::new(code, text, next))
}

/// A sentence begins with a capital letter.
fn capital(error: &StoreError) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

/// As it is compared: capitals, without what people put between.
fn canonical(code: &str) -> String {
    let plain = code.chars().filter(char::is_ascii_alphanumeric);
    plain
        .map(|c| c.to_ascii_uppercase())
        .take(4 * LENGTH)
        .collect()
}

/// Eight letters from the system's randomness, in two groups.
fn draw() -> Result<String, StoreError> {
    let mut random = std::fs::File::open("/dev/urandom")?;
    let mut code = String::new();
    while code.len() < LENGTH + 1 {
        let mut byte = [0];
        random.read_exact(&mut byte)?;
        // The lower five bits; the one value that has no letter is drawn again.
        if let Some(letter) = LETTERS.get(usize::from(byte[0] & 31)) {
            code.push(char::from(*letter));
        }
        if code.len() == LENGTH / 2 {
            code.push('-');
        }
    }
    Ok(code)
}

#[cfg(test)]
mod tests;
