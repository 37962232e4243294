//! Operators: who may do what. PINs are hashed with Argon2id and a pepper that lies outside the database; who tries is
//! heard at the [`gate`](super::gate).

use super::{Store, StoreError};
use crate::status::Role;
use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Block, Params, PasswordHasher, Version};
use rusqlite::{Connection, params};
use std::io::{Read, Write};
use std::path::Path;

/// Shortest PIN.
const PIN_MIN: usize = 6;
/// Longest PIN and name; more is nobody's.
const INPUT_MAX: usize = 128;
/// Blocks of 1 KiB that a hash makes room for. What the C library gives out above 32 MiB goes back to the system at once;
/// the 19 MiB of a hash would stay with the thread that asked, and each act has one of its own. Room that is not touched
/// costs nothing.
const BLOCKS_GIVEN_BACK: usize = 33 * 1024;
/// Actors of the record that are no person; nobody is called so.
const OWN_NAMES: [&str; 4] = ["station", "designer", "link", "anybody"];
/// How the record calls it when the first person came by the setup code.
const SET_UP: &str = "set_up";
/// A hash that no PIN has, in the form of the others: an unknown name takes as long as a known one.
const DUMMY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$qqSCqQPLbO7RKU+qFwvGynGlf3ZlUZ5JAA9Q5AJ4sRg";

/// A person as the store knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The name, as the record shows it.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// When they were added, RFC 3339.
    pub added: String,
    /// Argon2id of the PIN, PHC string.
    pub(super) hash: String,
}

/// A name as names are compared: without regard to capitals and outer spaces, inner ones as one. Upper case first, so
/// that ß and SS are the same.
pub(in crate::station) fn canonical(name: &str) -> String {
    let words: Vec<&str> = name.split_whitespace().collect();
    words.join(" ").to_uppercase().to_lowercase()
}

impl Store {
    /// Adds a person, or gives one a new PIN and role; wrong PINs of the name are forgotten.
    pub fn add_operator(
        &mut self,
        name: &str,
        pin: &str,
        role: Role,
        now: &str,
    ) -> Result<(), StoreError> {
        self.put_on_list(name, pin, role, now, "operator_added")
            .map(drop)
    }

    /// Adds the first person, a supervisor; `false`: somebody is on the list, and nothing was done.
    pub(in crate::station) fn add_first(
        &mut self,
        name: &str,
        pin: &str,
        now: &str,
    ) -> Result<bool, StoreError> {
        self.put_on_list(name, pin, Role::Supervisor, now, SET_UP)
    }

    fn put_on_list(
        &mut self,
        name: &str,
        pin: &str,
        role: Role,
        now: &str,
        kind: &str,
    ) -> Result<bool, StoreError> {
        let name = name.trim();
        let plain = |c: char| c.is_alphanumeric() || " .-_'".contains(c);
        if name.is_empty() || name.len() > INPUT_MAX || !name.chars().all(plain) {
            return Err(StoreError::Name(
                "a name is letters, digits, space, . - _ '",
            ));
        }
        let folded = canonical(name);
        if OWN_NAMES.contains(&folded.as_str()) {
            return Err(StoreError::Name("it is one of the program's own"));
        }
        let others = self.operators()?;
        if others
            .iter()
            .any(|other| other.name != name && canonical(&other.name) == folded)
        {
            return Err(StoreError::Name(
                "somebody is called so, but for capital letters; write it as the list does",
            ));
        }
        check_new_pin(pin)?;
        let hash = self.hash_of(pin)?;
        let tx = self.db.transaction()?;
        let count: u32 = tx.query_row("SELECT count(*) FROM operator", [], |r| r.get(0))?;
        if kind == SET_UP && count > 0 {
            return Ok(false);
        }
        tx.execute(
            "INSERT INTO operator (name, hash, added, role) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name) DO UPDATE SET hash = ?2, role = ?4",
            params![name, hash, now, role.word()],
        )?;
        forget_guesses(&tx, &folded)?;
        let body = serde_json::json!({ "operator": name, "role": role });
        super::record::append(&tx, now, "station", "", kind, &body)?;
        tx.commit()?;
        Ok(true)
    }

    /// Removes an operator; `false` when nobody is called so.
    pub fn remove_operator(&mut self, name: &str, now: &str) -> Result<bool, StoreError> {
        let folded = canonical(name);
        let people = self.operators()?;
        let Some(person) = people.iter().find(|p| canonical(&p.name) == folded) else {
            return Ok(false);
        };
        let tx = self.db.transaction()?;
        let gone = tx.execute("DELETE FROM operator WHERE name = ?1", [&person.name])? > 0;
        forget_guesses(&tx, &folded)?;
        let body = serde_json::json!({ "operator": person.name });
        super::record::append(&tx, now, "station", "", "operator_removed", &body)?;
        tx.commit()?;
        Ok(gone)
    }

    /// Everybody, by name.
    pub fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        let sql = "SELECT name, added, role, hash FROM operator ORDER BY name";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([], |r| {
            let role: String = r.get(2)?;
            Ok(Operator {
                name: r.get(0)?,
                added: r.get(1)?,
                // A word of a later program is no right here.
                role: role.parse().unwrap_or(Role::Service),
                hash: r.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Forgets the wrong PINs of a name, or of everybody where it is empty, with a line in the record. A running
    /// station heeds it at the next try.
    pub fn unlock(&mut self, name: &str, now: &str) -> Result<(), StoreError> {
        let tx = self.db.transaction()?;
        forget_guesses(&tx, &canonical(name))?;
        let body = serde_json::json!({ "operator": name.trim() });
        super::record::append(&tx, now, "station", "", "unlocked", &body)?;
        tx.commit()?;
        Ok(())
    }

    /// Argon2id of a PIN or code, PHC string.
    pub(in crate::station) fn hash_of(&self, secret: &str) -> Result<String, StoreError> {
        let hash = self.hasher()?.hash_password(secret.as_bytes());
        Ok(hash
            .map_err(|e| StoreError::Pin(e.to_string()))?
            .to_string())
    }

    /// Does the PIN have this hash? Without a hash it takes as long and does not.
    pub(in crate::station) fn pin_fits(
        &self,
        pin: &str,
        hash: Option<&str>,
    ) -> Result<bool, StoreError> {
        let stored =
            PasswordHash::new(hash.unwrap_or(DUMMY)).map_err(|e| StoreError::Pin(e.to_string()))?;
        let fits = pin.len() <= INPUT_MAX && self.has_hash(pin, &stored)?;
        Ok(fits && hash.is_some())
    }

    /// Hashes the PIN as `stored` was made, and compares in constant time.
    fn has_hash(&self, pin: &str, stored: &PasswordHash) -> Result<bool, StoreError> {
        let hasher = self.hasher()?;
        let (Some(salt), Some(hash)) = (&stored.salt, &stored.hash) else {
            return Ok(false);
        };
        let count = hasher.params().block_count();
        let mut blocks = Vec::with_capacity(count.max(BLOCKS_GIVEN_BACK));
        blocks.resize(count, Block::default());
        let mut made = vec![0; hash.len()];
        let salt: &[u8] = salt.as_ref();
        let wrong = |e: String| StoreError::Pin(e);
        hasher
            .hash_password_into_with_memory(pin.as_bytes(), salt, &mut made, &mut blocks)
            .map_err(|e| wrong(e.to_string()))?;
        Ok(Output::new(&made).map_err(|e| wrong(e.to_string()))? == *hash)
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

/// Of one name in its canonical form, or of everybody where it is empty.
pub(super) fn forget_guesses(db: &Connection, folded: &str) -> Result<(), StoreError> {
    db.execute("DELETE FROM guess WHERE name = ?1 OR ?1 = ''", [folded])?;
    Ok(())
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
