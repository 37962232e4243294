//! Report: temperatures, position and identity out of the firmware's lines.

use super::{Reading, Temperatures, decimal};

/// Every `T:now /target` and `B:now /target`; a number that can not be read leaves its heater out.
pub(super) fn temperatures(text: &str) -> Temperatures {
    let heater = |names: &[&str]| {
        let at = names.iter().find_map(|name| {
            text.match_indices(name)
                .find(|(at, _)| *at == 0 || text.as_bytes()[at - 1] == b' ')
                .map(|(at, name)| at + name.len())
        })?;
        let now_c = decimal(&text[at..])?;
        let target_c = text[at..]
            .split_once('/')
            .filter(|(between, _)| !between.contains(':'))
            .and_then(|(_, rest)| decimal(rest));
        Some(Reading { now_c, target_c })
    };
    Temperatures {
        hotend: heater(&["T:", "T0:"]),
        bed: heater(&["B:"]),
    }
}

/// Is this what `M109` or `M190` says while it waits? Marlin and Prusa end it with `W:`, the residency; `M190` of
/// Prusa-Firmware up to 3.11 says `T:.. E:0 B:..` without any target.
pub(super) fn heating(text: &str) -> bool {
    text.contains(" W:") || (text.contains(" E:") && !text.contains('/'))
}

/// `X:1.00 Y:2.00 Z:0.30 E:4.00 Count ..`: in this order with nothing between, so that no damage takes the counters
/// behind it for the position.
pub(super) fn position(text: &str) -> Option<[f64; 4]> {
    let mut words = text.split_ascii_whitespace();
    let mut found = [0.0; 4];
    for (value, name) in found.iter_mut().zip(["X:", "Y:", "Z:", "E:"]) {
        let number = words.next()?.strip_prefix(name)?;
        *value = number.parse().ok()?;
    }
    Some(found)
}
