//! Operators: who may release. PINs are hashed with Argon2id and a pepper that lies outside the database; wrong
//! tries are counted in the store, so that a restart resets nothing.

use super::{Store, StoreError};
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use rusqlite::{OptionalExtension, params};
use std::io::{Read, Write};
use std::path::Path;

/// Wrong PINs before a name is locked.
pub const WRONG_MAX: u32 = 5;
/// First lock, seconds; doubled at each further wrong PIN.
const LOCK_S: i64 = 60;
/// Longest lock, seconds.
const LOCK_MAX_S: i64 = 8 * 3600;
/// Shortest PIN.
const PIN_MIN: usize = 6;
/// Longest PIN and name; more is nobody's.
const INPUT_MAX: usize = 128;
/// Actors of the record that are no person; nobody is called so.
const OWN_NAMES: [&str; 4] = ["station", "designer", "link", "anybody"];
/// Names nobody has share one count, so that guessing names fills no table and tells nothing.
const NOBODY: &str = "?";
/// A hash that no PIN has, in the form of the others: an unknown name takes as long as a known one.
const DUMMY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$qqSCqQPLbO7RKU+qFwvGynGlf3ZlUZ5JAA9Q5AJ4sRg";

/// The answer to a name and a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinCheck {
    /// It is that person.
    Right,
    /// Name or PIN is wrong; this many tries are left.
    Wrong {
        /// Tries before the name is locked.
        left: u32,
    },
    /// Too many wrong tries.
    Locked {
        /// Unix seconds at which the next try is heard.
        until_s: i64,
    },
}

impl Store {
    /// Adds an operator, or gives one a new PIN.
    pub fn add_operator(&mut self, name: &str, pin: &str, now: &str) -> Result<(), StoreError> {
        let name = name.trim();
        let plain = |c: char| c.is_alphanumeric() || " .-_'".contains(c);
        if name.is_empty() || name.len() > INPUT_MAX || !name.chars().all(plain) {
            return Err(StoreError::Name(
                "a name is letters, digits, space, . - _ '",
            ));
        }
        let lower = name.to_lowercase();
        if OWN_NAMES.contains(&lower.as_str()) {
            return Err(StoreError::Name("it is one of the program's own"));
        }
        let others = self.operators()?;
        if others
            .iter()
            .any(|(other, _)| other != name && other.to_lowercase() == lower)
        {
            return Err(StoreError::Name(
                "somebody is called so, but for capital letters; write it as the list does",
            ));
        }
        check_new_pin(pin)?;
        let hash = self
            .hasher()?
            .hash_password(pin.as_bytes())
            .map_err(|e| StoreError::Pin(e.to_string()))?
            .to_string();
        let tx = self.db.transaction()?;
        tx.execute(
            "INSERT INTO operator (name, hash, added) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET hash = ?2",
            params![name, hash, now],
        )?;
        tx.execute("DELETE FROM lockout WHERE name = ?1", [name])?;
        let body = serde_json::json!({ "operator": name });
        super::record::append(&tx, now, "station", "", "operator_added", &body)?;
        tx.commit()?;
        Ok(())
    }

    /// Removes an operator; `false` when nobody is called so.
    pub fn remove_operator(&mut self, name: &str, now: &str) -> Result<bool, StoreError> {
        let tx = self.db.transaction()?;
        let gone = tx.execute("DELETE FROM operator WHERE name = ?1", [name.trim()])? > 0;
        if gone {
            let body = serde_json::json!({ "operator": name.trim() });
            super::record::append(&tx, now, "station", "", "operator_removed", &body)?;
        }
        tx.commit()?;
        Ok(gone)
    }

    /// Names of all operators and when they were added.
    pub fn operators(&self) -> Result<Vec<(String, String)>, StoreError> {
        let mut statement = self
            .db
            .prepare("SELECT name, added FROM operator ORDER BY name")?;
        let rows = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Is this that person? Counts wrong tries. `now_s` is Unix seconds.
    pub fn check_pin(&mut self, name: &str, pin: &str, now_s: i64) -> Result<PinCheck, StoreError> {
        let name = name.trim();
        let hash: Option<String> = self
            .db
            .query_row("SELECT hash FROM operator WHERE name = ?1", [name], |r| {
                r.get(0)
            })
            .optional()?;
        let key = if hash.is_some() { name } else { NOBODY };
        let (wrong, until_s): (u32, i64) = self
            .db
            .query_row(
                "SELECT wrong, until_s FROM lockout WHERE name = ?1",
                [key],
                |r| Ok((r.get(0)?, r.get(1)?)),
            )
            .optional()?
            .unwrap_or((0, 0));
        if now_s < until_s {
            return Ok(PinCheck::Locked { until_s });
        }
        let stored = PasswordHash::new(hash.as_deref().unwrap_or(DUMMY))
            .map_err(|e| StoreError::Pin(e.to_string()))?;
        let fits = pin.len() <= INPUT_MAX
            && self
                .hasher()?
                .verify_password(pin.as_bytes(), &stored)
                .is_ok();
        if fits && hash.is_some() {
            self.db
                .execute("DELETE FROM lockout WHERE name = ?1", [key])?;
            return Ok(PinCheck::Right);
        }
        let wrong = wrong.saturating_add(1);
        let left = WRONG_MAX.saturating_sub(wrong);
        let until_s = if left == 0 {
            let doubled = LOCK_S.saturating_mul(1 << (wrong - WRONG_MAX).min(16));
            now_s.saturating_add(doubled.min(LOCK_MAX_S))
        } else {
            0
        };
        self.db.execute(
            "INSERT INTO lockout (name, wrong, until_s) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET wrong = ?2, until_s = ?3",
            params![key, wrong, until_s],
        )?;
        Ok(if left == 0 {
            PinCheck::Locked { until_s }
        } else {
            PinCheck::Wrong { left }
        })
    }

    /// Argon2id, 19 MiB, 2 passes, 1 lane (OWASP's minimum; 30 ms of CPU), with the pepper.
    fn hasher(&self) -> Result<Argon2<'_>, StoreError> {
        Argon2::new_with_secret(
            &self.pepper,
            Algorithm::Argon2id,
            Version::V0x13,
            Params::default(),
        )
        .map_err(|e| StoreError::Pin(e.to_string()))
    }
}

/// Digits, enough of them, and not the first that anybody would try.
fn check_new_pin(pin: &str) -> Result<(), StoreError> {
    if !pin.bytes().all(|b| b.is_ascii_digit()) {
        return Err(StoreError::WeakPin("a PIN is digits only, without spaces"));
    }
    if !(PIN_MIN..=INPUT_MAX).contains(&pin.len()) {
        return Err(StoreError::WeakPin("a PIN has at least 6 digits"));
    }
    let steps: Vec<i16> = pin
        .as_bytes()
        .windows(2)
        .map(|pair| (i16::from(pair[1]) - i16::from(pair[0])).rem_euclid(10))
        .collect();
    let even = steps.iter().all(|step| *step == steps[0]);
    let repeats = |n: usize| pin.len().is_multiple_of(n) && pin == pin[..n].repeat(pin.len() / n);
    if even || repeats(2) || repeats(3) {
        return Err(StoreError::WeakPin(
            "it is too easy (one digit, a row or a pattern); take others",
        ));
    }
    Ok(())
}

/// The pepper in `DATA/pepper` (mode 0600), made from the system's randomness the first time.
pub(super) fn pepper(data: &Path) -> Result<Vec<u8>, StoreError> {
    let path = data.join("pepper");
    match std::fs::read(&path) {
        Ok(bytes) if bytes.len() == 32 => return Ok(bytes),
        Ok(_) => return Err(StoreError::Damaged("DATA/pepper has not 32 bytes".into())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(e.into()),
    }
    let mut bytes = vec![0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    crate::station::folders::write_private(&path, |file| file.write_all(&bytes))?;
    Ok(bytes)
}
