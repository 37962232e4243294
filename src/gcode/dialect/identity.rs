//! Identity: which printer answered `M115`.

use super::Dialect;
use super::facts::Uuid;

/// The UUID that Marlin and its descendants send when the builder set none (`inc/Version.h`).
const SHARED_UUID: &str = "cede2a2f-41a2-4748-9b12-c55c62f367ff";

/// Longest value that is kept, characters.
const VALUE_MAX: usize = 96;

/// Who answered. Two lines of the same printer are equal; a new firmware version makes them differ in `firmware` alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Value of `FIRMWARE_NAME:`.
    pub firmware: String,
    /// Value of `MACHINE_TYPE:`, or `ELECTRONICS:`; empty where there is none.
    pub machine: String,
    /// Value of `UUID:`, where it names this machine alone.
    pub uuid: Option<String>,
}

impl Identity {
    /// Reads the line of `M115`, also one glued behind an `ok`. `None` when the line names no firmware.
    pub fn read(line: &str) -> Option<Self> {
        let firmware = value(line, "FIRMWARE_NAME:")?;
        let machine = value(line, "MACHINE_TYPE:")
            .or_else(|| value(line, "ELECTRONICS:"))
            .unwrap_or_default();
        let uuid = value(line, "UUID:").filter(|uuid| names_one(uuid));
        Some(Self {
            firmware,
            machine,
            uuid,
        })
    }

    /// The family; `None` for a firmware that is not in the table.
    pub fn dialect(&self) -> Option<Dialect> {
        // The longest name that fits: "Prusa-Firmware-Buddy" is not "Prusa-Firmware ".
        Dialect::ALL
            .into_iter()
            .flat_map(|d| d.facts().firmware_names.iter().map(move |name| (d, *name)))
            .filter(|(_, name)| begins(&self.firmware, name))
            .max_by_key(|(_, name)| name.len())
            .map(|(dialect, _)| dialect)
    }

    /// May this be the printer that `earlier` named? Not when the machine or the UUID differ, or the family does.
    pub fn may_be(&self, earlier: &Self) -> bool {
        let uuid_fits = match (&self.uuid, &earlier.uuid) {
            (Some(now), Some(then)) => now == then,
            // A UUID that was there goes with its machine; one that comes is another machine, too.
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        uuid_fits && self.machine == earlier.machine && self.dialect() == earlier.dialect()
    }

    /// Can two machines of one kind be told apart by it?
    pub fn names_one_machine(&self) -> bool {
        self.uuid.is_some() && self.dialect().is_none_or(|d| d.facts().uuid != Uuid::No)
    }
}

fn begins(text: &str, name: &str) -> bool {
    // A name that ends with a space ends a word: the version follows it.
    text.len() >= name.trim_end().len()
        && text.is_char_boundary(name.len().min(text.len()))
        && format!("{text} ")
            .to_ascii_lowercase()
            .starts_with(&name.to_ascii_lowercase())
}

fn names_one(uuid: &str) -> bool {
    let digits = uuid.chars().filter(char::is_ascii_hexdigit);
    !uuid.eq_ignore_ascii_case(SHARED_UUID)
        && digits.clone().count() >= 8
        && digits.clone().any(|c| c != '0')
}

/// The value behind a key, up to the next `KEY:`; it may itself hold spaces and colons.
fn value(line: &str, key: &str) -> Option<String> {
    let at = find_key(line, key)? + key.len();
    let mut words = Vec::new();
    for word in line[at..].split_ascii_whitespace() {
        let name = word.split(':').next().unwrap_or_default();
        let is_key = word.contains(':')
            && name.len() > 2
            && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        if is_key {
            break;
        }
        words.push(word);
    }
    let value: String = words.join(" ").chars().take(VALUE_MAX).collect();
    (!value.is_empty()).then_some(value)
}

/// A key stands at the start of a word: `UUID:` is not found in `MACHINE_UUID:`.
fn find_key(line: &str, key: &str) -> Option<usize> {
    line.match_indices(key)
        .find(|(at, _)| {
            !line[..*at]
                .chars()
                .next_back()
                .is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
        })
        .map(|(at, _)| at)
}
