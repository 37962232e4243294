//! Report: temperatures, position and name out of the firmware's lines.

use super::{Temperatures, decimal};

/// Every `T:now /target` and `B:now /target`; a number that can not be read leaves its heater out.
pub(super) fn temperatures(text: &str) -> Temperatures {
    let heater = |names: [&str; 2]| {
        let at = names.iter().find_map(|name| {
            text.match_indices(name)
                .find(|(at, _)| *at == 0 || text.as_bytes()[at - 1] == b' ')
                .map(|(at, name)| at + name.len())
        })?;
        let now = decimal(&text[at..])?;
        let target = text[at..]
            .split_once('/')
            .filter(|(between, _)| !between.contains(':'))
            .and_then(|(_, rest)| decimal(rest))?;
        Some((now, target))
    };
    Temperatures {
        hotend: heater(["T:", "T0:"]),
        bed: heater(["B:", "B:"]),
    }
}

pub(super) fn position(text: &str) -> Option<[f64; 4]> {
    let mut found = [0.0; 4];
    let head = text.split(" Count").next()?;
    for (value, name) in found.iter_mut().zip(["X:", "Y:", "Z:", "E:"]) {
        let at = head.find(name)? + 2;
        *value = decimal(&head[at..])?;
    }
    Some(found)
}

/// The name runs to the next `KEY:` word; it may itself hold spaces and colons.
pub(super) fn firmware_name(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split(' ') {
        let key = word.split(':').next().unwrap_or_default();
        let is_key = word.contains(':')
            && key.len() > 2
            && key.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        if is_key {
            break;
        }
        words.push(word);
    }
    words.join(" ").trim().to_owned()
}
