//! Shelf: where profiles stand, and the only way to take one off it.
//!
//! In:    a name.
//! Out:   the profile from `NAME.toml` or `materials/NAME.toml`, or a [`ProfileError`].
//! Holds: every number of a profile that comes out is within its range.

use super::profile::{Material, Printer};
use super::ranges::{self, Outside};
use sha2::Digest as _;
use std::path::{Path, PathBuf};

/// Why a profile can not be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// No file of that name in any of the places looked at.
    #[error("there is no {kind} profile '{name}'. Known: {known}.")]
    Unknown {
        /// "printer" or "material".
        kind: &'static str,
        /// Name asked for.
        name: String,
        /// Names found.
        known: String,
    },
    /// The file can not be read.
    #[error("the profile '{name}' can not be read: {source}")]
    Read {
        /// Profile's name.
        name: String,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a profile.
    #[error("the profile '{name}' is not valid: {text}")]
    Parse {
        /// Profile's name.
        name: String,
        /// What the parser says, with line and column.
        text: String,
    },
    /// A number is out of the range that makes sense.
    #[error("the profile '{name}': {key} is {value}, allowed is {low} to {high}. Correct it.")]
    Range {
        /// Profile's name.
        name: String,
        /// Key.
        key: String,
        /// Value found.
        value: f64,
        /// Least.
        low: f64,
        /// Most.
        high: f64,
    },
}

impl Outside {
    fn of(self, name: &str) -> ProfileError {
        let Self {
            key,
            value,
            low,
            high,
        } = self;
        ProfileError::Range {
            name: name.into(),
            key,
            value,
            low,
            high,
        }
    }
}

/// Folders in which profiles (`NAME.toml`, materials in `materials/NAME.toml`) are looked for, first hit wins.
fn folders() -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Some(path) = std::env::var_os("CALVARIA_PROFILES") {
        found.push(PathBuf::from(path));
    }
    found.push(PathBuf::from("printer-profiles"));
    if let Ok(binary) = std::env::current_exe()
        && let Some(folder) = binary.parent()
    {
        found.push(folder.join("../share/calvaria/printer-profiles"));
    }
    found.push(PathBuf::from("/usr/share/calvaria/printer-profiles"));
    found
}

fn load<T: serde::de::DeserializeOwned>(
    kind: &'static str,
    sub: &str,
    name: &str,
) -> Result<T, ProfileError> {
    let plain = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let path = folders()
        .into_iter()
        .map(|f| f.join(sub).join(format!("{name}.toml")))
        .find(|p| plain && p.is_file());
    let Some(path) = path else {
        return Err(ProfileError::Unknown {
            kind,
            name: name.into(),
            known: known(sub).join(", "),
        });
    };
    let text = std::fs::read_to_string(&path).map_err(|source| ProfileError::Read {
        name: name.into(),
        source,
    })?;
    toml::from_str(&text).map_err(|e| ProfileError::Parse {
        name: name.into(),
        text: e.to_string(),
    })
}

fn known(sub: &str) -> Vec<String> {
    let mut names: Vec<String> = folders()
        .iter()
        .filter_map(|f| std::fs::read_dir(f.join(sub)).ok())
        .flatten()
        .filter_map(|entry| {
            let path: &Path = &entry.ok()?.path();
            (path.extension()? == "toml")
                .then(|| path.file_stem()?.to_str().map(str::to_owned))
                .flatten()
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

impl Printer {
    /// SHA-256 of what the profile says, lower-case hex: two of one name are the same only with the same content.
    pub fn sha256(&self) -> String {
        // A profile is numbers, words and lists: it can always be written. If it ever could not, it would differ.
        let said = serde_json::to_vec(self).unwrap_or_default();
        let digest = sha2::Sha256::digest(&said);
        digest.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Names of the printer profiles there are, sorted.
    pub fn names() -> Vec<String> {
        known("")
    }

    /// The printer profile `name`.
    ///
    /// # Errors
    /// [`ProfileError`] when it is not there, not readable, not a profile, or a number makes no sense.
    pub fn load(name: &str) -> Result<Self, ProfileError> {
        let printer: Self = load("printer", "", name)?;
        ranges::printer(&printer).map_err(|outside| outside.of(name))?;
        Ok(printer)
    }
}

impl Material {
    /// Names of the material profiles there are, sorted.
    pub fn names() -> Vec<String> {
        known("materials")
    }

    /// The material profile `name`.
    ///
    /// # Errors
    /// [`ProfileError`] when it is not there, not readable, not a profile, or a number makes no sense.
    pub fn load(name: &str) -> Result<Self, ProfileError> {
        let material: Self = load("material", "materials", name)?;
        ranges::material(&material).map_err(|outside| outside.of(name))?;
        Ok(material)
    }
}
